"""Static shapes: what is known of a tensor's extent before anything runs.

A tensor has any number of axes: none is a number, one a vector, two a matrix, three an image of rows, columns and
colours [S36]. A `TensorShape` is unknown (nothing, not even the rank), partly known (`[None, 784]`) or fully known.
Two shapes are *compatible* when some array could have both; *merging* keeps what either one knows.

    [None, 784] merged with [64, None]  ->  [64, 784]

Inside refflow a shape is a plain tuple of int or None, or None where the rank is unknown; the classes
here are that tuple with the names and the checks that users see.

Next: core/graphdef.py.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator
from math import prod
from typing import Any

from refflow.core.errors import ShapeError

Dims = tuple[int | None, ...]
Shape = Dims | None  # None: nothing is known, not even the rank


def _size(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, Dimension):
        return value.value
    try:
        size = operator.index(value)
    except TypeError:
        raise TypeError(
            f"Dimension value must be integer or None or have an __index__ method, got value {value!r} with type "
            f"{type(value)}"
        ) from None
    if size < 0:
        raise ShapeError(f"Dimension {size} must be >= 0: a size cannot be negative")
    return size


def text(shape: Iterable[Any] | None) -> str:
    """`[64,?]` as TensorFlow writes it, or `<unknown>` where the rank is unknown."""
    if shape is None:
        return "<unknown>"
    return "[" + ",".join("?" if d is None else str(d) for d in shape) + "]"


def python_text(shape: Shape) -> str:
    """`(64, ?)` as TensorFlow's Python client writes it."""
    if shape is None:
        return "<unknown>"
    return "(" + ", ".join("?" if d is None else str(d) for d in shape) + ("," if len(shape) == 1 else "") + ")"


def is_known(shape: Shape) -> bool:
    """True when every dimension is known."""
    return shape is not None and None not in shape


def compatible(a: Shape, b: Shape) -> bool:
    """True when some array could have both shapes."""
    if a is None or b is None:
        return True
    return len(a) == len(b) and all(x == y or x is None or y is None for x, y in zip(a, b, strict=True))


def merge(a: Shape, b: Shape) -> Shape:
    """The most specific shape that agrees with both."""
    if a is None:
        return b
    if b is None:
        return a
    if len(a) != len(b):
        both = f"{len(a)} and {len(b)}. Shapes are {text(a)} and {text(b)}"
        raise ShapeError(f"Shapes must be equal rank, but are {both}")
    for i, (x, y) in enumerate(zip(a, b, strict=True)):
        if x != y and x is not None and y is not None:
            both = f"{x} and {y}. Shapes are {text(a)} and {text(b)}"
            raise ShapeError(f"Dimension {i} in both shapes must be equal, but are {both}")
    return tuple(y if x is None else x for x, y in zip(a, b, strict=True))


def broadcast(a: Shape, b: Shape) -> Shape:
    """The shape of an elementwise result: sizes are aligned from the right, and 1 stretches."""
    if a is None or b is None:
        return None
    rank = max(len(a), len(b))
    pairs = zip((1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b, strict=True)
    return tuple(_stretch(x, y, a, b) for x, y in pairs)


def _stretch(x: int | None, y: int | None, a: Shape, b: Shape) -> int | None:
    if x == y or y == 1:
        return x
    if x == 1:
        return y
    if x is None:
        return y  # a size other than 1 can only meet itself or 1
    if y is None:
        return x
    raise ShapeError(
        f"Incompatible shapes: {text(a)} vs. {text(b)}: {x} meets {y}. Sizes must be equal, or one of them 1"
    )


def _type(value: Any) -> str:
    return repr(type(value).__name__)


class Dimension:
    """One size, possibly unknown. Two unknown sizes are not known to be equal: `==` gives None."""

    __slots__ = ("_value",)

    def __init__(self, value: Any):
        self._value = _size(value)

    @property
    def value(self) -> int | None:
        return self._value

    def __int__(self) -> int:
        if self._value is None:
            raise ValueError("this dimension is not known before the step runs")
        return self._value

    def __index__(self) -> int:
        return int(self)

    def _compare(self, other: Any, op: Any) -> Any:
        other = _size(other)
        return None if self._value is None or other is None else op(self._value, other)

    def __eq__(self, other: object) -> Any:
        try:
            return self._compare(other, operator.eq)
        except (TypeError, ValueError):
            return NotImplemented

    def __ne__(self, other: object) -> Any:
        try:
            return self._compare(other, operator.ne)
        except (TypeError, ValueError):
            return NotImplemented

    def __lt__(self, other: Any) -> Any:
        return self._compare(other, operator.lt)

    def __le__(self, other: Any) -> Any:
        return self._compare(other, operator.le)

    def __gt__(self, other: Any) -> Any:
        return self._compare(other, operator.gt)

    def __ge__(self, other: Any) -> Any:
        return self._compare(other, operator.ge)

    def __hash__(self) -> int:
        return hash(self._value)

    def _combine(self, other: Any, op: Any) -> Dimension:
        other = _size(other)
        return Dimension(None if self._value is None or other is None else op(self._value, other))

    def _combined(self, other: Any, op: Any) -> Dimension:
        """The same with `other` on the left."""
        return Dimension(other)._combine(self, op)

    def __add__(self, other: Any) -> Dimension:
        return self._combine(other, operator.add)

    def __sub__(self, other: Any) -> Dimension:
        return self._combine(other, operator.sub)

    def __mul__(self, other: Any) -> Dimension:
        return self._combine(other, operator.mul)

    def __floordiv__(self, other: Any) -> Dimension:
        return self._combine(other, operator.floordiv)

    def __mod__(self, other: Any) -> Dimension:
        return self._combine(other, operator.mod)

    def __rsub__(self, other: Any) -> Dimension:
        return self._combined(other, operator.sub)

    def __rfloordiv__(self, other: Any) -> Dimension:
        return self._combined(other, operator.floordiv)

    def __rmod__(self, other: Any) -> Dimension:
        return self._combined(other, operator.mod)

    def __truediv__(self, other: Any) -> Dimension:
        raise TypeError(f"unsupported operand type(s) for /: 'Dimension' and {_type(other)}, please use // instead")

    def __rtruediv__(self, other: Any) -> Dimension:
        raise TypeError(f"unsupported operand type(s) for /: {_type(other)} and 'Dimension', please use // instead")

    __radd__ = __add__
    __rmul__ = __mul__

    def is_compatible_with(self, other: Any) -> bool:
        other = _size(other)
        return self._value is None or other is None or self._value == other

    def assert_is_compatible_with(self, other: Any) -> None:
        if not self.is_compatible_with(other):
            raise ShapeError(f"Dimensions {self} and {Dimension(other)} are not compatible")

    def merge_with(self, other: Any) -> Dimension:
        self.assert_is_compatible_with(other)
        return Dimension(_size(other) if self._value is None else self._value)

    def __repr__(self) -> str:
        return f"Dimension({self._value})"

    def __str__(self) -> str:
        return "?" if self._value is None else str(self._value)


class TensorShape:
    """The static shape of a tensor.

    >>> TensorShape([None, 784]).merge_with([64, None]).as_list()
    [64, 784]
    """

    __slots__ = ("_dims",)

    def __init__(self, dims: Any):
        if dims is None:
            self._dims: Shape = None
        elif isinstance(dims, TensorShape):
            self._dims = dims._dims
        elif isinstance(dims, (int, Dimension)):
            self._dims = (_size(dims),)
        else:
            self._dims = tuple(_size(d) for d in dims)

    @classmethod
    def _of(cls, dims: Shape) -> TensorShape:
        self = object.__new__(cls)
        self._dims = dims
        return self

    @property
    def as_tuple(self) -> Shape:
        """The plain tuple that refflow computes with."""
        return self._dims

    @property
    def dims(self) -> list[Dimension] | None:
        return None if self._dims is None else [Dimension(d) for d in self._dims]

    @property
    def ndims(self) -> int | None:
        return None if self._dims is None else len(self._dims)

    rank = ndims

    def __len__(self) -> int:
        return len(self._known_rank())

    def __bool__(self) -> bool:
        """True when the rank is known."""
        return self._dims is not None

    def __iter__(self) -> Iterator[Dimension]:
        return iter([Dimension(d) for d in self._known_rank("Cannot iterate over a shape with unknown rank.")])

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return TensorShape._of(_slice_of_unknown(key) if self._dims is None else self._dims[key])
        return Dimension(None if self._dims is None else self._dims[key])

    def __add__(self, other: Any) -> TensorShape:
        return self.concatenate(other)

    def __radd__(self, other: Any) -> TensorShape:
        return TensorShape(other).concatenate(self)

    def _known_rank(self, what: str = "Cannot take the length of shape with unknown rank.") -> Dims:
        if self._dims is None:
            raise ValueError(what)
        return self._dims

    def as_list(self) -> list[int | None]:
        return list(self._known_rank("as_list() is not defined on an unknown TensorShape."))

    def as_dimension_list(self) -> list[Dimension]:
        """The sizes as ints wrapped in Dimension; ValueError unless fully known."""
        self.assert_is_fully_defined()
        return list(self)

    def num_elements(self) -> int | None:
        return prod(self._dims) if self.is_fully_defined() else None  # type: ignore[arg-type]

    def is_fully_defined(self) -> bool:
        return is_known(self._dims)

    def is_compatible_with(self, other: Any) -> bool:
        return compatible(self._dims, TensorShape(other)._dims)

    def merge_with(self, other: Any) -> TensorShape:
        other = TensorShape(other)
        if not self.is_compatible_with(other):
            raise ShapeError(f"Shapes {self} and {other} are not compatible")
        return TensorShape._of(merge(self._dims, other._dims))

    def most_specific_compatible_shape(self, other: Any) -> TensorShape:
        """What is true of both: sizes that they agree on, the rank where they have the same."""
        a, b = self._dims, TensorShape(other)._dims
        if a is None or b is None or len(a) != len(b):
            return TensorShape._of(None)
        return TensorShape._of(tuple(x if x == y else None for x, y in zip(a, b, strict=True)))

    def concatenate(self, other: Any) -> TensorShape:
        other = TensorShape(other)._dims
        return TensorShape._of(None if self._dims is None or other is None else self._dims + other)

    def with_rank(self, rank: int) -> TensorShape:
        if self._dims is None:
            return TensorShape._of((None,) * rank)
        if len(self._dims) != rank:
            raise ShapeError(f"Shape {self} must have rank {rank}")
        return self

    def with_rank_at_least(self, rank: int) -> TensorShape:
        if self._dims is not None and len(self._dims) < rank:
            raise ShapeError(f"Shape {self} must have rank at least {rank}")
        return self

    def with_rank_at_most(self, rank: int) -> TensorShape:
        if self._dims is not None and len(self._dims) > rank:
            raise ShapeError(f"Shape {self} must have rank at most {rank}")
        return self

    def assert_has_rank(self, rank: int) -> None:
        if self._dims is not None and len(self._dims) != rank:
            raise ShapeError(f"Shape {self} must have rank {rank}")

    def assert_same_rank(self, other: Any) -> None:
        other = TensorShape(other)
        if self._dims is not None and other._dims is not None and len(self._dims) != len(other._dims):
            raise ShapeError(f"Shapes {self} and {other} must have the same rank")

    def assert_is_compatible_with(self, other: Any) -> None:
        if not self.is_compatible_with(other):
            raise ShapeError(f"Shapes {self} and {TensorShape(other)} are incompatible: they are not compatible")

    def assert_is_fully_defined(self) -> None:
        if not self.is_fully_defined():
            raise ValueError(f"Shape {self} is not fully defined")

    def __eq__(self, other: object) -> bool:
        try:
            return self._dims == TensorShape(other)._dims
        except (TypeError, ValueError):
            return False

    def __hash__(self) -> int:
        return hash(self._dims)

    def __repr__(self) -> str:
        return f"TensorShape({self.dims})"

    def __str__(self) -> str:
        return python_text(self._dims)


def _slice_of_unknown(key: slice) -> Shape:
    """What is known of a slice of a shape of unknown rank: its length, where both ends count from the same side."""
    start, stop = key.start or 0, key.stop
    if key.step not in (None, 1) or stop is None or (start < 0) != (stop < 0):
        return None
    return (None,) * max(stop - start, 0)


def as_shape(shape: Any) -> TensorShape:
    """`shape` as a TensorShape: a list of sizes, a TensorShape, or None for unknown."""
    return shape if isinstance(shape, TensorShape) else TensorShape(shape)


def unknown_shape(ndims: int | None = None) -> TensorShape:
    return TensorShape._of(None if ndims is None else (None,) * ndims)


def scalar() -> TensorShape:
    return TensorShape._of(())
