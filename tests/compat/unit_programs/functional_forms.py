"""while_v2 and cond_v2 by themselves: what branches and loops of functions give, and their gradients."""

from tensorflow.python.framework import constant_op, dtypes, tensor_shape, test_util
from tensorflow.python.ops import (
    array_ops,
    cond_v2,
    control_flow_ops,
    gradients_impl,
    list_ops,
    variable_v1,
    while_v2,
)
from tensorflow.python.platform import test


@test_util.run_v1_only("graphs")
class WhileV2Test(test.TestCase):
    def testOneVariable(self):
        with self.session() as sess:
            x = constant_op.constant(2.0)
            r = while_v2.while_loop(lambda v: v < 8.0, lambda v: v * v, [x], return_same_structure=False)
            g = gradients_impl.gradients(r, [x])
            self.assertEqual([16.0], sess.run([r]))
            self.assertAllClose([32.0], sess.run(g))

    def testSameStructure(self):
        with self.session() as sess:
            r = while_v2.while_loop(lambda v: v < 8.0, lambda v: v * v, [constant_op.constant(2.0)])
            self.assertIsInstance(r, list)
            self.assertEqual([16.0], sess.run(r))

    def testSecondOrder(self):
        with self.session() as sess:
            x = constant_op.constant(2.0)
            r = while_v2.while_loop(lambda v: v < 8.0, lambda v: v * v, [x], return_same_structure=False)
            g = gradients_impl.gradients(r, [x])
            gg = gradients_impl.gradients(g, [x])
            self.assertAllClose([48.0], sess.run(gg))

    def testNested(self):
        with self.session() as sess:
            x = constant_op.constant(1.0)
            def inner(v):
                return while_v2.while_loop(lambda i, a: i < 2, lambda i, a: (i + 1, a * 2.0), [0, v])[1]
            r = while_v2.while_loop(lambda i, v: i < 2, lambda i, v: (i + 1, inner(v) * x), [0, x])
            self.assertEqual(16.0, sess.run(r[1]))

    def testMaximumIterations(self):
        with self.session() as sess:
            r = while_v2.while_loop(lambda i: i < 10, lambda i: i + 1, [constant_op.constant(0)], maximum_iterations=3)
            self.assertEqual([3], sess.run(r))

    def testShapeInvariants(self):
        with self.session() as sess:
            r = while_v2.while_loop(
                lambda i, a: i < 2,
                lambda i, a: (i + 1, array_ops.concat([a, a], 0)),
                [constant_op.constant(0), array_ops.ones([1])],
                shape_invariants=[tensor_shape.TensorShape([]), tensor_shape.TensorShape([None])],
            )
            self.assertEqual([None], r[1].shape.as_list())
            self.assertAllEqual([1.0, 1.0, 1.0, 1.0], sess.run(r[1]))

    def testBackPropFalse(self):
        x = constant_op.constant(2.0)
        r = while_v2.while_loop(lambda v: v < 8.0, lambda v: v * v, [x], return_same_structure=False, back_prop=False)
        self.assertEqual([None], gradients_impl.gradients(r, [x]))

    def testExternalCapture(self):
        with self.session() as sess:
            x = constant_op.constant(2.0)
            y = constant_op.constant(3.0)
            r = while_v2.while_loop(lambda v: v < 8.0, lambda v: v * y, [x], return_same_structure=False)
            self.assertAllClose([18.0, 9.0, 12.0], sess.run([r, *gradients_impl.gradients(r, [x, y])]))

    def testTensorList(self):
        with self.session() as sess:
            l0 = list_ops.empty_tensor_list(element_dtype=dtypes.float32, element_shape=[])
            x = constant_op.constant(2.0)
            _, l = while_v2.while_loop(
                lambda i, l: i < 3,
                lambda i, l: (i + 1, list_ops.tensor_list_push_back(l, x * x)),
                [constant_op.constant(0), l0],
            )
            y = list_ops.tensor_list_stack(l, element_dtype=dtypes.float32)
            self.assertAllEqual([4.0, 4.0, 4.0], sess.run(y))
            self.assertAllEqual(12.0, sess.run(gradients_impl.gradients(y, x)[0]))


@test_util.run_v1_only("graphs")
class CondV2Test(test.TestCase):
    def both(self, true_fn, false_fn, xs):
        with self.session() as sess:
            p = array_ops.placeholder(dtypes.bool, [])
            r = cond_v2.cond_v2(p, true_fn, false_fn, name="c")
            g = gradients_impl.gradients(r, xs)
            return [sess.run([r, g], {p: side}) for side in (True, False)]

    def testGrad(self):
        x = constant_op.constant(1.0)
        y = constant_op.constant(2.0)
        yes, no = self.both(lambda: x * 2.0, lambda: y * 3.0, [x, y])
        self.assertAllEqual([2.0, 0.0], yes[1])
        self.assertAllEqual([0.0, 3.0], no[1])
        self.assertEqual((2.0, 6.0), (yes[0], no[0]))

    def testStructureOfOne(self):
        with self.session() as sess:
            r = cond_v2.cond_v2(
                constant_op.constant(True), lambda: [constant_op.constant(1)], lambda: [constant_op.constant(2)]
            )
            self.assertEqual([1], sess.run(r))

    def testDifferent(self):
        with self.assertRaisesRegex(TypeError, "true_fn and false_fn arguments to tf.cond must have the same"):
            cond_v2.cond_v2(
                constant_op.constant(True), lambda: [constant_op.constant(1)], lambda: [constant_op.constant(2.0)]
            )
        with self.assertRaisesRegex(TypeError, "must not be a Python bool"):
            cond_v2.cond_v2(True, lambda: 1, lambda: 2)

    def testNothing(self):
        with self.session() as sess:
            v = variable_v1.VariableV1(0, use_resource=True)
            p = array_ops.placeholder(dtypes.bool, [])
            r = cond_v2.cond_v2(p, lambda: v.assign_add(1).op, control_flow_ops.no_op)
            sess.run(v.initializer)
            sess.run(r, {p: True})
            sess.run(r, {p: False})
            self.assertEqual(1, sess.run(v))

    def testNestedSecondOrder(self):
        with self.session() as sess:
            x = constant_op.constant(3.0)
            p = constant_op.constant(True)
            r = cond_v2.cond_v2(p, lambda: cond_v2.cond_v2(p, lambda: x * x * x, lambda: x), lambda: -x)
            g = gradients_impl.gradients(r, x)[0]
            self.assertAllEqual([27.0, 18.0], sess.run([g, gradients_impl.gradients(g, x)[0]]))

    def testIndexedCase(self):
        with self.session() as sess:
            i = array_ops.placeholder(dtypes.int32, [])
            x = constant_op.constant(2.0)
            r = cond_v2.indexed_case(i, [lambda: x * 2.0, lambda: x * x])
            g = gradients_impl.gradients(r, x)[0]
            self.assertAllEqual([4.0, 2.0], sess.run([r, g], {i: 0}))
            self.assertAllEqual([4.0, 4.0], sess.run([r, g], {i: 1}))
            self.assertAllEqual([4.0, 4.0], sess.run([r, g], {i: 9}))
            with self.assertRaisesRegex(TypeError, "must not be a Python int"):
                cond_v2.indexed_case(1, [lambda: x])


if __name__ == "__main__":
    test.main()
