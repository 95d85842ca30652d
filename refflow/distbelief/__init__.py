"""DistBelief, the first of the deck's two systems [S01], beside the graph engine and not on top of it.

Dean and others, "Large Scale Distributed Deep Networks", NIPS 2012: layers that are cut over machines, replicas of a
model that train apart, and a server of shards that holds the parameters. All of it in NumPy and in virtual time.

Read in this order: errors, rules, clock, server.
"""

from refflow.distbelief.clock import Clock, Event, Links, Machine, steady, straggling, uneven
from refflow.distbelief.errors import DistBeliefError, FixedStructure, LayerError, PartitionError, ScheduleError
from refflow.distbelief.rules import Adagrad, Rule, Sgd
from refflow.distbelief.server import PARAMETERS, Range, Server, Shard
