"""Cells around a cell: some of it dropped, its input added to its output, on a device.

A wrapper has no scope and no variables of its own: those of the inner cell are as they would be without it.

Next: compat/v1/rnn.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from refflow.compat.v1.activations import dropout
from refflow.compat.v1.rnn_cells import Cell, LSTMStateTuple, RNNCell, assert_like_rnncell, sizes_after_batch
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import float32
from refflow.core.graph import Tensor, get_default_graph
from refflow.core.nest import flatten, map_structure, pack
from refflow.core.registry import op_def
from refflow.ops.random import random_uniform


class _Wrapper(RNNCell):
    """A cell around a cell, under the inner one's scope."""

    def __init__(self, cell: Cell, **kwargs: Any):
        super().__init__(**kwargs)
        assert_like_rnncell("cell", cell)
        self.cell = cell

    @property
    def wrapped_cell(self) -> Cell:
        """The inner cell."""
        return self.cell

    @property
    def state_size(self) -> Any:
        return self.cell.state_size

    @property
    def output_size(self) -> Any:
        return self.cell.output_size

    def zero_state(self, batch_size: Any, dtype: Any = float32) -> Any:
        with get_default_graph().name_scope(f"{type(self).__name__}ZeroState"):
            return self.cell.zero_state(batch_size, dtype)


def _memory_stays(state: Any) -> Any:
    """The parts of a state that may be dropped, as truths: of an LSTM's the output, not the memory."""
    if isinstance(state, LSTMStateTuple):
        return LSTMStateTuple(c=False, h=True)
    return not hasattr(state, "_with_parts")  # a TensorArray stays


class DropoutWrapper(_Wrapper):
    """A cell that drops some of its inputs, outputs and states.

    variational_recurrent: the same places at every step, drawn when the wrapper is made; it needs `dtype`, and
    `input_size` where inputs are dropped. dropout_state_filter_visitor: from a part of the state to what of it may be
    dropped, as truths.
    """

    def __init__(
        self, cell: Cell, input_keep_prob: Any = 1.0, output_keep_prob: Any = 1.0, state_keep_prob: Any = 1.0,
        variational_recurrent: bool = False, input_size: Any = None, dtype: Any = None, seed: int | None = None,
        dropout_state_filter_visitor: Callable[[Any], Any] | None = None, **kwargs: Any,
    ):  # fmt: skip
        super().__init__(cell, dtype=dtype, **kwargs)
        if dropout_state_filter_visitor is not None and not callable(dropout_state_filter_visitor):
            raise TypeError("dropout_state_filter_visitor must be callable")
        self._filter, self._seed = dropout_state_filter_visitor or _memory_stays, seed
        self._shares = {"input": input_keep_prob, "state": state_keep_prob, "output": output_keep_prob}
        for name, keep in self._shares.items():
            if isinstance(keep, (int, float)) and not 0 < keep <= 1:
                raise ValueError(f"Parameter {name}_keep_prob must be between 0 and 1: {keep}")
        self._noise: dict[str, list[Tensor]] = {}
        if variational_recurrent:
            self._draw(input_size, dtype)

    def _draw(self, input_size: Any, dtype: Any) -> None:
        if dtype is None:
            raise ValueError("When variational_recurrent=True, dtype must be provided")
        sizes = {"input": input_size, "state": self.cell.state_size, "output": self.cell.output_size}
        for part, size in sizes.items():
            if part == "input" and self._everything("input"):
                continue
            if size is None:
                raise ValueError("When variational_recurrent=True and input_keep_prob < 1.0 or is unknown, input_size "
                                 "must be provided")  # fmt: skip
            leaves = [size] if part == "input" else flatten(size)
            self._noise[part] = [
                random_uniform([1, *sizes_after_batch(s)], dtype=dtype, seed=self._salted(part, i))
                for i, s in enumerate(leaves)
            ]

    def _everything(self, part: str) -> bool:
        keep = self._shares[part]
        return isinstance(keep, (int, float)) and keep == 1

    def _salted(self, salt: str, index: int) -> int | None:
        """A seed for each place that draws."""
        if self._seed is None:
            return None
        text = f"{self._seed}{salt}_{index}".encode()
        return int(hashlib.md5(text).hexdigest()[:8], 16) & 0x7FFFFFFF

    def __call__(self, inputs: Any, state: Any, scope: Any = None, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        output, new = self.cell(self._dropped(map_structure(convert_to_tensor, inputs), "input"), state, scope)
        return self._dropped(output, "output"), self._dropped_state(new)

    def _dropped(self, values: Any, part: str) -> Any:
        if self._everything(part):
            return values
        return pack(values, [self._dropped_one(v, part, i) for i, v in enumerate(flatten(values))])

    def _dropped_one(self, value: Tensor, part: str, index: int) -> Tensor:
        keep = self._shares[part]
        if part not in self._noise:
            return dropout(value, keep_prob=keep, seed=self._salted(part, index))
        found = value / keep * op_def("Floor")(self._noise[part][index] + keep)
        found.set_shape(value.get_shape())
        return found

    def _dropped_state(self, state: Any) -> Any:
        if self._everything("state"):
            return state
        may = self._may_drop(state)
        return pack(state, [
            self._dropped_one(part, "state", i) if yes else part
            for i, (part, yes) in enumerate(zip(flatten(state), may, strict=True))
        ])  # fmt: skip

    def _may_drop(self, state: Any) -> list[bool]:
        """For each leaf of a state whether it may be dropped: what the filter says of it, or of what it is in."""
        said = self._filter(state)
        if isinstance(said, (list, tuple, dict)):
            return flatten(said)
        if said and isinstance(state, (list, tuple)):
            return [yes for part in state for yes in self._may_drop(part)]
        return [bool(said)] * len(flatten(state))


class ResidualWrapper(_Wrapper):
    """A cell whose input is added to its output, or what residual_fn(inputs, outputs) makes of them."""

    def __init__(self, cell: Cell, residual_fn: Callable[[Any, Any], Any] | None = None, **kwargs: Any):
        super().__init__(cell, **kwargs)
        self._residual_fn = residual_fn

    def __call__(self, inputs: Any, state: Any, scope: Any = None, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        inputs = map_structure(convert_to_tensor, inputs)
        output, new = self.cell(inputs, state, scope)
        return (self._residual_fn or _added)(inputs, output), new


def _added(inputs: Any, outputs: Any) -> Any:
    def one(x: Tensor, y: Tensor) -> Tensor:
        x.get_shape().assert_is_compatible_with(y.get_shape())
        return x + y

    return map_structure(one, inputs, outputs)


class DeviceWrapper(_Wrapper):
    """A cell on a device."""

    def __init__(self, cell: Cell, device: Any, **kwargs: Any):
        super().__init__(cell, **kwargs)
        self._device = device

    def zero_state(self, batch_size: Any, dtype: Any = float32) -> Any:
        with get_default_graph().device(self._device):
            return super().zero_state(batch_size, dtype)

    def __call__(self, inputs: Any, state: Any, scope: Any = None, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        with get_default_graph().device(self._device):
            return self.cell(inputs, state, scope)
