"""Feeds: what a client gives, made into what stands in for a tensor [W10, W35].

    Feed(tensor)(value) -> array        converted where nothing is lost, and checked against the tensor's shape

Next: runtime/signature.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import bfloat16, string
from refflow.core.graph import Operation, Tensor
from refflow.core.narrow import of_bits
from refflow.core.sparse_tensor import SparseTensor
from refflow.core.values import as_bfloat16, as_value


class Feed:
    """How a value is turned into what stands in for a tensor."""

    def __init__(self, tensor: Tensor):
        self.tensor = tensor
        self.dtype = tensor.dtype.base_dtype
        self.numpy_type = np.dtype(self.dtype.as_numpy_dtype)

    def __call__(self, value: Any) -> np.ndarray:
        if isinstance(value, (Tensor, Operation)):
            raise TypeError(f"{value!r} is fed for {self.tensor.name!r}, but only values can be fed, no nodes")
        array = self._array(value)
        if not shapes.compatible(self.tensor.dims, array.shape):
            raise ValueError(
                f"cannot feed a value of shape {shapes.text(array.shape)} for {self.tensor.name!r}, "
                f"which has shape {shapes.text(self.tensor.dims)}"
            )
        return array

    def _array(self, value: Any) -> np.ndarray:
        if self.dtype is string:
            return as_value(value, string)
        if self.dtype is bfloat16:
            return as_bfloat16(value)
        if self.dtype.is_narrow:
            return of_bits(value, self.dtype)
        try:
            array = np.asarray(value)
            if self.dtype.is_quantized and array.dtype.kind in "iu":  # the integers that it stands for
                array = array.astype(self.numpy_type[self.dtype.name]).view(self.numpy_type)
            kinds_fit = array.dtype.kind == self.numpy_type.kind or array.size == 0
            if not kinds_fit and not np.can_cast(array.dtype, self.numpy_type, "same_kind"):
                raise TypeError(f"{array.dtype} values do not become {self.dtype.name} without loss")
            return array.astype(self.numpy_type, copy=False)
        except (TypeError, ValueError) as error:
            where = f"{self.tensor.name!r}, which is {self.dtype.name}"
            raise type(error)(f"cannot feed {short(value)} for {where}: {error}") from None


def three_for_sparse(feed_dict: Mapping[Any, Any]) -> dict[Any, Any]:
    """The feeds with the parts of a SparseTensor in its place; its value is a SparseTensorValue or such a tuple."""
    found: dict[Any, Any] = {}
    for key, value in feed_dict.items():
        if isinstance(key, SparseTensor):
            found |= dict(zip((key.indices, key.values, key.shape), value, strict=True))
        else:
            found[key] = value
    return found


def short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 80 else text[:77] + "..."
