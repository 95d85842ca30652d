"""Sums over everything, over rows and over columns.

Next: refflow_kernels/bench/updates.py.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from refflow_kernels.bench.case import Case, normal, shrink


def cases(small: bool) -> Iterator[Case]:
    for sizes, axes in (((1 << 26,), [0]), ((8192, 8192), [1]), ((8192, 8192), [0]), ((1048576, 10), [0])):
        x = normal(*(min(shrink(s, small), 4096) if small else s for s in sizes))
        yield Case(
            f"Sum {list(sizes)} over {axes}", "Sum", (x, np.array(axes, np.int32)), {"keep_dims": False},
            lambda torch, x: x[0].sum(dim=tuple(x[1].tolist())),
        )  # fmt: skip
