"""Which steps a plan may wait in: those where nothing else could go on meanwhile [W17].

A plan does one thing after the other. While it waits for a queue, whatever comes later in it waits too, and that must
not be what the other side is waiting for: so all that waits or changes a variable has to come either before the wait or
behind it by an edge of the graph. Any other step is the executor's, which goes on with what is ready.

Next: core/waiting.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from refflow.runtime.nodes import Node, changes_variables
from refflow.runtime.structure import Edge, Unstructured


def refuse_tangled_waits(order: Sequence[Node], sent: Mapping[Node, Edge]) -> None:
    """Unstructured where a plan would hold up what need not wait. sent: for each receive, the value that comes."""
    waiting = [n for n in order if n.op_def.waits]
    if not waiting:
        return
    before: dict[Node, list[Node]] = {
        n: [m for m, _ in n.inputs] + n.controls + ([sent[n][0]] if n in sent else []) for n in order
    }
    behind: dict[Node, list[Node]] = {n: [] for n in order}
    for node, sources in before.items():
        for source in sources:
            behind[source].append(node)
    others = [n for n in order if n.op_def.waits or changes_variables(n)]
    for node in waiting:
        ordered = _reached(node, before) | _reached(node, behind)
        loose = next((n for n in others if n not in ordered), None)
        if loose is not None:
            raise Unstructured(f"{node.name!r} may have to wait while {loose.name!r} can go on")


def _reached(start: Node, edges: Mapping[Node, Sequence[Node]]) -> set[Node]:
    found = {start}
    line = [start]
    while line:
        for node in edges[line.pop()]:
            if node not in found:
                found.add(node)
                line.append(node)
    return found
