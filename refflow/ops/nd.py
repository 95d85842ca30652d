"""Elements and slices by several indices at once [W06].

    GatherNd        y[i...] = params[indices[i..., 0], indices[i..., 1], ...]
    ScatterNd       zeros of a shape, to which updates[i...] are added at indices[i...]
    TensorScatterX  a copy of a tensor with updates at indices: Update, Add, Sub, Min, Max
    ScatterNdX      the same to a variable

The last axis of `indices` [..., K] names K axes; what is left of the shape is a slice.

Next: ops/variable.py.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import INDICES, NUMBERS, bool_, int16
from refflow.core.errors import THIS_NODE, ShapeError
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.shapes import is_known
from refflow.core.signature import Attr
from refflow.core.values import blank
from refflow.ops.array import shape
from refflow.ops.constant import ZEROS_LIKE
from refflow.ops.elementwise import NEG

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
    """dparams: dy added up at the indices."""
    params, indices = op.inputs
    return SCATTER_ND(indices, dy, _sizes(params, indices)), None


def _sizes(params: Any, indices: Any) -> Any:
    from refflow.ops.elementwise import cast

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


def _no_room(indices: shapes.Shape, updates: shapes.Shape, dims: shapes.Shape) -> bool:
    """Whether updates are given for what has no elements, or without a place for them."""
    if not (is_known(indices) and is_known(updates) and is_known(dims)):
        return False
    many, filled, room = (prod(d) for d in (indices, updates, dims))  # type: ignore[arg-type]
    return bool(filled) and (not many or not room)


def _check_tensors(indices: shapes.Shape, updates: shapes.Shape, dims: shapes.Shape, first: Any) -> None:
    """As `check_updates` after `first`, where no state is changed: there, updates and indices have an axis at least."""
    for name, given in (("Indices", indices), ("Updates", updates)):
        if given == ():
            raise ShapeError(f"{name} shape must have rank at least one. Found:{shapes.text(given)}")
    first(indices, updates, dims)
    check_updates(indices, updates, dims)


_UFUNCS: dict[str, Any] = {
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
    if _UFUNCS[kind] is None:
        base[where] = updates
    else:
        _UFUNCS[kind].at(base, where, heeded(kind, updates))


@SCATTER_ND.kernel
def scatter_nd_kernel(indices, updates, shape, bad_indices_policy=""):
    """The sum of bools is whether any is true, that of strings is one after the other."""
    return combined("Add", blank(tuple(int(s) for s in shape), updates.dtype), indices, updates, bad_indices_policy)


def _check_outer(indices: shapes.Shape, updates: shapes.Shape, dims: shapes.Shape) -> None:
    if dims == ():
        raise ShapeError(f"{EMPTY} shape {shapes.text(dims)}")
    if _no_room(indices, updates, dims):
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
    _check_tensors(context.dims("indices"), context.dims("updates"), dims, _check_outer)
    return dims


@SCATTER_ND.gradient
def _scatter_nd_gradient(op, dy):
    """dupdates: what lies at the indices."""
    return None, GATHER_ND(dy, op.inputs[0]), None


# -- copies with changes --------------------------------------------------------------------------------------

def _check_inner(indices: shapes.Shape, updates: shapes.Shape, dims: shapes.Shape) -> None:
    if _no_room(indices, updates, dims):
        raise ShapeError(f"{EMPTY} shape {shapes.text(dims)}: indices {shapes.text(indices)}")
    if not indices or not updates or dims is None or indices[-1] is None:
        return
    outer, inner = len(indices) - 1, len(dims) - indices[-1]
    if not shapes.compatible(updates[:outer], indices[:-1]):
        raise ShapeError(
            f"Outer dimensions of indices and update must match. Indices shape: {shapes.text(indices)}, updates shape:"
            f"{shapes.text(updates)}"
        )
    if len(updates) - outer != inner:
        raise ShapeError(
            "Inner dimensions of output shape must match inner dimensions of updates shape. Output: "
            f"{shapes.text(dims)} updates: {shapes.text(updates)}"
        )
    if not shapes.compatible(updates[outer:], dims[indices[-1] :]):
        raise ShapeError(
            f"The inner {inner} dimensions of output.shape={shapes.text(dims)} must match the inner {inner} dimensions "
            f"of updates.shape={shapes.text(updates)}"
        )


def _tensor_scatter(kind: str) -> OpDef:
    op_def = define_op(
        f"TensorScatter{kind}", "tensor: T, indices: Tindices, updates: T -> output: T",
        T=ANY,
        Tindices=Attr("type", allowed=(int16, *INDICES)), bad_indices_policy="", accuracy="dot", source=("W06",),
    )  # fmt: skip

    def kernel(tensor, indices, updates, bad_indices_policy=""):
        return combined(kind, tensor, indices, updates, bad_indices_policy)

    op_def.kernel(kernel)

    @op_def.shape
    def rule(context: ShapeContext) -> shapes.Shape:
        dims, indices, updates = (context.dims(name) for name in ("tensor", "indices", "updates"))
        _check_tensors(indices, updates, dims, _check_inner)
        return dims

    return op_def


TENSOR_SCATTER = {kind: _tensor_scatter(kind) for kind in _UFUNCS}


@TENSOR_SCATTER["Update"].gradient
def _tensor_scatter_update_gradient(op, dy):
    """Where it was updated dy goes to the updates, elsewhere to the tensor."""
    _, indices, updates = op.inputs
    return TENSOR_SCATTER["Update"](dy, indices, ZEROS_LIKE(updates)), None, GATHER_ND(dy, indices)


@TENSOR_SCATTER["Add"].gradient
def _tensor_scatter_add_gradient(op, dy):
    """dy goes to both."""
    return dy, None, GATHER_ND(dy, op.inputs[1])


@TENSOR_SCATTER["Sub"].gradient
def _tensor_scatter_sub_gradient(op, dy):
    """dy goes to the tensor, and negative to the updates."""
    return dy, None, NEG(GATHER_ND(dy, op.inputs[1]))


def _extreme_gradient(op: Any, dy: Any) -> Any:
    """dy goes to whichever holds the extreme, shared where several do."""
    from refflow.ops.elementwise import cast
    from refflow.ops.logic import EQUAL

    tensor, indices, updates = op.inputs
    y = op.outputs[0]
    held = cast(EQUAL(tensor, y), y.dtype)
    reached = cast(EQUAL(updates, GATHER_ND(y, indices)), y.dtype)
    holders = held + SCATTER_ND(indices, reached, _sizes(y, indices))
    share = dy / holders
    return held * share, None, reached * GATHER_ND(share, indices)


TENSOR_SCATTER["Min"].gradient(_extreme_gradient)
TENSOR_SCATTER["Max"].gradient(_extreme_gradient)


# -- variables ------------------------------------------------------------------------------------------------


def _ref_scatter(kind: str, types: Any) -> OpDef:
    op_def = define_op(
        f"ScatterNd{kind}", "ref: Ref(T), indices: Tindices, updates: T -> output_ref: Ref(T)", T=types,
        Tindices=INDICES, use_locking=kind == "Update", bad_indices_policy="", accuracy="dot", source=("W11",),
    )  # fmt: skip

    def kernel(ref, indices, updates, bad_indices_policy=""):
        return combined(kind, ref, indices, updates, bad_indices_policy)

    op_def.kernel(kernel)

    @op_def.shape
    def rule(context: ShapeContext) -> shapes.Shape:
        dims = context.dims("ref")
        check_updates(context.dims("indices"), context.dims("updates"), dims)
        return dims

    op_def.no_gradient_registered()
    return op_def


REF_SCATTER_ND = {kind: _ref_scatter(kind, ANY if kind == "Update" else NUMBERS)
                  for kind in _UFUNCS}  # fmt: skip
NON_ALIASING_ADD = define_op("ScatterNdNonAliasingAdd", "input: T, indices: Tindices, updates: T -> output: T",
                             T=(*NUMBERS, bool_), Tindices=INDICES, bad_indices_policy="", accuracy="dot",
                             source=("W06",))  # fmt: skip


@NON_ALIASING_ADD.kernel
def scatter_nd_non_aliasing_add_kernel(input, indices, updates):
    return combined("Add", input, indices, updates)


@NON_ALIASING_ADD.shape
def _non_aliasing_shape(context: ShapeContext) -> shapes.Shape:
    check_updates(context.dims("indices"), context.dims("updates"), context.dims("input"))
    return context.dims("input")


@NON_ALIASING_ADD.gradient
def _non_aliasing_gradient(op, dy):
    """dy goes to both."""
    return _tensor_scatter_add_gradient(op, dy)


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
for _kind, _wanted in {"Update": [1, 9, 8], "Add": [1, 11, 11], "Sub": [1, -7, -5], "Min": [1, 2, 3],
                       "Max": [1, 9, 8]}.items():  # fmt: skip
    TENSOR_SCATTER[_kind].case("W06", "a changed copy", Tindices="int32", tensor=[1, 2, 3], indices=[[1], [2]],
                               updates=[9, 8], output=_wanted)  # fmt: skip
    REF_SCATTER_ND[_kind].case("W11", "a changed variable", Tindices="int32", ref=[1, 2, 3], indices=[[1], [2]],
                               updates=[9, 8], output_ref=_wanted)  # fmt: skip
NON_ALIASING_ADD.case("W06", "a changed copy", Tindices="int32", input=[1, 2], indices=[[1]], updates=[5],
                      output=[1, 7])  # fmt: skip
