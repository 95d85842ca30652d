"""Functions made from op definitions: what an op's arguments are, which have defaults, and what it is called.

    from_op("space_to_depth", "SpaceToDepth", "input, block_size, name, data_format")

makes space_to_depth(input, block_size, name=None, data_format="NHWC"). Inputs come first, then attributes that must be
given, then those with defaults, then the name, unless an order is given. Attributes that inputs settle, as their types
and counts, are no arguments.

Next: core/opdef.py.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Any

from refflow.core.opdef import OpDef
from refflow.core.registry import op_def
from refflow.core.signature import REQUIRED


def from_op(
    called: str, op: str, order: str | None = None, *, also: dict[str, str] | None = None, **defaults: Any
) -> Callable[..., Any]:
    """The function `called` that builds a node of type `op`.

    order: the arguments' names, with commas, where it is not the usual one. also: the op's own names for arguments
    that the function calls otherwise. defaults: those that are not the op's.
    """
    made, own = op_def(op), also or {}
    names = _usual(made) if order is None else [n.strip() for n in order.split(",")]
    signature = Signature([_parameter(made, n, own.get(n, n), defaults) for n in names])

    def function(*args: Any, **kwargs: Any) -> Any:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{called}() {error}") from None
        bound.apply_defaults()
        return made(**{own.get(key, key): value for key, value in bound.arguments.items()})

    function.__name__ = function.__qualname__ = called
    function.__signature__ = signature  # type: ignore[attr-defined]
    function.__doc__ = f"A node of type {op}: {made.signature}"
    return function


def _usual(made: OpDef) -> list[str]:
    settled = {a.type for a in made.inputs} | {a.number for a in made.inputs}
    free = [key for key in made.attrs if key not in settled]
    needed = [key for key in free if made.attrs[key].default is REQUIRED]
    return [a.name for a in made.inputs] + needed + [key for key in free if key not in needed] + ["name"]


def _parameter(made: OpDef, name: str, own: str, defaults: dict[str, Any]) -> Parameter:
    default: Any = Parameter.empty
    if name == "name":
        default = None
    if own in made.attrs and made.attrs[own].default is not REQUIRED:
        default = made.attrs[own].default
    return Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=defaults.get(name, default))
