"""Datasets of tables and of example records: CSV files, databases, Examples; and records written from a dataset.

    CsvDataset(names, [tf.float32, tf.constant([0])])          a tuple of scalars for each record
    make_csv_dataset(pattern, 32, label_name="y")              batches of (features by column name, labels), shuffled
    make_batched_features_dataset(pattern, 32, features)       batches of parsed Examples, shuffled

Where types are not given, a column's is the narrowest of int32, int64, float32, float64 and string that fits the first
rows of the files, which are read while the graph is built.

Next: compat/v1/data/experimental.py.
"""

from __future__ import annotations

import collections
import csv
import glob
import gzip
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from refflow.compat.v1.data.dataset import Dataset
from refflow.compat.v1.data.nodes import made, number, truth
from refflow.compat.v1.data.readers import TFRecordDataset, compression
from refflow.compat.v1.type_specs import TensorSpec
from refflow.core.constants import constant_value
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import DType, as_dtype, float32, float64, int32, int64, string
from refflow.core.registry import op_def
from refflow.core.tensor import Operation, Tensor

_BUFFER = 4 * 1024 * 1024
_KINDS = (int32, int64, float32, float64, string)


class CsvDataset(Dataset):
    """The records of CSV files. record_defaults: for each column a value, or a type where the field is needed."""

    def __init__(
        self, filenames: Any, record_defaults: Any, compression_type: Any = None, buffer_size: Any = None,
        header: Any = False, field_delim: Any = ",", use_quote_delim: Any = True, na_value: Any = "",
        select_cols: Any = None, exclude_cols: Any = None,
    ):  # fmt: skip
        defaults = [_default(d) for d in record_defaults]
        spec = tuple(TensorSpec([], d.dtype) for d in defaults)
        text = [convert_to_tensor(v, string, n) for v, n in ((field_delim, "field_delim"), (na_value, "na_value"))]
        chosen = [convert_to_tensor([] if c is None else c, int64, n)
                  for c, n in ((select_cols, "select_cols"), (exclude_cols, "exclude_cols"))]  # fmt: skip
        found = op_def("CSVDatasetV2")(
            convert_to_tensor(filenames, string, "filenames"), compression(compression_type),
            number(_BUFFER if buffer_size is None else buffer_size, "buffer_size"), truth(header, "header"), text[0],
            truth(use_quote_delim, "use_quote_delim"), text[1], chosen[0], defaults, chosen[1],
            output_shapes=[s.shape for s in spec],
        )  # fmt: skip
        super().__init__(found, spec)


def _default(value: Any) -> Tensor:
    """A column's default; a type stands for none."""
    if isinstance(value, DType) or (isinstance(value, type) and not isinstance(value, Tensor)):
        kind = as_dtype(value)
        return convert_to_tensor(np.zeros(0, kind.as_numpy_dtype), kind)
    return convert_to_tensor(value)


class SqlDataset(Dataset):
    """The rows that a query gives, as tuples of scalars. driver_name: "sqlite"."""

    def __init__(self, driver_name: Any, data_source_name: Any, query: Any, output_types: Any):
        spec = tuple(TensorSpec([], as_dtype(t)) for t in output_types)
        names = (("driver_name", driver_name), ("data_source_name", data_source_name), ("query", query))
        given = [convert_to_tensor(value, string, name) for name, value in names]
        super().__init__(made("SqlDataset", spec, [], *given)._variant_tensor, spec)


# -- whole input pipelines -------------------------------------------------------------------------------------------


def make_csv_dataset(
    file_pattern: Any, batch_size: int, column_names: Sequence[str] | None = None, column_defaults: Any = None,
    label_name: str | None = None, select_columns: Any = None, field_delim: str = ",", use_quote_delim: bool = True,
    na_value: str = "", header: bool = True, num_epochs: int | None = None, shuffle: bool = True,
    shuffle_buffer_size: int = 10000, shuffle_seed: int | None = None, prefetch_buffer_size: int | None = None,
    num_parallel_reads: int | None = None, sloppy: bool = False, num_rows_for_inference: int | None = 100,
    compression_type: Any = None, ignore_errors: bool = False, encoding: str = "utf-8",
) -> Any:  # fmt: skip
    """Batches of CSV rows: dictionaries of columns, or pairs of such and the column `label_name`."""
    files = _files(file_pattern)
    table = _Table(files, field_delim, use_quote_delim, header, na_value, compression_type, encoding)
    if column_names is None:
        column_names = table.names()
    if len(set(column_names)) != len(column_names):
        twice = {name for name in column_names if list(column_names).count(name) > 1}
        raise ValueError(f"`column_names` or inferred column names must not have duplicates: {twice}.")
    places = None if select_columns is None else _places(select_columns, column_names)
    if column_defaults is None:
        column_defaults = table.defaults(len(column_names), places, num_rows_for_inference)
    if places is not None:
        if len(column_defaults) != len(places):
            raise ValueError(
                "If specified, `column_defaults` and `select_columns` must have the same length: `column_defaults` has "
                f"length {len(column_defaults)}, `select_columns` has length {len(places)}."
            )
        column_names = [column_names[i] for i in places]
    if label_name is not None and label_name not in column_names:
        raise ValueError(
            f"`label_name` provided must be one of the columns: {column_names}. Received: {label_name}."
        )

    def records(filename: Any) -> Any:
        rows = CsvDataset(filename, column_defaults, compression_type, None, header, field_delim, use_quote_delim,
                          na_value, places)  # fmt: skip
        return rows.ignore_errors() if ignore_errors else rows

    def named(*columns: Any) -> Any:
        features = collections.OrderedDict(zip(column_names, columns, strict=True))
        return features if label_name is None else (features, features.pop(label_name))

    dataset = _of_files(files, records, shuffle, shuffle_seed, num_parallel_reads or 1)
    dataset = _epochs(dataset, num_epochs, shuffle, shuffle_buffer_size, shuffle_seed)
    return dataset.batch(batch_size, drop_remainder=num_epochs is None).map(named).prefetch(prefetch_buffer_size or -1)


def make_batched_features_dataset(
    file_pattern: Any, batch_size: int, features: Any, reader: Any = None, label_key: str | None = None,
    reader_args: Sequence[Any] | None = None, num_epochs: int | None = None, shuffle: bool = True,
    shuffle_buffer_size: int = 10000, shuffle_seed: int | None = None, prefetch_buffer_size: int | None = None,
    reader_num_threads: int | None = None, parser_num_threads: int | None = None, sloppy_ordering: bool = False,
    drop_final_batch: bool = False,
) -> Any:  # fmt: skip
    """Batches of parsed Examples: dictionaries of features, or pairs of such and the feature `label_key`."""
    read = TFRecordDataset if reader is None else reader
    dataset = _of_files(_files(file_pattern), lambda name: read(name, *(reader_args or ())), shuffle, shuffle_seed,
                        reader_num_threads or 1)  # fmt: skip
    if isinstance(dataset.element_spec, tuple) and len(dataset.element_spec) == 2:  # keys and values
        dataset = dataset.map(lambda _, value: value)
    dataset = _epochs(dataset, num_epochs, shuffle, shuffle_buffer_size, shuffle_seed)
    dataset = dataset.batch(batch_size, drop_remainder=drop_final_batch or num_epochs is None)
    dataset = dataset.apply(parse_example_dataset(features, parser_num_threads or 1))
    if label_key is not None:
        if label_key not in features:
            raise ValueError(f"The `label_key` provided ({label_key}) must be one of the `features` keys: {features}.")
        dataset = dataset.map(lambda found: (found, found.pop(label_key)))
    return dataset.prefetch(prefetch_buffer_size or -1)


def parse_example_dataset(
    features: Any, num_parallel_calls: Any = 1, deterministic: bool | None = None
) -> Callable[[Any], Any]:
    """Each batch of serialized Examples as a dictionary of tensors."""
    from refflow.compat.v1.parsing import parse_example

    if features is None:
        raise ValueError("Argument `features` is required, but not specified.")
    return lambda dataset: dataset.map(lambda rows: parse_example(rows, features))


def _files(file_pattern: Any) -> list[str]:
    patterns = file_pattern if isinstance(file_pattern, (list, tuple)) else [file_pattern]
    if not patterns:
        raise ValueError("Argument `file_pattern` should not be empty.")
    found = sorted({name for pattern in patterns for name in glob.glob(pattern)})
    if not found:
        raise ValueError(f"No files match `file_pattern` {file_pattern}.")
    return found


def _of_files(files: list[str], records: Any, shuffle: bool, seed: int | None, cycle: int) -> Any:
    names = Dataset.from_tensor_slices(np.array([f.encode() for f in files], object))
    return (names.shuffle(len(files), seed) if shuffle else names).interleave(records, cycle)


def _epochs(dataset: Any, count: int | None, shuffle: bool, buffer_size: int, seed: int | None) -> Any:
    from refflow.compat.v1.data.experimental import shuffle_and_repeat

    if shuffle and count != 1:
        return dataset.apply(shuffle_and_repeat(buffer_size, count, seed))
    dataset = dataset.shuffle(buffer_size, seed) if shuffle else dataset
    return dataset if count == 1 else dataset.repeat(count)


# -- what is in a table ------------------------------------------------------------------------------------------------


class _Table:
    """CSV files, read while the graph is built to find names and types."""

    def __init__(self, files: list[str], delim: str, quotes: bool, header: bool, missing: str, packing: Any,
                 encoding: str):  # fmt: skip
        self._files, self._header, self._missing, self._encoding = files, header, missing, encoding
        self._how: dict[str, Any] = {
            "delimiter": delim, "quoting": csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE
        }  # fmt: skip
        known = constant_value(convert_to_tensor(packing)) if packing is not None else b""
        self._packing = np.asarray(b"" if known is None else known).item()
        if self._packing not in (b"", b"GZIP"):
            raise ValueError(
                f"`compression_type` {packing} is not supported for probing columns: give column_names and "
                "column_defaults"
            )

    def _rows(self, name: str) -> Iterator[list[str]]:
        make: Any = gzip.open if self._packing else open
        with make(name, "rt", encoding=self._encoding, newline="") as file:
            yield from csv.reader(file, **self._how)

    def names(self) -> list[str]:
        if not self._header:
            raise ValueError("Expected `column_names` or `header` arguments. Neither is provided.")
        found = [next(self._rows(name)) for name in self._files]
        if any(row != found[0] for row in found):
            raise ValueError("All input CSV files should have the same column names in the header row.")
        return found[0]

    def defaults(self, count: int, places: list[int] | None, most: int | None) -> list[Tensor]:
        """Zero or no text for each column, in the narrowest type that fits the first rows."""
        kinds: list[DType | None] = [None] * count
        rows = (row for name in self._files for row in islice(self._rows(name), int(self._header), None))
        for i, row in enumerate(islice(rows, most)):
            if len(row) != count:
                raise ValueError(
                    f"Problem inferring types: CSV row {i + 1 + self._header} has {len(row)} number of fields. "
                    f"Expected: {count}."
                )
            kinds = [_wider(kind, text, self._missing) for kind, text in zip(kinds, row, strict=True)]
        chosen = [kinds[i] or string for i in (range(count) if places is None else places)]
        return [convert_to_tensor([b""] if t is string else [0], t) for t in chosen]


def _wider(kind: DType | None, text: str, missing: str) -> DType | None:
    """The narrowest type for `text` that is not narrower than `kind`."""
    if text in ("", missing):
        return kind
    return next(t for t in _KINDS[_KINDS.index(kind) if kind else 0 :] if _fits(text, t))


def _fits(text: str, kind: DType) -> bool:
    if kind is string:
        return True
    try:
        if kind in (int32, int64):
            limits = np.iinfo(kind.as_numpy_dtype)
            return bool(limits.min <= int(text) <= limits.max)
        return bool(kind.as_numpy_dtype(text) < np.inf)
    except (ValueError, OverflowError):
        return False


def _places(chosen: Any, names: Sequence[str]) -> list[int]:
    """The numbers of columns that are given by number or by name, in order."""
    for column in chosen:
        if isinstance(column, str) and column not in names:
            raise ValueError(f"Invalid value '{column}' in `select_columns`: there is no such column in {list(names)}.")
        if not isinstance(column, str) and not 0 <= column < len(names):
            raise ValueError(f"Invalid value {column} in `select_columns`: there are {len(names)} columns.")
    found = sorted(column if not isinstance(column, str) else list(names).index(column) for column in chosen)
    if len(set(found)) != len(found):
        raise ValueError(f"The `select_columns` argument contains duplicate columns: {chosen}.")
    return found


class TFRecordWriter:
    """Writes a dataset of strings into a TFRecord file, by an operation."""

    def __init__(self, filename: Any, compression_type: Any = None):
        self._filename = convert_to_tensor(filename, string, "filename")
        self._compression = compression(compression_type)

    def write(self, dataset: Any) -> Operation:
        """The operation that writes all elements."""
        if dataset.element_spec != TensorSpec([], string):
            raise TypeError(
                "`dataset` must produce scalar `DT_STRING` tensors whereas it produces shape "
                f"{dataset.output_shapes} and types {dataset.output_types}"
            )
        return op_def("DatasetToTFRecord")(dataset._variant_tensor, self._filename, self._compression)
