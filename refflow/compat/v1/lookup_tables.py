"""What all lookup tables have: types, a handle, a name, and keys in any form.

    LookupInterface           types; what a table must be able to do
    HandledTable              one behind a handle: its size, its entries, the values of keys
    TableInitializerBase      what fills a table once

Next: compat/v1/lookup.py.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any, NoReturn

from refflow.compat.v1.ragged_tensor import RaggedTensor
from refflow.compat.v1.sparse_tensor import as_sparse, is_sparse
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import DType, as_dtype
from refflow.core.errors import ConversionError
from refflow.core.graph import GraphKeys, Operation, Tensor, get_default_graph
from refflow.core.registry import op_def

_numbers = count()


def named(kind: str) -> str:
    """A name that no other table of this process has, by which sessions that share containers find it."""
    return f"{kind}_{next(_numbers)}"


def added(init: Operation) -> Operation:
    """`init`, entered among the initializers of tables."""
    get_default_graph().add_to_collection(GraphKeys.TABLE_INITIALIZERS, init)
    return init


def keys_like(keys: Any, dtype: DType) -> tuple[Tensor, Callable[[Tensor], Any]]:
    """The keys in one tensor, and what gives values their form; an error where keys are of another type."""
    if is_sparse(keys):
        sparse = as_sparse(keys)
        return _typed(sparse.values, dtype), sparse.with_values
    if isinstance(keys, RaggedTensor):
        return _typed(keys.flat_values, dtype), keys.with_flat_values
    given = keys if isinstance(keys, Tensor) else convert_to_tensor(keys, dtype, "keys")
    return _typed(given, dtype), lambda values: values


def _typed(keys: Tensor, dtype: DType) -> Tensor:
    if keys.dtype.base_dtype is not dtype:
        raise ConversionError(f"Dtype of argument `keys` must be {dtype.name}, received: {keys.dtype.base_dtype.name}")
    return keys


class _Typed:
    """The types of keys and of values."""

    def __init__(self, key_dtype: Any, value_dtype: Any):
        self._key_dtype, self._value_dtype = as_dtype(key_dtype), as_dtype(value_dtype)

    @property
    def key_dtype(self) -> DType:
        return self._key_dtype

    @property
    def value_dtype(self) -> DType:
        return self._value_dtype


class TableInitializerBase(_Typed):
    """What fills a table of its types; `_shared_name` is one for all tables that are filled alike."""

    _shared_name = ""

    def initialize(self, table: Any) -> Any:
        """The operation that fills `table`."""
        raise NotImplementedError


class LookupInterface(_Typed):
    """A table of keys and values; kinds of it say how large it is, and what it has for keys."""

    def size(self, name: str | None = None) -> Any:
        """How many entries it has."""
        raise NotImplementedError

    def lookup(self, keys: Any, name: str | None = None) -> Any:
        """The value of each key."""
        raise NotImplementedError

    def __getitem__(self, keys: Any) -> Any:
        """The values of `keys`, as lookup() gives them."""
        return self.lookup(keys)

    def __iter__(self) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} cannot be gone through: export() gives its keys and values")


class HandledTable(LookupInterface):
    """A table in a graph; `resource_handle` stands for it when a step runs."""

    resource_handle: Any
    _exporting = "Export"

    @property
    def name(self) -> str:
        """The name of the node that makes it, without the scopes that it is in."""
        return self.resource_handle.op.name.rpartition("/")[2]

    def size(self, name: str | None = None) -> Tensor:
        """How many entries it has, int64."""
        with op_scope([], name, f"{self.name}_Size"):
            return op_def("LookupTableSizeV2")(self.resource_handle)

    def export(self, name: str | None = None) -> tuple[Tensor, Tensor]:
        """All keys, and their values in the same order."""
        with op_scope([], name, f"{self.name}_{self._exporting}"):
            found = op_def("LookupTableExportV2")(self.resource_handle, Tkeys=self.key_dtype, Tvalues=self.value_dtype)
        return found.keys, found.values

    def _find(self, keys: Any, default: Tensor, name: str | None, called: str, key_rank: int = 0) -> Any:
        flat, like = keys_like(keys, self.key_dtype)
        with op_scope([flat], name, called):
            found = op_def("LookupTableFindV2")(self.resource_handle, flat, default)
        shape = flat.get_shape()
        if shape.ndims is not None:
            found.set_shape(shape[: shape.ndims - key_rank].concatenate(default.get_shape()))
        return like(found)
