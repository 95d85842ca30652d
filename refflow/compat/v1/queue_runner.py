"""Queue runners of 1.x: one for any number of sessions, with a say in which errors are an end; they travel as messages.

    runner = tf.train.QueueRunner(queue, [enqueue] * 4)      four threads
    runner.create_threads(session, coord, start=True)
    runner.to_proto()                                        the names of its nodes

Next: compat/v1/input.py.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

from refflow.core import errors
from refflow.core.graph import GraphKeys, get_default_graph
from refflow.core.tensor import default_session
from refflow.platform import logging
from refflow.runtime.session import Session
from refflow.train.meta_graph import WRITTEN, Written

__all__ = ["QueueRunner", "add_queue_runner", "start_queue_runners"]


class _Named:
    """The queue of a runner that came as a message: all that is known of it is a name."""

    def __init__(self, name: str):
        self.name = name


class QueueRunner:
    """A queue and the operations that fill it, one thread each; when the last one ends, the queue is closed.

    queue_closed_exception_types: what says that nothing more comes, by default OutOfRangeError. queue_runner_def: a
    message of `to_proto`, in place of all else.
    """

    def __init__(
        self, queue: Any = None, enqueue_ops: Sequence[Any] | None = None, close_op: Any = None, cancel_op: Any = None,
        queue_closed_exception_types: Any = None, queue_runner_def: Any = None, import_scope: str | None = None,
    ):  # fmt: skip
        if queue_runner_def is not None:
            if queue or enqueue_ops:
                raise ValueError("queue_runner_def and queue are mutually exclusive.")
            self._read(queue_runner_def, import_scope)
        else:
            if not queue or not enqueue_ops:
                raise ValueError("Must provide queue and enqueue_ops.")
            kinds = (errors.OutOfRangeError,) if queue_closed_exception_types is None else queue_closed_exception_types
            if not isinstance(kinds, tuple) or not kinds or not all(issubclass(k, errors.OpError) for k in kinds):
                raise TypeError(
                    f"queue_closed_exception_types, when provided, must be a tuple of tf.error types, but saw: {kinds}"
                )
            self._queue, self._enqueue_ops, self._kinds = queue, list(enqueue_ops), kinds
            self._close_op = queue.close() if close_op is None else close_op
            self._cancel_op = queue.close(cancel_pending_enqueues=True) if cancel_op is None else cancel_op
        self._lock = threading.Lock()
        self._running: WeakKeyDictionary[Any, int] = WeakKeyDictionary()  # threads that have not ended, by session
        self._errors: list[BaseException] = []

    def _read(self, proto: Any, scope: str | None) -> None:
        graph = get_default_graph()
        prefix = f"{scope.rstrip('/')}/" if scope else ""

        def node(name: str) -> Any:
            return graph.as_graph_element(prefix + name)

        self._queue = node(proto.queue_name)
        if not hasattr(self._queue, "name"):
            self._queue = _Named(prefix + proto.queue_name)
        self._enqueue_ops = [node(name) for name in proto.enqueue_op_name]
        self._close_op, self._cancel_op = node(proto.close_op_name), node(proto.cancel_op_name)
        found = [errors.exception_type_from_error_code(code) for code in proto.queue_closed_exception_types]
        self._kinds = tuple(found) or (errors.OutOfRangeError,)

    @property
    def queue(self) -> Any:
        return self._queue

    @property
    def enqueue_ops(self) -> list[Any]:
        return self._enqueue_ops

    @property
    def close_op(self) -> Any:
        return self._close_op

    @property
    def cancel_op(self) -> Any:
        return self._cancel_op

    @property
    def queue_closed_exception_types(self) -> tuple[type, ...]:
        return self._kinds

    @property
    def name(self) -> str:
        """The queue's name."""
        return self._queue.name

    @property
    def exceptions_raised(self) -> list[BaseException]:
        """What ended threads that had no coordinator to tell."""
        return self._errors

    def _run(self, sess: Any, enqueue_op: Any, coord: Any) -> None:
        ended = False
        try:
            while coord is None or not coord.should_stop():
                try:
                    sess.run(enqueue_op)
                except self._kinds:
                    ended = True
                    if self._one_less(sess):
                        self._close(sess)
                    return
        except Exception as error:
            if coord is not None:
                coord.request_stop(error)
            else:
                logging.error("Exception in QueueRunner: %s", error)
                with self._lock:
                    self._errors.append(error)
        finally:
            if not ended:
                self._one_less(sess)

    def _one_less(self, sess: Any) -> bool:
        """Counts a thread that has ended; True where it was the last."""
        with self._lock:
            self._running[sess] -= 1
            return not self._running[sess]

    def _close(self, sess: Any) -> None:
        try:
            sess.run(self._close_op)
        except Exception as error:  # nobody waits for this thread: the queue may have been closed before
            logging.debug("Ignored exception: %s", error)

    def _cancel_on_stop(self, sess: Any, coord: Any) -> None:
        coord.wait_for_stop()
        try:
            sess.run(self._cancel_op)
        except Exception as error:  # the session may have gone: nobody waits in it any more
            logging.debug("Ignored exception: %s", error)

    def create_threads(
        self, sess: Any, coord: Any = None, daemon: bool = False, start: bool = False
    ) -> list[threading.Thread]:
        """A thread for each operation, and one that closes the queue when `coord` stops; none where they run by now."""
        with self._lock:
            if self._running.get(sess, 0) > 0:
                return []
            self._running[sess] = len(self._enqueue_ops)
            self._errors = []
        threads = [
            threading.Thread(target=self._run, args=(sess, op, coord), name=f"QueueRunnerThread-{self.name}-{op.name}")
            for op in self._enqueue_ops
        ]
        if coord is not None:
            name = f"QueueRunnerThread-{self.name}-close_on_stop"
            threads.append(threading.Thread(target=self._cancel_on_stop, args=(sess, coord), name=name))
        for thread in threads:
            if coord is not None and hasattr(coord, "register_thread"):
                coord.register_thread(thread)
            thread.daemon = daemon or thread.daemon
            if start:
                thread.start()
        return threads

    def to_proto(self, export_scope: str | None = None) -> Any:
        """A QueueRunnerDef message; None where the queue is outside of `export_scope`."""
        from refflow.interop.schema import message

        prefix = f"{export_scope.rstrip('/')}/" if export_scope else ""
        if not self.name.startswith(prefix):
            return None
        proto = message("QueueRunnerDef")()
        proto.queue_name = self.name.removeprefix(prefix)
        proto.enqueue_op_name.extend(op.name.removeprefix(prefix) for op in self._enqueue_ops)
        proto.close_op_name = self._close_op.name.removeprefix(prefix)
        proto.cancel_op_name = self._cancel_op.name.removeprefix(prefix)
        proto.queue_closed_exception_types.extend(errors.error_code_from_exception_type(k) for k in self._kinds)
        return proto

    @staticmethod
    def from_proto(queue_runner_def: Any, import_scope: str | None = None) -> QueueRunner:
        """The runner of a message, whose nodes are in the default graph."""
        return QueueRunner(queue_runner_def=queue_runner_def, import_scope=import_scope)


def add_queue_runner(qr: Any, collection: str = GraphKeys.QUEUE_RUNNERS) -> None:
    """Enters a QueueRunner where start_queue_runners finds it."""
    get_default_graph().add_to_collection(collection, qr)


def start_queue_runners(
    sess: Any = None, coord: Any = None, daemon: bool = True, start: bool = True,
    collection: str = GraphKeys.QUEUE_RUNNERS,
) -> list[threading.Thread]:  # fmt: skip
    """The threads of every QueueRunner of the session's graph; a monitored session has started its own."""
    if sess is None:
        try:
            sess = default_session(None, "start queue runners")
        except ValueError as error:
            raise ValueError(
                "Cannot start queue runners: No default session is registered. Use `with sess.as_default()` or pass "
                "an explicit session to tf.start_queue_runners(sess=sess)"
            ) from error
    if not isinstance(sess, Session):
        if getattr(sess, "starts_queue_runners", False):
            return []
        raise TypeError(f"sess must be a `tf.Session` object. Given class: {sess.__class__}")
    runners = sess.graph.get_collection(collection)
    if not runners:
        logging.warn("`tf.train.start_queue_runners()` was called when no queue runners were defined. You can safely "
                     "remove the call to this deprecated function.")  # fmt: skip
    with sess.graph.as_default():
        return [t for qr in runners for t in qr.create_threads(sess, coord, daemon, start)]


def _message(runner: Any, export_scope: str | None = None) -> Any:
    return runner.to_proto(export_scope) if hasattr(runner, "to_proto") else None  # the first release's has none


WRITTEN[GraphKeys.QUEUE_RUNNERS] = Written("QueueRunnerDef", _message, QueueRunner.from_proto)
