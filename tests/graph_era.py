"""Runs the tutorials of the graph era in this process and prints, as JSON, the losses that each leaves behind.

    python -m tests.graph_era refflow.compat.v1
    python -m tests.graph_era tensorflow.compat.v1          the same programs, with that name in their import line
"""

import contextlib
import io
import json
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "tutorials" / "graph_era"
TUTORIALS = sorted(FOLDER.glob("*.py"))
IMPORT = "import refflow.compat.v1 as tf\n"


def losses(path, module):
    text = path.read_text(encoding="utf-8")
    if text.count(IMPORT) != 1:
        raise ValueError(f"{path.name} does not have the line {IMPORT!r}")
    names = {"__name__": "__main__"}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(text.replace(IMPORT, f"import {module} as tf\n"), str(path), "exec"), names)
    names["tf"].reset_default_graph()
    return [float(value) for value in names["losses"]]


if __name__ == "__main__":
    print(json.dumps({path.stem: losses(path, sys.argv[1]) for path in TUTORIALS}))
