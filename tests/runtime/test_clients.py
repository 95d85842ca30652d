"""What clients hold: sessions, their state, what may be asked and fed, several at once, and children by fork."""

import subprocess
import sys
import threading
from collections import OrderedDict, defaultdict, namedtuple
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import refflow as tf
from refflow.core.registry import op_def
from refflow.runtime.device import local_devices
from refflow.runtime.feeds import register_feeds
from refflow.runtime.signature import register_fetches

BOTH = pytest.mark.parametrize("executor", ["plan", "executor"])


# -- what may be fetched and fed -----------------------------------------------------------------------


def test_a_result_is_of_the_kind_that_was_asked_for(graph):  # [W10]
    x, y = tf.constant(1.0, name="x"), tf.constant(2.0)
    pair = namedtuple("pair", "a b")
    with tf.Session() as session:
        assert session.run(pair(x, [y])) == pair(1.0, [2.0])
        found = session.run(OrderedDict([("b", x), ("a", y)]))
        assert type(found) is OrderedDict and list(found.items()) == [("b", 1.0), ("a", 2.0)]
        found = session.run(defaultdict(list, {"b": (x,)}))
        assert type(found) is defaultdict and found["b"] == (1.0,) and found["other"] == []
        assert session.run(tf.split(0, 2, [1.0, 2.0])[0].op.outputs)[0].tolist() == [1.0]
        assert session.run([]) == [] and session.run({}) == {}


def test_several_tensors_may_be_fed_by_one_key(graph):  # [W10]
    a, b = tf.placeholder(tf.float32, []), tf.placeholder(tf.float32, [])
    slices = tf.IndexedSlices(tf.placeholder(tf.float32), tf.placeholder(tf.int32))
    sparse = tf.SparseTensor(tf.placeholder(tf.int64), tf.placeholder(tf.float32), tf.placeholder(tf.int64))
    with tf.Session() as session:
        assert session.run(a - b, {(a, b): (5, 3)}) == 2
        assert session.run(slices.values * 2.0, {slices: ([1.0], [0])}).tolist() == [2]
        dense = tf.sparse_tensor_to_dense(sparse, 0.0)
        assert session.run(dense, {sparse: ([[1]], [5.0], [3])}).tolist() == [0, 5, 0]
        with pytest.raises(ValueError, match="1 values are fed for 2 tensors"):
            session.run(a - b, {(a, b): (5,)})
        with pytest.raises(ValueError, match="is fed twice"):
            session.run(a - b, {(a, b): (5, 3), a: 1})


def test_kinds_of_ones_own_may_be_fetched_and_fed(graph):
    class Pair:
        def __init__(self, a, b):
            self.a, self.b = a, b

    register_fetches(Pair, lambda pair: ([pair.a, pair.b], sum))
    register_feeds(Pair, lambda pair, value: [(pair.a, value), (pair.b, -value)])
    pair = Pair(tf.placeholder(tf.float32, []), tf.placeholder(tf.float32, []))
    with tf.Session() as session:
        assert session.run(Pair(pair.a * 3.0, pair.b + 0.0), {pair: 2.0}) == 4


@BOTH
def test_a_callable_runs_one_request_again_and_again(graph, executor):  # [W09]
    x = tf.placeholder(tf.float32, [None], name="x")
    y = tf.reduce_sum(x)
    with tf.Session(executor=executor) as session:
        call = session.make_callable({"sum": y, "op": y.op}, [x])
        assert [call([1, 2]), call([4])] == [{"sum": 3, "op": None}, {"sum": 4, "op": None}]
        assert session.make_callable(tf.constant(2.0))() == 2
        assert session.make_callable(y, [(x,)])(([5.0],)) == 5
        with pytest.raises(TypeError, match="takes a value for each of its 1 feeds, got 2"):
            call([1], [2])
        with pytest.raises(TypeError, match="made without accept_options"):
            call([1], options=tf.RunOptions())
        with pytest.raises(TypeError, match="feed_list must be a list or tuple"):
            session.make_callable(y, x)
        with pytest.raises(ValueError, match="Fetch argument 'nothing'"):
            session.make_callable("nothing")
        metadata = tf.RunMetadata()
        watched = session.make_callable(y, [x], accept_options=True)
        watched([1], options=tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE), run_metadata=metadata)
        assert metadata.HasField("step_stats")
    with pytest.raises(RuntimeError, match="Attempted to use a closed Session"):
        call([1])


# -- the life of a session -----------------------------------------------------------------------------


def test_a_session_is_entered_once_and_closed_as_often_as_one_likes(graph):
    session = tf.Session()
    with session, pytest.raises(RuntimeError, match="Session context managers are not re-entrant"):
        session.__enter__()
    session.close()
    with pytest.raises(TypeError, match="config must be a ConfigProto"):
        tf.Session(config=3)


def test_a_session_tells_of_itself(graph):
    tf.constant(1.0, name="one")
    with tf.Session(device_count={"CPU": 2}) as session:
        assert [n.name for n in session.graph_def.node] == ["one"] and session.sess_str == ""
        assert [(d.name[-5:], d.device_type) for d in session.list_devices()] == [("cpu:0", "CPU"), ("cpu:1", "CPU")]


def test_containers_hold_state_by_name(graph):  # [W47]
    with tf.container("one"):
        first = tf.Variable(1.0)
        queue = tf.FIFOQueue(3, tf.float32, [])
        with tf.container("two"):
            second = op_def("VariableV2")(dtype=tf.float32, shape=[], shared_name="v")
        named = op_def("VariableV2")(dtype=tf.float32, shape=[], container="three")
        plain = tf.constant(1.0)
    assert [t.op.attrs["container"] for t in (first.ref(), queue.queue_ref, second, named)] == [
        "one", "one", "two", "three",
    ]  # fmt: skip
    assert "container" not in plain.op.attrs and tf.Variable(1.0).op.attrs["container"] == ""


def test_a_reset_clears_containers_and_closes_the_sessions(graph):  # [W47]
    with tf.container("mine"):
        first = tf.Variable(1.0)
    second = tf.Variable(2.0)
    devices = local_devices()
    session = tf.Session(devices=devices)
    session.run(tf.initialize_all_variables())
    tf.Session.reset("", ["mine"])
    with pytest.raises(tf.errors.CancelledError, match="Session has been closed"):
        session.run(second)
    with tf.Session(devices=devices) as again:
        assert again.run(second) == 2
        with pytest.raises(tf.errors.FailedPreconditionError):
            again.run(first)
        tf.Session.reset()
    with tf.Session(devices=devices) as again, pytest.raises(tf.errors.FailedPreconditionError):
        again.run(second)
    with pytest.raises(ValueError, match="target 'grpc://x'"):
        tf.Session.reset("grpc://x")


def test_unrelated_graphs_share_state_by_its_name():  # [W47]
    """Two graphs, two sessions, one counter on devices that both were given."""
    devices = local_devices()

    def session():
        graph = tf.Graph()
        with graph.as_default():
            counter = op_def("VariableV2")(dtype=tf.int32, shape=[], container="shared", shared_name="counter")
            nodes = tf.assign(counter, 0), tf.assign_add(counter, 1)
        return tf.Session(graph=graph, devices=devices), nodes

    (first, (start, more)), (second, (_, other)) = session(), session()
    first.run(start)
    assert [first.run(more), second.run(other), first.run(more)] == [1, 2, 3]
    first.close()
    assert second.run(other) == 4


# -- several threads, one session ----------------------------------------------------------------------


@BOTH
def test_without_an_order_a_race_shows_and_a_queue_mends_it(graph, executor):  # [O01]
    """Two clients read a counter and write it back, one more: an update is lost if both read before either writes."""
    counter = tf.Variable(0)
    read = tf.identity(counter)
    value = tf.placeholder(tf.int32, [])
    write = tf.assign(counter, value)
    token = tf.FIFOQueue(1, tf.int32, [])
    take, give = token.dequeue(), token.enqueue(0)

    def clients(session, both_have_read, take_turns):
        def work():
            for _ in range(10):
                if take_turns:
                    session.run(take)
                seen = session.run(read)
                if not take_turns:
                    both_have_read.wait()
                session.run(write, {value: seen + 1})
                if take_turns:
                    session.run(give)
                else:
                    both_have_read.wait()

        threads = [threading.Thread(target=work) for _ in range(2)]
        [t.start() for t in threads]
        [t.join() for t in threads]
        return session.run(counter)

    with tf.Session(executor=executor) as session:
        session.run([counter.initializer, give])
        assert clients(session, threading.Barrier(2), take_turns=False) == 10  # of 20
        session.run(counter.initializer)
        assert clients(session, None, take_turns=True) == 20


@pytest.mark.parametrize("options", [{}, {"executor": "executor", "policy": "random(3)"}], ids=str)
def test_many_clients_of_one_session(options):  # [W58, O01]
    """Eight threads: requests with and without feeds, of many shapes, with state, random numbers, errors and loops,
    while the graph grows."""
    graph = tf.Graph()
    with graph.as_default():
        x = tf.placeholder(tf.float32, [None, 4])
        squares = tf.reduce_sum(tf.square(x), 1)
        place = tf.placeholder(tf.int32, [])
        picked = tf.gather([10, 20, 30], place)
        counter = tf.Variable(0)
        more = tf.assign_add(counter, 1, use_locking=True).op
        noise = tf.random_uniform([3])
        limit = tf.placeholder(tf.int32, [])
        power = tf.while_loop(lambda i, a: i < limit, lambda i, a: (i + 1, a * 2), [tf.constant(0), tf.constant(1)])[1]
        queue = tf.FIFOQueue(3, tf.int32, [])
        put, take = queue.enqueue(place), queue.dequeue()
    growing = threading.Lock()

    def client(session, k):
        call = session.make_callable(squares, [x])
        for i in range(12):
            rows = np.full((i % 5 + 1, 4), k)
            assert session.run(squares, {x: rows}).tolist() == call(rows).tolist() == [4.0 * k * k] * len(rows)
            session.run(more)
            assert session.run(noise).shape == (3,)
            assert session.run(power, {limit: i}) == 2**i
            session.run(put, {place: k})
            assert 0 <= session.run(take) < 8
            with pytest.raises(tf.errors.InvalidArgumentError, match="indices = 7 is not in"):
                session.run(picked, {place: 7})
            assert session.run(picked, {place: i % 3}) == 10 * (i % 3 + 1)
            with growing, graph.as_default():
                new = squares * float(i)
            assert session.run(new, {x: rows}).tolist() == [4.0 * k * k * i] * len(rows)
        return session.run(noise).tolist()

    with tf.Session(graph=graph, **options) as session:
        session.run(counter.initializer)
        with ThreadPoolExecutor(8) as pool:
            last = list(pool.map(lambda k: client(session, k), range(8)))
        assert session.run(counter) == 8 * 12
        assert len({tuple(values) for values in last}) == 8  # no two steps drew the same numbers


# -- a child by fork -----------------------------------------------------------------------------------

FORK = """
import os, threading, time
import refflow as tf
v = tf.Variable([1.0] * 30000)
queue = tf.FIFOQueue(10, tf.float32, [])
put, take, size = queue.enqueue(3.0), queue.dequeue(), queue.size()
step = [v.assign_add([1.0] * 30000).op, tf.random_uniform([2]), tf.reduce_sum(v)]
session = tf.Session(**OPTIONS)
session.run(v.initializer)
session.run(step)
end = False
def work():
    while not end:
        session.run(step)
threads = [threading.Thread(target=work) for _ in range(3)]
waiting = threading.Thread(target=lambda: session.run(take))
[t.start() for t in [*threads, waiting]]
for i in range(20):
    child = os.fork()
    if not child:
        session.run(v.initializer)
        session.run(v.assign([2.0] * 30000))
        assert session.run(tf.reduce_sum(v)) == 60000
        session.run(put)
        assert session.run(size) == 1  # the thread that waited is the parent's
        assert session.run(take) == 3
        session.run(step)
        session.close()
        os._exit(0)
    deadline = time.monotonic() + 20
    while not (done := os.waitpid(child, os.WNOHANG))[0]:
        assert time.monotonic() < deadline, "the child hangs"
        time.sleep(0.01)
    assert os.waitstatus_to_exitcode(done[1]) == 0
end = True
[t.join() for t in threads]
session.run(put)
waiting.join()
print("twenty children")
"""


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="there is no fork here")
@pytest.mark.parametrize("options", [{}, {"executor": "executor", "inter_op_parallelism_threads": 2}], ids=str)
def test_a_forked_child_runs_steps_whatever_the_parent_s_threads_were_doing(options):
    code = FORK.replace("OPTIONS", repr(options))
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout == "twenty children\n", done.stderr


@pytest.mark.parametrize("executor", ["plan", "executor"])
def test_what_threads_add_to_one_number_is_all_there(executor):
    """A number without axes has no memory to be added to in place: it is read and stored under its lock."""
    counter = tf.Variable(0)
    more = tf.assign_add(counter.ref(), 1, use_locking=True)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with tf.Session(executor=executor) as session:
            session.run(counter.initializer)
            for _ in range(20 if executor == "plan" else 3):
                with ThreadPoolExecutor(10) as threads:
                    list(threads.map(lambda _: [session.run(more.op) for _ in range(20)], range(10)))
            assert session.run(counter) == (4000 if executor == "plan" else 600)
    finally:
        sys.setswitchinterval(before)
