"""FIFO queues: rows in and out, one by one and many at once, by many threads; what does not fit."""

import random
import time

import numpy as np
from tensorflow.python.framework import constant_op, errors_impl, test_util
from tensorflow.python.framework import dtypes as dtypes_lib
from tensorflow.python.ops import (
    array_ops,
    data_flow_ops,
)
from tensorflow.python.platform import test


@test_util.run_v1_only("FIFOQueue removed from v2")
class FIFORowsTest(test.TestCase):
    def testEnqueueWithShape(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(10, dtypes_lib.float32, shapes=(3, 2))
            correct = q.enqueue(([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]],))
            correct.run()
            with self.assertRaises(ValueError):
                q.enqueue(([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]],))
            self.assertEqual(1, q.size().eval())

    def testEnqueueManyWithShape(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(10, [dtypes_lib.int32, dtypes_lib.int32], shapes=[(), (2,)])
            q.enqueue_many([[1, 2, 3, 4], [[1, 1], [2, 2], [3, 3], [4, 4]]]).run()
            self.assertEqual(4, q.size().eval())

    def testEnqueueDictWithoutNames(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(10, dtypes_lib.float32)
            with self.assertRaisesRegex(ValueError, "must have names"):
                q.enqueue({"a": 12.0})
            with self.assertRaisesRegex(ValueError, "must have names"):
                q.enqueue_many({"a": [12.0, 13.0]})

    def testParallelEnqueue(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(10, dtypes_lib.float32)
            elems = [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0]
            enqueue_ops = [q.enqueue((x,)) for x in elems]
            dequeued_t = q.dequeue()

            def enqueue(enqueue_op):
                self.evaluate(enqueue_op)

            threads = [self.checkedThread(target=enqueue, args=(e,)) for e in enqueue_ops]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            results = []
            for _ in range(len(elems)):
                results.append(self.evaluate(dequeued_t))
            self.assertItemsEqual(elems, results)

    def testParallelDequeue(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(10, dtypes_lib.float32)
            elems = [float(i) for i in range(10)]
            enqueue_ops = [q.enqueue((x,)) for x in elems]
            dequeued_t = q.dequeue()
            for enqueue_op in enqueue_ops:
                enqueue_op.run()
            results = []

            def dequeue():
                results.append(self.evaluate(dequeued_t))

            threads = [self.checkedThread(target=dequeue) for _ in enqueue_ops]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertItemsEqual(elems, results)

    def testEnqueueAndBlockingDequeue(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(3, dtypes_lib.float32)
            elems = [10.0, 20.0, 30.0]
            enqueue_ops = [q.enqueue((x,)) for x in elems]
            dequeued_t = q.dequeue()

            def enqueue():
                time.sleep(0.02)
                for enqueue_op in enqueue_ops:
                    self.evaluate(enqueue_op)

            results = []

            def dequeue():
                for _ in range(len(elems)):
                    results.append(self.evaluate(dequeued_t))

            enqueue_thread = self.checkedThread(target=enqueue)
            dequeue_thread = self.checkedThread(target=dequeue)
            enqueue_thread.start()
            dequeue_thread.start()
            enqueue_thread.join()
            dequeue_thread.join()
            for elem, result in zip(elems, results):
                self.assertEqual([elem], result)

    def testMultiDequeue(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(10, (dtypes_lib.int32, dtypes_lib.float32))
            elems = [(5, 10.0), (10, 20.0), (15, 30.0)]
            dequeued_t = q.dequeue()
            for x, y in elems:
                q.enqueue((x, y)).run()
            for x, y in elems:
                x_val, y_val = self.evaluate(dequeued_t)
                self.assertEqual([x], x_val)
                self.assertEqual([y], y_val)

    def testQueueSizeEmpty(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(10, dtypes_lib.float32)
            self.assertEqual([0], q.size().eval())

    def testQueueSizeAfterEnqueueAndDequeue(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(10, dtypes_lib.float32)
            size = q.size()
            self.assertEqual([], size.get_shape())
            q.enqueue((10.0,)).run()
            self.assertEqual(1, self.evaluate(size))
            q.dequeue().op.run()
            self.assertEqual(0, self.evaluate(size))

    def testEnqueueMany(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(10, dtypes_lib.float32)
            elems = [10.0, 20.0, 30.0, 40.0]
            enqueue_op = q.enqueue_many((elems,))
            dequeued_t = q.dequeue()
            enqueue_op.run()
            enqueue_op.run()
            for i in range(8):
                vals = self.evaluate(dequeued_t)
                self.assertEqual([elems[i % 4]], vals)

    def testEmptyEnqueueMany(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(10, dtypes_lib.float32)
            empty_t = constant_op.constant([], dtype=dtypes_lib.float32, shape=[0, 2, 3])
            enqueue_op = q.enqueue_many((empty_t,))
            size_t = q.size()
            self.assertEqual([0], self.evaluate(size_t))
            enqueue_op.run()
            self.assertEqual([0], self.evaluate(size_t))

    def testEmptyDequeueMany(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(10, dtypes_lib.float32, shapes=())
            enqueue_op = q.enqueue((10.0,))
            dequeued_t = q.dequeue_many(0)
            self.assertEqual([], self.evaluate(dequeued_t).tolist())
            enqueue_op.run()
            self.assertEqual([], self.evaluate(dequeued_t).tolist())

    def testEmptyDequeueUpTo(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(10, dtypes_lib.float32, shapes=())
            enqueue_op = q.enqueue((10.0,))
            dequeued_t = q.dequeue_up_to(0)
            self.assertEqual([], self.evaluate(dequeued_t).tolist())
            enqueue_op.run()
            self.assertEqual([], self.evaluate(dequeued_t).tolist())

    def testEmptyDequeueManyWithNoShape(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(10, dtypes_lib.float32)
            # Expect the operation to fail due to the shape not being constrained.
            with self.assertRaisesOpError("specified shapes"):
                q.dequeue_many(0).eval()

    def testDequeueUpToWithNoShape(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(10, dtypes_lib.float32)
            with self.assertRaisesOpError("specified shapes"):
                q.dequeue_up_to(0).eval()

    def testMultiEnqueueMany(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(10, (dtypes_lib.float32, dtypes_lib.int32))
            float_elems = [10.0, 20.0, 30.0, 40.0]
            int_elems = [[1, 2], [3, 4], [5, 6], [7, 8]]
            enqueue_op = q.enqueue_many((float_elems, int_elems))
            dequeued_t = q.dequeue()
            enqueue_op.run()
            enqueue_op.run()
            for i in range(8):
                float_val, int_val = self.evaluate(dequeued_t)
                self.assertEqual(float_elems[i % 4], float_val)
                self.assertAllEqual(int_elems[i % 4], int_val)

    def testDequeueMany(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(10, dtypes_lib.float32, ())
            elems = [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0]
            q.enqueue_many((elems,)).run()
            dequeued_t = q.dequeue_many(4)
            self.assertAllEqual(elems[0:4], self.evaluate(dequeued_t))
            self.assertAllEqual(elems[4:8], self.evaluate(dequeued_t))

    def testDequeueUpToNoBlocking(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(10, dtypes_lib.float32, ())
            elems = [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0]
            q.enqueue_many((elems,)).run()
            dequeued_t = q.dequeue_up_to(4)
            self.assertAllEqual(elems[0:4], self.evaluate(dequeued_t))
            self.assertAllEqual(elems[4:8], self.evaluate(dequeued_t))

    def testMultiDequeueUpToShapes(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(10, (dtypes_lib.float32, dtypes_lib.int32), shapes=((), (2,)))
            float_elems = [float(i) for i in range(10)]
            int_elems = [[i, i + 1] for i in range(10)]
            q.enqueue_many((float_elems, int_elems)).run()
            dequeued_t = q.dequeue_up_to(4)
            self.assertEqual([None], dequeued_t[0].get_shape().as_list())
            self.assertEqual([None, 2], dequeued_t[1].get_shape().as_list())
            f, i = self.evaluate(dequeued_t)
            self.assertAllEqual(float_elems[:4], f)
            self.assertAllEqual(int_elems[:4], i)
            self.assertEqual((4,), f.shape)
            single = q.dequeue()
            self.assertEqual(single[0].get_shape(), f.shape[1:])
            self.assertEqual(single[1].get_shape(), i.shape[1:])
            f, i = self.evaluate(single)
            self.assertAllEqual(float_elems[4], f)

    def testHighDimension(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(10, dtypes_lib.int32, (4, 4, 4, 4))
            elems = np.array([[[[[x] * 4] * 4] * 4] * 4 for x in range(10)], np.int32)
            q.enqueue_many((elems,)).run()
            self.assertAllEqual(q.dequeue_many(10).eval(), elems)

    def testEnqueueWrongShape(self):
        q = data_flow_ops.FIFOQueue(10, (dtypes_lib.int32, dtypes_lib.int32), ((), (2)))
        with self.assertRaises(ValueError):
            q.enqueue(([1, 2], [2, 2]))
        with self.assertRaises(ValueError):
            q.enqueue_many((7, [[1, 2], [3, 4], [5, 6]]))

    def testBatchSizeMismatch(self):
        q = data_flow_ops.FIFOQueue(10, (dtypes_lib.int32,) * 3, ((), (), ()))
        with self.assertRaises(ValueError):
            q.enqueue_many(([1, 2, 3], [1, 2], [1, 2, 3]))
        with self.assertRaises(ValueError):
            q.enqueue_many(([1, 2, 3], [1, 2], array_ops.placeholder(dtypes_lib.int32)))
        with self.assertRaises(ValueError):
            q.enqueue_many((array_ops.placeholder(dtypes_lib.int32), [1, 2], [1, 2, 3]))

    def testEnqueueManyEmptyTypeConversion(self):
        q = data_flow_ops.FIFOQueue(10, (dtypes_lib.int32, dtypes_lib.float32), ((), ()))
        enq = q.enqueue_many(([], []))
        self.assertEqual(dtypes_lib.int32, enq.inputs[1].dtype)
        self.assertEqual(dtypes_lib.float32, enq.inputs[2].dtype)

    def testEnqueueWrongType(self):
        q = data_flow_ops.FIFOQueue(10, (dtypes_lib.int32, dtypes_lib.float32), ((), ()))
        with self.assertRaises(ValueError):
            q.enqueue((array_ops.placeholder(dtypes_lib.int32), array_ops.placeholder(dtypes_lib.int32)))
        with self.assertRaises(ValueError):
            q.enqueue_many((array_ops.placeholder(dtypes_lib.int32), array_ops.placeholder(dtypes_lib.int32)))

    def testEnqueueWrongPartialShapeAtRuntime(self):
        with self.cached_session() as sess:
            # First dimension of second component is unknown, second dimension must be 3.
            q = data_flow_ops.FIFOQueue(10, (dtypes_lib.int32, dtypes_lib.int32), ((2, 2), (3, 3)))
            elems_ok = np.array([1] * 4).reshape((2, 2)).astype(np.int32)
            elems_bad = array_ops.placeholder(dtypes_lib.int32)
            enqueue_op = q.enqueue((elems_ok, elems_bad))
            with self.assertRaisesRegex(errors_impl.InvalidArgumentError, r"Expected \[3,3\], got \[3,4\]"):
                sess.run([enqueue_op], feed_dict={elems_bad: np.array([1] * 12).reshape((3, 4))})

    def testEnqueueDequeueManyWrongShapeAtRuntime(self):
        with self.cached_session() as sess:
            q = data_flow_ops.FIFOQueue(10, (dtypes_lib.int32, dtypes_lib.int32), ((2, 2), (3, 3)))
            elems_ok = np.array([1] * 8).reshape((2, 2, 2)).astype(np.int32)
            elems_bad = array_ops.placeholder(dtypes_lib.int32)
            enqueue_op = q.enqueue_many((elems_ok, elems_bad))
            dequeued_t = q.dequeue_many(2)
            with self.assertRaisesRegex(
                errors_impl.InvalidArgumentError,
                "Shape mismatch in tuple component 1. "
                r"Expected \[2,3,3\], got \[2,3,4\]",
            ):
                sess.run([enqueue_op], feed_dict={elems_bad: np.array([1] * 24).reshape((2, 3, 4))})
                self.evaluate(dequeued_t)

    def testParallelEnqueueMany(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(1000, dtypes_lib.float32, shapes=())
            elems = [10.0 * x for x in range(100)]
            enqueue_op = q.enqueue_many((elems,))
            dequeued_t = q.dequeue_many(1000)

            def enqueue():
                self.evaluate(enqueue_op)

            threads = [self.checkedThread(target=enqueue) for _ in range(10)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertItemsEqual(dequeued_t.eval(), elems * 10)

    def testParallelDequeueManyAndUpTo(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(1000, dtypes_lib.float32, shapes=())
            elems = [10.0 * x for x in range(1000)]
            many, some = q.dequeue_many(100), q.dequeue_up_to(100)
            q.enqueue_many((elems,)).run()
            found = []

            def dequeue(t):
                found.extend(self.evaluate(t))

            threads = [self.checkedThread(target=dequeue, args=(t,)) for t in [many, some] * 5]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertItemsEqual(elems, found)

    def testParallelDequeueUpToRandomPartition(self):
        with self.cached_session():
            dequeue_sizes = [random.randint(50, 150) for _ in range(10)]
            total_elements = sum(dequeue_sizes)
            q = data_flow_ops.FIFOQueue(total_elements, dtypes_lib.float32, shapes=())
            elems = [10.0 * x for x in range(total_elements)]
            enqueue_op = q.enqueue_many((elems,))
            dequeue_ops = [q.dequeue_up_to(size) for size in dequeue_sizes]
            enqueue_op.run()
            dequeued_elems = []

            def dequeue(dequeue_op):
                dequeued_elems.extend(self.evaluate(dequeue_op))

            threads = [self.checkedThread(target=dequeue, args=(op,)) for op in dequeue_ops]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertItemsEqual(elems, dequeued_elems)

    def testBlockingDequeueMany(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(10, dtypes_lib.float32, ())
            elems = [10.0, 20.0, 30.0, 40.0]
            enqueue_op = q.enqueue_many((elems,))
            dequeued_t = q.dequeue_many(4)
            dequeued_elems = []

            def enqueue():
                time.sleep(0.02)
                self.evaluate(enqueue_op)

            def dequeue():
                dequeued_elems.extend(self.evaluate(dequeued_t).tolist())

            enqueue_thread = self.checkedThread(target=enqueue)
            dequeue_thread = self.checkedThread(target=dequeue)
            enqueue_thread.start()
            dequeue_thread.start()
            enqueue_thread.join()
            dequeue_thread.join()
            self.assertAllEqual(elems, dequeued_elems)

    def testDequeueManyWithTensorParameter(self):
        with self.cached_session():
            # Define a first queue that contains integer counts.
            dequeue_counts = [random.randint(1, 10) for _ in range(100)]
            count_q = data_flow_ops.FIFOQueue(100, dtypes_lib.int32, ())
            enqueue_counts_op = count_q.enqueue_many((dequeue_counts,))
            total_count = sum(dequeue_counts)
            # Define a second queue that contains total_count elements.
            elems = [random.randint(0, 100) for _ in range(total_count)]
            q = data_flow_ops.FIFOQueue(total_count, dtypes_lib.int32, ())
            enqueue_elems_op = q.enqueue_many((elems,))
            # Define a subgraph that first dequeues a count, then DequeuesMany
            # that number of elements.
            dequeued_t = q.dequeue_many(count_q.dequeue())
            enqueue_counts_op.run()
            enqueue_elems_op.run()
            dequeued_elems = []
            for _ in dequeue_counts:
                dequeued_elems.extend(dequeued_t.eval())
            self.assertEqual(elems, dequeued_elems)


if __name__ == "__main__":
    test.main()
