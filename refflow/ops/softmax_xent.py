"""Softmax cross-entropy: class scores and target distributions in, one loss for each example out.

For a row of scores x and targets y over C classes:

    m = max_c x[c]        z = sum_c exp(x[c] - m)
    loss        = sum_c y[c] * (log z - (x[c] - m))                       [S18.1]
    backprop[c] = exp(x[c] - m) / z - y[c]                                [S18.3]

backprop is d loss / d x for targets that sum to one, so the gradient is nearly free and the op gives it
as a second output. It is the slope of the scores alone: targets are data.

Next: ops/variable.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import FLOATS
from refflow.core.errors import ShapeError
from refflow.core.graph import Tensor
from refflow.core.opdef import define_op
from refflow.core.shape_checks import need_rank, of_rank
from refflow.core.shape_rules import ShapeContext

XENT = define_op(
    "SoftmaxCrossEntropyWithLogits",
    "features: T, labels: T -> loss: T[N], backprop: T[N, C]",
    T=FLOATS,
    accuracy="composed",
    source=("S18", "S47"),
)


@XENT.kernel
def softmax_xent_kernel(features, labels):
    features, labels = np.broadcast_arrays(features, labels)     # [N, C] each, where one was smaller
    x = features.astype(np.float32) if features.dtype == np.float16 else features
    shifted = x - x.max(axis=1, keepdims=True, initial=-np.inf)  # [N, C]  at most 0, so exp is safe [S18.2]
    exps = np.exp(shifted)                                       # [N, C]  in [0, 1]
    z = exps.sum(axis=1, keepdims=True)                          # [N, 1]  in [1, C]
    loss = (labels * (np.log(z) - shifted)).sum(axis=1)          # [N]
    return loss.astype(features.dtype), (exps / z - labels).astype(features.dtype)


@XENT.shape
def _softmax_xent_shape(context: ShapeContext) -> list[shapes.Shape]:
    """Scores and targets have one shape [N, C], or broadcast to one."""
    scores, targets = context.dims("features"), context.dims("labels")
    try:
        both = shapes.broadcast(of_rank(scores, 2), of_rank(targets, 2))
    except ShapeError:
        sizes = f"logits_size={shapes.text(scores)} labels_size={shapes.text(targets)}"
        raise ShapeError(f"logits and labels must be broadcastable: {sizes}") from None
    need_rank(both, 2, "logits and labels must be either 2-dimensional, or broadcasted to be 2-dimensional")
    return [(None,), (None, None)] if both is None else [both[:1], both]


@XENT.gradient
def _softmax_xent_gradient(op, dloss, dbackprop):
    """dfeatures[n, c] = dloss[n] * backprop[n, c]; labels are data.

    A second derivative also comes in through backprop, whose slope is the softmax's.
    """
    from refflow.ops.array import expand_dims, reshape
    from refflow.ops.broadcast import unbroadcast
    from refflow.ops.reductions import reduce_sum
    from refflow.ops.softmax import softmax

    dfeatures = expand_dims(dloss, -1) * op.outputs["backprop"]
    if dbackprop.op.type != "ZerosLike":  # nothing arrived there: the usual case
        p = softmax(op.inputs["features"])
        dfeatures += (dbackprop - reshape(reduce_sum(dbackprop * p, [1]), [-1, 1])) * p
    scores, targets = op.inputs
    if not shapes.compatible(scores.dims, targets.dims):  # one was stretched
        dfeatures = unbroadcast([scores, targets], dfeatures, dfeatures)[0]
    return dfeatures, None


def softmax_cross_entropy_with_logits(logits: Any, labels: Any, name: str | None = None) -> Tensor:
    """The losses [N] of scores [N, C] against target distributions [N, C], in this order [E16].

    Both have one float type. Targets need not be one-hot; rows that do not sum to one are scaled losses.
    """
    return XENT(logits, labels, name=name).loss


XENT.case("S18.1", "equal scores cost log C",
          features=[[1, 1, 1, 1]], labels=[[0, 0, 0, 1]],
          loss=[np.log(4)], backprop=[[0.25, 0.25, 0.25, -0.75]])  # fmt: skip
XENT.case("S18.2", "scores of any size stay finite",
          features=[[1e4, 0], [-1e4, 0]], labels=[[0, 1], [1, 0]], loss=[1e4, 1e4],
          backprop=[[1, -1], [-1, 1]])  # fmt: skip
XENT.case("S18.3", "backprop is the softmax less the targets",
          features=[[0, np.log(3)]], labels=[[0.5, 0.5]],
          loss=[np.log(4) - 0.5 * np.log(3)], backprop=[[-0.25, 0.25]])  # fmt: skip
XENT.case("S18.1", "one target for all examples", features=[[0, 0], [0, 0]], labels=[[0, 1]],
          loss=[np.log(2), np.log(2)], backprop=[[0.5, -0.5], [0.5, -0.5]])  # fmt: skip
XENT.case("S18.1", "class counts must agree", features=[[0, 0, 0]], labels=[[0, 1]],
          error="logits and labels must be broadcastable: logits_size=[1,3] labels_size=[1,2]")  # fmt: skip
XENT.case("S18.1", "numbers of examples must agree", features=[[0, 0], [0, 0]], labels=[[0, 1], [0, 1], [0, 1]],
          error="logits and labels must be broadcastable: logits_size=[2,2] labels_size=[3,2]")  # fmt: skip
