"""Datasets of the records of files: lines, pieces of a fixed size, TFRecords [W44].

Next: compat/v1/data/experimental.py.
"""

from __future__ import annotations

from typing import Any

from refflow.compat.v1.data.dataset import Dataset
from refflow.compat.v1.data.nodes import DatasetBase, number
from refflow.compat.v1.type_specs import TensorSpec
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import string
from refflow.core.registry import op_def
from refflow.core.tensor import Tensor

_TEXT = TensorSpec([], string)
_BUFFER = 256 * 1024


class _OfFiles(Dataset):
    """Records of one file after the other, or of num_parallel_reads of them in turns."""

    def _read(self, filenames: Any, num_parallel_reads: Any) -> None:
        names = _names(filenames)
        if num_parallel_reads is None:
            found = names.flat_map(self._records)
        else:
            found = names.interleave(self._records, num_parallel_reads, 1, num_parallel_reads)
        super().__init__(found._variant_tensor, _TEXT)

    def _records(self, filename: Tensor) -> Dataset:
        return Dataset._of(self._node(filename), _TEXT)

    def _node(self, filename: Tensor) -> Tensor:
        raise TypeError(f"{type(self).__name__} does not say which node reads a file")


def _names(filenames: Any) -> Dataset:
    """File names, a tensor of them or a dataset, as a dataset of single names."""
    if not isinstance(filenames, DatasetBase):
        names = convert_to_tensor(filenames, None if isinstance(filenames, Tensor) else string, "filenames")
        if names.dtype.base_dtype is not string:
            raise TypeError(
                "The `filenames` argument must contain `tf.string` elements. Got `" f"{names.dtype!r}` elements."
            )
        return Dataset.from_tensor_slices(op_def("Reshape")(names, [-1], name="flat_filenames"))
    spec: Any = filenames.element_spec
    if not isinstance(spec, TensorSpec) or spec.dtype is not string:
        raise TypeError(f"The `filenames` argument must contain `tf.string` elements. Got a dataset of {spec}.")
    if not _TEXT.is_compatible_with(spec):
        raise TypeError(
            f"The `filenames` argument must contain `tf.string` elements of shape [] (i.e. scalars). Got {spec}."
        )
    return filenames  # type: ignore[return-value]


class TextLineDataset(_OfFiles):
    """The lines of text files, without what ends them."""

    def __init__(
        self, filenames: Any, compression_type: Any = None, buffer_size: Any = None, num_parallel_reads: Any = None,
        name: str | None = None,
    ):  # fmt: skip
        self._compression = _compression(compression_type)
        self._buffer = number(_BUFFER if buffer_size is None else buffer_size, "buffer_size")
        self._read(filenames, num_parallel_reads)

    def _node(self, filename: Tensor) -> Tensor:
        return op_def("TextLineDataset")(filename, self._compression, self._buffer)


class TFRecordDataset(_OfFiles):
    """The records of TFRecord files."""

    def __init__(
        self, filenames: Any, compression_type: Any = None, buffer_size: Any = None, num_parallel_reads: Any = None,
        name: str | None = None,
    ):  # fmt: skip
        self._compression = _compression(compression_type)
        self._buffer = number(_BUFFER if buffer_size is None else buffer_size, "buffer_size")
        self._read(filenames, num_parallel_reads)

    def _node(self, filename: Tensor) -> Tensor:
        return op_def("TFRecordDataset")(filename, self._compression, self._buffer)


class FixedLengthRecordDataset(_OfFiles):
    """Pieces of record_bytes, between a header and a footer that are left out."""

    def __init__(
        self, filenames: Any, record_bytes: Any, header_bytes: Any = None, footer_bytes: Any = None,
        buffer_size: Any = None, compression_type: Any = None, num_parallel_reads: Any = None, name: str | None = None,
    ):  # fmt: skip
        sizes = {"header_bytes": header_bytes or 0, "record_bytes": record_bytes, "footer_bytes": footer_bytes or 0}
        self._sizes = [number(size, label) for label, size in sizes.items()]
        self._buffer = number(_BUFFER if buffer_size is None else buffer_size, "buffer_size")
        self._compression = _compression(compression_type)
        self._read(filenames, num_parallel_reads)

    def _node(self, filename: Tensor) -> Tensor:
        return op_def("FixedLengthRecordDatasetV2")(filename, *self._sizes, self._buffer, self._compression)


def _compression(kind: Any) -> Tensor:
    return convert_to_tensor("" if kind is None else kind, string, "compression_type")
