"""What a CPU's kernel refuses and a card's cannot: indices out of range, told after the step [W79].

    in the stretch     a kernel notes the first index that is out of range, and the note comes down with the results
    after it           the host reads the note, and raises what the CPU would have raised, with the node's name

A step that fails so has run to its end: rows out of range were left alone, and what it changed stays changed.

Next: refflow_kernels/gpu/ranges.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from refflow.core.dtypes import int64
from refflow.core.opdef import OpDef
from refflow.runtime.failures import as_op_error
from refflow.runtime.nodes import Node

_BELOW = -(1 << 62)  # no lower bound


class Range(NamedTuple):
    """The input with the indices, the bounds [low, size), and what is said of one outside."""

    place: int
    low: int
    size: int
    text: str  # with {at}, {value} and {size}


_INDEX = "indices[{at}] = {value} is not in [0, {size})"
_ROW = "Index {value} at offset {at} in indices is out of range"
_LABEL = "Received a label value of {value} which is outside the valid range of [0, {size})"
_SEGMENT = "segment_ids[{at}] = {value} is out of range [0, {size})"


def range_of(op_def: OpDef, shapes: Sequence[Sequence[int]], value_of: Callable[[int], Any]) -> Range | None:
    """The range that a node's indices must be in, from the shapes of its inputs and the values that are known."""
    name = op_def.name
    if name == "Gather" or name.startswith("Scatter"):
        return Range(1, 0, shapes[0][0], _INDEX)
    if name.startswith("SparseApply"):
        place = list(op_def.places({}, outputs=False)).index("indices")
        return Range(place, 0, shapes[0][0], _ROW)
    if name == "GatherV2":
        return Range(1, 0, shapes[0][int(value_of(2))], _INDEX)
    if name == "SparseSoftmaxCrossEntropyWithLogits":
        return Range(1, 0, shapes[0][1], _LABEL)
    if name == "UnsortedSegmentSum":
        return Range(1, _BELOW, int(value_of(2)), _SEGMENT)
    return None


def outside(asked: Range, at: int, value: int, shape: Sequence[int]) -> IndexError:
    """The error of an index at that place of the flat array."""
    where = ",".join(str(int(i)) for i in np.unravel_index(at, tuple(shape))) if shape else ""
    return IndexError(asked.text.format(at=where, value=value, size=asked.size))


def check_on_host(asked: Range, indices: np.ndarray) -> None:
    """IndexError for the first index that is out of range."""
    flat = np.ravel(indices)
    bad = np.flatnonzero((flat < asked.low) | (flat >= asked.size))
    if bad.size:
        raise outside(asked, int(bad[0]), int(flat[bad[0]]), indices.shape)


class Check:
    """A note of one node: memory on the card for it, and pinned memory that it comes down into."""

    def __init__(self, card: Any, node: Node, asked: Range, shape: Sequence[int], parts: int):
        self._card, self._node, self._asked, self._shape = card, node, asked, shape
        self._nothing = np.full((2, parts), -1, np.int64)
        self.words = card.array(card.block(self._nothing.nbytes), 0, (2, parts), int64)
        self._pinned, memory = card.pinned(self._nothing.nbytes)
        self._read = memory.view(np.int64).reshape(2, parts)
        card.put(self.words, self._nothing)

    def come_down(self) -> None:
        self._card.download(self._pinned, self.words)

    def found(self) -> BaseException | None:
        """The error that was noted, which is then forgotten."""
        if self._read.max() < 0:
            return None
        part = int(np.argmax(self._read[0] >= 0))
        at, value = (int(row[part]) for row in self._read)
        self._card.put(self.words, self._nothing)
        return as_op_error(outside(self._asked, at, value, self._shape), self._node)
