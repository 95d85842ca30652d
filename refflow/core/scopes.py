"""Stacks of defaults that belong to one thread: the default graph and the default session.

Next: core/graph_scopes.py.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class LocalStack(threading.local, Generic[T]):
    """What `with x.as_default()` pushes. The bottom, if there is to be one, is made when first asked for.

    The bottom is shared by all threads, so that a program which never names a graph has just one.
    """

    _shared: dict[int, object] = {}  # noqa: RUF012  (keyed by stack: threading.local copies the rest)

    def __init__(self, make_bottom: Callable[[], T] | None):
        self._make_bottom = make_bottom
        self._stack: list[T] = []

    def top(self) -> T:
        if self._stack:
            return self._stack[-1]
        if self._make_bottom is None:
            return None  # type: ignore[return-value]
        if id(self) not in self._shared:
            self._shared[id(self)] = self._make_bottom()
        return self._shared[id(self)]  # type: ignore[return-value]

    def reset(self) -> None:
        """Drops the bottom; an error inside a `with`, where it would be hidden anyway."""
        if self._stack:
            raise AssertionError(
                "Do not use tf.reset_default_graph() to clear nested graphs: this one is inside `as_default()`"
            )
        self._shared.pop(id(self), None)

    @contextmanager
    def pushed(self, item: T) -> Iterator[T]:
        self._stack.append(item)
        try:
            yield item
        finally:
            # Sessions may be closed out of order; only this entry goes.
            for place in range(len(self._stack) - 1, -1, -1):
                if self._stack[place] is item:
                    del self._stack[place]
                    break
