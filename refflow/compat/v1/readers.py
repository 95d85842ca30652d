"""Readers of 1.x: behind resources, several records at a time, compressed record files.

    key, value = tf.TextLineReader(skip_header_lines=1).read(names)
    keys, values = tf.TFRecordReader(options=tf.python_io.TFRecordOptions(...)).read_up_to(names, 100)

Next: ops/readers.py.
"""

from __future__ import annotations

from typing import Any

from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import int64
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.ops import readers as first

__all__ = [
    "FixedLengthRecordReader", "IdentityReader", "ReaderBase", "TFRecordReader", "TextLineReader", "WholeFileReader",
]  # fmt: skip


class ReaderBase(first.ReaderBase):
    """A reader's handle, and the ops on it."""

    def read_up_to(self, queue: Any, num_records: Any, name: str | None = None) -> Any:
        """(keys, values) of the next records: as many as the present file has, `num_records` at most."""
        handle = queue if isinstance(queue, Tensor) else queue.queue_ref
        return self._op("ReaderReadUpTo")(self._reader_ref, handle, convert_to_tensor(num_records, int64), name=name)


class WholeFileReader(ReaderBase):
    """A record is a file: its name and its contents."""

    def __init__(self, name: str | None = None):
        super().__init__(op_def("WholeFileReaderV2")(name=name), supports_serialize=True)


class IdentityReader(ReaderBase):
    """A record is the queue's string itself, as key and as value."""

    def __init__(self, name: str | None = None):
        super().__init__(op_def("IdentityReaderV2")(name=name), supports_serialize=True)


class TextLineReader(ReaderBase):
    """A record is a line without its end; its key is file:number."""

    def __init__(self, skip_header_lines: int | None = None, name: str | None = None):
        super().__init__(op_def("TextLineReaderV2")(skip_header_lines=skip_header_lines or 0, name=name))


class FixedLengthRecordReader(ReaderBase):
    """A record is `record_bytes` bytes, after a header and before a footer, `hop_bytes` from one to the next."""

    def __init__(
        self, record_bytes: int, header_bytes: int | None = None, footer_bytes: int | None = None,
        hop_bytes: int | None = None, name: str | None = None, encoding: str | None = None,
    ):  # fmt: skip
        super().__init__(op_def("FixedLengthRecordReaderV2")(
            record_bytes=record_bytes, header_bytes=header_bytes or 0, footer_bytes=footer_bytes or 0,
            hop_bytes=hop_bytes or 0, encoding=encoding or "", name=name,
        ))  # fmt: skip


class TFRecordReader(ReaderBase):
    """A record is one of a record file, its sums checked; its key is file:offset. options: TFRecordOptions."""

    def __init__(self, name: str | None = None, options: Any = None):
        super().__init__(op_def("TFRecordReaderV2")(name=name, compression_type=_compression(options)))


def _compression(options: Any) -> str:
    """The name of a compression: of TFRecordOptions, of its number, or of itself."""
    kind = getattr(options, "compression_type", options)
    if isinstance(kind, str):
        return kind
    return ("", "ZLIB", "GZIP")[int(kind or 0)]
