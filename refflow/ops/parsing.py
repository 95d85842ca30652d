"""Example records into tensors: a batch of serialized Examples in, one tensor for each wanted feature out.

A feature is asked for in one of three ways; `serialized` is a vector of batch records, or one record without the axis.

    dense    [batch, *shape]: as many values as the shape takes, or the default; where the first size is unknown, as
             many rows as the longest record has, filled up with the one default value
    sparse   indices [n, 2] of (record, place), values [n], shape [batch, longest]
    ragged   values [n], row_splits [batch + 1]

Next: ops/parse_example.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import DType, float32, int32, int64, string
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_checks import of_rank
from refflow.core.shape_rules import ShapeContext
from refflow.core.shapes import TensorShape
from refflow.core.signature import Attr
from refflow.ops.example_records import Records, listed
from refflow.ops.strings import strings

TYPES = Attr("list(type)", allowed=(float32, int64, string), minimum=0)
SPLITS = Attr("list(type)", allowed=(int32, int64), minimum=0)
COUNT = Attr("int", minimum=0)
SHAPES = Attr("list(shape)", minimum=0)
LIST_NAMES = {float32: "float", int64: "int64", string: "bytes"}

PARSE_EXAMPLE = define_op(
    "ParseExample",
    "serialized: string, names: string, sparse_keys: Nsparse * string, dense_keys: Ndense * string, "
    "dense_defaults: Tdense -> sparse_indices: Nsparse * int64, sparse_values: sparse_types, "
    "sparse_shapes: Nsparse * int64, dense_values: Tdense",
    Nsparse=COUNT, Ndense=COUNT, sparse_types=TYPES, Tdense=TYPES, dense_shapes=SHAPES, source=("W44",),
)  # fmt: skip
PARSE_EXAMPLE_V2 = define_op(
    "ParseExampleV2",
    "serialized: string, names: string, sparse_keys: string, dense_keys: string, ragged_keys: string, "
    "dense_defaults: Tdense -> sparse_indices: num_sparse * int64, sparse_values: sparse_types, "
    "sparse_shapes: num_sparse * int64, dense_values: Tdense, ragged_values: ragged_value_types, "
    "ragged_row_splits: ragged_split_types",
    Tdense=TYPES, num_sparse=COUNT, sparse_types=TYPES, ragged_value_types=TYPES, ragged_split_types=SPLITS,
    dense_shapes=SHAPES, source=("W44",),
)  # fmt: skip
PARSE_SINGLE_EXAMPLE = define_op(
    "ParseSingleExample",
    "serialized: string, dense_defaults: Tdense -> sparse_indices: num_sparse * int64, sparse_values: sparse_types, "
    "sparse_shapes: num_sparse * int64, dense_values: Tdense",
    num_sparse=COUNT, sparse_keys=Attr("list(string)", minimum=0), dense_keys=Attr("list(string)", minimum=0),
    sparse_types=TYPES, Tdense=TYPES, dense_shapes=SHAPES, source=("W44",),
)  # fmt: skip
for _op in (PARSE_EXAMPLE, PARSE_EXAMPLE_V2, PARSE_SINGLE_EXAMPLE):
    _op.no_gradient_registered()


class Dense(NamedTuple):
    """A feature that becomes a tensor of a fixed shape, or of a fixed shape in each row.

    is_variable: how many rows it has is each record's own. row: how many values make one record, or one row of it.
    """

    key: bytes
    dtype: DType
    shape: shapes.Dims
    default: np.ndarray
    is_variable: bool
    row: int


SPARSE_ORDER = "Expected type: {wanted}, Actual type: {found}"
DENSE_ORDER = "Data type: {found} but expected type: {wanted}"


def joined(parts: Sequence[Any], dtype: DType) -> np.ndarray:
    """Lists of values one after the other."""
    if dtype is string:
        return strings((value for part in parts for value in part), (sum(map(len, parts)),))
    kind = dtype.as_numpy_dtype
    if len(parts) == 1:
        return np.array(parts[0], kind)
    return np.concatenate([np.zeros(0, kind), *(np.asarray(part, kind) for part in parts)])


def sparse_feature(records: Records, key: bytes, dtype: DType) -> tuple[np.ndarray, ...]:
    """Indices, values and shape of one sparse feature."""
    values, lengths = _in_a_row(records, key, dtype)
    first = np.repeat(np.cumsum(lengths) - lengths, lengths)
    place = np.arange(len(values)) - first
    if not records.batched:
        return place[:, None].astype(np.int64), values, lengths
    indices = np.stack([np.repeat(np.arange(len(lengths)), lengths), place], axis=1).astype(np.int64)
    return indices, values, np.array([len(lengths), lengths.max(initial=0)], np.int64)


def ragged_feature(records: Records, key: bytes, dtype: DType, splits: DType) -> tuple[np.ndarray, np.ndarray]:
    """Values and row splits of one ragged feature; a single record needs no splits."""
    values, lengths = _in_a_row(records, key, dtype)
    ends = np.cumsum([0, *lengths]) if records.batched else np.zeros(0)
    return values, ends.astype(splits.as_numpy_dtype)


def _in_a_row(records: Records, key: bytes, dtype: DType) -> tuple[np.ndarray, np.ndarray]:
    """All values of a feature, and how many there are in each record."""
    found = records.together(key, dtype)
    if found is not None:
        return found
    rows = [[] if values is None else values for values in records.column(key, dtype, SPARSE_ORDER)]
    return joined(rows, dtype), np.array([len(row) for row in rows], np.int64)


def dense_values(records: Records, want: Dense) -> Any:
    """The values of each record; of all together where each has as many as the shape takes."""
    if not want.is_variable and want.row:
        found = records.together(want.key, want.dtype)
        if found is not None and (found[1] == want.row).all():
            return found[0]
    return records.column(want.key, want.dtype, DENSE_ORDER)


def dense_feature(records: Records, want: Dense, found: Any) -> np.ndarray:
    """One dense feature of all records, of what `dense_values` found."""
    if isinstance(found, np.ndarray):
        return found.reshape(len(records), *want.shape)
    if not want.is_variable:
        return _fixed_rows(records, want, found)
    rows = [_variable_row(records, want, i, values) for i, values in enumerate(found)]
    if records.batched:
        longest = max((len(row) for row in rows), default=0)
        padding = want.default.reshape(-1).tolist() or [b"" if want.dtype is string else 0]
        rows = [joined([row, padding * (longest - len(row))], want.dtype) for row in rows]
    values, rest = joined(rows, want.dtype), want.shape[1:]
    if not records.batched:
        return values.reshape(len(values) // want.row if want.row else 0, *rest)
    return values.reshape(len(rows), len(rows[0]) // want.row if rows and want.row else 0, *rest)


def _fixed_rows(records: Records, want: Dense, found: Sequence[Any]) -> np.ndarray:
    """As many values from each record as the shape takes, in memory of their own."""
    rows = [
        values if values is not None and len(values) == want.row else _fixed_row(records, want, i, values)
        for i, values in enumerate(found)
    ]
    dims: Any = (len(rows), *want.shape) if records.batched else want.shape
    whole = np.empty(dims, want.dtype.as_numpy_dtype)
    flat = whole.reshape(-1)
    if not records.batched:
        flat[:] = rows[0]
    elif want.dtype is string or want.row == 1:
        flat[:] = [value for row in rows for value in row]
    elif rows:
        np.concatenate(rows, out=flat)
    return whole


def _fixed_row(records: Records, want: Dense, i: int, values: Any) -> np.ndarray:
    """The default, where there is one and it is asked for."""
    if values is not None:
        raise _miscounted(records, want, i, len(values))
    if not want.default.size and want.row:
        raise records.missing(i, want.key, want.dtype)
    return want.default.reshape(-1)


def _variable_row(records: Records, want: Dense, i: int, values: Any) -> Any:
    if values is None:
        return []
    if want.row and len(values) % want.row:
        raise _miscounted(records, want, i, len(values))
    return values


def _miscounted(records: Records, want: Dense, i: int, count: int) -> ValueError:
    kind, dims, too_many = LIST_NAMES[want.dtype], listed(want.shape), want.dtype is string and count > want.row
    if want.is_variable:
        text = (f"Number of {kind} values is not a multiple of stride length. Saw {count} values but output shape "
                f"is: {dims}")  # fmt: skip
    elif not records.batched:
        text = "Can't parse serialized Example" + _single_detail(kind, too_many)
    elif too_many:
        text = "Can't parse serialized Example."
    else:
        text = f"Number of {kind} values != expected.  Values size: {count} but output shape: {dims}"
    return records.error(i, want.key, text)


def _single_detail(kind: str, too_many: bool) -> str:
    return f": Parsing {kind}_list failed." if too_many else f": Some {kind}_list slice was not parsed."


def wanted_dense(
    keys: Sequence[bytes], types: Sequence[DType], given: Sequence[TensorShape], defaults: Sequence[np.ndarray]
) -> list[Dense]:
    """The dense features asked for; errors where a default does not fit its shape."""
    found = []
    for i, (key, dtype, shape, default) in enumerate(zip(keys, types, given, defaults, strict=True)):
        dims = shape.as_tuple or ()
        is_variable, row = _form(dims)
        want = Dense(key, dtype, dims, default, is_variable, row)
        if is_variable and default.size != 1:
            raise ValueError(
                f"dense_shape[{i}] is a variable length shape: {listed(want.shape)}, therefore def_value[{i}] must "
                f"contain a single element (the padding element).  But its shape is: {listed(default.shape)}"
            )
        if not is_variable and default.size and default.shape != want.shape:
            raise ValueError(
                f"def_value[{i}].shape() == {listed(default.shape)} is not compatible with dense_shapes_[{i}] == "
                f"{listed(want.shape)}"
            )
        found.append(want)
    return found


@lru_cache
def _form(dims: shapes.Dims) -> tuple[bool, int]:
    """Whether a dense feature's number of rows is each record's own, and how many values are in a record or a row."""
    return bool(dims) and dims[0] is None, prod(d for d in dims if d is not None)


def _parse(serialized, names, sparse, dense, ragged):
    """All outputs, kind by kind, as the ops list them."""
    if not (sparse or dense or ragged):
        return []
    records = Records(serialized, names)
    # A type that does not fit is told before a value that is missing.
    found = [dense_values(records, want) for want in dense]
    rows = [sparse_feature(records, key, dtype) for key, dtype in sparse]
    out = [part[i] for i in range(3) for part in rows]
    out += [dense_feature(records, *both) for both in zip(dense, found, strict=True)]
    pairs = [ragged_feature(records, *feature) for feature in ragged]
    return out + [values for values, _ in pairs] + [splits for _, splits in pairs]


@PARSE_EXAMPLE.kernel
def parse_example_kernel(
    serialized, names, sparse_keys, dense_keys, dense_defaults, sparse_types, Tdense, dense_shapes
):
    sparse = list(zip([k.item() for k in sparse_keys], sparse_types, strict=True))
    dense = wanted_dense([k.item() for k in dense_keys], Tdense, dense_shapes, dense_defaults)
    return _parse(serialized, names, sparse, dense, [])


@PARSE_EXAMPLE_V2.kernel
def parse_example_v2_kernel(
    serialized, names, sparse_keys, dense_keys, ragged_keys, dense_defaults, Tdense, sparse_types,
    ragged_value_types, ragged_split_types, dense_shapes,
):  # fmt: skip
    sparse_keys, dense_keys, ragged_keys = (keys.reshape(-1) for keys in (sparse_keys, dense_keys, ragged_keys))
    for name, keys, types in (("sparse_keys", sparse_keys, sparse_types), ("dense_keys", dense_keys, Tdense),
                              ("ragged_keys", ragged_keys, ragged_value_types)):  # fmt: skip
        if len(keys) != len(types):
            listed_types = {"ragged_keys": "ragged_value_types"}.get(name, name.replace("keys", "types"))
            raise ValueError(f"Expected len({name}) == len({listed_types}) but got: {len(keys)} vs. {len(types)}")
    sparse = list(zip(sparse_keys, sparse_types, strict=True))
    ragged = list(zip(ragged_keys, ragged_value_types, ragged_split_types, strict=True))
    return _parse(serialized, names, sparse, wanted_dense(dense_keys, Tdense, dense_shapes, dense_defaults), ragged)


@PARSE_SINGLE_EXAMPLE.kernel
def parse_single_example_kernel(
    serialized, dense_defaults, sparse_keys, dense_keys, sparse_types, Tdense, dense_shapes
):
    sparse = [(key.encode(), dtype) for key, dtype in zip(sparse_keys, sparse_types, strict=True)]
    dense = wanted_dense([k.encode() for k in dense_keys], Tdense, dense_shapes, dense_defaults)
    return _parse(serialized, np.zeros(0, object), sparse, dense, [])


def check_dense_shapes(given: Sequence[TensorShape]) -> list[shapes.Dims]:
    """The dense shapes; only a first size may be unknown."""
    found: list[shapes.Dims] = []
    for i, shape in enumerate(given):
        if shape.as_tuple is None or None in shape.as_tuple[1:]:
            text = "<unknown>" if shape.as_tuple is None else listed(shape.as_tuple)
            raise ShapeError(f"dense_shapes[{i}] has unknown rank or unknown inner dimensions: {text}")
        found.append(shape.as_tuple)
    return found


@PARSE_EXAMPLE.shape
@PARSE_EXAMPLE_V2.shape
@PARSE_SINGLE_EXAMPLE.shape
def _parse_shape(context: ShapeContext) -> list[shapes.Shape]:
    dims, attrs = context.dims("serialized"), context.attrs
    most = {"ParseExample": 1, "ParseExampleV2": 1, "ParseSingleExample": 0}[context.op_def.name]
    if dims is not None and (len(dims) > most or (not dims and context.op_def is PARSE_EXAMPLE)):
        kind = {"ParseExample": "vector", "ParseExampleV2": "scalar or vector", "ParseSingleExample": "scalar"}
        text = shapes.text(dims)
        raise ShapeError(f"Expected serialized to be a {kind[context.op_def.name]}, got shape: {text}")
    if context.op_def is PARSE_EXAMPLE:
        dims = of_rank(dims, 1)
    dense = check_dense_shapes(attrs["dense_shapes"])
    count, ragged = len(attrs["sparse_types"]), len(attrs.get("ragged_value_types", ()))
    out: list[shapes.Shape] = []
    if dims is None and most:
        out += [(None, None)] * count
        out += [(None,)] * 2 * count
        out += [None] * len(dense)
        out += [(None,)] * 2 * ragged
        return out
    batch = tuple(dims or ())
    rank = len(batch) + 1
    out += [(None, rank)] * count + [(None,)] * count + [(rank,)] * count
    out += [(*batch, *shape) for shape in dense]
    rows = None if batch[:1] == (None,) else batch[0] + 1 if batch else 0  # type: ignore[operator]
    return out + [(None,)] * ragged + [(rows,)] * ragged


_RECORD = b"\n\x0c\n\n\n\x01a\x12\x05\x1a\x03\n\x01\x05"  # {a: [5]}
PARSE_EXAMPLE.case(
    "W44", "sparse and dense", serialized=np.array([_RECORD], object), names=np.zeros(0, object),
    sparse_keys=[np.array(b"a", object)], dense_keys=[np.array(b"b", object)], dense_defaults=[np.array([7])],
    Nsparse=1, Ndense=1, sparse_types=[int64], Tdense=[int64], dense_shapes=[TensorShape([1])],
    sparse_indices=[np.array([[0, 0]])], sparse_values=[np.array([5])], sparse_shapes=[np.array([1, 1])],
    dense_values=[np.array([[7]])],
)  # fmt: skip
PARSE_EXAMPLE_V2.case(
    "W44", "ragged", serialized=np.array([_RECORD, b""], object), names=np.zeros(0, object),
    sparse_keys=np.zeros(0, object), dense_keys=np.zeros(0, object), ragged_keys=np.array([b"a"], object),
    dense_defaults=[], num_sparse=0, sparse_types=[], Tdense=[], dense_shapes=[], ragged_value_types=[int64],
    ragged_split_types=[int32], ragged_values=[np.array([5])], ragged_row_splits=[np.array([0, 1, 1], np.int32)],
)  # fmt: skip
PARSE_EXAMPLE_V2.case(
    "W44", "what has no default is needed", serialized=np.array([_RECORD], object), names=np.zeros(0, object),
    sparse_keys=np.zeros(0, object), dense_keys=np.array([b"b"], object), ragged_keys=np.zeros(0, object),
    dense_defaults=[np.zeros(0, np.float32)], num_sparse=0, sparse_types=[], Tdense=[float32],
    dense_shapes=[TensorShape([2])], ragged_value_types=[], ragged_split_types=[],
    error="Feature: b (data type: float) is required but could not be found.",
)  # fmt: skip
PARSE_SINGLE_EXAMPLE.case(
    "W44", "one record, no batch axis", serialized=np.array(_RECORD, object), dense_defaults=[np.zeros(0, np.int64)],
    num_sparse=0, sparse_keys=[], dense_keys=["a"], sparse_types=[], Tdense=[int64], dense_shapes=[TensorShape([1])],
    dense_values=[np.array([5])],
)  # fmt: skip
