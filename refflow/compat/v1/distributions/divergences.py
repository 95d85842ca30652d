"""Kullback and Leibler's divergence between two distributions, by a formula registered for their classes.

    KL(a || b) = sum or integral of a(x) log(a(x) / b(x))

Of several formulas that fit, that of the nearest classes is taken: steps to a's class plus steps to b's.

Next: compat/v1/distributions/checks.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import refflow.compat.v1 as tf
from refflow.core.graph import Tensor

_DIVERGENCES: dict[tuple[type, type], Callable[..., Tensor]] = {}


class RegisterKL:
    """A decorator: the function `(a, b, name=None)` computes the divergence of a from b of these classes."""

    def __init__(self, dist_cls_a: type, dist_cls_b: type):
        self._key = (dist_cls_a, dist_cls_b)

    def __call__(self, kl_fn: Callable[..., Tensor]) -> Callable[..., Tensor]:
        if not callable(kl_fn):
            raise TypeError(f"kl_fn must be callable, received: {kl_fn}")
        if self._key in _DIVERGENCES:
            a, b = (c.__name__ for c in self._key)
            raise ValueError(f"KL({a} || {b}) has already been registered to: {_DIVERGENCES[self._key]}")
        _DIVERGENCES[self._key] = kl_fn
        return kl_fn


def _registered(a: type, b: type) -> Callable[..., Tensor] | None:
    found = [
        (steps_a + steps_b, steps_a, _DIVERGENCES[over_a, over_b])
        for steps_a, over_a in enumerate(a.__mro__)
        for steps_b, over_b in enumerate(b.__mro__)
        if (over_a, over_b) in _DIVERGENCES
    ]
    return min(found, key=lambda entry: entry[:2])[2] if found else None


def kl_divergence(
    distribution_a: Any, distribution_b: Any, allow_nan_stats: bool = True, name: str | None = None
) -> Tensor:
    """KL(a || b) for each member of the batch. allow_nan_stats: False makes a nan in it an error of the step.

    Raises NotImplementedError where no formula is registered for the two classes or those above them.
    """
    formula = _registered(type(distribution_a), type(distribution_b))
    if formula is None:
        raise NotImplementedError(
            f"No KL(distribution_a || distribution_b) registered for distribution_a type "
            f"{type(distribution_a).__name__} and distribution_b type {type(distribution_b).__name__}"
        )
    with tf.name_scope("KullbackLeibler"):
        found = formula(distribution_a, distribution_b, name=name)
        if allow_nan_stats:
            return found
        said = (
            f"KL calculation between {distribution_a.name} and {distribution_b.name} returned NaN values "
            "(and was called with allow_nan_stats=False). Values:"
        )
        found = tf.identity(found, name="kl")
        with tf.control_dependencies([tf.Assert(tf.logical_not(tf.reduce_any(tf.is_nan(found))), [said, found])]):
            return tf.identity(found, name="checked_kl")


def cross_entropy(ref: Any, other: Any, allow_nan_stats: bool = True, name: str | None = None) -> Tensor:
    """The entropy of `ref` plus its divergence from `other`."""
    with tf.name_scope(name, "cross_entropy"):
        return ref.entropy() + kl_divergence(ref, other, allow_nan_stats=allow_nan_stats)
