"""What a shard does with a gradient: the two rules of the paper, and no others [D08, S03].

    Sgd       w := w - rate g
    Adagrad   s := s + g^2      w := w - gamma g / sqrt(s)      s starts at 0 [E20]

Both work number by number, so that a shard needs no other shard. Adagrad's K-th step for a constant gradient of 1 is
gamma / sqrt(K): the rate of each parameter falls with what it has seen, and large gradients of one parameter slow down
that one only. A gradient that has always been 0 moves nothing; the release starts s at 0.1 instead, so that it never
divides by 0.

Next: distbelief/server.py.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from refflow.distbelief.errors import FixedStructure, ScheduleError

Array = NDArray[Any]


class Rule(ABC):
    """How a shard updates its parameters. slots: what it keeps beside them, each as long as they, from 0."""

    slots: ClassVar[tuple[str, ...]] = ()

    @property
    @abstractmethod
    def fixed_rate(self) -> float:
        """The fixed rate that goes with it, for replicas that update a copy of their own [D06]."""

    @abstractmethod
    def apply(self, slots: dict[str, Array], gradient: Array) -> None:
        """Changes slots["parameters"], and its own, in place: float[n] each, as gradient."""


@dataclass(frozen=True)
class Sgd(Rule):
    """A fixed rate."""

    rate: float

    @property
    def fixed_rate(self) -> float:
        return self.rate

    def apply(self, slots: dict[str, Array], gradient: Array) -> None:
        slots["parameters"] -= gradient.dtype.type(self.rate) * gradient


@dataclass(frozen=True)
class Adagrad(Rule):
    """gamma over the root of the sum of all squares so far; a good gamma is often ten times a good fixed rate."""

    gamma: float
    slots: ClassVar[tuple[str, ...]] = ("squares",)

    @property
    def fixed_rate(self) -> float:
        return self.gamma / 10

    def apply(self, slots: dict[str, Array], gradient: Array) -> None:
        squares = slots["squares"]
        squares += gradient * gradient
        root = np.sqrt(squares)
        moved = np.divide(gradient, root, out=np.zeros_like(gradient), where=root > 0)  # 0 / 0 moves nothing
        slots["parameters"] -= gradient.dtype.type(self.gamma) * moved


def as_rule(rule: Any) -> Rule:
    """The rule, if it is one of the two. FixedStructure for any other; ScheduleError for a rate that is no rate."""
    if type(rule) not in (Sgd, Adagrad):
        name = getattr(rule, "__name__", type(rule).__name__)
        raise FixedStructure(
            f"the update rule {name!r} is neither Sgd(rate) nor Adagrad(gamma), and DistBelief's shards know these "
            "two: the rule is part of the server's program, which runs on machines that a user's code does not reach. "
            "In a graph an update is a node like any other; build it from assign() and arithmetic."
        )
    rate = rule.rate if isinstance(rule, Sgd) else rule.gamma
    if not isinstance(rate, int | float | np.floating) or not 0 < rate < np.inf:
        raise ScheduleError(f"{rule}: expected a number above 0. Gradients are subtracted; do not turn the sign.")
    return rule
