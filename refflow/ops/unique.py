"""Which values there are, where, and how often.

    Unique      values in the order of their first coming, and for each element its value's number
    ListDiff    the values of x that y lacks, and where they stand in x
    Where       the places of what is true or not zero, row by row
    DynamicPartition   rows sorted into so many tensors by number

Next: ops/spaces.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import INDICES, bool_, int32, int64
from refflow.core.errors import ShapeError
from refflow.core.graph import Tensor
from refflow.core.opdef import define_op
from refflow.core.shape_checks import need_rank
from refflow.core.shape_rules import ShapeContext, axes_of
from refflow.core.signature import Attr
from refflow.ops.array import ANY, INDEX

UNIQUE = define_op("Unique", "x: T[N] -> y: T, idx: out_idx[N]", T=ANY, out_idx=INDEX, source=("W06",))
UNIQUE_V2 = define_op("UniqueV2", "x: T, axis: Taxis -> y: T, idx: out_idx", T=ANY, out_idx=INDEX,
                      Taxis=Attr("type", default=int64, allowed=INDICES), source=("W06",))  # fmt: skip
UNIQUE_WITH_COUNTS = define_op("UniqueWithCounts", "x: T[N] -> y: T, idx: out_idx[N], count: out_idx", T=ANY,
                               out_idx=INDEX, source=("W06",))  # fmt: skip
UNIQUE_WITH_COUNTS_V2 = define_op(
    "UniqueWithCountsV2", "x: T, axis: Taxis -> y: T, idx: out_idx, count: out_idx", T=ANY, out_idx=INDEX,
    Taxis=Attr("type", default=int64, allowed=INDICES), source=("W06",),
)  # fmt: skip
LIST_DIFF = define_op("ListDiff", "x: T[N], y: T[M] -> out: T, idx: out_idx", T=ANY, out_idx=INDEX, source=("W06",))
WHERE = define_op("Where", "input: T -> index: int64", T=Attr("type", default=bool_), source=("W06",))
DYNAMIC_PARTITION = define_op(
    "DynamicPartition", "data: T, partitions: int32 -> outputs: num_partitions * T",
    num_partitions=Attr("int", minimum=1), T=ANY, source=("W06",),
)  # fmt: skip
_FEW = 600  # elements
DYNAMIC_PARTITION.moves("data")
for _op in (UNIQUE, UNIQUE_V2, UNIQUE_WITH_COUNTS, UNIQUE_WITH_COUNTS_V2, LIST_DIFF, WHERE):
    _op.no_gradient_registered()


def _by_first(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places of first comings in order, each element's number, and how often each value is there."""
    if x.dtype == object or x.ndim > 1:
        x = x + 0 if x.dtype.kind == "f" else x  # both zeros are one value
        keys = [v if x.ndim == 1 else v.tobytes() if x.dtype != object else tuple(v.reshape(-1)) for v in x]
        numbers: dict[Any, int] = {}
        inverse = np.array([numbers.setdefault(k, len(numbers)) for k in keys], np.int64)
        first = np.full(len(numbers), len(keys), np.int64)
        np.minimum.at(first, inverse, np.arange(len(keys)))
        return first, inverse, np.bincount(inverse, minlength=len(numbers))
    places = _in_order(x)
    ordered = x[places]
    starts = np.flatnonzero(np.concatenate([np.ones(min(len(x), 1), bool), ordered[1:] != ordered[:-1]]))
    counts = np.diff(starts, append=len(x))
    first = places[starts]
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    inverse = np.empty(len(x), np.int64)
    inverse[places] = np.repeat(rank, counts)
    return first[order], inverse, counts[order]


def _in_order(x: np.ndarray) -> np.ndarray:
    """The places of x by value, of equal ones the first first.

    Whole numbers are sorted with their places behind them in one number, which is much quicker than a stable sort.
    """
    if x.dtype.kind not in "iu" or not len(x):
        return np.argsort(x, kind="stable")
    bits = (len(x) - 1).bit_length()
    if (int(x.max()) - int(x.min())).bit_length() + bits >= 63:
        return np.argsort(x, kind="stable")
    keys = ((x.astype(np.int64) - x.min().astype(np.int64)) << bits) | np.arange(len(x))
    keys.sort()
    return keys & ((1 << bits) - 1)


def _unique_of_few(x: np.ndarray, kind: Any) -> list[np.ndarray]:
    """The same for a few whole numbers, of which a dictionary is quicker than a sort."""
    values = x.tolist()
    numbers = {value: number for number, value in enumerate(dict.fromkeys(values))}
    return [np.array(list(numbers), x.dtype), np.array([numbers[value] for value in values], kind)]


def _unique(x: Any, out_idx: Any, axis: int | None = None) -> list[np.ndarray]:
    moved = x if axis is None else np.moveaxis(x, axis, 0)
    first, inverse, counts = _by_first(moved)
    y = moved[first] if axis is None else np.moveaxis(moved[first], 0, axis)
    kind = out_idx.as_numpy_dtype
    return [np.array(y, copy=True, order="C"), inverse.astype(kind), counts.astype(kind)]


def _axis_of(x: Any, axis: Any) -> int | None:
    if np.ndim(axis) != 1:
        raise ValueError("axis expects a 1D vector.")
    if np.size(axis) == 0:
        if x.ndim != 1:
            raise ValueError("unique expects a 1D vector.")
        return None
    if np.size(axis) > 1:
        raise ValueError("axis does not support input tensors larger than 1 elements")
    at = int(np.reshape(axis, ()))
    if not -x.ndim <= at < x.ndim:
        raise ValueError(f"axis has to be between [0, {x.ndim}), got {at}")
    return at % x.ndim


@UNIQUE.kernel
def unique_kernel(x, out_idx=int32):
    if x.ndim == 1 and x.dtype.kind in "iu" and len(x) <= _FEW:
        return _unique_of_few(x, out_idx.as_numpy_dtype)
    return _unique(x, out_idx)[:2]


@UNIQUE_WITH_COUNTS.kernel
def unique_with_counts_kernel(x, out_idx=int32):
    return _unique(x, out_idx)


@UNIQUE_V2.kernel
def unique_v2_kernel(x, axis, out_idx=int32):
    return _unique(x, out_idx, _axis_of(x, axis))[:2]


@UNIQUE_WITH_COUNTS_V2.kernel
def unique_with_counts_v2_kernel(x, axis, out_idx=int32):
    return _unique(x, out_idx, _axis_of(x, axis))


def _unique_shapes(context: ShapeContext) -> list[shapes.Shape]:
    x = context.dims("x")
    more = len(context.op_def.outputs) - 2
    if "axis" in {a.name for a in context.op_def.inputs}:
        axis = context.ints("axis")
        whole = None if x is None else (None,) * len(x)
        if context.building and x is not None and axis:
            axes_of(axis[:1], len(x), "axis")
        length = x[axis[0]] if x and axis and -len(x) <= axis[0] < len(x) else None
        return [whole, (length,), *[(None,)] * more]
    need_rank(x, 1, "unique expects a 1D vector. Got shape {0}")
    context.match("x", "N")
    return [(None,), context.shape("N"), *[(None,)] * more]


for _op in (UNIQUE, UNIQUE_V2, UNIQUE_WITH_COUNTS, UNIQUE_WITH_COUNTS_V2):
    _op.shape(_unique_shapes)


@LIST_DIFF.kernel
def list_diff_kernel(x, y, out_idx=int32):
    if x.dtype == object:
        others = set(y.tolist())
        keep = np.array([v not in others for v in x], bool)
    else:
        keep = ~np.isin(x, y)
    return x[keep], np.flatnonzero(keep).astype(out_idx.as_numpy_dtype)


@LIST_DIFF.shape
def _list_diff_shape(context: ShapeContext) -> list[shapes.Shape]:
    for name in ("x", "y"):
        dims = context.dims(name)
        if dims is not None and len(dims) != 1:
            raise ShapeError(f"{name} should be a 1D vector, got shape {shapes.text(dims)}")
    return [(None,), (None,)]


@WHERE.kernel
def where_kernel(input):
    return np.argwhere(input).astype(np.int64, order="C")


@WHERE.shape
def _where_shape(context: ShapeContext) -> shapes.Shape:
    dims = context.dims("input")
    return (None, None if dims is None else len(dims))


@DYNAMIC_PARTITION.kernel
def dynamic_partition_kernel(data, partitions, num_partitions):
    flat = np.reshape(partitions, -1)
    if flat.size and (flat.min() < 0 or flat.max() >= num_partitions):
        bad = np.argwhere((partitions < 0) | (partitions >= num_partitions))[0]
        at = f"[{','.join(map(str, bad))}]" if len(bad) else ""
        wrong = int(np.asarray(partitions)[tuple(bad)])
        raise ValueError(f"partitions{at} = {wrong} is not in [0, {num_partitions})")
    rows = data.reshape(flat.size, *data.shape[np.ndim(partitions) :])
    return [rows[flat == i] for i in range(num_partitions)]


@DYNAMIC_PARTITION.shape
def _dynamic_partition_shape(context: ShapeContext) -> list[shapes.Shape]:
    data, partitions, count = context.dims("data"), context.dims("partitions"), context.attrs["num_partitions"]
    if data is None or partitions is None:
        return [None] * count
    if not shapes.compatible(data[: len(partitions)], partitions):
        raise ShapeError(
            f"data.shape must start with partitions.shape, got data.shape = {shapes.text(data)}, partitions.shape = "
            f"{shapes.text(partitions)}"
        )
    return [(None, *data[len(partitions) :])] * count


@DYNAMIC_PARTITION.gradient
def _dynamic_partition_gradient(op, *dys):
    """The parts are stitched together again."""
    from refflow.ops.array import reshape, shape, size
    from refflow.ops.dynamic_stitch import dynamic_stitch
    from refflow.ops.range import range_

    data, partitions = op.inputs
    places = reshape(range_(0, size(partitions)), shape(partitions))
    parts = DYNAMIC_PARTITION(places, partitions, num_partitions=op.attrs["num_partitions"])
    return reshape(dynamic_stitch(parts, list(dys)), shape(data)), None


UNIQUE.case("W06", "in order of first coming", x=[1, 1, 2, 4, 4, 7], y=[1, 2, 4, 7], idx=[0, 0, 1, 2, 2, 3])
UNIQUE_V2.case("W06", "rows", Taxis="int32", x=[[1, 0], [1, 0], [2, 0]], axis=[0], y=[[1, 0], [2, 0]], idx=[0, 0, 1])
UNIQUE_WITH_COUNTS.case("W06", "how often", x=[5, 3, 5], y=[5, 3], idx=[0, 1, 0], count=[2, 1])
UNIQUE_WITH_COUNTS_V2.case("W06", "how often", Taxis="int32", x=[5, 3, 5], axis=[0], y=[5, 3], idx=[0, 1, 0],
                           count=[2, 1])  # fmt: skip
LIST_DIFF.case("W06", "what y lacks", x=[1, 2, 3, 4, 5, 6], y=[1, 3, 5], out=[2, 4, 6], idx=[1, 3, 5])
WHERE.case("W06", "places", input=[[True, False], [False, True]], index=[[0, 0], [1, 1]])
DYNAMIC_PARTITION.case("W06", "sorted by number", data=[10, 20, 30], partitions=[1, 0, 1], num_partitions=2,
                       outputs=[[20], [10, 30]])  # fmt: skip
DYNAMIC_PARTITION.case("W06", "numbers in range", data=[1, 2], partitions=[0, 2], num_partitions=2,
                       error="partitions[1] = 2 is not in [0, 2)")  # fmt: skip


def unique(x: Any, name: str | None = None) -> Any:
    """(y, idx): the values of the vector `x` in order of first coming, and for each element the number of its value."""
    return UNIQUE(x, name=name)


def listdiff(x: Any, y: Any, name: str | None = None) -> Any:
    """(out, idx): the values of `x` that are not in `y`, in order, and where they stand in `x`."""
    return LIST_DIFF(x, y, name=name)


def where(input: Any, name: str | None = None) -> Tensor:
    """The places [n, rank] of what is true in `input`, row by row, int64."""
    return WHERE(input, name=name)


def dynamic_partition(data: Any, partitions: Any, num_partitions: int, name: str | None = None) -> list[Tensor]:
    """`num_partitions` tensors: the rows of `data`, each in the one whose number `partitions` gives it."""
    return DYNAMIC_PARTITION(data, partitions, num_partitions=num_partitions, name=name)
