"""Locks that are open in a forked child, whichever thread of the parent held them.

A child process has only the thread that forked. A lock that another thread held would stay shut for ever: here it is
made anew. What that thread was changing is as it left it, so a variable may be half written; whoever forks while
steps run should run the initializers again, or restore.

Next: core/waiting.py.
"""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

_locks: WeakSet[Any] = WeakSet()
_calls: list[Callable[[], None]] = []


@contextmanager
def uncollected() -> Iterator[None]:
    """No search for unreachable objects meanwhile. Of two at once, the one that found it on turns it on again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def lock() -> Any:
    """A threading.Lock."""
    return _known(threading.Lock())


def rlock() -> Any:
    """A threading.RLock, which its thread may take several times."""
    return _known(threading.RLock())


def _known(made: Any) -> Any:
    _locks.add(made)
    return made


def after_fork(call: Callable[[], None]) -> Callable[[], None]:
    """`call` is called in a forked child, once all locks are open."""
    _calls.append(call)
    return call


def _in_child() -> None:
    for each in list(_locks):
        each._at_fork_reinit()
    for call in _calls:
        call()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
