"""Sparse tensors in strings, and in a map that a graph's steps share [W06].

    SerializeSparse         indices, values and shape as three TensorProtos
    SerializeManySparse     so for each row of a minibatch, whose first axis is gone then
    DeserializeSparse       the sparse tensors put together along new first axes; sizes as large as the largest
    AddSparseToTensorsMap   keeps a sparse tensor and gives its number; TakeMany... gives it back, once

Next: ops/tensor_proto.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from refflow.core import locks, shapes
from refflow.core.dtypes import DType, as_dtype, int64, string, variant
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_checks import need_rank
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.sparse import ANY, check_order, same_counts
from refflow.ops.sparse_join import PARTS_MUST_FIT
from refflow.ops.tensor_proto import from_bytes, to_bytes

_THREE = "sparse_indices: int64, sparse_values: T, sparse_shape: int64"
_BACK = "sparse_indices: int64, sparse_values: dtype, sparse_shape: int64"
_TEXT = Attr("type", default=string, allowed=(string, variant))
_NAMED: dict[str, Any] = {"container": "", "shared_name": ""}

SERIALIZE = define_op("SerializeSparse", f"{_THREE} -> serialized_sparse: out_type", T=ANY, out_type=_TEXT,
                      source=("W06",))  # fmt: skip
SERIALIZE_MANY = define_op("SerializeManySparse", f"{_THREE} -> serialized_sparse: out_type", T=ANY, out_type=_TEXT,
                           source=("W06",))  # fmt: skip
DESERIALIZE = define_op("DeserializeSparse", f"serialized_sparse: Tserialized -> {_BACK}", dtype=ANY, Tserialized=_TEXT,
                        source=("W06",))  # fmt: skip
DESERIALIZE_MANY = define_op("DeserializeManySparse", f"serialized_sparse: string -> {_BACK}", dtype=ANY,
                             source=("W06",))  # fmt: skip
ADD_TO_MAP = define_op("AddSparseToTensorsMap", f"{_THREE} -> sparse_handle: int64", T=ANY, **_NAMED, stateful=True,
                       source=("W47",))  # fmt: skip
ADD_MANY_TO_MAP = define_op("AddManySparseToTensorsMap", f"{_THREE} -> sparse_handles: int64", T=ANY, **_NAMED,
                            stateful=True, source=("W47",))  # fmt: skip
TAKE_MANY = define_op("TakeManySparseFromTensorsMap", f"sparse_handles: int64 -> {_BACK}", dtype=ANY, **_NAMED,
                      stateful=True, source=("W47",))  # fmt: skip
for _op in (SERIALIZE, SERIALIZE_MANY, DESERIALIZE, DESERIALIZE_MANY, ADD_TO_MAP, ADD_MANY_TO_MAP, TAKE_MANY):
    _op.no_gradient_registered()


class Parts(NamedTuple):
    """One sparse tensor."""

    indices: np.ndarray
    values: np.ndarray
    shape: np.ndarray


# -- checks ----------------------------------------------------------------------------------------------------------


def _ranks(context: ShapeContext) -> tuple[shapes.Shape, shapes.Shape, shapes.Shape]:
    parts = [context.dims(f"sparse_{n}") for n in ("indices", "values", "shape")]
    need_rank(parts[0], 2, "Input indices should be a matrix but received shape {0}")
    need_rank(parts[1], 1, "Input values should be a vector but received shape {0}")
    need_rank(parts[2], 1, "Input shape should be a vector but received shape {0}")
    return parts[0], parts[1], parts[2]


def _many_ranks(context: ShapeContext, words: Sequence[str]) -> None:
    indices, values, dims = _ranks(context)
    same_counts(indices, values, dims, *(w.replace("{2}", shapes.text(indices or ())) for w in words))


def _first_axis(context: ShapeContext) -> int | None:
    dims = context.ints("sparse_shape")
    return dims[0] if dims else None


# -- into strings ----------------------------------------------------------------------------------------------------


def in_three(parts: Parts, dtype: DType, out_type: DType) -> np.ndarray:
    """The parts, each as a TensorProto in bytes, or for variants as the array with its type."""
    found = np.empty(3, object)
    for i, (part, kind) in enumerate(zip(parts, (int64, dtype, int64), strict=True)):
        found[i] = (part, kind) if out_type is variant else to_bytes(part, kind)
    return found


@SERIALIZE.kernel
def serialize_kernel(sparse_indices, sparse_values, sparse_shape, T, out_type=string):
    return in_three(Parts(sparse_indices, sparse_values, sparse_shape), T, out_type)


@SERIALIZE.shape
def _serialize_shape(context: ShapeContext) -> shapes.Shape:
    _ranks(context)
    return (3,)


def _rows(whole: Parts) -> list[Parts]:
    """One sparse tensor for each place of the first axis."""
    if len(whole.shape) < 2:
        raise ValueError(f"Rank of input SparseTensor should be > 1, but saw rank: {len(whole.shape)}")
    check_order(whole.indices, whole.shape)
    bounds = np.searchsorted(whole.indices[:, 0], np.arange(int(whole.shape[0]) + 1))
    rest, dims = whole.indices[:, 1:], np.array(whole.shape[1:], np.int64)
    return [Parts(rest[a:b], whole.values[a:b], dims) for a, b in itertools.pairwise(bounds)]


@SERIALIZE_MANY.kernel
def serialize_many_kernel(sparse_indices, sparse_values, sparse_shape, T, out_type=string):
    rows = _rows(Parts(sparse_indices, sparse_values, sparse_shape))
    found = np.empty((len(rows), 3), object)
    for i, row in enumerate(rows):
        found[i] = in_three(row, T, out_type)
    return found


@SERIALIZE_MANY.shape
def _serialize_many_shape(context: ShapeContext) -> shapes.Shape:
    _many_ranks(context, PARTS_MUST_FIT)
    return (_first_axis(context), 3)


# -- out of strings --------------------------------------------------------------------------------------------------

def _read(item: Any) -> tuple[np.ndarray, DType]:
    if not isinstance(item, bytes):
        return item
    try:
        return from_bytes(item)
    except (ValueError, TypeError):
        raise ValueError("Could not parse serialized proto") from None


def _checked_parts(items: Sequence[Any], i: int, dtype: DType) -> Parts:
    (indices, _), (values, kind), (dims, _) = (_read(item) for item in items)
    if indices.ndim != 2:
        raise ValueError(
            f"Expected serialized_sparse[{i}, 0] to represent an index matrix but received shape "
            f"{shapes.text(indices.shape)}"
        )
    for column, part, what in ((1, values, "values"), (2, dims, "shape")):
        if part.ndim != 1:
            raise ValueError(
                f"Expected serialized_sparse[{i}, {column}] to represent a {what} vector but received shape "
                f"{shapes.text(part.shape)}"
            )
    if kind is not dtype:
        raise ValueError(_other_type(dtype, i, kind))
    if indices.shape[1] != len(dims):
        raise ValueError(
            f"Expected column counts of SparseTensor[{i}].indices to match size of SparseTensor[{i}].shape but they do "
            f"not: {indices.shape[1]} vs. {len(dims)}"
        )
    if len(indices) != len(values):
        raise ValueError(
            f"Expected row counts of SparseTensor[{i}].indices and SparseTensor[{i}].values to match but they do not: "
            f"{len(indices)} vs. {len(values)}"
        )
    return Parts(indices, values, dims)


def _other_type(dtype: DType, i: int, kind: DType) -> str:
    return f"Requested SparseTensor of type {dtype.c_name} but SparseTensor[{i}].values.dtype() == {kind.c_name}"


def _stacked(parts: Sequence[Parts], axes: tuple[int, ...], what: str) -> Parts:
    """The tensors along new first axes of sizes `axes`; other sizes are the largest that occur."""
    dims = parts[0].shape
    for i, part in enumerate(parts[1:], 1):
        if len(part.shape) != len(dims):
            raise ValueError(
                f"Inconsistent {what} across SparseTensors: rank prior to SparseTensor[{i}] was: {len(dims)} but rank "
                f"of SparseTensor[{i}] is: {len(part.shape)}"
            )
        dims = np.maximum(dims, part.shape)
    counts = [len(p.values) for p in parts]
    first = np.array(np.unravel_index(np.repeat(np.arange(len(parts)), counts), axes)).T if axes else None
    indices = np.concatenate([p.indices for p in parts])
    if first is not None:
        indices = np.concatenate([first.astype(np.int64), indices], axis=1)
    return Parts(indices, np.concatenate([p.values for p in parts]), np.array([*axes, *dims], np.int64))


@DESERIALIZE_MANY.kernel
@DESERIALIZE.kernel
def deserialize_kernel(serialized_sparse, dtype):
    if not serialized_sparse.size:
        raise ValueError("Serialized sparse should have at least 1 serialized tensor, but has a zero dimension "
                         f"{shapes.text(serialized_sparse.shape)}")  # fmt: skip
    rows = serialized_sparse.reshape(-1, 3)
    parts = [_checked_parts(row.tolist(), i, dtype) for i, row in enumerate(rows)]
    return _stacked(parts, serialized_sparse.shape[:-1], "shape")


DESERIALIZE_MANY.built_with(serialized_sparse=2)


@DESERIALIZE_MANY.shape
@DESERIALIZE.shape
def _deserialize_shape(context: ShapeContext) -> list[shapes.Shape]:
    dims = context.dims("serialized_sparse")
    if dims == ():
        raise ShapeError("Serialized sparse should have non-zero rank []")
    if dims is not None and dims[-1] not in (None, 3):
        raise ShapeError(f"Serialized sparse should have 3 as the last dimension {shapes.text(dims)}")
    return [(None, None), (None,), (None,)]


# -- in a map --------------------------------------------------------------------------------------------------------


class TensorsMap:
    """Sparse tensors by number; each is given back once."""

    def __init__(self, shared_name: str, node_name: str):
        self.name = shared_name or node_name
        self._kept: dict[int, tuple[Parts, DType]] = {}
        self._count = itertools.count()
        self._lock = locks.lock()

    def add(self, parts: Parts, dtype: DType) -> int:
        with self._lock:
            handle = next(self._count)
            self._kept[handle] = parts, dtype
            return handle

    def take(self, handle: int) -> tuple[Parts, DType]:
        with self._lock:
            if handle not in self._kept:
                raise ValueError(f"Unable to find SparseTensor: {handle} in map: {self.name}")
            return self._kept.pop(handle)


for _op in (ADD_TO_MAP, ADD_MANY_TO_MAP, TAKE_MANY):
    _op.state(TensorsMap)
ADD_MANY_TO_MAP.variant_of = TAKE_MANY.variant_of = ADD_TO_MAP  # one map, whichever op asks for it


@ADD_TO_MAP.kernel
def add_to_map_kernel(sparse_indices, sparse_values, sparse_shape, T, state):
    return np.array(state.add(Parts(*map(np.array, (sparse_indices, sparse_values, sparse_shape))), T), np.int64)


@ADD_TO_MAP.shape
def _add_to_map_shape(context: ShapeContext) -> shapes.Shape:
    same_counts(*_ranks(context), *PARTS_MUST_FIT)
    return ()


@ADD_MANY_TO_MAP.kernel
def add_many_to_map_kernel(sparse_indices, sparse_values, sparse_shape, T, state):
    """Rows that hold something are numbered before those that do not."""
    rows = _rows(Parts(*map(np.array, (sparse_indices, sparse_values, sparse_shape))))
    found = np.zeros(len(rows), np.int64)
    for i in sorted(range(len(rows)), key=lambda i: len(rows[i].values) == 0):
        found[i] = state.add(rows[i], T)
    return found


@ADD_MANY_TO_MAP.shape
def _add_many_to_map_shape(context: ShapeContext) -> shapes.Shape:
    _many_ranks(context, (
        "Number of values must match first dimension of indices. Got {1} values, indices shape: {2}",
        "Number of dimensions must match second dimension of indices. Got {1} dimensions, indices shape: {2}",
    ))  # fmt: skip
    return (_first_axis(context),)


@TAKE_MANY.kernel
def take_many_kernel(sparse_handles, dtype, state):
    if not sparse_handles.size:
        raise ValueError("Must have at least 1 serialized SparseTensor, but input matrix has 0 rows")
    taken = [state.take(int(h)) for h in sparse_handles]
    for i, (_, kind) in enumerate(taken):
        if kind is not dtype:
            raise ValueError(_other_type(dtype, i, kind))
    return _stacked([parts for parts, _ in taken], (len(taken),), "rank")


@TAKE_MANY.shape
def _take_many_shape(context: ShapeContext) -> list[shapes.Shape]:
    need_rank(context.dims("sparse_handles"), 1, "sparse_handles should be a vector but received shape {0}")
    return [(None, None), (None,), (None,)]


_I, _D = np.array([[0, 1], [2, 0]]), np.array([3, 2])
_THREE_TEXTS = [to_bytes(_I, int64), to_bytes(np.array([1, 2], np.float32), as_dtype("float32")), to_bytes(_D, int64)]
SERIALIZE.case("W06", "three messages", T="float32", sparse_indices=_I, sparse_values=[1, 2], sparse_shape=_D,
               serialized_sparse=_THREE_TEXTS)  # fmt: skip
DESERIALIZE.case("W06", "three messages", dtype="float32", serialized_sparse=_THREE_TEXTS, sparse_indices=_I,
                 sparse_values=[1, 2], sparse_shape=_D)  # fmt: skip
DESERIALIZE.case("W06", "what is no message", dtype="float32", serialized_sparse=[b"?", b"?", b"?"],
                 error="Could not parse serialized proto")  # fmt: skip
DESERIALIZE_MANY.case("W06", "one more axis", dtype="float32", serialized_sparse=[_THREE_TEXTS], sparse_values=[1, 2],
                      sparse_indices=np.array([[0, 0, 1], [0, 2, 0]]), sparse_shape=np.array([1, 3, 2]))  # fmt: skip
SERIALIZE_MANY.case("W06", "one axis less", T="float32", sparse_indices=np.array([[0, 0, 1], [0, 2, 0]]),
                    sparse_values=[1, 2], sparse_shape=np.array([1, 3, 2]),
                    serialized_sparse=[_THREE_TEXTS])  # fmt: skip
ADD_TO_MAP.case("W47", "counted from 0", T="float32", sparse_indices=_I, sparse_values=[1, 2], sparse_shape=_D,
                sparse_handle=np.int64(0))  # fmt: skip
ADD_MANY_TO_MAP.case("W47", "empty rows come last", T="float32", sparse_indices=_I, sparse_values=[1, 2],
                     sparse_shape=_D, sparse_handles=np.array([0, 2, 1]))  # fmt: skip
TAKE_MANY.case("W47", "what is there", dtype="float32", shared_name="m", sparse_handles=np.array([3]),
               error="Unable to find SparseTensor: 3 in map: m")  # fmt: skip
