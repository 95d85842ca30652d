"""refflow.compat.v1.signal and spectral: transforms against NumPy's, windows and frames by hand, there and back."""

import numpy as np
import pytest

import refflow.compat.v1 as tf

X = np.random.default_rng(1).normal(size=(2, 64)).astype(np.float32)


def run(fetches, feeds=None):
    with tf.Session() as session:
        return session.run(fetches, feeds)


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda: tf.signal.rfft(X, [70]), np.fft.rfft(X, 70)),
        (lambda: tf.signal.rfft(X, [30]), np.fft.rfft(X, 30)),
        (lambda: tf.signal.irfft(np.fft.rfft(X)), X),
        (lambda: tf.spectral.rfft2d(X), np.fft.rfft2(X)),
        (lambda: tf.signal.hann_window(4), [0, 0.5, 1, 0.5]),
        (lambda: tf.signal.hann_window(3, periodic=False), [0, 1, 0]),
        (lambda: tf.signal.hamming_window(4), [0.08, 0.54, 1, 0.54]),
        (lambda: tf.signal.hann_window(1), [1]),
        (lambda: tf.signal.kaiser_window(5), np.kaiser(5, 12)),
        (lambda: tf.signal.kaiser_window(4, 500.0), np.kaiser(4, 500)),
        (lambda: tf.signal.frame([1, 2, 3, 4, 5], 3, 2), [[1, 2, 3], [3, 4, 5]]),
        (lambda: tf.signal.frame([1, 2, 3, 4], 3, 2, pad_end=True), [[1, 2, 3], [3, 4, 0]]),
        (lambda: tf.signal.frame([1, 2], 3, 1), np.zeros([0, 3])),
        (lambda: tf.signal.overlap_and_add([[1, 2, 3], [4, 5, 6]], 1), [1, 6, 8, 6]),
        (lambda: tf.signal.overlap_and_add([[1, 2], [3, 4]], 3), [1, 2, 0, 3, 4]),
        (lambda: tf.signal.dct([1.0, 2.0], 1), [3, -1]),
        (lambda: tf.signal.dct([1.0, 1.0]), [4, 0]),
        (lambda: tf.signal.idct(tf.signal.dct(X, norm="ortho"), norm="ortho"), X),
        (lambda: tf.signal.idct(tf.signal.dct(X)), X * 128),
        (lambda: tf.signal.fftshift([0, 1, 2, 3, 4]), np.fft.fftshift(np.arange(5))),
        (lambda: tf.signal.ifftshift([0, 1, 2, 3, 4]), np.fft.ifftshift(np.arange(5))),
        (lambda: tf.signal.fftnd(X.astype("c8"), norm="ortho"), np.fft.fftn(X, norm="ortho")),
        (lambda: tf.signal.irfftnd(np.fft.rfftn(X).astype("c8"), [2, 64], [0, 1]), X),
        (lambda: tf.abs([3.0 + 4.0j]), [5]),
    ],
)  # fmt: skip
def test_a_transform_is_numpy_s(build, expected):
    np.testing.assert_allclose(run(build()), expected, rtol=1e-4, atol=1e-4)


def test_sizes_need_not_be_known():
    hole, size = tf.placeholder(tf.float32, [None, None]), tf.placeholder(tf.int32, [1])
    found = run([tf.signal.rfft(hole), tf.signal.rfft(hole, size), tf.signal.dct(hole)], {hole: X, size: [70]})
    np.testing.assert_allclose(found[0], np.fft.rfft(X), atol=1e-4)
    np.testing.assert_allclose(found[1], np.fft.rfft(X, 70), atol=1e-4)
    spectrum = tf.placeholder(tf.complex64, [None, None])
    np.testing.assert_allclose(run(tf.signal.irfft(spectrum), {spectrum: np.fft.rfft(X)}), X, atol=1e-4)
    frames = tf.signal.frame(hole, 16, 8)
    assert frames.get_shape().as_list() == [None, None, 16] and run(frames, {hole: X}).shape == (2, 7, 16)


def test_a_signal_comes_back_from_its_short_time_transform():
    window = tf.signal.inverse_stft_window_fn(8)
    back = run(tf.signal.inverse_stft(tf.signal.stft(X, 16, 8), 16, 8, window_fn=window))
    np.testing.assert_allclose(back[:, 8:-8], X[:, 8:-8], atol=1e-5)  # the ends are in one frame only


@pytest.mark.parametrize("norm", [None, "ortho"])
@pytest.mark.parametrize("window", [tf.signal.vorbis_window, tf.signal.kaiser_bessel_derived_window, None])
def test_a_signal_comes_back_from_modified_cosines(norm, window):
    back = run(tf.signal.inverse_mdct(tf.signal.mdct(X, 16, window, norm=norm), window, norm=norm))
    np.testing.assert_allclose(back[:, 8:-8], X[:, 8:-8], atol=1e-5)


def test_the_mel_scale_has_triangles():
    weights = run(tf.signal.linear_to_mel_weight_matrix(5, 129, 8000))
    assert weights.shape == (129, 5) and (weights[0] == 0).all() and (np.diff(weights.argmax(0)) > 0).all()
    assert weights.max() <= 1
    with pytest.raises(ValueError, match="Nyquist"):
        tf.signal.linear_to_mel_weight_matrix(upper_edge_hertz=9000.0)


@pytest.mark.parametrize(
    ("build", "error", "text"),
    [
        (lambda: tf.signal.dct(X, 5), ValueError, "Types I, II, III and IV"),
        (lambda: tf.signal.dct(X, axis=0), NotImplementedError, "axis must be -1"),
        (lambda: tf.signal.dct([1.0], 1), ValueError, "length >= 2"),
        (lambda: tf.signal.mdct(X, 6), ValueError, "multiple of 4"),
        (lambda: tf.signal.hann_window(3, dtype=tf.int32), ValueError, "floating point"),
        (lambda: tf.signal.frame(tf.placeholder(tf.float32), 3, 1), ValueError, "rank"),
    ],
)
def test_what_is_wrong_is_said_while_the_graph_is_built(build, error, text):
    with pytest.raises(error, match=text):
        build()
