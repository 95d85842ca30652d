"""Handles: what stands in a tensor for state, such as a resource variable, a table or a queue.

A handle is a 0-d object array whose one element is the state itself; kernels that are given it ask the state. While
building, a `HandleSpec` says what the state will be like.

Next: core/build.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refflow.core.dtypes import DType
from refflow.core.errors import InvalidArgumentError
from refflow.core.shapes import Shape


class HandleSpec(NamedTuple):
    """What is known of a variable before there is one."""

    dtype: DType
    shape: Shape


def handle_to(state: Any) -> np.ndarray:
    """A tensor that stands for `state`."""
    array = np.empty((), object)
    array[()] = state
    return array


def state_of(handle: Any) -> Any:
    """The state behind a handle; InvalidArgumentError where the tensor holds none."""
    state = handle.item() if isinstance(handle, np.ndarray) and handle.size == 1 else handle
    if state is None or isinstance(state, (np.ndarray, bytes)):
        raise InvalidArgumentError(None, None, f"expected a handle of a resource, got {type(state).__name__}")
    return state
