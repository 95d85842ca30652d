"""Clusters of 1.x: specifications, and what servers are made of, travel as messages.

Next: runtime/cluster/server.py.
"""

from __future__ import annotations

from typing import Any

from refflow.core.devices import DeviceSpec
from refflow.train import ClusterSpec as FirstSpec
from refflow.train import Server

__all__ = ["ClusterSpec"]


class ClusterSpec(FirstSpec):
    """Which tasks there are: for each job the addresses of its tasks; made of a ClusterDef too."""

    def as_cluster_def(self) -> Any:
        """The same as a ClusterDef message."""
        from refflow.interop.schema import message

        found = message("ClusterDef")()
        for name in self.jobs:
            job = found.job.add(name=name)
            for number, address in self._jobs[name].items():
                job.tasks[number] = address
        return found


def _server_def(server: Server) -> Any:
    """What a server was made of, as a ServerDef message."""
    from refflow.interop.schema import message

    me, cluster = DeviceSpec.parse(server.name), ClusterSpec(server.cluster).as_cluster_def()
    return message("ServerDef")(cluster=cluster, job_name=me.job, task_index=me.task, protocol="refflow")


Server.server_def = property(_server_def)  # the runtime knows no messages
