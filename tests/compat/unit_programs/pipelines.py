"""Whole pipelines, record inputs, and what a Saver keeps beside variables."""

import os
import time

import tensorflow.compat.v1 as tf
from tensorflow.core.protobuf import config_pb2
from tensorflow.python.client import session
from tensorflow.python.framework import constant_op, dtypes, errors_impl, ops, test_util
from tensorflow.python.lib.io import tf_record
from tensorflow.python.ops import (
    array_ops,
    data_flow_ops,
    io_ops,
    variables,
)
from tensorflow.python.platform import test
from tensorflow.python.training import coordinator, queue_runner_impl
from tensorflow.python.training import input as inp
from tensorflow.python.training import saver as saver_module
from tensorflow.python.training.saving import saveable_object


class RecordInputTest(test.TestCase):
    def generateTestData(self, prefix, n, m, compression_type=tf_record.TFRecordCompressionType.NONE):
        options = tf_record.TFRecordOptions(compression_type)
        for i in range(n):
            f = os.path.join(self.get_temp_dir(), prefix + "." + str(i))
            w = tf_record.TFRecordWriter(f, options=options)
            for j in range(m):
                w.write("{0:0{width}}".format(i * m + j, width=10).encode("utf-8"))
        w.close()

    @test_util.run_deprecated_v1
    def testRecordInputSimple(self):
        with self.cached_session():
            self.generateTestData("basic", 1, 1)
            yield_op = data_flow_ops.RecordInput(
                file_pattern=os.path.join(self.get_temp_dir(), "basic.*"),
                parallelism=1,
                buffer_size=1,
                batch_size=1,
                name="record_input",
            ).get_yield_op()
            self.assertEqual(self.evaluate(yield_op), b"0000000000")

    @test_util.run_deprecated_v1
    def testCompressed(self):
        for kind in (tf_record.TFRecordCompressionType.GZIP, tf_record.TFRecordCompressionType.ZLIB):
            with self.cached_session():
                self.generateTestData("zipped%d" % kind, 1, 1, kind)
                yield_op = data_flow_ops.RecordInput(
                    file_pattern=os.path.join(self.get_temp_dir(), "zipped%d.*" % kind),
                    name="record_input",
                    compression_type=kind,
                ).get_yield_op()
                self.assertEqual(self.evaluate(yield_op), b"0000000000")

    @test_util.run_deprecated_v1
    def testRecordInputEpochs(self):
        files, records_per_file, batches = 10, 10, 2
        with self.cached_session():
            self.generateTestData("epochs", files, records_per_file)
            records = data_flow_ops.RecordInput(
                file_pattern=os.path.join(self.get_temp_dir(), "epochs.*"),
                parallelism=2,
                buffer_size=20,
                batch_size=1,
                shift_ratio=0.33,
                seed=10,
                name="record_input",
                batches=batches,
            )
            yield_op = records.get_yield_op()
            self.assertEqual(2, len(yield_op))
            # cycle over 3 epochs and make sure we never duplicate
            for _ in range(3):
                epoch_set = set()
                for _ in range(int(files * records_per_file / batches)):
                    op_list = self.evaluate(yield_op)
                    self.assertTrue(len(op_list) is batches)
                    for r in op_list:
                        self.assertTrue(r[0] not in epoch_set)
                        epoch_set.add(r[0])

    @test_util.run_deprecated_v1
    def testDoesNotDeadlock(self):
        # Iterate multiple times to cause deadlock if there is a chance it can occur
        for _ in range(5):
            with self.cached_session():
                self.generateTestData("dead", 1, 1)
                yield_op = data_flow_ops.RecordInput(
                    file_pattern=os.path.join(self.get_temp_dir(), "dead.*"),
                    parallelism=1,
                    buffer_size=100,
                    batch_size=1,
                ).get_yield_op()
                for _ in range(50):
                    self.evaluate(yield_op)

    @test_util.run_deprecated_v1
    def testEmptyGlob(self):
        with self.cached_session():
            record_input = data_flow_ops.RecordInput(file_pattern="foo")
            yield_op = record_input.get_yield_op()
            self.evaluate(variables.global_variables_initializer())
            with self.assertRaises(errors_impl.NotFoundError):
                self.evaluate(yield_op)


class SaveableObjectsTest(test.TestCase):
    @test_util.run_deprecated_v1
    def testOwnSaveable(self):
        path = os.path.join(self.get_temp_dir(), "own")

        class Doubled(saver_module.BaseSaverBuilder.SaveableObject):
            def __init__(self, v, name):
                spec = saver_module.BaseSaverBuilder.SaveSpec(v * 2.0, "", name)
                super(Doubled, self).__init__(v, [spec], name)

            def restore(self, restored_tensors, restored_shapes):
                return self.op.assign(restored_tensors[0] / 2.0)

        with self.session(graph=ops.Graph()) as sess:
            v, w = tf.Variable(3.0), tf.Variable(4.0, name="w")
            sess.run(tf.global_variables_initializer())
            save = saver_module.Saver([Doubled(v, "twice"), w])
            save.save(sess, path)
            sess.run([v.assign(0.0), w.assign(0.0)])
            save.restore(sess, path)
            self.assertEqual([3.0, 4.0], sess.run([v, w]))
            self.assertEqual(6.0, tf.train.load_checkpoint(path).get_tensor("twice"))

    @test_util.run_deprecated_v1
    def testAbstract(self):
        s = saveable_object.SaveableObject(None, [saveable_object.SaveSpec(constant_op.constant(1), "", "a")], "a")
        with self.assertRaisesRegex(ValueError, "Calling an abstract method"):
            s.restore([], [])
        self.assertEqual("", s.device)
        with self.assertRaises(AssertionError):
            saveable_object.SaveSpec(lambda: 1, "", "a")


class PipelinesTest(test.TestCase):
    def _files(self):
        paths = []
        for i in range(3):
            path = os.path.join(self.get_temp_dir(), "p%d.csv" % i)
            with open(path, "w") as f:
                f.write("".join("%d,%d\n" % (10 * i + j, j % 2) for j in range(10)))
            paths.append(path)
        return paths

    @test_util.run_deprecated_v1
    def testCsvPipeline(self):
        queue = inp.string_input_producer(self._files(), num_epochs=2, shuffle=False)
        _, line = io_ops.TextLineReader().read(queue)
        x, y = tf.decode_csv(line, [[0], [0]])
        xs, ys = inp.batch([x, y], batch_size=7, allow_smaller_final_batch=True)
        with self.session() as sess:
            sess.run(tf.local_variables_initializer())
            coord = coordinator.Coordinator()
            threads = queue_runner_impl.start_queue_runners(sess, coord)
            got = []
            try:
                while not coord.should_stop():
                    a, b = sess.run([xs, ys])
                    self.assertAllEqual(a % 2, b)
                    got += a.tolist()
            except errors_impl.OutOfRangeError as e:
                coord.request_stop(e)
            coord.join(threads)
            self.assertEqual(list(range(30)) * 2, got)

    @test_util.run_deprecated_v1
    def testMonitoredSession(self):
        queue = inp.string_input_producer(self._files(), num_epochs=1)
        _, line = io_ops.TextLineReader().read(queue)
        x, y = tf.decode_csv(line, [[0], [0]])
        xs, _ = inp.shuffle_batch([x, y], 5, 50, 10)
        got = []
        with tf.train.MonitoredSession() as sess:
            while not sess.should_stop():
                got += sess.run(xs).tolist()
        self.assertItemsEqual(range(30), got)

    @test_util.run_deprecated_v1
    def testErrorOfAPipelineReachesTheMainThread(self):
        queue = inp.string_input_producer(["/no/such/file"])
        _, line = io_ops.TextLineReader().read(queue)
        batch = inp.batch([line], 2)
        with self.session() as sess:
            coord = coordinator.Coordinator()
            threads = queue_runner_impl.start_queue_runners(sess, coord)
            with self.assertRaises(errors_impl.OutOfRangeError):
                sess.run(batch)
            with self.assertRaisesRegex(errors_impl.NotFoundError, "/no/such/file"):
                coord.join(threads)

    @test_util.run_deprecated_v1
    def testProducerAndTrainerThreads(self):
        with self.session() as sess:
            q = data_flow_ops.FIFOQueue(5, dtypes.float32, ())
            hole = array_ops.placeholder(dtypes.float32)
            put, close = q.enqueue(hole), q.close()
            total = tf.Variable(0.0)
            step = total.assign_add(q.dequeue())
            sess.run(total.initializer)

            def feed(start):
                for i in range(20):
                    sess.run(put, {hole: start + i})

            threads = [self.checkedThread(feed, args=(100.0 * t,)) for t in range(3)]
            for t in threads:
                t.start()
            for _ in range(60):
                sess.run(step)
            for t in threads:
                t.join()
            self.assertEqual(sum(100.0 * t + i for t in range(3) for i in range(20)), sess.run(total))
            sess.run(close)
            with self.assertRaises(errors_impl.OutOfRangeError):
                sess.run(step)

    @test_util.run_deprecated_v1
    def testManyBlockedDequeues(self):
        with self.session(config=config_pb2.ConfigProto(inter_op_parallelism_threads=2)) as sess:
            q = data_flow_ops.FIFOQueue(5, dtypes.int32, ())
            takes = [q.dequeue() for _ in range(50)]
            put = q.enqueue_many([list(range(50))])
            found = []
            t = self.checkedThread(lambda: found.extend(sess.run(takes)))
            t.start()
            time.sleep(0.02)
            sess.run(put)
            t.join()
            self.assertItemsEqual(range(50), found)

    @test_util.run_deprecated_v1
    def testQueueInCondAndLoop(self):
        with self.session() as sess:
            q = data_flow_ops.FIFOQueue(20, dtypes.int32, ())
            sess.run(q.enqueue_many([list(range(10))]))
            p = array_ops.placeholder(dtypes.bool, [])
            r = tf.cond(p, lambda: q.dequeue(), lambda: constant_op.constant(-1))
            self.assertEqual([0, -1, 1], [sess.run(r, {p: v}) for v in (True, False, True)])
            total = tf.while_loop(lambda i, s: i < 4, lambda i, s: (i + 1, s + q.dequeue()), [0, 0])[1]
            self.assertEqual(2 + 3 + 4 + 5, sess.run(total))
            self.assertEqual(4, sess.run(q.size()))

    @test_util.run_deprecated_v1
    def testServerSharesQueues(self):
        server = tf.train.Server.create_local_server()
        q = data_flow_ops.FIFOQueue(20, dtypes.int32, (), shared_name="of_the_server")
        put, take = q.enqueue(7), q.dequeue()
        with session.Session(server.target) as a, session.Session(server.target) as b:
            a.run(put)
            self.assertEqual(7, b.run(take))


if __name__ == "__main__":
    test.main()
