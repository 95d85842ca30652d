"""Variables: kinds, places, loops."""

import numpy as np
from tensorflow.python.client import session
from tensorflow.python.framework import (
    constant_op,
    dtypes,
    errors,
    indexed_slices,
    ops,
    tensor_shape,
    test_util,
)
from tensorflow.python.ops import (
    array_ops,
    cond,
    gradients_impl,
    math_ops,
    resource_variable_ops,
    state_ops,
    variable_v1,
    variables,
    while_loop,
)
from tensorflow.python.platform import test
from tensorflow.python.training import gradient_descent


def ref(*args, **kwargs):
    return variable_v1.VariableV1(*args, use_resource=False, **kwargs)


class MoreVariablesTest(test.TestCase):
    @test_util.run_deprecated_v1
    def testInitialValueKinds(self):
        with self.cached_session() as sess:
            for v in (
                ref(1.0),
                ref(lambda: 1.0),
                ref(lambda: constant_op.constant(1.0)),
                ref(np.float32(1.0)),
                ref(constant_op.constant(1.0)),
                ref(1, dtype=dtypes.float32),
                resource_variable_ops.ResourceVariable(lambda: 1.0),
                resource_variable_ops.ResourceVariable(1, dtype=dtypes.float32),
            ):
                sess.run(v.initializer)
                self.assertEqual(np.float32(1.0), sess.run(v))
            s = ref(["a", "bb"])
            sess.run(s.initializer)
            self.assertAllEqual([b"a", b"bb"], sess.run(s))

    @test_util.run_deprecated_v1
    def testShapeless(self):
        with self.cached_session() as sess:
            p = array_ops.placeholder(dtypes.float32)
            v = ref(p, validate_shape=False)
            self.assertEqual(tensor_shape.unknown_shape(), v.get_shape())
            sess.run(v.initializer, {p: [1.0, 2.0]})
            self.assertAllEqual([1.0, 2.0], sess.run(v))
            sess.run(v.initializer, {p: 3.0})
            self.assertEqual(3.0, sess.run(v))
            w = ref([1.0], shape=tensor_shape.TensorShape(None), validate_shape=False)
            sess.run(w.initializer)
            sess.run(state_ops.assign(w, [1.0, 2.0], validate_shape=False))
            self.assertAllEqual([1.0, 2.0], sess.run(w))
            r = resource_variable_ops.ResourceVariable(
                [1.0], shape=tensor_shape.TensorShape([None]), validate_shape=False
            )
            sess.run(r.initializer)
            sess.run(r.assign([3.0, 4.0]))
            self.assertAllEqual([3.0, 4.0], sess.run(r))

    @test_util.run_deprecated_v1
    def testCachingDevice(self):
        with ops.device("/job:ps"):
            v = ref(1.0, caching_device="/job:w", name="v")
        self.assertEqual("/job:w", v.value().device)
        self.assertEqual("/job:ps", v.device)
        r = resource_variable_ops.ResourceVariable(1.0, caching_device="/job:w")
        self.assertEqual("/job:w", r.value().device)
        w = ref(1.0, name="w")
        self.assertEqual([b"loc:@w"], w.value().op.colocation_groups())
        self.assertEqual([b"loc:@w"], w.initializer.colocation_groups())

    @test_util.run_deprecated_v1
    def testEvalAndLoad(self):
        with self.cached_session() as sess:
            for kind in (ref, resource_variable_ops.ResourceVariable):
                v = kind([1.0, 2.0])
                sess.run(v.initializer)
                n = len(ops.get_default_graph().get_operations())
                v.load([3.0, 4.0], sess)
                v.load(np.array([3.0, 4.0]))
                self.assertEqual(n, len(ops.get_default_graph().get_operations()))
                self.assertAllEqual([3.0, 4.0], v.eval())
                self.assertAllEqual([3.0, 4.0], v.eval(session=sess))
        with self.assertRaisesRegex(ValueError, "Either session argument should be provided"):
            v.load([1.0, 2.0])

    @test_util.run_deprecated_v1
    def testProtos(self):
        for kind in (ref, resource_variable_ops.ResourceVariable):
            with ops.Graph().as_default():
                with ops.name_scope("s"):
                    v = kind(3.0, name="v", trainable=False)
                d = v.to_proto()
                self.assertEqual("s/v:0", d.variable_name)
                self.assertEqual("s/v/Assign", d.initializer_name)
                self.assertFalse(d.trainable)
                self.assertEqual(kind is not ref, d.is_resource)
                self.assertEqual("v:0", v.to_proto("s").variable_name)
                self.assertIsNone(v.to_proto("other"))
                w = (
                    variable_v1.VariableV1.from_proto(d)
                    if kind is ref
                    else resource_variable_ops.ResourceVariable.from_proto(d)
                )
                self.assertEqual(v.name, w.name)
                self.assertEqual(v.dtype, w.dtype)
                self.assertFalse(w.trainable)
                self.assertProtoEquals(d, w.to_proto())
                with session.Session() as s:
                    s.run(w.initializer)
                    self.assertEqual(3.0, s.run(w))
                    self.assertEqual(3.0, s.run(v))
                u = variable_v1.VariableV1(variable_def=d, use_resource=kind is not ref)
                self.assertEqual(v.name, u.name)

    @test_util.run_deprecated_v1
    def testGradients(self):
        with self.cached_session() as sess:
            for kind in (ref, resource_variable_ops.ResourceVariable):
                v = kind([1.0, 2.0, 3.0])
                sess.run(v.initializer)
                y = v * v
                self.assertAllEqual([2.0, 4.0, 6.0], sess.run(gradients_impl.gradients(y, v)[0]))
                g = gradients_impl.gradients(array_ops.gather(v, [0, 0, 2]), v)[0]
                self.assertIsInstance(g, indexed_slices.IndexedSlices)
                self.assertAllEqual([2.0, 0.0, 1.0], sess.run(ops.convert_to_tensor(g)))

    @test_util.run_deprecated_v1
    def testInCondAndWhile(self):
        with self.cached_session() as sess:
            for kind in (ref, resource_variable_ops.ResourceVariable):
                v = kind(1.0)
                sess.run(v.initializer)
                p = array_ops.placeholder(dtypes.bool, [])
                c = cond.cond(p, lambda v=v: v.assign_add(10.0), lambda v=v: v.assign_sub(1.0))
                c = array_ops.identity(c)
                sess.run(c, {p: True})
                sess.run(c, {p: False})
                self.assertEqual(10.0, sess.run(v))

                def body(i, v=v):
                    with ops.control_dependencies([v.assign_add(1.0)]):
                        return i + 1

                sess.run(while_loop.while_loop(lambda i: i < 4, body, [0]))
                self.assertEqual(14.0, sess.run(v))

    @test_util.run_deprecated_v1
    def testCreatedInCond(self):
        with self.cached_session() as sess:
            r = cond.cond(constant_op.constant(True), lambda: ref(lambda: 3.0, name="in_cond") + 1.0, lambda: 0.0)
            sess.run(variables.global_variables_initializer())
            self.assertEqual(4.0, sess.run(r))

    @test_util.run_deprecated_v1
    def testControlDependencyOnUpdate(self):
        with self.cached_session() as sess:
            for kind in (ref, resource_variable_ops.ResourceVariable):
                v = kind(1.0)
                sess.run(v.initializer)
                with ops.control_dependencies([v.assign_add(1.0)]):
                    r = v.read_value()
                self.assertEqual(2.0, sess.run(r))
                self.assertEqual(3.0, sess.run(r))

    @test_util.run_deprecated_v1
    def testSharedName(self):
        with self.cached_session() as sess:
            h1 = resource_variable_ops.var_handle_op(dtype=dtypes.int32, shape=[], shared_name="same")
            h2 = resource_variable_ops.var_handle_op(dtype=dtypes.int32, shape=[], shared_name="same")
            h3 = resource_variable_ops.var_handle_op(dtype=dtypes.int32, shape=[], shared_name="same", container="box")
            sess.run(resource_variable_ops.assign_variable_op(h1, 5))
            self.assertEqual(5, sess.run(resource_variable_ops.read_variable_op(h2, dtype=dtypes.int32)))
            with self.assertRaises((errors.FailedPreconditionError, errors.NotFoundError)):
                sess.run(resource_variable_ops.read_variable_op(h3, dtype=dtypes.int32))
            self.assertTrue(sess.run(resource_variable_ops.var_is_initialized_op(h2)))
            sess.run(resource_variable_ops.assign_add_variable_op(h2, 2))
            sess.run(resource_variable_ops.assign_sub_variable_op(h1, 1))
            self.assertEqual(6, sess.run(resource_variable_ops.read_variable_op(h1, dtype=dtypes.int32)))
            self.assertAllEqual([], sess.run(resource_variable_ops.variable_shape(h1)))
            sess.run(resource_variable_ops.destroy_resource_op(h1, ignore_lookup_error=False))
            with self.assertRaises((errors.FailedPreconditionError, errors.NotFoundError)):
                sess.run(resource_variable_ops.read_variable_op(h1, dtype=dtypes.int32))
            with self.assertRaises(errors.NotFoundError):
                sess.run(resource_variable_ops.destroy_resource_op(h1, ignore_lookup_error=False))
            sess.run(resource_variable_ops.destroy_resource_op(h1, ignore_lookup_error=True))

    @test_util.run_deprecated_v1
    def testHandleTypeErrors(self):
        with self.cached_session() as sess:
            h = resource_variable_ops.var_handle_op(dtype=dtypes.int32, shape=[2], shared_name="typed")
            sess.run(resource_variable_ops.assign_variable_op(h, constant_op.constant([1, 2])))
            with self.assertRaises((errors.InvalidArgumentError, ValueError)):
                sess.run(resource_variable_ops.read_variable_op(h, dtype=dtypes.float32))
            with self.assertRaises((errors.InvalidArgumentError, ValueError)):
                sess.run(resource_variable_ops.assign_variable_op(h, constant_op.constant([1.0, 2.0])))

    @test_util.run_deprecated_v1
    def testResourceScatterOps(self):
        with self.cached_session() as sess:
            h = resource_variable_ops.var_handle_op(dtype=dtypes.int32, shape=[3, 1])
            sess.run(resource_variable_ops.assign_variable_op(h, constant_op.constant([[1], [2], [3]])))
            sess.run(resource_variable_ops.resource_scatter_add(h, [0], [[10]]))
            sess.run(resource_variable_ops.resource_scatter_sub(h, [1], constant_op.constant([[1]])))
            sess.run(resource_variable_ops.resource_scatter_mul(h, [2], constant_op.constant([[5]])))
            sess.run(resource_variable_ops.resource_scatter_div(h, [2], constant_op.constant([[3]])))
            self.assertAllEqual(
                [[11], [1], [5]], sess.run(resource_variable_ops.read_variable_op(h, dtype=dtypes.int32))
            )
            sess.run(resource_variable_ops.resource_scatter_min(h, [0], constant_op.constant([[3]])))
            sess.run(resource_variable_ops.resource_scatter_max(h, [1], constant_op.constant([[6]])))
            sess.run(resource_variable_ops.resource_scatter_update(h, [2], constant_op.constant([[0]])))
            self.assertAllEqual(
                [[3], [6], [0]], sess.run(resource_variable_ops.read_variable_op(h, dtype=dtypes.int32))
            )
            self.assertAllEqual(
                [[0], [3]], sess.run(resource_variable_ops.resource_gather(h, [2, 0], dtype=dtypes.int32))
            )
            with self.assertRaises(errors.InvalidArgumentError):
                sess.run(resource_variable_ops.resource_gather(h, [7], dtype=dtypes.int32))

    @test_util.run_deprecated_v1
    def testUnread(self):
        with self.cached_session() as sess:
            v = resource_variable_ops.ResourceVariable(1.0)
            sess.run(v.initializer)
            a = v.assign(3.0)
            self.assertIsInstance(a, resource_variable_ops._UnreadVariable)
            self.assertEqual("AssignVariableOp", a.op.type)
            self.assertEqual(3.0, sess.run(a))
            self.assertEqual(3.0, sess.run(a.value()))
            self.assertEqual(4.0, sess.run(a + 1.0))
            self.assertEqual(v.dtype, a.dtype)
            self.assertTrue(resource_variable_ops.is_resource_variable(a))

    @test_util.run_deprecated_v1
    def testEqualityIsIdentity(self):
        a, b = ref(1.0), ref(1.0)
        self.assertTrue(a == a)
        self.assertFalse(a == b)
        self.assertTrue(a != b)
        self.assertEqual(2, len({a, b}))

    @test_util.run_deprecated_v1
    def testTrainable(self):
        v = ref(1.0, trainable=False)
        self.assertFalse(v.trainable)
        self.assertEqual([], variables.trainable_variables())
        w = ref(1.0, synchronization=variables.VariableSynchronization.ON_READ)
        self.assertFalse(w.trainable)

    @test_util.run_deprecated_v1
    def testSetShape(self):
        p = array_ops.placeholder(dtypes.float32)
        v = ref(p, validate_shape=False)
        v.set_shape([2])
        self.assertEqual([2], v.get_shape().as_list())
        self.assertEqual([2], v.value().get_shape().as_list())

    @test_util.run_deprecated_v1
    def testConversions(self):
        v = ref(1.0)
        t = ops.convert_to_tensor(v)
        self.assertIs(t, v.value())
        with self.assertRaisesRegex(ValueError, "Incompatible type conversion"):
            ops.convert_to_tensor(v, dtypes.int32)
        r = resource_variable_ops.ResourceVariable(1.0)
        self.assertEqual("ReadVariableOp", ops.convert_to_tensor(r).op.type)
        with self.assertRaises(ValueError):
            ops.convert_to_tensor(r, dtypes.int32)

    @test_util.run_deprecated_v1
    def testMinimise(self):
        with self.cached_session() as sess:
            for kind in (ref, resource_variable_ops.ResourceVariable):
                v = kind(3.0)
                step = gradient_descent.GradientDescentOptimizer(0.1).minimize(math_ops.square(v), var_list=[v])
                sess.run(v.initializer)
                sess.run(step)
                self.assertAllClose(2.4, sess.run(v))
