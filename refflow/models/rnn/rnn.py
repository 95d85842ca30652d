"""Unrolling a cell in time: a copy of it for each input, all with the same variables.

    h_t = cell(x_t, h_(t-1))                rows that are past their length give 0 and keep their state

Next: models/rnn/looped.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from refflow.core.control import with_dependencies
from refflow.core.convert import convert_to_tensor
from refflow.core.graph import Tensor
from refflow.models.rnn.rnn_cell import RNNCell
from refflow.ops.array import shape
from refflow.ops.cast import cast
from refflow.ops.constant import ZEROS_LIKE
from refflow.ops.logic import LESS, SELECT
from refflow.ops.variable_scope import get_variable_scope, variable_scope


def rnn(
    cell: RNNCell, inputs: Sequence[Tensor], initial_state: Tensor | None = None, dtype: Any = None,
    sequence_length: Any = None, scope: Any = None,
) -> tuple[list[Tensor], list[Tensor]]:  # fmt: skip
    """(outputs, states), one of each for every input [batch, cell.input_size].

    initial_state: zeros of type `dtype` unless given. sequence_length: for each row, how many inputs it has.
    """
    if not isinstance(cell, RNNCell):
        raise TypeError(f"cell must be an RNNCell, got {cell!r}")
    if not isinstance(inputs, (list, tuple)):
        raise TypeError("inputs must be a list, with a tensor for each step")
    if not inputs:
        raise ValueError("inputs must not be empty")
    with variable_scope(scope or "RNN"):
        if initial_state is None:
            if dtype is None:
                raise ValueError("If no initial_state is provided, dtype must be.")
            size = inputs[0].get_shape()[0].value
            initial_state = cell.zero_state(shape(inputs[0])[0] if size is None else size, dtype)
        lengths = None if sequence_length is None else cast(convert_to_tensor(sequence_length), "int32")
        outputs: list[Tensor] = []
        states: list[Tensor] = [initial_state]
        for time, x in enumerate(inputs):
            if time > 0:
                get_variable_scope().reuse_variables()
            output, state = cell(x, states[-1])
            if lengths is not None:
                goes_on = LESS(time, lengths)
                output = SELECT(goes_on, output, ZEROS_LIKE(output))
                state = SELECT(goes_on, state, states[-1])
            outputs.append(output)
            states.append(state)
        return outputs, states[1:]


def state_saving_rnn(
    cell: RNNCell, inputs: Sequence[Tensor], state_saver: Any, state_name: str, sequence_length: Any = None,
    scope: Any = None,
) -> tuple[list[Tensor], list[Tensor]]:  # fmt: skip
    """As `rnn`, from the state that `state_saver.state(name)` gives, and keeping the last by `save_state(name, it)`."""
    first = state_saver.state(state_name)
    outputs, states = rnn(cell, inputs, first, sequence_length=sequence_length, scope=scope)
    saved = state_saver.save_state(state_name, states[-1])
    outputs[-1] = with_dependencies([saved], outputs[-1])
    return outputs, states
