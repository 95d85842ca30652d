"""The page itself: one file with its data, its style and its script in it [W59].

    write("graph.html", graph, "a title")

Whoever has the file can open it: it asks nothing of a server, a network or a library. What it does is in
viewer/viewer.js, and where boxes stand in viewer/layout.js, which a browser runs as they stand there.

Next: docs/viewer.rst.
"""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

from refflow.core.graph import Graph
from refflow.viewer.fold import data

_HERE = Path(__file__).parent
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<svg id="canvas">
<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"
markerUnits="userSpaceOnUse" orient="auto-start-reverse"><path d="M0 0L8 4L0 8z" fill="#8793a0"></path></marker></defs>
<g id="world"></g>
</svg>
<div id="side">
<div class="tools"><input id="find" placeholder="find a name or an op type" aria-label="find">
<button id="fit">whole</button> <button id="close">close all</button>
<select id="colour" aria-label="colour"><option>structure</option><option>device</option></select></div>
<div>A click opens and closes a block, shift-click moves it aside; drag and wheel move the picture.</div>
<div id="legend"></div>
<hr>
<div id="about"></div>
</div>
<script type="application/json" id="graph">{data}</script>
<script>
{script}</script>
</body>
</html>
"""


def page(graph: Graph, title: str) -> str:
    """The text of the file."""
    script = _text("layout.js") + _text("viewer.js")
    return _PAGE.format(title=html.escape(title), style=_text("viewer.css"), script=script, data=_safe(data(graph)))


def write(path: str, graph: Graph, title: str) -> None:
    """Writes the file. ValueError for a graph of no operations."""
    if not graph.get_operations():
        raise ValueError(f"{title} has no operations to show")
    Path(path).write_text(page(graph, title), encoding="utf-8")


def _safe(found: dict[str, Any]) -> str:
    """JSON in which nothing ends the element that it stands in."""
    return json.dumps(found, separators=(",", ":")).replace("<", "\\u003c")


def _text(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
