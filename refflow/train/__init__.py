"""Training: optimizers, which add update nodes to a graph."""

from refflow.train.adaptive import AdagradOptimizer, AdamOptimizer, MomentumOptimizer, RMSPropOptimizer
from refflow.train.gradient_descent import GradientDescentOptimizer
from refflow.train.optimizer import Optimizer

__all__ = [
    "AdagradOptimizer",
    "AdamOptimizer",
    "GradientDescentOptimizer",
    "MomentumOptimizer",
    "Optimizer",
    "RMSPropOptimizer",
]
