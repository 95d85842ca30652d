"""SparseMatMul: a product of matrices of which one or both are mostly zero, float32 whatever the operands are.

    product[m, n] = sum_k a[m, k] * b[k, n]                  a and b transposed first where asked

The hints `a_is_sparse` and `b_is_sparse` change no value: they tell a kernel where skipping zeros pays. Operands may
be bfloat16, which halves what is read.

    da = dproduct b^T        db = a^T dproduct               in the operands' types

What comes back through a relu counts as sparse too.

Next: ops/batch_matmul.py.
"""

from __future__ import annotations

from refflow.core import shapes, work
from refflow.core.dtypes import bfloat16, float32
from refflow.core.errors import ShapeError
from refflow.core.graph import Tensor
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.cast import cast

_OPERAND = Attr("type", default=float32, allowed=(float32, bfloat16))
SPARSE_MATMUL = define_op(
    "SparseMatMul", "a: Ta, b: Tb -> product: float32", transpose_a=False, transpose_b=False, a_is_sparse=False,
    b_is_sparse=False, Ta=_OPERAND, Tb=_OPERAND, accuracy="dot", source=("W06",),
)  # fmt: skip


SPARSE_MATMUL.work(work.product)  # as if nothing were zero [W19]


@SPARSE_MATMUL.kernel
def sparse_matmul_kernel(a, b, transpose_a, transpose_b):
    return (a.T if transpose_a else a) @ (b.T if transpose_b else b)


@SPARSE_MATMUL.shape
def _shape(context: ShapeContext) -> shapes.Shape:
    a, b = context.dims("a"), context.dims("b")
    for name, dims in (("a", a), ("b", b)):
        if dims is not None and len(dims) != 2:
            raise ShapeError(f"{name} is not a matrix")
    try:
        context.match("a", *(("K", "M") if context.attrs["transpose_a"] else ("M", "K")))
        context.match("b", *(("N", "K") if context.attrs["transpose_b"] else ("K", "N")))
    except ShapeError as error:
        raise ShapeError(
            f"{error}. Matrix size incompatible: a: {shapes.text(a)}, b: {shapes.text(b)}"
        ) from None
    return context.shape("M", "N")


@SPARSE_MATMUL.gradient
def _gradient(op, dproduct):
    """da = dproduct b^T and db = a^T dproduct, with the operands transposed as they came."""
    a, b = op.inputs
    t_a, t_b = op.attrs["transpose_a"], op.attrs["transpose_b"]
    sparse = {a: op.attrs["a_is_sparse"], b: op.attrs["b_is_sparse"], dproduct: dproduct.op.type == "ReluGrad"}

    def product(x: Tensor, y: Tensor, t_x: bool, t_y: bool, like: Tensor) -> Tensor:
        found = SPARSE_MATMUL(x, y, transpose_a=t_x, transpose_b=t_y, a_is_sparse=sparse[x], b_is_sparse=sparse[y])
        kind = like.dtype.base_dtype
        return found if kind is float32 else cast(found, kind)

    da = product(b, dproduct, t_b, True, a) if t_a else product(dproduct, b, False, not t_b, a)
    db = product(dproduct, a, True, t_a, b) if t_b else product(a, dproduct, not t_a, False, b)
    return da, db


SPARSE_MATMUL.case("W06", "rows times columns", a=[[1, 0], [0, 4]], b=[[5, 6], [7, 8]], a_is_sparse=True,
                   product=[[5, 6], [28, 32]])  # fmt: skip
SPARSE_MATMUL.case("W06", "a is transposed first", a=[[1, 2], [0, 4]], b=[[1], [0]], transpose_a=True,
                   product=[[1], [2]])  # fmt: skip
SPARSE_MATMUL.case("W06", "b is transposed first", a=[[1, 2]], b=[[3, 0], [0, 6]], transpose_b=True, b_is_sparse=True,
                   product=[[3, 12]])  # fmt: skip
SPARSE_MATMUL.case("W06", "both are transposed first", a=[[1], [2]], b=[[3, 4]], transpose_a=True, transpose_b=True,
                   product=[[11]])  # fmt: skip
SPARSE_MATMUL.case("W06", "the inner sizes must agree", a=[[1, 2, 3]], b=[[1], [2]],
                   error="b has K = 2, but a has K = 3")  # fmt: skip
