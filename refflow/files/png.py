"""PNG pictures: rows of pixels, each row foretold from its neighbours, deflated [W06].

    file     signature, chunks                 chunk    length, name, data, CRC-32
    IHDR     width, height, bits, colour, 0, 0, interlaced
    PLTE     colours of a palette              tRNS     what is transparent
    IDAT     deflated rows, a filter byte before each                  IEND

A row's filter says what was subtracted from each byte: nothing, the byte to the left (a), above (b), their mean, or
whichever of a, b and the corner c lies nearest to a + b - c.

Next: ops/image_formats.py.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any, NamedTuple

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
_COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}  # and back
# Where the seven passes of an interlaced picture begin, and their steps: (x, y, dx, dy).
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


class Picture(NamedTuple):
    """What a file holds: pixels [height, width, channels], uint8 or uint16, without palette."""

    pixels: np.ndarray
    has_alpha: bool
    bits: int  # of a number in the file: 1, 2, 4, 8 or 16


def encode(image: np.ndarray, compression: int = -1) -> bytes:
    """An image [height, width, 1..4 channels], uint8 or uint16, as a file. compression: zlib's level.

    >>> decode(encode(np.array([[[7, 255]]], np.uint8))).pixels.tolist()
    [[[7, 255]]]
    """
    height, width, channels = image.shape
    bits = image.dtype.itemsize * 8
    rows = np.ascontiguousarray(image.astype(image.dtype.newbyteorder(">"))).view(np.uint8).reshape(height, -1)
    plain = np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1)  # filter 0: as it is
    header = struct.pack(">IIBBBBB", width, height, bits, _COLOURS[channels], 0, 0, 0)
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(plain.tobytes(), compression)), (b"IEND", b"")
    return SIGNATURE + b"".join(_chunk(name, data) for name, data in parts)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _chunks(data: bytes) -> dict[bytes, bytes]:
    """The chunks by name, those of one name joined; ValueError where the file is cut off or damaged."""
    found: dict[bytes, bytes] = {}
    at = len(SIGNATURE)
    while b"IEND" not in found:
        head = data[at : at + 8]
        if len(head) < 8:
            raise ValueError("the file is cut off")
        size, name = struct.unpack(">I4s", head)
        body, sum_ = data[at + 8 : at + 8 + size], data[at + 8 + size : at + 12 + size]
        if len(sum_) < 4 or zlib.crc32(name + body) != int.from_bytes(sum_, "big"):
            raise ValueError(f"chunk {name!r} is damaged")
        found[name] = found.get(name, b"") + body
        at += 12 + size
    return found


def read_header(data: bytes) -> tuple[int, int, int, int]:
    """Width, height, bits and colour type; ValueError where there is no header."""
    if data[:8] != SIGNATURE or data[12:16] != b"IHDR" or len(data) < 33:
        raise ValueError("there is no header")
    width, height, bits, colour = struct.unpack(">IIBB", data[16:26])
    allowed = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
    if not width or not height or bits not in allowed.get(colour, ()):
        raise ValueError("the header makes no sense")
    return width, height, bits, colour


def decode(data: bytes) -> Picture:
    """The picture in a file; ValueError where it is none."""
    width, height, bits, colour = read_header(data)
    chunks = _chunks(data)
    raw = zlib.decompress(chunks.get(b"IDAT", b""))
    channels = _CHANNELS[colour]
    kind: Any = np.uint16 if bits == 16 else np.uint8
    samples = np.zeros((height, width, channels), kind)
    at = 0
    for x, y, dx, dy in _PASSES if chunks[b"IHDR"][12] else ((0, 0, 1, 1),):
        columns, rows = len(range(x, width, dx)), len(range(y, height, dy))
        if not columns or not rows:
            continue
        stride = (columns * channels * bits + 7) // 8
        block = np.frombuffer(raw, np.uint8, rows * (stride + 1), at).reshape(rows, stride + 1)
        at += block.size
        lines = _unfiltered(block, max(1, channels * bits // 8))
        samples[y::dy, x::dx] = _samples(lines, columns * channels, bits).reshape(rows, columns, channels)
    return _with_colours(samples, bits, colour, chunks)


def _unfiltered(block: np.ndarray, step: int) -> np.ndarray:
    """Rows of bytes from rows with a filter byte each; `step` bytes lie between a byte and the one to its left."""
    rows, stride = block.shape[0], block.shape[1] - 1
    found = np.zeros((rows, stride), np.uint8)
    above = np.zeros(stride, np.uint8)
    for i in range(rows):
        kind, line = block[i, 0], block[i, 1:]
        if kind == 0:
            found[i] = line
        elif kind == 1:  # a running sum for each byte of a pixel
            whole = np.zeros(-(-stride // step) * step, np.uint8)
            whole[:stride] = line
            found[i] = np.cumsum(whole.reshape(-1, step), axis=0, dtype=np.uint8).reshape(-1)[:stride]
        elif kind == 2:
            found[i] = line + above
        elif kind in (3, 4):
            found[i] = _by_neighbours(line.tolist(), above.tolist(), step, kind == 3)
        else:
            raise ValueError(f"unknown filter {kind}")
        above = found[i]
    return found


def _by_neighbours(line: list[int], above: list[int], step: int, mean: bool) -> list[int]:
    found = [0] * len(line)
    for i, byte in enumerate(line):
        a, c = (found[i - step], above[i - step]) if i >= step else (0, 0)
        b = above[i]
        if mean:
            guess = (a + b) // 2
        else:
            to_a, to_b, to_c = abs(b - c), abs(a - c), abs(a + b - 2 * c)
            guess = a if to_a <= to_b and to_a <= to_c else b if to_b <= to_c else c
        found[i] = (byte + guess) & 255
    return found


def _samples(lines: np.ndarray, count: int, bits: int) -> np.ndarray:
    """Numbers of `bits` bits, `count` a row, the first in the highest bits."""
    if bits == 16:
        return lines.view(">u2").astype(np.uint16)
    if bits == 8:
        return lines
    places = np.arange(8 - bits, -1, -bits)
    return ((lines[:, :, None] >> places.astype(np.uint8)) & (2**bits - 1)).reshape(len(lines), -1)[:, :count]


def _with_colours(samples: np.ndarray, bits: int, colour: int, chunks: dict[bytes, bytes]) -> Picture:
    clear = chunks.get(b"tRNS")
    if colour == 3:
        palette = np.frombuffer(chunks[b"PLTE"], np.uint8).reshape(-1, 3)
        entries = np.zeros((256, 3), np.uint8)
        entries[: len(palette)] = palette
        pixels = entries[samples[..., 0]]
        if clear is None:
            return Picture(pixels, False, bits)
        alpha = np.full(256, 255, np.uint8)
        alpha[: len(clear)] = np.frombuffer(clear, np.uint8)
        return Picture(np.concatenate([pixels, alpha[samples]], axis=-1), True, bits)
    widened = samples if bits >= 8 else samples * np.uint8(255 // (2**bits - 1))
    if clear is None or colour in (4, 6):
        return Picture(widened, colour in (4, 6), bits)
    key = np.frombuffer(clear, ">u2")
    most = np.iinfo(widened.dtype).max
    alpha = np.where((samples == key).all(axis=-1, keepdims=True), 0, most).astype(widened.dtype)
    return Picture(np.concatenate([widened, alpha], axis=-1), True, bits)


def channels_as_read(data: bytes) -> int:
    """How many channels the picture has when nobody asks for others: a transparent colour alone makes no channel."""
    *_, colour = read_header(data)
    if colour == 3:
        return 4 if b"tRNS" in _chunks(data) else 3
    return _CHANNELS[colour]
