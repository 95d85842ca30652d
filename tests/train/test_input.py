"""Input pipelines: what comes out of them, in which order, how often, and how they end."""

import threading

import numpy as np
import pytest

import refflow as tf


class Running:
    """A session in which every queue runner works, and ends, with what they report."""

    def __enter__(self):
        self.session = tf.Session()
        self.session.run(tf.initialize_all_variables())
        self.coord = tf.train.Coordinator()
        self.threads = tf.train.start_queue_runners(self.session, self.coord)
        return self

    def __exit__(self, *_):
        self.coord.request_stop()
        self.coord.join(self.threads, stop_grace_period_secs=5)
        self.session.close()

    def until_the_end(self, fetches):
        found = []
        with pytest.raises(tf.errors.OutOfRangeError):
            while True:
                found.append(self.session.run(fetches))
        return found


def test_epochs_are_counted():
    limited = tf.train.limit_epochs(tf.constant([1, 2]), 3)
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        assert [session.run(limited).tolist() for _ in range(3)] == [[1, 2]] * 3
        with pytest.raises(tf.errors.OutOfRangeError, match="Reached limit of 3"):
            session.run(limited)
    tensor = tf.constant(1)
    assert tf.train.limit_epochs(tensor) is tensor
    with pytest.raises(ValueError, match="num_epochs must be > 0 not 0"):
        tf.train.limit_epochs(tensor, 0)


def test_strings_come_in_order_for_so_many_epochs():
    queue = tf.train.string_input_producer(["a", "b", "c"], num_epochs=2, shuffle=False)
    name = queue.dequeue()
    with Running() as run:
        assert run.until_the_end(name) == [b"a", b"b", b"c"] * 2


def test_each_epoch_is_shuffled_anew_and_complete():
    number = tf.train.range_input_producer(20, num_epochs=3, seed=5).dequeue()
    with Running() as run:
        found = [int(n) for n in run.until_the_end(number)]
    epochs = [found[i : i + 20] for i in (0, 20, 40)]
    assert all(sorted(e) == list(range(20)) for e in epochs)
    assert epochs[0] != epochs[1] != epochs[2] and epochs[0] != list(range(20))


def test_slices_stay_together():
    x, y = tf.train.slice_input_producer([np.arange(6).reshape(3, 2), ["a", "b", "c"]], num_epochs=1, shuffle=False)
    assert x.get_shape().as_list() == [2]
    with Running() as run:
        found = run.until_the_end([x, y])
    assert [(a.tolist(), b) for a, b in found] == [([0, 1], b"a"), ([2, 3], b"b"), ([4, 5], b"c")]


def test_batches_are_in_order_and_the_rest_is_dropped():
    number = tf.train.range_input_producer(7, num_epochs=1, shuffle=False).dequeue()
    ids, squares = tf.train.batch([number, number * number], 3)
    assert ids.get_shape().as_list() == [3]
    with Running() as run:
        found = run.until_the_end([ids, squares])
    assert [i.tolist() for i, _ in found] == [[0, 1, 2], [3, 4, 5]]
    assert found[1][1].tolist() == [9, 16, 25]


def test_many_examples_at_once_and_several_threads():
    rows = tf.train.limit_epochs(tf.constant(np.arange(8).reshape(4, 2)), 2)
    taken = tf.train.batch([rows], 4, num_threads=2, capacity=16, enqueue_many=True)
    with Running() as run:
        found = np.concatenate(run.until_the_end(taken))
    assert sorted(found[:, 0].tolist()) == [0, 0, 2, 2, 4, 4, 6, 6]


def test_batches_join_lists_of_tensors():
    sources = [tf.train.limit_epochs(tf.constant(v), 6) for v in (1.0, 2.0)]
    taken = tf.train.batch_join([[s] for s in sources], 4)
    with Running() as run:
        assert sorted(np.concatenate(run.until_the_end(taken)).tolist()) == [1.0] * 6 + [2.0] * 6
    with pytest.raises(TypeError, match="same types, expected float32"):
        tf.train.batch_join([[tf.constant(1.0)], [tf.constant(1)]], 2)


@pytest.mark.parametrize("joined", [False, True])
def test_shuffled_batches_hold_everything_once(joined):
    number = tf.train.range_input_producer(24, num_epochs=1, shuffle=False).dequeue()
    if joined:
        taken = tf.train.shuffle_batch_join([[number], [number]], 4, capacity=30, min_after_dequeue=10, seed=3)
    else:
        taken = tf.train.shuffle_batch([number], 4, capacity=30, min_after_dequeue=10, seed=3)
    with Running() as run:
        found = np.concatenate(run.until_the_end(taken)).tolist()
    assert sorted(found) == list(range(24)) and found != list(range(24))


def test_shapes_have_to_be_known():
    hole = tf.placeholder(tf.float32, [None])
    with pytest.raises(ValueError, match="All shapes must be fully defined"):
        tf.train.batch([hole], 2)
    assert tf.train.batch([hole], 2, shapes=[[3]]).get_shape().as_list() == [2, 3]
    with pytest.raises(ValueError, match="rank"):
        tf.train.batch([tf.constant(1.0)], 2, enqueue_many=True)


def test_a_summary_says_how_full_a_queue_is():
    number = tf.train.range_input_producer(4, num_epochs=1, shuffle=False, capacity=8).dequeue()
    tf.train.shuffle_batch([number], 1, capacity=10, min_after_dequeue=2)
    summary = tf.merge_all_summaries()
    with tf.Session() as session:
        from refflow.files.events import Summary

        session.run(tf.initialize_all_variables())
        found = {v.tag: v.simple_value for v in Summary.from_bytes(session.run(summary)).value}
    assert found == {
        "queue/input_producer/input_producer/fraction_of_8_full": 0.0,
        "queue/shuffle_batch/random_shuffle_queue/fraction_over_2_of_8_full": 0.0,
    }


def test_files_of_text_become_batches(tmp_path):
    """The pipeline of the paper: file names, a reader, a parser, a shuffled batch [W44]."""
    for i in range(2):
        (tmp_path / f"part{i}.csv").write_text("".join(f"{10 * i + j},{j / 2}\n" for j in range(5)))
    names = tf.train.string_input_producer(tf.train.match_filenames_once(str(tmp_path / "*.csv")), num_epochs=1)
    _, line = tf.TextLineReader().read(names)
    key, value = tf.decode_csv(line, [[0], [0.0]])
    keys, values = tf.train.shuffle_batch([key, value], 2, capacity=20, min_after_dequeue=4)
    before = set(threading.enumerate())
    with Running() as run:
        found = run.until_the_end([keys, values])
    pairs = sorted(zip(np.concatenate([k for k, _ in found]), np.concatenate([v for _, v in found]), strict=True))
    assert pairs == [(10 * i + j, j / 2) for i in range(2) for j in range(5)]
    assert set(threading.enumerate()) <= before


def test_a_failing_runner_is_reported():
    bad = tf.placeholder(tf.float32, [])
    taken = tf.train.batch([bad], 1)
    with pytest.raises(tf.errors.InvalidArgumentError), Running() as run:
        run.coord.wait_for_stop(5)
        with pytest.raises(tf.errors.OutOfRangeError):
            run.session.run(taken)
