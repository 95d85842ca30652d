"""Optimizers: the nodes they add, the types they take, and what they refuse."""

import numpy as np
import pytest

import refflow as tf
import refflow.compat.v1 as v1


def descend(loss, variable, rate=0.5, **options):
    step = tf.train.GradientDescentOptimizer(rate).minimize(loss, **options)
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        session.run(step)
        return session.run(variable)


def test_minimize_returns_one_operation_named_after_the_optimizer():  # [S21]
    v = tf.Variable(1.0)
    step = tf.train.GradientDescentOptimizer(0.5).minimize(v * v)
    assert (step.name, step.type) == ("GradientDescent", "NoOp")
    assert [op.type for op in step.control_inputs] == ["ApplyGradientDescent"]


@pytest.mark.parametrize("rate", [0.5, np.float32(0.5)])
def test_the_rate_may_be_a_number_or_a_tensor(rate):  # [S20]
    v, w = tf.Variable(3.0), tf.Variable(3.0)
    assert descend(v * v, v, rate) == 0.0
    assert descend(w * w, w, tf.constant(0.5)) == 0.0


def test_doubles_are_trained_too():  # [E26]
    v = tf.Variable(np.float64(3.0))
    assert descend(v * v, v) == 0.0 and descend(v * v, v).dtype == np.float64


def test_other_types_are_refused_by_name():  # [E26]
    v = tf.Variable(3, name="count")
    with pytest.raises(TypeError, match="'count:0' is int32, but optimizers take float32 and float64"):
        tf.train.GradientDescentOptimizer(0.5).minimize(tf.cast(v, tf.float32))


def test_a_loss_without_a_path_to_a_variable_is_an_error():
    tf.Variable(1.0, name="v")
    with pytest.raises(ValueError, match="no path leads from 'Const:0' back to any variable of: v:0"):
        tf.train.GradientDescentOptimizer(0.5).minimize(tf.constant(1.0))
    with tf.Graph().as_default(), pytest.raises(ValueError, match="no variables to optimize"):
        tf.train.GradientDescentOptimizer(0.5).minimize(tf.constant(1.0))


def test_where_the_way_to_the_variables_ends_is_said():
    w = tf.Variable([1.0, 2.0], name="w")
    chosen = tf.cast(tf.argmax(2.0 * w, 0, name="chosen"), tf.float32)
    rounded = tf.cast(tf.cast(w, tf.int32, name="rounded"), tf.float32)
    loss = chosen + tf.reduce_sum(rounded)
    with pytest.raises(ValueError, match="Nothing flows back through ArgMax 'chosen', Cast 'rounded'$"):
        tf.train.GradientDescentOptimizer(0.1).minimize(loss)


def test_only_the_listed_variables_change():
    a, b = tf.Variable(1.0), tf.Variable(1.0)
    assert descend(a * b, b, var_list=[a]) == 1.0


def test_a_step_is_counted_after_the_update():
    v, count = tf.Variable(1.0), tf.Variable(0, trainable=False)
    assert descend(v * v, count, global_step=count) == 1


@pytest.mark.parametrize("gate", ["GATE_NONE", "GATE_OP", "GATE_GRAPH"])
def test_every_gate_gives_the_same_numbers_and_its_own_nodes(graph, gate):  # [W80]
    a, b = tf.Variable(2.0), tf.Variable(3.0)
    result = descend(a * b, a, 1.0, gate_gradients=getattr(tf.train.Optimizer, gate))
    assert result == -1.0
    gates = [op.name for op in graph.get_operations() if op.name.endswith("group_deps")]
    assert gates == {
        "GATE_NONE": [],
        "GATE_OP": ["gradients/mul_grad/tuple/group_deps"],
        "GATE_GRAPH": ["tuple/group_deps"],
    }[gate]


def test_gradients_may_be_changed_between_the_two_halves():
    v = tf.Variable(3.0)
    optimizer = tf.train.GradientDescentOptimizer(1.0)
    pairs = [(g * 0.5, w) for g, w in optimizer.compute_gradients(v * v)]
    step = optimizer.apply_gradients(pairs)
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        session.run(step)
        assert session.run(v) == 0.0


def test_gradients_that_are_all_none_are_refused():
    v = tf.Variable(3.0)
    with pytest.raises(ValueError, match="every one is None"):
        tf.train.GradientDescentOptimizer(1.0).apply_gradients([(None, v)])


def closed_form(kind, gradients):
    """The release's formulas in float64, one number at a time."""
    w, a, b = 1.0, {"Adagrad": 0.1, "RMSProp": 1.0}.get(kind, 0.0), 0.0
    for step, g in enumerate(gradients, 1):
        if kind == "Momentum":
            a = 0.9 * a + g
            w -= 0.1 * a
        elif kind == "Adagrad":
            a += g * g
            w -= 0.1 * g / a**0.5
        elif kind == "RMSProp":
            a += 0.1 * (g * g - a)
            b = 0.5 * b + 0.1 * g / (a + 1e-10) ** 0.5
            w -= b
        else:
            a, b = 0.9 * a + 0.1 * g, 0.999 * b + 0.001 * g * g
            w -= 0.1 * (1 - 0.999**step) ** 0.5 / (1 - 0.9**step) * a / (b**0.5 + 1e-8)
    return w


MAKE = {
    "Momentum": lambda: tf.train.MomentumOptimizer(0.1, 0.9),
    "Adagrad": lambda: tf.train.AdagradOptimizer(0.1),
    "RMSProp": lambda: tf.train.RMSPropOptimizer(0.1, 0.9, momentum=0.5),
    "Adam": lambda: tf.train.AdamOptimizer(0.1),
}


@pytest.mark.parametrize("options", [{}, {"executor": "executor"}, {"kernels": "reference"}], ids=str)
@pytest.mark.parametrize("kind", MAKE)
def test_optimizers_with_slots_follow_the_release_s_formulas(kind, options):  # [W78, S48]
    gradients = [0.5, -1.0, 2.0, 0.25, 0.0, 3.0]
    v, g = tf.Variable(np.float64([1.0])), tf.placeholder(tf.float64, [1])
    step = MAKE[kind]().apply_gradients([(g, v)])
    with tf.Session(**options) as session:
        session.run(tf.initialize_all_variables())
        for gradient in gradients:
            session.run(step, {g: [gradient]})
        assert session.run(v)[0] == pytest.approx(closed_form(kind, gradients), rel=1e-6)


@pytest.mark.parametrize("kind", ["Momentum", "Adagrad"])
def test_a_sparse_gradient_moves_its_rows_and_their_slots_alone(kind):  # [S50e]
    table = tf.Variable(np.float64([[1.0], [1.0], [1.0]]))
    optimizer = MAKE[kind]()
    step = optimizer.minimize(tf.reduce_sum(tf.gather(table, [1])))
    (name,) = optimizer.get_slot_names()
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        before = session.run(optimizer.get_slot(table, name))
        session.run(step)
        rows, slots = session.run([table, optimizer.get_slot(table, name)])
    assert rows[1, 0] == pytest.approx(closed_form(kind, [1.0])) and rows[[0, 2]].tolist() == [[1], [1]]
    assert (slots != before).ravel().tolist() == [False, True, False]


def test_a_slot_goes_where_its_variable_is_and_not_where_it_is_first_asked_for():  # [W37]
    v = tf.Variable([1.0, 2.0])
    momentum = tf.train.MomentumOptimizer(0.1, 0.9)
    with tf.device("/gpu:1"):
        momentum.apply_gradients([(tf.constant([1.0, 1.0]), v)])
    assert (v.device, momentum.get_slot(v, "momentum").device) == ("", "")


def test_slots_are_variables_that_are_initialized_and_not_trained():
    v = tf.Variable(1.0, name="v")
    optimizer = tf.train.AdamOptimizer()
    optimizer.minimize(v * v)
    assert optimizer.get_slot_names() == ["m", "v"]
    assert {x.op.name for x in tf.all_variables()} == {"v", "v/Adam", "v/Adam_1", "beta1_power", "beta2_power"}
    assert tf.trainable_variables() == [v]
    assert optimizer.get_slot(v, "nothing") is None


@pytest.mark.parametrize(("tf", "kind"), [(tf, np.float32), (tf, np.float64), (v1, np.float16), (v1, np.float64)])
def test_adam_s_powers_are_float32_whatever_the_variables_are(tf, kind):
    """Under one slope each step is as long as the rate. In float16 a power of 0.999 would not get smaller."""
    v = tf.Variable(np.array([1, 2, -3], kind), name="v")
    train = tf.train.AdamOptimizer(0.01).minimize(tf.reduce_sum(v * np.array([1, 0.5, 2], kind)))
    power1, power2 = (x for x in tf.all_variables() if x.op.name in ("beta1_power", "beta2_power"))
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        for _ in range(60):
            session.run(train)
        assert session.run([power1, power2]) == [pytest.approx(0.9**61, 1e-5), pytest.approx(0.999**61, 1e-5)]
        assert session.run(power2).dtype == np.float32
        error = 0.05 if kind is np.float16 else 2e-6
        np.testing.assert_allclose(session.run(v), np.array([1, 2, -3]) - 0.6, rtol=error)


def test_a_rate_in_python_counts_as_float32():
    v = tf.Variable(np.float64([0.0]))
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        session.run(tf.train.GradientDescentOptimizer(0.1).minimize(v * 1.0))
        assert session.run(v)[0] == -np.float64(np.float32(0.1))
