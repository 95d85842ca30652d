"""Updates side by side: those of one rule and one type, with the same rates, as one launch [S32].

    m7(((r1.value, b2), (r3.value, b4)), (c5,))     for each variable itself, its slots, its gradient; the rates

The table of addresses is written when the lines run, before anything is captured; it stays right for as long as every
variable stays where it is, and when one moves, its stretch runs line by line again.

Next: refflow_kernels/gpu/updates.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from refflow.core.dtypes import int64
from refflow.runtime.gpu_updates import CHUNK
from refflow.runtime.nodes import Node


def rule_of(node: Node, numbers: Sequence[str]) -> Any:
    """What updates must have in common to be one launch: the op, what steers it, its type, its rates."""
    flags = node.op_def.kernels["cpu"].arguments(node.attrs)
    return node.type, tuple(sorted(flags.items())), node.attrs["T"], tuple(numbers)


class Many:
    """The updates of several variables. update: the rule; shapes: of the variables."""

    def __init__(self, card: Any, update: Any, dtype: str, shapes: Sequence[tuple[int, ...]]):
        self._card, self._update, self._dtype = card, update, dtype
        pieces = sum(-(-prod(shape) // CHUNK) for shape in shapes)
        words = max(1, pieces * (len(update.arrays) + 1))
        self._memory = card.array(card.block(8 * words), 0, (words,), int64)
        self._addresses: list[int] = []
        self._table: Any = None

    def __call__(self, variables: Sequence[Sequence[Any]], numbers: Sequence[Any]) -> None:
        addresses = [array.data_ptr() for arrays in variables for array in arrays]
        if addresses != self._addresses:
            self._table = self._update.table(variables)
            values = np.zeros(self._memory.shape, np.int64)
            values[: len(self._table.values)] = self._table.values
            self._card.put(self._memory, values)
            self._addresses = addresses
        self._update.many(self._memory, self._table, numbers, self._dtype)
