"""`tensorflow.python.training.evaluation`: a checkpoint judged by some steps, as libraries on top of 1.x call it.

    evaluate_once(path, eval_ops=update, final_ops={"accuracy": value}, hooks=[StopAfterNEvalsHook(100)])

Next: compat/shadow/file_io.py.
"""

from __future__ import annotations

from typing import Any

from refflow.compat.v1 import train
from refflow.compat.v1.initializers import zeros_initializer
from refflow.compat.v1.variables import GraphKeys, get_variable
from refflow.core.dtypes import int64
from refflow.core.graph import get_default_graph
from refflow.ops.variable import assign_add

_EVAL_STEP = "eval_step"


def _get_or_create_eval_step() -> Any:
    """The graph's counter of steps of an evaluation, a local variable."""
    found = get_default_graph().get_collection(_EVAL_STEP)
    if len(found) > 1:
        raise ValueError('Multiple tensors added to tf.GraphKeys.EVAL_STEP')
    if found:
        return found[0]
    return get_variable(_EVAL_STEP, [], int64, zeros_initializer(), trainable=False,
                        collections=[GraphKeys.LOCAL_VARIABLES, _EVAL_STEP])  # fmt: skip


class _StopAfterNEvalsHook(train.SessionRunHook):
    """Ends an evaluation after so many steps; with None it goes on to the end of the data."""

    def __init__(self, num_evals: int | None, log_progress: bool = True):
        self._count, self._evaluated = num_evals, None

    def _set_evals_completed_tensor(self, updated_eval_step: Any) -> None:
        self._evaluated = updated_eval_step

    def before_run(self, run_context: Any) -> Any:
        return train.SessionRunArgs({"evals_completed": self._evaluated})

    def after_run(self, run_context: Any, run_values: Any) -> None:
        if self._count is not None and run_values.results["evals_completed"] >= self._count:
            run_context.request_stop()


def _evaluate_once(
    checkpoint_path: str | None, master: str = "", scaffold: Any = None, eval_ops: Any = None, feed_dict: Any = None,
    final_ops: Any = None, final_ops_feed_dict: Any = None, hooks: Any = None, config: Any = None,
) -> Any:  # fmt: skip
    """The values of `final_ops` after the steps of `eval_ops`, with the checkpoint's variables or fresh ones."""
    hooks = list(hooks or [])
    counted = assign_add(_get_or_create_eval_step(), 1)
    for hook in hooks:
        if isinstance(hook, _StopAfterNEvalsHook):
            hook._set_evals_completed_tensor(counted)
    steps = [counted] if eval_ops is None else [counted, eval_ops]
    last = train.FinalOpsHook(final_ops, final_ops_feed_dict)
    creator = train.ChiefSessionCreator(scaffold, master, config, checkpoint_filename_with_path=checkpoint_path)
    with train.MonitoredSession(creator, [*hooks, last]) as session:
        while eval_ops is not None and not session.should_stop():
            session.run(steps, feed_dict)
    return last.final_ops_values
