"""What DistBelief says when something does not fit, and when it cannot be had at all.

    LayerError       a layer, or the numbers that it is given
    PartitionError   a map of units to machines
    ScheduleError    how replicas, shards and machines are to work together
    FixedStructure   the structure has no place for what is asked [S03]; the error says why, and what a graph does

All are ValueErrors. Next: distbelief/layers.py.
"""

from __future__ import annotations

import operator
from typing import Any


class DistBeliefError(ValueError):
    """Something does not fit. The text says what, where, what was expected and what to do."""


class LayerError(DistBeliefError):
    """A layer is unknown, or shapes do not fit."""


class PartitionError(DistBeliefError):
    """A map of units to machines misses a unit, names no machine, or divides what is one."""


class ScheduleError(DistBeliefError):
    """A number of replicas, shards, steps or examples with which nothing could run."""


class FixedStructure(DistBeliefError):
    """Layers, partitions and servers are all there is, and what is asked for is none of them [S03]."""


def whole_numbers(where: str, error: type[DistBeliefError], least: int = 1, **values: Any) -> None:
    """Raises `error` unless each of the values, by its name, is a whole number of at least `least`.

    >>> whole_numbers("Dense", LayerError, units=2.5)
    Traceback (most recent call last):
    refflow.distbelief.errors.LayerError: Dense: units = 2.5, but expected a whole number of at least 1.
    """
    for name, value in values.items():
        try:
            fits = operator.index(value) >= least
        except TypeError:
            fits = False
        if not fits:
            raise error(f"{where}: {name} = {value!r}, but expected a whole number of at least {least}.")
