"""Devices, colocation, specifications."""

from tensorflow.core.framework import node_def_pb2
from tensorflow.python.framework import constant_op, device_spec, ops, test_util
from tensorflow.python.framework import device as pydev
from tensorflow.python.ops import control_flow_ops, variable_v1


class DeviceTest(test_util.TensorFlowTestCase):
    def testStrings(self):
        g = ops.Graph()
        with g.as_default():
            with g.device("/job:worker/replica:2"):
                self.assertEqual("/job:worker/replica:2", control_flow_ops.no_op().device)
                with g.device("/task:1"):
                    self.assertEqual("/job:worker/replica:2/task:1", control_flow_ops.no_op().device)
                with g.device("/job:ps"):
                    self.assertEqual("/job:ps/replica:2", control_flow_ops.no_op().device)
                with g.device(None):
                    self.assertEqual("", control_flow_ops.no_op().device)
                with g.device(""):
                    self.assertEqual("/job:worker/replica:2", control_flow_ops.no_op().device)
                with g.device("/cpu:0"):
                    self.assertEqual("/job:worker/replica:2/device:CPU:0", control_flow_ops.no_op().device)
            self.assertEqual("", control_flow_ops.no_op().device)

    def testSpecs(self):
        g = ops.Graph()
        with g.as_default():
            with g.device(pydev.DeviceSpec(job="w", replica=2, task=0, device_type="CPU", device_index=3)):
                self.assertEqual("/job:w/replica:2/task:0/device:CPU:3", control_flow_ops.no_op().device)
            with g.device(device_spec.DeviceSpecV2(job="w")):
                self.assertEqual("/job:w", control_flow_ops.no_op().device)

    def testFunctions(self):
        g = ops.Graph()

        def by_type(op):
            return "/device:GPU:0" if op.type == "Const" else "/device:CPU:0"

        with g.as_default():
            with g.device(by_type):
                self.assertEqual("/device:GPU:0", constant_op.constant(1).device)
                self.assertEqual("/device:CPU:0", control_flow_ops.no_op().device)
                with g.device("/job:w"):
                    self.assertEqual("/device:CPU:0", control_flow_ops.no_op().device)

            def spec(op):
                return pydev.DeviceSpec(job="q")

            with g.device(spec):
                self.assertEqual("/job:q", control_flow_ops.no_op().device)

    def testFunctionSeesOuter(self):
        g = ops.Graph()
        seen = []

        def look(op):
            seen.append(op.device)
            return op.device

        with g.as_default(), g.device(look), g.device("/job:a"):
            control_flow_ops.no_op()
        self.assertEqual(["/job:a"], seen)

    def testFunctionOverridesOuterString(self):
        g = ops.Graph()
        with g.as_default(), g.device("/job:a"):
            with g.device(lambda op: "/job:b/task:1"):
                self.assertEqual("/job:b/task:1", control_flow_ops.no_op().device)
            with g.device(lambda op: ""):
                self.assertEqual("/job:a", control_flow_ops.no_op().device)

    def testMergeFunction(self):
        merged = pydev.merge_device(pydev.DeviceSpec.from_string("/task:1"))
        g = ops.Graph()
        with g.as_default(), g.device(pydev.merge_device("/device:GPU:0")):
            self.assertEqual("/device:GPU:0", control_flow_ops.no_op().device)
            with g.device(pydev.merge_device("/job:worker")):
                self.assertEqual("/job:worker/device:GPU:0", control_flow_ops.no_op().device)
                with g.device(pydev.merge_device("/device:CPU:0")):
                    self.assertEqual("/job:worker/device:CPU:0", control_flow_ops.no_op().device)
                with g.device(pydev.merge_device(None)):
                    self.assertEqual("/job:worker/device:GPU:0", control_flow_ops.no_op().device)
        self.assertEqual("/task:1", merged(node_def_pb2.NodeDef()).to_string())

    def testGlobalDeviceFunction(self):
        with ops.Graph().as_default():
            with ops.device("/cpu:1"):
                self.assertEqual("/device:CPU:1", constant_op.constant(1).device)
            with ops.device(lambda op: "/job:x"):
                self.assertEqual("/job:x", constant_op.constant(1).device)
            with ops.device(None):
                self.assertEqual("", constant_op.constant(1).device)

    def testBadDevice(self):
        with ops.Graph().as_default() as g, self.assertRaises(ValueError), g.device("/foo:bar:baz"):
            control_flow_ops.no_op()

    def testColocate(self):
        with ops.Graph().as_default() as g:
            with g.device("/device:CPU:0"):
                a = constant_op.constant(1.0, name="a")
            with g.colocate_with(a.op):
                b = constant_op.constant(1.0, name="b")
                self.assertEqual("/device:CPU:0", b.device)
                with g.device("/device:GPU:0"):
                    c = constant_op.constant(1.0, name="c")
                    with g.colocate_with(b.op):
                        d = constant_op.constant(1.0, name="d")
            self.assertEqual([b"loc:@a"], b.op.colocation_groups())
            self.assertEqual([b"loc:@a"], c.op.colocation_groups())
            self.assertEqual("/device:CPU:0", c.device)
            self.assertEqual([b"loc:@a"], d.op.colocation_groups())
            with g.colocate_with(a), g.colocate_with(None, ignore_existing=True):
                e = constant_op.constant(1.0, name="e")
            self.assertEqual([b"loc:@e"], e.op.colocation_groups())
            with self.assertRaisesRegex(ValueError, "Trying to reset colocation"), g.colocate_with(None):
                pass

    def testColocateMany(self):
        with ops.Graph().as_default():
            a = constant_op.constant(1.0, name="a")
            b = constant_op.constant(1.0, name="b")
            with ops.colocate_with(a.op), ops.colocate_with(b.op):
                c = constant_op.constant(1.0, name="c")
            self.assertEqual([b"loc:@a", b"loc:@b"], c.op.colocation_groups())
            with ops.colocate_with(a.op), ops.colocate_with(b.op, ignore_existing=True):
                d = constant_op.constant(1.0, name="d")
            self.assertEqual([b"loc:@b"], d.op.colocation_groups())
            with ops.colocate_with(c.op):
                e = constant_op.constant(1.0, name="e")
            self.assertEqual([b"loc:@a", b"loc:@b"], e.op.colocation_groups())
            self.assertEqual([b"loc:@a", b"loc:@b"], list(e.op.node_def.attr["_class"].list.s))

    def testColocateWithVariable(self):
        with ops.Graph().as_default():
            with ops.device("/device:CPU:0"):
                v = variable_v1.VariableV1(1.0, name="v", use_resource=False)
            with ops.colocate_with(v):
                c = constant_op.constant(1.0)
            with ops.colocate_with(v.op):
                c2 = constant_op.constant(1.0)
            self.assertEqual([b"loc:@v"], c.op.colocation_groups())
            self.assertEqual("/device:CPU:0", c2.device)


class DeviceSpecTest(test_util.TensorFlowTestCase):
    def testParts(self):
        d = device_spec.DeviceSpecV1(job="j", replica=1, task=2, device_type="gpu", device_index=3)
        self.assertEqual(("j", 1, 2, "GPU", 3), (d.job, d.replica, d.task, d.device_type, d.device_index))
        self.assertEqual("/job:j/replica:1/task:2/device:GPU:3", d.to_string())
        d = device_spec.DeviceSpecV1()
        self.assertEqual("", d.to_string())
        d.job = "x"
        d.replica = 4
        d.task = 0
        d.device_type = "CPU"
        self.assertEqual("/job:x/replica:4/task:0/device:CPU:*", d.to_string())
        d.device_index = 0
        self.assertEqual("/job:x/replica:4/task:0/device:CPU:0", d.to_string())

    def testParse(self):
        for cls in (device_spec.DeviceSpecV1, device_spec.DeviceSpecV2):
            for text, want in (
                ("/job:foo/replica:0", "/job:foo/replica:0"),
                ("/cpu:0", "/device:CPU:0"),
                ("/GPU:1", "/device:GPU:1"),
                ("/device:TPU:7", "/device:TPU:7"),
                ("/gpu:*", "/device:GPU:*"),
                ("", ""),
                ("/job:a/task:1/device:CPU:0", "/job:a/task:1/device:CPU:0"),
            ):
                self.assertEqual(want, cls.from_string(text).to_string())
            with self.assertRaises(ValueError):
                cls.from_string("/job:a/bogus:1")
            with self.assertRaises(ValueError):
                cls.from_string("/cpu:0/gpu:1")
            with self.assertRaises(ValueError):
                cls.from_string("/task:x")
        d = device_spec.DeviceSpecV1()
        self.assertIs(d, d.parse_from_string("/job:a"))
        self.assertEqual("a", d.job)

    def testEquality(self):
        a = device_spec.DeviceSpecV1.from_string("/job:a/cpu:0")
        b = device_spec.DeviceSpecV1(job="a", device_type="CPU", device_index=0)
        self.assertEqual(a, b)
        self.assertEqual(hash(a), hash(b))
        self.assertNotEqual(a, device_spec.DeviceSpecV1(job="b"))
        self.assertFalse(a == "/job:a/device:CPU:0")
        self.assertEqual(1, len({a, b}))

    def testV2(self):
        d = device_spec.DeviceSpecV2(job="a", task=1)
        self.assertEqual("/job:a/task:2", d.replace(task=2).to_string())
        self.assertEqual("/job:a/task:1", d.to_string())
        self.assertEqual("/job:b/task:1", d.make_merged_spec(device_spec.DeviceSpecV2(job="b")).to_string())
        with self.assertRaises(AttributeError):
            d.job = "z"

    def testMergeFrom(self):
        d = device_spec.DeviceSpecV1.from_string("/job:a/task:1/gpu:0")
        d.merge_from(device_spec.DeviceSpecV1.from_string("/task:2/cpu:1"))
        self.assertEqual("/job:a/task:2/device:CPU:1", d.to_string())

    def testCanonical(self):
        self.assertEqual("/job:foo/replica:0", pydev.canonical_name("/job:foo/replica:0"))
        self.assertEqual("/device:GPU:0", pydev.canonical_name("/gpu:0"))
        self.assertEqual("", pydev.canonical_name(None))
        self.assertEqual("/job:a", pydev.canonical_name(device_spec.DeviceSpecV1(job="a")))
        pydev.check_valid("/job:foo/replica:0")
        with self.assertRaises(ValueError):
            pydev.check_valid("/job:j/replica:foo")
        self.assertTrue(pydev.is_device_spec(device_spec.DeviceSpecV1()))
        self.assertFalse(pydev.is_device_spec("/cpu:0"))
