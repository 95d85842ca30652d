"""The shape that Reshape gives: the sizes that are asked for, with the one that is left open found.

    [2, 6] as [4, -1]            12 elements / 4 = 3        [4, 3]
    [2, 6] as [n, 3], n fed      12 elements / 3 = 4        [4, 3], for it cannot be anything else
"""

from __future__ import annotations

from math import prod

from refflow.core import shapes
from refflow.core.errors import ShapeError
from refflow.core.shape_rules import ShapeContext
from refflow.core.shapes import is_known
from refflow.ops.constant import shape_from

MOST_ELEMENTS = 2**63 - 1  # elements of a tensor: their number is an int64


def reshaped(dims: shapes.Shape, sizes: list[int]) -> shapes.Dims:
    """`sizes` with the -1 found. Of sizes of zero on both sides, only what is left decides."""
    if sizes.count(-1) > 1:
        first, second = [i for i, s in enumerate(sizes) if s == -1][:2]
        raise ShapeError(f"Only one input size may be -1, not both {first} and {second}: shape = {sizes}")
    if prod(s for s in sizes if s > 0) > MOST_ELEMENTS:
        raise ShapeError(f"Shape {sizes} has too many elements")
    for i, s in enumerate(sizes):
        if s < -1:
            raise ShapeError(f"Size {i} must be non-negative, not {s}: only -1 has a meaning, to be found")
    if not is_known(dims):
        return tuple(None if s == -1 else s for s in sizes)
    count, known = prod(dims), prod(s for s in sizes if s != -1)  # type: ignore[arg-type]
    if -1 in sizes:
        if 0 in sizes and count == 0:
            left = prod(d for d in dims if d)  # type: ignore[union-attr, misc]
            return tuple(left // prod(s for s in sizes if s > 0) if s == -1 else s for s in sizes)
        if known == 0:
            raise ShapeError(
                f"Input to reshape is a tensor with {count} values, but the requested shape has 0: shape = {sizes}"
            )
        if count % known:
            raise ShapeError(
                f"Input to reshape is a tensor with {count} values, but the requested shape requires a multiple of "
                f"{known}: shape = {sizes}"
            )
        return tuple(count // known if s == -1 else s for s in sizes)
    if known != count:
        raise ShapeError(
            f"Input to reshape is a tensor with {count} values, but the requested shape has {known}: shape = {sizes}"
        )
    return tuple(sizes)


def reshaped_dims(context: ShapeContext, tensor: str, shape: str) -> shapes.Shape:
    """What is known of the result: one size that is not given is what is left, where that is known."""
    dims, sizes = context.dims(tensor), context.ints(shape)
    if sizes is not None:
        return reshaped(dims, sizes)
    known = shape_from(context, shape)
    if known is None or known.count(None) > 1 or not is_known(dims):
        return known
    if None not in known:
        return reshaped(dims, list(known))  # type: ignore[arg-type]
    count, rest = prod(dims), prod(s for s in known if s is not None)  # type: ignore[arg-type]
    return tuple(count // rest if s is None else s for s in known) if rest and count % rest == 0 else known
