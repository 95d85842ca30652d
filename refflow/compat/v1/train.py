"""tf.train of 1.x: the first release's optimizers, rates, queues and savers with today's arguments.

Next: compat/v1/monitored.py.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

from refflow.compat.v1 import batches, coordinator, decays, input, optimizers, queue_runner
from refflow.compat.v1.batches import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.coordinator import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.decays import *  # noqa: F403  (its __all__ says which)
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
from refflow.compat.v1.monitored import (
    CheckpointSaverHook,
    LoggingTensorHook,
    MonitoredTrainingSession,
    SessionRunArgs,
    SessionRunContext,
    SessionRunHook,
    SessionRunValues,
    SingularMonitoredSession,
    StopAtStepHook,
    SyncReplicasHook,
)
from refflow.compat.v1.optimizers import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.queue_runner import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.replicas import replica_device_setter
from refflow.compat.v1.variables import create_global_step, get_global_step, get_or_create_global_step
from refflow.train import (
    CheckpointState,
    ClusterSpec,
    ExponentialMovingAverage,
    SaverDef,
    Server,
    checkpoint_exists,
    export_meta_graph,
    get_checkpoint_state,
    global_step,
    latest_checkpoint,
    summary_iterator,
    update_checkpoint_state,
    write_graph,
)
from refflow.train import Saver as FirstSaver
from refflow.train import import_meta_graph as first_import
from refflow.train.sync_replicas import SyncReplicasOptimizer as FirstSyncReplicas

__all__ = [
    *batches.__all__,
    *coordinator.__all__,
    *decays.__all__,
    *input.__all__,
    *optimizers.__all__,
    *queue_runner.__all__,
    "BytesList",
    "CheckpointSaverHook",
    "CheckpointState",
    "ClusterSpec",
    "Example",
    "ExponentialMovingAverage",
    "Feature",
    "FeatureList",
    "FeatureLists",
    "Features",
    "FloatList",
    "Int64List",
    "LoggingTensorHook",
    "MonitoredTrainingSession",
    "Saver",
    "SaverDef",
    "SequenceExample",
    "Server",
    "SessionRunArgs",
    "SessionRunContext",
    "SessionRunHook",
    "SessionRunValues",
    "SingularMonitoredSession",
    "StopAtStepHook",
    "SyncReplicasOptimizer",
    "checkpoint_exists",
    "create_global_step",
    "export_meta_graph",
    "get_checkpoint_state",
    "get_global_step",
    "get_or_create_global_step",
    "global_step",
    "import_meta_graph",
    "latest_checkpoint",
    "replica_device_setter",
    "summary_iterator",
    "update_checkpoint_state",
    "write_graph",
]  # fmt: skip

# -- optimizers --------------------------------------------------------------------------------------------------


class SyncReplicasOptimizer(FirstSyncReplicas):
    """Replicas that take a step together, with a hook for monitored sessions."""

    def make_session_run_hook(self, is_chief: bool, num_tokens: int = -1) -> SyncReplicasHook:
        """What prepares a replica's session, and for the chief starts its thread."""
        return SyncReplicasHook(self, is_chief, num_tokens)


# -- savers ------------------------------------------------------------------------------------------------------


class Saver(FirstSaver):
    """The first release's, with 1.x's arguments; what is to be saved is found when it is made."""

    def __init__(
        self, var_list: Any = None, reshape: bool = False, sharded: bool = False, max_to_keep: int = 5,
        keep_checkpoint_every_n_hours: float = 10000.0, name: str | None = None, restore_sequentially: bool = False,
        saver_def: Any = None, builder: Any = None, defer_build: bool = False, allow_empty: bool = False,
        write_version: int = 2, pad_step_number: bool = False, save_relative_paths: bool = False,
        filename: str | None = None,
    ):  # fmt: skip
        super().__init__(var_list, reshape, sharded, max_to_keep, keep_checkpoint_every_n_hours, name,
                         restore_sequentially, saver_def, builder)  # fmt: skip

    def save(
        self, sess: Any, save_path: str, global_step: Any = None, latest_filename: str | None = None,
        meta_graph_suffix: str = "meta", write_meta_graph: bool | None = None, write_state: bool = True,
    ) -> str:  # fmt: skip
        """As the first release's, with the graph beside it in PATH.meta; by default where protobuf is installed."""
        before = set(self.last_checkpoints)
        path = super().save(sess, save_path, global_step, latest_filename)
        if write_meta_graph or (write_meta_graph is None and _can_write_graphs()):
            export_meta_graph(f"{path}.{meta_graph_suffix}", saver_def=self.saver_def, graph=sess.graph)
        for old in before - set(self.last_checkpoints):
            with suppress(FileNotFoundError):
                os.remove(f"{old}.{meta_graph_suffix}")
        return path

    def export_meta_graph(self, filename: str | None = None, collection_list: Any = None, as_text: bool = False) -> Any:
        """The default graph with this Saver, as a MetaGraphDef."""
        return export_meta_graph(filename, None, None, self.saver_def, collection_list, as_text)


def import_meta_graph(meta_graph_or_file: Any, clear_devices: bool = False, import_scope: str | None = None) -> Any:
    """Adds a MetaGraph's nodes and collections to the default graph; its Saver, or None where it has none."""
    found = first_import(meta_graph_or_file, clear_devices, import_scope)
    return None if found is None else Saver(saver_def=found.saver_def)


def _can_write_graphs() -> bool:
    """Whether the protobuf library is there."""
    from refflow.interop.schema import protobuf

    try:
        return protobuf() is not None
    except ImportError:
        return False
