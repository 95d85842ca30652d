"""Many examples: what each has under a name, and how messages call it; numbers of one name are decoded together.

Next: ops/parsing.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from refflow.core.dtypes import DType, float32, int64, string
from refflow.files.wire import BYTES, read_varint
from refflow.ops.example_proto import FIELDS, FIRST, FLOAT, Feature, features_of, read_feature, varints

C_NAMES = {float32: "float", int64: "int64", string: "string"}
_FEW = 4  # features: fewer are read one by one in less time than together


class Records:
    """Serialized examples: the features of each by name, and how messages call them.

    batched: they have an axis; without one there is a single record.
    """

    def __init__(self, serialized: np.ndarray, names: np.ndarray):
        if names.size and names.shape != serialized.shape:
            raise ValueError(
                f"Expected names have the same shape as serialized: name.shape={listed(names.shape)}, "
                f"serialized.shape={listed(serialized.shape)}"
            )
        self.batched, self._names = serialized.ndim > 0, names
        self._features: list[dict[bytes, bytes]] = []
        for text in serialized.tolist() if self.batched else (serialized.item(),):
            try:
                self._features.append(features_of(text))
            except ValueError:
                shown = text.decode("utf-8", "backslashreplace")
                raise ValueError(f"Could not parse example input, value: '{shown}'") from None

    def __len__(self) -> int:
        return len(self._features)

    def column(self, key: bytes, dtype: DType, order: str) -> list[Any]:
        """The values of feature `key` in each record, None where it has none; an error if one is of another type."""
        found: list[Any] = []
        for i, features in enumerate(self._features):
            data = features.get(key)
            feature = self._read(i, key, data) if data else None
            if feature is None:
                found.append(None)
                continue
            if feature.dtype is not dtype:
                names = {"wanted": C_NAMES[dtype], "found": C_NAMES[feature.dtype]}
                raise self.error(i, key, "Data types don't match. " + order.format(**names))
            found.append(feature.values)
        return found

    def together(self, key: bytes, dtype: DType) -> tuple[np.ndarray, np.ndarray] | None:
        """The numbers of feature `key` of all records, and how many each has; None if they are to be read by column."""
        if len(self._features) < _FEW:
            return None
        return numbers_of_many([features.get(key) for features in self._features], dtype)

    def _read(self, i: int, key: bytes, data: bytes) -> Feature | None:
        try:
            return read_feature(data)
        except ValueError:
            raise self.error(i, key, "Can't parse serialized Example.") from None

    def _name(self, i: int) -> str:
        if not self.batched:
            return ""
        return f"Name: {self._names[i].decode() if self._names.size else '<unknown>'}, "

    def error(self, i: int, key: bytes, text: str) -> ValueError:
        index = f", Index: {i}" if self.batched else ""
        return ValueError(f"{self._name(i)}Key: {key.decode()}{index}.  {text}")

    def missing(self, i: int, key: bytes, dtype: DType) -> ValueError:
        text = f"Feature: {key.decode()} (data type: {C_NAMES[dtype]}) is required but could not be found."
        return ValueError(self._name(i) + text)


def listed(dims: Sequence[int | None]) -> str:
    """Sizes as TensorFlow's messages write them."""
    return f"[{','.join('?' if d is None else str(d) for d in dims)}]"


def numbers_of_many(features: Sequence[bytes | None], dtype: DType) -> tuple[np.ndarray, np.ndarray] | None:
    """The numbers of many encoded features one after the other, and how many each has: a few steps for all of them.

    None where one of them is of another type, is written in another way than usual, or is damaged: then they are to
    be read one by one. A feature that is not there has no numbers, as an empty one.

    >>> from refflow.ops.example_proto import write_feature
    >>> numbers_of_many([write_feature(Feature(int64, [i, 300])) for i in range(4)] + [None], int64)
    (array([  0, 300,   1, 300,   2, 300,   3, 300]), array([2, 2, 2, 2, 0]))
    """
    tag = FIELDS[dtype] << 3 | BYTES
    empty = bytes([tag, 0])
    is_there = [bool(f) and f != empty for f in features]
    there = [f for f in features if f and f != empty]
    if dtype is string or len(there) < _FEW:
        return None
    raw, sizes = np.frombuffer(b"".join(there), np.uint8), np.fromiter(map(len, there), np.int64, len(there))
    cut = _cut_evenly(raw, there[0], len(there), tag) if (sizes == sizes[0]).all() else _cut(raw, sizes, tag)
    if cut is None:
        return None
    numbers, head = cut
    counts = np.zeros(len(features), np.int64)
    lengths = sizes - head
    if dtype is float32:
        if (lengths % 4).any():
            return None
        counts[is_there] = lengths // 4
        return numbers.view(FLOAT), counts
    behind = np.cumsum(lengths)
    is_last = numbers < 128
    if not is_last[behind - 1].all():
        return None
    counts[is_there] = np.add.reduceat(is_last, behind - lengths, dtype=np.int64)
    try:
        return varints(numbers.tobytes()), counts
    except ValueError:
        return None


def _cut_evenly(raw: np.ndarray, first: bytes, count: int, tag: int) -> tuple[np.ndarray, int] | None:
    """The packed bytes of features of one length that begin alike, and how many bytes stand in front in each."""
    try:
        size, at = read_varint(first, 1)
        packed, head = read_varint(first, at + 1)
    except ValueError:
        return None
    rows = raw.reshape(count, -1)
    if first[0] != tag or at + size != len(first) or first[at] != FIRST or head + packed != len(first) or not packed:
        return None
    return (rows[:, head:].reshape(-1), head) if (rows[:, :head] == rows[0, :head]).all() else None


def _cut(raw: np.ndarray, sizes: np.ndarray, tag: int) -> tuple[np.ndarray, int] | None:
    """The same of features of several lengths, all short: two tags, and behind each a length of one byte."""
    if sizes.min() < 5 or sizes.max() > 129:
        return None
    places = (np.cumsum(sizes) - sizes)[:, None] + np.arange(4)
    heads = raw[places]
    if (heads[:, [0, 2]] != [tag, FIRST]).any() or (heads[:, [1, 3]] != sizes[:, None] - [2, 4]).any():
        return None
    is_number = np.ones(len(raw), bool)
    is_number[places] = False
    return raw[is_number], 4
