"""The table as a picture: a line for each workload, its times, and its ratios on a logarithmic scale.

    0.1        1         10
     |   o |   |                a dot: the ratio to TensorFlow; a ring: to the best peer; left of one is quicker
     |     |   |  o             a tick: TensorFlow's bar; where a bar is missed, the dot is red

SVG is text: shapes with coordinates. Next: refflow/bench/cpu.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape
from typing import Any

from refflow.bench import table
from refflow.bench.table import Data

LINE, TOP, WIDE = 20, 64, 1080
TITLE, TIME, TENSORFLOW, BEST, SCALE, SCALE_WIDE = 10, 570, 660, 750, 800, 260  # where columns are
DARK, PALE, GOOD, BAD = "#222222", "#dddddd", "#1a7f5a", "#c0392b"
LEAST, MOST = 0.03, 10.0  # of the scale


def element(tag: str, text: str = "", **attributes: Any) -> str:
    """
    >>> element("circle", r=3, stroke_width=2)
    '<circle r="3" stroke-width="2"/>'
    >>> element("text", "a < b", x=1)
    '<text x="1">a &lt; b</text>'
    """
    given = "".join(f' {name.replace("_", "-")}="{escape(str(value))}"' for name, value in attributes.items())
    return f"<{tag}{given}>{escape(text)}</{tag}>" if text else f"<{tag}{given}/>"


def place(ratio: float) -> float:
    """Where a ratio is on the scale; what is beyond an end is at the end."""
    ratio = min(max(ratio, LEAST), MOST)
    return round(SCALE + SCALE_WIDE * math.log(ratio / LEAST) / math.log(MOST / LEAST), 1)


def draw(report: Data, clock: str) -> str:
    """The report of `refflow bench cpu` as SVG."""
    lines = [*report["groups"][clock], *report["rows"]]
    height = TOP + LINE * len(lines) + 12
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {height}" font-family="sans-serif"'
    parts = [f'{head} font-size="12">', element("rect", width=WIDE, height=height, fill="white")]
    parts += _heading(report, clock, height)
    for number, line in enumerate(lines):
        parts += _line(line, clock, TOP + LINE * number, bold=number < len(report["groups"][clock]))
    return "\n".join([*parts, "</svg>", ""])


def _heading(report: Data, clock: str, height: int) -> Iterator[str]:
    versions = report["machine"]["versions"]
    peers = ", ".join(f"{name} {version}" for name, version in versions.items() if name != "jaxlib")
    yield element("text", f"{report['machine']['processor']}, threads: {report['threads']}, {clock} time; {peers}",
                  x=TITLE, y=20, fill=DARK)  # fmt: skip
    for x, text in ((TIME, "refflow"), (TENSORFLOW, "/ TensorFlow"), (BEST, "/ best")):
        yield element("text", text, x=x, y=48, fill=DARK, text_anchor="end", font_weight="bold")
    for ratio in (0.1, 0.3, 1, 3):
        yield element("text", f"{ratio:g}", x=place(ratio), y=48, fill=DARK, text_anchor="middle")
        yield element("line", x1=place(ratio), x2=place(ratio), y1=54, y2=height - 8,
                      stroke=DARK if ratio == 1 else PALE)  # fmt: skip


def _line(line: Data, clock: str, top: int, bold: bool) -> Iterator[str]:
    y, weight = top + 14, "bold" if bold else "normal"
    ratios, bar = line["ratios"] if bold else line["ratios"][clock], line["bar"]
    yield element("text", line["title"], x=TITLE, y=y, fill=DARK, font_weight=weight)
    if not bold and "refflow" in line["times"]:
        time = table.spell(line["times"]["refflow"][clock]["median"], line.get("unit"))
        yield element("text", time, x=TIME, y=y, fill=DARK, text_anchor="end")
    for against, x in (("tensorflow", TENSORFLOW), ("best", BEST)):
        if against in ratios:
            colour = _colour(ratios[against], bar[against])
            said = f"{ratios[against]:.2f}"
            yield element("text", said, x=x, y=y, fill=colour, text_anchor="end", font_weight=weight)
            look = {"fill": colour} if against == "tensorflow" else {"fill": "white", "stroke": colour}
            yield element("circle", cx=place(ratios[against]), cy=y - 4, r=4, **look)
        if bar[against] is not None and against == "tensorflow":
            yield element("line", x1=place(bar[against]), x2=place(bar[against]), y1=y - 11, y2=y + 3, stroke=GOOD)


def _colour(ratio: float, limit: float | None) -> str:
    return DARK if limit is None else GOOD if ratio <= limit else BAD
