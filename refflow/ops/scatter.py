"""Rows of a variable changed: Scatter... through a reference, ResourceScatter... through a handle.

    ref[indices[i...]]  :=  +=  -=  *=  /=  min=  max=   updates[i..., :]      several for one row one after the other

`updates` has a row for each index, or is one scalar for all of them. ResourceScatterNd... takes indices of several
axes, as ScatterNd does. A change through a handle stores a new array: what was read before stays what it was. There is
no gradient: changes of state have none.

Next: ops/training_rules.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import ALL, INDICES, NUMBERS, bfloat16, float16, float32, float64, int32, int64
from refflow.core.errors import ShapeError
from refflow.core.graph import Tensor
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops import nd, strided_slice
from refflow.ops.gather import check_rows
from refflow.ops.resource_variable import _spec, change, read, variable_of

ANY = Attr("type")
QUANTIZED = tuple(t for t in ALL if t.is_quantized)


def _divide_at(values: np.ndarray, rows: np.ndarray, updates: np.ndarray) -> None:
    """Division that truncates towards zero where the numbers are integers."""
    if values.dtype.kind not in "iu":
        np.divide.at(values, rows, updates)
        return
    if (updates == 0).any():
        raise ZeroDivisionError("Integer division by zero")
    for row, update in zip(rows, updates, strict=True):
        whole = np.abs(values[row]) // np.abs(update)
        values[row] = np.where((values[row] < 0) != (update < 0), -whole, whole)


def _put_at(values: np.ndarray, rows: np.ndarray, updates: np.ndarray) -> None:
    values[rows] = updates


def occurrences(rows: np.ndarray) -> np.ndarray:
    """For each place in `rows`, how often its row came before."""
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    found = np.empty(len(rows), np.int64)
    found[order] = np.arange(len(rows)) - np.repeat(starts, np.diff(np.r_[starts, len(rows)]))
    return found


def rounds(rows: np.ndarray) -> list[Any]:
    """Places in `rows`: all first occurrences, all second ones, and so on, so that no round names a row twice."""
    if not len(rows):
        return []
    if _are_distinct(rows):
        return [slice(None)]
    occurrence = occurrences(rows)
    return [np.flatnonzero(occurrence == k) for k in range(occurrence.max() + 1)]


def _are_distinct(rows: np.ndarray) -> bool:
    """Whether each row finds its own number where it left it. False also where there are too few to look."""
    if rows.max() >= _SPARSE * len(rows):  # marks would be mostly holes, and sorting is as quick
        return False
    marks, numbers = np.empty(rows.max() + 1, np.intp), np.arange(len(rows))
    marks[rows] = numbers
    return bool((marks[rows] == numbers).all())


def _at(ufunc: Any) -> Callable[[np.ndarray, np.ndarray, np.ndarray], None]:
    """ufunc.at; where rows are long and none comes often, in rounds of whole rows, which are quicker."""

    def change(values: np.ndarray, rows: np.ndarray, updates: np.ndarray) -> None:
        if updates.size < _LONG * len(rows) or not len(rows) or occurrences(rows).max() >= _ROUNDS:
            ufunc.at(values, rows, updates)
            return
        for places in rounds(rows):
            here = rows[places]
            values[here] = ufunc(values[here], updates[places])

    return change


_LONG = 32  # elements of a row
_SPARSE = 256  # rows of a variable for each that is named
_ROUNDS = 8
_AT: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], None]] = {
    "Update": _put_at, "Add": _at(np.add), "Sub": _at(np.subtract), "Mul": _at(np.multiply), "Div": _divide_at,
    "Min": _at(np.minimum), "Max": _at(np.maximum),
}  # fmt: skip


def scattered(kind: str, value: np.ndarray, indices: np.ndarray, updates: np.ndarray) -> np.ndarray:
    """A copy of `value` whose rows at `indices` are changed."""
    new = np.array(value, copy=True)
    scatter(kind, new, indices, updates)
    return new


def check_scatter(value: np.ndarray, indices: np.ndarray, updates: np.ndarray) -> None:
    """Every index names a row."""
    if value.ndim:
        check_rows(indices, value.shape[0], "indices")


def scatter(kind: str, value: np.ndarray, indices: np.ndarray, updates: np.ndarray) -> None:
    """Changes the rows of `value` at `indices` where they lie."""
    check_scatter(value, indices, updates)
    rows = np.broadcast_to(updates, (*indices.shape, *value.shape[1:])).reshape(indices.size, *value.shape[1:])
    _AT[kind](value, indices.reshape(-1), nd.heeded(kind, rows))


def _check(ref: shapes.Shape, indices: shapes.Shape, updates: shapes.Shape) -> None:
    if ref == ():
        raise ShapeError(f"params must be at least 1-D, got shape {shapes.text(ref)}")
    if ref is None or indices is None or updates is None or updates == ():
        return
    if not shapes.compatible(updates, (*indices, *ref[1:])):
        raise ShapeError(
            "Must have updates.shape = indices.shape + params.shape[1:] or updates.shape = [], got updates.shape "
            f"{shapes.text(updates)}, indices.shape {shapes.text(indices)}, params.shape {shapes.text(ref)}"
        )


# -- through a reference --------------------------------------------------------------------------------------


def _scatter_shape(context: ShapeContext) -> shapes.Shape:
    _check(*(context.dims(name) for name in ("ref", "indices", "updates")))
    return context.dims("ref")


def _define_scatter(kind: str) -> OpDef:
    extremes = (float16, bfloat16, float32, float64, int32, int64)
    types = {"Update": ANY, "Min": extremes, "Max": extremes}.get(kind, (*NUMBERS, *QUANTIZED))
    op_def = define_op(
        f"Scatter{kind}", "ref: Ref(T), indices: Tindices, updates: T -> output_ref: Ref(T)", T=types,
        Tindices=INDICES, use_locking=kind == "Update", accuracy="exact" if kind == "Update" else "dot",
        source=("O04", "S50e"),
    )  # fmt: skip
    op_def.kernel(lambda ref, indices, updates: scattered(kind, ref, indices, updates))
    op_def.refuses(check_scatter)
    op_def.in_place = lambda ref, indices, updates: scatter(kind, ref, indices, updates)
    op_def.shape(_scatter_shape)
    op_def.no_gradient()
    return op_def


SCATTER = {kind: _define_scatter(kind) for kind in _AT}


# -- through a handle -----------------------------------------------------------------------------------------


def _nothing(context: ShapeContext) -> list[shapes.Shape]:
    return []


def _define_resource_scatter(kind: str) -> OpDef:
    types = ANY if kind == "Update" else (*NUMBERS, *QUANTIZED)
    op_def = define_op(
        f"ResourceScatter{kind}", "resource: resource[], indices: Tindices, updates: dtype ->", dtype=types,
        Tindices=INDICES, stateful=True, accuracy="exact" if kind == "Update" else "dot", source=("O04", "S50e"),
    )  # fmt: skip

    def kernel(resource, indices, updates, dtype):
        state = variable_of(resource)
        with state.lock:
            dims = read(state, dtype).shape
            deep_enough = updates.ndim == indices.ndim + len(dims) - 1
            if deep_enough and updates.ndim and updates.shape[: indices.ndim] != indices.shape:
                raise ShapeError(
                    f"The shape of indices ({shapes.text(indices.shape)}) must be a prefix of the shape of updates "
                    f"({shapes.text(updates.shape)})"
                )
            _check(dims, indices.shape, updates.shape)
            change(state, lambda value: scatter(kind, value, indices, updates))

    op_def.kernel(kernel)
    op_def.shape(_nothing)
    op_def.no_gradient_registered()
    return op_def


RESOURCE_SCATTER = {kind: _define_resource_scatter(kind) for kind in _AT}


def _define_resource_scatter_nd(kind: str) -> OpDef:
    op_def = define_op(
        f"ResourceScatterNd{kind}", "ref: resource[], indices: Tindices, updates: T ->", T=ANY, Tindices=INDICES,
        use_locking=True, bad_indices_policy="", stateful=True, accuracy="exact" if kind == "Update" else "dot",
        source=("O04",),
    )  # fmt: skip

    def kernel(ref, indices, updates, T, bad_indices_policy=""):
        state = variable_of(ref)
        with state.lock:
            nd.check_updates(indices.shape, updates.shape, read(state, T).shape)
            change(state, lambda value: nd.combine(kind, value, indices, updates, bad_indices_policy))

    op_def.kernel(kernel)
    op_def.shape(_nothing)
    op_def.no_gradient_registered()
    return op_def


RESOURCE_SCATTER_ND = {kind: _define_resource_scatter_nd(kind) for kind in ("Update", "Add", "Sub", "Min", "Max")}

RESOURCE_GATHER_ND = define_op("ResourceGatherNd", "resource: resource[], indices: Tindices -> output: dtype",
                               dtype=ANY, Tindices=INDICES, stateful=True, source=("W06",))  # fmt: skip


@RESOURCE_GATHER_ND.kernel
def resource_gather_nd_kernel(resource, indices, dtype):
    value = read(resource, dtype)
    nd.slice_dims(value.shape, indices.shape)
    return nd.gather_nd_kernel(value, indices)


@RESOURCE_GATHER_ND.shape
def _resource_gather_nd_shape(context: ShapeContext) -> shapes.Shape:
    cut = nd.slice_dims(_spec(context), context.dims("indices"))
    return None if cut is None else (*cut[0], *cut[1])


@RESOURCE_GATHER_ND.gradient
def _resource_gather_nd_gradient(op, dy):
    """dy added up at the indices: a dense gradient of the variable."""
    from refflow.ops.cast import cast
    from refflow.ops.resource_variable import VARIABLE_SHAPE

    resource, indices = op.inputs
    return nd.SCATTER_ND(indices, dy, cast(VARIABLE_SHAPE(resource), indices.dtype.base_dtype)), None


RESOURCE_STRIDED_SLICE_ASSIGN = define_op(
    "ResourceStridedSliceAssign", "ref: resource[], begin: Index, end: Index, strides: Index, value: T ->", T=ANY,
    Index=INDICES, begin_mask=0, end_mask=0, ellipsis_mask=0, new_axis_mask=0, shrink_axis_mask=0, stateful=True,
    source=("W11",),
)  # fmt: skip


@RESOURCE_STRIDED_SLICE_ASSIGN.kernel
def resource_strided_slice_assign_kernel(
    ref, begin, end, strides, value, T, begin_mask=0, end_mask=0, ellipsis_mask=0, new_axis_mask=0, shrink_axis_mask=0
):
    state = variable_of(ref)
    with state.lock:
        state.replace(
            strided_slice.strided_slice_assign_kernel(
                read(state, T), begin, end, strides, value, begin_mask, end_mask, ellipsis_mask, new_axis_mask,
                shrink_axis_mask,
            )
        )  # fmt: skip


RESOURCE_STRIDED_SLICE_ASSIGN.shape(_nothing)
RESOURCE_STRIDED_SLICE_ASSIGN.no_gradient_registered()

_R = [[1, 2], [3, 4], [5, 6]]
for _kind, _wanted in {"Update": [[7, 9], [3, 4], [5, 6]], "Add": [[12, 15], [3, 4], [5, 6]],
                       "Sub": [[-10, -11], [3, 4], [5, 6]], "Mul": [[28, 72], [3, 4], [5, 6]],
                       "Min": [[1, 2], [3, 4], [5, 6]], "Max": [[7, 9], [3, 4], [5, 6]]}.items():  # fmt: skip
    SCATTER[_kind].case("O04", "a row may come twice", Tindices="int32", ref=_R, indices=[0, 0],
                        updates=[[4, 4], [7, 9]], output_ref=_wanted)  # fmt: skip
SCATTER["Update"].case("O04", "others stay", Tindices="int32", ref=[1, 2], indices=[1], updates=[9], output_ref=[1, 9])
SCATTER["Add"].case("O04", "one number for all", Tindices="int32", ref=[1, 2, 3], indices=[0, 2], updates=10,
                    output_ref=[11, 2, 13])  # fmt: skip
SCATTER["Div"].case("O04", "integers truncate", T="int32", Tindices="int32", ref=[7, -7, 9], indices=[0, 1],
                    updates=[2, 2], output_ref=[3, -3, 9])  # fmt: skip
SCATTER["Div"].case("O04", "floats", Tindices="int32", ref=[7.0, 1], indices=[0], updates=[2.0], output_ref=[3.5, 1])
SCATTER["Sub"].case("O04", "a row for each index", Tindices="int32", ref=[[1, 2]], indices=[0], updates=[1],
                    error="got updates.shape [1], indices.shape [1], params.shape [1,2]")  # fmt: skip
SCATTER["Mul"].case("O04", "rows exist", Tindices="int32", ref=[1, 2], indices=[2], updates=[1],
                    error="indices[0] = 2 is not in [0, 2)")  # fmt: skip


def scatter_update(ref: Any, indices: Any, updates: Any, use_locking: bool = True, name: str | None = None) -> Tensor:
    """Sets rows of a variable."""
    return SCATTER["Update"](ref, indices, updates, use_locking=use_locking, name=name)


def scatter_add(ref: Any, indices: Any, updates: Any, use_locking: bool = False, name: str | None = None) -> Tensor:
    """Adds to rows of a variable."""
    return SCATTER["Add"](ref, indices, updates, use_locking=use_locking, name=name)


def scatter_sub(ref: Any, indices: Any, updates: Any, use_locking: bool = False, name: str | None = None) -> Tensor:
    """Subtracts from rows of a variable."""
    return SCATTER["Sub"](ref, indices, updates, use_locking=use_locking, name=name)
