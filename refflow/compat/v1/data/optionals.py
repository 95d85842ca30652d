"""Optionals: an element, or none.

    optional = iterator.get_next_as_optional()
    tf.cond(optional.has_value(), optional.get_value, lambda: default)

Next: compat/v1/data/experimental.py.
"""

from __future__ import annotations

from typing import Any

from refflow.compat.v1.data import elements
from refflow.core.dtypes import variant
from refflow.core.registry import op_def
from refflow.core.shapes import TensorShape
from refflow.core.tensor import Tensor


class Optional:
    """A tensor that holds an element or none, and the element's spec."""

    def __init__(self, variant_tensor: Tensor, element_spec: Any):
        self._variant_tensor, self._spec = variant_tensor, element_spec

    @staticmethod
    def from_value(value: Any) -> Optional:
        """One that holds `value`, a structure of tensors."""
        value, spec = elements.normalized(value, "optional")
        return Optional(op_def("OptionalFromValue")(elements.components(spec, value)), spec)

    @staticmethod
    def empty(element_spec: Any) -> Optional:
        """One that holds none."""
        return Optional(op_def("OptionalNone")(), element_spec)

    none_from_structure = empty

    def has_value(self, name: str | None = None) -> Tensor:
        """Whether it holds one."""
        return op_def("OptionalHasValue")(self._variant_tensor, name=name)

    def get_value(self, name: str | None = None) -> Any:
        """The element; InvalidArgumentError in the step where there is none."""
        said = elements.attributes(self._spec)
        return elements.values(self._spec, op_def("OptionalGetValue")(self._variant_tensor, name=name, **said))

    @property
    def element_spec(self) -> Any:
        return self._spec

    value_structure = element_spec

    @property
    def _type_spec(self) -> OptionalStructure:
        return OptionalStructure(self._spec)


class OptionalStructure:
    """The spec of an Optional."""

    value_type = Optional

    def __init__(self, element_spec: Any):
        self._element_spec = element_spec

    @property
    def _legacy(self) -> tuple[Any, Any, Any]:
        return self, self, self

    @property
    def _kind(self) -> tuple[Any, TensorShape]:
        return variant, TensorShape([])

    def _component(self, value: Optional) -> Tensor:
        return value._variant_tensor

    def _value(self, component: Tensor) -> Optional:
        return Optional(component, self._element_spec)

    def is_compatible_with(self, other: Any) -> bool:
        other = getattr(other, "_type_spec", other)
        return isinstance(other, OptionalStructure) and self._element_spec == other._element_spec

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, OptionalStructure) and self._element_spec == other._element_spec

    def __hash__(self) -> int:
        return hash(tuple(elements.flatten(self._element_spec)))


def get_next_as_optional(iterator: Any) -> Optional:
    """The iterator's next element, or none after the last."""
    said = elements.attributes(iterator.element_spec)
    found = op_def("IteratorGetNextAsOptional")(iterator._iterator_resource, **said)
    return Optional(found, iterator.element_spec)
