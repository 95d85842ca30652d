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

import itertools
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
from refflow.runtime.executor import Executor
from refflow.runtime.feeds import three_for_sparse
from refflow.runtime.kernels import kept_tensors
from refflow.runtime.partial import PartialRun
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
    session, and with them the state that lives there. log: True to keep an event log (executor only).
    """

    def __init__(
        self,
        target: str = "",
        graph: Graph | None = None,
        config: ConfigProto | None = None,
        *,
        devices: Sequence[Device] | None = None,
        log: bool = False,
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
        self.log = EventLog(clock) if log else None
        self.counters = {"runs": 0, "steps_built": 0, "operations_seen": 0}
        self.flights = Flights()
        self._policy = as_policy(self.config.policy)
        self._owns_devices = devices is None
        self._steps: dict[Any, Step] = {}
        self._signatures: dict[Any, Signature] = {}
        self._op_states: dict[str, Any] = {}
        self._placed: dict[str, Device] = {}
        self._partial_runs: dict[str, PartialRun] = {}
        self._partial_numbers = itertools.count()
        self._lock = threading.RLock()
        self._closed = False
        self._seconds = self.config.operation_timeout_in_ms / 1000 or None
        self._entered: list[ExitStack] = []

    # -- running --------------------------------------------------------------------------------------

    def run(
        self, fetches: Any, feed_dict: Mapping[Any, Any] | None = None, options: RunOptions | None = None
    ) -> Any:
        """Runs one step and returns the fetched values in the structure of `fetches` [W08, W10, S26].

        fetches: a Tensor, an Operation (gives None), a Variable, IndexedSlices, a name, or a list, tuple or
        dict of those. feed_dict: values that stand in for tensors, any tensors, not only placeholders.
        options: RunOptions, or TensorFlow's message of that name.

        DeadlineExceededError after the options' or the session's timeout, CancelledError where the session is closed
        while the step runs; FailedPreconditionError where it waits for what no thread is left to do [W18].
        """
        if not feed_dict and options is None and not self._closed and self._seconds is None:
            # The path that counts: no feeds, a signature seen before.
            try:
                step = self._steps.get(tuple(fetches) if type(fetches) is list else fetches)
            except TypeError:
                step = None
            if step is not None and step.structure is type(fetches):
                self.counters["runs"] += 1
                return step(())
        return self._run(fetches, feed_dict or {}, options)

    def _run(self, fetches: Any, feed_dict: Mapping[Any, Any], options: RunOptions | None) -> Any:
        self._check_open()
        if any(isinstance(key, SparseTensor) for key in feed_dict):
            feed_dict = three_for_sparse(feed_dict)
        signature = self._signature(fetches, feed_dict)
        kept = kept_tensors(self._op_states)
        values = [feed(kept.fed(value)) for feed, value in zip(signature.feeds, feed_dict.values(), strict=True)]
        step = self._step(signature, values)
        self.counters["runs"] += 1
        seconds = self._seconds if options is None or not options.timeout_in_ms else options.timeout_in_ms / 1000
        return step([v[()] if v.shape == () and v.dtype != object else v for v in values], seconds)

    def partial_run_setup(self, fetches: Any, feeds: Sequence[Any] | None = None) -> str:
        """A handle for one step whose feeds come bit by bit (runtime/partial.py).

        fetches, feeds: all that `partial_run` will fetch and feed, each once.
        """
        self._check_open()
        signature = Signature(self.graph, None, fetches, list(feeds or ()))
        if not signature.tensors and not signature.targets:
            raise InvalidArgumentError(None, None, "Must specify at least one target to fetch or execute.")
        step, config = self.stages(signature).partitioned, self.config
        executor = Executor(step, config.kernels, self._op_states, config.check_merges)
        with self._lock:
            handle = f"partial_run_{next(self._partial_numbers)}"
            self._partial_runs[handle] = PartialRun(
                executor, [f.tensor for f in signature.feeds], signature.tensors, self._policy, self.log
            )
        return handle

    def partial_run(self, handle: str, fetches: Any, feed_dict: Mapping[Any, Any] | None = None) -> Any:
        """Goes on with a step that `partial_run_setup` began, and returns the fetched values.

        Each feed can be given once and each fetch taken once; a fetch must not need feeds that are still to come.
        """
        self._check_open()
        step = self._partial_runs.get(handle)
        if step is None:
            raise InvalidArgumentError(None, None, "Must run 'setup' before performing partial runs!")
        signature = Signature(self.graph, None, fetches, list(feed_dict or ()))
        fed = {f.tensor: f(v) for f, v in zip(signature.feeds, (feed_dict or {}).values(), strict=True)}
        with self._lock:
            values = step.go_on(signature.tensors, fed)
            if step.is_done:
                self._partial_runs.pop(handle, None)
        return signature.assemble([v[()] if v.shape == () else v for v in values])

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

    def _step(self, signature: Signature, values: Sequence[np.ndarray]) -> Step:
        fed_shapes: Any = tuple(v.shape for v in values)
        if self.config.executor != "plan" or len(signature.shapes) > _MANY_SHAPES:
            fed_shapes = None
        key = (signature.key, fed_shapes)
        step = self._steps.get(key)
        if step is None:
            with self._lock:
                step = self._steps.get(key) or self._build(signature, fed_shapes)
                if len(self._steps) >= _MANY_STEPS:
                    self._steps.pop(next(iter(self._steps)))
                self._steps[key] = step
                if not signature.feeds and signature.quick is not None:
                    self._steps[signature.quick] = step
            signature.shapes.add(fed_shapes)
        return step

    def _build(self, signature: Signature, fed_shapes: Any) -> Step:
        self.counters["steps_built"] += 1
        self.counters["operations_seen"] = self.graph.version  # Extend: what is newer is known from here on
        stages = self.stages(signature, fed_shapes)
        if self.config.log_device_placement:
            print(place_module.table(stages.placement))
        return Step(self, signature, stages)

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
