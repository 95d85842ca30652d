"""From Python values to arrays: which element type a number, a list or an array suggests.

Python ints become int32 (int64 where they need it), floats float32, text bytes; arrays and NumPy scalars keep
their own type. Where a type is asked for, nothing is lost silently: a float does not become an integer, and an
integer that does not fit is an error [W77].

Next: core/convert.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any

import numpy as np

from refflow.core import narrow
from refflow.core.bfloat16 import RECORD, as_known_elsewhere, rounded
from refflow.core.dtypes import DType, as_dtype, bfloat16, int32, string
from refflow.core.errors import DTypeError, NodeError, ShapeError


def as_value(value: Any, dtype: DType | None, explicit: bool = False) -> np.ndarray:
    """A private array of `value` with NumPy type `dtype`, or the type that the value itself suggests.

    A float never becomes an integer unless `explicit` asks for the type of an array.
    """
    if value is None:
        raise NodeError("None values not supported.")
    if dtype is bfloat16:
        return as_bfloat16(value)
    if dtype is not None and dtype.is_narrow:
        return narrow.of_bits(value, dtype)
    if isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        if array.dtype.name == "bfloat16":  # another library's type for the same bits
            array = array.view(RECORD)
        if array.dtype.kind in "USO":
            return _strings(array, dtype)
        if dtype is None:
            as_dtype(array.dtype)  # an array of a type that no tensor has is refused here
            return array.copy()
        target = np.dtype(dtype.as_numpy_dtype)
        if not explicit and not np.can_cast(array.dtype, target, "same_kind"):
            raise DTypeError(f"an array of {array.dtype} is given where {dtype.name} is needed: use cast() or astype()")
        return _narrowed(array, target)
    if dtype is string:
        return _strings(np.asarray(value, dtype=object), dtype)
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ShapeError(f"this list is not rectangular, so it is no tensor: {_short(value)} ({error})") from None
    if array.dtype.kind in "US":
        return _strings(np.asarray(value, dtype=object), dtype)  # as texts: NumPy cuts off zero bytes at the end
    if array.dtype == object:
        array = _of_indices(value)
    if array.dtype == object:
        raise DTypeError(f"{_short(value)} holds something that is neither a number, a bool nor a string")
    if dtype is None:
        if array.dtype == np.float64:
            return array if _holds_float64(value) else _narrowed(array, np.dtype(np.float32))
        if array.dtype == np.int64 and not _holds_int64(value):
            fits = array.size == 0 or (array.min() >= int32.min and array.max() <= int32.max)
            return array.astype(np.int32) if fits else array
        return array
    target = np.dtype(dtype.as_numpy_dtype)
    if array.dtype == np.float64 and target.kind == "u":
        array = _of_large(value, array)
    if array.size and not _kinds_fit(array.dtype.kind, target.kind):
        raise DTypeError(f"expected {dtype.name}, got {_short(value)}, which is {array.dtype}")
    return _narrowed(array, target)


def _of_indices(value: Any) -> np.ndarray:
    """An array in which what stands for a whole number is that number: sizes out of a shape, above all."""

    def plain(part: Any) -> Any:
        if isinstance(part, (list, tuple)):
            return [plain(p) for p in part]
        return index(part) if hasattr(part, "__index__") else part

    try:
        return np.asarray(plain(value))
    except TypeError:  # an array stands in the list, which has the method but no one number
        return np.asarray(value, dtype=object)


def _of_large(value: Any, array: np.ndarray) -> np.ndarray:
    """`array`, or as uint64 where `value` has only whole numbers: NumPy makes floats of large and small ones."""
    exact = np.asarray(value, dtype=object)
    whole = exact.size and all(isinstance(v, (int, np.integer)) and v >= 0 for v in exact.flat)
    return exact.astype(np.uint64) if whole else array


def blank(dims: tuple[int, ...], numpy_type: Any) -> np.ndarray:
    """Zeros of a NumPy type: empty strings where it is the type of strings."""
    numpy_type = np.dtype(numpy_type)
    return np.full(dims, b"", object) if numpy_type.hasobject else np.zeros(dims, numpy_type)


def in_rows(parts: Sequence[np.ndarray], dims: tuple[int, ...], numpy_type: Any) -> np.ndarray:
    """Arrays of shape `dims`, one after another on a new first axis.

    The dots make an element of a single string, which would stay an array inside the array without them.
    """
    whole = blank((len(parts), *dims), numpy_type)
    for i, part in enumerate(parts):
        whole[i, ...] = part
    return whole


def scalar(value: Any) -> Any:
    """An array without axes as a NumPy scalar, which nobody can change; strings stay, and records, which one could."""
    if isinstance(value, np.ndarray) and value.shape == () and value.dtype.kind not in "OV":
        return value[()]
    return value


def as_fetched(value: Any, dtype: DType) -> Any:
    """A result as a user gets it: a quantized type's integers plain, a bfloat16 as other libraries know it."""
    if dtype is bfloat16:
        return as_known_elsewhere(value)
    if dtype.is_narrow:
        return narrow.as_known_elsewhere(value, dtype)
    return np.asarray(value).view(dtype.as_numpy_dtype[dtype.name]) if dtype.is_quantized else value


def as_bfloat16(value: Any) -> np.ndarray:
    """Numbers rounded to bfloat16; arrays that hold its bits, ours or another library's, as they are."""
    array = np.asarray(value)
    if array.dtype == RECORD or array.dtype.name == "bfloat16":
        return array.view(RECORD).copy()
    if array.dtype.kind not in "fiu" and array.size:
        raise DTypeError(f"expected bfloat16, got {_short(value)}, which is {array.dtype}")
    return rounded(array)


def _narrowed(array: np.ndarray, target: np.dtype) -> np.ndarray:
    """`array` as `target`; an integer that does not fit is an error, never another number."""
    if target.kind in "iu" and array.dtype.kind in "iu" and array.size:
        limits = np.iinfo(target)
        if int(array.min()) < limits.min or int(array.max()) > limits.max:
            raise DTypeError(f"{int(array.min())} to {int(array.max())} does not fit into {target}")
    with np.errstate(over="ignore", invalid="ignore"):
        return array.astype(target)


def _kinds_fit(have: str, want: str) -> bool:
    """Whether a Python value of NumPy kind `have` may be written where `want` is needed."""
    order = {"b": "b", "i": "iufc", "u": "iufc", "f": "fc", "c": "c"}
    return want in order.get(have, "")


def _holds_float64(value: Any) -> bool:
    return any(isinstance(v, np.floating) and v.dtype == np.float64 for v in _leaves(value))


def _holds_int64(value: Any) -> bool:
    return any(isinstance(v, np.integer) and v.dtype == np.int64 for v in _leaves(value))


def _leaves(value: Any) -> Any:
    """The first few numbers of a nested list: NumPy scalars in it keep their type."""
    while isinstance(value, (list, tuple)) and value and isinstance(value[0], (list, tuple, np.ndarray)):
        value = value[0]
    if isinstance(value, np.ndarray):
        return (value.reshape(-1)[:1]).tolist() if value.dtype.kind not in "fi" else list(value.reshape(-1)[:1])
    return value[:8] if isinstance(value, (list, tuple)) else (value,)


def _strings(array: np.ndarray, dtype: DType | None) -> np.ndarray:
    if dtype is not None and dtype is not string:
        raise DTypeError(f"expected {dtype.name}, got text: {_short(array.tolist())}")
    found = np.empty(array.shape, dtype=object)
    flat, source = found.reshape(-1), array.reshape(-1)
    for i, item in enumerate(source):
        if isinstance(item, str):
            item = item.encode("utf-8")
        if not isinstance(item, bytes):
            raise DTypeError(f"expected string, got {_short(item)}")
        flat[i] = bytes(item)
    return found


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 60 else text[:57] + "..."


def wide(x: Any) -> np.ndarray:
    """Half precision as float32, in which sums keep their digits; any other array as it is."""
    x = np.asarray(x)
    return x.astype(np.float32) if x.dtype == np.float16 else x
