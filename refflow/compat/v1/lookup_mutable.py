"""tf.lookup.experimental: tables that a running program fills and changes.

Next: ops/lookup_tables.py.
"""

from __future__ import annotations

from typing import Any

from refflow.compat.v1.lookup_tables import LookupInterface
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.graph import Operation
from refflow.core.registry import op_def

__all__ = ["DenseHashTable", "MutableHashTable"]


class _Mutable(LookupInterface):
    """Insert, remove, look up and export."""

    _default: Any
    _key_rank = 0

    def lookup(self, keys: Any, dynamic_default_values: Any = None, name: str | None = None) -> Any:
        """The value of each key; one that it lacks has the default, or `dynamic_default_values`, a value for each."""
        default = self._default if dynamic_default_values is None else convert_to_tensor(
            dynamic_default_values, self.value_dtype)  # fmt: skip
        label = name or f"{self.name}_lookup_table_find"
        if dynamic_default_values is None:
            return self._find(keys, default, label, self._key_rank)
        keys = convert_to_tensor(keys, self.key_dtype, "keys")
        return op_def("LookupTableFindV2")(self.resource_handle, keys, default, name=label)

    def insert(self, keys: Any, values: Any, name: str | None = None) -> Operation:
        """Enters these, in the place of what their keys had."""
        with op_scope([], name, f"{self.name}_lookup_table_insert"):
            keys = convert_to_tensor(keys, self.key_dtype, "keys")
            values = convert_to_tensor(values, self.value_dtype, "values")
            return op_def("LookupTableInsertV2")(self.resource_handle, keys, values)

    def remove(self, keys: Any, name: str | None = None) -> Operation:
        """Takes these keys out; those that are not there are fine."""
        if hasattr(keys, "dtype") and hasattr(keys, "graph") and keys.dtype.base_dtype is not self.key_dtype:
            raise TypeError(f"Dtype of argument `keys` must be {self.key_dtype.name}, received: {keys.dtype.name}")
        keys = convert_to_tensor(keys, self.key_dtype, "keys")
        label = name or f"{self.name}_lookup_table_remove"
        return op_def("LookupTableRemoveV2")(self.resource_handle, keys, name=label)


class MutableHashTable(_Mutable):
    """Keys are scalars; values have the shape of `default_value`."""

    def __init__(
        self, key_dtype: Any, value_dtype: Any, default_value: Any, name: str = "MutableHashTable",
        checkpoint: bool = True, experimental_is_anonymous: bool = False,
    ):  # fmt: skip
        super().__init__(key_dtype, value_dtype)
        self._default = convert_to_tensor(default_value, self.value_dtype)
        kind, attrs = "MutableHashTableV2", {}
        if self._default.get_shape().ndims:
            kind, attrs = "MutableHashTableOfTensorsV2", {"value_shape": self._default.get_shape()}
        self.resource_handle = op_def(kind)(key_dtype=self.key_dtype, value_dtype=self.value_dtype,
                                            use_node_name_sharing=True, name=name, **attrs)  # fmt: skip
        self._name = self.resource_handle.op.name.split("/")[-1]


class DenseHashTable(_Mutable):
    """Keys and values have the shapes of `empty_key` and `default_value`. Two keys are set aside, and are none."""

    def __init__(
        self, key_dtype: Any, value_dtype: Any, default_value: Any, empty_key: Any, deleted_key: Any,
        initial_num_buckets: int | None = None, name: str = "MutableDenseHashTable", checkpoint: bool = True,
        experimental_is_anonymous: bool = False,
    ):  # fmt: skip
        super().__init__(key_dtype, value_dtype)
        self._default = convert_to_tensor(default_value, self.value_dtype, "default_value")
        empty = convert_to_tensor(empty_key, self.key_dtype, "empty_key")
        deleted = convert_to_tensor(deleted_key, self.key_dtype, "deleted_key")
        self._key_rank = empty.get_shape().ndims or 0
        self.resource_handle = op_def("MutableDenseHashTableV2")(
            empty, deleted, value_dtype=self.value_dtype, value_shape=self._default.get_shape(),
            initial_num_buckets=131072 if initial_num_buckets is None else initial_num_buckets,
            use_node_name_sharing=True, name=name)  # fmt: skip
        self._name = self.resource_handle.op.name.split("/")[-1]

    insert_or_assign, erase = _Mutable.insert, _Mutable.remove
