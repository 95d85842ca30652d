"""The nodes that branches and loops are made of, what is asked of them, and gradients that take one side."""

import numpy as np
from tensorflow.python.framework import constant_op, dtypes, ops, test_util
from tensorflow.python.ops import (
    array_ops,
    control_flow_ops,
    control_flow_switch_case,
    control_flow_util,
    gradients_impl,
    math_ops,
    state_ops,
    tensor_array_ops,
    variable_v1,
)
from tensorflow.python.ops import cond as tf_cond
from tensorflow.python.ops import while_loop as while_loop_tf
from tensorflow.python.platform import test


@test_util.run_v1_only("graphs")
class StructureTest(test.TestCase):
    def testPredIdOfAllSwitches(self):
        with ops.Graph().as_default() as g:
            p = array_ops.placeholder(dtypes.bool, [])
            x, y = constant_op.constant(1.0), constant_op.constant(2.0)
            tf_cond.cond(p, lambda: x + y, lambda: x - y, name="c")
            pred = g.get_tensor_by_name("c/pred_id:0")
            switches = [op for op in g.get_operations() if op.type == "Switch" and op.name != "c/Switch"]
            self.assertEqual(4, len(switches))
            self.assertTrue(all(op.inputs[1] is pred for op in switches))
            self.assertEqual(
                {"c/add/Switch", "c/add/Switch_1", "c/sub/Switch", "c/sub/Switch_1"}, {op.name for op in switches}
            )

    def testIdentityOfOuter(self):
        with ops.Graph().as_default():
            p = array_ops.placeholder(dtypes.bool, [])
            x = constant_op.constant(1.0)
            r = tf_cond.cond(p, lambda: x, lambda: x, name="c")
            self.assertEqual("c/Merge", r.op.name)
            self.assertEqual(["Switch", "Switch"], [t.op.type for t in r.op.inputs])

    def testOpsInBranchHaveContext(self):
        with ops.Graph().as_default():
            p = array_ops.placeholder(dtypes.bool, [])
            got = []

            def then():
                got.append(constant_op.constant(3.0) * 2.0)
                return got[0]

            tf_cond.cond(p, then, lambda: constant_op.constant(1.0))
            self.assertTrue(got[0].op._get_control_flow_context().IsCondContext())
            self.assertTrue(control_flow_util.IsInCond(got[0].op))
            self.assertFalse(control_flow_util.IsInWhileLoop(got[0].op))
            self.assertFalse(got[0].graph.is_fetchable(got[0].op))

    def testSwitchOpsArePredicates(self):
        with ops.Graph().as_default():
            p = array_ops.placeholder(dtypes.bool, [])
            x = constant_op.constant(1.0)
            r = tf_cond.cond(p, lambda: x * 2.0, lambda: x, name="c")
            op = r.graph.get_operation_by_name("c/mul/Switch")
            self.assertTrue(control_flow_util.IsSwitch(op))
            self.assertTrue(control_flow_util.IsCondSwitch(op))
            self.assertFalse(control_flow_util.IsLoopSwitch(op))
            self.assertTrue(control_flow_util.IsCondMerge(r.op))
            self.assertFalse(control_flow_util.IsLoopMerge(r.op))

    def testLoopPredicates(self):
        with ops.Graph().as_default() as g:
            while_loop_tf.while_loop(lambda i: i < 3, lambda i: i + 1, [0], name="w")
            op = g.get_operation_by_name
            self.assertTrue(control_flow_util.IsLoopEnter(op("w/Enter")))
            self.assertTrue(control_flow_util.IsLoopExit(op("w/Exit")))
            self.assertTrue(control_flow_util.IsLoopMerge(op("w/Merge")))
            self.assertTrue(control_flow_util.IsLoopSwitch(op("w/Switch")))
            self.assertFalse(control_flow_util.IsLoopConstantEnter(op("w/Enter")))
            self.assertTrue(control_flow_util.IsInWhileLoop(op("w/add")))

    def testConstantEnterOfInvariant(self):
        with ops.Graph().as_default() as g:
            x = constant_op.constant(2)
            while_loop_tf.while_loop(lambda i: i < x, lambda i: i + x, [0], name="w")
            enters = [o for o in g.get_operations() if o.type == "Enter" and o.get_attr("is_constant")]
            self.assertEqual(["w/Less/Enter"], [o.name for o in enters])
            self.assertTrue(control_flow_util.IsLoopConstantEnter(enters[0]))
            self.assertIs(enters[0], control_flow_util.GetLoopConstantEnter(g.get_operation_by_name("w/add").inputs[1]))

    def testFrameNames(self):
        with ops.Graph().as_default() as g:
            with ops.name_scope("a"):
                while_loop_tf.while_loop(lambda i: i < 3, lambda i: i + 1, [0], parallel_iterations=3)
            enter = g.get_operation_by_name("a/while/Enter")
            self.assertEqual(b"a/while/while_context", enter.get_attr("frame_name"))
            self.assertEqual(3, enter.get_attr("parallel_iterations"))

    def testGradThroughCondOfGather(self):
        with self.session() as sess:
            p = array_ops.placeholder(dtypes.bool, [])
            x = constant_op.constant([[1.0, 2.0], [3.0, 4.0]])
            r = tf_cond.cond(p, lambda: array_ops.gather(x, [0, 0]), lambda: x * 2.0)
            g = gradients_impl.gradients(r, x)[0]
            self.assertAllEqual([[2, 2], [0, 0]], sess.run(ops.convert_to_tensor(g), {p: True}))
            self.assertAllEqual([[2, 2], [2, 2]], sess.run(ops.convert_to_tensor(g), {p: False}))

    def testGradOneSideOnlyUsesX(self):
        with self.session() as sess:
            p = array_ops.placeholder(dtypes.bool, [])
            x, y = constant_op.constant(3.0), constant_op.constant(5.0)
            r = tf_cond.cond(p, lambda: x * x, lambda: y * y)
            g = gradients_impl.gradients(r, [x, y])
            self.assertEqual([6.0, 0.0], sess.run(g, {p: True}))
            self.assertEqual([0.0, 10.0], sess.run(g, {p: False}))

    def testGradInLoopOneSide(self):
        with self.session() as sess:
            x, y = constant_op.constant(2.0), constant_op.constant(3.0)

            def body(i, a):
                return i + 1, tf_cond.cond(math_ops.equal(i, 1), lambda: a * x, lambda: a + y)

            r = while_loop_tf.while_loop(lambda i, a: i < 3, body, [0, 1.0])[1]
            self.assertEqual([11.0, 4.0, 3.0], sess.run([r, *gradients_impl.gradients(r, [x, y])]))

    def testLoopInBothBranches(self):
        with self.session() as sess:
            p = array_ops.placeholder(dtypes.bool, [])
            x = constant_op.constant(2.0)
            r = tf_cond.cond(
                p,
                lambda: while_loop_tf.while_loop(lambda a: a < 100.0, lambda a: a * x, [x]),
                lambda: while_loop_tf.while_loop(lambda a: a > -10.0, lambda a: a - x, [x]),
            )
            g = gradients_impl.gradients(r, x)[0]
            self.assertEqual([128.0, 448.0], sess.run([r, g], {p: True}))
            self.assertEqual([-10.0, -5.0], sess.run([r, g], {p: False}))

    def testSwitchCaseGrad(self):
        with self.session() as sess:
            k = array_ops.placeholder(dtypes.int32, [])
            x = constant_op.constant(3.0)
            r = control_flow_switch_case.switch_case(k, [lambda: x, lambda: x * x, lambda: x * x * x])
            g = gradients_impl.gradients(r, x)[0]
            self.assertEqual([1.0, 6.0, 27.0], [sess.run(g, {k: i}) for i in range(3)])

    def testTensorArrayThroughCond(self):
        with self.session() as sess:
            p = array_ops.placeholder(dtypes.bool, [])
            ta = tensor_array_ops.TensorArray(dtypes.float32, 2)
            ta = ta.write(0, 1.0)
            ta = tf_cond.cond(p, lambda: ta.write(1, 2.0), lambda: ta.write(1, 3.0))
            s = ta.stack()
            self.assertAllEqual([1.0, 2.0], sess.run(s, {p: True}))
            self.assertAllEqual([1.0, 3.0], sess.run(s, {p: False}))

    def testControlInputsInsideBranch(self):
        with self.session() as sess:
            v = variable_v1.VariableV1(0, use_resource=False)
            p = array_ops.placeholder(dtypes.bool, [])
            out = state_ops.assign_add(v, 100)

            def then():
                with ops.control_dependencies([out]):
                    return constant_op.constant(1)

            r = tf_cond.cond(p, then, lambda: constant_op.constant(2))
            sess.run(v.initializer)
            self.assertEqual(1, sess.run(r, {p: True}))
            self.assertEqual(100, sess.run(v))

    def testUnknownShapes(self):
        with self.session() as sess:
            p = array_ops.placeholder(dtypes.bool, [])
            x = array_ops.placeholder(dtypes.float32, [None, 2])
            r = tf_cond.cond(p, lambda: x, lambda: array_ops.zeros([3, 2]))
            self.assertEqual([None, 2], r.get_shape().as_list())
            self.assertEqual((3, 2), sess.run(r, {p: False, x: np.zeros((1, 2))}).shape)
            self.assertEqual((1, 2), sess.run(r, {p: True, x: np.zeros((1, 2))}).shape)

    def testMergeOfThree(self):
        with self.session() as sess:
            k = array_ops.placeholder(dtypes.int32, [])
            x = constant_op.constant(7)
            a = control_flow_ops.switch(x, math_ops.equal(k, 0))[1]
            b = control_flow_ops.switch(x + 1, math_ops.equal(k, 1))[1]
            c = control_flow_ops.switch(x + 2, math_ops.equal(k, 2))[1]
            m, i = control_flow_ops.merge([a, b, c])
            self.assertEqual([[7, 0], [8, 1], [9, 2]], [sess.run([m, i], {k: n}) for n in range(3)])


if __name__ == "__main__":
    test.main()
