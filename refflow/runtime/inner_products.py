"""Inner products: a sum of products along the last axis is a product of each row with a column.

    sum(a * b, -1)   ->   a [..., 1, C] @ b [..., C, 1]

So a softmax's gradient begins, for each row. The products are not written to memory to be read again for their sums,
and BLAS adds them in an order of its own; so it is for fast kernels only. Where an operand is elementwise itself and
nobody else needs it, it had better stay in one chain with the product.

    bytes: a and b once        operations: 2 for each element

Next: runtime/piecewise.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from refflow.core.dtypes import float32, float64, int32
from refflow.core.registry import op_def
from refflow.core.shapes import is_known
from refflow.runtime.nodes import Node, StepGraph, has_control_flow, in_order
from refflow.runtime.products import constant
from refflow.runtime.rendezvous import paired

_LONG = 64  # elements of a row: a call of BLAS's for each, which shorter ones are not worth
_MANY = 1 << 14  # elements in all

Edge = tuple[Node, int]


def multiply_rows(step: StepGraph) -> StepGraph:
    """`step` with such sums as products. A step with branches or loops stays as it is."""
    if has_control_flow(step.nodes) or not any(_sums(step)):
        return step
    step = step.copy()
    for node in _sums(step):
        _multiply(step, node)
    step.nodes = in_order(step.nodes, paired(step.nodes))
    return step


def _sums(step: StepGraph) -> Iterator[Node]:
    """Each such sum."""
    readers: dict[Node, int] = {}
    for node in step.nodes:
        for before in [n for n, _ in node.inputs] + node.controls:
            readers[before] = readers.get(before, 0) + 1
    for node in list(step.nodes):
        if node.type == "Sum" and _is_worth_it(node, readers, step.targets):
            yield node


def _is_worth_it(node: Node, readers: dict[Node, int], targets: list[Node]) -> bool:
    product, axes = node.inputs[0][0], node.inputs[1][0].attrs.get("value")
    shape = product.shapes[0] if product.type == "Mul" else None
    if not shape or not is_known(shape) or node.device is None or node.device.type != "cpu" or axes is None:
        return False
    if np.size(axes) != 1 or int(np.reshape(axes, ())) % len(shape) != len(shape) - 1:
        return False
    if readers[product] > 1 or product in targets or product.device is not node.device or product.controls:
        return False
    if node.types[0] not in (float32, float64) or (shape[-1] or 0) < _LONG or prod(shape) < _MANY:  # type: ignore[arg-type]
        return False
    return all(n.shapes[port] == shape and _is_there(n, port, readers) for n, port in product.inputs)


def _is_there(node: Node, port: int, readers: dict[Node, int]) -> bool:
    """True where the operand is in memory anyway."""
    if node.types[port].is_ref_dtype:
        return False
    formula = node.op_def.expression(node.attrs)
    return formula is None or not formula.steps or readers[node] > 1


def _multiply(step: StepGraph, node: Node) -> None:
    """Makes of the sum a change of shape of the product."""
    (a, b), dtype = node.inputs[0][0].inputs, node.types[0]
    *rows, columns = a[0].shapes[a[1]] or ()

    def made(kind: str, name: str, attrs: dict[str, Any], inputs: list[Edge], shape: Any) -> Edge:
        return step.add(f"{node.name}/{name}", op_def(kind), attrs, inputs, [dtype], [tuple(shape)], node), 0

    def shaped(edge: Edge, name: str, shape: list[Any]) -> list[Edge]:
        return [edge, constant(step, node, f"{node.name}/{name}/shape", shape)]

    attrs = {"T": dtype, "Tshape": int32}
    row, column = [*rows, 1, columns], [*rows, columns, 1]
    left = made("Reshape", "row", attrs, shaped(a, "row", row), row)
    right = made("Reshape", "column", attrs, shaped(b, "column", column), column)
    flags = {"T": dtype, "adj_x": False, "adj_y": False}
    product = made("BatchMatMul", "product", flags, [left, right], [*rows, 1, 1])
    node.op_def, node.attrs = op_def("Reshape"), attrs
    node.inputs = shaped(product, "sums", list(node.shapes[0] or ()))
