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
from typing import Any

import numpy as np

from refflow.core.dtypes import DType, bfloat16, float16, float64
from refflow.ops.philox import RESERVED, TOGETHER, Philox, uniform_float32, uniform_float64

_TOGETHER = 1 << 12  # blocks whose numbers are made while all that it takes is in a core's cache
_MANY_SWAPS = 600  # from which on sorting them is quicker than a step for each
_FEW = 8  # numbers that are as quickly reckoned one by one
_SHORT = {float16: 10, bfloat16: 7}  # bits of mantissa
_PI_REST = 1.2246467991473532e-16  # pi less np.pi
# sin(w) / w = 1 + c[0] w^2 + c[1] w^4 + ...: interpolation at Chebyshev's points of 0 <= w <= pi / 2
_SINE = (-0.1666666666666665, 0.008333333333325933, -0.00019841269836469024, 2.7557318055685783e-06,
         -2.505197292154555e-08, 1.6050972244135636e-10, -7.40805488954261e-13)  # fmt: skip
_FEW_ANGLES = 500  # which the library's functions have sooner


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
    radius = np.log(least, least).astype(number, copy=False)
    radius *= number(-2)
    np.sqrt(radius, radius)
    angle = 2 * np.pi * u2.astype(np.float64)
    if number is np.float64:
        return np.sin(angle) * radius, np.cos(angle) * radius
    angle = angle.astype(number).astype(np.float64)
    both = sines_and_cosines(angle) if angle.size > _FEW_ANGLES else np.stack((np.sin(angle), np.cos(angle)))
    found = both.astype(number)
    found *= radius
    return found[0], found[1]


def sines_and_cosines(angle: np.ndarray) -> np.ndarray:
    """float64 [2, ...]: sine and cosine of angles in [0, 2 pi), within 1e-15 of either's size where they are float32's.

    With w from -pi/2 to pi/2 the way to the nearest zero, up or down, each is w + w^3 g(w^2), g of degree 6. Both have
    an end at which they are small, and need w to more places than float64 has: what pi lacks is added apart. Rounded to
    float32 all 2^23 angles that words make give what the library's slower functions give.
    """
    w = np.empty((2, *angle.shape))
    turned = np.pi - angle
    turned += _PI_REST
    away = np.abs(turned)
    np.subtract(away, np.pi / 2, w[1])  # cos x = sin(|pi - x| - pi / 2)
    w[1] -= _PI_REST / 2
    np.minimum(angle, away, out=w[0])
    np.subtract(2 * np.pi, angle, away)
    away += 2 * _PI_REST
    np.minimum(w[0], away, out=w[0])
    np.copysign(w[0], turned, w[0])  # sin x = sin(pi - x)
    square = w * w
    result = square * _SINE[-1]
    for c in _SINE[-2::-1]:
        result += c
        result *= square
    result += 1
    result *= w
    return result


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
    for i in range(0, len(blocks), TOGETHER):
        words = generator.words(blocks[i : i + TOGETHER])
        for j in range(0, len(words), _TOGETHER):
            found[i + j : i + j + _TOGETHER] = make(words[j : j + _TOGETHER], dtype)
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
    missing = np.flatnonzero(np.abs(result) >= 2) // size
    missing, tries = missing[np.diff(missing, prepend=-1) > 0], 2  # groups, each once
    while missing.size:
        blocks = np.add.outer(missing.astype(np.uint64) * np.uint64(region), np.arange(tries, dtype=np.uint64))
        values = _of_blocks(normals_of, generator, blocks.reshape(-1), dtype).reshape(len(missing), -1)
        near = np.abs(values) < 2
        which = np.cumsum(near, axis=1)  # a number's place among those that are near
        full = which[:, -1] >= size
        result[missing[full]] = values[near & (which <= size) & full[:, None]].reshape(-1, size)
        missing, tries = missing[~full], 2 * tries
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
    others = np.arange(count) + words % left
    return swapped_at_once(others) if count > _MANY_SWAPS else swapped(others.tolist())


def swapped(others: list[int]) -> np.ndarray:
    """0, 1, 2, ... after place i = 0, 1, 2, ... in turn was swapped with place others[i] >= i."""
    order = list(range(len(others)))
    for i, j in enumerate(others):
        order[i], order[j] = order[j], order[i]
    return np.array(order, np.int64)


def swapped_at_once(others: np.ndarray) -> np.ndarray:
    """The same without a step for each swap.

    Swap i takes what lies at others[i]: what swap k brought there, the last before i with others[k] = others[i], or
    what lay there at the start. Swap k brought what lay at place k, which was brought by the last swap before it that
    went to k, and so on back: parents in a forest, whose roots are found for all places at once, each time twice as far
    up.
    """
    places = np.arange(len(others))
    bits = len(others).bit_length()
    keys = others << bits | places
    keys.sort()  # swaps with one goal lie together, in their order
    goals, swaps = keys >> bits, keys & (1 << bits) - 1
    again = np.flatnonzero(goals[1:] == goals[:-1])
    before = np.full(len(others), -1)
    before[swaps[again + 1]] = swaps[again]
    last = np.flatnonzero(np.diff(goals, append=-1))
    lay = places.copy()  # whose content lies at a place when its own turn comes
    lay[goals[last]] = swaps[last]
    still = np.flatnonzero(others == places)
    lay[still] = np.where(before[still] < 0, still, before[still])
    while not np.array_equal(further := lay[lay], lay):
        lay = further
    return np.where(before < 0, others, lay[before])


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
