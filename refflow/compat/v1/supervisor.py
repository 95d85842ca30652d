"""Supervisor: what looked after a training program before monitored sessions did [W28].

    sv = tf.train.Supervisor(logdir=folder)
    with sv.managed_session() as session:
        while not sv.should_stop():
            session.run(train)

It restores or initializes the model, starts queue runners, and as the chief of the processes it saves checkpoints,
writes summaries and counts steps per second, in threads, every so many seconds.

Next: compat/v1/session_manager.py.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from refflow.compat.v1 import summary
from refflow.compat.v1.coordinator import Coordinator, LooperThread
from refflow.compat.v1.graph_keys import GraphKeys
from refflow.compat.v1.savers import Saver
from refflow.compat.v1.scaffold import Scaffold
from refflow.compat.v1.session_manager import SessionManager
from refflow.compat.v1.summary import FileWriter, Summary
from refflow.compat.v1.variables import (
    get_global_step,
    global_variables,
    global_variables_initializer,
    report_uninitialized_variables,
)
from refflow.core.graph import get_default_graph
from refflow.interop.importer import write_graph
from refflow.platform import logging

__all__ = ["Supervisor", "basic_train_loop"]


class Supervisor:
    """Looks after the sessions of a program. What is USE_DEFAULT is found in the graph's collections, or made.

    logdir: for checkpoints and the log; None for neither. save_summaries_secs, save_model_secs: 0 for never.
    """

    USE_DEFAULT = 0

    def __init__(
        self, graph: Any = None, ready_op: Any = USE_DEFAULT, ready_for_local_init_op: Any = USE_DEFAULT,
        is_chief: bool = True, init_op: Any = USE_DEFAULT, init_feed_dict: Any = None,
        local_init_op: Any = USE_DEFAULT, logdir: str | None = None, summary_op: Any = USE_DEFAULT,
        saver: Any = USE_DEFAULT, global_step: Any = USE_DEFAULT, save_summaries_secs: float = 120,
        save_model_secs: float = 600, recovery_wait_secs: float = 30, stop_grace_secs: float = 120,
        checkpoint_basename: str = "model.ckpt", session_manager: SessionManager | None = None,
        summary_writer: Any = USE_DEFAULT, init_fn: Any = None, local_init_run_options: Any = None,
    ):  # fmt: skip
        self._graph = graph or get_default_graph()
        self._is_chief, self._logdir, self._coord = is_chief, logdir or None, Coordinator()
        self._grace, self._threads = stop_grace_secs, list[LooperThread]()
        with self._graph.as_default():
            self._ready_op = _chosen(ready_op, "ready_op", report_uninitialized_variables)
            self._ready_for_local_init_op = _chosen(ready_for_local_init_op, "ready_for_local_init_op", lambda: None)
            self._init_op = _chosen(init_op, "init_op", global_variables_initializer)
            self._local_init_op = _chosen(local_init_op, "local_init_op", Scaffold.default_local_init_op)
            self._summary_op = _chosen(summary_op, "summary_op", summary.merge_all)
            self._saver = _chosen(saver, GraphKeys.SAVERS, lambda: Saver() if global_variables() else None)
            self._global_step = get_global_step() if _is_default(global_step) else global_step
        self._init_feed_dict = init_feed_dict
        self._init_fn = init_fn
        self._save_path = os.path.join(self._logdir, checkpoint_basename) if self._logdir else None
        self._save_model_secs, self._save_summaries_secs = save_model_secs, save_summaries_secs
        wants_writer = _is_default(summary_writer)
        self._writer = summary_writer if not wants_writer else (
            FileWriter(self._logdir) if self._logdir and is_chief else None
        )  # fmt: skip
        self._manager = session_manager or SessionManager(
            self._local_init_op, self._ready_op, self._ready_for_local_init_op if self._local_init_op else None,
            self._graph, recovery_wait_secs, local_init_run_options,
        )  # fmt: skip
        self._graph.finalize()

    # -- what there is -------------------------------------------------------------------------------------------

    @property
    def is_chief(self) -> bool:
        return self._is_chief

    @property
    def session_manager(self) -> SessionManager:
        return self._manager

    @property
    def coord(self) -> Coordinator:
        return self._coord

    @property
    def init_op(self) -> Any:
        return self._init_op

    @property
    def init_feed_dict(self) -> Any:
        return self._init_feed_dict

    @property
    def ready_op(self) -> Any:
        return self._ready_op

    @property
    def ready_for_local_init_op(self) -> Any:
        return self._ready_for_local_init_op

    @property
    def summary_writer(self) -> Any:
        return self._writer

    @property
    def summary_op(self) -> Any:
        return self._summary_op

    @property
    def save_summaries_secs(self) -> float:
        return self._save_summaries_secs

    @property
    def global_step(self) -> Any:
        return self._global_step

    @property
    def saver(self) -> Any:
        return self._saver

    @property
    def save_model_secs(self) -> float:
        return self._save_model_secs

    @property
    def save_path(self) -> str | None:
        return self._save_path

    # -- sessions ------------------------------------------------------------------------------------------------

    def prepare_or_wait_for_session(
        self, master: str = "", config: Any = None, wait_for_checkpoint: bool = False, max_wait_secs: float = 7200,
        start_standard_services: bool = True,
    ) -> Any:  # fmt: skip
        """A session whose model is ready: by the chief made so, by others waited for; queue runners are started."""
        self._coord.clear_stop()
        if self._is_chief:
            session = self._manager.prepare_session(
                master, init_op=self._init_op, saver=self._saver, checkpoint_dir=self._logdir,
                wait_for_checkpoint=wait_for_checkpoint, max_wait_secs=max_wait_secs, config=config,
                init_feed_dict=self._init_feed_dict, init_fn=self._init_fn,
            )  # fmt: skip
            if self._logdir:
                write_graph(self._graph.as_graph_def(), self._logdir, "graph.pbtxt")
            if self._writer is not None:
                self._writer.add_graph(self._graph)
            if start_standard_services:
                self.start_standard_services(session)
        else:
            session = self._manager.wait_for_session(master, config=config, max_wait_secs=max_wait_secs)
        if start_standard_services:
            self.start_queue_runners(session)
        return session

    @contextmanager
    def managed_session(
        self, master: str = "", config: Any = None, start_standard_services: bool = True,
        close_summary_writer: bool = True,
    ) -> Iterator[Any]:  # fmt: skip
        """A session for a `with`; its end stops all threads. An exception, but for the input's end, is raised there."""
        session = None
        try:
            session = self.prepare_or_wait_for_session(master, config,
                                                       start_standard_services=start_standard_services)  # fmt: skip
            yield session
        except Exception as error:
            self.request_stop(error)
        finally:
            try:
                self.stop(close_summary_writer=close_summary_writer)
            finally:
                if session is not None:
                    with suppress(Exception):  # a thread that did not end may still be in it
                        session.close()

    def start_queue_runners(self, sess: Any, queue_runners: Iterable[Any] | None = None) -> list[Any]:
        """The threads of the queue runners given, or of all in the graph."""
        runners = self._graph.get_collection("queue_runners") if queue_runners is None else queue_runners
        return [t for qr in runners for t in qr.create_threads(sess, coord=self._coord, daemon=True, start=True)]

    # -- services ------------------------------------------------------------------------------------------------

    def start_standard_services(self, sess: Any) -> list[LooperThread] | None:
        """Starts the chief's threads: summaries, steps per second, checkpoints."""
        if not self._is_chief:
            raise RuntimeError(
                "Only chief supervisor can start standard services. Because only chief supervisors can write events."
            )
        if not self._logdir:
            logging.warn("Standard services need a 'logdir' passed to the SessionManager")
            return None
        if self._global_step is not None and self._writer is not None:
            self._writer.flush()
        found = []
        if self._save_summaries_secs and self._writer is not None:
            if self._summary_op is not None:
                found.append(self._every(self._save_summaries_secs, self._write_summaries, sess))
            if self._global_step is not None:
                found.append(self._every(self._save_summaries_secs, self._count_steps, sess, [None, 0]))
        if self._saver is not None and self._save_model_secs:
            found.append(self._every(self._save_model_secs, self._save_model, sess))
        self._threads.extend(found)
        return found

    def _every(self, secs: float, target: Callable[..., Any], *args: Any) -> LooperThread:
        return LooperThread.loop(self._coord, secs, target, args=args)

    def _write_summaries(self, sess: Any) -> None:
        found = sess.run(self._summary_op)
        self.summary_computed(sess, found)

    def _count_steps(self, sess: Any, before: list[Any]) -> None:
        step, now = self._step(sess), time.monotonic()
        if before[0] is not None:
            speed = (step - before[1]) / max(now - before[0], 1e-9)
            tag = f"{self._global_step.op.name}/sec"
            if self._writer is not None:
                self._writer.add_summary(Summary(value=[Summary.Value(tag=tag, simple_value=speed)]), step)
            logging.info("%s: %g", tag, speed)
        before[:] = now, step

    def _save_model(self, sess: Any) -> None:
        self._saver.save(sess, self._save_path, global_step=self._global_step)

    def _step(self, sess: Any) -> int:
        return int(sess.run(getattr(self._global_step, "_as_graph_element", lambda: self._global_step)()))

    def summary_computed(self, sess: Any, summary: Any, global_step: Any = None) -> None:
        """Writes what a summary op gave."""
        if self._writer is None:
            raise RuntimeError("Writing a summary requires a summary writer.")
        if global_step is None and self._global_step is not None:
            global_step = self._step(sess)
        self._writer.add_summary(summary, global_step)

    # -- threads -------------------------------------------------------------------------------------------------

    def loop(
        self, timer_interval_secs: float | None, target: Callable[..., Any], args: Any = None, kwargs: Any = None
    ) -> LooperThread:
        """A thread that calls `target` every so many seconds, until the supervisor stops."""
        looper = LooperThread(self._coord, timer_interval_secs, target=target, args=args, kwargs=kwargs)
        looper.start()
        return looper

    def stop(
        self, threads: Any = None, close_summary_writer: bool = True, ignore_live_threads: bool = False
    ) -> None:
        """Stops the threads, and raises what one of them told."""
        self._coord.request_stop()
        try:
            self._coord.join(threads, self._grace, ignore_live_threads)
        finally:
            if close_summary_writer and self._writer is not None:
                self._writer.close()
                self._writer = None

    def request_stop(self, ex: Any = None) -> None:
        """Asks all threads to stop."""
        self._coord.request_stop(ex)

    def should_stop(self) -> bool:
        return self._coord.should_stop()

    def stop_on_exception(self) -> Any:
        """A context whose exception asks all to stop, and goes no further."""
        return self._coord.stop_on_exception()

    def wait_for_stop(self) -> None:
        """Waits until a stop is asked for."""
        self._coord.wait_for_stop()

    PrepareSession, StartQueueRunners, StartStandardServices = (
        prepare_or_wait_for_session, start_queue_runners, start_standard_services
    )  # fmt: skip
    SummaryComputed, Loop, Stop, RequestStop = summary_computed, loop, stop, request_stop
    ShouldStop, StopOnException, WaitForStop = should_stop, stop_on_exception, wait_for_stop


def _is_default(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value == Supervisor.USE_DEFAULT


def _chosen(given: Any, key: str, make: Callable[[], Any]) -> Any:
    """What was given; by default the first element of a collection, or what is made, which is then in it."""
    if not _is_default(given):
        return given
    graph = get_default_graph()
    held = graph.get_collection(key)
    made = held[0] if held else make()
    if made is not None and not held:
        graph.add_to_collection(key, made)
    return made


def basic_train_loop(
    supervisor: Supervisor, train_step_fn: Callable[..., Any], args: Any = None, kwargs: Any = None, master: str = ""
) -> None:
    """Calls train_step_fn(session, *args, **kwargs) in a managed session until the supervisor stops.

    args and kwargs may be functions of nothing, called once there is a session.
    """
    with supervisor.managed_session(master) as session:
        while not supervisor.should_stop():
            given = args() if callable(args) else args
            named = kwargs() if callable(kwargs) else kwargs
            train_step_fn(session, *(given or ()), **(named or {}))
