"""Softmax: class scores in, probabilities out.

    softmax[n, c] = exp(x[n, c] - m[n]) / sum_c exp(x[n, c] - m[n]),   m[n] = max_c x[n, c]      [S22]

Subtracting the row's maximum changes nothing and keeps exp in [0, 1].

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
from refflow.core.shape_rules import ShapeContext

SOFTMAX = define_op("Softmax", "logits: T[...S, C] -> softmax: T[...S, C]", T=FLOATS, accuracy="composed",
                    source=("S22", "S46", "W06"))  # fmt: skip


@SOFTMAX.kernel
def softmax_kernel(logits):
    wide = logits.astype(np.float32) if logits.dtype == np.float16 else logits
    exps = np.exp(wide - wide.max(axis=-1, keepdims=True, initial=-np.inf))  # [N, C]  in [0, 1]
    return (exps / exps.sum(axis=-1, keepdims=True)).astype(logits.dtype)


@SOFTMAX.shape
def softmax_shape(context: ShapeContext) -> shapes.Shape:
    """That of the logits, which are no scalar."""
    dims = context.dims("logits")
    if dims == ():
        raise ShapeError("logits must have >= 1 dimension, got []")
    return dims


@SOFTMAX.gradient
def _softmax_gradient(op, dy):
    """dx[n, c] = y[n, c] * (dy[n, c] - sum_k dy[n, k] * y[n, k])."""
    from refflow.ops.array import reshape
    from refflow.ops.reductions import reduce_sum

    y = op.outputs[0]
    if y.dims is not None and len(y.dims) == 2:
        return (dy - reshape(reduce_sum(dy * y, [1]), [-1, 1])) * y
    return (dy - reduce_sum(dy * y, [-1], keep_dims=True)) * y


def softmax(logits: Any, name: str | None = None) -> Tensor:
    """Probabilities of scores [..., C]: positive, and each row sums to one."""
    return SOFTMAX(logits, name=name)


SOFTMAX.case("S22", "equal scores share alike", logits=[[7, 7, 7, 7]], softmax=[[0.25, 0.25, 0.25, 0.25]])
SOFTMAX.case("S22", "a shift of a row changes nothing", logits=[[0, np.log(3)], [1e4, 1e4 + 1e3]],
             softmax=[[0.25, 0.75], [0, 1]])  # fmt: skip
SOFTMAX.case("S22", "a score of minus infinity has probability 0", logits=[[0, -np.inf]], softmax=[[1, 0]])
SOFTMAX.case("S22", "one row", logits=[7, 7], softmax=[0.5, 0.5])
SOFTMAX.case("S22", "scores have classes", logits=1, error="logits must have >= 1 dimension, got []")
