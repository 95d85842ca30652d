"""Gradients of rounding: they pass as if nothing had been rounded, within the range."""

import numpy as np
import pytest

import refflow as tf
from refflow.core.registry import op_def

X = np.array([[-2.0, 0.3], [0.9, 5.0]], np.float32)
DY = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)


def slopes(op_type, *inputs, **attrs):
    placed = [tf.constant(v) for v in inputs]
    y = op_def(op_type)(*placed, **attrs)
    found = tf.gradients(y, placed, grad_ys=tf.constant(DY))
    with tf.Session() as session:
        return [None if g is None else session.run(g).tolist() for g in found]


def test_outside_the_range_of_attributes_nothing_passes():
    assert slopes("FakeQuantWithMinMaxArgs", X, min=-1.0, max=1.0) == [[[0, 2], [3, 0]]]


def test_what_lies_outside_moves_the_bounds():
    low, high = np.float32(-1), np.float32(1)
    assert slopes("FakeQuantWithMinMaxVars", X, low, high) == [[[0, 2], [3, 0]], 1, 4]


def test_each_channel_has_bounds_of_its_own():
    low, high = np.float32([-1, -1]), np.float32([0.5, 9])
    assert slopes("FakeQuantWithMinMaxVarsPerChannel", X, low, high) == [[[0, 2], [0, 4]], [1, 0], [3, 0]]


@pytest.mark.parametrize("version", ["", "V2", "V3"])
def test_rounding_is_passed_straight_through(version):
    bounds = () if not version else (np.float32(-1), np.float32(1))
    bits = (np.int32(8),) if version == "V3" else ()
    found = slopes(f"QuantizeAndDequantize{version}", X, *bounds, *bits)
    assert found[0] == DY.tolist() and not any(g for g in found[1:])


def test_the_latest_version_passes_within_the_range():
    found = slopes("QuantizeAndDequantizeV4", X, np.float32(-1), np.float32(1), range_given=True)
    assert found == [[[0, 2], [3, 0]], 0, 0]


def test_a_debugger_s_identity_passes_its_reference_on():
    v = tf.Variable([1.0, 2.0])
    seen = op_def("DebugGradientRefIdentity")(v.ref())
    (dv,) = tf.gradients(seen * 3.0, v)
    with tf.Session() as session:
        session.run(v.initializer)
        assert session.run([seen, dv])[0].tolist() == [1, 2] and session.run(dv).tolist() == [3, 3]
