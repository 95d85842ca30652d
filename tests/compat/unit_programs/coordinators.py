"""Coordinators and threads that loop until one stops."""

import collections
import sys
import threading
import time

from tensorflow.python.framework import errors_impl
from tensorflow.python.platform import test
from tensorflow.python.training import coordinator

_MockOp = collections.namedtuple("MockOp", ["name"])


def StopOnEvent(coord, wait_for_stop, set_when_stopped):
    wait_for_stop.wait()
    coord.request_stop()
    with coord.stop_on_exception():
        set_when_stopped.set()


class CoordinatorTest(test.TestCase):
    def testStopAPI(self):
        coord = coordinator.Coordinator()
        self.assertFalse(coord.should_stop())
        self.assertFalse(coord.wait_for_stop(0.01))
        coord.request_stop()
        self.assertTrue(coord.should_stop())
        self.assertTrue(coord.wait_for_stop(0.01))

    def testStopAsync(self):
        coord = coordinator.Coordinator()
        self.assertFalse(coord.should_stop())
        self.assertFalse(coord.wait_for_stop(0.1))
        wait_for_stop_ev = threading.Event()
        has_stopped_ev = threading.Event()
        t = threading.Thread(target=StopOnEvent, args=(coord, wait_for_stop_ev, has_stopped_ev))
        t.start()
        self.assertFalse(coord.should_stop())
        self.assertFalse(coord.wait_for_stop(0.01))
        wait_for_stop_ev.set()
        has_stopped_ev.wait()
        self.assertTrue(coord.wait_for_stop(0.05))
        self.assertTrue(coord.should_stop())

    def testJoin(self):
        coord = coordinator.Coordinator()
        threads = [threading.Thread(target=lambda: time.sleep(0.01)) for _ in range(3)]
        for t in threads:
            t.start()
        coord.join(threads)
        for t in threads:
            self.assertFalse(t.is_alive())
        self.assertTrue(coord.joined)

    def testJoinAllRegistered(self):
        coord = coordinator.Coordinator()
        threads = [threading.Thread(target=lambda: time.sleep(0.01)) for _ in range(3)]
        for t in threads:
            coord.register_thread(t)
            t.start()
        coord.join()
        for t in threads:
            self.assertFalse(t.is_alive())

    def testJoinGraceExpires(self):
        def TestWithGracePeriod(stop_grace_period):
            coord = coordinator.Coordinator()
            go = threading.Event()
            threads = [threading.Thread(target=go.wait, daemon=True)]
            for t in threads:
                t.start()
            coord.request_stop()
            with self.assertRaisesRegex(RuntimeError, "threads still running"):
                coord.join(threads, stop_grace_period_secs=stop_grace_period)
            go.set()

        TestWithGracePeriod(1e-10)
        TestWithGracePeriod(0.002)
        TestWithGracePeriod(0.1)

    def testJoinWithoutGraceIgnoring(self):
        coord = coordinator.Coordinator()
        go = threading.Event()
        t = threading.Thread(target=go.wait, daemon=True)
        t.start()
        coord.request_stop()
        coord.join([t], stop_grace_period_secs=0.02, ignore_live_threads=True)
        go.set()

    def testJoinRaiseReportExcInfo(self):
        coord = coordinator.Coordinator()

        def work():
            try:
                raise RuntimeError("First")
            except RuntimeError:
                coord.request_stop(sys.exc_info())

        def later():
            coord.wait_for_stop()
            try:
                raise RuntimeError("Too late")
            except RuntimeError:
                coord.request_stop(sys.exc_info())

        threads = [threading.Thread(target=work), threading.Thread(target=later)]
        for t in threads:
            t.start()
        with self.assertRaisesRegex(RuntimeError, "First"):
            coord.join(threads)

    def testJoinRaiseReportException(self):
        coord = coordinator.Coordinator()

        def work():
            try:
                raise RuntimeError("First")
            except RuntimeError as e:
                coord.request_stop(e)

        t = threading.Thread(target=work)
        t.start()
        with self.assertRaisesRegex(RuntimeError, "First"):
            coord.join([t])

    def testJoinIgnoresOutOfRange(self):
        coord = coordinator.Coordinator()

        def work():
            with coord.stop_on_exception():
                raise errors_impl.OutOfRangeError(None, None, "First")

        t = threading.Thread(target=work)
        t.start()
        coord.join([t])

    def testJoinIgnoresMyExceptionType(self):
        coord = coordinator.Coordinator(clean_stop_exception_types=(ValueError,))

        def work():
            with coord.stop_on_exception():
                raise ValueError("Clean stop")

        t = threading.Thread(target=work)
        t.start()
        coord.join([t])

    def testJoinRaiseReportExceptionUsingHandler(self):
        coord = coordinator.Coordinator()

        def work():
            with coord.stop_on_exception():
                raise RuntimeError("First")

        t = threading.Thread(target=work)
        t.start()
        with self.assertRaisesRegex(RuntimeError, "First"):
            coord.join([t])
        with self.assertRaisesRegex(RuntimeError, "First"):
            coord.raise_requested_exception()

    def testClearStopClearsExceptionToo(self):
        coord = coordinator.Coordinator()
        ev = threading.Event()

        def work():
            ev.wait()
            with coord.stop_on_exception():
                raise RuntimeError("First")

        t = threading.Thread(target=work)
        t.start()
        ev.set()
        with self.assertRaisesRegex(RuntimeError, "First"):
            coord.join([t])
        coord.clear_stop()
        self.assertFalse(coord.joined)

        def work2():
            with coord.stop_on_exception():
                raise RuntimeError("Second")

        t = threading.Thread(target=work2)
        t.start()
        with self.assertRaisesRegex(RuntimeError, "Second"):
            coord.join([t])

    def testRequestStopRaisesIfJoined(self):
        coord = coordinator.Coordinator()
        # Join the coordinator right away.
        coord.join([])
        reported = False
        with self.assertRaisesRegex(RuntimeError, "Too late"):
            try:
                raise RuntimeError("Too late")
            except RuntimeError as e:
                reported = True
                coord.request_stop(e)
        self.assertTrue(reported)
        # If we clear_stop the exceptions are handled normally.
        coord.clear_stop()
        try:
            raise RuntimeError("After clear")
        except RuntimeError as e:
            coord.request_stop(e)
        with self.assertRaisesRegex(RuntimeError, "After clear"):
            coord.join([])

    def testRequestStopRaisesIfJoined_ExcInfo(self):
        coord = coordinator.Coordinator()
        coord.join([])
        with self.assertRaisesRegex(RuntimeError, "Too late"):
            try:
                raise RuntimeError("Too late")
            except RuntimeError:
                coord.request_stop(sys.exc_info())

    def testCleanStopAfterJoin(self):
        coord = coordinator.Coordinator()
        coord.join([])
        coord.request_stop(errors_impl.OutOfRangeError(None, None, "end"))


class LooperTest(test.TestCase):
    def testTargetArgs(self):
        n = [3]
        coord = coordinator.Coordinator()

        def _Count(target, number):
            target[0] -= number
            if not target[0]:
                coord.request_stop()

        thread = coordinator.LooperThread.loop(coord, 0, target=_Count, args=(n, 1))
        coord.join([thread])
        self.assertEqual(0, n[0])

    def testTargetKwargs(self):
        n = [3]
        coord = coordinator.Coordinator()

        def _Count(n, by=None):
            n[0] -= by
            if not n[0]:
                coord.request_stop()

        thread = coordinator.LooperThread.loop(coord, 0, target=_Count, args=(n,), kwargs={"by": 1})
        coord.join([thread])
        self.assertEqual(0, n[0])

    def testTargetMixedArgs(self):
        calls = []

        class MyLooper(coordinator.LooperThread):
            def start_loop(self):
                calls.append("start")

            def stop_loop(self):
                calls.append("stop")

            def run_loop(self):
                calls.append("run")
                if len(calls) > 3:
                    self._coord.request_stop()

        coord = coordinator.Coordinator()
        t = MyLooper(coord, 0.001)
        t.start()
        coord.join([t])
        self.assertEqual(["start", "run", "run", "run", "stop"], calls)

    def testErrorStops(self):
        coord = coordinator.Coordinator()

        def bad():
            raise ValueError("loop")

        t = coordinator.LooperThread.loop(coord, None, target=bad)
        with self.assertRaisesRegex(ValueError, "loop"):
            coord.join([t])

    def testArguments(self):
        with self.assertRaisesRegex(ValueError, "'coord' argument must be a Coordinator"):
            coordinator.LooperThread("coord", 1)
        with self.assertRaisesRegex(ValueError, "'args' and 'kwargs' argument require that you also pass 'target'"):
            coordinator.LooperThread(coordinator.Coordinator(), 1, args=(1,))


if __name__ == "__main__":
    test.main()
