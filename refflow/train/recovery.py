"""Steps that are begun again after a task of a cluster was lost [W27, W28, S66].

The runtime ends such a step for everybody, and begins nothing by itself: a step may have updated some variables
already, and those of the lost task are gone. Only the client knows where to go back to.

    run_with_recovery      one step, from what `recover` brings back
    train_with_recovery    all steps of a training, each time from the last checkpoint

Next: train/saver.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from refflow.core.errors import AbortedError, UnavailableError


def run_with_recovery(
    session: Any,
    fetches: Any,
    feed_dict: Mapping[Any, Any] | None = None,
    recover: Callable[[Any], Any] | None = None,
    attempts: int = 3,
    pause: Callable[[], Any] | None = None,
) -> Any:
    """session.run(fetches, feed_dict), from scratch again when a task was lost on the way.

    recover: called with the session before each new attempt; it brings all variables back to a state from before the
    step, as saver.restore does. pause: called before that, to give a process the time to start. The last attempt's
    error is raised, and any other error at once.
    """
    if attempts < 1:
        raise ValueError(f"attempts must be at least 1, got {attempts}")
    for left in reversed(range(attempts)):
        try:
            if left < attempts - 1:
                if pause is not None:
                    pause()
                if recover is not None:
                    recover(session)
            return session.run(fetches, feed_dict)
        except (AbortedError, UnavailableError):
            if not left:
                raise
    return None


def train_with_recovery(
    connect: Callable[[], Any],
    init: Any,
    step: Callable[[Any, int], Any],
    steps: int,
    saver: Any,
    path: str,
    every: int = 100,
    attempts: int = 3,
    pause: Callable[[], Any] | None = None,
) -> Any:
    """Does step(session, k) for k = 0 to steps - 1, from the last checkpoint on when a task was lost [S66].

    A step that depends on nothing but k and the saved variables ends with the values of a run in which none was lost.

    connect: makes a session: for the beginning, and after a loss, as the old one may be lost with its task. init: what
    initializes the variables. saver, path: what saves, and where, before every `every`-th step. pause: called after a
    loss, to give a process the time to start. Returns the last session. After `attempts` losses without a further
    checkpoint the error is raised, and any other error at once.
    """
    if every < 1 or attempts < 1:
        raise ValueError(f"every and attempts must be at least 1, got {every} and {attempts}")
    session, saved, at, left = None, None, 0, attempts
    while True:
        try:
            if session is None:
                session = connect()
                session.run(init) if saved is None else saver.restore(session, saved)
            for k in range(at, steps):
                if k % every == 0 and (saved is None or k > at):
                    saved, at, left = saver.save(session, path, global_step=k), k, attempts
                step(session, k)
            return session
        except (AbortedError, UnavailableError):
            left -= 1
            if not left:
                raise
            with suppress(AbortedError, UnavailableError):
                session.close() if session is not None else None
            session = None
            if pause is not None:
                pause()
