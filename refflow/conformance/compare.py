"""One value beside another: what is wrong with it, in a sentence that names the place, or nothing.

Values of exact ops have to be equal; -0 is 0, every NaN is NaN, and a subnormal may be 0. Others may be off by so many
units in the last place of the expected value, `UNITS` by the op's class, and in types of 16 bits by `FEW`. What is a
sum of many terms may be off by units of the largest value beside it: where terms cancel, there is less left to be right
about. Where what differs is nearly always too near to 0, results were cut. Random ops are held to types and shapes.

Next: conformance/drawn.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core.bfloat16 import RECORD, widened
from refflow.core.dtypes import as_dtype
from refflow.core.registry import op_def

UNITS = {"exact": 0, "rounded": 1, "transcendental": 4, "special": 64, "dot": 16, "composed": 128}
BITS = {"float16": 10, "bfloat16": 7}  # types with few bits of mantissa: sums of them are made with more, so that
FEW = 4  # units are allowed, whatever the class
_OF_THE_LARGEST = ("dot", "composed")


def difference(got: Any, wanted: np.ndarray, accuracy: str, slack: np.ndarray | None = None) -> str:
    """What is wrong with a value, "" where nothing is. slack: how far it may be off beside, place by place."""
    got = _like(got, wanted)
    if got.dtype != wanted.dtype:
        return f"is {_type(got)}, expected {_type(wanted)}"
    if got.shape != wanted.shape:
        return f"has shape {list(got.shape)}, expected {list(wanted.shape)}"
    if accuracy == "random" or not wanted.size:
        return ""
    if wanted.dtype == RECORD:
        return _of_floats(widened(got), widened(wanted), accuracy, BITS["bfloat16"], None, slack)
    if wanted.dtype.kind not in "fc":
        wrong = np.asarray(_plain(_unpacked(got)) != _plain(_unpacked(wanted)))
        return _told(got, wanted, wrong, 0) if wrong.any() else ""
    if wanted.dtype.kind == "c":
        whole = None if accuracy == "exact" else abs(wanted)
        parts = [_of_floats(getattr(got, p), getattr(wanted, p), accuracy, None, whole) for p in ("real", "imag")]
        return next((f"in its {p} part {t}" for p, t in zip(("real", "imaginary"), parts, strict=True) if t), "")
    return _of_floats(got, wanted, accuracy, BITS.get(wanted.dtype.name), None, slack)


def _of_floats(
    got: np.ndarray,
    wanted: np.ndarray,
    accuracy: str,
    bits: int | None,
    whole: np.ndarray | None = None,
    slack: np.ndarray | None = None,
) -> str:
    """bits: of the mantissa, where there are but few. whole: the size of the number that this is a part of."""
    finite = np.isfinite(wanted)
    special = ~finite & ~((got == wanted) | (np.isnan(got) & np.isnan(wanted)))
    if special.any():
        return _told(got, wanted, special, 0)
    unit = unit_of(wanted, accuracy, bits, whole)
    allowed = FEW if bits is not None and UNITS[accuracy] else UNITS[accuracy]
    if whole is not None:
        allowed = max(allowed, FEW)  # parts of complex numbers are sums of products
    with np.errstate(invalid="ignore", over="ignore"):
        distance = np.abs(got.astype(np.float64) - wanted.astype(np.float64))
        off = np.maximum(distance - (0 if slack is None else slack), 0) / unit
    flushed = (got == 0) & (np.abs(wanted) < np.finfo(wanted.dtype).tiny)  # a subnormal may be 0
    wrong = finite & ~((off <= allowed) | flushed)
    if wrong.any():
        return _told(got, wanted, wrong, allowed, off)
    narrow = bits is not None or (accuracy == "rounded" and whole is None)
    return _cut(got, wanted, flushed) if allowed and narrow else ""


def unit_of(wanted: np.ndarray, accuracy: str, bits: int | None = None, whole: np.ndarray | None = None) -> np.ndarray:
    """One unit in the last place of each value, in an op of that class: where it sums, of the largest value."""
    size = np.abs(np.where(np.isfinite(wanted), wanted, 0))
    if whole is not None:
        size = np.where(np.isfinite(whole), whole, size)
    if accuracy in _OF_THE_LARGEST:
        size = np.full_like(size, size.max())
    kind = np.finfo(wanted.dtype)
    _, exponent = np.frexp(np.maximum(size, kind.tiny))
    return np.ldexp(float(kind.eps) if bits is None else 2.0**-bits, exponent - 1)


def _cut(got: np.ndarray, wanted: np.ndarray, flushed: np.ndarray) -> str:
    """What is wrong where results lean to 0: who rounds is off to both sides, if at all; who cuts, to one."""
    nearer, farther = np.sum((abs(got) < abs(wanted)) & ~flushed), np.sum(abs(got) > abs(wanted))
    if nearer < 8 or nearer < wanted.size / 20 or farther > nearer / 8:
        return ""
    counts = f"{nearer} of {wanted.size} values are too near to it, {farther} too far"
    return f"leans to 0: {counts}. Are results cut, not rounded?"


def _told(got: np.ndarray, wanted: np.ndarray, wrong: np.ndarray, allowed: int, off: Any = None) -> str:
    """The first wrong place, or of floats the worst, and how many there are."""
    flat = int(np.argmax(wrong if off is None else np.where(wrong, off, -1)))
    place = np.unravel_index(flat, wanted.shape)
    where = f"[{', '.join(str(int(i)) for i in place)}]" if place else ""
    text = f"{where} is {_shown(got[place])}, expected {_shown(wanted[place])}".lstrip()
    if off is not None and np.isfinite(off[place]) and allowed:
        text += f": off by {off[place]:.3g} units in the last place, {allowed} are allowed"
    count = int(wrong.sum())
    return text + (f" ({count} of {wanted.size} values are wrong)" if count > 1 else "")


def _like(value: Any, wanted: np.ndarray) -> np.ndarray:
    """A value as an array; the bits of a type that NumPy lacks may come as plain integers, or as another's type."""
    if wanted.dtype == object:
        found = np.empty(np.shape(value), object)
        found[...] = np.asarray(value, object)
        return found
    found = np.asarray(value)
    same_size = wanted.dtype.names and found.dtype.itemsize == wanted.dtype.itemsize
    return np.ascontiguousarray(found).view(wanted.dtype).reshape(found.shape) if same_size else found


def _plain(array: np.ndarray) -> np.ndarray:
    return array.view(array.dtype[0]) if array.dtype.names else array


def _unpacked(array: np.ndarray) -> np.ndarray:
    """Strings that are PNGs as the pictures in them: how well they are packed is free."""
    if array.dtype != object or not any(_is_png(text) for text in array.reshape(-1)):
        return array
    found = np.empty(array.shape, object)
    found.reshape(-1)[:] = [_picture(text) if _is_png(text) else text for text in array.reshape(-1)]
    return found


def _is_png(text: Any) -> bool:
    return isinstance(text, bytes) and text.startswith(b"\x89PNG\r\n")


def _picture(text: bytes) -> Any:
    """Its size and elements, or the bytes as they are where they cannot be read."""
    try:
        kind = as_dtype("uint16" if text[24] == 16 else "uint8")
        op = op_def("DecodePng")
        image = op.reference(np.array(text, object), **op.kernels["cpu"].arguments({"channels": 0, "dtype": kind}))
        return image.shape, image.tobytes()
    except Exception:  # it is no picture, whatever the reason
        return text


def _type(array: np.ndarray) -> str:
    try:
        return as_dtype(array.dtype).name
    except TypeError:
        return str(array.dtype)


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, np.generic) else repr(value)
