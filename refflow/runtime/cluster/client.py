"""The client's side of a cluster: what a Session does when its target is a server [W13].

The session keeps all that concerns fetches and feeds; the nodes of its graph that are new go to the master before a
signature's first step [W07], and a step is one question.

Next: train/recovery.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from copy import copy
from dataclasses import fields
from typing import TYPE_CHECKING, Any, NoReturn
from weakref import WeakValueDictionary

import numpy as np

from refflow.core import errors, locks
from refflow.core.devices import DeviceSpec
from refflow.core.graph import Graph
from refflow.core.graphdef import GraphDef, functions_of
from refflow.core.values import as_fetched
from refflow.core.waiting import InFlight, in_flight
from refflow.runtime.cluster.network import Network
from refflow.runtime.config import ConfigProto
from refflow.runtime.signature import Signature

if TYPE_CHECKING:
    from refflow.runtime.device import Device
    from refflow.runtime.session import Session

SCHEME = "refflow://"
_PATIENCE, _PAUSE = 10.0, 0.1  # seconds that a session waits for its cluster to be there, and between two attempts
# What makes a step, and so is the master's to know; the rest is the client's or the servers' own.
_SENT = ("allow_soft_placement", "log_device_placement", "kernels", "optimize", "merge_common_subexpressions",
         "check_merges", "variable_reads", "placer", "schedule_receives", "recompute", "swap",
         "lossy_transfers", "isolate_session_state")  # fmt: skip
_tcp: list[Network] = []
# Servers of this process, by network (None is TCP) and address.
servers_here: WeakValueDictionary[tuple[Network | None, str], Any] = WeakValueDictionary()


class Target(str):
    """A server's address as a session's target, and the network on which it is to be found: TCP, unless given."""

    network: Network | None

    def __new__(cls, text: str, network: Network | None = None) -> Target:
        self = super().__new__(cls, text)
        self.network = network
        return self


def network_of(target: str) -> Network:
    """The network of a target; all that name none share one."""
    found = getattr(target, "network", None)
    if found is not None:
        return found
    if not _tcp:
        from refflow.runtime.cluster.sockets import Sockets

        _tcp.append(Sockets())
    return _tcp[0]


@locks.after_fork
def _forget_lines() -> None:
    """In a child process: the parent's connections are not for two."""
    _tcp.clear()


def address_of(target: str) -> str:
    """The address in a target; ValueError for what is none."""
    if not target.startswith(SCHEME):
        raise ValueError(
            f"target {target!r}: it is '' for a session in this process, or {SCHEME}host:port, the target of a Server"
        )
    return target[len(SCHEME) :]


def _server_here(target: str) -> Any:
    """The server of this process with that target, or None."""
    return servers_here.get((getattr(target, "network", None), address_of(target)))


def devices_of(target: str, cluster_def: Any) -> tuple[list[Device], str]:
    """The devices of servers of this process as the tasks that a ClusterDef makes of them, and where feeds come from.

    UnimplementedError where one of the addresses is not a server of this process.
    """
    found: list[Device] = []
    client = ""
    for job in cluster_def.job:
        for number, address in sorted(job.tasks.items()):
            server = servers_here.get((getattr(target, "network", None), address))
            if server is None:
                raise errors.UnimplementedError(
                    None, None, f"ConfigProto.cluster_def: {address} is no server of this process. Give servers that "
                    "are to work together their cluster when they are made",
                )  # fmt: skip
            for device in server.devices:
                spec = DeviceSpec(job.name, 0, number, device.type, device.spec.index)
                found.append(copy(device).renamed(spec, device.incarnation))
            if address == address_of(target):
                client = DeviceSpec(job.name, 0, number, "cpu", 0).to_string()
    if not client:
        raise errors.InvalidArgumentError(None, None, f"ConfigProto.cluster_def: {target} is no task of it")
    return found, client


def reset(target: str, containers: Sequence[str] | None) -> None:
    """Empties containers on all tasks, and closes the sessions of that master."""
    network_of(target).ask(address_of(target), "master/reset", list(containers or []))


class Remote:
    """A session at a master. devices: (name, incarnation) of what it places nodes on."""

    def __init__(self, target: str, config: ConfigProto):
        self.network, self.address = network_of(target), address_of(target)
        self.target, self._isolated = target, config.isolate_session_state
        self._lock = locks.lock()
        self._sent = 0  # nodes of the graph that the master knows
        self._runs = itertools.count(1)
        self.session, self.devices = self._create(_plain(config))

    def _create(self, config: dict[str, Any]) -> Any:
        attempts = round(_PATIENCE / _PAUSE)
        while True:
            try:
                return self.network.ask(self.address, "master/create", config)
            except errors.UnavailableError:
                attempts -= 1
                if not attempts:
                    raise
            self.network.pause(_PAUSE)

    def _extend(self, graph: Graph) -> None:
        """Sends the nodes that are new."""
        with self._lock:
            new = graph.definition(self._sent)
            if new.node:
                nodes = GraphDef(new.node, functions_of(new.node))
                self.network.ask(self.address, "master/extend", {"session": self.session, "nodes": nodes})
                self._sent += len(new.node)

    def run(self, message: dict[str, Any]) -> list[Any]:
        """The fetched values of one step; whatever ends the wait ends the step."""
        message |= {"session": self.session, "run": next(self._runs)}
        flight = in_flight() or InFlight("a step of a cluster")
        try:
            return self.network.ask(self.address, "master/run", message, flight)
        except BaseException as error:
            if flight.is_off or not isinstance(error, Exception):
                why = {"session": self.session, "run": message["run"], "why": "the client has given the step up"}
                self.network.request(self.address, "master/cancel", why, lambda data: None)
            raise

    def step(self, session: Session, signature: Signature) -> RemoteStep:
        """A signature's step, once the master has the nodes that it needs."""
        self._extend(session.graph)
        return RemoteStep(session, self, signature)

    @property
    def is_here(self) -> bool:
        """Whether all tasks of the cluster are servers of this process."""
        return self._servers() is not None

    def _servers(self) -> dict[str, Any] | None:
        """The servers of all tasks, by name; None where one of them is not in this process."""
        first = _server_here(self.target)
        if first is None:
            return None
        network = getattr(self.target, "network", None)
        found = {task: servers_here.get((network, address)) for task, address in sorted(first.tasks.items())}
        return None if None in found.values() else found

    def devices_here(self, what: str) -> tuple[Sequence[Device], str]:
        """The devices of such a cluster, and the name of the one that feeds come from; else `refuse`."""
        servers = self._servers()
        if servers is None:
            self.refuse(what)
        found = [server.worker.devices_for(self.session, self._isolated) for server in servers.values()]
        return [d for by_name in found for d in by_name.values()], f"{_server_here(self.target).name}/cpu:0"

    def refuse(self, what: str) -> NoReturn:
        """UnimplementedError for what only this process can tell of its own devices."""
        raise errors.UnimplementedError(
            None, None, f"{what} cannot be had from a cluster: a session in this process, Session(''), has them, and "
            "one of a cluster all of whose servers are in this process",
        )  # fmt: skip

    def close(self) -> None:
        """Tells the master, and does not wait for what it says."""
        self.network.request(self.address, "master/close", self.session, lambda data: None)


class RemoteStep:
    """A signature's step at a master. It has no stages: those are the master's."""

    may_last = True

    def __init__(self, session: Session, remote: Remote, signature: Signature):
        self._remote, self._flights, self._graph = remote, session.flights, session.graph
        self.structure, self._assemble, self._what = signature.structure, signature.assemble, signature.what
        self._types = [t.dtype.base_dtype for t in signature.tensors]
        self._asked = {
            "feeds": [f.tensor.name for f in signature.feeds],
            "fetches": [t.name for t in signature.tensors],
            "targets": [op.name for op in signature.targets],
        }

    @property
    def stages(self) -> NoReturn:
        self._remote.refuse("the stages of a step")

    def __call__(self, feeds: Sequence[Any], seconds: float | None = None, log: Any = None) -> Any:
        """As Step does; the time runs in the client."""
        if log is not None:
            self._remote.refuse("the times of nodes")
        values = self._flights.run(self._ask, feeds, self._what, seconds)
        scalars = [v[()] if v.shape == () else v for v in values]
        return self._assemble([as_fetched(v, t) for v, t in zip(scalars, self._types, strict=True)])

    def _ask(self, feeds: Sequence[Any]) -> list[np.ndarray]:
        try:
            return self._remote.run(self._asked | {"values": list(feeds)})
        except errors.OpError as error:
            if error.node_def is not None:  # the client knows which of its lines built that node
                error.op = self._graph._by_name.get(error.node_def.name)
            raise


def _plain(config: ConfigProto) -> dict[str, Any]:
    found = {f.name: getattr(config, f.name) for f in fields(config) if f.name in _SENT}
    strange = next((name for name, value in found.items() if callable(value)), None)
    if strange is not None:
        raise ValueError(f"{strange} is a function, which cannot be sent to a cluster. Name the nodes instead")
    return found
