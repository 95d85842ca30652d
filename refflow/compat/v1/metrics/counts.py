"""What all metrics share: local variables that count, and a value beside an operation that counts one step more.

    @metric()
    def accuracy(labels, predictions, weights=None, name=None): ...     gives (value, update)

makes accuracy(labels, predictions, weights=None, metrics_collections=None, updates_collections=None, name=None), which
enters both in the collections named.

Next: compat/v1/metrics/means.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from inspect import Parameter, signature
from typing import Any

from refflow.compat.v1.variables import GraphKeys, Variable
from refflow.core.dtypes import float32
from refflow.core.graph import Tensor, get_default_graph
from refflow.ops.constant import zeros

_COLLECTIONS = ("metrics_collections", "updates_collections")


def metric(before: str = "name") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Makes a function to (value, update) enter both in collections, which are named before the argument `before`."""

    def decorated(function: Callable[..., tuple[Any, Any]]) -> Callable[..., tuple[Any, Any]]:
        arguments = list(signature(function).parameters.values())
        at = [p.name for p in arguments].index(before)
        kind = Parameter.POSITIONAL_OR_KEYWORD
        arguments[at:at] = [Parameter(key, kind, default=None) for key in _COLLECTIONS]
        whole = signature(function).replace(parameters=arguments)

        @wraps(function)
        def with_collections(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
            bound = whole.bind(*args, **kwargs).arguments
            keys = [bound.pop(key, None) for key in _COLLECTIONS]
            found = function(**bound)
            for tensor, names in zip(found, keys, strict=True):
                for key in [names] if isinstance(names, str) else names or ():
                    get_default_graph().add_to_collection(key, tensor)
            return found

        with_collections.__signature__ = whole  # type: ignore[attr-defined]
        return with_collections

    return decorated


def metric_variable(shape: Sequence[int], dtype: Any = float32, name: str | None = None) -> Variable:
    """A local variable of zeros."""
    return Variable(lambda: zeros(list(shape), dtype), False, [GraphKeys.LOCAL_VARIABLES, GraphKeys.METRIC_VARIABLES],
                    name=name)  # fmt: skip


def counted(variable: Variable, more: Any) -> Tensor:
    """The variable after `more` was added."""
    return variable.assign_add(more)
