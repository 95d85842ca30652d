"""Training: optimizers, which add update nodes to a graph."""

from refflow.train.adaptive import AdagradOptimizer, AdamOptimizer, MomentumOptimizer, RMSPropOptimizer
from refflow.train.gradient_descent import GradientDescentOptimizer
from refflow.train.optimizer import Optimizer
from refflow.train.saver import (
    CheckpointState,
    Saver,
    SaverDef,
    checkpoint_exists,
    get_checkpoint_state,
    latest_checkpoint,
    update_checkpoint_state,
)

__all__ = [
    "AdagradOptimizer",
    "AdamOptimizer",
    "CheckpointState",
    "GradientDescentOptimizer",
    "MomentumOptimizer",
    "Optimizer",
    "RMSPropOptimizer",
    "Saver",
    "SaverDef",
    "checkpoint_exists",
    "get_checkpoint_state",
    "latest_checkpoint",
    "update_checkpoint_state",
]
