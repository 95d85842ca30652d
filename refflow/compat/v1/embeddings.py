"""Rows of tables by number: single ids, and bags of ids whose rows are summed or averaged.

    embedding_lookup([t0, t1], [0, 1, 2, 3], "mod")     t0[0], t1[0], t0[1], t1[1]
                                             "div"      t0[0], t0[1], t1[0], t1[1]
    combiner of weights w:    sum  sum(w x)      mean  sum(w x) / sum(w)      sqrtn  sum(w x) / sqrt(sum(w^2))

Next: nn/functions.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.compat.v1.arrays import boolean_mask
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.core.sparse_tensor import SparseTensor
from refflow.ops.array import reshape
from refflow.ops.cast import cast
from refflow.ops.dynamic_stitch import DYNAMIC_STITCH
from refflow.ops.joining import concat


def _tables(params: Any) -> list[Any]:
    if params is None:
        raise ValueError("params must be specified")
    tables = list(params) if isinstance(params, (list, tuple)) else [params]
    if len(tables) == 1 and hasattr(tables[0], "_get_variable_list"):
        tables = list(tables[0])
    if not tables:
        raise ValueError("Need at least one param")
    return [convert_to_tensor(t, name="params") for t in tables]


def _clipped(rows: Tensor, ids: Tensor, max_norm: Any) -> Tensor:
    """Rows longer than max_norm made that long."""
    if max_norm is None:
        return rows
    first, last = ids.get_shape().ndims, rows.get_shape().ndims
    axes = None if first is None or last is None else list(range(first, last))
    total = op_def("Sum")(op_def("Square")(rows), [-1] if axes is None else axes, keep_dims=True)
    return rows * max_norm / op_def("Maximum")(op_def("Sqrt")(total), max_norm)


def embedding_lookup(
    params: Any, ids: Any, partition_strategy: str = "mod", name: str | None = None, validate_indices: bool = True,
    max_norm: float | None = None,
) -> Tensor:  # fmt: skip
    """The rows of `params` that `ids` name; of a list of P tables as the partition strategy says."""
    if partition_strategy not in ("mod", "div"):
        raise ValueError(f"Unrecognized partition strategy: {partition_strategy}")
    with op_scope([], name, "embedding_lookup") as scope:
        tables, ids = _tables(params), convert_to_tensor(ids, name="ids")
        if len(tables) == 1:
            rows = _clipped(op_def("Gather")(tables[0], ids), ids, max_norm)
            return op_def("Identity")(rows, name=scope)
        flat = reshape(ids, [-1])
        table, row = _placed(flat, tables, partition_strategy)
        table = cast(table, "int32")
        places = op_def("Range")(0, op_def("Size")(flat), 1)
        asked = op_def("DynamicPartition")(row, table, num_partitions=len(tables))
        where = op_def("DynamicPartition")(places, table, num_partitions=len(tables))
        found = [_clipped(op_def("Gather")(t, r), r, max_norm) for t, r in zip(tables, asked, strict=True)]
        rows = DYNAMIC_STITCH(list(where), found)
        width = tables[0].get_shape()[1:]
        sizes = [ids.get_shape().as_list(), width.as_list()] if ids.get_shape().ndims is not None else None
        rows = reshape(rows, concat(0, [op_def("Shape")(ids), op_def("Shape")(tables[0])[1:]]), name=scope)
        if sizes is not None:
            rows.set_shape(sizes[0] + sizes[1])
        return rows


def _placed(flat: Tensor, tables: list[Tensor], strategy: str) -> tuple[Tensor, Tensor]:
    """(table, row) of each id: round robin, or the tables one after the other, the first ones a row longer."""
    count = convert_to_tensor(len(tables), flat.dtype.base_dtype)
    if strategy == "mod":
        return op_def("FloorMod")(flat, count), op_def("FloorDiv")(flat, count)
    known = [t.get_shape()[0].value for t in tables]
    if None in known:
        sizes = [cast(op_def("Shape")(t)[0], flat.dtype) for t in tables]
        total = op_def("AddN")(sizes)
    else:
        total = convert_to_tensor(np.array(sum(n or 0 for n in known), flat.dtype.base_dtype.as_numpy_dtype))
    each, more = op_def("FloorDiv")(total, count), op_def("FloorMod")(total, count)
    table = op_def("Maximum")(op_def("FloorDiv")(flat, each + 1), op_def("FloorDiv")(flat - more, each))
    early = op_def("Less")(table, more)
    row = op_def("SelectV2")(early, op_def("FloorMod")(flat, each + 1), op_def("FloorMod")(flat - more, each))
    return table, row


def embedding_lookup_sparse(
    params: Any, sp_ids: SparseTensor, sp_weights: SparseTensor | None, partition_strategy: str = "mod",
    name: str | None = None, combiner: str | None = None, max_norm: float | None = None,
    allow_fast_lookup: bool = False,
) -> Tensor:  # fmt: skip
    """For each row of `sp_ids`, the rows of `params` that it names, put together as the combiner says."""
    combiner = combiner or "mean"
    if combiner not in ("mean", "sqrtn", "sum"):
        raise ValueError(f"combiner must be one of 'mean', 'sqrtn' or 'sum', got {combiner}")
    if not isinstance(sp_ids, SparseTensor):
        raise TypeError(f"sp_ids must be SparseTensor, got {type(sp_ids)}")
    if sp_weights is not None and not isinstance(sp_weights, SparseTensor):
        raise TypeError(f"sp_weights must be either None or SparseTensor, got {type(sp_weights)}")
    with op_scope([], name, "embedding_lookup_sparse") as scope:
        bags = cast(sp_ids.indices[:, 0], "int32")
        ids, places = op_def("Unique")(sp_ids.values)
        rows = embedding_lookup(params, ids, partition_strategy, max_norm=max_norm)
        if sp_weights is None:
            op = {"sum": "SparseSegmentSum", "mean": "SparseSegmentMean", "sqrtn": "SparseSegmentSqrtN"}[combiner]
            return op_def(op)(rows, places, bags, name=scope)
        weights = convert_to_tensor(sp_weights.values)
        weights = weights if weights.dtype.base_dtype is rows.dtype.base_dtype else cast(weights, rows.dtype)
        each = op_def("Gather")(rows, places)
        rank = each.get_shape().ndims or 2
        tall = reshape(weights, [-1] + [1] * (rank - 1))
        total = op_def("SegmentSum")(each * tall, bags, name=scope if combiner == "sum" else None)
        if combiner == "sum":
            return total
        over = op_def("SegmentSum")(tall if combiner == "mean" else tall * tall, bags)
        over = over if combiner == "mean" else op_def("Sqrt")(over)
        return op_def("DivNoNan")(total, over, name=scope)


def safe_embedding_lookup_sparse(
    embedding_weights: Any, sparse_ids: SparseTensor, sparse_weights: SparseTensor | None = None,
    combiner: str | None = "mean", default_id: int | None = None, name: str | None = None,
    partition_strategy: str = "div", max_norm: float | None = None, allow_fast_lookup: bool = False,
) -> Tensor:  # fmt: skip
    """embedding_lookup_sparse of bags [..., ids]; ids below 0, and those of weights that are not above 0, are left out.

    A bag that is empty then gives the row of `default_id`, or zeros.
    """
    with op_scope([], name, "embedding_lookup") as scope:
        tables = _tables(embedding_weights)
        whole = convert_to_tensor(sparse_ids.dense_shape, "int64")
        rank = whole.get_shape()[0].value or sparse_ids.indices.get_shape()[1].value
        table = op_def("Pack")([op_def("Prod")(whole[:-1], [0]), op_def("Prod")(whole[-1:], [0])])
        flat = op_def("SparseReshape")(sparse_ids.indices, whole, table)
        ids = SparseTensor(flat.output_indices, sparse_ids.values, flat.output_shape)
        weights = None if sparse_weights is None else SparseTensor(ids.indices, sparse_weights.values, ids.shape)
        keep = op_def("GreaterEqual")(ids.values, convert_to_tensor(0, ids.values.dtype.base_dtype))
        if weights is not None and combiner != "sum":
            keep = op_def("LogicalAnd")(keep, op_def("Greater")(weights.values, op_def("ZerosLike")(weights.values)))
        ids, weights = _kept(ids, keep), None if weights is None else _kept(weights, keep)
        ids, empty = _filled(ids, default_id or 0)
        weights = None if weights is None else _filled(weights, 1.0)[0]
        rows = embedding_lookup_sparse(tables, ids, weights, partition_strategy, None if default_id is None else scope,
                                       combiner, max_norm)  # fmt: skip
        if default_id is None:
            spread = op_def("Reshape")(empty, concat(0, [[-1], [1] * ((rows.get_shape().ndims or 2) - 1)]))
            rows = op_def("SelectV2")(spread, op_def("ZerosLike")(rows), rows, name=scope)
        found = reshape(rows, concat(0, [cast(whole[:-1], "int32"), op_def("Shape")(rows)[1:]]))
        if rank and tables[0].get_shape().ndims is not None:
            found.set_shape([None] * (rank - 1) + tables[0].get_shape().as_list()[1:])
        return found


def _kept(sparse: SparseTensor, keep: Tensor) -> SparseTensor:
    return SparseTensor(boolean_mask(sparse.indices, keep), boolean_mask(sparse.values, keep), sparse.shape)


def _filled(sparse: SparseTensor, value: Any) -> tuple[SparseTensor, Tensor]:
    """(with `value` in each empty row, which rows were empty)."""
    found = op_def("SparseFillEmptyRows")(
        sparse.indices, sparse.values, sparse.shape, convert_to_tensor(value, sparse.values.dtype.base_dtype)
    )
    return SparseTensor(found.output_indices, found.output_values, sparse.shape), found.empty_row_indicator
