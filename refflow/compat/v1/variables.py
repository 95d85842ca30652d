"""Variables as 1.x has them: kinds by collection, lists of them, what initializes them, and the step that they count.

    global_variables         those of the model, saved        (the first release's all_variables)
    local_variables          counts and sums of one run, as of metrics

Next: compat/v1/initializers.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from refflow.compat.v1.graph_keys import GraphKeys
from refflow.compat.v1.initializers import zeros_initializer
from refflow.compat.v1.names import name_scope
from refflow.compat.v1.variable import Variable
from refflow.compat.v1.variable_creators import (
    disable_resource_variables,
    enable_resource_variables,
    resource_variables_enabled,
    variable_creator_scope,
)
from refflow.compat.v1.variable_kinds import VariableAggregation, VariableSynchronization
from refflow.compat.v1.variable_scope import AUTO_REUSE, VariableScope, get_variable, get_variable_scope, variable_scope
from refflow.core.control import group, no_op
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import int64
from refflow.core.graph import Operation, Tensor, get_default_graph
from refflow.core.registry import op_def
from refflow.ops.variable import assert_variables_initialized

__all__ = [
    "AUTO_REUSE", "GraphKeys", "Variable", "VariableAggregation", "VariableScope", "VariableSynchronization",
    "assert_variables_initialized", "disable_resource_variables", "enable_resource_variables", "get_variable",
    "get_variable_scope", "global_variables", "global_variables_initializer", "initialize_local_variables",
    "initialize_variables", "is_variable_initialized", "local_variables", "local_variables_initializer",
    "model_variables", "moving_average_variables", "name_scope", "report_uninitialized_variables",
    "resource_variables_enabled", "trainable_variables", "variable_creator_scope", "variable_scope",
    "variables_initializer",
]  # fmt: skip

# -- lists of them -----------------------------------------------------------------------------------------------


def _listed(key: str) -> Callable[..., list[Variable]]:
    def function(scope: str | None = None) -> list[Variable]:
        return get_default_graph().get_collection(key, scope)

    function.__name__ = key if key.endswith("variables") and key != "variables" else "global_variables"
    function.__doc__ = f"The variables of the collection {key!r}, or those whose names begin with `scope`."
    return function


global_variables = _listed(GraphKeys.GLOBAL_VARIABLES)
local_variables = _listed(GraphKeys.LOCAL_VARIABLES)
model_variables = _listed(GraphKeys.MODEL_VARIABLES)
trainable_variables = _listed(GraphKeys.TRAINABLE_VARIABLES)
moving_average_variables = _listed(GraphKeys.MOVING_AVERAGE_VARIABLES)


def variables_initializer(var_list: Iterable[Any], name: str = "init") -> Operation:
    """One operation that gives the variables listed their initial values."""
    initializers = [v.initializer for v in var_list or ()]
    return group(*initializers, name=name) if initializers else no_op(name=name)


def global_variables_initializer() -> Operation:
    """One operation that gives every global variable its initial value."""
    return variables_initializer(global_variables())


def local_variables_initializer() -> Operation:
    """One operation that gives every local variable its initial value."""
    return variables_initializer(local_variables())


initialize_variables, initialize_local_variables = variables_initializer, local_variables_initializer


def is_variable_initialized(variable: Any) -> Tensor:
    """Whether the variable has a value, a bool tensor."""
    if isinstance(variable, Variable):
        return variable.is_initialized()
    return op_def("IsVariableInitialized")(convert_to_tensor(variable, as_ref=True))


def report_uninitialized_variables(var_list: Any = None, name: str = "report_uninitialized_variables") -> Tensor:
    """The names of the variables that have no value yet, a vector of strings."""
    variables = [*global_variables(), *local_variables()] if var_list is None else list(var_list)
    with get_default_graph().name_scope(name):
        names = convert_to_tensor(np.array([v.op.name.encode() for v in variables], object))
        if not variables:
            return names
        lacking = op_def("Pack")([op_def("LogicalNot")(is_variable_initialized(v)) for v in variables])
        places = op_def("Reshape")(op_def("Where")(lacking), np.array([-1], np.int32))
        return op_def("Gather")(names, places)


def get_or_create_global_step(graph: Any = None) -> Variable:
    """The variable that counts steps; made, with 0, when first asked for."""
    found = get_global_step(graph)
    return create_global_step(graph) if found is None else found


def create_global_step(graph: Any = None) -> Variable:
    """A new variable that counts steps; ValueError where there is one."""
    chosen = graph or get_default_graph()
    if get_global_step(chosen) is not None:
        raise ValueError('"global_step" already exists.')
    with chosen.as_default(), chosen.name_scope(None):
        return get_variable("global_step", [], int64, zeros_initializer(), trainable=False,
                            collections=[GraphKeys.GLOBAL_VARIABLES, GraphKeys.GLOBAL_STEP])  # fmt: skip


def get_global_step(graph: Any = None) -> Any:
    """The variable that counts steps, or None."""
    chosen = graph or get_default_graph()
    held = chosen.get_collection(GraphKeys.GLOBAL_STEP)
    if held:
        return held[0]
    return next((v for v in chosen.get_collection(GraphKeys.VARIABLES) if v.op.name == "global_step"), None)
