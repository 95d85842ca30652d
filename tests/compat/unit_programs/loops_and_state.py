"""while_loop with variables, queues, names, gradients of gradients of what stands around."""

import numpy as np
from tensorflow.python.framework import (
    constant_op,
    dtypes,
    errors,
    indexed_slices,
    ops,
    test_util,
)
from tensorflow.python.ops import (  # noqa
    array_grad,
    array_ops,
    check_ops,
    clip_ops,
    control_flow_grad,
    data_flow_ops,
    embedding_ops,
    gradients_impl,
    init_ops,
    math_grad,
    math_ops,
    nn_grad,
    random_ops,
    resource_variable_ops,
    script_ops,
    state_grad,
    state_ops,
    tensor_array_grad,
    variable_scope,
    variable_v1,
    variables,
)
from tensorflow.python.ops import (
    while_loop as while_loop_tf,
)
from tensorflow.python.platform import test


@test_util.run_v1_only("graphs")
class WhileLoopAndStateTest(test.TestCase):
    def testVariablesRefInBody(self):
        with self.cached_session():
            v = variable_v1.VariableV1(0, use_resource=False)
            n = variable_v1.VariableV1(3, use_resource=False)

            def body(i):
                with ops.control_dependencies([state_ops.assign_add(v, i).op]):
                    return i + 1

            r = while_loop_tf.while_loop(lambda i: i < n, body, [constant_op.constant(0)])
            self.evaluate(variables.global_variables_initializer())
            self.assertEqual(3, self.evaluate(r))
            self.assertEqual(3, self.evaluate(v))

    def testResourceVariableGrad(self):
        with self.cached_session():
            v = resource_variable_ops.ResourceVariable(2.0)
            self.evaluate(v.initializer)
            r = while_loop_tf.while_loop(
                lambda i, x: i < 3, lambda i, x: (i + 1, x * v), [0, constant_op.constant(1.0)]
            )[1]
            g = gradients_impl.gradients(r, v)[0]
            self.assertAllClose(12.0, self.evaluate(g))

    def testVariableRefGrad(self):
        with self.cached_session():
            a = variable_v1.VariableV1(3.0, use_resource=False)
            self.evaluate(a.initializer)
            r = while_loop_tf.while_loop(
                lambda i, x: i < 2, lambda i, x: (i + 1, x * a), [0, constant_op.constant(2.0)]
            )[1]
            self.assertAllClose(12.0, self.evaluate(gradients_impl.gradients(r, a)[0]))

    def testGetVariableInBody(self):
        with self.cached_session():

            def body(i, x):
                with variable_scope.variable_scope("s", reuse=variable_scope.AUTO_REUSE):
                    w = variable_scope.get_variable("w", [], initializer=init_ops.constant_initializer(2.0))
                return i + 1, x * w

            r = while_loop_tf.while_loop(lambda i, x: i < 3, body, [0, constant_op.constant(1.0)])[1]
            self.evaluate(variables.global_variables_initializer())
            self.assertAllClose(8.0, self.evaluate(r))

    def testQueueInBody(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(-1, dtypes.int32)

            def body(i):
                with ops.control_dependencies([q.enqueue((i,))]):
                    return i + 1

            r = while_loop_tf.while_loop(lambda i: i < 10, body, [0])
            self.assertEqual(10, self.evaluate(r))
            for i in range(10):
                self.assertEqual(i, self.evaluate(q.dequeue()))

    def testDequeueInLoop(self):
        with self.cached_session():
            q = data_flow_ops.FIFOQueue(100, dtypes.int32, shapes=[[]])
            self.evaluate(q.enqueue_many([list(range(10))]))

            def body(i, s):
                x = q.dequeue()
                x.set_shape([])
                return i + 1, s + x

            r = while_loop_tf.while_loop(lambda i, s: i < 10, body, [0, 0], parallel_iterations=1)
            self.assertEqual(45, self.evaluate(r)[1])

    def testRandomInBody(self):
        with self.cached_session():
            r = while_loop_tf.while_loop(
                lambda i, x: i < 5, lambda i, x: (i + 1, x + random_ops.random_uniform([2])), [0, array_ops.zeros([2])]
            )[1]
            out = self.evaluate(r)
            self.assertTrue(np.all(out > 0) and np.all(out < 5))

    def testPyFuncInBody(self):
        with self.cached_session():
            seen = []

            def f(x):
                seen.append(int(x))
                return np.int32(x * 2)

            def body(i, x):
                y = script_ops.py_func(f, [x], dtypes.int32)
                y.set_shape([])
                return i + 1, y

            r = while_loop_tf.while_loop(lambda i, x: i < 4, body, [0, 1])[1]
            self.assertEqual(16, self.evaluate(r))
            self.assertEqual([1, 2, 4, 8], seen)

    def testControlDependencyOutside(self):
        with self.cached_session():
            v = variable_v1.VariableV1(0, use_resource=False)
            self.evaluate(v.initializer)
            up = v.assign(7)
            with ops.control_dependencies([up.op]):
                r = while_loop_tf.while_loop(lambda i: i < 3, lambda i: i + 1, [constant_op.constant(0)])
            self.evaluate(r)
            self.assertEqual(7, self.evaluate(v))

    def testControlDependencyOnLoop(self):
        with self.cached_session():
            v = variable_v1.VariableV1(0, use_resource=False)
            self.evaluate(v.initializer)

            def body(i):
                with ops.control_dependencies([state_ops.assign_add(v, 1).op]):
                    return array_ops.identity(i + 1)

            r = while_loop_tf.while_loop(lambda i: i < 3, body, [0])
            with ops.control_dependencies([r]):
                c = constant_op.constant(1)
            self.evaluate(c)
            self.assertEqual(3, self.evaluate(v))

    def testDeviceInBody(self):
        with self.cached_session():

            def body(i):
                with ops.device("/cpu:0"):
                    return i + 1

            with ops.device("/cpu:0"):
                r = while_loop_tf.while_loop(lambda i: i < 3, body, [0])
            self.assertEqual(3, self.evaluate(r))
            adds = [o for o in ops.get_default_graph().get_operations() if o.type in ("Add", "AddV2")]
            self.assertTrue(all("CPU:0" in o.device for o in adds))

    def testColocateInBody(self):
        with self.cached_session():
            x = constant_op.constant(0.0, name="x")

            def body(a):
                with ops.colocate_with(x):
                    return a + 1.0

            r = while_loop_tf.while_loop(lambda a: a < 3.0, body, [x])
            self.assertEqual(3.0, self.evaluate(r))

    def testNamesInScope(self):
        with ops.Graph().as_default() as g:
            r = while_loop_tf.while_loop(lambda i: i < 3, lambda i: i + 1, [constant_op.constant(0)], name="loop")
            names = [o.name for o in g.get_operations()]
            for n in (
                "loop/Enter",
                "loop/Merge",
                "loop/Less/y",
                "loop/Less",
                "loop/LoopCond",
                "loop/Switch",
                "loop/Identity",
                "loop/add/y",
                "loop/add",
                "loop/NextIteration",
                "loop/Exit",
            ):
                self.assertIn(n, names)
            self.assertEqual(r.name, "loop/Exit:0")
            self.assertEqual(g.get_operation_by_name("loop/Enter").get_attr("frame_name"), b"loop/while_context")

    def testNamesDefault(self):
        with ops.Graph().as_default():
            with ops.name_scope("a"):
                r = while_loop_tf.while_loop(
                    lambda i, j: i < 3, lambda i, j: (i + 1, j), [constant_op.constant(0), constant_op.constant(1)]
                )
            self.assertEqual(["a/while/Exit", "a/while/Exit_1"], [t.op.name for t in r])
            r = while_loop_tf.while_loop(lambda i: i < 3, lambda i: i + 1, [constant_op.constant(0)])
            self.assertEqual("while/Exit", r.op.name)
            r = while_loop_tf.while_loop(lambda i: i < 3, lambda i: i + 1, [constant_op.constant(0)])
            self.assertEqual("while_1/Exit", r.op.name)

    def testMaximumIterationsNames(self):
        with ops.Graph().as_default() as g:
            while_loop_tf.while_loop(
                lambda i: i < 3, lambda i: i + 1, [constant_op.constant(0)], maximum_iterations=2, name="lp"
            )
            names = [o.name for o in g.get_operations()]
            for n in ("lp/maximum_iterations", "lp/iteration_counter", "lp/Enter_1", "lp/LogicalAnd"):
                self.assertIn(n, names)

    def testExitWhere(self):
        with self.cached_session():
            c = constant_op.constant(0)
            r = while_loop_tf.while_loop(lambda i: i < 0, lambda i: i + 1, [c])
            self.assertEqual(0, self.evaluate(r))

    def testGradZeroIterations(self):
        with self.cached_session():
            v = constant_op.constant(2.0)
            r = while_loop_tf.while_loop(lambda i, x: i < 0, lambda i, x: (i + 1, x * v), [0, v])[1]
            self.assertAllClose(1.0, self.evaluate(gradients_impl.gradients(r, v)[0]))

    def testUnrelatedGradNone(self):
        u = constant_op.constant(1.0)
        v = constant_op.constant(2.0)
        r = while_loop_tf.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x * v), [0, v])[1]
        self.assertIsNone(gradients_impl.gradients(r, u)[0])

    def testIntVarGrad(self):
        with self.cached_session():
            v = constant_op.constant(2.0)

            def body(i, x):
                return i + 1, x * math_ops.cast(i + 1, dtypes.float32)

            r = while_loop_tf.while_loop(lambda i, x: i < 4, body, [0, v])[1]
            self.assertAllClose(24.0, self.evaluate(gradients_impl.gradients(r, v)[0]))

    def testGradGather(self):
        with self.cached_session():
            emb = constant_op.constant([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])

            def body(i, s):
                return i + 1, s + math_ops.reduce_sum(array_ops.gather(emb, i) * array_ops.gather(emb, i))

            r = while_loop_tf.while_loop(lambda i, s: i < 3, body, [0, constant_op.constant(0.0)])[1]
            g = gradients_impl.gradients(r, emb)[0]
            self.assertAllClose([[2.0, 4.0], [6.0, 8.0], [10.0, 12.0]], self.evaluate(ops.convert_to_tensor(g)))

    def testGradSlicesKept(self):
        with self.cached_session():
            emb = variable_v1.VariableV1(np.arange(8, dtype=np.float32).reshape(4, 2), use_resource=True)
            self.evaluate(emb.initializer)

            def body(i, s):
                return i + 1, s + math_ops.reduce_sum(embedding_ops.embedding_lookup(emb, i))

            r = while_loop_tf.while_loop(lambda i, s: i < 3, body, [0, constant_op.constant(0.0)])[1]
            g = gradients_impl.gradients(r, emb)[0]
            self.assertIsInstance(g, indexed_slices.IndexedSlices)
            d = ops.convert_to_tensor(g)
            self.assertAllClose([[1.0, 1.0], [1.0, 1.0], [1.0, 1.0], [0.0, 0.0]], self.evaluate(d))

    def testGradMatmulRNN(self):
        with self.cached_session():
            w = constant_op.constant(np.random.RandomState(0).randn(3, 3).astype(np.float32))
            x = constant_op.constant(np.ones([2, 3], np.float32))

            def run(w, x):
                return while_loop_tf.while_loop(
                    lambda i, h: i < 4, lambda i, h: (i + 1, math_ops.tanh(math_ops.matmul(h, w))), [0, x]
                )[1]

            h = x
            for _ in range(4):
                h = math_ops.tanh(math_ops.matmul(h, w))
            r = run(w, x)
            self.assertAllClose(self.evaluate(h), self.evaluate(r))
            for a, b in zip(gradients_impl.gradients(h, [w, x]), gradients_impl.gradients(r, [w, x])):
                self.assertAllClose(self.evaluate(a), self.evaluate(b), rtol=1e-4, atol=1e-5)

    def testGradOfBothResults(self):
        with self.cached_session():
            a = constant_op.constant(2.0)
            b = constant_op.constant(3.0)
            r = while_loop_tf.while_loop(lambda i, x, y: i < 2, lambda i, x, y: (i + 1, x * y, y + x), [0, a, b])
            ga, gb = gradients_impl.gradients(r[1:], [a, b])
            # x1=ab,y1=a+b; x2=ab(a+b), y2=a+b+ab
            self.assertAllClose(2 * 2 * 3 + 9 + 1 + 3, self.evaluate(ga))
            self.assertAllClose(4 + 2 * 2 * 3 + 1 + 2, self.evaluate(gb))

    def testGradYs(self):
        with self.cached_session():
            a = constant_op.constant([1.0, 2.0])
            r = while_loop_tf.while_loop(lambda i, x: i < 2, lambda i, x: (i + 1, x * 3.0), [0, a])[1]
            g = gradients_impl.gradients(r, a, grad_ys=[constant_op.constant([1.0, 10.0])])[0]
            self.assertAllClose([9.0, 90.0], self.evaluate(g))

    def testGradInsideBody(self):
        with self.cached_session():

            def body(i, x):
                y = x * x
                return i + 1, gradients_impl.gradients(y, x)[0]

            r = while_loop_tf.while_loop(lambda i, x: i < 3, body, [0, constant_op.constant(1.0)])[1]
            self.assertAllClose(8.0, self.evaluate(r))

    def testGradInsideBodyOfOuter(self):
        with self.cached_session():
            v = constant_op.constant(3.0)

            def body(i, x):
                y = x * v * v
                return i + 1, x + gradients_impl.gradients(y, x)[0]

            r = while_loop_tf.while_loop(lambda i, x: i < 2, body, [0, constant_op.constant(1.0)])[1]
            self.assertAllClose(19.0, self.evaluate(r))

    def testNestedIndependent(self):
        with self.cached_session():

            def outer(i, s):
                j, t = while_loop_tf.while_loop(lambda j, t: j < i, lambda j, t: (j + 1, t + i * j), [0, s])
                return i + 1, t

            r = while_loop_tf.while_loop(lambda i, s: i < 5, outer, [0, 0])[1]
            self.assertEqual(sum(i * j for i in range(5) for j in range(i)), self.evaluate(r))

    def testLoopVarIsCapturedByInner(self):
        with self.cached_session():
            x = constant_op.constant(2.0)

            def outer(i, a):
                b = while_loop_tf.while_loop(lambda j, y: j < 2, lambda j, y: (j + 1, y * a), [0, a])[1]
                return i + 1, b

            r = while_loop_tf.while_loop(lambda i, a: i < 2, outer, [0, x])[1]
            self.assertAllClose(2.0**9, self.evaluate(r))
            self.assertAllClose(9 * 2.0**8, self.evaluate(gradients_impl.gradients(r, x)[0]))

    def testSameTensorTwice(self):
        with self.cached_session():
            x = constant_op.constant(2.0)
            r = while_loop_tf.while_loop(lambda i, a, b: i < 2, lambda i, a, b: (i + 1, a * b, b), [0, x, x])
            self.assertAllClose(8.0, self.evaluate(r[1]))
            self.assertAllClose(12.0, self.evaluate(gradients_impl.gradients(r[1], x)[0]))

    def testBodyReturnsConstant(self):
        with self.cached_session():
            r = while_loop_tf.while_loop(
                lambda i, a: i < 2, lambda i, a: (i + 1, constant_op.constant(4.0)), [0, constant_op.constant(1.0)]
            )
            self.assertAllClose(4.0, self.evaluate(r[1]))

    def testBodyReturnsOuter(self):
        with self.cached_session():
            x = constant_op.constant(4.0) * 1.0
            r = while_loop_tf.while_loop(lambda i, a: i < 2, lambda i, a: (i + 1, x), [0, constant_op.constant(1.0)])
            self.assertAllClose(4.0, self.evaluate(r[1]))
            self.assertAllClose(1.0, self.evaluate(gradients_impl.gradients(r[1], x)[0]))

    def testNumpyLoopVars(self):
        with self.cached_session():
            r = while_loop_tf.while_loop(
                lambda i, a: i < 2, lambda i, a: (i + 1, a + 1), [np.int64(0), np.zeros([2], np.float64)]
            )
            self.assertEqual(dtypes.int64, r[0].dtype)
            self.assertEqual(dtypes.float64, r[1].dtype)
            self.assertAllEqual([2.0, 2.0], self.evaluate(r[1]))

    def testStringLoopVar(self):
        from tensorflow.python.ops import string_ops

        with self.cached_session():
            r = while_loop_tf.while_loop(
                lambda i, s: i < 3, lambda i, s: (i + 1, string_ops.string_join([s, "a"])), [0, ""]
            )
            self.assertEqual(b"aaa", self.evaluate(r[1]))

    def testBoolLoopVar(self):
        with self.cached_session():
            r = while_loop_tf.while_loop(lambda go, n: go, lambda go, n: (n < 4, n + 1), [True, 0])
            self.assertEqual(5, self.evaluate(r[1]))

    def testCheckOpsInside(self):
        with self.cached_session():

            def body(i):
                with ops.control_dependencies([check_ops.assert_less(i, 5, message="too big")]):
                    return i + 1

            self.assertEqual(
                4, self.evaluate(while_loop_tf.while_loop(lambda i: i < 4, body, [constant_op.constant(0)]))
            )
            with self.assertRaisesOpError("too big"):
                self.evaluate(while_loop_tf.while_loop(lambda i: i < 9, body, [constant_op.constant(0)]))

    def testErrorInBodyNamesNode(self):
        with self.cached_session():
            x = array_ops.placeholder_with_default([1.0, 2.0], [None])
            r = while_loop_tf.while_loop(lambda i, s: i < 5, lambda i, s: (i + 1, s + array_ops.gather(x, i)), [0, 0.0])
            with self.assertRaises(errors.InvalidArgumentError):
                self.evaluate(r)

    def testImportedWhile(self):
        with ops.Graph().as_default() as g:
            c = constant_op.constant(0, name="c")
            while_loop_tf.while_loop(lambda i: i < 3, lambda i: i + 1, [c], name="lp")
            gd = g.as_graph_def()
        from tensorflow.python.framework import importer

        with ops.Graph().as_default(), self.session() as sess:
            (out,) = importer.import_graph_def(gd, return_elements=["lp/Exit:0"])
            self.assertEqual(3, sess.run(out))

    def testImportedWhileInWhile(self):
        from tensorflow.python.framework import importer

        with ops.Graph().as_default() as g:
            c = array_ops.placeholder(dtypes.int32, [], name="c")
            while_loop_tf.while_loop(lambda i: i < 3, lambda i: i + 1, [c], name="lp")
            gd = g.as_graph_def()
        with ops.Graph().as_default(), self.session() as sess:

            def body(i, s):
                (out,) = importer.import_graph_def(gd, input_map={"c": i}, return_elements=["lp/Exit:0"])
                out.set_shape([])
                return i + 1, s + out

            r = while_loop_tf.while_loop(lambda i, s: i < 2, body, [0, 0])
            self.assertEqual(6, sess.run(r[1]))

    def testFetchesFromLoop(self):
        with self.cached_session() as sess:
            r = while_loop_tf.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x + 1.0), [0, 0.0])
            self.assertEqual((3, 3.0), tuple(sess.run(r)))

    def testFeedThroughLoop(self):
        with self.session() as sess:
            n = array_ops.placeholder(dtypes.int32, [])
            x = array_ops.placeholder(dtypes.float32, [])
            r = while_loop_tf.while_loop(lambda i, a: i < n, lambda i, a: (i + 1, a * x), [0, 1.0])[1]
            g = gradients_impl.gradients(r, x)[0]
            for k in range(5):
                self.assertAllClose([1.5**k, k * 1.5 ** (k - 1)], sess.run([r, g], {n: k, x: 1.5}))

    def testSummariesInBody(self):
        from tensorflow.python.summary import summary

        with self.session() as sess:

            def body(i):
                return i + 1

            r = while_loop_tf.while_loop(lambda i: i < 3, body, [0])
            summary.scalar("r", r)
            self.assertTrue(sess.run(summary.merge_all()))

    def testLargeParallel(self):
        with self.cached_session():
            r = while_loop_tf.while_loop(
                lambda i, x: i < 300,
                lambda i, x: (i + 1, x + math_ops.cast(i, dtypes.int64)),
                [0, np.int64(0)],
                parallel_iterations=32,
            )
            self.assertEqual(299 * 150, self.evaluate(r[1]))

    def testWhileGradientAfterSessionRun(self):
        with self.cached_session():
            v = constant_op.constant(2.0)
            r = while_loop_tf.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x * v), [0, v])[1]
            self.assertAllClose(16.0, self.evaluate(r))
            g = gradients_impl.gradients(r, v)[0]
            self.assertAllClose(32.0, self.evaluate(g))

    def testTwoGradients(self):
        with self.cached_session():
            v = constant_op.constant(2.0)
            r = while_loop_tf.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x * v), [0, v])[1]
            g1 = gradients_impl.gradients(r, v)[0]
            g2 = gradients_impl.gradients(r * 2.0, v)[0]
            self.assertAllClose([32.0, 64.0], self.evaluate([g1, g2]))

    def testClipByNormInBody(self):
        with self.cached_session():
            v = constant_op.constant([3.0, 4.0])
            r = while_loop_tf.while_loop(
                lambda i, x: i < 3, lambda i, x: (i + 1, clip_ops.clip_by_norm(x * 2.0, 1.0)), [0, v]
            )[1]
            self.assertAllClose([0.6, 0.8], self.evaluate(r))
            self.assertAllEqual([2], self.evaluate(gradients_impl.gradients(r, v)[0]).shape)


if __name__ == "__main__":
    test.main()
