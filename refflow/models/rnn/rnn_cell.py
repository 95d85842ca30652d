"""Recurrent cells: one step in time, from an input and a state to an output and the next state.

    RNN     h' = tanh(W [x, h] + b)                                                output h'
    GRU     r, u = sigmoid(W [x, h] + 1);  c = tanh(W' [x, r h]);  h' = u h + (1 - u) c
    LSTM    i, j, f, o = W [x, h] + b
            c' = sigmoid(f + forget_bias) c + sigmoid(i) tanh(j);  h' = sigmoid(o) tanh(c')

A state is one tensor [batch, state_size]; that of an LSTM is [c, h] side by side. Variables come from get_variable,
under the class's name, so that a scope that reuses makes the steps share them.

Hochreiter and Schmidhuber, "Long short-term memory", 1997; Cho et al., "Learning phrase representations", 2014;
Sak et al., "Long short-term memory recurrent neural network architectures", 2014 (peepholes, projection).

Next: models/rnn/rnn.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from refflow.core.dtypes import float32
from refflow.core.graph import Tensor
from refflow.models.rnn.linear import linear
from refflow.nn.functions import dropout, embedding_lookup
from refflow.ops.constant import zeros
from refflow.ops.elementwise import SIGMOID, TANH
from refflow.ops.joining import concat, pack, split
from refflow.ops.math_functions import clip_by_value
from refflow.ops.matmul import matmul
from refflow.ops.slicing import slice_
from refflow.ops.variable_scope import get_variable, random_uniform_initializer, variable_scope, zeros_initializer


class RNNCell:
    """What all cells share: their sizes, and a state to begin with."""

    def __init__(self, input_size: int, output_size: int, state_size: int):
        self._sizes = input_size, output_size, state_size

    @property
    def input_size(self) -> int:
        return self._sizes[0]

    @property
    def output_size(self) -> int:
        return self._sizes[1]

    @property
    def state_size(self) -> int:
        return self._sizes[2]

    def zero_state(self, batch_size: Any, dtype: Any = float32) -> Tensor:
        """Zeros [batch_size, state_size]."""
        state = zeros(pack([batch_size, self.state_size]), dtype)
        state.set_shape([batch_size if isinstance(batch_size, int) else None, self.state_size])
        return state

    def __call__(self, inputs: Tensor, state: Tensor, scope: str | None = None) -> tuple[Tensor, Tensor]:
        """(output, next state) of one step."""
        with variable_scope(scope or type(self).__name__):
            return self._step(inputs, state)

    def _step(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        raise TypeError(f"{type(self).__name__} does not say what a step is")


class BasicRNNCell(RNNCell):
    """The simplest: a tanh layer of input and state."""

    def __init__(self, num_units: int):
        super().__init__(num_units, num_units, num_units)

    def _step(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        output = TANH(linear([inputs, state], self.output_size, True))
        return output, output


class GRUCell(RNNCell):
    """Gates say how much of the state stays, and how much of it the candidate sees."""

    def __init__(self, num_units: int):
        super().__init__(num_units, num_units, num_units)

    def _step(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        with variable_scope("Gates"):  # a bias of 1: at first the state stays
            gates = SIGMOID(linear([inputs, state], 2 * self.output_size, True, 1.0))
            reset, update = split(1, 2, gates)
        with variable_scope("Candidate"):
            candidate = TANH(linear([inputs, reset * state], self.output_size, True))
        output = update * state + (1 - update) * candidate
        return output, output


class BasicLSTMCell(RNNCell):
    """forget_bias: added to the forget gate, so that at first the memory is kept."""

    def __init__(self, num_units: int, forget_bias: float = 1.0):
        super().__init__(num_units, num_units, 2 * num_units)
        self._forget_bias = forget_bias

    def _step(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        c, h = split(1, 2, state)
        i, j, f, o = split(1, 4, linear([inputs, h], 4 * self.output_size, True))
        new_c = c * SIGMOID(f + self._forget_bias) + SIGMOID(i) * TANH(j)
        new_h = TANH(new_c) * SIGMOID(o)
        return new_h, concat(1, [new_c, new_h])


class LSTMCell(RNNCell):
    """An LSTM whose gates may look at the memory, and whose output may be projected to `num_proj` numbers.

    cell_clip: the largest magnitude of the memory. num_unit_shards, num_proj_shards: into how many variables the
    matrices are cut.
    """

    def __init__(
        self, num_units: int, input_size: int, use_peepholes: bool = False, cell_clip: float | None = None,
        initializer: Any = None, num_proj: int | None = None, num_unit_shards: int = 1, num_proj_shards: int = 1,
    ):  # fmt: skip
        output = num_proj or num_units
        super().__init__(input_size, output, num_units + output)
        self._units, self._peepholes, self._clip, self._initializer = num_units, use_peepholes, cell_clip, initializer
        self._num_proj, self._unit_shards, self._proj_shards = num_proj, num_unit_shards, num_proj_shards

    def __call__(self, inputs: Tensor, state: Tensor, scope: str | None = None) -> tuple[Tensor, Tensor]:
        with variable_scope(scope or type(self).__name__, initializer=self._initializer):
            return self._step(inputs, state)

    def _step(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        kind, n = inputs.dtype.base_dtype, self._units
        c = slice_(state, [0, 0], [-1, n])
        h = slice_(state, [0, n], [-1, self.output_size])
        width = inputs.get_shape().with_rank(2)[1].value
        if width is None:
            raise ValueError(f"LSTMCell must know the size of its input, and that of {inputs.name!r} is not known")
        w = _sharded("W", [width + self.output_size, 4 * n], self._unit_shards, kind)
        b = get_variable("B", [4 * n], kind, zeros_initializer)
        i, j, f, o = split(1, 4, matmul(concat(1, [inputs, h]), w) + b)
        f = f + 1.0
        if self._peepholes:
            i, f = i + get_variable("W_I_diag", [n], kind) * c, f + get_variable("W_F_diag", [n], kind) * c
        new_c = SIGMOID(f) * c + SIGMOID(i) * TANH(j)
        if self._clip is not None:
            new_c = clip_by_value(new_c, -self._clip, self._clip)
        if self._peepholes:
            o = o + get_variable("W_O_diag", [n], kind) * new_c
        new_h = SIGMOID(o) * TANH(new_c)
        if self._num_proj is not None:
            new_h = matmul(new_h, _sharded("W_P", [n, self._num_proj], self._proj_shards, kind))
        return new_h, concat(1, [new_c, new_h])


def _sharded(name: str, shape: Sequence[int], shards: int, dtype: Any) -> Any:
    """A matrix as `shards` variables name_0, name_1, ... that hold its rows, one below the other."""
    if shards > shape[0]:
        raise ValueError(f"{name} has {shape[0]} rows, which cannot be cut into {shards} shards")
    rows, more = divmod(shape[0], shards)
    parts = [get_variable(f"{name}_{i}", [rows + (i < more), *shape[1:]], dtype) for i in range(shards)]
    return parts[0] if shards == 1 else concat(0, parts)


class OutputProjectionWrapper(RNNCell):
    """A cell whose outputs become `output_size` numbers through a linear layer."""

    def __init__(self, cell: RNNCell, output_size: int):
        super().__init__(cell.input_size, output_size, cell.state_size)
        self._cell = cell

    def _step(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        output, state = self._cell(inputs, state)
        return linear(output, self.output_size, True), state


class InputProjectionWrapper(RNNCell):
    """A cell whose inputs, `input_size` numbers, become as many as it takes through a linear layer."""

    def __init__(self, cell: RNNCell, input_size: int):
        super().__init__(input_size, cell.output_size, cell.state_size)
        self._cell = cell

    def _step(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        return self._cell(linear(inputs, self._cell.input_size, True), state)


class DropoutWrapper(RNNCell):
    """A cell that drops inputs and outputs, never its state."""

    def __init__(self, cell: RNNCell, input_keep_prob: Any = 1.0, output_keep_prob: Any = 1.0, seed: int | None = None):
        for keep in (input_keep_prob, output_keep_prob):
            if isinstance(keep, (int, float)) and not 0 < keep <= 1:
                raise ValueError(f"a probability to keep must be in (0, 1], got {keep}")
        super().__init__(cell.input_size, cell.output_size, cell.state_size)
        self._cell, self._keep, self._seed = cell, (input_keep_prob, output_keep_prob), seed

    def __call__(self, inputs: Tensor, state: Tensor, scope: str | None = None) -> tuple[Tensor, Tensor]:
        output, state = self._cell(self._dropped(inputs, self._keep[0]), state, scope)
        return self._dropped(output, self._keep[1]), state

    def _dropped(self, x: Tensor, keep: Any) -> Tensor:
        return x if isinstance(keep, (int, float)) and keep == 1 else dropout(x, keep, seed=self._seed)


class EmbeddingWrapper(RNNCell):
    """A cell whose inputs are numbers of symbols: each stands for a trained row of the cell's input size."""

    def __init__(self, cell: RNNCell, embedding_classes: int = 0, embedding: Any = None, initializer: Any = None):
        if embedding is None and embedding_classes <= 0:
            raise ValueError("EmbeddingWrapper needs embedding_classes, or an embedding")
        super().__init__(1, cell.output_size, cell.state_size)
        self._cell, self._classes, self._table, self._initializer = cell, embedding_classes, embedding, initializer

    def _step(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        table = self._table
        if table is None:
            start = self._initializer or random_uniform_initializer(-(3**0.5), 3**0.5)  # variance 1
            table = get_variable("embedding", [self._classes, self._cell.input_size], initializer=start)
        rows = embedding_lookup(table, inputs)
        flat = rows if (rows.get_shape().ndims or 2) == 2 else rows[:, 0, :]
        return self._cell(flat, state)


class MultiRNNCell(RNNCell):
    """Cells on top of each other: each takes the output of the one below. The state is all of theirs side by side."""

    def __init__(self, cells: Sequence[RNNCell]):
        if not cells:
            raise ValueError("MultiRNNCell needs at least one cell")
        for below, above in pairwise(cells):
            if below.output_size != above.input_size:
                raise ValueError(f"a cell gives {below.output_size} numbers, and the next takes {above.input_size}")
        super().__init__(cells[0].input_size, cells[-1].output_size, sum(c.state_size for c in cells))
        self._cells = list(cells)

    def _step(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        at, states = 0, []
        for i, cell in enumerate(self._cells):
            with variable_scope(f"Cell{i}"):
                inputs, new = cell(inputs, slice_(state, [0, at], [-1, cell.state_size]))
            at += cell.state_size
            states.append(new)
        return inputs, concat(1, states)
