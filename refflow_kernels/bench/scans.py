"""Running sums, places of the largest, and transposed axes.

Next: refflow_kernels/bench/slopes.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from refflow_kernels.bench.case import Case, normal, shrink

_SUMMED: tuple[tuple[tuple[int, ...], int], ...] = (
    ((4096, 1024), 1), ((8192, 8192), 1), ((8192, 8192), 0), ((1 << 26,), 0), ((64, 1000003), 1),
)  # fmt: skip
_SEARCHED: tuple[tuple[tuple[int, ...], int], ...] = (((8192, 32000), 1), ((8192, 8192), 0), ((1 << 26,), 0))
_TURNED: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = (
    ((8192, 8192), (1, 0)), ((4097, 4099), (1, 0)), ((64, 512, 16, 64), (0, 2, 1, 3)),
    ((128, 256, 56, 56), (0, 2, 3, 1)), ((128, 224, 224, 3), (0, 3, 1, 2)),
)  # fmt: skip


def _array(sizes: Sequence[int], small: bool) -> np.ndarray:
    return normal(*(min(shrink(s, small), 5000) if small else s for s in sizes))


def _torch_places(torch: Any, x: Sequence[Any]) -> Any:
    return x[0].argmax(dim=int(x[1]))


def cases(small: bool) -> Iterator[Case]:
    from refflow.core.dtypes import int64

    flags = {"exclusive": False, "reverse": False}
    for sizes, axis in _SUMMED:
        inputs = (_array(sizes, small), np.array(axis, np.int32))
        yield Case(f"Cumsum {list(sizes)} along {axis}", "Cumsum", inputs, flags,
                   lambda torch, x: x[0].cumsum(dim=int(x[1])))  # fmt: skip
    for sizes, axis in _SEARCHED:
        inputs = (_array(sizes, small), np.array(axis, np.int32))
        yield Case(f"ArgMax {list(sizes)} along {axis}", "ArgMax", inputs, {"output_type": int64}, _torch_places)
    for sizes, perm in _TURNED:
        inputs = (_array(sizes, small), np.array(perm, np.int32))
        yield Case(f"Transpose {list(sizes)} to {list(perm)}", "Transpose", inputs, {},
                   lambda torch, x: x[0].permute(tuple(x[1].tolist())).contiguous())  # fmt: skip
