"""QueueRunner: threads that keep a queue filled while a program takes from it [W45].

Next: runtime/session.py.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from refflow.core import errors
from refflow.core.graph import GraphKeys, get_default_graph
from refflow.core.tensor import default_session
from refflow.train.coordinator import Coordinator


class QueueRunner:
    """A queue and the operations that fill it, one thread each; when the last one ends, the queue is closed."""

    def __init__(self, queue: Any, enqueue_ops: Sequence[Any]):
        if not queue or not enqueue_ops:
            raise ValueError("a QueueRunner needs a queue and operations that fill it")
        self._queue, self._enqueue_ops = queue, list(enqueue_ops)
        self._close = queue.close()
        self._cancel = queue.close(cancel_pending_enqueues=True)
        self._lock = threading.Lock()
        self._running = 0
        self._errors: list[BaseException] = []

    @property
    def queue(self) -> Any:
        return self._queue

    @property
    def exceptions_raised(self) -> list[BaseException]:
        """What ended threads that had no coordinator to tell."""
        return self._errors

    def _run(self, sess: Any, enqueue_op: Any, coord: Coordinator | None) -> None:
        done = False
        try:
            while coord is None or not coord.should_stop():
                try:
                    sess.run(enqueue_op)
                except errors.OutOfRangeError:
                    with self._lock:
                        self._running -= 1
                        done = True
                        last = self._running == 0
                    if last:
                        sess.run(self._close)
                    return
        except Exception as error:
            if coord is not None:
                coord.request_stop(error)
            else:
                with self._lock:
                    self._errors.append(error)
                raise
        finally:
            if not done:
                with self._lock:
                    self._running -= 1

    def _cancel_on_stop(self, sess: Any, coord: Coordinator) -> None:
        coord.wait_for_stop()
        try:
            sess.run(self._cancel)
        except (errors.OpError, RuntimeError):  # the session has gone: nobody waits in it any more
            return

    def create_threads(
        self, sess: Any, coord: Coordinator | None = None, daemon: bool = False, start: bool = False
    ) -> list[threading.Thread]:
        """A thread for each operation, and one that closes the queue when `coord` stops; started if asked."""
        with self._lock:
            if self._running:
                raise RuntimeError("Threads are already running.")
            self._running = len(self._enqueue_ops)
            self._errors = []
        threads = [threading.Thread(target=self._run, args=(sess, op, coord)) for op in self._enqueue_ops]
        if coord is not None:
            threads.append(threading.Thread(target=self._cancel_on_stop, args=(sess, coord)))
        for thread in threads:
            thread.daemon = daemon
            if start:
                thread.start()
        return threads


def add_queue_runner(qr: QueueRunner, collection: str = GraphKeys.QUEUE_RUNNERS) -> None:
    """Enters a QueueRunner where start_queue_runners finds it."""
    get_default_graph().add_to_collection(collection, qr)


def start_queue_runners(
    sess: Any = None, coord: Coordinator | None = None, daemon: bool = True, start: bool = True,
    collection: str = GraphKeys.QUEUE_RUNNERS,
) -> list[threading.Thread]:  # fmt: skip
    """The threads of every QueueRunner of the session's graph."""
    session = default_session(sess, "start queue runners")
    with session.graph.as_default():
        runners = get_default_graph().get_collection(collection)
    return [t for qr in runners for t in qr.create_threads(session, coord, daemon, start)]
