"""cond, case, While and what is built on them: values, and derivatives of any order against differences."""

import numpy as np
import pytest

import refflow as tf

BOTH = [True, False]


def loop(count, body, *start):
    """The last of the variables after `count` turns of body(i, *variables)."""
    return tf.while_loop(lambda i, *_: i < count, lambda i, *v: [i + 1, *as_list(body(i, *v))], [0, *start])[-1]


def as_list(value):
    return list(value) if isinstance(value, tuple) else [value]


def check(build, at, order=2):
    """Each derivative along a direction is the slope of the one before it."""
    x = tf.placeholder(tf.float64, np.shape(at))
    along = np.random.default_rng(1).normal(size=np.shape(at))
    found = [tf.reduce_sum(build(x))]
    for _ in range(order):
        (slope,) = tf.gradients(found[-1], x)
        found.append(tf.reduce_sum(tf.convert_to_tensor(slope) * along))
    at, step = np.asarray(at), 1e-6
    with tf.Session() as session:
        ahead, here, behind = (session.run(found, {x: at + d * along}) for d in (step, 0, -step))
    for k in range(order):
        assert here[k + 1] == pytest.approx((ahead[k] - behind[k]) / (2 * step), rel=1e-5, abs=1e-5)


X = [1.1, 0.7]
TAKEN = {"then": lambda: tf.constant(1) < 2, "other": lambda: tf.constant(1) > 2}


@pytest.mark.parametrize("pred", TAKEN.values(), ids=TAKEN)
def test_a_branch_has_derivatives(pred):  # [W43]
    check(lambda x: tf.cond(pred(), lambda: x * x * x, lambda: tf.exp(x)), X, 3)
    check(lambda x: tf.cond(pred(), lambda: x * x, lambda: tf.constant(X, tf.float64)) + x, X)
    check(lambda x: tf.cond(pred(), lambda: tf.cond(x[0] > 5.0, lambda: x, lambda: x * x), lambda: tf.sin(x)), X)


@pytest.mark.parametrize("turns", [0, 1, 4])
def test_a_loop_has_derivatives(turns):  # [W43]
    check(lambda x: loop(turns, lambda i, a: a * x, x), X, 3)
    check(lambda x: loop(turns, lambda i, a, b: (a + b * x, tf.tanh(a)), x, x * 2.0), X)


def test_the_gradient_of_a_loop_is_a_loop_over_kept_values(graph):  # [W43]
    """d x^n / dx = n x^(n - 1), by a second loop that takes from a list what the first one left there."""
    n = tf.placeholder(tf.int32, [])
    x = tf.constant(1.5, tf.float64)
    power = loop(n, lambda i, a: a * x, tf.constant(1.0, tf.float64))
    before = [op.type for op in graph.get_operations()]
    (slope,) = tf.gradients(power, x)
    added = [op.type for op in graph.get_operations()]
    assert (before.count("LoopCond"), added.count("LoopCond")) == (1, 2)
    assert not any(kind.startswith("TensorList") for kind in before)
    assert {"TensorListPushBack", "TensorListPopBack"} <= set(added)
    for options in ({}, {"executor": "executor"}):
        with tf.Session(**options) as session:
            for turns in (0, 1, 7):
                assert session.run(slope, {n: turns}) == pytest.approx(turns * 1.5 ** (turns - 1), rel=1e-12)


def test_the_gradient_of_a_switch_is_a_merge_and_the_reverse(graph):  # [W43]
    taken, x = tf.placeholder(tf.bool, []), tf.constant(3.0)
    y = tf.cond(taken, lambda: x * x, lambda: -x)
    before = [op.type for op in graph.get_operations()]
    (slope,) = tf.gradients(y, x)
    added = [op.type for op in graph.get_operations()][len(before) :]
    assert "Switch" in added and "Merge" in added
    with tf.Session() as session:
        assert [session.run(slope, {taken: t}) for t in BOTH] == [6.0, -1.0]


def test_cond_and_while_are_made_of_the_five_nodes(graph):  # [W39, E12]
    """They stood in the release without being public; here they are, as nodes."""
    from refflow.control_flow_ops import While

    tf.cond(tf.constant(True), lambda: tf.constant(1), lambda: tf.constant(2))
    assert {op.type for op in graph.get_operations()} == {"Const", "Switch", "Identity", "Merge"}
    turns = While(lambda i: i < 2, lambda i: i + 1, 0)
    assert {"Enter", "Exit", "NextIteration", "LoopCond"} < {op.type for op in graph.get_operations()}
    with tf.Session() as session:
        assert session.run(turns) == 2


POINTED = {
    "power series": lambda x: loop(5, lambda i, a, s: (a * x, s + a), tf.ones_like(x), x * 0.0),
    "a row in each turn": lambda x: loop(2, lambda i, a: a + tf.gather(x, i) * tf.gather(x, 1 - i), x[0]),
    "a loop in a loop": lambda x: loop(3, lambda i, a: loop(i + 1, lambda j, c: c * x + tf.sin(c), a), x),
    "a branch in a loop": lambda x: loop(
        4, lambda i, a: tf.cond(tf.equal(i % 2, 0), lambda: a * x, lambda: tf.sin(a) + x), x
    ),
    "branches in a branch in a loop": lambda x: loop(
        4,
        lambda i, a: tf.cond(
            i < 3,
            lambda: tf.cond(tf.equal(i, 1), lambda: tf.exp(a) * x * 0.1, lambda: tf.sin(a) + x),
            lambda: a * a,
        ),
        x,
    ),
    "a loop in a branch": lambda x: tf.cond(x[0] > 0.0, lambda: loop(3, lambda i, a: a * x, x), lambda: x),
    "a loop in a branch in a loop": lambda x: loop(
        3, lambda i, a: tf.cond(tf.equal(i, 1), lambda: loop(2, lambda j, c: c * x, a), lambda: a + x), x
    ),
    "a gradient in a loop": lambda x: loop(
        3, lambda i, a: a - 0.1 * tf.gradients(tf.reduce_sum(a * a * a), a)[0], x
    ),
    "a loop's gradient in a loop": lambda x: loop(
        2, lambda i, a: a - 0.1 * tf.gradients(tf.reduce_sum(loop(2, lambda j, c: c * a, a)), a)[0], x
    ),
    "a fold": lambda x: tf.control_flow_ops.fold(lambda a, b: a * b + a, x, []),
    "at most three turns": lambda x: tf.while_loop(
        lambda a: tf.reduce_sum(a) < 100.0, lambda a: a * x * 2.0, [x], maximum_iterations=3
    ),
}  # fmt: skip


@pytest.mark.parametrize(("name", "build"), POINTED.items(), ids=POINTED)
def test_loops_and_branches_nest(name, build):  # [W40, W43]
    check(build, X, order=1 if name == "a loop's gradient in a loop" else 2)


ROWS = [[1.0, 2.0], [3.0, 0.4], [0.5, 0.6]]
BY_ROWS = {
    "map_fn": lambda x: tf.map_fn(lambda r: r * tf.reduce_sum(r * r), x),
    "map_fn of two": lambda x: tf.map_fn(lambda r: (r[0] * r[1], r[0]), (x, x * 2.0))[0],
    "scan": lambda x: tf.scan(lambda a, r: a * r + a, x),
    "scan from the end": lambda x: tf.scan(lambda a, r: tf.sin(a) * r, x, tf.ones_like(x[0]), reverse=True),
    "foldl": lambda x: tf.foldl(lambda a, r: a * r + a, x),
    "foldr": lambda x: tf.foldr(lambda a, r: a * r + a, x, tf.ones_like(x[0])),
    "split and concat": lambda x: tf.TensorArray(tf.float64, 2).split(x, [1, 2]).concat() ** 2.0,
    "scatter and stack": lambda x: tf.TensorArray(tf.float64, 3).scatter([2, 0, 1], x).stack() ** 3.0,
    "gather": lambda x: tf.TensorArray(tf.float64, 3).unstack(x).gather([2, 2, 0]) ** 3.0,
}


@pytest.mark.parametrize("build", BY_ROWS.values(), ids=BY_ROWS)
def test_functions_of_rows_have_derivatives(build):
    check(build, ROWS)


def test_an_array_is_written_and_read_in_a_loop():
    def build(x):
        rows = tf.TensorArray(tf.float64, 3).unstack(x)
        made = tf.TensorArray(tf.float64, 0, dynamic_size=True)
        made = loop(3, lambda i, a: a.write(i, rows.read(i) * rows.read(2 - i)), made)
        return made.concat() * tf.reshape(made.stack(), [-1])

    check(build, ROWS)


def test_functions_of_rows_give_what_they_say():
    x = tf.constant([1.0, 2.0, 3.0])
    found = [
        tf.map_fn(lambda r: r * r, x), tf.scan(lambda a, r: a + r, x), tf.foldl(lambda a, r: a - r, x),
        tf.foldr(lambda a, r: a - r, x), tf.scan(lambda a, r: a + r, x, reverse=True),
        tf.map_fn(lambda r: tf.cast(r, tf.int32), x, dtype=tf.int32),
    ]  # fmt: skip
    with tf.Session() as session:
        values = [v.tolist() for v in session.run(found)]
    assert values == [[1, 4, 9], [1, 3, 6], -4, 0, [6, 5, 3], [1, 2, 3]]
    with pytest.raises(ValueError, match="must be 1\\+ dimensional"):
        tf.map_fn(lambda r: r, tf.constant(1.0))


@pytest.mark.parametrize("policy", ["fifo", "lifo", "random(3)"])
def test_variables_change_where_the_flow_goes(policy):  # [W39, W11]
    v, pred = tf.Variable(2.0), tf.placeholder(tf.bool, [])
    chosen = tf.cond(pred, lambda: tf.assign(v, 5.0), lambda: tf.assign_add(v, 1.0))
    done = tf.cond(pred, lambda: tf.assign(v, 7.0).op, lambda: tf.no_op())

    def body(i):
        with tf.control_dependencies([tf.assign_add(v, 1.0)]):
            return tf.identity(i) + 1

    counted = tf.control_flow_ops.While(lambda i: i < 3, body, [0])
    (slope,) = tf.gradients(loop(3, lambda i, a: a * v, tf.constant(1.0)), v)
    with tf.Session(policy=policy) as session:
        session.run(tf.initialize_all_variables())
        assert session.run(slope) == 12.0
        assert [session.run(counted), session.run(v)] == [3, 5.0]
        assert [session.run(chosen, {pred: p}) for p in (False, True)] == [6.0, 5.0]
        assert session.run(done, {pred: False}) is None and session.run(v) == 5.0
        assert session.run(done, {pred: True}) is None and session.run(v) == 7.0


@pytest.mark.parametrize("options", [{}, {"executor": "executor"}], ids=str)
def test_a_change_by_what_is_outside_the_loop_happens_once_an_iteration(options):  # [W39]
    v, one = tf.Variable(0.0), tf.constant(1.0)

    def body(i):
        with tf.control_dependencies([tf.assign_add(v, one)]):
            return tf.identity(i) + 1

    end = tf.control_flow_ops.While(lambda i: i < 3, body, [0])
    with tf.Session(**options) as session:
        session.run(tf.initialize_all_variables())
        assert [session.run(end), session.run(v)] == [3, 3.0]


def test_case_takes_the_first_that_is_true():  # [W39]
    x = tf.placeholder(tf.int32, [])
    pairs = [(x < 5, lambda: tf.constant(1)), (x < 10, lambda: tf.constant(2))]
    first = tf.case(pairs, default=lambda: tf.constant(3))
    alone = tf.case(pairs, default=lambda: tf.constant(3), exclusive=True)
    forced = tf.case(pairs)
    numbered = tf.switch_case(x, [lambda: tf.constant(10), lambda: tf.constant(20)], lambda: tf.constant(99))
    with tf.Session() as session:
        assert [session.run(first, {x: n}) for n in (1, 7, 12)] == [1, 2, 3]
        assert [session.run(numbered, {x: n}) for n in (0, 1, 2, -1)] == [10, 20, 99, 99]
        assert session.run(alone, {x: 7}) == 2
        with pytest.raises(tf.errors.InvalidArgumentError, match="more than 1 conditions"):
            session.run(alone, {x: 1})
        with pytest.raises(tf.errors.InvalidArgumentError, match="None of conditions evaluated as True"):
            session.run(forced, {x: 12})


def test_structures_go_round():
    start = {"a": tf.constant(1), "b": [tf.constant(2.0), tf.constant([3.0])]}
    i, end = tf.while_loop(
        lambda i, s: i < 2, lambda i, s: (i + 1, {"a": s["a"] + 1, "b": [s["b"][0] * 2.0, s["b"][1] + 1.0]}), [0, start]
    )
    sparse = tf.SparseTensor([[0, 0]], [1.0], [2, 2])
    doubled = loop(3, lambda i, s: tf.SparseTensor(s.indices, s.values * 2.0, s.shape), sparse)
    with tf.Session() as session:
        assert session.run([i, end["a"], end["b"][0]]) == [2, 3, 8.0]
        assert session.run(end["b"][1]).tolist() == [5.0]
        assert session.run(doubled.values).tolist() == [8.0]


def test_wrong_calls_say_what_is_wrong():
    x = tf.constant([1.0, 2.0])
    with pytest.raises(TypeError, match="must not be a Python bool"):
        tf.cond(True, lambda: x, lambda: x)
    with pytest.raises(TypeError, match="two functions"):
        tf.cond(x[0] > 0.0, x, x)
    with pytest.raises(TypeError, match="must have the same type"):
        tf.cond(x[0] > 0.0, lambda: x, lambda: tf.constant(1))
    with pytest.raises(ValueError, match="same structure"):
        tf.cond(x[0] > 0.0, lambda: (x, x), lambda: (x, x, x))
    with pytest.raises(ValueError, match="is not an invariant for the loop"):
        loop(3, lambda i, a: tf.concat(0, [a, a]), x)
    with pytest.raises(ValueError, match="at least one variable"):
        tf.while_loop(lambda: x, lambda: x, [])
    grown = tf.while_loop(lambda i, a: i < 2, lambda i, a: [i + 1, tf.concat(0, [a, a])], [0, x], [[], [None]])[1]
    assert grown.get_shape().as_list() == [None]
    with tf.Session() as session:
        assert session.run(grown).tolist() == [1, 2] * 4


def test_slopes_that_nothing_leads_to():
    x, y = tf.constant(1.0), tf.constant(2.0)
    z = loop(3, lambda i, a: a * x, x)
    assert tf.gradients(z, y) == [None]
    slopes = tf.gradients(loop(3, lambda i, a: tf.stop_gradient(a) * 2.0, x) + y, [x, y])
    with tf.Session() as session:  # a loop has slopes for all that it turns, be they zero
        assert session.run(slopes) == [0.0, 1.0]
