"""Python functions that nodes call, by the token that stands for them in a graph.

    token = register(function, owner)      as long as `owner`, a graph, lives
    find(token)                            arrays in, arrays out; LookupError for a token that nobody knows

A token means something in the process that gave it out. Who can find functions of other libraries in this process adds
a finder.

Next: ops/py_func.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

Finder = Callable[[str], Callable[..., Any] | None]

_numbers = itertools.count()
_registered: WeakValueDictionary[str, _Held] = WeakValueDictionary()
_finders: list[Finder] = []


class _Held:
    """A function that its graph keeps alive."""

    def __init__(self, function: Callable[..., Any]):
        self.function = function


def register(function: Callable[..., Any], owner: Any) -> str:
    """A token for `function`, which lives as long as `owner`."""
    token = f"refflow_function_{next(_numbers)}"
    held = _registered[token] = _Held(function)
    owner._python_functions.append(held)
    return token


def add_finder(finder: Finder) -> None:
    """`finder(token)` gives a function, or None; it is asked where the token is none of ours."""
    _finders.append(finder)


def find(token: str) -> Callable[..., Any]:
    held = _registered.get(token)
    if held is not None:
        return held.function
    for finder in _finders:
        found = finder(token)
        if found is not None:
            return found
    raise ValueError(
        f"Could not find callback with key={token} in the registry. A Python function can be called only in the "
        "process that made the graph, and as long as the graph lives"
    )
