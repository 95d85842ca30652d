"""Counting: how many values fall into each bin, and numbers at equal distances.

    Bincount            how often 0, 1, 2, ... occur, or the sum of their weights
    HistogramFixedWidth equal bins over a range; what lies outside counts for the outermost ones
    Bucketize           for each value the number of boundaries at or below it
    LinSpace            `num` numbers from start to stop

Next: ops/unique.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import FLOATS, INDICES, float32, float64, int32, int64
from refflow.core.errors import InternalError, ShapeError
from refflow.core.graph import Tensor
from refflow.core.opdef import define_op, define_variant
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.dynamic_stitch import DYNAMIC_STITCH

_COUNTED = (int32, int64, float32, float64)
BINCOUNT = define_op("Bincount", "arr: int32, size: int32[], weights: T -> bins: T", T=_COUNTED, accuracy="dot",
                     source=("W06",))  # fmt: skip
DENSE_BINCOUNT = define_op("DenseBincount", "input: Tidx, size: Tidx[], weights: T -> output: T", Tidx=INDICES,
                           T=_COUNTED,
                           binary_output=False, accuracy="dot", source=("W06",))  # fmt: skip
HISTOGRAM = define_op("HistogramFixedWidth", "values: T, value_range: T, nbins: int32 -> out: dtype", T=_COUNTED,
                      dtype=Attr("type", default=int32, allowed=INDICES), source=("W06",))  # fmt: skip
BUCKETIZE = define_op("Bucketize", "input: T[...S] -> output: int32[...S]", T=_COUNTED, boundaries=Attr("list(float)"),
                      source=("W06",))  # fmt: skip
LIN_SPACE = define_op("LinSpace", "start: T[], stop: T[], num: Tidx[] -> output: T", T=FLOATS,
                      Tidx=Attr("type", default=int32, allowed=INDICES), accuracy="rounded",
                      source=("W06",))  # fmt: skip
PARALLEL_STITCH = define_variant("ParallelDynamicStitch", DYNAMIC_STITCH)
for _op in (BINCOUNT, DENSE_BINCOUNT, HISTOGRAM, BUCKETIZE):
    _op.no_gradient_registered()
LIN_SPACE.no_gradient()


def _size(size: Any) -> int:
    if int(size) < 0:
        raise ValueError(f"size ({int(size)}) must be non-negative")
    return int(size)


def _counts(values: np.ndarray, size: int, weights: np.ndarray, binary: bool = False) -> np.ndarray:
    if values.size and values.min() < 0:
        raise ValueError("Input arr must be non-negative!")
    if not weights.size and not binary:
        inside = values if values.max(initial=-1) < size else values[values < size]
        return np.bincount(inside, minlength=size).astype(weights.dtype)
    found = np.zeros(size, weights.dtype)
    keep = values < size
    if binary:
        found[values[keep]] = 1
    else:
        np.add.at(found, values[keep], weights.reshape(values.shape)[keep])
    return found


@BINCOUNT.kernel
def bincount_kernel(arr, size, weights):
    if weights.size not in (0, arr.size):
        raise ValueError("Input indices and weights must have the same size.")
    return _counts(arr.reshape(-1), _size(size), weights.reshape(-1))


@DENSE_BINCOUNT.kernel
def dense_bincount_kernel(input, size, weights, binary_output=False):
    """One row of counts for a vector, or for each row of a matrix."""
    count = _size(size)
    if input.ndim > 2:
        raise ValueError("Shape must be at most rank 2")
    if weights.size and weights.shape != input.shape:
        raise ValueError(
            "`weights` must be the same shape as `arr` or a length-0 `Tensor`, in which case it acts as all weights "
            f"equal to 1. Received {shapes.text(weights.shape)}"
        )
    if input.ndim < 2:
        return _counts(input.reshape(-1), count, weights.reshape(-1), binary_output)
    if input.size and input.min() < 0:
        wrong = int(input[input < 0][0])
        raise ValueError(f"Input 'in' must be non-negative! Negative input value found: {wrong}")
    rows = [_counts(r, count, weights[i] if weights.size else weights.reshape(-1), binary_output)
            for i, r in enumerate(input)]  # fmt: skip
    return np.stack(rows) if rows else np.zeros((0, count), weights.dtype)


@BINCOUNT.shape
def _bincount_shape(context: ShapeContext) -> shapes.Shape:
    context.match("size")
    return (context.count("size"),)


@DENSE_BINCOUNT.shape
def _dense_bincount_shape(context: ShapeContext) -> shapes.Shape:
    context.match("size")
    dims, count = context.dims("input"), context.count("size")
    if dims is None:
        return None
    if len(dims) > 2:
        raise ShapeError(f"Shape must be at most rank 2 but is rank {len(dims)}")
    return (dims[0], count) if len(dims) == 2 else (count,)


_TOGETHER = 1 << 15  # values at a time, in a core's cache


@HISTOGRAM.kernel
def histogram_kernel(values, value_range, nbins, dtype=int32):
    count = int(nbins)
    if count <= 0:
        raise ValueError(f"nbins should be a positive number, but got '{count}'")
    low, high = value_range
    if values.dtype.kind == "f" and np.isnan(values).any():
        raise ValueError("Histogram values must not contain NaN")
    if not low < high:
        raise ValueError(f"value_range should satisfy value_range[0] < value_range[1], but got '[{low:g}, {high:g}]'")
    step = (float(high) - float(low)) / count
    found = np.zeros(count, np.int64)
    for some in np.array_split(values.reshape(-1), -(-values.size // _TOGETHER) or 1):
        places = (some.astype(np.float64) - float(low)) / step
        np.clip(np.floor(places, out=places), 0, count - 1, out=places)
        found += np.bincount(places.astype(np.int64), minlength=count)
    return found.astype(dtype.as_numpy_dtype)


@HISTOGRAM.shape
def _histogram_shape(context: ShapeContext) -> shapes.Shape:
    if not shapes.compatible(context.dims("value_range"), (2,)):
        raise ShapeError("value_range should be a vector of 2 elements.")
    if context.dims("nbins"):
        raise ShapeError("nbins should be a scalar.")
    count = context.count("nbins")
    if context.building and count == 0:
        raise ShapeError("Requires nbins > 0: 0")
    return (count or None,)


@BUCKETIZE.kernel
def bucketize_kernel(input, boundaries):
    edges = np.array(boundaries, np.float32)
    if np.any(edges[1:] < edges[:-1]):
        raise ValueError("Expected sorted boundaries")
    return np.searchsorted(edges.astype(np.float64), input.astype(np.float64), side="right").astype(np.int32)


@LIN_SPACE.kernel
def lin_space_kernel(start, stop, num):
    count = int(num)
    if count <= 0:
        raise ValueError(f"Requires num > 0: {count}")
    kind = np.asarray(start).dtype
    wide = np.float64 if kind == np.float64 else np.float32
    found = np.asarray(start, wide) + np.arange(count, dtype=wide) * (
        (np.asarray(stop, wide) - np.asarray(start, wide)) / wide(max(count - 1, 1))
    )
    if count > 1:
        found[-1] = stop
    return found.astype(kind)


@LIN_SPACE.shape
def _lin_space_shape(context: ShapeContext) -> shapes.Shape:
    for name in ("start", "stop", "num"):
        context.match(name)
    count = context.ints("num")
    if count is not None and count[0] <= 0:
        raise ShapeError(f"Requires num > 0: {count[0]}")
    return (None if count is None else count[0],)


# -- distance between sequences -----------------------------------------------------------------------------------

EDIT_DISTANCE = define_op(
    "EditDistance", "hypothesis_indices: int64[N, R], hypothesis_values: T[N], hypothesis_shape: "
    "int64[R], truth_indices: "
    "int64[M, R], truth_values: T[M], truth_shape: int64[R] -> output: float32", normalize=True, T=Attr("type"),
    source=("W06",),
)  # fmt: skip
EDIT_DISTANCE.no_gradient()


@EDIT_DISTANCE.kernel
def edit_distance_kernel(
    hypothesis_indices, hypothesis_values, hypothesis_shape, truth_indices, truth_values, truth_shape, normalize=True
):
    """Levenshtein's distance of the sequences along the last axis, for each place of the others."""
    for name, shape in (("truth", truth_shape), ("hypothesis", hypothesis_shape)):
        if len(shape) < 2:
            raise ValueError(
                f"Input SparseTensors must have rank at least 2, but {name}_shape rank is: {len(shape)}"
            )
        if (shape < 0).any():
            raise ValueError(f"Dimension {int(shape[shape < 0][0])} must be >= 0")
    dims = np.maximum(hypothesis_shape[:-1], truth_shape[:-1])
    for places in (truth_indices[:, :-1], hypothesis_indices[:, :-1]):
        _check_inside(places, dims)
    found = np.zeros(tuple(int(d) for d in dims), np.float32)
    ours, theirs = _sequences(hypothesis_indices, hypothesis_values), _sequences(truth_indices, truth_values)
    for place, said, true in _side_by_side(ours, theirs):
        distance = float(_levenshtein(said, true))
        if normalize:
            distance = distance / len(true) if true else np.inf if said else 0.0
        found[place] = distance
    return found


def _check_inside(places: np.ndarray, dims: np.ndarray) -> None:
    """InternalError where a sequence has no place in the output, which lies there as one row."""
    strides = np.cumprod([1, *dims[:0:-1]])[::-1] if len(dims) else np.ones(0, np.int64)
    flat = places @ strides.astype(np.int64)
    outside = (flat < 0) | (flat >= max(int(np.prod(dims)), 0))
    if outside.any():
        raise InternalError(
            None, None, f"Got an inner product {flat[outside][0]} which would require writing to outside of the buffer "
            f"for the output tensor (max elements {int(np.prod(dims))})",
        )  # fmt: skip


def _sequences(indices: np.ndarray, values: np.ndarray) -> list[tuple[tuple[int, ...], list[Any]]]:
    """Neighbours with one place, as a sequence of that place."""
    pairs = zip(map(tuple, indices[:, :-1].tolist()), values.tolist(), strict=True)
    return [(place, [value for _, value in group]) for place, group in groupby(pairs, key=lambda pair: pair[0])]


def _side_by_side(ours: Any, theirs: Any) -> Iterator[tuple[Any, list[Any], list[Any]]]:
    """(place, hypothesis, truth) in one pass over both; where places are not in order, what comes last counts."""
    i = j = 0
    while i < len(ours) or j < len(theirs):
        here, there = (ours[i][0] if i < len(ours) else None), (theirs[j][0] if j < len(theirs) else None)
        mine = there is None or (here is not None and here <= there)
        yours = here is None or (there is not None and there <= here)
        yield (here if mine else there), (ours[i][1] if mine else []), (theirs[j][1] if yours else [])
        i, j = i + mine, j + yours


def _levenshtein(a: list[Any], b: list[Any]) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


@EDIT_DISTANCE.shape
def _edit_distance_shape(context: ShapeContext) -> shapes.Shape:
    for name in ("hypothesis", "truth"):
        for part, rank, kind in (("indices", 2, "matrix"), ("values", 1, "vector"), ("shape", 1, "vector")):
            dims = context.dims(f"{name}_{part}")
            if dims is not None and len(dims) != rank:
                raise ShapeError(f"{name}_{part} should be a {kind}, but got shape: {shapes.text(dims)}")
        rows, count = context.dims(f"{name}_indices"), context.dims(f"{name}_values")
        if rows and count and None not in (rows[0], count[0]) and rows[0] != count[0]:
            raise ShapeError(
                f"Expected {name}_values.NumElements == #rows({name}_indices), their shapes are: {shapes.text(count)} "
                f"and {shapes.text(rows)}"
            )
        size = context.dims(f"{name}_shape")
        if rows and size and None not in (rows[1], size[0]) and rows[1] != size[0]:
            raise ShapeError(
                f"Expected {name}_shape.NumElements == #cols({name}_indices), their shapes are: {shapes.text(size)} "
                f"and {shapes.text(rows)}"
            )
        context.match(f"{name}_indices", "?", "R")
        context.match(f"{name}_shape", "R")
    ours, theirs = context.ints("hypothesis_shape"), context.ints("truth_shape")
    if ours is None or theirs is None:
        return None
    return tuple(max(a, b) for a, b in zip(ours[:-1], theirs[:-1], strict=True))


FACT = define_op("Fact", "-> fact: string[]", source=("W06",))
FACT.no_gradient_registered()


@FACT.kernel
def fact_kernel():
    """0! is 1, as the first release's example of a user's op says."""
    found = np.empty((), object)
    found[()] = b"0! == 1"
    return found


BINCOUNT.case("W06", "how often", arr=[1, 1, 3], size=4, weights=np.zeros(0, np.int32), bins=[0, 2, 0, 1])
BINCOUNT.case("W06", "by weight", arr=[1, 1, 0], size=2, weights=[0.5, 1, 2], T="float32", bins=[2, 1.5])
DENSE_BINCOUNT.case("W06", "each row", Tidx="int32", input=[[1, 1], [0, 5]], size=2, weights=np.zeros(0, np.int32),
                    output=[[0, 2], [1, 0]])  # fmt: skip
HISTOGRAM.case("W06", "outside counts for the ends", values=[-1, 0, 1.5, 2, 5, 15], T="float32", value_range=[0, 5],
               nbins=5, out=[2, 1, 1, 0, 2])  # fmt: skip
BUCKETIZE.case("W06", "boundaries at or below", input=[-5, 10, 150], boundaries=[0.0, 10.0, 100.0], T="int32",
               output=[0, 2, 3])  # fmt: skip
LIN_SPACE.case("W06", "both ends", start=10, stop=12, num=3, output=[10, 11, 12])
LIN_SPACE.case("W06", "at least one", start=10, stop=12, num=0, error="Requires num > 0: 0")
EDIT_DISTANCE.case("W06", "one letter of two is wrong", hypothesis_indices=np.array([[0, 0], [0, 1]]),
                   hypothesis_values=[1, 2], hypothesis_shape=np.array([1, 2]), truth_indices=np.array([[0, 0],
                   [0, 1]]),
                   truth_values=[1, 3], truth_shape=np.array([1, 2]), output=[0.5])  # fmt: skip
EDIT_DISTANCE.case("W06", "places that go back are met too late", hypothesis_indices=np.array([[1, 0], [0, 1]]),
                   hypothesis_values=[1, 2], hypothesis_shape=np.array([2, 2]), truth_indices=np.array([[0, 0],
                   [1, 0]]), truth_values=[1, 3], truth_shape=np.array([2, 2]), output=[np.inf, 1])  # fmt: skip
EDIT_DISTANCE.case("W06", "sequences have a place", hypothesis_indices=np.array([[1, 0]]), hypothesis_values=[1],
                   hypothesis_shape=np.array([1, 2]), truth_indices=np.array([[0, 0]]), truth_values=[1],
                   truth_shape=np.array([1, 2]), error="Got an inner product 1 which would require")  # fmt: skip
FACT.case("W06", "a fact", fact=np.array(b"0! == 1", object))


def linspace(start: Any, stop: Any, num: Any, name: str | None = None) -> Tensor:
    """`num` numbers at equal distances, the first `start`, the last `stop`."""
    return LIN_SPACE(start, stop, num, name=name)
