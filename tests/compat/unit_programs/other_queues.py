"""Queues that shuffle, pad and rank."""

import time

import numpy as np
import tensorflow as tf
import tensorflow.python.ops.nn_grad  # noqa
from tensorflow.python.framework import (
    constant_op,
    dtypes,
    errors,
    errors_impl,
    ops,
    random_seed,
    tensor_shape,
    test_util,
)
from tensorflow.python.ops import array_ops, data_flow_ops
from tensorflow.python.platform import test


class RandomShuffleQueueTest(test.TestCase):
    def setUp(self):
        super().setUp()
        random_seed.set_random_seed(20160101)

    @test_util.run_deprecated_v1
    def testEnqueueAndDequeue(self):
        with self.cached_session():
            q = data_flow_ops.RandomShuffleQueue(10, 5, dtypes.float32)
            q.enqueue((10.0,)).run()
            self.assertAllEqual(1, q.size())

    @test_util.run_deprecated_v1
    def testEnqueueWithShapeAndErrors(self):
        with self.cached_session():
            q = data_flow_ops.RandomShuffleQueue(10, 5, dtypes.float32, shapes=tensor_shape.TensorShape([3, 2]))
            q.enqueue(([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]],)).run()
            with self.assertRaises(ValueError):
                q.enqueue(([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]],))
            self.assertAllEqual(1, q.size())

    @test_util.run_deprecated_v1
    def testNodeDef(self):
        with ops.Graph().as_default():
            q = data_flow_ops.RandomShuffleQueue(10, 5, dtypes.float32, seed=98765, name="Q")
        self.assertProtoEquals(
            """
      name:'Q' op:'RandomShuffleQueueV2'
      attr { key: 'component_types' value { list { type: DT_FLOAT } } }
      attr { key: 'shapes' value { list {} } }
      attr { key: 'capacity' value { i: 10 } }
      attr { key: 'min_after_dequeue' value { i: 5 } }
      attr { key: 'seed' value { i: 87654321 } }
      attr { key: 'seed2' value { i: 98765 } }
      attr { key: 'container' value { s: '' } }
      attr { key: 'shared_name' value { s: '' } }
      """,
            q.queue_ref.op.node_def,
        )

    @test_util.run_deprecated_v1
    def testParallel(self):
        with self.cached_session():
            q = data_flow_ops.RandomShuffleQueue(10, 0, dtypes.float32)
            elems = [10.0 * i for i in range(10)]
            enqs, deq = [q.enqueue((x,)) for x in elems], q.dequeue()
            threads = [self.checkedThread(target=lambda e=e: self.evaluate(e)) for e in enqs]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            results = [deq.eval() for _ in elems]
            self.assertItemsEqual(elems, results)

    @test_util.run_deprecated_v1
    def testMinAfterDequeueBlocks(self):
        with self.cached_session():
            q = data_flow_ops.RandomShuffleQueue(10, 2, dtypes.float32, ())
            q.enqueue_many(([1.0, 2.0, 3.0],)).run()
            deq = q.dequeue()
            deq.eval()
            results = []

            def dequeue():
                results.append(self.evaluate(deq))

            t = self.checkedThread(target=dequeue)
            t.start()
            time.sleep(0.02)
            self.assertEqual([], results)
            q.enqueue(4.0).run()
            t.join()
            self.assertEqual(1, len(results))
            self.assertEqual(2, q.size().eval())

    @test_util.run_deprecated_v1
    def testMinAfterDequeueIgnoredAfterClose(self):
        with self.cached_session():
            q = data_flow_ops.RandomShuffleQueue(10, 5, dtypes.float32, ((),))
            q.enqueue_many(([1.0, 2.0, 3.0],)).run()
            q.close().run()
            self.assertItemsEqual([1.0, 2.0, 3.0], [q.dequeue().eval() for _ in range(3)])
            with self.assertRaisesRegex(errors_impl.OutOfRangeError, "is closed and has insufficient"):
                q.dequeue().eval()

    @test_util.run_deprecated_v1
    def testDequeueManyAndUpTo(self):
        with self.cached_session():
            q = data_flow_ops.RandomShuffleQueue(10, 0, dtypes.float32, ())
            elems = [float(i) for i in range(10)]
            q.enqueue_many((elems,)).run()
            got = list(q.dequeue_many(5).eval()) + list(q.dequeue_up_to(5).eval())
            self.assertItemsEqual(elems, got)

    @test_util.run_deprecated_v1
    def testDequeueUpToClosed(self):
        with self.cached_session():
            q = data_flow_ops.RandomShuffleQueue(10, 4, dtypes.float32, ())
            q.enqueue_many(([1.0, 2.0, 3.0, 4.0, 5.0, 6.0],)).run()
            up = q.dequeue_up_to(4)
            results = []

            def dequeue():
                results.append(self.evaluate(up))
                results.append(self.evaluate(up))
                with self.assertRaisesRegex(errors_impl.OutOfRangeError, "is closed and has insufficient"):
                    self.evaluate(up)

            t = self.checkedThread(target=dequeue)
            t.start()
            time.sleep(0.02)
            q.close().run()
            t.join()
            self.assertEqual([4, 2], [len(r) for r in results])
            self.assertItemsEqual([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], np.concatenate(results).tolist())

    @test_util.run_deprecated_v1
    def testEmptyDequeueManyNoShape(self):
        with self.cached_session():
            q = data_flow_ops.RandomShuffleQueue(10, 0, dtypes.float32)
            with self.assertRaisesOpError("require the components to have specified shapes"):
                q.dequeue_many(0).eval()

    @test_util.run_deprecated_v1
    def testSeedsOfTwoQueuesDiffer(self):
        with self.cached_session():
            q1 = data_flow_ops.RandomShuffleQueue(10, 5, dtypes.int32, ((),), seed=98765)
            q2 = data_flow_ops.RandomShuffleQueue(10, 5, dtypes.int32, ((),), seed=98765)
            q3 = data_flow_ops.RandomShuffleQueue(10, 5, dtypes.int32, ((),), seed=98766)
            for q in (q1, q2, q3):
                q.enqueue_many([list(range(10))]).run()
                q.close().run()
            r1, r2, r3 = ([q.dequeue().eval() for _ in range(10)] for q in (q1, q2, q3))
            self.assertEqual(r1, r2)
            self.assertNotEqual(r1, r3)
            self.assertNotEqual(sorted(r1), r1)

    @test_util.run_deprecated_v1
    def testIncompatibleSharedQueueErrors(self):
        with self.cached_session():

            def check(text, a, b):
                a().queue_ref.op.run()
                with self.assertRaisesOpError(text):
                    b().queue_ref.op.run()

            R = data_flow_ops.RandomShuffleQueue
            f = dtypes.float32
            check("capacity", lambda: R(10, 5, f, shared_name="q_a"), lambda: R(15, 5, f, shared_name="q_a"))
            check("min_after_dequeue", lambda: R(10, 0, f, shared_name="q_b"), lambda: R(10, 5, f, shared_name="q_b"))
            check(
                "component types",
                lambda: R(10, 5, f, shared_name="q_c"),
                lambda: R(10, 5, dtypes.int32, shared_name="q_c"),
            )
            check(
                "component shapes",
                lambda: R(10, 5, f, shared_name="q_d"),
                lambda: R(10, 5, f, shapes=[(1, 1, 2, 3)], shared_name="q_d"),
            )
            check(
                "random seeds",
                lambda: R(10, 5, f, seed=12, shared_name="q_g"),
                lambda: R(10, 5, f, seed=21, shared_name="q_g"),
            )

    @test_util.run_deprecated_v1
    def testSelectQueue(self):
        with self.cached_session():
            qlist = [data_flow_ops.RandomShuffleQueue(10, 0, dtypes.float32) for _ in range(10)]
            for _ in range(20):
                index = np.random.randint(10)
                q = data_flow_ops.RandomShuffleQueue.from_list(index, qlist)
                q.enqueue((10.0,)).run()
                self.assertEqual(q.dequeue().eval(), 10.0)

    @test_util.run_deprecated_v1
    def testSelectQueueOutOfRange(self):
        with self.cached_session():
            q1 = data_flow_ops.RandomShuffleQueue(10, 0, dtypes.float32)
            q2 = data_flow_ops.RandomShuffleQueue(15, 0, dtypes.float32)
            enq_q = data_flow_ops.RandomShuffleQueue.from_list(3, [q1, q2])
            with self.assertRaisesOpError("is not in"):
                enq_q.dequeue().eval()

    @test_util.run_deprecated_v1
    def testBlockingEnqueueManyBeforeClose(self):
        with self.cached_session():
            q = data_flow_ops.RandomShuffleQueue(4, 0, dtypes.float32, ())
            q.enqueue_many(([1.0, 2.0, 3.0],)).run()
            blocking, close, deq, size = q.enqueue_many(([5.0, 6.0],)), q.close(), q.dequeue(), q.size()
            t1 = self.checkedThread(target=lambda: self.evaluate(blocking))
            t1.start()
            time.sleep(0.02)
            self.assertEqual(4, size.eval())
            t2 = self.checkedThread(target=lambda: self.evaluate(close))
            t2.start()
            time.sleep(0.02)
            first = deq.eval()
            t1.join()
            t2.join()
            rest = [deq.eval() for _ in range(4)]
            self.assertItemsEqual([1.0, 2.0, 3.0, 5.0, 6.0], [first] + rest)

    @test_util.run_deprecated_v1
    def testResetOfBlocking(self):
        with self.session() as sess:
            q = data_flow_ops.RandomShuffleQueue(5, 0, dtypes.float32, ((),))
            full = data_flow_ops.RandomShuffleQueue(5, 0, dtypes.float32, ((),))
            sess.run(full.enqueue_many(([1.0, 2.0, 3.0, 4.0, 5.0],)))

            def blocked(op):
                with self.assertRaisesOpError("was cancelled"):
                    sess.run(op)

            threads = [
                self.checkedThread(blocked, args=(op,))
                for op in [
                    q.dequeue(),
                    q.dequeue_many(1),
                    q.dequeue_up_to(1),
                    full.enqueue((6.0,)),
                    full.enqueue_many(([6.0],)),
                ]
            ]
            for t in threads:
                t.start()
            time.sleep(0.02)
            sess.close()
            for t in threads:
                t.join()


@test_util.run_v1_only("PaddingFIFOQueue removed from v2")
class PaddingFIFOQueueTest(test.TestCase):
    def testConstructor(self):
        with ops.Graph().as_default():
            q = data_flow_ops.PaddingFIFOQueue(10, dtypes.float32, ((None,),), name="Q")
        self.assertProtoEquals(
            """
      name:'Q' op:'PaddingFIFOQueueV2'
      attr { key: 'component_types' value { list { type: DT_FLOAT } } }
      attr { key: 'shapes' value { list { shape { dim { size: -1 } } } } }
      attr { key: 'capacity' value { i: 10 } }
      attr { key: 'container' value { s: '' } }
      attr { key: 'shared_name' value { s: '' } }
      """,
            q.queue_ref.op.node_def,
        )

    def testPads(self):
        with self.cached_session():
            q = data_flow_ops.PaddingFIFOQueue(10, (dtypes.float32, dtypes.string), shapes=((None,), (2, None)))
            elems = [([1.0], [["a"], ["b"]]), ([2.0, 3.0], [["c", "d"], ["e", "f"]])]
            for x, y in elems:
                q.enqueue((x, y)).run()
            a, b = q.dequeue_many(2)
            self.assertEqual([2, None], a.shape.as_list())
            self.assertEqual([2, 2, None], b.shape.as_list())
            a, b = self.evaluate([a, b])
            self.assertAllEqual([[1.0, 0.0], [2.0, 3.0]], a)
            self.assertAllEqual([[[b"a", b""], [b"b", b""]], [[b"c", b"d"], [b"e", b"f"]]], b)

    def testUpToPads(self):
        with self.cached_session():
            q = data_flow_ops.PaddingFIFOQueue(10, dtypes.int32, ((None, 2),))
            for n in (1, 3, 2):
                q.enqueue((np.full((n, 2), n, np.int32),)).run()
            q.close().run()
            self.assertEqual((2, 3, 2), q.dequeue_up_to(2).eval().shape)
            self.assertEqual((1, 2, 2), q.dequeue_up_to(2).eval().shape)
            with self.assertRaisesRegex(errors.OutOfRangeError, "insufficient"):
                q.dequeue_up_to(2).eval()

    def testShapesRequired(self):
        with self.assertRaisesRegex(ValueError, r"When providing partial shapes, a list of shapes must be provided."):
            data_flow_ops.PaddingFIFOQueue(32, [dtypes.float32], None)
        with self.assertRaisesRegex(ValueError, r"When providing partial shapes"):
            data_flow_ops.PaddingFIFOQueue(32, [dtypes.float32], [None])
        with self.assertRaisesRegex(ValueError, r"must have a defined rank"):
            data_flow_ops.PaddingFIFOQueue(32, [dtypes.float32], [tensor_shape.unknown_shape()])
        with self.assertRaisesRegex(ValueError, r"Shapes must be provided for all components"):
            data_flow_ops.PaddingFIFOQueue(32, [dtypes.float32] * 2, [()])

    def testWrongRankAtRun(self):
        with self.cached_session() as sess:
            q = data_flow_ops.PaddingFIFOQueue(10, dtypes.int32, ((None, None),))
            hole = array_ops.placeholder(dtypes.int32)
            with self.assertRaisesRegex(errors.InvalidArgumentError, r"Expected \[\?,\?\], got \[2\]"):
                sess.run(q.enqueue(hole), {hole: [1, 2]})

    def testEnqueueManyKeepsShape(self):
        with self.cached_session():
            q = data_flow_ops.PaddingFIFOQueue(10, dtypes.int32, ((None,),))
            q.enqueue_many([[[1, 2], [3, 4]]]).run()
            q.enqueue([[5]]).run()
            self.assertAllEqual([[1, 2], [3, 4], [5, 0]], q.dequeue_many(3).eval())

    def testScalarsAndDequeue(self):
        with self.cached_session():
            q = data_flow_ops.PaddingFIFOQueue(10, dtypes.int32, ((),))
            q.enqueue_many([[1, 2, 3]]).run()
            self.assertEqual(1, q.dequeue().eval())
            self.assertAllEqual([2, 3], q.dequeue_many(2).eval())
            self.assertEqual((0,), q.dequeue_many(0).eval().shape)

    def testIncompatibleShared(self):
        with self.cached_session():
            P = data_flow_ops.PaddingFIFOQueue
            P(10, dtypes.float32, ((),), shared_name="q_a").queue_ref.op.run()
            with self.assertRaisesOpError("capacity"):
                P(15, dtypes.float32, ((),), shared_name="q_a").queue_ref.op.run()
            P(10, dtypes.float32, ((),), shared_name="q_b").queue_ref.op.run()
            with self.assertRaisesOpError("component types"):
                P(10, dtypes.int32, ((),), shared_name="q_b").queue_ref.op.run()
            P(10, dtypes.float32, ((),), shared_name="q_c").queue_ref.op.run()
            with self.assertRaisesOpError("component shapes"):
                P(10, dtypes.float32, shapes=[(1, 1, 2, 3)], shared_name="q_c").queue_ref.op.run()

    def testSelect(self):
        with self.cached_session():
            qlist = [data_flow_ops.PaddingFIFOQueue(10, dtypes.float32, ((),)) for _ in range(4)]
            q = data_flow_ops.PaddingFIFOQueue.from_list(2, qlist)
            q.enqueue((10.0,)).run()
            self.assertEqual(q.dequeue().eval(), 10.0)
            with self.assertRaisesOpError("is not in"):
                data_flow_ops.PaddingFIFOQueue.from_list(4, qlist).dequeue().eval()

    def testClosedRestoresPartialBatch(self):
        with self.cached_session():
            q = data_flow_ops.PaddingFIFOQueue(4, (dtypes.float32, dtypes.float32), ((None,), ()))
            for x in ([1.0], [2.0, 2.0]):
                q.enqueue((x, 3.0)).run()
            many, one, close = q.dequeue_many(4), q.dequeue(), q.close()

            def dequeue():
                with self.assertRaises(errors_impl.OutOfRangeError):
                    self.evaluate(many)

            t = self.checkedThread(target=dequeue)
            t.start()
            time.sleep(0.02)
            close.run()
            t.join()
            self.assertAllEqual([1.0], one[0].eval())
            self.assertEqual(1, q.size().eval())

    def testNames(self):
        with self.cached_session() as sess:
            q = data_flow_ops.PaddingFIFOQueue(4, [dtypes.int32, dtypes.string], [[None], []], names=["v", "w"])
            q.enqueue({"w": "a", "v": [1]}).run()
            q.enqueue({"w": "b", "v": [1, 2]}).run()
            d = sess.run(q.dequeue_many(2))
            self.assertAllEqual([[1, 0], [1, 2]], d["v"])
            self.assertAllEqual([b"a", b"b"], d["w"])


@test_util.run_v1_only("PriorityQueue removed from v2")
class PriorityQueueTest(test.TestCase):
    def testRoundTripInsertReadOnceSorts(self):
        with self.cached_session():
            q = data_flow_ops.PriorityQueue(2000, (dtypes.string, dtypes.string), ((), ()))
            elem = np.random.randint(-5, 5, size=100).astype(np.int64)
            side_value_0 = np.random.rand(100).astype(bytes)
            side_value_1 = np.random.rand(100).astype(bytes)
            enq_list = [
                q.enqueue((e, constant_op.constant(v0), constant_op.constant(v1)))
                for e, v0, v1 in zip(elem, side_value_0, side_value_1)
            ]
            for enq in enq_list:
                enq.run()
            deq = q.dequeue_many(100)
            deq_elem, deq_value_0, deq_value_1 = self.evaluate(deq)
            allowed = {}
            for e, v0, v1 in zip(elem, side_value_0, side_value_1):
                allowed.setdefault(e, set()).add((v0, v1))
            self.assertAllEqual(deq_elem, sorted(elem))
            for e, dv0, dv1 in zip(deq_elem, deq_value_0, deq_value_1):
                self.assertTrue((dv0, dv1) in allowed[e])

    def testEnqueueMany(self):
        with self.cached_session() as sess:
            q = data_flow_ops.PriorityQueue(2000, (dtypes.int64), (()))
            q.enqueue_many([[5, 1, 3], [50, 10, 30]]).run()
            self.assertAllEqual([(1, 10), (3, 30)], [sess.run(q.dequeue()) for _ in range(2)])
            q.enqueue((-2, 4)).run()
            self.assertAllEqual([-2, 5], sess.run(q.dequeue_many(2))[0])

    def testTypesAndShapes(self):
        q = data_flow_ops.PriorityQueue(10, dtypes.float32, ((2,),), name="Q")
        self.assertEqual([dtypes.int64, dtypes.float32], q.dtypes)
        self.assertEqual([[], [2]], [s.as_list() for s in q.shapes])
        self.assertProtoEquals(
            """
      name:'Q' op:'PriorityQueueV2'
      attr { key: 'component_types' value { list { type: DT_FLOAT } } }
      attr { key: 'shapes' value { list { shape { dim { size: 2 } } } } }
      attr { key: 'capacity' value { i: 10 } }
      attr { key: 'container' value { s: '' } }
      attr { key: 'shared_name' value { s: '' } }
      """,
            q.queue_ref.op.node_def,
        )

    def testWrongPriorityType(self):
        q = data_flow_ops.PriorityQueue(10, dtypes.int32, ())
        with self.assertRaises((TypeError, ValueError)):
            q.enqueue(("a", 1))
        with self.assertRaises((TypeError, ValueError)):
            q.enqueue((array_ops.placeholder(dtypes.int32), 1))

    def testOnlyPriority(self):
        with self.cached_session():
            with self.assertRaisesRegex(ValueError, "same length as dtypes"):
                data_flow_ops.PriorityQueue(2000, (), ())

    def testInsertRepeatedly(self):
        with self.cached_session() as sess:
            q = data_flow_ops.PriorityQueue(2000, (dtypes.int64), (()))
            rows = np.random.randint(0, 50, (60, 2))
            hole = array_ops.placeholder(dtypes.int64, [None, 2])
            enq = q.enqueue_many([hole[:, 0], hole[:, 1]])

            def put(i):
                sess.run(enq, {hole: rows[i * 10 : (i + 1) * 10]})

            threads = [self.checkedThread(target=put, args=(i,)) for i in range(6)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            p, v = sess.run(q.dequeue_many(60))
            self.assertAllEqual(sorted(rows[:, 0]), p)
            self.assertItemsEqual(map(tuple, rows.tolist()), zip(p.tolist(), v.tolist()))

    def testPriorityMustBeScalar(self):
        with self.cached_session() as sess:
            q = data_flow_ops.PriorityQueue(2000, (dtypes.int64), (()))
            hole = array_ops.placeholder(dtypes.int64)
            with self.assertRaisesRegex(
                errors_impl.InvalidArgumentError, r"Shape mismatch in tuple component 0. Expected \[\], got \[2\]"
            ):
                sess.run(q.enqueue((hole, hole)), {hole: [1, 2]})
            with self.assertRaisesRegex(
                errors_impl.InvalidArgumentError, r"Shape mismatch in tuple component 0. Expected \[2\], got \[2,2\]"
            ):
                sess.run(q.enqueue_many((hole, hole)), {hole: [[1, 2], [3, 4]]})

    def testBlockAndClose(self):
        with self.cached_session():
            q = data_flow_ops.PriorityQueue(2, (dtypes.int64), (()))
            results = []

            def take():
                for _ in range(4):
                    results.append(self.evaluate(q_take)[0])
                with self.assertRaises(errors.OutOfRangeError):
                    self.evaluate(q_take)

            q_take = q.dequeue()
            put, close = q.enqueue_many([[4, 3, 2, 1], [1, 1, 1, 1]]), q.close()
            t = self.checkedThread(target=take)
            t.start()
            put.run()
            close.run()
            t.join()
            self.assertItemsEqual([1, 2, 3, 4], results)


class PublicNamesTest(test.TestCase):
    def testSame(self):
        for name in ("FIFOQueue", "PaddingFIFOQueue", "PriorityQueue", "RandomShuffleQueue", "QueueBase"):
            self.assertIs(getattr(tf.compat.v1, name), getattr(tf.queue, name))
            self.assertIs(getattr(tf.compat.v1, name), getattr(data_flow_ops, name))

    def testIsInstance(self):
        with ops.Graph().as_default():
            self.assertIsInstance(data_flow_ops.PriorityQueue(1, dtypes.int32, ()), data_flow_ops.QueueBase)


if __name__ == "__main__":
    test.main()
