"""Sums and maxima over everything, over rows, over columns, and in the middle; and chains that they end.

Next: refflow_kernels/bench/scans.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from refflow_kernels.bench.case import Case, normal, shrink

_SUMS = (  # the usual places of axes: everything, rows, columns, images' channels and pixels
    ((1 << 28,), [0]), ((1000003,), [0]), ((8192, 8192), [1]), ((8192, 8192), [0]), ((1048576, 10), [0]),
    ((16, 4194304), [1]), ((128, 56, 56, 256), [0, 1, 2]), ((128, 7, 7, 2048), [1, 2]), ((512, 513, 511), [1]),
    ((128, 256, 56, 56), [0, 2, 3]), ((100_000, 64), [0]), ((1048576, 10), [1]), ((256, 16384), [1]),
)  # fmt: skip


class Reduced(NamedTuple):
    """A chain's lines over matrices x0, x1, ..., the values that are written, and those that are summed over `axes`."""

    sizes: tuple[int, ...]  # rows and columns
    lines: tuple[str, ...]
    written: tuple[str, ...]
    summed: tuple[tuple[str, bool], ...]  # and whether it is the mean
    axes: tuple[int, ...]
    torch: Callable[[Any, Sequence[Any]], Any]
    numpy: Callable[..., Any]


_SQUARES = ("s0 = (x0 - x1)", "s1 = (s0 * s0)")


def _mean_square(*sizes: int) -> Reduced:
    return Reduced(
        sizes, _SQUARES, (), (("s1", True),), (0, 1),
        lambda torch, x: torch.nn.functional.mse_loss(x[0], x[1]), lambda x, y: np.square(x - y).mean(),
    )  # fmt: skip


_CHAINS = {
    "mean square": _mean_square(8192, 8192),
    "mean square of 1000003": _mean_square(1000003, 1),
    "mean square beside its slope": Reduced(
        (8192, 8192), (*_SQUARES, "s2 = (s0 * 0.5)"), ("s2",), (("s1", True),), (0, 1),
        lambda torch, x: ((x[0] - x[1]) * 0.5, torch.nn.functional.mse_loss(x[0], x[1])),
        lambda x, y: ((x - y) * 0.5, np.square(x - y).mean()),
    ),
    "squares of rows": Reduced(
        (65536, 1024), ("s0 = (x0 * x0)",), (), (("s0", False),), (1,),
        lambda torch, x: x[0].square().sum(1), lambda x: np.square(x).sum(1),
    ),
    "two sums of rows, as a layer norm's gradient has them": Reduced(
        (65536, 1024), ("s0 = (x0 * x1)",), (), (("x0", False), ("s0", False)), (1,),
        lambda torch, x: (x[0].sum(1), (x[0] * x[1]).sum(1)), lambda dy, x: (dy.sum(1), (dy * x).sum(1)),
    ),
    "two sums of columns, as its scale and shift have them": Reduced(
        (100_000, 64), ("s0 = (x0 * x1)",), (), (("x0", False), ("s0", False)), (0,),
        lambda torch, x: (x[0].sum(0), (x[0] * x[1]).sum(0)), lambda dy, x: (dy.sum(0), (dy * x).sum(0)),
    ),
    "slope of relu and of the bias": Reduced(
        (65536, 1024), ("s0 = tl.where((x1 > 0), x0, 0)",), ("s0",), (("s0", False),), (0,),
        lambda torch, x: (torch.where(x[1] > 0, x[0], 0), torch.where(x[1] > 0, x[0], 0).sum(0)),
        lambda dy, y: (np.where(y > 0, dy, 0), np.where(y > 0, dy, 0).sum(0)),
    ),
}  # fmt: skip


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
    x = normal(100_000 if not small else 1500, 64)
    yield Case("BiasAddGrad [100000, 64]", "BiasAddGrad", (x,), {"data_format": "NHWC"}, lambda torch, x: x[0].sum(0))
    for name, chain in _CHAINS.items():
        yield _chain(name, chain, small)


def _chain(name: str, chain: Reduced, small: bool) -> Case:
    rows, columns = (min(shrink(size, small), 4096) if small else size for size in chain.sizes)
    inputs = tuple(normal(rows, columns, seed=i) for i in range(2 if "x1" in " ".join(chain.lines) else 1))
    kept = tuple(size for axis, size in enumerate((rows, columns)) if axis not in chain.axes)
    outs = [(rows, columns)] * len(chain.written) + [kept] * len(chain.summed)
    return Case(f"chain: {name}", "", inputs, {}, chain.torch, setup=partial(_setup, chain, (rows, columns)),
                page=lambda x: chain.numpy(*x), outs=outs)  # fmt: skip


def _setup(chain: Reduced, sizes: tuple[int, int], card: Any, inputs: Sequence[Any], out: Sequence[Any]) -> Any:
    from refflow_kernels.gpu.reduced_chains import Ending, ReducedChain

    endings = [Ending(value, "sum", mean) for value, mean in chain.summed]
    kinds = ["straight"] * len(inputs)
    kernel = ReducedChain(kinds, chain.lines, chain.written, endings, sizes, chain.axes, sizes[1])
    scratch = [] if kernel.workspace is None else [card.empty(*kernel.workspace)]
    return lambda: kernel(inputs, out, *scratch), out
