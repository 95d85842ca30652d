"""Saver: variables to files and back, and which files are kept."""

import os

import numpy as np
import pytest

import refflow as tf


def session_with(**values):
    session = tf.Session(graph=tf.Graph())
    with session.graph.as_default():
        variables = {name: tf.Variable(np.asarray(v, np.float32), name=name) for name, v in values.items()}
        session.run(tf.initialize_all_variables())
    return session, variables


def test_variables_come_back(tmp_path):
    session, v = session_with(w=[[1, 2]], b=3)
    with session.graph.as_default():
        saver = tf.train.Saver()
    path = saver.save(session, str(tmp_path / "model"), global_step=7)
    assert path == str(tmp_path / "model-7")
    session.run([v["w"].assign([[0, 0]]), v["b"].assign(0)])
    saver.restore(session, path)
    assert session.run(v["w"]).tolist() == [[1, 2]] and session.run(v["b"]) == 3
    other, u = session_with(w=[[9, 9]], b=9)
    with other.graph.as_default():
        tf.train.Saver(sharded=True, restore_sequentially=True, reshape=True).restore(other, path)
    assert other.run(u["w"]).tolist() == [[1, 2]]


def test_variables_come_back_under_other_names_and_one_alone(tmp_path):
    session, v = session_with(w=[1, 2], b=3)
    with session.graph.as_default():
        path = tf.train.Saver({"renamed": v["w"], "b": v["b"]}).save(session, str(tmp_path / "m"))
    other, u = session_with(x=[0, 0], y=5)
    with other.graph.as_default():
        tf.train.Saver({"renamed": u["x"]}).restore(other, path)
    assert other.run(u["x"]).tolist() == [1, 2] and other.run(u["y"]) == 5


def test_a_sharded_checkpoint_has_a_file_for_each_device(tmp_path):
    with tf.Graph().as_default(), tf.Session(device_count={"CPU": 2}) as session:
        with session.graph.device("/cpu:0"):
            a = tf.Variable(1.0, name="a")
        with session.graph.device("/cpu:1"):
            b = tf.Variable(2.0, name="b")
        session.run(tf.initialize_all_variables())
        saver = tf.train.Saver(sharded=True)
        path = saver.save(session, str(tmp_path / "m"))
        assert sorted(os.listdir(tmp_path)) == [
            "checkpoint", "m.data-00000-of-00002", "m.data-00001-of-00002", "m.index",
        ]  # fmt: skip
        session.run([a.assign(0.0), b.assign(0.0)])
        saver.restore(session, path)
        assert session.run([a, b]) == [1, 2]


def test_only_the_newest_are_kept_and_listed(tmp_path):
    session, _ = session_with(w=1)
    with session.graph.as_default():
        saver = tf.train.Saver(max_to_keep=2)
    for step in range(4):
        saver.save(session, str(tmp_path / "m"), global_step=step)
    kept = [str(tmp_path / f"m-{i}") for i in (2, 3)]
    assert saver.last_checkpoints == kept
    assert [tf.train.checkpoint_exists(str(tmp_path / f"m-{i}")) for i in range(4)] == [False, False, True, True]
    state = tf.train.get_checkpoint_state(str(tmp_path))
    assert (state.model_checkpoint_path, state.all_model_checkpoint_paths) == (kept[1], kept)
    assert tf.train.latest_checkpoint(str(tmp_path)) == kept[1]
    again = tf.train.Saver(saver_def=saver.as_saver_def())
    again.set_last_checkpoints(state.all_model_checkpoint_paths)
    assert again.last_checkpoints == kept


def test_one_in_so_many_hours_stays(tmp_path):
    session, _ = session_with(w=1)
    with session.graph.as_default():
        saver = tf.train.Saver(max_to_keep=1, keep_checkpoint_every_n_hours=1e-12)
    for step in range(3):
        saver.save(session, str(tmp_path / "m"), global_step=step)
    assert tf.train.checkpoint_exists(str(tmp_path / "m-0"))


def test_saving_again_to_the_same_place_replaces_it(tmp_path):
    session, v = session_with(w=1)
    with session.graph.as_default():
        saver = tf.train.Saver()
        for value in range(3):
            session.run(v["w"].assign(value))
            saver.save(session, str(tmp_path / "m"))
    saver.restore(session, str(tmp_path / "m"))
    assert session.run(v["w"]) == 2
    assert len(os.listdir(tmp_path)) == 3 and len(saver.last_checkpoints) == 1


def test_what_is_wrong_is_said(tmp_path):
    session, v = session_with(w=[1, 2])
    with session.graph.as_default():
        saver = tf.train.Saver()
        with pytest.raises(tf.errors.NotFoundError, match="Failed to find any matching files"):
            saver.restore(session, str(tmp_path / "absent"))
        path = saver.save(session, str(tmp_path / "m"))
        missing = tf.train.Saver({"other": v["w"]})
        with pytest.raises(tf.errors.NotFoundError, match="Key other not found in checkpoint"):
            missing.restore(session, path)
        with pytest.raises(ValueError, match="name of the file that lists"):
            saver.save(session, str(tmp_path / "checkpoint"))
        with pytest.raises(ValueError, match="have the same name: x"):
            tf.train.Saver({"x": [v["w"], v["w"]]})
        with pytest.raises(TypeError, match="only variables are saved"):
            tf.train.Saver([tf.constant(1.0)])
    shorter, _ = session_with(w=[1])
    with shorter.graph.as_default(), pytest.raises(tf.errors.InvalidArgumentError, match="shape"):
        tf.train.Saver().restore(shorter, path)
    with tf.Graph().as_default(), pytest.raises(ValueError, match="no variables to save"):
        tf.train.Saver()


def test_the_graph_s_ops_of_the_first_release_read_what_is_written(tmp_path):
    from refflow.core.registry import op_def

    path = str(tmp_path / "m")
    with tf.Graph().as_default(), tf.Session() as session:
        session.run(op_def("Save")(path, ["a", "b"], [tf.constant([1.0, 2.0]), tf.constant(3)]))
        assert session.run(op_def("Restore")(path, "a", dt=tf.float32)).tolist() == [1, 2]
        session.run(op_def("SaveSlices")(path, ["w"], ["2 2 0,1:-"], [tf.constant([[5.0, 6.0]])]))
        part = op_def("RestoreSlice")(path, "w", "2 2 0,1:1,1", dt=tf.float32)
        assert part.get_shape().as_list() == [1, 1] and session.run(part).tolist() == [[6]]
        with pytest.raises(tf.errors.InvalidArgumentError, match="to restore a tensor of type int32, got"):
            session.run(op_def("Restore")(path, "w", dt=tf.int32))
