"""Lookup tables as ops: one makes the table and gives its handle, the others take the handle [W47].

    HashTable, MutableHashTable, ...        a handle; the table lives on under its container and name
    InitializeTable, ...FromTextFile        fills a HashTable, once
    LookupTableFind, Size, Export           reads       LookupTableInsert, Remove, Import    changes

The first release's handle is a reference to a string, that of later releases (names that end in V2) a resource.

Next: ops/io_functions.py.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np

from refflow.core import errors, shapes
from refflow.core.dtypes import DType, int64, resource, string
from refflow.core.errors import ShapeError
from refflow.core.handles import handle_to, state_of
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_checks import need_equal, need_rank
from refflow.core.shape_rules import ShapeContext
from refflow.core.shapes import TensorShape
from refflow.core.signature import Attr
from refflow.ops.decode import number
from refflow.ops.lookup_tables import DenseHashTable, HashTable, MutableHashTable, TableSpec, check_signature, listed
from refflow.ops.strings import strings

TYPE = Attr("type")
_NAMED: dict[str, Any] = {"container": "", "shared_name": "", "use_node_name_sharing": False}
_TYPES: dict[str, Any] = {"key_dtype": TYPE, "value_dtype": TYPE}
_VALUE: dict[str, Any] = {"value_shape": Attr("shape", default=TensorShape([]))}
_DENSE: dict[str, Any] = {"initial_num_buckets": 131072, "max_load_factor": 0.8}

# -- making tables -----------------------------------------------------------------------------------


def _maker(name: str, signature: str, made: Any, anonymous: bool = False, **attrs: Any) -> OpDef:
    """An op that gives the handle of a table: its own in each step where it is anonymous, else a lasting one."""
    op_def = define_op(name, signature, **_TYPES, **attrs, **({} if anonymous else _NAMED), stateful=True,
                       source=("W47",))  # fmt: skip

    def give(state, key_dtype, value_dtype):
        if (state.key_dtype, state.value_dtype) != (key_dtype, value_dtype):
            raise ValueError(
                f"Conflicting key/value dtypes {key_dtype.name}->{value_dtype.name} with {state.key_dtype.name}-"
                f"{state.value_dtype.name} for table {state.kind}"
            )
        return handle_to(state)

    if anonymous:
        op_def.no_gradient_registered()
        op_def.kernel(_anonymous(made))
    else:
        op_def.no_gradient()
        op_def.state(made)
        op_def.kernel(give)
    op_def.shape(lambda context: ())
    if "resource" in signature:
        op_def.constant(_spec_of)
    return op_def


def _anonymous(made: Any) -> Any:
    if made is _of_tensors:
        return lambda key_dtype, value_dtype, value_shape: handle_to(made(key_dtype, value_dtype, value_shape))
    return lambda key_dtype, value_dtype: handle_to(made(key_dtype, value_dtype))


def _spec_of(op: Any) -> np.ndarray:
    keys = op.inputs[0].dims if op.inputs else ()
    shape = op.attrs.get("value_shape")
    return handle_to(TableSpec(keys, () if shape is None else shape.as_tuple))


def _hash_table(key_dtype: DType, value_dtype: DType) -> HashTable:
    return HashTable(key_dtype, value_dtype)


def _mutable(key_dtype: DType, value_dtype: DType) -> MutableHashTable:
    return MutableHashTable(key_dtype, value_dtype)


def _of_tensors(key_dtype: DType, value_dtype: DType, value_shape: TensorShape) -> MutableHashTable:
    dims = value_shape.as_tuple
    if dims is None or len(dims) != 1 or dims[0] is None:
        text = "<unknown>" if dims is None else listed(dims)
        raise errors.InvalidArgumentError(None, None, f"Default value must be a vector, got shape {text}")
    return MutableHashTable(key_dtype, value_dtype, (dims[0],))


def _dense(key_dtype: DType, value_dtype: DType, value_shape: TensorShape) -> DenseHashTable:
    return DenseHashTable(key_dtype, value_dtype, tuple(int(size or 0) for size in value_shape.as_list()))


for _name, _made, _attrs in (
    ("HashTable", _hash_table, {}),
    ("MutableHashTable", _mutable, {}),
    ("MutableHashTableOfTensors", _of_tensors, _VALUE),
):
    _maker(_name, "-> table_handle: Ref(string)", _made, **_attrs)
    _maker(_name + "V2", "-> table_handle: resource", _made, **_attrs)
    _maker("Anonymous" + _name, "-> table_handle: resource", _made, anonymous=True, **_attrs)

DENSE = _maker("MutableDenseHashTable", "empty_key: key_dtype -> table_handle: Ref(string)", _dense, **_VALUE, **_DENSE)
DENSE_V2 = _maker(
    "MutableDenseHashTableV2", "empty_key: key_dtype, deleted_key: key_dtype -> table_handle: resource", _dense,
    **_VALUE, **_DENSE,
)  # fmt: skip
DENSE_ANONYMOUS = _maker(
    "AnonymousMutableDenseHashTable", "empty_key: key_dtype, deleted_key: key_dtype -> table_handle: resource", _dense,
    anonymous=True, **_VALUE, **_DENSE,
)  # fmt: skip


@DENSE_V2.kernel
def dense_kernel(empty_key, deleted_key, initial_num_buckets, max_load_factor, state):
    state.configure(empty_key, deleted_key, initial_num_buckets, max_load_factor)
    return handle_to(state)


@DENSE.kernel
def dense_without_deletion_kernel(empty_key, initial_num_buckets, max_load_factor, state):
    """The old form names no key for deleted entries; one that nobody uses stands in."""
    unused = strings([b"\0deleted"] * empty_key.size, empty_key.shape) if empty_key.dtype == object else ~empty_key
    return dense_kernel(empty_key, unused, initial_num_buckets, max_load_factor, state)


@DENSE_ANONYMOUS.kernel
def dense_anonymous_kernel(
    empty_key, deleted_key, key_dtype, value_dtype, value_shape, initial_num_buckets, max_load_factor
):
    table = _dense(key_dtype, value_dtype, value_shape)
    return dense_kernel(empty_key, deleted_key, initial_num_buckets, max_load_factor, table)


@DENSE.shape
@DENSE_V2.shape
@DENSE_ANONYMOUS.shape
def _dense_shape(context: ShapeContext) -> shapes.Shape:
    for dims in context.inputs:
        if dims is not None and len(dims) > 1:
            raise ShapeError(f"Shape must be at most rank 1 but is rank {len(dims)}")
    return ()


# -- using tables ------------------------------------------------------------------------------------


def _user(
    name: str, rest: str, kernel: Any, rule: Any, old: str | None = None, recorded: bool = True, **attrs: Any
) -> None:
    """An op on a handle, in today's form and in the first release's, whose names may differ (`old`)."""
    forms = [(name + "V2", f"table_handle: resource{rest}")]
    if old != "":
        forms.append((name, f"table_handle: Ref(string){old or rest}"))
    for full_name, signature in forms:
        op_def = define_op(full_name, signature, **attrs, stateful=True, by_handle=True, source=("W47",))
        op_def.kernel(kernel)
        op_def.shape(rule)
        if recorded:
            op_def.no_gradient()
        else:
            op_def.no_gradient_registered()


def initialize_kernel(table_handle, keys, values, Tkey, Tval):
    table = state_of(table_handle)
    check_signature(table, resource, "{}, {}, {}->", key=Tkey, value=Tval)
    table.initialize(keys, values)
    return []


def find_kernel(table_handle, keys, default_value, Tin, Tout):
    table = state_of(table_handle)
    check_signature(table, resource, "{0}, {1}, {2}->{2}", key=Tin, value=Tout)
    return table.find(keys, default_value)


def insert_kernel(table_handle, keys, values, Tin, Tout):
    table = state_of(table_handle)
    check_signature(table, resource, "{}, {}, {}->", key=Tin, value=Tout)
    table.insert(keys, values)
    return []


def import_kernel(table_handle, keys, values, Tin, Tout):
    table = state_of(table_handle)
    check_signature(table, resource, "{}, {}, {}->", key=Tin, value=Tout)
    table.load(keys, values)
    return []


def remove_kernel(table_handle, keys, Tin):
    table = state_of(table_handle)
    check_signature(table, resource, "{}, {}->", key=Tin)
    table.remove(keys)
    return []


def size_kernel(table_handle):
    return np.array(state_of(table_handle).size(), np.int64)


def export_kernel(table_handle, Tkeys, Tvalues):
    table = state_of(table_handle)
    check_signature(table, resource, "{}->{}, {}", key=Tkeys, value=Tvalues)
    return list(table.export())


def _handle(context: ShapeContext) -> Any:
    """The table, or what is known of it, or None."""
    dims = context.inputs[0]
    if dims:
        raise ShapeError(f"Shape must be rank 0 but is rank {len(dims)}")
    value = context.value("table_handle")
    return None if value is None else state_of(value)


def _nothing(context: ShapeContext) -> list[shapes.Shape]:
    _handle(context)
    return []


def _initialize_shape(context: ShapeContext) -> list[shapes.Shape]:
    _handle(context)
    keys, values = context.inputs[1:]
    need_rank(keys, 1, "Shape must be rank 1 but is rank {1}")
    if not shapes.compatible(keys, values):
        if keys is not None and values is not None and len(values) == 1:
            raise ShapeError(
                f"Dimension 0 in both shapes must be equal, but are {keys[0]} and {values[0]}. "
                f"Shapes are {shapes.text(keys)} and {shapes.text(values)}."
            )
        raise ShapeError(f"Shapes must be equal rank, but are 1 and {len(values or ())}")
    return []


def _import_shape(context: ShapeContext) -> list[shapes.Shape]:
    _handle(context)
    keys, values = context.inputs[1:]
    if keys and values:
        need_equal(keys[0], values[0], "Dimensions must be equal, but are {0} and {1}")
    return []


def _find_shape(context: ShapeContext) -> shapes.Shape:
    table, keys = _handle(context), context.inputs[1]
    if table is None or keys is None or table.value_shape is None or table.key_shape is None:
        return None
    rest = len(keys) - len(table.key_shape)
    return None if rest < 0 else (*keys[:rest], *table.value_shape)


def _export_shape(context: ShapeContext) -> list[shapes.Shape]:
    _handle(context)
    return [None, None]


def _size_shape(context: ShapeContext) -> shapes.Shape:
    _handle(context)
    return ()


_user("InitializeTable", ", keys: Tkey, values: Tval ->", initialize_kernel, _initialize_shape, Tkey=TYPE, Tval=TYPE)
_user("LookupTableFind", ", keys: Tin, default_value: Tout -> values: Tout", find_kernel, _find_shape,
      ", input_values: Tin, default_value: Tout -> output_values: Tout", Tin=TYPE, Tout=TYPE)  # fmt: skip
_user("LookupTableInsert", ", keys: Tin, values: Tout ->", insert_kernel, _nothing, Tin=TYPE, Tout=TYPE)
_user("LookupTableRemove", ", keys: Tin ->", remove_kernel, _nothing, "", recorded=False, Tin=TYPE)
_user("LookupTableSize", " -> size: int64", size_kernel, _size_shape)
_user("LookupTableExport", " -> keys: Tkeys, values: Tvalues", export_kernel, _export_shape, recorded=False,
      Tkeys=TYPE, Tvalues=TYPE)  # fmt: skip
_user("LookupTableImport", ", keys: Tin, values: Tout ->", import_kernel, _import_shape, recorded=False, Tin=TYPE,
      Tout=TYPE)  # fmt: skip

# -- from a text file --------------------------------------------------------------------------------

_LINE_NUMBER, _WHOLE_LINE = -1, -2


def from_file_kernel(table_handle, filename, key_index, value_index, vocab_size, delimiter, offset):
    """A line is an entry: its number (from `offset` on), all of it, or one of its columns, as key and as value."""
    table = state_of(table_handle)
    path = filename.item().decode()
    if not path:
        raise ValueError("filename cannot be empty.")
    if len(delimiter.encode()) != 1:
        raise ValueError("delimiter should be only 1 char")
    for what, index, dtype in (("Key", key_index, table.key_dtype), ("Value", value_index, table.value_dtype)):
        if index == _LINE_NUMBER and dtype is not int64:
            word = what.lower()
            raise ValueError(f"{what} index for line number requires table {word} dtype of int64, got {dtype.name}")
    lines = _lines(path, vocab_size)
    columns: list[list[Any]] = [
        list(range(offset, offset + len(lines)))
        if index == _LINE_NUMBER
        else [_field(line, i, index, dtype, delimiter.encode(), path) for i, line in enumerate(lines)]
        for index, dtype in ((key_index, table.key_dtype), (value_index, table.value_dtype))
    ]
    keys, values = (
        strings(column, (len(column),)) if dtype is string else np.array(column, dtype.as_numpy_dtype)
        for column, dtype in zip(columns, (table.key_dtype, table.value_dtype), strict=True)
    )
    table.initialize(keys, values)
    return []


def _lines(path: str, limit: int) -> list[bytes]:
    try:
        with open(path, "rb") as file:
            lines, place = [], 0
            for line in islice(file, limit if limit >= 0 else None):
                place += len(line)
                lines.append(line.rstrip(b"\n").rstrip(b"\r"))
                if not lines[-1]:
                    raise ValueError(f"Invalid content in {path}: empty line found at position {place}.")
    except FileNotFoundError:
        raise errors.NotFoundError(None, None, f"{path}; No such file or directory") from None
    if limit > len(lines):
        raise ValueError(f"Invalid vocab_size in {path}: expected {limit} but got {len(lines)}")
    if not lines:
        raise errors.OutOfRangeError(None, None, "Read less bytes than requested")
    return lines


def _field(line: bytes, i: int, index: int, dtype: DType, delimiter: bytes, path: str) -> Any:
    if index != _WHOLE_LINE:
        columns = line.split(delimiter)
        if len(columns) <= index:
            raise ValueError(
                f"Invalid number of columns in {path} line {i} ({line.decode('utf-8', 'backslashreplace')}) : expected "
                f"at least {index + 1} got {len(columns)}"
            )
        line = columns[index]
    if dtype is string:
        return line
    value = number(line, dtype)
    if value is None:
        raise ValueError(f"Field {line.decode('utf-8', 'backslashreplace')} in line {i} is not a valid {dtype.c_name}.")
    return value


def _from_file_shape(context: ShapeContext) -> list[shapes.Shape]:
    _handle(context)
    if context.inputs[1]:
        raise ShapeError(f"Shape must be rank 0 but is rank {len(context.inputs[1])}")
    return []


_user("InitializeTableFromTextFile", ", filename: string ->", from_file_kernel, _from_file_shape,
      key_index=Attr("int", minimum=-2), value_index=Attr("int", minimum=-2),
      vocab_size=Attr("int", default=-1, minimum=-1), delimiter="\t", offset=0)  # fmt: skip
