"""The way of a run that was seen before: from what is asked for to its step, by one look into a dictionary [W09].

    (fetches, feeds' keys) -> the step, and for each feed the type and shape that it was built for

A value that is an array of that type and shape stands for its tensor as it is. A number or a list is converted once
more; whatever else, and whatever has another shape, takes the way through the signature.

Next: runtime/steps.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from refflow.core.graph import Tensor
from refflow.core.values import scalar
from refflow.runtime.feeds import Feed

_MOST = 512


class _Known(NamedTuple):
    step: Any
    structure: type  # of the fetches; a list and a tuple look alike as keys
    feeds: tuple[tuple[np.dtype, tuple[int, ...], Feed], ...]


class QuickSteps:
    """What a session has run, by what was asked for."""

    def __init__(self) -> None:
        self._known: dict[Any, _Known] = {}

    def find(self, fetches: Any, feed_dict: Mapping[Any, Any]) -> tuple[Any, Sequence[Any]] | None:
        """The step for this request, and what stands for its feeds; None where it must be looked at more closely."""
        try:
            known = self._known.get((tuple(fetches) if type(fetches) is list else fetches, *feed_dict))
        except TypeError:  # no key of a dictionary
            return None
        if known is None or known.structure is not type(fetches):
            return None
        if type(feed_dict) is not dict and not isinstance(feed_dict, Mapping):
            return None
        if not feed_dict:
            return known.step, ()
        values = []
        for value, (dtype, shape, feed) in zip(feed_dict.values(), known.feeds, strict=True):
            if type(value) is not np.ndarray:
                value = feed(value)
                if value.shape != shape:
                    return None
            elif value.dtype is not dtype or value.shape != shape or not value.flags.c_contiguous:
                return None
            values.append(value if shape else scalar(value))
        return known.step, values

    def add(self, fetches: Any, feed_dict: Mapping[Any, Any], step: Any, feeds: Sequence[Feed], shapes: Any) -> None:
        """Remembers a request that came to this step. shapes: those that the step was built for."""
        plain = type(feed_dict) is dict and all(f.numpy_type.kind != "O" for f in feeds)
        if not plain or not all(isinstance(k, (str, Tensor)) for k in feed_dict):
            return
        known = tuple((f.numpy_type, shape, f) for f, shape in zip(feeds, shapes, strict=True))
        try:
            key = (tuple(fetches) if type(fetches) is list else fetches, *feed_dict)
            self._known[key] = _Known(step, type(fetches), known)
        except TypeError:
            return
        if len(self._known) > _MOST:
            del self._known[next(iter(self._known))]

    def clear(self) -> None:
        self._known.clear()
