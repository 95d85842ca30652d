"""What a checkpoint keeps beside variables: objects that say which tensors are written and how they are restored [O05].

    class Entries(SaveableObject):
        def __init__(self, table, name):
            keys, values = table.export()
            super().__init__(table, [SaveSpec(keys, "", name + "-keys"), SaveSpec(values, "", name + "-values")], name)

        def restore(self, restored_tensors, restored_shapes):
            return load(self.op, *restored_tensors)

Next: train/optimizer.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from refflow.core.dtypes import DType, as_dtype
from refflow.core.graph import Operation, Tensor


class SaveSpec:
    """One tensor of a checkpoint: the tensor or a function that makes it, which part of a whole it is, its name."""

    def __init__(self, tensor: Any, slice_spec: str, name: str, dtype: Any = None, device: str | None = None):
        self._tensor, self.slice_spec, self.name = tensor, slice_spec, name
        if dtype is None and not isinstance(tensor, Tensor):
            raise AssertionError("When passing a callable `tensor` to a SaveSpec, an explicit dtype must be provided.")
        self.dtype: DType = tensor.dtype.base_dtype if dtype is None else as_dtype(dtype)
        self.device = tensor.device if device is None and isinstance(tensor, Tensor) else device

    @property
    def tensor(self) -> Tensor:
        make: Callable[[], Tensor] | None = None if isinstance(self._tensor, Tensor) else self._tensor
        return self._tensor if make is None else make()


class SaveableObject:
    """`op`, whatever it is, as the tensors that `specs` name."""

    optional_restore = False

    def __init__(self, op: Any, specs: Sequence[SaveSpec], name: str):
        self.op, self.specs, self.name = op, list(specs), name

    @property
    def device(self) -> str:
        """Where the first of its tensors is."""
        return self.specs[0].tensor.device

    def restore(self, restored_tensors: Sequence[Tensor], restored_shapes: Any) -> Operation:
        """The operation that gives the object these values, in the order of `specs`."""
        raise ValueError(f"Calling an abstract method: {type(self).__name__} does not say how it is restored.")
