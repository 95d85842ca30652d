"""Datasets: what their nodes hand to each other, and how elements are asked for [W43].

    Dataset     elements that can be gone through any number of times; `begin()` gives a Source
    Source      a function without arguments: the next element, or StopIteration
    Element     a tuple of arrays, its components

A dataset never changes, so that it can travel as a variant, and everything that does change is in a source. A source
that raised an error can be asked again: it goes on with the element after the one that failed, as TensorFlow's do.
Random numbers in a dataset go on when it is gone through again; where it is an input in two places of another, an
iterator has it made again, so that both places draw the same.
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
    """Elements. begin: makes a source of them. cardinality: how many there are, if that is known.

    inputs: the datasets that it is made of; `again(inputs)` makes another of such.
    """

    def __init__(self, begin: Callable[[], Source], cardinality: int = UNKNOWN):
        self.begin, self.cardinality = begin, cardinality
        self.inputs: list[Dataset] = []
        self.again: Callable[[list[Dataset]], Dataset] = lambda inputs: self

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


def apart(dataset: Dataset, seen: set[int] | None = None) -> Dataset:
    """The dataset with all that is an input in two places made again for the second."""
    seen = set() if seen is None else seen
    inputs = [apart(part, seen) for part in dataset.inputs]
    same = all(a is b for a, b in zip(inputs, dataset.inputs, strict=True))
    found = dataset if same and id(dataset) not in seen else dataset.again(inputs)
    seen.add(id(dataset))
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
            return handle_to(_remembering(kernel, args, kwargs))

        op.kernel(made)
        op.moves_bits = True
        op.no_gradient_registered()
        return op

    return define


def _remembering(kernel: Callable[..., Dataset], args: Sequence[Any], kwargs: dict[str, Any]) -> Dataset:
    """What the kernel gives, which can be made again where it has datasets for inputs; sources never change."""
    inputs = [found for arg in args for found in _datasets_in(arg)]
    if not inputs:
        return kernel(*args, **kwargs)
    args = [kept(a) if isinstance(a, list) else np.array(a, copy=True) for a in args]
    made = kernel(*args, **kwargs)
    if any(made is part for part in inputs):  # the same elements, only to be made in another way
        return made
    made.inputs = inputs

    def again(others: list[Dataset]) -> Dataset:
        rest = iter(others)
        return _remembering(kernel, [_replaced(a, rest) for a in args], kwargs)

    made.again = again
    return made


def _datasets_in(value: Any) -> list[Dataset]:
    if isinstance(value, list):
        return [found for part in value for found in _datasets_in(part)]
    return [value.item()] if np.ndim(value) == 0 and isinstance(np.asarray(value).item(), Dataset) else []


def _replaced(value: Any, others: Iterator[Dataset]) -> Any:
    if isinstance(value, list):
        return [_replaced(part, others) for part in value]
    return handle_to(next(others)) if _datasets_in(value) else value


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
