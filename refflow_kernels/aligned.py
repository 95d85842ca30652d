"""Memory that begins where a cache line does: at a multiple of 64 bytes, which is also the widest register.

NumPy's large arrays begin 16 bytes behind that, so that each wide load or store touches two lines. Where all lies in
the second cache, a sum of two arrays into a third then takes twice the time.

Large ones begin where a page does, and so a little before NumPy's within theirs. A core takes two addresses for one
while it knows only their places within a page: a load a line or two behind a store would wait for it, a fifth of exp's
time.

Next: refflow_kernels/cpu/blocks.py.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

_LINE, _PAGE = 64, 4096  # bytes
_LARGE = 1 << 16  # bytes


def empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """np.empty(shape, dtype), aligned; the memory itself belongs to the array's base."""
    dtype = np.dtype(dtype)
    return within(np.empty(room(shape, dtype), np.uint8), shape, dtype)


def room(shape: tuple[int, ...], dtype: np.dtype) -> int:
    """Bytes that hold an array of that shape and type wherever they begin."""
    size = prod(shape) * dtype.itemsize
    return size + _step(size)


def within(memory: np.ndarray, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """The array of that shape and type in bytes that have room for it."""
    return np.ndarray(shape, dtype, memory, -memory.ctypes.data % _step(prod(shape) * dtype.itemsize))


def _step(size: int) -> int:
    return _LINE if size < _LARGE else _PAGE
