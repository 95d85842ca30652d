"""The matrix product, with either operand transposed on the way.

    product[m, n] = sum_k a[m, k] * b[k, n]                                            [S16]
    da = dproduct b^T        db = a^T dproduct                                         [W30]

The reference is NumPy's `@`, which hands floats to the BLAS library that NumPy was built with [W51].
Bytes: MK + KN + MN elements; operations: 2 MNK.

Next: ops/softmax_xent.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes, work
from refflow.core.dtypes import NUMBERS
from refflow.core.errors import ShapeError
from refflow.core.graph import Tensor
from refflow.core.opdef import define_op
from refflow.core.registry import op_def
from refflow.core.shape_rules import ShapeContext

MATMUL = define_op(
    "MatMul",
    "a: T, b: T -> product: T",
    transpose_a=False,
    transpose_b=False,
    grad_a=False,
    grad_b=False,
    T=NUMBERS,
    accuracy="dot",
    source=("S16", "W06"),
)


@MATMUL.kernel
def matmul_kernel(a, b, transpose_a, transpose_b):
    a = a.T if transpose_a else a  # [M, K]
    b = b.T if transpose_b else b  # [K, N]
    if a.dtype == np.float16:  # sums in float32, rounded once
        return (a.astype(np.float32) @ b.astype(np.float32)).astype(np.float16)
    return a @ b  # [M, N]; zeros where K = 0


MATMUL.work(work.product)  # [W19]


@MATMUL.shape
def _matmul_shape(context: ShapeContext) -> shapes.Shape:
    try:
        context.match("a", *(("K", "M") if context.attrs["transpose_a"] else ("M", "K")))
        context.match("b", *(("N", "K") if context.attrs["transpose_b"] else ("K", "N")))
    except ShapeError as error:
        raise ShapeError(f"{error}. {_as_tensorflow_says(context.dims('a'), context.dims('b'))}") from None
    return context.shape("M", "N")


def _as_tensorflow_says(a: shapes.Shape, b: shapes.Shape) -> str:
    told = [f"In[{i}] ndims must be >= 2: {len(x)}" for i, x in enumerate((a, b)) if x is not None and len(x) < 2]
    if a is not None and b is not None and len(a) != len(b):
        told.append(f"In[0] and In[1] has different ndims: {shapes.text(a)} vs. {shapes.text(b)}")
    if told:
        return ". ".join(told)  # which of them is said depends on the type there
    if a is not None and len(a) != 2:
        return f"In[0] and In[1] ndims must be == 2: {len(a)}"
    return f"Matrix size-incompatible: In[0]: {shapes.text(a)}, In[1]: {shapes.text(b)}"


@MATMUL.gradient
def _matmul_gradient(op, dproduct):
    """da = dproduct b^T and db = a^T dproduct, with the operands transposed as they came."""
    a, b = op.inputs
    t_a, t_b = op.attrs["transpose_a"], op.attrs["transpose_b"]
    if not t_a and not t_b:
        return matmul(dproduct, b, transpose_b=True), matmul(a, dproduct, transpose_a=True)
    if not t_a:
        return matmul(dproduct, b), matmul(dproduct, a, transpose_a=True)
    if not t_b:
        return matmul(b, dproduct, transpose_b=True), matmul(a, dproduct)
    return (
        matmul(b, dproduct, transpose_a=True, transpose_b=True),
        matmul(dproduct, a, transpose_a=True, transpose_b=True),
    )


def matmul(
    a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False, a_is_sparse: bool = False,
    b_is_sparse: bool = False, name: str | None = None,
) -> Tensor:  # fmt: skip
    """a [M, K] times b [K, N], after the transpositions asked for. ShapeError where the Ks differ.

    a_is_sparse, b_is_sparse: many elements are zero, which makes it a SparseMatMul.
    """
    if a_is_sparse or b_is_sparse:
        return op_def("SparseMatMul")(
            a, b, transpose_a=transpose_a, transpose_b=transpose_b, a_is_sparse=a_is_sparse, b_is_sparse=b_is_sparse,
            name=name,
        )  # fmt: skip
    return MATMUL(a, b, transpose_a=transpose_a, transpose_b=transpose_b, name=name)


MATMUL.case("S16", "rows times columns", a=[[1, 2], [3, 4]], b=[[5, 6], [7, 8]], product=[[19, 22], [43, 50]])
MATMUL.case("S16", "a is transposed first", a=[[1, 2], [3, 4]], b=[[1], [0]], transpose_a=True, product=[[1], [2]])
MATMUL.case("S16", "b is transposed first", a=[[1, 2]], b=[[3, 4], [5, 6]], transpose_b=True, product=[[11, 17]])
MATMUL.case("S16", "an empty sum is zero", a=np.zeros((2, 0), np.float32), b=np.zeros((0, 2), np.float32),
            product=[[0, 0], [0, 0]])  # fmt: skip
MATMUL.case("S16", "integers wrap around", T="int32", a=[[65536]], b=[[65536]], product=[[0]])
MATMUL.case("S16", "the inner sizes must agree", a=[[1, 2, 3]], b=[[1], [2]],
            error="b has K = 2, but a has K = 3. Matrix size-incompatible: In[0]: [1,3], In[1]: [2,1]")  # fmt: skip
MATMUL.case("S16", "operands are matrices", a=[1, 2], b=[[1], [2]], error="a has rank 1, but takes rank 2: a: [M, K]")
