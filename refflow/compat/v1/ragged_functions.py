"""tf.ragged: ragged tensors from lists, ranges and masks, and functions of their values.

Next: compat/v1/ragged.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refflow.compat.v1 import ragged_rows as rows
from refflow.compat.v1.ragged_tensor import RaggedTensor, as_values
from refflow.compat.v1.ragged_value import RaggedTensorValue
from refflow.compat.v1.sparse_tensor import is_sparse
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import as_dtype, bool_, int32, int64, string
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.core.values import as_value
from refflow.ops.array import reshape
from refflow.ops.cast import cast
from refflow.ops.constant import placeholder as first_placeholder

# -- from lists --------------------------------------------------------------------------------------------------


def constant_value(
    pylist: Any, dtype: Any = None, ragged_rank: int | None = None, inner_shape: Any = None,
    row_splits_dtype: Any = "int64",
) -> Any:  # fmt: skip
    """A RaggedTensorValue of lists in lists; an array where they have no levels, or ragged_rank is 0."""
    kind = None if dtype is None else as_dtype(dtype)
    if not isinstance(pylist, (list, tuple, np.ndarray)):
        if ragged_rank:
            raise ValueError(f"Invalid pylist={pylist}: incompatible with ragged_rank={ragged_rank}")
        return _array(pylist, kind)
    depth, deepest = _scalar_depth(pylist), _nesting(pylist)
    if depth is not None and deepest > depth:
        raise ValueError(f"Invalid pylist={pylist}: empty list nesting is greater than scalar value nesting")
    inner = None if inner_shape is None else tuple(np.reshape(inner_shape, -1).tolist())
    if ragged_rank is None:
        ragged_rank = max(0, deepest - 1 - len(inner or ()))
    if depth is not None and ragged_rank >= max(1, depth):
        raise ValueError(f"Invalid pylist={pylist}: incompatible with ragged_rank={ragged_rank}")
    levels, flat = _levels(pylist, ragged_rank)
    found: Any = _array(flat, kind, inner)
    for lengths in reversed(levels):
        splits = np.concatenate([[0], np.cumsum(lengths)]).astype(as_dtype(row_splits_dtype).as_numpy_dtype)
        found = RaggedTensorValue(found, splits)
    return found


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple)) or np.ndim(value) > 0


def _nesting(value: Any) -> int:
    return 0 if not _is_list(value) else 1 + max((_nesting(v) for v in value), default=0)


def _scalar_depth(value: Any) -> int | None:
    """How deep its scalars lie, all alike; None where there are none."""
    if not _is_list(value):
        return 0
    depths = {d for d in map(_scalar_depth, value) if d is not None}
    if len(depths) > 1:
        raise ValueError(f"all scalar values must have the same nesting depth: {value}")
    return depths.pop() + 1 if depths else None


def _levels(values: Any, count: int) -> tuple[list[list[int]], list[Any]]:
    """The lengths of the lists of each level, and what is in the innermost of them."""
    lengths: list[list[int]] = []
    flat = list(values)
    for _ in range(count):
        lengths.append([len(v) for v in flat])
        flat = [part for v in flat for part in v]
    return lengths, flat


def _array(flat: Any, kind: Any, inner: tuple[int, ...] | None = None) -> np.ndarray:
    if kind is None and not np.size(flat):
        kind = as_dtype("float32")
    found = np.asarray(as_value(flat, kind)) if kind is not None else np.asarray(_guessed(flat))
    return found if inner is None else found.reshape(-1, *inner)


def _guessed(flat: Any) -> Any:
    found = np.asarray(flat)
    narrow = {"int64": np.int32, "float64": np.float32}
    fits = found.dtype.kind != "i" or (np.abs(found) < 2**31).all()
    return found.astype(narrow.get(found.dtype.name, found.dtype)) if fits else found


def constant(
    pylist: Any, dtype: Any = None, ragged_rank: int | None = None, inner_shape: Any = None, name: str | None = None,
    row_splits_dtype: Any = int64,
) -> Any:  # fmt: skip
    """The same as a RaggedTensor; a Tensor where it has no levels.

    >>> constant([[1, 2], [], [3]]).row_splits.get_shape().as_list()
    [4]
    """
    with op_scope([], name, "RaggedConstant"):
        return _as_constant(constant_value(pylist, dtype, ragged_rank, inner_shape, row_splits_dtype), dtype)


def _as_constant(value: Any, dtype: Any) -> Any:
    if not isinstance(value, RaggedTensorValue):
        return convert_to_tensor(value, dtype)
    splits = convert_to_tensor(value.row_splits)
    return RaggedTensor.from_row_splits(_as_constant(value.values, dtype), splits, validate=False)


def placeholder(dtype: Any, ragged_rank: int, value_shape: Any = None, name: str | None = None) -> Any:
    """A RaggedTensor that is fed, with int64 splits; `value_shape`: that of each of its flat values."""
    if ragged_rank == 0:
        return first_placeholder(dtype, value_shape, name)
    with op_scope([], name, "RaggedPlaceholder"):
        shape = None if value_shape is None else [None, *value_shape]
        made: Any = first_placeholder(dtype, shape, "flat_values")
        for level in reversed(range(ragged_rank)):
            splits = first_placeholder(int64, [None], f"row_splits_{level}")
            made = RaggedTensor.from_row_splits(made, splits, validate=False)
        return made


def ragged_range(
    starts: Any, limits: Any = None, deltas: Any = 1, dtype: Any = None, name: str | None = None,
    row_splits_dtype: Any = int64,
) -> RaggedTensor:  # fmt: skip
    """A row of numbers from each start up to its limit, by its delta; with one argument, from 0."""
    if limits is None:
        starts, limits = 0, starts
    with op_scope([], name, "RaggedRange"):
        ends = [convert_to_tensor(v, dtype) for v in (starts, limits, deltas)]
        order = ["int32", "int64", "float32", "float64"]
        kind = max((e.dtype.base_dtype.name for e in ends), key=order.index)
        ends = [e if e.dtype.base_dtype.name == kind else cast(e, as_dtype(kind)) for e in ends]
        found = op_def("RaggedRange")(*ends, Tsplits=as_dtype(row_splits_dtype))
        return RaggedTensor.from_row_splits(found.rt_dense_values, found.rt_nested_splits, validate=False)


# -- functions of values and rows --------------------------------------------------------------------------------


def map_flat_values(op: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """`op` of the flat values of each ragged argument, in the rows of the first."""
    given = [*args, *kwargs.values()]
    first = next((value for value in given if isinstance(value, RaggedTensor)), None)
    if first is None:
        return op(*args, **kwargs)
    names = list(kwargs)

    def spread(*values: Any) -> Any:
        plain = values[: len(args)]
        return op(*plain, **dict(zip(names, values[len(args) :], strict=True)))

    flat = [rows._flat(v, first) if isinstance(v, RaggedTensor) else v for v in given]
    return first.with_flat_values(spread(*flat))


def row_splits_to_segment_ids(splits: Any, name: str | None = None, out_type: Any = None) -> Tensor:
    """[0, 2, 2, 3] -> [0, 0, 2]: the row of each value."""
    splits = rows.as_places(splits, "splits")
    if splits.get_shape()[0].value == 0:
        raise ValueError("Invalid row_splits: []")
    ids = rows.ids_of_splits(splits, name)
    return cast(ids, int64 if out_type is None else as_dtype(out_type))


def segment_ids_to_row_splits(
    segment_ids: Any, num_segments: Any = None, out_type: Any = None, name: str | None = None
) -> Tensor:
    """[0, 0, 2] -> [0, 2, 2, 3]: where each row ends."""
    with op_scope([], name, "SegmentIdsToRowSplits"):
        splits = rows.splits_of_ids(rows.as_places(segment_ids, "segment_ids"), num_segments)
        return splits if out_type is None else cast(splits, as_dtype(out_type))


def boolean_mask(data: Any, mask: Any, name: str | None = None) -> Any:
    """The values for which `mask`, of the same rows, is true, row by row."""
    with op_scope([], name, "RaggedMask"):
        if not isinstance(mask, RaggedTensor):
            mask = convert_to_tensor(mask, bool_)
            if mask.get_shape().ndims == 1:
                places = reshape(op_def("Where")(mask), [-1])
                return _rows_at(data, places)
            mask = RaggedTensor.from_tensor(mask)
        if not isinstance(data, RaggedTensor):
            data = RaggedTensor.from_tensor(convert_to_tensor(data))
        if mask.ragged_rank > 1:
            return data.with_values(boolean_mask(data.values, mask.values))
        kept = reshape(op_def("Where")(mask.values), [-1])
        counts = op_def("UnsortedSegmentSum")(cast(mask.values, int64), mask.value_rowids(), cast(mask.nrows(), int32))
        return RaggedTensor.from_row_lengths(_rows_at(data.values, kept), counts, validate=False)


def _rows_at(data: Any, places: Tensor) -> Any:
    return rows.gather(data, places) if isinstance(data, RaggedTensor) else op_def("GatherV2")(data, places, 0)


def stack(values: Sequence[Any], axis: int = 0, name: str | None = None) -> RaggedTensor:
    """Tensors of one rank as the rows of a ragged tensor, along a new first axis."""
    if axis != 0:
        raise ValueError(f"ragged.stack along axis {axis}: only a new first axis is made here")
    with op_scope([], name, "RaggedStack"):
        parts = [as_values(v) if not isinstance(v, (list, tuple)) else constant(v) for v in values]
        parts = [RaggedTensor.from_tensor(p) if isinstance(p, Tensor) and (p.get_shape().ndims or 1) > 1 else p
                 for p in parts]  # fmt: skip
        kind = int32 if all(isinstance(p, Tensor) for p in parts) else int64
        lengths = op_def("Pack")([rows.count(p, kind) if isinstance(p, Tensor) else cast(p.nrows(), kind)
                                  for p in parts])  # fmt: skip
        return RaggedTensor.from_row_lengths(concat_rows(parts), lengths, validate=False)


def concat_rows(parts: Sequence[Any]) -> Any:
    """The rows of several one after the other."""
    if isinstance(parts[0], Tensor):
        return op_def("ConcatV2")(list(parts), 0)
    lengths = op_def("ConcatV2")([p.row_lengths() for p in parts], 0)
    return RaggedTensor.from_row_lengths(concat_rows([p.values for p in parts]), lengths, validate=False)


def stack_dynamic_partitions(data: Any, partitions: Any, num_partitions: Any, name: str | None = None) -> RaggedTensor:
    """Row i has the rows of `data` whose partition is i."""
    with op_scope([], name, "SegmentStack"):
        partitions = convert_to_tensor(partitions)
        order = op_def("TopKV2")(-cast(partitions, int32), op_def("Size")(partitions), sorted=True).indices
        data = data if isinstance(data, RaggedTensor) else convert_to_tensor(data)
        values = _rows_at(data, order)
        ids = op_def("GatherV2")(partitions, order, 0)
        ids = cast(ids, data.row_splits.dtype.base_dtype) if isinstance(data, RaggedTensor) else ids
        return RaggedTensor.from_value_rowids(values, ids, num_partitions, validate=False)


# -- crosses -----------------------------------------------------------------------------------------------------


def cross(inputs: Sequence[Any], name: str | None = None) -> RaggedTensor:
    """For each row every choice of one value from each input, as text with _X_ between."""
    return _crossed(inputs, name, hashed=False)


def cross_hashed(
    inputs: Sequence[Any], num_buckets: int = 0, hash_key: int | None = None, name: str | None = None
) -> RaggedTensor:
    """The same with a number below `num_buckets`, or any if that is 0, in the place of each text."""
    return _crossed(inputs, name, hashed=True, num_buckets=num_buckets, hash_key=hash_key)


def _crossed(
    inputs: Sequence[Any], name: str | None, hashed: bool, num_buckets: int = 0, hash_key: int | None = None
) -> RaggedTensor:
    with op_scope([], name, "RaggedCross"):
        kinds = ["R" if isinstance(i, RaggedTensor) else "S" if is_sparse(i) else "D" for i in inputs]
        whole = [i if i.dtype.base_dtype in (string, int64) else _wide(i) for i in map(_given, inputs)]
        ragged = [i for i, kind in zip(whole, kinds, strict=True) if kind == "R"]
        sparse = [i for i, kind in zip(whole, kinds, strict=True) if kind == "S"]
        found = op_def("RaggedCross")(
            [r.flat_values for r in ragged], [r.row_splits for r in ragged], [s.indices for s in sparse],
            [s.values for s in sparse], [s.dense_shape for s in sparse],
            [i for i, kind in zip(whole, kinds, strict=True) if kind == "D"], input_order="".join(kinds),
            hashed_output=hashed, num_buckets=num_buckets, hash_key=0xDECAFCAFFE if hash_key is None else hash_key,
            out_values_type=int64 if hashed else string, out_row_splits_type=int64)  # fmt: skip
        sizes = [i.shape[0].value for i in whole]
        found.output_row_splits.set_shape([next((size + 1 for size in sizes if size is not None), None)])
        return RaggedTensor.from_row_splits(found.output_values, found.output_row_splits, validate=False)


def _given(value: Any) -> Any:
    return value if isinstance(value, RaggedTensor) or is_sparse(value) else convert_to_tensor(value)


def _wide(value: Any) -> Any:
    if isinstance(value, RaggedTensor):
        return value.with_flat_values(cast(value.flat_values, int64))
    return value.with_values(cast(value.values, int64)) if is_sparse(value) else cast(value, int64)
