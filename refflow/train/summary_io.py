"""The log of a training run: events in a file, which TensorBoard shows while it grows [W60].

    logdir/events.out.tfevents.TIME.HOST          records [W44], each an Event; the first names the file's version

Whoever adds an event only queues it. A thread writes what is queued, and flushes every `flush_secs` seconds.

Next: files/events.py.
"""

from __future__ import annotations

import os
import platform
import queue
import threading
import time
from collections.abc import Iterator
from typing import Any

from refflow.core.graph import Graph
from refflow.core.graphdef import GraphDef
from refflow.core.waiting import bystanders
from refflow.files.events import Event, TaggedRunMetadata
from refflow.files.graph_wire import graph_bytes
from refflow.files.records import framed, tf_record_iterator

VERSION = "brain.Event:1"


def summary_iterator(path: str) -> Iterator[Event]:
    """The events in a file, in order; DataLossError where it is damaged."""
    for record in tf_record_iterator(path):
        yield Event.from_bytes(record)


def _message_bytes(message: Any, what: str) -> bytes:
    """A message given as bytes, or as an object that can write itself as bytes."""
    if isinstance(message, (bytes, bytearray)):
        return bytes(message)
    for writer in ("SerializeToString", "to_bytes"):
        if hasattr(message, writer):
            return getattr(message, writer)()
    if hasattr(message, "item") and isinstance(message.item(), bytes):  # a fetched string
        return message.item()
    raise TypeError(f"{what} must be given as bytes, or as a message that becomes bytes, got {message!r}")


class SummaryWriter:
    """Appends events to a new file in `logdir`, which is made if there is none.

    graph_def: a graph to begin with. max_queue: how many events may wait before `add_...` does too.
    """

    def __init__(self, logdir: str, graph_def: Any = None, max_queue: int = 10, flush_secs: float = 120):
        os.makedirs(logdir, exist_ok=True)
        now = time.time()
        self.path = os.path.join(logdir, f"events.out.tfevents.{int(now):010d}.{platform.node()}")
        self._file = open(self.path, "ab")  # noqa: SIM115  (close() is the caller's)
        self._flush_secs = flush_secs
        self._queue: queue.Queue[bytes | None] = queue.Queue(max_queue)
        self._failure: OSError | None = None
        self._closed = False
        self._run_tags: set[str] = set()
        self._write(Event(wall_time=now, file_version=VERSION).to_bytes())
        self._file.flush()
        self._thread = threading.Thread(target=self._work, name="SummaryWriter", daemon=True)
        bystanders.add(self._thread)
        self._thread.start()
        if graph_def is not None:
            self.add_graph(graph_def)

    # -- adding ---------------------------------------------------------------------------------------------

    def add_summary(self, summary: Any, global_step: Any = None) -> None:
        """Adds what a summary op gave in a step: its bytes, or a Summary message."""
        self._add(Event(summary=_message_bytes(summary, "a summary")), global_step)

    def add_graph(self, graph_def: Any, global_step: Any = None) -> None:
        """Adds a Graph, a GraphDef, or a GraphDef message or its bytes."""
        plain = graph_def.definition() if isinstance(graph_def, Graph) else graph_def
        data = graph_bytes(plain) if isinstance(plain, GraphDef) else _message_bytes(plain, "a graph")
        self._add(Event(graph_def=data), global_step)

    def add_run_metadata(self, run_metadata: Any, tag: str, global_step: Any = None) -> None:
        """Adds what was told of one run: a RunMetadata, TensorFlow's message or its bytes. Each tag is used once."""
        if tag in self._run_tags:
            raise ValueError(f"The provided tag was already used for this event type: {tag!r}")
        self._run_tags.add(tag)
        tagged = TaggedRunMetadata(tag, _message_bytes(run_metadata, "a run's metadata"))
        self._add(Event(tagged_run_metadata=tagged), global_step)

    def add_event(self, event: Any) -> None:
        """Adds an Event, an Event message or its bytes, as it is."""
        if self._closed:
            raise RuntimeError("the SummaryWriter is closed")
        self._raise_failure()
        self._queue.put(_message_bytes(event, "an event"))

    def _add(self, event: Event, global_step: Any) -> None:
        event.wall_time = time.time()
        event.step = 0 if global_step is None else int(global_step)
        self.add_event(event)

    # -- writing --------------------------------------------------------------------------------------------

    def _write(self, data: bytes) -> None:
        self._file.write(framed(data))

    def _work(self) -> None:
        next_flush = time.monotonic() + self._flush_secs
        while True:
            try:
                data = self._queue.get(timeout=max(0.0, next_flush - time.monotonic()))
            except queue.Empty:
                self._guarded(self._file.flush)
                next_flush = time.monotonic() + self._flush_secs
                continue
            if data is not None:
                self._guarded(self._write, data)
            self._queue.task_done()
            if data is None:
                return

    def _guarded(self, action: Any, *given: Any) -> None:
        """A full disk ends no thread: the next call of the user's says so."""
        try:
            action(*given)
        except OSError as error:
            self._failure = error

    def _raise_failure(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def flush(self) -> None:
        """Returns when everything added so far is in the file."""
        self._queue.join()
        if not self._file.closed:
            self._file.flush()
        self._raise_failure()

    def close(self) -> None:
        """Writes what is queued and ends the thread; nothing can be added any more."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        self._thread.join()
        self._file.close()
        self._raise_failure()
