"""Cells in time, unrolled: a copy of the cell for each input of a list, all with the same variables.

Next: compat/v1/rnn_cell.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from refflow.compat.v1.arrays import concat, stack, unstack
from refflow.compat.v1.rnn import held, lengths_of, start
from refflow.compat.v1.rnn_cells import Cell, assert_like_rnncell
from refflow.compat.v1.variable_scope import variable_scope
from refflow.core.convert import convert_to_tensor
from refflow.core.graph import Tensor, control_dependencies
from refflow.core.nest import flatten, map_structure, pack
from refflow.core.registry import op_def
from refflow.ops.cast import cast
from refflow.ops.logic import LESS


def static_rnn(
    cell: Cell, inputs: Sequence[Any], initial_state: Any = None, dtype: Any = None, sequence_length: Any = None,
    scope: Any = None,
) -> tuple[list[Any], Any]:  # fmt: skip
    """(outputs, last state) of the cell over a list of inputs [batch, size]."""
    assert_like_rnncell("cell", cell)
    if not isinstance(inputs, (list, tuple)):
        raise TypeError("inputs must be a sequence")
    if not inputs:
        raise ValueError("inputs must not be empty")
    with variable_scope(scope or "rnn") as at:
        first = convert_to_tensor(flatten(inputs[0])[0])
        if first.get_shape().ndims != 1:
            _check_sizes(first)
        state = start(cell, first, 0, initial_state, dtype)
        lengths = lengths_of(sequence_length, first, 0)
        outputs = []
        for time, x in enumerate(inputs):
            if time > 0:
                at.reuse_variables()
            output, new = cell(x, state)
            if lengths is not None:
                output, new = held(LESS(time, lengths), output, new, state)
            outputs.append(output)
            state = new
        return outputs, state


def _check_sizes(first: Tensor) -> None:
    for i, size in enumerate(first.get_shape().as_list()[1:] if first.get_shape().ndims else []):
        if size is None:
            raise ValueError(
                f"Input size (dimension {i} of inputs) must be accessible via shape inference, but saw value None."
            )


def static_bidirectional_rnn(
    cell_fw: Cell, cell_bw: Cell, inputs: Sequence[Any], initial_state_fw: Any = None, initial_state_bw: Any = None,
    dtype: Any = None, sequence_length: Any = None, scope: Any = None,
) -> tuple[list[Any], Any, Any]:  # fmt: skip
    """(outputs of both side by side, last state forward, last state backward)."""
    assert_like_rnncell("cell_fw", cell_fw)
    assert_like_rnncell("cell_bw", cell_bw)
    if not isinstance(inputs, (list, tuple)):
        raise TypeError("inputs must be a sequence")
    if not inputs:
        raise ValueError("inputs must not be empty")
    with variable_scope(scope or "bidirectional_rnn"):
        with variable_scope("fw") as forth:
            forward, last = static_rnn(cell_fw, inputs, initial_state_fw, dtype, sequence_length, forth)
        with variable_scope("bw") as back:
            turned = _backwards(inputs, sequence_length)
            backward, first = static_rnn(cell_bw, turned, initial_state_bw, dtype, sequence_length, back)
        backward = _backwards(backward, sequence_length)
        both = [
            pack(f, [concat([a, b], 1) for a, b in zip(flatten(f), flatten(b), strict=True)])
            for f, b in zip(forward, backward, strict=True)
        ]
        return both, last, first


def _backwards(inputs: Sequence[Any], lengths: Any) -> list[Any]:
    """The list from its end; with lengths, each row from its own."""
    if lengths is None:
        return list(inputs)[::-1]
    lengths = cast(convert_to_tensor(lengths), "int64")
    columns = zip(*(flatten(x) for x in inputs), strict=True)
    turned = [unstack(op_def("ReverseSequence")(stack(list(c)), lengths, seq_dim=0, batch_dim=1)) for c in columns]
    return [pack(inputs[0], list(row)) for row in zip(*turned, strict=True)]


def static_state_saving_rnn(
    cell: Cell, inputs: Sequence[Any], state_saver: Any, state_name: Any, sequence_length: Any = None, scope: Any = None
) -> tuple[list[Any], Any]:
    """As static_rnn, from a state that `state_saver` keeps: it has state(name) and save_state(name, value).

    state_name: a name, or a structure of names as that of the cell's state.
    """
    names = flatten(state_name) if isinstance(state_name, (list, tuple)) else [state_name]
    sizes = flatten(cell.state_size)
    if isinstance(state_name, (list, tuple)) != isinstance(cell.state_size, (list, tuple)) or len(names) != len(sizes):
        raise ValueError("state_name should be the same type and structure as cell.state_size: "
                         f"{state_name} and {cell.state_size}")  # fmt: skip
    given = [state_saver.state(name) for name in names]
    begin = pack(cell.state_size, given) if isinstance(state_name, (list, tuple)) else given[0]
    outputs, state = static_rnn(cell, inputs, begin, sequence_length=sequence_length, scope=scope)
    saved = [state_saver.save_state(name, value) for name, value in zip(names, flatten(state), strict=True)]
    identity = op_def("Identity")
    with control_dependencies([op for op in saved if op is not None]):
        outputs[-1] = map_structure(identity, outputs[-1])
        return outputs, map_structure(identity, state)
