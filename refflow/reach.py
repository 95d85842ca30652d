"""One program text on three sets of devices: a workstation, a small one, and a cluster of hundreds [S34].

    Workstation   the devices of this process
    Small         one CPU with little memory, as in a phone. A request gets the part of the graph that its tensors need,
                  with the variables frozen: constants, of the values that training elsewhere has given them. What is
                  asked for its effect alone, as initializers and training steps are, is left out. So nothing changes,
                  no gradient is among the nodes, and a step that would need more than the limit is refused
    Cluster       tasks with several devices each, on a network in virtual time; a simulation says what goes where

A profile makes the sessions of a program, `profile.session(graph)`, and the program does not know of it: in
`deck.run(profile=...)` the text is that of the slides under each of the three.

Next: runtime/memory_limit.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from refflow.core import errors
from refflow.core.graph import Graph, GraphKeys, Tensor
from refflow.core.graphdef import GraphDef
from refflow.core.registry import find_op_def
from refflow.core.shapes import Shape
from refflow.interop import convert_variables_to_constants, extract_sub_graph, import_graph_def
from refflow.runtime.cluster.server import Server
from refflow.runtime.cluster.simulated import Simulated
from refflow.runtime.config import ConfigProto
from refflow.runtime.device import Device, local_devices
from refflow.runtime.memory_limit import need
from refflow.runtime.prune import CLIENT
from refflow.runtime.session import Session
from refflow.runtime.signature import Signature
from refflow.runtime.stages import Stages, build

_MIB = 1 << 20


class Workstation:
    """The devices of this process, by default one CPU. options: of its sessions."""

    def __init__(self, devices: Sequence[Device] | None = None, **options: Any):
        self.devices = list(devices or local_devices())
        self._options = options

    def session(self, graph: Graph) -> Session:
        return Session(graph=graph, devices=self.devices, **self._options)


# -- small --------------------------------------------------------------------------------------------------


class Small:
    """A CPU with a memory limit, in bytes, for programs whose variables have got their values elsewhere.

    values: of all variables, by name (`values_of`). left_out: the names of operations that were asked for and not run.
    """

    def __init__(self, values: Mapping[str, Any], memory_limit: int = 64 * _MIB, **options: Any):
        self.values = {name: np.asarray(value) for name, value in values.items()}
        self.devices = [Device(memory_limit=memory_limit)]
        self.left_out: set[str] = set()
        self._options = {"optimize": False, **options}  # folding would compute what follows from constants beforehand

    def session(self, graph: Graph) -> FrozenSession:
        return FrozenSession(graph, self)

    def frozen(self, graph: Graph, tensors: Sequence[Tensor]) -> Graph:
        """A finished graph of what these tensors need, without variables; names are those of `graph`.

        FailedPreconditionError where a variable has no value, or one would have to change.
        """
        whole, names = graph.definition(), [t.op.name for t in tensors]
        self._must_stay(extract_sub_graph(whole, names))
        found = Graph()
        with found.as_default():
            import_graph_def(convert_variables_to_constants(_Values(graph, self.values), whole, names), name="")
        found.finalize()
        return found

    def _must_stay(self, cut: GraphDef) -> None:
        types = {node.name: node.op for node in cut.node}
        for node in cut.node:
            op_def = find_op_def(node.op)
            first = types.get(node.input[0].partition(":")[0], "") if node.input else ""
            if op_def is not None and (op_def.ref_inputs or (first == "VarHandleOp" and not op_def.outputs)):
                raise errors.FailedPreconditionError(
                    node, None, f"{node.name!r} ({node.op}) changes a variable, and here variables are constants. Ask "
                    "for it on a workstation",
                )  # fmt: skip


class FrozenSession(Session):
    """A session whose steps are those of the frozen graph."""

    def __init__(self, graph: Graph, profile: Small):
        super().__init__(graph=graph, devices=profile.devices, **profile._options)
        self.profile = profile

    def stages(self, signature: Signature, fed_shapes: Sequence[Shape] | None = None) -> Stages:
        self.profile.left_out |= {op.name for op in signature.targets}
        if not signature.tensors:
            return build([], [], [], None, self.devices, {}, self.config, CLIENT)
        graph = self.profile.frozen(self.graph, signature.tensors)
        there = graph._by_name
        feeds = [graph.as_graph_element(f.tensor.name) for f in signature.feeds if f.tensor.op.name in there]
        if len(feeds) < len(signature.feeds):
            raise ValueError(f"{signature.what} is fed with what it does not need: leave that out")
        tensors = [graph.as_graph_element(t.name) for t in signature.tensors]
        return build(feeds, tensors, [], fed_shapes, self.devices, {}, self.config, CLIENT)

    def bytes_needed(self, fetches: Any, feed_dict: Mapping[Any, Any] | None = None) -> int:
        """What a step needs at its fullest moment, which the limit is compared with."""
        fed = feed_dict or {}
        stages = self.stages(self.signature(fetches, list(fed)), [np.shape(v) for v in fed.values()])
        return sum(size for size, _ in need(stages.partitioned, self.devices[0]))


class _Values:
    """What freezing takes for a session: it only asks for the values of variables."""

    def __init__(self, graph: Graph, values: Mapping[str, np.ndarray]):
        self._graph, self._values = graph, values

    def run(self, names: Sequence[str]) -> list[np.ndarray]:
        found = []
        for name in names:
            op = self._graph.get_tensor_by_name(name).op
            variable = op.inputs[0].op.name if op.type == "ReadVariableOp" else op.name
            if variable not in self._values:
                raise errors.FailedPreconditionError(
                    None, None, f"variable {variable!r} has no value to be frozen at: give it among Small's values"
                )
            found.append(self._values[variable])
        return found


def values_of(session: Session) -> dict[str, np.ndarray]:
    """The values of all variables of a session's graph, by name."""
    variables = {v.op.name: v for v in session.graph.get_collection(GraphKeys.VARIABLES)}
    return session.run(variables)


# -- a cluster ----------------------------------------------------------------------------------------------


class Cluster:
    """`tasks` tasks with `devices` devices each, in virtual time. latency: seconds. bandwidth: bytes a second.

    seconds: of virtual time that have passed, all of them on the network; arithmetic takes none.
    """

    def __init__(
        self, tasks: int = 100, devices: int = 4, latency: float = 1e-4, bandwidth: float = 1e9, **options: Any
    ):
        self._network = Simulated(latency, bandwidth)
        self._options = {"placer": "greedy", **options}
        cluster = {"worker": [f"worker{i}:2222" for i in range(tasks)]}
        config = ConfigProto(device_count={"CPU": devices})
        self.servers = [Server(cluster, "worker", i, config=config, network=self._network) for i in range(tasks)]
        self.devices = [device for server in self.servers for device in server.devices]

    @property
    def seconds(self) -> float:
        return self._network.now

    @property
    def used(self) -> set[str]:
        """The names of the devices that have a part in some step of a session that is open."""
        return set().union(*(server.worker.used for server in self.servers))

    def session(self, graph: Graph) -> Session:
        return Session(self.servers[0].target, graph=graph, **self._options)
