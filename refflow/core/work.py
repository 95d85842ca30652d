"""Work: how many multiply-adds the expensive operations do, from the shapes of what they take and give [W19].

A rule is `rule(inputs, outputs, attrs) -> int`, on shapes without unknowns, registered by `OpDef.work`. What has no
rule does a few operations for each element, and is cheap beside these.

Next: core/opdef.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

Shapes = Sequence[tuple[int, ...]]


def nothing(inputs: Shapes, outputs: Shapes, attrs: dict[str, Any]) -> int:
    """What only looks at shapes."""
    return 0


def product(inputs: Shapes, outputs: Shapes, attrs: dict[str, Any]) -> int:
    """A matrix product: every element of the result is a sum over K, which only the operands have.

    >>> product([(64, 784), (784, 10)], [(64, 10)], {})
    501760
    """
    a = inputs[0]
    if len(a) < 2:
        return prod(outputs[0])
    return prod(outputs[0]) * a[-2 if attrs.get("transpose_a") or attrs.get("adj_x") else -1]


def convolution(filter: int | None, image: int | None, each: int = -1) -> Callable[..., int]:
    """A convolution or one of its gradients: every element of the smaller image meets `filter.shape[:each]`.

    filter, image: the numbers of the inputs that they are, or None for the output.
    """

    def rule(inputs: Shapes, outputs: Shapes, attrs: dict[str, Any]) -> int:
        weights, places = (outputs[0] if at is None else inputs[at] for at in (filter, image))
        return prod(places) * prod(weights[:each])

    return rule


def pooling(inputs: Shapes, outputs: Shapes, attrs: dict[str, Any]) -> int:
    """Every element of the result looks at a window."""
    return prod(outputs[0]) * prod(attrs["ksize"])


def cubic(inputs: Shapes, outputs: Shapes, attrs: dict[str, Any]) -> int:
    """Elimination and decomposition: every row of a matrix meets every other."""
    return prod(inputs[0]) * (inputs[0][-1] if inputs[0] else 1)


@dataclass(frozen=True)
class Recurrent:
    """Cells of a recurrent net: every row of the sequence, steps and examples alike, meets all weights [S74].

    sequence, weights: the numbers of the inputs. passes: over the weights; two for a gradient.
    """

    sequence: int
    weights: Sequence[int]
    passes: int = 1

    def __call__(self, inputs: Shapes, outputs: Shapes, attrs: dict[str, Any]) -> int:
        return sum(self.part(place, inputs) for place in self.weights)

    def part(self, place: int, inputs: Shapes) -> int:
        """The multiply-adds with elements of one parameter, of which each takes part once a row."""
        return self.passes * prod(inputs[self.sequence][:-1]) * prod(inputs[place])


def recurrent(sequence: int, weights: Sequence[int], passes: int = 1) -> Recurrent:
    """The rule of an op that keeps several weights: `Recurrent`."""
    return Recurrent(sequence, weights, passes)


def part(rule: Callable[..., int], place: int, inputs: Shapes, outputs: Shapes, attrs: dict[str, Any]) -> int:
    """The multiply-adds in which elements of the input at `place` take part: all, where there is no more to say.

    >>> part(recurrent(0, (1, 2)), 1, [(64, 8), (8, 8), (8, 32)], [], {})
    4096
    """
    return rule.part(place, inputs) if isinstance(rule, Recurrent) else rule(inputs, outputs, attrs)
