"""Cells and unrollings that `tf.contrib.rnn` had, or tf.nn before 1.0, beside those of today's tf.nn.

    EmbeddingWrapper(cell, ...)          symbols in; a cell that reads rows of a table
    OutputProjectionWrapper(cell, n)     outputs times a matrix;  InputProjectionWrapper: inputs

Next: compat/shadow/legacy_seq2seq.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from refflow.compat.v1 import nn
from refflow.compat.v1 import rnn_cell as cells
from refflow.compat.v1.initializers import constant_initializer
from refflow.compat.v1.variables import get_variable, variable_scope
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import float32
from refflow.core.graph import Tensor
from refflow.ops.array import reshape
from refflow.ops.cast import cast
from refflow.ops.joining import concat, pack, unpack
from refflow.ops.reverse import reverse_sequence

LSTMBlockCell = LSTMBlockFusedCell = cells.LSTMCell
GRUBlockCell = GRUBlockCellV2 = cells.GRUCell
rnn = static_rnn = nn.static_rnn


def linear(args: Any, output_size: int, bias: bool = True, bias_start: float = 0.0, scope: Any = None) -> Tensor:
    """The arguments side by side, times a matrix, plus a bias."""
    parts = [convert_to_tensor(x) for x in (args if isinstance(args, (list, tuple)) else [args])]
    sizes = [x.get_shape()[-1].value for x in parts]
    if None in sizes:
        raise ValueError(f"linear: the last size of each argument must be known, got {sizes}")
    with variable_scope(scope or "linear"):
        kind = parts[0].dtype.base_dtype
        whole = concat(1, parts) if len(parts) > 1 else parts[0]
        found = whole @ get_variable("kernel", [sum(sizes), output_size], kind)
        if not bias:
            return found
        return found + get_variable("bias", [output_size], kind, constant_initializer(bias_start, kind))


class _Around(cells.RNNCell):
    """A cell around a cell."""

    def __init__(self, cell: Any):
        super().__init__()
        self._cell = cell

    @property
    def state_size(self) -> Any:
        return self._cell.state_size

    @property
    def output_size(self) -> int:
        return int(self._cell.output_size)

    def zero_state(self, batch_size: Any, dtype: Any = float32) -> Any:
        return self._cell.zero_state(batch_size, dtype)


class EmbeddingWrapper(_Around):
    """A cell whose inputs are symbols [batch]."""

    def __init__(
        self, cell: Any, embedding_classes: int, embedding_size: int, initializer: Any = None, reuse: Any = None
    ):
        super().__init__(cell)
        if embedding_classes <= 0 or embedding_size <= 0:
            raise ValueError(f"Both embedding_classes and embedding_size must be > 0: {embedding_classes}, "
                             f"{embedding_size}.")  # fmt: skip
        self._classes, self._size, self._start, self._reuse = embedding_classes, embedding_size, initializer, reuse

    def call(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        table = get_variable("embedding", [self._classes, self._size], float32, self._start)
        return self._cell(nn.embedding_lookup(table, reshape(inputs, [-1])), state)


class OutputProjectionWrapper(_Around):
    """A cell whose outputs are `output_size` wide."""

    def __init__(self, cell: Any, output_size: int, activation: Callable[[Tensor], Tensor] | None = None,
                 reuse: Any = None):  # fmt: skip
        super().__init__(cell)
        if output_size < 1:
            raise ValueError(f"Parameter output_size must be > 0: {output_size}.")
        self._outputs, self._activation, self._reuse = output_size, activation, reuse

    @property
    def output_size(self) -> int:
        return self._outputs

    def call(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        output, new = self._cell(inputs, state)
        found = linear([output], self._outputs, scope="projection")
        return found if self._activation is None else self._activation(found), new


class InputProjectionWrapper(_Around):
    """A cell whose inputs are first made `num_proj` wide."""

    def __init__(self, cell: Any, num_proj: int, activation: Callable[[Tensor], Tensor] | None = None,
                 input_size: Any = None):  # fmt: skip
        super().__init__(cell)
        self._width, self._activation = num_proj, activation

    def call(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        projected = linear([inputs], self._width, scope="projection")
        return self._cell(projected if self._activation is None else self._activation(projected), state)


def bidirectional_rnn(
    cell_fw: Any, cell_bw: Any, inputs: Sequence[Tensor], initial_state_fw: Any = None, initial_state_bw: Any = None,
    dtype: Any = None, sequence_length: Any = None, scope: Any = None,
) -> tuple[list[Tensor], Any, Any]:  # fmt: skip
    """(outputs of both sides by side, last state forwards, last state backwards), as before 1.0."""
    steps = [convert_to_tensor(x) for x in inputs]
    with variable_scope(scope or "bidirectional_rnn"):
        there, last_fw = static_rnn(cell_fw, steps, initial_state_fw, dtype, sequence_length, "fw")
        turned = _backwards(steps, sequence_length)
        back, last_bw = static_rnn(cell_bw, turned, initial_state_bw, dtype, sequence_length, "bw")
        both = zip(there, _backwards(back, sequence_length), strict=True)
        return [concat(1, [one, other]) for one, other in both], last_fw, last_bw


static_bidirectional_rnn = bidirectional_rnn


def _backwards(steps: list[Tensor], lengths: Any) -> list[Tensor]:
    """The steps of each sequence in the other order; what lies behind its end stays there."""
    if lengths is None:
        return steps[::-1]
    whole = reverse_sequence(pack(steps), cast(convert_to_tensor(lengths), "int64"), 0, batch_dim=1)
    return unpack(whole, len(steps))
