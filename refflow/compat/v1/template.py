"""make_template: a function that makes its variables once and finds them again in every later call.

    scale = tf.make_template("scale", lambda x: x * tf.get_variable("w", []))
    scale(a), scale(b)                  one variable, scale/w; nodes in scale/ and scale_1/

Next: compat/v1/critical_section.py.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from refflow.compat.v1.graph_keys import GraphKeys
from refflow.compat.v1.variable_scope import VariableScope, variable_scope
from refflow.core.graph import get_default_graph

__all__ = ["make_template"]


def make_template(
    name_: str, func_: Callable[..., Any], create_scope_now_: bool = False, unique_name_: str | None = None,
    custom_getter_: Any = None, **kwargs: Any,
) -> Template:  # fmt: skip
    """`func_` with arguments filled in, whose variables are shared by all calls.

    create_scope_now_: the scope is where the template is made; else where it is first called. unique_name_: the
    scope's name as it is, for one template alone.
    """
    if kwargs:
        func_ = functools.partial(func_, **kwargs)
    return Template(name_, func_, create_scope_now_, unique_name_, custom_getter_)


class Template:
    """What make_template gives: call it."""

    def __init__(
        self, name: str, func: Callable[..., Any], create_scope_now: bool = False, unique_name: str | None = None,
        custom_getter: Any = None,
    ):  # fmt: skip
        if name is None:
            raise ValueError("name cannot be None.")
        self._func, self._name, self._unique_name = func, name, unique_name
        self._custom_getter = custom_getter
        self._scope: VariableScope | None = None
        self._called = False
        if create_scope_now:
            self._open()

    def _open(self) -> None:
        with variable_scope(self._unique_name, self._name, custom_getter=self._custom_getter) as scope:
            self._scope = scope

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._scope is None:
            with variable_scope(self._unique_name, self._name, custom_getter=self._custom_getter) as scope:
                self._scope = scope
                return self._first(args, kwargs)
        if not self._called:
            with variable_scope(self._scope, reuse=False):
                return self._first(args, kwargs)
        with variable_scope(self._scope, reuse=True):
            before = len(get_default_graph().get_collection(GraphKeys.TRAINABLE_VARIABLES))
            result = self._func(*args, **kwargs)
        made = get_default_graph().get_collection(GraphKeys.TRAINABLE_VARIABLES)[before:]
        if made:
            raise ValueError(
                "New variable created when calling a template after the first time, perhaps you used tf.Variable when "
                f"you meant tf.get_variable: {[v.name for v in made]}"
            )
        return result

    def _first(self, args: Any, kwargs: Any) -> Any:
        """The call that makes the variables."""
        result = self._func(*args, **kwargs)
        self._called = True
        return result

    @property
    def name(self) -> str:
        return self._name

    @property
    def func(self) -> Callable[..., Any]:
        return self._func

    @property
    def variable_scope(self) -> VariableScope | None:
        """The scope of its variables, once there is one."""
        return self._scope

    @property
    def variable_scope_name(self) -> str | None:
        """The name of that scope, with a '/'."""
        return None if self._scope is None else f"{self._scope.name}/"

    def _listed(self, key: str) -> list[Any]:
        return [] if self._scope is None else self._scope.get_collection(key)

    @property
    def trainable_variables(self) -> list[Any]:
        return self._listed(GraphKeys.TRAINABLE_VARIABLES)

    @property
    def global_variables(self) -> list[Any]:
        return self._listed(GraphKeys.GLOBAL_VARIABLES)

    @property
    def local_variables(self) -> list[Any]:
        return self._listed(GraphKeys.LOCAL_VARIABLES)

    @property
    def variables(self) -> list[Any]:
        """Those that are global or local."""
        return self.global_variables + self.local_variables

    @property
    def weights(self) -> list[Any]:
        """The variables that a model of layers would name so: all."""
        return self.variables


