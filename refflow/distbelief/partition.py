"""A partition: which machine has which unit, and what follows from that [D02, D04].

    map        for each layer, the input included, the machine of each unit: int[units] of 0 .. P - 1
    part       a layer's units on one machine, the units below that they read, and where those come from
    transfer   states that go from one machine to another, in one message: each unit's once, however many read it there
    range      machine p's parameters, behind one another: q[p] .. q[p + 1] of the long vector

A unit's weights lie where it lies. A column that several units use (a convolution's channel) lies on one machine, so
those units do too. The loss is computed on machine 0.

Next: distbelief/pieces.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refflow.distbelief.errors import LayerError, PartitionError, whole_numbers
from refflow.distbelief.layers import Ints, Layer, Shape, Wires
from refflow.distbelief.network import Network

Array = NDArray[Any]


class Transfer(NamedTuple):
    """States of `units` units of the layer below `layer`, from machine `source` to machine `target`."""

    layer: int
    source: int
    target: int
    units: int


class Source(NamedTuple):
    """Of what a part needs: the places (in `needs`) that machine `machine` has, and their places among its units."""

    machine: int
    here: Ints
    there: Ints


class Block(NamedTuple):
    """Columns of one of a layer's weights, and where they lie in the long vector: start .. stop, as shape."""

    layer: int
    name: str
    columns: Ints
    shape: Shape
    start: int
    stop: int


@dataclass
class Part:
    """The units of one layer on one machine. columns: those of the weights that lie here."""

    layer: Layer
    below: Shape
    units: Ints
    needs: Ints
    sources: list[Source]
    columns: Ints

    @cached_property
    def wires(self) -> Wires:
        return Wires(self.layer.reads(self.below, self.units), self.needs)

    @cached_property
    def _picks(self) -> Ints | None:
        """int[u]: for each unit, which of `columns` it uses; None if each has one of its own."""
        used = self.layer.columns(self.below, self.units)
        return None if np.array_equal(used, self.columns) else np.searchsorted(self.columns, used)

    def weights(self, held: Mapping[str, Array]) -> dict[str, Array]:
        """[..., u]: a column for each unit, of the columns held here."""
        return {name: w if self._picks is None else w[..., self._picks] for name, w in held.items()}

    def add(self, held: Mapping[str, Array], slopes: Mapping[str, Array]) -> None:
        """Adds the units' slopes, [..., u], to the columns held here."""
        for name, into in held.items():
            if self._picks is None:
                into += slopes[name]
            else:
                np.add.at(into.T, self._picks, slopes[name].T)

    def __bool__(self) -> bool:
        return len(self.units) > 0


class Partition:
    """A network over machines. maps: for the input and each layer the machine of each unit.

    machines: how many. parts[l][p]: layer l's part on machine p, from l = 1. blocks[p]: what lies in machine p's range.
    bounds: int[machines + 1], the ranges.
    PartitionError where a unit has no machine, or a column of weights more than one.
    """

    def __init__(self, network: Network, maps: Sequence[ArrayLike]):
        if len(maps) != len(network.shapes):
            raise PartitionError(
                f"Partition: maps for {len(maps)} layers, but expected {len(network.shapes)}: one for the input and "
                f"one for each of the {len(network.layers)} layers."
            )
        self.network = network
        self.maps = [self._checked(number, np.asarray(m)) for number, m in enumerate(maps)]
        self.machines = 1 + max(int(m.max()) for m in self.maps)
        self.units = [[np.flatnonzero(m == p) for p in range(self.machines)] for m in self.maps]
        self.parts: list[list[Part]] = [[]]
        for number in range(1, len(self.maps)):
            self.parts.append([self._part(number, p) for p in range(self.machines)])
            self._check_columns(number)
        self.blocks = self._lay_out()
        self.bounds = [0]
        for blocks in self.blocks:
            self.bounds.append(max([self.bounds[-1], *(b.stop for b in blocks)]))

    def __repr__(self) -> str:
        return f"{self.network}, machine by machine {[stop - start for start, stop in self.ranges()]}"

    @classmethod
    def of(cls, model: Any) -> Partition:
        """A partition as it is, a network on one machine. LayerError for anything else."""
        if not isinstance(model, Network | Partition):
            raise LayerError(f"the model is {model!r}, but expected a Network, or a Partition of one.")
        return model if isinstance(model, Partition) else cls.whole(model)

    @classmethod
    def whole(cls, network: Network) -> Partition:
        """Everything on one machine."""
        return cls.by_channel(network, 1)

    @classmethod
    def by_channel(cls, network: Network, machines: int) -> Partition:
        """Every layer cut along its last axis: dense layers in runs of units, pictures in runs of channels."""
        whole_numbers("Partition.by_channel", PartitionError, machines=machines)
        return cls(network, [
            np.broadcast_to(_runs(shape[-1], machines), shape).reshape(-1) for shape in network.shapes
        ])  # fmt: skip

    @classmethod
    def by_place(cls, network: Network, rows: int, columns: int) -> Partition:
        """Pictures cut into rows x columns tiles, dense layers in runs of units, over rows * columns machines."""
        whole_numbers("Partition.by_place", PartitionError, rows=rows, columns=columns)
        maps = []
        for shape in network.shapes:
            if len(shape) == 3:
                tile = _runs(shape[0], rows)[:, None] * columns + _runs(shape[1], columns)
                maps.append(np.repeat(tile.reshape(-1), shape[2]))
            else:
                maps.append(_runs(shape[-1], rows * columns))
        return cls(network, maps)

    # -- what follows -----------------------------------------------------------------------------------

    def _checked(self, number: int, machines: Array) -> Ints:
        name, count = self.network.name(number), self.network.units(number)
        if machines.shape != (count,):
            raise PartitionError(
                f"Partition: {name} has {count} units, but its map has shape {list(machines.shape)}. "
                "Give every unit a machine."
            )
        if not np.issubdtype(machines.dtype, np.integer) or machines.min() < 0:
            at = 0 if not np.issubdtype(machines.dtype, np.integer) else int(machines.argmin())
            raise PartitionError(
                f"Partition: unit {at} of {name} is on machine {machines[at]}, but machines are whole numbers from 0."
            )
        return machines.astype(np.int64)

    def _part(self, number: int, machine: int) -> Part:
        layer, below = self.network.layers[number - 1], self.network.shapes[number - 1]
        units = self.units[number][machine]
        needs = layer.needs(below, units)
        where = self.maps[number - 1][needs]
        sources = []
        for p in np.unique(where):
            here = np.flatnonzero(where == p)
            sources.append(Source(int(p), here, np.searchsorted(self.units[number - 1][p], needs[here])))
        columns = np.unique(layer.columns(below, units)) if layer.weights(below) else units[:0]
        return Part(layer, below, units, needs, sources, columns)

    def _check_columns(self, number: int) -> None:
        """No column of weights lies on two machines."""
        held: dict[int, int] = {}
        if all(len(part.columns) == len(part.units) for part in self.parts[number]):
            return  # each unit has its own
        for p, part in enumerate(self.parts[number]):
            for column in part.columns.tolist():
                if held.setdefault(column, p) != p:
                    raise PartitionError(
                        f"Partition: channel {column} of {self.network.name(number)} lies on machines {held[column]} "
                        f"and {p}, but has one column of weights, which lies on one. Cut it by channel, or take "
                        "LocallyConnected, whose units have weights of their own."
                    )

    def transfers(self) -> Iterator[Transfer]:
        """Every message on the way up, the scores to the loss included. Those down are the same, turned round."""
        for number, parts in enumerate(self.parts):
            for p, part in enumerate(parts):
                for source in part.sources:
                    if source.machine != p:
                        yield Transfer(number, source.machine, p, len(source.here))
        top = len(self.maps) - 1
        for p in range(1, self.machines):
            if len(self.units[top][p]):
                yield Transfer(top + 1, p, 0, len(self.units[top][p]))

    def crossing_edges(self) -> int:
        """How many pairs of a unit and one that it reads lie on different machines: without [D02], as many states."""
        total = 0
        for number, parts in enumerate(self.parts):
            for p, part in enumerate(parts):
                reads = part.layer.reads(part.below, part.units)
                total += int(((self.maps[number - 1][reads] != p) & (reads >= 0)).sum())
        return total + sum(len(units) for units in self.units[-1][1:])

    # -- the long vector --------------------------------------------------------------------------------

    def _lay_out(self) -> list[list[Block]]:
        """Each machine's blocks, behind one another."""
        blocks: list[list[Block]] = []
        at = 0
        for p in range(self.machines):
            blocks.append([])
            for number, layer in enumerate(self.network.layers, 1):
                columns = self.parts[number][p].columns
                for name, shape in layer.weights(self.network.shapes[number - 1]).items():
                    cut = (*shape[:-1], len(columns))
                    blocks[p].append(Block(number, name, columns, cut, at, at + prod(cut)))
                    at += prod(cut)
        return blocks

    def pack(self, parameters: Mapping[str, Array]) -> Array:
        """The long vector of parameters that are given by name."""
        for name, shape in self.network.parameters.items():
            if name not in parameters or parameters[name].shape != shape:
                got = list(parameters[name].shape) if name in parameters else "nothing"
                raise LayerError(f"parameters: {name!r} is {got}, but expected an array of shape {list(shape)}.")
        blocks = [b for blocks in self.blocks for b in blocks]
        return np.concatenate([parameters[f"{b.layer}/{b.name}"][..., b.columns].reshape(-1) for b in blocks])

    def unpack(self, vector: Array) -> dict[str, Array]:
        """The parameters by name, put together from the long vector."""
        found = {name: np.empty(shape, vector.dtype) for name, shape in self.network.parameters.items()}
        for b in (b for blocks in self.blocks for b in blocks):
            found[f"{b.layer}/{b.name}"][..., b.columns] = vector[b.start : b.stop].reshape(b.shape)
        return found

    def views(self, vector: Array, machine: int, layer: int) -> dict[str, Array]:
        """Machine `machine`'s own columns of a layer's weights, by name, as views into the long vector."""
        here = (b for b in self.blocks[machine] if b.layer == layer)
        return {b.name: vector[b.start : b.stop].reshape(b.shape) for b in here}

    def check(self, vector: Array) -> None:
        """LayerError unless the long vector is as long as the network's parameters."""
        if vector.shape != (self.bounds[-1],):
            raise LayerError(
                f"a vector of shape {list(vector.shape)}, but the network has {self.bounds[-1]} parameters. Make the "
                "long vector by partition.pack(parameters)."
            )

    def ranges(self) -> list[tuple[int, int]]:
        """start, stop of each machine's part of the long vector."""
        return list(pairwise(self.bounds))


def _runs(count: int, machines: int) -> Ints:
    """0 .. machines - 1, in nearly equal runs."""
    return np.arange(count) * machines // count
