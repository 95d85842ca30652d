"""TensorProto in bytes: how an array travels inside a string [W16].

    dtype = 1, tensor_shape = 2 { dim = 2 { size = 1 } }, tensor_content = 4, and for each type a list of its own

Written is the content in one piece: little-endian elements, or for strings all lengths as varints, then all bytes.
Read is either form; a list that is too short repeats its last value.

Next: files/wire.py.
"""

from __future__ import annotations

import itertools
from math import prod
from typing import Any

import numpy as np

from refflow.core.bfloat16 import rounded
from refflow.core.dtypes import DType, bfloat16, float16, string
from refflow.files.wire import block, fields, number, read_varint, signed, varint
from refflow.ops.example_proto import varints

_DTYPE, _SHAPE, _CONTENT, _STRINGS = 1, 2, 4, 8
# Lists by field: the type of their elements, None for varints.
_LISTS: dict[int, Any] = {5: np.dtype("<f4"), 6: np.dtype("<f8"), 7: None, 9: np.dtype("<f4"), 10: None, 11: None,
          12: np.dtype("<f8"), 13: None, 16: None, 17: None}  # fmt: skip


def to_bytes(array: np.ndarray, dtype: DType) -> bytes:
    """The array as a TensorProto; float32 for bfloat16 is rounded, as kernels compute in it."""
    dims = b"".join(block(2, number(1, size), keep_empty=True) for size in array.shape)
    if dtype is string:
        texts = array.reshape(-1).tolist()
        content = b"".join(varint(len(t)) for t in texts) + b"".join(texts)
    else:
        plain = rounded(array) if dtype is bfloat16 and array.dtype == np.float32 else array
        content = np.ascontiguousarray(plain).tobytes()
    return number(_DTYPE, int(dtype)) + block(_SHAPE, dims, keep_empty=True) + block(_CONTENT, content)


def from_bytes(data: bytes) -> tuple[np.ndarray, DType]:
    """The array and its type; ValueError where the bytes are no TensorProto, or its parts do not fit together."""
    dtype_number, sizes, content = 0, [], b""
    texts: list[bytes] = []
    lists: dict[int, list[Any]] = {}
    for field, value in fields(data):
        if field == _DTYPE:
            dtype_number = value
        elif field == _SHAPE:
            sizes = [_size(dim) for key, dim in fields(value) if key == 2]
        elif field == _CONTENT:
            content = value
        elif field == _STRINGS:
            texts.append(value)
        elif field in _LISTS:
            lists.setdefault(field, []).append(value)
    dtype = DType(dtype_number)
    count = prod(sizes)
    if any(s < 0 for s in sizes) or count > 2**40:
        raise ValueError(f"a tensor of shape {sizes}")
    if dtype is string:
        found = np.empty(count, object)
        given = _cut(content, count) if content else texts
        found[:] = _repeated(given, count, b"")
        return found.reshape(sizes), dtype
    numpy_type = np.dtype(dtype.as_numpy_dtype)
    if content:
        return np.frombuffer(content, numpy_type).copy().reshape(sizes), dtype
    flat = _from_lists(lists, dtype, numpy_type)
    return np.array(_repeated(flat, count, np.zeros((), numpy_type)), numpy_type).reshape(sizes), dtype


def _size(dim: bytes) -> int:
    return next((signed(value) for key, value in fields(dim) if key == 1), 0)


def _cut(content: bytes, count: int) -> list[bytes]:
    """Strings from their lengths and their bytes."""
    lengths, at = [], 0
    for _ in range(count):
        length, at = read_varint(content, at)
        lengths.append(length)
    if at + sum(lengths) != len(content):
        raise ValueError("strings end elsewhere than their bytes")
    return [content[a:b] for a, b in itertools.pairwise(itertools.accumulate(lengths, initial=at))]


def _from_lists(lists: dict[int, list[Any]], dtype: DType, numpy_type: np.dtype) -> Any:
    found: list[Any] = []
    for field, values in lists.items():
        kind = _LISTS[field]
        for value in values:
            if kind is None:
                found += varints(value).tolist() if isinstance(value, bytes) else [signed(value)]
            elif isinstance(value, bytes):
                found += np.frombuffer(value, kind).tolist()
            else:
                found.append(np.frombuffer(value.to_bytes(kind.itemsize, "little"), kind)[0])
    if dtype is float16 or dtype is bfloat16:
        return np.array(found, np.uint16).view(numpy_type)
    if dtype.is_complex:
        return np.array(found, np.float64).view(np.complex128).astype(numpy_type)
    if numpy_type.names is not None:  # quantized
        return np.array(found, np.int64).astype(numpy_type[0]).view(numpy_type)
    return np.array(found, np.float64 if dtype.is_floating else np.int64).astype(numpy_type)


def _repeated(given: Any, count: int, zero: Any) -> list[Any]:
    """`count` values: those given, then the last one again; zeros if there is none."""
    if len(given) > count:
        raise ValueError(f"{len(given)} values for {count} elements")
    last = given[-1] if len(given) else zero
    return [*given, *[last] * (count - len(given))]


