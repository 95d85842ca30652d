"""Updates by several indices at once, of copies and of variables [W06, W11].

    TensorScatterX  a copy of a tensor with updates at indices: Update, Add, Sub, Min, Max
    ScatterNdX      the same to a variable

Indices are as in ops/nd.py, where the work is done.

Next: ops/variable.py.
"""

from __future__ import annotations

from typing import Any

from refflow.core import shapes
from refflow.core.dtypes import INDICES, NUMBERS, bool_, int16
from refflow.core.errors import ShapeError
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.cast import cast
from refflow.ops.constant import ZEROS_LIKE
from refflow.ops.elementwise import NEG
from refflow.ops.logic import EQUAL
from refflow.ops.nd import (
    ANY,
    EMPTY,
    GATHER_ND,
    SCATTER_ND,
    UFUNCS,
    check_tensors,
    check_updates,
    combined,
    no_room,
    sizes_of,
)


def _check_inner(indices: shapes.Shape, updates: shapes.Shape, dims: shapes.Shape) -> None:
    if no_room(indices, updates, dims):
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
        check_tensors(indices, updates, dims, _check_inner)
        return dims

    return op_def


TENSOR_SCATTER = {kind: _tensor_scatter(kind) for kind in UFUNCS}


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
    tensor, indices, updates = op.inputs
    y = op.outputs[0]
    held = cast(EQUAL(tensor, y), y.dtype)
    reached = cast(EQUAL(updates, GATHER_ND(y, indices)), y.dtype)
    holders = held + SCATTER_ND(indices, reached, sizes_of(y, indices))
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
                  for kind in UFUNCS}  # fmt: skip
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


for _kind, _wanted in {"Update": [1, 9, 8], "Add": [1, 11, 11], "Sub": [1, -7, -5], "Min": [1, 2, 3],
                       "Max": [1, 9, 8]}.items():  # fmt: skip
    TENSOR_SCATTER[_kind].case("W06", "a changed copy", Tindices="int32", tensor=[1, 2, 3], indices=[[1], [2]],
                               updates=[9, 8], output=_wanted)  # fmt: skip
    REF_SCATTER_ND[_kind].case("W11", "a changed variable", Tindices="int32", ref=[1, 2, 3], indices=[[1], [2]],
                               updates=[9, 8], output_ref=_wanted)  # fmt: skip
NON_ALIASING_ADD.case("W06", "a changed copy", Tindices="int32", input=[1, 2], indices=[[1]], updates=[5],
                      output=[1, 7])  # fmt: skip
