"""Convolutions and pools against loops over windows, written out in float64; the rounding of SAME and VALID."""

import math
from itertools import product

import numpy as np
import pytest

import refflow as tf


def laid(size, k, stride, padding):
    """(outputs, cells before): by the whitepaper's words for SAME, the odd cell at the end."""
    if padding == "VALID":
        return math.ceil((size - k + 1) / stride), 0
    outputs = math.ceil(size / stride)
    return outputs, max(0, (outputs - 1) * stride + k - size) // 2


def windows(x, k, stride, padding):
    """(output place, [(place in the window, cell of x)]) for each window, real cells only."""
    spans = [laid(size, a, s, padding) for size, a, s in zip(x.shape[1:-1], k, stride, strict=True)]
    for out in product(*(range(n) for n, _ in spans)):
        cells = []
        for at in product(*map(range, k)):
            cell = [o * s + a - p for o, s, a, (_, p) in zip(out, stride, at, spans, strict=True)]
            if all(0 <= c < size for c, size in zip(cell, x.shape[1:-1], strict=True)):
                cells.append((at, tuple(cell)))
        yield out, cells


def shape_out(x, k, stride, padding):
    return [laid(size, a, s, padding)[0] for size, a, s in zip(x.shape[1:-1], k, stride, strict=True)]


def convolved(x, w, stride, padding):
    k = w.shape[:-2]
    y = np.zeros((len(x), *shape_out(x, k, stride, padding), w.shape[-1]))
    for n in range(len(x)):
        for out, cells in windows(x, k, stride, padding):
            y[(n, *out)] = sum(x[(n, *cell)] @ w[at] for at, cell in cells)
    return y


def pooled(x, k, stride, padding, pick):
    y = np.zeros((len(x), *shape_out(x, k, stride, padding), x.shape[-1]))
    for n in range(len(x)):
        for out, cells in windows(x, k, stride, padding):
            y[(n, *out)] = pick([x[(n, *cell)] for _, cell in cells], axis=0)
    return y


WHERE = [((3, 2), (1, 1)), ((2, 3), (2, 3)), ((3, 3, 2), (1, 2, 1)), ((2, 1, 3), (2, 2, 2))]
IDS = [f"{len(k)}d, {k} by {s}" for k, s in WHERE]
CONV = {2: tf.nn.conv2d, 3: tf.nn.conv3d}
MAX = {2: tf.nn.max_pool, 3: tf.nn.max_pool3d}
MEAN = {2: tf.nn.avg_pool, 3: tf.nn.avg_pool3d}


def check(y, want, rng, **inputs):
    """Values within rounding of `want`; the slope along a random direction against a difference."""
    weights = rng.normal(size=want.shape)
    total = tf.reduce_sum(y * tf.constant(weights))
    holes = [pair[0] for pair in inputs.values()]
    at = {hole: value for hole, value in inputs.values()}
    along = {hole: rng.normal(size=np.shape(value)) for hole, value in at.items()}
    with tf.Session() as session:
        np.testing.assert_allclose(session.run(y, at), want, rtol=1e-12, atol=1e-12)
        slopes = session.run(tf.gradients(total, holes), at)
        ahead, behind = (session.run(total, {h: at[h] + d * along[h] for h in holes}) for d in (1e-6, -1e-6))
    slope = sum((s * along[h]).sum() for s, h in zip(slopes, holes, strict=True))
    assert slope == pytest.approx((ahead - behind) / 2e-6, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize(("k", "stride"), WHERE, ids=IDS)
def test_a_convolution_is_a_loop_over_windows(k, stride, padding, rng):  # [S46, W74, E03, E07]
    x = rng.normal(size=(2, *(5, 6, 4)[: len(k)], 2))
    w = rng.normal(size=(*k, 2, 3))
    hole, filters = tf.placeholder(tf.float64, x.shape), tf.placeholder(tf.float64, w.shape)
    y = CONV[len(k)](hole, filters, [1, *stride, 1], padding)
    check(y, convolved(x, w, stride, padding), rng, x=(hole, x), w=(filters, w))


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("pick", [np.max, np.mean], ids=["max", "mean"])
@pytest.mark.parametrize(("k", "stride"), WHERE, ids=IDS)
def test_a_pool_is_a_loop_over_windows(k, stride, pick, padding, rng):  # [S46, W75]
    x = rng.normal(size=(2, *(5, 6, 4)[: len(k)], 2))
    hole = tf.placeholder(tf.float64, x.shape)
    y = (MAX if pick is np.max else MEAN)[len(k)](hole, [1, *k, 1], [1, *stride, 1], padding)
    check(y, pooled(x, k, stride, padding, pick), rng, x=(hole, x))


def test_softmax_is_a_loop_over_rows(rng):  # [S46]
    x = rng.normal(size=(3, 4))
    hole = tf.placeholder(tf.float64, x.shape)
    want = np.array([[math.exp(v) / math.fsum(map(math.exp, row)) for v in row] for row in x.tolist()])
    check(tf.nn.softmax(hole), want, rng, x=(hole, x))


@pytest.mark.parametrize(
    ("size", "k", "stride", "same", "valid"), [(5, 3, 2, 3, 2), (6, 3, 2, 3, 2), (7, 2, 3, 3, 2), (4, 4, 3, 2, 1)]
)
def test_same_counts_cells_and_valid_counts_whole_windows(size, k, stride, same, valid):  # [E03, W74]
    """SAME: ceil(in / stride). VALID: ceil((in - k + 1) / stride). The guide had them the other way round."""
    x, w = tf.zeros([1, size, 1, 1]), tf.zeros([k, 1, 1, 1])
    for padding, want in (("SAME", same), ("VALID", valid)):
        y = tf.nn.conv2d(x, w, [1, stride, 1, 1], padding)
        assert y.get_shape().as_list() == [1, want, 1, 1]
        with tf.Session() as session:
            assert session.run(y).shape == (1, want, 1, 1)


def test_the_three_losses_are_what_the_deck_says():  # [S47, E07]
    t = tf.constant(np.array([-2.0, 0.0, 3.0]))
    scores, targets = tf.constant(np.array([[1.0, 2.0]])), tf.constant(np.array([[0.25, 0.75]]))
    losses = [tf.nn.l1_loss(t), tf.nn.l2_loss(t)]
    cross = tf.nn.softmax_cross_entropy_with_logits(scores, targets)
    with tf.Session() as session:
        assert session.run(losses) == [5.0, 6.5]
        slopes = session.run([tf.gradients(loss, t)[0] for loss in losses])
        (found,) = session.run(cross)
    assert [s.tolist() for s in slopes] == [[-1, 0, 1], [-2, 0, 3]]
    assert found == pytest.approx(0.25 * math.log(1 + math.e) + 0.75 * math.log(1 + 1 / math.e), rel=1e-12)
