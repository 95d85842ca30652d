"""tf.sparse: the functions of SparseTensors under their short names.

Next: compat/v1/more.py.
"""

from refflow.compat.v1.accumulators import SparseConditionalAccumulator
from refflow.compat.v1.sparse_arrays import sparse_concat as concat
from refflow.compat.v1.sparse_arrays import sparse_expand_dims as expand_dims
from refflow.compat.v1.sparse_arrays import sparse_eye as eye
from refflow.compat.v1.sparse_arrays import sparse_fill_empty_rows as fill_empty_rows
from refflow.compat.v1.sparse_arrays import sparse_from_dense as from_dense
from refflow.compat.v1.sparse_arrays import sparse_mask as mask
from refflow.compat.v1.sparse_arrays import sparse_merge as merge
from refflow.compat.v1.sparse_arrays import sparse_reorder as reorder
from refflow.compat.v1.sparse_arrays import sparse_reset_shape as reset_shape
from refflow.compat.v1.sparse_arrays import sparse_reshape as reshape
from refflow.compat.v1.sparse_arrays import sparse_retain as retain
from refflow.compat.v1.sparse_arrays import sparse_slice as slice
from refflow.compat.v1.sparse_arrays import sparse_split as split
from refflow.compat.v1.sparse_arrays import sparse_tensor_to_dense as to_dense
from refflow.compat.v1.sparse_arrays import sparse_to_indicator as to_indicator
from refflow.compat.v1.sparse_arrays import sparse_transpose as transpose
from refflow.compat.v1.sparse_math import sparse_add as add
from refflow.compat.v1.sparse_math import sparse_bincount as bincount
from refflow.compat.v1.sparse_math import sparse_cross as cross
from refflow.compat.v1.sparse_math import sparse_cross_hashed as cross_hashed
from refflow.compat.v1.sparse_math import sparse_maximum as maximum
from refflow.compat.v1.sparse_math import sparse_minimum as minimum
from refflow.compat.v1.sparse_math import sparse_reduce_max as reduce_max
from refflow.compat.v1.sparse_math import sparse_reduce_max_sparse as reduce_max_sparse
from refflow.compat.v1.sparse_math import sparse_reduce_sum as reduce_sum
from refflow.compat.v1.sparse_math import sparse_reduce_sum_sparse as reduce_sum_sparse
from refflow.compat.v1.sparse_math import sparse_segment_mean as segment_mean
from refflow.compat.v1.sparse_math import sparse_segment_sqrt_n as segment_sqrt_n
from refflow.compat.v1.sparse_math import sparse_segment_sum as segment_sum
from refflow.compat.v1.sparse_math import sparse_softmax as softmax
from refflow.compat.v1.sparse_math import sparse_tensor_dense_matmul as matmul
from refflow.compat.v1.sparse_tensor import SparseTensor
from refflow.compat.v1.sparse_tensor import sparse_placeholder as placeholder

sparse_dense_matmul = matmul

__all__ = [
    "SparseConditionalAccumulator", "SparseTensor", "add", "bincount", "concat", "cross", "cross_hashed",
    "expand_dims", "eye", "fill_empty_rows", "from_dense", "mask", "matmul", "maximum", "merge", "minimum",
    "placeholder", "reduce_max", "reduce_max_sparse", "reduce_sum", "reduce_sum_sparse", "reorder", "reset_shape",
    "reshape", "retain", "segment_mean", "segment_sqrt_n", "segment_sum", "slice", "softmax", "sparse_dense_matmul",
    "split", "to_dense", "to_indicator", "transpose",
]  # fmt: skip
