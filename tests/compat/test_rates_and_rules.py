"""refflow.compat.v1: rates that decay and rules of optimizers, against the formulas in NumPy."""

import numpy as np
import pytest

import refflow.compat.v1 as tf

STEPS = np.array([0, 1, 3, 5, 9, 10, 12, 30])
T = np.minimum(STEPS, 10) / 10


def rates(build):
    with tf.Graph().as_default(), tf.Session() as session:
        step = tf.placeholder(tf.int32, [])
        rate = build(step)
        return [float(session.run(rate, {step: s})) for s in STEPS]


def wave(turns):
    return (1 + np.cos(np.pi * turns)) / 2


def restarted():
    """Times of 4, 8 and 16 steps, each from half as high as the one before."""
    found = []
    for step in STEPS:
        start, length, height = 0, 4, 1.0
        while step >= start + length:
            start, length, height = start + length, 2 * length, height / 2
        found.append(0.1 * height * wave((step - start) / length))
    return found


DECAYS = [
    (lambda s: tf.train.natural_exp_decay(0.1, s, 3, 0.5), 0.1 * np.exp(-0.5 * STEPS / 3)),
    (lambda s: tf.train.inverse_time_decay(0.1, s, 3, 0.5, staircase=True), 0.1 / (1 + 0.5 * (STEPS // 3))),
    (lambda s: tf.train.exponential_decay(0.1, s, 3, 0.5), 0.1 * 0.5 ** (STEPS / 3)),
    (lambda s: tf.train.polynomial_decay(0.1, s, 10, 0.01, 2.0), 0.09 * (1 - T) ** 2 + 0.01),
    (lambda s: tf.train.polynomial_decay(0.1, s, 10, 0.01, cycle=True),
     0.09 * (1 - STEPS / (10 * np.maximum(1, np.ceil(STEPS / 10)))) + 0.01),
    (lambda s: tf.train.cosine_decay(0.1, s, 10, alpha=0.2), 0.1 * (0.8 * wave(T) + 0.2)),
    (lambda s: tf.train.cosine_decay_restarts(0.1, s, 4, m_mul=0.5), restarted()),
    (lambda s: tf.train.linear_cosine_decay(0.1, s, 10), 0.1 * ((1 - T) * wave(T) + 0.001)),
    (lambda s: tf.train.noisy_linear_cosine_decay(0.1, s, 10, initial_variance=0.0),
     0.1 * ((1 - T) * wave(T) + 0.001)),
    (lambda s: tf.train.piecewise_constant(s, [3, 10], [1.0, 0.5, 0.1]), np.select([STEPS <= 3, STEPS <= 10],
                                                                                    [1.0, 0.5], 0.1)),
]  # fmt: skip


@pytest.mark.parametrize(("build", "expected"), DECAYS)
def test_a_rate_follows_its_formula(build, expected):
    np.testing.assert_allclose(rates(build), expected, rtol=1e-5, atol=1e-6)


def test_noise_on_a_rate_has_the_variance_that_is_asked_for():
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(3)
        rate = tf.train.noisy_linear_cosine_decay(1.0, 3, 10, initial_variance=0.04, variance_decay=1.0, beta=0.0)
        found = np.array([session.run(rate) for _ in range(400)])
        assert found.mean() == pytest.approx(0.7 * wave(0.3), abs=0.03)
        assert found.std() == pytest.approx(0.1 * wave(0.3), rel=0.2)


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: tf.train.cosine_decay(0.1, None, 3), "global_step is required"),
        (lambda: tf.train.piecewise_constant(1, [2], [1.0]), "1 less than"),
        (lambda: tf.train.piecewise_constant(1, [2.5], [1.0, 2.0]), "same dtype as x"),
        (lambda: tf.train.piecewise_constant(1, [2], [1.0, 2]), "elements all with the same dtype"),
        (lambda: tf.train.ProximalAdagradOptimizer(0.1, 0.0), "must be positive"),
        (lambda: tf.train.AdagradDAOptimizer(0.1, 0, 0.0), "must be positive"),
        (lambda: tf.train.FtrlOptimizer(0.1, l2_shrinkage_regularization_strength=-1.0), "positive or zero"),
        (lambda: tf.train.GradientDescentOptimizer(0.1).apply_gradients([]), "No variables provided"),
        (lambda: tf.train.GradientDescentOptimizer(0.1).minimize(tf.constant(1.0)), "No variables to optimize"),
    ],
)
def test_what_cannot_be_is_refused(build, text):
    with tf.Graph().as_default(), pytest.raises(ValueError, match=text):
        build()


def trained(make, steps=3, sparse=False, start=(1.0, -2.0, 0.05), handle=False):
    """The variable after some steps along the slope of the sum of its squares; sparse: only of its first element."""
    with tf.Graph().as_default(), tf.Session() as session:
        v = tf.get_variable("v", initializer=np.array(start, np.float32), use_resource=handle)
        step = tf.train.get_or_create_global_step()
        seen = tf.gather(v, [0, 0]) if sparse else v
        train = make(step).minimize(tf.reduce_sum(seen * seen), step)
        session.run(tf.global_variables_initializer())
        for _ in range(steps):
            session.run(train)
        assert session.run(step) == steps and train in tf.get_collection("train_op")
        return session.run(v)


def shrunk(x, rate, l1, l2):
    """The point nearest to x with the penalties taken off."""
    return np.sign(x) * np.maximum(np.abs(x) - rate * l1, 0) / (1 + rate * l2)


@pytest.mark.parametrize("handle", [False, True])
def test_proximal_descent_takes_a_step_then_shrinks(handle):
    x = np.array([1.0, -2.0, 0.05])
    for _ in range(3):
        x = shrunk(x - 0.1 * 2 * x, 0.1, 0.3, 0.2)
    found = trained(lambda _: tf.train.ProximalGradientDescentOptimizer(0.1, 0.3, 0.2), handle=handle)
    np.testing.assert_allclose(found, x, rtol=1e-5)
    assert found[2] == 0


def test_proximal_adagrad_has_a_rate_for_each_element():
    x, squares = np.array([1.0, -2.0, 0.05]), np.full(3, 0.1)
    for _ in range(3):
        slope = 2 * x
        squares = squares + slope**2
        rate = 0.1 / np.sqrt(squares)
        x = shrunk(x - rate * slope, rate, 0.3, 0.2)
    found = trained(lambda _: tf.train.ProximalAdagradOptimizer(0.1, 0.1, 0.3, 0.2))
    np.testing.assert_allclose(found, x, rtol=1e-5)


def test_dual_averaging_counts_all_gradients_so_far():
    x, total, squares = np.array([1.0, -2.0, 0.05]), np.zeros(3), np.full(3, 0.1)
    for _ in range(3):
        slope = 2 * x
        total, squares = total + slope, squares + slope**2
        x = -0.1 * total / np.sqrt(squares)
    found = trained(lambda step: tf.train.AdagradDAOptimizer(0.1, step))
    np.testing.assert_allclose(found, x, rtol=1e-5)


def test_centered_squares_are_a_variance():
    x, mean, squares, move = np.array([1.0, -2.0, 0.05]), 0.0, 1.0, 0.0
    for _ in range(3):
        slope = 2 * x
        mean, squares = 0.9 * mean + 0.1 * slope, 0.9 * squares + 0.1 * slope**2
        move = 0.5 * move + 0.1 * slope / np.sqrt(squares - mean**2 + 1e-3)
        x = x - move
    found = trained(lambda _: tf.train.RMSPropOptimizer(0.1, 0.9, 0.5, 1e-3, centered=True))
    np.testing.assert_allclose(found, x, rtol=1e-5)


@pytest.mark.parametrize(
    "make",
    [
        lambda step: tf.train.ProximalGradientDescentOptimizer(0.1),
        lambda step: tf.train.ProximalAdagradOptimizer(0.1),
        lambda step: tf.train.AdagradDAOptimizer(0.1, step),
        lambda step: tf.train.AdadeltaOptimizer(0.1),
        lambda step: tf.train.RMSPropOptimizer(0.1, centered=True),
        lambda step: tf.train.MomentumOptimizer(0.1, 0.5, use_nesterov=True),
        lambda step: tf.train.FtrlOptimizer(0.1, l2_shrinkage_regularization_strength=0.1),
    ],
)
def test_a_gradient_of_one_row_leaves_the_others_alone(make):
    found = trained(make, sparse=True)
    assert found[0] != 1.0 and found[1:].tolist() == [-2.0, np.float32(0.05)]


def test_a_gradient_of_the_loss_may_be_given():
    with tf.Graph().as_default(), tf.Session() as session:
        v = tf.Variable(2.0)
        ((slope, _),) = tf.train.AdamOptimizer().compute_gradients(3 * v, grad_loss=tf.constant(5.0))
        session.run(v.initializer)
        assert session.run(slope) == 15


def test_averages_are_restored_in_the_variables_place():
    with tf.Graph().as_default():
        v, other = tf.Variable(2.0, name="v"), tf.Variable(1.0, trainable=False, name="other")
        average = tf.train.ExponentialMovingAverage(0.9, name="mean")
        average.apply([v])
        found = average.variables_to_restore()
        assert found["v/mean"] is v and found["other"] is other


@pytest.mark.parametrize("handle", [False, True])
def test_an_average_of_tensors_has_no_bias_with_zero_debias(handle):
    with tf.Graph().as_default(), tf.Session() as session:
        v, x = tf.get_variable("v", initializer=[4.0], use_resource=handle), tf.placeholder(tf.float32, [1], name="x")
        average = tf.train.ExponentialMovingAverage(0.9, zero_debias=True)
        move, again = average.apply([v, x]), average.apply([v])
        assert average.average(x).name == "x/ExponentialMovingAverage:0"
        assert [v] == tf.moving_average_variables() and move is not again
        session.run(tf.global_variables_initializer())
        for seen, mean in ([2.0], 2.0), ([5.0], (0.09 * 2 + 0.1 * 5) / 0.19):
            session.run(move, {x: seen})
            np.testing.assert_allclose(session.run(average.average(x)), [mean], rtol=1e-5)
        assert session.run(average.average(v)).tolist() == [4.0]


# -- what an optimizer makes, and what it holds to ----------------------------------------------------------------


def test_slots_are_named_in_the_scope_in_force():
    with tf.Graph().as_default():
        with tf.variable_scope("a"):
            v = tf.get_variable("v", initializer=1.0)
            adam = tf.train.AdamOptimizer(0.1)
            adam.minimize(v * v)
        assert [s.name for s in adam.variables()] == ["a/a/v/Adam:0", "a/a/v/Adam_1:0", "a/beta1_power:0",
                                                      "a/beta2_power:0"]  # fmt: skip
        assert not any(s.trainable for s in adam.variables()) and type(adam.variables()[0]) is type(v)
        ftrl = tf.train.FtrlOptimizer(0.1, initial_accumulator_value=0.0, accum_name="A", linear_name="L")
        ftrl.minimize(v * v)
        assert [s.name for s in ftrl.variables()] == ["a/v/A:0", "a/v/L:0"]


def test_slots_of_parts_are_kept_as_parts(tmp_path):
    with tf.Graph().as_default(), tf.Session() as session:
        v = tf.get_variable("v", [4], initializer=tf.ones_initializer(), partitioner=tf.fixed_size_partitioner(2))
        train = tf.train.MomentumOptimizer(0.1, 0.5).minimize(tf.square(tf.convert_to_tensor(v)))
        session.run(tf.global_variables_initializer())
        session.run(train)
        kept = tf.train.load_checkpoint(tf.train.Saver().save(session, str(tmp_path / "model")))
        assert kept.get_variable_to_shape_map() == {"v": [4], "v/Momentum": [4]}
        assert kept.get_tensor("v/Momentum").tolist() == [2, 2, 2, 2]


def test_a_slot_may_have_a_shape_that_a_step_alone_knows():
    with tf.Graph().as_default(), tf.Session() as session:
        start = tf.placeholder_with_default(np.ones(2, np.float32), None)
        v = tf.Variable(start, validate_shape=False)
        adagrad = tf.train.AdagradOptimizer(0.1, 3.0)
        train = adagrad.minimize(tf.reduce_sum(v))
        session.run(tf.global_variables_initializer())
        session.run(train)
        assert session.run(adagrad.get_slot(v, "accumulator")).tolist() == [4.0, 4.0]


@pytest.mark.parametrize("handle", [False, True])
def test_a_constraint_is_held_after_each_update(handle):
    with tf.Graph().as_default(), tf.Session() as session:
        v = tf.get_variable("v", initializer=[1.0, -2.0], use_resource=handle, constraint=lambda x: tf.maximum(x, 0.5))
        descent = tf.train.GradientDescentOptimizer(0.1)
        train = descent.minimize(v * v)
        session.run(tf.global_variables_initializer())
        session.run(train)
        np.testing.assert_allclose(session.run(v), [0.8, 0.5], rtol=1e-6)
        with pytest.raises(RuntimeError, match="sparse variable"):
            descent.minimize(tf.gather(v, [0]))


@pytest.mark.parametrize(
    "make",
    [
        lambda rate: tf.train.GradientDescentOptimizer(rate),
        lambda rate: tf.train.MomentumOptimizer(rate, lambda: tf.constant(0.0)),
        lambda rate: tf.train.FtrlOptimizer(rate, learning_rate_power=0.0),
    ],
)
def test_a_setting_may_be_a_function(make):
    given, called = (trained(lambda _, r=rate: make(r)) for rate in (0.1, lambda: 0.1))
    np.testing.assert_array_equal(given, called)
    with pytest.raises(ValueError, match="None values"):
        trained(lambda _: make(None))


def test_a_rate_of_float64_is_not_rounded():
    with tf.Graph().as_default(), tf.Session() as session:
        v = tf.Variable(np.float64(1.0))
        train = tf.train.GradientDescentOptimizer(np.float64(0.1)).minimize(v)
        session.run(v.initializer)
        session.run(train)
        assert session.run(v) == 0.9


def test_variables_to_train_may_be_nested_and_need_a_type_only_with_a_gradient():
    with tf.Graph().as_default():
        v, number = tf.Variable(2.0), tf.Variable(1)
        descent = tf.train.GradientDescentOptimizer(0.1)
        pairs = descent.compute_gradients(v * v, {"a": [v], "b": (number,)})
        assert [p[1] for p in pairs] == [v, number] and pairs[0][0] is not None and pairs[1][0] is None


def test_gradients_of_narrow_floats_begin_with_one():
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.constant([1.0, 2.0], tf.bfloat16)
        (slope,) = tf.gradients(tf.reduce_sum(x * x), [x])
        assert session.run(tf.cast(slope, tf.float32)).tolist() == [2.0, 4.0]


@pytest.mark.parametrize("method", [0, 1, 2])
def test_a_gradient_of_rows_and_of_all_is_a_tensor(method):
    with tf.Graph().as_default(), tf.Session() as session:
        v = tf.get_variable("v", initializer=np.ones([3, 1], np.float32))
        (slope,) = tf.gradients(tf.reduce_sum(tf.gather(v, [0, 0])) + tf.reduce_sum(v * v), [v],
                                aggregation_method=method)  # fmt: skip
        session.run(v.initializer)
        assert session.run(slope).tolist() == [[4.0], [2.0], [2.0]]
