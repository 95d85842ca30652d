"""A session with a model in it: restored from a checkpoint, or initialized, or waited for while another process does.

    prepare_session        the chief's: restores, else initializes; an error where the model is not ready then
    recover_session        restores if it can, and says whether the model is ready
    wait_for_session       the others': asks again and again whether the model is ready

Next: runtime/session.py.
"""

from __future__ import annotations

import math
import time
from contextlib import suppress
from typing import Any

import numpy as np

from refflow.compat.v1.sessions import Session
from refflow.core import errors
from refflow.core.graph import get_default_graph
from refflow.platform import logging
from refflow.train import get_checkpoint_state

__all__ = ["SessionManager"]


class SessionManager:
    """How sessions for one graph are made ready. recovery_wait_secs: between two looks whether something is there."""

    def __init__(
        self, local_init_op: Any = None, ready_op: Any = None, ready_for_local_init_op: Any = None, graph: Any = None,
        recovery_wait_secs: float = 30, local_init_run_options: Any = None, local_init_feed_dict: Any = None,
    ):  # fmt: skip
        if ready_for_local_init_op is not None and local_init_op is None:
            raise ValueError(
                "If you pass a ready_for_local_init_op you must also pass a local_init_op , ready_for_local_init_op "
                f"[{ready_for_local_init_op}]"
            )
        self._local_init_op, self._ready_op, self._may_begin = local_init_op, ready_op, ready_for_local_init_op
        self._graph = graph or get_default_graph()
        self._pause, self._options, self._feeds = recovery_wait_secs, local_init_run_options, local_init_feed_dict

    def prepare_session(
        self, master: str, init_op: Any = None, saver: Any = None, checkpoint_dir: str | None = None,
        checkpoint_filename_with_path: str | None = None, wait_for_checkpoint: bool = False,
        max_wait_secs: float = 7200, config: Any = None, init_feed_dict: Any = None, init_fn: Any = None,
    ) -> Session:  # fmt: skip
        """A session whose model is ready; RuntimeError where it is not, though all was run."""
        session, loaded = self._restored(master, saver, checkpoint_dir, checkpoint_filename_with_path,
                                         wait_for_checkpoint, max_wait_secs, config)  # fmt: skip
        if not loaded:
            if init_op is None and init_fn is None and self._local_init_op is None:
                raise RuntimeError("Model is not initialized and no init_op or init_fn or local_init_op was given")
            if init_op is not None:
                session.run(init_op, feed_dict=init_feed_dict)
            if init_fn is not None:
                init_fn(session)
        for stage, (done, said) in (
            (" for local_init", self._begin_local(session)), ("", _ready(self._ready_op, session))
        ):  # fmt: skip
            if not done:
                raise RuntimeError(
                    f"Init operations did not make model ready{stage}.  Init op: {_named(init_op)}, init fn: "
                    f"{init_fn}, local_init_op: {_named(self._local_init_op)}, error: {said}"
                )
        return session

    def recover_session(
        self, master: str, saver: Any = None, checkpoint_dir: str | None = None,
        checkpoint_filename_with_path: str | None = None, wait_for_checkpoint: bool = False,
        max_wait_secs: float = 7200, config: Any = None,
    ) -> tuple[Session, bool]:  # fmt: skip
        """A session, and whether a checkpoint made its model ready."""
        session, loaded = self._restored(master, saver, checkpoint_dir, checkpoint_filename_with_path,
                                         wait_for_checkpoint, max_wait_secs, config)  # fmt: skip
        begun, said = self._begin_local(session)
        if not loaded:
            return session, False
        where = checkpoint_dir or checkpoint_filename_with_path
        ready = False
        if not begun:
            logging.info("Restoring model from %s did not make model ready for local init: %s", where, said)
        else:
            ready, said = _ready(self._ready_op, session)
            if not ready:
                logging.info("Restoring model from %s did not make model ready: %s", where, said)
        return session, ready

    def wait_for_session(self, master: str, config: Any = None, max_wait_secs: float = math.inf) -> Session:
        """A session whose model another process has made ready; DeadlineExceededError after `max_wait_secs`."""
        end = time.monotonic() + (math.inf if max_wait_secs is None else max_wait_secs)
        while True:
            session = Session(master, graph=self._graph, config=config)
            begun, said = self._begin_local(session)
            if begun:
                ready, said = _ready(self._ready_op, session)
                if ready:
                    return session
            with suppress(Exception):  # it is of no use any more
                session.close()
            logging.info("Waiting for model to be ready: %s", said)
            if time.monotonic() + self._pause > end:
                raise errors.DeadlineExceededError(
                    None, None, f"Session was not ready after waiting {max_wait_secs:g} secs."
                )
            time.sleep(self._pause)

    def _restored(
        self, master: str, saver: Any, folder: str | None, path: str | None, waits: bool, longest: float, config: Any
    ) -> tuple[Session, bool]:
        """A session, and whether its variables came from a checkpoint."""
        if folder and path:
            raise ValueError("Can not provide both checkpoint_dir and checkpoint_filename_with_path.")
        session = Session(master, graph=self._graph, config=config)
        if saver is None or not (folder or path):
            return session, False
        if path:
            saver.restore(session, path)
            return session, True
        end = time.monotonic() + longest
        while (state := get_checkpoint_state(folder or "")) is None:
            if not waits or time.monotonic() >= end:
                return session, False
            logging.info("Waiting for checkpoint to be available.")
            time.sleep(min(self._pause, max(0.0, end - time.monotonic())))
        saver.restore(session, state.model_checkpoint_path)
        saver.recover_last_checkpoints(state.all_model_checkpoint_paths)
        return session, True

    def _begin_local(self, session: Session) -> tuple[bool, str | None]:
        """Runs local_init_op where it may run; (False, why not) else."""
        if self._local_init_op is None:
            return True, None
        done, said = _ready(self._may_begin, session)
        if done:
            logging.info("Running local_init_op.")
            session.run(self._local_init_op, feed_dict=self._feeds, options=self._options)
            logging.info("Done running local_init_op.")
        return done, said


def _named(op: Any) -> str:
    return "None" if op is None else getattr(op, "name", str(op))


def _ready(op: Any, session: Session) -> tuple[bool, str | None]:
    """Whether an op gives no names of variables without values; and what lacks."""
    if op is None:
        return True, None
    try:
        found = session.run(op)
    except errors.FailedPreconditionError as error:
        if "uninitialized" not in str(error):
            raise
        return False, str(error)
    if found is None or found.dtype == np.int32 or not found.size:
        return True, None
    return False, "Variables not initialized: " + ", ".join(name.decode() for name in np.ravel(found))
