"""Partitions: the values of one machine, each state sent once to whoever needs it, and maps that do not fit."""

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from refflow.distbelief import (
    Clock,
    Convolution,
    Dense,
    LayerError,
    Links,
    LocallyConnected,
    MaxPool,
    Network,
    Partition,
    PartitionError,
    Relu,
    Sigmoid,
    Tanh,
    Transfer,
    loss_and_gradient,
    speedups,
    step_seconds,
    work,
)

LOCAL = [LocallyConnected((3, 3), maps=2), Tanh(), MaxPool((2, 2)), Dense(5), Sigmoid(), Dense(3)]


def local():
    return Network([8, 8, 2], list(LOCAL))


CUTS = {
    "runs of a dense net": lambda: Partition.by_channel(Network([7], [Dense(6), Relu(), Dense(3)]), 3),
    "more machines than units": lambda: Partition.by_channel(Network([7], [Dense(6), Relu(), Dense(3)]), 5),
    "tiles": lambda: Partition.by_place(local(), 2, 2),
    "channels": lambda: Partition.by_channel(Network([6, 6, 2], [Convolution((3, 3), maps=4), Relu(), Dense(3)]), 2),
    "at random": lambda: at_random(local(), 3),
}


def at_random(network, machines):
    rng = np.random.default_rng(4)
    return Partition(network, [rng.integers(0, machines, network.units(i)) for i in range(len(network.shapes))])


@pytest.mark.parametrize("cut", CUTS)
def test_a_cut_network_has_the_values_of_one_machine(cut, rng):  # [D01, D02]
    partition = CUTS[cut]()
    network, whole = partition.network, Partition.whole(partition.network)
    assert partition.machines > 1 == whole.machines
    x, targets = rng.normal(size=(5, *network.shapes[0])), np.eye(3)[rng.integers(0, 3, 5)]
    parameters = network.initial(1, np.float64)
    sent = Counter()
    loss, gradient = loss_and_gradient(partition, partition.pack(parameters), x, targets, sent)
    expected, slopes = loss_and_gradient(whole, whole.pack(parameters), x, targets)
    assert loss == pytest.approx(expected, rel=1e-12)
    for ours, its in zip(partition.unpack(gradient).values(), whole.unpack(slopes).values(), strict=True):
        np.testing.assert_allclose(ours, its, rtol=1e-9, atol=1e-12)
    assert sorted(t for t in sent if t.layer > 0) == sorted(partition.transfers())
    down = [Transfer(-layer, target, source, n) for layer, source, target, n in partition.transfers() if layer > 1]
    assert sorted(t for t in sent if t.layer < 0) == sorted(down), "slopes go back to whoever sent states"


@pytest.mark.parametrize("cut", CUTS)
def test_a_state_goes_once_to_each_machine_that_reads_it(cut, rng):  # [D02]
    partition = CUTS[cut]()
    network = partition.network
    x, targets = rng.normal(size=(2, *network.shapes[0])), np.eye(3)[[0, 1]]
    sent = Counter()
    loss_and_gradient(partition, partition.pack(network.initial()), x, targets, sent)
    assert set(sent.values()) == {1}, "one message for each layer, sender and receiver"
    wanted = set()  # (layer, unit below, machine), found edge by edge
    for number, layer in enumerate(network.layers, 1):
        reads = layer.reads(network.shapes[number - 1], np.arange(network.units(number)))
        for unit in range(network.units(number)):
            machine = partition.maps[number][unit]
            there = {k for k in reads[:, unit] if k >= 0 and partition.maps[number - 1][k] != machine}
            wanted |= {(number, k, machine) for k in there}
    states = sum(t.units for t in sent if 0 < t.layer <= len(network.layers))
    assert states == len(wanted)
    assert states < partition.crossing_edges()


def test_messages_of_a_small_net_by_hand():  # [D02]
    """Units 0, 1 on machine 0 and 2 on machine 1 in every layer: each sends its states to the other, whoever reads."""
    partition = Partition(Network([3], [Dense(3), Relu(), Dense(3)]), [[0, 0, 1]] * 4)
    assert sorted(partition.transfers()) == [
        Transfer(1, 0, 1, 2), Transfer(1, 1, 0, 1), Transfer(3, 0, 1, 2), Transfer(3, 1, 0, 1), Transfer(4, 1, 0, 1),
    ]  # fmt: skip
    # Twice 2 x 1 + 1 x 2 edges between dense layers, and one to the loss.
    assert partition.crossing_edges() == 9


def test_networks_and_partitions_say_what_they_are():
    network = Network([7], [Dense(6), Relu(), Dense(3)])
    said = "Network([7], [Dense(units=6), Relu(), Dense(units=3)], SoftmaxLoss()): 69 parameters"
    assert repr(network) == said
    assert repr(Partition.by_channel(network, 3)) == said + ", machine by machine [23, 23, 23]"


def test_the_long_vector_has_machine_after_machine():  # [D04]
    partition = Partition(Network([2], [Dense(3)]), [[0, 0], [0, 1, 0]])
    parameters = {"1/W": np.array([[1.0, 2, 3], [4, 5, 6]]), "1/b": np.array([7.0, 8, 9])}
    vector = partition.pack(parameters)
    assert vector.tolist() == [1, 3, 4, 6, 7, 9, 2, 5, 8]
    assert partition.ranges() == [(0, 6), (6, 9)]
    back = partition.unpack(vector)
    assert all((back[name] == parameters[name]).all() for name in parameters)


@pytest.mark.parametrize(("maps", "text"), [
    ([[0, 0], [0, 1]], "layer 1 \\(Dense\\) has 3 units, but its map has shape \\[2\\]"),
    ([[0, 0]], "maps for 1 layers, but expected 2"),
    ([[0, 0], [0, -1, 0]], "unit 1 of layer 1 \\(Dense\\) is on machine -1"),
    ([[0, 0], [0.5, 0, 1]], "machines are whole numbers"),
])  # fmt: skip
def test_maps_that_miss_a_unit(maps, text):
    with pytest.raises(PartitionError, match=text):
        Partition(Network([2], [Dense(3)]), maps)


def test_there_is_a_machine():
    with pytest.raises(PartitionError, match="by_channel: machines = 0"):
        Partition.by_channel(Network([2], [Dense(3)]), 0)
    with pytest.raises(PartitionError, match="by_place: columns = 0"):
        Partition.by_place(Network([2], [Dense(3)]), 2, 0)


def test_a_channel_of_a_convolution_is_not_cut():
    with pytest.raises(PartitionError, match="channel 0 of layer 1 .* lies on machines 0 and 1.*Cut it by channel"):
        Partition.by_place(Network([6, 6, 1], [Convolution((3, 3), maps=2), Dense(3)]), 2, 1)


def test_parameters_of_another_shape():
    partition = Partition.whole(Network([2], [Dense(3)]))
    with pytest.raises(LayerError, match=r"'1/W' is \[3, 2\], but expected an array of shape \[2, 3\]"):
        partition.pack({"1/W": np.zeros((3, 2)), "1/b": np.zeros(3)})
    with pytest.raises(LayerError, match="'1/b' is nothing"):
        partition.pack({"1/W": np.zeros((2, 3))})


# -- what a step takes --------------------------------------------------------------------------------------


def test_a_step_by_hand():
    """Two machines, each with one of two units that read two inputs; a message takes 1 s, an operation 1 s."""
    network = Network([2], [Dense(2)])
    partition = Partition(network, [[0, 1], [0, 1]])
    # The inputs cross: 1 s. Up: 4 operations. A score crosses: 1 s. The loss: 20. Back: 1 s. Down: 8.
    assert step_seconds(partition, 1, 1.0, Links(Clock(), latency=1.0)) == 1 + 4 + 1 + 20 + 1 + 8
    assert work(network, 1) == 3 * 8 + 20
    assert step_seconds(Partition.whole(network), 3, 2.0) == work(network, 3) / 2.0


LINKS = Links(Clock(), latency=1e-4, bandwidth=1.25e8, per_message=3e-5)


def speech():
    hidden = [layer for _ in range(4) for layer in (Dense(2560), Sigmoid())]
    return Network([440], [*hidden, Dense(8192)])


def test_full_connections_gain_from_few_machines_only():  # [D03]
    """The paper's speech net: 42 million parameters, four hidden layers of 2560 units. 8 cores a machine."""
    network = speech()
    assert round(len(network) / 1e6) == 42
    machines = [1, 2, 4, 8, 16, 32]
    gains = speedups((Partition.by_channel(network, p) for p in machines), 1, 1e9, LINKS, cores=8)
    best = int(np.argmax(gains))
    assert machines[best] == 8 and 2 < gains[best] < 5
    assert gains[:best] == sorted(gains[:best]) and gains[best:] == sorted(gains[best:], reverse=True)


def test_local_connections_gain_from_many():  # [D03]
    """A net over pictures of 96 x 96, whose units read windows: at 81 machines over 12 times as fast, and no peak."""
    layers = [
        LocallyConnected((9, 9), maps=32), Relu(), MaxPool((4, 4), stride=2), LocallyConnected((5, 5), maps=32), Relu(),
        MaxPool((4, 4), stride=4), Dense(10),
    ]  # fmt: skip
    network = Network([96, 96, 3], layers)
    assert len(network) > 9e7
    sides = [1, 2, 4, 9]
    gains = speedups((Partition.by_place(network, side, side) for side in sides), 8, 1e9, LINKS, cores=8)
    assert gains == sorted(gains) and gains[-1] > 12, gains
    rims = sum(t.units for t in Partition.by_place(network, 9, 9).transfers() if t.layer == 1)
    assert rims < 81 * math.prod(network.shapes[0]) / 20, "of the picture each of 81 machines gets what its windows see"


@pytest.mark.deep
def test_the_manuals_table():  # [D03]
    """docs/distbelief.rst: how many times as fast as one machine a dense net is, and one of local windows."""
    windows = Network([200, 200, 3], [
        LocallyConnected((18, 18), maps=32), Relu(), MaxPool((5, 5), stride=3),
        LocallyConnected((10, 10), maps=64), Relu(), MaxPool((3, 3), stride=3),
        LocallyConnected((5, 5), maps=64), Relu(), Dense(10),
    ])  # fmt: skip
    assert round(len(windows) / 1e8) == 16
    dense = (Partition.by_channel(speech(), p) for p in (1, 2, 4, 8, 16, 32, 64))
    local = (Partition.by_place(windows, side, side) for side in (1, 2, 4, 8, 9))
    rows = [speedups(cuts, 1, 1e9, LINKS, cores=8)[1:] for cuts in (dense, local)]
    page = (Path(__file__).resolve().parents[2] / "docs" / "distbelief.rst").read_text(encoding="utf-8")
    for name, row in zip(("a dense net", "local windows"), rows, strict=True):
        (line,) = (line for line in page.splitlines() if line.startswith(name))
        assert line.partition(")")[2].split() == [f"{gain:.1f}" for gain in row]
