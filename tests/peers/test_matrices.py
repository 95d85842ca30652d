"""Programs of linear algebra, dense and sparse, give what TensorFlow gives."""

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from tests.peers.stand_in import differences, outcomes

pytestmark = pytest.mark.peers
TYPES = ["float32", "float64", "complex64", "complex128"]


def matrix(kind, *shape, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape)
    return (x + 1j * rng.normal(size=shape) if kind.startswith("c") else x).astype(kind)


def fed(build, *arrays):
    """A program that feeds `arrays`, of unknown shape, to what `build` makes of them."""

    def program(tf):
        holes = [tf.compat.v1.placeholder(x.dtype, None) for x in arrays]
        with tf.compat.v1.Session() as session:
            session.run(tf.nest.flatten(build(tf, *holes)), dict(zip(holes, arrays, strict=True)))

    return program


CALLS = {
    "lu": lambda tf, x: tf.linalg.lu(x),
    "inverse": lambda tf, x: tf.linalg.inv(x, adjoint=True),
    "determinants": lambda tf, x: [tf.linalg.det(x), *tf.linalg.slogdet(x)],
    "root": lambda tf, x: tf.linalg.sqrtm(tf.matmul(x, x)),
    "eigenvalues": lambda tf, x: tf.sort(tf.math.real(tf.linalg.eigvals(x))),
    "singular": lambda tf, x: tf.linalg.svd(x, compute_uv=False),
    "orthogonal": lambda tf, x: tf.matmul(*tf.linalg.qr(x)),
    "solve": lambda tf, x: tf.linalg.solve(x, x[..., :2], adjoint=True),
    "triangle": lambda tf, x: tf.linalg.triangular_solve(x, x[..., :2], lower=False),
    "bands": lambda tf, x: tf.linalg.banded_triangular_solve(x[..., :2, :] + 3, x),
    "three": lambda tf, x: tf.linalg.tridiagonal_solve(x[..., :3, :], x),
    "least squares": lambda tf, x: tf.linalg.lstsq(x[..., :3], x, l2_regularizer=0.0, fast=False),
}


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("call", CALLS)
def test_matrices(call, kind):
    x = matrix(kind, 2, 4, 4) + 2 * np.eye(4, dtype=kind)
    wide = kind in ("float64", "complex128")
    assert not differences(fed(CALLS[call], x), *(1e-8, 1e-10) if wide else (5e-3, 5e-3))


WRONG = {
    "rank": ("MatrixInverse", {"input": np.ones(3)}),
    "square": ("Cholesky", {"input": np.ones((2, 3))}),
    "singular": ("MatrixInverse", {"input": np.ones((2, 2))}),
    "rows": ("MatrixSolve", {"matrix": np.eye(2), "rhs": np.ones((3, 1))}),
    "batches": ("MatrixSolve", {"matrix": np.ones((2, 1, 1)), "rhs": np.ones((3, 1, 1))}),
    "nan": ("SelfAdjointEigV2", {"input": np.full((2, 2), np.nan)}),
    "deficient": ("MatrixSolveLs", {"matrix": np.zeros((2, 2)), "rhs": np.ones((2, 1)), "l2_regularizer": 0.0}),
    "bands": ("BandedTriangularSolve", {"matrix": np.zeros((1, 2)), "rhs": np.ones((2, 1))}),
    "three": ("TridiagonalSolve", {"diagonals": np.ones((2, 2)), "rhs": np.ones((2, 1))}),
    "lu": ("Lu", {"input": np.ones((2, 2))}),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_in_the_same_words(name):
    op, inputs = WRONG[name]

    def build(tf, *holes):
        return getattr(tf.raw_ops, op)(**dict(zip(inputs, holes, strict=True)))

    program = fed(build, *(np.asarray(v, np.float64) for v in inputs.values()))
    (theirs,), (ours,) = outcomes(program, here=False), outcomes(program, here=True)
    assert theirs.error == ours.error == "InvalidArgumentError"
    assert not differences(program)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("flags", [{}, {"transpose_a": True}, {"adjoint_b": True}], ids=str)
def test_compressed_rows(kind, flags):
    from tensorflow.python.ops.linalg.sparse import sparse_csr_matrix_ops as csr

    x = matrix(kind, 2, 4, 4) * (np.random.default_rng(1).random((2, 4, 4)) < 0.5)

    def program(tf):
        hole = tf.compat.v1.placeholder(x.dtype, x.shape)
        sparse = csr.CSRSparseMatrix(hole, tf.where(tf.not_equal(hole, 0)))
        whole = csr.matmul(sparse, hole, **flags)
        both = csr.matmul(sparse, sparse, **flags).to_dense()
        slopes = tf.gradients(tf.math.real(tf.reduce_sum(whole * whole)), hole)
        with tf.compat.v1.Session() as session:
            session.run([whole, both, sparse.to_sparse_tensor().indices, *slopes], {hole: x})

    assert not differences(program, 1e-4, 1e-4)
