"""Recurrent cells, whose states may be tuples, with variables called kernel and bias.

    basic   h' = tanh([x, h] kernel + bias)
    GRU     r, u = sigmoid([x, h] kernel + bias);  c = tanh([x, r h] kernel + bias);  h' = u h + (1 - u) c
    LSTM    i, j, f, o = [x, h] kernel + bias;  c' = sigmoid(f + forget_bias) c + sigmoid(i) tanh(j)
            h' = sigmoid(o) tanh(c')                                             state (c, h)

A cell is a layer of an input and a state. One's own gives state_size, output_size and `call`, in which get_variable
finds at every later step what it made at the first.

Next: compat/v1/rnn_wrappers.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from refflow.compat.v1 import activations
from refflow.compat.v1.initializers import constant_initializer, zeros_initializer
from refflow.compat.v1.layers.base import Layer
from refflow.compat.v1.partitioned import fixed_size_partitioner
from refflow.compat.v1.variable_scope import variable_scope
from refflow.compat.v1.variables import trainable_variables
from refflow.core.constants import constant_value
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import float32
from refflow.core.graph import Tensor, get_default_graph
from refflow.core.nest import map_structure
from refflow.core.registry import op_def
from refflow.core.shapes import TensorShape
from refflow.ops.array import reshape, shape
from refflow.ops.constant import zeros
from refflow.ops.elementwise import SIGMOID, TANH
from refflow.ops.joining import concat, split
from refflow.ops.math_functions import clip_by_value
from refflow.ops.matmul import matmul

Cell = Any  # an RNNCell, or whatever has its methods


class LSTMStateTuple(NamedTuple):
    """The memory, and the last output."""

    c: Any
    h: Any

    @property
    def dtype(self) -> Any:
        """The type of both."""
        if self.c.dtype != self.h.dtype:
            raise TypeError(f"Inconsistent internal state: {self.c.dtype} vs {self.h.dtype}")
        return self.c.dtype


def assert_like_rnncell(name: str, cell: Cell) -> None:
    """A TypeError where `cell` has not what a cell has."""
    lacking = [key for key in ("output_size", "state_size") if not hasattr(type(cell), key) and not hasattr(cell, key)]
    lacking += [] if hasattr(cell, "zero_state") or hasattr(cell, "get_initial_state") else ["zero_state"]
    if lacking or isinstance(cell, type) or not callable(cell):
        said = f"it lacks {', '.join(lacking)}" if lacking else "it is no object to be called"
        raise TypeError(f"The argument {name!r} ({cell}) is not an RNNCell: {said}")


class RNNCell(Layer):
    """One step in time. A cell makes its variables when it is first called, and uses them ever after."""

    def __call__(self, inputs: Any, state: Any, scope: Any = None, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        """(output, next state)."""
        if scope is not None:
            with variable_scope(scope) as at:
                return super().__call__(inputs, state, *args, scope=at, **kwargs)
        return super().__call__(inputs, state, *args, **kwargs)

    def _getter(self, getter: Any, *args: Any, **kwargs: Any) -> Any:
        """get_variable, which notes whose variable it is."""
        made = getter(*args, **kwargs)
        parts = list(made) if hasattr(made, "_get_variable_list") else [made]
        self._keep(made, any(parts[0] is v for v in trainable_variables()))
        return made

    @property
    def state_size(self) -> Any:
        """The sizes of its state: numbers, shapes, or a structure of them."""
        raise NotImplementedError("Abstract method")

    @property
    def output_size(self) -> Any:
        """The sizes of its output."""
        raise NotImplementedError("Abstract method")

    def zero_state(self, batch_size: Any, dtype: Any = float32) -> Any:
        """Zeros in the form of the state."""
        with get_default_graph().name_scope(f"{type(self).__name__}ZeroState"):
            return zero_state_of(self.state_size, batch_size, dtype)

    def get_initial_state(self, inputs: Any = None, batch_size: Any = None, dtype: Any = None) -> Any:
        """zero_state, of the batch and type of `inputs` where those are given."""
        if inputs is not None:
            x = convert_to_tensor(inputs)
            batch_size, dtype = x.get_shape()[0].value or shape(x)[0], x.dtype.base_dtype
        if batch_size is None or dtype is None:
            raise ValueError("batch_size and dtype are required while constructing initial state: "
                             f"batch_size={batch_size}, dtype={dtype}")  # fmt: skip
        return self.zero_state(batch_size, dtype)


def sizes_after_batch(size: Any) -> list[int | None]:
    """The sizes of a state, a number or a shape, without the batch."""
    return TensorShape(size).as_list() if isinstance(size, (TensorShape, list, tuple)) else [int(size)]


def zero_state_of(state_size: Any, batch_size: Any, dtype: Any) -> Any:
    """Zeros [batch, size] for each size."""

    def of_size(size: Any) -> Tensor:
        tail = sizes_after_batch(size)
        if isinstance(batch_size, int) and None not in tail:
            return zeros([batch_size, *tail], dtype)
        state = zeros(concat(0, [reshape(batch_size, [-1]), tail]), dtype)
        known = constant_value(convert_to_tensor(batch_size))
        state.set_shape([None if known is None else int(np.reshape(known, [-1])[0]), *tail])
        return state

    return map_structure(of_size, state_size)


def _activation(given: Any) -> Any:
    """A function, or the name of one of tf.nn."""
    if isinstance(given, str):
        known = {"tanh": TANH, "sigmoid": SIGMOID, "linear": op_def("Identity")}
        found = known.get(given) or getattr(activations, given, None)
        if found is None:
            raise ValueError(f"Unknown activation function: {given!r}. Give a function, or the name of one of tf.nn")
        return found
    return given or TANH


def _depth(cell: RNNCell, inputs_shape: TensorShape) -> int:
    if cell.dtype is not None and not cell.dtype.is_floating:
        raise ValueError(f"RNN cell only supports floating point inputs, but received dtype: {cell.dtype!r}")
    depth = TensorShape(inputs_shape)[-1].value
    if depth is None:
        raise ValueError(f"Expected inputs.shape[-1] to be known, saw shape: {inputs_shape}")
    return depth


def _layer(parts: Sequence[Any], kernel: Any, bias: Any) -> Tensor:
    """The parts side by side, times a kernel, plus a bias."""
    return op_def("BiasAdd")(matmul(concat(1, list(parts)), kernel), bias)


class _Simple(RNNCell):
    """What cells with one state of `num_units`, their output, share."""

    def __init__(self, num_units: int, activation: Any, reuse: Any, name: str | None, dtype: Any, **kwargs: Any):
        super().__init__(name=name, dtype=dtype, _reuse=reuse, **kwargs)
        self._num_units, self._activation = num_units, _activation(activation)

    @property
    def state_size(self) -> int:
        return self._num_units

    @property
    def output_size(self) -> int:
        return self._num_units


class BasicRNNCell(_Simple):
    """activation([x, h] kernel + bias)."""

    def __init__(
        self, num_units: int, activation: Any = None, reuse: Any = None, name: str | None = None, dtype: Any = None,
        **kwargs: Any,
    ):  # fmt: skip
        super().__init__(num_units, activation, reuse, name, dtype, **kwargs)

    def build(self, inputs_shape: TensorShape) -> None:
        units = self._num_units
        self._kernel = self.add_weight("kernel", [_depth(self, inputs_shape) + units, units])
        self._bias = self.add_weight("bias", [units], initializer=_zeros(self))
        self.built = True

    def call(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        output = self._activation(_layer([inputs, state], self._kernel, self._bias))
        return output, output


def _zeros(cell: RNNCell) -> Any:
    return zeros_initializer(dtype=cell.dtype or float32)


class GRUCell(_Simple):
    """r, u = sigmoid([x, h] kernel + 1); c = activation([x, r h] kernel); h' = u h + (1 - u) c."""

    def __init__(
        self, num_units: int, activation: Any = None, reuse: Any = None, kernel_initializer: Any = None,
        bias_initializer: Any = None, name: str | None = None, dtype: Any = None, **kwargs: Any,
    ):  # fmt: skip
        super().__init__(num_units, activation, reuse, name, dtype, **kwargs)
        self._starts = kernel_initializer, bias_initializer

    def build(self, inputs_shape: TensorShape) -> None:
        units, (kernel, bias) = self._num_units, self._starts
        both = _depth(self, inputs_shape) + units
        start = constant_initializer(1.0, dtype=self.dtype or float32) if bias is None else bias
        self._gates = (self.add_weight("gates/kernel", [both, 2 * units], initializer=kernel),
                       self.add_weight("gates/bias", [2 * units], initializer=start))  # fmt: skip
        start = _zeros(self) if bias is None else bias
        self._candidate = (self.add_weight("candidate/kernel", [both, units], initializer=kernel),
                           self.add_weight("candidate/bias", [units], initializer=start))  # fmt: skip
        self.built = True

    def call(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        r, u = split(1, 2, SIGMOID(_layer([inputs, state], *self._gates)))
        c = self._activation(_layer([inputs, r * state], *self._candidate))
        output = u * state + (1.0 - u) * c
        return output, output


class LSTMCell(RNNCell):
    """With peepholes, clipping and a projection where asked for; state_is_tuple False: [c, h] side by side."""

    def __init__(
        self, num_units: int, use_peepholes: bool = False, cell_clip: float | None = None, initializer: Any = None,
        num_proj: int | None = None, proj_clip: float | None = None, num_unit_shards: int | None = None,
        num_proj_shards: int | None = None, forget_bias: float = 1.0, state_is_tuple: bool = True,
        activation: Any = None, reuse: Any = None, name: str | None = None, dtype: Any = None, **kwargs: Any,
    ):  # fmt: skip
        super().__init__(name=name, dtype=dtype, _reuse=reuse, **kwargs)
        self._num_units, self._peepholes, self._clips = num_units, use_peepholes, (cell_clip, proj_clip)
        self._initializer, self._shards = initializer, (num_unit_shards, num_proj_shards)
        self._proj, self._forget, self._tuple = num_proj, forget_bias, state_is_tuple
        self._activation = _activation(activation)

    @property
    def state_size(self) -> Any:
        sizes = self._num_units, self.output_size
        return LSTMStateTuple(*sizes) if self._tuple else sum(sizes)

    @property
    def output_size(self) -> int:
        return self._proj or self._num_units

    def build(self, inputs_shape: TensorShape) -> None:
        units, start = self._num_units, self._initializer
        parts = [None if n is None else fixed_size_partitioner(n) for n in self._shards]
        self._kernel = self.add_weight("kernel", [_depth(self, inputs_shape) + self.output_size, 4 * units],
                                       initializer=start, partitioner=parts[0])  # fmt: skip
        self._bias = self.add_weight("bias", [4 * units], initializer=_zeros(self))
        if self._peepholes:
            self._diagonals = [self.add_weight(f"w_{gate}_diag", [units], initializer=start) for gate in "fio"]
        if self._proj is not None:
            self._projection = self.add_weight("projection/kernel", [units, self._proj], initializer=start,
                                               partitioner=parts[1])  # fmt: skip
        self.built = True

    def call(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        c, h = state if self._tuple else (state[:, : self._num_units], state[:, self._num_units :])
        i, j, f, o = split(1, 4, _layer([inputs, h], self._kernel, self._bias))
        f = f + self._forget
        if self._peepholes:
            pf, pi, po = self._diagonals
            f, i = f + pf * c, i + pi * c
        new_c = _clipped(SIGMOID(f) * c + SIGMOID(i) * self._activation(j), self._clips[0])
        new_h = SIGMOID(o + po * new_c if self._peepholes else o) * self._activation(new_c)
        if self._proj is not None:
            new_h = _clipped(matmul(new_h, self._projection), self._clips[1])
        return new_h, LSTMStateTuple(new_c, new_h) if self._tuple else concat(1, [new_c, new_h])


def _clipped(x: Tensor, limit: float | None) -> Tensor:
    return x if limit is None else clip_by_value(x, -limit, limit)


class BasicLSTMCell(LSTMCell):
    """An LSTMCell without extras."""

    def __init__(
        self, num_units: int, forget_bias: float = 1.0, state_is_tuple: bool = True, activation: Any = None,
        reuse: Any = None, name: str | None = None, dtype: Any = None, **kwargs: Any,
    ):  # fmt: skip
        super().__init__(num_units, forget_bias=forget_bias, state_is_tuple=state_is_tuple, activation=activation,
                         reuse=reuse, name=name, dtype=dtype, **kwargs)  # fmt: skip


class MultiRNNCell(RNNCell):
    """Cells on top of each other; the state is a tuple of theirs, or all of them side by side."""

    def __init__(self, cells: Sequence[Cell], state_is_tuple: bool = True):
        super().__init__()
        if not cells:
            raise ValueError("Must specify at least one cell for MultiRNNCell.")
        if not isinstance(cells, (list, tuple)):
            raise TypeError(f"cells must be a list or tuple, but saw: {cells}.")
        for i, cell in enumerate(cells):
            assert_like_rnncell(f"cells[{i}]", cell)
        sizes = [cell.state_size for cell in cells]
        if not state_is_tuple and any(isinstance(size, (list, tuple)) for size in sizes):
            raise ValueError("Some cells return tuples of states, but the flag state_is_tuple is not set. "
                             f"State sizes are: {sizes}")  # fmt: skip
        self._cells, self._tuple = list(cells), state_is_tuple

    @property
    def state_size(self) -> Any:
        sizes = tuple(cell.state_size for cell in self._cells)
        return sizes if self._tuple else sum(sizes)

    @property
    def output_size(self) -> Any:
        return self._cells[-1].output_size

    def zero_state(self, batch_size: Any, dtype: Any = float32) -> Any:
        if not self._tuple:
            return super().zero_state(batch_size, dtype)
        with get_default_graph().name_scope(f"{type(self).__name__}ZeroState"):
            return tuple(cell.zero_state(batch_size, dtype) for cell in self._cells)

    @property
    def trainable_weights(self) -> list[Any]:
        return [v for cell in self._cells if self.trainable for v in cell.trainable_weights]

    @property
    def non_trainable_weights(self) -> list[Any]:
        fixed = [v for cell in self._cells for v in cell.non_trainable_weights]
        return fixed if self.trainable else [v for cell in self._cells for v in cell.trainable_weights] + fixed

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        if self._tuple and (not isinstance(state, (list, tuple)) or len(state) != len(self._cells)):
            raise ValueError(f"Expected state to be a tuple of length {len(self._cells)}, but received: {state}")
        states, at = [], 0
        for i, cell in enumerate(self._cells):
            with variable_scope(f"cell_{i}"):
                size = cell.state_size
                now = state[i] if self._tuple else state[:, at : at + size]
                at += 0 if self._tuple else size
                inputs, new = cell(inputs, now)
            states.append(new)
        return inputs, tuple(states) if self._tuple else concat(1, states)


