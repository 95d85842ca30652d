"""Variants: values in tensors that are no numbers, such as lists of tensors, maps and optionals [W43].

A tensor of variants is an object array; each element is a value that never changes: every operation on it gives a new
one. A kind that can take part in gradients has `zeros_like()` and `+`, which are what ZerosLike and AddN give.

Next: ops/tensor_list_values.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import Any

import numpy as np


def zero_of(value: Any) -> Any:
    """The zero of a tensor's or a variant's kind."""
    zeros_like = getattr(value, "zeros_like", None)
    if zeros_like is not None:
        return zeros_like()
    if isinstance(value, bytes):
        return b""
    array = np.asarray(value)
    return zeros_of(array) if array.dtype == object else np.zeros_like(array)


def zeros_of(array: np.ndarray) -> np.ndarray:
    """An object array with the zero of each element."""
    found = np.empty(array.shape, object)
    for place in np.ndindex(array.shape):
        found[place] = zero_of(array[place])
    return found


def sum_of(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """The sum of object arrays, element by element."""
    found = np.empty(arrays[0].shape, object)
    for place in np.ndindex(found.shape):
        found[place] = reduce(add, [a[place] for a in arrays])
    return found
