"""One ONNX node as its translation sees it, and the walk over a model's nodes."""

import ml_dtypes
import numpy as np
import onnx
from onnx import helper

import refflow as tf
from refflow.core.registry import op_def

TRANSLATIONS = {}  # ONNX op -> function(Node) -> a tensor, or one for each output


def translates(*names):
    def register(function):
        TRANSLATIONS.update(dict.fromkeys(names, function))
        return function

    return register


class _Ops:
    """Every op type by its name: `op.MatMul(a, b)`."""

    def __getattr__(self, name):
        return op_def(name)


op = _Ops()


class Node:
    """Tensors by position (None where left out), attributes by name, and values that say how."""

    def __init__(self, proto, tensors, values, opset):
        self.type, self.inputs, self._values, self.opset = proto.op_type, tensors, values, opset
        self.attrs = {a.name: helper.get_attribute_value(a) for a in proto.attribute}
        self.outputs = list(proto.output)

    def __getitem__(self, i):
        return self.inputs[i] if i < len(self.inputs) else None

    def get(self, name, default=None):
        value = self.attrs.get(name, default)
        return value.decode() if isinstance(value, bytes) else value

    def value(self, i):
        """The array of an input that says how, or None where it is left out."""
        if i >= len(self.inputs) or self.inputs[i] is None:
            return None
        return self._values[self.inputs[i]]

    def setting(self, name, i, default=None):
        """What newer operator sets take as input `i`, older ones as an attribute."""
        value = self.value(i)
        return self.get(name, default) if value is None else value


def shape(x):
    return x.get_shape().as_list()


def const(value, like):
    """A constant of the type of `like`, a tensor or a type."""
    dtype = (like.dtype if isinstance(like, tf.Tensor) else tf.as_dtype(like)).base_dtype
    return op.Cast(tf.constant(value), DstT=dtype) if dtype is tf.bfloat16 else tf.constant(value, dtype)


def ints(values):
    return tf.constant(np.asarray(values, np.int64).tolist(), tf.int32, [np.size(values)] if np.ndim(values) else [])


def transpose(x, order):
    return op.Transpose(x, ints(order))


def reshape(x, dims):
    return op.Reshape(x, ints(dims))


def cast(x, dtype):
    dtype = tf.as_dtype(dtype)
    return x if x.dtype.base_dtype is dtype else op.Cast(x, DstT=dtype, Truncate=False)


TYPES = {1: tf.float32, 2: tf.uint8, 3: tf.int8, 4: tf.uint16, 5: tf.int16, 6: tf.int32, 7: tf.int64, 8: tf.string,
         9: tf.bool, 10: tf.float16, 11: tf.float64, 12: tf.uint32, 13: tf.uint64, 14: tf.complex64,
         15: tf.complex128, 16: tf.bfloat16}  # fmt: skip


class OutOfScope(Exception):
    """The node asks for what TensorFlow has no op type for."""


def arrays_of(values):
    """A data set's values as refflow takes them; OutOfScope for sequences, optionals and types that are not there."""
    found = []
    for value in values:
        if isinstance(value, onnx.TensorProto):
            if value.data_type not in TYPES:
                raise OutOfScope("element types of 8 bits and fewer that are no integers of TensorFlow's")
            value = onnx.numpy_helper.to_array(value)
        if not isinstance(value, (np.ndarray, np.generic)):
            raise OutOfScope("sequences, maps and optional values")
        value = np.asarray(value)
        if value.dtype.kind in "UT" or value.dtype == object:
            flat = [s if isinstance(s, bytes) else str(s).encode() for s in value.reshape(-1).tolist()]
            value = np.fromiter(flat, object, len(flat)).reshape(value.shape)
        found.append(value)
    return found


def run(model, values):
    """The model's outputs for the arrays of its inputs, one node after the other, each a graph of its own."""
    known = {i.name: value for i, value in zip(model.graph.input, values, strict=True)}
    known |= {i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer}
    opsets = {o.domain: o.version for o in model.opset_import}
    for proto in model.graph.node:
        if proto.op_type not in TRANSLATIONS:
            raise OutOfScope(f"no op types make up {proto.op_type}")
        made = run_node(proto, [known[name] if name else None for name in proto.input], opsets.get(proto.domain, 1))
        known.update(zip(proto.output, made, strict=False))
    return [known[o.name] for o in model.graph.output]


def run_node(proto, values, opset):
    with tf.Graph().as_default():
        holes = [None if v is None else tf.placeholder(_element_type(v), v.shape) for v in values]
        feeds = {hole: value for hole, value in zip(holes, values, strict=True) if hole is not None}
        made = TRANSLATIONS[proto.op_type](Node(proto, holes, feeds, opset))
        made = list(made) if isinstance(made, (tuple, list)) else [made]
        made = [op.Identity(t) if t in feeds else t for t in made[: len(proto.output)]]
        with tf.Session() as session:
            feeds = {hole: _fed(value) for hole, value in feeds.items()}
            return [_seen(value) for value in session.run(made, feeds)]


def _element_type(array):
    return tf.bfloat16 if array.dtype.name == "bfloat16" else tf.as_dtype(array.dtype)


def _fed(array):
    return array.view(tf.bfloat16.as_numpy_dtype) if array.dtype.name == "bfloat16" else array


def _seen(value):
    array = np.asarray(value, object if isinstance(value, bytes) else None)
    return array.view(ml_dtypes.bfloat16) if array.dtype == tf.bfloat16.as_numpy_dtype else array
