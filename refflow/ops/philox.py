"""Philox 4x32-10: random bits as a function of a key and a counter, and of nothing else [W73].

    key = (seed low, seed high)        counter = (block low, block high, seed2 low, seed2 high)

Ten rounds of multiplying and mixing turn each counter into four 32-bit words. A generator that is asked
for block i needs no block before it, so that the bits are the same for every thread count and on every
device. Each run of a random op reserves 256 blocks for every element it makes.

Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.

Next: ops/random_numbers.py.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from refflow.core import locks

_WORD = 0xFFFFFFFF
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_KEY_STEP, _MULTIPLY = [[np.uint64(n) for n in pair] for pair in (_KEY_STEPS, _MULTIPLIERS)]
_LOW = np.uint64(_WORD)
_ALL = 0xFFFFFFFFFFFFFFFF
_HALF = np.uint64(32)
_TOGETHER = 1 << 12  # blocks at a time: ten rounds in a core's cache
_FEW = 12  # blocks: up to so many are quicker as Python's own numbers, without 90 calls of NumPy
RESERVED = 256  # blocks of four words that one output element may use


def philox(counters: Sequence[np.ndarray], key: tuple[int, int]) -> np.ndarray:
    """Four 32-bit words for each counter: four uint64 [n] holding 32-bit words in, which change; uint32 [n, 4] out."""
    c0, c1, c2, c3 = counters
    p0, p1 = np.empty_like(c0), np.empty_like(c0)
    k0, k1 = np.uint64(key[0]), np.uint64(key[1])
    for _ in range(10):
        np.multiply(c0, _MULTIPLY[0], out=p0)  # 32 x 32 -> 64 bits
        np.multiply(c2, _MULTIPLY[1], out=p1)
        np.right_shift(p1, _HALF, out=c0)
        np.right_shift(p0, _HALF, out=c2)
        c0 ^= c1
        c0 ^= k0
        c2 ^= c3
        c2 ^= k1
        np.bitwise_and(p1, _LOW, out=c1)
        np.bitwise_and(p0, _LOW, out=c3)
        k0, k1 = (k0 + _KEY_STEP[0]) & _LOW, (k1 + _KEY_STEP[1]) & _LOW
    pairs = np.empty((len(c0), 2), "<u8")  # two words lie in one number of 64 bits, the first in its lower half
    for i, (lower, upper) in enumerate(((c0, c1), (c2, c3))):
        upper <<= _HALF
        upper |= lower
        pairs[:, i] = upper
    return pairs.view("<u4")


def _block(counter: int, key: int) -> tuple[int, int, int, int]:
    """The four words of one counter of 128 bits."""
    c0, c1, c2, c3 = counter & _WORD, counter >> 32 & _WORD, counter >> 64 & _WORD, counter >> 96 & _WORD
    k0, k1 = key & _WORD, key >> 32
    (m0, m1), (s0, s1) = _MULTIPLIERS, _KEY_STEPS
    for _ in range(10):
        p0, p1 = c0 * m0, c2 * m1
        c0, c1, c2, c3 = p1 >> 32 ^ c1 ^ k0, p1 & _WORD, p0 >> 32 ^ c3 ^ k1, p0 & _WORD
        k0, k1 = k0 + s0 & _WORD, k1 + s1 & _WORD
    return c0, c1, c2, c3


class Philox:
    """The generator at one place: 64 bits of key, and the 128-bit counter of the block that comes next."""

    __slots__ = ("counter", "key")

    def __init__(self, key: int, counter: int):
        self.key = key & _ALL
        self.counter = counter & ((1 << 128) - 1)

    def skipped(self, blocks: int) -> Philox:
        """The same generator, so many blocks further on."""
        return Philox(self.key, self.counter + blocks)

    def words(self, blocks: np.ndarray) -> np.ndarray:
        """The words [n, 4] of the blocks that stand `blocks` (uint64) behind this place."""
        if len(blocks) <= _FEW:
            few = [_block(self.counter + block, self.key) for block in blocks.tolist()]
            return np.array(few, np.uint32).reshape(-1, 4)
        found = np.empty((len(blocks), 4), np.uint32)
        for i in range(0, len(blocks), _TOGETHER):
            found[i : i + _TOGETHER] = self._words(blocks[i : i + _TOGETHER])
        return found

    def _words(self, blocks: np.ndarray) -> np.ndarray:
        low = blocks + np.uint64(self.counter & _ALL)
        # A 128-bit counter: what passes 2**64 goes on into the upper half.
        high = np.uint64(self.counter >> 64) + (low < blocks)
        counters = low & _LOW, low >> _HALF, high & _LOW, high >> _HALF
        return philox(counters, (self.key & _WORD, self.key >> 32))


class PhiloxStream:
    """One op's stream: its seeds, and how many blocks earlier runs have reserved. Safe under threads."""

    def __init__(self, seed: int, seed2: int):
        if seed == 0 and seed2 == 0:  # both zero: the caller wants other numbers each time [W72]
            seed, seed2 = (int.from_bytes(os.urandom(8), "little") for _ in range(2))
        self.origin = Philox(seed, (seed2 & _ALL) << 64)  # the second seed is the counter's upper half
        self.next_block = 0
        self._lock = locks.lock()

    def reserve(self, elements: int, blocks: int = RESERVED) -> int:
        """The first block of a run that makes `elements` numbers; the next run begins behind it."""
        with self._lock:
            first = self.next_block
            self.next_block += elements * blocks
            return first

    def region(self, elements: int, blocks: int = RESERVED) -> Philox:
        """The generator for one run that makes `elements` numbers."""
        return self.origin.skipped(self.reserve(elements, blocks))

    def words(self, blocks: np.ndarray, first: int = 0) -> np.ndarray:
        """The words [n, 4] of blocks number `first + blocks` (uint64 offsets)."""
        return self.origin.skipped(first).words(blocks)


class OneByOne:
    """Numbers asked for one at a time, which take a word or two each from the stream of one seed."""

    def __init__(self, seed: int):
        self._source = Philox(seed, 0)
        self._words: list[int] = []

    def word(self) -> int:
        """32 bits."""
        if not self._words:
            self._words = [int(w) for w in self._source.words(np.zeros(1, np.uint64))[0]]
            self._source = self._source.skipped(1)
        return self._words.pop(0)

    def float32(self) -> np.float32:
        """[0, 1)."""
        return np.float32(uniform_float32(np.array([self.word()], np.uint32))[0])

    def below(self, stop: int) -> int:
        """A whole number in [0, stop), each as likely: the lowest of the 64-bit numbers are drawn again."""
        while True:
            drawn = self.word() | self.word() << 32
            if stop & (stop - 1) == 0:
                return drawn & (stop - 1)
            if drawn >= _ALL % stop + 1:
                return drawn % stop


def uniform_float32(words: np.ndarray) -> np.ndarray:
    """[0, 1) from the low 23 bits of each word: the mantissa of a number in [1, 2), less 1."""
    bits = words & np.uint32(0x7FFFFF)
    bits |= np.uint32(0x3F800000)
    numbers = bits.view(np.float32)
    numbers -= np.float32(1)
    return numbers


def uniform_float64(high: np.ndarray, low: np.ndarray) -> np.ndarray:
    """[0, 1) from 20 bits of one word and 32 of the next: the mantissa of a number in [1, 2), less 1."""
    bits = ((high.astype(np.uint64) & np.uint64(0xFFFFF)) << np.uint64(32)) | low.astype(np.uint64)
    return (bits | np.uint64(0x3FF0000000000000)).view(np.float64) - 1.0
