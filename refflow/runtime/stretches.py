"""An order in which a step changes devices seldom, so that what a card does in one go can be captured as one.

    x on cpu, a on gpu, y on cpu, b on gpu       ->       x, y, a, b

From an order that will do, another: whoever is free runs next, those of the device that ran last first, else the first
of the old order. What changes variables still comes last, and before it what may have to wait, as in the old order.
Constants, variables, and values on their way to a card take no line of the host, and go before all.

Next: runtime/capture.py.
"""

from __future__ import annotations

import heapq
from typing import Any

from refflow.runtime.nodes import Node, changes_variables, is_back_edge

_NO_LINE = frozenset(("Const", "NoOp", "ControlTrigger"))


def in_stretches(order: list[Node], senders: dict[Node, Node]) -> list[Node]:
    """`order`, rearranged. senders: for each receive the send that it waits for."""
    if all(n.device.type == "cpu" for n in order):
        return order
    place = {node: i for i, node in enumerate(order)}
    users: dict[Node, list[Node]] = {n: [] for n in order}
    waits: dict[Node, int] = {}
    for node in order:
        before = {n for n, _ in node.inputs if not is_back_edge(n, node)} | {*node.controls}
        before |= {senders[node]} if node in senders else set()
        waits[node] = len(before)
        for n in before:
            users[n].append(node)
    free: dict[tuple[int, Any], list[int]] = {}  # (lateness, device) -> places, the lowest first

    def let(node: Node) -> None:
        heapq.heappush(free.setdefault((_lateness(node), _side(node)), []), place[node])

    for node in order:
        if not waits[node]:
            let(node)
    found: list[Node] = []
    last: Any = None
    while len(found) < len(order):
        key = min(free, key=lambda k: (k[0], k[1] is not None, k[1] is not last, free[k][0]))
        node = order[heapq.heappop(free[key])]
        if not free[key]:
            del free[key]
        last = last if key[1] is None else key[1]
        found.append(node)
        for user in users[node]:
            waits[user] -= 1
            if not waits[user]:
                let(user)
    return found


def _lateness(node: Node) -> int:
    return 2 * changes_variables(node) + node.op_def.waits


def _side(node: Node) -> Any:
    """The device on which a node has a line; None where it has none that would end a stretch."""
    silent = node.type in _NO_LINE or node.op_def.family == "Variable" or node.sends or node.receives
    return None if silent else node.device
