"""Why a step cannot go on: who waits for whom, in words [W18, W25].

    awaited     nodes that have begun and whose values are not there: a receive, a kernel that waits
    users       for each node those that need it

Next: core/waiting.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from refflow.core import errors
from refflow.runtime.frames import Awaited
from refflow.runtime.nodes import ENTERS, EXITS, Node, is_back_edge

_SHOWN = 5  # names in a list, before it is cut


def state_text(run: Any) -> str:
    """The whole state of an executor's run, for stepping through."""

    def names(nodes: Any) -> str:
        return ", ".join(n.name for n in nodes) or "-"

    tops = {device: root.iterations[0] for device, root in run.frames.roots.items()}
    waiting = [n for n in run.fixed.step.nodes if tops[n.device].waits.get(n, run.fixed.waits[n])]
    held = ", ".join(f"{n.name}:{port}" for top in tops.values() for n, port in top.values) or "-"
    awaited = names(a.node for a in run.awaited)
    return f"ready: {names(run.ready)}\nawaited: {awaited}\nwaiting: {names(waiting)}\nvalues: {held}"


def waiting_text(awaited: Sequence[Awaited], users: Mapping[Node, Sequence[Node]]) -> str:
    """What each waiting kernel waits for, and which nodes of the step wait for it in their turn."""
    return "; ".join(
        f"{a.node.name!r}: {a.pending.why()}{_behind(a.node, users)}" for a in awaited if a.pending is not None
    )


def never_sent(awaited: Sequence[Awaited], users: Mapping[Node, Sequence[Node]]) -> errors.OpError:
    """Receives whose sender is not in the step, or was never run."""
    first = awaited[0].node
    told = "; ".join(f"{a.node.name!r} waits for {_source(a.node)}{_behind(a.node, users)}" for a in awaited[:_SHOWN])
    return errors.InternalError(
        first.node_def, first.origin, f"the step cannot finish: nobody will send what it waits for. {told}"
    )


def never_run(node: Node, step: Iterable[Node]) -> BaseException:
    """Why `node` never ran: something that it needs has inputs in several frames, of which no two meet."""
    nodes = list(step)
    if not any(n.type in ENTERS for n in nodes):
        return errors.BugError(f"the step ended without the value of {node.name!r}")
    culprit, why = _clash(nodes) or (node, "is inside a loop: fetch what leaves it through an Exit.")
    return errors.InvalidArgumentError(culprit.node_def, culprit.origin, f"{{{{node {culprit.name}}}}} {why}")


def _clash(nodes: Iterable[Node]) -> tuple[Node, str] | None:
    """The first node whose inputs are in different frames, so that no two of them ever meet; and what is wrong."""
    frames: dict[Node, tuple[str, ...]] = {}
    for node in nodes:
        found: dict[tuple[str, ...], Node] = {}
        for source in [n for n, _ in node.inputs if not is_back_edge(n, node)] + node.controls:
            found[frames[source]] = source
        if len(found) > 1:
            there = " ".join(
                f"The input {{{{node {n.name}}}}} is in frame '{frame[-1] if frame else ''}'."
                for frame, n in reversed(found.items())
            )
            return node, f"has inputs from different frames. {there} What a loop reads comes in through an Enter."
        frame = next(iter(found), ())
        enters = (node.attrs["frame_name"],) if node.type in ENTERS else ()
        frames[node] = frame[:-1] if node.type in EXITS else frame + enters
    return None


def dead_fetch(node: Node, place: int) -> errors.OpError:
    """What was asked for is on a branch that was not taken. place: among the fetches."""
    return errors.InvalidArgumentError(
        node.node_def, node.origin,
        f"Retval[{place}] does not have value: {node.name!r} was fetched, but control flow did not run it",
    )  # fmt: skip


def _source(node: Node) -> str:
    return f"{node.attrs['tensor_name']} from {node.attrs['send_device'] or 'no device'}"


def _behind(node: Node, users: Mapping[Node, Sequence[Node]]) -> str:
    """Which nodes come after `node`, nearest first."""
    found: dict[Node, None] = {}
    line = [node]
    while line:
        for user in users[line.pop(0)]:
            if user not in found and user is not node:
                found[user] = None
                line.append(user)
    if not found:
        return ""
    names = [n.name for n in found]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f" (for which wait {', '.join(names[:_SHOWN])}{more})"
