"""Structure: control flow as Python has it, blocks under conditions and loops [W39, W40].

    frame       which loop a node belongs to: an Enter leads into one, an Exit out of it
    guard       what must hold for a node to run, as literals (predicate, value): a Switch adds one for each of its
                outputs, a Merge whose inputs' guards are alternatives takes one away [W41]
    loop        while True: what the condition needs; if not condition: break; the body; the next iteration's values

A receive belongs where its send is, so that a loop over several devices is one loop here, and one device's verdict is
the other's; the rings of runtime/control_loops.py are then variables that never change.

What cannot be put so is `Unstructured`, with the reason, and is left to the executor, which runs everything: a Merge
whose inputs are no alternatives, a node that is dead on purpose.

Next: runtime/writer.py.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from refflow.runtime.nodes import (
    ENTERS,
    EXITS,
    MERGES,
    NEXTS,
    SAME,
    SWITCHES,
    Node,
    changes_variables,
    frame_behind,
    is_back_edge,
)
from refflow.runtime.waits import is_seen, levels

Edge = tuple[Node, int]
Literal = tuple[Edge, bool]  # this predicate has this value
Guard = dict[Literal, None]  # a set of them, in the order in which they were met: outer conditions first


class Unstructured(Exception):
    """This step's control flow has no form in Python. The text says where and why."""


class Choice(NamedTuple):
    """Which input a Merge takes: by a predicate, one choice or another; or simply the input of that number."""

    pred: Edge | None
    then: Choice | int
    other: Choice | int


@dataclass(eq=False)
class Loop:
    """A frame: what runs before each test, the test, and what runs if it holds."""

    name: str
    enters: list[Node] = field(default_factory=list)
    merges: list[Node] = field(default_factory=list)
    cond: Node | None = None
    test: list[Block] = field(default_factory=list)
    body: list[Block] = field(default_factory=list)

    @property
    def id(self) -> int:
        return min(n.id for n in self.enters)


@dataclass
class Block:
    """Items that run one after the other if the guard holds; those that wait in one layer, at the same time."""

    guard: tuple[Literal, ...]
    items: list[Node | Loop]


class Structure:
    """The blocks of a step, the choice of each Merge that is no loop's, and the levels of what may have to wait.

    nodes: in an order in which each comes after those that it waits for. sends: the _Send of each _Recv among them.
    Raises Unstructured.
    """

    def __init__(self, nodes: list[Node], sends: dict[Node, Node]):
        self.choices: dict[Node, Choice | int] = {}
        self.levels: dict[Any, int] = {}
        self.predicates: dict[Edge, None] = {}  # asked anew for each block under them and for each choice
        self._nodes, self._sends = nodes, sends
        self._frames: dict[Node, tuple[str, ...]] = {}
        self._loops: dict[tuple[str, ...], Loop] = {}
        self._guards: dict[Node, Guard] = {}
        self._entry: dict[tuple[str, ...], Guard] = {}  # the guard of a whole loop
        for node in nodes:
            self._frames[node] = self._frame_of(node)
        for node in nodes:
            self._guards[node] = self._guard_of(node)
        self._waiting = self._loops_with(n for n in nodes if n.op_def.waits)
        self._seen = self._loops_with(filter(is_seen, nodes))
        self.blocks = self._region((), nodes)

    def _loops_with(self, nodes: Iterable[Node]) -> set[tuple[str, ...]]:
        """The frames that one of these is in, and all those around it."""
        frames = {self._frames[n] for n in nodes}
        return {frame[:depth] for frame in frames for depth in range(1, len(frame) + 1)}

    def guard(self, edge: Edge) -> Guard:
        """What must hold for a value to be there."""
        node, port = edge
        if node.type not in SWITCHES:
            return self._guards[node]
        pred, value = self._literal(node.inputs[1])
        self.predicates[pred] = None
        return {**self._guards[node], (pred, value == (port == 1)): None}

    def place_of(self, node: Node) -> tuple[tuple[str, ...], frozenset[Literal]]:
        """The loops that a node is in, and what must hold for it to run in one of their turns."""
        return self._frames[node], frozenset(self._guards[node])

    def _controls(self, node: Node) -> list[Node]:
        """The nodes that this one waits for without taking a value from them."""
        return [*node.controls, self._sends[node]] if node in self._sends else node.controls

    def _before(self, node: Node) -> list[Node]:
        """The nodes that this one waits for; a loop's way back is not among them."""
        return [n for n, _ in node.inputs if not is_back_edge(n, node)] + self._controls(node)

    # -- frames ---------------------------------------------------------------------------------------

    def _frame_of(self, node: Node) -> tuple[str, ...]:
        found = dict.fromkeys(self._frames[n] for n in self._before(node))
        if len(found) > 1:
            raise Unstructured(f"{node.name!r} has inputs from several loops: {', '.join(map(str, found))}")
        inside = next(iter(found), ())
        if node.type in EXITS | NEXTS and not inside:
            raise Unstructured(f"{node.name!r} leaves a loop, or goes round one, that it is not in")
        frame = frame_behind(node, inside)
        if node.type in ENTERS:
            self._loops.setdefault(frame, Loop(frame[-1])).enters.append(node)
        elif node.type == "LoopCond":
            loop = self._loops.get(frame)
            if loop is None or loop.cond is not None:
                raise Unstructured(f"{node.name!r} is the condition of no loop, or a second one")
            loop.cond = node
        elif node.type in MERGES and any(n.type in ENTERS for n, _ in node.inputs):
            if [n.type in NEXTS for n, _ in node.inputs] != [False, True] or node.controls:
                raise Unstructured(f"{node.name!r} begins no loop: its inputs are not an Enter and a NextIteration")
            self._loops[frame].merges.append(node)
        return frame

    # -- guards ---------------------------------------------------------------------------------------

    def _guard_of(self, node: Node) -> Guard:
        frame = self._frames[node]
        if node.type in EXITS:
            inner = self._frames[node.inputs[0][0]]
            if ((self._goes_on(inner)[0], False)) not in self.guard(node.inputs[0]):
                raise Unstructured(f"{node.name!r} leaves its loop before the loop's condition ends it")
            return self._entry[inner]
        if node.type in MERGES and not any(n.type in ENTERS for n, _ in node.inputs):
            return self._merged(node)
        found: Guard = {}
        if node.type == "ControlTrigger" or node.type in MERGES:
            return found
        outside = frame[:-1] if node.type in ENTERS else frame
        for edge in node.inputs:
            if self._frames[edge[0]] == outside:
                found |= self.guard(edge)
        for n in self._controls(node):
            if self._frames[n] == outside:
                found |= self._guards[n]
        for pred, value in found:
            if (pred, not value) in found:
                raise Unstructured(f"{node.name!r} can never run: it needs both sides of {pred[0].name!r}")
        if node.type in ENTERS:
            self._entry[frame] = self._entry.get(frame, {}) | found
            return {}
        return found

    def _literal(self, pred: Edge) -> Literal:
        """The predicate that decides, seen through what only passes it on or negates it."""
        value = True
        while True:
            node, port = pred
            if node.types[port].is_ref_dtype:
                raise Unstructured(f"each Switch under the variable {node.name!r} is decided when it runs")
            if any(n.types[p].is_ref_dtype for n, p in node.inputs):
                return pred, value  # what it reads of a variable is what that held then
            if node.type == "LogicalNot":
                value = not value
            elif node.type == "Equal" and self._number(node) is not None:
                inner, wanted = self._number(node)  # type: ignore[misc]
                return inner, wanted == value
            elif node in self._sends:
                node = self._sends[node]
            elif node.type not in SAME | SWITCHES:
                return pred, value
            pred = node.inputs[0]

    def _number(self, node: Node) -> Literal | None:
        """What `value_index == k` of a Merge of two says of the predicate that it decides by."""
        (merge, port), (number, _) = node.inputs
        choice = self.choices.get(merge)
        if port != 1 or number.type != "Const" or not isinstance(choice, Choice) or choice.pred is None:
            return None
        if not isinstance(choice.then, int) or not isinstance(choice.other, int):
            return None
        return choice.pred, int(number.attrs["value"]) == choice.then

    def _merged(self, merge: Node) -> Guard:
        guards = [self.guard(edge) for edge in merge.inputs]
        common = {literal: None for literal in guards[0] if all(literal in g for g in guards)}
        rests = [(place, {x: None for x in g if x not in common}) for place, g in enumerate(guards)]
        choice = _choice(rests)
        if choice is None:
            raise Unstructured(f"the inputs of {merge.name!r} are no alternatives by the predicates that lead to them")
        self.choices[merge] = choice
        for n in merge.controls:
            common |= self._guards[n]
        return common

    # -- blocks ---------------------------------------------------------------------------------------

    def _region(self, frame: tuple[str, ...], nodes: Iterable[Node]) -> list[Block]:
        """The nodes of one frame, and the loops in it, as blocks."""
        items: dict[Any, None] = {}
        before: dict[Any, dict[Any, None]] = {}
        for node in nodes:
            item = self._item(node, frame)
            items[item] = None
            waits = before.setdefault(item, {})
            for n in self._before(node):
                if self._frames[n][: len(frame)] == frame:
                    other = self._item(n, frame)
                    if other is not item:
                        waits[other] = None
        return self._blocks(frame, list(items), before)

    def _item(self, node: Node, frame: tuple[str, ...]) -> Any:
        inner = self._frames[node]
        return node if inner == frame else self._loops[inner[: len(frame) + 1]]

    def _blocks(self, frame: tuple[str, ...], items: list[Any], before: dict[Any, dict[Any, None]]) -> list[Block]:
        """Items in order, those with the same guard together where that is possible; loops with what is in them."""
        guards = {item: self._guard_in(frame, item) for item in items}
        levels = self._levels(frame, before, guards)
        waits = {item: sum(b in guards for b in before.get(item, ())) for item in items}
        users: dict[Any, list[Any]] = {item: [] for item in items}
        for item in items:
            for b in before.get(item, ()):
                if b in users:
                    users[b].append(item)
        free: dict[tuple[Literal, ...], list[tuple[int, bool, int, int, Any]]] = {}
        count = 0

        def offer(item: Any) -> None:
            nonlocal count
            count += 1
            late = isinstance(item, Node) and changes_variables(item)  # as in a plan without control flow
            heapq.heappush(free.setdefault(guards[item], []), (levels.get(item, 0), late, item.id, count, item))

        for item in items:
            if not waits[item]:
                offer(item)
        found: list[Block] = []
        left = len(items)
        while free:
            first = min(free, key=lambda g: free[g][0][:4])
            here = free.get(found[-1].guard) if found else None
            stays = here is not None and here[0][:2] == (free[first][0][0], False)
            guard = found[-1].guard if stays else first
            item = heapq.heappop(free[guard])[4]
            if not free[guard]:
                del free[guard]
            if not found or found[-1].guard != guard:
                found.append(Block(guard, []))
            found[-1].items.append(item)
            left -= 1
            for user in users[item]:
                waits[user] -= 1
                if not waits[user]:
                    offer(user)
        if left:
            raise Unstructured("a loop waits for what comes out of it")
        return found

    def _levels(self, frame: tuple[str, ...], before: dict[Any, dict[Any, None]], guards: Any) -> dict[Any, int]:
        """The levels of a region's items, if some of them may have to wait."""
        waiting = [item for item in before if self._is_among(frame, item, self._waiting)]
        if not waiting:
            return {}
        known = {item: [b for b in waits if b in before] for item, waits in before.items()}
        found = levels(known, set(waiting).__contains__, lambda item: self._is_among(frame, item, self._seen))
        if found is None:
            raise Unstructured(f"{waiting[0].name!r} may have to wait while others can go on")
        firsts: dict[int, Any] = {}
        for item in waiting:
            first = firsts.setdefault(found[item], item)
            if first is not item and (guards[first] != guards[item] or Loop in (type(first), type(item))):
                raise Unstructured(f"{first.name!r} and {item.name!r} may have to wait at the same time")
        self.levels |= found
        return found

    def _is_among(self, frame: tuple[str, ...], item: Any, loops: set[tuple[str, ...]]) -> bool:
        """Whether a node waits or is seen, or a loop has such a node in it."""
        if isinstance(item, Node):
            return item.op_def.waits if loops is self._waiting else is_seen(item)
        return self._frame_of_loop(frame, item) in loops

    def _guard_in(self, frame: tuple[str, ...], item: Any) -> tuple[Literal, ...]:
        guard = self._guards[item] if isinstance(item, Node) else self._entry[self._frame_of_loop(frame, item)]
        if not isinstance(item, Node):
            self._fill(self._frame_of_loop(frame, item), item)
        return tuple(x for x in guard if not (frame and x == self._goes_on(frame)))

    def _frame_of_loop(self, frame: tuple[str, ...], loop: Loop) -> tuple[str, ...]:
        return (*frame, loop.name)

    def _goes_on(self, frame: tuple[str, ...]) -> Literal:
        cond = self._loops[frame].cond
        if cond is None:
            raise Unstructured(f"the loop {frame[-1]!r} has no condition")
        return (cond, 0), True

    def _fill(self, frame: tuple[str, ...], loop: Loop) -> None:
        """Parts what a loop runs before its test from what it runs after."""
        if loop.test or loop.body:
            return
        goes_on = self._goes_on(frame)
        ends = (goes_on[0], False)
        test: list[Node] = []
        body: list[Node] = []
        late: set[Node] = set()
        for node in self._nodes:
            inner = self._frames[node]
            if inner[: len(frame)] != frame or (inner == frame and (node.type in ENTERS or node in loop.merges)):
                continue
            guard = self._guards[node] if inner == frame else self._entry[inner[: len(frame) + 1]]
            if ends in guard:
                raise Unstructured(f"{node.name!r} runs when the loop {loop.name!r} has ended, but inside it")
            after = any(n in late for n in self._before(node))
            if after and goes_on not in guard and node.type != "ControlTrigger":
                raise Unstructured(f"{node.name!r} runs in every iteration, also the last, but waits for the body")
            if after or goes_on in guard:
                body.append(node)
                late.add(node)
            else:
                test.append(node)
            if node.type in NEXTS and inner == frame and set(guard) != {goes_on}:
                raise Unstructured(f"{node.name!r} gives a value to the next iteration under a condition of its own")
        loop.test, loop.body = self._region(frame, test), self._region(frame, body)


def _choice(cases: list[tuple[int, Guard]]) -> Choice | int | None:
    """A tree of predicates that leads to exactly one of the cases, or None."""
    if len(cases) == 1:
        return cases[0][0] if not cases[0][1] else None
    for pred, _ in cases[0][1]:
        sides: list[list[tuple[int, Guard]]] = [[], []]
        for place, guard in cases:
            value = next((v for p, v in guard if p == pred), None)
            if value is None:
                break
            sides[value].append((place, {x: None for x in guard if x[0] != pred}))
        else:
            then, other = (_choice(sides[v]) if sides[v] else None for v in (True, False))
            if then is not None and other is not None:
                return Choice(pred, then, other)
    return None
