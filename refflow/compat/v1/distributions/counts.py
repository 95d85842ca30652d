"""Distributions of whole numbers: a yes or no, a class, how often each class came.

    Bernoulli     P(1) = probs = 1 / (1 + exp(-logits))
    Categorical   P(k) = probs[k] = exp(logits[k]) / sum_j exp(logits[j])
    Multinomial   P(n) = total_count! prod_k probs[k]^n[k] / n[k]!

Next: compat/v1/distributions/simplex.py.
"""

from __future__ import annotations

from typing import Any

import refflow.compat.v1 as tf
from refflow.compat.v1.distributions.checks import (
    embed_check_categorical_event_shape,
    embed_check_integer_casting_closed,
    embed_check_nonnegative_integer_form,
    get_logits_and_probs,
    log_combinations,
)
from refflow.compat.v1.distributions.distribution import NOT_REPARAMETERIZED, Distribution, OfNumbers, parameter
from refflow.compat.v1.distributions.divergences import RegisterKL
from refflow.core.control import with_dependencies
from refflow.core.graph import Tensor
from refflow.core.shapes import TensorShape

_LOGITS, _PROBS = parameter("logits", "The scores of the chances."), parameter("probs", "The chances.")


class Bernoulli(OfNumbers):
    """1 with chance `probs`, else 0. Either `logits` or `probs`."""

    SHAPED_BY = ("logits",)
    logits, probs = _LOGITS, _PROBS

    def __init__(
        self, logits: Any = None, probs: Any = None, dtype: Any = tf.int32, validate_args: bool = False,
        allow_nan_stats: bool = True, name: str = "Bernoulli",
    ):  # fmt: skip
        given = dict(locals())
        with tf.name_scope(name) as name:
            self._logits, self._probs = get_logits_and_probs(logits, probs, validate_args=validate_args, name=name)
        super().__init__(
            dtype=tf.as_dtype(dtype), reparameterization_type=NOT_REPARAMETERIZED, validate_args=validate_args,
            allow_nan_stats=allow_nan_stats, parameters=given, graph_parents=[self._logits, self._probs], name=name,
        )  # fmt: skip

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        drawn = tf.random_uniform(self._draws(n), seed=seed, dtype=self.probs.dtype)
        return tf.cast(tf.less(drawn, self.probs), self.dtype)

    def _log_prob(self, event: Tensor) -> Tensor:
        if self.validate_args:
            event = embed_check_integer_casting_closed(event, target_dtype=tf.bool)
        event = tf.cast(event, self.logits.dtype)
        logits = tf.ones_like(event) * self.logits
        return -tf.nn.sigmoid_cross_entropy_with_logits(labels=tf.ones_like(self.logits) * event, logits=logits)

    def _entropy(self) -> Tensor:
        return -self.logits * (tf.sigmoid(self.logits) - 1) + tf.nn.softplus(-self.logits)

    def _mean(self) -> Tensor:
        return tf.identity(self.probs)

    def _variance(self) -> Tensor:
        return self._mean() * (1.0 - self.probs)

    def _mode(self) -> Tensor:
        return tf.cast(self.probs > 0.5, self.dtype)


@RegisterKL(Bernoulli, Bernoulli)
def _kl_bernoulli(a: Bernoulli, b: Bernoulli, name: str | None = None) -> Tensor:
    with tf.name_scope(name, "kl_bernoulli_bernoulli", [a.logits, b.logits]):
        yes = tf.nn.softplus(-b.logits) - tf.nn.softplus(-a.logits)
        no = tf.nn.softplus(b.logits) - tf.nn.softplus(a.logits)
        return tf.sigmoid(a.logits) * yes + tf.sigmoid(-a.logits) * no


class Categorical(OfNumbers):
    """A class 0, 1, ... with the chances along the last axis of `probs`. Either `logits` or `probs`."""

    logits, probs = _LOGITS, _PROBS
    event_size = parameter("event_size", "How many classes there are, int32.")

    def __init__(
        self, logits: Any = None, probs: Any = None, dtype: Any = tf.int32, validate_args: bool = False,
        allow_nan_stats: bool = True, name: str = "Categorical",
    ):  # fmt: skip
        given = dict(locals())
        with tf.name_scope(name, values=[logits, probs]) as name:
            self._logits, self._probs = get_logits_and_probs(
                logits, probs, validate_args=validate_args, multidimensional=True, name=name
            )
            if validate_args:
                self._logits = embed_check_categorical_event_shape(self._logits)
            known = self._logits.get_shape().with_rank_at_least(1)
            size = None if known.ndims is None else known[-1].value
            counted = tf.shape(self._logits, name="logits_shape")[-1] if size is None else size
            self._event_size = tf.convert_to_tensor(counted, dtype=tf.int32, name="event_size")
        super().__init__(
            dtype=tf.as_dtype(dtype), reparameterization_type=NOT_REPARAMETERIZED, validate_args=validate_args,
            allow_nan_stats=allow_nan_stats, parameters=given, graph_parents=[self._logits, self._probs], name=name,
        )  # fmt: skip

    _param_shapes = Distribution._param_shapes

    def _batch_shape_tensor(self) -> Tensor:
        return tf.shape(self.logits)[:-1]

    def _batch_shape(self) -> TensorShape:
        return self.logits.get_shape()[:-1]

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        rows = self.logits if self.logits.get_shape().ndims == 2 else tf.reshape(self.logits, [-1, self.event_size])
        kind = tf.int64 if self.dtype.size > 4 else tf.int32
        drawn = tf.multinomial(rows, n, seed=seed, output_dtype=kind)
        return tf.cast(tf.reshape(tf.transpose(drawn), self._draws(n)), self.dtype)

    def _cdf(self, k: Tensor) -> Tensor:
        k, probs = self._broadcast(k, self.probs)
        rows = tf.reshape(probs, [-1, self._event_size])
        below = tf.sequence_mask(tf.reshape(k, [-1]), self._event_size)
        return tf.reshape(tf.reduce_sum(tf.where(below, rows, tf.zeros_like(rows)), axis=-1), tf.shape(k))

    def _log_prob(self, k: Tensor) -> Tensor:
        k, logits = self._broadcast(k, self.logits)
        return -tf.nn.sparse_softmax_cross_entropy_with_logits(labels=k, logits=logits)

    def _broadcast(self, k: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Classes [batch] and scores [batch, K] of one batch."""
        if self.validate_args:
            k = embed_check_integer_casting_closed(k, target_dtype=tf.int32)
        if not (k.dtype.is_integer or k.dtype.is_floating):
            raise TypeError(f"`value` should have integer `dtype` or `self.dtype` ({self.dtype.base_dtype})")
        k = tf.cast(k, tf.int32) if k.dtype.is_floating else k
        scores = scores * tf.ones_like(k[..., tf.newaxis], dtype=scores.dtype)
        k = k * tf.ones(tf.shape(scores)[:-1], dtype=k.dtype)
        if scores.get_shape().ndims is not None:
            k.set_shape(scores.get_shape()[:-1])
        return k, scores

    def _entropy(self) -> Tensor:
        return -tf.reduce_sum(tf.nn.log_softmax(self.logits) * self.probs, axis=-1)

    def _mode(self) -> Tensor:
        found = tf.cast(tf.argmax(self.logits, axis=-1), self.dtype)
        found.set_shape(self.batch_shape)
        return found


@RegisterKL(Categorical, Categorical)
def _kl_categorical(a: Categorical, b: Categorical, name: str | None = None) -> Tensor:
    with tf.name_scope(name, "kl_categorical_categorical", [a.logits, b.logits]):
        ratio = tf.nn.log_softmax(a.logits) - tf.nn.log_softmax(b.logits)
        return tf.reduce_sum(tf.nn.softmax(a.logits) * ratio, axis=-1)


class Multinomial(Distribution):
    """How often each class came in `total_count` draws. Either `logits` or `probs`."""

    total_count = parameter("total_count", "How many draws make one event.")
    logits, probs = _LOGITS, _PROBS

    def __init__(
        self, total_count: Any, logits: Any = None, probs: Any = None, validate_args: bool = False,
        allow_nan_stats: bool = True, name: str = "Multinomial",
    ):  # fmt: skip
        given = dict(locals())
        with tf.name_scope(name, values=[total_count, logits, probs]) as name:
            self._total_count = tf.convert_to_tensor(total_count, name="total_count")
            if validate_args:
                self._total_count = embed_check_nonnegative_integer_form(self._total_count)
            self._logits, self._probs = get_logits_and_probs(
                logits, probs, multidimensional=True, validate_args=validate_args, name=name
            )
            self._mean_val = self._total_count[..., tf.newaxis] * self._probs
        super().__init__(
            dtype=self._probs.dtype, reparameterization_type=NOT_REPARAMETERIZED, validate_args=validate_args,
            allow_nan_stats=allow_nan_stats, parameters=given,
            graph_parents=[self._total_count, self._logits, self._probs], name=name,
        )  # fmt: skip

    def _batch_shape_tensor(self) -> Tensor:
        return tf.shape(self._mean_val)[:-1]

    def _batch_shape(self) -> TensorShape:
        return self._mean_val.get_shape().with_rank_at_least(1)[:-1]

    def _event_shape_tensor(self) -> Tensor:
        return tf.shape(self._mean_val)[-1:]

    def _event_shape(self) -> TensorShape:
        return self._mean_val.get_shape().with_rank_at_least(1)[-1:]

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        """One row of logits at a time: each has its own number of draws."""
        classes = self.event_shape_tensor()[0]
        counts = tf.cast(self.total_count, tf.int32)
        counts = tf.ones_like(self.logits[..., 0], dtype=tf.int32) * counts
        logits = tf.ones_like(counts[..., tf.newaxis], dtype=self.logits.dtype) * self.logits

        def row(args: Any) -> Tensor:
            drawn = tf.reshape(tf.multinomial(args[0][tf.newaxis, ...], args[1], seed), [n, -1])
            return tf.reduce_sum(tf.one_hot(drawn, classes, dtype=self.dtype), axis=-2)

        rows = [tf.reshape(logits, [-1, classes]), n * tf.reshape(counts, [-1])]
        drawn = tf.transpose(tf.map_fn(row, rows, dtype=self.dtype), [1, 0, 2])
        return tf.reshape(drawn, tf.concat([[n], self.batch_shape_tensor(), [classes]], 0))

    def _log_prob(self, counts: Tensor) -> Tensor:
        counts = self._checked(counts)
        return tf.reduce_sum(counts * tf.nn.log_softmax(self.logits), -1) + log_combinations(self.total_count, counts)

    def _mean(self) -> Tensor:
        return tf.identity(self._mean_val)

    def _covariance(self) -> Tensor:
        outer = self._mean_val[..., tf.newaxis] * self._rows()[..., tf.newaxis, :]
        return tf.matrix_set_diag(-outer, self._variance())

    def _variance(self) -> Tensor:
        return self._mean_val - self._mean_val * self._rows()

    def _rows(self) -> Tensor:
        return self.probs * tf.ones_like(self.total_count)[..., tf.newaxis]

    def _checked(self, counts: Tensor) -> Tensor:
        if not self.validate_args:
            return counts
        counts, said = embed_check_nonnegative_integer_form(counts), "counts must sum to `self.total_count`"
        return with_dependencies([tf.assert_equal(self.total_count, tf.reduce_sum(counts, -1), message=said)], counts)
