"""refflow.compat.v1: functions whose calls are part of the graph."""

import pytest

import refflow.compat.v1 as tf
from refflow.compat.v1.function import Defun
from refflow.compat.v1.functional_ops import Case, For, Gradient, If, While


def run(fetches, feeds=None):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(fetches, feeds)


# -- tf.function --------------------------------------------------------------------------------------------------


def test_lines_of_a_function_happen_in_their_order():
    v = tf.Variable(1.0, use_resource=True)

    @tf.function
    def grown(x):
        v.assign_add(x)
        first = v.read_value()
        v.assign(first * 10)
        return {"first": first, "last": v.read_value()}

    assert run(grown(tf.constant(2.0))) == {"first": 3.0, "last": 30.0}


def test_what_nobody_reads_is_done_before_a_function_gives_its_result():
    v = tf.Variable(0, use_resource=True)

    @tf.function
    def counted(x):
        v.assign_add(1)
        return x

    found = counted(tf.constant(5))
    with tf.Session() as session:
        session.run(v.initializer)
        assert [session.run(found), session.run(v)] == [5, 1]


def test_a_function_is_a_method_like_another():
    class Scaled:
        factor = 3

        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
        def times(self, x):
            return x * self.factor

    @tf.function(input_signature=[tf.TensorSpec([2], tf.float32)])
    def pair(x):
        return x

    assert run(Scaled().factor * pair([1, 2])).tolist() == [3, 6]
    with pytest.raises(TypeError, match="incompatible with input_signature"):
        pair([1.0, 2.0, 3.0])
    assert run(tf.function(Scaled.times.python_function)(Scaled(), tf.constant([2.0]))).tolist() == [6]


def test_control_flow_v2_is_noted():
    assert not tf.control_flow_v2_enabled()
    tf.enable_control_flow_v2()
    try:
        assert tf.control_flow_v2_enabled()
        assert tf.cond(tf.constant(True), lambda: 1, lambda: 2).op.type == "Merge"
    finally:
        tf.disable_control_flow_v2()
    assert not tf.control_flow_v2_enabled()


# -- Defun --------------------------------------------------------------------------------------------------------


def test_a_defun_takes_tensors_of_its_types_and_has_gradients():
    @Defun(tf.float32, tf.float32, func_name="Times")
    def times(x, y):
        return x * y

    x = tf.constant(2.0)
    z = times(x, 3)
    assert z.op.name.startswith("Times/") and run([z, *tf.gradients(z, x)]) == [6, 3]
    with pytest.raises(ValueError, match="Expected number of arguments: 2, received: 1"):
        times(x)
    with pytest.raises(TypeError):
        times(x, tf.constant(1))
    with pytest.raises(ValueError, match="more arguments than the number of specified input types"):
        Defun(tf.float32)(lambda x, y: x)
    with pytest.raises(ValueError, match="must be callable"):
        Defun(tf.float32)(3)


def test_a_defun_gives_a_list_or_an_operation():
    assert [type(part) for part in Defun()(lambda x: [x, x + 1])(tf.constant(1))] == [tf.Tensor] * 2
    assert isinstance(Defun()(lambda: None)(), tf.Operation)


def test_a_defuns_gradient_may_be_written():
    by_python = Defun(tf.float32, python_grad_func=lambda op, dy: dy * op.inputs[0] * 100)(lambda x: x * x)
    slope = Defun(tf.float32, tf.float32)(lambda x, dy: dy * 7)
    by_function = Defun(tf.float32, grad_func=slope)(lambda x: x * x)
    x = tf.constant(2.0)
    assert run(tf.gradients(by_python(x), x)) == [200] and run(tf.gradients(by_function(x), x)) == [7]


# -- functions as branches and loops ----------------------------------------------------------------------------------


def test_functions_are_branches():
    p = tf.placeholder(tf.int32, [])
    double, half = Defun(tf.float32)(lambda x: x * 2), Defun(tf.float32)(lambda x: x / 2)
    x = tf.constant(8.0)
    (found,) = If(p, [x], double, half)
    (slope,) = tf.gradients(found, x)
    assert run([found, slope], {p: 3}) == [16, 2] and run([found, slope], {p: 0}) == [4, 0.5]
    (chosen,) = Case(p, [x], [double, half, lambda x: -x])
    assert [run(chosen, {p: i}) for i in (0, 1, 2, 9)] == [16, 4, -8, -8]


def test_functions_are_loops():
    found = While([1, 10], Defun(tf.int32, tf.int32)(lambda a, b: a < b), lambda a, b: [a * 2, b + 1])
    assert run(found) == [16, 14]
    assert run(For(10, 0, -3, [0], lambda i, total: total + i)) == [10 + 7 + 4 + 1]
    assert run(For(0, 0, 1, [5], lambda i, total: total + i)) == [5]


def test_a_symbolic_gradient_has_zeros_where_none_come():
    squared = Defun(tf.float32, tf.float32)(lambda x, y: x * x)
    assert run(Gradient([3.0, 1.0, 10.0], squared)) == [60, 0]
