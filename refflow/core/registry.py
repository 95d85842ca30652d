"""The op types by name: whoever holds a name, of a node or of a message, finds its OpDef here.

State: one dictionary. Pages fill it as they are imported; nothing is ever taken out or put in another's place. Pages
that no program needed so far are imported before a name is said to be unknown: who knows them says so here.

Next: ops/matmul.py.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from refflow.core.errors import NodeError
from refflow.core.paper_names import OP_TYPES

if TYPE_CHECKING:
    from refflow.core.opdef import OpDef

_REGISTRY: dict[str, OpDef] = {}
_waiting: list[Callable[[], None]] = []  # each imports pages, or finds that they are there


def before_missing(load: Callable[[], None]) -> Callable[[], None]:
    """Registers what defines more op types: it is called before a name is said to be unknown."""
    _waiting.append(load)
    return load


def register(op_def: OpDef) -> OpDef:
    """Enters an OpDef under its name; NodeError where there is one of that name."""
    op_def.page = _defining_module()
    own = op_def.page.startswith("refflow.")  # a page among others; a program's op type is compared with all of them
    there = _REGISTRY.get(op_def.name) if own else find_op_def(op_def.name)
    if there is not None:
        raise NodeError(f"op type {op_def.name} is defined already, as {there.signature!r}")
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
    found = find_op_def(name)
    if found is None:
        from difflib import get_close_matches

        near = get_close_matches(name, _REGISTRY, n=3)
        hint = f" Near it: {', '.join(near)}." if near else ""
        if name in OP_TYPES:
            hint = f" It is the whitepaper's name for {OP_TYPES[name]}."  # [E05]
        raise NodeError(f"no op type is called {name!r}.{hint} define_op() makes new ones")
    return found


def find_op_def(name: str) -> OpDef | None:
    """The OpDef of an op type, or None."""
    if name not in _REGISTRY:
        _load_all()
    return _REGISTRY.get(name)


def registered_ops() -> list[OpDef]:
    """All op types, by name."""
    _load_all()
    return [_REGISTRY[name] for name in sorted(_REGISTRY)]


def _load_all() -> None:
    for load in _waiting:
        load()
