"""What is measured: a case, and the cases of all families.

A family's file has `cases(small)`, which gives its Cases; `small` asks for a fraction of each size, for a dry run.
Their arrays come from `normal` and `made`: where nothing but shapes is asked for, to compile what a case would launch,
an array is one number, stretched.

Next: refflow_kernels/bench/measure.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import prod
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    """One measurement.

    inputs: host arrays; floating ones are given to both sides in `dtype`.
    peer: what torch calls it, as peer(torch, inputs), where inputs that the kernel reads on the host stay host arrays.
    It gives a tensor, or a tuple as the op's outputs; with float64 inputs it is what both sides are compared with.
    flops: operations, where they are the limit and not the bytes.
    more: arguments of the kernel that are no attributes of the op, such as `precision`.
    setup: of a card, the inputs there and memory for the outputs, a function that computes once and the memory where
    its results lie; in place of the table's kernel, where a case is more than one op.
    page: of the inputs in float64, the outputs; in place of the op's page.
    outs: shapes of the outputs, where the op does not tell them.
    """

    label: str
    op_type: str
    inputs: tuple[Any, ...]
    attrs: dict[str, Any]
    peer: Callable[[Any, Sequence[Any]], Any]
    dtype: str = "float32"
    flops: float = 0.0
    more: dict[str, Any] = field(default_factory=dict)
    setup: Callable[[Any, Sequence[Any], Sequence[Any]], tuple[Callable[[], Any], Sequence[Any]]] | None = None
    page: Callable[[Sequence[Any]], Any] | None = None
    outs: Sequence[Sequence[int]] | None = None


def shrink(size: int, small: bool) -> int:
    """The size, or for a dry run at most 64 of it, and at least 2.

    >>> shrink(4096, True), shrink(10, True), shrink(4096, False)
    (64, 10, 4096)
    """
    return max(2, min(size, size // 64)) if small and size > 64 else size


_PERIOD = 4_194_301  # a prime: no stride of a kernel's falls into step with it
_only_shapes = False


@cache
def _drawn(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(_PERIOD, dtype=np.float32)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    """Normal numbers in float32, the same on every run; after _PERIOD of them they come again: a copy is quick."""

    def make() -> np.ndarray:
        numbers, found = _drawn(seed), np.empty(prod(shape), np.float32)
        for at in range(0, found.size, _PERIOD):
            found[at : at + _PERIOD] = numbers[: found.size - at]
        return found.reshape(shape)

    return made(shape, make)


def made(shape: Sequence[int], make: Callable[[], np.ndarray]) -> np.ndarray:
    """The float32 array that `make` gives, of this shape."""
    return np.broadcast_to(np.float32(1), shape) if _only_shapes else make()


def shapes() -> list[Case]:
    """The cases with arrays of one number each."""
    global _only_shapes
    _only_shapes = True
    try:
        return list(cases(False))
    finally:
        _only_shapes = False


def cases(small: bool) -> Iterator[Case]:
    """The cases of all families."""
    from refflow_kernels.bench import (
        bands,
        changes,
        convolutions,
        index,
        joined,
        moves,
        norms,
        pointwise,
        pools,
        products,
        reductions,
        rows,
        scans,
        scores,
        updates,
    )

    for family in (
        products,
        joined,
        convolutions,
        rows,
        reductions,
        scans,
        pools,
        norms,
        index,
        moves,
        scores,
        changes,
        bands,
        pointwise,
        updates,
    ):
        yield from family.cases(small)
