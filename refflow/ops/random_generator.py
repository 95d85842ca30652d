"""Random tensors from a generator that is a variable: its counter and key, which every use moves on [W73, W47].

    state int64 [3]                   counter (two words of 64 bits) and key
    RngReadAndSkip                    the state as it was; then it moves on by 256 blocks for each of `delta` elements
    RngSkip                           only moves it on
    StatefulUniform, ...              numbers from the state, which moves on by as many elements

Next: ops/gamma.py.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import INDICES, float16, float32, float64, int32, int64, uint64
from refflow.core.errors import InvalidArgumentError, ShapeError, UnimplementedError
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops import random_numbers
from refflow.ops.philox import RESERVED, Philox
from refflow.ops.random_counts import binomial_shape, binomials_at
from refflow.ops.random_stateless import AUTO, PHILOX, THREEFRY, asked_shape, between, check_bounds, count_of
from refflow.ops.resource_variable import read, variable_of

_SHAPES = Attr("type", default=int64)
_COUNTS = (float16, float32, float64, int32, int64)
_FULL = 0xFFFFFFFFFFFFFFFF


def _as_words(state: np.ndarray) -> list[int]:
    return [int(v) & _FULL for v in state]


def taken(handle: Any, algorithm: Any, elements: int, skip: int = 0) -> Philox:
    """The generator in the variable, which moves on by 256 blocks for each of `elements`. `skip`: words before it."""
    state = variable_of(handle)
    with state.lock:
        value = read(handle)
        _check(state, value, int(algorithm), skip)
        low, high, key = _as_words(value[skip : skip + 3])
        generator = Philox(key, low | high << 64)
        moved = generator.skipped(elements * RESERVED & _FULL).counter  # the number of blocks is one of 64 bits
        new = value.copy()
        new[skip : skip + 2] = np.array([moved & _FULL, moved >> 64], np.uint64).view(np.int64)
        state.replace(new)
    return generator


def _check(state: Any, value: np.ndarray, algorithm: int, skip: int) -> None:
    def wrong(text: str) -> Exception:
        return InvalidArgumentError(None, None, text)

    if state.dtype is not int64:
        raise wrong(f"dtype of RNG state variable must be int64, not {state.dtype.name}")
    if value.ndim != 1:
        raise wrong(f"RNG state must have one and only one dimension, not {value.ndim}")
    if algorithm == THREEFRY:
        raise UnimplementedError(None, None, "Non-XLA devices don't support the ThreeFry algorithm.")
    if algorithm not in (PHILOX, AUTO):
        raise wrong(f"Unsupported algorithm id: {algorithm}")
    if len(value) < skip + 3:
        raise wrong(f"For the Philox algorithm, the size of state must be at least {skip + 3}; got {len(value)}")


def _scalar(context: ShapeContext, name: str, place: int) -> None:
    dims = context.dims(name)
    if dims:
        raise ShapeError(f"input {place} (0-based) must have shape [], not {shapes.text(dims)}")


def _stateful_shape(context: ShapeContext) -> shapes.Shape:
    _scalar(context, "algorithm", 1)
    return asked_shape(context)


def _stateful(name: str, draw: Callable[..., np.ndarray], default: Any) -> OpDef:
    op_def = define_op(
        name, "resource: resource, algorithm: int64, shape: shape_dtype -> output: dtype", stateful=True,
        dtype=Attr("type", default=default), shape_dtype=_SHAPES, accuracy="random", source=("W73",),
    )  # fmt: skip

    @op_def.kernel
    def kernel(resource, algorithm, shape, dtype):
        count = count_of(shape)
        return draw(taken(resource, algorithm, count), count, dtype).reshape(tuple(shape))

    op_def.shape(_stateful_shape)
    op_def.no_gradient()
    return op_def


STATEFUL_NORMAL_V2 = _stateful("StatefulStandardNormalV2", random_numbers.normals, float32)
STATEFUL_UNIFORM = _stateful("StatefulUniform", random_numbers.uniforms, float32)
STATEFUL_TRUNCATED = _stateful("StatefulTruncatedNormal", random_numbers.truncated_normals, float32)
STATEFUL_FULL_INT = _stateful("StatefulUniformFullInt", random_numbers.full_integers, uint64)
STATEFUL_NORMAL = define_op(
    "StatefulStandardNormal", "resource: resource, shape: shape_dtype -> output: dtype", stateful=True,
    dtype=Attr("type", default=float32), shape_dtype=_SHAPES, accuracy="random", source=("W73",),
)  # fmt: skip
STATEFUL_INT = define_op(
    "StatefulUniformInt",
    "resource: resource, algorithm: int64, shape: shape_dtype, minval: dtype, maxval: dtype -> output: dtype",
    stateful=True, dtype=Attr("type", default=int64), shape_dtype=_SHAPES, accuracy="random", source=("W73",),
)  # fmt: skip
STATEFUL_BINOMIAL = define_op(
    "StatefulRandomBinomial",
    "resource: resource, algorithm: int64, shape: S, counts: T, probs: T -> output: dtype", S=INDICES, stateful=True,
    T=Attr("type", default=float64, allowed=_COUNTS), dtype=Attr("type", default=int64, allowed=_COUNTS),
    accuracy="random", source=("W73",),
)  # fmt: skip
RNG_SKIP = define_op("RngSkip", "resource: resource, algorithm: int64, delta: int64 ->", stateful=True,
                     source=("W73",))  # fmt: skip
RNG_READ_AND_SKIP = define_op("RngReadAndSkip", "resource: resource, alg: int32, delta: uint64 -> value: int64",
                              stateful=True, source=("W73",))  # fmt: skip
NON_DETERMINISTIC = define_op("NonDeterministicInts", "shape: shape_dtype -> output: dtype", stateful=True,
                              dtype=Attr("type", default=int64), shape_dtype=_SHAPES, accuracy="random",
                              source=("W73",))  # fmt: skip


@STATEFUL_NORMAL.kernel
def stateful_standard_normal_kernel(resource, shape, dtype):
    """The first form, whose state begins with the number of its algorithm."""
    count, algorithm = count_of(shape), read(resource).reshape(-1)[:1]
    if not len(algorithm):
        raise ValueError("Size of tensor must be at least 1")
    return random_numbers.normals(taken(resource, algorithm[0], count, skip=1), count, dtype).reshape(tuple(shape))


@STATEFUL_INT.kernel
def stateful_uniform_int_kernel(resource, algorithm, shape, minval, maxval, dtype):
    if int(minval) >= int(maxval):  # also where no number is asked for
        raise ValueError(f"Need minval < maxval, got {int(minval)} >= {int(maxval)}")
    return between(taken(resource, algorithm, count_of(shape)), shape, minval, maxval, dtype)


@STATEFUL_BINOMIAL.kernel
def stateful_random_binomial_kernel(resource, algorithm, shape, counts, probs, dtype):
    batches = np.broadcast(counts, probs).size
    samples = count_of(shape) // batches if batches else 0
    generator = taken(resource, algorithm, batches * 2 * 100 * (samples + 3) // 4)
    return binomials_at(generator, shape, counts, probs, dtype)


@RNG_SKIP.kernel
def rng_skip_kernel(resource, algorithm, delta):
    taken(resource, algorithm, int(delta))


@RNG_READ_AND_SKIP.kernel
def rng_read_and_skip_kernel(resource, alg, delta):
    generator = taken(resource, alg, int(delta))
    words = [generator.counter & _FULL, generator.counter >> 64, generator.key]
    return np.array(words, np.uint64).view(np.int64)


@NON_DETERMINISTIC.kernel
def non_deterministic_ints_kernel(shape, dtype):
    """Bits of the operating system's own source."""
    kind = np.dtype(dtype.as_numpy_dtype)
    return np.frombuffer(os.urandom(count_of(shape) * kind.itemsize), kind).reshape(tuple(shape)).copy()


@STATEFUL_INT.shape
def _stateful_int_shape(context: ShapeContext) -> shapes.Shape:
    check_bounds(context)
    return _stateful_shape(context)


@STATEFUL_BINOMIAL.shape
def _stateful_binomial_shape(context: ShapeContext) -> shapes.Shape:
    return binomial_shape(context)


@RNG_SKIP.shape
def _rng_skip_shape(context: ShapeContext) -> list[shapes.Shape]:
    _scalar(context, "algorithm", 1)
    _scalar(context, "delta", 2)
    return []


@RNG_READ_AND_SKIP.shape
def _rng_read_and_skip_shape(context: ShapeContext) -> shapes.Shape:
    _scalar(context, "alg", 1)
    _scalar(context, "delta", 2)
    return (3,)


STATEFUL_NORMAL.shape(asked_shape)
NON_DETERMINISTIC.shape(asked_shape)
for _op in (STATEFUL_NORMAL, STATEFUL_INT, STATEFUL_BINOMIAL, RNG_SKIP, RNG_READ_AND_SKIP, NON_DETERMINISTIC):
    _op.no_gradient()
