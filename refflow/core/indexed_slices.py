"""IndexedSlices: a tensor of which only some rows are there, as the gradient of Gather is.

    dense[indices[i]] += values[i]        every other row is zero; an index may come twice

Next: core/gradients.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from refflow.core.dtypes import DType
from refflow.core.graph import Graph, Operation, Tensor


class IndexedSlices:
    """Rows `values` [n, ...] of a tensor, with their places `indices` [n]."""

    __slots__ = ("dense_shape", "indices", "values")

    def __init__(self, values: Tensor, indices: Tensor, dense_shape: Tensor | None = None):
        self.values = values
        self.indices = indices
        self.dense_shape = dense_shape

    @property
    def name(self) -> str:
        return self.values.name

    @property
    def dtype(self) -> DType:
        return self.values.dtype

    @property
    def op(self) -> Operation:
        return self.values.op

    @property
    def graph(self) -> Graph:
        return self.values.graph

    @property
    def device(self) -> str:
        return self.values.device

    def __repr__(self) -> str:
        return f"IndexedSlices(values={self.values!r}, indices={self.indices!r})"


class IndexedSlicesValue(NamedTuple):
    """What a session returns for IndexedSlices: arrays."""

    values: Any
    indices: Any
    dense_shape: Any
