"""Batches of several lists, and shuffled ones."""

import numpy as np
import tensorflow.compat.v1 as tf
from tensorflow.python.framework import constant_op, dtypes, errors_impl, ops, sparse_tensor, test_util
from tensorflow.python.ops import array_ops, math_ops, variables
from tensorflow.python.platform import test
from tensorflow.python.training import input as inp
from tensorflow.python.training import queue_runner_impl


class BatchJoinTest(test_util.TensorFlowTestCase):
    def _join(self, use_dict):
        with self.cached_session():
            batch_size, num_a, num_b = 5, 17, 8
            ninety_nine = inp.limit_epochs(constant_op.constant(99, dtype=dtypes.int64), num_epochs=num_b)
            counter = tf.Variable(np.int64(0)).count_up_to(num_a)
            lists = [[counter, "a"], [ninety_nine, "b"]]
            if use_dict:
                found = inp.batch_join([{"c": c, "s": s} for c, s in lists], batch_size=batch_size)
                fetch = [found["c"], found["s"]]
            else:
                fetch = inp.batch_join(lists, batch_size=batch_size)
            self.assertEqual([[5], [5]], [t.shape.as_list() for t in fetch])
            self.evaluate(variables.global_variables_initializer())
            self.evaluate(variables.local_variables_initializer())
            threads = queue_runner_impl.start_queue_runners()
            all_a, seen_b = [], 0
            for _ in range((num_a + num_b) // batch_size):
                c, s = self.evaluate(fetch)
                which_a = [i for i, x in enumerate(s) if x == b"a"]
                which_b = [i for i, x in enumerate(s) if x == b"b"]
                self.assertEqual(batch_size, len(which_a) + len(which_b))
                seen_b += len(which_b)
                self.assertAllEqual([99] * len(which_b), c[which_b])
                all_a.extend(c[which_a])
            self.assertEqual(list(range(num_a)), all_a)
            self.assertEqual(num_b, seen_b)
            with self.assertRaises(errors_impl.OutOfRangeError):
                self.evaluate(fetch)
            for t in threads:
                t.join()

    @test_util.run_deprecated_v1
    def testTwoThreads(self):
        self._join(False)

    @test_util.run_deprecated_v1
    def testTwoThreadsDict(self):
        self._join(True)

    @test_util.run_deprecated_v1
    def testMismatchedDictKeys(self):
        with self.assertRaisesRegex(ValueError, "must have the same keys"):
            inp.batch_join([{"c": 12, "s": 123, "S": "a"}, {"cool": -12, "s": 99, "S": "b"}], batch_size=8)

    @test_util.run_deprecated_v1
    def testTwoThreadsDynamicPad(self):
        with self.cached_session():
            counter = tf.Variable(np.int64(0)).count_up_to(10)
            a = array_ops.tile(["a"], array_ops.reshape(math_ops.cast(counter, dtypes.int32) + 1, [1]))
            found = inp.batch_join([[counter, a], [counter, a]], batch_size=10, dynamic_pad=True)
            self.assertEqual([[10], [10, None]], [t.shape.as_list() for t in found])
            self.evaluate(variables.global_variables_initializer())
            threads = queue_runner_impl.start_queue_runners()
            c, s = self.evaluate(found)
            self.assertItemsEqual(range(10), c)
            for row, n in zip(s, c):
                self.assertAllEqual([b"a"] * (n + 1) + [b""] * (9 - n), row)
            for t in threads:
                t.join()

    @test_util.run_deprecated_v1
    def testSingleElement(self):
        x = inp.batch_join([{"c": [12, 12]}], batch_size=8)
        self.assertAllEqual((8, 2), x["c"].get_shape().as_list())

    @test_util.run_deprecated_v1
    def testSmaller(self):
        with self.cached_session():
            counter = tf.Variable(np.int64(0)).count_up_to(7)
            found = inp.batch_join([[counter]], batch_size=5, allow_smaller_final_batch=True)
            self.evaluate(variables.global_variables_initializer())
            threads = queue_runner_impl.start_queue_runners()
            self.assertEqual([5, 2], [len(self.evaluate(found)) for _ in range(2)])
            for t in threads:
                t.join()

    @test_util.run_deprecated_v1
    def testMaybe(self):
        with self.cached_session():
            counter = tf.Variable(np.int64(0)).count_up_to(20)
            found = inp.maybe_batch_join([[counter]], math_ops.equal(math_ops.mod(counter, 2), 0), batch_size=5)
            self.evaluate(variables.global_variables_initializer())
            threads = queue_runner_impl.start_queue_runners()
            self.assertAllEqual([0, 2, 4, 6, 8], self.evaluate(found))
            self.assertAllEqual([10, 12, 14, 16, 18], self.evaluate(found))
            for t in threads:
                t.join()


class ShuffleBatchTest(test_util.TensorFlowTestCase):
    def _run(self, build, total, batch_size, smaller=0, threads=1):
        with self.cached_session():
            counter = tf.Variable(np.int64(0)).count_up_to(total)
            found = build(counter)
            self.evaluate(variables.global_variables_initializer())
            self.evaluate(variables.local_variables_initializer())
            started = queue_runner_impl.start_queue_runners()
            self.assertEqual(threads, len(started))
            got, sizes = [], []
            with self.assertRaises(errors_impl.OutOfRangeError):
                while True:
                    r = self.evaluate(found)
                    got.extend(r[0])
                    sizes.append(len(r[1]))
            self.assertItemsEqual(range(total), got)
            deltas = [got[i + 1] - got[i] for i in range(len(got) - 1)]
            self.assertFalse(all(d == deltas[0] for d in deltas))
            for t in started:
                t.join()

    @test_util.run_deprecated_v1
    def testOneThread(self):
        self._run(
            lambda c: inp.shuffle_batch([c, "s"], batch_size=10, capacity=32, min_after_dequeue=16, seed=141421), 30, 10
        )

    @test_util.run_deprecated_v1
    def testManyThreads(self):
        self._run(
            lambda c: inp.shuffle_batch(
                [c, "s"], batch_size=10, capacity=32, min_after_dequeue=16, seed=173205, num_threads=4
            ),
            30,
            10,
            threads=4,
        )

    @test_util.run_deprecated_v1
    def testSmallerFinal(self):
        self._run(
            lambda c: inp.shuffle_batch(
                [c, "s"], batch_size=10, capacity=32, min_after_dequeue=16, seed=1, allow_smaller_final_batch=True
            ),
            33,
            10,
        )

    @test_util.run_deprecated_v1
    def testEnqueueMany(self):
        self._run(
            lambda c: inp.shuffle_batch(
                [array_ops.reshape(c, [1]), ["s"]],
                batch_size=10,
                capacity=32,
                min_after_dequeue=16,
                seed=1,
                enqueue_many=True,
            ),
            30,
            10,
        )

    @test_util.run_deprecated_v1
    def testJoin(self):
        self._run(
            lambda c: inp.shuffle_batch_join(
                [[c, "s"], [c, "t"]], batch_size=10, capacity=32, min_after_dequeue=16, seed=1
            ),
            30,
            10,
            threads=2,
        )

    @test_util.run_deprecated_v1
    def testKeep(self):
        with self.cached_session():
            counter = tf.Variable(np.int64(0)).count_up_to(40)
            keep = math_ops.equal(math_ops.mod(counter, 2), 0)
            found = inp.maybe_shuffle_batch([counter], 10, 32, 5, keep, seed=3)
            self.evaluate(variables.global_variables_initializer())
            threads = queue_runner_impl.start_queue_runners()
            got = list(self.evaluate(found)) + list(self.evaluate(found))
            self.assertItemsEqual(range(0, 40, 2), got)
            for t in threads:
                t.join()

    @test_util.run_deprecated_v1
    def testKeepJoin(self):
        found = inp.maybe_shuffle_batch_join([[1, 2.0]], 10, 32, 5, True)
        self.assertEqual([[10], [10]], [t.shape.as_list() for t in found])

    @test_util.run_deprecated_v1
    def testSharedNames(self):
        with self.cached_session():
            b = inp.shuffle_batch(
                [0, 0], batch_size=10, capacity=32, min_after_dequeue=10, shared_name="SHARED_NAME_XYZ", name="Q"
            )
            self.assertProtoEquals("s: 'SHARED_NAME_XYZ'", b[0].op.inputs[0].op.node_def.attr["shared_name"])
            b = inp.shuffle_batch_join(
                [[0, 0]], batch_size=10, capacity=32, min_after_dequeue=10, shared_name="SHARED_NAME_XYZ2", name="Q"
            )
            self.assertProtoEquals("s: 'SHARED_NAME_XYZ2'", b[0].op.inputs[0].op.node_def.attr["shared_name"])

    @test_util.run_deprecated_v1
    def testCapacity(self):
        with self.assertRaisesRegex(ValueError, "capacity 5 must be bigger than min_after_dequeue 10."):
            inp.shuffle_batch([1], 3, 5, 10)
        inp.shuffle_batch([1], 3, 50, 10)
        self.assertEqual(
            "shuffle_batch/fraction_over_10_of_40_full",
            ops.get_collection(ops.GraphKeys.SUMMARIES)[-1].op.name.replace("shuffle_batch_1", "shuffle_batch"),
        )

    @test_util.run_deprecated_v1
    def testSparse(self):
        with self.cached_session():
            counter = tf.Variable(np.int64(0)).count_up_to(20)
            s = sparse_tensor.SparseTensor(
                indices=array_ops.zeros([1, 1], dtypes.int64), values=array_ops.reshape(counter, [1]), dense_shape=[3]
            )
            found = inp.shuffle_batch([s, counter], 10, 32, 5, seed=3)
            self.evaluate(variables.global_variables_initializer())
            threads = queue_runner_impl.start_queue_runners()
            sp, c = self.evaluate(found)
            self.assertAllEqual(c, sp.values)
            self.assertAllEqual([10, 3], sp.dense_shape)
            self.evaluate(found)
            for t in threads:
                t.join()


if __name__ == "__main__":
    test.main()
