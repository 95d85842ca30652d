"""Random tensors: the same bits for the same seeds, on every device and for every thread count [W73].

    uniform            one 32-bit word an element
    normal             Box-Muller on pairs of words
    truncated normal   normals in order, those at or beyond 2 dropped, until each group of four is full [S13]

Every group of four elements reads its own region of 256 blocks a element when it has to redraw, so that no
element depends on how often another was drawn again.

Seeds: an op's are (graph seed, op seed). Without an op seed the id of the newest node stands in; without a
graph seed, 87654321; without either, every session draws other numbers [W72].

Next: train/optimizer.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import INDICES, as_dtype, float32, float64, int32
from refflow.core.graph import Tensor, get_default_graph
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.constant import shape_from
from refflow.ops.philox import RESERVED, PhiloxStream, box_muller, uniform_float32, uniform_float64

DEFAULT_GRAPH_SEED = 87654321


def _random(name: str, *source: str) -> OpDef:
    op_def = define_op(
        name, "shape: T[R] -> output: dtype", seed=0, seed2=0, dtype=(float32, float64),
        T=Attr("type", default=int32, allowed=INDICES), stateful=True, accuracy="random", source=source,
    )  # fmt: skip
    op_def.no_gradient()
    op_def.state(PhiloxStream)
    op_def.shape(_shape)
    return op_def


def _shape(context: ShapeContext) -> shapes.Shape:
    context.match("shape", "R")
    return shape_from(context, "shape")


RANDOM_UNIFORM = _random("RandomUniform", "W73")
RANDOM_STANDARD_NORMAL = _random("RandomStandardNormal", "W73")
TRUNCATED_NORMAL = _random("TruncatedNormal", "S13", "W73")


def _uniforms(state: PhiloxStream, first: int, count: int, wide: bool) -> np.ndarray:
    """`count` uniform numbers in the stream's order from block `first` on: 4 float32 or 2 float64 a block."""
    blocks = np.arange(-(-count // (2 if wide else 4)), dtype=np.uint64)
    words = state.words(blocks, first)
    numbers = uniform_float64(words[:, 0::2], words[:, 1::2]) if wide else uniform_float32(words)
    return numbers.reshape(-1)


@RANDOM_UNIFORM.kernel
def random_uniform_kernel(shape, dtype, state):
    count = int(np.prod(shape, dtype=np.int64))
    first = state.reserve(count)
    return _uniforms(state, first, count, dtype is float64)[:count].reshape(tuple(shape))


@RANDOM_STANDARD_NORMAL.kernel
def random_standard_normal_kernel(shape, dtype, state):
    count = int(np.prod(shape, dtype=np.int64))
    first = state.reserve(count)
    uniforms = _uniforms(state, first, 2 * -(-count // 2), dtype is float64).reshape(-1, 2)
    return np.stack(box_muller(uniforms[:, 0], uniforms[:, 1]), axis=1).reshape(-1)[:count].reshape(tuple(shape))


@TRUNCATED_NORMAL.kernel
def truncated_normal_kernel(shape, dtype, state):
    count = int(np.prod(shape, dtype=np.int64))
    first = state.reserve(count)
    per_group = 2 if dtype is float64 else 4  # elements made together, from one region of blocks
    groups = -(-count // per_group)
    region = np.uint64(per_group * RESERVED // 4)  # blocks
    result = np.zeros((groups, per_group), dtype.as_numpy_dtype)
    have = np.zeros(groups, np.int64)
    open_groups, block = np.arange(groups), 0
    while open_groups.size:
        words = state.words(open_groups.astype(np.uint64) * region + np.uint64(block), first)
        for value in _normals(words, dtype is float64):
            keep = (np.abs(value) < 2) & (have[open_groups] < per_group)
            where = open_groups[keep]
            result[where, have[where]] = value[keep]
            have[where] += 1
        open_groups, block = open_groups[have[open_groups] < per_group], block + 1
    return result.reshape(-1)[:count].reshape(tuple(shape))


def _normals(words: np.ndarray, wide: bool) -> list[np.ndarray]:
    """The normal numbers that one block of words makes, in order: four float32 or two float64."""
    if wide:
        uniforms = uniform_float64(words[:, 0::2], words[:, 1::2])
        return list(box_muller(uniforms[:, 0], uniforms[:, 1]))
    uniforms = uniform_float32(words)
    return [*box_muller(uniforms[:, 0], uniforms[:, 1]), *box_muller(uniforms[:, 2], uniforms[:, 3])]


RANDOM_UNIFORM_INT = define_op(
    "RandomUniformInt", "shape: T[R], minval: Tout[], maxval: Tout[] -> output: Tout", seed=0, seed2=0,
    Tout=INDICES, T=Attr("type", default=int32, allowed=INDICES), stateful=True, accuracy="random", source=("W73",),
)  # fmt: skip
RANDOM_SHUFFLE = define_op("RandomShuffle", "value: T[...S] -> output: T[...S]", seed=0, seed2=0, T=Attr("type"),
                           stateful=True, accuracy="random", source=("W73",))  # fmt: skip
for _op in (RANDOM_UNIFORM_INT, RANDOM_SHUFFLE):
    _op.no_gradient()
    _op.state(PhiloxStream)


@RANDOM_UNIFORM_INT.kernel
def random_uniform_int_kernel(shape, minval, maxval, state):
    """Words modulo the range: 32 bits of a word, or of two."""
    low, high = int(minval), int(maxval)
    count = int(np.prod(shape, dtype=np.int64))
    kind = np.asarray(minval).dtype
    if low >= high:
        if count:
            raise ValueError(f"Need minval < maxval, got {low} >= {high}")
        return np.zeros(tuple(shape), kind)
    first = state.reserve(count)
    wide = kind == np.int64
    blocks = np.arange(-(-count // (2 if wide else 4)), dtype=np.uint64)
    words = state.words(blocks, first)
    if wide:
        bits = (words[:, 0::2].astype(np.uint64) | (words[:, 1::2].astype(np.uint64) << np.uint64(32))).reshape(-1)
    else:
        bits = words.reshape(-1).astype(np.uint64)
    found = bits[:count] % np.uint64(high - low)
    return (found + np.uint64(low & 0xFFFFFFFFFFFFFFFF)).astype(np.int64).astype(kind).reshape(tuple(shape))


@RANDOM_UNIFORM_INT.shape
def _uniform_int_shape(context: ShapeContext) -> shapes.Shape:
    context.match("minval")
    context.match("maxval")
    return _shape(context)


@RANDOM_SHUFFLE.kernel
def random_shuffle_kernel(value, state):
    """Rows in a random order: each place in turn is swapped with one at or after it."""
    count = len(value) if value.ndim else 0
    if count <= 1:
        return np.array(value, copy=True)
    words = state.words(np.arange(-(-(count + 1) // 4), dtype=np.uint64), state.reserve(count)).reshape(-1)
    order = np.arange(count)
    for i in range(count - 1):
        j = i + int(words[i]) % (count - i)
        order[i], order[j] = order[j], order[i]
    return value[order]


def get_seed(op_seed: int | None) -> tuple[int, int]:
    """The two seeds of an op that is built now; (0, 0) asks for other numbers each time [W72]."""
    graph = get_default_graph()
    if graph.seed is not None:
        seeds = (graph.seed, graph.version if op_seed is None else op_seed)
    else:
        seeds = (0, 0) if op_seed is None else (DEFAULT_GRAPH_SEED, op_seed)
    # A seeded op must not come out as the mark for "unseeded".
    asked = graph.seed is not None or op_seed is not None
    return (0, 2**31 - 1) if asked and seeds == (0, 0) else seeds


def set_random_seed(seed: int | None) -> None:
    """Sets the default graph's seed: every random op built from now on repeats itself in each session."""
    get_default_graph().seed = seed


def _shape_tensor(shape: Any) -> Tensor:
    return convert_to_tensor(shape, None if isinstance(shape, (Tensor, np.ndarray)) else int32, "shape")


def truncated_normal(
    shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = float32, seed: int | None = None,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """Normal numbers of the given mean and deviation, drawn again while 2 or more deviations away [S13]."""
    with op_scope([shape], name, "truncated_normal") as scope:
        return _scaled(TRUNCATED_NORMAL, shape, mean, stddev, dtype, seed, scope)


def random_normal(
    shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = float32, seed: int | None = None,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """Normal numbers of the given mean and deviation."""
    with op_scope([shape], name, "random_normal") as scope:
        return _scaled(RANDOM_STANDARD_NORMAL, shape, mean, stddev, dtype, seed, scope)


def _scaled(
    op_def: OpDef, shape: Any, mean: Any, stddev: Any, dtype: Any, seed: int | None, scope: str
) -> Tensor:
    dtype = as_dtype(dtype)
    shape = _shape_tensor(shape)
    mean = convert_to_tensor(mean, dtype, "mean")
    stddev = convert_to_tensor(stddev, dtype, "stddev")
    seed1, seed2 = get_seed(seed)
    from refflow.ops.elementwise import ADD

    return ADD(op_def(shape, dtype=dtype, seed=seed1, seed2=seed2) * stddev, mean, name=scope)


def random_uniform(
    shape: Any, minval: float = 0.0, maxval: float = 1.0, dtype: Any = float32, seed: int | None = None,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """Numbers in [minval, maxval), all equally likely."""
    from refflow.ops.elementwise import ADD

    dtype = as_dtype(dtype)
    with op_scope([shape], name, "random_uniform") as scope:
        shape = _shape_tensor(shape)
        low, high = convert_to_tensor(minval, dtype, "min"), convert_to_tensor(maxval, dtype, "max")
        seed1, seed2 = get_seed(seed)
        return ADD(RANDOM_UNIFORM(shape, dtype=dtype, seed=seed1, seed2=seed2) * (high - low), low, name=scope)


def random_shuffle(value: Any, seed: int | None = None, name: str | None = None) -> Tensor:
    """The rows of `value` in a random order."""
    first, second = get_seed(seed)
    return RANDOM_SHUFFLE(value, seed=first, seed2=second, name=name)
