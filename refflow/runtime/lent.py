"""A card's variables and values, lent to a kernel of the host.

    with Lent(to_host) as lent:
        kernel(*map(lent.here, inputs))         what is changed behind a handle is back on the card afterwards

A handle's variable is locked meanwhile. The kernel gets a handle to a variable with the same value in host memory.

Next: runtime/card_checks.py.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np

from refflow.core.handles import handle_to
from refflow.runtime.resources import VariableState


class Lent(ExitStack):
    """What one call of a kernel has on the host. to_host: copies an array of the card's."""

    def __init__(self, to_host: Callable[[Any], np.ndarray]):
        super().__init__()
        self._to_host = to_host
        self._twins: dict[VariableState, VariableState] = {}

    def here(self, value: Any) -> Any:
        """An input, as a kernel of the host takes it."""
        if isinstance(value, list):
            return [self.here(v) for v in value]
        if hasattr(value, "data_ptr"):
            return self._to_host(value)
        state = value[()] if isinstance(value, np.ndarray) and value.dtype == object and not value.ndim else None
        return handle_to(self._twin(state)) if isinstance(state, VariableState) and state.write else value

    def _twin(self, state: VariableState) -> VariableState:
        if state not in self._twins:
            self.enter_context(state.lock)
            twin = VariableState(state.name, state.dtype, state.shape, None, state.container)
            twin.value = None if state.value is None else self._to_host(state.value)
            self._twins[state] = twin
            self.callback(self._give_back, state, twin, None if twin.value is None else twin.value.tobytes())
        return self._twins[state]

    def _give_back(self, state: VariableState, twin: VariableState, before: bytes | None) -> None:
        if twin.value is None:
            state.drop()
        elif (twin.value.shape, twin.value.tobytes()) != (np.shape(state.value), before):
            state.store(twin.value)
