"""Servers: a process as one task of a cluster, with its worker and a master [W13].

    cluster = tf.train.ClusterSpec({"ps": ["localhost:2222"], "worker": ["localhost:2223", "localhost:2224"]})
    server = tf.train.Server(cluster, job_name="worker", task_index=0)
    with tf.device("/job:ps/task:0"): ...
    with tf.Session(server.target) as session: ...

A session may be made in any process that reaches the address. The first release runs on one machine; this is the
paper's description, under the names that TensorFlow later gave it [E17]. The messages are refflow's own, not gRPC's.

Next: runtime/cluster/client.py.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from refflow.core import errors
from refflow.core.devices import DeviceSpec
from refflow.runtime.cluster.client import Target, servers_here
from refflow.runtime.cluster.master import Master
from refflow.runtime.cluster.network import Network, Reply
from refflow.runtime.cluster.worker import Worker
from refflow.runtime.config import ConfigProto
from refflow.runtime.device import local_devices


class ClusterSpec:
    """Which tasks there are: for each job the addresses, host:port, of its tasks, a list or a mapping from numbers."""

    def __init__(self, cluster: Mapping[str, Any] | ClusterSpec):
        if isinstance(cluster, ClusterSpec):
            cluster = cluster._jobs
        if hasattr(cluster, "job"):  # a ClusterDef message
            cluster = {job.name: dict(job.tasks) for job in cluster.job}
        if not isinstance(cluster, Mapping):
            raise TypeError(f"a cluster is a dictionary from jobs to lists of addresses, got {cluster!r}")
        self._jobs: dict[str, dict[int, str]] = {}
        for job, tasks in cluster.items():
            numbered = tasks if isinstance(tasks, Mapping) else dict(enumerate(tasks))
            if isinstance(tasks, (str, bytes)) or not all(isinstance(a, str) for a in numbered.values()):
                raise TypeError(f"the tasks of job {job!r} are a list of addresses, got {tasks!r}")
            self._jobs[job] = {int(number): address for number, address in sorted(numbered.items())}

    @classmethod
    def parse(cls, text: str) -> ClusterSpec:
        """The cluster that `text` writes, as the command line has it.

        >>> ClusterSpec.parse("ps=localhost:2222;worker=localhost:2223,localhost:2224")
        ClusterSpec({'ps': ['localhost:2222'], 'worker': ['localhost:2223', 'localhost:2224']})
        """
        jobs: dict[str, list[str]] = {}
        for part in text.split(";"):
            job, equals, tasks = part.partition("=")
            if not equals or not job.strip():
                raise ValueError(f"{part!r} is no job: it has the form ps=localhost:2222,localhost:2223")
            if job.strip() in jobs:
                raise ValueError(f"job {job.strip()!r} is there twice")
            jobs[job.strip()] = [address.strip() for address in tasks.split(",")]
        return cls(jobs)

    @property
    def jobs(self) -> list[str]:
        return sorted(self._jobs)

    def as_dict(self) -> dict[str, Any]:
        """For each job the list of its addresses, or a dictionary where numbers are left out."""
        return {
            job: list(tasks.values()) if list(tasks) == list(range(len(tasks))) else dict(tasks)
            for job, tasks in self._jobs.items()
        }

    def num_tasks(self, job_name: str) -> int:
        return len(self._tasks(job_name))

    def task_indices(self, job_name: str) -> list[int]:
        return list(self._tasks(job_name))

    def job_tasks(self, job_name: str) -> list[str | None]:
        """The addresses of a job, by number; None for a number that is left out."""
        tasks = self._tasks(job_name)
        return [tasks.get(i) for i in range(max(tasks, default=-1) + 1)]

    def task_address(self, job_name: str, task_index: int) -> str:
        tasks = self._tasks(job_name)
        if task_index not in tasks:
            raise ValueError(f"No task with index {task_index!r} in job {job_name!r}. It has {list(tasks)}")
        return tasks[task_index]

    def _tasks(self, job: str) -> dict[int, str]:
        if job not in self._jobs:
            raise ValueError(f"No such job in cluster: {job!r}. There are: {', '.join(self.jobs)}")
        return self._jobs[job]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ClusterSpec) and self._jobs == other._jobs

    def __hash__(self) -> int:
        return hash(tuple((job, tuple(tasks.items())) for job, tasks in sorted(self._jobs.items())))

    def __bool__(self) -> bool:
        return bool(self._jobs)

    def __repr__(self) -> str:
        return f"ClusterSpec({self.as_dict()!r})"


class Server:
    """One task. It listens from its construction on, and works from its start on.

    server_or_cluster_def: the cluster, or a ServerDef that has it. job_name, task_index: which task this is; they may
    be left out where there is only one. protocol: "refflow". config: its device_count says which devices the task has,
    its policy which node runs next. network: TCP, or one on which tasks of one process meet. health: seconds, as for
    Master.
    """

    def __init__(
        self, server_or_cluster_def: Any, job_name: str | None = None,
        task_index: int | None = None, protocol: str | None = None, config: ConfigProto | None = None,
        start: bool = True, *, network: Network | None = None, health: float = 10.0,
    ):  # fmt: skip
        if protocol not in (None, "refflow"):
            raise ValueError(f"protocol {protocol!r}: servers of refflow speak 'refflow' alone")
        if hasattr(server_or_cluster_def, "cluster"):  # a ServerDef message
            job_name = job_name or server_or_cluster_def.job_name
            task_index = server_or_cluster_def.task_index if task_index is None else task_index
            server_or_cluster_def = server_or_cluster_def.cluster
        cluster = ClusterSpec(server_or_cluster_def)
        if job_name is None:
            job_name = _only(cluster.jobs, "job_name", "jobs")
        if task_index is None:
            task_index = _only(cluster.task_indices(job_name), "task_index", "tasks")
        config = config or ConfigProto()
        if network is None:
            from refflow.runtime.cluster.sockets import Sockets

            self._network: Network = Sockets()
        else:
            self._network = network
        self._endpoint = self._network.endpoint(cluster.task_address(job_name, task_index))
        tasks = {
            DeviceSpec(job, 0, number).to_string(): cluster.task_address(job, number)
            for job in cluster.jobs
            for number in cluster.task_indices(job)
        }
        me = DeviceSpec(job_name, 0, task_index)
        self.name = me.to_string()
        tasks[self.name] = self._endpoint.address  # port 0 has become a number
        self.devices = [
            d.renamed(DeviceSpec(job_name, 0, task_index, d.type, d.spec.index), _incarnation())
            for d in local_devices(config.device_count)
        ]
        self.worker = Worker(self._endpoint, self.devices, tasks, config.policy)
        self.master = Master(self._endpoint, tasks, self.name, health)
        self.target = Target(f"refflow://{self._endpoint.address}", network)
        self._place = (network, self._endpoint.address)
        self.tasks = tasks
        servers_here[self._place] = self
        self.cluster = cluster
        self._stopped = threading.Event()
        if start:
            self.start()

    def start(self) -> None:
        """Begins to work; again does nothing."""
        self._endpoint.handler = self._handle

    def join(self) -> None:
        """Waits until the server is stopped, which in most programs is for ever."""
        self._stopped.wait()

    def stop(self) -> None:
        """The end of this task: its state is gone, and whoever waits for it is told."""
        servers_here.pop(self._place, None)
        self._endpoint.stop()
        for device in self.devices:
            device.resources.clear_all()
        self._stopped.set()

    def _handle(self, method: str, message: Any, reply: Reply) -> None:
        room, _, what = method.partition("/")
        if room not in ("worker", "master"):
            raise errors.UnimplementedError(None, None, f"a server has a worker and a master, but no {room!r}")
        (self.worker if room == "worker" else self.master).handle(what, message, reply)

    @staticmethod
    def create_local_server(config: ConfigProto | None = None, start: bool = True) -> Server:
        """A cluster of this process alone, at an address that is free."""
        return Server({"localhost": ["localhost:0"]}, config=config, start=start)


def _incarnation() -> int:
    """A number that no other process ever had: 63 bits, the highest always set, so that all are equally long."""
    return 1 << 62 | int.from_bytes(os.urandom(8), "little") >> 2


def _only(choices: Sequence[Any], name: str, what: str) -> Any:
    if len(choices) != 1:
        raise ValueError(
            f"{name} must be given, because there are {len(choices)} {what}: {', '.join(map(str, choices))}"
        )
    return choices[0]
