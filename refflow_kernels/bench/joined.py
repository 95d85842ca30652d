"""Products with the chains behind them: layers, residuals and slopes, each one kernel here; torch's own, call by call.

    bias and relu     maximum(a b + bias, 0)                torch: addmm, relu; conv2d with bias, relu
    residual          maximum(a b + bias + r, 0)            and an addition
    slope of relu     where(y > 0, a b, 0)                  and a choice

Next: refflow_kernels/bench/convolutions.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from math import prod
from typing import Any

import numpy as np

from refflow_kernels.bench.case import Case, normal, shrink

_IN, _STEP = "in", "step"
_CHAINS: dict[str, tuple[list[tuple[Any, ...]], list[str]]] = {  # steps, and how inputs lie: the product is the first
    "bias and relu": ([("add", (_IN, 0), (_IN, 1)), ("maximum", (_STEP, 0), 0)], ["product", "row"]),
    "residual": ([("add", (_IN, 0), (_IN, 1)), ("add", (_STEP, 0), (_IN, 2)), ("maximum", (_STEP, 1), 0)],
                 ["product", "row", "whole"]),
    "slope of relu": ([("greater", (_IN, 1), 0), ("where", (_STEP, 0), (_IN, 0), 0)], ["product", "whole"]),
}  # fmt: skip
_PRODUCTS = (  # M, K, N
    (8192, 8192, 8192), (65536, 1024, 1024), (8192, 512, 8192), (128, 784, 512), (256, 2048, 1000), (16, 4096, 4096),
)  # fmt: skip
_LAYERS = (  # images, their height and width, channels, filters, the window's
    (64, 56, 64, 64, 3), (64, 28, 128, 128, 3), (64, 14, 256, 256, 3), (64, 56, 64, 256, 1), (1, 14, 256, 256, 3),
)  # fmt: skip


def cases(small: bool) -> Iterator[Case]:
    for dtype in ("bfloat16", "float32"):
        for M, K, N in _PRODUCTS:
            m, k, n = (shrink(s, small) for s in (M, K, N))
            operands = normal(m, k), normal(k, n, seed=1)
            for name in _CHAINS:
                yield _case(f"MatMul {M}x{K}x{N}, {name} {dtype}", "MatMul", operands, (m, n), name,
                            {"transpose_a": False, "transpose_b": False}, _addmm, np.matmul, dtype, k)  # fmt: skip
        for images, space, channels, filters, size in _LAYERS:
            label = f"Conv2D {images} {size}x{size} {space} {channels}-{filters}"
            if small:
                images, space, channels, filters = 1, size + 2, min(channels, 40), min(filters, 40)
            operands = normal(images, space, space, channels), normal(size, size, channels, filters, seed=1)
            attrs = {"strides": [1] * 4, "padding": "SAME", "data_format": "NHWC", "dilations": [1] * 4}
            for name in list(_CHAINS)[:2]:
                yield _case(f"{label}, {name} {dtype}", "Conv2D", operands, (images, space, space, filters), name,
                            attrs, _conv2d(), _by_taps, dtype, size * size * channels)  # fmt: skip


def _case(
    label: str, op_type: str, operands: tuple[Any, ...], out: tuple[int, ...], name: str, attrs: dict[str, Any],
    product: Callable[..., Any], exact: Callable[..., Any], dtype: str, depth: int,
) -> Case:  # fmt: skip
    steps, kinds = _CHAINS[name]
    others = [normal(*(out if kind == "whole" else out[-1:]), seed=7 + i) for i, kind in enumerate(kinds[1:])]

    def peer(torch: Any, x: Sequence[Any]) -> Any:
        has_bias = kinds[1] == "row"
        y = product(torch, x[0], x[1], x[2] if has_bias else None)
        if name == "slope of relu":
            return torch.where(x[2] > 0, y, 0)
        return torch.relu(y + x[3] if len(x) > 3 else y)

    def page(x: Sequence[Any]) -> Any:
        y = exact(x[0], x[1])
        return [np.where(x[2] > 0, y, 0)] if name == "slope of relu" else [np.maximum(y + sum(x[2:]), 0)]

    setup = partial(_setup, op_type, attrs, steps, kinds)
    return Case(f"joined: {label}", op_type, (*operands, *others), attrs, peer, dtype, 2.0 * prod(out) * depth,
                setup=setup, page=page, outs=[out])  # fmt: skip


def _setup(
    op_type: str, attrs: dict[str, Any], steps: Any, kinds: Sequence[str], card: Any, x: Sequence[Any], out: Any
) -> Any:
    from refflow.core.formula import triton_line
    from refflow_kernels.gpu import KERNELS
    from refflow_kernels.gpu.epilogues import Epilogue, function_of, source

    lines = [triton_line(number, step) for number, step in enumerate(steps)]
    text = source(kinds, lines, [f"s{len(steps) - 1}"], str(x[0].dtype).rpartition(".")[2])
    kernel, epilogue = KERNELS[op_type], Epilogue(function_of(text), tuple(x[2:]))
    assert kernel.workspace is not None
    need = kernel.workspace(x[:2], **attrs)
    more = {"workspace": card.empty(*need)} if need else {}
    return lambda: kernel.function(*x[:2], **attrs, **more, out=out[0], epilogue=epilogue), out


def _addmm(torch: Any, a: Any, b: Any, bias: Any) -> Any:
    return a @ b if bias is None else torch.addmm(bias, a, b)


def _conv2d() -> Callable[..., Any]:
    """torch's convolution on the same memory, as its channels_last; filters in its order are made once."""
    kept: dict[Any, tuple[Any, Any]] = {}

    def conv2d(torch: Any, x: Any, w: Any, bias: Any) -> Any:
        if id(w) not in kept:
            kept[id(w)] = w.permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last), w
        y = torch.nn.functional.conv2d(x.permute(0, 3, 1, 2), kept[id(w)][0], bias, padding=w.shape[0] // 2)
        return y.permute(0, 2, 3, 1)

    return conv2d


def _by_taps(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The convolution by its definition, with stride 1 and odd windows."""
    (height, width), around = w.shape[:2], w.shape[0] // 2
    padded = np.pad(x, ((0, 0), (around, around), (around, around), (0, 0)))
    places = ((i, j) for i in range(height) for j in range(width))
    return sum(padded[:, i : i + x.shape[1], j : j + x.shape[2]] @ w[i, j] for i, j in places)
