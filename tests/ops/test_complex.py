"""Complex numbers: gradients by TensorFlow's convention, dz = d/dRe + i d/dIm of a real function."""

import numpy as np
import pytest

import refflow as tf
from refflow.core.registry import op_def
from refflow.ops.holomorphic import HOLOMORPHIC

FUNCTIONS = {
    "abs": lambda z: op_def("ComplexAbs")(z, Tout=tf.float64),
    "angle": lambda z: op_def("Angle")(z, Tout=tf.float64),
    "real of square": lambda z: op_def("Real")(z * z, Tout=tf.float64),
    "imag of product": lambda z: op_def("Imag")(z * op_def("Conj")(z * z), Tout=tf.float64),
    "parts": lambda z: op_def("Real")(z, Tout=tf.float64) * op_def("Imag")(z, Tout=tf.float64),
}


@pytest.mark.parametrize("name", ["abs", "angle", "parts"])
def test_slopes_along_both_axes(name, rng):
    value = rng.normal(size=5) + 1j * rng.normal(size=5)
    with tf.Graph().as_default(), tf.Session() as session:
        re, im = tf.placeholder(tf.float64, [5]), tf.placeholder(tf.float64, [5])
        z = op_def("Complex")(re, im, Tout=tf.complex128)
        y = FUNCTIONS[name](z)
        dre, dim = tf.gradients(y, [re, im])

        def at(number):
            return session.run(y, {re: number.real, im: number.imag})

        slopes = session.run([dre, dim], {re: value.real, im: value.imag})
        for slope, step in zip(slopes, (1e-6, 1e-6j), strict=True):
            np.testing.assert_allclose(slope, (at(value + step) - at(value - step)) / 2e-6, rtol=1e-6, atol=1e-8)


def test_the_absolute_value_has_no_slope_at_zero():
    with tf.Graph().as_default(), tf.Session() as session:
        z = tf.constant(np.zeros(1, np.complex128))
        (dz,) = tf.gradients(FUNCTIONS["abs"](z), z)
        assert session.run(dz).tolist() == [0]


def test_made_of_parts_that_stretch():
    with tf.Graph().as_default(), tf.Session() as session:
        re, im = tf.constant([1.0, 2.0]), tf.constant([[1.0], [3.0]])
        z = op_def("Complex")(re, im)
        assert session.run(z).tolist() == [[1 + 1j, 2 + 1j], [1 + 3j, 2 + 3j]]
        dre, dim = tf.gradients(op_def("Imag")(z), [re, im])
        assert session.run(dre).tolist() == [0, 0] and session.run(dim).tolist() == [[2], [2]]


POWERS = {
    "Pow": lambda z: op_def("Pow")(z, tf.constant([0.5 + 1j, 2, -1 + 0.3j])),
    "matrix product": lambda z: op_def("MatMul")(op_def("Reshape")(z, [3, 1]), op_def("Reshape")(z * z, [1, 3])),
    "quotient": lambda z: op_def("RealDiv")(z + 1j, z * z),
    "product along an axis": lambda z: op_def("Prod")(z, [0]),
    "running product": lambda z: op_def("Cumprod")(z, 0),
    "sum by names": lambda z: op_def("Einsum")([z, z * z], equation="i,j->ij"),
    "x log y": lambda z: op_def("Xlogy")(z * z, z),
}


@pytest.mark.parametrize("name", [n for n in HOLOMORPHIC if len(op_def(n).inputs) == 1] + list(POWERS))
def test_slopes_of_functions_of_complex_numbers(name, rng):
    """dz = dRe + i dIm of Re <w, f(z)>, along a random direction."""
    function = POWERS.get(name) or (lambda z: op_def(name)(z))
    value, way = (rng.uniform(0.2, 0.7, 3) + 1j * rng.uniform(0.2, 0.7, 3) for _ in range(2))
    with tf.Graph().as_default(), tf.Session() as session:
        z = tf.placeholder(tf.complex128, [3])
        y = function(z)
        w = rng.normal(size=session.run(y, {z: value}).shape) * (1 + 0.5j)
        (dz,) = tf.gradients(y, z, grad_ys=tf.constant(w))
        slope = np.vdot(session.run(dz, {z: value}), way).real
        ahead, behind = (np.vdot(w, session.run(y, {z: value + h * way})).real for h in (1e-6, -1e-6))
    assert slope == pytest.approx((ahead - behind) / 2e-6, rel=1e-6, abs=1e-8)
