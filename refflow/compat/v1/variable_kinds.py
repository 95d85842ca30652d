"""What is said of variables of 1.x: how replicas bring them together, and which part of a larger one they are.

A part of a larger variable knows which part it is (SaveSliceInfo), and so does its checkpoint.

Next: compat/v1/resource_variable.py.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any

from refflow.interop.schema import message


class VariableSynchronization(enum.Enum):
    """When replicas' values of a variable are brought together; a graph of one process has nothing to bring."""

    AUTO = 0
    NONE = 1
    ON_WRITE = 2
    ON_READ = 3


class VariableAggregation(enum.Enum):
    """How replicas' values of a variable are brought together."""

    NONE = 0
    SUM = 1
    MEAN = 2
    ONLY_FIRST_REPLICA = 3
    ONLY_FIRST_TOWER = 3  # noqa: PIE796  (its older name)


class SaveSliceInfo:
    """Which part of a larger variable this one is: the whole one's name and shape, where it begins, how large."""

    def __init__(
        self, full_name: str | None = None, full_shape: Sequence[int] | None = None,
        var_offset: Sequence[int] | None = None, var_shape: Sequence[int] | None = None,
        save_slice_info_def: Any = None, import_scope: str | None = None,
    ):  # fmt: skip
        if save_slice_info_def is not None:
            info = save_slice_info_def
            full_name = f"{import_scope}/{info.full_name}" if import_scope else info.full_name
            full_shape, var_offset, var_shape = info.full_shape, info.var_offset, info.var_shape
        self.full_name = full_name
        self.full_shape, self.var_offset, self.var_shape = (
            None if x is None else list(x) for x in (full_shape, var_offset, var_shape)
        )

    @property
    def spec(self) -> str:
        """As files have it: the whole shape, then begin and length along each axis, "4 5 0,2:0,5"."""
        parts = zip(self.var_offset or (), self.var_shape or (), strict=True)
        whole = "".join(f"{d} " for d in self.full_shape or ())
        return whole + ":".join(f"{begin},{length}" for begin, length in parts)

    def to_proto(self, export_scope: str | None = None) -> Any:
        """As a SaveSliceInfoDef; None where it is outside of `export_scope`."""
        name = self.full_name or ""
        if export_scope and not name.startswith(f"{export_scope}/"):
            return None
        found = message("SaveSliceInfoDef")()
        found.full_name = name.removeprefix(f"{export_scope}/") if export_scope else name
        for field in ("full_shape", "var_offset", "var_shape"):
            getattr(found, field).extend(getattr(self, field))
        return found
