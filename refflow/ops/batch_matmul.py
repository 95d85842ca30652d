"""Products of many matrices at once: [..., M, K] times [..., K, N].

    BatchMatMul      batches of one shape            BatchMatMulV2, V3      batches stretch as in broadcasting

`adj` takes the conjugate transpose of an operand first.

Next: ops/linalg.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes, work
from refflow.core.dtypes import FLOATS, NUMBERS, as_dtype, complex64, complex128, int32, int64
from refflow.core.errors import ShapeError
from refflow.core.graph import Tensor
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_checks import of_rank
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.array import reshape, shape
from refflow.ops.broadcast import BROADCAST_GRADIENT_ARGS
from refflow.ops.slicing import slice_

_FLAGS: dict[str, Any] = {"adj_x": False, "adj_y": False, "grad_x": False, "grad_y": False}
_V1 = (*FLOATS, int32, int64, complex64, complex128)


def adjoint(x: np.ndarray) -> np.ndarray:
    """Rows become columns, and complex numbers are mirrored."""
    turned = np.swapaxes(x, -1, -2)
    return np.conj(turned) if np.iscomplexobj(x) else turned


def batch_matmul_kernel(x, y, adj_x=False, adj_y=False):
    x, y = adjoint(x) if adj_x else x, adjoint(y) if adj_y else y
    if x.dtype == np.float16:
        return np.matmul(x.astype(np.float32), y.astype(np.float32)).astype(np.float16)
    return np.matmul(x, y)


def _dims(context: ShapeContext, stretch: bool) -> shapes.Shape:
    x, y, attrs = context.dims("x"), context.dims("y"), context.attrs
    if not stretch and x is not None and y is not None and len(x) != len(y):
        raise ShapeError(f"In[0] and In[1] has different ndims: {shapes.text(x)} vs. {shapes.text(y)}")
    for place, dims in enumerate((x, y)):
        if dims is not None and len(dims) < 2:
            raise ShapeError(f"In[{place}] ndims must be >= 2: {len(dims)}")
    if not stretch and (x is None) != (y is None):  # they have one rank
        x, y = of_rank(x, len(y or ())), of_rank(y, len(x or ()))
    if x is None or y is None:
        return None
    batch = _batch_dims(x, y, stretch)
    m, k = x[-2:][::-1] if attrs["adj_x"] else x[-2:]
    rows, n = y[-2:][::-1] if attrs["adj_y"] else y[-2:]
    if None not in (k, rows) and k != rows:
        raise ShapeError(incompatible(x, y, attrs["adj_x"], attrs["adj_y"]))
    return (*batch, m, n)


def incompatible(x: shapes.Shape, y: shapes.Shape, turned_x: bool, turned_y: bool) -> str:
    """TensorFlow's words for inner sizes that differ; the numbers say which operand is transposed."""
    flags = f"{int(turned_x)} {int(turned_y)}"
    return f"Matrix size-incompatible: In[0]: {shapes.text(x)}, In[1]: {shapes.text(y)} {flags}"


def _batch_dims(x: shapes.Dims, y: shapes.Dims, stretch: bool) -> shapes.Dims:
    """The result's dimensions before the last two."""
    if stretch:
        try:
            return shapes.broadcast(x[:-2], y[:-2]) or ()
        except ShapeError:
            both = f"{shapes.text(x)} vs. {shapes.text(y)}"
            raise ShapeError(f"In[0] and In[1] must have compatible batch dimensions: {both}") from None
    for i, (a, b) in enumerate(zip(x[:-2], y[:-2], strict=True)):
        if None not in (a, b) and a != b:
            both = f"{shapes.text(x)} vs {shapes.text(y)}"
            raise ShapeError(f"In[0].dim({i}) and In[1].dim({i}) must be the same: {both}")
    return shapes.merge(x[:-2], y[:-2]) or ()


def _product_gradient(
    op_def: OpDef, x: Tensor, y: Tensor, dz: Tensor, adj_x: bool, adj_y: bool
) -> tuple[Tensor, Tensor]:
    """dx and dy of the product, in the operands' own orientation."""
    if not adj_x:
        dx = op_def(dz, y, adj_y=not adj_y)
        dy = op_def(x, dz, adj_x=True) if not adj_y else op_def(dz, x, adj_x=True)
    else:
        dx = op_def(y, dz, adj_x=adj_y, adj_y=True)
        dy = op_def(x, dz) if not adj_y else op_def(dz, x, adj_x=True, adj_y=True)
    return dx, dy


def _summed_to(dx: Tensor, x: Tensor, other: Tensor) -> Tensor:
    """dx summed over the batch axes along which x was stretched."""
    from refflow.ops.reductions import reduce_sum

    sizes = shape(x)
    over, _ = BROADCAST_GRADIENT_ARGS(slice_(sizes, [0], shape(sizes) - 2), _batch(other))
    return reshape(reduce_sum(dx, over), sizes)


def _batch(x: Tensor) -> Tensor:
    sizes = shape(x)
    return slice_(sizes, [0], shape(sizes) - 2)


def _define(name: str, types: Any, stretch: bool) -> OpDef:
    op_def = define_op(name, "x: T, y: T -> output: T", T=types, accuracy="dot", source=("S16",), **_FLAGS)
    op_def.kernel(batch_matmul_kernel)
    op_def.work(work.product)  # [W19]
    op_def.shape(lambda context: _dims(context, stretch))

    @op_def.gradient
    def gradient(op, dz):
        """dx = dz y^H and dy = x^H dz, with the operands as they came, summed over stretched batches."""
        x, y = op.inputs
        dx, dy = _product_gradient(op_def, x, y, dz, op.attrs["adj_x"], op.attrs["adj_y"])
        known = x.dims is not None and y.dims is not None and x.dims[:-2] == y.dims[:-2] and None not in x.dims[:-2]
        return (dx, dy) if known or not stretch else (_summed_to(dx, x, y), _summed_to(dy, y, x))

    return op_def


BATCH_MATMUL = _define("BatchMatMul", _V1, False)
BATCH_MATMUL_V2 = _define("BatchMatMulV2", NUMBERS, True)
BATCH_MATMUL_V3 = define_op(
    "BatchMatMulV3", "x: Ta, y: Tb -> output: Tout", Ta=NUMBERS, Tb=NUMBERS, Tout=Attr("type", allowed=NUMBERS),
    accuracy="dot", source=("S16",), **_FLAGS,
)  # fmt: skip


BATCH_MATMUL_V3.work(work.product)


@BATCH_MATMUL_V3.kernel
def batch_matmul_v3_kernel(x, y, Tout, adj_x=False, adj_y=False):
    wide = np.dtype(Tout.as_numpy_dtype if Tout.name != "bfloat16" else np.float32)
    if (x.dtype.kind == "c" or y.dtype.kind == "c") and wide.kind != "c":
        raise ValueError(f"a product of complex numbers is complex, but Tout is {Tout.name}")
    return batch_matmul_kernel(x.astype(wide), y.astype(wide), adj_x, adj_y)


@BATCH_MATMUL_V3.shape
def _v3_shape(context: ShapeContext) -> shapes.Shape:
    return _dims(context, True)


@BATCH_MATMUL_V3.gradient
def _v3_gradient(op, dz):
    """As of the product in the result's type, in the operands' types."""
    from refflow.ops.cast import cast

    x, y = op.inputs
    kind = as_dtype(op.attrs["Tout"])
    wide_x, wide_y = cast(x, kind), cast(y, kind)
    dx, dy = _product_gradient(BATCH_MATMUL_V2, wide_x, wide_y, dz, op.attrs["adj_x"], op.attrs["adj_y"])
    return cast(_summed_to(dx, x, y), x.dtype), cast(_summed_to(dy, y, x), y.dtype)


_X, _Y = [[[1, 2], [3, 4]]], [[[5, 6], [7, 8]]]
for _op in (BATCH_MATMUL, BATCH_MATMUL_V2):
    _op.case("S16", "matrix by matrix", x=_X, y=_Y, output=[[[19, 22], [43, 50]]])
    _op.case("S16", "transposed first", x=_X, y=[[[1], [0]]], adj_x=True, output=[[[1], [2]]])
    _op.case("S16", "inner sizes agree", x=_X, y=[[[1, 2, 3]]],
             error="Matrix size-incompatible: In[0]: [1,2,2], In[1]: [1,1,3]")  # fmt: skip
    _op.case("S16", "matrices have two dimensions", x=[1, 2], y=[3, 4], error="In[0] ndims must be >= 2: 1")
BATCH_MATMUL.case("S16", "as many matrices", x=[_X[0], _X[0]], y=_Y,
                  error="In[0].dim(0) and In[1].dim(0) must be the same: [2,2,2] vs [1,2,2]")  # fmt: skip
BATCH_MATMUL_V2.case("S16", "batches fit", x=[_X[0], _X[0]], y=[_Y[0], _Y[0], _Y[0]],
                     error="In[0] and In[1] must have compatible batch dimensions: [2,2,2] vs. [3,2,2]")  # fmt: skip
BATCH_MATMUL_V2.case(
    "S16", "one matrix for the whole batch", x=[[[1, 2]], [[3, 4]]], y=[[1], [10]], output=[[[21]], [[43]]]
)
BATCH_MATMUL_V3.case("S16", "in the result's type", x=np.array(_X, np.int8), y=np.array(_Y, np.int8), Ta="int8",
                     Tb="int8",
                     Tout="int32", output=np.array([[[19, 22], [43, 50]]], np.int32))  # fmt: skip


def batch_matmul(x: Any, y: Any, adj_x: bool = False, adj_y: bool = False, name: str | None = None) -> Tensor:
    """Matrix products over a batch: x [..., M, K] times y [..., K, N]; adj_x, adj_y take conjugate transposes first."""
    return BATCH_MATMUL(x, y, adj_x=adj_x, adj_y=adj_y, name=name)
