"""DeviceSpec of 1.x: a device's name by its parts, which may be changed.

    DeviceSpec(job="ps", task=1).to_string()                  /job:ps/task:1
    DeviceSpec.from_string("/job:ps/cpu:0").device_type       CPU

Next: compat/v1/graph.py.
"""

from __future__ import annotations

from typing import Any

_PARTS = ("job", "replica", "task", "device_type", "device_index")


class DeviceSpec:
    """Each part is a text or a number, or None where any will do."""

    def __init__(
        self, job: str | None = None, replica: int | None = None, task: int | None = None,
        device_type: str | None = None, device_index: int | None = None,
    ):  # fmt: skip
        self.job = None if job is None else str(job)
        self.replica = None if replica is None else int(replica)
        self.task = None if task is None else int(task)
        self._device_type = _upper(device_type)
        self.device_index = None if device_index is None else int(device_index)

    @property
    def device_type(self) -> str | None:
        """CPU or GPU; cpu and gpu are taken for those."""
        return self._device_type

    @device_type.setter
    def device_type(self, device_type: str | None) -> None:
        self._device_type = _upper(device_type)

    @classmethod
    def from_string(cls, spec: str) -> DeviceSpec:
        """The spec that a text writes; ValueError for a part that is not known."""
        return cls().parse_from_string(spec)

    def parse_from_string(self, spec: str) -> DeviceSpec:
        """Takes all parts from a text; those that it lacks become None."""
        DeviceSpec.__init__(self)
        for part in filter(None, (spec or "").split("/")):
            key, *values = part.split(":")
            if key in ("job", "replica", "task") and len(values) == 1:
                value: Any = values[0]
                if value != "*":
                    setattr(self, key, value if key == "job" else int(value))
            elif key.lower() in ("cpu", "gpu") and len(values) <= 1:
                self._take_device(key, values)
            elif key == "device" and 1 <= len(values) <= 2:
                self._take_device(values[0], values[1:])
            else:
                raise ValueError(f"Unknown attribute '{key}' is encountered while parsing the device spec: '{spec}'.")
        return self

    def _take_device(self, kind: str, number: list[str]) -> None:
        if self.device_type is not None:
            raise ValueError(f"Multiple device types are not allowed while parsing the device spec: {kind} is another.")
        self.device_type = kind
        if number and number[0] != "*":
            self.device_index = int(number[0])

    def merge_from(self, dev: DeviceSpec) -> None:
        """Takes the parts that the other one says."""
        for key in _PARTS:
            if getattr(dev, key) is not None:
                setattr(self, key, getattr(dev, key))

    def make_merged_spec(self, dev: DeviceSpec) -> DeviceSpec:
        """Another with the parts of both; where they differ, the other's."""
        found = self.replace()
        found.merge_from(dev)
        return found

    def replace(self, **kwargs: Any) -> DeviceSpec:
        """Another with some parts changed."""
        return type(self)(**{**{key: getattr(self, key) for key in _PARTS}, **kwargs})

    def to_string(self) -> str:
        """As text."""
        parts = [f"/{key}:{getattr(self, key)}" for key in ("job", "replica", "task") if getattr(self, key) is not None]
        if self.device_type is not None:
            parts.append(f"/device:{self.device_type}:{'*' if self.device_index is None else self.device_index}")
        return "".join(parts)

    __str__ = to_string

    def __repr__(self) -> str:
        return f"<DeviceSpec({', '.join(f'{key}={getattr(self, key)}' for key in _PARTS)})>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DeviceSpec) and self.to_string() == other.to_string()

    def __hash__(self) -> int:
        return hash(self.to_string())


def _upper(kind: str | None) -> str | None:
    return kind.upper() if kind is not None and kind.lower() in ("cpu", "gpu") else kind
