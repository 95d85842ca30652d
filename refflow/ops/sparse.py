"""Sparse tensors: three tensors, indices [N, R], values [N] and shape [R], that stand for one [W06].

    SparseToDense      values at their places, a default elsewhere
    SparseReorder      places in row-major order
    SparseReshape      the same elements in another shape

`numbered` gives each place a number that grows in row-major order, equal for equal places: sorting, merging and
grouping become work on vectors of integers, whatever the rank and however large the shape.

Next: ops/sparse_join.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import INDICES
from refflow.core.errors import ShapeError
from refflow.core.graph import Tensor
from refflow.core.opdef import define_op
from refflow.core.shape_checks import need_equal, need_rank, size_at
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.gather import gather

ANY = Attr("type")

# -- places ----------------------------------------------------------------------------------------------------------


def numbered(*blocks: np.ndarray) -> list[np.ndarray]:
    """For each block of places [N, R] their numbers: smaller for earlier ones, the same for the same place.

    >>> [n.tolist() for n in numbered(np.array([[2, 0], [0, 5]]), np.array([[0, 5], [7, 1]]))]
    [[1, 0], [0, 2]]
    """
    places = np.concatenate(blocks)
    if not places.shape[1]:
        return [np.zeros(len(b), np.int64) for b in blocks]
    order = np.lexsort(places.T[::-1])
    steps = (np.diff(places[order], axis=0) != 0).any(axis=1)
    numbers = np.empty(len(places), np.int64)
    numbers[order] = np.concatenate([[0], np.cumsum(steps)])[: len(places)]
    return np.split(numbers, np.cumsum([len(b) for b in blocks])[:-1])


def ravelled(indices: np.ndarray, dims: Any) -> np.ndarray:
    """Row-major numbers of places [N, R] in an array of shape `dims`."""
    strides = np.ones(len(dims), np.int64)
    for i in range(len(dims) - 2, -1, -1):
        strides[i] = strides[i + 1] * np.int64(dims[i + 1])
    return indices.astype(np.int64) @ strides if len(dims) else np.zeros(len(indices), np.int64)


def unravelled(numbers: np.ndarray, dims: Any) -> np.ndarray:
    """Places [N, R] of row-major numbers; the first axis takes what is left."""
    found = np.zeros((len(numbers), len(dims)), np.int64)
    for i in range(len(dims) - 1, -1, -1):
        if i == 0:
            found[:, 0] = numbers
        else:
            found[:, i], numbers = numbers % int(dims[i]), numbers // int(dims[i])
    return found


def first_outside(indices: np.ndarray, dims: Any) -> int | None:
    """Which place is the first outside the shape."""
    bad = ((indices < 0) | (indices >= np.asarray(dims))).any(axis=1)
    return int(bad.argmax()) if bad.any() else None


def check_sizes(dims: Any) -> None:
    """ValueError for sizes below 0, or too many to number all elements."""
    total = 1
    for size in map(int, dims):
        if size < 0:
            raise ValueError(f"Expected shape dimensions to be non-negative, got {size}")
        if total * size >= 2**63:
            raise ValueError(f"Encountered overflow when multiplying {total} with {size}, result: -1")
        total *= size


def check_bounds(indices: np.ndarray, dims: Any) -> None:
    """ValueError for a place outside the shape, as SparseTensor-valued ops tell it."""
    at = first_outside(indices, dims)
    if at is not None:
        shown = ", ".join(map(str, indices[at].tolist()))
        raise ValueError(f"Sparse index tuple indices[{at}, :] = [{shown}] is out of bounds")


def _are_in_order(indices: np.ndarray, dims: Sequence[int]) -> bool:
    """True where the places' row-major numbers rise, and all lie within the shape."""
    if min(dims, default=0) <= 0 or prod(dims) >= 2**63 or indices.shape[1] != len(dims):
        return False
    if not ((indices >= 0) & (indices < np.array(dims))).all():
        return False
    numbers = indices.astype(np.int64, copy=False) @ np.array([prod(dims[i + 1 :]) for i in range(len(dims))])
    return bool((numbers[1:] > numbers[:-1]).all())


def check_order(indices: np.ndarray, dims: Any) -> None:
    """ValueError for the first place that is out of bounds, out of order or repeated."""
    if _are_in_order(indices, [int(d) for d in dims]):
        return
    outside = first_outside(indices, dims)
    before, after = indices[:-1], indices[1:]
    rises = np.zeros(len(before), bool)
    for column in reversed(range(indices.shape[1])):
        same = after[:, column] == before[:, column]
        rises = (after[:, column] > before[:, column]) | (same & rises)
    back = np.flatnonzero(~rises)[:1] + 1
    wrong = [i for i in (outside, *map(int, back)) if i is not None]
    if not wrong:
        return
    i = min(wrong)
    place = f"indices[{i}] = {shapes.text(indices[i])}"
    if i == outside:
        raise ValueError(f"{place} is out of bounds: need 0 <= index < {shapes.text(dims)}")
    if (indices[i] == indices[i - 1]).all():
        raise ValueError(f"{place} is repeated")
    raise ValueError(
        f"{place} is out of order. Many sparse ops require sorted indices.\n"
        "    Use `tf.sparse.reorder` to create a correctly ordered copy.\n\n"
    )


# -- shapes ----------------------------------------------------------------------------------------------------------


def sparse_parts(context: ShapeContext, names: Sequence[str] = ("indices", "values", "shape")) -> Any:
    """(N, R) of the three inputs with these names, checked to be the parts of one sparse tensor."""
    indices, values, dims = (context.dims(n) for n in names)
    for part, rank, what in ((indices, 2, "indices"), (values, 1, "values"), (dims, 1, "shape")):
        if part is not None and len(part) != rank:
            raise ShapeError(f"Sparse {what} must be rank {rank} but is rank {len(part)}")
    return same_counts(indices, values, dims)


def same_counts(
    indices: shapes.Shape,
    values: shapes.Shape,
    dims: shapes.Shape,
    counts: str = "Number of elements in indices ({0}) and values ({1}) do not match",
    ranks: str = "Index rank ({0}) and shape rank ({1}) do not match",
) -> tuple[int | None, int | None]:
    """(N, R) of a sparse tensor's parts; ShapeError in the given words where they disagree."""
    need_equal(size_at(indices, 0), size_at(values, 0), counts)
    need_equal(size_at(indices, 1), size_at(dims, 0), ranks)
    n = size_at(indices, 0)
    rank = size_at(indices, 1)
    return (size_at(values, 0) if n is None else n), (size_at(dims, 0) if rank is None else rank)


# -- to dense --------------------------------------------------------------------------------------------------------

SPARSE_TO_DENSE = define_op(
    "SparseToDense", "sparse_indices: Tindices, output_shape: Tindices, sparse_values: T, default_value: T -> dense: T",
    validate_indices=True, T=ANY, Tindices=Attr("type", allowed=INDICES), source=("W06",),
)  # fmt: skip
REORDER = define_op("SparseReorder", "input_indices: int64, input_values: T, input_shape: int64 "
                    "-> output_indices: int64, output_values: T", T=ANY, source=("W06",))  # fmt: skip
RESHAPE = define_op("SparseReshape", "input_indices: int64, input_shape: int64, new_shape: int64 "
                    "-> output_indices: int64, output_shape: int64", source=("W06",))  # fmt: skip


@SPARSE_TO_DENSE.kernel
def sparse_to_dense_kernel(sparse_indices, output_shape, sparse_values, default_value, validate_indices=True):
    """Indices may be a matrix, a vector for rank 1, or one number; values one for all or one each."""
    places = sparse_indices if sparse_indices.ndim == 2 else sparse_indices.reshape(-1, 1)
    if validate_indices:
        check_order(places, output_shape)
    elif first_outside(places, output_shape) is not None:
        raise ValueError(f"Indices are not valid (out of bounds).  Shape: {shapes.text(output_shape)}")
    found = np.full(tuple(int(d) for d in output_shape), default_value, sparse_values.dtype)
    found[tuple(places.T)] = sparse_values
    return found


@SPARSE_TO_DENSE.shape
def _sparse_to_dense_shape(context: ShapeContext) -> shapes.Shape:
    from refflow.ops.constant import shape_from

    indices, values, dims = (context.dims(n) for n in ("sparse_indices", "sparse_values", "output_shape"))
    if indices is not None and len(indices) > 2:
        raise ShapeError(f"sparse_indices should be a scalar, vector, or matrix, got shape {shapes.text(indices)}")
    need_rank(dims, 1, "output_shape must be rank 1, got shape {0}")
    if indices is not None:
        depth = indices[1] if len(indices) == 2 else 1
        need_equal(size_at(dims, 0), depth, "output_shape has incorrect number of elements: {0} should be: {1}")
        count = indices[0] if indices else 1
        if values and not shapes.compatible(values, (count,)):
            raise ShapeError(f"sparse_values has incorrect shape {shapes.text(values)}, should be [] or [{count}]")
    need_rank(context.dims("default_value"), 0, "default_value should be a scalar.")
    return shape_from(context, "output_shape")


@SPARSE_TO_DENSE.gradient
def _sparse_to_dense_gradient(op, dy):
    """Values get what stands at their places, the default all the rest."""
    from refflow.ops.nd import GATHER_ND
    from refflow.ops.reductions import reduce_sum

    indices, _, values, _ = op.inputs
    at = GATHER_ND(dy, indices)
    taken = reduce_sum(at) if values.dims == () and indices.dims != () else at
    return None, None, taken, reduce_sum(dy) - reduce_sum(at)


# -- order and shape -------------------------------------------------------------------------------------------------


@REORDER.kernel
def sparse_reorder_kernel(input_indices, input_values, input_shape):
    (numbers,) = numbered(input_indices)
    order = np.argsort(numbers, kind="stable")
    return input_indices[order], input_values[order]


@REORDER.shape
def _reorder_shape(context: ShapeContext) -> list[shapes.Shape]:
    count, rank = sparse_parts(context, ("input_indices", "input_values", "input_shape"))
    return [(count, rank), (count,)]


@REORDER.gradient
def _reorder_gradient(op, _, dvalues):
    """Each value's gradient goes back to where the value came from."""
    from refflow.ops.array import size
    from refflow.ops.range import range_
    from refflow.ops.transpose import INVERT_PERMUTATION

    indices, values, dims = op.inputs
    _, moved = REORDER(indices, range_(0, size(values)), dims)
    return None, gather(dvalues, INVERT_PERMUTATION(moved)), None


def product(sizes: Any) -> int:
    found = 1
    for size in sizes:
        found *= int(size)
    return found


def inferred(new_shape: Any, old_shape: Any) -> list[int]:
    """`new_shape` with its -1 filled in, so that it holds as many elements as `old_shape`."""
    wanted, total = [int(d) for d in new_shape], product(old_shape)
    open_at = [i for i, d in enumerate(wanted) if d == -1]
    for i, d in enumerate(wanted):
        if d < -1:
            raise ValueError(f"size {i} must be non-negative, not {d}")
    if len(open_at) > 1:
        raise ValueError(f"only one output dimension may be -1, not both {open_at[0]} and {open_at[1]}")
    if open_at:
        rest = product(d for d in wanted if d != -1)
        if rest == 0:
            raise ValueError("reshape cannot infer the missing input size for an empty tensor unless all specified "
                             "input sizes are non-zero")  # fmt: skip
        wanted[open_at[0]] = total // rest
        if total % rest:
            raise ValueError(
                f"Input to reshape is a SparseTensor with {total} dense values, but the requested shape requires a "
                f"multiple of {rest}. input_shape={shapes.text(old_shape)} output_shape={shapes.text(wanted)}"
            )
    if product(wanted) != total:
        raise ValueError(
            f"Input to reshape is a tensor with {total} dense values, but the requested shape has {product(wanted)}. "
            f"input_shape={shapes.text(old_shape)} output_shape={shapes.text(wanted)}"
        )
    return wanted


@RESHAPE.kernel
def sparse_reshape_kernel(input_indices, input_shape, new_shape):
    """A place keeps its row-major number."""
    check_sizes(input_shape)
    wanted = inferred(new_shape, input_shape)
    if len(input_indices) and (not product(input_shape) or not product(wanted)):
        raise ValueError(
            f"Input tensor has {len(input_indices)} non zero elements but input shape ({shapes.text(input_shape)}) or "
            f"output shape ({shapes.text(wanted)}) is empty"
        )
    return unravelled(ravelled(input_indices, input_shape), wanted), np.array(wanted, np.int64)


@RESHAPE.shape
def _sparse_reshape_shape(context: ShapeContext) -> list[shapes.Shape]:
    indices, dims, wanted = (context.dims(n) for n in ("input_indices", "input_shape", "new_shape"))
    need_rank(indices, 2, "Input must be a matrix.")
    need_rank(dims, 1, "Input shape must be a vector.")
    need_rank(wanted, 1, "Target shape should be a vector but received shape {0}")
    need_equal(size_at(indices, 1), size_at(dims, 0), "Input tensor rank must match input shape length.")
    rank = size_at(wanted, 0)
    return [(size_at(indices, 0), rank), (rank,)]


RESHAPE.no_gradient()

_I, _D = np.array([[0, 1], [2, 0]]), np.array([3, 2])
SPARSE_TO_DENSE.case("W06", "values at their places", Tindices="int64", sparse_indices=_I, output_shape=_D,
                     sparse_values=[5, 6], default_value=9, dense=[[9, 5], [9, 9], [6, 9]])  # fmt: skip
SPARSE_TO_DENSE.case("W06", "places come once", Tindices="int64", sparse_indices=np.array([[0], [0]]),
                     output_shape=np.array([2]), sparse_values=[1, 2], default_value=0,
                     error="indices[1] = [0] is repeated")  # fmt: skip
SPARSE_TO_DENSE.case("W06", "places come in order", Tindices="int64", sparse_indices=_I[::-1].copy(),
                     output_shape=_D, sparse_values=[1, 2], default_value=0,
                     error="indices[1] = [0,1] is out of order")  # fmt: skip
REORDER.case("W06", "row by row", input_indices=_I[::-1].copy(), input_values=[6, 5], input_shape=_D, output_indices=_I,
             output_values=[5, 6])  # fmt: skip
RESHAPE.case("W06", "another shape", input_indices=_I, input_shape=_D, new_shape=np.array([2, -1]),
             output_indices=np.array([[0, 1], [1, 1]]), output_shape=np.array([2, 3]))  # fmt: skip
RESHAPE.case("W06", "no element gets lost", input_indices=_I, input_shape=_D, new_shape=np.array([5]),
             error="Input to reshape is a tensor with 6 dense values, but the requested shape has 5")  # fmt: skip


def sparse_to_dense(
    sparse_indices: Any, output_shape: Any, sparse_values: Any, default_value: Any = 0, name: str | None = None
) -> Tensor:
    """A dense tensor with `sparse_values` at `sparse_indices` and `default_value` elsewhere [W06].

    sparse_indices: int32 or int64 [N, R], [N] or []; output_shape: [R], of the same type; sparse_values: [N] or [].
    Indices are in row-major order and come once, else the step fails with InvalidArgumentError.
    """
    return SPARSE_TO_DENSE(sparse_indices, output_shape, sparse_values, default_value, name=name)
