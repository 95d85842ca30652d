"""What a program builds of ordinary nodes: a sharded embedding, an optimizer of its own, checkpoints in part."""

import numpy as np
import pytest

import refflow as tf
from refflow.runtime.rendezvous import Rendezvous

SHARDS, ROWS, WIDTH = 3, 12, 2
EXECUTORS = [{}, {"executor": "executor"}]


def sharded(ids, rows=ROWS):
    """(rows for `ids`, the shards): row r lives on shard r % SHARDS, at place r // SHARDS, on a device of its own."""
    table = np.arange(rows * WIDTH, dtype=np.float64).reshape(rows, WIDTH)
    shards = []
    for d in range(SHARDS):
        with tf.device(f"/cpu:{d}"):
            shards.append(tf.Variable(table[d::SHARDS], name=f"shard{d}"))
    home = ids % SHARDS
    places = tf.dynamic_partition(tf.div(ids, SHARDS), home, SHARDS)
    order = tf.dynamic_partition(tf.range(0, tf.size(ids)), home, SHARDS)
    found = []
    for d in range(SHARDS):
        with tf.device(f"/cpu:{d}"):
            found.append(tf.gather(shards[d], places[d]))
    return tf.dynamic_stitch(order, found), shards, table


@pytest.mark.parametrize("options", EXECUTORS, ids=str)
def test_a_sharded_embedding_gathers_and_updates_the_rows_used(options):  # [O04, S50e]
    ids = tf.placeholder(tf.int32, [None])
    rows, shards, table = sharded(ids)
    step = tf.train.GradientDescentOptimizer(0.5).minimize(tf.reduce_sum(rows))
    used = [7, 1, 7, 10]
    with tf.Session(device_count={"CPU": SHARDS}, **options) as session:
        session.run(tf.initialize_all_variables())
        np.testing.assert_array_equal(session.run(rows, {ids: used}), table[used])
        session.run(step, {ids: used})
        after = session.run(shards)
        kinds = {n.type for n in session.stages(session.signature(step, [ids])).optimised.nodes}
    expected = table.copy()
    np.subtract.at(expected, used, 0.5)
    for d, shard in enumerate(after):
        np.testing.assert_array_equal(shard, expected[d::SHARDS])
    assert "ScatterSub" in kinds and "ApplyGradientDescent" not in kinds


def moved(rows, monkeypatch):
    """The numbers that cross between devices in one step of training, for a table of `rows` rows."""
    sizes, send = [], Rendezvous.send
    with tf.Graph().as_default():
        ids = tf.placeholder(tf.int32, [None])
        found, _, _ = sharded(ids, rows)
        step = tf.train.GradientDescentOptimizer(0.5).minimize(tf.reduce_sum(found))
        with tf.Session(device_count={"CPU": SHARDS}, executor="executor") as session:
            session.run(tf.initialize_all_variables())
            with monkeypatch.context() as patch:
                patch.setattr(
                    Rendezvous, "send", lambda self, key, value, *more: (
                        sizes.append((key.split(";")[3], np.size(value))), send(self, key, value, *more)
                    )[1],
                )  # fmt: skip
                session.run(step, {ids: [1, 2, 3, 4]})
    return sizes


def test_what_moves_does_not_depend_on_the_table_s_size(monkeypatch):  # [O04]
    small, large = moved(ROWS, monkeypatch), moved(100 * ROWS, monkeypatch)
    assert sorted(small) == sorted(large) and len(small) > SHARDS
    assert max(size for _, size in large) <= 4 * WIDTH


# -- optimizers ------------------------------------------------------------------------------------------


class SignDescent(tf.train.Optimizer):
    """A rule that no page here knows: a fixed step against the sign of each slope."""

    def __init__(self, rate):
        super().__init__(use_locking=False, name="SignDescent")
        self._rate = rate

    def _apply_dense(self, gradient, variable):
        return variable.assign_sub(self._rate * tf.sign(gradient)).op


@pytest.mark.parametrize("options", [*EXECUTORS, {"kernels": "reference"}], ids=str)
def test_a_new_optimizer_is_ordinary_nodes(options, graph):  # [O07]
    v = tf.Variable(np.array([1.0, -3.0]))
    step = SignDescent(0.25).minimize(tf.reduce_sum(tf.square(v)))
    assert {op.type for op in graph.get_operations() if op.name.startswith("SignDescent")} <= {
        "AssignSub", "Const", "Identity", "Mul", "NoOp", "Sign",
    }  # fmt: skip
    with tf.Session(**options) as session:
        session.run(tf.initialize_all_variables())
        for _ in range(3):
            session.run(step)
        assert session.run(v).tolist() == [0.25, -2.25]


def test_an_update_needs_no_class_at_all():  # [O07]
    v, average = tf.Variable(np.float64(4.0)), tf.Variable(np.float64(0.0), trainable=False)
    (slope,) = tf.gradients(tf.square(v), [v.ref()])
    update = v.assign_sub(0.1 * average.assign(0.5 * average + slope))
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        assert session.run([update, update])[0] == pytest.approx(4 - 0.8)
        assert session.run(update) == pytest.approx(3.2 - 0.1 * (4.0 + 6.4))


# -- checkpoints -----------------------------------------------------------------------------------------


def test_checkpoints_are_nodes_of_the_program_s_graph(tmp_path, graph):  # [O05]
    """A Save for each task or device, so many kept as was said, restored whole or in part."""
    with tf.device("/cpu:0"):
        a = tf.Variable(1.0, name="a")
    with tf.device("/cpu:1"):
        b = tf.Variable(2.0, name="b")
    saver = tf.train.Saver(sharded=True, max_to_keep=2)
    assert [op.type for op in graph.get_operations()].count("SaveV2") == 2
    part = tf.train.Saver([b])
    with tf.Session(device_count={"CPU": 2}) as session:
        session.run(tf.initialize_all_variables())
        paths = []
        for at in range(3):
            paths.append(saver.save(session, str(tmp_path / "m"), global_step=at))
            session.run([a.assign_add(1.0), b.assign_add(1.0)])
        assert not tf.train.checkpoint_exists(paths[0]) and all(map(tf.train.checkpoint_exists, paths[1:]))
        part.restore(session, paths[1])
        assert session.run([a, b]) == [4, 3]
        saver.restore(session, paths[2])
        assert session.run([a, b]) == [3, 4]


def test_each_task_has_a_save_of_its_own(graph):  # [O05]
    for task in range(3):
        with tf.device(f"/job:ps/task:{task}"):
            tf.Variable(1.0)
            tf.Variable(2.0)
    tf.train.Saver(sharded=True)
    saves = [op for op in graph.get_operations() if op.type == "SaveV2"]
    assert sorted(op.device for op in saves) == [f"/job:ps/task:{task}" for task in range(3)]
    assert all({t.op.device for t in op.inputs if t.op.type == "Variable"} == {op.device} for op in saves)
