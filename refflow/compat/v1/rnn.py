"""Cells in time: unrolled in the graph, one copy a step, over a list (static); or as a loop over an axis (dynamic).

    rows that are past their length give 0 and keep their state

Next: compat/v1/rnn_cell.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from refflow.compat.v1.arrays import reverse_v2
from refflow.compat.v1.rnn_cell import RNNCell
from refflow.compat.v1.variables import get_variable_scope, variable_scope
from refflow.core.convert import convert_to_tensor
from refflow.core.graph import Tensor
from refflow.core.nest import map_structure
from refflow.core.registry import op_def
from refflow.ops.cast import cast
from refflow.ops.constant import ZEROS_LIKE
from refflow.ops.logic import LESS, SELECT
from refflow.ops.loops import while_loop
from refflow.ops.reverse import reverse_sequence
from refflow.ops.tensor_array_class import TensorArray
from refflow.ops.transpose import transpose


def static_rnn(
    cell: RNNCell, inputs: Sequence[Tensor], initial_state: Any = None, dtype: Any = None, sequence_length: Any = None,
    scope: Any = None,
) -> tuple[list[Tensor], Any]:  # fmt: skip
    """(outputs, last state) of the cell over a list of inputs [batch, size]."""
    if not isinstance(inputs, (list, tuple)):
        raise TypeError("inputs must be a sequence")
    if not inputs:
        raise ValueError("inputs must not be empty")
    with variable_scope(scope or "rnn"):
        state = _start(cell, convert_to_tensor(inputs[0]), 0, initial_state, dtype)
        lengths = None if sequence_length is None else cast(convert_to_tensor(sequence_length), "int32")
        outputs = []
        for time, x in enumerate(inputs):
            if time > 0:
                get_variable_scope().reuse_variables()
            output, new = cell(x, state)
            if lengths is not None:
                output, new = _held(LESS(time, lengths), output, new, state)
            outputs.append(output)
            state = new
        return outputs, state


def _start(cell: RNNCell, x: Tensor, batch_axis: int, state: Any, dtype: Any) -> Any:
    if state is not None:
        return state
    if dtype is None:
        raise ValueError("If there is no initial_state, you must give a dtype.")
    size = x.get_shape()[batch_axis].value
    return cell.zero_state(op_def("Shape")(x)[batch_axis] if size is None else size, dtype)


def _held(goes_on: Tensor, output: Tensor, new: Any, old: Any) -> tuple[Tensor, Any]:
    """Zeros and the old state for the rows that have ended."""
    kept = map_structure(lambda n, o: SELECT(goes_on, n, o), new, old)
    return SELECT(goes_on, output, ZEROS_LIKE(output)), kept


def dynamic_rnn(
    cell: RNNCell, inputs: Any, sequence_length: Any = None, initial_state: Any = None, dtype: Any = None,
    parallel_iterations: int | None = None, swap_memory: bool = False, time_major: bool = False, scope: Any = None,
) -> tuple[Tensor, Any]:  # fmt: skip
    """(outputs [batch, time, size], last state) over inputs [batch, time, size]; time first where time_major.

    A loop: how many steps there are may be known only when the step runs.
    """
    x = convert_to_tensor(inputs)
    x = x if time_major else transpose(x, [1, 0, 2])  # [time, batch, size]
    steps = op_def("Shape")(x)[0]
    with variable_scope(scope or "rnn"):
        state = map_structure(convert_to_tensor, _start(cell, x, 1, initial_state, dtype))
        lengths = None if sequence_length is None else cast(convert_to_tensor(sequence_length), "int32")
        kind = x.dtype.base_dtype
        read = TensorArray(kind, steps).unstack(x)
        written = TensorArray(kind, steps)

        def step(time: Tensor, written: TensorArray, state: Any) -> Any:
            row = read.read(time)
            row.set_shape(x.get_shape()[1:])
            output, new = cell(row, state)
            if lengths is not None:
                output, new = _held(LESS(time, lengths), output, new, state)
            return time + 1, written.write(time, output), new

        _, written, state = while_loop(lambda time, *_: LESS(time, steps), step, (np.int32(0), written, state),
                                       parallel_iterations=parallel_iterations or 32)  # fmt: skip
        outputs = written.stack()
        outputs.set_shape([*x.get_shape().as_list()[:2], cell.output_size])
    return outputs if time_major else transpose(outputs, [1, 0, 2]), state


def bidirectional_dynamic_rnn(
    cell_fw: RNNCell, cell_bw: RNNCell, inputs: Any, sequence_length: Any = None, initial_state_fw: Any = None,
    initial_state_bw: Any = None, dtype: Any = None, parallel_iterations: Any = None, swap_memory: bool = False,
    time_major: bool = False, scope: Any = None,
) -> tuple[tuple[Tensor, Tensor], tuple[Any, Any]]:  # fmt: skip
    """((outputs forward, outputs backward), (their last states)): one cell reads from each end."""
    with variable_scope(scope or "bidirectional_rnn"):
        forward = dynamic_rnn(cell_fw, inputs, sequence_length, initial_state_fw, dtype, time_major=time_major,
                              scope="fw")  # fmt: skip
        turned = _backwards(inputs, sequence_length, time_major)
        backward = dynamic_rnn(cell_bw, turned, sequence_length, initial_state_bw, dtype, time_major=time_major,
                               scope="bw")  # fmt: skip
        return (forward[0], _backwards(backward[0], sequence_length, time_major)), (forward[1], backward[1])


def _backwards(x: Any, lengths: Any, time_major: bool) -> Tensor:
    if lengths is None:
        return reverse_v2(x, [0 if time_major else 1])
    x = transpose(x, [1, 0, 2]) if time_major else x
    found = reverse_sequence(x, cast(convert_to_tensor(lengths), "int64"), 1)
    return transpose(found, [1, 0, 2]) if time_major else found
