"""Work in pieces over the engine's own threads.

    each(work, pieces)      work(0), work(1), ... in any order, on as many threads as there may be

How work is cut depends on its size alone, never on the number of threads, so that every count of threads gives the
same bits. NumPy lets go of the interpreter inside a product, a ufunc or a copy; the pieces run side by side there.
The calling thread takes its share. Pieces worth less than a tenth of a millisecond are not worth the handing over.

BLAS would start threads of its own for each product and wait for them at a barrier, which collapses as soon as
somebody else wants the cores: `one_blas_thread()` holds it at one while a step runs.
"""

from __future__ import annotations

import itertools
import os
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np


class _Here(threading.local):
    """How many threads the calling thread may use, itself included."""

    count = 0  # 0: as many as there are cores


_here = _Here()
_lock = threading.Lock()
_tasks: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
workers: list[threading.Thread] = []  # they serve pieces alone, and wait for them for ever


def cores() -> int:
    """The cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_cores = cores()


def use(count: int) -> int:
    """Lets the calling thread use `count` threads, 0 for one on each core, and returns what it was."""
    before, _here.count = _here.count, count
    return before


def count() -> int:
    """How many threads the calling thread may use, itself included."""
    return _here.count or _cores


def each(work: Callable[[int], Any], pieces: int) -> None:
    """work(i) for all i < pieces. The first error is raised when all have ended; the rest is not begun."""
    helpers = min(count(), pieces) - 1
    if helpers <= 0:
        for i in range(pieces):
            work(i)
        return
    _start_workers(helpers)
    job = _Job(work, pieces, helpers)
    for _ in range(helpers):
        _tasks.put(job.help)
    before = use(1)  # as its helpers, the caller does not cut a piece again: they are busy
    try:
        job.take_part()
    finally:
        use(before)
    job.wait()


class _Job:
    def __init__(self, work: Callable[[int], Any], pieces: int, helpers: int):
        self._work, self._pieces = work, pieces
        self._numbers = itertools.count()
        self._left = threading.Semaphore(0)
        self._helpers = helpers
        self._error: BaseException | None = None

    def take_part(self) -> None:
        try:
            for i in self._numbers:  # taking the next number is one step of the interpreter
                if i >= self._pieces or self._error is not None:
                    return
                self._work(i)
        except BaseException as error:
            self._error = self._error or error

    def help(self) -> None:
        self.take_part()
        self._left.release()

    def wait(self) -> None:
        for _ in range(self._helpers):
            self._left.acquire()
        if self._error is not None:
            raise self._error


def _start_workers(count: int) -> None:
    if count <= len(workers):
        return
    with _lock:
        while len(workers) < count:
            worker = threading.Thread(target=_serve, name=f"refflow kernels {len(workers)}", daemon=True)
            worker.start()
            workers.append(worker)


def _serve() -> None:
    use(1)  # a piece is not cut again
    with np.errstate(all="ignore"):
        while True:
            _tasks.get()()


def _after_fork() -> None:
    """A forked child has none of its parent's threads."""
    global _tasks, _lock
    workers.clear()
    _tasks, _lock = queue.SimpleQueue(), threading.Lock()
    blas.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


# -- BLAS -----------------------------------------------------------------------------------------------------


class _Blas:
    """The threads of the BLAS libraries that are loaded, held at one while anybody asks for that."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders = 0
        self._libraries: list[Any] | None = None
        self._before: list[int] = []

    def libraries(self) -> list[Any]:
        if self._libraries is None:
            self._libraries = _blas_libraries()
        return self._libraries

    def hold(self) -> None:
        with self._lock:
            self._holders += 1
            if self._holders > 1:
                return
            self._before = [library.get_num_threads() for library in self.libraries()]
            for library, count in zip(self.libraries(), self._before, strict=True):
                if count != 1:
                    library.set_num_threads(1)

    def let_go(self) -> None:
        with self._lock:
            self._holders -= 1
            if self._holders == 0:
                for library, count in zip(self._libraries or (), self._before, strict=True):
                    if count != 1:
                        library.set_num_threads(count)

    def after_fork(self) -> None:
        """The parent's other threads, which held BLAS, are not here."""
        self._lock = threading.Lock()
        if self._holders:
            self._holders = 1
            self.let_go()


def _blas_libraries() -> list[Any]:
    from threadpoolctl import ThreadpoolController

    return list(ThreadpoolController().select(user_api="blas").lib_controllers)


blas = _Blas()


@cache
def cuts_are_free() -> bool:
    """True where NumPy's BLAS gives each float32 of a large product the same bits, wherever rows and columns are cut.

    That is so for OpenBLAS's kernel for AVX-512, which adds up in one order at all places of a tile
    (tests/kernels/test_large_products.py). Its float64 differs by a rounding along the edges of a piece; of other
    kernels it is not known.
    """
    own = [lib for lib in blas.libraries() if lib.internal_api == "openblas" and "numpy" in str(lib.filepath)]
    return len(own) == 1 and own[0].architecture == "SkylakeX"


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """NumPy's BLAS at one thread until the end of the block, then as it was."""
    blas.hold()
    try:
        yield
    finally:
        blas.let_go()
