"""tf.test: what its assertions accept and refuse, its sessions, and gradients against differences."""

import os
import subprocess
import sys
import unittest
from pathlib import Path

import numpy as np
import pytest

import refflow as tf

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def case():
    """A test case in the middle of a test."""
    return tf.test.TestCase("session")


# assertion, arguments that pass, arguments that fail
ASSERTIONS = [
    ("assertAllClose", ([1.0, 2.0], [1.0, 2.0 + 1e-7]), ([1.0, 2.0], [1.0, 2.1])),
    ("assertAllClose", ({"a": [1.0]}, {"a": [1.0]}), ({"a": [1.0]}, {"b": [1.0]})),
    ("assertAllClose", ([[1.0], [1.0, 2.0]], [[1.0], [1.0, 2.0]]), ([[1.0], [1.0, 2.0]], [[1.0], [1.0, 3.0]])),
    ("assertAllClose", ([np.nan], [np.nan]), ([1.0], [[1.0]])),
    ("assertAllClose", (1.0, 1.4, 0.5, 0.0), (1.0, 1.6, 0.1, 0.1)),
    ("assertAllCloseAccordingToType", (np.float16([1.0005]), [1.0]), (np.float32([1.0005]), [1.0])),
    ("assertAllEqual", ([[1, 2]], np.array([[1, 2]])), ([1, 2], [1, 3])),
    ("assertAllEqual", ([1.0, np.nan], [1.0, np.nan]), ([1.0], [1.0, 1.0])),
    ("assertAllEqual", (["a", b"b"], [b"a", b"b"]), (["a"], ["b"])),
    ("assertNear", (1.0, 1.1, 0.2), (1.0, 1.1, 0.01)),
    ("assertNear", (float("inf"), float("inf"), 0.1), (float("inf"), 1.0, 0.1)),
    ("assertArrayNear", ([1.0, 2.0], [1.0, 2.1], 0.2), ([1.0], [1.0, 2.0], 1.0)),
    ("assertNDArrayNear", ([[3.0], [4.0]], [[0.0], [0.0]], 5.0), ([[3.0], [4.0]], [[0.0], [0.0]], 4.9)),
    ("assertStartsWith", ("gradients/add", "grad"), ("gradients/add", "add")),
    ("assertDeviceEqual", ("/cpu:0", "/device:CPU:0"), ("/cpu:0", "/cpu:1")),
]


@pytest.mark.parametrize(("name", "right", "wrong"), ASSERTIONS)
def test_an_assertion_accepts_what_it_should_and_nothing_else(case, name, right, wrong):
    getattr(case, name)(*right)
    with pytest.raises(AssertionError):
        getattr(case, name)(*wrong)


def test_a_difference_is_shown_where_it_is(case):
    with pytest.raises(AssertionError, match=r"1 of 4 elements differ, first at \(1, 0\): 3 and 5"):
        case.assertAllEqual([[1, 2], [3, 4]], [[1, 2], [5, 4]])


def test_shapes_are_compared_with_those_of_tensors(case):
    case.assertShapeEqual(np.zeros((2, 3)), tf.zeros([2, 3]))
    with pytest.raises(AssertionError):
        case.assertShapeEqual(np.zeros((2, 3)), tf.zeros([3, 2]))


def test_errors_are_expected_by_text_or_by_a_function(case):
    hole = tf.placeholder(tf.float32, name="hole")
    with case.test_session() as session:
        with case.assertRaisesOpError("hole"):
            session.run(hole)
        with case.assertRaisesWithPredicateMatch(tf.errors.InvalidArgumentError, lambda e: e.op is hole.op):
            session.run(hole)
        with pytest.raises(AssertionError, match="not the one expected"), case.assertRaisesOpError("nothing of it"):
            session.run(hole)
    with pytest.raises(AssertionError, match="was not raised"), case.assertRaisesOpError("x"):
        tf.constant(1)


def test_messages_are_compared(case, graph):
    pytest.importorskip("google.protobuf", reason="needs protobuf")
    tf.constant(1, tf.int32, name="one")
    text = 'node { name: "one" op: "Const" attr { key: "dtype" value { type: DT_INT32 } } attr { key: "value" value { '
    text += "tensor { dtype: DT_INT32 tensor_shape { } int_val: %d } } } } versions { producer: %d }"
    case.assertProtoEquals(text % (1, graph.graph_def_version), graph.as_graph_def())
    with pytest.raises(AssertionError):
        case.assertProtoEquals(text % (2, graph.graph_def_version), graph.as_graph_def())


def test_a_session_lasts_for_the_test_and_another_graph_has_its_own(case, graph):
    v = tf.Variable(1.0)
    with case.test_session() as session:
        v.initializer.run()
    with case.test_session() as again:
        assert again is session and v.eval() == 1.0
    with case.session() as fresh, pytest.raises(tf.errors.FailedPreconditionError):
        fresh.run(v)
    assert case.evaluate(v + 1.0) == 2.0
    with case.test_session(graph=tf.Graph()) as other:
        assert other.graph is tf.get_default_graph() is not graph
    case.tearDown()
    with pytest.raises(RuntimeError, match="closed"):
        session.run(v)


def test_threads_report_to_the_test(case):
    def fails():
        raise ValueError("too late")

    fine, wrong, lost = (case.checkedThread(target=t) for t in (int, fails, int))
    fine.start(), wrong.start(), lost.start()
    fine.join()
    assert not fine.is_alive()
    with pytest.raises(AssertionError, match="Error in checkedThread: too late"):
        wrong.join()
    with pytest.raises(RuntimeError, match="not joined"):
        case.tearDown()


def test_a_script_of_tests_runs_by_itself():
    code = """
import refflow as tf
class SquareTest(tf.test.TestCase):
    def testSquare(self):
        with self.test_session():
            self.assertAllEqual(tf.square([2, 3]).eval(), [4, 9])
    def testSeed(self):
        self.assertEqual(tf.get_default_graph().seed, 87654321)
        self.assertEqual(tf.get_default_graph().get_operations(), [])
    def testWrong(self):
        self.assertAllEqual([1], [2])
tf.test.main()
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 1 and "Ran 4 tests" in result.stderr
    assert "FAILED (failures=1, skipped=1)" in result.stderr


def test_a_folder_of_its_own(case):
    assert os.path.isdir(tf.test.get_temp_dir()) and case.get_temp_dir() == tf.test.get_temp_dir()
    assert tf.test.is_built_with_cuda() is False
    assert issubclass(tf.test.TestCase, unittest.TestCase)


# -- gradients -----------------------------------------------------------------------------------------------------


def test_two_jacobians_of_a_product(rng):
    x, w = tf.placeholder(tf.float64, [2, 3]), rng.normal(size=(3, 2))
    y = tf.matmul(x, tf.constant(w))
    with tf.Session():
        ours, seen = tf.test.compute_gradient(x, [2, 3], y, [2, 2], x_init_value=np.ones((2, 3)))
        assert tf.test.compute_gradient_error(x, [2, 3], y, [2, 2]) < 1e-9
    np.testing.assert_allclose(ours, np.kron(np.eye(2), w))
    np.testing.assert_allclose(seen, ours, atol=1e-9)


def test_a_wrong_gradient_is_seen():
    @tf.RegisterGradient("TwiceTooMuch")
    def _(op, dy):
        return 2.0 * dy * 2.0 * op.inputs[0]

    x = tf.placeholder(tf.float32, [2])
    with tf.get_default_graph().gradient_override_map({"Square": "TwiceTooMuch"}):
        y = tf.square(x)
    with tf.Session():
        assert tf.test.compute_gradient_error(x, [2], y, [2], [1.0, 2.0]) == pytest.approx(4, abs=1e-2)


def test_variables_feeds_and_paths_that_are_not_there():
    v, k = tf.Variable([3.0]), tf.placeholder(tf.float32, [])
    x = tf.placeholder(tf.float32, [1])
    with tf.Session():
        error = tf.test.compute_gradient_error(x, [1], v * x * k, [1], [1.0], init_targets=[v.initializer],
                                               extra_feed_dict={k: 2.0})  # fmt: skip
        assert error < 1e-2
        ours, seen = tf.test.compute_gradient(x, [1], tf.stop_gradient(x) * 1.0, [1], [1.0])
        assert ours.tolist() == [[0.0]] and seen[0, 0] == pytest.approx(1, abs=1e-2)
        with pytest.raises(TypeError, match="gradients are of"):
            tf.test.compute_gradient(tf.placeholder(tf.int32, [1]), [1], x, [1])
    with pytest.raises(ValueError, match="No default session"):
        tf.test.compute_gradient(x, [1], x * 2.0, [1])


def test_complex_numbers_count_as_pairs():
    z = tf.placeholder(tf.complex64, [2])
    y = tf.mul(z, tf.constant([1 + 2j, 3j], tf.complex64))
    with tf.Session():
        ours, seen = tf.test.compute_gradient(z, [2], y, [2], np.array([0.5 + 1j, 2 - 1j]))
    assert ours.shape == (4, 4)
    np.testing.assert_allclose(seen[:2, :2], [[1, 2], [-2, 1]], atol=1e-2)
