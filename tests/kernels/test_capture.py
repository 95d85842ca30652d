"""Stretches on a simulated card: its graph notes down launches and copies at capture, and runs them at each replay."""

import gc
import weakref

import numpy as np
import pytest

import refflow as tf
from refflow.runtime.device import Device
from refflow.runtime.gpu import GpuDevice
from refflow_kernels.simulated import SimulatedCard
from tests.graphs import assert_same_bits, deck_like


def session_on(card=None, **options):
    gpu = GpuDevice(0, card or SimulatedCard())
    return tf.Session(devices=[Device(0), gpu], allow_soft_placement=True, **options), gpu


def plan_of(session, fetches, feeds=()):
    """The plan of a signature that has run."""
    key = session._signature(fetches, tuple(feeds)).key
    return next(step for known, step in session._steps.items() if type(known) is tuple and known[0] == key)._executable


def runs(plan):
    """For each stretch, how often it ran line by line, was captured, was replayed."""
    return [tuple(s.runs.values()) for s in plan.stretches]


def small_net():
    x = tf.placeholder(tf.float32, [4, 3])
    w = tf.Variable(np.float32(np.arange(6).reshape(3, 2) / 10))
    b = tf.Variable(tf.zeros([2]))
    y = tf.nn.relu(tf.matmul(x, w) + b)
    loss = tf.reduce_sum(tf.square(y))
    return x, [w, b], loss, tf.train.GradientDescentOptimizer(0.05).minimize(loss)


def feeds_of(x, steps):
    rng = np.random.default_rng(3)
    return [{x: rng.normal(size=(4, 3)).astype(np.float32)} for _ in range(steps)]


def test_a_training_step_is_one_stretch_that_is_captured_once_and_replayed():
    with tf.Graph().as_default():
        x, _, loss, step = small_net()
        session, gpu = session_on()
        with session:
            session.run(tf.initialize_all_variables())
            for feeds in feeds_of(x, 6):
                session.run([step, loss], feeds)
            plan = plan_of(session, [step, loss], [x])
            assert runs(plan) == [(1, 1, 5)]
            assert len(gpu.captured) == 1


@pytest.mark.parametrize("capture", [True, False])
def test_feeds_variables_and_fetches_of_a_replay_are_those_of_the_cpu(capture):  # [S33]
    with tf.Graph().as_default():
        x, state, loss, step = small_net()
        results = []
        for make in (lambda: tf.Session(), lambda: session_on(capture=capture)[0]):
            with make() as session:
                session.run(tf.initialize_all_variables())
                losses = [session.run([step, loss], feeds)[1] for feeds in feeds_of(x, 6)]
                results.append([*losses, *session.run(state)])
        for got, wanted in zip(*results, strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


def test_what_was_fetched_does_not_change_with_later_replays():  # [S65]
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [3])
        y = tf.nn.relu(x + 1.0)
        with session_on()[0] as session:
            found = [session.run(y, {x: np.full(3, i, np.float32)}) for i in range(5)]
        assert [f.tolist() for f in found] == [[i + 1.0] * 3 for i in range(5)]


def test_nothing_is_read_before_the_step_has_written_it():
    """The arena and all that is pinned full of NaNs before each replay: the results are the same."""
    with tf.Graph().as_default():
        x, state, loss, step = small_net()
        results = []
        for poisoned in (False, True):
            session, _ = session_on()
            with session:
                session.run(tf.initialize_all_variables())
                losses = []
                for feeds in feeds_of(x, 5):
                    losses.append(session.run([step, loss], feeds)[1])
                    for kept in session._steps.values():
                        for block in kept._executable.card_blocks.values() if poisoned else ():
                            block.bytes[...] = 0xFF
                results.append([losses, session.run(state)])
        assert_same_bits(*results)


def test_rows_of_a_variable_that_go_elsewhere_in_it_are_those_from_before_the_step():  # [W12, W32]
    """A card's programs run at once: none may read what another has written."""
    rows, places = np.arange(12, dtype=np.float32).reshape(4, 3), np.array([1, 0, 3, 2])
    for change, wanted in ((tf.scatter_update, rows[places]), (tf.scatter_add, rows + rows[places])):
        for kept in (tf.identity, lambda v: v):
            with tf.Graph().as_default():
                v = tf.Variable(rows)
                changed = change(v, places, kept(v))
                with session_on()[0] as session:
                    for _ in range(3):
                        session.run(tf.initialize_all_variables())
                        np.testing.assert_array_equal(session.run(changed), wanted)


def test_a_part_of_the_cpu_splits_the_stretch_and_sees_each_step_s_values():  # [W22, W23]
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [5])
        with tf.device("/cpu:0"):
            middle = tf.tanh(tf.nn.relu(x) + 1.5)
        before = x * 2.0
        with tf.device("/cpu:0"):
            between = tf.tanh(before + 3.0)
        after = between + before
        values = [np.float32([0, 1, 2, 3, 4]) + i for i in range(4)]
        with tf.Session() as session:
            wanted = [session.run([after, middle], {x: v}) for v in values]
        with session_on()[0] as session:
            got = [session.run([after, middle], {x: v}) for v in values]
            plan = plan_of(session, [after, middle], [x])
        assert runs(plan) == [(1, 1, 3), (1, 1, 3)]
        for ours, theirs in zip(got, wanted, strict=True):
            np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-6)


def test_random_numbers_are_not_repeated_by_replays():  # [W73]
    with tf.Graph().as_default():
        tf.set_random_seed(7)
        y = tf.random_uniform([16]) * 2.0
        z = tf.nn.relu(tf.truncated_normal([16]))
        with tf.Session() as session:
            wanted = [session.run([y, z]) for _ in range(5)]
        with session_on()[0] as session:
            got = [session.run([y, z]) for _ in range(5)]
        assert len({g[0].tobytes() for g in got}) == 5
        for ours, theirs in zip(got, wanted, strict=True):
            np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-6)
            np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-5, atol=1e-6)


def test_a_learning_rate_that_is_fed_or_a_variable_is_not_baked_in():
    with tf.Graph().as_default():
        w = tf.Variable(np.float32([1.0, 2.0]))
        rate = tf.placeholder(tf.float32, [])
        step = tf.train.GradientDescentOptimizer(rate).minimize(tf.reduce_sum(w * w))
        with session_on()[0] as session:
            session.run(tf.initialize_all_variables())
            value = np.float32([1.0, 2.0])
            for lr in (0.1, 0.2, 0.3, 0.4):
                session.run(step, {rate: lr})
                value = value - np.float32(lr) * (value + value)
                np.testing.assert_allclose(session.run(w), value, rtol=1e-6)


def test_a_variable_with_new_memory_begins_its_stretches_anew():
    with tf.Graph().as_default():
        v = tf.Variable(np.float32([1, 2]), validate_shape=False)
        w = tf.Variable(np.float32([1, 2, 3]))
        y = w * 2.0
        longer = tf.assign(v, np.float32([1, 2, 3, 4]), validate_shape=False)
        session, gpu = session_on()
        with session:
            session.run(tf.initialize_all_variables())
            for _ in range(3):
                session.run(y)
            session.run(longer)  # another variable moves: nothing of y is done again
            assert session.run(y).tolist() == [2, 4, 6]
            assert runs(plan_of(session, y)) == [(1, 1, 3)]
            gpu.resources.lookup("", "Variable", "Variable_1").replace(np.float32([4, 5, 6]))
            assert [session.run(y).tolist() for _ in range(3)] == [[8, 10, 12]] * 3
            assert runs(plan_of(session, y)) == [(2, 2, 5)]


def test_a_card_keeps_no_more_captures_than_it_may_and_takes_dropped_ones_again():
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [2])
        results = [x * float(i) for i in range(2, 7)]
        session, gpu = session_on()
        gpu.captured.most = 2
        feed = {x: np.float32([1, 2])}
        with session:
            for _ in range(3):
                for i, y in enumerate(results):
                    assert session.run(y, feed).tolist() == [i + 2.0, 2 * (i + 2.0)]
            assert len(gpu.captured) == 2
            assert runs(plan_of(session, results[0], [x])) == [(1, 2, 2)]
            for _ in range(3):
                session.run(results[0], feed)
            assert runs(plan_of(session, results[0], [x])) == [(1, 3, 5)]


def test_a_session_s_end_lets_its_memory_on_the_card_go():
    card = SimulatedCard()
    with tf.Graph().as_default():
        x, _, loss, step = small_net()
        session, gpu = session_on(card)
        session.run(tf.initialize_all_variables())
        for feeds in feeds_of(x, 3):
            session.run([step, loss], feeds)
        held = card.used
        ended = weakref.ref(plan_of(session, [step, loss], [x]).stretches[0])
        session.close()
        del session
        gc.collect()
        assert ended() is None and len(gpu.captured) == 0
        gpu.resources.clear_all()
        gc.collect()
        assert held > 0 and card.used == 0


def test_two_sessions_on_one_card_do_not_disturb_each_other():
    card = SimulatedCard()
    with tf.Graph().as_default():
        x, _, loss, step = small_net()
        one, two = session_on(card)[0], session_on(card)[0]
        feeds = feeds_of(x, 5)
        with tf.Session() as session:
            session.run(tf.initialize_all_variables())
            wanted = [session.run([step, loss], f)[1] for f in feeds]
        for session in (one, two):
            session.run(tf.initialize_all_variables())
        got = [(one.run([step, loss], f)[1], two.run([step, loss], f)[1]) for f in feeds]
        for pair, true in zip(got, wanted, strict=True):
            np.testing.assert_allclose(pair, [true, true], rtol=1e-5)
            assert pair[0].tobytes() == pair[1].tobytes()


def test_what_fails_in_the_first_run_names_its_node():  # [W79]
    with tf.Graph().as_default():
        v = tf.Variable(np.float32([1, 2]), name="weights")
        y = tf.nn.relu(v, name="positive")
        with session_on()[0] as session, pytest.raises(tf.errors.FailedPreconditionError) as caught:
            session.run(y)
        assert "weights" in str(caught.value) and caught.value.node_def.name == "positive"


def test_what_fails_in_a_replay_names_the_part_and_how_to_learn_more():  # [W79]
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [2])
        y = tf.add(x, 1.0, name="one_more")
        card = SimulatedCard()
        with session_on(card)[0] as session:
            for _ in range(2):
                session.run(y, {x: [1, 2]})

            def fails():
                raise RuntimeError("an illegal memory access was encountered")

            card.wait = fails
            with pytest.raises(tf.errors.InternalError, match="'one_more': an illegal memory access.*capture=False"):
                session.run(y, {x: [1, 2]})


def test_full_memory_tells_what_was_to_lie_there():  # [W82]
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [64, 64])
        y = tf.nn.relu(tf.matmul(x, x, name="product"), name="large")
        session, _ = session_on(SimulatedCard(30_000))
        with session, pytest.raises(tf.errors.ResourceExhaustedError) as caught:
            session.run(y, {x: np.ones((64, 64))})
        text = str(caught.value)
        assert "there is no room for the 32,768 bytes of this step on /job:localhost" in text
        assert "16,384  large  float32[64,64]" in text
        w = tf.Variable(tf.zeros([100, 100]), name="wide")
        session, _ = session_on(SimulatedCard(30_000))
        with session, pytest.raises(tf.errors.ResourceExhaustedError, match=r"variables: (.|\n)*40,000  wide"):
            session.run(w.initializer)


def test_a_capture_that_is_refused_leaves_the_step_running_line_by_line():
    class Refuses(SimulatedCard):
        def capture(self, body):
            raise RuntimeError("operation not permitted when stream is capturing")

    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [2])
        y = x + 1.0
        with session_on(Refuses())[0] as session:
            session.run(y, {x: [1, 2]})
            with pytest.warns(RuntimeWarning, match="line by line: operation not permitted"):
                assert session.run(y, {x: [3, 4]}).tolist() == [4, 5]
            assert session.run(y, {x: [5, 6]}).tolist() == [6, 7]


def test_a_simulated_card_is_as_strict_as_cuda_while_it_captures():
    card = SimulatedCard()
    for what in (lambda: card.block(4), lambda: card.wait(), lambda: card.pinned(4), lambda: card.get(None)):
        with pytest.raises(RuntimeError, match="not permitted while a stream is captured"):
            card.capture(what)
    card.wait()


def test_a_device_without_a_card_plans_and_refuses_to_run():
    with tf.Graph().as_default():
        y = tf.placeholder(tf.float32, [2], name="x") + 1.0
        with tf.Session(devices=[Device(0), GpuDevice()]) as session:
            rows = session.stages(session.signature(y, ["x:0"])).placement
            assert any(row.device.endswith("gpu:0") for row in rows)
            with pytest.raises(RuntimeError, match="there to plan with: it has no card"):
                session.run(y, {"x:0": [1, 2]})


def test_a_replay_is_few_python_calls_away_from_run():
    """From `session.run` to the card and back; the time itself is for the benchmark to tell."""
    import sys

    with tf.Graph().as_default():
        x, _, loss, step = small_net()
        session, _ = session_on()
        with session:
            session.run(tf.initialize_all_variables())
            feeds = feeds_of(x, 1)[0]
            for _ in range(3):
                session.run([step, loss], feeds)
            stretch = plan_of(session, [step, loss], [x]).stretches[0]
            stretch._replay = lambda: None
            stretch._card = type("Card", (), {"wait": staticmethod(lambda: None)})
            calls = []
            sys.setprofile(lambda frame, event, _: calls.append(frame.f_code.co_name) if event == "call" else None)
            session.run([step, loss], feeds)
            sys.setprofile(None)
    assert len(calls) <= 24, calls


def test_the_deck_s_step_is_one_stretch_without_a_line_of_the_host():
    graph, init, fetches = deck_like()
    gpu = GpuDevice(0, SimulatedCard())
    with tf.Session(graph=graph, devices=[Device(0), gpu], allow_soft_placement=True) as session:
        session.run(init)
        session.run(fetches)
        plan = list(session._steps.values())[-1]._executable
    assert len(plan.stretches) == 1
    assert plan.source.index("s0()") < plan.source.index("o0 =")
