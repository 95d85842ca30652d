"""while_loop: arguments, structures, shapes that hold, gradients."""

import collections

import numpy as np
from tensorflow.python.framework import (
    constant_op,
    dtypes,
    indexed_slices,
    sparse_tensor,
    tensor_shape,
    test_util,
)
from tensorflow.python.framework import tensor as tensor_lib
from tensorflow.python.ops import (  # noqa
    array_grad,
    array_ops,
    check_ops,
    clip_ops,
    control_flow_assert,
    control_flow_grad,
    control_flow_ops,
    control_flow_util,
    data_flow_ops,
    embedding_ops,
    functional_ops,
    gen_array_ops,
    gen_state_ops,
    gradients_impl,
    init_ops,
    list_ops,
    logging_ops,
    map_fn,
    math_grad,
    math_ops,
    nn_grad,
    nn_ops,
    random_ops,
    resource_variable_ops,
    script_ops,
    sparse_ops,
    state_grad,
    state_ops,
    tensor_array_grad,
    tensor_array_ops,
    variable_scope,
    variable_v1,
    variables,
)
from tensorflow.python.ops import (
    cond as tf_cond,
)
from tensorflow.python.ops import (
    while_loop as while_loop_tf,
)
from tensorflow.python.platform import test


@test_util.run_v1_only("graphs")
class WhileLoopTest(test.TestCase):
    def testScalar(self):
        with self.cached_session():
            n = constant_op.constant(0)
            r = while_loop_tf.while_loop(
                lambda x: math_ops.less(x, 100), lambda x: math_ops.add(x, 1), [n], parallel_iterations=20
            )
            self.assertEqual(100, self.evaluate(r))

    def testSeveral(self):
        with self.cached_session():
            i, x = while_loop_tf.while_loop(lambda i, x: i < 5, lambda i, x: (i + 1, x * 2), [0, 1.5])
            self.assertAllEqual([5, 48.0], [self.evaluate(i), self.evaluate(x)])

    def testOneVarNotList(self):
        with self.cached_session():
            r = while_loop_tf.while_loop(lambda x: x < 4, lambda x: x + 3, (constant_op.constant(0),))
            self.assertIsInstance(r, tensor_lib.Tensor)
            self.assertEqual(6, self.evaluate(r))

    def testNotCallable(self):
        with self.assertRaisesRegex(TypeError, "'cond' must be callable"):
            while_loop_tf.while_loop(1, lambda x: x, [0])
        with self.assertRaisesRegex(TypeError, "'body' must be callable"):
            while_loop_tf.while_loop(lambda x: True, 2, [0])

    def testNoVars(self):
        with self.assertRaisesRegex(ValueError, "loop_vars|No loop variables"):
            while_loop_tf.while_loop(lambda: True, list, [])

    def testParallelIterations(self):
        for bad in (0, -1, "4"):
            with self.assertRaises((TypeError, ValueError)):
                while_loop_tf.while_loop(lambda x: x < 1, lambda x: x + 1, [0], parallel_iterations=bad)

    def testParallelIterationsOne(self):
        with self.cached_session():
            for p in (1, 2, 5, 30):
                r = while_loop_tf.while_loop(lambda x: x < 50, lambda x: x + 1, [0], parallel_iterations=p)
                self.assertEqual(50, self.evaluate(r))

    def testReturnSameStructure(self):
        i = constant_op.constant(0)
        r = while_loop_tf.while_loop(lambda i: i < 2, lambda i: [i + 1], [i], return_same_structure=True)
        self.assertIsInstance(r, list)
        self.assertEqual(len(r), 1)
        r = while_loop_tf.while_loop(lambda i: i < 2, lambda i: [i + 1], [i], return_same_structure=False)
        self.assertIsInstance(r, tensor_lib.Tensor)

    def testMaximumIterations(self):
        with self.cached_session():
            r = while_loop_tf.while_loop(lambda i: i < 10, lambda i: i + 1, [0], maximum_iterations=3)
            self.assertEqual(3, self.evaluate(r))
            r = while_loop_tf.while_loop(
                lambda i: i < 10, lambda i: i + 1, [0], maximum_iterations=constant_op.constant(30)
            )
            self.assertEqual(10, self.evaluate(r))
            r = while_loop_tf.while_loop(lambda *_: True, lambda i, j: [i + 1, j + 2], [0, 0], maximum_iterations=4)
            self.assertAllEqual([4, 8], self.evaluate(r))

    def testMaximumIterationsZero(self):
        with self.cached_session():
            r = while_loop_tf.while_loop(lambda i: i < 10, lambda i: i + 1, [7], maximum_iterations=0)
            self.assertEqual(7, self.evaluate(r))

    def testMaximumIterationsShape(self):
        with self.assertRaisesRegex(ValueError, "'maximum_iterations' must be a scalar"):
            while_loop_tf.while_loop(lambda i: i < 10, lambda i: i + 1, [0], maximum_iterations=[1, 2])

    def testMaximumIterationsNested(self):
        with self.cached_session():
            v = constant_op.constant(5.0)

            def inner(i, x):
                return while_loop_tf.while_loop(
                    lambda j, y: j < 10, lambda j, y: [j + 1, y * 1.5], [0, x], maximum_iterations=2
                )[1]

            r = while_loop_tf.while_loop(
                lambda i, x: i < 10, lambda i, x: [i + 1, inner(i, x)], [0, v], maximum_iterations=3
            )[1]
            self.assertAllClose(5.0 * 1.5**6, self.evaluate(r))
            g = gradients_impl.gradients(r, v)[0]
            self.assertAllClose(1.5**6, self.evaluate(g))

    def testMaximumIterationsNone(self):
        with self.cached_session():
            self.assertEqual(
                9,
                self.evaluate(while_loop_tf.while_loop(lambda i: i < 9, lambda i: i + 1, [0], maximum_iterations=None)),
            )

    def testBodyWrongCount(self):
        with self.assertRaisesRegex(ValueError, "same number of elements|same nested structure|must match"):
            while_loop_tf.while_loop(lambda i, j: i < 3, lambda i, j: (i + 1,), [0, 0])

    def testBodyWrongType(self):
        with self.assertRaises((ValueError, TypeError)):
            while_loop_tf.while_loop(lambda i: i < 3, lambda i: math_ops.cast(i, dtypes.float32), [0], name="wt")
            with self.cached_session():
                raise ValueError("in a run")

    def testBodyReturnsNone(self):
        with self.assertRaises((TypeError, ValueError)):
            while_loop_tf.while_loop(lambda i: i < 3, lambda i: None, [0])

    def testCondNotBool(self):
        with self.assertRaises((TypeError, ValueError)):
            while_loop_tf.while_loop(lambda i: constant_op.constant([True]), lambda i: i + 1, [0])

    def testCondPython(self):
        with self.cached_session():
            r = while_loop_tf.while_loop(lambda i: True, lambda i: i + 1, [0], maximum_iterations=5)
            self.assertEqual(5, self.evaluate(r))

    def testShapeNotInvariant(self):
        m = constant_op.constant(np.ones([2, 2]), dtypes.float32)
        with self.assertRaisesRegex(ValueError, "To allow the shape to vary across iterations"):
            while_loop_tf.while_loop(lambda i, m: i < 3, lambda i, m: (i + 1, array_ops.concat([m, m], 0)), [0, m])

    def testShapeInvariants(self):
        with self.cached_session():
            m = array_ops.ones([2, 2])
            r = while_loop_tf.while_loop(
                lambda i, m: i < 3,
                lambda i, m: (i + 1, array_ops.concat([m, m], 0)),
                [0, m],
                shape_invariants=[tensor_shape.TensorShape([]), tensor_shape.TensorShape([None, 2])],
            )
            self.assertEqual([None, 2], r[1].get_shape().as_list())
            self.assertAllEqual(np.ones([16, 2]), self.evaluate(r[1]))

    def testShapeInvariantIncompatible(self):
        with self.assertRaisesRegex(ValueError, "is not compatible with the initial shape"):
            while_loop_tf.while_loop(
                lambda i, m: i < 3,
                lambda i, m: (i + 1, m),
                [0, array_ops.ones([2, 2])],
                shape_invariants=[tensor_shape.TensorShape([]), tensor_shape.TensorShape([5, None])],
            )

    def testShapeInvariantsStructure(self):
        with self.assertRaises((ValueError, TypeError)):
            while_loop_tf.while_loop(
                lambda i, m: i < 3,
                lambda i, m: (i + 1, m),
                [0, array_ops.ones([2, 2])],
                shape_invariants=[tensor_shape.TensorShape([])],
            )

    def testShapeInvariantNotShape(self):
        with self.assertRaisesRegex(TypeError, "'shape' must be one of TypeSpec, TensorShape or None"):
            while_loop_tf.while_loop(lambda i: i < 3, lambda i: i + 1, [0], shape_invariants=["a"])

    def testShapeInvariantTypeSpec(self):
        from tensorflow.python.framework import tensor_spec

        with self.cached_session():
            r = while_loop_tf.while_loop(
                lambda i, m: i < 2,
                lambda i, m: (i + 1, array_ops.concat([m, m], 0)),
                [0, array_ops.ones([1])],
                shape_invariants=[
                    tensor_spec.TensorSpec([], dtypes.int32),
                    tensor_spec.TensorSpec([None], dtypes.float32),
                ],
            )
            self.assertAllEqual(np.ones(4), self.evaluate(r[1]))

    def testShapeInvariantNested(self):
        with self.cached_session():
            P = collections.namedtuple("P", ["a", "b"])
            v = [constant_op.constant(0), P(array_ops.ones([1]), {"k": array_ops.zeros([1, 2])})]
            inv = [
                tensor_shape.TensorShape([]),
                P(tensor_shape.TensorShape([None]), {"k": tensor_shape.TensorShape([None, 2])}),
            ]

            def body(i, p):
                return [i + 1, P(array_ops.concat([p.a, p.a], 0), {"k": array_ops.concat([p.b["k"], p.b["k"]], 0)})]

            i, p = while_loop_tf.while_loop(lambda i, p: i < 2, body, v, shape_invariants=inv)
            self.assertEqual([None], p.a.get_shape().as_list())
            self.assertAllEqual(np.zeros([4, 2]), self.evaluate(p.b["k"]))

    def testSetShapeInBody(self):
        with self.cached_session():

            def body(i, m):
                m = array_ops.concat([m, m], 0)
                m.set_shape([None, 2])
                return i + 1, m

            c = array_ops.placeholder_with_default(np.ones([2, 2], np.float32), [None, 2])
            r = while_loop_tf.while_loop(lambda i, m: i < 2, body, [0, c])
            self.assertAllEqual((8, 2), self.evaluate(r[1]).shape)

    def testNestedStructure(self):
        with self.cached_session():
            P = collections.namedtuple("Point", ["x", "y"])
            v = (
                constant_op.constant(0),
                P([constant_op.constant(1), constant_op.constant(2)], {"z": constant_op.constant(3)}),
            )

            def body(i, p):
                return i + 1, P([p.x[1], p.x[0] + p.x[1]], {"z": p.y["z"] * 2})

            i, p = while_loop_tf.while_loop(lambda i, p: i < 4, body, v)
            self.assertIsInstance(p, P)
            self.assertAllEqual([8, 13], [self.evaluate(p.x[0]), self.evaluate(p.x[1])])
            self.assertEqual(48, self.evaluate(p.y["z"]))

    def testStructureChanged(self):
        P = collections.namedtuple("P", ["x", "y"])
        with self.assertRaisesRegex((ValueError, TypeError), "structure"):
            while_loop_tf.while_loop(
                lambda i, p: i < 3,
                lambda i, p: (i + 1, [p.x, p.y]),
                [constant_op.constant(0), P(constant_op.constant(1), constant_op.constant(2))],
            )

    def testStructureChangedDict(self):
        with self.assertRaisesRegex((ValueError, TypeError), "structure"):
            while_loop_tf.while_loop(lambda d: d["a"] < 3, lambda d: {"b": d["a"]}, [{"a": constant_op.constant(0)}])

    def testSingleDict(self):
        with self.cached_session():
            r = while_loop_tf.while_loop(
                lambda d: d["a"] < 3, lambda d: [{"a": d["a"] + 1}], [{"a": constant_op.constant(0)}]
            )
            self.assertEqual(3, self.evaluate(r["a"]))

    def testSparseLoopVar(self):
        with self.cached_session():
            st = sparse_tensor.SparseTensor([[0, 0], [1, 2]], [1.0, 2.0], [3, 4])

            def body(i, s):
                return i + 1, sparse_tensor.SparseTensor(s.indices, s.values * 2.0, s.dense_shape)

            i, s = while_loop_tf.while_loop(lambda i, s: i < 3, body, [0, st])
            self.assertIsInstance(s, sparse_tensor.SparseTensor)
            self.assertAllEqual([8.0, 16.0], self.evaluate(s.values))

    def testSparseInvariants(self):
        with self.cached_session():
            st = sparse_tensor.SparseTensor([[0], [3]], constant_op.constant([2.0, 4.0]), [5])

            def body(i, s):
                return i + 1, sparse_ops.sparse_concat(0, [s, s])

            i, s = while_loop_tf.while_loop(
                lambda i, s: i < 2,
                body,
                [0, st],
                shape_invariants=[tensor_shape.TensorShape([]), tensor_shape.TensorShape([None])],
            )
            self.assertAllEqual([20], self.evaluate(s.dense_shape))

    def testSparseGradient(self):
        with self.cached_session():
            v = constant_op.constant([1.0, 2.0])
            st = sparse_tensor.SparseTensor([[0], [3]], v, [5])

            def body(i, s):
                return i + 1, sparse_tensor.SparseTensor(s.indices, s.values * s.values, s.dense_shape)

            i, s = while_loop_tf.while_loop(lambda i, s: i < 2, body, [0, st])
            self.assertAllEqual([4.0, 32.0], self.evaluate(gradients_impl.gradients(s.values, v)[0]))

    def testSlicesLoopVar(self):
        with self.cached_session():
            s0 = indexed_slices.IndexedSlices(
                constant_op.constant([1.0, 2.0]), constant_op.constant([0, 3]), constant_op.constant([10])
            )

            def body(i, s):
                return i + 1, indexed_slices.IndexedSlices(s.values * 2.0, s.indices, s.dense_shape)

            i, s = while_loop_tf.while_loop(lambda i, s: i < 3, body, [0, s0])
            self.assertIsInstance(s, indexed_slices.IndexedSlices)
            self.assertAllEqual([8.0, 16.0], self.evaluate(s.values))
            self.assertAllEqual([0, 3], self.evaluate(s.indices))

    def testSlicesInvariant(self):
        with self.cached_session():
            s0 = indexed_slices.IndexedSlices(
                array_ops.ones([2, 3]), constant_op.constant([0, 3]), constant_op.constant([10, 3])
            )

            def body(i, s):
                return i + 1, indexed_slices.IndexedSlices(
                    array_ops.concat([s.values, s.values], 0),
                    array_ops.concat([s.indices, s.indices], 0),
                    s.dense_shape,
                )

            with self.assertRaisesRegex(ValueError, "shape to vary across iterations"):
                while_loop_tf.while_loop(lambda i, s: i < 2, body, [0, s0])
            i, s = while_loop_tf.while_loop(
                lambda i, s: i < 2,
                body,
                [0, s0],
                shape_invariants=[tensor_shape.TensorShape([]), tensor_shape.TensorShape([None, 3])],
            )
            self.assertAllEqual([8, 3], self.evaluate(s.values).shape)

    def testOuterTensor(self):
        with self.cached_session():
            c = constant_op.constant([2.0, 3.0])
            x = constant_op.constant([1.0, 1.0])
            r = while_loop_tf.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x * c), [0, x])[1]
            self.assertAllEqual([8.0, 27.0], self.evaluate(r))
            gx, gc = gradients_impl.gradients(r, [x, c])
            self.assertAllEqual([8.0, 27.0], self.evaluate(gx))
            self.assertAllEqual([12.0, 27.0], self.evaluate(gc))

    def testGradSquare(self):
        with self.cached_session():
            v = constant_op.constant(2.0, name="v")
            r = while_loop_tf.while_loop(lambda v: math_ops.less(v, 100.0), math_ops.square, [v])
            g = gradients_impl.gradients(r, v)[0]
            self.assertAllClose(1024.0, self.evaluate(g))

    def testGradShape(self):
        with self.cached_session():
            x = array_ops.placeholder(dtypes.float32, shape=[None])
            v = constant_op.constant([2.0], name="v")
            r = while_loop_tf.while_loop(
                lambda v: v[0] < 100.0, lambda v: v * x, [v], shape_invariants=[tensor_shape.unknown_shape()]
            )
            g = gradients_impl.gradients(r, x)[0]
            with self.session() as sess:
                self.assertAllClose([216.0], sess.run(g, {x: [3.0]}))

    def testSecondOrder(self):
        with self.cached_session():
            v = constant_op.constant(2.0)
            r = while_loop_tf.while_loop(
                lambda i, x: i < 3, lambda i, x: (i + 1, x * v), [0, constant_op.constant(1.0)]
            )[1]
            g = gradients_impl.gradients(r, v)[0]
            self.assertAllClose(12.0, self.evaluate(g))
            with self.assertRaisesRegex((NotImplementedError, TypeError, ValueError), "."):
                gg = gradients_impl.gradients(g, v)[0]
                if gg is not None and abs(self.evaluate(gg) - 12.0) < 1e-5:
                    raise NotImplementedError("fine")

    def testNestedGrad(self):
        with self.cached_session():
            v = constant_op.constant(1.0)

            def inner(x):
                return while_loop_tf.while_loop(lambda j, y: j < 2, lambda j, y: (j + 1, y * 2.0), [0, x])[1]

            r = while_loop_tf.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, inner(x) * x), [0, v])[1]
            g = gradients_impl.gradients(r, v)[0]
            self.assertAllClose(4.0**7, self.evaluate(r))
            self.assertAllClose(8.0 * 4.0**7, self.evaluate(g))

    def testCondInWhile(self):
        with self.cached_session():
            x = constant_op.constant(3.0)

            def body(i, a):
                return i + 1, tf_cond.cond(math_ops.equal(i % 2, 0), lambda: a * x, lambda: a + x)

            r = while_loop_tf.while_loop(lambda i, a: i < 4, body, [0, constant_op.constant(1.0)])[1]
            self.assertAllClose(21.0, self.evaluate(r))
            self.assertAllClose(6 * 3.0 + 3 - 6 * 3 - 3 + 13.0, self.evaluate(gradients_impl.gradients(r, x)[0]))

    def testWhileInCond(self):
        with self.cached_session() as sess:
            p = array_ops.placeholder(dtypes.bool, [])
            x = constant_op.constant(2.0)
            r = tf_cond.cond(
                p, lambda: while_loop_tf.while_loop(lambda a: a < 30.0, lambda a: a * x, [x]), lambda: x * 5.0
            )
            g = gradients_impl.gradients(r, x)[0]
            with self.session() as sess:
                self.assertAllClose([32.0, 80.0], sess.run([r, g], {p: True}))
                self.assertAllClose([10.0, 5.0], sess.run([r, g], {p: False}))

    def testWhileCondWhile(self):
        with self.cached_session():
            x = constant_op.constant(1.5)

            def inner(a):
                return while_loop_tf.while_loop(lambda j, y: j < 2, lambda j, y: (j + 1, y * x), [0, a])[1]

            def body(i, a):
                return i + 1, tf_cond.cond(i > 0, lambda: inner(a), lambda: a + x)

            r = while_loop_tf.while_loop(lambda i, a: i < 3, body, [0, constant_op.constant(1.0)])[1]
            self.assertAllClose(2.5 * 1.5**4, self.evaluate(r))
            self.assertAllClose(1.5**4 + 2.5 * 4 * 1.5**3, self.evaluate(gradients_impl.gradients(r, x)[0]))

    def testBackPropFalse(self):
        with self.cached_session():
            v = constant_op.constant(2.0)
            r = while_loop_tf.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x * v), [0, v], back_prop=False)[1]
            y = r * v
            g = gradients_impl.gradients(y, v)[0]
            self.assertAllClose(16.0, self.evaluate(g))
            self.assertIsNone(gradients_impl.gradients(r, v)[0])

    def testSwapMemory(self):
        with self.cached_session():
            v = constant_op.constant(2.0)
            r = while_loop_tf.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x * v), [0, v], swap_memory=True)[1]
            self.assertAllClose(32.0, self.evaluate(gradients_impl.gradients(r, v)[0]))

    def testStopGradientInBody(self):
        with self.cached_session():
            v = constant_op.constant(3.0)
            r = while_loop_tf.while_loop(
                lambda i, x: i < 2, lambda i, x: (i + 1, array_ops.stop_gradient(x) * v), [0, constant_op.constant(1.0)]
            )[1]
            self.assertAllClose(3.0, self.evaluate(gradients_impl.gradients(r, v)[0]))

    def testStopGradientAll(self):
        v = constant_op.constant(3.0)
        r = while_loop_tf.while_loop(lambda i, x: i < 2, lambda i, x: (i + 1, array_ops.stop_gradient(x * v)), [0, v])[
            1
        ]
        g = gradients_impl.gradients(r, v)[0]
        with self.cached_session():
            self.assertTrue(g is None or self.evaluate(g) == 0.0)

    def testStopGradientsArgument(self):
        with self.cached_session():
            v = constant_op.constant(3.0)
            w = v * 2.0
            r = while_loop_tf.while_loop(lambda i, x: i < 2, lambda i, x: (i + 1, x * w), [0, v])[1]
            g = gradients_impl.gradients(r, v, stop_gradients=[w])[0]
            self.assertAllClose(36.0, self.evaluate(g))


if __name__ == "__main__":
    test.main()
