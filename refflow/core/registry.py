"""The op types by name: whoever holds a name, of a node or of a message, finds its OpDef here.

State: one dictionary. Pages fill it as they are imported; nothing is ever taken out or put in another's place.

Next: ops/matmul.py.
"""

from __future__ import annotations

import difflib
import sys
from typing import TYPE_CHECKING

from refflow.core.errors import NodeError
from refflow.core.paper_names import OP_TYPES

if TYPE_CHECKING:
    from refflow.core.opdef import OpDef

_REGISTRY: dict[str, OpDef] = {}


def register(op_def: OpDef) -> OpDef:
    """Enters an OpDef under its name; NodeError where there is one of that name."""
    if op_def.name in _REGISTRY:
        raise NodeError(f"op type {op_def.name} is defined already, as {_REGISTRY[op_def.name].signature!r}")
    op_def.page = _defining_module()
    _REGISTRY[op_def.name] = op_def
    return op_def


def _defining_module() -> str:
    """The module outside core whose code is running: the page that defines an op."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("refflow.core."):
        frame = frame.f_back
    return frame.f_globals.get("__name__", "")


def op_def(name: str) -> OpDef:
    """The OpDef of an op type; NodeError with near names when there is none."""
    found = _REGISTRY.get(name)
    if found is None:
        near = difflib.get_close_matches(name, _REGISTRY, n=3)
        hint = f" Near it: {', '.join(near)}." if near else ""
        if name in OP_TYPES:
            hint = f" It is the whitepaper's name for {OP_TYPES[name]}."  # [E05]
        raise NodeError(f"no op type is called {name!r}.{hint} define_op() makes new ones")
    return found


def find_op_def(name: str) -> OpDef | None:
    """The OpDef of an op type, or None."""
    return _REGISTRY.get(name)


def registered_ops() -> list[OpDef]:
    """All op types, by name."""
    return [_REGISTRY[name] for name in sorted(_REGISTRY)]
