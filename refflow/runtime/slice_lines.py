"""The lines of a _Sliced node: a function that takes a part of the batch through all of its nodes.

    def part7(n):
        x0 = b3[n * 8 : n * 8 + 8]                   parts of what comes in
        s0 = empty((8, 128, 128), 'float32')         what stays inside, reused as soon as it is not needed
        k5(x0, x1, out=s0)                           BatchMatMul 'scores'
        k6(s0, out=o0)                               Softmax 'weights'
    each(part7, 8)

Each line belongs to the node that it computes, as outside.

Next: runtime/line_functions.py.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from refflow.runtime.fuse import FUSED
from refflow.runtime.nodes import Node
from refflow.runtime.slices import PASSING, Member
from refflow_kernels import aligned

if TYPE_CHECKING:
    from refflow.runtime.node_lines import NodeLines

Edge = tuple[Node, int]


class Part:
    """What is known while the lines of one part are written."""

    def __init__(self, lines: NodeLines, node: Node, inputs: list[str], outs: list[str]):
        self.lines, self.node, self.count = lines, node, node.attrs["count"]
        self.members: list[Member] = node.attrs["members"]
        self.outer = {key: inputs[place] for key, place in node.attrs["places"].items()}
        self.outs = dict(zip(node.attrs["wanted"], outs, strict=True))
        self.names: dict[Edge, str] = {}
        self.cut: dict[Edge, str] = {}  # the names of parts of what comes in
        self.scratch: dict[str, tuple[str, int]] = {}  # a buffer's type and elements, by the name of the value in it
        self.free: list[tuple[tuple[str, int], str]] = []
        self.made = 0
        self.last = self._last_uses()
        # Where an output only passes on what a member makes, that is made in the output's memory.
        self.passed = {self._origin(edge): edge for edge in self.outs}

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

    def write(self) -> None:
        """The function, and the call for each part."""
        name, write = f"part{self.node.id}", self.lines._write
        write(self.node, f"def {name}(n):")
        self.lines.indent += 1
        for number, member in enumerate(self.members):
            self._member(member)
            for edge, last in self.last.items():
                if last == number and edge in self.names and self.names[edge] in self.scratch:
                    self.free.append((self.scratch.pop(self.names[edge]), self.names[edge]))
        self.lines.indent -= 1
        write(self.node, f"{self.lines._bind('k', self.node.device.in_parts())}({name}, {self.count})")

    def _part_of(self, edge: Edge) -> tuple[int, ...]:
        """The shape of a value's part."""
        first, *rest = edge[0].shapes[edge[1]] or ()
        return (first // self.count, *rest)

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

    def _target(self, edge: Edge) -> str:
        """Where a member writes: a part of an output, or memory that stays inside."""
        name = self.names[edge] = f"s{self.made}"
        self.made += 1
        shape = self._part_of(edge)
        if edge in self.outs or edge in self.passed:
            output = edge if edge in self.outs else self.passed[edge]
            self._slice(name, self.outs[output], output)
            if self._part_of(output) != shape:
                self.lines._write(self.node, f"{name} = {name}.reshape({shape})")
            return name
        kind = np.dtype(edge[0].types[edge[1]].as_numpy_dtype).name
        size = (kind, prod(shape))
        spare = next((free for free in self.free if free[0] == size), None)
        if spare is not None:
            self.free.remove(spare)
            self.lines._write(self.node, f"{name} = {spare[1]}.reshape({shape})")
        else:
            self.lines._write(self.node, f"{name} = {self.lines._bind('n', aligned.empty)}({shape}, {kind!r})")
        self.scratch[name] = size
        return name

    def _member(self, member: Member) -> None:
        node, lines = member.node, self.lines
        inputs = [self._input(e, cut) for e, cut in zip(node.inputs, member.cut, strict=True)]
        if node.type in PASSING:
            self._pass(node, inputs[0])
            return
        outs = [self._target((node, port)) for port in range(len(node.types))]
        if node.op_def is FUSED:
            steps, kinds, outputs, rows, columns, dtype = node.attrs["blocks"]
            run = lines._bind("k", node.device.blocks(steps, kinds, outputs, rows // self.count, columns, dtype))
            lines._write(node, f"{run}(({', '.join(inputs)},), ({', '.join(outs)},))")
            return
        bound: Any = node.device.kernel(node.op_def, node.attrs, lines.kernels)
        lines._write(node, lines._call_text(node, bound, inputs, out=outs[0]))

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
