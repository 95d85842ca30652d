"""What sessions are fed."""

import contextlib

import numpy as np
from tensorflow.python.client import session
from tensorflow.python.framework import (
    constant_op,
    dtypes,
    errors,
    ops,
    test_util,
)
from tensorflow.python.ops import (
    array_ops,
    resource_variable_ops,
    variable_v1,
)


class FeedTest(test_util.TensorFlowTestCase):
    @test_util.run_v1_only("sessions")
    def testEveryNumericType(self):
        with session.Session() as sess:
            for dt in (
                dtypes.float16,
                dtypes.float32,
                dtypes.float64,
                dtypes.int8,
                dtypes.int16,
                dtypes.int32,
                dtypes.int64,
                dtypes.uint8,
                dtypes.uint16,
                dtypes.uint32,
                dtypes.uint64,
                dtypes.bool,
                dtypes.complex64,
                dtypes.complex128,
            ):
                for shape in ([], [3], [2, 0], [2, 3], [1, 2, 3]):
                    a = np.random.randint(0, 2, shape).astype(dt.as_numpy_dtype)
                    p = array_ops.placeholder(dt, shape)
                    got = sess.run(array_ops.identity(p), {p: a})
                    self.assertEqual(dt.as_numpy_dtype, got.dtype)
                    self.assertAllEqual(a, got)

    @test_util.run_v1_only("sessions")
    def testStrings(self):
        with session.Session() as sess:
            p = array_ops.placeholder(dtypes.string)
            i = array_ops.identity(p)
            self.assertEqual(b"x", sess.run(i, {p: "x"}))
            self.assertEqual(b"x\x00y", sess.run(i, {p: b"x\x00y"}))
            self.assertAllEqual([[b"a", b"bb"]], sess.run(i, {p: [["a", "bb"]]}))
            self.assertAllEqual([b"a", b"\x01\x00"], sess.run(i, {p: np.array([b"a", b"\x01\x00"], object)}))
            self.assertAllEqual(["\u20ac".encode("utf-8")], sess.run(i, {p: ["\u20ac"]}))
            self.assertAllEqual([b"ab", b"c"], sess.run(i, {p: np.array([b"ab", b"c"])}))
            self.assertEqual([0], list(sess.run(i, {p: np.zeros([0], object)}).shape))

    @test_util.run_v1_only("sessions")
    def testShapeErrors(self):
        with session.Session() as sess:
            p = array_ops.placeholder(dtypes.float32, [2, None], name="p")
            q = array_ops.identity(p)
            self.assertAllEqual([[1], [2]], sess.run(q, {p: [[1], [2]]}))
            with self.assertRaisesRegex(ValueError, r"Cannot feed value of shape \(3, 1\)"):
                sess.run(q, {p: [[1], [2], [3]]})
            with self.assertRaisesRegex(ValueError, r"which has shape .*2, "):
                sess.run(q, {p: 1.0})

    @test_util.run_v1_only("sessions")
    def testFeedKeyErrors(self):
        with session.Session() as sess:
            a = constant_op.constant(1.0, name="a")
            b = a + 1.0
            with self.assertRaisesRegex(TypeError, "Cannot interpret feed_dict key as Tensor"):
                sess.run(b, {12: 1.0})
            with self.assertRaisesRegex(TypeError, "Cannot interpret feed_dict key as Tensor"):
                sess.run(b, {a.op: 1.0})
            with self.assertRaisesRegex(TypeError, "Cannot interpret feed_dict key"):
                sess.run(b, {"nothere:0": 1.0})
            self.assertEqual(5.0, sess.run(b, {"a:0": 4.0}))
            with ops.Graph().as_default():
                f = constant_op.constant(1.0)
            with self.assertRaisesRegex(TypeError, "Cannot interpret feed_dict key"):
                sess.run(b, {f: 1.0})

    @test_util.run_v1_only("sessions")
    def testFeedValueErrors(self):
        with session.Session() as sess:
            p = array_ops.placeholder(dtypes.int32, name="p")
            q = p + 1
            with self.assertRaisesRegex(TypeError, "The value of a feed cannot be a tf.Tensor object"):
                sess.run(q, {p: constant_op.constant(1)})
            with self.assertRaisesRegex(TypeError, "is not compatible with Tensor type"):
                sess.run(q, {p: 2**40})
            with self.assertRaises(ValueError):
                sess.run(q, {p: "abc"})
            with self.assertRaises((ValueError, TypeError)):
                sess.run(q, {p: [[1, 2], [3]]})
            with self.assertRaises(TypeError):
                sess.run(q, {p: None})
            with self.assertRaises(TypeError):
                sess.run(q, [p, 1])

    @test_util.run_v1_only("sessions")
    def testMissingFeed(self):
        with session.Session() as sess:
            p = array_ops.placeholder(dtypes.float32, shape=(), name="hole")
            q = p * 1.0
            with self.assertRaisesRegex(
                errors.InvalidArgumentError, "You must feed a value for placeholder tensor 'hole' with dtype float"
            ):
                sess.run(q)
            with self.assertRaisesOpError("You must feed a value for placeholder tensor"):
                q.eval()

    @test_util.run_v1_only("sessions")
    def testNestedFeedKeys(self):
        with session.Session() as sess:
            a = array_ops.placeholder(dtypes.float32)
            b = array_ops.placeholder(dtypes.float32)
            c = array_ops.placeholder(dtypes.float32)
            s = a + 10.0 * b + 100.0 * c
            self.assertEqual(321.0, sess.run(s, {(a, (b, c)): (1.0, (2.0, 3.0))}))
            with self.assertRaises((ValueError, TypeError)):
                sess.run(s, {(a, (b, c)): (1.0, 2.0)})

    @test_util.run_v1_only("sessions")
    def testFedValueIsACopyAndFetchToo(self):
        with session.Session() as sess:
            p = array_ops.placeholder(dtypes.float32, [2])
            q = array_ops.identity(p)
            x = np.array([1.0, 2.0], np.float32)
            y = sess.run(q, {p: x})
            x[0] = 9.0
            self.assertAllEqual([1.0, 2.0], y)
            c = constant_op.constant([1.0, 2.0])
            first = sess.run(c)
            with contextlib.suppress(ValueError):
                first[0] = 55.0
            self.assertAllEqual([1.0, 2.0], sess.run(c))

    @test_util.run_v1_only("sessions")
    def testFeedAndFetchSame(self):
        with session.Session() as sess:
            p = array_ops.placeholder(dtypes.float32, [2])
            v = sess.run(p, {p: [1, 2]})
            self.assertEqual(np.float32, v.dtype)
            self.assertAllEqual([1, 2], v)
            c = constant_op.constant(3.0)
            self.assertEqual([8.0, 9.0], sess.run([c, c + 1.0], {c: 8.0}))

    @test_util.run_v1_only("sessions")
    def testFeedVariable(self):
        with session.Session() as sess:
            v = variable_v1.VariableV1(1.0, use_resource=False)
            w = v + 1.0
            self.assertEqual(6.0, sess.run(w, {v: 5.0}))
            r = resource_variable_ops.ResourceVariable(1.0)
            sess.run(r.initializer)
            self.assertEqual(1.0, sess.run(r))

    @test_util.run_v1_only("sessions")
    def testInputsOfFedAreNotRun(self):
        with session.Session() as sess:
            p = array_ops.placeholder(dtypes.float32)
            mid = p * 2.0
            self.assertEqual(4.0, sess.run(mid + 1.0, {mid: 3.0}))

    @test_util.run_v1_only("sessions")
    def testFeedLists(self):
        with session.Session() as sess:
            p = array_ops.placeholder(dtypes.int64)
            self.assertAllEqual([[1, 2]], sess.run(p, {p: [np.array([1, 2])]}))
            self.assertAllEqual([1, 2], sess.run(p, {p: (1, 2)}))
            self.assertAllEqual([1, 2], sess.run(p, {p: range(1, 3)}))
            self.assertEqual(np.int64, sess.run(p, {p: np.int8(4)}).dtype)
