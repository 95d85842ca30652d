"""Operations and how they are found."""

import numpy as np
from tensorflow.core.framework import attr_value_pb2
from tensorflow.python.framework import constant_op, dtypes, ops, tensor_util, test_util
from tensorflow.python.framework import device as pydev
from tensorflow.python.ops import array_ops, control_flow_ops, math_ops, variable_v1


class OperationTest(test_util.TensorFlowTestCase):
    @test_util.run_v1_only("graph")
    def testFields(self):
        a = constant_op.constant([[1.0, 2.0]], name="a")
        b = constant_op.constant([[3.0], [4.0]], name="b")
        m = math_ops.matmul(a, b, name="m")
        op = m.op
        self.assertEqual("m", op.name)
        self.assertEqual("MatMul", op.type)
        self.assertIs(op.graph, ops.get_default_graph())
        self.assertEqual([a, b].__len__(), len(op.inputs))
        self.assertIs(a, op.inputs[0])
        self.assertIs(op.outputs[0], m)
        self.assertEqual([], op.control_inputs)
        self.assertEqual("", op.device)
        self.assertEqual([dtypes.float32, dtypes.float32], list(op._input_types))
        self.assertEqual([b"loc:@m"], op.colocation_groups())
        self.assertEqual((m,), tuple(op.values()))
        self.assertEqual("MatMul", op.op_def.name)
        self.assertEqual("m", op.node_def.name)
        self.assertEqual(["a", "b"], list(op.node_def.input))
        self.assertFalse(op.get_attr("transpose_a"))
        self.assertEqual(dtypes.float32, op.get_attr("T"))
        self.assertIn('name: "m"', str(op))
        self.assertEqual("<tf.Operation 'm' type=MatMul>", repr(op))
        self.assertTrue(len(op.traceback) > 0)

    @test_util.run_v1_only("graph")
    def testTensorFields(self):
        a = constant_op.constant([[1.0, 2.0]], name="a")
        self.assertEqual("a:0", a.name)
        self.assertEqual(0, a.value_index)
        self.assertIs(a.op.graph, a.graph)
        self.assertEqual("", a.device)
        self.assertEqual([1, 2], a.shape.as_list())
        self.assertEqual([], a.consumers())
        b = a + 1.0
        self.assertEqual([b.op], a.consumers())
        self.assertEqual("<tf.Tensor 'a:0' shape=(1, 2) dtype=float32>", repr(a))
        self.assertIn("a:0", str(a))
        p = array_ops.placeholder(dtypes.int32, name="p")
        self.assertEqual("<tf.Tensor 'p:0' shape=<unknown> dtype=int32>", repr(p))
        self.assertEqual('Tensor("p:0", dtype=int32)', str(p))
        q = array_ops.placeholder(dtypes.int32, [None, 3], name="q")
        self.assertEqual('Tensor("q:0", shape=(?, 3), dtype=int32)', str(q).replace("None", "?"))
        q.set_shape([4, None])
        self.assertEqual([4, 3], q.get_shape().as_list())
        with self.assertRaises(ValueError):
            q.set_shape([5, 3])
        with self.assertRaises(ValueError):
            q.set_shape([4])

    @test_util.run_v1_only("graph")
    def testNotIterableNotBool(self):
        p = array_ops.placeholder(dtypes.float32)
        with self.assertRaises(TypeError):
            for _ in p:
                pass
        with self.assertRaises(TypeError):
            if p:
                pass
        with self.assertRaises(TypeError):
            bool(constant_op.constant(True))
        with self.assertRaises(TypeError):
            len(p)
        with self.assertRaises((TypeError, NotImplementedError)):
            np.array(constant_op.constant(1.0))

    @test_util.run_v1_only("graph")
    def testGetAttrOfAllKinds(self):
        x = array_ops.placeholder(dtypes.float32, [1, 4, 4, 1])
        from tensorflow.python.ops import nn_ops

        op = nn_ops.max_pool(x, [1, 2, 2, 1], [1, 2, 2, 1], "VALID").op
        self.assertEqual([1, 2, 2, 1], op.get_attr("ksize"))
        self.assertEqual(b"VALID", op.get_attr("padding"))
        self.assertEqual(dtypes.float32, op.get_attr("T"))
        with self.assertRaisesRegex(ValueError, "Operation 'MaxPool' has no attr named 'nope'"):
            op.get_attr("nope")
        p = x.op.get_attr("shape")
        self.assertEqual([1, 4, 4, 1], [d.size for d in p.dim])
        c = constant_op.constant([1, 2]).op
        self.assertAllEqual([1, 2], tensor_util.MakeNdarray(c.get_attr("value")))

    @test_util.run_v1_only("graph")
    def testSetAttr(self):
        op = control_flow_ops.no_op()
        op._set_attr("_mine", attr_value_pb2.AttrValue(i=4))
        self.assertEqual(4, op.get_attr("_mine"))
        op._set_attr("_words", attr_value_pb2.AttrValue(s=b"x"))
        self.assertEqual(b"x", op.get_attr("_words"))
        op._set_attr("_list", attr_value_pb2.AttrValue(list=attr_value_pb2.AttrValue.ListValue(i=[1, 2])))
        self.assertEqual([1, 2], op.get_attr("_list"))
        self.assertIn("_mine", op.node_def.attr)
        op._clear_attr("_mine")
        with self.assertRaises(ValueError):
            op.get_attr("_mine")

    @test_util.run_v1_only("graph")
    def testControlInputsChange(self):
        a = constant_op.constant(1).op
        b = constant_op.constant(2).op
        c = control_flow_ops.no_op()
        c._add_control_input(a)
        self.assertEqual([a], c.control_inputs)
        c._add_control_inputs([a, b])
        self.assertEqual({a, b}, set(c.control_inputs))
        c._remove_all_control_inputs()
        self.assertEqual([], c.control_inputs)
        c._add_control_inputs([b])
        self.assertEqual([c], b._control_outputs)
        self.assertEqual(["^Const_1"], list(c.node_def.input))

    @test_util.run_v1_only("graph")
    def testUpdateInput(self):
        a, b = constant_op.constant(1.0), constant_op.constant(5.0)
        c = array_ops.identity(a)
        self.assertEqual([c.op], a.consumers())
        c.op._update_input(0, b)
        self.assertIs(b, c.op.inputs[0])
        self.assertEqual([], a.consumers())
        with self.cached_session() as sess:
            self.assertEqual(5.0, sess.run(c))

    @test_util.run_v1_only("graph")
    def testSetDevice(self):
        op = control_flow_ops.no_op()
        op._set_device("/job:ps/device:CPU:0")
        self.assertEqual("/job:ps/device:CPU:0", op.device)
        self.assertEqual("/job:ps/device:CPU:0", op.node_def.device)
        op._set_device(pydev.DeviceSpec(job="w", device_type="GPU", device_index=1))
        self.assertEqual("/job:w/device:GPU:1", op.device)

    @test_util.run_v1_only("graph")
    def testRunMethod(self):
        with self.cached_session() as s:
            v = variable_v1.VariableV1(1.0, use_resource=False)
            v.initializer.run(session=s)
            v.assign_add(1.0).op.run(session=s)
            self.assertEqual(2.0, self.evaluate(v))


class GraphElementTest(test_util.TensorFlowTestCase):
    def testLookup(self):
        with ops.Graph().as_default() as g:
            a = constant_op.constant(1.0, name="a")
            self.assertIs(a, g.as_graph_element("a:0"))
            self.assertIs(a, g.as_graph_element(a))
            self.assertIs(a.op, g.as_graph_element("a"))
            self.assertIs(a.op, g.as_graph_element(a.op))
            self.assertIs(a.op, g.get_operation_by_name("a"))
            self.assertIs(a, g.get_tensor_by_name("a:0"))
            v = variable_v1.VariableV1(1.0, use_resource=False, name="v")
            self.assertIs(v._variable, g.as_graph_element(v))
            self.assertIs(a, g.as_graph_element(a, allow_operation=False))

    def testErrors(self):
        with ops.Graph().as_default() as g:
            a = constant_op.constant(1.0, name="a")
            with self.assertRaisesRegex(ValueError, "can't both be False"):
                g.as_graph_element(a, allow_tensor=False, allow_operation=False)
            with self.assertRaisesRegex(TypeError, r"Can not convert a \w*Tensor into a Operation"):
                g.as_graph_element(a, allow_tensor=False)
            with self.assertRaisesRegex(TypeError, "Can not convert a Operation into a Tensor"):
                g.as_graph_element(a.op, allow_operation=False)
            with self.assertRaisesRegex(TypeError, "Can not convert a int into a Tensor or Operation"):
                g.as_graph_element(3)
            with self.assertRaisesRegex(KeyError, "refers to an Operation not in the graph"):
                g.as_graph_element("b")
            with self.assertRaisesRegex(KeyError, "refers to a Tensor which does not exist"):
                g.as_graph_element("b:0")
            with self.assertRaisesRegex(KeyError, "exists but only has 1 outputs"):
                g.as_graph_element("a:1")
            with self.assertRaisesRegex(ValueError, "looks a like a Tensor name, but is not a valid one"):
                g.as_graph_element("a:0:0")
            with self.assertRaisesRegex(ValueError, "appears to refer to a Tensor, not a Operation"):
                g.as_graph_element("a:0", allow_tensor=False)
            with self.assertRaisesRegex(ValueError, "refers to an Operation, not a Tensor"):
                g.get_tensor_by_name("a")
            with self.assertRaisesRegex(ValueError, r"looks like an \(invalid\) Operation name, not a Tensor"):
                g.get_tensor_by_name("b")
            with self.assertRaisesRegex(TypeError, "Tensor names are strings"):
                g.get_tensor_by_name(a)
            with self.assertRaisesRegex(TypeError, "Operation names are strings"):
                g.get_operation_by_name(a.op)
            with ops.Graph().as_default():
                b = constant_op.constant(1.0)
            with self.assertRaisesRegex(ValueError, "is not an element of this graph"):
                g.as_graph_element(b)

    def testMixedGraphs(self):
        with ops.Graph().as_default():
            a = constant_op.constant(1.0)
        with ops.Graph().as_default() as g:
            b = constant_op.constant(1.0)
            with self.assertRaisesRegex(ValueError, "must be from the same graph"):
                math_ops.add(a, b)
            with self.assertRaises(ValueError):
                ops._get_graph_from_inputs([a, b])
            self.assertIs(g, ops._get_graph_from_inputs([b]))
            self.assertIs(g, ops._get_graph_from_inputs([3.0, b]))
            self.assertIs(g, ops._get_graph_from_inputs([]))
            with self.assertRaisesRegex(ValueError, "not from the passed-in graph"):
                ops._get_graph_from_inputs([a], g)
