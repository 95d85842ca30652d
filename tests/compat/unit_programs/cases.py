"""case and switch_case: arguments, errors, gradients."""

from tensorflow.python.framework import (
    constant_op,
    dtypes,
    errors,
    test_util,
)
from tensorflow.python.ops import (  # noqa
    array_grad,
    array_ops,
    control_flow_case,
    control_flow_grad,
    control_flow_switch_case,
    gradients_impl,
    math_grad,
    math_ops,
    state_grad,
    tensor_array_grad,
    variable_v1,
    variables,
)
from tensorflow.python.ops import (
    while_loop as while_loop_tf,
)
from tensorflow.python.platform import test


@test_util.run_v1_only("case")
class CaseTest(test.TestCase):
    def testTrue(self):
        with self.session() as sess:
            x = array_ops.placeholder(dtypes.int32, [])
            conds = [(math_ops.equal(x, k), lambda k=k: constant_op.constant(k * 10)) for k in (1, 2, 3)]
            r = control_flow_case.case(conds, default=lambda: constant_op.constant(-1))
            self.assertEqual([10, 20, 30, -1], [sess.run(r, {x: v}) for v in (1, 2, 3, 4)])

    def testFirstOfSeveral(self):
        with self.session() as sess:
            x = array_ops.placeholder(dtypes.int32, [])
            r = control_flow_case.case(
                [(x > 0, lambda: constant_op.constant(1)), (x > 1, lambda: constant_op.constant(2))],
                default=lambda: constant_op.constant(0),
            )
            self.assertEqual([0, 1, 1], [sess.run(r, {x: v}) for v in (0, 1, 2)])

    def testNoDefault(self):
        with self.session() as sess:
            x = array_ops.placeholder(dtypes.int32, [])
            conds = [(math_ops.equal(x, k), lambda k=k: constant_op.constant(k * 10)) for k in (1, 2, 3)]
            r = control_flow_case.case(conds, exclusive=True)
            self.assertEqual([10, 20, 30], [sess.run(r, {x: v}) for v in (1, 2, 3)])
            with self.assertRaisesRegex(errors.InvalidArgumentError, "Input error:"):
                sess.run(r, {x: 9})

    def testNoDefaultOne(self):
        with self.session() as sess:
            x = array_ops.placeholder(dtypes.int32, [])
            r = control_flow_case.case([(math_ops.equal(x, 1), lambda: constant_op.constant(5))])
            self.assertEqual(5, sess.run(r, {x: 1}))
            with self.assertRaisesRegex(errors.InvalidArgumentError, "None of conditions evaluated as True"):
                sess.run(r, {x: 2})

    def testNoDefaultNotExclusive(self):
        with self.session() as sess:
            x = array_ops.placeholder(dtypes.int32, [])
            conds = [
                (x < 2, lambda: constant_op.constant(2)),
                (x < 4, lambda: constant_op.constant(4)),
                (x < 6, lambda: constant_op.constant(6)),
            ]
            r = control_flow_case.case(conds, exclusive=False)
            self.assertEqual([2, 2, 4, 4, 6, 6], [sess.run(r, {x: v}) for v in range(6)])
            with self.assertRaisesRegex(errors.InvalidArgumentError, "Input error:"):
                sess.run(r, {x: 7})

    def testExclusiveTwice(self):
        with self.session() as sess:
            x = array_ops.placeholder(dtypes.int32, [])
            r = control_flow_case.case(
                [(x > 0, lambda: constant_op.constant(1)), (x > 1, lambda: constant_op.constant(2))],
                default=lambda: constant_op.constant(0),
                exclusive=True,
            )
            self.assertEqual(1, sess.run(r, {x: 1}))
            with self.assertRaisesRegex(
                errors.InvalidArgumentError, "Input error: exclusive=True: more than 1 conditions"
            ):
                sess.run(r, {x: 2})

    def testDict(self):
        with self.session() as sess:
            x = array_ops.placeholder(dtypes.int32, [])
            r = control_flow_case.case(
                {x > 10: lambda: constant_op.constant(1), x < 0: lambda: constant_op.constant(2)},
                default=lambda: constant_op.constant(3),
                exclusive=True,
            )
            self.assertEqual([1, 2, 3], [sess.run(r, {x: v}) for v in (11, -1, 5)])

    def testBad(self):
        def f():
            return constant_op.constant(1)

        p = constant_op.constant(True)
        with self.assertRaisesRegex(TypeError, "must be a list, tuple, or dict"):
            control_flow_case.case(p)
        with self.assertRaisesRegex(TypeError, "must be a 2-tuple"):
            control_flow_case.case([p])
        with self.assertRaisesRegex(TypeError, "pred must be a Tensor"):
            control_flow_case.case([(True, f)])
        with self.assertRaisesRegex(TypeError, "pred must be Tensor of type bool"):
            control_flow_case.case([(constant_op.constant(1), f)])
        with self.assertRaisesRegex(TypeError, "must be callable"):
            control_flow_case.case([(p, 3)])

    def testGrad(self):
        with self.session() as sess:
            x = array_ops.placeholder(dtypes.float32, [])
            r = control_flow_case.case([(x > 2, lambda: x * x), (x > 1, lambda: x * 5.0)], default=lambda: x)
            g = gradients_impl.gradients(r, x)[0]
            self.assertEqual([6.0, 5.0, 1.0], [sess.run(g, {x: v}) for v in (3.0, 1.5, 0.0)])

    def testStrict(self):
        with self.session() as sess:
            r = control_flow_case.case(
                [(constant_op.constant(True), lambda: [constant_op.constant(1)])],
                default=lambda: [constant_op.constant(2)],
                strict=True,
            )
            self.assertEqual([1], sess.run(r))

    def testSideEffects(self):
        with self.session() as sess:
            x = array_ops.placeholder(dtypes.int32, [])
            v = [variable_v1.VariableV1(0) for _ in range(3)]
            r = control_flow_case.case(
                [
                    (math_ops.equal(x, 0), lambda: v[0].assign_add(1)),
                    (math_ops.equal(x, 1), lambda: v[1].assign_add(1)),
                ],
                default=lambda: v[2].assign_add(1),
            )
            sess.run(variables.global_variables_initializer())
            for k in (0, 1, 1, 7):
                sess.run(r, {x: k})
            self.assertEqual([1, 2, 1], sess.run(v))

    def testName(self):
        r = control_flow_case.case(
            [(constant_op.constant(True), lambda: constant_op.constant(1))],
            default=lambda: constant_op.constant(2),
            name="cs",
        )
        self.assertEqual("cs/cond/Merge", r.op.name)


@test_util.run_v1_only("switch_case")
class SwitchCaseTest(test.TestCase):
    def testList(self):
        with self.session() as sess:
            b = array_ops.placeholder(dtypes.int32, [])
            r = control_flow_switch_case.switch_case(b, [lambda k=k: constant_op.constant(k) for k in (10, 20, 30)])
            self.assertEqual([30, 10, 20, 30, 30], [sess.run(r, {b: v}) for v in (-1, 0, 1, 2, 3)])

    def testPairs(self):
        with self.session() as sess:
            b = array_ops.placeholder(dtypes.int32, [])
            r = control_flow_switch_case.switch_case(
                b,
                [(1, lambda: constant_op.constant(10)), (0, lambda: constant_op.constant(5))],
                default=lambda: constant_op.constant(-1),
            )
            self.assertEqual([-1, 5, 10, -1], [sess.run(r, {b: v}) for v in (-1, 0, 1, 2)])

    def testDict(self):
        with self.session() as sess:
            b = array_ops.placeholder(dtypes.int32, [])
            x = constant_op.constant(3.0)
            r = control_flow_switch_case.switch_case(b, {0: lambda: x * 2.0, 1: lambda: x * x})
            g = gradients_impl.gradients(r, x)[0]
            self.assertEqual([2.0, 6.0], [sess.run(g, {b: v}) for v in (0, 1)])

    def testErrors(self):
        b = constant_op.constant(1)

        def f():
            return constant_op.constant(1)

        with self.assertRaisesRegex(ValueError, "contiguous"):
            control_flow_switch_case.switch_case(b, {0: f, 2: f})
        with self.assertRaisesRegex(ValueError, "contiguous"):
            control_flow_switch_case.switch_case(b, [(1, f), (1, f)])
        with self.assertRaisesRegex(TypeError, "must be a Python `int`"):
            control_flow_switch_case.switch_case(b, [(b, f)])
        with self.assertRaisesRegex(TypeError, "must be callable"):
            control_flow_switch_case.switch_case(b, [(0, 3)])
        with self.assertRaisesRegex(TypeError, "must be a 2-tuple"):
            control_flow_switch_case.switch_case(b, [(0, f, f)])
        with self.assertRaisesRegex(ValueError, "at least one item"):
            control_flow_switch_case.switch_case(b, [])
        with self.assertRaisesRegex(TypeError, "'branch_index' must be a Tensor"):
            control_flow_switch_case.switch_case(3, [f])
        with self.assertRaisesRegex(TypeError, "must be an integer Tensor"):
            control_flow_switch_case.switch_case(constant_op.constant(1.0), [f])
        with self.assertRaisesRegex(TypeError, "must be a list, tuple, or dict"):
            control_flow_switch_case.switch_case(b, f)

    def testInLoop(self):
        with self.session() as sess:
            x = constant_op.constant(2.0)

            def body(i, a):
                return i + 1, control_flow_switch_case.switch_case(
                    i % 3, [lambda: a * x, lambda: a + x, lambda: a - 1.0]
                )

            r = while_loop_tf.while_loop(lambda i, a: i < 6, body, [0, constant_op.constant(1.0)])[1]
            g = gradients_impl.gradients(r, x)[0]
            # f(a) = a*x + x - 1; f(f(1)) = (2x-1)x+x-1
            self.assertAllClose([7.0, 8.0], sess.run([r, g]))


if __name__ == "__main__":
    test.main()
