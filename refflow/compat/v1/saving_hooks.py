"""Hooks that write files while a program trains: checkpoints, summaries, the steps per second, timelines.

    CheckpointSaverHook     a checkpoint at the start, every so many steps or seconds, and at the end
    SummarySaverHook        summaries into the log
    StepCounterHook         how many steps a second
    ProfilerHook            timeline-STEP.json, which Chrome shows

Next: compat/v1/hooks.py.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from refflow.compat.v1.graph_keys import GraphKeys
from refflow.compat.v1.hooks import (
    SecondOrStepTimer,
    SessionRunArgs,
    SessionRunContext,
    SessionRunHook,
    SessionRunValues,
    step_variable,
)
from refflow.compat.v1.summary import FileWriterCache, Summary
from refflow.core.graph import get_default_graph
from refflow.interop.importer import write_graph
from refflow.platform import logging
from refflow.runtime.config import RunOptions

__all__ = [
    "CheckpointSaverHook", "CheckpointSaverListener", "ProfilerHook", "StepCounterHook", "SummarySaverHook",
]  # fmt: skip


class CheckpointSaverListener:
    """Called around each checkpoint that a CheckpointSaverHook writes."""

    def begin(self) -> None:
        """Before the session is made."""

    def before_save(self, session: Any, global_step_value: int) -> None:
        """Before the checkpoint is written."""

    def after_save(self, session: Any, global_step_value: int) -> Any:
        """After it; true to end the training."""

    def end(self, session: Any, global_step_value: int) -> None:
        """At the end, after the last checkpoint."""


class CheckpointSaverHook(SessionRunHook):
    """Saves every `save_secs` seconds or `save_steps` steps, at the start and at the end.

    By the saver given, that of `scaffold`, or the one in the collection SAVERS.
    """

    def __init__(
        self, checkpoint_dir: str, save_secs: float | None = None, save_steps: int | None = None, saver: Any = None,
        checkpoint_basename: str = "model.ckpt", scaffold: Any = None,
        listeners: Sequence[CheckpointSaverListener] | None = None, save_graph_def: bool = True,
    ):  # fmt: skip
        logging.info("Create CheckpointSaverHook.")
        if saver is not None and scaffold is not None:
            raise ValueError("You cannot provide both saver and scaffold.")
        self._saver, self._scaffold, self._folder = saver, scaffold, checkpoint_dir
        self._path = os.path.join(checkpoint_dir, checkpoint_basename)
        self._timer = SecondOrStepTimer(save_secs, save_steps)
        self._listeners, self._writes_graph = list(listeners or ()), save_graph_def

    def begin(self) -> None:
        self._step = step_variable(self)
        for listener in self._listeners:
            listener.begin()

    def after_create_session(self, session: Any, coord: Any) -> None:
        step = int(session.run(self._step))
        if self._writes_graph:
            os.makedirs(self._folder, exist_ok=True)
            write_graph(session.graph.as_graph_def(), self._folder, "graph.pbtxt")
        self._save(session, step)
        self._timer.update_last_triggered_step(step)

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        return SessionRunArgs(self._step)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        if not self._timer.should_trigger_for_step(int(run_values.results) + 1):
            return
        step = int(run_context.session.run(self._step))
        if self._timer.should_trigger_for_step(step):
            self._timer.update_last_triggered_step(step)
            if self._save(run_context.session, step):
                run_context.request_stop()

    def end(self, session: Any) -> None:
        step = int(session.run(self._step))
        if step != self._timer.last_triggered_step():
            self._save(session, step)
        for listener in self._listeners:
            listener.end(session, step)

    def _save(self, session: Any, step: int) -> bool:
        """Writes a checkpoint; True where a listener wants to stop."""
        logging.info("Saving checkpoints for %d into %s.", step, self._path)
        os.makedirs(self._folder, exist_ok=True)
        for listener in self._listeners:
            listener.before_save(session, step)
        self._chosen().save(session, self._path, global_step=step)
        return any([listener.after_save(session, step) for listener in self._listeners])

    def _chosen(self) -> Any:
        if self._saver is None and self._scaffold is not None:
            self._saver = self._scaffold.saver
        if self._saver is None:
            held = get_default_graph().get_collection(GraphKeys.SAVERS)
            if not held:
                raise RuntimeError(
                    f"No items in collection {GraphKeys.SAVERS}. Please add a saver to the collection or provide a "
                    "saver or scaffold."
                )
            if len(held) > 1:
                raise RuntimeError(
                    f"More than one item in collection {GraphKeys.SAVERS}. Please indicate which one to use by passing "
                    "it to the constructor."
                )
            self._saver = held[0]
        return self._saver


class SummarySaverHook(SessionRunHook):
    """Writes summaries every `save_steps` steps or `save_secs` seconds: of `summary_op`, or of a scaffold's."""

    def __init__(
        self, save_steps: int | None = None, save_secs: float | None = None, output_dir: str | None = None,
        summary_writer: Any = None, scaffold: Any = None, summary_op: Any = None,
    ):  # fmt: skip
        if (scaffold is None) == (summary_op is None):
            raise ValueError("Exactly one of scaffold or summary_op must be provided.")
        self._summary_op, self._scaffold = summary_op, scaffold
        self._writer, self._folder = summary_writer, output_dir
        self._timer = SecondOrStepTimer(save_secs, save_steps)

    def begin(self) -> None:
        if self._writer is None and self._folder:
            self._writer = FileWriterCache.get(self._folder)
        self._next: int | None = None
        self._step = step_variable(self)

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        self._due = self._next is None or self._timer.should_trigger_for_step(self._next)
        wanted: dict[str, Any] = {"global_step": self._step}
        given = self._summary_op if self._scaffold is None else self._scaffold.summary_op
        if self._due and given is not None:
            wanted["summary"] = list(given) if isinstance(given, (list, tuple)) else [given]
        return SessionRunArgs(wanted)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        if self._writer is None:
            return
        step = int(run_values.results["global_step"]) + 1
        if self._next is None or self._due:
            step = int(run_context.session.run(self._step))
        if self._due:
            self._timer.update_last_triggered_step(step)
            for summary in run_values.results.get("summary", ()):
                self._writer.add_summary(summary, step)
        self._next = step + 1

    def end(self, session: Any = None) -> None:
        if self._writer is not None:
            self._writer.flush()


class StepCounterHook(SessionRunHook):
    """Logs how many steps a second were made since the last time, and writes it as a summary."""

    def __init__(
        self, every_n_steps: int | None = 100, every_n_secs: float | None = None, output_dir: str | None = None,
        summary_writer: Any = None,
    ):  # fmt: skip
        if (every_n_steps is None) == (every_n_secs is None):
            raise ValueError("exactly one of every_n_steps and every_n_secs should be provided.")
        self._timer = SecondOrStepTimer(every_n_secs, every_n_steps)
        self._writer, self._folder = summary_writer, output_dir

    def begin(self) -> None:
        if self._writer is None and self._folder:
            self._writer = FileWriterCache.get(self._folder)
        self._step = step_variable(self)
        self._tag = f"{self._step.op.name}/sec"

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        return SessionRunArgs(self._step)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        if not self._timer.should_trigger_for_step(int(run_values.results) + 1):
            return
        step = int(run_context.session.run(self._step))
        if self._timer.should_trigger_for_step(step):
            seconds, steps = self._timer.update_last_triggered_step(step)
            if seconds is not None and steps is not None:
                self._log(steps / max(seconds, 1e-9), step)

    def end(self, session: Any) -> None:
        if self._writer is not None:
            self._writer.flush()

    def _log(self, speed: float, step: int) -> None:
        logging.info("%s: %g", self._tag, speed)
        if self._writer is not None:
            self._writer.add_summary(Summary(value=[Summary.Value(tag=self._tag, simple_value=speed)]), step)


class ProfilerHook(SessionRunHook):
    """Traces a run every `save_steps` steps or `save_secs` seconds, and writes it for Chrome."""

    def __init__(
        self, save_steps: int | None = None, save_secs: float | None = None, output_dir: str = "",
        show_dataflow: bool = True, show_memory: bool = False,
    ):  # fmt: skip
        self._path = os.path.join(output_dir, "timeline-{}.json")
        self._timer = SecondOrStepTimer(save_secs, save_steps)
        self._shown = show_dataflow, show_memory

    def begin(self) -> None:
        self._next: int | None = None
        self._step = step_variable(self)

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        self._due = self._next is not None and self._timer.should_trigger_for_step(self._next)
        options = RunOptions(trace_level=RunOptions.FULL_TRACE) if self._due else None
        return SessionRunArgs(self._step, options=options)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        if self._next is None:  # the first run, which prepares all, is not typical
            self._timer.update_last_triggered_step(int(run_values.results))
        step = int(run_values.results) + 1
        if self._due:
            step = int(run_context.session.run(self._step))
            self._timer.update_last_triggered_step(step)
            self._write(step, run_values.run_metadata.step_stats)
        self._next = step + 1

    def _write(self, step: int, step_stats: Any) -> None:
        from refflow.timeline import Timeline

        path = self._path.format(step)
        logging.info("Saving timeline for %d into '%s'.", step, path)
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(Timeline(step_stats).generate_chrome_trace_format(*self._shown))
