"""Branches and loops in meta graphs: contexts as messages, and gradients of what was read back."""

import os

import numpy as np
from tensorflow.core.protobuf import control_flow_pb2
from tensorflow.python.framework import constant_op, dtypes, meta_graph, ops, test_util
from tensorflow.python.ops import (
    array_ops,
    control_flow_case,
    control_flow_ops,
    control_flow_util,
    gradients_impl,
    math_ops,
    state_ops,
    tensor_array_ops,
    variable_scope,
    variable_v1,
    variables,
)
from tensorflow.python.ops import cond as tf_cond
from tensorflow.python.ops import while_loop as while_loop_tf
from tensorflow.python.platform import test
from tensorflow.python.training import momentum
from tensorflow.python.training import saver as saver_module


def _round(proto):
    return type(proto).FromString(proto.SerializeToString())


@test_util.run_v1_only("contexts of 1.x")
class ContextMessagesTest(test.TestCase):
    def testCondFields(self):
        with ops.Graph().as_default():
            p = array_ops.placeholder(dtypes.bool, [], name="p")
            x = constant_op.constant(3.0, name="x")
            got = []

            def then():
                got.append(math_ops.square(x, name="sq"))
                return got[0]

            tf_cond.cond(p, then, lambda: x, name="c")
            ctx = got[0].op._get_control_flow_context()
            d = ctx.to_proto()
            self.assertIsInstance(d, control_flow_pb2.CondContextDef)
            self.assertEqual("c/cond_text", d.context_name)
            self.assertEqual("c/pred_id:0", d.pred_name)
            self.assertEqual("c/switch_t:0", d.pivot_name)
            self.assertEqual(1, d.branch)
            self.assertEqual({"x:0": "c/sq/Switch:1", "c/pred_id:0": "c/pred_id:0"}, dict(d.values_def.external_values))
            self.assertIn("c/sq:0", d.values_def.values)
            self.assertIn("c/switch_t:0", d.values_def.values)

    def testCondFieldsOfTheOtherSide(self):
        with ops.Graph().as_default():
            p = array_ops.placeholder(dtypes.bool, [], name="p")
            got = []

            def other():
                got.append(constant_op.constant(1.0, name="one"))
                return got[0]

            tf_cond.cond(p, lambda: constant_op.constant(2.0), other, name="c")
            d = got[0].op._get_control_flow_context().to_proto()
            self.assertEqual(0, d.branch)
            self.assertEqual("c/switch_f:0", d.pivot_name)
            self.assertEqual("c/cond_text_1", d.context_name)

    def testWhileFields(self):
        with ops.Graph().as_default():
            got = []

            def body(i, a):
                got.append(a * 2.0)
                return i + 1, got[0]

            while_loop_tf.while_loop(
                lambda i, a: i < 3, body, [0, 1.0], parallel_iterations=4, swap_memory=True, back_prop=True, name="w"
            )
            ctx = got[0].op._get_control_flow_context()
            d = ctx.to_proto()
            self.assertIsInstance(d, control_flow_pb2.WhileContextDef)
            self.assertEqual("w/while_context", d.context_name)
            self.assertEqual(4, d.parallel_iterations)
            self.assertTrue(d.swap_memory)
            self.assertTrue(d.back_prop)
            self.assertEqual("w/LoopCond:0", d.pivot_name)
            self.assertEqual("w/Merge:0", d.pivot_for_pred_name)
            self.assertEqual("w/Identity:0", d.pivot_for_body_name)
            self.assertEqual(["w/Enter:0", "w/Enter_1:0"], list(d.loop_enter_names))
            self.assertEqual(["w/Exit:0", "w/Exit_1:0"], list(d.loop_exit_names))
            self.assertEqual("", d.maximum_iterations_name)
            for name in (
                "w/Merge:0",
                "w/Merge:1",
                "w/Switch:1",
                "w/NextIteration:0",
                "w/LoopCond:0",
                "w/Less:0",
                "w/mul:0",
                "w/Enter:0",
            ):
                self.assertIn(name, d.values_def.values)

    def testWhileExternalValues(self):
        with ops.Graph().as_default():
            x = constant_op.constant(2.0, name="x")
            got = []

            def body(i):
                got.append(i * x)
                return got[0]

            while_loop_tf.while_loop(lambda i: i < 100.0, body, [constant_op.constant(1.0)], name="w")
            d = got[0].op._get_control_flow_context().to_proto()
            self.assertEqual({"x:0": "w/mul/Enter:0"}, dict(d.values_def.external_values))

    def testMaximumIterationsName(self):
        with ops.Graph().as_default():
            most = constant_op.constant(3, name="most")
            got = []

            def body(i):
                got.append(i + 1)
                return got[0]

            while_loop_tf.while_loop(lambda i: i < 100, body, [0], maximum_iterations=most, name="w")
            d = got[0].op._get_control_flow_context().to_proto()
            self.assertEqual("most:0", d.maximum_iterations_name)
            again = control_flow_ops.WhileContext.from_proto(d)
            self.assertEqual("most:0", again.maximum_iterations.name)

    def testMaximumIterationsNumber(self):
        with ops.Graph().as_default():
            got = []

            def body(i):
                got.append(i + 1)
                return got[0]

            while_loop_tf.while_loop(lambda i: i < 100, body, [0], maximum_iterations=3, name="w")
            d = got[0].op._get_control_flow_context().to_proto()
            self.assertTrue(d.maximum_iterations_name.startswith("w/"))

    def testExportScope(self):
        with ops.Graph().as_default():
            got = []
            with ops.name_scope("out"):
                x = constant_op.constant(2.0, name="x")

                def body(i):
                    got.append(i * x)
                    return got[0]

                while_loop_tf.while_loop(lambda i: i < 100.0, body, [constant_op.constant(1.0)], name="w")
            ctx = got[0].op._get_control_flow_context()
            d = ctx.to_proto(export_scope="out")
            self.assertEqual("w/while_context", d.context_name)
            self.assertEqual(["w/Enter:0"], list(d.loop_enter_names))
            self.assertEqual({"x:0": "w/mul/Enter:0"}, dict(d.values_def.external_values))
            self.assertIsNone(ctx.to_proto(export_scope="elsewhere"))

    def testCondExportScope(self):
        with ops.Graph().as_default():
            got = []
            with ops.name_scope("out"):
                p = array_ops.placeholder(dtypes.bool, [], name="p")
                x = constant_op.constant(2.0, name="x")

                def then():
                    got.append(x + 1.0)
                    return got[0]

                tf_cond.cond(p, then, lambda: x, name="c")
            ctx = got[0].op._get_control_flow_context()
            d = ctx.to_proto(export_scope="out")
            self.assertEqual("c/pred_id:0", d.pred_name)
            self.assertEqual("c/cond_text", d.context_name)
            self.assertIsNone(ctx.to_proto(export_scope="elsewhere"))

    def testRoundTripSameMessage(self):
        with ops.Graph().as_default():
            x = constant_op.constant(2.0, name="x")
            got = []

            def body(i, a):
                def then():
                    got.append(a * x)
                    return got[-1]

                return i + 1, tf_cond.cond(i > 1, then, lambda: a)

            while_loop_tf.while_loop(lambda i, a: i < 3, body, [0, 1.0], name="w")
            inner = got[0].op._get_control_flow_context()
            self.assertTrue(inner.IsCondContext())
            outer = inner.outer_context
            self.assertTrue(outer.IsWhileContext())
            d = outer.to_proto()
            self.assertEqual(2, len(d.nested_contexts))
            self.assertEqual(["cond_ctxt"] * 2, [n.WhichOneof("ctxt") for n in d.nested_contexts])
            self.assertEqual([1, 0], [n.cond_ctxt.branch for n in d.nested_contexts])
            again = control_flow_ops.WhileContext.from_proto(_round(d))
            self.assertProtoEquals(d, again.to_proto())

    def testRoundTripCond(self):
        with ops.Graph().as_default():
            p = array_ops.placeholder(dtypes.bool, [], name="p")
            x = constant_op.constant(2.0, name="x")
            got = []

            def then():
                def body(i):
                    got.append(i * x)
                    return got[-1]

                return while_loop_tf.while_loop(lambda i: i < 10.0, body, [x], name="w")

            tf_cond.cond(p, then, lambda: x, name="c")
            loop = got[0].op._get_control_flow_context()
            branch = loop.outer_context
            self.assertTrue(branch.IsCondContext())
            d = branch.to_proto()
            self.assertEqual(1, len(d.nested_contexts))
            self.assertEqual("while_ctxt", d.nested_contexts[0].WhichOneof("ctxt"))
            again = control_flow_ops.CondContext.from_proto(_round(d))
            self.assertProtoEquals(d, again.to_proto())

    def testFromControlFlowContextDef(self):
        with ops.Graph().as_default():
            got = []

            def body(i):
                got.append(i + 1)
                return got[0]

            while_loop_tf.while_loop(lambda i: i < 3, body, [0])
            ctx = got[0].op._get_control_flow_context()
            d = control_flow_pb2.ControlFlowContextDef()
            ctx.to_control_flow_context_def(d)
            self.assertEqual("while_ctxt", d.WhichOneof("ctxt"))
            self.assertEqual(ctx.name, d.while_ctxt.context_name)

    def testCollections(self):
        with ops.Graph().as_default() as g:
            p = array_ops.placeholder(dtypes.bool, [])
            tf_cond.cond(p, lambda: constant_op.constant(1), lambda: constant_op.constant(2))
            while_loop_tf.while_loop(lambda i: i < 3, lambda i: i + 1, [0])
            self.assertEqual(2, len(g.get_collection(ops.GraphKeys.COND_CONTEXT)))
            self.assertEqual(1, len(g.get_collection(ops.GraphKeys.WHILE_CONTEXT)))
            mg = saver_module.export_meta_graph(graph=g)
            self.assertEqual(2, len(mg.collection_def[ops.GraphKeys.COND_CONTEXT].bytes_list.value))
            self.assertEqual(1, len(mg.collection_def[ops.GraphKeys.WHILE_CONTEXT].bytes_list.value))
            d = control_flow_pb2.WhileContextDef.FromString(
                mg.collection_def[ops.GraphKeys.WHILE_CONTEXT].bytes_list.value[0]
            )
            self.assertEqual("while/while_context", d.context_name)

    def testNestedOnesAreNotCollected(self):
        with ops.Graph().as_default() as g:
            p = array_ops.placeholder(dtypes.bool, [])

            def body(i):
                return tf_cond.cond(p, lambda: i + 1, lambda: i + 2)

            while_loop_tf.while_loop(lambda i: i < 3, body, [0])
            self.assertEqual(0, len(g.get_collection(ops.GraphKeys.COND_CONTEXT)))
            self.assertEqual(1, len(g.get_collection(ops.GraphKeys.WHILE_CONTEXT)))

    def testCondInCondCollected(self):
        with ops.Graph().as_default() as g:
            p = array_ops.placeholder(dtypes.bool, [])
            one, two = (lambda: constant_op.constant(1)), (lambda: constant_op.constant(2))
            tf_cond.cond(p, lambda: tf_cond.cond(p, one, two), two)
            self.assertEqual(2, len(g.get_collection(ops.GraphKeys.COND_CONTEXT)))

    def testContextsAfterImport(self):
        with ops.Graph().as_default() as g:
            x = constant_op.constant(2.0, name="x")
            while_loop_tf.while_loop(lambda i: i < 10.0, lambda i: math_ops.multiply(i, x, name="m"), [x], name="w")
            mg = saver_module.export_meta_graph(graph=g)
        with ops.Graph().as_default() as g:
            saver_module.import_meta_graph(mg, import_scope="in")
            op = g.get_operation_by_name("in/w/m")
            ctx = op._get_control_flow_context()
            self.assertTrue(ctx.IsWhileContext())
            self.assertEqual("in/w/while_context", ctx.name)
            self.assertEqual("in/w/LoopCond:0", ctx.pivot.name)
            self.assertTrue(control_flow_util.IsInWhileLoop(op))
            self.assertIsNone(g.get_operation_by_name("in/x")._get_control_flow_context())
            self.assertEqual(1, len(g.get_collection(ops.GraphKeys.WHILE_CONTEXT)))
            self.assertIs(ctx, g.get_collection(ops.GraphKeys.WHILE_CONTEXT)[0])

    def testSecondExportIsTheSame(self):
        with ops.Graph().as_default() as g:
            x = constant_op.constant(2.0, name="x")
            p = array_ops.placeholder(dtypes.bool, [], name="p")
            tf_cond.cond(p, lambda: while_loop_tf.while_loop(lambda i: i < 10.0, lambda i: i * x, [x]), lambda: x)
            mg = saver_module.export_meta_graph(graph=g)
        with ops.Graph().as_default() as g:
            saver_module.import_meta_graph(mg)
            again = saver_module.export_meta_graph(graph=g)
        test_util.assert_meta_graph_protos_equal(self, mg, again)


@test_util.run_v1_only("contexts of 1.x")
class GradientsAfterImportTest(test.TestCase):
    def _check(self, build, feeds=({},), scope=""):
        """What `build` gives of x, and its gradient: of the graph that built it, and of one that read it back."""
        before = []
        with ops.Graph().as_default() as g:
            x = variable_v1.VariableV1(1.5, name="x", use_resource=False)
            y = array_ops.identity(build(x), name="y")
            mg = saver_module.export_meta_graph(graph=g)
            dx = gradients_impl.gradients(y, x)[0]
            with self.session(graph=g) as sess:
                sess.run(variables.global_variables_initializer())
                for feed in feeds:
                    before.append(sess.run([y, dx], feed))
        prefix = scope + "/" if scope else ""
        with ops.Graph().as_default() as g:
            saver_module.import_meta_graph(mg, import_scope=scope or None)
            y, x = g.get_tensor_by_name(prefix + "y:0"), variables.global_variables()[0]
            dx = gradients_impl.gradients(y, x)[0]
            with self.session(graph=g) as sess:
                sess.run(variables.global_variables_initializer())
                for feed, expected in zip(feeds, before, strict=True):
                    feed = {prefix + k: v for k, v in feed.items()}
                    self.assertAllClose(expected, sess.run([y, dx], feed))
        return before

    def testLoop(self):
        found = self._check(
            lambda x: while_loop_tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * x), [0, x])[1]
        )
        self.assertAllClose([[1.5**4, 4 * 1.5**3]], found)

    def testLoopInScope(self):
        self._check(
            lambda x: while_loop_tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * x), [0, x])[1], scope="s"
        )

    def testLoopInLoop(self):
        def build(x):
            def inner(a):
                return while_loop_tf.while_loop(lambda j, b: j < 2, lambda j, b: (j + 1, b * x + 1.0), [0, a])[1]

            return while_loop_tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, inner(a)), [0, x])[1]

        self._check(build)
        self._check(build, scope="s")

    def testThreeDeep(self):
        def deep(a, x, level):
            if level == 0:
                return math_ops.sin(a * x)
            return while_loop_tf.while_loop(lambda j, b: j < 2, lambda j, b: (j + 1, deep(b, x, level - 1)), [0, a])[1]

        self._check(lambda x: deep(x, x, 3))

    def _p(self):
        return array_ops.placeholder(dtypes.bool, [], name="p")

    def testCond(self):
        self._check(lambda x: tf_cond.cond(self._p(), lambda: x * x, lambda: 3.0 * x), [{"p:0": True}, {"p:0": False}])

    def testCondInScope(self):
        self._check(
            lambda x: tf_cond.cond(self._p(), lambda: x * x, lambda: 3.0 * x), [{"p:0": True}, {"p:0": False}], "s"
        )

    def testCondInCond(self):
        def build(x):
            q = array_ops.placeholder(dtypes.bool, [], name="q")
            return tf_cond.cond(self._p(), lambda: tf_cond.cond(q, lambda: x * x, lambda: x), lambda: 3.0 * x)

        feeds = [{"p:0": p, "q:0": q} for p in (True, False) for q in (True, False)]
        self._check(build, feeds)
        self._check(build, feeds, "s")

    def testCondInLoop(self):
        def build(x):
            def body(i, a):
                return i + 1, tf_cond.cond(math_ops.equal(i % 2, 0), lambda: a * x, lambda: a + x)

            return while_loop_tf.while_loop(lambda i, a: i < 4, body, [0, x])[1]

        self._check(build)
        self._check(build, scope="s")

    def testLoopInCond(self):
        def build(x):
            def then():
                return while_loop_tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * x), [0, x])[1]

            return tf_cond.cond(self._p(), then, lambda: x)

        self._check(build, [{"p:0": True}, {"p:0": False}])

    def testCondInCondInLoop(self):
        def build(x):
            def body(i, a):
                def then():
                    return tf_cond.cond(i > 2, lambda: a * x, lambda: a - x)

                return i + 1, tf_cond.cond(math_ops.equal(i % 2, 0), then, lambda: a + x)

            return while_loop_tf.while_loop(lambda i, a: i < 5, body, [0, x])[1]

        self._check(build)

    def testLoopInCondInLoop(self):
        def build(x):
            def body(i, a):
                def then():
                    return while_loop_tf.while_loop(lambda j, b: j < i, lambda j, b: (j + 1, b * x), [0, a])[1]

                return i + 1, tf_cond.cond(i > 1, then, lambda: a + x)

            return while_loop_tf.while_loop(lambda i, a: i < 4, body, [0, x])[1]

        self._check(build)

    def testTensorArray(self):
        def build(x):
            ta = tensor_array_ops.TensorArray(dtypes.float32, 3)
            ta = while_loop_tf.while_loop(
                lambda i, t: i < 3, lambda i, t: (i + 1, t.write(i, x * math_ops.cast(i, dtypes.float32))), [0, ta]
            )[1]
            return math_ops.reduce_sum(ta.stack())

        self._check(build)

    def testMaximumIterations(self):
        self._check(lambda x: while_loop_tf.while_loop(lambda a: a < 100.0, lambda a: a * x, [x], maximum_iterations=3))

    def testGradientLoopTravels(self):
        with ops.Graph().as_default() as g:
            x = array_ops.placeholder(dtypes.float32, [], name="x")
            y = while_loop_tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * x), [0, x])[1]
            array_ops.identity(y, name="y")
            array_ops.identity(gradients_impl.gradients(y, x)[0], name="dx")
            mg = saver_module.export_meta_graph(graph=g)
            self.assertEqual(1, len(g.get_collection(ops.GraphKeys.WHILE_CONTEXT)))
        with ops.Graph().as_default() as g:
            saver_module.import_meta_graph(mg)
            with self.session(graph=g) as sess:
                self.assertAllClose([16.0, 32.0], sess.run(["y:0", "dx:0"], {"x:0": 2.0}))

    def testTrainedAfterImport(self):
        path = os.path.join(self.get_temp_dir(), "trained")
        with ops.Graph().as_default() as g:
            w = variable_scope.get_variable("w", [2, 2], initializer=None)
            x = array_ops.placeholder(dtypes.float32, [2, 2], name="x")
            h = while_loop_tf.while_loop(
                lambda i, a: i < 3, lambda i, a: (i + 1, math_ops.tanh(math_ops.matmul(a, w))), [0, x]
            )[1]
            loss = math_ops.reduce_mean(math_ops.square(h - 0.5), name="loss")
            sv = saver_module.Saver()
            with self.session(graph=g) as sess:
                sess.run(variables.global_variables_initializer())
                first = sess.run(loss, {x: np.eye(2)})
                sv.save(sess, path)
        with ops.Graph().as_default() as g:
            sv = saver_module.import_meta_graph(path + ".meta")
            loss = g.get_tensor_by_name("loss:0")
            step = momentum.MomentumOptimizer(0.1, 0.9).minimize(loss)
            with self.session(graph=g) as sess:
                sess.run(variables.global_variables_initializer())
                sv.restore(sess, path)
                self.assertAllClose(first, sess.run(loss, {"x:0": np.eye(2)}))
                for _ in range(30):
                    sess.run(step, {"x:0": np.eye(2)})
                self.assertLess(sess.run(loss, {"x:0": np.eye(2)}), first)

    def testScopedExportOfLoop(self):
        with ops.Graph().as_default() as g:
            with ops.name_scope("part"):
                x = array_ops.placeholder(dtypes.float32, [], name="x")
                y = while_loop_tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * x), [0, x], name="w")[1]
                array_ops.identity(y, name="y")
            while_loop_tf.while_loop(lambda i: i < 3, lambda i: i + 1, [0], name="other")
            mg, _ = meta_graph.export_scoped_meta_graph(graph=g, export_scope="part")
            self.assertEqual(1, len(mg.collection_def[ops.GraphKeys.WHILE_CONTEXT].bytes_list.value))
        with ops.Graph().as_default() as g:
            meta_graph.import_scoped_meta_graph(mg, import_scope="new")
            x, y = g.get_tensor_by_name("new/x:0"), g.get_tensor_by_name("new/y:0")
            dx = gradients_impl.gradients(y, x)[0]
            self.assertEqual(
                "new/w/while_context", g.get_operation_by_name("new/w/mul")._get_control_flow_context().name
            )
            with self.session(graph=g) as sess:
                self.assertAllClose([16.0, 32.0], sess.run([y, dx], {x: 2.0}))

    def testScopedExportOfCond(self):
        with ops.Graph().as_default() as g:
            with ops.name_scope("part"):
                x = array_ops.placeholder(dtypes.float32, [], name="x")
                p = array_ops.placeholder(dtypes.bool, [], name="p")
                y = tf_cond.cond(p, lambda: x * x, lambda: x, name="c")
                array_ops.identity(y, name="y")
            tf_cond.cond(p, lambda: constant_op.constant(1), lambda: constant_op.constant(2), name="other")
            mg, _ = meta_graph.export_scoped_meta_graph(graph=g, export_scope="part")
            self.assertEqual(2, len(mg.collection_def[ops.GraphKeys.COND_CONTEXT].bytes_list.value))
        with ops.Graph().as_default() as g:
            meta_graph.import_scoped_meta_graph(mg, import_scope="new")
            x, y = g.get_tensor_by_name("new/x:0"), g.get_tensor_by_name("new/y:0")
            dx = gradients_impl.gradients(y, x)[0]
            with self.session(graph=g) as sess:
                self.assertAllClose([4.0, 4.0], sess.run([y, dx], {x: 2.0, "new/p:0": True}))
                self.assertAllClose([2.0, 1.0], sess.run([y, dx], {x: 2.0, "new/p:0": False}))

    def testImportedTwice(self):
        with ops.Graph().as_default() as g:
            x = array_ops.placeholder(dtypes.float32, [], name="x")
            y = while_loop_tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * x), [0, x])[1]
            array_ops.identity(y, name="y")
            mg = saver_module.export_meta_graph(graph=g)
        with ops.Graph().as_default() as g:
            saver_module.import_meta_graph(mg, import_scope="a")
            saver_module.import_meta_graph(mg, import_scope="b")
            self.assertEqual(2, len(g.get_collection(ops.GraphKeys.WHILE_CONTEXT)))
            xs = [g.get_tensor_by_name(s + "/x:0") for s in "ab"]
            ys = [g.get_tensor_by_name(s + "/y:0") for s in "ab"]
            ds = gradients_impl.gradients(ys[0] * ys[1], xs)
            with self.session(graph=g) as sess:
                self.assertAllClose([32.0, 16 * 4.0], sess.run(ds, {xs[0]: 2.0, xs[1]: 1.0}))

    def testBuildOnInsideImported(self):
        with ops.Graph().as_default() as g:
            x = array_ops.placeholder(dtypes.float32, [], name="x")
            p = array_ops.placeholder(dtypes.bool, [], name="p")
            y = tf_cond.cond(p, lambda: while_loop_tf.while_loop(lambda a: a < 9.0, lambda a: a * a, [x]), lambda: x)
            array_ops.identity(y, name="y")
            mg = saver_module.export_meta_graph(graph=g)
        with ops.Graph().as_default() as g:
            saver_module.import_meta_graph(mg)
            p, y = g.get_tensor_by_name("p:0"), g.get_tensor_by_name("y:0")
            z = tf_cond.cond(p, lambda: y * 2.0, lambda: y)
            dx = gradients_impl.gradients(z, g.get_tensor_by_name("x:0"))[0]
            with self.session(graph=g) as sess:
                self.assertAllClose([32.0, 2 * 32.0], sess.run([z, dx], {"x:0": 2.0, p: True}))
                self.assertAllClose([2.0, 1.0], sess.run([z, dx], {"x:0": 2.0, p: False}))

    def testTextFile(self):
        path = os.path.join(self.get_temp_dir(), "loop.pbtxt")
        with ops.Graph().as_default() as g:
            x = array_ops.placeholder(dtypes.float32, [], name="x")
            y = while_loop_tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * x), [0, x])[1]
            array_ops.identity(y, name="y")
            saver_module.export_meta_graph(path, graph=g, as_text=True)
        with ops.Graph().as_default() as g:
            saver_module.import_meta_graph(path)
            dx = gradients_impl.gradients(g.get_tensor_by_name("y:0"), g.get_tensor_by_name("x:0"))[0]
            with self.session(graph=g) as sess:
                self.assertAllClose(32.0, sess.run(dx, {"x:0": 2.0}))

    def testCaseAfterImport(self):
        def build(x):
            k = array_ops.placeholder(dtypes.int32, [], name="k")
            return control_flow_case.case(
                [(math_ops.equal(k, 0), lambda: x * x), (math_ops.equal(k, 1), lambda: x * x * x)], default=lambda: -x
            )

        self._check(build, [{"k:0": k} for k in range(3)])

    def testAssignInLoopAfterImport(self):
        with ops.Graph().as_default() as g:
            v = variable_v1.VariableV1(1.0, name="v", use_resource=False)
            got = while_loop_tf.while_loop(
                lambda i: i < 3,
                lambda i: control_flow_ops.with_dependencies([state_ops.assign_add(v, 2.0)], i + 1),
                [0],
            )
            array_ops.identity(got, name="got")
            mg = saver_module.export_meta_graph(graph=g)
        with ops.Graph().as_default() as g:
            saver_module.import_meta_graph(mg)
            with self.session(graph=g) as sess:
                sess.run(variables.global_variables_initializer())
                self.assertEqual(3, sess.run("got:0"))
                self.assertEqual(7.0, sess.run("v:0"))


if __name__ == "__main__":
    test.main()
