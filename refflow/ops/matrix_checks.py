"""What fits an operation on batches of matrices: the same sentences for all of them.

    matrices        every input has rank 2 or more, all ranks agree, and all batches
    square          and the matrices of one input are square
    stretched       batches stretch as in broadcasting: the triangular solvers

Sizes that are not known yet agree with everything.

Next: ops/linalg.py.
"""

from __future__ import annotations

import numpy as np

from refflow.core import shapes
from refflow.core.errors import ShapeError
from refflow.core.shape_checks import either
from refflow.core.shape_rules import ShapeContext
from refflow.core.shapes import Shape

NOT_SQUARE = "Input matrix must be square."


def has_nan(x: np.ndarray) -> bool:
    return bool(np.isnan(x).any())


def matrices(context: ShapeContext, *names: str) -> list[Shape]:
    """The shapes of the inputs `names`, of which at least the first is there."""
    found = [context.dims(name) for name in names]
    for i, dims in enumerate(found):
        if dims is None:
            continue
        if len(dims) < 2 and (i == 0 or found[0] is None):
            raise ShapeError(f"Input tensor {i} must have rank >= 2, got {len(dims)}")
        first = found[0]
        if first is not None and len(first) != len(dims):
            raise ShapeError("All input tensors must have the same rank.")
        if first is not None and not shapes.compatible(first[:-2], dims[:-2]):
            raise ShapeError("All input tensors must have the same outer dimensions.")
    return found


def must_be_square(dims: Shape, text: str = NOT_SQUARE) -> None:
    if dims is not None and not shapes.compatible(dims[-2:-1], dims[-1:]):
        raise ShapeError(f"{text} Got shape {shapes.text(dims)}")


def square(context: ShapeContext, name: str = "input") -> Shape:
    """The shape of a batch of square matrices."""
    (dims,) = matrices(context, name)
    return squared(dims)


def squared(dims: Shape) -> Shape:
    """What is known of a shape whose last two sizes are the same; a ShapeError where they differ."""
    must_be_square(dims)
    return None if dims is None else (*dims[:-2], either(*dims[-2:]), either(*dims[-2:]))


def equations(context: ShapeContext) -> tuple[Shape, Shape]:
    """The shapes of `matrix` and `rhs`, whose rows agree."""
    a, b = matrices(context, "matrix", "rhs")
    if a is not None and b is not None and not shapes.compatible(a[-2:-1], b[-2:-1]):
        raise ShapeError(f"Input matrix and rhs are incompatible. {shapes.text(a)} and {shapes.text(b)}")
    return a, b


def stretched(a: Shape, b: Shape, flags: str) -> Shape:
    """The shape of X in A X = B, where batches stretch and rows of B are columns of A."""
    for i, dims in enumerate((a, b)):
        if dims is not None and len(dims) < 2:
            raise ShapeError(f"In[{i}] ndims must be >= 2: {len(dims)}")
    if a is None or b is None:
        return None
    try:
        batch = shapes.broadcast(a[:-2], b[:-2]) or ()
    except ShapeError:
        raise ShapeError(
            f"In[0] and In[1] must have compatible batch dimensions: {shapes.text(a)} vs. {shapes.text(b)}"
        ) from None
    if None not in (a[-1], b[-2]) and a[-1] != b[-2]:
        raise ShapeError(f"In[0] mismatch In[1] shape: {a[-1]} vs. {b[-2]}: {shapes.text(a)} {shapes.text(b)} {flags}")
    return (*batch, either(either(b[-2], a[-1]), a[-2]), b[-1])
