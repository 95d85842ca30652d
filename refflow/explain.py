"""`refflow explain`: every stage of the life of run(), printed to be read.

    1 signature  2 prune  3 optimise  4 place  5 partition  6 the executor's events  7 the plan

Next: docs/reading.rst.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from refflow.core.paper_names import FIGURES
from refflow.core.shapes import text as shape_text
from refflow.runtime.config import ConfigProto
from refflow.runtime.executor import Executor
from refflow.runtime.nodes import Node, StepGraph
from refflow.runtime.place import table
from refflow.runtime.plan import Plan
from refflow.runtime.session import Session
from refflow.runtime.stages import Stages

Say = Callable[[str], None]


def explain(session: Session, fetches: Any, feeds: Sequence[Any] = (), say: Say = print) -> None:
    """Says what run(fetches, feeds) does in this session, stage by stage, without running it."""
    signature = session.signature(fetches, feeds)
    stages = session.stages(signature)
    graph = session.graph
    _head(say, 1, "The signature", "Fetches and feeds. A second run of the same one skips to the last stage [W09].")
    say(f"  fetch   {', '.join([t.name for t in signature.tensors] + [o.name for o in signature.targets])}")
    say(f"  feed    {', '.join(f.tensor.name for f in signature.feeds) or 'nothing'}")

    _head(say, 2, "Prune", "Back from what is asked for to what it needs; fetches get a _send, feeds a _recv [W36].")
    say(f"  the graph has {graph.version} operations; {len(stages.pruned.nodes)} nodes are in this step")
    say(f"  left out: {_listed(_names(graph.get_operations()) - _names(stages.pruned.nodes))}\n")
    _list(say, stages.pruned)
    _figures(say, stages.pruned)

    _head(say, 3, "Optimise", "Fold what is constant; do not run pure nodes that others only wait for [W48].")
    kept = {n.name for n in stages.optimised.nodes}
    constants = [n for n in stages.optimised.nodes if n.name.endswith("/folded")]
    say(f"  {len(stages.pruned.nodes)} nodes become {len(stages.optimised.nodes)}")
    gone = Counter(n.type for n in stages.pruned.nodes if n.name not in kept)
    say(f"  gone: {', '.join(f'{count} {kind}' for kind, count in gone.most_common()) or 'nothing'}")
    say(f"  found: {_listed(n.name for n in constants)}\n")
    _list(say, stages.optimised)

    _head(say, 4, "Place", "One device for each node, and why [W21].")
    say(_indented(table(stages.placement)))

    _head(say, 5, "Partition", "One subgraph a device; what crosses goes through _Send and _Recv [W23].")
    crossings(stages, say)

    _head(say, 6, "Execute", "What is ready at the start, and the number of nodes that each other one waits for [W17].")
    _waits(say, stages.partitioned)

    _head(say, 7, "Plan", "The same step as straight-line Python, its chains fused. Lines belong to nodes.")
    config = ConfigProto(**{**vars(session.config), "executor": "plan"})
    plan = stages.executable(config, dict(session._op_states))
    if isinstance(plan, Executor):
        say(f"  none: {stages.unplanned}. The executor runs this step.")
        return
    say(_indented(annotated(plan)))
    say(f"\n  {plan.arena_bytes:,} bytes of buffers, reused as values die")


def placement(session: Session, fetches: Any, feeds: Sequence[Any] = (), say: Say = print) -> None:
    """Says where each node of run(fetches, feeds) goes, where else it could, and why [W20, S35]."""
    stages = session.stages(session.signature(fetches, feeds))
    say(table(stages.placement))
    say("")
    crossings(stages, say)


def crossings(stages: Stages, say: Say) -> None:
    """Says what the devices have to do, and what goes from one to another."""
    for part in stages.partitions:
        crossing = [n for n in part.nodes if n.sends and not n.attrs["client_terminated"]]
        say(f"  {part.device.name}: {len(part.nodes)} nodes, {len(crossing)} sends to other devices")
    for transfer in stages.transfers:
        say(f"    {transfer}")
    for saving in stages.saving:
        say(_indented(str(saving)))


def annotated(plan: Plan) -> str:
    """A plan's source with each line's node beside it."""
    lines = plan.source.splitlines()
    width = min(64, max(map(len, lines)))
    return "\n".join(
        f"{line:{width}}  # {plan._lines[i].type} {plan._lines[i].name}" if i in plan._lines else line
        for i, line in enumerate(lines, 1)
    )


def _head(say: Say, number: int, title: str, sentence: str) -> None:
    say(f"\n{number}. {title}\n{'-' * (len(title) + 3)}\n{sentence}\n")


def _names(items: Iterable[Any]) -> set[str]:
    return {item.name for item in items}


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"


def _list(say: Say, step: StepGraph) -> None:
    width = max(len(n.name) for n in step.nodes)
    kind = max(len(n.type) for n in step.nodes)
    for node in step.nodes:
        inputs = node.node_def.input
        made = " ".join(f"{t.name}{shape_text(s)}" for t, s in zip(node.types, node.shapes, strict=True))
        arrow = " <- " if inputs else ""
        say(f"  {node.id:4d}  {node.name:{width}}  {node.type:{kind}}  {made}{arrow}{', '.join(inputs)}")


def _figures(say: Say, step: StepGraph) -> None:
    """Which nodes the deck's figures draw by other names [E28]."""
    drawn = [node for node in step.nodes if node.type in FIGURES]
    if drawn:
        say("\n  the deck's figures draw")
    for node in drawn:
        say(f"  {FIGURES[node.type]:8}  for {node.type} {node.name}")


def _waits(say: Say, step: StepGraph) -> None:
    def count(node: Node) -> int:
        return len({n for n, _ in node.inputs} | set(node.controls))

    say(f"  ready at the start: {_listed(n.name for n in step.nodes if not count(n))}")
    for node in step.nodes:
        if count(node):
            say(f"  {node.name} waits for {count(node)}")


def _indented(text: str) -> str:
    return "\n".join("  " + line for line in text.splitlines())
