"""Sessions as TensorFlow's clients use them, asked of both: partial runs, options, errors, threads, growing graphs."""

import json
import threading

import numpy as np
import pytest

from tests.peers.stand_in import differences, outcomes, stand_in

pytestmark = pytest.mark.peers
pytest.importorskip("tensorflow")


def three(tf):
    """Three placeholders, and a sum and a product over them."""
    a, b, c = (tf.compat.v1.placeholder(tf.float32, [], name=name) for name in "abc")
    first = tf.add(a, b, name="first")
    return (a, b, c), (first, tf.multiply(first, c, name="second"))


# -- partial runs --------------------------------------------------------------------------------------


def in_parts(tf):
    (a, b, c), (first, second) = three(tf)
    with tf.compat.v1.Session() as session:
        handle = session.partial_run_setup([first, second], [a, b, c])
        found = session.partial_run(handle, first, {a: 1, b: 2})
        session.partial_run(handle, second, {c: found * 17})
        handles = [session.partial_run_setup([first, second], [a, b, c]) for _ in range(20)]
        for i, each in enumerate(handles):
            session.partial_run(each, first, {a: i, b: 1})
        for i, each in enumerate(reversed(handles)):
            session.partial_run(each, second, {c: i})
        session.partial_run_setup([first, second], [a, b, c])  # is never finished


def in_parts_of_a_dictionary(tf):
    (a, b, c), (first, second) = three(tf)
    with tf.compat.v1.Session() as session:
        handle = session.partial_run_setup([first, second.op], [a, b, c])
        session.partial_run(handle, {"x": first, "y": [first]}, {a: 1, b: 2, c: 3})


def refused(request):
    """A program that asks a partial run for what it cannot give."""

    def program(tf):
        holes, results = three(tf)
        with tf.compat.v1.Session() as session:
            request(session, holes, results)

    return program


def unset_feed(session, holes, results):
    a, b, c = holes
    session.partial_run(session.partial_run_setup([results[0]], [a, b]), results[0], {a: 1, b: 2, c: 3})


def unset_fetch(session, holes, results):
    a, b, c = holes
    session.partial_run(session.partial_run_setup([results[0]], [a, b, c]), results[1], {a: 1, b: 2, c: 3})


def fed_twice(session, holes, results):
    a, b, c = holes
    handle = session.partial_run_setup(list(results), list(holes))
    session.partial_run(handle, results[0], {a: 1, b: 2})
    session.partial_run(handle, results[1], {a: 1, c: 3})


def fetched_twice(session, holes, results):
    a, b, c = holes
    handle = session.partial_run_setup(list(results), list(holes))
    session.partial_run(handle, results[0], {a: 1, b: 2})
    session.partial_run(handle, results[0], {c: 3})


def too_early(session, holes, results):
    handle = session.partial_run_setup(list(results), list(holes))
    session.partial_run(handle, results[1], {holes[0]: 1, holes[1]: 2})


def no_handle(session, holes, results):
    session.partial_run("nobody", results[0], {holes[0]: 1})


def gone(session, holes, results):
    handle = session.partial_run_setup([results[0]], list(holes[:2]))
    for _ in range(2):
        session.partial_run(handle, results[0], {holes[0]: 1, holes[1]: 2})


@pytest.mark.parametrize("program", [in_parts, in_parts_of_a_dictionary])
def test_partial_runs_give_the_same(program):
    assert differences(program) == []


WRONG = [unset_feed, unset_fetch, fed_twice, fetched_twice, too_early, no_handle, gone]


@pytest.mark.parametrize("request_", WRONG, ids=lambda f: f.__name__)
def test_partial_runs_refuse_the_same_in_the_same_words(request_):
    theirs, ours = (outcomes(refused(request_), here)[-1] for here in (False, True))
    assert (ours.error, ours.message.startswith(theirs.message)) == ("InvalidArgumentError", True), ours


def test_a_placeholder_that_was_not_set_up_is_missed_in_a_partial_run():
    def program(tf):
        _, (first, _) = three(tf)
        with tf.compat.v1.Session() as session:
            with pytest.raises(tf.errors.InvalidArgumentError, match="specify at least one target to fetch or execute"):
                session.partial_run_setup([], [])
            session.partial_run(session.partial_run_setup([first, first * 2.0], []), first)

    assert "You must feed a value for placeholder tensor" in outcomes(program, here=True)[-1].message


# -- runs, their options, and what the client finds in an error ------------------------------------------


def growing(tf):
    """The graph grows between runs, and while other threads run."""
    with tf.compat.v1.Session() as session:
        total = tf.constant(1.0)
        session.run(total)
        for i in range(5):
            total = total + float(i)
            session.run(total)
        v = tf.compat.v1.Variable(total, use_resource=False)
        session.run(v.initializer)
        session.run([v, v.assign_add(total)])
        session.run(v)


def structures(tf):
    with tf.compat.v1.Session() as session:
        x = tf.constant([[1.0, 2.0]], name="x")
        sparse = tf.SparseTensor([[0, 1]], [5.0], [2, 3])
        slices = tf.IndexedSlices(tf.constant([[1.0]]), tf.constant([3]))
        session.run({"a": [x, (x, sparse)], "b": {"c": slices, "d": "x:0"}, "e": x.op})
        session.run([])
        hole = tf.compat.v1.sparse_placeholder(tf.float32)
        session.run(tf.sparse.to_dense(hole), {hole: ([[0, 1]], [5.0], [2, 3])})
        session.run(x * 2.0, {x: [[7.0, 8.0]]})


def closed(tf):
    session = tf.compat.v1.Session()
    x = tf.constant(1.0)
    session.run(x)
    session.close()
    with pytest.raises(RuntimeError, match="Attempted to use a closed Session"):
        session.run(x)


def late(tf):
    queue = tf.queue.FIFOQueue(10, tf.float32, [])
    take = queue.dequeue()
    config = tf.compat.v1.ConfigProto(operation_timeout_in_ms=20)
    with tf.compat.v1.Session(config=config) as session, pytest.raises(tf.errors.DeadlineExceededError):
        session.run(take)
    with tf.compat.v1.Session() as session, pytest.raises(tf.errors.DeadlineExceededError, match="Timed out waiting"):
        session.run(take, options=tf.compat.v1.RunOptions(timeout_in_ms=20))


def pools(tf):
    with tf.compat.v1.Session() as session:
        x = tf.constant(1.0)
        session.run(x, options=tf.compat.v1.RunOptions(inter_op_thread_pool=-1))
        session.run(x, options=tf.compat.v1.RunOptions(inter_op_thread_pool=2))


def cancelled(tf):
    """A step waits in a thread of its own until its session is closed."""
    session = tf.compat.v1.Session()
    take = tf.queue.FIFOQueue(10, tf.float32, []).dequeue()
    seen = []

    def wait():
        try:
            session.run(take)
        except tf.errors.OpError as error:
            seen.append(type(error).__name__)

    thread = threading.Thread(target=wait)
    thread.start()
    thread.join(0.1)
    session.close()
    thread.join()
    assert seen == ["CancelledError"]


def many(tf):
    """Ten threads, one session, one counter."""
    v = tf.compat.v1.Variable(0, use_resource=False)
    more = tf.compat.v1.assign_add(v, 1, use_locking=True)
    x = tf.compat.v1.placeholder(tf.float32, [None])
    y = tf.reduce_sum(x * 2.0)
    with tf.compat.v1.Session() as session:
        session.run(v.initializer)
        call = session.make_callable(y, [x])
        wrong = []

        def work(k):
            for i in range(20):
                session.run(more.op)
                if call(np.full(i + 1, k)) != 2 * k * (i + 1):
                    wrong.append((k, i))

        threads = [threading.Thread(target=work, args=[k]) for k in range(10)]
        [t.start() for t in threads]
        [t.join() for t in threads]
        assert not wrong
        return session.run(v)


PROGRAMS = [growing, structures, closed, late, pools, cancelled]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_sessions_give_the_same(program):
    assert differences(program) == []


def test_threads_of_one_session_lose_nothing():
    import tensorflow as tf

    with tf.Graph().as_default(), stand_in():
        assert many(tf) == 200


def test_an_error_leads_to_the_operation_and_its_line():
    import tensorflow as tf

    with tf.Graph().as_default(), stand_in(), tf.compat.v1.Session() as session:
        hole = tf.compat.v1.placeholder(tf.int32, [])
        bad = tf.gather([1, 2], hole, name="bad")
        with pytest.raises(tf.errors.InvalidArgumentError) as caught:
            session.run(bad, {hole: 5})
    error = caught.value
    assert error.op is bad.op and error.node_def.name == "bad"
    assert "indices = 5 is not in [0, 2)" in error.message and "test_sessions.py" in error.message


def test_metadata_goes_along():
    import tensorflow as tf
    from tensorflow.python.client import timeline

    with tf.Graph().as_default(), stand_in():
        first, second = (tf.constant(v, name=name) for v, name in ((1.0, "const1"), (2.0, "const2")))
        result = tf.add(first, second) + first * second
        config = tf.compat.v1.ConfigProto(device_count={"CPU": 3}, graph_options=tf.compat.v1.GraphOptions(
            optimizer_options=tf.compat.v1.OptimizerOptions(opt_level=-1), build_cost_model=1))  # fmt: skip
        options = tf.compat.v1.RunOptions(trace_level=tf.compat.v1.RunOptions.FULL_TRACE, output_partition_graphs=True)
        metadata = tf.compat.v1.RunMetadata()
        with tf.compat.v1.Session(config=config) as session:
            session.run(result, options=options, run_metadata=metadata)
    assert metadata.HasField("step_stats") and len(metadata.step_stats.dev_stats) == 1
    assert len(metadata.partition_graphs) == 1 and metadata.HasField("cost_graph")
    found = timeline.Timeline(metadata.step_stats).analyze_step_stats()
    json.loads(found.chrome_trace.format_to_string())
    assert {"const1", "const2"} <= found.allocator_maximums["cpu"].tensors
