"""`tf.contrib.training.HParams`: the numbers that a program may be told, by name.

    hparams = HParams(learning_rate=0.1, sizes=[64, 32])
    hparams.parse("learning_rate=0.2,sizes=[8,4]")          hparams.learning_rate is 0.2

Next: docs/compat.rst.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any

_ITEM = re.compile(
    r"\s*(?P<name>\w+)\s*(?:\[(?P<place>\d+)\])?\s*=\s*(?:\[(?P<list>[^\]]*)\]|(?P<one>[^,\[]*))\s*(?:,|$)"
)


class HParams:
    """Values as attributes, each of the type that it began with."""

    def __init__(self, hparam_def: Any = None, model_structure: Any = None, **kwargs: Any):
        self._names: list[str] = []
        for name, value in kwargs.items():
            self.add_hparam(name, value)

    def add_hparam(self, name: str, value: Any) -> None:
        """A new value; a ValueError where there is one of that name."""
        if getattr(self, name, None) is not None:
            raise ValueError(f"Hyperparameter name is reserved: {name}")
        self._names.append(name)
        setattr(self, name, value)

    def set_hparam(self, name: str, value: Any) -> None:
        """Another value for one that is there; a list stays a list."""
        self._known(name)
        old = getattr(self, name)
        if isinstance(old, list) != isinstance(value, list):
            wanted = "a list" if isinstance(old, list) else "a single value"
            raise ValueError(f"Hyperparameter {name!r}: expected {wanted}, got {value!r}")
        kind = old[0] if isinstance(old, list) and old else old
        setattr(self, name, [_of_type(kind, v, name) for v in value] if isinstance(value, list) else
                _of_type(kind, value, name))  # fmt: skip

    def del_hparam(self, name: str) -> None:
        """Takes a value away."""
        if name in self._names:
            self._names.remove(name)
            delattr(self, name)

    def parse(self, values: str) -> HParams:
        """Sets what a text such as `name=3,sizes=[4,5],sizes[0]=6` says; a ValueError where it cannot be read."""
        at = 0
        while at < len(values):
            match = _ITEM.match(values, at)
            if match is None:
                raise ValueError(f"Malformed hyperparameter value: {values[at:]!r}")
            self._set(*match.group("name", "place", "list", "one"))
            at = match.end()
        return self

    def _set(self, name: str, place: str | None, items: str | None, one: str | None) -> None:
        self._known(name)
        if place is not None:
            changed = list(getattr(self, name))
            changed[int(place)] = (one or "").strip()
            self.set_hparam(name, changed)
        elif items is not None:
            self.set_hparam(name, [item.strip() for item in items.split(",") if item.strip()])
        else:
            self.set_hparam(name, (one or "").strip())

    def _known(self, name: str) -> None:
        if name not in self._names:
            raise ValueError(f"Unknown hyperparameter {name!r}; there are {', '.join(sorted(self._names))}")

    def override_from_dict(self, values_dict: dict[str, Any]) -> HParams:
        """Sets several."""
        for name, value in values_dict.items():
            self.set_hparam(name, value)
        return self

    def values(self) -> dict[str, Any]:
        """All of them, by name."""
        return {name: getattr(self, name) for name in self._names}

    def to_json(self, indent: Any = None, separators: Any = None, sort_keys: bool = False) -> str:
        """All of them, as JSON."""
        return json.dumps(self.values(), indent=indent, separators=separators, sort_keys=sort_keys)

    def parse_json(self, values_json: str) -> HParams:
        """Sets what a JSON text says."""
        return self.override_from_dict(json.loads(values_json))

    def get(self, key: str, default: Any = None) -> Any:
        """One of them, or the default."""
        return getattr(self, key) if key in self._names else default

    def __contains__(self, key: str) -> bool:
        return key in self._names

    def __str__(self) -> str:
        return str(sorted(self.values().items()))


def _of_type(old: Any, value: Any, name: str) -> Any:
    """`value` as the old one's type; a ValueError where that would lose something."""
    if isinstance(old, bool):
        if str(value).lower() in ("true", "1", "false", "0"):
            return str(value).lower() in ("true", "1")
    elif old is None or isinstance(old, str) or callable(old):
        return value
    else:
        with suppress(TypeError, ValueError):
            found = type(old)(value)
            if not isinstance(value, float) or found == value:
                return found
    raise ValueError(f"Could not cast hyperparameter {name!r} of type {type(old).__name__} from value {value!r}")
