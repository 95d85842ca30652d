"""Distributions of class numbers 0..range - 1, drawn from a stream of random words [W73].

    Uniform        each 1 / range                      a 64-bit word modulo range
    LogUniform     log((v + 2) / (v + 1)) / log(range + 1)     floor(exp(u * log(range + 1))) - 1
    Unigram        by the counts of what was seen       a 32-bit word modulo the total, found in the running sums
    FixedUnigram   by given frequencies                 Vose's alias table: one number picks a column, one its half

Words that would make small numbers likelier are passed over, so that a draw may take more than one. `Words` hands
them out in the stream's order.

Walker, "An efficient method for generating discrete random variables", ACM TOMS 3, 1977; Vose, "A linear algorithm
for generating random numbers with a given distribution", IEEE TSE 17, 1991.

Next: ops/candidate_sampling.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from refflow.ops.philox import PhiloxStream, uniform_float32, uniform_float64


class Words:
    """A stream's 32-bit words from a block on, as many as are asked for."""

    def __init__(self, stream: PhiloxStream, first_block: int):
        self.stream, self.first = stream, first_block
        self._have = np.zeros(0, np.uint32)
        self.at = 0  # words taken

    def peek(self, count: int) -> np.ndarray:
        """The next words, without taking them."""
        missing = self.at + count - len(self._have)
        if missing > 0:
            needed = -(-missing // 4)  # as many again cost little, and are often asked for
            blocks = len(self._have) // 4 + np.arange(needed + max(16, needed), dtype=np.uint64)
            self._have = np.concatenate([self._have, self.stream.words(blocks, self.first).reshape(-1)])
        return self._have[self.at : self.at + count]

    def take(self, count: int) -> np.ndarray:
        found = self.peek(count)
        self.at += count
        return found


def below(limit: int, words: Words, count: int, wide: bool = False) -> np.ndarray:
    """`count` numbers below `limit`, all equally likely, from words or pairs of them.

    2**bits is no multiple of most limits; words below the remainder are passed over.
    """
    bits, each = (64, 2) if wide else (32, 1)
    passed = passed_over(limit, 2**bits)
    found = np.zeros(0, np.uint64)
    while len(found) < count:
        drawn = words.take(each * (count - len(found))).astype(np.uint64)
        if wide:
            drawn = drawn[0::2] | (drawn[1::2] << np.uint64(32))
        found = np.concatenate([found, drawn[drawn >= np.uint64(passed)]])
    return (found % np.uint64(limit)).astype(np.int64)


def passed_over(limit: int, count: int) -> int:
    """How many of `count` numbers are passed over, so that all rests of a division by `limit` are equally likely."""
    return 0 if limit & (limit - 1) == 0 else (count - 1) % limit + 1


class Uniform:
    """Every class alike."""

    def __init__(self, range_max: int):
        self.range = range_max

    def probability(self, values: np.ndarray) -> np.ndarray:
        return np.full(values.shape, 1.0 / self.range, np.float32)

    def draw(self, words: Words, count: int) -> np.ndarray:
        return below(self.range, words, count, wide=True)

    def update(self, values: np.ndarray) -> None:
        """Nothing is learned."""


class LogUniform(Uniform):
    """Zipf's law, nearly: classes in the order of falling frequency."""

    def probability(self, values: np.ndarray) -> np.ndarray:
        return (np.log((values + 2.0) / (values + 1.0)) / np.log1p(self.range)).astype(np.float32)

    def draw(self, words: Words, count: int) -> np.ndarray:
        pairs = words.take(2 * count)
        u = uniform_float64(pairs[0::2], pairs[1::2])
        return (np.exp(u * np.log1p(self.range)).astype(np.int64) - 1) % self.range


class Unigram(Uniform):
    """By how often each class was seen; all have been seen once at the start."""

    def __init__(self, range_max: int):
        super().__init__(range_max)
        self.counts = np.ones(range_max, np.int64)

    def probability(self, values: np.ndarray) -> np.ndarray:
        known = (values >= 0) & (values < self.range)
        counts = np.where(known, self.counts[np.where(known, values, 0)], 0)
        return counts.astype(np.float32) / np.float32(self.counts.sum())

    def draw(self, words: Words, count: int) -> np.ndarray:
        sums = np.cumsum(self.counts)
        return np.searchsorted(sums, below(int(sums[-1]), words, count), "right")

    def update(self, values: np.ndarray) -> None:
        np.add.at(self.counts, values.reshape(-1), 1)


class FixedUnigram(Uniform):
    """By given weights, from an alias table."""

    def __init__(self, weights: Sequence[float]):
        super().__init__(len(weights))
        self.weights = np.asarray(weights, np.float32)
        self.total = np.float32(0)
        for weight in self.weights:  # in single precision, one after the other, as the release adds them
            self.total += weight
        self.share, self.other = _alias_table(self.weights.astype(np.float64))

    def probability(self, values: np.ndarray) -> np.ndarray:
        known = (values >= 0) & (values < self.range)
        return np.where(known, self.weights[np.where(known, values, 0)], np.float32(0)) / self.total

    def draw(self, words: Words, count: int) -> np.ndarray:
        pairs = words.peek(2 * count)
        if np.all(pairs[1::2] >= passed_over(self.range, 2**32)):  # nearly always: each draw takes two words
            words.take(2 * count)
            columns = (pairs[1::2] % np.uint32(self.range)).astype(np.int64)
            own = uniform_float32(pairs[0::2]) < self.share[columns]
            return np.where(own, columns, self.other[columns])
        found = np.zeros(count, np.int64)
        for i in range(count):
            half = uniform_float32(words.take(1))[0]
            column = int(below(self.range, words, 1)[0])
            found[i] = column if half < self.share[column] else self.other[column]
        return found


def _alias_table(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each column the part that is its own, and whose the rest is.

    Each column holds 1 / n of the whole; a light class is topped up by a heavy one.
    """
    n = len(weights)
    parts = (weights * n / weights.sum()).tolist()
    other = list(range(n))
    low, high = [i for i in range(n) if parts[i] < 1.0], [i for i in range(n) if parts[i] >= 1.0]
    while low and high:
        light, heavy = low.pop(), high.pop()
        other[light] = heavy
        parts[heavy] -= 1.0 - parts[light]
        (low if parts[heavy] < 1.0 else high).append(heavy)
    for i in low + high:  # what rounding left over is full
        parts[i] = 1.0
    return np.asarray(parts, np.float32), np.asarray(other)


def first_distinct(draw: Callable[[int], np.ndarray], count: int, limit: int) -> tuple[np.ndarray, int]:
    """The first `count` different numbers that come, and how many were drawn until then."""
    seen: dict[int, None] = {}
    drawn = 0
    while True:
        values = draw(max(count, drawn)).tolist()
        for tries, value in enumerate(values, drawn + 1):
            seen[value] = None
            if len(seen) == count:
                return np.array(list(seen), np.int64), tries
        drawn += len(values)
        if drawn > limit:
            raise ValueError(f"{drawn} draws gave no {count} different classes")
