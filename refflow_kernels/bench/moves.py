"""Elements that come to other places, the k largest, sums by names, and images in other sizes.

Next: refflow_kernels/bench/scores.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from refflow_kernels.bench.case import Case, normal, shrink
from refflow_kernels.bench.slopes import Slopes

_LARGEST = ((4096, 1000, 5), (64, 50257, 40), (65536, 64, 8))  # rows, columns, k
_NAMED = (  # attention: the projection, the scores and the sums, of 8 texts of 512 words, 8 heads of 64
    ("btd,dhk->bthk", (8, 512, 512), (512, 8, 64)), ("bthk,bshk->bhts", (8, 512, 8, 64), (8, 512, 8, 64)),
    ("bhts,bshk->bthk", (8, 8, 512, 512), (8, 512, 8, 64)), ("btd,bthk->dhk", (8, 512, 512), (8, 512, 8, 64)),
)  # fmt: skip
_PIXELS = (((32, 56, 56, 64), (112, 112)), ((32, 224, 224, 3), (160, 160)))


def cases(small: bool) -> Iterator[Case]:
    yield from _moved(small)
    yield from _by_indices(small)
    for rows, columns, k in _LARGEST:
        yield _largest(f"TopKV2 {k} of {rows}x{columns}", shrink(rows, small), shrink(columns, small), k)
    for equation, *shapes in _NAMED:
        yield _named(f"Einsum {equation}", equation, [[shrink(s, small) for s in shape] for shape in shapes])
    for shape, size in _PIXELS:
        yield from _resized(shape, size, small)


# -- places --------------------------------------------------------------------------------------------------------


def _moved(small: bool) -> Iterator[Case]:
    x = normal(*(shrink(s, small) for s in (64, 512, 1024)))
    for axis in (0, 2):
        yield Case(f"ReverseV2 64x512x1024 along {axis}", "ReverseV2", (x, np.array([axis], np.int32)), {},
                   lambda torch, x: x[0].flip(tuple(x[1].tolist())))  # fmt: skip
    n = shrink(8192, small)
    for dims in ((n, 1), (1, n)):
        yield Case(f"BroadcastTo 8192x8192 of {'x'.join('1' if d == 1 else '8192' for d in dims)}", "BroadcastTo",
                   (normal(*dims), np.array([n, n], np.int32)), {},
                   lambda torch, x: x[0].expand(tuple(x[1].tolist())).contiguous())  # fmt: skip


def _by_indices(small: bool) -> Iterator[Case]:
    dims = [shrink(s, small) for s in (1000, 100, 64)]
    rng, count = np.random.default_rng(0), shrink(16384, small)
    pairs = np.stack([rng.integers(0, size, count) for size in dims[:2]], axis=1)
    yield Case("GatherNd 16384 of 1000x100x64", "GatherNd", (normal(*dims), pairs), {},
               lambda torch, x: x[0][x[1][:, 0], x[1][:, 1]])  # fmt: skip
    yield Case("ScatterNd 16384 into 1000x100x64", "ScatterNd", (pairs, normal(count, dims[2]), np.array(dims)), {},
               _torch_scatter)  # fmt: skip


def _torch_scatter(torch: Any, x: Sequence[Any]) -> Any:
    zeros = torch.zeros(tuple(x[2].tolist()), dtype=x[1].dtype, device=x[1].device)
    return zeros.index_put((x[0][:, 0], x[0][:, 1]), x[1], accumulate=True)


# -- the largest, and names ----------------------------------------------------------------------------------------


def _largest(label: str, rows: int, columns: int, k: int) -> Case:
    from refflow.core.dtypes import int64

    k = min(k, columns)
    return Case(label, "TopKV2", (normal(rows, columns), np.array(k, np.int32)), {"index_type": int64},
                lambda torch, x: tuple(torch.topk(x[0], int(x[1]))))  # fmt: skip


def _named(label: str, equation: str, shapes: Sequence[Sequence[int]]) -> Case:
    inputs = tuple(normal(*shape, seed=i) for i, shape in enumerate(shapes))
    names = dict(zip(equation.partition("->")[0].replace(",", ""), [s for shape in shapes for s in shape], strict=True))
    out = [names[name] for name in equation.partition("->")[2]]
    return Case(label, "Einsum", inputs, {}, lambda torch, x: torch.einsum(equation, *x),
                setup=partial(_setup, equation), page=lambda x: [np.einsum(equation, *x, optimize=True)], outs=[out],
                flops=2.0 * float(np.prod(list(names.values()), dtype=np.float64)))  # fmt: skip


def _setup(equation: str, card: Any, inputs: Sequence[Any], out: Sequence[Any]) -> Any:
    from refflow_kernels.gpu.einsum import einsum, einsum_workspace

    need = einsum_workspace([inputs], equation)
    workspace = None if need is None else card.empty(*need)
    return lambda: einsum(inputs, equation, out=out[0], workspace=workspace), out


# -- other sizes ---------------------------------------------------------------------------------------------------


def _resized(shape: Sequence[int], size: Sequence[int], small: bool) -> Iterator[Case]:
    """torch's pixels have middles; so have ours here."""
    label = f"{'x'.join(map(str, shape))} to {'x'.join(map(str, size))}"
    n, h, w, c = (min(s, 4) for s in shape) if small else shape
    oh, ow = (h * size[0] // shape[1], w * size[1] // shape[2]) if small else size
    flags = {"align_corners": False, "half_pixel_centers": True}
    x, told = normal(n, h, w, c), np.array([oh, ow], np.int32)
    yield Case(f"ResizeBilinear {label}", "ResizeBilinear", (x, told), flags,
               lambda torch, x: _back(_larger(torch, x[0], x[1])))  # fmt: skip

    def forward(torch: Any, x: Sequence[Any]) -> tuple[Any, Sequence[Any], Any]:
        given = x[1].detach().requires_grad_(True)
        return _larger(torch, given, told), [given], x[0].permute(0, 3, 1, 2)

    yield Case(f"ResizeBilinearGrad {label}", "ResizeBilinearGrad", (normal(n, oh, ow, c, seed=1), x), flags,
               Slopes(forward, lambda slopes: slopes[0].contiguous()))  # fmt: skip


def _larger(torch: Any, x: Any, size: Any) -> Any:
    sizes = tuple(int(s) for s in size)
    return torch.nn.functional.interpolate(x.permute(0, 3, 1, 2), sizes, mode="bilinear", align_corners=False)


def _back(y: Any) -> Any:
    return y.permute(0, 2, 3, 1).contiguous()
