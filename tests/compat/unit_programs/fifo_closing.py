"""FIFO queues: who waits, and what a close, a cancelled step or the end of a session does to it."""

import time

import numpy as np
import tensorflow.compat.v1 as variables_v1
from tensorflow.python.framework import constant_op, errors_impl, ops, test_util
from tensorflow.python.framework import dtypes as dtypes_lib
from tensorflow.python.ops import array_ops, control_flow_assert, data_flow_ops
from tensorflow.python.platform import test


@test_util.run_v1_only("FIFOQueue removed from v2")
class FIFOClosingTest(test.TestCase):
    def testDequeueFromClosedQueue(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(10, dtypes_lib.float32)
            elems = [10.0, 20.0, 30.0, 40.0]
            enqueue_op = q.enqueue_many((elems,))
            close_op = q.close()
            dequeued_t = q.dequeue()
            enqueue_op.run()
            close_op.run()
            for elem in elems:
                self.assertEqual([elem], self.evaluate(dequeued_t))
            with self.assertRaisesRegex(errors_impl.OutOfRangeError, "is closed and has insufficient"):
                self.evaluate(dequeued_t)

    def testBlockingDequeueFromClosedQueue(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(10, dtypes_lib.float32)
            elems = [10.0, 20.0, 30.0, 40.0]
            enqueue_op = q.enqueue_many((elems,))
            close_op = q.close()
            dequeued_t = q.dequeue()
            enqueue_op.run()

            def dequeue():
                for elem in elems:
                    self.assertEqual([elem], self.evaluate(dequeued_t))
                with self.assertRaisesRegex(errors_impl.OutOfRangeError, "is closed and has insufficient"):
                    self.evaluate(dequeued_t)

            dequeue_thread = self.checkedThread(target=dequeue)
            dequeue_thread.start()
            time.sleep(0.02)
            close_op.run()
            dequeue_thread.join()

    def testBlockingDequeueUpToFromClosedQueueReturnsRemainder(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(10, dtypes_lib.float32, ())
            elems = [10.0, 20.0, 30.0, 40.0]
            enqueue_op = q.enqueue_many((elems,))
            close_op = q.close()
            dequeued_t = q.dequeue_up_to(3)
            enqueue_op.run()

            def dequeue():
                self.assertAllEqual(elems[:3], self.evaluate(dequeued_t))
                self.assertAllEqual(elems[3:], self.evaluate(dequeued_t))

            dequeue_thread = self.checkedThread(target=dequeue)
            dequeue_thread.start()
            time.sleep(0.02)
            close_op.run()
            dequeue_thread.join()

    def testBlockingDequeueManyButNotAllFromClosedQueue(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(10, dtypes_lib.float32, ())
            elems = [10.0, 20.0, 30.0, 40.0]
            enqueue_op = q.enqueue_many((elems,))
            close_op = q.close()
            dequeued_t = q.dequeue_many(3)
            enqueue_op.run()

            def dequeue():
                self.assertAllEqual(elems[:3], self.evaluate(dequeued_t))
                with self.assertRaisesRegex(errors_impl.OutOfRangeError, "is closed and has insufficient"):
                    self.evaluate(dequeued_t)

            dequeue_thread = self.checkedThread(target=dequeue)
            dequeue_thread.start()
            time.sleep(0.02)
            close_op.run()
            dequeue_thread.join()

    def testEnqueueManyLargerThanCapacityWithConcurrentDequeueMany(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(4, dtypes_lib.float32, ())
            elems = [10.0, 20.0, 30.0, 40.0]
            enqueue_op = q.enqueue_many((elems,))
            close_op = q.close()
            dequeued_t = q.dequeue_many(3)
            cleanup_dequeue_t = q.dequeue()

            def enqueue():
                self.evaluate(enqueue_op)

            def dequeue():
                self.assertAllEqual(elems[0:3], self.evaluate(dequeued_t))
                with self.assertRaisesRegex(errors_impl.OutOfRangeError, "is closed and has insufficient"):
                    self.evaluate(dequeued_t)
                self.assertEqual(elems[3], self.evaluate(cleanup_dequeue_t))

            def close():
                self.evaluate(close_op)

            enqueue_thread = self.checkedThread(target=enqueue)
            enqueue_thread.start()
            dequeue_thread = self.checkedThread(target=dequeue)
            dequeue_thread.start()
            # The close_op should run after the enqueue and dequeue are blocked.
            time.sleep(0.02)
            close_thread = self.checkedThread(target=close)
            close_thread.start()
            enqueue_thread.join()
            dequeue_thread.join()
            close_thread.join()

    def testClosedBlockingDequeueManyRestoresPartialBatch(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(4, (dtypes_lib.float32, dtypes_lib.float32), ((), ()))
            elems_a = [1.0, 2.0, 3.0]
            elems_b = [10.0, 20.0, 30.0]
            enqueue_op = q.enqueue_many((elems_a, elems_b))
            dequeued_a_t, dequeued_b_t = q.dequeue_many(4)
            cleanup_dequeue_a_t, cleanup_dequeue_b_t = q.dequeue()
            close_op = q.close()
            enqueue_op.run()

            def dequeue():
                with self.assertRaises(errors_impl.OutOfRangeError):
                    self.evaluate([dequeued_a_t, dequeued_b_t])

            dequeue_thread = self.checkedThread(target=dequeue)
            dequeue_thread.start()
            time.sleep(0.02)
            close_op.run()
            dequeue_thread.join()
            # Test that the elements in the partially-dequeued batch are restored in the correct order.
            for elem_a, elem_b in zip(elems_a, elems_b):
                val_a, val_b = self.evaluate([cleanup_dequeue_a_t, cleanup_dequeue_b_t])
                self.assertEqual(elem_a, val_a)
                self.assertEqual(elem_b, val_b)
            self.assertEqual(0, q.size().eval())

    def testBlockingDequeueManyFromClosedEmptyQueue(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(10, dtypes_lib.float32, ())
            close_op = q.close()
            dequeued_t = q.dequeue_many(4)

            def dequeue():
                with self.assertRaisesRegex(errors_impl.OutOfRangeError, "is closed and has insufficient"):
                    self.evaluate(dequeued_t)

            dequeue_thread = self.checkedThread(target=dequeue)
            dequeue_thread.start()
            time.sleep(0.02)
            close_op.run()
            dequeue_thread.join()

    def testBlockingDequeueUpToFromClosedEmptyQueue(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(10, dtypes_lib.float32, ())
            close_op = q.close()
            dequeued_t = q.dequeue_up_to(4)

            def dequeue():
                with self.assertRaisesRegex(errors_impl.OutOfRangeError, "is closed and has insufficient"):
                    self.evaluate(dequeued_t)

            dequeue_thread = self.checkedThread(target=dequeue)
            dequeue_thread.start()
            time.sleep(0.02)
            close_op.run()
            dequeue_thread.join()

    def testEnqueueToClosedQueue(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(10, dtypes_lib.float32)
            enqueue_op = q.enqueue((10.0,))
            close_op = q.close()
            enqueue_op.run()
            close_op.run()
            with self.assertRaisesRegex(errors_impl.CancelledError, "is closed"):
                enqueue_op.run()

    def testEnqueueManyToClosedQueue(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(10, dtypes_lib.float32)
            enqueue_op = q.enqueue_many(([10.0, 20.0, 30.0, 40.0],))
            close_op = q.close()
            enqueue_op.run()
            close_op.run()
            with self.assertRaisesRegex(errors_impl.CancelledError, "is closed"):
                enqueue_op.run()

    def testBlockingEnqueueToFullQueue(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(4, dtypes_lib.float32)
            elems = [10.0, 20.0, 30.0, 40.0]
            enqueue_op = q.enqueue_many((elems,))
            blocking_enqueue_op = q.enqueue((50.0,))
            dequeued_t = q.dequeue()
            enqueue_op.run()

            def blocking_enqueue():
                self.evaluate(blocking_enqueue_op)

            thread = self.checkedThread(target=blocking_enqueue)
            thread.start()
            time.sleep(0.02)
            for elem in elems:
                self.assertEqual([elem], self.evaluate(dequeued_t))
            self.assertEqual([50.0], self.evaluate(dequeued_t))
            thread.join()

    def testBlockingEnqueueManyToFullQueue(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(4, dtypes_lib.float32)
            elems = [10.0, 20.0, 30.0, 40.0]
            enqueue_op = q.enqueue_many((elems,))
            blocking_enqueue_op = q.enqueue_many(([50.0, 60.0],))
            dequeued_t = q.dequeue()
            enqueue_op.run()

            def blocking_enqueue():
                self.evaluate(blocking_enqueue_op)

            thread = self.checkedThread(target=blocking_enqueue)
            thread.start()
            time.sleep(0.02)
            for elem in elems:
                self.assertEqual([elem], self.evaluate(dequeued_t))
                time.sleep(0.01)
            self.assertEqual([50.0], self.evaluate(dequeued_t))
            self.assertEqual([60.0], self.evaluate(dequeued_t))
            thread.join()
            self.assertEqual(0, q.size().eval())

    def testBlockingEnqueueBeforeClose(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(4, dtypes_lib.float32)
            elems = [10.0, 20.0, 30.0, 40.0]
            enqueue_op = q.enqueue_many((elems,))
            blocking_enqueue_op = q.enqueue((50.0,))
            close_op = q.close()
            dequeued_t = q.dequeue()
            enqueue_op.run()

            def blocking_enqueue():
                # Expect the operation to succeed once the dequeue op runs.
                self.evaluate(blocking_enqueue_op)

            enqueue_thread = self.checkedThread(target=blocking_enqueue)
            enqueue_thread.start()
            # The close_op should run after the blocking_enqueue_op has blocked.
            time.sleep(0.02)

            def close():
                self.evaluate(close_op)

            close_thread = self.checkedThread(target=close)
            close_thread.start()
            # The dequeue will unblock both threads.
            self.assertEqual(10.0, self.evaluate(dequeued_t))
            enqueue_thread.join()
            close_thread.join()
            for elem in [20.0, 30.0, 40.0, 50.0]:
                self.assertEqual(elem, self.evaluate(dequeued_t))
            self.assertEqual(0, q.size().eval())

    def testBlockingEnqueueManyBeforeClose(self):
        with self.session() as sess:
            q = data_flow_ops.FIFOQueue(4, dtypes_lib.float32)
            elems = [10.0, 20.0, 30.0]
            enqueue_op = q.enqueue_many((elems,))
            blocking_enqueue_op = q.enqueue_many(([50.0, 60.0],))
            close_op = q.close()
            dequeued_t = q.dequeue()
            enqueue_op.run()

            def blocking_enqueue():
                sess.run(blocking_enqueue_op)
                # At this point the close operation will become unblocked, so the
                # next enqueue will fail.
                with self.assertRaisesRegex(errors_impl.CancelledError, "closed"):
                    sess.run(blocking_enqueue_op)

            enqueue_thread = self.checkedThread(target=blocking_enqueue)
            enqueue_thread.start()
            time.sleep(0.02)

            def close():
                sess.run(close_op)

            close_thread = self.checkedThread(target=close)
            close_thread.start()
            time.sleep(0.02)
            self.assertEqual(10.0, sess.run(dequeued_t))
            enqueue_thread.join()
            close_thread.join()
            for elem in [20.0, 30.0, 50.0, 60.0]:
                self.assertEqual(elem, sess.run(dequeued_t))

    def testCloseCancelsBlockedEnqueue(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(1, dtypes_lib.float32)
            enq = q.enqueue((1.0,))
            enq.run()

            def blocked():
                with self.assertRaisesRegex(errors_impl.CancelledError, "was cancelled"):
                    self.evaluate(enq)

            t = self.checkedThread(target=blocked)
            t.start()
            time.sleep(0.02)
            q.close(cancel_pending_enqueues=True).run()
            t.join()
            self.assertTrue(q.is_closed().eval())

    def testCloseTwice(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(1, dtypes_lib.float32, name="twice")
            q.close().run()
            with self.assertRaisesRegex(errors_impl.CancelledError, "is already closed"):
                q.close().run()

    def testCloseCancelTwice(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(1, dtypes_lib.float32, name="twice2")
            q.close().run()
            q.close(cancel_pending_enqueues=True).run()

    def testDoesNotLoseValue(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(1, dtypes_lib.float32)
            enqueue_op = q.enqueue((10.0,))
            size_t = q.size()
            enqueue_op.run()
            for _ in range(200):
                self.assertEqual(size_t.eval(), [1])

    def testSharedQueueSameSession(self):
        with self.cached_session():
            q1 = data_flow_ops.FIFOQueue(1, dtypes_lib.float32, shared_name="shared_queue")
            q1.enqueue((10.0,)).run()
            q2 = data_flow_ops.FIFOQueue(1, dtypes_lib.float32, shared_name="shared_queue")
            q1_size_t, q2_size_t = q1.size(), q2.size()
            self.assertEqual(q1_size_t.eval(), [1])
            self.assertEqual(q2_size_t.eval(), [1])
            self.assertEqual(q2.dequeue().eval(), [10.0])
            self.assertEqual(q1_size_t.eval(), [0])
            q2.enqueue((20.0,)).run()
            self.assertEqual(q1.dequeue().eval(), [20.0])
            self.assertEqual(q2_size_t.eval(), [0])

    def testIncompatibleSharedQueueErrors(self):
        with self.cached_session():
            q_a_1 = data_flow_ops.FIFOQueue(10, dtypes_lib.float32, shared_name="q_a")
            q_a_2 = data_flow_ops.FIFOQueue(15, dtypes_lib.float32, shared_name="q_a")
            q_a_1.queue_ref.op.run()
            with self.assertRaisesOpError("capacity"):
                q_a_2.queue_ref.op.run()
            q_b_1 = data_flow_ops.FIFOQueue(10, dtypes_lib.float32, shared_name="q_b")
            q_b_2 = data_flow_ops.FIFOQueue(10, dtypes_lib.int32, shared_name="q_b")
            q_b_1.queue_ref.op.run()
            with self.assertRaisesOpError("component types"):
                q_b_2.queue_ref.op.run()
            q_c_1 = data_flow_ops.FIFOQueue(10, dtypes_lib.float32, shared_name="q_c")
            q_c_2 = data_flow_ops.FIFOQueue(10, dtypes_lib.float32, shapes=[(1, 1, 2, 3)], shared_name="q_c")
            q_c_1.queue_ref.op.run()
            with self.assertRaisesOpError("component shapes"):
                q_c_2.queue_ref.op.run()
            q_d_1 = data_flow_ops.FIFOQueue(10, dtypes_lib.float32, shapes=[(1, 1, 2, 3)], shared_name="q_d")
            q_d_2 = data_flow_ops.FIFOQueue(10, dtypes_lib.float32, shared_name="q_d")
            q_d_1.queue_ref.op.run()
            with self.assertRaisesOpError("component shapes"):
                q_d_2.queue_ref.op.run()
            q_f_1 = data_flow_ops.FIFOQueue(10, dtypes_lib.float32, shared_name="q_f")
            q_f_2 = data_flow_ops.FIFOQueue(10, (dtypes_lib.float32, dtypes_lib.int32), shared_name="q_f")
            q_f_1.queue_ref.op.run()
            with self.assertRaisesOpError("component types"):
                q_f_2.queue_ref.op.run()

    def testSelectQueue(self):
        with self.cached_session():
            num_queues = 10
            qlist = [data_flow_ops.FIFOQueue(10, dtypes_lib.float32) for _ in range(num_queues)]
            for _ in range(20):
                index = np.random.randint(num_queues)
                q = data_flow_ops.FIFOQueue.from_list(index, qlist)
                q.enqueue((10.0,)).run()
                self.assertEqual(q.dequeue().eval(), 10.0)

    def testSelectQueueOutOfRange(self):
        with self.cached_session():
            q1 = data_flow_ops.FIFOQueue(10, dtypes_lib.float32)
            q2 = data_flow_ops.FIFOQueue(15, dtypes_lib.float32)
            enq_q = data_flow_ops.FIFOQueue.from_list(3, [q1, q2])
            with self.assertRaisesOpError("is not in"):
                enq_q.dequeue().eval()

    def testSelectQueueNames(self):
        with self.cached_session():
            q1 = data_flow_ops.FIFOQueue(10, dtypes_lib.float32, names=["a"])
            q2 = data_flow_ops.FIFOQueue(15, dtypes_lib.float32, names=["b"])
            with self.assertRaisesRegex(TypeError, "matching component names"):
                data_flow_ops.FIFOQueue.from_list(0, [q1, q2])
            q3 = data_flow_ops.FIFOQueue(15, dtypes_lib.float32, names=["a"])
            chosen = data_flow_ops.FIFOQueue.from_list(constant_op.constant(1), [q1, q3])
            self.assertEqual(["a"], chosen.names)
            chosen.enqueue({"a": 3.0}).run()
            self.assertEqual(3.0, chosen.dequeue()["a"].eval())
            self.assertEqual(0, q1.size().eval())

    def testResetOfBlockingOperation(self):
        with self.session() as sess:
            q_empty = data_flow_ops.FIFOQueue(5, dtypes_lib.float32, ())
            dequeue_op = q_empty.dequeue()
            dequeue_many_op = q_empty.dequeue_many(1)
            dequeue_up_to_op = q_empty.dequeue_up_to(1)
            q_full = data_flow_ops.FIFOQueue(5, dtypes_lib.float32)
            sess.run(q_full.enqueue_many(([1.0, 2.0, 3.0, 4.0, 5.0],)))
            enqueue_op = q_full.enqueue((6.0,))
            enqueue_many_op = q_full.enqueue_many(([6.0],))

            def blocked(op):
                with self.assertRaisesOpError("was cancelled"):
                    sess.run(op)

            threads = [
                self.checkedThread(blocked, args=(op,))
                for op in [dequeue_op, dequeue_many_op, dequeue_up_to_op, enqueue_op, enqueue_many_op]
            ]
            for t in threads:
                t.start()
            time.sleep(0.02)
            sess.close()  # Will cancel the blocked operations.
            for t in threads:
                t.join()

    def testBigEnqueueMany(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(5, dtypes_lib.int32, ((),))
            elem = list(range(10))
            enq = q.enqueue_many((elem,))
            deq = q.dequeue()
            size_op = q.size()
            enq_done = []

            def blocking_enqueue():
                enq_done.append(False)
                # This will fill the queue and then block until enough dequeues happen.
                self.evaluate(enq)
                enq_done.append(True)

            thread = self.checkedThread(target=blocking_enqueue)
            thread.start()
            # The enqueue should start and then block.
            results = []
            results.append(deq.eval())  # Will only complete after the enqueue starts.
            self.assertEqual(len(enq_done), 1)
            self.assertEqual(self.evaluate(size_op), 5)
            for _ in range(3):
                results.append(deq.eval())
            time.sleep(0.02)
            self.assertEqual(len(enq_done), 1)
            self.assertEqual(self.evaluate(size_op), 5)
            # This dequeue will unblock the thread.
            results.append(deq.eval())
            time.sleep(0.02)
            self.assertEqual(len(enq_done), 2)
            thread.join()
            for i in range(5):
                self.assertEqual(size_op.eval(), 5 - i)
                results.append(deq.eval())
                self.assertEqual(size_op.eval(), 5 - i - 1)
            self.assertAllEqual(elem, results)

    def testBigDequeueMany(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(2, dtypes_lib.int32, ((),))
            elem = np.arange(4, dtype=np.int32)
            enq_list = [q.enqueue((e,)) for e in elem]
            deq = q.dequeue_many(4)
            results = []

            def blocking_dequeue():
                # Will only complete after 4 enqueues complete.
                results.extend(self.evaluate(deq))

            thread = self.checkedThread(target=blocking_dequeue)
            thread.start()
            # The dequeue should start and then block.
            for enq in enq_list:
                # TODO(mrry): Figure out how to do this without sleeping.
                time.sleep(0.02)
                self.assertEqual(len(results), 0)
                self.evaluate(enq)
            # Enough enqueued to unblock the dequeue
            thread.join()
            self.assertAllEqual(elem, results)

    def testDtypes(self):
        with self.cached_session():
            dtypes = [
                dtypes_lib.float32,
                dtypes_lib.float64,
                dtypes_lib.int32,
                dtypes_lib.uint8,
                dtypes_lib.int16,
                dtypes_lib.int8,
                dtypes_lib.int64,
                dtypes_lib.uint16,
                dtypes_lib.bool,
                dtypes_lib.complex64,
                dtypes_lib.complex128,
                dtypes_lib.float16,
            ]
            shape = (32, 4, 8)
            q = data_flow_ops.FIFOQueue(32, dtypes, [shape[1:]] * len(dtypes))
            input_tuple = []
            for dtype in dtypes:
                np_dtype = dtype.as_numpy_dtype
                np_array = np.random.randint(-10, 10, shape)
                if dtype == dtypes_lib.bool:
                    np_array = np_array > 0
                elif dtype in (dtypes_lib.complex64, dtypes_lib.complex128):
                    np_array = np.sqrt(np_array.astype(np_dtype))
                else:
                    np_array = np_array.astype(np_dtype)
                input_tuple.append(np_array)
            q.enqueue_many(
                [array_ops.identity(constant_op.constant(x, dtype=d)) for x, d in zip(input_tuple, dtypes)]
            ).run()
            output_tuple_t = q.dequeue_many(32)
            output_tuple = self.evaluate(output_tuple_t)
            for input_elem, output_elem in zip(input_tuple, output_tuple):
                self.assertAllEqual(input_elem, output_elem)

    def testDequeueEnqueueFail(self):
        with self.cached_session() as session:
            q = data_flow_ops.FIFOQueue(10, [dtypes_lib.int32], shapes=[()])
            a = q.dequeue()
            b = control_flow_assert.Assert(False, ["Before enqueue"])
            with ops.control_dependencies([b]):
                c = q.enqueue(33)
            with self.assertRaisesWithPredicateMatch(
                errors_impl.InvalidArgumentError, lambda e: "Before enqueue" in str(e)
            ):
                session.run([a, c])

    def testEnqueueDependsOnDequeueInSameStep(self):
        with self.cached_session() as sess:
            q = data_flow_ops.FIFOQueue(1, dtypes_lib.int32, ())
            q.enqueue(5).run()
            x = q.dequeue()
            put = q.enqueue(x + 1)
            for i in range(5):
                found, _ = sess.run([x, put])
                self.assertEqual(5 + i, found)

    def testVariableFromQueue(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(3, dtypes_lib.float32, (2,))
            q.enqueue_many([[[1.0, 2.0], [3.0, 4.0]]]).run()
            v = variables_v1.Variable(q.dequeue())
            v.initializer.run()
            self.assertAllEqual([1.0, 2.0], v.eval())
            self.assertEqual(1, q.size().eval())

    def testDequeueManyNegative(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(3, dtypes_lib.float32, ())
            with self.assertRaisesRegex(ValueError, "must be >= 0"):
                q.dequeue_many(-1).eval()
            n = array_ops.placeholder(dtypes_lib.int32, [])
            with self.assertRaisesRegex(errors_impl.InvalidArgumentError, "requested -1 < 0"):
                q.dequeue_many(n).eval({n: -1})


if __name__ == "__main__":
    test.main()
