"""Memory of large results is taken again once nobody holds it, and never while somebody does."""

import threading

import numpy as np
import pytest

import refflow as tf
from refflow.runtime.handed_back import LARGE, HandedBack

N = LARGE // 4  # floats that make a large result


def step_of(fetch):
    """A function of a fed number that runs `fetch(x)`, x [N] filled with it."""
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [N])
        result = fetch(x)
    session = tf.Session(graph=graph)
    return lambda number: session.run(result, {x: np.full(N, number, np.float32)})


STEPS = {
    "a formula": tf.square,
    "a chain": lambda x: tf.nn.relu(x * x + 1) - 1,
    "a kernel": lambda x: tf.transpose(tf.reshape(x * x, [N // 64, 64])),
    "one of two results": lambda x: [x * x, x + 1][0],
}


@pytest.mark.parametrize("fetch", STEPS.values(), ids=STEPS)
def test_a_result_lies_where_one_lay_that_was_dropped(fetch):
    step = step_of(fetch)
    place = step(1.0).ctypes.data
    for number in (2.0, 3.0):
        result = step(number)
        assert result.ctypes.data == place
        assert np.all(result == number**2)
        del result


HOLDERS = {
    "the result": lambda y: y,
    "a part": lambda y: y[3:5],
    "a part of a part": lambda y: y[1:][::2].reshape(-1, 2)[1],
    "another type's view": lambda y: y.view(np.int32)[:9],
    "a field's base": lambda y: y[:1].base,
    "a buffer": memoryview,
    "a part of a buffer": lambda y: memoryview(y)[4:8],
    "an array of a buffer": lambda y: np.frombuffer(y, np.float32, 7, 16),
    "a capsule": lambda y: np.from_dlpack(y)[2:4],
    "a masked array": lambda y: np.ma.masked_array(y)[5:7],
}


@pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS)
def test_what_the_caller_holds_stays_as_it_was(holder):
    step = step_of(tf.square)
    held = holder(step(3.0))
    before = bytes(np.asarray(held))
    for number in range(4):
        assert np.all(step(number) == number**2)
    assert bytes(np.asarray(held)) == before


def test_results_of_which_each_is_held_until_the_next_lie_in_two_places():
    step = step_of(tf.square)
    places, result = [], None
    for number in range(6):
        result = step(number)
        places.append(result.ctypes.data)
    assert len(set(places)) == 2


def test_the_same_value_fetched_twice_is_two_arrays():
    step = step_of(lambda x: [x * x, x * x])
    for number in (2.0, 3.0):
        first, second = step(number)
        first[...] = -1
        assert np.all(second == number**2)


def test_a_result_in_another_shape_is_the_memory_that_it_was_made_in(monkeypatch):
    copies = []
    monkeypatch.setattr("refflow.runtime.node_lines.owned", lambda value: copies.append(value) or value.copy())
    step = step_of(lambda x: tf.expand_dims(tf.reshape(x * x, [64, -1]), 0))
    assert step(2.0).shape == (1, 64, N // 64) and not copies


@pytest.mark.parametrize("shapes", [([N], [64, -1]), ([64, -1], [N]), ([64, -1], [32, -1])])
def test_a_value_fetched_in_two_shapes_is_two_arrays(shapes):
    step = step_of(lambda x: [tf.reshape(y, shape) for y in [x * x] for shape in shapes])
    for number in (2.0, 3.0):
        first, second = step(number)
        first[...] = -1
        assert np.all(second == number**2)
        second[...] = -2
        assert np.all(first == -1)


def test_a_fetched_variable_is_a_copy_that_later_steps_leave_alone():
    with tf.Graph().as_default(), tf.Session() as session:
        w = tf.Variable(tf.ones([N]))
        more = tf.assign_add(w, tf.ones([N]))
        session.run(tf.initialize_all_variables())
        held = session.run(w)
        place = session.run(w).ctypes.data
        session.run(more.op)
        assert session.run(w).ctypes.data == place
        assert np.all(held == 1)
        assert np.all(session.run(w) == 2)


def test_a_result_may_be_fed_to_the_step_that_made_it():
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [N])
        y = tf.square(x) + 1
        value = np.zeros(N, np.float32)
        for expected in (1, 2, 5, 26):
            value = session.run(y, {x: value})
            assert np.all(value == expected)


def test_threads_never_get_one_memory_at_a_time():
    step, wrong = step_of(lambda x: tf.nn.relu(x * x + 1)), []

    def work(number):
        for _ in range(20):
            result = step(number)
            if not (np.all(result == number**2 + 1) and np.all(result == result[0])):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(float(n),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_no_more_is_held_than_is_allowed():
    memory = HandedBack(most=5000)
    arrays = [memory.empty((n,), np.uint8) for n in range(1000, 1100, 10)]
    assert memory.held <= 5000
    for number, array in enumerate(arrays):
        array[...] = number
    again = [memory.empty((n,), np.uint8) for n in range(1000, 1100, 10)]
    assert all(np.all(array == number) for number, array in enumerate(arrays))
    assert len({a.ctypes.data for a in arrays + again}) == len(arrays + again)


def test_what_could_not_be_held_twice_is_not_held():
    memory = HandedBack(most=5000)
    assert memory.empty((2500,), np.uint8).nbytes == 2500
    assert memory.held == 0


def test_a_result_begins_where_a_cache_line_does():
    assert step_of(tf.square)(1.0).ctypes.data % 64 == 0
