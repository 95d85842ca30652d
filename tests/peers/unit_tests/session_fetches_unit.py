"""What sessions are asked for, in every structure."""

import collections

import numpy as np
from tensorflow.python.client import session
from tensorflow.python.framework import (
    constant_op,
    dtypes,
    errors,
    indexed_slices,
    ops,
    sparse_tensor,
    test_util,
)
from tensorflow.python.ops import (
    array_ops,
    resource_variable_ops,
    variables,
)

Pair = collections.namedtuple("Pair", ["first", "second"])


class FetchStructureTest(test_util.TensorFlowTestCase):
    @test_util.run_deprecated_v1
    def testSingleTensorIsArrayOrScalar(self):
        with session.Session() as sess:
            v = sess.run(constant_op.constant([1.0, 2.0]))
            self.assertIsInstance(v, np.ndarray)
            s = sess.run(constant_op.constant(3.0))
            self.assertIsInstance(s, np.float32)
            t = sess.run(constant_op.constant("abc"))
            self.assertEqual(b"abc", t)
            self.assertIsInstance(t, bytes)
            m = sess.run(constant_op.constant(["a", "bc"]))
            self.assertEqual(m.dtype, object)

    @test_util.run_v1_only("sessions")
    def testOperationGivesNone(self):
        with session.Session() as sess:
            c = constant_op.constant(1.0)
            self.assertIsNone(sess.run(c.op))
            self.assertEqual([None, 1.0], sess.run([c.op, c]))
            self.assertIsNone(c.op.run())

    @test_util.run_v1_only("sessions")
    def testEmptyStructures(self):
        with session.Session() as sess:
            constant_op.constant(1.0)
            self.assertEqual([], sess.run([]))
            self.assertEqual((), sess.run(()))
            self.assertEqual({}, sess.run({}))
            self.assertEqual([[], {}], sess.run([[], {}]))

    @test_util.run_v1_only("sessions")
    def testNestedEverything(self):
        with session.Session() as sess:
            a = constant_op.constant(1.0)
            b = constant_op.constant([2, 3])
            od = collections.OrderedDict([("y", a), ("x", [b, (a, "Const:0")])])
            r = sess.run([od, Pair(first={"k": a}, second=a.op)])
            self.assertIsInstance(r[0], collections.OrderedDict)
            self.assertEqual(["y", "x"], list(r[0].keys()))
            self.assertEqual(1.0, r[0]["y"])
            self.assertAllEqual([2, 3], r[0]["x"][0])
            self.assertIsInstance(r[0]["x"][1], tuple)
            self.assertIsInstance(r[1], Pair)
            self.assertEqual({"k": 1.0}, r[1].first)
            self.assertIsNone(r[1].second)

    @test_util.run_v1_only("sessions")
    def testDefaultDict(self):
        with session.Session() as sess:
            d = collections.defaultdict(list)
            d["a"] = constant_op.constant(4)
            r = sess.run(d)
            self.assertIsInstance(r, collections.defaultdict)
            self.assertEqual(4, r["a"])
            self.assertEqual([], r["missing"])

    @test_util.run_v1_only("sessions")
    def testDuplicates(self):
        with session.Session() as sess:
            x = array_ops.placeholder(dtypes.float32, [])
            y = x * 2.0
            self.assertEqual([6.0, 6.0, (6.0,)], sess.run([y, y, (y,)], {x: 3.0}))

    @test_util.run_v1_only("sessions")
    def testNames(self):
        with session.Session() as sess:
            constant_op.constant(5.0, name="five")
            self.assertEqual(5.0, sess.run("five:0"))
            self.assertIsNone(sess.run("five"))
            self.assertEqual([5.0], sess.run(["five:0"]))
            with self.assertRaisesRegex(ValueError, "cannot be interpreted as"):
                sess.run("six:0")
            with self.assertRaisesRegex(ValueError, "cannot be interpreted as"):
                sess.run("five:1")
            with self.assertRaisesRegex(ValueError, "cannot be interpreted as"):
                sess.run("a:b:c")

    @test_util.run_v1_only("sessions")
    def testInvalidFetches(self):
        with session.Session() as sess:
            c = constant_op.constant(1.0)
            for bad in (None, 3, 2.5, object(), [None], {"a": None}, (c, 7)):
                with self.assertRaises(TypeError):
                    sess.run(bad)
            with self.assertRaisesRegex(TypeError, 'has invalid type "NoneType"'):
                sess.run(None)
            with self.assertRaisesRegex(TypeError, "must be a string or Tensor"):
                sess.run(12)

    def testForeignGraph(self):
        with ops.Graph().as_default():
            a = constant_op.constant(1.0)
        with ops.Graph().as_default():
            constant_op.constant(2.0)
            with session.Session() as sess:
                with self.assertRaisesRegex(ValueError, "is not an element of this graph"):
                    sess.run(a)
                with self.assertRaisesRegex(ValueError, "is not an element of this graph"):
                    sess.run(a.op)

    @test_util.run_v1_only("sessions")
    def testIndexedSlices(self):
        with session.Session() as sess:
            values = constant_op.constant([[1.0, 2.0]])
            indices = constant_op.constant([3], dtypes.int64)
            shape = constant_op.constant([5, 2], dtypes.int64)
            full = sess.run(indexed_slices.IndexedSlices(values, indices, shape))
            self.assertIsInstance(full, indexed_slices.IndexedSlicesValue)
            self.assertAllEqual(full.values, [[1.0, 2.0]])
            self.assertAllEqual(full.indices, [3])
            self.assertAllEqual(full.dense_shape, [5, 2])
            part = sess.run({"s": indexed_slices.IndexedSlices(values, indices)})["s"]
            self.assertIsNone(part.dense_shape)

    @test_util.run_v1_only("sessions")
    def testFeedIndexedSlices(self):
        with session.Session() as sess:
            s = indexed_slices.IndexedSlices(
                array_ops.placeholder(dtypes.float32, [2]),
                array_ops.placeholder(dtypes.int64, [2]),
                array_ops.placeholder(dtypes.int64, [1]),
            )
            out = [array_ops.identity(s.values), array_ops.identity(s.indices), array_ops.identity(s.dense_shape)]
            fed = ([1.0, 2.0], [0, 4], [7])
            for v in (fed, indexed_slices.IndexedSlicesValue(*fed)):
                r = sess.run(out, {s: v})
                self.assertAllEqual(r[0], [1.0, 2.0])
                self.assertAllEqual(r[1], [0, 4])
                self.assertAllEqual(r[2], [7])
            two = indexed_slices.IndexedSlices(s.values, s.indices)
            r = sess.run(out[:2], {two: fed[:2]})
            self.assertAllEqual(r[1], [0, 4])
            back = sess.run(s, {s: fed})
            self.assertAllEqual(back.dense_shape, [7])

    @test_util.run_v1_only("sessions")
    def testSparse(self):
        with session.Session() as sess:
            st = sparse_tensor.SparseTensor(
                constant_op.constant([[0, 1], [2, 0]], dtypes.int64),
                constant_op.constant([1.0, 2.0]),
                constant_op.constant([3, 2], dtypes.int64),
            )
            v = sess.run(st)
            self.assertIsInstance(v, sparse_tensor.SparseTensorValue)
            self.assertAllEqual(v.indices, [[0, 1], [2, 0]])
            _i, vals, sh = sess.run([st])[0]
            self.assertAllEqual(vals, [1.0, 2.0])
            self.assertAllEqual(sh, [3, 2])
            self.assertAllEqual(st.eval().values, [1.0, 2.0])

    @test_util.run_v1_only("sessions")
    def testFeedSparse(self):
        with session.Session() as sess:
            st = array_ops.sparse_placeholder(dtypes.float32)
            fed = (np.array([[0], [3]], np.int64), np.array([1.0, 2.0], np.float32), np.array([5], np.int64))
            for v in (fed, sparse_tensor.SparseTensorValue(*fed)):
                r = sess.run(st, feed_dict={st: v})
                self.assertAllEqual(r.values, [1.0, 2.0])
            r2 = sess.run([st.indices, array_ops.identity(st.values)], {st: fed})
            self.assertAllEqual(r2[0], [[0], [3]])
            again = sess.run(st, {st: sess.run(st, {st: fed})})
            self.assertAllEqual(again.dense_shape, [5])

    @test_util.run_v1_only("sessions")
    def testSparsePlaceholderWithShape(self):
        with session.Session() as sess:
            st = array_ops.sparse_placeholder(dtypes.float32, shape=[4, 2], name="sp")
            v = sess.run(st, {st: sparse_tensor.SparseTensorValue([[0, 0]], [3.0], [4, 2])})
            self.assertAllEqual(v.dense_shape, [4, 2])
            self.assertAllEqual([4, 2], st.get_shape().as_list())

    @test_util.run_v1_only("sessions")
    def testVariableIsFetched(self):
        with session.Session() as sess:
            v = variables.Variable([1.0, 2.0])
            r = resource_variable_ops.ResourceVariable(3.0)
            sess.run(variables.global_variables_initializer())
            a, b = sess.run([v, r])
            self.assertAllEqual([1.0, 2.0], a)
            self.assertEqual(3.0, b)
            self.assertEqual({"v": 3.0}, sess.run({"v": r}))

    @test_util.run_v1_only("sessions")
    def testUserDefinedExpansion(self):
        class Twice:
            def __init__(self, t):
                self.t = t
                self.d = t * 2.0

        session.register_session_run_conversion_functions(
            Twice,
            lambda o: ([o.t, o.d], lambda vals: tuple(vals)),
            lambda feed, v: [(feed.t, v)],
            lambda feed: [feed.t],
        )
        with self.assertRaisesRegex(ValueError, "has already been registered"):
            session.register_session_run_conversion_functions(Twice, lambda o: ([o.t], lambda vals: vals[0]))
        with session.Session() as sess:
            tw = Twice(constant_op.constant(3.0))
            self.assertEqual((3.0, 6.0), sess.run(tw))
            self.assertEqual((4.0, 8.0), sess.run(tw, {tw: 4.0}))
            self.assertEqual([(4.0, 8.0), 8.0], sess.run([tw, tw.d], {tw: 4.0}))
            h = sess.partial_run_setup([tw.d], [tw])
            self.assertEqual(10.0, sess.partial_run(h, tw.d, {tw: 5.0}))

    @test_util.run_v1_only("sessions")
    def testNotFetchable(self):
        with session.Session() as sess:
            a = constant_op.constant(1.0, name="a")
            ops.get_default_graph().prevent_fetching(a.op)
            self.assertFalse(ops.get_default_graph().is_fetchable(a))
            with self.assertRaisesRegex(errors.InaccessibleTensorError, "has been marked as not fetchable"):
                sess.run(a)

    @test_util.run_v1_only("sessions")
    def testNotFeedable(self):
        with session.Session() as sess:
            a = constant_op.constant(1.0, name="a")
            b = a + 1.0
            self.assertTrue(ops.get_default_graph().is_feedable(a))
            self.assertEqual(3.0, sess.run(b, {a: 2.0}))
            ops.get_default_graph().prevent_feeding(a)
            self.assertFalse(ops.get_default_graph().is_feedable(a))
            with self.assertRaisesRegex(ValueError, "may not be fed"):
                sess.run(b, {a: 2.0})
