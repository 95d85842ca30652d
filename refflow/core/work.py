"""Work: how many multiply-adds the expensive operations do, from the shapes of what they take and give [W19].

A rule is `rule(inputs, outputs, attrs) -> int`, on shapes without unknowns, registered by `OpDef.work`. What has no
rule does a few operations for each element, and is cheap beside these.

Next: core/opdef.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


def recurrent(sequence: int, weights: Sequence[int], passes: int = 1) -> Callable[..., int]:
    """Cells of a recurrent net: every row of the sequence, steps and examples alike, meets all weights.

    sequence, weights: the numbers of the inputs. passes: over the weights; two for a gradient.
    """

    def rule(inputs: Shapes, outputs: Shapes, attrs: dict[str, Any]) -> int:
        return passes * prod(inputs[sequence][:-1]) * sum(prod(inputs[w]) for w in weights)

    return rule
