"""What is told of a run, as TensorFlow's messages: which node ran when and where, and what it made [W61].

    RunMetadata     1 step_stats, 2 cost_graph, 3 partition_graphs
    StepStats       1 dev_stats: for each device, its nodes in the order in which they began
    NodeExecStats   one run of one node: when it began and ended, its thread, what it gave
    CostGraphDef    the nodes of a step with the sizes of what they give, and what they cost

Fields keep TensorFlow's names and numbers, and `SerializeToString` writes its bytes, so that its own tools read them.
Times are microseconds since 1970, or counted from `all_start_micros` where a name says `rel`.

Next: runtime/metadata.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, Self

from refflow.core.graphdef import GraphDef
from refflow.core.shapes import TensorShape, unknown_shape
from refflow.files.graph_wire import graph_bytes, shape_bytes
from refflow.files.wire import block, number, read_varint, signed
from refflow.files.wire import fields as read_fields


def one(number_: int, default: Any) -> Any:
    """A field: its number, and its value where it is not written. The default's kind is the field's."""
    return field(default=default, metadata={"number": number_})


def part(number_: int, make: Callable[[], Any]) -> Any:
    """A field that holds a message, or a shape."""
    return field(default_factory=make, metadata={"number": number_, "item": make})


def many(number_: int, item: Any = None) -> Any:
    """A field that is repeated: messages of a kind, or numbers or bytes."""
    return field(default_factory=list, metadata={"number": number_, "item": item})


class Message:
    """A dataclass that is written field by field: by number, and by what stands in it."""

    def SerializeToString(self) -> bytes:
        """The message's bytes."""
        return b"".join(_written(f.metadata["number"], getattr(self, f.name)) for f in fields(self))  # type: ignore[arg-type]

    @classmethod
    def FromString(cls, data: bytes) -> Self:
        """The message in these bytes; ValueError where they hold none. Fields that are not known here are left out."""
        found = cls()
        known = {f.metadata["number"]: f for f in fields(cls)}  # type: ignore[arg-type]
        for number_, value in read_fields(data):
            if number_ in known:
                found._read(known[number_].name, value, known[number_].metadata.get("item"))
        return found

    def _read(self, name: str, value: Any, item: Any) -> None:
        now = getattr(self, name)
        read = item.FromString(value) if hasattr(item, "FromString") else _plain(now, value)
        if isinstance(now, list):
            now.append(read)
        else:
            setattr(self, name, read)

    def ParseFromString(self, data: bytes) -> None:
        """Becomes the message in these bytes."""
        self.CopyFrom(type(self).FromString(data))

    def CopyFrom(self, other: Any) -> None:
        """Takes over the fields of another message."""
        for each in fields(self):  # type: ignore[arg-type]
            setattr(self, each.name, getattr(other, each.name))

    def HasField(self, name: str) -> bool:
        """True for a part that says anything."""
        if name not in vars(self):
            raise ValueError(f"{type(self).__name__} has no field {name!r}. It has: {', '.join(vars(self))}")
        return getattr(self, name) != getattr(type(self)(), name)


def _written(number_: int, value: Any) -> bytes:
    if isinstance(value, list):
        return b"".join(_written_one(number_, each, keep_empty=True) for each in value)
    if isinstance(value, dict):
        entries = (number(1, key) + block(2, text.encode()) for key, text in sorted(value.items()))
        return b"".join(block(number_, entry, keep_empty=True) for entry in entries)
    return _written_one(number_, value)


def _written_one(number_: int, value: Any, keep_empty: bool = False) -> bytes:
    if isinstance(value, int):
        return number(number_, value)
    if isinstance(value, str):
        return block(number_, value.encode(), keep_empty)
    if isinstance(value, TensorShape):
        return block(number_, shape_bytes(value), keep_empty=True)
    data = graph_bytes(value) if isinstance(value, GraphDef) else value
    return block(number_, data if isinstance(data, bytes) else data.SerializeToString(), keep_empty)


def _plain(now: Any, value: Any) -> Any:
    """What was read, as the kind of thing that stands in the field."""
    if isinstance(now, str):
        return value.decode()
    if isinstance(now, bool):
        return bool(value)
    if isinstance(now, TensorShape):
        parts = list(read_fields(value))
        sizes = [signed(dict(read_fields(v)).get(1, 0)) for n, v in parts if n == 2]
        return unknown_shape() if (3, 1) in parts else TensorShape([None if s < 0 else s for s in sizes])
    return signed(value) if isinstance(value, int) else value


@dataclass
class AllocationDescription(Message):
    """The memory of a value. allocator_name: the kind of memory; ptr: a number that tells memories apart."""

    requested_bytes: int = one(1, 0)
    allocated_bytes: int = one(2, 0)
    allocator_name: str = one(3, "")
    ptr: int = one(6, 0)


@dataclass
class TensorDescription(Message):
    """The type, as TensorFlow numbers it, the shape and the memory of a value."""

    dtype: int = one(1, 0)
    shape: TensorShape = part(2, lambda: TensorShape([]))
    allocation_description: AllocationDescription = part(4, AllocationDescription)


@dataclass
class NodeOutput(Message):
    """One output of a node's run."""

    slot: int = one(1, 0)
    tensor_description: TensorDescription = part(3, TensorDescription)


@dataclass
class AllocatorMemoryUsed(Message):
    """How many bytes a node's run took of one kind of memory."""

    allocator_name: str = one(1, "")
    total_bytes: int = one(2, 0)


@dataclass
class NodeExecStats(Message):
    """One run of one node. timeline_label: `name = Type(inputs)`. scheduled_micros: when it could have begun."""

    node_name: str = one(1, "")
    all_start_micros: int = one(2, 0)
    op_start_rel_micros: int = one(3, 0)
    op_end_rel_micros: int = one(4, 0)
    all_end_rel_micros: int = one(5, 0)
    memory: list[AllocatorMemoryUsed] = many(6, AllocatorMemoryUsed)
    output: list[NodeOutput] = many(7, NodeOutput)
    timeline_label: str = one(8, "")
    scheduled_micros: int = one(9, 0)
    thread_id: int = one(10, 0)
    all_start_nanos: int = one(13, 0)
    op_start_rel_nanos: int = one(14, 0)
    op_end_rel_nanos: int = one(15, 0)
    all_end_rel_nanos: int = one(16, 0)
    scheduled_nanos: int = one(17, 0)


@dataclass
class DeviceStepStats(Message):
    """The nodes that ran on one device. thread_names: by the operating system's number."""

    device: str = one(1, "")
    node_stats: list[NodeExecStats] = many(2, NodeExecStats)
    thread_names: dict[int, str] = part(3, dict)

    def _read(self, name: str, value: Any, item: Any) -> None:
        if name != "thread_names":
            super()._read(name, value, item)
            return
        entry = dict(read_fields(value))
        self.thread_names[entry.get(1, 0)] = bytes(entry.get(2, b"")).decode()


@dataclass
class StepStats(Message):
    """What ran in a step, device by device."""

    dev_stats: list[DeviceStepStats] = many(1, DeviceStepStats)


@dataclass
class InputInfo(Message):
    """Which output of which node comes in."""

    preceding_node: int = one(1, 0)
    preceding_port: int = one(2, 0)


@dataclass
class OutputInfo(Message):
    """What goes out: its bytes, and which input lends its memory, -1 for none."""

    size: int = one(1, 0)
    alias_input_port: int = one(2, 0)
    shape: TensorShape = part(3, lambda: TensorShape([]))
    dtype: int = one(4, 0)


@dataclass
class CostNode(Message):
    """A node of a step, and the microseconds that it took. is_final: its value is fetched."""

    name: str = one(1, "")
    device: str = one(2, "")
    id: int = one(3, 0)
    input_info: list[InputInfo] = many(4, InputInfo)
    output_info: list[OutputInfo] = many(5, OutputInfo)
    is_final: bool = one(7, False)
    control_input: list[int] = many(8)
    compute_cost: int = one(9, 0)
    compute_time: int = one(14, 0)

    def _read(self, name: str, value: Any, item: Any) -> None:
        if name == "control_input" and isinstance(value, bytes):  # several numbers in one block
            at = 0
            while at < len(value):
                number_, at = read_varint(value, at)
                self.control_input.append(number_)
        else:
            super()._read(name, value, item)


@dataclass
class CostGraphDef(Message):
    """The nodes of a step, with sizes and costs."""

    node: list[CostNode] = many(1, CostNode)


@dataclass
class RunMetadata(Message):
    """What is told of one run, where its options ask for it. partition_graphs: GraphDefs, or their bytes once read."""

    step_stats: StepStats = part(1, StepStats)
    cost_graph: CostGraphDef = part(2, CostGraphDef)
    partition_graphs: list[Any] = many(3)


def table() -> str:
    """These messages as lines of interop/schema.py's table; what is no plain field of theirs is left out."""
    kinds = {int: "int64", bool: "bool", str: "string"}
    lines = []
    made = (AllocationDescription, TensorDescription, NodeOutput, AllocatorMemoryUsed, NodeExecStats, DeviceStepStats,
            StepStats, InputInfo, OutputInfo, CostNode, CostGraphDef, RunMetadata)  # fmt: skip
    for kind in made:
        lines.append(kind.__name__)
        empty = kind()
        for each in fields(kind):
            value, item = getattr(empty, each.name), each.metadata.get("item")
            label = "repeated " * isinstance(value, list)
            if each.name == "dtype":
                name = "DataType"
            elif isinstance(value, TensorShape):
                name = "TensorShapeProto"
            elif each.name == "partition_graphs":
                name = "GraphDef"
            elif isinstance(value, dict):
                continue
            else:
                name = item.__name__ if isinstance(item, type) else kinds.get(type(value), "int64")
            lines.append(f"    {each.metadata['number']} {label}{name} {each.name}")
    return "\n".join(lines)
