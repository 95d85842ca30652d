"""MetaGraphs: a graph, its collections and its Saver, written and read again."""

import numpy as np
import pytest

import refflow as tf

pytest.importorskip("google.protobuf", reason="MetaGraphs need the extra interop")


def built():
    w = tf.Variable([1.0, 2.0], name="w")
    step = tf.Variable(0, trainable=False, name="step")
    y = tf.identity(w.ref() * 3.0, name="y")
    graph = tf.get_default_graph()
    held = {"out": y, "ops": w.initializer, "size": 7, "rate": 0.25, "words": b"\xff", "odd": object()}
    for key, value in held.items():
        graph.add_to_collection(key, value)
    return w, step, y


@pytest.mark.parametrize("scope", [None, "a/b"])
def test_all_that_belongs_to_a_graph_comes_back(tmp_path, scope):  # [O05]
    path = str(tmp_path / "m")
    with tf.Graph().as_default(), tf.Session() as session:
        w, step, _ = built()
        saver = tf.train.Saver(max_to_keep=3)
        session.run(tf.initialize_all_variables())
        session.run([w.assign([5.0, 6.0]), step.assign(9)])
        checkpoint = saver.save(session, path)
        tf.train.export_meta_graph(path + ".meta", saver_def=saver.as_saver_def())
    with tf.Graph().as_default() as graph, tf.Session() as session:
        saver = tf.train.import_meta_graph(path + ".meta", import_scope=scope)
        assert saver.as_saver_def().max_to_keep == 3
        saver.restore(session, checkpoint)
        (y,) = graph.get_collection("out")
        assert y.name == (f"{scope}/y:0" if scope else "y:0")
        assert session.run(y).tolist() == [15, 18]
        w, step = tf.all_variables()
        assert tf.trainable_variables() == [w] and session.run([w, step])[1] == 9
        session.run(w.assign_add([1.0, 1.0]))
        assert session.run(y).tolist() == [18, 21]
        session.run(tf.initialize_all_variables())
        assert session.run(w).tolist() == [1, 2]
        found = {key: graph.get_collection(key) for key in ("size", "rate", "words")}
        assert found == {"size": [7], "rate": [0.25], "words": [b"\xff"]}
        assert [op.type for op in graph.get_collection("ops")] == ["Assign"]
        assert graph.get_collection("odd") == []  # an object has no written form


def test_a_meta_graph_is_bytes_text_or_a_message(tmp_path):
    with tf.Graph().as_default():
        built()
        meta = tf.train.export_meta_graph(str(tmp_path / "text"), as_text=True, collection_list=["out"])
    assert list(meta.collection_def) == ["out"]
    for source in (meta, meta.SerializeToString(), str(tmp_path / "text")):
        with tf.Graph().as_default() as graph, tf.Session() as session:
            assert tf.train.import_meta_graph(source) is None  # it came without a Saver
            session.run("w/Assign")
            assert session.run(graph.get_collection("out")[0]).tolist() == [3, 6]
            assert tf.all_variables() == []


def test_devices_can_be_forgotten():
    with tf.Graph().as_default() as graph:
        with graph.device("/gpu:7"):
            tf.constant(np.float32(2), name="c")
        meta = tf.train.export_meta_graph()
    with tf.Graph().as_default(), tf.Session() as session:
        tf.train.import_meta_graph(meta, clear_devices=True)
        assert session.run("c:0") == 2


def test_what_is_no_meta_graph_is_told(tmp_path):
    (tmp_path / "bad").write_bytes(b"\xff\xff\xff")
    with pytest.raises(ValueError, match="is no MetaGraphDef"):
        tf.train.import_meta_graph(str(tmp_path / "bad"))
