"""Chains of elementwise steps as one kernel, torch's operations one by one; and random numbers.

torch draws other random numbers than Philox's blocks in order: its time is that of its own, its answer is ours.

Next: refflow_kernels/bench/updates.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from refflow_kernels.bench.case import Case, normal

IN, STEP = "in", "step"
ROWS, COLUMNS = 1 << 16, 512


class Chain(NamedTuple):
    """Steps as runtime/fuse.py has them, how each input lies, and the same for torch and for NumPy."""

    steps: list[tuple[Any, ...]]
    kinds: tuple[str, ...]
    torch: Callable[[Any, Sequence[Any]], Any]
    numpy: Callable[..., Any]


CHAINS = {
    "bias and relu": Chain(
        [("add", (IN, 0), (IN, 1)), ("maximum", (STEP, 0), 0)], ("whole", "row"),
        lambda torch, x: torch.relu(x[0] + x[1]), lambda x, b: np.maximum(x + b, 0),
    ),
    "slope of relu": Chain(
        [("greater", (IN, 1), 0), ("where", (STEP, 0), (IN, 0), 0)], ("whole", "whole"),
        lambda torch, x: torch.where(x[1] > 0, x[0], 0), lambda dy, y: np.where(y > 0, dy, 0),
    ),
    "tanh": Chain([("tanh", (IN, 0))], ("whole",), lambda torch, x: torch.tanh(x[0]), np.tanh),
    "gate of a recurrent cell": Chain(
        [("negative", (IN, 0)), ("exp", (STEP, 0)), ("add", (STEP, 1), 1), ("divide", 1, (STEP, 2)), ("tanh", (IN, 1)),
         ("multiply", (STEP, 3), (STEP, 4)), ("add", (STEP, 5), (IN, 2))], ("whole", "whole", "whole"),
        lambda torch, x: torch.sigmoid(x[0]) * torch.tanh(x[1]) + x[2],
        lambda x, y, z: np.tanh(y) / (1 + np.exp(-x)) + z,
    ),
    "scale and shift of columns": Chain(
        [("subtract", (IN, 0), (IN, 1)), ("multiply", (STEP, 0), (IN, 2)), ("add", (STEP, 1), (IN, 3))],
        ("whole", "row", "row", "row"),
        lambda torch, x: (x[0] - x[1]) * x[2] + x[3], lambda x, m, s, b: (x - m) * s + b,
    ),
}  # fmt: skip


def cases(small: bool) -> Iterator[Case]:
    rows = 24 if small else ROWS
    for name, chain in CHAINS.items():
        inputs = tuple(normal(*((rows, COLUMNS) if kind == "whole" else (COLUMNS,)), seed=i)
                       for i, kind in enumerate(chain.kinds))  # fmt: skip
        yield Case(f"chain: {name}", "", inputs, {}, chain.torch, setup=partial(_setup, chain, rows),
                   page=partial(_page, chain), outs=[(rows, COLUMNS)])  # fmt: skip
    for op_type, name in (("RandomUniform", "uniform_"), ("RandomStandardNormal", "normal_")):
        yield _random(op_type, name, 1 << (10 if small else 24))


def _page(chain: Chain, inputs: Sequence[Any]) -> list[Any]:
    return [chain.numpy(*inputs)]


def _setup(chain: Chain, rows: int, card: Any, inputs: Sequence[Any], out: Sequence[Any]) -> Any:
    from refflow.runtime.gpu_kernels import Chain as Kernel

    kernel = Kernel(chain.steps, chain.kinds, [len(chain.steps) - 1], rows, COLUMNS)
    return lambda: kernel(inputs, out), out


def _random(op_type: str, method: str, size: int) -> Case:
    expected: dict[str, Any] = {}

    def numbers() -> np.ndarray:
        from refflow.core.dtypes import float32
        from refflow.ops.philox import PhiloxStream
        from refflow.ops.random import RANDOM_STANDARD_NORMAL, RANDOM_UNIFORM

        op = RANDOM_UNIFORM if op_type == "RandomUniform" else RANDOM_STANDARD_NORMAL
        if "host" not in expected:
            expected["host"] = op.reference([size], float32, PhiloxStream(1, 2)).astype(np.float64)
        return expected["host"]

    def setup(card: Any, inputs: Sequence[Any], out: Sequence[Any]) -> Any:
        from refflow.ops.philox import PhiloxStream
        from refflow.runtime.gpu_kernels import place_of
        from refflow_kernels.gpu import KERNELS

        state = card.upload(place_of(PhiloxStream(1, 2), size))
        return lambda: KERNELS[op_type].function([size], state=state, out=out[0]), out

    def peer(torch: Any, x: Sequence[Any]) -> Any:
        device = str(x[0].device)
        if device not in expected:
            expected[device] = torch.from_numpy(numbers()).to(device)
            expected[f"{device} memory"] = torch.empty(size, device=device)
        getattr(expected[f"{device} memory"], method)()
        return expected[device]

    return Case(f"{op_type} {size}", op_type, (np.zeros(1, np.float32),), {}, peer, setup=setup,
                page=lambda x: [numbers()], outs=[(size,)])  # fmt: skip
