"""Clusters of 1.x: a specification that travels as a message.

Next: runtime/cluster/server.py.
"""

from __future__ import annotations

from typing import Any

from refflow.train import ClusterSpec as FirstSpec

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
