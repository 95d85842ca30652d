"""CRC32C, the sum that guards every record, block and tensor in TensorFlow's files, and its masked form [W44].

The sum is a remainder of polynomials over two elements, so it is linear: rows of equal length are summed side by side,
byte by byte, and neighbours are then joined, `crc(a + b) = shifted(crc(a), len(b)) ^ crc(b)`. Fewer bytes are looked up
all at once, each in a table for its distance from the end, and the findings added.

    masked(c) = rotate_right(c, 15) + 0xa282ead8          sums of data that holds sums stay apart

Next: files/table.py.
"""

from __future__ import annotations

from functools import cache

import numpy as np

_POLYNOMIAL = 0x82F63B78  # Castagnoli's, bits reversed
_MASK = 0xA282EAD8
_ROW = 512  # bytes summed one after the other, or looked up at once
_SHORT = 40  # bytes: below, a plain loop is as quick


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
    whole = len(data) // _ROW
    crc = 0xFFFFFFFF
    if whole >= 4:
        crc = _of_rows(np.frombuffer(data, np.uint8, whole * _ROW).reshape(whole, _ROW), crc)
        data = memoryview(data)[whole * _ROW :]
    for at in range(0, len(data), _ROW):
        crc = _of_piece(bytes(data[at : at + _ROW]), crc)
    return crc ^ 0xFFFFFFFF


def _of_piece(data: bytes, crc: int) -> int:
    """The state after at most a row of bytes, from state `crc`."""
    if len(data) >= _SHORT:
        first = int.from_bytes(data[:4], "little") ^ crc  # where the state comes in
        table, places = _distance_tables()
        at = places[-len(data) :] + np.frombuffer(first.to_bytes(4, "little") + data[4:], np.uint8)
        return int(np.bitwise_xor.reduce(table[at]))
    for byte in data:
        crc = _LIST[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc


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
    sums = np.zeros(len(rows), np.uint32)
    sums[0] = crc
    for column in np.ascontiguousarray(rows.T):
        sums = _TABLE[(sums ^ column) & np.uint32(0xFF)] ^ (sums >> np.uint32(8))
    length = _ROW
    while len(sums) > 1:
        if len(sums) % 2:  # a row of zeros in front changes nothing, for its sum is zero
            sums = np.concatenate([np.zeros(1, np.uint32), sums])
        sums = _shifted(sums[0::2], length) ^ sums[1::2]
        length *= 2
    return int(sums[0])


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


def masked(crc: int) -> int:
    """The form in which a sum is stored."""
    return (((crc >> 15) | (crc << 17)) + _MASK) & 0xFFFFFFFF


def unmasked(stored: int) -> int:
    """The sum that `stored` is the masked form of."""
    rotated = (stored - _MASK) & 0xFFFFFFFF
    return ((rotated >> 17) | (rotated << 15)) & 0xFFFFFFFF
