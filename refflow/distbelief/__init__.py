"""DistBelief, the first of the deck's two systems [S01], beside the graph engine and not on top of it.

Dean and others, "Large Scale Distributed Deep Networks", NIPS 2012: layers that are cut over machines, replicas of a
model that train apart, and a server of shards that holds the parameters. All of it in NumPy and in virtual time.

    a model    errors, layers, losses, network
    cut        partition, pieces, clock, costs
    trained    rules, server, downpour, replay
    or         commands, lbfgs, portions, sandblaster; and comparison, of all that trains

is the order to read it in. docs/distbelief.rst says how it is used, and tutorials/08_distbelief.py uses it.
"""

from refflow.distbelief.clock import Clock, Event, Links, Machine, steady, straggling, uneven
from refflow.distbelief.commands import Add, Alone, Dot, Evaluate, Multiply, Scale, alone
from refflow.distbelief.costs import speedups, step_seconds, work
from refflow.distbelief.downpour import ClientLoop, Downpour, Replica
from refflow.distbelief.errors import DistBeliefError, FixedStructure, LayerError, PartitionError, ScheduleError
from refflow.distbelief.layers import (
    AveragePool,
    Convolution,
    Dense,
    Layer,
    LocallyConnected,
    MaxPool,
    Nonlinearity,
    Relu,
    Sigmoid,
    Tanh,
)
from refflow.distbelief.lbfgs import Outcome, minimize
from refflow.distbelief.losses import Loss, SoftmaxLoss, SquaredLoss
from refflow.distbelief.network import Network
from refflow.distbelief.partition import Partition, Transfer
from refflow.distbelief.pieces import forward, loss_and_gradient
from refflow.distbelief.portions import Portions
from refflow.distbelief.replay import Action, Player, from_lines, schedule, to_lines
from refflow.distbelief.rules import Adagrad, Rule, Sgd
from refflow.distbelief.sandblaster import NetworkLoss, Objective, Sandblaster
from refflow.distbelief.server import PARAMETERS, Range, Server, Shard
