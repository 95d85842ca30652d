"""1.x's TensorArray: what is written or read twice, beyond the end or of another shape is an error; gradients flow."""

import numpy as np
import pytest

import refflow.compat.v1 as tf


def array(size=3, kind=tf.float32, **how):
    return tf.TensorArray(kind, size=size, tensor_array_name="foo", **how)


def run(fetches, feeds=None):
    with tf.Session() as session:
        return session.run(fetches, feeds)


def _closed():
    one = array()
    with tf.control_dependencies([one.close()]):
        return one.write(0, 3.0).flow


def _read_twice():
    one = array().write(1, 3.0)
    first = one.read(1)
    with tf.control_dependencies([first]):
        return [first, one.read(1)]


def _written_after_it_was_read():
    one = array().write(1, 3.0)
    with tf.control_dependencies([one.read(1)]):
        return one.write(1, 4.0).flow


@pytest.mark.parametrize("build, text", {
    "read twice": (_read_twice, "Could not read index 1 twice because it was cleared after a previous read"),
    "written twice": (lambda: array().write(2, 1.0).write(2, 2.0).flow, "because it has already been written to"),
    "written after it was read": (_written_after_it_was_read, "because it has already been read"),
    "written before the start": (lambda: array().write(-1, 1.0).flow, "Tried to write to index -1 but array is not"),
    "written beyond the end": (lambda: array().write(3, 1.0).flow, "Tried to write to index 3 but array is not"),
    "read beyond the end": (lambda: array().unstack([1.0, 2.0, 3.0]).read(3),
                            "Tried to read from index 3 but array size is: 3"),
    "read where nothing is": (lambda: array(infer_shape=False).read(0), "Could not read from TensorArray index 0"),
    "stacked with two shapes": (lambda: array(2, infer_shape=False).write(0, [1.0]).write(1, [1.0, 2.0]).stack(),
                                "Index 0 has shape: .1. but index 1 has shape: .2."),
    "stacked when empty": (lambda: array(0).stack(), "TensorArray has size zero, but element shape"),
    "scalars end to end": (lambda: array(1).write(0, 1.0).concat(), "Concat saw a scalar shape at index 0"),
    "cut where it does not add up": (lambda: array(2).split([1.0, 2.0, 3.0], [1, 1]).flow, "Expected sum of lengths"),
    "scattered beyond the end": (lambda: array().scatter([7], [[1.0]]).flow, "Max scatter index must be < array size"),
    "closed": (_closed, "has already been closed"),
    "of another type": (lambda: array().write(0, tf.constant(1)).flow,
                        "TensorArray dtype is float but Op is trying to write dtype int32"),
    "of a negative size": (lambda: array(-1).flow, "Size should be >= 0, got -1"),
}.values())  # fmt: skip
def test_a_step_that_misuses_an_array_fails(build, text):
    with tf.Graph().as_default():
        wanted = build()
        with pytest.raises(tf.errors.OpError, match=text):
            run(wanted)


def test_what_a_handle_says_is_not_given_with_it():
    with pytest.raises(ValueError, match="`size` must be provided"):
        tf.TensorArray(tf.float32)
    with tf.Graph().as_default():
        one = array().unstack([1.0, 2.0, 3.0])
        for argument in ({"size": 3}, {"element_shape": [1]}, {"dynamic_size": True}, {"clear_after_read": False},
                         {"tensor_array_name": "x"}):  # fmt: skip
            with pytest.raises(ValueError, match=f"Cannot provide both .*{next(iter(argument))}"):
                tf.TensorArray(tf.float32, handle=one.handle, flow=one.flow, **argument)
        with pytest.raises(ValueError, match="flow must not be None"):
            tf.TensorArray(tf.float32, handle=one.handle)
        assert run(tf.TensorArray(tf.float32, handle=one.handle, flow=one.flow).read(1)) == 2.0


def test_elements_whose_shapes_are_known_not_to_fit_are_refused_while_building():
    with tf.Graph().as_default():
        one = array().write(0, [1.0, 2.0])
        assert one.read(0).get_shape().as_list() == [2] and one.stack().get_shape().as_list() == [3, 2]
        with pytest.raises(ValueError, match=r"Inconsistent shapes: saw \(1,\) but expected \(2,\)"):
            one.write(1, [1.0])
        with pytest.raises(ValueError, match="scalar"):
            one.unstack(tf.constant(1.0))


def test_unwritten_elements_of_a_known_shape_are_zeros():
    with tf.Graph().as_default():
        assert run(array(element_shape=[2]).write(1, [4.0, 5.0]).stack()).tolist() == [[0, 0], [4, 5], [0, 0]]


def test_nodes_have_the_names_and_types_of_a_place_behind_a_handle():
    with tf.Graph().as_default() as graph:
        one = tf.TensorArray(tf.float32, size=3)
        written = one.write(0, 1.0)
        written.stack()
        assert (one.handle.op.type, one.handle.dtype, one.flow.dtype) == ("TensorArrayV3", tf.resource, tf.float32)
        assert written.handle is one.handle
        names = {op.name for op in graph.get_operations()}
        assert {"TensorArray", "TensorArrayWrite/TensorArrayWriteV3", "TensorArrayStack/TensorArrayGatherV3"} <= names


def _loop(x):
    rows, out = tf.TensorArray(tf.float32, 3).unstack(x), tf.TensorArray(tf.float32, 0, dynamic_size=True)

    def body(i, so_far, out):
        so_far = so_far * rows.read(i)
        return i + 1, so_far, out.write(i, so_far)

    return tf.while_loop(lambda i, *_: i < 3, body, [0, 1.0, out])[2].stack()


@pytest.mark.parametrize("program, slopes", {
    "stacked": (lambda x: array().unstack(x).stack() * [1.0, 2.0, 3.0], [1, 2, 3]),
    "gathered": (lambda x: array(5, clear_after_read=False).scatter([4, 1, 0], x).gather([1, 4]) * [1.0, 2.0],
                 [2, 1, 0]),
    "cut and joined": (lambda x: array(2, infer_shape=False).split(x, [2, 1]).concat() * [1.0, 2.0, 3.0], [1, 2, 3]),
    "read twice": (lambda x: [a := array(clear_after_read=False).unstack(x), a.read(0) * 2.0, a.read(0) * 3.0][1:],
                   [5, 0, 0]),
    "in a branch": (lambda x: [a := array().unstack(x),
                               tf.cond(tf.constant(True), lambda: a.read(0) * 2.0, lambda: a.read(1))][1], [2, 0, 0]),
    "in a loop": (_loop, [1 + 3 + 12, 2 + 8, 6]),
}.values())  # fmt: skip
def test_gradients_flow_through(program, slopes):
    with tf.Graph().as_default():
        x = tf.constant([2.0, 3.0, 4.0])
        found = tf.gradients(program(x), x)[0]
        np.testing.assert_allclose(run(found), slopes)


def test_each_call_of_gradients_has_arrays_of_its_own():
    with tf.Graph().as_default():
        x = tf.constant([1.0, 2.0, 3.0])
        a = array(clear_after_read=False).unstack(x)
        found = [tf.gradients(y, x)[0] for y in (a.read(0) * 2.0, a.read(0) * 5.0 + a.read(2))]
        assert np.array(run(found)).tolist() == [[2, 0, 0], [5, 0, 1]]
        with pytest.raises(ValueError, match="needs a name that starts with 'gradients'"):
            tf.gradients(a.read(1), x, name="other")


def test_what_is_written_to_the_array_of_gradients_adds_up():
    with tf.Graph().as_default():
        slopes = array().write(0, [1.0, 2.0]).grad("source")
        assert slopes.handle.op.type == "TensorArrayGradV3"
        assert run(slopes.write(0, [5.0, 6.0]).write(0, [1.0, 1.0]).read(0)).tolist() == [6, 7]


def test_branches_and_loops_give_arrays_back():
    with tf.Graph().as_default():
        p = tf.placeholder(tf.bool, [])
        one = array(2)
        chosen = tf.cond(p, lambda: one.write(0, 1.0), lambda: one.write(1, 5.0))
        assert isinstance(chosen, tf.TensorArray)
        assert run(chosen.stack(), {p: False}).tolist() == [0, 5]


def test_after_enable_control_flow_v2_it_is_a_list():
    tf.enable_control_flow_v2()
    try:
        with tf.Graph().as_default():
            one = tf.TensorArray(tf.float32, size=2).write(0, 1.0)
            assert isinstance(one, tf.TensorArray) and one.flow.dtype is tf.variant
            assert run([one.read(0), one.read(0)]) == [1.0, 1.0]
    finally:
        tf.disable_control_flow_v2()
