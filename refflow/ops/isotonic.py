"""Isotonic regression: the falling sequence that is nearest to each row, by squares.

    minimise  sum_j (x[j] - y[j])**2     with     y[0] >= y[1] >= ... >= y[n - 1]

y is constant on segments and each value is the mean of its segment of x; neighbours that would rise are pooled until
none does. The slope of a mean is shared by its segment: dx[j] = mean of dy over the segment of j.

Barlow, Bartholomew, Bremner and Brunk, "Statistical inference under order restrictions", 1972 (pool adjacent
violators).

Next: ops/top_k.py.
"""

from __future__ import annotations

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import FLOATS, REALS, float32
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr

ISOTONIC = define_op(
    "IsotonicRegression", "input: T -> output: output_dtype, segments: int32", T=REALS,
    output_dtype=Attr("type", default=float32, allowed=FLOATS), accuracy="composed", source=("W06",),
)  # fmt: skip


def falling(row: list[float]) -> tuple[list[float], list[int]]:
    """The means of the segments, and how long each is."""
    means: list[float] = []
    lengths: list[int] = []
    for value in row:
        mean, length = value, 1
        while means and means[-1] < mean:  # it would rise: pool
            other, more = means.pop(), lengths.pop()
            mean, length = (mean * length + other * more) / (length + more), length + more
        means.append(mean)
        lengths.append(length)
    return means, lengths


@ISOTONIC.kernel
def isotonic_regression_kernel(input, output_dtype):
    kind = np.float32 if output_dtype.name == "bfloat16" else output_dtype.as_numpy_dtype
    width = input.shape[-1] if input.ndim else 1
    rows = input.reshape(input.size // max(1, width), width).astype(np.float64)
    output, segments = np.zeros(rows.shape, kind), np.zeros(rows.shape, np.int32)
    for i, row in enumerate(rows):
        means, lengths = falling(row.tolist())
        output[i] = np.repeat(means, lengths)
        segments[i] = np.repeat(np.arange(len(lengths)), lengths)
    return output.reshape(input.shape), segments.reshape(input.shape)


@ISOTONIC.shape
def _isotonic_shape(context: ShapeContext) -> list[shapes.Shape]:
    return [context.dims("input"), context.dims("input")]


@ISOTONIC.gradient
def _isotonic_gradient(op, dy, _):
    """The mean of dy over each segment, by comparing every place of a row with every other."""
    from refflow.ops.array import expand_dims
    from refflow.ops.cast import cast
    from refflow.ops.logic import EQUAL
    from refflow.ops.reductions import reduce_sum

    segments = op.outputs["segments"]
    same = cast(EQUAL(expand_dims(segments, -1), expand_dims(segments, -2)), dy.dtype)
    shared = reduce_sum(same * expand_dims(dy, -2), [-1]) / reduce_sum(same, [-1])
    return cast(shared, op.inputs[0].dtype)


_ROW = np.array([[3, 1, 2, -1, -1, -2]], np.float64)
ISOTONIC.case("W06", "neighbours that rise are pooled", input=_ROW, output_dtype="float64",
              output=[[3, 1.5, 1.5, -1, -1, -2]], segments=[[0, 1, 1, 2, 3, 4]])  # fmt: skip
ISOTONIC.case("W06", "a rising row has one mean", input=np.array([[1, 2, 6]], np.float64), output_dtype="float64",
              output=[[3, 3, 3]], segments=[[0, 0, 0]])  # fmt: skip
ISOTONIC.case("W06", "equal neighbours stay apart", input=np.array([2, 2, 1], np.float64), output_dtype="float64",
              output=[2, 2, 1], segments=[0, 1, 2])  # fmt: skip
