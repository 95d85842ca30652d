"""Scopes of 1.x: where get_variable's names and defaults come from, and whether variables are found or made.

    with tf.variable_scope("layer"):               w = tf.get_variable("w", [3, 2])      layer/w
    with tf.variable_scope("layer", reuse=True):   w = tf.get_variable("w")              the same
    with tf.variable_scope(None, "layer"):         layer, layer_1, ... each time another
    with tf.variable_scope(scope):                 that scope again, with its defaults, wherever one is

A scope with a default name is made unique within the one around it, and counts anew whenever that one is entered, so
that a function called twice under one name, reusing, finds its variables again.

Next: compat/v1/variables.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

from refflow.compat.v1.graph_keys import GraphKeys
from refflow.compat.v1.variable_kinds import VariableAggregation, VariableSynchronization
from refflow.compat.v1.variable_store import VariableStore
from refflow.core.convert import convert_to_tensor, graph_of
from refflow.core.dtypes import as_dtype, float32
from refflow.core.graph import get_default_graph
from refflow.ops import variable_scope as scopes
from refflow.ops.variable_scope import AUTO_REUSE

__all__ = ["AUTO_REUSE", "VariableScope", "get_local_variable", "get_variable", "get_variable_scope",
           "no_regularizer", "variable_op_scope", "variable_scope"]  # fmt: skip


def no_regularizer(_: Any) -> None:
    """Stands for no regularizer where the scope has one."""


class VariableScope(scopes.VariableScope):
    """The defaults of one scope. None of them is None for good: a scope inside may say otherwise."""

    def __init__(
        self, reuse: Any, name: str = "", initializer: Any = None, regularizer: Any = None, caching_device: Any = None,
        partitioner: Any = None, custom_getter: Any = None, name_scope: str = "", dtype: Any = float32,
        use_resource: bool | None = None, constraint: Any = None,
    ):  # fmt: skip
        super().__init__(reuse, name, initializer)
        self._defaults = {"regularizer": regularizer, "caching_device": caching_device, "partitioner": partitioner,
                          "custom_getter": custom_getter, "dtype": dtype, "use_resource": use_resource,
                          "constraint": constraint}  # fmt: skip
        self._original_name_scope = name_scope

    @property
    def original_name_scope(self) -> str:
        """The name scope that was made with this scope."""
        return self._original_name_scope

    @property
    def reuse(self) -> Any:
        return self._reuse

    def inside(self, name: str) -> VariableScope:
        """The scope of that name in this one, with the same defaults."""
        full = f"{self.name}/{name}" if self.name else name
        return VariableScope(self._reuse, full, self._initializer, **self._defaults)

    def like(self, name: str | None = None) -> VariableScope:
        """Another with the same defaults."""
        found = VariableScope(self._reuse, self.name if name is None else name, self._initializer, **self._defaults)
        found._original_name_scope = self._original_name_scope
        return found

    def get_collection(self, name: Any) -> list[Any]:
        """What a collection has of this scope's."""
        return get_default_graph().get_collection(name, f"{self.name}/" if self.name else None)

    def trainable_variables(self) -> list[Any]:
        """The trainable variables of this scope."""
        return self.get_collection(GraphKeys.TRAINABLE_VARIABLES)

    def global_variables(self) -> list[Any]:
        """The global variables of this scope."""
        return self.get_collection(GraphKeys.GLOBAL_VARIABLES)

    def local_variables(self) -> list[Any]:
        """The local variables of this scope."""
        return self.get_collection(GraphKeys.LOCAL_VARIABLES)

    def get_variable(  # type: ignore[override]
        self, var_store: VariableStore, name: str | None, shape: Any = None, dtype: Any = None, initializer: Any = None,
        regularizer: Any = None, reuse: Any = None, trainable: bool | None = None, collections: Any = None,
        caching_device: Any = None, partitioner: Any = None, validate_shape: bool = True,
        use_resource: bool | None = None, custom_getter: Any = None, constraint: Any = None,
        synchronization: Any = VariableSynchronization.AUTO, aggregation: Any = VariableAggregation.NONE,
    ) -> Any:  # fmt: skip
        """A variable of this scope; what is not given is the scope's default."""
        full = f"{self.name}/{name}" if self.name and name is not None else self.name or name or ""
        if initializer is not None and not callable(initializer) and dtype is not None:
            found = convert_to_tensor(initializer).dtype.base_dtype
            if found is not as_dtype(dtype).base_dtype:
                raise ValueError(
                    f"Initializer type '<dtype: '{found.name}'>' and explicit dtype '<dtype: "
                    f"'{as_dtype(dtype).name}'>' don't match."
                )
        if initializer is not None and not callable(initializer) and dtype is None:
            dtype = convert_to_tensor(initializer).dtype.base_dtype
        if trainable is None:
            trainable = synchronization is not VariableSynchronization.ON_READ
        given = {
            "regularizer": regularizer, "caching_device": caching_device, "partitioner": partitioner, "dtype": dtype,
            "use_resource": use_resource, "constraint": constraint,
        }  # fmt: skip
        arguments = {key: self._defaults[key] if value is None else value for key, value in given.items()}
        arguments["initializer"] = self._initializer if initializer is None else initializer
        arguments["reuse"] = self._reuse if reuse is None else reuse
        arguments |= {"shape": shape, "trainable": trainable, "collections": collections,
                      "validate_shape": validate_shape, "synchronization": synchronization,
                      "aggregation": aggregation}  # fmt: skip
        with get_default_graph().name_scope(None):
            return _through_getter(custom_getter or self._defaults["custom_getter"], var_store, full, arguments)


def _through_getter(custom_getter: Any, store: VariableStore, name: str, arguments: dict[str, Any]) -> Any:
    def getter(name: str, *positional: Any, **changed: Any) -> Any:
        changed |= dict(zip(_GETTER_ORDER, positional, strict=False))
        given = _GETTER_DEFAULTS | changed
        given.pop("custom_getter", None)
        reuse = given["reuse"]
        given["reuse"] = None if reuse is False else reuse
        return store.get_variable(name, **given)

    if custom_getter is None:
        return getter(name, **arguments)
    if not callable(custom_getter):
        raise ValueError(f"Passed a custom_getter which is not callable: {custom_getter}")
    return custom_getter(getter=getter, name=name, **arguments)


_GETTER_ORDER = ("shape", "dtype", "initializer", "regularizer", "reuse", "trainable", "collections", "caching_device",
                 "partitioner", "validate_shape", "use_resource", "constraint", "synchronization",
                 "aggregation")  # fmt: skip
_GETTER_DEFAULTS: dict[str, Any] = dict.fromkeys(_GETTER_ORDER) | {
    "dtype": float32, "validate_shape": True, "synchronization": VariableSynchronization.AUTO,
    "aggregation": VariableAggregation.NONE,
}  # fmt: skip


def _default(key: str, meaning: str, settable: bool = True) -> None:
    """Gives VariableScope a default by that name, and a method that changes it."""
    setattr(VariableScope, key, property(lambda self: self._defaults[key], doc=meaning))
    if settable:

        def change(self: VariableScope, value: Any) -> None:
            self._defaults[key] = value

        change.__name__, change.__doc__ = f"set_{key}", f"Changes the default: {meaning}"
        setattr(VariableScope, f"set_{key}", change)


_default("regularizer", "a function from a new variable to a loss, which is collected.")
_default("caching_device", "where what stands for a variable's value lies.")
_default("partitioner", "a function of shape and dtype to the number of parts along each axis.")
_default("custom_getter", "what get_variable calls instead of making a variable by itself.")
_default("dtype", "the type of variables.")
_default("use_resource", "whether variables are behind handles.")
_default("constraint", "a function that an update's result is to go through.", settable=False)


# -- the scope in force -----------------------------------------------------------------------------------------------


def _held() -> list[Any]:
    scopes._first(scopes._SCOPE, lambda: VariableScope(False))
    return get_default_graph()._collections[scopes._SCOPE]


def get_variable_scope() -> VariableScope:
    """The scope in force."""
    held = _held()
    if not isinstance(held[0], VariableScope):  # that of a program with both spellings
        held[0] = VariableScope(held[0].reuse, held[0].name, held[0].initializer)
    return held[0]


def _counts() -> dict[str, int]:
    """How often each scope was opened, since the one around it was last left."""
    return scopes._first(("__varscope_counts",), dict)


def _unique(name: str) -> str:
    counts, around = _counts(), get_variable_scope().name
    prefix = f"{around}/" if around else ""
    if not counts.get(prefix + name):
        return name
    number = 1
    while counts.get(f"{prefix}{name}_{number}"):
        number += 1
    return f"{name}_{number}"


@contextmanager
def variable_scope(
    name_or_scope: Any, default_name: str | None = None, values: Any = None, initializer: Any = None,
    regularizer: Any = None, caching_device: Any = None, partitioner: Any = None, custom_getter: Any = None,
    reuse: Any = None, dtype: Any = None, use_resource: bool | None = None, constraint: Any = None,
    auxiliary_name_scope: bool = True,
) -> Iterator[VariableScope]:  # fmt: skip
    """A scope inside the present one, called `name_or_scope`, or `default_name` made unique; or that scope again.

    What is given here is the default of get_variable inside. auxiliary_name_scope: whether nodes get its name too.
    """
    _check(name_or_scope, default_name, reuse, auxiliary_name_scope)
    graph = graph_of(values or ())
    with graph.as_default():
        old = get_variable_scope()
        again = isinstance(name_or_scope, scopes.VariableScope)
        if again:
            label, fresh = name_or_scope.name.rpartition("/")[2], _like(name_or_scope)
        else:
            label = _unique(default_name) if name_or_scope is None else name_or_scope  # type: ignore[arg-type]
            fresh = old.inside(label)
        given = {"initializer": initializer, "regularizer": regularizer, "caching_device": caching_device,
                 "partitioner": partitioner, "custom_getter": custom_getter, "dtype": dtype,
                 "use_resource": use_resource, "constraint": constraint}  # fmt: skip
        _settle(fresh, reuse or None, given)
        with _entered(fresh, again), _nodes(graph, label, auxiliary_name_scope) as nodes:
            if not again or not fresh._original_name_scope:
                fresh._original_name_scope = nodes
            yield fresh


def _check(name_or_scope: Any, default_name: str | None, reuse: Any, auxiliary: Any) -> None:
    if default_name is None and name_or_scope is None:
        raise TypeError("If default_name is None then name_or_scope is required")
    if reuse not in (True, False, None) and reuse is not AUTO_REUSE:
        raise ValueError("The reuse parameter must be True or False or None.")
    if name_or_scope is None and reuse and reuse is not AUTO_REUSE:
        raise ValueError("reuse=True cannot be used without a name_or_scope")
    if not isinstance(auxiliary, bool):
        raise TypeError(f"The auxiliary_name_scope must be `True` or `False`, while get {auxiliary}")
    if name_or_scope is not None and not isinstance(name_or_scope, (str, scopes.VariableScope)):
        raise TypeError("VariableScope: name_or_scope must be a string or VariableScope.")


def _like(scope: scopes.VariableScope) -> VariableScope:
    if isinstance(scope, VariableScope):
        return scope.like()
    return VariableScope(scope.reuse, scope.name, scope.initializer)


def _settle(scope: VariableScope, reuse: Any, given: dict[str, Any]) -> None:
    """Puts what was given in the place of what the scope has from around it; getters are called one in the other."""
    scope._reuse = reuse or scope._reuse
    if given["initializer"] is not None:
        scope._initializer = given["initializer"]
    if given["dtype"] is not None:
        given["dtype"] = as_dtype(given["dtype"])
    outer, inner = scope._defaults["custom_getter"], given["custom_getter"]
    if inner is not None and outer is not None:
        given["custom_getter"] = _nested(inner, outer)
    scope._defaults |= {k: v for k, v in given.items() if k != "initializer" and v is not None}


def _nested(inner: Callable[..., Any], outer: Callable[..., Any]) -> Callable[..., Any]:
    def both(getter: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return inner(partial(outer, getter), *args, **kwargs)

    return both


@contextmanager
def _entered(scope: VariableScope, again: bool) -> Iterator[None]:
    """Makes a scope the one in force. What default names inside it count is forgotten when it is left."""
    held, counts = _held(), _counts()
    old = held[0]
    counts[scope.name] = counts.get(scope.name, 0) + 1
    before = dict(counts)
    held[0] = scope
    try:
        yield
    finally:
        held[0] = old
        for key in [k for k in counts if k.startswith(f"{scope.name}/")]:
            del counts[key]
        if again:
            counts.clear()
            counts.update(before)


def _nodes(graph: Any, label: str, wanted: bool) -> Any:
    if wanted and label:
        return graph.name_scope(label)
    return nullcontext(f"{graph._name_stack}/" if graph._name_stack else "")


@contextmanager
def variable_op_scope(
    values: Any, name_or_scope: Any, default_name: str | None = None, initializer: Any = None, regularizer: Any = None,
    caching_device: Any = None, partitioner: Any = None, custom_getter: Any = None, reuse: Any = None,
    dtype: Any = None, use_resource: bool | None = None, constraint: Any = None,
) -> Iterator[VariableScope]:  # fmt: skip
    """variable_scope under its older name, with `values` first."""
    with variable_scope(
        name_or_scope, default_name, values, initializer, regularizer, caching_device, partitioner, custom_getter,
        reuse, dtype, use_resource, constraint,
    ) as scope:  # fmt: skip
        yield scope


def get_variable(
    name: str | None, shape: Any = None, dtype: Any = None, initializer: Any = None, regularizer: Any = None,
    trainable: bool | None = None, collections: Any = None, caching_device: Any = None, partitioner: Any = None,
    validate_shape: bool = True, use_resource: bool | None = None, custom_getter: Any = None, constraint: Any = None,
    synchronization: Any = VariableSynchronization.AUTO, aggregation: Any = VariableAggregation.NONE,
) -> Any:  # fmt: skip
    """The variable of that name in the present scope: found where the scope reuses, else made.

    initializer: an initializer, a function of shape and dtype, or a value, which then gives the shape; by default
    that of the scope, or Glorot's (zeros for whole numbers). regularizer: a function to a loss, which is collected.
    partitioner: gives the number of parts along each axis; then the result is a PartitionedVariable.
    """
    return get_variable_scope().get_variable(
        VariableStore(), name, shape, dtype, initializer, regularizer, None, trainable, collections, caching_device,
        partitioner, validate_shape, use_resource, custom_getter, constraint, synchronization, aggregation,
    )  # fmt: skip


def get_local_variable(
    name: str, shape: Any = None, dtype: Any = None, initializer: Any = None, regularizer: Any = None,
    trainable: bool = False, collections: Any = None, caching_device: Any = None, partitioner: Any = None,
    validate_shape: bool = True, use_resource: bool | None = None, custom_getter: Any = None, constraint: Any = None,
    synchronization: Any = VariableSynchronization.AUTO, aggregation: Any = VariableAggregation.NONE,
) -> Any:  # fmt: skip
    """As get_variable, of a variable that is local and not trained."""
    keys = [*(collections or ()), GraphKeys.LOCAL_VARIABLES]
    return get_variable(
        name, shape, dtype, initializer, regularizer, False, keys, caching_device, partitioner, validate_shape,
        use_resource, custom_getter, constraint, synchronization, aggregation,
    )  # fmt: skip
