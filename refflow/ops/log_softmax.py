"""Log-probabilities, and losses whose targets are class numbers.

    LogSoftmax[..., c] = x[..., c] - m - log sum_c exp(x[..., c] - m)
    SparseSoftmaxCrossEntropyWithLogits: loss[n] = -LogSoftmax[n, labels[n]], backprop = softmax - one_hot(labels)

Next: ops/softmax_xent.py.
"""

from __future__ import annotations

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import FLOATS, INDICES, int64
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_checks import either, need_rank, of_rank, size_at
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.core.values import wide
from refflow.ops.array import expand_dims
from refflow.ops.elementwise import EXP
from refflow.ops.reductions import reduce_sum
from refflow.ops.softmax import SOFTMAX, softmax_shape

LOG_SOFTMAX = define_op("LogSoftmax", "logits: T[...S, C] -> logsoftmax: T[...S, C]", T=FLOATS, accuracy="composed",
                        source=("S22",))  # fmt: skip
SPARSE_XENT = define_op(
    "SparseSoftmaxCrossEntropyWithLogits", "features: T, labels: Tlabels -> loss: T[N], backprop: T[N, C]",
    T=FLOATS, Tlabels=Attr("type", default=int64, allowed=INDICES), accuracy="composed", source=("S18",),
)  # fmt: skip


def _shifted(x):
    x = wide(x)
    return x - x.max(axis=-1, keepdims=True, initial=-np.inf)


@LOG_SOFTMAX.kernel
def log_softmax_kernel(logits):
    shifted = _shifted(logits)
    return (shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))).astype(logits.dtype)


LOG_SOFTMAX.shape(softmax_shape)


@LOG_SOFTMAX.gradient
def _log_softmax_gradient(op, dy):
    """dx = dy - softmax * the sum of dy over classes."""
    return dy - reduce_sum(dy, [-1], keep_dims=True) * EXP(op.outputs[0])


@SPARSE_XENT.kernel
def sparse_xent_kernel(features, labels):
    """Losses, and their slopes; a label out of range is an error."""
    classes = features.shape[1]
    if labels.size and classes == 0:
        raise ValueError(f"Must have at least one class, but got logits shape {shapes.text(features.shape)}")
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        wrong = labels.min() if labels.min() < 0 else labels.max()
        raise ValueError(
            f"Received a label value of {int(wrong)} which is outside the valid range of [0, {classes}).  "
            f"Label values: {' '.join(str(int(v)) for v in labels)}"
        )
    shifted = _shifted(features)
    exps = np.exp(shifted)
    z = exps.sum(axis=1, keepdims=True)
    rows = np.arange(len(labels))
    loss = np.log(z)[:, 0] - shifted[rows, labels]
    back = exps / z
    back[rows, labels] -= 1
    return loss.astype(features.dtype), back.astype(features.dtype)


@SPARSE_XENT.shape
def _sparse_xent_shape(context: ShapeContext) -> list[shapes.Shape]:
    scores, labels = context.dims("features"), context.dims("labels")
    need_rank(scores, 2, "logits must be 2-D, but got shape {0}")
    need_rank(labels, 1, "labels must be 1-D, but got shape {0}")
    count, classes = of_rank(scores, 2)
    if labels is not None and None not in (count, labels[0]) and count != labels[0]:
        raise ShapeError(
            f"logits and labels must have the same first dimension, got logits shape {shapes.text(scores)} and labels "
            f"shape {shapes.text(labels)}"
        )
    count = either(count, size_at(labels, 0))
    return [(count,), (count, classes)]


@SPARSE_XENT.gradient
def _sparse_xent_gradient(op, dloss, dbackprop):
    """dfeatures = dloss * backprop, and what arrives through backprop by the softmax's slope; labels are data."""
    dfeatures = expand_dims(dloss, -1) * op.outputs["backprop"]
    if dbackprop.op.type != "ZerosLike":
        p = SOFTMAX(op.inputs["features"])
        dfeatures += (dbackprop - reduce_sum(dbackprop * p, [1], keep_dims=True)) * p
    return dfeatures, None


LOG_SOFTMAX.case("S22", "logarithms of shares", logits=[[7, 7]], logsoftmax=[[-np.log(2), -np.log(2)]])
SPARSE_XENT.case("S18", "the class's surprise", Tlabels="int32", features=[[0, np.log(3)]], labels=[1],
                 loss=[np.log(4 / 3)], backprop=[[0.25, -0.25]])  # fmt: skip
SPARSE_XENT.case("S18", "classes exist", Tlabels="int32", features=[[0, 0]], labels=[2],
                 error="Received a label value of 2 which is outside the valid range of [0, 2)")  # fmt: skip
