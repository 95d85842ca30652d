"""Training: optimizers, which add update nodes to a graph; input pipelines, checkpoints, and the log of a run."""

from typing import Any

from refflow.core.missing import no_attribute
from refflow.interop.importer import write_graph
from refflow.train.adaptive import AdagradOptimizer, AdamOptimizer, MomentumOptimizer, RMSPropOptimizer
from refflow.train.coordinator import Coordinator
from refflow.train.ftrl import FtrlOptimizer
from refflow.train.gradient_descent import GradientDescentOptimizer
from refflow.train.input import (
    batch,
    batch_join,
    limit_epochs,
    match_filenames_once,
    range_input_producer,
    shuffle_batch,
    shuffle_batch_join,
    slice_input_producer,
    string_input_producer,
)
from refflow.train.lbfgs import LBFGSOptimizer, LBFGSResult
from refflow.train.meta_graph import export_meta_graph, import_meta_graph
from refflow.train.optimizer import Optimizer
from refflow.train.queue_runner import QueueRunner, add_queue_runner, start_queue_runners
from refflow.train.recovery import run_with_recovery, train_with_recovery
from refflow.train.replicas import ReplicaTraining
from refflow.train.saver import (
    CheckpointState,
    Saver,
    SaverDef,
    checkpoint_exists,
    get_checkpoint_state,
    latest_checkpoint,
    update_checkpoint_state,
)
from refflow.train.schedules import ExponentialMovingAverage, exponential_decay, global_step
from refflow.train.summary_io import SummaryWriter, summary_iterator
from refflow.train.towers import Tower, build_towers, combine_gradients, combine_losses

__all__ = [
    "AdagradOptimizer",
    "AdamOptimizer",
    "CheckpointState",
    "ClusterSpec",
    "Coordinator",
    "ExponentialMovingAverage",
    "FtrlOptimizer",
    "GradientDescentOptimizer",
    "LBFGSOptimizer",
    "LBFGSResult",
    "MomentumOptimizer",
    "Optimizer",
    "QueueRunner",
    "RMSPropOptimizer",
    "ReplicaTraining",
    "Saver",
    "SaverDef",
    "Server",
    "SummaryWriter",
    "Tower",
    "add_queue_runner",
    "batch",
    "batch_join",
    "build_towers",
    "checkpoint_exists",
    "combine_gradients",
    "combine_losses",
    "exponential_decay",
    "export_meta_graph",
    "get_checkpoint_state",
    "global_step",
    "import_meta_graph",
    "latest_checkpoint",
    "limit_epochs",
    "match_filenames_once",
    "range_input_producer",
    "run_with_recovery",
    "shuffle_batch",
    "shuffle_batch_join",
    "slice_input_producer",
    "start_queue_runners",
    "string_input_producer",
    "summary_iterator",
    "train_with_recovery",
    "update_checkpoint_state",
    "write_graph",
]


def __getattr__(name: str) -> Any:
    """What belongs to clusters is imported when somebody asks for it."""
    if name in ("ClusterSpec", "Server"):
        from refflow.runtime.cluster import server

        return getattr(server, name)
    raise no_attribute(__name__, name)
