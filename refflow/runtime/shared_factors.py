"""Shared factors: what products of a few rows each have in common with one matrix is one product of all their rows.

    concat(x1, h0) @ w, concat(x2, h1) @ w, ...    ->    concat(x1, x2, ...) @ w[:200], and h @ w[200:] for each step
    slices of dz1 @ wT, of dz2 @ wT, ...           ->    concat(dz1, dz2, ...) @ w[:200]T, and dz @ w[200:]T for each

So a recurrent net goes through its weights again at each step, and BLAS reads them for a few rows. What comes from
outside the recurrence is there before the first step, and the slopes that go out are wanted after the last one: these
halves wait for none of the other products, and are multiplied at once. Products that do not wait for each other at all
are joined as a whole. A bias that all of them add is added once, and columns of results that nobody takes are left
out. A sum that was one is now two, which are added; so it is for fast kernels only.

    bytes saved: the matrix's part, read for each step        in return: its product, written and read

Next: runtime/turned_outside.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from refflow.core.dtypes import float32, float64
from refflow.core.opdef import OpDef
from refflow.core.registry import op_def
from refflow.core.shapes import Shape, is_known
from refflow.core.signature import Attr
from refflow.runtime.line_functions import PARTS, may_not_fit
from refflow.runtime.nodes import Node, StepGraph, changes_variables, has_control_flow, in_order
from refflow.runtime.optimise import keep_needed
from refflow.runtime.products import constant, joined, waits_of
from refflow.runtime.rendezvous import paired

if TYPE_CHECKING:
    from refflow.runtime.node_lines import NodeLines

Edge = tuple[Node, int]

_THIN = 64  # rows of a product that are few
_WIDE = 32  # rows or columns of the matrix that are worth a product of their own
_CACHED = 1 << 24  # bytes of joined results that stay in a cache
_SUMS = frozenset(("Add", "AddV2", "BiasAdd"))

PART = OpDef(
    "_PartMatMul", "a: T, b: T -> product: T",
    {"T": (float32, float64), "transpose_b": False, "axis": Attr("int"), "first": Attr("int"), "last": Attr("int")},
    (), False, False, "dot", False, False,
)  # fmt: skip
PART.work(lambda inputs, outputs, attrs: inputs[0][1] * outputs[0][0] * outputs[0][1])


class _Family(NamedTuple):
    """Products of as many rows each with the same matrix, turned or not."""

    products: list[Node]
    matrix: Edge
    turned: bool


class _Part(NamedTuple):
    """Rows or columns of the matrix, along its axis as it lies, and what each product has to do with them.

    ends: for each product, of its sums the operand; or of its results the node that takes them, if there is one.
    """

    axis: int
    first: int
    last: int
    ends: list[Any]


def share_factors(step: StepGraph) -> StepGraph:
    """`step` with such halves of products joined. A step with branches or loops stays as it is."""
    if has_control_flow(step.nodes) or not _families(step.nodes):
        return step
    step = step.copy()
    for family in _families(step.nodes):
        _Sharing(step, family).rewrite()
    keep_needed(step)
    step.nodes = in_order(step.nodes, paired(step.nodes))
    return step


# -- which products -----------------------------------------------------------------------------------------------


def _families(nodes: Iterable[Node]) -> list[_Family]:
    found: dict[Any, list[Node]] = {}
    for node in nodes:
        if _is_thin(node):
            shape = node.inputs[0][0].shapes[node.inputs[0][1]]
            found.setdefault((node.inputs[1], node.attrs["transpose_b"], shape, node.device), []).append(node)
    return [_Family(nodes, matrix, turned) for (matrix, turned, *_), nodes in found.items() if len(nodes) > 1]


def _is_thin(node: Node) -> bool:
    if node.type != "MatMul" or node.device is None or node.device.type != "cpu" or node.attrs["transpose_a"]:
        return False
    shapes = [node.shapes[0], *(n.shapes[port] for n, port in node.inputs)]
    if node.types[0] not in (float32, float64) or _is_reference(node.inputs[0]) or may_not_fit(node):
        return False
    if not all(map(is_known, shapes)):
        return False
    (rows, columns), (_, inner), _ = shapes  # type: ignore[misc]
    return 0 < rows <= _THIN and min(inner, columns) >= _WIDE  # type: ignore[operator, type-var]


# -- what can be joined -------------------------------------------------------------------------------------------


class _Sharing:
    """One family, and what is known of the step while it is rewritten."""

    def __init__(self, step: StepGraph, family: _Family):
        self.step, self.products, self.matrix, self.turned = step, *family
        self.senders = paired(step.nodes)
        self.order = in_order(step.nodes, self.senders)
        self.readers: dict[Edge, list[Node]] = {}
        for node in self.order:
            for edge in dict.fromkeys(node.inputs):
                self.readers.setdefault(edge, []).append(node)
        self.like = self.products[0]
        self.gone: dict[Node, list[Node]] = {}  # nodes that are no more, and what they waited for

    def rewrite(self) -> None:
        if self._may_change(self.matrix, self.products) or not self._are_free(self.products):
            return
        needs = self._needs(dict.fromkeys(self.products, 1))
        parts = self._operands()
        late = [any(needs[node] for node, _ in part.ends) for part in parts]
        if not any(late):
            self._join_whole(needs)
        elif late.count(False) and sum(a != b for a, b in pairwise(late)) == 1:  # one side is early
            self._join_operands(parts, late, needs)
        else:
            self._join_results()
        self.step.nodes = [n for n in self.step.nodes if n not in self.gone]
        for node in self.step.nodes if self.gone else ():
            node.controls = list(dict.fromkeys(waits_of(node.controls, self.gone)))

    def _needs(self, marks: dict[Node, int]) -> dict[Node, int]:
        """For each node the marks, as bits, of itself and of all that it waits for."""
        found: dict[Node, int] = {}
        for node in self.order:
            bits = marks.get(node, 0)
            for before in (*(n for n, _ in node.inputs), *node.controls, *self.senders.get(node, ())):
                bits |= found[before]
            found[node] = bits
        return found

    def _may_change(self, edge: Edge, users: list[Node]) -> bool:
        """True where one of the users waits for a change of a variable, which others may need as it was."""
        changes = {n: 1 for n in self.order if changes_variables(n) and edge in n.inputs}
        needs = self._needs(changes) if changes else {}
        return any(needs.get(node) for node in users)

    def _are_free(self, nodes: Iterable[Node]) -> bool:
        """True where these nodes are on the products' device, and nobody asked for them by themselves."""
        return all(n.device is self.like.device for n in nodes) and set(nodes).isdisjoint(self.step.targets)

    def _operands(self) -> list[_Part]:
        """The operands of all products, in columns as they were put side by side."""
        axis, edges = int(self.turned), [node.inputs[0] for node in self.products]
        columns = [_side_by_side(edge) for edge in edges]
        widths = {tuple(_shape(e)[1] for e in found) for found in columns}
        if len(widths) > 1 or not columns[0]:
            return [_Part(axis, 0, _shape(edges[0])[1], edges)]
        ends = [0, *accumulate(widths.pop())]
        places = zip(ends, ends[1:], zip(*columns, strict=True), strict=False)
        return [_Part(axis, first, last, list(found)) for first, last, found in places]

    def _results(self) -> list[_Part]:
        """The results of all products, in columns as they are taken apart; empty where somebody needs a whole."""
        found: dict[tuple[int, int], list[Any]] = {}
        for number, product in enumerate(self.products):
            for node in self.readers.get((product, 0), []):
                columns = _columns(node)
                if columns is None or not self._are_free([node]):
                    return []
                ends = found.setdefault(columns, [None] * len(self.products))
                if ends[number] is not None:
                    return []
                ends[number] = node
        places = sorted(found)
        apart = all(a[1] <= b[0] for a, b in pairwise(places))
        return [_Part(int(not self.turned), *place, found[place]) for place in places] if apart else []

    def _bias(self, needs: dict[Node, int]) -> tuple[Edge, list[Node]] | None:
        """What is added to each row of all results, and to nothing else of them, and the nodes that add it."""
        sums = [self.readers.get((product, 0), []) for product in self.products]
        if not all(len(s) == 1 and s[0].type in _SUMS and s[0].inputs[0] == (p, 0)
                   for s, p in zip(sums, self.products, strict=True)):  # fmt: skip
            return None
        adders = [s[0] for s in sums]
        (edge, *others) = dict.fromkeys(node.inputs[1] for node in adders)
        known = edge[0].shapes[edge[1]] == (self.like.shapes[0] or ())[1:] and not needs[edge[0]]
        if others or not known or not self._are_free(adders) or self._may_change(edge, adders):
            return None
        return edge, adders

    # -- the new nodes --------------------------------------------------------------------------------------------

    def _join_whole(self, needs: dict[Node, int]) -> None:
        """All products as one, and their results as its rows."""
        edges = [node.inputs[0] for node in self.products]
        if not self._fits(len(edges), self._width()):
            return
        bias = self._bias(needs)
        waits = self._waits([*self.products, *(bias[1] if bias else ())])
        if any(needs[node] for node in waits):
            return
        total = self._product(edges, None, waits)
        pieces = self._pieces(self._sum(total, bias[0]) if bias else total, len(edges))
        for number, product in enumerate(self.products):
            last = bias[1][number] if bias else product
            self._redirect((last, 0), pieces[number])
            self._drop(product, last)

    def _join_operands(self, parts: list[_Part], late: list[bool], needs: dict[Node, int]) -> None:
        """The early part of all products as one, and for each product the late part, which is added."""
        early, rest = ([p for p, is_late in zip(parts, late, strict=True) if is_late == side] for side in (False, True))
        if early[-1].last - early[0].first < _WIDE or not self._fits(len(self.products), self._width()):
            return
        bias = self._bias(needs)
        self._rejoin(parts)
        edges = [self._beside([p.ends[i] for p in early], product) for i, product in enumerate(self.products)]
        total = self._product(edges, early[0]._replace(last=early[-1].last), [])
        pieces = self._pieces(self._sum(total, bias[0]) if bias else total, len(edges))
        for number, product in enumerate(self.products):
            own = self._beside([p.ends[number] for p in rest], product)
            if bias is None:
                adder = self._sum((product, 0), pieces[number])
                self._redirect((product, 0), adder)
            else:
                adder = bias[1][number], 0
                adder[0].op_def, adder[0].attrs = op_def("Add"), {"T": product.types[0]}
                adder[0].inputs = [(product, 0), pieces[number]]
            self._becomes_part(product, own, rest[0]._replace(last=rest[-1].last))

    def _rejoin(self, parts: list[_Part]) -> None:
        """The operands one below the other, as the matrix's gradient needs them, are made of their columns."""
        number = {product.inputs[0]: i for i, product in enumerate(self.products)}
        for node in dict.fromkeys(n for edge in number for n in self.readers[edge]):
            place, *edges = node.inputs
            if node.type == "Concat" and place[0].attrs.get("value") == 0 and set(edges) <= set(number):
                columns = [self._rows([part.ends[number[e]] for e in edges]) for part in parts]
                node.inputs = [constant(self.step, node, f"{node.name}/columns", 1), *columns]
                node.attrs = node.attrs | {"N": len(columns)}

    def _join_results(self) -> None:
        """The parts of the results that no product waits for as one product each; the others each for itself."""
        parts = self._results()
        marks = {node: 1 << i for i, part in enumerate(parts) for node in part.ends if node is not None}
        needs = self._needs(marks)
        waited = 0
        for node in (*self.products, *self._waits(marks)):
            waited |= needs[node]
        joins = [not waited >> i & 1 and self._is_worth_it(part) for i, part in enumerate(parts)]
        narrow = len(parts) == 1 and parts[0].last - parts[0].first < self._width()  # nobody reads the rest
        if not any(joins) and not narrow:
            return
        for part, is_joined in zip(parts, joins, strict=True):
            takers = [(node, p) for node, p in zip(part.ends, self.products, strict=True) if node is not None]
            if not is_joined:
                for node, product in takers:
                    node.controls = self._waits([node, product])
                    self._becomes_part(node, product.inputs[0], part)
                continue
            waits = self._waits([node for pair in takers for node in pair])
            total = self._product([product.inputs[0] for _, product in takers], part, waits)
            for (node, _), piece in zip(takers, self._pieces(total, len(takers)), strict=True):
                self._redirect((node, 0), piece)
                self._drop(node)
        self._drop(*self.products)

    def _is_worth_it(self, part: _Part) -> bool:
        count = sum(node is not None for node in part.ends)
        return count > 1 and part.last - part.first >= _WIDE and self._fits(count, part.last - part.first)

    def _fits(self, count: int, columns: int) -> bool:
        """True where so many results side by side, of so many columns, stay in the last cache."""
        return count * _shape((self.like, 0))[0] * columns * self.like.types[0].size <= _CACHED

    def _width(self) -> int:
        return _shape((self.like, 0))[1]

    def _redirect(self, old: Edge, new: Edge) -> None:
        for reader in self.readers.get(old, ()):
            reader.inputs = [new if edge == old else edge for edge in reader.inputs]

    @staticmethod
    def _waits(nodes: Iterable[Node]) -> list[Node]:
        return list(dict.fromkeys(c for node in nodes for c in node.controls))

    def _drop(self, *nodes: Node) -> None:
        self.gone |= {n: [*n.controls, *(before for before, _ in n.inputs)] for n in nodes}

    def _beside(self, edges: list[Edge], like: Node) -> Edge:
        """The values side by side."""
        return edges[0] if len(edges) == 1 else (joined(self.step, like, f"{like.name}/operand", edges, 1), 0)

    def _rows(self, edges: list[Edge]) -> Edge:
        """The values one below the other; where they lie so already, what they are parts of."""
        source = edges[0][0]
        whole = source.type == "Split" and edges == [(source, port) for port in range(len(source.types))]
        if whole and source.inputs[0][0].attrs.get("value") == 0 and not _is_reference(source.inputs[1]):
            return source.inputs[1]
        same = (n for n in self.step.nodes if n.type == "Concat" and n.inputs[1:] == edges and not n.controls)
        there = next((n for n in same if n.inputs[0][0].attrs.get("value") == 0), None)
        return (there or joined(self.step, self.like, f"{self.like.name}/rows", edges, 0)), 0

    def _product(self, edges: list[Edge], part: _Part | None, waits: list[Node]) -> Edge:
        """All rows times the matrix, or a part of it, behind what the products waited for."""
        rows, like = self._rows(edges), self.like
        node = self.step.add(f"{like.name}/shared", like.op_def, dict(like.attrs), [rows, self.matrix], like.types,
                             [(_shape(rows)[0], self._width())], like)  # fmt: skip
        node.controls = waits
        if part is not None:
            self._becomes_part(node, rows, part)
        return node, 0

    def _becomes_part(self, node: Node, operand: Edge, part: _Part) -> None:
        """Makes of a node the product of an operand with a part of the matrix."""
        of_sums = part.axis == self.turned
        columns = self._width() if of_sums else part.last - part.first
        node.op_def, node.inputs = PART, [operand, self.matrix]
        node.attrs = {"T": self.like.types[0], "transpose_b": self.turned, **part._asdict()}
        node.attrs.pop("ends")
        node.shapes = [(_shape(operand)[0], columns)]

    def _sum(self, a: Edge, b: Edge) -> Edge:
        like = a[0]
        attrs = {"T": like.types[0]}
        return self.step.add(f"{like.name}/sum", op_def("Add"), attrs, [a, b], like.types, like.shapes, like), 0

    def _pieces(self, total: Edge, count: int) -> list[Edge]:
        """The rows of each product."""
        node, shape = total[0], _shape(total)
        name, place = f"{node.name}/pieces", constant(self.step, node, f"{node.name}/axis", 0)
        attrs: dict[str, Any] = {"T": node.types[0], "num_split": count}
        shapes: list[Shape] = [(shape[0] // count, shape[1])] * count
        split = self.step.add(name, op_def("Split"), attrs, [place, total], node.types * count, shapes, node)
        return [(split, port) for port in range(count)]


def _shape(edge: Edge) -> tuple[int, ...]:
    return edge[0].shapes[edge[1]]  # type: ignore[return-value]


def _is_reference(edge: Edge) -> bool:
    return edge[0].types[edge[1]].is_ref_dtype


def _side_by_side(edge: Edge) -> list[Edge]:
    """The values of which a matrix is made, from left to right; empty where it is made in another way."""
    node = edge[0]
    if node.type == "Concat":
        place, *values = node.inputs
    elif node.type == "ConcatV2":
        *values, place = node.inputs
    else:
        return []
    axis = place[0].attrs.get("value")
    known = all(is_known(n.shapes[p]) and not _is_reference((n, p)) for n, p in values)
    return values if known and axis is not None and int(axis) in (1, -1) else []


def _columns(node: Node) -> tuple[int, int] | None:
    """The columns that a Slice takes of a matrix, first and behind the last, if it takes all rows."""
    if node.type != "Slice" or any(n.type != "Const" for n, _ in node.inputs[1:]) or not is_known(node.shapes[0]):
        return None
    ((rows, columns),) = PARTS["Slice"](node)
    return (columns.start, columns.stop) if _shape(node.inputs[0])[0] == rows.stop - rows.start else None


# -- in a plan ----------------------------------------------------------------------------------------------------


class _Known(NamedTuple):
    shape: tuple[int, ...]


def write_part(lines: NodeLines, node: Node, inputs: list[str]) -> None:
    """The line of a product with a part of a matrix: the kernel of a whole one gets a view."""
    axis, first, last, turned = (node.attrs[name] for name in ("axis", "first", "last", "transpose_b"))
    shape = list(_shape(node.inputs[1]))
    shape[axis] = last - first
    attrs = {"T": node.attrs["T"], "transpose_a": False, "transpose_b": turned}
    product = op_def("MatMul")
    kernel = node.device.fixed(product, attrs, [_Known(_shape(node.inputs[0])), _Known(tuple(shape))])
    if kernel is None:
        bound = node.device.kernel(product, attrs, lines.kernels)
        kernel = partial(bound.function, **bound.arguments)
    part = f"{inputs[1]}[{':, ' * axis}{first}:{last}]"
    out = lines._memory(node, 0)
    lines.names[node, 0] = out or f"v{node.id}"
    call = f"{lines._bind('k', kernel)}({inputs[0]}, {part}"
    lines._write(node, f"{call}, out={out})" if out else f"v{node.id} = {call})")
