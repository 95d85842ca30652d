"""More of `tf.contrib.rnn`: layers of cells both ways, and cells that normalise, pass by, or convolve.

Next: compat/shadow/legacy_seq2seq.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from refflow.compat import v1 as tf
from refflow.compat.shadow.contrib_rnn import static_bidirectional_rnn
from refflow.compat.v1.rnn_cells import RNNCell
from refflow.core.graph import Tensor

_LSTM = tf.nn.rnn_cell.LSTMStateTuple


def _both(cells_fw: Any, cells_bw: Any, states_fw: Any, states_bw: Any) -> list[tuple[Any, Any, Any, Any]]:
    """(cell, cell, state, state) by layer, of lists that must be of one length."""
    for name, cells in (("cells_fw", cells_fw), ("cells_bw", cells_bw)):
        if not isinstance(cells, (list, tuple)) or not cells:
            raise ValueError(f"{name} must be a list of one or more cells")
    if len(cells_fw) != len(cells_bw):
        found = f"{len(cells_fw)} and {len(cells_bw)}"
        raise ValueError(f"Forward and Backward cells must have the same depth, got {found}")
    for name, states in (("initial_states_fw", states_fw), ("initial_states_bw", states_bw)):
        if states is not None and (not isinstance(states, (list, tuple)) or len(states) != len(cells_fw)):
            raise ValueError(f"{name} must be a list of states (one per layer).")
    none = [None] * len(cells_fw)
    return list(zip(cells_fw, cells_bw, states_fw or none, states_bw or none, strict=True))


def stack_bidirectional_dynamic_rnn(
    cells_fw: Sequence[Any], cells_bw: Sequence[Any], inputs: Any, initial_states_fw: Any = None,
    initial_states_bw: Any = None, dtype: Any = None, sequence_length: Any = None, parallel_iterations: Any = None,
    time_major: bool = False, scope: Any = None, swap_memory: bool = False,
) -> tuple[Tensor, tuple[Any, ...], tuple[Any, ...]]:  # fmt: skip
    """(outputs, last states forwards, last states backwards): each layer reads both directions of that before it."""
    last_fw, last_bw = [], []
    with tf.variable_scope(scope or "stack_bidirectional_rnn"):
        layers = _both(cells_fw, cells_bw, initial_states_fw, initial_states_bw)
        for number, (forwards, backwards, start_fw, start_bw) in enumerate(layers):
            with tf.variable_scope(f"cell_{number}"):
                found, (end_fw, end_bw) = tf.nn.bidirectional_dynamic_rnn(
                    forwards, backwards, inputs, sequence_length, start_fw, start_bw, dtype, parallel_iterations,
                    swap_memory, time_major,
                )  # fmt: skip
                inputs = tf.concat(found, 2)
            last_fw.append(end_fw)
            last_bw.append(end_bw)
    return inputs, tuple(last_fw), tuple(last_bw)


def stack_bidirectional_rnn(
    cells_fw: Sequence[Any], cells_bw: Sequence[Any], inputs: Any, initial_states_fw: Any = None,
    initial_states_bw: Any = None, dtype: Any = None, sequence_length: Any = None, scope: Any = None,
) -> tuple[list[Tensor], tuple[Any, ...], tuple[Any, ...]]:  # fmt: skip
    """The same of a list of steps [batch, size], without a loop."""
    last_fw, last_bw = [], []
    with tf.variable_scope(scope or "stack_bidirectional_rnn"):
        layers = _both(cells_fw, cells_bw, initial_states_fw, initial_states_bw)
        for number, (forwards, backwards, start_fw, start_bw) in enumerate(layers):
            with tf.variable_scope(f"cell_{number}") as here:
                inputs, end_fw, end_bw = static_bidirectional_rnn(
                    forwards, backwards, inputs, start_fw, start_bw, dtype, sequence_length, here
                )
            last_fw.append(end_fw)
            last_bw.append(end_bw)
    return inputs, tuple(last_fw), tuple(last_bw)


class LayerNormBasicLSTMCell(RNNCell):
    """An LSTM cell whose gates and state are normalised over their units, with dropout of what is new."""

    def __init__(
        self, num_units: int, forget_bias: float = 1.0, input_size: Any = None, activation: Any = None,
        layer_norm: bool = True, norm_gain: float = 1.0, norm_shift: float = 0.0, dropout_keep_prob: Any = 1.0,
        dropout_prob_seed: int | None = None, reuse: Any = None,
    ):  # fmt: skip
        super().__init__(_reuse=reuse)
        self._units, self._forget, self._activation = num_units, forget_bias, activation or tf.tanh
        self._norms, self._gain, self._shift = layer_norm, norm_gain, norm_shift
        self._kept, self._seed = dropout_keep_prob, dropout_prob_seed

    @property
    def state_size(self) -> Any:
        return _LSTM(self._units, self._units)

    @property
    def output_size(self) -> int:
        return self._units

    def _normal(self, x: Tensor, scope: str) -> Tensor:
        if not self._norms:
            return x
        with tf.variable_scope(scope):
            gain = tf.get_variable("gamma", [self._units], x.dtype, tf.constant_initializer(self._gain))
            shift = tf.get_variable("beta", [self._units], x.dtype, tf.constant_initializer(self._shift))
        mean, variance = tf.nn.moments(x, [-1], keep_dims=True)
        return tf.nn.batch_normalization(x, mean, variance, shift, gain, 1e-12)

    def call(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        cell, hidden = state
        joined = tf.concat([inputs, hidden], 1)
        kernel = tf.get_variable("kernel", [joined.get_shape()[-1].value, 4 * self._units], joined.dtype)
        gates = tf.matmul(joined, kernel)
        if not self._norms:
            gates = tf.nn.bias_add(gates, tf.get_variable("bias", [4 * self._units], joined.dtype))
        parts = tf.split(gates, 4, 1)
        names = ("input", "transform", "forget", "output")
        let_in, new, keep, out = (self._normal(part, name) for part, name in zip(parts, names, strict=True))
        new = self._activation(new)
        if isinstance(self._kept, Tensor) or self._kept < 1:
            new = tf.nn.dropout(new, self._kept, seed=self._seed)
        cell = self._normal(cell * tf.sigmoid(keep + self._forget) + tf.sigmoid(let_in) * new, "state")
        hidden = self._activation(cell) * tf.sigmoid(out)
        return hidden, _LSTM(cell, hidden)


class HighwayWrapper(RNNCell):
    """A cell around a cell: a learned share of each output is the input, passed by."""

    def __init__(self, cell: Any, couple_carry_transform_gates: bool = True, carry_bias_init: float = 1.0):
        super().__init__()
        self._cell, self._coupled, self._bias = cell, couple_carry_transform_gates, carry_bias_init

    @property
    def state_size(self) -> Any:
        return self._cell.state_size

    @property
    def output_size(self) -> Any:
        return self._cell.output_size

    def zero_state(self, batch_size: Any, dtype: Any = tf.float32) -> Any:
        return self._cell.zero_state(batch_size, dtype)

    def _gate(self, x: Tensor, name: str, bias: float) -> Tensor:
        size = x.get_shape()[-1].value
        weights = tf.get_variable(f"{name}_w", [size, size], x.dtype)
        shift = tf.get_variable(f"{name}_b", [size], x.dtype, tf.constant_initializer(bias))
        return tf.sigmoid(tf.nn.xw_plus_b(x, weights, shift))

    def call(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        output, new = self._cell(inputs, state)
        output.get_shape().assert_is_compatible_with(inputs.get_shape())
        carried = self._gate(inputs, "carry", self._bias)
        kept = 1 - carried if self._coupled else self._gate(inputs, "transform", -self._bias)
        return inputs * carried + output * kept, new
