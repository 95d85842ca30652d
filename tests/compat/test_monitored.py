"""refflow.compat.v1: monitored sessions, their hooks and scaffolds, session managers, supervisors."""

import json

import numpy as np
import pytest

import refflow.compat.v1 as tf


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as made:
        yield made


class Told(tf.train.SessionRunHook):
    """Writes down what is asked of it."""

    def __init__(self, said, wanted=None):
        self.said, self.wanted = said, wanted

    def begin(self):
        self.said.append("begin")

    def after_create_session(self, session, coord):
        self.said.append("create")

    def before_run(self, run_context):
        return self.wanted

    def after_run(self, run_context, run_values):
        self.said.append(run_values.results)

    def end(self, session):
        self.said.append("end")


def test_hooks_are_asked_around_each_run_and_the_graph_may_grow_again_afterwards(graph):
    v, said = tf.Variable(3.0), []
    twice = v * 2
    hooks = [Told(said, tf.train.SessionRunArgs({"twice": twice})), Told(said)]
    with tf.train.MonitoredSession(hooks=hooks) as session:
        assert graph.finalized and session.graph is graph
        assert session.run(v) == 3
    assert said == ["begin", "begin", "create", "create", {"twice": 6}, None, "end", "end"]
    assert not graph.finalized and session.should_stop()
    with pytest.raises(RuntimeError, match="closed"):
        session.run(v)


def test_an_error_ends_a_session_without_the_ends_of_hooks():
    said = []
    with pytest.raises(ValueError, match="mine"), tf.train.MonitoredSession(hooks=[Told(said)]):
        raise ValueError("mine")
    assert "end" not in said


def test_the_end_of_the_input_ends_a_session_quietly():
    said = []
    rows = tf.train.range_input_producer(3, num_epochs=1, shuffle=False).dequeue()
    found = []
    with tf.train.MonitoredSession(hooks=[Told(said)]) as session:
        while not session.should_stop():
            found.append(session.run(rows))
    assert found == [0, 1, 2] and said[-1] == "end"


def test_hooks_feed_each_place_once():
    hole = tf.placeholder(tf.float32)
    double = hole * 2
    with tf.train.MonitoredSession(hooks=[tf.train.FeedFnHook(lambda: {hole: 4.0})]) as session:
        assert session.run(double) == 8
        with pytest.raises(RuntimeError, match="fed by a SessionRunHook and user"):
            session.run(double, {hole: 1.0})


def test_a_lost_task_makes_the_session_anew_and_a_singular_one_fails():
    v, said = tf.Variable(0.0), []
    grown = v.assign_add(1.0)

    class Loses(Told):
        def after_run(self, run_context, run_values):
            if self.said.count("create") == 1:
                raise tf.errors.AbortedError(None, None, "gone")

    with tf.train.MonitoredSession(hooks=[Loses(said)]) as session:
        assert [session.run(grown), session.run(grown)] == [1, 2]
    assert said.count("create") == 2
    with pytest.raises(tf.errors.AbortedError), tf.train.SingularMonitoredSession(hooks=[Loses([])]) as session:
        session.run(grown)


def test_a_step_function_runs_with_hooks_or_without_and_may_stop():
    v, said = tf.Variable(3.0), []
    with tf.train.MonitoredSession(hooks=[Told(said)]) as session:
        assert session.run_step_fn(lambda step_context: step_context.run_with_hooks(v)) == 3
        assert session.run_step_fn(lambda step_context: step_context.session.run(v)) == 3
        with pytest.raises(ValueError, match="step_context"):
            session.run_step_fn(lambda other: 1)
        session.run_step_fn(lambda step_context: step_context.request_stop())
        pytest.fail("request_stop leaves the `with`")
    assert said == ["begin", "create", None, "end"]


def test_timers_are_due_every_so_many_steps_once_a_step():
    timer = tf.train.SecondOrStepTimer(every_steps=3)
    assert timer.should_trigger_for_step(7) and timer.update_last_triggered_step(7) == (None, None)
    assert [timer.should_trigger_for_step(s) for s in (7, 9, 10)] == [False, False, True]
    assert timer.update_last_triggered_step(12)[1] == 5 and timer.last_triggered_step() == 12
    for wrong in ({}, {"every_secs": 1, "every_steps": 1}):
        with pytest.raises(ValueError, match="every_secs"):
            tf.train.SecondOrStepTimer(**wrong)


def test_a_session_for_training_writes_checkpoints_summaries_and_timelines(tmp_path):
    step = tf.train.get_or_create_global_step()
    grown, folder, saves = step.assign_add(1), str(tmp_path), []
    tf.summary.scalar("twice", tf.cast(step, tf.float32) * 2)

    class Listens(tf.train.CheckpointSaverListener):
        def before_save(self, session, global_step_value):
            saves.append(int(global_step_value))

        def after_save(self, session, global_step_value):
            return global_step_value >= 5

    hooks = [tf.train.ProfilerHook(save_steps=2, output_dir=folder),
             tf.train.CheckpointSaverHook(folder, save_steps=2, saver=tf.train.Saver(), listeners=[Listens()]),
             tf.train.LoggingTensorHook({"step": step}, every_n_iter=2)]  # fmt: skip
    with tf.train.MonitoredTrainingSession(summary_dir=folder, hooks=hooks, save_summaries_steps=2,
                                           log_step_count_steps=2) as session:  # fmt: skip
        while not session.should_stop():
            session.run(grown)
    assert saves == [0, 2, 4, 6]
    log = [v for path in tmp_path.glob("events*") for e in tf.train.summary_iterator(str(path)) for v in e.values()]
    assert {"twice", "global_step/sec"} <= {v.tag for v in log}
    assert json.loads((tmp_path / "timeline-4.json").read_text())["traceEvents"]
    with tf.Graph().as_default():
        again = tf.train.get_or_create_global_step()
        with tf.train.MonitoredTrainingSession(checkpoint_dir=folder) as session:
            assert session.run(again) == 6


def test_a_loss_that_is_no_number_ends_the_training():
    hole = tf.placeholder(tf.float32, [])
    loss = hole * 1
    with pytest.raises(tf.train.NanLossDuringTrainingError, match="NaN loss"), tf.train.MonitoredSession(
        hooks=[tf.train.NanTensorHook(loss)]
    ) as session:
        session.run(loss, {hole: np.nan})
    with tf.train.MonitoredSession(hooks=[tf.train.NanTensorHook(loss, fail_on_nan_loss=False)]) as session:
        session.run(loss, {hole: np.nan})
        assert session.should_stop()


def test_the_end_may_fetch_something_and_a_step_may_be_waited_for():
    step = tf.train.get_or_create_global_step()
    grown, last = step.assign_add(1), tf.train.FinalOpsHook({"step": step})
    with tf.train.MonitoredSession(hooks=[last, tf.train.GlobalStepWaiterHook(0)]) as session:
        session.run(grown)
    assert last.final_ops_values == {"step": 1}


def test_a_scaffold_finds_what_collections_have_and_makes_the_rest():
    hole = tf.placeholder(tf.float32, [])
    v, w = tf.Variable(hole), tf.Variable(0.0)
    nine = w.assign(9.0)
    known = tf.train.Scaffold(init_feed_dict={hole: 5.0}, init_fn=lambda scaffold, session: session.run(nine))
    with tf.train.MonitoredSession(tf.train.ChiefSessionCreator(known)) as session:
        assert session.run([v, w]) == [5, 9]
    assert tf.get_collection("savers") == [known.saver] and tf.get_collection("init_op") == [known.init_op]
    copied = tf.train.Scaffold(local_init_op="mine", copy_from_scaffold=known)
    assert (copied.init_op, copied.local_init_op) == (known.init_op, "mine")
    tf.add_to_collection("summary_op", 1)
    tf.add_to_collection("summary_op", 2)
    with pytest.raises(RuntimeError, match="More than one item"):
        tf.train.Scaffold().finalize()


def test_a_session_manager_restores_or_initializes_or_says_what_lacks(tmp_path):
    v = tf.Variable(1.0, name="v")
    init, lacking, saver = tf.global_variables_initializer(), tf.report_uninitialized_variables(), tf.train.Saver()
    manager = tf.train.SessionManager(ready_op=lacking, recovery_wait_secs=0.05)
    with pytest.raises(RuntimeError, match="Variables not initialized: v"):
        manager.prepare_session("", init_op=tf.no_op())
    with pytest.raises(RuntimeError, match="no init_op or init_fn or local_init_op was given"):
        manager.prepare_session("")
    with pytest.raises(tf.errors.DeadlineExceededError, match="not ready after waiting"):
        manager.wait_for_session("", max_wait_secs=0.2)
    assert manager.recover_session("", saver=saver, checkpoint_dir=str(tmp_path))[1] is False
    session = manager.prepare_session("", init_op=init)
    session.run(v.assign(7.0))
    saver.save(session, str(tmp_path / "model"))
    session, ready = manager.recover_session("", saver=saver, checkpoint_dir=str(tmp_path))
    assert ready and session.run(v) == 7


def test_a_supervisor_looks_after_threads_and_files(tmp_path):
    step = tf.train.get_or_create_global_step()
    grown, calls = step.assign_add(1), []
    supervisor = tf.train.Supervisor(logdir=str(tmp_path), save_model_secs=0.05)

    def train(session, most):
        calls.append(int(session.run(grown)))
        if calls[-1] == most and supervisor.loop(0.01, lambda: None).join(0.1) is None:
            supervisor.request_stop()

    tf.train.basic_train_loop(supervisor, train, args=(4,))
    assert calls == [1, 2, 3, 4] and tf.train.latest_checkpoint(str(tmp_path))
    assert (tmp_path / "graph.pbtxt").exists()
    with pytest.raises(ValueError, match="mine"), tf.train.Supervisor().managed_session():
        raise ValueError("mine")
