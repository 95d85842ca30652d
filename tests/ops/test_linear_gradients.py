"""Gradients of linear algebra that the generic test cannot vary freely."""

import numpy as np
import pytest

import refflow as tf
from refflow.core.registry import op_def


def slope(build, value, rng):
    """(directional slope by the graph, by differences) along a random direction."""
    along = rng.normal(size=value.shape)
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float64, value.shape)
        y = build(x)
        weights = rng.normal(size=y.get_shape().as_list())
        (dx,) = tf.gradients(y, x, grad_ys=tf.constant(weights))

        def at(v):
            return (session.run(y, {x: v}) * weights).sum()

        found = (session.run(dx, {x: value}) * along).sum()
        return found, (at(value + 1e-6 * along) - at(value - 1e-6 * along)) / 2e-6


@pytest.mark.parametrize("name", ["Cholesky", "BatchCholesky"])
def test_a_triangular_factor_of_a_symmetric_matrix(name, rng):
    def build(x):
        both = op_def("BatchMatMul")(x, x, adj_y=True) + np.eye(3)
        return op_def(name)(both)

    found, wanted = slope(build, rng.normal(size=(2, 3, 3)), rng)
    assert found == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("adj_x", [False, True])
@pytest.mark.parametrize("adj_y", [False, True])
@pytest.mark.parametrize("name", ["BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"])
def test_products_of_batches(name, adj_x, adj_y, rng):
    other = rng.normal(size=(2, 5, 4) if adj_y else (2, 4, 5))
    types = {"Tout": tf.float64} if name.endswith("V3") else {}
    value = rng.normal(size=(2, 4, 3) if adj_x else (2, 3, 4))
    found, wanted = slope(
        lambda x: op_def(name)(x, tf.constant(other), adj_x=adj_x, adj_y=adj_y, **types), value, rng
    )
    assert found == pytest.approx(wanted, rel=1e-6)


def test_a_stretched_operand_gets_the_sum_over_the_batch(rng):
    other = rng.normal(size=(3, 2, 4, 5))
    found, wanted = slope(lambda x: op_def("BatchMatMulV2")(x, tf.constant(other)), rng.normal(size=(2, 3, 4)), rng)
    assert found == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("part", ["e", "v"])
def test_eigenvalues_and_vectors_of_a_symmetric_matrix(part, rng):
    def build(x):
        found = op_def("SelfAdjointEigV2")(op_def("BatchMatMul")(x, x, adj_y=True))
        # Signs of vectors are free: their squares are not.
        return found.e if part == "e" else found.v * found.v

    found, wanted = slope(build, rng.normal(size=(2, 3, 3)), rng)
    assert found == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("part", ["e", "v"])
def test_eigenvalues_and_vectors_of_any_matrix(part, rng):
    def build(x):
        found = op_def("Eig")(x + np.diag([1.0, 4.0, 9.0]), Tout=tf.complex128)
        # Signs of vectors are free, their lengths are 1.
        return tf.real(found.e if part == "e" else found.v * found.v)

    found, wanted = slope(build, rng.normal(size=(2, 3, 3)) / 4, rng)
    assert found == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("adjoint", [True, False])
def test_bands_of_a_triangular_matrix(lower, adjoint, rng):
    def build(x):
        return op_def("BandedTriangularSolve")(x + 3.0, tf.constant(other), lower=lower, adjoint=adjoint)

    other = rng.normal(size=(3, 4, 2))
    found, wanted = slope(build, rng.normal(size=(2, 1, 2, 4)) / 4, rng)
    assert found == pytest.approx(wanted, rel=1e-5)


def test_three_diagonals_of_a_batch(rng):
    other = rng.normal(size=(2, 4, 3))
    found, wanted = slope(lambda x: op_def("TridiagonalSolve")(x, tf.constant(other)), rng.normal(size=(2, 3, 4)), rng)
    assert found == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("shape", [(4, 3), (3, 4)])
def test_least_squares_of_a_batch(shape, rng):
    other = rng.normal(size=(2, shape[0], 2))
    found, wanted = slope(
        lambda x: op_def("MatrixSolveLs")(x, tf.constant(other), np.float64(0.3)), rng.normal(size=(2, *shape)), rng
    )
    assert found == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("shape", [(4, 3), (3, 3), (3, 4)])
@pytest.mark.parametrize("part", ["s", "u", "v", "alone"])
def test_singular_values_and_vectors(shape, part, rng):
    def build(x):
        if part == "alone":
            return op_def("Svd")(x, compute_uv=False).s
        found = getattr(op_def("Svd")(x), part)
        return found if part == "s" else found * found  # signs of vectors are free

    found, wanted = slope(build, rng.normal(size=(2, *shape)), rng)
    assert found == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("shape", [(4, 3), (3, 3)])
@pytest.mark.parametrize("part", ["q", "r"])
def test_orthogonal_and_triangular_factors(shape, part, rng):
    def build(x):
        found = getattr(op_def("Qr")(x), part)
        return found * found

    found, wanted = slope(build, rng.normal(size=(2, *shape)), rng)
    assert found == pytest.approx(wanted, rel=1e-4)
