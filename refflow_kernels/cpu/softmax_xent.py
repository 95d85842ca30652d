"""Softmax cross-entropy and its gradient in one pass over the scores [S18.1, S18.3].

    bytes: 3 NC elements        operations: 8 NC and NC exponentials

The block's shifted scores serve the loss, its exponentials the gradient; neither is ever written to memory as
a whole.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow_kernels.cpu.softmax import blocks, shifted_exps


def softmax_xent(features: Any, labels: Any, out: Any = None) -> tuple[Any, Any]:
    """loss [N] and backprop [N, C] of scores [N, C] and target distributions [N, C]."""
    if features.shape != labels.shape:
        features, labels = np.broadcast_arrays(features, labels)
    if out is None:
        out = np.empty(features.shape[:1], features.dtype), np.empty(features.shape, features.dtype)
    loss, backprop = out
    for rows in blocks(*features.shape):
        shifted, exps, z, axis = shifted_exps(features[rows])
        y = labels[rows].T if axis == 0 else labels[rows]
        exps /= z
        exps -= y
        backprop[rows] = exps.T if axis == 0 else exps
        np.subtract(np.log(z), shifted, out=shifted)
        shifted *= y
        loss[rows] = np.add.reduce(shifted, axis=axis)
    return loss, backprop
