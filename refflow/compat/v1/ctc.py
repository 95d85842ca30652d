"""Connectionist temporal classification: labels without places in time, whose every alignment counts.

    ctc_loss          labels as a SparseTensor, the blank is the last class
    ctc_loss_v2       labels also dense with lengths, the blank is any class, 0 by default

Graves et al., "Connectionist temporal classification", 2006.

Next: ops/ctc_loss.py.
"""

from __future__ import annotations

from typing import Any

from refflow.compat.v1.arrays import _axis, boolean_mask, sequence_mask
from refflow.compat.v1.math import reduce_max, reduce_sum
from refflow.compat.v1.sparse_tensor import SparseTensor
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.ops.array import shape
from refflow.ops.cast import cast
from refflow.ops.joining import concat
from refflow.ops.transpose import transpose
from refflow.ops.unique import where


def ctc_loss(
    labels: Any, inputs: Any = None, sequence_length: Any = None, preprocess_collapse_repeated: bool = False,
    ctc_merge_repeated: bool = True, ignore_longer_outputs_than_inputs: bool = False, time_major: bool = True,
    logits: Any = None,
) -> Tensor:  # fmt: skip
    """The losses [batch] of `labels` under the scores `inputs` [time, batch, classes]; the last class is the blank."""
    if not isinstance(labels, SparseTensor):
        raise TypeError(f"Expected argument `labels` to be a SparseTensor. Received labels={labels!r}")
    scores = convert_to_tensor(_axis(inputs, logits), name="inputs")
    scores = scores if time_major else transpose(scores, [1, 0, 2])
    values = labels.values
    values = values if values.dtype.base_dtype.name == "int32" else cast(values, "int32")
    return op_def("CTCLoss")(
        scores, labels.indices, values, sequence_length, preprocess_collapse_repeated=preprocess_collapse_repeated,
        ctc_merge_repeated=ctc_merge_repeated, ignore_longer_outputs_than_inputs=ignore_longer_outputs_than_inputs,
    ).loss  # fmt: skip


def ctc_loss_v2(
    labels: Any, logits: Any, label_length: Any, logit_length: Any, logits_time_major: bool = True, unique: Any = None,
    blank_index: int | None = None, name: str | None = None,
) -> Tensor:  # fmt: skip
    """As ctc_loss, with labels that may be dense [batch, length]. unique: accepted, for it changes no result."""
    if isinstance(labels, SparseTensor) and blank_index is None:
        raise ValueError("Argument `blank_index` must be provided when labels is a SparseTensor.")
    with op_scope([], name, "ctc_loss"):
        scores = convert_to_tensor(logits, name="logits")
        scores = scores if logits_time_major else transpose(scores, [1, 0, 2])
        classes = scores.get_shape()[2].value
        blank = blank_index or 0
        if classes is None:
            raise ValueError(f"ctc_loss_v2: the number of classes must be known, got {scores.get_shape()}")
        blank = blank + classes if blank < 0 else blank
        if not 0 <= blank < classes:
            raise ValueError(f"Argument `blank_index` must be in [0, {classes}), got {blank_index}")
        sparse = labels if isinstance(labels, SparseTensor) else _sparse(labels, label_length)
        scores = concat(2, [scores[:, :, :blank], scores[:, :, blank + 1 :], scores[:, :, blank : blank + 1]])
        below = op_def("Less")(sparse.values, convert_to_tensor(blank, sparse.values.dtype.base_dtype))
        moved = op_def("SelectV2")(below, sparse.values, sparse.values - 1)
        return ctc_loss(SparseTensor(sparse.indices, moved, sparse.dense_shape), scores, cast(logit_length, "int32"))


def _sparse(labels: Any, lengths: Any) -> SparseTensor:
    """Rows of labels up to their lengths."""
    labels = convert_to_tensor(labels, name="labels")
    real = sequence_mask(lengths, shape(labels)[1])
    return SparseTensor(where(real), boolean_mask(labels, real), cast(shape(labels), "int64"))


def ctc_greedy_decoder(
    inputs: Any, sequence_length: Any, merge_repeated: bool = True, blank_index: int | None = None
) -> tuple[list[SparseTensor], Tensor]:
    """([labels], -sum of the best scores [batch, 1]): the best class of each moment, without blanks."""
    found = op_def("CTCGreedyDecoder")(inputs, sequence_length, merge_repeated=merge_repeated,
                                       blank_index=-1 if blank_index is None else blank_index)  # fmt: skip
    return [SparseTensor(found.decoded_indices, found.decoded_values, found.decoded_shape)], found.log_probability


def ctc_beam_search_decoder(
    inputs: Any, sequence_length: Any, beam_width: int = 100, top_paths: int = 1, merge_repeated: bool = True
) -> tuple[list[SparseTensor], Tensor]:
    """(the `top_paths` best labellings, their log chances [batch, top_paths])."""
    found = op_def("CTCBeamSearchDecoder")(inputs, sequence_length, beam_width=beam_width, top_paths=top_paths,
                                           merge_repeated=merge_repeated)  # fmt: skip
    parts = zip(found.decoded_indices, found.decoded_values, found.decoded_shape, strict=True)
    return [SparseTensor(*part) for part in parts], found.log_probability


def ctc_beam_search_decoder_v2(
    inputs: Any, sequence_length: Any, beam_width: int = 100, top_paths: int = 1
) -> tuple[list[SparseTensor], Tensor]:
    """As ctc_beam_search_decoder, with labels that come twice kept twice."""
    return ctc_beam_search_decoder(inputs, sequence_length, beam_width, top_paths, merge_repeated=False)


def ctc_unique_labels(labels: Any, name: str | None = None) -> tuple[Tensor, Tensor]:
    """(the distinct labels of each row, then zeros; where among them each label is)."""
    with op_scope([], name, "ctc_unique_labels"):
        labels = convert_to_tensor(labels, name="labels")
        same = op_def("Equal")(labels[:, :, None], labels[:, None, :])  # [batch, i, j]
        first = op_def("ArgMax")(cast(same, "int32"), 2)  # the first j that has label i
        steps = op_def("Range")(0, shape(labels)[1], 1)
        new = op_def("Equal")(cast(first, "int32"), steps)
        rank = op_def("Cumsum")(cast(new, "int32"), 1) - 1  # so many distinct ones before
        lands = op_def("LogicalAnd")(op_def("Equal")(rank[:, :, None], steps), new[:, :, None])  # [batch, i, k]
        unique = reduce_sum(cast(lands, "int64") * cast(labels, "int64")[:, :, None], 1)
        at_first = cast(op_def("Equal")(cast(first, "int32")[:, :, None], steps), "int32")  # [batch, i, j]
        return unique, reduce_sum(at_first * rank[:, None, :], 2)


def collapse_repeated(labels: Any, seq_length: Any, name: str | None = None) -> tuple[Tensor, Tensor]:
    """(labels with those that repeat their neighbour left out, then zeros; the new lengths)."""
    with op_scope([], name, "collapse_repeated_labels"):
        labels = convert_to_tensor(labels, name="labels")
        lengths = convert_to_tensor(seq_length, name="seq_length")
        same = op_def("Equal")(labels[:, 1:], labels[:, :-1])
        fresh = concat(1, [op_def("OnesLike")(labels[:, :1] > -1), op_def("LogicalNot")(same)])
        kept = op_def("LogicalAnd")(fresh, sequence_mask(lengths, shape(labels)[1]))
        new = reduce_sum(cast(kept, lengths.dtype), 1)
        steps = op_def("Cumsum")(cast(kept, "int32"), 1) - 1
        rows = op_def("Range")(0, shape(labels)[0], 1)[:, None] + op_def("ZerosLike")(steps)
        places = boolean_mask(op_def("Pack")([rows, steps], axis=2), kept)
        size = op_def("Pack")([shape(labels)[0], cast(reduce_max(new), "int32")])
        found = op_def("ScatterNd")(places, boolean_mask(labels, kept), size)
        found.set_shape([labels.get_shape()[0].value, None])
        return found, new
