"""Events: one record of the log that a training run leaves behind [W60].

    Event        1 wall_time, 2 step, and one of: 3 file_version, 4 graph_def, 5 summary, 7 session_log,
                 8 tagged_run_metadata
    Summary      1 value: Value       1 tag, 2 simple_value, 4 image, 5 histo, 6 audio, 8 tensor

Fields keep TensorFlow's names, so that who read its messages finds them here.

Next: train/summary_io.py.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from refflow.files.summaries import double_field, float_field
from refflow.files.wire import block, fields, number, signed


@dataclass(slots=True)
class Histogram:
    """How some numbers are spread: their extremes and sums, and counts up to each of the rising limits."""

    min: float = 0.0
    max: float = 0.0
    num: float = 0.0
    sum: float = 0.0
    sum_squares: float = 0.0
    bucket_limit: list[float] = field(default_factory=list)
    bucket: list[float] = field(default_factory=list)

    def to_bytes(self) -> bytes:
        numbers = (self.min, self.max, self.num, self.sum, self.sum_squares)
        lists = (block(6 + i, np.array(v, "<f8").tobytes()) for i, v in enumerate((self.bucket_limit, self.bucket)))
        return b"".join([*(double_field(i + 1, v) for i, v in enumerate(numbers)), *lists])

    SerializeToString = to_bytes


@dataclass(slots=True)
class Picture:
    """An image as a PNG file. colorspace: the number of channels."""

    height: int = 0
    width: int = 0
    colorspace: int = 0
    encoded_image_string: bytes = b""

    def to_bytes(self) -> bytes:
        sizes = number(1, self.height) + number(2, self.width) + number(3, self.colorspace)
        return sizes + block(4, self.encoded_image_string)


@dataclass(slots=True)
class Sound:
    """A clip as a WAV file."""

    sample_rate: float = 0.0
    num_channels: int = 0
    length_frames: int = 0
    encoded_audio_string: bytes = b""
    content_type: str = ""

    def to_bytes(self) -> bytes:
        sizes = float_field(1, self.sample_rate) + number(2, self.num_channels) + number(3, self.length_frames)
        return sizes + block(4, self.encoded_audio_string) + block(5, self.content_type.encode())


@dataclass(slots=True)
class Value:
    """What one tag says; all but one of the others are None. tensor: a TensorProto's bytes."""

    tag: str = ""
    simple_value: float | None = None
    image: Picture | None = None
    histo: Histogram | None = None
    audio: Sound | None = None
    tensor: bytes | None = None
    node_name: str = ""

    def to_bytes(self) -> bytes:
        parts = [block(1, self.tag.encode()), block(7, self.node_name.encode())]
        if self.simple_value is not None:
            parts.append(float_field(2, self.simple_value, keep_zero=True))
        for key, message in ((4, self.image), (5, self.histo), (6, self.audio)):
            if message is not None:
                parts.append(block(key, message.to_bytes(), keep_empty=True))
        if self.tensor is not None:
            parts.append(block(8, self.tensor, keep_empty=True))
        return b"".join(parts)


class Values(list):
    """The values of a Summary; `add(tag=..., simple_value=...)` makes one more, as with TensorFlow's messages."""

    def add(self, **fields: Any) -> Value:
        self.append(Value(**fields))
        return self[-1]


@dataclass(slots=True)
class Summary:
    """Several values, from bytes as summary ops make them.

    >>> from refflow.files.summaries import scalar
    >>> Summary.from_bytes(scalar("loss", 0.5)).value[0].simple_value
    0.5
    """

    value: list[Value] = field(default_factory=Values)

    def __post_init__(self) -> None:
        self.value = Values(self.value)

    @classmethod
    def from_bytes(cls, data: bytes) -> Summary:
        return cls([_value(v) for number_, v in fields(data) if number_ == 1])

    def to_bytes(self) -> bytes:
        return b"".join(block(1, v.to_bytes(), keep_empty=True) for v in self.value)


@dataclass(slots=True)
class TaggedRunMetadata:
    """What is told of one run, under a name. run_metadata: a RunMetadata's bytes (files/step_stats.py)."""

    tag: str = ""
    run_metadata: bytes = b""

    def to_bytes(self) -> bytes:
        return block(1, self.tag.encode()) + block(2, self.run_metadata)


@dataclass(slots=True)
class Event:
    """One record. summary and graph_def: bytes of messages, which `values()` reads; session_log: a SessionLog's."""

    wall_time: float = 0.0
    step: int = 0
    file_version: str = ""
    graph_def: bytes = b""
    summary: Summary | bytes | None = None
    tagged_run_metadata: TaggedRunMetadata | None = None
    session_log: bytes | None = None

    def to_bytes(self) -> bytes:
        body = b"" if self.session_log is None else block(7, self.session_log, keep_empty=True)
        if self.summary is not None:
            given = self.summary if isinstance(self.summary, bytes) else self.summary.to_bytes()
            body += block(5, given, keep_empty=True)
        if self.tagged_run_metadata is not None:
            body += block(8, self.tagged_run_metadata.to_bytes(), keep_empty=True)
        return b"".join([
            double_field(1, self.wall_time), number(2, self.step), block(3, self.file_version.encode()),
            block(4, self.graph_def), body,
        ])  # fmt: skip

    @classmethod
    def from_bytes(cls, data: bytes) -> Event:
        """ValueError where the bytes are no Event."""
        event = cls()
        for key, value in fields(data):
            if key == 1:
                event.wall_time = _double(value)
            elif key == 2:
                event.step = signed(value)
            elif key == 3:
                event.file_version = value.decode()
            elif key == 4:
                event.graph_def = value
            elif key == 5:
                event.summary = Summary.from_bytes(value)
            elif key == 7:
                event.session_log = value
            elif key == 8:
                parts = dict(fields(value))
                event.tagged_run_metadata = TaggedRunMetadata(parts.get(1, b"").decode(), parts.get(2, b""))
        return event

    def values(self) -> Iterator[Value]:
        """The summary's values, of which there may be none."""
        if self.summary is not None:
            yield from (self.summary if isinstance(self.summary, Summary) else Summary.from_bytes(self.summary)).value


def _double(bits: int) -> float:
    return struct.unpack("<d", bits.to_bytes(8, "little"))[0]


def _float(bits: int) -> float:
    return struct.unpack("<f", bits.to_bytes(4, "little"))[0]


def _value(data: bytes) -> Value:
    found = Value()
    for key, value in fields(data):
        if key == 1:
            found.tag = value.decode()
        elif key == 2:
            found.simple_value = _float(value)
        elif key == 4:
            found.image = _message(Picture(), value, "height width colorspace encoded_image_string")
        elif key == 5:
            found.histo = _histogram(value)
        elif key == 6:
            names = "sample_rate num_channels length_frames encoded_audio_string content_type"
            found.audio = _message(Sound(), value, names)
            found.audio.content_type = bytes(found.audio.content_type).decode()  # type: ignore[arg-type]
            found.audio.sample_rate = _float(int(found.audio.sample_rate))
        elif key == 7:
            found.node_name = value.decode()
        elif key == 8:
            found.tensor = value
    return found


def _message(found: Any, data: bytes, names: str) -> Any:
    """Fills the fields of those names, which are numbered from 1."""
    by_number = dict(enumerate(names.split(), 1))
    for key, value in fields(data):
        if key in by_number:
            setattr(found, by_number[key], value)
    return found


def _histogram(data: bytes) -> Histogram:
    found = Histogram()
    for key, value in fields(data):
        if key in (6, 7):
            listed = np.frombuffer(value, "<f8").tolist() if isinstance(value, bytes) else [_double(value)]
            (found.bucket_limit if key == 6 else found.bucket).extend(listed)
        elif 1 <= key <= 5:
            setattr(found, ("min", "max", "num", "sum", "sum_squares")[key - 1], _double(value))
    return found
