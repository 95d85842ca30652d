"""Messages: what processes tell each other, as bytes. Reading them can fail, and executes nothing.

    value = tag, payload        N none    T F bool    I integer    D float64    S text    B bytes
                                L list    Z tuple    M mapping    A array: element type, rank, sizes, bytes
                                Y element type    H static shape    U graph    G node
                                X function    R its argument    P its attribute    C a call of one
    numbers and lengths are 8 bytes, little end first; text is UTF-8

An array of strings is a list of bytes. A handle or a Python object has no form here: state stays where it is.

Next: runtime/cluster/network.py.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.core.dtypes import DType, as_dtype, string
from refflow.core.errors import DataLossError, InvalidArgumentError
from refflow.core.graphdef import FunctionCall, FunctionDef, GraphDef, NodeDef, Placeholder
from refflow.core.shapes import TensorShape
from refflow.core.signature import Arg

_DEEPEST = 64  # lists in lists
_NUMBER = struct.Struct("<q")
_DOUBLE = struct.Struct("<d")
# Records, by the fields that make them up.
_RECORDS: dict[bytes, tuple[type, tuple[str, ...]]] = {
    b"G": (NodeDef, ("name", "op", "input", "device", "attr")),
    b"C": (FunctionCall, ("name", "attr")),
    b"P": (Placeholder, ("name",)),
    b"R": (Arg, Arg._fields),
    b"X": (FunctionDef, tuple(FunctionDef.__dataclass_fields__)),
    b"U": (GraphDef, tuple(GraphDef.__dataclass_fields__)),
}
_TAGS = {kind: tag for tag, (kind, _) in _RECORDS.items()}


def encode(value: Any) -> bytes:
    """A message's bytes. InvalidArgumentError for what cannot leave its process.

    >>> decode(encode({"step": 7, "feeds": [np.float32([1, 2])]}))
    {'step': 7, 'feeds': [array([1., 2.], dtype=float32)]}
    """
    parts: list[bytes] = []
    _put(value, parts)
    return b"".join(parts)


def _put(value: Any, parts: list[bytes]) -> None:
    if value is None:
        parts.append(b"N")
    elif isinstance(value, bool):
        parts.append(b"T" if value else b"F")
    elif isinstance(value, DType):
        parts += [b"Y", _NUMBER.pack(int(value))]
    elif isinstance(value, int):
        parts += [b"I", value.to_bytes(9, "little", signed=True)]  # also uint64
    elif isinstance(value, float) and not isinstance(value, np.generic):
        parts += [b"D", _DOUBLE.pack(value)]
    elif isinstance(value, str):
        _put_bytes(b"S", value.encode("utf-8", "surrogateescape"), parts)
    elif isinstance(value, bytes):
        _put_bytes(b"B", value, parts)
    elif isinstance(value, (np.ndarray, np.generic)):
        _put_array(np.asarray(value), parts)
    elif isinstance(value, TensorShape):
        _put_all(b"H", [None] if value.ndims is None else [value.ndims, *value.as_list()], parts)
    elif type(value) in _TAGS:
        tag = _TAGS[type(value)]
        _put_all(tag, [getattr(value, field) for field in _RECORDS[tag][1]], parts)
    elif isinstance(value, dict):
        _put_all(b"M", [item for pair in value.items() for item in pair], parts)
    elif isinstance(value, (list, tuple)):
        _put_all(b"L" if isinstance(value, list) else b"Z", value, parts)
    else:
        raise InvalidArgumentError(None, None, f"a {type(value).__name__} cannot leave its process")


def _put_bytes(tag: bytes, data: bytes, parts: list[bytes]) -> None:
    parts += [tag, _NUMBER.pack(len(data)), data]


def _put_all(tag: bytes, values: Any, parts: list[bytes]) -> None:
    parts += [tag, _NUMBER.pack(len(values))]
    for value in values:
        _put(value, parts)


def _put_array(array: np.ndarray, parts: list[bytes]) -> None:
    dtype = string if array.dtype == object else as_dtype(array.dtype)
    parts += [b"A", _NUMBER.pack(int(dtype)), _NUMBER.pack(array.ndim)]
    parts += [_NUMBER.pack(size) for size in array.shape]
    if dtype is not string:
        _put_bytes(b"B", array.tobytes(), parts)
        return
    items = array.ravel().tolist()
    strange = next((item for item in items if not isinstance(item, (bytes, str))), None)
    if strange is not None:
        raise InvalidArgumentError(
            None, None,
            f"a tensor that holds a {type(strange).__name__} cannot leave its process: state stays on its device. "
            "Put the nodes that use it on the device of the node that makes it",
        )  # fmt: skip
    _put_all(b"L", items, parts)


def decode(data: bytes) -> Any:
    """The value that `encode` wrote; DataLossError for anything else."""
    try:
        reader = _Reader(data)
        value = reader.value(0)
        if reader.at != len(data):
            raise ValueError(f"{len(data) - reader.at} bytes are left over")
        return value
    except (ValueError, TypeError, LookupError, struct.error, OverflowError, MemoryError) as error:
        raise DataLossError(None, None, f"these {len(data)} bytes are no message of refflow: {error}") from None


class _Reader:
    def __init__(self, data: bytes):
        self.data, self.at = memoryview(data), 0

    def take(self, size: int) -> memoryview:
        if not 0 <= size <= len(self.data) - self.at:
            raise ValueError(f"{size} bytes are wanted at {self.at}, of {len(self.data)}")
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self) -> int:
        return _NUMBER.unpack(self.take(8))[0]

    def value(self, depth: int) -> Any:
        if depth > _DEEPEST:
            raise ValueError("lists are nested too deeply")
        tag = bytes(self.take(1))
        if tag in _PLAIN:
            return _PLAIN[tag](self)
        if tag == b"A":
            return self.array(depth)
        size = self.number()
        if size > len(self.data):
            raise ValueError(f"{size} values in {len(self.data)} bytes")
        values = [self.value(depth + 1) for _ in range(size)]
        if tag in (b"L", b"Z"):
            return values if tag == b"L" else tuple(values)
        if tag == b"M":
            return dict(zip(values[::2], values[1::2], strict=True))
        if tag == b"H":
            return TensorShape(None if values == [None] else values[1:])
        kind, fields = _RECORDS[tag]
        return kind(**dict(zip(fields, values, strict=True)))

    def array(self, depth: int) -> np.ndarray:
        dtype = DType(self.number())
        shape = [self.number() for _ in range(self.number())]
        if any(size < 0 for size in shape):
            raise ValueError(f"a shape of {shape}")
        values = self.value(depth + 1)
        if dtype is not string:
            return np.frombuffer(values, dtype.as_numpy_dtype).reshape(shape).copy()
        array = np.empty(len(values), object)
        array[:] = values
        return array.reshape(shape)


_PLAIN: dict[bytes, Callable[[_Reader], Any]] = {
    b"N": lambda reader: None,
    b"T": lambda reader: True,
    b"F": lambda reader: False,
    b"I": lambda reader: int.from_bytes(reader.take(9), "little", signed=True),
    b"D": lambda reader: _DOUBLE.unpack(reader.take(8))[0],
    b"S": lambda reader: str(reader.take(reader.number()), "utf-8", "surrogateescape"),
    b"B": lambda reader: bytes(reader.take(reader.number())),
    b"Y": lambda reader: DType(reader.number()),
}
