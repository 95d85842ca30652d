"""Threads of 1.x that end together: they register, an exception in a `with` stops them all, and one joins them.

    coord = tf.train.Coordinator()
    threads = [threading.Thread(target=work, args=(coord,)) for _ in range(3)]
    ...
    coord.join(threads)             waits; raises what the first of them reported

Some errors are a quiet end, by default that of the input. What is reported after a join is raised at once, because
nobody would hear of it otherwise, unless a late thread was called off by the end itself. Only a `clear_stop` begins
anew.

Next: compat/v1/queue_runner.py.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from refflow.core import errors
from refflow.platform import logging
from refflow.train.coordinator import Coordinator as FirstCoordinator

__all__ = ["Coordinator", "LooperThread"]


class Coordinator(FirstCoordinator):
    """A stop sign for threads, and the list of those that look at it."""

    def __init__(self, clean_stop_exception_types: Any = None):
        super().__init__()
        self._quiet = (errors.OutOfRangeError,) if clean_stop_exception_types is None else clean_stop_exception_types
        self._registered: set[threading.Thread] = set()
        self._joined = False

    @property
    def joined(self) -> bool:
        """Whether a join has ended since the last clear_stop."""
        return self._joined

    def register_thread(self, thread: threading.Thread) -> None:
        """Adds a thread to those that `join` waits for."""
        with self._lock:
            self._registered.add(thread)

    def request_stop(self, ex: Any = None) -> None:
        """Asks all threads to stop. ex: an exception, or sys.exc_info(), which `join` is to raise."""
        with self._lock:
            info = _as_info(ex)
            if info is not None and isinstance(info[1], tuple(self._quiet)):
                info = None
            if self._joined and info is not None and not isinstance(info[1], errors.CancelledError):
                raise info[1].with_traceback(info[2])
            if not self._stop.is_set():
                if info is not None and self._error is None:
                    logging.info("Error reported to Coordinator: %s", info[1])
                    self._error = info
                self._stop.set()

    def clear_stop(self) -> None:
        """Forgets the request, its error and the join: threads may be started again."""
        with self._lock:
            self._joined, self._error = False, None
            self._stop.clear()

    def raise_requested_exception(self) -> None:
        """Raises what was reported, if something was."""
        with self._lock:
            if self._error is not None:
                raise self._error[1].with_traceback(self._error[2])

    @contextmanager
    def stop_on_exception(self) -> Iterator[None]:
        """A context whose exception asks all to stop, and goes no further."""
        try:
            yield
        except Exception:
            self.request_stop(sys.exc_info())

    def join(
        self, threads: Iterable[threading.Thread] | None = None, stop_grace_period_secs: float = 120,
        ignore_live_threads: bool = False,
    ) -> None:  # fmt: skip
        """Waits for `threads` and those registered, for `stop_grace_period_secs` at most once a stop is asked for.

        Raises what was reported; or RuntimeError where some still run, unless they are to be ignored.
        """
        with self._lock:
            waited = list(self._registered | set(threads or ()))
        while any(t.is_alive() for t in waited) and not self._stop.wait(0.02):
            continue
        end = time.monotonic() + stop_grace_period_secs
        for thread in waited:
            thread.join(max(0.0, end - time.monotonic()))
        late = " ".join(t.name for t in waited if t.is_alive())
        with self._lock:
            self._joined, self._registered = True, set()
            if self._error is not None:
                raise self._error[1].with_traceback(self._error[2])
        if late and not ignore_live_threads:
            raise RuntimeError(f"Coordinator stopped with threads still running: {late}")
        if late:
            logging.info("Coordinator stopped with threads still running: %s", late)


def _as_info(ex: Any) -> tuple[Any, BaseException, Any] | None:
    """What sys.exc_info() gives, of an exception or of that itself; ValueError where it is neither."""
    if ex is None or (isinstance(ex, tuple) and ex[:1] == (None,)):
        return None
    info = ex if isinstance(ex, tuple) else (type(ex), ex, getattr(ex, "__traceback__", None))
    if len(info) != 3 or not isinstance(info[1], BaseException):
        raise ValueError("ex must be a tuple or sys.exc_info or an Exception")
    return info


class LooperThread(threading.Thread):
    """A thread that does something again and again until its coordinator stops.

    timer_interval_secs: the time from one beginning to the next; None where nothing is waited for. A subclass may say
    in `run_loop` what is done, in `start_loop` and `stop_loop` what comes before and after.
    """

    def __init__(
        self, coord: Coordinator, timer_interval_secs: float | None, target: Callable[..., Any] | None = None,
        args: Iterable[Any] | None = None, kwargs: Mapping[str, Any] | None = None,
    ):  # fmt: skip
        if not isinstance(coord, FirstCoordinator):
            raise ValueError(f"'coord' argument must be a Coordinator: {coord}")
        super().__init__(daemon=True)
        self._coord, self._interval, self._work = coord, timer_interval_secs, target
        self._given: tuple[Any, Any] = (tuple(args or ()), dict(kwargs or {}))
        if (args or kwargs) and target is None:
            raise ValueError("'args' and 'kwargs' argument require that you also pass 'target'")
        coord.register_thread(self)

    @staticmethod
    def loop(
        coord: Coordinator, timer_interval_secs: float | None, target: Callable[..., Any],
        args: Iterable[Any] | None = None, kwargs: Mapping[str, Any] | None = None,
    ) -> LooperThread:  # fmt: skip
        """Such a thread, started."""
        looper = LooperThread(coord, timer_interval_secs, target, args, kwargs)
        looper.start()
        return looper

    def run(self) -> None:
        with self._coord.stop_on_exception():
            self.start_loop()
            due = time.monotonic()
            while not self._coord.wait_for_stop(max(0.0, due - time.monotonic())):
                due += self._interval or 0.0
                self.run_loop()
            self.stop_loop()

    def start_loop(self) -> None:
        """Called before the first turn."""

    def stop_loop(self) -> None:
        """Called after the last."""

    def run_loop(self) -> None:
        """One turn: calls `target`."""
        if self._work is not None:
            self._work(*self._given[0], **self._given[1])
