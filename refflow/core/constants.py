"""Values that are known before anything runs: constants, and what follows from them and from shapes.

Shape rules ask for these: the result shape of Reshape or Fill is the *value* of an input, and in a
gradient graph that value is built from Shape, Range, DynamicStitch and their like.

Next: core/convert.py.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from refflow.core.graph import Tensor

_LARGEST = 4096  # elements: shape arithmetic is small, and building must stay quick
_DEEPEST = 64  # nodes in a row


def constant_value(tensor: Tensor, depth: int = 0) -> Any:
    """The tensor's value as an array if it can be known now and is small to compute, else None."""
    if tensor.constant is None and depth < _DEEPEST:
        tensor.constant = _find(tensor, depth)
    return tensor.constant


def _find(tensor: Tensor, depth: int) -> Any:
    op = tensor.op
    if op.type == "Const":
        return op.attrs["value"]
    if op.op_def.constant_rule is not None:
        known = op.op_def.constant_rule(op)
        if known is not None:
            return known
    if not op.op_def.foldable or not op.inputs or any(t is None for t in op.inputs):  # a loop that is not closed yet
        return None
    if not all(t.dtype.is_integer or t.dtype.is_bool for t in (*op.inputs, *op.outputs)):
        return None
    # Where a small value may ask for a large result (Fill, Range, Tile), the shape rule knows its size.
    if any(prod(d or 1 for d in t.dims or ()) > _LARGEST for t in op.outputs):
        return None
    arrays = [constant_value(t, depth + 1) for t in op.inputs]
    if any(a is None or a.size > _LARGEST for a in arrays):
        return None
    with np.errstate(all="ignore"):
        found = op.op_def.compute(arrays, op.attrs)[tensor.value_index]
    return None if found is None else np.asarray(found)  # None on the side that a Switch does not take
