"""Sessions of 1.x: what is fed may be fetched, numbers are fed as NumPy makes them fit, tensors may stay behind.

    session.run(x, {x: 1})                          what was fed
    session.run(y, {whole: 2.0})                    2, as 1.x had it; the first release refuses it
    handle = session.run(tf.get_session_handle(y))  y stays in the session; handle.eval(), or feed it

Next: runtime/signature.py.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from refflow.compat.v1.graph import Graph, written_device
from refflow.core.dtypes import DType, as_dtype
from refflow.core.dtypes import string as string_type
from refflow.core.errors import InvalidArgumentError, NotFoundError
from refflow.core.graph import Operation, Tensor
from refflow.core.registry import op_def
from refflow.runtime import session as first
from refflow.runtime.config import CallableOptions, ConfigProto
from refflow.runtime.feeds import Feed, short
from refflow.runtime.signature import FedAndFetchedError, Signature, register_fetches

_building = threading.local()  # the session for which a thread looks at a request

__all__ = ["InteractiveSession", "Session", "delete_session_tensor", "get_session_handle", "get_session_tensor"]


class InaccessibleTensorError(ValueError):
    """What is asked for belongs to another block of the program."""


class _Fitted(Feed):
    """A feed that NumPy makes fit, as 1.x's sessions do: floats lose what is behind the point."""

    def __call__(self, value: Any) -> np.ndarray:
        if isinstance(value, TensorHandle):
            if value.dtype is not self.dtype:
                raise ValueError(
                    f"Tensor of type {self.numpy_type} cannot be fed a handle to a tensor of type "
                    f"{value.dtype.as_numpy_dtype}"
                )
            value = value.eval()
        return super().__call__(value)

    def _array(self, value: Any) -> np.ndarray:
        if self.dtype.kind not in "fiubc" or self.dtype.name == "bfloat16":
            if isinstance(value, int) and not isinstance(value, bool) and self.dtype is string_type:
                raise self._wrong(value)
            return super()._array(value)
        try:
            if isinstance(value, int) and self.numpy_type.type(value) != value:
                raise self._wrong(value)
            with np.errstate(invalid="ignore", over="ignore"):
                return np.asarray(value, self.numpy_type)
        except OverflowError:
            raise self._wrong(value) from None
        except (TypeError, ValueError) as error:
            where = f"{self.tensor.name!r}, which is {self.dtype.name}"
            raise type(error)(f"cannot feed {short(value)} for {where}: {error}") from None

    def _wrong(self, value: Any) -> TypeError:
        return TypeError(
            f"Type of feed value {value} with type {type(value)} is not compatible with Tensor type "
            f"{self.dtype.as_numpy_dtype}. Try explicitly setting the type of the feed tensor to a larger type "
            "(e.g. int64)."
        )


class Session(first.Session):
    """The first release's, which a fed tensor may be fetched from."""

    feed = _Fitted

    def __init__(self, target: str = "", graph: Any = None, config: Any = None, **options: Any):
        if not isinstance(target, (str, bytes)):
            hint = '. Did you do "Session(config)" instead of "Session(config=config)"?'
            raise TypeError(
                f"Argument `target` must be a string, but got \"{type(target).__name__}\""
                f"{hint if isinstance(target, ConfigProto) else ''}"
            )
        for called, kind, given in (("graph", first.Graph, graph), ("config", ConfigProto, config)):
            if given is not None and not isinstance(given, kind):
                raise TypeError(f"Argument `{called}` must be a tf.{kind.__name__}, but got \"{type(given).__name__}\"")
        target = target.decode() if isinstance(target, bytes) else target
        if target and "://" not in target:
            raise NotFoundError(
                None, None, f"No session factory registered for the given session options: {{target: \"{target}\"}}. "
                "Registered factories are for '', this process, and for the target of a Server",
            )  # fmt: skip
        super().__init__(target, graph, config, **options)

    def run(
        self, fetches: Any, feed_dict: Mapping[Any, Any] | None = None, options: Any = None, run_metadata: Any = None
    ) -> Any:
        """What `fetches` asks for, in its structure."""
        if self.graph.restricts:
            self._quick.clear()  # what went before may not be allowed any more
        try:
            return super().run(fetches, feed_dict, options, run_metadata)
        except FedAndFetchedError:  # found before anything ran
            return self._run_the_rest(fetches, feed_dict or {}, options, run_metadata)

    def _run_the_rest(self, fetches: Any, feed_dict: Mapping[Any, Any], options: Any, run_metadata: Any) -> Any:
        wanted = Signature(self.graph, None, fetches, [])
        feeds, arrays = self._fed([], feed_dict)
        given = {f.tensor: np.array(a)[()] for f, a in zip(feeds.feeds, arrays, strict=True)}  # copies
        rest = [t for t in wanted.tensors if t not in given]
        found = dict(zip(rest, super().run([*rest, *wanted.targets], feed_dict, options, run_metadata), strict=False))
        return wanted.assemble([given[t] if t in given else found[t] for t in wanted.tensors])

    def make_callable(
        self, fetches: Any, feed_list: Sequence[Any] | None = None, accept_options: bool = False
    ) -> Callable[..., Any]:
        """A function that runs this request."""
        try:
            return super().make_callable(fetches, feed_list, accept_options)
        except FedAndFetchedError:
            feeds = tuple(feed_list or ())
            return lambda *values, **more: self.run(fetches, dict(zip(feeds, values, strict=True)), **more)

    def _make_callable_from_options(self, callable_options: CallableOptions) -> Callable[..., list[Any]]:
        """A function of a value for each of `feed`, which gives a list of what `fetch` names and runs the targets."""
        from refflow.files.step_stats import RunMetadata

        asked = callable_options
        fetches = [*asked.fetch, *asked.target]
        connected = {pair.to_tensor: pair.from_tensor for pair in asked.tensor_connection}
        sources = {name: self.graph.as_graph_element(name) for name in connected.values()}

        def call(*values: Any, run_metadata: Any = None) -> list[Any]:
            if len(values) != len(asked.feed):
                raise InvalidArgumentError(
                    None, None, f"Expected {len(asked.feed)} feed tensors, but got {len(values)}: {asked.feed}"
                )
            known = super(Session, self).run(sources) if sources else {}
            feeds = dict(zip(asked.feed, values, strict=True)) | {to: known[name] for to, name in connected.items()}
            metadata = RunMetadata() if run_metadata is None else run_metadata
            return list(self.run(fetches, feeds, asked.run_options, metadata))[: len(asked.fetch)]

        return call

    def partial_run_setup(self, fetches: Any, feeds: Any = None) -> str:
        """A handle for one step whose feeds come bit by bit."""
        self._check_open()
        self._check_graph()
        return super().partial_run_setup(fetches, feeds)

    def _check_graph(self) -> None:
        if not self.graph.version:
            raise RuntimeError("The Session graph is empty. Add operations to the graph before calling run().")

    @property
    def sess_str(self) -> bytes:  # type: ignore[override]  # the first release has a text
        """The target: b"" for this process, or the server's."""
        return super().sess_str.encode()

    def _signature(self, fetches: Any, feeds: tuple[Any, ...]) -> Signature:
        self._check_graph()
        _building.session = self
        found = super()._signature(fetches, feeds)
        if isinstance(self.graph, Graph):
            _check_allowed(self.graph, found)
        return found

    @property
    def graph_def(self) -> Any:
        """The graph as it is now, a GraphDef message; with shapes, if the session's graph options say so."""
        if isinstance(self.graph, Graph):
            return self.graph.as_graph_def(add_shapes=self.config.graph_options.infer_shapes)
        return self.graph.as_graph_def()

    def list_devices(self) -> list[Any]:
        """What this session may place nodes on."""
        return [d._replace(name=written_device(d.name)) for d in super().list_devices()]


def _check_allowed(graph: Graph, signature: Signature) -> None:
    for feed in signature.feeds:
        if not graph.is_feedable(feed.tensor):
            raise ValueError(f"Tensor {feed.tensor.name} may not be fed.")
    fetched: tuple[Any, ...] = (*signature.tensors, *signature.targets)
    for element in fetched:
        if not graph.is_fetchable(element):
            kind = "Operation" if isinstance(element, Operation) else "Tensor"
            raise InaccessibleTensorError(
                f"{kind} {element.name} has been marked as not fetchable. Typically this happens when it is defined in "
                "another function or code block. Use return values, explicit Python locals or TensorFlow collections "
                "to access it."
            )


class InteractiveSession(Session, first.InteractiveSession):
    """The default session from its construction on."""

    _active = 0

    def __init__(self, target: str = "", graph: Any = None, config: Any = None, **options: Any):
        if InteractiveSession._active:
            warnings.warn(
                "An interactive session is already active. This can cause out-of-memory errors in some cases. You must "
                "explicitly call `InteractiveSession.close()` to release resources held by the other session(s).",
                stacklevel=2,
            )
        first.InteractiveSession.__init__(self, target, graph, config=config, **options)
        InteractiveSession._active += 1
        self._counted = True

    def close(self) -> None:
        if self.__dict__.pop("_counted", False):
            InteractiveSession._active -= 1
        super().close()


# -- tensors that stay in the session -----------------------------------------------------------------------------


class TensorHandle:
    """What a session gives for get_session_handle: a name for a tensor that stays there until it is let go of."""

    def __init__(self, handle: Any, dtype: DType, session: Any):
        self._handle = handle.decode() if isinstance(handle, bytes) else str(handle)
        self._dtype, self._session = dtype, session
        self._deleted = False

    @property
    def handle(self) -> str:
        """The name, which stands for the tensor where get_session_tensor's placeholder is fed."""
        return self._handle

    @property
    def dtype(self) -> DType:
        return self._dtype

    def __str__(self) -> str:
        return self._handle

    def get_raw_handle(self) -> bytes:
        """The name, which from here on is the caller's: it is not let go of with this object."""
        self._deleted = True
        return self._handle.encode()

    def eval(self) -> Any:
        """The tensor's value."""
        self._check()
        held, value = _reader(self._session.graph, self._dtype)
        return self._session.run(value, {held: self._handle})

    def delete(self) -> None:
        """Lets go of the tensor."""
        self._check()
        with self._session.graph.as_default():
            held, gone = delete_session_tensor(self._handle)
        self._session.run(gone, {held: self._handle})
        self._deleted = True

    def _check(self) -> None:
        if self._deleted:
            raise TypeError(f"Persistent tensor {self._handle} may have already been deleted.")


def _reader(graph: Any, dtype: DType) -> tuple[Tensor, Tensor]:
    """The nodes that read a kept tensor of this type, made once for a graph."""
    known = graph._collections.setdefault(("__kept_tensors",), [{}])[0]
    if dtype not in known:
        with graph.as_default(), graph.outside(), graph.name_scope(None):
            known[dtype] = get_session_tensor("", dtype)
    return known[dtype]


def get_session_handle(data: Any, name: str | None = None) -> Any:
    """A tensor that keeps `data` in the session; a run gives a TensorHandle for it."""
    if not isinstance(data, Tensor):
        raise TypeError("`data` must be of type Tensor.")
    found = op_def("GetSessionHandle")(data, name=name)
    found.__class__ = KeptTensor
    return found


def get_session_tensor(handle: Any, dtype: Any, name: str | None = None) -> tuple[Tensor, Tensor]:
    """(a placeholder for a handle's name, the tensor that it stands for)."""
    held = op_def("Placeholder")(dtype=string_type, shape=[])
    return held, op_def("GetSessionTensor")(held, dtype=as_dtype(dtype), name=name)


def delete_session_tensor(handle: Any, name: str | None = None) -> tuple[Tensor, Operation]:
    """(a placeholder for a handle's name, the operation that lets go of its tensor)."""
    held = op_def("Placeholder")(dtype=string_type, shape=[])
    return held, op_def("DeleteSessionTensor")(held, name=name)


class KeptTensor(Tensor):
    """What get_session_handle gives: a fetch of it is a TensorHandle."""

    __slots__ = ()


def _kept(fetch: KeptTensor) -> tuple[Sequence[Any], Callable[[list[Any]], Any]]:
    session, dtype = _building.session, fetch.op.attrs["T"]
    return [fetch.name], lambda values: TensorHandle(values[0], dtype, session)


register_fetches(KeptTensor, _kept)
