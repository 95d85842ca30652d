"""Callables, partial runs, tensors that stay."""

import numpy as np
from tensorflow.core.protobuf import config_pb2
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
    math_ops,
    variable_v1,
    variables,
)


class CallableTest(test_util.TensorFlowTestCase):
    @test_util.run_v1_only("sessions")
    def testCallables(self):
        with session.Session() as sess:
            x = array_ops.placeholder(dtypes.float32, [2])
            y = x * 2.0
            z = y + 1.0
            f = sess.make_callable([y, z, z.op], [x])
            a, b, none = f([1.0, 2.0])
            self.assertAllEqual([2.0, 4.0], a)
            self.assertAllEqual([3.0, 5.0], b)
            self.assertIsNone(none)
            g = sess.make_callable({"k": (z, [y])}, feed_list=[x])
            self.assertAllEqual([3.0, 5.0], g([1.0, 2.0])["k"][0])
            self.assertIsNone(sess.make_callable(z.op, [x])([1.0, 2.0]))
            self.assertAllEqual([7.0, 7.0], sess.make_callable(y + 1.0, [y])([6.0, 6.0]))

    @test_util.run_v1_only("sessions")
    def testCallableWithoutFeeds(self):
        with session.Session() as sess:
            v = variables.Variable(0.0)
            sess.run(v.initializer)
            f = sess.make_callable(v.assign_add(1.0))
            f()
            f()
            self.assertEqual(2.0, sess.run(v))
            init = sess.make_callable(v.initializer)
            self.assertIsNone(init())
            self.assertEqual(0.0, sess.run(v))

    @test_util.run_v1_only("sessions")
    def testCallableErrors(self):
        with session.Session() as sess:
            x = array_ops.placeholder(dtypes.float32, [2])
            y = x * 2.0
            with self.assertRaises(TypeError):
                sess.make_callable(y, x)
            with self.assertRaises(TypeError):
                sess.make_callable(None)
            with self.assertRaises(ValueError):
                sess.make_callable("nope:0")
            f = sess.make_callable(y)
            with self.assertRaises(errors.InvalidArgumentError):
                f()

    @test_util.run_v1_only("sessions")
    def testAcceptOptions(self):
        with session.Session() as sess:
            x = array_ops.placeholder(dtypes.float32, [])
            y = x * 2.0
            f = sess.make_callable(y, [x], accept_options=True)
            md = config_pb2.RunMetadata()
            opts = config_pb2.RunOptions(trace_level=config_pb2.RunOptions.FULL_TRACE)
            self.assertEqual(4.0, f(2.0, options=opts, run_metadata=md))
            self.assertGreater(len(md.step_stats.dev_stats), 0)
            self.assertEqual(4.0, f(2.0))

    @test_util.run_v1_only("sessions")
    def testFromOptions(self):
        with session.Session() as sess:
            x = array_ops.placeholder(dtypes.float32, [], name="x")
            math_ops.multiply(x, 2.0, name="y")
            co = config_pb2.CallableOptions()
            co.feed.append("x:0")
            co.fetch.append("y:0")
            f = sess._make_callable_from_options(co)
            for i in range(3):
                self.assertEqual([2.0 * i], f(np.float32(i)))
            md = config_pb2.RunMetadata()
            co.run_options.trace_level = config_pb2.RunOptions.FULL_TRACE
            f = sess._make_callable_from_options(co)
            f(np.float32(1.0), run_metadata=md)
            self.assertEqual(1, len(md.step_stats.dev_stats))
            with self.assertRaises((ValueError, errors.InvalidArgumentError)):
                f()

    @test_util.run_v1_only("sessions")
    def testFromOptionsTargetsAndConnections(self):
        with session.Session() as sess:
            constant_op.constant(3.0, name="a")
            b = array_ops.placeholder(dtypes.float32, [], name="b")
            math_ops.multiply(b, 2.0, name="c")
            v = variable_v1.VariableV1(1.0, use_resource=False, name="v")
            co = config_pb2.CallableOptions()
            co.target.append("v/Assign")
            self.assertEqual([], sess._make_callable_from_options(co)())
            self.assertEqual(1.0, sess.run(v))
            co = config_pb2.CallableOptions()
            co.fetch.append("c:0")
            t = co.tensor_connection.add()
            t.from_tensor = "a:0"
            t.to_tensor = "b:0"
            self.assertEqual([6.0], sess._make_callable_from_options(co)())
            co = config_pb2.CallableOptions()
            co.fetch.append("nope:0")
            with self.assertRaises((errors.InvalidArgumentError, ValueError, errors.NotFoundError)):
                sess._make_callable_from_options(co)()


class HandleTest(test_util.TensorFlowTestCase):
    @test_util.run_v1_only("sessions")
    def testRoundTrip(self):
        from tensorflow.python.ops import session_ops

        with session.Session() as sess:
            a = constant_op.constant(10)
            c = math_ops.multiply(a, 5)
            h = sess.run(session_ops.get_session_handle(c))
            self.assertEqual(50, h.eval())
            self.assertIsInstance(h, session_ops.TensorHandle)
            p, x = session_ops.get_session_tensor(h.handle, dtypes.int32)
            self.assertEqual(53, sess.run(x + 3, {p: h.handle}))
            self.assertEqual(53, sess.run(x + 3, {p: str(h)}))
            h.delete()
            with self.assertRaises(TypeError):
                h.eval()

    @test_util.run_v1_only("sessions")
    def testFeedHandle(self):
        from tensorflow.python.ops import session_ops

        with session.Session() as sess:
            x = array_ops.placeholder(dtypes.float32)
            y = x * x
            h = sess.run(session_ops.get_session_handle(constant_op.constant(3.0)))
            self.assertEqual(9.0, sess.run(y, {x: h}))

    @test_util.run_v1_only("sessions")
    def testRawHandleAndDelete(self):
        from tensorflow.python.ops import session_ops

        with session.Session() as sess:
            h = sess.run(session_ops.get_session_handle(constant_op.constant(3.0)))
            raw = h.get_raw_handle()
            self.assertTrue(raw)
            p, x = session_ops.get_session_tensor(raw, dtypes.float32)
            self.assertEqual(3.0, sess.run(x, {p: raw}))
            hold, deleter = session_ops.delete_session_tensor(raw)
            sess.run(deleter, {hold: raw})
            with self.assertRaises(errors.OpError):
                sess.run(x, {p: raw})
            with self.assertRaisesRegex(TypeError, "must be of type Tensor"):
                session_ops.get_session_handle(3.0)

    @test_util.run_v1_only("sessions")
    def testHandleOfListAndGarbage(self):
        from tensorflow.python.ops import session_ops

        with session.Session() as sess:
            hs = sess.run([session_ops.get_session_handle(constant_op.constant(float(i))) for i in range(4)])
            self.assertEqual([0.0, 1.0, 2.0, 3.0], [h.eval() for h in hs])
            self.assertEqual(dtypes.float32, hs[0]._dtype if not hasattr(hs[0], "dtype") else hs[0].dtype)
            n = len(ops.get_default_graph().get_operations())
            [h.eval() for h in hs]
            self.assertEqual(n, len(ops.get_default_graph().get_operations()))
