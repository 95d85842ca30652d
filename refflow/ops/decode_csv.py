"""Lines of comma-separated values into columns, one tensor a column.

    1,"a,b"        a quoted field may hold delimiters and line ends; a doubled quote in it stands for one
    ,c             an empty field, or one that reads `na_value`, takes its column's default

Next: ops/example_proto.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import DType, float32, float64, int32, int64, string
from refflow.core.errors import ShapeError
from refflow.core.graph import Tensor
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.decode import C_NAMES, number
from refflow.ops.strings import strings

DECODE_CSV = define_op(
    "DecodeCSV", "records: string, record_defaults: OUT_TYPE -> output: OUT_TYPE",
    OUT_TYPE=Attr("list(type)", allowed=(float32, float64, int32, int64, string), minimum=1), field_delim=",",
    use_quote_delim=True, na_value="", select_cols=Attr("list(int)", default=[]), source=("W06",),
)  # fmt: skip
DECODE_CSV.no_gradient_registered()


_MARKS = (b'"', b"\n", b"\r")  # of quotes, and of lines that end inside a record


@DECODE_CSV.kernel
def decode_csv_kernel(records, record_defaults, OUT_TYPE, field_delim, use_quote_delim, na_value, select_cols):
    _check_columns(field_delim, select_cols, len(OUT_TYPE))
    delimiter = field_delim.encode()[0]
    rows = []
    for i, record in enumerate(records.reshape(-1)):
        fields = split_csv(record, delimiter, use_quote_delim, select_cols)
        if len(fields) != len(OUT_TYPE):
            raise ValueError(f"Expect {len(OUT_TYPE)} fields but have {len(fields)} in record {i}")
        rows.append([
            cell(text, dtype, default, na_value.encode(), f, f"record {i}")
            for f, (text, dtype, default) in enumerate(zip(fields, OUT_TYPE, record_defaults, strict=True))
        ])  # fmt: skip
    columns = list(zip(*rows, strict=True)) or [()] * len(OUT_TYPE)
    return [
        strings(column, records.shape) if dtype is string
        else np.array(column if records.ndim else column[0], dtype.as_numpy_dtype).reshape(records.shape)
        for column, dtype in zip(columns, OUT_TYPE, strict=True)
    ]  # fmt: skip


def _check_columns(delimiter: str, columns: list[int], count: int) -> None:
    if len(delimiter.encode()) != 1:
        raise ValueError("field_delim should be only 1 char")
    if columns and len(columns) != count:
        raise ValueError("select_cols should match output size")
    if any(column < 0 for column in columns):
        raise ValueError("select_cols should be non-negative indices")
    if columns != sorted(set(columns)):
        raise ValueError("select_cols should be strictly increasing indices")


def cell(text: bytes, dtype: DType, default: np.ndarray, missing: bytes, column: int, where: str) -> Any:
    """A field as a value of its column's type, or the default where it is empty."""
    if text in (b"", missing):
        if default.size != 1:
            raise ValueError(f"Field {column} is required but missing in {where}!")
        return default.item() if dtype is string else default.reshape(-1)[0]
    value = text if dtype is string else number(text, dtype)
    if value is None:
        kind = C_NAMES.get(dtype.name, dtype.name)
        shown = text.decode("utf-8", "backslashreplace")
        raise ValueError(f"Field {column} in {where} is not a valid {kind}: {shown}")
    return value


def split_csv(record: bytes, delimiter: int, quotes: bool = True, columns: list[int] | None = None) -> list[bytes]:
    """The fields of one record, or those in `columns`; in quotes, a doubled quote stands for one.

    >>> split_csv(b'1,"a,""b"" c",', ord(","))
    [b'1', b'a,"b" c', b'']
    """
    if record and delimiter not in b"\r\n" and not any(mark in record for mark in _MARKS):  # plain, as most are
        plain = record.split(bytes([delimiter]))
        return [plain[c] for c in columns if c < len(plain)] if columns else plain
    fields: list[bytes] = []
    at = seen = 0
    while at < len(record):
        if record[at] in b"\r\n":  # line ends between fields are passed over
            at += 1
            continue
        if quotes and record[at] == ord('"'):
            field, at = _quoted(record, at + 1, delimiter)
        else:
            end = record.find(delimiter, at) if delimiter not in b"\r\n" else at + 1
            end = len(record) if end < 0 else end
            field, at = record[at:end], end + 1
            if b"\n" in field or b"\r" in field or (quotes and b'"' in field):
                raise ValueError("Unquoted fields cannot have quotes/CRLFs inside")
        if not columns or seen in columns:
            fields.append(field)
        seen += 1
        if columns and len(fields) == len(columns):
            return fields
    if record and record[-1] == delimiter and (not columns or seen in columns):
        fields.append(b"")
    return fields


def _quoted(record: bytes, at: int, delimiter: int) -> tuple[bytes, int]:
    """The field whose opening quote stands before `at`, and where the next one begins."""
    field = bytearray()
    last = len(record) - 1
    while at < last and (record[at] != ord('"') or record[at + 1] != delimiter):
        if record[at] == ord('"'):
            if record[at + 1] != ord('"'):
                raise ValueError("Quote inside a string has to be escaped by another quote")
            at += 1
        field.append(record[at])
        at += 1
    if at > last or record[at] != ord('"'):
        raise ValueError("Quoted field has to end with quote followed by delim or end")
    return bytes(field), at + 2


@DECODE_CSV.shape
def _decode_csv_shape(context: ShapeContext) -> list[shapes.Shape]:
    defaults = context.list_dims("record_defaults")
    for i, dims in enumerate(defaults):
        if dims is not None and len(dims) > 1:
            raise ShapeError("Each record default should be at most rank 1")
        if dims and dims[0] is not None and dims[0] > 1:
            raise ShapeError(f"There should only be 1 default per field but field {i} has {dims[0]}")
    return [context.dims("records")] * len(defaults)


DECODE_CSV.case("W06", "a column for each field", records=[b'1,"a,b"', b",c"], OUT_TYPE=[int32, string],
                record_defaults=[np.array([7], np.int32), np.array([b""], object)],
                output=[np.array([1, 7], np.int32), np.array([b"a,b", b"c"], object)])  # fmt: skip
DECODE_CSV.case("W06", "a field without a default is needed", records=[b",1"], OUT_TYPE=[int32, int32],
                record_defaults=[np.zeros(0, np.int32), np.zeros(0, np.int32)],
                error="Field 0 is required but missing in record 0!")  # fmt: skip


def decode_csv(
    records: Any, record_defaults: Any, field_delim: str | None = None, name: str | None = None
) -> list[Tensor]:
    """One tensor a column, each in the shape of `records` and the type of its default.

    record_defaults: for each column a vector of one value for empty fields, or of none where a field is needed. An
    unquoted field holds neither quotes nor line ends [W06].
    """
    return DECODE_CSV(records, record_defaults, field_delim=field_delim, name=name)
