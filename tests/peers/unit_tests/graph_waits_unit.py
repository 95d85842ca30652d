"""Control dependencies."""

from tensorflow.core.framework import graph_pb2, types_pb2
from tensorflow.python.client import session
from tensorflow.python.framework import constant_op, dtypes, importer, indexed_slices, ops, test_util
from tensorflow.python.ops import array_ops, control_flow_ops, math_ops, resource_variable_ops, variable_v1, while_loop


class ControlDependencyTest(test_util.TensorFlowTestCase):
    def testBasic(self):
        with ops.Graph().as_default() as g:
            a, b = constant_op.constant(1.0), constant_op.constant(2.0)
            with g.control_dependencies([a]):
                c = constant_op.constant(1.0)
                d = array_ops.identity(b)
                e = array_ops.identity(c)
            self.assertEqual([a.op], c.op.control_inputs)
            self.assertEqual([a.op], d.op.control_inputs)
            self.assertEqual([], e.op.control_inputs)

    def testKinds(self):
        with ops.Graph().as_default() as g:
            a = constant_op.constant(1.0)
            v = variable_v1.VariableV1(1.0, use_resource=False, name="v")
            r = resource_variable_ops.ResourceVariable(1.0, name="r")
            s = indexed_slices.IndexedSlices(constant_op.constant([1.0]), constant_op.constant([0]))
            with g.control_dependencies([a.op, v, r, s, a]):
                c = constant_op.constant(1.0)
            names = {o.name for o in c.op.control_inputs}
            self.assertIn("v", names)
            self.assertIn("r", names)
            self.assertIn(s.values.op.name, names)
            said = "Can not convert a float into a Tensor or Operation"
            with self.assertRaisesRegex(TypeError, said), g.control_dependencies([3.0]):
                pass
            with ops.control_dependencies(None):
                pass

    def testNestAndClear(self):
        with ops.Graph().as_default() as g:
            a, b = constant_op.constant(1.0), constant_op.constant(2.0)
            with g.control_dependencies([a]), g.control_dependencies([b]):
                c = constant_op.constant(1.0)
                with g.control_dependencies(None):
                    d = constant_op.constant(1.0)
                    with g.control_dependencies([b]):
                        e = constant_op.constant(1.0)
                with g.control_dependencies([]):
                    f = constant_op.constant(1.0)
            self.assertItemsEqual([a.op, b.op], c.op.control_inputs)
            self.assertEqual([], d.op.control_inputs)
            self.assertEqual([b.op], e.op.control_inputs)
            self.assertItemsEqual([a.op, b.op], f.op.control_inputs)

    def testDominated(self):
        with ops.Graph().as_default() as g:
            a = constant_op.constant(1.0)
            with g.control_dependencies([a]):
                b = constant_op.constant(1.0)
                with g.control_dependencies([b]):
                    c = constant_op.constant(1.0)
                    d = array_ops.identity(b)
            self.assertItemsEqual([a.op, b.op], c.op.control_inputs)
            self.assertEqual([], d.op.control_inputs)

    def testCallable(self):
        with ops.Graph().as_default():
            a = constant_op.constant(1.0)
            with ops.control_dependencies([a]):
                pass

    def testOrderIsKept(self):
        with ops.Graph().as_default():
            v = variable_v1.VariableV1(0.0, use_resource=False)
            up = v.assign(5.0)
            with ops.control_dependencies([up]):
                r = v.read_value()
            with session.Session() as s:
                s.run(v.initializer)
                self.assertEqual(5.0, s.run(r))


class ImportTest(test_util.TensorFlowTestCase):
    def _src(self):
        with ops.Graph().as_default() as g:
            a = array_ops.placeholder(dtypes.float32, [], name="a")
            b = constant_op.constant(2.0, name="b")
            c = math_ops.multiply(a, b, name="c")
            with ops.control_dependencies([c]):
                control_flow_ops.no_op(name="n")
        return g.as_graph_def()

    def testNames(self):
        with ops.Graph().as_default() as g:
            self.assertIsNone(importer.import_graph_def(self._src()))
            importer.import_graph_def(self._src())
            importer.import_graph_def(self._src(), name="mine")
            importer.import_graph_def(self._src(), name="")
            for n in ("import/c", "import_1/c", "mine/c", "c"):
                g.get_operation_by_name(n)
            with ops.name_scope("out"):
                importer.import_graph_def(self._src(), name="in")
            g.get_operation_by_name("out/in/c")

    def testReturnElements(self):
        with ops.Graph().as_default():
            n, c = importer.import_graph_def(self._src(), return_elements=["n", "c:0"])
            self.assertEqual("import/n", n.name)
            self.assertEqual("import/c:0", c.name)
            self.assertEqual([c.op], n.control_inputs)
            with self.assertRaisesRegex(ValueError, "not found"):
                importer.import_graph_def(self._src(), return_elements=["zz"])
            with self.assertRaises(ValueError):
                importer.import_graph_def(self._src(), return_elements=["c:3"])
            with self.assertRaises(TypeError):
                importer.import_graph_def(self._src(), return_elements=[7])
            with self.assertRaises(ValueError):
                importer.import_graph_def(self._src(), return_elements=["c:x"])

    def testInputMap(self):
        with ops.Graph().as_default():
            x = constant_op.constant(4.0)
            (c,) = importer.import_graph_def(self._src(), input_map={"a:0": x}, return_elements=["c:0"])
            (d,) = importer.import_graph_def(self._src(), input_map={"a": x, "b:0": c}, return_elements=["c:0"])
            with session.Session() as s:
                self.assertEqual([8.0, 32.0], s.run([c, d]))
            control_flow_ops.no_op()
            with self.assertRaises(ValueError):
                importer.import_graph_def(self._src(), input_map={"nope:0": x})
            with self.assertRaises(TypeError):
                importer.import_graph_def(self._src(), input_map=[x])
            with self.assertRaises(ValueError):
                importer.import_graph_def(self._src(), input_map={"a:0": constant_op.constant(1)})

    def testBadGraphDefs(self):
        with ops.Graph().as_default():
            with self.assertRaises(TypeError):
                importer.import_graph_def("no graph")
            d = self._src()
            d.node[2].input[0] = "missing"
            with self.assertRaises(ValueError):
                importer.import_graph_def(d)
            d = self._src()
            d.node[2].input.append("b")
            with self.assertRaises(ValueError):
                importer.import_graph_def(d)
            d = self._src()
            d.node[1].name = "a"
            with self.assertRaises(ValueError):
                importer.import_graph_def(d)
            d = self._src()
            d.node[2].attr["T"].type = types_pb2.DT_INT32
            with self.assertRaises(ValueError):
                importer.import_graph_def(d)

    def testEmptyAndDefaults(self):
        with ops.Graph().as_default() as g:
            self.assertIsNone(importer.import_graph_def(graph_pb2.GraphDef()))
            self.assertEqual([], g.get_operations())
            d = graph_pb2.GraphDef()
            d.node.add(name="a", op="Placeholder").attr["dtype"].type = types_pb2.DT_FLOAT
            n = d.node.add(name="m", op="MatMul", input=["a", "a"])
            n.attr["T"].type = types_pb2.DT_FLOAT
            (m,) = importer.import_graph_def(d, return_elements=["m"])
            self.assertFalse(m.get_attr("transpose_a"))

    def testDevicesAndColocation(self):
        with ops.Graph().as_default() as src:
            with ops.device("/job:ps"):
                a = constant_op.constant(1.0, name="a")
            with ops.colocate_with(a):
                constant_op.constant(1.0, name="b")
        with ops.Graph().as_default():
            with ops.device("/task:4"):
                a, b = importer.import_graph_def(src.as_graph_def(), return_elements=["a", "b"], name="i")
            self.assertEqual("/job:ps/task:4", a.device)
            self.assertEqual([b"loc:@i/a"], b.colocation_groups())

    def testLoopRoundTrip(self):
        with ops.Graph().as_default() as src:
            n = array_ops.placeholder(dtypes.int32, [], name="n")
            r = while_loop.while_loop(lambda i, s: i < n, lambda i, s: (i + 1, s + i), [0, 0])
            array_ops.identity(r[1], name="r")
        with ops.Graph().as_default():
            n, r = importer.import_graph_def(src.as_graph_def(), return_elements=["n:0", "r:0"])
            with session.Session() as s:
                self.assertEqual(10, s.run(r, {n: 5}))

    def testTextProto(self):
        from google.protobuf import text_format

        d = graph_pb2.GraphDef()
        text_format.Merge(
            """node { name: 'a' op: 'Const'
                attr { key: 'dtype' value { type: DT_INT32 } }
                attr { key: 'value' value { tensor { dtype: DT_INT32 tensor_shape { dim { size: 2 } } int_val: 3 } } } }
                versions { producer: 27 }""",
            d,
        )
        with ops.Graph().as_default():
            (a,) = importer.import_graph_def(d, return_elements=["a:0"])
            with session.Session() as s:
                self.assertAllEqual([3, 3], s.run(a))
