"""Programs with control flow, functions and data structures: TensorFlow's front end, run by both runtimes."""

import contextlib
import random

import numpy as np
import pytest

pytestmark = pytest.mark.peers
tensorflow = pytest.importorskip("tensorflow", reason="the oracle is TensorFlow: pip install '.[peers]'")

from tests.peers.stand_in import differences  # noqa: E402

v1 = tensorflow.compat.v1


def hole(dtype, shape=None):
    return v1.placeholder(dtype, shape)


def branches(tf):
    p, x = hole(tf.bool, []), hole(tf.float32, [None])
    y = v1.cond(p, lambda: x * x * x, lambda: tf.exp(x))
    z = tf.switch_case(tf.size(x), [lambda: x, lambda: x * 2.0, lambda: x * 3.0])
    first = tf.gradients(y, x)[0]
    wanted = [y, z, first, tf.gradients(first, x)[0]]
    with v1.Session() as session:
        for taken in (True, False):
            session.run(wanted, {p: taken, x: [1.0, 2.0]})


def loops(tf):
    n, x = hole(tf.int32, []), hole(tf.float32, [2])

    def body(i, a):
        inner = v1.while_loop(lambda j, b: j < i, lambda j, b: (j + 1, b * x), [0, a])[1]
        return i + 1, v1.cond(tf.equal(i % 2, 0), lambda: inner + x, lambda: tf.tanh(inner))

    y = v1.while_loop(lambda i, a: i < n, body, [0, x])[1]
    with v1.Session() as session:
        for count in (0, 1, 4):
            session.run([y, tf.gradients(y, x)[0]], {n: count, x: [0.5, 1.5]})


def rows(tf):
    x = hole(tf.float32, [None, 2])
    found = [
        tf.map_fn(lambda r: r * r, x), tf.scan(lambda a, r: a * r + a, x), tf.foldl(lambda a, r: a * r, x),
        tf.foldr(lambda a, r: a + r, x), tf.vectorized_map(lambda r: tf.reduce_sum(r * r), x),
    ]  # fmt: skip
    with v1.Session() as session:
        session.run(found + [tf.gradients(y, x)[0] for y in found], {x: [[1, 2], [3, 4], [5, 6]]})


def arrays(tf):
    x = hole(tf.float32, [None])
    n = tf.shape(x)[0]
    read = tf.TensorArray(tf.float32, n).unstack(x)
    made = tf.TensorArray(tf.float32, 0, dynamic_size=True, element_shape=[])
    made = v1.while_loop(lambda i, a: i < n, lambda i, a: (i + 1, a.write(i, read.read(i) ** 2.0)), [0, made])[1]
    y = made.stack()
    with v1.Session() as session:
        session.run([y, made.size(), tf.gradients(y, x)[0]], {x: [1, 2, 3]})
        session.run(y, {x: []})


def functions(tf):
    x, c = hole(tf.float32, []), hole(tf.float32, [])

    @tf.function
    def inner(a):
        return a * c

    @tf.function
    def outer(a):
        total = tf.cond(a > 0, lambda: inner(a * a), lambda: -a)
        for i in tf.range(3):
            total += inner(total) * tf.cast(i, tf.float32)
        return total

    y = outer(x)
    first = tf.gradients(y, [x, c])
    with v1.Session() as session:
        for value in (2.0, -2.0):
            session.run([y, first, tf.gradients(first[0], [x, c])], {x: value, c: 0.5})


def named_functions(tf):
    from tensorflow.python.framework import function
    from tensorflow.python.ops import functional_ops

    @function.Defun(tf.float32, tf.float32, func_name="Both")
    def both(a, b):
        return a * b, a + b

    @function.Defun(tf.int32, tf.float32, func_name="Step")
    def step(i, a):
        return a * 2.0 + tf.cast(i, tf.float32)

    x = hole(tf.float32, [])
    y = both(x, x * 2.0)
    slope = functional_ops.symbolic_gradient([x, x, x, x], [tf.float32, tf.float32], both)
    counted = [functional_ops.For(0, 7, 2, [x], step, rewrite_with_while=w) for w in (False, True)]
    remote = functional_ops.remote_call("/cpu:0", [x, x], [tf.float32] * 2, both)
    with v1.Session() as session:
        session.run([*y, tf.gradients(y, x), slope, counted, remote], {x: 1.5})


def python_functions(tf):
    x = hole(tf.float32, [None])
    y = tf.numpy_function(lambda a: a * 2, [x], tf.float32)
    z = tf.py_function(lambda a: tf.sin(a) * a, [x], tf.float32)
    with v1.Session() as session:
        session.run([y, z, tf.gradients(z, x)[0]], {x: [1, 2, 3]})


def raising(tf):
    def fail():
        raise StopIteration("no more")

    with v1.Session() as session:
        session.run(v1.py_func(fail, [], tf.float32))


def queues(tf):
    kinds = [
        tf.queue.FIFOQueue(10, tf.int32, ()), tf.queue.RandomShuffleQueue(10, 2, tf.int32, (), seed=7),
        tf.queue.PaddingFIFOQueue(10, tf.int32, [()]),
    ]  # fmt: skip
    with v1.Session() as session:
        for queue in kinds:
            session.run(queue.enqueue_many([np.arange(8)]))
            session.run(queue.dequeue_many(5))
            session.run(queue.close())
            session.run(queue.dequeue_up_to(5))
            session.run(queue.size())
        session.run(kinds[0].dequeue())


def queues_of_other_types(tf):
    """A node whose components are not of the queue's types is refused at once, though nothing is in the queue."""
    made = tf.raw_ops.FIFOQueueV2(component_types=[tf.int32, tf.float32], capacity=9)
    one, half = tf.constant([1]), tf.constant([0.5])
    calls = [tf.raw_ops.QueueDequeueV2(handle=made, component_types=kinds) for kinds in ([tf.int32], [tf.float32] * 2)]
    calls += [tf.raw_ops.QueueDequeueManyV2(handle=made, n=1, component_types=[tf.int32]),
              tf.raw_ops.QueueDequeueUpToV2(handle=made, n=1, component_types=[tf.int32, tf.int32]),
              tf.raw_ops.QueueEnqueueV2(handle=made, components=[one, one]),
              tf.raw_ops.QueueEnqueueManyV2(handle=made, components=[half]),
              tf.raw_ops.QueueEnqueueManyV2(handle=made, components=[one, half])]  # fmt: skip
    with v1.Session() as session:
        for call in calls:
            tried(session, call)


def slices_of_several_gradients(tf):
    """What an accumulator of slices gives where nothing is known of its shape, and where nothing came."""
    places, rows = hole(tf.int64, [None]), hole(tf.float32, [None, 3])
    for shape, indices in ((None, [0, 2]), ([4, 3], [0, 2]), ([4, 3], [])):
        made = v1.SparseConditionalAccumulator(tf.float32, shape)
        add, take = made.apply_grad(places, rows, [4, 3], 0), list(made.take_grad(1))
        with v1.Session() as session:
            session.run(add, {places: indices, rows: np.ones((len(indices), 3))})
            session.run(take, options=v1.RunOptions(timeout_in_ms=9000))


def accumulators(tf):
    x = hole(tf.float32, [2])
    for reduction in ("MEAN", "SUM"):
        dense = v1.ConditionalAccumulator(tf.float32, [2], reduction_type=reduction)
        sparse = v1.SparseConditionalAccumulator(tf.float32, [3], reduction_type=reduction)
        add = [dense.apply_grad(x, 0), sparse.apply_grad(tf.constant([0, 2], tf.int64), x, [3], 0)]
        with v1.Session() as session:
            session.run(add, {x: [1, 2]})
            session.run(add, {x: [3, 5]})
            session.run([dense.num_accumulated(), dense.take_grad(2)])
            session.run(list(sparse.take_grad(2)))


def staging(tf):
    from tensorflow.python.ops import data_flow_ops

    x = hole(tf.float32)
    area = data_flow_ops.StagingArea([tf.float32])
    ordered = data_flow_ops.MapStagingArea([tf.float32], ordered=True)
    key = hole(tf.int64)
    put = [area.put([x]), ordered.put(key, [x], [0])]
    with v1.Session() as session:
        for k in (5, 3):
            session.run(put, {x: k * 2.0, key: k})
        session.run([area.size(), ordered.size()])
        session.run([area.get(), *ordered.get()])


def over_devices(tf):
    """A loop whose body is on three devices, a loop and a branch in it, and its slope."""
    n, x = hole(tf.int32, []), hole(tf.float32, [2])

    def body(i, a, b):
        with tf.device("/cpu:1"):
            inner = v1.while_loop(lambda j, c: j < i, lambda j, c: (j + 1, c * x), [0, a])[1]
        with tf.device("/cpu:2"):
            c = v1.cond(tf.equal(i % 2, 0), lambda: inner + b, lambda: tf.tanh(inner))
        return i + 1, c, a

    ends = v1.while_loop(lambda i, a, b: i < n, body, [0, x, x * 2.0])[1:]
    config = v1.ConfigProto(device_count={"CPU": 3})
    with v1.Session(config=config) as session:
        for count in (0, 1, 4):
            session.run([*ends, tf.gradients(ends[0], x)[0]], {n: count, x: [0.5, 1.5]})


def queue_calls(tf):
    """What may be asked of a queue without waiting, in random order, until it is closed and empty."""
    for seed in range(12):
        draw = random.Random(seed)
        queue = (
            tf.queue.FIFOQueue(6, [tf.int32], [[]]), tf.queue.RandomShuffleQueue(6, 2, [tf.int32], [[]], seed=seed),
            tf.queue.PaddingFIFOQueue(6, [tf.int32], [[]]), tf.queue.PriorityQueue(6, [tf.int32], [[]]),
        )[seed % 4]  # fmt: skip
        more = [np.int64(0)] if seed % 4 == 3 else []
        number, many, count = hole(tf.int32, []), hole(tf.int32, [None]), hole(tf.int32, [])
        places = hole(tf.int64, [None])
        put = queue.enqueue([*more, number])
        put_many = queue.enqueue_many([*([places] if more else []), many])
        take, take_many, take_some = queue.dequeue(), queue.dequeue_many(count), queue.dequeue_up_to(count)
        ends = [queue.close(), queue.close(cancel_pending_enqueues=True)]
        held, closed, least = 0, False, 2 if seed % 4 == 1 else 0
        with v1.Session() as session:
            for step in range(30):
                kind, k = draw.choice(["put", "put_many", "take", "take_many", "take_some", "close"]), draw.randrange(4)
                with contextlib.suppress(tf.errors.OpError):
                    if kind == "put" and (closed or held < 6):
                        held += not closed
                        session.run(put, {number: step})
                    elif kind == "put_many" and (closed or held + k <= 6):
                        held += 0 if closed else k
                        session.run(put_many, {many: range(step, step + k)} | (
                            {places: [draw.randrange(3) for _ in range(k)]} if more else {}
                        ))  # fmt: skip
                    elif kind == "take" and (closed or held - least >= 1):
                        held -= held > 0
                        session.run(take)
                    elif kind == "take_some" and more and closed:
                        pass  # TensorFlow's PriorityQueue loses its rows then
                    elif kind in ("take_many", "take_some") and (closed or held - least >= k):
                        held -= (k if held >= k else held if kind == "take_some" else 0)
                        session.run(take_many if kind == "take_many" else take_some, {count: k})
                    elif kind == "close" and step > 15:
                        closed = True
                        session.run(draw.choice(ends))
                session.run([queue.size(), queue.is_closed()])


def tried(session, *args):
    with contextlib.suppress(tensorflow.errors.OpError):
        session.run(*args)


def truths(tf):
    """Conditions that are no single bool."""
    from tensorflow.python.framework import function
    from tensorflow.python.ops import functional_ops

    p, x = hole(tf.bool), hole(tf.float32)
    taken = v1.cond(p, lambda: x + 1.0, lambda: x - 1.0)
    turned = v1.while_loop(lambda i: p, lambda i: i + 1, [0], maximum_iterations=2)
    twice, half = (function.Defun(tf.float32)(f) for f in (lambda x: x * 2.0, lambda x: x / 2.0))
    chosen = [functional_ops.If(tf.constant(c), [x], twice, half) for c in (True, 1, 0.0, "", "a", [0, 0])]
    with v1.Session() as session:
        for value in (True, [True], [True, False], []):
            tried(session, taken, {p: value, x: 1.0})
            tried(session, turned, {p: value})
        for each in chosen:
            session.run(each, {x: 3.0})


def named_functions_with_branches(tf):
    """What a function does in a branch that is not taken, and in each turn of a loop, holds up nobody."""
    from tensorflow.python.framework import function
    from tensorflow.python.ops import functional_ops

    x, v = hole(tf.float32, []), v1.get_variable("v", initializer=0.0, use_resource=True)

    @function.Defun(tf.float32, shape_func=lambda op: [[]])
    def checked(a):
        with tf.control_dependencies([v1.Assert(a > 0, ["not positive", a])]):
            return tf.identity(a)

    @function.Defun(tf.float32, shape_func=lambda op: [[]])
    def shaken(a):
        def turn(i, a):
            more = v1.cond(a < 3.5, lambda: a + v1.random_uniform([], seed=3), lambda: a)
            return i + 1, tf.tuple([more], control_inputs=[v.assign_add(1.0).op])[0]

        return v1.while_loop(lambda i, a: i < 3, turn, [0, a])[1]

    @function.Defun(tf.float32, shape_func=lambda op: [[]])
    def either(a):
        return v1.cond(a > 1.0, lambda: shaken(a), lambda: checked(-a) * 2.0)

    small = function.Defun(tf.float32, func_name="small")(lambda a: a < 10.0)
    grown = function.Defun(tf.float32, func_name="grown")(lambda a: either(a) + checked(a))
    wanted = [checked(x) + 1.0, checked(-x), either(x), either(-x), functional_ops.While([x], small, grown),
              functional_ops.If(x > 1, [x], either, checked),
              v1.while_loop(lambda i, a: i < 2, lambda i, a: (i + 1, either(a) + checked(a)), [0, x])[1]]  # fmt: skip
    with v1.Session() as session:
        session.run(v.initializer)
        for each in [*wanted, v]:
            tried(session, each, {x: 3.0})


PROGRAMS = [
    truths, branches, loops, rows, arrays, functions, named_functions, named_functions_with_branches,
    python_functions, raising, queues, queue_calls, queues_of_other_types, accumulators,
    slices_of_several_gradients, staging, over_devices,
]  # fmt: skip


@pytest.mark.parametrize("today", [False, True], ids=["Switch and Merge", "functions"])
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_a_program_gives_the_same(program, today):
    (v1.enable_control_flow_v2 if today else v1.disable_control_flow_v2)()
    try:
        assert differences(program) == []
    finally:
        v1.enable_control_flow_v2()
