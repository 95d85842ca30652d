"""The lines of nodes on a card: in stretches with fixed addresses, or one by one.

    def step(f, c, log):
        h3[...] = f[0]              what is fed, into pinned memory
        s0()                        the stretch: up, body and down below, soon one replay
        o0 = own(a7[()])            what came down

    def s0_up():    upload(b4, p3)
    def s0_body():  k5(b4, r2.value, False, False, out=b6)
    def s0_down():  download(p7, b6)

A node goes into a stretch where every address it touches is known before the run: shapes are known, what it reads on
the host is constant, and it stands in no branch and no loop. A line of the host ends a stretch, so that the order is
kept; feeds and what else the host sends up do not, for they have pinned memory of their own. All other nodes of a card
run as the executor's do, in memory that is asked for at each run.

Next: runtime/watch.py.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from refflow.core.dtypes import as_dtype, bfloat16, int32, uint8
from refflow.core.shapes import is_known
from refflow.runtime.capture import Alone, Stretch
from refflow.runtime.fuse import FUSED
from refflow.runtime.gpu_memory import Arena, Place, Span, full
from refflow.runtime.kernels import prepare, variable_state
from refflow.runtime.lifetimes import PASSED_ON
from refflow.runtime.line_functions import may_not_fit
from refflow.runtime.node_lines import NodeLines
from refflow.runtime.nodes import Node, has_control_flow
from refflow.runtime.structure import Edge

Line = tuple[Node, str]


class _Open:
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


class CardLines(NodeLines):
    """What a Writer does with nodes on a card. captures: whether it writes stretches at all."""

    captures: bool

    def _begin_cards(self, captures: bool) -> None:
        self.captures = captures
        self.has_cards = any(n.device.type != "cpu" for n in self.order)
        self.stretches: list[Stretch] = []
        self.card_blocks: dict[str, Any] = {}
        self.steady: dict[Edge, Place | None] = {}  # values at fixed addresses; None is a constant's or a variable's
        self.landed: dict[Node, str] = {}  # for a _Send, what its value is called on the host
        self.alone: Alone | None = None  # where the step is nothing but one stretch
        self._went_up: dict[Node, Place] = {}  # by what was sent, where it is on the card
        self._came_down: dict[Node, Place | None] = {}  # by their _Send
        self._lines_of_the_host = 0
        self._parts: list[tuple[str, list[Line]]] = []
        self._arenas: dict[Any, Arena] = {}
        self._open: _Open | None = None
        self._waiting: dict[Any, list[Line]] = {}  # what goes up with the next stretch of a card
        self._sink: list[Line] | None = None
        self._moment = 0
        self._kept_beyond = {
            producer for user in self.order for place, (producer, _) in enumerate(user.inputs)
            if producer.receives and (user.type in PASSED_ON or user.op_def.keeps == place)
        }  # fmt: skip
        variables: dict[Any, list[Any]] = {}
        for node in self.order:
            if node.op_def.family == "Variable" and node.device.type != "cpu":
                variables.setdefault(node.device, []).append(variable_state(node))
        for device, states in variables.items():
            device.variables.lay_out(dict.fromkeys(states))

    # -- stretches ------------------------------------------------------------------------------------

    def _write(self, node: Node | None, line: str) -> None:
        if self._sink is not None and node is not None:
            self._sink.append((node, line))
        else:
            self._close()
            self._lines_of_the_host += 1
            super()._write(node, line)

    def _stretch(self, device: Any) -> _Open:
        if self._open is not None and self._open.device is not device:
            self._close()
        if self._open is None:
            self._open = _Open(device, f"s{len(self.stretches)}", self._moment)
            self._open.up += self._waiting.pop(device, [])
            self.stretches.append(Stretch(device, self._open.name))
        return self._open

    def _close(self) -> None:
        """Ends the stretch that is being written: a line for it, and its parts below all lines of the step."""
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

    # -- nodes ----------------------------------------------------------------------------------------

    def _on_card(self, node: Node) -> None:
        self._moment += 1
        if node.type == "Const":
            self.names[node, 0] = self._bind("c", node.device.from_host(node.attrs["value"]))
            self.steady[node, 0] = None
        elif node.op_def.family == "Variable":
            self.names[node, 0] = self._bind("r", variable_state(node))
            self.steady[node, 0] = None
        elif node.receives:
            self._arrive(node)
        elif node.sends:
            self._depart(node)
        elif node.type not in ("NoOp", "ControlTrigger"):
            self._in_stretch(node) if self._is_steady(node) else self._by_itself(node)
        self._moment += 1

    def _is_top(self) -> bool:
        return self.captures and self.indent == 1

    def _is_steady(self, node: Node) -> bool:
        """Whether all that the node touches has its place before the run."""
        if not self._is_top() or not all(is_known(s) for s in node.shapes) or node.op_def.waits:
            return False
        if node.device.lacking(node.op_def, node.attrs) and node.op_def is not FUSED:
            return False
        on_host = node.device.host_inputs(node.op_def, node.attrs)
        for place, edge in enumerate(node.inputs):
            known = self._origin_of(edge)[0].type == "Const" if place in on_host else edge in self.steady
            if not known:
                return False
        return node.op_def is FUSED or not may_not_fit(node, self._origin_of)

    def _origin_of(self, edge: Edge) -> Edge:
        """Where a value comes from, through transfers."""
        while edge[0] in self.sent:
            edge = self.sent[edge[0]]
        return edge

    def _by_itself(self, node: Node) -> None:
        """A line that asks for memory and checks shapes when it runs."""
        if self._waiting.get(node.device):
            self._stretch(node.device)
        run = self._bind("k", prepare(node, self.kernels, self.states))
        inputs = ", ".join(self.names[edge] for edge in node.inputs)
        results = []
        for port, dtype in enumerate(node.types):
            if dtype.is_ref_dtype:
                self.names[node, port] = self.names[node.inputs[node.op_def.ref_inputs[0]]]
                results.append("_")
            else:
                self.names[node, port] = f"v{node.id}_{port}"
                results.append(f"v{node.id}_{port}")
        self._write(node, f"{', '.join(results)}{',' if results else ''} = {run}([{inputs}])".removeprefix(" = "))
        if not self.captures:  # so that a failure is told by its own line
            self._write(node, f"{self._bind('w', node.device.card.wait)}()")

    def _in_stretch(self, node: Node) -> None:
        stretch = self._stretch(node.device)
        stretch.nodes[node.name] = None
        for producer, _ in node.inputs:
            if producer.op_def.family == "Variable":
                stretch.states[variable_state(producer)] = None
        self._sink = stretch.body
        try:
            if node.op_def is FUSED:
                self._chain(node)
            elif node.op_def.ref_inputs:
                self._change(node)
            elif node.op_def.view:
                self._look(node)
            else:
                self._launch(node)
        finally:
            self._sink = None

    def _card_input(self, node: Node, place: int) -> str:
        """An input; a variable is read here, and has its value at that moment."""
        edge = node.inputs[place]
        name = self.names[edge]
        if not edge[0].types[edge[1]].is_ref_dtype:
            return name
        if place in node.op_def.ref_inputs and node.op_def.allows_uninitialized:
            return f"{name}.value"
        self._write(node, f"if {name}.value is None: {name}.read()")
        return f"{name}.value"

    def _launch(self, node: Node) -> None:
        inputs = [self._card_input(node, place) for place in range(len(node.inputs))]
        outs = []
        for port, (shape, dtype) in enumerate(zip(node.shapes, node.types, strict=True)):
            outs.append(self._keep_place(node, port, self._room(node, shape, dtype)))
        self._write(node, self._card_call(node, inputs, outs))

    def _card_call(self, node: Node, inputs: list[str], outs: list[str]) -> str:
        bound = node.device.kernel(node.op_def, node.attrs, self.kernels)
        given = [g if isinstance(g, str) else f"[{', '.join(g)}]" for g in node.op_def.group(inputs, node.attrs)]
        given += [f"{key}={self._bind('a', value)}" for key, value in bound.arguments.items()]
        need = bound.workspace and bound.workspace([self._known(e) for e in node.inputs], **bound.arguments)
        if need:
            place = self._room(node, need[0], as_dtype(need[1]))
            place.span.end = self._moment + 1
            given.append(f"workspace={self._bind('b', place)}")
        out = outs[0] if len(outs) == 1 else f"({', '.join(outs)})"
        return f"{self._bind('k', bound.function)}({', '.join(given)}, out={out})"

    def _change(self, node: Node) -> None:
        """A change of variables, where they lie."""
        states = [self.names[node.inputs[place]] for place in node.op_def.ref_inputs]
        inputs = [self._card_input(node, place) for place in range(len(node.inputs))]
        for port, dtype in enumerate(node.types):
            if dtype.is_ref_dtype:
                self.names[node, port] = states[0]
                self.steady[node, port] = None
        if node.type == "Assign":
            self._write(node, f"{states[0]}.store({inputs[1]})")
            return
        outs = [f"{state}.value" for state in states]
        for port, (shape, dtype) in enumerate(zip(node.shapes, node.types, strict=True)):
            if not dtype.is_ref_dtype:
                outs.append(self._keep_place(node, port, self._room(node, shape, dtype)))
        self._write(node, f"with {states[0]}.lock: {self._card_call(node, inputs, outs)}")

    def _look(self, node: Node) -> None:
        """The same bytes in another shape; of a variable a copy, which later changes leave alone."""
        edge = node.inputs[0]
        place = self.steady[edge]
        if place is not None:
            self._keep_place(node, 0, place._replace(shape=tuple(node.shapes[0])))  # type: ignore[arg-type]
        elif edge[0].types[edge[1]].is_ref_dtype:
            given = self._card_input(node, 0)
            name = self._keep_place(node, 0, self._room(node, node.shapes[0], node.types[0]))
            self._write(node, f"{self._bind('d', node.device.card.copy)}({name}, {given})")
        else:
            whole = self.bindings[self.names[edge]]
            self.names[node, 0] = self._bind("c", whole.reshape(tuple(node.shapes[0] or ())))
            self.steady[node, 0] = None

    def _chain(self, node: Node) -> None:
        """A chain of elementwise nodes as one kernel."""
        inputs = [self._card_input(node, place) for place in range(len(node.inputs))]
        outs = []
        for port, (shape, dtype) in enumerate(zip(node.shapes, node.types, strict=True)):
            outs.append(self._keep_place(node, port, self._room(node, shape, dtype)))
        run = self._bind("k", node.device.blocks(*node.attrs["blocks"]))
        self._write(node, f"{run}(({', '.join(inputs)},), ({', '.join(outs)},))")

    # -- between the host and a card ------------------------------------------------------------------

    def _arrive(self, node: Node) -> None:
        """What another device has made: up through pinned memory, or as it comes."""
        producer = self._origin_of(self.sent[node])[0]
        shape, dtype = node.shapes[0], node.types[0]
        if node.attrs.get("_host_memory") or dtype.kind in "sr":
            self.names[node, 0] = self._on_host(node)
        elif producer.type == "Const":
            self.names[node, 0] = self._bind("c", node.device.from_host(producer.attrs["value"]))
            self.steady[node, 0] = None
        elif self._is_top() and is_known(shape):
            self._upload(node)
        else:
            name = self._on_host(node)
            self.names[node, 0] = f"v{node.id}"
            self._write(node, f"v{node.id} = {self._bind('d', node.device.from_host)}({name})")

    def _upload(self, node: Node) -> None:
        source = self.sent[node][0].device
        if self._open is not None and self._open.device is source:
            self._close()  # what it sends is there when it is done
        given = self._on_host(node)
        if self._open is not None and given.partition("[")[0] in self._open.landing:
            self._close()  # it went down in this stretch, and comes back
        shape, dtype = node.shapes[0], node.types[0]
        begin = self._moment if self._open is None else self._open.begin
        place = self._room(node, shape, dtype, begin)
        self._went_up[self.sent[node][0]] = place
        name = self._keep_place(node, 0, place)
        pinned, array = self._pinned(node, shape, dtype)
        # In front of the stretch: the memory is this value's alone.
        NodeLines._write(self, node, f"{array}[...] = {given}")
        line = (node, f"{self._bind('d', node.device.card.upload)}({name}, {pinned})")
        if self._open is not None and self._open.device is node.device:
            self._open.up.append(line)
        else:
            self._waiting.setdefault(node.device, []).append(line)
            if has_control_flow(self.order):  # whoever needs it may stand in a branch
                self._stretch(node.device)

    def _on_host(self, node: Node) -> str:
        """What a receive takes, as the host has it."""
        edge = self.sent[node]
        sender = self.senders[node]
        if sender in self.landed:
            return self.landed[sender]
        name = self.names.get((sender, 0)) or self.names[edge]
        producer, _ = self._origin_of(edge)
        if edge[0].device.type == "cpu":
            return name
        if producer.type == "Const":
            return self._bind("c", producer.attrs["value"])
        return f"{self._bind('d', edge[0].device.to_host)}({name})"

    def _depart(self, node: Node) -> None:
        """What another device is to get: down into pinned memory when the stretch ends, or as it is."""
        edge = node.inputs[0]
        producer, port = edge
        is_ref = producer.types[port].is_ref_dtype
        if self._origin_of(edge)[0].type == "Const":
            return
        shape, dtype = producer.shapes[port], producer.types[port].base_dtype
        if not self._is_top() or not is_known(shape) or edge not in self.steady:
            self._send(node)
            return
        stretch = self._stretch(node.device)
        stretch.nodes[producer.name] = None
        place, name = self.steady[edge], self.names[edge]
        if is_ref:  # read now
            state = variable_state(producer) if producer.op_def.family == "Variable" else self.bindings[name]
            stretch.states[state] = None
            place = self._room(node, shape, dtype)
            name = self._bind("b", place)
            stretch.body.append((node, f"if {self.names[edge]}.value is None: {self.names[edge]}.read()"))
            copy = self._bind("d", node.device.card.copy)
            stretch.body.append((node, f"{copy}({name}, {self.names[edge]}.value)"))
        if place is not None:
            stretch.held.append(place.span)
            if is_ref:
                place.span.end = self._moment
        pinned, array = self._pinned(node, shape, dtype)
        stretch.down.append((node, f"{self._bind('d', node.device.card.download)}({pinned}, {name})"))
        stretch.landing.add(array)
        self.landed[node] = f"{array}[()]" if shape == () else array
        self._came_down[node] = place

    def _pinned(self, node: Node, shape: Any, dtype: Any) -> tuple[str, str]:
        """Names of pinned memory, for the card and for the host."""
        place = Place(Span(0, 0, ""), tuple(shape), dtype)
        memory, nbytes = node.device.card.pinned(prod(place.shape) * dtype.size)
        array = nbytes.view(dtype.as_numpy_dtype).reshape(place.shape)
        return self._bind("p", memory), self._bind("a", array)

    def _receive(self, node: Node) -> None:
        """On the host, what came from a card has no line; a copy where somebody keeps it beyond the step."""
        if self.sent[node][0].device.type == "cpu":
            super()._receive(node)
        elif self.senders[node] in self.landed or self._origin_of(self.sent[node])[0].type == "Const":
            name = self._on_host(node)
            self.names[node, 0] = f"{name}.copy()" if node in self._kept_beyond else name
        else:
            self.names[node, 0] = f"v{node.id}"
            self._write(node, f"v{node.id} = {self._on_host(node)}")
