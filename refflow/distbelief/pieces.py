"""A step of a network in pieces: each machine computes its units, and messages go between them [D01, D02].

    up      layer by layer, each machine takes the states that its units read, its own and those that others sent,
            and computes its units
    loss    on machine 0
    down    layer by layer from the top, each machine computes the slopes of its weights, and for each unit below the
            sum that its own units owe to that one; it goes back to where the unit lies, and is added to the others'

What a machine gets is all that it sees: the arrays are only as long as what was sent. One machine computes what a plain
program would, to the bit; several add in another order.

Next: distbelief/clock.py.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refflow.distbelief.errors import LayerError
from refflow.distbelief.network import Network
from refflow.distbelief.partition import Part, Partition, Transfer

Array = NDArray[Any]
Sent = Counter[Transfer]


def forward(model: Partition | Network, vector: Array, x: Array, sent: Sent | None = None) -> Array:
    """The scores of examples: [N, C], the last layer's states. x: [N, ...]. vector: all parameters.

    A network without a partition lies on one machine. LayerError for shapes that do not fit.
    """
    partition, x = Partition.of(model), np.asarray(x)
    partition.network.check(x)
    return _scores(partition, _up(partition, vector, x, Counter() if sent is None else sent)[0][-1], sent)


def loss_and_gradient(
    model: Partition | Network, vector: Array, examples: Array, targets: Array, sent: Sent | None = None
) -> tuple[float, Array]:
    """The mean loss of examples, and its gradient, as long as `vector`.

    sent: counts the messages, those down as a Transfer with a negative layer.
    """
    sent = Counter() if sent is None else sent
    partition = Partition.of(model)
    examples, targets = np.asarray(examples), np.asarray(targets)
    partition.network.check(examples, targets)
    states, taken = _up(partition, vector, examples, sent)
    top = len(states) - 1
    loss, dscores = partition.network.loss.value_and_slope(
        _scores(partition, states[top], sent), targets.astype(vector.dtype, copy=False)
    )
    dstates = [dscores[:, units] for units in partition.units[top]]
    for p, units in enumerate(partition.units[top]):
        if p and len(units):
            sent[Transfer(-(top + 1), 0, p, len(units))] += 1
    gradient = np.zeros_like(vector)
    for number in range(top, 0, -1):
        dbelow = [np.zeros_like(state) for state in states[number - 1]]
        for p, part in enumerate(partition.parts[number]):
            if part:
                weights = part.weights(partition.views(vector, p, number))
                x, y, dy = taken[number][p], states[number][p], dstates[p]
                dx, slopes = part.layer.backward(x, weights, part.wires, y, dy)
                wanted = {name: (slopes.get(name), w) for name, w in weights.items()}
                _expect(partition, number, "backward", {"dx": (dx, x), **wanted})
                part.add(partition.views(gradient, p, number), slopes)
                _back(p, part, number, dx, dbelow, sent)
        dstates = dbelow
    return loss, gradient


def _up(partition: Partition, vector: Array, x: Array, sent: Sent) -> tuple[list[list[Array]], list[list[Array]]]:
    """The states of each layer on each machine, and what each part took in from below."""
    partition.check(vector)
    flat = x.reshape(len(x), -1).astype(vector.dtype, copy=False)
    states = [[flat[:, units] for units in partition.units[0]]]
    taken: list[list[Array]] = [[]]
    for number in range(1, len(partition.maps)):
        parts = partition.parts[number]
        taken.append([_take(p, part, number, states[-1], sent) for p, part in enumerate(parts)])
        states.append([])
        for p, (part, below) in enumerate(zip(parts, taken[-1], strict=True)):
            y = empty = np.empty((len(x), len(part.units)), vector.dtype)
            if part:
                y = part.layer.forward(below, part.weights(partition.views(vector, p, number)), part.wires)
                _expect(partition, number, "forward", {"y": (y, empty)})
            states[-1].append(y)
    return states, taken


def _expect(partition: Partition, number: int, method: str, given: dict[str, tuple[Any, Array]]) -> None:
    """LayerError unless a layer's method gave arrays of the shapes of others."""
    for name, (array, like) in given.items():
        if np.shape(array) != like.shape:
            raise LayerError(
                f"{partition.network.name(number)}: {method} gave {name} of shape {list(np.shape(array))}, but "
                f"expected {list(like.shape)}. A part has fewer units than its layer: take sizes from what is given."
            )


def _take(machine: int, part: Part, number: int, states: list[Array], sent: Sent) -> Array:
    """[N, m]: what a part needs, from wherever it lies."""
    x = np.empty((len(states[0]), len(part.needs)), states[0].dtype)
    for source in part.sources:
        x[:, source.here] = states[source.machine][:, source.there]
        if source.machine != machine:
            sent[Transfer(number, source.machine, machine, len(source.here))] += 1
    return x


def _back(machine: int, part: Part, number: int, dx: Array, dbelow: list[Array], sent: Sent) -> None:
    """Gives everyone back the slopes of what they sent."""
    for source in part.sources:
        dbelow[source.machine][:, source.there] += dx[:, source.here]
        if source.machine != machine and number > 1:  # of the input nobody wants any
            sent[Transfer(-number, machine, source.machine, len(source.here))] += 1


def _scores(partition: Partition, states: list[Array], sent: Sent | None = None) -> Array:
    """[N, C] on machine 0."""
    scores = np.empty((len(states[0]), len(partition.maps[-1])), states[0].dtype)
    for p, units in enumerate(partition.units[-1]):
        scores[:, units] = states[p]
        if sent is not None and p and len(units):
            sent[Transfer(len(partition.maps), p, 0, len(units))] += 1
    return scores
