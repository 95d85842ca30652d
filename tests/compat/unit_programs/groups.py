"""group, tuple, with_dependencies and Assert."""

from tensorflow.python.framework import (
    constant_op,
    dtypes,
    errors,
    indexed_slices,
    ops,
    sparse_tensor,
    test_util,
)
from tensorflow.python.ops import (
    array_ops,
    control_flow_assert,
    control_flow_ops,
    variable_v1,
)
from tensorflow.python.ops import (
    while_loop as while_loop_tf,
)
from tensorflow.python.platform import test


@test_util.run_v1_only("group")
class GroupTest(test.TestCase):
    def _order(self, g):
        return {n.name: (n.op, list(n.input), n.device) for n in g.as_graph_def().node}

    def testNoDevices(self):
        with ops.Graph().as_default() as g:
            a = constant_op.constant(0, name="a")
            b = constant_op.constant(0, name="b")
            control_flow_ops.group(a.op, b.op, name="root")
        self._same(
            """
      node { name: "root" op: "NoOp" input: "^a" input: "^b" }
    """,
            self._strip(g),
        )

    def _same(self, text, gd):
        from google.protobuf import text_format
        from tensorflow.core.framework import graph_pb2

        want = text_format.Parse(text, graph_pb2.GraphDef())
        self.assertEqual(
            [(n.name, list(n.input), n.device) for n in want.node], [(n.name, list(n.input), n.device) for n in gd.node]
        )

    def _strip(self, g):
        from tensorflow.core.framework import graph_pb2

        gd = graph_pb2.GraphDef()
        for node in g.as_graph_def().node:
            if node.op == "NoOp":
                gd.node.add().CopyFrom(node)
        return gd

    def testOneDevice(self):
        with ops.Graph().as_default() as g:
            with g.device("/task:0"):
                a = constant_op.constant(0, name="a")
                b = constant_op.constant(0, name="b")
            control_flow_ops.group(a.op, b.op, name="root")
        self._same(
            """
      node { name: "root" op: "NoOp" input: "^a" input: "^b" device: "/task:0" }
    """,
            self._strip(g),
        )

    def testTwoDevices(self):
        with ops.Graph().as_default() as g:
            with g.device("/task:0"):
                a = constant_op.constant(0, name="a")
                b = constant_op.constant(0, name="b")
            with g.device("/task:1"):
                c = constant_op.constant(0, name="c")
                d = constant_op.constant(0, name="d")
            with g.device("/task:2"):
                control_flow_ops.group(a.op, b.op, c.op, d.op, name="root")
        self._same(
            """
      node { name: "root/NoOp" op: "NoOp" input: "^a" input: "^b" device: "/task:0" }
      node { name: "root/NoOp_1" op: "NoOp" input: "^c" input: "^d" device: "/task:1" }
      node { name: "root" op: "NoOp" input: "^root/NoOp" input: "^root/NoOp_1" device: "/task:2" }
    """,
            self._strip(g),
        )

    def testNested(self):
        with ops.Graph().as_default() as g:
            a = constant_op.constant(0, name="a")
            b = constant_op.constant(0, name="b")
            control_flow_ops.group([a.op, [b.op]], {"c": constant_op.constant(1, name="c")}, name="root")
        op = g.get_operation_by_name("root")
        self.assertEqual(["a", "b", "c"], [o.name for o in op.control_inputs])

    def testGroupNothing(self):
        with ops.Graph().as_default():
            op = control_flow_ops.group(name="root")
            self.assertEqual(op.type, "NoOp")

    def testGroupBadInput(self):
        with ops.Graph().as_default():
            with self.assertRaisesRegex(TypeError, "'inputs' should be zero or more"):
                control_flow_ops.group(1, 2)

    def testGroupBadKeyword(self):
        with ops.Graph().as_default():
            with self.assertRaisesRegex(ValueError, "Unknown keyword arguments"):
                control_flow_ops.group(constant_op.constant(1), nam="x")

    def testGroupSparse(self):
        with ops.Graph().as_default():
            st = sparse_tensor.SparseTensor([[0]], [1], [1])
            op = control_flow_ops.group(st)
            self.assertTrue(len(op.control_inputs) >= 1)

    def testWithDependencies(self):
        with ops.Graph().as_default(), self.session() as sess:
            v = variable_v1.VariableV1(0.0, use_resource=False)
            up = v.assign_add(1.0)
            c = constant_op.constant(10)
            d = control_flow_ops.with_dependencies([up.op], c, name="dep")
            self.assertEqual(d.op.name, "dep")
            sess.run(v.initializer)
            self.assertEqual(10, sess.run(d))
            self.assertEqual(1.0, sess.run(v))

    def testWithDependenciesSlices(self):
        with ops.Graph().as_default(), self.session() as sess:
            v = variable_v1.VariableV1([1.0, 2.0, 3.0])
            init = v.initializer
            s = indexed_slices.IndexedSlices(constant_op.constant([1.0]), constant_op.constant([2]))
            d = control_flow_ops.with_dependencies([init], s)
            self.assertIsInstance(d, indexed_slices.IndexedSlices)
            sess.run(d.values)
            self.assertAllEqual(sess.run(v), [1.0, 2.0, 3.0])

    def testWithDependenciesShape(self):
        with ops.Graph().as_default():
            t = constant_op.constant([1.0, 2.0])
            self.assertEqual(
                [2], control_flow_ops.with_dependencies([constant_op.constant(1.0)], t).get_shape().as_list()
            )

    def testTupleTensors(self):
        with ops.Graph().as_default(), self.session() as sess:
            v1 = variable_v1.VariableV1([1.0], name="v1")
            v2 = variable_v1.VariableV1([2.0], name="v2")
            a = control_flow_ops.with_dependencies([v1.initializer], v1._ref() if hasattr(v1, "_ref") else v1)
            b = control_flow_ops.with_dependencies([v2.initializer], v2._ref() if hasattr(v2, "_ref") else v2)
            t1, t2 = control_flow_ops.tuple([a, b])
            self.assertAllEqual(sess.run(t1), [1.0])
            self.assertAllEqual(sess.run(v2), [2.0])

    def testTupleNoneKept(self):
        with ops.Graph().as_default(), self.session() as sess:
            r = control_flow_ops.tuple([constant_op.constant(1), None, constant_op.constant(2)])
            self.assertIsNone(r[1])
            self.assertEqual(sess.run(r[2]), 2)

    def testTupleControlInputs(self):
        with ops.Graph().as_default(), self.session() as sess:
            v = variable_v1.VariableV1(0)
            up = v.assign(5)
            sess.run(v.initializer)
            r = control_flow_ops.tuple([constant_op.constant(1)], control_inputs=[up.op])
            sess.run(r)
            self.assertEqual(5, sess.run(v))

    def testTupleErrors(self):
        with ops.Graph().as_default():
            with self.assertRaisesRegex(ValueError, "must have at least one Tensor"):
                control_flow_ops.tuple([None, None])
            with self.assertRaisesRegex(TypeError, "must only contain Operation or Tensor"):
                control_flow_ops.tuple([constant_op.constant(1)], control_inputs=["x"])

    def testTupleSlices(self):
        with ops.Graph().as_default(), self.session() as sess:
            s = indexed_slices.IndexedSlices(constant_op.constant([1.0, 2.0]), constant_op.constant([0, 3]))
            a, b = control_flow_ops.tuple([s, constant_op.constant(4.0)], name="tp")
            self.assertIsInstance(a, indexed_slices.IndexedSlices)
            self.assertAllEqual(sess.run(a.values), [1.0, 2.0])

    def testNoOp(self):
        with ops.Graph().as_default(), self.session() as sess:
            self.assertIsNone(sess.run(control_flow_ops.no_op(name="nothing")))


@test_util.run_v1_only("assert")
class AssertTest(test.TestCase):
    def testAssertTrue(self):
        with self.cached_session():
            a = control_flow_assert.Assert(constant_op.constant(True), [constant_op.constant(1)])
            self.evaluate(a)

    def testAssertFalse(self):
        with self.cached_session():
            a = control_flow_assert.Assert(
                constant_op.constant(2) < 1, ["told", constant_op.constant([7, 8, 9, 10])], summarize=2
            )
            with self.assertRaisesOpError(r"assertion failed: .*told.*\[7 8...\]"):
                self.evaluate(a)

    def testAssertStatic(self):
        with self.assertRaises(errors.InvalidArgumentError):
            with self.cached_session():
                self.evaluate(control_flow_assert.Assert(False, ["x"]))

    def testAssertInLoop(self):
        with self.cached_session():

            def body(i):
                with ops.control_dependencies([control_flow_assert.Assert(i < 3, ["too far", i])]):
                    return i + 1

            r = while_loop_tf.while_loop(lambda i: i < 10, body, [0])
            with self.assertRaisesOpError("too far.*3"):
                self.evaluate(r)
            r = while_loop_tf.while_loop(lambda i: i < 3, body, [0])
            self.assertEqual(3, self.evaluate(r))

    def testAssertName(self):
        p = array_ops.placeholder(dtypes.bool, [])
        a = control_flow_assert.Assert(p, ["x"], name="chk")
        self.assertEqual("chk/Assert", a.name)


if __name__ == "__main__":
    test.main()
