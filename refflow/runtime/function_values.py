"""Functions that kernels call: their nodes as a step of its own, arrays in and arrays out [W43].

    Function(call, device, kernels)          what a kernel gets for an attribute that names a function
        .begin()(arrays) -> arrays           with random ops and their like at their start

A call of a function within a graph needs none of this: the nodes take the call's place (core/functions.py). But a node
that makes a dataset only keeps its function, which runs as often as somebody asks for elements. It runs in the step
that asks, on the device of the node that keeps it, and meets the state there by name. The nodes are looked at when it
first runs.

Next: ops/dataset_values.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from refflow.core import importer
from refflow.core.graph import Graph, Operation, Tensor
from refflow.core.graphdef import FunctionCall, GraphDef, NodeDef
from refflow.core.handles import handle_to
from refflow.core.shapes import unknown_shape
from refflow.core.values import scalar
from refflow.runtime.config import ConfigProto
from refflow.runtime.device import Device
from refflow.runtime.executor import Executor
from refflow.runtime.kernels import OpStates
from refflow.runtime.prune import prune
from refflow.runtime.stages import Stages, build

Call = Callable[[Sequence[np.ndarray]], list[np.ndarray]]
Shapes = tuple[tuple[int, ...], ...]
_MANY_SHAPES = 8  # arguments of more shapes than this get one executable that takes any
_CALL = "function"


class Function:
    """A function of a graph's library as a value."""

    def __init__(self, call: FunctionCall, device: Device, kernels: str):
        self._call, self._device = call, device
        self._config = ConfigProto(kernels=kernels)
        self._shared: Call | None = None

    @property
    def name(self) -> str:
        return self._call.name

    def begin(self) -> Call:
        """The function, with the states of its random ops and their like as at the beginning."""
        if self._shared is None or self._keeps_state:
            self._shared = self._made({})
        return self._shared

    @cached_property
    def _ends(self) -> tuple[list[Tensor], list[Tensor], Graph]:
        """Arguments and results in a graph that holds nothing else."""
        library = self._call.library or {}
        known = library[self._call.name]
        types = [arg.fixed or self._call.attr[arg.type] for arg in known.inputs]
        names = [f"argument_{i}" for i in range(len(types))]
        holes = [
            NodeDef(name, "Placeholder", [], "", {"dtype": t, "shape": unknown_shape()})
            for name, t in zip(names, types, strict=True)
        ]
        outputs = [arg.fixed or self._call.attr[arg.type] for arg in known.outputs]
        node = NodeDef(_CALL, "PartitionedCall", names, "", {"f": self._call, "Tin": types, "Tout": outputs})
        graph = Graph()
        made = importer.extend(graph, GraphDef([*holes, node], list(library.values())))
        return [made[name].outputs[0] for name in names], list(made[_CALL].outputs), graph

    def _stages(self, shapes: Shapes | None) -> Stages:
        arguments, results, _ = self._ends
        device = self._device
        return build(arguments, results, self._targets, shapes, [device], {}, self._config, device.name)

    @property
    def _targets(self) -> list[Operation]:
        _, results, graph = self._ends
        return [] if results else [graph.get_operation_by_name(_CALL)]

    @cached_property
    def _keeps_state(self) -> bool:
        arguments, results, _ = self._ends
        nodes = prune(arguments, results, self._targets).nodes
        return any(n.op_def.make_state is not None and "shared_name" not in n.attrs for n in nodes)

    def _made(self, states: OpStates) -> Call:
        """The function with these states: an executable for each of the first few shapes, and one for all others."""
        kinds = [np.dtype(t.dtype.base_dtype.as_numpy_dtype) for t in self._ends[1]]
        known: dict[Shapes | None, Callable[[Sequence[Any]], Any]] = {}

        def find(shapes: Shapes) -> Callable[[Sequence[Any]], Any]:
            key = shapes if len(known) < _MANY_SHAPES else None
            if key not in known:
                known[key] = self._executable(key, states)
            return known[key]

        def call(values: Sequence[np.ndarray]) -> list[np.ndarray]:
            shapes = tuple([v.shape for v in values])
            found = (known.get(shapes) or find(shapes))(values)
            return [_array(v, kind) for v, kind in zip(found, kinds, strict=True)]

        return call

    def _executable(self, shapes: Shapes | None, states: OpStates) -> Callable[[Sequence[Any]], Any]:
        executable = self._stages(shapes).executable(self._config, states)
        if isinstance(executable, Executor):
            return lambda values: executable.run(list(values))
        run = executable.run
        return lambda values: run([scalar(v) for v in values])


def _array(value: Any, kind: np.dtype) -> np.ndarray:
    """A result as an array: a scalar comes without one."""
    if type(value) is np.ndarray and value.dtype is kind:
        return value
    return handle_to(value) if kind.hasobject and not isinstance(value, np.ndarray) else np.asarray(value, kind)
