"""What every distribution has: one public method for each quantity, around the formula of its class.

    d.log_prob(x)     opens the distribution's scope, makes x a tensor, and asks d._log_prob(x)
    d.prob(x)         asks d._prob(x), and where the class has none takes exp(d._log_prob(x))

A class of one's own derives from Distribution and gives `_sample_n`, `_log_prob`, `_batch_shape` and so on.

Next: compat/v1/distributions/divergences.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import Any

import numpy as np

import refflow.compat.v1 as tf
from refflow.core.constants import constant_value
from refflow.core.control import with_dependencies
from refflow.core.graph import Tensor
from refflow.core.shapes import TensorShape


class ReparameterizationType:
    """Whether a draw is a differentiable function of the parameters; two are equal only if they are one."""

    def __init__(self, rep_type: str):
        self._rep_type = rep_type

    def __repr__(self) -> str:
        return f"<Reparameterization Type: {self._rep_type}>"

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__


FULLY_REPARAMETERIZED = ReparameterizationType("FULLY_REPARAMETERIZED")
NOT_REPARAMETERIZED = ReparameterizationType("NOT_REPARAMETERIZED")


def _lacking(quantity: str) -> Any:
    """The formula that a class lacks."""

    def formula(self: Any, *unused: Any, **also_unused: Any) -> Any:
        raise NotImplementedError(f"{quantity} is not implemented: {type(self).__name__}")

    formula.__doc__ = f"What {quantity} computes; a class that has it says how."
    return formula


def _of_value(quantity: str, meaning: str, otherwise: Callable[[Any, Tensor], Tensor] | None = None) -> Any:
    """A public method of one argument. otherwise: where the class has no formula, by another quantity."""

    def method(self: Any, value: Any, name: str = quantity, **kwargs: Any) -> Tensor:
        with self._name_scope(name, values=[value]):
            value = tf.convert_to_tensor(value, name="value", preferred_dtype=self.dtype)
            try:
                return getattr(self, f"_{quantity}")(value, **kwargs)
            except NotImplementedError as missing:
                if otherwise is None:
                    raise
                try:
                    return otherwise(self, value)
                except NotImplementedError:
                    raise missing from None

    method.__name__ = quantity
    method.__doc__ = f"{meaning}; `value` is broadcast against the batch."
    return method


def _of_nothing(quantity: str, meaning: str, otherwise: Callable[[Any], Tensor] | None = None) -> Any:
    """A public method without arguments."""

    def method(self: Any, name: str = quantity) -> Tensor:
        with self._name_scope(name):
            try:
                return getattr(self, f"_{quantity}")()
            except NotImplementedError as missing:
                if otherwise is None:
                    raise
                try:
                    return otherwise(self)
                except NotImplementedError:
                    raise missing from None

    method.__name__ = quantity
    method.__doc__ = f"{meaning}, one for each distribution of the batch."
    return method


class Distribution:
    """A batch of distributions of one family, whose draws (events) have one shape and type."""

    def __init__(
        self, dtype: Any, reparameterization_type: ReparameterizationType, validate_args: bool, allow_nan_stats: bool,
        parameters: dict[str, Any] | None = None, graph_parents: Sequence[Tensor] | None = None,
        name: str | None = None,
    ):  # fmt: skip
        for number, parent in enumerate(graph_parents or ()):
            if not isinstance(parent, Tensor):
                raise ValueError(f"Graph parent item {number} is not a Tensor; {parent}.")
        if not name or name[-1] != "/":  # a name that is not a scope yet
            with tf.name_scope(name or type(self).__name__) as scope:
                name = scope
        self._dtype, self._name = dtype, name
        self._reparameterization_type = reparameterization_type
        self._allow_nan_stats, self._validate_args = allow_nan_stats, validate_args
        self._parameters = {key: v for key, v in (parameters or {}).items() if key != "self"}
        self._graph_parents = list(graph_parents or ())

    # -- what it is -----------------------------------------------------------------------------------------------

    @classmethod
    def param_shapes(cls, sample_shape: Any, name: str = "DistributionParamShapes") -> dict[str, Tensor]:
        """The parameters' shapes for draws of that shape."""
        with tf.name_scope(name, values=[sample_shape]):
            return cls._param_shapes(sample_shape)

    @classmethod
    def param_static_shapes(cls, sample_shape: Any) -> dict[str, TensorShape]:
        """The same as shapes that are known."""
        if isinstance(sample_shape, TensorShape):
            if not sample_shape.is_fully_defined():
                raise ValueError("TensorShape sample_shape must be fully defined")
            sample_shape = sample_shape.as_list()
        found = {key: constant_value(shape) for key, shape in cls.param_shapes(sample_shape).items()}
        if any(shape is None for shape in found.values()):
            raise ValueError("sample_shape must be a fully-defined TensorShape or list/tuple")
        return {key: TensorShape(list(shape)) for key, shape in found.items()}

    @classmethod
    def _param_shapes(cls, sample_shape: Any) -> dict[str, Tensor]:
        raise NotImplementedError("_param_shapes not implemented")

    name = property(lambda self: self._name, doc="The scope of its nodes.")
    dtype = property(lambda self: self._dtype, doc="The type of its draws.")
    reparameterization_type = property(lambda self: self._reparameterization_type, doc="Whether draws have slopes.")
    allow_nan_stats = property(lambda self: self._allow_nan_stats, doc="Whether an undefined moment is nan.")
    validate_args = property(lambda self: self._validate_args, doc="Whether steps check parameters and values.")

    @property
    def parameters(self) -> dict[str, Any]:
        """What it was made with, by name."""
        return {key: value for key, value in self._parameters.items() if not key.startswith("__")}

    def copy(self, **override_parameters_kwargs: Any) -> Any:
        """Another of the same class and parameters, but for those given."""
        return type(self)(**{**self.parameters, **override_parameters_kwargs})

    # -- shapes ---------------------------------------------------------------------------------------------------

    _batch_shape_tensor, _event_shape_tensor = _lacking("batch_shape_tensor"), _lacking("event_shape_tensor")

    def _batch_shape(self) -> TensorShape:
        return TensorShape(None)

    _event_shape = _batch_shape

    @property
    def batch_shape(self) -> TensorShape:
        """The shape of the batch, as far as it is known."""
        return TensorShape(self._batch_shape())

    @property
    def event_shape(self) -> TensorShape:
        """The shape of one draw of one distribution, as far as it is known."""
        return TensorShape(self._event_shape())

    def batch_shape_tensor(self, name: str = "batch_shape_tensor") -> Tensor:
        """The shape of the batch, int32."""
        with self._name_scope(name):
            return _as_tensor(self.batch_shape, self._batch_shape_tensor, "batch_shape")

    def event_shape_tensor(self, name: str = "event_shape_tensor") -> Tensor:
        """The shape of one draw, int32."""
        with self._name_scope(name):
            return _as_tensor(self.event_shape, self._event_shape_tensor, "event_shape")

    def is_scalar_event(self, name: str = "is_scalar_event") -> Tensor:
        """Whether one draw is one number."""
        with self._name_scope(name):
            return _is_scalar(self.event_shape, self.event_shape_tensor, "is_scalar_event")

    def is_scalar_batch(self, name: str = "is_scalar_batch") -> Tensor:
        """Whether it is one distribution."""
        with self._name_scope(name):
            return _is_scalar(self.batch_shape, self.batch_shape_tensor, "is_scalar_batch")

    # -- draws ----------------------------------------------------------------------------------------------------

    _sample_n = _lacking("sample_n")

    def _call_sample_n(self, sample_shape: Any, seed: int | None, name: str, **kwargs: Any) -> Tensor:
        with self._name_scope(name, values=[sample_shape]):
            shape = tf.convert_to_tensor(sample_shape, dtype=tf.int32, name="sample_shape")
            if shape.get_shape().ndims not in (None, 0, 1):
                raise ValueError("Input is neither scalar nor vector.")
            known = constant_value(shape)
            if known is not None:
                known = np.reshape(known, [-1])
            if shape.get_shape().ndims != 1:
                shape = tf.reshape(shape, [-1]) if known is None else tf.convert_to_tensor(known, name="sample_shape")
            count = tf.reduce_prod(shape) if known is None else np.prod(known, dtype=np.int32)
            drawn = self._sample_n(count, seed, **kwargs)
            drawn = tf.reshape(drawn, tf.concat([shape, tf.shape(drawn)[1:]], 0))
            self._set_shape(drawn, TensorShape(None if known is None else list(known)))
            return drawn

    def sample(self, sample_shape: Any = (), seed: int | None = None, name: str = "sample") -> Tensor:
        """Draws of the shape [sample_shape, batch shape, event shape]."""
        return self._call_sample_n(sample_shape, seed, name)

    def _set_shape(self, drawn: Tensor, sample_shape: TensorShape) -> None:
        """Tells a draw's shape: of its three parts as many as are known, each at its place."""
        parts = [sample_shape, self.batch_shape, self.event_shape]
        ranks, rank = [part.ndims for part in parts], drawn.get_shape().ndims
        if rank is None:
            if None in ranks:
                return
            rank = sum(r for r in ranks if r is not None)
        if ranks.count(None) == 1:
            ranks[ranks.index(None)] = rank - sum(r for r in ranks if r is not None)
        for number, part in enumerate(parts):
            before, after = ranks[:number], ranks[number + 1 :]
            if part.ndims is None or (None in before and None in after):
                continue
            rest = rank - part.ndims
            first = rest - sum(r or 0 for r in after) if None in before else sum(r or 0 for r in before)
            drawn.set_shape([*[None] * first, *part.as_list(), *[None] * (rest - first)])

    # -- chances --------------------------------------------------------------------------------------------------

    _log_prob, _prob, _log_cdf, _cdf = map(_lacking, ("log_prob", "prob", "log_cdf", "cdf"))
    _log_survival_function, _survival_function = map(_lacking, ("log_survival_function", "survival_function"))
    _quantile = _lacking("quantile")

    log_prob = _of_value("log_prob", "The logarithm of the density, or of the chance",
                         lambda self, x: tf.log(self._prob(x)))  # fmt: skip
    prob = _of_value("prob", "The density, or the chance", lambda self, x: tf.exp(self._log_prob(x)))
    log_cdf = _of_value("log_cdf", "The logarithm of cdf", lambda self, x: tf.log(self._cdf(x)))
    cdf = _of_value("cdf", "The chance of a draw of at most `value`", lambda self, x: tf.exp(self._log_cdf(x)))
    log_survival_function = _of_value("log_survival_function", "The logarithm of survival_function",
                                      lambda self, x: tf.log1p(-self.cdf(x)))  # fmt: skip
    survival_function = _of_value("survival_function", "The chance of a draw above `value`",
                                  lambda self, x: 1.0 - self.cdf(x))  # fmt: skip
    quantile = _of_value("quantile", "The x of which cdf is `value`")

    # -- moments --------------------------------------------------------------------------------------------------

    _entropy, _mean, _mode, _covariance = map(_lacking, ("entropy", "mean", "mode", "covariance"))
    _variance, _stddev = map(_lacking, ("variance", "stddev"))

    entropy = _of_nothing("entropy", "Shannon's entropy, in nats")
    mean = _of_nothing("mean", "The mean")
    variance = _of_nothing("variance", "The variance", lambda self: tf.square(self._stddev()))
    stddev = _of_nothing("stddev", "The standard deviation", lambda self: tf.sqrt(self._variance()))
    covariance = _of_nothing("covariance", "The matrix of covariances of the parts of a draw")
    mode = _of_nothing("mode", "The likeliest draw")

    def _where_defined(self, value: Tensor, defined: Tensor, low: Any, messages: dict[str, Any]) -> Tensor:
        """A moment, and nan where it is not defined; if that is not allowed, by message what must be above `low`."""
        if self.allow_nan_stats:
            return tf.where_v2(defined, value, np.array(np.nan, self.dtype.as_numpy_dtype))
        needs = [tf.assert_less(low, needed, message=message) for message, needed in messages.items()]
        return with_dependencies(needs, value)

    # -- beside another -------------------------------------------------------------------------------------------

    def _cross_entropy(self, other: Distribution) -> Tensor:
        from refflow.compat.v1.distributions import divergences

        return divergences.cross_entropy(self, other, allow_nan_stats=self.allow_nan_stats)

    def _kl_divergence(self, other: Distribution) -> Tensor:
        from refflow.compat.v1.distributions import divergences

        return divergences.kl_divergence(self, other, allow_nan_stats=self.allow_nan_stats)

    def cross_entropy(self, other: Distribution, name: str = "cross_entropy") -> Tensor:
        """The mean of -log other.prob(x) over draws x of this one."""
        with self._name_scope(name):
            return self._cross_entropy(other)

    def kl_divergence(self, other: Distribution, name: str = "kl_divergence") -> Tensor:
        """The mean of log(this prob(x) / other.prob(x)) over draws x of this one."""
        with self._name_scope(name):
            return self._kl_divergence(other)

    # -- text and scopes ------------------------------------------------------------------------------------------

    def __str__(self) -> str:
        shapes = [("batch_shape", self.batch_shape), ("event_shape", self.event_shape)]
        known = "".join(f", {key}={shape}" for key, shape in shapes if shape.ndims is not None)
        return f'tfp.distributions.{type(self).__name__}("{self.name}"{known}, dtype={self.dtype.name})'

    def __repr__(self) -> str:
        return (
            f"<tfp.distributions.{type(self).__name__} '{self.name}' batch_shape={self.batch_shape} "
            f"event_shape={self.event_shape} dtype={self.dtype.name}>"
        )

    @contextmanager
    def _name_scope(self, name: str | None = None, values: Sequence[Any] | None = None) -> Iterator[str]:
        with tf.name_scope(self.name), tf.name_scope(name, values=[*(values or ()), *self._graph_parents]) as scope:
            yield scope


def _as_tensor(known: TensorShape, asked: Callable[[], Tensor], name: str) -> Tensor:
    """A shape that is known as a constant, another by its nodes."""
    return tf.convert_to_tensor(known.as_list(), dtype=tf.int32, name=name) if known.is_fully_defined() else asked()


def _is_scalar(known: TensorShape, asked: Callable[[], Tensor], name: str) -> Tensor:
    if known.ndims is not None:
        return tf.convert_to_tensor(known.ndims == 0, name=name)
    return tf.equal(tf.shape(asked())[0], 0, name=name)


def parameter(name: str, meaning: str) -> Any:
    """A property that gives what the constructor stored under `_name`."""
    return property(lambda self: getattr(self, f"_{name}"), doc=meaning)


class OfNumbers(Distribution):
    """Distributions of single numbers, whose batch is what their parameters are broadcast to."""

    SHAPED_BY: tuple[str, ...] = ()  # the parameters

    @classmethod
    def _param_shapes(cls, sample_shape: Any) -> dict[str, Tensor]:
        return {key: tf.convert_to_tensor(sample_shape, dtype=tf.int32) for key in cls.SHAPED_BY}

    def _shaping(self) -> list[Tensor]:
        return [getattr(self, key) for key in self.SHAPED_BY]

    def _batch_shape_tensor(self) -> Tensor:
        return reduce(tf.broadcast_dynamic_shape, [tf.shape(t) for t in self._shaping()])

    def _batch_shape(self) -> TensorShape:
        return reduce(tf.broadcast_static_shape, [t.get_shape() for t in self._shaping()])

    def _event_shape_tensor(self) -> Tensor:
        return tf.constant([], tf.int32)

    def _event_shape(self) -> TensorShape:
        return TensorShape([])

    def _draws(self, n: Any) -> Tensor:
        """The shape [n, batch]."""
        return tf.concat([[n], self.batch_shape_tensor()], 0)

    def _ones(self) -> Tensor:
        return tf.ones(self.batch_shape_tensor(), dtype=self.dtype)
