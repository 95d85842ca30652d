"""Cells in time, as a loop over an axis: how many steps there are may be known only when the step runs.

    rows that are past their length give 0 and keep their state

Inputs, outputs and states may be structures of tensors.

Next: compat/v1/rnn_static.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.compat.v1.arrays import reverse_v2
from refflow.compat.v1.rnn_cells import Cell, assert_like_rnncell, sizes_after_batch
from refflow.compat.v1.variable_scope import variable_scope
from refflow.core.convert import convert_to_tensor
from refflow.core.graph import Tensor, control_dependencies
from refflow.core.nest import assert_same, flatten, map_structure, pack
from refflow.core.registry import op_def
from refflow.ops.array import shape
from refflow.ops.cast import cast
from refflow.ops.constant import ZEROS_LIKE, zeros
from refflow.ops.joining import concat
from refflow.ops.logic import LESS, SELECT
from refflow.ops.loops import while_loop
from refflow.ops.tensor_array_class import TensorArray
from refflow.ops.transpose import transpose


def start(cell: Cell, x: Tensor, batch_axis: int, state: Any, dtype: Any) -> Any:
    """The state given, or zeros."""
    if state is not None:
        return map_structure(convert_to_tensor, state)
    if not dtype:
        raise ValueError("If there is no initial_state, you must give a dtype.")
    size = x.get_shape()[batch_axis].value
    return cell.zero_state(shape(x)[batch_axis] if size is None else size, dtype)


def lengths_of(sequence_length: Any, x: Tensor, batch_axis: int) -> Tensor | None:
    """The rows' lengths, int32 [batch]; a step with another number of them fails."""
    if sequence_length is None:
        return None
    lengths = cast(convert_to_tensor(sequence_length), "int32")
    if lengths.get_shape().ndims not in (None, 1):
        raise ValueError(f"sequence_length must be a vector of length batch_size, but saw shape: {lengths.get_shape()}")
    batch = shape(x)[batch_axis]
    said = np.array(b"Expected shape for Tensor sequence_length is the batch's size", object)
    fits = op_def("Equal")(op_def("Size")(lengths), batch)
    with control_dependencies([op_def("Assert")(fits, [said, batch, shape(lengths)])]):
        return op_def("Identity")(lengths, name="CheckSeqLen")


def held(goes_on: Tensor, output: Any, new: Any, old: Any) -> tuple[Any, Any]:
    """Zeros and the old state for the rows that have ended."""
    kept = map_structure(lambda n, o: n if n.get_shape().ndims == 0 else SELECT(goes_on, n, o), new, old)
    return map_structure(lambda y: SELECT(goes_on, y, ZEROS_LIKE(y)), output), kept


def _batch_and_time_swapped(x: Tensor) -> Tensor:
    rank = x.get_shape().ndims
    if rank is not None and rank < 2:
        raise ValueError(f"Expected an input of rank 2 at least, [batch, time, ...], got shape {x.get_shape()}")
    return transpose(x, [1, 0, *range(2, rank or 3)])


def dynamic_rnn(
    cell: Cell, inputs: Any, sequence_length: Any = None, initial_state: Any = None, dtype: Any = None,
    parallel_iterations: int | None = None, swap_memory: bool = False, time_major: bool = False, scope: Any = None,
) -> tuple[Any, Any]:  # fmt: skip
    """(outputs [batch, time, size], last state) over inputs [batch, time, size]; time first where time_major."""
    assert_like_rnncell("cell", cell)
    with variable_scope(scope or "rnn"):
        given = map_structure(convert_to_tensor, inputs)
        turned = given if time_major else map_structure(_batch_and_time_swapped, given)
        flat = flatten(turned)  # [time, batch, ...] each
        state = start(cell, flat[0], 1, initial_state, dtype)
        outputs, state = _loop(cell, turned, state, lengths_of(sequence_length, flat[0], 1), parallel_iterations)
    return outputs if time_major else map_structure(_batch_and_time_swapped, outputs), state


def _loop(cell: Cell, inputs: Any, state: Any, lengths: Tensor | None, parallel_iterations: int | None) -> Any:
    """(outputs [time, batch, ...], last state)."""
    flat = flatten(inputs)
    known = flat[0].get_shape().as_list()[:2]
    steps = shape(flat[0])[0]
    read = [TensorArray(x.dtype.base_dtype, steps).unstack(x) for x in flat]
    sizes = [cell.output_size] if _is_size(cell.output_size) else flatten(cell.output_size)
    kinds = [s.dtype.base_dtype for s in flatten(state) if s.dtype.is_floating] or [flat[0].dtype.base_dtype]
    written = [TensorArray(kinds[0], steps) for _ in sizes]

    def step(time: Tensor, written: Any, state: Any) -> Any:
        rows = [r.read(time) for r in read]
        for row, x in zip(rows, flat, strict=True):
            row.set_shape(x.get_shape()[1:])
        output, new = cell(pack(inputs, rows), state)
        assert_same(state, new, "the state and the next state of the cell")
        if lengths is not None:
            output, new = held(LESS(time, lengths), output, new, state)
        return time + 1, [w.write(time, y) for w, y in zip(written, flatten(output), strict=True)], new

    _, written, state = while_loop(lambda time, *_: LESS(time, steps), step, (np.int32(0), written, state),
                                   parallel_iterations=parallel_iterations or 32)  # fmt: skip
    found = [w.stack() for w in written]
    for y, size in zip(found, sizes, strict=True):
        y.set_shape([*known, *sizes_after_batch(size)])
    return (found[0] if _is_size(cell.output_size) else pack(cell.output_size, found)), state


def _is_size(size: Any) -> bool:
    """Whether `size` is that of one tensor."""
    return not isinstance(size, (list, tuple, dict))


def bidirectional_dynamic_rnn(
    cell_fw: Cell, cell_bw: Cell, inputs: Any, sequence_length: Any = None, initial_state_fw: Any = None,
    initial_state_bw: Any = None, dtype: Any = None, parallel_iterations: Any = None, swap_memory: bool = False,
    time_major: bool = False, scope: Any = None,
) -> tuple[tuple[Any, Any], tuple[Any, Any]]:  # fmt: skip
    """((outputs forward, outputs backward), (their last states)): one cell reads from each end."""
    assert_like_rnncell("cell_fw", cell_fw)
    assert_like_rnncell("cell_bw", cell_bw)

    def backwards(x: Any) -> Any:
        return map_structure(lambda t: _backwards(convert_to_tensor(t), sequence_length, time_major), x)

    with variable_scope(scope or "bidirectional_rnn"):
        with variable_scope("fw") as forth:
            forward = dynamic_rnn(cell_fw, inputs, sequence_length, initial_state_fw, dtype, parallel_iterations,
                                  swap_memory, time_major, forth)  # fmt: skip
        with variable_scope("bw") as back:
            backward = dynamic_rnn(cell_bw, backwards(inputs), sequence_length, initial_state_bw, dtype,
                                   parallel_iterations, swap_memory, time_major, back)  # fmt: skip
        return (forward[0], backwards(backward[0])), (forward[1], backward[1])


def _backwards(x: Tensor, lengths: Any, time_major: bool) -> Tensor:
    if lengths is None:
        return reverse_v2(x, [0 if time_major else 1])
    time, batch = (0, 1) if time_major else (1, 0)
    return op_def("ReverseSequence")(x, cast(convert_to_tensor(lengths), "int64"), seq_dim=time, batch_dim=batch)


def raw_rnn(
    cell: Cell, loop_fn: Callable[..., Any], parallel_iterations: int | None = None, swap_memory: bool = False,
    scope: Any = None,
) -> tuple[Any, Any, Any]:  # fmt: skip
    """(TensorArrays of what was emitted, last state, last loop state): `loop_fn` gives each step's input.

    loop_fn(time, output, state, loop state) gives (which rows have finished, next input, next state, what to emit, next
    loop state). At time 0 it gets no output and no states, and gives the first ones, and what an emission looks like,
    without the batch. Rows that have finished emit zeros and keep their state; all finished is the end.
    """
    assert_like_rnncell("cell", cell)
    if not callable(loop_fn):
        raise TypeError("loop_fn must be a callable")
    with variable_scope(scope or "rnn"):
        time = convert_to_tensor(np.int32(0))
        finished, x, state, emitted, loop_state = loop_fn(time, None, None, None)
        x, state = map_structure(convert_to_tensor, x), map_structure(convert_to_tensor, state)
        keeps = loop_state is not None
        first = flatten(x)[0]
        batch = first.get_shape()[0].value or shape(first)[0]
        blank = _blank(cell, emitted, flatten(state)[0].dtype.base_dtype, batch)
        arrays = [TensorArray(z.dtype.base_dtype, 0, dynamic_size=True) for z in flatten(blank)]

        def step(time: Tensor, finished: Tensor, x: Any, arrays: Any, state: Any, loop_state: Any) -> Any:
            output, new = cell(x, state)
            ends, following, new, emit, loop_state = loop_fn(time + 1, output, new, loop_state if keeps else None)
            new = map_structure(convert_to_tensor, new)
            assert_same(state, new, "the state and the next state")
            emit = map_structure(convert_to_tensor, emit)
            emit = map_structure(lambda z, e: _where(finished, z, e), blank, emit)
            new = map_structure(lambda old, n: n if n.get_shape().ndims == 0 else _where(finished, old, n), state, new)
            arrays = [a.write(time, e) for a, e in zip(arrays, flatten(emit), strict=True)]
            finished = op_def("LogicalOr")(finished, convert_to_tensor(ends))
            following = map_structure(convert_to_tensor, following)
            return time + 1, finished, following, arrays, new, loop_state if keeps else np.int32(0)

        start = time, convert_to_tensor(finished), x, arrays, state, loop_state if keeps else np.int32(0)
        _, _, _, arrays, state, loop_state = while_loop(
            lambda time, finished, *_: op_def("LogicalNot")(op_def("All")(finished, [0])), step, start,
            parallel_iterations=parallel_iterations or 32,
        )  # fmt: skip
        return pack(blank, arrays), state, loop_state if keeps else None


def _where(condition: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    found = SELECT(condition, yes, no)
    found.set_shape(no.get_shape())
    return found


def _blank(cell: Cell, emitted: Any, dtype: Any, batch: Any) -> Any:
    """Zeros in the form of an emission, for rows that have finished."""

    def of(size: list[Any], kind: Any) -> Tensor:
        return zeros(concat(0, [[batch], np.array(size, np.int32)]), kind)

    if emitted is None:
        return map_structure(lambda size: of(sizes_after_batch(size), dtype), cell.output_size)
    return map_structure(lambda e: of(e.get_shape().as_list(), e.dtype.base_dtype),
                         map_structure(convert_to_tensor, emitted))  # fmt: skip
