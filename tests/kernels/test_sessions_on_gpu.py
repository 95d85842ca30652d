"""Training steps, captures and the deck's program on a real card: `pytest -m gpu`."""

import numpy as np
import pytest

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("card")]


@pytest.fixture(scope="module", autouse=True)
def _compiled(card, request):
    """Every kernel that the chosen tests launch is compiled by all cores."""
    from refflow_kernels.ahead import fill_cache, shared
    from tests.kernels import on_a_card

    given = [i for i in request.session.items if i.module is request.module]
    chosen = [i.callspec.params.values() if hasattr(i, "callspec") else () for i in given]
    items = [("session", i.originalname, *values) for i, values in zip(given, chosen, strict=True)]
    major, minor = card.cuda.get_device_capability()
    fill_cache(on_a_card.launches_of, shared(items, 4), 10 * major + minor)


def test_the_deck_s_program_learns_on_the_card_as_on_the_cpu():  # [S33, S42]
    from refflow import deck

    def losses(gpu):
        lines = []
        deck.run(num_steps=301, gpu=gpu, say=lambda *words: lines.append(" ".join(map(str, words))))
        return [float(line.split(" : ")[1]) for line in lines if line.startswith("Loss")]

    np.testing.assert_allclose(losses(True), losses(False), rtol=1e-5)


def net(tf, batch=32):
    """A small training step, with labels and a random mask, so that every kind of value is in it."""
    x, y = tf.placeholder(tf.float32, [batch, 20]), tf.placeholder(tf.int32, [batch])
    w1 = tf.Variable(np.random.default_rng(1).normal(size=(20, 64)).astype(np.float32) / 5)
    w2 = tf.Variable(np.random.default_rng(2).normal(size=(64, 10)).astype(np.float32) / 8)
    logits = tf.matmul(tf.nn.relu(tf.matmul(x, w1)), w2)
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))
    return x, y, [w1, w2], loss, tf.train.AdamOptimizer(0.01).minimize(loss)


def rows_of(steps, batch=32):
    rng = np.random.default_rng(4)
    return rng.normal(size=(steps, batch, 20)).astype(np.float32), rng.integers(0, 10, (steps, batch)).astype(np.int32)


def trained(steps, repeated=False, **options):
    import refflow.compat.v1 as tf

    xs, ys = rows_of(steps)
    with tf.Graph().as_default():
        x, y, state, loss, step = net(tf)
        with tf.Session(allow_soft_placement=True, **options) as session:
            session.run(tf.global_variables_initializer())
            if repeated:
                losses = session.repeat([loss, step], steps, {x: xs, y: ys})[0]
            else:
                losses = [session.run([loss, step], {x: xs[i], y: ys[i]})[0] for i in range(steps)]
            plans = [s._executable for s in session._steps.values()]
            return [np.asarray(losses), *session.run(state)], plans


GPU = {"device_count": {"GPU": 1}}


def test_a_captured_step_trains_as_on_the_cpu():  # [S33]
    wanted, _ = trained(40)
    got, plans = trained(40, **GPU)
    for g, w in zip(got, wanted, strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-3, atol=1e-4)
    stretches = [s for plan in plans for s in plan.stretches if s.runs["replays"]]
    assert [s.runs for s in stretches] == [{"lines": 1, "captures": 1, "replays": 39}]


def test_captured_uncaptured_and_repeated_steps_give_one_result_to_the_bit():
    results = [trained(40, **GPU)[0], trained(40, capture=False, **GPU)[0], trained(40, repeated=True, **GPU)[0]]
    for other in results[1:]:
        assert [a.tobytes() for a in results[0]] == [b.tobytes() for b in other]


def test_random_numbers_of_replays_are_the_cpu_s():  # [W73]
    import refflow as tf

    with tf.Graph().as_default():
        y = tf.random_uniform([1000], seed=3) * 2.0
        with tf.Session(allow_soft_placement=True, **GPU) as card, tf.Session() as host:
            for _ in range(4):
                np.testing.assert_array_equal(card.run(y), host.run(y))


@pytest.mark.parametrize("masked", [False, True], ids=["whole", "of two lengths"])
def test_a_loop_and_its_lists_have_the_cpu_s_slopes_on_the_card(masked):  # [W43]
    import refflow as tf
    from tests.kernels.test_lists_on_a_card import recurrent

    with tf.Graph().as_default():
        x, fetches = recurrent(masked)
        given = {x: np.random.default_rng(3).normal(size=(2, 3, 2))}
        results = []
        for options in ({}, GPU):
            with tf.Session(allow_soft_placement=True, **options) as session:
                session.run(tf.initialize_all_variables())
                results.append([session.run(fetches, given) for _ in range(3)][-1])
    for found, wanted in zip(*results, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_a_card_without_room_tells_what_was_to_lie_there():  # [W82]
    import refflow as tf

    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [1 << 19, 1])
        y = tf.matmul(x, x, transpose_b=True, name="vast")  # a terabyte
        with tf.Session(**GPU) as session, pytest.raises(tf.errors.ResourceExhaustedError, match="vast"):
            session.run(tf.reduce_sum(y), {x: np.zeros((1 << 19, 1), np.float32)})


def test_many_signatures_leave_no_more_captures_than_are_kept():
    import refflow as tf

    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [8])
        results = [x * float(i) for i in range(70)]
        with tf.Session(**GPU) as session:
            for _ in range(3):
                for i, y in enumerate(results):
                    assert session.run(y, {x: np.ones(8)}).tolist() == [float(i)] * 8
            card = next(d for d in session.devices if d.type == "gpu")
            assert len(card.captured) == card.captured.most == 64


def test_a_run_costs_the_host_ten_microseconds_at_most():
    from refflow.bench import gpu

    def devices():
        from refflow.runtime.device import local_devices

        return local_devices({"GPU": 1})

    workload = gpu.perceptron.PerceptronDescent()
    side = gpu.make(workload, "refflow", workload.data(np.random.default_rng(0)), devices, "cuda")
    assert 1e6 * min(side.host() for _ in range(5)) < 10
