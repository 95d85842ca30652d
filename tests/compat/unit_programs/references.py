"""Loops and branches of references: what is handed round is the variable itself."""

from tensorflow.python.framework import constant_op, dtypes, errors, ops, test_util
from tensorflow.python.ops import (
    array_ops,
    control_flow_ops,
    gen_control_flow_ops,
    gen_state_ops,
    gradients_impl,
    math_ops,
    state_ops,
    variable_v1,
    variables,
)
from tensorflow.python.ops import cond as tf_cond
from tensorflow.python.ops import while_loop as while_loop_tf
from tensorflow.python.platform import test


@test_util.run_v1_only("references")
class ReferenceLoopTest(test.TestCase):
    def _var(self, value, name="v"):
        return variable_v1.VariableV1(value, name=name, use_resource=False)

    def testOneReference(self):
        with self.session() as sess:
            v = self._var(1.0)
            r = while_loop_tf.while_loop(lambda x: x < 10.0, lambda x: state_ops.assign_add(x, 2.0), [v._ref()])
            self.assertEqual(dtypes.float32_ref, r.dtype)
            self.assertEqual("RefExit", r.op.type)
            sess.run(v.initializer)
            self.assertEqual(11.0, sess.run(r))
            self.assertEqual(11.0, sess.run(v))

    def testNodeKinds(self):
        with ops.Graph().as_default() as g:
            v = self._var(1.0)
            while_loop_tf.while_loop(lambda x: x < 10.0, lambda x: state_ops.assign_add(x, 2.0), [v._ref()], name="w")
            kinds = {op.name: op.type for op in g.get_operations() if op.name.startswith("w/")}
            for name in ("RefEnter", "RefIdentity", "RefNextIteration", "RefExit"):
                self.assertEqual(name, kinds["w/" + name])
            self.assertEqual(["RefMerge", "RefSwitch"], [kinds["w/Merge"], kinds["w/Switch"]])

    def testReferenceAndCounter(self):
        with self.session() as sess:
            v = self._var([1.0, 2.0])
            i, r = while_loop_tf.while_loop(
                lambda i, x: i < 3, lambda i, x: (i + 1, state_ops.assign(x, x * 2.0)), [0, v._ref()]
            )
            self.assertFalse(i.dtype._is_ref_dtype)
            self.assertTrue(r.dtype._is_ref_dtype)
            sess.run(variables.global_variables_initializer())
            self.assertAllEqual([8.0, 16.0], sess.run(r))
            self.assertAllEqual([8.0, 16.0], sess.run(v))
            sess.run(r.op)
            self.assertAllEqual([64.0, 128.0], sess.run(v))

    def testVariableItselfIsRead(self):
        with self.session() as sess:
            v = self._var(1.0)
            r = while_loop_tf.while_loop(lambda x: x < 10.0, lambda x: x + 2.0, [v])
            self.assertEqual(dtypes.float32, r.dtype)
            sess.run(v.initializer)
            self.assertEqual([11.0, 1.0], sess.run([r, v]))

    def testReferenceUnchanged(self):
        with self.session() as sess:
            v = self._var(5)
            i, r = while_loop_tf.while_loop(
                lambda i, x: i < 4, lambda i, x: (i + x, x), [constant_op.constant(0), v._ref()]
            )
            self.assertEqual(dtypes.int32_ref, r.dtype)
            sess.run(v.initializer)
            self.assertEqual([5, 5], sess.run([i, r]))

    def testAssignedAfterTheLoop(self):
        with self.session() as sess:
            v = self._var(5)
            i, r = while_loop_tf.while_loop(
                lambda i, x: i < 4, lambda i, x: (i + 1, x), [constant_op.constant(0), v._ref()]
            )
            after = state_ops.assign(r, i + 20)
            sess.run(v.initializer)
            self.assertEqual(24, sess.run(after))
            self.assertEqual(24, sess.run(v))

    def testTwoReferences(self):
        with self.session() as sess:
            a, b = self._var(1, "a"), self._var(2, "b")
            ra, rb = while_loop_tf.while_loop(
                lambda x, y: x < 20,
                lambda x, y: (state_ops.assign_add(x, 5), state_ops.assign_sub(y, 1)),
                [a._ref(), b._ref()],
            )
            sess.run(variables.global_variables_initializer())
            self.assertEqual(["RefExit", "RefExit"], [ra.op.type, rb.op.type])
            sess.run([ra, rb])
            self.assertEqual([21, -2], sess.run([a, b]))

    def testScatterRound(self):
        with self.session() as sess:
            v = self._var([0, 0, 0, 0])

            def body(i, x):
                return i + 1, state_ops.scatter_update(x, [i], [i * i])

            _, r = while_loop_tf.while_loop(lambda i, x: i < 4, body, [0, v._ref()])
            sess.run(v.initializer)
            self.assertAllEqual([0, 1, 4, 9], sess.run(r))

    def testReferenceAsInvariant(self):
        with self.session() as sess:
            v = self._var(0)
            i = while_loop_tf.while_loop(
                lambda i: i < 5, lambda i: control_flow_ops.with_dependencies([state_ops.assign_add(v, 2)], i + 1), [0]
            )
            sess.run(v.initializer)
            self.assertEqual(5, sess.run(i))
            self.assertEqual(10, sess.run(v))
            g = i.graph
            enters = [op for op in g.get_operations() if op.type == "RefEnter"]
            self.assertEqual(1, len(enters))
            self.assertTrue(enters[0].get_attr("is_constant"))

    def testUseOfUninitialised(self):
        with self.session() as sess:
            v = self._var(1.0)
            r = while_loop_tf.while_loop(lambda x: x < 10.0, lambda x: state_ops.assign_add(x, 2.0), [v._ref()])
            with self.assertRaisesRegex(errors.FailedPreconditionError, "uninitialized"):
                sess.run(r)

    def testNotInitialisedInTheLoop(self):
        with self.session() as sess:
            v = gen_state_ops.variable(shape=[], dtype=dtypes.int32, shared_name="inloop", container="")
            _, r = while_loop_tf.while_loop(
                lambda i, x: i < 3, lambda i, x: (i + 1, state_ops.assign(x, i * 10)), [0, v]
            )
            with self.assertRaisesRegex(errors.FailedPreconditionError, "Attempting to use uninitialized value"):
                sess.run(r)

    def testNestedLoops(self):
        with self.session() as sess:
            v = self._var(0)

            def inner(x):
                return while_loop_tf.while_loop(
                    lambda j, y: j < 3, lambda j, y: (j + 1, state_ops.assign_add(y, 1)), [0, x]
                )[1]

            _, r = while_loop_tf.while_loop(lambda i, x: i < 4, lambda i, x: (i + 1, inner(x)), [0, v._ref()])
            sess.run(v.initializer)
            self.assertTrue(r.dtype._is_ref_dtype)
            self.assertEqual(12, sess.run(r))

    def testCondOfReferences(self):
        with self.session() as sess:
            v = self._var(1)
            p = array_ops.placeholder(dtypes.bool, [])
            r = tf_cond.cond(p, lambda: state_ops.assign(v, 5), lambda: state_ops.assign_add(v, 5))
            self.assertEqual("RefMerge", r.op.type)
            self.assertTrue(r.dtype._is_ref_dtype)
            sess.run(v.initializer)
            self.assertEqual(5, sess.run(r, {p: True}))
            self.assertEqual(10, sess.run(r, {p: False}))

    def testCondOfReferenceAndValue(self):
        with self.session() as sess:
            v = self._var(1)
            p = array_ops.placeholder(dtypes.bool, [])
            r = tf_cond.cond(p, lambda: state_ops.assign(v, 5), lambda: v + 1)
            self.assertEqual("Merge", r.op.type)
            self.assertFalse(r.dtype._is_ref_dtype)
            sess.run(v.initializer)
            self.assertEqual(2, sess.run(r, {p: False}))
            self.assertEqual(5, sess.run(r, {p: True}))

    def testNotInitialisedOnTheOtherSide(self):
        with self.session() as sess:
            v = self._var(1)
            p = array_ops.placeholder(dtypes.bool, [])
            r = tf_cond.cond(p, lambda: state_ops.assign_add(v, 5), lambda: constant_op.constant(7))
            self.assertEqual(7, sess.run(r, {p: False}))
            with self.assertRaises(errors.FailedPreconditionError):
                sess.run(r, {p: True})
            s = tf_cond.cond(p, lambda: state_ops.assign_add(v, 5), lambda: state_ops.assign(v, 1))
            with self.assertRaises(errors.FailedPreconditionError):
                sess.run(s, {p: True})
            self.assertEqual(1, sess.run(s, {p: False}))
            self.assertEqual(6, sess.run(s, {p: True}))

    def testAssignedInNestedConds(self):
        with self.session() as sess:
            v = self._var(1)
            p, q = array_ops.placeholder(dtypes.bool, []), array_ops.placeholder(dtypes.bool, [])

            def inner():
                return tf_cond.cond(q, lambda: state_ops.assign(v, 20), lambda: state_ops.assign(v, 30))

            r = tf_cond.cond(p, lambda: state_ops.assign(v, 10), inner)
            self.assertEqual("RefMerge", r.op.type)
            sess.run(v.initializer)
            found = [sess.run([r, v.op], {p: a, q: b})[0] for a in (True, False) for b in (True, False)]
            self.assertEqual([10, 10, 20, 30], found)

    def testAssignedAfterCond(self):
        with self.session() as sess:
            a, b = self._var(1, "a"), self._var(2, "b")
            p = array_ops.placeholder(dtypes.bool, [])
            which = tf_cond.cond(p, lambda: state_ops.assign_add(a, 0), lambda: state_ops.assign_add(b, 0))
            change = state_ops.assign(which, 100)
            sess.run(variables.global_variables_initializer())
            sess.run(change.op, {p: False})
            self.assertEqual([1, 100], sess.run([a, b]))
            sess.run(change.op, {p: True})
            self.assertEqual([100, 100], sess.run([a, b]))

    def testCondInLoopOfReference(self):
        with self.session() as sess:
            v = self._var(0)

            def body(i, x):
                return i + 1, tf_cond.cond(
                    math_ops.equal(i % 2, 0), lambda: state_ops.assign_add(x, 1), lambda: state_ops.assign_add(x, 10)
                )

            _, r = while_loop_tf.while_loop(lambda i, x: i < 5, body, [0, v._ref()])
            sess.run(v.initializer)
            self.assertEqual(23, sess.run(r))

    def testBareRefNodes(self):
        with self.session() as sess:
            v = self._var(3)
            entered = gen_control_flow_ops.ref_enter(v._ref(), "frame", is_constant=True)
            changed = state_ops.assign_add(entered, gen_control_flow_ops.enter(4, "frame", is_constant=True))
            left = gen_control_flow_ops.ref_exit(changed)
            self.assertEqual(dtypes.int32_ref, left.dtype)
            sess.run(v.initializer)
            self.assertEqual(7, sess.run(left))
            self.assertEqual(7, sess.run(v))

    def testRefMergeBare(self):
        with self.session() as sess:
            v, w = self._var(3, "v"), self._var(4, "w")
            p = array_ops.placeholder(dtypes.bool, [])
            a = control_flow_ops.ref_switch(v._ref(), p)[0]
            b = control_flow_ops.ref_switch(w._ref(), p)[1]
            m, index = control_flow_ops.merge([a, b])
            self.assertEqual("RefMerge", m.op.type)
            change = state_ops.assign(m, 0)
            sess.run(variables.global_variables_initializer())
            self.assertEqual([0, 1], sess.run([change, index], {p: True}))
            self.assertEqual([3, 0], sess.run([v, w]))

    def testGradientThroughValue(self):
        with self.session() as sess:
            v = self._var(3.0)
            r = while_loop_tf.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x * v), [0, 1.0])[1]
            sess.run(v.initializer)
            self.assertEqual(27.0, sess.run(gradients_impl.gradients(r, v)[0]))

    def testStringReference(self):
        with self.session() as sess:
            v = self._var("a")
            _, r = while_loop_tf.while_loop(
                lambda i, x: i < 2, lambda i, x: (i + 1, state_ops.assign(x, "b")), [0, v._ref()]
            )
            sess.run(v.initializer)
            self.assertEqual(b"b", sess.run(r))

    def testShapeOfReference(self):
        with ops.Graph().as_default():
            v = self._var([[1.0, 2.0]])
            _, r = while_loop_tf.while_loop(
                lambda i, x: i < 2, lambda i, x: (i + 1, state_ops.assign(x, x + 1.0)), [0, v._ref()]
            )
            self.assertEqual([1, 2], r.get_shape().as_list())

    def testParallelIterationsOne(self):
        with self.session() as sess:
            v = self._var(0)
            _, r = while_loop_tf.while_loop(
                lambda i, x: i < 100,
                lambda i, x: (i + 1, state_ops.assign_add(x, i)),
                [0, v._ref()],
                parallel_iterations=1,
            )
            sess.run(v.initializer)
            self.assertEqual(4950, sess.run(r))

    def testMaximumIterations(self):
        with self.session() as sess:
            v = self._var(0)
            r = while_loop_tf.while_loop(
                lambda x: x < 100, lambda x: state_ops.assign_add(x, 1), [v._ref()], maximum_iterations=7
            )
            sess.run(v.initializer)
            self.assertEqual(7, sess.run(r))

    def testConditionReadsTheVariable(self):
        with self.session() as sess:
            v, n = self._var(0), constant_op.constant(0)

            def body(i, x):
                with ops.control_dependencies([i]):
                    return i + 1, state_ops.assign_add(x, 3)

            i, _ = while_loop_tf.while_loop(lambda i, x: math_ops.less(x, 10), body, [n, v._ref()])
            sess.run(v.initializer)
            self.assertEqual(4, sess.run(i))
            self.assertEqual(12, sess.run(v))


if __name__ == "__main__":
    test.main()
