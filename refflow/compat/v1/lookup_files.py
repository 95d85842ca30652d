"""Tables filled from text files: a line an entry, its key and its value a column, the whole line, or its number.

Next: compat/v1/lookup_tables.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.compat.v1.graph_keys import GraphKeys
from refflow.compat.v1.lookup_tables import added
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import as_dtype, int64, string
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


class TextFileInitializer:
    """Fills a table from `filename`, which is also among the graph's asset files.

    vocab_size: how many lines, where they are counted beforehand; more are left, fewer are an error.
    """

    def __init__(
        self, filename: Any, key_dtype: Any, key_index: int, value_dtype: Any, value_index: int,
        vocab_size: int | None = None, delimiter: str = "\t", name: str | None = None, value_index_offset: int = 0,
    ):  # fmt: skip
        if not isinstance(filename, Tensor) and not filename:
            raise ValueError("`filename` argument required for tf.lookup.TextFileInitializer")
        self.key_dtype, self.value_dtype = as_dtype(key_dtype), as_dtype(value_dtype)
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
        self._shared_name = ""
        if not isinstance(filename, Tensor):
            self._shared_name = f"hash_table_{filename}_{self._attrs['vocab_size']}_{key_index}_{value_index}"
            if value_index_offset:
                self._shared_name += f"_offset_{value_index_offset}"

    def initialize(self, table: Any) -> Operation:
        """The operation that fills `table`; it is in the collection of table initializers."""
        from refflow.compat.v1.lookup import check_table_dtypes

        check_table_dtypes(table, self.key_dtype, self.value_dtype)
        with op_scope([], self._name):
            name = self._filename
            path = convert_to_tensor(name if isinstance(name, Tensor) else np.array(str(name).encode(), object), string,
                                     "asset_filepath")  # fmt: skip
            init = op_def("InitializeTableFromTextFileV2")(table.resource_handle, path, **self._attrs)
        get_default_graph().add_to_collection(GraphKeys.ASSET_FILEPATHS, path)
        return added(init)
