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
from refflow.core.graph import Graph, Tensor
from refflow.core.graphdef import FunctionCall, GraphDef, NodeDef
from refflow.core.handles import handle_to
from refflow.core.shapes import unknown_shape
from refflow.runtime.config import ConfigProto
from refflow.runtime.device import Device
from refflow.runtime.executor import Executor
from refflow.runtime.kernels import OpStates
from refflow.runtime.stages import Stages, build

Call = Callable[[Sequence[np.ndarray]], list[np.ndarray]]
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

    @cached_property
    def _stages(self) -> Stages:
        arguments, results, graph = self._ends
        targets = [] if results else [graph.get_operation_by_name(_CALL)]
        return build(arguments, results, targets, None, [self._device], {}, self._config, self._device.name)

    @cached_property
    def _keeps_state(self) -> bool:
        return any(n.op_def.make_state is not None and "shared_name" not in n.attrs for n in self._stages.pruned.nodes)

    def _made(self, states: OpStates) -> Call:
        executable = self._stages.executable(self._config, states)
        results = self._ends[1]

        def call(values: Sequence[np.ndarray]) -> list[np.ndarray]:
            if isinstance(executable, Executor):
                found: Any = executable.run(list(values))
            else:
                found = executable.run([v[()] if v.shape == () and v.dtype != object else v for v in values])
            return [_array(v, t) for v, t in zip(found, results, strict=True)]

        return call


def _array(value: Any, tensor: Tensor) -> np.ndarray:
    """A result as an array: a scalar comes without one."""
    kind = np.dtype(tensor.dtype.base_dtype.as_numpy_dtype)
    if kind.hasobject:
        return value if isinstance(value, np.ndarray) else handle_to(value)
    return np.asarray(value, kind)
