"""Pools and their gradients; torch's have channels last in memory too, where refflow's have.

Next: refflow_kernels/bench/norms.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from refflow_kernels.bench.case import Case, normal, shrink
from refflow_kernels.bench.slopes import Slopes

_POOLS = (  # images [N, H, W, C], window, stride
    ((128, 112, 112, 64), 3, 2), ((128, 56, 56, 192), 3, 2), ((128, 28, 28, 256), 2, 2), ((128, 28, 28, 192), 3, 1),
)  # fmt: skip


def _image(torch: Any, x: Any) -> Any:
    """As torch wants it: channels second, but last in memory."""
    return x.permute(0, 3, 1, 2)


def _back(y: Any) -> Any:
    return y.permute(0, 2, 3, 1).contiguous()


def _pool(kind: str, k: int, s: int, torch: Any, x: Any) -> Any:
    """SAME or VALID, in torch's words: even borders of k // 2, or none."""
    function = torch.nn.functional
    if kind == "Max":
        return function.max_pool2d(x, k, s, padding=k // 2 if k == 3 else 0)
    return function.avg_pool2d(x, k, s, padding=k // 2 if k == 3 else 0, count_include_pad=False)


def _forward(kind: str, k: int, s: int, torch: Any, x: Sequence[Any]) -> Any:
    return _back(_pool(kind, k, s, torch, _image(torch, x[0])))


def _with_places(k: int, s: int, torch: Any, x: Sequence[Any]) -> Any:
    """torch numbers the cells of each channel's image; refflow counts all channels."""
    y, at = torch.nn.functional.max_pool2d(_image(torch, x[0]), k, s, return_indices=True)
    channels = x[0].shape[-1]
    return _back(y), _back(at) * channels + torch.arange(channels, device=at.device)


def _at_the_largest(k: int, s: int, torch: Any, x: Sequence[Any]) -> Any:
    """What the third has where the first is largest."""
    y, at = torch.nn.functional.max_pool2d(_image(torch, x[0]), k, s, return_indices=True)
    return _back(_image(torch, x[2]).flatten(2).gather(2, at.flatten(2)).view(y.shape))


def _page_with_places(attrs: dict[str, Any], x: Sequence[Any]) -> Any:
    from refflow.core.registry import op_def

    return op_def("MaxPoolWithArgmax").reference(*x, **attrs)


def _gradient(kind: str, k: int, s: int) -> Slopes:
    def forward(torch: Any, x: Sequence[Any]) -> tuple[Any, Sequence[Any], Any]:
        grad = x[-1]
        given = x[0] if kind == "Max" else torch.zeros(tuple(int(d) for d in x[0]), dtype=grad.dtype).to(grad.device)
        image = _image(torch, given).detach().requires_grad_(True)
        return _pool(kind, k, s, torch, image), [image], _image(torch, grad)

    return Slopes(forward, lambda slopes: _back(slopes[0]))


def cases(small: bool) -> Iterator[Case]:
    from refflow.core.dtypes import int64

    for sizes, k, s in _POOLS:
        n, h, w, c = (max(4, shrink(d, small)) if small else d for d in sizes)
        h, w = (min(d, 8) if small else d for d in (h, w))
        out = [-(-(d + 2 * (k // 2) * (k == 3) - k + 1) // s) for d in (h, w)]
        x, dy = normal(n, h, w, c), normal(n, *out, c, seed=1)
        border = k // 2 if k == 3 else 0
        plain = {"ksize": [1, k, k, 1], "strides": [1, s, s, 1], "data_format": "NHWC"}
        told = plain | {"padding": "EXPLICIT", "explicit_paddings": [0, 0, border, border, border, border, 0, 0]}
        label = f"{'x'.join(map(str, sizes))} {k}x{k} by {s}"
        yield Case(f"MaxPool {label}", "MaxPool", (x,), told, partial(_forward, "Max", k, s))
        # The gradient of a maximum needs no y: any array of that shape stands in for it.
        yield Case(f"MaxPoolGrad {label}", "MaxPoolGrad", (x, dy, dy), told, _gradient("Max", k, s))
        if border == 0:
            named = {"ksize": [1, k, k, 1], "strides": [1, s, s, 1], "padding": "VALID"}
            more = named | {"include_batch_in_index": False, "Targmax": int64}
            slopes = (x, normal(n, *out, c), normal(n, h, w, c, seed=1))
            yield Case(f"MaxPoolGradGrad {label}", "MaxPoolGradGrad", slopes, plain | {"padding": "VALID"},
                       partial(_at_the_largest, k, s))  # fmt: skip
            yield Case(f"MaxPoolWithArgmax {label}", "MaxPoolWithArgmax", (x,), more, partial(_with_places, k, s),
                       page=partial(_page_with_places, named))  # fmt: skip
        if s == 1 or border == 0:  # else SAME has its odd cell at the other end
            same = plain | {"padding": "SAME" if border else "VALID"}
            yield Case(f"AvgPool {label}", "AvgPool", (x,), same, partial(_forward, "Avg", k, s))
            dims = np.array(x.shape, np.int32)
            yield Case(f"AvgPoolGrad {label}", "AvgPoolGrad", (dims, dy), same, _gradient("Avg", k, s))
    x = normal(*((4, 7, 7, 64) if small else (256, 7, 7, 2048)))
    whole = {"ksize": [1, 7, 7, 1], "strides": [1, 1, 1, 1], "padding": "VALID", "data_format": "NHWC"}
    yield Case("AvgPool 256x7x7x2048 whole", "AvgPool", (x,), whole, partial(_forward, "Avg", 7, 1))
