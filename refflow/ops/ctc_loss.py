"""Connectionist temporal classification: the loss of a labelling whose timing is not known.

Scores x [time, batch, classes], y = softmax(x), one class being the blank. A path is a class for each step; it stands
for the labelling that is left when repeats are merged and blanks are dropped. With l' the labels with blanks around
each, in logarithms:

    alpha(u, t) = y(l'(u), t) * (alpha(u, t-1) + alpha(u-1, t-1) + alpha(u-2, t-1) where a blank may be skipped)
    beta(u, t)  = the same backwards, without the factor of step t
    p = sum_u alpha(u, t) * beta(u, t) for any t          loss = -log p
    d loss / dx(c, t) = y(c, t) - sum over u with l'(u) = c of alpha(u, t) * beta(u, t) / p

The slope is the op's second output. Without `ctc_merge_repeated` a label may not stay for a second step. A labelling
that no path can give costs infinity.

Graves, Fernandez, Gomez and Schmidhuber, "Connectionist temporal classification", ICML 2006.

Next: ops/ctc_decode.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import float32, float64
from refflow.core.errors import ShapeError
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_checks import either, need_rank, of_rank, size_at
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.sparse import check_order

_FLAGS: dict[str, Any] = {"preprocess_collapse_repeated": False, "ctc_merge_repeated": True,
                          "ignore_longer_outputs_than_inputs": False}  # fmt: skip
_SIGNATURE = (
    "inputs: {T}, labels_indices: int64, labels_values: int32, sequence_length: int32 -> loss: {T}, gradient: {T}"
)
CTC_LOSS = define_op("CTCLoss", _SIGNATURE.format(T="T"), **_FLAGS,
                     T=Attr("type", default=float32, allowed=(float32, float64)), accuracy="composed")  # fmt: skip
CTC_LOSS_V2 = define_op("CTCLossV2", _SIGNATURE.format(T="float32"), **_FLAGS, accuracy="composed")


def labels_of(indices: np.ndarray, values: np.ndarray, batch: int) -> list[list[int]]:
    """The labels of each example, from the entries of a sparse matrix [batch, longest]."""
    found: list[list[int]] = [[] for _ in range(batch)]
    try:
        check_order(indices, [batch, indices[:, 1].max(initial=-1) + 1])
    except ValueError as error:
        raise ValueError(f"label SparseTensor is not valid: {error}") from None
    for row, value in zip(indices[:, 0].tolist(), values.tolist(), strict=True):
        found[row].append(value)
    for row, label in enumerate(found):
        if not label:
            raise ValueError(f"Labels length is zero in batch {row}")
    return found


def _checked(label: list[int], row: int, blank: int, classes: int, steps: int, flags: dict[str, Any]) -> list[int]:
    """One example's labels as they are matched: in range, merged where asked for, and not too long for the time."""
    if flags["preprocess_collapse_repeated"]:
        label = [c for i, c in enumerate(label) if i == 0 or c != label[i - 1]]
    for i, c in enumerate(label):
        if c < 0:
            raise ValueError(f"All labels must be nonnegative integers, batch: {row} labels: {_spelt(label)}")
        if blank != 0 and c >= blank:
            if any(later < blank for later in label[i:]):
                raise ValueError(
                    f"Saw a non-null label (index >= num_classes - 1) following a null label, batch: {row} "
                    f"num_classes: {classes} labels: {_spelt(label)} labels seen so far: {_spelt(label[:i])}"
                )
            label = label[:i]
            break
        if c >= classes:
            raise ValueError(
                f"No label may be greater than num_classes. num_classes: {classes} labels: {_spelt(label)}"
            )
    if len(label) > steps and not flags["ignore_longer_outputs_than_inputs"]:
        raise ValueError(
            f"Not enough time for target transition sequence (required: {len(label)}, available: {steps}){row}You can "
            "turn this error into a warning by using the flag ignore_longer_outputs_than_inputs"
        )
    return label


def _spelt(label: list[int]) -> str:
    return ",".join(map(str, label))


def _add(*parts: np.ndarray) -> np.ndarray:
    """log of the sum, from logarithms."""
    total = parts[0]
    for part in parts[1:]:
        total = np.logaddexp(total, part)
    return total


def _shifted(a: np.ndarray, by: int) -> np.ndarray:
    """a[u - by] at u, minus infinity where there is none; `by` may be negative."""
    found = np.full_like(a, -np.inf)
    if by > 0:
        found[by:] = a[:-by]
    else:
        found[:by] = a[-by:]
    return found


def path_sums(log_y: np.ndarray, label: list[int], blank: int, merge: bool) -> tuple[np.ndarray, np.ndarray, Any]:
    """log alpha and log beta [time, u], and the labels l' with blanks around each."""
    spread = np.full(2 * len(label) + 1, blank)
    spread[1::2] = label
    seen, steps = log_y[:, spread], len(log_y)
    may_stay = np.where(merge | (spread == blank), 0.0, -np.inf)
    before = np.concatenate([[-1, -1], spread[:-2]]) if len(spread) > 1 else np.full(1, -1)
    skips = (spread != blank) & ~(merge & (spread == before))
    may_skip = np.where(skips, 0.0, -np.inf)
    alpha, beta = np.full(seen.shape, -np.inf), np.full(seen.shape, -np.inf)
    alpha[0, :2], beta[-1, -2:] = seen[0, :2], 0.0
    for t in range(1, steps):
        last = alpha[t - 1]
        alpha[t] = seen[t] + _add(last + may_stay, _shifted(last, 1), _shifted(last, 2) + may_skip)
    for t in range(steps - 2, -1, -1):
        after = beta[t + 1] + seen[t + 1]
        beta[t] = _add(after + may_stay, _shifted(after, -1), _shifted(after + may_skip, -2))
    return alpha, beta, spread


def _one(x: np.ndarray, label: list[int], blank: int, merge: bool) -> tuple[float, np.ndarray]:
    """The loss of one example and its slope [time, classes]."""
    shifted = x - x.max(1, keepdims=True)
    log_y = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    if 2 * len(label) + 1 > 2 * len(x) + 1:
        return np.inf, np.exp(log_y)
    alpha, beta, spread = path_sums(log_y, label, blank, merge)
    both = alpha + beta
    log_p = np.logaddexp.reduce(both[0])
    slope = np.exp(log_y)
    if np.isfinite(log_p):
        np.subtract.at(slope.T, spread, np.exp(both - log_p).T)
    return -log_p, slope


def _matched(
    dims: Any, indices: np.ndarray, values: np.ndarray, lengths: np.ndarray, blank_first: bool = False, **flags: Any
) -> list[tuple[int, list[int]]]:
    """For each example its steps, and its labels as they are matched; ValueError for one that has no loss."""
    time, batch, classes = dims
    for b, steps in enumerate(lengths.tolist()):
        if not 0 <= steps <= time:
            raise ValueError(f"sequence_length({b}) <= {time}" if steps >= 0 else f"seq_len({b}) < 0")
    blank = 0 if blank_first else classes - 1
    labels = enumerate(zip(lengths.tolist(), labels_of(indices, values, batch), strict=True))
    return [(steps, _checked(label, b, blank, classes, steps, flags)) for b, (steps, label) in labels]


def _kernel(inputs, labels_indices, labels_values, sequence_length, flags, blank_first):
    found = _matched(inputs.shape, labels_indices, labels_values, sequence_length, blank_first, **flags)
    blank = 0 if blank_first else inputs.shape[2] - 1
    loss, gradient = np.zeros(inputs.shape[1]), np.zeros(inputs.shape)
    for b, (steps, label) in enumerate(found):
        if steps and len(label) <= steps:
            x = inputs[:steps, b].astype(np.float64)
            loss[b], gradient[:steps, b] = _one(x, label, blank, flags["ctc_merge_repeated"])
    return loss.astype(inputs.dtype), gradient.astype(inputs.dtype)


def _define(op_def: OpDef, blank_first: bool) -> None:
    @op_def.kernel
    def kernel(
        inputs, labels_indices, labels_values, sequence_length, preprocess_collapse_repeated, ctc_merge_repeated,
        ignore_longer_outputs_than_inputs,
    ):  # fmt: skip
        flags = {
            "preprocess_collapse_repeated": preprocess_collapse_repeated, "ctc_merge_repeated": ctc_merge_repeated,
            "ignore_longer_outputs_than_inputs": ignore_longer_outputs_than_inputs,
        }  # fmt: skip
        return _kernel(inputs, labels_indices, labels_values, sequence_length, flags, blank_first)

    op_def.shape(_loss_shape)

    @op_def.refuses
    def refuse(dims, labels_indices, labels_values, sequence_length, **flags):
        _matched(dims, labels_indices, labels_values, sequence_length, blank_first, **flags)

    @op_def.gradient
    def gradient(op, dloss, _):
        """dx = dloss * the second output; labels and lengths are data. There is no second derivative."""
        from refflow.ops.array import reshape
        from refflow.ops.passing import PREVENT_GRADIENT

        message = (
            "Currently there is no way to take the second  derivative of ctc_loss due to the fused implementation's "
            "interaction with tf.gradients()"
        )
        slope = PREVENT_GRADIENT(op.outputs["gradient"], message=message)
        return reshape(dloss, [1, -1, 1]) * slope, None, None, None


def _loss_shape(context: ShapeContext) -> list[shapes.Shape]:
    x, indices = context.dims("inputs"), context.dims("labels_indices")
    values, lengths = context.dims("labels_values"), context.dims("sequence_length")
    need_rank(x, 3, "inputs is not a 3-Tensor")
    need_rank(lengths, 1, "sequence_length is not a vector")
    need_rank(indices, 2, "labels_indices is not a matrix")
    need_rank(values, 1, "labels_values is not a vector")
    if indices is not None and indices[1] not in (None, 2):
        raise ShapeError(f"Order length must be SparseTensor rank. labels_indices has {indices[1]} columns, not 2")
    if x is not None and lengths is not None and None not in (x[1], lengths[0]) and x[1] != lengths[0]:
        raise ShapeError(f"len(sequence_length) != batch_size.  len(sequence_length):  {lengths[0]} batch_size: {x[1]}")
    if indices is not None and values is not None and None not in (indices[0], values[0]) and indices[0] != values[0]:
        raise ShapeError(
            f"labels_indices and labels_values must contain the same number of rows, but saw shapes: "
            f"{shapes.text(indices)} vs. {shapes.text(values)}"
        )
    if x is not None and x[0] == 0:
        raise ShapeError("Max time or first dimension of input cannot be 0.")
    if x is not None and x[1] == 0:
        raise ShapeError("batch_size must not be 0")
    time, batch, classes = of_rank(x, 3)
    batch = either(batch, size_at(lengths, 0))
    return [(batch,), (time, batch, classes)]


_define(CTC_LOSS, blank_first=False)
_define(CTC_LOSS_V2, blank_first=True)

_EVEN = np.zeros((2, 1, 3), np.float32)  # three classes, all alike, at two steps
_ONE: dict[str, Any] = {"labels_indices": [[0, 0]], "labels_values": [1], "sequence_length": [2]}
CTC_LOSS.case("W06", "paths 1-, -1 and 11 of nine", inputs=_EVEN, **_ONE, loss=[np.log(3)],
              gradient=np.array([[[1, -1, 0]], [[1, -1, 0]]], np.float32) / 3)  # fmt: skip
CTC_LOSS.case("W06", "labels fit into the time", inputs=_EVEN, labels_indices=[[0, 0], [0, 1], [0, 2]],
              labels_values=[0, 1, 0], sequence_length=[2],
              error="Not enough time for target transition sequence (required: 3, available: 2)")  # fmt: skip
CTC_LOSS.case("W06", "labels come in order", inputs=_EVEN, labels_indices=[[0, 1], [0, 0]], labels_values=[0, 1],
              sequence_length=[2], error="label SparseTensor is not valid: indices[1] = [0,0] is out of order")
CTC_LOSS_V2.case("W06", "the blank is class 0", inputs=_EVEN, **_ONE, loss=[np.log(3)],
                 gradient=np.array([[[0, -1, 1]], [[0, -1, 1]]], np.float32) / 3)  # fmt: skip
