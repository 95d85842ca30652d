"""Layers: what each unit computes from those below it, and which messages go up and down [D01].

A layer is rows of units, numbered from 0 in the order of an array's elements. It says

    shape      of its units, given the shape of those below
    reads      for each unit the K units below that it reads: int[K, u], -1 where there is none
    weights    parameters by name, of shape [..., columns], and which column each unit uses: most often its own
    forward    messages up: the states y[N, u] of N examples from the states x[N, m] that came from below
    backward   messages down: dx[N, m] for those who sent x, and the slopes of the weights

and nothing about machines. Whoever runs it may ask for any of its units apart from the others: forward gets the states
that those units read, no more, and the columns of weights that they use. So a layer can be cut as one likes, and who
sends what to whom follows from `reads` (partition.py) [D02].

    Dense              y[u] = sum_k W[k, u] x[k] + b[u]                all K units below
    LocallyConnected   the same over a window of its own for each unit, with weights of its own
    Convolution        the same over windows, with one column of weights for each channel
    MaxPool, AveragePool      over a window of its own channel
    Relu, Sigmoid, Tanh       of the one unit below

Pictures are [rows, columns, channels]; windows and padding are as in the graph's ops (VALID: inside only; SAME: as many
windows as ceil(size / stride), padded by zeros, the smaller half before). Next: distbelief/losses.py.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refflow.distbelief.errors import LayerError, whole_numbers

Array = NDArray[Any]
Ints = NDArray[np.int64]
Shape = tuple[int, ...]
Weights = Mapping[str, Array]


class Wires:
    """Which of m states each of u units reads: reads int[K, u], of 0 .. m - 1, or m where there is nothing."""

    def __init__(self, reads: Ints, needs: Ints):
        """reads: int[K, u] of units below, -1 where there is none. needs: int[m], those units, in order."""
        self.count = len(needs)
        self.reads = np.where(reads < 0, self.count, np.searchsorted(needs, reads))

    def gather(self, x: Array) -> Array:
        """What each unit reads, [N, K, u], from x[N, m]; 0 where there is nothing."""
        padded = np.concatenate([x, np.zeros((len(x), 1), x.dtype)], axis=1)
        return padded[:, self.reads]

    def scatter(self, dx: Array) -> Array:
        """[N, m]: for each state below the sum over all who read it, from dx[N, K, u]."""
        padded = np.zeros((self.count + 1, len(dx)), dx.dtype)
        np.add.at(padded, self.reads, np.moveaxis(dx, 0, -1))
        return padded[:-1].T


def _each_once(numbers: Ints, count: int) -> Ints:
    """Those of 0 .. count - 1 that occur, in order; -1 is none."""
    occurs = np.zeros(count + 1, bool)
    occurs[numbers] = True  # -1 is the last
    return np.flatnonzero(occurs[:-1])


class Layer(ABC):
    """A layer of units. Shapes are without the axis of examples; units and wires as the page says."""

    @abstractmethod
    def shape(self, below: Shape) -> Shape:
        """The shape of its units. LayerError if it cannot stand on such a layer."""

    @abstractmethod
    def reads(self, below: Shape, units: Ints) -> Ints:
        """int[K, u]: the units below that each of these units reads, -1 where there is none."""

    def needs(self, below: Shape, units: Ints) -> Ints:
        """int[m]: the units below that any of these reads, in order, each once."""
        return _each_once(self.reads(below, units), prod(below))

    def weights(self, below: Shape) -> dict[str, Shape]:
        """The shapes of its parameters; the last axis has the columns."""
        return {}

    def columns(self, below: Shape, units: Ints) -> Ints:
        """int[u]: the column of the weights that each of these units uses."""
        return units

    def work(self, below: Shape, units: int) -> float:
        """Floating point operations of `units` units for one example on the way up."""
        return float(units)

    @abstractmethod
    def forward(self, x: Array, weights: Weights, wires: Wires) -> Array:
        """y[N, u] from x[N, m]. weights: [..., u], a column for each unit."""

    @abstractmethod
    def backward(self, x: Array, weights: Weights, wires: Wires, y: Array, dy: Array) -> tuple[Array, dict[str, Array]]:
        """dx[N, m], and for each of the weights its slope, [..., u], from dy[N, u]."""

    def __str__(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        return f"{self}()"


@dataclass(eq=False)
class Dense(Layer):
    """Every unit reads every unit below. units: how many there are."""

    units: int

    def shape(self, below: Shape) -> Shape:
        whole_numbers("Dense", LayerError, units=self.units)
        return (self.units,)

    def reads(self, below: Shape, units: Ints) -> Ints:
        return np.broadcast_to(np.arange(prod(below))[:, None], (prod(below), len(units)))

    def needs(self, below: Shape, units: Ints) -> Ints:
        return np.arange(prod(below) if len(units) else 0)

    def weights(self, below: Shape) -> dict[str, Shape]:
        return {"W": (prod(below), self.units), "b": (self.units,)}

    def work(self, below: Shape, units: int) -> float:
        return 2.0 * prod(below) * units

    def forward(self, x: Array, weights: Weights, wires: Wires) -> Array:
        return x @ weights["W"] + weights["b"]

    def backward(self, x: Array, weights: Weights, wires: Wires, y: Array, dy: Array) -> tuple[Array, dict[str, Array]]:
        return dy @ weights["W"].T, {"W": x.T @ dy, "b": dy.sum(axis=0)}


# -- windows ------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class Window(Layer):
    """Each unit reads a window of size rows x columns of a picture; one window lies `stride` from the next."""

    size: tuple[int, int]
    stride: int = 1
    padding: str = "VALID"

    def channels(self, below: int) -> int:
        """How many channels there are, above so many."""
        return below

    def shape(self, below: Shape) -> Shape:
        if len(below) != 3:
            raise LayerError(
                f"{self}: it stands on a layer of shape {list(below)}, but expected a picture, [rows, columns, "
                "channels]. Give the network's input three numbers, and put dense layers above those with windows."
            )
        if not isinstance(self.size, tuple | list) or len(self.size) != 2 or self.padding not in ("VALID", "SAME"):
            raise LayerError(
                f"{self}: size = {self.size!r} and padding = {self.padding!r}, but expected two numbers, as in (3, 3), "
                'and "VALID" or "SAME".'
            )
        numbers = {"rows": self.size[0], "columns": self.size[1], "stride": self.stride}
        whole_numbers(str(self), LayerError, **numbers, maps=self.channels(below[2]))
        if self.padding == "VALID" and (self.size[0] > below[0] or self.size[1] > below[1]):
            raise LayerError(
                f"{self}: a window of {self.size[0]} x {self.size[1]} does not fit into {below[0]} x {below[1]} units. "
                'Take a smaller window, or padding="SAME".'
            )
        return (*(self._places(below[axis], self.size[axis])[0] for axis in (0, 1)), self.channels(below[2]))

    def _places(self, size: int, window: int) -> tuple[int, int]:
        """How many windows there are along an axis, and where the first begins: at 0, or before."""
        if self.padding == "VALID":
            return (size - window) // self.stride + 1, 0
        count = -(-size // self.stride)
        return count, -(max(0, (count - 1) * self.stride + window - size) // 2)

    def positions(self, below: Shape, places: Ints) -> Ints:
        """int[rows * columns, p]: the places of the picture below in the windows of these p places."""
        inside, found = np.ones((), bool), np.zeros((), np.int64)
        where = np.divmod(places, self.shape(below)[1])
        for axis in (0, 1):
            _, first = self._places(below[axis], self.size[axis])
            steps = np.arange(self.size[axis]).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
            at = where[axis] * self.stride + first + steps
            inside = inside & (at >= 0) & (at < below[axis])
            found = found * below[axis] + at
        return np.where(inside, found, -1).reshape(-1, len(places))


class _Weighted(Window):
    """A weighted sum over all channels of a window."""

    def reads(self, below: Shape, units: Ints) -> Ints:
        at = self.positions(below, units // self.shape(below)[2])[:, None, :]  # [rows * columns, 1, u]
        return np.where(at < 0, -1, at * below[2] + np.arange(below[2])[:, None]).reshape(-1, len(units))

    def needs(self, below: Shape, units: Ints) -> Ints:
        places = _each_once(units // self.shape(below)[2], prod(self.shape(below)[:2]))
        at = _each_once(self.positions(below, places), below[0] * below[1])
        return (at[:, None] * below[2] + np.arange(below[2])).reshape(-1)

    def weights(self, below: Shape) -> dict[str, Shape]:
        columns = int(self.columns(below, np.array([prod(self.shape(below)) - 1]))[0]) + 1
        return {"W": (prod(self.size) * below[2], columns), "b": (columns,)}

    def work(self, below: Shape, units: int) -> float:
        return 2.0 * prod(self.size) * below[2] * units

    def forward(self, x: Array, weights: Weights, wires: Wires) -> Array:
        return np.einsum("nku,ku->nu", wires.gather(x), weights["W"]) + weights["b"]

    def backward(self, x: Array, weights: Weights, wires: Wires, y: Array, dy: Array) -> tuple[Array, dict[str, Array]]:
        dx = wires.scatter(dy[:, None, :] * weights["W"])
        return dx, {"W": np.einsum("nku,nu->ku", wires.gather(x), dy), "b": dy.sum(axis=0)}


@dataclass(eq=False)
class LocallyConnected(_Weighted):
    """Every unit has weights of its own for its window. maps: how many units look at each window."""

    maps: int = 1

    def channels(self, below: int) -> int:
        return self.maps


@dataclass(eq=False)
class Convolution(_Weighted):
    """All units of a channel use one column of weights, so that a channel is never cut. maps: how many channels."""

    maps: int = 1

    def channels(self, below: int) -> int:
        return self.maps

    def columns(self, below: Shape, units: Ints) -> Ints:
        return units % self.maps


class _Pool(Window):
    """A unit reads a window of its own channel."""

    def shape(self, below: Shape) -> Shape:
        if self.padding != "VALID":
            raise LayerError(f'{self}: padding = {self.padding!r}, but expected "VALID": pools lie in their picture.')
        return super().shape(below)

    def reads(self, below: Shape, units: Ints) -> Ints:
        return self.positions(below, units // below[2]) * below[2] + units % below[2]

    def work(self, below: Shape, units: int) -> float:
        return float(prod(self.size) * units)


class MaxPool(_Pool):
    """The greatest of a window; its slope goes to the first of the greatest."""

    def forward(self, x: Array, weights: Weights, wires: Wires) -> Array:
        return wires.gather(x).max(axis=1)

    def backward(self, x: Array, weights: Weights, wires: Wires, y: Array, dy: Array) -> tuple[Array, dict[str, Array]]:
        read = wires.gather(x)
        first = read.argmax(axis=1)[:, None, :] == np.arange(read.shape[1])[:, None]
        return wires.scatter(first * dy[:, None, :]), {}


class AveragePool(_Pool):
    """The mean of a window."""

    def forward(self, x: Array, weights: Weights, wires: Wires) -> Array:
        return wires.gather(x).mean(axis=1)

    def backward(self, x: Array, weights: Weights, wires: Wires, y: Array, dy: Array) -> tuple[Array, dict[str, Array]]:
        share = dy / dy.dtype.type(prod(self.size))
        return wires.scatter(np.repeat(share[:, None, :], prod(self.size), axis=1)), {}


# -- of one unit --------------------------------------------------------------------------------------------


class Nonlinearity(Layer):
    """A function of the one unit below; its slope is told from the value."""

    def shape(self, below: Shape) -> Shape:
        return below

    def reads(self, below: Shape, units: Ints) -> Ints:
        return units[None, :]

    @abstractmethod
    def value(self, x: Array) -> Array:
        """The function."""

    @abstractmethod
    def slope(self, y: Array) -> Array:
        """Its slope where it is y."""

    def forward(self, x: Array, weights: Weights, wires: Wires) -> Array:
        return self.value(x)

    def backward(self, x: Array, weights: Weights, wires: Wires, y: Array, dy: Array) -> tuple[Array, dict[str, Array]]:
        return dy * self.slope(y), {}


class Relu(Nonlinearity):
    """max(x, 0); at 0 its slope is 0."""

    def value(self, x: Array) -> Array:
        return np.maximum(x, 0)

    def slope(self, y: Array) -> Array:
        return (y > 0).astype(y.dtype)


class Sigmoid(Nonlinearity):
    """1 / (1 + exp(-x)), as tanh, which does not overflow."""

    def value(self, x: Array) -> Array:
        half = x.dtype.type(0.5)
        return half * np.tanh(half * x) + half

    def slope(self, y: Array) -> Array:
        return y * (1 - y)


class Tanh(Nonlinearity):
    """tanh(x)."""

    def value(self, x: Array) -> Array:
        return np.tanh(x)

    def slope(self, y: Array) -> Array:
        return 1 - y * y


KINDS: dict[str, type[Layer]] = {
    "dense": Dense, "locally connected": LocallyConnected, "convolution": Convolution,
    "max pool": MaxPool, "average pool": AveragePool, "relu": Relu, "sigmoid": Sigmoid, "tanh": Tanh,
}  # fmt: skip
