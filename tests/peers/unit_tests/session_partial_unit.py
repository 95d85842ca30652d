"""Steps whose feeds come bit by bit."""

from tensorflow.python.client import session
from tensorflow.python.framework import (
    constant_op,
    dtypes,
    errors,
    test_util,
)
from tensorflow.python.ops import (
    array_ops,
    math_ops,
    variables,
)


class PartialRunTest(test_util.TensorFlowTestCase):
    def _abc(self):
        a = array_ops.placeholder(dtypes.float32, shape=[])
        b = array_ops.placeholder(dtypes.float32, shape=[])
        c = array_ops.placeholder(dtypes.float32, shape=[])
        r1 = math_ops.add(a, b)
        r2 = math_ops.multiply(r1, c)
        return a, b, c, r1, r2

    @test_util.run_v1_only("sessions")
    def testOnce(self):
        with session.Session() as sess:
            a, b, c, r1, r2 = self._abc()
            h = sess.partial_run_setup([r1, r2], [a, b, c])
            res = sess.partial_run(h, r1, feed_dict={a: 1, b: 2})
            self.assertEqual(3, res)
            res = sess.partial_run(h, r2, feed_dict={c: res * 17})
            self.assertEqual(153, res)

    @test_util.run_v1_only("sessions")
    def testInterleaved(self):
        with session.Session() as sess:
            a, b, c, r1, r2 = self._abc()
            h1 = sess.partial_run_setup([r1, r2], [a, b, c])
            h2 = sess.partial_run_setup([r1, r2], [a, b, c])
            x = sess.partial_run(h1, r1, {a: 1, b: 2})
            y = sess.partial_run(h2, r1, {a: 10, b: 20})
            self.assertEqual(300, sess.partial_run(h2, r2, {c: 10}))
            self.assertEqual(3, x)
            self.assertEqual(30, y)
            self.assertEqual(6, sess.partial_run(h1, r2, {c: 2}))

    @test_util.run_v1_only("sessions")
    def testFedAgain(self):
        with session.Session() as sess:
            a, b, c, r1, r2 = self._abc()
            h = sess.partial_run_setup([r1, r2], [a, b, c])
            sess.partial_run(h, r1, {a: 1, b: 2})
            with self.assertRaisesOpError("has already been fed"):
                sess.partial_run(h, r2, {a: 1, c: 3})

    @test_util.run_v1_only("sessions")
    def testFetchedAgain(self):
        with session.Session() as sess:
            a, b, c, r1, r2 = self._abc()
            h = sess.partial_run_setup([r1, r2], [a, b, c])
            sess.partial_run(h, r1, {a: 1, b: 2})
            with self.assertRaisesOpError("has already been fetched"):
                sess.partial_run(h, r1)

    @test_util.run_v1_only("sessions")
    def testNotSpecifiedInSetup(self):
        with session.Session() as sess:
            a, b, c, r1, r2 = self._abc()
            h = sess.partial_run_setup([r1], [a, b])
            with self.assertRaisesOpError("was not specified in partial_run_setup"):
                sess.partial_run(h, r1, {a: 1, b: 2, c: 3})
            h = sess.partial_run_setup([r1], [a, b, c])
            with self.assertRaisesOpError("was not specified in partial_run_setup"):
                sess.partial_run(h, r2, {a: 1, b: 2})

    @test_util.run_v1_only("sessions")
    def testNotYetFed(self):
        with session.Session() as sess:
            a, b, c, r1, r2 = self._abc()
            h = sess.partial_run_setup([r1, r2], [a, b, c])
            with self.assertRaisesOpError("can't be computed from the feeds that have been fed so far"):
                sess.partial_run(h, r1, {a: 1})

    @test_util.run_v1_only("sessions")
    def testWithoutSetup(self):
        with session.Session() as sess:
            a, b, _c, r1, _r2 = self._abc()
            with self.assertRaises((errors.InvalidArgumentError, TypeError)):
                sess.partial_run("no such handle", r1, {a: 1, b: 2})

    @test_util.run_v1_only("sessions")
    def testFinished(self):
        with session.Session() as sess:
            a, b, _c, r1, _r2 = self._abc()
            h = sess.partial_run_setup([r1], [a, b])
            self.assertEqual(3, sess.partial_run(h, r1, {a: 1, b: 2}))
            with self.assertRaisesOpError("Must run .setup. before performing partial runs|must run"):
                sess.partial_run(h, r1, {a: 1, b: 2})

    @test_util.run_v1_only("sessions")
    def testStructuresAndTargets(self):
        with session.Session() as sess:
            a, b, c, r1, r2 = self._abc()
            h = sess.partial_run_setup([r1, r2], feeds=(a, b, c))
            self.assertEqual({"k": (3.0,)}, sess.partial_run(h, {"k": (r1,)}, {a: 1, b: 2}))
            self.assertEqual([6.0], sess.partial_run(h, [r2], {c: 2}))
            v = variables.Variable(1.0)
            op = v.assign(a)
            h = sess.partial_run_setup([r1, op.op], [a, b])
            self.assertEqual(3.0, sess.partial_run(h, r1, {a: 1, b: 2}))

    @test_util.run_v1_only("sessions")
    def testSingleFeedAndFetch(self):
        with session.Session() as sess:
            a, _b, _c, _r1, _r2 = self._abc()
            sq = math_ops.square(a)
            h = sess.partial_run_setup(sq, a)
            self.assertEqual(9.0, sess.partial_run(h, sq, {a: 3.0}))

    @test_util.run_v1_only("sessions")
    def testNoFeeds(self):
        with session.Session() as sess:
            c = constant_op.constant(3.0) * 2.0
            d = constant_op.constant(3.0) * 3.0
            h = sess.partial_run_setup([c, d])
            self.assertEqual(6.0, sess.partial_run(h, c))
            self.assertEqual(9.0, sess.partial_run(h, d))

    @test_util.run_v1_only("sessions")
    def testSetupErrors(self):
        with session.Session() as sess:
            a, _b, _c, _r1, _r2 = self._abc()
            with self.assertRaises(TypeError):
                sess.partial_run_setup([None], [a])
            with self.assertRaises(ValueError):
                sess.partial_run_setup(["nope:0"], [a])

    @test_util.run_v1_only("sessions")
    def testConcurrent(self):
        with session.Session() as sess:
            a, b, c, r1, r2 = self._abc()

            def work(i):
                h = sess.partial_run_setup([r1, r2], [a, b, c])
                r = sess.partial_run(h, r1, {a: i, b: 2})
                self.assertEqual(i + 2, r)
                self.assertEqual((i + 2) * 3, sess.partial_run(h, r2, {c: 3}))

            ts = [self.checkedThread(target=work, args=(i,)) for i in range(6)]
            [t.start() for t in ts]
            [t.join() for t in ts]

    @test_util.run_v1_only("sessions")
    def testRunInBetween(self):
        with session.Session() as sess:
            a, b, c, r1, r2 = self._abc()
            h = sess.partial_run_setup([r1, r2], [a, b, c])
            sess.partial_run(h, r1, {a: 1, b: 2})
            self.assertEqual(20, sess.run(r2, {a: 2, b: 2, c: 5}))
            self.assertEqual(9, sess.partial_run(h, r2, {c: 3}))

    @test_util.run_v1_only("sessions")
    def testSparseFeeds(self):
        with session.Session() as sess:
            st = array_ops.sparse_placeholder(dtypes.float32, shape=None)
            out = array_ops.identity(st.values)
            h = sess.partial_run_setup([out], [st])
            self.assertAllEqual([5.0], sess.partial_run(h, out, {st: ([[0]], [5.0], [1])}))

    @test_util.run_v1_only("sessions")
    def testErrorEndsIt(self):
        with session.Session() as sess:
            a = array_ops.placeholder(dtypes.float32)
            b = array_ops.placeholder(dtypes.int32)
            r = array_ops.reshape(a, b)
            s = a * 2.0
            h = sess.partial_run_setup([r, s], [a, b])
            self.assertAllEqual([2.0, 4.0], sess.partial_run(h, s, {a: [1.0, 2.0]}))
            with self.assertRaises(errors.InvalidArgumentError):
                sess.partial_run(h, r, {b: [3]})
