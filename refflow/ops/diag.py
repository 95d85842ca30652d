"""The diagonal of a tensor whose axes come in pairs [W06].

    Diag        output[i..., i...] = diagonal[i...], and zero elsewhere: twice the rank
    DiagPart    diagonal[i...] = input[i..., i...]

Next: ops/matrix_diag.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.errors import ShapeError
from refflow.core.graph import Tensor
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.ops.array import ANY

DIAG = define_op("Diag", "diagonal: T[...S] -> output: T[...S, ...S]", T=ANY, source=("W06",))
DIAG_PART = define_op("DiagPart", "input: T -> diagonal: T", T=ANY, source=("W06",))


@DIAG.kernel
def diag_kernel(diagonal):
    found = np.zeros((diagonal.size, diagonal.size), diagonal.dtype)
    np.fill_diagonal(found, diagonal.reshape(-1))
    return found.reshape(diagonal.shape * 2)


@DIAG.shape
def _diag_shape(context: ShapeContext) -> shapes.Shape:
    dims = context.dims("diagonal")
    if dims == ():
        raise ShapeError("Input must be at least rank 1, got 0")
    return None if dims is None else dims * 2


@DIAG.gradient
def _diag_gradient(op, dy):
    """The diagonal of dy."""
    return DIAG_PART(dy)


@DIAG_PART.kernel
def diag_part_kernel(input):
    half = input.shape[: input.ndim // 2]
    size = int(np.prod(half))
    return np.ascontiguousarray(np.diagonal(input.reshape(size, size))).reshape(half)


@DIAG_PART.shape
def _diag_part_shape(context: ShapeContext) -> shapes.Shape:
    dims = context.dims("input")
    if dims is None:
        return None
    if len(dims) % 2 or not dims:
        gap = " " * 42  # TensorFlow's text has it
        raise ShapeError(
            f"Input must have even and non-zero rank, input rank is {len(dims)}: The rank of the tensor should be{gap}"
            f"even and positive, got shape {shapes.text(dims)}"
        )
    half = len(dims) // 2
    if not shapes.compatible(dims[:half], dims[half:]):
        unlike = next(i for i in range(half) if dims[i] != dims[half + i])
        raise ShapeError(
            f"Invalid shape {shapes.text(dims)}: dimensions {unlike} and {unlike + half} do not match."
        )
    return shapes.merge(dims[:half], dims[half:])


@DIAG_PART.gradient
def _diag_part_gradient(op, dy):
    """dy on a diagonal."""
    return DIAG(dy)


DIAG.case("W06", "on the diagonal", diagonal=[1, 2], output=[[1, 0], [0, 2]])
DIAG_PART.case("W06", "off the diagonal", input=[[1, 9], [9, 2]], diagonal=[1, 2])
DIAG_PART.case("W06", "a scalar has none", input=3, error="even and positive, got shape []")
DIAG_PART.case("W06", "axes come in pairs", input=[1, 2], error="even and positive, got shape [2]")

def diag(diagonal: Any, name: str | None = None) -> Tensor:
    """A tensor of twice the rank with `diagonal` on its diagonal, zero elsewhere."""
    return DIAG(diagonal, name=name)
