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
from functools import lru_cache
from typing import Any

import numpy as np

from refflow.core import locks

_WORD = 0xFFFFFFFF
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
# Arrays without axes: a ufunc takes them in half the time that it needs for a number.
_MULTIPLY = [np.array(n, "<u8") for n in _MULTIPLIERS]
_LOW, _HALF = np.array(_WORD, "<u8"), np.array(32, "<u8")
_ALL = 0xFFFFFFFFFFFFFFFF
TOGETHER = 1 << 14  # blocks at a time: ten rounds in a core's cache
_FEW = 9  # blocks: up to so many are quicker as Python's own numbers, without 70 calls of NumPy
RESERVED = 256  # blocks of four words that one output element may use


@lru_cache(256)
def _round_keys(key: tuple[int, int]) -> list[list[np.ndarray]]:
    return [[np.array(k + i * s & _WORD, "<u8") for k, s in zip(key, _KEY_STEPS, strict=True)] for i in range(10)]


def philox(counters: Sequence[Any], key: tuple[int, int]) -> np.ndarray:
    """Four 32-bit words for each counter: four uint64 that hold 32-bit words in, [n] or numbers; uint32 [n, 4] out.

        c0, c1 = high(p2) ^ c1 ^ k0, low(p2)        p2 = c2 * m1
        c2, c3 = high(p0) ^ c3 ^ k1, low(p0)        p0 = c0 * m0

    A product lies in memory as its low word and then its high one: seen as words from the second on, its high words lie
    where the low ones of the round before lie. One pass over words then combines the two, and nothing is shifted.
    """
    c0, c1, c2, c3 = counters
    (m0, m1), multiply, xor = _MULTIPLY, np.multiply, np.bitwise_xor
    keys = _round_keys(key)
    # The first round, in which whatever is one number for all counters is reckoned once.
    p0, p2 = c0 * m0, c2 * m1
    n = len(p0)
    even = np.empty((2, n), "<u8")  # c0 and c2
    xor(c1, p2 >> _HALF ^ keys[0][0], even[0])
    xor(p0 >> _HALF, c3 ^ keys[0][1], even[1])
    rooms = np.empty((2, 2, n + 1), "<u8")  # for the products of this round and of the one before it
    rooms[:, :, n] = 0  # behind a row; is read, and cut off
    rooms[0, 0, :n], rooms[0, 1, :n] = p2, p0
    (c0, c2), (high0, high2) = even, even.view("<u4")
    now, before = [(*room[:, :n], *room.view("<u4")[:, 1:-1], *room.view("<u4")[:, :-2]) for room in rooms[::-1]]
    for k0, k1 in keys[1:]:
        p2, p0, to0, to2, low2, low0 = now
        multiply(c2, m1, p2)  # 32 x 32 -> 64 bits
        multiply(c0, m0, p0)
        xor(to0, before[4], high0)
        xor(to2, before[5], high2)
        np.bitwise_and(even, _LOW, even)
        xor(c0, k0, c0)
        xor(c2, k1, c2)
        before, now = now, before
    found = np.empty((n, 2, 2), "<u4")
    found[:, 0, 0], found[:, 1, 0] = high0[::2], high2[::2]
    found[:, 0, 1], found[:, 1, 1] = low2[::2], low0[::2]
    return found.reshape(n, 4)


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
        if len(blocks) <= TOGETHER:
            return self._words(blocks)
        found = np.empty((len(blocks), 4), np.uint32)
        for i in range(0, len(blocks), TOGETHER):
            found[i : i + TOGETHER] = self._words(blocks[i : i + TOGETHER])
        return found

    def _words(self, blocks: np.ndarray) -> np.ndarray:
        start = np.uint64(self.counter & _ALL)
        low, high = blocks + start, np.array(self.counter >> 64, np.uint64)
        if blocks.max() > np.uint64(_ALL) - start:  # a 128-bit counter: what passes 2**64 goes on into the upper half
            high = high + (low < blocks).astype(np.uint64)
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
