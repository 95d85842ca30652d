"""refflow.compat.v1: queues behind resources, with names, partial takes, and what they say when something is wrong."""

import threading

import numpy as np
import pytest

import refflow.compat.v1 as tf


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as made:
        yield made


def test_nodes_of_a_queue_have_its_name_and_stand_behind_a_resource():
    q = tf.FIFOQueue(10, [tf.int32, tf.string], shapes=[(), (2,)], name="Q")
    assert (q.queue_ref.op.type, q.queue_ref.dtype.name, q.queue_ref.shape.ndims) == ("FIFOQueueV2", "resource", 0)
    made = [q.enqueue([1, ["a", "b"]]), q.dequeue()[0].op, q.dequeue_many(3)[0].op, q.dequeue_up_to(3)[0].op]
    made += [q.close(), q.size().op, q.is_closed().op, q.enqueue_many([[1], [["a", "b"]]], name="mine")]
    assert [op.name for op in made] == ["Q_enqueue", "Q_Dequeue", "Q_DequeueMany", "Q_DequeueUpTo", "Q_Close", "Q_Size",
                                        "Q_Is_Closed", "mine"]  # fmt: skip
    assert made[0].inputs[1].op.name == "Q_enqueue/component_0"
    assert all(op.type.endswith("V2") for op in made)


def test_static_shapes_say_how_many_rows_are_known():
    q = tf.FIFOQueue(10, tf.float32, [3])
    hole = tf.placeholder(tf.int32)
    found = [q.dequeue(), q.dequeue_many(4), q.dequeue_many(hole), q.dequeue_up_to(4)]
    assert [t.shape.as_list() for t in found] == [[3], [4, 3], [None, 3], [None, 3]]


@pytest.mark.parametrize(
    ("build", "kind", "text"),
    [
        (lambda: tf.FIFOQueue(1, tf.int32, [[None]]), ValueError, "All shapes must be fully defined"),
        (lambda: tf.FIFOQueue(1, tf.int32, 3), TypeError, "Shapes must be a TensorShape or a list or tuple"),
        (lambda: tf.FIFOQueue(1, [tf.int32] * 2, [[1]]), ValueError, "same length as dtypes"),
        (lambda: tf.FIFOQueue(1, [tf.int32] * 2, names=["a"]), ValueError, "same length as the list of dtypes"),
        (lambda: tf.PaddingFIFOQueue(1, tf.int32, [None]), ValueError, "a list of shapes must be provided"),
        (lambda: tf.PaddingFIFOQueue(1, [tf.int32] * 2, [[2]]), ValueError, "for all components"),
        (lambda: tf.PriorityQueue(1, tf.int32), TypeError, "Expected list for 'shapes'"),
        (lambda: tf.FIFOQueue(1, tf.int32, ()).enqueue([[1, 2]]), ValueError, "compatible"),
        (lambda: tf.FIFOQueue(1, tf.int32, ()).enqueue_many(1), ValueError, "rank at least 1"),
        (lambda: tf.FIFOQueue(1, tf.int32).enqueue(1.5), TypeError, "int32"),
        (lambda: tf.FIFOQueue(1, [tf.int32] * 2, names=["a", "b"]).enqueue([1, 2]), ValueError, "enqueue a dictionary"),
        (lambda: tf.FIFOQueue(1, tf.int32).enqueue({"a": 1}), ValueError, "must have names"),
        (lambda: tf.FIFOQueue(1, tf.int32, names=["a"]).enqueue({"b": 1}), ValueError, "do not match names of Queue"),
        (lambda: tf.QueueBase.from_list(0, [1]), TypeError, "A list of queues expected"),
        (lambda: tf.QueueBase.from_list(0, [tf.FIFOQueue(1, d) for d in (tf.int32, tf.int64)]), TypeError,
         "matching component dtypes"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_while_building(build, kind, text):
    with pytest.raises(kind, match=text):
        build()


def test_components_by_name_go_in_and_come_out_as_dictionaries():
    q = tf.queue.FIFOQueue(10, [tf.int32, tf.float32], shapes=[(), ()], names=["i", "x"])
    put = q.enqueue_many({"x": [0.5, 1.5, 2.5], "i": [1, 2, 3]})
    one, rest, small = q.dequeue(), q.dequeue_many(1), q.dequeue_up_to(5)
    with tf.Session() as session:
        session.run(put)
        assert session.run(one) == {"i": 1, "x": 0.5}
        assert session.run(rest)["x"].tolist() == [1.5]
        session.run(q.close())
        assert session.run(small)["i"].tolist() == [3]
        with pytest.raises(tf.errors.OutOfRangeError, match="is closed and has insufficient elements"):
            session.run(small)
        with pytest.raises(tf.errors.CancelledError, match="is closed"):
            session.run(put)


def test_a_queue_chosen_from_a_list_knows_what_all_have_in_common():
    queues = [tf.FIFOQueue(3, tf.float32, [(n, 3)], name=f"q{n}") for n in (2, 4)]
    place = tf.placeholder(tf.int32)
    chosen = tf.QueueBase.from_list(place, queues)
    assert chosen.shapes[0].as_list() == [None, 3]
    with tf.Session() as session:
        session.run([q.enqueue([np.full((n, 3), n, np.float32)]) for q, n in zip(queues, (2, 4), strict=True)])
        assert [session.run(chosen.dequeue(), {place: i}).shape for i in (1, 0)] == [(4, 3), (2, 3)]


def test_rows_of_several_sizes_are_padded_and_the_smallest_first_comes_first():
    padded = tf.PaddingFIFOQueue(10, tf.int32, [(None,)])
    ranked = tf.PriorityQueue(10, tf.string, shapes=[()])
    with tf.Session() as session:
        for row in ([1], [2, 3], []):
            session.run(padded.enqueue(tf.constant(row, tf.int32)))
        assert session.run(padded.dequeue_many(3)).tolist() == [[1, 0], [2, 3], [0, 0]]
        session.run(ranked.enqueue_many([np.array([3, 1, 2]), ["c", "a", "b"]]))
        assert session.run(ranked.dequeue_many(3))[1].tolist() == [b"a", b"b", b"c"]


def test_a_shared_random_queue_draws_by_its_name_under_a_seed_of_the_graph():
    tf.set_random_seed(37)
    seeds = [tf.RandomShuffleQueue(9, 1, tf.int32, shared_name=name).queue_ref.op.get_attr("seed2") for name in "aab"]
    assert seeds[0] == seeds[1] != seeds[2]


def test_closing_a_session_ends_those_who_wait_in_it():
    q = tf.FIFOQueue(1, tf.int32)
    take, errors = q.dequeue(), []
    session = tf.Session()

    def wait():
        with pytest.raises(tf.errors.CancelledError, match="cancelled") as caught:
            session.run(take)
        errors.append(caught.value)

    thread = threading.Thread(target=wait)
    thread.start()
    thread.join(0.2)
    assert thread.is_alive()
    session.close()
    thread.join(10)
    assert len(errors) == 1
