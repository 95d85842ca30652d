"""Philox 4x32-10: random bits as a function of a key and a counter, and of nothing else [W73].

    key = (seed low, seed high)        counter = (block low, block high, seed2 low, seed2 high)

Ten rounds of multiplying and mixing turn each counter into four 32-bit words. A generator that is asked
for block i needs no block before it, so that the bits are the same for every thread count and on every
device. Each run of a random op reserves 256 blocks for every element it makes.

Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.

Next: ops/random.py.
"""

from __future__ import annotations

import secrets
import threading

import numpy as np

_KEY_STEP = (np.uint64(0x9E3779B9), np.uint64(0xBB67AE85))
_MULTIPLY = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
RESERVED = 256  # blocks of four words that one output element may use


def philox(counters: np.ndarray, key: tuple[int, int]) -> np.ndarray:
    """Four 32-bit words for each counter: uint64 [n, 4] holding 32-bit words in, uint32 [n, 4] out."""
    c0, c1, c2, c3 = (counters[:, i].copy() for i in range(4))
    k0, k1 = np.uint64(key[0]), np.uint64(key[1])
    for _ in range(10):
        p0, p1 = _MULTIPLY[0] * c0, _MULTIPLY[1] * c2  # 32 x 32 -> 64 bits
        c0, c1, c2, c3 = (p1 >> _HALF) ^ c1 ^ k0, p1 & _LOW, (p0 >> _HALF) ^ c3 ^ k1, p0 & _LOW
        k0, k1 = (k0 + _KEY_STEP[0]) & _LOW, (k1 + _KEY_STEP[1]) & _LOW
    return np.stack([c0, c1, c2, c3], axis=1).astype(np.uint32)


class PhiloxStream:
    """One op's stream: its seeds, and how many blocks earlier runs have reserved. Safe under threads."""

    def __init__(self, seed: int, seed2: int):
        if seed == 0 and seed2 == 0:  # both zero: the caller wants other numbers each time [W72]
            seed, seed2 = secrets.randbits(64), secrets.randbits(64)
        self.key = (seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF)
        self.upper = seed2 & 0xFFFFFFFFFFFFFFFF  # the counter's upper half
        self.next_block = 0
        self._lock = threading.Lock()

    def reserve(self, elements: int) -> int:
        """The first block of a run that makes `elements` numbers; the next run begins behind it."""
        with self._lock:
            first = self.next_block
            self.next_block += elements * RESERVED
            return first

    def words(self, blocks: np.ndarray, first: int = 0) -> np.ndarray:
        """The words [n, 4] of blocks number `first + blocks` (uint64 offsets)."""
        counters = np.empty((len(blocks), 4), np.uint64)
        low = blocks + np.uint64(first & 0xFFFFFFFFFFFFFFFF)
        # A 128-bit counter: what passes 2**64 goes on into the upper half.
        upper = (self.upper + (first >> 64) + (low < blocks).astype(object)) if first >> 63 else None
        counters[:, 0], counters[:, 1] = low & _LOW, low >> _HALF
        if upper is None:
            counters[:, 2], counters[:, 3] = self.upper & 0xFFFFFFFF, self.upper >> 32
        else:
            counters[:, 2] = [u & 0xFFFFFFFF for u in upper]
            counters[:, 3] = [(u >> 32) & 0xFFFFFFFF for u in upper]
        return philox(counters, self.key)


def uniform_float32(words: np.ndarray) -> np.ndarray:
    """[0, 1) from the low 23 bits of each word: the mantissa of a number in [1, 2), less 1."""
    return ((words & np.uint32(0x7FFFFF)) | np.uint32(0x3F800000)).view(np.float32) - np.float32(1)


def uniform_float64(high: np.ndarray, low: np.ndarray) -> np.ndarray:
    """[0, 1) from 20 bits of one word and 32 of the next: the mantissa of a number in [1, 2), less 1."""
    bits = ((high.astype(np.uint64) & np.uint64(0xFFFFF)) << _HALF) | low.astype(np.uint64)
    return (bits | np.uint64(0x3FF0000000000000)).view(np.float64) - 1.0


def box_muller(u1: np.ndarray, u2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two independent normal numbers from two uniform ones; the sine's result is the first."""
    number = u1.dtype.type
    radius = np.sqrt(number(-2) * np.log(np.maximum(u1, number(1e-7))))  # 0 has no logarithm
    angle = (2 * np.pi * u2.astype(np.float64)).astype(number)  # the release multiplies in double precision
    return np.sin(angle) * radius, np.cos(angle) * radius
