"""Branches and loops whose parts are functions: If, While, For and their like, as Switches, Merges and frames.

    If(cond, inputs, then_branch, else_branch)     While(inputs, cond, body)     For(start, limit, delta, inputs, body)

The parts are Defuns, or any functions of tensors. All give lists. Nobody hands these nodes to a kernel, so that there
is nothing to gain from functions as attributes: the nodes are those of tf.cond and tf.while_loop, gradients included.

Next: compat/v1/data/dataset.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import int32
from refflow.core.gradients import gradients
from refflow.core.graph import get_default_graph
from refflow.core.registry import op_def
from refflow.core.tensor import Operation, Tensor
from refflow.ops.conditionals import cond as branched
from refflow.ops.conditionals import switch_case
from refflow.ops.loops import while_loop

__all__ = ["Case", "For", "Gradient", "If", "While", "partitioned_call", "remote_call"]

Function = Callable[..., Any]


def _listed(found: Any) -> list[Any]:
    if found is None or isinstance(found, Operation):
        return []
    return list(found) if isinstance(found, (list, tuple)) else [found]


def _truth(value: Any) -> Tensor:
    """Numbers are true where they are not zero, other tensors where they have elements."""
    tensor = convert_to_tensor(value)
    return tensor if tensor.dtype.name == "bool" else op_def("ToBool")(tensor)


def If(cond: Any, inputs: Sequence[Any], then_branch: Function, else_branch: Function, name: str | None = None) -> Any:
    """What one of two functions gives of `inputs`; an operation where they give nothing."""
    given = [convert_to_tensor(x) for x in inputs]
    pair = (lambda: _listed(then_branch(*given)) or None), (lambda: _listed(else_branch(*given)) or None)
    found = branched(_truth(cond), *pair, name=name or "If", strict=True)
    return found if isinstance(found, Operation) else list(found)


def Case(branch_index: Any, inputs: Sequence[Any], branches: Sequence[Function], name: str | None = None) -> Any:
    """What the function of that number gives of `inputs`; the last one's for a number out of range."""
    given = [convert_to_tensor(x) for x in inputs]
    parts = [lambda branch=branch: tuple(_listed(branch(*given))) for branch in branches]
    return _listed(switch_case(branch_index, parts, name=name or "case"))


def While(
    input_: Sequence[Any], cond: Function, body: Function, name: str | None = None, hostmem: Any = None
) -> list[Tensor]:
    """The inputs after `body`, again and again while `cond` of them is true."""
    start = [convert_to_tensor(x) for x in input_]
    declared = [getattr(f, "declared_input_types", None) for f in (cond, body)]
    if all(declared) and declared[0] != declared[1]:
        raise ValueError(
            "The 'cond' and 'body' signatures do not match. Received: "
            f"cond_input_types={declared[0]}, body_input_types={declared[1]}"
        )

    def test(*values: Any) -> Tensor:
        context: Any = get_default_graph()._context
        before = set(context._came_in)
        found = _listed(cond(*values))
        captured = [t for t in context._came_in if t not in before]
        if captured and declared[0] is not None:
            raise ValueError(
                f"The 'cond' argument can not have implicitly captured inputs. Received captured_inputs: {captured}"
            )
        if len(found) != 1:
            raise ValueError(f"Expected a single scalar return value from While cond, got {len(found)} tensors.")
        return _truth(found[0])

    return _listed(while_loop(test, lambda *values: _listed(body(*values)), start, name=name or "While"))


def For(
    start: Any, limit: Any, delta: Any, inputs: Sequence[Any], body: Function, name: str | None = None,
    hostmem: Any = None, rewrite_with_while: bool | None = None,
) -> list[Tensor]:  # fmt: skip
    """The inputs after `body(i, *inputs)` for i = start, start + delta, ... short of limit."""
    first, last, step = (convert_to_tensor(x, int32) for x in (start, limit, delta))
    count = op_def("_ForSteps")(first, last, step)

    def once(k: Tensor, *values: Any) -> list[Any]:
        return [k + 1, *_listed(body(first + k * step, *values))]

    given = [convert_to_tensor(0), *(convert_to_tensor(x) for x in inputs)]
    return _listed(while_loop(lambda k, *values: k < count, once, given, name=name or "For"))[1:]


def partitioned_call(args: Sequence[Any], f: Function, tout: Any = None, executing_eagerly: Any = None,
                     config: Any = None, executor_type: Any = None) -> Any:  # fmt: skip
    """What f gives of the arguments."""
    return f(*args)


def remote_call(args: Sequence[Any], Tout: Any, f: Function, target: Any, name: str | None = None) -> list[Tensor]:
    """What f gives of the arguments, on the device `target`, whose name is known while building."""
    with get_default_graph().device(target):
        return _listed(f(*args))


def Gradient(inputs: Sequence[Any], f: Function, name: str | None = None) -> list[Tensor]:
    """The gradients of f's arguments, for arguments and then the gradients of its results; zeros where none come."""
    tensors = [convert_to_tensor(x) for x in inputs]
    with get_default_graph().name_scope(name or "SymbolicGradient"):
        count = len(getattr(f, "declared_input_types", ())) or len(tensors) - 1
        xs = [op_def("Identity")(x) for x in tensors[:count]]
        found = gradients(_listed(f(*xs)), xs, tensors[count:])
        pairs = zip(found, xs, strict=True)
        return [op_def("ZerosLike")(x) if dx is None else convert_to_tensor(dx) for dx, x in pairs]
