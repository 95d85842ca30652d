"""What is being written for cards: stretches, their parts, and where each value lies.

    steady      values at addresses that the plan fixes: in an arena, a constant's, a variable's
    landed      what came down, under the name that the host has for it
    alone       the step's one stretch, where there is nothing else

Next: runtime/card_launches.py.
"""

from __future__ import annotations

from functools import partial
from math import prod
from typing import Any, NamedTuple

import numpy as np

from refflow.core.dtypes import bfloat16, int32, uint8
from refflow.core.shapes import is_known
from refflow.runtime.capture import Alone, Stretch
from refflow.runtime.gpu_memory import Arena, Place, Span, full
from refflow.runtime.kernels import changes_shape, refuse_value, variable_state
from refflow.runtime.lifetimes import PASSED_ON
from refflow.runtime.many_updates import Many
from refflow.runtime.node_lines import NodeLines
from refflow.runtime.nodes import Node
from refflow.runtime.structure import Edge

Line = tuple[Node, str]


class Update(NamedTuple):
    """An update: its kernel, the names of its arrays and of its rates."""

    node: Node
    kernel: Any
    arrays: list[str]
    numbers: list[str]


class Open:
    """A stretch that is being written."""

    def __init__(self, device: Any, name: str, begin: int):
        self.device, self.name, self.begin = device, name, begin
        self.up: list[Line] = []
        self.body: list[Line] = []
        self.down: list[Line] = []
        self.landing: set[str] = set()  # host arrays that are not there before the stretch has run
        self.held: list[Span] = []  # what must stay as it is until the stretch ends
        self.nodes: dict[str, None] = {}
        self.states: dict[Any, None] = {}
        self.updates: dict[Any, list[Update]] = {}  # noted down, but not yet written: by what they have in common


class CardStretches(NodeLines):
    """A Writer's stretches. captures: whether it writes any. predicates: what branches are decided by."""

    captures: bool
    predicates: dict[Edge, None]

    def _begin_cards(self, captures: bool) -> None:
        self.captures = captures
        self.has_cards = any(n.device.type != "cpu" for n in self.order)
        self.stretches: list[Stretch] = []
        self.card_blocks: dict[str, Any] = {}
        self.steady: dict[Edge, Place | None] = {}  # values at fixed addresses; None is a constant's or a variable's
        self.landed: dict[Node, str] = {}  # for a _Send, what its value is called on the host
        self.brought_down: dict[Edge, str] = {}  # what the host calls a predicate that a card has made
        self.alone: Alone | None = None  # where the step is nothing but one stretch
        self._went_up: dict[Node, Place] = {}  # by what was sent, where it is on the card
        self._came_down: dict[Node, Place | None] = {}  # by their _Send
        self._lines_of_the_host = 0
        self._parts: list[tuple[str, list[Line]]] = []
        self._arenas: dict[Any, Arena] = {}
        self._constants: dict[Any, str] = {}
        self._open: Open | None = None
        self._waiting: dict[Any, list[Line]] = {}  # what goes up with the next stretch of a card
        self._sink: list[Line] | None = None
        self._moment = 0
        self._kept_beyond = {
            producer for user in self.order for place, (producer, _) in enumerate(user.inputs)
            if producer.receives and (user.type in PASSED_ON or user.op_def.keeps == place)
        }  # fmt: skip
        self.unsettled = {n.inputs[0][0] for n in self.order if changes_shape(n)}  # variables that get another shape
        variables: dict[Any, list[Any]] = {}
        for node in self.order:
            if node.op_def.family == "Variable" and node.device.type != "cpu":
                variables.setdefault(node.device, []).append(variable_state(node))
        for device, states in variables.items():
            device.variables.lay_out(dict.fromkeys(states))

    def _write(self, node: Node | None, line: str) -> None:
        if self._sink is not None and node is not None:
            self._sink.append((node, line))
        else:
            self._close()
            self._lines_of_the_host += 1
            super()._write(node, line)

    def _stretch(self, device: Any) -> Open:
        if self._open is not None and self._open.device is not device:
            self._close()
        if self._open is None:
            self._open = Open(device, f"s{len(self.stretches)}", self._moment)
            self._open.up += self._waiting.pop(device, [])
            self.stretches.append(Stretch(device, self._open.name))
        return self._open

    def _close(self) -> None:
        """Ends the stretch that is being written: a line for it, and its parts below all lines of the step."""
        self._write_updates()
        done, self._open = self._open, None
        if done is None:
            return
        stretch = self.stretches[-1]
        stretch.nodes, stretch.states, stretch.length = list(done.nodes), list(done.states), len(done.body)
        self.bindings[done.name] = stretch
        super()._write(None, f"{done.name}()")
        self._parts += [(f"{done.name}_{part}", getattr(done, part)) for part in ("up", "body", "down")]
        self._moment += 1
        for span in done.held:
            span.end = max(span.end, self._moment)

    def _write_parts(self) -> None:
        self._close()
        for name, lines in self._parts:
            if lines:
                self.text += ["", f"def {name}():"]
                for node, line in lines:
                    self.text.append("    " + line)
                    self.lines[len(self.text)] = node

    def _find_alone(self, lines_of_the_host: int) -> None:
        """Looks whether the step is nothing but one stretch: no line of the host, nothing else sent or fetched."""
        senders = [self.senders.get(fetch.inputs[0][0]) for fetch in self.step.fetches]
        places = [self._came_down.get(s) if s is not None else None for s in senders]
        known = all(p is not None and p.dtype is not bfloat16 for p in places)
        own = all(node in self.step.feeds for node in self._went_up)
        if len(self.stretches) == 1 and not lines_of_the_host and known and own:
            fed = [self._went_up.get(feed) for feed in self.step.feeds]
            looks = [(p.shape, np.dtype(p.dtype.as_numpy_dtype)) for p in places if p is not None]
            self.alone = Alone(self.stretches[0], fed, places, looks)

    def _as_words(self, place: Place | None) -> Any:
        """The bytes of a place, as words of four where that comes out even."""
        if place is None:
            return None
        card, nbytes = self.stretches[0].device.card, prod(place.shape) * place.dtype.size
        block = self.card_blocks[self.stretches[0].device.name]
        if nbytes % 4:
            return card.array(block, place.span.offset, (nbytes,), uint8)
        return card.array(block, place.span.offset, (nbytes // 4,), int32)

    def _lay_out_cards(self) -> None:
        """One allocation for each card, and arrays in it for the names that stand for places."""
        whose: dict[Span, Any] = {}
        for device, arena in self._arenas.items():
            try:
                self.card_blocks[device.name] = device.card.block(arena.lay_out())
            except MemoryError as error:
                what = f"the {arena.total:,} bytes of this step on {device.name}"
                raise full(error, what, arena.at_the_fullest()) from None
            whose |= dict.fromkeys(arena.spans, device)
        for name, value in self.bindings.items():
            if isinstance(value, Place):
                device = whose[value.span]
                block = self.card_blocks[device.name]
                self.bindings[name] = device.card.array(block, value.span.offset, value.shape, value.dtype)
        if self.alone is not None:
            fed, fetched = (list(map(self._as_words, p)) for p in (self.alone.fed, self.alone.fetched))
            self.alone = self.alone._replace(fed=fed, fetched=fetched)

    def _room(self, node: Node, shape: Any, dtype: Any, begin: int | None = None) -> Place:
        """Memory for a value of the node, from now on or from an earlier moment."""
        arena = self._arenas.setdefault(node.device, Arena())
        return arena.take(tuple(shape), dtype, self._moment if begin is None else begin, node.name)

    def _keep_place(self, node: Node, port: int, place: Place) -> str:
        self.steady[node, port] = place
        self.names[node, port] = self._bind("b", place)
        return self.names[node, port]

    def _end_spans(self, edges: Any) -> None:
        """Nobody needs these values behind this line."""
        for edge in edges:
            place = self.steady.get(edge)
            if place is not None and not self.lifetimes.is_kept(edge):
                place.span.end = self._moment

    def _is_top(self) -> bool:
        return self.captures and self.indent == 1

    def _origin_of(self, edge: Edge) -> Edge:
        """Where a value comes from, through transfers."""
        while edge[0] in self.sent:
            edge = self.sent[edge[0]]
        return edge

    def _write_updates(self) -> None:
        """The lines of the updates that were noted down: one for all that have a rule in common."""
        if self._open is None:
            return
        groups, self._open.updates = self._open.updates, {}
        for alike in groups.values():
            node, kernel, arrays, numbers = alike[0]
            shapes: list[Any] = [u.node.inputs[0][0].shapes[u.node.inputs[0][1]] for u in alike]
            if len(alike) == 1 or not all(is_known(s) for s in shapes):
                for node, kernel, arrays, numbers in alike:
                    self._open.body.append((node, self._one_update(node, kernel, arrays, numbers)))
                continue
            many = self._bind("m", Many(node.device.card, kernel, node.attrs["T"].name, shapes))
            rows = ", ".join(f"({', '.join(u.arrays)})" for u in alike)
            self._open.body.append((node, f"{many}(({rows}), ({', '.join(numbers)},))"))

    def _one_update(self, node: Node, kernel: Any, arrays: list[str], numbers: list[str]) -> str:
        assert node.op_def.by_element is not None
        places, given, rates = node.op_def.by_element.numbers, iter(arrays), iter(numbers)
        inputs = [next(rates if place in places else given) for place in range(len(node.inputs))]
        outs = [f"{self.names[node.inputs[place]]}.value" for place in node.op_def.ref_inputs]
        out = outs[0] if len(outs) == 1 else f"({', '.join(outs)})"
        return f"{self._bind('k', kernel)}({', '.join(inputs)}, out={out})"

    def _is_there(self, name: str, edge: Edge, unset: Any = None) -> str:
        """A line that asks whether a variable has a value, of the shape that a stretch reckons with.

        What was captured need not ask again: a variable that changes its shape gets new memory. unset: who says that
        there is no value, if not the variable.
        """
        shape: Any = edge[0].shapes[edge[1]]
        refuse = self._bind("e", partial(refuse_value, tuple(shape), unset))
        return f"if {name}.value is None or tuple({name}.value.shape) != {tuple(shape)}: {refuse}({name})"

    def _constant(self, node: Node, value: Any) -> None:
        """A constant in the card's memory; small equal ones are one, so that updates with equal rates go together."""
        array = np.asarray(value)
        small = array.tobytes() if array.nbytes <= 256 else node.name
        key = node.device, array.dtype, array.shape, small
        if key not in self._constants:
            self._constants[key] = self._bind("c", node.device.from_host(array))
        self.names[node, 0] = self._constants[key]
        self.steady[node, 0] = None

    def _pinned(self, node: Node, shape: Any, dtype: Any) -> tuple[str, str]:
        """Names of pinned memory, for the card and for the host."""
        place = Place(Span(0, 0, ""), tuple(shape), dtype)
        memory, nbytes = node.device.card.pinned(prod(place.shape) * dtype.size)
        array = nbytes.view(dtype.as_numpy_dtype).reshape(place.shape)
        return self._bind("p", memory), self._bind("a", array)
