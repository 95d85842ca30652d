"""Graphs as a whole."""

from tensorflow.core.framework import attr_value_pb2, graph_pb2, types_pb2
from tensorflow.python.client import session
from tensorflow.python.framework import (
    constant_op,
    dtypes,
    indexed_slices,
    ops,
    tensor_conversion_registry,
    test_util,
    versions,
)
from tensorflow.python.ops import (
    array_ops,
    control_flow_ops,
    gradients_impl,
    math_ops,
    resource_variable_ops,
    resources,
    variable_v1,
    while_loop,
)
from tensorflow.python.util import compat


class GraphTest(test_util.TensorFlowTestCase):
    def testDefaultGraphs(self):
        top = ops.get_default_graph()
        g1, g2 = ops.Graph(), ops.Graph()
        with g1.as_default() as inner:
            self.assertIs(g1, inner)
            self.assertIs(g1, ops.get_default_graph())
            with g2.as_default():
                self.assertIs(g2, ops.get_default_graph())
                with self.assertRaisesRegex(AssertionError, "Do not use tf.reset_default_graph"):
                    ops.reset_default_graph()
            self.assertIs(g1, ops.get_default_graph())
        self.assertIs(top, ops.get_default_graph())
        with g1.as_default():
            c = constant_op.constant(1.0)
        self.assertIs(g1, c.graph)

    def testReset(self):
        a = ops.get_default_graph()
        ops.reset_default_graph()
        self.assertIsNot(a, ops.get_default_graph())

    def testThreadHasGlobalDefault(self):
        seen = []
        with ops.Graph().as_default() as g:

            def work():
                seen.append(ops.get_default_graph() is g)
                with g.as_default():
                    seen.append(ops.get_default_graph() is g)

            t = self.checkedThread(target=work)
            t.start()
            t.join()
        self.assertEqual([False, True], seen)

    def testVersionAndFinalize(self):
        g = ops.Graph()
        with g.as_default():
            v0 = g.version
            constant_op.constant(1.0)
            self.assertGreater(g.version, v0)
            self.assertFalse(g.finalized)
            g.finalize()
            self.assertTrue(g.finalized)
            for bad in (
                lambda: constant_op.constant(1.0),
                lambda: g.add_to_collection("a", 1),
                lambda: g.add_to_collections(["a"], 1),
            ):
                with self.assertRaisesRegex(RuntimeError, "Graph is finalized and cannot be modified"):
                    bad()
            g._unsafe_unfinalize()
            constant_op.constant(1.0)

    def testSeed(self):
        from tensorflow.python.framework import random_seed

        g = ops.Graph()
        self.assertIsNone(g.seed)
        with g.as_default():
            self.assertEqual((None, None), random_seed.get_seed(None))
            op_seed = random_seed.get_seed(3)
            self.assertEqual((random_seed.DEFAULT_GRAPH_SEED, 3), op_seed)
            random_seed.set_random_seed(7)
            self.assertEqual(7, g.seed)
            self.assertEqual((7, 3), random_seed.get_seed(3))
            self.assertEqual(7, random_seed.get_seed(None)[0])
            random_seed.set_random_seed(0)
            self.assertEqual((0, 2**31 - 1), random_seed.get_seed(0))

    def testAsGraphDef(self):
        with ops.Graph().as_default() as g:
            a = constant_op.constant(1.0, name="a")
            with g.device("/cpu:0"):
                math_ops.add(a, 2.0, name="b")
            with g.control_dependencies([a]):
                control_flow_ops.no_op(name="n")
            d = g.as_graph_def()
            self.assertEqual(["a", "b/y", "b", "n"], [n.name for n in d.node])
            self.assertEqual("/device:CPU:0", d.node[2].device)
            self.assertEqual(["^a"], list(d.node[3].input))
            self.assertEqual(versions.GRAPH_DEF_VERSION, d.versions.producer)
            self.assertEqual(4, len(g.as_graph_def(from_version=0).node))
            self.assertEqual([], list(g.as_graph_def(add_shapes=True).node[2].attr["_output_shapes"].list.shape[0].dim))
            self.assertEqual(d.versions.producer, g.graph_def_versions.producer)
            self.assertIsInstance(d, graph_pb2.GraphDef)
            self.assertProtoEquals(d, g.as_graph_def())

    def testProtoText(self):
        with ops.Graph().as_default() as g:
            array_ops.placeholder(dtypes.float32, [2, None], name="p")
            d = g.as_graph_def()
            del d.library.function[:]
            self.assertProtoEquals(
                """
                name: "p" op: "Placeholder"
                attr { key: "dtype" value { type: DT_FLOAT } }
                attr { key: "shape" value { shape { dim { size: 2 } dim { size: -1 } } } }
                """,
                d.node[0],
            )

    def testContainer(self):
        with ops.Graph().as_default() as g:
            with g.container("a") as c:
                self.assertEqual("a", c)
                v = variable_v1.VariableV1(1.0, use_resource=False)
                with g.container("b"):
                    w = resource_variable_ops.ResourceVariable(1.0)
                with ops.container(""):
                    x = variable_v1.VariableV1(1.0, use_resource=False)
            self.assertEqual(b"a", v.op.get_attr("container"))
            self.assertEqual(
                b"b", w.op.get_attr("container") if w.op.type == "VarHandleOp" else w.handle.op.get_attr("container")
            )
            self.assertEqual(b"", x.op.get_attr("container"))

    def testGradientOverride(self):
        name = "TenTimes"

        @ops.RegisterGradient(name)
        def _ten(op, g):
            return g * 10.0

        with ops.Graph().as_default() as g:
            x = constant_op.constant(3.0)
            with g.gradient_override_map({"Square": name}):
                y = math_ops.square(x)
            z = math_ops.square(x)
            self.assertEqual(compat.as_bytes(name), y.op.get_attr("_gradient_op_type"))
            with session.Session() as s:
                self.assertEqual(
                    [10.0, 6.0], s.run([gradients_impl.gradients(y, x)[0], gradients_impl.gradients(z, x)[0]])
                )
            with self.assertRaises(TypeError), g.gradient_override_map([("Square", name)]):
                pass
            with self.assertRaises(TypeError), g.gradient_override_map({"Square": 3}):
                pass
        with self.assertRaises(KeyError):
            ops.RegisterGradient(name)(lambda op, g: g)
        with self.assertRaises(TypeError):
            ops.RegisterGradient(3)

    def testKernelLabelMap(self):
        with ops.Graph().as_default() as g:
            with g._kernel_label_map({"Square": "lab"}):
                y = math_ops.square(constant_op.constant(1.0))
                with g._kernel_label_map({"Square": ""}):
                    math_ops.square(constant_op.constant(1.0))
            self.assertEqual(b"lab", y.op.get_attr("_kernel"))
            with self.assertRaises(TypeError), g._kernel_label_map([]):
                pass
            with self.assertRaises(TypeError), g._kernel_label_map({"Square": 3}):
                pass

    def testAttrScope(self):
        with ops.Graph().as_default() as g:
            with g._attr_scope({"_a": attr_value_pb2.AttrValue(s=b"x")}):
                y = control_flow_ops.no_op()
                with g._attr_scope({"_a": None, "_b": attr_value_pb2.AttrValue(i=2)}):
                    z = control_flow_ops.no_op()
            self.assertEqual(b"x", y.get_attr("_a"))
            self.assertEqual(2, z.get_attr("_b"))
            with self.assertRaises(ValueError):
                z.get_attr("_a")
            with self.assertRaises(TypeError), g._attr_scope({"_a": 3}):
                pass

    def testOriginalOp(self):
        with ops.Graph().as_default() as g:
            a = constant_op.constant(1.0)
            with g._original_op(a.op):
                b = constant_op.constant(1.0)
            self.assertIs(a.op, b.op._original_op)
            self.assertIsNone(a.op._original_op)

    def testNoGradientAndStats(self):
        ops.NotDifferentiable("UnitNoSuchOp")
        ops.no_gradient("UnitNoSuchOp2")
        with self.assertRaises(TypeError):
            ops.NotDifferentiable(3)
        with ops.Graph().as_default() as g:
            a = constant_op.constant([[1.0]])
            m = math_ops.matmul(a, a)
            f = ops.get_gradient_function(m.op)
            self.assertTrue(callable(f))
            self.assertIsNone(ops.get_stats_for_node_def(g, m.op.node_def, "nothing").value)
        s = ops.OpStats("weights", 3)
        s += ops.OpStats("weights", 4)
        self.assertEqual(7, s.value)
        self.assertEqual("weights", s.statistic_type)
        with self.assertRaises(ValueError):
            s += ops.OpStats("flops", 4)

    def testCreateOp(self):
        with ops.Graph().as_default() as g:
            a = constant_op.constant(1.0)
            op = g.create_op(
                "Identity",
                [a],
                [dtypes.float32],
                None,
                name="mine",
                attrs={"T": attr_value_pb2.AttrValue(type=types_pb2.DT_FLOAT)},
            )
            self.assertEqual("mine", op.name)
            self.assertEqual([], op.outputs[0].shape.as_list())
            with self.assertRaises(TypeError):
                g.create_op("Identity", [1.0], [dtypes.float32])
            self.assertEqual("NoOp", g.create_op("NoOp", [], []).type)
            self.assertEqual("MatMul", "MatMul")

    def testGetOperations(self):
        with ops.Graph().as_default() as g:
            a = constant_op.constant(1.0, name="a")
            b = array_ops.identity(a, name="b")
            self.assertEqual([a.op, b.op], g.get_operations())
            self.assertEqual([a.op, b.op], list(g.get_operations()))

    def testBuildingFunction(self):
        self.assertFalse(ops.Graph().building_function)

    def testInitScope(self):
        with ops.Graph().as_default():
            a = constant_op.constant(1.0)
            with ops.name_scope("s"), ops.control_dependencies([a]), ops.init_scope():
                c = constant_op.constant(1.0)
            self.assertEqual([], c.op.control_inputs)
            self.assertEqual("s/Const", c.op.name)

            def body(i):
                with ops.init_scope():
                    inner.append(constant_op.constant(7))
                return i + 1

            inner = []
            while_loop.while_loop(lambda i: i < 3, body, [0])
            self.assertIsNone(inner[0].op._get_control_flow_context())

    def testSwitchToThreadLocal(self):
        with ops.Graph().as_default() as g:
            g.switch_to_thread_local()
            made = []

            def work():
                with g.as_default():
                    made.append(control_flow_ops.no_op())

            with g.device("/cpu:3"):
                t = self.checkedThread(target=work)
                t.start()
                t.join()
            self.assertEqual("", made[0].device)

    def testDismantleAndGarbage(self):
        g = ops.Graph()
        with g.as_default():
            constant_op.constant(1.0)
        ops.dismantle_graph(g)

    def testGraphKeys(self):
        self.assertEqual("variables", ops.GraphKeys.GLOBAL_VARIABLES)
        self.assertEqual("trainable_variables", ops.GraphKeys.TRAINABLE_VARIABLES)
        self.assertEqual("global_step", ops.GraphKeys.GLOBAL_STEP)
        self.assertEqual("local_variables", ops.GraphKeys.LOCAL_VARIABLES)
        self.assertEqual("update_ops", ops.GraphKeys.UPDATE_OPS)

    def testConvert(self):
        with ops.Graph().as_default():
            x = ops.convert_to_tensor([1, 2], dtypes.float32, name="x")
            self.assertEqual("x", x.op.name)
            self.assertIs(x, ops.convert_to_tensor(x))
            self.assertIs(x, ops.convert_to_tensor(x, preferred_dtype=dtypes.int32))
            self.assertEqual(dtypes.int64, ops.convert_to_tensor(1, preferred_dtype=dtypes.int64).dtype)
            self.assertEqual(dtypes.float32, ops.convert_to_tensor(1.5, preferred_dtype=dtypes.int64).dtype)
            with self.assertRaises(ValueError):
                ops.convert_to_tensor(x, dtypes.int32)
            with self.assertRaises((TypeError, ValueError)):
                ops.convert_to_tensor(object())
            with self.assertRaises((TypeError, ValueError)):
                ops.convert_to_tensor([[1], [2, 3]])
            ts = ops.convert_n_to_tensor([1, 2.0, [3]])
            self.assertEqual(3, len(ts))
            with self.assertRaises(TypeError):
                ops.convert_n_to_tensor(3)
            s = indexed_slices.IndexedSlices(
                constant_op.constant([[1.0]]), constant_op.constant([0]), constant_op.constant([3, 1])
            )
            self.assertIs(s, ops.convert_to_tensor_or_composite(s))
            dense = ops.convert_to_tensor(s)
            with session.Session() as sess:
                self.assertAllEqual([[1.0], [0.0], [0.0]], sess.run(dense))

    def testConversionRegistry(self):
        class Mine:
            pass

        def conv(value, dtype=None, name=None, as_ref=False):
            return constant_op.constant(42.0, name=name)

        tensor_conversion_registry.register_tensor_conversion_function(Mine, conv)
        with ops.Graph().as_default():
            t = ops.convert_to_tensor(Mine(), name="q")
            self.assertEqual("q", t.op.name)
        with self.assertRaises(TypeError):
            tensor_conversion_registry.register_tensor_conversion_function("x", conv)
        with self.assertRaises(TypeError):
            tensor_conversion_registry.register_tensor_conversion_function(Mine, 3)

    def testUid(self):
        a, b = ops.uid(), ops.uid()
        self.assertLess(a, b)

    def testResources(self):
        with ops.Graph().as_default():
            self.assertEqual([], resources.shared_resources())
            h = constant_op.constant("h")
            create = control_flow_ops.no_op(name="create")
            init = constant_op.constant(True)
            resources.register_resource(h, create, init)
            self.assertEqual(1, len(resources.shared_resources()))
            self.assertIs(create, resources.shared_resources()[0].create)
            resources.register_resource(h, create, constant_op.constant(False, name="not"), is_shared=False)
            self.assertEqual(1, len(resources.local_resources()))
            op = resources.initialize_resources(resources.shared_resources())
            un = resources.report_uninitialized_resources()
            with session.Session() as s:
                s.run(op)
                self.assertEqual(1, s.run(un).size)
