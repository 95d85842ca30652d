"""TensorArrays without loops: an array whose every op is known is gone through once, when the step is planned [W43].

    write(a, 0, x), write(a, 1, y), read(a, 0), gather(a, [0, 1])     ->     x, Pack(x, y)

An array is a place that its ops change in an order which their flows and handles set. Where no loop and no branch is
between them and all indices are constants, any order that keeps to these edges says what each read will find: what was
written there, the sum of it for an array of gradients, or zeros. So the array itself is not needed, and its elements
need not come from a card to the host and go back.

What an op would refuse, as a second read of what the first one clears, is left to it: then the array stays.

Next: runtime/partition.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from refflow.core.dtypes import DType, float32, int32
from refflow.core.shapes import Shape, compatible, is_known
from refflow.runtime.nodes import SAME, Node, StepGraph, in_order, led_past
from refflow.runtime.optimise import keep_needed, known_value
from refflow.runtime.structure import Edge
from refflow.runtime.unrolled_lists import Parts

ARRAY_OPS = frozenset((
    "TensorArrayWriteV3", "TensorArrayReadV3", "TensorArrayScatterV3", "TensorArrayGatherV3", "TensorArraySizeV3",
    "TensorArrayGradV3",
))  # fmt: skip


class _Unclear(Exception):
    """What is in an array cannot be told beforehand."""


class _Term(NamedTuple):
    """A value that was written, or a row of one that was scattered."""

    edge: Edge
    row: int | None = None

    @property
    def shape(self) -> Shape:
        shape = self.edge[0].shapes[self.edge[1]]
        return shape if self.row is None or shape is None else shape[1:]


class _Cell:
    """An element. terms: what was written there, to be added up; dims: what that has, or had beside a gradient."""

    def __init__(self, dims: Shape = None):
        self.terms: list[_Term] = []
        self.dims = dims
        self.was_read = self.is_cleared = False


class _Read(NamedTuple):
    """What a read gives: the sum of the terms, or zeros of that shape."""

    terms: tuple[_Term, ...]
    dims: Shape


@dataclass
class _Array:
    """What the kernels' ArrayState is. same: all elements have one shape; ops: the nodes that meet it."""

    cells: list[_Cell]
    dims: Shape
    dtype: DType
    clears: bool
    dynamic: bool = False
    same: bool = False
    root: _Array | None = None  # of which it has the gradients
    gradients: dict[Any, _Array] = field(default_factory=dict)
    is_clear: bool = True
    ops: list[Node] = field(default_factory=list)

    def write(self, index: int, term: _Term) -> None:
        while self.dynamic and len(self.cells) <= index:
            self.cells.append(_Cell())
        if not 0 <= index < len(self.cells) or not compatible(self.dims, term.shape):
            raise _Unclear
        cell = self.cells[index]
        if cell.is_cleared or (cell.terms and (self.root is None or cell.was_read)):
            raise _Unclear
        if self.root is not None and (not is_known(term.shape) or not compatible(cell.dims, term.shape)):
            raise _Unclear
        cell.terms.append(term)
        cell.dims = term.shape
        if self.same and is_known(term.shape):
            self.dims = term.shape

    def read(self, index: int) -> _Read:
        """What is there; what nobody has written is zeros, if their shape is known."""
        if not 0 <= index < len(self.cells):
            raise _Unclear
        cell = self.cells[index]
        dims = cell.dims if is_known(cell.dims) else self.dims
        if cell.is_cleared or not (cell.terms or is_known(dims)):
            raise _Unclear
        if cell.terms:
            cell.was_read, cell.is_cleared = True, self.clears
        return _Read(tuple(cell.terms), dims)

    def gradient(self, source: Any) -> _Array:
        if source not in self.gradients:
            cells = [_Cell(cell.dims) for cell in self.cells]
            self.gradients[source] = _Array(cells, self.dims, self.dtype, self.clears, root=self.root or self)
        return self.gradients[source]


def take_arrays_apart(step: StepGraph) -> bool:
    """Changes `step`: what is read from arrays whose every op is known comes from where it was made.

    Whether anything has become known by that.
    """
    arrays = _Arrays(step)
    arrays.look()
    if not arrays.take_apart():
        return False
    step.nodes = in_order(step.nodes)
    keep_needed(step)
    return True


class _Arrays(Parts):
    def __init__(self, step: StepGraph):
        super().__init__(step)
        self._handles: dict[Edge, _Array] = {}
        self._reads: list[tuple[_Array, Node, Callable[[], Edge]]] = []
        self._now: dict[Edge, Edge] = {}
        self._rows: dict[Edge, list[Edge] | None] = {}
        self._tells_more = False  # of the shape of what is gathered

    # -- what each op does to its array ---------------------------------------------------------------------

    def look(self) -> None:
        for node in self.step.nodes:
            if node.type == "TensorArrayV3":
                self._begin(node)
            for edge in node.inputs:
                if edge in self._handles:
                    self._meet(node, self._handles[edge])

    def _begin(self, node: Node) -> None:
        size, attrs = known_value(node.inputs[0]), node.attrs
        if size is None or size.ndim or size < 0:
            return
        array = _Array(
            [_Cell() for _ in range(int(size))], attrs["element_shape"].as_tuple, attrs["dtype"],
            attrs["clear_after_read"], attrs["dynamic_size"], attrs["identical_element_shapes"],
        )  # fmt: skip
        array.ops.append(node)
        self._handles[node, 0] = array

    def _meet(self, node: Node, array: _Array) -> None:
        root = array.root or array
        root.ops.append(node)
        try:
            if node.type in SAME:
                self._handles[node, 0] = array
            elif node.type == "TensorArrayGradV3":
                self._handles[node, 0] = array.gradient(node.attrs["source"])
            else:
                self._change(node, array, root)
        except _Unclear:
            root.is_clear = False

    def _change(self, node: Node, array: _Array, root: _Array) -> None:
        if node.type == "TensorArrayWriteV3":
            array.write(_index(node.inputs[1]), _typed(_Term(node.inputs[2]), array))
        elif node.type == "TensorArrayScatterV3":
            tensor, port = node.inputs[2]
            shape, places = tensor.shapes[port], _indices(node.inputs[1])
            if not shape or shape[0] != len(places):
                raise _Unclear
            for row, place in enumerate(places):
                array.write(place, _typed(_Term(node.inputs[2], row), array))
        elif node.type == "TensorArrayReadV3" and node.attrs["dtype"] is array.dtype:
            one = array.read(_index(node.inputs[1]))
            self._reads.append((root, node, lambda: self._element(one, array.dtype, node)))
        elif node.type == "TensorArrayGatherV3" and node.attrs["dtype"] is array.dtype:
            found = [array.read(place) for place in _indices(node.inputs[1])]
            if not found or not all(is_known(one.dims) and one.dims == found[0].dims for one in found):
                raise _Unclear
            whole: list[Shape] = [(len(found), *(found[0].dims or ()))]
            self._tells_more = self._tells_more or node.shapes != whole
            node.shapes = whole
            self._reads.append((root, node, lambda: self._together(found, array.dtype, node)))
        elif node.type == "TensorArraySizeV3":
            if root.is_clear:  # whatever comes later
                self._now[node, 0] = self.constant(len(array.cells), int32, node)
        else:
            raise _Unclear

    # -- without them -----------------------------------------------------------------------------------------

    def take_apart(self) -> bool:
        clear = list({id(a): a for a in self._handles.values() if a.root is None and a.is_clear}.values())
        for array in clear:
            nothing = self.constant(0, float32, array.ops[0])
            for node in array.ops:  # a flow is a number that says nothing
                self._now |= {(node, port): nothing for port, t in enumerate(node.types) if t is float32}
        for root, node, made in self._reads:
            if root.is_clear:
                self._now[node, 0] = made()
        gone = {node for array in clear for node in array.ops}
        past: dict[Node, list[Node]] = {}
        for node in self.step.nodes:
            node.inputs = [self._now.get(edge, edge) for edge in node.inputs]
            node.controls = led_past(node.controls, past)
            if node in gone:
                past[node] = led_past([*node.controls, *(n for n, _ in node.inputs)], past)
        return bool(self._now) or self._tells_more

    def _edge_of(self, term: _Term) -> Edge:
        edge = self._now.get(term.edge, term.edge)
        if term.row is None:
            return edge
        if edge not in self._rows:
            self._rows[edge] = self.rows(edge, edge[0].types[edge[1]], edge[0])
        found = self._rows[edge]
        assert found is not None  # that many rows were asked for
        return found[term.row]

    def _element(self, one: _Read, dtype: DType, like: Node) -> Edge:
        if not one.terms:
            return self.constant(np.zeros(one.dims), dtype, like)
        return self.total([self._edge_of(term) for term in one.terms], dtype, like)

    def _together(self, found: list[_Read], dtype: DType, like: Node) -> Edge:
        elements = [self._element(one, dtype, like) for one in found]
        attrs = {"T": dtype, "N": len(elements), "axis": 0}
        return self.add("Pack", attrs, elements, [(len(elements), *(found[0].dims or ()))], like), 0


def _index(edge: Edge) -> int:
    value = known_value(edge)
    if value is None or value.ndim:
        raise _Unclear
    return int(value)


def _indices(edge: Edge) -> list[int]:
    value = known_value(edge)
    if value is None or value.ndim != 1:
        raise _Unclear
    return [int(i) for i in value]


def _typed(term: _Term, array: _Array) -> _Term:
    node, port = term.edge
    if node.types[port].base_dtype is not array.dtype:
        raise _Unclear
    return term
