"""A kernel: a function of arrays for one device type, with the attributes that it asks for by name [S43, W05].

Next: core/opdef.py.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Kernel:
    """A function for one device type, and the attributes that it takes beside the inputs."""

    function: Callable[..., Any]
    device_type: str
    attrs: tuple[str, ...]  # attribute names among its parameters

    @classmethod
    def of(cls, function: Callable[..., Any], device_type: str, attrs: Container[str]) -> Kernel:
        """The kernel of an op that has these attributes: it gets those that its parameters name."""
        return cls(function, device_type, tuple(name for name in _parameters(function) if name in attrs))

    def arguments(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return {name: attrs[name] for name in self.attrs}


def _parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names of a function's parameters. A thousand kernels are asked, and `inspect` takes its time."""
    code = getattr(function, "__code__", None)
    if code is None or hasattr(function, "__wrapped__") or hasattr(function, "__signature__"):
        return tuple(inspect.signature(function).parameters)
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
