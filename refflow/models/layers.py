"""The two layers that pictures go through: a convolution and a dense layer, each with its variables W and b.

    convolution   y[n, i, j, m] = f(sum over di, dj, c of x[n, i s + di, j s + dj, c] W[di, dj, c, m] + b[m])
    dense         y[n, m]       = f(sum over c of x[n, c] W[c, m] + b[m])

Weights begin as numbers about zero whose variance is 2 over the count of terms in the sum, so that rectified layers
neither grow nor shrink what goes through many of them; biases begin at zero. A layer is a handful of nodes under its
scope's name: look at them with `refflow explain`. Every convolutional model here is made of these [S50b].

He et al., "Delving deep into rectifiers", 2015.

Next: models/inception.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from refflow.core.graph import Tensor
from refflow.nn import bias_add, conv2d, relu
from refflow.ops.matmul import matmul
from refflow.ops.variable_scope import get_variable, truncated_normal_initializer, variable_scope, zeros_initializer


def convolution(
    x: Tensor, channels: int, size: int, stride: int = 1, activation: Callable[[Tensor], Tensor] | None = relu,
    scope: str = "Convolution",
) -> Tensor:  # fmt: skip
    """[N, ceil(H / stride), ceil(W / stride), channels] of x [N, H, W, C], by windows of `size` by `size`.

    The border counts as zeros (SAME). ValueError where x does not have four axes or C is not known.
    """
    with variable_scope(scope):
        w = _weights([size, size, _last(x, 4, "convolution"), channels])
        y = conv2d(x, w, [1, stride, stride, 1], "SAME")
        return _finished(y, activation)


def dense(x: Tensor, units: int, activation: Callable[[Tensor], Tensor] | None = None, scope: str = "Dense") -> Tensor:
    """[N, units] of x [N, C]. ValueError where x does not have two axes or C is not known."""
    with variable_scope(scope):
        return _finished(matmul(x, _weights([_last(x, 2, "dense"), units])), activation)


def _last(x: Tensor, axes: int, layer: str) -> int:
    """The size of x's last axis."""
    found = x.get_shape()
    size = found[-1].value if found.ndims == axes else None
    if size is None:
        raise ValueError(f"{layer} takes a tensor of {axes} axes whose last size is known, got {x.name!r} of {found}")
    return size


def _weights(shape: Sequence[int]) -> Any:
    deviation = math.sqrt(2 / math.prod(shape[:-1]))
    return get_variable("W", shape, initializer=truncated_normal_initializer(stddev=deviation))


def _finished(y: Tensor, activation: Callable[[Tensor], Tensor] | None) -> Tensor:
    y = bias_add(y, get_variable("b", [y.get_shape()[-1].value], initializer=zeros_initializer))
    return y if activation is None else activation(y)
