"""A composite of tensors, such as a ragged one, as one element of a variant [W06].

    CompositeTensorVariantFromComponents    its tensors and the name of its kind in, a scalar variant out
    CompositeTensorVariantToComponents      the tensors again, where kind, number and types are as expected

What kind it is stands in `metadata`, a protocol buffer whose first field is a TypeSpecProto: field 1 is the class.
Each one's gradient is the other.

Next: ops/lookup.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import DType
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.files import wire

_ATTRS: dict[str, Any] = {"metadata": Attr("string"), "Tcomponents": Attr("list(type)", minimum=0)}
TO_VARIANT = define_op("CompositeTensorVariantFromComponents", "components: Tcomponents -> encoded: variant",
                       source=("W06",), **_ATTRS)  # fmt: skip
FROM_VARIANT = define_op("CompositeTensorVariantToComponents", "encoded: variant -> components: Tcomponents",
                         source=("W06",), **_ATTRS)  # fmt: skip
CLASSES = (
    "UNKNOWN", "SPARSE_TENSOR_SPEC", "INDEXED_SLICES_SPEC", "RAGGED_TENSOR_SPEC", "TENSOR_ARRAY_SPEC",
    "DATA_DATASET_SPEC", "DATA_ITERATOR_SPEC", "OPTIONAL_SPEC", "PER_REPLICA_SPEC", "VARIABLE_SPEC",
    "ROW_PARTITION_SPEC", "UNKNOWN", "REGISTERED_TYPE_SPEC", "EXTENSION_TYPE_SPEC",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Composite:
    """The tensors of one composite, and its class."""

    kind: str
    components: tuple[np.ndarray, ...]
    dtypes: tuple[DType, ...]

    def __add__(self, other: Composite) -> Composite:
        """The sum of two gradients of one composite: integers, which are its structure, stay."""
        pairs = zip(self.components, other.components, strict=True)
        sums = [a + b if a.dtype.kind in "fc" else a for a, b in pairs]
        return Composite(self.kind, tuple(sums), self.dtypes)


def _kind(metadata: str) -> str:
    """The class that `metadata` names."""
    try:
        spec = dict(wire.fields(metadata.encode("utf-8", "surrogateescape"))).get(1, b"")
        number = dict(wire.fields(spec)).get(1, 0)
    except (ValueError, TypeError):
        raise ValueError("Error parsing metadata") from None
    return CLASSES[number] if isinstance(number, int) and number < len(CLASSES) else str(number)


@TO_VARIANT.kernel
def to_variant_kernel(components, metadata, Tcomponents):
    found = np.empty((), object)
    found[()] = Composite(_kind(metadata), tuple(np.array(c) for c in components), tuple(Tcomponents))
    return found


@TO_VARIANT.shape
def _to_variant_shape(context: ShapeContext) -> shapes.Shape:
    return ()


@FROM_VARIANT.kernel
def from_variant_kernel(encoded, metadata, Tcomponents):
    (element, *_) = np.asarray(encoded, object).reshape(-1)
    if not isinstance(element, Composite):
        raise ValueError(f"The input `encoded` is not a valid CompositeTensorVariant, got {type(element).__name__}")
    kind = _kind(metadata)
    if kind != element.kind:
        raise ValueError(f"Expected a {kind} (based on `type_spec`), but `encoded` contains a {element.kind}")
    if len(Tcomponents) != len(element.components):
        raise ValueError(
            f"Encoded value has {len(element.components)} tensor components; expected {len(Tcomponents)} components "
            "based on type_spec"
        )
    for i, (found, wanted) in enumerate(zip(element.dtypes, Tcomponents, strict=True)):
        if found != wanted:
            raise ValueError(f"Tensor component {i} had dtype {found.enum_name}; expected dtype {wanted.enum_name}")
    return list(element.components)


@FROM_VARIANT.shape
def _from_variant_shape(context: ShapeContext) -> list[shapes.Shape]:
    return [None] * len(context.attrs["Tcomponents"])


@TO_VARIANT.gradient
def _to_variant_gradient(op, dy):
    """The components of the element that came back."""
    return list(FROM_VARIANT(dy, **{name: op.attrs[name] for name in _ATTRS}))


@FROM_VARIANT.gradient
def _from_variant_gradient(op, *dys):
    """One element again; components without a slope count as zero."""
    from refflow.ops.constant import ZEROS_LIKE

    whole = [ZEROS_LIKE(y) if dy is None else dy for y, dy in zip(op.outputs, dys, strict=True)]
    return TO_VARIANT(whole, **{name: op.attrs[name] for name in _ATTRS})
