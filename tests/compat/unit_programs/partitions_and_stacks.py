"""Rows dealt out and put together again, and stacks."""

import numpy as np
from tensorflow.python.framework import constant_op, dtypes, errors_impl, ops, test_util
from tensorflow.python.ops import array_ops, data_flow_ops, gen_data_flow_ops, gradients_impl, math_ops
from tensorflow.python.platform import test


class DynamicPartitionTest(test.TestCase):
    @test_util.run_deprecated_v1
    def testSimpleOneDimensional(self):
        with self.session():
            data = constant_op.constant([0, 13, 2, 39, 4, 17], dtype=dtypes.float32)
            indices = constant_op.constant([0, 0, 2, 3, 2, 1])
            partitions = data_flow_ops.dynamic_partition(data, indices, num_partitions=4)
            vals = self.evaluate(partitions)
            self.assertEqual(4, len(vals))
            self.assertAllEqual([0, 13], vals[0])
            self.assertAllEqual([17], vals[1])
            self.assertAllEqual([2, 4], vals[2])
            self.assertAllEqual([39], vals[3])
            self.assertEqual([None], partitions[0].get_shape().as_list())

    @test_util.run_deprecated_v1
    def testTwoDimensionalAndEmptyParts(self):
        with self.session():
            data = constant_op.constant(np.arange(12).reshape(6, 2), dtypes.float32)
            partitions = data_flow_ops.dynamic_partition(data, [0, 0, 4, 4, 0, 4], num_partitions=6)
            vals = self.evaluate(partitions)
            self.assertEqual([3, 0, 0, 0, 3, 0], [len(v) for v in vals])
            self.assertAllEqual([[0, 1], [2, 3], [8, 9]], vals[0])
            self.assertEqual([None, 2], partitions[0].get_shape().as_list())

    @test_util.run_deprecated_v1
    def testHigherRankAndGradient(self):
        rng = np.random.RandomState(7)
        with self.session():
            for n in 2, 3:
                for shape in (4,), (4, 5), (4, 5, 2):
                    partitions = rng.randint(n, size=np.prod(shape)).reshape(shape)
                    for extra in (), (6,), (6, 7):
                        data = rng.randn(*(shape + extra))
                        pt = constant_op.constant(partitions, dtypes.int32)
                        dt = constant_op.constant(data)
                        outputs = data_flow_ops.dynamic_partition(dt, pt, n)
                        self.assertEqual(n, len(outputs))
                        for i, (t, v) in enumerate(zip(outputs, self.evaluate(outputs))):
                            self.assertAllEqual(data[partitions == i], v)
                        grads = gradients_impl.gradients([math_ops.square(o) for o in outputs], dt)[0]
                        self.assertAllClose(2 * data, self.evaluate(grads))

    @test_util.run_deprecated_v1
    def testScalar(self):
        with self.session():
            parts = self.evaluate(data_flow_ops.dynamic_partition(7.0, 1, 3))
            self.assertEqual([[], [7.0], []], [p.tolist() for p in parts])

    @test_util.run_deprecated_v1
    def testErrorIndexOutOfRange(self):
        with self.cached_session():
            data = constant_op.constant([[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11], [12, 13, 14]])
            partitions = data_flow_ops.dynamic_partition(data, constant_op.constant([0, 2, 99, 2, 2]), num_partitions=4)
            with self.assertRaisesOpError(r"partitions\[2\] = 99 is not in \[0, 4\)"):
                self.evaluate(partitions)

    @test_util.run_deprecated_v1
    def testScalarIndexOutOfRange(self):
        with self.cached_session():
            partitions = data_flow_ops.dynamic_partition(2.0, 17, 7)
            with self.assertRaisesOpError(r"partitions.*17 is not in \[0, 7\)"):
                self.evaluate(partitions)

    @test_util.run_deprecated_v1
    def testErrorWrongDimsIndices(self):
        data = constant_op.constant([[0], [1], [2]])
        indices = constant_op.constant([[0], [0]])
        with self.assertRaises(ValueError):
            data_flow_ops.dynamic_partition(data, indices, num_partitions=4)
        with self.assertRaises(ValueError):
            data_flow_ops.dynamic_partition(data, [0, 0, 0], num_partitions=0)


class DynamicStitchTest(test.TestCase):
    def _both(self):
        return (data_flow_ops.dynamic_stitch, data_flow_ops.parallel_dynamic_stitch)

    @test_util.run_deprecated_v1
    def testScalar(self):
        with self.session():
            for stitch in self._both():
                indices = [constant_op.constant(0), constant_op.constant(1)]
                data = [constant_op.constant(40.0), constant_op.constant(60.0)]
                for step in -1, 1:
                    stitched_t = stitch(indices[::step], data)
                    self.assertAllEqual([40.0, 60.0][::step], self.evaluate(stitched_t))
                    self.assertEqual([2], stitched_t.get_shape().as_list())

    @test_util.run_deprecated_v1
    def testTwoDimensional(self):
        with self.session():
            for stitch in self._both():
                indices = [
                    constant_op.constant([0, 4, 7]),
                    constant_op.constant([1, 6]),
                    constant_op.constant([2, 3, 5]),
                ]
                data = [
                    constant_op.constant([[0, 1], [40, 41], [70, 71]]),
                    constant_op.constant([[10, 11], [60, 61]]),
                    constant_op.constant([[20, 21], [30, 31], [50, 51]]),
                ]
                t = stitch(indices, data)
                self.assertAllEqual([[10 * i, 10 * i + 1] for i in range(8)], self.evaluate(t))
                self.assertEqual([8, 2], t.get_shape().as_list())

    @test_util.run_deprecated_v1
    def testUnknownIndices(self):
        for stitch in self._both():
            t = stitch(
                [array_ops.placeholder(dtypes.int32), constant_op.constant([1])],
                [array_ops.placeholder(dtypes.float32), constant_op.constant([[1.0, 2.0]])],
            )
            self.assertEqual([None, 2], t.get_shape().as_list())

    @test_util.run_deprecated_v1
    def testHigherRankGradients(self):
        with self.session():
            for stitch in self._both():
                indices = [
                    constant_op.constant(6),
                    constant_op.constant([4, 1]),
                    constant_op.constant([[5, 2], [0, 3]]),
                ]
                data = [
                    constant_op.constant([61.0, 62.0]),
                    constant_op.constant([[41.0, 42.0], [11.0, 12.0]]),
                    constant_op.constant([[[51.0, 52.0], [21.0, 22.0]], [[1.0, 2.0], [31.0, 32.0]]]),
                ]
                t = stitch(indices, data)
                self.assertAllEqual(10.0 * np.arange(7)[:, None] + [1.0, 2.0], self.evaluate(t))
                grad = 7 * self.evaluate(t)
                grads = gradients_impl.gradients(t, indices + data, constant_op.constant(grad, dtypes.float32))
                self.assertEqual(grads[:3], [None] * 3)  # Indices have no gradients
                for d, g in zip(data, grads[3:]):
                    self.assertAllEqual(7.0 * d.eval(), g.eval())

    @test_util.run_deprecated_v1
    def testErrors(self):
        for stitch in self._both():
            with self.assertRaisesRegex(ValueError, "Shape must be|does not start with|must be equal|dimension"):
                stitch([constant_op.constant([0, 1, 2])], [constant_op.constant([0.0, 1.0])])
            with self.assertRaises(ValueError):
                stitch(
                    [constant_op.constant([0]), constant_op.constant([1])],
                    [constant_op.constant([[1.0]]), constant_op.constant([2.0])],
                )
            with self.assertRaisesRegex(ValueError, "with length 0 shorter than minimum length 1"):
                stitch([], [])

    @test_util.run_deprecated_v1
    def testEmpty(self):
        with self.session():
            t = data_flow_ops.dynamic_stitch(
                [constant_op.constant([], dtypes.int32)] * 2, [array_ops.zeros([0, 3])] * 2
            )
            self.assertEqual((0, 3), self.evaluate(t).shape)

    @test_util.run_deprecated_v1
    def testLaterWins(self):
        with self.session():
            self.assertAllEqual([3, 2], data_flow_ops.dynamic_stitch([[0, 1], [0]], [[1, 2], [3]]).eval())

    @test_util.run_deprecated_v1
    def testNegativeIndex(self):
        with self.cached_session() as sess:
            hole = array_ops.placeholder(dtypes.int32)
            with self.assertRaisesRegex(errors_impl.InvalidArgumentError, "indices"):
                sess.run(data_flow_ops.dynamic_stitch([hole], [[1.0]]), {hole: [-2]})

    @test_util.run_deprecated_v1
    def testPartitionAndStitchRoundTrip(self):
        with self.session():
            x = constant_op.constant([0.1, -1.0, 5.2, 4.3, -1.0, 7.4])
            mask = math_ops.cast(math_ops.not_equal(x, -1.0), dtypes.int32)
            parts = data_flow_ops.dynamic_partition(x, mask, 2)
            parts[1] = parts[1] + 1.0
            where = data_flow_ops.dynamic_partition(math_ops.range(6), mask, 2)
            self.assertAllClose([1.1, -1.0, 6.2, 5.3, -1.0, 8.4], data_flow_ops.dynamic_stitch(where, parts).eval())


class StackOpTest(test.TestCase):
    @test_util.run_deprecated_v1
    def testPushPop(self):
        with self.cached_session():
            h = gen_data_flow_ops.stack_v2(-1, elem_type=dtypes.float32, stack_name="foo")
            c = gen_data_flow_ops.stack_push_v2(h, [[4.0, 5.0]])
            with ops.control_dependencies([c]):
                c1 = gen_data_flow_ops.stack_pop_v2(h, dtypes.float32)
            self.assertAllClose([[4.0, 5.0]], self.evaluate(c1))

    @test_util.run_deprecated_v1
    def testSwap(self):
        with self.cached_session():
            a = np.arange(2000)
            x = constant_op.constant(a, dtype=dtypes.float32)
            h = gen_data_flow_ops.stack_v2(-1, elem_type=dtypes.float32, stack_name="foo")
            c = gen_data_flow_ops.stack_push_v2(h, x, swap_memory=True)
            with ops.control_dependencies([c]):
                c1 = gen_data_flow_ops.stack_pop_v2(h, dtypes.float32)
            self.assertAllClose(a, self.evaluate(c1))

    @test_util.run_deprecated_v1
    def testMultiStackAndSameName(self):
        with self.cached_session():
            h1 = gen_data_flow_ops.stack_v2(-1, elem_type=dtypes.float32, stack_name="foo")
            c1 = gen_data_flow_ops.stack_push_v2(h1, 4.0)
            h2 = gen_data_flow_ops.stack_v2(-1, elem_type=dtypes.float32, stack_name="foo")
            c2 = gen_data_flow_ops.stack_push_v2(h2, 5.0)
            with ops.control_dependencies([c1, c2]):
                r = gen_data_flow_ops.stack_pop_v2(h1, dtypes.float32) + gen_data_flow_ops.stack_pop_v2(
                    h2, dtypes.float32
                )
            self.assertAllClose(9.0, self.evaluate(r))

    @test_util.run_deprecated_v1
    def testClose(self):
        with self.cached_session() as sess:
            h = gen_data_flow_ops.stack_v2(-1, elem_type=dtypes.float32, stack_name="foo")
            c1 = gen_data_flow_ops.stack_close_v2(h)
            sess.run(c1)

    @test_util.run_deprecated_v1
    def testPopEmptyAndFull(self):
        with self.cached_session() as sess:
            h = gen_data_flow_ops.stack_v2(1, elem_type=dtypes.float32, stack_name="foo")
            with self.assertRaisesRegex(errors_impl.InvalidArgumentError, "empty"):
                sess.run(gen_data_flow_ops.stack_pop_v2(h, dtypes.float32))


if __name__ == "__main__":
    test.main()
