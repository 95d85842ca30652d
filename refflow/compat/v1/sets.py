"""tf.sets: unions, intersections and differences along the last axis, row by row, of dense and sparse tensors.

Next: ops/sets.py.
"""

from __future__ import annotations

from typing import Any

from refflow.compat.v1.sparse_arrays import _parts
from refflow.compat.v1.sparse_tensor import SparseTensor, as_sparse, is_sparse
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import as_dtype
from refflow.core.graph import Tensor
from refflow.core.registry import op_def

__all__ = [
    "difference", "intersection", "set_difference", "set_intersection", "set_size", "set_union", "size", "union",
]  # fmt: skip
_TYPES = [as_dtype(name) for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "string")]


def set_size(a: Any, validate_indices: bool = True) -> Tensor:
    """How many different elements each row of a SparseTensor has."""
    if not is_sparse(a):
        raise TypeError(f"Expected `SparseTensor`, got {a}.")
    a = as_sparse(a)
    _check_type(a)
    return op_def("SetSize")(*_parts(a), validate_indices=validate_indices)


def set_intersection(a: Any, b: Any, validate_indices: bool = True) -> SparseTensor:
    """The elements that are in both rows, sorted."""
    a, b, _ = _ordered(a, b)
    return _set_operation(a, b, "intersection", validate_indices)


def set_difference(a: Any, b: Any, aminusb: bool = True, validate_indices: bool = True) -> SparseTensor:
    """The elements that are in the row of `a` and not in that of `b`; or the other way."""
    a, b, turned = _ordered(a, b)
    return _set_operation(a, b, "a-b" if aminusb != turned else "b-a", validate_indices)


def set_union(a: Any, b: Any, validate_indices: bool = True) -> SparseTensor:
    """The elements that are in either row."""
    a, b, _ = _ordered(a, b)
    return _set_operation(a, b, "union", validate_indices)


def _check_type(value: Any) -> None:
    if value.dtype.base_dtype not in _TYPES:
        raise TypeError(f"`dtype` {value.dtype.name} is not one of {', '.join(t.name for t in _TYPES)}")


def _ordered(a: Any, b: Any) -> tuple[Any, Any, bool]:
    """Both as tensors, a dense one first, and whether they changed places."""
    a, b = (as_sparse(x) if is_sparse(x) else convert_to_tensor(x) for x in (a, b))
    _check_type(a)
    if b.dtype.base_dtype is not a.dtype.base_dtype:
        raise TypeError(f"Types don't match, {a.dtype.name} vs {b.dtype.name}.")
    turned = is_sparse(a) and not is_sparse(b)
    return (b, a, True) if turned else (a, b, False)


def _set_operation(a: Any, b: Any, operation: str, validate: bool) -> SparseTensor:
    attrs: dict[str, Any] = {"set_operation": operation, "validate_indices": validate}
    kinds: list[str] = []
    parts: list[Tensor] = []
    for one in (a, b):
        kinds.append("Sparse" if is_sparse(one) else "Dense")
        parts += _parts(one) if is_sparse(one) else [one]
    return SparseTensor(*op_def(f"{kinds[0]}To{kinds[1]}SetOperation")(*parts, **attrs))


difference, intersection, size, union = set_difference, set_intersection, set_size, set_union
