"""tf.linalg's operators give what their matrices give: products, solutions, determinants, of batches too."""

import numpy as np
import pytest

import refflow.compat.v1 as tf

L = tf.linalg
R = np.random.RandomState(0)
A, U = R.randn(2, 3, 3), R.randn(3, 2)
S = A @ A.transpose(0, 2, 1) + np.eye(3)
D = np.array([1.0, 2.0, 3.0])
OPERATORS = {
    "matrix": (lambda: L.LinearOperatorFullMatrix(A), A),
    "positive matrix": (lambda: L.LinearOperatorFullMatrix(S, is_self_adjoint=True, is_positive_definite=True), S),
    "triangle": (lambda: L.LinearOperatorLowerTriangular(A), np.tril(A)),
    "diagonal": (lambda: L.LinearOperatorDiag(A[0]), np.stack([np.diag(row) for row in A[0]])),
    "complex diagonal": (lambda: L.LinearOperatorDiag(D + 1j), np.diag(D + 1j)),
    "identity": (lambda: L.LinearOperatorIdentity(3, dtype=tf.float64), np.eye(3)),
    "scaled identity": (lambda: L.LinearOperatorScaledIdentity(3, D[:2]), D[:2, None, None] * np.eye(3)),
    "reflection": (lambda: L.LinearOperatorHouseholder(D), np.eye(3) - 2 * np.outer(D, D) / (D @ D)),
    "update of low rank": (
        lambda: L.LinearOperatorLowRankUpdate(L.LinearOperatorDiag(D, is_positive_definite=True), U),
        np.diag(D) + U @ U.T,
    ),
    "update by another": (
        lambda: L.LinearOperatorLowRankUpdate(L.LinearOperatorFullMatrix(S), U, [2.0, -1.0], v=U[::-1]),
        S + U @ np.diag([2.0, -1.0]) @ U[::-1].T,
    ),
    "product": (lambda: L.LinearOperatorComposition([full(A), full(S)]), A @ S),
    "Kronecker's product": (
        lambda: L.LinearOperatorKronecker([full(A[0, :2, :2]), L.LinearOperatorLowerTriangular(A[1])]),
        np.kron(A[0, :2, :2], np.tril(A[1])),
    ),
    "blocks": (
        lambda: L.LinearOperatorBlockDiag([full(A[0, :2, :2]), L.LinearOperatorDiag(D)]),
        np.block([[A[0, :2, :2], np.zeros((2, 3))], [np.zeros((3, 2)), np.diag(D)]]),
    ),
    "adjoint": (lambda: full(A).adjoint(), A.transpose(0, 2, 1)),
    "inverse": (lambda: full(A, is_non_singular=True).inverse(), np.linalg.inv(A)),
}


def full(matrix, **hints):
    return L.LinearOperatorFullMatrix(matrix, **hints)


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as found:
        yield found


def run(fetches):
    with tf.Session() as session:
        return session.run(fetches)


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_gives_what_its_matrix_gives(name):
    make, matrix = OPERATORS[name]
    one = make()
    x = np.arange(2.0 * matrix.shape[-1]).reshape(-1, 2).astype(matrix.dtype)
    turned = np.conj(np.swapaxes(matrix, -1, -2))
    log = np.log(np.abs(np.linalg.det(matrix)))
    expected = {
        one.to_dense(): matrix,
        one.matmul(x): matrix @ x,
        one.matmul(x, adjoint=True): turned @ x,
        one.matmul(x.T, adjoint_arg=True): matrix @ x,
        one.matvec(x[:, 1]): matrix @ x[:, 1],
        one.solve(x): np.linalg.solve(matrix, x),
        one.solve(x, adjoint=True): np.linalg.solve(turned, x),
        one.solvevec(x[:, 1]): np.linalg.solve(matrix, x[:, 1:])[..., 0],
        one.determinant(): np.linalg.det(matrix),
        one.log_abs_determinant(): log,
        one.trace(): np.trace(matrix, axis1=-2, axis2=-1),
        one.add_to_tensor(np.ones_like(matrix)): matrix + 1,
        one.H.to_dense(): turned,
        one.inverse().to_dense(): np.linalg.inv(matrix),
        one.matmul(L.LinearOperatorDiag(x[:, 1])).to_dense(): matrix * x[:, 1],
        one.cond(): np.linalg.cond(matrix),
        one.shape_tensor(): matrix.shape,
    }
    assert one.shape.as_list() == list(matrix.shape) and one.tensor_rank == matrix.ndim and one.is_square
    for tensor, value in zip(expected, run(list(expected)), strict=True):
        np.testing.assert_allclose(value, expected[tensor], rtol=1e-8, atol=1e-8, err_msg=tensor.name)
        assert tensor.get_shape().is_compatible_with(np.shape(value)), tensor.name


def test_what_is_known_of_an_operator_gives_its_factor_and_its_eigenvalues():
    one = full(S, is_self_adjoint=True, is_positive_definite=True)
    factor, values = run([one.cholesky().to_dense(), one.eigvals()])
    np.testing.assert_allclose(factor, np.linalg.cholesky(S))
    np.testing.assert_allclose(values, np.linalg.eigvalsh(S))
    assert one.is_non_singular and one.adjoint() is one


def test_a_class_of_one_s_own_has_all_by_its_product():
    class Doubles(L.LinearOperator):
        def _shape(self):
            return tf.TensorShape([3, 3])

        def _matmul(self, x, adjoint=False, adjoint_arg=False):
            return 2.0 * (tf.linalg.adjoint(x) if adjoint_arg else x)

    one = Doubles(tf.float64, is_square=True)
    dense, solved, det = run([one.to_dense(), one.solve(np.eye(3)), one.determinant()])
    assert (dense == 2 * np.eye(3)).all() and np.allclose(solved, np.eye(3) / 2) and det == pytest.approx(8)


def test_a_sum_is_of_the_simplest_class_that_holds_it():
    diagonal, triangle = L.LinearOperatorDiag(D), L.LinearOperatorLowerTriangular(A[0])
    from refflow.compat.v1.linear_operators import add_operators

    for terms, kind in [([diagonal, L.LinearOperatorIdentity(3, dtype=tf.float64)], L.LinearOperatorDiag),
                        ([diagonal, triangle], L.LinearOperatorLowerTriangular),
                        ([diagonal, full(A[1])], L.LinearOperatorFullMatrix)]:  # fmt: skip
        (total,) = add_operators(terms)
        assert type(total) is kind
        found, *parts = run([total.to_dense(), *(t.to_dense() for t in terms)])
        np.testing.assert_allclose(found, sum(parts))


@pytest.mark.parametrize(
    ("build", "error", "said"),
    [
        (lambda: full(A[:, :2]).solve(np.ones((2, 1))), NotImplementedError, "expected to not be square"),
        (lambda: L.LinearOperatorZeros(3).solve(np.ones((3, 1), "f")), NotImplementedError, "expected to be singular"),
        (lambda: full(A[:, :2]).determinant(), NotImplementedError, "not be square"),
        (lambda: L.LinearOperatorZeros(3).inverse(), ValueError, "represents a singular matrix"),
        (lambda: full(A).matmul(np.ones((2, 2))), ValueError, "not compatible"),
        (lambda: full(A).matmul(tf.ones([3, 2])), TypeError, "dtype float32"),
        (lambda: full([[1, 2], [3, 4]]), TypeError, "Argument matrix must have dtype in"),
        (lambda: full(A).cholesky(), ValueError, "Not a positive definite self adjoint matrix"),
        (lambda: full(A, is_non_singular=True, is_square=False), ValueError, "always square"),
        (lambda: L.LinearOperatorDiag(D, is_self_adjoint=False), ValueError, "always self adjoint"),
        (lambda: L.LinearOperatorComposition([]), ValueError, "non-empty list of operators"),
        (lambda: L.LinearOperatorComposition([full(A), full(A.astype("f"))]), TypeError, "same dtype"),
    ],
)
def test_what_cannot_be_is_told_while_building(build, error, said):
    with pytest.raises(error, match=said):
        build()
