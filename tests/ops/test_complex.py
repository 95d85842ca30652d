"""Complex numbers: gradients by TensorFlow's convention, dz = d/dRe + i d/dIm of a real function."""

import numpy as np
import pytest

import refflow as tf
from refflow.core.opdef import op_def

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
