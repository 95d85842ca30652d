"""One place of a shuffled range, without the range: a small block cipher that walks until it is inside [W73].

A block of B bits, B the least even number of bits, at least 16, that holds max_index, is two words of B/2. Each pair
of rounds mixes them under keys that grow from the three words of the seed, as the cipher Simon does:

    f(x) = (rotl(x, 1) and rotl(x, 8)) xor rotl(x, 2)           y := y xor f(x) xor k1;  x := x xor f(y) xor k2

The cipher permutes 0 .. 2^B - 1; a result above max_index is put in again, which permutes 0 .. max_index.

Beaulieu et al., "The Simon and Speck families of lightweight block ciphers", 2013; Black and Rogaway, "Ciphers with
arbitrary finite domains", 2002.

Next: ops/random_generator.py.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import int32, int64, uint32, uint64
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext

_WHOLE = (int32, uint32, int64, uint64)
RANDOM_INDEX_SHUFFLE = define_op("RandomIndexShuffle", "index: dtype, seed: Tseed, max_index: dtype -> output: dtype",
                                 rounds=4, dtype=_WHOLE, Tseed=_WHOLE, source=("W73",))  # fmt: skip
RANDOM_INDEX_SHUFFLE.no_gradient()
_Z = 0x7369F885192C0EF5


def _turned(x: int, places: int, width: int) -> int:
    """x of `width` bits, turned left by so many places."""
    places %= width
    return ((x << places) | (x >> (width - places))) & ((1 << width) - 1)


def _keys(seed: list[int], rounds: int, width: int) -> list[int]:
    mask = (1 << width) - 1
    keys = [s & mask for s in seed]
    for i in range(3, rounds):
        bit = (_Z & mask) >> (i - 3) & 1
        last = keys[i - 1]
        keys.append((0xFFFFFFFC & mask) ^ bit ^ keys[i - 3] ^ _turned(last, -3, width) ^ _turned(last, -4, width))
    return keys


def _mixed(x: int, width: int) -> int:
    return (_turned(x, 1, width) & _turned(x, 8, width)) ^ _turned(x, 2, width)


def index_shuffle(index: int, seed: list[int], largest: int, rounds: int = 4) -> int:
    """Where `index` comes to stand among 0 .. largest."""
    if not largest:
        return 0
    bits = math.ceil(math.log2(largest))
    width = max(bits + bits % 2, 16) // 2
    keys = _keys(seed, rounds, width)
    while True:
        left, right = index >> width, index & ((1 << width) - 1)
        for k1, k2 in zip(keys[0::2], keys[1::2], strict=True):
            left ^= _mixed(right, width) ^ k1
            right ^= _mixed(left, width) ^ k2
        index = left << width | right
        if index <= largest:
            return index


@RANDOM_INDEX_SHUFFLE.kernel
def random_index_shuffle_kernel(index, seed, max_index, rounds):
    seeds = (seed.astype(np.uint64) & np.uint64(0xFFFFFFFF)).reshape(-1, 3)
    each: Any = np.broadcast_arrays(index.reshape(-1), max_index.reshape(-1), np.arange(len(seeds)))
    found = [index_shuffle(int(i), seeds[row].tolist(), int(top), rounds) for i, top, row in zip(*each, strict=True)]
    scalar = not index.ndim and not max_index.ndim and seed.ndim == 1
    return np.array(found, index.dtype).reshape(() if scalar else (len(found),))


@RANDOM_INDEX_SHUFFLE.shape
def _shape(context: ShapeContext) -> shapes.Shape:
    index, seed, largest = (context.dims(n) for n in ("index", "seed", "max_index"))
    if index is None or seed is None or largest is None:
        return None
    if len(index) > 1:
        raise ShapeError("Index must be a scalar or vector.")
    if len(seed) not in (1, 2) or seed[-1] not in (None, 3):
        raise ShapeError(f"Seed must be a vector of size [3] or a matrix of size [n, 3] but got {shapes.text(seed)}.")
    if len(largest) > 1:
        raise ShapeError(
            f"Maxval must be a scalar or a vector of the same size as index but got {shapes.text(largest)}"
        )
    counts = [d[0] for d, full in ((index, 1), (largest, 1), (seed, 2)) if len(d) == full]
    if len({c for c in counts if c is not None}) > 1:
        raise ShapeError(f"index, seed and max_index have {' and '.join(map(str, counts))} rows. Sizes must be equal")
    return () if not counts else (next((c for c in counts if c is not None), None),)


RANDOM_INDEX_SHUFFLE.case("W73", "a range of one", dtype="int32", Tseed="int32", index=0, seed=[1, 2, 3], max_index=0,
                          output=0)  # fmt: skip
RANDOM_INDEX_SHUFFLE.case("W73", "three seeds", dtype="int32", Tseed="int32", index=0, seed=[1, 2], max_index=3,
                          error="Seed must be a vector of size [3]")  # fmt: skip
