"""cond: arguments, errors, structures, gradients, contexts."""

import collections

import numpy as np
from tensorflow.python.framework import (
    constant_op,
    dtypes,
    indexed_slices,
    ops,
    sparse_tensor,
    test_util,
)
from tensorflow.python.framework import tensor as tensor_lib
from tensorflow.python.ops import (  # noqa
    array_grad,
    array_ops,
    control_flow_case,
    control_flow_grad,
    control_flow_ops,
    control_flow_switch_case,
    data_flow_ops,
    gen_array_ops,
    gradients_impl,
    init_ops,
    math_grad,
    math_ops,
    random_ops,
    resource_variable_ops,
    script_ops,
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


@test_util.run_v1_only("cond")
class CondTest(test.TestCase):
    def testBoth(self):
        with self.session() as sess:
            p = array_ops.placeholder(dtypes.bool, [])
            r = tf_cond.cond(p, lambda: constant_op.constant(1), lambda: constant_op.constant(2))
            self.assertEqual([1, 2], [sess.run(r, {p: True}), sess.run(r, {p: False})])

    def testMissing(self):
        p = constant_op.constant(True)

        def f():
            return constant_op.constant(1)

        with self.assertRaisesRegex(TypeError, "'true_fn' argument required"):
            tf_cond.cond(p)
        with self.assertRaisesRegex(TypeError, "'false_fn' argument required"):
            tf_cond.cond(p, f)
        with self.assertRaisesRegex(TypeError, "'true_fn' must be callable"):
            tf_cond.cond(p, 1, f)
        with self.assertRaisesRegex(TypeError, "'false_fn' must be callable"):
            tf_cond.cond(p, f, 1)
        with self.assertRaisesRegex(TypeError, "may not be set simultaneously"):
            tf_cond.cond(p, f, f, fn1=f)
        with self.assertRaisesRegex(TypeError, "may not be set simultaneously"):
            tf_cond.cond(p, f, f, fn2=f)

    def testOldNames(self):
        with self.session() as sess:
            r = tf_cond.cond(
                constant_op.constant(False), fn1=lambda: constant_op.constant(1), fn2=lambda: constant_op.constant(2)
            )
            self.assertEqual(2, sess.run(r))

    def testPythonBool(self):
        with self.assertRaisesRegex(TypeError, "must not be a Python bool"):
            tf_cond.cond(True, lambda: 1, lambda: 2)

    def testPredNotScalar(self):
        with self.assertRaises(ValueError):
            tf_cond.cond(
                constant_op.constant([True, False]), lambda: constant_op.constant(1), lambda: constant_op.constant(2)
            )

    def testPredNotBool(self):
        with self.assertRaises((TypeError, ValueError)):
            tf_cond.cond(constant_op.constant(3), lambda: constant_op.constant(1), lambda: constant_op.constant(2))

    def testReturnsNone(self):
        p = constant_op.constant(True)
        with self.assertRaisesRegex(ValueError, "must have a return value"):
            tf_cond.cond(p, lambda: None, lambda: constant_op.constant(2))
        with self.assertRaisesRegex(ValueError, "must have a return value"):
            tf_cond.cond(p, lambda: constant_op.constant(2), lambda: None)

    def testEmptyList(self):
        with self.assertRaisesRegex(ValueError, "at least one result"):
            tf_cond.cond(constant_op.constant(True), list, list)

    def testTypesDiffer(self):
        with self.assertRaisesRegex(ValueError, "must have the same type"):
            tf_cond.cond(constant_op.constant(True), lambda: constant_op.constant(1), lambda: constant_op.constant(1.0))

    def testStructuresDiffer(self):
        p = constant_op.constant(True)
        c = constant_op.constant
        with self.assertRaisesRegex(ValueError, "same nested structure"):
            tf_cond.cond(p, lambda: [c(1), c(2)], lambda: c(1))
        with self.assertRaisesRegex(ValueError, "nested structure"):
            tf_cond.cond(p, lambda: [c(1), c(2)], lambda: [c(1), c(2), c(3)])
        with self.assertRaisesRegex(TypeError, "nested structure"):
            tf_cond.cond(p, lambda: [c(1), c(2)], lambda: (c(1), c(2)))
        with self.assertRaisesRegex(ValueError, "nested structure"):
            tf_cond.cond(p, lambda: {"a": c(1)}, lambda: {"b": c(1)})

    def testSingletonUnpacked(self):
        c = constant_op.constant
        p = constant_op.constant(True)
        r = tf_cond.cond(p, lambda: [c(1)], lambda: [c(2)])
        self.assertIsInstance(r, tensor_lib.Tensor)
        r = tf_cond.cond(p, lambda: [c(1)], lambda: c(2))
        self.assertIsInstance(r, tensor_lib.Tensor)
        r = tf_cond.cond(p, lambda: [c(1)], lambda: [c(2)], strict=True)
        self.assertIsInstance(r, list)
        with self.assertRaises(ValueError):
            tf_cond.cond(p, lambda: [c(1)], lambda: c(2), strict=True)

    def testNested(self):
        c = constant_op.constant
        P = collections.namedtuple("P", ["a", "b"])
        with self.session() as sess:
            p = array_ops.placeholder(dtypes.bool, [])
            r = tf_cond.cond(p, lambda: P({"x": c(1)}, [c(2), (c(3),)]), lambda: P({"x": c(10)}, [c(20), (c(30),)]))
            self.assertIsInstance(r, P)
            self.assertEqual(P({"x": 10}, [20, (30,)]), sess.run(r, {p: False}))
            self.assertEqual(P({"x": 1}, [2, (3,)]), sess.run(r, {p: True}))

    def testSideEffectsOnlyTaken(self):
        with self.session() as sess:
            p = array_ops.placeholder(dtypes.bool, [])
            v1 = variable_v1.VariableV1(0, use_resource=False)
            v2 = variable_v1.VariableV1(0, use_resource=False)
            r = tf_cond.cond(p, lambda: state_ops.assign_add(v1, 1), lambda: state_ops.assign_add(v2, 1))
            sess.run(variables.global_variables_initializer())
            sess.run(r, {p: True})
            sess.run(r, {p: True})
            sess.run(r, {p: False})
            self.assertEqual([2, 1], sess.run([v1, v2]))

    def testOperations(self):
        with self.session() as sess:
            p = array_ops.placeholder(dtypes.bool, [])
            v = variable_v1.VariableV1(0, use_resource=False)
            r = tf_cond.cond(p, lambda: state_ops.assign_add(v, 5).op, lambda: control_flow_ops.no_op())
            sess.run(v.initializer)
            sess.run(r, {p: True})
            sess.run(r, {p: False})
            self.assertEqual(5, sess.run(v))

    def testOperationWithTensor(self):
        with self.session() as sess:
            p = array_ops.placeholder(dtypes.bool, [])
            r = tf_cond.cond(p, lambda: control_flow_ops.no_op(), lambda: constant_op.constant(False))
            sess.run(r, {p: True})

    def testOuterTensorReturned(self):
        with self.session() as sess:
            x = constant_op.constant(5.0)
            y = constant_op.constant(6.0)
            p = array_ops.placeholder(dtypes.bool, [])
            r = tf_cond.cond(p, lambda: x, lambda: y)
            self.assertEqual([5.0, 6.0], [sess.run(r, {p: True}), sess.run(r, {p: False})])
            g = gradients_impl.gradients(r, [x, y])
            self.assertAllEqual([1.0, 0.0], sess.run(g, {p: True}))
            self.assertAllEqual([0.0, 1.0], sess.run(g, {p: False}))

    def testGrad(self):
        with self.session() as sess:
            x = array_ops.placeholder(dtypes.float32, [None])
            p = math_ops.reduce_sum(x) > 0
            r = tf_cond.cond(p, lambda: x * x, lambda: -x)
            g = gradients_impl.gradients(r, x)[0]
            self.assertAllEqual([2.0, 4.0], sess.run(g, {x: [1.0, 2.0]}))
            self.assertAllEqual([-1.0, -1.0], sess.run(g, {x: [-1.0, -2.0]}))

    def testGradSecondOrder(self):
        with self.session() as sess:
            x = array_ops.placeholder(dtypes.float32, [])
            r = tf_cond.cond(x > 0, lambda: x * x * x, lambda: -x)
            g = gradients_impl.gradients(r, x)[0]
            gg = gradients_impl.gradients(g, x)[0]
            self.assertAllEqual(12.0, sess.run(gg, {x: 2.0}))
            self.assertAllEqual(0.0, sess.run(gg, {x: -2.0}))

    def testGradOneBranchOnly(self):
        with self.session() as sess:
            x = array_ops.placeholder(dtypes.float32, [])
            y = constant_op.constant(3.0)
            r = tf_cond.cond(x > 0, lambda: x * y, lambda: constant_op.constant(9.0))
            gx, gy = gradients_impl.gradients(r, [x, y])
            self.assertAllEqual([3.0, 2.0], sess.run([gx, gy], {x: 2.0}))
            self.assertAllEqual([0.0, 0.0], sess.run([gx, gy], {x: -2.0}))

    def testGradGatherSlices(self):
        with self.session() as sess:
            v = variable_v1.VariableV1([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], use_resource=False)
            p = array_ops.placeholder(dtypes.bool, [])
            r = tf_cond.cond(p, lambda: array_ops.gather(v, [0, 2]), lambda: array_ops.gather(v, [1, 1]))
            g = gradients_impl.gradients(r, v)[0]
            sess.run(v.initializer)
            d = ops.convert_to_tensor(g)
            self.assertAllEqual([[1.0, 1.0], [0.0, 0.0], [1.0, 1.0]], sess.run(d, {p: True}))
            self.assertAllEqual([[0.0, 0.0], [2.0, 2.0], [0.0, 0.0]], sess.run(d, {p: False}))

    def testGradSlicesDense(self):
        with self.session() as sess:
            v = variable_v1.VariableV1([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], use_resource=False)
            p = array_ops.placeholder(dtypes.bool, [])
            r = tf_cond.cond(p, lambda: array_ops.gather(v, [0, 2]), lambda: v[:2] * 3.0)
            g = gradients_impl.gradients(r, v)[0]
            sess.run(v.initializer)
            d = ops.convert_to_tensor(g)
            self.assertAllEqual([[1.0, 1.0], [0.0, 0.0], [1.0, 1.0]], sess.run(d, {p: True}))
            self.assertAllEqual([[3.0, 3.0], [3.0, 3.0], [0.0, 0.0]], sess.run(d, {p: False}))

    def testSlicesResult(self):
        with self.session() as sess:
            p = array_ops.placeholder(dtypes.bool, [])
            a = indexed_slices.IndexedSlices(constant_op.constant([1.0]), constant_op.constant([0]))
            b = indexed_slices.IndexedSlices(constant_op.constant([2.0]), constant_op.constant([3]))
            r = tf_cond.cond(p, lambda: a, lambda: b)
            self.assertIsInstance(r, indexed_slices.IndexedSlices)
            self.assertAllEqual([3], sess.run(r.indices, {p: False}))

    def testSlicesIndexTypesDiffer(self):
        with self.session() as sess:
            p = array_ops.placeholder(dtypes.bool, [])
            a = indexed_slices.IndexedSlices(constant_op.constant([1.0]), constant_op.constant([0], dtypes.int32))
            b = indexed_slices.IndexedSlices(constant_op.constant([2.0]), constant_op.constant([3], dtypes.int64))
            r = tf_cond.cond(p, lambda: a, lambda: b)
            self.assertAllEqual([3], sess.run(r.indices, {p: False}))

    def testSparseResult(self):
        with self.session() as sess:
            p = array_ops.placeholder(dtypes.bool, [])
            a = sparse_tensor.SparseTensor([[0]], [1.0], [4])
            b = sparse_tensor.SparseTensor([[1], [2]], [5.0, 6.0], [4])
            r = tf_cond.cond(p, lambda: a, lambda: b)
            self.assertIsInstance(r, sparse_tensor.SparseTensor)
            self.assertAllEqual([5.0, 6.0], sess.run(r, {p: False}).values)
            self.assertAllEqual([1.0], sess.run(r, {p: True}).values)

    def testShapes(self):
        p = constant_op.constant(True)
        r = tf_cond.cond(p, lambda: array_ops.ones([2, 3]), lambda: array_ops.ones([2, 5]))
        self.assertEqual([2, None], r.get_shape().as_list())
        r = tf_cond.cond(p, lambda: array_ops.ones([2, 3]), lambda: array_ops.ones([3]))
        self.assertIsNone(r.get_shape().ndims)

    def testNamesOfNodes(self):
        with ops.Graph().as_default() as g:
            x = constant_op.constant(1, name="x")
            r = tf_cond.cond(constant_op.constant(True, name="p"), lambda: x + 1, lambda: x - 1, name="cd")
            names = [o.name for o in g.get_operations()]
            self.assertEqual("cd/Merge:0", r.name)
            for n in (
                "cd/Switch",
                "cd/switch_t",
                "cd/switch_f",
                "cd/add/y",
                "cd/add/Switch",
                "cd/add",
                "cd/sub",
                "cd/sub/y",
                "cd/Merge",
            ):
                self.assertIn(n, names)

    def testDefaultName(self):
        with ops.Graph().as_default():

            def f():
                return constant_op.constant(1)

            self.assertEqual("cond/Merge", tf_cond.cond(constant_op.constant(True), f, f).op.name)
            self.assertEqual("cond_1/Merge", tf_cond.cond(constant_op.constant(True), f, f).op.name)

    def testCondInCond(self):
        with self.session() as sess:
            a = array_ops.placeholder(dtypes.bool, [])
            b = array_ops.placeholder(dtypes.bool, [])
            x = constant_op.constant(2.0)
            r = tf_cond.cond(
                a,
                lambda: tf_cond.cond(b, lambda: x * 2.0, lambda: x * 3.0),
                lambda: tf_cond.cond(b, lambda: x * 5.0, lambda: x * 7.0),
            )
            g = gradients_impl.gradients(r, x)[0]
            for va, vb, k in ((1, 1, 2.0), (1, 0, 3.0), (0, 1, 5.0), (0, 0, 7.0)):
                self.assertEqual([2 * k, k], sess.run([r, g], {a: va, b: vb}))

    def testSamePredNested(self):
        with self.session() as sess:
            a = array_ops.placeholder(dtypes.bool, [])
            x = constant_op.constant(2.0)
            r = tf_cond.cond(a, lambda: tf_cond.cond(a, lambda: x * 2.0, lambda: x * 3.0), lambda: x)
            g = gradients_impl.gradients(r, x)[0]
            self.assertEqual([4.0, 2.0], sess.run([r, g], {a: True}))
            self.assertEqual([2.0, 1.0], sess.run([r, g], {a: False}))

    def testControlDependencies(self):
        with self.session() as sess:
            v = variable_v1.VariableV1(0, use_resource=False)
            p = array_ops.placeholder(dtypes.bool, [])
            up = state_ops.assign_add(v, 1)

            def t():
                with ops.control_dependencies([up]):
                    return constant_op.constant(1)

            r = tf_cond.cond(p, t, lambda: constant_op.constant(2))
            sess.run(v.initializer)
            sess.run(r, {p: False})
            self.assertEqual(1, sess.run(v))

    def testVariableCreated(self):
        with self.session() as sess:

            def t():
                return variable_scope.get_variable("cv", [], initializer=init_ops.constant_initializer(4.0)) + 0.0

            p = array_ops.placeholder(dtypes.bool, [])
            r = tf_cond.cond(p, t, lambda: constant_op.constant(2.0))
            sess.run(variables.global_variables_initializer())
            self.assertEqual(4.0, sess.run(r, {p: True}))

    def testReturnVariable(self):
        with self.session() as sess:
            v = variable_v1.VariableV1(4.0, use_resource=False)
            w = resource_variable_ops.ResourceVariable(5.0)
            p = array_ops.placeholder(dtypes.bool, [])
            r = tf_cond.cond(p, lambda: v, lambda: w)
            sess.run(variables.global_variables_initializer())
            self.assertEqual([4.0, 5.0], [sess.run(r, {p: True}), sess.run(r, {p: False})])

    def testAssignInBranchesOfRef(self):
        with self.session() as sess:
            v = variable_v1.VariableV1(4.0, use_resource=False)
            p = array_ops.placeholder(dtypes.bool, [])
            r = tf_cond.cond(p, lambda: v.assign(7.0), lambda: v.assign(8.0))
            sess.run(v.initializer)
            self.assertEqual(7.0, sess.run(r, {p: True}))
            self.assertEqual(8.0, sess.run(r, {p: False}))
            self.assertEqual(8.0, sess.run(v))

    def testPyFunc(self):
        with self.session() as sess:
            calls = []
            p = array_ops.placeholder(dtypes.bool, [])

            def f():
                calls.append(1)
                return np.float32(3.0)

            r = tf_cond.cond(p, lambda: script_ops.py_func(f, [], dtypes.float32), lambda: constant_op.constant(1.0))
            sess.run(r, {p: False})
            self.assertEqual([], calls)
            sess.run(r, {p: True})
            self.assertEqual([1], calls)

    def testPythonNumbers(self):
        with self.session() as sess:
            p = array_ops.placeholder(dtypes.bool, [])
            r = tf_cond.cond(p, lambda: 1, lambda: 2)
            self.assertEqual([1, 2], [sess.run(r, {p: True}), sess.run(r, {p: False})])
            r = tf_cond.cond(p, lambda: np.ones([2]), lambda: np.zeros([2]))
            self.assertEqual(dtypes.float64, r.dtype)

    def testContexts(self):
        with ops.Graph().as_default():
            x = constant_op.constant(1)
            inside = []

            def t():
                y = x + 1
                inside.append(y)
                return y

            tf_cond.cond(constant_op.constant(True), t, lambda: x)
            ctx = inside[0].op._get_control_flow_context()
            self.assertTrue(ctx.IsCondContext())
            self.assertFalse(ctx.IsWhileContext())
            self.assertEqual(1, ctx.branch)
            self.assertEqual("cond/switch_t:0", ctx.pivot.name)
            self.assertIsNone(ctx.outer_context)
            self.assertEqual("cond/cond_text", ctx.name)

    def testMetaGraphRoundTrip(self):
        from tensorflow.python.training import saver

        with ops.Graph().as_default() as g:
            p = array_ops.placeholder(dtypes.bool, [], name="p")
            x = array_ops.placeholder(dtypes.float32, [], name="x")
            r = tf_cond.cond(
                p,
                lambda: while_loop_tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * x), [0, x])[1],
                lambda: x,
                name="c",
            )
            array_ops.identity(r, name="r")
            mg = saver.export_meta_graph(graph=g)
        with ops.Graph().as_default() as g:
            saver.import_meta_graph(mg)
            x = g.get_tensor_by_name("x:0")
            r = g.get_tensor_by_name("r:0")
            p = g.get_tensor_by_name("p:0")
            gr = gradients_impl.gradients(r, x)[0]
            with self.session(graph=g) as sess:
                self.assertEqual([16.0, 32.0], sess.run([r, gr], {x: 2.0, p: True}))
                self.assertEqual([2.0, 1.0], sess.run([r, gr], {x: 2.0, p: False}))

    def testWhileContextIn(self):
        with ops.Graph().as_default():
            got = []

            def body(i):
                got.append(i + 1)
                return got[0]

            while_loop_tf.while_loop(
                lambda i: i < 5, body, [constant_op.constant(0)], parallel_iterations=7, swap_memory=True, name="w"
            )
            c = got[0].op._get_control_flow_context()
            self.assertTrue(c.IsWhileContext())
            self.assertEqual(7, c.parallel_iterations)
            self.assertTrue(c.swap_memory)
            self.assertTrue(c.back_prop)
            self.assertEqual("w/while_context", c.name)
            self.assertEqual("w/LoopCond:0", c.pivot.name)
            self.assertEqual(["w/Enter"], [t.op.name for t in c.loop_enters])
            self.assertEqual(["w/Exit"], [t.op.name for t in c.loop_exits])
            self.assertIs(c, c.GetWhileContext())

    def testControlFlowUtil(self):
        from tensorflow.python.ops import control_flow_util as util

        with ops.Graph().as_default() as g:
            got = []
            x = constant_op.constant(0)

            def body(i):
                got.append(tf_cond.cond(i > 1, lambda: i + 1, lambda: i + 2))
                return got[0]

            while_loop_tf.while_loop(lambda i: i < 5, body, [x])
            op = got[0].op
            self.assertTrue(util.IsInWhileLoop(op))
            self.assertFalse(util.IsInWhileLoop(x.op))
            self.assertTrue(util.IsInCond(got[0].op.inputs[0].op))
            self.assertFalse(util.IsInCond(x.op))
            self.assertTrue(util.IsCondMerge(op))
            self.assertTrue(util.IsMerge(op))
            self.assertTrue(util.IsSwitch(g.get_operation_by_name("while/Switch")))
            self.assertTrue(util.IsLoopSwitch(g.get_operation_by_name("while/Switch")))
            self.assertTrue(util.IsLoopEnter(g.get_operation_by_name("while/Enter")))
            self.assertTrue(util.IsLoopExit(g.get_operation_by_name("while/Exit")))

    def testSmartCond(self):
        from tensorflow.python.framework import smart_cond

        self.assertEqual("t", smart_cond.smart_cond(True, lambda: "t", lambda: "f"))
        self.assertEqual("f", smart_cond.smart_cond(constant_op.constant(False), lambda: "t", lambda: "f"))
        self.assertEqual("f", smart_cond.smart_cond(constant_op.constant(1) > 2, lambda: "t", lambda: "f"))
        with self.assertRaises(TypeError):
            smart_cond.smart_cond(True, 1, 2)
        self.assertIsNone(smart_cond.smart_constant_value(array_ops.placeholder(dtypes.bool)))
        with self.assertRaises(TypeError):
            smart_cond.smart_constant_value("abc")
        r = smart_cond.smart_case([(False, lambda: 1), (True, lambda: 2)], default=lambda: 3)
        self.assertEqual(2, r)

    def testMergeNotFed(self):
        with self.session() as sess:
            x = array_ops.placeholder(dtypes.float32, [])
            r = tf_cond.cond(x > 0, lambda: x * 2, lambda: x * 3)
            self.assertEqual(7.0, sess.run(r, {x: 1.0, r: 7.0}))


if __name__ == "__main__":
    test.main()
