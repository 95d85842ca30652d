"""A layer without its curve: several inputs side by side, times one matrix, plus a bias.

    y = [x_1 x_2 ...] Matrix + Bias

Next: models/rnn/rnn_cell.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from refflow.core.graph import Tensor
from refflow.ops.joining import concat
from refflow.ops.matmul import matmul
from refflow.ops.variable_scope import constant_initializer, get_variable, variable_scope


def linear(args: Any, output_size: int, bias: bool, bias_start: float = 0.0, scope: str | None = None) -> Tensor:
    """[batch, output_size] of one tensor [batch, n], or of several; the variables are Matrix and, if asked, Bias."""
    inputs: Sequence[Tensor] = args if isinstance(args, (list, tuple)) else [args]
    if not inputs:
        raise ValueError("linear needs at least one input")
    width = 0
    for x in inputs:
        size = x.get_shape().with_rank(2)[1].value
        if size is None:
            raise ValueError(f"linear must know the second size of its inputs, and that of {x.name!r} is not known")
        width += size
    with variable_scope(scope or "Linear"):
        matrix = get_variable("Matrix", [width, output_size])
        product = matmul(inputs[0] if len(inputs) == 1 else concat(1, list(inputs)), matrix)
        if not bias:
            return product
        return product + get_variable("Bias", [output_size], initializer=constant_initializer(bias_start))
