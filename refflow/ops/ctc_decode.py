"""Labellings for scores of connectionist temporal classification: of the best path, or the best of a beam.

Scores x [time, batch, classes]; the greedy decoder takes the largest class of each step, merges repeats where asked
for, and drops blanks. The beam search keeps the likeliest labellings so far. Each has two probabilities, of paths that
end in its last label and of paths that end in a blank:

    blank(l, t)      = total(l, t-1) * y(blank, t)
    label(l + c, t)  = (label(l + c, t-1) + the way here from l) * y(c, t)
    the way from l   = blank(l, t-1) if l ends in c, else total(l, t-1)

Labellings come as sparse matrices [batch, longest] with their logarithmic probabilities.

Next: ops/candidate_sampling.py.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import float32, float64
from refflow.core.errors import FailedPreconditionError, ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_checks import either, need_rank, size_at
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr

_T = Attr("type", default=float32, allowed=(float32, float64))
GREEDY = define_op(
    "CTCGreedyDecoder",
    "inputs: T, sequence_length: int32 -> decoded_indices: int64, decoded_values: int64, decoded_shape: int64, "
    "log_probability: T",
    merge_repeated=False, blank_index=-1, T=_T, accuracy="composed",
)  # fmt: skip
BEAM = define_op(
    "CTCBeamSearchDecoder",
    "inputs: T, sequence_length: int32 -> decoded_indices: top_paths * int64, decoded_values: top_paths * int64, "
    "decoded_shape: top_paths * int64, log_probability: T",
    beam_width=Attr("int", minimum=1), top_paths=Attr("int", minimum=1), merge_repeated=True, T=_T,
    accuracy="composed",
)  # fmt: skip
GREEDY.no_gradient()
BEAM.no_gradient()


def _check_lengths(inputs: np.ndarray, sequence_length: np.ndarray) -> None:
    time, batch, _ = inputs.shape
    if len(sequence_length) != batch:
        raise FailedPreconditionError(
            None,
            None,
            f"len(sequence_length) != batch_size.  len(sequence_length):  {len(sequence_length)} batch_size: {batch}",
        )
    for b, steps in enumerate(sequence_length):
        if steps > time:
            raise FailedPreconditionError(None, None, f"sequence_length({b}) <= {time}")


def as_sparse(labellings: list[list[int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices, values and shape of labellings as the rows of a matrix."""
    indices = [(b, i) for b, label in enumerate(labellings) for i in range(len(label))]
    values = [c for label in labellings for c in label]
    longest = max((len(label) for label in labellings), default=0)
    return (np.array(indices, np.int64).reshape(-1, 2), np.array(values, np.int64),
            np.array([len(labellings), longest], np.int64))  # fmt: skip


@GREEDY.kernel
def ctc_greedy_decoder_kernel(inputs, sequence_length, merge_repeated, blank_index):
    _check_lengths(inputs, sequence_length)
    classes = inputs.shape[2]
    blank = blank_index + classes if blank_index < 0 else blank_index
    if not 0 <= blank < classes:
        raise ValueError(f"blank_index expected to be between {-classes} and {classes - 1} but was {blank_index}")
    best, score = inputs.argmax(2), inputs.max(2)
    labellings, probability = [], np.zeros((inputs.shape[1], 1), inputs.dtype)
    for b, steps in enumerate(sequence_length):
        steps = max(0, int(steps))
        path = best[:steps, b]
        kept = path != blank
        if merge_repeated:
            kept &= np.concatenate([[True], path[1:] != path[:-1]])[: len(path)]
        labellings.append(path[kept].tolist())
        probability[b] = -score[:steps, b].sum()
    return *as_sparse(labellings), probability


class Beam:
    """The likeliest labellings of one example so far.

    nodes: of the tree of labellings, by number; 0 is the empty one. entries: the nodes that are in the beam, likeliest
    first, with the logarithms of their two probabilities.
    """

    def __init__(self, width: int, classes: int):
        self.width, self.classes = width, classes  # the last class is the blank
        self.parents, self.labels = [-1], [-1]
        self.number: dict[tuple[int, int], int] = {}  # (parent, label) -> node
        self.entries = [0]
        self.blank, self.label = np.zeros(1), np.full(1, -np.inf)

    def step(self, scores: np.ndarray) -> None:
        """Takes one step's scores [classes] in."""
        shifted = scores.astype(np.float64) - scores.max()
        log_y = shifted - np.log(np.exp(shifted).sum())
        total = np.logaddexp(self.blank, self.label)
        parents = np.array(self.parents)[self.entries]
        last = np.array(self.labels)[self.entries]
        place = {node: i for i, node in enumerate(self.entries)}
        above = np.array([place.get(p, -1) for p in parents.tolist()])
        ends_same = last == np.array(self.labels)[parents]
        way = np.where(above >= 0, np.where(ends_same, self.blank[above], total[above]), -np.inf)
        label = np.where(last >= 0, np.logaddexp(self.label, way) + log_y[last], -np.inf)
        grown = np.where(last[:, None] == np.arange(self.classes - 1), self.blank[:, None], total[:, None])
        self._keep(total + log_y[-1], label, grown + log_y[:-1], total)

    def _keep(self, blank: np.ndarray, label: np.ndarray, grown: np.ndarray, before: np.ndarray) -> None:
        """The likeliest of those that were there and those that grow, in the order of a search that never looks back.

        Growing goes from the likeliest labelling on. A labelling that has fallen out of the beam still grows when its
        turn comes, unless the one before its last label grew in between and did not bring it back.
        """
        there = np.logaddexp(blank, label)
        heap = [(float(p), -i, self.entries[i]) for i, p in enumerate(there)]  # least likely first
        heapq.heapify(heap)
        inside, place = set(self.entries), {node: i for i, node in enumerate(self.entries)}
        fallen: set[int] = set()
        longer: defaultdict[int, set[int]] = defaultdict(set)  # labels that make another entry out of a node
        for node in self.entries:
            longer[self.parents[node]].add(self.labels[node])
        for i, node in enumerate(self.entries):
            if node in fallen or not self._enters(before[i], heap):
                continue
            least = heap[0][0] if len(heap) == self.width else -np.inf
            for c in sorted(longer[node].union(np.flatnonzero(grown[i] > least).tolist())):
                child = self.number.get((node, c), -1)
                if child in inside:
                    continue
                if not self._enters(grown[i, c], heap):
                    fallen.add(child)
                    continue
                child = self._child(node, c)
                if len(heap) == self.width:
                    inside.discard(heapq.heappop(heap)[2])
                heapq.heappush(heap, (float(grown[i, c]), -len(self.parents) - c, child))
                inside.add(child)
        heap.sort(key=lambda entry: (-entry[0], -entry[1]))
        old = [place.get(node, -1) if order > -len(before) else -1 for _, order, node in heap]
        self.blank = np.array([blank[k] if k >= 0 else -np.inf for k in old])
        self.label = np.array([label[k] if k >= 0 else p for k, (p, _, _) in zip(old, heap, strict=True)])
        self.entries = [node for _, _, node in heap]

    def _enters(self, probability: float, heap: list[tuple[float, int, int]]) -> bool:
        return probability > -np.inf and (len(heap) < self.width or probability > heap[0][0])

    def _child(self, node: int, label: int) -> int:
        key = (node, label)
        if key not in self.number:
            self.number[key] = len(self.parents)
            self.parents.append(node)
            self.labels.append(label)
        return self.number[key]

    def labelling(self, node: int, merge_repeated: bool) -> list[int]:
        found: list[int] = []
        while node:
            if not merge_repeated or not found or found[-1] != self.labels[node]:
                found.append(self.labels[node])
            node = self.parents[node]
        return found[::-1]


@BEAM.kernel
def ctc_beam_search_decoder_kernel(inputs, sequence_length, beam_width, top_paths, merge_repeated):
    _check_lengths(inputs, sequence_length)
    if top_paths > beam_width:
        raise ValueError("requested more paths than the beam width.")
    batch = inputs.shape[1]
    found: list[list[list[int]]] = [[] for _ in range(top_paths)]
    probability = np.zeros((batch, top_paths), inputs.dtype)
    for b, steps in enumerate(sequence_length):
        beam = Beam(beam_width, inputs.shape[2])
        for t in range(steps):
            beam.step(inputs[t, b])
        total = np.logaddexp(beam.blank, beam.label)
        if top_paths > len(total):
            raise ValueError("Less leaves in the beam search than requested.")
        for path, i in enumerate(np.argsort(-total, kind="stable")[:top_paths]):
            found[path].append(beam.labelling(beam.entries[i], merge_repeated))
            probability[b, path] = total[i]
    sparse = [as_sparse(labellings) for labellings in found]
    return *(part[i] for i in range(3) for part in sparse), probability


def _checked(context: ShapeContext) -> Any:
    x, lengths = context.dims("inputs"), context.dims("sequence_length")
    need_rank(x, 3, "inputs is not a 3-Tensor")
    need_rank(lengths, 1, "sequence_length is not a vector")
    if context.building and None not in (size_at(x, 1), size_at(lengths, 0)) and size_at(x, 1) != size_at(lengths, 0):
        raise ShapeError(f"Dimensions must be equal, but are {size_at(x, 1)} and {size_at(lengths, 0)}: one length in "
                         "sequence_length for each of the batch")  # fmt: skip
    if x is not None and 0 in x:
        raise ShapeError("inputs must not be empty")
    return either(size_at(x, 1), size_at(lengths, 0))


@GREEDY.shape
def _greedy_shape(context: ShapeContext) -> list[shapes.Shape]:
    return [(None, 2), (None,), (2,), (_checked(context), 1)]


@BEAM.shape
def _beam_shape(context: ShapeContext) -> list[shapes.Shape]:
    batch, paths = _checked(context), context.attrs["top_paths"]
    return [*[(None, 2)] * paths, *[(None,)] * paths, *[(2,)] * paths, (batch, paths)]


_P = np.log(np.array([[0.4, 0.1, 0.5], [0.3, 0.1, 0.6]], np.float32)).reshape(2, 1, 3)
GREEDY.case("W06", "the best path, without blanks", inputs=np.log(np.array([[6, 1, 1], [1, 6, 1], [1, 1, 6]],
            np.float64)).reshape(3, 1, 3) - np.log(6), sequence_length=[3], decoded_indices=[[0, 0], [0, 1]],
            decoded_values=[0, 1], decoded_shape=[1, 2], log_probability=np.zeros((1, 1)))  # fmt: skip
GREEDY.case("W06", "lengths fit into the time", inputs=_P, sequence_length=[3], error="sequence_length(0) <= 2")
BEAM.case("W06", "many paths together beat the best one", inputs=_P.astype(np.float64), sequence_length=[2],
          beam_width=4, top_paths=1, decoded_indices=[[[0, 0]]], decoded_values=[[0]], decoded_shape=[[1, 1]],
          )  # fmt: skip
BEAM.case("W06", "no more paths than the beam has", inputs=_P, sequence_length=[2], beam_width=2, top_paths=3,
          error="requested more paths than the beam width.")  # fmt: skip
