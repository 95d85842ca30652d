"""Arithmetic with SparseTensors: sums, extremes, products with matrices, counts, crosses.

What is not there counts as zero in sums and products, and not at all in reductions of extremes and in softmax.

Next: compat/v1/sparse.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.compat.v1.arrays import _axis
from refflow.compat.v1.sparse_arrays import _parts, _three
from refflow.compat.v1.sparse_tensor import SparseTensor, as_sparse, is_sparse
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import complex64, complex128, float32, float64, int64, string
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.core.shapes import TensorShape
from refflow.ops.array import reshape
from refflow.ops.cast import cast
from refflow.ops.transpose import transpose

__all__ = [
    "sparse_add", "sparse_matmul", "sparse_maximum", "sparse_minimum", "sparse_reduce_max", "sparse_reduce_max_sparse",
    "sparse_reduce_sum", "sparse_reduce_sum_sparse", "sparse_segment_mean", "sparse_segment_sqrt_n",
    "sparse_segment_sum", "sparse_softmax", "sparse_tensor_dense_matmul",
]  # fmt: skip

# -- elementwise -------------------------------------------------------------------------------------------------


def sparse_add(a: Any, b: Any, threshold: Any = None, thresh: Any = None) -> Any:
    """A SparseTensor and another, or a dense tensor, which gives a dense one.

    threshold: of two SparseTensors' sums those that are smaller in size are left out.
    """
    least = _axis(threshold, thresh, 0)
    if not is_sparse(a) and not is_sparse(b):
        raise TypeError("At least one input should be SparseTensor; do you mean to use tf.add()?")
    if not is_sparse(a):
        a, b = b, a
    a = as_sparse(a)
    if not is_sparse(b):
        return op_def("SparseTensorDenseAdd")(*_parts(a), b)
    b = as_sparse(b)
    kind = a.dtype.base_dtype
    real = {complex64: float32, complex128: float64}.get(kind, kind)
    least = convert_to_tensor(least, real, "threshold")
    shape = a.shape.merge_with(b.shape)
    made = _three(op_def("SparseAdd")(*_parts(a), *_parts(b), least))
    made.set_shape(shape)
    return made


def _extreme(called: str, op: str, which: str) -> Callable[..., SparseTensor]:
    def function(sp_a: Any, sp_b: Any, name: str | None = None) -> SparseTensor:
        sp_a, sp_b = as_sparse(sp_a), as_sparse(sp_b)
        with op_scope([sp_a.indices, sp_b.indices], name, op) as scope:
            indices, values = op_def(op)(*_parts(sp_a), *_parts(sp_b), name=scope)
        return _three((indices, values, sp_a.dense_shape), sp_a)

    function.__name__ = function.__qualname__ = called
    function.__doc__ = f"The {which} of two SparseTensors of one shape, element by element; what is not there is zero."
    return function


sparse_maximum = _extreme("sparse_maximum", "SparseSparseMaximum", "larger")
sparse_minimum = _extreme("sparse_minimum", "SparseSparseMinimum", "smaller")


def sparse_softmax(sp_input: Any, name: str | None = None) -> SparseTensor:
    """Each row's values as shares of one, in the same places; the rest has no share."""
    sp_input = as_sparse(sp_input)
    with op_scope([sp_input.indices], name, "SparseSoftmax"):
        return sp_input.with_values(op_def("SparseSoftmax")(*_parts(sp_input)))


# -- reductions --------------------------------------------------------------------------------------------------


def _reduction(called: str, op: str, which: str) -> Callable[..., Any]:
    """A reduction along `axis`, to a dense tensor or, where `op` ends so, to a sparse one."""

    def function(
        sp_input: Any, axis: Any = None, keepdims: bool | None = None, reduction_axes: Any = None,
        keep_dims: bool | None = None,
    ) -> Any:  # fmt: skip
        sp_input, keep = as_sparse(sp_input), bool(_axis(keepdims, keep_dims, False))
        axes = _axis(axis, reduction_axes)
        found = op_def(op)(*_parts(sp_input), _all_axes(sp_input) if axes is None else axes, keep_dims=keep)
        if isinstance(found, tuple):
            return _three(found)
        found.set_shape(_reduced(sp_input.shape, axes, keep))
        return found

    function.__name__ = function.__qualname__ = called
    function.__doc__ = f"The {which} along `axis`, one or a list, or of all; `keepdims`: the axes stay with size 1."
    return function


def _all_axes(sp_input: SparseTensor) -> Any:
    rank = sp_input.shape.ndims
    if rank is not None:
        return np.arange(rank, dtype=np.int32)
    return op_def("Range")(0, op_def("Size")(sp_input.dense_shape), 1)


def _reduced(shape: TensorShape, axes: Any, keep: bool) -> TensorShape:
    """The static shape of a reduction, as far as it can be told."""
    if shape.ndims is None or isinstance(axes, Tensor):
        return TensorShape(None)
    dims = shape.as_list()
    gone = set(range(len(dims))) if axes is None else {int(a) % len(dims) for a in np.reshape(axes, -1)}
    return TensorShape([1 if i in gone else d for i, d in enumerate(dims) if keep or i not in gone])


sparse_reduce_sum = _reduction("sparse_reduce_sum", "SparseReduceSum", "sums")
sparse_reduce_max = _reduction("sparse_reduce_max", "SparseReduceMax", "largest values")
sparse_reduce_sum_sparse = _reduction("sparse_reduce_sum_sparse", "SparseReduceSumSparse", "sums, where any are,")
sparse_reduce_max_sparse = _reduction(
    "sparse_reduce_max_sparse", "SparseReduceMaxSparse", "largest values, where any are,"
)


def _segments(called: str, op: str, which: str) -> Callable[..., Tensor]:
    def function(
        data: Any, indices: Any, segment_ids: Any, name: str | None = None, num_segments: Any = None,
        sparse_gradient: bool = False,
    ) -> Tensor:  # fmt: skip
        given = (convert_to_tensor(data), convert_to_tensor(indices), convert_to_tensor(segment_ids))
        if num_segments is None:
            return op_def(op)(*given, sparse_gradient=sparse_gradient, name=name)
        return op_def(op + "WithNumSegments")(*given, num_segments, sparse_gradient=sparse_gradient, name=name)

    function.__name__ = function.__qualname__ = called
    function.__doc__ = f"{which} of the rows of `data` that `indices` name, over each run of equal `segment_ids`."
    return function


sparse_segment_sum = _segments("sparse_segment_sum", "SparseSegmentSum", "The sum")
sparse_segment_mean = _segments("sparse_segment_mean", "SparseSegmentMean", "The mean")
sparse_segment_sqrt_n = _segments(
    "sparse_segment_sqrt_n", "SparseSegmentSqrtN", "The sum, over the root of their number,"
)

# -- products ----------------------------------------------------------------------------------------------------


def sparse_tensor_dense_matmul(
    sp_a: Any, b: Any, adjoint_a: bool = False, adjoint_b: bool = False, name: str | None = None
) -> Tensor:
    """The product of two matrices, one of which is a SparseTensor and the other dense."""
    if is_sparse(b):
        turned = sparse_tensor_dense_matmul(b, sp_a, not adjoint_b, not adjoint_a, name)
        return transpose(turned)
    sp_a = as_sparse(sp_a)
    with op_scope([sp_a.indices], name, "SparseTensorDenseMatMul"):
        b = convert_to_tensor(b, sp_a.dtype.base_dtype, "b")
        found = op_def("SparseTensorDenseMatMul")(*_parts(sp_a), b, adjoint_a=adjoint_a, adjoint_b=adjoint_b)
        if sp_a.shape.ndims == 2 and b.get_shape().ndims == 2:
            found.set_shape([sp_a.shape.as_list()[int(adjoint_a)], b.get_shape().as_list()[int(not adjoint_b)]])
        return found


def sparse_matmul(
    a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False, a_is_sparse: bool = False,
    b_is_sparse: bool = False, name: str | None = None,
) -> Tensor:  # fmt: skip
    """The product of two dense matrices that are said to hold many zeros."""
    return op_def("SparseMatMul")(a, b, transpose_a=transpose_a, transpose_b=transpose_b, a_is_sparse=a_is_sparse,
                                  b_is_sparse=b_is_sparse, name=name)  # fmt: skip


# -- counts and crosses ------------------------------------------------------------------------------------------


def sparse_bincount(
    values: Any, weights: Any = None, axis: int | None = 0, minlength: int | None = None,
    maxlength: int | None = None, binary_output: bool = False, name: str | None = None,
) -> SparseTensor:  # fmt: skip
    """How often each number comes, or the sum of its weights; in all, or with axis -1 in each row."""
    if axis not in (None, 0, -1):
        raise ValueError(f"Unsupported value for argument axis={axis}. Only 0 and -1 are currently supported.")
    if weights is not None and binary_output:
        raise ValueError("Arguments `binary_output` and `weights` are mutually exclusive. Please specify only one.")
    with op_scope([], name, "count"):
        kind, parts, flat = _counted(values)
        weighed: Any = None if weights is None else _counted(weights)[2]
        if axis in (None, 0):
            kind, parts, flat = "Dense", (), reshape(flat, [-1])
            weighed = None if weighed is None else reshape(weighed, [-1])
        if weighed is None:
            weighed = np.zeros(0, np.dtype(flat.dtype.base_dtype.as_numpy_dtype))
        inputs = (*parts[:1], flat, *parts[1:], weighed)
        return _three(op_def(f"{kind}CountSparseOutput")(
            *inputs, minlength=-1 if minlength is None else minlength, maxlength=-1 if maxlength is None else maxlength,
            binary_output=binary_output))  # fmt: skip


def _counted(values: Any) -> tuple[str, tuple[Any, ...], Tensor]:
    """The op that counts such values, what it is told of their places, and the values."""
    if is_sparse(values):
        values = as_sparse(values)
        return "Sparse", (values.indices, values.dense_shape), values.values
    if hasattr(values, "row_splits"):
        return "Ragged", (values.row_splits,), values.values
    return "Dense", (), convert_to_tensor(values)


_HASH_KEY = 0xDECAFCAFFE


def _crossed(inputs: Any) -> tuple[list[SparseTensor], list[Tensor]]:
    if not isinstance(inputs, (list, tuple)):
        raise TypeError("Inputs must be a list")
    if not all(is_sparse(i) or isinstance(i, Tensor) for i in inputs):
        raise TypeError("All inputs must be Tensor or SparseTensor.")
    wide = [i if i.dtype.base_dtype is string else _whole(i) for i in inputs]
    return [as_sparse(i) for i in wide if is_sparse(i)], [i for i in wide if not is_sparse(i)]


def _whole(given: Any) -> Any:
    return as_sparse(given).with_values(cast(given.values, int64)) if is_sparse(given) else cast(given, int64)


def sparse_cross(inputs: Any, name: str | None = None, separator: str | None = None) -> SparseTensor:
    """For each row every choice of one value from each input, as text with `separator` between."""
    few, dense = _crossed(inputs)
    return _three(op_def("SparseCrossV2")(
        [s.indices for s in few], [s.values for s in few], [s.dense_shape for s in few], dense,
        "_X_" if separator is None else separator, name=name))  # fmt: skip


def sparse_cross_hashed(
    inputs: Any, num_buckets: int = 0, hash_key: int | None = None, name: str | None = None
) -> SparseTensor:
    """The same with a number below `num_buckets`, or any if that is 0, in the place of each text."""
    few, dense = _crossed(inputs)
    if num_buckets < 0:
        raise ValueError(f"num_buckets must be >= 0, got {num_buckets}")
    given: list[Any] = [*few, *dense]
    whole = any(i.dtype.base_dtype is not string for i in given)
    return _three(op_def("SparseCross")(
        [s.indices for s in few], [s.values for s in few], [s.dense_shape for s in few], dense, hashed_output=True,
        num_buckets=num_buckets, hash_key=_HASH_KEY if hash_key is None else hash_key, out_type=int64,
        internal_type=int64 if whole else string, name=name))  # fmt: skip
