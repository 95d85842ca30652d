"""Input producers: names, numbers and rows, epoch by epoch."""

import itertools
import os

import tensorflow.compat.v1 as tf
from tensorflow.python.framework import constant_op, dtypes, errors_impl, ops, test_util
from tensorflow.python.ops import array_ops, variables
from tensorflow.python.platform import test
from tensorflow.python.training import coordinator, queue_runner_impl
from tensorflow.python.training import input as inp
from tensorflow.python.util import compat


class MatchFilenamesOnceTest(test_util.TensorFlowTestCase):
    @test_util.run_deprecated_v1
    def test(self):
        temp_dir = self.get_temp_dir()
        filenames = [os.path.join(temp_dir, n) for n in sorted(os.listdir(temp_dir))]
        additional = [os.path.join(self.get_temp_dir(), "match_filenames.%d" % i) for i in range(3)]
        for name in additional:
            with open(name, "w") as f:
                f.write("Some contents")
        filenames = sorted(set(filenames + additional))
        with self.cached_session():
            star = inp.match_filenames_once(os.path.join(self.get_temp_dir(), "*"))
            question = inp.match_filenames_once(os.path.join(self.get_temp_dir(), "match_filenames.?"))
            one = inp.match_filenames_once(additional[1])
            self.evaluate(variables.global_variables_initializer())
            self.evaluate(variables.local_variables_initializer())
            self.assertItemsEqual(list(map(compat.as_bytes, filenames)), self.evaluate(star))
            self.assertItemsEqual(list(map(compat.as_bytes, additional)), self.evaluate(question))
            self.assertItemsEqual([compat.as_bytes(additional[1])], self.evaluate(one))


class LimitEpochsTest(test_util.TensorFlowTestCase):
    @test_util.run_deprecated_v1
    def testNoLimit(self):
        with self.cached_session():
            seven = constant_op.constant(7)
            seven_forever = inp.limit_epochs(seven)
            variables.local_variables_initializer().run()
            for _ in range(100):
                self.assertEqual(7, self.evaluate(seven_forever))

    @test_util.run_deprecated_v1
    def testLimit(self):
        with self.cached_session():
            love_me = constant_op.constant("Love Me")
            love_me_two_times = inp.limit_epochs(love_me, num_epochs=2)
            self.evaluate(variables.global_variables_initializer())
            self.evaluate(variables.local_variables_initializer())
            self.assertEqual(b"Love Me", self.evaluate(love_me_two_times))
            self.assertEqual(b"Love Me", self.evaluate(love_me_two_times))
            with self.assertRaises(errors_impl.OutOfRangeError):
                self.evaluate(love_me_two_times)

    @test_util.run_deprecated_v1
    def testBad(self):
        with self.assertRaisesRegex(ValueError, "num_epochs must be > 0 not 0"):
            inp.limit_epochs(constant_op.constant(1), num_epochs=0)
        with self.assertRaisesRegex(ValueError, "num_epochs must be > 0 not -3"):
            inp.limit_epochs(constant_op.constant(1), num_epochs=-3)

    @test_util.run_deprecated_v1
    def testName(self):
        t = inp.limit_epochs(constant_op.constant(1), 2, name="lim")
        self.assertEqual("lim", t.op.name)
        self.assertEqual(["lim/epochs"], [v.op.name for v in ops.get_collection(ops.GraphKeys.LOCAL_VARIABLES)])


class InputProducerTest(test_util.TensorFlowTestCase):
    @test_util.run_deprecated_v1
    def testNoShuffle(self):
        with self.cached_session():
            input_tensor = [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]]
            num_epochs = 2
            queue = inp.input_producer(input_tensor, num_epochs=num_epochs, shuffle=False)
            dequeue_many = queue.dequeue_many(len(input_tensor) * num_epochs)
            dequeue = queue.dequeue()
            self.evaluate(variables.global_variables_initializer())
            self.evaluate(variables.local_variables_initializer())
            threads = queue_runner_impl.start_queue_runners()
            self.assertAllEqual(input_tensor * num_epochs, self.evaluate(dequeue_many))
            with self.assertRaises(errors_impl.OutOfRangeError):
                self.evaluate(dequeue)
            for thread in threads:
                thread.join()

    @test_util.run_deprecated_v1
    def testNoShapeInference(self):
        with self.cached_session():
            input_value = [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]]
            input_tensor = array_ops.placeholder_with_default(input_value, shape=None)
            num_epochs = 2
            queue = inp.input_producer(input_tensor, element_shape=[4], num_epochs=num_epochs, shuffle=False)
            dequeue_many = queue.dequeue_many(len(input_value) * num_epochs)
            self.evaluate(variables.local_variables_initializer())
            threads = queue_runner_impl.start_queue_runners()
            self.assertAllEqual(input_value * num_epochs, self.evaluate(dequeue_many))
            for thread in threads:
                thread.join()

    @test_util.run_deprecated_v1
    def testShapeError(self):
        input_tensor = array_ops.placeholder(dtypes.float32, None)
        with self.assertRaisesRegex(ValueError, "fully defined shape"):
            _ = inp.input_producer(input_tensor)

    @test_util.run_deprecated_v1
    def testSummaryAndCancelOp(self):
        q = inp.input_producer([1, 2], summary_name="full", capacity=8)
        self.assertEqual(1, len(ops.get_collection(ops.GraphKeys.SUMMARIES)))
        (runner,) = ops.get_collection(ops.GraphKeys.QUEUE_RUNNERS)
        self.assertEqual(q.name, runner.name)
        cancel = tf.no_op(name="cancel")
        inp.input_producer([1, 2], cancel_op=cancel)
        self.assertIs(cancel, ops.get_collection(ops.GraphKeys.QUEUE_RUNNERS)[1].cancel_op)


class StringInputProducerTest(test_util.TensorFlowTestCase):
    @test_util.run_deprecated_v1
    def testNoShuffle(self):
        with self.cached_session():
            strings = [b"to", b"be", b"or", b"not", b"to", b"be"]
            num_epochs = 3
            queue = inp.string_input_producer(strings, num_epochs=num_epochs, shuffle=False)
            dequeue_many = queue.dequeue_many(len(strings) * num_epochs)
            dequeue = queue.dequeue()
            self.evaluate(variables.global_variables_initializer())
            self.evaluate(variables.local_variables_initializer())
            threads = queue_runner_impl.start_queue_runners()
            output = self.evaluate(dequeue_many)
            self.assertAllEqual(strings * num_epochs, output)
            with self.assertRaises(errors_impl.OutOfRangeError):
                self.evaluate(dequeue)
            for thread in threads:
                thread.join()

    @test_util.run_deprecated_v1
    def testShuffle(self):
        with self.cached_session():
            strings = [b"a", b"b", b"c"]
            num_epochs = 60
            queue = inp.string_input_producer(strings, num_epochs=num_epochs, shuffle=True, seed=271828)
            dequeue_many = queue.dequeue_many(len(strings))
            dequeue = queue.dequeue()
            self.evaluate(variables.global_variables_initializer())
            self.evaluate(variables.local_variables_initializer())
            threads = queue_runner_impl.start_queue_runners()
            expected = {perm: 0 for perm in map(b"".join, itertools.permutations(strings))}
            for _ in range(num_epochs):
                key = b"".join(self.evaluate(dequeue_many))
                self.assertIn(key, expected)
                expected[key] += 1
            for key in expected:
                self.assertGreater(expected[key], 0)
            with self.assertRaises(errors_impl.OutOfRangeError):
                self.evaluate(dequeue)
            for thread in threads:
                thread.join()

    def testNullStringPython(self):
        # Graph-construction time check for empty string list:
        with ops.Graph().as_default():
            with self.assertRaises(ValueError):
                _ = inp.string_input_producer([])

    @test_util.run_deprecated_v1
    def testNullString(self):
        # Runtime check for empty string list.  This is slightly oblique:
        # The queue runner should die with an assertion error on the null input tensor, causing the dequeue to fail with an OutOfRangeError.
        with self.cached_session():
            coord = coordinator.Coordinator()
            queue = inp.string_input_producer(constant_op.constant([], dtype=dtypes.string))
            dequeue = queue.dequeue()
            self.evaluate(variables.global_variables_initializer())
            self.evaluate(variables.local_variables_initializer())
            threads = queue_runner_impl.start_queue_runners(coord=coord)
            with self.assertRaises(errors_impl.OutOfRangeError):
                self.evaluate(dequeue)
            coord.request_stop()
            for thread in threads:
                thread.join()

    @test_util.run_deprecated_v1
    def testSharedName(self):
        with self.cached_session():
            strings = [b"to", b"be", b"or", b"not", b"to", b"be"]
            queue = inp.string_input_producer(strings, shared_name="SHARED_NAME_XYZ", name="Q")
            self.assertProtoEquals("s: 'SHARED_NAME_XYZ'", queue.queue_ref.op.node_def.attr["shared_name"])

    @test_util.run_deprecated_v1
    def testConstructionRace(self):
        with self.cached_session():
            strings = [b"to", b"be", b"or", b"not", b"to", b"be"]
            queue = inp.string_input_producer(strings, shuffle=False)
            coord = coordinator.Coordinator()
            threads = queue_runner_impl.start_queue_runners(coord=coord)
            for _ in range(2):
                for string in strings:
                    # NOTE(mrry): This is not the recommended way to write dequeuing code (instead you should create a single dequeue
                    # op before starting the queue runners, and run it repeatedly)
                    self.assertAllEqual(string, self.evaluate(queue.dequeue()))
            coord.request_stop()
            coord.join(threads)


class RangeInputProducerTest(test_util.TensorFlowTestCase):
    @test_util.run_deprecated_v1
    def testNoShuffle(self):
        with self.cached_session():
            num_epochs, range_size = 3, 5
            queue = inp.range_input_producer(range_size, num_epochs=num_epochs, shuffle=False)
            dequeue_many = queue.dequeue_many(range_size * num_epochs)
            dequeue = queue.dequeue()
            self.evaluate(variables.global_variables_initializer())
            self.evaluate(variables.local_variables_initializer())
            threads = queue_runner_impl.start_queue_runners()
            output = self.evaluate(dequeue_many)
            self.assertAllEqual(list(range(range_size)) * num_epochs, output)
            with self.assertRaises(errors_impl.OutOfRangeError):
                self.evaluate(dequeue)
            for thread in threads:
                thread.join()

    @test_util.run_deprecated_v1
    def testSharedName(self):
        with self.cached_session():
            queue = inp.range_input_producer(11, shared_name="SHARED_NAME_XYZ", name="Q")
            self.assertProtoEquals("s: 'SHARED_NAME_XYZ'", queue.queue_ref.op.node_def.attr["shared_name"])


class SliceInputProducerTest(test_util.TensorFlowTestCase):
    @test_util.run_deprecated_v1
    def testNoShuffle(self):
        with self.cached_session():
            num_epochs = 3
            source_strings = [b"Alpha", b"Beta", b"Delta", b"Gamma"]
            source_ints = [2, 3, 5, 7]
            slices = inp.slice_input_producer([source_strings, source_ints], num_epochs=num_epochs, shuffle=False)
            self.evaluate(variables.global_variables_initializer())
            self.evaluate(variables.local_variables_initializer())
            threads = queue_runner_impl.start_queue_runners()
            num_items = len(source_strings) * num_epochs
            output = [self.evaluate(slices) for _ in range(num_items)]
            out_strings, out_ints = zip(*output)
            self.assertAllEqual(source_strings * num_epochs, out_strings)
            self.assertAllEqual(source_ints * num_epochs, out_ints)
            with self.assertRaises(errors_impl.OutOfRangeError):
                self.evaluate(slices)
            for thread in threads:
                thread.join()

    @test_util.run_deprecated_v1
    def testEmpty(self):
        with self.assertRaisesRegex(ValueError, "Expected at least one tensor in slice_input_producer"):
            inp.slice_input_producer([])

    @test_util.run_deprecated_v1
    def testSharedName(self):
        with self.cached_session():
            slices = inp.slice_input_producer(
                [["A", "B", "D", "G"], [2, 3, 5, 7]], shared_name="SHARED_NAME_XYZ", name="sip"
            )
            self.assertProtoEquals(
                "s: 'SHARED_NAME_XYZ'", slices[0].op.inputs[1].op.inputs[0].op.node_def.attr["shared_name"]
            )


class DictHelperTest(test_util.TensorFlowTestCase):
    def testListInputs(self):
        l = [1, 2, 3, 11, 22, 33]
        l2 = inp._as_tensor_list(l)
        self.assertEqual(l, l2)
        l3 = inp._as_original_type(l, l2)
        self.assertEqual(l, l3)

    def testDictInputs(self):
        d = {"a": 1, "b": 2, "c": 3, "aa": 11, "bb": 22, "cc": 33}
        l = inp._as_tensor_list(d)
        self.assertEqual([1, 11, 2, 22, 3, 33], l)
        d2 = inp._as_original_type(d, l)
        self.assertEqual(d, d2)

    def testHeterogeneousKeysDictInputs(self):
        d = {"z": 1, 1: 42, ("a", "b"): 100}
        l = inp._as_tensor_list(d)
        self.assertEqual([100, 42, 1], l)
        d2 = inp._as_original_type(d, l)
        self.assertEqual(d, d2)


if __name__ == "__main__":
    test.main()
