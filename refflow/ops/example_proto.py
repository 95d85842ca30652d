"""Example records: named lists of bytes, floats or integers, in Protocol Buffers' wire format, read and written.

    Example          1 features          Features     1 map of name -> Feature
    SequenceExample  1 context           Feature      one of 1 bytes_list, 2 float_list, 3 int64_list
                     2 feature_lists     FeatureLists 1 map of name -> FeatureList, whose field 1 repeats Feature

Numbers come packed (one block) or one by one. Of two entries with one name the last counts; of a feature's several
lists, the first. Damaged bytes are a ValueError, but for a field of no such number at a record's end, which TensorFlow
skips without a look at its length.

Next: ops/example_records.py.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from refflow.core.dtypes import DType, float32, int64, string
from refflow.core.opdef import define_op
from refflow.files.wire import BYTES, FOUR, VARINT, block, fields, read_varint, signed, varint
from refflow.ops.strings import each

_FEW = 32  # bytes: up to so many, numbers are read one by one in less time than side by side
FIRST, SECOND = 1 << 3 | BYTES, 2 << 3 | BYTES  # tags
_KINDS = {1 << 3 | BYTES: string, 2 << 3 | BYTES: float32, 3 << 3 | BYTES: int64}  # by tag
FLOAT = np.dtype("<f4")
FIELDS = {string: 1, float32: 2, int64: 3}


class Feature(NamedTuple):
    """What one feature holds: a type, and a list of bytes or an array of numbers."""

    dtype: DType
    values: Any


def entries(data: bytes, begin: int = 0) -> dict[bytes, bytes]:
    """A message's map, field 1 of the bytes from `begin` on: the encoded value of each name."""
    found = _plain_entries(data, begin)
    if found is not None:
        return found
    blocks = (entry for number, entry in fields(data[begin:]) if number == 1)
    pairs = [dict(_blocks(entry)) for entry in blocks]
    return {pair.get(1, b""): pair.get(2, b"") for pair in pairs}


def _plain_entries(data: bytes, at: int) -> dict[bytes, bytes] | None:
    """A map as it is nearly always written, a short name and a value in each entry; None for any other.

    One pass over the bytes, every number read where it stands: this is what most of a record's time goes into.
    """
    found: dict[bytes, bytes] = {}
    end = len(data)
    try:
        while at < end:
            size, begin = data[at + 1], at + 2
            if size > 127:
                size, begin = read_varint(data, at + 1)
            stop = begin + size
            name = begin + 2
            middle = name + data[begin + 1]  # where the name ends, and the value's tag stands
            size, value = data[middle + 1], middle + 2
            if size > 127:
                size, value = read_varint(data, middle + 1)
            tags = data[at] == data[begin] == FIRST and data[middle] == SECOND
            if not tags or data[begin + 1] > 127 or value + size != stop or stop > end:
                return None
            found[data[name:middle]] = data[value:stop]
            at = stop
    except (IndexError, ValueError):
        return None
    return found


def _blocks(data: Any) -> list[tuple[int, bytes]]:
    if not isinstance(data, bytes):
        raise ValueError("a message is expected, not a number")
    return [(number, value) for number, value in fields(data) if isinstance(value, bytes)]


def features_of(data: bytes, field: int = 1) -> dict[bytes, bytes]:
    """The encoded features of an Example by name; with `field` 2, a SequenceExample's lists of features."""
    if field == 1 and data and data[0] == FIRST:
        size, begin = read_varint(data, 1)
        if begin + size == len(data):  # nothing else is in it
            return entries(data, begin)
    found: dict[bytes, bytes] = {}
    for number, part in fields(data, known=(1, 2)):
        if number == field and isinstance(part, bytes):
            found |= entries(part)
    return found


def read_feature(feature: bytes) -> Feature | None:
    """A feature's values, None if it has not even a type."""
    dtype = _KINDS.get(feature[0]) if feature else None
    if dtype is None:
        return None
    size, at = read_varint(feature, 1)
    end = at + size
    if end > len(feature):
        raise ValueError("a list ends behind its feature")
    if size and feature[at] == FIRST:  # a packed list, or strings of which the first may be the only one
        size, begin = read_varint(feature, at + 1)
        if begin + size == end:
            if dtype is float32:
                return Feature(float32, np.frombuffer(feature, FLOAT, size // 4, begin))
            values = feature[begin:end]
            return Feature(dtype, [values] if dtype is string else varints(values))
    data = feature[at:end]
    return Feature(dtype, _strings(data) if dtype is string else _numbers(data, dtype))


def _strings(data: bytes) -> list[bytes]:
    found = _blocks(data)
    if any(number != 1 for number, _ in found):
        raise ValueError("a list of bytes has one field")
    return [value for _, value in found]


def _numbers(data: bytes, dtype: DType) -> np.ndarray:
    if not data:
        return np.zeros(0, dtype.as_numpy_dtype)
    if data[0] == FIRST:
        raise ValueError("numbers come packed or one by one, not both")
    if dtype is float32:
        rows = np.frombuffer(data, np.uint8).reshape(-1, 5) if len(data) % 5 == 0 else np.zeros((1, 5), np.uint8)
        if not (rows[:, 0] == (1 << 3 | 5)).all():
            raise ValueError("a list of floats has one field")
        return np.ascontiguousarray(rows[:, 1:]).view("<f4").reshape(-1)
    both = varints(data)  # tags are numbers as well
    if len(both) % 2 or (both[0::2] != (1 << 3 | VARINT)).any():
        raise ValueError("a list of integers has one field")
    return both[1::2]


def varints(data: bytes) -> np.ndarray:
    """All numbers of a packed list, side by side: seven bits from each byte, the last byte of a number is below 128.

    >>> varints(varint(300) + varint(-1)).tolist()
    [300, -1]
    """
    if data.isascii():  # numbers of one byte each, as those of categories are
        return np.frombuffer(data, np.uint8).astype(np.int64)
    if len(data) <= _FEW:
        return _one_by_one(data)
    raw = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(raw < 128)
    if not raw.size:
        return np.zeros(0, np.int64)
    if not ends.size or ends[-1] != raw.size - 1:
        raise ValueError("the bytes end inside a number")
    starts = np.concatenate([[0], ends[:-1] + 1])
    places = np.arange(raw.size) - np.repeat(starts, ends - starts + 1)
    if places.max() > 9:
        raise ValueError("a number is longer than ten bytes")
    parts = (raw & 127).astype(np.uint64) << (7 * places).astype(np.uint64)
    return np.bitwise_or.reduceat(parts, starts).view(np.int64)


def _one_by_one(data: bytes) -> np.ndarray:
    found, value, shift = [], 0, 0
    for byte in data:
        value |= (byte & 127) << shift
        if byte < 128:
            found.append(signed(value & 0xFFFFFFFFFFFFFFFF))
            value = shift = 0
            continue
        shift += 7
        if shift == 70:
            raise ValueError("a number is longer than ten bytes")
    if shift:
        raise ValueError("the bytes end inside a number")
    return np.array(found, np.int64)


# -- writing -----------------------------------------------------------------------------------------


def write_feature(feature: Feature | None) -> bytes:
    """A feature's bytes, numbers packed."""
    if feature is None:
        return b""
    if feature.dtype is string:
        data = b"".join(block(1, value, keep_empty=True) for value in feature.values)
    elif feature.dtype is float32:
        data = block(1, np.asarray(feature.values, "<f4").tobytes())
    else:
        data = block(1, b"".join(varint(int(value)) for value in feature.values))
    return block(FIELDS[feature.dtype], data, keep_empty=True)


def _map(items: Mapping[str, bytes]) -> bytes:
    return b"".join(
        block(1, block(1, name.encode()) + block(2, value, keep_empty=True)) for name, value in sorted(items.items())
    )


def write_example(features: Mapping[str, Feature | None]) -> bytes:
    """An Example's bytes, names in order.

    >>> features_of(write_example({"a": Feature(int64, [5])}))
    {b'a': b'\\x1a\\x03\\n\\x01\\x05'}
    """
    return block(1, _map({name: write_feature(feature) for name, feature in features.items()}), keep_empty=True)


def write_sequence_example(
    context: Mapping[str, Feature | None], lists: Mapping[str, Sequence[Feature | None]]
) -> bytes:
    """A SequenceExample's bytes, names in order."""
    rows = {
        name: b"".join(block(1, write_feature(feature), keep_empty=True) for feature in features)
        for name, features in lists.items()
    }
    context_bytes = _map({name: write_feature(feature) for name, feature in context.items()})
    return block(1, context_bytes) + block(2, _map(rows))


# -- from JSON ---------------------------------------------------------------------------------------

DECODE_JSON_EXAMPLE = define_op("DecodeJSONExample", "json_examples: string[...S] -> binary_examples: string[...S]",
                                source=("W06",))  # fmt: skip
DECODE_JSON_EXAMPLE.no_gradient_registered()
_WEB_SAFE = str.maketrans("-_", "+/")
_JSON_KINDS = {"bytesList": string, "bytes_list": string, "floatList": float32, "float_list": float32,
               "int64List": int64, "int64_list": int64}  # fmt: skip


@DECODE_JSON_EXAMPLE.kernel
def decode_json_example_kernel(json_examples):
    return each(_from_json, json_examples)


def _from_json(text: bytes) -> bytes:
    try:
        message = _loaded(text)
        features = _members(_members(message, "features"), "feature")
        rows = (block(1, name.encode()) + block(2, _json_feature(value), keep_empty=True)
                for name, value in features.items())  # fmt: skip
        whole = b"".join(block(1, row) for row in rows)
        return b"" if message.get("features") is None else block(1, whole, keep_empty=True)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"Error while parsing JSON: {error}") from None


def _loaded(text: bytes) -> dict[str, Any]:
    """The one object that the text is, an end that is missing or too late told in TensorFlow's words."""
    import json

    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        if not text[error.pos :].strip():
            raise ValueError(f"unexpected EOF: {error}") from None
        if error.msg == "Extra data":
            raise ValueError(f"extraneous characters after end of JSON object: {error}") from None
        raise


def _members(message: dict[str, Any], name: str) -> dict[str, Any]:
    if not isinstance(message, dict):
        import json

        raise ValueError(f"unexpected character: '{json.dumps(message)[0]}'; expected '{{'")
    unknown = message.keys() - {name}
    if unknown and name in ("features", "value"):
        raise ValueError(f"no such field: '{unknown.pop()}'")
    return message.get(name) or {}


def _json_feature(message: dict[str, Any]) -> bytes:
    """A feature's bytes as they come from text: numbers one by one."""
    if not message:
        return b""
    ((name, content),) = message.items()
    dtype = _JSON_KINDS[name]
    return block(FIELDS[dtype], b"".join(_json_value(v, dtype) for v in _members(content, "value")), keep_empty=True)


def _json_value(value: Any, dtype: DType) -> bytes:
    if dtype is string:
        plain = value.translate(_WEB_SAFE)
        return block(1, base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True), keep_empty=True)
    if dtype is float32:
        return varint(1 << 3 | FOUR) + np.array(float(value), "<f4").tobytes()
    if float(value) != int(value):
        raise ValueError(f"{value} is no whole number")
    return b"\x08" + varint(int(value))


DECODE_JSON_EXAMPLE.case("W06", "numbers",
                         json_examples=[b'{"features": {"feature": {"a": {"int64List": {"value": [5]}}}}}'],
                         binary_examples=[b"\n\x0b\n\t\n\x01a\x12\x04\x1a\x02\x08\x05"])  # fmt: skip
DECODE_JSON_EXAMPLE.case("W06", "JSON it is", json_examples=[b"{"], error="Error while parsing JSON")
