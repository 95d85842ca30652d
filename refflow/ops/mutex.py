"""Mutexes: a lock that a step takes, and lets go when nobody holds the tensor that stands for it [E06].

The whitepaper's table names MutexAcquire and MutexRelease, but the first release had neither; these types, under the
names that they were released with later, are additions.

Next: ops/queues.py.
"""

from __future__ import annotations

from typing import Any

from refflow.core.handles import handle_to, state_of
from refflow.core.opdef import define_op
from refflow.core.waiting import NOT_YET, Line, then

MUTEX = define_op("MutexV2", "-> resource: resource[]", container="", shared_name="", stateful=True, source=("E06",))
MUTEX_LOCK = define_op("MutexLock", "mutex: resource[] -> mutex_lock: variant[]", stateful=True, source=("E06",))
CONSUME_LOCK = define_op("ConsumeMutexLock", "mutex_lock: variant[] ->", stateful=True, source=("E06",))
MUTEX_LOCK.waits = True


class Mutex:
    """Held by at most one; the others wait in a line."""

    def __init__(self) -> None:
        self.is_held = False
        self._line = Line()

    def acquire(self) -> Any:
        def attempt() -> Any:
            if self.is_held:
                return NOT_YET
            self.is_held = True
            return Held(self)

        return self._line.serve(attempt, lambda: "a lock waits for a mutex that is held", "Lock acquisition cancelled")

    def release(self) -> None:
        with self._line.lock:
            self.is_held = False
            self._line.changed()


class Held:
    """A lock that somebody holds, let go once; at the latest when nobody knows of it any more."""

    def __init__(self, mutex: Mutex):
        self.mutex: Mutex | None = mutex

    def release(self) -> None:
        mutex, self.mutex = self.mutex, None
        if mutex is not None:
            mutex.release()

    def __del__(self) -> None:
        self.release()


@MUTEX.state
def _mutex() -> Mutex:
    return Mutex()


@MUTEX.kernel
def mutex_kernel(state):
    return handle_to(state)


@MUTEX_LOCK.kernel
def mutex_lock_kernel(mutex):
    """The lock, once nobody else holds it."""
    return then(state_of(mutex).acquire(), handle_to)


@CONSUME_LOCK.kernel
def consume_mutex_lock_kernel(mutex_lock):
    state_of(mutex_lock).release()


for _op in (MUTEX, MUTEX_LOCK, CONSUME_LOCK):
    _op.no_gradient()
