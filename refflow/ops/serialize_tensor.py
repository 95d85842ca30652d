"""A tensor in a string, and out of it again.

    SerializeTensor    any tensor as the bytes of a TensorProto, a scalar
    ParseTensor        the tensor again; its type must be the one that is asked for

Next: ops/tensor_proto.py.
"""

from __future__ import annotations

import base64

import numpy as np

from refflow.core import shapes
from refflow.core.bfloat16 import rounded
from refflow.core.dtypes import ALL, bfloat16
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.files import summaries
from refflow.files.wire import fields
from refflow.ops.strings import strings
from refflow.ops.tensor_proto import from_bytes

_PLAIN = tuple(t for t in ALL if t.kind not in "r")
SERIALIZE = define_op("SerializeTensor", "tensor: T -> serialized: string[]", T=_PLAIN, source=("W16",))
PARSE = define_op("ParseTensor", "serialized: string -> output: out_type", out_type=Attr("type"), source=("W16",))
SERIALIZE.no_gradient_registered()
PARSE.no_gradient_registered()


@SERIALIZE.kernel
def serialize_kernel(tensor, T):
    """A bfloat16 comes here as float32, as kernels compute in it."""
    return strings([summaries.tensor_proto(rounded(tensor) if T is bfloat16 else tensor)], ())


@PARSE.kernel
def parse_kernel(serialized, out_type):
    data = serialized.item()
    try:
        list(fields(data))
    except ValueError:
        text = base64.b64encode(data).decode()
        raise ValueError(f"Could not parse `serialized` as TensorProto, base64: {text}") from None
    try:
        found, dtype = from_bytes(data)
    except (ValueError, TypeError, IndexError, KeyError) as error:
        raise ValueError(f"Cannot parse tensor from proto: {error}") from None
    if dtype is not out_type:
        raise ValueError(f"Type mismatch between parsed tensor ({dtype.c_name}) and dtype ({out_type.c_name})")
    return found


@PARSE.shape
def _parse_shape(context: ShapeContext) -> shapes.Shape:
    dims = context.dims("serialized")
    if dims:
        raise ShapeError(f"Expected `serialized` to be a scalar, got shape: {shapes.text(dims)}")
    return None


_ONE = np.array(b"\x08\x01\x12\x04\x12\x02\x08\x01\x22\x04\x00\x00\x80\x3f", object)
SERIALIZE.case("W16", "type, shape, bytes", tensor=[1.0], serialized=_ONE)
PARSE.case("W16", "the tensor again", serialized=_ONE, out_type="float32", output=[1.0])
PARSE.case("W16", "of another type", serialized=_ONE, out_type="int32",
           error="Type mismatch between parsed tensor (float) and dtype (int32)")  # fmt: skip
PARSE.case("W16", "no tensor", serialized=np.array(b"xx", object), out_type="int32",
           error="Cannot parse tensor from proto")  # fmt: skip
