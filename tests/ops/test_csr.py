"""Sparse matrices in compressed rows agree with the dense matrices that they stand for."""

import numpy as np
import pytest

import refflow as tf
from refflow.core.registry import op_def


def dense_to_csr(x):
    return op_def("DenseToCSRSparseMatrix")(x, np.argwhere(x).astype(np.int64))


def to_dense(csr, kind=tf.float64):
    return op_def("CSRSparseMatrixToDense")(csr, type=kind)


def run(tensors):
    with tf.Session() as session:
        return session.run(tensors)


def sparse(rng, *shape):
    return rng.normal(size=shape) * (rng.random(shape) < 0.4)


def test_three_arrays():
    x = np.array([[0.0, 1.0, 2.0], [0.0, 0.0, 0.0], [3.0, 0.0, 0.0]])
    parts = run(list(op_def("CSRSparseMatrixComponents")(dense_to_csr(x), 0, type=tf.float64)))
    assert [p.tolist() for p in parts] == [[0, 2, 2, 3], [1, 2, 0], [1, 2, 3]]


def test_an_index_beyond_the_batch_is_an_error():
    with pytest.raises(tf.OpError, match=r"index \(1\) not in \[0, 1\)"):
        run(list(op_def("CSRSparseMatrixComponents")(dense_to_csr(np.eye(2)), 1, type=tf.float64)))


def test_another_type_is_an_error():
    with pytest.raises(tf.OpError, match="Asked for a CSRSparseMatrix of type float but saw dtype: double"):
        run(to_dense(dense_to_csr(np.eye(2)), tf.float32))


@pytest.mark.parametrize("batch", [(), (2,)])
def test_products_and_sums(batch, rng):
    a, b = sparse(rng, *batch, 4, 5), sparse(rng, *batch, 4, 5)
    left, right = dense_to_csr(a), dense_to_csr(b)
    turned = np.swapaxes(b, -1, -2)
    product = op_def("SparseMatrixSparseMatMul")(left, right, transpose_b=True, type=tf.float64)
    total = op_def("SparseMatrixAdd")(left, right, np.float64(2), np.float64(-3))
    scaled = op_def("SparseMatrixMul")(left, np.float64(4))
    found = run([
        op_def("SparseMatrixMatMul")(left, turned), to_dense(product), to_dense(total), to_dense(scaled),
        op_def("SparseMatrixNNZ")(left),
    ])  # fmt: skip
    wanted = [a @ turned, a @ turned, 2 * a - 3 * b, 4 * a, (a != 0).sum((-1, -2))]
    for f, w in zip(found, wanted, strict=True):
        np.testing.assert_allclose(f, w, atol=1e-12)


def test_inner_sizes_agree(rng):
    with pytest.raises(tf.OpError, match="Inner product dimensions of A and B do not agree"):
        run(op_def("SparseMatrixMatMul")(dense_to_csr(np.eye(3)), np.ones((2, 2))))


def test_a_softmax_over_what_is_there(rng):
    x, dy = sparse(rng, 4, 5), rng.normal(size=(4, 5))
    y = op_def("SparseMatrixSoftmax")(dense_to_csr(x), type=tf.float64)
    back = op_def("SparseMatrixSoftmaxGrad")(y, dense_to_csr(dy), type=tf.float64)
    there = x != 0
    exps = np.exp(x) * there
    wanted = exps / np.maximum(exps.sum(1, keepdims=True), 1e-300)
    slope = (dy - (dy * wanted).sum(1, keepdims=True)) * wanted
    found = run([to_dense(y), to_dense(back)])
    np.testing.assert_allclose(found[0], wanted, atol=1e-12)
    np.testing.assert_allclose(found[1], slope, atol=1e-12)


def test_zeros_have_no_entries():
    zeros = op_def("SparseMatrixZeros")(np.array([2, 3], np.int64), type=tf.float64)
    count, whole = run([op_def("SparseMatrixNNZ")(zeros), to_dense(zeros)])
    assert count == 0 and whole.tolist() == [[0, 0, 0], [0, 0, 0]]


def test_a_factor_in_the_order_that_keeps_an_arrow_sparse():
    arrow = np.eye(6) * 9
    arrow[0, 1:] = arrow[1:, 0] = 1
    matrix = dense_to_csr(arrow)
    order = op_def("SparseMatrixOrderingAMD")(matrix)
    factor = op_def("SparseMatrixSparseCholesky")(matrix, order, type=tf.float64)
    p, lower = run([order, to_dense(factor)])
    assert (lower != 0).sum() == 11  # the head of the arrow comes late: nothing fills in
    np.testing.assert_allclose(lower @ lower.T, arrow[np.ix_(p, p)])


def test_a_factor_needs_a_positive_matrix():
    with pytest.raises(tf.OpError, match="Sparse Cholesky factorization failed for batch index 0"):
        run(to_dense(op_def("SparseMatrixSparseCholesky")(dense_to_csr(-np.eye(2)), np.array([0, 1], np.int32),
                                                          type=tf.float64)))  # fmt: skip
