"""DynamicStitch: rows from several tensors laid into one, each at the place its index says.

    merged[indices[m][i], ...] = data[m][i, ...]          a later row at the same place wins   [O04]

Next: ops/reductions.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import ALL
from refflow.core.errors import ShapeError
from refflow.core.graph import Tensor
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.core.values import blank

DYNAMIC_STITCH = define_op(
    "DynamicStitch",
    "indices: N * int32, data: N * T -> merged: T",
    N=Attr("int", minimum=1),
    T=tuple(ALL),
    source=("S19", "O04"),
)


@DYNAMIC_STITCH.kernel
def dynamic_stitch_kernel(indices, data):
    size = 1 + max((int(i.max()) for i in indices if i.size), default=-1)
    rows = data[0].shape[indices[0].ndim :]
    merged = blank((size, *rows), data[0].dtype)
    for where, what in zip(indices, data, strict=True):
        merged[where.reshape(-1)] = what.reshape(where.size, *rows)
    return merged


@DYNAMIC_STITCH.shape
def _stitch_shape(context: ShapeContext) -> shapes.Shape:
    """Every data[m] is indices[m]'s shape followed by the shape of a row, the same for all m."""
    rows: shapes.Shape = None
    first: Any = None
    largest = 0
    pieces = zip(
        context.list_dims("indices"), context.list_dims("data"), context.list_values("indices"), strict=True
    )
    for m, (where, what, value) in enumerate(pieces):
        if where is not None and what is not None:
            if not shapes.compatible(what[: len(where)], where):
                raise ShapeError(
                    f"data[{m}].shape = {shapes.text(what)} does not start with indices[{m}].shape = "
                    f"{shapes.text(where)}"
                )
            first = first or (m, where, what)
            if not shapes.compatible(rows, what[len(where) :]):
                i, other, data = first
                raise ShapeError(
                    f"Need data[{i}].shape[{len(other)}:] = data[{m}].shape[{len(where)}:], got data[{i}].shape = "
                    f"{shapes.text(data)}, data[{m}].shape = {shapes.text(what)}, indices[{i}].shape = "
                    f"{shapes.text(other)}, indices[{m}].shape = {shapes.text(where)}"
                )
            rows = shapes.merge(rows, what[len(where) :])
        if value is None:
            largest = -1
        elif value.size and largest >= 0:
            if value.min() < 0:
                at = int(np.flatnonzero(value < 0)[0])
                raise ShapeError(f"indices[{at}] is out of range: that of piece {m} is {int(value.reshape(-1)[at])}")
            largest = max(largest, 1 + int(value.max()))
    if rows is None:
        return None
    return (largest if largest >= 0 else None, *rows)


@DYNAMIC_STITCH.gradient
def _stitch_gradient(op, dmerged):
    """Each piece gathers the gradients of its places.

    As in the release, a row that a later one covered gets the place's gradient too; where indices repeat,
    calculus would give it zero.
    """
    from refflow.ops.gather import gather

    count = op.attrs["N"]
    return [None] * count + [gather(dmerged, i) for i in op.inputs["indices"]]


def dynamic_stitch(indices: Any, data: Any, name: str | None = None) -> Tensor:
    """One tensor with the rows of `data` at `indices`; at a place named twice, the later row stays."""
    return DYNAMIC_STITCH(list(indices), list(data), name=name)


DYNAMIC_STITCH.case("O04", "the later row wins", indices=[[0, 1, 2], [1]], data=[[10, 11, 12], [99]], N=2,
                    merged=[10, 99, 12])  # fmt: skip
DYNAMIC_STITCH.case("O04", "whole rows move", indices=[[2, 0], [1]], data=[[[1, 2], [3, 4]], [[5, 6]]], N=2,
                    merged=[[3, 4], [5, 6], [1, 2]])  # fmt: skip
DYNAMIC_STITCH.case("O04", "rows may be empty", indices=[[0, 2]], data=[[[], []]], N=1, merged=[[], [], []])
DYNAMIC_STITCH.case("O04", "an index for each row", indices=[[0, 1]], data=[[1, 2, 3]], N=1,
                    error="data[0].shape = [3] does not start with indices[0].shape = [2]")  # fmt: skip
