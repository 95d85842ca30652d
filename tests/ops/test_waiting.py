"""Queues, barriers, accumulators and staging areas: who waits for what, and what a close leaves."""

import threading

import numpy as np
import pytest

import refflow as tf
from refflow.core.registry import op_def
from refflow.core.waiting import result_of
from refflow.ops import barriers
from refflow.ops.accumulators import Accumulator
from refflow.ops.queue_kinds import PaddingQueue, PriorityQueue, ShuffleQueue
from refflow.ops.queue_states import Queue

INT = [tf.int32]
SCALAR = [tf.TensorShape([])]


@pytest.mark.parametrize("executor", ["plan", "executor"])
def test_single_strings_come_out_of_a_batch_as_strings(graph, executor):
    word = tf.placeholder(tf.string, [])
    queue = tf.FIFOQueue(5, [tf.string], [[]])
    barrier = op_def("Barrier")(component_types=[tf.string], shapes=SCALAR)
    keep = op_def("BarrierInsertMany")(barrier, ["key"], [word], component_index=0)
    put, take = queue.enqueue(word), queue.dequeue_many(2)
    kept = op_def("BarrierTakeMany")(barrier, 1, component_types=[tf.string]).values[0]
    with tf.Session(executor=executor) as session:
        for text in (b"one", b"two"):
            session.run(put, {word: text})
        session.run(keep, {word: text})
        found = [*session.run(take), *session.run(kept)]
    assert [type(text) for text in found] == [bytes] * 3 and found == [b"one", b"two", b"two"]


def rows(*values):
    return [(np.array(v, np.int32),) for v in values]


def values(found):
    return [int(row[0]) for row in found]


def waiting(function):
    """Starts `function` in a thread that is to wait; gives the thread and what it will have given or raised."""
    found = []

    def run():
        try:
            found.append(result_of(function()))
        except tf.OpError as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(0.05)
    assert thread.is_alive()
    return thread, found


def test_a_dequeue_of_more_than_there_is_room_for_is_served_in_parts():  # [W45]
    queue = Queue("q", INT, SCALAR, 2)
    thread, found = waiting(lambda: queue.dequeue(5))
    for value in range(5):
        queue.enqueue_many(rows(value))
    thread.join()
    assert values(found[0]) == [0, 1, 2, 3, 4]


def test_who_waits_first_is_served_first():  # [W45]
    queue = Queue("q", INT, SCALAR, 10)
    first, one = waiting(lambda: queue.dequeue(2))
    second, two = waiting(lambda: queue.dequeue(1))
    queue.enqueue_many(rows(1, 2, 3))
    first.join()
    second.join()
    assert [values(one[0]), values(two[0])] == [[1, 2], [3]]


def test_a_close_waits_for_enqueues_that_came_before_it():  # [W46]
    queue = Queue("q", INT, SCALAR, 1)
    putting, _ = waiting(lambda: queue.enqueue_many(rows(1, 2)))
    closing, _ = waiting(lambda: queue.close(False))
    assert not queue.closed and values(queue.dequeue()) == [1]
    putting.join()
    closing.join()
    assert queue.closed and values(queue.dequeue()) == [2]
    with pytest.raises(tf.errors.OutOfRangeError, match="'q' is closed and has insufficient elements"):
        queue.dequeue()
    with pytest.raises(tf.errors.CancelledError, match="already closed"):
        queue.close(False)


def test_a_close_may_end_enqueues_that_wait():  # [W46]
    queue = Queue("q", INT, SCALAR, 1)
    putting, found = waiting(lambda: queue.enqueue_many(rows(1, 2)))
    queue.close(True)
    putting.join()
    assert isinstance(found[0], tf.errors.CancelledError) and values(queue.dequeue()) == [1]


def test_what_a_failed_dequeue_had_taken_is_put_back():  # [W46]
    queue = Queue("q", INT, SCALAR, 10)
    queue.enqueue_many(rows(1, 2))
    taking, found = waiting(lambda: queue.dequeue(4))
    queue.close(False)
    taking.join()
    assert isinstance(found[0], tf.errors.OutOfRangeError)
    assert values(queue.dequeue(4, least=1)) == [1, 2]


def test_who_does_not_wait_any_more_leaves_what_it_took_to_the_next():  # [W45, W50]
    queue = Queue("q", INT, SCALAR, 10)
    three, two = queue.dequeue(3), queue.dequeue(2)
    queue.enqueue_many(rows(1, 2))
    assert not two.over
    three.cancel()
    assert values(two.take()) == [1, 2]
    with pytest.raises(tf.errors.CancelledError, match="Dequeue operation was cancelled"):
        three.take()


def test_rows_of_enqueues_go_in_one_after_the_other():  # [W45]
    queue = Queue("q", INT, SCALAR, 1)
    first, second = queue.enqueue_many(rows(1, 2, 3)), queue.enqueue_many(rows(4))
    assert values(queue.dequeue(2)) == [1, 2] and first.over and not second.over
    assert values(queue.dequeue(2)) == [3, 4] and second.over


def test_a_close_has_its_place_among_the_enqueues():  # [W46]
    queue = Queue("q", INT, SCALAR, 1)
    before, closing, behind, again = (
        queue.enqueue_many(rows(1, 2)), queue.close(False), queue.enqueue_many(rows(3)), queue.close(False)
    )  # fmt: skip
    assert not queue.closed and values(queue.dequeue()) == [1]
    assert before.over and closing.over and queue.closed
    for late, text in ((behind, "FIFOQueue 'q' is closed"), (again, "Queue 'q' is already closed")):
        with pytest.raises(tf.errors.CancelledError, match=text):
            late.take()
    queue.close(True)  # asks only that nobody waits any longer
    assert values(queue.dequeue()) == [2]


def test_a_cancelling_close_ends_enqueues_and_closes_that_wait():  # [W46]
    queue = Queue("q", INT, SCALAR, 1)
    putting, closing = queue.enqueue_many(rows(1, 2)), queue.close(False)
    queue.close(True)
    for ended in (putting, closing):
        with pytest.raises(tf.errors.CancelledError, match="Enqueue operation was cancelled"):
            ended.take()
    assert values(queue.dequeue()) == [1]


def test_what_a_failed_dequeue_had_taken_goes_to_the_one_behind_it():  # [W46]
    queue = Queue("q", INT, SCALAR, 10)
    queue.enqueue_many(rows(1, 2))
    four, some = queue.dequeue(4), queue.dequeue(3, least=1)
    queue.close(False)
    with pytest.raises(tf.errors.OutOfRangeError, match=r"\(requested 2, current size 0\)"):
        four.take()
    assert values(some.take()) == [1, 2]


def test_takes_of_an_accumulator_are_served_in_their_order():  # [O06, W50]
    gathered = Accumulator(tf.float32, (), mean=False)
    two, one = gathered.take(2), gathered.take(1)
    for step in range(3):
        gathered.apply(step, np.float32(step + 1))
    assert [two.take(), one.take()] == [3, 3]


def test_kinds_of_queues_give_rows_in_their_order():  # [W45]
    shuffled = ShuffleQueue("q", INT, SCALAR, 100, 5, 1, 0)
    shuffled.enqueue_many(rows(*range(20)))
    assert sorted(values(shuffled.dequeue(15))) != list(range(15)) and shuffled.available() == 0
    shuffled.close(False)
    assert shuffled.available() == 5
    first = PriorityQueue("q", [], [], 10)
    first.enqueue_many([(np.array(n, np.int64),) for n in (5, 1, 3)])
    assert values(first.dequeue(3)) == [1, 3, 5]
    equal = PriorityQueue("q", INT, SCALAR, 10)
    equal.enqueue_many([(np.array(n % 2, np.int64), np.array(n, np.int32)) for n in range(8)])
    assert [int(row[1]) for row in equal.dequeue(8)] == [0, 2, 6, 4, 5, 7, 1, 3]  # as TensorFlow's heap has them
    padding = PaddingQueue("q", [tf.string], [tf.TensorShape([None])], 10)
    padding.enqueue_many([(np.array([b"a"], object),), (np.array([b"b", b"c"], object),)])
    assert padding.batch(padding.dequeue(2))[0].tolist() == [[b"a", b""], [b"b", b"c"]]


def run(session, op, *inputs, **attrs):
    """One op by its type, run once."""
    return session.run(op_def(op)(*inputs, **attrs))


@pytest.mark.parametrize("options", [{}, {"executor": "executor", "policy": "random(5)"}], ids=str)
@pytest.mark.parametrize("shuffled", [False, True])
def test_nothing_is_lost_or_doubled_between_threads(shuffled, options):  # [W45]
    """Three threads put 20 numbers each through a queue of 5, and two take them."""
    from concurrent.futures import ThreadPoolExecutor

    number = tf.placeholder(tf.int32, [])
    queue = tf.RandomShuffleQueue(5, 2, tf.int32, []) if shuffled else tf.FIFOQueue(5, tf.int32, [])
    put, take, close = queue.enqueue(number), queue.dequeue(), queue.close()
    with tf.Session(**options) as session:

        def produce(first):
            for value in range(first, 60, 3):
                session.run(put, {number: value})

        def consume(_):
            found = []
            while True:
                try:
                    found.append(int(session.run(take)))
                except tf.errors.OutOfRangeError:
                    return found

        with ThreadPoolExecutor(5) as pool:
            taking = [pool.submit(consume, i) for i in range(2)]
            list(pool.map(produce, range(3)))
            session.run(close)
        found = [part.result() for part in taking]
    assert sorted(v for part in found for v in part) == list(range(60))
    if not shuffled:
        for part in found:  # what one thread put is taken in its order, whoever takes it
            for first in range(3):
                mine = [v for v in part if v % 3 == first]
                assert mine == sorted(mine)


@pytest.mark.parametrize("options", [{}, {"executor": "executor"}], ids=str)
def test_after_a_close_enqueues_are_aborted_and_the_minimum_counts_no_more(options):  # [W46]
    queue = tf.RandomShuffleQueue(10, 3, tf.int32, [])
    fill, put, close = queue.enqueue_many([[1, 2, 3, 4]]), queue.enqueue(5), queue.close()
    one, three = queue.dequeue(), queue.dequeue_many(3)
    with tf.Session(**options) as session:
        session.run(fill)
        first = int(session.run(one))
        thread, found = waiting(lambda: session.run(three))  # three are there, but three must stay
        session.run(close)
        thread.join()
        assert sorted([first, *found[0].tolist()]) == [1, 2, 3, 4]
        with pytest.raises(tf.errors.AbortedError, match="is closed"):
            session.run(put)
        with pytest.raises(tf.errors.OutOfRangeError, match="insufficient elements"):
            session.run(one)


def test_a_dequeue_that_can_never_be_met_fails_as_the_queue_closes():  # [W46]
    queue = tf.FIFOQueue(10, tf.int32, [])
    fill, three, close = queue.enqueue_many([[1, 2]]), queue.dequeue_many(3), queue.close()
    with tf.Session() as session:
        session.run(fill)
        thread, found = waiting(lambda: session.run(three))
        session.run(close)
        thread.join(5)
        assert not thread.is_alive() and isinstance(found[0], tf.errors.OutOfRangeError)
        assert session.run(queue.size()) == 2


def test_a_shared_queue_must_be_what_a_node_would_make():
    make = op_def("FIFOQueueV2")
    first = make(component_types=[tf.float32], capacity=10, shared_name="s")
    other = make(component_types=[tf.float32], capacity=20, shared_name="s")
    with tf.Session() as session:
        run(session, "QueueSizeV2", first)
        with pytest.raises(tf.errors.InvalidArgumentError, match="has capacity 10 but requested capacity was 20"):
            run(session, "QueueSizeV2", other)


def test_an_accumulator_gives_the_mean_of_what_came_in_time():  # [O06]
    handle = op_def("ConditionalAccumulator")(dtype=tf.float32, shape=[2], shared_name="a")
    step = tf.placeholder(tf.int64, [])
    gradient = tf.placeholder(tf.float32)
    apply = op_def("AccumulatorApplyGradient")(handle, step, gradient)
    with tf.Session() as session:
        session.run(apply, {step: 0, gradient: [1, 2]})
        session.run(apply, {step: 0, gradient: [3, 5]})
        assert run(session, "AccumulatorNumAccumulated", handle) == 2
        assert run(session, "AccumulatorTakeGradient", handle, 1, dtype=tf.float32).tolist() == [2, 3.5]
        session.run(apply, {step: 0, gradient: [9, 9]})  # a step too late
        assert run(session, "AccumulatorNumAccumulated", handle) == 0
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"Shape mismatch: expected \[2\], got \[3\]"):
            session.run(apply, {step: 5, gradient: [1, 2, 3]})
        with pytest.raises(tf.errors.InvalidArgumentError, match="num_required must be positive, but was 0"):
            run(session, "AccumulatorTakeGradient", handle, 0, dtype=tf.float32)


def test_a_row_s_mean_counts_the_gradients_that_had_it():  # [O06]
    handle = op_def("SparseConditionalAccumulator")(dtype=tf.float32, shape=[3, 1], shared_name="a")

    def apply(indices, rows, step=0):
        return op_def("SparseAccumulatorApplyGradient")(
            handle, np.int64(step), np.array(indices, np.int64), np.array(rows, np.float32), np.int64([3, 1]),
            has_known_shape=True,
        )  # fmt: skip

    with tf.Session() as session:
        session.run([apply([0, 2], [[1], [4]])])
        session.run([apply([0, 1], [[3], [5]])])
        found = op_def("SparseAccumulatorTakeGradient")(handle, 1, dtype=tf.float32)
        indices, mean, shape = session.run(list(found))
        assert [indices.tolist(), mean.tolist(), shape.tolist()] == [[0, 1, 2], [[2], [5], [4]], [3, 1]]
        for wrong, text in (
            (apply([3], [[1]], 1), "index is 3 exceeded 3"), (apply([0], [[1, 2]], 1), "values dim 1 to be 1, got 2"),
            (apply([0, 1], [[1]], 1), "Expected 2 non-empty input values, got 1"),
        ):  # fmt: skip
            with pytest.raises(tf.errors.InvalidArgumentError, match=text):
                session.run(wrong)
        session.run(apply([0, 1], [[1]]))  # is too old to be looked at


def test_rows_of_a_first_gradient_stay_as_they_came():  # [O06]
    handle = op_def("SparseConditionalAccumulator")(dtype=tf.float32, shape=[4, 1], shared_name="a")

    def apply(indices):
        rows = np.float32([[i] for i in indices])
        return op_def("SparseAccumulatorApplyGradient")(
            handle, np.int64(0), np.array(indices, np.int64), rows, np.int64([4, 1]), has_known_shape=True
        )

    with tf.Session() as session:
        for indices in ([2, 2], [1, 2, 3]):
            session.run(apply(indices))
        found = op_def("SparseAccumulatorTakeGradient")(handle, 1, dtype=tf.float32)
        indices, mean, _ = session.run(list(found))
    assert [indices.tolist(), mean.tolist()] == [[1, 2, 2, 3], [[1], [2], [2], [3]]]


def test_who_shares_a_barrier_or_a_queue_says_what_it_is():
    one = {"component_types": [tf.float32], "shapes": [[2]], "shared_name": "s"}
    for kind, wrong, text in (
        ("Barrier", {"component_types": [tf.int32]}, "component types float but requested component types were int32"),
        ("Barrier", {"shapes": [[3]]}, r"component shapes \[\[2\]\] but requested component shapes were \[\[3\]\]"),
        ("PriorityQueueV2", {"capacity": 3}, "capacity inf but requested capacity was 3"),
        ("PriorityQueueV2", {"component_types": [tf.int32]}, "types int64, float but .* were int64, int32"),
        ("PaddingFIFOQueueV2", {"shapes": [[3]]}, r"component shapes \[\[2\]\]"),
    ):
        with tf.Graph().as_default(), tf.Session() as session:
            session.run(op_def(kind)(**one).op)
            with pytest.raises(tf.errors.InvalidArgumentError, match=text):
                session.run(op_def(kind)(**one | wrong).op)
    with tf.Graph().as_default(), tf.Session() as session:  # what may be of any size fits what has one
        session.run(op_def("PaddingFIFOQueueV2")(**one | {"shapes": [[None]]}))
        session.run(op_def("PaddingFIFOQueueV2")(**one))


def test_a_barrier_gives_rows_that_are_complete():  # [W45]
    handle = barriers.BARRIER(component_types=[tf.float32, tf.int32], shapes=[[], []], shared_name="b")
    first = barriers.INSERT_MANY(handle, ["a", "b", "c"], np.float32([1, 2, 3]), component_index=0)
    second = barriers.INSERT_MANY(handle, ["c", "a"], np.int32([30, 10]), component_index=1)
    taken = barriers.TAKE_MANY(handle, 2, component_types=[tf.float32, tf.int32])
    last = barriers.INSERT_MANY(handle, ["b"], np.int32([20]), component_index=1)
    new = barriers.INSERT_MANY(handle, ["z"], np.int32([0]), component_index=1)
    sizes = [barriers.READY_SIZE(handle), barriers.INCOMPLETE_SIZE(handle)]
    with tf.Session() as session:
        session.run(first)
        assert session.run(sizes) == [0, 3]
        session.run(second)
        keys, one, two = session.run([taken.keys, *taken.values])
        assert [keys.tolist(), one.tolist(), two.tolist()] == [[b"c", b"a"], [3, 1], [30, 10]]
        with pytest.raises(tf.errors.InvalidArgumentError, match="already has a value for component 0"):
            session.run(barriers.INSERT_MANY(handle, ["b"], np.float32([5]), component_index=0))
        session.run(barriers.CLOSE(handle))
        with pytest.raises(tf.errors.CancelledError, match="is closed"):
            session.run(new)
        session.run(last)
        assert session.run(sizes) == [1, 0]
        with pytest.raises(tf.errors.OutOfRangeError, match="requested 2, total size 1"):
            session.run(taken.keys)


def test_a_stage_keeps_tuples_in_order():  # [W45]
    x = tf.placeholder(tf.float32)
    put = op_def("Stage")([x, x * 2.0], shared_name="s")
    get = op_def("Unstage")(dtypes=[tf.float32] * 2, shared_name="s")
    size = op_def("StageSize")(dtypes=[], shared_name="s")
    with tf.Session() as session:
        for value in (1, 2):
            session.run(put, {x: value})
        assert session.run(size) == 2 and session.run(get) == [1, 2]
        assert run(session, "StagePeek", 0, dtypes=[tf.float32] * 2, shared_name="s") == [2, 4]
        run(session, "StageClear", dtypes=[], shared_name="s")
        assert session.run(size) == 0
        with pytest.raises(tf.errors.ResourceExhaustedError, match="memory limit of '4'"):
            run(session, "Stage", [np.zeros(2, np.float32)], memory_limit=4, shared_name="small")


@pytest.mark.parametrize("prefix", ["", "Ordered"])
def test_a_staging_map_takes_parts_in_any_order(prefix):
    common = {"dtypes": [tf.float32] * 2, "shared_name": "m"}

    def put(key, indices, values):
        inputs = (np.int64(key), np.int32(indices), [np.float32(v) for v in values])
        return op_def(f"{prefix}MapStage")(*inputs, **common)

    with tf.Session() as session:
        session.run(put(3, [1], [7]))
        assert run(session, f"{prefix}MapIncompleteSize", **common) == 1
        with pytest.raises(tf.errors.InvalidArgumentError, match="index '1' for key '3' was already initialized"):
            session.run(put(3, [1], [8]))
        session.run(put(3, [0], [6]))
        session.run(put(1, [0, 1], [4, 5]))
        assert run(session, f"{prefix}MapPeek", np.int64(3), np.int32([0, 1]), **common) == [6, 7]
        assert run(session, f"{prefix}MapUnstage", np.int64(3), np.int32([0]), dtypes=[tf.float32],
                   shared_name="m") == [6]  # fmt: skip
        found = op_def(f"{prefix}MapUnstageNoKey")(np.int32([0, 1]), dtypes=[tf.float32] * 2, shared_name="m")
        if prefix:
            assert session.run([found.key, *found.values]) == [1, 4, 5]
