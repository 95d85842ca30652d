"""Gradients of 1.x: what counts as given, zeros where nothing flows, and functions that bring their own gradient.

    @tf.custom_gradient
    def log1pexp(x):
        e = tf.exp(x)
        return tf.log(1 + e), lambda dy: dy * (1 - 1 / (1 + e))

Such a function's results and arguments pass through one IdentityN whose gradient is the function's.

Next: compat/v1/freer.py.
"""

from __future__ import annotations

import enum
import inspect
from collections.abc import Callable, Sequence
from functools import wraps
from itertools import count
from typing import Any

import numpy as np

from refflow.compat.v1.variable_scope import get_variable_scope
from refflow.core import gradients as core
from refflow.core import nest
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.graph import GraphKeys, Operation, Tensor, get_default_graph
from refflow.core.registry import op_def
from refflow.ops import constant as first

__all__ = [
    "NotDifferentiable", "UnconnectedGradients", "custom_gradient", "grad_pass_through", "gradients", "hessians",
    "no_gradient", "recompute_grad",
]  # fmt: skip

NotDifferentiable = no_gradient = core.NoGradient
_numbers = count()


class UnconnectedGradients(enum.Enum):
    """What the gradient for an x is that no y depends on: None, or zeros."""

    NONE = "none"
    ZERO = "zero"


def gradients(
    ys: Any, xs: Any, grad_ys: Any = None, name: str = "gradients", colocate_gradients_with_ops: bool = False,
    gate_gradients: bool = False, aggregation_method: int | None = None, stop_gradients: Any = None,
    unconnected_gradients: UnconnectedGradients = UnconnectedGradients.NONE,
) -> list[Any]:  # fmt: skip
    """d(sum of ys)/dx for each x. stop_gradients: tensors that count as given, whatever they depend on."""
    try:
        unconnected = UnconnectedGradients(unconnected_gradients)
    except ValueError:
        raise ValueError(f"Unknown value for unconnected_gradients: '{unconnected_gradients}'") from None
    found = core.gradients(
        ys, xs, grad_ys, name, colocate_gradients_with_ops, gate_gradients, aggregation_method, stop_gradients
    )
    if unconnected is UnconnectedGradients.NONE:
        return found
    each = xs if isinstance(xs, (list, tuple)) else [xs]
    return [op_def("ZerosLike")(convert_to_tensor(x)) if d is None else d for d, x in zip(found, each, strict=True)]


def hessians(
    ys: Any, xs: Any, name: str = "hessians", colocate_gradients_with_ops: bool = False, gate_gradients: bool = False,
    aggregation_method: int | None = None,
) -> list[Tensor]:  # fmt: skip
    """Of each x the second derivatives of the sum of ys: its shape twice over, a sweep for each of its elements."""
    how = colocate_gradients_with_ops, gate_gradients, aggregation_method
    found = []
    with op_scope([], name, "hessians"):
        for x in [convert_to_tensor(x) for x in (xs if isinstance(xs, (list, tuple)) else [xs])]:
            dims: Any = x.get_shape().as_list() if x.get_shape().is_fully_defined() else None
            if dims is None:
                raise ValueError(f"hessians needs the shape of {x.name!r}, which is {x.get_shape()}: use set_shape()")
            (slope,) = core.gradients(ys, x, None, "gradients", *how)
            units = np.eye(int(np.prod(dims)), dtype=x.dtype.base_dtype.as_numpy_dtype).reshape([-1, *dims])
            rows = [core.gradients(slope, x, first.constant(unit), "gradients", *how)[0] for unit in units]
            whole = op_def("Pack")([first.zeros(dims, x.dtype) if row is None else row for row in rows])
            found.append(op_def("Reshape")(whole, [*dims, *dims]))
    return found


# -- functions with a gradient of their own ----------------------------------------------------------------------


def custom_gradient(f: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """Makes `f`, which gives a result and a function of gradients, a function of its result with that gradient.

    grad_fn(*dys) gives one gradient for each argument. Where f uses variables, it takes them as `variables`, and gives
    a pair: the arguments' gradients, and a list of the variables'.
    """
    if f is None:
        return custom_gradient

    @wraps(f)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        if kwargs:
            raise ValueError(
                "The custom_gradient decorator currently supports keywords arguments only when eager execution is "
                "enabled."
            )
        given = [op_def("Identity")(convert_to_tensor(x)) for x in nest.flatten(list(args))]
        result, grad_fn = f(*nest.pack(list(args), given))
        flat = [convert_to_tensor(y) for y in nest.flatten(result)]
        found = _with_gradient(flat, given, grad_fn)
        return nest.pack(result, found) if isinstance(result, (list, tuple, dict)) else found[0]

    return decorated


def _with_gradient(results: list[Tensor], given: list[Tensor], grad_fn: Callable[..., Any]) -> list[Tensor]:
    """The results again, by a node whose gradient is `grad_fn`'s."""
    variables = _variables_between(results, given)
    if variables and not _takes_variables(grad_fn):
        raise TypeError(
            "@tf.custom_gradient grad_fn must accept keyword argument 'variables', since function uses variables: "
            f"{variables}"
        )
    kind = f"CustomGradient-{next(_numbers)}"

    @core.RegisterGradient(kind)
    def gradient(op: Operation, *dys: Tensor) -> list[Any]:
        more = {"variables": variables} if variables else {}
        slopes = grad_fn(*dys[: len(results)], **more)
        slopes, of_variables = slopes if variables else (slopes, [])
        flat = nest.flatten(list(slopes) if isinstance(slopes, (list, tuple)) else [slopes])
        if len(flat) != len(given):
            raise ValueError(
                f"custom_gradient function expected to return {len(given)} gradients, but returned {len(flat)} instead."
            )
        if len(of_variables) != len(variables):
            raise ValueError("Must return gradient for each variable from @custom_gradient grad_fn.")
        return [None] * len(results) + flat + list(of_variables)

    graph = get_default_graph()
    with graph.gradient_override_map({"IdentityN": kind}):
        references = [convert_to_tensor(v, as_ref=True) for v in variables]
        passed = op_def("IdentityN")([*results, *given, *references])
    return list(passed[: len(results)])


def _takes_variables(grad_fn: Callable[..., Any]) -> bool:
    parameters = inspect.signature(grad_fn).parameters.values()
    return any(p.name == "variables" or p.kind is p.VAR_KEYWORD for p in parameters)


def _variables_between(results: Sequence[Tensor], given: Sequence[Tensor]) -> list[Any]:
    """The trainable variables that the results read, other than through what was given."""
    ends, seen, queue = {t.op for t in given}, set(), [t.op for t in results]
    while queue:
        op = queue.pop()
        if op not in seen and op not in ends:
            seen.add(op)
            queue += [t.op for t in op.inputs]
    known = get_default_graph().get_collection(GraphKeys.TRAINABLE_VARIABLES)
    return [v for v in known if convert_to_tensor(v, as_ref=True).op in seen]


def grad_pass_through(f: Callable[..., Any]) -> Callable[..., Any]:
    """`f`, through which gradients flow as through an identity."""

    @custom_gradient
    def passing(*args: Any) -> Any:
        def grad(*dys: Any, variables: Sequence[Any] | None = None) -> Any:
            return (dys, [None] * len(variables)) if variables else dys

        return f(*args), grad

    return passing


def recompute_grad(f: Callable[..., Any]) -> Callable[..., Any]:
    """`f`, which is computed once more where its gradient needs what is in it, so that nothing of it is kept."""

    @custom_gradient
    def forgetting(*args: Any) -> Any:
        from refflow.compat.v1.variables import variable_scope

        scope = get_variable_scope()

        def grad(*dys: Any, variables: Sequence[Any] | None = None) -> Any:
            with get_default_graph().control_dependencies(list(dys)):
                again = [op_def("Identity")(x) for x in nest.flatten(list(args))]
            with variable_scope(scope, reuse=True if variables else None):
                result = f(*nest.pack(list(args), again))
            found = core.gradients(nest.flatten(result), [*again, *(variables or [])], list(dys))
            return (found[: len(again)], found[len(again) :]) if variables else found

        return f(*args), grad

    return forgetting
