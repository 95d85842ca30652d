"""Devices for replicas: variables in turn over the parameter servers, everything else with the worker.

Next: compat/v1/train.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from refflow.core.devices import DeviceSpec
from refflow.core.graph import Operation
from refflow.runtime.cluster.server import ClusterSpec

STANDARD_PS_OPS = (
    "Variable", "VariableV2", "AutoReloadVariable", "MutableHashTable", "MutableHashTableV2",
    "MutableHashTableOfTensors", "MutableHashTableOfTensorsV2", "MutableDenseHashTable", "MutableDenseHashTableV2",
    "VarHandleOp", "BoostedTreesEnsembleResourceHandleOp", "BoostedTreesQuantileStreamResourceHandleOp",
    "ResourceConditionalAccumulator", "DecisionTreeResource",
)  # fmt: skip


def replica_device_setter(
    ps_tasks: int = 0, ps_device: str = "/job:ps", worker_device: str = "/job:worker", merge_devices: bool = True,
    cluster: Any = None, ps_ops: Sequence[str] | None = None, ps_strategy: Callable[[Operation], int] | None = None,
) -> Callable[[Operation], str] | None:  # fmt: skip
    """A function for tf.device(): the n-th variable goes to the n-th parameter server, and around again.

    cluster: the number of parameter servers is that of its job named in `ps_device`. ps_ops: op types that go there.
    ps_strategy: a function from an operation to its server's number. None where there is no parameter server.
    """
    if cluster is not None:
        tasks = ClusterSpec(cluster).as_dict().get(DeviceSpec.parse(ps_device).job or "ps", [])
        ps_tasks = len(tasks)
    if ps_tasks == 0:
        return None
    if ps_strategy is not None and not callable(ps_strategy):
        raise TypeError("ps_strategy must be callable")
    there = STANDARD_PS_OPS if ps_ops is None else tuple(ps_ops)
    placed = 0

    def device(op: Operation) -> str:
        nonlocal placed
        asked = DeviceSpec.parse(op.device)
        if not merge_devices and op.device:
            return op.device
        if op.type not in there:
            return _merged(asked, worker_device)
        if DeviceSpec.parse(ps_device).task is None and asked.task is None and asked.job is None:
            number = ps_strategy(op) if ps_strategy is not None else placed % ps_tasks
            placed += 1
            return _merged(asked, f"{ps_device}/task:{number}")
        return _merged(asked, ps_device)

    return device


def _merged(asked: DeviceSpec, default: str) -> str:
    """What an operation asks for, completed by a default."""
    spec = DeviceSpec.parse(default)
    return DeviceSpec(
        *(a if a is not None else d for a, d in ((getattr(asked, f), getattr(spec, f)) for f in asked.__slots__))
    ).to_string()
