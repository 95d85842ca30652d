"""The lines of a _Sliced node: a function that takes a part of the batch through all of its nodes.

    def part7(n):
        w0, = rooms(0)                               what stays inside, reused as soon as it is not needed
        x0 = b3[n * 8 : n * 8 + 8]                   parts of what comes in
        k5(x0, x1, out=w0)                           BatchMatMul 'scores'
        k6(w0, out=w0)                               Softmax 'weights'
    each(part7, 8)

A value lies where one lay that it is made of, if its kernel allows that and nobody else needs it; so may what the whole
group makes, where an input of the group lay: then a part of memory is read and written once. What stays inside lies in
a block of the thread's own, the same for all groups of a plan, so that it is in cache from the first part on. Each line
belongs to the node that it computes, as outside.

Next: runtime/line_functions.py.
"""

from __future__ import annotations

import threading
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from refflow.runtime.device import BoundKernel
from refflow.runtime.fuse import FUSED
from refflow.runtime.nodes import Node
from refflow.runtime.slices import PASSING, Member
from refflow_kernels import aligned

if TYPE_CHECKING:
    from refflow.runtime.node_lines import NodeLines

Edge = tuple[Node, int]
Room = tuple[tuple[int, ...], str]  # a buffer's shape and type


class Rooms:
    """The memory inside parts, by the number of a group: of each thread its own, one block that all groups share."""

    def __init__(self) -> None:
        self.layouts: list[list[Room]] = []  # of each group; complete before the first part is done
        self._here = threading.local()

    def __call__(self, number: int) -> list[np.ndarray]:
        try:
            return self._here.arrays[number]
        except AttributeError:
            self._here.arrays = self._laid_out()
        return self._here.arrays[number]

    def _laid_out(self) -> list[list[np.ndarray]]:
        ends = [[0] for _ in self.layouts]
        for layout, places in zip(self.layouts, ends, strict=True):
            for shape, kind in layout:
                places.append(places[-1] + -(-prod(shape) * np.dtype(kind).itemsize // 64) * 64)
        block = aligned.empty((max(places[-1] for places in ends),), np.uint8)
        return [
            [np.ndarray(shape, kind, block, place) for (shape, kind), place in zip(layout, places, strict=False)]
            for layout, places in zip(self.layouts, ends, strict=True)
        ]


class Part:
    """What is known while the lines of one part are written."""

    def __init__(self, lines: NodeLines, node: Node, inputs: list[str]):
        self.lines, self.node, self.count = lines, node, node.attrs["count"]
        self.members: list[Member] = node.attrs["members"]
        self.outer = {key: inputs[place] for key, place in node.attrs["places"].items()}
        self.wanted: list[Edge] = node.attrs["wanted"]
        self.outs: dict[Edge, str] = {}
        self.names: dict[Edge, str] = {}
        self.cut: dict[Edge, str] = {}  # the names of parts of what comes in
        self.layout: list[Room] = []
        self.held: dict[str, int] = {}  # the number of a value's buffer, by the value's name
        self.free: list[int] = []
        self.made = 0
        self.last = self._last_uses()
        # Where an output only passes on what a member makes, that is made in the output's memory.
        self.passed = {self._origin(edge): edge for edge in self.wanted}
        self.early: dict[Edge, Edge] = {}  # by what is made in an output's memory before it, that output
        self.first = {edge: self._first_there(edge) for edge in self.wanted}

    def _origin(self, edge: Edge) -> Edge:
        while edge[0].type in PASSING and (edge[0], 0) in self.inside:
            edge = edge[0].inputs[0]
        return edge

    def _last_uses(self) -> dict[Edge, int]:
        """For each value that is made inside, the number of the member that needs its memory last."""
        self.inside = {(m.node, port) for m in self.members for port in range(len(m.node.types))}
        found: dict[Edge, int] = {}
        for number, member in enumerate(self.members):
            for edge in member.node.inputs:
                found[self._origin(edge)] = number
        return found

    def _first_there(self, output: Edge) -> Edge:
        """What is made in an output's memory first: what is changed to it there, step by step, and needed no more."""
        edge = self._origin(output)
        while edge in self.inside:
            number, room = self._maker(edge), self._room(edge)
            before = next((e for e in self._overlaid(*edge) if e in self.inside and self.last[e] == number
                           and e not in self.passed and e not in self.early and _size(self._room(e)) == _size(room)),
                          None)  # fmt: skip
            if before is None:
                return edge
            self.early[before] = output
            edge = before
        return output

    def _maker(self, edge: Edge) -> int:
        """The number of the member that makes a value."""
        return next(number for number, member in enumerate(self.members) if member.node is edge[0])

    def may_lie_in(self, port: int, place: int) -> bool:
        """True where the group's output may lie in an input's memory: no part of that is read after it is written."""
        edge, cut = list(self.outer)[place]
        made = self.first[self.wanted[port]]
        first, last = self._maker(made), self.last[edge]
        if not cut or last > first:
            return False
        return last < first or edge in self._overlaid(*made)

    def write(self, outs: list[str]) -> None:
        """The function, and the call for each part. outs: the names of the group's outputs."""
        self.outs = dict(zip(self.wanted, outs, strict=True))
        name, write = f"part{self.node.id}", self.lines._write
        for member in self.members:
            self._check(member.node)
        write(self.node, f"def {name}(n):")
        self.lines.indent += 1
        write(self.node, "")
        first = len(self.lines.text) - 1
        for number, member in enumerate(self.members):
            self._member(number, member)
            self.free += [self.held.pop(self.names[edge]) for edge, last in self.last.items()
                          if last == number and self.names.get(edge) in self.held]  # fmt: skip
        if self.layout:
            rooms = self.lines.rooms
            names = "".join(f"w{i}, " for i in range(len(self.layout)))
            self.lines.text[first] += f"{names}= {self.lines._bind('k', rooms)}({len(rooms.layouts)})"
            rooms.layouts.append(self.layout)
        self.lines.indent -= 1
        write(self.node, f"{self.lines._bind('k', self.node.device.in_parts())}({name}, {self.count})")

    def _check(self, node: Node) -> None:
        """What a kernel may refuse, it refuses before the first part."""
        checked = self._kernel(node).checked if node.op_def is not FUSED and node.type not in PASSING else None
        if checked is not None:
            edge = node.inputs[checked.place]
            name, shape = self.outer[self._origin(edge), True], edge[0].shapes[edge[1]]
            scores = node.inputs[0][0].shapes[node.inputs[0][1]]
            self.lines._write(node, f"{self.lines._bind('k', checked.check)}({name}.reshape({shape}), {scores})")

    def _kernel(self, node: Node) -> BoundKernel:
        return node.device.kernel(node.op_def, node.attrs, self.lines.kernels)

    def _overlaid(self, node: Node, port: int) -> list[Edge]:
        """The values in whose memory the node's output may lie, as far as its own reading of them goes."""
        inputs = [self._origin(edge) for edge in node.inputs]
        if node.op_def is FUSED:
            _, kinds, outputs, *_ = node.attrs["blocks"]
            fits = [kind == "whole" and last <= outputs[port]
                    for kind, last in zip(kinds, node.attrs["last reads"], strict=True)]  # fmt: skip
        else:
            overlaps = self._kernel(node).overlaps
            fits = [(place, port) in overlaps for place in range(len(inputs))]
        return [e for e in inputs if all(fit for fit, other in zip(fits, inputs, strict=True) if other == e)]

    def _part_of(self, edge: Edge) -> tuple[int, ...]:
        """The shape of a value's part."""
        first, *rest = edge[0].shapes[edge[1]] or ()
        return (first // self.count, *rest)

    def _room(self, edge: Edge) -> Room:
        return self._part_of(edge), np.dtype(edge[0].types[edge[1]].as_numpy_dtype).name

    def _input(self, edge: Edge, cut: bool) -> str:
        if edge in self.names:
            return self.names[edge]
        name = self.outer[edge, cut]
        if not cut:
            return name
        if edge not in self.cut:
            self.cut[edge] = f"x{len(self.cut)}"
            self._slice(self.cut[edge], name, edge)
        return self.cut[edge]

    def _slice(self, name: str, whole: str, edge: Edge) -> None:
        size = self._part_of(edge)[0]
        bounds = f"n * {size} : n * {size} + {size}" if size > 1 else "n : n + 1"
        self.lines._write(self.node, f"{name} = {whole}[{bounds}]")

    def _target(self, edge: Edge, number: int) -> str:
        """Where a member writes: a part of an output, or memory that stays inside."""
        name = self.names[edge] = f"s{self.made}"
        self.made += 1
        shape = self._part_of(edge)
        output = edge if edge in self.outs else self.passed.get(edge) or self.early.get(edge)
        if output is not None:
            self._slice(name, self.outs[output], output)
            if self._part_of(output) != shape:
                self.lines._write(self.node, f"{name} = {name}.reshape({shape})")
            return name
        buffer = self._buffer(edge, number, self._room(edge))
        same = self.layout[buffer][0] == shape
        self.lines._write(self.node, f"{name} = w{buffer}" if same else f"{name} = w{buffer}.reshape({shape})")
        self.held[name] = buffer
        return name

    def _buffer(self, edge: Edge, number: int, room: Room) -> int:
        """The number of a buffer with that room: of a value that ends here if that may be, a free one, or a new one."""

        def fits(buffer: int | None) -> bool:
            return buffer is not None and _size(self.layout[buffer]) == _size(room)

        ending = [self.names.get(e, "") for e in self._overlaid(*edge) if self.last[e] == number]
        over = next((name for name in ending if fits(self.held.get(name))), None)
        if over is not None:
            return self.held.pop(over)
        free = next(filter(fits, self.free), None)
        if free is not None:
            self.free.remove(free)
            return free
        self.layout.append(room)
        return len(self.layout) - 1

    def _member(self, number: int, member: Member) -> None:
        node, lines = member.node, self.lines
        inputs = [self._input(e, cut) for e, cut in zip(node.inputs, member.cut, strict=True)]
        if node.type in PASSING:
            self._pass(node, inputs[0])
            return
        outs = [self._target((node, port), number) for port in range(len(node.types))]
        if node.op_def is FUSED:
            steps, kinds, outputs, rows, columns, dtype = node.attrs["blocks"]
            run = lines._bind("k", node.device.blocks(steps, kinds, outputs, rows // self.count, columns, dtype))
            lines._write(node, f"{run}(({', '.join(inputs)},), ({', '.join(outs)},))")
            return
        bound = self._kernel(node)
        if bound.checked is not None:
            bound = bound._replace(function=bound.checked.function)
        out = outs[0] if len(outs) == 1 else f"({', '.join(outs)})"
        lines._write(node, lines._call_text(node, bound, inputs, out=out))

    def _pass(self, node: Node, given: str) -> None:
        """The same numbers in another shape; copied where they are an output that is not made in its memory."""
        edge, shape = (node, 0), self._part_of((node, 0))
        self.names[edge] = name = f"s{self.made}"
        self.made += 1
        self.lines._write(node, f"{name} = {given}.reshape({shape})")
        origin = self._origin(edge)
        if edge in self.outs and (origin in self.outs or self.passed[origin] != edge or origin not in self.inside):
            self._slice(f"w{name}", self.outs[edge], edge)
            self.lines._write(node, f"w{name}[...] = {name}")


def _size(room: Room) -> tuple[int, str]:
    return prod(room[0]), room[1]
