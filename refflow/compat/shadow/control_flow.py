"""Names that only `ops.control_flow_ops` and `ops.control_flow_util` had: bare nodes of branches and loops, contexts.

The nodes take slices and sparse tensors as well, one node for each of their parts.

Next: compat/shadow/graphs.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from refflow.core import contexts, nest
from refflow.core.convert import convert_to_tensor
from refflow.core.frames import ENTERS, EXITS, MERGES, NEXTS, SWITCHES
from refflow.core.gradients import _as_slices
from refflow.core.graph import Operation, Tensor, get_default_graph
from refflow.core.indexed_slices import IndexedSlices
from refflow.core.registry import op_def
from refflow.core.sparse_tensor import SparseTensor

ControlFlowContext, CondContext, WhileContext = contexts.Context, contexts.BranchContext, contexts.LoopContext

# -- nodes -------------------------------------------------------------------------------------------------------------


def _is_composite(value: Any) -> bool:
    return isinstance(value, (IndexedSlices, SparseTensor)) or hasattr(value, "_with_parts")


def _each(build: Callable[[Tensor], Tensor], value: Any, **how: Any) -> Any:
    """The node for a tensor; for what is made of tensors one for each part."""
    if _is_composite(value):
        return nest.map_structure(build, value)
    return build(convert_to_tensor(value, as_ref=True, **how))


def _kind(tensor: Tensor, name: str) -> Any:
    """The op type, for a reference the one that passes references."""
    return op_def(f"Ref{name}" if tensor.dtype.is_ref_dtype else name)


def _Identity(tensor: Any, name: str | None = None) -> Any:
    """The same again; a reference stays one."""
    return _each(lambda part: _kind(part, "Identity")(part, name=name), tensor)


def _NextIteration(tensor: Any, name: str | None = None) -> Any:
    """The value for the next iteration."""
    return _each(lambda part: _kind(part, "NextIteration")(part, name=name), tensor)


def _Enter(
    tensor: Any, frame_name: str, is_constant: bool = False, parallel_iterations: int = 10, use_ref: bool = True,
    use_input_shape: bool = True, name: str | None = None,
) -> Any:  # fmt: skip
    """The value in the frame of that name, in its first iteration or, of a constant, in each."""

    def enter(part: Tensor) -> Tensor:
        kind = _kind(part, "Enter") if use_ref else op_def("Enter")
        found = kind(part, frame_name=frame_name, is_constant=is_constant, parallel_iterations=parallel_iterations,
                     name=name)  # fmt: skip
        if use_input_shape:
            found.set_shape(part.get_shape())
        return found

    return _each(enter, tensor)


def exit(tensor: Any, name: str | None = None) -> Any:
    """The value in the frame around the present one."""
    return _each(lambda part: _kind(part, "Exit")(part, name=name), tensor)


_Exit = exit


def switch(data: Any, pred: Any, dtype: Any = None, name: str | None = None) -> tuple[Any, Any]:
    """(output_false, output_true): `data` comes out of the one that the scalar bool `pred` names."""
    if _is_composite(data):
        both = [op_def("Switch")(part, pred, name=name) for part in nest.flatten(data)]
        return nest.pack(data, [b[0] for b in both]), nest.pack(data, [b[1] for b in both])
    found = op_def("Switch")(convert_to_tensor(data, dtype, "data"), pred, name=name)
    return found[0], found[1]


def _SwitchRefOrTensor(data: Any, pred: Any, name: str = "Switch") -> tuple[Any, Any]:
    """The same; of a reference, references."""
    if _is_composite(data):
        return switch(data, pred, name=name)
    data = convert_to_tensor(data, name="data", as_ref=True)
    found = _kind(data, "Switch")(data, pred, name=name)
    return found[0], found[1]


class Merge(NamedTuple):
    """What was alive, and its number."""

    output: Any
    value_index: Any


def merge(inputs: Sequence[Any], name: str | None = None) -> Merge:
    """The first of `inputs` that is alive; of slices and tensors together, slices."""
    if any(value is None for value in inputs):
        raise ValueError(f"At least one of the merge inputs is None: {inputs}")
    if any(isinstance(value, IndexedSlices) for value in inputs):
        inputs = [_as_slices(value if _is_composite(value) else convert_to_tensor(value)) for value in inputs]
    if not any(_is_composite(value) for value in inputs):
        tensors = [convert_to_tensor(value, as_ref=True) for value in inputs]
        kind = "RefMerge" if all(t.dtype.is_ref_dtype for t in tensors) else "Merge"
        return Merge(*op_def(kind)(tensors, name=name)[:2])
    for value in inputs[1:]:
        nest.assert_same(inputs[0], value, "the inputs of merge")
    merged = [op_def("Merge")(list(parts), name=name) for parts in zip(*map(nest.flatten, inputs), strict=True)]
    return Merge(nest.pack(inputs[0], [m.output for m in merged]), merged[0].value_index)


def loop_cond(input: Any, name: str | None = None) -> Tensor:
    """Whether the loop goes on."""
    return op_def("LoopCond")(input, name=name)


ref_switch, ref_identity = _SwitchRefOrTensor, _Identity

# -- which node is what ------------------------------------------------------------------------------------------------


def GetOutputContext(op: Operation) -> Any:
    """The branch or loop in which what the operation gives is read: an Exit's is the one around."""
    return op._context


def _of_kind(kinds: frozenset[str]) -> Callable[[Operation], bool]:
    def is_of_kind(op: Operation) -> bool:
        return op.type in kinds

    return is_of_kind


IsSwitch, IsMerge, IsLoopEnter, IsLoopExit = (_of_kind(kinds) for kinds in (SWITCHES, MERGES, ENTERS, EXITS))
IsNextIteration = _of_kind(NEXTS)


def IsLoopConstantEnter(op: Operation) -> bool:
    """Whether it brings the same value into each iteration."""
    return IsLoopEnter(op) and bool(op.attrs["is_constant"])


def GetLoopConstantEnter(value: Tensor) -> Operation | None:
    """The Enter behind identities that brought the value into each iteration, or None."""
    op = value.op
    while op.type in ("Identity", "RefIdentity", "Switch", "RefSwitch", "NextIteration", "RefNextIteration"):
        op = op.inputs[0].op
    return op if IsLoopConstantEnter(op) else None


def IsLoopSwitch(op: Operation) -> bool:
    """Whether it decides of a loop's next iteration."""
    return IsSwitch(op) and op._context is not None and op._context.IsWhileContext() and not IsCondSwitch(op)


def IsLoopMerge(op: Operation) -> bool:
    """Whether a loop's iterations begin there."""
    return IsMerge(op) and any(t.op.type in ENTERS for t in op.inputs)


def IsCondSwitch(op: Operation) -> bool:
    """Whether it leads into a branch."""
    return IsSwitch(op) and op.inputs[1].op.type != "LoopCond"


def IsCondMerge(op: Operation) -> bool:
    """Whether two branches come together there."""
    return IsMerge(op) and not IsLoopMerge(op) and bool(op.inputs)


def GetContainingWhileContext(ctxt: Any, stop_ctxt: Any = None) -> Any:
    """The innermost loop that the context is or is in; None where `stop_ctxt` comes first."""
    while ctxt is not None and not ctxt.IsWhileContext() and ctxt is not stop_ctxt:
        ctxt = ctxt.outer_context
    return None if ctxt is None or (ctxt is stop_ctxt and not ctxt.IsWhileContext()) else ctxt


def GetContainingCondContext(ctxt: Any) -> Any:
    """The innermost branch that the context is or is in."""
    while ctxt is not None and not ctxt.IsCondContext():
        ctxt = ctxt.outer_context
    return ctxt


def GetWhileContext(op: Operation) -> Any:
    """The innermost loop that the operation is in."""
    return GetContainingWhileContext(op._context)


def IsInWhileLoop(op: Operation) -> bool:
    """Whether it runs once for each iteration."""
    return GetWhileContext(op) is not None


def IsInCond(op: Operation) -> bool:
    """Whether it runs only where a branch is taken."""
    return GetContainingCondContext(op._context) is not None


def IsContainingContext(ctxt: Any, maybe_containing_ctxt: Any) -> bool:
    """Whether the second is the first, or around it."""
    while ctxt is not maybe_containing_ctxt:
        if ctxt is None:
            return False
        ctxt = ctxt.outer_context
    return True


def OpInContext(op: Operation, ctxt: Any) -> bool:
    """Whether the operation is in the context, or in one inside it."""
    return IsContainingContext(op._context, ctxt)


def TensorInContext(tensor: Tensor, ctxt: Any) -> bool:
    """Whether what gives the tensor is in the context."""
    return OpInContext(tensor.op, ctxt)


def EnableControlFlowV2(graph: Any) -> bool:
    """Whether branches and loops are asked for as functions; they are nodes all the same."""
    from refflow.compat.v1.function import control_flow_v2_enabled

    return control_flow_v2_enabled() or (graph or get_default_graph()).takes_from_outside


def InXlaContext(graph: Any) -> bool:
    """False: nothing is compiled by XLA."""
    return False


def IsInXLAContext(op: Operation) -> bool:
    """False: nothing is compiled by XLA."""
    return False


def GetContainingXLAContext(ctxt: Any) -> None:
    """None: nothing is compiled by XLA."""
    return None


get_enclosing_xla_context = GetContainingXLAContext


class XLAControlFlowContext:
    """What a context of compiled control flow would be an instance of: nothing is."""
