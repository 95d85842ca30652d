"""Variables by name: get_variable makes one, or finds the one that is there, and scopes give them prefixes.

    with variable_scope("layer"):  w = get_variable("w", [3, 2])          layer/w
    with variable_scope("layer", reuse=True):  get_variable("w")          the same

A scope carries a default initializer to all that is made inside it.

Next: train/optimizer.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from refflow.core.convert import op_scope
from refflow.core.dtypes import as_dtype, float32
from refflow.core.errors import ShapeError
from refflow.core.graph import get_default_graph
from refflow.core.shapes import TensorShape
from refflow.ops.constant import constant, zeros
from refflow.ops.random import random_normal, random_uniform, truncated_normal
from refflow.ops.variable import Variable

AUTO_REUSE = "auto"  # get_variable finds what is there and makes what is not
_STORE, _SCOPE = ("__variable_store",), ("__varscope",)


class VariableScope:
    """Where names and defaults come from: a prefix, whether variables are reused, and an initializer."""

    variable_class: type[Variable] = Variable

    def __init__(self, reuse: Any, name: str = "", initializer: Any = None):
        self._name, self._reuse, self._initializer = name, reuse, initializer

    @property
    def name(self) -> str:
        return self._name

    @property
    def reuse(self) -> Any:
        return self._reuse

    @property
    def initializer(self) -> Any:
        return self._initializer

    def reuse_variables(self) -> None:
        """From here on get_variable finds variables and makes none."""
        self._reuse = True

    def set_initializer(self, initializer: Any) -> None:
        self._initializer = initializer

    def get_variable(
        self, name: str, shape: Any = None, dtype: Any = float32, initializer: Any = None, trainable: bool = True,
        collections: Any = None,
    ) -> Variable:  # fmt: skip
        """See the function of that name."""
        full = f"{self._name}/{name}" if self._name else name
        store: dict[str, Variable] = _first(_STORE, dict)
        dims = None if shape is None else TensorShape(shape)
        if full in store:
            if not self._reuse:
                raise ValueError(
                    f"Variable {full} already exists, disallowed. Did you mean to set reuse=True in variable_scope? "
                    f"Originally defined at: {store[full].op.user_frame}"
                )
            found = store[full]
            if dims is not None and not dims.is_compatible_with(found.get_shape()):
                raise ShapeError(
                    f"Trying to share variable {full}, but specified shape {dims} and found shape {found.get_shape()}."
                )
            if found.dtype.base_dtype is not as_dtype(dtype).base_dtype:
                raise ValueError(
                    f"Trying to share variable {full}, but specified dtype {as_dtype(dtype).name} and found dtype "
                    f"{found.dtype.base_dtype.name}."
                )
            return found
        if self._reuse and self._reuse is not AUTO_REUSE:
            raise ValueError(
                f"Under-sharing: Variable {full} does not exist, disallowed. Did you mean to set reuse=None?"
            )
        if dims is None or not dims.is_fully_defined():
            raise ValueError(f"Shape of a new variable ({full}) must be fully defined, but instead was {shape}.")
        make = initializer or self._initializer or uniform_unit_scaling_initializer()
        with get_default_graph().name_scope(full + "/Initializer/"), get_default_graph().outside():
            value = make(dims.as_list(), dtype=dtype)
        with get_default_graph().name_scope(None):
            store[full] = self.variable_class(value, name=full, trainable=trainable, collections=collections)
        return store[full]


def _first(key: Any, make: Callable[[], Any]) -> Any:
    """The one object that the default graph keeps under a private collection."""
    found = get_default_graph()._collections.setdefault(key, [])
    if not found:
        found.append(make())
    return found[0]


def get_variable_scope() -> VariableScope:
    """The scope in force."""
    return _first(_SCOPE, lambda: VariableScope(None))


def get_variable(
    name: str, shape: Any = None, dtype: Any = float32, initializer: Any = None, trainable: bool = True,
    collections: Any = None,
) -> Variable:  # fmt: skip
    """The variable of that name in the present scope: made anew, or found where the scope reuses.

    shape: needed to make one. initializer: a function of shape and dtype; else the scope's, else
    uniform_unit_scaling_initializer(). Raises ValueError for one that exists, or that should and does not.
    """
    scope = get_variable_scope()  # it may be one of 1.x, whose method of this name takes more
    return VariableScope.get_variable(scope, name, shape, dtype, initializer, trainable, collections)


@contextmanager
def variable_scope(name_or_scope: Any, reuse: Any = None, initializer: Any = None) -> Iterator[VariableScope]:
    """A scope inside the present one, or, given a scope, that one again."""
    if not name_or_scope and name_or_scope != "":
        raise ValueError("variable_scope needs a name or a scope")
    get_variable_scope()
    held = get_default_graph()._collections[_SCOPE]
    old = held[0]
    if isinstance(name_or_scope, VariableScope):
        fresh = VariableScope(name_or_scope.reuse if reuse is None else reuse, name_or_scope.name)
        fresh.set_initializer(initializer or name_or_scope.initializer)
        label = name_or_scope.name.rpartition("/")[2] or None
    else:
        full = f"{old.name}/{name_or_scope}" if old.name and name_or_scope else name_or_scope or old.name
        fresh = VariableScope(reuse or old.reuse, full, initializer or old.initializer)
        label = name_or_scope or None
    held[0] = fresh
    try:
        if label is None:
            yield fresh
        else:
            with get_default_graph().name_scope(label):
                yield fresh
    finally:
        held[0] = old


@contextmanager
def variable_op_scope(
    values: Any, name: str | None, default_name: str, initializer: Any = None
) -> Iterator[VariableScope]:
    """A variable scope called `name`, or else `default_name` made unique, in the graph of `values`."""
    if default_name is None:
        raise TypeError("default_name cannot be None")
    graph = get_default_graph()
    if name:
        with op_scope(values, None, name), variable_scope(name, initializer=initializer) as scope:
            yield scope
        return
    counts: dict[str, int] = _first(("__varscope_counts",), dict)
    prefix = get_variable_scope().name
    full = f"{prefix}/{default_name}" if prefix else default_name
    number = counts.get(full, 0)
    counts[full] = number + 1
    with graph.as_default(), variable_scope(f"{default_name}_{number}" if number else default_name,
                                            initializer=initializer) as scope:  # fmt: skip
        yield scope


# -- initializers: functions of shape and dtype ------------------------------------------------------------------


def zeros_initializer(shape: Any, dtype: Any = float32) -> Any:
    """Zeros; an initializer itself, unlike the others, which make one."""
    return zeros(shape, dtype)


def constant_initializer(value: Any = 0.0) -> Callable[..., Any]:
    """A function of (shape, dtype) for get_variable: every element is `value`."""
    return lambda shape, dtype=float32: constant(value, dtype, shape)


def random_uniform_initializer(minval: float = 0.0, maxval: float = 1.0, seed: int | None = None) -> Callable[..., Any]:
    """A function of (shape, dtype) for get_variable: floats, evenly from [minval, maxval)."""
    return lambda shape, dtype=float32: random_uniform(shape, minval, maxval, dtype, seed=seed)


def random_normal_initializer(mean: float = 0.0, stddev: float = 1.0, seed: int | None = None) -> Callable[..., Any]:
    """A function of (shape, dtype) for get_variable: floats, normally distributed."""
    return lambda shape, dtype=float32: random_normal(shape, mean, stddev, dtype, seed=seed)


def truncated_normal_initializer(mean: float = 0.0, stddev: float = 1.0, seed: int | None = None) -> Callable[..., Any]:
    """Normally distributed, no further than two deviations from the mean."""
    return lambda shape, dtype=float32: truncated_normal(shape, mean, stddev, dtype, seed=seed)


def uniform_unit_scaling_initializer(factor: float = 1.0, seed: int | None = None) -> Callable[..., Any]:
    """Evenly from [-m, m), m = sqrt(3 / inputs) * factor: products with it keep their scale."""

    def make(shape: Any, dtype: Any = float32) -> Any:
        inputs = float(np.prod(shape[:-1])) if len(shape) > 1 else 1.0
        limit = math.sqrt(3 / max(inputs, 1.0)) * factor
        return random_uniform(shape, -limit, limit, dtype, seed=seed)

    return make
