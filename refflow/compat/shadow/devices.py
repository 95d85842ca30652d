"""Names that only `framework.device` and `framework.config` had: devices' names, and what a process may use.

Next: compat/shadow/state.py.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from refflow.compat.v1.device_spec import DeviceSpec
from refflow.runtime.device import local_devices

# -- names -------------------------------------------------------------------------------------------------------------


class DeviceSpecV2(DeviceSpec):
    """A device's name by its parts, which stay as they are: `replace` and `make_merged_spec` make others."""

    _open = False

    def __init__(self, *args: Any, **kwargs: Any):
        self.__dict__["_open"] = True
        super().__init__(*args, **kwargs)
        self.__dict__["_open"] = False

    def __setattr__(self, name: str, value: Any) -> None:
        if not self._open:
            raise AttributeError(f"can't set attribute {name!r} of a DeviceSpec: replace({name}=...) gives another")
        super().__setattr__(name, value)

    @classmethod
    def from_string(cls, spec: str) -> DeviceSpecV2:
        """The spec that a text writes."""
        return cls().parse_from_string(spec)

    def parse_from_string(self, spec: str) -> DeviceSpecV2:
        """Another with all parts from a text."""
        return self._of(DeviceSpec.from_string(spec))

    def make_merged_spec(self, dev: DeviceSpec) -> DeviceSpecV2:
        """Another with the parts of both; where they differ, the other's."""
        merged = DeviceSpec()
        merged.merge_from(self)
        merged.merge_from(dev)
        return self._of(merged)

    @classmethod
    def _of(cls, spec: DeviceSpec) -> DeviceSpecV2:
        return cls(spec.job, spec.replica, spec.task, spec.device_type, spec.device_index)


def is_device_spec(value: Any) -> bool:
    """Whether it is a device's name by its parts."""
    return isinstance(value, DeviceSpec)


def check_valid(spec: str) -> None:
    """ValueError where the text is no device's name."""
    DeviceSpec.from_string(spec)


def canonical_name(device: Any) -> str:
    """A name as it is written in graphs; "" for None."""
    if device is None:
        return ""
    return device.to_string() if is_device_spec(device) else DeviceSpec.from_string(device).to_string()


class MergeDevice:
    """A device function: what a node asks for already, and the rest from here."""

    def __init__(self, spec: Any):
        self._spec = DeviceSpec.from_string(canonical_name(spec))

    def __call__(self, node_def: Any) -> DeviceSpec:
        """The request of a node."""
        return self._spec.make_merged_spec(DeviceSpec.from_string(node_def.device or ""))

    def shortcut_string_merge(self, node_def: Any) -> str:
        """The request of a node, as text."""
        return self(node_def).to_string()


def merge_device(spec: Any) -> Callable[[Any], DeviceSpec]:
    """A device function for Graph.device: what is asked for inside holds before what is asked for here."""
    return MergeDevice(spec or "")


# -- what a process may use --------------------------------------------------------------------------------------------

_chosen: dict[str, Any] = {"soft placement": True, "intra": 0, "inter": 0, "deterministic": False}


def list_physical_devices(device_type: str | None = None) -> list[Any]:
    """The devices of a session of this process, by what their names end in."""
    count = len(local_devices({}))
    found = [SimpleNamespace(name=f"/physical_device:CPU:{i}", device_type="CPU") for i in range(count)]
    return [d for d in found if device_type in (None, d.device_type)]


def list_logical_devices(device_type: str | None = None) -> list[Any]:
    """The same, as graphs name them."""
    return [
        SimpleNamespace(name=d.name.replace("physical_", ""), device_type=d.device_type)
        for d in list_physical_devices(device_type)
    ]


def get_soft_device_placement() -> bool:
    """What set_soft_device_placement said last. Sessions go by their ConfigProto."""
    return bool(_chosen["soft placement"])


def set_soft_device_placement(enabled: bool) -> None:
    """Notes it; sessions go by their ConfigProto."""
    _chosen["soft placement"] = enabled


def get_intra_op_parallelism_threads() -> int:
    """What was set last; 0 leaves it to the process."""
    return int(_chosen["intra"])


def set_intra_op_parallelism_threads(num_threads: int) -> None:
    """Notes it; sessions go by their ConfigProto."""
    _chosen["intra"] = num_threads


def get_inter_op_parallelism_threads() -> int:
    """What was set last; 0 leaves it to the process."""
    return int(_chosen["inter"])


def set_inter_op_parallelism_threads(num_threads: int) -> None:
    """Notes it; sessions go by their ConfigProto."""
    _chosen["inter"] = num_threads


def enable_op_determinism() -> None:
    """Notes it: kernels give the same for the same seeds in any case."""
    _chosen["deterministic"] = True


def disable_op_determinism() -> None:
    """Notes it."""
    _chosen["deterministic"] = False


def is_op_determinism_enabled() -> bool:
    """What was noted last."""
    return bool(_chosen["deterministic"])


def tensor_float_32_execution_enabled() -> bool:
    """False: products of float32 are computed in float32."""
    return False


def enable_tensor_float_32_execution(enabled: bool) -> None:
    """ValueError where it is asked for: products of float32 are computed in float32."""
    if enabled:
        raise ValueError("refflow computes products of float32 in float32")
