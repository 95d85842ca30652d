"""From the event log to what TensorFlow tells of a run: step statistics, costs, the parts of the graph [W61].

    start .. end        one NodeExecStats, on its device, with its thread and what it made
    nodes               a CostGraphDef: who reads whose output, how large it is, how long the node took

Next: files/step_stats.py.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from refflow.core.dtypes import DType
from refflow.core.graphdef import GraphDef
from refflow.core.shapes import TensorShape
from refflow.files.step_stats import (
    AllocationDescription,
    AllocatorMemoryUsed,
    CostGraphDef,
    CostNode,
    DeviceStepStats,
    InputInfo,
    NodeExecStats,
    NodeOutput,
    OutputInfo,
    RunMetadata,
    StepStats,
    TensorDescription,
)
from refflow.runtime.events import Event, EventLog, Made
from refflow.runtime.nodes import Node, StepGraph
from refflow.runtime.stages import Stages

_ENDS = ("end", "recv", "error")


def report(into: Any, log: EventLog | None, stages: Stages, traced: bool, costs: bool, graphs: bool) -> None:
    """Puts into a RunMetadata, or into TensorFlow's message of that name, what was asked for."""
    found = RunMetadata()
    if log is not None:
        stats = step_stats(log)
        if traced:
            found.step_stats = stats
        if costs:
            final = [n.name for n in [*(f.inputs[0][0] for f in stages.pruned.fetches), *stages.pruned.targets]]
            found.cost_graph = cost_graph(stages.partitioned, stats, final)
    if graphs:
        found.partition_graphs = [GraphDef([n.node_def for n in part.nodes]) for part in stages.partitions]
    if isinstance(into, RunMetadata):
        into.CopyFrom(found)
    else:
        into.ParseFromString(found.SerializeToString())


def step_stats(log: EventLog, step: int | None = None) -> StepStats:
    """Every run of a node in the log, or in one of its steps: by device, in the order in which the runs began."""
    devices: dict[str, DeviceStepStats] = {}
    ready: dict[Any, Event] = {}
    begun: dict[Any, tuple[Event, NodeExecStats]] = {}
    names = {thread.native_id: thread.name for thread in threading.enumerate()}
    for event in log.events:
        key = (event.step, event.node_id, event.place)
        if event.node_id < 0 or step not in (None, event.step):
            continue
        if event.kind == "ready":
            ready[key] = event
        elif event.kind == "start":
            stats = _started(log, event, ready.pop(key, event))
            begun[key] = (event, stats)
            device = devices.setdefault(event.device, DeviceStepStats(event.device))
            device.node_stats.append(stats)
            device.thread_names[event.thread] = names.get(event.thread, "")
        elif event.kind in _ENDS and key in begun:
            _ended(*begun.pop(key), event)
    return StepStats([devices[name] for name in sorted(devices)])


def _started(log: EventLog, event: Event, ready: Event) -> NodeExecStats:
    start, scheduled = (round(1e9 * (e.time + log.epoch)) for e in (event, ready))
    node = log.nodes[event.step, event.node_id]
    return NodeExecStats(
        node_name=event.node,
        timeline_label=f"{event.node} = {node.type}({', '.join(node.node_def.input)})",
        all_start_micros=start // 1000,
        all_start_nanos=start,
        scheduled_micros=scheduled // 1000,
        scheduled_nanos=scheduled,
        thread_id=event.thread,
    )


def _ended(start: Event, stats: NodeExecStats, end: Event) -> None:
    took = round(1e9 * (end.time - start.time))
    stats.op_end_rel_nanos = stats.all_end_rel_nanos = took
    stats.op_end_rel_micros = stats.all_end_rel_micros = took // 1000
    kind = "gpu" if "gpu" in end.device else "cpu"
    stats.output = [_output(made, kind) for made in end.made]
    if end.made:
        stats.memory = [AllocatorMemoryUsed(kind, sum(made.nbytes for made in end.made))]


def _output(made: Made, kind: str) -> NodeOutput:
    memory = AllocationDescription(made.nbytes, made.nbytes, kind, made.memory)
    return NodeOutput(made.port, TensorDescription(made.dtype.as_datatype_enum, TensorShape(made.shape), memory))


def cost_graph(step: StepGraph, stats: StepStats, final: Sequence[str]) -> CostGraphDef:
    """The nodes of a step, each with the microseconds that all its runs took together. final: what was asked for."""
    took: dict[str, int] = {}
    sizes: dict[tuple[str, int], int] = {}
    for device in stats.dev_stats:
        for run in device.node_stats:
            took[run.node_name] = took.get(run.node_name, 0) + run.all_end_rel_micros
            for made in run.output:
                sizes[run.node_name, made.slot] = made.tensor_description.allocation_description.requested_bytes
    numbers = {node: number for number, node in enumerate(step.nodes)}
    return CostGraphDef([_cost_node(node, numbers, took.get(node.name, 0), sizes, final) for node in step.nodes])


def _cost_node(node: Node, numbers: dict[Node, int], took: int, sizes: Any, final: Sequence[str]) -> CostNode:
    def output(port: int, dtype: DType) -> OutputInfo:
        shape = TensorShape(node.shapes[port])
        return OutputInfo(sizes.get((node.name, port), 0), -1, shape, dtype.base_dtype.as_datatype_enum)

    return CostNode(
        name=node.name,
        device=node.device.name,
        id=numbers[node],
        input_info=[InputInfo(numbers[n], port) for n, port in node.inputs],
        output_info=[output(port, dtype) for port, dtype in enumerate(node.types)],
        is_final=node.name in final,
        control_input=[numbers[n] for n in node.controls],
        compute_cost=took,
        compute_time=took,
    )
