"""Counts the lines of a parameter server: as a subsystem, and beside it as a graph, job by job [S04, D14].

    python -m refflow.server_lines

The deck says that one mechanism, dataflow with state, made special subsystems needless. Both are in this source tree:
refflow/distbelief is such a subsystem, and refflow/train trains replicas by nodes of a graph. The files are named
below, each under the job that it does, and their lines of code are counted: those with a part of a statement on them,
without comments, documentation and blank lines.

What the count does not say. The two differ in what else they can do: the graph side also trains synchronously, in
groups, with unequal shards and with any optimizer; the subsystem cuts a layer's units over machines. Files that
simulate time are named and not added up on either side, since neither system needs them to train. Nor are those parts
of the graph system that every program uses, with replicas or without; they are listed, since somebody wrote them.

Next: docs/no_parameter_server.rst.
"""

from __future__ import annotations

import ast
import io
import tokenize
from pathlib import Path

ROOT = Path(__file__).resolve().parent
_NO_CODE = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING,
    tokenize.ENDMARKER,
}  # fmt: skip

SUBSYSTEM = {
    "parameters are held": ["distbelief/server.py"],
    "they are updated": ["distbelief/rules.py"],
    "replicas fetch, compute and push": ["distbelief/downpour.py"],
    "a model is described, for it takes no other": [
        "distbelief/network.py", "distbelief/layers.py", "distbelief/losses.py",
    ],
    "its gradient is computed": ["distbelief/pieces.py"],
    "it is cut over machines": ["distbelief/partition.py"],
}  # fmt: skip
GRAPH: dict[str, list[str]] = {
    "parameters are held": [],
    "they are updated": [],
    "replicas fetch, compute and push": ["train/towers.py", "train/replicas.py"],
    "a model is described, for it takes no other": [],
    "its gradient is computed": [],
    "it is cut over machines": [],
}
ONLY_TIME = ["distbelief/clock.py", "distbelief/costs.py", "distbelief/replay.py", "train/asynchronous.py"]
ANOTHER_WAY = {
    "Sandblaster": [
        "distbelief/commands.py", "distbelief/lbfgs.py", "distbelief/portions.py", "distbelief/sandblaster.py",
        "distbelief/workers.py",
    ],
    "L-BFGS in a graph, on one machine's data": ["ops/lbfgs.py", "train/lbfgs.py"],
    "replicas by queues and accumulators": ["train/sync_replicas.py"],
    "errors, names, a comparison": [
        "distbelief/errors.py", "distbelief/__init__.py", "distbelief/comparison.py", "train/__init__.py",
    ],
}  # fmt: skip
FOR_ALL_PROGRAMS = {
    "variables": ["ops/variable.py", "runtime/resources.py"],
    "optimizers": ["train/optimizer.py", "train/gradient_descent.py", "train/adaptive.py", "ops/training.py"],
    "gradients": ["core/gradients.py"],
    "devices, partition, sends and receives": [
        "runtime/device.py", "runtime/place.py", "runtime/partition.py", "runtime/rendezvous.py",
    ],
    "tasks of a cluster": sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "runtime/cluster").glob("*.py")),
}


def code_lines(text: str) -> int:
    """How many lines of a Python program have code on them.

    >>> code_lines('"A text about it."\\n\\nx = [  # two\\n    1,\\n]\\n')
    3
    """
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    texts = [node.body[0] for node in ast.walk(ast.parse(text)) if isinstance(node, documented) and node.body]
    texts = [t for t in texts if isinstance(t, ast.Expr) and isinstance(t.value, ast.Constant)]
    without = {line for t in texts for line in range(t.lineno, (t.end_lineno or t.lineno) + 1)}
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - without)


def lines_of(files: list[str]) -> int:
    return sum(code_lines((ROOT / name).read_text(encoding="utf-8")) for name in files)


def report() -> str:
    rows = [f"{'lines of code, where':<46}{'subsystem':>10}{'graph':>8}"]
    for job, files in SUBSYSTEM.items():
        rows.append(f"  {job:<44}{lines_of(files):>10}{lines_of(GRAPH[job]):>8}")
    both = [[name for files in side.values() for name in files] for side in (SUBSYSTEM, GRAPH)]
    rows.append(f"{'together':<46}{lines_of(both[0]):>10}{lines_of(both[1]):>8}\n")
    first = list(SUBSYSTEM)[:3]
    rows.insert(-1, f"{'  of these the server and its clients alone':<46}" + "".join(
        f"{sum(lines_of(side[job]) for job in first):>{width}}" for side, width in ((SUBSYSTEM, 10), (GRAPH, 8))
    ))  # fmt: skip
    for title, files in zip(("subsystem", "graph"), both, strict=True):
        rows.append(f"{title}: {', '.join(files)}")
    rows.append("\nNot counted, since it only simulates time:")
    rows += [f"  {name:<44}{lines_of([name]):>10}" for name in ONLY_TIME]
    rows.append("\nNot counted, since it is another way to train, or none:")
    rows += [f"  {name:<44}{lines_of(files):>10}" for name, files in ANOTHER_WAY.items()]
    rows.append("\nNot counted, since every program of the graph system uses it, with replicas or without:")
    rows += [f"  {name:<44}{lines_of(files):>10}" for name, files in FOR_ALL_PROGRAMS.items()]
    rows.append("\nA 0 says that nothing had to be added: a parameter is a Variable, an update an optimizer's node,")
    rows.append("a model any graph, and what crosses between machines is found by the partition of any step.")
    return "\n".join(rows)


if __name__ == "__main__":
    print(report())
