"""Distributions of one real number: normal, Laplace, Student's t, uniform.

    Normal    exp(-z^2 / 2) / (scale sqrt(2 pi))      Laplace    exp(-|z|) / (2 scale)          z = (x - loc) / scale
    StudentT  (1 + z^2 / df)^(-(df + 1) / 2) / Z      Uniform    1 / (high - low) in [low, high)

Next: compat/v1/distributions/gammas.py.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import refflow.compat.v1 as tf
from refflow.compat.v1.distributions.checks import gen_new_seed
from refflow.compat.v1.distributions.distribution import FULLY_REPARAMETERIZED, OfNumbers, parameter
from refflow.compat.v1.distributions.divergences import RegisterKL
from refflow.compat.v1.distributions.normal_functions import log_cdf_laplace, log_ndtr, ndtr
from refflow.core.graph import Tensor


class _Smooth(OfNumbers):
    """Distributions whose draws are functions of their parameters, which are float tensors of one type."""

    def _start(self, given: dict[str, Any], checks: Any, **values: Any) -> None:
        """Stores the parameters, and what the constructor was given. checks: makes the checks, where they are asked."""
        with tf.name_scope(given["name"], values=list(values.values())) as scope:
            with tf.control_dependencies(checks() if given["validate_args"] else []):
                tensors = {key: tf.identity(value, name=key) for key, value in values.items()}
            tf.debugging.assert_same_float_dtype(list(tensors.values()))
        for key, tensor in tensors.items():
            setattr(self, f"_{key}", tensor)
        super().__init__(
            dtype=next(iter(tensors.values())).dtype, reparameterization_type=FULLY_REPARAMETERIZED,
            validate_args=given["validate_args"], allow_nan_stats=given["allow_nan_stats"], parameters=given,
            graph_parents=list(tensors.values()), name=scope,
        )  # fmt: skip


class Normal(_Smooth):
    """Gauss' distribution around `loc`, with standard deviation `scale`."""

    SHAPED_BY = ("loc", "scale")
    loc, scale = parameter("loc", "The mean."), parameter("scale", "The standard deviation.")

    def __init__(
        self, loc: Any, scale: Any, validate_args: bool = False, allow_nan_stats: bool = True, name: str = "Normal"
    ):
        self._start(dict(locals()), lambda: [tf.assert_positive(scale)], loc=loc, scale=scale)

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        return tf.random_normal(self._draws(n), dtype=self.dtype, seed=seed) * self.scale + self.loc

    def _log_prob(self, x: Tensor) -> Tensor:
        return -0.5 * tf.square(self._z(x)) - (0.5 * math.log(2.0 * math.pi) + tf.log(self.scale))

    def _log_cdf(self, x: Tensor) -> Tensor:
        return log_ndtr(self._z(x))

    def _cdf(self, x: Tensor) -> Tensor:
        return ndtr(self._z(x))

    def _log_survival_function(self, x: Tensor) -> Tensor:
        return log_ndtr(-self._z(x))

    def _survival_function(self, x: Tensor) -> Tensor:
        return ndtr(-self._z(x))

    def _quantile(self, p: Tensor) -> Tensor:
        return tf.math.ndtri(tf.clip_by_value(p, 0.0, 1.0)) * self.scale + self.loc

    def _entropy(self) -> Tensor:
        return 0.5 * math.log(2.0 * math.pi * math.e) + tf.log(self.scale * tf.ones_like(self.loc))

    def _mean(self) -> Tensor:
        return self.loc * tf.ones_like(self.scale)

    _mode = _mean

    def _stddev(self) -> Tensor:
        return self.scale * tf.ones_like(self.loc)

    def _z(self, x: Tensor) -> Tensor:
        return (x - self.loc) / self.scale


@RegisterKL(Normal, Normal)
def _kl_normal(a: Normal, b: Normal, name: str | None = None) -> Tensor:
    with tf.name_scope(name, "kl_normal_normal", [a.loc, b.loc]):
        variance = tf.square(b.scale)
        ratio = tf.square(a.scale) / variance
        return tf.squared_difference(a.loc, b.loc) / (2.0 * variance) + 0.5 * (ratio - 1.0 - tf.log(ratio))


class Laplace(_Smooth):
    """An exponential tail to both sides of `loc`."""

    SHAPED_BY = ("loc", "scale")
    loc, scale = parameter("loc", "The mean."), parameter("scale", "The mean distance from it.")

    def __init__(
        self, loc: Any, scale: Any, validate_args: bool = False, allow_nan_stats: bool = True, name: str = "Laplace"
    ):
        self._start(dict(locals()), lambda: [tf.assert_positive(scale)], loc=loc, scale=scale)

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        kind = self.dtype.as_numpy_dtype
        after = np.nextafter(kind(-1.0), kind(0.0))  # -1 itself would be log(0)
        drawn = tf.random_uniform(self._draws(n), after, 1.0, self.dtype, seed)
        return self.loc - self.scale * tf.sign(drawn) * tf.log1p(-tf.abs(drawn))

    def _log_prob(self, x: Tensor) -> Tensor:
        return -tf.abs(self._z(x)) - (math.log(2.0) + tf.log(self.scale))

    def _log_cdf(self, x: Tensor) -> Tensor:
        return log_cdf_laplace(self._z(x))

    def _log_survival_function(self, x: Tensor) -> Tensor:
        return log_cdf_laplace(-self._z(x))

    def _cdf(self, x: Tensor) -> Tensor:
        z = self._z(x)
        return 0.5 + 0.5 * tf.sign(z) * (1.0 - tf.exp(-tf.abs(z)))

    def _entropy(self) -> Tensor:
        return math.log(2.0) + 1.0 + tf.log(self.scale + tf.zeros_like(self.loc))

    def _mean(self) -> Tensor:
        return self.loc + tf.zeros_like(self.scale)

    _median = _mode = _mean

    def _stddev(self) -> Tensor:
        return math.sqrt(2.0) * self.scale + tf.zeros_like(self.loc)

    def _z(self, x: Tensor) -> Tensor:
        return (x - self.loc) / self.scale


class StudentT(_Smooth):
    """Student's t with `df` degrees of freedom, moved by `loc` and stretched by `scale`."""

    SHAPED_BY = ("df", "loc", "scale")
    df, loc = parameter("df", "Degrees of freedom, above 0."), parameter("loc", "The middle.")
    scale = parameter("scale", "The stretch.")

    def __init__(
        self, df: Any, loc: Any, scale: Any, validate_args: bool = False, allow_nan_stats: bool = True,
        name: str = "StudentT",
    ):  # fmt: skip
        self._start(dict(locals()), lambda: [tf.assert_positive(df)], df=df, loc=loc, scale=scale)

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        normal = tf.random_normal(self._draws(n), dtype=self.dtype, seed=seed)
        df = self.df * self._ones()
        chi = tf.random_gamma([n], 0.5 * df, beta=0.5, dtype=self.dtype, seed=gen_new_seed(seed, "student_t"))
        return normal * tf.rsqrt(chi / df) * self.scale + self.loc

    def _log_prob(self, x: Tensor) -> Tensor:
        y, half = (x - self.loc) / self.scale, 0.5 * (self.df + 1.0)
        norm = tf.log(tf.abs(self.scale)) + 0.5 * tf.log(self.df) + 0.5 * np.log(np.pi)
        return -half * tf.log1p(y**2.0 / self.df) - (norm + tf.lgamma(0.5 * self.df) - tf.lgamma(half))

    def _cdf(self, x: Tensor) -> Tensor:
        y = (x - self.loc) / tf.abs(self.scale)
        half = tf.constant(0.5, self.dtype)
        below = 0.5 * tf.betainc(*self._alike(half * self.df, half, self.df / (y**2.0 + self.df)))
        return tf.where_v2(y < 0.0, below, 1.0 - below)

    @staticmethod
    def _alike(*tensors: Tensor) -> list[Tensor]:
        """betainc's arguments have one shape."""
        shape = tf.shape(sum(tensors[1:], tensors[0]))
        return [tf.broadcast_to(t, shape) for t in tensors]

    def _entropy(self) -> Tensor:
        v = self._ones()[..., tf.newaxis]
        both = tf.concat([v * self.df[..., tf.newaxis], v], -1) / 2.0
        slope = tf.digamma(0.5 * (self.df + 1.0)) - tf.digamma(0.5 * self.df)
        spread = tf.log(tf.abs(self.scale)) + 0.5 * tf.log(self.df) + tf.lbeta(both)
        return spread + 0.5 * (self.df + 1.0) * slope

    def _mean(self) -> Tensor:
        one = tf.ones([], self.dtype)
        said = {"mean not defined for components of df <= 1": self.df}
        return self._where_defined(self.loc * self._ones(), self.df > self._ones(), one, said)

    def _variance(self) -> Tensor:
        one = tf.ones([], self.dtype)
        below = tf.where_v2(self.df > 2.0, self.df - 2.0, tf.ones_like(self.df))
        value = self._ones() * tf.square(self.scale) * self.df / below
        value = tf.where_v2(self.df > 2.0 * self._ones(), value, np.array(np.inf, self.dtype.as_numpy_dtype))
        said = {"variance not defined for components of df <= 1": self.df}
        return self._where_defined(value, self.df > self._ones(), one, said)

    def _mode(self) -> Tensor:
        return tf.identity(self.loc)


class Uniform(_Smooth):
    """Any number of [low, high) as likely as any other."""

    SHAPED_BY = ("low", "high")
    low, high = parameter("low", "The least."), parameter("high", "What is above all.")

    def __init__(
        self, low: Any = 0.0, high: Any = 1.0, validate_args: bool = False, allow_nan_stats: bool = True,
        name: str = "Uniform",
    ):  # fmt: skip
        said = "uniform not defined when low >= high."
        given = {key: value for key, value in locals().items() if key != "said"}
        self._start(given, lambda: [tf.assert_less(low, high, message=said)], low=low, high=high)

    def range(self, name: str = "range") -> Tensor:
        """high - low."""
        with self._name_scope(name):
            return self.high - self.low

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        return self.low + self.range() * tf.random_uniform(self._draws(n), dtype=self.dtype, seed=seed)

    def _prob(self, x: Tensor) -> Tensor:
        x = x * self._ones()
        outside = tf.logical_or(x < self.low, x >= self.high)
        inside = tf.ones_like(x) / self.range()
        return tf.where_v2(tf.is_nan(x), x, tf.where_v2(outside, tf.zeros_like(x), inside))

    def _cdf(self, x: Tensor) -> Tensor:
        x = x * self._ones()
        part = tf.where_v2(x < self.low, tf.zeros_like(x), (x - self.low) / self.range())
        return tf.where_v2(x >= self.high, tf.ones_like(x), part)

    def _entropy(self) -> Tensor:
        return tf.log(self.range())

    def _mean(self) -> Tensor:
        return (self.low + self.high) / 2.0

    def _variance(self) -> Tensor:
        return tf.square(self.range()) / 12.0

    def _stddev(self) -> Tensor:
        return self.range() / math.sqrt(12.0)
