"""Resource variables: the variable of later releases, behind a handle instead of a reference.

    VarHandleOp              a handle; the runtime makes the state, by container and name [W47]
    ReadVariableOp           the value at the moment this node runs, which later changes leave as it is
    AssignVariableOp         value := ..., and AssignAddVariableOp, AssignSubVariableOp
    ResourceGather           rows of the value

What was read before stays what it was: a change is made where the value lies, but in a copy where somebody still holds
it. Who reads takes the lock for as long as that takes, and so sees no change half done. The numbers come from the
kernels of the reference forms.

Next: ops/training_rules.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refflow.core import errors, shapes
from refflow.core.bfloat16 import widened
from refflow.core.constants import constant_value
from refflow.core.dtypes import INDICES, int32, int64
from refflow.core.errors import ShapeError
from refflow.core.handles import HandleSpec, handle_to, state_of
from refflow.core.indexed_slices import IndexedSlices
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops import gather
from refflow.ops.array import reshape
from refflow.ops.joining import concat
from refflow.ops.slicing import slice_

DTYPE = Attr("type")

VAR_HANDLE = define_op(
    "VarHandleOp", "-> resource: resource[]", container="", shared_name="", debug_name="", dtype=DTYPE,
    shape=Attr("shape"), allowed_devices=Attr("list(string)", default=[]), stateful=True, source=("W47",),
)  # fmt: skip
READ_VARIABLE = define_op("ReadVariableOp", "resource: resource[] -> value: dtype", dtype=DTYPE, stateful=True,
                          source=("W12",))  # fmt: skip
READ_VARIABLE.moves("resource")
IS_INITIALIZED = define_op("VarIsInitializedOp", "resource: resource[] -> is_initialized: bool[]", stateful=True,
                           source=("S14",))  # fmt: skip
VARIABLE_SHAPE = define_op("VariableShape", "input: resource[] -> output: out_type", stateful=True,
                           out_type=Attr("type", default=int32, allowed=INDICES), source=("W06",))  # fmt: skip
ASSIGN = define_op("AssignVariableOp", "resource: resource[], value: dtype ->", dtype=DTYPE, validate_shape=False,
                   stateful=True, source=("W11",))  # fmt: skip
ASSIGN_ADD = define_op("AssignAddVariableOp", "resource: resource[], value: dtype ->", dtype=DTYPE, stateful=True,
                       source=("W11",))  # fmt: skip
ASSIGN_SUB = define_op("AssignSubVariableOp", "resource: resource[], value: dtype ->", dtype=DTYPE, stateful=True,
                       source=("W11",))  # fmt: skip
DESTROY = define_op("DestroyResourceOp", "resource: resource[] ->", ignore_lookup_error=True, stateful=True,
                    source=("W47",))  # fmt: skip
DISABLE_COPY = define_op("DisableCopyOnRead", "resource: resource[] ->", stateful=True, source=("W12",))
COUNT_UP_TO = define_op("ResourceCountUpTo", "resource: resource[] -> output: T[]", limit=Attr("int"),
                        T=(int32, int64), stateful=True, source=("W06",))  # fmt: skip
GATHER = define_op("ResourceGather", "resource: resource[], indices: Tindices -> output: dtype", batch_dims=0,
                   validate_indices=True, dtype=DTYPE, Tindices=INDICES, stateful=True, source=("W32",))  # fmt: skip
GATHER.moves("resource")


def variable_of(handle: Any) -> Any:
    """The variable behind a handle; InvalidArgumentError where there is something else, such as a queue."""
    state = state_of(handle)
    if not hasattr(state, "replace"):
        kind, name = type(state).__name__, getattr(state, "name", "")
        raise errors.InvalidArgumentError(
            None, None, "Trying to access a handle's resource using the wrong type. The handle points to a resource "
            f"(name '{name}') of type '{kind}' but you are trying to access the resource as a variable",
        )  # fmt: skip
    return state


def read(handle: Any, dtype: Any = None) -> np.ndarray:
    """The value behind a handle, initialized [S14] and of the expected type; a bfloat16 one widened, for computing."""
    state = variable_of(handle)
    with state.lock:
        value = state.value
    if value is None:
        raise errors.NotFoundError(None, None, _missing(state))
    if dtype is not None and state.dtype is not dtype:
        raise errors.InvalidArgumentError(
            None, None, f"Trying to read variable with wrong dtype. Expected {dtype.c_name} got {state.dtype.c_name}"
        )
    return widened(value)


def change(state: Any, work: Callable[[Any], Any]) -> None:
    """Lets `work` write into a variable's value, where nobody else holds it [W12]. For who holds the lock."""
    value = widened(state.to_change())
    work(value)
    if value is not state.value:  # it was computed in a wider type
        state.replace(value)


class Locked:
    """All of the variables' locks, in one order whoever asks, so that nobody waits for each other."""

    def __init__(self, states: Sequence[Any]):
        self._locks = [s.lock for s in sorted(states, key=id)]
        self._taken: list[Any] = []

    def __enter__(self) -> None:
        try:
            for lock in self._locks:
                lock.acquire()
                self._taken.append(lock)
        except BaseException:  # who waits for a lock may be interrupted
            self.__exit__()
            raise

    def __exit__(self, *error: object) -> None:
        while self._taken:
            self._taken.pop().release()


def _missing(state: Any) -> str:
    where = f"{state.container or 'localhost'}/{state.name}"
    return (
        f"Resource {where}/N10tensorflow3VarE does not exist. (Could not find resource: {where}) Run the variable's "
        "initializer first"
    )


def _spec(context: ShapeContext, name: str = "resource") -> shapes.Shape:
    """The declared shape of the variable behind a handle, where it is known."""
    handle = context.value(name)
    return None if handle is None else getattr(state_of(handle), "shape", None)


@VAR_HANDLE.constant
def _var_handle_spec(op):
    return handle_to(HandleSpec(op.attrs["dtype"], op.attrs["shape"].as_tuple))


@READ_VARIABLE.kernel
def read_variable_kernel(resource, dtype):
    state = variable_of(resource)
    if state.value is None:
        raise errors.FailedPreconditionError(
            None, None,
            f"Could not find variable {state.name}. This could mean that the variable has been deleted. In TF1, it can "
            f"also mean the variable is uninitialized. Debug info: container={state.container or 'localhost'}, status "
            f"error message={_missing(state)}",
        )  # fmt: skip
    return read(resource, dtype)


@READ_VARIABLE.shape
def _read_shape(context: ShapeContext) -> shapes.Shape:
    return _spec(context)


@READ_VARIABLE.gradient
def _read_gradient(op, dy):
    """What arrives at the value is the variable's gradient."""
    return dy


@IS_INITIALIZED.kernel
def var_is_initialized_kernel(resource):
    return np.array(variable_of(resource).value is not None)


@VARIABLE_SHAPE.kernel
def variable_shape_kernel(input, out_type=int32):
    return np.array(read(input).shape, out_type.as_numpy_dtype)


@VARIABLE_SHAPE.shape
def _variable_shape_shape(context: ShapeContext) -> shapes.Shape:
    dims = _spec(context, "input")
    return (None,) if dims is None else (len(dims),)


def shape_of(handle: Any) -> Any:
    """The shape of the variable behind a handle: a constant where it is known, else what it is in the run."""
    spec = constant_value(handle)
    dims = None if spec is None else getattr(state_of(spec), "shape", None)
    return np.array(dims, np.int32) if shapes.is_known(dims) else VARIABLE_SHAPE(handle)


@ASSIGN.kernel
def assign_variable_kernel(resource, value, dtype, validate_shape=False):
    state = variable_of(resource)
    if state.dtype is not dtype:
        raise errors.InvalidArgumentError(
            None, None,
            f"Trying to assign variable with wrong dtype. Expected {state.dtype.c_name} got {dtype.c_name}",
        )  # fmt: skip
    if validate_shape and not shapes.compatible(state.shape, np.shape(value)):
        raise ShapeError(
            f"Trying to assign to variable with tensor with wrong shape. Expected {shapes.text(state.shape)} got "
            f"{shapes.text(np.shape(value))}"
        )
    state.replace(value)


def _no_output(context: ShapeContext) -> list[shapes.Shape]:
    return []


def _fitting(context: ShapeContext) -> list[shapes.Shape]:
    """No output; the value has the variable's shape."""
    there, value = _spec(context), context.dims("value")
    if not shapes.compatible(there, value):
        raise ShapeError(f"Cannot update variable with shape {shapes.text(there)} using a Tensor with shape "
                         f"{shapes.text(value)}, shapes must be equal")  # fmt: skip
    return []


def _combined(state: Any, delta: Any, dtype: Any, ufunc: Any) -> None:
    if state.dtype is not dtype:
        raise errors.InvalidArgumentError(None, None, "DType of variable handle and value does not match.")
    with state.lock:
        dims = read(state).shape
        if dims != np.shape(delta):
            raise ShapeError(
                f"Cannot update variable with shape {shapes.text(dims)} using a Tensor with shape "
                f"{shapes.text(np.shape(delta))}, shapes must be equal"
            )
        change(state, lambda value: ufunc(value, delta, out=value))


@ASSIGN_ADD.kernel
def assign_add_variable_kernel(resource, value, dtype):
    _combined(variable_of(resource), value, dtype, np.add)


@ASSIGN_SUB.kernel
def assign_sub_variable_kernel(resource, value, dtype):
    _combined(variable_of(resource), value, dtype, np.subtract)


@DESTROY.kernel
def destroy_resource_kernel(resource, ignore_lookup_error=True):
    """Forgets a variable's value. Other resources stay until their session ends."""
    state = state_of(resource)
    if not hasattr(state, "replace"):
        return
    with state.lock:
        if not ignore_lookup_error and state.value is None:
            raise errors.NotFoundError(None, None, f"Resource localhost/{state.name}/<unknown> does not exist.")
        state.value = None


@DISABLE_COPY.kernel
def disable_copy_on_read_kernel(resource):
    """Nothing to do: a read gives the array that is there, and a change copies only what somebody holds."""
    variable_of(resource)


@COUNT_UP_TO.kernel
def resource_count_up_to_kernel(resource, limit):
    """The value before it grows by one; OutOfRangeError once it is at the limit."""
    state = variable_of(resource)
    with state.lock:
        value = read(state)
        if value >= limit:
            raise errors.OutOfRangeError(None, None, f"Reached limit of {limit}")
        state.replace(value + value.dtype.type(1))
        return value.copy()


@GATHER.kernel
def resource_gather_kernel(resource, indices, dtype, batch_dims=0):
    params = read(resource, dtype)
    if not batch_dims:
        return gather.gather_kernel(params, indices)
    batch = params.shape[:batch_dims]
    flat_params = params.reshape(-1, *params.shape[batch_dims:])
    flat_indices = indices.reshape(-1, *indices.shape[batch_dims:])
    rows = [gather.gather_kernel(p, i) for p, i in zip(flat_params, flat_indices, strict=True)]
    found = np.stack(rows) if rows else np.zeros((0, *indices.shape[batch_dims:], *params.shape[batch_dims + 1 :]))
    return found.astype(params.dtype, copy=False).reshape(*batch, *found.shape[1:])


@GATHER.shape
def _gather_shape(context: ShapeContext) -> shapes.Shape:
    params, indices = _spec(context), context.dims("indices")
    if params is None or indices is None:
        return None
    return (*indices, *params[context.attrs["batch_dims"] + 1 :])


@GATHER.gradient
def _gather_gradient(op, dy):
    """The rows of dy at the indices, as IndexedSlices of the variable's shape."""
    resource, indices = op.inputs
    params_shape = shape_of(resource)
    rows = concat(0, [np.array([-1], np.int32), slice_(params_shape, [1], [-1])])
    return IndexedSlices(reshape(dy, rows), reshape(indices, [-1]), params_shape), None


for _op in (ASSIGN, DESTROY, DISABLE_COPY):
    _op.shape(_no_output)
for _op in (ASSIGN_ADD, ASSIGN_SUB):
    _op.shape(_fitting)
for _op in (VAR_HANDLE, IS_INITIALIZED, VARIABLE_SHAPE, ASSIGN, ASSIGN_ADD, ASSIGN_SUB, DESTROY, DISABLE_COPY,
            COUNT_UP_TO):  # fmt: skip
    _op.no_gradient()
