"""Fractional pools: regions that fit, the same for the same seeds, and slopes that agree with differences."""

import numpy as np
import pytest

import refflow as tf
from refflow.core.registry import op_def

SEEDED = {"deterministic": True, "seed": 5, "seed2": 7}


def pooled(kind, x, **attrs):
    return op_def(f"Fractional{kind}Pool")(x, **attrs)


@pytest.mark.parametrize("pseudo_random", [False, True])
@pytest.mark.parametrize("size", [9, 10, 17, 40])
def test_regions_have_two_lengths_and_cover_the_image(size, pseudo_random):  # [W75]
    x = tf.constant(np.zeros((1, size, size, 1), np.float32))
    y = pooled("Max", x, pooling_ratio=[1.0, 1.4, 1.73, 1.0], pseudo_random=pseudo_random, **SEEDED)
    with tf.Session() as session:
        for borders, ratio in zip(
            session.run([y.row_pooling_sequence, y.col_pooling_sequence]), (1.4, 1.73), strict=True
        ):
            lengths = np.diff(borders)
            assert borders[0] == 0 and borders[-1] == size and len(lengths) == int(size / ratio)
            assert set(lengths) <= {size // len(lengths), size // len(lengths) + 1}


def test_seeded_regions_are_the_same_in_every_run_and_others_are_not():  # [W73]
    x = tf.constant(np.zeros((1, 100, 100, 1), np.float32))
    ratio = [1.0, 1.5, 1.5, 1.0]
    same = pooled("Max", x, pooling_ratio=ratio, **SEEDED).row_pooling_sequence
    free = pooled("Max", x, pooling_ratio=ratio).row_pooling_sequence
    with tf.Session() as session:
        first, second = session.run([same, free]), session.run([same, free])
    assert first[0].tolist() == second[0].tolist() and first[1].tolist() != second[1].tolist()


@pytest.mark.parametrize("kind", ["Max", "Avg"])
@pytest.mark.parametrize("overlapping", [False, True])
def test_slopes_agree_with_differences(kind, overlapping, rng):  # [S49, W75]
    x = tf.placeholder(tf.float64, [2, 7, 8, 2])
    y = pooled(kind, x, pooling_ratio=[1.0, 1.6, 1.3, 1.0], overlapping=overlapping, **SEEDED).output
    weights = rng.normal(size=(2, 4, 6, 2))
    total = tf.reduce_sum(y * tf.constant(weights))
    (dx,) = tf.gradients(total, x)
    at, along = rng.permutation(224).reshape(2, 7, 8, 2) * 1.0, rng.normal(size=(2, 7, 8, 2))
    with tf.Session() as session:
        slope = (session.run(dx, {x: at}) * along).sum()
        ahead, behind = (session.run(total, {x: at + h * along}) for h in (1e-4, -1e-4))
    assert slope == pytest.approx((ahead - behind) / 2e-4, rel=1e-6)


def test_seeds_need_the_deterministic_form():
    x = tf.constant(np.zeros((1, 4, 4, 1), np.float32))
    with pytest.raises(ValueError, match="Both seed and seed2 should be 0 if deterministic is false"):
        pooled("Avg", x, pooling_ratio=[1.0, 1.5, 1.5, 1.0], seed=1)
