"""Who makes a variable of 1.x: the creators in force, the innermost first, and at last one of the two classes.

    tf.Variable(...)    created(...)    creator(next_creator, ...)    RefVariable(...) or ResourceVariable(...)

A creator (variable_creator_scope) is given what comes after it, and all arguments by name.

Next: compat/v1/variable_start.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from refflow.compat.v1.variable_kinds import VariableAggregation, VariableSynchronization
from refflow.core.graph import Graph, get_default_graph

_CREATORS: tuple[str] = ("__variable_creators",)  # the key of a graph's creators, the outermost first
ARGUMENTS: dict[str, Any] = {
    "initial_value": None, "trainable": None, "collections": None, "validate_shape": True, "caching_device": None,
    "name": None, "variable_def": None, "dtype": None, "expected_shape": None, "import_scope": None,
    "constraint": None, "use_resource": None, "synchronization": VariableSynchronization.AUTO,
    "aggregation": VariableAggregation.NONE, "shape": None,
}  # fmt: skip

_resource_by_default = False


def enable_resource_variables() -> None:
    """From here on variables are behind handles, unless a scope or a variable says otherwise."""
    global _resource_by_default
    _resource_by_default = True


def disable_resource_variables() -> None:
    """From here on variables are behind references, unless a scope or a variable says otherwise."""
    global _resource_by_default
    _resource_by_default = False


def resource_variables_enabled() -> bool:
    """Whether variables are behind handles by default."""
    return _resource_by_default


def _creators(graph: Graph) -> list[Any]:
    return graph._collections.setdefault(_CREATORS, [])


@contextmanager
def variable_creator_scope(variable_creator: Callable[..., Any]) -> Iterator[None]:
    """Inside, variables are made by variable_creator(next_creator, **arguments), which may call the next one."""
    creators = _creators(get_default_graph())
    creators.append(variable_creator)
    try:
        yield
    finally:
        creators.remove(variable_creator)


def created(**arguments: Any) -> Any:
    """A variable as the creators in force make it."""
    make: Callable[..., Any] = _default_creator
    for creator in _creators(get_default_graph()):
        make = _then(creator, make)
    return make(**arguments)


def _then(creator: Callable[..., Any], following: Callable[..., Any]) -> Callable[..., Any]:
    return lambda **arguments: creator(following, **arguments)


def _default_creator(use_resource: bool | None = None, **arguments: Any) -> Any:
    if use_resource is None:
        from refflow.compat.v1.variable_scope import get_variable_scope

        use_resource = get_variable_scope()._defaults["use_resource"]
    if use_resource is None:
        use_resource = _resource_by_default
    if use_resource:
        from refflow.compat.v1.resource_variable import ResourceVariable

        return ResourceVariable(**arguments)
    from refflow.compat.v1.variable import RefVariable

    return RefVariable(**arguments)
