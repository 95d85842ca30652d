"""TestCase: unittest's, with a session for each test and assertions about arrays.

    class SquareTest(tf.test.TestCase):
        def testSquare(self):
            with self.test_session():
                self.assertAllEqual(tf.square([2, 3]).eval(), [4, 9])

    if __name__ == "__main__":
        tf.test.main()

Next: test/gradient_checker.py.
"""

from __future__ import annotations

import atexit
import random
import re
import shutil
import tempfile
import threading
import unittest
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from refflow.core.errors import OpError
from refflow.core.graph import Graph, get_default_graph, reset_default_graph
from refflow.core.graphdef import GraphDef
from refflow.runtime.session import Session

SEED = 87654321  # of Python, NumPy and the default graph at the start of each test


@cache
def get_temp_dir() -> str:
    """A folder for this process, empty at first and gone at its end."""
    folder = tempfile.mkdtemp(prefix="refflow_test_")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def is_built_with_cuda() -> bool:
    """False: kernels for a GPU are Triton's, compiled when they are needed."""
    return False


def main() -> None:
    """Runs the tests of the calling script and exits."""
    unittest.main()


class TestCase(unittest.TestCase):
    """A test with the same random seeds each time, a fresh default graph, and what it has to say about arrays."""

    def __init__(self, methodName: str = "runTest"):
        super().__init__(methodName)
        self._cached: tuple[Any, Session] | None = None
        self._threads: list[CheckedThread] = []

    def setUp(self) -> None:
        super().setUp()
        if self._testMethodName == "test_session":  # its name makes unittest take it for a test
            self.skipTest("a session, not a test")
        random.seed(SEED)
        np.random.seed(SEED)
        reset_default_graph()
        get_default_graph().seed = SEED

    def tearDown(self) -> None:
        for thread in self._threads:
            thread.check_termination()
        self._threads = []
        if self._cached is not None:
            self._cached[1].close()
            self._cached = None
        super().tearDown()

    def get_temp_dir(self) -> str:
        """A folder for files; the same for all tests of a process."""
        return get_temp_dir()

    # -- sessions -------------------------------------------------------------------------------------------------

    @contextmanager
    def session(
        self, graph: Graph | None = None, config: Any = None, use_gpu: bool = False, force_gpu: bool = False
    ) -> Iterator[Session]:
        """A new session, the default one inside, its graph too. use_gpu, force_gpu: the session finds its devices."""
        with Session(graph=graph, config=config) as found:
            yield found

    @contextmanager
    def test_session(
        self, graph: Graph | None = None, config: Any = None, use_gpu: bool = False, force_gpu: bool = False
    ) -> Iterator[Session]:
        """As `session`; without a graph, the same one each time within a test, so that variables stay."""
        if graph is not None:
            with self.session(graph, config, use_gpu, force_gpu) as found:
                yield found
            return
        here = get_default_graph()
        if self._cached is None or self._cached[0] is not here:
            self._cached = here, Session(graph=here, config=config)
        with here.as_default(), self._cached[1].as_default():
            yield self._cached[1]

    cached_session = test_session

    def evaluate(self, tensors: Any) -> Any:
        """The values of `tensors` in the test's session."""
        with self.test_session() as session:
            return session.run(tensors)

    def checkedThread(self, target: Callable[..., Any], args: Any = None, kwargs: Any = None) -> CheckedThread:
        """A thread whose exception fails the test that joins it."""
        self._threads.append(CheckedThread(self, target, args or (), kwargs or {}))
        return self._threads[-1]

    # -- numbers --------------------------------------------------------------------------------------------------

    def assertNear(self, f1: float, f2: float, err: float, msg: str | None = None) -> None:
        """|f1 - f2| <= err, or both are infinite alike or NaN."""
        same = f1 == f2 or (np.isnan(f1) and np.isnan(f2)) or abs(f1 - f2) <= err
        self.assertTrue(same, f"{f1} != {f2} +/- {err}{f' ({msg})' if msg else ''}")

    def assertArrayNear(self, farray1: Any, farray2: Any, err: float) -> None:
        """Each number is near that of the same place, and there are as many."""
        self.assertEqual(len(farray1), len(farray2))
        for one, other in zip(farray1, farray2, strict=True):
            self.assertNear(float(one), float(other), err)

    def assertNDArrayNear(self, ndarray1: Any, ndarray2: Any, err: float) -> None:
        """The norm of the difference is at most `err`."""
        distance = float(np.linalg.norm(np.asarray(ndarray1) - np.asarray(ndarray2)))
        self.assertLessEqual(distance, err, f"the arrays are {distance} apart")

    def assertAllClose(self, a: Any, b: Any, rtol: float = 1e-6, atol: float = 1e-6, msg: str | None = None) -> None:
        """Equal shapes, and |a - b| <= atol + rtol |b| everywhere; in dicts, lists and tuples of arrays, everywhere."""
        if isinstance(a, dict) and isinstance(b, dict):
            self.assertEqual(sorted(a), sorted(b), msg)
            for key in a:
                self.assertAllClose(a[key], b[key], rtol, atol, f"{msg or ''}[{key!r}]")
            return
        if _is_ragged(a) or _is_ragged(b):
            self.assertEqual(len(a), len(b), msg)
            for i, (one, other) in enumerate(zip(a, b, strict=True)):
                self.assertAllClose(one, other, rtol, atol, f"{msg or ''}[{i}]")
            return
        x, y = np.asarray(a), np.asarray(b)
        self.assertEqual(x.shape, y.shape, f"shapes {x.shape} and {y.shape}{f' ({msg})' if msg else ''}")
        if not np.allclose(x, y, rtol=rtol, atol=atol, equal_nan=True):
            wrong = ~np.isclose(x, y, rtol=rtol, atol=atol, equal_nan=True)
            at = tuple(int(i) for i in np.argwhere(wrong)[0]) if x.ndim else ()
            self.fail(f"{int(wrong.sum())} of {x.size} elements differ, first at {at}: {x[at]} and {y[at]}"
                      f"{f' ({msg})' if msg else ''}")  # fmt: skip

    def assertAllCloseAccordingToType(self, a: Any, b: Any, rtol: float = 1e-6, atol: float = 1e-6) -> None:
        """assertAllClose, with room for the roundings of float16 where one side is."""
        if any(np.asarray(x).dtype == np.float16 for x in (a, b)):
            rtol, atol = max(rtol, 1e-3), max(atol, 1e-3)
        self.assertAllClose(a, b, rtol, atol)

    def assertAllEqual(self, a: Any, b: Any, msg: str | None = None) -> None:
        """Equal shapes and elements; NaN equals NaN."""
        x, y = _texts_as_bytes(np.asarray(a)), _texts_as_bytes(np.asarray(b))
        self.assertEqual(x.shape, y.shape, f"shapes {x.shape} and {y.shape}{f' ({msg})' if msg else ''}")
        if "S" in (np.asarray(a).dtype.kind, np.asarray(b).dtype.kind) and x.dtype.kind == y.dtype.kind == "O":
            x, y = x.astype("S"), y.astype("S")  # arrays of bytes of one width know no zeros at the end
        same = np.asarray(x == y)
        if x.dtype.kind in "fc" and y.dtype.kind in "fc":
            same = same | (np.isnan(x) & np.isnan(y))
        if not same.all():
            at = tuple(int(i) for i in np.argwhere(~same)[0]) if x.ndim else ()
            both = f"{_shown(x[at])} and {_shown(y[at])}"
            self.fail(f"{int((~same).sum())} of {x.size} elements differ, first at {at}: {both}"
                      f"{f' ({msg})' if msg else ''}")  # fmt: skip

    # -- tensors, messages, errors ----------------------------------------------------------------------------------

    def assertShapeEqual(self, np_array: np.ndarray, tf_tensor: Any) -> None:
        """The static shape of the tensor is that of the array."""
        self.assertIsInstance(np_array, np.ndarray)
        self.assertEqual(list(np_array.shape), tf_tensor.get_shape().as_list())

    def assertStartsWith(self, actual: str, expected_start: str, msg: str | None = None) -> None:
        self.assertTrue(actual.startswith(expected_start), msg or f"{actual!r} does not begin with {expected_start!r}")

    def assertDeviceEqual(self, device1: Any, device2: Any) -> None:
        """Two names mean the same device."""
        from refflow.core.devices import DeviceSpec

        self.assertEqual(*(DeviceSpec.parse(str(d or "")).to_string() for d in (device1, device2)))

    def assertProtoEquals(self, expected_message_maybe_ascii: Any, message: Any) -> None:
        """Two messages are equal; the expected one may be text. A GraphDef of refflow's compares with any GraphDef."""
        expected = expected_message_maybe_ascii
        if isinstance(message, GraphDef):
            from refflow.interop import protos

            self.assertEqual(protos.to_text(protos.as_graph_def(expected)), protos.to_text(message))
            return
        if isinstance(expected, (str, bytes)):
            from google.protobuf import text_format

            expected = text_format.Parse(expected, type(message)())
        self.assertEqual(str(expected), str(message))

    @contextmanager
    def assertRaisesWithPredicateMatch(self, exception_type: Any, expected_err_re_or_predicate: Any) -> Iterator[None]:
        """An exception of that type is raised, whose text has a match, or for which the function is true."""
        wanted = expected_err_re_or_predicate
        try:
            yield
        except exception_type as error:
            text = error.message if isinstance(error, OpError) else str(error)
            fits = wanted(error) if callable(wanted) else re.search(wanted, f"{text}\n{error}")
            self.assertTrue(fits, f"{type(error).__name__} is not the one expected: {error}")
        else:
            self.fail(f"{getattr(exception_type, '__name__', exception_type)} was not raised")

    def assertRaisesOpError(self, expected_err_re_or_predicate: Any) -> Any:
        """An OpError that fits is raised."""
        return self.assertRaisesWithPredicateMatch(OpError, expected_err_re_or_predicate)


class CheckedThread:
    """A thread that keeps its exception for the test."""

    def __init__(self, case: TestCase, target: Callable[..., Any], args: Any, kwargs: Any):
        self._case, self._target, self._args, self._kwargs = case, target, args, kwargs
        self._error: BaseException | None = None
        self._started = self._joined = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self._target(*self._args, **self._kwargs)
        except Exception as error:
            self._error = error

    def start(self) -> None:
        self._started = True
        self._thread.start()

    def join(self) -> None:
        """Waits for the end; fails the test where the thread failed."""
        self._joined = True
        self._thread.join()
        if self._error is not None:
            self._case.fail(f"Error in checkedThread: {self._error}")

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def check_termination(self) -> None:
        """RuntimeError where a thread was started and never joined."""
        if self._started and not self._joined:
            raise RuntimeError("a checkedThread was started but not joined")


def _is_ragged(value: Any) -> bool:
    """A list or tuple that is no array, since its items have several shapes."""
    if not isinstance(value, (list, tuple)) or not value:
        return False
    return len({np.shape(v) if not isinstance(v, dict) else "dict" for v in value}) > 1


def _shown(value: Any) -> str:
    return repr(value.item() if isinstance(value, (np.generic, np.ndarray)) else value)


def _texts_as_bytes(array: np.ndarray) -> np.ndarray:
    """An array of texts as one of bytes, which is what sessions give."""
    if array.dtype.kind not in "OUS":
        return array
    items = [v.encode() if isinstance(v, str) else v for v in array.reshape(-1).tolist()]
    found = np.empty(len(items), object)
    found[:] = items
    return found.reshape(array.shape)
