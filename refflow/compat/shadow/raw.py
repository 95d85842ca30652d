"""Every op type as a function, as the modules `gen_*_ops` had them: inputs in order, then attributes, then a name.

    conv2d_backprop_input(input_sizes, filter, out_backprop, strides, padding)

Names are found by the op type's letters: `fifo_queue_v2` is FIFOQueueV2's, and `_concat` is Concat's, for early
releases hid their functions behind an underscore.

Next: compat/shadow/framework.py.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

from refflow.core.opdef import OpDef
from refflow.core.registry import registered_ops
from refflow.core.signature import REQUIRED


def __getattr__(name: str) -> Callable[..., Any]:
    found = _by_letters().get(name.replace("_", "").lower())
    if found is None or name.startswith("__"):
        raise AttributeError(f"no op type has the letters of {name!r}", name=name)
    return function_of(found, name.lstrip("_"))


@cache
def _by_letters() -> dict[str, OpDef]:
    return {op.name.lower(): op for op in registered_ops() if not op.name.startswith("_")}


@cache
def function_of(op: OpDef, called: str) -> Callable[..., Any]:
    """The function of an op type: attributes that the inputs do not tell may stand after them, without names."""
    told = {text for arg in op.inputs for text in (arg.type, arg.number)}
    attrs = [key for key in op.attrs if key not in told]
    attrs.sort(key=lambda key: op.attrs[key].default is not REQUIRED)  # those that must be given come first
    names = [*(arg.name for arg in op.inputs), *attrs]

    def function(*args: Any, name: str | None = None, **given: Any) -> Any:
        values = {**dict(zip([*names, "name"], args, strict=False)), **given}
        return op(name=values.pop("name", name), **values)

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    plain = [inspect.Parameter(arg.name, kind) for arg in op.inputs]
    chosen = [inspect.Parameter(key, kind, default=_default(op, key)) for key in attrs]
    function.__name__ = function.__qualname__ = called
    function.__doc__ = f"{op.name}({op.signature})"
    function.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [*plain, *chosen, inspect.Parameter("name", kind, default=None)]
    )
    return function


def _default(op: OpDef, key: str) -> Any:
    default = op.attrs[key].default
    return inspect.Parameter.empty if default is REQUIRED else default
