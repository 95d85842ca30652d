"""The executor's pool: threads for kernels that are worth handing over [W18].

    inter_op_parallelism_threads = 0 or 1    every node runs on the step's own thread
                                   N > 1     pure nodes with much to do run on N threads beside it, several at once

What is cheap, dead, or changes something runs at once on the thread at hand. Handed over, a node has its inputs as they
were at that moment and gives a Pending, as kernels do that wait (core/waiting.py): the executor goes on, and takes the
values in its own thread. So results do not depend on how many threads there are.

Next: runtime/executor.py.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.core import errors, locks
from refflow.core.waiting import Pending, bystanders
from refflow.runtime.kernels import read_input
from refflow.runtime.nodes import Node
from refflow.runtime.optimise import is_pure

_MANY = 20_000  # elements that a node has to read for it to be handed over
_FEW = 1_000  # the same where its OpDef says that it does much for each

Outputs = Callable[[list[Any]], Any]


class Pool:
    """Threads that take jobs in turn. They start with the first job, and end with the process."""

    def __init__(self, threads: int):
        self._count = threads
        self.renew()

    def renew(self) -> None:
        """Without threads and jobs, as in the beginning and in a forked child."""
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._left = 0  # jobs that are not done
        self._lock = threading.Lock()

    def over(self, node: Node, run: Outputs) -> Outputs:
        """`run` of one node, by the pool where that is worth it."""
        if not is_pure(node):
            return run
        least = _MANY if node.op_def.work_rule is None else _FEW

        def outputs(inputs: list[Any]) -> Any:
            if sum(np.size(v) if isinstance(v, np.ndarray) else 0 for v in inputs) < least:
                return run(inputs)
            now = [read_input(node, v, place) for place, v in enumerate(inputs)]
            return self.submit(lambda: run(now), node.name)

        return outputs

    def submit(self, job: Callable[[], Any], name: str) -> Pending:
        """What `job()` will give, once a thread of the pool has done it."""
        pending = Pending(lambda: f"{name!r} runs on a thread of the pool", _called_off)

        def work() -> None:
            value, error = None, None
            try:
                if not pending.over:  # its step may have ended meanwhile
                    value = job()
            except BaseException as raised:
                error = raised
            pending.finish(value, error)
            with self._lock:
                self._left -= 1
                if not self._left:
                    bystanders.update(self._threads)  # nobody need hope for an idle pool

        with self._lock:
            self._left += 1
            bystanders.difference_update(self._threads)
            while len(self._threads) < self._count:
                self._threads.append(threading.Thread(target=self._serve, name="refflow pool", daemon=True))
                self._threads[-1].start()
        self._jobs.put(work)
        return pending

    def _serve(self) -> None:
        while True:
            self._jobs.get()()


def _called_off(pending: Pending) -> None:
    pending.finish(error=errors.CancelledError(None, None, "the step ended before its kernel"))


_pools: dict[int, Pool] = {}


def pool_of(threads: int) -> Pool | None:
    """The pool of that many threads, which all steps that ask for it share; None for one thread or the default."""
    return _pools.setdefault(threads, Pool(threads)) if threads > 1 else None


@locks.after_fork
def _renew_pools() -> None:
    for pool in _pools.values():
        pool.renew()
