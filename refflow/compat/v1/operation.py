"""Operations of 1.x's graphs: described by NodeDef messages, and changed by those who know what they do.

    op.node_def               a NodeDef message; refflow's plain record where protobuf is not installed
    op._set_attr(name, m)     an attribute from an AttrValue message
    op._update_input(0, t)    another tensor in the place of the first input

Sessions that have run an operation go on with what it was.

Next: compat/v1/sessions.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from refflow.core import tensor as first
from refflow.core.dtypes import DType
from refflow.core.graph import Tensor
from refflow.core.shapes import TensorShape
from refflow.interop import protos
from refflow.interop.schema import message


class Operation(first.Operation):
    """The first release's, with what inner code of 1.x asks of one."""

    __slots__ = ()

    @property
    def node_def(self) -> Any:
        """The operation as a NodeDef."""
        try:
            found = message("NodeDef")()
        except ImportError:
            return self.definition
        protos.write_node(self.definition, found)
        return found

    def get_attr(self, name: str) -> Any:
        """The attribute's value: texts as bytes, shapes and tensors as their messages."""
        return _given(super().get_attr(name))

    def __str__(self) -> str:
        return str(self.node_def)

    @property
    def _original_op(self) -> Any:
        return self.original_op

    @property
    def _input_types(self) -> list[DType]:
        return [t.dtype for t in self.inputs]

    @property
    def _output_types(self) -> list[int]:
        return [int(t.dtype) for t in self.outputs]

    @property
    def _control_outputs(self) -> list[Any]:
        return [op for op in self.graph.get_operations() if self in op.control_inputs]

    def _set_attr(self, attr_name: str, attr_value: Any) -> None:
        self.attrs[attr_name] = protos.read_attr(attr_value)

    def _clear_attr(self, attr_name: str) -> None:
        self.attrs.pop(attr_name, None)

    def _remove_all_control_inputs(self) -> None:
        self.control_inputs = []

    def _update_input(self, index: int, tensor: Any) -> None:
        if not isinstance(tensor, Tensor):
            raise TypeError(f"tensor must be a Tensor: {tensor}")
        if tensor.graph is not self.graph:
            raise ValueError(f"{tensor} must be from the same graph as {self}.")
        before = self.inputs[index]
        before._consumers.remove(self)
        self.inputs[index] = tensor
        tensor._consumers.append(self)

    def _update_inputs(self, tensors: Sequence[Any]) -> None:
        for index, tensor in enumerate(tensors):
            self._update_input(index, tensor)


def _given(value: Any) -> Any:
    """An attribute's value as a program is given it."""
    if isinstance(value, list):
        return [_given(v) for v in value]
    if not isinstance(value, (TensorShape, np.ndarray)):
        return value
    try:
        found = message("AttrValue")()
    except ImportError:
        return value
    protos.write_attr(value, found)
    return found.shape if isinstance(value, TensorShape) else found.tensor
