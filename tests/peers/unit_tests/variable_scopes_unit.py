"""Scopes of variables."""

import numpy as np
from tensorflow.python.framework import (
    constant_op,
    dtypes,
    ops,
    test_util,
)
from tensorflow.python.ops import (
    array_ops,
    init_ops,
    math_ops,
    partitioned_variables,
    resource_variable_ops,
    resource_variables_toggle,
    variable_scope,
    variable_v1,
    variables,
)
from tensorflow.python.platform import test


def ref(*args, **kwargs):
    return variable_v1.VariableV1(*args, use_resource=False, **kwargs)


class VariableScopeTest(test.TestCase):
    @test_util.run_deprecated_v1
    def testGetVariable(self):
        v = variable_scope.get_variable("v", [2])
        self.assertEqual("v:0", v.name)
        with self.assertRaisesRegex(ValueError, "Variable v already exists, disallowed"):
            variable_scope.get_variable("v", [2])
        with variable_scope.variable_scope("", reuse=True):
            self.assertIs(v, variable_scope.get_variable("v", [2]))
            self.assertIs(v, variable_scope.get_variable("v"))
            with self.assertRaisesRegex(ValueError, "Trying to share variable v, but specified shape"):
                variable_scope.get_variable("v", [3])
            with self.assertRaisesRegex(ValueError, "Trying to share variable v, but specified dtype"):
                variable_scope.get_variable("v", [2], dtype=dtypes.int32)
            with self.assertRaisesRegex(ValueError, "does not exist, or was not created with"):
                variable_scope.get_variable("w", [2])
        with self.assertRaisesRegex(
            ValueError, "Shape of a new variable .* must be fully defined|`shape` should be fully defined"
        ):
            variable_scope.get_variable("x", [None])
        with self.assertRaisesRegex(ValueError, "If initializer is a constant, do not specify shape"):
            variable_scope.get_variable("y", [2], initializer=constant_op.constant([1.0, 2.0]))

    @test_util.run_deprecated_v1
    def testInitializers(self):
        with self.cached_session() as sess:
            a = variable_scope.get_variable("a", initializer=constant_op.constant([1.0, 2.0]))
            b = variable_scope.get_variable("b", [2], initializer=init_ops.ones_initializer())
            c = variable_scope.get_variable("c", initializer=3)
            d = variable_scope.get_variable("d", [2], dtype=dtypes.int32)
            e = variable_scope.get_variable("e", [1], initializer=init_ops.zeros_initializer)
            f = variable_scope.get_variable(
                "f", [1], initializer=lambda shape, dtype, partition_info: array_ops.ones(shape, dtype) * 5
            )
            g = variable_scope.get_variable("g", initializer=lambda: constant_op.constant(6.0))
            h = variable_scope.get_variable("h", [2], dtype=dtypes.bool)
            sess.run(variables.global_variables_initializer())
            self.assertAllEqual([1.0, 2.0], sess.run(a))
            self.assertAllEqual([1.0, 1.0], sess.run(b))
            self.assertEqual(3, sess.run(c))
            self.assertAllEqual([0, 0], sess.run(d))
            self.assertAllEqual([0.0], sess.run(e))
            self.assertAllEqual([5.0], sess.run(f))
            self.assertEqual(6.0, sess.run(g))
            self.assertAllEqual([False, False], sess.run(h))

    @test_util.run_deprecated_v1
    def testScopes(self):
        with variable_scope.variable_scope("a") as a:
            self.assertEqual("a", a.name)
            self.assertEqual("a/", a.original_name_scope)
            self.assertFalse(a.reuse)
            with variable_scope.variable_scope("b") as b:
                self.assertEqual("a/b", b.name)
                v = variable_scope.get_variable("v", [1])
                self.assertEqual("a/b/v:0", v.name)
                self.assertEqual("a/b/add:0", (v + 1.0).name)
            with variable_scope.variable_scope(b, reuse=True):
                self.assertIs(v, variable_scope.get_variable("v", [1]))
                self.assertEqual((v + 1.0).name, "a/b_1/add:0")
        with variable_scope.variable_scope("a") as again:
            self.assertEqual("a_1/", again.original_name_scope)
            self.assertEqual("a_1/Const", constant_op.constant(1.0).op.name)
        with variable_scope.variable_scope("a", auxiliary_name_scope=False):
            self.assertEqual("Const", constant_op.constant(1.0).op.name)
        with self.assertRaises((TypeError, ValueError)), variable_scope.variable_scope(None):
            pass
        with variable_scope.variable_scope("a", reuse=True), variable_scope.variable_scope("b") as t:
            self.assertTrue(t.reuse)

    @test_util.run_deprecated_v1
    def testDefaultNames(self):
        with variable_scope.variable_scope(None, "d") as a:
            self.assertEqual("d", a.name)
        with variable_scope.variable_scope(None, default_name="d") as b:
            self.assertEqual("d_1", b.name)
            with variable_scope.variable_scope(None, default_name="d") as c:
                self.assertEqual("d_1/d", c.name)
        with self.assertRaises(ValueError), variable_scope.variable_scope(None, default_name="d", reuse=True):
            pass
        with variable_scope.variable_scope(None, default_name="d", values=[constant_op.constant(1.0)]) as e:
            self.assertEqual("d_2", e.name)
        with self.assertRaises(TypeError), variable_scope.variable_scope(3):
            pass

    @test_util.run_deprecated_v1
    def testAutoReuse(self):
        with variable_scope.variable_scope("a", reuse=variable_scope.AUTO_REUSE):
            v = variable_scope.get_variable("v", [1])
            self.assertIs(v, variable_scope.get_variable("v", [1]))
            with variable_scope.variable_scope("b") as b:
                self.assertEqual(variable_scope.AUTO_REUSE, b.reuse)
        with variable_scope.variable_scope("a") as s:
            s.reuse_variables()
            self.assertTrue(s.reuse)
            self.assertIs(v, variable_scope.get_variable("v"))
        with self.assertRaises((ValueError, TypeError)), variable_scope.variable_scope("a", reuse="bogus"):
            variable_scope.get_variable("zz", [1])

    @test_util.run_deprecated_v1
    def testDefaultsOfScopes(self):
        with self.cached_session() as sess:
            with variable_scope.variable_scope(
                "a", initializer=init_ops.constant_initializer(4.0), dtype=dtypes.float64
            ) as a:
                v = variable_scope.get_variable("v", [1])
                self.assertEqual(dtypes.float64, v.dtype.base_dtype)
                with variable_scope.variable_scope("b"):
                    w = variable_scope.get_variable("w", [1])
                    variable_scope.get_variable_scope().set_initializer(init_ops.constant_initializer(5.0))
                    x = variable_scope.get_variable("x", [1])
                    variable_scope.get_variable_scope().set_dtype(dtypes.float32)
                    y = variable_scope.get_variable("y", [1])
                z = variable_scope.get_variable("z", [1])
            sess.run(variables.global_variables_initializer())
            self.assertEqual([4.0, 4.0, 5.0, 5.0, 4.0], [float(sess.run(q)[0]) for q in (v, w, x, y, z)])
            self.assertEqual(dtypes.float32, y.dtype.base_dtype)
            self.assertIsNotNone(a.initializer)
            self.assertIsNone(a.regularizer)
            self.assertIsNone(a.caching_device)
            self.assertIsNone(a.partitioner)
            self.assertIsNone(a.custom_getter)
            self.assertIsNone(a.constraint)

    @test_util.run_deprecated_v1
    def testRegularizers(self):
        with self.cached_session() as sess:

            def reg(t):
                return math_ops.reduce_sum(t) * 0.5

            with variable_scope.variable_scope("a", regularizer=reg):
                variable_scope.get_variable("v", [2], initializer=init_ops.ones_initializer())
                variable_scope.get_variable(
                    "w", [2], initializer=init_ops.ones_initializer(), regularizer=lambda t: math_ops.reduce_sum(t)
                )
                with variable_scope.variable_scope("b", regularizer=variable_scope.no_regularizer):
                    variable_scope.get_variable("x", [2])
            losses = ops.get_collection(ops.GraphKeys.REGULARIZATION_LOSSES)
            self.assertEqual(2, len(losses))
            sess.run(variables.global_variables_initializer())
            self.assertEqual([1.0, 2.0], sess.run(losses))
            self.assertEqual("a/v/Regularizer/mul:0", losses[0].name)

    @test_util.run_deprecated_v1
    def testPartitioned(self):
        with self.cached_session() as sess:
            with variable_scope.variable_scope("a", partitioner=partitioned_variables.fixed_size_partitioner(2)):
                v = variable_scope.get_variable("v", [4, 2], initializer=init_ops.ones_initializer())
            self.assertIsInstance(v, variables.PartitionedVariable)
            self.assertEqual(2, len(v))
            parts = list(v)
            self.assertEqual(["a/v/part_0:0", "a/v/part_1:0"], [p.name for p in parts])
            self.assertEqual([2, 2], parts[0].get_shape().as_list())
            sess.run(variables.global_variables_initializer())
            self.assertAllEqual(np.ones([4, 2]), sess.run(v.as_tensor()))
            self.assertAllEqual(np.ones([4, 2]), sess.run(ops.convert_to_tensor(v)))
            self.assertEqual([4, 2], v.get_shape().as_list())
            self.assertEqual([2, 1], v._get_partitions())
            with self.assertRaises((ValueError, TypeError)):
                variable_scope.get_variable("x", [4], partitioner=3)

    @test_util.run_deprecated_v1
    def testCustomGetter(self):
        seen = []

        def getter(getter, name, *args, **kwargs):
            seen.append(name)
            return getter(name + "_mine", *args, **kwargs)

        with variable_scope.variable_scope("a", custom_getter=getter):
            v = variable_scope.get_variable("v", [1])
            with variable_scope.variable_scope(
                "b", custom_getter=lambda getter, name, *a, **k: getter(name, *a, **k) * 2.0
            ):
                w = variable_scope.get_variable("w", [1])
        self.assertEqual("a/v_mine:0", v.name)
        self.assertEqual("Mul", w.op.type)
        self.assertEqual(["a/v", "a/b/w"], seen)
        with self.assertRaises((ValueError, TypeError)):
            variable_scope.get_variable("z", [1], custom_getter=3)

    @test_util.run_deprecated_v1
    def testCreators(self):
        log = []

        def creator(next_creator, **kwargs):
            log.append(kwargs["name"])
            kwargs["initial_value"] = 9.0
            return next_creator(**kwargs)

        with variable_scope.variable_creator_scope(creator):
            v = variable_v1.VariableV1(1.0, name="c", use_resource=False)
        with self.cached_session() as sess:
            sess.run(v.initializer)
            self.assertEqual(9.0, sess.run(v))
        self.assertEqual(["c"], log)

    @test_util.run_deprecated_v1
    def testUseResource(self):
        with variable_scope.variable_scope("a", use_resource=True):
            v = variable_scope.get_variable("v", [1])
        self.assertTrue(resource_variable_ops.is_resource_variable(v))
        w = variable_scope.get_variable("w", [1], use_resource=False)
        self.assertFalse(resource_variable_ops.is_resource_variable(w))
        with variable_scope.variable_scope("", reuse=True):
            pass
        resource_variables_toggle.enable_resource_variables()
        try:
            self.assertTrue(resource_variables_toggle.resource_variables_enabled())
            self.assertTrue(resource_variable_ops.is_resource_variable(variable_scope.get_variable("x", [1])))
        finally:
            resource_variables_toggle.disable_resource_variables()

    @test_util.run_deprecated_v1
    def testLocalVariables(self):
        v = variable_scope.get_local_variable("l", [1])
        self.assertEqual([v], variables.local_variables())
        self.assertEqual([], variables.global_variables())
        self.assertFalse(v.trainable)
        with self.cached_session() as sess:
            sess.run(variables.local_variables_initializer())
            self.assertEqual((1,), sess.run(v).shape)

    @test_util.run_deprecated_v1
    def testCollectionsOfScopes(self):
        with variable_scope.variable_scope("a") as a:
            v = variable_scope.get_variable("v", [1])
            w = variable_scope.get_variable("w", [1], trainable=False)
            self.assertEqual([v, w], a.global_variables())
            self.assertEqual([v], a.trainable_variables())
            self.assertEqual([], a.local_variables())
            self.assertEqual([v, w], a.get_collection(ops.GraphKeys.GLOBAL_VARIABLES))

    @test_util.run_deprecated_v1
    def testConstraintAndAggregation(self):
        with variable_scope.variable_scope("a", constraint=lambda x: x):
            v = variable_scope.get_variable(
                "v",
                [1],
                aggregation=variables.VariableAggregation.SUM,
                synchronization=variables.VariableSynchronization.ON_WRITE,
            )
        self.assertIsNotNone(v.constraint)
        self.assertEqual(variables.VariableAggregation.SUM, v.aggregation)
        self.assertEqual(variables.VariableSynchronization.ON_WRITE, v.synchronization)

    @test_util.run_deprecated_v1
    def testCachingDeviceOfScope(self):
        with variable_scope.variable_scope("a", caching_device="/job:w") as a:
            v = variable_scope.get_variable("v", [1], use_resource=False)
            self.assertEqual("/job:w", v.value().device)
            a.set_caching_device("/job:x")
            self.assertEqual("/job:x", variable_scope.get_variable("w", [1], use_resource=False).value().device)

    @test_util.run_deprecated_v1
    def testVariableOpScope(self):
        with variable_scope.variable_op_scope([], None, "def") as s:
            self.assertEqual("def", s.name)
        with variable_scope.variable_op_scope([], "given", "def", reuse=False) as s:
            self.assertEqual("given", s.name)

    @test_util.run_deprecated_v1
    def testGetVariableByPassedScope(self):
        with variable_scope.variable_scope("a") as a:
            v = variable_scope.get_variable("v", [1])
        with variable_scope.variable_scope("other"):
            with variable_scope.variable_scope(a, reuse=True) as s:
                self.assertEqual("a", s.name)
                self.assertIs(v, variable_scope.get_variable("v", [1]))
            self.assertEqual("other", variable_scope.get_variable_scope().name)
