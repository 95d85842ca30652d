"""Rendezvous: where sends and receives of one step meet, in whichever order they come [W25].

    key     sender;incarnation;receiver;tensor;frame:iteration
    send    puts a value under its key and never waits; the same key twice is Aborted
    recv    calls back with the value, now if it is there, else when it comes; may come first
    abort   gives every waiter the same error, and every later call too

With the value travels a flag that says whether it is dead, for control flow [W41].

Next: runtime/plan.py.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from refflow.core import errors

Done = Callable[[Any, bool, BaseException | None], None]  # value, is it dead, or an error


def key_of(node: Any, frame: str = "", iteration: int = 0) -> str:
    """The key under which a _Send or _Recv node meets its partner."""
    a = node.attrs
    return (
        f"{a['send_device']};{a['send_device_incarnation']:x};{a['recv_device']};{a['tensor_name']};{frame}:{iteration}"
    )


def paired(nodes: Iterable[Any]) -> dict[Any, list[Any]]:
    """For each _Recv among `nodes` whose _Send is among them, that one, in a list: what it waits for."""
    nodes = list(nodes)
    sends = {key_of(n): n for n in nodes if n.sends and not n.attrs["client_terminated"]}
    return {n: [sends[key_of(n)]] for n in nodes if n.receives and key_of(n) in sends}


class Rendezvous:
    """The meeting place of one step. Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[str, tuple[Any, bool]] = {}
        self._waiting: dict[str, Done] = {}
        self._used: set[str] = set()
        self._error: BaseException | None = None

    def send(self, key: str, value: Any, is_dead: bool = False) -> None:
        """Hands a value over. AbortedError where the key was used before."""
        with self._lock:
            if self._error is not None:
                raise self._error
            if key in self._used:
                raise errors.AbortedError(None, None, f"{key!r} was sent twice in one step")
            self._used.add(key)
            done = self._waiting.pop(key, None)
            if done is None:
                self._values[key] = (value, is_dead)
                return
        done(value, is_dead, None)

    def recv_async(self, key: str, done: Done) -> None:
        """Calls `done` once, with the value or with the error that ended the step."""
        with self._lock:
            error = self._error
            found = self._values.pop(key, None) if error is None else None
            if error is None and found is None:
                if key in self._waiting:
                    error = errors.AbortedError(None, None, f"{key!r} is awaited twice in one step")
                else:
                    self._waiting[key] = done
                    return
        if error is not None:
            done(None, False, error)
        elif found is not None:
            done(found[0], found[1], None)

    def abort(self, error: BaseException) -> None:
        """Ends the step for everybody; the first error stays."""
        with self._lock:
            if self._error is not None:
                return
            self._error = error
            waiting, self._waiting = list(self._waiting.values()), {}
            self._values.clear()
        for done in waiting:
            done(None, False, error)

    def has(self, key: str) -> bool:
        """Whether a value lies there that nobody has taken."""
        return key in self._values

    def awaited(self) -> list[str]:
        """The keys that somebody waits for."""
        with self._lock:
            return sorted(self._waiting)
