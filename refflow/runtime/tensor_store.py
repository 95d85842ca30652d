"""Tensors that a session keeps between its runs, under handles [W10].

    handle = "node's name;number;device"            made by GetSessionHandle, read and dropped by its kin

A client may also feed a handle where the tensor itself is meant: as the bytes of TensorFlow's ResourceHandleProto, in
an array of one-field records.

Next: runtime/session.py.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from refflow.core import locks
from refflow.core.errors import InvalidArgumentError

_MARK = b"\x12\x0cTensorHandle\x1a"  # the container of such a handle, and the field that its name is in


class TensorStore:
    """Handles and what they stand for. Safe under threads."""

    def __init__(self) -> None:
        self._held: dict[str, np.ndarray] = {}
        self._numbers = itertools.count()
        self._lock = locks.lock()

    def hold(self, value: Any, name: str, device: str) -> str:
        """A new handle for a copy of `value`."""
        with self._lock:
            handle = f"{name};{next(self._numbers)};{device}"
            self._held[handle] = np.array(value, copy=True)
            return handle

    def get(self, handle: str) -> np.ndarray:
        found = self._held.get(handle)
        if found is None:
            raise InvalidArgumentError(None, None, f"The tensor with handle '{handle}' is not in the session store.")
        return found

    def drop(self, handle: str) -> None:
        self.get(handle)
        with self._lock:
            self._held.pop(handle, None)

    def fed(self, value: Any) -> Any:
        """The tensor that a fed handle means; what is no handle stays as it is."""
        if not isinstance(value, np.ndarray) or value.dtype.names != ("resource",):
            return value
        data = value.tobytes()
        at = data.find(_MARK) + len(_MARK)
        if at < len(_MARK):
            return value
        size, shift = 0, 0
        while True:  # the name's length, seven bits a byte
            byte = data[at]
            size, shift, at = size | (byte & 127) << shift, shift + 7, at + 1
            if byte < 128:
                return self.get(data[at : at + size].decode())
