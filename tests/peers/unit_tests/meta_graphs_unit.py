"""MetaGraphs, placement, seeds."""

import os

from tensorflow.core.protobuf import config_pb2, rewriter_config_pb2
from tensorflow.python.client import session
from tensorflow.python.framework import constant_op, dtypes, errors, graph_io, meta_graph, ops, random_seed, test_util
from tensorflow.python.lib.io import file_io
from tensorflow.python.ops import (
    array_ops,
    math_ops,
    random_ops,
    state_ops,
    variable_scope,
    variable_v1,
    variables,
)
from tensorflow.python.platform import gfile, test
from tensorflow.python.training import (
    checkpoint_management,
    checkpoint_utils,
    device_setter,
    moving_averages,
    training_util,
)
from tensorflow.python.training import saver as saver_module


def ref(*args, **kwargs):
    return variable_v1.VariableV1(*args, use_resource=False, **kwargs)


class MetaGraphTest(test.TestCase):
    def _path(self, name):
        d = os.path.join(self.get_temp_dir(), self.id(), name)
        if not os.path.isdir(os.path.dirname(d)):
            os.makedirs(os.path.dirname(d))
        return d

    @test_util.run_deprecated_v1
    def testInitFromCheckpoint(self):
        d = self._path("init")
        with self.session(graph=ops.Graph()) as sess:
            ref([1.0, 2.0], name="old/v")
            sess.run(variables.global_variables_initializer())
            saver_module.Saver().save(sess, d)
        with self.session(graph=ops.Graph()) as sess:
            with variable_scope.variable_scope("new"):
                v = variable_scope.get_variable("v", [2])
            checkpoint_utils.init_from_checkpoint(d, {"old/": "new/"})
            sess.run(variables.global_variables_initializer())
            self.assertAllEqual([1.0, 2.0], sess.run(v))

    @test_util.run_deprecated_v1
    def testSaverDef(self):
        with self.session() as sess:
            v = ref(1.0, name="v")
            s = saver_module.Saver([v], max_to_keep=3, keep_checkpoint_every_n_hours=2.0)
            d = s.saver_def
            self.assertEqual(3, d.max_to_keep)
            self.assertEqual("save/Const:0", d.filename_tensor_name)
            self.assertEqual("save/control_dependency:0", d.save_tensor_name)
            self.assertEqual("save/restore_all", d.restore_op_name)
            self.assertProtoEquals(d, s.as_saver_def())
            t = saver_module.Saver(saver_def=d)
            sess.run(v.initializer)
            p = t.save(sess, self._path("def"))
            sess.run(v.assign(5.0))
            saver_module.Saver.from_proto(s.to_proto()).restore(sess, p)
            self.assertEqual(1.0, sess.run(v))

    @test_util.run_deprecated_v1
    def testDeferBuild(self):
        with self.session() as sess:
            v = ref(1.0, name="v")
            s = saver_module.Saver(defer_build=True)
            with self.assertRaises(RuntimeError):
                s.save(sess, self._path("defer"))
            s.build()
            sess.run(v.initializer)
            s.save(sess, self._path("defer"))
            with self.assertRaises(ValueError):
                saver_module.Saver([v], defer_build=True)

    @test_util.run_deprecated_v1
    def testMetaGraph(self):
        p = self._path("meta")
        with self.session(graph=ops.Graph()) as sess:
            v = ref(3.0, name="v")
            x = array_ops.placeholder(dtypes.float32, name="x")
            math_ops.multiply(v, x, name="y")
            ops.add_to_collection("words", "hello")
            ops.add_to_collection("numbers", 4)
            sess.run(v.initializer)
            s = saver_module.Saver()
            s.save(sess, p)
            m = saver_module.export_meta_graph()
            self.assertIn("words", m.collection_def)
            self.assertEqual([b"hello"], list(m.collection_def["words"].bytes_list.value))
            self.assertEqual([4], list(m.collection_def["numbers"].int64_list.value))
            self.assertTrue(m.meta_info_def.tensorflow_version)
            n = s.export_meta_graph(p + ".text", as_text=True, collection_list=["words"], clear_devices=True)
            self.assertEqual(["words"], list(n.collection_def))
            self.assertTrue(gfile.Exists(p + ".text"))
        with self.session(graph=ops.Graph()) as sess:
            s = saver_module.import_meta_graph(p + ".meta")
            s.restore(sess, p)
            self.assertEqual(6.0, sess.run("y:0", {"x:0": 2.0}))
            self.assertEqual(
                ["hello"], [w.decode() if isinstance(w, bytes) else w for w in ops.get_collection("words")]
            )
            self.assertEqual(1, len(variables.global_variables()))
        with self.session(graph=ops.Graph()) as sess:
            s = saver_module.import_meta_graph(p + ".meta", import_scope="in")
            self.assertEqual("in/v:0", variables.global_variables()[0].name)
            s.restore(sess, p)
            self.assertEqual(9.0, sess.run("in/y:0", {"in/x:0": 3.0}))
        with ops.Graph().as_default(), self.assertRaises(IOError):
            saver_module.import_meta_graph(p + ".none")

    @test_util.run_deprecated_v1
    def testScopedMetaGraph(self):
        with ops.Graph().as_default() as g:
            with ops.name_scope("a"):
                v = ref(2.0, name="v")
                math_ops.square(v, name="sq")
            m, vs = meta_graph.export_scoped_meta_graph(graph=g, export_scope="a")
            self.assertEqual(["v:0"], list(vs))
            self.assertIn("sq", [n.name for n in m.graph_def.node])
        with ops.Graph().as_default():
            vs = meta_graph.import_scoped_meta_graph(m, import_scope="b")
            self.assertIn("v:0", vs)
            with session.Session() as s:
                s.run(variables.global_variables_initializer())
                self.assertEqual(4.0, s.run("b/sq:0"))

    @test_util.run_deprecated_v1
    def testWriteGraph(self):
        constant_op.constant(1.0, name="c")
        d = self.get_temp_dir()
        p = graph_io.write_graph(ops.get_default_graph(), d, "g.pbtxt")
        self.assertEqual(os.path.join(d, "g.pbtxt"), p)
        self.assertIn('name: "c"', file_io.read_file_to_string(p))
        q = graph_io.write_graph(ops.get_default_graph().as_graph_def(), d, "g.pb", as_text=False)
        self.assertGreater(os.path.getsize(q), 0)

    @test_util.run_deprecated_v1
    def testCheckpointState(self):
        d = self._path("state") + "_d"
        os.makedirs(d)
        self.assertIsNone(checkpoint_management.get_checkpoint_state(d))
        self.assertIsNone(checkpoint_management.latest_checkpoint(d))
        s = checkpoint_management.generate_checkpoint_state_proto(d, os.path.join(d, "m-1"), [os.path.join(d, "m-0")])
        self.assertEqual("m-1", os.path.basename(s.model_checkpoint_path))
        self.assertEqual(2, len(s.all_model_checkpoint_paths))
        checkpoint_management.update_checkpoint_state(d, os.path.join(d, "m-1"), latest_filename="mine")
        self.assertEqual(
            os.path.join(d, "m-1"), checkpoint_management.get_checkpoint_state(d, "mine").model_checkpoint_path
        )
        with self.assertRaises((ValueError, RuntimeError)):
            checkpoint_management.update_checkpoint_state(d, os.path.join(d, "checkpoint"))
        self.assertEqual(os.path.join(d, "m.meta"), checkpoint_management.meta_graph_filename(os.path.join(d, "m")))

    @test_util.run_deprecated_v1
    def testMovingAverages(self):
        with self.session() as sess:
            v = ref(10.0, name="v")
            ema = moving_averages.ExponentialMovingAverage(0.5)
            op = ema.apply([v])
            sess.run(variables.global_variables_initializer())
            sess.run(v.assign(20.0))
            sess.run(op)
            self.assertEqual(15.0, sess.run(ema.average(v)))
            self.assertEqual("v/ExponentialMovingAverage", ema.average_name(v))
            self.assertIn("v/ExponentialMovingAverage", ema.variables_to_restore())
            self.assertEqual([v], variables.moving_average_variables())


class PlacementTest(test.TestCase):
    @test_util.run_deprecated_v1
    def testUnsatisfiable(self):
        with ops.device("/device:GPU:7"):
            a = constant_op.constant(1.0, name="a") + 1.0
        said = self.assertRaisesRegex(errors.InvalidArgumentError, "Cannot assign a device for operation")
        with session.Session() as sess, said:
            sess.run(a)
        with session.Session(config=config_pb2.ConfigProto(allow_soft_placement=True)) as sess:
            self.assertEqual(2.0, sess.run(a))

    @test_util.run_deprecated_v1
    def testUnknownDeviceNames(self):
        with ops.device("/job:nobody/task:3"):
            a = constant_op.constant(1.0)
        with session.Session() as sess, self.assertRaises(errors.InvalidArgumentError):
            sess.run(a)

    @test_util.run_deprecated_v1
    def testTwoCpus(self):
        cfg = config_pb2.ConfigProto(device_count={"CPU": 2})
        with session.Session(config=cfg) as sess:
            with ops.device("/cpu:0"):
                a = ref([1.0, 2.0])
            with ops.device("/cpu:1"):
                b = a * 2.0
                c = ref([3.0, 4.0])
            d = b + c
            sess.run(variables.global_variables_initializer())
            self.assertAllEqual([5.0, 8.0], sess.run(d))
            md = config_pb2.RunMetadata()
            sess.run(
                d,
                options=config_pb2.RunOptions(
                    trace_level=config_pb2.RunOptions.FULL_TRACE, output_partition_graphs=True
                ),
                run_metadata=md,
            )
            self.assertEqual(2, len(md.partition_graphs))
            self.assertGreaterEqual(len(md.step_stats.dev_stats), 2)

    @test_util.run_deprecated_v1
    def testColocationConflict(self):
        with session.Session(config=config_pb2.ConfigProto(device_count={"CPU": 2})) as sess:
            with ops.device("/cpu:0"):
                a = ref(1.0, name="a")
            with ops.device("/cpu:1"):
                b = ref(1.0, name="b")
            with ops.colocate_with(a.op), ops.colocate_with(b.op):
                c = constant_op.constant(1.0, name="c")
            with self.assertRaises(errors.InvalidArgumentError):
                sess.run(c)

    @test_util.run_deprecated_v1
    def testReferenceOnOtherDevice(self):
        with session.Session(config=config_pb2.ConfigProto(device_count={"CPU": 2})) as sess:
            with ops.device("/cpu:0"):
                v = ref(1.0)
            with ops.device("/cpu:1"):
                up = state_ops.assign_add(v, 1.0)
            self.assertEqual([b"loc:@" + v.op.name.encode()], up.op.colocation_groups())
            sess.run(v.initializer)
            self.assertEqual(2.0, sess.run(up))

    @test_util.run_deprecated_v1
    def testDeviceSetter(self):
        with ops.device(device_setter.replica_device_setter(ps_tasks=2, worker_device="/job:worker/task:1")):
            v, w, u = ref(1.0), ref(1.0), ref(1.0)
            a = v + w
        self.assertDeviceEqual("/job:ps/task:0", v.device)
        self.assertDeviceEqual("/job:ps/task:1", w.device)
        self.assertDeviceEqual("/job:ps/task:0", u.device)
        self.assertDeviceEqual("/job:worker/task:1", a.device)
        self.assertIsNone(device_setter.replica_device_setter(0))

    @test_util.run_deprecated_v1
    def testOptimizerOptions(self):
        for level in (config_pb2.OptimizerOptions.L0, config_pb2.OptimizerOptions.L1):
            cfg = config_pb2.ConfigProto(
                graph_options=config_pb2.GraphOptions(
                    optimizer_options=config_pb2.OptimizerOptions(opt_level=level, do_function_inlining=True)
                )
            )
            cfg.graph_options.rewrite_options.constant_folding = rewriter_config_pb2.RewriterConfig.OFF
            cfg.graph_options.rewrite_options.dependency_optimization = rewriter_config_pb2.RewriterConfig.OFF
            cfg.graph_options.rewrite_options.memory_optimization = rewriter_config_pb2.RewriterConfig.NO_MEM_OPT
            with session.Session(config=cfg) as sess:
                self.assertEqual(3.0, sess.run(constant_op.constant(1.0) + 2.0))


class SeedTest(test.TestCase):
    @test_util.run_deprecated_v1
    def testGetSeed(self):
        d = random_seed.DEFAULT_GRAPH_SEED
        for (g, o), want in (
            ((None, None), (None, None)),
            ((None, 1), (d, 1)),
            ((1, 1), (1, 1)),
            ((0, 0), (0, 2**31 - 1)),
            ((0, 2**31 - 1), (0, 2**31 - 1)),
        ):
            with ops.Graph().as_default():
                random_seed.set_random_seed(g)
                self.assertEqual(want, random_seed.get_seed(o))

    @test_util.run_deprecated_v1
    def testStreams(self):
        def draw(seed_g, seed_o):
            with ops.Graph().as_default(), session.Session() as s:
                if seed_g is not None:
                    random_seed.set_random_seed(seed_g)
                t = random_ops.random_uniform([4], seed=seed_o)
                return [s.run(t).tolist(), s.run(t).tolist()]

        self.assertEqual(draw(1, 2), draw(1, 2))
        self.assertEqual(draw(None, 2), draw(None, 2))
        self.assertEqual(draw(1, None), draw(1, None))
        self.assertNotEqual(draw(1, 2), draw(1, 3))
        self.assertNotEqual(draw(None, None), draw(None, None))
        a = draw(1, 2)
        self.assertNotEqual(a[0], a[1])

    @test_util.run_deprecated_v1
    def testGlobalStep(self):
        self.assertIsNone(training_util.get_global_step())
        g = training_util.create_global_step()
        self.assertIs(g, training_util.get_global_step())
        self.assertIs(g, training_util.get_or_create_global_step())
        self.assertEqual(dtypes.int64, g.dtype.base_dtype)
        with self.assertRaises(ValueError):
            training_util.create_global_step()
        with self.cached_session() as sess:
            sess.run(g.initializer)
            self.assertEqual(0, training_util.global_step(sess, g))
        training_util.assert_global_step(g)
        with self.assertRaises(TypeError):
            training_util.assert_global_step(ref(1.0))
