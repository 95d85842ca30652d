"""One program text on a workstation, on something small, and on a cluster of hundreds of devices [S34]."""

import tracemalloc

import numpy as np
import pytest

import refflow as tf
import refflow.compat.v1 as tf1
from refflow import deck
from refflow.cli import main
from refflow.core import errors
from refflow.data import FashionMnist
from refflow.reach import Cluster, Small, Workstation, values_of
from refflow.runtime.device import Device

STEPS = 101


@pytest.fixture(scope="module")
def data():
    """Pictures of ten kinds: noise, and a bright row for each kind."""
    rng = np.random.default_rng(0)
    labels = np.arange(150, dtype=np.uint8) % 10
    images = rng.integers(0, 100, (150, 28, 28)).astype(np.uint8)
    images[np.arange(150), 2 * labels] = 255
    return FashionMnist(images[:100], labels[:100], images[100:], labels[100:], "made for a test")


def transcript(data, profile=None, steps=STEPS):
    lines = []
    outcome = deck.run(data=data, num_steps=steps, profile=profile, say=lambda *w: lines.append(" ".join(map(str, w))))
    return lines, outcome


@pytest.fixture(scope="module")
def trained(data):
    """The workstation's transcript, its outcome, its variables, and the loss that they have now."""
    lines, outcome = transcript(data)
    with Workstation(outcome.devices).session(outcome.graph) as session:
        return lines, outcome, values_of(session), session.run(outcome.names["loss"])


# -- the three ----------------------------------------------------------------------------------------------


def test_a_cluster_of_400_devices_prints_what_a_workstation_prints(data, trained):
    cluster = Cluster(tasks=100, devices=4)
    assert len({d.name for d in cluster.devices}) == 400
    lines, outcome = transcript(data, cluster)
    assert lines == trained[0]
    with cluster.session(outcome.graph) as session:
        for name, value in values_of(session).items():
            np.testing.assert_array_equal(value, trained[2][name])  # to the bit
    assert cluster.seconds > 0


def test_a_small_device_runs_the_same_text_with_what_was_learned(data, trained):
    lines, _, values, loss = trained
    small = Small(values, memory_limit=2**20)
    told, _ = transcript(data, small, steps=1)
    assert told == [f"Loss at step 0 : {loss!s}", lines[-2], lines[-1]]  # and the accuracy behind the last step
    assert small.left_out == {"init", "GradientDescent"}


def test_the_small_graph_has_neither_variables_nor_gradients(trained):
    _, outcome, values, _ = trained
    wanted = [outcome.names["loss"], outcome.names["prediction"]]
    frozen = Small(values).frozen(outcome.graph, wanted)
    types = {op.type for op in frozen.get_operations()}
    assert {"Const", "MatMul", "SoftmaxCrossEntropyWithLogits", "Mean", "Softmax"} <= types
    assert not {t for t in types if "Variable" in t or "Apply" in t or "Assign" in t}
    assert not [op.name for op in frozen.get_operations() if op.name.startswith("gradients")]
    assert len(frozen.get_operations()) < len(outcome.graph.get_operations()) / 3
    with pytest.raises(RuntimeError, match="Graph is finalized"), frozen.as_default():
        tf.gradients(frozen.get_tensor_by_name("Mean:0"), [frozen.get_tensor_by_name("Variable:0")])


# -- memory -------------------------------------------------------------------------------------------------


def test_a_step_that_needs_more_than_there_is_does_not_begin(data, trained):
    _, outcome, values, _ = trained
    wanted = [outcome.names["loss"], outcome.names["prediction"]]
    with Small(values).session(outcome.graph) as session:
        needed = session.bytes_needed(wanted)
    examples = 4 * 100 * 784
    assert examples + 4 * 7850 < needed < 1.2 * (examples + 4 * 7850)
    with Small(values, memory_limit=needed).session(outcome.graph) as session:
        session.run(wanted)
    with Small(values, memory_limit=needed - 1).session(outcome.graph) as session:
        with pytest.raises(errors.ResourceExhaustedError, match=rf"limit of {needed - 1:,} bytes") as caught:
            session.run(wanted)
        assert f"this step needs {needed:,} bytes there" in str(caught.value)
        assert f"{examples:,} bytes  constant Const\n" in str(caught.value)  # the examples, before all others
        (attributes,) = session.list_devices()
        assert attributes.memory_limit_bytes == needed - 1


@pytest.fixture
def layers():
    graph = tf1.Graph()
    with graph.as_default():
        x = tf1.placeholder(tf1.float32, [None, 64], name="x")
        w = tf1.get_variable("w", initializer=np.full((64, 512), 0.01, np.float32))
        v = tf1.get_variable("v", initializer=np.full((512, 8), 0.01, np.float32), use_resource=True)
        y = tf1.matmul(tf1.nn.relu(tf1.matmul(x, w)), v, name="y")
        tf1.assign(w, w * 2.0, name="doubled")
    with tf1.Session(graph=graph) as session, graph.as_default():
        session.run(tf1.global_variables_initializer())
        return graph, values_of(session), session.run(y, {x: np.ones((2, 64))})


def test_what_is_fed_counts_and_less_of_it_may_fit(layers):
    graph, values, wanted = layers
    with Small(values, memory_limit=900_000).session(graph) as session:
        np.testing.assert_array_equal(session.run("y:0", {"x:0": np.ones((2, 64))}), wanted)
        assert session.run("y:0", {"x:0": np.ones((150, 64))}).shape == (150, 8)
        with pytest.raises(errors.ResourceExhaustedError, match="Feed less at a time"):
            session.run("y:0", {"x:0": np.ones((300, 64))})
        assert session.run("y:0", {"x:0": np.ones((100, 64))}).shape == (100, 8)  # and it goes on


def test_the_interpreter_asks_for_no_more_than_was_reckoned(layers):
    graph, values, _ = layers
    rows = np.ones((2000, 64), np.float32)
    with Small(values).session(graph) as session:
        needed = session.bytes_needed("y:0", {"x:0": rows})
        session.run("y:0", {"x:0": rows[:1]})  # whatever is loaded at first
        tracemalloc.start()
        session.run("y:0", {"x:0": rows})
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    lasting = rows.nbytes + sum(value.nbytes for value in values.values())
    assert 0.4 * (needed - lasting) < most < 1.1 * (needed - lasting)


@pytest.mark.parametrize("executor", ["plan", "executor"])
def test_a_limit_holds_for_every_session(graph, executor):
    x = tf.placeholder(tf.float32, [None, 100], name="x")
    y = tf.matmul(x, tf.Variable(tf.zeros([100, 50])), name="y")
    with tf.Session(devices=[Device(memory_limit=10**5)], executor=executor) as session:
        session.run(tf.initialize_all_variables())
        for rows in (20, 40, 20):
            assert session.run(y, {x: np.ones((rows, 100))}).shape == (rows, 50)
        with pytest.raises(errors.ResourceExhaustedError, match="limit of 100,000 bytes, but this step needs 1"):
            session.run(y, {x: np.ones((200, 100))})
        with pytest.raises(errors.ResourceExhaustedError, match=r"Where:0, of shape \[\?,2\], is not known before"):
            session.run(tf.where(x > 0.0), {x: np.ones((1, 100))})


# -- what cannot be had there -------------------------------------------------------------------------------


def test_what_would_change_a_variable_is_refused(layers):
    graph, values, _ = layers
    with Small(values).session(graph) as session:
        with pytest.raises(errors.FailedPreconditionError, match=r"'doubled' \(Assign\) changes a variable, and here"):
            session.run("doubled:0")
        assert session.run("doubled") is None and session.profile.left_out == {"doubled"}
    with pytest.raises(errors.FailedPreconditionError, match="variable 'v' has no value to be frozen at"):
        Small({"w": values["w"]}).session(graph).run("y:0", {"x:0": np.ones((1, 64))})


@pytest.mark.parametrize("by_handle", [True, False])
def test_loops_and_looked_up_rows_run_frozen(by_handle):
    graph, table = tf1.Graph(), np.arange(12, dtype=np.float32).reshape(4, 3)
    with graph.as_default():
        rows = tf1.get_variable("rows", initializer=table, use_resource=by_handle)
        found = tf1.nn.embedding_lookup(rows, tf1.placeholder(tf1.int32, [None], name="ids"))
        y = tf1.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a + tf1.reduce_sum(rows)), [0, found])[1]
        if by_handle:
            y += tf1.raw_ops.ResourceGather(resource=rows.handle, indices=[0], dtype=tf1.float32)
        y += tf1.cond(found[0, 0] > 5.0, lambda: tf1.identity(rows)[0], lambda: tf1.zeros([3]))
    with Small({"rows": table}).session(graph) as session:
        wanted = np.array([[207, 208, 209], [198, 199, 200]]) + np.array([0, 1, 2]) * (1 + by_handle)
        np.testing.assert_array_equal(session.run(y, {"ids:0": [3, 0]}), wanted)


def test_a_callable_and_a_repeated_step_are_frozen_too(layers):
    graph, values, wanted = layers
    with Small(values).session(graph) as session:
        call = session.make_callable("y:0", ["x:0"])
        np.testing.assert_array_equal(call(np.ones((2, 64))), wanted)
        np.testing.assert_array_equal(session.repeat("y:0", 2, {"x:0": np.ones((1, 2, 64))})[1], wanted)


# -- many devices -------------------------------------------------------------------------------------------


def test_a_wide_program_is_spread_over_many_devices(graph):
    """No line names a device; what the greedy placer's simulation says is where each part goes [W20, S42]."""
    x = tf.placeholder(tf.float32, [96, 96], name="x")
    parts = [tf.reduce_sum(tf.matmul(x, x * float(i)), [0, 1]) for i in range(160)]
    total = tf.pack(parts)
    feeds = {x: np.eye(96)}
    with Workstation().session(graph) as session:
        wanted = session.run(total, feeds)
    cluster = Cluster(tasks=40, devices=5)
    with cluster.session(graph) as session:
        np.testing.assert_array_equal(session.run(total, feeds), wanted)
        assert len(cluster.used) > 140
    assert wanted.tolist() == [96.0 * i for i in range(160)]


# -- the command --------------------------------------------------------------------------------------------


def test_the_command_runs_the_deck_s_program_under_each(capsys):
    told = {}
    for profile in ("workstation", "cluster", "small"):
        assert main(["run", "deck", "--steps", "1", "--profile", profile]) == 0
        told[profile] = capsys.readouterr().out.splitlines()
    assert told["cluster"][:3] == told["workstation"] and told["cluster"][3].startswith("400 devices, ")
    assert told["small"][2] == told["workstation"][2]
    assert told["small"][3].startswith("A step needs 3") and told["small"][3].endswith("GradientDescent, init")
    assert main(["run", "deck", "--profile", "small", "--device", "gpu"]) == 1
    assert "has no card" in capsys.readouterr().err
