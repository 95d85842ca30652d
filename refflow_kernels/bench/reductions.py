"""Sums and maxima over everything, over rows, over columns, and in the middle.

Next: refflow_kernels/bench/scans.py.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from refflow_kernels.bench.case import Case, normal, shrink

_SUMS = (  # the usual places of axes: everything, rows, columns, images' channels and pixels
    ((1 << 28,), [0]), ((1000003,), [0]), ((8192, 8192), [1]), ((8192, 8192), [0]), ((1048576, 10), [0]),
    ((16, 4194304), [1]), ((128, 56, 56, 256), [0, 1, 2]), ((128, 7, 7, 2048), [1, 2]), ((512, 513, 511), [1]),
    ((128, 256, 56, 56), [0, 2, 3]),
)  # fmt: skip


def cases(small: bool) -> Iterator[Case]:
    for sizes, axes in _SUMS:
        x = normal(*(min(shrink(s, small), 4096) if small else s for s in sizes))
        indices = np.array(axes, np.int32)
        label = f"{list(sizes)} over {axes}"
        yield Case(f"Sum {label}", "Sum", (x, indices), {"keep_dims": False},
                   lambda torch, x: x[0].sum(dim=tuple(x[1].tolist())))  # fmt: skip
        if sizes == (8192, 8192):
            yield Case(f"Max {label}", "Max", (x, indices), {"keep_dims": False},
                       lambda torch, x: x[0].amax(dim=tuple(x[1].tolist())))  # fmt: skip
            yield Case(f"Mean bfloat16 {label}", "Mean", (x, indices), {"keep_dims": False},
                       lambda torch, x: x[0].mean(dim=tuple(x[1].tolist())), dtype="bfloat16")  # fmt: skip
