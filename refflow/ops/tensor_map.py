"""TensorMaps: from tensors to tensors, as values; every change gives a new map [W43].

    TensorMapInsert     puts a value at a key;   TensorMapErase    takes a key out
    TensorMapLookup     the value at a key;      TensorMapHasKey, TensorMapSize, TensorMapStackKeys

A key is a tensor: its type, shape and contents. The gradient of a map is a map of gradients: what comes back to a
looked-up value is put at its key, and what was inserted gets what stands at its key, or zeros.

Next: ops/lookup.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.handles import handle_to
from refflow.core.opdef import define_op
from refflow.core.registry import op_def
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.core.variants import sum_of, zero_of
from refflow.ops.messages import summarized

ANY = Attr("type")
_KEY: dict[str, Any] = {"key_dtype": ANY, "source": ("W43",)}
_BOTH: dict[str, Any] = {"value_dtype": ANY, **_KEY}
_MAP = "input_handle: variant[]"


class TensorMap:
    """Keys with their tensors and values, by what the key's bytes are."""

    def __init__(self, entries: dict[Any, tuple[np.ndarray, np.ndarray]]):
        self.entries = entries

    def zeros_like(self) -> TensorMap:
        return TensorMap({name: (key, zero_of(value)) for name, (key, value) in self.entries.items()})

    def __add__(self, other: TensorMap) -> TensorMap:
        """The values at common keys added; the others as they are."""
        found = dict(self.entries)
        for name, (key, value) in other.entries.items():
            if name in found:
                before = found[name][1]
                value = sum_of([before, value]) if before.dtype == object else before + value
            found[name] = (key, value)
        return TensorMap(found)


def map_of(handle: Any) -> TensorMap:
    found = handle.item() if np.size(handle) == 1 else None
    if not isinstance(found, TensorMap):
        raise ValueError(f"Input handle is not a map. Saw: '{type(found).__name__}'")
    return found


def _named(key: np.ndarray) -> Any:
    """Something hashable that is equal for equal tensors."""
    contents = tuple(key.reshape(-1).tolist()) if key.dtype == object else key.tobytes()
    return key.dtype.str, key.shape, contents


EMPTY = define_op("EmptyTensorMap", "-> handle: variant[]", source=("W43",))
SIZE = define_op("TensorMapSize", f"{_MAP} -> size: int32[]", source=("W43",))
LOOKUP = define_op("TensorMapLookup", f"{_MAP}, key: key_dtype -> value: value_dtype", **_BOTH)
INSERT = define_op("TensorMapInsert", f"{_MAP}, key: key_dtype, value: value_dtype -> output_handle: variant[]",
                   **_BOTH)  # fmt: skip
ERASE = define_op("TensorMapErase", f"{_MAP}, key: key_dtype -> output_handle: variant[]", **_BOTH)
HAS_KEY = define_op("TensorMapHasKey", f"{_MAP}, key: key_dtype -> has_key: bool[]", **_KEY)
STACK_KEYS = define_op("TensorMapStackKeys", f"{_MAP} -> keys: key_dtype", **_KEY)


@EMPTY.kernel
def empty_kernel():
    return handle_to(TensorMap({}))


@SIZE.kernel
def size_kernel(input_handle):
    return np.array(len(map_of(input_handle).entries), np.int32)


@LOOKUP.kernel
def lookup_kernel(input_handle, key, value_dtype):
    found = map_of(input_handle).entries.get(_named(key))
    if found is None:
        raise ValueError(f"Trying to lookup non-existent key. Could not find key \"{summarized(key, 3)}\"")
    if found[1].dtype != np.dtype(value_dtype.as_numpy_dtype):
        raise ValueError(f"the value at the key is {found[1].dtype}, but value_dtype is {value_dtype.name}")
    return found[1]


@INSERT.kernel
def insert_kernel(input_handle, key, value):
    pair = (np.array(key, copy=True), np.array(value, copy=True))
    return handle_to(TensorMap({**map_of(input_handle).entries, _named(key): pair}))


@ERASE.kernel
def erase_kernel(input_handle, key):
    entries, name = dict(map_of(input_handle).entries), _named(key)
    if name not in entries:
        raise ValueError(f"Trying to erase non-existent item. Could not find key \"{summarized(key, 3)}\"")
    del entries[name]
    return handle_to(TensorMap(entries))


@HAS_KEY.kernel
def has_key_kernel(input_handle, key):
    return np.array(_named(key) in map_of(input_handle).entries)


@STACK_KEYS.kernel
def stack_keys_kernel(input_handle, key_dtype):
    keys = [key for key, _ in map_of(input_handle).entries.values()]
    if not keys:
        raise ValueError("TensorMapStackKeys cannot be called on empty map.")
    if any(key.dtype != np.dtype(key_dtype.as_numpy_dtype) for key in keys):
        raise ValueError(f"Key does not match requested dtype {key_dtype.name}.")
    if any(key.shape != keys[0].shape for key in keys):
        raise ValueError("Keys must all have the same shape.")
    return np.stack(keys)


@LOOKUP.shape
@STACK_KEYS.shape
def _unknown(context: ShapeContext) -> shapes.Shape:
    return None


@LOOKUP.gradient
def _lookup_gradient(op, dvalue):
    return INSERT(EMPTY(), op.inputs["key"], dvalue), None


@INSERT.gradient
def _insert_gradient(op, dmap):
    """What stands at the key is the value's; the rest is the map's."""
    _, key, value = op.inputs
    at_key = INSERT(op_def("AddN")([dmap, _zero_map(key, value)]), key, op_def("ZerosLike")(value))
    dvalue = LOOKUP(op_def("AddN")([dmap, _zero_map(key, value)]), key, value_dtype=value.dtype)
    return ERASE(at_key, key, value_dtype=value.dtype), None, dvalue


def _zero_map(key: Any, value: Any) -> Any:
    return INSERT(EMPTY(), key, op_def("ZerosLike")(value))


@ERASE.gradient
def _erase_gradient(op, dmap):
    return dmap, None


for _op in (EMPTY, SIZE, HAS_KEY, STACK_KEYS):
    _op.no_gradient()
for _op in (LOOKUP, INSERT, ERASE, HAS_KEY, STACK_KEYS):
    _op.moves_bits = True
