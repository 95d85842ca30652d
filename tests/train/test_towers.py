"""Towers: the gradient part of a graph for each shard, and nodes that combine [S53, S54, S61, S62, S64, S85]."""

import functools
import itertools
from collections import Counter

import numpy as np
import pytest

import refflow as tf
from refflow.core.errors import ShapeError
from refflow.runtime.cluster.network import Threads
from refflow.runtime.partition import transfers
from refflow.train.towers import build_towers, combine_gradients, combine_losses

RATE = 0.125
RNG = np.random.default_rng(7)
X, Y = RNG.normal(size=(48, 3)), RNG.normal(size=(48, 2))
START = {"w": RNG.normal(size=(3, 4)), "v": RNG.normal(size=(4, 2))}


class Perceptron:
    """Two layers, each on a part of its own where parts are given, and the variables where `homes` says."""

    def __init__(self, sizes, devices=(), homes=("", ""), parts=("", ""), dynamic=False):
        self.parts = parts
        with tf.device(homes[0]):
            self.w = tf.Variable(START["w"], name="w")
        with tf.device(homes[1]):
            self.v = tf.Variable(START["v"], name="v")
        self.shards = [tuple(tf.placeholder(tf.float64, [None if dynamic else n, m]) for m in (3, 2)) for n in sizes]
        self.towers = build_towers(self.loss_of, self.shards, devices)
        self.pairs = combine_gradients(self.towers)
        self.train = tf.train.GradientDescentOptimizer(RATE).apply_gradients(self.pairs)
        self.init = tf.initialize_all_variables()
        self.sizes = sizes

    def loss_of(self, x, y):
        with tf.device(self.parts[0]):
            h = tf.tanh(tf.matmul(x, self.w))
        with tf.device(self.parts[1]):
            return tf.reduce_mean(tf.reduce_sum(tf.square(tf.matmul(h, self.v) - y), 1))

    def feeds(self, x=X, y=Y):
        cuts = np.cumsum([0, *self.sizes])
        found = {}
        for (a, b), start, stop in zip(self.shards, cuts[:-1], cuts[1:], strict=True):
            found |= {a: x[start:stop], b: y[start:stop]}
        return found

    def trained(self, session, steps=3, **data):
        session.run(self.init)
        for _ in range(steps):
            session.run(self.train, self.feeds(**data))
        return session.run([self.w, self.v])


@functools.cache
def trained(sizes, devices=(), homes=("", ""), parts=("", ""), dynamic=False, cpus=1):
    """The weights after three steps on the first rows, as many as all shards have."""
    with tf.Graph().as_default(), tf.Session(device_count={"CPU": cpus}) as session:
        return Perceptron(sizes, devices, homes, parts, dynamic).trained(session)


def bits(values):
    return [value.tobytes() for value in values]


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
    return [found[f"tower_{i}/"] for i in range(k)], found["combine/"], [node[:2] for node in found[""]]


def test_k_towers_add_k_copies_of_the_gradient_part_and_the_nodes_that_combine():  # [S53]
    (tower,), combining, rest = parts_of(1)
    assert len(tower) > 20 and [node[1] for node in combining] == ["Identity"] * 2
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


# -- wherever it runs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("cpus", [2, 3, 8])
def test_eight_towers_give_the_same_bits_over_any_number_of_devices(cpus):  # [S52, S64, S65]
    devices = tuple(f"/cpu:{i}" for i in range(cpus))
    assert bits(trained((6,) * 8, devices, cpus=cpus)) == bits(trained((6,) * 8))


@pytest.mark.parametrize("homes", [("", ""), ("/cpu:1", "/cpu:0"), ("/cpu:2", "/cpu:2"), ("", "/cpu:1")], ids="-".join)
def test_a_device_scope_that_moves_a_variable_changes_no_result(homes):  # [S52]
    assert bits(trained((8, 16), ("/cpu:0", "/cpu:1"), homes, cpus=3)) == bits(trained((8, 16)))


def tasks(count):
    """A session at the first of `count` tasks of one job, which has no other."""
    network = Threads()
    spec = {"worker": [f"worker:{i}" for i in range(count)]}
    servers = [
        tf.train.Server(spec, "worker", i, network=network, config=tf.ConfigProto(device_count={"CPU": 2}))
        for i in range(count)
    ]
    return servers


def over_tasks(count, homes, parts=("", ""), sizes=(12, 12)):
    servers = tasks(count)
    with tf.Graph().as_default() as graph:
        model = Perceptron(sizes, [f"/job:worker/task:{i}" for i in range(count)], homes, parts)
        with tf.Session(servers[0].target, graph=graph) as session:
            found = model.trained(session)
    for server in servers:
        server.stop()
    return found


@pytest.mark.parametrize("home", [0, 1])
def test_any_task_may_hold_a_variable(home):  # [S51, S52]
    """No job but workers, and each of them holds one or both of the variables."""
    one, other = f"/job:worker/task:{home}", f"/job:worker/task:{1 - home}"
    wanted = bits(trained((12, 12)))
    assert bits(over_tasks(2, (one, one))) == wanted
    assert bits(over_tasks(2, (one, other))) == wanted


# -- two by two -----------------------------------------------------------------------------------------------


def test_two_replicas_of_two_partitions_give_the_values_of_one_device():  # [S61]
    """Each replica is a task, and its layers are on its two devices; the variables lie on the first task's."""
    homes = "/job:worker/task:0/cpu:0", "/job:worker/task:0/cpu:1"
    found = over_tasks(2, homes, parts=("/cpu:0", "/cpu:1"))
    assert bits(found) == bits(trained((12, 12)))
    for got, wanted in zip(found, trained((24,)), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-12)


def grid(session, graph):
    """A step over two replicas, on devices 0, 1 and 2, 3; variables on 0 and 1. Its model and its transfers."""
    place = iter((0, 2))

    def loss_of(x, y):
        first = next(place)
        with tf.device(f"/cpu:{first}"):
            h = tf.tanh(tf.matmul(x, w), name="h")
        with tf.device(f"/cpu:{first + 1}"):
            return tf.reduce_mean(tf.square(tf.matmul(h, v) - y))

    with tf.device("/cpu:0"):
        w = tf.Variable(START["w"], name="w")
    with tf.device("/cpu:1"):
        v = tf.Variable(START["v"], name="v")
    shards = [[tf.placeholder(tf.float64, [6, m], name=f"x{i}{m}") for m in (3, 2)] for i in range(2)]
    pairs = combine_gradients(build_towers(loss_of, shards))
    train = tf.train.GradientDescentOptimizer(RATE).apply_gradients(pairs)
    stages = session.stages(session.signature(train, [t for shard in shards for t in shard]))
    return transfers(stages.partitioned)


def test_what_crosses_is_one_message_for_each_tensor_and_destination():  # [S62]
    with tf.Graph().as_default() as graph, tf.Session(graph=graph, device_count={"CPU": 4}) as session:
        found = [(t.value, t.source[-1], t.destination[-1], t.nbytes) for t in grid(session, graph)]
    assert len({(value, there) for value, _, there, _ in found}) == len(found)
    big = Counter((a, b, n) for value, a, b, n in found if not value.startswith(("^", "_recv")) and n > 16)
    assert big == {
        ("0", "2", 3 * 4 * 8): 1, ("1", "3", 4 * 2 * 8): 1,  # the variables, to the second replica
        ("0", "1", 6 * 4 * 8): 1, ("2", "3", 6 * 4 * 8): 1,  # what the first layer gives
        ("1", "0", 6 * 4 * 8): 1, ("3", "2", 6 * 4 * 8): 1,  # and its slopes, back
        ("2", "0", 3 * 4 * 8): 1, ("3", "1", 4 * 2 * 8): 1,  # the gradients, to the variables
    }  # fmt: skip


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
