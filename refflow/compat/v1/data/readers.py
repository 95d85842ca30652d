"""Datasets of the records of files: lines, pieces of a fixed size, TFRecords [W44].

Next: compat/v1/data/experimental.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.compat.v1.data.dataset import Dataset
from refflow.compat.v1.data.nodes import DatasetBase, number
from refflow.compat.v1.string_functions import reduce_join
from refflow.compat.v1.type_specs import TensorSpec
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import int32, int64, string
from refflow.core.graph import get_default_graph
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


class _OfItems(_OfFiles):
    """Records that end by themselves."""

    _op: str

    def __init__(
        self, filenames: Any, compression_type: Any = None, buffer_size: Any = None, num_parallel_reads: Any = None,
        name: str | None = None,
    ):  # fmt: skip
        self._compression, self._buffer = compression_type, buffer_size
        self._read(filenames, num_parallel_reads)

    def _node(self, filename: Tensor) -> Tensor:
        return op_def(self._op)(filename, compression(self._compression), buffer(self._buffer))


class TextLineDataset(_OfItems):
    """The lines of text files, without what ends them."""

    _op = "TextLineDataset"


class TFRecordDataset(_OfItems):
    """The records of TFRecord files."""

    _op = "TFRecordDataset"


class FixedLengthRecordDataset(_OfFiles):
    """Pieces of record_bytes, between a header and a footer that are left out."""

    def __init__(
        self, filenames: Any, record_bytes: Any, header_bytes: Any = None, footer_bytes: Any = None,
        buffer_size: Any = None, compression_type: Any = None, num_parallel_reads: Any = None, name: str | None = None,
    ):  # fmt: skip
        self._sizes = {"header_bytes": header_bytes, "record_bytes": record_bytes, "footer_bytes": footer_bytes}
        self._compression, self._buffer = compression_type, buffer_size
        self._read(filenames, num_parallel_reads)

    def _node(self, filename: Tensor) -> Tensor:
        sizes = [number(0 if size is None else size, label) for label, size in self._sizes.items()]
        return op_def("FixedLengthRecordDatasetV2")(
            filename, *sizes, buffer(self._buffer), compression(self._compression)
        )


def buffer(size: Any) -> Tensor:
    return number(_BUFFER if size is None else size, "buffer_size")


def compression(kind: Any) -> Tensor:
    return convert_to_tensor("" if kind is None else kind, string, "compression_type")


def list_files(file_pattern: Any, shuffle: bool, seed: Any) -> Dataset:
    """The names of the files that fit; an error in the step where there are none."""
    with op_scope([], "list_files"):
        pattern = convert_to_tensor(file_pattern, string, "file_pattern")
        names = op_def("MatchingFiles")(pattern)
        found = op_def("Greater")(op_def("Shape")(names, out_type=int32)[0], np.int32(0), name="match_not_empty")
        joined = reduce_join(pattern, separator=", ", name="ReduceJoin")
        text = op_def("Add")("No files matched pattern: ", joined, name="message")
        check = op_def("Assert")(found, [text], summarize=1, name="assert_not_empty/Assert")
        with get_default_graph().control_dependencies([check]):
            names = op_def("Identity")(names)
        dataset = Dataset.from_tensor_slices(names)
        if not shuffle:
            return dataset
        return dataset.shuffle(op_def("Maximum")(op_def("Shape")(names, out_type=int64)[0], np.int64(1)), seed=seed)
