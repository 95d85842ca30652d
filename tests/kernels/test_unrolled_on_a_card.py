"""Loops whose turns can be counted are one stretch on a card, and do as the executor does turn by turn [W40, W80]."""

import numpy as np
import pytest

import refflow.compat.v1 as tf
from refflow.runtime.device import Device
from refflow.runtime.nodes import has_control_flow
from tests.counted_loops import run_all
from tests.kernels.test_gpu_device import simulated_gpu
from tests.runtime.test_branching_programs import assert_close


def powers(x):
    """The turns are counted by constants; what does not vary is made once."""
    w = tf.Variable(np.linspace(-0.3, 0.4, 16, dtype=np.float32).reshape(4, 4))
    _, y = tf.while_loop(lambda i, _: i < 3, lambda i, y: (i + 1, tf.tanh(tf.matmul(y, tf.transpose(w)))), [0, x])
    return [y, *tf.gradients(y, [x, w])]


def no_turn(x):
    """What enters leaves."""
    _, y = tf.while_loop(lambda i, _: i < 0, lambda i, y: (i + 1, y * 2), [0, x])
    return [y + 1, *tf.gradients(y, x)]


def arrays(x):
    """Elements of one array are read backwards and written to another, not in order; some are never set."""
    taken = tf.TensorArray(tf.float32, 4, clear_after_read=False).unstack(x)
    made = tf.TensorArray(tf.float32, 6, element_shape=[4], clear_after_read=False)

    def body(i, made, total):
        element = taken.read(3 - i)
        return i + 1, made.write((i * 2) % 5, element * 3), total + element

    _, made, total = tf.while_loop(lambda i, *_: i < 4, body, [0, made, tf.zeros([4])])
    found = [made.stack(), made.gather([2, 0]), total, made.size()]
    return found + tf.gradients(found[:3], x)


def arrays_that_grow(x):
    """Each turn adds an element, and reads the one before; what is scattered and read comes by its rows."""
    made = tf.TensorArray(tf.float32, 1, dynamic_size=True, clear_after_read=False).write(0, x[0])
    rows = tf.TensorArray(tf.float32, 4).scatter([3, 2, 1, 0], x * x)

    def body(i, made):
        return i + 1, made.write(i, made.read(i - 1) * 0.5 + rows.read(i))

    _, made = tf.while_loop(lambda i, _: i < 4, body, [1, made])
    first = tf.gradients(made.stack(), x)
    return [made.stack(), *first, *tf.gradients(tf.square(made.gather([3, 3])), x, name="gradients_again")]


def scanned(x):
    """A scan, a map and a fold, with their slopes."""
    a = tf.scan(lambda s, e: s * 0.5 + e, x)
    b = tf.map_fn(lambda e: tf.sin(e) * tf.reduce_sum(e), a)
    c = tf.foldl(lambda s, e: s - e * e, b)
    return [a, b, c, *tf.gradients(c, x)]


def nested(x):
    """A loop in a loop."""

    def outer(i, y):
        _, y = tf.while_loop(lambda j, _: j < 2, lambda j, y: (j + 1, y + x * tf.cast(i, tf.float32)), [0, y])
        return i + 1, tf.sqrt(tf.abs(y) + 1)

    return [tf.while_loop(lambda i, _: i < 3, outer, [0, x])[1]]


def slope_of_nested(x):
    """The gradient's inner loop counts what its outer one hands it."""
    return tf.gradients(nested(x), x)


def branch_in_a_turn(x):
    """Each turn decides for itself."""

    def body(i, y):
        return i + 1, tf.cond(tf.reduce_sum(y) > 1, lambda: y * 0.25, lambda: y + 2)

    _, y = tf.while_loop(lambda i, _: i < 4, body, [0, x])
    return [y, *tf.gradients(y, x)]


def recurrent(x):
    """Two dynamic nets one over the other, trained."""
    tf.set_random_seed(5)
    cells = tf.nn.rnn_cell.MultiRNNCell([tf.nn.rnn_cell.BasicLSTMCell(3), tf.nn.rnn_cell.GRUCell(2)])
    out, state = tf.nn.dynamic_rnn(cells, tf.reshape(x, [2, 2, 4]), dtype=tf.float32)
    loss = tf.reduce_sum(tf.square(out)) + tf.reduce_sum(state[0].h)
    step = tf.train.GradientDescentOptimizer(0.1).minimize(loss)
    with tf.control_dependencies([step]):
        return [out, loss, *(tf.identity(v) for v in tf.trainable_variables())]


def drawn(x):
    """Turns draw one after the other from one stream."""
    tf.set_random_seed(7)
    _, y = tf.while_loop(lambda i, _: i < 3, lambda i, y: (i + 1, tf.nn.dropout(y + 1, 0.5)), [0, x])
    return [y]


def drawn_in_branches(x):
    """Which turns draw is decided turn by turn."""
    tf.set_random_seed(7)

    def body(i, y):
        return i + 1, tf.cond(tf.equal(i % 2, 0), lambda: tf.nn.dropout(y + 1, 0.5), lambda: y * 2)

    _, y = tf.while_loop(lambda i, _: i < 4, body, [0, x])
    return [y]


def in_order(x):
    """What comes before the loop is seen in it, and who waits for it comes after."""
    v = tf.Variable(2.0)
    with tf.control_dependencies([tf.assign(v, 5.0)]):
        _, y = tf.while_loop(lambda i, _: i < 2, lambda i, y: (i + 1, y * v.read_value()), [0, x])
    with tf.control_dependencies([y]):
        after = tf.assign_add(v, 1.0)
    with tf.control_dependencies([after]):
        return [y, v.read_value()]


def bounded_by_data(x):
    """Nobody knows beforehand how often it turns."""
    return [tf.while_loop(lambda y: tf.reduce_sum(y) < 100, lambda y: y + 3, [x])]


def in_a_branch(x):
    """The loop as a whole may not run."""

    def loop():
        return tf.while_loop(lambda i, _: i < 3, lambda i, y: (i + 1, y * 2), [0, x])[1]

    return [tf.cond(tf.reduce_sum(x) > 0, loop, lambda: x)]


def counting(x):
    """Each turn changes a variable."""
    v = tf.Variable(0.0)

    def body(i, y):
        with tf.control_dependencies([tf.assign_add(v, 1.0)]):
            return i + 1, tf.identity(y) + 1

    _, y = tf.while_loop(lambda i, _: i < 3, body, [0, x])
    with tf.control_dependencies([y]):
        return [y, v.read_value()]


UNROLLED = (powers, no_turn, arrays, arrays_that_grow, scanned, nested, recurrent, drawn, in_order)
LEFT = (drawn_in_branches, slope_of_nested, branch_in_a_turn, bounded_by_data, in_a_branch, counting)


@pytest.mark.parametrize("build", UNROLLED + LEFT)
def test_a_card_does_as_the_executor(build):
    def run(**options):
        with tf.Graph().as_default() as graph, tf.Session(graph=graph, **options) as session:
            x = tf.placeholder(tf.float32, [None, 4])
            fetches = build(x)
            session.run(tf.global_variables_initializer())
            value = np.linspace(-0.5, 1.5, 16, dtype=np.float32).reshape(4, 4)
            kept = session.stages(session.signature(fetches, [x]), [value.shape]).partitioned
            places = [n.type for n in kept.nodes if n.type.startswith(("TensorArray", "TensorList"))]
            return has_control_flow(kept.nodes) or bool(places), [
                np.asarray(v) for _ in range(3) for v in session.run(fetches, {x: value})
            ]  # fmt: skip

    loops, found = run(devices=[Device(0), simulated_gpu()], allow_soft_placement=True)
    assert loops == (build in LEFT)
    assert_close(found, run(executor="executor", kernels="reference")[1])


@pytest.mark.parametrize("seed", (3, *(pytest.param(s, marks=pytest.mark.deep) for s in range(100, 140))))
def test_random_loops_do_as_the_executor(seed):
    found = run_all(seed, tf, devices=[Device(0), simulated_gpu()], allow_soft_placement=True)
    assert_close(found, run_all(seed, tf, executor="executor", kernels="reference"))


def test_a_recurrent_step_is_one_replay():
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [4, 4])
        loss = recurrent(x)[1]
        step = tf.train.GradientDescentOptimizer(0.1).minimize(loss)
        card = [Device(0), simulated_gpu()]
        with tf.Session(graph=graph, devices=card, allow_soft_placement=True) as session:
            session.run(tf.global_variables_initializer())
            stages = session.stages(session.signature([loss, step], [x]), [(4, 4)])
            plan = stages.executable(session.config, {})
    body = plan.source.partition("\ndef s0")[0]
    assert body.count("()\n") == 1, body  # one stretch, and what it leaves
