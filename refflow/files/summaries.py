"""Summaries as bytes: TensorFlow's Summary messages, written field by field [W60].

    Summary     repeated Value
    Value       tag, and one of: a number, an image, a histogram, sound, a tensor

A histogram counts doubles in buckets whose limits grow by a tenth from 1e-12 to 1e20, both ways from zero; runs of
empty buckets are written as one.

Next: ops/summary.py.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import Any

import numpy as np

from refflow.core.dtypes import as_dtype
from refflow.files import png
from refflow.files.wire import EIGHT, FOUR, block, number, varint

_MOST = np.finfo(np.float64).max


def float_field(field: int, value: float, keep_zero: bool = False) -> bytes:
    """Four bytes; zero, the default, takes none unless it must show."""
    data = struct.pack("<f", value)
    return varint(field << 3 | FOUR) + data if keep_zero or any(data) else b""


def double_field(field: int, value: float) -> bytes:
    data = struct.pack("<d", value)
    return varint(field << 3 | EIGHT) + data if any(data) else b""


def as_value(tag: str | bytes, body: bytes) -> bytes:
    """A Summary of one Value: its tag, then `body`, which is one more field."""
    name = tag.encode() if isinstance(tag, str) else tag
    return block(1, block(1, name) + body, keep_empty=True)


def scalar(tag: str | bytes, value: Any) -> bytes:
    """
    >>> scalar("a", 1.5)
    b'\\n\\x08\\n\\x01a\\x15\\x00\\x00\\xc0?'
    """
    with np.errstate(over="ignore"):
        return as_value(tag, float_field(2, float(np.float32(value)), keep_zero=True))


# -- histograms -----------------------------------------------------------------------------------------------


@cache
def bucket_limits() -> np.ndarray:
    """The upper limits of all buckets, rising."""
    limits, limit = [], 1e-12
    while limit < 1e20:
        limits.append(limit)
        limit *= 1.1
    limits.append(_MOST)
    return np.array([-v for v in reversed(limits)] + [0.0] + limits)


def histogram(values: Any) -> bytes:
    """A HistogramProto of some finite numbers."""
    numbers = np.asarray(values, np.float64).reshape(-1)
    limits = bucket_limits()
    counts = np.bincount(np.searchsorted(limits, numbers, side="right"), minlength=len(limits))
    kept = counts > 0
    kept[:-1] |= counts[1:] > 0  # of a run of empty buckets the last one
    kept[-1] = True
    # Sums in order, one number after the other, as the release adds them.
    total, squares = (0.0 + float(np.cumsum(v)[-1]) if len(v) else 0.0 for v in (numbers, numbers * numbers))
    return b"".join([
        double_field(1, float(numbers.min(initial=_MOST))),
        double_field(2, float(numbers.max(initial=-_MOST))),
        double_field(3, len(numbers)),
        double_field(4, total),
        double_field(5, squares),
        block(6, limits[kept].astype("<f8").tobytes()),
        block(7, counts[kept].astype("<f8").tobytes()),
    ])  # fmt: skip


def histogram_value(tag: str | bytes, values: Any) -> bytes:
    return as_value(tag, block(5, histogram(values)))


# -- images and sound -----------------------------------------------------------------------------------------


def image_value(tag: str | bytes, pixels: np.ndarray) -> bytes:
    """A picture [height, width, channels] of bytes."""
    height, width, channels = pixels.shape
    sizes = number(1, height) + number(2, width) + number(3, channels)
    return as_value(tag, block(4, sizes + block(4, png.encode(pixels))))


def wav(samples: np.ndarray, rate: int) -> bytes:
    """Sound [frames, channels] in [-1, 1] as a WAV file of 16 bits."""
    channels = samples.shape[1]
    loud = np.nan_to_num(samples.astype(np.float32) * np.float32(32768))
    whole = np.clip(np.trunc(loud + np.copysign(np.float32(0.5), loud)), -32768, 32767).astype("<i2").tobytes()
    shape = struct.pack("<IHHIIHH", 16, 1, channels, rate, rate * channels * 2, channels * 2, 16)
    return struct.pack("<4sI8s", b"RIFF", 36 + len(whole), b"WAVEfmt ") + shape + struct.pack(
        "<4sI", b"data", len(whole)
    ) + whole  # fmt: skip


def audio_value(tag: str | bytes, samples: np.ndarray, rate: float) -> bytes:
    """Sound [frames, channels] at that many frames a second."""
    frames, channels = samples.shape
    head = float_field(1, rate) + number(2, channels) + number(3, frames)
    return as_value(tag, block(6, head + block(4, wav(samples, int(np.rint(rate)))) + block(5, b"audio/wav")))


# -- tensors --------------------------------------------------------------------------------------------------


def tensor_proto(array: Any) -> bytes:
    """A TensorProto: strings one by one, everything else as the bytes in memory."""
    array = np.asarray(array)
    dtype = as_dtype(array.dtype)
    shape = b"".join(block(2, number(1, size), keep_empty=True) for size in array.shape)
    head = number(1, dtype.as_datatype_enum) + block(2, shape, keep_empty=True)
    if array.dtype == object:
        return head + b"".join(block(8, item, keep_empty=True) for item in array.reshape(-1))
    return head + block(4, np.ascontiguousarray(array).tobytes())
