"""Elimination with row exchanges: A[p] = L U, where L has ones on its diagonal.

    Lu      L below the diagonal and U on and above it in one matrix, and the permutation p of the rows

Column after column, the largest entry on or below the diagonal moves up and clears what is below it.

Next: ops/eigen.py.
"""

from __future__ import annotations

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import int32, int64
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.core.values import wide
from refflow.ops.linalg import TYPES
from refflow.ops.matrix_checks import squared

LU = define_op("Lu", "input: T -> lu: T, p: output_idx_type", T=TYPES,
               output_idx_type=Attr("type", default=int32, allowed=(int32, int64)), accuracy="composed",
               source=("W06",))  # fmt: skip
LU.no_gradient_registered()


@LU.kernel
def lu_kernel(input, output_idx_type):
    n = input.shape[-1]
    a = wide(input).reshape(-1, n, n).copy() if input.size else wide(input).reshape(0, n, n)
    every = np.arange(len(a))
    order = np.tile(np.arange(n), (len(a), 1))
    for k in range(n):
        pivot = k + np.abs(a[:, k:, k]).argmax(1)  # [batch]
        for rows in (a, order):
            rows[every, k], rows[every, pivot] = rows[every, pivot], rows[every, k].copy()
        if not (np.abs(a[:, k, k]) > 0).all():  # nan is no pivot either
            raise ValueError("Input is not invertible.")
        a[:, k + 1 :, k] /= a[:, k, k, None]
        a[:, k + 1 :, k + 1 :] -= a[:, k + 1 :, k, None] * a[:, k, None, k + 1 :]
    kind = output_idx_type.as_numpy_dtype
    return a.reshape(input.shape).astype(input.dtype), order.reshape(input.shape[:-1]).astype(kind)


@LU.shape
def _lu_shape(context: ShapeContext) -> list[shapes.Shape]:
    dims = context.dims("input")
    if dims is None:
        return [None, None]
    if len(dims) < 2:
        raise ShapeError(f"Input tensor must have rank >= 2, got {len(dims)}")
    dims = squared(dims)
    return [dims, dims[:-1]]  # type: ignore[index]


LU.case("W06", "the larger row comes first", input=[[1, 2], [4, 6]], lu=[[4, 6], [0.25, 0.5]],
        p=np.array([1, 0], np.int32))  # fmt: skip
LU.case("W06", "an invertible matrix", input=[[1, 1], [1, 1]], error="Input is not invertible.")
LU.case("W06", "a matrix", input=[1, 2], error="Input tensor must have rank >= 2, got 1")
LU.case("W06", "a square one", input=[[1, 2]], error="Input matrix must be square.")
