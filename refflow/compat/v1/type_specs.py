"""Specs: what is known of a value before there is one, its class, types and static shapes.

    TensorSpec([None, 3], tf.float32)     SparseTensorSpec([2, 3], tf.int64)

Between nodes that make datasets an element travels as a flat list of plain tensors, its components; each spec has one:

    spec._component(value)       the tensor that stands for a value;  spec._rows(value)  for all rows of one at once
    spec._value(component)       the value again
    spec._batch(n)               the spec of n such values in one;    spec._unbatch()    of each row

A sparse tensor's component is a variant of three parts, whose batches are variants of so many rows.

Next: compat/v1/data/elements.py.
"""

from __future__ import annotations

from typing import Any

from refflow.compat.v1.sparse_tensor import SparseTensor, is_sparse
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import DType, as_dtype, float32, variant
from refflow.core.registry import op_def
from refflow.core.shapes import TensorShape
from refflow.core.tensor import Tensor

__all__ = ["SparseTensorSpec", "TensorSpec", "TypeSpec"]


class TypeSpec:
    """What tensors and sparse tensors have in common: a type and a static shape."""

    value_type: Any = None
    _shape: TensorShape
    _dtype: DType

    @property
    def shape(self) -> TensorShape:
        return self._shape

    @property
    def dtype(self) -> DType:
        return self._dtype

    def _with_shape(self, shape: TensorShape) -> Any:
        kind: Any = type(self)
        return kind(shape, self._dtype)

    def _batch(self, size: int | None) -> Any:
        dims = self._shape.as_tuple
        return self._with_shape(TensorShape(None if dims is None else [size, *dims]))

    def _unbatch(self) -> Any:
        dims = self._shape.as_tuple
        if dims == ():
            raise ValueError("Unbatching a tensor is only supported for rank >= 1")
        return self._with_shape(TensorShape(None if dims is None else dims[1:]))

    def _relaxed(self, other: Any) -> Any:
        """The spec of what this or `other` describes."""
        mine, theirs = self._shape.as_tuple, other._shape.as_tuple
        if mine is None or theirs is None or len(mine) != len(theirs):
            return self._with_shape(TensorShape(None))
        return self._with_shape(TensorShape([a if a == b else None for a, b in zip(mine, theirs, strict=True)]))

    def most_specific_compatible_type(self, other: Any) -> Any:
        """The spec of what either describes; ValueError where type or class differ."""
        if type(self) is not type(other) or self._dtype is not other._dtype:
            raise ValueError(f"No TypeSpec is compatible with both {self} and {other}")
        return self._relaxed(other)

    def is_compatible_with(self, spec_or_value: Any) -> bool:
        """True where a value fits, or could fit what another spec describes."""
        other = spec_of(spec_or_value)
        same = type(other) is type(self) and other._dtype is self._dtype
        return same and self._shape.is_compatible_with(other._shape)

    # The classes, types and shapes that 1.x asks for.
    @property
    def _legacy(self) -> tuple[Any, Any, Any]:
        return self.value_type, self._dtype, self._shape

    def __eq__(self, other: Any) -> bool:
        return type(self) is type(other) and (self._dtype, self._shape.as_tuple) == (
            other._dtype, other._shape.as_tuple
        )  # fmt: skip

    def __hash__(self) -> int:
        return hash((type(self), self._dtype, self._shape.as_tuple))


class TensorSpec(TypeSpec):
    """A tensor's type and static shape."""

    value_type = Tensor

    def __init__(self, shape: Any, dtype: Any = float32, name: str | None = None):
        self._shape, self._dtype, self._name = TensorShape(shape), as_dtype(dtype).base_dtype, name

    @classmethod
    def from_tensor(cls, tensor: Any, name: str | None = None) -> TensorSpec:
        return cls(tensor.get_shape(), tensor.dtype, name or tensor.op.name)

    @classmethod
    def from_spec(cls, spec: Any, name: str | None = None) -> TensorSpec:
        return cls(spec.shape, spec.dtype, name or getattr(spec, "name", None))

    @property
    def name(self) -> str | None:
        return self._name

    @property
    def _kind(self) -> tuple[DType, TensorShape]:
        """The component's type and shape."""
        return self._dtype, self._shape

    def _component(self, value: Any) -> Tensor:
        return convert_to_tensor(value, self._dtype)

    _rows = _component

    def _value(self, component: Tensor) -> Tensor:
        component.set_shape(self._shape)
        return component

    def __repr__(self) -> str:
        return f"TensorSpec(shape={shown(self._shape)}, dtype=tf.{self._dtype.name}, name={self._name!r})"


class SparseTensorSpec(TypeSpec):
    """A sparse tensor's type and static shape."""

    value_type = SparseTensor

    def __init__(self, shape: Any = None, dtype: Any = float32):
        self._shape, self._dtype = TensorShape(shape), as_dtype(dtype).base_dtype

    @classmethod
    def from_value(cls, value: Any) -> SparseTensorSpec:
        return cls(value.shape, value.dtype)

    @property
    def _kind(self) -> tuple[DType, TensorShape]:
        dims = self._shape.as_tuple
        return variant, TensorShape(None) if dims is None else TensorShape([3])

    def _component(self, value: Any) -> Tensor:
        return op_def("SerializeSparse")(value.indices, value.values, value.dense_shape, out_type=variant)

    def _rows(self, value: Any) -> Tensor:
        return op_def("SerializeManySparse")(value.indices, value.values, value.dense_shape, out_type=variant)

    def _value(self, component: Tensor) -> SparseTensor:
        found = op_def("DeserializeSparse")(component, dtype=self._dtype)
        indices, values, shape = found
        rank = self._shape.ndims
        indices.set_shape([None, rank])
        shape.set_shape([rank])
        made = SparseTensor(indices, values, shape)
        made.set_shape(self._shape)
        return made

    def __repr__(self) -> str:
        return f"SparseTensorSpec({self._shape}, tf.{self._dtype.name})"


def shown(shape: TensorShape) -> str:
    """A shape as specs show it: `(2, None)`."""
    return "<unknown>" if shape.as_tuple is None else str(tuple(shape.as_list()))


def spec_of(value: Any) -> Any:
    """The spec of a value, or the value if it is a spec."""
    if isinstance(value, TypeSpec):
        return value
    if is_sparse(value):
        return SparseTensorSpec.from_value(SparseTensor.from_value(value))
    own = getattr(value, "_type_spec", None)
    if own is not None:
        return own
    tensor = convert_to_tensor(value)
    return TensorSpec(tensor.get_shape(), tensor.dtype)
