"""tf.random: draws under the names of 1.x's last releases, and those that follow from a seed alone.

Next: compat/v1/more.py.
"""

from __future__ import annotations

from typing import Any

from refflow.compat.v1.more import multinomial, random_gamma
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import as_dtype, float32, int64
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.ops.random import get_seed, random_normal, random_shuffle, set_random_seed, truncated_normal
from refflow.ops.random import random_uniform as first_uniform

__all__ = [
    "categorical", "gamma", "get_seed", "multinomial", "normal", "poisson", "random_poisson", "random_uniform",
    "set_random_seed", "shuffle", "stateless_normal", "stateless_truncated_normal", "stateless_uniform",
    "truncated_normal", "uniform",
]  # fmt: skip


def random_uniform(
    shape: Any, minval: Any = 0, maxval: Any = None, dtype: Any = float32, seed: int | None = None,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """Numbers in [minval, maxval), all equally likely; of a float type up to 1 unless maxval says otherwise."""
    if maxval is None:
        if as_dtype(dtype).is_integer:
            raise ValueError(f"Must specify maxval for integer dtype {as_dtype(dtype).name}")
        maxval = 1
    return first_uniform(shape, minval, maxval, dtype, seed, name)


def random_poisson(
    lam: Any, shape: Any, dtype: Any = float32, seed: int | None = None, name: str | None = None
) -> Tensor:
    """Counts of events where `lam` are expected, `shape` of them for each."""
    first, second = get_seed(seed)
    rate = convert_to_tensor(lam, None if isinstance(lam, Tensor) else float32)
    return op_def("RandomPoissonV2")(shape, rate, dtype=as_dtype(dtype), seed=first, seed2=second, name=name)


def categorical(
    logits: Any, num_samples: Any, dtype: Any = None, seed: int | None = None, name: str | None = None
) -> Tensor:
    """Class numbers, `num_samples` for each row of logits."""
    return multinomial(logits, num_samples, seed, name, int64 if dtype is None else dtype)


def _stateless(called: str, op: str) -> Any:
    def function(shape: Any, seed: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = float32,
                 name: str | None = None) -> Tensor:  # fmt: skip
        with op_scope([], name, called) as scope:
            drawn = op_def(op)(shape, seed, dtype=as_dtype(dtype))
            return op_def("Add")(drawn * convert_to_tensor(stddev, drawn.dtype), mean, name=scope)

    function.__name__ = function.__qualname__ = called
    function.__doc__ = "Numbers that follow from two whole numbers: the same in every run."
    return function


stateless_normal = _stateless("stateless_normal", "StatelessRandomNormal")
stateless_truncated_normal = _stateless("stateless_truncated_normal", "StatelessTruncatedNormal")


def stateless_uniform(
    shape: Any, seed: Any, minval: Any = 0, maxval: Any = None, dtype: Any = float32, name: str | None = None
) -> Tensor:
    """Numbers in [minval, maxval) that follow from two whole numbers: the same in every run."""
    dtype = as_dtype(dtype)
    with op_scope([], name, "stateless_random_uniform") as scope:
        if dtype.is_integer:
            low, high = (convert_to_tensor(v, dtype) for v in (minval, maxval))
            return op_def("StatelessRandomUniformInt")(shape, seed, low, high, name=scope)
        drawn = op_def("StatelessRandomUniform")(shape, seed, dtype=dtype)
        low, high = (convert_to_tensor(v, dtype) for v in (minval, 1 if maxval is None else maxval))
        return op_def("Add")(drawn * (high - low), low, name=scope)


uniform, normal, shuffle, gamma, poisson = random_uniform, random_normal, random_shuffle, random_gamma, random_poisson
