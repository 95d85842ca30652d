"""Arrays as TensorProto messages and back, and what is known of a tensor before anything runs.

Next: compat/v1/version.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core.constants import constant_value
from refflow.core.dtypes import as_dtype
from refflow.core.errors import ShapeError
from refflow.core.graph import Tensor
from refflow.core.values import as_value

__all__ = ["get_static_value", "make_ndarray", "make_tensor_proto"]


def make_tensor_proto(
    values: Any, dtype: Any = None, shape: Any = None, verify_shape: bool = False, allow_broadcast: bool = False
) -> Any:
    """`values` as a TensorProto message; the last value stands for all that `shape` has beyond them."""
    from refflow.interop.protos import write_tensor
    from refflow.interop.schema import message

    wanted = None if dtype is None else as_dtype(dtype).base_dtype
    array = as_value(values, wanted, explicit=True)
    if shape is not None:
        array = _shaped(array, [int(n) for n in shape], verify_shape)
    proto = message("TensorProto")()
    write_tensor(array, as_dtype(array.dtype) if wanted is None else wanted, proto)
    proto.tensor_shape.SetInParent()  # a scalar's, too, which is empty
    return proto


def _shaped(array: np.ndarray, sizes: list[int], verify: bool) -> np.ndarray:
    """The elements in another shape, the last as often as the shape has room for."""
    count = int(np.prod(sizes, dtype=np.int64))
    if verify and list(array.shape) != sizes:
        raise TypeError(f"Expected Tensor's shape: {tuple(sizes)}, but got {array.shape}.")
    if array.size > count or (count and not array.size):
        raise ShapeError(f"Too many elements provided. Takes at most {count}, but got {array.size}")
    more = [array.reshape(-1)[-1:]] * (count - array.size)
    return np.concatenate([array.reshape(-1), *more]).reshape(sizes)


def make_ndarray(tensor: Any) -> np.ndarray:
    """The array that a TensorProto message holds."""
    from refflow.interop.protos import read_tensor

    return read_tensor(tensor)


def get_static_value(tensor: Any, partial: bool = False) -> Any:
    """A tensor's value where it is known before the step runs, else None; partial: of a vector what is known."""
    if not isinstance(tensor, Tensor):
        return tensor if isinstance(tensor, np.ndarray) else None
    found = constant_value(tensor)
    if found is None and partial and tensor.op.type == "Pack" and not tensor.op.get_attr("axis"):
        parts = [get_static_value(x) for x in tensor.op.inputs]
        return None if all(p is None for p in parts) else np.array(parts, object)
    return found
