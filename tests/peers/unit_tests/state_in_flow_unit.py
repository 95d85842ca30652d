"""Placement, colocation, sessions' corners, state, queues inside branches and loops."""

import threading
import time

import numpy as np
from tensorflow.core.protobuf import config_pb2, rewriter_config_pb2
from tensorflow.python.client import session
from tensorflow.python.framework import (
    constant_op,
    dtypes,
    errors,
    function,
    importer,
    ops,
    test_util,
)
from tensorflow.python.ops import (
    array_ops,
    check_ops,
    control_flow_assert,
    control_flow_ops,
    data_flow_ops,
    functional_ops,
    gradients_impl,
    init_ops,
    map_fn,
    math_ops,
    partitioned_variables,
    resource_variable_ops,
    script_ops,
    session_ops,
    state_ops,
    tensor_array_ops,
    variable_scope,
    variable_v1,
    variables,
)
from tensorflow.python.ops import cond as tf_cond
from tensorflow.python.ops import while_loop as while_loop_tf
from tensorflow.python.platform import test
from tensorflow.python.training import coordinator, queue_runner_impl
from tensorflow.python.training import input as inp


def ref(*args, **kwargs):
    return variable_v1.VariableV1(*args, use_resource=False, **kwargs)


@test_util.run_v1_only("graphs")
class PlacementTest(test.TestCase):
    def testUnknownDeviceError(self):
        with ops.Graph().as_default():
            with ops.device("/device:CPU:7"):
                c = constant_op.constant(1.0, name="far")
            far = self.assertRaisesRegex(errors.InvalidArgumentError, "Cannot assign a device for operation far")
            with session.Session() as sess, far:
                sess.run(c)

    def testSoftPlacementOfMissingGpu(self):
        with ops.Graph().as_default():
            with ops.device("/device:GPU:3"):
                c = constant_op.constant(1.0) + 2.0
            with session.Session(config=config_pb2.ConfigProto(allow_soft_placement=True)) as sess:
                self.assertEqual(3.0, sess.run(c))

    def testColocatedWithUnsatisfiable(self):
        with ops.Graph().as_default():
            with ops.device("/cpu:0"):
                a = ref(1.0, name="a")
            with ops.device("/cpu:5"), ops.colocate_with(a.op, ignore_existing=False):
                b = constant_op.constant(2.0, name="b")
            self.assertEqual("/device:CPU:0", b.device)
            with session.Session() as sess:
                self.assertEqual(2.0, sess.run(b))

    def testColocationGroupsOfAssign(self):
        with ops.Graph().as_default():
            v = ref(1.0, name="v")
            self.assertEqual([b"loc:@v"], v.initializer.colocation_groups())
            self.assertEqual([b"loc:@v"], v.assign_add(1.0).op.colocation_groups())
            self.assertEqual([b"loc:@v"], v.op.colocation_groups())

    def testColocationChain(self):
        with ops.Graph().as_default():
            a = constant_op.constant(1.0, name="a")
            with ops.colocate_with(a.op):
                b = constant_op.constant(2.0, name="b")
            with ops.colocate_with(b.op):
                c = constant_op.constant(3.0, name="c")
            self.assertEqual([b"loc:@a"], b.op.colocation_groups())
            self.assertEqual([b"loc:@a"], c.op.colocation_groups())

    def testDeviceFunctionByType(self):
        with ops.Graph().as_default() as g:

            def choose(op):
                return "/job:ps" if op.type in ("Variable", "VariableV2") else "/job:worker"

            with g.device(choose):
                v = ref([1.0], name="v")
                y = v * 2.0
            self.assertEqual("/job:ps", v.device)
            self.assertEqual("/job:ps", v.initializer.device)
            self.assertEqual("/job:worker", y.device)

    def testDeviceNoneClears(self):
        with ops.Graph().as_default() as g:
            with g.device("/job:a/cpu:1"):
                with g.device(None):
                    x = constant_op.constant(1)
                with g.device("/cpu:0"):
                    y = constant_op.constant(1)
                with g.device(""):
                    z = constant_op.constant(1)
            self.assertEqual(["", "/job:a/device:CPU:0", "/job:a/device:CPU:1"], [x.device, y.device, z.device])

    def testPlacedDevicesOfTrace(self):
        config = config_pb2.ConfigProto(device_count={"CPU": 2})
        with ops.Graph().as_default():
            with ops.device("/cpu:1"):
                a = array_ops.placeholder(dtypes.float32, [2, 2])
                b = math_ops.matmul(a, a, name="mm")
            metadata = config_pb2.RunMetadata()
            with session.Session(config=config) as sess:
                sess.run(
                    b,
                    {a: np.eye(2)},
                    options=config_pb2.RunOptions(trace_level=config_pb2.RunOptions.FULL_TRACE),
                    run_metadata=metadata,
                )
            names = {n.node_name: d.device for d in metadata.step_stats.dev_stats for n in d.node_stats}
            self.assertIn("CPU:1", names["mm"].upper())

    def testResourceHandleDevice(self):
        config = config_pb2.ConfigProto(device_count={"CPU": 2})
        with ops.Graph().as_default():
            with ops.device("/cpu:1"):
                v = resource_variable_ops.ResourceVariable(2.0, name="v")
            y = v * 3.0
            with session.Session(config=config) as sess:
                sess.run(v.initializer)
                self.assertEqual(6.0, sess.run(y))
                self.assertIn("CPU:1", v.handle.device)

    def testGpuKernelNeeded(self):
        with ops.Graph().as_default():
            with ops.device("/device:GPU:0"):
                c = constant_op.constant(1.0, name="on_gpu")
            with session.Session() as sess:
                with self.assertRaises(errors.InvalidArgumentError) as caught:
                    sess.run(c)
                self.assertIn("on_gpu", str(caught.exception))


@test_util.run_v1_only("graphs")
class SessionCornersTest(test.TestCase):
    def testFeedOfDerivedShape(self):
        with self.session() as sess:
            x = array_ops.placeholder(dtypes.float32, [None, 3])
            self.assertAllEqual([4, 3], sess.run(array_ops.shape(x), {x: np.zeros((4, 3))}))
            with self.assertRaisesRegex(ValueError, "Cannot feed value of shape"):
                sess.run(x, {x: np.zeros((4, 2))})

    def testPlaceholderWithDefault(self):
        with self.session() as sess:
            x = array_ops.placeholder_with_default([1.0, 2.0], [None])
            self.assertAllEqual([2.0, 4.0], sess.run(x * 2.0))
            self.assertAllEqual([6.0], sess.run(x * 2.0, {x: [3.0]}))

    def testFetchSameTensorManyWays(self):
        with self.session() as sess:
            a = constant_op.constant(3, name="a")
            r = sess.run([a, "a:0", {"k": a, "op": a.op}, (a,)])
            self.assertEqual([3, 3, {"k": 3, "op": None}, (3,)], r)

    def testFeedIntermediate(self):
        with self.session() as sess:
            v = ref(0)
            with ops.control_dependencies([state_ops.assign_add(v, 1)]):
                a = constant_op.constant(1) + 0
            b = a * 2
            sess.run(v.initializer)
            self.assertEqual(14, sess.run(b, {a: 7}))
            self.assertEqual(0, sess.run(v))

    def testInterOpPools(self):
        config = config_pb2.ConfigProto()
        pool = config.session_inter_op_thread_pool.add()
        pool.num_threads = 1
        pool = config.session_inter_op_thread_pool.add()
        pool.num_threads, pool.global_name = 2, "shared"
        with session.Session(config=config) as sess:
            c = constant_op.constant(3)
            for i in range(2):
                self.assertEqual(3, sess.run(c, options=config_pb2.RunOptions(inter_op_thread_pool=i)))
            with self.assertRaises(errors.InvalidArgumentError):
                sess.run(c, options=config_pb2.RunOptions(inter_op_thread_pool=2))

    def testTimeoutOfConfig(self):
        config = config_pb2.ConfigProto(operation_timeout_in_ms=100)
        with ops.Graph().as_default(), session.Session(config=config) as sess:
            q = data_flow_ops.FIFOQueue(1, dtypes.float32)
            with self.assertRaises(errors.DeadlineExceededError):
                sess.run(q.dequeue())
            sess.run(q.enqueue(1.0))
            self.assertEqual(1.0, sess.run(q.dequeue()))

    def testCancelByClose(self):
        with ops.Graph().as_default():
            q = data_flow_ops.FIFOQueue(1, dtypes.float32)
            d = q.dequeue()
            sess = session.Session()
            raised = []

            def run():
                try:
                    sess.run(d)
                except errors.OpError as error:
                    raised.append(error)

            threads = [threading.Thread(target=run) for _ in range(3)]
            for t in threads:
                t.start()
            time.sleep(0.2)
            sess.close()
            for t in threads:
                t.join()
            self.assertEqual(3, len(raised))
            self.assertTrue(all(isinstance(e, errors.CancelledError) for e in raised))

    def testFinalizeForbids(self):
        with ops.Graph().as_default() as g:
            a = constant_op.constant(1)
            g.finalize()
            self.assertTrue(g.finalized)
            for build in (
                lambda: constant_op.constant(2),
                lambda: a + 1,
                lambda: array_ops.placeholder(dtypes.int32),
                lambda: variable_v1.VariableV1(1.0),
                lambda: g.add_to_collection("c", 1),
            ):
                with self.assertRaisesRegex(RuntimeError, "finalized"):
                    build()
            with session.Session(graph=g) as sess:
                self.assertEqual(1, sess.run(a))

    def testHandlesInLoops(self):
        with self.session() as sess:
            x = array_ops.placeholder(dtypes.float32, [2])
            h = sess.run(session_ops.get_session_handle(x * 2.0), {x: [1.0, 2.0]})
            holder, value = session_ops.get_session_tensor(h.handle, dtypes.float32)
            step = session_ops.get_session_handle(value + 1.0)
            for _ in range(5):
                h = sess.run(step, {holder: h.handle})
            self.assertAllEqual([7.0, 9.0], h.eval())
            h.delete()

    def testHandleFedToPlaceholder(self):
        with self.session() as sess:
            h = sess.run(session_ops.get_session_handle(constant_op.constant([1, 2])))
            x = array_ops.placeholder(dtypes.int32, [2])
            self.assertAllEqual([2, 4], sess.run(x * 2, {x: h}))

    def testHandleOfDtypes(self):
        with self.session() as sess:
            for value in ([True, False], [b"a", b"b"], [1 + 2j], [[1, 2], [3, 4]]):
                h = sess.run(session_ops.get_session_handle(constant_op.constant(value)))
                self.assertAllEqual(value, h.eval())

    def testDeleteTwice(self):
        with self.session() as sess:
            h = sess.run(session_ops.get_session_handle(constant_op.constant(1)))
            h.delete()
            with self.assertRaises(TypeError):
                h.delete()
            with self.assertRaises(TypeError):
                h.eval()

    def testRunInThreadsWithFeeds(self):
        with self.session() as sess:
            x = array_ops.placeholder(dtypes.int64, [])
            y = x * x
            got = {}

            def run(i):
                for _ in range(20):
                    got[i] = sess.run(y, {x: i})

            threads = [self.checkedThread(run, args=(i,)) for i in range(8)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            self.assertEqual({i: i * i for i in range(8)}, got)

    def testNestedDefaultSessions(self):
        with ops.Graph().as_default():
            c = constant_op.constant(1)
            with session.Session() as one:
                with session.Session() as two:
                    self.assertIs(two, ops.get_default_session())
                    self.assertEqual(1, c.eval())
                self.assertIs(one, ops.get_default_session())

    def testOperationRun(self):
        with self.session() as sess:
            v = ref(1.0)
            v.initializer.run()
            add = v.assign_add(2.0)
            add.op.run()
            self.assertEqual(3.0, v.eval())
            x = array_ops.placeholder(dtypes.float32)
            v.assign(x).op.run({x: 9.0})
            self.assertEqual(9.0, v.eval(session=sess))

    def testErrorKeepsSessionUsable(self):
        with self.session() as sess:
            x = array_ops.placeholder(dtypes.int32, [])
            y = check_ops.assert_positive(x)
            for _ in range(3):
                with self.assertRaises(errors.InvalidArgumentError):
                    sess.run(y, {x: -1})
                sess.run(y, {x: 1})

    def testGraphOptionsOff(self):
        config = config_pb2.ConfigProto()
        config.graph_options.optimizer_options.opt_level = -1
        config.graph_options.rewrite_options.constant_folding = rewriter_config_pb2.RewriterConfig.OFF
        with session.Session(config=config) as sess:
            self.assertEqual(7, sess.run(constant_op.constant(3) + 4))

    def testMetadataReused(self):
        with self.session() as sess:
            c = constant_op.constant(1.0) * array_ops.placeholder_with_default(1.0, [])
            md = config_pb2.RunMetadata()
            options = config_pb2.RunOptions(trace_level=config_pb2.RunOptions.FULL_TRACE)
            sess.run(c, options=options, run_metadata=md)
            self.assertTrue(md.HasField("step_stats"))
            sess.run(c, run_metadata=md)
            self.assertFalse(md.HasField("step_stats"))


@test_util.run_v1_only("graphs")
class StateInFlowTest(test.TestCase):
    def testEnqueueInBranches(self):
        with self.session() as sess:
            q = data_flow_ops.FIFOQueue(10, dtypes.int32, [[]])
            p = array_ops.placeholder(dtypes.bool, [])
            x = constant_op.constant(5)
            op = tf_cond.cond(p, lambda: q.enqueue(x), lambda: q.enqueue([x * 10]))
            sess.run(op, {p: True})
            sess.run(op, {p: False})
            self.assertEqual([5, 50], [sess.run(q.dequeue()), sess.run(q.dequeue())])

    def testDequeueUntilEmpty(self):
        with self.session() as sess:
            q = data_flow_ops.FIFOQueue(10, dtypes.int32, [[]])
            sess.run(q.enqueue_many([[1, 2, 3, 4]]))
            total = while_loop_tf.while_loop(
                lambda n, s: n > 0, lambda n, s: (n - 1, s + q.dequeue()), [q.size(), constant_op.constant(0)]
            )[1]
            self.assertEqual(10, sess.run(total))
            self.assertEqual(0, sess.run(q.size()))

    def testVariableInCondOfLoop(self):
        with self.session() as sess:
            v = resource_variable_ops.ResourceVariable(0)
            r = while_loop_tf.while_loop(
                lambda i: v.read_value() < 3,
                lambda i: control_flow_ops.with_dependencies([v.assign_add(1)], i + 1),
                [0],
            )
            sess.run(v.initializer)
            self.assertEqual(3, sess.run(r))

    def testGradOfResourceReadInLoop(self):
        with self.session() as sess:
            v = resource_variable_ops.ResourceVariable([1.0, 2.0])
            r = while_loop_tf.while_loop(
                lambda i, x: i < 3, lambda i, x: (i + 1, x * v), [0, constant_op.constant([1.0, 1.0])]
            )[1]
            g = gradients_impl.gradients(r, v)[0]
            sess.run(v.initializer)
            self.assertAllEqual([3.0, 12.0], sess.run(g))

    def testInitialValueInsideLoopRefused(self):
        with ops.Graph().as_default():

            def body(i):
                v = ref(i + 1)
                return v + i

            with self.assertRaisesRegex(ValueError, "inside a control-flow construct|initializer"):
                while_loop_tf.while_loop(lambda i: i < 2, body, [0])

    def testAssignOpsOrder(self):
        with self.session() as sess:
            v = ref(1.0)
            a = v.assign(2.0)
            with ops.control_dependencies([a]):
                b = v.assign_add(3.0)
            with ops.control_dependencies([b]):
                c = array_ops.identity(v.read_value())
            sess.run(v.initializer)
            self.assertEqual(5.0, sess.run(c))

    def testMapFnOverVariable(self):
        with self.session() as sess:
            v = ref([1.0, 2.0, 3.0])
            m = map_fn.map_fn(lambda x: x * v, constant_op.constant([1.0, 2.0]))
            sess.run(v.initializer)
            self.assertAllEqual([[1, 2, 3], [2, 4, 6]], sess.run(m))
            self.assertAllEqual([3.0, 3.0, 3.0], sess.run(gradients_impl.gradients(m, v)[0]))

    def testScanGrad(self):
        with self.session() as sess:
            x = constant_op.constant([1.0, 2.0, 3.0])
            s = functional_ops.scan(lambda a, b: a * b, x)
            self.assertAllEqual([1.0, 2.0, 6.0], sess.run(s))
            self.assertAllEqual([9.0, 4.0, 2.0], sess.run(gradients_impl.gradients(s, x)[0]))

    def testTensorArraySecondOrder(self):
        with self.session() as sess:
            x = constant_op.constant([1.0, 2.0])
            ta = tensor_array_ops.TensorArray(dtypes.float32, 2, clear_after_read=False).unstack(x)
            y = ta.read(0) * ta.read(0) * ta.read(1)
            g = gradients_impl.gradients(y, x)[0]
            self.assertAllEqual([4.0, 1.0], sess.run(g))

    def testKeepInput(self):
        with self.session() as sess:
            n = ref(0)
            with ops.control_dependencies([]):
                x = n.count_up_to(20)
            b = inp.maybe_batch([x], math_ops.equal(x % 2, 0), batch_size=5)
            sess.run(variables.global_variables_initializer())
            coord = coordinator.Coordinator()
            threads = queue_runner_impl.start_queue_runners(sess=sess, coord=coord)
            self.assertAllEqual([0, 2, 4, 6, 8], sess.run(b))
            self.assertAllEqual([10, 12, 14, 16, 18], sess.run(b))
            with self.assertRaises(errors.OutOfRangeError):
                sess.run(b)
            coord.request_stop()
            coord.join(threads)

    def testKeepInputVector(self):
        with self.session() as sess:
            x = constant_op.constant([1, 2, 3, 4])
            b = inp.maybe_batch([x], constant_op.constant([True, False, True, False]), batch_size=4, enqueue_many=True)
            coord = coordinator.Coordinator()
            threads = queue_runner_impl.start_queue_runners(sess=sess, coord=coord)
            self.assertAllEqual([1, 3, 1, 3], sess.run(b))
            coord.request_stop()
            coord.join(threads)

    def testKeepInputErrors(self):
        with ops.Graph().as_default():
            x = constant_op.constant([1, 2])
            with self.assertRaises(ValueError):
                inp.maybe_batch([x], constant_op.constant([[True]]), batch_size=2, enqueue_many=True)
            with self.assertRaises(ValueError):
                inp.maybe_batch([x], constant_op.constant([True, False]), batch_size=2)
            with self.assertRaises(ValueError):
                inp.maybe_batch([x], array_ops.placeholder(dtypes.bool), batch_size=2, enqueue_many=True)

    def testPartitionedInLoop(self):
        with self.session() as sess:
            with variable_scope.variable_scope("s", partitioner=partitioned_variables.fixed_size_partitioner(2)):
                v = variable_scope.get_variable("v", [4], initializer=init_ops.ones_initializer())
            zeros = array_ops.zeros([4])
            add = lambda i, x: (i + 1, x + array_ops.identity(v))  # noqa: E731
            r = while_loop_tf.while_loop(lambda i, x: i < 3, add, [0, zeros])[1]
            sess.run(variables.global_variables_initializer())
            self.assertAllEqual([3.0] * 4, sess.run(r))

    def testBarrierAcrossSteps(self):
        with self.session() as sess:
            b = data_flow_ops.Barrier((dtypes.float32, dtypes.float32), shapes=((), ()), name="B")
            sess.run([b.insert_many(0, ["k1", "k2"], [1.0, 2.0]), b.insert_many(1, ["k1", "k2"], [3.0, 4.0])])
            _, keys, values = b.take_many(2)
            k, v = sess.run([keys, values])
            self.assertAllEqual([b"k1", b"k2"], k)
            self.assertAllEqual([1.0, 2.0], v[0])

    def testAccumulatorInLoop(self):
        with self.session() as sess:
            a = data_flow_ops.ConditionalAccumulator(dtypes.float32, shape=[])
            r = while_loop_tf.while_loop(
                lambda i: i < 4,
                lambda i: control_flow_ops.with_dependencies([a.apply_grad(math_ops.cast(i, dtypes.float32))], i + 1),
                [0],
            )
            sess.run(r)
            self.assertEqual(1.5, sess.run(a.take_grad(4)))

    def testPyFuncStateInLoop(self):
        seen = []
        with self.session() as sess:

            def note(i):
                seen.append(int(i))
                return np.int32(i + 1)

            def body(i):
                j = script_ops.py_func(note, [i], dtypes.int32)
                j.set_shape([])
                return j

            sess.run(while_loop_tf.while_loop(lambda i: i < 4, body, [0]))
            self.assertEqual([0, 1, 2, 3], seen)

    def testAssertInsideCond(self):
        with self.session() as sess:
            p = array_ops.placeholder(dtypes.bool, [])
            x = constant_op.constant(-1.0)

            def then():
                with ops.control_dependencies([control_flow_assert.Assert(x > 0.0, ["negative:", x])]):
                    return array_ops.identity(x)

            r = tf_cond.cond(p, then, lambda: constant_op.constant(0.0))
            self.assertEqual(0.0, sess.run(r, {p: False}))
            with self.assertRaisesRegex(errors.InvalidArgumentError, "negative:"):
                sess.run(r, {p: True})

    def testGroupInCond(self):
        with self.session() as sess:
            v, w = ref(0), ref(0)
            p = array_ops.placeholder(dtypes.bool, [])
            op = tf_cond.cond(
                p, lambda: control_flow_ops.group(v.assign_add(1), w.assign_add(2)), control_flow_ops.no_op
            )
            sess.run(variables.global_variables_initializer())
            sess.run(op, {p: True})
            sess.run(op, {p: False})
            self.assertEqual([1, 2], sess.run([v, w]))

    def testImportedWhileByGraphDef(self):
        with ops.Graph().as_default() as g:
            x = array_ops.placeholder(dtypes.float32, [], name="x")
            array_ops.identity(while_loop_tf.while_loop(lambda a: a < 100.0, lambda a: a * a, [x]), name="y")
            definition = g.as_graph_def()
        with ops.Graph().as_default(), session.Session() as sess:
            x = constant_op.constant(3.0)
            (y,) = importer.import_graph_def(definition, input_map={"x:0": x}, return_elements=["y:0"])
            self.assertEqual(6561.0, sess.run(y))

    def testLoopWithDefun(self):
        with self.session() as sess:

            @function.Defun(dtypes.float32)
            def square(x):
                return x * x

            r = while_loop_tf.while_loop(
                lambda x: x < 100.0, lambda x: array_ops.reshape(square(x), []), [constant_op.constant(2.0)]
            )
            self.assertEqual(256.0, sess.run(r))

    def testTemplateOfCounts(self):
        with self.session() as sess:
            v = ref(0)
            reads = []
            for _ in range(3):
                with ops.control_dependencies([v.assign_add(1), *reads]):
                    reads.append(v.read_value())
            sess.run(v.initializer)
            sess.run(reads)
            self.assertEqual(3, sess.run(v))


if __name__ == "__main__":
    test.main()
