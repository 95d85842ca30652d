"""Changes of variables by reference, given a handle instead: the same change by its form for handles.

    ApplyAdam(handle, ...)        ResourceApplyAdam, then the value as it is after that
    Assign(handle, value)         AssignVariableOp, the same
    CountUpTo(handle)             ResourceCountUpTo

So optimizers, savers and whoever else builds such nodes need not ask of which kind a variable is.

Next: core/opdef.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from refflow.core.constants import constant_value
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import resource
from refflow.core.errors import DTypeError
from refflow.core.graph import Tensor
from refflow.core.handles import state_of
from refflow.core.registry import op_def

if TYPE_CHECKING:
    from refflow.core.opdef import OpDef

_OTHER_NAMES = {
    "Assign": "AssignVariableOp", "AssignAdd": "AssignAddVariableOp", "AssignSub": "AssignSubVariableOp",
    "IsVariableInitialized": "VarIsInitializedOp",
}  # fmt: skip


def is_handle(value: Any) -> bool:
    """Whether a value is the handle of a variable, or a variable that has one."""
    return (isinstance(value, Tensor) and value.dtype is resource) or hasattr(value, "handle")


def type_behind(handle: Tensor) -> Any:
    """The type of the variable behind a handle."""
    known = constant_value(handle)
    if known is None:
        raise DTypeError(f"{handle.name!r} is a handle, and it is not known of which type its variable is")
    return state_of(known).dtype


def by_handle(op: OpDef, args: Sequence[Any], given: dict[str, Any], name: str | None) -> Any:
    """What `op`, which takes references, builds where its first input is a handle."""
    try:
        form = op_def(_OTHER_NAMES.get(op.name, f"Resource{op.name}"))
    except ValueError:
        raise DTypeError(f"{op.name} takes a variable's reference, and has no form for handles: {args[0]!r}") from None
    handle = convert_to_tensor(args[0], as_ref=True)
    kind = type_behind(handle)
    inputs = [handle]
    for arg, value in zip(form.inputs[1:], args[1:], strict=False):
        wanted = kind if arg.type in ("T", "dtype") else None
        inputs.append(convert_to_tensor(value, wanted, arg.name, as_ref=arg.type == "resource"))
    known = {a.name for a in form.inputs} | form.attrs.keys()
    more: dict[str, Any] = {key: kind for key in ("T", "dtype") if key in form.attrs}
    made = form(*inputs, name=name, **{key: value for key, value in {**more, **given}.items() if key in known})
    if form.outputs:
        return made
    with made.graph.control_dependencies([made]):
        return op_def("ReadVariableOp")(handle, dtype=kind)
