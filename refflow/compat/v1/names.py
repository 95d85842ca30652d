"""Scopes of names with 1.x's arguments, and what tells a graph from eager execution.

    with tf.name_scope("layer"):  layer/...        with tf.name_scope(None, "layer", [x]):  in the graph of x
    with tf.name_scope("layer/"): that scope again, not another

Next: compat/v1/variable.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from refflow.core.convert import graph_of
from refflow.core.graph import get_default_graph

__all__ = ["executing_eagerly", "executing_eagerly_outside_functions", "init_scope", "name_scope", "op_scope"]


class name_scope:
    """Prefixes the names of new nodes with `name`, or else with `default_name`, in the graph of `values`."""

    def __init__(self, name: str | None, default_name: str | None = None, values: Sequence[Any] | None = None):
        if not (default_name is None or isinstance(default_name, str)):
            raise TypeError(
                f"`default_name` type ({type(default_name)}) is not a string type. You likely meant to pass this into "
                "the `values` kwarg."
            )
        if name is not None and not isinstance(name, str):
            raise ValueError("name for name_scope must be a string.")
        self._name, self._values = default_name if name is None else name, values
        self._default_name, self._given = default_name, name
        self._entered: ExitStack | None = None

    @property
    def name(self) -> str | None:
        """The name that is asked for."""
        return self._name

    def __enter__(self) -> str:
        if self._name is None and self._values is not None:
            raise ValueError(
                f"At least one of name ({self._given}) and default_name ({self._default_name}) must be provided."
            )
        graph = graph_of(self._values or ())
        self._entered = ExitStack()
        self._entered.enter_context(graph.as_default())
        return self._entered.enter_context(graph.name_scope(self._name))

    def __exit__(self, *error: Any) -> None:
        entered, self._entered = self._entered, None
        assert entered is not None
        entered.__exit__(*error)


@contextmanager
def op_scope(values: Sequence[Any], name: str | None, default_name: str | None = None) -> Iterator[str]:
    """name_scope under its older name, with `values` first."""
    with name_scope(name, default_name, values) as scope:
        yield scope


@contextmanager
def init_scope() -> Iterator[None]:
    """Nodes that are built inside are in no branch or loop and wait for nothing; names stay as they are."""
    with get_default_graph().outside():
        yield


def executing_eagerly() -> bool:
    """False: what is called builds nodes, and sessions run them."""
    return False


def executing_eagerly_outside_functions() -> bool:
    """False, as executing_eagerly."""
    return False
