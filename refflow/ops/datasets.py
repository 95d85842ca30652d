"""Where elements come from: tensors, ranges of numbers, rows of tensors, files [W43, W44].

    TensorDataset         one element, the tensors themselves
    TensorSliceDataset    their rows;  SparseTensorSliceDataset  the rows of a sparse tensor, each a sparse tensor
    RangeDataset          start, start + step, ... short of stop
    TextLineDataset, FixedLengthRecordDataset, TFRecordDataset    the records of files, one file after the other

Next: ops/dataset_elements.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from refflow.core import errors
from refflow.core.handles import handle_to
from refflow.core.signature import Attr
from refflow.files.records import read_file, records, unpacked
from refflow.ops.dataset_values import ELEMENTS, Dataset, dataset_op, kept, number, of_list, row_of

_TYPES = {"Toutput_types": Attr("list(type)", minimum=1), "output_shapes": ELEMENTS["output_shapes"]}


@dataset_op("TensorDataset", "components: Toutput_types", _TYPES, elements=False)
def tensor_dataset(components):
    return of_list([tuple(kept(components))])


@dataset_op("TensorSliceDataset", "components: Toutput_types", {**_TYPES, "is_files": False,
            "replicate_on_split": False}, elements=False)  # fmt: skip
def tensor_slice_dataset(components):
    columns = kept(components)
    if any(not c.ndim for c in columns):
        raise ValueError("Unbatching a tensor is only supported for rank >= 1")
    count = len(columns[0])
    if any(len(c) != count for c in columns):
        raise ValueError(f"Dimensions {' and '.join(str(len(c)) for c in columns)} are not compatible")

    def begin():
        places = iter(range(count))

        def following():
            i = next(places)
            return tuple(row_of(c, i) for c in columns)

        return following

    return Dataset(begin, count)


@dataset_op("SparseTensorSliceDataset", "indices: int64, values: Tvalues, dense_shape: int64",
            {"Tvalues": Attr("type")}, elements=False)  # fmt: skip
def sparse_tensor_slice_dataset(indices, values, dense_shape):
    indices, values, dense_shape = kept([indices, values, dense_shape])
    if len(indices) and (np.diff(indices[:, 0]) < 0).any():
        raise errors.UnimplementedError(
            None, None, "The SparseTensor must be ordered in the batch dimension; handling arbitrarily ordered input "
            "is not currently supported."
        )  # fmt: skip
    rows = [indices[:, 0] == i for i in range(int(dense_shape[0]))]
    return of_list([(indices[row, 1:], values[row], dense_shape[1:]) for row in rows])


@dataset_op("RangeDataset", "start: int64, stop: int64, step: int64", {"replicate_on_split": False})
def range_dataset(start, stop, step, output_types):
    if not number(step, "step"):
        raise ValueError("step must be a non-zero integer.")
    numbers, kind = range(number(start, "start"), number(stop, "stop"), number(step, "step")), output_types[0]

    def begin():
        each = iter(numbers)
        return lambda: (np.asarray(next(each), kind.as_numpy_dtype),)

    return Dataset(begin, len(numbers))


# -- files -----------------------------------------------------------------------------------------------------


def of_files(filenames: Any, compression: Any, read: Callable[[int, str, bytes], Iterator[bytes]]) -> Dataset:
    """The records that `read(number, name, contents)` finds in each file, which is opened when it is needed."""
    names = [name.decode() for name in np.reshape(filenames, -1)]
    kind = np.asarray(compression).item().decode() if compression is not None else ""
    if kind not in ("", "ZLIB", "GZIP"):
        raise ValueError("Unsupported compression_type.")

    def begin():
        left = list(enumerate(names))
        records: Iterator[bytes] = iter(())

        def following():
            nonlocal records
            while True:
                for record in records:
                    return (handle_to(record),)
                if not left:
                    raise StopIteration
                i, name = left[0]  # it stays the next one if it cannot be read
                records = read(i, name, unpacked(read_file(name), kind))
                del left[0]

        return following

    return Dataset(begin)


@dataset_op("TextLineDataset", "filenames: string, compression_type: string, buffer_size: int64", {}, elements=False)
def text_line_dataset(filenames, compression_type, buffer_size):
    def lines(_, name, data):
        parts = data.replace(b"\r", b"").split(b"\n")
        return iter(parts if parts[-1] else parts[:-1])

    return of_files(filenames, compression_type, lines)


def _fixed(filenames, sizes, compression):
    header, size, footer = (number(s, name) for s, name in zip(sizes, _SIZES, strict=True))
    for value, name, least in ((header, "header_bytes", 0), (size, "record_bytes", 1), (footer, "footer_bytes", 0)):
        if value < least:
            raise ValueError(f"{name} must be {'>= 0' if not least else '> 0'}")

    def parts(_, name, data):
        body = len(data) - header - footer
        if body % size:
            raise ValueError(
                f'Excluding the header ({header} bytes) and footer ({footer} bytes), input file "{name}" has body '
                f"length {body} bytes, which is not an exact multiple of the record length ({size} bytes)."
            )
        return iter([data[at : at + size] for at in range(header, header + body, size)])

    return of_files(filenames, compression, parts)


_SIZES = ("header_bytes", "record_bytes", "footer_bytes")
_FIXED = "filenames: string, header_bytes: int64, record_bytes: int64, footer_bytes: int64, buffer_size: int64"


@dataset_op("FixedLengthRecordDataset", _FIXED, {}, elements=False)
def fixed_length_record_dataset(filenames, header_bytes, record_bytes, footer_bytes, buffer_size):
    return _fixed(filenames, (header_bytes, record_bytes, footer_bytes), None)


@dataset_op("FixedLengthRecordDatasetV2", _FIXED + ", compression_type: string", {}, elements=False)
def fixed_length_record_dataset_v2(
    filenames, header_bytes, record_bytes, footer_bytes, buffer_size, compression_type
):
    return _fixed(filenames, (header_bytes, record_bytes, footer_bytes), compression_type)


@dataset_op("TFRecordDataset", "filenames: string, compression_type: string, buffer_size: int64", {}, elements=False)
def tf_record_dataset(filenames, compression_type, buffer_size):
    return of_files(filenames, compression_type, lambda i, name, data: (record for _, record in records(data)))


@dataset_op("TFRecordDatasetV2", "filenames: string, compression_type: string, buffer_size: int64, "
            "byte_offsets: int64", {}, elements=False)  # fmt: skip
def tf_record_dataset_v2(filenames, compression_type, buffer_size, byte_offsets):
    starts = [int(o) for o in np.reshape(byte_offsets, -1)] or [0] * np.size(filenames)

    def found(i, name, data):
        return (record for _, record in records(data[starts[i] :]))

    return of_files(filenames, compression_type, found)
