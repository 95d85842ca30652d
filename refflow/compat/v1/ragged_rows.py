"""How rows of different lengths are reckoned with: splits, lengths, row numbers, and rows by number.

    splits [0, 2, 2, 3]      lengths [2, 0, 1]      row numbers of the values [0, 0, 2]

Next: compat/v1/ragged_functions.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from refflow.core.constants import constant_value
from refflow.core.control import with_dependencies
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import DType, int32, int64
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.ops.array import reshape
from refflow.ops.cast import cast
from refflow.ops.messages import Assert

_INVALID = "Arguments to from_row_splits do not form a valid RaggedTensor"


def as_places(value: Any, name: str) -> Tensor:
    """A vector of int32 or int64; lists become int64."""
    plain = not isinstance(value, (Tensor, np.ndarray, np.generic))
    if plain and (np.asarray(value).dtype.kind in "iu" or not np.size(value)):
        value = np.asarray(value, np.int64)
    found = convert_to_tensor(value, name=name)
    if found.dtype.base_dtype not in (int32, int64):
        raise ValueError(f"{name} must have dtype int32 or int64, got {found.dtype.base_dtype.name}")
    found.get_shape().with_rank(1)
    return found


def count(values: Tensor, dtype: DType) -> Tensor:
    """How many rows a tensor has."""
    return op_def("Shape")(values, out_type=dtype.base_dtype)[0]


def vector(value: Any) -> Tensor:
    return reshape(convert_to_tensor(value), [1])


def splits_of_lengths(lengths: Tensor) -> Tensor:
    ends = op_def("Cumsum")(lengths, np.int32(0))
    return op_def("ConcatV2")([np.zeros(1, lengths.dtype.base_dtype.as_numpy_dtype), ends], 0)


def ids_of_splits(splits: Tensor, name: str | None = None) -> Tensor:
    """The row of each value."""
    kind = splits.dtype.base_dtype
    number = kind.as_numpy_dtype
    places = op_def("Range")(number(0), splits[-1], number(1))
    ends = op_def("UpperBound")(op_def("ExpandDims")(splits, 0), op_def("ExpandDims")(places, 0), out_type=kind)
    return op_def("Sub")(ends[0], number(1), name=name)


def splits_of_ids(ids: Tensor, nrows: Any) -> Tensor:
    """Where each row of rising row numbers ends; `nrows` rows, or one more than the last number."""
    kind = ids.dtype.base_dtype
    number = kind.as_numpy_dtype
    if nrows is None:
        last = op_def("Max")(op_def("ConcatV2")([np.full(1, -1, number), ids], 0), 0)
        nrows = last + number(1)
    else:
        nrows = cast(convert_to_tensor(nrows), kind)
    rows = op_def("Range")(number(0), nrows + number(1), number(1))
    found = op_def("LowerBound")(op_def("ExpandDims")(ids, 0), op_def("ExpandDims")(rows, 0), out_type=kind)[0]
    known = constant_value(nrows)
    found.set_shape([None if known is None else int(known) + 1])
    return found


def checked_splits(splits: Tensor, total: Tensor) -> Tensor:
    """The splits; an InvalidArgumentError where they do not begin at 0, fall, or do not end with the values."""
    number = splits.dtype.base_dtype.as_numpy_dtype
    tests = [
        (op_def("Equal")(splits[0], number(0)), "zero"),
        (op_def("All")(op_def("LessEqual")(splits[:-1], splits[1:]), [0]), "monotonic"),
        (op_def("Equal")(splits[-1], total), "nvals"),
    ]
    return with_dependencies([Assert(test, [f"{_INVALID}:{what}", splits]) for test, what in tests], splits)


def rows_of(tensor: Tensor, lengths: Any, padding: Any) -> tuple[Tensor, Tensor | None, Tensor]:
    """(values, places of those that are kept or None for all, lengths) of a tensor's rows."""
    shape = op_def("Shape")(tensor, out_type=int64)
    flat = reshape(tensor, op_def("ConcatV2")([np.array([-1]), shape[2:]], 0))
    every = op_def("Fill")(shape[:1], shape[1])
    if lengths is None and padding is None:
        return flat, None, every
    if lengths is None:
        lengths = _without_padding(tensor, padding, shape[1])
    lengths = op_def("Minimum")(cast(convert_to_tensor(lengths), int64), shape[1])
    columns = op_def("Range")(np.int64(0), shape[1], np.int64(1))
    kept = op_def("Less")(op_def("ExpandDims")(columns, 0), op_def("ExpandDims")(lengths, 1))
    return flat, reshape(op_def("Where")(reshape(kept, [-1])), [-1]), lengths


def _without_padding(tensor: Tensor, padding: Any, columns: Tensor) -> Tensor:
    """How long each row is without what fills up its end."""
    same = op_def("NotEqual")(tensor, convert_to_tensor(padding, tensor.dtype.base_dtype))
    rank = tensor.get_shape().ndims or 2
    told = op_def("Any")(same, np.arange(2, rank, dtype=np.int32)) if rank > 2 else same
    numbers = op_def("Range")(np.int64(1), columns + np.int64(1), np.int64(1))
    nothing = op_def("ZerosLike")(cast(told[:, :1], int64))
    return op_def("Max")(op_def("ConcatV2")([cast(told, int64) * numbers, nothing], 1), 1)


def bounding_shape(ragged: Any, dtype: DType) -> Tensor:
    """The number of rows, and the longest row of each level."""
    number = dtype.as_numpy_dtype
    sizes = [ragged.nrows(dtype)]
    for lengths in ragged.nested_row_lengths():
        widest = op_def("Max")(op_def("ConcatV2")([np.zeros(1, number), cast(lengths, dtype)], 0), 0)
        sizes.append(widest)
    outer = op_def("Pack")(sizes)
    return op_def("ConcatV2")([outer, op_def("Shape")(ragged.flat_values, out_type=dtype)[1:]], 0)


# -- rows by number ----------------------------------------------------------------------------------------------


def item(ragged: Any, key: Any) -> Any:
    """ragged[i], ragged[a:b], ragged[i, j] and ragged[:, a:b]; other keys are a ValueError that says so."""
    first, *rest = key if isinstance(key, tuple) else (key,)
    if first is Ellipsis and not rest:
        return ragged
    if isinstance(first, slice):
        found = ragged if first == slice(None) else _some(ragged, first)
        return _columns(found, rest) if rest else found
    if first is None or first is Ellipsis:
        raise ValueError("a RaggedTensor takes row numbers and slices, not an ellipsis or a new axis among others")
    known = constant_value(ragged.row_splits) if isinstance(first, int) else None
    splits = ragged.row_splits if known is None else known.tolist()
    start, stop = splits[:-1][first], splits[1:][first]
    row = ragged.values[start:stop]
    return row[tuple(rest)] if rest else row


def _some(ragged: Any, rows: slice) -> Any:
    """The rows that a slice names."""
    size = ragged.shape[0].value
    plain = all(isinstance(bound, int | None) for bound in (rows.start, rows.stop, rows.step))
    if size is not None and plain:
        return gather(ragged, np.arange(size, dtype=np.int32)[rows])
    return gather(ragged, op_def("Range")(0, cast(ragged.nrows(), int32), 1)[rows])


def gather(ragged: Any, indices: Any) -> Any:
    """The rows whose numbers `indices`, a vector, lists."""
    indices = convert_to_tensor(indices)
    found = op_def("RaggedGather")(list(ragged.nested_row_splits), ragged.flat_values, indices,
                                   OUTPUT_RAGGED_RANK=ragged.ragged_rank)  # fmt: skip
    size = indices.get_shape().with_rank(1)[0].value
    found.output_nested_splits[0].set_shape([None if size is None else size + 1])
    return ragged._with_parts([found.output_dense_values, *found.output_nested_splits])


def _columns(ragged: Any, rest: Sequence[Any]) -> Any:
    """ragged[:, a:b] and ragged[:, a:b, ...]: a slice of each row."""
    first, *inner = rest
    if not isinstance(first, slice) or (first.step or 1) != 1:
        raise ValueError("Cannot index into an inner ragged dimension: rows have lengths of their own. Use a slice")
    lengths = ragged.row_lengths()
    zero = lengths - lengths
    start, stop = (_bound(bound, lengths, other) for bound, other in ((first.start, zero), (first.stop, lengths)))
    stop = op_def("Maximum")(start, stop)
    ids = ragged.value_rowids()
    begin = op_def("GatherV2")(ragged.row_starts(), ids, 0)
    number = ids.dtype.base_dtype.as_numpy_dtype
    place = op_def("Range")(number(0), ragged.row_splits[-1], number(1)) - begin
    kept = op_def("LogicalAnd")(op_def("GreaterEqual")(place, op_def("GatherV2")(start, ids, 0)),
                                op_def("Less")(place, op_def("GatherV2")(stop, ids, 0)))  # fmt: skip
    places = reshape(op_def("Where")(kept), [-1])
    values = gather(ragged.values, places) if hasattr(ragged.values, "row_splits") else op_def("GatherV2")(
        ragged.values, places, 0)  # fmt: skip
    made = ragged._with_parts([values, splits_of_lengths(stop - start)])
    return made.with_values(made.values[(slice(None), *inner)]) if inner else made


def _bound(bound: Any, lengths: Tensor, other: Tensor) -> Tensor:
    """Where a slice begins or ends in each row."""
    if bound is None:
        return other
    given = cast(convert_to_tensor(bound), lengths.dtype.base_dtype)
    from_end = op_def("Maximum")(lengths + given, lengths - lengths)
    negative = op_def("Less")(given, given - given)
    return op_def("SelectV2")(negative, from_end, op_def("Minimum")(lengths, given))


# -- elementwise -------------------------------------------------------------------------------------------------


def elementwise(function: Callable[..., Any], values: Sequence[Any]) -> Any:
    """`function` of flat values; other arguments than ragged ones are scalars, and ragged ones have the same rows."""
    ragged = [v for v in values if hasattr(v, "_elementwise")]
    for other in ragged[1:]:
        if other.ragged_rank != ragged[0].ragged_rank:
            raise ValueError(f"ragged tensors of {ragged[0].ragged_rank} and {other.ragged_rank} levels do not meet")
    flat = [_flat(v, ragged[0]) for v in values]
    return ragged[0].with_flat_values(function(*flat))


def rowwise(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, whose first argument may be a ragged tensor: it gets the flat values, and its result their rows."""

    @wraps(function)
    def spread(input: Any, *args: Any, **kwargs: Any) -> Any:
        if not hasattr(input, "_elementwise"):
            return function(input, *args, **kwargs)
        return input.with_flat_values(function(input.flat_values, *args, **kwargs))

    return spread


def _flat(value: Any, first: Any) -> Any:
    if not hasattr(value, "_elementwise"):
        if np.ndim(value) if not isinstance(value, Tensor) else value.get_shape().ndims != 0:
            raise ValueError("a RaggedTensor meets scalars and ragged tensors of the same rows, no other tensors: "
                             "bring them into its rows with from_row_splits(), or use its flat_values")  # fmt: skip
        return value
    if value is first:
        return value.flat_values
    checks = [
        Assert(op_def("All")(op_def("Equal")(a, b), [0]), ["ragged tensors have different rows", a, b])
        for a, b in zip(first.nested_row_splits, value.nested_row_splits, strict=True) if a is not b
    ]  # fmt: skip
    return with_dependencies(checks, value.flat_values) if checks else value.flat_values
