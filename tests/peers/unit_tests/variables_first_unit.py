"""Variables: what they are, and changes."""

import numpy as np
from tensorflow.core.framework import variable_pb2
from tensorflow.python.framework import (
    constant_op,
    dtypes,
    errors,
    indexed_slices,
    ops,
    test_util,
)
from tensorflow.python.ops import (
    array_ops,
    random_ops,
    resource_variable_ops,
    state_ops,
    variable_v1,
    variables,
)
from tensorflow.python.platform import test


def ref(*args, **kwargs):
    return variable_v1.VariableV1(*args, use_resource=False, **kwargs)


class VariablesTest(test.TestCase):
    @test_util.run_deprecated_v1
    def testFieldsOfRef(self):
        with self.cached_session():
            v = ref([[1.0, 2.0]], name="v")
            self.assertEqual("v:0", v.name)
            self.assertEqual("v", v._shared_name)
            self.assertEqual([1, 2], v.get_shape())
            self.assertEqual([1, 2], v.shape.as_list())
            self.assertEqual(dtypes.float32_ref, v.dtype)
            self.assertEqual(dtypes.float32, v.initial_value.dtype)
            self.assertEqual("VariableV2", v.op.type)
            self.assertIs(v.graph, ops.get_default_graph())
            self.assertEqual("v/Assign", v.initializer.name)
            self.assertEqual("v/read", v.value().op.name)
            self.assertTrue(v.trainable)
            self.assertEqual("", v.device)
            self.assertEqual("<tf.Variable 'v:0' shape=(1, 2) dtype=float32_ref>", repr(v))
            self.assertEqual(repr(v), str(v))
            self.assertIsNone(v.constraint)
            self.assertEqual(variables.VariableSynchronization.AUTO, v.synchronization)
            self.assertEqual(variables.VariableAggregation.NONE, v.aggregation)
            self.assertEqual("v/initial_value", v.initial_value.op.name)

    @test_util.run_deprecated_v1
    def testFieldsOfResource(self):
        with self.cached_session():
            v = resource_variable_ops.ResourceVariable([[1.0, 2.0]], name="v")
            self.assertEqual("v:0", v.name)
            self.assertEqual("v", v._shared_name)
            self.assertEqual([1, 2], v.get_shape().as_list())
            self.assertEqual(dtypes.float32, v.dtype)
            self.assertEqual("VarHandleOp", v.op.type)
            self.assertEqual(dtypes.resource, v.handle.dtype)
            self.assertEqual("v/Assign", v.initializer.name)
            self.assertIs(v.create, v.initializer)
            self.assertEqual("<tf.Variable 'v:0' shape=(1, 2) dtype=float32>", repr(v))
            self.assertEqual("v/Read/ReadVariableOp:0", v._graph_element.name)
            with self.assertRaises(NotImplementedError):
                v.numpy()
            with self.assertRaises(RuntimeError):
                v += 1.0
            with self.assertRaises(RuntimeError):
                v *= 1.0

    @test_util.run_deprecated_v1
    def testAssignments(self):
        for kind in (ref, resource_variable_ops.ResourceVariable):
            with self.session(graph=ops.Graph()) as sess:
                v = kind([1.0, 2.0], name="v")
                sess.run(v.initializer)
                self.assertAllEqual([5.0, 6.0], sess.run(v.assign([5.0, 6.0])))
                self.assertAllEqual([6.0, 7.0], sess.run(v.assign_add([1.0, 1.0])))
                self.assertAllEqual([4.0, 5.0], sess.run(v.assign_sub([2.0, 2.0])))
                self.assertIsNone(sess.run(v.assign([0.0, 0.0], read_value=False)))
                self.assertIsNone(sess.run(v.assign_add([1.0, 0.0], read_value=False)))
                self.assertIsNone(sess.run(v.assign_sub([0.0, 1.0], read_value=False)))
                self.assertAllEqual([1.0, -1.0], sess.run(v))
                self.assertEqual("named", v.assign([1.0, 1.0], name="named").op.name)
                self.assertEqual("named_1", v.assign([1.0, 1.0], name="named", use_locking=True).op.name)
                with self.assertRaises(ValueError):
                    v.assign([1.0, 2.0, 3.0])
                with self.assertRaises((ValueError, TypeError)):
                    v.assign(["a", "b"])
                self.assertAllEqual([1.0, 2.0], sess.run(v.initial_value))

    @test_util.run_deprecated_v1
    def testAssignChains(self):
        with self.cached_session() as sess:
            v = ref(1.0)
            sess.run(v.initializer)
            a = v.assign(10.0)
            b = state_ops.assign_add(a, 5.0)
            c = state_ops.assign_sub(b, 1.0)
            self.assertEqual(14.0, sess.run(c))
            r = resource_variable_ops.ResourceVariable(1.0)
            sess.run(r.initializer)
            self.assertEqual(14.0, sess.run(r.assign(10.0).assign_add(5.0).assign_sub(1.0)))
            self.assertEqual(14.0, sess.run(r))

    @test_util.run_deprecated_v1
    def testOperators(self):
        with self.cached_session() as sess:
            for kind in (ref, resource_variable_ops.ResourceVariable):
                v = kind(2.0)
                w = kind(3)
                b = kind(True)
                sess.run([v.initializer, w.initializer, b.initializer])
                self.assertAllClose(
                    [3.0, 3.0, 1.0, -1.0, 4.0, 4.0, 1.0, 0.5, -2.0, 2.0, 4.0, 4.0, 0.0, 1.0],
                    sess.run(
                        [
                            v + 1.0,
                            1.0 + v,
                            v - 1.0,
                            1.0 - v,
                            v * 2.0,
                            2.0 * v,
                            v / 2.0,
                            1.0 / v,
                            -v,
                            abs(v),
                            v**2.0,
                            2.0**v,
                            v % 2.0,
                            v // 2.0,
                        ]
                    ),
                )
                self.assertEqual([True, False, True, False], sess.run([v > 1.0, v < 1.0, v >= 2.0, v <= 1.0]))
                self.assertEqual([False, True, True, False], sess.run([~b, b | False, b & True, b ^ True]))
                self.assertEqual([1, 1.5], sess.run([w // 2, w / 2]))

    @test_util.run_deprecated_v1
    def testSlicing(self):
        with self.cached_session() as sess:
            for kind in (ref, resource_variable_ops.ResourceVariable):
                v = kind(np.arange(12.0).reshape(3, 4))
                sess.run(v.initializer)
                self.assertAllEqual([4.0, 5.0, 6.0, 7.0], sess.run(v[1]))
                self.assertAllEqual([[1.0], [5.0]], sess.run(v[:2, 1:2]))
                self.assertAllEqual([11.0], sess.run(v[-1, -1:]))
                sess.run(v[0, :2].assign([50.0, 60.0]))
                self.assertAllEqual([50.0, 60.0, 2.0, 3.0], sess.run(v[0]))
                sess.run(v[::2, 3].assign([-1.0, -2.0]))
                self.assertAllEqual([-1.0, 7.0, -2.0], sess.run(v[:, 3]))

    @test_util.run_deprecated_v1
    def testNotIterable(self):
        for kind in (ref, resource_variable_ops.ResourceVariable):
            v = kind([1.0, 2.0])
            with self.assertRaisesRegex(TypeError, "not iterable|Iterating over a symbolic"):
                for _ in v:
                    pass

    @test_util.run_deprecated_v1
    def testScatterMethods(self):
        with self.cached_session() as sess:
            for kind in (ref, resource_variable_ops.ResourceVariable):
                v = kind([[1.0], [2.0], [3.0]])
                sess.run(v.initializer)

                def delta(x, i):
                    return indexed_slices.IndexedSlices(constant_op.constant([[x]]), constant_op.constant([i]))

                sess.run(v.scatter_add(delta(10.0, 0)))
                sess.run(v.scatter_sub(delta(1.0, 1)))
                sess.run(v.scatter_update(delta(7.0, 2)))
                self.assertAllEqual([[11.0], [1.0], [7.0]], sess.run(v))
                sess.run(v.scatter_mul(delta(2.0, 0)))
                sess.run(v.scatter_div(delta(2.0, 2)))
                sess.run(v.scatter_max(delta(4.0, 1)))
                self.assertAllEqual([[22.0], [4.0], [3.5]], sess.run(v))
                sess.run(v.scatter_min(delta(-4.0, 1)))
                self.assertAllEqual([[22.0], [-4.0], [3.5]], sess.run(v))
                sess.run(v.scatter_nd_add([[0]], [[1.0]]))
                sess.run(v.scatter_nd_sub([[1]], [[1.0]]))
                sess.run(v.scatter_nd_update([[2, 0]], [9.0]))
                self.assertAllEqual([[23.0], [-5.0], [9.0]], sess.run(v))
                with self.assertRaises(TypeError):
                    v.scatter_add(3.0)
                with self.assertRaises(TypeError):
                    v.scatter_update([1.0])

    @test_util.run_deprecated_v1
    def testBatchScatterUpdate(self):
        with self.cached_session() as sess:
            for kind in (ref, resource_variable_ops.ResourceVariable):
                v = kind(np.zeros([2, 3], np.float32))
                sess.run(v.initializer)
                sess.run(
                    v.batch_scatter_update(
                        indexed_slices.IndexedSlices(
                            values=constant_op.constant([[1.0], [2.0]]), indices=constant_op.constant([[0], [2]])
                        )
                    )
                )
                self.assertAllEqual([[1.0, 0.0, 0.0], [0.0, 0.0, 2.0]], sess.run(v))

    @test_util.run_deprecated_v1
    def testSparseReadAndGatherNd(self):
        with self.cached_session() as sess:
            for kind in (resource_variable_ops.ResourceVariable,):
                v = kind(np.arange(6.0).reshape(3, 2))
                sess.run(v.initializer)
                self.assertAllEqual([[4.0, 5.0], [0.0, 1.0]], sess.run(v.sparse_read([2, 0])))
                self.assertAllEqual([1.0, 4.0], sess.run(v.gather_nd([[0, 1], [2, 0]])))
                self.assertEqual([2, 2], v.sparse_read([2, 0]).shape.as_list())

    @test_util.run_deprecated_v1
    def testCountUpTo(self):
        with self.cached_session() as sess:
            v = ref(0)
            sess.run(v.initializer)
            c = v.count_up_to(3)
            self.assertEqual([0, 1, 2], [sess.run(c) for _ in range(3)])
            with self.assertRaisesOpError("Reached limit of 3"):
                sess.run(c)
            r = resource_variable_ops.ResourceVariable(0)
            sess.run(r.initializer)
            self.assertEqual(0, sess.run(r.count_up_to(1)))
            with self.assertRaisesOpError("Reached limit of 1"):
                sess.run(state_ops.count_up_to(r, 1))

    @test_util.run_deprecated_v1
    def testInitialisedValue(self):
        with self.cached_session() as sess:
            v = ref(2.0, name="v")
            w = ref(v.initialized_value() * 2.0, name="w")
            r = resource_variable_ops.ResourceVariable(v.initialized_value() + 1.0)
            sess.run(variables.global_variables_initializer())
            self.assertEqual([2.0, 4.0, 3.0], sess.run([v, w, r]))

    @test_util.run_deprecated_v1
    def testInitialValueReadsOthersInAnyOrder(self):
        with self.cached_session() as sess:
            a = ref(random_ops.random_uniform([3]), name="a")
            b = ref(a * 2.0, name="b")
            sess.run(variables.global_variables_initializer())
            va, vb = sess.run([a, b])
            self.assertAllClose(va * 2.0, vb)

    @test_util.run_deprecated_v1
    def testUninitialised(self):
        with self.cached_session() as sess:
            v = ref(1.0, name="v")
            r = resource_variable_ops.ResourceVariable(1.0, name="r")
            with self.assertRaisesOpError("Attempting to use uninitialized value v"):
                sess.run(v)
            with self.assertRaises(errors.FailedPreconditionError):
                sess.run(r)
            self.assertAllEqual([b"v", b"r"], sess.run(variables.report_uninitialized_variables()))
            self.assertEqual([False, False], sess.run([variable_v1.is_variable_initialized(v), r.is_initialized()]))
            self.assertFalse(sess.run(state_ops.is_variable_initialized(v)))
            check = variables.assert_variables_initialized()
            with self.assertRaises(errors.FailedPreconditionError):
                sess.run(check)
            sess.run(variables.variables_initializer([v]))
            self.assertAllEqual([b"r"], sess.run(variables.report_uninitialized_variables([v, r])))
            sess.run(r.initializer)
            sess.run(check)
            self.assertEqual(0, sess.run(variables.report_uninitialized_variables()).size)
            self.assertTrue(sess.run(variable_v1.is_variable_initialized(v)))

    @test_util.run_deprecated_v1
    def testNoVariables(self):
        with self.cached_session() as sess:
            self.assertIsNone(variables.assert_variables_initialized())
            self.assertEqual([], list(sess.run(variables.report_uninitialized_variables())))
            self.assertEqual("NoOp", variables.global_variables_initializer().type)
            self.assertEqual("NoOp", variables.variables_initializer([]).type)
            self.assertEqual("mine", variables.variables_initializer([], name="mine").name)

    @test_util.run_deprecated_v1
    def testCollections(self):
        a = ref(1.0)
        b = ref(1.0, trainable=False)
        c = ref(1.0, collections=["mine", ops.GraphKeys.LOCAL_VARIABLES], trainable=True)
        d = ref(1.0, collections=[ops.GraphKeys.MODEL_VARIABLES], trainable=False)
        self.assertEqual([a, b], variables.global_variables())
        self.assertEqual([a, c], variables.trainable_variables())
        self.assertEqual([c], variables.local_variables())
        self.assertEqual([d], variables.model_variables())
        self.assertEqual([c], ops.get_collection("mine"))
        self.assertEqual([], variables.moving_average_variables())
        with self.assertRaisesRegex(ValueError, "collections argument"):
            ref(1.0, collections="mine")
        with ops.name_scope("s"):
            e = ref(1.0)
        self.assertEqual([e], variables.global_variables("s/"))
        self.assertEqual([e], variables.trainable_variables(scope="s"))
        self.assertEqual([a, b, e], variables.all_variables())

    @test_util.run_deprecated_v1
    def testConstructorErrors(self):
        with self.assertRaisesRegex(ValueError, "initial_value must be specified"):
            variable_v1.VariableV1(use_resource=False)
        with self.assertRaises(ValueError):
            resource_variable_ops.ResourceVariable(None)
        with self.assertRaisesRegex(ValueError, "must be a callable|must be None or a callable"):
            ref(1.0, constraint=3)
        with self.assertRaisesRegex(ValueError, "must have a shape specified"):
            ref(array_ops.placeholder(dtypes.float32))
        with self.assertRaises((ValueError, TypeError)):
            ref("a", dtype=dtypes.float32)
        with self.assertRaises((ValueError, TypeError)):
            ref(1.5, dtype=dtypes.int32)
        with self.assertRaisesRegex(ValueError, "mutually exclusive"):
            variable_v1.VariableV1(1.0, variable_def=variable_pb2.VariableDef(), use_resource=False)
        with self.assertRaises(ValueError):
            ref(1.0, synchronization="bogus")
        with self.assertRaises(ValueError):
            ref(1.0, aggregation="bogus")
