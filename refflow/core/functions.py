"""Functions: a graph with names for what goes in and comes out, put in place of each node that calls it.

    PartitionedCall   the nodes of the function, with the caller's inputs for its arguments (core/function_calls.py)
    If, Case          every input through a Switch for each branch, every result through a Merge  [W39]
    While, For        Enter, Merge, the condition's nodes, LoopCond, Switch, the body's nodes, NextIteration, Exit
    SymbolicGradient  the nodes of the function's gradient (core/function_gradients.py)

The nodes are called `caller/...`, and the last one, which gathers the results, has the caller's own name, so that who
fetches it or reads it sees no difference. A node whose op type is a function's name is a call as well.

Next: core/importer.py.
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace

from refflow.core.errors import NodeError
from refflow.core.function_branches import case_nodes, for_nodes, if_nodes, while_nodes
from refflow.core.function_calls import Caller, Library
from refflow.core.graphdef import FunctionCall, GraphDef, NodeDef
from refflow.core.registry import find_op_def

CALLS = ("PartitionedCall", "StatefulPartitionedCall")
_DEEPEST = 64  # calls inside calls; a function that calls itself would never end


UNBUILT = "_unbuilt"  # an attribute of a node that cannot be built: why


def inlined(graph_def: GraphDef, keeps_failures: bool = False) -> GraphDef:
    """`graph_def` with every call, branch and loop of functions replaced by nodes.

    keeps_failures: a node whose functions do not fit stays as it is, with the reason as its attribute UNBUILT.
    """
    library = Library(graph_def)
    if not any(node.op in _EXPANDERS or node.op in library for node in graph_def.node):
        return graph_def
    nodes: list[NodeDef] = []
    for node in graph_def.node:
        try:
            nodes += _from_the_top(node, library)
        except NodeError as error:
            if not keeps_failures:
                raise
            nodes.append(replace(node, attr={**node.attr, UNBUILT: str(error)}))
    return replace(graph_def, node=nodes)


class _TooDeepError(Exception):
    """Calls inside calls have no end, or none in sight."""


def _from_the_top(node: NodeDef, library: Library) -> list[NodeDef]:
    try:
        return _expanded(node, library, 0)
    except _TooDeepError:
        why = library.circle(node) or f"calls are nested deeper than {_DEEPEST}"
        raise NodeError(f"node {node.name!r}: {why}") from None


def _expanded(node: NodeDef, library: Library, depth: int) -> list[NodeDef]:
    expand = _EXPANDERS.get(node.op)
    if expand is None:
        if node.op not in library or find_op_def(node.op) is not None:
            return [node]
        node = replace(node, attr={**node.attr, "f": FunctionCall(node.op)})
        expand = _call
    if depth > _DEEPEST:
        raise _TooDeepError
    found: list[NodeDef] = []
    for inner in expand(Caller(node, library)):
        found += _expanded(inner, library, depth + 1)
    return found


def _call(caller: Caller) -> list[NodeDef]:
    results, after, types = caller.inline(caller.attr("f"), caller.name, caller.data, caller.control)
    return caller.gather(results, caller.node.attr.get("Tout") or types, caller.control + after)


def _remote_call(caller: Caller) -> list[NodeDef]:
    """The first input names a device; there is only this process."""
    caller.data = caller.data[1:]
    return _call(caller)


def _symbolic_gradient(caller: Caller) -> list[NodeDef]:
    """Arguments and the gradients of results go in, the gradients of arguments come out."""
    from refflow.core.function_gradients import gradient_of

    call, types, out = caller.attr("f"), caller.attr("Tin"), caller.attr("Tout")
    written = caller.library.gradients.get(caller.function(call).name)
    if written is not None:
        caller.node = replace(caller.node, attr={**caller.node.attr, "f": FunctionCall(written, call.attr)})
        return _call(caller)
    made = gradient_of(call, types[: len(out)], types[len(out) :], caller.library)
    caller.library = copy(caller.library)
    caller.library[made.name] = made
    results, after, _ = caller.inline(FunctionCall(made.name), caller.name, caller.data, caller.control)
    return caller.gather(results, out, caller.control + after)


_EXPANDERS = {
    **dict.fromkeys(CALLS, _call), "If": if_nodes, "StatelessIf": if_nodes, "Case": case_nodes,
    "StatelessCase": case_nodes, "While": while_nodes, "StatelessWhile": while_nodes, "For": for_nodes,
    "RemoteCall": _remote_call, "SymbolicGradient": _symbolic_gradient,
}  # fmt: skip
