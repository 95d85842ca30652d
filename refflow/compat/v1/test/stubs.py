"""Parts of objects replaced for the time of a test.

Next: compat/v1/test/benchmark.py.
"""

from __future__ import annotations

from typing import Any


class StubOutForTesting:
    """Attributes that were replaced, and what stood there before. `with` puts all back at its end."""

    def __init__(self) -> None:
        self._saved: list[tuple[Any, str, Any]] = []

    def __enter__(self) -> StubOutForTesting:
        return self

    def __exit__(self, *error: Any) -> None:
        self.CleanUp()

    def CleanUp(self) -> None:
        """Puts all back."""
        self.UnsetAll()

    def Set(self, parent: Any, child_name: str, new_child: Any) -> None:
        """Replaces parent.child_name."""
        self._saved.append((parent, child_name, getattr(parent, child_name)))
        setattr(parent, child_name, new_child)

    def SmartSet(self, obj: Any, attr_name: str, new_attr: Any) -> None:
        """Replaces obj.attr_name; AttributeError where there is none."""
        self.Set(obj, attr_name, new_attr)

    def UnsetAll(self) -> None:
        """Puts back what stood there, the last replaced first."""
        while self._saved:
            parent, name, old = self._saved.pop()
            setattr(parent, name, old)

    SmartUnsetAll = UnsetAll
