"""TensorArray: what may be written and read, shapes, errors."""

import tensorflow.python.ops.nn_grad  # noqa
from tensorflow.python.framework import constant_op, dtypes, errors, ops, tensor_shape, test_util
from tensorflow.python.ops import (  # noqa
    array_grad,
    array_ops,
    control_flow_grad,
    gen_data_flow_ops,
    math_grad,
    math_ops,
    state_grad,
    tensor_array_grad,
    tensor_array_ops,
    variable_v1,
)
from tensorflow.python.platform import test


@test_util.run_v1_only("ta")
class TensorArrayTest(test.TestCase):
    def ta(self, dtype=dtypes.float32, size=3, **kw):
        return tensor_array_ops.TensorArray(dtype=dtype, tensor_array_name="foo", size=size, **kw)

    def testWriteRead(self):
        with self.session() as sess:
            a = self.ta(infer_shape=False)
            w = a.write(0, [[4.0, 5.0]]).write(1, [[1.0]]).write(2, -3.0)
            r = [w.read(i) for i in range(3)]
            d = sess.run(r)
            self.assertAllEqual([[4.0, 5.0]], d[0])
            self.assertAllEqual([[1.0]], d[1])
            self.assertAllEqual(-3.0, d[2])

    def testWriteStack(self):
        with self.session() as sess:
            for t in (dtypes.float32, dtypes.float64, dtypes.int32, dtypes.int64, dtypes.complex64, dtypes.bool):
                a = self.ta(t)
                for i in range(3):
                    a = a.write(i, math_ops.cast([[i, i + 1]], t))
                self.assertEqual((3, 1, 2), sess.run(a.stack()).shape)

    def testStrings(self):
        with self.session() as sess:
            a = self.ta(dtypes.string).write(0, b"a").write(1, b"b").write(2, b"c")
            self.assertAllEqual([b"a", b"b", b"c"], sess.run(a.stack()))

    def testEmptyStack(self):
        with self.session() as sess:
            a = self.ta(size=0, element_shape=[2, 3])
            self.assertEqual((0, 2, 3), sess.run(a.stack()).shape)

    def testEmptyStackUnknown(self):
        with self.session() as sess:
            a = self.ta(size=0)
            with self.assertRaisesOpError("TensorArray has size zero, but element.*shape.* is not fully defined"):
                sess.run(a.stack())

    def testUnwrittenStackZeros(self):
        with self.session() as sess:
            a = self.ta(element_shape=[2]).write(1, [4.0, 5.0])
            self.assertAllEqual([[0.0, 0.0], [4.0, 5.0], [0.0, 0.0]], sess.run(a.stack()))

    def testUnwrittenReadUnknown(self):
        with self.session() as sess:
            a = self.ta(infer_shape=False).write(1, [4.0, 5.0])
            with self.assertRaisesOpError("Could not read from TensorArray index 0"):
                sess.run(a.read(0))

    def testUnwrittenReadKnown(self):
        with self.session() as sess:
            a = self.ta(element_shape=[2])
            self.assertAllEqual([0.0, 0.0], sess.run(a.write(1, [1.0, 2.0]).read(0)))

    def testConcat(self):
        with self.session() as sess:
            a = self.ta(infer_shape=False)
            a = (
                a.write(0, [[4.0, 5.0], [6.0, 7.0]])
                .write(1, [[1.0, 2.0]])
                .write(2, [[8.0, 9.0], [10.0, 11.0], [12.0, 13.0]])
            )
            self.assertAllEqual(
                [[4.0, 5.0], [6.0, 7.0], [1.0, 2.0], [8.0, 9.0], [10.0, 11.0], [12.0, 13.0]], sess.run(a.concat())
            )

    def testConcatScalar(self):
        with self.session() as sess:
            a = self.ta(size=2, infer_shape=False).write(0, 1.0).write(1, 2.0)
            with self.assertRaisesOpError("Concat saw a scalar shape at index 0 but requires at least vectors"):
                sess.run(a.concat())

    def testConcatShapes(self):
        with self.session() as sess:
            a = self.ta(size=2, infer_shape=False).write(0, [[1.0, 2.0]]).write(1, [[1.0, 2.0, 3.0]])
            with self.assertRaisesOpError("inconsistent shapes"):
                sess.run(a.concat())

    def testStackInconsistent(self):
        with self.session() as sess:
            a = self.ta(size=2, infer_shape=False).write(0, [1.0, 2.0]).write(1, [1.0, 2.0, 3.0])
            with self.assertRaisesOpError(
                "TensorArray has inconsistent shapes.  Index 0 has shape: \\[2\\] but index 1 has shape: \\[3\\]"
            ):
                sess.run(a.stack())

    def testUnstackRead(self):
        with self.session() as sess:
            a = self.ta().unstack([[1.0], [2.0], [3.0]])
            self.assertAllEqual([[3.0], [1.0]], sess.run([a.read(2), a.read(0)]))

    def testUnstackScalarRaises(self):
        with self.assertRaises((ValueError, errors.InvalidArgumentError)):
            self.ta().unstack(constant_op.constant(3.0))

    def testScatterGather(self):
        with self.session() as sess:
            a = self.ta(size=5, clear_after_read=False, element_shape=[1])
            a = a.scatter([4, 1], [[10.0], [20.0]])
            self.assertAllEqual([[20.0], [10.0]], sess.run(a.gather([1, 4])))

    def testScatterErrors(self):
        with self.session() as sess:
            with self.assertRaisesOpError("Max scatter index must be < array size|Tried to write to index"):
                sess.run(self.ta().scatter([7], [[1.0]]).flow)
            v = array_ops.placeholder_with_default([[1.0], [2.0]], [None, 1])
            with self.assertRaisesOpError("Expected len\\(indices\\) == values.shape\\[0\\]"):
                sess.run(self.ta().scatter([0], v).flow)

    def testSplit(self):
        with self.session() as sess:
            a = self.ta(infer_shape=False).split([[1.0], [2.0], [3.0], [4.0]], [1, 0, 3])
            r = sess.run([a.read(i) for i in range(3)])
            self.assertAllEqual([[1.0]], r[0])
            self.assertEqual((0, 1), r[1].shape)
            self.assertAllEqual([[2.0], [3.0], [4.0]], r[2])

    def testSplitErrors(self):
        with self.session() as sess:
            lengths = array_ops.placeholder(dtypes.int64)
            with self.assertRaisesOpError("Expected lengths to be a vector, received shape: \\[\\]"):
                sess.run(self.ta(infer_shape=False).split([1.0, 2.0, 3.0], lengths).flow, {lengths: 1})
            with self.assertRaisesOpError("Expected sum of lengths to be equal to values.shape\\[0\\]"):
                sess.run(self.ta(infer_shape=False).split([1.0, 2.0, 3.0], [1, 2, 3]).flow)
            with self.assertRaisesOpError("Expected value to be at least a vector"):
                sess.run(
                    self.ta(infer_shape=False).split(array_ops.placeholder_with_default(1.0, None), [1, 2, 3]).flow
                )
            with self.assertRaisesOpError("TensorArray's size is not equal to the size of lengths"):
                sess.run(self.ta(size=2, infer_shape=False).split([1.0, 2.0, 3.0], [1, 1, 1]).flow)

    def testWriteWrongIndex(self):
        with self.session() as sess:
            a = self.ta()
            with self.assertRaisesOpError("Tried to write to index -1 but array is not resizeable and size is: 3"):
                sess.run(a.write(-1, 3.0).flow)
            with self.assertRaisesOpError("Tried to write to index 3 but array is not resizeable and size is: 3"):
                sess.run(a.write(3, 3.0).flow)

    def testReadWrongIndex(self):
        with self.session() as sess:
            a = self.ta().unstack([1.0, 2.0, 3.0])
            with self.assertRaisesOpError("Tried to read from index -1 but array size is: 3"):
                sess.run(a.read(-1))
            with self.assertRaisesOpError("Tried to read from index 3 but array size is: 3"):
                sess.run(a.read(3))

    def testWriteTwice(self):
        with self.session() as sess:
            a = self.ta()
            with self.assertRaisesOpError(
                "Could not write to TensorArray index 2 because it has already been written to"
            ):
                sess.run(a.write(2, 3.0).write(2, 4.0).flow)

    def testReadTwice(self):
        with self.session() as sess:
            a = self.ta().write(1, 3.0)
            r0 = a.read(1)
            with ops.control_dependencies([r0]):
                r1 = a.read(1)
            with self.assertRaisesOpError("Could not read index 1 twice because it was cleared after a previous read"):
                sess.run([r0, r1])

    def testReadTwiceKept(self):
        with self.session() as sess:
            a = self.ta(clear_after_read=False).write(1, 3.0)
            r0 = a.read(1)
            with ops.control_dependencies([r0]):
                r1 = a.read(1)
            self.assertEqual([3.0, 3.0], sess.run([r0, r1]))

    def testWriteAfterRead(self):
        with self.session() as sess:
            a = self.ta().write(1, 3.0)
            r0 = a.read(1)
            with ops.control_dependencies([r0]):
                w = a.write(1, 4.0)
            with self.assertRaisesOpError("it has already been read"):
                sess.run(w.flow)

    def testWrongDtype(self):
        with self.assertRaises((TypeError, ValueError, errors.OpError)):
            self.ta(dtypes.float32).write(0, "wrong")
            raise ValueError("TensorFlow logs it only")

    def testReadWrongDtype(self):
        with self.session() as sess:
            a = self.ta().write(0, 1.0)
            r = gen_data_flow_ops.tensor_array_read_v3(handle=a.handle, index=0, dtype=dtypes.int64, flow_in=a.flow)
            with self.assertRaisesOpError("TensorArray dtype is float but Op requested dtype int64"):
                sess.run(r)

    def testWriteWrongDtypeRaw(self):
        with self.session() as sess:
            a = self.ta()
            w = gen_data_flow_ops.tensor_array_write_v3(
                handle=a.handle, index=0, value=constant_op.constant(1), flow_in=a.flow
            )
            with self.assertRaisesOpError("TensorArray dtype is float but Op is trying to write dtype int32"):
                sess.run(w)

    def testInferShape(self):
        a = self.ta().write(0, [1.0, 2.0])
        self.assertEqual([2], a.read(0).get_shape().as_list())
        with self.assertRaisesRegex(ValueError, "Inconsistent shapes: saw \\(1,\\) but expected \\(2,\\)"):
            a.write(1, [1.0])

    def testElementShape(self):
        a = self.ta(element_shape=tensor_shape.TensorShape([None, 2]))
        self.assertEqual([None, 2], a.element_shape.as_list())
        self.assertEqual([None, 2], a.read(0).get_shape().as_list())
        with self.assertRaisesRegex(ValueError, "Inconsistent shapes"):
            a.write(0, [[1.0, 2.0, 3.0]])
        b = a.write(0, [[1.0, 2.0]])
        self.assertEqual([1, 2], b.element_shape.as_list())

    def testStaticShapes(self):
        a = self.ta(size=4).unstack(array_ops.ones([4, 5]))
        self.assertEqual([4, 5], a.stack().get_shape().as_list())
        self.assertEqual([None, 5], a.gather([1, 2]).get_shape().as_list())
        self.assertEqual([20], a.concat().get_shape().as_list())
        b = self.ta(size=4, dynamic_size=True).unstack(array_ops.ones([4, 5]))
        self.assertEqual([None, 5], b.stack().get_shape().as_list())

    def testWriteWrongShapeRun(self):
        with self.session() as sess:
            p = array_ops.placeholder(dtypes.float32, None)
            a = self.ta(element_shape=[2]).write(0, p)
            with self.assertRaisesOpError(
                "Could not write to TensorArray index 0 because the value shape is \\[3\\] which is incompatible with the TensorArray's inferred element shape: \\[2\\]"
            ):
                sess.run(a.flow, {p: [1.0, 2.0, 3.0]})

    def testDynamicSize(self):
        with self.session() as sess:
            a = self.ta(size=0, dynamic_size=True)
            s0 = a.size()
            b = a.write(6, 3.0)
            self.assertTrue(b.dynamic_size)
            self.assertEqual([0, 7], [sess.run(s0), sess.run(b.size())])

    def testSize(self):
        with self.session() as sess:
            self.assertEqual(3, sess.run(self.ta().size()))
            n = array_ops.placeholder(dtypes.int32, [])
            self.assertEqual(9, sess.run(self.ta(size=n).size(), {n: 9}))

    def testSizeErrors(self):
        with self.session() as sess:
            with self.assertRaises((errors.InvalidArgumentError, ValueError)):
                sess.run(self.ta(size=[1, 2]).flow)
            with self.assertRaisesOpError("Size should be >= 0"):
                sess.run(self.ta(size=-1).flow)

    def testClose(self):
        with self.session() as sess:
            a = self.ta()
            c = a.close()
            sess.run(c)
            with ops.control_dependencies([c]):
                w = a.write(0, 3.0)
            with self.assertRaisesOpError("has already been closed"):
                sess.run(w.flow)

    def testIdentity(self):
        with self.session() as sess:
            v = variable_v1.VariableV1(0.0, use_resource=False)
            a = self.ta().write(0, 1.0)
            with ops.control_dependencies([v.assign_add(1.0)]):
                b = a.identity()
            sess.run(v.initializer)
            self.assertEqual(1.0, sess.run(b.read(0)))
            self.assertEqual(1.0, sess.run(v))
            self.assertEqual(b.dtype, a.dtype)

    def testConstructorErrors(self):
        with self.assertRaisesRegex(ValueError, "`size` must be provided"):
            tensor_array_ops.TensorArray(dtypes.float32)
        a = self.ta()
        for kw, what in (
            (dict(tensor_array_name="x"), "tensor_array_name"),
            (dict(size=3), "size"),
            (dict(element_shape=[1]), "element_shape"),
            (dict(dynamic_size=True), "dynamic_size"),
            (dict(clear_after_read=True), "clear_after_read"),
        ):
            with self.assertRaisesRegex(ValueError, what):
                tensor_array_ops.TensorArray(dtypes.float32, handle=a.handle, flow=a.flow, **kw)
        with self.assertRaisesRegex(TypeError, "to be a Tensor"):
            tensor_array_ops.TensorArray(dtypes.float32, handle="x", flow=a.flow)
        with self.assertRaisesRegex(ValueError, "flow must not be None"):
            tensor_array_ops.TensorArray(dtypes.float32, handle=a.handle)

    def testFromHandle(self):
        with self.session() as sess:
            a = self.ta().unstack([1.0, 2.0, 3.0])
            b = tensor_array_ops.TensorArray(dtypes.float32, handle=a.handle, flow=a.flow)
            self.assertEqual(2.0, sess.run(b.read(1)))
            self.assertEqual(3, sess.run(b.size()))

    def testHandleAndFlow(self):
        a = self.ta()
        self.assertEqual(dtypes.resource, a.handle.dtype)
        self.assertEqual(dtypes.float32, a.flow.dtype)
        self.assertEqual("TensorArrayV3", a.handle.op.type)
        self.assertEqual([], a.flow.get_shape().as_list())
        w = a.write(0, 1.0)
        self.assertEqual("TensorArrayWriteV3", w.flow.op.type)
        self.assertIs(w.handle, a.handle)

    def testNames(self):
        with ops.Graph().as_default() as g:
            a = tensor_array_ops.TensorArray(dtypes.float32, size=3)
            w = a.write(0, 1.0)
            w.read(0)
            w.stack()
            names = [o.name for o in g.get_operations()]
            for n in (
                "TensorArray",
                "TensorArrayWrite/TensorArrayWriteV3",
                "TensorArrayReadV3",
                "TensorArrayStack/TensorArrayGatherV3",
            ):
                self.assertIn(n, names)


if __name__ == "__main__":
    test.main()
