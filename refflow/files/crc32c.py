"""CRC32C, the sum that guards every record, block and tensor in TensorFlow's files, and its masked form [W44].

The sum is a remainder of polynomials over two elements, so it is linear. The bytes of a row are looked up all at once,
each in a table for its distance from the row's end, and the findings added; neighbours are then joined,
`crc(a + b) = shifted(crc(a), len(b)) ^ crc(b)`. Where rows come from is all the same: from one long block or from many
short records. Zeros in front of a row change nothing, and the state that every sum begins with, all ones, is as if the
first four bytes were inverted.

    masked(c) = rotate_right(c, 15) + 0xa282ead8          sums of data that holds sums stay apart

Next: files/table.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

_POLYNOMIAL = 0x82F63B78  # Castagnoli's, bits reversed
_MASK = 0xA282EAD8
_ROW = 512  # bytes looked up at once
_SHORT = 40  # bytes: below, a plain loop is as quick
_AT_ONCE = 64  # rows: what they are looked up by stays in a processor's cache
_FEW = 64  # rows: up to so many are joined one after the other in less time than side by side
_FEW_PIECES, _LONG = 4, 16 * _ROW  # fewer pieces, or longer ones, are summed each by itself


def _byte_table() -> np.ndarray:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(_POLYNOMIAL), table >> 1).astype(np.uint32)
    return table


_TABLE = _byte_table()
_LIST = _TABLE.tolist()


def crc32c(data: bytes | bytearray | memoryview) -> int:
    """The CRC32C of some bytes.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    head = len(data) % _ROW
    crc = _of_piece(bytes(data[:head]), 0xFFFFFFFF)
    if len(data) > head:
        crc = _of_rows(np.frombuffer(data, np.uint8, offset=head).reshape(-1, _ROW), crc)
    return crc ^ 0xFFFFFFFF


def crc32c_of_each(data: bytes, spans: Sequence[tuple[int, int]]) -> np.ndarray:
    """The CRC32C of many pieces of `data`, each from `start` to `end`, neither far apart nor overlapping: uint32 [n].

    >>> [hex(c) for c in crc32c_of_each(b"123456789, 123456789", [(0, 9), (11, 20)])]
    ['0xe3069283', '0xe3069283']
    """
    starts, ends = np.array(spans, np.int64).reshape(-1, 2).T
    lengths = ends - starts
    if len(spans) < _FEW_PIECES or not 0 < lengths.max() <= _LONG:
        return np.array([crc32c(data[start:end]) for start, end in spans], np.uint32)
    # The bytes with a row of zeros in front, in which no row begins too early; the first four of each are inverted.
    low, high = int(starts.min()), int(ends.max())
    raw = np.zeros(_ROW + high - low + 4, np.uint8)
    raw[_ROW:-4] = np.frombuffer(data, np.uint8, high - low, low)
    starts, ends = starts + (_ROW - low), ends + (_ROW - low)
    raw[starts[:, None] + np.arange(4)] ^= 0xFF
    # Each piece's rows, its last one first; in front of the first is what is not its own.
    rows = np.maximum(-(-lengths // _ROW), 1)
    piece = np.repeat(np.arange(len(rows)), rows)
    behind = np.arange(len(piece)) - np.repeat(np.cumsum(rows) - rows, rows)
    width = int(lengths.max()) if len(piece) == len(rows) else _ROW
    at = ends[piece] - behind * _ROW - width
    cells = sliding_window_view(raw, width)[at]
    foreign = starts[piece] - at
    if (foreign > 0).any():
        cells *= np.arange(width) >= foreign[:, None]
    sums = np.zeros((rows.max(), len(rows)), np.uint32)
    sums[behind, piece] = _looked_up(cells)
    found = sums[-1]
    for row in sums[-2::-1]:
        found = _shifted(found, _ROW) ^ row
    for i in np.flatnonzero(lengths < 4).tolist():  # the state would not go into them
        found[i] = crc32c(data[spans[i][0] : spans[i][1]]) ^ 0xFFFFFFFF
    return found ^ np.uint32(0xFFFFFFFF)


def _of_piece(data: bytes, crc: int) -> int:
    """The state after less than a row of bytes, from state `crc`."""
    if len(data) >= _SHORT:
        first = int.from_bytes(data[:4], "little") ^ crc  # where the state comes in
        table, places = _distance_tables()
        at = places[len(places) - len(data) :] + np.frombuffer(first.to_bytes(4, "little") + data[4:], np.uint8)
        return int(np.bitwise_xor.reduce(table.take(at)))
    for byte in data:
        crc = _LIST[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc


def _looked_up(rows: np.ndarray) -> np.ndarray:
    """The state after each row of at most `_ROW` bytes, from state zero: uint32 [n]."""
    table, places = _distance_tables()
    places = places[len(places) - rows.shape[1] :]
    parts = [
        np.bitwise_xor.reduce(table.take(rows[i : i + _AT_ONCE] + places), axis=1)
        for i in range(0, len(rows), _AT_ONCE)
    ]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


@cache
def _distance_tables() -> tuple[np.ndarray, np.ndarray]:
    """The sum of each byte with so many zero bytes behind it, and where in that the table for each distance begins."""
    tables = np.empty((_ROW, 256), np.uint32)
    tables[-1] = _TABLE
    for i in range(_ROW - 1, 0, -1):
        tables[i - 1] = _TABLE[tables[i] & np.uint32(0xFF)] ^ (tables[i] >> np.uint32(8))
    return tables.reshape(-1), np.arange(0, _ROW * 256, 256)


def _of_rows(rows: np.ndarray, crc: int) -> int:
    """The state after all rows, from state `crc`."""
    sums, length = _looked_up(rows), _ROW
    sums[0] ^= np.uint32(_shifted_one(crc, _ROW))
    while len(sums) > _FEW:
        if len(sums) % 2:
            sums = np.concatenate([np.zeros(1, np.uint32), sums])
        sums = _shifted(sums[0::2], length) ^ sums[1::2]
        length *= 2
    state = 0
    for found in sums.tolist():
        state = _shifted_one(state, length) ^ found
    return state


def _shifted_one(state: int, zeros: int) -> int:
    a, b, c, d = _shift_lists(zeros)
    return a[state & 255] ^ b[state >> 8 & 255] ^ c[state >> 16 & 255] ^ d[state >> 24]


@cache
def _shift_lists(zeros: int) -> list[list[int]]:
    return _shift_tables(zeros).tolist()


def _shifted(sums: np.ndarray, zeros: int) -> np.ndarray:
    """The sums after that many zero bytes more: a linear map, looked up a byte at a time."""
    tables = _shift_tables(zeros)
    found = tables[0][sums & np.uint32(0xFF)]
    for i in range(1, 4):
        found = found ^ tables[i][(sums >> np.uint32(8 * i)) & np.uint32(0xFF)]
    return found


@cache
def _shift_tables(zeros: int) -> np.ndarray:
    if zeros == 1:
        columns = np.array([_LIST[(1 << i) & 0xFF] ^ ((1 << i) >> 8) for i in range(32)], np.uint32)
    else:  # half the way, twice
        half = np.array([1 << i for i in range(32)], np.uint32)
        columns = _shifted(_shifted(half, zeros // 2), zeros - zeros // 2)
    tables = np.zeros((4, 256), np.uint32)
    for bit in range(32):
        place = np.arange(256)
        tables[bit // 8] ^= np.where(place >> (bit % 8) & 1, columns[bit], 0).astype(np.uint32)
    return tables


def masked(crc: Any) -> Any:
    """The form in which a sum is stored; of a number, or of each in an array."""
    return (((crc >> 15) | (crc << 17)) + _MASK) & 0xFFFFFFFF


def unmasked(stored: int) -> int:
    """The sum that `stored` is the masked form of."""
    rotated = (stored - _MASK) & 0xFFFFFFFF
    return ((rotated >> 17) | (rotated << 15)) & 0xFFFFFFFF
