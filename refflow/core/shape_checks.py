"""What several shape rules ask of a shape, in each op's own words.

What is not known yet agrees with everything.

Next: core/shape_rules.py.
"""

from __future__ import annotations

from typing import Any

from refflow.core import shapes
from refflow.core.errors import ShapeError


def need_rank(dims: shapes.Shape, rank: int, text: str) -> None:
    """ShapeError where a shape is known and of another rank; in `text` {0} is the shape, {1} its rank."""
    if dims is not None and len(dims) != rank:
        raise ShapeError(text.format(shapes.text(dims), len(dims)))


def need_equal(a: Any, b: Any, text: str) -> None:
    """ShapeError where two sizes are known and differ; {0} and {1} in `text` are the sizes."""
    if a is not None and b is not None and a != b:
        raise ShapeError(text.format(a, b))


def either(a: int | None, b: int | None) -> int | None:
    """Of two sizes that are the same, what is known of them."""
    return b if a is None else a


def of_rank(dims: shapes.Shape, rank: int) -> shapes.Dims:
    """A shape that has this rank, whether or not anything of it is known yet."""
    return (None,) * rank if dims is None else dims


def size_at(dims: shapes.Shape, axis: int) -> int | None:
    """A shape's size along an axis, None where it is not known."""
    return None if dims is None else dims[axis]
