"""A cell in the graph's own loop: one copy of its nodes, run once for each step in time.

    s_0 = the initial state;   y_t, s_t = cell(x_t, s_(t-1))   for t = 1 ... T

`rnn` unrolls: its graph has T copies of the cell, and T is a number of the program. Here the cell stands once inside a
frame that turns T times, and T may be fed. Both compute the same, and the gradient as well: going backwards, the loop
of the gradient takes out of stacks what the loop had computed, in the order in which unrolled copies would be visited.
The products are the same nodes on the same numbers, so that equal means equal to the bit in the values. The weights'
gradients are sums over T steps, which may be added in another order [S50a].

Next: models/rnn/seq2seq.py.
"""

from __future__ import annotations

from typing import Any

from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import float32
from refflow.core.graph import Tensor
from refflow.models.rnn.rnn_cell import RNNCell
from refflow.ops.array import shape
from refflow.ops.constant import zeros
from refflow.ops.functional_loops import scan
from refflow.ops.joining import pack
from refflow.ops.variable_scope import variable_scope


def looped_rnn(
    cell: RNNCell, inputs: Any, initial_state: Tensor | None = None, dtype: Any = float32, scope: Any = None
) -> tuple[Tensor, Tensor]:
    """(outputs [time, batch, output_size], states [time, batch, state_size]) of a cell over inputs [time, batch, n].

    dtype: of an array of inputs, and of the zeros to begin with, unless initial_state is given. scope: that of the
    variables, "RNN" as those of `rnn`, so that the two may share them. ValueError for inputs without three axes.
    """
    if not isinstance(cell, RNNCell):
        raise TypeError(f"cell must be an RNNCell, got {cell!r}")
    inputs = inputs if isinstance(inputs, Tensor) else convert_to_tensor(inputs, dtype)
    if inputs.get_shape().ndims != 3:
        raise ValueError(f"looped_rnn takes inputs [time, batch, n], got {inputs.name!r} of shape {inputs.get_shape()}")
    batch = inputs.get_shape()[1].value
    size = shape(inputs)[1] if batch is None else batch
    with variable_scope(scope or "RNN"):
        state = cell.zero_state(size, dtype) if initial_state is None else initial_state
        output = zeros(pack([size, cell.output_size]), state.dtype.base_dtype)
        output.set_shape([batch, cell.output_size])
        return scan(lambda before, x: cell(x, before[1]), inputs, (output, state))
