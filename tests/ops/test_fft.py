"""Fourier transforms are linear: their gradients are their adjoints, Re <dy, A x> = Re <dx, x>."""

import numpy as np
import pytest

import refflow as tf
from refflow.core.registry import op_def

RANKS = {"": 1, "2D": 2, "3D": 3}
COMPLEX = {f"{batch}{inverse}FFT{text}": rank
           for batch in ("", "Batch") for inverse in ("", "I") for text, rank in RANKS.items()}  # fmt: skip
REAL = {f"{inverse}RFFT{text}": rank for inverse in ("", "I") for text, rank in RANKS.items() if rank < 3}
TRANSFORMS = COMPLEX | REAL


def numbers(rng, shape, dtype):
    real = rng.normal(size=shape)
    return real.astype(dtype) if np.dtype(dtype).kind == "f" else (real + 1j * rng.normal(size=shape)).astype(dtype)


def assert_adjoint(transform, x, rng):
    with tf.Graph().as_default(), tf.Session() as session:
        hole = tf.placeholder(tf.as_dtype(x.dtype))
        y = transform(hole)
        image = session.run(y, {hole: x})
        dy = numbers(rng, image.shape, image.dtype)
        (dx,) = tf.gradients(y, hole, grad_ys=tf.constant(dy))
        slope = session.run(dx, {hole: x})
    assert slope.shape == x.shape and slope.dtype == x.dtype
    double = x.dtype in (np.float64, np.complex128)
    np.testing.assert_allclose(
        np.vdot(dy, image).real, np.vdot(slope, x).real, rtol=1e-9 if double else 1e-3, atol=1e-9 if double else 1e-3
    )


@pytest.mark.parametrize("name", COMPLEX)
def test_a_complex_transform_goes_back_by_its_adjoint(name, rng):
    dtype = np.complex64 if name.startswith("Batch") else np.complex128
    assert_adjoint(op_def(name), numbers(rng, (2, 3, 4, 5), dtype), rng)


@pytest.mark.parametrize("last", [1, 2, 5, 6])
@pytest.mark.parametrize("more", [0, 1], ids=["whole", "cropped"])
@pytest.mark.parametrize("name", REAL)
def test_a_real_transform_goes_back_by_its_adjoint(name, last, more, rng):
    """The last axis odd and even, the input just long enough and longer."""
    lengths = [3, last][-REAL[name] :]
    if name.startswith("I"):
        x = numbers(rng, (2, 3 + more, last // 2 + 1 + more), np.complex128)
        assert_adjoint(lambda t: op_def(name)(t, lengths, Treal=tf.float64), x, rng)
    else:
        x = numbers(rng, (2, 3 + more, last + more), np.float64)
        assert_adjoint(lambda t: op_def(name)(t, lengths, Tcomplex=tf.complex128), x, rng)
