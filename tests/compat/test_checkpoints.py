"""refflow.compat.v1: checkpoints read without a graph, variables that begin with them, savers, messages of clusters."""

import os

import numpy as np
import pytest

import refflow.compat.v1 as tf


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as made:
        yield made


@pytest.fixture
def saved(tmp_path):
    """A folder with a checkpoint of a vector, and of a matrix in a scope."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.get_variable("a", initializer=np.array([1.0, 2.0], np.float32))
        tf.get_variable("old/b", initializer=np.arange(6, dtype=np.float32).reshape(6, 1))
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, str(tmp_path / "model"), global_step=3)
    return str(tmp_path)


def started(*variables):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return [v.tolist() for v in session.run([tf.convert_to_tensor(v) for v in variables])]


def test_a_checkpoint_is_read_by_names(saved):
    assert tf.train.list_variables(saved) == [("a", [2]), ("old/b", [6, 1])]
    reader = tf.train.load_checkpoint(saved)
    assert reader.has_tensor("a") and not reader.has_tensor("c")
    assert reader.get_variable_to_dtype_map()["a"] == tf.float32
    assert tf.train.load_variable(saved, "a:0").tolist() == [1, 2]
    assert b"old/b (DT_FLOAT) [6,1]" in reader.debug_string()
    with pytest.raises(tf.errors.NotFoundError, match="Key c not found in checkpoint"):
        reader.get_tensor("c")
    with pytest.raises(ValueError, match="Couldn't find 'checkpoint' file"):
        tf.train.load_checkpoint(os.path.dirname(os.path.abspath(__file__)))


@pytest.mark.parametrize("handle", [False, True])
def test_variables_begin_with_what_was_saved_under_other_names(saved, handle):
    x = tf.get_variable("x", [2], initializer=tf.zeros_initializer(), use_resource=handle)
    b = tf.get_variable("new/b", [6, 1], initializer=tf.zeros_initializer(), use_resource=handle,
                        partitioner=tf.fixed_size_partitioner(3))  # fmt: skip
    tf.train.init_from_checkpoint(saved, {"a": x, "old/": "new/"})
    assert started(x, b) == [[1, 2], [[0], [1], [2], [3], [4], [5]]]


@pytest.mark.parametrize(
    ("pairs", "text"),
    [
        ({"c": "x"}, "Tensor c is not found"),
        ({"old/b": "x"}, "doesn't match with shape of tensor old/b"),
        ({"old/": "x/"}, "is not found in"),
        ({"a": "nowhere"}, "does not exist here"),
        ({"old/b": "x/"}, "should map to scope only"),
    ],
)
def test_a_map_that_does_not_fit_is_refused(saved, pairs, text):
    tf.get_variable("x", [2])
    tf.get_variable("x/c", [2])
    with pytest.raises(ValueError, match=text):
        tf.train.init_from_checkpoint(saved, pairs)


def test_warm_starts_take_trainable_variables_by_pattern(saved):
    mine = tf.get_variable("m/a", [2], initializer=tf.zeros_initializer())
    tf.train.warm_start(saved, "m/.*", var_name_to_prev_var_name={"m/a": "a"})
    assert started(mine) == [[1, 2]]


def test_new_checkpoints_of_a_folder_are_waited_for(saved):
    assert [os.path.basename(p) for p in tf.train.checkpoints_iterator(saved, timeout=0.1)] == ["model-3"]
    asked = []
    for _ in tf.train.checkpoints_iterator(saved, timeout=0.1, timeout_fn=lambda: asked.append(1) or len(asked) == 2):
        continue
    assert len(asked) == 2
    path = tf.train.latest_checkpoint(saved)
    assert len(tf.train.get_checkpoint_mtimes([path, "/nowhere"])) == 1
    tf.train.remove_checkpoint(path)
    assert os.listdir(saved) == ["checkpoint"]


def test_the_list_of_a_folder_has_paths_as_they_are_given():
    state = tf.train.generate_checkpoint_state_proto("x", "x/m-2", ["x/m-1"])
    assert (state.model_checkpoint_path, state.all_model_checkpoint_paths) == ("m-2", ["m-1", "m-2"])
    with pytest.raises(ValueError, match="timestamps"):
        tf.train.generate_checkpoint_state_proto("x", "x/m", all_model_checkpoint_timestamps=[1.0, 2.0])


def test_what_counts_steps_is_a_whole_scalar():
    tf.train.assert_global_step(tf.Variable(0, name="fine"))
    for wrong in (tf.Variable(0.0), tf.Variable([0]), None):
        with pytest.raises(TypeError, match="Existing"):
            tf.train.assert_global_step(wrong)


def test_savers_are_built_later_or_have_nothing_to_save(tmp_path):
    with tf.Session() as session:
        assert tf.train.Saver(allow_empty=True).save(session, str(tmp_path / "none")) is None
        later = tf.train.Saver(defer_build=True)
        v = tf.Variable(1.0)
        session.run(v.initializer)
        with pytest.raises(RuntimeError, match="build"):
            later.save(session, str(tmp_path / "m"))
        later.build()
        later.save(session, str(tmp_path / "m"))
        padded = tf.train.Saver(pad_step_number=True, max_to_keep=2)
        for step in range(3):
            padded.save(session, str(tmp_path / "p"), global_step=step)
        assert [os.path.basename(p) for p in padded.last_checkpoints] == ["p-00000001", "p-00000002"]
        padded.save(session, str(tmp_path / "q"), write_state=False)
        assert tf.train.latest_checkpoint(str(tmp_path)).endswith("p-00000002")
        session.run(v.assign(5.0))
        tf.train.Saver.from_proto(padded.to_proto()).restore(session, str(tmp_path / "q"))
        assert session.run(v) == 1
        with pytest.raises(ValueError, match="not a valid checkpoint"):
            padded.restore(session, "/nowhere")


def test_clusters_and_queue_runners_travel_as_messages():
    pytest.importorskip("google.protobuf", reason="messages of TensorFlow's are written by its library: '.[interop]'")
    spec = tf.train.ClusterSpec({"worker": ["a:1", "b:2"], "ps": {1: "c:3"}})
    proto = spec.as_cluster_def()
    assert tf.train.ClusterSpec(proto) == spec
    assert tf.train.ServerDef(cluster=proto, job_name="ps", task_index=1).cluster.job[0].tasks[1] == "c:3"
    queue = tf.FIFOQueue(3, tf.int32)
    kinds = (tf.errors.OutOfRangeError, tf.errors.CancelledError)
    runner = tf.train.QueueRunner(queue, [queue.enqueue(1)] * 2, queue_closed_exception_types=kinds)
    again = tf.train.QueueRunner.from_proto(runner.to_proto())
    assert (again.name, again.enqueue_ops, again.close_op) == (queue.name, runner.enqueue_ops, runner.close_op)
    assert again.queue_closed_exception_types == kinds


def test_an_input_pipeline_travels_in_a_meta_graph(tmp_path):
    pytest.importorskip("google.protobuf", reason="messages of TensorFlow's are written by its library: '.[interop]'")
    rows = tf.train.range_input_producer(5, num_epochs=1, shuffle=False).dequeue()
    tf.train.batch([rows], 2, name="out")
    tf.train.export_meta_graph(str(tmp_path / "g.meta"))
    with tf.Graph().as_default(), tf.Session() as session:
        tf.train.import_meta_graph(str(tmp_path / "g.meta"), import_scope="mine")
        session.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
        coord = tf.train.Coordinator()
        threads = tf.train.start_queue_runners(session, coord)
        assert session.run("mine/out:0").tolist() == [0, 1]
        coord.request_stop()
        coord.join(threads)


def test_what_a_saver_wrote_is_given_to_objects_by_their_names(graph, tmp_path):
    v, more = tf.Variable(4.0, name="by_name"), tf.Variable(1.0, name="more")
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        path = tf.train.Saver([v]).save(session, str(tmp_path / "named"))
    with tf.Session() as session:
        status = tf.train.Checkpoint(x=v, y=more).restore(path)
        with pytest.raises(AssertionError, match="for: save_counter, more"):
            status.assert_existing_objects_matched()
        status.initialize_or_restore(session)
        assert session.run([v, more]) == [4, 1]
