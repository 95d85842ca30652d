"""tf.function in a graph, and Defun before it: a Python function whose calls become part of the graph.

    @tf.function                           @Defun(tf.float32, tf.float32)
    def f(x, y): ...                       def f(x, y): ...
    z = f(a, b)                            z = f(a, b)           z = f(a, b, name="call")

Each call runs the Python function and leaves its nodes where the call is, in the order of its lines
(compat/v1/calls.py): branches and loops in it are those of any graph, and gradients go through it. Python code is not
rewritten: `if` on a tensor is an error, tf.cond is not.

Next: compat/v1/functional_ops.py.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from refflow.compat.v1.calls import called
from refflow.compat.v1.data import elements
from refflow.compat.v1.gradients import custom_gradient
from refflow.compat.v1.type_specs import spec_of
from refflow.core import nest
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import DType, as_dtype
from refflow.core.tensor import Tensor

__all__ = ["control_flow_v2_enabled", "disable_control_flow_v2", "enable_control_flow_v2", "function"]


class Function:
    """A Python function whose calls give what it gives once all that it does has been done."""

    def __init__(self, python_function: Callable[..., Any], input_signature: Sequence[Any] | None = None):
        self.python_function, self.input_signature = python_function, input_signature
        functools.update_wrapper(self, python_function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.input_signature is not None:
            args, kwargs = self._signed(args, kwargs), {}
        name = getattr(self.python_function, "__name__", "function").strip("<>_") or "function"
        return called(lambda: self.python_function(*args, **kwargs), name)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        return Function(functools.partial(self.python_function, instance), self.input_signature)

    def _signed(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """Arguments as tensors of the signature; ValueError or TypeError where they do not fit."""
        bound = inspect.signature(self.python_function).bind(*args, **kwargs)
        given = tuple(bound.arguments.values())
        specs = tuple(self.input_signature or ())
        if len(given) != len(specs):
            raise TypeError(f"input_signature has {len(specs)} entries, but {self.__name__} got {len(given)} arguments")
        try:
            flat_specs, flat = elements.flatten(specs), list(elements.flat_up_to(specs, given))
        except (TypeError, ValueError):
            raise ValueError(
                f"Structure of Python function inputs does not match input_signature: {given}, {specs}"
            ) from None
        made = [convert_to_tensor(v, s.dtype) for v, s in zip(flat, flat_specs, strict=True)]
        for value, spec in zip(made, flat_specs, strict=True):
            if not spec.is_compatible_with(spec_of(value)):
                raise TypeError(f"Python inputs incompatible with input_signature: inputs {given}, signature {specs}")
        return elements.pack(specs, made)

    __name__ = "function"


def function(
    func: Callable[..., Any] | None = None, input_signature: Sequence[Any] | None = None, autograph: bool = True,
    jit_compile: bool | None = None, reduce_retracing: bool = False, experimental_implements: Any = None,
    experimental_autograph_options: Any = None, experimental_attributes: Any = None,
    experimental_relax_shapes: bool | None = None, experimental_compile: bool | None = None,
    experimental_follow_type_hints: bool | None = None,
) -> Any:  # fmt: skip
    """`func` as a function whose calls act as one node; without it, a decorator. How it is compiled is not asked."""
    if input_signature is not None and not isinstance(input_signature, (tuple, list)):
        raise TypeError(f"input_signature must be either a tuple or a list, got {type(input_signature)}.")

    def decorated(inner: Callable[..., Any]) -> Function:
        return Function(inner, input_signature)

    return decorated if func is None else decorated(func)


# -- the one before --------------------------------------------------------------------------------------------------


class Defun:
    """Decorator: a function of tensors of these types. Without types, of any.

    func_name: what calls are called. grad_func: a Defun of the arguments and the results' gradients. python_grad_func:
    `f(op, *gradients)`. out_names, shape_func, noinline: taken, and of no effect where a call is its nodes.
    """

    def __init__(self, *input_types: Any, **kwargs: Any):
        self._types = [as_dtype(t) for t in input_types]
        known = (
            "func_name", "grad_func", "python_grad_func", "out_names", "shape_func", "capture_by_value", "noinline"
        )  # fmt: skip
        unknown = [key for key in kwargs if key not in known]
        if unknown:
            raise TypeError(f"Defun has no argument {unknown[0]!r}. It has: {', '.join(known)}")
        self._told = kwargs

    def __call__(self, func: Callable[..., Any]) -> DefinedFunction:
        if not callable(func):
            raise ValueError(f"function {func} must be callable")
        parameters = inspect.signature(func).parameters.values()
        if any(p.kind is p.VAR_KEYWORD for p in parameters):
            raise ValueError("Functions with keyword arguments are not supported.")
        least = sum(p.default is p.empty and p.kind is not p.VAR_POSITIONAL for p in parameters)
        most = None if any(p.kind is p.VAR_POSITIONAL for p in parameters) else len(parameters)
        if self._types and (len(self._types) < least or (most is not None and len(self._types) > most)):
            raise ValueError(
                f"The function has {'fewer' if len(self._types) > least else 'more'} arguments than the number of "
                f"specified input types: {len(self._types)} types, {least} arguments"
            )
        return DefinedFunction(func, self._types, self._told)


class Call(NamedTuple):
    """What a gradient that is written in Python gets for the operation."""

    inputs: Sequence[Tensor]
    outputs: Sequence[Tensor]


class DefinedFunction:
    """A function of tensors. A call gives a tensor, a list of them, or an operation where it gives none."""

    def __init__(self, func: Callable[..., Any], types: list[DType], told: dict[str, Any]):
        self._func, self._types, self._told = func, types, told
        self.name = told.get("func_name") or getattr(func, "__name__", "function").strip("<>_")

    @property
    def declared_input_types(self) -> list[DType]:
        return self._types

    @property
    def python_grad_func(self) -> Any:
        return self._told.get("python_grad_func")

    @property
    def grad_func_name(self) -> str | None:
        return getattr(self._told.get("grad_func"), "name", None)

    def __call__(self, *args: Any, name: str | None = None, noinline: bool | None = None) -> Any:
        takes = len(self._types) or len(args)
        if len(args) != takes:
            raise ValueError(f"Expected number of arguments: {takes}, received: {len(args)}")
        types = self._types or [None] * takes  # type: ignore[list-item]
        tensors = [convert_to_tensor(value, kind) for value, kind in zip(args, types, strict=True)]
        slope = self._slope()
        run = self._results if slope is None else custom_gradient(self._with(slope))
        found = called(lambda: run(*tensors), name or self.name)
        return found[0] if isinstance(found, list) and len(found) == 1 else found

    def _results(self, *tensors: Tensor) -> Any:
        found = self._func(*tensors)
        return list(found) if isinstance(found, (tuple, list)) else found

    def _with(self, slope: Callable[..., Any]) -> Callable[..., Any]:
        """The function as custom_gradient takes it."""

        def both(*tensors: Tensor) -> Any:
            found = self._results(*tensors)

            def grad(*dys: Any, variables: Sequence[Any] | None = None) -> Any:
                dxs = slope(Call(tensors, nest.flatten(found)), *dys)
                return (dxs, [None] * len(variables)) if variables else dxs

            return found, grad

        return both

    def _slope(self) -> Callable[..., Any] | None:
        """`f(op, *gradients)`: of the arguments, where somebody wrote it."""
        written, grad = self._told.get("python_grad_func"), self._told.get("grad_func")
        if written is None and grad is not None:
            return lambda op, *dys: grad(*op.inputs, *dys)
        return written


# -- functions as branches and loops -----------------------------------------------------------------------------------

_V2 = False


def enable_control_flow_v2() -> None:
    """Only noted: branches stay Switches and Merges, and loops frames, which the runtime makes of functions too."""
    global _V2
    _V2 = True


def disable_control_flow_v2() -> None:
    """Only noted: see enable_control_flow_v2."""
    global _V2
    _V2 = False


def control_flow_v2_enabled() -> bool:
    """Which of the two was called last; False at first."""
    return _V2
