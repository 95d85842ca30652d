"""tf.lookup.experimental: tables that a running program fills and changes, and whose entries checkpoints keep.

Next: train/saveable.py.
"""

from __future__ import annotations

from typing import Any

from refflow.compat.v1.graph_keys import GraphKeys
from refflow.compat.v1.lookup_tables import HandledTable
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.errors import ConversionError
from refflow.core.graph import Operation, Tensor, get_default_graph
from refflow.core.registry import op_def
from refflow.train.saveable import SaveableObject, SaveSpec

__all__ = ["DenseHashTable", "MutableHashTable"]


class _Entries(SaveableObject):
    """A table's keys and values as a checkpoint has them."""

    def __init__(self, table: _Mutable, name: str):
        specs = [SaveSpec(part, "", f"{name}-{what}") for part, what in zip(table.export(), ("keys", "values"),
                                                                           strict=True)]  # fmt: skip
        super().__init__(table, specs, name)

    def restore(self, restored_tensors: Any, restored_shapes: Any) -> Operation:
        """Forgets what the table has, and takes these."""
        with op_scope([], f"{self.name}_table_restore"):
            return op_def("LookupTableImportV2")(self.op.resource_handle, *restored_tensors)


class _Mutable(HandledTable):
    """Insert, remove, look up and export."""

    _exporting = "lookup_table_export_values"
    _key_rank = 0

    def __init__(self, types: tuple[Any, Any], default: Tensor, handle: Tensor, name: str, checkpoint: bool):
        super().__init__(*types)
        self._default, self.resource_handle = default, handle
        if checkpoint:
            get_default_graph().add_to_collection(GraphKeys.SAVEABLE_OBJECTS, _Entries(self, name))

    def lookup(  # type: ignore[override]  # the order is TensorFlow's
        self, keys: Any, dynamic_default_values: Any = None, name: str | None = None
    ) -> Any:
        """The value of each key; one that it lacks has the default, or `dynamic_default_values`, a value for each."""
        called = f"{self.name}_lookup_table_find"
        if dynamic_default_values is None:
            return self._find(keys, self._default, name, called, self._key_rank)
        with op_scope([], name, called):
            default = convert_to_tensor(dynamic_default_values, self.value_dtype)
            keys = convert_to_tensor(keys, self.key_dtype, "keys")
            return op_def("LookupTableFindV2")(self.resource_handle, keys, default)

    def insert(self, keys: Any, values: Any, name: str | None = None) -> Operation:
        """Enters these, in the place of what their keys had."""
        with op_scope([], name, f"{self.name}_lookup_table_insert"):
            keys = convert_to_tensor(keys, self.key_dtype, "keys")
            values = convert_to_tensor(values, self.value_dtype, "values")
            return op_def("LookupTableInsertV2")(self.resource_handle, keys, values)

    def remove(self, keys: Any, name: str | None = None) -> Operation:
        """Takes these keys out; those that are not there are fine."""
        known = self.key_dtype
        if isinstance(keys, Tensor) and keys.dtype.base_dtype is not known:
            raise ConversionError(f"Dtype of argument `keys` must be {known.name}, received: {keys.dtype.name}")
        with op_scope([], name, f"{self.name}_lookup_table_remove"):
            keys = convert_to_tensor(keys, known, "keys")
            return op_def("LookupTableRemoveV2")(self.resource_handle, keys)


class MutableHashTable(_Mutable):
    """Keys are scalars; values have the shape of `default_value`.

    checkpoint: the entries are saved with the variables, as NAME-keys and NAME-values.
    """

    def __init__(
        self, key_dtype: Any, value_dtype: Any, default_value: Any, name: str = "MutableHashTable",
        checkpoint: bool = True, experimental_is_anonymous: bool = False,
    ):  # fmt: skip
        default = convert_to_tensor(default_value, value_dtype)
        attrs: dict[str, Any] = {"key_dtype": key_dtype, "value_dtype": value_dtype, "name": name}
        kind = "MutableHashTable"
        if default.get_shape().ndims:
            kind, attrs["value_shape"] = "MutableHashTableOfTensors", default.get_shape()
        handle = _handle(kind, experimental_is_anonymous, checkpoint, **attrs)
        super().__init__((key_dtype, value_dtype), default, handle, name, checkpoint)


class DenseHashTable(_Mutable):
    """Keys and values have the shapes of `empty_key` and `default_value`. Two keys are set aside, and are none."""

    def __init__(
        self, key_dtype: Any, value_dtype: Any, default_value: Any, empty_key: Any, deleted_key: Any,
        initial_num_buckets: int | None = None, name: str = "MutableDenseHashTable", checkpoint: bool = True,
        experimental_is_anonymous: bool = False,
    ):  # fmt: skip
        default = convert_to_tensor(default_value, value_dtype, "default_value")
        empty = convert_to_tensor(empty_key, key_dtype, "empty_key")
        deleted = convert_to_tensor(deleted_key, key_dtype, "deleted_key")
        self._key_rank = empty.get_shape().ndims or 0
        handle = _handle(
            "MutableDenseHashTable", experimental_is_anonymous, checkpoint, empty, deleted, value_dtype=value_dtype,
            value_shape=default.get_shape(), name=name,
            initial_num_buckets=131072 if initial_num_buckets is None else initial_num_buckets,
        )  # fmt: skip
        super().__init__((key_dtype, value_dtype), default, handle, name, checkpoint)

    insert_or_assign, erase = _Mutable.insert, _Mutable.remove


def _handle(kind: str, anonymous: bool, checkpoint: bool, *inputs: Tensor, **attrs: Any) -> Tensor:
    """The handle of a table that is found by its node's name where checkpoints keep it; else each step's own."""
    if anonymous:
        return op_def(f"Anonymous{kind}")(*inputs, **attrs)
    return op_def(f"{kind}V2")(*inputs, use_node_name_sharing=checkpoint, **attrs)
