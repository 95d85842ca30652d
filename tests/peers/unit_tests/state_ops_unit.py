"""State ops and initializers."""

import numpy as np
from tensorflow.python.framework import (
    constant_op,
    dtypes,
    errors,
    ops,
    random_seed,
    tensor_shape,
    test_util,
)
from tensorflow.python.ops import (
    gen_state_ops,
    init_ops,
    random_ops,
    resource_variable_ops,
    state_ops,
    variable_v1,
)
from tensorflow.python.platform import test


def ref(*args, **kwargs):
    return variable_v1.VariableV1(*args, use_resource=False, **kwargs)


class StateOpsTest(test.TestCase):
    @test_util.run_deprecated_v1
    def testBareVariables(self):
        with self.cached_session() as sess:
            v = state_ops.variable_op([2], dtypes.float32)
            self.assertEqual([2], v.get_shape().as_list())
            self.assertEqual(dtypes.float32_ref, v.dtype)
            w = state_ops.variable_op([2], dtypes.float32, set_shape=False)
            self.assertEqual(tensor_shape.unknown_shape(), w.get_shape())
            x = state_ops.variable_op_v2([2], dtypes.int32, name="x")
            self.assertEqual("x:0", x.name)
            sess.run(state_ops.assign(v, [1.0, 2.0]))
            self.assertAllEqual([1.0, 2.0], sess.run(v))
            sess.run(state_ops.assign(w, [[1.0]], validate_shape=False))
            self.assertAllEqual([[1.0]], sess.run(w))
            with self.assertRaises(ValueError):
                state_ops.assign(v, [1.0])
            sess.run(state_ops.init_variable(x, lambda shape, dtype: constant_op.constant([3, 4], dtype)))
            self.assertAllEqual([3, 4], sess.run(x))

    @test_util.run_deprecated_v1
    def testAssignOps(self):
        with self.cached_session() as sess:
            v = ref([1.0, 2.0])
            sess.run(v.initializer)
            self.assertAllEqual([3.0, 4.0], sess.run(state_ops.assign(v, [3.0, 4.0], use_locking=False)))
            self.assertAllEqual([4.0, 5.0], sess.run(state_ops.assign_add(v, [1.0, 1.0], use_locking=True)))
            self.assertAllEqual([3.0, 4.0], sess.run(state_ops.assign_sub(v, [1.0, 1.0])))
            self.assertEqual(dtypes.float32_ref, state_ops.assign(v, [3.0, 4.0]).dtype)
            with self.assertRaises(ValueError):
                state_ops.assign_add(v, [1.0])
            r = resource_variable_ops.ResourceVariable([1.0])
            sess.run(r.initializer)
            self.assertAllEqual([2.0], sess.run(state_ops.assign(r, [2.0])))
            self.assertAllEqual([3.0], sess.run(state_ops.assign_add(r, [1.0])))
            self.assertAllEqual([2.0], sess.run(state_ops.assign_sub(r, [1.0])))

    @test_util.run_deprecated_v1
    def testUninitialisedUpdate(self):
        with self.cached_session() as sess:
            v = ref(1.0, name="v")
            with self.assertRaisesOpError("Attempting to use uninitialized value"):
                sess.run(state_ops.assign_add(v, 1.0))

    @test_util.run_deprecated_v1
    def testScatters(self):
        with self.cached_session() as sess:
            v = ref([1.0, 2.0, 3.0])
            sess.run(v.initializer)
            sess.run(state_ops.scatter_add(v, [0, 0], [1.0, 1.0]))
            sess.run(state_ops.scatter_sub(v, [1], [1.0]))
            sess.run(state_ops.scatter_mul(v, 2, 3.0))
            self.assertAllEqual([3.0, 1.0, 9.0], sess.run(v))
            sess.run(state_ops.scatter_div(v, [2], 3.0))
            sess.run(state_ops.scatter_max(v, [1], [5.0]))
            sess.run(state_ops.scatter_min(v, [0], [-1.0]))
            self.assertAllEqual([-1.0, 5.0, 3.0], sess.run(v))
            self.assertAllEqual([0.0, 5.0, 3.0], sess.run(state_ops.scatter_update(v, [0], [0.0])))
            for bad in (3, -1):
                with self.assertRaisesOpError(rf"indices\[0\] = {bad} is not in \[0, 3\)"):
                    sess.run(state_ops.scatter_update(v, [bad], [0.0]))
            with self.assertRaises((ValueError, errors.InvalidArgumentError)):
                sess.run(state_ops.scatter_update(v, [0, 1], [0.0]))
            r = resource_variable_ops.ResourceVariable([1.0, 2.0])
            sess.run(r.initializer)
            for f, want in (
                (state_ops.scatter_add, [3.0, 2.0]),
                (state_ops.scatter_sub, [1.0, 2.0]),
                (state_ops.scatter_mul, [2.0, 2.0]),
                (state_ops.scatter_div, [1.0, 2.0]),
                (state_ops.scatter_max, [2.0, 2.0]),
                (state_ops.scatter_min, [2.0, 2.0]),
                (state_ops.scatter_update, [2.0, 2.0]),
            ):
                sess.run(f(r, [0], [2.0]))
                self.assertAllEqual(want, sess.run(r))

    @test_util.run_deprecated_v1
    def testScatterNd(self):
        with self.cached_session() as sess:
            for kind in (ref, resource_variable_ops.ResourceVariable):
                v = kind([1, 2, 3, 4, 5, 6, 7, 8])
                sess.run(v.initializer)
                sess.run(state_ops.scatter_nd_update(v, [[4], [3], [1], [7]], [9, 10, 11, 12]))
                self.assertAllEqual([1, 11, 3, 10, 9, 6, 7, 12], sess.run(v))
                sess.run(state_ops.scatter_nd_add(v, [[0], [0]], [1, 2]))
                sess.run(state_ops.scatter_nd_sub(v, [[7]], [2]))
                self.assertAllEqual([4, 11, 3, 10, 9, 6, 7, 10], sess.run(v))
                with self.assertRaises((errors.InvalidArgumentError, ValueError)):
                    sess.run(state_ops.scatter_nd_update(v, [[8]], [1]))
            m = ref(np.zeros([2, 2], np.float32))
            sess.run(m.initializer)
            self.assertAllEqual([[1.0, 2.0], [0.0, 0.0]], sess.run(state_ops.scatter_nd_update(m, [[0]], [[1.0, 2.0]])))

    @test_util.run_deprecated_v1
    def testBatchScatter(self):
        with self.cached_session() as sess:
            v = ref(np.zeros([2, 3], np.float32))
            sess.run(v.initializer)
            self.assertAllEqual(
                [[0.0, 5.0, 0.0], [6.0, 0.0, 0.0]],
                sess.run(state_ops.batch_scatter_update(v, [[1], [0]], [[5.0], [6.0]])),
            )
            with self.assertRaises(ValueError):
                state_ops.batch_scatter_update(v, [[1], [0]], [[[5.0]], [[6.0]]])

    @test_util.run_deprecated_v1
    def testTemporary(self):
        with self.cached_session() as sess:
            t = gen_state_ops.temporary_variable([1, 2], dtypes.float32, var_name="tmp")
            a = state_ops.assign(t, [[4.0, 5.0]])
            a = state_ops.assign_add(a, [[6.0, 7.0]])
            self.assertAllEqual([[10.0, 12.0]], sess.run(gen_state_ops.destroy_temporary_variable(a, var_name="tmp")))

    @test_util.run_deprecated_v1
    def testIsVariableInitialised(self):
        with self.cached_session() as sess:
            v = state_ops.variable_op([1], dtypes.float32)
            self.assertFalse(sess.run(state_ops.is_variable_initialized(v)))
            sess.run(state_ops.assign(v, [1.0]))
            self.assertTrue(sess.run(state_ops.is_variable_initialized(v)))
            r = resource_variable_ops.ResourceVariable(1.0)
            self.assertFalse(sess.run(state_ops.is_variable_initialized(r)))


class InitOpsTest(test.TestCase):
    def _draw(self, init, shape=(20, 30), dtype=None):
        with self.session(graph=ops.Graph()) as sess:
            random_seed.set_random_seed(5)
            t = init(list(shape)) if dtype is None else init(list(shape), dtype=dtype)
            return sess.run(t)

    @test_util.run_deprecated_v1
    def testConstants(self):
        self.assertAllEqual(np.zeros([2, 3]), self._draw(init_ops.zeros_initializer(), (2, 3)))
        self.assertAllEqual(np.ones([2, 3]), self._draw(init_ops.ones_initializer(dtype=dtypes.int32), (2, 3)))
        self.assertAllEqual(np.full([2, 3], 7.0), self._draw(init_ops.constant_initializer(7.0), (2, 3)))
        self.assertAllEqual(
            [[1, 2], [3, 3]], self._draw(init_ops.constant_initializer([1, 2, 3], dtypes.int32), (2, 2))
        )
        with self.assertRaises((ValueError, TypeError)):
            self._draw(init_ops.constant_initializer([1.0, 2.0, 3.0, 4.0, 5.0]), (2, 2))
        with self.assertRaises(TypeError):
            self._draw(init_ops.constant_initializer([1, 2, 3], verify_shape=True), (2, 2))
        with self.assertRaises(TypeError):
            init_ops.constant_initializer(constant_op.constant(1.0))
        self.assertEqual(np.float64, self._draw(init_ops.zeros_initializer(), (1,), dtypes.float64).dtype)

    @test_util.run_deprecated_v1
    def testRandoms(self):
        for make in (
            lambda s: init_ops.random_normal_initializer(1.0, 2.0, seed=s),
            lambda s: init_ops.random_uniform_initializer(-1.0, 2.0, seed=s),
            lambda s: init_ops.truncated_normal_initializer(0.0, 0.5, seed=s),
            lambda s: init_ops.uniform_unit_scaling_initializer(seed=s),
            lambda s: init_ops.variance_scaling_initializer(seed=s),
            lambda s: init_ops.glorot_normal_initializer(seed=s),
            lambda s: init_ops.glorot_uniform_initializer(seed=s),
            lambda s: init_ops.he_normal(seed=s),
            lambda s: init_ops.he_uniform(seed=s),
            lambda s: init_ops.lecun_normal(seed=s),
            lambda s: init_ops.lecun_uniform(seed=s),
            lambda s: init_ops.orthogonal_initializer(seed=s),
        ):
            a, b, c = self._draw(make(1)), self._draw(make(1)), self._draw(make(2))
            self.assertAllEqual(a, b)
            self.assertNotAllClose(a, c)
            self.assertEqual(np.float32, a.dtype)

    @test_util.run_deprecated_v1
    def testIntegerUniform(self):
        a = self._draw(init_ops.random_uniform_initializer(0, 7, dtype=dtypes.int32))
        self.assertEqual(np.int32, a.dtype)
        self.assertTrue((a >= 0).all() and (a < 7).all())

    @test_util.run_deprecated_v1
    def testNotFloat(self):
        for cls in (
            init_ops.random_normal_initializer,
            init_ops.truncated_normal_initializer,
            init_ops.variance_scaling_initializer,
            init_ops.orthogonal_initializer,
        ):
            with self.assertRaises(ValueError):
                cls(dtype=dtypes.string)

    @test_util.run_deprecated_v1
    def testVarianceScalingErrors(self):
        with self.assertRaises(ValueError):
            init_ops.variance_scaling_initializer(scale=0.0)
        with self.assertRaises(ValueError):
            init_ops.variance_scaling_initializer(mode="nope")
        with self.assertRaises(ValueError):
            init_ops.variance_scaling_initializer(distribution="nope")
        for mode in ("fan_in", "fan_out", "fan_avg"):
            for dist in ("normal", "uniform", "truncated_normal", "untruncated_normal"):
                a = self._draw(init_ops.variance_scaling_initializer(2.0, mode, dist, seed=3), (100, 200))
                n = {"fan_in": 100, "fan_out": 200, "fan_avg": 150}[mode]
                self.assertNear(2.0 / n, a.var(), 0.1 * 2.0 / n)

    @test_util.run_deprecated_v1
    def testOrthogonal(self):
        for shape in ((5, 10), (10, 5), (6, 6), (2, 3, 5)):
            a = self._draw(init_ops.orthogonal_initializer(gain=2.0, seed=1), shape).reshape(-1, shape[-1])
            m = a.dot(a.T) if a.shape[0] <= a.shape[1] else a.T.dot(a)
            self.assertAllClose(4.0 * np.eye(len(m)), m, atol=1e-4)
        with self.assertRaises(ValueError):
            self._draw(init_ops.orthogonal_initializer(), (5,))

    @test_util.run_deprecated_v1
    def testIdentity(self):
        self.assertAllEqual(2.0 * np.eye(3, 4), self._draw(init_ops.identity_initializer(gain=2.0), (3, 4)))
        with self.assertRaises(ValueError):
            self._draw(init_ops.identity_initializer(), (3, 4, 5))

    @test_util.run_deprecated_v1
    def testConfigs(self):
        for i in (
            init_ops.Zeros(),
            init_ops.Ones(),
            init_ops.Constant(3.0),
            init_ops.RandomNormal(1.0, 2.0, 3),
            init_ops.RandomUniform(0.0, 1.0, 2),
            init_ops.TruncatedNormal(),
            init_ops.VarianceScaling(),
            init_ops.GlorotNormal(),
            init_ops.GlorotUniform(),
            init_ops.Orthogonal(),
            init_ops.Identity(),
            init_ops.UniformUnitScaling(),
        ):
            c = i.get_config()
            again = type(i).from_config(c)
            self.assertEqual(c, again.get_config())
            self.assertEqual("float32", c["dtype"])
        self.assertEqual(
            {"mean": 1.0, "stddev": 2.0, "seed": 3, "dtype": "float32"}, init_ops.RandomNormal(1.0, 2.0, 3).get_config()
        )

    @test_util.run_deprecated_v1
    def testLinspaceAndRangeSeeds(self):
        with self.cached_session() as sess:
            random_seed.set_random_seed(9)
            a = random_ops.random_normal([3], seed=4)
            x = sess.run(a)
            self.assertNotAllClose(x, sess.run(a))
        with self.session(graph=ops.Graph()) as sess:
            random_seed.set_random_seed(9)
            self.assertAllEqual(x, sess.run(random_ops.random_normal([3], seed=4)))
