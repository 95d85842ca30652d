"""tf.nn.rnn_cell: cells whose states may be tuples, with variables called kernel and bias.

    LSTM    i, j, f, o = [x, h] kernel + bias;  c' = sigmoid(f + forget_bias) c + sigmoid(i) tanh(j)
            h' = sigmoid(o) tanh(c')                                             state (c, h)

Next: compat/v1/rnn.py.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

from refflow.compat.v1.initializers import Initializer, ones_initializer, zeros_initializer
from refflow.compat.v1.variables import get_variable, variable_scope
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import float32
from refflow.core.graph import Tensor
from refflow.core.nest import map_structure
from refflow.core.registry import op_def
from refflow.nn.functions import dropout
from refflow.ops.constant import zeros
from refflow.ops.elementwise import SIGMOID, TANH
from refflow.ops.joining import concat, pack, split
from refflow.ops.math_functions import clip_by_value
from refflow.ops.matmul import matmul

__all__ = [
    "BasicLSTMCell", "BasicRNNCell", "DropoutWrapper", "GRUCell", "LSTMCell", "LSTMStateTuple", "MultiRNNCell",
    "RNNCell", "ResidualWrapper",
]  # fmt: skip


class LSTMStateTuple(NamedTuple):
    """The memory, and the last output."""

    c: Any
    h: Any


class RNNCell:
    """One step in time. A cell makes its variables when it is first called, and uses them ever after."""

    base_name = "rnn_cell"

    def __init__(self, name: str | None = None, reuse: Any = None):
        self._name, self._reuse = name, reuse
        self._variables: dict[str, Any] = {}
        self._scope: Any = None

    @property
    def state_size(self) -> Any:
        raise TypeError(f"{type(self).__name__} does not say how large its state is")

    @property
    def output_size(self) -> int:
        raise TypeError(f"{type(self).__name__} does not say how large its output is")

    def __deepcopy__(self, memo: dict[int, Any]) -> RNNCell:
        """A cell of the same settings that was not called yet."""
        found = memo[id(self)] = object.__new__(type(self))
        settings = {key: value for key, value in vars(self).items() if key not in ("_variables", "_scope")}
        vars(found).update(copy.deepcopy(settings, memo), _variables={}, _scope=None)
        return found

    @property
    def variables(self) -> list[Any]:
        return list(self._variables.values())

    trainable_variables = trainable_weights = variables

    def zero_state(self, batch_size: Any, dtype: Any = float32) -> Any:
        """Zeros in the form of the state."""

        def of_size(size: int) -> Tensor:
            state = zeros(pack([batch_size, size]), dtype)
            state.set_shape([batch_size if isinstance(batch_size, int) else None, size])
            return state

        return map_structure(of_size, self.state_size)

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> tuple[Tensor, Any]:
        """(output, next state)."""
        inputs = convert_to_tensor(inputs)
        if self._scope is None:
            with variable_scope(scope or self._name, self.base_name, reuse=self._reuse) as made:
                self._scope = made
                return self.call(inputs, state)
        with variable_scope(self._scope, auxiliary_name_scope=False), inputs.graph.name_scope(self.base_name):
            return self.call(inputs, state)

    def call(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        raise TypeError(f"{type(self).__name__} does not say what a step is")

    def _variable(self, name: str, shape: Sequence[int], initializer: Any = None, dtype: Any = None) -> Any:
        if name not in self._variables:
            self._variables[name] = get_variable(name, shape, dtype, initializer)
        return self._variables[name]

    def _layer(self, parts: Sequence[Tensor], outputs: int, prefix: str = "", start: Any = None,
               kernel_initializer: Any = None) -> Tensor:  # fmt: skip
        """The parts side by side, times a kernel, plus a bias."""
        sizes = [p.get_shape()[-1].value for p in parts]
        if None in sizes:
            raise ValueError(f"{type(self).__name__}: the last size of its inputs must be known, got {sizes}")
        kind = parts[0].dtype.base_dtype
        kernel = self._variable(f"{prefix}kernel", [sum(sizes), outputs], kernel_initializer, kind)
        bias = self._variable(f"{prefix}bias", [outputs], start or zeros_initializer(), kind)
        return op_def("BiasAdd")(matmul(concat(1, list(parts)) if len(parts) > 1 else parts[0], kernel), bias)


class BasicRNNCell(RNNCell):
    """activation([x, h] kernel + bias)."""

    base_name = "basic_rnn_cell"

    def __init__(
        self, num_units: int, activation: Any = None, reuse: Any = None, name: str | None = None, dtype: Any = None
    ):
        super().__init__(name, reuse)
        self._units, self._activation = num_units, activation or TANH

    @property
    def state_size(self) -> int:
        return self._units

    output_size = state_size

    def call(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        output = self._activation(self._layer([inputs, state], self._units))
        return output, output


class GRUCell(BasicRNNCell):
    """r, u = sigmoid([x, h] kernel + 1); c = activation([x, r h] kernel); h' = u h + (1 - u) c."""

    base_name = "gru_cell"

    def __init__(
        self, num_units: int, activation: Any = None, reuse: Any = None, kernel_initializer: Any = None,
        bias_initializer: Any = None, name: str | None = None, dtype: Any = None,
    ):  # fmt: skip
        super().__init__(num_units, activation, reuse, name, dtype)
        self._kernel, self._bias = kernel_initializer, bias_initializer

    def call(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        gates = SIGMOID(self._layer([inputs, state], 2 * self._units, "gates/", self._bias or ones_initializer(),
                                    self._kernel))  # fmt: skip
        r, u = split(1, 2, gates)
        c = self._activation(self._layer([inputs, r * state], self._units, "candidate/", self._bias, self._kernel))
        output = u * state + (1.0 - u) * c
        return output, output


class LSTMCell(RNNCell):
    """With peepholes, clipping and a projection where asked for; state_is_tuple False: [c, h] side by side."""

    base_name = "lstm_cell"

    def __init__(
        self, num_units: int, use_peepholes: bool = False, cell_clip: float | None = None, initializer: Any = None,
        num_proj: int | None = None, proj_clip: float | None = None, num_unit_shards: Any = None,
        num_proj_shards: Any = None, forget_bias: float = 1.0, state_is_tuple: bool = True, activation: Any = None,
        reuse: Any = None, name: str | None = None, dtype: Any = None,
    ):  # fmt: skip
        super().__init__(name, reuse)
        self._units, self._peepholes, self._clips = num_units, use_peepholes, (cell_clip, proj_clip)
        self._initializer: Initializer | None = initializer
        self._proj, self._forget, self._tuple = num_proj, forget_bias, state_is_tuple
        self._activation = activation or TANH

    @property
    def state_size(self) -> Any:
        sizes = self._units, self.output_size
        return LSTMStateTuple(*sizes) if self._tuple else sum(sizes)

    @property
    def output_size(self) -> int:
        return self._proj or self._units

    def call(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        c, h = state if self._tuple else (state[:, : self._units], state[:, self._units :])
        kind = inputs.dtype.base_dtype
        parts = self._layer([inputs, h], 4 * self._units, kernel_initializer=self._initializer)
        i, j, f, o = split(1, 4, parts)
        f = f + self._forget
        if self._peepholes:
            pf, pi, po = (self._variable(f"w_{n}_diag", [self._units], self._initializer, kind) for n in "fio")
            f, i = f + pf * c, i + pi * c
        new_c = SIGMOID(f) * c + SIGMOID(i) * self._activation(j)
        new_c = _clipped(new_c, self._clips[0])
        new_h = SIGMOID(o + po * new_c if self._peepholes else o) * self._activation(new_c)
        if self._proj is not None:
            projection = self._variable("projection/kernel", [self._units, self._proj], self._initializer, kind)
            new_h = _clipped(matmul(new_h, projection), self._clips[1])
        return new_h, LSTMStateTuple(new_c, new_h) if self._tuple else concat(1, [new_c, new_h])


def _clipped(x: Tensor, limit: float | None) -> Tensor:
    return x if limit is None else clip_by_value(x, -limit, limit)


class BasicLSTMCell(LSTMCell):
    """An LSTMCell without extras."""

    base_name = "basic_lstm_cell"

    def __init__(
        self, num_units: int, forget_bias: float = 1.0, state_is_tuple: bool = True, activation: Any = None,
        reuse: Any = None, name: str | None = None, dtype: Any = None,
    ):  # fmt: skip
        super().__init__(num_units, forget_bias=forget_bias, state_is_tuple=state_is_tuple, activation=activation,
                         reuse=reuse, name=name)  # fmt: skip


class MultiRNNCell(RNNCell):
    """Cells on top of each other; the state is a tuple of theirs."""

    base_name = "multi_rnn_cell"

    def __init__(self, cells: Sequence[RNNCell], state_is_tuple: bool = True):
        super().__init__()
        if not cells:
            raise ValueError("Must specify at least one cell for MultiRNNCell.")
        if not state_is_tuple:
            raise ValueError("MultiRNNCell has a tuple of states here: state_is_tuple=True")
        self._cells = list(cells)

    @property
    def state_size(self) -> Any:
        return tuple(cell.state_size for cell in self._cells)

    @property
    def output_size(self) -> int:
        return self._cells[-1].output_size

    def call(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        states = []
        for i, cell in enumerate(self._cells):
            with variable_scope(f"cell_{i}"):
                inputs, new = cell(inputs, state[i])
            states.append(new)
        return inputs, tuple(states)


class _Wrapper(RNNCell):
    """A cell around a cell, under the inner one's scope."""

    def __init__(self, cell: RNNCell):
        super().__init__()
        self._cell = cell

    @property
    def state_size(self) -> Any:
        return self._cell.state_size

    @property
    def output_size(self) -> int:
        return self._cell.output_size


class DropoutWrapper(_Wrapper):
    """A cell that drops some of its inputs, outputs and states."""

    def __init__(
        self, cell: RNNCell, input_keep_prob: Any = 1.0, output_keep_prob: Any = 1.0, state_keep_prob: Any = 1.0,
        seed: int | None = None,
    ):  # fmt: skip
        super().__init__(cell)
        self._keep, self._seed = (input_keep_prob, output_keep_prob, state_keep_prob), seed

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> tuple[Tensor, Any]:
        output, new = self._cell(self._dropped(convert_to_tensor(inputs), 0), state, scope)
        if not (isinstance(self._keep[2], (int, float)) and self._keep[2] == 1):
            kept = map_structure(lambda s: self._dropped(s, 2), new)
            new = LSTMStateTuple(new.c, kept.h) if isinstance(new, LSTMStateTuple) else kept  # memories stay
        return self._dropped(output, 1), new

    def _dropped(self, x: Tensor, which: int) -> Tensor:
        keep = self._keep[which]
        return x if isinstance(keep, (int, float)) and keep == 1 else dropout(x, keep, seed=self._seed)


class ResidualWrapper(_Wrapper):
    """A cell whose input is added to its output."""

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> tuple[Tensor, Any]:
        output, new = self._cell(inputs, state, scope)
        return inputs + output, new
