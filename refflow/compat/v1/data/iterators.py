"""Iterators: a place in a dataset, whose next element is a structure of tensors of the graph [W43, W47].

    iterator = tf.data.make_initializable_iterator(dataset)
    element = iterator.get_next()
    session.run(iterator.initializer, feeds)
    session.run(element)        each time the next one; tf.errors.OutOfRangeError after the last

A one-shot iterator's node holds the dataset as a function without arguments: all nodes that the dataset is made of. So
nothing of it may be fed, or have a state of its own.

Next: compat/v1/data/generators.py.
"""

from __future__ import annotations

from typing import Any

from refflow.compat.v1.data import elements
from refflow.compat.v1.data.nodes import DatasetBase, check_graph
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import string, variant
from refflow.core.function_graph import of_nodes
from refflow.core.graph import get_default_graph
from refflow.core.graphdef import FunctionCall
from refflow.core.registry import find_op_def, op_def
from refflow.core.tensor import Operation, Tensor


class Iterator(elements.Described):
    """A node with a place in a dataset, and the structure of that dataset's elements."""

    def __init__(
        self, iterator_resource: Tensor, initializer: Any, output_types: Any, output_shapes: Any, output_classes: Any
    ):
        if output_types is None or output_shapes is None or output_classes is None:
            raise ValueError(
                "All of `output_types`, `output_shapes`, and `output_classes` must be specified to create an "
                f"iterator. Got `output_types` = {output_types!r}, `output_shapes` = {output_shapes!r}, "
                f"`output_classes` = {output_classes!r}."
            )
        self._iterator_resource, self._initializer = iterator_resource, initializer
        self._spec = elements.of_legacy(output_types, output_shapes, output_classes)
        self._string_handle = op_def("IteratorToStringHandle")(iterator_resource)

    @classmethod
    def _of(cls, resource: Tensor, spec: Any, initializer: Any = None) -> Iterator:
        found = cls.__new__(cls)
        found._iterator_resource, found._initializer, found._spec = resource, initializer, spec
        found._string_handle = op_def("IteratorToStringHandle")(resource)
        return found

    @staticmethod
    def from_structure(
        output_types: Any, output_shapes: Any = None, shared_name: str | None = None, output_classes: Any = None
    ) -> Iterator:
        """An iterator for any dataset of this structure: see make_initializer."""
        spec = elements.of_legacy(output_types, output_shapes, output_classes)
        return Iterator._of(_resource(spec, shared_name), spec)

    @staticmethod
    def from_string_handle(
        string_handle: Any, output_types: Any, output_shapes: Any = None, output_classes: Any = None
    ) -> Iterator:
        """The iterator that a string names in the step: see string_handle."""
        spec = elements.of_legacy(output_types, output_shapes, output_classes)
        handle = convert_to_tensor(string_handle, string)
        return Iterator._of(op_def("IteratorFromStringHandleV2")(handle, **elements.attributes(spec)), spec)

    @property
    def initializer(self) -> Operation:
        """The operation that puts the iterator before the first element."""
        if self._initializer is None:
            raise ValueError(
                "The iterator does not have an initializer. This means it was likely created using "
                "`tf.data.Dataset.make_one_shot_iterator()`. For an initializable iterator, use "
                "`tf.data.Dataset.make_initializable_iterator()` instead."
            )
        return self._initializer

    def make_initializer(self, dataset: Any, name: str | None = None) -> Operation:
        """The operation that puts the iterator before the first element of `dataset`."""
        with get_default_graph().name_scope(name or "make_initializer") as scope:
            elements.assert_alike(self._spec, dataset.element_spec)
            for which, what in ((0, "classes"), (1, "types"), (2, "shapes")):
                mine, theirs = (elements.legacy(spec, which) for spec in (self._spec, dataset.element_spec))
                pairs = zip(elements.flatten(mine), elements.flatten(theirs), strict=True)
                if not all(a.is_compatible_with(b) if which == 2 else a == b for a, b in pairs):
                    wanted = "shapes compatible with" if which == 2 else what
                    raise TypeError(
                        f"Expected output {wanted} {mine!r} but got dataset with output {what} {theirs!r}."
                    )
            with get_default_graph().colocate_with(self._iterator_resource.op):
                return op_def("MakeIterator")(dataset._variant_tensor, self._iterator_resource, name=scope)

    def get_next(self, name: str | None = None) -> Any:
        """The next element: each step that runs it takes one, however often it is used in that step."""
        with get_default_graph().colocate_with(self._iterator_resource.op):
            found = op_def("IteratorGetNext")(self._iterator_resource, name=name, **elements.attributes(self._spec))
            return elements.values(self._spec, found)

    def get_next_as_optional(self) -> Any:
        """The next element, or none after the last."""
        from refflow.compat.v1.data.optionals import get_next_as_optional

        return get_next_as_optional(self)

    def string_handle(self, name: str | None = None) -> Tensor:
        """A string that names this iterator within the process, for from_string_handle."""
        return self._string_handle if name is None else op_def("IteratorToStringHandle")(
            self._iterator_resource, name=name
        )



def _resource(spec: Any, shared_name: str | None) -> Tensor:
    return op_def("IteratorV2")(container="", shared_name=shared_name or "", **elements.attributes(spec))


def initializable(dataset: DatasetBase, shared_name: str | None = None) -> Iterator:
    check_graph(dataset)
    resource = _resource(dataset.element_spec, shared_name)
    with get_default_graph().colocate_with(resource.op):
        start = op_def("MakeIterator")(dataset._variant_tensor, resource)
    return Iterator._of(resource, dataset.element_spec, start)


def one_shot(dataset: DatasetBase) -> Iterator:
    check_graph(dataset)
    try:
        factory = of_nodes(dataset._variant_tensor, _cannot_be_copied, "make_dataset")
    except ValueError as error:
        if "a stateful node" not in str(error):
            raise
        raise ValueError(
            f"{error}: A likely cause of this error is that the dataset for which you are calling "
            "`make_one_shot_iterator()` captures a stateful object, such as a `tf.Variable` or "
            "`tf.lookup.StaticHashTable`, which is not supported. Use `make_initializable_iterator()` instead."
        ) from None
    said = elements.attributes(dataset.element_spec)
    return Iterator._of(op_def("OneShotIterator")(dataset_factory=factory, **said), dataset.element_spec)


_REPEATABLE = {"DatasetCardinality", "MatchingFiles", "PlaceholderWithDefault", "ReadFile"}  # though not always equal


def _cannot_be_copied(op: Operation) -> str:
    """Why a node cannot be one of a one-shot iterator's own, or ""."""
    if op.type in ("Placeholder", "PlaceholderV2"):
        return f"Cannot capture a placeholder (name:{op.name}, type:{op.type}) by value."
    makes_dataset = bool(op.outputs) and op.outputs[0].dtype is variant
    stateful = op.op_def.stateful and not makes_dataset and op.type not in _REPEATABLE
    if stateful or any(map(_has_state, op.attrs.values())):
        return f"Cannot capture a stateful node (name:{op.name}, type:{op.type}) by value."
    return ""


def _has_state(attribute: Any) -> bool:
    """True for a function whose body finds a variable, or another state of the graph, by name."""
    if not isinstance(attribute, FunctionCall):
        return False
    nodes = [n for function in (attribute.library or {}).values() for n in function.node]
    definitions = [(n, find_op_def(n.op)) for n in nodes if n.attr.get("shared_name")]
    return any(known is not None and any(a.is_ref for a in known.outputs) for _, known in definitions)
