"""TensorFlow's wire format as one table: message, field number, kind, name.

The table becomes protobuf classes in a descriptor pool of its own, so that an installed tensorflow, which registers
the same names elsewhere, is not disturbed. Kinds are protobuf's; `message(name)` gives the class. Fields that nothing
here reads are left out: protobuf keeps what it does not know. The messages of a run's metadata have their numbers in
files/step_stats.py.

Next: interop/protos.py.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from refflow.core.dtypes import ALL
from refflow.core.errors import STATUS_CLASSES
from refflow.files import step_stats

_TABLE = """
GraphDef
    1 repeated NodeDef node
    2 FunctionDefLibrary library
    3 int32 version
    4 VersionDef versions
VersionDef
    1 int32 producer
    2 int32 min_consumer
    3 repeated int32 bad_consumers
NodeDef
    1 string name
    2 string op
    3 repeated string input
    4 string device
    5 map AttrValue attr
AttrValue
    1 oneof ListValue list
    2 oneof bytes s
    3 oneof int64 i
    4 oneof float f
    5 oneof bool b
    6 oneof DataType type
    7 oneof TensorShapeProto shape
    8 oneof TensorProto tensor
    9 oneof string placeholder
    10 oneof NameAttrList func
ListValue
    2 repeated bytes s
    3 repeated int64 i
    4 repeated float f
    5 repeated bool b
    6 repeated DataType type
    7 repeated TensorShapeProto shape
    8 repeated TensorProto tensor
    9 repeated NameAttrList func
NameAttrList
    1 string name
    2 map AttrValue attr
TensorShapeProto
    2 repeated Dim dim
    3 bool unknown_rank
Dim
    1 int64 size
    2 string name
TensorProto
    1 DataType dtype
    2 TensorShapeProto tensor_shape
    3 int32 version_number
    4 bytes tensor_content
    5 repeated float float_val
    6 repeated double double_val
    7 repeated int32 int_val
    8 repeated bytes string_val
    9 repeated float scomplex_val
    10 repeated int64 int64_val
    11 repeated bool bool_val
    12 repeated double dcomplex_val
    13 repeated int32 half_val
    16 repeated uint32 uint32_val
    17 repeated uint64 uint64_val
    18 bytes float8_val
FunctionDefLibrary
    1 repeated FunctionDef function
    2 repeated GradientDef gradient
FunctionDef
    1 OpDef signature
    3 repeated NodeDef node_def
    4 mapstring ret
    5 map AttrValue attr
    6 mapstring control_ret
GradientDef
    1 string function_name
    2 string gradient_func
OpDef
    1 string name
    2 repeated ArgDef input_arg
    3 repeated ArgDef output_arg
    4 repeated AttrDef attr
    5 string summary
    6 string description
    16 bool is_aggregate
    17 bool is_stateful
    18 bool is_commutative
    19 bool allows_uninitialized_input
    20 repeated string control_output
ArgDef
    1 string name
    2 string description
    3 DataType type
    4 string type_attr
    5 string number_attr
    6 string type_list_attr
    16 bool is_ref
AttrDef
    1 string name
    2 string type
    3 AttrValue default_value
    4 string description
    5 bool has_minimum
    6 int64 minimum
    7 AttrValue allowed_values
OpList
    1 repeated OpDef op
MetaGraphDef
    1 MetaInfoDef meta_info_def
    2 GraphDef graph_def
    3 SaverDef saver_def
    4 map CollectionDef collection_def
    5 map SignatureDef signature_def
    6 repeated AssetFileDef asset_file_def
SavedModel
    1 int64 saved_model_schema_version
    2 repeated MetaGraphDef meta_graphs
SignatureDef
    1 map TensorInfo inputs
    2 map TensorInfo outputs
    3 string method_name
TensorInfo
    1 oneof string name
    4 oneof CooSparse coo_sparse
    2 DataType dtype
    3 TensorShapeProto tensor_shape
CooSparse
    1 string values_tensor_name
    2 string indices_tensor_name
    3 string dense_shape_tensor_name
AssetFileDef
    1 TensorInfo tensor_info
    2 string filename
MetaInfoDef
    1 string meta_graph_version
    2 OpList stripped_op_list
    4 repeated string tags
    5 string tensorflow_version
    6 string tensorflow_git_version
    7 bool stripped_default_attrs
CollectionDef
    1 oneof NodeList node_list
    2 oneof BytesList bytes_list
    3 oneof Int64List int64_list
    4 oneof FloatList float_list
NodeList
    1 repeated string value
BytesList
    1 repeated bytes value
Int64List
    1 repeated int64 value
FloatList
    1 repeated float value
SaverDef
    1 string filename_tensor_name
    2 string save_tensor_name
    3 string restore_op_name
    4 int32 max_to_keep
    5 bool sharded
    6 float keep_checkpoint_every_n_hours
    7 int32 version
VariableDef
    1 string variable_name
    2 string initializer_name
    3 string snapshot_name
    5 bool is_resource
    6 string initial_value_name
    4 SaveSliceInfoDef save_slice_info_def
    7 bool trainable
    8 int32 synchronization
    9 int32 aggregation
ValuesDef
    1 repeated string values
    2 mapstring external_values
ControlFlowContextDef
    1 oneof CondContextDef cond_ctxt
    2 oneof WhileContextDef while_ctxt
CondContextDef
    1 string context_name
    2 string pred_name
    3 string pivot_name
    4 int32 branch
    5 ValuesDef values_def
    6 repeated ControlFlowContextDef nested_contexts
WhileContextDef
    1 string context_name
    2 int32 parallel_iterations
    3 bool back_prop
    4 bool swap_memory
    5 string pivot_name
    6 string pivot_for_pred_name
    7 string pivot_for_body_name
    8 repeated string loop_exit_names
    9 ValuesDef values_def
    10 repeated string loop_enter_names
    11 string maximum_iterations_name
    12 repeated ControlFlowContextDef nested_contexts
SaveSliceInfoDef
    1 string full_name
    2 repeated int64 full_shape
    3 repeated int64 var_offset
    4 repeated int64 var_shape
BundleHeaderProto
    1 int32 num_shards
    2 int32 endianness
    3 VersionDef version
BundleEntryProto
    1 DataType dtype
    2 TensorShapeProto shape
    3 int32 shard_id
    4 int64 offset
    5 int64 size
    6 fixed32 crc32c
    7 repeated TensorSliceProto slices
TensorSliceProto
    1 repeated Extent extent
Extent
    1 int64 start
    2 oneof int64 length
SavedSliceMeta
    1 string name
    2 TensorShapeProto shape
    3 DataType type
    4 repeated TensorSliceProto slice
SavedTensorSliceMeta
    1 repeated SavedSliceMeta tensor
    2 VersionDef versions
SavedSlice
    1 string name
    2 TensorSliceProto slice
    3 TensorProto data
SavedTensorSlices
    1 SavedTensorSliceMeta meta
    2 SavedSlice data
CheckpointState
    1 string model_checkpoint_path
    2 repeated string all_model_checkpoint_paths
    3 repeated double all_model_checkpoint_timestamps
    4 double last_preserved_timestamp
QueueRunnerDef
    1 string queue_name
    2 repeated string enqueue_op_name
    3 string close_op_name
    4 string cancel_op_name
    5 repeated Code queue_closed_exception_types
ClusterDef
    1 repeated JobDef job
JobDef
    1 string name
    2 mapint string tasks
TrackableObjectGraph
    1 repeated TrackableObject nodes
TrackableObject
    1 repeated ObjectReference children
    2 repeated SerializedTensor attributes
    3 repeated SlotVariableReference slot_variables
ObjectReference
    1 int32 node_id
    2 string local_name
SerializedTensor
    1 string name
    2 string full_name
    3 string checkpoint_key
SlotVariableReference
    1 int32 original_variable_node_id
    2 string slot_name
    3 int32 slot_variable_node_id
ServerDef
    1 ClusterDef cluster
    2 string job_name
    3 int32 task_index
    5 string protocol
    6 int32 port
"""
# Messages that live inside others; text and reflection show the full name.
_OUTER = {"ListValue": "AttrValue", "Dim": "TensorShapeProto", "MetaInfoDef": "MetaGraphDef", "ArgDef": "OpDef",
          "AttrDef": "OpDef", "Extent": "TensorSliceProto",
          "CooSparse": "TensorInfo"}  # fmt: skip
_ONEOF = {
    "AttrValue": "value", "CollectionDef": "kind", "ControlFlowContextDef": "ctxt", "Extent": "has_length",
    "TensorInfo": "encoding",
}  # fmt: skip
_SCALARS = {
    "double": 1, "float": 2, "int64": 3, "uint64": 4, "int32": 5, "fixed32": 7, "bool": 8, "string": 9, "bytes": 12,
    "uint32": 13,
}  # fmt: skip
_MESSAGE, _ENUM, _OPTIONAL, _REPEATED = 11, 14, 1, 3


def protobuf() -> Any:
    """The protobuf library; ImportError with the remedy where it is missing."""
    try:
        import google.protobuf as library
    except ImportError:
        raise ImportError(
            "reading and writing TensorFlow's files needs the protobuf library: pip install 'refflow[interop]'"
        ) from None
    return library


def _full(name: str) -> str:
    return f".tensorflow.{_OUTER[name]}.{name}" if name in _OUTER else f".tensorflow.{name}"


@cache
def _pool() -> Any:
    protobuf()
    from google.protobuf import descriptor_pb2, descriptor_pool

    file = descriptor_pb2.FileDescriptorProto(name="refflow.proto", package="tensorflow", syntax="proto3")
    types = file.enum_type.add(name="DataType")
    types.value.add(name="DT_INVALID", number=0)
    for dtype in ALL:
        short = {"float32": "FLOAT", "float64": "DOUBLE", "float16": "HALF"}.get(dtype.name, dtype.name.upper())
        types.value.add(name=f"DT_{short}", number=int(dtype))
        types.value.add(name=f"DT_{short}_REF", number=int(dtype) + 100)
    codes = file.enum_type.add(name="Code")
    codes.value.add(name="OK", number=0)
    for code, error in STATUS_CLASSES.items():
        codes.value.add(name=re.sub("(?<!^)(?=[A-Z])", "_", error.__name__.removesuffix("Error")).upper(), number=code)
    inner = []
    current: Any = None
    for line in [*_TABLE.strip().splitlines(), *step_stats.table().splitlines()]:
        if not line.startswith(" "):
            current = descriptor_pb2.DescriptorProto(name=line)
            if line in _ONEOF:
                current.oneof_decl.add(name=_ONEOF[line])
            inner.append(current)
            continue
        number, *label, kind, name = line.split()
        _field(current, int(number), label, kind, name)
    by_name = {m.name: m for m in inner}
    for name, outer in _OUTER.items():
        by_name[outer].nested_type.append(by_name[name])
    file.message_type.extend(m for m in inner if m.name not in _OUTER)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def _field(owner: Any, number: int, label: list[str], kind: str, name: str) -> None:
    if label in (["map"], ["mapint"]) or kind == "mapstring":
        entry = owner.nested_type.add(name="".join(part.title() for part in name.split("_")) + "Entry")
        entry.options.map_entry = True
        key = "int32" if label == ["mapint"] else "string"
        entry.field.add(name="key", number=1, type=_SCALARS[key], label=_OPTIONAL)
        value = entry.field.add(name="value", number=2, label=_OPTIONAL)
        if kind in ("mapstring", "string"):
            value.type = _SCALARS["string"]
        else:
            value.type, value.type_name = _MESSAGE, _full(kind)
        outer = f".tensorflow.{_OUTER[owner.name]}" if owner.name in _OUTER else ".tensorflow"
        owner.field.add(name=name, number=number, type=_MESSAGE, label=_REPEATED,
                        type_name=f"{outer}.{owner.name}.{entry.name}")  # fmt: skip
        return
    field = owner.field.add(name=name, number=number, label=_REPEATED if label == ["repeated"] else _OPTIONAL)
    if label == ["oneof"]:
        field.oneof_index = 0
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    elif kind in ("DataType", "Code"):
        field.type, field.type_name = _ENUM, f".tensorflow.{kind}"
    else:
        field.type, field.type_name = _MESSAGE, _full(kind)


@cache
def message(name: str) -> Any:
    """The protobuf class of one message of the table."""
    pool = _pool()
    from google.protobuf import message_factory

    return message_factory.GetMessageClass(pool.FindMessageTypeByName(_full(name)[1:]))
