"""FIFO queues: the nodes that they make, names, references, time limits, containers."""

import numpy as np
from tensorflow.core.protobuf import config_pb2
from tensorflow.python.client import session as session_lib
from tensorflow.python.framework import dtypes as dtypes_lib
from tensorflow.python.framework import errors_impl, ops, tensor_shape, test_util
from tensorflow.python.ops import data_flow_ops, gen_data_flow_ops
from tensorflow.python.platform import test
from tensorflow.python.util import compat


@test_util.run_all_in_graph_and_eager_modes
class FIFOBothModesTest(test.TestCase):
    def testPutAndTake(self):
        q = data_flow_ops.FIFOQueue(10, dtypes_lib.float32)
        elems = [10.0, 20.0, 30.0]
        for x in elems:
            self.evaluate(q.enqueue((x,)))
        for x in elems:
            self.assertEqual([x], self.evaluate(q.dequeue()))

    def testManyAtOnce(self):
        q = data_flow_ops.FIFOQueue(10, (dtypes_lib.int32, dtypes_lib.string), ((), ()))
        self.evaluate(q.enqueue_many([[1, 2, 3], ["a", "b", "c"]]))
        self.assertEqual(3, self.evaluate(q.size()))
        a, b = self.evaluate(q.dequeue_many(2))
        self.assertAllEqual([1, 2], a)
        self.assertAllEqual([b"a", b"b"], b)

    def testClosedState(self):
        q = data_flow_ops.FIFOQueue(1, dtypes_lib.int32, name="shut")
        self.assertFalse(self.evaluate(q.is_closed()))
        self.evaluate(q.close())
        self.assertTrue(self.evaluate(q.is_closed()))

    def testTypesAreThoseGiven(self):
        q = data_flow_ops.FIFOQueue(1, [dtypes_lib.int32, dtypes_lib.float64])
        self.assertEqual([dtypes_lib.int32, dtypes_lib.float64], q.dtypes)
        self.assertEqual(None, q.names)
        self.assertEqual(2, len(q.shapes))


@test_util.run_v1_only("FIFOQueue removed from v2")
class FIFOConstructorTest(test.TestCase):
    def testNodeDef(self):
        with ops.Graph().as_default():
            q = data_flow_ops.FIFOQueue(10, dtypes_lib.float32, name="Q")
        self.assertProtoEquals(
            """
      name:'Q' op:'FIFOQueueV2' device: '/device:CPU:*'
      attr { key: 'component_types' value { list { type: DT_FLOAT } } }
      attr { key: 'shapes' value { list {} } }
      attr { key: 'capacity' value { i: 10 } }
      attr { key: 'container' value { s: '' } }
      attr { key: 'shared_name' value { s: '' } }
      """,
            q.queue_ref.op.node_def,
        )
        self.assertEqual(["resource"], [q.queue_ref.dtype.name])

    def testNodeDefSeveral(self):
        with ops.Graph().as_default():
            q = data_flow_ops.FIFOQueue(5, (dtypes_lib.int32, dtypes_lib.float32), shared_name="foo", name="Q")
        self.assertProtoEquals(
            """
      name:'Q' op:'FIFOQueueV2' device: '/device:CPU:*'
      attr { key: 'component_types' value { list {
        type: DT_INT32 type : DT_FLOAT
      } } }
      attr { key: 'shapes' value { list {} } }
      attr { key: 'capacity' value { i: 5 } }
      attr { key: 'container' value { s: '' } }
      attr { key: 'shared_name' value { s: 'foo' } }
      """,
            q.queue_ref.op.node_def,
        )
        self.assertEqual("Q", q.name)

    def testNodeDefShapes(self):
        with ops.Graph().as_default():
            q = data_flow_ops.FIFOQueue(
                5,
                (dtypes_lib.int32, dtypes_lib.float32),
                shapes=(tensor_shape.TensorShape([1, 1, 2, 3]), tensor_shape.TensorShape([5, 8])),
                name="Q",
            )
        self.assertProtoEquals(
            """
      name:'Q' op:'FIFOQueueV2' device: '/device:CPU:*'
      attr { key: 'component_types' value { list {
        type: DT_INT32 type : DT_FLOAT
      } } }
      attr { key: 'shapes' value { list {
        shape { dim { size: 1 } dim { size: 1 } dim { size: 2 } dim { size: 3 } }
        shape { dim { size: 5 } dim { size: 8 } }
      } } }
      attr { key: 'capacity' value { i: 5 } }
      attr { key: 'container' value { s: '' } }
      attr { key: 'shared_name' value { s: '' } }
      """,
            q.queue_ref.op.node_def,
        )

    def testContainerOfGraph(self):
        with ops.Graph().as_default():
            with ops.container("box"):
                q = data_flow_ops.FIFOQueue(10, dtypes_lib.float32)
        self.assertEqual(compat.as_bytes("box"), q.queue_ref.op.get_attr("container"))

    def testScopedName(self):
        with ops.Graph().as_default():
            with ops.name_scope("outer"):
                q = data_flow_ops.FIFOQueue(10, dtypes_lib.float32, name="Q")
                self.assertEqual("outer/Q", q.name)
                op = q.enqueue(1.0)
                self.assertEqual("outer/Q_enqueue", op.name)
                self.assertEqual("outer/Q_Size", q.size().op.name)
                self.assertEqual("outer/Q_Close", q.close().name)
                self.assertEqual("outer/Q_Is_Closed", q.is_closed().op.name)
                self.assertEqual("outer/Q_Dequeue", q.dequeue().op.name)

    def testNamesMustMatch(self):
        with ops.Graph().as_default():
            with self.assertRaisesRegex(ValueError, "same length"):
                data_flow_ops.FIFOQueue(1, (dtypes_lib.int32, dtypes_lib.float32), names=("a",))
            with self.assertRaisesRegex(ValueError, "same length"):
                data_flow_ops.FIFOQueue(1, (dtypes_lib.int32,), shapes=((), ()))
            with self.assertRaises(TypeError):
                data_flow_ops.FIFOQueue(1, dtypes_lib.int32, shapes=3)
            with self.assertRaisesRegex(ValueError, "fully defined"):
                data_flow_ops.FIFOQueue(1, dtypes_lib.int32, shapes=[[None]])

    def testQueueOfBase(self):
        with ops.Graph().as_default():
            q = data_flow_ops.FIFOQueue(1, dtypes_lib.int32, name="q")
            other = data_flow_ops.QueueBase(q.dtypes, None, None, q.queue_ref)
            self.assertEqual("q", other.name)
            with self.assertRaisesRegex(ValueError, "same length as dtypes"):
                data_flow_ops.QueueBase(q.dtypes, [(), ()], None, q.queue_ref)
            with self.assertRaisesRegex(ValueError, "same length as dtypes"):
                data_flow_ops.QueueBase(q.dtypes, None, ["a", "b"], q.queue_ref)


class FIFOQueueDictTest(test.TestCase):
    def testConstructor(self):
        with ops.Graph().as_default():
            q = data_flow_ops.FIFOQueue(
                5, (dtypes_lib.int32, dtypes_lib.float32), names=("i", "j"), shared_name="foo", name="Q"
            )
        self.assertProtoEquals(
            """
      name:'Q' op:'FIFOQueueV2' device: '/device:CPU:*'
      attr { key: 'component_types' value { list {
        type: DT_INT32 type : DT_FLOAT
      } } }
      attr { key: 'shapes' value { list {} } }
      attr { key: 'capacity' value { i: 5 } }
      attr { key: 'container' value { s: '' } }
      attr { key: 'shared_name' value { s: 'foo' } }
      """,
            q.queue_ref.op.node_def,
        )
        self.assertEqual(["i", "j"], q.names)

    @test_util.run_deprecated_v1
    def testEnqueueDequeueOneComponent(self):
        with self.cached_session() as sess:
            q = data_flow_ops.FIFOQueue(10, dtypes_lib.float32, shapes=((),), names="f")
            # Verify that enqueue() checks that when using names we must enqueue a dictionary.
            with self.assertRaisesRegex(ValueError, "enqueue a dictionary"):
                q.enqueue(10.0)
            with self.assertRaisesRegex(ValueError, "enqueue a dictionary"):
                q.enqueue((10.0,))
            # The dictionary keys must match the queue component names.
            with self.assertRaisesRegex(ValueError, "match names of Queue"):
                q.enqueue({})
            with self.assertRaisesRegex(ValueError, "match names of Queue"):
                q.enqueue({"x": 12})
            with self.assertRaisesRegex(ValueError, "match names of Queue"):
                q.enqueue({"f": 10.0, "s": "aa"})
            enqueue_op = q.enqueue({"f": 10.0})
            enqueue_op2 = q.enqueue({"f": 20.0})
            enqueue_op3 = q.enqueue({"f": 30.0})
            # Verify that enqueue_many() checks that when using names we must enqueue a dictionary.
            with self.assertRaisesRegex(ValueError, "enqueue a dictionary"):
                q.enqueue_many([40.0, 50.0])
            with self.assertRaisesRegex(ValueError, "match names of Queue"):
                q.enqueue_many({})
            enqueue_op4 = q.enqueue_many({"f": [40.0, 50.0]})
            dequeue = q.dequeue()
            dequeue_2 = q.dequeue_many(2)
            self.evaluate(enqueue_op)
            self.evaluate(enqueue_op2)
            self.evaluate(enqueue_op3)
            self.evaluate(enqueue_op4)
            f = sess.run(dequeue["f"])
            self.assertEqual(10.0, f)
            f = sess.run(dequeue_2["f"])
            self.assertEqual([20.0, 30.0], list(f))
            f = sess.run(dequeue_2["f"])
            self.assertEqual([40.0, 50.0], list(f))


@test_util.run_v1_only("FIFOQueue removed from v2")
class FIFOQueueWithTimeoutTest(test.TestCase):
    def testDequeueWithTimeout(self):
        with self.session(config=config_pb2.ConfigProto(operation_timeout_in_ms=20)):
            q = data_flow_ops.FIFOQueue(10, dtypes_lib.float32)
            self.assertEqual(compat.as_bytes(""), q.queue_ref.op.get_attr("container"))
            dequeued_t = q.dequeue()
            # Intentionally do not run any enqueue_ops so that dequeue will block
            # until operation_timeout_in_ms.
            with self.assertRaisesRegex(errors_impl.DeadlineExceededError, "Timed out waiting for notification"):
                self.evaluate(dequeued_t)

    def testReusableAfterTimeout(self):
        with self.cached_session() as sess:
            q = data_flow_ops.FIFOQueue(10, dtypes_lib.float32)
            dequeued_t = q.dequeue()
            enqueue_op = q.enqueue(37)
            with self.assertRaisesRegex(errors_impl.DeadlineExceededError, "Timed out waiting for notification"):
                sess.run(dequeued_t, options=config_pb2.RunOptions(timeout_in_ms=10))
            with self.assertRaisesRegex(errors_impl.DeadlineExceededError, "Timed out waiting for notification"):
                sess.run(dequeued_t, options=config_pb2.RunOptions(timeout_in_ms=10))
            self.evaluate(enqueue_op)
            self.assertEqual(37, self.evaluate(dequeued_t))


class QueueContainerTest(test.TestCase):
    @test_util.run_deprecated_v1
    def testContainer(self):
        with ops.Graph().as_default():
            with ops.container("test"):
                q = data_flow_ops.FIFOQueue(10, dtypes_lib.float32)
        self.assertEqual(compat.as_bytes("test"), q.queue_ref.op.get_attr("container"))

    @test_util.run_deprecated_v1
    def testResetContainerForgetsRows(self):
        with ops.Graph().as_default():
            with ops.container("forget"):
                q = data_flow_ops.FIFOQueue(10, dtypes_lib.float32)
            put, size = q.enqueue(1.0), q.size()
            with session_lib.Session() as sess:
                sess.run(put)
                self.assertEqual(1, sess.run(size))
                with session_lib.Session() as other:
                    self.assertEqual(0, other.run(size))


@test_util.run_v1_only("ref handles")
class RefQueueTest(test.TestCase):
    def testRefOps(self):
        with self.cached_session():
            handle = gen_data_flow_ops.fifo_queue([dtypes_lib.int32], capacity=3, shapes=[()], name="old")
            q = data_flow_ops.QueueBase([dtypes_lib.int32], [()], None, handle)
            put = q.enqueue(3)
            self.assertEqual("QueueEnqueue", put.type)
            put.run()
            self.assertEqual("QueueSize", q.size().op.type)
            self.assertEqual(1, q.size().eval())
            got = q.dequeue()
            self.assertEqual("QueueDequeue", got.op.type)
            self.assertEqual(3, got.eval())
            self.assertEqual("QueueClose", q.close().type)

    def testGenFunctions(self):
        with self.cached_session():
            h = gen_data_flow_ops.fifo_queue_v2([dtypes_lib.int32], capacity=3, shapes=[()])
            gen_data_flow_ops.queue_enqueue_v2(h, [7]).run()
            gen_data_flow_ops.queue_enqueue_many_v2(h, [[8, 9]]).run()
            self.assertEqual(3, gen_data_flow_ops.queue_size_v2(h).eval())
            found = gen_data_flow_ops.queue_dequeue_many_v2(h, 3, [dtypes_lib.int32])
            self.assertAllEqual([7, 8, 9], found[0].eval())
            with self.assertRaisesRegex(errors_impl.DeadlineExceededError, "Timed out"):
                ops.get_default_session().run(
                    gen_data_flow_ops.queue_dequeue_v2(h, [dtypes_lib.int32]),
                    options=config_pb2.RunOptions(timeout_in_ms=10),
                )

    def testWrongComponentCount(self):
        with self.cached_session():
            h = gen_data_flow_ops.fifo_queue_v2([dtypes_lib.int32, dtypes_lib.int32], capacity=3)
            with self.assertRaisesRegex(
                errors_impl.InvalidArgumentError, "Expected signature: resource,int32,int32|Signature mismatch"
            ):
                gen_data_flow_ops.queue_enqueue_v2(h, [7]).run()
            with self.assertRaises(errors_impl.InvalidArgumentError):
                gen_data_flow_ops.queue_dequeue_v2(h, [dtypes_lib.float32])[0].op.run()


class GPUCompatibleTest(test.TestCase):
    @test_util.run_deprecated_v1
    def testEnqueueAndDequeue(self):
        with self.cached_session():
            q = data_flow_ops.GPUCompatibleFIFOQueue(10, dtypes_lib.float32)
            elems = np.array([10.0, 20.0, 30.0])
            for x in elems:
                self.evaluate(q.enqueue((x,)))
            for x in elems:
                self.assertEqual(x, self.evaluate(q.dequeue()))
            with self.assertRaises(NotImplementedError):
                q.enqueue_many([elems])
            with self.assertRaises(NotImplementedError):
                q.dequeue_many(3)


if __name__ == "__main__":
    test.main()
