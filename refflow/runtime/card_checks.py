"""What a CPU's kernel refuses and a card's cannot: indices out of range, told after the step [W79].

    in the stretch     a kernel notes the first index that is out of range, and the note comes down with the results
    after it           the host reads the note, and raises what the CPU would have raised, with the node's name

A step that fails so has run to its end: rows out of range were left alone, and what it changed stays changed.

Next: refflow_kernels/gpu/ranges.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from refflow.core.dtypes import int64
from refflow.core.errors import THIS_NODE, OutOfRangeError
from refflow.core.opdef import OpDef
from refflow.core.registry import op_def as registered
from refflow.core.shapes import text as shape_text
from refflow.runtime.failures import as_op_error
from refflow.runtime.nodes import Node

_BELOW = -(1 << 62)  # no lower bound
SORTED = {  # ops whose results are as long as their last id says, and where the ids are
    **{f"Segment{kind}": 1 for kind in ("Sum", "Mean", "Prod", "Min", "Max")},
    **{f"SparseSegment{kind}": 2 for kind in ("Sum", "Mean", "SqrtN")},
}
REFUSING = frozenset(("CTCLoss", "CTCLossV2"))  # whose pages refuse more than indices, after a look at all but data


class Range(NamedTuple):
    """The input with the indices, their bounds [low, size), and what is said of one outside.

    sizes: one for each number of an index; where there are several, they lie along the last axis. A text has {at},
    {value} and {size}.
    """

    place: int
    low: int
    sizes: tuple[int, ...]
    text: str
    is_list: bool = False  # an index is a list of numbers, be it of one
    error: Callable[[str], Exception] = IndexError


_INDEX = "indices[{at}] = {value} is not in [0, {size})"
_ROW = "Index {value} at offset {at} in indices is out of range"
_LABEL = "Received a label value of {value} which is outside the valid range of [0, {size})"
_SEGMENT = "segment_ids[{at}] = {value} is out of range [0, {size})"
_PICKED = "Bad: indices[{at}] == {value} out of range [0, {size})"
_OWNER = "box_index has values outside [0, batch_size): box_index[{at}] = {value}"
_LABELLED = "All labels must be nonnegative integers: labels_values[{at}] = {value}"
_STEPS = "sequence_length({at}) = {value} is not in [0, {size})"
_BACK = "Index {value} out of range [0, {size})"
_HELD = "Segment id {value} out of range [0, {size})"


def ranges_of(op_def: OpDef, shapes: Sequence[Sequence[int]], value_of: Callable[[int], Any]) -> list[Range]:
    """The ranges that a node's indices must be in, from the shapes of its inputs and the values that are known."""
    name = op_def.name
    if name.startswith("SparseSegment") and name.endswith("Grad"):
        rows = int(value_of(3))
        return [Range(1, 0, (rows,), _BACK), Range(2, 0, (shapes[0][0],), _HELD)] if rows else []
    if name in REFUSING:  # of which a stretch notes what is easily told; what else has no loss has NaN
        return [Range(2, 0, (1 << 31,), _LABELLED), Range(3, 0, (shapes[0][0] + 1,), _STEPS)]
    found = _range_of(op_def, shapes, value_of)
    return [] if found is None else [found]


def _range_of(op_def: OpDef, shapes: Sequence[Sequence[int]], value_of: Callable[[int], Any]) -> Range | None:
    """Of a node with one input of indices."""
    name = op_def.name
    if name == "GatherNd" or "ScatterNd" in name or name.startswith("TensorScatter"):
        return _several(name, shapes, value_of)
    if name == "Gather" or name.startswith("Scatter"):
        return Range(1, 0, (shapes[0][0],), _INDEX)
    if name.startswith("SparseApply"):
        place = list(op_def.places({}, outputs=False)).index("indices")
        return Range(place, 0, (shapes[0][0],), _ROW)
    if name == "GatherV2":
        return Range(1, 0, (shapes[0][int(value_of(2))],), _INDEX)
    if name.startswith("CropAndResize"):
        images = value_of(3)[0] if name.endswith("GradImage") else shapes[name.endswith("GradBoxes")][0]
        beyond = partial(OutOfRangeError, None, None)
        return Range(2 + name.endswith("GradBoxes"), 0, (int(images),), _OWNER, error=beyond)
    if name == "SparseSoftmaxCrossEntropyWithLogits":
        return Range(1, 0, (shapes[0][1],), _LABEL)
    if name.startswith("UnsortedSegment"):
        return Range(1, _BELOW, (int(value_of(2)),), _SEGMENT)
    if name in SORTED:
        ids = value_of(SORTED[name])
        if isinstance(ids, np.ndarray):  # which rise, of as many segments as the last one says
            _check_order(ids)
        return Range(1, 0, (shapes[0][0],), _PICKED) if name.startswith("Sparse") else None
    return None


def _check_order(ids: np.ndarray) -> None:
    """ValueError for ids that fall, in the page's words."""
    refuse = registered("SegmentSum").refusal
    assert refuse is not None
    refuse(None, ids)


def _several(name: str, shapes: Sequence[Sequence[int]], value_of: Callable[[int], Any]) -> Range | None:
    """Of indices that name several axes, of the first input or of a shape."""
    place = 0 if name == "ScatterNd" else 1
    dims = [int(s) for s in value_of(2)] if name == "ScatterNd" else shapes[0]
    depth = shapes[place][-1] if name == "GatherNd" or len(shapes[place]) > 1 else 1
    what = "param shape" if name == "GatherNd" else "shape"
    who = f", node name: {THIS_NODE}" if name == "GatherNd" else ""
    text = "indices[{at}] = [{value}] does not index into " + f"{what} {shape_text(tuple(dims))}"
    text = text.replace("[{at}]", "") if name == "GatherNd" and len(shapes[1]) == 1 else text
    text += who.replace("{", "{{").replace("}", "}}")
    return Range(place, 0, tuple(dims[:depth]), text, is_list=True) if depth else None


def outside(asked: Range, at: int, index: Sequence[int], shape: Sequence[int]) -> Exception:
    """The error of an index at that place of all of them."""
    where = ",".join(str(int(i)) for i in np.unravel_index(at, _lead(asked, shape))) if shape else ""
    value = ", ".join(str(int(i)) for i in index)
    return asked.error(asked.text.format(at=where, value=value, size=asked.sizes[0]))


def _lead(asked: Range, shape: Sequence[int]) -> tuple[int, ...]:
    """The shape of the indices, of which each counts as one."""
    return tuple(shape[:-1] if asked.is_list and len(shape) > 1 else shape)


def check_on_host(asked: Range, indices: np.ndarray) -> None:
    """IndexError for the first index that is out of range."""
    listed = np.reshape(indices, (-1, len(asked.sizes)))
    bad = np.flatnonzero(((listed < asked.low) | (listed >= np.array(asked.sizes))).any(axis=1))
    if bad.size:
        raise outside(asked, int(bad[0]), listed[bad[0]].tolist(), indices.shape)


class Check:
    """A note of one node: memory on the card for it, and pinned memory that it comes down into."""

    def __init__(self, card: Any, node: Node, asked: Range, shape: Sequence[int], parts: int):
        self._card, self._node, self._asked, self._shape = card, node, asked, shape
        self._nothing = np.full((1 + len(asked.sizes), parts), -1, np.int64)
        self.words = card.array(card.block(self._nothing.nbytes), 0, self._nothing.shape, int64)
        self._pinned, memory = card.pinned(self._nothing.nbytes)
        self._read = memory.view(np.int64).reshape(self._nothing.shape)
        card.put(self.words, self._nothing)

    def come_down(self) -> None:
        self._card.download(self._pinned, self.words)

    def found(self) -> BaseException | None:
        """The error that was noted, which is then forgotten."""
        if self._read[0].max() < 0:
            return None
        part = int(np.argmax(self._read[0] >= 0))
        at, *index = (int(row[part]) for row in self._read)
        self._card.put(self.words, self._nothing)
        return as_op_error(outside(self._asked, at, index, self._shape), self._node)
