"""Changes of rows and elements, stitches, segments' extremes and slopes, frames of mirror images.

Both sides write over the arrays that a scatter changes. torch's own scatters add by atomics in whatever order comes;
its `index_put_` with `accumulate` sorts, and is the peer of sums.

Next: refflow_kernels/bench/bands.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from refflow_kernels.bench.case import Case, made, normal, shrink

TABLE, COUNT = (100000, 64), 8192  # rows and their width; ids


def cases(small: bool) -> Iterator[Case]:
    (rows, width), count = (40, 4) if small else TABLE, 30 if small else COUNT
    yield from _scattered(rows, width, count)
    yield from _stitched(rows, width)
    yield from _segments(rows, width, count if small else 1 << 19)
    yield from _mirrored(small)


# -- rows of a table -----------------------------------------------------------------------------------------------


def _scattered(rows: int, width: int, count: int) -> Iterator[Case]:
    rng = np.random.default_rng(0)
    ids, once = rng.integers(0, rows, count), rng.permutation(rows)[:count]
    label, table = f"{COUNT} of {'x'.join(map(str, TABLE))}", normal(rows, width)

    def factors() -> np.ndarray:
        return 1 + normal(count, width, seed=1) / 64

    updates, near_1 = normal(count, width, seed=1), made((count, width), factors)
    for op_type, given, of, peer in (
        ("ScatterAdd", ids, updates, lambda torch, x: x[0].index_put_((x[1],), x[2], accumulate=True)),
        ("ScatterSub", ids, updates, lambda torch, x: x[0].index_put_((x[1],), -x[2], accumulate=True)),
        ("ScatterMul", ids, near_1, lambda torch, x: x[0].index_reduce_(0, x[1], x[2], "prod")),
        ("ScatterMax", ids, updates, lambda torch, x: x[0].index_reduce_(0, x[1], x[2], "amax")),
        ("ScatterUpdate", once, updates, lambda torch, x: x[0].index_copy_(0, x[1], x[2])),
    ):
        yield _changed(f"{op_type} {label}", op_type, (table, given, of), peer)
    pairs, elements = np.stack([ids, rng.integers(0, width, count)], axis=1), normal(count, seed=1)
    yield _changed(f"ScatterNdAdd of elements {label}", "ScatterNdAdd", (table, pairs, elements),
                   lambda torch, x: x[0].index_put_((x[1][:, 0], x[1][:, 1]), x[2], accumulate=True))  # fmt: skip


def _changed(label: str, op_type: str, inputs: Sequence[Any], peer: Callable[[Any, Sequence[Any]], Any]) -> Case:
    """A case whose result lies where its first input lay."""

    def setup(card: Any, inputs: Sequence[Any], _: Sequence[Any]) -> Any:
        from refflow_kernels.gpu import KERNELS

        kernel = KERNELS[op_type]
        need = kernel.workspace(inputs) if kernel.workspace else None
        scratch = {} if need is None else {"workspace": card.empty(*need)}
        return lambda: kernel.function(*inputs, out=inputs[0], **scratch), inputs[:1]

    def page(inputs: Sequence[Any]) -> Any:
        from refflow.core.registry import op_def

        return op_def(op_type).reference(*inputs)

    return Case(label, op_type, tuple(inputs), {}, peer, setup=setup, page=page, outs=())


# -- pieces --------------------------------------------------------------------------------------------------------


def _stitched(rows: int, width: int) -> Iterator[Case]:
    """The rows of four tables, laid into one in another order."""
    order = np.random.default_rng(0).permutation(rows - rows % 4)
    places, data = np.split(order, 4), [normal(len(order) // 4, width, seed=i) for i in range(4)]

    def setup(card: Any, inputs: Sequence[Any], out: Sequence[Any]) -> Any:
        from refflow_kernels.gpu.stitch import dynamic_stitch, stitch_workspace

        apart = [inputs[:4], inputs[4:]]
        need = stitch_workspace(apart)
        workspace = None if need is None else card.empty(*need)
        return lambda: dynamic_stitch(apart[0], apart[1], out=out[0], workspace=workspace), out

    def page(x: Sequence[Any]) -> list[Any]:
        found = np.zeros((len(order), width))
        found[np.concatenate(x[:4])] = np.concatenate(x[4:])
        return [found]

    yield Case(f"DynamicStitch 4 of {'x'.join(map(str, TABLE))}", "DynamicStitch", (*places, *data), {}, _torch_stitch,
               setup=setup, page=page, outs=[(len(order), width)])  # fmt: skip


def _torch_stitch(torch: Any, x: Sequence[Any]) -> Any:
    rows = torch.cat(list(x[4:]))
    return torch.empty_like(rows).index_copy_(0, torch.cat(list(x[:4])), rows)


def _segments(rows: int, width: int, count: int) -> Iterator[Case]:
    rng = np.random.default_rng(0)
    ids = np.concatenate([rng.integers(0, rows, max(0, count - rows)), np.arange(rows)])  # none without rows
    data, label = normal(len(ids), width), f"{1 << 19} into {'x'.join(map(str, TABLE))}"
    yield Case(f"UnsortedSegmentMax {label}", "UnsortedSegmentMax", (data, ids, np.array(rows, np.int32)), {},
               _torch_most, page=_page_most, outs=[(rows, width)])  # fmt: skip
    rising = np.sort(ids)
    for op_type, kind in (("SegmentSum", "sum"), ("SegmentMax", "max")):
        yield Case(f"{op_type} {label}", op_type, (data, rising), {},
                   partial(_torch_segments, kind), outs=[(rows, width)])  # fmt: skip


def _torch_segments(kind: str, torch: Any, x: Sequence[Any]) -> Any:
    return torch.segment_reduce(x[0], kind, lengths=torch.bincount(x[1]), axis=0)


def _torch_most(torch: Any, x: Sequence[Any]) -> Any:
    lowest = torch.full((int(x[2]), x[0].shape[1]), -torch.inf, dtype=x[0].dtype, device=x[0].device)
    return lowest.index_reduce_(0, x[1], x[0], "amax")


def _page_most(x: Sequence[Any]) -> list[Any]:
    found = np.full((int(x[2]), x[0].shape[1]), -np.inf)
    np.maximum.at(found, x[1], x[0])
    return [found]


# -- frames --------------------------------------------------------------------------------------------------------


def _mirrored(small: bool) -> Iterator[Case]:
    """Images channels last; torch mirrors the last axes, and is given them channels first."""
    n, size, c = (2, 6, 3) if small else (32, 112, 64)
    x, frame = normal(n, size, size, c), np.array([[0, 0], [2, 2], [2, 2], [0, 0]], np.int32)

    def peer(torch: Any, x: Sequence[Any]) -> Any:
        framed = torch.nn.functional.pad(x[0].permute(0, 3, 1, 2), (2, 2, 2, 2), mode="reflect")
        return framed.permute(0, 2, 3, 1).contiguous()

    yield Case("MirrorPad 32x112x112x64 by 2", "MirrorPad", (x, frame), {"mode": "REFLECT"}, peer)
    first = shrink(4096, small)
    line = normal(first, shrink(4096, small))
    yield Case("Roll 4096x4096 by 3", "Roll", (line, np.array([3]), np.array([1])), {},
               lambda torch, x: x[0].roll(3, 1))  # fmt: skip
