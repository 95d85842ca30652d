"""Tables of vocabularies, lists or files with a word a line: from words to their places, and back.

Next: compat/v1/lookup_mutable.py.
"""

from __future__ import annotations

from typing import Any

from refflow.compat.v1.lookup_buckets import FastHashSpec, IdTableWithHashBuckets
from refflow.compat.v1.lookup_files import TextFileIdTableInitializer, TextFileIndex, TextFileStringTableInitializer
from refflow.compat.v1.lookup_static import KeyValueTensorInitializer, StaticHashTable
from refflow.compat.v1.lookup_tables import LookupInterface
from refflow.core.constants import constant_value
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import DType, as_dtype, int64, string
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.ops.cast import cast

__all__ = [
    "index_table_from_file", "index_table_from_tensor", "index_to_string_table_from_file",
    "index_to_string_table_from_tensor",
]  # fmt: skip


def index_table_from_tensor(
    vocabulary_list: Any, num_oov_buckets: int = 0, default_value: int = -1, hasher_spec: Any = FastHashSpec,
    dtype: Any = string, name: str | None = None,
) -> LookupInterface:  # fmt: skip
    """The place of each word of `vocabulary_list`; others go into buckets behind, or are `default_value`."""
    if vocabulary_list is None:
        raise ValueError("`vocabulary_list` must be specified.")
    kind = as_dtype(dtype)
    if num_oov_buckets < 0:
        raise ValueError(f"`num_oov_buckets` must be greater or equal than 0, got {num_oov_buckets}.")
    if not kind.is_integer and kind is not string:
        raise TypeError("`dtype` must either be integer or string.")
    with op_scope([], name, "string_to_index"):
        keys = convert_to_tensor(vocabulary_list)
        if keys.dtype.is_integer != kind.is_integer or (kind is string and keys.dtype.base_dtype is not string):
            wanted = "integer" if kind.is_integer else "non-integer" if keys.dtype.is_integer else kind.name
            raise ValueError(f"Invalid `dtype`: Expected {wanted}, got {keys.dtype.name}.")
        places = _places(keys)
        with op_scope([], None, "hash_table"):
            keys = cast(keys, int64) if keys.dtype.is_integer else keys
            table = StaticHashTable(KeyValueTensorInitializer(keys, places, name="table_init"), default_value)
        return _with_buckets(table, num_oov_buckets, hasher_spec, kind)


def index_table_from_file(
    vocabulary_file: Any = None, num_oov_buckets: int = 0, vocab_size: int | None = None, default_value: int = -1,
    hasher_spec: Any = FastHashSpec, key_dtype: Any = string, name: str | None = None,
    key_column_index: int = TextFileIndex.WHOLE_LINE, value_column_index: int = TextFileIndex.LINE_NUMBER,
    delimiter: str = "\t",
) -> LookupInterface:  # fmt: skip
    """The line number of each word of a file with a word a line."""
    _check_file(vocabulary_file)
    kind = as_dtype(key_dtype)
    if num_oov_buckets < 0:
        raise ValueError(f"num_oov_buckets must be greater or equal than 0, got {num_oov_buckets}.")
    if vocab_size is not None and vocab_size < 1:
        known = (constant_value(vocabulary_file) or "?") if isinstance(vocabulary_file, Tensor) else vocabulary_file
        raise ValueError(f"`vocab_size` must be greater than 0, got {vocab_size} for vocabulary_file: {known}.")
    if not kind.is_integer and kind is not string:
        raise TypeError("Dtype for `keys` should be either integer or string.")
    with op_scope([], name, "string_to_index"):
        with op_scope([], None, "hash_table"):
            init = TextFileIdTableInitializer(
                vocabulary_file, key_column_index, value_column_index, vocab_size, delimiter, "table_init",
                int64 if kind.is_integer else kind,
            )  # fmt: skip
            table = StaticHashTable(init, default_value)
        return _with_buckets(table, num_oov_buckets, hasher_spec, kind)


def index_to_string_table_from_tensor(
    vocabulary_list: Any, default_value: Any = "UNK", name: str | None = None
) -> StaticHashTable:
    """The word at each place."""
    if vocabulary_list is None:
        raise ValueError("`vocabulary_list` argument must be specified.")
    with op_scope([], name, "index_to_string"):
        words = convert_to_tensor(vocabulary_list, string)
        return StaticHashTable(KeyValueTensorInitializer(_places(words), words, name="table_init"), default_value)


def index_to_string_table_from_file(
    vocabulary_file: Any, vocab_size: int | None = None, default_value: Any = "UNK", name: str | None = None,
    key_column_index: int = TextFileIndex.LINE_NUMBER, value_column_index: int = TextFileIndex.WHOLE_LINE,
    delimiter: str = "\t",
) -> StaticHashTable:  # fmt: skip
    """The word of each line of a file."""
    _check_file(vocabulary_file)
    if vocab_size is not None and vocab_size < 1:
        raise ValueError(f"`vocab_size` must be greater than 0, got {vocab_size}.")
    with op_scope([], name, "index_to_string"):
        init = TextFileStringTableInitializer(vocabulary_file, key_column_index, value_column_index, vocab_size,
                                              delimiter, "table_init")  # fmt: skip
        return StaticHashTable(init, default_value)


def _check_file(vocabulary_file: Any) -> None:
    if vocabulary_file is None or (isinstance(vocabulary_file, str) and not vocabulary_file):
        raise ValueError("`vocabulary_file` must be specified and must not be empty.")


def _places(words: Tensor) -> Tensor:
    """0, 1, 2, ... for as many as there are words."""
    return cast(op_def("Range")(0, op_def("Size")(words), 1, name="range"), int64)


def _with_buckets(table: StaticHashTable, buckets: int, spec: Any, kind: DType) -> LookupInterface:
    return IdTableWithHashBuckets(table, buckets, spec, key_dtype=kind) if buckets else table
