"""Monitored sessions: a loop of training whose start, stop, log and checkpoints are the session's business.

    with tf.train.MonitoredTrainingSession(checkpoint_dir=folder, hooks=[tf.train.StopAtStepHook(100)]) as session:
        while not session.should_stop():
            session.run(train)

A hook may fetch more in every run, look at what came, and ask to stop.

Next: compat/v1/train.py.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple

from refflow.compat.v1.coordinator import Coordinator
from refflow.compat.v1.queue_runner import start_queue_runners
from refflow.compat.v1.sessions import Session
from refflow.compat.v1.variables import (
    get_global_step,
    global_variables_initializer,
    local_variables_initializer,
    report_uninitialized_variables,
)
from refflow.core.errors import AbortedError, DeadlineExceededError, OutOfRangeError, UnavailableError
from refflow.core.graph import get_default_graph
from refflow.platform import logging
from refflow.train import Saver, latest_checkpoint
from refflow.train.sync_replicas import SyncReplicasOptimizer


class SessionRunArgs(NamedTuple):
    """What a hook wants fetched beside what the program fetches."""

    fetches: Any
    feed_dict: Any = None


class SessionRunContext:
    """The run that hooks are asked about."""

    def __init__(self, original_args: SessionRunArgs, session: Session):
        self.original_args, self.session, self.stop_requested = original_args, session, False

    def request_stop(self) -> None:
        self.stop_requested = True


class SessionRunValues(NamedTuple):
    """What was fetched for a hook."""

    results: Any


class SessionRunHook:
    """Called around the runs of a monitored session; a subclass says what it does there."""

    def begin(self) -> None:
        """Before the session is made: may add to the graph."""

    def after_create_session(self, session: Session, coord: Any) -> None:
        """Once the session is there."""

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs | None:
        """Before each run: what else to fetch."""
        return None

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """After each run."""

    def end(self, session: Session) -> None:
        """Before the session is closed, unless an error ends it."""


class SyncReplicasHook(SessionRunHook):
    """Prepares the session of one of several replicas; the chief's ends the steps of all."""

    def __init__(self, optimizer: SyncReplicasOptimizer, is_chief: bool, num_tokens: int):
        self._optimizer, self._is_chief, self._num_tokens = optimizer, is_chief, num_tokens

    def begin(self) -> None:
        if self._is_chief:
            self._runner = self._optimizer.get_chief_queue_runner()
            self._tokens = self._optimizer.get_init_tokens_op(self._num_tokens)

    def after_create_session(self, session: Session, coord: Any) -> None:
        session.run(self._optimizer.chief_init_op if self._is_chief else self._optimizer.local_step_init_op)
        if self._is_chief:
            session.run(self._tokens)
            self._runner.create_threads(session, coord, daemon=True, start=True)


class StopAtStepHook(SessionRunHook):
    """Stops after `num_steps` more steps, or once the global step is `last_step`."""

    def __init__(self, num_steps: int | None = None, last_step: int | None = None):
        if (num_steps is None) == (last_step is None):
            raise ValueError("One of num_steps or last_step must be specified, and only one.")
        self._more, self._last = num_steps, last_step

    def begin(self) -> None:
        self._step = _step_variable()

    def after_create_session(self, session: Session, coord: Any) -> None:
        if self._last is None:
            self._last = int(session.run(self._step)) + (self._more or 0)

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        return SessionRunArgs(self._step)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        # The count may be read before the step adds to it: ask again.
        if int(run_context.session.run(self._step)) >= (self._last or 0):
            run_context.request_stop()


class LoggingTensorHook(SessionRunHook):
    """Logs tensors every so many runs, and at the end if asked. tensors: a list, or a dictionary by label."""

    def __init__(self, tensors: Any, every_n_iter: int = 100, at_end: bool = False, formatter: Any = None):
        named = tensors if isinstance(tensors, dict) else {getattr(t, "name", t): t for t in tensors}
        self._tensors, self._every, self._at_end, self._formatter = named, every_n_iter, at_end, formatter
        self._runs, self._seen = 0, None

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs | None:
        return SessionRunArgs(self._tensors) if self._at_end or self._runs % self._every == 0 else None

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        self._seen = run_values.results
        if self._runs % self._every == 0:
            self._log()
        self._runs += 1

    def end(self, session: Session) -> None:
        if self._at_end and self._seen is not None:
            self._log()

    def _log(self) -> None:
        values: Any = self._seen
        text = self._formatter(values) if self._formatter else ", ".join(f"{k} = {v}" for k, v in values.items())
        logging.info("%s", text)


class CheckpointSaverHook(SessionRunHook):
    """Saves every `save_steps` runs, and at the end."""

    def __init__(self, checkpoint_dir: str, save_steps: int = 600, saver: Any = None,
                 checkpoint_basename: str = "model.ckpt"):  # fmt: skip
        self._path, self._every, self._saver = os.path.join(checkpoint_dir, checkpoint_basename), save_steps, saver
        self._runs = 0

    def begin(self) -> None:
        self._step = _step_variable()
        self._saver = self._saver or Saver()

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        self._runs += 1
        if self._runs % self._every == 0:
            self._save(run_context.session)

    def end(self, session: Session) -> None:
        self._save(session)

    def _save(self, session: Session) -> None:
        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        self._saver.save(session, self._path, global_step=self._step)


def _step_variable() -> Any:
    found = get_global_step()
    if found is None:
        raise RuntimeError("Global step should be created: call tf.train.get_or_create_global_step()")
    return found


class MonitoredTrainingSession:
    """A session that initializes or restores the variables, starts queue runners, and asks hooks around each run.

    checkpoint_dir: where to restore from, and to save every `save_checkpoint_steps` runs and at the end. The end of
    the input (OutOfRangeError) ends the `with` quietly. master: the target of a server; who is not the chief waits
    until the chief has initialized the variables, at most `max_wait_secs`. Where a task of the cluster is lost in a
    run, the session is made anew, which goes back to the last checkpoint, and the run begins from scratch [W27, W28].
    """

    def __init__(
        self, master: str = "", is_chief: bool = True, checkpoint_dir: str | None = None, scaffold: Any = None,
        hooks: Iterable[SessionRunHook] | None = None, chief_only_hooks: Iterable[SessionRunHook] | None = None,
        save_checkpoint_secs: float | None = None, save_summaries_steps: int | None = None,
        save_summaries_secs: float | None = None, config: Any = None, stop_grace_period_secs: float = 120,
        log_step_count_steps: int = 100, max_wait_secs: float = 7200, save_checkpoint_steps: int = 600,
    ):  # fmt: skip
        graph = get_default_graph()
        self._hooks = [*(hooks or ()), *(chief_only_hooks or ())]
        self._folder, self._is_chief, self._patience = checkpoint_dir, is_chief, max_wait_secs
        self._saver: Saver | None = None
        if checkpoint_dir is not None and is_chief:
            self._saver = Saver()
            self._hooks.append(CheckpointSaverHook(checkpoint_dir, save_checkpoint_steps, self._saver))
        for hook in self._hooks:
            hook.begin()
        self._start = [global_variables_initializer(), local_variables_initializer()]
        self._missing = report_uninitialized_variables()
        graph.finalize()
        self._make = partial(Session, master, graph, config)
        self._stop, self._grace = False, stop_grace_period_secs
        self._begin()

    def _begin(self) -> None:
        """A session with variables that have values, and with all that runs beside it."""
        self._session, self._coord = self._make(), Coordinator()
        if self._is_chief:
            self._session.run(self._start)
            saved = latest_checkpoint(self._folder) if self._folder is not None else None
            if self._saver is not None and saved is not None:
                self._saver.restore(self._session, saved)
        else:
            self._wait_for_chief()
        self._threads = start_queue_runners(self._session, self._coord)
        for hook in self._hooks:
            hook.after_create_session(self._session, self._coord)

    def _wait_for_chief(self) -> None:
        end = time.monotonic() + self._patience
        while (missing := self._session.run(self._missing)).size:
            if time.monotonic() > end:
                names = ", ".join(name.decode() for name in missing[:5])
                text = f"after {self._patience} s the chief has not initialized {names}"
                raise DeadlineExceededError(None, None, text)
            time.sleep(0.05)
        self._session.run(self._start[1])

    @property
    def graph(self) -> Any:
        return self._session.graph

    def should_stop(self) -> bool:
        return self._stop or self._coord.should_stop()

    def run(self, fetches: Any, feed_dict: Any = None) -> Any:
        """What is fetched; hooks fetch more in the same step, and may ask to stop after it."""
        while True:
            try:
                return self._run(fetches, feed_dict)
            except (AbortedError, UnavailableError) as lost:
                logging.info("A task was lost: %s. The session is made anew", lost.message)
                self._coord.request_stop()
                self._session.close()
                self._begin()

    def _run(self, fetches: Any, feed_dict: Any) -> Any:
        context = SessionRunContext(SessionRunArgs(fetches, feed_dict), self._session)
        asked = [hook.before_run(context) for hook in self._hooks]
        feeds = dict(feed_dict or {})
        for more in asked:
            feeds.update(more.feed_dict or {} if more else {})
        wanted = [fetches, *(more.fetches if more else [] for more in asked)]
        found, *extra = self._session.run(wanted, feeds)
        for hook, results in zip(self._hooks, extra, strict=True):
            hook.after_run(context, SessionRunValues(results))
        self._stop = self._stop or context.stop_requested
        return found

    def close(self) -> None:
        """Ends the hooks, the threads and the session."""
        for hook in self._hooks:
            hook.end(self._session)
        self._end()

    def _end(self) -> None:
        self._coord.request_stop()
        self._coord.join(self._threads, self._grace)
        self._session.close()

    def __enter__(self) -> MonitoredTrainingSession:
        self._default = self._session.graph.as_default(), self._session.as_default()
        for context in self._default:
            context.__enter__()
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        quiet = isinstance(error, OutOfRangeError)
        try:
            if error is None or quiet:
                self.close()
            else:
                self._end()
        finally:
            for context in reversed(self._default):
                context.__exit__(None, None, None)
        return quiet


class SingularMonitoredSession(MonitoredTrainingSession):
    """The same, without what concerns other processes."""

    def __init__(self, hooks: Iterable[SessionRunHook] | None = None, checkpoint_dir: str | None = None,
                 config: Any = None):  # fmt: skip
        super().__init__(checkpoint_dir=checkpoint_dir, hooks=hooks, config=config)
