"""Monitored sessions: a loop of training whose start, stop, log and checkpoints are the session's business.

    with tf.train.MonitoredTrainingSession(checkpoint_dir=folder, hooks=[tf.train.StopAtStepHook(100)]) as session:
        while not session.should_stop():
            session.run(train)

    SessionCreator          makes a session whose model is ready: ChiefSessionCreator, WorkerSessionCreator
    SingularMonitoredSession      with queue runners, a coordinator and hooks
    MonitoredSession              the same, made anew where a task of the cluster is lost in a run [W27, W28]

The end of the input ends the `with` quietly.

Next: compat/v1/hooks.py.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from refflow.compat.v1.coordinator import Coordinator
from refflow.compat.v1.hooks import SessionRunArgs, SessionRunContext, SessionRunHook, SessionRunValues
from refflow.compat.v1.queue_runner import start_queue_runners
from refflow.compat.v1.saving_hooks import CheckpointSaverHook, StepCounterHook, SummarySaverHook
from refflow.compat.v1.scaffold import Scaffold
from refflow.compat.v1.session_manager import SessionManager
from refflow.compat.v1.sessions import Session
from refflow.core.errors import AbortedError, OutOfRangeError, UnavailableError
from refflow.core.graph import get_default_graph
from refflow.files.step_stats import RunMetadata
from refflow.platform import logging
from refflow.runtime.config import RunOptions

__all__ = [
    "ChiefSessionCreator", "MonitoredSession", "MonitoredTrainingSession", "SessionCreator",
    "SingularMonitoredSession", "WorkerSessionCreator",
]  # fmt: skip

_LOST = (AbortedError, UnavailableError)  # a task of the cluster has gone
_DEFAULT: Any = type("_Default", (), {"__repr__": lambda self: "by default"})()
_POLL = 0.1  # seconds between two looks whether the chief has done its part

# -- making sessions ---------------------------------------------------------------------------------------------


class SessionCreator(ABC):
    """Makes sessions."""

    @abstractmethod
    def create_session(self) -> Any:
        """A session whose model is ready."""


class ChiefSessionCreator(SessionCreator):
    """Makes sessions that restore or initialize the model."""

    def __init__(
        self, scaffold: Scaffold | None = None, master: str = "", config: Any = None, checkpoint_dir: str | None = None,
        checkpoint_filename_with_path: str | None = None,
    ):  # fmt: skip
        self._scaffold, self._master, self._config = scaffold or Scaffold(), master, config
        self._folder, self._path = checkpoint_dir, checkpoint_filename_with_path
        self._manager: SessionManager | None = None

    def create_session(self) -> Session:
        known = self._scaffold.finalize()
        self._manager = self._manager or _manager(known)
        return self._manager.prepare_session(
            self._master, saver=known.saver, checkpoint_dir=self._folder, checkpoint_filename_with_path=self._path,
            config=self._config, init_op=known.init_op, init_feed_dict=known.init_feed_dict, init_fn=known.init_fn,
        )  # fmt: skip


class WorkerSessionCreator(SessionCreator):
    """Makes sessions once the chief has made the model ready."""

    def __init__(
        self, scaffold: Scaffold | None = None, master: str = "", config: Any = None, max_wait_secs: float = 30 * 60
    ):
        self._scaffold, self._master, self._config = scaffold or Scaffold(), master, config
        self._patience = max_wait_secs
        self._manager: SessionManager | None = None

    def create_session(self) -> Session:
        self._manager = self._manager or _manager(self._scaffold.finalize())
        return self._manager.wait_for_session(self._master, config=self._config, max_wait_secs=self._patience)


def _manager(known: Scaffold) -> SessionManager:
    return SessionManager(
        local_init_op=known.local_init_op, local_init_feed_dict=known.local_init_feed_dict, ready_op=known.ready_op,
        ready_for_local_init_op=known.ready_for_local_init_op, graph=get_default_graph(), recovery_wait_secs=_POLL,
    )  # fmt: skip


# -- one run with hooks ------------------------------------------------------------------------------------------


def run_with_hooks(
    session: Any, hooks: Sequence[SessionRunHook], fetches: Any, feed_dict: Any, options: Any, metadata: Any
) -> tuple[Any, bool]:
    """What is fetched, and whether a hook asked to stop. Hooks fetch and feed in the same step."""
    context = SessionRunContext(SessionRunArgs(fetches, feed_dict), session)
    asked = {hook: request for hook in hooks if (request := hook.before_run(context)) is not None}
    options = options or RunOptions()
    fed: dict[Any, Any] = {}
    for request in asked.values():
        _feed(fed, request.feed_dict, "Same tensor is fed by two hooks.")
        if request.options is not None:
            options = _merged(options, request.options)
    feeds = dict(feed_dict or {})
    _feed(feeds, fed, "Same tensor is fed by a SessionRunHook and user.")
    wanted = {hook: request.fetches for hook, request in asked.items() if request.fetches is not None}
    metadata = RunMetadata() if metadata is None else metadata
    found, *more = session.run([fetches, *wanted.values()], feeds, options, metadata)
    results = dict(zip(wanted, more, strict=True))
    for hook in hooks:
        hook.after_run(context, SessionRunValues(results.get(hook), options, metadata))
    return found, context.stop_requested


def _feed(into: dict[Any, Any], more: Any, why: str) -> None:
    twice = [key for key in more or () if key in into]
    if twice:
        raise RuntimeError(f"{why} Conflict(s): {twice}")
    into.update(more or {})


def _merged(options: RunOptions, more: RunOptions) -> RunOptions:
    """The longest timeout, the most of tracing: what each of two wanted."""
    trace = max(options.trace_level, more.trace_level)
    return RunOptions(trace_level=trace, timeout_in_ms=max(options.timeout_in_ms, more.timeout_in_ms))


class _StepContext:
    """What a step function gets: the session, and runs with hooks in it."""

    def __init__(self, session: Any, run_with_hooks: Callable[..., Any]):
        self._session, self._run = session, run_with_hooks

    @property
    def session(self) -> Any:
        """The session, without hooks."""
        return self._session

    def run_with_hooks(self, *args: Any, **kwargs: Any) -> Any:
        """As the monitored session's `run`."""
        return self._run(*args, **kwargs)

    def request_stop(self) -> None:
        """Ends the step function and the `with` of the session, quietly."""
        raise StopIteration("step_fn has requested the iterations to stop.")


# -- monitored sessions ------------------------------------------------------------------------------------------


class _MonitoredSession:
    """A session with a coordinator, queue runners and hooks, which are called around each run."""

    starts_queue_runners = True
    _recovers = True
    StepContext = _StepContext

    def __init__(
        self, session_creator: SessionCreator | None, hooks: Iterable[SessionRunHook] | None,
        stop_grace_period_secs: float = 120,
    ):  # fmt: skip
        self._graph = get_default_graph()
        self._was_final = self._graph.finalized
        self._hooks = list(hooks or ())
        for hook in self._hooks:
            hook.begin()
        self._creator = session_creator or ChiefSessionCreator()
        self._session: Any = None
        self._grace, self._coord, self._stop = stop_grace_period_secs, Coordinator(()), False
        self._begin()

    def _begin(self) -> None:
        """A session with a ready model, and with all that runs beside it; once more where a task is lost meanwhile."""
        while True:
            self._stop = False
            try:
                self._session, self._coord = self._creator.create_session(), Coordinator(())
                if self._session.graph.get_collection("queue_runners"):
                    start_queue_runners(self._session, self._coord)
                for hook in self._hooks:
                    hook.after_create_session(self._session, self._coord)
                return
            except _LOST as lost:
                if not self._recovers:
                    raise
                logging.info("A task was lost while the session was made: %s. It is made anew", lost.message)
                self._end()

    @property
    def graph(self) -> Any:
        """The graph that is run."""
        return None if self._session is None else self._session.graph

    def should_stop(self) -> bool:
        """Whether no more runs are wanted, or possible."""
        return self._session is None or self._stop or self._coord.should_stop()

    def run(self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None) -> Any:
        """What is fetched; hooks fetch more in the same step, and may ask to stop after it."""
        return self._guarded(lambda: self._run(fetches, feed_dict, options, run_metadata))

    def run_step_fn(self, step_fn: Callable[..., Any]) -> Any:
        """What `step_fn` gives, called with a context: its session, its run_with_hooks and its request_stop."""
        names = tuple(inspect.signature(step_fn).parameters)
        if names != ("step_context",):
            raise ValueError(
                "`step_fn` may either have one `step_context` argument, or `self` and `step_context` arguments if it's "
                f"an instance method. Got {names} instead."
            )
        return self._guarded(lambda: step_fn(_StepContext(self._session, self._run)))

    def _guarded(self, call: Callable[[], Any]) -> Any:
        """What `call` gives; from scratch in a new session where a task is lost."""
        while True:
            if self._session is None:
                raise RuntimeError("Attempted to use a closed session.")
            try:
                return call()
            except _LOST as lost:
                if not self._recovers:
                    raise
                logging.info("A task was lost: %s. The session is made anew", lost.message)
                self._end()
                self._begin()
            except Exception:
                self._coord.raise_requested_exception()  # what a thread told is the cause
                raise

    def _run(self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None) -> Any:
        if self._stop:
            raise RuntimeError("Run called even after should_stop requested.")
        found, stop = run_with_hooks(self._session, self._hooks, fetches, feed_dict, options, run_metadata)
        self._stop = self._stop or stop
        return found

    def close(self) -> None:
        """Ends the hooks, the threads and the session."""
        self._close(well=True)

    def _close(self, well: bool) -> None:
        if self._session is None:
            raise RuntimeError("Session is already closed.")
        try:
            if well:
                for hook in self._hooks:
                    hook.end(self._session)
        finally:
            try:
                self._end()
            finally:
                self._session = None
                if not self._was_final:
                    self._graph._finalized = False

    def _end(self) -> None:
        """Ends the threads, whose errors are raised, and the session."""
        self._coord.request_stop()
        try:
            self._coord.join(stop_grace_period_secs=self._grace, ignore_live_threads=True)
        except _LOST as lost:
            logging.info("An error was raised while a session was being closed: %s", lost.message)
        finally:
            if self._session is not None:
                with suppress(Exception):  # it may have gone with its task
                    self._session.close()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        quiet = isinstance(error, (OutOfRangeError, StopIteration))
        self._close(well=error is None or quiet)
        return quiet


class MonitoredSession(_MonitoredSession):
    """A session that goes on where a task of the cluster is lost: it is made anew, and the run begins from scratch."""

    def __init__(
        self, session_creator: SessionCreator | None = None, hooks: Iterable[SessionRunHook] | None = None,
        stop_grace_period_secs: float = 120,
    ):  # fmt: skip
        super().__init__(session_creator, hooks, stop_grace_period_secs)


class SingularMonitoredSession(_MonitoredSession):
    """The same for one process; an error ends it. It is the default session of its `with`."""

    _recovers = False

    def __init__(
        self, hooks: Iterable[SessionRunHook] | None = None, scaffold: Scaffold | None = None, master: str = "",
        config: Any = None, checkpoint_dir: str | None = None, stop_grace_period_secs: float = 120,
        checkpoint_filename_with_path: str | None = None,
    ):  # fmt: skip
        creator = ChiefSessionCreator(scaffold, master, config, checkpoint_dir, checkpoint_filename_with_path)
        super().__init__(creator, hooks, stop_grace_period_secs)

    def raw_session(self) -> Any:
        """The session itself, without hooks."""
        return self._session


def MonitoredTrainingSession(
    master: str = "", is_chief: bool = True, checkpoint_dir: str | None = None, scaffold: Scaffold | None = None,
    hooks: Iterable[SessionRunHook] | None = None, chief_only_hooks: Iterable[SessionRunHook] | None = None,
    save_checkpoint_secs: Any = _DEFAULT, save_summaries_steps: Any = _DEFAULT, save_summaries_secs: Any = _DEFAULT,
    config: Any = None, stop_grace_period_secs: float = 120, log_step_count_steps: int | None = 100,
    max_wait_secs: float = 7200, save_checkpoint_steps: Any = _DEFAULT, summary_dir: str | None = None,
    save_graph_def: bool = True,
) -> MonitoredSession:  # fmt: skip
    """A MonitoredSession for training: with checkpoints and summaries in `checkpoint_dir`, by the chief.

    By default a checkpoint every 600 seconds, summaries every 100 steps. Who is not the chief waits for it, at most
    `max_wait_secs`. master: the target of a server.
    """
    scaffold = scaffold or Scaffold()
    if not is_chief:
        worker = WorkerSessionCreator(scaffold, master, config, max_wait_secs)
        return MonitoredSession(worker, hooks, stop_grace_period_secs)
    summaries = _chosen(save_summaries_steps, save_summaries_secs, (100, None))
    checkpoints = _chosen(save_checkpoint_steps, save_checkpoint_secs, (None, 600))
    every: list[SessionRunHook] = list(chief_only_hooks or ())
    log = summary_dir or checkpoint_dir
    if log and log_step_count_steps:
        every.append(StepCounterHook(log_step_count_steps, output_dir=log))
    if log and any(summaries):
        every.append(SummarySaverHook(*summaries, output_dir=log, scaffold=scaffold))
    if checkpoint_dir and any(checkpoints):
        steps, secs = checkpoints
        every.append(CheckpointSaverHook(checkpoint_dir, secs, steps, scaffold=scaffold, save_graph_def=save_graph_def))
    chief = ChiefSessionCreator(scaffold, master, config, checkpoint_dir)
    return MonitoredSession(chief, [*every, *(hooks or ())], stop_grace_period_secs)


def _chosen(steps: Any, secs: Any, default: tuple[Any, Any]) -> tuple[Any, Any]:
    """Every so many steps, or seconds: what was given of the two, or the default."""
    if steps is _DEFAULT and secs is _DEFAULT:
        return default
    return (None if steps is _DEFAULT else steps), (None if secs is _DEFAULT else secs)
