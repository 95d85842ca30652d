"""Arrays, arithmetic, matrices and spectra of compat.v1 beside TensorFlow: values, static shapes, types, errors."""

import os
import warnings

import numpy as np
import pytest

import refflow.compat.v1
from tests.peers.stand_in import unlikeness

pytestmark = pytest.mark.peers
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

R = np.random.default_rng(5)
X, Y = (R.normal(size=(3, 4)).astype(np.float32) for _ in range(2))
LONG = R.normal(size=(2, 64)).astype(np.float32)
CUBE = R.normal(size=(2, 3, 4)).astype(np.float32)
IMAGES = R.normal(size=(2, 4, 4, 4)).astype(np.float32)
P, Z, V = np.abs(X) + 0.1, (X + 1j * Y).astype(np.complex64), np.linspace(-3, 3, 7).astype(np.float32)
TRI = np.array([[1, 2, 0], [4, 5, 7], [0, 8, 9]], np.float32)
SQ = (X[:, :3] @ X[:, :3].T + 3 * np.eye(3)).astype(np.float32)

# Each line is a program: what it builds is run, and the gradients that slope() gives with it. ph() is fed.
ARRAYS = """
tf.bitcast(X, tf.int32), tf.bitcast(X, tf.uint8), tf.bitcast(np.uint8([[1, 2, 3, 4]]), type=tf.int32)
tf.batch_gather(CUBE, [[0, 2], [1, 1]]), tf.batch_gather([1, 2, 3], [2, 0])
tf.batch_to_space(np.arange(8.0).reshape(4, 1, 2, 1), [[0, 0], [1, 1]], 2)
tf.space_to_batch(IMAGES, [[0, 0], [2, 0]], block_size=2), tf.space_to_batch_nd(IMAGES, [2, 2], [[0, 0], [2, 0]])
tf.batch_to_space_nd(np.ones([8, 2, 2, 1]), [2, 2], [[0, 0], [1, 0]])
tf.depth_to_space(IMAGES, 2), tf.space_to_depth(IMAGES, 2), tf.space_to_depth(ph(IMAGES), 2)
tf.required_space_to_batch_paddings([5, 4], [3, 2]), tf.required_space_to_batch_paddings([5], [3], [[1, 0]])
tf.required_space_to_batch_paddings(ph(np.int32([5, 4])), [3, 2])
tf.broadcast_dynamic_shape([2, 1], [1, 3]), tf.broadcast_dynamic_shape(tf.shape(X), tf.shape(CUBE))
tf.roll(X, [1, -2], [0, 1]), tf.roll(X, shift=1, axis=-1), slope(lambda x: tf.roll(x, 1, 0) ** 2, X)
tf.repeat(X, 3, axis=1), tf.repeat(X, 2), tf.repeat(3, 4), tf.repeat(["a", "b"], 2, 0)
tf.repeat(X, ph(np.int32([1, 0, 2])), axis=0), slope(lambda x: tf.repeat(x, [1, 2, 0], 0) ** 2, X)
tf.searchsorted([1, 3, 5], [0, 3, 9]), tf.searchsorted([1, 3, 5], [0, 3], side="right", out_type=tf.int64)
tf.searchsorted(np.sort(X, 1), Y)
tf.sort([3, 1, 2]), tf.sort(X, axis=0), tf.sort(X, direction="DESCENDING"), tf.sort(CUBE, 0, "DESCENDING")
tf.sort(np.uint8([3, 0, 255, 1])), tf.sort([-(2**31), 5, 2**31 - 1]), slope(lambda x: tf.sort(x, 0) ** 2, X)
tf.argsort([3, 1, 2, 1]), tf.argsort(X, axis=0), tf.argsort([2, 2, 1], direction="DESCENDING", stable=True)
tf.sort(ph(X), axis=0), tf.sort(ph(CUBE), axis=-2), tf.argsort(ph(X))
tf.setdiff1d([1, 2, 3, 4, 5, 6], [1, 3, 5]), tf.setdiff1d(["a", "b"], ["b"], index_dtype=tf.int64)
tf.unravel_index([5, 7], [3, 4]), tf.unravel_index(22, dims=[7, 6])
tf.tensor_scatter_update([1, 2, 3], [[1]], [9]), tf.tensor_scatter_nd_add(X, [[0]], Y[:1])
tf.tensor_scatter_nd_max([1, 2, 3], [[1]], [9]), tf.tensor_scatter_nd_min([1, 2, 3], [[1]], [-9])
tf.unsorted_segment_max(X, [0, 2, 0], 3), tf.unsorted_segment_prod(X, [0, 2, 0], 3)
tf.unsorted_segment_mean(CUBE, [[0, 1, 0], [1, 1, -1]], 2), tf.unsorted_segment_sqrt_n(X, [0, 2, 0], 3)
slope(lambda x: tf.unsorted_segment_mean(x, [0, 1, 0], 2) ** 2, X)
tf.where_v2(X > 0, X, 0.0), tf.where_v2(X > 0), tf.where_v2([True, False, True, False], X, 1.0)
tf.ensure_shape(ph(X), [3, None]), tf.ensure_shape(X, [None, 4]), tf.guarantee_const(X), tf.parallel_stack([X, Y])
tf.extract_volume_patches(CUBE[None, ..., None], [1, 1, 2, 2, 1], [1, 1, 1, 1, 1], "VALID")
tf.arg_max(X, 0), tf.arg_min(X, 1), tf.arg_max(X, dimension=1, output_type=tf.int32)
tf.gather_nd(CUBE, [[[1, 0]], [[2, 3]]], batch_dims=1), tf.gather_nd(CUBE, [[1], [0]], batch_dims=1)
tf.raw_ops.Sum(input=X, axis=0, keep_dims=True), tf.raw_ops.Squeeze(input=X[None], axis=[0])
tf.raw_ops.Split(axis=0, value=X, num_split=3), tf.raw_ops.Where(condition=X > 0)
tf.raw_ops.Select(condition=True, x=1, y=2), tf.raw_ops.ExpandDims(input=X, axis=0)
"""
NUMBERS = """
tf.acosh(P + 1), tf.asinh(X), tf.atanh(X * 0.1), tf.cosh(X), tf.sinh(X)
tf.igamma(P, P + 1), tf.igammac(P, P + 1), tf.zeta(P + 1, P), tf.polygamma(1.0, P + 1), tf.betainc(P, P, P / 9)
tf.lbeta(P), tf.lbeta([2.0]), tf.lbeta(np.ones([2, 0])), slope(lambda x: tf.lbeta(x), P)
tf.div_no_nan(X, [0.0, 1.0, 0.0, 2.0]), tf.div_no_nan([1, 2], [0, 3]), tf.math.divide_no_nan(1.0, 2.0)
slope(lambda a, b: tf.div_no_nan(a, b), X, Y)
tf.truncatediv(-7, 2), tf.truncatemod(-7, 2), tf.mod(-7, 3), tf.floormod(-7.5, 2.0)
tf.histogram_fixed_width(V, [-2.0, 2.0], 5), tf.histogram_fixed_width([1, 2, 3], [0, 5], nbins=3, dtype=tf.int64)
tf.histogram_fixed_width_bins([-1.0, 0.0, 1.5, 2.0, 5.0, 15.0], [0.0, 5.0], nbins=5)
tf.is_non_decreasing([1, 1, 2]), tf.is_strictly_increasing([1, 1, 2]), tf.is_non_decreasing([[1, 2], [3, 0]])
tf.is_strictly_increasing([1.0]), tf.is_non_decreasing(np.zeros(0))
tf.saturate_cast([300.0, -5.0, 7.9], tf.uint8), tf.saturate_cast([300, -5], tf.uint8)
tf.saturate_cast([1e30, -1e30], tf.int32), tf.saturate_cast([1e10, -1e10], tf.int64)
tf.saturate_cast(np.float64([1e300]), tf.float32), slope(lambda x: tf.saturate_cast(x, tf.float64), X)
tf.scalar_mul(2.0, X), tf.to_complex64(X), tf.to_complex128(X), tf.cast(tf.to_bfloat16(X), tf.float32)
tf.real(Z), tf.imag(Z), tf.conj(Z), tf.real(X), tf.imag(X), tf.conj(X), tf.conj([1, 2])
tf.bincount([1, 1, 3], maxlength=2), tf.bincount([1, 1, 3], minlength=6, dtype=tf.int64)
tf.bincount([[1, 2], [1, 1]]), tf.bincount(np.zeros(0, np.int32)), tf.math.bincount([[1, 2], [1, 1]])
tf.math.reduce_std(X), tf.math.reduce_variance(X, 1), tf.math.reduce_std(Z, 0, keepdims=True)
tf.math.reduce_euclidean_norm(X), tf.math.reduce_euclidean_norm(X, [1], keepdims=True)
slope(lambda x: tf.math.reduce_std(x), X), slope(lambda x: tf.math.polyval([1.0, 2.0, 3.0], x), X)
tf.math.polyval([1.0, 2.0, 3.0], X), tf.math.polyval([], X), tf.math.zero_fraction([0.0, 1.0])
tf.math.reciprocal_no_nan([0.0, 2.0]), tf.math.multiply_no_nan([1.0, np.inf], [2.0, 0.0]), tf.math.xlogy(0.0, 0.0)
tf.math.cumulative_logsumexp(X, 1), tf.math.cumulative_logsumexp(X, 0, True, True)
tf.math.sobol_sample(3, 4), tf.math.sobol_sample(2, 3, skip=1, dtype=tf.float64)
tf.math.bessel_i0(X), tf.math.erfinv(X * 0.2), tf.math.erfcinv(P * 0.3), tf.math.ndtri(P * 0.2), tf.math.nextafter(X, Y)
tf.math.special.dawsn(X), tf.math.special.expint(P), tf.math.special.bessel_k0(P), tf.math.special.spence(P)
tf.bitwise.bitwise_and(5, 3), tf.bitwise.bitwise_xor(5, 3), tf.bitwise.invert(np.uint8(5))
tf.bitwise.left_shift(5, 3), tf.bitwise.right_shift(-5, 1)
"""
MATRICES = """
tf.cross(X[:, :3], Y[:, :3]), tf.fft(Z), tf.ifft(Z), tf.fft2d(Z), tf.ifft2d(Z), tf.fft3d(Z[None]), tf.ifft3d(Z[None])
tf.matrix_set_diag(X, [9.0, 8.0, 7.0]), tf.matrix_set_diag(X, [[9.0, 8.0, 7.0], [6.0, 5.0, 4.0]], k=(0, 1))
tf.matrix_diag([1.0, 2.0], k=1, num_rows=4, num_cols=3, padding_value=7.0), tf.matrix_diag([[1, 2], [3, 4]], k=(0, 1))
tf.matrix_diag_part(X), tf.matrix_diag_part(X, k=1, padding_value=3)
tf.matrix_solve_ls(X, Y[:, :2]), tf.matrix_solve_ls(X.T, Y.T[:, :2], l2_regularizer=0.3)
tf.matrix_solve_ls(X.T, Y.T[:, :2], fast=False)
tf.matrix_triangular_solve(SQ, Y), tf.matrix_triangular_solve(SQ, Y, lower=False, adjoint=True)
tf.cholesky_solve(tf.cholesky(SQ), Y), tf.matrix_square_root(SQ), tf.matrix_inverse(SQ, adjoint=True)
tf.svd(X, compute_uv=False), tf.abs(tf.svd(X)[1]), tf.svd(X)[0], tf.abs(tf.svd(X, full_matrices=True)[2])
tf.abs(tf.qr(X).q), tf.abs(tf.qr(X, full_matrices=True)[1]), tf.self_adjoint_eigvals(SQ), tf.self_adjoint_eig(SQ)[0]
tf.matrix_transpose(Z, conjugate=True), tf.matrix_transpose(ph(CUBE)), tf.matrix_transpose(CUBE)
"""
SOLUTIONS = """
tf.norm(X), tf.norm(X, 1), tf.norm(X, np.inf), tf.norm(X, 3, axis=1), tf.norm(Z), tf.norm(Z, 1, 1)
tf.norm(X, 1, axis=(0, 1)), tf.norm(X, 2, axis=(0, 1)), tf.norm(X, np.inf, axis=(0, 1)), tf.norm(X, axis=[-2, -1])
tf.norm(CUBE, 2, axis=(0, 2), keepdims=True), tf.norm(CUBE, 1, axis=(2, 0), keepdims=True)
tf.linalg.normalize(X), tf.linalg.normalize(X, 1, 1), tf.linalg.normalize(CUBE, axis=(0, 1))
tf.linalg.expm(SQ * 0.1), tf.linalg.expm(SQ.astype("c16") * 1j), tf.linalg.expm(np.stack([SQ * 0.01, SQ * 0.5]))
tf.linalg.expm(np.float64(SQ) * 3), slope(lambda a: tf.linalg.expm(a), np.float64(SQ) * 0.5)
tf.linalg.logdet(SQ), tf.linalg.slogdet(SQ), tf.linalg.logm(SQ.astype("c8")), tf.linalg.lu(SQ, output_idx_type=tf.int64)
tf.linalg.lu_solve(*tf.linalg.lu(np.stack([SQ[::-1], SQ])), CUBE), tf.linalg.lu_reconstruct(*tf.linalg.lu(SQ[::-1]))
tf.linalg.lu_matrix_inverse(*tf.linalg.lu(np.stack([SQ[::-1], SQ])))
tf.linalg.matrix_rank(X), tf.linalg.matrix_rank(X[:, :1] @ X[:1]), tf.linalg.matrix_rank(X, tol=1.0)
tf.linalg.pinv(X), tf.linalg.pinv(X[:, :1] @ X[:1]), tf.linalg.pinv(X, rcond=0.5), slope(tf.linalg.pinv, X)
tf.linalg.matvec(X, Y[0]), tf.linalg.matvec(CUBE, Y[:2]), tf.linalg.matvec(X, Y[:, 0], transpose_a=True)
tf.linalg.tridiagonal_matmul(tf.constant(SQ), X, diagonals_format="matrix")
tf.linalg.tridiagonal_solve(tf.constant(TRI), tf.constant(X))
tf.linalg.tridiagonal_solve(tf.constant(TRI), tf.constant([1.0, 2.0, 3.0]))
tf.linalg.tridiagonal_solve(tf.constant(TRI), tf.constant(X.T), transpose_rhs=True)
tf.linalg.eigh_tridiagonal([1.0, 2.0, 3.0], [0.5, 0.2])
tf.linalg.eigh_tridiagonal([1.0, 2.0, 3.0], [0.5, 0.2], select="i", select_range=(1, 2))
tf.linalg.adjoint(Z), tf.linalg.tensor_diag([1, 2]), tf.linalg.tensor_diag_part([[1, 2], [3, 4]])
tf.linalg.eigh(SQ)[0], tf.linalg.inv(SQ), tf.linalg.lstsq(X, Y[:, :2]), tf.linalg.sqrtm(SQ), tf.linalg.det(SQ)
tf.eye(3, batch_shape=[2]), tf.eye(2, 3, dtype=tf.int32), tf.eye(3, num_columns=tf.constant(2)), tf.eye(0)
slope(lambda x: tf.norm(x), X), slope(lambda x: tf.norm(x, 2, axis=(0, 1)), X), slope(tf.linalg.logdet, SQ)
"""
REST = """
tf.cast(tf.quantize([1.0, 2.0, 3.0], 0.0, 4.0, tf.quint8).output, tf.int32)
tf.cast(tf.quantize_v2([1.0, 2.0, 3.0], 0.0, 4.0, tf.qint8, "SCALED").output, tf.int32)
tf.dequantize(tf.quantize([1.0, 2.0, 3.0], 0.0, 4.0, tf.quint8).output, 0.0, 4.0)
tf.quantization.quantize_and_dequantize(X, -1.0, 1.0, range_given=True)
tf.quantization.quantize_and_dequantize_v2(X, -1.0, 1.0, num_bits=4, range_given=True)
slope(lambda x: tf.quantization.quantize_and_dequantize_v2(x, -1.0, 1.0, range_given=True), X)
tf.fake_quant_with_min_max_args(X), tf.fake_quant_with_min_max_vars_per_channel(X, [-1.0] * 4, [1.0] * 4, num_bits=4)
tf.numpy_function(lambda a, b: a + b, [X, Y], tf.float32), tf.py_function(lambda a: a + 1, [X], tf.float32)
tf.py_function(lambda a: [tf.square(a), a.numpy().sum()], [X], [tf.float32, tf.float32])
tf.vectorized_map(lambda x: (x, tf.reduce_sum(x)), X), tf.vectorized_map(lambda p: p[0] + p[1], (X, Y))
tf.constant(1), str(tf.make_tensor_proto(np.float32([1, 2]))), str(tf.make_tensor_proto(["a", "b"]))
tf.constant(1), str(tf.make_tensor_proto(7))
tf.manip.roll(X, 1, 0), tf.manip.scatter_nd([[1]], [3], [3]), tf.dtypes.as_string([1])
slope(lambda x: tf.custom_gradient(lambda x: (tf.log(1 + tf.exp(x)), lambda dy: dy * 7))(x), X)
slope(lambda x, y: tf.custom_gradient(lambda x, y: ((x * y, x + y), lambda d, e: (d * 2, e * 3)))(x, y)[0], X, Y)
slope(lambda x: tf.grad_pass_through(tf.floor)(x), X), slope(lambda x: tf.recompute_grad(lambda x: tf.sin(x) * x)(x), X)
"""
SPECTRA = """
tf.spectral.rfft(X), tf.spectral.rfft(X, [6]), tf.spectral.rfft(X, [3]), tf.spectral.rfft2d(CUBE, [5, 6])
tf.spectral.irfft(Z), tf.spectral.irfft(Z, [5]), tf.spectral.irfft(Z, [9]), tf.spectral.irfft2d(CUBE.astype("c8"))
tf.spectral.rfft3d(CUBE[None]), tf.spectral.irfft3d(CUBE[None].astype("c8"), [2, 2, 4])
tf.spectral.dct(X), tf.spectral.dct(X, 1), tf.spectral.dct(X, 3), tf.spectral.dct(X, 4), tf.spectral.dct(X, n=6)
tf.spectral.dct(X, norm="ortho"), tf.spectral.dct(X, 3, norm="ortho"), tf.spectral.dct(X, 4, norm="ortho")
tf.spectral.idct(X), tf.spectral.idct(X, 1), tf.spectral.idct(X, 3, norm="ortho"), tf.spectral.idct(X, n=3)
tf.signal.hann_window(5), tf.signal.hann_window(6), tf.signal.hann_window(6, periodic=False), tf.signal.hann_window(1)
tf.signal.hamming_window(7), tf.signal.hamming_window(8, False), tf.signal.vorbis_window(8)
tf.signal.kaiser_window(5), tf.signal.kaiser_window(6, 4.0), tf.signal.kaiser_bessel_derived_window(8)
tf.signal.frame(tf.range(9), 4, 2), tf.signal.frame(tf.range(9), 4, 3, pad_end=True, pad_value=7)
tf.signal.frame(CUBE, 2, 1, axis=1), tf.signal.frame(X, 5, 2)
tf.signal.overlap_and_add(CUBE, 2), tf.signal.overlap_and_add(X, 1), tf.signal.overlap_and_add(X, 6)
tf.signal.stft(LONG, 16, 8), tf.signal.stft(LONG, 12, 5, fft_length=20, pad_end=True)
tf.signal.inverse_stft(tf.signal.stft(LONG, 16, 8), 16, 8), tf.signal.inverse_stft_window_fn(6)(12, tf.float32)
tf.signal.mdct(LONG, 16), tf.signal.mdct(LONG, 16, norm="ortho"), tf.signal.mdct(LONG, 16, None, True)
tf.signal.inverse_mdct(X), tf.signal.inverse_mdct(X, norm="ortho"), tf.signal.inverse_mdct(X, window_fn=None)
tf.signal.linear_to_mel_weight_matrix(), tf.signal.linear_to_mel_weight_matrix(10, 65, 16000, 80.0, 7600.0)
tf.signal.mfccs_from_log_mel_spectrograms(X), tf.signal.fftshift(X), tf.signal.ifftshift([1, 2, 3])
tf.signal.fftshift(X, 1), tf.signal.fftshift(X, [0]), tf.signal.ifftshift(X, axes=[0, 1])
slope(lambda x: tf.abs(tf.signal.rfft(x)) ** 2, X), slope(lambda x: tf.signal.dct(x) ** 2, X)
slope(lambda x: tf.signal.frame(x, 3, 1) ** 2, X[0]), slope(lambda x: tf.signal.overlap_and_add(x, 1) ** 2, X)
"""
# Each of these is refused by both, with an error of that class.
REFUSED = """
tf.batch_gather(X, tf.placeholder(tf.int32))
tf.depth_to_space(IMAGES, 3)
tf.broadcast_dynamic_shape([2], [3])
tf.repeat(X, [1, 2], axis=0)
tf.repeat(X, [1.0], axis=0)
tf.searchsorted([1.0, 2.0], [[1.5]], side="up")
tf.sort(X, direction="UP")
tf.sort(X, axis=tf.placeholder(tf.int32, []))
tf.sort(X, axis=5)
tf.where_v2(X > 0, X)
tf.ensure_shape(X, [2, 4])
tf.is_non_decreasing(["a"])
tf.scalar_mul([2.0], tf.constant(X))
tf.conj(["a"])
tf.parallel_stack([tf.placeholder(tf.float32), Y])
tf.math.reduce_std([1, 2])
tf.math.polyval(3, X)
tf.matrix_transpose([1, 2])
tf.raw_ops.Add(1, 2)
tf.raw_ops.Add(x=1)
tf.raw_ops.NoSuchOp(x=1)
tf.numpy_function(3, [X], tf.float32)
tf.make_tensor_proto([1, 2, 3], shape=[2])
tf.make_tensor_proto(None)
tf.print(1, output_stream="nope")
tf.gradients(X, tf.constant(X), unconnected_gradients="nope")
tf.norm(X, "nuc")
tf.norm(X, -1)
tf.norm(X, 3, axis=(0, 1))
tf.norm(X, axis=[0])
tf.signal.dct(X, 5)
tf.signal.dct(X, axis=0)
tf.signal.dct(X, 1, norm="ortho")
tf.signal.dct(X, n=0)
tf.signal.hann_window(5, dtype=tf.int32)
tf.signal.linear_to_mel_weight_matrix(upper_edge_hertz=9000.0)
"""


def lines(text):
    return text.strip().splitlines()


def flattened(built):
    if isinstance(built, (list, tuple)):
        yield f"{len(built)} {getattr(built, '_fields', '')}"
        for part in built:
            yield from flattened(part)
    elif hasattr(built, "indices"):
        yield from (built.indices, built.values)
    else:
        yield built


def outcome(tf, line):
    """What a program gives: structure, values, static shapes and types; or its error."""
    feeds = {}

    def ph(value):
        hole = tf.placeholder(tf.as_dtype(value.dtype))
        feeds[hole] = value
        return hole

    def slope(function, *at):
        xs = [tf.constant(a) for a in at]
        return tf.gradients(function(*xs), xs)

    with tf.Graph().as_default(), tf.Session() as session, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            parts = list(flattened(eval(line, {**globals(), "tf": tf, "ph": ph, "slope": slope})))
            tensors = [p for p in parts if hasattr(p, "graph")]
            values = iter(session.run(tensors, feeds))
        except Exception as error:
            return error
        said = [p.get_shape().as_list() if p.get_shape().ndims is not None else None for p in tensors]
        return [next(values) if hasattr(p, "graph") else p for p in parts], said, [p.dtype.name for p in tensors]


@pytest.fixture(scope="module")
def tensorflow():
    return pytest.importorskip("tensorflow", reason="the oracle is TensorFlow: pip install '.[peers]'").compat.v1


def fits(theirs, ours):
    """Whether a static shape says all that the other's says."""
    return theirs is None or (
        ours is not None and len(ours) == len(theirs) and all(t in (None, o) for t, o in zip(theirs, ours, strict=True))
    )


@pytest.mark.parametrize(
    "line", lines(ARRAYS) + lines(NUMBERS) + lines(MATRICES) + lines(SOLUTIONS) + lines(SPECTRA) + lines(REST)
)
def test_a_line_gives_what_tensorflow_gives(tensorflow, line):
    expected, found = outcome(tensorflow, line), outcome(refflow.compat.v1, line)
    assert not isinstance(expected, Exception), expected
    if isinstance(found, Exception):
        raise found
    for e, f in zip(expected[0], found[0], strict=True):
        unlike = e != f if isinstance(e, str) else unlikeness(e, f, 2e-5, 2e-6)
        assert not unlike, unlike
    assert all(fits(t, o) for t, o in zip(expected[1], found[1], strict=True)), (expected[1], found[1])
    assert expected[2] == found[2]


@pytest.mark.parametrize("line", lines(REFUSED))
def test_a_line_is_refused_with_tensorflow_s_class_of_error(tensorflow, line):
    expected, found = outcome(tensorflow, line), outcome(refflow.compat.v1, line)
    assert isinstance(expected, Exception) and isinstance(found, Exception), (expected, found)
    assert type(expected).__name__ in [c.__name__ for c in type(found).__mro__], (expected, found)
