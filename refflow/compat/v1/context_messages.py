"""Contexts of branches and loops as messages, CondContextDef and WhileContextDef, and contexts made of messages.

    context.to_proto()                     the names of its nodes, and of the contexts inside it
    CondContext.from_proto(message)        a context whose nodes are in the default graph already

A `values_def` has the names of all tensors inside, and for each that came in from outside the one that stands for it.

Next: compat/v1/control_flow.py.
"""

from __future__ import annotations

from typing import Any

from refflow.core.contexts import BranchContext, Context, LoopContext
from refflow.core.frames import EXITS, MERGES, SWITCHES, LoopVariable
from refflow.core.graph import Tensor, get_default_graph
from refflow.interop.schema import message
from refflow.train.meta_graph import WRITTEN, Written

# -- writing -----------------------------------------------------------------------------------------------------------


def to_proto(context: Any, export_scope: str | None = None) -> Any:
    """The context as a message; None where it is outside of `export_scope`, which is taken off the names."""
    prefix = f"{export_scope}/" if export_scope else ""
    if not context.name.startswith(prefix):
        return None
    branch = isinstance(context, BranchContext)
    made = message("CondContextDef" if branch else "WhileContextDef")()
    made.context_name = context.name.removeprefix(prefix)
    made.pivot_name = context.pivot.name.removeprefix(prefix)
    if branch:
        made.pred_name, made.branch = context.pred.name.removeprefix(prefix), context.side
    else:
        _write_loop(context, made, prefix)
    _write_values(context, made.values_def, prefix)
    for inner in _inside(context):
        to_control_flow_context_def(inner, made.nested_contexts.add(), export_scope)
    return made


def _write_loop(context: LoopContext, made: Any, prefix: str) -> None:
    made.parallel_iterations, made.swap_memory = context.parallel_iterations, context.swap_memory
    made.back_prop = context.back_prop
    made.pivot_for_pred_name = context.variables[0].merge.outputs[0].name.removeprefix(prefix)
    made.pivot_for_body_name = context.control_pivot.outputs[0].name.removeprefix(prefix)
    made.loop_enter_names.extend(t.name.removeprefix(prefix) for t in context.loop_enters)
    made.loop_exit_names.extend(t.name.removeprefix(prefix) for t in context.loop_exits)
    if isinstance(context.maximum_iterations, Tensor):
        made.maximum_iterations_name = context.maximum_iterations.name.removeprefix(prefix)


def _write_values(context: Any, values: Any, prefix: str) -> None:
    inside = {t.name for op in context.graph._nodes if context.holds(op) for t in op.outputs}
    outside = {outer.name: inner.name for outer, inner in context._came_in.items()}
    if isinstance(context, BranchContext):
        outside[context.pred.name] = context.pred.name
        inside |= {t.name for t in context._came_in.values()}
        inside.add(context.pivot.name)
    else:
        inside |= {t.name for t in context.loop_exits}  # in 1.x an Exit is a node of its loop
    values.values.extend(name.removeprefix(prefix) for name in sorted(inside | outside.keys()))
    for outer, inner in outside.items():
        values.external_values[outer.removeprefix(prefix)] = inner.removeprefix(prefix)


def _inside(context: Any) -> list[Any]:
    """The contexts right inside this one, in the order of their first nodes."""
    found: dict[Any, None] = {}
    for op in context.graph._nodes:
        inner = op._context
        while inner is not None and inner.parent is not context:
            inner = inner.parent
        if inner is not None:
            found[inner] = None
    return list(found)


# -- reading -----------------------------------------------------------------------------------------------------------


def _named(name: str, scope: str | None) -> Any:
    return get_default_graph().as_graph_element(f"{scope}/{name}" if scope else name)


def from_proto(context_def: Any, import_scope: str | None = None) -> Any:
    """The context that a message describes, whose nodes then belong to it."""
    graph, branch = get_default_graph(), hasattr(context_def, "pred_name")
    kind = BranchContext if branch else LoopContext
    made: Any = kind.__new__(kind)
    made.graph, made.parent = graph, graph._context
    made.name = f"{import_scope}/{context_def.context_name}" if import_scope else context_def.context_name
    pivot = _named(context_def.pivot_name, import_scope)
    if branch:
        made.pred, made.side = _named(context_def.pred_name, import_scope), context_def.branch
        made.control_pivot = pivot.op
    else:
        made.condition, made.control_pivot = pivot, _named(context_def.pivot_for_body_name, import_scope).op
        _read_loop(made, context_def, import_scope)
    values = context_def.values_def
    pairs = [(outer, inner) for outer, inner in values.external_values.items() if outer != inner]
    made._came_in = {_named(outer, import_scope): _named(inner, import_scope) for outer, inner in pairs}
    # Switches are outside of what they lead to, Exits of what they leave.
    border = {t.op for t in (made._came_in.values() if branch else made.loop_exits)}
    inside = {_named(name, import_scope).op for name in set(values.values) - set(values.external_values)}
    for op in inside - border:
        op._context = made
    for tensor in () if branch else made.loop_exits:
        tensor.op._context = made.parent
    with graph.inside(made):
        for nested in context_def.nested_contexts:
            from_control_flow_context_def(nested, import_scope)
    return made


def _read_loop(made: LoopContext, context_def: Any, scope: str | None) -> None:
    made.swap_memory, made.back_prop = context_def.swap_memory, context_def.back_prop
    if context_def.maximum_iterations_name:
        made.maximum_iterations = _named(context_def.maximum_iterations_name, scope)
    made.variables = []
    for name in context_def.loop_enter_names:
        variable = LoopVariable(_named(name, scope).op)
        variable.merge = next(op for op in variable.enter.outputs[0].consumers() if op.type in MERGES)
        variable.switch = next(op for op in variable.merge.outputs[0].consumers() if op.type in SWITCHES)
        variable.exit = next((op for op in variable.switch.outputs[0].consumers() if op.type in EXITS), None)
        made.variables.append(variable)
    enter = made.variables[0].enter
    made.frame = {key: enter.attrs[key] for key in ("frame_name", "parallel_iterations")}


def to_control_flow_context_def(context: Any, context_def: Any, export_scope: str | None = None) -> None:
    """Fills in a ControlFlowContextDef, which has the one message or the other."""
    part = context_def.cond_ctxt if isinstance(context, BranchContext) else context_def.while_ctxt
    part.CopyFrom(to_proto(context, export_scope))


def from_control_flow_context_def(context_def: Any, import_scope: str | None = None) -> Any:
    """The context that such a message has."""
    kind = context_def.WhichOneof("ctxt")
    if kind is None:
        raise NotImplementedError(f"Unknown ControlFlowContextDef field: {kind}")
    return from_proto(getattr(context_def, kind), import_scope)


Context.to_proto = to_proto  # type: ignore[attr-defined]  # core knows no messages
Context.from_proto = staticmethod(from_proto)  # type: ignore[attr-defined]
Context.to_control_flow_context_def = to_control_flow_context_def  # type: ignore[attr-defined]
WRITTEN["cond_context"] = Written("CondContextDef", to_proto, from_proto)
WRITTEN["while_context"] = Written("WhileContextDef", to_proto, from_proto)
