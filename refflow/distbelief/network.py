"""A network: layers one above the other, and a loss on top [D01, S03].

    Network([28, 28, 1], [LocallyConnected((5, 5), maps=4), Relu(), Dense(10)], SoftmaxLoss())

Layer 0 is the input; layer l reads from layer l - 1, all of it or some, and from nothing else. Each parameter belongs
to one layer, and there to the units of one column. `described` takes the same as plain data, with layers by name.

That is the whole structure, and it says what there is no place for: a layer that stands on itself or on one above it
(a loop), and weights of which two layers make use. Both are refused, with the reason.

Next: distbelief/partition.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refflow.distbelief.errors import FixedStructure, LayerError, whole_numbers
from refflow.distbelief.layers import KINDS, Layer, Shape
from refflow.distbelief.losses import Loss, SoftmaxLoss

Array = NDArray[Any]

_NO_LOOPS = (
    "Each layer is computed once on the way up and once on the way down, in the order of the list; what stands on "
    "itself would have to run until something is true, and nobody here could say when. In a graph: while_loop()."
)
_NO_SHARING = (
    "A parameter belongs to the units of one layer, lies on the machine that they lie on, and gets its slopes from "
    "there; nothing would add up those of two layers. In a graph a Variable may be read by any number of nodes."
)


class Network:
    """Layers over an input. shape: of one example. shapes[l]: of layer l's units. parameters: shapes by name.

    LayerError for a layer that cannot stand where it does. FixedStructure [S03] for one that is there twice.
    """

    def __init__(self, shape: Sequence[int], layers: Sequence[Layer], loss: Loss | None = None):
        if not all(isinstance(given, Sequence) and given for given in (shape, layers)):
            raise LayerError(
                f"Network: an input of shape {shape!r} and the layers {layers!r}, but expected a list of sizes and a "
                "list of layers, as in Network([784], [Dense(10)])."
            )
        for size in shape:
            whole_numbers("Network", LayerError, size=size)
        if loss is not None and not isinstance(loss, Loss):
            raise LayerError(f"Network: the loss is {loss!r}, but expected a Loss, such as SoftmaxLoss().")
        self.layers = list(layers)
        self.loss = loss or SoftmaxLoss()
        self.shapes: list[Shape] = [tuple(int(size) for size in shape)]
        self.parameters: dict[str, Shape] = {}
        for number, layer in enumerate(self.layers, 1):
            self._add(number, layer)
        if not self.parameters:
            raise LayerError("Network: no layer has parameters, so there is nothing to train. Put a Dense on top.")

    def _add(self, number: int, layer: Layer) -> None:
        if not isinstance(layer, Layer):
            raise LayerError(f"layer {number} is {layer!r}, but expected a Layer, such as Dense(10) or Relu().")
        below = self.shapes[-1]
        if any(layer is other for other in self.layers[: number - 1]):
            first = next(i for i, other in enumerate(self.layers, 1) if other is layer)
            raise FixedStructure(f"{self.name(number)} is layer {first} once more, with its weights. {_NO_SHARING}")
        try:
            self.shapes.append(layer.shape(below))
        except LayerError as e:
            raise LayerError(f"layer {number}: {e}") from None
        self.parameters |= {f"{number}/{name}": shape for name, shape in layer.weights(below).items()}

    @classmethod
    def described(cls, shape: Sequence[int], layers: Iterable[Mapping[str, Any]], loss: Loss | None = None) -> Network:
        """The network that plain data describe: for each layer its kind, its settings, and if one likes its name.

        "below" is the name of the layer that it reads, which is the one before it ("input" for the first).

        >>> Network.described([4], [{"kind": "dense", "units": 3, "name": "h"}, {"kind": "relu", "below": "h"}]).shapes
        [(4,), (3,), (3,)]
        """
        entries = [_entry(number, entry) for number, entry in enumerate(layers, 1)]
        names = ["input", *(str(entry.pop("name", f"layer {i}")) for i, entry in enumerate(entries, 1))]
        made = [_layer(number, names, entry) for number, entry in enumerate(entries, 1)]
        return cls(shape, made, loss)

    def name(self, number: int) -> str:
        return "the input" if number == 0 else f"layer {number} ({self.layers[number - 1]})"

    def units(self, number: int) -> int:
        """How many units layer `number` has."""
        return prod(self.shapes[number])

    def __repr__(self) -> str:
        return f"Network({list(self.shapes[0])}, {self.layers}, {type(self.loss).__name__}()): {len(self)} parameters"

    def __len__(self) -> int:
        """How many parameters there are."""
        return sum(prod(shape) for shape in self.parameters.values())

    def initial(self, seed: int = 0, dtype: Any = np.float32) -> dict[str, Array]:
        """Weights to begin with: normal, divided by the root of how many units below one reads; nothing added."""
        chance = np.random.default_rng(seed)
        made = {}
        for name, shape in self.parameters.items():
            drawn = chance.standard_normal(shape) / np.sqrt(shape[0]) if len(shape) > 1 else np.zeros(shape)
            made[name] = drawn.astype(dtype)
        return made

    def check(self, x: Array, targets: Array | None = None) -> None:
        """LayerError unless x[N, ...], and targets[N, C] if given, are examples of this network's shapes."""
        if x.shape[1:] not in (self.shapes[0], (prod(self.shapes[0]),)):
            raise LayerError(
                f"examples of shape {list(x.shape)}, but the network takes [N, {', '.join(map(str, self.shapes[0]))}]."
            )
        out = self.units(len(self.layers))
        if targets is not None and targets.shape != (len(x), out):
            raise LayerError(
                f"targets of shape {list(targets.shape)}, but expected [{len(x)}, {out}]: for each example a row, "
                "with a number for each of the last layer's units. Of a class, that is a row with a single 1."
            )


def _entry(number: int, entry: Any) -> dict[str, Any]:
    if not isinstance(entry, Mapping):
        raise LayerError(f'layer {number} is {entry!r}, but expected its description, such as {{"kind": "relu"}}.')
    return dict(entry)


def _layer(number: int, names: list[str], entry: dict[str, Any]) -> Layer:
    """Layer `number` of a description."""
    name, before = names[number], names[number - 1]
    below, source = entry.pop("below", before), entry.pop("weights of", None)
    if below in names[number:]:
        raise FixedStructure(f"layer {name!r} reads from {below!r}, which is not below it. {_NO_LOOPS}")
    if below != before:
        raise LayerError(f"layer {name!r} reads from {below!r}, but stands on {before!r}. Name that one, or none.")
    if source is not None:
        raise FixedStructure(f"layer {name!r} is to use the weights of {source!r}. {_NO_SHARING}")
    kind = entry.pop("kind", None)
    if kind not in KINDS:
        raise LayerError(f"layer {name!r} is of kind {kind!r}, but expected one of: {', '.join(sorted(KINDS))}.")
    try:
        return KINDS[kind](**entry)
    except TypeError as e:
        raise LayerError(f"layer {name!r}, {kind}: {str(e).partition(' ')[2]}") from None
