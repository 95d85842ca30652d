"""TestCase of 1.x: sessions that find their devices, tensors where arrays are compared, and files of a test.

    with self.session() as sess: ...             a new one, closed at the end
    with self.cached_session() as sess: ...      the same each time within a test
    self.assertAllClose(tensor, [1.0, 2.0])      evaluated in the test's session

Next: compat/v1/test/benchmark.py.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from refflow.compat.v1.sessions import Session
from refflow.compat.v1.test.assertions import Assertions
from refflow.core import nest
from refflow.core.errors import InvalidArgumentError
from refflow.core.graph import Tensor, get_default_graph
from refflow.ops.variable import Variable
from refflow.runtime.config import ConfigProto
from refflow.test import case as first


class TestCase(first.TestCase, Assertions):
    """The first release's, with what 1.x says of arrays, lists and texts."""

    # -- sessions -----------------------------------------------------------------------------------------------------

    @contextmanager
    def session(
        self, graph: Any = None, config: Any = None, use_gpu: bool = True, force_gpu: bool = False
    ) -> Iterator[Session]:
        """A new session, the default one inside, its graph too."""
        with Session(graph=graph, config=config or _config(force_gpu)) as found:
            yield found  # type: ignore[misc]  # __enter__ gives the session itself

    @contextmanager
    def cached_session(
        self, graph: Any = None, config: Any = None, use_gpu: bool = True, force_gpu: bool = False
    ) -> Iterator[Session]:
        """The same session each time within a test, so that variables stay; all calls are to ask for the same one."""
        here = graph or get_default_graph()
        asked = (graph, config, force_gpu)
        if self._cached is None or self._cached[0] is not here:
            if self._cached is not None:
                self._cached[1].close()
            self._cached, self._asked = (here, Session(graph=here, config=config or _config(force_gpu))), asked
        elif asked != self._asked:
            which = "graph" if asked[0] is not self._asked[0] else "config" if asked[1] is not self._asked[1] else ""
            raise ValueError(
                f"The {which or 'force_gpu'} used to get the cached session is different than the one that was used "
                f"to create the session. Maybe create a new session with self.session()"
            )
        with here.as_default(), self._cached[1].as_default():
            yield self._cached[1]  # type: ignore[misc]

    @contextmanager
    def test_session(
        self, graph: Any = None, config: Any = None, use_gpu: bool = True, force_gpu: bool = False
    ) -> Iterator[Session]:
        """cached_session, or session where a graph is given."""
        chosen = self.cached_session if graph is None else self.session
        with chosen(graph, config, use_gpu, force_gpu) as found:
            yield found

    def evaluate(self, tensors: Any) -> Any:
        """The values of tensors in the default session, or else in the test's; functions are called."""
        from refflow.core.tensor import default_sessions

        if callable(tensors) and not isinstance(tensors, (Tensor, Variable)):
            return self.evaluate(tensors())
        session = default_sessions.top()
        if session is not None:
            return session.run(tensors)
        with self.cached_session() as found:
            return found.run(tensors)

    def _GetNdArray(self, a: Any) -> np.ndarray:
        return np.asarray(self.evaluate_if_tensors(a))

    def evaluate_if_tensors(self, value: Any) -> Any:
        """The value, with tensors and variables in it evaluated."""
        if any(isinstance(x, (Tensor, Variable)) for x in _leaves(value)):
            return self.evaluate(value)
        return value

    def evaluate_if_both_tensors(self, a: Any, b: Any) -> tuple[Any, Any]:
        """Both values evaluated, where both are tensors."""
        if isinstance(a, Tensor) and isinstance(b, Tensor):
            return self.evaluate([a, b])
        return a, b

    # -- arrays -------------------------------------------------------------------------------------------------------

    def assertAllClose(self, a: Any, b: Any, rtol: float = 1e-6, atol: float = 1e-6, msg: str | None = None) -> None:
        """Equal shapes, and all elements near: numbers, arrays, tensors, and structures of those."""
        a, b = self.evaluate_if_tensors(a), self.evaluate_if_tensors(b)
        if hasattr(a, "_asdict") and hasattr(b, "_asdict"):
            a, b = a._asdict(), b._asdict()
        super().assertAllClose(a, b, rtol, atol, msg)

    def assertAllCloseAccordingToType(
        self, a: Any, b: Any, rtol: float = 1e-6, atol: float = 1e-6, float_rtol: float = 1e-6,
        float_atol: float = 1e-6, half_rtol: float = 1e-3, half_atol: float = 1e-3, bfloat16_rtol: float = 1e-2,
        bfloat16_atol: float = 1e-2, msg: str | None = None,
    ) -> None:  # fmt: skip
        """assertAllClose with the room that the coarser of the two types needs."""
        a, b = self._GetNdArray(a), self._GetNdArray(b)
        kinds = {a.dtype.name, b.dtype.name}
        for names, more in (
            ({"float32", "complex64"}, (float_rtol, float_atol)), ({"float16"}, (half_rtol, half_atol)),
            ({"bfloat16"}, (bfloat16_rtol, bfloat16_atol)),
        ):  # fmt: skip
            if kinds & names:
                rtol, atol = max(rtol, more[0]), max(atol, more[1])
        self.assertAllClose(a, b, rtol, atol, msg)

    def assertAllEqual(self, a: Any, b: Any, msg: str | None = None) -> None:
        """Equal shapes and elements."""
        super().assertAllEqual(self.evaluate_if_tensors(a), self.evaluate_if_tensors(b), msg)

    @contextmanager
    def assertRaisesIncompatibleShapesError(
        self, exception_type: Any = InvalidArgumentError, shape_a: Any = None, shape_b: Any = None,
        expected_message_fragment: str = "Incompatible shapes",
    ) -> Iterator[Any]:  # fmt: skip
        """An error is raised that says that two shapes do not fit."""
        with self.assertRaisesRegex(exception_type, expected_message_fragment) as caught:
            yield caught

    def assertShapeEqual(self, input_a: Any, input_b: Any, msg: str | None = None) -> None:
        """The static shapes of two arrays or tensors are equal."""
        sizes = [x.get_shape().as_list() if hasattr(x, "get_shape") else np.shape(x) for x in (input_a, input_b)]
        self.assertEqual(tuple(sizes[0]), tuple(sizes[1]), msg)

    def assertArrayNear(self, farray1: Any, farray2: Any, err: float, msg: str | None = None) -> None:
        """Each number is near that of the same place, and there are as many."""
        self.assertEqual(len(farray1), len(farray2), msg)
        for one, other in zip(farray1, farray2, strict=True):
            self.assertNear(float(one), float(other), err, msg)

    def assertNDArrayNear(self, ndarray1: Any, ndarray2: Any, err: float, msg: str | None = None) -> None:
        """The norm of the difference is less than `err`."""
        distance = float(np.linalg.norm(self._GetNdArray(ndarray1) - self._GetNdArray(ndarray2)))
        self.assertLess(distance, err, msg or f"the arrays are {distance} apart")

    def assertDeviceEqual(self, device1: Any, device2: Any, msg: str | None = None) -> None:
        """Two names mean the same device."""
        from refflow.compat.v1.device_spec import DeviceSpec

        both = [x.to_string() if hasattr(x, "to_string") else str(x or "") for x in (device1, device2)]
        one, other = (DeviceSpec.from_string(x).to_string() for x in both)
        self.assertEqual(one, other, msg)

    def assertProtoEqualsVersion(
        self, expected: Any, actual: Any, producer: Any = None, min_consumer: int = 0, msg: str | None = None
    ) -> None:
        """Two graphs are equal but for who wrote them."""
        from refflow.interop import protos

        graphs = [protos.as_graph_def(x) for x in (expected, actual)]
        for graph in graphs:
            graph.producer = 0
        one, other = map(protos.to_text, graphs)
        self.assertEqual(one, other, msg)

    def assertSameStructure(self, a: Any, b: Any, msg: str | None = None) -> None:
        """Two structures have the same lists, tuples and dictionaries."""
        nest.assert_same(a, b, "the structures")

    # -- files --------------------------------------------------------------------------------------------------------

    def create_tempdir(self, name: str | None = None) -> Any:
        """A folder of this test's; its path is `full_path`."""
        path = os.path.join(self.get_temp_dir(), name) if name else tempfile.mkdtemp(dir=self.get_temp_dir())
        os.makedirs(path, exist_ok=True)
        return _Path(path)

    def create_tempfile(self, file_path: str | None = None, content: Any = None, mode: str = "w") -> Any:
        """A file of this test's; its path is `full_path`."""
        path = os.path.join(self.create_tempdir(), file_path or "file")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb" if isinstance(content, bytes) else mode) as file:
            file.write(content or "")
        return _Path(path)

    def enter_context(self, manager: Any) -> Any:
        """Enters a context until the test ends."""
        return self.enterContext(manager)

    @contextmanager
    def captureWritesToStream(self, stream: Any) -> Iterator[Any]:
        """What the process writes to a stream, as standard output, while inside."""
        stream.flush()
        with tempfile.TemporaryFile() as file:
            number, kept = stream.fileno(), os.dup(stream.fileno())
            os.dup2(file.fileno(), number)
            try:
                yield _Captured(file, stream)
                stream.flush()
            finally:
                os.dup2(kept, number)
                os.close(kept)


class _Path(str):
    """A path that tests also ask for as `full_path`."""

    @property
    def full_path(self) -> str:
        return str(self)


class _Captured:
    def __init__(self, file: Any, stream: Any):
        self._file, self._stream = file, stream

    def contents(self) -> str:
        """What was written until now."""
        self._stream.flush()
        self._file.seek(0)
        return self._file.read().decode()


def _config(force_gpu: bool) -> ConfigProto:
    return ConfigProto(allow_soft_placement=not force_gpu)


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [x for v in value.values() for x in _leaves(v)]
    if isinstance(value, (list, tuple)):
        return [x for v in value for x in _leaves(v)]
    return [value]


def main(argv: Any = None) -> None:
    """Runs the tests of the calling script and exits."""
    import unittest

    unittest.main(argv=sys.argv if argv is None else argv)

