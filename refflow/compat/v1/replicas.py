"""Devices for replicas: variables in turn over the parameter servers, everything else with the worker.

Next: compat/v1/train.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
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
    servers, worker = DeviceSpec.parse(ps_device), DeviceSpec.parse(worker_device)
    if cluster is not None:
        ps_tasks = len(ClusterSpec(cluster).as_dict().get(servers.job or "ps", []))
    if ps_tasks == 0:
        return None
    if ps_strategy is not None and not callable(ps_strategy):
        raise TypeError("ps_strategy must be callable")
    there = STANDARD_PS_OPS if ps_ops is None else tuple(ps_ops)
    placed = 0

    def device(op: Operation) -> str:
        nonlocal placed
        if not merge_devices and op.device:
            return op.device
        asked = DeviceSpec.parse(op.device)
        if op.type not in there:
            return worker.merge(asked).to_string()
        if servers.task is not None or asked.task is not None or asked.job is not None:
            return servers.merge(asked).to_string()
        number = ps_strategy(op) if ps_strategy is not None else placed % ps_tasks
        placed += 1
        return replace(servers, task=number).merge(asked).to_string()

    return device
