"""Savers and checkpoints."""

import os

import numpy as np
from tensorflow.core.protobuf import config_pb2, saver_pb2
from tensorflow.python.client import session
from tensorflow.python.framework import constant_op, dtypes, errors, ops, test_util
from tensorflow.python.ops import (
    partitioned_variables,
    resource_variable_ops,
    variable_scope,
    variable_v1,
    variables,
)
from tensorflow.python.platform import gfile, test
from tensorflow.python.training import (
    checkpoint_management,
    checkpoint_utils,
    py_checkpoint_reader,
)
from tensorflow.python.training import saver as saver_module


def ref(*args, **kwargs):
    return variable_v1.VariableV1(*args, use_resource=False, **kwargs)


class SaverTest(test.TestCase):
    def _path(self, name):
        d = os.path.join(self.get_temp_dir(), self.id(), name)
        if not os.path.isdir(os.path.dirname(d)):
            os.makedirs(os.path.dirname(d))
        return d

    @test_util.run_deprecated_v1
    def testBasic(self):
        for version in (saver_pb2.SaverDef.V1, saver_pb2.SaverDef.V2):
            for kind in (ref, resource_variable_ops.ResourceVariable):
                path = self._path(f"basic_{version}_{kind.__name__}")
                with self.session(graph=ops.Graph()) as sess:
                    v0, v1 = kind(10.0, name="v0"), kind([1, 2], name="v1")
                    save = saver_module.Saver({"v0": v0, "v1": v1}, restore_sequentially=True, write_version=version)
                    sess.run(variables.global_variables_initializer())
                    val = save.save(sess, path)
                    self.assertEqual(path, val)
                with self.session(graph=ops.Graph()) as sess:
                    v0, v1 = kind(-1.0, name="v0"), kind([0, 0], name="v1")
                    save = saver_module.Saver([v0, v1])
                    with self.assertRaises(errors.FailedPreconditionError):
                        sess.run(v0)
                    save.restore(sess, path)
                    self.assertEqual(10.0, sess.run(v0))
                    self.assertAllEqual([1, 2], sess.run(v1))

    @test_util.run_deprecated_v1
    def testNamesOfTheOtherKind(self):
        path = self._path("kinds")
        with self.session(graph=ops.Graph()) as sess:
            v = ref([1.0, 2.0], name="v")
            sess.run(v.initializer)
            saver_module.Saver([v]).save(sess, path)
        with self.session(graph=ops.Graph()) as sess:
            w = resource_variable_ops.ResourceVariable([0.0, 0.0], name="w")
            saver_module.Saver({"v": w}).restore(sess, path)
            self.assertAllEqual([1.0, 2.0], sess.run(w))

    @test_util.run_deprecated_v1
    def testErrors(self):
        v = ref([1.0, 2.0], name="v")
        with self.assertRaisesRegex(ValueError, "same name: v"):
            saver_module.Saver([v, v])
        with self.assertRaises(TypeError):
            saver_module.Saver([constant_op.constant(1.0)])
        with self.assertRaises((TypeError, ValueError)):
            saver_module.Saver(3)
        with self.assertRaisesRegex(ValueError, "No variables to save"), ops.Graph().as_default():
            saver_module.Saver()
        with session.Session() as sess:
            s = saver_module.Saver([v])
            with self.assertRaises(ValueError):
                s.restore(sess, self._path("nothing_here"))
            with self.assertRaises(ValueError):
                s.restore(sess, None)
            with self.assertRaises(TypeError):
                s.save(3, self._path("x"))
            with self.assertRaises(errors.FailedPreconditionError):
                s.save(sess, self._path("x"))

    @test_util.run_deprecated_v1
    def testMissingAndMisshapen(self):
        path = self._path("miss")
        with self.session(graph=ops.Graph()) as sess:
            v = ref([1.0, 2.0], name="v")
            sess.run(v.initializer)
            saver_module.Saver([v]).save(sess, path)
        with self.session(graph=ops.Graph()) as sess:
            ref([1.0], name="v")
            with self.assertRaises(errors.InvalidArgumentError):
                saver_module.Saver().restore(sess, path)
        with self.session(graph=ops.Graph()) as sess:
            ref([1.0], name="other")
            with self.assertRaisesRegex(errors.NotFoundError, "Key other not found in checkpoint"):
                saver_module.Saver().restore(sess, path)
        with self.session(graph=ops.Graph()) as sess:
            w = ref([[1.0], [0.0]], name="v")
            saver_module.Saver(reshape=True).restore(sess, path)
            self.assertAllEqual([[1.0], [2.0]], sess.run(w))

    @test_util.run_deprecated_v1
    def testMaxToKeep(self):
        d = self._path("keep") + "_dir"
        os.makedirs(d)
        with self.session() as sess:
            v = ref(1.0, name="v")
            sess.run(v.initializer)
            s = saver_module.Saver([v], max_to_keep=2)
            self.assertEqual([], s.last_checkpoints)
            paths = [s.save(sess, os.path.join(d, f"s{i}")) for i in range(3)]
            self.assertEqual(paths[1:], s.last_checkpoints)
            self.assertFalse(checkpoint_management.checkpoint_exists(paths[0]))
            self.assertTrue(checkpoint_management.checkpoint_exists(paths[1]))
            self.assertTrue(gfile.Exists(paths[2] + ".meta"))
            self.assertFalse(gfile.Exists(paths[0] + ".meta"))
            state = checkpoint_management.get_checkpoint_state(d)
            self.assertEqual(paths[2], state.model_checkpoint_path)
            self.assertEqual(paths[1:], list(state.all_model_checkpoint_paths))
            self.assertEqual(paths[2], checkpoint_management.latest_checkpoint(d))
            t = saver_module.Saver([v], max_to_keep=2)
            t.set_last_checkpoints(s.last_checkpoints)
            self.assertEqual(s.last_checkpoints, t.last_checkpoints)
            t.recover_last_checkpoints(paths)
            self.assertEqual(paths[1:], t.last_checkpoints)
            u = saver_module.Saver([v], max_to_keep=0)
            p = u.save(sess, os.path.join(d, "u"), global_step=7)
            self.assertEqual(os.path.join(d, "u-7"), p)
            self.assertEqual([], u.last_checkpoints)
            w = saver_module.Saver([v])
            w.save(sess, os.path.join(d, "w"), write_meta_graph=False, write_state=False, latest_filename="mine")
            self.assertFalse(gfile.Exists(os.path.join(d, "w.meta")))
            self.assertFalse(gfile.Exists(os.path.join(d, "mine")))
            w.save(
                sess,
                os.path.join(d, "w"),
                latest_filename="mine",
                meta_graph_suffix="graph",
                global_step=constant_op.constant(3),
            )
            self.assertTrue(gfile.Exists(os.path.join(d, "w-3.graph")))
            self.assertEqual(os.path.join(d, "w-3"), checkpoint_management.latest_checkpoint(d, "mine"))

    @test_util.run_deprecated_v1
    def testSharded(self):
        d = self._path("sharded")
        with session.Session(config=config_pb2.ConfigProto(device_count={"CPU": 2}), graph=ops.Graph()) as sess:
            with sess.graph.device("/cpu:0"):
                a = ref(10, name="a")
            with sess.graph.device("/cpu:1"):
                b = ref(20, name="b")
            s = saver_module.Saver({"a": a, "b": b}, sharded=True)
            sess.run(variables.global_variables_initializer())
            val = s.save(sess, d)
            self.assertEqual(d, val)
            sess.run([a.assign(0).op, b.assign(0).op])
            s.restore(sess, val)
            self.assertEqual([10, 20], sess.run([a, b]))

    @test_util.run_deprecated_v1
    def testPartitioned(self):
        d = self._path("parts")
        value = np.arange(8.0).reshape(4, 2).astype(np.float32)
        with self.session(graph=ops.Graph()) as sess:
            v = variable_scope.get_variable("v", initializer=lambda: constant_op.constant(value))
            sess.run(v.initializer)
            saver_module.Saver().save(sess, d)
        with self.session(graph=ops.Graph()) as sess:
            p = variable_scope.get_variable("v", [4, 2], partitioner=partitioned_variables.fixed_size_partitioner(2))
            saver_module.Saver().restore(sess, d)
            self.assertAllEqual(value, sess.run(p.as_tensor()))
            e = self._path("parts2")
            saver_module.Saver().save(sess, e)
        r = py_checkpoint_reader.NewCheckpointReader(e)
        self.assertAllEqual(value, r.get_tensor("v"))

    @test_util.run_deprecated_v1
    def testReader(self):
        d = self._path("reader")
        with self.session() as sess:
            ref([[1.0, 2.0]], name="a")
            ref(["x", "yy"], name="s/b")
            sess.run(variables.global_variables_initializer())
            saver_module.Saver().save(sess, d)
        r = py_checkpoint_reader.NewCheckpointReader(d)
        self.assertEqual({"a": [1, 2], "s/b": [2]}, r.get_variable_to_shape_map())
        self.assertEqual({"a": dtypes.float32, "s/b": dtypes.string}, r.get_variable_to_dtype_map())
        self.assertTrue(r.has_tensor("a"))
        self.assertFalse(r.has_tensor("zz"))
        self.assertAllEqual([b"x", b"yy"], r.get_tensor("s/b"))
        with self.assertRaises(errors.NotFoundError):
            r.get_tensor("zz")
        self.assertIn(b"a (DT_FLOAT) [1,2]", r.debug_string())
        self.assertEqual([("a", [1, 2]), ("s/b", [2])], checkpoint_utils.list_variables(d))
        self.assertAllEqual([[1.0, 2.0]], checkpoint_utils.load_variable(d, "a"))
        self.assertTrue(checkpoint_utils.load_checkpoint(d).has_tensor("a"))
        with self.assertRaises((errors.OpError, ValueError)):
            py_checkpoint_reader.NewCheckpointReader(d + "nope")
