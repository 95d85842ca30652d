"""Elements and slices by several indices at once [W06].

    GatherNd        y[i...] = params[indices[i..., 0], indices[i..., 1], ...]
    ScatterNd       zeros of a shape, to which updates[i...] are added at indices[i...]

The last axis of `indices` [..., K] names K axes; what is left of the shape is a slice.

Next: ops/nd_updates.py.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import INDICES, int16
from refflow.core.errors import THIS_NODE, ShapeError
from refflow.core.indexed_slices import IndexedSlices
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.shapes import is_known
from refflow.core.signature import Attr
from refflow.core.values import blank
from refflow.ops.array import reshape, shape
from refflow.ops.cast import cast

ANY = Attr("type")


def places(indices: np.ndarray, dims: tuple[int, ...], what: str) -> tuple[np.ndarray, ...]:
    """`indices` [..., K] as K arrays, each within its axis."""
    limits = np.array(dims[: indices.shape[-1]])
    if indices.size and ((indices < 0) | (indices >= limits)).any():
        bad = np.argwhere(((indices < 0) | (indices >= limits)).any(-1))[0]
        at = f"[{','.join(map(str, bad))}]" if indices.ndim > 1 else ""
        shown = ", ".join(map(str, indices[tuple(bad)].tolist()))
        who = f", node name: {THIS_NODE}" if what == "param shape" else ""
        raise IndexError(f"indices{at} = [{shown}] does not index into {what} {shapes.text(dims)}{who}")
    return tuple(np.moveaxis(indices, -1, 0))


def _within(indices: np.ndarray, dims: tuple[int, ...]) -> Any:
    """Which indices name something that exists."""
    return ((indices >= 0) & (indices < np.array(dims[: indices.shape[-1]]))).all(-1)


def slice_dims(dims: shapes.Shape, indices: shapes.Shape) -> tuple[shapes.Dims, shapes.Dims] | None:
    """(shape of the indices without their last axis, shape of one slice of params), or None where it is open."""
    if dims == ():
        raise ShapeError("params must be at least a vector")
    if indices == ():
        raise ShapeError("indices must be at least a vector")
    if dims is None or indices is None or indices[-1] is None:
        return None
    if indices[-1] > len(dims):
        raise ShapeError(
            f"index innermost dimension length must be <= params rank; saw: {indices[-1]} vs. {len(dims)}"
        )
    if 0 in dims and is_known(dims) and is_known(indices) and 0 not in indices[:-1]:
        raise ShapeError(
            f"Requested more than 0 entries, but params is empty.  Params shape: {shapes.text(dims)}"
        )
    return indices[:-1], dims[indices[-1] :]


GATHER_ND = define_op("GatherNd", "params: Tparams, indices: Tindices -> output: Tparams", Tparams=ANY,
                      Tindices=Attr("type", allowed=(int16, *INDICES)), bad_indices_policy="",
                      source=("W06",))  # fmt: skip
GATHER_ND.moves("params")


@GATHER_ND.kernel
def gather_nd_kernel(params, indices, bad_indices_policy=""):
    if bad_indices_policy == "IGNORE":
        good = _within(indices, params.shape)
        found = blank((*indices.shape[:-1], *params.shape[indices.shape[-1] :]), params.dtype)
        found[good] = params[tuple(np.moveaxis(indices[good], -1, 0))]
        return found
    if indices.shape[-1] == 0:
        return np.broadcast_to(params, (*indices.shape[:-1], *params.shape)).copy()
    found = params[places(indices, params.shape, "param shape")]
    return found if isinstance(found, np.ndarray) else _scalar(found, params.dtype)


def _scalar(value: Any, dtype: np.dtype) -> np.ndarray:
    array = np.empty((), dtype)
    array[()] = value
    return array


@GATHER_ND.shape
def _gather_nd_shape(context: ShapeContext) -> shapes.Shape:
    cut = slice_dims(context.dims("params"), context.dims("indices"))
    return None if cut is None else (*cut[0], *cut[1])


@GATHER_ND.gradient
def _gather_nd_gradient(op, dy):
    """dparams: dy added up at the indices; rows named one by one stay IndexedSlices."""
    params, indices = op.inputs
    if indices.dims is not None and len(indices.dims) == 2 and indices.dims[1] == 1:
        return IndexedSlices(dy, reshape(indices, [-1]), sizes_of(params, indices)), None
    return SCATTER_ND(indices, dy, sizes_of(params, indices)), None


def sizes_of(params: Any, indices: Any) -> Any:
    """The shape of params in the type of the indices."""
    return cast(shape(params), indices.dtype.base_dtype)


SCATTER_ND = define_op("ScatterNd", "indices: Tindices, updates: T, shape: Tindices -> output: T", T=ANY,
                       Tindices=Attr("type", allowed=(int16, *INDICES)), bad_indices_policy="", accuracy="dot",
                       source=("W06",))  # fmt: skip


EMPTY = "Indices and updates specified for empty output"


def check_updates(indices: shapes.Shape, updates: shapes.Shape, dims: shapes.Shape) -> None:
    """ShapeError unless `updates` has a slice of `dims` for each index.

    Indices of rank 1 are as many numbers of rows, not one index of several axes.
    """
    if indices is None or updates is None or dims is None:
        return
    if not indices:
        raise ShapeError("Dimensions [0,1) of indices[shape=[]] must match dimensions [0,1) of updates")
    if not dims:
        raise ShapeError("Output must be at least 1-D, got shape: []")
    depth = indices[-1] if len(indices) > 1 else 1
    outer = indices[:-1] if len(indices) > 1 else indices
    if is_known(indices) and is_known(updates) and is_known(dims):
        sizes = [prod(d) for d in (indices, updates, dims)]  # type: ignore[arg-type]
        if 0 in sizes and sizes[0] + sizes[1]:
            raise ShapeError(f"{EMPTY}.  indices shape: {shapes.text(indices)}")
    if len(updates) < len(outer) or not shapes.compatible(updates[: len(outer)], outer):
        first = [d[0] if d else "?" for d in (indices, updates)]
        raise ShapeError(
            f"Dimensions [0,{max(len(outer), 1)}) of indices[shape={shapes.text(indices)}] = {first[0]} must match "
            f"dimensions [0,{max(len(outer), 1)}) of updates[shape={shapes.text(updates)}] = {first[1]}"
        )
    if depth is not None and (depth > len(dims) or not shapes.compatible(updates[len(outer) :], dims[depth:])):
        raise ShapeError(
            f"Dimensions [{depth},{len(dims)}) of input[shape={shapes.text(dims)}] must match dimensions "
            f"[{depth if depth > len(dims) else len(outer)},{len(updates)}) of updates[shape={shapes.text(updates)}]"
        )


def no_room(indices: shapes.Shape, updates: shapes.Shape, dims: shapes.Shape) -> bool:
    """Whether updates are given for what has no elements, or without a place for them."""
    if not (is_known(indices) and is_known(updates) and is_known(dims)):
        return False
    many, filled, room = (prod(d) for d in (indices, updates, dims))  # type: ignore[arg-type]
    return bool(filled) and (not many or not room)


def check_tensors(indices: shapes.Shape, updates: shapes.Shape, dims: shapes.Shape, first: Any) -> None:
    """As `check_updates` after `first`, where no state is changed: there, updates and indices have an axis at least."""
    for name, given in (("Indices", indices), ("Updates", updates)):
        if given == ():
            raise ShapeError(f"{name} shape must have rank at least one. Found:{shapes.text(given)}")
    first(indices, updates, dims)
    check_updates(indices, updates, dims)


UFUNCS: dict[str, Any] = {
    "Update": None, "Add": np.add, "Sub": np.subtract, "Min": np.minimum, "Max": np.maximum,
}  # fmt: skip


def heeded(kind: str, updates: np.ndarray) -> np.ndarray:
    """Updates for an extreme with what cannot win in place of NaN: a NaN never replaces what is there."""
    if kind not in ("Min", "Max") or updates.dtype.kind != "f":
        return updates
    return np.where(np.isnan(updates), updates.dtype.type(np.inf if kind == "Min" else -np.inf), updates)


def combined(kind: str, base: np.ndarray, indices: np.ndarray, updates: np.ndarray, policy: str = "") -> np.ndarray:
    """A copy of `base` with `updates` at `indices`: stored, or combined with what is there, in their order."""
    found = np.array(base, copy=True)
    combine(kind, found, indices, updates, policy)
    return found


def combine(kind: str, base: np.ndarray, indices: np.ndarray, updates: np.ndarray, policy: str = "") -> None:
    """The same where `base` lies, which stays as it is if an index is none of its own."""
    indices = indices[:, None] if indices.ndim == 1 else indices
    if policy not in ("", "DEFAULT", "ERROR", "IGNORE"):
        raise ValueError(f"Unknown bad indices handling attribute: {policy}")
    if policy == "IGNORE":
        good = _within(indices, base.shape)
        indices, updates = indices[good], updates[good]
    where = places(indices, base.shape, "shape")
    if not indices.size:
        return
    if UFUNCS[kind] is None:
        base[where] = updates
    elif where and base.flags.c_contiguous:
        slices = base.shape[len(where) :]
        first = np.ravel_multi_index(where, base.shape[: len(where)])[..., None] * prod(slices)
        elements = (first + np.arange(prod(slices))).reshape(-1)  # several times quicker than slices are
        UFUNCS[kind].at(base.reshape(-1), elements, heeded(kind, updates).reshape(-1))
    else:
        UFUNCS[kind].at(base, where, heeded(kind, updates))


@SCATTER_ND.kernel
def scatter_nd_kernel(indices, updates, shape, bad_indices_policy=""):
    """The sum of bools is whether any is true, that of strings is one after the other."""
    return combined("Add", blank(tuple(int(s) for s in shape), updates.dtype), indices, updates, bad_indices_policy)


def _check_outer(indices: shapes.Shape, updates: shapes.Shape, dims: shapes.Shape) -> None:
    if dims == ():
        raise ShapeError(f"{EMPTY} shape {shapes.text(dims)}")
    if no_room(indices, updates, dims):
        raise ShapeError(f"{EMPTY}.  indices shape: {shapes.text(indices)}")
    if not indices or not updates or dims is None:
        return
    outer = len(indices) - 1
    if not shapes.compatible(updates[:outer], indices[:-1]):
        raise ShapeError(
            f"Dimensions [0,{outer}) of indices[shape={shapes.text(indices)}] must match dimensions [0,{outer}) of "
            f"updates[shape={shapes.text(updates)}]"
        )
    depth = indices[-1] or 0
    if depth > len(dims) or (not outer and len(updates) != len(dims) - depth):
        raise ShapeError(
            f"Dimensions [{depth},{len(dims)}) of input[shape={shapes.text(dims)}] must match dimensions "
            f"[{outer},{len(updates)}) of updates[shape={shapes.text(updates)}]"
        )


@SCATTER_ND.shape
def _scatter_nd_shape(context: ShapeContext) -> shapes.Shape:
    from refflow.ops.constant import shape_from

    if len(context.dims("shape") or (1,)) != 1 or context.dims("shape") == ():
        raise ShapeError(f"Shape must be a vector, got shape {shapes.text(context.dims('shape'))}")
    dims = shape_from(context, "shape")
    check_tensors(context.dims("indices"), context.dims("updates"), dims, _check_outer)
    return dims


@SCATTER_ND.gradient
def _scatter_nd_gradient(op, dy):
    """dupdates: what lies at the indices."""
    return None, GATHER_ND(dy, op.inputs[0]), None


_P = [[1, 2], [3, 4], [5, 6]]
GATHER_ND.case("W06", "elements", Tindices="int32", params=_P, indices=[[0, 1], [2, 0]], output=[2, 5])
GATHER_ND.case("W06", "rows", Tindices="int32", params=_P, indices=[[2], [0]], output=[[5, 6], [1, 2]])
GATHER_ND.case("W06", "indices exist", Tindices="int32", params=_P, indices=[[3]],
               error="indices[0] = [3] does not index into param shape [3,2]")  # fmt: skip
SCATTER_ND.case("W06", "updates at one place add up", Tindices="int32", indices=[[1], [3], [1]], updates=[9, 10, 11],
                shape=[5], output=[0, 20, 0, 10, 0])  # fmt: skip
SCATTER_ND.case("W06", "updates fit", Tindices="int32", indices=[[1]], updates=[9, 10], shape=[5],
                error="must match dimensions [0,1) of updates[shape=[2]]")  # fmt: skip
SCATTER_ND.case("W06", "a scalar has no places", Tindices="int32", indices=[[0]], updates=[9],
                shape=np.zeros(0, np.int32), error="specified for empty output shape")  # fmt: skip
