"""The largest of each row, and whether a class is among them.

Equal values keep the order of their places: the lower index comes first.

Next: ops/activations.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import FLOATS, INDICES, REALS, int16, int32
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_checks import either, need_equal, need_rank, size_at
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr

TOP_K = define_op("TopK", "input: T -> values: T, indices: int32", k=Attr("int", minimum=0), sorted=True, T=REALS,
                  source=("W06",))  # fmt: skip
TOP_K_V2 = define_op(
    "TopKV2", "input: T, k: Tk -> values: T, indices: index_type", sorted=True, T=REALS,
    Tk=Attr("type", default=int32, allowed=(int16, *INDICES)),
    index_type=Attr("type", default=int32, allowed=(int16, *INDICES)), source=("W06",),
)  # fmt: skip
APPROX_TOP_K = define_op(
    "ApproxTopK", "input: T -> values: T, indices: int32", k=Attr("int", minimum=0), reduction_dimension=-1,
    recall_target=0.95, is_max_k=True, reduction_input_size_override=-1, aggregate_to_topk=True, T=FLOATS,
    source=("W06",),
)  # fmt: skip
IN_TOP_K = define_op("InTopK", "predictions: float32, targets: T -> precision: bool[N]", k=Attr("int"),
                     T=Attr("type", default=int32, allowed=INDICES), source=("W06",))  # fmt: skip
IN_TOP_K_V2 = define_op("InTopKV2", "predictions: float32, targets: T, k: T -> precision: bool[N]",
                        T=Attr("type", default=int32, allowed=INDICES), source=("W06",))  # fmt: skip
NTH_ELEMENT = define_op("NthElement", "input: T, n: int32 -> values: T", reverse=False, T=REALS, source=("W06",))
IN_TOP_K.no_gradient_registered()
IN_TOP_K_V2.no_gradient_registered()


def top(input: np.ndarray, k: int, index_type: Any = np.int32) -> list[np.ndarray]:
    """Values and places of the k largest along the last axis, largest first."""
    if input.shape[-1] < k:
        raise ValueError(f"input must have at least k columns. Had {input.shape[-1]}, needed {k}")
    # Sorting the negated ranks is stable for every type; unsigned numbers have no negatives.
    order = input.shape[-1] - 1 - np.argsort(input[..., ::-1], axis=-1, kind="stable")[..., ::-1]
    places = order[..., :k]
    return [np.ascontiguousarray(np.take_along_axis(input, places, -1)), places.astype(index_type)]


@TOP_K.kernel
def top_k_kernel(input, k):
    return top(input, k)


@TOP_K_V2.kernel
def top_k_v2_kernel(input, k, index_type=int32):
    if int(k) < 0:
        raise ValueError(f"Need k >= 0, got {int(k)}")
    return top(input, int(k), index_type.as_numpy_dtype)


@APPROX_TOP_K.kernel
def approx_top_k_kernel(input, k, reduction_dimension=-1, is_max_k=True):
    """The exact answer, which every recall target admits."""
    moved = np.moveaxis(input, reduction_dimension, -1)
    values, places = top(moved if is_max_k else -moved, k)
    values = values if is_max_k else -values
    return [np.ascontiguousarray(np.moveaxis(v, -1, reduction_dimension)) for v in (values, places)]


def _top_shapes(context: ShapeContext, k: int | None, axis: int = -1) -> list[shapes.Shape]:
    dims = context.dims("input")
    if dims is None:
        return [None, None]
    if not dims:
        raise ShapeError("input must be >= 1-D, got shape []")
    axis %= len(dims)
    size = dims[axis]
    if k is not None and size is not None and size < k:
        raise ShapeError(f"input must have at least k columns. Had {size}, needed {k}")
    return [(*dims[:axis], k, *dims[axis + 1 :])] * 2


@TOP_K.shape
def _top_k_shape(context: ShapeContext) -> list[shapes.Shape]:
    return _top_shapes(context, context.attrs["k"])


@APPROX_TOP_K.shape
def _approx_shape(context: ShapeContext) -> list[shapes.Shape]:
    return _top_shapes(context, context.attrs["k"], context.attrs["reduction_dimension"])


@TOP_K_V2.shape
def _top_k_v2_shape(context: ShapeContext) -> list[shapes.Shape]:
    given = context.dims("k")
    if given:
        raise ShapeError(f"k must be scalar, got shape {shapes.text(given)}")
    k = context.ints("k")
    if k is not None and k[0] < 0:
        raise ShapeError(f"Need k >= 0, got {k[0]}")
    return _top_shapes(context, None if k is None else k[0])


def _gradient(op: Any, dvalues: Any, _: Any) -> Any:
    """dinput: dvalues at their places, zero elsewhere."""
    from refflow.ops.array import reshape, shape, size
    from refflow.ops.cast import cast
    from refflow.ops.constant import FILL
    from refflow.ops.joining import concat
    from refflow.ops.nd import SCATTER_ND
    from refflow.ops.range import range_
    from refflow.ops.slicing import slice_

    x, places = op.inputs[0], cast(op.outputs["indices"], int32)
    sizes = shape(x)
    rank = size(sizes)
    length = slice_(sizes, rank - FILL([1], 1), [1])
    count = slice_(shape(places), rank - FILL([1], 1), [1])
    flat_places = reshape(places, concat(0, [np.array([-1], np.int32), count]))
    rows = reshape(slice_(shape(flat_places), [0], [1]), [])
    begins = reshape(range_(0, rows), [-1, 1]) * length
    where = reshape(flat_places + begins, [-1, 1])
    total = reshape(size(x), [1])
    dx = reshape(SCATTER_ND(where, reshape(dvalues, [-1]), total), sizes)
    return [dx] + [None] * (len(op.inputs) - 1)


TOP_K.gradient(_gradient)
TOP_K_V2.gradient(_gradient)
APPROX_TOP_K.gradient(_gradient)


def _in_top(predictions: np.ndarray, targets: np.ndarray, k: int) -> np.ndarray:
    """True where fewer than k classes score strictly higher; never for what is not finite or not a class."""
    known = (targets >= 0) & (targets < predictions.shape[1])
    if not predictions.size:
        return known
    score = predictions[np.arange(len(targets)), np.where(known, targets, 0)]
    finite = np.isfinite(predictions.max(axis=1)) & np.isfinite(predictions.min(axis=1))
    higher = np.array([np.count_nonzero(row > own) for row, own in zip(predictions, score, strict=True)])
    return known & np.isfinite(score) & finite & (higher < k)


@IN_TOP_K.kernel
def in_top_k_kernel(predictions, targets, k):
    return _in_top(predictions, targets, k)


@IN_TOP_K_V2.kernel
def in_top_k_v2_kernel(predictions, targets, k):
    return _in_top(predictions, targets, int(k))


@IN_TOP_K.shape
@IN_TOP_K_V2.shape
def _in_top_k_shape(context: ShapeContext) -> shapes.Shape:
    scores, targets = context.dims("predictions"), context.dims("targets")
    need_rank(scores, 2, "predictions must be 2-dimensional, got {0}")
    need_rank(targets, 1, "targets must be 1-dimensional, got {0}")
    if context.op_def is IN_TOP_K_V2 and context.dims("k"):
        raise ShapeError(f"k must be 0-D, got shape {shapes.text(context.dims('k'))}")
    need_equal(size_at(scores, 0), size_at(targets, 0),
               "First dimension of predictions {0} must match length of targets {1}")  # fmt: skip
    return (either(size_at(scores, 0), size_at(targets, 0)),)


@NTH_ELEMENT.kernel
def nth_element_kernel(input, n, reverse=False):
    """The n-th smallest of each row, or largest, counted from 0."""
    if not 0 <= int(n) < input.shape[-1]:
        raise ValueError(f"Input must have last dimension > n = {int(n)}, got {input.shape[-1]} columns")
    place = input.shape[-1] - 1 - int(n) if reverse else int(n)
    return np.asarray(np.partition(input, place, axis=-1)[..., place], order="C")


@NTH_ELEMENT.shape
def _nth_element_shape(context: ShapeContext) -> shapes.Shape:
    dims, given, n = context.dims("input"), context.dims("n"), context.ints("n")
    if given:
        raise ShapeError(f"N must be scalar but has rank {len(given)}")
    if n is not None and n[0] < 0:
        raise ShapeError(f"n must be non-negative but is {n[0]}")
    if dims == ():
        raise ShapeError("Input must be at least rank 1 but is rank 0")
    if context.building and n is not None and dims is not None and dims[-1] is not None and dims[-1] <= n[0]:
        raise ShapeError(f"Input must have last dimension > n = {n[0]} but is {dims[-1]}")
    return None if dims is None else dims[:-1]


@NTH_ELEMENT.gradient
def _nth_element_gradient(op, dy):
    """A row's gradient is shared evenly among the elements that have the value."""
    from refflow.ops.array import expand_dims
    from refflow.ops.cast import cast
    from refflow.ops.logic import EQUAL
    from refflow.ops.reductions import reduce_sum

    x = op.inputs[0]
    here = cast(EQUAL(expand_dims(op.outputs[0], -1), x), dy.dtype)
    return here / expand_dims(reduce_sum(here, [-1]), -1) * expand_dims(dy, -1), None


TOP_K.case("W06", "largest first, the earlier of equals first", input=[1, 5, 3, 5], k=3, values=[5, 5, 3],
           indices=[1, 3, 2])  # fmt: skip
TOP_K.case("W06", "no more than there are", input=[1, 2], k=3, error="input must have at least k columns")
TOP_K_V2.case("W06", "of each row", input=[[1, 3, 2], [9, 7, 8]], k=2, values=[[3, 2], [9, 8]],
              indices=[[1, 2], [0, 2]])  # fmt: skip
APPROX_TOP_K.case("W06", "of each row", input=[[1, 3, 2], [9, 7, 8]], k=2, values=[[3, 2], [9, 8]],
                  indices=[[1, 2], [0, 2]])  # fmt: skip
IN_TOP_K.case("W06", "of no classes none", predictions=np.zeros((2, 0), np.float32), targets=[0, 1], k=1,
              precision=[False, False])  # fmt: skip
IN_TOP_K.case("W06", "ties count for the target", predictions=[[0.1, 0.8, 0.8], [0.9, 0.1, 0.0]], targets=[2, 1], k=1,
              precision=[True, False])  # fmt: skip
IN_TOP_K_V2.case("W06", "a class that does not exist", predictions=[[0.1, 0.9]], targets=[5], k=1, precision=[False])
NTH_ELEMENT.case("W06", "counted from 0", input=[[3, 1, 2], [9, 7, 8]], n=1, values=[2, 8])
