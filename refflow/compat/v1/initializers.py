"""Initializers as objects: made with their settings, then called with a shape.

    tf.zeros_initializer()                      in the first release it was itself the initializer
    variance scaling: draws of variance scale / n, n the inputs, the outputs or their mean ("fan_avg")
        glorot    scale 1, fan_avg              He    scale 2, fan_in

Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010.

Next: compat/v1/variables.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import as_dtype, float32
from refflow.core.graph import Tensor
from refflow.ops.array import fill
from refflow.ops.cast import cast
from refflow.ops.constant import constant
from refflow.ops.random import random_normal, random_uniform, truncated_normal


class Initializer:
    """A function of shape and type; the type may be settled when it is made."""

    def __init__(self, dtype: Any = None):
        self._dtype = None if dtype is None else as_dtype(dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        kind = as_dtype(dtype) if dtype is not None else self._dtype or float32
        return self._value([int(d) for d in shape], kind.base_dtype)

    def _value(self, shape: list[int], dtype: Any) -> Tensor:
        raise TypeError(f"{type(self).__name__} does not say what its values are")


class zeros_initializer(Initializer):
    """Zeros."""

    def _value(self, shape: list[int], dtype: Any) -> Tensor:
        return fill(shape, cast(np.float32(0), dtype))


class ones_initializer(Initializer):
    """Ones."""

    def _value(self, shape: list[int], dtype: Any) -> Tensor:
        return fill(shape, cast(np.float32(1), dtype))


class constant_initializer(Initializer):
    """One number everywhere, or the numbers of a list in order."""

    def __init__(self, value: Any = 0, dtype: Any = None, verify_shape: bool = False):
        super().__init__(dtype)
        self._given = value

    def _value(self, shape: list[int], dtype: Any) -> Tensor:
        return constant(self._given, dtype, shape)


class random_uniform_initializer(Initializer):
    """Evenly from [minval, maxval)."""

    def __init__(self, minval: Any = 0.0, maxval: Any = None, seed: int | None = None, dtype: Any = None):
        super().__init__(dtype)
        self._range, self._seed = (minval, 1.0 if maxval is None else maxval), seed

    def _value(self, shape: list[int], dtype: Any) -> Tensor:
        return random_uniform(shape, *self._range, dtype, seed=self._seed)


class random_normal_initializer(Initializer):
    """Normally distributed."""

    draw = staticmethod(random_normal)

    def __init__(self, mean: Any = 0.0, stddev: Any = 1.0, seed: int | None = None, dtype: Any = None):
        super().__init__(dtype)
        self._shape, self._seed = (mean, stddev), seed

    def _value(self, shape: list[int], dtype: Any) -> Tensor:
        return self.draw(shape, *self._shape, dtype, seed=self._seed)


class truncated_normal_initializer(random_normal_initializer):
    """Normally distributed, no further than two deviations from the mean."""

    draw = staticmethod(truncated_normal)


class uniform_unit_scaling_initializer(Initializer):
    """Evenly from [-m, m), m = sqrt(3 / inputs) * factor."""

    def __init__(self, factor: float = 1.0, seed: int | None = None, dtype: Any = None):
        super().__init__(dtype)
        self._factor, self._seed = factor, seed

    def _value(self, shape: list[int], dtype: Any) -> Tensor:
        limit = math.sqrt(3 / max(1.0, math.prod(shape[:-1]))) * self._factor
        return random_uniform(shape, -limit, limit, dtype, seed=self._seed)


def fans(shape: Sequence[int]) -> tuple[float, float]:
    """(inputs, outputs) of each number that a weight of this shape, a matrix or a filter, helps to make.

    >>> fans([784, 10]), fans([5, 5, 1, 32])
    ((784, 10), (25, 800))
    """
    if len(shape) < 2:
        return (shape[0],) * 2 if shape else (1, 1)
    window = math.prod(shape[:-2])
    return window * shape[-2], window * shape[-1]


class variance_scaling_initializer(Initializer):
    """Draws of variance `scale` / n. distribution: "truncated_normal", "untruncated_normal" or "uniform"."""

    def __init__(
        self, scale: float = 1.0, mode: str = "fan_in", distribution: str = "truncated_normal", seed: int | None = None,
        dtype: Any = None,
    ):  # fmt: skip
        super().__init__(dtype)
        if scale <= 0:
            raise ValueError(f"`scale` must be positive float, got {scale}")
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ValueError(f"Invalid `mode` argument: {mode}")
        distribution = "truncated_normal" if distribution == "normal" else distribution
        if distribution not in ("truncated_normal", "untruncated_normal", "uniform"):
            raise ValueError(f"Invalid `distribution` argument: {distribution}")
        self._settings, self._seed = (scale, mode, distribution), seed

    def _value(self, shape: list[int], dtype: Any) -> Tensor:
        scale, mode, distribution = self._settings
        inputs, outputs = fans(shape)
        n = {"fan_in": inputs, "fan_out": outputs, "fan_avg": (inputs + outputs) / 2}[mode]
        variance = scale / max(1.0, n)
        if distribution == "uniform":
            limit = math.sqrt(3 * variance)
            return random_uniform(shape, -limit, limit, dtype, seed=self._seed)
        if distribution == "untruncated_normal":
            return random_normal(shape, 0.0, math.sqrt(variance), dtype, seed=self._seed)
        # A standard normal that is cut off at two deviations deviates by this much.
        return truncated_normal(shape, 0.0, math.sqrt(variance) / 0.87962566103423978, dtype, seed=self._seed)


class glorot_uniform_initializer(variance_scaling_initializer):
    """Evenly, of variance 2 / (inputs + outputs)."""

    def __init__(self, seed: int | None = None, dtype: Any = None):
        super().__init__(1.0, "fan_avg", "uniform", seed, dtype)


class glorot_normal_initializer(variance_scaling_initializer):
    """Normally, of variance 2 / (inputs + outputs)."""

    def __init__(self, seed: int | None = None, dtype: Any = None):
        super().__init__(1.0, "fan_avg", "truncated_normal", seed, dtype)


class he_normal(variance_scaling_initializer):
    """Normally, of variance 2 / inputs, which suits a relu."""

    def __init__(self, seed: int | None = None):
        super().__init__(2.0, "fan_in", "truncated_normal", seed)


class he_uniform(variance_scaling_initializer):
    """Evenly, of variance 2 / inputs."""

    def __init__(self, seed: int | None = None):
        super().__init__(2.0, "fan_in", "uniform", seed)


def as_initializer(given: Any) -> Any:
    """What may stand for an initializer: one, its class, a function of shape and dtype, or a value."""
    if isinstance(given, type) and issubclass(given, Initializer):
        return given()
    if callable(given):
        return given
    value = convert_to_tensor(given)
    return lambda shape, dtype=None, **_: value
