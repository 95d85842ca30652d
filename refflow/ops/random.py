"""Random tensors: the same bits for the same seeds, on every device and for every thread count [W73].

Seeds: an op's are (graph seed, op seed). Without an op seed the id of the newest node stands in; without a
graph seed, 87654321; without either, every session draws other numbers [W72].

The numbers are those of ops/random_numbers.py.

Next: ops/random_stateless.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import FLOATS, INDICES, as_dtype, float32, int32
from refflow.core.graph import Tensor, get_default_graph
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops import random_numbers
from refflow.ops.philox import PhiloxStream
from refflow.ops.random_stateless import asked_shape, between, check_bounds, count_of

DEFAULT_GRAPH_SEED = 87654321


def _random(name: str, *source: str) -> OpDef:
    op_def = define_op(
        name, "shape: T -> output: dtype", seed=0, seed2=0, dtype=FLOATS,
        T=Attr("type", default=int32, allowed=INDICES), stateful=True, accuracy="random", source=source,
    )  # fmt: skip
    op_def.no_gradient()
    op_def.state(PhiloxStream)
    op_def.shape(asked_shape)
    return op_def


RANDOM_UNIFORM = _random("RandomUniform", "W73")
RANDOM_STANDARD_NORMAL = _random("RandomStandardNormal", "W73")
TRUNCATED_NORMAL = _random("TruncatedNormal", "S13", "W73")


def _kernel(op_def: OpDef, draw: Any) -> None:
    @op_def.kernel
    def kernel(shape, dtype, state):
        count = count_of(shape)
        return draw(state.region(count), count, dtype).reshape(tuple(shape))


_kernel(RANDOM_UNIFORM, random_numbers.uniforms)
_kernel(RANDOM_STANDARD_NORMAL, random_numbers.normals)
_kernel(TRUNCATED_NORMAL, random_numbers.truncated_normals)


RANDOM_UNIFORM_INT = define_op(
    "RandomUniformInt", "shape: T, minval: Tout, maxval: Tout -> output: Tout", seed=0, seed2=0,
    Tout=INDICES, T=Attr("type", default=int32, allowed=INDICES), stateful=True, accuracy="random", source=("W73",),
)  # fmt: skip
RANDOM_SHUFFLE = define_op("RandomShuffle", "value: T[...S] -> output: T[...S]", seed=0, seed2=0, T=Attr("type"),
                           stateful=True, accuracy="random", source=("W73",))  # fmt: skip
for _op in (RANDOM_UNIFORM_INT, RANDOM_SHUFFLE):
    _op.no_gradient()
    _op.state(PhiloxStream)


@RANDOM_UNIFORM_INT.kernel
def random_uniform_int_kernel(shape, minval, maxval, Tout, state):
    return between(state.region(count_of(shape)), shape, minval, maxval, Tout)


@RANDOM_UNIFORM_INT.shape
def _uniform_int_shape(context: ShapeContext) -> shapes.Shape:
    check_bounds(context)
    return asked_shape(context)


@RANDOM_SHUFFLE.kernel
def random_shuffle_kernel(value, state):
    """Rows in a random order. A run takes a word a swap."""
    if value.size <= 1 or len(value) <= 1:
        return np.array(value, copy=True)
    swaps = len(value) - 1
    return value[random_numbers.permutation(state.region(-(-swaps // 4), blocks=1), len(value))]


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
    """Floats [*shape] of type `dtype`, normal with that mean and deviation, others in each run [S13].

    seed: with the graph's, it fixes the numbers of all runs; the first run of each session begins anew [W72].
    """
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
    """Numbers [*shape] of type `dtype`, a float or an integer, in [minval, maxval), all equally likely.

    seed: as of random_normal [W72]. InvalidArgumentError for integers without any in the range.
    """
    from refflow.ops.elementwise import ADD

    dtype = as_dtype(dtype)
    with op_scope([shape], name, "random_uniform") as scope:
        shape = _shape_tensor(shape)
        low, high = convert_to_tensor(minval, dtype, "min"), convert_to_tensor(maxval, dtype, "max")
        seed1, seed2 = get_seed(seed)
        if dtype.is_integer:
            return RANDOM_UNIFORM_INT(shape, low, high, seed=seed1, seed2=seed2, name=scope)
        return ADD(RANDOM_UNIFORM(shape, dtype=dtype, seed=seed1, seed2=seed2) * (high - low), low, name=scope)


def random_shuffle(value: Any, seed: int | None = None, name: str | None = None) -> Tensor:
    """The rows of `value`, of any type and at least rank 1, in a random order; seed as of random_normal [W72]."""
    first, second = get_seed(seed)
    return RANDOM_SHUFFLE(value, seed=first, seed2=second, name=name)
