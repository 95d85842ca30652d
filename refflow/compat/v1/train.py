"""tf.train of 1.x: the first release's optimizers, rates, queues and savers with today's arguments.

Next: compat/v1/monitored.py.
"""

from __future__ import annotations

from typing import Any

from refflow.compat.v1 import (
    averages,
    batches,
    checkpoints,
    clusters,
    coordinator,
    decays,
    hooks,
    input,
    monitored,
    object_checkpoints,
    optimizers,
    queue_runner,
    savers,
    saving_hooks,
    scaffold,
    session_manager,
    supervisor,
)
from refflow.compat.v1.averages import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.batches import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.checkpoints import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.clusters import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.coordinator import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.decays import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.hooks import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.hooks import SyncReplicasHook
from refflow.compat.v1.input import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.messages import (
    BytesList,
    Example,
    Feature,
    FeatureList,
    FeatureLists,
    Features,
    FloatList,
    Int64List,
    SequenceExample,
)
from refflow.compat.v1.meta_graphs import export_meta_graph
from refflow.compat.v1.monitored import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.object_checkpoints import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.optimizers import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.queue_runner import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.replicas import replica_device_setter
from refflow.compat.v1.savers import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.saving_hooks import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.scaffold import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.session_manager import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.supervisor import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.variables import create_global_step, get_global_step, get_or_create_global_step
from refflow.core.graph import Graph
from refflow.train import (
    CheckpointState,
    SaverDef,
    Server,
    checkpoint_exists,
    get_checkpoint_state,
    global_step,
    latest_checkpoint,
    summary_iterator,
    update_checkpoint_state,
)
from refflow.train import write_graph as first_write_graph
from refflow.train.sync_replicas import SyncReplicasOptimizer as FirstSyncReplicas

__all__ = [
    *averages.__all__,
    *batches.__all__,
    *checkpoints.__all__,
    *clusters.__all__,
    *coordinator.__all__,
    *decays.__all__,
    *hooks.__all__,
    *input.__all__,
    *monitored.__all__,
    *object_checkpoints.__all__,
    *optimizers.__all__,
    *queue_runner.__all__,
    *savers.__all__,
    *saving_hooks.__all__,
    *scaffold.__all__,
    *session_manager.__all__,
    *supervisor.__all__,
    "BytesList",
    "CheckpointState",
    "Example",
    "Feature",
    "FeatureList",
    "FeatureLists",
    "Features",
    "FloatList",
    "Int64List",
    "SaverDef",
    "SequenceExample",
    "Server",
    "SyncReplicasOptimizer",
    "checkpoint_exists",
    "create_global_step",
    "export_meta_graph",
    "get_checkpoint_state",
    "get_global_step",
    "get_or_create_global_step",
    "global_step",
    "latest_checkpoint",
    "replica_device_setter",
    "summary_iterator",
    "update_checkpoint_state",
    "write_graph",
]  # fmt: skip

# -- optimizers --------------------------------------------------------------------------------------------------


class SyncReplicasOptimizer(FirstSyncReplicas):
    """Replicas that take a step together, with a hook for monitored sessions."""

    def __init__(
        self, opt: Any, replicas_to_aggregate: int, total_num_replicas: int | None = None,
        variable_averages: Any = None, variables_to_average: Any = None, use_locking: bool = False,
        name: str = "sync_replicas",
    ):  # fmt: skip
        if variable_averages is not None or variables_to_average is not None:
            raise ValueError("SyncReplicasOptimizer keeps no averages here: apply an ExponentialMovingAverage after it")
        super().__init__(opt, replicas_to_aggregate, total_num_replicas, name=name)

    def variables(self) -> list[Any]:
        """What the optimizer that is wrapped made."""
        wrapped: Any = self._opt
        return wrapped.variables()

    def make_session_run_hook(self, is_chief: bool, num_tokens: int = -1) -> SyncReplicasHook:
        """What prepares a replica's session, and for the chief starts its thread."""
        return SyncReplicasHook(self, is_chief, num_tokens)


def write_graph(graph_or_graph_def: Any, logdir: Any, name: str, as_text: bool = True) -> str:
    """Writes a graph, or its definition, into a file of a folder; gives the path."""
    given = graph_or_graph_def
    return first_write_graph(given.as_graph_def() if isinstance(given, Graph) else given, logdir, name, as_text)


def __getattr__(name: str) -> Any:
    """Messages about clusters, which need the protobuf library."""
    if name in ("ClusterDef", "JobDef", "ServerDef"):
        from refflow.interop.schema import message

        return message(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
