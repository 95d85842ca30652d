"""Record files: byte strings one after the other, each with its length and two sums [W44].

    length     8 bytes, little end first
    sum        4 bytes, masked CRC32C of the length
    data       `length` bytes
    sum        4 bytes, masked CRC32C of the data

A file may be compressed as a whole: "GZIP" or "ZLIB".

Next: ops/io_functions.py.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from refflow.core.errors import DataLossError, FailedPreconditionError, InvalidArgumentError, NotFoundError
from refflow.files.crc32c import crc32c, crc32c_of_each, masked

HEADER, FOOTER = 12, 4  # bytes around each record's data
_MOST, _WINDOW = 256, 1 << 18  # records, and bytes, that are summed at once


def read_file(path: str) -> bytes:
    """A whole file; errors in TensorFlow's classes."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        raise NotFoundError(None, None, f"{path}; No such file or directory") from None
    except IsADirectoryError:
        raise FailedPreconditionError(None, None, f"{path}; Is a directory") from None
    except OSError as error:
        raise InvalidArgumentError(None, None, f"{path}; {error.strerror}") from None


def unpacked(data: bytes, compression: str) -> bytes:
    """The bytes of a file that is compressed as a whole; other names than ZLIB and GZIP mean that it is not."""
    try:
        if compression == "GZIP":
            from gzip import decompress  # which brings every other compression along

            return decompress(data)
        return zlib.decompress(data) if compression == "ZLIB" else data
    except (OSError, EOFError, zlib.error) as error:
        raise DataLossError(None, None, f"inflate() failed: {error}") from None


def records(data: bytes, at: int = 0) -> Iterator[tuple[int, bytes]]:
    """(offset, data) of each record from `at` on; DataLossError where a sum does not fit or a record is cut off.

    >>> list(records(framed(b"one") + framed(b"")))
    [(0, b'one'), (19, b'')]
    """
    walk, most = _spans(data, at), 1
    while True:
        spans: list[tuple[int, int]] = []
        damage = None
        try:
            for span in walk:
                spans.append(span)
                if len(spans) >= most or span[1] - spans[0][0] > _WINDOW:
                    break
        except DataLossError as error:  # of what comes after those that were found
            damage = error
        found = masked(crc32c_of_each(data, spans)).tolist()
        for (start, end), total in zip(spans, found, strict=True):
            if total != int.from_bytes(data[end : end + FOOTER], "little"):
                raise DataLossError(None, None, f"corrupted record at {start}")
            yield start - HEADER, data[start:end]
        if damage is not None:
            raise damage
        if not spans:
            return
        most = min(4 * most, _MOST)  # who asks for one record does not wait for many


def _spans(data: bytes, at: int) -> Iterator[tuple[int, int]]:
    """Where each record's data begins and ends, by lengths whose sums fit."""
    while len(data) - at >= HEADER:  # fewer bytes than a header are no record
        length = data[at : at + 8]
        if _sum_of_length(length) != data[at + 8 : at + HEADER]:
            hint = " (Is this even a TFRecord file?)" if at == 0 else ""
            raise DataLossError(None, None, f"corrupted record at {at}{hint}")
        start = at + HEADER
        end = start + int.from_bytes(length, "little")
        if end + FOOTER > len(data):
            raise DataLossError(None, None, f"truncated record at {at}' failed with Read less bytes than requested")
        yield start, end
        at = end + FOOTER


@lru_cache(1024)
def _sum_of_length(length: bytes) -> bytes:
    return _stored(crc32c(length))


def _stored(crc: int) -> bytes:
    return masked(crc).to_bytes(FOOTER, "little")


def framed(record: bytes) -> bytes:
    """One record as it stands in a file."""
    length = len(record).to_bytes(8, "little")
    return b"".join([length, _sum_of_length(length), record, _stored(crc32c(record))])


def tf_record_iterator(path: str) -> Iterator[bytes]:
    """The records of a file, one after the other."""
    for _, record in records(read_file(path)):
        yield record


class TFRecordWriter:
    """Writes records to a new file.

    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "records")
    >>> with TFRecordWriter(path) as writer:
    ...     writer.write(b"one")
    >>> list(tf_record_iterator(path))
    [b'one']
    """

    def __init__(self, path: Any, compressor: Any = None):
        """compressor: one of zlib's, through which the whole file goes."""
        try:
            self._file = open(path, "wb")  # noqa: SIM115  (close() is the caller's)
        except OSError as error:
            raise NotFoundError(None, None, f"{path}; {error.strerror}") from None
        self._compressor = compressor

    def write(self, record: bytes) -> None:
        """Appends one record."""
        if self._file.closed:
            raise FailedPreconditionError(None, None, "Writer not initialized or previously closed")
        data = framed(record)
        self._file.write(data if self._compressor is None else self._compressor.compress(data))

    def flush(self) -> None:
        """Hands what was written to the file."""
        if self._compressor is not None:
            self._file.write(self._compressor.flush(zlib.Z_SYNC_FLUSH))
        self._file.flush()

    def close(self) -> None:
        if not self._file.closed and self._compressor is not None:
            self._file.write(self._compressor.flush())
        self._file.close()

    def __enter__(self) -> TFRecordWriter:
        return self

    def __exit__(self, *unused: Any) -> None:
        self.close()
