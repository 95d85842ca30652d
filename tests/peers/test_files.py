"""Files that TensorFlow reads and writes: graphs and checkpoints, both ways. pip install '.[test,peers,interop]'."""

import os

import numpy as np
import pytest

import refflow as tf
from refflow import interop
from refflow.files.bundle import Tensor
from refflow.files.checkpoint_v1 import write_table_checkpoint
from refflow.files.events import Summary
from refflow.interop import protos
from tests.files.test_checkpoints import ARRAYS, save

OLD = {k: v for k, v in ARRAYS.items() if k not in ("text", "complex")}  # types that its reader takes from there
OLD |= {t.__name__: np.array([[0, 1, 100], [t(-1), 300, 5]]).astype(t) for t in (np.int16, np.int32, np.int64)}

pytestmark = pytest.mark.peers
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture(scope="module")
def tensorflow():
    return pytest.importorskip("tensorflow", reason="the oracle is TensorFlow: pip install '.[peers]'")


def test_tensorflow_reads_a_checkpoint_of_ours(tensorflow, tmp_path):
    save(tmp_path / "m", ARRAYS)
    save(tmp_path / "m", ARRAYS)  # a replaced one has another data file
    reader = tensorflow.train.load_checkpoint(str(tmp_path / "m"))
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(reader.get_tensor(name), array)


def test_tensorflow_reads_the_first_releases_format_from_us(tensorflow, tmp_path):
    path = str(tmp_path / "old")
    write_table_checkpoint(path, [Tensor(n, np.asarray(a), tf.as_dtype(np.asarray(a).dtype)) for n, a in OLD.items()])
    reader = tensorflow.train.load_checkpoint(path)
    for name, array in OLD.items():
        np.testing.assert_array_equal(reader.get_tensor(name), array)


@pytest.mark.parametrize("version", ["V1", "V2"])
def test_a_checkpoint_of_tensorflow_s_is_restored(tensorflow, tmp_path, version, rng):
    v1 = tensorflow.compat.v1
    values = {"w": rng.normal(size=(300, 70)).astype(np.float32), "n": np.arange(9, dtype=np.int64),
              "z": np.array([1 + 1j], np.complex64), "on": np.array([True, False])}  # fmt: skip
    with tensorflow.Graph().as_default(), v1.Session() as session:
        variables = [v1.get_variable(k, initializer=v, use_resource=False) for k, v in values.items()]
        session.run(v1.global_variables_initializer())
        saver = v1.train.Saver(variables, write_version=getattr(v1.train.SaverDef, version))
        path = saver.save(session, str(tmp_path / "m"), global_step=3, write_meta_graph=False)
    assert tf.train.latest_checkpoint(str(tmp_path)) == path
    with tf.Graph().as_default(), tf.Session() as session:
        mine = {k: tf.Variable(np.zeros_like(v), name=k) for k, v in values.items()}
        tf.train.Saver().restore(session, path)
        for name, value in values.items():
            np.testing.assert_array_equal(session.run(mine[name]), value)


def test_a_sharded_checkpoint_goes_both_ways(tensorflow, tmp_path):
    v1 = tensorflow.compat.v1
    with tensorflow.Graph().as_default(), v1.Session() as session:
        a, b = (v1.get_variable(n, initializer=np.float32(i), use_resource=False) for i, n in enumerate("ab"))
        session.run(v1.global_variables_initializer())
        path = v1.train.Saver([a, b], sharded=True).save(session, str(tmp_path / "m"))
    with tf.Graph().as_default(), tf.Session(device_count={"CPU": 2}) as session:
        a = tf.Variable(7.0, name="a")
        with session.graph.device("/cpu:1"):
            b = tf.Variable(7.0, name="b")
        saver = tf.train.Saver(sharded=True)
        saver.restore(session, path)
        assert session.run([a, b]) == [0, 1]
        path = saver.save(session, str(tmp_path / "n"))
    assert tensorflow.train.load_checkpoint(path).get_tensor("b") == 1
    assert tensorflow.train.latest_checkpoint(str(tmp_path)) == path


def test_a_graph_of_ours_runs_in_tensorflow(tensorflow, rng):
    v1 = tensorflow.compat.v1
    x = rng.normal(size=(5, 3)).astype(np.float32)
    with tf.Graph().as_default() as graph, tf.Session() as session:
        examples = tf.placeholder(tf.float32, [None, 3], name="x")
        w = tf.Variable(np.ones((3, 2), np.float32))
        loss = tf.reduce_mean(tf.nn.relu(tf.matmul(examples, w) - 0.5), name="loss")
        tf.train.GradientDescentOptimizer(0.1).minimize(loss, name="step")
        session.run(tf.initialize_all_variables())
        ours = [session.run([loss, "step"], {examples: x})[0] for _ in range(3)]
        frozen = interop.convert_variables_to_constants(session, graph.as_graph_def(), ["loss"])
        last = session.run(loss, {examples: x})
        forms = [protos.to_bytes(graph.as_graph_def()), protos.to_text(graph.as_graph_def())]
    from google.protobuf import text_format

    for form in forms:
        read = v1.GraphDef.FromString(form) if isinstance(form, bytes) else text_format.Parse(form, v1.GraphDef())
        with tensorflow.Graph().as_default(), v1.Session() as session:
            tensorflow.import_graph_def(read, name="")
            session.run("init")
            theirs = [session.run(["loss:0", "step"], {"x:0": x})[0] for _ in range(3)]
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    with tensorflow.Graph().as_default(), v1.Session() as session:
        tensorflow.import_graph_def(v1.GraphDef.FromString(protos.to_bytes(frozen)), name="")
        np.testing.assert_allclose(session.run("loss:0", {"x:0": x}), last, rtol=1e-6)


@pytest.mark.parametrize("resource", [False, True], ids=["references", "resources"])
def test_a_graph_of_tensorflow_s_trains_here(tensorflow, resource, rng):
    v1 = tensorflow.compat.v1
    x = rng.normal(size=(5, 3)).astype(np.float32)
    with tensorflow.Graph().as_default() as graph, v1.Session() as session:
        examples = v1.placeholder(tensorflow.float32, [None, 3], name="x")
        w = v1.get_variable("w", initializer=np.ones((3, 2), np.float32), use_resource=resource)
        loss = tensorflow.reduce_mean(tensorflow.nn.relu(tensorflow.matmul(examples, w) - 0.5), name="loss")
        v1.train.GradientDescentOptimizer(0.1).minimize(loss, name="step")
        v1.global_variables_initializer()
        session.run("init")
        theirs = [session.run(["loss:0", "step"], {"x:0": x})[0] for _ in range(3)]
        wire = graph.as_graph_def()
    with tf.Graph().as_default(), tf.Session() as session:
        interop.import_graph_def(wire, name="")
        session.run("init")
        ours = [session.run(["loss:0", "step"], {"x:0": x})[0] for _ in range(3)]
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_functions_are_put_in_the_place_of_their_calls(tensorflow):
    v1 = tensorflow.compat.v1

    @tensorflow.function
    def inner(a, b):
        return tensorflow.stack([a * b, a - b]), a + 1.0

    @tensorflow.function
    def outer(a):
        stacked, more = inner(a, a * 2.0)
        return tensorflow.reduce_sum(stacked) + more

    with tensorflow.Graph().as_default() as graph, v1.Session() as session:
        x = v1.placeholder(tensorflow.float32, [], name="x")
        y = tensorflow.identity(outer(x), name="y")
        theirs = session.run(y, {x: 3.0})
        wire = graph.as_graph_def()
    assert any("Call" in n.op for n in wire.node)
    with tf.Graph().as_default(), tf.Session() as session:
        interop.import_graph_def(wire, name="")
        assert session.run("y:0", {"x:0": 3.0}) == theirs


@pytest.mark.parametrize("kind", ["reference", "resource"])
def test_a_meta_graph_of_tensorflow_s_runs_here(tensorflow, tmp_path, kind):
    v1 = tensorflow.compat.v1
    with tensorflow.Graph().as_default(), v1.Session() as session:
        w = v1.get_variable("w", initializer=[1.0, 2.0], use_resource=kind == "resource")
        x = v1.placeholder(tensorflow.float32, [], "x")
        with tensorflow.device("/cpu:0"):
            v1.add_to_collection("outputs", tensorflow.identity(w * x, "y"))
        v1.add_to_collection("sizes", 7)
        session.run(v1.global_variables_initializer())
        path = v1.train.Saver().save(session, str(tmp_path / "m"), global_step=2)
    for scope in (None, "inner"):
        with tf.Graph().as_default() as graph, tf.Session() as session:
            saver = tf.train.import_meta_graph(path + ".meta", clear_devices=True, import_scope=scope)
            saver.restore(session, path)
            (y,) = graph.get_collection("outputs")
            assert session.run(y, {f"{scope}/x:0" if scope else "x:0": 3.0}).tolist() == [3, 6]
            assert graph.get_collection("sizes") == [7]
            (variable,) = tf.trainable_variables()
            assert session.run(variable).tolist() == [1, 2] and tf.all_variables() == [variable]
            session.run(tf.initialize_all_variables())


@pytest.mark.parametrize("as_text", [False, True])
def test_a_meta_graph_of_ours_runs_in_tensorflow(tensorflow, tmp_path, as_text):
    v1 = tensorflow.compat.v1
    with tf.Graph().as_default() as graph, tf.Session() as session:
        w, _n = tf.Variable([1.0, 2.0], name="w"), tf.Variable(5, trainable=False, name="n")
        x = tf.placeholder(tf.float32, [], name="x")
        graph.add_to_collection("outputs", tf.identity(w * x, name="y"))
        graph.add_to_collection("rate", 0.5)
        saver = tf.train.Saver()
        session.run(tf.initialize_all_variables())
        path = saver.save(session, str(tmp_path / "m"))
        tf.train.export_meta_graph(path + ".meta", saver_def=saver.as_saver_def(), as_text=as_text)
    with tensorflow.Graph().as_default(), v1.Session() as session:
        v1.train.import_meta_graph(path + ".meta").restore(session, path)
        assert session.run(v1.get_collection("outputs")[0], {"x:0": 3.0}).tolist() == [3, 6]
        assert v1.get_collection("rate") == [0.5]
        assert [v.op.name for v in v1.trainable_variables()] == ["w"]
        assert session.run(v1.global_variables())[1] == 5
        session.run(v1.global_variables_initializer())


def test_tensorflow_and_tensorboard_read_a_log_of_ours(tensorflow, tmp_path, rng):
    weights = rng.normal(size=(40,)).astype(np.float32)
    pictures = rng.integers(0, 256, (1, 5, 4, 3)).astype(np.uint8)
    with tf.Graph().as_default(), tf.Session() as session:
        with tf.device("/cpu:0"):
            loss = tf.placeholder(tf.float32, [], name="loss")
        tf.scalar_summary("loss", loss)
        tf.histogram_summary("weights", weights)
        tf.image_summary("picture", tf.constant(pictures), max_images=1)
        merged = tf.merge_all_summaries()
        writer = tf.train.SummaryWriter(str(tmp_path), session.graph.as_graph_def())
        for step in range(3):
            writer.add_summary(session.run(merged, {loss: step / 2}), step)
        writer.close()
    events = list(tensorflow.compat.v1.train.summary_iterator(writer.path))
    assert [e.step for e in events] == [0, 0, 0, 1, 2] and events[0].file_version == "brain.Event:1"
    graph = tensorflow.compat.v1.GraphDef.FromString(events[1].graph_def)
    assert {n.name: n.device for n in graph.node}["loss"] == "/cpu:0"
    values = {v.tag: v for v in events[4].summary.value}
    rewritten = Summary.from_bytes(events[4].summary.SerializeToString()).to_bytes()
    assert tensorflow.compat.v1.Summary.FromString(rewritten) == events[4].summary
    assert values["loss"].simple_value == 1.0
    png = values["picture/image"].image.encoded_image_string
    assert np.array_equal(tensorflow.io.decode_png(png).numpy(), pictures[0])
    board = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason="needs TensorBoard")
    read = board.EventAccumulator(str(tmp_path), size_guidance={board.HISTOGRAMS: 0}).Reload()
    assert [s.value for s in read.Scalars("loss")] == [0.0, 0.5, 1.0]
    histogram = read.Histograms("weights")[0].histogram_value
    assert (histogram.num, histogram.min) == (40, weights.min()) and sum(histogram.bucket) == 40
    assert len(read.Images("picture/image")) == 3 and "loss" in {n.name for n in read.Graph().node}
