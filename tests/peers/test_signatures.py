"""Op types as TensorFlow registers them: arguments, attributes, defaults, and the types that it has kernels for."""

import os

import pytest

import refflow as tf
from refflow.core.registry import registered_ops
from refflow.core.signature import REQUIRED

pytestmark = pytest.mark.peers
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

NAMES = [op.name for op in registered_ops()]


@pytest.fixture(scope="module")
def tensorflow():
    return pytest.importorskip("tensorflow", reason="the oracle is TensorFlow: pip install '.[peers]'")


def theirs(tensorflow, name):
    from tensorflow.python.framework import op_def_registry

    found = op_def_registry.get(name)
    if found is None:
        pytest.skip(f"TensorFlow has no {name}")
    return found


def kernel_types(name, attr):
    """The types of `attr` that some kernel for the CPU takes."""
    from tensorflow.python.framework import kernels

    found = set()
    for kernel in kernels.get_registered_kernels_for_op(name).kernel:
        if kernel.device_type == "CPU":
            for constraint in kernel.constraint:
                if constraint.name == attr:
                    found |= set(constraint.allowed_values.list.type)
    return found


def named(number):
    try:
        return tf.as_dtype(number).name
    except TypeError:
        return None  # an 8-bit float, a 4-bit integer


@pytest.mark.parametrize("name", NAMES)
def test_an_op_type_is_the_one_that_tensorflow_registers(tensorflow, name):
    ours, registered = tf.core.registry.op_def(name), theirs(tensorflow, name)
    attrs = {a.name: a for a in registered.attr}
    assert len(ours.inputs) == len(registered.input_arg)
    assert [a.name for a in ours.outputs] == [a.name for a in registered.output_arg] or len(ours.outputs) == 1
    assert attrs.keys() - ours.attrs.keys() <= {"use_cudnn_on_gpu", "cudnn_frontend"}
    for key, attr in ours.attrs.items():
        if key not in attrs:
            assert attr.default is not REQUIRED, f"{key} is ours alone"
            continue
        assert attr.kind == attrs[key].type, key
        if attrs[key].HasField("default_value"):
            assert attr.default is not REQUIRED, f"{key} has a default there"
        if attr.kind == "type" and attr.allowed:
            taken = set(attrs[key].allowed_values.list.type) or kernel_types(name, key)
            lacking = {named(t) for t in taken & kernel_types(name, key)} - {t.name for t in attr.allowed} - {None}
            if name == "SerializeTensor":  # whose kernel can take those, and write none of them
                lacking -= {"resource", "variant"}
            assert not lacking, f"{name}: {key} lacks {sorted(lacking)}"
