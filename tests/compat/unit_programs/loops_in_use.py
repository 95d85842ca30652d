"""Loops and branches as programs use them: optimizers, nets, functions, errors, several steps at once."""

import numpy as np
from tensorflow.core.protobuf import config_pb2
from tensorflow.python.framework import (
    constant_op,
    dtypes,
    errors,
    function,
    ops,
    tensor_shape,
    test_util,
)
from tensorflow.python.ops import (
    array_ops,
    check_ops,
    control_flow_case,
    control_flow_ops,
    custom_gradient,
    data_flow_ops,
    embedding_ops,
    gen_data_flow_ops,
    gradients_impl,
    logging_ops,
    math_ops,
    nn_ops,
    resource_variable_ops,
    rnn,
    rnn_cell_impl,
    sparse_ops,
    state_ops,
    tensor_array_ops,
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
from tensorflow.python.training import adam, gradient_descent, momentum


@test_util.run_v1_only("more")
class MoreTest(test.TestCase):
    def testQIntSwitchMerge(self):
        with self.session() as sess:
            q = constant_op.constant(np.array([42]), dtypes.qint8)
            i0 = control_flow_ops.switch(q, constant_op.constant(True))
            m, _ = control_flow_ops.merge(list(i0))
            self.assertAllEqual([42], sess.run(math_ops.cast(m, dtypes.int32)))

    def testStackPushPopInLoops(self):
        with self.session() as sess:
            s = gen_data_flow_ops.stack_v2(-1, dtypes.int32, stack_name="st")
            i = constant_op.constant(0)

            def b(i):
                with ops.control_dependencies([gen_data_flow_ops.stack_push_v2(s, i * 10)]):
                    return i + 1

            r = while_loop_tf.while_loop(lambda i: i < 10, b, [i])
            x = constant_op.constant(0)

            def b1(i, x):
                ni = math_ops.subtract(i, 1)
                nx = x + gen_data_flow_ops.stack_pop_v2(s, dtypes.int32)
                return [ni, nx]

            _, rx = while_loop_tf.while_loop(
                lambda i, x: i > 0, b1, [r, x], [r.get_shape(), tensor_shape.unknown_shape()]
            )
            self.assertEqual(450, sess.run(rx))

    def testTensorArrayOfStackGrad(self):
        with self.session() as sess:
            x = constant_op.constant([[1.0, 2.0], [3.0, 4.0]])
            ta = tensor_array_ops.TensorArray(dtypes.float32, size=2)
            ta = ta.unstack(x)
            y = ta.stack()
            g = gradients_impl.gradients(y, x, grad_ys=[array_ops.ones_like(y) * 3.0])[0]
            self.assertAllEqual(3.0 * np.ones([2, 2]), sess.run(g))

    def testNestedWhileTimes(self):
        with self.session() as sess:

            def cpu_sum(s):
                with ops.device("/cpu:0"):
                    return while_loop_tf.while_loop(
                        lambda i, s: i < 10, lambda i, s: [i + 1, s + i], [constant_op.constant(0), s]
                    )[1]

            r = while_loop_tf.while_loop(lambda x: x < 200, cpu_sum, [constant_op.constant(0)])
            self.assertEqual(225, sess.run(r))

    def testThreeDeep(self):
        with self.session() as sess:
            v = constant_op.constant(1.0)

            def l3(x):
                return while_loop_tf.while_loop(lambda k, z: k < 2, lambda k, z: (k + 1, z * 1.1), [0, x])[1]

            def l2(x):
                return while_loop_tf.while_loop(lambda k, z: k < 2, lambda k, z: (k + 1, l3(z) * v), [0, x])[1]

            r = while_loop_tf.while_loop(lambda k, z: k < 2, lambda k, z: (k + 1, l2(z)), [0, v])[1]
            self.assertAllClose(1.1**8, sess.run(r))
            self.assertAllClose(5 * 1.1**8, sess.run(gradients_impl.gradients(r, v)[0]))

    def testMinimizeInLoopBody(self):
        with self.session() as sess:
            w = variable_v1.VariableV1(3.0, use_resource=True)
            opt = gradient_descent.GradientDescentOptimizer(0.1)

            def body(i):
                loss = math_ops.square(w.read_value())
                with ops.control_dependencies([opt.minimize(loss, var_list=[w])]):
                    return i + 1

            r = while_loop_tf.while_loop(lambda i: i < 5, body, [0], parallel_iterations=1)
            sess.run(variables.global_variables_initializer())
            sess.run(r)
            self.assertAllClose(3.0 * 0.8**5, sess.run(w))

    def testTrainThroughLoop(self):
        with self.session() as sess:
            w = variable_v1.VariableV1([[1.0, 0.5], [0.2, 0.3]], use_resource=False)
            x = constant_op.constant([[1.0, 2.0]])
            y = while_loop_tf.while_loop(
                lambda i, h: i < 3, lambda i, h: (i + 1, math_ops.tanh(math_ops.matmul(h, w))), [0, x]
            )[1]
            loss = math_ops.reduce_sum(math_ops.square(y - 1.0))
            train = momentum.MomentumOptimizer(0.1, 0.9).minimize(loss)
            sess.run(variables.global_variables_initializer())
            first = sess.run(loss)
            for _ in range(20):
                sess.run(train)
            self.assertLess(sess.run(loss), first)

    def testColocateGradients(self):
        with self.session() as sess:
            v = constant_op.constant(2.0)
            with ops.device("/cpu:0"):
                r = while_loop_tf.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x * v), [0, v])[1]
            g = gradients_impl.gradients(r, v, colocate_gradients_with_ops=True, gate_gradients=True)[0]
            self.assertAllClose(32.0, sess.run(g))

    def testAggregation(self):
        with self.session() as sess:
            v = constant_op.constant(2.0)
            r = while_loop_tf.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x * v + v), [0, v])[1]
            want = sess.run(gradients_impl.gradients(r, v)[0])
            from tensorflow.python.ops import gradients_util

            for m in (
                gradients_util.AggregationMethod.EXPERIMENTAL_TREE,
                gradients_util.AggregationMethod.EXPERIMENTAL_ACCUMULATE_N,
            ):
                self.assertAllClose(want, sess.run(gradients_impl.gradients(r, v, aggregation_method=m)[0]))

    def testCustomGradientInLoop(self):
        with self.session() as sess:

            @custom_gradient.custom_gradient
            def f(x):
                return x * 2.0, lambda dy: dy * 10.0

            v = constant_op.constant(1.0)
            r = while_loop_tf.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, f(x)), [0, v])[1]
            self.assertAllClose(8.0, sess.run(r))
            self.assertAllClose(1000.0, sess.run(gradients_impl.gradients(r, v)[0]))

    def testDefunInLoop(self):
        @function.Defun(dtypes.float32)
        def f(x):
            y = math_ops.square(x) + 1.0
            return y

        def g(x):
            y = f(x)
            y.set_shape([])
            return y

        with self.session() as sess:
            v = constant_op.constant(1.0)
            r = while_loop_tf.while_loop(lambda i, x: i < 2, lambda i, x: (i + 1, g(x)), [0, v])[1]
            self.assertAllClose(5.0, sess.run(r))
            self.assertAllClose(8.0, sess.run(gradients_impl.gradients(r, v)[0]))

    def testPrintInLoop(self):
        with self.session() as sess:

            def body(i):
                return logging_ops.Print(i, [i], "at") + 1

            self.assertEqual(3, sess.run(while_loop_tf.while_loop(lambda i: i < 3, body, [0])))

    def testCondResourceGrad(self):
        with self.session() as sess:
            rv = resource_variable_ops.ResourceVariable(2.0)
            variables.global_variables_initializer().run()
            p = array_ops.placeholder(dtypes.bool, [])
            r = tf_cond.cond(p, lambda: rv.read_value() * 3.0, lambda: rv * rv)
            g = gradients_impl.gradients(r, rv)[0]
            self.assertEqual([3.0, 4.0], [sess.run(g, {p: True}), sess.run(g, {p: False})])

    def testCondResourceAssign(self):
        with self.session() as sess:
            rv = resource_variable_ops.ResourceVariable(True)
            variables.global_variables_initializer().run()
            t = ops.convert_to_tensor(1.0)

            def case():
                assign = resource_variable_ops.assign_variable_op(rv.handle, False)
                with ops.control_dependencies([assign]):
                    return array_ops.identity(t)

            self.assertEqual(1.0, sess.run(tf_cond.cond(rv, case, lambda: t)))
            self.assertEqual(False, sess.run(rv))

    def testCondGradMultiDevice(self):
        config = config_pb2.ConfigProto(device_count={"CPU": 2}, allow_soft_placement=True)
        with self.session(config=config) as sess:
            pred = array_ops.placeholder(dtypes.bool, [])
            x = array_ops.placeholder(dtypes.float32)
            y = array_ops.placeholder(dtypes.float32)
            with ops.device("/cpu:0"):
                z = tf_cond.cond(pred, lambda: x * y * 2.0, lambda: 2.0)
            with ops.device("/cpu:0"):
                grad = gradients_impl.gradients(z, x)[0]
                self.assertEqual(sess.run(grad, {pred: True, x: 1.0, y: 2.0}), 4.0)
                self.assertEqual(sess.run(grad, {pred: False, x: 1.0, y: 2.0}), 0.0)

    def testWhileCondGradUnknownShape(self):
        with self.session() as sess:
            x = array_ops.placeholder(dtypes.float32)

            def body(i, a):
                return i + 1, tf_cond.cond(i < 2, lambda: a * x, lambda: a)

            r = while_loop_tf.while_loop(
                lambda i, a: i < 4,
                body,
                [0, x],
                shape_invariants=[tensor_shape.TensorShape([]), tensor_shape.unknown_shape()],
            )[1]
            g = gradients_impl.gradients(r, x)[0]
            self.assertAllClose([3.0, 12.0], sess.run(g, {x: [1.0, 2.0]}))

    def testWhileGradInCond(self):
        with self.session() as sess:
            n = ops.convert_to_tensor(1.0, name="n")
            x = array_ops.placeholder(dtypes.float32, shape=None)

            def b1(x):
                r = while_loop_tf.while_loop(
                    lambda i, a: i < 2.0,
                    lambda i, a: (i + 1.0, a * a),
                    [n, x],
                    [n.get_shape(), tensor_shape.unknown_shape()],
                )
                return gradients_impl.gradients(r[1], x)[0]

            r = tf_cond.cond(math_ops.less(1, 2), lambda: b1(x), lambda: x)
            self.assertAllClose(9.0 - 3.0 + 0.0, sess.run(r, {x: 3.0}))

    def testGradInWhileWrtInitialLoopVal(self):
        with self.session() as sess:
            x = array_ops.placeholder(dtypes.float32, shape=(), name="x")
            y = x + 1

            def body(i, v):
                z = v * 2
                with self.assertRaisesRegex(
                    ValueError, "Cannot compute gradient inside while loop with respect to op 'x'"
                ):
                    gradients_impl.gradients(z, x)
                return i + 1, z

            r = while_loop_tf.while_loop(lambda i, v: i < 3, body, [0, y])[1]
            self.assertEqual(8.0, sess.run(gradients_impl.gradients(r, x)[0], {x: 1.0}))

    def testWhileGradOfVariableUpdatedInside(self):
        with self.session() as sess:
            select = variable_v1.VariableV1([3.0, 4.0, 5.0], use_resource=False)
            n = constant_op.constant(0)

            def loop_iterator(j):
                return math_ops.less(j, 3)

            def loop_body(j):
                ns = state_ops.scatter_update(select, j, 10.0)
                nj = math_ops.add(j, 1)
                op = control_flow_ops.group(ns)
                return [control_flow_ops.with_dependencies([op], nj)]

            r = while_loop_tf.while_loop(loop_iterator, loop_body, [n], parallel_iterations=1)
            sess.run(variables.global_variables_initializer())
            self.assertEqual(3, sess.run(r))
            self.assertAllClose([10.0, 10.0, 10.0], sess.run(select))

    def testVarBool(self):
        with self.session() as sess:
            b = variable_v1.VariableV1(True, use_resource=False)
            r = tf_cond.cond(b, lambda: constant_op.constant(1), lambda: constant_op.constant(2))
            sess.run(b.initializer)
            self.assertEqual(1, sess.run(r))

    def testRnnInCond(self):
        with self.session() as sess:
            cell = rnn_cell_impl.BasicRNNCell(3)
            x = constant_op.constant(np.ones([2, 4, 3], np.float32))
            p = array_ops.placeholder(dtypes.bool, [])
            r = tf_cond.cond(p, lambda: rnn.dynamic_rnn(cell, x, dtype=dtypes.float32)[0], lambda: x)
            g = gradients_impl.gradients(math_ops.reduce_sum(r), x)[0]
            sess.run(variables.global_variables_initializer())
            self.assertEqual((2, 4, 3), sess.run(g, {p: True}).shape)
            self.assertAllEqual(np.ones([2, 4, 3]), sess.run(g, {p: False}))

    def testFullTrace(self):
        with self.session() as sess:
            r = while_loop_tf.while_loop(lambda i: i < 5, lambda i: i + 1, [0])
            meta = config_pb2.RunMetadata()
            sess.run(r, options=config_pb2.RunOptions(trace_level=config_pb2.RunOptions.FULL_TRACE), run_metadata=meta)
            self.assertTrue(len(meta.step_stats.dev_stats) >= 1)

    def testPartialFetchLoopOps(self):
        with self.session() as sess:
            r = while_loop_tf.while_loop(lambda i, x: i < 5, lambda i, x: (i + 1, x * 2.0), [0, 1.0])
            self.assertEqual(32.0, sess.run(r[1]))
            self.assertEqual(5, sess.run(r[0].op.outputs[0]))
            self.assertIsNone(sess.run(r[0].op))

    def testMakeCallable(self):
        with self.session() as sess:
            n = array_ops.placeholder(dtypes.int32, [])
            r = while_loop_tf.while_loop(lambda i: i < n, lambda i: i + 2, [0])
            f = sess.make_callable(r, [n])
            self.assertEqual([0, 2, 6], [f(0), f(1), f(5)])

    def testLoopWithTimeout(self):
        with self.session() as sess:
            r = while_loop_tf.while_loop(lambda i: i >= 0, lambda i: i * 0, [0])
            with self.assertRaises(errors.DeadlineExceededError):
                sess.run(r, options=config_pb2.RunOptions(timeout_in_ms=200))

    def testQueueRunnerInLoop(self):
        with self.session() as sess:
            q = data_flow_ops.FIFOQueue(10, dtypes.float32, shapes=[[]])
            sess.run(q.enqueue_many([[1.0, 2.0, 3.0]]))
            sess.run(q.close())
            r = while_loop_tf.while_loop(lambda i, s: i < 5, lambda i, s: (i + 1, s + q.dequeue()), [0, 0.0])
            with self.assertRaisesRegex(errors.OutOfRangeError, "is closed and has insufficient elements"):
                sess.run(r)

    def testInvalidArgumentInCondBranch(self):
        with self.session() as sess:
            p = array_ops.placeholder(dtypes.bool, [])
            x = array_ops.placeholder(dtypes.float32, [None])
            r = tf_cond.cond(
                p,
                lambda: control_flow_ops.with_dependencies([check_ops.assert_positive(x, message="neg")], x),
                lambda: -x,
            )
            self.assertAllEqual([1.0], sess.run(r, {p: True, x: [1.0]}))
            self.assertAllEqual([1.0], sess.run(r, {p: False, x: [-1.0]}))
            with self.assertRaisesOpError("neg"):
                sess.run(r, {p: True, x: [-1.0]})

    def testUninitializedInNotTaken(self):
        with self.session() as sess:
            v = variable_v1.VariableV1(1.0, use_resource=False)
            p = array_ops.placeholder(dtypes.bool, [])
            r = tf_cond.cond(p, lambda: array_ops.identity(v), lambda: constant_op.constant(2.0))
            with self.assertRaises(errors.FailedPreconditionError):
                sess.run(r, {p: False})

    def testIsVariableInitializedCond(self):
        with self.session() as sess:
            v = variable_v1.VariableV1(1.0, use_resource=False)
            r = tf_cond.cond(
                state_ops.is_variable_initialized(v),
                lambda: constant_op.constant("yes"),
                lambda: constant_op.constant("no"),
            )
            self.assertEqual(b"no", sess.run(r))
            sess.run(v.initializer)
            self.assertEqual(b"yes", sess.run(r))

    def testWhileTensorArrayDtypes(self):
        with self.session() as sess:
            for t in (dtypes.int32, dtypes.float64, dtypes.string, dtypes.bool):
                ta = tensor_array_ops.TensorArray(t, size=3)
                value = {dtypes.string: "a", dtypes.bool: True}.get(t, 1)
                ta = while_loop_tf.while_loop(
                    lambda i, a: i < 3, lambda i, a: (i + 1, a.write(i, constant_op.constant(value, t))), [0, ta]
                )[1]
                self.assertEqual(3, len(sess.run(ta.stack())))

    def testDynamicShapesPerIteration(self):
        with self.session() as sess:
            ta = tensor_array_ops.TensorArray(dtypes.float32, size=3, infer_shape=False)
            ta = while_loop_tf.while_loop(
                lambda i, a: i < 3, lambda i, a: (i + 1, a.write(i, array_ops.ones([i + 1]))), [0, ta]
            )[1]
            self.assertAllEqual(np.ones(6), sess.run(ta.concat()))

    def testReduceInBody(self):
        with self.session() as sess:
            x = constant_op.constant(np.arange(6, dtype=np.float32).reshape(2, 3))
            r = while_loop_tf.while_loop(
                lambda i, a: i < 2, lambda i, a: (i + 1, a * math_ops.reduce_sum(a, axis=1, keepdims=True)), [0, x]
            )[1]
            y = x
            for _ in range(2):
                y = y * math_ops.reduce_sum(y, axis=1, keepdims=True)
            self.assertAllClose(*sess.run([gradients_impl.gradients(y, x)[0], gradients_impl.gradients(r, x)[0]]))

    def testConvInBody(self):
        with self.session() as sess:
            x = constant_op.constant(np.random.RandomState(1).rand(1, 4, 4, 2).astype(np.float32))
            k = constant_op.constant(np.random.RandomState(2).rand(3, 3, 2, 2).astype(np.float32) * 0.1)

            def f(a):
                return nn_ops.conv2d(a, k, [1, 1, 1, 1], "SAME")

            r = while_loop_tf.while_loop(lambda i, a: i < 2, lambda i, a: (i + 1, f(a)), [0, x])[1]
            for a, b in zip(gradients_impl.gradients(r, [x, k]), gradients_impl.gradients(f(f(x)), [x, k])):
                self.assertAllClose(sess.run(b), sess.run(a), rtol=1e-4, atol=1e-5)

    def testStridedSliceGradInBody(self):
        with self.session() as sess:
            x = constant_op.constant([1.0, 2.0, 3.0, 4.0])
            r = while_loop_tf.while_loop(lambda i, s: i < 4, lambda i, s: (i + 1, s + x[i] * x[i]), [0, 0.0])[1]
            self.assertAllEqual([2.0, 4.0, 6.0, 8.0], sess.run(gradients_impl.gradients(r, x)[0]))

    def testEmbeddingGradInCondInLoop(self):
        with self.session() as sess:
            emb = variable_v1.VariableV1(np.ones([4, 2], np.float32), use_resource=False)

            def body(i, s):
                return i + 1, s + tf_cond.cond(
                    math_ops.equal(i % 2, 0),
                    lambda: math_ops.reduce_sum(array_ops.gather(emb, i) * 2.0),
                    lambda: math_ops.reduce_sum(array_ops.gather(emb, i)),
                )

            r = while_loop_tf.while_loop(lambda i, s: i < 4, body, [0, 0.0])[1]
            g = gradients_impl.gradients(r, emb)[0]
            sess.run(variables.global_variables_initializer())
            self.assertAllEqual([[2.0, 2.0], [1.0, 1.0], [2.0, 2.0], [1.0, 1.0]], sess.run(ops.convert_to_tensor(g)))

    def testEmbeddingGradUnknownShape(self):
        with self.session() as sess:
            x = array_ops.placeholder(dtypes.float32, [None, None])
            r = while_loop_tf.while_loop(
                lambda i, s: i < 2, lambda i, s: (i + 1, s + math_ops.reduce_sum(array_ops.gather(x, [i, 0]))), [0, 0.0]
            )[1]
            g = gradients_impl.gradients(r, x)[0]
            self.assertAllEqual(
                [[3.0, 3.0], [1.0, 1.0], [0.0, 0.0]], sess.run(ops.convert_to_tensor(g), {x: np.ones([3, 2])})
            )

    def testAdamWithLoopEmbedding(self):
        with self.session() as sess:
            emb = variable_v1.VariableV1(np.ones([4, 2], np.float32), use_resource=True)
            r = while_loop_tf.while_loop(
                lambda i, s: i < 2,
                lambda i, s: (i + 1, s + math_ops.reduce_sum(embedding_ops.embedding_lookup(emb, [i, i]))),
                [0, 0.0],
            )[1]
            train = adam.AdamOptimizer(0.1).minimize(r)
            sess.run(variables.global_variables_initializer())
            sess.run(train)
            self.assertAllClose([[0.9, 0.9], [0.9, 0.9], [1.0, 1.0], [1.0, 1.0]], sess.run(emb), atol=1e-5)

    def testGradNone(self):
        with self.session():
            x = constant_op.constant(5)
            r = while_loop_tf.while_loop(lambda i: i < x, lambda i: i + 1, [constant_op.constant(0)])
            self.assertIsNone(gradients_impl.gradients(math_ops.cast(r, dtypes.float32), x)[0])

    def testComplexLoop(self):
        with self.session() as sess:
            z = constant_op.constant(1.0 + 1.0j, dtypes.complex64)
            r = while_loop_tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * z), [0, z])[1]
            self.assertAllClose((1 + 1j) ** 4, sess.run(r))

    def testDtypesOfCounter(self):
        with self.session() as sess:
            for t in (dtypes.int8, dtypes.int16, dtypes.int64, dtypes.uint8, dtypes.float16, dtypes.float64):
                r = while_loop_tf.while_loop(
                    lambda i: i < constant_op.constant(3, t),
                    lambda i: i + constant_op.constant(1, t),
                    [constant_op.constant(0, t)],
                )
                self.assertEqual(3, sess.run(r))

    def testStepsInFlightTogether(self):

        with self.session() as sess:
            n = array_ops.placeholder(dtypes.int32, [])
            r = while_loop_tf.while_loop(lambda i: i < n, lambda i: i + 1, [0])
            found = {}

            def go(k):
                found[k] = sess.run(r, {n: k})

            threads = [self.checkedThread(go, args=(k,)) for k in range(8)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            self.assertEqual({k: k for k in range(8)}, found)

    def testVariableScopeInBody(self):
        with ops.Graph().as_default():

            def body(i):
                with ops.name_scope("inner"):
                    return math_ops.add(i, 1, name="plus")

            while_loop_tf.while_loop(lambda i: i < 3, body, [constant_op.constant(0)], name="lp")
            self.assertIsNotNone(ops.get_default_graph().get_operation_by_name("lp/inner/plus"))

    def testGradNamesScope(self):
        with ops.Graph().as_default():
            v = constant_op.constant(2.0)
            r = while_loop_tf.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x * v), [0, v], name="lp")[1]
            gr = gradients_impl.gradients(r, v, name="gradients_of")[0]
            self.assertTrue(gr.name.startswith("gradients_of/"))

    def testFinalizedGraphRuns(self):
        with self.session() as sess:
            r = while_loop_tf.while_loop(lambda i: i < 3, lambda i: i + 1, [0])
            ops.get_default_graph().finalize()
            self.assertEqual(3, sess.run(r))

    def testOpDefaultsConsumers(self):
        with ops.Graph().as_default():
            p = constant_op.constant(True)
            x = constant_op.constant(2)
            r = tf_cond.cond(p, lambda: x + 1, lambda: x)
            self.assertEqual(2, len(r.op.inputs))
            self.assertEqual("Merge", r.op.type)
            self.assertEqual(2, r.op.get_attr("N"))

    def testCondSameBranchFnObject(self):
        with self.session() as sess:

            def f():
                return constant_op.constant(3)

            self.assertEqual(3, sess.run(tf_cond.cond(constant_op.constant(True), f, f)))

    def testCaseInLoopGrad(self):
        with self.session() as sess:
            x = constant_op.constant(2.0)

            def body(i, a):
                return i + 1, control_flow_case.case(
                    [(math_ops.equal(i, 0), lambda: a * x), (math_ops.equal(i, 1), lambda: a + x)],
                    default=lambda: a,
                    exclusive=True,
                )

            r = while_loop_tf.while_loop(lambda i, a: i < 4, body, [0, constant_op.constant(3.0)])[1]
            self.assertAllClose([8.0, 4.0], sess.run([r, gradients_impl.gradients(r, x)[0]]))

    def testLongLoopGrad(self):
        with self.session() as sess:
            v = constant_op.constant(1.001)
            r = while_loop_tf.while_loop(
                lambda i, x: i < 500, lambda i, x: (i + 1, x * v), [0, constant_op.constant(1.0)]
            )[1]
            self.assertAllClose(500 * 1.001**499, sess.run(gradients_impl.gradients(r, v)[0]), rtol=1e-3)

    def testStatefulPartsOnce(self):
        with self.session() as sess:
            c = variable_v1.VariableV1(0, use_resource=True)
            sess.run(c.initializer)
            r = tf_cond.cond(constant_op.constant(True), lambda: c.assign_add(1), lambda: c.assign_add(100))
            sess.run([r, r, r + 1])
            self.assertEqual(1, sess.run(c))

    def testGroupOfCondsAndLoops(self):
        with self.session() as sess:
            c = variable_v1.VariableV1(0, use_resource=True)
            sess.run(c.initializer)
            a = tf_cond.cond(constant_op.constant(True), lambda: c.assign_add(1).op, control_flow_ops.no_op)

            def body(i):
                with ops.control_dependencies([c.assign_add(10)]):
                    return i + 1

            b = while_loop_tf.while_loop(lambda i: i < 3, body, [0])
            sess.run(control_flow_ops.group(a, b))
            self.assertEqual(31, sess.run(c))

    def testSparsePlaceholderLoop(self):
        with self.session() as sess:
            s = array_ops.sparse_placeholder(dtypes.float32, [None, 3])
            d = constant_op.constant(np.eye(3), dtypes.float32)
            r = while_loop_tf.while_loop(
                lambda i, a: i < 2,
                lambda i, a: (i + 1, a + sparse_ops.sparse_tensor_dense_matmul(s, d)),
                [0, array_ops.zeros([2, 3])],
                shape_invariants=[tensor_shape.TensorShape([]), tensor_shape.TensorShape([None, 3])],
            )[1]
            self.assertAllEqual(
                [[0.0, 2.0, 0.0], [0.0, 0.0, 4.0]], sess.run(r, {s: ([[0, 1], [1, 2]], [1.0, 2.0], [2, 3])})
            )


if __name__ == "__main__":
    test.main()
