"""tf.distributions beside TensorFlow's: every quantity of every family, draws by seed, and what is refused.

Draws of Multinomial are not compared: TensorFlow draws its rows in the order in which a loop's steps happen to run.
"""

import numpy as np
import pytest

from tests.peers.side_by_side import unlike
from tests.peers.test_compat_v1 import tensorflow

pytestmark = pytest.mark.peers
__all__ = ["tensorflow"]

A, B = np.float32([0.5, 1.5, 3.0]), np.float32([[1.0], [2.0]])
ROWS = np.float32([[0.5, 1.5, 3.0], [2.0, 2.0, 4.0]])
COUNTS, SHARES = np.float32([[1, 1, 2], [4, 0, 0]]), np.float32([[0.2, 0.3, 0.5], [0.1, 0.1, 0.8]])
GIVEN = {"A": A, "B": B, "ROWS": ROWS}
FAMILIES = {
    "d.Normal(A, B)": A,
    "d.Laplace(A, B)": A,
    "d.StudentT(A, 0.5, 2.0)": A,
    "d.Uniform(A, B + 4)": A,
    "d.Gamma(A, B)": A,
    "d.Exponential(A)": A,
    "d.Beta(A, A[::-1])": np.float32([0.3, 0.6, 0.9]),
    "d.Bernoulli(A)": [0, 1, 1],
    "d.Bernoulli(probs=[0.5, 0.1, 0.75], dtype=tf.float32)": [0.0, 1.0, 1.0],
    "d.Categorical(ROWS)": [[0], [2]],
    "d.Categorical(probs=[0.2, 0.5, 0.3], dtype=tf.int64)": [0, 1, 2],
    "d.Multinomial([4.0, 3.0], ROWS)": COUNTS,
    "d.Dirichlet(ROWS)": SHARES,
    "d.DirichletMultinomial(4.0, ROWS)": COUNTS,
}
OF_VALUES = "log_prob prob log_cdf cdf survival_function log_survival_function quantile".split()  # noqa: SIM905
OF_NOTHING = "entropy mean variance stddev covariance mode".split()  # noqa: SIM905


def differences(theirs, lines, **given):
    made = {"d": "tf.distributions"}
    found = {line: unlike(theirs, line, GIVEN | given, made) for line in lines}
    return {line: text for line, text in found.items() if text}


@pytest.mark.parametrize("family", FAMILIES)
def test_each_quantity_of_a_family_is_the_same(tensorflow, family):
    lines = [f"{family}.{name}(VALUE)" for name in OF_VALUES] + [f"{family}.{name}()" for name in OF_NOTHING]
    lines += [f"{family}.kl_divergence({family})", f"{family}.batch_shape_tensor()"]
    lines += [f"str({family})", f"repr({family})"]
    if family == "d.Dirichlet(ROWS)":  # of several rows TensorFlow's mode is an error
        lines.remove(f"{family}.mode()")
    assert differences(tensorflow, lines, VALUE=FAMILIES[family]) == {}


@pytest.mark.parametrize("family", [family for family in FAMILIES if "d.Multinomial" not in family])
def test_draws_by_a_seed_are_the_same(tensorflow, family):
    lines = [f"[tf.set_random_seed(3), {family}.sample({shape}, seed=7)][1:]" for shape in ("()", "5", "[2, 3]")]
    assert differences(tensorflow, lines) == {}


def test_slopes_of_densities_and_draws_are_the_same(tensorflow):
    lines = [
        "tf.gradients(d.Normal(X, X).log_prob([1.0, 2.0, 0.5]), X)",
        "tf.gradients(d.StudentT(X, X, X).log_prob([1.0, 2.0, 0.5]), X)",
        "tf.gradients(d.Gamma(X, X).log_prob([1.0, 2.0, 0.5]), X)",
        "tf.gradients(d.Normal(0.0, 1.0).log_cdf(X * [-30.0, 1.0, 4.0]), X)",
        "tf.gradients(d.Laplace(0.0, 1.0).log_cdf(X * [-90.0, 1.0, 4.0]), X)",
        "[tf.set_random_seed(3), tf.gradients(d.Normal(X, X).sample(4, seed=1), X)][1:]",
        "[tf.set_random_seed(3), tf.gradients(d.Uniform(X, X + 2).sample(4, seed=1), X)][1:]",
    ]
    with_x = [f"(lambda X: {line})(tf.constant(A))" for line in lines]
    assert differences(tensorflow, with_x) == {}


def test_what_is_refused_is_refused_there_too(tensorflow):
    lines = [
        "d.Normal([1, 2], 1)",
        "d.Normal(1.0, np.float64(2))",
        "d.Bernoulli()",
        "d.Bernoulli(1.0, 0.5)",
        "d.Categorical([1, 2])",
        "d.Categorical([1.0], validate_args=True)",
        "d.Normal(0.0, 1.0).sample([[1]])",
        "d.Normal(0.0, -1.0, validate_args=True).mean()",
        "d.Bernoulli(probs=1.5, validate_args=True).mean()",
        "d.Dirichlet([0.5], validate_args=True).mean()",
        "d.Multinomial(3.5, [1.0, 2.0], validate_args=True).mean()",
        "d.Gamma(0.5, 1.0, allow_nan_stats=False).mode()",
        "d.StudentT(0.5, 0.0, 1.0, allow_nan_stats=False).variance()",
        "d.kl_divergence(d.Normal(0.0, 1.0), d.Gamma(1.0, 1.0))",
        "d.Normal.param_static_shapes([3])",
    ]
    assert differences(tensorflow, lines) == {}
