"""Towers: the gradient part of a graph for each shard, and nodes that combine [S53, S54, S64, S85]."""

import itertools
from collections import Counter

import numpy as np
import pytest

import refflow as tf
import refflow.compat.v1 as tf1
from refflow.core.errors import ShapeError
from refflow.train.towers import build_towers, combine_gradients, combine_losses
from tests.train.perceptron import RATE, START, Perceptron, X, Y, bits, trained

RNG = np.random.default_rng(8)


# -- a larger graph ------------------------------------------------------------------------------------------


def parts_of(k):
    """The nodes of a graph with k towers: of each tower with its shard, of what combines, and the rest.

    A node is its name, with a star for its scope, its type, inputs and attributes.
    """
    with tf.Graph().as_default() as graph:
        model = Perceptron([4] * k)
        shards = {t.op.name: f"tower_{i}/shard{j}" for i, pair in enumerate(model.shards) for j, t in enumerate(pair)}
        found = {}
        for op in graph.get_operations():
            name, *inputs = (shards.get(n, n) for n in (op.name, *op.node_def.input))
            scope = next((s for s in ("combine/", *(f"tower_{i}/" for i in range(k))) if name.startswith(s)), "")
            name, *inputs = (n.replace(scope, "*") if scope else n for n in (name, *inputs))
            found.setdefault(scope, []).append((name, op.type, inputs, str(op.node_def.attr)))
    return [found[f"tower_{i}/"] for i in range(k)], found.get("combine/", []), [node[:2] for node in found[""]]


def test_k_towers_add_k_copies_of_the_gradient_part_and_the_nodes_that_combine():  # [S53]
    (tower,), combining, rest = parts_of(1)
    assert len(tower) > 20 and combining == []
    for k in (2, 3, 4, 8):
        towers, combining, others = parts_of(k)
        assert towers == [tower] * k and others == rest
        assert Counter(node[1] for node in combining) == {"Add": 2 * (k - 1), "Div": 2, "Const": 2}  # of two variables


# -- the step of one large batch -------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 2, 4, 8])
def test_equal_shards_take_the_step_of_one_batch(k):  # [S54, S64, S85, W55]
    for got, wanted in zip(trained((6,) * k), trained((6 * k,)), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-12)


def test_ten_replicas_of_100_take_the_step_of_one_batch_of_1000():  # [W55, S64]
    data = {"x": np.random.default_rng(1).normal(size=(1000, 3)), "y": np.random.default_rng(2).normal(size=(1000, 2))}
    found = []
    for sizes in ([100] * 10, [1000]):
        with tf.Graph().as_default(), tf.Session() as session:
            found.append(Perceptron(sizes).trained(session, **data))
    for got, wanted in zip(*found, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-12)


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("sizes", [(3, 9), (5, 1, 7), (2, 4, 6, 8), (1, 47)])
def test_unequal_shards_count_by_their_size(sizes, dynamic):  # [S64]
    wanted = trained((sum(sizes),))
    for got, want in zip(trained(sizes, dynamic=dynamic), wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)
    halves = trained((sum(sizes) // 2,) * 2)  # another cut, but the same examples
    assert np.allclose(halves[0], wanted[0], rtol=1e-12) == (sum(sizes) % 2 == 0)


def linear(sizes, x, y):
    """The weights of a linear model after one step."""
    with tf.Graph().as_default(), tf.Session() as session:
        w = tf.Variable(np.array([[1.0], [-2.0]]), name="w")
        shards = [tuple(map(tf.constant, pair)) for pair in zip(*(np.split(a, sizes) for a in (x, y)), strict=True)]
        towers = build_towers(lambda a, b: tf.reduce_mean(tf.square(tf.matmul(a, w) - b)), shards)
        train = tf.train.GradientDescentOptimizer(RATE).apply_gradients(combine_gradients(towers))
        session.run(tf.initialize_all_variables())
        session.run(train)
        return session.run(w)


@pytest.mark.parametrize("k", [1, 2, 4, 8])
def test_where_sums_are_exact_so_is_the_step(k):  # [S64]
    """Small whole numbers in float64, shards of powers of two: no sum rounds, in whatever order."""
    x, y = RNG.integers(-8, 9, (32, 2)).astype(float), RNG.integers(-8, 9, (32, 1)).astype(float)
    w = np.array([[1.0], [-2.0]])
    wanted = w - RATE * 2 * x.T @ (x @ w - y) / 32
    assert linear([32 // k * i for i in range(1, k)], x, y).tobytes() == wanted.tobytes()


def test_the_tree_of_eight_is_that_of_two_times_four():  # [S64, S65]
    with tf.Graph().as_default(), tf.Session() as session:
        model = Perceptron([6] * 8)
        halves = [combine_gradients(model.towers[i : i + 4]) for i in (0, 4)]
        session.run(model.init)
        whole, *half = session.run([[g for g, _ in pairs] for pairs in (model.pairs, *halves)], model.feeds())
        assert bits(whole) == bits([(a + b) / 2 for a, b in zip(*half, strict=True)])
        loss, losses = session.run([combine_losses(model.towers), [t.loss for t in model.towers]], model.feeds())
        assert loss == np.add.reduce(np.array(losses).reshape(2, 2, 2)[..., ::1], axis=(2,)).sum(1).sum() / 8


def test_it_is_the_slope_of_the_loss_over_all_examples():  # [S64]
    """Against central differences of plain NumPy."""

    def loss(w, v):
        return np.square(np.tanh(X @ w) @ v - Y).sum(1).mean()

    with tf.Graph().as_default(), tf.Session() as session:
        model = Perceptron([5, 11, 32])
        session.run(model.init)
        dw, dv = session.run([g for g, _ in model.pairs], model.feeds())
        assert np.isclose(session.run(combine_losses(model.towers), model.feeds()), loss(**START))
    for i, j in itertools.product(range(3), range(4)):
        h = np.zeros((3, 4))
        h[i, j] = 1e-5
        slope = (loss(START["w"] + h, START["v"]) - loss(START["w"] - h, START["v"])) / 2e-5
        assert np.isclose(dw[i, j], slope, rtol=1e-6)
    assert dv.shape == (4, 2)


# -- rows, shared variables, and mistakes -----------------------------------------------------------------------


OPTIMIZERS = [tf.train.GradientDescentOptimizer, tf.train.AdagradOptimizer]


@pytest.mark.parametrize("make", OPTIMIZERS, ids=lambda m: m.__name__)
def test_rows_of_a_variable_stay_rows(make):  # [S50e, S64]
    rows, start = np.array([0, 2, 2, 5, 2, 1, 1, 0]), np.arange(12.0).reshape(6, 2)

    def trained(sizes):
        with tf.Graph().as_default(), tf.Session() as session:
            table = tf.Variable(start)
            shards = [[tf.constant(part)] for part in np.split(rows, np.cumsum(sizes)[:-1])]
            towers = build_towers(lambda r: tf.reduce_mean(tf.square(tf.gather(table, r))), shards)
            ((gradient, _),) = combine_gradients(towers)
            assert isinstance(gradient, tf.IndexedSlices)
            train = make(0.5).apply_gradients([(gradient, table)])
            session.run(tf.initialize_all_variables())
            session.run(train)
            return session.run(table)

    whole = trained([8])
    assert [i for i in range(6) if (whole[i] != start[i]).any()] == sorted(set(rows))
    np.testing.assert_allclose(trained([4, 4]), whole, rtol=1e-6)
    np.testing.assert_allclose(trained([1, 5, 2]), whole, rtol=1e-6)


def test_rows_and_whole_gradients_add_up(graph):
    table = tf.Variable(np.ones((3, 2)))
    kinds = iter((lambda x: tf.gather(table, [1]), lambda x: table.value() * 1.0))
    towers = build_towers(lambda x: tf.reduce_sum(next(kinds)(x)), [[tf.ones([1])], [tf.ones([1])]])
    ((gradient, _),) = combine_gradients(towers)
    with tf.Session() as session:
        session.run(table.initializer)
        assert session.run(gradient).tolist() == [[0.5, 0.5], [1, 1], [0.5, 0.5]]


def test_a_variable_that_no_loss_has_a_part_of_has_no_gradient(graph):
    w, other = tf.Variable(2.0), tf.Variable(3.0)
    used = iter((lambda: w * 1.0, lambda: w * other))
    towers = build_towers(lambda x: next(used)(), [[tf.ones([1])], [tf.ones([3])]])
    unused = tf.Variable(1.0)
    pairs = dict((v, g) for g, v in combine_gradients(towers))
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        assert session.run([pairs[w], pairs[other]]) == [(1 + 3 * 3) / 4, 3 * 2 / 4]
    towers = build_towers(lambda x: w * 1.0, [[tf.ones([1])]] * 2, var_list=[w, unused])
    assert [g is None for g, _ in combine_gradients(towers)] == [False, True]


def test_get_variable_makes_what_all_towers_share(graph):  # [S54]
    def loss_of(x):
        with tf.variable_scope("layer"):
            w = tf.get_variable("w", [3, 1], initializer=tf.constant_initializer(0.5))
        return tf.reduce_mean(tf.matmul(x, w))

    shards = [[tf.ones([2, 3])], [tf.ones([2, 3])], [tf.ones([2, 3])]]
    ((gradient, variable),) = combine_gradients(build_towers(loss_of, shards))
    assert [v.op.name for v in tf.trainable_variables()] == ["layer/w"] and variable.op.name == "layer/w"
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        assert session.run(gradient).tolist() == [[1], [1], [1]]


SQUARE = np.array([[0.5, -0.2], [0.3, 0.4]])
MODELS = {
    "loop": lambda w, x: tf.while_loop(lambda i, h: i < 3, lambda i, h: [i + 1, tf.tanh(tf.matmul(h, w))], [0, x])[1],
    "branch": lambda w, x: tf.cond(tf.reduce_sum(x) > 0.0, lambda: tf.matmul(x, w), lambda: tf.matmul(x, w) * 2.0),
    "function": lambda w, x: tf1.function(lambda y: tf.tanh(tf.matmul(y, w)))(x),
}


@pytest.mark.parametrize("name", MODELS)
def test_what_is_read_in_a_loop_a_branch_or_a_function_is_read_before_it(name, graph):  # [S53, S54]
    w = tf.Variable(SQUARE)

    def loss_of(x):
        return tf.reduce_mean(tf.square(MODELS[name](w, x)))

    x = X[:6, :2]
    towers = build_towers(loss_of, [[tf.constant(part)] for part in np.split(x, 2)])
    ((mean, _),) = combine_gradients(towers)
    wanted = [tf.gradients(loss_of(tf.constant(part)), [w.ref()])[0] for part in np.split(x, 2)]
    assert [op.name for op in graph.get_operations() if op.type == "Snapshot"] == ["tower_reads/Variable"]
    with tf.Session() as session:
        session.run(w.initializer)
        got, alone = session.run([mean, wanted])
    np.testing.assert_allclose(got, np.mean(alone, 0), rtol=1e-12)


@pytest.mark.parametrize("use_resource", [False, True])
def test_variables_of_1_x_are_trained_too(use_resource):
    with tf1.Graph().as_default(), tf1.Session() as session:
        w = tf1.Variable(SQUARE, use_resource=use_resource)
        loss_of = lambda x: tf1.reduce_mean(tf1.matmul(x, w))  # noqa: E731
        pairs = combine_gradients(build_towers(loss_of, [[tf1.constant(X[:2, :2])], [tf1.constant(X[2:8, :2])]]))
        train = tf1.train.MomentumOptimizer(RATE, 0.9).apply_gradients(pairs)
        session.run(tf1.global_variables_initializer())
        session.run(train)
        wanted = SQUARE - RATE * np.repeat(X[:8, :2].sum(0)[:, None], 2, 1) / 16
        np.testing.assert_allclose(session.run(w), wanted, rtol=1e-6)


def test_wrong_calls_say_what_is_wrong(graph):
    shards = [[tf.ones([4, 3])], [tf.ones([4, 3])]]
    w = tf.Variable(tf.zeros([3, 1]))

    def mean(x):
        return tf.reduce_mean(tf.matmul(x, w))

    with pytest.raises(ValueError, match="there are no shards"):
        build_towers(mean, [])
    with pytest.raises(ValueError, match="3 devices for 2 shards"):
        build_towers(mean, shards, ["/cpu:0"] * 3)
    with pytest.raises(ValueError, match="1 sizes for 2 shards"):
        build_towers(mean, shards, sizes=[4])
    with pytest.raises(ShapeError, match=r"loss of tower 0, .*shape \(4, 1\), expected \[\].*reduce_mean"):
        build_towers(lambda x: tf.matmul(x, w), shards)
    with pytest.raises(TypeError, match="gave None for tower 0, expected a scalar tensor: return it"):
        build_towers(lambda x: None, shards)
    with pytest.raises(ValueError, match=r"no path leads from the loss of tower 0.*back to any variable"):
        build_towers(tf.reduce_mean, shards)
    with pytest.raises(ValueError, match="tower 1 made the variable 'tower_1/.*tf.get_variable"):
        build_towers(lambda x: tf.reduce_mean(tf.matmul(x, tf.Variable(tf.zeros([3, 1])))), shards)
    with pytest.raises(ValueError, match="not known how many examples a shard has, as it holds no tensor"):
        build_towers(lambda: tf.reduce_mean(w.value()), [[]])
    with pytest.raises(ValueError, match="'size:0' is a scalar"):
        build_towers(lambda n: tf.reduce_mean(w.value() * n), [[tf.constant(3.0, name="size")]])
    with pytest.raises(ValueError, match=r"every shard needs an example, got sizes \[4, 0\]"):
        combine_gradients(build_towers(mean, shards, sizes=[4, 0]))
