"""If, While and For of functions; lists of tensors."""

import tensorflow.python.ops.tensor_array_grad  # noqa
from tensorflow.python.framework import (
    constant_op,
    dtypes,
    errors,
    function,
    test_util,
)
from tensorflow.python.ops import (
    array_ops,
    functional_ops,
    gen_functional_ops,
    gradients_impl,
    init_ops,
    list_ops,
    math_ops,
    variable_scope,
    while_loop,
)
from tensorflow.python.platform import test


def simple_scoped_fn(a, x):
    with variable_scope.variable_scope("body"):
        two = variable_scope.get_variable("two", [], dtype=dtypes.int32, initializer=init_ops.constant_initializer(2))
        return math_ops.multiply(math_ops.add(a, x), two)


@test_util.run_v1_only("functional")
class FunctionalTest(test.TestCase):
    def testIf(self):
        @function.Defun(dtypes.float32)
        def twice(x):
            return x * 2

        @function.Defun(dtypes.float32)
        def thrice(x):
            return x * 3 + 1

        with self.session() as sess:
            x = array_ops.placeholder(dtypes.float32)
            r = functional_ops.If(math_ops.greater(x, 0), [x], twice, thrice)[0]
            self.assertEqual(18.0, sess.run(r, {x: 9.0}))
            self.assertEqual(-23.0, sess.run(r, {x: -8.0}))

    def testIfNumbersAndStrings(self):
        @function.Defun(dtypes.float32)
        def t(x):
            return x + 1

        @function.Defun(dtypes.float32)
        def f(x):
            return x - 1

        with self.session() as sess:
            for value, want in ((1, 3.0), (0, 1.0), (2.5, 3.0), ("", 1.0), ("a", 3.0)):
                r = functional_ops.If(constant_op.constant(value), [2.0], t, f)
                self.assertAllEqual([want], sess.run(r))

    def testIfGrad(self):
        @function.Defun(dtypes.float32)
        def t(x):
            return x * x

        @function.Defun(dtypes.float32)
        def f(x):
            return -x

        with self.session() as sess:
            x = array_ops.placeholder(dtypes.float32, [])
            r = functional_ops.If(x > 0.0, [x], t, f)[0]
            g = gradients_impl.gradients(r, x)[0]
            self.assertEqual([6.0, -1.0], [sess.run(g, {x: 3.0}), sess.run(g, {x: -3.0})])

    def testWhile(self):
        @function.Defun(dtypes.int32, dtypes.float32)
        def cond(n, x):
            return n > 0

        @function.Defun(dtypes.int32, dtypes.float32)
        def body(n, x):
            return n - 1, x + math_ops.cast(n, dtypes.float32)

        with self.session() as sess:
            for n, want in ((20, 210.0), (3, 6.0), (0, 0.0)):
                r = functional_ops.While([n, 0.0], cond, body)
                self.assertAllEqual(want, sess.run(r)[1])

    def testWhileFloatCond(self):
        @function.Defun(dtypes.float32)
        def cond(x):
            return x

        @function.Defun(dtypes.float32)
        def body(x):
            return x - 1.0

        with self.session() as sess:
            self.assertAllEqual([0.0], sess.run(functional_ops.While([3.0], cond, body)))

    def testWhileSignaturesDiffer(self):
        @function.Defun(dtypes.int32)
        def cond(n):
            return n > 0

        @function.Defun(dtypes.float32)
        def body(n):
            return n - 1

        with self.assertRaisesRegex(ValueError, "signatures do not match|must be"):
            functional_ops.While([3], cond, body)

    def testWhileCondCaptures(self):
        with self.session():
            v = constant_op.constant(3)

            @function.Defun(dtypes.int32)
            def cond(n):
                return n > v

            @function.Defun(dtypes.int32)
            def body(n):
                return n - 1

            with self.assertRaisesRegex(ValueError, "can not have implicitly captured inputs"):
                functional_ops.While([9], cond, body)

    def testWhileBodyCaptures(self):
        with self.session() as sess:
            v = constant_op.constant(2.0)

            @function.Defun(dtypes.int32, dtypes.float32)
            def cond(n, x):
                return n > 0

            @function.Defun(dtypes.int32, dtypes.float32)
            def body(n, x):
                return n - 1, x * v

            self.assertAllEqual(8.0, sess.run(functional_ops.While([3, 1.0], cond, body))[1])

    def testFor(self):
        @function.Defun(dtypes.int32, dtypes.float32)
        def foo(i, x):
            return x + math_ops.cast(i, dtypes.float32)

        with self.session() as sess:
            self.assertAllEqual([45.0], sess.run(functional_ops.For(0, 10, 1, [0.0], foo)))
            self.assertAllEqual([20.0], sess.run(functional_ops.For(0, 10, 2, [0.0], foo)))
            self.assertAllEqual([55.0], sess.run(functional_ops.For(10, 0, -1, [0.0], foo)))
            self.assertAllEqual([0.0], sess.run(functional_ops.For(0, 0, 1, [0.0], foo)))

    def testForBad(self):
        @function.Defun(dtypes.int32, dtypes.float32)
        def foo(i, x):
            return x

        @function.Defun(dtypes.int32, dtypes.float32)
        def two(i, x):
            return x, x

        with self.session() as sess:
            with self.assertRaisesRegex(errors.InvalidArgumentError, "must be a scalar"):
                sess.run(functional_ops.For([0], 10, 1, [0.0], foo))
            with self.assertRaisesRegex(errors.InvalidArgumentError, "Invalid start/limit/delta"):
                sess.run(functional_ops.For(0, 10, -1, [0.0], foo))
            with self.assertRaises((errors.InvalidArgumentError, ValueError)):
                sess.run(functional_ops.For(0, 10, 1, [0.0], two))

    def testForGrad(self):
        @function.Defun(dtypes.int32, dtypes.float32)
        def foo(i, x):
            return x * 2.0

        with self.session() as sess:
            v = constant_op.constant(3.0)
            r = functional_ops.For(0, 4, 1, [v], foo, rewrite_with_while=True)[0]
            self.assertEqual(48.0, sess.run(r))

    def testRemoteCall(self):
        @function.Defun(dtypes.int32, dtypes.int32)
        def f(a, b):
            return a * b

        with self.session() as sess:
            r = functional_ops.remote_call(
                args=[constant_op.constant(3), constant_op.constant(4)],
                Tout=[dtypes.int32],
                f=f,
                target="/job:localhost/replica:0/task:0/device:CPU:0",
            )[0]
            self.assertEqual(12, sess.run(r))

    def testSymbolicGradient(self):
        @function.Defun(dtypes.float32, dtypes.float32)
        def f(x, y):
            return x * y

        with self.session() as sess:
            r = functional_ops.Gradient([2.0, 3.0, 1.0], f)
            self.assertAllEqual([3.0, 2.0], sess.run(r))

    def testCase(self):
        @function.Defun(dtypes.float32)
        def a(x):
            return x + 1

        @function.Defun(dtypes.float32)
        def b(x):
            return x * 10

        with self.session() as sess:
            i = array_ops.placeholder(dtypes.int32, [])
            r = (
                functional_ops.Case(i, [constant_op.constant(2.0)], [a, b])
                if hasattr(functional_ops, "Case")
                else gen_functional_ops.case(i, [constant_op.constant(2.0)], [dtypes.float32], [a, b])
            )
            self.assertEqual([3.0, 20.0, 20.0], [sess.run(r, {i: k})[0] for k in (0, 1, 7)])

    def testDefun(self):
        @function.Defun(dtypes.float32, dtypes.float32, func_name="MyAdd")
        def add(x, y):
            return x + y

        with self.session() as sess:
            r = add(constant_op.constant(1.0), constant_op.constant(2.0))
            self.assertEqual(3.0, sess.run(r))
            self.assertEqual("MyAdd", add.name)

    def testCustomGradientDefun(self):
        @function.Defun(dtypes.float32, dtypes.float32)
        def g(x, dy):
            return dy * 100.0 * x

        @function.Defun(dtypes.float32, grad_func=g)
        def f(x):
            return x * x

        with self.session() as sess:
            x = constant_op.constant(3.0)
            self.assertEqual(300.0, sess.run(gradients_impl.gradients(f(x), x)[0]))


@test_util.run_v1_only("list")
class ListTest(test.TestCase):
    def testPushPop(self):
        with self.session() as sess:
            l = list_ops.empty_tensor_list(element_dtype=dtypes.float32, element_shape=[])
            l = list_ops.tensor_list_push_back(l, constant_op.constant(1.0))
            l, e = list_ops.tensor_list_pop_back(l, element_dtype=dtypes.float32)
            self.assertAllEqual(1.0, sess.run(e))

    def testPopEmpty(self):
        with self.session() as sess:
            l = list_ops.empty_tensor_list(element_dtype=dtypes.float32, element_shape=[], max_num_elements=0)
            with self.assertRaisesRegex(errors.InvalidArgumentError, "Trying to pop from an empty list"):
                sess.run(list_ops.tensor_list_pop_back(l, element_dtype=dtypes.float32)[1])

    def testPushFull(self):
        with self.session() as sess:
            l = list_ops.empty_tensor_list(element_dtype=dtypes.float32, element_shape=[], max_num_elements=1)
            l = list_ops.tensor_list_push_back(l, 1.0)
            l = list_ops.tensor_list_push_back(l, 2.0)
            with self.assertRaisesRegex(errors.InvalidArgumentError, "Tried to push item into a full list"):
                sess.run(list_ops.tensor_list_stack(l, element_dtype=dtypes.float32))

    def testStack(self):
        with self.session() as sess:
            l = list_ops.empty_tensor_list(element_dtype=dtypes.float32, element_shape=[2])
            l = list_ops.tensor_list_push_back(l, [1.0, 2.0])
            l = list_ops.tensor_list_push_back(l, [3.0, 4.0])
            t = list_ops.tensor_list_stack(l, element_dtype=dtypes.float32, num_elements=2)
            self.assertEqual([2, 2], t.get_shape().as_list())
            self.assertAllEqual([[1.0, 2.0], [3.0, 4.0]], sess.run(t))
            with self.assertRaises((errors.InvalidArgumentError, ValueError)):
                sess.run(list_ops.tensor_list_stack(l, element_dtype=dtypes.float32, num_elements=3))

    def testFromTensor(self):
        with self.session() as sess:
            x = constant_op.constant([1.0, 2.0])
            l = list_ops.tensor_list_from_tensor(x, element_shape=[])
            l, e = list_ops.tensor_list_pop_back(l, element_dtype=dtypes.float32)
            self.assertEqual(2.0, sess.run(e))
            self.assertEqual(1, sess.run(list_ops.tensor_list_length(l)))

    def testGetSet(self):
        with self.session() as sess:
            l = list_ops.tensor_list_from_tensor(constant_op.constant([1.0, 2.0]), element_shape=[])
            l = list_ops.tensor_list_set_item(l, 0, 5.0)
            self.assertEqual(5.0, sess.run(list_ops.tensor_list_get_item(l, 0, element_dtype=dtypes.float32)))
            with self.assertRaisesRegex(
                errors.InvalidArgumentError, "Trying to access element 4 in a list with 2 elements"
            ):
                sess.run(list_ops.tensor_list_get_item(l, 4, element_dtype=dtypes.float32))
            with self.assertRaisesRegex(
                errors.InvalidArgumentError, "Trying to modify element 4 in a list with 2 elements"
            ):
                sess.run(list_ops.tensor_list_length(list_ops.tensor_list_set_item(l, 4, 5.0)))

    def testReserve(self):
        with self.session() as sess:
            l = list_ops.tensor_list_reserve(element_shape=[2], num_elements=3, element_dtype=dtypes.float32)
            l = list_ops.tensor_list_set_item(l, 1, [1.0, 2.0])
            self.assertAllEqual(
                [[0.0, 0.0], [1.0, 2.0], [0.0, 0.0]],
                sess.run(list_ops.tensor_list_stack(l, element_dtype=dtypes.float32)),
            )

    def testGatherScatter(self):
        with self.session() as sess:
            l = list_ops.tensor_list_scatter(constant_op.constant([1.0, 2.0]), [0, 3], element_shape=[])
            self.assertAllEqual(
                [2.0, 1.0], sess.run(list_ops.tensor_list_gather(l, [3, 0], element_dtype=dtypes.float32))
            )

    def testConcatSplit(self):
        with self.session() as sess:
            l = list_ops.tensor_list_split(constant_op.constant([1.0, 2.0, 3.0]), element_shape=[None], lengths=[2, 1])
            self.assertAllEqual(
                [1.0, 2.0, 3.0],
                sess.run(list_ops.tensor_list_concat(l, element_dtype=dtypes.float32, element_shape=[None])),
            )
            self.assertAllEqual([3.0], sess.run(list_ops.tensor_list_get_item(l, 1, element_dtype=dtypes.float32)))

    def testConcatLists(self):
        with self.session() as sess:
            a = list_ops.tensor_list_from_tensor([1.0, 2.0], element_shape=[])
            b = list_ops.tensor_list_from_tensor([3.0], element_shape=[])
            c = list_ops.tensor_list_concat_lists(a, b, element_dtype=dtypes.float32)
            self.assertAllEqual([1.0, 2.0, 3.0], sess.run(list_ops.tensor_list_stack(c, element_dtype=dtypes.float32)))

    def testResize(self):
        with self.session() as sess:
            l = list_ops.tensor_list_from_tensor([1.0, 2.0, 3.0], element_shape=[])
            self.assertAllEqual(
                [1.0],
                sess.run(list_ops.tensor_list_stack(list_ops.tensor_list_resize(l, 1), element_dtype=dtypes.float32)),
            )

    def testStackGrad(self):
        with self.session() as sess:
            x = constant_op.constant([1.0, 2.0, 3.0])
            l = list_ops.tensor_list_from_tensor(x, element_shape=[])
            y = list_ops.tensor_list_stack(l, element_dtype=dtypes.float32) * [1.0, 2.0, 3.0]
            self.assertAllEqual([1.0, 2.0, 3.0], sess.run(gradients_impl.gradients(y, x)[0]))

    def testElementShape(self):
        with self.session() as sess:
            l = list_ops.empty_tensor_list(element_dtype=dtypes.float32, element_shape=[-1, 2] if False else [None, 2])
            self.assertAllEqual([-1, 2], sess.run(list_ops.tensor_list_element_shape(l, shape_type=dtypes.int32)))

    def testWrongDtype(self):
        with self.session() as sess:
            l = list_ops.empty_tensor_list(element_dtype=dtypes.float32, element_shape=None)
            with self.assertRaises((errors.InvalidArgumentError, TypeError, ValueError)):
                l = list_ops.tensor_list_push_back(l, constant_op.constant(1))
                sess.run(list_ops.tensor_list_length(l))

    def testLoopGrad(self):
        with self.session() as sess:
            x = constant_op.constant(2.0)
            l0 = list_ops.empty_tensor_list(element_dtype=dtypes.float32, element_shape=[])

            def body(i, l):
                return i + 1, list_ops.tensor_list_push_back(l, x * math_ops.cast(i, dtypes.float32))

            _, l = while_loop.while_loop(lambda i, l: i < 4, body, [0, l0])
            y = list_ops.tensor_list_stack(l, element_dtype=dtypes.float32)
            self.assertAllEqual([0.0, 2.0, 4.0, 6.0], sess.run(y))
            self.assertAllEqual(6.0, sess.run(gradients_impl.gradients(y, x)[0]))


if __name__ == "__main__":
    test.main()
