"""Session: the client's handle to a running graph [W07, S23].

    run(fetches, feeds) -> signature -> [cached step] -> values

The first run of a signature (what is fetched, what is fed, and the fed shapes) goes through the stages of
runtime/stages.py; every later one is a dictionary look-up and a call [W09]. The graph may grow in between:
a session looks at new operations when a new signature needs them. Any number of threads may run steps at once; they
share the state, and nothing orders them but what the graph and its queues do [O01].

State: the devices with their variables; the states of random ops; the cached steps; where stateful nodes
were placed. `counters` tells how often each kind of work was done.

Next: runtime/executor.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import numpy as np

from refflow.core import importer, locks
from refflow.core.devices import DeviceSpec
from refflow.core.errors import CancelledError, InvalidArgumentError
from refflow.core.graph import Graph, get_default_graph
from refflow.core.graphdef import GraphDef
from refflow.core.shapes import Shape
from refflow.core.tensor import default_sessions
from refflow.core.values import scalar
from refflow.runtime import place as place_module
from refflow.runtime.config import ConfigProto, RunOptions
from refflow.runtime.device import Device, DeviceAttributes, local_devices
from refflow.runtime.events import EventLog, watch_of
from refflow.runtime.feeds import Feed, are_single, mapping, parts_of, single
from refflow.runtime.kernels import kept_tensors
from refflow.runtime.memory_limit import are_limited
from refflow.runtime.metadata import report
from refflow.runtime.partial import PartialRuns
from refflow.runtime.policy import as_policy
from refflow.runtime.prune import CLIENT
from refflow.runtime.quick import QuickSteps
from refflow.runtime.repeat import repeat
from refflow.runtime.signature import Signature, frozen
from refflow.runtime.stages import Stages, build
from refflow.runtime.steps import Flights, Step
from refflow.runtime.watch import Unwatched

if TYPE_CHECKING:
    from refflow.runtime.cluster.client import RemoteStep

_sessions: WeakSet[Session] = WeakSet()
_PLAIN = RunOptions()
_NO_FEEDS: Mapping[Any, Any] = {}
_MANY_SHAPES = 16  # a signature fed with more shapes than this gets one step that takes any
_MANY_STEPS = 512  # cached steps; the oldest go first


class Session:
    """Runs parts of one graph, and owns the variables' values.

    target: "" for this process, or the target of a server (runtime/cluster/server.py) [W13]. graph: the default graph
    if None. config: a ConfigProto; its fields may also be given by name, as in `Session(kernels="reference")`.
    devices: devices to share with another session, and with them the state that lives there. log: True to keep an event
    log of all steps, or an EventLog to keep it in.
    """

    def __init__(
        self,
        target: str = "",
        graph: Graph | None = None,
        config: ConfigProto | None = None,
        *,
        devices: Sequence[Device] | None = None,
        log: bool | EventLog = False,
        clock: Callable[[], float] = time.perf_counter,
        **options: Any,
    ):
        if config is not None and not isinstance(config, ConfigProto):
            raise TypeError(f"config must be a ConfigProto, got {type(config).__name__}: {config!r}")
        if graph is not None and not isinstance(graph, Graph):
            raise TypeError(f"graph must be a Graph, got {type(graph).__name__}: {graph!r}")
        self.graph = graph or get_default_graph()
        unknown = sorted(set(options) - set(vars(ConfigProto())))
        if unknown:
            raise TypeError(f"Session has no option {unknown[0]!r}. It has: {', '.join(vars(ConfigProto()))}")
        self.config = ConfigProto(**{**vars(config or ConfigProto()), **options})
        if target and devices is not None:
            raise ValueError(f"the devices of a session at {target!r} are the cluster's: leave `devices` out")
        self._owns_devices = devices is None and not target
        self._target, self._client = target, CLIENT
        jobs = getattr(self.config.cluster_def, "job", ())
        if target and jobs:
            devices, self._client = _cluster().devices_of(target, self.config.cluster_def)
        self.devices = list(devices or ([] if target else local_devices(self.config.device_count)))
        self._remote = _cluster().Remote(target, self.config) if target and not jobs else None
        self.log = log if isinstance(log, EventLog) else EventLog(clock) if log else None
        self.counters = {"runs": 0, "steps_built": 0, "operations_seen": 0}
        self.flights = Flights()
        self._policy = as_policy(self.config.policy)
        self._steps: dict[Any, Any] = {}
        self._clock, self._quick = clock, QuickSteps()
        self._signatures: dict[Any, Signature] = {}
        self._op_states: dict[str, Any] = {}
        self._placed: dict[str, Device] = {}
        self._partial_runs, self._lock = PartialRuns(self), locks.rlock()
        self._closed = False
        self._ended: BaseException | None = None  # what a run is told after a reset
        self._seconds = self.config.operation_timeout_in_ms / 1000 or None
        self._entered: ExitStack | None = None
        _sessions.add(self)

    feed: type[Feed] = Feed  # what makes arrays of fed values

    # -- running --------------------------------------------------------------------------------------

    def run(
        self, fetches: Any, feed_dict: Mapping[Any, Any] | None = None, options: RunOptions | None = None,
        run_metadata: Any = None,
    ) -> Any:  # fmt: skip
        """Runs one step and returns the fetched values in the structure of `fetches` [W08, W10, S26].

        fetches: a Tensor, an Operation (gives None), a Variable, IndexedSlices, a name, or a list, tuple or
        dict of those. feed_dict: values that stand in for tensors, any tensors, not only placeholders.
        options: RunOptions, or TensorFlow's message of that name. run_metadata: a RunMetadata, ours or TensorFlow's,
        into which goes what the options ask for [W61].

        DeadlineExceededError after the options' or the session's timeout, CancelledError where the session is closed
        while the step runs; FailedPreconditionError where it waits for what no thread is left to do [W18].
        """
        plain = options is None and run_metadata is None and self._seconds is None
        feed_dict = _NO_FEEDS if feed_dict is None else feed_dict
        if plain and not self._closed and (found := self._quick.find(fetches, feed_dict)) is not None:
            step, values = found
            self.counters["runs"] += 1
            return step(values)
        return self._run(fetches, feed_dict, options or _PLAIN, run_metadata)

    def _run(self, fetches: Any, feed_dict: Mapping[Any, Any], options: RunOptions, run_metadata: Any) -> Any:
        self._check_open()
        signature, values = self._fed(fetches, feed_dict)
        found = self._run_once(signature, values, options, run_metadata)
        if options is _PLAIN and run_metadata is None:
            shapes = tuple(v.shape for v in values)
            step = self._steps.get((signature.key, shapes, watch_of(self.log)))
            if step is not None:
                self._quick.add(fetches, feed_dict, step, signature.feeds, shapes)
        return found

    def _run_once(self, signature: Signature, values: list[np.ndarray], options: RunOptions, metadata: Any) -> Any:
        self.counters["runs"] += 1
        feeds = [scalar(v) for v in values]
        if options is _PLAIN and metadata is None:
            return self._step(signature, values, watch_of(self.log))(feeds, self._seconds)
        if not -1 <= options.inter_op_thread_pool < max(1, len(self.config.session_inter_op_thread_pool)):
            raise InvalidArgumentError(None, None, f"Invalid inter_op_thread_pool: {options.inter_op_thread_pool}")
        graphs, traced = options.output_partition_graphs, options.trace_level > RunOptions.NO_TRACE
        costs = self.config.graph_options.build_cost_model > 0
        if self._remote is not None and graphs:
            self._remote.devices_here("the graph of each device")
        told = traced or costs or (graphs and self._remote is not None)  # what a step of a server's master cannot
        log = self._trace() if metadata is not None and told else None
        step = self._step(signature, values, watch_of(self.log if log is None else log))
        seconds = options.timeout_in_ms / 1000 if options.timeout_in_ms else self._seconds
        try:
            return step(feeds, seconds, log)
        finally:
            if metadata is not None and isinstance(step, Step):
                report(metadata, log, step.stages, traced, costs, graphs)

    def repeat(self, fetches: Any, steps: int, feeds: Mapping[Any, Any] | None = None) -> Any:
        """Runs so many steps, step i fed with row i of each array, and round again; the results, on a new first axis.

        What `run` would give in a loop. On a card, many steps go in one (runtime/repeat.py).
        """
        self._check_open()
        feeds = single(feeds or {})
        return repeat(self, self._signature(fetches, tuple(feeds)), steps, feeds)

    def make_callable(
        self, fetches: Any, feed_list: Sequence[Any] | None = None, accept_options: bool = False
    ) -> Callable[..., Any]:
        """A function that runs this request: it takes a value for each of `feed_list` and gives what run() would.

        The request is looked at once, here. accept_options: the function takes `options` and `run_metadata` by name.
        """
        if feed_list is not None and not isinstance(feed_list, (list, tuple)):
            raise TypeError(f"feed_list must be a list or tuple of tensors, got {feed_list!r}")
        self._check_open()
        feeds = tuple(feed_list or ())
        if not are_single(feeds):
            return lambda *values, **more: self.run(fetches, dict(zip(feeds, values, strict=True)), **more)
        signature = self._signature(fetches, feeds)

        def call(*values: Any, options: RunOptions | None = None, run_metadata: Any = None) -> Any:
            self._check_open()
            if len(values) != len(feeds):
                raise TypeError(f"this function takes a value for each of its {len(feeds)} feeds, got {len(values)}")
            if not accept_options and not (options is run_metadata is None):
                raise TypeError("this function was made without accept_options=True")
            return self._run_once(signature, self._arrays(signature, values), options or _PLAIN, run_metadata)

        return call

    def _trace(self) -> EventLog:
        """A log of times and sizes, whose clock is that of the session."""
        epoch = time.time() - self._clock() if self._clock is time.perf_counter else 0.0
        return EventLog(self._clock, values=False, epoch=epoch)

    def partial_run_setup(self, fetches: Any, feeds: Any = None) -> str:
        """A handle for one step whose feeds come bit by bit (runtime/partial.py).

        fetches, feeds: all that `partial_run` will fetch and feed, each once; one of them need not be in a list.
        """
        self._check_open()
        keys = [] if feeds is None else parts_of(feeds)
        return self._partial_runs.set_up(Signature(self.graph, None, fetches, keys, self.feed))

    def partial_run(self, handle: str, fetches: Any, feed_dict: Mapping[Any, Any] | None = None) -> Any:
        """Goes on with a step that `partial_run_setup` began, and returns the fetched values.

        Each feed can be given once and each fetch taken once; a fetch must not need feeds that are still to come.
        Operations can be set up, and then run with the step, but not be asked for by themselves.
        """
        self._check_open()
        signature, values = self._fed(fetches, feed_dict or {})
        if signature.targets:
            names = ", ".join(op.name for op in signature.targets)
            raise RuntimeError(f"partial_run() gives values of tensors, but {names} has none: it runs as it was set up")
        fed = {f.tensor: value for f, value in zip(signature.feeds, values, strict=True)}
        return signature.assemble(self._partial_runs.go_on(handle, signature.tensors, fed))

    def _fed(self, fetches: Any, feed_dict: Mapping[Any, Any]) -> tuple[Signature, list[np.ndarray]]:
        """What is asked for, and the fed values as arrays."""
        feed_dict = single(mapping(feed_dict))
        signature = self._signature(fetches, tuple(feed_dict))
        return signature, self._arrays(signature, feed_dict.values())

    def _arrays(self, signature: Signature, values: Iterable[Any]) -> list[np.ndarray]:
        kept = kept_tensors(self._op_states)
        return [feed(kept.fed(value)) for feed, value in zip(signature.feeds, values, strict=True)]

    def _check_open(self) -> None:
        if self._ended is not None:
            raise self._ended
        if self._closed:
            raise RuntimeError("Attempted to use a closed Session. Make a new Session, and run the initializers again")

    def _signature(self, fetches: Any, feeds: tuple[Any, ...]) -> Signature:
        key = (frozen(fetches), feeds)
        found = self._signatures.get(key)
        if found is None:
            found = Signature(self.graph, key, fetches, list(feeds), self.feed)
            if len(self._signatures) >= _MANY_STEPS:
                self._signatures.pop(next(iter(self._signatures)))
            self._signatures[key] = found
        return found

    def _step(self, signature: Signature, values: Sequence[np.ndarray], watch: type[Unwatched]) -> Step | RemoteStep:
        any_shapes = self.config.executor != "plan" or len(signature.shapes) > _MANY_SHAPES
        fed_shapes: Any = None if any_shapes and not are_limited(self.devices) else tuple(v.shape for v in values)
        key = (signature.key, fed_shapes, watch)
        step = self._steps.get(key)
        if step is None:
            with self._lock:
                step = self._steps.get(key) or self._build(signature, fed_shapes, watch)
                if len(self._steps) >= _MANY_STEPS:
                    self._steps.pop(next(iter(self._steps)))
                self._steps[key] = step
            signature.shapes.add(fed_shapes)
        return step

    def _build(self, signature: Signature, fed_shapes: Any, watch: type[Unwatched]) -> Step | RemoteStep:
        self.counters["steps_built"] += 1
        self.counters["operations_seen"] = self.graph.version  # Extend: what is newer is known from here on
        if self._remote is not None and (watch is Unwatched or not self._remote.is_here):
            return self._remote.step(self, signature)
        stages = self.stages(signature, fed_shapes)
        if self.config.log_device_placement:
            print(place_module.table(stages.placement))
        return Step(self, signature, stages, watch)

    def stages(self, signature: Signature, fed_shapes: Sequence[Shape] | None = None) -> Stages:
        """Every stage of the step with that signature, for those who want to look (`refflow explain`)."""
        remote, what = self._remote, "the stages of a step"
        devices, client = (self.devices, self._client) if remote is None else remote.devices_here(what)
        feeds, wanted = [f.tensor for f in signature.feeds], (signature.tensors, signature.targets)
        return build(feeds, *wanted, fed_shapes, devices, self._placed, self.config, client)

    def extend(self, graph_def: GraphDef) -> None:
        """Adds nodes to this session's graph [W07]. They may read what is there; a name that is taken is an error."""
        importer.extend(self.graph, graph_def, joins=True)

    def signature(self, fetches: Any, feeds: Sequence[Any] = ()) -> Signature:
        """The signature of run(fetches, {f: ... for f in feeds})."""
        return Signature(self.graph, None, fetches, list(feeds))

    # -- life -----------------------------------------------------------------------------------------

    @property
    def graph_def(self) -> GraphDef:
        """The graph as it is now."""
        return self.graph.as_graph_def()

    @property
    def sess_str(self) -> str:
        """The target: "" for this process, or the server's."""
        return self._target

    def list_devices(self) -> list[DeviceAttributes]:
        """What this session may place nodes on."""
        if self._remote is not None:
            kinds = [(name, DeviceSpec.parse(name).type or "", number) for name, number in self._remote.devices]
            return [DeviceAttributes(name, kind.upper(), 0, number) for name, kind, number in kinds]
        return [DeviceAttributes(d.name, d.type.upper(), d.memory_limit, d.incarnation) for d in self.devices]

    def close(self) -> None:
        """Ends the steps that are under way and frees the session's state; every later run is a RuntimeError."""
        if self._remote is not None and not self._closed:
            self._remote.close()
        self._closed = True
        self.flights.close()
        self._steps.clear()
        self._quick.clear()
        self._signatures.clear()
        self._op_states.clear()
        if self._owns_devices:
            for device in self.devices:
                device.resources.clear_all()

    @staticmethod
    def reset(target: str = "", containers: Sequence[str] | None = None, config: ConfigProto | None = None) -> None:
        """Clears containers on the devices of all sessions of this process, then closes those sessions [W47].

        containers: by name; the default one, "", where none are named.
        """
        if target:
            _cluster().reset(target, containers)
            return
        for session in list(_sessions):
            if not session._closed:
                for device in session.devices:
                    for name in containers or [""]:
                        device.resources.clear(name)
                session._ended = CancelledError(None, None, "Session has been closed.")
                session.close()

    def as_default(self) -> Any:
        """A context in which this is the default session; it stays open afterwards."""
        return default_sessions.pushed(self)

    def __enter__(self) -> Session:
        """Makes this session and its graph the defaults, until the `with` ends and closes it [S23]."""
        if self._entered is not None:
            raise RuntimeError(
                "Session context managers are not re-entrant. Use `Session.as_default()` if you want to enter a "
                "session multiple times."
            )
        self._entered = ExitStack()
        self._entered.enter_context(self.graph.as_default())
        self._entered.enter_context(self.as_default())
        return self

    def __exit__(self, *exception: Any) -> None:
        entered, self._entered = self._entered, None
        assert entered is not None
        entered.__exit__(*exception)
        self.close()


class InteractiveSession(Session):
    """A session that is the default one from its construction on, for work at a prompt."""

    def __init__(self, target: str = "", graph: Graph | None = None, **options: Any):
        super().__init__(target, graph, **options)
        self._default = ExitStack()
        self._default.enter_context(self.graph.as_default())
        self._default.enter_context(self.as_default())

    def close(self) -> None:
        super().close()
        self._default.close()


def _cluster() -> Any:
    """What is only needed, and so only imported, where the target is a server."""
    from refflow.runtime.cluster import client

    return client


@locks.after_fork
def _forget_flights() -> None:
    """In a child process: the steps of the parent's other threads are not under way here."""
    for session in list(_sessions):
        session.flights.forget()
