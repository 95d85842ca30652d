"""Stateless random tensors: functions of a shape and two seeds, or of a key and a counter, and of nothing else [W73].

    seed [2]     (a, b) is scrambled by one block of the generator: key and counter come from its four words
    key [1], counter [2], alg []           today's form: the scrambling is a node of its own

    StatelessRandomGetKeyCounter           seed -> key, counter
    StatelessRandomUniform, ...Normal      the numbers of ops/random_numbers.py
    StatelessRandomUniformV2, ...          the same from key and counter

alg: 1 is Philox; 2, ThreeFry, has no kernel on a CPU; 3 leaves the choice, and means Philox.

Next: ops/random_generator.py.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import FLOATS, INDICES, float32, int32, int64, uint32, uint64
from refflow.core.errors import ShapeError
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops import random_numbers
from refflow.ops.constant import shape_from
from refflow.ops.philox import Philox, philox

PHILOX, THREEFRY, AUTO = 1, 2, 3
WHOLE = (int32, int64, uint32, uint64)
SEEDS = Attr("type", default=int64, allowed=INDICES)
SHAPES = Attr("type", default=int32, allowed=INDICES)
_SCRAMBLER = (0x3EC8F720, 0x02461E29)
_LOW = 0xFFFFFFFF


def generator_of_seed(seed: Any) -> Philox:
    """The generator that two seeds mean, whichever of their bits differ."""
    a, b = (int(s) & 0xFFFFFFFFFFFFFFFF for s in seed)
    counter = np.array([[a & _LOW], [a >> 32], [b & _LOW], [b >> 32]], np.uint64)
    mixed = [int(w) for w in philox(list(counter), _SCRAMBLER)[0]]
    return Philox(mixed[0] | mixed[1] << 32, (mixed[2] | mixed[3] << 32) << 64)


def generator_of_key(key: Any, counter: Any, alg: Any) -> Philox:
    """The generator with that key, at that counter. What a short counter lacks is zero."""
    if np.ndim(alg):
        raise ShapeError(f"alg, input 3 (0-based) must have shape [], not {list(np.shape(alg))}")
    if np.shape(key) != (1,):
        raise ShapeError(f"key must have shape [1], not {shapes.text(np.shape(key))}. (Note that batched keys are not "
                         "supported yet.)")  # fmt: skip
    least = 2 if int(alg) == THREEFRY else 1
    if np.ndim(counter) != 1 or len(counter) < least:
        raise ShapeError(f"counter must be a vector with length at least {least}; got shape: "
                         f"{shapes.text(np.shape(counter))}. (Note that batched counters are not supported "
                         "yet.)")  # fmt: skip
    if int(alg) not in (PHILOX, AUTO):
        raise ValueError(f"Unsupported algorithm id: {int(alg)}")
    return Philox(int(key[0]), int(counter[0]) | (int(counter[1]) if len(counter) > 1 else 0) << 64)


def check_seed(context: ShapeContext) -> None:
    """Two seeds, no more and no less."""
    dims = context.dims("seed")
    if not shapes.compatible(dims, (2,)):
        raise ShapeError(f"seed must have shape [2], not {shapes.text(dims)}")


def count_of(shape: Any) -> int:
    return prod(np.asarray(shape).reshape(-1).tolist())


def asked_shape(context: ShapeContext) -> shapes.Shape:
    """The shape that the input `shape` spells."""
    dims = context.dims("shape")
    if dims is not None and len(dims) != 1:
        raise ShapeError(f"shape must be a vector of {{int32,int64}}, got shape {shapes.text(dims)}")
    return shape_from(context, "shape")


def _seeded_shape(context: ShapeContext) -> shapes.Shape:
    check_seed(context)
    return asked_shape(context)


def _keyed_shape(context: ShapeContext) -> shapes.Shape:
    return asked_shape(context)


# -- keys and counters --------------------------------------------------------------------------------------------

GET_KEY_COUNTER = define_op("StatelessRandomGetKeyCounter", "seed: Tseed -> key: uint64, counter: uint64", Tseed=SEEDS,
                            source=("W73",))  # fmt: skip
GET_KEY_COUNTER_ALG = define_op(
    "StatelessRandomGetKeyCounterAlg", "seed: Tseed -> key: uint64, counter: uint64, alg: int32", Tseed=SEEDS,
    source=("W73",),
)  # fmt: skip
GET_ALG = define_op("StatelessRandomGetAlg", "-> alg: int32[]", stateful=True, source=("W73",))


@GET_KEY_COUNTER.kernel
def get_key_counter_kernel(seed):
    start = generator_of_seed(seed)
    halves = [start.counter & 0xFFFFFFFFFFFFFFFF, start.counter >> 64]
    return np.array([start.key], np.uint64), np.array(halves, np.uint64)


@GET_KEY_COUNTER_ALG.kernel
def get_key_counter_alg_kernel(seed):
    return *get_key_counter_kernel(seed), np.array(PHILOX, np.int32)


@GET_ALG.kernel
def get_alg_kernel():
    """Philox is the algorithm of this device."""
    return np.array(PHILOX, np.int32)


@GET_KEY_COUNTER.shape
def _get_key_counter_shape(context: ShapeContext) -> list[shapes.Shape]:
    check_seed(context)
    return [(1,), (2,)]


@GET_KEY_COUNTER_ALG.shape
def _get_key_counter_alg_shape(context: ShapeContext) -> list[shapes.Shape]:
    return [*_get_key_counter_shape(context), ()]


# -- numbers ------------------------------------------------------------------------------------------------------


def _pair(name: str, draw: Callable[..., np.ndarray], allowed: Any, default: Any, seeds: Any = INDICES) -> list[OpDef]:
    """The op that takes a seed, and the one that takes key and counter."""
    dtype = Attr("type", default=default, allowed=allowed)
    seeded = define_op(
        name, "shape: T, seed: Tseed -> output: dtype", dtype=dtype, T=SHAPES,
        Tseed=Attr("type", default=int64, allowed=seeds), accuracy="random", source=("W73",),
    )  # fmt: skip
    keyed = define_op(
        f"{name}V2", "shape: Tshape, key: uint64, counter: uint64, alg: int32 -> output: dtype",
        dtype=dtype, Tshape=SHAPES, accuracy="random", source=("W73",),
    )  # fmt: skip

    @seeded.kernel
    def from_seed(shape, seed, dtype):
        count = count_of(shape)
        return draw(generator_of_seed(seed), count, dtype).reshape(tuple(shape))

    @keyed.kernel
    def from_key(shape, key, counter, alg, dtype):
        count = count_of(shape)
        return draw(generator_of_key(key, counter, alg), count, dtype).reshape(tuple(shape))

    seeded.shape(_seeded_shape)
    keyed.shape(_keyed_shape)
    return [seeded, keyed]


_PAIRS = [
    *_pair("StatelessRandomUniform", random_numbers.uniforms, FLOATS, float32),
    *_pair("StatelessRandomNormal", random_numbers.normals, FLOATS, float32),
    *_pair("StatelessTruncatedNormal", random_numbers.truncated_normals, FLOATS, float32),
    *_pair("StatelessRandomUniformFullInt", random_numbers.full_integers, WHOLE, uint64, WHOLE),
]
UNIFORM_INT = define_op(
    "StatelessRandomUniformInt", "shape: T, seed: Tseed, minval: dtype, maxval: dtype -> output: dtype", dtype=INDICES,
    T=INDICES, Tseed=SEEDS, accuracy="random", source=("W73",),
)  # fmt: skip
UNIFORM_INT_V2 = define_op(
    "StatelessRandomUniformIntV2",
    "shape: Tshape, key: uint64, counter: uint64, alg: int32, minval: dtype, maxval: dtype -> output: dtype",
    dtype=WHOLE, Tshape=SHAPES, accuracy="random", source=("W73",),
)  # fmt: skip


def between(generator: Philox, shape: Any, minval: Any, maxval: Any, dtype: Any) -> np.ndarray:
    """Integers in [minval, maxval), of which there must be one, unless none is asked for."""
    low, high = int(minval), int(maxval)
    if low >= high:
        if count_of(shape):
            raise ValueError(f"Need minval < maxval, got {low} >= {high}")
        return np.zeros(tuple(shape), dtype.as_numpy_dtype)
    return random_numbers.integers(generator, count_of(shape), low, high, dtype).reshape(tuple(shape))


@UNIFORM_INT.kernel
def stateless_random_uniform_int_kernel(shape, seed, minval, maxval, dtype):
    return between(generator_of_seed(seed), shape, minval, maxval, dtype)


@UNIFORM_INT_V2.kernel
def stateless_random_uniform_int_v2_kernel(shape, key, counter, alg, minval, maxval, dtype):
    return between(generator_of_key(key, counter, alg), shape, minval, maxval, dtype)


def check_bounds(context: ShapeContext) -> None:
    """Both ends of the range are single numbers."""
    for name in ("minval", "maxval"):
        dims = context.dims(name)
        if dims is not None and dims:
            raise ShapeError(f"{name} must be 0-D, got shape {shapes.text(dims)}")


@UNIFORM_INT.shape
def _uniform_int_shape(context: ShapeContext) -> shapes.Shape:
    check_bounds(context)
    return _seeded_shape(context)


@UNIFORM_INT_V2.shape
def _uniform_int_v2_shape(context: ShapeContext) -> shapes.Shape:
    check_bounds(context)
    return _keyed_shape(context)


for _op in (*_PAIRS, UNIFORM_INT, UNIFORM_INT_V2, GET_KEY_COUNTER, GET_KEY_COUNTER_ALG, GET_ALG):
    _op.no_gradient()

SHUFFLE = define_op("StatelessShuffle", "value: T[...S], key: uint64, counter: uint64, alg: int32 -> output: T[...S]",
                    T=Attr("type"), accuracy="random", source=("W73",))  # fmt: skip
SHUFFLE.no_gradient()


@SHUFFLE.kernel
def stateless_shuffle_kernel(value, key, counter, alg):
    generator = generator_of_key(key, counter, alg)
    return value[random_numbers.permutation(generator, len(value))] if value.ndim else value.copy()


# Seeds 1 and 2 as TensorFlow scrambles them.
_KEY, _COUNTER = np.array([10413732777507651514], np.uint64), np.array([0, 17830669156045600267], np.uint64)
GET_KEY_COUNTER.case("W73", "two seeds, scrambled", seed=[1, 2], key=_KEY, counter=_COUNTER)
GET_KEY_COUNTER.case("W73", "two seeds, no more", seed=[1, 2, 3], error="seed must have shape [2], not [3]")
GET_KEY_COUNTER_ALG.case("W73", "and the algorithm", seed=[1, 2], key=_KEY, counter=_COUNTER, alg=1)
GET_ALG.case("W73", "Philox", alg=1)
_UNIFORM, _UNIFORM_V2 = _PAIRS[:2]
_UNIFORM.case("W73", "two seeds", Tseed="int64", shape=[1], seed=[1], error="seed must have shape [2], not [1]")
_UNIFORM_V2.case("W73", "no ThreeFry here", shape=[1], key=_KEY, counter=_COUNTER, alg=2,
                 error="Unsupported algorithm id: 2")  # fmt: skip
UNIFORM_INT.case("W73", "words modulo the range", dtype="int32", shape=[3], seed=[1, 2], minval=0, maxval=10,
                 output=[0, 9, 4])  # fmt: skip
UNIFORM_INT.case("W73", "a range is not empty", dtype="int32", shape=[3], seed=[1, 2], minval=4, maxval=4,
                 error="Need minval < maxval, got 4 >= 4")  # fmt: skip
UNIFORM_INT.case("W73", "its ends are numbers", dtype="int32", shape=[3], seed=[1, 2], minval=[4], maxval=5,
                 error="minval must be 0-D, got shape [1]")  # fmt: skip
SHUFFLE.case("W73", "rows in another order", value=[1, 2, 3], key=_KEY, counter=_COUNTER, alg=1, output=[2, 3, 1])
