"""refflow.compat.v1.linalg: norms, functions, factors and solutions of matrices against NumPy's, or by hand."""

import numpy as np
import pytest

import refflow.compat.v1 as tf

R = np.random.default_rng(3)
X = R.normal(size=(3, 4))
A = X[:, :3] @ X[:, :3].T + np.eye(3)
TRI = np.array([[1, 2, 0], [4, 5, 7], [0, 8, 9]], float)  # above, on, below the diagonal
DENSE = np.array([[4, 1, 0], [8, 5, 2], [0, 9, 7]], float)


def run(fetches, feeds=None):
    with tf.Session() as session:
        return session.run(fetches, feeds)


def exponential(a):
    values, vectors = np.linalg.eigh(a)
    return (vectors * np.exp(values)) @ vectors.T


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda: tf.norm(X, 1, axis=(0, 1)), np.linalg.norm(X, 1)),
        (lambda: tf.norm(X, 2, axis=(0, 1)), np.linalg.norm(X, 2)),
        (lambda: tf.norm(X, np.inf, axis=(1, 0)), np.linalg.norm(X.T, np.inf)),
        (lambda: tf.norm(X, 2, axis=(0, 1), keepdims=True), [[np.linalg.norm(X, 2)]]),
        (lambda: tf.norm(X, 3), (np.abs(X) ** 3).sum() ** (1 / 3)),
        (lambda: tf.linalg.normalize([3.0, 4.0])[0], [0.6, 0.8]),
        (lambda: tf.linalg.expm(A), exponential(A)),
        (lambda: tf.linalg.expm(np.stack([0 * A, 8 * A])), np.stack([np.eye(3), exponential(8 * A)])),
        (lambda: tf.linalg.logdet(A), np.linalg.slogdet(A)[1]),
        (lambda: tf.linalg.slogdet(-A).sign, -1),
        (lambda: tf.linalg.lu_solve(*tf.linalg.lu(DENSE), DENSE), np.eye(3)),
        (lambda: tf.linalg.lu_reconstruct(*tf.linalg.lu(DENSE)), DENSE),
        (lambda: tf.linalg.lu_matrix_inverse(*tf.linalg.lu(DENSE)), np.linalg.inv(DENSE)),
        (lambda: tf.linalg.matrix_rank(np.stack([A, 0 * A, np.ones([3, 3])])), [3, 0, 1]),
        (lambda: tf.linalg.pinv(X), np.linalg.pinv(X)),
        (lambda: tf.linalg.pinv(np.ones([2, 2])), np.full([2, 2], 0.25)),
        (lambda: (lambda x: tf.gradients(tf.linalg.pinv(x), x)[0])(tf.zeros([2, 2])), np.zeros([2, 2])),
        (lambda: tf.linalg.matvec(X, X[0]), X @ X[0]),
        (lambda: tf.linalg.tridiagonal_matmul(TRI, X), DENSE @ X),
        (lambda: tf.linalg.tridiagonal_matmul([[1.0, 2.0], [4.0, 5.0, 7.0], [8.0, 9.0]], np.eye(3, dtype="f4"),
                                              "sequence"), DENSE),
        (lambda: tf.linalg.tridiagonal_solve(TRI, DENSE @ X), X),
        (lambda: tf.linalg.tridiagonal_solve(DENSE, DENSE @ X[:, 0], "matrix"), X[:, 0]),
        (lambda: tf.linalg.eigh_tridiagonal([2.0, 2.0], [1.0]), [1, 3]),
        (lambda: tf.linalg.eigh_tridiagonal([2.0, 2.0], [1.0], select="v", select_range=(2.0, 5.0)), [3]),
        (lambda: tf.linalg.adjoint([[1.0 + 2j, 3j]]), [[1 - 2j], [-3j]]),
        (lambda: tf.eye(2, 3, batch_shape=[1]), [np.eye(2, 3)]),
        (lambda: tf.eye(tf.constant(2)), np.eye(2)),
    ],
)  # fmt: skip
def test_a_function_of_matrices_is_numpy_s(build, expected):
    np.testing.assert_allclose(run(build()), expected, rtol=1e-5, atol=1e-6)


def test_the_exponential_has_a_gradient():
    x = tf.constant([[0.0, 1.0], [0.0, 0.0]])
    (slope,) = tf.gradients(tf.linalg.expm(x)[0, 1], x)
    # exp is [[1, a], [0, 1]]; by [[d, a], [0, 0]] it is [[e^d, a (e^d - 1) / d], ...]: its slope in d is a / 2
    np.testing.assert_allclose(run(slope), [[0.5, 1], [1 / 6, 0.5]], rtol=1e-5)


@pytest.mark.parametrize("shape", [(2, 4), (3, 3), (4, 2)])
@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("factors", ["qr", "cholesky"])
def test_slopes_of_factors_are_those_of_small_steps(factors, parts, shape):
    """Of real (1 part) and complex (2 parts) matrices, wider and higher than square ones too; no weight is special."""
    draws = np.random.default_rng(3)

    def draw(dims):
        return sum(unit * draws.normal(size=dims) for unit in (1, 1j)[:parts])

    a, step = draw(shape), draw(shape)
    if factors == "cholesky":
        a, step = a @ np.conj(a).T + np.eye(shape[0]), step @ np.conj(draw(shape)).T
        step = step + np.conj(step).T

    def numpy_s(x):
        return np.linalg.qr(x) if factors == "qr" else [np.linalg.cholesky(x)]

    x = tf.constant(a)
    found = tf.linalg.qr(x) if factors == "qr" else [tf.cholesky(x)]
    weights = [draw(y.shape) for y in numpy_s(a)]
    (slope,) = tf.gradients(list(found), x, grad_ys=[tf.constant(w) for w in weights])
    ahead, behind = (
        sum(np.vdot(w, y).real for w, y in zip(weights, numpy_s(a + d * step), strict=True)) for d in (1e-6, -1e-6)
    )
    np.testing.assert_allclose(np.vdot(run(slope), step).real, (ahead - behind) / 2e-6, rtol=1e-6)


def test_singular_values_and_norms_of_complex_matrices():
    z = tf.constant([[3j, 0], [0, 4]], tf.complex128)
    values = tf.linalg.svd(z, compute_uv=False)
    assert values.dtype is tf.float64 and run([values, tf.norm(z, 2, [-2, -1])])[0].tolist() == [4, 3]
    assert tf.linalg.normalize(z)[1].dtype is tf.complex128
    assert run(tf.tensordot(tf.zeros([0, 2]), tf.zeros([0, 3]), [[0], [0]])).tolist() == [[0] * 3] * 2


@pytest.mark.parametrize(
    ("build", "error", "text"),
    [
        (lambda: tf.signal.rfft(tf.constant([1])), ValueError, "RFFT requires tf.float32 or tf.float64"),
        (lambda: tf.signal.irfft(tf.constant([1.0])), ValueError, "IRFFT requires tf.complex64 or tf.complex128"),
        (lambda: tf.norm(X, "nuc"), ValueError, "'ord' must be a supported vector norm"),
        (lambda: tf.norm(X, 3, axis=(0, 1)), ValueError, "'ord' must be a supported matrix norm"),
        (lambda: tf.norm(X, axis=(0, 0)), ValueError, "2 unique integers"),
        (lambda: tf.linalg.tridiagonal_solve(TRI, X, "strange"), ValueError, "Unrecognized diagonals_format"),
        (lambda: tf.linalg.eigh_tridiagonal([1.0], np.zeros(0), select="x"), ValueError, "select"),
        (lambda: tf.linalg.LinearOperatorNone, AttributeError, "has no attribute 'LinearOperatorNone'"),
    ],
)
def test_what_is_wrong_is_said_while_the_graph_is_built(build, error, text):
    with pytest.raises(error, match=text):
        build()
