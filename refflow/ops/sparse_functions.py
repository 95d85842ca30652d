"""Functions of SparseTensors: three tensors in, three out, as one object.

Next: ops/variable.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import bool_, int64
from refflow.core.graph import Tensor
from refflow.core.indexed_slices import IndexedSlices
from refflow.core.sparse_tensor import SparseTensor
from refflow.ops.array import identity, reshape
from refflow.ops.cast import cast
from refflow.ops.constant import ones_like
from refflow.ops.gather import gather
from refflow.ops.joining import concat
from refflow.ops.slicing import slice_
from refflow.ops.sparse import REORDER, SPARSE_TO_DENSE
from refflow.ops.sparse_join import CONCAT, FILL_EMPTY_ROWS
from refflow.ops.unique import listdiff, where


def _sparse(value: Any) -> SparseTensor:
    if not isinstance(value, SparseTensor):
        raise TypeError(f"Input must be a SparseTensor, got {type(value).__name__}")
    return value


def _like(sp_input: SparseTensor, indices: Tensor, values: Tensor, dense_shape: Tensor | None = None) -> SparseTensor:
    """Other places and values, of the same shape unless told, as a SparseTensor of the same kind."""
    return type(sp_input)(indices, values, identity(sp_input.dense_shape) if dense_shape is None else dense_shape)


def sparse_reorder(sp_input: SparseTensor, name: str | None = None) -> SparseTensor:
    """The same values in row-major order."""
    found = REORDER(_sparse(sp_input).indices, sp_input.values, sp_input.dense_shape, name=name)
    return _like(sp_input, found.output_indices, found.output_values)


def sparse_concat(concat_dim: int, sp_inputs: Sequence[SparseTensor], name: str | None = None) -> SparseTensor:
    """SparseTensors joined along axis `concat_dim`; other sizes agree."""
    parts = [_sparse(s) for s in sp_inputs]
    if len(parts) == 1:
        return parts[0]
    found = CONCAT([s.indices for s in parts], [s.values for s in parts], [s.dense_shape for s in parts],
                   concat_dim=concat_dim, name=name)  # fmt: skip
    return _like(parts[0], found.output_indices, found.output_values, found.output_shape)


def sparse_tensor_to_dense(sp_input: SparseTensor, default_value: Any, name: str | None = None) -> Tensor:
    """The dense tensor, with `default_value` where nothing is; indices are sorted and come once."""
    return SPARSE_TO_DENSE(_sparse(sp_input).indices, sp_input.dense_shape, sp_input.values, default_value, name=name)


def sparse_retain(sp_input: SparseTensor, to_retain: Any) -> SparseTensor:
    """The values for which the bool vector `to_retain` is true."""
    _sparse(sp_input)
    places = reshape(where(convert_to_tensor(to_retain, bool_)), [-1])
    return _like(sp_input, gather(sp_input.indices, places), gather(sp_input.values, places))


def sparse_fill_empty_rows(
    sp_input: SparseTensor, default_value: Any, name: str | None = None
) -> tuple[SparseTensor, Tensor]:
    """(filled, empty): a value `default_value` in the first column of each empty row, and which rows those were."""
    found = FILL_EMPTY_ROWS(_sparse(sp_input).indices, sp_input.values, sp_input.dense_shape, default_value, name=name)
    filled = _like(sp_input, found.output_indices, found.output_values)
    return filled, found.empty_row_indicator


def sparse_to_indicator(sp_input: SparseTensor, vocab_size: Any, name: str | None = None) -> Tensor:
    """Bools [..., vocab_size]: which ids each row of the int SparseTensor holds."""
    with op_scope([sp_input.indices], name, "SparseToIndicator") as scope:
        indices = _sparse(sp_input).indices
        ids = reshape(cast(sp_input.values, int64), [-1, 1])
        columns = indices.get_shape().as_list()[1]
        rank = columns if columns is not None else 2
        rows = slice_(indices, [0, 0], [-1, rank - 1])
        size = reshape(cast(convert_to_tensor(vocab_size), int64), [1])
        dims = concat(0, [slice_(sp_input.dense_shape, [0], [rank - 1]), size])
        true = cast(ones_like(sp_input.values), bool_)
        return SPARSE_TO_DENSE(concat(1, [rows, ids]), dims, true, np.array(False), validate_indices=False, name=scope)


def sparse_mask(a: IndexedSlices, mask_indices: Any, name: str | None = None) -> IndexedSlices:
    """The rows of IndexedSlices whose indices are not in `mask_indices`."""
    with op_scope([a.values, a.indices, mask_indices], name, "sparse_mask"):
        kept, places = listdiff(a.indices, mask_indices)
        return IndexedSlices(gather(a.values, places), kept, a.dense_shape)


