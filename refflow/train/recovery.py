"""Steps that are begun again after a task of a cluster was lost [W27, W28].

The runtime ends such a step for everybody, and begins nothing by itself: a step may have updated some variables
already, and those of the lost task are gone. Only the client knows where to go back to.

Next: train/saver.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
