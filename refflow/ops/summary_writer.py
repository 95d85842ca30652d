"""Writing the log of a run from inside a graph: ops that append events to a file [W60].

    SummaryWriter              the handle of a writer, known by its shared_name
    CreateSummaryFileWriter    opens its file, LOGDIR/events.out.tfevents.TIME.HOST.PROCESS.NUMBER.SUFFIX, once
    WriteSummary               a tensor under a tag, with what plugins want to know of it
    WriteScalarSummary, ...    what the summary ops of the first release made, each an event of its own
    WriteRawProtoSummary       Summary messages as they are;  WriteGraphSummary  a GraphDef;  ImportEvent  an Event
    FlushSummaryWriter, CloseSummaryWriter

Events wait until `max_queue` of them do, or `flush_millis` have passed.

Next: files/events.py.
"""

from __future__ import annotations

import itertools
import os
import platform
import time
from typing import Any

import numpy as np

from refflow.core import errors, locks
from refflow.core.dtypes import REALS, float16, float32, uint8
from refflow.core.handles import handle_to, state_of
from refflow.core.opdef import OpDef, define_op
from refflow.core.signature import Attr
from refflow.files import summaries
from refflow.files.events import Event
from refflow.files.records import framed
from refflow.files.wire import block, fields
from refflow.ops.summary import image_summary_kernel, sound

_numbers = itertools.count()
VERSION = "brain.Event:2"


class SummaryFile:
    """An event file that is open from `create` to `close`."""

    def __init__(self) -> None:
        self.lock = locks.lock()
        self.file: Any = None
        self.waiting: list[bytes] = []

    def create(self, logdir: str, max_queue: int, flush_millis: int, suffix: str) -> None:
        with self.lock:
            if self.file is not None:
                return
            os.makedirs(logdir, exist_ok=True)
            now = time.time()
            name = f"events.out.tfevents.{int(now):010d}.{platform.node()}.{os.getpid()}.{next(_numbers)}{suffix}"
            self.most, self.patience, self.flushed = max_queue, flush_millis / 1000, now
            self.file = open(os.path.join(logdir, name), "ab")  # noqa: SIM115  (until close)
            self.waiting = [Event(wall_time=now, file_version=VERSION).to_bytes()]
            self._flush()

    def add(self, event: bytes) -> None:
        with self.lock:
            self._need_file()
            self.waiting.append(event)
            if len(self.waiting) > self.most or time.time() - self.flushed > self.patience:
                self._flush()

    def flush(self) -> None:
        with self.lock:
            self._need_file()
            self._flush()

    def close(self) -> None:
        with self.lock:
            if self.file is not None:
                self._flush()
                self.file.close()
                self.file = None

    def _need_file(self) -> None:
        if self.file is None:
            raise errors.NotFoundError(None, None, "Resource of type SummaryWriterInterface does not exist.")

    def _flush(self) -> None:
        self.file.write(b"".join(framed(event) for event in self.waiting))
        self.file.flush()
        self.waiting, self.flushed = [], time.time()


# -- the writer ---------------------------------------------------------------------------------------------------

SUMMARY_WRITER = define_op("SummaryWriter", "-> writer: resource[]", shared_name="", container="", stateful=True,
                           source=("W60",))  # fmt: skip


@SUMMARY_WRITER.state
def _summary_file():
    return SummaryFile()


@SUMMARY_WRITER.kernel
def summary_writer_kernel(state):
    return handle_to(state)


def _on_writer(name: str, inputs: str, **attrs: Any) -> OpDef:
    op_def = define_op(name, f"writer: resource[]{inputs} ->", stateful=True, source=("W60",), **attrs)
    op_def.no_gradient_registered()
    return op_def


SUMMARY_WRITER.no_gradient_registered()
_REAL = Attr("type", allowed=REALS)
CREATE = _on_writer("CreateSummaryFileWriter", ", logdir: string[], max_queue: int32[], flush_millis: int32[], "
                    "filename_suffix: string[]")  # fmt: skip
FLUSH = _on_writer("FlushSummaryWriter", "")
CLOSE = _on_writer("CloseSummaryWriter", "")
WRITE = _on_writer("WriteSummary", ", step: int64[], tensor: T, tag: string[], summary_metadata: string[]",
                   T=Attr("type"))  # fmt: skip
SCALAR = _on_writer("WriteScalarSummary", ", step: int64[], tag: string[], value: T[]", T=_REAL)
HISTOGRAM = _on_writer("WriteHistogramSummary", ", step: int64[], tag: string[], values: T",
                       T=Attr("type", default=float32, allowed=REALS))  # fmt: skip
IMAGE = _on_writer("WriteImageSummary", ", step: int64[], tag: string[], tensor: T[N, H, W, C], bad_color: uint8[D]",
                   max_images=Attr("int", default=3, minimum=1),
                   T=Attr("type", default=float32, allowed=(uint8, float32, float16)))  # fmt: skip
AUDIO = _on_writer("WriteAudioSummary", ", step: int64[], tag: string[], tensor: float32, sample_rate: float32[]",
                   max_outputs=Attr("int", default=3, minimum=1))  # fmt: skip
RAW = _on_writer("WriteRawProtoSummary", ", step: int64[], tensor: string")
GRAPH = _on_writer("WriteGraphSummary", ", step: int64[], tensor: string[]")
IMPORT = _on_writer("ImportEvent", ", event: string[]")


@CREATE.kernel
def create_kernel(writer, logdir, max_queue, flush_millis, filename_suffix):
    path, suffix = (text.item().decode() for text in (logdir, filename_suffix))
    state_of(writer).create(path, int(max_queue), int(flush_millis), suffix)


@FLUSH.kernel
def flush_kernel(writer):
    state_of(writer).flush()


@CLOSE.kernel
def close_kernel(writer):
    state_of(writer).close()


# -- writing ------------------------------------------------------------------------------------------------------


def _add(writer: Any, step: Any, **what: Any) -> None:
    state_of(writer).add(Event(wall_time=time.time(), step=int(step), **what).to_bytes())


@WRITE.kernel
def write_summary_kernel(writer, step, tensor, tag, summary_metadata):
    metadata = summary_metadata.item()
    told = block(8, summaries.tensor_proto(tensor)) + (block(9, metadata) if metadata else b"")
    _add(writer, step, summary=summaries.as_value(tag.item(), told))


@SCALAR.kernel
def write_scalar_kernel(writer, step, tag, value):
    _add(writer, step, summary=summaries.scalar(tag.item(), value))


@HISTOGRAM.kernel
def write_histogram_kernel(writer, step, tag, values):
    numbers = values.astype(np.float64)
    if not np.isfinite(numbers).all():
        what = "Nan" if np.isnan(numbers).any() else "Infinity"
        raise ValueError(f"{what} in summary histogram for: {tag.item().decode()}")
    _add(writer, step, summary=summaries.histogram_value(tag.item(), numbers))


@IMAGE.kernel
def write_image_kernel(writer, step, tag, tensor, bad_color, max_images):
    _add(writer, step, summary=image_summary_kernel(tag, tensor, max_images, bad_color).item())


@AUDIO.kernel
def write_audio_kernel(writer, step, tag, tensor, sample_rate, max_outputs):
    _add(writer, step, summary=sound(tag, tensor, float(sample_rate), max_outputs).item())


@RAW.kernel
def write_raw_kernel(writer, step, tensor):
    """All values of all the messages, in one event."""
    parts = []
    for i, data in enumerate(tensor.reshape(-1)):
        _need_message(data, f"Bad tf.compat.v1.Summary binary proto tensor string at index {i}")
        parts.append(data)
    _add(writer, step, summary=b"".join(parts))


@GRAPH.kernel
def write_graph_kernel(writer, step, tensor):
    _need_message(tensor.item(), "Bad tf.GraphDef binary proto scalar string")
    _add(writer, step, graph_def=tensor.item())


@IMPORT.kernel
def import_event_kernel(writer, event):
    _need_message(event.item(), "Bad tf.Event binary proto tensor string")
    state_of(writer).add(event.item())


def _need_message(data: bytes, text: str) -> None:
    try:
        list(fields(data))
    except (ValueError, TypeError, IndexError):
        raise errors.DataLossError(None, None, text) from None
