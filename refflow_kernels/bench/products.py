"""Matrix products: the deck's two, square, long, skinny, deep, odd and turned ones, and batches.

float32 is meant exactly, through tf32x3 here; "ieee" is the same by multiply-adds, and tf32 is asked for on both sides.

Next: refflow_kernels/bench/joined.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from refflow_kernels.bench.case import Case, normal, shrink

_SHAPES = (  # M, K, N, and which operands are turned
    (8192, 8192, 8192, ""), (4096, 4096, 4096, ""), (1024, 1024, 1024, ""), (65536, 1024, 1024, ""),
    (8192, 512, 8192, ""), (16, 4096, 4096, ""), (256, 65536, 256, ""), (4097, 4099, 4093, ""),
    (4096, 4096, 4096, "a"), (4096, 4096, 4096, "b"), (128, 784, 512, ""), (256, 2048, 1000, ""),
    (10000, 784, 10, ""), (784, 10000, 10, "a"),
)  # fmt: skip
_BATCHES = ((64, 512, 64, 512), (512, 64, 64, 64))  # batch, M, K, N
_PRECISE = ((4096, "tf32"), (8192, "tf32"), (1024, "ieee"), (4096, "ieee"))


def cases(small: bool) -> Iterator[Case]:
    for dtype in ("bfloat16", "float32"):
        for M, K, N, turned in _SHAPES:
            yield _product(f"{M}x{K}x{N}", [shrink(s, small) for s in (M, K, N)], turned, dtype)
        for batch, M, K, N in _BATCHES:
            b, m, k, n = (shrink(s, small) for s in (batch, M, K, N))
            yield Case(
                f"BatchMatMul {batch} of {M}x{K}x{N} {dtype}", "BatchMatMulV2",
                (normal(b, m, k), normal(b, k, n, seed=1)), {"adj_x": False, "adj_y": False},
                lambda torch, x: torch.matmul(x[0], x[1]), dtype, 2.0 * b * m * k * n,
            )  # fmt: skip
    for size, precision in _PRECISE:
        yield _product(f"{size}x{size}x{size}", [shrink(size, small)] * 3, "", "float32", precision)


def _product(label: str, sizes: Sequence[int], turned: str, dtype: str, precision: str = "") -> Case:
    M, K, N = sizes
    a, b = normal(*((K, M) if turned == "a" else (M, K))), normal(*((N, K) if turned == "b" else (K, N)), seed=1)
    attrs = {"transpose_a": turned == "a", "transpose_b": turned == "b"}

    def peer(torch: Any, x: Sequence[Any]) -> Any:
        return torch.matmul(x[0].T if turned == "a" else x[0], x[1].T if turned == "b" else x[1])

    name = f"MatMul {label}{turned and f' {turned} turned'} {precision or dtype}"
    return Case(
        name, "MatMul", (a, b), attrs, peer, dtype, 2.0 * M * K * N, {"precision": precision} if precision else {}
    )
