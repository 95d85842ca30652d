"""Which threads a step may use: `ConfigProto(intra_op_parallelism_threads=...)` rules all of them.

    0    one for each core this process may run on
    1    none but the caller's

Kernels cut their work themselves (refflow_kernels/cpu/threads.py); BLAS stays at one thread while a step with work
for it runs, and is as it was afterwards. A step without such work is left as it is: it pays nothing.

Next: runtime/session.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from refflow.core.waiting import bystanders
from refflow.runtime.nodes import StepGraph

Run = Callable[[Sequence[Any]], Any]


def is_heavy(step: StepGraph) -> bool:
    """True for a step with products, sums or kernels that cut their work, on a CPU."""
    from refflow_kernels.cpu import KERNELS

    return any((n.op_def.accuracy == "dot" or n.type in KERNELS) and n.device.type == "cpu" for n in step.nodes)


def on_cores(run: Run, count: int) -> Run:
    """`run`, with at most `count` threads for the kernels' pieces."""
    from refflow_kernels.cpu import threads

    def with_threads(feeds: Sequence[Any]) -> Any:
        before = threads.use(count)
        threads.blas.hold()
        try:
            return run(feeds)
        finally:
            threads.blas.let_go()
            threads.use(before)
            if threads.workers and threads.workers[-1] not in bystanders:
                bystanders.update(threads.workers)  # nobody need hope for them

    return with_threads


def blas_kernels() -> list[str]:
    """The processors for which the kernels of the BLAS libraries that are loaded were made, where they say so."""
    from refflow_kernels.cpu import threads

    return sorted({library.architecture for library in threads.blas.libraries() if hasattr(library, "architecture")})
