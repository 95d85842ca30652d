"""Ragged tensors as ops take them: values side by side, and splits that say where each row ends [W06].

    splits [0, 2, 2, 5], values [a, b, c, d, e]      rows [a, b], [], [c, d, e]

Nested splits are rows of rows, the outermost first.

    RaggedTensorToSparse    places of the values           RaggedTensorToTensor    rows filled up to one length
    RaggedRange             a row of numbers for each start
    RaggedGather            rows by number                 RaggedFillEmptyRows     a default in each empty row

Next: ops/ragged_variant.py.
"""

from __future__ import annotations

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import INDICES, bfloat16, float32, float64, int32, int64
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_checks import either, need_equal, need_rank, size_at
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.sparse import ANY
from refflow.ops.sparse_join import FILL_EMPTY_ROWS_GRAD, sparse_fill_empty_rows_kernel

SPLITS = Attr("type", default=int64, allowed=INDICES)
TO_SPARSE = define_op(
    "RaggedTensorToSparse", "rt_nested_splits: RAGGED_RANK * Tsplits, rt_dense_values: T -> sparse_indices: int64, "
    "sparse_values: T, sparse_dense_shape: int64", RAGGED_RANK=Attr("int", minimum=1), T=ANY, Tsplits=SPLITS,
    source=("W06",),
)  # fmt: skip
RANGE = define_op(
    "RaggedRange", "starts: T, limits: T, deltas: T -> rt_nested_splits: Tsplits, rt_dense_values: T",
    T=Attr("type", default=int32, allowed=(bfloat16, float32, float64, int32, int64)), Tsplits=SPLITS,
    accuracy="rounded", source=("W06",),
)  # fmt: skip
GATHER = define_op(
    "RaggedGather", "params_nested_splits: PARAMS_RAGGED_RANK * Tsplits, params_dense_values: Tvalues, "
    "indices: Tindices -> output_nested_splits: OUTPUT_RAGGED_RANK * Tsplits, output_dense_values: Tvalues",
    Tvalues=ANY, Tindices=INDICES, Tsplits=SPLITS, PARAMS_RAGGED_RANK=Attr("int", minimum=1),
    OUTPUT_RAGGED_RANK=Attr("int", minimum=0), source=("W06",),
)  # fmt: skip
FILL_EMPTY_ROWS = define_op(
    "RaggedFillEmptyRows", "value_rowids: int64, values: T, nrows: int64, default_value: T -> output_value_rowids: "
    "int64, output_values: T, empty_row_indicator: bool, reverse_index_map: int64", T=ANY, source=("W06",),
)  # fmt: skip
RAGGED_FILL_GRAD = define_op(
    "RaggedFillEmptyRowsGrad", "reverse_index_map: int64, grad_values: T -> d_values: T, d_default_value: T", T=ANY,
    source=("W30",),
)  # fmt: skip
for _op in (TO_SPARSE, GATHER, RAGGED_FILL_GRAD):
    _op.no_gradient_registered()
RANGE.no_gradient()

# -- to sparse tensors -----------------------------------------------------------------------------------------------


def _check_splits(splits: np.ndarray, count: int) -> None:
    if not splits.size:
        raise ValueError("ragged splits may not be empty.")
    if splits.ravel()[0] != 0:
        raise ValueError("First value of ragged splits must be 0.")
    for i in np.flatnonzero(np.diff(splits) < 0)[:1] if splits.ndim == 1 else ():
        raise ValueError(
            f"Ragged splits should be non decreasing, but we got {int(splits[i])} followed by {int(splits[i + 1])}"
        )
    if splits.ndim != 1 or splits[-1] != count:
        raise ValueError("Final value of ragged splits must match the length the corresponding ragged values.")


@TO_SPARSE.kernel
def to_sparse_kernel(rt_nested_splits, rt_dense_values):
    """The last axis of each level counts the values of a row."""
    lengths = [len(s) - 1 for s in rt_nested_splits[1:]] + [len(rt_dense_values) if rt_dense_values.ndim else -1]
    for splits, count in zip(rt_nested_splits, lengths, strict=True):
        _check_splits(splits, count)
    rows = np.arange(len(rt_nested_splits[0]) - 1)[:, None]  # the place of each row of the level
    sizes = [len(rows)]
    for splits in rt_nested_splits:
        lengths = np.diff(splits)
        column = np.arange(int(splits[-1])) - np.repeat(splits[:-1], lengths)
        rows = np.concatenate([np.repeat(rows, lengths, axis=0), column[:, None]], axis=1)
        sizes.append(int(lengths.max(initial=0)))
    inner = rt_dense_values.shape[1:]
    each = int(np.prod(inner, dtype=np.int64))
    rest = np.stack(np.unravel_index(np.arange(each), inner), axis=1) if inner else np.zeros((1, 0), np.int64)
    places = np.concatenate([np.repeat(rows, each, axis=0), np.tile(rest, (len(rows), 1))], axis=1)
    return places.astype(np.int64), rt_dense_values.reshape(-1), np.array([*sizes, *inner], np.int64)


@TO_SPARSE.shape
def _to_sparse_shape(context: ShapeContext) -> list[shapes.Shape]:
    dims = context.dims("rt_dense_values")
    rank = None if not dims else len(dims) + context.attrs["RAGGED_RANK"]
    known = dims is not None and None not in dims
    count = int(np.prod(dims, dtype=np.int64)) if known else None  # type: ignore[arg-type]
    return [(count, rank), (count,), (rank,)]


# -- ranges ----------------------------------------------------------------------------------------------------------


def _range_sizes(starts: np.ndarray, limits: np.ndarray, deltas: np.ndarray, most: int) -> list[int]:
    sizes = []
    for start, limit, delta in zip(starts.tolist(), limits.tolist(), deltas.tolist(), strict=True):
        if delta == 0:
            raise ValueError("Requires delta != 0")
        if (limit - start) * delta <= 0:
            size: float = 0
        elif isinstance(start, int):
            size = -((start - limit) // delta)
        else:
            size = np.ceil(starts.dtype.type(abs((limit - start) / delta)))
        if not size <= most:
            raise ValueError(f"Requires ((limit - start) / delta) <= {most}")
        sizes.append(int(size))
    return sizes


@RANGE.kernel
def ragged_range_kernel(starts, limits, deltas, Tsplits=int64):
    """From each start up to its limit, by its delta; a scalar serves every row."""
    count = max(x.size if x.ndim else 0 for x in (starts, limits, deltas)) if any(
        x.ndim for x in (starts, limits, deltas)) else 1  # fmt: skip
    starts, limits, deltas = (np.broadcast_to(x, (count,)) for x in (starts, limits, deltas))
    splits_type = Tsplits.as_numpy_dtype
    most = int(np.iinfo(splits_type).max)
    sizes = _range_sizes(starts, limits, deltas, most)
    if sum(sizes) > most:
        raise ValueError("The total range size overflowed. Consider using int64 instead of int32 for row_splits_dtype.")
    splits = np.concatenate([[0], np.cumsum(sizes)]).astype(splits_type)
    at = np.arange(int(splits[-1])) - np.repeat(splits[:-1], sizes)
    if starts.dtype.kind == "i":
        return splits, (np.repeat(starts, sizes) + at * np.repeat(deltas, sizes)).astype(starts.dtype)
    # Floats are added up one after the other, rounding each time.
    rows = [np.add.accumulate(np.concatenate([[s], np.full(max(0, n - 1), d)]).astype(starts.dtype))[:n]
            for s, d, n in zip(starts, deltas, sizes, strict=True)]  # fmt: skip
    return splits, np.concatenate(rows) if rows else np.zeros(0, starts.dtype)


@RANGE.shape
def _ragged_range_shape(context: ShapeContext) -> list[shapes.Shape]:
    rows: int | None = 1
    lengths: set[int] = set()
    for name in ("starts", "limits", "deltas"):
        dims = context.dims(name)
        if dims is not None and len(dims) > 1:
            raise ShapeError(f"{name} must be a scalar or vector")
        if dims is None or dims == (None,):
            rows = None
        elif dims:
            lengths.add(dims[0])  # type: ignore[arg-type]
    if len(lengths) > 1:
        raise ShapeError("starts, limits, and deltas must have the same shape")
    rows = next(iter(lengths)) if lengths else rows
    return [(None if rows is None else rows + 1,), (None,)]


# -- rows by number --------------------------------------------------------------------------------------------------


@GATHER.kernel
def ragged_gather_kernel(params_nested_splits, params_dense_values, indices):
    """The rows in the shape of `indices`, whose inner axes become levels of equal lengths."""
    count = len(params_nested_splits[0]) - 1
    bad = np.argwhere((indices < 0) | (indices >= count))
    if len(bad):
        at = ",".join(map(str, bad[0]))
        where = f"indices[{at}]" if indices.ndim else "indices"
        raise ValueError(f"{where} = {int(indices[tuple(bad[0])])} is not in [0, {count})")
    lengths = [len(s) - 1 for s in params_nested_splits[1:]] + [len(params_dense_values)]
    for splits, length in zip(params_nested_splits, lengths, strict=True):
        if not len(splits):
            raise ValueError("Ragged splits may not be empty")
        if splits[0] < 0:
            raise ValueError("Ragged splits must be non-negative")
        if splits[-1] > length:
            raise ValueError("Ragged splits must not point past values")
        if (np.diff(splits) < 0).any():
            raise ValueError("Ragged splits must be sorted")
    dtype = params_nested_splits[0].dtype
    found = [
        np.arange(int(np.prod(indices.shape[:axis], dtype=np.int64)) + 1, dtype=dtype) * indices.shape[axis]
        for axis in range(1, indices.ndim)
    ]
    rows = indices.reshape(-1)
    for splits in params_nested_splits:
        starts, sizes = splits[:-1][rows], np.diff(splits)[rows]
        ends = np.concatenate([[0], np.cumsum(sizes)])
        found.append(ends.astype(dtype))
        rows = np.arange(int(ends[-1])) + np.repeat(starts - ends[:-1], sizes)
    return [*(found if indices.ndim else found[1:]), params_dense_values[rows]]


@GATHER.shape
def _ragged_gather_shape(context: ShapeContext) -> list[shapes.Shape]:
    values, indices = context.dims("params_dense_values"), context.dims("indices")
    count, depth = context.attrs["OUTPUT_RAGGED_RANK"], context.attrs["PARAMS_RAGGED_RANK"]
    if values == ():
        raise ShapeError("params.rank must be nonzero")
    if indices is not None and count != len(indices) + depth - 1:
        raise ShapeError(f"OUTPUT_RAGGED_RANK is {count}, but must be indices.rank + PARAMS_RAGGED_RANK - 1 = "
                         f"{len(indices) + depth - 1}")  # fmt: skip
    for splits in context.list_dims("params_nested_splits"):
        need_rank(splits, 1, "params_nested_splits must be vectors, but one has shape {0}")
    return [(None,)] * count + [None if values is None else (None, *values[1:])]


# -- empty rows ------------------------------------------------------------------------------------------------------


@FILL_EMPTY_ROWS.kernel
def ragged_fill_empty_rows_kernel(value_rowids, values, nrows, default_value):
    filled = sparse_fill_empty_rows_kernel(value_rowids[:, None], values, np.reshape(nrows, -1), default_value)
    return filled[0][:, 0], *filled[1:]


@FILL_EMPTY_ROWS.shape
def _fill_shape(context: ShapeContext) -> list[shapes.Shape]:
    rows, values, count, default = (context.dims(a.name) for a in FILL_EMPTY_ROWS.inputs)
    need_rank(count, 0, "nrows must be a scalar, saw: {0}")
    need_rank(rows, 1, "value_rowids must be a vector, saw: {0}")
    need_rank(values, 1, "values must be a vector, saw: {0}")
    need_equal(size_at(values, 0), size_at(rows, 0),
               "The length of `values` ({0}) must match the first dimension of `value_rowids` ({1}).")  # fmt: skip
    need_rank(default, 0, "default_value must be a scalar, saw: {0}")
    known = context.ints("nrows")
    places = (either(size_at(rows, 0), size_at(values, 0)),)
    return [(None,), (None,), (known[0] if known and known[0] >= 0 else None,), places]


@FILL_EMPTY_ROWS.gradient
def _fill_gradient(op, _, dvalues, __, ___):
    """Each value gets its own; the default gets the sum over the rows that it filled."""
    back = RAGGED_FILL_GRAD(op.outputs["reverse_index_map"], dvalues)
    return None, back.d_values, None, back.d_default_value


RAGGED_FILL_GRAD.kernel(FILL_EMPTY_ROWS_GRAD.reference)
RAGGED_FILL_GRAD.shape(FILL_EMPTY_ROWS_GRAD.shape_rule)  # type: ignore[arg-type]

_SPLITS = np.array([0, 2, 2, 5])
TO_SPARSE.case("W06", "row and column", rt_nested_splits=[_SPLITS], RAGGED_RANK=1, rt_dense_values=[1, 2, 3, 4, 5],
               sparse_indices=np.array([[0, 0], [0, 1], [2, 0], [2, 1], [2, 2]]), sparse_values=[1, 2, 3, 4, 5],
               sparse_dense_shape=np.array([3, 3]))  # fmt: skip
TO_SPARSE.case("W06", "splits begin at 0", rt_nested_splits=[_SPLITS + 1], RAGGED_RANK=1, rt_dense_values=[1, 2, 3],
               error="First value of ragged splits must be 0.")  # fmt: skip
RANGE.case("W06", "a row each", starts=[0, 5, 8], limits=[3, 5, 12], deltas=[1, 1, 2], rt_nested_splits=[0, 3, 3, 5],
           rt_dense_values=[0, 1, 2, 8, 10])  # fmt: skip
RANGE.case("W06", "ranges move", starts=[0], limits=[3], deltas=[0], error="Requires delta != 0")
GATHER.case("W06", "rows by number", Tindices="int32", params_nested_splits=[_SPLITS], PARAMS_RAGGED_RANK=1,
            params_dense_values=[1, 2, 3, 4, 5], indices=[2, 0], OUTPUT_RAGGED_RANK=1,
            output_nested_splits=[[0, 3, 5]], output_dense_values=[3, 4, 5, 1, 2])  # fmt: skip
GATHER.case("W06", "rows exist", Tindices="int32", params_nested_splits=[_SPLITS], PARAMS_RAGGED_RANK=1,
            params_dense_values=[1, 2, 3, 4, 5], indices=[3], OUTPUT_RAGGED_RANK=1,
            error="indices[0] = 3 is not in [0, 3)")  # fmt: skip
FILL_EMPTY_ROWS.case("W06", "no row stays empty", value_rowids=np.array([0, 2]), values=[5, 6], nrows=np.int64(3),
                     default_value=9, output_value_rowids=np.array([0, 1, 2]), output_values=[5, 9, 6],
                     empty_row_indicator=[False, True, False], reverse_index_map=np.array([0, 2]))  # fmt: skip
RAGGED_FILL_GRAD.case("W30", "the rest is the default's", reverse_index_map=np.array([0, 2]), grad_values=[1, 2, 4],
                      d_values=[1, 4], d_default_value=2)  # fmt: skip
