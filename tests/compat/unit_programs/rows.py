"""map_fn, scan, foldl and foldr."""

import numpy as np
import tensorflow.python.ops.tensor_array_grad  # noqa
from tensorflow.python.framework import (
    constant_op,
    dtypes,
    errors,
    ops,
    test_util,
)
from tensorflow.python.ops import (
    array_ops,
    functional_ops,
    gradients_impl,
    init_ops,
    map_fn,
    math_ops,
    string_ops,
    variable_scope,
    variables,
)
from tensorflow.python.ops import (
    cond as tf_cond,
)
from tensorflow.python.platform import test


def simple_scoped_fn(a, x):
    with variable_scope.variable_scope("body"):
        two = variable_scope.get_variable("two", [], dtype=dtypes.int32, initializer=init_ops.constant_initializer(2))
        return math_ops.multiply(math_ops.add(a, x), two)


@test_util.run_v1_only("map")
class MapFnTest(test.TestCase):
    def testSimple(self):
        with self.session() as sess:
            e = constant_op.constant([1, 2, 3, 4, 5, 6], name="data")
            r = map_fn.map_fn(lambda x: math_ops.multiply(math_ops.add(x, 3), 2), e)
            self.assertAllEqual([8, 10, 12, 14, 16, 18], sess.run(r))
            self.assertEqual([6], r.get_shape().as_list())

    def testScoped(self):
        with self.session() as sess:

            def fn(x):
                with variable_scope.variable_scope("body"):
                    two = variable_scope.get_variable(
                        "two", [], dtype=dtypes.int32, initializer=init_ops.constant_initializer(2)
                    )
                    return math_ops.multiply(x, two)

            with variable_scope.variable_scope("root") as vs:
                r = map_fn.map_fn(fn, constant_op.constant([1, 2, 3]))
                self.assertEqual(1, len(variables.trainable_variables()))
                self.assertEqual("root/body/two:0", variables.trainable_variables()[0].name)
                sess.run(variables.global_variables_initializer())
                self.assertAllEqual([2, 4, 6], sess.run(r))
                vs.reuse_variables()
                r2 = map_fn.map_fn(fn, constant_op.constant([5, 6]))
                self.assertEqual(1, len(variables.trainable_variables()))
                self.assertAllEqual([10, 12], sess.run(r2))

    def testGrad(self):
        with self.session() as sess:
            p = constant_op.constant(2.0)
            e = constant_op.constant([1.0, 2.0, 3.0])
            y = map_fn.map_fn(lambda x: math_ops.multiply(math_ops.square(x), p), e)
            r, s = gradients_impl.gradients(y, [p, e])
            self.assertAllEqual(14.0, sess.run(r))
            self.assertAllEqual([4.0, 8.0, 12.0], sess.run(s))

    def testMultiInput(self):
        with self.session() as sess:
            e = (constant_op.constant([1, 2, 3]), constant_op.constant([-1, 1, -1]))
            r = map_fn.map_fn(lambda x: x[0] * x[1], e, dtype=dtypes.int32)
            self.assertAllEqual([-1, 2, -3], sess.run(r))

    def testMultiInputMultiOutput(self):
        with self.session() as sess:
            e = (constant_op.constant([1, 2, 3]), constant_op.constant([[1.0], [2.0], [3.0]]))
            r = map_fn.map_fn(lambda x: (x[1] * 2.0, x[0] + 1), e, dtype=(dtypes.float32, dtypes.int32))
            a, b = sess.run(r)
            self.assertAllEqual([[2.0], [4.0], [6.0]], a)
            self.assertAllEqual([2, 3, 4], b)

    def testNested(self):
        with self.session() as sess:
            e = {"a": constant_op.constant([1, 2]), "b": [constant_op.constant([3, 4])]}
            r = map_fn.map_fn(lambda d: {"s": d["a"] + d["b"][0]}, e, dtype={"s": dtypes.int32})
            self.assertAllEqual([4, 6], sess.run(r)["s"])

    def testWrongDtypeStructure(self):
        e = constant_op.constant([1, 2, 3])
        with self.assertRaisesRegex((TypeError, ValueError), "structure"):
            map_fn.map_fn(lambda x: (x, x), e, dtype=[dtypes.int32, dtypes.int32])
        with self.assertRaisesRegex((TypeError, ValueError), "structure|match"):
            map_fn.map_fn(lambda x: [x, x], e)

    def testNotCallable(self):
        with self.assertRaises((TypeError, AttributeError)):
            map_fn.map_fn(3, constant_op.constant([1]))

    def testNoTensors(self):
        with self.assertRaisesRegex(ValueError, "does not contain any Tensors|at least one"):
            map_fn.map_fn(lambda x: x, [])

    def testScalarElems(self):
        with self.assertRaisesRegex(ValueError, "must be 1\\+ dimensional|not scalars"):
            map_fn.map_fn(lambda x: x, constant_op.constant(1))
        with self.assertRaisesRegex(ValueError, "not scalars|1\\+"):
            map_fn.map_fn(lambda x: x, 1)

    def testStaticLengthsDiffer(self):
        with self.assertRaises(ValueError):
            map_fn.map_fn(
                lambda x: x[0] + x[1],
                (constant_op.constant([1, 2]), constant_op.constant([1, 2, 3])),
                dtype=dtypes.int32,
            )

    def testEmpty(self):
        with self.session() as sess:
            r = map_fn.map_fn(lambda x: x + 1.0, array_ops.zeros([0, 3]))
            self.assertEqual((0, 3), sess.run(r).shape)

    def testUnknownShape(self):
        with self.session() as sess:
            x = array_ops.placeholder(dtypes.float32)
            y = map_fn.map_fn(lambda e: e * 2.0, x)
            self.assertIsNone(y.get_shape().dims)
            self.assertAllEqual([2.0, 4.0], sess.run(y, {x: [1.0, 2.0]}))
            z = map_fn.map_fn(lambda e: e, array_ops.placeholder(dtypes.float32, [None, 2]))
            self.assertEqual([None, 2], z.get_shape().as_list())

    def testInferShapeFalse(self):
        with self.session() as sess:
            x = constant_op.constant([1, 2, 3])
            y = map_fn.map_fn(lambda i: array_ops.ones([i]), x, dtype=dtypes.float32, infer_shape=False)
            with self.assertRaises(errors.InvalidArgumentError):
                sess.run(y)

    def testParallelIterations(self):
        with self.session() as sess:
            for p in (1, 3, 10):
                self.assertAllEqual(
                    [2, 4, 6],
                    sess.run(map_fn.map_fn(lambda x: x * 2, constant_op.constant([1, 2, 3]), parallel_iterations=p)),
                )

    def testBackPropFalse(self):
        with self.session():
            e = constant_op.constant([1.0, 2.0])
            y = map_fn.map_fn(lambda x: x * x, e, back_prop=False)
            self.assertIsNone(gradients_impl.gradients(y, e)[0])

    def testOfMap(self):
        with self.session() as sess:
            e = constant_op.constant([[1.0, 2.0], [3.0, 4.0]])
            y = map_fn.map_fn(lambda r: map_fn.map_fn(lambda x: x * x, r), e)
            self.assertAllEqual([[1.0, 4.0], [9.0, 16.0]], sess.run(y))
            self.assertAllEqual([[2.0, 4.0], [6.0, 8.0]], sess.run(gradients_impl.gradients(y, e)[0]))

    def testStringDtype(self):
        with self.session() as sess:
            y = map_fn.map_fn(lambda s: string_ops.string_join([s, "!"]), constant_op.constant(["a", "b"]))
            self.assertAllEqual([b"a!", b"b!"], sess.run(y))

    def testSignature(self):
        with self.session() as sess:
            y = map_fn.map_fn(
                lambda x: math_ops.cast(x, dtypes.float32) / 2.0,
                constant_op.constant([1, 2]),
                fn_output_signature=dtypes.float32,
            )
            self.assertAllClose([0.5, 1.0], sess.run(y))

    def testName(self):
        with ops.Graph().as_default():
            y = map_fn.map_fn(lambda x: x, constant_op.constant([1, 2]), name="mp")
            self.assertTrue(y.name.startswith("mp/"))
            y = map_fn.map_fn(lambda x: x, constant_op.constant([1, 2]))
            self.assertTrue(y.name.startswith("map/"))

    def testCapturedInCond(self):
        with self.session() as sess:
            p = array_ops.placeholder(dtypes.bool, [])
            e = constant_op.constant([1.0, 2.0])
            y = tf_cond.cond(p, lambda: map_fn.map_fn(lambda x: x * 3.0, e), lambda: e)
            g = gradients_impl.gradients(y, e)[0]
            self.assertAllEqual([3.0, 3.0], sess.run(g, {p: True}))


@test_util.run_v1_only("fold")
class FoldTest(test.TestCase):
    def testFoldl(self):
        with self.session() as sess:
            e = constant_op.constant([1, 2, 3, 4, 5, 6])

            def f(a, x):
                return (a + x) * 2

            self.assertAllEqual(208, sess.run(functional_ops.foldl(f, e)))
            self.assertAllEqual(880, sess.run(functional_ops.foldl(f, e, initializer=10)))

    def testFoldr(self):
        with self.session() as sess:
            e = constant_op.constant([1, 2, 3, 4, 5, 6])

            def f(a, x):
                return (a + x) * 2

            self.assertAllEqual(450, sess.run(functional_ops.foldr(f, e)))
            self.assertAllEqual(1282, sess.run(functional_ops.foldr(f, e, initializer=10)))

    def testSingleInputMultiOutput(self):
        with self.session() as sess:
            e = np.array([1, 2, 3, 4, 5, 6])
            r = functional_ops.foldl(lambda a, x: (a[0] + x, a[1] - x), e, (np.array(1), np.array(-1)))
            self.assertAllEqual([22, -22], sess.run(list(r)))

    def testMultiInput(self):
        with self.session() as sess:
            e = (np.array([1, 2, 3]), np.array([10, 20, 30]))
            r = functional_ops.foldr(lambda a, x: a + x[0] * x[1], e, np.array(0))
            self.assertAllEqual(140, sess.run(r))
            with self.assertRaises((ValueError, TypeError)):
                functional_ops.foldl(lambda a, x: a + x[0], e)

    def testScoped(self):
        with self.session() as sess:
            with variable_scope.variable_scope("root") as vs:
                e = constant_op.constant([1, 2, 3, 4, 5, 6])
                r = functional_ops.foldl(simple_scoped_fn, e)
                self.assertEqual("root/body/two:0", variables.trainable_variables()[0].name)
                sess.run(variables.global_variables_initializer())
                self.assertAllEqual(208, sess.run(r))
                vs.reuse_variables()
                r = functional_ops.foldr(simple_scoped_fn, e, initializer=10)
                self.assertEqual(1, len(variables.trainable_variables()))
                self.assertAllEqual(1282, sess.run(r))

    def testGrad(self):
        with self.session() as sess:
            e = constant_op.constant([1.0, 2.0, 3.0])
            v = constant_op.constant(2.0)
            r = functional_ops.foldl(lambda a, x: a * x, e, initializer=v)
            self.assertAllEqual(6.0, sess.run(gradients_impl.gradients(r, v)[0]))
            self.assertAllEqual([12.0, 6.0, 4.0], sess.run(gradients_impl.gradients(r, e)[0]))

    def testShape(self):
        with self.session():
            x = constant_op.constant([[1, 2, 3], [4, 5, 6]])
            y = functional_ops.foldl(lambda a, e: a + e, x)
            self.assertEqual([3], y.get_shape().as_list())
            x = array_ops.placeholder(dtypes.int32)
            y = functional_ops.foldl(lambda a, e: a, x)
            self.assertIsNone(y.get_shape().dims)

    def testNotCallable(self):
        with self.assertRaises((TypeError, AttributeError)):
            functional_ops.foldl(1, [1, 2])
        with self.assertRaises((TypeError, AttributeError)):
            functional_ops.foldr(1, [1, 2])
        with self.assertRaises((TypeError, AttributeError)):
            functional_ops.scan(1, [1, 2])

    def testScan(self):
        with self.session() as sess:
            e = constant_op.constant([1, 2, 3, 4, 5, 6])

            def f(a, x):
                return math_ops.multiply(math_ops.add(a, x), 2)

            self.assertAllEqual([1, 6, 18, 44, 98, 208], sess.run(functional_ops.scan(f, e)))
            v = constant_op.constant(2)
            self.assertAllEqual([6, 16, 38, 84, 178, 368], sess.run(functional_ops.scan(f, e, initializer=v)))

    def testScanReverse(self):
        with self.session() as sess:
            e = constant_op.constant([1, 2, 3, 4])
            self.assertAllEqual([10, 9, 7, 4], sess.run(functional_ops.scan(lambda a, x: a + x, e, reverse=True)))
            self.assertAllEqual(
                [11, 10, 8, 5], sess.run(functional_ops.scan(lambda a, x: a + x, e, initializer=1, reverse=True))
            )

    def testScanMulti(self):
        with self.session() as sess:
            e = (np.array([1, 2, 3]), np.array([-1, 1, -1]))
            r = functional_ops.scan(lambda a, x: (a[0] + x[0], a[1] * x[1]), e, initializer=(np.array(0), np.array(1)))
            self.assertAllEqual([1, 3, 6], sess.run(r[0]))
            self.assertAllEqual([-1, -1, 1], sess.run(r[1]))

    def testScanStructure(self):
        e = np.array([1, 2, 3])
        with self.assertRaises((TypeError, ValueError)):
            functional_ops.scan(lambda a, x: (a, -a), e, initializer=(np.array(1),))

    def testScanGrad(self):
        with self.session() as sess:
            e = constant_op.constant([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
            v = constant_op.constant(2.0)
            r = functional_ops.scan(lambda a, x: a * x, e, initializer=v)
            g = gradients_impl.gradients(r, v)[0]
            self.assertAllEqual(873.0, sess.run(g))

    def testScanMultipleGrad(self):
        with self.session() as sess:
            with variable_scope.variable_scope("w"):
                w = variable_scope.get_variable("w", [3, 3], initializer=init_ops.constant_initializer(0.1))
            x = constant_op.constant(np.ones([4, 2, 3], np.float32))
            r = functional_ops.scan(
                lambda h, i: math_ops.tanh(math_ops.matmul(h, w) + i), x, initializer=array_ops.zeros([2, 3])
            )
            g = gradients_impl.gradients(math_ops.reduce_sum(r[-1]), w)[0]
            sess.run(variables.global_variables_initializer())
            self.assertEqual((3, 3), sess.run(g).shape)

    def testScanUnknownShape(self):
        with self.session() as sess:
            x = array_ops.placeholder(dtypes.float32)
            r = functional_ops.scan(lambda a, i: a + i, x, infer_shape=False)
            self.assertAllEqual([1.0, 3.0], sess.run(r, {x: [1.0, 2.0]}))

    def testScanEmpty(self):
        with self.session() as sess:
            r = functional_ops.scan(lambda a, i: a + i, array_ops.zeros([0, 2]), initializer=array_ops.ones([2]))
            self.assertEqual((0, 2), sess.run(r).shape)

    def testScanVaryingShape(self):
        with self.session():
            x = array_ops.placeholder(dtypes.float32, [None, 2])
            r = functional_ops.scan(lambda a, i: a + i, x)
            self.assertEqual([None, 2], r.get_shape().as_list())
            xt = array_ops.transpose(x)
            r = functional_ops.scan(lambda a, i: a + i, xt)
            self.assertEqual([2, None], r.get_shape().as_list())

    def testScanFoldNested(self):
        with self.session() as sess:
            e = constant_op.constant([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
            inner = constant_op.constant([0.5, 0.5])

            def r_inner(a, x):
                return a * x * 1.2

            def f(a, x):
                return functional_ops.scan(r_inner, inner, a * x)[0] * 0.0 + a * x

            r = functional_ops.scan(f, e, 1.0)
            self.assertAllClose([1.0, 2.0, 6.0, 24.0, 120.0, 720.0], sess.run(r))
            g = gradients_impl.gradients(r[-1], e)[0]
            self.assertAllClose(720.0 / np.arange(1, 7), sess.run(g))


if __name__ == "__main__":
    test.main()
