"""TensorFlow's Python front end over refflow's runtime: the same program, run by the one and by the other.

    with stand_in():                       sessions of compat.v1 send their graphs here, as GraphDefs
        program(tensorflow)

    differences(program)                   what the program's runs gave there and did not give here, in words

A session's nodes arrive as it comes to know them, are fed and fetched by name, and an error comes back as the class of
its status code, with the node in its text, from which TensorFlow's client finds the operation and its line. Options
and metadata of runs go along. Nothing else of TensorFlow's runtime is asked.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

import refflow as rf
from refflow.interop import protos

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


class Outcome(NamedTuple):
    """What one run gave: values, or the class and text of its error."""

    fetched: tuple[str, ...]
    values: list[Any]
    error: str | None
    message: str


class _Twin:
    """A refflow session that knows the same graph as a session of TensorFlow."""

    def __init__(self, theirs: Any) -> None:
        self.graph = rf.Graph()
        config = theirs._config
        chosen = {} if config is None else {
            "allow_soft_placement": config.allow_soft_placement,
            "device_count": {kind: count for kind, count in config.device_count.items() if kind == "CPU"},
            "operation_timeout_in_ms": config.operation_timeout_in_ms,
            "optimize": None if _may_fold(config.graph_options) else False,
            "graph_options": rf.GraphOptions(build_cost_model=config.graph_options.build_cost_model),
        }  # fmt: skip
        self.session = rf.Session(graph=self.graph, **chosen)
        self.lock = threading.Lock()
        self.version = 0
        self.known: set[str] = set()

    def catch_up(self, theirs: Any) -> None:
        if theirs.version == self.version:
            return
        new = theirs.as_graph_def()
        self.version = theirs.version
        unknown = [node for node in new.node if node.name not in self.known]
        self.known |= {node.name for node in unknown}
        del new.node[:]
        new.node.extend(unknown)
        self.session.extend(protos.as_graph_def(new.SerializeToString()))


def _may_fold(options: Any) -> bool:
    """Whether a session may change graphs before it runs them."""
    off = options.rewrite_options.OFF
    rewrites = options.rewrite_options
    return (
        options.optimizer_options.opt_level >= 0
        and not rewrites.disable_meta_optimizer
        and rewrites.constant_folding != off
    )


def _raised(tensorflow: Any, error: Any) -> Exception:
    """refflow's error as TensorFlow's class; what is found while a graph is taken in is an invalid argument."""
    code = getattr(error, "error_code", rf.errors.INVALID_ARGUMENT)
    where = getattr(getattr(error, "op", None), "name", None)
    text = f"{error.message}\n\t [[{{{{node {where}}}}}]]" if where else getattr(error, "message", str(error))
    return tensorflow.compat.v1.errors.exception_type_from_error_code(code)(None, None, text)


@contextmanager
def stand_in() -> Iterator[None]:
    """While it lasts, refflow runs what TensorFlow's sessions of this process are asked to run."""
    import tensorflow
    from tensorflow.core.protobuf import config_pb2
    from tensorflow.python.client import pywrap_tf_session as tf_session
    from tensorflow.python.client import session as client

    twins: WeakKeyDictionary[Any, _Twin] = WeakKeyDictionary()
    told = threading.local()  # the metadata that the run of this thread is to fill

    def twin_of(theirs: Any) -> _Twin:
        twin = twins.setdefault(theirs, None) or _Twin(theirs)
        twins[theirs] = twin
        with twin.lock:
            twin.catch_up(theirs.graph)
        return twin

    def asked(self: Any, function: Callable[[Any], Any]) -> Any:
        """function(the session here), its errors raised as TensorFlow's client raises them."""

        def call() -> Any:
            try:
                return function(twin_of(self).session)
            except (rf.OpError, rf.GraphError, ValueError, TypeError) as error:
                raise _raised(tensorflow, error) from error

        return self._do_call(call)

    def run(self: Any, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None) -> Any:
        told.metadata = run_metadata
        try:
            return kept["run"](self, fetches, feed_dict, options)
        finally:
            told.metadata = None

    def do_run(self: Any, handle: Any, targets: Any, fetches: Any, feeds: Any, options: Any, metadata: Any) -> Any:
        fed = {key.deref().name: value for key, value in feeds.items()}
        wanted = [t.name for t in fetches] + [op.name for op in targets]
        chosen = None if options is None else config_pb2.RunOptions.FromString(tf_session.TF_GetBuffer(options))

        def function(session: Any) -> Any:
            if handle is not None:
                return session.partial_run(handle, wanted, fed)
            return session.run(wanted, fed, chosen, getattr(told, "metadata", None))

        return [_known_there(v) for v in asked(self, function)[: len(fetches)]]

    def partial_run_setup(self: Any, fetches: Any, feeds: Any = None) -> Any:
        several = fetches if isinstance(fetches, (list, tuple)) else [fetches]
        names = [self.graph.as_graph_element(f).name for f in several]
        fed = feeds if isinstance(feeds, (list, tuple)) else [feeds] if feeds is not None else []
        return asked(self, lambda session: session.partial_run_setup(names, [f.name for f in fed]))

    def make_callable(self: Any, fetches: Any, feed_list: Any = None, accept_options: bool = False) -> Any:
        return lambda *values, **more: self.run(fetches, dict(zip(feed_list or (), values, strict=True)), **more)

    def callable_from_options(self: Any, options: Any) -> Any:
        """A call as Keras makes it: values for `feed` in order; a connected tensor is fed what another one has."""
        element = self.graph.as_graph_element

        def call(*values: Any, run_metadata: Any = None) -> Any:
            feeds = {element(name).ref(): value for name, value in zip(options.feed, values, strict=True)}
            for pair in options.tensor_connection:
                (value,) = do_run(self, None, [], [element(pair.from_tensor)], {}, None, None)
                feeds[element(pair.to_tensor).ref()] = value
            told.metadata = run_metadata
            targets, fetches = [[element(name) for name in names] for names in (options.target, options.fetch)]
            return do_run(self, None, targets, fetches, feeds, None, None)

        return call

    def close(self: Any) -> None:
        if twins.get(self) is not None:
            twins[self].session.close()
        kept["close"](self)

    ours = {"run": run, "_do_run": do_run, "make_callable": make_callable, "partial_run_setup": partial_run_setup,
            "_make_callable_from_options": callable_from_options, "close": close}  # fmt: skip
    kept = {name: getattr(client.BaseSession, name) for name in ours}
    for name, function in ours.items():
        setattr(client.BaseSession, name, function)
    try:
        yield
    finally:
        for name, function in kept.items():
            setattr(client.BaseSession, name, function)
        for twin in list(twins.values()):
            twin.session.close()


def _known_there(value: Any) -> Any:
    return value if isinstance(value, (np.ndarray, np.generic, bytes)) else np.asarray(value)


def _kernel_text(message: str) -> str:
    """What the kernel said, without the lines around it that say where the node was built."""
    before = message.split("\n\t [[")[0]
    if before.startswith("Graph execution error:"):
        told = before.removeprefix("Graph execution error:").strip()  # no node is named where none is to blame
        before = told.split("\nNode: ")[-1].split("\n", 1)[-1] if "\nNode: " in told else told
    return before.split("\n")[0]


@contextmanager
def _noted(into: list[Outcome]) -> Iterator[None]:
    """Keeps the outcome of every run of a TensorFlow session."""
    from tensorflow.python.client import session as client

    inner = client.BaseSession._do_run

    def do_run(self: Any, handle: Any, targets: Any, fetches: Any, *rest: Any) -> Any:
        names = tuple(t.name for t in fetches) + tuple(op.name for op in targets)
        try:
            values = inner(self, handle, targets, fetches, *rest)
        except Exception as error:
            into.append(Outcome(names, [], type(error).__name__, _kernel_text(str(error))))
            raise
        into.append(Outcome(names, list(values), None, ""))
        return values

    client.BaseSession._do_run = do_run
    try:
        yield
    finally:
        client.BaseSession._do_run = inner


def said(text: str) -> str:
    """What a kernel said; TensorFlow puts it behind a traceback of where the node was built."""
    lacking = re.search(r"No OpKernel was registered.*", text)
    if lacking:
        return lacking[0]
    found = re.search(r"^Node: .*\n(?:\S*: )?(?:\(0\) [A-Z_]+: )?(.*)", text, re.MULTILINE)
    return (found[1] if found else text.split("\n")[0]).split(" [[")[0].strip()


def outcomes(program: Callable[[Any], Any], here: bool) -> list[Outcome]:
    """The outcome of every run that `program(tensorflow)` asks for, by refflow or by TensorFlow itself.

    The program gets a graph of its own; an OpError that leaves it ends it there.
    """
    import tensorflow

    found: list[Outcome] = []
    with tensorflow.Graph().as_default(), stand_in() if here else nullcontext(), _noted(found):
        tensorflow.compat.v1.set_random_seed(1)
        with suppress(tensorflow.errors.OpError):
            program(tensorflow)
    return found


def differences(
    program: Callable[[Any], Any], rtol: float = 1e-5, atol: float = 1e-6, here: Callable[[Any], Any] | None = None
) -> list[str]:
    """Each run of `program(tensorflow)` that gave something else here, in words; an empty list if all agree.

    Values are compared with their types and shapes, errors by class. Text of errors is shown, not compared.
    here: the program as refflow is to run it, where its sessions are to be set up otherwise.
    """
    theirs, ours = outcomes(program, here=False), outcomes(here or program, here=True)
    found = []
    for number, (t, o) in enumerate(zip(theirs, ours, strict=False)):
        where = f"run {number} of {', '.join(t.fetched)[:80]}"
        if t.error != o.error:
            said = [f"{x.error}: {x.message}" if x.error else f"values {_brief(x.values)}" for x in (t, o)]
            found.append(f"{where}: there {said[0]}; here {said[1]}")
            continue
        for name, a, b in zip(t.fetched, t.values, o.values, strict=False):
            unlike = unlikeness(a, b, rtol, atol)
            if unlike:
                found.append(f"{where}: {name}: {unlike}")
    if len(theirs) != len(ours):
        found.append(f"{len(theirs)} runs there, {len(ours)} here")
    return found


def unlikeness(theirs: Any, ours: Any, rtol: float, atol: float) -> str:
    """In which way two fetched values differ, or an empty string."""
    a, b = np.asarray(theirs), np.asarray(ours)
    if a.dtype != b.dtype and not {a.dtype.kind, b.dtype.kind} <= set("SO"):
        return f"there {a.dtype}, here {b.dtype}"
    if a.shape != b.shape:
        return f"there {a.dtype}{list(a.shape)}, here {b.dtype}{list(b.shape)}"
    if a.dtype.kind in "fcV" or a.dtype.name == "bfloat16":
        wide = complex if a.dtype.kind == "c" else float
        same = np.allclose(a.astype(wide), b.astype(wide), rtol, atol, equal_nan=True)
    else:
        same = a.tolist() == b.tolist()
    return "" if same else f"there {_brief(a)}, here {_brief(b)}"


def _brief(value: Any) -> str:
    text = np.array2string(value, threshold=12) if isinstance(value, np.ndarray) else str(value)
    return " ".join(text.split())[:160]
