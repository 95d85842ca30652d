"""A cell with a memory beside it: N rows of W numbers that it addresses, reads and changes, all with slopes [S50f].

A head's weights w [N], a share of attention for each row, are found in four steps from what the controller emits,
a key k [W], its strength b > 0, a gate g, a shift s [3] and a sharpness c >= 1:

    content         w_i = softmax over i of b cos(k, M_i)                  rows that are like the key
    interpolation   w   = g w + (1 - g) w of the step before               or where the head was
    shift           w_i = s_-1 w_(i+1) + s_0 w_i + s_+1 w_(i-1)            or next to it; indices modulo N
    sharpening      w_i = w_i^c / sum_j w_j^c                              against the blur of the shift

The content finds a row by a part of what it holds; gate and shift walk from there. The write head begins on the first
row, the read head nowhere, with 1 / N for each: shift and sharpening leave that as it is, so that whatever it is to
read it must first find by its content. The write head erases and adds, with e [W] in (0, 1) and a [W] of the
controller, then the read head reads what is there now:

    M_i = M_i (1 - w_i e) + w_i a;        r = sum_i w_i M_i

The controller is one tanh layer of the input and of what was read last, h = tanh(V [x, r] + d). It has no state of its
own, so all that the cell remembers is in M and in the two heads' weights. The output is a linear layer of [h, r].

Graves, Wayne, Danihelka, "Neural Turing Machines", 2014.

Next: models/rnn/looped.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core.dtypes import float32
from refflow.core.graph import Tensor
from refflow.models.rnn.linear import linear
from refflow.models.rnn.rnn_cell import RNNCell
from refflow.nn import softmax, softplus
from refflow.ops.array import expand_dims, reshape
from refflow.ops.batch_matmul import batch_matmul
from refflow.ops.constant import constant, zeros
from refflow.ops.elementwise import EXP, LOG, RSQRT, SIGMOID, SQUARE, TANH
from refflow.ops.joining import concat, pack
from refflow.ops.reductions import reduce_sum
from refflow.ops.slicing import slice_
from refflow.ops.variable_scope import variable_scope

EMPTY = 1e-6  # what an unused row holds: its direction must be defined
SMALL = 1e-8  # added below roots and logarithms


class MemoryCell(RNNCell):
    """One step of a controller with `units` hidden numbers and a memory of `rows` times `width`.

    A state [batch, rows * width + 2 * rows + width] has the memory, the weights of the write and of the read head, and
    what was read, side by side.
    """

    def __init__(self, output_size: int, units: int, rows: int, width: int):
        if min(output_size, units, rows, width) < 1:
            raise ValueError(f"MemoryCell: sizes are 1 at least, got {output_size=}, {units=}, {rows=}, {width=}")
        super().__init__(units, output_size, rows * width + 2 * rows + width)
        self.units, self.rows, self.width = units, rows, width

    def zero_state(self, batch_size: Any, dtype: Any = float32) -> Tensor:
        """An empty memory, one head on its first row, the other nowhere: [batch_size, state_size]."""
        memory, nothing = np.full(self.rows * self.width, EMPTY), np.zeros(self.width)
        row = np.concatenate([memory, np.eye(self.rows)[0], np.full(self.rows, 1 / self.rows), nothing])
        state = zeros(pack([batch_size, self.state_size]), dtype) + constant(row, dtype)
        state.set_shape([batch_size if isinstance(batch_size, int) else None, self.state_size])
        return state

    def parts(self, state: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(memory [batch, rows, width], weights written [batch, rows], weights read, what was read [batch, width])."""
        memory, write, read, vector = _cut(state, [self.rows * self.width, self.rows, self.rows, self.width])
        return reshape(memory, [-1, self.rows, self.width]), write, read, vector

    def _step(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        memory, write, read, vector = self.parts(state)
        hidden = TANH(linear([inputs, vector], self.units, True, scope="Controller"))
        write = self._address(hidden, memory, write, "Write")
        memory = self._written(hidden, memory, write)
        read = self._address(hidden, memory, read, "Read")
        vector = reshape(batch_matmul(expand_dims(read, 1), memory), [-1, self.width])
        output = linear([hidden, vector], self.output_size, True, scope="Output")
        return output, concat(1, [reshape(memory, [-1, self.rows * self.width]), write, read, vector])

    def _address(self, hidden: Tensor, memory: Tensor, before: Tensor, scope: str) -> Tensor:
        """The weights [batch, rows] of a head that had the weights `before`."""
        with variable_scope(scope):
            emitted = linear(hidden, self.width + 6, True)
            key, strength, gate, shift, sharpness = _cut(emitted, [self.width, 1, 1, 3, 1])
            return address(memory, before, TANH(key), softplus(strength), SIGMOID(gate), softmax(shift),
                           1.0 + softplus(sharpness))  # fmt: skip

    def _written(self, hidden: Tensor, memory: Tensor, weights: Tensor) -> Tensor:
        with variable_scope("Content"):
            erase, add = _cut(linear(hidden, 2 * self.width, True), [self.width, self.width])
        at = expand_dims(weights, 2)  # [batch, rows, 1]
        return memory * (1.0 - at * expand_dims(SIGMOID(erase), 1)) + at * expand_dims(TANH(add), 1)


def address(
    memory: Tensor, before: Tensor, key: Tensor, strength: Tensor, gate: Tensor, shift: Tensor, sharpness: Tensor
) -> Tensor:
    """The four steps: weights [batch, rows] over a memory [batch, rows, width].

    before: the head's last weights [batch, rows]. key: [batch, width]. strength, gate, sharpness: [batch, 1]. shift:
    [batch, 3], the shares that go one row back, stay, and go one row on.
    """
    rows = before.get_shape()[1].value
    content = softmax(strength * cosine(memory, key))
    weights = gate * content + (1.0 - gate) * before
    first, last = slice_(weights, [0, 0], [-1, 1]), slice_(weights, [0, rows - 1], [-1, 1])
    ahead = concat(1, [slice_(weights, [0, 1], [-1, rows - 1]), first])  # w_(i+1)
    behind = concat(1, [last, slice_(weights, [0, 0], [-1, rows - 1])])  # w_(i-1)
    back, stay, on = _cut(shift, [1, 1, 1])
    weights = back * ahead + stay * weights + on * behind
    sharp = EXP(sharpness * LOG(weights + SMALL))
    return sharp / reduce_sum(sharp, 1, keep_dims=True)


def cosine(memory: Tensor, key: Tensor) -> Tensor:
    """[batch, rows]: the cosine of the angle between each row of memory [batch, rows, width] and key [batch, width]."""
    key = expand_dims(key, 1)
    products = reduce_sum(memory * key, 2)
    return products * RSQRT(reduce_sum(SQUARE(memory), 2) * reduce_sum(SQUARE(key), 2) + SMALL * SMALL)


def _cut(x: Tensor, sizes: list[int]) -> list[Tensor]:
    """x [batch, sum of sizes] in parts side by side."""
    starts = np.cumsum([0, *sizes]).tolist()
    return [slice_(x, [0, start], [-1, size]) for start, size in zip(starts, sizes, strict=False)]
