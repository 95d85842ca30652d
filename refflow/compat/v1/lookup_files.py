"""Tables filled from text files: a line an entry, its key and its value a column, the whole line, or its number.

Next: compat/v1/lookup_tables.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.compat.v1.graph_keys import GraphKeys
from refflow.compat.v1.lookup_static import check_table_dtypes
from refflow.compat.v1.lookup_tables import TableInitializerBase, added
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import int64, string
from refflow.core.graph import Operation, Tensor, get_default_graph
from refflow.core.registry import op_def


class TextFileIndex:
    """What of a line is meant, where it is no column."""

    WHOLE_LINE, LINE_NUMBER = -2, -1


def file_columns(key_index: int, value_index: int, key_dtype: Any, value_dtype: Any) -> None:
    """ValueError where what is asked of a line cannot be of its type."""
    for name, index, dtype in (("key", key_index, key_dtype), ("value", value_index, value_dtype)):
        if index == TextFileIndex.LINE_NUMBER and dtype is not int64:
            raise ValueError(f"`{name}_dtype` must be int64 if `{name}_index` is {index}, received: {dtype.name}")
        if index == TextFileIndex.WHOLE_LINE and dtype is not string and not dtype.is_integer:
            raise ValueError(f"`{name}_dtype` should be either integer or string for `{name}_index` {index}, received: "
                             f"{dtype.name}")  # fmt: skip
        if index < -2:
            raise ValueError(f"`{name}_index` should be >= -2, received: {index}.")


class TextFileInitializer(TableInitializerBase):
    """Fills a table from `filename`, which is also among the graph's asset files.

    vocab_size: how many lines, where they are counted beforehand; more are left, fewer are an error.
    """

    def __init__(
        self, filename: Any, key_dtype: Any, key_index: int, value_dtype: Any, value_index: int,
        vocab_size: int | None = None, delimiter: str = "\t", name: str | None = None, value_index_offset: int = 0,
    ):  # fmt: skip
        if not isinstance(filename, Tensor) and not filename:
            raise ValueError("`filename` argument required for tf.lookup.TextFileInitializer")
        super().__init__(key_dtype, value_dtype)
        file_columns(key_index, value_index, self.key_dtype, self.value_dtype)
        if vocab_size is not None and vocab_size <= 0:
            raise ValueError(f"`vocab_size` should be > 0, received: {vocab_size}")
        if len(delimiter) != 1:
            raise ValueError(f"`delimiter` is one character, received: {delimiter!r}")
        self._filename, self._name = filename, name or "text_file_init"
        self._attrs: dict[str, Any] = {
            "key_index": key_index, "value_index": value_index, "delimiter": delimiter,
            "vocab_size": -1 if vocab_size is None else vocab_size, "offset": value_index_offset,
        }  # fmt: skip
        counted = "" if vocab_size is None else f"_{vocab_size}"
        shifted = f"_{value_index_offset}" if value_index_offset else ""
        self._shared_name = f"hash_table_{filename}{counted}_{key_index}_{value_index}{shifted}"

    def initialize(self, table: Any) -> Operation:
        """The operation that fills `table`; it is in the collection of table initializers."""
        check_table_dtypes(table, self.key_dtype, self.value_dtype)
        with op_scope([], self._name):
            name = self._filename
            path = convert_to_tensor(name if isinstance(name, Tensor) else np.array(str(name).encode(), object), string,
                                     "asset_filepath")  # fmt: skip
            init = op_def("InitializeTableFromTextFileV2")(table.resource_handle, path, **self._attrs)
        if path.op.type == "Const":  # what is fed when the step runs is no file that could be told of
            get_default_graph().add_to_collection(GraphKeys.ASSET_FILEPATHS, path)
        return added(init)


class TextFileStringTableInitializer(TextFileInitializer):
    """From numbers to words: the line's number and the whole line, or columns."""

    def __init__(
        self, filename: Any, key_column_index: int = TextFileIndex.LINE_NUMBER,
        value_column_index: int = TextFileIndex.WHOLE_LINE, vocab_size: int | None = None, delimiter: str = "\t",
        name: str = "text_file_string_table_init",
    ):  # fmt: skip
        super().__init__(filename, int64, key_column_index, string, value_column_index, vocab_size, delimiter, name)


class TextFileIdTableInitializer(TextFileInitializer):
    """From words, or numbers, to numbers: the whole line and its number, or columns."""

    def __init__(
        self, filename: Any, key_column_index: int = TextFileIndex.WHOLE_LINE,
        value_column_index: int = TextFileIndex.LINE_NUMBER, vocab_size: int | None = None, delimiter: str = "\t",
        name: str = "text_file_id_table_init", key_dtype: Any = string,
    ):  # fmt: skip
        super().__init__(filename, key_dtype, key_column_index, int64, value_column_index, vocab_size, delimiter, name)
