"""Matrix products: the deck's two, and square ones.

Next: refflow_kernels/bench/rows.py.
"""

from __future__ import annotations

from collections.abc import Iterator

from refflow_kernels.bench.case import Case, normal, shrink


def cases(small: bool) -> Iterator[Case]:
    for sizes in ((10000, 784, 10), (784, 10000, 10), (1024, 1024, 1024), (4096, 4096, 4096)):
        m, k, n = (shrink(s, small) for s in sizes)
        attrs = {"transpose_a": False, "transpose_b": False}
        yield Case(
            f"MatMul {'x'.join(map(str, sizes))}", "MatMul", (normal(m, k), normal(k, n, seed=1)), attrs,
            lambda torch, x: x[0] @ x[1], flops=2 * m * k * n,
        )  # fmt: skip
