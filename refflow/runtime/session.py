"""Session: the client's handle to a running graph [W07, S23].

    run(fetches, feeds) -> signature -> [cached step] -> values

The first run of a signature (what is fetched, what is fed, and the fed shapes) goes through the stages of
runtime/stages.py; every later one is a dictionary look-up and a call [W09]. The graph may grow in between:
a session looks at new operations when a new signature needs them.

State: the devices with their variables; the states of random ops; the cached steps; where stateful nodes
were placed. `counters` tells how often each kind of work was done.

Next: runtime/executor.py.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from refflow.core import importer
from refflow.core.errors import InvalidArgumentError
from refflow.core.graph import Graph, get_default_graph
from refflow.core.graphdef import GraphDef
from refflow.core.shapes import Shape
from refflow.core.sparse_tensor import SparseTensor
from refflow.core.tensor import default_sessions
from refflow.runtime import place as place_module
from refflow.runtime.config import ConfigProto, RunOptions
from refflow.runtime.device import Device, local_devices
from refflow.runtime.events import EventLog
from refflow.runtime.feeds import three_for_sparse
from refflow.runtime.kernels import kept_tensors
from refflow.runtime.metadata import report
from refflow.runtime.partial import PartialRuns
from refflow.runtime.policy import as_policy
from refflow.runtime.signature import Signature, frozen
from refflow.runtime.stages import Stages, build
from refflow.runtime.steps import Flights, Step

_MANY_SHAPES = 16  # a signature fed with more shapes than this gets one step that takes any
_MANY_STEPS = 512  # cached steps; the oldest go first


class Session:
    """Runs parts of one graph, and owns the variables' values.

    target: "" for this process. graph: the default graph if None. config: a ConfigProto; its fields may
    also be given by name, as in `Session(kernels="reference")`. devices: devices to share with another
    session, and with them the state that lives there. log: True to keep an event log of all steps,
    or an EventLog to keep it in.
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
        if target:
            raise ValueError(f"target {target!r}: only '', a session in this process, is there")
        if graph is not None and not isinstance(graph, Graph):
            raise TypeError(f"graph must be a Graph, got {type(graph).__name__}: {graph!r}")
        self.graph = graph or get_default_graph()
        unknown = sorted(set(options) - set(vars(ConfigProto())))
        if unknown:
            raise TypeError(f"Session has no option {unknown[0]!r}. It has: {', '.join(vars(ConfigProto()))}")
        self.config = ConfigProto(**{**vars(config or ConfigProto()), **options})
        self.devices = list(devices) if devices is not None else local_devices(self.config.device_count)
        self._clock = clock
        self.log = log if isinstance(log, EventLog) else EventLog(clock) if log else None
        self.counters = {"runs": 0, "steps_built": 0, "operations_seen": 0}
        self.flights = Flights()
        self._policy = as_policy(self.config.policy)
        self._owns_devices = devices is None
        self._steps: dict[Any, Step] = {}
        self._signatures: dict[Any, Signature] = {}
        self._op_states: dict[str, Any] = {}
        self._placed: dict[str, Device] = {}
        self._partial_runs = PartialRuns(self)
        self._lock = threading.RLock()
        self._closed = False
        self._seconds = self.config.operation_timeout_in_ms / 1000 or None
        self._entered: list[ExitStack] = []

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
        if plain and not feed_dict and not self._closed:
            # The path that counts: no feeds, a signature seen before.
            try:
                step = self._steps.get(tuple(fetches) if type(fetches) is list else fetches)
            except TypeError:
                step = None
            if step is not None and step.structure is type(fetches):
                self.counters["runs"] += 1
                return step(())
        return self._run(fetches, feed_dict or {}, options or RunOptions(), run_metadata)

    def _run(self, fetches: Any, feed_dict: Mapping[Any, Any], options: RunOptions, run_metadata: Any) -> Any:
        self._check_open()
        if not -1 <= options.inter_op_thread_pool < max(1, len(self.config.session_inter_op_thread_pool)):
            raise InvalidArgumentError(None, None, f"Invalid inter_op_thread_pool: {options.inter_op_thread_pool}")
        signature, values = self._fed(fetches, feed_dict)
        log = self._trace() if run_metadata is not None and options.trace_level > RunOptions.NO_TRACE else None
        step = self._step(signature, values, watched=log is not None or self.log is not None)
        self.counters["runs"] += 1
        seconds = options.timeout_in_ms / 1000 if options.timeout_in_ms else self._seconds
        try:
            return step([v[()] if v.shape == () and v.dtype != object else v for v in values], seconds, log)
        finally:
            if run_metadata is not None:
                costs = self.config.graph_options.build_cost_model > 0
                report(run_metadata, log, step.stages, costs, options.output_partition_graphs)

    def _trace(self) -> EventLog:
        """A log of times and sizes, whose clock is that of the session."""
        epoch = time.time() - self._clock() if self._clock is time.perf_counter else 0.0
        return EventLog(self._clock, values=False, epoch=epoch)

    def partial_run_setup(self, fetches: Any, feeds: Sequence[Any] | None = None) -> str:
        """A handle for one step whose feeds come bit by bit (runtime/partial.py).

        fetches, feeds: all that `partial_run` will fetch and feed, each once.
        """
        self._check_open()
        return self._partial_runs.set_up(Signature(self.graph, None, fetches, list(feeds or ())))

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
        if any(isinstance(key, SparseTensor) for key in feed_dict):
            feed_dict = three_for_sparse(feed_dict)
        signature = self._signature(fetches, feed_dict)
        kept = kept_tensors(self._op_states)
        return signature, [f(kept.fed(v)) for f, v in zip(signature.feeds, feed_dict.values(), strict=True)]

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError(
                "Attempted to use a closed Session. Make a new Session, and run the initializers again"
            )

    def _signature(self, fetches: Any, feed_dict: Mapping[Any, Any]) -> Signature:
        if not isinstance(feed_dict, Mapping):
            raise TypeError(f"feed_dict must be a dictionary from tensors to values, got {feed_dict!r}")
        key = (frozen(fetches), tuple(feed_dict))
        found = self._signatures.get(key)
        if found is None:
            found = Signature(self.graph, key, fetches, list(feed_dict))
            if len(self._signatures) >= _MANY_STEPS:
                self._signatures.pop(next(iter(self._signatures)))
            self._signatures[key] = found
        return found

    def _step(self, signature: Signature, values: Sequence[np.ndarray], watched: bool) -> Step:
        fed_shapes: Any = tuple(v.shape for v in values)
        if self.config.executor != "plan" or len(signature.shapes) > _MANY_SHAPES:
            fed_shapes = None
        key = (signature.key, fed_shapes, watched)
        step = self._steps.get(key)
        if step is None:
            with self._lock:
                step = self._steps.get(key) or self._build(signature, fed_shapes, watched)
                if len(self._steps) >= _MANY_STEPS:
                    self._steps.pop(next(iter(self._steps)))
                self._steps[key] = step
                if not signature.feeds and signature.quick is not None and watched == (self.log is not None):
                    self._steps[signature.quick] = step
            signature.shapes.add(fed_shapes)
        return step

    def _build(self, signature: Signature, fed_shapes: Any, watched: bool) -> Step:
        self.counters["steps_built"] += 1
        self.counters["operations_seen"] = self.graph.version  # Extend: what is newer is known from here on
        stages = self.stages(signature, fed_shapes)
        if self.config.log_device_placement:
            print(place_module.table(stages.placement))
        return Step(self, signature, stages, watched)

    def stages(self, signature: Signature, fed_shapes: Sequence[Shape] | None = None) -> Stages:
        """Every stage of the step with that signature, for those who want to look (`refflow explain`)."""
        return build(
            [f.tensor for f in signature.feeds], signature.tensors, signature.targets, fed_shapes, self.devices,
            self._placed, self.config,
        )  # fmt: skip

    def extend(self, graph_def: GraphDef) -> None:
        """Adds nodes to this session's graph [W07]. They may read what is there; a name that is taken is an error."""
        importer.extend(self.graph, graph_def, joins=True)

    def signature(self, fetches: Any, feeds: Sequence[Any] = ()) -> Signature:
        """The signature of run(fetches, {f: ... for f in feeds})."""
        return Signature(self.graph, None, fetches, list(feeds))

    # -- life -----------------------------------------------------------------------------------------

    def close(self) -> None:
        """Ends the steps that are under way and frees the session's state; every later run is a RuntimeError."""
        self._closed = True
        self.flights.close()
        self._steps.clear()
        self._signatures.clear()
        self._op_states.clear()
        if self._owns_devices:
            for device in self.devices:
                device.resources.clear("")

    def as_default(self) -> Any:
        """A context in which this is the default session; it stays open afterwards."""
        return default_sessions.pushed(self)

    def __enter__(self) -> Session:
        """Makes this session and its graph the defaults, until the `with` ends and closes it [S23]."""
        stack = ExitStack()
        stack.enter_context(self.graph.as_default())
        stack.enter_context(self.as_default())
        self._entered.append(stack)
        return self

    def __exit__(self, *exception: Any) -> None:
        self._entered.pop().__exit__(*exception)
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
