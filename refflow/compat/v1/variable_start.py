"""How a variable of 1.x begins: its collections, its initial value, where what stands for it lies.

    checked     what is wrong with its arguments is told; the collections it is to enter
    starting    its scope, outside of branches and loops, and what makes its initial value
    guarded     the initial value, where it may be asked for before the variables that it reads have one

Next: compat/v1/variable_kinds.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from refflow.compat.v1.graph_keys import GraphKeys
from refflow.compat.v1.variable_kinds import VariableAggregation, VariableSynchronization
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import as_dtype
from refflow.core.graph import Operation, Tensor, get_default_graph


def checked(
    made: Any, initial_value: Any, trainable: bool | None, collections: Any, constraint: Any,
    synchronization: Any, aggregation: Any,
) -> list[str]:  # fmt: skip
    """The collections that a new variable is to enter; what is wrong with its arguments is a ValueError."""
    if initial_value is None:
        raise ValueError("initial_value must be specified.")
    if collections is not None and not isinstance(collections, (list, tuple, set)):
        raise ValueError(
            "collections argument to Variable constructor must be a list, tuple, or set. "
            f"Got {collections} of type {type(collections)}"
        )
    if constraint is not None and not callable(constraint):
        raise ValueError("The `constraint` argument must be a callable.")
    made._constraint = constraint
    made._synchronization = VariableSynchronization(synchronization or VariableSynchronization.AUTO)
    made._aggregation = VariableAggregation(aggregation or VariableAggregation.NONE)
    made._trainable = made._synchronization is not VariableSynchronization.ON_READ if trainable is None else trainable
    keys = [GraphKeys.GLOBAL_VARIABLES] if collections is None else list(collections)
    if made._trainable and GraphKeys.TRAINABLE_VARIABLES not in keys:
        keys.append(GraphKeys.TRAINABLE_VARIABLES)
    return keys


@contextmanager
def starting(initial_value: Any, name: str | None) -> Iterator[tuple[str, Callable[[Any], Tensor]]]:
    """The scope of a new variable, outside of branches and loops, and what makes its initial value of a type."""
    values = [initial_value] if hasattr(initial_value, "graph") and not callable(initial_value) else []
    with op_scope(values, name, "Variable") as scope, get_default_graph().outside():
        yield scope, lambda dtype: _initial(initial_value, scope, dtype)


def _initial(given: Any, scope: str, dtype: Any) -> Tensor:
    graph, wanted = get_default_graph(), None if dtype is None else as_dtype(dtype).base_dtype
    if callable(given):
        with graph._attr_scope({"_class": [f"loc:@{scope[:-1]}"]}), graph.name_scope("Initializer"), graph.device(None):
            return convert_to_tensor(given(), wanted, "initial_value")
    found = convert_to_tensor(given, wanted, "initial_value")
    if found.op._context is not None:
        raise ValueError(
            f"Initializer for variable {scope} is from inside a control-flow construct, such as a loop or "
            "conditional. When creating a variable inside a loop or conditional, use a lambda as the initializer."
        )
    return found


@contextmanager
def placed(caching_device: Any, beside: Operation) -> Iterator[None]:
    """Where what stands for the value lies: on the caching device, or with the variable."""
    graph = get_default_graph()
    with graph.colocate_with(beside) if caching_device is None else graph.device(caching_device):
        yield


def collect(made: Any, keys: Sequence[str]) -> None:
    """Enters a new variable in collections."""
    for key in dict.fromkeys(keys):
        made.graph.add_to_collection(key, made)


def guarded(initial: Tensor) -> Tensor:
    """The initial value with each variable that it reads, if that has no value yet, replaced by its own initial value.

    So one operation may run the initializers of all variables, in any order.
    """
    held = initial.graph.get_collection(GraphKeys.GLOBAL_VARIABLES)
    known = {v._variable: v for v in held if hasattr(v, "_variable") and not hasattr(v, "handle")}
    return _without_variables(initial, known, {}) if known else initial


def _without_variables(tensor: Tensor, known: dict[Tensor, Any], done: dict[Operation, Any]) -> Tensor:
    op = tensor.op
    if op._context is not None or op.type in ("IsVariableInitialized", "Const", "Placeholder"):
        return tensor
    if tensor in known:
        return known[tensor].initialized_value()
    if op.op_def.ref_inputs or any(t.dtype.is_ref_dtype for t in op.outputs):
        return tensor
    if op not in done:
        inputs = [_without_variables(t, known, done) for t in op.inputs]
        same = all(a is b for a, b in zip(inputs, op.inputs, strict=True))
        done[op] = op if same else _copied(op, inputs)
    return done[op].outputs[tensor.value_index]


def _copied(op: Operation, inputs: list[Tensor]) -> Operation:
    """The same node on other inputs."""
    name = op.name.replace("/", "_")
    types = [t.dtype for t in op.outputs]
    return op.graph.create_op(op.type, inputs, types, None, f"{name}_modified", dict(op.attrs), op.op_def)
