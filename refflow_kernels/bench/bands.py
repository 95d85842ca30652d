"""Bands and diagonals of matrices, patches of images, and images in other sizes by cubics.

Next: refflow_kernels/bench/pointwise.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from refflow_kernels.bench.case import Case, normal, shrink


def cases(small: bool) -> Iterator[Case]:
    n, m = shrink(64, small), shrink(1024, small)
    x, line = normal(n, m, m), normal(n, m, seed=1)
    label = "64x1024x1024"
    yield Case(f"MatrixBandPart {label}", "MatrixBandPart", (x, np.array(-1), np.array(0)), {},
               lambda torch, x: x[0].tril())  # fmt: skip
    yield Case(f"MatrixDiag {label}", "MatrixDiag", (line,), {}, lambda torch, x: torch.diag_embed(x[0]))
    yield Case(f"MatrixDiagPart {label}", "MatrixDiagPart", (x,), {},
               lambda torch, x: x[0].diagonal(dim1=1, dim2=2).contiguous())  # fmt: skip
    yield Case(f"MatrixSetDiag {label}", "MatrixSetDiag", (x, line), {},
               lambda torch, x: x[0].diagonal_scatter(x[1], dim1=1, dim2=2))  # fmt: skip
    image = normal(*((2, 8, 8, 4) if small else (32, 56, 56, 64)))
    three, one = [1, 3, 3, 1], [1, 1, 1, 1]
    attrs = {"ksizes": three, "strides": one, "rates": one, "padding": "VALID"}
    yield Case("ExtractImagePatches 32x56x56x64 3x3", "ExtractImagePatches", (image,), attrs, _torch_patches)
    pixels = normal(*((2, 5, 5, 2) if small else (32, 57, 57, 64)))
    size, corners = np.array([2 * pixels.shape[1] - 1] * 2, np.int32), {"align_corners": True}
    yield Case("ResizeBicubic 32x57x57x64 to 113x113", "ResizeBicubic", (pixels, size),
               corners | {"half_pixel_centers": False}, _torch_cubics)  # fmt: skip


def _torch_patches(torch: Any, x: Sequence[Any]) -> Any:
    """torch's windows are views, so that this is one copy."""
    windows = x[0].unfold(1, 3, 1).unfold(2, 3, 1)  # [N, OH, OW, C, 3, 3]
    return windows.permute(0, 1, 2, 4, 5, 3).reshape(*windows.shape[:3], -1)


def _torch_cubics(torch: Any, x: Sequence[Any]) -> Any:
    """Twice as many pixels and one less: distances are halves, which the page's table of weights has exactly."""
    sizes = tuple(int(s) for s in x[1])
    larger = torch.nn.functional.interpolate(x[0].permute(0, 3, 1, 2), sizes, mode="bicubic", align_corners=True)
    return larger.permute(0, 2, 3, 1).contiguous()
