"""Holders of objects that inner modules had: registries, stacks that know their lines, maps and sets by identity.

Next: compat/shadow/util.py.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, MutableMapping, MutableSet
from typing import Any
from weakref import ref as weak_reference

# -- registries --------------------------------------------------------------------------------------------------------


class Registry:
    """Objects by names. KeyError where a name is taken, LookupError where it is not known."""

    def __init__(self, name: str):
        self._name = name
        self._registry: dict[str, Any] = {}

    def register(self, candidate: Any, name: str | None = None) -> None:
        """Enters an object under a name, or under its own."""
        key = name or candidate.__name__
        if key in self._registry:
            raise KeyError(f"Name '{key}' has already been registered in '{self._name}'.")
        self._registry[key] = candidate

    def list(self) -> Any:
        """The names."""
        return self._registry.keys()

    def lookup(self, name: str) -> Any:
        """The object under a name."""
        if name not in self._registry:
            raise LookupError(f"{self._name} registry has no entry for: {name}")
        return self._registry[name]


# -- stacks ------------------------------------------------------------------------------------------------------------


class TraceableObject:
    """An object, and the line that it was made at."""

    SUCCESS, HEURISTIC_USED, FAILURE = 0, 1, 2

    def __init__(self, obj: Any, filename: str | None = None, lineno: int | None = None):
        self.obj, self.filename, self.lineno = obj, filename, lineno

    def set_filename_and_line_from_caller(self, offset: int = 0) -> int:
        """Takes the line of the caller, or of the one so many calls above."""
        frame, above = sys._getframe(1), offset
        while above > 0 and frame.f_back is not None:
            frame, above = frame.f_back, above - 1
        self.filename, self.lineno = frame.f_code.co_filename, frame.f_lineno
        return self.HEURISTIC_USED if above else self.SUCCESS

    def copy_metadata(self) -> TraceableObject:
        """Another with the same line and no object."""
        return TraceableObject(None, self.filename, self.lineno)


class TraceableStack:
    """A stack of such objects."""

    def __init__(self, existing_stack: list[TraceableObject] | None = None):
        self._stack = list(existing_stack or ())

    def push_obj(self, obj: Any, offset: int = 0) -> int:
        """Puts an object on top, with the caller's line."""
        held = TraceableObject(obj)
        self._stack.append(held)
        return held.set_filename_and_line_from_caller(offset + 1)

    def pop_obj(self) -> Any:
        """Takes the topmost object off."""
        return self._stack.pop().obj

    def peek_top_obj(self) -> Any:
        """The topmost object."""
        return self._stack[-1].obj

    def peek_objs(self) -> Iterator[Any]:
        """The objects, the topmost first."""
        return (held.obj for held in reversed(self._stack))

    def peek_traceable_objs(self) -> Iterator[TraceableObject]:
        """The same with their lines."""
        return reversed(self._stack)

    def copy(self) -> TraceableStack:
        """Another with the same objects."""
        return TraceableStack(self._stack)

    def __len__(self) -> int:
        return len(self._stack)


# -- by identity -------------------------------------------------------------------------------------------------------


class Reference:
    """An object, equal to another reference where that is to the same one."""

    def __init__(self, wrapped: Any):
        self._wrapped = wrapped

    def deref(self) -> Any:
        """The object."""
        return self._wrapped

    unwrapped = property(deref)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reference) and self._wrapped is other._wrapped

    def __hash__(self) -> int:
        return id(self._wrapped)


class ObjectIdentityDictionary(MutableMapping[Any, Any]):
    """A dictionary whose keys are told apart by what they are, not by what they are equal to."""

    def __init__(self, *args: Any, **kwargs: Any):
        self._held: dict[int, tuple[Any, Any]] = {}
        self.update(dict(*args, **kwargs) if kwargs or not args else args[0])

    def __getitem__(self, key: Any) -> Any:
        if id(key) not in self._held:
            raise KeyError(key)
        return self._held[id(key)][1]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._held[id(key)] = (key, value)

    def __delitem__(self, key: Any) -> None:
        if self._held.pop(id(key), None) is None:
            raise KeyError(key)

    def __iter__(self) -> Iterator[Any]:
        return iter([key for key, _ in self._held.values()])

    def __len__(self) -> int:
        return len(self._held)


class ObjectIdentitySet(MutableSet[Any]):
    """A set whose elements are told apart by what they are."""

    def __init__(self, *args: Any):
        self._held: dict[int, Any] = {}
        for values in args:
            for value in values:
                self.add(value)

    def add(self, value: Any) -> None:
        """Enters an object."""
        self._held[id(value)] = value

    def discard(self, value: Any) -> None:
        """Takes an object out, if it is there."""
        self._held.pop(id(value), None)

    def update(self, items: Any) -> None:
        """Enters several."""
        for item in items:
            self.add(item)

    def __contains__(self, value: object) -> bool:
        return id(value) in self._held

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._held.values()))

    def __len__(self) -> int:
        return len(self._held)


class ObjectIdentityWeakSet(ObjectIdentitySet):
    """The same, but what nobody else holds is let go of."""

    def add(self, value: Any) -> None:
        """Enters an object, without keeping it."""
        key = id(value)
        self._held[key] = weak_reference(value, lambda _: self._held.pop(key, None))

    def __iter__(self) -> Iterator[Any]:
        return iter([value for value in (held() for held in list(self._held.values())) if value is not None])
