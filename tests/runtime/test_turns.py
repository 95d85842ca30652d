"""Buffers of loops: values that take turns in two of them, and values that are kept and must not [W16]."""

import numpy as np
import pytest

import refflow as tf
from refflow.core.registry import op_def
from refflow.runtime.plan import Plan

W = np.float32([[0.6, -0.8], [0.8, 0.6]])


def loop(turns, body, *start):
    return tf.while_loop(lambda i, *_: i < turns, lambda i, *v: [i + 1, *body(i, *v)], [0, *start])[1:]


def delay_line(x, w):
    return loop(5, lambda i, a, b, c: (tf.matmul(a, w), a, b), x, x * 2.0, x * 3.0)


def swapped(x, w):
    return loop(5, lambda i, a, b: (b, tf.matmul(a, w)), x, x * 2.0)


def written(x, w):
    rows = tf.TensorArray(tf.float32, 5)
    a, rows = loop(5, lambda i, a, rows: (tf.matmul(a, w), rows.write(i, a)), x, rows)
    return a, rows.stack()


def branched(x, w):
    def body(i, a, b):
        return tf.matmul(a, w), tf.cond(tf.equal(i % 2, 0), lambda: a, lambda: b * 2.0)

    return loop(5, body, x, x)


def through_a_view(x, w):
    return loop(5, lambda i, a: (tf.reshape(tf.matmul(tf.reshape(a, [2, 2]), w), [4]),), tf.reshape(x, [4]))


def nested(x, w):
    def body(i, a, b):
        (inner,) = loop(i % 3, lambda j, c: (tf.matmul(c, w),), a)
        return tf.matmul(a, w) + inner, inner

    return loop(5, body, x, x)


def one_after_the_other(x, w):
    first = loop(3, lambda i, a: (tf.matmul(a, w),), x)[0]
    return first, *loop(4, lambda i, a, b: (tf.matmul(a, w), b + a), first, first)


def in_a_branch(x, w):
    return [tf.cond(x[0, 0] > 0.0, lambda: loop(4, lambda i, a: (tf.matmul(a, w),), x)[0], lambda: x)]


def slopes(x, w):
    (end,) = loop(4, lambda i, a: (tf.tanh(tf.matmul(a, w)) + a,), x)
    first = tf.gradients(tf.reduce_sum(end * end), [x, w])
    return [end, *first, *tf.gradients(tf.reduce_sum(first[0] * first[0]), [x, w])]


PROGRAMS = [delay_line, swapped, written, branched, through_a_view, nested, one_after_the_other, in_a_branch, slopes]


@pytest.mark.parametrize("build", PROGRAMS, ids=lambda f: f.__name__)
def test_no_value_is_overwritten_that_somebody_still_needs(build):
    x, w = tf.placeholder(tf.float32, [2, 2]), tf.placeholder(tf.float32, [2, 2])
    fetches = list(build(x, w))
    values = [np.float32([[1, 2], [3, 4]]), np.float32([[-4, 3], [2, 1]])]
    with tf.Session() as session, tf.Session(executor="executor") as slow:
        got = [session.run(fetches, {x: v, w: W}) for v in values]
        wanted = [slow.run(fetches, {x: v, w: W}) for v in values]
    for a, b in zip(got, wanted, strict=True):  # the first run's results too, after the second
        for ours, theirs in zip(a, b, strict=True):
            if build is slopes:  # products of several turns are added together, in another order
                np.testing.assert_allclose(ours, theirs, rtol=1e-5)
            else:
                assert ours.tobytes() == theirs.tobytes()
    assert values[0].tolist() == [[1, 2], [3, 4]]


def plan_of(fetches):
    with tf.Session() as session:
        stages = session.stages(session.signature(fetches))
        return Plan(stages.partitioned, "fast", {})


def test_variables_that_nobody_keeps_take_turns_in_two_buffers():
    x, w = tf.constant(W), tf.constant(W)
    plan = plan_of(loop(5, lambda i, a: (tf.matmul(a, w),), x))
    assert "out=next" in plan.source
    for build, turns in ((swapped, False), (written, False), (through_a_view, True), (delay_line, False)):
        assert ("out=next" in plan_of(list(build(x, w))).source) == turns, build.__name__


def test_a_gradient_s_loop_makes_no_memory_in_its_iterations():  # [W43]
    """What comes off the list has the shape of all that was put there; the sums and the slope have buffers."""
    x, w = tf.placeholder(tf.float32, [2, 2]), tf.constant(W)
    slope = tf.gradients(tf.reduce_sum(loop(5, lambda i, a: (tf.matmul(a, w),), x)[0]), [x, w])
    with tf.Session() as session:
        stages = session.stages(session.signature(slope, [x]), [(2, 2)])
        popped = [n for n in stages.optimised.nodes if n.type == "TensorListPopBack"]
        source = Plan(stages.partitioned, "fast", {}).source
    assert popped and all(n.shapes[1] == (2, 2) for n in popped)
    backward = source[source.rindex("while True") :]
    products = [line for line in backward.splitlines() if line.strip().startswith("k")]
    assert len(products) == 2 and all("out=" in line for line in products)


@pytest.mark.parametrize("put", ["list", "stack", "array"])
@pytest.mark.parametrize("by_handle", [False, True])
def test_what_is_kept_of_a_variable_is_what_it_was_then(put, by_handle):  # [W12, W43]
    """The variable changes in place between one push and the next."""
    v = tf.Variable(np.float32([1, 2]))
    handle = op_def("VarHandleOp")(dtype=tf.float32, shape=[2], shared_name="r")
    begin = op_def("AssignVariableOp")(handle, np.float32([1, 2]))
    waits = []

    def value():
        with tf.control_dependencies(waits):
            return op_def("ReadVariableOp")(handle, dtype=tf.float32) if by_handle else v.ref()

    def change(after):
        with tf.control_dependencies([after]):
            more = op_def("AssignAddVariableOp")(handle, np.float32([10, 10])) if by_handle else v.assign_add([10, 10])
            waits[:] = [getattr(more, "op", more)]

    if put == "list":
        box = op_def("EmptyTensorList")(np.int32(-1), np.int32(-1), element_dtype=tf.float32)
        for _ in range(3):
            with tf.control_dependencies(waits):
                box = op_def("TensorListPushBack")(box, value())
            change(box)
        found = op_def("TensorListStack")(box, np.int32([2]), element_dtype=tf.float32)
    elif put == "array":
        array = tf.TensorArray(tf.float32, 3)
        for i in range(3):
            with tf.control_dependencies(waits):
                array = array.write(i, value())
            change(array.flow)
        found = array.stack()
    else:
        stack = op_def("StackV2")(np.int32(-1), elem_type=tf.float32)
        for _ in range(3):
            with tf.control_dependencies(waits):
                change(op_def("StackPushV2")(stack, value()))
        rows = []
        for _ in range(3):
            with tf.control_dependencies(waits):
                rows.append(op_def("StackPopV2")(stack, elem_type=tf.float32))
            waits[:] = [rows[-1]]
        found = tf.pack(rows[::-1])
    for options in ({}, {"executor": "executor"}):
        with tf.Session(**options) as session:
            session.run([tf.initialize_all_variables(), begin])
            assert session.run(found).tolist() == [[1, 2], [11, 12], [21, 22]], options


def test_what_comes_out_of_a_list_is_the_caller_s():
    """A constant was put there as it is; who changes what was fetched changes no later run."""
    box = op_def("EmptyTensorList")(np.int32(-1), np.int32(-1), element_dtype=tf.float32)
    box = op_def("TensorListPushBack")(box, tf.constant([1.0, 2.0]))
    popped = op_def("TensorListPopBack")(box, np.int32([2]), element_dtype=tf.float32).tensor
    with tf.Session() as session:
        for _ in range(2):
            found = session.run(popped)
            assert found.tolist() == [1, 2]
            found += 5.0


def test_how_many_elements_an_array_has_is_known_before_the_run():  # [W43]
    """So the shape of what is stacked is, and with it all that follows; a list that is pushed to says nothing."""
    x = tf.placeholder(tf.float32, [5, 3])
    rows = tf.map_fn(tf.tanh, x)
    slope = tf.gradients(tf.reduce_mean(tf.square(rows)), x)[0]
    with tf.Session() as session:
        nodes = session.stages(session.signature([rows, slope], [x]), [(5, 3)]).optimised.nodes
        value = np.linspace(-1, 1, 15, dtype=np.float32).reshape(5, 3)
        found = session.run([rows, slope], {x: value})
    assert next(n for n in nodes if n.type == "TensorListStack").shapes[0] == (5, 3)
    assert not {"Shape", "Range", "DynamicStitch"} & {n.type for n in nodes}
    np.testing.assert_allclose(found[0], np.tanh(value), rtol=1e-6)
    np.testing.assert_allclose(found[1], 2 * np.tanh(value) * (1 - np.tanh(value) ** 2) / 15, rtol=1e-5)


@pytest.mark.parametrize("turns", [2, 4])
def test_a_list_that_grows_has_no_number_of_elements(turns):  # [W43]
    grow = op_def("TensorListSetItem")
    made = op_def("TensorListReserve")([3], 2, element_dtype=tf.float32)
    item = tf.placeholder(tf.float32, [3])
    held = tf.while_loop(
        lambda i, _: i < turns, lambda i, h: (i + 1, grow(h, i, item, resize_if_index_out_of_bounds=True)), [0, made]
    )[1]
    whole = op_def("TensorListStack")(held, [3], element_dtype=tf.float32)
    with tf.Session() as session:
        assert session.run(whole + 1.0, {item: [1, 2, 3]}).tolist() == [[2, 3, 4]] * turns
