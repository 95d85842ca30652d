"""Accumulators of dense and of sparse gradients."""

import time

import numpy as np
import tensorflow.compat.v1 as variables_v1
from tensorflow.python.framework import constant_op, errors_impl, indexed_slices, ops, tensor_shape, test_util
from tensorflow.python.framework import dtypes as dtypes_lib
from tensorflow.python.ops import array_ops, data_flow_ops, variables
from tensorflow.python.platform import test


class ConditionalAccumulatorTest(test.TestCase):
    def testConstructorWithInvalidArg(self):
        with ops.Graph().as_default():
            with self.assertRaises(ValueError):
                data_flow_ops.ConditionalAccumulator(dtypes_lib.float32, name="Q", reduction_type="Invalid")

    @test_util.run_deprecated_v1
    def testNodeDef(self):
        with ops.Graph().as_default():
            q = data_flow_ops.ConditionalAccumulator(dtypes_lib.float32, name="Q")
            self.assertProtoEquals(
                """
      name:'Q' op:'ResourceConditionalAccumulator'
      attr { key: 'dtype' value { type: DT_FLOAT } }
      attr { key: 'shape' value { shape { unknown_rank: true} } }
      attr { key: 'container' value { s: '' } }
      attr { key: 'shared_name' value { s: '' } }
      attr { key: 'reduction_type' value {s: 'MEAN'} }
      """,
                q.accumulator_ref.op.node_def,
            )
            q = data_flow_ops.ConditionalAccumulator(
                dtypes_lib.float32, name="R", shape=tensor_shape.TensorShape([1, 5, 2, 8]), reduction_type="SUM"
            )
            self.assertProtoEquals(
                """
      name:'R' op:'ResourceConditionalAccumulator'
      attr { key: 'dtype' value { type: DT_FLOAT } }
      attr { key: 'shape' value { shape { dim {size: 1 } dim {size: 5 } dim {size: 2 } dim {size: 8 } } } }
      attr { key: 'container' value { s: '' } }
      attr { key: 'shared_name' value { s: '' } }
      attr { key: 'reduction_type' value {s: 'SUM'} }
      """,
                q.accumulator_ref.op.node_def,
            )
            self.assertEqual(("R", dtypes_lib.float32), (q.name, q.dtype))
            self.assertEqual("R_NumAccumulated", q.num_accumulated().op.name)

    @test_util.run_deprecated_v1
    def testInScope(self):
        with ops.name_scope("s"):
            q = data_flow_ops.ConditionalAccumulator(dtypes_lib.float32, name="Q")
            self.assertEqual("Q", q.name)
            self.assertEqual("s/Q", q.accumulator_ref.op.name)
            self.assertEqual("s/Q_NumAccumulated", q.num_accumulated().op.name)

    @test_util.run_deprecated_v1
    def testAccumulatorSizeEmptyAndSetGlobalStep(self):
        with self.cached_session():
            q = data_flow_ops.ConditionalAccumulator(dtypes_lib.float32, name="Q", shape=tensor_shape.TensorShape([1]))
            self.assertEqual(q.num_accumulated().eval(), 0)
            q.set_global_step(1).run()
            q.apply_grad((10.0,), local_step=0).run()
            self.assertEqual(q.num_accumulated().eval(), 0)
            q.apply_grad((10.0,), local_step=1).run()
            self.assertEqual(q.num_accumulated().eval(), 1)

    @test_util.run_deprecated_v1
    def testApplyGradFloat32(self):
        with self.cached_session():
            q = data_flow_ops.ConditionalAccumulator(dtypes_lib.float32, name="Q", shape=tensor_shape.TensorShape([1]))
            q.apply_grad((10.0,)).run()

    @test_util.run_deprecated_v1
    def testDtypes(self):
        with self.cached_session():
            for i, dtype in enumerate([dtypes_lib.float16, dtypes_lib.float32, dtypes_lib.float64]):
                q = data_flow_ops.ConditionalAccumulator(dtype, shape=tensor_shape.TensorShape([1]))
                elems = np.arange(10).astype(dtype.as_numpy_dtype)
                for e in elems:
                    q.apply_grad((e,)).run()
                result = self.evaluate(q.take_grad(1))
                self.assertEqual(sum(elems) / len(elems), result)

    @test_util.run_deprecated_v1
    def testAccumulatorMultipleAccumulators(self):
        with self.cached_session():
            qs = [
                data_flow_ops.ConditionalAccumulator(d, name="Q", shape=tensor_shape.TensorShape([1]))
                for d in [dtypes_lib.float32, dtypes_lib.float32, dtypes_lib.float16, dtypes_lib.float64]
            ]
            for i in range(len(qs)):
                qs[i].apply_grad((i + 10.0,)).run()
            for i in range(len(qs)):
                result = qs[i].take_grad(1).eval()
                self.assertEqual(result, i + 10.0)

    @test_util.run_deprecated_v1
    def testAccumulatorTakeGradMeanAndStep(self):
        with self.cached_session():
            q = data_flow_ops.ConditionalAccumulator(dtypes_lib.float32, name="Q", shape=tensor_shape.TensorShape([1]))
            elems = [10.0, 20.0]
            accum_ops = [q.apply_grad((x,), local_step=i) for i, x in enumerate(elems)]
            takeg_t = q.take_grad(constant_op.constant(1))
            for accum_op in accum_ops:
                accum_op.run()
            self.assertEqual(15.0, self.evaluate(takeg_t))
            accum_ops = [q.apply_grad((x,), local_step=1) for x in elems]
            for accum_op in accum_ops:
                accum_op.run()
            self.assertEqual(15.0, self.evaluate(takeg_t))

    @test_util.run_deprecated_v1
    def testTakeGradSum(self):
        with self.cached_session():
            q = data_flow_ops.ConditionalAccumulator(
                dtypes_lib.float32, shape=tensor_shape.TensorShape([1]), reduction_type="SUM"
            )
            for x in (10.0, 20.0):
                q.apply_grad((x,)).run()
            self.assertEqual(30.0, self.evaluate(q.take_grad(2)))

    @test_util.run_deprecated_v1
    def testInvalidTakeGrad(self):
        with self.cached_session():
            q = data_flow_ops.ConditionalAccumulator(dtypes_lib.float32, name="Q", shape=tensor_shape.TensorShape([1]))
            q.apply_grad((10.0,)).run()
            with self.assertRaises(errors_impl.InvalidArgumentError):
                self.evaluate(q.take_grad(-1))

    @test_util.run_deprecated_v1
    def testApplyGradWithWrongShape(self):
        q = data_flow_ops.ConditionalAccumulator(dtypes_lib.float32, name="Q", shape=(3, 2))
        with self.assertRaises(ValueError):
            q.apply_grad([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])

    @test_util.run_deprecated_v1
    def testDynamicShape(self):
        with self.cached_session() as sess:
            q = data_flow_ops.ConditionalAccumulator(dtypes_lib.float32, name="Q", shape=None)
            x = array_ops.placeholder(dtypes_lib.float32)
            accum_op = q.apply_grad(x)
            sess.run(accum_op, feed_dict={x: [[10.0, 20.0]]})
            with self.assertRaises(errors_impl.InvalidArgumentError):
                sess.run(accum_op, feed_dict={x: [[10.0], [20.0]]})
            self.assertAllEqual([[10.0, 20.0]], sess.run(q.take_grad(1)))

    @test_util.run_deprecated_v1
    def testVariableTimeStep(self):
        with self.cached_session():
            q = data_flow_ops.ConditionalAccumulator(dtypes_lib.float32, name="Q")
            step = variables_v1.Variable(0, name="step")
            self.evaluate(variables.global_variables_initializer())
            q.apply_grad(1.0, local_step=step).run()
            q.set_global_step(step).run()
            step.assign(5).eval()
            q.set_global_step(step).run()
            q.apply_grad(7.0, local_step=4).run()
            self.assertEqual(1.0, q.take_grad(1).eval())
            q.apply_grad(7.0, local_step=5).run()
            self.assertEqual(0, q.num_accumulated().eval())
            q.apply_grad(7.0, local_step=6).run()
            self.assertEqual(1, q.num_accumulated().eval())

    @test_util.run_deprecated_v1
    def testParallelApplyGradAndBlockingTake(self):
        with self.cached_session():
            q = data_flow_ops.ConditionalAccumulator(dtypes_lib.float32, name="Q", shape=tensor_shape.TensorShape([1]))
            elems = [float(i) for i in range(10)]
            accum_ops = [q.apply_grad((x,), local_step=0) for x in elems]
            takeg_t = q.take_grad(10)
            results = []

            def take():
                results.append(self.evaluate(takeg_t))

            def apply_grad(op):
                self.evaluate(op)

            threads = [self.checkedThread(take)] + [self.checkedThread(apply_grad, args=(o,)) for o in accum_ops]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            self.assertEqual([sum(elems) / len(elems)], results)

    @test_util.run_deprecated_v1
    def testCancelledTake(self):
        with self.session() as sess:
            q = data_flow_ops.ConditionalAccumulator(dtypes_lib.float32, name="Q", shape=tensor_shape.TensorShape([1]))
            takeg_t = q.take_grad(3)

            def blocked():
                with self.assertRaisesOpError("TakeGrad operation was cancelled"):
                    sess.run(takeg_t)

            t = self.checkedThread(blocked)
            t.start()
            time.sleep(0.02)
            sess.close()
            t.join()

    @test_util.run_deprecated_v1
    def testShared(self):
        with self.cached_session():
            a = data_flow_ops.ConditionalAccumulator(dtypes_lib.float32, shape=[1], shared_name="acc")
            b = data_flow_ops.ConditionalAccumulator(dtypes_lib.float32, shape=[1], shared_name="acc")
            a.apply_grad([3.0]).run()
            self.assertEqual(1, b.num_accumulated().eval())
            self.assertAllEqual([3.0], b.take_grad(1).eval())

    @test_util.run_deprecated_v1
    def testFetchHandleShape(self):
        with self.cached_session():
            a = data_flow_ops.ConditionalAccumulator(dtypes_lib.float32, shape=[2])
            self.assertEqual([2], a.take_grad(1).shape.as_list())
            self.assertEqual(dtypes_lib.resource, a.accumulator_ref.dtype)


class SparseConditionalAccumulatorTest(test.TestCase):
    def assertSlices(self, expected, val):
        self.assertAllEqual(expected.indices, val.indices)
        self.assertAllClose(expected.values, val.values)
        if expected.dense_shape is not None:
            self.assertAllEqual(expected.dense_shape, val.dense_shape)

    @test_util.run_deprecated_v1
    def testConstructor(self):
        with ops.Graph().as_default():
            q = data_flow_ops.SparseConditionalAccumulator(dtypes_lib.float32, name="Q")
        self.assertProtoEquals(
            """
      name:'Q' op:'SparseConditionalAccumulator'
      attr { key: 'dtype' value { type: DT_FLOAT } }
      attr { key: 'shape' value { shape { unknown_rank: true} } }
      attr { key: 'container' value { s: '' } }
      attr { key: 'shared_name' value { s: '' } }
      attr { key: 'reduction_type' value {s: 'MEAN'} }
      """,
            q.accumulator_ref.op.node_def,
        )

    @test_util.run_deprecated_v1
    def testAccumulateAndTake(self):
        with self.cached_session():
            q = data_flow_ops.SparseConditionalAccumulator(dtypes_lib.float32, name="Q", shape=())
            q.apply_indexed_slices_grad(
                indexed_slices.IndexedSlices(indices=[0, 2], values=np.array([[0, 0, 1], [3, 0, 4]]).astype(np.float32))
            ).run()
            q.apply_indexed_slices_grad(
                indexed_slices.IndexedSlices(
                    indices=[0, 1], values=np.array([[10, 0, 1], [2, 2, 2]]).astype(np.float32)
                )
            ).run()
            self.assertEqual(q.num_accumulated().eval(), 2)
            val = self.evaluate(q.take_indexed_slices_grad(1))
            self.assertAllEqual(val.indices, [0, 1, 2])
            self.assertAllClose([[5, 0, 1], [2, 2, 2], [3, 0, 4]], val.values)

    @test_util.run_deprecated_v1
    def testSum(self):
        with self.cached_session() as sess:
            q = data_flow_ops.SparseConditionalAccumulator(dtypes_lib.float32, shape=[3, 1], reduction_type="SUM")
            q.apply_grad([0, 2], [[1.0], [2.0]], [3, 1]).run()
            q.apply_grad([1, 2], [[2.0], [1.0]]).run()
            i, v, s = sess.run(q.take_grad(2))
            self.assertAllEqual([0, 1, 2], i)
            self.assertAllClose([[1.0], [2.0], [3.0]], v)
            self.assertAllEqual([3, 1], s)

    @test_util.run_deprecated_v1
    def testTakeNamed(self):
        q = data_flow_ops.SparseConditionalAccumulator(dtypes_lib.float32, shape=[3, 1])
        t = q.take_grad(1)
        self.assertIs(t.indices, t[0])
        self.assertIs(t.values, t[1])
        self.assertIs(t.shape, t[2])

    @test_util.run_deprecated_v1
    def testInvalidIndices(self):
        with self.cached_session():
            q = data_flow_ops.SparseConditionalAccumulator(dtypes_lib.float32, shape=[3, 3])
            for text, idx, vals in [
                ("Shape must be rank 1|Input indices should be vector", [[0, 1]], [[0.0, 1.0, 1.0]]),
                (
                    "non-empty|Expected input_tensor|Values cannot be 0-dimensional|must be at least|Shape must be",
                    [0],
                    3.0,
                ),
                ("Expected shape|Shape mismatch|expected|dimension|Indices should", [0, 1], [[1.0, 1.0, 1.0]]),
            ]:
                with self.assertRaises((errors_impl.InvalidArgumentError, ValueError)):
                    q.apply_grad(idx, np.array(vals, np.float32)).run()

    @test_util.run_deprecated_v1
    def testShapeMismatch(self):
        with self.cached_session():
            q = data_flow_ops.SparseConditionalAccumulator(dtypes_lib.float32, shape=[3, 3])
            with self.assertRaisesRegex(
                errors_impl.InvalidArgumentError, "Shape mismatch: expected shape rank at least 2, got 1"
            ):
                q.apply_grad([0], np.array([[1.0, 1.0, 1.0]], np.float32), [3]).run()
            with self.assertRaisesRegex(
                errors_impl.InvalidArgumentError, "Shape mismatch: expected shape dim 1 to be 3, got 2"
            ):
                q.apply_grad([0], np.array([[1.0, 1.0]], np.float32), [3, 2]).run()
            with self.assertRaisesRegex(
                errors_impl.InvalidArgumentError, "index of slice.*is out of range|Shape mismatch"
            ):
                q.apply_grad([0, 4], np.array([[1.0, 1.0]] * 2, np.float32), [5, 3]).run()

    @test_util.run_deprecated_v1
    def testSteps(self):
        with self.cached_session():
            q = data_flow_ops.SparseConditionalAccumulator(dtypes_lib.float32, shape=[2, 1])
            q.set_global_step(2).run()
            q.apply_grad([0], [[1.0]], local_step=1).run()
            self.assertEqual(0, q.num_accumulated().eval())
            q.apply_grad([0], [[1.0]], local_step=2).run()
            self.assertEqual(1, q.num_accumulated().eval())
            with self.assertRaisesOpError("Argument num_required must be positive"):
                q.take_grad(0)[0].eval()

    @test_util.run_deprecated_v1
    def testBlocking(self):
        with self.cached_session():
            q = data_flow_ops.SparseConditionalAccumulator(dtypes_lib.float32, shape=[2, 1])
            take, put, results = q.take_indexed_slices_grad(2), q.apply_grad([1], [[4.0]]), []

            def run():
                results.append(self.evaluate(take))

            t = self.checkedThread(run)
            t.start()
            put.run()
            time.sleep(0.02)
            self.assertEqual([], results)
            put.run()
            t.join()
            self.assertSlices(
                indexed_slices.IndexedSlices(
                    values=np.array([[4.0]]), indices=np.array([1]), dense_shape=np.array([2, 1])
                ),
                results[0],
            )


if __name__ == "__main__":
    test.main()
