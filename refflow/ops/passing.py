"""Ops that pass a tensor on, each with something to say about it; a tensor's fingerprint; a constant in a file.

    IdentityN                 several tensors again
    GuaranteeConst            the user vouches that the value never changes
    Snapshot, DeepCopy        a copy of one's own
    Copy, CopyHost            the same, for who looks on
    EnsureShape               the tensor again, whose shape must fit
    PreventGradient           the tensor again; whoever asks for its gradient is told why there is none
    DebugIdentity             the tensor again, seen by a debugger
    DebugGradientIdentity     the same, seen by a debugger of gradients; DebugGradientRefIdentity    of a reference
    Fingerprint               8 bytes for each row: FarmHash Fingerprint64 of its bytes; of several strings, of theirs
    ImmutableConst            the elements as they lie in a file, byte for byte

Next: ops/placeholders.py.
"""

from __future__ import annotations

from math import prod

import numpy as np

from refflow.core import errors, shapes
from refflow.core.bfloat16 import rounded
from refflow.core.dtypes import bfloat16
from refflow.core.errors import FIRST_INPUT, ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.shapes import TensorShape
from refflow.core.signature import Attr
from refflow.ops.array import ANY
from refflow.ops.string_hash import fingerprint64

_PASS = "input: T[...S] -> output: T[...S]"
_LIST = Attr("list(string)", default=[])
IDENTITY_N = define_op("IdentityN", "input: T -> output: T", T=Attr("list(type)", minimum=1), source=("W80",))
GUARANTEE_CONST = define_op("GuaranteeConst", _PASS, T=ANY, stateful=True, source=("W80",))
SNAPSHOT = define_op("Snapshot", _PASS, T=ANY, source=("W80",))
DEEP_COPY = define_op("DeepCopy", "x: T[...S] -> y: T[...S]", T=ANY, stateful=True, source=("W80",))
DEEP_COPY.moves("x")
COPY = define_op("Copy", _PASS, T=ANY, tensor_name="", debug_ops_spec=_LIST, source=("W80",))
COPY_HOST = define_op("CopyHost", _PASS, T=ANY, tensor_name="", debug_ops_spec=_LIST, source=("W80",))
DEBUG_IDENTITY = define_op("DebugIdentity", _PASS, T=ANY, device_name="", tensor_name="", debug_urls=_LIST,
                           gated_grpc=False, source=("W80",))  # fmt: skip
ENSURE_SHAPE = define_op("EnsureShape", "input: T -> output: T", shape=Attr("shape"), T=ANY, source=("W06",))
ENSURE_SHAPE.moves("input")
PREVENT_GRADIENT = define_op("PreventGradient", _PASS, T=ANY, message="", view=True, source=("W30",))
DEBUG_GRADIENT_IDENTITY = define_op("DebugGradientIdentity", _PASS, T=ANY, view=True, source=("W80",))
DEBUG_REF_IDENTITY = define_op("DebugGradientRefIdentity", "input: Ref(T)[...S] -> output: Ref(T)[...S]", T=ANY,
                               by_handle=True, allows_uninitialized=True, source=("W80",))  # fmt: skip
FINGERPRINT = define_op("Fingerprint", "data: T, method: string[] -> fingerprint: uint8", T=ANY, source=("W06",))
IMMUTABLE_CONST = define_op("ImmutableConst", "-> tensor: dtype", dtype=ANY, shape=Attr("shape"),
                            memory_region_name=Attr("string"), source=("S12",))  # fmt: skip


@IDENTITY_N.kernel
def identity_n_kernel(input):
    return list(input)


@IDENTITY_N.shape
def _identity_n_shape(context: ShapeContext) -> list[shapes.Shape]:
    return list(context.inputs)


@IDENTITY_N.gradient
def _identity_n_gradient(op, *dys):
    """Each gradient passes."""
    return list(dys)


def _copy_kernel(input):
    return np.array(input, copy=True)


@DEEP_COPY.kernel
def deep_copy_kernel(x):
    return np.array(x, copy=True)


DEEP_COPY.no_gradient_registered()
SNAPSHOT.kernel(_copy_kernel)


for _op in (GUARANTEE_CONST, COPY, COPY_HOST, DEBUG_IDENTITY):
    _op.kernel(_copy_kernel)
    _op.no_gradient_registered()
    _named = {"tensor_name": "x:0"} if "tensor_name" in _op.attrs else {}
    _op.case("W80", "the value again", input=[1, 2], output=[1, 2], **_named)


def _same_kernel(input):
    return input


for _op in (DEBUG_GRADIENT_IDENTITY, DEBUG_REF_IDENTITY, PREVENT_GRADIENT):
    _op.kernel(_same_kernel)


@ENSURE_SHAPE.kernel
def ensure_shape_kernel(input, shape):
    if not shapes.compatible(shape.as_tuple, input.shape):
        raise ValueError(
            f"Shape of tensor {FIRST_INPUT} {shapes.text(input.shape)} is not compatible with expected shape "
            f"{shapes.text(shape.as_tuple)}."
        )
    return input


@ENSURE_SHAPE.shape
def _ensure_shape_shape(context: ShapeContext) -> shapes.Shape:
    dims, wanted = context.dims("input"), context.attrs["shape"].as_tuple
    if shapes.compatible(dims, wanted):
        return shapes.merge(dims, wanted)
    if context.building:
        raise ShapeError(f"Shape {shapes.text(dims)} is not compatible with expected shape {shapes.text(wanted)}")
    return wanted


@ENSURE_SHAPE.gradient
@SNAPSHOT.gradient
@DEBUG_GRADIENT_IDENTITY.gradient
@DEBUG_REF_IDENTITY.gradient
def _passed(op, dy):
    """dx = dy."""
    return dy


@PREVENT_GRADIENT.gradient
def _prevent_gradient_gradient(op, dy):
    """Whoever asks is told why there is none."""
    raise LookupError(f"Gradient explicitly disabled. Reason: {op.attrs['message']!r}")


@FINGERPRINT.kernel
def fingerprint_kernel(data, method, T):
    data = rounded(data) if T is bfloat16 else data  # its own bytes, not those of a float32
    name = method.item() if isinstance(method, np.ndarray) else method
    if name != b"farmhash64":
        raise ValueError(f"Unsupported fingerprint method: {name.decode(errors='replace')}")
    if data.dtype == object:
        each = [fingerprint64(text) for text in data.reshape(-1)]
        size = prod(data.shape[1:])
        if size != 1:  # a row's fingerprint is that of its strings' fingerprints, but of one string its own
            words = np.array(each, np.uint64).astype("<u8").reshape(len(data), size)
            each = [fingerprint64(row.tobytes()) for row in words]
    else:
        each = [fingerprint64(np.ascontiguousarray(row).tobytes()) for row in data]
    return np.array(each, np.uint64).astype("<u8").view(np.uint8).reshape(len(data), 8)


@FINGERPRINT.shape
def _fingerprint_shape(context: ShapeContext) -> shapes.Shape:
    dims = context.dims("data")
    if dims == ():
        raise ShapeError("`data` should have at least one dimension: []")
    context.match("method")
    return (None if dims is None else dims[0], 8)


@IMMUTABLE_CONST.kernel
def immutable_const_kernel(dtype, shape, memory_region_name):
    try:
        with open(memory_region_name, "rb") as file:
            data = file.read()
    except OSError as error:
        raise errors.NotFoundError(None, None, f"{memory_region_name}; {error.strerror}") from None
    dims = shape.as_tuple
    count = prod(dims)
    kind = np.dtype(dtype.as_numpy_dtype)
    if kind.hasobject:
        raise errors.UnimplementedError(None, None, "Sorry, strings cannot lie in a file byte for byte")
    if len(data) < count * kind.itemsize:
        raise ValueError(f"{memory_region_name} has {len(data)} bytes, {count} elements take {count * kind.itemsize}")
    return np.frombuffer(data, kind, count).reshape(dims)


@IMMUTABLE_CONST.shape
def _immutable_const_shape(context: ShapeContext) -> shapes.Shape:
    return context.attrs["shape"].as_tuple


FINGERPRINT.no_gradient_registered()
FINGERPRINT.case("W06", "one string has its own, however many axes it has", data=np.array([[[b"ab"]]], object),
                 method=b"farmhash64", fingerprint=[[30, 165, 173, 66, 82, 110, 141, 170]])  # fmt: skip
IMMUTABLE_CONST.no_gradient_registered()
IDENTITY_N.case("W80", "the values again", input=[np.array([1.0], np.float32)], T=["float32"],
                output=[np.array([1.0], np.float32)])  # fmt: skip
SNAPSHOT.case("W80", "the value again", input=[1], output=[1])
DEEP_COPY.case("W80", "the value again", x=[1], y=[1])
ENSURE_SHAPE.case("W06", "the value again", input=[1.0, 2.0], shape=TensorShape([None]), T="float32", output=[1.0, 2.0])
ENSURE_SHAPE.case("W06", "a shape that fits", input=[1.0, 2.0], shape=TensorShape([3]), T="float32",
                  error="is not compatible with expected shape")  # fmt: skip
PREVENT_GRADIENT.case("W30", "the value again", input=np.array([1]), output=np.array([1]))
DEBUG_GRADIENT_IDENTITY.case("W80", "the value again", input=[1], output=[1])
FINGERPRINT.case("W06", "a row of text", data=np.array([b"a"], object), method=np.array(b"farmhash64", object),
                 fingerprint=[[227, 117, 223, 182, 101, 66, 69, 179]])  # fmt: skip
FINGERPRINT.case("W06", "texts of a row", data=np.array([[b"a", b"b"]], object), method=np.array(b"farmhash64", object),
                 fingerprint=[[122, 64, 59, 169, 136, 60, 55, 83]])  # fmt: skip
FINGERPRINT.case("W06", "one method is known", data=np.array([1], np.int32), method=np.array(b"md5", object),
                 error="Unsupported fingerprint method: md5")  # fmt: skip
FINGERPRINT.case("W06", "rows", data=np.array(1, np.int32), method=np.array(b"farmhash64", object),
                 error="`data` should have at least one dimension")  # fmt: skip
IMMUTABLE_CONST.case("S12", "a file must be there", dtype="float32", shape=[1], memory_region_name="no/such/file",
                     error="no/such/file")  # fmt: skip
