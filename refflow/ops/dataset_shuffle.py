"""Shuffled datasets: from a buffer of elements one is drawn, and its place is filled again [W73].

    buffer = first `buffer_size` elements
    element k: a random one of the buffer; the buffer's first takes its place; the next element comes in at the end

Random words are those of a Philox generator, whose key are two seeds. Where elements are shuffled anew each time that
the dataset is gone through, another generator gives the seeds for each time.

Next: ops/iterators.py.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from refflow.core.handles import handle_to, state_of
from refflow.core.opdef import define_op
from refflow.ops.dataset_elements import repeated
from refflow.ops.dataset_values import INFINITE, Dataset, Element, dataset_of, dataset_op, number
from refflow.ops.philox import Philox

_AHEAD = 64  # blocks of words made at once


def words(seed: int, seed2: int) -> Callable[[], int]:
    """A source of random 32-bit words."""
    generator = Philox(seed, (seed2 & ((1 << 64) - 1)) << 64)

    def each() -> Iterator[int]:
        first = 0
        while True:
            blocks = np.arange(first, first + _AHEAD, dtype=np.uint64)
            yield from generator.words(blocks).reshape(-1).tolist()
            first += _AHEAD

    return each().__next__


class Seeds:
    """The pair of seeds for each time that a dataset is gone through."""

    def __init__(self, seed: int, seed2: int, anew: bool):
        if not seed and not seed2:
            seed, seed2 = (int.from_bytes(os.urandom(8), "little") >> 1 for _ in range(2))
        self._pair = (seed, seed2)
        self._word = words(seed, seed2) if anew else None

    def next(self) -> tuple[int, int]:
        return self._pair if self._word is None else (self._word(), self._word())


def shuffled(dataset: Dataset, buffer_size: Any, seeds: Seeds) -> Dataset:
    size = number(buffer_size, "buffer_size")
    if size < 1 and size != -1:
        raise ValueError("buffer_size must be greater than zero or UNKNOWN_CARDINALITY")

    def begin():
        source, word, over = dataset.begin(), words(*seeds.next()), False
        buffer: deque[Element] = deque()

        def following():
            nonlocal over
            while not over and (size < 0 or len(buffer) < size):
                try:
                    buffer.append(source())
                except StopIteration:
                    over = True
            if not buffer:
                raise StopIteration
            chosen = word() % len(buffer)
            buffer[0], buffer[chosen] = buffer[chosen], buffer[0]
            return buffer.popleft()

        return following

    return Dataset(begin, dataset.cardinality)


_IN = "input_dataset: variant, buffer_size: int64"
_ANEW = {"reshuffle_each_iteration": True}


@dataset_op("ShuffleDataset", f"{_IN}, seed: int64, seed2: int64", _ANEW)
def shuffle_dataset(input_dataset, buffer_size, seed, seed2, reshuffle_each_iteration):
    seeds = Seeds(int(seed), int(seed2), reshuffle_each_iteration)
    return shuffled(dataset_of(input_dataset), buffer_size, seeds)


@dataset_op("ShuffleDatasetV2", f"{_IN}, seed_generator: resource", {})
def shuffle_dataset_v2(input_dataset, buffer_size, seed_generator):
    return shuffled(dataset_of(input_dataset), buffer_size, state_of(seed_generator))


@dataset_op("ShuffleDatasetV3", f"{_IN}, seed: int64, seed2: int64, seed_generator: resource", _ANEW)
def shuffle_dataset_v3(input_dataset, buffer_size, seed, seed2, seed_generator, reshuffle_each_iteration):
    given = state_of(seed_generator)
    seeds = given if isinstance(given, Seeds) else Seeds(int(seed), int(seed2), reshuffle_each_iteration)
    return shuffled(dataset_of(input_dataset), buffer_size, seeds)


@dataset_op("ShuffleAndRepeatDataset", f"{_IN}, seed: int64, seed2: int64, count: int64", _ANEW)
def shuffle_and_repeat_dataset(input_dataset, buffer_size, seed, seed2, count, reshuffle_each_iteration):
    shuffle = shuffle_dataset.reference(input_dataset, buffer_size, seed, seed2, reshuffle_each_iteration)
    return repeated(dataset_of(shuffle), number(count, "count"))


@dataset_op("RandomDataset", "seed: int64, seed2: int64", {})
def random_dataset(seed, seed2):
    pair = Seeds(int(seed), int(seed2), False).next()

    def begin():
        word = words(*pair)
        return lambda: (np.asarray(word(), np.int64),)

    return Dataset(begin, INFINITE)


class Nothing:
    """What a handle stands for that nobody asks: a dataset then makes what it needs itself."""


def _handle(name: str, inputs: str, make: Callable[..., Any], deleter: bool) -> None:
    op = define_op(name, f"{inputs} -> handle: resource[]" + (", deleter: variant[]" if deleter else ""),
                   stateful=True, source=("W43",))  # fmt: skip

    def kernel(*values):
        found = handle_to(make(*values))
        return (found, handle_to(Nothing())) if deleter else found

    op.kernel(kernel)
    op.no_gradient_registered()


_handle("AnonymousSeedGenerator", "seed: int64, seed2: int64, reshuffle: bool",
        lambda seed, seed2, reshuffle: Seeds(int(seed), int(seed2), bool(reshuffle)), deleter=True)  # fmt: skip
_handle("AnonymousRandomSeedGenerator", "seed: int64, seed2: int64",
        lambda seed, seed2: Seeds(int(seed), int(seed2), True), deleter=True)  # fmt: skip
_handle("DummySeedGenerator", "", Nothing, deleter=False)
_handle("AnonymousMemoryCache", "", Nothing, deleter=True)
_handle("DummyMemoryCache", "", Nothing, deleter=False)

for _name in ("DeleteSeedGenerator", "DeleteRandomSeedGenerator", "DeleteMemoryCache"):
    _op = define_op(_name, "handle: resource, deleter: variant ->", stateful=True, source=("W43",))
    _op.kernel(lambda handle, deleter: [])  # it goes when nobody holds it any more
    _op.no_gradient_registered()
