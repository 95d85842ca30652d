"""Products in loops: a loop's sum of small products becomes few products of many rows.

    w_i+1 = w_i + a_i.T @ b_i     ->     a_i and b_i are put under the earlier ones; when there are enough rows, and
                                         behind the loop, all of them are multiplied at once

This is how a weight that a loop uses in each turn gets its gradient. A turn's factors have few rows, the product is as
large as the weight, and the sum reads and writes that again. Here a turn copies its rows, and the weight is written
once for some hundreds of them. The sums are the same, added in another order; so it is for fast kernels only.

What a_i is popped from (runtime/loop_stacks.py) may have a block's worth of them one behind the other: then they are
multiplied where they lie, and only b_i is copied. A bias's gradient, the loop's sum of the column sums of the same b_i,
is then a row of ones times as many rows.

The variable that carried the sum carries the rows instead, as runtime/products.py's joined factors do without a loop.

Next: runtime/inner_products.py.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from refflow.core.dtypes import float32, float64, variant
from refflow.core.opdef import OpDef
from refflow.core.shapes import is_known
from refflow.core.signature import Attr
from refflow.runtime.loop_stacks import POP, Blocks, use_blocks
from refflow.runtime.nodes import (
    EXITS,
    MERGES,
    SAME,
    SWITCHES,
    Node,
    Readers,
    StepGraph,
    in_order,
    is_back_edge,
    led_past,
)
from refflow.runtime.products import behind
from refflow.runtime.rendezvous import paired

_ROWS = 512  # that are multiplied at once
_SUMS = frozenset(("Add", "AddV2", "AddN"))
_FLOATS = (float32, float64)

Edge = tuple[Node, int]


class Rows:
    """The factors of one run's loop that are not multiplied yet, and the sum of those that are.

    multiply: of [K, M] and [K, N] the product [M, N].
    """

    def __init__(self, multiply: Callable[[Any, Any], Any]):
        self._product = multiply
        self._a: Any = None  # [_ROWS, M]
        self._b: Any = None  # [_ROWS, N]
        self._count = 0
        self._total: Any = None  # [M, N]

    def put(self, a: Any, b: Any) -> None:
        """a [K, M] and b [K, N] under the others, which have as many rows each."""
        if self._a is None:
            room = max(len(a), _ROWS // len(a) * len(a))
            self._a, self._b = (np.empty((room, x.shape[1]), x.dtype) for x in (a, b))
        if self._count == len(self._a):
            self._multiply()
        here = slice(self._count, self._count + len(a))
        self._a[here], self._b[here] = a, b
        self._count += len(a)

    def _factors(self) -> tuple[Any, Any]:
        """Those that are not multiplied yet, [K, M] and [K, N]."""
        return self._a[: self._count], self._b[: self._count]

    def _multiply(self) -> None:
        found = self._product(*self._factors())
        self._total = found if self._total is None else np.add(self._total, found, out=self._total)
        self._count = 0

    def sum_with(self, start: Any) -> Any:
        """All products and `start`."""
        if self._count:
            self._multiply()
        return start.copy() if self._total is None else np.add(self._total, start, out=self._total)


class PoppedRows(Rows):
    """The same where a is what a stack of blocks gave last: its rows are multiplied where they lie.

    sums: whether the columns of b are added up as well.
    """

    def __init__(self, multiply: Callable[[Any, Any], Any], sums: bool = False):
        super().__init__(multiply)  # _a [each, K, M] and _b [each, K, N]: elements, of which _count wait from _low on
        self._low = 0
        self._sums = sums
        self._columns: Any = 0.0  # [N]

    def put_popped(self, blocks: Blocks, b: Any) -> None:
        """b [K, N], whose factor was popped last."""
        self._low = place = blocks.place
        if not self._count:
            self._a = blocks.block
            if self._b is None:
                self._b = np.empty((len(self._a), *b.shape), b.dtype)
        self._b[place] = b
        self._count += 1
        if not place:
            self._multiply()

    def _factors(self) -> tuple[Any, Any]:
        here = slice(self._low, self._low + self._count)
        a, b = (x[here].reshape(-1, x.shape[2]) for x in (self._a, self._b))
        return a, b

    def _multiply(self) -> None:
        if self._sums:
            _, b = self._factors()
            self._columns += np.dot(np.ones(len(b), b.dtype), b)
        super()._multiply()

    def columns_with(self, start: Any) -> Any:
        """All sums of columns and `start`."""
        if self._count:
            self._multiply()
        return np.add(self._columns, start)


def _internal(name: str, signature: str, view: bool = False, **attrs: Any) -> OpDef:
    return OpDef(name, signature, {"T": _FLOATS, **attrs}, (), False, False, "dot", view, False)


BEGIN = _internal("_BeginProducts", "start: T -> rows: variant[]", kind=Attr("func"), multiply=Attr("func"))
PUT = _internal("_PutFactors", "rows: variant[], a: T, b: T -> rows: variant[]", view=True,
                transpose_a=False, transpose_b=False)  # fmt: skip
PUT_POPPED = _internal("_PutPopped", "rows: variant[], stack: variant[], b: T -> rows: variant[]", view=True)
END = _internal("_EndProducts", "rows: variant[], start: T[...S] -> total: T[...S]")
END_COLUMNS = _internal("_EndColumnSums", "rows: variant[], start: T[...S] -> total: T[...S]")


@BEGIN.kernel
def begin_kernel(start, kind, multiply):  # lists and rows of a plan's own lie in no array
    return kind(multiply)


@PUT_POPPED.kernel
def put_popped_kernel(rows, stack, b):
    rows.put_popped(stack, b)
    return rows


@PUT.kernel
def put_kernel(rows, a, b, transpose_a, transpose_b):
    """The factors as a plain product has them: the axis of the sum is a's last and b's first, unless turned."""
    rows.put(a if transpose_a else a.T, b.T if transpose_b else b)
    return rows


@END.kernel
def end_kernel(rows, start):
    return rows.sum_with(start)


@END_COLUMNS.kernel
def end_columns_kernel(rows, start):
    return rows.columns_with(start)


class _Sum(NamedTuple):
    """A loop's variable that only adds up products, or sums of columns."""

    carried: list[Node]  # the nodes that pass the variable on, from the Enter to the Exit
    sum: Node
    replaced: list[Node]  # the sum, the product, and what passes it on
    product: Node  # or the sum of columns


def gather_in_loops(step: StepGraph) -> StepGraph:
    """`step` with such sums as rows that are multiplied together."""
    if not any(n.type == "NextIteration" for n in step.nodes) or not _sums(step, step.readers()):
        return step
    step = step.copy()
    readers = step.readers()
    totals = _sums(step, readers)
    gone: dict[Node, list[Node]] = {}  # what takes the place of a node that others wait for: what it waited for itself
    popped: dict[Edge, Node] = {}  # where rows of blocks begin, by the second factor
    for total in totals:
        if total.product.type == "MatMul":
            begin, put = _gather(step, total, readers)
            if put.op_def is PUT_POPPED:
                popped[_same(put.inputs[2])] = begin
            gone |= {n: [] for n in total.replaced}
    for total in totals:
        shared = popped.get(_same(total.product.inputs[0])) if total.product.type != "MatMul" else None
        if shared is not None:
            _share(step, total, shared, readers)
            gone |= {n: [] for n in total.replaced}
    for node in step.nodes:  # each is behind what it waits for
        node.controls = led_past(node.controls, gone)
        if node in gone:
            gone[node] = led_past([*node.controls, *(n for n, _ in node.inputs)], gone)
    step.nodes = [n for n in step.nodes if n not in gone]
    step.nodes = in_order(step.nodes, paired(step.nodes))
    return step


# -- which variables ----------------------------------------------------------------------------------------------


def _sums(step: StepGraph, readers: Readers) -> list[_Sum]:
    merges = [n for n in step.nodes if n.type in MERGES and any(is_back_edge(p, n) for p, _ in n.inputs)]
    found = [_sum_of(merge, readers) for merge in merges]
    return [t for t in found if t is not None and not set(step.targets) & {*t.carried, *t.replaced}]


def _only(readers: Readers, edge: Edge) -> Node | None:
    """The node that alone reads a value, once."""
    found = readers.get(edge, [])
    return found[0][0] if len(found) == 1 else None


def _ahead(readers: Readers, edge: Edge) -> list[Node]:
    """The nodes that alone pass a value on, and the one behind them that alone reads it; empty where several do."""
    found: list[Node] = []
    while (reader := _only(readers, edge)) is not None:
        found.append(reader)
        if reader.type not in SAME:
            return found
        edge = (reader, 0)
    return []


def _sum_of(merge: Node, readers: Readers) -> _Sum | None:
    """The variable of a loop's Merge, if all that is done to it is to add a product in each turn."""
    enter, back = merge.inputs[0][0], merge.inputs[1][0]
    switch = _only(readers, (merge, 0))
    if enter.type != "Enter" or switch is None or switch.type not in SWITCHES or (merge, 1) in readers:
        return None
    exit_, inside = _only(readers, (switch, 0)), _ahead(readers, (switch, 1))
    if exit_ is None or exit_.type not in EXITS or not inside or _only(readers, (enter, 0)) is not merge:
        return None
    total, after = inside[-1], _ahead(readers, (inside[-1], 0))
    if total.type not in _SUMS or len(total.inputs) != 2 or not after or after[-1] is not back:
        return None
    passed = inside[-2] if len(inside) > 1 else switch
    (other,) = [n for n, _ in total.inputs if n is not passed] or [passed]
    chain = behind(other)
    replaced, other = [total, *chain], chain[-1]
    alone = all(_only(readers, (n, 0)) is not None for n in replaced)
    if not alone or not _may_gather(other, [enter, exit_, total, other]):
        return None
    if not (_sums_columns(other) or (other.type == "MatMul" and (_is_worth_it(other) or _popped(other)))):
        return None
    carried = [enter, merge, switch, *inside[:-1], *after, exit_]
    return _Sum(carried, total, replaced, other)


def _may_gather(product: Node, nodes: list[Node]) -> bool:
    """True for a product of known shapes, all of which is done at one place of the host."""
    if any(n.device is not product.device for n in nodes) or product.device.type != "cpu":
        return False
    if product.types[0] not in _FLOATS or any(n.types[p].is_ref_dtype for n, p in product.inputs):
        return False
    return all(is_known(n.shapes[p]) for n, p in [*product.inputs, (product, 0)])


def _is_worth_it(product: Node) -> bool:
    """True where copying the factors is less than writing the product."""
    a, port = product.inputs[0]
    rows = (a.shapes[port] or ())[0 if product.attrs["transpose_a"] else 1]
    m, n = product.shapes[0] or (0, 0)
    return 0 < rows * (m + n) < m * n  # type: ignore[operator]


def _sums_columns(node: Node) -> bool:
    """True for the sum of a matrix's rows."""
    if node.type not in ("Sum", "BiasAddGrad") or len(node.inputs[0][0].shapes[node.inputs[0][1]] or ()) != 2:
        return False
    if node.type == "BiasAddGrad":
        return bool(node.attrs["data_format"] == "NHWC")
    axes = node.inputs[1][0].attrs.get("value")
    return axes is not None and not node.attrs["keep_dims"] and np.reshape(axes, -1).tolist() in ([0], [-2])


def _same(edge: Edge) -> Edge:
    while edge[0].type in SAME:
        edge = edge[0].inputs[0]
    return edge


def _popped(product: Node) -> Node | None:
    """The pop that gives the rows of the first factor, if they are few: one behind the other they are as they are."""
    (pop, port), turns = _same(product.inputs[0]), (product.attrs["transpose_a"], product.attrs["transpose_b"])
    if pop.op_def is not POP or port != 1 or turns != (True, False):
        return None
    rows = (pop.shapes[1] or (0,))[0]
    return pop if 0 < rows <= _ROWS // 2 and 0 not in (product.shapes[0] or ()) else None  # type: ignore[operator]


# -- the new graph ------------------------------------------------------------------------------------------------


def _gather(step: StepGraph, total: _Sum, readers: Readers) -> tuple[Node, Node]:
    """Lets the variable carry rows: the node that makes them, and the one that takes the product's and sum's place."""
    enter, product = total.carried[0], total.product
    turns = {name: product.attrs[name] for name in ("transpose_a", "transpose_b")}
    upright = product.attrs | {"transpose_a": True, "transpose_b": False}
    kernel = product.device.kernel(product.op_def, upright, "fast")
    multiply = partial(kernel.function, **kernel.arguments)
    carried, pop = _carried(total), _popped(product)
    if pop is None:
        put = _made(step, PUT, product, [carried, *product.inputs], turns)
    else:
        put = _made(step, PUT_POPPED, product, [carried, (pop, 0), product.inputs[1]], {})
        use_blocks(step, pop, _ROWS // pop.shapes[1][0])  # type: ignore[index, operator]
    put.controls = list(dict.fromkeys(c for n in total.replaced for c in n.controls))
    kind = Rows if pop is None else PoppedRows
    begin = _made(step, BEGIN, enter, [enter.inputs[0]], {"kind": kind, "multiply": multiply})
    _carry(step, total, begin, (put, 0), END, readers)
    return begin, put


def _share(step: StepGraph, total: _Sum, begin: Node, readers: Readers) -> None:
    """Lets the variable carry rows that are gathered already, and end as the sums of their columns."""
    begin.attrs = begin.attrs | {"kind": partial(PoppedRows, sums=True)}
    _carry(step, total, begin, _carried(total), END_COLUMNS, readers)


def _carried(total: _Sum) -> Edge:
    return next(edge for edge in total.sum.inputs if edge[0] in total.carried)


def _carry(step: StepGraph, total: _Sum, begin: Node, after: Edge, end_def: OpDef, readers: Readers) -> None:
    """Lets the variable begin as `begin`, become `after` in each turn, and end as what `end_def` makes of it."""
    enter, dtype = total.carried[0], total.sum.types[0]
    end = _made(step, end_def, total.carried[-1], [(total.carried[-1], 0), enter.inputs[0]], {})
    end.types, end.shapes = [dtype], [total.sum.shapes[0]]
    for reader, place in readers.get((total.carried[-1], 0), []):
        reader.inputs[place] = (end, 0)
    enter.inputs[0] = (begin, 0)
    for node in total.carried:
        node.attrs = node.attrs | {"T": variant}
        node.types = [variant if t is dtype else t for t in node.types]
        node.shapes = [() for _ in node.types]
        node.inputs = [after if n is total.sum else (n, port) for n, port in node.inputs]


def _made(step: StepGraph, op_def: OpDef, like: Node, inputs: list[Edge], attrs: dict[str, Any]) -> Node:
    """A node at `like`'s place that gives rows."""
    dtype = like.types[0]
    return step.add(f"{like.name}/{op_def.name}", op_def, {"T": dtype, **attrs}, inputs, [variant], [()], like)
