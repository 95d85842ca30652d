"""Products in loops: a loop's sum of small products becomes few products of many rows.

    w_i+1 = w_i + a_i.T @ b_i     ->     a_i and b_i are put under the earlier ones; when there are enough rows, and
                                         behind the loop, all of them are multiplied at once

This is how a weight that a loop uses in each turn gets its gradient. A turn's factors have few rows, the product is as
large as the weight, and the sum reads and writes that again. Here a turn copies its rows, and the weight is written
once for some hundreds of them. The sums are the same, added in another order; so it is for fast kernels only.

The variable that carried the sum carries the rows instead, as runtime/products.py's joined factors do without a loop.

Next: runtime/inner_products.py.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from refflow.core.dtypes import float32, float64, variant
from refflow.core.handles import handle_to, state_of
from refflow.core.opdef import OpDef
from refflow.core.shapes import is_known
from refflow.core.signature import Attr
from refflow.runtime.nodes import EXITS, SAME, SWITCHES, Node, StepGraph, in_order, is_back_edge
from refflow.runtime.rendezvous import paired

_ROWS = 512  # that are multiplied at once
_SUMS = frozenset(("Add", "AddV2", "AddN"))
_FLOATS = (float32, float64)

Edge = tuple[Node, int]
Readers = dict[Edge, list[tuple[Node, int]]]


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

    def _multiply(self) -> None:
        found = self._product(self._a[: self._count], self._b[: self._count])
        self._total = found if self._total is None else np.add(self._total, found, out=self._total)
        self._count = 0

    def sum_with(self, start: Any) -> Any:
        """All products and `start`."""
        if self._count:
            self._multiply()
        return start.copy() if self._total is None else np.add(self._total, start, out=self._total)


def _internal(name: str, signature: str, view: bool = False, **attrs: Any) -> OpDef:
    return OpDef(name, signature, {"T": _FLOATS, **attrs}, (), False, False, "dot", view, False)


BEGIN = _internal("_BeginProducts", "start: T -> rows: variant[]", multiply=Attr("func"))
PUT = _internal("_PutFactors", "rows: variant[], a: T, b: T -> rows: variant[]", view=True,
                transpose_a=False, transpose_b=False)  # fmt: skip
END = _internal("_EndProducts", "rows: variant[], start: T[...S] -> total: T[...S]")


@BEGIN.kernel
def begin_kernel(start, multiply):
    return handle_to(Rows(multiply))


@PUT.kernel
def put_kernel(rows, a, b, transpose_a, transpose_b):
    """The factors as a plain product has them: the axis of the sum is a's last and b's first, unless turned."""
    state_of(rows).put(a if transpose_a else a.T, b.T if transpose_b else b)
    return rows


@END.kernel
def end_kernel(rows, start):
    return state_of(rows).sum_with(start)


class _Sum(NamedTuple):
    """A loop's variable that only adds up products."""

    merge: Node
    carried: list[Node]  # the nodes that pass the variable on, from the Enter to the Exit
    sum: Node
    replaced: list[Node]  # the sum, the product, and what passes it on
    product: Node
    exit: Node


def gather_in_loops(step: StepGraph) -> StepGraph:
    """`step` with such sums as rows that are multiplied together."""
    if not any(n.type == "NextIteration" for n in step.nodes):
        return step
    step = step.copy()
    readers: Readers = {}
    for node in step.nodes:
        for place, edge in enumerate(node.inputs):
            readers.setdefault(edge, []).append((node, place))
    found = [_sum_of(node, readers) for node in step.nodes if any(is_back_edge(p, node) for p, _ in node.inputs)]
    now: dict[Node, Node] = {}
    for total in found:
        if total is not None and not set(step.targets) & {*total.carried, *total.replaced}:
            now |= dict.fromkeys(total.replaced, _rewire(step, total, readers))
    step.nodes = [n for n in step.nodes if n not in now]
    for node in step.nodes:
        node.controls = [n for n in dict.fromkeys(now.get(c, c) for c in node.controls) if n is not node]
    step.nodes = in_order(step.nodes, paired(step.nodes))
    return step


# -- which variables ----------------------------------------------------------------------------------------------


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
    total, behind = inside[-1], _ahead(readers, (inside[-1], 0))
    if total.type not in _SUMS or len(total.inputs) != 2 or not behind or behind[-1] is not back:
        return None
    passed = inside[-2] if len(inside) > 1 else switch
    (other,) = [n for n, _ in total.inputs if n is not passed] or [passed]
    replaced = [total, other]
    while other.type in SAME:
        other = other.inputs[0][0]
        replaced.append(other)
    alone = all(_only(readers, (n, 0)) is not None for n in replaced)
    if other.type != "MatMul" or not alone or not _is_worth_it(other, [enter, exit_, total, other]):
        return None
    carried = [enter, merge, switch, *inside[:-1], *behind, exit_]
    return _Sum(merge, carried, total, replaced, other, exit_)


def _is_worth_it(product: Node, nodes: list[Node]) -> bool:
    """True where copying the factors is less than writing the product."""
    if any(n.device is not product.device for n in nodes) or product.device.type != "cpu":
        return False
    shapes = [n.shapes[port] for n, port in product.inputs]
    if product.types[0] not in _FLOATS or any(n.types[p].is_ref_dtype for n, p in product.inputs):
        return False
    if not all(is_known(s) for s in shapes) or not is_known(product.shapes[0]):
        return False
    rows = (shapes[0] or ())[0 if product.attrs["transpose_a"] else 1]
    m, n = product.shapes[0] or (0, 0)
    return 0 < rows * (m + n) < m * n  # type: ignore[operator]


# -- the new graph ------------------------------------------------------------------------------------------------


def _rewire(step: StepGraph, total: _Sum, readers: Readers) -> Node:
    """Lets the variable carry rows; the node that takes the product's and the sum's place."""
    enter, product, end_of_loop = total.carried[0], total.product, total.exit
    start, shape, dtype = enter.inputs[0], total.sum.shapes[0], total.sum.types[0]

    def made(op_def: OpDef, like: Node, inputs: list[Edge], attrs: dict[str, Any], gives: Any, dims: Any) -> Node:
        node = step.add(f"{like.name}/{op_def.name}", op_def, {"T": dtype, **attrs}, inputs, [gives], [dims], like)
        node.device = product.device
        return node

    turns = {name: product.attrs[name] for name in ("transpose_a", "transpose_b")}
    upright = product.attrs | {"transpose_a": True, "transpose_b": False}
    kernel = product.device.kernel(product.op_def, upright, "fast")
    multiply = partial(kernel.function, **kernel.arguments)
    begin = made(BEGIN, enter, [start], {"multiply": multiply}, variant, ())
    carried = next(edge for edge in total.sum.inputs if edge[0] in total.carried)
    put = made(PUT, product, [carried, *product.inputs], turns, variant, ())
    put.controls = list(dict.fromkeys(c for n in total.replaced for c in n.controls))
    end = made(END, end_of_loop, [(end_of_loop, 0), start], {}, dtype, shape)
    for reader, place in readers.get((end_of_loop, 0), []):
        reader.inputs[place] = (end, 0)
    enter.inputs[0] = (begin, 0)
    for node in total.carried:
        node.attrs = node.attrs | {"T": variant}
        node.types = [variant if t is dtype else t for t in node.types]
        node.shapes = [() for _ in node.types]
        node.inputs = [(put, 0) if n is total.sum else (n, port) for n, port in node.inputs]
    return put
