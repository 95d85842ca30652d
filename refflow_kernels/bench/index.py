"""Rows by number: the tables of language models and recommenders, with ids that are all alike, or as words occur.

torch's own gradient of an embedding is the peer of the sum by id: it sorts, and gives the same bits each time too.

Next: refflow_kernels/bench/moves.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from refflow_kernels.bench.case import Case, normal, shrink

TABLES = ((50257, 1024), (1000000, 128), (10, 512), (30522, 768), (100000, 64))
COUNT = 8192  # ids
SEGMENTS, MANY = (100000, 64), 1 << 19  # rows of a table, and ids: more than are compared with each other


def _ids(rows: int, count: int, kind: str) -> np.ndarray:
    """Numbers of rows: any as often, or number k about 1 / k times as often as the first (Zipf)."""
    rng = np.random.default_rng(0)
    if kind == "uniform":
        return rng.integers(0, rows, count)
    return (rng.zipf(1.2, count) - 1) % rows


def cases(small: bool) -> Iterator[Case]:
    for sizes in TABLES:
        rows, width = (min(shrink(s, small), 2048) for s in sizes) if small else sizes
        for kind in ("uniform", "zipf"):
            ids = _ids(rows, 200 if small else COUNT, kind)
            label = f"{sizes[0]}x{sizes[1]} {kind}"
            yield Case(f"Gather {label}", "Gather", (normal(rows, width), ids), {},
                       lambda torch, x: x[0].index_select(0, x[1]))  # fmt: skip
            data, count = normal(len(ids), width), np.array(rows, np.int32)
            yield _sum(label, data, ids, count)
    yield from _of_segments(small)


def _of_segments(small: bool) -> Iterator[Case]:
    (rows, width), n = (50, 4) if small else SEGMENTS, 200 if small else MANY
    rng = np.random.default_rng(0)
    data, ids, count = normal(n, width), rng.integers(0, rows, n), np.array(rows, np.int32)
    label = f"{MANY} of {SEGMENTS[0]}x{SEGMENTS[1]}"
    yield _sum(label, data, ids, count)
    rising = np.sort(np.concatenate([ids[: n - rows], np.arange(rows)]))  # none without rows
    yield Case(f"SegmentMean {label}", "SegmentMean", (data, rising), {}, _torch_segments,
               outs=[(rows, width)])  # fmt: skip
    yield Case(f"SparseSegmentMean {label}", "SparseSegmentMean", (normal(rows, width), ids, rising), {}, _torch_bags,
               outs=[(rows, width)])  # fmt: skip


def _sum(label: str, data: np.ndarray, ids: np.ndarray, count: np.ndarray) -> Case:
    return Case(
        f"UnsortedSegmentSum {label}", "UnsortedSegmentSum", (data, ids, count), {},
        lambda torch, x: torch.ops.aten.embedding_dense_backward(x[0], x[1], int(x[2]), -1, False),
    )  # fmt: skip


def _torch_segments(torch: Any, x: Sequence[Any]) -> Any:
    return torch.segment_reduce(x[0], "mean", lengths=torch.bincount(x[1]), axis=0)


def _torch_bags(torch: Any, x: Sequence[Any]) -> Any:
    """Bags of words, whose vectors are averaged."""
    counts = torch.bincount(x[2])
    return torch.nn.functional.embedding_bag(x[1], x[0], counts.cumsum(0) - counts, mode="mean")
