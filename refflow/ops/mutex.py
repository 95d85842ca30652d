"""Mutexes: a lock that a step takes, and lets go when nobody holds the tensor that stands for it [E06].

The whitepaper's table names MutexAcquire and MutexRelease, but the first release had neither; these types, under the
names that they were released with later, are additions.

Next: ops/queues.py.
"""

from __future__ import annotations

import threading

from refflow.core.handles import handle_to, state_of
from refflow.core.opdef import define_op

MUTEX = define_op("MutexV2", "-> resource: resource[]", container="", shared_name="", stateful=True, source=("E06",))
MUTEX_LOCK = define_op("MutexLock", "mutex: resource[] -> mutex_lock: variant[]", stateful=True, source=("E06",))
CONSUME_LOCK = define_op("ConsumeMutexLock", "mutex_lock: variant[] ->", stateful=True, source=("E06",))


class _Mutex:
    def __init__(self) -> None:
        self.lock = threading.Lock()


class _Held:
    """A lock that somebody holds, let go once."""

    def __init__(self, mutex: _Mutex):
        self.mutex = mutex

    def release(self) -> None:
        if self.mutex is not None:
            self.mutex.lock.release()
            self.mutex = None  # type: ignore[assignment]

    def __del__(self) -> None:
        self.release()


@MUTEX.state
def _mutex() -> _Mutex:
    return _Mutex()


@MUTEX.kernel
def mutex_kernel(state):
    return handle_to(state)


@MUTEX_LOCK.kernel
def mutex_lock_kernel(mutex):
    """Waits for the lock."""
    held = state_of(mutex)
    held.lock.acquire()
    return handle_to(_Held(held))


@CONSUME_LOCK.kernel
def consume_mutex_lock_kernel(mutex_lock):
    state_of(mutex_lock).release()


for _op in (MUTEX, MUTEX_LOCK, CONSUME_LOCK):
    _op.no_gradient()
