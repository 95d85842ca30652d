"""What a TensorList is: tensors by number, their type, and as much of their shape as is common to all [W43].

An element that nobody has set is read as zeros, of the shape that the others have. A zero list has zeros for elements,
and lists of one length add up. A list is never changed: each change gives a new one. Lists that came from one another
by pushes and pops share their elements, so that a push onto the longest copies none of them. Elements may lie in a
device's memory, which is then their home: it does what NumPy does with others.

Next: ops/tensor_list.py.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.variants import sum_of, zero_of

_growing = threading.Lock()


class TensorList:
    """Tensors by number, None where nothing was set, with what is known of an element.

    home: None, or for elements that are no arrays of NumPy what has stacked(elements, dims, dtype), where some may be
    NumPy's all the same, added(a, b) and zeros_like(element).
    """

    __slots__ = ("_count", "_grows", "_shared", "dims", "dtype", "home", "most")

    def __init__(
        self, items: Any, dtype: Any, dims: shapes.Shape, most: int = -1, count: int | None = None, home: Any = None
    ):
        self._shared = items if count is not None else list(items)  # the first `count` are this list's
        self._count = len(self._shared) if count is None else count
        self._grows = count is not None  # what was made whole, a constant it may be, stays as it is
        self.dtype, self.dims, self.most, self.home = dtype, dims, most, home

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, place: int) -> Any:
        """The element of that number, from 0 up to the length."""
        return self._shared[place]

    @property
    def items(self) -> tuple[Any, ...]:
        return tuple(self._shared[: self._count])

    def with_items(self, items: Any) -> TensorList:
        return TensorList(items, self.dtype, self.dims, self.most, None, self.home)

    def pushed(self, item: Any) -> TensorList:
        """This, with `item` behind the others."""
        with _growing:
            longest = self._grows and len(self._shared) == self._count
            shared = self._shared if longest else self._shared[: self._count]
            shared.append(item)
        return TensorList(shared, self.dtype, self.dims, self.most, self._count + 1, self.home)

    def replaced(self, place: int, item: Any) -> TensorList:
        """This, with `item` in the place of another."""
        copied = self._shared[: self._count]
        copied[place] = item
        return TensorList(copied, self.dtype, self.dims, self.most, self._count, self.home)

    def popped(self) -> TensorList:
        """This, without its last element."""
        return TensorList(self._shared, self.dtype, self.dims, self.most, self._count - 1, self.home)

    def zeros_like(self) -> TensorList:
        zero = zero_of if self.home is None else self.home.zeros_like
        return self.with_items(None if v is None else zero(v) for v in self.items)

    def __add__(self, other: Any) -> TensorList:
        if self.dtype is not other.dtype:
            raise ValueError(
                "Trying to add two lists of tensors of different dtypes. One is "
                f"{self.dtype.c_name} and the other is {other.dtype.c_name}"
            )
        if not shapes.compatible(self.dims, other.dims):
            raise ValueError(
                "Trying to add two lists of tensors with incompatible element shapes. One is "
                f"{shapes.text(self.dims)} and the other is {shapes.text(other.dims)}"
            )
        if len(self) != len(other):
            raise ValueError(
                f"Trying to add two lists of tensors with different lengths. One is {len(self)} and the other is "
                f"{len(other)}"
            )
        merged = shapes.merge(self.dims, other.dims)
        items = [_added(a, b, self.home) for a, b in zip(self.items, other.items, strict=True)]
        return TensorList(items, self.dtype, merged, home=self.home)


def _added(a: Any, b: Any, home: Any) -> Any:
    if a is None or b is None:
        return b if a is None else a
    if np.shape(a) != np.shape(b):
        raise ValueError(
            "Trying to add two tensors with incompatible element shapes. One is "
            f"{shapes.text(np.shape(a))} and the other is {shapes.text(np.shape(b))}"
        )
    if home is not None:
        return home.added(a, b)
    return sum_of([a, b]) if a.dtype == object else a + b


def list_of(handle: Any) -> TensorList:
    """The list in a scalar variant."""
    found = handle.item() if isinstance(handle, np.ndarray) and handle.size == 1 else None
    if not isinstance(found, TensorList):
        raise ValueError(f"Input handle is not a list. Saw: '{type(found).__name__}'")
    return found


def typed_list(handle: Any, dtype: Any) -> TensorList:
    found = list_of(handle)
    if found.dtype is not dtype:
        raise ValueError(
            f"Invalid data types; op elements {dtype.c_name} but list elements {found.dtype.c_name}"
        )  # fmt: skip
    return found


def dims_from(value: Any) -> shapes.Shape:
    """An element's shape from a tensor: a scalar -1 is unknown, a vector has -1 where a size is unknown."""
    array = np.asarray(value)
    if array.ndim == 0:
        if int(array) != -1:
            raise ValueError("The only valid scalar shape tensor is the fully unknown shape specified as -1.")
        return None
    if array.ndim > 1:
        raise ValueError(f"Shape must be at most rank 1 but is rank {array.ndim}")
    for d in array:
        if int(d) < -1:
            raise ValueError(f"Dimension {int(d)} must be >= -1")
    return tuple(None if int(d) == -1 else int(d) for d in array)


def merged(a: shapes.Shape, b: shapes.Shape) -> shapes.Shape:
    """What both shapes know; a ValueError in the kernels' words where they contradict."""
    if shapes.compatible(a, b):
        return shapes.merge(a, b)
    if len(a or ()) != len(b or ()):
        raise ValueError(
            f"PartialTensorShape: Incompatible ranks during merge: {len(a or ())} vs. {len(b or ())}"
        )  # fmt: skip
    raise ValueError(
        f"PartialTensorShape: Incompatible shapes during merge: {shapes.text(a)} vs. {shapes.text(b)}"
    )  # fmt: skip


def common(found: TensorList, element_shape: Any) -> shapes.Shape:
    """An element's shape from the op's input, the list and the elements that are set."""
    dims = merged(dims_from(element_shape), found.dims)
    if not shapes.is_known(dims):
        for value in found.items:
            if value is not None:
                dims = merged(dims, np.shape(value))
    return dims


def zeros(dims: Any, dtype: Any) -> np.ndarray:
    numpy_type = np.dtype(dtype.as_numpy_dtype)
    return np.full(dims, b"", object) if numpy_type.kind == "O" else np.zeros(dims, numpy_type)
