"""Datasets: what their nodes hand to each other, and how elements are asked for [W43].

    Dataset     elements that can be gone through any number of times; `begin()` gives a Source
    Source      a function without arguments: the next element, or StopIteration
    Element     a tuple of arrays, its components

A dataset never changes, so that it can travel as a variant, and everything that does change is in a source. A source
that raised an error can be asked again: it goes on with the element after the one that failed, as TensorFlow's do.
Everything happens in the thread that asks, when it asks: what is called parallel, or prefetched, is in order here.

Next: ops/datasets.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import DType
from refflow.core.handles import handle_to
from refflow.core.opdef import OpDef, define_op
from refflow.core.signature import Attr
from refflow.core.values import in_rows

Element = tuple[np.ndarray, ...]
Source = Callable[[], Element]
UNKNOWN, INFINITE = -2, -1  # cardinalities


class Dataset:
    """Elements. begin: makes a source of them. cardinality: how many there are, if that is known."""

    def __init__(self, begin: Callable[[], Source], cardinality: int = UNKNOWN):
        self.begin, self.cardinality = begin, cardinality

    def __iter__(self) -> Iterator[Element]:
        source = self.begin()
        while True:
            try:
                element = source()
            except StopIteration:
                return
            yield element


def dataset_of(handle: Any) -> Dataset:
    """The dataset in a tensor; ValueError where there is none."""
    found = handle.item() if np.size(handle) == 1 else None
    if not isinstance(found, Dataset):
        raise ValueError(f"Tensor must be a Dataset object, got {type(found).__name__}")
    return found


def number(value: Any, name: str) -> int:
    """A scalar integer argument."""
    if np.ndim(value):
        raise ValueError(f"{name} must be a scalar, but has shape {list(np.shape(value))}")
    return int(value)


ELEMENTS: dict[str, Any] = {
    "output_types": Attr("list(type)", minimum=1), "output_shapes": Attr("list(shape)", minimum=1)
}  # fmt: skip


def dataset_op(name: str, inputs: str, attrs: dict[str, Any], elements: bool = True) -> Any:
    """Defines a node that makes a dataset; the decorated kernel returns it, not yet in a tensor.

    elements: the node says of which types and shapes its elements are.
    """

    def define(kernel: Callable[..., Dataset]) -> OpDef:
        own = (ELEMENTS if elements else {}) | attrs
        op = define_op(name, f"{inputs} -> handle: variant[]", stateful=True, source=("W43",), **own, metadata="")

        @wraps(kernel)
        def made(*args: Any, **kwargs: Any) -> np.ndarray:
            return handle_to(kernel(*args, **kwargs))

        op.kernel(made)
        op.moves_bits = True
        op.no_gradient_registered()
        return op

    return define


def kept(values: Sequence[Any]) -> list[np.ndarray]:
    """Copies of a node's inputs: their own memory is used again after the step."""
    return [np.array(v, copy=True) for v in values]


def ended() -> Element:
    """The source of nothing."""
    raise StopIteration


def of_list(elements: list[Element]) -> Dataset:
    return Dataset(lambda: iter(elements).__next__, len(elements))


def row_of(column: np.ndarray, i: int) -> np.ndarray:
    """A row of a component; a single string stays in an array."""
    row = column[i]
    return row if isinstance(row, np.ndarray) else handle_to(row) if column.dtype == object else np.asarray(row)


def stacked(elements: list[Element], types: list[DType]) -> Element:
    """Elements of equal shapes, component by component, in one more dimension."""
    columns: list[np.ndarray] = []
    for i, column in enumerate(zip(*elements, strict=True)):
        first = column[0].shape
        for value in column:
            if value.shape != first:
                raise ValueError(
                    f"Cannot add tensor to the batch: number of elements does not match. Shapes are: [tensor]: "
                    f"{shapes.text(value.shape)}, [batch]: {shapes.text(first)}"
                )
        columns.append(in_rows(column, first, types[i].as_numpy_dtype))
    return tuple(columns)
