"""Random numbers: a generator's words as numbers, in the order in which every random op hands them out [W73].

    uniform            the low bits of a word as the mantissa of a number in [1, 2), less 1
    integer            a word, or two, modulo the range
    normal             Box-Muller on pairs of words: sqrt(-2 log u1) sin(2 pi u2), and the same with cos
    truncated normal   normals in order, those at or beyond 2 dropped, until each group of four is full [S13]

A block is four words: four numbers of up to 32 bits, or two of 64. Every group of four truncated normals reads its own
region of 256 blocks an element when it has to redraw, so that no element depends on how often another was drawn again.
float16 and bfloat16 normals are float32 ones, rounded; their uniforms take 10 and 7 bits.

Next: ops/random.py.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from refflow.core.dtypes import DType, bfloat16, float16, float64
from refflow.ops.philox import RESERVED, Philox, uniform_float32, uniform_float64

_TOGETHER = 1 << 12  # blocks whose numbers are made while they are in a core's cache
_FEW = 8  # numbers that are as quickly reckoned one by one
_SHORT = {float16: 10, bfloat16: 7}  # bits of mantissa


def uniforms_of(words: np.ndarray, dtype: DType) -> np.ndarray:
    """The uniform numbers [n, 4] of the words [n, 4] of n blocks; [n, 2] of float64."""
    if dtype is float64:
        return uniform_float64(words[:, 0::2], words[:, 1::2])
    if dtype in _SHORT:
        bits = _SHORT[dtype]
        return ((words & np.uint32((1 << bits) - 1)) / np.float32(1 << bits)).astype(np.float32)
    return uniform_float32(words)


def box_muller(u1: np.ndarray, u2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two independent normal numbers from two uniform ones; the sine's result is the first."""
    number = u1.dtype.type
    least = np.maximum(u1, number(1e-7)).astype(np.float64)  # 0 has no logarithm
    # Logarithm, sine and cosine in double precision and rounded, as good libraries have them.
    radius = np.sqrt(number(-2) * np.log(least).astype(number))
    angle = (2 * np.pi * u2.astype(np.float64)).astype(number).astype(np.float64)
    return np.sin(angle).astype(number) * radius, np.cos(angle).astype(number) * radius


def normals_of(words: np.ndarray, dtype: DType) -> np.ndarray:
    """The normal numbers [n, 4] of the words of n blocks; [n, 2] of float64."""
    uniform = uniform_float64(words[:, 0::2], words[:, 1::2]) if dtype is float64 else uniform_float32(words)
    found = np.empty_like(uniform)
    found[:, 0::2], found[:, 1::2] = box_muller(uniform[:, 0::2], uniform[:, 1::2])
    return found


def per_block(dtype: DType) -> int:
    """How many numbers of that type a block makes."""
    return 2 if dtype.size == 8 else 4


def _drawn(make: Callable[..., np.ndarray], generator: Philox, count: int, dtype: DType) -> np.ndarray:
    blocks = np.arange(-(-count // per_block(dtype)), dtype=np.uint64)
    return _of_blocks(make, generator, blocks, dtype).reshape(-1)[:count]


def _of_blocks(make: Callable[..., np.ndarray], generator: Philox, blocks: np.ndarray, dtype: DType) -> np.ndarray:
    """The numbers of each block, [n, 4] or [n, 2], some blocks at a time."""
    if len(blocks) <= _TOGETHER:
        return make(generator.words(blocks), dtype)
    some = make(generator.words(blocks[:0]), dtype)
    found = np.empty((len(blocks), per_block(dtype)), some.dtype)
    for i in range(0, len(blocks), _TOGETHER):
        found[i : i + _TOGETHER] = make(generator.words(blocks[i : i + _TOGETHER]), dtype)
    return found


def uniforms(generator: Philox, count: int, dtype: DType) -> np.ndarray:
    """`count` numbers in [0, 1)."""
    return _stored(_drawn(uniforms_of, generator, count, dtype), dtype)


def normals(generator: Philox, count: int, dtype: DType) -> np.ndarray:
    """`count` normal numbers of mean 0 and deviation 1."""
    return _stored(_drawn(normals_of, generator, count, dtype), dtype)


def _stored(numbers: np.ndarray, dtype: DType) -> np.ndarray:
    """As the type has them; bfloat16 stays wide, and is rounded by who called the kernel."""
    return numbers.astype(np.float32 if dtype is bfloat16 else dtype.as_numpy_dtype, copy=False)


def truncated_normals(generator: Philox, count: int, dtype: DType) -> np.ndarray:
    """`count` normal numbers within two deviations of the mean [S13]."""
    size = per_block(dtype)  # elements made together, from one region of blocks
    groups = -(-count // size)
    region = size * RESERVED // 4  # blocks
    # In most groups none is dropped: those are done.
    result = _of_blocks(normals_of, generator, np.arange(0, groups * region, region, dtype=np.uint64), dtype)
    open_groups, block = np.flatnonzero(~reduce(np.logical_and, (np.abs(result) < 2).T)), 0
    have = np.zeros(groups, np.int64)
    while open_groups.size:
        words = generator.words(open_groups.astype(np.uint64) * np.uint64(region) + np.uint64(block))
        for value in normals_of(words, dtype).T:
            keep = (np.abs(value) < 2) & (have[open_groups] < size)
            where = open_groups[keep]
            result[where, have[where]] = value[keep]
            have[where] += 1
        open_groups, block = open_groups[have[open_groups] < size], block + 1
    return _stored(result.reshape(-1)[:count], dtype)


def _bits_of(words: np.ndarray, dtype: DType) -> np.ndarray:
    """The words as unsigned numbers of the type's width, the lower half of a wide one first."""
    if dtype.size == 8:
        return words[:, 0::2].astype(np.uint64) | (words[:, 1::2].astype(np.uint64) << np.uint64(32))
    return words


def full_integers(generator: Philox, count: int, dtype: DType) -> np.ndarray:
    """`count` integers over the whole range of the type."""
    return _drawn(_bits_of, generator, count, dtype).astype(dtype.as_numpy_dtype)


def integers(generator: Philox, count: int, low: int, high: int, dtype: DType) -> np.ndarray:
    """`count` integers in [low, high): words modulo the range."""
    drawn, size = _drawn(_bits_of, generator, count, dtype), np.uint64(high - low)
    if count <= _FEW:
        return np.array([low + n % (high - low) for n in drawn.tolist()], dtype.as_numpy_dtype)
    found = drawn.astype(np.uint64)
    found -= found // size * size  # NumPy divides by one number much quicker than it takes a remainder
    found += np.uint64(low & 0xFFFFFFFFFFFFFFFF)
    return found.astype(np.int64).astype(dtype.as_numpy_dtype)


def permutation(generator: Philox, count: int) -> np.ndarray:
    """The numbers below `count` in a random order: each place in turn is swapped with one at or after it."""
    words = generator.words(np.arange(-(-count // 4), dtype=np.uint64)).reshape(-1)[:count]
    left = np.arange(count, 0, -1)
    others = (np.arange(count) + words % left).tolist()
    order = list(range(count))
    for i, j in enumerate(others):
        order[i], order[j] = order[j], order[i]
    return np.array(order, np.int64)


class Draws:
    """Numbers drawn one at a time from many generators at once, those of a block in reverse order.

    blocks [n] is each generator's next block, shared by all the Draws of those generators.
    """

    def __init__(self, generator: Philox, blocks: np.ndarray, make: Callable[..., np.ndarray], dtype: DType):
        self._generator, self._blocks, self._make, self._dtype = generator, blocks, make, dtype
        self._values = np.zeros((len(blocks), per_block(dtype)))
        self._left = np.zeros(len(blocks), np.int64)

    def take(self, rows: np.ndarray) -> np.ndarray:
        """The next number of each of the generators `rows`."""
        empty = rows[self._left[rows] == 0]
        if empty.size:
            self._values[empty] = self._make(self._generator.words(self._blocks[empty]), self._dtype)
            self._blocks[empty] += np.uint64(1)
            self._left[empty] = self._values.shape[1]
        self._left[rows] -= 1
        found: Any = self._values[rows, self._left[rows]]
        return found
