"""tf.python_io's records with options: files that are compressed as a whole, with zlib's or gzip's frame around.

Next: files/records.py.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

from refflow.files import records as first

__all__ = ["TFRecordCompressionType", "TFRecordOptions", "TFRecordWriter", "tf_record_iterator"]


class TFRecordCompressionType:
    """How a file is compressed."""

    NONE, ZLIB, GZIP = 0, 1, 2


_NAMES = {TFRecordCompressionType.NONE: "", TFRecordCompressionType.ZLIB: "ZLIB", TFRecordCompressionType.GZIP: "GZIP"}
_FRAMES = {"ZLIB": 15, "GZIP": 31}  # zlib's own number for each, with the largest window


class TFRecordOptions:
    """compression_type: one of TFRecordCompressionType, or its name; the rest are zlib's settings.

    flush_mode, input_buffer_size and output_buffer_size change nothing: what is written is the same.
    """

    compression_type_map = _NAMES

    def __init__(
        self, compression_type: Any = None, flush_mode: int | None = None, input_buffer_size: int | None = None,
        output_buffer_size: int | None = None, window_bits: int | None = None, compression_level: int | None = None,
        compression_method: int | None = None, mem_level: int | None = None, compression_strategy: int | None = None,
    ):  # fmt: skip
        self.get_compression_type_string(compression_type)
        self.compression_type, self.flush_mode = compression_type, flush_mode
        self.input_buffer_size, self.output_buffer_size = input_buffer_size, output_buffer_size
        self.window_bits, self.compression_level = window_bits, compression_level
        self.compression_method, self.mem_level = compression_method, mem_level
        self.compression_strategy = compression_strategy

    @classmethod
    def get_compression_type_string(cls, options: Any) -> str:
        """"", "ZLIB" or "GZIP", of options or of a compression type."""
        if not options:
            return ""
        if isinstance(options, TFRecordOptions):
            return cls.get_compression_type_string(options.compression_type)
        if options in _NAMES:
            return _NAMES[options]
        if options in _NAMES.values():
            return options
        raise ValueError(f'Not a valid compression_type: "{options}"')

    def compressor(self) -> Any:
        """What compresses a file's bytes, or None."""
        name = self.get_compression_type_string(self)
        if not name:
            return None
        window = _FRAMES[name] if self.window_bits is None else abs(self.window_bits) + _FRAMES[name] - 15
        return zlib.compressobj(
            -1 if self.compression_level is None else self.compression_level, zlib.DEFLATED, window,
            9 if self.mem_level is None else self.mem_level,
            zlib.Z_DEFAULT_STRATEGY if self.compression_strategy is None else self.compression_strategy,
        )  # fmt: skip


def _options(given: Any) -> TFRecordOptions:
    return given if isinstance(given, TFRecordOptions) else TFRecordOptions(given)


class TFRecordWriter(first.TFRecordWriter):
    """Writes records to a new file; `options`: TFRecordOptions, or a compression's name."""

    def __init__(self, path: Any, options: Any = None):
        super().__init__(path, _options(options).compressor())


def tf_record_iterator(path: Any, options: Any = None) -> Iterator[bytes]:
    """The records of a file, one after the other; DataLossError where it is damaged."""
    name = TFRecordOptions.get_compression_type_string(_options(options))
    for _, record in first.records(first.unpacked(first.read_file(path), name)):
        yield record
