"""A card of paper: memory is only addresses, nothing is launched, and no copy is made.

A session on it asks for the kernels that it would ask for on a card, so that refflow_kernels/ahead.py can compile them.
What depends on values goes as zeros make it go; pinned memory is full of -1, with which the notes on indices say that
all of them are in range.

Next: refflow_kernels/simulated.py.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from math import prod
from typing import Any

import numpy as np

from refflow_kernels.ahead import Place

_STEP = 1 << 9  # bytes to which addresses are aligned, as torch's are


class PaperCard:
    """What the runtime asks of a card. No address is given twice."""

    def __init__(self) -> None:
        self._next = 1 << 20

    # -- memory ---------------------------------------------------------------------------------------

    def block(self, nbytes: int) -> Place:
        at, self._next = self._next, self._next + (nbytes // _STEP + 1) * _STEP
        return Place((nbytes,), "uint8", at)

    def array(self, block: Place, offset: int, shape: tuple[int, ...], dtype: Any) -> Place:
        return Place(shape, dtype.name, block.at + offset)

    def pinned(self, nbytes: int) -> tuple[Any, np.ndarray]:
        return None, np.full(nbytes, 0xFF, np.uint8)

    # -- copies ---------------------------------------------------------------------------------------

    def upload(self, array: Place, pinned: Any) -> None:
        return None

    def download(self, pinned: Any, array: Place) -> None:
        return None

    def copy(self, array: Place, source: Place) -> None:
        return None

    def put(self, array: Place, value: np.ndarray) -> None:
        return None

    def get(self, array: Place) -> np.ndarray:
        return np.zeros(prod(array.shape) * array.dtype.itemsize, np.uint8)

    # -- time -----------------------------------------------------------------------------------------

    def wait(self) -> None:
        return None

    def capture(self, body: Callable[[], Any]) -> Callable[[], Any]:
        body()
        return lambda: None

    def use(self) -> Any:
        return nullcontext()
