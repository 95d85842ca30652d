"""tf.distributions: densities sum to 1; moments, divergences and draws are those of the densities."""

import math

import numpy as np
import pytest

import refflow.compat.v1 as tf
from refflow.compat.v1 import distributions as d


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as found:
        yield found


def run(fetches, feeds=None):
    with tf.Session() as session:
        return session.run(fetches, feeds)


LINE = np.linspace(-40, 40, 400_001)
POSITIVE = np.linspace(1e-7, 60, 400_001)
BELOW_1 = np.linspace(1e-6, 1 - 1e-6, 400_001)
CONTINUOUS = {
    "normal": (lambda: d.Normal(np.float64(0.5), np.float64(1.5)), LINE),
    "laplace": (lambda: d.Laplace(np.float64(-1.0), np.float64(0.7)), LINE),
    "student": (lambda: d.StudentT(np.float64(9.0), np.float64(0.5), np.float64(1.5)), LINE),
    "uniform": (lambda: d.Uniform(np.float64(-1.0), np.float64(3.0)), LINE),
    "gamma": (lambda: d.Gamma(np.float64(2.5), np.float64(0.8)), POSITIVE),
    "exponential": (lambda: d.Exponential(np.float64(0.8)), POSITIVE),
    "beta": (lambda: d.Beta(np.float64(2.5), np.float64(1.5)), BELOW_1),
}


def total(values, xs):
    return ((values[1:] + values[:-1]) * np.diff(xs)).sum() / 2


@pytest.mark.parametrize("family", CONTINUOUS)
def test_moments_entropy_and_cdf_are_those_of_the_density(family):
    make, xs = CONTINUOUS[family]
    one = make()
    at = xs[180_000]
    density, logs, *found = run([one.prob(xs), one.log_prob(xs), one.mean(), one.variance(), one.stddev(),
                                 one.entropy(), one.cdf(at), one.survival_function(at)])  # fmt: skip
    mean = total(density * xs, xs)
    variance = total(density * (xs - mean) ** 2, xs)
    entropy = -total(np.where(density > 0, density * np.nan_to_num(logs, neginf=0), 0), xs)
    below = total(density[:180_001], xs[:180_001])
    assert total(density, xs) == pytest.approx(1, abs=1e-4)
    assert found == pytest.approx([mean, variance, math.sqrt(variance), entropy, below, 1 - below], abs=2e-3)


@pytest.mark.parametrize("family", CONTINUOUS)
def test_draws_have_the_moments_and_follow_the_seed(family):
    one = CONTINUOUS[family][0]()
    tf.set_random_seed(1)
    drawn = one.sample([50, 400], seed=3)
    values, again, mean, spread = run([drawn, one.sample([50, 400], seed=3), one.mean(), one.stddev()])
    assert drawn.get_shape() == (50, 400)
    assert abs(values.mean() - mean) < 0.05 * spread and values.std() == pytest.approx(spread, rel=0.05)
    assert (values == again).all()


@pytest.mark.parametrize(
    ("a", "b", "xs"),
    [
        (lambda: d.Normal(np.float64(0.5), np.float64(1.5)), lambda: d.Normal(np.float64(-1), np.float64(2)), LINE),
        (lambda: d.Gamma(np.float64(2.5), np.float64(0.8)), lambda: d.Gamma(np.float64(2), np.float64(1)), POSITIVE),
        (lambda: d.Exponential(np.float64(0.8)), lambda: d.Gamma(np.float64(2), np.float64(1)), POSITIVE),
        (lambda: d.Beta(np.float64(2.5), np.float64(1.5)), lambda: d.Beta(np.float64(1.2), np.float64(2)), BELOW_1),
    ],
)
def test_divergences_are_the_integral_of_their_definition(a, b, xs):
    a, b = a(), b()
    p, log_p, log_q, kl, crossed = run([a.prob(xs), a.log_prob(xs), b.log_prob(xs), a.kl_divergence(b),
                                        a.cross_entropy(b)])  # fmt: skip
    assert kl == pytest.approx(total(p * (log_p - log_q), xs), abs=1e-3)
    assert crossed == pytest.approx(-total(p * log_q, xs), abs=1e-3)


def test_a_normal_s_logarithms_hold_far_from_the_middle():
    x, one = tf.constant([-30.0, 0.0, 7.0]), d.Normal(0.0, 1.0)
    cdf, slope = run([one.log_cdf([-40.0, 9.0]), tf.gradients(one.log_cdf(x), x)[0]])
    assert cdf == pytest.approx([-804.608, -1.1286e-19], rel=1e-4)
    assert slope == pytest.approx([30.033, 0.79788, 9.1347e-12], rel=1e-3)


def test_chances_of_counts_sum_to_one():
    every = np.array([[i, j, 3 - i - j] for i in range(4) for j in range(4 - i)], np.float32)
    multinomial = d.Multinomial(3.0, probs=[0.2, 0.5, 0.3])
    mixed = d.DirichletMultinomial(3.0, [0.5, 2.0, 1.0])
    for one in (multinomial, mixed):
        chances, mean, covariance = run([one.prob(every), one.mean(), one.covariance()])
        around = every - mean
        assert chances.sum() == pytest.approx(1, rel=1e-5)
        assert mean == pytest.approx(chances @ every, rel=1e-4)
        assert covariance == pytest.approx(np.einsum("n,ni,nj->ij", chances, around, around), abs=1e-4)


def test_draws_of_counts_and_chances_sum_to_what_they_must():
    many, both, shares = run([d.Multinomial([4.0, 2.0], [[0.0, 1.0, 2.0]]).sample(6, seed=1),
                              d.DirichletMultinomial(5.0, [[1.0, 2.0], [3.0, 4.0]]).sample([2, 3], seed=1),
                              d.Dirichlet([1.0, 2.0, 3.0]).sample(7, seed=2)])  # fmt: skip
    assert many.shape == (6, 2, 3) and (many.sum(-1) == [4, 2]).all()
    assert both.shape == (2, 3, 2, 2) and (both.sum(-1) == 5).all()
    assert np.allclose(shares.sum(-1), 1) and (shares > 0).all()


def test_classes_have_chances_a_cdf_and_a_mode():
    one = d.Categorical(probs=[[0.2, 0.5, 0.3]], dtype=tf.int64)
    chance, below, mode, entropy, drawn = run([one.prob([[0], [2]]), one.cdf([2]), one.mode(), one.entropy(),
                                               one.sample(2000, seed=1)])  # fmt: skip
    assert np.allclose(chance, [[0.2], [0.3]]) and np.allclose(below, [0.7]) and mode.tolist() == [1]
    assert entropy == pytest.approx([1.0297], rel=1e-4)
    assert drawn.dtype == np.int64 and np.allclose(np.bincount(drawn[:, 0]) / 2000, [0.2, 0.5, 0.3], atol=0.03)
    coin = d.Bernoulli(logits=[0.0, 2.0])
    assert run([coin.mode(), coin.sample(seed=1)])[0].tolist() == [0, 1] and coin.dtype == tf.int32


def test_shapes_are_told_as_far_as_they_are_known():
    hole = tf.placeholder(tf.float32, [None, 3])
    one = d.Dirichlet(hole)
    assert (one.batch_shape.as_list(), one.event_shape.as_list()) == ([None], [3])
    assert one.sample([2]).get_shape().as_list() == [2, None, 3]
    unknown = d.Normal(tf.placeholder(tf.float32), 1.0)
    assert unknown.batch_shape.ndims is None and unknown.event_shape.as_list() == []
    drawn = d.Normal([0.0, 1.0], 1.0).sample(tf.placeholder(tf.int32, [1]))
    assert drawn.get_shape().as_list() == [None, 2]
    found = run([one.batch_shape_tensor(), one.event_shape_tensor(), one.is_scalar_batch()], {hole: np.ones((4, 3))})
    assert [f.tolist() for f in found] == [[4], [3], False]


def test_a_copy_takes_other_parameters_and_keeps_the_rest():
    one = d.Normal(1.0, 2.0, validate_args=True).copy(scale=3.0)
    assert one.parameters == {"loc": 1.0, "scale": 3.0, "validate_args": True, "allow_nan_stats": True,
                              "name": "Normal"}  # fmt: skip
    assert d.Exponential(2.0).copy(rate=4.0).parameters["rate"] == 4.0


def test_nodes_lie_in_the_distribution_s_scope():
    one = d.Normal(0.0, 1.0, name="prior")
    assert one.name == "prior/" and one.log_prob(0.0).name.startswith("prior/log_prob/")
    assert str(one) == 'tfp.distributions.Normal("prior/", batch_shape=(), event_shape=(), dtype=float32)'


def test_what_is_checked_fails_in_the_step():
    hole = tf.placeholder(tf.float32)
    made = [
        (d.Normal(0.0, hole, validate_args=True).mean(), -1.0, "x > 0"),
        (d.Bernoulli(probs=hole, validate_args=True).mean(), 1.5, "greater than 1"),
        (d.Gamma(hole, 1.0, allow_nan_stats=False).mode(), 0.5, "mode not defined"),
        (d.Categorical(probs=hole, validate_args=True).entropy(), [0.5, 0.2], "does not sum to 1"),
    ]
    for tensor, value, said in made:
        with pytest.raises(tf.errors.InvalidArgumentError, match=said):
            run(tensor, {hole: value})


@pytest.mark.parametrize(
    ("build", "error", "said"),
    [
        (lambda: d.Bernoulli(), ValueError, "Must pass probs or logits, but not both"),
        (lambda: d.Categorical(probs=[1, 2]), TypeError, "probs must having floating type"),
        (lambda: d.Categorical([1.0], validate_args=True), ValueError, "at least 2 events"),
        (lambda: d.Normal(0.0, 1.0).sample([[1]]), ValueError, "neither scalar nor vector"),
        (lambda: d.Normal(0.0, 1.0).covariance(), NotImplementedError, "covariance is not implemented: Normal"),
        (lambda: d.kl_divergence(d.Normal(0.0, 1.0), d.Beta(1.0, 1.0)), NotImplementedError, "No KL"),
        (lambda: d.RegisterKL(d.Normal, d.Normal)(max), ValueError, "has already been registered"),
    ],
)
def test_what_cannot_be_is_told_while_building(build, error, said):
    with pytest.raises(error, match=said):
        build()


def test_a_class_of_one_s_own_gives_formulas_and_has_the_methods_and_a_divergence():
    class Point(d.Distribution):
        def __init__(self, at):
            super().__init__(tf.float32, d.NOT_REPARAMETERIZED, False, True, {"at": at}, name="Point")
            self.at = at

        def _batch_shape(self):
            return tf.TensorShape([])

        _event_shape = _batch_shape

        def _sample_n(self, n, seed=None):
            return tf.fill([n], self.at)

        def _prob(self, x):
            return tf.cast(tf.equal(x, self.at), tf.float32)

    @d.RegisterKL(Point, d.Distribution)
    def of_a_point(a, b, name=None):
        return -b.log_prob(a.at)

    one = Point(2.0)
    drawn, log_prob, kl = run([one.sample([2, 2]), one.log_prob([2.0, 1.0]), one.kl_divergence(d.Normal(2.0, 1.0))])
    assert drawn.tolist() == [[2, 2], [2, 2]] and log_prob.tolist() == [0, -np.inf]
    assert kl == pytest.approx(0.5 * math.log(2 * math.pi))
