"""The families of `tf.contrib.distributions` whose parameters may be any number: softplus makes them positive.

    NormalWithSoftplusScale(loc, scale) = Normal(loc, softplus(scale))

Next: compat/v1/critical_section.py.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import refflow.compat.v1 as tf
from refflow.compat.v1.distributions.gammas import Beta, Exponential, Gamma
from refflow.compat.v1.distributions.scalar import Laplace, Normal, StudentT
from refflow.core.graph import Tensor


def _softplus(value: Any) -> Tensor:
    return tf.nn.softplus(tf.convert_to_tensor(value))


def _whole(value: Any) -> Tensor:
    return tf.floor(tf.abs(tf.convert_to_tensor(value)))


def _variant(base: type, called: str, **turned: Callable[[Any], Tensor]) -> type:
    """The class that turns these parameters of `base`, and takes the same arguments."""
    signature = inspect.signature(base)

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        bound = signature.bind(*args, **{"name": called, **kwargs})
        bound.apply_defaults()
        given = dict(bound.arguments)
        with tf.name_scope(given["name"]) as scope:
            made = {key: turn(given[key]) for key, turn in turned.items()}
        base.__init__(self, **{**given, **made, "name": scope})  # type: ignore[misc]
        self._parameters = given

    return type(called, (base,), {"__init__": __init__, "__doc__": f"{base.__name__}; {', '.join(turned)} any number."})


NormalWithSoftplusScale = _variant(Normal, "NormalWithSoftplusScale", scale=_softplus)
LaplaceWithSoftplusScale = _variant(Laplace, "LaplaceWithSoftplusScale", scale=_softplus)
StudentTWithAbsDfSoftplusScale = _variant(StudentT, "StudentTWithAbsDfSoftplusScale", df=_whole, scale=_softplus)
ExponentialWithSoftplusRate = _variant(Exponential, "ExponentialWithSoftplusRate", rate=_softplus)
GammaWithSoftplusConcentrationRate = _variant(
    Gamma, "GammaWithSoftplusConcentrationRate", concentration=_softplus, rate=_softplus
)
BetaWithSoftplusConcentration = _variant(
    Beta, "BetaWithSoftplusConcentration", concentration1=_softplus, concentration0=_softplus
)
