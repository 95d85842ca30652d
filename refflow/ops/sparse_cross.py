"""Feature crosses: every combination of the features that an example has, one of each column [W06].

    [a] x [b, c]   ->   a_X_b, a_X_c                    the last column changes fastest

A combination is its features' texts joined, or a number: the features' fingerprints mixed one after the other,
modulo the number of buckets. Columns are sparse tensors [batch, features], dense ones, or for RaggedCross ragged ones.

Next: ops/string_hash.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import INDICES, int64, string
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_checks import need_rank, size_at
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.string_hash import fingerprint64, siphash

_KINDS = (int64, string)
_KIND = Attr("type", allowed=_KINDS)
_LIST = Attr("list(type)", allowed=_KINDS)
_COLUMNS = "indices: N * int64, values: sparse_types, shapes: N * int64, dense_inputs: dense_types"
_ATTRS: dict[str, Any] = {"N": Attr("int", minimum=0), "sparse_types": _LIST, "dense_types": _LIST}
CROSS = define_op(
    "SparseCross", f"{_COLUMNS} -> output_indices: int64, output_values: out_type, output_shape: int64", **_ATTRS,
    hashed_output=Attr("bool"), num_buckets=Attr("int", minimum=0), hash_key=Attr("int"), out_type=_KIND,
    internal_type=_KIND, source=("W06",),
)  # fmt: skip
CROSS_V2 = define_op(
    "SparseCrossV2", f"{_COLUMNS}, sep: string -> output_indices: int64, output_values: string, output_shape: int64",
    **_ATTRS, source=("W06",),
)  # fmt: skip
CROSS_HASHED = define_op(
    "SparseCrossHashed", f"{_COLUMNS}, num_buckets: int64, strong_hash: bool, salt: int64 -> output_indices: int64, "
    "output_values: int64, output_shape: int64", **_ATTRS, source=("W06",),
)  # fmt: skip
RAGGED_CROSS = define_op(
    "RaggedCross", "ragged_values: ragged_values_types, ragged_row_splits: ragged_splits_types, sparse_indices: "
    "Nsparse * int64, sparse_values: sparse_values_types, sparse_shape: Nsparse * int64, dense_inputs: dense_types -> "
    "output_values: out_values_type, output_row_splits: out_row_splits_type", Nsparse=Attr("int", minimum=0),
    input_order=Attr("string"), hashed_output=Attr("bool"), num_buckets=Attr("int", minimum=0), hash_key=Attr("int"),
    ragged_values_types=_LIST, ragged_splits_types=Attr("list(type)", allowed=INDICES), sparse_values_types=_LIST,
    dense_types=_LIST, out_values_type=_KIND, out_row_splits_type=Attr("type", allowed=INDICES), source=("W06",),
)  # fmt: skip
for _op in (CROSS, CROSS_V2, CROSS_HASHED, RAGGED_CROSS):
    _op.no_gradient_registered()

Rows = list[list[Any]]  # a column: for each example its features

# -- columns ---------------------------------------------------------------------------------------------------------


def _sparse_rows(indices: np.ndarray, values: np.ndarray, batch: int) -> Rows:
    """Each example's features; reading ends at the first place that is out of order."""
    at, rows, where, features = 0, [], indices[:, 0].tolist(), values.tolist()
    for example in range(batch):
        start = at
        while at < len(where) and where[at] == example:
            at += 1
        rows.append(features[start:at])
    return rows


def _columns(indices: Any, values: Any, dims: Any, dense: Any) -> list[Rows]:
    batch = int(dims[0][0]) if dims else len(dense[0]) if dense else 0
    for i, part in enumerate(dims):
        if len(part) != 2:
            raise ValueError(f"shape should imply a 2D tensor, but got {shapes.text(part.shape)} at position {i}")
        if part[0] != batch:
            raise ValueError(f"Expected batch size {batch} got {int(part[0])} at position {i}")
    for i, part in enumerate(dense):
        if len(part) != batch:
            raise ValueError(f"Expected batch size {batch} got {len(part)} at dense tensor {i}")
    sparse = [_sparse_rows(w, v, batch) for w, v in zip(indices, values, strict=True)]
    return sparse + [part.tolist() for part in dense]


def _mapped(columns: list[Rows], function: Callable[[Any], Any]) -> list[Rows]:
    return [[[function(feature) for feature in row] for row in column] for column in columns]


def _text(feature: Any) -> bytes:
    return feature if isinstance(feature, bytes) else str(feature).encode()


# -- combinations ----------------------------------------------------------------------------------------------------

_ALL, _MULTIPLIER = (1 << 64) - 1, 0xC6A4A7935BD1E995


def fingerprint_cat(first: int, second: int) -> int:
    """The fingerprint of two fingerprints, in this order."""

    def mix(x: int) -> int:
        return x ^ x >> 47

    found = first ^ _MULTIPLIER ^ mix(second * _MULTIPLIER & _ALL) * _MULTIPLIER & _ALL
    return mix(mix(found * _MULTIPLIER & _ALL) * _MULTIPLIER & _ALL)


def _joined(columns: list[Rows], separator: bytes) -> Rows:
    return _combined(_mapped(columns, _text), separator.join)


def _hashed(columns: list[Rows], buckets: int, start: int | None, of_text: Callable[[bytes], int]) -> Rows:
    """Numbers; a start value, where there is one, is mixed in first. Without buckets, any but the largest."""
    numbers = _mapped(columns, lambda f: of_text(f) if isinstance(f, bytes) else f & _ALL)

    def number(features: Sequence[int]) -> int:
        found, rest = (features[0], features[1:]) if start is None else (start & _ALL, features)
        for feature in rest:
            found = fingerprint_cat(found, feature)
        return found % (buckets if buckets > 0 else (1 << 63) - 1)

    return _combined(numbers, number)


def _combined(columns: list[Rows], join: Callable[[Any], Any]) -> Rows:
    if not columns:
        return []
    return [[join(features) for features in itertools.product(*rows)] for rows in zip(*columns, strict=True)]


def _as_sparse(rows: Rows, dtype: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    places = [(i, j) for i, row in enumerate(rows) for j in range(len(row))]
    indices = np.array(places, np.int64).reshape(-1, 2)
    return indices, _flat(rows, dtype), np.array([len(rows), max(map(len, rows), default=0)], np.int64)


def _flat(rows: Rows, dtype: Any) -> np.ndarray:
    flat = [feature for row in rows for feature in row]
    found = np.empty(len(flat), dtype.as_numpy_dtype)
    found[:] = flat
    return found


@CROSS_V2.kernel
def cross_v2_kernel(indices, values, shapes, dense_inputs, sep):
    return _as_sparse(_joined(_columns(indices, values, shapes, dense_inputs), sep.item()), string)


def _low_halves(numbers: np.ndarray) -> np.ndarray:
    """The lower four bytes of each int64 as text: TensorFlow hashes no more of a sparse column's numbers."""
    found = np.empty(len(numbers), object)
    found[:] = [int(n).to_bytes(8, "little", signed=True)[:4] for n in numbers]
    return found


@CROSS_HASHED.kernel
def cross_hashed_kernel(indices, values, shapes, dense_inputs, num_buckets, strong_hash, salt):
    if len(salt) != 2:
        raise ValueError(f'Input "salt" must have length 2 but has length {len(salt)}')
    key = [int(k) for k in salt]
    of_text = (lambda text: siphash(text, *key)) if strong_hash else fingerprint64
    values = [v if v.dtype == object else _low_halves(v) for v in values]
    columns = _columns(indices, values, shapes, dense_inputs)
    return _as_sparse(_hashed(columns, int(num_buckets), None, of_text), int64)


@CROSS.kernel
def cross_kernel(
    indices, values, shapes, dense_inputs, hashed_output, num_buckets, hash_key, out_type, internal_type, sparse_types,
    dense_types,
):  # fmt: skip
    for what, types in (("Input values", sparse_types), ("Dense inputs", dense_types)):
        for kind in types:
            if internal_type is string and kind is not string:
                raise ValueError(f"{what} should be of internal type {int(string)} but received {int(kind)}")
    columns = _columns(indices, values, shapes, dense_inputs)
    if out_type is string:
        return _as_sparse(_joined(columns, b"_X_"), string)
    return _as_sparse(_hashed(columns, num_buckets, hash_key, fingerprint64), int64)


@CROSS.shape
@CROSS_V2.shape
@CROSS_HASHED.shape
def _cross_shape(context: ShapeContext) -> list[shapes.Shape]:
    parts = [context.list_dims(n) for n in ("indices", "values", "shapes")]
    for i, where in enumerate(parts[0]):
        need_rank(where, 2, f"Input indices should be a matrix but received shape {{0}} at position {i}")
        if size_at(where, 1) not in (None, 2):
            raise ShapeError(f"Expected D2 of index to be 2 got {size_at(where, 1)} at position {i}")
    if len(parts[1]) != len(parts[0]):
        raise ShapeError(f"Expected {len(parts[0])} input values, got {len(parts[1])}")
    for i, (where, values) in enumerate(zip(parts[0], parts[1], strict=True)):
        need_rank(values, 1, f"Input values should be a vector but received shape {{0}} at position {i}")
        if None not in (size_at(where, 0), size_at(values, 0)) and size_at(where, 0) != size_at(values, 0):
            raise ShapeError(
                f"Expected size of values to be {size_at(where, 0)} got {size_at(values, 0)} at position {i}"
            )
    for i, dims in enumerate(parts[2]):
        need_rank(dims, 1, f"Input shapes should be a vector but received shape {{0}} at position {i}")
    for i, dims in enumerate(context.list_dims("dense_inputs")):
        need_rank(dims, 2, f"Dense inputs should be a matrix but received shape {{0}} at position {i}")
    return [(None, 2), (None,), (2,)]


# -- ragged ----------------------------------------------------------------------------------------------------------


def _check_splits(splits: np.ndarray, size: int) -> None:
    text = "Invalid ragged splits: "
    if not splits.size or splits[0] != 0:
        first = splits[0] if splits.size else "none"
        raise ValueError(f"{text}first element of ragged splits must be 0 but is {first}")
    for i, (before, after) in enumerate(itertools.pairwise(splits.tolist()), 1):
        if after < before:
            raise ValueError(
                f"{text}ragged splits must be monotonically increasing, but ragged_splits[{i}]={after} is smaller "
                f"than row_splits[{i - 1}]={before}"
            )
    if splits[-1] != size:
        raise ValueError(
            f"{text}last element of ragged splits must be the number of ragged values({size}) but is {splits[-1]}"
        )


@RAGGED_CROSS.kernel
def ragged_cross_kernel(
    ragged_values, ragged_row_splits, sparse_indices, sparse_values, sparse_shape, dense_inputs, input_order,
    hashed_output, num_buckets, hash_key, out_values_type, out_row_splits_type,
):  # fmt: skip
    """`input_order` says by one letter each which kind the columns are: R, S or D."""
    for values, splits in zip(ragged_values, ragged_row_splits, strict=True):
        _check_splits(splits, len(values))
    if len(input_order) != len(ragged_values) + len(sparse_values) + len(dense_inputs):
        raise ValueError("Invalid length for input_order")
    ragged = [[v[a:b].tolist() for a, b in itertools.pairwise(s)]
              for v, s in zip(ragged_values, ragged_row_splits, strict=True)]  # fmt: skip
    batches = [len(rows) for rows in ragged] + [int(s[0]) for s in sparse_shape] + [len(d) for d in dense_inputs]
    if len(set(batches)) > 1:
        raise ValueError("inputs must all have the same batch dimension size.")
    sparse = [_sparse_rows(w, v, int(s[0]))
              for w, v, s in zip(sparse_indices, sparse_values, sparse_shape, strict=True)]  # fmt: skip
    kinds = {"R": iter(ragged), "S": iter(sparse), "D": iter([d.tolist() for d in dense_inputs])}
    columns = [next(kinds[letter]) for letter in input_order]
    if hashed_output:
        rows = _hashed(columns, num_buckets, hash_key, fingerprint64)
    else:
        rows = _joined(columns, b"_X_")
    splits = np.concatenate([[0], np.cumsum([len(r) for r in rows])])
    return _flat(rows, out_values_type), splits.astype(out_row_splits_type.as_numpy_dtype)


@RAGGED_CROSS.shape
def _ragged_cross_shape(context: ShapeContext) -> list[shapes.Shape]:
    for part in context.list_dims("ragged_values"):
        need_rank(part, 1, "tf.ragged.cross only supports inputs with rank=2. One has values of shape {0}")
    for part in context.list_dims("ragged_row_splits"):
        need_rank(part, 1, "ragged_row_splits must be vectors, but one has shape {0}")
    splits: shapes.Shape = (None,)
    for part in context.list_dims("ragged_row_splits"):
        splits = shapes.merge(splits, part)
    for part in context.list_dims("dense_inputs"):
        rows = size_at(part, 0) if part else None
        splits = (rows + 1,) if splits == (None,) and rows is not None else splits
    return [(None,), splits]


_I, _D = np.array([[0, 0], [1, 0], [1, 1]]), np.array([2, 2])
_ONE: dict[str, Any] = {"N": 1, "sparse_types": ["int64"], "dense_types": ["int64"], "indices": [_I], "shapes": [_D],
                        "values": [np.array([1, 2, 3])], "dense_inputs": [np.array([[7], [8]])]}  # fmt: skip
_PLACES: dict[str, Any] = {"output_indices": _I, "output_shape": _D}
CROSS_V2.case("W06", "texts joined", **_ONE, sep=b"_Y_", **_PLACES, output_values=[b"1_Y_7", b"2_Y_8", b"3_Y_8"])
CROSS_V2.case("W06", "one batch", **{**_ONE, "dense_inputs": [np.array([[7]])]}, sep=b"_Y_",
              error="Expected batch size 2 got 1 at dense tensor 0")  # fmt: skip
CROSS.case("W06", "texts joined", **_ONE, hashed_output=False, num_buckets=0, hash_key=0, out_type="string",
           internal_type="int64", **_PLACES, output_values=[b"1_X_7", b"2_X_8", b"3_X_8"])  # fmt: skip
CROSS_HASHED.case("W06", "one bucket", **_ONE, num_buckets=np.int64(1), strong_hash=np.array(False),
                  salt=np.array([1, 2]), **_PLACES, output_values=np.array([0, 0, 0]))  # fmt: skip
RAGGED_CROSS.case(
    "W06", "texts joined", ragged_values=[np.array([1, 2, 3])], ragged_row_splits=[np.array([0, 1, 3])], Nsparse=0,
    sparse_indices=[], sparse_values=[], sparse_shape=[], dense_inputs=[np.array([[7], [8]])], input_order="DR",
    hashed_output=False, num_buckets=0, hash_key=0, ragged_values_types=["int64"], ragged_splits_types=["int64"],
    sparse_values_types=[], dense_types=["int64"], out_values_type="string", out_row_splits_type="int64",
    output_values=[b"7_X_1", b"8_X_2", b"8_X_3"], output_row_splits=np.array([0, 1, 3]),
)  # fmt: skip
