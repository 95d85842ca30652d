"""Sessions from their construction to their end."""

import threading
import time

from tensorflow.core.protobuf import config_pb2
from tensorflow.python.client import session
from tensorflow.python.framework import (
    constant_op,
    dtypes,
    errors,
    ops,
    test_util,
)
from tensorflow.python.ops import (
    data_flow_ops,
    variables,
)


class LifecycleTest(test_util.TensorFlowTestCase):
    def testEmptyGraph(self):
        with ops.Graph().as_default(), session.Session() as sess:
            with self.assertRaisesRegex(RuntimeError, "The Session graph is empty"):
                sess.run([])
            with self.assertRaisesRegex(RuntimeError, "The Session graph is empty"):
                sess.partial_run_setup([])

    @test_util.run_v1_only("sessions")
    def testClosed(self):
        c = constant_op.constant(1.0)
        sess = session.Session()
        self.assertEqual(1.0, sess.run(c))
        f = sess.make_callable(c)
        sess.close()
        sess.close()
        with self.assertRaisesRegex(RuntimeError, "Attempted to use a closed Session"):
            sess.run(c)
        with self.assertRaisesRegex(RuntimeError, "Attempted to use a closed Session"):
            sess.partial_run_setup([c])
        with self.assertRaises((RuntimeError, errors.CancelledError)):
            f()

    @test_util.run_v1_only("sessions")
    def testContextManagerCloses(self):
        c = constant_op.constant(1.0)
        with session.Session() as sess:
            self.assertIs(sess, ops.get_default_session())
            with self.assertRaisesRegex(RuntimeError, "not re-entrant"), sess:
                pass
            self.assertEqual(1.0, c.eval())
        self.assertIsNone(ops.get_default_session())
        with self.assertRaisesRegex(RuntimeError, "closed"):
            sess.run(c)

    @test_util.run_v1_only("sessions")
    def testAsDefaultNests(self):
        c = constant_op.constant(1.0)
        one, two = session.Session(), session.Session()
        with one.as_default():
            self.assertIs(one, ops.get_default_session())
            with two.as_default() as d:
                self.assertIs(d, two)
                self.assertIs(two, ops.get_default_session())
                with one.as_default():
                    self.assertEqual(1.0, c.eval())
            self.assertIs(one, ops.get_default_session())
        self.assertEqual(1.0, one.run(c))
        one.close()
        two.close()

    @test_util.run_v1_only("sessions")
    def testEvalAndRunWithoutDefault(self):
        c = constant_op.constant(1.0)
        with self.assertRaisesRegex(ValueError, "No default session is registered"):
            c.eval()
        with self.assertRaisesRegex(ValueError, "No default session is registered"):
            c.op.run()
        with session.Session(graph=ops.Graph()):
            with self.assertRaisesRegex(ValueError, "the tensor's graph is different from the session's graph"):
                c.eval()
            with self.assertRaisesRegex(ValueError, "the operation's graph is different from the session's graph"):
                c.op.run()
        other = session.Session(graph=ops.Graph())
        with self.assertRaisesRegex(ValueError, "Cannot use the given session to evaluate tensor"):
            c.eval(session=other)
        with self.assertRaisesRegex(ValueError, "Cannot use the given session to execute operation"):
            c.op.run(session=other)

    def testConstructorArguments(self):
        with self.assertRaisesRegex(TypeError, "Argument `graph` must be a tf.Graph"):
            session.Session(graph="nope")
        with self.assertRaisesRegex(TypeError, "Argument `config` must be a tf.ConfigProto"):
            session.Session(config="nope")
        with self.assertRaisesRegex(TypeError, "Argument `target` must be a string"):
            session.Session(37)
        with self.assertRaisesRegex(TypeError, "Session\\(config=config\\)"):
            session.Session(config_pb2.ConfigProto())
        with self.assertRaisesOpError("No session factory registered"):
            session.Session("nowhere")

    def testProperties(self):
        g = ops.Graph()
        with g.as_default():
            constant_op.constant(1.0, name="c")
        sess = session.Session(graph=g)
        self.assertIs(g, sess.graph)
        self.assertEqual(b"", sess.sess_str)
        self.assertEqual(["c"], [n.name for n in sess.graph_def.node])
        self.assertProtoEquals(sess.graph_def, g.as_graph_def())
        sess.close()

    @test_util.run_v1_only("sessions")
    def testGraphGrows(self):
        with session.Session() as sess:
            a = constant_op.constant(1.0)
            self.assertEqual(1.0, sess.run(a))
            b = a + 1.0
            self.assertEqual(2.0, sess.run(b))
            v = variables.Variable(b)
            sess.run(v.initializer)
            self.assertEqual(2.0, sess.run(v))

    @test_util.run_v1_only("sessions")
    def testInteractive(self):
        sess = session.InteractiveSession()
        a = constant_op.constant(4.0)
        self.assertEqual(4.0, a.eval())
        v = variables.Variable(a)
        v.initializer.run()
        self.assertEqual(4.0, v.eval())
        sess.close()
        sess.close()
        with self.assertRaises(ValueError):
            a.eval()

    def testInteractiveWithGraph(self):
        g = ops.Graph()
        sess = session.InteractiveSession(graph=g)
        self.assertIs(ops.get_default_graph(), g)
        a = constant_op.constant(1.0)
        self.assertIs(a.graph, g)
        self.assertEqual(1.0, a.eval())
        sess.close()
        self.assertIsNot(ops.get_default_graph(), g)

    def testInteractiveKeepsConfigArgument(self):
        with ops.Graph().as_default():
            cfg = config_pb2.ConfigProto(allow_soft_placement=True)
            sess = session.InteractiveSession(config=cfg)
            self.assertEqual(2.0, constant_op.constant(2.0).eval())
            sess.close()

    @test_util.run_v1_only("sessions")
    def testFinalizedGraph(self):
        a = constant_op.constant(2.0)
        g = ops.get_default_graph()
        g.finalize()
        with session.Session() as sess:
            self.assertEqual(2.0, sess.run(a))
            with self.assertRaisesRegex(RuntimeError, "finalized"):
                constant_op.constant(2.0)

    @test_util.run_v1_only("sessions")
    def testVariablesBelongToSession(self):
        v = variables.Variable(1.0)
        up = v.assign_add(1.0)
        one, two = session.Session(), session.Session()
        one.run(v.initializer)
        one.run(up)
        with self.assertRaisesRegex(errors.FailedPreconditionError, "uninitialized"):
            two.run(v)
        two.run(v.initializer)
        self.assertEqual([2.0, 1.0], [one.run(v), two.run(v)])

    @test_util.run_v1_only("sessions")
    def testManyThreads(self):
        a = constant_op.constant(1.0)
        b = constant_op.constant(2.0)
        c = a + b
        with session.Session() as sess:
            wrong = []

            def work():
                for _ in range(20):
                    if sess.run(c) != 3.0:
                        wrong.append(1)

            threads = [self.checkedThread(target=work) for _ in range(8)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            self.assertEqual([], wrong)

    @test_util.run_v1_only("sessions")
    def testDefaultSessionIsOfThread(self):
        c = constant_op.constant(1.0)
        seen = []
        with session.Session() as sess:

            def work():
                seen.append(ops.get_default_session())
                with sess.as_default():
                    seen.append(c.eval())

            t = self.checkedThread(target=work)
            t.start()
            t.join()
        self.assertIsNone(seen[0])
        self.assertEqual(1.0, seen[1])

    @test_util.run_v1_only("sessions")
    def testGraphGrowsWhileThreadsRun(self):
        with session.Session() as sess:
            x = constant_op.constant(1.0)
            stop = threading.Event()

            def work():
                while not stop.is_set():
                    self.assertEqual(1.0, sess.run(x))

            t = self.checkedThread(target=work)
            t.start()
            y = x
            for _ in range(30):
                y = y + 1.0
                sess.run(y)
            stop.set()
            t.join()
            self.assertEqual(31.0, sess.run(y))

    @test_util.run_v1_only("sessions")
    def testCloseWhileRunning(self):
        q = data_flow_ops.FIFOQueue(1, [dtypes.float32], shapes=[[]])
        d = q.dequeue()
        sess = session.Session()

        def work():
            with self.assertRaises(errors.CancelledError):
                sess.run(d)

        t = self.checkedThread(target=work)
        t.start()
        time.sleep(0.3)
        sess.close()
        t.join()

    def testGraphAndSessionEnter(self):
        with ops.Graph().as_default() as g, session.Session() as sess:
            self.assertIs(ops.get_default_graph(), g)
            with ops.Graph().as_default():
                self.assertIs(ops.get_default_session(), sess)

    def testExceptionLeavesWith(self):
        with ops.Graph().as_default():
            c = constant_op.constant(1.0)
            with self.assertRaisesRegex(KeyError, "mine"), session.Session() as sess:
                raise KeyError("mine")
            with self.assertRaises(RuntimeError):
                sess.run(c)

    def testReset(self):
        session.Session.reset("")
        session.Session.reset("", ["a"])
