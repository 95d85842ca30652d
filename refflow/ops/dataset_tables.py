"""Datasets of rows of tables: of files of comma-separated values, of databases, of names that fit patterns [W44].

    CSVDataset, CSVDatasetV2    each record's fields, as scalars of the types of their defaults
    SqlDataset                  each row that a query gives
    MatchingFilesDataset        names of files, in order
    DatasetToTFRecord           writes a dataset's strings into a file

A record of a CSV file ends with its line; a quoted field may go over several.

Next: ops/dataset_experimental.py.
"""

from __future__ import annotations

import glob
import zlib
from collections.abc import Iterator
from itertools import islice
from typing import Any
from urllib.parse import quote

import numpy as np

from refflow.core import errors
from refflow.core.dtypes import DType, float32, float64, int32, int64, string
from refflow.core.handles import handle_to
from refflow.core.opdef import define_op
from refflow.core.signature import Attr
from refflow.files.records import TFRecordWriter
from refflow.ops.dataset_values import ELEMENTS, Dataset, Element, dataset_of, dataset_op, of_list
from refflow.ops.datasets import of_files
from refflow.ops.decode_csv import cell, split_csv

_CSV_TYPES = Attr("list(type)", allowed=(float32, float64, int32, int64, string), minimum=1)
_CSV = (
    "filenames: string, compression_type: string, buffer_size: int64, header: bool, field_delim: string, "
    "use_quote_delim: bool, na_value: string, select_cols: int64, record_defaults: output_types"
)
_CSV_ATTRS: dict[str, Any] = {"output_types": _CSV_TYPES, "output_shapes": ELEMENTS["output_shapes"]}


def _text(value: Any) -> bytes:
    return np.asarray(value).item()


def csv_dataset(
    filenames, compression_type, buffer_size, header, field_delim, use_quote_delim, na_value, select_cols,
    record_defaults, output_types, exclude_cols=(),
):  # fmt: skip
    delimiter, missing, quotes = _text(field_delim), _text(na_value), bool(use_quote_delim)
    if len(delimiter) != 1:
        raise ValueError("field_delim should be only 1 char")
    chosen, left_out = (sorted(int(c) for c in np.reshape(cols, -1)) for cols in (select_cols, exclude_cols))
    if chosen and left_out:
        raise ValueError("Either select_cols or exclude_cols should be empty")
    defaults, skipped = [np.array(d, copy=True) for d in record_defaults], int(bool(header))

    def lines(_: int, __: str, data: bytes) -> Iterator[bytes]:
        return islice(csv_lines(data, quotes), skipped, None)

    records = of_files(filenames, compression_type, lines)

    def row(record: bytes) -> Element:
        fields = split_csv(record, delimiter[0], quotes) if record else [b""]
        if chosen:
            fields = [fields[c] for c in chosen if c < len(fields)]
        fields = [field for place, field in enumerate(fields) if place not in left_out]
        if len(fields) != len(output_types):
            raise ValueError(f"Expect {len(output_types)} fields but have {len(fields)} in record")
        cells = enumerate(zip(fields, output_types, defaults, strict=True))
        return tuple(_scalar(cell(f, t, d, missing, i, "record"), t) for i, (f, t, d) in cells)

    def begin():
        source = records.begin()
        return lambda: row(source()[0].item())

    return Dataset(begin)


@dataset_op("CSVDataset", _CSV, _CSV_ATTRS, elements=False)
def csv_dataset_v1(
    filenames, compression_type, buffer_size, header, field_delim, use_quote_delim, na_value, select_cols,
    record_defaults, output_types,
):  # fmt: skip
    return csv_dataset(filenames, compression_type, buffer_size, header, field_delim, use_quote_delim, na_value,
                       select_cols, record_defaults, output_types)  # fmt: skip


@dataset_op("CSVDatasetV2", _CSV + ", exclude_cols: int64", _CSV_ATTRS, elements=False)
def csv_dataset_v2(
    filenames, compression_type, buffer_size, header, field_delim, use_quote_delim, na_value, select_cols,
    record_defaults, exclude_cols, output_types,
):  # fmt: skip
    return csv_dataset(filenames, compression_type, buffer_size, header, field_delim, use_quote_delim, na_value,
                       select_cols, record_defaults, output_types, exclude_cols)  # fmt: skip


def _scalar(value: Any, dtype: DType) -> np.ndarray:
    return handle_to(value) if dtype is string else np.asarray(value, dtype.as_numpy_dtype)


def csv_lines(data: bytes, quotes: bool) -> Iterator[bytes]:
    """The records of a file, without what ends them.

    >>> list(csv_lines(b'1,"a\\nb"\\r\\n2,c', True))
    [b'1,"a\\nb"', b'2,c']
    """
    at, start, inside = 0, 0, False
    while at < len(data):
        byte = data[at]
        if quotes and byte == ord('"'):
            inside = not inside
        elif byte in b"\r\n" and not inside:
            yield data[start:at]
            at += byte == ord("\r") and data[at + 1 : at + 2] == b"\n"
            start = at + 1
        at += 1
    if start < len(data):
        yield data[start:]


TO_RECORDS = define_op("DatasetToTFRecord", "input_dataset: variant, filename: string, compression_type: string ->",
                       stateful=True, source=("W44",))  # fmt: skip
TO_RECORDS.no_gradient_registered()


@TO_RECORDS.kernel
def dataset_to_tf_record_kernel(input_dataset, filename, compression_type):
    kind = _text(compression_type)
    packer = zlib.compressobj(wbits={b"ZLIB": 15, b"GZIP": 31}[kind]) if kind else None
    with TFRecordWriter(_text(filename).decode(), packer) as file:
        for element in dataset_of(input_dataset):
            file.write(element[0].item())
    return []


# -- databases, names ----------------------------------------------------------------------------------------------


def sql_dataset(driver_name, data_source_name, query, output_types):
    driver, path, text = (_text(v).decode() for v in (driver_name, data_source_name, query))
    if driver != "sqlite":
        raise ValueError(
            f"The database type, {driver}, is not supported by SqlDataset. The set of supported databases is: "
            "{'sqlite'}."
        )

    def begin():
        rows: Any = None

        def following():
            nonlocal rows
            rows = _asked(path, text, len(output_types)) if rows is None else rows
            return tuple(_from_sql(v, t) for v, t in zip(next(rows), output_types, strict=True))

        return following

    return Dataset(begin)


def _asked(path: str, query: str, count: int) -> Any:
    """The rows that a query gives, `count` values each."""
    import sqlite3

    try:
        cursor = sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True).execute(query)
    except sqlite3.Error as error:
        raise errors.UnknownError(None, None, f"{path}: {error}") from None
    columns = len(cursor.description or ())
    if columns != count:
        raise ValueError(
            f"The number of columns in query ({columns}) must match the number of elements in output_types ({count})."
        )
    return cursor


dataset_op("SqlDataset", "driver_name: string, data_source_name: string, query: string", {})(sql_dataset)


def _from_sql(value: Any, dtype: DType) -> np.ndarray:
    """A database's value as one of that type: what is missing is zero, or no text."""
    if dtype is string:
        return handle_to(b"" if value is None else value if isinstance(value, bytes) else str(value).encode())
    if isinstance(value, (str, bytes)):
        value = 0
    return np.asarray(value or 0).astype(dtype.as_numpy_dtype)


def matching_files_dataset(patterns):
    found = {name for pattern in np.reshape(patterns, -1) for name in glob.glob(pattern.decode())}
    return of_list([(handle_to(name.encode()),) for name in sorted(found)])


dataset_op("MatchingFilesDataset", "patterns: string", {}, elements=False)(matching_files_dataset)
