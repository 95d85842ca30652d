"""Iterators: a place in a dataset that stays from step to step [W43, W47].

    MakeIterator(dataset, iterator)        puts the iterator before the dataset's first element
    IteratorGetNext(iterator)              the next element; OutOfRange after the last

An IteratorV2 has to be made so before it is asked; a OneShotIterator makes its dataset itself when first asked, by a
function. An iterator's string names it within this process, so that one node can read from whichever is fed.

Next: ops/tensor_map.py.
"""

from __future__ import annotations

import itertools
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from refflow.core import errors, locks, shapes
from refflow.core.handles import handle_to, state_of
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.dataset_values import ELEMENTS, Dataset, Element, Source, apart, dataset_of
from refflow.ops.optional import Optional

_numbers = itertools.count()
_by_name: WeakValueDictionary[str, Iterator] = WeakValueDictionary()


class Iterator:
    """A source, once there is a dataset. Any thread may ask; elements are made one after the other."""

    kind = "Iterator"

    def __init__(self, output_types: Any, output_shapes: Any):
        self.types, self.shapes = output_types, [s.as_tuple for s in output_shapes]
        self.name = f"iterator_{next(_numbers)}"
        self._source: Source | None = None
        self._lock = locks.rlock()
        _by_name[self.name] = self

    def make(self, dataset: Dataset) -> None:
        self._source = apart(dataset).begin()

    def make_once(self, function: Any) -> None:
        """Begins with the dataset that a function gives, unless it has begun."""
        with self._lock:
            if self._source is None:
                self.make(dataset_of(function.begin()([])[0]))

    def next(self) -> Element:
        """The next element, or StopIteration."""
        if self._source is None:
            raise errors.FailedPreconditionError(
                None, None,
                "GetNext() failed because the iterator has not been initialized. Ensure that you have run the "
                "initializer operation for this iterator before getting the next element.",
            )  # fmt: skip
        with self._lock:
            return self._source()


def _own(name: str, outputs: str, **attrs: Any) -> OpDef:
    op = define_op(name, f"-> {outputs}", stateful=True, source=("W43",), **ELEMENTS, **attrs)
    op.no_gradient_registered()
    return op


for _name in ("Iterator", "IteratorV2"):
    _op = _own(_name, "handle: resource[]", shared_name=Attr("string"), container=Attr("string"))
    _op.state(Iterator)
    _op.kernel(lambda state: handle_to(state))

ONE_SHOT = _own("OneShotIterator", "handle: resource[]", dataset_factory=Attr("func"), container="", shared_name="")
ONE_SHOT.state(Iterator)


@ONE_SHOT.kernel
def one_shot_kernel(state, dataset_factory):
    state.make_once(dataset_factory)
    return handle_to(state)




def anonymous_kernel(output_types, output_shapes):
    return handle_to(Iterator(output_types, output_shapes))


def anonymous_with_deleter_kernel(output_types, output_shapes):
    handle = anonymous_kernel(output_types, output_shapes)
    return handle, handle.copy()


for _name in ("AnonymousIterator", "AnonymousIteratorV3"):
    _own(_name, "handle: resource[]").kernel(anonymous_kernel)
_own("AnonymousIteratorV2", "handle: resource[], deleter: variant[]").kernel(anonymous_with_deleter_kernel)

MAKE = define_op("MakeIterator", "dataset: variant, iterator: resource ->", stateful=True, source=("W43",))
DELETE = define_op("DeleteIterator", "handle: resource, deleter: variant ->", stateful=True, source=("W43",))
TO_STRING = define_op("IteratorToStringHandle", "resource_handle: resource -> string_handle: string[]", stateful=True,
                      source=("W43",))  # fmt: skip


@MAKE.kernel
def make_kernel(dataset, iterator):
    state_of(iterator).make(dataset_of(dataset))
    return []


@DELETE.kernel
def delete_kernel(handle, deleter):
    return []


@TO_STRING.kernel
def to_string_kernel(resource_handle):
    return handle_to(state_of(resource_handle).name.encode())


_ANY: dict[str, Any] = {key: Attr(attr.kind, default=[]) for key, attr in ELEMENTS.items()}


def from_string_kernel(string_handle, output_types, output_shapes):
    name = np.asarray(string_handle).item()
    found = _by_name.get(name.decode("utf-8", "replace"))
    if found is None:
        raise ValueError(f"The provided string {name!r} is not a handle of an iterator of this process")
    if output_types:
        _check_types(output_types, found.types)
    if output_shapes:
        _check_shapes([s.as_tuple for s in output_shapes], found.shapes)
    return handle_to(found)


def _check_types(wanted: Any, have: Any) -> None:
    if len(wanted) != len(have):
        raise ValueError(f"Number of components does not match: expected {len(wanted)} types but got {len(have)}.")
    for i, (a, b) in enumerate(zip(wanted, have, strict=True)):
        if a is not b:
            raise ValueError(f"Data type mismatch at component {i}: expected {a.c_name} but got {b.c_name}.")


def _check_shapes(wanted: Any, have: Any) -> None:
    for i, (a, b) in enumerate(zip(wanted, have, strict=True)):
        if not shapes.compatible(a, b):
            raise ValueError(
                f"Incompatible shapes at component {i}: expected {shapes.text(a)} but got {shapes.text(b)}."
            )


for _name in ("IteratorFromStringHandle", "IteratorFromStringHandleV2"):
    _op = define_op(_name, "string_handle: string -> resource_handle: resource[]", stateful=True, source=("W43",),
                    **_ANY)  # fmt: skip
    _op.kernel(from_string_kernel)
    _op.no_gradient_registered()


def get_next_kernel(iterator):
    try:
        return list(state_of(iterator).next())
    except StopIteration:
        raise errors.OutOfRangeError(None, None, "End of sequence") from None


def _as_said(context: ShapeContext) -> list[shapes.Shape]:
    return [s.as_tuple for s in context.attrs["output_shapes"]]


def _elements(name: str, inputs: str, kernel: Any, **attrs: Any) -> None:
    """A node whose outputs are an element."""
    op = define_op(name, f"{inputs} -> components: output_types", stateful=True, source=("W43",), **ELEMENTS, **attrs)
    op.kernel(kernel)
    op.shape(_as_said)
    op.moves_bits = True
    op.no_gradient_registered()


_elements("IteratorGetNext", "iterator: resource", get_next_kernel)
_elements("IteratorGetNextSync", "iterator: resource", get_next_kernel)

AS_OPTIONAL = define_op("IteratorGetNextAsOptional", "iterator: resource -> optional: variant[]", stateful=True,
                        source=("W43",), **ELEMENTS)  # fmt: skip


@AS_OPTIONAL.kernel
def get_next_as_optional_kernel(iterator, output_types):
    try:
        return handle_to(Optional(list(state_of(iterator).next()), output_types))
    except StopIteration:
        return handle_to(Optional(None, []))


def single_element_kernel(dataset):
    source = dataset_of(dataset).begin()
    try:
        element = source()
    except StopIteration:
        raise ValueError("Dataset was empty.") from None
    try:
        source()
    except StopIteration:
        return list(element)
    raise ValueError("Dataset had more than one element.")


_elements("DatasetToSingleElement", "dataset: variant", single_element_kernel, metadata="")

CARDINALITY = define_op("DatasetCardinality", "input_dataset: variant -> cardinality: int64[]", cardinality_options="",
                        source=("W43",), stateful=True)  # fmt: skip


@CARDINALITY.kernel
def cardinality_kernel(input_dataset):
    return np.array(dataset_of(input_dataset).cardinality, np.int64)


for _op in (MAKE, DELETE, TO_STRING, AS_OPTIONAL, CARDINALITY):
    _op.no_gradient_registered()
