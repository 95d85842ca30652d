"""Errors, metadata and options of sessions."""

import numpy as np
from tensorflow.core.lib.core import error_codes_pb2
from tensorflow.core.protobuf import config_pb2
from tensorflow.python.client import session
from tensorflow.python.framework import (
    constant_op,
    dtypes,
    errors,
    ops,
    test_util,
)
from tensorflow.python.ops import (
    array_ops,
    data_flow_ops,
    math_ops,
    variable_v1,
)


class ErrorTest(test_util.TensorFlowTestCase):
    @test_util.run_v1_only("sessions")
    def testErrorHasOpAndNodeDef(self):
        with session.Session() as sess:
            p = array_ops.placeholder(dtypes.float32, name="p")
            s = array_ops.reshape(p, [3], name="resh")
            try:
                sess.run(s, {p: [1.0, 2.0]})
                self.fail("no error")
            except errors.InvalidArgumentError as e:
                self.assertIs(e.op, s.op)
                self.assertEqual(e.node_def.name, "resh")
                self.assertEqual(e.error_code, error_codes_pb2.INVALID_ARGUMENT)
                self.assertIn("resh", e.message)

    @test_util.run_v1_only("sessions")
    def testAssertRaisesOpErrorSubstring(self):
        with session.Session():
            v = variable_v1.VariableV1([1.0], use_resource=False, name="lonely")
            with self.assertRaisesOpError("Attempting to use uninitialized value lonely"):
                v.eval()

    @test_util.run_v1_only("sessions")
    def testErrorCodes(self):
        with session.Session() as sess:
            q = data_flow_ops.FIFOQueue(3, dtypes.int32, shapes=())
            sess.run(q.close())
            with self.assertRaises(errors.OutOfRangeError) as cm:
                sess.run(q.dequeue())
            self.assertEqual(error_codes_pb2.OUT_OF_RANGE, cm.exception.error_code)
            self.assertIsInstance(cm.exception, errors.OpError)
            self.assertEqual({}, cm.exception.experimental_payloads)

    def testOpErrorByHand(self):
        e = errors.NotFoundError(None, None, "gone")
        self.assertEqual("gone", str(e))
        self.assertEqual("gone", e.message)
        self.assertIsNone(e.op)
        self.assertIsNone(e.node_def)
        self.assertEqual(errors.NOT_FOUND, e.error_code)
        for name, code in (
            ("CancelledError", 1),
            ("UnknownError", 2),
            ("InvalidArgumentError", 3),
            ("DeadlineExceededError", 4),
            ("NotFoundError", 5),
            ("AlreadyExistsError", 6),
            ("PermissionDeniedError", 7),
            ("ResourceExhaustedError", 8),
            ("FailedPreconditionError", 9),
            ("AbortedError", 10),
            ("OutOfRangeError", 11),
            ("UnimplementedError", 12),
            ("InternalError", 13),
            ("UnavailableError", 14),
            ("DataLossError", 15),
            ("UnauthenticatedError", 16),
        ):
            cls = getattr(errors, name)
            self.assertEqual(code, cls(None, None, "m").error_code)
            self.assertIs(cls, errors.exception_type_from_error_code(code))
            self.assertEqual(code, errors.error_code_from_exception_type(cls))

    @test_util.run_v1_only("sessions")
    def testTimeouts(self):
        with session.Session(config=config_pb2.ConfigProto(operation_timeout_in_ms=150)) as sess:
            q = data_flow_ops.FIFOQueue(1, dtypes.float32, shapes=())
            d = q.dequeue()
            with self.assertRaises(errors.DeadlineExceededError):
                sess.run(d)
        with session.Session() as sess:
            with self.assertRaises(errors.DeadlineExceededError):
                sess.run(d, options=config_pb2.RunOptions(timeout_in_ms=100))
            sess.run(q.enqueue(3.0))
            self.assertEqual(3.0, sess.run(d, options=config_pb2.RunOptions(timeout_in_ms=5000)))


class MetadataTest(test_util.TensorFlowTestCase):
    @test_util.run_v1_only("sessions")
    def testTrace(self):
        with session.Session() as sess:
            p = array_ops.placeholder(dtypes.float32, [2, 2])
            q = math_ops.matmul(p, p, name="mm")
            md = config_pb2.RunMetadata()
            r = sess.run(
                q,
                {p: np.eye(2)},
                options=config_pb2.RunOptions(trace_level=config_pb2.RunOptions.FULL_TRACE),
                run_metadata=md,
            )
            self.assertAllEqual(np.eye(2), r)
            self.assertTrue(md.HasField("step_stats"))
            self.assertGreaterEqual(len(md.step_stats.dev_stats), 1)
            names = [n.node_name for d in md.step_stats.dev_stats for n in d.node_stats]
            self.assertTrue(any("mm" in n for n in names))

    @test_util.run_v1_only("sessions")
    def testNoTraceNoStats(self):
        with session.Session() as sess:
            c = constant_op.constant(1.0)
            md = config_pb2.RunMetadata()
            sess.run(c, run_metadata=md)
            self.assertFalse(md.HasField("step_stats"))
            sess.run(c, options=config_pb2.RunOptions(), run_metadata=md)
            self.assertFalse(md.HasField("step_stats"))
            sess.run(
                c, options=config_pb2.RunOptions(trace_level=config_pb2.RunOptions.SOFTWARE_TRACE), run_metadata=md
            )
            self.assertTrue(md.HasField("step_stats"))

    @test_util.run_v1_only("sessions")
    def testBadOptionTypes(self):
        with session.Session() as sess:
            c = constant_op.constant(1.0)
            with self.assertRaises((AttributeError, TypeError)):
                sess.run(c, options=object())

    @test_util.run_v1_only("sessions")
    def testPartitionGraphs(self):
        with session.Session() as sess:
            p = array_ops.placeholder(dtypes.float32, name="input")
            q = math_ops.square(p, name="sq")
            md = config_pb2.RunMetadata()
            sess.run(q, {p: 2.0}, options=config_pb2.RunOptions(output_partition_graphs=True), run_metadata=md)
            self.assertEqual(1, len(md.partition_graphs))
            self.assertIn("sq", [n.name for n in md.partition_graphs[0].node])

    @test_util.run_v1_only("sessions")
    def testCostGraph(self):
        cfg = config_pb2.ConfigProto(graph_options=config_pb2.GraphOptions(build_cost_model=1))
        with session.Session(config=cfg) as sess:
            p = array_ops.placeholder(dtypes.float32, name="input")
            q = math_ops.square(p, name="sq")
            md = config_pb2.RunMetadata()
            sess.run(q, {p: 2.0}, options=config_pb2.RunOptions(), run_metadata=md)
            self.assertGreater(len(md.cost_graph.node), 0)
            sess.run(q, {p: 2.0})

    @test_util.run_v1_only("sessions")
    def testBadThreadPool(self):
        with session.Session() as sess:
            c = constant_op.constant(1.0)
            with self.assertRaisesRegex(errors.InvalidArgumentError, "Invalid inter_op_thread_pool: 2"):
                sess.run(c, options=config_pb2.RunOptions(inter_op_thread_pool=2))
            self.assertEqual(1.0, sess.run(c, options=config_pb2.RunOptions(inter_op_thread_pool=-1)))


class ConfigTest(test_util.TensorFlowTestCase):
    def testDeviceCount(self):
        with ops.Graph().as_default():
            with ops.device("/device:CPU:1"):
                c = constant_op.constant(4.0)
            sess = session.Session(config=config_pb2.ConfigProto(device_count={"CPU": 2}))
            self.assertEqual(4.0, sess.run(c))
            devs = sess.list_devices()
            self.assertEqual(2, len([d for d in devs if d.device_type == "CPU"]))
            d = devs[0]
            self.assertEqual("/job:localhost/replica:0/task:0/device:CPU:0", d.name)
            self.assertEqual("CPU", d.device_type)
            self.assertGreaterEqual(d.memory_limit_bytes, 0)
            self.assertIsInstance(d.incarnation, int)
            self.assertIn("CPU:0", repr(d))

    @test_util.run_v1_only("sessions")
    def testManyFields(self):
        cfg = config_pb2.ConfigProto(
            inter_op_parallelism_threads=1,
            intra_op_parallelism_threads=1,
            allow_soft_placement=True,
            log_device_placement=False,
            isolate_session_state=True,
            use_per_session_threads=True,
            gpu_options=config_pb2.GPUOptions(allow_growth=True, per_process_gpu_memory_fraction=0.5),
            graph_options=config_pb2.GraphOptions(
                optimizer_options=config_pb2.OptimizerOptions(opt_level=config_pb2.OptimizerOptions.L0),
                infer_shapes=True,
                place_pruned_graph=True,
                enable_bfloat16_sendrecv=True,
            ),
        )
        pool = cfg.session_inter_op_thread_pool.add()
        pool.num_threads = 1
        pool.global_name = "mine"
        cfg.experimental.executor_type = ""
        cfg.device_filters.append("/job:x")
        cfg.graph_options.rewrite_options.disable_meta_optimizer = True
        with session.Session(config=cfg) as sess:
            a = constant_op.constant([1.0, 2.0], name="a")
            self.assertAllEqual([2.0, 4.0], sess.run(a + a))
            n = next(x for x in sess.graph_def.node if x.name == "a")
            self.assertIn("_output_shapes", n.attr)

    def testSoftPlacement(self):
        with ops.Graph().as_default():
            with ops.device("/device:GPU:0"):
                c = constant_op.constant(4.0) + 1.0
            with session.Session(config=config_pb2.ConfigProto(allow_soft_placement=True)) as s:
                self.assertEqual(5.0, s.run(c))
            with session.Session() as s, self.assertRaises(errors.InvalidArgumentError):
                s.run(c)

    def testLogDevicePlacement(self):
        with ops.Graph().as_default():
            c = constant_op.constant(4.0)
            with session.Session(config=config_pb2.ConfigProto(log_device_placement=True)) as s:
                self.assertEqual(4.0, s.run(c))

    def testSharedClusterStateIsSeparate(self):
        with ops.Graph().as_default():
            v = variable_v1.VariableV1(3.0, use_resource=False)
            with session.Session() as s1:
                s1.run(v.initializer)
            with session.Session() as s2, self.assertRaises(errors.FailedPreconditionError):
                s2.run(v)
