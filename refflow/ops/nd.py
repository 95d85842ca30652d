"""Elements and slices by several indices at once [W06].

    GatherNd        y[i...] = params[indices[i..., 0], indices[i..., 1], ...]
    ScatterNd       zeros of a shape, to which updates[i...] are added at indices[i...]
    TensorScatterX  a copy of a tensor with updates at indices: Update, Add, Sub, Min, Max
    ScatterNdX      the same to a variable

The last axis of `indices` [..., K] names K axes; what is left of the shape is a slice.

Next: ops/variable.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import INDICES, NUMBERS, REALS, bool_, int16
from refflow.core.errors import ShapeError
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.core.values import blank
from refflow.ops.array import shape
from refflow.ops.constant import ZEROS_LIKE
from refflow.ops.elementwise import NEG

ANY = Attr("type")


def places(indices: np.ndarray, dims: tuple[int, ...], name: str = "indices") -> tuple[np.ndarray, ...]:
    """`indices` [..., K] as K arrays, each within its axis."""
    depth = indices.shape[-1]
    limits = np.array(dims[:depth])
    if indices.size and ((indices < 0) | (indices >= limits)).any():
        bad = np.argwhere(((indices < 0) | (indices >= limits)).any(-1))[0]
        at = ",".join(map(str, bad))
        shown = ", ".join(map(str, indices[tuple(bad)].tolist()))
        raise IndexError(
            f"{name}[{at}] = [{shown}] does not index into param shape {shapes.text(dims).replace(' ', '')}"
        )
    return tuple(np.moveaxis(indices, -1, 0))


def _slice_dims(dims: shapes.Shape, indices: shapes.Shape, of: str) -> tuple[shapes.Dims, shapes.Dims] | None:
    """(shape of the indices without their last axis, shape of one slice), or None where it is open."""
    if indices is None:
        return None
    if not indices:
        raise ShapeError("indices must have at least one axis")
    if dims is None or indices[-1] is None:
        return None
    if indices[-1] > len(dims):
        raise ShapeError(
            f"index innermost dimension length must be <= {of} rank; saw: {indices[-1]} vs. {len(dims)}"
        )
    return indices[:-1], dims[indices[-1] :]


GATHER_ND = define_op("GatherNd", "params: Tparams, indices: Tindices -> output: Tparams", Tparams=ANY,
                      Tindices=Attr("type", allowed=(int16, *INDICES)), bad_indices_policy="",
                      source=("W06",))  # fmt: skip


@GATHER_ND.kernel
def gather_nd_kernel(params, indices, bad_indices_policy=""):
    if bad_indices_policy == "IGNORE":
        limits = np.array(params.shape[: indices.shape[-1]])
        good = ((indices >= 0) & (indices < limits)).all(-1)
        found = blank((*indices.shape[:-1], *params.shape[indices.shape[-1] :]), params.dtype)
        found[good] = params[tuple(np.moveaxis(indices[good], -1, 0))]
        return found
    if indices.shape[-1] == 0:
        return np.broadcast_to(params, (*indices.shape[:-1], *params.shape)).copy()
    found = params[places(indices, params.shape)]
    return found if isinstance(found, np.ndarray) else _scalar(found, params.dtype)


def _scalar(value: Any, dtype: np.dtype) -> np.ndarray:
    array = np.empty((), dtype)
    array[()] = value
    return array


@GATHER_ND.shape
def _gather_nd_shape(context: ShapeContext) -> shapes.Shape:
    cut = _slice_dims(context.dims("params"), context.dims("indices"), "params")
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


def _check_updates(indices: Any, updates: Any, dims: Any) -> None:
    cut = _slice_dims(dims, indices, "shape")
    if cut is not None and not shapes.compatible(updates, (*cut[0], *cut[1])):
        raise ShapeError(
            f"updates has shape {shapes.text(updates)}, but indices {shapes.text(indices)} into {shapes.text(dims)} "
            f"need {shapes.text((*cut[0], *cut[1]))}: outer dimensions of indices, inner ones of the shape"
        )


def _combined(base: np.ndarray, indices: np.ndarray, updates: np.ndarray, ufunc: Any) -> np.ndarray:
    """A copy of `base` with `updates` at `indices`: stored, or combined by a ufunc, in their order."""
    found = np.array(base, copy=True)
    if indices.shape[-1] == 0:
        for update in updates.reshape(-1, *base.shape):
            found = np.array(update) if ufunc is None else ufunc(found, update)
        return found
    if base.size == 0 and indices.size:
        raise IndexError("Indices and updates specified for empty output")
    where = places(indices, base.shape)
    if ufunc is None:
        found[where] = updates
    else:
        ufunc.at(found, where, updates)
    return found


@SCATTER_ND.kernel
def scatter_nd_kernel(indices, updates, shape, bad_indices_policy=""):
    dims = tuple(int(s) for s in shape)
    empty = blank(dims, updates.dtype)
    if bad_indices_policy == "IGNORE":
        good = ((indices >= 0) & (indices < np.array(dims[: indices.shape[-1]]))).all(-1)
        indices, updates = indices[good], updates[good]
    if updates.dtype == bool:
        return _combined(empty, indices, updates, np.logical_or)
    return _combined(empty, indices, updates, np.add)


@SCATTER_ND.shape
def _scatter_nd_shape(context: ShapeContext) -> shapes.Shape:
    from refflow.ops.constant import shape_from

    dims = shape_from(context, "shape")
    _check_updates(context.dims("indices"), context.dims("updates"), dims)
    return dims


@SCATTER_ND.gradient
def _scatter_nd_gradient(op, dy):
    """dupdates: what lies at the indices."""
    return None, GATHER_ND(dy, op.inputs[0]), None


# -- copies with changes --------------------------------------------------------------------------------------

_UFUNCS: dict[str, Any] = {
    "Update": None, "Add": np.add, "Sub": np.subtract, "Min": np.minimum, "Max": np.maximum,
}  # fmt: skip


def _tensor_scatter(kind: str) -> OpDef:
    op_def = define_op(
        f"TensorScatter{kind}", "tensor: T, indices: Tindices, updates: T -> output: T",
        T=ANY,
        Tindices=Attr("type", allowed=(int16, *INDICES)), bad_indices_policy="", accuracy="dot", source=("W06",),
    )  # fmt: skip

    def kernel(tensor, indices, updates):
        return _combined(tensor, indices, updates, _UFUNCS[kind])

    op_def.kernel(kernel)

    @op_def.shape
    def rule(context: ShapeContext) -> shapes.Shape:
        dims = context.dims("tensor")
        _check_updates(context.dims("indices"), context.dims("updates"), dims)
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

    def kernel(ref, indices, updates):
        return _combined(ref, indices, updates, _UFUNCS[kind])

    op_def.kernel(kernel)

    @op_def.shape
    def rule(context: ShapeContext) -> shapes.Shape:
        dims = context.dims("ref")
        _check_updates(context.dims("indices"), context.dims("updates"), dims)
        return dims

    op_def.no_gradient_registered()
    return op_def


REF_SCATTER_ND = {kind: _ref_scatter(kind, ANY if kind == "Update" else NUMBERS if kind in ("Add", "Sub") else REALS)
                  for kind in _UFUNCS}  # fmt: skip
NON_ALIASING_ADD = define_op("ScatterNdNonAliasingAdd", "input: T, indices: Tindices, updates: T -> output: T",
                             T=(*NUMBERS, bool_), Tindices=INDICES, bad_indices_policy="", accuracy="dot",
                             source=("W06",))  # fmt: skip


@NON_ALIASING_ADD.kernel
def scatter_nd_non_aliasing_add_kernel(input, indices, updates):
    return _combined(input, indices, updates, np.add)  # the sum of bools is whether any is true


@NON_ALIASING_ADD.shape
def _non_aliasing_shape(context: ShapeContext) -> shapes.Shape:
    _check_updates(context.dims("indices"), context.dims("updates"), context.dims("input"))
    return context.dims("input")


@NON_ALIASING_ADD.gradient
def _non_aliasing_gradient(op, dy):
    """dy goes to both."""
    return _tensor_scatter_add_gradient(op, dy)


def scatter_function(kind: str) -> Callable[..., Any]:
    """`(value, indices, updates) -> value` of ScatterNd<kind>, for variables behind handles."""
    return lambda value, indices, updates: _combined(value, indices, updates, _UFUNCS[kind])


_P = [[1, 2], [3, 4], [5, 6]]
GATHER_ND.case("W06", "elements", Tindices="int32", params=_P, indices=[[0, 1], [2, 0]], output=[2, 5])
GATHER_ND.case("W06", "rows", Tindices="int32", params=_P, indices=[[2], [0]], output=[[5, 6], [1, 2]])
GATHER_ND.case("W06", "indices exist", Tindices="int32", params=_P, indices=[[3]],
               error="indices[0] = [3] does not index into param shape [3,2]")  # fmt: skip
SCATTER_ND.case("W06", "updates at one place add up", Tindices="int32", indices=[[1], [3], [1]], updates=[9, 10, 11],
                shape=[5], output=[0, 20, 0, 10, 0])  # fmt: skip
SCATTER_ND.case("W06", "updates fit", Tindices="int32", indices=[[1]], updates=[9, 10], shape=[5],
                error="updates has shape [2]")  # fmt: skip
for _kind, _wanted in {"Update": [1, 9, 8], "Add": [1, 11, 11], "Sub": [1, -7, -5], "Min": [1, 2, 3],
                       "Max": [1, 9, 8]}.items():  # fmt: skip
    TENSOR_SCATTER[_kind].case("W06", "a changed copy", Tindices="int32", tensor=[1, 2, 3], indices=[[1], [2]],
                               updates=[9, 8], output=_wanted)  # fmt: skip
    REF_SCATTER_ND[_kind].case("W11", "a changed variable", Tindices="int32", ref=[1, 2, 3], indices=[[1], [2]],
                               updates=[9, 8], output_ref=_wanted)  # fmt: skip
NON_ALIASING_ADD.case("W06", "a changed copy", Tindices="int32", input=[1, 2], indices=[[1]], updates=[5],
                      output=[1, 7])  # fmt: skip
