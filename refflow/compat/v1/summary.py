"""tf.summary: what a step tells the log, under names that lie in the scope where they are made.

    tf.summary.scalar("loss", loss)
    writer = tf.summary.FileWriter(folder, session.graph)
    writer.add_summary(session.run(tf.summary.merge_all()), step)

Next: ops/summary.py.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from refflow.compat.v1.messages import SessionLog, SummaryDescription, SummaryMetadata
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import string
from refflow.core.graph import Tensor, get_default_graph
from refflow.files import events
from refflow.files.events import Event, TaggedRunMetadata
from refflow.ops import summary as ops
from refflow.train.summary_io import SummaryWriter

__all__ = [
    "Event", "FileWriter", "FileWriterCache", "SessionLog", "Summary", "SummaryDescription", "TaggedRunMetadata",
    "audio", "get_summary_description", "histogram", "image", "merge", "merge_all", "scalar", "tensor_summary", "text",
]  # fmt: skip


def _tagged(op: Any, name: str, value: Any, collections: Any, family: str | None, **attrs: Any) -> Tensor:
    """A summary node whose tag is its own name."""
    label = name if family is None else f"{family}/{name}"
    clean = "".join(c if c.isalnum() or c in "_./-" else "_" for c in label)
    with get_default_graph().name_scope(clean) as scope:
        tag = np.array(scope.rstrip("/").encode(), object)
        return ops._collected(op(tag, value, name=scope, **attrs), collections)


def scalar(name: str, tensor: Any, collections: Any = None, family: str | None = None) -> Tensor:
    """A summary of one number."""
    return _tagged(ops.SCALAR, name, tensor, collections, family)


def histogram(name: str, values: Any, collections: Any = None, family: str | None = None) -> Tensor:
    """A summary of how values are spread."""
    return _tagged(ops.HISTOGRAM, name, values, collections, family)


def image(name: str, tensor: Any, max_outputs: int = 3, collections: Any = None, family: str | None = None) -> Tensor:
    """A summary of the first pictures in `tensor` [N, height, width, 1, 3 or 4]."""
    return _tagged(ops.IMAGE, name, tensor, collections, family, max_images=max_outputs)


def audio(
    name: str, tensor: Any, sample_rate: Any, max_outputs: int = 3, collections: Any = None, family: str | None = None
) -> Tensor:
    """A summary of the first clips in `tensor` [N, frames, channels] or [N, frames]."""

    def op(tag: Any, value: Any, name: str, max_outputs: int) -> Tensor:
        return ops.AUDIO_V2(tag, value, np.float32(sample_rate), max_outputs=max_outputs, name=name)

    return _tagged(op, name, tensor, collections, family, max_outputs=max_outputs)


def text(name: str, tensor: Any, collections: Any = None) -> Tensor:
    """A summary of strings, which the log's viewer shows as text."""
    tensor = convert_to_tensor(tensor)
    if tensor.dtype.base_dtype is not string:
        raise ValueError(f"Expected tensor {tensor.name} to have dtype string, got {tensor.dtype.base_dtype.name}")
    plugin = SummaryMetadata.PluginData(plugin_name="text")
    return tensor_summary(name, tensor, collections=collections, summary_metadata=SummaryMetadata(plugin_data=plugin))


def tensor_summary(
    name: str, tensor: Any, summary_description: str | None = None, collections: Any = None,
    summary_metadata: Any = None, family: str | None = None, display_name: str | None = None,
) -> Tensor:  # fmt: skip
    """A summary of any tensor, whole."""
    meta = SummaryMetadata()
    if summary_metadata is not None:
        meta.ParseFromString(summary_metadata.SerializeToString())
    meta.display_name = display_name or meta.display_name
    meta.summary_description = summary_description or meta.summary_description
    found = np.array(meta.SerializeToString(), object)

    def op(tag: Any, value: Any, name: str) -> Tensor:
        return ops.TENSOR_V2(tag, value, found, name=name)

    return _tagged(op, name, tensor, collections, family)


def get_summary_description(node_def: Any) -> Any:
    """The SummaryDescription that a TensorSummary node's attribute `description` holds."""
    if node_def.op != "TensorSummary":
        raise ValueError(f"Can't get_summary_description on {node_def.op}")
    described = node_def.attr["description"]
    said = described if isinstance(described, str) else described.s.decode()
    return SummaryDescription(**json.loads(said)) if said else SummaryDescription()


def merge(inputs: Sequence[Any], collections: Any = None, name: str | None = None) -> Tensor:
    """All values of several summaries in one."""
    return ops.merge_summary(inputs, collections, name)


def merge_all(key: str = "summaries", scope: str | None = None, name: str | None = None) -> Tensor | None:
    """One summary of all in the collection, or None where there are none."""
    found = get_default_graph().get_collection(key, scope)
    return merge(found, name=name) if found else None


class Summary(events.Summary):
    """A message of values made by hand: Summary(value=[Summary.Value(tag="loss", simple_value=0.5)])."""

    Value, Image, HistogramProto = events.Value, events.Picture, events.Histogram

    @classmethod
    def FromString(cls, data: bytes) -> Summary:
        """The message that a summary op gave."""
        return cls(events.Summary.from_bytes(data).value)

    def ParseFromString(self, data: bytes) -> None:
        """Takes over the values of what a summary op gave."""
        self.value = self.FromString(data).value

    def SerializeToString(self) -> bytes:
        return self.to_bytes()


class FileWriter(SummaryWriter):
    """Appends events to a new file in `logdir`; begins with a graph, if one is given."""

    def __init__(self, logdir: str, graph: Any = None, max_queue: int = 10, flush_secs: float = 120,
                 graph_def: Any = None, filename_suffix: str | None = None, session: Any = None):  # fmt: skip
        super().__init__(logdir, graph_def if graph is None else graph, max_queue, flush_secs)
        self._logdir = logdir

    @property
    def closed(self) -> bool:
        return self._closed

    def add_session_log(self, session_log: Any, global_step: Any = None) -> None:
        """Adds what happened to a session: a SessionLog."""
        self._add(Event(session_log=session_log.SerializeToString()), global_step)

    def get_logdir(self) -> str:
        return self._logdir

    def __enter__(self) -> FileWriter:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()


class FileWriterCache:
    """One writer for each folder, for all who write there."""

    _writers: ClassVar[dict[str, FileWriter]] = {}

    @staticmethod
    def get(logdir: str) -> FileWriter:
        """The folder's writer, made when first asked for, or after it was closed."""
        known = FileWriterCache._writers.get(logdir)
        if known is None or known.closed:
            known = FileWriterCache._writers[logdir] = FileWriter(logdir, get_default_graph())
        return known

    @staticmethod
    def clear() -> None:
        """Closes all of them."""
        for writer in FileWriterCache._writers.values():
            writer.close()
        FileWriterCache._writers.clear()
