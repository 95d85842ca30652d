"""Batches in order, of one list of tensors."""

import numpy as np
import tensorflow.compat.v1 as tf
from tensorflow.python.framework import constant_op, dtypes, errors_impl, ops, sparse_tensor, test_util
from tensorflow.python.ops import array_ops, math_ops, variables
from tensorflow.python.platform import test
from tensorflow.python.training import coordinator, queue_runner_impl
from tensorflow.python.training import input as inp


class BatchTest(test_util.TensorFlowTestCase):
    def _testOneThreadHelper(self, use_dict):
        with self.cached_session():
            batch_size = 10
            num_batches = 3
            examples = tf.Variable(np.int64(0))
            counter = examples.count_up_to(num_batches * batch_size)
            sparse_counter = sparse_tensor.SparseTensor(
                indices=array_ops.reshape(math_ops.mod(counter, 2), [1, 1]),
                values=array_ops.reshape(counter, [1]),
                dense_shape=constant_op.constant([2], dtypes.int64),
            )
            if use_dict:
                batched = inp.batch({"c": counter, "s": sparse_counter, "S": "string"}, batch_size=batch_size)
                batched_fetch = [batched["c"], batched["s"], batched["S"]]
            else:
                batched = inp.batch([counter, sparse_counter, "string"], batch_size=batch_size)
                batched_fetch = batched
            self.evaluate(variables.global_variables_initializer())
            self.evaluate(variables.local_variables_initializer())
            threads = queue_runner_impl.start_queue_runners()
            for i in range(num_batches):
                results = self.evaluate(batched_fetch)
                self.assertAllEqual(results[0], np.arange(i * batch_size, (i + 1) * batch_size))
                self.assertAllEqual(
                    results[1].indices,
                    np.vstack((np.arange(batch_size), np.arange(i * batch_size, (i + 1) * batch_size) % 2)).T,
                )
                self.assertAllEqual(results[1].values, np.arange(i * batch_size, (i + 1) * batch_size))
                self.assertAllEqual(results[1].dense_shape, [batch_size, 2])
                self.assertAllEqual(results[2], [b"string"] * batch_size)
            # Reached the limit.
            with self.assertRaises(errors_impl.OutOfRangeError):
                self.evaluate(batched_fetch)
            for thread in threads:
                thread.join()

    @test_util.run_deprecated_v1
    def testOneThread(self):
        self._testOneThreadHelper(use_dict=False)

    @test_util.run_deprecated_v1
    def testOneThreadDict(self):
        self._testOneThreadHelper(use_dict=True)

    @test_util.run_deprecated_v1
    def testUint32DataTypes(self):
        values = constant_op.constant([0, 1, 2, 3, 4, 5], dtype=dtypes.uint32)
        batched = inp.batch([values], batch_size=2)
        with self.cached_session():
            coord = coordinator.Coordinator()
            threads = queue_runner_impl.start_queue_runners(coord=coord)
            self.assertAllEqual([[0, 1, 2, 3, 4, 5]] * 2, self.evaluate(batched))
            coord.request_stop()
            for thread in threads:
                thread.join()

    @test_util.run_deprecated_v1
    def testOneThreadDynamicPad(self):
        with self.cached_session():
            batch_size, num_batches = 10, 3
            examples = tf.Variable(np.int64(0))
            counter = examples.count_up_to(num_batches * batch_size)
            string = array_ops.tile(["string"], math_ops.cast(array_ops.reshape(counter, [1]), dtypes.int32))
            self.evaluate(variables.global_variables_initializer())
            batched = inp.batch([counter, string], batch_size=batch_size, dynamic_pad=True)
            threads = queue_runner_impl.start_queue_runners()
            for i in range(num_batches):
                results = self.evaluate(batched)
                expected_results = np.arange(i * batch_size, (i + 1) * batch_size)
                max_len = expected_results[-1]
                self.assertAllEqual(results[0], expected_results)
                expected_strings = [[b"string"] * rep + [b""] * (max_len - rep) for rep in expected_results]
                self.assertAllEqual(results[1], expected_strings)
            with self.assertRaises(errors_impl.OutOfRangeError):
                self.evaluate(batched)
            for thread in threads:
                thread.join()

    @test_util.run_deprecated_v1
    def testOneThreadEnqueueMany(self):
        with self.cached_session():
            batch_size, num_batches = 10, 3
            examples = tf.Variable(np.int64(0))
            counter = examples.count_up_to(num_batches * batch_size)
            pre_batched = inp.batch([counter, "string"], batch_size=2)
            batched = inp.batch(pre_batched, enqueue_many=True, batch_size=batch_size)
            self.evaluate(variables.global_variables_initializer())
            threads = queue_runner_impl.start_queue_runners()
            for i in range(num_batches):
                results = self.evaluate(batched)
                self.assertAllEqual(results[0], np.arange(i * batch_size, (i + 1) * batch_size))
                self.assertAllEqual(results[1], [b"string"] * batch_size)
            with self.assertRaises(errors_impl.OutOfRangeError):
                self.evaluate(batched)
            for thread in threads:
                thread.join()

    @test_util.run_deprecated_v1
    def testManyThreads(self):
        with self.cached_session():
            batch_size, num_batches = 10, 3
            examples = tf.Variable(np.int64(0))
            counter = examples.count_up_to(num_batches * batch_size)
            batched = inp.batch([counter, "string"], batch_size=batch_size, num_threads=4)
            self.evaluate(variables.global_variables_initializer())
            threads = queue_runner_impl.start_queue_runners()
            self.assertEqual(4, len(threads))
            all_counts = []
            for i in range(num_batches):
                results = self.evaluate(batched)
                all_counts.extend(results[0])
                self.assertAllEqual(results[1], [b"string"] * batch_size)
            self.assertItemsEqual(all_counts, range(num_batches * batch_size))
            with self.assertRaises(errors_impl.OutOfRangeError):
                self.evaluate(batched)
            for thread in threads:
                thread.join()

    @test_util.run_deprecated_v1
    def testOneThreadSmallerBatch(self):
        with self.cached_session():
            batch_size, num_batches, extra_elements = 10, 3, 5
            examples = tf.Variable(np.int64(0))
            counter = examples.count_up_to(num_batches * batch_size + extra_elements)
            batched = inp.batch([counter, "string"], batch_size=batch_size, allow_smaller_final_batch=True)
            self.assertEqual([None], batched[0].shape.as_list())
            self.evaluate(variables.global_variables_initializer())
            threads = queue_runner_impl.start_queue_runners()
            for i in range(num_batches):
                self.assertAllEqual(self.evaluate(batched)[0], np.arange(i * batch_size, (i + 1) * batch_size))
            results = self.evaluate(batched)
            self.assertAllEqual(
                results[0], np.arange(num_batches * batch_size, num_batches * batch_size + extra_elements)
            )
            self.assertAllEqual(results[1], [b"string"] * extra_elements)
            with self.assertRaises(errors_impl.OutOfRangeError):
                self.evaluate(batched)
            for thread in threads:
                thread.join()

    @test_util.run_deprecated_v1
    def testSharedName(self):
        with self.cached_session():
            batched = inp.batch([0, 0], batch_size=10, capacity=20, shared_name="SHARED_NAME_XYZ", name="Q")
            self.assertProtoEquals("s: 'SHARED_NAME_XYZ'", batched[0].op.inputs[0].op.node_def.attr["shared_name"])

    @test_util.run_deprecated_v1
    def testCannotInferRankError(self):
        with self.cached_session():
            x = array_ops.placeholder(dtype=dtypes.int64)
            with self.assertRaisesRegex(ValueError, "Cannot infer Tensor's rank"):
                inp.batch([x], batch_size=2)

    @test_util.run_deprecated_v1
    def testBatchedSparseTensorInferredShape(self):
        sparse = sparse_tensor.SparseTensor(indices=[[0]], values=[1.0], dense_shape=[1])
        self.assertAllEqual((1,), sparse.dense_shape.get_shape().as_list())
        batched = inp.batch([sparse], batch_size=2)
        self.assertAllEqual((2,), batched.dense_shape.get_shape().as_list())

    @test_util.run_deprecated_v1
    def testBatchedSparseTensorInferredShapeEnqueueMany(self):
        sparse = sparse_tensor.SparseTensor(indices=[[0]], values=[1.0], dense_shape=[1])
        batched = inp.batch([sparse], batch_size=2, enqueue_many=True)
        self.assertAllEqual((1,), batched.dense_shape.get_shape().as_list())

    @test_util.run_deprecated_v1
    def testBatchedSparseTensorInferredShapeUnknownRank(self):
        sparse = sparse_tensor.SparseTensor(
            indices=array_ops.placeholder(dtypes.int64),
            values=array_ops.placeholder(dtypes.float32),
            dense_shape=array_ops.placeholder(dtypes.int64),
        )
        self.assertIs(None, sparse.dense_shape.get_shape().num_elements())
        batched = inp.batch([sparse], batch_size=2)
        self.assertIs(None, batched.dense_shape.get_shape().num_elements())

    @test_util.run_deprecated_v1
    def testSingleElementDict(self):
        x = inp.batch({"c": [12, 12]}, batch_size=8)
        self.assertAllEqual((8, 2), x["c"].get_shape().as_list())

    @test_util.run_deprecated_v1
    def testInvalidKeepInputVector(self):
        with self.assertRaisesRegex(ValueError, "cannot be a vector"):
            inp.maybe_batch(
                [array_ops.zeros([5])],
                keep_input=constant_op.constant([True, False]),
                batch_size=1,
                num_threads=1,
                enqueue_many=False,
            )
        with self.assertRaisesRegex(ValueError, "0 or 1 dimensions"):
            inp.maybe_batch(
                [array_ops.zeros([5])],
                keep_input=constant_op.constant([[True], [False]]),
                batch_size=1,
                num_threads=1,
                enqueue_many=True,
            )
        with self.assertRaisesRegex(ValueError, "must be known at graph construction"):
            inp.maybe_batch(
                [array_ops.zeros([5])], keep_input=array_ops.placeholder(dtypes.bool), batch_size=1, enqueue_many=True
            )

    @test_util.run_deprecated_v1
    def testMaybeBatchedSparseTensorInferredShape(self):
        sparse = sparse_tensor.SparseTensor(indices=[[0]], values=[1.0], dense_shape=[1])
        batched = inp.maybe_batch([sparse], keep_input=True, batch_size=2)
        self.assertAllEqual((2,), batched.dense_shape.get_shape().as_list())

    @test_util.run_deprecated_v1
    def testMaybeBatchedSparseTensorInferredShapeEnqueueManyPerExample(self):
        sparse = sparse_tensor.SparseTensor(indices=[[0], [0]], values=[1.0, 2.0], dense_shape=[2])
        batched = inp.maybe_batch([sparse], keep_input=[True, False], batch_size=2, enqueue_many=True)
        self.assertAllEqual((1,), batched.dense_shape.get_shape().as_list())

    def _testKeepInputHelper(self, num_threads, enqueue_many, keep_input_vector=False):
        with self.cached_session():
            batch_size, num_batches = 5, 4
            examples = tf.Variable(np.int64(0))
            counter = examples.count_up_to(num_batches * batch_size * 2)
            sparse_counter = sparse_tensor.SparseTensor(
                indices=array_ops.zeros([1, 1], dtype=dtypes.int64),
                values=array_ops.reshape(math_ops.cast(counter, dtypes.float32), [1]),
                dense_shape=[1],
            )
            to_batch = [counter, sparse_counter, "string"]
            if enqueue_many:
                to_batch = inp.batch(to_batch, 4 if keep_input_vector else 1)
            keep_input = (
                array_ops.squeeze(math_ops.equal(math_ops.mod(to_batch[0], 2), 0))
                if not keep_input_vector
                else math_ops.equal(math_ops.mod(to_batch[0], 2), 0)
            )
            batched = inp.maybe_batch(
                to_batch, keep_input, batch_size, num_threads=num_threads, enqueue_many=enqueue_many
            )
            variables.initialize_all_variables().run()
            variables.initialize_local_variables().run()
            threads = queue_runner_impl.start_queue_runners()
            for _ in range(num_batches):
                results = self.evaluate(batched)
                self.assertAllEqual([0] * batch_size, np.mod(results[0], 2))
                self.assertAllEqual([0] * batch_size, np.mod(results[1].values, 2))
                self.assertAllEqual([b"string"] * batch_size, results[2])
            with self.assertRaises(errors_impl.OutOfRangeError):
                self.evaluate(batched)
            for thread in threads:
                thread.join()

    @test_util.run_deprecated_v1
    def testSingleThreadKeepInput(self):
        self._testKeepInputHelper(1, False)

    @test_util.run_deprecated_v1
    def testSingleThreadKeepInputEnqueueMany(self):
        self._testKeepInputHelper(1, True)

    @test_util.run_deprecated_v1
    def testMultipleThreadKeepInput(self):
        self._testKeepInputHelper(5, False)

    @test_util.run_deprecated_v1
    def testSingleThreadKeepInputPerExample(self):
        self._testKeepInputHelper(1, True, keep_input_vector=True)

    @test_util.run_deprecated_v1
    def testSummaryAndCollections(self):
        inp.batch([1, 2], 3, capacity=17, name="b")
        self.assertEqual(["b/fraction_of_17_full"], [t.op.name for t in ops.get_collection(ops.GraphKeys.SUMMARIES)])
        (runner,) = ops.get_collection(ops.GraphKeys.QUEUE_RUNNERS)
        self.assertEqual("b/fifo_queue", runner.name)

    @test_util.run_deprecated_v1
    def testEmptyAndMixed(self):
        with self.assertRaisesRegex(ValueError, "Expected at least one tensor in batch"):
            inp.batch([], 3)
        with self.assertRaisesRegex(ValueError, "Expected at least one set of tensors"):
            inp.batch_join([], 3)
        with self.assertRaisesRegex(ValueError, "must have the same keys|same keys"):
            inp.batch_join([{"a": 1}, {"b": 1}], 3)
        with self.assertRaisesRegex(TypeError, "Expected types to be consistent: int32 vs. float32"):
            inp.batch_join([[1], [1.0]], 3)


if __name__ == "__main__":
    test.main()
