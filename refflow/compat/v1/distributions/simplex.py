"""Distributions over chances, and of counts whose chances are themselves drawn.

    Dirichlet              p(x) = prod_k x[k]^(concentration[k] - 1) / B(concentration)      sum_k x[k] = 1
    DirichletMultinomial   P(n) = total_count! / prod_k n[k]!  B(concentration + n) / B(concentration)

Next: compat/v1/distributions/softplus.py.
"""

from __future__ import annotations

from typing import Any

import refflow.compat.v1 as tf
from refflow.compat.v1.distributions.checks import (
    embed_check_categorical_event_shape,
    embed_check_nonnegative_integer_form,
    gen_new_seed,
    log_combinations,
)
from refflow.compat.v1.distributions.distribution import (
    FULLY_REPARAMETERIZED,
    NOT_REPARAMETERIZED,
    Distribution,
    parameter,
)
from refflow.compat.v1.distributions.divergences import RegisterKL
from refflow.core.control import with_dependencies
from refflow.core.graph import Tensor
from refflow.core.shapes import TensorShape

_NEGATIVE = "Concentration parameter must be positive."


class _Concentrated(Distribution):
    """Distributions whose events lie along the last axis of `concentration`."""

    concentration = parameter("concentration", "One positive number for each class, along the last axis.")
    total_concentration = parameter("total_concentration", "Their sum.")

    def _batch_shape_tensor(self) -> Tensor:
        return tf.shape(self.total_concentration)

    def _batch_shape(self) -> TensorShape:
        return self.total_concentration.get_shape()

    def _event_shape_tensor(self) -> Tensor:
        return tf.shape(self.concentration)[-1:]

    def _event_shape(self) -> TensorShape:
        return self.concentration.get_shape().with_rank_at_least(1)[-1:]

    def _total(self) -> Tensor:
        return self.total_concentration[..., tf.newaxis]

    def _covariance(self) -> Tensor:
        x = self._scale() * self._mean()
        return tf.matrix_set_diag(-(x[..., tf.newaxis] * x[..., tf.newaxis, :]), self._variance())

    def _scale(self) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__}: the scale of the variance")


class Dirichlet(_Concentrated):
    """Chances of classes."""

    def __init__(
        self, concentration: Any, validate_args: bool = False, allow_nan_stats: bool = True, name: str = "Dirichlet"
    ):
        given = dict(locals())
        with tf.name_scope(name, values=[concentration]) as name:
            x = tf.convert_to_tensor(concentration, name="concentration")
            self._concentration = self._checked_concentration(x) if validate_args else x
            self._total_concentration = tf.reduce_sum(self._concentration, -1)
        super().__init__(
            dtype=x.dtype, validate_args=validate_args, allow_nan_stats=allow_nan_stats,
            reparameterization_type=FULLY_REPARAMETERIZED, parameters=given,
            graph_parents=[self._concentration, self._total_concentration], name=name,
        )  # fmt: skip

    @staticmethod
    def _checked_concentration(x: Tensor) -> Tensor:
        rank = tf.assert_rank_at_least(x, 1, message="Concentration parameter must have >=1 dimensions.")
        size = tf.assert_less(1, tf.shape(x)[-1], message="Concentration parameter must have event_size >= 2.")
        return with_dependencies([tf.assert_positive(x, message=_NEGATIVE), rank, size], x)

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        drawn = tf.random_gamma([n], self.concentration, dtype=self.dtype, seed=seed)
        return drawn / tf.reduce_sum(drawn, -1, keepdims=True)

    def _log_prob(self, x: Tensor) -> Tensor:
        if self.validate_args:
            said = "sample last-dimension must sum to `1`"
            whole = tf.debugging.assert_near(tf.ones([], self.dtype), tf.reduce_sum(x, -1), message=said)
            x = with_dependencies([tf.assert_positive(x, message="samples must be positive"), whole], x)
        return tf.reduce_sum(tf.math.xlogy(self.concentration - 1.0, x), -1) - tf.lbeta(self.concentration)

    def _entropy(self) -> Tensor:
        classes = tf.cast(self.event_shape_tensor()[0], self.dtype)
        total = (self.total_concentration - classes) * tf.digamma(self.total_concentration)
        each = tf.reduce_sum((self.concentration - 1.0) * tf.digamma(self.concentration), axis=-1)
        return tf.lbeta(self.concentration) + total - each

    def _mean(self) -> Tensor:
        return self.concentration / self._total()

    def _variance(self) -> Tensor:
        scale = self._scale()
        x = scale * self._mean()
        return x * (scale - x)

    def _scale(self) -> Tensor:
        return tf.rsqrt(1.0 + self._total())

    def _mode(self) -> Tensor:
        classes = tf.cast(self.event_shape_tensor()[0], self.dtype)
        defined = tf.reduce_all(self.concentration > 1.0, axis=-1, keepdims=True)
        said = {"Mode undefined when any concentration <= 1": self.concentration}
        mode = (self.concentration - 1.0) / (self._total() - classes)
        return self._where_defined(mode, defined, tf.ones([], self.dtype), said)


@RegisterKL(Dirichlet, Dirichlet)
def _kl_dirichlet(a: Dirichlet, b: Dirichlet, name: str | None = None) -> Tensor:
    with tf.name_scope(name, "kl_dirichlet_dirichlet", [a.concentration, b.concentration]):
        total = tf.digamma(tf.reduce_sum(a.concentration, axis=-1, keepdims=True))
        turned = (a.concentration - b.concentration) * (tf.digamma(a.concentration) - total)
        return tf.reduce_sum(turned, axis=-1) - tf.lbeta(a.concentration) + tf.lbeta(b.concentration)


class DirichletMultinomial(_Concentrated):
    """How often each class came in `total_count` draws, by chances that a Dirichlet distribution gave."""

    total_count = parameter("total_count", "How many draws make one event.")

    def __init__(
        self, total_count: Any, concentration: Any, validate_args: bool = False, allow_nan_stats: bool = True,
        name: str = "DirichletMultinomial",
    ):  # fmt: skip
        given = dict(locals())
        with tf.name_scope(name, values=[total_count, concentration]) as name:
            self._total_count = tf.convert_to_tensor(total_count, name="total_count")
            x = tf.convert_to_tensor(concentration, name="concentration")
            if validate_args:
                self._total_count = embed_check_nonnegative_integer_form(self._total_count)
                x = embed_check_categorical_event_shape(x)
                x = with_dependencies([tf.assert_positive(x, message=_NEGATIVE)], x)
            self._concentration, self._total_concentration = x, tf.reduce_sum(x, -1)
        super().__init__(
            dtype=x.dtype, validate_args=validate_args, allow_nan_stats=allow_nan_stats,
            reparameterization_type=NOT_REPARAMETERIZED, parameters=given,
            graph_parents=[self._total_count, self._concentration], name=name,
        )  # fmt: skip

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        classes, count = self.event_shape_tensor()[0], tf.cast(self.total_count, tf.int32)
        chances = tf.random_gamma([n], self.concentration, dtype=self.dtype, seed=seed)
        logits = tf.reshape(tf.log(chances), [-1, classes])
        drawn = tf.multinomial(logits, count, seed=gen_new_seed(seed, "dirichlet_multinomial"))
        counts = tf.reduce_sum(tf.one_hot(drawn, classes, dtype=self.dtype), -2)
        return tf.reshape(counts, tf.concat([[n], self.batch_shape_tensor(), [classes]], 0))

    def _log_prob(self, counts: Tensor) -> Tensor:
        if self.validate_args:
            said = "counts last-dimension must sum to `self.total_count`"
            counts = embed_check_nonnegative_integer_form(counts)
            whole = tf.assert_equal(self.total_count, tf.reduce_sum(counts, -1), message=said)
            counts = with_dependencies([whole], counts)
        ordered = tf.lbeta(self.concentration + counts) - tf.lbeta(self.concentration)
        return ordered + log_combinations(self.total_count, counts)

    def _mean(self) -> Tensor:
        return self.total_count * (self.concentration / self._total())

    def _variance(self) -> Tensor:
        scale = self._scale()
        x = scale * self._mean()
        return x * (self.total_count * scale - x)

    def _scale(self) -> Tensor:
        total = self._total()
        return tf.sqrt((1.0 + total / self.total_count) / (1.0 + total))
