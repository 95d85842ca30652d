"""IDX, the file format of MNIST and its successors: an array of bytes behind a short header.

    offset        bytes  what
    0             2      zero
    2             1      element type; 8 is uint8, the only one read here
    3             1      rank R
    4             4 * R  the sizes, big-endian uint32, slowest dimension first
    4 + 4 * R     rest   the elements, last index fastest

A reader always knows which array it expects, so it says the shape and a header that claims another one is
an error. No size from a file is ever used to allocate memory.

Next: data/fashion_mnist.py.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

UINT8 = 8


class DataError(ValueError):
    """A file is there, but it is not the data that was asked for."""


def idx_header(shape: tuple[int, ...]) -> bytes:
    """The header of a uint8 array.

    >>> idx_header((2, 3)).hex(" ")
    '00 00 08 02 00 00 00 02 00 00 00 03'
    """
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, UINT8, len(shape), *shape)


def idx_size(shape: tuple[int, ...]) -> int:
    """Bytes in the file of a uint8 array: the header and one for each element."""
    return len(idx_header(shape)) + math.prod(shape)


def format_idx(array: NDArray[np.uint8]) -> bytes:
    """The whole file of `array`."""
    return idx_header(array.shape) + array.tobytes()


def parse_idx(data: bytes, shape: tuple[int, ...], where: str) -> NDArray[np.uint8]:
    """The uint8 array in `data`, which must have exactly this shape. It is a view of `data`, hence read-only.

    where: what to call the data in an error.

    >>> parse_idx(bytes([0, 0, 8, 1, 0, 0, 0, 2, 40, 50]), (2,), "two.idx").tolist()
    [40, 50]
    """
    header = idx_header(shape)
    start = len(header)
    if data[:4] != header[:4]:
        raise DataError(
            f"{where}: the first bytes are '{data[:4].hex(' ')}', but expected '{header[:4].hex(' ')}', "
            f"an IDX array of uint8 with rank {len(shape)}. Replace it by the published file."
        )
    if len(data) >= start and data[:start] != header:
        claimed = struct.unpack_from(f">{len(shape)}I", data, 4)
        raise DataError(
            f"{where}: the header says shape {_sizes(claimed)}, but expected {_sizes(shape)}. "
            "Replace it by the published file."
        )
    expected = idx_size(shape)
    if len(data) != expected:
        got = f"more than {expected}" if len(data) > expected else f"{len(data)}"
        raise DataError(
            f"{where}: {got} bytes once unpacked, but expected {expected}: a header of {start} and "
            f"{_sizes(shape)} elements. Replace it by the published file."
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def gunzip(packed: BinaryIO, limit: int, where: str) -> bytes:
    """What the gzip stream holds, cut off one byte past `limit`: enough to see that it is too long."""
    try:
        with gzip.open(packed) as unpacked:
            return unpacked.read(limit + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(
            f"{where}: expected a gzip file, but it cannot be unpacked: {error}. "
            "Replace it by the published file."
        ) from error


def _sizes(shape: tuple[int, ...]) -> str:
    return " x ".join(str(size) for size in shape)
