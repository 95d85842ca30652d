"""The lines of a stretch's body: kernels over places that do not change.

    k5(b4, r2.value, False, False, out=b6)          a kernel, its operands and its result
    r2.store(b6)                                    an assignment, where the variable lies
    m7(((r1.value, b2), (r3.value, b4)), (c5,))     updates with one rule, in one launch

Next: runtime/many_updates.py.
"""

from __future__ import annotations

from functools import partial
from math import prod
from typing import Any

from refflow.core.dtypes import as_dtype, int64
from refflow.runtime.card_checks import Check, Range, ranges_of
from refflow.runtime.card_stretches import CardStretches, Update
from refflow.runtime.failures import as_op_error
from refflow.runtime.fuse import FUSED
from refflow.runtime.gpu_kernels import place_of, ranges, reserved
from refflow.runtime.kernels import op_state, unset, variable_state
from refflow.runtime.many_updates import rule_of
from refflow.runtime.node_lines import NodeLines
from refflow.runtime.nodes import Node


class CardLaunches(CardStretches):
    """What a Writer writes into a stretch's body."""

    def _in_stretch(self, node: Node) -> None:
        stretch = self._stretch(node.device)
        stretch.nodes[node.name] = None
        self._check_indices(node)
        for producer, _ in node.inputs:
            if producer.op_def.family == "Variable":
                stretch.states[variable_state(producer)] = None
        if node.op_def.by_element is None:
            self._write_updates()
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

    def _check_indices(self, node: Node) -> None:
        """Lines that note indices out of range, for what a CPU's kernel would refuse."""
        shapes: list[Any] = [n.shapes[p] for n, p in node.inputs]
        try:
            found = ranges_of(node.op_def, shapes, lambda place: self._known(node.inputs[place]))
        except ValueError as error:  # of constants
            raise as_op_error(error, node) from error
        for asked in found:
            self._check_range(node, asked, shapes[asked.place])

    def _check_range(self, node: Node, asked: Range, shape: Any) -> None:
        assert self._open is not None
        kernels = ranges()
        check = Check(node.device.card, node, asked, shape, kernels.programs(prod(shape) // len(asked.sizes)))
        self.stretches[-1].checks.append(check)
        function, words = self._bind("k", kernels.first_outside), self._bind("w", check.words)
        name = self.names[node.inputs[asked.place]]
        self._open.body.append((node, f"{function}({name}, {asked.low}, {asked.sizes}, {words})"))

    def _card_input(self, node: Node, place: int) -> str:
        """An input; a variable is read here, and has its value at that moment."""
        edge = node.inputs[place]
        name = self.names[edge]
        if edge[0].type == "Const" and place in node.device.host_inputs(node.op_def, node.attrs):
            return self._bind("c", edge[0].attrs["value"])
        if not edge[0].types[edge[1]].is_ref_dtype:
            return name
        if place in node.op_def.ref_inputs and node.op_def.allows_uninitialized:
            return f"{name}.value"
        self._write(node, self._is_there(name, edge, unset(node, place)))
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
        if node.op_def.make_state is not None:
            given.append(f"state={self._place_in_stream(node)}")
        known = node.op_def.group([self._known(e) for e in node.inputs], node.attrs)
        need = bound.workspace and bound.workspace(known, **bound.arguments)
        if need:
            place = self._room(node, need[0], as_dtype(need[1]))
            place.span.end = self._moment + 1
            given.append(f"workspace={self._bind('b', place)}")
        out = outs[0] if len(outs) == 1 else f"({', '.join(outs)})"
        return f"{self._bind('k', bound.function)}({', '.join(given)}, out={out})"

    def _place_in_stream(self, node: Node) -> str:
        """Where a random op's numbers begin: the host counts, and sends it up before the stretch."""
        assert self._open is not None
        shape: Any = node.shapes[0]
        stream, count = op_state(node, self.states)["state"], reserved(node.type, tuple(shape))
        place = self._room(node, (3,), int64, self._open.begin)
        place.span.end = self._moment + 1
        self._went_up[node] = place
        pinned, array = self._pinned(node, (3,), int64)
        NodeLines._write(self, node, f"{array}[...] = {self._bind('d', partial(place_of, stream, count))}()")
        name = self._bind("b", place)
        self._open.up.append((node, f"{self._bind('d', node.device.card.upload)}({name}, {pinned})"))
        return name

    def _change(self, node: Node) -> None:
        """A change of variables, where they lie."""
        states = [self.names[node.inputs[place]] for place in node.op_def.ref_inputs]
        inputs = [self._change_input(node, place, states) for place in range(len(node.inputs))]
        for port, dtype in enumerate(node.types):
            if dtype.is_ref_dtype:
                self.names[node, port] = states[0]
                self.steady[node, port] = None
        if node.type == "Assign":
            self._write(node, f"{states[0]}.store({inputs[1]})")
            return
        if self._note_update(node, inputs):
            return
        outs = [f"{state}.value" for state in states]
        for port, (shape, dtype) in enumerate(zip(node.shapes, node.types, strict=True)):
            if not dtype.is_ref_dtype:
                outs.append(self._keep_place(node, port, self._room(node, shape, dtype)))
        self._write(node, f"with {states[0]}.lock: {self._card_call(node, inputs, outs)}")

    def _note_update(self, node: Node, inputs: list[str]) -> bool:
        """Notes an update down, to be one launch with its like."""
        kernel = node.device.kernel(node.op_def, node.attrs, self.kernels).function
        if not hasattr(kernel, "many") or not all(t.is_ref_dtype for t in node.types):
            return False
        assert self._open is not None and node.op_def.by_element is not None
        places = node.op_def.by_element.numbers
        numbers = [name for place, name in enumerate(inputs) if place in places]
        arrays = [name for place, name in enumerate(inputs) if place not in places]
        alike = self._open.updates.setdefault(rule_of(node, numbers), [])
        alike.append(Update(node, kernel, arrays, numbers))
        return True

    def _change_input(self, node: Node, place: int, states: list[str]) -> str:
        """An input of a change; a copy of the variable whose rows it moves: its programs run at once."""
        given, edge = self._card_input(node, place), node.inputs[place]
        is_own = place not in node.op_def.ref_inputs and self.names[edge] in states
        if not is_own or node.type == "Assign" or node.op_def.by_element is not None:
            return given
        copied = self._room(node, edge[0].shapes[edge[1]], edge[0].types[edge[1]].base_dtype)
        copied.span.end = self._moment + 1
        return self._copied(node, self._bind("b", copied), given)

    def _copied(self, node: Node, name: str, given: str) -> str:
        self._write(node, f"{self._bind('d', node.device.card.copy)}({name}, {given})")
        return name

    def _look(self, node: Node) -> None:
        """The same bytes in another shape; of a variable a copy, which later changes leave alone."""
        edge = node.inputs[0]
        place = self.steady[edge]
        if place is not None:
            self._keep_place(node, 0, place._replace(shape=tuple(node.shapes[0])))  # type: ignore[arg-type]
        elif edge[0].types[edge[1]].is_ref_dtype:
            given = self._card_input(node, 0)
            self._copied(node, self._keep_place(node, 0, self._room(node, node.shapes[0], node.types[0])), given)
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
