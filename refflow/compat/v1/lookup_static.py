"""Tables that are filled once, by an initializer, and then only read.

Next: compat/v1/lookup_buckets.py.
"""

from __future__ import annotations

from typing import Any

from refflow.compat.v1.lookup_tables import HandledTable, TableInitializerBase, added, named
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import DType
from refflow.core.graph import Operation, Tensor
from refflow.core.registry import op_def
from refflow.core.shapes import TensorShape

__all__ = ["InitializableLookupTableBase", "KeyValueTensorInitializer", "StaticHashTable", "check_table_dtypes"]


def check_table_dtypes(table: Any, key_dtype: DType, value_dtype: DType) -> None:
    """A TypeError where a table has other types."""
    for what, known, given in (
        ("key", table.key_dtype, key_dtype.base_dtype), ("value", table.value_dtype, value_dtype.base_dtype),
    ):  # fmt: skip
        if given is not known:
            raise TypeError(f"Invalid {what} dtype for table, expected {known.name} but got {given.name}.")


class KeyValueTensorInitializer(TableInitializerBase):
    """Fills a table with `keys` and `values`, tensors of one shape."""

    def __init__(
        self, keys: Any, values: Any, key_dtype: Any = None, value_dtype: Any = None, name: str | None = None
    ):
        self._keys = convert_to_tensor(keys, key_dtype, "keys")
        self._values = convert_to_tensor(values, value_dtype, "values")
        self._name = name or "key_value_init"
        super().__init__(self._keys.dtype.base_dtype, self._values.dtype.base_dtype)

    def initialize(self, table: Any) -> Operation:
        """The operation that fills `table`; it is in the collection of table initializers."""
        check_table_dtypes(table, self.key_dtype, self.value_dtype)
        with op_scope([], self._name):
            init = op_def("LookupTableImportV2")(table.resource_handle, self._keys, self._values)
        return added(init)


class InitializableLookupTableBase(HandledTable):
    """A table that `initializer` fills. A key that it lacks has `default_value`, a scalar."""

    def __init__(self, default_value: Any, initializer: Any):
        super().__init__(initializer.key_dtype, initializer.value_dtype)
        self._default_value = convert_to_tensor(default_value, self.value_dtype)
        self._default_value.get_shape().merge_with(TensorShape([]))
        self._initializer = initializer
        self.resource_handle = self._create_resource()
        self._init_op = initializer.initialize(self)

    def _create_resource(self) -> Tensor:
        """The handle of a new table."""
        raise NotImplementedError

    @property
    def default_value(self) -> Tensor:
        return self._default_value

    @property
    def initializer(self) -> Operation:
        """The operation that fills the table."""
        return self._init_op

    init = initializer

    def lookup(self, keys: Any, name: str | None = None) -> Any:
        """The value of each key."""
        return self._find(keys, self._default_value, name, f"{self.name}_Lookup")


class StaticHashTable(InitializableLookupTableBase):
    """A table behind a hash. experimental_is_anonymous: each step makes one of its own, which no name finds."""

    def __init__(
        self, initializer: Any, default_value: Any, name: str | None = None, experimental_is_anonymous: bool = False
    ):
        self._called, self._is_anonymous = name or "hash_table", experimental_is_anonymous
        super().__init__(default_value, initializer)

    def _create_resource(self) -> Tensor:
        types: dict[str, Any] = {"key_dtype": self.key_dtype, "value_dtype": self.value_dtype, "name": self._called}
        if self._is_anonymous:
            return op_def("AnonymousHashTable")(**types)
        return op_def("HashTableV2")(shared_name=self._initializer._shared_name or named("hash_table"), **types)

    def export(self, name: str | None = None) -> tuple[Tensor, Tensor]:
        """All keys, and their values in the same order."""
        keys, values = super().export(name)
        values.set_shape(keys.get_shape().concatenate(self._default_value.get_shape()))
        return keys, values
