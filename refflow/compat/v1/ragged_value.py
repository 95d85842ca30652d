"""What a session returns for a RaggedTensor, and takes to feed one: arrays.

Next: compat/v1/ragged_tensor.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["RaggedTensorValue"]


class RaggedTensorValue:
    """values: an array, or another RaggedTensorValue; row_splits: an array [rows + 1]."""

    def __init__(self, values: Any, row_splits: Any):
        if not isinstance(row_splits, (np.ndarray, np.generic)) or row_splits.dtype not in (np.int64, np.int32):
            raise TypeError("Argument `row_splits` must be a NumPy array with dtype int32 or int64.")
        if not isinstance(values, (np.ndarray, np.generic, RaggedTensorValue)):
            raise TypeError(f"Argument `values` must be an array or RaggedTensorValue. Received {values!r}.")
        self.values: Any = values
        self.row_splits: Any = row_splits

    @property
    def flat_values(self) -> np.ndarray:
        return self.values.flat_values if isinstance(self.values, RaggedTensorValue) else self.values

    @property
    def nested_row_splits(self) -> tuple[np.ndarray, ...]:
        inner = self.values.nested_row_splits if isinstance(self.values, RaggedTensorValue) else ()
        return (self.row_splits, *inner)

    @property
    def ragged_rank(self) -> int:
        return len(self.nested_row_splits)

    @property
    def dtype(self) -> np.dtype:
        return self.flat_values.dtype

    @property
    def shape(self) -> tuple[int | None, ...]:
        return (len(self.row_splits) - 1, None, *self.values.shape[1:])

    def to_list(self) -> list[Any]:
        """Lists in lists."""
        inner = self.values.to_list() if isinstance(self.values, RaggedTensorValue) else self.values.tolist()
        return [inner[a:b] for a, b in zip(self.row_splits[:-1], self.row_splits[1:], strict=True)]

    def __repr__(self) -> str:
        return f"tf.RaggedTensorValue(values={self.values!r}, row_splits={self.row_splits!r})"
