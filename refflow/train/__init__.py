"""Training: optimizers, which add update nodes to a graph."""

from refflow.train.adaptive import AdagradOptimizer, AdamOptimizer, MomentumOptimizer, RMSPropOptimizer
from refflow.train.coordinator import Coordinator
from refflow.train.gradient_descent import GradientDescentOptimizer
from refflow.train.optimizer import Optimizer
from refflow.train.queue_runner import QueueRunner, add_queue_runner, start_queue_runners
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

__all__ = [
    "AdagradOptimizer",
    "AdamOptimizer",
    "CheckpointState",
    "Coordinator",
    "ExponentialMovingAverage",
    "GradientDescentOptimizer",
    "MomentumOptimizer",
    "Optimizer",
    "QueueRunner",
    "RMSPropOptimizer",
    "Saver",
    "SaverDef",
    "add_queue_runner",
    "checkpoint_exists",
    "exponential_decay",
    "get_checkpoint_state",
    "global_step",
    "latest_checkpoint",
    "start_queue_runners",
    "update_checkpoint_state",
]
