"""Containers, growing graphs, sessions at servers."""

from tensorflow.core.protobuf import config_pb2
from tensorflow.python.client import session
from tensorflow.python.framework import (
    constant_op,
    dtypes,
    errors,
    importer,
    ops,
    test_util,
)
from tensorflow.python.ops import (
    array_ops,
    data_flow_ops,
    math_ops,
    resource_variable_ops,
    state_ops,
    variable_v1,
    variables,
)
from tensorflow.python.training import server_lib
from tensorflow.python.util import compat


class MoreSessionTest(test_util.TensorFlowTestCase):
    @test_util.run_v1_only("sessions")
    def testContainers(self):
        with ops.Graph().as_default():
            with ops.container("c1"):
                v1 = variable_v1.VariableV1(1.0, name="v", use_resource=False)
                q1 = data_flow_ops.FIFOQueue(2, dtypes.int32, shapes=(), shared_name="q")
            with ops.container("c2"):
                v2 = variable_v1.VariableV1(2.0, name="w", use_resource=False)
                q2 = data_flow_ops.FIFOQueue(2, dtypes.int32, shapes=(), shared_name="q")
            self.assertEqual(b"c1", v1.op.get_attr("container"))
            with session.Session() as sess:
                sess.run([v1.initializer, v2.initializer, q1.enqueue(4)])
                self.assertEqual(1, sess.run(q1.size()))
                self.assertEqual(0, sess.run(q2.size()))

    @test_util.run_v1_only("sessions")
    def testExtendByImport(self):
        with ops.Graph().as_default() as src:
            math_ops.add(constant_op.constant(1.0, name="a"), constant_op.constant(2.0, name="b"), name="c")
        with session.Session() as sess:
            x = constant_op.constant(5.0, name="x")
            self.assertEqual(5.0, sess.run(x))
            (c,) = importer.import_graph_def(src.as_graph_def(), return_elements=["c:0"], input_map={"a:0": x})
            self.assertEqual(7.0, sess.run(c))
            self.assertEqual(7.0, sess.run("import/c:0"))

    @test_util.run_v1_only("sessions")
    def testTensorEvalFeeds(self):
        with session.Session():
            p = array_ops.placeholder(dtypes.float32)
            q = p + 1.0
            self.assertEqual(3.0, q.eval(feed_dict={p: 2.0}))
            self.assertEqual(3.0, q.eval({p: 2.0}))
            v = variables.Variable(0.0)
            v.initializer.run()
            v.assign(p).op.run(feed_dict={p: 8.0})
            self.assertEqual(8.0, v.eval())

    @test_util.run_v1_only("sessions")
    def testRunsOnEveryFetchOnce(self):
        with session.Session() as sess:
            v = variable_v1.VariableV1(0, use_resource=False)
            sess.run(v.initializer)
            up = state_ops.assign_add(v, 1)
            sess.run([up, up, up.op])
            self.assertEqual(1, sess.run(v))

    @test_util.run_v1_only("sessions")
    def testUseBeforeInitialised(self):
        with session.Session() as sess:
            v = variable_v1.VariableV1(1.0, use_resource=False)
            r = resource_variable_ops.ResourceVariable(1.0, name="rv")
            with self.assertRaisesRegex(errors.FailedPreconditionError, "Attempting to use uninitialized value"):
                sess.run(v + 1.0)
            with self.assertRaises(errors.FailedPreconditionError):
                sess.run(r + 1.0)

    @test_util.run_v1_only("sessions")
    def testDeviceAttributesClass(self):
        a = session._DeviceAttributes("/job:worker/replica:0/task:3/device:CPU:2", "TYPE", 1337, 1000000)
        self.assertEqual("/job:worker/replica:0/task:3/device:CPU:2", a.name)
        self.assertEqual("TYPE", a.device_type)
        self.assertEqual(1337, a.memory_limit_bytes)
        self.assertEqual(1000000, a.incarnation)
        self.assertEqual("_DeviceAttributes(/job:worker/replica:0/task:3/device:CPU:2, TYPE, 1337, 1000000)", repr(a))

    def testServerSession(self):
        server = server_lib.Server.create_local_server()
        with ops.Graph().as_default():
            c = constant_op.constant(3.0) * 2.0
            v = variable_v1.VariableV1(1.0, use_resource=False, name="shared")
            with session.Session(server.target) as s1:
                self.assertEqual(6.0, s1.run(c))
                s1.run(v.initializer)
                s1.run(v.assign_add(2.0))
            with session.Session(server.target) as s2:
                self.assertEqual(3.0, s2.run(v))
                self.assertEqual("/job:localhost/replica:0/task:0/device:CPU:0", s2.list_devices()[0].name)
                self.assertEqual(compat.as_bytes(server.target), s2.sess_str)

    def testServerPartialRun(self):
        server = server_lib.Server.create_local_server()
        with ops.Graph().as_default():
            a = array_ops.placeholder(dtypes.float32, shape=[])
            b = array_ops.placeholder(dtypes.float32, shape=[])
            c = a + 1.0
            d = c * b
            with session.Session(server.target) as sess:
                h = sess.partial_run_setup([c, d], [a, b])
                r = sess.partial_run(h, c, {a: 2.0})
                self.assertEqual(3.0, r)
                self.assertEqual(12.0, sess.partial_run(h, d, {b: 4.0}))

    def testServerTrace(self):
        server = server_lib.Server.create_local_server()
        with ops.Graph().as_default():
            a = constant_op.constant([[1.0]])
            b = math_ops.matmul(a, a, name="mm")
            with session.Session(server.target) as sess:
                md = config_pb2.RunMetadata()
                sess.run(
                    b, options=config_pb2.RunOptions(trace_level=config_pb2.RunOptions.FULL_TRACE), run_metadata=md
                )
                self.assertTrue(md.HasField("step_stats"))
                self.assertGreater(len(md.step_stats.dev_stats), 0)

    def testServerErrors(self):
        server = server_lib.Server.create_local_server()
        with ops.Graph().as_default():
            p = array_ops.placeholder(dtypes.float32, name="p")
            r = array_ops.reshape(p, [3], name="r")
            with session.Session(server.target) as sess:
                with self.assertRaises(errors.InvalidArgumentError) as cm:
                    sess.run(r, {p: [1.0, 2.0]})
                self.assertIs(cm.exception.op, r.op)
            with self.assertRaises(RuntimeError):
                sess.run(r)

    def testServerReset(self):
        server = server_lib.Server.create_local_server()
        with ops.Graph().as_default():
            with ops.container("box"):
                v = variable_v1.VariableV1(1.0, use_resource=False, name="shared")
            sess = session.Session(server.target)
            sess.run(v.initializer)
            session.Session.reset(server.target, ["box"])
            with self.assertRaises(errors.AbortedError):
                sess.run(v)
            sess = session.Session(server.target)
            with self.assertRaises(errors.FailedPreconditionError):
                sess.run(v)
