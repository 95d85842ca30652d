"""Rows of a copy changed: what later releases write for updates in place.

    InplaceUpdate    y = x, then y[i[k]] = v[k]       for each k in turn
    InplaceAdd       y = x, then y[i[k]] += v[k]
    InplaceSub       y = x, then y[i[k]] -= v[k]

An index counts modulo the number of rows, so -1 is the last one. The name promises that memory may be shared, not that
x changes; here it never does. There is no gradient, as there is none in TensorFlow.

Next: ops/nd.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.errors import ShapeError
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_checks import need_rank
from refflow.core.shape_rules import ShapeContext
from refflow.core.shapes import is_known
from refflow.core.signature import Attr


def _define(name: str, change: Any) -> OpDef:
    """An op whose kernel is a copy of x, changed by `change(copy, rows, v)`."""
    op_def = define_op(name, "x: T, i: int32, v: T -> y: T", T=Attr("type"), accuracy="dot", source=("W06",))

    def kernel(x, i, v):
        y = np.array(x, copy=True)
        if i.size:
            change(y, i % len(x), v)
        return y

    op_def.kernel(kernel)
    op_def.shape(_inplace_shape)
    op_def.no_gradient_registered()
    return op_def


def _inplace_shape(context: ShapeContext) -> shapes.Shape:
    x, i, v = (context.dims(name) for name in "xiv")
    need_rank(i, 1, "i must be a vector. {0}")
    if x is None or v is None:
        return x
    if len(x) != len(v):
        raise ShapeError(f"x and v shape doesn't match (ranks differ): {shapes.text(x)} vs. {shapes.text(v)}")
    for axis in range(1, len(x)):
        if not shapes.compatible(x[axis : axis + 1], v[axis : axis + 1]):
            raise ShapeError(f"x and v shape doesn't match at index {axis} : {shapes.text(x)} vs. {shapes.text(v)}")
    if i is not None and is_known(i) and v[:1] not in (i, (None,)):
        raise ShapeError(f"i and x shape doesn't match at index 0: {shapes.text(i)} vs. {shapes.text(v)}")
    return x


def _put(y: np.ndarray, rows: np.ndarray, v: np.ndarray) -> None:
    for row, value in zip(rows, v, strict=True):  # one after the other: the last of several for one row stays
        y[row] = value


INPLACE_UPDATE = _define("InplaceUpdate", _put)
INPLACE_ADD = _define("InplaceAdd", np.add.at)
INPLACE_SUB = _define("InplaceSub", np.subtract.at)

_X, _V = [[1, 2], [3, 4]], [[10, 20]]
INPLACE_UPDATE.case("W06", "a row of a copy", x=_X, i=[1], v=_V, y=[[1, 2], [10, 20]])
INPLACE_UPDATE.case("W06", "the later row stays", x=[1, 2], i=[0, 0], v=[7, 8], y=[8, 2])
INPLACE_ADD.case("W06", "-1 is the last row", x=_X, i=[-1], v=_V, y=[[1, 2], [13, 24]])
INPLACE_ADD.case("W06", "a row may come twice", x=[1, 2], i=[0, 0], v=[7, 8], y=[16, 2])
INPLACE_SUB.case("W06", "a row of a copy", x=_X, i=[0], v=_V, y=[[-9, -18], [3, 4]])
INPLACE_SUB.case("W06", "a value for each index", x=[1, 2], i=[0], v=[7, 8], error="i and x shape doesn't match")
INPLACE_ADD.case("W06", "equal ranks", x=_X, i=[0], v=[7], error="x and v shape doesn't match (ranks differ)")
INPLACE_ADD.case("W06", "equal rows", x=_X, i=[0], v=[[7]], error="x and v shape doesn't match at index 1")
INPLACE_UPDATE.case("W06", "a vector of rows", x=_X, i=0, v=_V, error="i must be a vector")
