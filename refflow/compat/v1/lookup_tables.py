"""What all lookup tables have: types, a handle, a name, and keys in any form.

Next: compat/v1/lookup.py.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

from refflow.compat.v1.ragged_tensor import RaggedTensor
from refflow.compat.v1.sparse_tensor import as_sparse, is_sparse
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import DType, as_dtype
from refflow.core.graph import GraphKeys, Operation, Tensor, get_default_graph
from refflow.core.registry import op_def
from refflow.ops.cast import cast

_numbers = count()


def named(kind: str) -> str:
    """A name that no other table of this process has, by which sessions that share containers find it."""
    return f"{kind}_{next(_numbers)}"


def added(init: Operation) -> Operation:
    """`init`, entered among the initializers of tables."""
    get_default_graph().add_to_collection(GraphKeys.TABLE_INITIALIZERS, init)
    return init


def keys_like(keys: Any, dtype: DType, exact: bool = False) -> tuple[Tensor, Callable[[Tensor], Any]]:
    """The keys in one tensor, and what gives values their form. exact: another type is an error, however near."""
    if is_sparse(keys):
        sparse = as_sparse(keys)
        return _typed(sparse.values, dtype, exact), sparse.with_values
    if isinstance(keys, RaggedTensor):
        return _typed(keys.flat_values, dtype, exact), keys.with_flat_values
    plain = not isinstance(keys, Tensor)
    return _typed(convert_to_tensor(keys, dtype if plain else None, "keys"), dtype, exact), lambda values: values


def _typed(keys: Tensor, dtype: DType, exact: bool) -> Tensor:
    kind = keys.dtype.base_dtype
    if kind is not dtype and (exact or not (kind.is_integer and dtype.is_integer)):
        raise TypeError(f"Dtype of argument `keys` must be {dtype.name}, received: {kind.name}")
    return keys if kind is dtype else cast(keys, dtype)


class LookupInterface:
    """A table in a graph; `resource_handle` stands for it when a step runs."""

    resource_handle: Any
    _name = "table"

    def __init__(self, key_dtype: Any, value_dtype: Any):
        self._key_dtype, self._value_dtype = as_dtype(key_dtype), as_dtype(value_dtype)

    @property
    def key_dtype(self) -> DType:
        return self._key_dtype

    @property
    def value_dtype(self) -> DType:
        return self._value_dtype

    @property
    def name(self) -> str:
        return self._name

    def size(self, name: str | None = None) -> Tensor:
        """How many entries it has."""
        return op_def("LookupTableSizeV2")(self.resource_handle, name=name or f"{self.name}_Size")

    def export(self, name: str | None = None) -> tuple[Tensor, Tensor]:
        """All keys, and their values in the same order."""
        found = op_def("LookupTableExportV2")(self.resource_handle, Tkeys=self.key_dtype, Tvalues=self.value_dtype,
                                              name=name or f"{self.name}_export_values")  # fmt: skip
        return found.keys, found.values

    def _find(self, keys: Any, default: Tensor, name: str, key_rank: int = 0) -> Any:
        flat, like = keys_like(keys, self.key_dtype, exact=True)
        with op_scope([flat], name):
            found = op_def("LookupTableFindV2")(self.resource_handle, flat, default)
        shape = flat.get_shape()
        if shape.ndims is not None:
            found.set_shape(shape[: shape.ndims - key_rank].concatenate(default.get_shape()))
        return like(found)

    def __getitem__(self, keys: Any) -> Any:
        """The values of `keys`, as lookup() gives them."""
        return self.lookup(keys)  # type: ignore[attr-defined]
