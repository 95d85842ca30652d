"""Variables as 1.x has them: kinds by collection, scopes that reuse what is there and make what is not.

    global_variables         those of the model, saved        (the first release's all_variables)
    local_variables          counts and sums of one run, as of metrics
    variable_scope(reuse=AUTO_REUSE)         get_variable makes, or finds

A scope with a default name is made unique within the one around it, and counts anew whenever that one is entered, so
that a function called twice under one name, reusing, finds its variables again.

Next: compat/v1/initializers.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np

from refflow.compat.v1.initializers import as_initializer, glorot_uniform_initializer, zeros_initializer
from refflow.core.control import group
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import as_dtype, float32, int64
from refflow.core.graph import GraphKeys as FirstKeys
from refflow.core.graph import Operation, Tensor, get_default_graph
from refflow.core.registry import op_def
from refflow.core.tensor import default_session
from refflow.ops import variable as first
from refflow.ops import variable_scope as scopes
from refflow.ops.variable_scope import AUTO_REUSE

__all__ = [
    "AUTO_REUSE", "GraphKeys", "Variable", "VariableScope", "get_local_variable", "get_variable", "get_variable_scope",
    "global_variables", "global_variables_initializer", "is_variable_initialized", "local_variables",
    "local_variables_initializer", "model_variables", "moving_average_variables", "name_scope",
    "report_uninitialized_variables", "trainable_variables", "variable_scope", "variables_initializer",
]  # fmt: skip


class GraphKeys(FirstKeys):
    """Names of collections."""

    GLOBAL_VARIABLES = FirstKeys.VARIABLES
    LOCAL_VARIABLES = "local_variables"
    MODEL_VARIABLES = "model_variables"
    METRIC_VARIABLES = "metric_variables"
    MOVING_AVERAGE_VARIABLES = "moving_average_variables"
    GLOBAL_STEP = "global_step"
    LOSSES = "losses"
    REGULARIZATION_LOSSES = "regularization_losses"
    UPDATE_OPS = "update_ops"
    SUMMARY_OP = "summary_op"
    TRAIN_OP = "train_op"
    SAVERS = "savers"
    INIT_OP = "init_op"


class Variable(first.Variable):
    """The first release's, with the arguments of 1.x; the initial value may be a function without arguments."""

    def __init__(
        self, initial_value: Any = None, trainable: bool | None = None, collections: Any = None,
        validate_shape: bool = True, caching_device: Any = None, name: str | None = None, variable_def: Any = None,
        dtype: Any = None, expected_shape: Any = None, import_scope: Any = None, constraint: Any = None,
        use_resource: Any = None,
    ):  # fmt: skip
        if callable(initial_value):
            initial_value = initial_value()
        if initial_value is not None and dtype is not None:
            initial_value = convert_to_tensor(initial_value, as_dtype(dtype).base_dtype)
        super().__init__(initial_value, trainable is None or trainable, collections, validate_shape, name)

    @property
    def trainable(self) -> bool:
        """Whether optimizers change it unless they are told what to change."""
        return self in self.graph.get_collection(GraphKeys.TRAINABLE_VARIABLES)

    def read_value(self) -> Tensor:
        """The value at the moment when it is read in the step."""
        return op_def("Identity")(self.ref())

    def load(self, value: Any, session: Any = None) -> None:
        """Sets the variable in a session."""
        default_session(session, f"load {self.name!r}").run(self.initializer, {self.initial_value: value})


def name_scope(name: str | None, default_name: str | None = None, values: Any = None) -> Any:
    """Prefixes the names of new nodes with `name`, or else with `default_name`."""
    return get_default_graph().name_scope(default_name if name is None else name)


# -- scopes ------------------------------------------------------------------------------------------------------


class VariableScope(scopes.VariableScope):
    """The first release's, with a regularizer, a type, and the scope of nodes that it was made with."""

    variable_class = Variable
    regularizer: Callable[[Any], Any] | None = None
    dtype: Any = float32
    original_name_scope = ""

    def inside(self, name: str) -> VariableScope:
        """The scope of that name in this one, with the same settings."""
        found = VariableScope(self.reuse, f"{self.name}/{name}" if self.name and name else name or self.name,
                              self.initializer)  # fmt: skip
        found.regularizer, found.dtype = self.regularizer, self.dtype
        return found


def get_variable_scope() -> VariableScope:
    """The scope in force."""
    found = scopes.get_variable_scope()
    if isinstance(found, VariableScope):
        return found
    held = get_default_graph()._collections[scopes._SCOPE]
    held[0] = VariableScope(found.reuse, found.name, found.initializer)
    return held[0]


def _counts() -> dict[str, int]:
    """How often each default name was used."""
    return scopes._first(("__varscope_counts",), dict)


@contextmanager
def variable_scope(
    name_or_scope: Any, default_name: str | None = None, values: Any = None, initializer: Any = None,
    regularizer: Any = None, caching_device: Any = None, partitioner: Any = None, custom_getter: Any = None,
    reuse: Any = None, dtype: Any = None, use_resource: Any = None, constraint: Any = None,
    auxiliary_name_scope: bool = True,
) -> Iterator[VariableScope]:  # fmt: skip
    """A scope inside the present one, called `name_or_scope`, or `default_name` made unique; or that scope again.

    caching_device, partitioner, use_resource: accepted, and change nothing.
    """
    if custom_getter is not None or constraint is not None:
        raise ValueError("custom_getter and constraint are not there in this variable_scope")
    old, counts = get_variable_scope(), _counts()
    if name_or_scope is None and default_name is None:
        raise TypeError("If default_name is None then name_or_scope is required")
    if isinstance(name_or_scope, scopes.VariableScope):
        fresh = VariableScope(None, "").inside(name_or_scope.name)
        fresh._reuse, fresh._initializer = name_or_scope.reuse, name_or_scope.initializer
        fresh.regularizer = getattr(name_or_scope, "regularizer", None)
        label = name_or_scope.name.rpartition("/")[2]
    else:
        label = name_or_scope
        if label is None:
            prefix = f"{old.name}/" if old.name else ""
            number = counts.get(f"{prefix}{default_name}", 0)
            counts[f"{prefix}{default_name}"] = number + 1
            label = f"{default_name}_{number}" if number else str(default_name)
        fresh = old.inside(label)
    fresh._reuse = reuse or fresh.reuse
    fresh._initializer = initializer if initializer is not None else fresh.initializer
    fresh.regularizer = regularizer if regularizer is not None else fresh.regularizer
    fresh.dtype = fresh.dtype if dtype is None else as_dtype(dtype)
    held = get_default_graph()._collections[scopes._SCOPE]
    below = {key: counts.pop(key) for key in list(counts) if key.startswith(f"{fresh.name}/")}
    held[0] = fresh
    try:
        with get_default_graph().name_scope(label) if auxiliary_name_scope and label else nullcontext("") as nodes:
            fresh.original_name_scope = nodes
            yield fresh
    finally:
        held[0] = old
        for key in [k for k in counts if k.startswith(f"{fresh.name}/")]:
            del counts[key]
        counts.update(below)


def get_variable(
    name: str, shape: Any = None, dtype: Any = None, initializer: Any = None, regularizer: Any = None,
    trainable: bool | None = None, collections: Any = None, caching_device: Any = None, partitioner: Any = None,
    validate_shape: bool = True, use_resource: Any = None, custom_getter: Any = None, constraint: Any = None,
) -> Variable:  # fmt: skip
    """The variable of that name in the present scope: found where the scope reuses, else made.

    initializer: an initializer, a function of shape and dtype, or a value, which then gives the shape; by default
    that of the scope, or Glorot's (zeros for whole numbers). regularizer: a function to a loss, which is collected.
    """
    scope = get_variable_scope()
    full = f"{scope.name}/{name}" if scope.name else name
    known = full in scopes._first(scopes._STORE, dict)
    if initializer is not None and not callable(initializer):
        initializer = convert_to_tensor(initializer, dtype)
        if shape is not None:
            raise ValueError("If initializer is a constant, do not specify shape.")
        shape, dtype = initializer.get_shape(), initializer.dtype
    kind = as_dtype(dtype if dtype is not None else scope.dtype).base_dtype
    chosen = initializer if initializer is not None else scope.initializer
    if chosen is None:
        chosen = glorot_uniform_initializer if kind.is_floating or kind.is_complex else zeros_initializer
    if trainable is None:
        trainable = GraphKeys.LOCAL_VARIABLES not in (collections or ())
    dims = [] if shape == () else [shape] if isinstance(shape, (int, np.integer)) else shape
    # A later use may leave out the initializer, whose value would be a node that nobody needs.
    start = None if known else as_initializer(chosen)
    found = scope.get_variable(name, dims, kind, start, trainable, collections)
    penalty = regularizer if regularizer is not None else scope.regularizer
    if penalty is not None and not known:
        with get_default_graph().name_scope(f"{full}/Regularizer/"):
            loss = penalty(found)
        if loss is not None:
            get_default_graph().add_to_collection(GraphKeys.REGULARIZATION_LOSSES, loss)
    return found  # type: ignore[return-value]


def get_local_variable(name: str, *args: Any, **kwargs: Any) -> Variable:
    """As get_variable, of a variable that is local and not trained."""
    return get_variable(name, *args, **{**kwargs, "trainable": False, "collections": [GraphKeys.LOCAL_VARIABLES]})


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
    return group(*(v.initializer for v in var_list), name=name)


def global_variables_initializer() -> Operation:
    """One operation that gives every global variable its initial value."""
    return variables_initializer(global_variables())


def local_variables_initializer() -> Operation:
    """One operation that gives every local variable its initial value."""
    return variables_initializer(local_variables(), name="init_local")


def is_variable_initialized(variable: Any) -> Tensor:
    """Whether the variable has a value, a bool tensor."""
    return op_def("IsVariableInitialized")(variable.ref())


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
    if found is not None:
        return found
    chosen = graph or get_default_graph()
    with chosen.as_default(), chosen.name_scope(None):
        return get_variable("global_step", [], int64, zeros_initializer(), trainable=False,
                            collections=[GraphKeys.GLOBAL_VARIABLES, GraphKeys.GLOBAL_STEP])  # fmt: skip


create_global_step = get_or_create_global_step


def get_global_step(graph: Any = None) -> Any:
    """The variable that counts steps, or None."""
    chosen = graph or get_default_graph()
    held = chosen.get_collection(GraphKeys.GLOBAL_STEP)
    if held:
        return held[0]
    return next((v for v in chosen.get_collection(GraphKeys.VARIABLES) if v.op.name == "global_step"), None)
