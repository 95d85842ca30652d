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


_NONE = -1e300  # the logarithm of no path: far below any other's, and a number
_FAINT = -700.0  # the logarithm of a term that is lost beside 1; exp takes long for what is smaller


def _log_sum(terms: np.ndarray) -> np.ndarray:
    """The logarithm of the sum along the first axis, from logarithms, which are lost."""
    largest = np.maximum.reduce(terms, axis=0, initial=_NONE)
    np.subtract(terms, largest, out=terms)
    np.maximum(terms, _FAINT, out=terms)
    return np.log(np.add.reduce(np.exp(terms, out=terms), axis=0)) + largest


def _path_sums(seen: np.ndarray, rules: np.ndarray) -> np.ndarray:
    """log of (alpha(u-2, t-1) + alpha(u-1, t-1) + alpha(u, t-1)), [time, rows, u], of many l' at once.

    seen: log y(l'(u), t). rules [3, rows, u]: zero where u may be reached from u - 2, u - 1, u; else _NONE.
    """
    steps, rows, places = seen.shape
    sums = np.full(seen.shape, _NONE)
    sums[0, :, :2] = 0.0  # paths begin with a blank or the first label
    alpha = np.full((rows, places + 2), _NONE)  # from u = -2 on
    from_where = np.moveaxis(np.lib.stride_tricks.sliding_window_view(alpha, 3, axis=1), 2, 0)  # [3, rows, u]
    terms = np.empty(rules.shape)
    for t in range(1, steps):
        np.add(sums[t - 1], seen[t - 1], out=alpha[:, 2:])
        sums[t] = _log_sum(np.add(from_where, rules, out=terms))
    return sums


def _skips(spread: np.ndarray, blank: int, merge: bool) -> np.ndarray:
    """Whether each u of l' [batch, u] may be reached from u - 2: over a blank, and not from the same label."""
    skips = spread != blank
    if merge:
        skips[:, 2:] &= spread[:, 2:] != spread[:, :-2]
    return skips


def _paths(seen: np.ndarray, spread: np.ndarray, sizes: list[tuple[int, int]], blank: int, merge: bool):
    """log alpha without the factor of step t, and log beta, [time, batch, u]; `sizes`: each example's times and u.

    beta is such an alpha as well, of the times and the labels in the other order: one loop makes both.
    """
    batch = len(sizes)
    may = np.ones((3, 2 * batch, seen.shape[2]), bool)
    may[0, :batch], may[2, :batch] = _skips(spread, blank, merge), (spread == blank) | merge
    turned = np.full(seen.shape, _NONE)
    for b, (t, u) in enumerate(sizes):
        turned[:t, b, :u] = seen[:t, b, :u][::-1, ::-1]
        may[0, batch + b, 2:u], may[2, batch + b, :u] = may[0, b, 2:u][::-1], may[2, b, :u][::-1]
    may[0, :, :2] = False
    sums = _path_sums(np.concatenate([seen, turned], 1), np.where(may, 0.0, _NONE))
    alpha, beta = sums[:, :batch], np.full(seen.shape, _NONE)
    for b, (t, u) in enumerate(sizes):
        beta[:t, b, :u] = sums[:t, batch + b, :u][::-1, ::-1]
    return alpha, beta


def _losses(inputs, labels, blank, merge, loss, gradient):
    """Writes the losses and slopes of the examples in `labels` [example: its steps, and its labels]."""
    sizes = {row: (steps, 2 * len(label) + 1) for row, (steps, label) in labels.items()}  # times, and u
    spread = np.full((len(labels), max(u for _, u in sizes.values())), blank)
    seen = np.full((max(t for t, _ in sizes.values()), *spread.shape), _NONE)  # log y(l'(u), t)
    for b, (row, (_, label)) in enumerate(labels.items()):
        t, u = sizes[row]
        spread[b, 1:u:2] = label
        x = inputs[:t, row].astype(np.float64)  # [time, classes]
        x -= x.max(1, keepdims=True)
        exps = np.exp(x)
        z = exps.sum(1, keepdims=True)
        seen[:t, b, :u] = x[:, spread[b, :u]] - np.log(z)
        np.divide(exps, z, out=gradient[:t, row], casting="same_kind")
    alpha, beta = _paths(seen, spread, list(sizes.values()), blank, merge)
    for b, (row, (t, u)) in enumerate(sizes.items()):
        log_y = seen[:t, b, :u]
        both = alpha[:t, b, :u] + log_y + beta[:t, b, :u]
        log_p = _log_sum(both[0].copy())
        if not log_p > _NONE / 2:
            loss[row] = np.inf if log_p <= _NONE / 2 else np.nan
            continue
        loss[row] = -log_p
        classes, first, which = np.unique(spread[b, :u], return_index=True, return_inverse=True)
        share = np.exp(np.maximum(both - log_p, _FAINT)) @ np.eye(len(classes))[which]
        gradient[:t, row, classes] = np.exp(log_y[:, first]) - share


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
    loss, gradient = np.zeros(inputs.shape[1], inputs.dtype), np.zeros(inputs.shape, inputs.dtype)
    timed = {b: (steps, label) for b, (steps, label) in enumerate(found) if steps and len(label) <= steps}
    if timed:
        with np.errstate(divide="ignore", invalid="ignore", under="ignore"):  # as where a score is infinite
            _losses(inputs, timed, blank, flags["ctc_merge_repeated"], loss, gradient)
    return loss, gradient


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
