"""Staging areas in order and by number."""

import time

import numpy as np
from tensorflow.python.framework import constant_op, dtypes, errors, ops
from tensorflow.python.ops import array_ops, data_flow_ops, math_ops
from tensorflow.python.platform import test

TIMEOUT = 1


class StageTest(test.TestCase):
    def testSimple(self):
        with ops.Graph().as_default() as G:
            with ops.device("/cpu:0"):
                x = array_ops.placeholder(dtypes.float32)
                v = 2.0 * (array_ops.zeros([128, 128]) + x)
            with ops.device(test.gpu_device_name()):
                stager = data_flow_ops.StagingArea([dtypes.float32])
                stage = stager.put([v])
                y = stager.get()
                y = math_ops.reduce_max(math_ops.matmul(y, y))
        G.finalize()
        with self.session(graph=G) as sess:
            sess.run(stage, feed_dict={x: -1})
            for i in range(10):
                _, yval = sess.run([stage, y], feed_dict={x: i})
                self.assertAllClose(4 * (i - 1) * (i - 1) * 128, yval, rtol=1e-4)

    def testMultiple(self):
        with ops.Graph().as_default() as G:
            x = array_ops.placeholder(dtypes.float32)
            v = 2.0 * (array_ops.zeros([16, 16]) + x)
            stager = data_flow_ops.StagingArea([dtypes.float32, dtypes.float32])
            stage = stager.put([x, v])
            z, y = stager.get()
            y = math_ops.reduce_max(z * math_ops.matmul(y, y))
        with self.session(graph=G) as sess:
            sess.run(stage, feed_dict={x: -1})
            for i in range(10):
                _, yval = sess.run([stage, y], feed_dict={x: i})
                self.assertAllClose(4 * (i - 1) * (i - 1) * (i - 1) * 16, yval, rtol=1e-4)

    def testDictionary(self):
        with ops.Graph().as_default() as G:
            x = array_ops.placeholder(dtypes.float32)
            v = 2.0 * (array_ops.zeros([16, 16]) + x)
            stager = data_flow_ops.StagingArea(
                [dtypes.float32, dtypes.float32], shapes=[[], [16, 16]], names=["x", "v"]
            )
            stage = stager.put({"x": x, "v": v})
            ret = stager.get()
            z, y = ret["x"], ret["v"]
            self.assertEqual([16, 16], y.shape.as_list())
            y = math_ops.reduce_max(z * math_ops.matmul(y, y))
        with self.session(graph=G) as sess:
            sess.run(stage, feed_dict={x: -1})
            for i in range(5):
                _, yval = sess.run([stage, y], feed_dict={x: i})
                self.assertAllClose(4 * (i - 1) * (i - 1) * (i - 1) * 16, yval, rtol=1e-4)

    def testPeek(self):
        with ops.Graph().as_default() as G:
            x = array_ops.placeholder(dtypes.int32, name="x")
            p = array_ops.placeholder(dtypes.int32, name="p")
            stager = data_flow_ops.StagingArea([dtypes.int32], shapes=[[]])
            stage = stager.put([x])
            peek = stager.peek(p)
            ret = stager.get()
        with self.session(graph=G) as sess:
            for i in range(10):
                sess.run(stage, feed_dict={x: i})
            for i in range(10):
                self.assertTrue(sess.run(peek, feed_dict={p: i})[0] == i)
            self.assertEqual([0], sess.run(ret))

    def testSizeAndClear(self):
        with ops.Graph().as_default() as G:
            x = array_ops.placeholder(dtypes.float32, name="x")
            v = 2.0 * (array_ops.zeros([8, 8]) + x)
            stager = data_flow_ops.StagingArea([dtypes.float32, dtypes.float32], shapes=[[], [8, 8]], names=["x", "v"])
            stage = stager.put({"x": x, "v": v})
            _ret, size, clear = stager.get(), stager.size(), stager.clear()
        with self.session(graph=G) as sess:
            sess.run(stage, feed_dict={x: -1})
            self.assertEqual(sess.run(size), 1)
            sess.run(stage, feed_dict={x: -1})
            self.assertEqual(sess.run(size), 2)
            sess.run(clear)
            self.assertEqual(sess.run(size), 0)

    def testProperties(self):
        with ops.Graph().as_default():
            s = data_flow_ops.StagingArea(
                [dtypes.int32, dtypes.float32], [[2], []], ["a", "b"], capacity=3, memory_limit=100
            )
            self.assertEqual("StagingArea", s.name)
            self.assertEqual([dtypes.int32, dtypes.float32], s.dtypes)
            self.assertEqual([[2], []], [x.as_list() for x in s.shapes])
            self.assertEqual(["a", "b"], s.names)
            self.assertEqual((3, 100), (s.capacity, s.memory_limit))
            self.assertEqual("StagingArea_1", data_flow_ops.StagingArea([dtypes.int32]).name)
            self.assertEqual("mine", data_flow_ops.StagingArea([dtypes.int32], shared_name="mine").name)
            self.assertEqual([None], [x.ndims for x in data_flow_ops.StagingArea([dtypes.int32]).shapes])
            put = s.put({"a": constant_op.constant([1, 2]), "b": constant_op.constant(1.0)})
            self.assertEqual(("StagingArea_put", "Stage"), (put.name, put.type))
            self.assertEqual(3, put.get_attr("capacity"))
            self.assertEqual(100, put.get_attr("memory_limit"))
            self.assertEqual(b"StagingArea", put.get_attr("shared_name"))
            got = s.get()["a"].op
            self.assertEqual(("StagingArea_get", "Unstage"), (got.name, got.type))
            self.assertEqual("StagePeek", s.peek(0)["a"].op.type)
            self.assertEqual("StageSize", s.size().op.type)
            self.assertEqual("StageClear", s.clear().type)

    def testErrors(self):
        with ops.Graph().as_default():
            one = constant_op.constant(1)
            with self.assertRaisesRegex(ValueError, "shared_name must be a string, got 3"):
                data_flow_ops.StagingArea([dtypes.int32], shared_name=3)
            with self.assertRaisesRegex(ValueError, "StagingArea shapes must be the same length as dtypes"):
                data_flow_ops.StagingArea([dtypes.int32], shapes=[[], []])
            with self.assertRaisesRegex(ValueError, "StagingArea names must be the same length as dtypes"):
                data_flow_ops.StagingArea([dtypes.int32], names=["a", "b"])
            s = data_flow_ops.StagingArea([dtypes.int32], [[]])
            with self.assertRaisesRegex(ValueError, "must have names to enqueue a dictionary"):
                s.put({"a": one})
            with self.assertRaisesRegex(ValueError, "Unexpected number of inputs 2 vs 1"):
                s.put([one, one])
            with self.assertRaisesRegex(ValueError, "Datatypes do not match. Received val.dtype"):
                s.put([constant_op.constant(1.0)])
            with self.assertRaisesRegex(ValueError, "incompatible|not compatible"):
                s.put([constant_op.constant([1])])
            n = data_flow_ops.StagingArea([dtypes.int32], names=["a"])
            with self.assertRaisesRegex(ValueError, "must enqueue a dictionary in a staging area with names"):
                n.put([one])
            with self.assertRaisesRegex(ValueError, "Keys in dictionary to put do not match names of staging area"):
                n.put({"b": one})

    def testCapacity(self):
        capacity = 3
        with ops.Graph().as_default() as G:
            x = array_ops.placeholder(dtypes.int32, name="x")
            stager = data_flow_ops.StagingArea([dtypes.int32], capacity=capacity, shapes=[[]])
            stage, ret, size = stager.put([x]), stager.get(), stager.size()
        n = 8
        with self.session(graph=G) as sess:

            def thread_run():
                for i in range(n):
                    sess.run(stage, feed_dict={x: i})

            t = self.checkedThread(thread_run)
            t.start()
            time.sleep(0.06)
            self.assertEqual(capacity, sess.run(size))
            for i in range(n):
                self.assertEqual([i], sess.run(ret))
            t.join()
            self.assertEqual(0, sess.run(size))

    def testMemoryLimit(self):
        memory_limit = 512 * 1024
        chunk = 200 * 1024
        capacity = memory_limit // chunk
        with ops.Graph().as_default() as G:
            x = array_ops.placeholder(dtypes.uint8, name="x")
            stager = data_flow_ops.StagingArea([dtypes.uint8], memory_limit=memory_limit)
            stage, ret, size = stager.put([x]), stager.get(), stager.size()
        n = 8
        with self.session(graph=G) as sess:

            def thread_run():
                for i in range(n):
                    sess.run(stage, feed_dict={x: np.full(chunk, i, dtype=np.uint8)})

            t = self.checkedThread(thread_run)
            t.start()
            time.sleep(0.06)
            self.assertEqual(capacity, sess.run(size))
            for i in range(n):
                self.assertEqual(i, sess.run(ret)[0][0])
            t.join()
            self.assertEqual(0, sess.run(size))

    def testTooLarge(self):
        with ops.Graph().as_default() as G:
            stager = data_flow_ops.StagingArea([dtypes.uint8], memory_limit=10)
            put = stager.put([array_ops.zeros([11], dtypes.uint8)])
        with self.session(graph=G) as sess:
            with self.assertRaisesRegex(errors.ResourceExhaustedError, "Attempted to insert"):
                sess.run(put)

    def testSharedName(self):
        with ops.Graph().as_default() as G:
            a = data_flow_ops.StagingArea([dtypes.int32], shared_name="area")
            b = data_flow_ops.StagingArea([dtypes.int32], shared_name="area")
            put, get = a.put([constant_op.constant(3)]), b.get()
        with self.session(graph=G) as sess:
            sess.run(put)
            self.assertEqual([3], sess.run(get))

    def testSingleValue(self):
        with ops.Graph().as_default() as G:
            a = data_flow_ops.StagingArea([dtypes.int32])
            put, get = a.put(constant_op.constant(3)), a.get()
        with self.session(graph=G) as sess:
            sess.run(put)
            self.assertEqual([3], sess.run(get))


class MapStageTest(test.TestCase):
    def testSimple(self):
        with ops.Graph().as_default() as g:
            k = array_ops.placeholder(dtypes.int64)
            x = array_ops.placeholder(dtypes.float32)
            pi = array_ops.placeholder(dtypes.int64)
            v = 2.0 * (array_ops.zeros([12, 12]) + x)
            stager = data_flow_ops.MapStagingArea([dtypes.float32])
            stage = stager.put(k, [v], [0])
            kk, y = stager.get(pi)
            y = math_ops.reduce_max(math_ops.matmul(y, y))
        with self.session(graph=g) as sess:
            sess.run(stage, feed_dict={x: -1, k: 0})
            for i in range(10):
                _, yval = sess.run([stage, y], feed_dict={x: i, k: i + 1, pi: i})
                self.assertAllClose(4 * (i - 1) * (i - 1) * 12, yval, rtol=1e-4)

    def testDictionaryAndPeek(self):
        with ops.Graph().as_default() as g:
            k = array_ops.placeholder(dtypes.int64)
            x = array_ops.placeholder(dtypes.float32)
            stager = data_flow_ops.MapStagingArea([dtypes.float32, dtypes.float32], shapes=[[], [2]], names=["x", "v"])
            stage = stager.put(k, {"x": x, "v": x + array_ops.zeros([2])})
            peek = stager.peek(k)
            key, ret = stager.get(k)
            size, inc, clear = stager.size(), stager.incomplete_size(), stager.clear()
        with self.session(graph=g) as sess:
            for i in range(3):
                sess.run(stage, {k: i, x: i})
            self.assertAllEqual([1.0, 1.0], sess.run(peek, {k: 1})["v"])
            self.assertEqual(3, sess.run(size))
            self.assertEqual(2.0, sess.run(ret, {k: 2})["x"])
            self.assertEqual((2, 0), tuple(sess.run([size, inc])))
            sess.run(clear)
            self.assertEqual(0, sess.run(size))

    def testOrdering(self):
        with ops.Graph().as_default() as g:
            x = array_ops.placeholder(dtypes.int32)
            pi = array_ops.placeholder(dtypes.int64)
            stager = data_flow_ops.MapStagingArea([dtypes.int32], shapes=[[]], ordered=True)
            stage = stager.put(pi, [x], [0])
            get, size = stager.get(), stager.size()
            self.assertEqual("OrderedMapStage", stage.type)
        with self.session(graph=g) as sess:
            for i in reversed(range(10)):
                sess.run(stage, feed_dict={pi: i, x: i})
            self.assertEqual(10, sess.run(size))
            for i in range(10):
                self.assertEqual((i, [i]), sess.run(get))
            self.assertEqual(0, sess.run(size))

    def testPartialDictInsert(self):
        with ops.Graph().as_default() as g:
            x = array_ops.placeholder(dtypes.float32)
            f = array_ops.placeholder(dtypes.float32)
            v = array_ops.placeholder(dtypes.float32)
            pi = array_ops.placeholder(dtypes.int64)
            stager = data_flow_ops.MapStagingArea([dtypes.float32] * 3, names=["x", "v", "f"])
            stage_xf = stager.put(pi, {"x": x, "f": f})
            stage_v = stager.put(pi, {"v": v})
            key, ret = stager.get()
            size, isize = stager.size(), stager.incomplete_size()
        with self.session(graph=g) as sess:
            self.assertEqual((0, 0), tuple(sess.run([size, isize])))
            sess.run(stage_xf, feed_dict={pi: 0, x: 1, f: 2})
            self.assertEqual((0, 1), tuple(sess.run([size, isize])))
            sess.run(stage_xf, feed_dict={pi: 1, x: 1, f: 2})
            self.assertEqual((0, 2), tuple(sess.run([size, isize])))
            sess.run(stage_v, feed_dict={pi: 0, v: 1})
            self.assertEqual((1, 1), tuple(sess.run([size, isize])))
            self.assertEqual([0, {"x": 1, "f": 2, "v": 1}], sess.run([key, ret]))
            sess.run(stage_v, feed_dict={pi: 1, v: 3})
            self.assertEqual([1, {"x": 1, "f": 2, "v": 3}], sess.run([key, ret]))

    def testPartialIndexInsertAndGet(self):
        with ops.Graph().as_default() as g:
            pi = array_ops.placeholder(dtypes.int64)
            a, b, c = (array_ops.placeholder(dtypes.float32) for _ in range(3))
            stager = data_flow_ops.MapStagingArea([dtypes.float32] * 3, names=["a", "b", "c"])
            bare = data_flow_ops.MapStagingArea([dtypes.float32] * 3)
            s_ac, s_b = bare.put(pi, [a, c], [0, 2]), bare.put(pi, [b], [1])
            whole = stager.put(pi, {"a": a, "b": b, "c": c})
            _, ac = stager.get(pi, ["a", "c"])
            _, only_b = stager.get(pi, [1])
            pa = stager.peek(pi, ["b"])
            size = stager.size()
            _, got = bare.get()
        with self.session(graph=g) as sess:
            sess.run(s_ac, {pi: 0, a: 1, c: 3})
            sess.run(s_b, {pi: 0, b: 2})
            self.assertEqual([1, 2, 3], sess.run(got))
            sess.run(whole, {pi: 5, a: 1, b: 2, c: 3})
            self.assertEqual({"b": 2}, sess.run(pa, {pi: 5}))
            self.assertEqual({"a": 1, "c": 3}, sess.run(ac, {pi: 5}))
            self.assertEqual(1, sess.run(size))
            with self.assertRaisesRegex(
                errors.InvalidArgumentError, "Tensor at index '0' for key '5' has already been removed."
            ):
                sess.run(ac, {pi: 5})
            self.assertEqual({"b": 2}, sess.run(only_b, {pi: 5}))
            self.assertEqual(0, sess.run(size))

    def testErrors(self):
        with ops.Graph().as_default():
            one, key = constant_op.constant(1), constant_op.constant(1, dtypes.int64)
            s = data_flow_ops.MapStagingArea([dtypes.int32] * 2)
            with self.assertRaisesRegex(ValueError, "Indices must be supplied when inserting a list of tensors"):
                s.put(key, [one, one])
            with self.assertRaisesRegex(ValueError, "Number of indices 1 doesn't match number of values 2"):
                s.put(key, [one, one], [0])
            with self.assertRaisesRegex(TypeError, "Invalid indices type"):
                s.get(key, 3)
            with self.assertRaisesRegex(ValueError, "Empty indices"):
                s.get(key, [])
            with self.assertRaisesRegex(ValueError, "was not created with names"):
                s.get(key, ["a"])
            with self.assertRaisesRegex(TypeError, "Mixed types in indices"):
                s.get(key, ["a", 1])
            n = data_flow_ops.MapStagingArea([dtypes.int32] * 2, names=["a", "b"])
            with self.assertRaisesRegex(ValueError, "Named index not in Staging Area names"):
                n.peek(key, ["z"])

    def testCapacityBlocks(self):
        with ops.Graph().as_default() as g:
            x, pi, _gi = (
                array_ops.placeholder(dtypes.int32),
                array_ops.placeholder(dtypes.int64),
                array_ops.placeholder(dtypes.int64),
            )
            stager = data_flow_ops.MapStagingArea([dtypes.int32], capacity=3, shapes=[[]])
            stage, get, size = stager.put(pi, [x], [0]), stager.get(), stager.size()
            self.assertEqual("MapStage", stage.type)
        with self.session(graph=g) as sess:

            def run():
                for i in range(8):
                    sess.run(stage, feed_dict={x: i, pi: i})

            t = self.checkedThread(run)
            t.start()
            time.sleep(0.06)
            self.assertEqual(3, sess.run(size))
            keys = [sess.run(get)[0] for _ in range(8)]
            t.join()
            self.assertItemsEqual(range(8), keys)

    def testNonExistentGetBlocks(self):
        with ops.Graph().as_default() as g:
            x, pi, gi = (
                array_ops.placeholder(dtypes.int32),
                array_ops.placeholder(dtypes.int64),
                array_ops.placeholder(dtypes.int64),
            )
            stager = data_flow_ops.MapStagingArea([dtypes.int32], shapes=[[]])
            stage, (_key, got) = stager.put(pi, [x], [0]), stager.get(gi)
        found = []
        with self.session(graph=g) as sess:
            t = self.checkedThread(lambda: found.append(sess.run(got, {gi: 7})))
            t.start()
            time.sleep(0.02)
            sess.run(stage, {pi: 1, x: 1})
            time.sleep(0.02)
            self.assertEqual([], found)
            sess.run(stage, {pi: 7, x: 9})
            t.join()
            self.assertEqual([[9]], found)

    def testGetUnorderedNames(self):
        with ops.Graph().as_default():
            s = data_flow_ops.MapStagingArea([dtypes.int32])
            self.assertEqual("MapStagingArea", s.name)
            k, v = s.get()
            self.assertEqual("MapUnstageNoKey", k.op.type)
            self.assertEqual("MapStagingArea_get_nokey", k.op.name)
            self.assertEqual("MapStagingArea_pop", s.peek(0)[0].op.name)
            self.assertEqual("MapIncompleteSize", s.incomplete_size().op.type)
            self.assertEqual("MapClear", s.clear().type)
            k, v = s.get(3)
            self.assertEqual(3, k)


if __name__ == "__main__":
    test.main()
