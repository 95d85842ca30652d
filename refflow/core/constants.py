"""Values that are known before anything runs: constants, and what follows from them and from shapes.

Shape rules ask for these: the result shape of Reshape or Fill is the *value* of an input, and in a
gradient graph that value is built from Shape, Range, DynamicStitch and their like.

Next: core/sizes.py.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from refflow.core.errors import OpError

if TYPE_CHECKING:
    from refflow.core.graph import Tensor

_LARGEST = 4096  # elements: shape arithmetic is small, and building must stay quick
_DEEPEST = 64  # nodes in a row


def constant_value(tensor: Tensor) -> Any:
    """The tensor's value as an array if it can be known now and is small to compute, else None."""
    return tensor.constant if tensor.constant is not None else _sought(tensor, 0, set())


def _sought(tensor: Tensor, depth: int, unknown: set[Tensor]) -> Any:
    """The same. unknown: what was looked at already, so that nothing is twice, nor a loop gone round."""
    if tensor.constant is None and depth < _DEEPEST and tensor not in unknown:
        unknown.add(tensor)
        tensor.constant = _find(tensor, depth, unknown)
    return tensor.constant


def _find(tensor: Tensor, depth: int, unknown: set[Tensor]) -> Any:
    from refflow.core.sizes import element_of

    op = tensor.op
    if op.type == "Const":
        return op.attrs["value"]
    if op.op_def.constant_rule is not None:
        known = op.op_def.constant_rule(op)
        known = known[tensor.value_index] if isinstance(known, list) else known
        if known is not None:
            return known
    if tensor.dims == () and tensor.dtype.is_integer:
        element = element_of(tensor)
        if element is not None:
            return np.array(element, tensor.dtype.as_numpy_dtype)
    if not op.op_def.foldable or not op.inputs or any(t is None for t in op.inputs):  # a loop that is not closed yet
        return None
    if not all(t.dtype.is_integer or t.dtype.is_bool for t in (*op.inputs, *op.outputs)):
        return None
    # Where a small value may ask for a large result (Fill, Range, Tile), the shape rule knows its size.
    if any(prod(d or 1 for d in t.dims or ()) > _LARGEST for t in op.outputs):
        return None
    arrays = []
    for t in op.inputs:
        array = _sought(t, depth + 1, unknown)
        if array is None or array.size > _LARGEST:
            return None
        arrays.append(array)
    try:
        with np.errstate(all="ignore"):
            found = op.op_def.compute(arrays, op.attrs)[tensor.value_index]
    except (ArithmeticError, LookupError, TypeError, ValueError, OpError):
        return None  # it fails in the step, where it is said which node does
    return None if found is None else np.asarray(found)  # None on the side that a Switch does not take
