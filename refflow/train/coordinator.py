"""Threads that end together: one asks to stop, all see it, the first error is raised in the one that joins.

Next: train/queue_runner.py.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable
from typing import Any

from refflow.core import errors


class Coordinator:
    """A stop sign for threads.

    >>> coord = Coordinator()
    >>> coord.request_stop(); coord.should_stop()
    True
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._error: tuple[Any, ...] | None = None

    def request_stop(self, ex: Any = None) -> None:
        """Asks all threads to stop. ex: an exception, or sys.exc_info(); the end of input is none."""
        with self._lock:
            if ex is not None and self._error is None and not self._stop.is_set():
                info = ex if isinstance(ex, tuple) else (type(ex), ex, ex.__traceback__)
                if not isinstance(info[1], errors.OutOfRangeError):
                    self._error = info
            self._stop.set()

    def should_stop(self) -> bool:
        return self._stop.is_set()

    def wait_for_stop(self, timeout: float | None = None) -> bool:
        """Waits until a stop is asked for; True if it was within `timeout` seconds."""
        return self._stop.wait(timeout)

    def join(self, threads: Iterable[threading.Thread], stop_grace_period_secs: float = 120) -> None:
        """Waits for threads, `stop_grace_period_secs` at most once a stop is asked for; raises what one reported.

        Raises RuntimeError where some still run after that.
        """
        threads = list(threads)
        while any(t.is_alive() for t in threads) and not self._stop.wait(0.05):
            continue
        end = time.monotonic() + stop_grace_period_secs
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
        self._stop.set()
        if self._error is not None:
            raise self._error[1].with_traceback(self._error[2])
        late = [t.name for t in threads if t.is_alive()]
        if late:
            raise RuntimeError(f"Coordinator stopped with threads still running: {' '.join(late)}")

    @staticmethod
    def current_error() -> Any:
        """What request_stop takes, inside an except clause."""
        return sys.exc_info()
