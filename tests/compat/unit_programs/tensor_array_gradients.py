"""TensorArray: gradients, loops and branches."""

import numpy as np
import tensorflow.python.ops.nn_grad  # noqa
from tensorflow.python.framework import constant_op, dtypes, ops, test_util
from tensorflow.python.ops import (  # noqa
    array_grad,
    array_ops,
    array_ops_stack,
    control_flow_grad,
    control_flow_ops,
    data_flow_ops,
    gen_data_flow_ops,
    gradients_impl,
    init_ops,
    list_ops,
    math_grad,
    math_ops,
    random_ops,
    resource_variable_ops,
    state_grad,
    state_ops,
    tensor_array_grad,
    tensor_array_ops,
    variable_scope,
    variable_v1,
    variables,
)
from tensorflow.python.ops import (
    cond as tf_cond,
)
from tensorflow.python.ops import (
    while_loop as while_loop_tf,
)
from tensorflow.python.platform import test


@test_util.run_v1_only("ta")
class TensorArrayGradientTest(test.TestCase):
    def ta(self, dtype=dtypes.float32, size=3, **kw):
        return tensor_array_ops.TensorArray(dtype=dtype, tensor_array_name="foo", size=size, **kw)

    def testGradWriteRead(self):
        with self.session() as sess:
            a = self.ta()
            v0 = constant_op.constant([[4.0, 5.0]])
            v1 = constant_op.constant([[1.0, 2.0]])
            w = a.write(0, v0).write(1, v1)
            r0 = w.read(0)
            r1 = w.read(1)
            g = gradients_impl.gradients([r0, r1], [v0, v1], grad_ys=[[[2.0, 3.0]], [[1.0, 1.0]]])
            self.assertAllEqual([[[2.0, 3.0]], [[1.0, 1.0]]], sess.run(g))

    def testGradReadTwice(self):
        with self.session() as sess:
            a = self.ta(clear_after_read=False)
            v = constant_op.constant([3.0, -4.0])
            w = a.write(0, v)
            r = w.read(0)
            s = w.read(0)
            g = gradients_impl.gradients([r, s], v, grad_ys=[[1.0, 2.0], [10.0, 20.0]])[0]
            self.assertAllEqual([11.0, 22.0], sess.run(g))

    def testGradStack(self):
        with self.session() as sess:
            a = self.ta(size=2)
            v = constant_op.constant(2.0)
            u = constant_op.constant(3.0)
            s = a.write(0, v).write(1, u).stack()
            g = gradients_impl.gradients(s, [v, u], grad_ys=[constant_op.constant([20.0, 30.0])])
            self.assertAllEqual([20.0, 30.0], sess.run(g))

    def testGradUnstack(self):
        with self.session() as sess:
            x = constant_op.constant([[1.0, 2.0], [3.0, 4.0]])
            a = self.ta(size=2).unstack(x)
            g = gradients_impl.gradients([a.read(0), a.read(1)], x, grad_ys=[[1.0, 2.0], [3.0, 4.0]])[0]
            self.assertAllEqual([[1.0, 2.0], [3.0, 4.0]], sess.run(g))

    def testGradScatterGather(self):
        with self.session() as sess:
            x = constant_op.constant([[1.0, 10.0], [2.0, 20.0]])
            a = self.ta(size=5, clear_after_read=False).scatter([4, 1], x)
            y = a.gather([1, 4])
            g = gradients_impl.gradients(y, x, grad_ys=[constant_op.constant([[1.0, 2.0], [3.0, 4.0]])])[0]
            self.assertAllEqual([[3.0, 4.0], [1.0, 2.0]], sess.run(g))

    def testGradConcat(self):
        with self.session() as sess:
            a = self.ta(size=2, infer_shape=False)
            v = constant_op.constant([1.0, 2.0])
            u = constant_op.constant([3.0])
            g = gradients_impl.gradients(
                a.write(0, v).write(1, u).concat(), [v, u], grad_ys=[constant_op.constant([7.0, 8.0, 9.0])]
            )
            d = sess.run(g)
            self.assertAllEqual([7.0, 8.0], d[0])
            self.assertAllEqual([9.0], d[1])

    def testGradSplit(self):
        with self.session() as sess:
            x = constant_op.constant([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
            a = self.ta(size=2, infer_shape=False).split(x, [2, 1])
            g = gradients_impl.gradients([a.read(0), a.read(1)], x, grad_ys=[[[1.0, 1.0], [2.0, 2.0]], [[3.0, 3.0]]])[0]
            self.assertAllEqual([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]], sess.run(g))

    def testGradMethod(self):
        with self.session() as sess:
            a = self.ta()
            w = a.write(0, [1.0, 2.0])
            g = w.grad("grad")
            self.assertEqual("TensorArrayGradV3", g.handle.op.type)
            gw = g.write(0, [5.0, 6.0])
            gw2 = gw.write(0, [1.0, 1.0])
            self.assertAllEqual([6.0, 7.0], sess.run(gw2.read(0)))

    def testGradSources(self):
        with self.session() as sess:
            a = self.ta()
            w = a.write(0, 1.0)
            g1 = w.grad("one")
            g2 = w.grad("two")
            g1b = w.grad("one")
            p = g1.write(0, 4.0)
            q = g2.write(0, 5.0)
            with ops.control_dependencies([p.flow]):
                r = g1b.identity().read(0)
            self.assertAllEqual([4.0, 5.0], sess.run([r, q.read(0)]))

    def testGradMixedShapes(self):
        with self.session() as sess:
            a = self.ta(infer_shape=False)
            w = a.write(0, [1.0, 2.0])
            g = w.grad("grad")
            with self.assertRaisesOpError(
                "Could not aggregate to TensorArray index 0 because the existing shape is \\[2\\] but the new input shape is \\[1\\]|incompatible"
            ):
                sess.run(g.write(0, [1.0, 2.0]).write(0, [3.0]).flow)

    def testGradDynamic(self):
        with self.session() as sess:
            a = self.ta(size=0, dynamic_size=True)
            w = a.write(4, 2.0)
            g = w.grad("grad")
            self.assertEqual(5, sess.run(g.size()))

    def testTwoGradientsSeparate(self):
        with self.session() as sess:
            x = constant_op.constant([1.0, 2.0, 3.0])
            a = self.ta(clear_after_read=False).unstack(x)
            y = a.read(0) * 2.0
            z = a.read(0) * 5.0 + a.read(2)
            gy = gradients_impl.gradients(y, x)[0]
            gz = gradients_impl.gradients(z, x)[0]
            self.assertAllEqual([[2.0, 0.0, 0.0], [5.0, 0.0, 1.0]], sess.run([gy, gz]))

    def testLoopWrite(self):
        with self.session() as sess:
            a = self.ta(size=4)
            i, a = while_loop_tf.while_loop(
                lambda i, a: i < 4, lambda i, a: (i + 1, a.write(i, math_ops.cast(i, dtypes.float32) * 2.0)), [0, a]
            )
            self.assertIsInstance(a, tensor_array_ops.TensorArray)
            self.assertAllEqual([0.0, 2.0, 4.0, 6.0], sess.run(a.stack()))

    def testLoopReadWriteGrad(self):
        with self.session() as sess:
            x = array_ops.placeholder(dtypes.float32, [None])
            n = array_ops.shape(x)[0]
            rows = tensor_array_ops.TensorArray(dtypes.float32, n).unstack(x)
            out = tensor_array_ops.TensorArray(dtypes.float32, n)

            def body(i, s, out):
                s = s * rows.read(i)
                return i + 1, s, out.write(i, s)

            r = while_loop_tf.while_loop(lambda i, *_: i < n, body, [0, 1.0, out])[2].stack()
            g = gradients_impl.gradients(r, x)[0]
            d, e = sess.run([r, g], {x: [2.0, 3.0, 4.0]})
            self.assertAllClose([2.0, 6.0, 24.0], d)
            self.assertAllClose([1 + 3 + 12, 2 + 8, 6.0], e)

    def testLoopDynamicGrad(self):
        with self.session() as sess:
            v = constant_op.constant(2.0)
            out = tensor_array_ops.TensorArray(dtypes.float32, 0, dynamic_size=True)

            def body(i, s, out):
                return i + 1, s * v, out.write(i, s)

            r = while_loop_tf.while_loop(lambda i, *_: i < 4, body, [0, constant_op.constant(1.0), out])[2]
            y = r.stack()
            g = gradients_impl.gradients(y, v)[0]
            self.assertAllClose([1.0, 2.0, 4.0, 8.0], sess.run(y))
            self.assertAllClose(1 + 4 + 12.0, sess.run(g))
            self.assertEqual(4, sess.run(r.size()))

    def testReadAndWriteSameLoop(self):
        with self.session() as sess:
            v = constant_op.constant(3.0)
            a = tensor_array_ops.TensorArray(dtypes.float32, 5, clear_after_read=False).write(0, v)

            def body(i, a):
                return i + 1, a.write(i, a.read(i - 1) * 2.0)

            a = while_loop_tf.while_loop(lambda i, a: i < 5, body, [1, a])[1]
            y = a.read(4)
            self.assertEqual(48.0, sess.run(y))
            self.assertEqual(16.0, sess.run(gradients_impl.gradients(y, v)[0]))

    def testCondWrite(self):
        with self.session() as sess:
            p = array_ops.placeholder(dtypes.bool, [])
            a = self.ta(size=2)
            b = tf_cond.cond(p, lambda: a.write(0, 1.0), lambda: a.write(1, 5.0))
            self.assertIsInstance(b, tensor_array_ops.TensorArray)
            self.assertAllEqual([1.0, 0.0], sess.run(b.stack(), {p: True}))
            self.assertAllEqual([0.0, 5.0], sess.run(b.stack(), {p: False}))

    def testCondReadGrad(self):
        with self.session() as sess:
            p = array_ops.placeholder(dtypes.bool, [])
            x = constant_op.constant([2.0, 3.0])
            a = self.ta(size=2).unstack(x)
            y = tf_cond.cond(p, lambda: a.read(0) * 2.0, lambda: a.read(1) * 7.0)
            g = gradients_impl.gradients(y, x)[0]
            self.assertAllEqual([2.0, 0.0], sess.run(g, {p: True}))
            self.assertAllEqual([0.0, 7.0], sess.run(g, {p: False}))

    def testNestedLoops(self):
        with self.session() as sess:
            x = constant_op.constant([[1.0, 2.0], [3.0, 4.0]])
            a = tensor_array_ops.TensorArray(dtypes.float32, 2, clear_after_read=False).unstack(x)
            out = tensor_array_ops.TensorArray(dtypes.float32, 4)

            def outer(i, out):
                def inner(j, out):
                    return j + 1, out.write(i * 2 + j, math_ops.reduce_sum(a.read(i) * a.read(j)))

                return i + 1, while_loop_tf.while_loop(lambda j, o: j < 2, inner, [0, out])[1]

            out = while_loop_tf.while_loop(lambda i, o: i < 2, outer, [0, out])[1]
            y = out.stack()
            self.assertAllEqual([5.0, 11.0, 11.0, 25.0], sess.run(y))
            g = gradients_impl.gradients(y, x)[0]
            self.assertAllClose([[8.0, 12.0], [8.0, 12.0]], sess.run(g))

    def testGradSourceName(self):
        v = constant_op.constant(2.0)
        y = self.ta(size=1).write(0, v).read(0)
        with self.assertRaisesRegex(ValueError, "gradients"):
            gradients_impl.gradients(y, v, name="other")

    def testRunTwiceSteps(self):
        with self.session() as sess:
            a = self.ta().write(0, 3.0)
            r = a.read(0)
            for _ in range(3):
                self.assertEqual(3.0, sess.run(r))

    def testSameNameIndependent(self):
        with self.session() as sess:
            a = self.ta().write(0, 3.0)
            b = self.ta().write(0, 4.0)
            self.assertEqual([3.0, 4.0], sess.run([a.read(0), b.read(0)]))

    def testColocateFirstWrite(self):
        with ops.Graph().as_default():
            with ops.device("/job:worker/task:0/cpu:0"):
                a = tensor_array_ops.TensorArray(dtypes.float32, size=3)
            self.assertEqual("", a.handle.device)
            with ops.device("/job:worker/task:1/cpu:0"):
                v = constant_op.constant(1.0)
            w = a.write(0, v)
            self.assertIn("task:1", w.flow.device)

    def testColocateOff(self):
        with ops.Graph().as_default():
            with ops.device("/job:worker/task:0/cpu:0"):
                a = tensor_array_ops.TensorArray(dtypes.float32, size=3, colocate_with_first_write_call=False)
            self.assertIn("task:0", a.handle.device)

    def testLstmLike(self):
        with self.session() as sess:
            x = constant_op.constant(np.arange(12, dtype=np.float32).reshape(3, 2, 2) / 10.0)
            w = constant_op.constant([[0.1, 0.2], [0.3, 0.4]])
            inp = tensor_array_ops.TensorArray(dtypes.float32, 3).unstack(x)
            out = tensor_array_ops.TensorArray(dtypes.float32, 3)

            def body(t, h, out):
                h = math_ops.tanh(math_ops.matmul(inp.read(t) + h, w))
                return t + 1, h, out.write(t, h)

            _, h, out = while_loop_tf.while_loop(lambda t, *_: t < 3, body, [0, array_ops.zeros([2, 2]), out])
            y = out.stack()
            hs = []
            h = array_ops.zeros([2, 2])
            for t in range(3):
                h = math_ops.tanh(math_ops.matmul(x[t] + h, w))
                hs.append(h)
            y2 = array_ops_stack.stack(hs)
            self.assertAllClose(sess.run(y2), sess.run(y))
            for a, b in zip(gradients_impl.gradients(y, [x, w]), gradients_impl.gradients(y2, [x, w])):
                self.assertAllClose(sess.run(b), sess.run(a), rtol=1e-5, atol=1e-6)

    def testFloat16(self):
        with self.session() as sess:
            a = self.ta(dtypes.float16).unstack(np.array([1, 2, 3], np.float16))
            self.assertEqual(np.float16, sess.run(a.stack()).dtype)

    def testGatherUnknownIndices(self):
        with self.session() as sess:
            i = array_ops.placeholder(dtypes.int32)
            a = self.ta(clear_after_read=False).unstack([[1.0], [2.0], [3.0]])
            self.assertAllEqual([[3.0], [3.0]], sess.run(a.gather(i), {i: [2, 2]}))

    def testOnlyDefaultUnwrittenGrad(self):
        with self.session() as sess:
            v = constant_op.constant([1.0, 2.0])
            a = self.ta(element_shape=[2], size=3).write(0, v)
            y = a.stack()
            self.assertAllEqual([1.0, 1.0], sess.run(gradients_impl.gradients(y, v)[0]))

    def testPartialReadGrad(self):
        with self.session() as sess:
            x = constant_op.constant([1.0, 2.0, 3.0])
            a = self.ta(element_shape=[]).unstack(x)
            self.assertAllEqual([0.0, 3.0, 0.0], sess.run(gradients_impl.gradients(a.read(1) * 3.0, x)[0]))


if __name__ == "__main__":
    test.main()
