"""tf.lookup: tables from keys to values, filled once by an initializer, or changed as a program runs.

    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a", "b"], [1, 2]), default_value=-1)
    session.run(tf.tables_initializer())
    session.run(table.lookup(tf.constant(["b", "z"])))        [2, -1]

Keys may be a tensor, a SparseTensor or a RaggedTensor; the values have its form.

Next: compat/v1/lookup_files.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.compat.v1 import lookup_mutable as experimental
from refflow.compat.v1.lookup_files import TextFileIndex, TextFileInitializer
from refflow.compat.v1.lookup_tables import LookupInterface, added, keys_like, named
from refflow.compat.v1.string_functions import string_to_hash_bucket_fast
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import DType, as_dtype, int64, string
from refflow.core.graph import Operation, Tensor
from refflow.core.registry import op_def
from refflow.core.shapes import TensorShape
from refflow.ops.cast import cast

__all__ = [
    "KeyValueTensorInitializer", "StaticHashTable", "StaticVocabularyTable", "TextFileIndex", "TextFileInitializer",
    "experimental",
]  # fmt: skip


class KeyValueTensorInitializer:
    """Fills a table with `keys` and `values`, tensors of one shape."""

    def __init__(
        self, keys: Any, values: Any, key_dtype: Any = None, value_dtype: Any = None, name: str | None = None
    ):
        self._name = name or "key_value_init"
        with op_scope([], self._name):
            self._keys = convert_to_tensor(keys, key_dtype, "keys")
            self._values = convert_to_tensor(values, value_dtype, "values")
        self.key_dtype, self.value_dtype = self._keys.dtype.base_dtype, self._values.dtype.base_dtype

    def initialize(self, table: Any) -> Operation:
        """The operation that fills `table`; it is in the collection of table initializers."""
        check_table_dtypes(table, self.key_dtype, self.value_dtype)
        with op_scope([], self._name):
            init = op_def("InitializeTableV2")(table.resource_handle, self._keys, self._values)
        return added(init)


def check_table_dtypes(table: Any, key_dtype: DType, value_dtype: DType) -> None:
    """A TypeError where a table has other types."""
    if key_dtype is not table.key_dtype or value_dtype is not table.value_dtype:
        raise TypeError(f"Invalid key/value dtypes for table {table.name}: expected {table.key_dtype.name} -> "
                        f"{table.value_dtype.name}, got {key_dtype.name} -> {value_dtype.name}")  # fmt: skip


class StaticHashTable(LookupInterface):
    """A table that `initializer` fills once. A key that it lacks has `default_value`."""

    def __init__(
        self, initializer: Any, default_value: Any, name: str | None = None, experimental_is_anonymous: bool = False
    ):
        self._initializer = initializer
        super().__init__(initializer.key_dtype, initializer.value_dtype)
        self._name = name or "hash_table"
        with op_scope([], self._name, "hash_table") as scope:
            shared = getattr(initializer, "_shared_name", "") or named("hash_table")
            self.resource_handle = op_def("HashTableV2")(
                key_dtype=self.key_dtype, value_dtype=self.value_dtype, shared_name=shared, name=scope)  # fmt: skip
            self.default_value = convert_to_tensor(default_value, self.value_dtype)
            self.default_value.get_shape().merge_with(TensorShape([]))
            self._init_op = initializer.initialize(self)

    @property
    def initializer(self) -> Operation:
        """The operation that fills the table."""
        return self._init_op

    def lookup(self, keys: Any, name: str | None = None) -> Any:
        """The value of each key."""
        return self._find(keys, self.default_value, name or f"{self.name}_Lookup")


class StaticVocabularyTable(LookupInterface):
    """Ids for strings or numbers: those that `initializer` gives, int64, and behind them buckets for all others.

    num_oov_buckets: how many such buckets. initializer: None for buckets alone.
    """

    def __init__(
        self, initializer: Any, num_oov_buckets: int, lookup_key_dtype: Any = None, name: str | None = None,
        experimental_is_anonymous: bool = False,
    ):  # fmt: skip
        if num_oov_buckets <= 0:
            raise ValueError(f"`num_oov_buckets` must be > 0; use StaticHashTable. Received: {num_oov_buckets}.")
        if initializer is not None and initializer.value_dtype is not int64:
            raise TypeError(f"Invalid `value_dtype`, expected int64 but got {initializer.value_dtype.name}.")
        if initializer is not None and initializer.key_dtype not in (string, int64):
            raise TypeError(f"Invalid `key_dtype`, expected integer or string, got {initializer.key_dtype.name}.")
        kind = as_dtype(lookup_key_dtype) if lookup_key_dtype is not None else getattr(initializer, "key_dtype", string)
        if not kind.is_integer and kind is not string:
            raise TypeError(f"Invalid `key_dtype`, expected integer or string, got {kind.name}.")
        super().__init__(kind, int64)
        self._buckets, self._name = num_oov_buckets, name or "string_to_index"
        self._table = None if initializer is None else StaticHashTable(initializer, -1, self._name + "_hash_table")
        if self._table is not None and (kind is string) != (self._table.key_dtype is string):
            raise TypeError(f"Invalid `lookup_key_dtype`: {kind.name} for a table of {self._table.key_dtype.name}")

    @property
    def resource_handle(self) -> Any:
        return None if self._table is None else self._table.resource_handle

    @property
    def initializer(self) -> Operation:
        from refflow.core.control import no_op

        return no_op() if self._table is None else self._table.initializer

    def size(self, name: str | None = None) -> Tensor:
        """How many ids there are."""
        with op_scope([], name, f"{self.name}_Size"):
            size = np.int64(0) if self._table is None else self._table.size()
            return op_def("Add")(size, np.int64(self._buckets))

    def lookup(self, keys: Any, name: str | None = None) -> Tensor:
        """The id of each key."""
        flat, like = keys_like(keys, self.key_dtype)
        with op_scope([], name, f"{self.name}_Lookup"):
            words = op_def("AsString")(flat) if flat.dtype.base_dtype is not string else flat
            ids = string_to_hash_bucket_fast(words, self._buckets)
            if self._table is not None:
                wanted = flat if self._table.key_dtype is string else cast(flat, int64)
                known = self._table.lookup(wanted)
                missing = op_def("Equal")(known, self._table.default_value)
                ids = op_def("SelectV2")(missing, op_def("Add")(ids, self._table.size()), known)
            return like(ids)


# -- vocabularies, as tf.contrib.lookup called them ----------------------------------------------------------------


def index_table_from_tensor(
    vocabulary_list: Any, num_oov_buckets: int = 0, default_value: int = -1, hasher_spec: Any = None,
    dtype: Any = string, name: str | None = None,
) -> LookupInterface:  # fmt: skip
    """The place of each word of `vocabulary_list`; others go into buckets behind, or are `default_value`."""
    if vocabulary_list is None:
        raise ValueError("`vocabulary_list` must be specified.")
    if num_oov_buckets < 0:
        raise ValueError(f"`num_oov_buckets` must be greater or equal than 0, got {num_oov_buckets}.")
    keys = convert_to_tensor(vocabulary_list)
    if keys.dtype.base_dtype.is_integer != as_dtype(dtype).is_integer:
        raise ValueError(f"Expected {as_dtype(dtype).name}, got {keys.dtype.base_dtype.name}.")
    keys = cast(keys, int64) if keys.dtype.is_integer else keys
    places = cast(op_def("Range")(0, op_def("Size")(keys), 1), int64)
    init = KeyValueTensorInitializer(keys, places, name="table_init")
    return _with_buckets(init, num_oov_buckets, default_value, name)


def index_table_from_file(
    vocabulary_file: Any = None, num_oov_buckets: int = 0, vocab_size: int | None = None, default_value: int = -1,
    hasher_spec: Any = None, key_dtype: Any = string, name: str | None = None,
    key_column_index: int = TextFileIndex.WHOLE_LINE, value_column_index: int = TextFileIndex.LINE_NUMBER,
    delimiter: str = "\t",
) -> LookupInterface:  # fmt: skip
    """The line number of each word of a file with a word a line."""
    if vocabulary_file is None or vocabulary_file == "":
        raise ValueError("`vocabulary_file` must be specified and must not be empty.")
    init = TextFileInitializer(vocabulary_file, key_dtype if as_dtype(key_dtype) is string else int64,
                               key_column_index, int64, value_column_index, vocab_size, delimiter)  # fmt: skip
    return _with_buckets(init, num_oov_buckets, default_value, name)


def _with_buckets(init: Any, buckets: int, default: int, name: str | None) -> LookupInterface:
    if buckets:
        return StaticVocabularyTable(init, buckets, name=name or "string_to_index")
    return StaticHashTable(init, default, name or "string_to_index")


def index_to_string_table_from_tensor(
    vocabulary_list: Any, default_value: Any = "UNK", name: str | None = None
) -> StaticHashTable:
    """The word at each place."""
    if vocabulary_list is None:
        raise ValueError("`vocabulary_list` argument must be specified.")
    words = convert_to_tensor(vocabulary_list, string)
    places = cast(op_def("Range")(0, op_def("Size")(words), 1), int64)
    return StaticHashTable(KeyValueTensorInitializer(places, words, name="table_init"), default_value,
                           name or "index_to_string")  # fmt: skip


def index_to_string_table_from_file(
    vocabulary_file: Any, vocab_size: int | None = None, default_value: Any = "UNK", name: str | None = None,
    key_column_index: int = TextFileIndex.LINE_NUMBER, value_column_index: int = TextFileIndex.WHOLE_LINE,
    delimiter: str = "\t",
) -> StaticHashTable:  # fmt: skip
    """The word of each line of a file."""
    if vocabulary_file is None or vocabulary_file == "":
        raise ValueError("`vocabulary_file` must be specified and must not be empty.")
    init = TextFileInitializer(vocabulary_file, int64, key_column_index, string, value_column_index, vocab_size,
                               delimiter)  # fmt: skip
    return StaticHashTable(init, default_value, name or "index_to_string")


HashTable, MutableHashTable, MutableDenseHashTable = (
    StaticHashTable, experimental.MutableHashTable, experimental.DenseHashTable
)  # fmt: skip
