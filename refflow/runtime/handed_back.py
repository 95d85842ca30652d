"""Memory of large fetched values, taken again once the caller has let go of it.

    block = memory.empty(shape, dtype)      a fetched value, made there
    ... the caller drops it, and every view of it ...
    the next step's value of that size lies in the same block

Memory that comes from the system has a fault for every page, and is cleared first: of a large result that is as much
work as making it. An array holds its block, and so does a view of it, a view of a view, and whoever else exports the
memory; Python counts them, so a block that only this page holds is free. Where Python does not count, none is.

At most MOST bytes are held here, blocks that callers still have included; beyond that the oldest are forgotten, and
belong to their callers alone.

Next: runtime/lifetimes.py.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from refflow.core import locks
from refflow_kernels import aligned

LARGE = 1 << 20  # bytes: below, what NumPy keeps at hand is as good
MOST = 1 << 28  # bytes

# Without the interpreter's lock a count is no proof.
_COUNTS = hasattr(sys, "getrefcount") and getattr(sys, "_is_gil_enabled", lambda: True)()


class HandedBack:
    """Blocks of bytes, in the order of their last use. Any thread may ask."""

    def __init__(self, most: int = MOST):
        self.most, self.held = most, 0  # bytes
        self._blocks: list[np.ndarray] = []
        self._lock = locks.lock()

    def empty(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """An array with any contents, whose memory nobody else has."""
        dtype = np.dtype(dtype)
        size = aligned.room(shape, dtype)
        if not _COUNTS or 2 * size > self.most:  # who keeps a result until the next one is there needs two
            return aligned.empty(shape, dtype)
        with self._lock:
            place = _free(self._blocks, size)
            block = np.empty(size, np.uint8) if place is None else self._blocks.pop(place)
            self._blocks.append(block)
            if place is None:
                self.held += size
                while self.held > self.most:
                    self.held -= self._blocks.pop(0).nbytes
            return aligned.within(block, shape, dtype)


def _free(blocks: list[np.ndarray], size: int) -> int | None:
    """The place of the block of that size that was used last, among those that only the list holds."""
    for place in range(len(blocks) - 1, -1, -1):
        if blocks[place].nbytes == size and sys.getrefcount(blocks[place]) == _ALONE:
            return place
    return None


def _count_alone() -> int:
    """What is counted of an array that only a list holds, asked as above."""
    blocks = [np.empty(1, np.uint8)]
    return sys.getrefcount(blocks[0]) if _COUNTS else 0


_ALONE = _count_alone()
memory = HandedBack()
