"""The lines of one node in a plan: what it is called, which buffers it writes into, what it sends and receives.

    names       what each value is called; a node that passes a value on only gives it another name
    reads       by the name of a variable, what it was read as, if nothing has changed it since
    bindings    what the names that stand in no line before are bound to: kernels, buffers, constants, variables
    lines       which node a line of the source belongs to, for errors

Next: runtime/formula_lines.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from refflow.core.shapes import is_known
from refflow.core.waiting import result_of
from refflow.runtime.device import BoundKernel
from refflow.runtime.formula_lines import write_formula
from refflow.runtime.fuse import FUSED
from refflow.runtime.handed_back import LARGE, memory
from refflow.runtime.kernels import OpStates, op_state
from refflow.runtime.lifetimes import RESHAPES, Arena, Lifetimes, is_view, shared_input
from refflow.runtime.line_functions import PARTS, Shaped, checker, fresh, is_a_number, may_not_fit, owned
from refflow.runtime.nodes import CONTROL_FLOW, SAME, Node, StepGraph
from refflow.runtime.piecewise import write_pieces
from refflow.runtime.shared_factors import PART, write_part
from refflow.runtime.slice_lines import Part, Rooms
from refflow.runtime.slices import SLICED
from refflow.runtime.structure import Edge
from refflow.runtime.turns import Turns

TURNED = 1 << 12  # elements of a matrix that had better lie turned, if only once
_NOT_FRESH = CONTROL_FLOW | {"Const", "LoopCond", "_Recv"}
_NEVER = 1 << 30  # a step that no chain has


class NodeLines:
    """What a Writer knows while it writes, and the lines of each kind of node."""

    step: StepGraph
    kernels: str
    states: OpStates
    bindings: dict[str, Any]
    arena: Arena
    text: list[str]
    lines: dict[int, Node]
    names: dict[tuple[Node, int], str]
    blocks: dict[tuple[Node, int], np.ndarray]
    reads: dict[str, str]
    sent: dict[Node, Edge]
    senders: dict[Node, Node]
    order: list[Node]
    lifetimes: Lifetimes
    turns: Turns
    rooms: Rooms
    indent: int

    def _write(self, node: Node | None, line: str) -> None:
        self.text.append("    " * self.indent + line)
        if node is not None:
            self.lines[len(self.text)] = node

    def _bind(self, prefix: str, value: Any) -> str:
        name = f"{prefix}{len(self.bindings)}"
        self.bindings[name] = value
        return name

    def _send(self, node: Node) -> None:
        """A reference is read when it is sent, which may be before a later change; a value needs no call."""
        producer, port = node.inputs[0]
        if producer.types[port].is_ref_dtype:
            copy = self._bind("d", node.device.private_copy)
            self.names[node, 0] = f"v{node.id}"
            self._write(node, f"v{node.id} = {copy}({self.names[producer, port]}.read())")

    def _receive(self, node: Node) -> None:
        edge = self.sent[node]
        name = self.names.get((self.senders[node], 0)) or self.names[edge]
        self.names[node, 0] = f"v{node.id}"
        self._write(node, f"v{node.id} = {name}")

    def _compute(self, node: Node) -> None:
        inputs = self._inputs(node)
        if node.op_def is FUSED:
            self._fused(node, inputs)
            return
        if node.op_def is SLICED:
            self._sliced(node, inputs)
            return
        if node.op_def is PART:
            write_part(self, node, inputs)
            return
        if node.op_def.ref_inputs:
            self._update(node, inputs)
        elif not (self._view(node, inputs) or write_formula(self, node, inputs)):
            self._call(node, inputs)

    def _inputs(self, node: Node) -> list[str]:
        """The values of all inputs, and a line that checks them where that is not certain before."""
        inputs = [self._input(node, place) for place in range(len(node.inputs))]
        if node.op_def not in (FUSED, SLICED, PART) and "piecewise" not in node.attrs and may_not_fit(node):
            check = self._bind("x", checker(node))
            self._write(node, f"{check}(({', '.join(inputs)},))")
        return inputs

    def _input(self, node: Node, place: int) -> str:
        """The value of one input; a reference is read here, at the moment its user runs [W12]."""
        edge = node.inputs[place]
        name = self.names[edge]
        if not edge[0].types[edge[1]].is_ref_dtype or node.takes_by_handle(place):
            return name
        if place in node.op_def.ref_inputs and node.op_def.allows_uninitialized:
            return f"({name}.blank() if {name}.value is None else {name}.value)"
        again = self.indent == 1 and not node.op_def.view  # in a loop's next turn it may be another
        if again and name in self.reads and place not in node.op_def.ref_inputs:
            return self.reads[name]
        local = f"{name}_{node.id}"
        self._write(node, f"{local} = {name}.value")
        self._write(node, f"if {local} is None: {name}.read()")
        if node.op_def.view:  # it would hand out the variable's own memory
            self._write(node, f"{local} = {self._bind('d', node.device.private_copy)}({local})")
        elif is_a_number(node, edge):
            self._write(node, f"{local} = {local}[()]")
        if again:
            self.reads[name] = local
        return local

    def _update(self, node: Node, inputs: list[str]) -> None:
        """A change of state: computed into the variable's own memory where the kernel can, else stored."""
        state = self.names[node.inputs[node.op_def.ref_inputs[0]]]
        bound = node.device.kernel(node.op_def, node.attrs, self.kernels)
        for port, dtype in enumerate(node.types):
            if dtype.is_ref_dtype:
                self.names[node, port] = state
        if "piecewise" in node.attrs:
            write_pieces(self, node, state, inputs)
            return
        if self._in_place(node, state, inputs):
            return
        if bound.takes_out and len(node.op_def.ref_inputs) == 1:
            call = self._call_text(node, bound, inputs, out=f"{state}.value")
            self._write(node, f"with {state}.lock: {call}")
            return
        # The kernel gives the references' new values first, then its plain outputs.
        states = [self.names[node.inputs[place]] for place in node.op_def.ref_inputs]
        plain = [port for port, dtype in enumerate(node.types) if not dtype.is_ref_dtype]
        results = [f"v{node.id}_{i}" for i in range(len(states) + len(plain))]
        lines = [f"{', '.join(results)} = {self._call_text(node, bound, self._read_again(node, inputs))}"]
        lines += [f"{of}.store({name})" for of, name in zip(states, results, strict=False)]
        self._write(node, f"with {state}.lock: {'; '.join(lines)}")
        for name, port in zip(results[len(states) :], plain, strict=True):
            self.names[node, port] = name

    def _read_again(self, node: Node, inputs: list[str]) -> list[str]:
        """The inputs with the changed variables as they are now, for who holds the lock: another step may have been."""
        edges = {} if node.op_def.allows_uninitialized else {p: node.inputs[p] for p in node.op_def.ref_inputs}
        again = {p: f"{self.names[e]}.value{'[()]' * is_a_number(node, e)}" for p, e in edges.items()}
        return [again.get(place, text) for place, text in enumerate(inputs)]

    def _in_place(self, node: Node, state: str, inputs: list[str]) -> bool:
        """An update that writes where the references lie."""
        update = self._update_of(node, node.op_def.ref_inputs, self._spent(node))
        if update is not None:
            self._write(node, f"with {state}.lock: {self._bind('k', update)}({', '.join(inputs)})")
        return update is not None

    def _spent(self, node: Node) -> list[int]:
        """The place of an update's gradient, if that lies in a buffer that nobody needs any more."""
        if node.op_def.by_element is None:
            return []
        place = node.op_def.by_element.arrays(len(node.inputs))[-1]
        origins = [self.lifetimes.origin(edge) for edge in node.inputs]
        own = origins[place]
        is_over = own in self.blocks and own in self.lifetimes.ending_at(node)
        return [place] if is_over and origins.count(own) == 1 else []

    def _update_of(self, node: Node, places: Sequence[int], spent: Sequence[int] = ()) -> Any:
        """The function that writes where a node's variables lie. places: of the inputs that tell their shape."""
        shapes = [n.shapes[p] for n, p in (node.inputs[i] for i in places)]
        if self.kernels != "fast" or node.device.type != "cpu" or not all(is_known(s) and s for s in shapes):
            return None
        return node.device.in_place(node.op_def, node.attrs, [self._known(e) for e in node.inputs], spent)

    def _taken_over(self, node: Node, port: int, may: list[bool]) -> str | None:
        """The buffer of an input that nobody needs any more, for an output of its size.

        may: for each input, whether the output may lie in its memory.
        """
        if self.lifetimes.is_kept((node, port)):
            return None
        dying = self.lifetimes.ending_at(node)
        for place, edge in enumerate(node.inputs):
            if not may[place] or edge not in self.blocks or edge not in dying:
                continue
            same = [i for i, other in enumerate(node.inputs) if self.lifetimes.origin(other) == edge]
            producer, from_port = edge
            fits = producer.shapes[from_port] == node.shapes[port] and producer.types[from_port] == node.types[port]
            if fits and all(may[i] for i in same):
                self.blocks[node, port] = self.blocks.pop(edge)
                return self.names[edge]
        return None

    def _view(self, node: Node, inputs: list[str]) -> bool:
        """The same numbers in another shape, or some of them: a view without a kernel's call."""
        place = shared_input(node)
        if place is None or not is_view(node):
            return False
        if node.type in RESHAPES:
            parts = [f".reshape({node.shapes[0]})"]
        else:
            parts = [f"[{self._bind('w', index)}]" for index in PARTS[node.type](node)]
        for number, part in enumerate(parts):
            self.names[node, number] = f"v{node.id}_{number}"
            self._write(node, f"v{node.id}_{number} = {inputs[place]}{part}")
        return True

    def _fused(self, node: Node, inputs: list[str]) -> None:
        """A chain of elementwise nodes: one call for all of them."""
        _, kinds, outputs, *_ = node.attrs["blocks"]
        reads = zip(node.attrs["last reads"], kinds, strict=True)
        last_reads = [last if kind == "whole" else _NEVER for last, kind in reads]
        own: list[int] = []
        held: dict[int, int] = {}  # by the place of an input, the output that lies where it does
        origins = [self.lifetimes.origin(e) for e in node.inputs]
        for port in range(len(node.types)):
            may = [last <= outputs[port] for last in last_reads]
            taken = self._taken_over(node, port, may)
            self.names[node, port] = taken or self._some_memory(node, port)
            own += [] if taken else [port]
            held |= {i: port for i, n in enumerate(inputs) if n == taken and origins.count(origins[i]) == 1}
        outs = ", ".join(self.names[node, port] for port in range(len(node.types)))
        run = self._bind("k", node.device.blocks(*node.attrs["blocks"], own=own, held=held))
        self._write(node, f"{run}(({', '.join(inputs)},), ({outs},))")

    def _sliced(self, node: Node, inputs: list[str]) -> None:
        """A group of nodes, a part of the batch at a time."""
        part = Part(self, node, inputs)
        origins = [self.lifetimes.origin(e) for e in node.inputs]
        for port in range(len(node.types)):
            may = [origins.count(origin) == 1 and part.may_lie_in(port, place) for place, origin in enumerate(origins)]
            self.names[node, port] = self._taken_over(node, port, may) or self._some_memory(node, port)
        part.write([self.names[node, port] for port in range(len(node.types))])

    def _some_memory(self, node: Node, port: int) -> str:
        """A buffer for an output, or the caller's own memory, for every run another."""
        return self._memory(node, port) or self._callers_memory(node, port, np.empty)

    def _callers_memory(self, node: Node, port: int, empty: Callable[..., Any]) -> str:
        name = f"v{node.id}_{port}"
        kind = self._bind("y", node.types[port].as_numpy_dtype)
        self._write(node, f"{name} = {self._bind('n', empty)}({node.shapes[port]}, {kind})")
        return name

    def _call(self, node: Node, inputs: list[str]) -> None:
        keeps = node.op_def.keeps
        if keeps is not None and not self.lifetimes.is_settled(node.inputs[keeps]):
            inputs[keeps] = f"{self._bind('d', node.device.private_copy)}({inputs[keeps]})"
        if node.type == "MatMul" and node.attrs["transpose_b"] and self.kernels == "fast":
            inputs[1] = self._lying_turned(inputs[1])
        if self._fixed(node, inputs):
            return
        bound = node.device.kernel(node.op_def, node.attrs, self.kernels)
        outs = self._outs(node, bound)
        if outs:
            out = outs[0] if len(outs) == 1 else f"({', '.join(outs)})"
            self._write(node, self._call_text(node, bound, inputs, out=out))
            for port, name in enumerate(outs):
                self.names[node, port] = name
            return
        call = self._call_text(node, bound, inputs)
        self._take(node, f"{self._bind('k', result_of)}({call})" if node.op_def.waits else call)

    def _fixed(self, node: Node, inputs: list[str]) -> bool:
        """A kernel that was made for these shapes: it asks nothing in the run."""
        if self.kernels != "fast" or node.device.type != "cpu" or len(node.types) != 1 or may_not_fit(node):
            return False
        kernel = node.device.fixed(node.op_def, node.attrs, [self._known(e) for e in node.inputs])
        if kernel is None:
            return False
        out = self._memory(node, 0)
        self.names[node, 0] = out or f"v{node.id}"
        call = f"{self._bind('k', kernel)}({', '.join(inputs)}"
        self._write(node, f"{call}, out={out})" if out else f"v{node.id} = {call})")
        return True

    def _outs(self, node: Node, bound: BoundKernel) -> list[str]:
        """The memory that a kernel is given for its outputs, or nothing where it makes that itself.

        It may be an input's, if that is over and the kernel allows it.
        """
        if not bound.takes_out:
            return []
        inputs, ports = range(len(node.inputs)), range(len(node.types))
        found = [self._taken_over(node, port, [(place, port) in bound.overlaps for place in inputs])
                 or self._memory(node, port) for port in ports]  # fmt: skip
        if not any(found) or not all(name or (is_known(s) and s) for name, s in zip(found, node.shapes, strict=True)):
            return []
        return [name or self._callers_memory(node, port, np.empty) for port, name in enumerate(found)]

    def _lying_turned(self, name: str) -> str:
        """A small constant that is only read turned lies so in memory; the kernel would turn it in every run."""
        value = self.bindings.get(name)
        if not isinstance(value, np.ndarray) or not name.startswith("c") or value.size > TURNED:
            return name
        return self._bind("c", np.asfortranarray(value))

    def _take(self, node: Node, call: str) -> None:
        """Names what a call gives."""
        count = len(node.types)
        for port in range(count):
            self.names[node, port] = f"v{node.id}" if count == 1 else f"v{node.id}_{port}"
        targets = ", ".join(self.names[node, port] for port in range(count))
        listed = any(a.number is not None or node.op_def.is_type_list(a) for a in node.op_def.outputs)
        comma = "," if listed and count == 1 else ""
        self._write(node, f"{targets}{comma} = {call}" if count else call)

    def _begin(self, node: Node, begun: str) -> None:
        """A node that may have to wait for its result, which is asked for later."""
        bound = node.device.kernel(node.op_def, node.attrs, self.kernels)
        self._write(node, f"p{node.id} = {begun}({self._call_text(node, bound, self._inputs(node))})")

    def _call_text(self, node: Node, bound: BoundKernel, inputs: list[str], out: str | None = None) -> str:
        stored = out is not None or node.op_def.ref_inputs  # a store copies
        kernel = bound.function
        unread = not any(self.lifetimes.is_read((node, port)) for port in range(len(node.types)))
        # A list is a new value, and so is what is in it: nobody changes an element.
        listed = node.op_def.elements is not None and any(t.kind == "r" for t in (*node.types, *self._types(node)))
        apart = node.op_def.view or listed
        function = self._bind("k", kernel if stored or unread or apart else fresh(kernel))
        given = [g if isinstance(g, str) else f"[{', '.join(g)}]" for g in node.op_def.group(inputs, node.attrs)]
        named = bound.arguments | op_state(node, self.states)
        if node.op_def.by_element is not None and not node.op_def.ref_inputs:  # it gets handles
            update = self._update_of(node, node.op_def.by_element.arrays(len(node.inputs))[-1:])
            named |= {} if update is None else {"update": update}
        given += [f"{key}={self._bind('a', value)}" for key, value in named.items()]
        if out is not None:
            given.append(f"out={out}")
        return f"{function}({', '.join(given)})"

    def _types(self, node: Node) -> list[Any]:
        return [n.types[p] for n, p in node.inputs]

    def _known(self, edge: tuple[Node, int]) -> Any:
        """A constant's value, or what is known of another input."""
        while edge[0] in self.sent:
            edge = self.sent[edge[0]]
        node, port = edge
        return node.attrs["value"] if node.type == "Const" else Shaped(node, port)

    def _memory(self, node: Node, port: int) -> str | None:
        """The name of a buffer for an output, or None where the kernel must make fresh memory."""
        shape, dtype = node.shapes[port], node.types[port]
        if not is_known(shape) or dtype.kind in "sr":
            return None
        if shape == () or self.lifetimes.is_kept((node, port)):
            return self.turns.buffer((node, port)) or self._large_memory(node, port)
        array, block = self.arena.take(shape, np.dtype(dtype.as_numpy_dtype))  # type: ignore[arg-type]
        self.blocks[node, port] = block
        return self._bind("b", array)

    def _large_memory(self, node: Node, port: int) -> str | None:
        """The caller's own memory for a large value, which may have been another caller's before."""
        nbytes = prod(node.shapes[port]) * np.dtype(node.types[port].as_numpy_dtype).itemsize  # type: ignore[arg-type]
        is_fetched = any(_made_by(f.inputs[0]) == (node, port) for f in self.step.fetches)
        if nbytes < LARGE or not is_fetched or not self._is_untouched((node, port)):
            return None
        return self._callers_memory(node, port, memory.empty)

    def _result(self, fetch: Node) -> str:
        """A fetched value as the caller gets it: in memory of its own."""
        edge = fetch.inputs[0]
        node, port = edge
        name = self.names[edge]
        own = self._bind("d", owned)
        if node.types[port].is_ref_dtype:
            return f"{own}({name}.read())"
        made = _made_by(edge)
        first = next(f for f in self.step.fetches if _made_by(f.inputs[0]) == made)
        if first is fetch and self._is_untouched(made) and is_known(node.shapes[port]):  # the others get copies
            return f"{name}[()]" if node.shapes[port] == () else name
        return f"{own}({name})"

    def _is_untouched(self, edge: Edge) -> bool:
        """True for a value that a kernel made for this step, and that lies in nobody else's memory."""
        node, _ = edge
        held = any(n.types[p].kind == "r" for n, p in node.inputs)  # as an element of a list, which may be a constant
        fresh = node.type not in _NOT_FRESH and not node.op_def.stateful and node.device.type == "cpu"
        return fresh and not held and self.lifetimes.origin(edge) == edge


def _made_by(edge: Edge) -> Edge:
    """The value behind nodes that pass it on, or show it in another shape."""
    while edge[0].type in SAME or (edge[0].type in RESHAPES and is_view(edge[0])):
        edge = edge[0].inputs[0]
    return edge
