"""Sessions at clusters of several tasks, lists of devices, requests for placement."""

import socket
import threading
import time

import numpy as np
from tensorflow.core.protobuf import cluster_pb2, config_pb2, tensorflow_server_pb2
from tensorflow.python.client import session
from tensorflow.python.framework import constant_op, dtypes, errors, ops, test_util
from tensorflow.python.ops import (
    array_ops,
    data_flow_ops,
    math_ops,
    variable_v1,
)
from tensorflow.python.ops import cond as tf_cond
from tensorflow.python.ops import while_loop as while_loop_tf
from tensorflow.python.platform import test
from tensorflow.python.training import server_lib


def ref(*args, **kwargs):
    return variable_v1.VariableV1(*args, use_resource=False, **kwargs)


def create_local_cluster(num_workers, num_ps):
    """Servers of this process, at ports that are free."""
    held = [socket.socket() for _ in range(num_workers + num_ps)]
    for one in held:
        one.bind(("localhost", 0))
    addresses = [f"localhost:{one.getsockname()[1]}" for one in held]
    for one in held:
        one.close()
    spec = server_lib.ClusterSpec({"worker": addresses[:num_workers], "ps": addresses[num_workers:]})
    workers = [server_lib.Server(spec, job_name="worker", task_index=i) for i in range(num_workers)]
    return workers, [server_lib.Server(spec, job_name="ps", task_index=i) for i in range(num_ps)]


@test_util.run_v1_only("sessions")
class ClusterTest(test.TestCase):
    def testCreateLocalCluster(self):
        workers, parameters = create_local_cluster(num_workers=2, num_ps=1)
        self.assertEqual([2, 1], [len(workers), len(parameters)])
        with ops.Graph().as_default():
            with ops.device("/job:ps/task:0"):
                v = ref(1.0, name="v")
            with ops.device("/job:worker/task:1"):
                y = v * 3.0
            with session.Session(workers[0].target) as sess:
                sess.run(v.initializer)
                self.assertEqual(3.0, sess.run(y))
                names = [d.name for d in sess.list_devices()]
        self.assertIn("/job:ps/replica:0/task:0/device:CPU:0", names)
        self.assertIn("/job:worker/replica:0/task:1/device:CPU:0", names)

    def testTraceOfTwoTasks(self):
        workers, _ = create_local_cluster(num_workers=2, num_ps=0)
        with ops.Graph().as_default():
            with ops.device("/job:worker/task:0"):
                a = array_ops.placeholder(dtypes.float32, [2, 2], name="a")
                b = math_ops.matmul(a, a, name="b")
            with ops.device("/job:worker/task:1"):
                c = math_ops.matmul(b, b, name="c")
            options = config_pb2.RunOptions(trace_level=config_pb2.RunOptions.FULL_TRACE, output_partition_graphs=True)
            metadata = config_pb2.RunMetadata()
            with session.Session(workers[0].target) as sess:
                got = sess.run(c, {a: np.eye(2)}, options=options, run_metadata=metadata)
            self.assertAllEqual(np.eye(2), got)
            by_device = {d.device: [n.node_name for n in d.node_stats] for d in metadata.step_stats.dev_stats}
            self.assertTrue(any("task:0" in d and "b" in names for d, names in by_device.items()), by_device)
            self.assertTrue(any("task:1" in d and "c" in names for d, names in by_device.items()), by_device)

    def testStateIsOfTheCluster(self):
        workers, _ = create_local_cluster(num_workers=2, num_ps=0)
        with ops.Graph().as_default():
            with ops.device("/job:worker/task:1"):
                v = ref([1.0, 2.0], name="v")
            with session.Session(workers[0].target) as one:
                one.run(v.initializer)
            with session.Session(workers[1].target) as other:
                self.assertAllEqual([1.0, 2.0], other.run(v))

    def testQueueOnOtherTask(self):
        workers, _ = create_local_cluster(num_workers=2, num_ps=0)
        with ops.Graph().as_default():
            with ops.device("/job:worker/task:1"):
                q = data_flow_ops.FIFOQueue(10, dtypes.int32, shapes=[[]], shared_name="q")
            with session.Session(workers[0].target) as sess:
                enqueue, dequeue = q.enqueue(3), q.dequeue()
                sess.run(enqueue)
                self.assertEqual(3, sess.run(dequeue))
                got = []
                thread = threading.Thread(target=lambda: got.append(sess.run(dequeue)))
                thread.start()
                sess.run(enqueue)
                thread.join()
                self.assertEqual([3], got)

    def testLoopOverTasks(self):
        workers, _ = create_local_cluster(num_workers=2, num_ps=0)
        with ops.Graph().as_default():

            def body(i, x):
                with ops.device("/job:worker/task:1"):
                    return i + 1, x * 2.0

            with ops.device("/job:worker/task:0"):
                r = while_loop_tf.while_loop(lambda i, x: i < 5, body, [0, 1.0])
            with session.Session(workers[0].target) as sess:
                self.assertAllEqual([5, 32.0], sess.run(r))

    def testCondOverTasks(self):
        workers, _ = create_local_cluster(num_workers=2, num_ps=0)
        with ops.Graph().as_default():
            p = array_ops.placeholder(dtypes.bool, [])
            with ops.device("/job:worker/task:1"):
                x = constant_op.constant(2.0)

            def then():
                with ops.device("/job:worker/task:1"):
                    return x * 3.0

            r = tf_cond.cond(p, then, lambda: x - 1.0)
            with session.Session(workers[0].target) as sess:
                self.assertEqual([6.0, 1.0], [sess.run(r, {p: True}), sess.run(r, {p: False})])

    def testErrorOnOtherTask(self):
        workers, _ = create_local_cluster(num_workers=2, num_ps=0)
        with ops.Graph().as_default():
            with ops.device("/job:worker/task:1"):
                p = array_ops.placeholder(dtypes.float32)
                r = array_ops.reshape(p, [3], name="r")
            with session.Session(workers[0].target) as sess:
                with self.assertRaises(errors.InvalidArgumentError):
                    sess.run(r, {p: [1.0, 2.0]})
                self.assertAllEqual([1.0, 2.0, 3.0], sess.run(r, {p: [1.0, 2.0, 3.0]}))

    def testUnknownTask(self):
        workers, _ = create_local_cluster(num_workers=1, num_ps=0)
        with ops.Graph().as_default():
            with ops.device("/job:worker/task:7"):
                c = constant_op.constant(1.0)
            with session.Session(workers[0].target) as sess, self.assertRaises(errors.InvalidArgumentError):
                sess.run(c)

    def testSeveralDevicesOfATask(self):
        server = server_lib.Server.create_local_server(config=config_pb2.ConfigProto(device_count={"CPU": 3}))
        with ops.Graph().as_default():
            with ops.device("/cpu:2"):
                c = constant_op.constant(1.0) + 2.0
            with session.Session(server.target) as sess:
                self.assertEqual(3.0, sess.run(c))
                self.assertEqual(3, len([d for d in sess.list_devices() if d.device_type == "CPU"]))

    def testServerDef(self):
        server = server_lib.Server.create_local_server()
        self.assertEqual("localhost", server.server_def.job_name)
        self.assertEqual(0, server.server_def.task_index)
        self.assertTrue(server.target)
        self.assertEqual("localhost", server.server_def.cluster.job[0].name)

    def testServerBadArguments(self):
        with self.assertRaises(ValueError):
            server_lib.Server({"a": ["localhost:1"], "b": ["localhost:2"]})
        with self.assertRaises(ValueError):
            server_lib.Server({"a": ["localhost:1", "localhost:2"]}, job_name="a")
        with self.assertRaises(TypeError):
            server_lib.Server(3)
        with self.assertRaises((errors.OpError, ValueError)):
            server_lib.Server({"a": ["localhost:0"]}, job_name="b", task_index=0)

    def testServerDefArgument(self):
        spec = server_lib.ClusterSpec({"local": ["localhost:0"]}).as_cluster_def()
        definition = tensorflow_server_pb2.ServerDef(cluster=spec, job_name="local", task_index=0, protocol="grpc")
        server = server_lib.Server(definition)
        with ops.Graph().as_default(), session.Session(server.target) as sess:
            self.assertEqual(3, sess.run(constant_op.constant(3)))

    def testStartLater(self):
        server = server_lib.Server.create_local_server(start=False)
        server.start()
        with ops.Graph().as_default(), session.Session(server.target) as sess:
            self.assertEqual(3, sess.run(constant_op.constant(3)))

    def testClusterSpecEquality(self):
        a = server_lib.ClusterSpec({"job": ["h:1", "h:2"]})
        self.assertEqual(a, server_lib.ClusterSpec({"job": {0: "h:1", 1: "h:2"}}))
        self.assertEqual(a, server_lib.ClusterSpec(a.as_cluster_def()))
        self.assertEqual(a, server_lib.ClusterSpec(a))
        self.assertNotEqual(a, server_lib.ClusterSpec({"job": ["h:1"]}))
        self.assertEqual(2, a.num_tasks("job"))
        self.assertEqual([0, 1], a.task_indices("job"))
        self.assertEqual("h:2", a.task_address("job", 1))
        self.assertEqual(["h:1", "h:2"], a.job_tasks("job"))
        self.assertEqual({"job": ["h:1", "h:2"]}, a.as_dict())
        with self.assertRaises(ValueError):
            a.num_tasks("other")
        with self.assertRaises(ValueError):
            a.task_address("job", 5)
        with self.assertRaises(TypeError):
            server_lib.ClusterSpec(3)
        with self.assertRaises(TypeError):
            server_lib.ClusterSpec({"job": 3})
        self.assertTrue(a)
        self.assertFalse(server_lib.ClusterSpec({}))

    def testClusterSpecSparse(self):
        a = server_lib.ClusterSpec({"job": {3: "h:3"}})
        self.assertEqual({"job": {3: "h:3"}}, a.as_dict())
        self.assertEqual([None, None, None, "h:3"], a.job_tasks("job"))
        d = a.as_cluster_def()
        self.assertEqual("h:3", d.job[0].tasks[3])
        with self.assertRaises(ValueError):
            a.task_address("job", 0)

    def testPartialRunOverTasks(self):
        workers, _ = create_local_cluster(num_workers=2, num_ps=0)
        with ops.Graph().as_default():
            with ops.device("/job:worker/task:0"):
                a = array_ops.placeholder(dtypes.float32, [])
                b = array_ops.placeholder(dtypes.float32, [])
                r1 = a + b
            with ops.device("/job:worker/task:1"):
                c = array_ops.placeholder(dtypes.float32, [])
                r2 = r1 * c
            with session.Session(workers[0].target) as sess:
                h = sess.partial_run_setup([r1, r2], [a, b, c])
                self.assertEqual(3.0, sess.partial_run(h, r1, {a: 1.0, b: 2.0}))
                self.assertEqual(51.0, sess.partial_run(h, r2, {c: 17.0}))

    def testInterleavedPartialRunsAtServer(self):
        server = server_lib.Server.create_local_server()
        with ops.Graph().as_default():
            a = array_ops.placeholder(dtypes.float32, [])
            b = array_ops.placeholder(dtypes.float32, [])
            c, d = a + 1.0, b * 2.0
            e = c * d
            with session.Session(server.target) as sess:
                h1 = sess.partial_run_setup([c, e], [a, b])
                h2 = sess.partial_run_setup([c, e], [a, b])
                self.assertEqual(2.0, sess.partial_run(h1, c, {a: 1.0}))
                self.assertEqual(11.0, sess.partial_run(h2, c, {a: 10.0}))
                self.assertEqual(12.0, sess.partial_run(h1, e, {b: 3.0}))
                self.assertEqual(66.0, sess.partial_run(h2, e, {b: 3.0}))

    def testResetOfCluster(self):
        workers, _ = create_local_cluster(num_workers=2, num_ps=0)
        with ops.Graph().as_default():
            with ops.device("/job:worker/task:1"):
                v = ref(1.0, name="v")
            sess = session.Session(workers[0].target)
            sess.run(v.initializer)
            session.Session.reset(workers[0].target)
            with self.assertRaises(errors.AbortedError):
                sess.run(v)
            again = session.Session(workers[0].target)
            with self.assertRaises(errors.FailedPreconditionError):
                again.run(v)

    def testIsolatedSessions(self):
        server = server_lib.Server.create_local_server()
        config = config_pb2.ConfigProto(isolate_session_state=True)
        with ops.Graph().as_default():
            v = ref(1.0, name="v")
            one, two = session.Session(server.target, config=config), session.Session(server.target, config=config)
            shared = session.Session(server.target)
            one.run(v.initializer)
            self.assertEqual(3.0, one.run(v.assign_add(2.0)))
            for other in (two, shared):
                with self.assertRaises(errors.FailedPreconditionError):
                    other.run(v)
            shared.run(v.initializer)
            self.assertEqual([3.0, 1.0], [one.run(v), shared.run(v)])

    def testClusterDefOfConfig(self):
        one, two = server_lib.Server.create_local_server(), server_lib.Server.create_local_server()
        cluster = cluster_pb2.ClusterDef()
        job = cluster.job.add(name="worker")
        job.tasks[0] = one.target[len("grpc://") :] if one.target.startswith("grpc") else one.target.split("//")[1]
        job.tasks[1] = two.target.split("//")[1]
        config = config_pb2.ConfigProto(cluster_def=cluster)
        with ops.Graph().as_default():
            with ops.device("/job:worker/task:1"):
                c = constant_op.constant(3.0) * 2.0
            with session.Session(one.target, config=config) as sess:
                self.assertEqual(6.0, sess.run(c))
                names = [d.name for d in sess.list_devices()]
                self.assertIn("/job:worker/replica:0/task:1/device:CPU:0", names)

    def testCloseWhileBlocked(self):
        server = server_lib.Server.create_local_server()
        with ops.Graph().as_default():
            q = data_flow_ops.FIFOQueue(1, dtypes.int32)
            d = q.dequeue()
            sess = session.Session(server.target)
            sess.run(constant_op.constant(1))
            raised = []

            def run():
                try:
                    sess.run(d)
                except errors.OpError as error:
                    raised.append(type(error))

            thread = threading.Thread(target=run)
            thread.start()
            time.sleep(0.2)
            sess.close()
            thread.join()
            self.assertEqual([errors.CancelledError], raised)


if __name__ == "__main__":
    test.main()
