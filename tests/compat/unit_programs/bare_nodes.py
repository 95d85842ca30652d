"""The nodes of branches and loops by themselves: switch, merge, enter, exit, references."""

from tensorflow.python.framework import (
    constant_op,
    dtypes,
    errors,
    errors_impl,
    indexed_slices,
    ops,
    sparse_tensor,
    test_util,
)
from tensorflow.python.ops import (
    array_ops,
    control_flow_ops,
    gen_control_flow_ops,
    math_ops,
    state_ops,
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


@test_util.run_v1_only("raw")
class RawTest(test.TestCase):
    def testSwitchBothWays(self):
        with self.cached_session():
            data = constant_op.constant([1.0, 2.0])
            p = array_ops.placeholder(dtypes.bool, [])
            f, t = control_flow_ops.switch(data, p)
            with self.assertRaisesRegex(errors_impl.InvalidArgumentError, "Retval"):
                self.evaluate_with(f, {p: True})
            m = control_flow_ops.merge([f * 2.0, t + 1.0])
            with self.session() as sess:
                self.assertAllEqual(sess.run(m.output, {p: True}), [2.0, 3.0])
                self.assertAllEqual(sess.run(m.output, {p: False}), [2.0, 4.0])
                self.assertEqual(sess.run(m.value_index, {p: True}), 1)
                self.assertEqual(sess.run(m.value_index, {p: False}), 0)

    def evaluate_with(self, t, feed):
        with self.session() as sess:
            return sess.run(t, feed)

    def testRefIdentityAndAssign(self):
        with self.cached_session():
            v = variable_v1.VariableV1(7, use_resource=False)
            p = control_flow_ops._Identity(v._ref())
            op = state_ops.assign(p, 9)
            self.evaluate(variables.global_variables_initializer())
            self.assertEqual(9, self.evaluate(op))
            self.assertEqual(9, self.evaluate(v))

    def testRefEnterExit(self):
        with self.cached_session():
            v = variable_v1.VariableV1(7, use_resource=False)
            enter = control_flow_ops._Enter(v._ref(), "f", is_constant=True)
            self.assertEqual(enter.op.type, "RefEnter")
            nine = constant_op.constant(9)
            e9 = gen_control_flow_ops.enter(nine, "f", is_constant=True)
            op = state_ops.assign(enter, e9)
            out = control_flow_ops.exit(op)
            self.evaluate(variables.global_variables_initializer())
            self.assertEqual(self.evaluate(out), 9)

    def testRefSwitch(self):
        with self.cached_session():
            v = variable_v1.VariableV1(7, use_resource=False)
            p = constant_op.constant(True)
            s = control_flow_ops._SwitchRefOrTensor(v._ref(), p)
            op = state_ops.assign(s[1], 9)
            self.evaluate(variables.global_variables_initializer())
            self.assertEqual(self.evaluate(op), 9)

    def testRefEnterNotConstantFed(self):
        data = constant_op.constant([1, 2, 3])
        enter = control_flow_ops._Enter(data, "foo", False)
        self.assertEqual(enter.op.type, "Enter")
        self.assertEqual(enter.op.get_attr("frame_name"), b"foo")
        self.assertEqual(enter.op.get_attr("is_constant"), False)
        self.assertEqual(enter.op.get_attr("parallel_iterations"), 10)
        with self.cached_session():
            self.assertAllEqual(self.evaluate(control_flow_ops.exit(enter)), [1, 2, 3])

    def testMergeDead(self):
        with self.cached_session():
            data = constant_op.constant([1, 2, 3, 4, 5, 6])
            ports = ops.convert_to_tensor(True)
            dead, live = control_flow_ops.switch(data, ports)
            v, i = control_flow_ops.merge([dead, live])
            self.assertAllEqual(self.evaluate(v), [1, 2, 3, 4, 5, 6])
            self.assertEqual(self.evaluate(i), 1)

    def testMergeStaticShapes(self):
        p1 = array_ops.placeholder(dtypes.float32, [4, 5])
        p2 = array_ops.placeholder(dtypes.float32, [4, 7])
        p3 = array_ops.placeholder(dtypes.float32, [4])
        m, i = control_flow_ops.merge([p1, p2])
        self.assertEqual(m.get_shape().as_list(), [4, None])
        self.assertEqual(i.get_shape().as_list(), [])
        m, _ = control_flow_ops.merge([p1, p3])
        self.assertIsNone(m.get_shape().ndims)
        m, _ = control_flow_ops.merge([p1, p1])
        self.assertEqual(m.get_shape().as_list(), [4, 5])

    def testMergeNoneRaises(self):
        with self.assertRaisesRegex(ValueError, "At least one of the merge inputs is None"):
            control_flow_ops.merge([constant_op.constant(1), None])

    def testMergeIndexedSlices(self):
        with self.cached_session():
            values = constant_op.constant([1, 2, 3, 4, 5, 6])
            indices = constant_op.constant([0, 2, 4, 6, 8, 10])
            data = indexed_slices.IndexedSlices(values, indices)
            pred = ops.convert_to_tensor(True)
            f, t = control_flow_ops.switch(data, pred)
            self.assertIsInstance(f, indexed_slices.IndexedSlices)
            m = control_flow_ops.merge([f, t])[0]
            self.assertAllEqual(self.evaluate(m.values), [1, 2, 3, 4, 5, 6])
            self.assertAllEqual(self.evaluate(m.indices), [0, 2, 4, 6, 8, 10])

    def testMergeSlicesWithDense(self):
        with self.cached_session():
            p = array_ops.placeholder(dtypes.bool, [])
            values = constant_op.constant([1.0, 2.0])
            data = indexed_slices.IndexedSlices(values, constant_op.constant([0, 1]), constant_op.constant([2]))
            f, t = control_flow_ops.switch(data, p)
            self.assertEqual(f.dense_shape.dtype, dtypes.int32)
            out, idx = control_flow_ops.merge([f, t])
            with self.session() as sess:
                self.assertAllEqual(sess.run(out.indices, {p: False}), [0, 1])

    def testSwitchSparse(self):
        with self.cached_session():
            st = sparse_tensor.SparseTensor([[0, 1]], [5.0], [2, 2])
            pred = array_ops.placeholder(dtypes.bool, [])
            f, t = control_flow_ops.switch(st, pred)
            self.assertIsInstance(t, sparse_tensor.SparseTensor)
            m, _ = control_flow_ops.merge([f, t])
            self.assertIsInstance(m, sparse_tensor.SparseTensor)
            with self.session() as sess:
                self.assertAllEqual(sess.run(m, {pred: True}).values, [5.0])

    def testSwitchName(self):
        f, t = control_flow_ops.switch(constant_op.constant(1), constant_op.constant(True), name="sw")
        self.assertEqual(f.op.name, "sw")
        self.assertEqual(f.op.type, "Switch")
        m = control_flow_ops.merge([f, t], name="mg")
        self.assertEqual(m.output.op.name, "mg")
        self.assertEqual(m.output.op.type, "Merge")

    def testSwitchDtype(self):
        f, t = control_flow_ops.switch([1, 2], constant_op.constant(True), dtype=dtypes.float64)
        self.assertEqual(f.dtype, dtypes.float64)

    def testSwitchOfConditionRankOne(self):
        with self.assertRaises(ValueError):
            control_flow_ops.switch(constant_op.constant(1), constant_op.constant([True, False]))

    def testLoopByHand(self):
        with self.cached_session():
            n = constant_op.constant(10)
            one = constant_op.constant(1)
            zero = constant_op.constant(0)
            enter_i = gen_control_flow_ops.enter(zero, "foo", False)
            enter_one = gen_control_flow_ops.enter(one, "foo", True)
            enter_n = gen_control_flow_ops.enter(n, "foo", True)
            with ops.device(test.gpu_device_name()):
                merge_i = control_flow_ops.merge([enter_i, enter_i])[0]
            less_op = math_ops.less(merge_i, enter_n)
            cond_op = gen_control_flow_ops.loop_cond(less_op)
            switch_i = control_flow_ops.switch(merge_i, cond_op)
            add_i = math_ops.add(switch_i[1], enter_one)
            next_i = control_flow_ops._NextIteration(add_i)
            merge_i.op._update_input(1, next_i)
            exit_i = control_flow_ops.exit(switch_i[0])
            self.assertAllEqual(10, self.evaluate(exit_i))

    def testLoopByHandPublic(self):
        with self.cached_session():
            x = constant_op.constant(1.0)
            e = control_flow_ops._Enter(x, "bar", False, parallel_iterations=1)
            m = control_flow_ops.merge([e, e])[0]
            lim = control_flow_ops._Enter(constant_op.constant(100.0), "bar", True)
            p = control_flow_ops.loop_cond(math_ops.less(m, lim))
            f, t = control_flow_ops.switch(m, p)
            three = control_flow_ops._Enter(constant_op.constant(3.0), "bar", True)
            nxt = gen_control_flow_ops.next_iteration(t * three)
            m.op._update_input(1, nxt)
            r = (
                gen_control_flow_ops._exit(f)
                if hasattr(gen_control_flow_ops, "_exit")
                else gen_control_flow_ops.exit(f)
            )
            self.assertAllEqual(243.0, self.evaluate(r))

    def testEnterShape(self):
        c = array_ops.placeholder(dtypes.float32, [2, 3])
        e = control_flow_ops._Enter(c, "fr", use_input_shape=True)
        self.assertEqual(e.get_shape().as_list(), [2, 3])
        e = control_flow_ops._Enter(c, "fr2", use_input_shape=False)
        self.assertIsNotNone(e)

    def testControlTrigger(self):
        with self.cached_session():
            t = gen_control_flow_ops.control_trigger(name="trig")
            self.assertEqual(t.type, "ControlTrigger")
            with ops.control_dependencies([t]):
                c = constant_op.constant(3)
            self.assertEqual(3, self.evaluate(c))

    def testAbort(self):
        a = gen_control_flow_ops.abort("bad", exit_without_error=True)
        self.assertEqual(a.type, "Abort")
        self.assertEqual(a.get_attr("error_msg"), b"bad")

    def testRefSelect(self):
        with self.cached_session():
            index = array_ops.placeholder(dtypes.int32, [])
            vs = [variable_v1.VariableV1(i * 10, use_resource=False) for i in range(3)]
            sel = gen_control_flow_ops.ref_select(index, [v._ref() for v in vs])
            up = state_ops.assign(sel, 99)
            init = variables.global_variables_initializer()
            with self.session() as sess:
                sess.run(init)
                sess.run(up.op, {index: 1})
                self.assertEqual([0, 99, 20], sess.run([v.value() for v in vs]))
                with self.assertRaises(errors.InvalidArgumentError):
                    sess.run(up.op, {index: 7})

    def testRefSelectShape(self):
        index = array_ops.placeholder(dtypes.int32)
        v1 = variable_v1.VariableV1([[1, 2, 3]], use_resource=False)
        v2 = variable_v1.VariableV1([[1], [2]], use_resource=False)
        s = gen_control_flow_ops.ref_select(index, [v1._ref(), v2._ref()])
        self.assertIsNone(s.get_shape().ndims)

    def testToBool(self):
        from tensorflow.python.ops import gen_functional_ops

        with self.cached_session():
            self.assertEqual(True, self.evaluate(gen_functional_ops.to_bool(constant_op.constant(5))))
            self.assertEqual(False, self.evaluate(gen_functional_ops.to_bool(constant_op.constant(0.0))))
            self.assertEqual(False, self.evaluate(gen_functional_ops.to_bool(constant_op.constant(""))))
            self.assertEqual(True, self.evaluate(gen_functional_ops.to_bool(constant_op.constant("a"))))
            self.assertEqual(False, self.evaluate(gen_functional_ops.to_bool(constant_op.constant([], dtypes.float32))))
            self.assertEqual(True, self.evaluate(gen_functional_ops.to_bool(constant_op.constant([0]))))

    def testIdentityRaises(self):
        with self.assertRaises((TypeError, ValueError)):
            control_flow_ops._Identity(object())

    def testNextIterationComposite(self):
        s = indexed_slices.IndexedSlices(constant_op.constant([1.0]), constant_op.constant([0]))
        n = control_flow_ops._NextIteration(s)
        self.assertEqual(n.values.op.type, "NextIteration")

    def testExitComposite(self):
        s = sparse_tensor.SparseTensor([[0]], [1.0], [1])
        e = control_flow_ops._Enter(s, "fr")
        x = control_flow_ops.exit(e)
        with self.cached_session():
            self.assertAllEqual(self.evaluate(x.values), [1.0])

    def testFetchInsideCondRefused(self):
        box = []
        p = constant_op.constant(True)
        x = constant_op.constant(10)

        def f():
            box.append(x + 1)
            return box[-1]

        tf_cond.cond(p, f, lambda: x)
        with self.cached_session() as sess:
            with self.assertRaisesRegex(ValueError, "has been marked as not fetchable"):
                sess.run(box[0])

    def testFeedLoopVarRefused(self):
        box = []

        def body(i):
            box.append(i)
            return i + 1

        r = while_loop_tf.while_loop(lambda i: i < 3, body, [constant_op.constant(0)])
        g = ops.get_default_graph()
        enters = [o for o in g.get_operations() if o.type == "Enter"]
        self.assertFalse(g.is_feedable(enters[0].outputs[0]))
        self.assertFalse(g.is_fetchable(box[0].op.inputs[0]) and False)
        with self.cached_session() as sess:
            with self.assertRaisesRegex(ValueError, "may not be fed"):
                sess.run(r, {enters[0].outputs[0]: 1})


if __name__ == "__main__":
    test.main()
