"""A graph as TensorFlow's GraphDef message, written without any other library [W34].

    GraphDef     1 node, 2 library, 4 versions     NodeDef      1 name, 2 op, 3 input, 4 device, 5 attr by name
    AttrValue    1 list, 2 string, 3 int, 4 float, 5 bool, 6 type, 7 shape, 8 tensor, 9 placeholder, 10 function
    library      1 function, 2 gradient            FunctionDef  1 signature, 3 node, 4 ret, 5 attr, 6 control_ret
    signature    1 name, 2 inputs, 3 outputs, 17 is_stateful    an argument: 1 name, 3 type, 4 type_attr, 5 number_attr

Next: files/events.py.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from refflow.core.dtypes import DType
from refflow.core.errors import NodeError
from refflow.core.graphdef import FunctionCall, FunctionDef, GraphDef, NodeDef, Placeholder
from refflow.core.shapes import TensorShape
from refflow.core.signature import Arg
from refflow.files.summaries import tensor_proto
from refflow.files.wire import FOUR, block, number, varint

_LIST, _STRING, _INT, _FLOAT, _BOOL, _TYPE, _SHAPE, _TENSOR, _PLACEHOLDER, _FUNC = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10


def graph_bytes(graph: GraphDef) -> bytes:
    """The message's bytes.

    >>> graph_bytes(GraphDef([NodeDef("a", "NoOp")], producer=7))
    b'\\n\\t\\n\\x01a\\x12\\x04NoOp"\\x02\\x08\\x07'
    """
    nodes = b"".join(block(1, _node(node), keep_empty=True) for node in graph.node)
    functions = b"".join(block(1, _function(function)) for function in graph.library)
    slopes = b"".join(block(2, _texts(name, slope)) for name, slope in sorted(graph.gradients.items()))
    return nodes + block(2, functions + slopes) + block(4, number(1, graph.producer))


def _texts(key: str, value: str) -> bytes:
    return block(1, key.encode()) + block(2, value.encode())


def _function(function: FunctionDef) -> bytes:
    signature = [block(1, function.name.encode())]
    signature += [block(2, _argument(arg)) for arg in function.inputs]
    signature += [block(3, _argument(arg)) for arg in function.outputs]
    signature.append(number(17, int(function.is_stateful)))
    parts = [block(1, b"".join(signature))]
    parts += [block(3, _node(node), keep_empty=True) for node in function.node]
    parts += [block(4, _texts(*pair)) for pair in sorted(function.ret.items())]
    parts += [block(5, _entry(key, value)) for key, value in sorted(function.attr.items())]
    parts += [block(6, _texts(*pair)) for pair in sorted(function.control_ret.items())]
    return b"".join(parts)


def _argument(arg: Arg) -> bytes:
    kind = block(4, arg.type.encode()) if arg.fixed is None else number(3, int(arg.fixed))
    return block(1, arg.name.encode()) + kind + block(5, (arg.number or "").encode()) + number(16, int(arg.is_ref))


def _node(node: NodeDef) -> bytes:
    parts = [block(1, node.name.encode()), block(2, node.op.encode())]
    parts += [block(3, text.encode(), keep_empty=True) for text in node.input]
    parts.append(block(4, node.device.encode()))
    parts += [block(5, _entry(key, value)) for key, value in sorted(node.attr.items())]
    return b"".join(parts)


def _entry(key: str, value: Any) -> bytes:
    return block(1, key.encode()) + block(2, attr_value(value), keep_empty=True)


def attr_value(value: Any) -> bytes:
    """An AttrValue: the Python value's type says which of its fields."""
    if isinstance(value, (list, tuple)):
        # A list's fields have the numbers of single values; small numbers lie packed in one block.
        packed = b"".join(_one(v)[1] for v in value)
        if value and isinstance(value[0], (bool, int, float, DType)):
            packed = block(_one(value[0])[0], packed)
        else:
            packed = b"".join(block(*_one(v), keep_empty=True) for v in value)
        return block(_LIST, packed, keep_empty=True)
    field, data = _one(value)
    if field in (_INT, _BOOL, _TYPE):
        return varint(field << 3) + data
    if field == _FLOAT:
        return varint(field << 3 | FOUR) + data
    return block(field, data, keep_empty=True)


def _one(value: Any) -> tuple[int, bytes]:
    """An attribute's field, and what stands in it."""
    if isinstance(value, bool):
        return _BOOL, varint(value)
    if isinstance(value, int):
        return _INT, varint(value)
    if isinstance(value, float):
        return _FLOAT, struct.pack("<f", value)
    if isinstance(value, (str, bytes)):
        return _STRING, value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    if isinstance(value, DType):
        return _TYPE, varint(int(value))
    if isinstance(value, TensorShape):
        return _SHAPE, shape_bytes(value)
    if isinstance(value, np.ndarray):
        return _TENSOR, tensor_proto(value)
    if isinstance(value, Placeholder):
        return _PLACEHOLDER, value.name.encode()
    if isinstance(value, FunctionCall):
        attrs = (block(2, _entry(key, v)) for key, v in sorted(value.attr.items()))
        return _FUNC, block(1, value.name.encode()) + b"".join(attrs)
    raise NodeError(f"an attribute cannot hold {value!r}")


def shape_bytes(shape: TensorShape) -> bytes:
    """Sizes, -1 where one is unknown; a flag where even their number is."""
    if shape.ndims is None:
        return number(3, 1)
    sizes = (-1 if size is None else size for size in shape.as_list())
    return b"".join(block(2, number(1, size), keep_empty=True) for size in sizes)
