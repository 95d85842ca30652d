"""A task that dies, is cut off or is started anew: the step ends for everybody, and can be begun from scratch."""

import numpy as np
import pytest

import refflow as tf
from refflow.runtime.cluster.network import Threads
from refflow.runtime.cluster.simulated import Simulated
from tests.runtime.cluster.programs import SPEC, Program, X, servers

LOST = (tf.errors.UnavailableError, tf.errors.AbortedError)


def started_anew(network, job, number):
    return tf.train.Server(SPEC, job, number, network=network)


def trained(tmp_path, network, made, kill=None):
    """The weights after three steps with a checkpoint before each, and how many messages the second step took.

    kill: (moment, number of the message): there the parameter server dies, in the second step; whoever waits for it
    starts it anew.
    """
    program, place = Program(), str(tmp_path / "model")
    sent = []

    def watch(what, address, method, arrives):
        sent.append((what, address, method))
        if kill is None or len([s for s in sent if s[0] == what]) != kill[1] + 1 or what != kill[0].split()[0]:
            return
        if kill[0] == "sent and under way":
            network.at((network.now + arrives) / 2, stop)
        else:
            stop()

    def stop():
        network.watch = None
        made["ps0"].stop()

    def anew():
        if not made["ps0"]._endpoint.is_open:
            made["ps0"] = started_anew(network, "ps", 0)

    with program.session(made["worker0"].target) as session:
        session.run(program.init)
        for step in range(3):
            saved = program.saver.save(session, place, global_step=step)
            network.watch = watch if step == 1 else None
            feeds = {program.x: X + step}
            tf.train.run_with_recovery(
                session,
                program.train,
                feeds,
                recover=lambda s, saved=saved: program.saver.restore(s, saved),
                pause=anew,
            )
            network.watch = None
            if not made["ps0"]._endpoint.is_open:  # it died when the step was over
                anew()
                tf.train.run_with_recovery(session, program.w.initializer, attempts=2)
                program.saver.restore(session, saved)
                session.run(program.train, feeds)
        return session.run([program.w, program.v]), len([s for s in sent if s[0] == "sent"])


def test_a_death_before_during_and_after_each_message_changes_no_result(tmp_path):  # [W27, W28]
    network = Simulated()
    wanted, count = trained(tmp_path, network, servers(network))
    assert count > 10
    for moment in ("sent", "sent and under way", "arrived"):
        for number in range(count):
            network = Simulated()
            got, _ = trained(tmp_path, network, servers(network), (moment, number))
            for g, w in zip(got, wanted, strict=True):
                assert g.tobytes() == w.tobytes(), (moment, number)


def test_a_death_ends_the_step_of_every_worker():  # [W27]
    network = Simulated()
    made = servers(network)
    program = Program()
    with program.session(made["worker0"].target) as session:
        session.run(program.init)
        network.watch = lambda what, address, method, at: made["ps0"].stop() if method == "worker/recv" else None
        with pytest.raises(LOST, match="ps:1"):
            session.run(program.train, {program.x: X})
        network.watch = None
        with pytest.raises(tf.errors.UnavailableError, match="ps:1 does not answer"):
            session.run(program.loss, {program.x: X})
        started_anew(network, "ps", 0)
        with pytest.raises(tf.errors.FailedPreconditionError, match="uninitialized value"):
            session.run(program.loss, {program.x: X})
        session.run(program.init)
        assert np.isfinite(session.run(program.loss, {program.x: X}))
    assert all(number >= 4 for _, number in made["worker1"].worker._steps)


@pytest.mark.parametrize("cut", [False, True])
def test_steps_without_a_lost_task_go_on(cut):  # [W27, S68]
    """Dead, or out of reach: only who needs it is told, and the others ask after it once."""
    network = Simulated()
    made = servers(network, health=1.0)
    with tf.Graph().as_default() as graph:
        with tf.device("/job:ps"):
            v = tf.Variable(1.0)
        adds = []
        for task in range(2):
            with tf.device(f"/job:worker/task:{task}"):
                adds.append(v.assign_add(tf.constant(2.0) * 1.0))
        init = tf.initialize_all_variables()
    with tf.Session(made["worker0"].target, graph=graph) as session:
        session.run(init)
        assert [session.run(add) for add in adds] == [3.0, 5.0]
        if cut:
            network.cut("worker:2")
        else:
            made["worker1"].stop()
        with pytest.raises(tf.errors.UnavailableError, match="worker:2"):
            session.run(adds[1])
        before = session.run(v)
        asked = network.messages["worker/status"]
        for k in range(5):
            assert session.run(adds[0]) == before + 2 * (k + 1)
        assert network.messages["worker/status"] == asked
        with pytest.raises(tf.errors.UnavailableError, match="worker:2"):
            session.run(adds[1])
        if cut:
            network.mend("worker:2")
        else:
            made["worker1"] = started_anew(network, "worker", 1)
        before = session.run(v)
        assert session.run(adds[1]) == before + 2


def test_who_is_cut_off_is_missed_at_the_second_question_after_its_health():  # [W27]
    network = Simulated()
    made = servers(network, health=30.0)
    program = Program()
    with program.session(made["worker0"].target) as session:
        session.run(program.init)
        session.run(program.train, {program.x: X})
        before = network.now
        network.cut("ps:1")
        with pytest.raises(tf.errors.UnavailableError, match="has not answered for 30 s"):
            session.run(program.train, {program.x: X})
        assert 59 < network.now - before < 61
        with pytest.raises(tf.errors.UnavailableError, match="has not answered for 60 s"):
            session.run(program.loss, {program.x: X})  # nobody can plan a step without it either
        network.mend("ps:1")
        # It never died: its variables are there, and it still is who it was.
        assert np.isfinite(session.run(program.loss, {program.x: X}))


def test_a_worker_that_only_thinks_is_not_missed():  # [W27, W44]
    network = Simulated()
    made = servers(network, health=1.0)
    with tf.Graph().as_default() as graph:
        with tf.device("/job:ps"):
            queue = tf.FIFOQueue(2, tf.int32, shared_name="late")
            value, put = queue.dequeue(), queue.enqueue(7)
        with tf.Session(made["worker0"].target, graph=graph) as waiter, pytest.raises(tf.errors.DeadlineExceededError):
            waiter.run(value, options=tf.RunOptions(timeout_in_ms=100_000))  # a hundred seconds, and questions
        assert network.messages["worker/status"] > 90
        with tf.Session(made["worker0"].target, graph=graph) as session:
            session.run(put)
            assert session.run(value) == 7


def test_an_old_worker_s_values_are_never_mixed_with_a_new_one_s():  # [W27]
    network = Simulated()
    made = servers(network)
    program = Program()
    with program.session(made["worker0"].target) as session:
        session.run(program.init)
        session.run(program.train, {program.x: X})
        made["worker1"].stop()
        started_anew(network, "worker", 1)
        with pytest.raises(tf.errors.AbortedError, match="started anew"):
            session.run(program.train, {program.x: X})
        assert np.isfinite(session.run(program.loss, {program.x: X}))


def test_a_master_that_was_started_anew_does_not_know_the_session():
    network = Threads()
    made = servers(network)
    program = Program()
    session = program.session(made["worker0"].target)
    session.run(program.init)
    made["worker0"].stop()
    with pytest.raises(tf.errors.UnavailableError, match="worker:1 does not answer"):
        session.run(program.loss, {program.x: X})
    made["worker0"] = started_anew(network, "worker", 0)
    with pytest.raises(tf.errors.AbortedError, match="Make a new Session"):
        session.run(program.loss, {program.x: X})
    with program.session(made["worker0"].target) as another:
        assert np.isfinite(another.run(program.loss, {program.x: X}))
    for server in made.values():
        server.stop()


def test_other_errors_are_not_tried_again():
    tried = []

    class Failing:
        def run(self, fetches, feeds):
            tried.append(fetches)
            raise tf.errors.InvalidArgumentError(None, None, "no")

    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.train.run_with_recovery(Failing(), "x", attempts=5)
    assert tried == ["x"]
