"""Hooks of monitored sessions: called around each run, they may fetch more, look at what came, and ask to stop.

    begin                    before the session is made: may add to the graph
    after_create_session     once it is there, and again after it was made anew
    before_run, after_run    around each run: gives SessionRunArgs, gets SessionRunValues
    end                      before the session is closed, unless an error ends it

Next: compat/v1/saving_hooks.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from refflow.compat.v1.variables import get_global_step
from refflow.platform import logging
from refflow.train.sync_replicas import SyncReplicasOptimizer

__all__ = [
    "FeedFnHook", "FinalOpsHook", "GlobalStepWaiterHook", "LoggingTensorHook", "NanLossDuringTrainingError",
    "NanTensorHook", "SecondOrStepTimer", "SessionRunArgs", "SessionRunContext", "SessionRunHook", "SessionRunValues",
    "StopAtStepHook",
]  # fmt: skip


class SessionRunArgs(NamedTuple):
    """What a hook wants beside what the program wants: fetches in any structure, feeds, options of the run."""

    fetches: Any
    feed_dict: Any = None
    options: Any = None


class SessionRunContext:
    """The run that hooks are asked about."""

    def __init__(self, original_args: SessionRunArgs, session: Any):
        self._original_args, self._session, self._stop_requested = original_args, session, False

    @property
    def original_args(self) -> SessionRunArgs:
        """What the program asked for."""
        return self._original_args

    @property
    def session(self) -> Any:
        """The session that runs, without hooks."""
        return self._session

    @property
    def stop_requested(self) -> bool:
        return self._stop_requested

    def request_stop(self) -> None:
        """No more runs after this one."""
        self._stop_requested = True


class SessionRunValues(NamedTuple):
    """What was fetched for a hook, and what is known of the run."""

    results: Any
    options: Any = None
    run_metadata: Any = None


class SessionRunHook:
    """What is called around the runs of a monitored session; a subclass says what it does there."""

    def begin(self) -> None:
        """Before the session is made: may add to the graph."""

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Once the session is there. The graph is final."""

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs | None:
        """Before each run: what else to fetch."""
        return None

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """After each run that did not fail."""

    def end(self, session: Any) -> None:
        """Before the session is closed, unless an error ends it."""


class SecondOrStepTimer:
    """Says when something is due: every so many seconds, or every so many steps."""

    def __init__(self, every_secs: float | None = None, every_steps: int | None = None):
        if every_secs is None and every_steps is None:
            raise ValueError("Either every_secs or every_steps should be provided.")
        if every_secs is not None and every_steps is not None:
            raise ValueError("Can not provide both every_secs and every_steps.")
        self._secs, self._steps = every_secs, every_steps
        self.reset()

    def reset(self) -> None:
        """The next step is due, whichever it is."""
        self._last: tuple[float, int] | None = None

    def should_trigger_for_step(self, step: int) -> bool:
        """Whether it is due at this step; a step is due once."""
        if self._last is None:
            return True
        then, last = self._last
        if last == step:
            return False
        if self._secs is not None:
            return time.time() >= then + self._secs
        return step >= last + (self._steps or 0)

    def update_last_triggered_step(self, step: int) -> tuple[float | None, int | None]:
        """It was done at this step; gives the seconds and steps since the last time, (None, None) at the first."""
        now, before = time.time(), self._last
        self._last = (now, step)
        return (None, None) if before is None else (now - before[0], step - before[1])

    def last_triggered_step(self) -> int | None:
        return None if self._last is None else self._last[1]


def step_variable(hook: object) -> Any:
    """The variable that counts steps, which a hook needs."""
    found = get_global_step()
    if found is None:
        raise RuntimeError(f"Global step should be created to use {type(hook).__name__}.")
    return found


class StopAtStepHook(SessionRunHook):
    """Stops after `num_steps` more steps, or once the global step is `last_step`."""

    def __init__(self, num_steps: int | None = None, last_step: int | None = None):
        if num_steps is None and last_step is None:
            raise ValueError("One of num_steps or last_step must be specified.")
        if num_steps is not None and last_step is not None:
            raise ValueError("Only one of num_steps or last_step can be specified.")
        self._more, self._last = num_steps, last_step

    def begin(self) -> None:
        self._step = step_variable(self)

    def after_create_session(self, session: Any, coord: Any) -> None:
        if self._last is None:
            self._last = int(session.run(self._step)) + (self._more or 0)

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        return SessionRunArgs(self._step)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        # The count may be read before the step adds to it: where one more would be enough, ask again.
        last = self._last or 0
        if run_values.results + 1 >= last and run_context.session.run(self._step) >= last:
            run_context.request_stop()


class LoggingTensorHook(SessionRunHook):
    """Logs tensors every so many runs or seconds, and at the end if asked. tensors: a list, or a dictionary by label.

    formatter: from a dictionary of values to what is logged.
    """

    def __init__(
        self, tensors: Any, every_n_iter: int | None = None, every_n_secs: float | None = None, at_end: bool = False,
        formatter: Callable[[dict[Any, Any]], str] | None = None,
    ):  # fmt: skip
        only_at_end = at_end and every_n_iter is None and every_n_secs is None
        if not only_at_end and (every_n_iter is None) == (every_n_secs is None):
            raise ValueError(
                "either at_end and/or exactly one of every_n_iter and every_n_secs must be provided."
            )
        if every_n_iter is not None and every_n_iter <= 0:
            raise ValueError(f"invalid every_n_iter={every_n_iter}.")
        self._tensors = dict(tensors) if isinstance(tensors, Mapping) else {t: t for t in tensors}
        self._timer = None if only_at_end else SecondOrStepTimer(every_n_secs, every_n_iter)
        self._formatter, self._at_end = formatter, at_end

    def begin(self) -> None:
        if self._timer is not None:
            self._timer.reset()
        self._runs, self._due = 0, False

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs | None:
        self._due = self._timer is not None and self._timer.should_trigger_for_step(self._runs)
        return SessionRunArgs(self._tensors) if self._due else None

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        if self._due:
            self._log(run_values.results)
        self._runs += 1

    def end(self, session: Any) -> None:
        if self._at_end:
            self._log(session.run(self._tensors))

    def _log(self, values: dict[Any, Any]) -> None:
        passed = None if self._timer is None else self._timer.update_last_triggered_step(self._runs)[0]
        if self._formatter is not None:
            logging.info(self._formatter(values))
            return
        with np.printoptions(suppress=True):
            text = ", ".join(f"{getattr(label, 'name', label)} = {value}" for label, value in values.items())
        logging.info("%s", text if passed is None else f"{text} ({passed:.3f} sec)")


class NanLossDuringTrainingError(RuntimeError):
    """The loss is no number any more."""

    def __str__(self) -> str:
        return "NaN loss during training."


class NanTensorHook(SessionRunHook):
    """Ends the training when the loss is no number: by an error, or quietly."""

    def __init__(self, loss_tensor: Any, fail_on_nan_loss: bool = True):
        self._loss, self._fails = loss_tensor, fail_on_nan_loss

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        return SessionRunArgs(self._loss)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        if np.isnan(run_values.results):
            said = "Model diverged with loss = NaN."
            if self._fails:
                logging.error(said)
                raise NanLossDuringTrainingError
            logging.warn(said)
            run_context.request_stop()  # nothing is raised, so the session ends as if all were well


class GlobalStepWaiterHook(SessionRunHook):
    """Holds the first run back until the global step, which others count up, is at least `wait_until_step`."""

    def __init__(self, wait_until_step: int, poll_secs: float = 0.5):
        self._wanted, self._poll, self._started = wait_until_step, poll_secs, False

    def begin(self) -> None:
        self._started = False
        self._step = step_variable(self)

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs | None:
        if self._started:
            return None
        if self._wanted > 0:
            logging.info("Waiting for global step %d before starting training.", self._wanted)
            while run_context.session.run(self._step) < self._wanted:
                time.sleep(self._poll)
        self._started = True
        return None


class FinalOpsHook(SessionRunHook):
    """Fetches something at the end: `final_ops_values` has it then."""

    def __init__(self, final_ops: Any, final_ops_feed_dict: Any = None):
        self._wanted, self._feeds = final_ops, final_ops_feed_dict
        self._values: Any = None

    @property
    def final_ops_values(self) -> Any:
        return self._values

    def end(self, session: Any) -> None:
        if self._wanted is not None:
            self._values = session.run(self._wanted, feed_dict=self._feeds)


class FeedFnHook(SessionRunHook):
    """Feeds what a function gives, anew for each run."""

    def __init__(self, feed_fn: Callable[[], Any]):
        self.feed_fn = feed_fn

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        return SessionRunArgs(None, self.feed_fn())


class SyncReplicasHook(SessionRunHook):
    """Prepares the session of one of several replicas; the chief's ends the steps of all."""

    def __init__(self, optimizer: SyncReplicasOptimizer, is_chief: bool, num_tokens: int):
        self._optimizer, self._is_chief, self._num_tokens = optimizer, is_chief, num_tokens

    def begin(self) -> None:
        if self._is_chief:
            self._runner = self._optimizer.get_chief_queue_runner()
            self._tokens = self._optimizer.get_init_tokens_op(self._num_tokens)

    def after_create_session(self, session: Any, coord: Any) -> None:
        session.run(self._optimizer.chief_init_op if self._is_chief else self._optimizer.local_step_init_op)
        if self._is_chief:
            session.run(self._tokens)
            self._runner.create_threads(session, coord, daemon=True, start=True)
