"""Sequence examples into tensors: features of the whole record (context), and lists of features, one a time step.

    dense    [batch, time, *shape], shorter lists filled up with zeros, and each list's length
    sparse   indices [n, 3] of (record, time, place)
    ragged   values, inner splits that divide them into steps, outer splits that divide steps into records

Without a batch the first axis goes. ParseSingleSequenceExample is the first release's op for one record.

Next: ops/lookup_tables.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import float32, int32, int64, string
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_checks import of_rank
from refflow.core.shape_rules import ShapeContext
from refflow.core.shapes import TensorShape
from refflow.core.signature import Attr
from refflow.ops.example_records import listed
from refflow.ops.sequence_record import (
    Dims,
    SequenceRecord,
    context_dense,
    context_ragged,
    context_sparse,
    list_dense,
    list_ragged,
    list_sparse,
)

_TYPES = Attr("list(type)", default=[], allowed=(float32, int64, string))
_SPLITS = Attr("list(type)", default=[], allowed=(int32, int64))
_COUNT = Attr("int", default=0, minimum=0)
_SHAPES = Attr("list(shape)", default=[])
_NAMES = Attr("list(string)", minimum=0)
_COMMON: dict[str, Any] = {
    "Ncontext_sparse": _COUNT, "Nfeature_list_sparse": _COUNT, "Nfeature_list_dense": _COUNT,
    "context_sparse_types": _TYPES, "Tcontext_dense": _TYPES, "feature_list_dense_types": _TYPES,
    "context_dense_shapes": _SHAPES, "feature_list_sparse_types": _TYPES, "feature_list_dense_shapes": _SHAPES,
    "source": ("W44",),
}  # fmt: skip
_CONTEXT = (
    "context_sparse_indices: Ncontext_sparse * int64, context_sparse_values: context_sparse_types, "
    "context_sparse_shapes: Ncontext_sparse * int64, context_dense_values: Tcontext_dense, "
)
_LISTS = (
    "feature_list_sparse_indices: Nfeature_list_sparse * int64, feature_list_sparse_values: feature_list_sparse_types, "
    "feature_list_sparse_shapes: Nfeature_list_sparse * int64, feature_list_dense_values: feature_list_dense_types"
)
PARSE_SINGLE = define_op(
    "ParseSingleSequenceExample",
    "serialized: string, feature_list_dense_missing_assumed_empty: string, "
    "context_sparse_keys: Ncontext_sparse * string, context_dense_keys: Ncontext_dense * string, "
    "feature_list_sparse_keys: Nfeature_list_sparse * string, feature_list_dense_keys: Nfeature_list_dense * string, "
    f"context_dense_defaults: Tcontext_dense, debug_name: string -> {_CONTEXT}{_LISTS}",
    Ncontext_dense=_COUNT, **_COMMON,
)  # fmt: skip
PARSE = define_op(
    "ParseSequenceExample",
    f"serialized: string, debug_name: string, context_dense_defaults: Tcontext_dense -> {_CONTEXT}{_LISTS}, "
    "feature_list_dense_lengths: Nfeature_list_dense * int64",
    feature_list_dense_missing_assumed_empty=_NAMES, context_sparse_keys=_NAMES, context_dense_keys=_NAMES,
    feature_list_sparse_keys=_NAMES, feature_list_dense_keys=_NAMES, Ncontext_dense=_COUNT, **_COMMON,
)  # fmt: skip
PARSE_V2 = define_op(
    "ParseSequenceExampleV2",
    "serialized: string, debug_name: string, context_sparse_keys: string, context_dense_keys: string, "
    "context_ragged_keys: string, feature_list_sparse_keys: string, feature_list_dense_keys: string, "
    "feature_list_ragged_keys: string, feature_list_dense_missing_assumed_empty: bool, "
    f"context_dense_defaults: Tcontext_dense -> {_CONTEXT}"
    "context_ragged_values: context_ragged_value_types, context_ragged_row_splits: context_ragged_split_types, "
    f"{_LISTS}, feature_list_dense_lengths: Nfeature_list_dense * int64, "
    "feature_list_ragged_values: feature_list_ragged_value_types, "
    "feature_list_ragged_outer_splits: feature_list_ragged_split_types, "
    "feature_list_ragged_inner_splits: feature_list_ragged_split_types",
    context_ragged_value_types=_TYPES, context_ragged_split_types=_SPLITS, feature_list_ragged_value_types=_TYPES,
    feature_list_ragged_split_types=_SPLITS, **_COMMON,
)  # fmt: skip
for _op in (PARSE_SINGLE, PARSE, PARSE_V2):
    _op.no_gradient_registered()

# -- the three ops -----------------------------------------------------------------------------------


def _columns(rows: Sequence[Sequence[Any]], count: int) -> list[Any]:
    """Results by output instead of by feature."""
    return [row[i] for i in range(count) for row in rows]


def _open(serialized: np.ndarray, names: np.ndarray, old: bool = False) -> list[SequenceRecord]:
    if names.size not in (0, serialized.size):
        raise ValueError("example_names must be empty or have the correct number of elements")
    default = "" if old else "<unknown>"
    labels = [n.decode() for n in names.reshape(-1)] if names.size else [default] * serialized.size
    return [SequenceRecord(text, label, old) for text, label in zip(serialized.reshape(-1), labels, strict=True)]


def _texts(keys: Any) -> list[bytes]:
    return [key if isinstance(key, bytes) else key.encode() if isinstance(key, str) else key.item() for key in keys]


def _dims(dense: Sequence[TensorShape]) -> list[Dims]:
    return [tuple(int(size or 0) for size in shape.as_list()) for shape in dense]  # all known: the shape rule saw to it


@PARSE_SINGLE.kernel
def parse_single_sequence_example_kernel(
    serialized, feature_list_dense_missing_assumed_empty, context_sparse_keys, context_dense_keys,
    feature_list_sparse_keys, feature_list_dense_keys, context_dense_defaults, debug_name, context_sparse_types,
    Tcontext_dense, feature_list_dense_types, context_dense_shapes, feature_list_sparse_types,
    feature_list_dense_shapes,
):  # fmt: skip
    dense = _dims(context_dense_shapes)
    for i, (default, dims) in enumerate(zip(context_dense_defaults, dense, strict=True)):
        if default.size and default.shape != dims:
            raise ValueError(
                f"def_value[{i}].shape() == {listed(default.shape)} != context_dense_shapes_[{i}] == {listed(dims)}"
            )
    may_miss = set(feature_list_dense_missing_assumed_empty.reshape(-1))
    records = _open(serialized, debug_name, old=True)
    rows = [context_sparse(records, k, t, False)
            for k, t in zip(_texts(context_sparse_keys), context_sparse_types, strict=True)]  # fmt: skip
    out = _columns(rows, 3)
    out += [context_dense(records, k, t, d, v, False) for k, t, d, v in
            zip(_texts(context_dense_keys), Tcontext_dense, dense, context_dense_defaults, strict=True)]  # fmt: skip
    rows = [list_sparse(records, k, t, False)
            for k, t in zip(_texts(feature_list_sparse_keys), feature_list_sparse_types, strict=True)]  # fmt: skip
    out += _columns(rows, 3)
    sizes = _dims(feature_list_dense_shapes)
    lists = zip(_texts(feature_list_dense_keys), feature_list_dense_types, sizes, strict=True)
    return out + [list_dense(records, k, t, d, k in may_miss, False)[0] for k, t, d in lists]


@PARSE.kernel
def parse_sequence_example_kernel(
    serialized, debug_name, context_dense_defaults, feature_list_dense_missing_assumed_empty, context_sparse_keys,
    context_dense_keys, feature_list_sparse_keys, feature_list_dense_keys, context_sparse_types, Tcontext_dense,
    feature_list_dense_types, context_dense_shapes, feature_list_sparse_types, feature_list_dense_shapes,
):  # fmt: skip
    may_miss = [key in feature_list_dense_missing_assumed_empty for key in feature_list_dense_keys]
    context = (context_sparse_keys, context_sparse_types), (context_dense_keys, Tcontext_dense, context_dense_shapes)
    lists = (feature_list_sparse_keys, feature_list_sparse_types), (
        feature_list_dense_keys, feature_list_dense_types, feature_list_dense_shapes, may_miss
    )  # fmt: skip
    return _parse(serialized, debug_name, context_dense_defaults, context, ((), (), ()), lists, ((), (), ()))


@PARSE_V2.kernel
def parse_sequence_example_v2_kernel(
    serialized, debug_name, context_sparse_keys, context_dense_keys, context_ragged_keys, feature_list_sparse_keys,
    feature_list_dense_keys, feature_list_ragged_keys, feature_list_dense_missing_assumed_empty,
    context_dense_defaults, context_sparse_types, Tcontext_dense, context_ragged_value_types,
    context_ragged_split_types, context_dense_shapes, feature_list_dense_types, feature_list_sparse_types,
    feature_list_ragged_value_types, feature_list_ragged_split_types, feature_list_dense_shapes,
):  # fmt: skip
    both = {*feature_list_sparse_keys, *feature_list_ragged_keys} & {*feature_list_dense_keys}
    if both:
        raise ValueError(f"Sequence feature {both.pop().decode()} cannot be both dense and sparse")
    context = (context_sparse_keys, context_sparse_types), (context_dense_keys, Tcontext_dense, context_dense_shapes)
    lists = (feature_list_sparse_keys, feature_list_sparse_types), (
        feature_list_dense_keys, feature_list_dense_types, feature_list_dense_shapes,
        feature_list_dense_missing_assumed_empty,
    )  # fmt: skip
    ragged_context = context_ragged_keys, context_ragged_value_types, context_ragged_split_types
    ragged_lists = feature_list_ragged_keys, feature_list_ragged_value_types, feature_list_ragged_split_types
    return _parse(serialized, debug_name, context_dense_defaults, context, ragged_context, lists, ragged_lists)


def _parse(
    serialized: np.ndarray, names: np.ndarray, defaults: Any, context: Any, ragged_context: Any, lists: Any,
    ragged_lists: Any,
) -> list[Any]:  # fmt: skip
    """All outputs in the order of the newest op; what is not asked for is no output."""
    batched = serialized.ndim == 1
    (sparse_keys, sparse_types), (dense_keys, dense_types, dense_shapes) = context
    records = _open(serialized, names)
    rows = [context_sparse(records, k, t, batched) for k, t in zip(_texts(sparse_keys), sparse_types, strict=True)]
    out = _columns(rows, 3)
    out += [
        context_dense(records, k, t, d, v, batched)
        for k, t, d, v in zip(_texts(dense_keys), dense_types, _dims(dense_shapes), defaults, strict=True)
    ]
    pairs = [context_ragged(records, k, t, s, batched) for k, t, s in zip(*ragged_context, strict=True)]
    out += _columns(pairs, 2)
    (sparse_keys, sparse_types), (dense_keys, dense_types, dense_shapes, may_miss) = lists
    rows = [list_sparse(records, k, t, batched) for k, t in zip(_texts(sparse_keys), sparse_types, strict=True)]
    out += _columns(rows, 3)
    dense = zip(_texts(dense_keys), dense_types, _dims(dense_shapes), may_miss, strict=True)
    out += _columns([list_dense(records, k, t, d, bool(m), batched) for k, t, d, m in dense], 2)
    ragged = zip(*ragged_lists, strict=True)
    return out + _columns([list_ragged(records, k, t, s, batched) for k, t, s in ragged], 3)


def _need_plain_keys(context: ShapeContext) -> None:
    """Keys and the name come one by one; which lists may lack comes as a vector."""
    assumed = context.dims("feature_list_dense_missing_assumed_empty")
    if assumed is not None and len(assumed) != 1:
        raise ShapeError(
            f"Expected feature_list_dense_missing_assumed_empty to be a vector, got shape: {shapes.text(assumed)}"
        )
    named = [("debug_name", context.dims("debug_name"))]
    for kind in ("context_sparse", "context_dense", "feature_list_sparse", "feature_list_dense"):
        named += [(f"{kind}_keys[{i}]", dims) for i, dims in enumerate(context.list_dims(f"{kind}_keys"))]
    for name, dims in named:
        if dims:
            raise ShapeError(f"Expected {name} to be a scalar, got shape: {shapes.text(dims)}")


@PARSE_SINGLE.shape
@PARSE.shape
@PARSE_V2.shape
def _sequence_shape(context: ShapeContext) -> list[shapes.Shape]:
    attrs, dims, op = context.attrs, context.dims("serialized"), context.op_def
    most = 0 if op is PARSE_SINGLE else 1
    if dims is not None and (len(dims) > most or (op is PARSE and len(dims) < 1)):
        raise ShapeError(
            f"Expected serialized to be a {'vector' if most else 'scalar'}, got shape: {shapes.text(dims)}. "
            f"Shape must be {'at most ' if op is PARSE_V2 else ''}rank {most} but is rank {len(dims)}"
        )
    if op is PARSE_SINGLE:
        _need_plain_keys(context)
    for shape in (*attrs["context_dense_shapes"], *attrs["feature_list_dense_shapes"]):
        if not shape.is_fully_defined():
            raise ShapeError(f"Shape {shape} is not fully defined")
    dims = of_rank(dims, 1) if op is PARSE else dims
    if dims is None and most:
        return [None] * len(op.output_types(attrs))
    batch = tuple(dims or ())
    rank = len(batch)

    def sparse(count: int, axes: int) -> list[shapes.Shape]:
        return [*[(None, axes)] * count, *[(None,)] * count, *[(axes,)] * count]

    out = sparse(len(attrs["context_sparse_types"]), rank + 1)
    out += [(*batch, *d) for d in _dims(attrs["context_dense_shapes"])]
    ragged = len(attrs.get("context_ragged_value_types", ()))
    rows: shapes.Shape = (None if batch[0] is None else batch[0] + 1,) if batch else ()
    out += [*[(None,)] * ragged, *[rows] * ragged]
    out += sparse(len(attrs["feature_list_sparse_types"]), rank + 2)
    dense = _dims(attrs["feature_list_dense_shapes"])
    out += [(*batch, None, *d) for d in dense]
    if op is not PARSE_SINGLE:
        out += [batch] * len(dense)
    ragged = len(attrs.get("feature_list_ragged_value_types", ()))
    return [*out, *[(None,)] * ragged, *[rows] * ragged, *[(None,)] * ragged]


_RECORD = (  # context {c: [5]}, lists {l: [[1], [2]]}
    b"\n\x0c\n\n\n\x01c\x12\x05\x1a\x03\n\x01\x05"
    b"\x12\x15\n\x13\n\x01l\x12\x0e\n\x05\x1a\x03\n\x01\x01\n\x05\x1a\x03\n\x01\x02"
)
_NONE: dict[str, Any] = {
    "context_sparse_keys": [], "context_dense_keys": [], "context_dense_defaults": [], "context_sparse_types": [],
    "Tcontext_dense": [], "context_dense_shapes": [], "feature_list_sparse_keys": [], "feature_list_sparse_types": [],
    "feature_list_dense_keys": [], "feature_list_dense_types": [], "feature_list_dense_shapes": [],
}  # fmt: skip
PARSE.case(
    "W44", "a list has its length", serialized=np.array([_RECORD], object), debug_name=np.zeros(0, object),
    **_NONE | {"feature_list_dense_keys": ["l"], "feature_list_dense_types": [int64], "Nfeature_list_dense": 1,
               "feature_list_dense_shapes": [TensorShape([1])]},
    feature_list_dense_missing_assumed_empty=[], feature_list_dense_values=[np.array([[[1], [2]]])],
    feature_list_dense_lengths=[np.array([2])],
)  # fmt: skip
_KEYS = {key: np.zeros(0, object) for key in _NONE if key.endswith("_keys")}
PARSE_V2.case(
    "W44", "steps and records", serialized=np.array([_RECORD], object), debug_name=np.zeros(0, object),
    **_NONE | _KEYS | {"feature_list_ragged_keys": np.array([b"l"], object)},
    context_ragged_keys=np.zeros(0, object), feature_list_dense_missing_assumed_empty=np.zeros(0, bool),
    feature_list_ragged_value_types=[int64],
    feature_list_ragged_split_types=[int32], context_ragged_value_types=[], context_ragged_split_types=[],
    feature_list_ragged_values=[np.array([1, 2])], feature_list_ragged_outer_splits=[np.array([0, 2], np.int32)],
    feature_list_ragged_inner_splits=[np.array([0, 1, 2], np.int32)],
)  # fmt: skip
PARSE_SINGLE.case(
    "W44", "one record", serialized=np.array(_RECORD, object), debug_name=np.array(b"", object),
    **_NONE | {"context_sparse_keys": [np.array(b"c", object)], "context_sparse_types": [int64], "Ncontext_sparse": 1},
    feature_list_dense_missing_assumed_empty=np.zeros(0, object), context_sparse_indices=[np.array([[0]])],
    context_sparse_values=[np.array([5])], context_sparse_shapes=[np.array([1])],
)  # fmt: skip
PARSE_SINGLE.case(
    "W44", "a list must be there", serialized=np.array(_RECORD, object), debug_name=np.array(b"r", object),
    **_NONE | {"feature_list_dense_keys": [np.array(b"x", object)], "feature_list_dense_types": [int64],
               "feature_list_dense_shapes": [TensorShape([1])], "Nfeature_list_dense": 1},
    feature_list_dense_missing_assumed_empty=np.zeros(0, object),
    error="Name: r, Feature list 'x' is required but could not be found.",
)  # fmt: skip
