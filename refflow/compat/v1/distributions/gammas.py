"""Distributions made of the gamma function: gamma, exponential, beta.

    Gamma   x^(concentration - 1) exp(-rate x) rate^concentration / Gamma(concentration)
    Beta    x^(concentration1 - 1) (1 - x)^(concentration0 - 1) / B(concentration1, concentration0)

Next: compat/v1/distributions/counts.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import refflow.compat.v1 as tf
from refflow.compat.v1.distributions.checks import gen_new_seed
from refflow.compat.v1.distributions.distribution import FULLY_REPARAMETERIZED, OfNumbers, parameter
from refflow.compat.v1.distributions.divergences import RegisterKL
from refflow.core.control import with_dependencies
from refflow.core.graph import Tensor
from refflow.core.shapes import TensorShape


class Gamma(OfNumbers):
    """Waiting times: for `concentration` events of `rate` a unit of time."""

    SHAPED_BY: tuple[str, ...] = ("concentration", "rate")
    concentration, rate = parameter("concentration", "The shape, above 0."), parameter("rate", "1 / scale, above 0.")

    def __init__(
        self, concentration: Any, rate: Any, validate_args: bool = False, allow_nan_stats: bool = True,
        name: str = "Gamma",
    ):  # fmt: skip
        given = dict(locals())
        with tf.name_scope(name, values=[concentration, rate]) as name:
            checks = [tf.assert_positive(v) for v in (concentration, rate)] if validate_args else []
            with tf.control_dependencies(checks):
                self._concentration = tf.identity(concentration, name="concentration")
                self._rate = tf.identity(rate, name="rate")
            tf.debugging.assert_same_float_dtype([self._concentration, self._rate])
        super().__init__(
            dtype=self._concentration.dtype, validate_args=validate_args, allow_nan_stats=allow_nan_stats,
            reparameterization_type=FULLY_REPARAMETERIZED, parameters=given,
            graph_parents=[self._concentration, self._rate], name=name,
        )  # fmt: skip

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        return tf.random_gamma([n], self.concentration, self.rate, self.dtype, seed)

    def _log_prob(self, x: Tensor) -> Tensor:
        x = self._checked(x)
        norm = tf.lgamma(self.concentration) - self.concentration * tf.log(self.rate)
        return tf.math.xlogy(self.concentration - 1.0, x) - self.rate * x - norm

    def _cdf(self, x: Tensor) -> Tensor:
        return tf.igamma(self.concentration, self.rate * self._checked(x))

    def _entropy(self) -> Tensor:
        a = self.concentration
        return a - tf.log(self.rate) + tf.lgamma(a) + (1.0 - a) * tf.digamma(a)

    def _mean(self) -> Tensor:
        return self.concentration / self.rate

    def _variance(self) -> Tensor:
        return self.concentration / tf.square(self.rate)

    def _stddev(self) -> Tensor:
        return tf.sqrt(self.concentration) / self.rate

    def _mode(self) -> Tensor:
        said = {"mode not defined when any concentration <= 1": self.concentration}
        mode = (self.concentration - 1.0) / self.rate
        return self._where_defined(mode, self.concentration > 1.0, tf.ones([], self.dtype), said)

    def _checked(self, x: Tensor) -> Tensor:
        tf.debugging.assert_same_float_dtype([x], self.dtype)
        return with_dependencies([tf.assert_positive(x)], x) if self.validate_args else x


@RegisterKL(Gamma, Gamma)
def _kl_gamma(a: Gamma, b: Gamma, name: str | None = None) -> Tensor:
    with tf.name_scope(name, "kl_gamma_gamma", [a.concentration, a.rate, b.concentration, b.rate]):
        turned = (a.concentration - b.concentration) * tf.digamma(a.concentration)
        norms = tf.lgamma(b.concentration) - tf.lgamma(a.concentration)
        rates = b.concentration * tf.log(a.rate) - b.concentration * tf.log(b.rate)
        return turned + norms + rates + a.concentration * (b.rate / a.rate - 1.0)


class Exponential(Gamma):
    """Waiting times for one event of `rate` a unit of time."""

    SHAPED_BY: tuple[str, ...] = ("rate",)

    def __init__(
        self, rate: Any, validate_args: bool = False, allow_nan_stats: bool = True, name: str = "Exponential"
    ):
        given = {key: v for key, v in locals().items() if key != "__class__"}
        with tf.name_scope(name, values=[rate]) as name:
            rate = tf.convert_to_tensor(rate, name="rate")
        super().__init__(tf.ones([], rate.dtype), rate, validate_args, allow_nan_stats, name)
        self._parameters = {key: v for key, v in given.items() if key != "self"}

    def _log_survival_function(self, value: Tensor) -> Tensor:
        return self._log_prob(value) - tf.log(self._rate)

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        least = np.finfo(self.dtype.as_numpy_dtype).tiny  # of 0 there is no logarithm
        shape = tf.concat([[n], tf.shape(self._rate)], 0)
        return -tf.log(tf.random_uniform(shape, least, 1.0, self.dtype, seed)) / self._rate


class Beta(OfNumbers):
    """Chances: what is known of one after concentration1 - 1 times yes and concentration0 - 1 times no."""

    SHAPED_BY = ("concentration1", "concentration0")
    concentration1 = parameter("concentration1", "The exponent of x, plus 1.")
    concentration0 = parameter("concentration0", "The exponent of 1 - x, plus 1.")
    total_concentration = parameter("total_concentration", "The sum of both.")

    def __init__(
        self, concentration1: Any = None, concentration0: Any = None, validate_args: bool = False,
        allow_nan_stats: bool = True, name: str = "Beta",
    ):  # fmt: skip
        given = dict(locals())
        with tf.name_scope(name, values=[concentration1, concentration0]) as name:
            tensors = [
                tf.convert_to_tensor(concentration1, name="concentration1"),
                tf.convert_to_tensor(concentration0, name="concentration0"),
            ]
            if validate_args:
                said = "Concentration parameter must be positive."
                tensors = [with_dependencies([tf.assert_positive(t, message=said)], t) for t in tensors]
            tf.debugging.assert_same_float_dtype(tensors)
            self._concentration1, self._concentration0 = tensors
            self._total_concentration = self._concentration1 + self._concentration0
        super().__init__(
            dtype=self._total_concentration.dtype, validate_args=validate_args, allow_nan_stats=allow_nan_stats,
            reparameterization_type=FULLY_REPARAMETERIZED, parameters=given,
            graph_parents=[*tensors, self._total_concentration], name=name,
        )  # fmt: skip

    def _batch_shape_tensor(self) -> Tensor:
        return tf.shape(self.total_concentration)

    def _batch_shape(self) -> TensorShape:
        return self.total_concentration.get_shape()

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        ones = tf.ones_like(self.total_concentration, dtype=self.dtype)
        yes = tf.random_gamma([n], ones * self.concentration1, dtype=self.dtype, seed=seed)
        no = tf.random_gamma([n], ones * self.concentration0, dtype=self.dtype, seed=gen_new_seed(seed, "beta"))
        return yes / (yes + no)

    def _log_prob(self, x: Tensor) -> Tensor:
        x = self._checked(x)
        shape = tf.math.xlogy(self.concentration1 - 1.0, x) + (self.concentration0 - 1.0) * tf.log1p(-x)
        return shape - self._log_normalization()

    def _cdf(self, x: Tensor) -> Tensor:
        return tf.betainc(self.concentration1, self.concentration0, x)

    def _log_normalization(self) -> Tensor:
        both = tf.lgamma(self.concentration1) + tf.lgamma(self.concentration0)
        return both - tf.lgamma(self.total_concentration)

    def _entropy(self) -> Tensor:
        each = [(c - 1.0) * tf.digamma(c) for c in (self.concentration1, self.concentration0)]
        total = (self.total_concentration - 2.0) * tf.digamma(self.total_concentration)
        return self._log_normalization() - each[0] - each[1] + total

    def _mean(self) -> Tensor:
        return self._concentration1 / self._total_concentration

    def _variance(self) -> Tensor:
        return self._mean() * (1.0 - self._mean()) / (1.0 + self.total_concentration)

    def _mode(self) -> Tensor:
        defined = tf.logical_and(self.concentration1 > 1.0, self.concentration0 > 1.0)
        said = {
            "Mode undefined for concentration1 <= 1.": self.concentration1,
            "Mode undefined for concentration0 <= 1.": self.concentration0,
        }
        mode = (self.concentration1 - 1.0) / (self.total_concentration - 2.0)
        return self._where_defined(mode, defined, tf.ones([], self.dtype), said)

    def _checked(self, x: Tensor) -> Tensor:
        if not self.validate_args:
            return x
        low = tf.assert_positive(x, message="sample must be positive")
        high = tf.assert_less(x, tf.ones([], self.dtype), message="sample must be less than `1`.")
        return with_dependencies([low, high], x)


@RegisterKL(Beta, Beta)
def _kl_beta(a: Beta, b: Beta, name: str | None = None) -> Tensor:
    with tf.name_scope(name, "kl_beta_beta", [a.total_concentration, b.total_concentration]):
        found = b._log_normalization() - a._log_normalization()
        for key, sign in (("concentration1", -1.0), ("concentration0", -1.0), ("total_concentration", 1.0)):
            one, other = getattr(a, key), getattr(b, key)
            found += sign * tf.digamma(one) * (other - one)
        return found
