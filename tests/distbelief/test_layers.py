"""Layers and networks: values and slopes as in a graph and as differences say, and what does not fit [D01]."""

import numpy as np
import pytest

import refflow as tf
from refflow.distbelief import (
    AveragePool,
    Convolution,
    Dense,
    FixedStructure,
    LayerError,
    LocallyConnected,
    MaxPool,
    Network,
    Nonlinearity,
    Partition,
    Relu,
    Sigmoid,
    SquaredLoss,
    Tanh,
    forward,
    loss_and_gradient,
)


def data(rng, shape, classes, count=6, dtype=np.float64):
    return rng.normal(size=(count, *shape)).astype(dtype), np.eye(classes, dtype=dtype)[rng.integers(0, classes, count)]


NETS = {
    "dense": lambda: Network([7], [Dense(5), Tanh(), Dense(4), Sigmoid(), Dense(3)]),
    "squares": lambda: Network([7], [Dense(5), Relu(), Dense(3)], SquaredLoss()),
    "local": lambda: Network([6, 5, 2], [LocallyConnected((3, 2), maps=3), Tanh(), Dense(3)]),
    "strided": lambda: Network([7, 6, 2], [LocallyConnected((3, 3), stride=2, padding="SAME", maps=2), Dense(3)]),
    "convolution": lambda: Network([6, 6, 2], [Convolution((3, 3), padding="SAME", maps=4), Relu(), Dense(3)]),
    "pools": lambda: Network([8, 8, 2], [MaxPool((2, 2), stride=2), AveragePool((3, 2)), Dense(3)]),
}


@pytest.mark.parametrize("net", NETS)
def test_slopes_are_those_of_differences(net, rng):
    network = NETS[net]()
    partition = Partition.whole(network)
    x, targets = data(rng, network.shapes[0], 3)
    vector = partition.pack(network.initial(1, np.float64))
    loss, gradient = loss_and_gradient(partition, vector, x, targets)
    assert np.isfinite(loss)
    for _ in range(3):
        direction = rng.normal(size=vector.shape)
        ends = [loss_and_gradient(partition, vector + e * direction, x, targets)[0] for e in (1e-6, -1e-6)]
        assert gradient @ direction == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-6)


def test_a_mlp_has_the_values_it_has_as_a_graph(rng):  # [D01, S01]
    network = Network([7], [Dense(5), Sigmoid(), Dense(3)])
    x, targets = data(rng, [7], 3, dtype=np.float32)
    parameters = network.initial(2)
    partition = Partition.whole(network)
    vector = partition.pack(parameters)
    loss, gradient = loss_and_gradient(partition, vector, x, targets)

    variables = {name: tf.Variable(value) for name, value in parameters.items()}
    hidden = tf.sigmoid(tf.matmul(tf.constant(x), variables["1/W"]) + variables["1/b"])
    scores = tf.matmul(hidden, variables["3/W"]) + variables["3/b"]
    graph_loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(scores, tf.constant(targets)))
    slopes = tf.gradients(graph_loss, list(variables.values()))
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        there, its_loss, its_slopes = session.run([scores, graph_loss, slopes])
    np.testing.assert_allclose(forward(partition, vector, x), there, rtol=1e-5, atol=1e-6)
    assert loss == pytest.approx(its_loss, rel=1e-6)
    for ours, its in zip(partition.unpack(gradient).values(), its_slopes, strict=True):
        np.testing.assert_allclose(ours, its, rtol=1e-5, atol=1e-7)


def of_graph(tensor):
    with tf.Session() as session:
        return session.run(tensor)


@pytest.mark.parametrize("padding", ["VALID", "SAME"])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_convolution_is_the_graphs(padding, stride, rng):  # [D01]
    network = Network([7, 6, 2], [Convolution((3, 2), stride, padding, maps=4)])
    x = rng.normal(size=(3, 7, 6, 2)).astype(np.float32)
    parameters = network.initial(3)
    partition = Partition.whole(network)
    ours = forward(partition, partition.pack(parameters), x)
    filters = parameters["1/W"].reshape(3, 2, 2, 4)
    there = of_graph(tf.nn.conv2d(tf.constant(x), tf.constant(filters), [1, stride, stride, 1], padding))
    np.testing.assert_allclose(ours.reshape(3, *network.shapes[1]), there, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("layer", "op"), [(MaxPool, tf.nn.max_pool), (AveragePool, tf.nn.avg_pool)])
def test_pools_are_the_graphs(layer, op, rng):  # [D01]
    x = rng.normal(size=(3, 7, 6, 2)).astype(np.float32)
    partition = Partition.whole(Network([7, 6, 2], [layer((3, 2), stride=2), Dense(1)]))
    part = partition.parts[1][0]
    ours = part.layer.forward(x.reshape(3, -1), {}, part.wires)
    there = of_graph(op(tf.constant(x), [1, 3, 2, 1], [1, 2, 2, 1], "VALID"))
    np.testing.assert_allclose(ours, there.reshape(3, -1), rtol=1e-6)


def test_a_local_layer_with_equal_weights_is_a_convolution(rng):
    x = rng.normal(size=(2, 5, 5, 2))
    settings = {"size": (3, 3), "stride": 2, "padding": "SAME", "maps": 3}
    one, many = (Network([5, 5, 2], [kind(**settings)]) for kind in (Convolution, LocallyConnected))
    shared = one.initial(1, np.float64)
    own = {name: np.tile(w, 9) for name, w in shared.items()}  # units are places by maps
    results = [forward(p, p.pack(w), x) for p, w in ((Partition.whole(one), shared), (Partition.whole(many), own))]
    np.testing.assert_allclose(*results, rtol=1e-12)


class Square(Nonlinearity):
    """A layer of one's own: x^2, whose slope 2 sqrt(y) is told from the value, for x that are not negative."""

    def value(self, x):
        return x * x

    def slope(self, y):
        return 2 * np.sqrt(y)


def test_a_layer_of_ones_own_says_what_a_unit_computes(rng):  # [D01]
    network = Network([4], [Sigmoid(), Square(), Dense(3)])
    x, _ = data(rng, [4], 3)
    partition = Partition.by_channel(network, 2)
    vector = partition.pack(network.initial(0, np.float64))
    sigmoid = 1 / (1 + np.exp(-x))
    np.testing.assert_allclose(forward(partition, vector, x), sigmoid**2 @ partition.unpack(vector)["3/W"], rtol=1e-12)
    layer = Square()
    half, y = np.full((1, 1), 0.5), np.full((1, 1), 0.25)
    assert layer.backward(half, {}, None, y, np.ones((1, 1)))[0] == 1.0


class Wrong(Tanh):
    """A layer whose author took the network's sizes for its own: it forgets the examples, or the slopes below."""

    def __init__(self, method):
        self.method = method

    def forward(self, x, weights, wires):
        return x[0] if self.method == "forward" else x

    def backward(self, x, weights, wires, y, dy):
        return dy[:, :1], {}


@pytest.mark.parametrize(("method", "text"), [
    ("forward", r"layer 2 \(Wrong\): forward gave y of shape \[3\], but expected \[6, 3\]"),
    ("backward", r"layer 2 \(Wrong\): backward gave dx of shape \[6, 1\], but expected \[6, 3\]"),
])  # fmt: skip
def test_a_layer_of_ones_own_that_gives_other_shapes(method, text, rng):
    network = Network([4], [Dense(3), Wrong(method)])
    x, targets = data(rng, [4], 3)
    with pytest.raises(LayerError, match=text):
        loss_and_gradient(network, Partition.whole(network).pack(network.initial()), x, targets)


class Forgets(Dense):
    """A dense layer that tells no slope of what it adds."""

    def backward(self, x, weights, wires, y, dy):
        dx, slopes = super().backward(x, weights, wires, y, dy)
        return dx, {"W": slopes["W"]}


def test_a_layer_of_ones_own_that_forgets_a_slope(rng):
    network = Network([4], [Forgets(3)])
    x, targets = data(rng, [4], 3)
    with pytest.raises(LayerError, match=r"backward gave b of shape \[\], but expected \[3\]"):
        loss_and_gradient(network, Partition.whole(network).pack(network.initial()), x, targets)


# -- what does not fit --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shape", "layers", "text"), [
    ([4], [Dense(0)], "layer 1: Dense: units = 0"),
    ([4], [], "the layers \\[\\], but expected a list of sizes"),
    ([4, 4, 1], [MaxPool((2, 2)), Relu()], "no layer has parameters"),
    ([4, 0], [Dense(2)], "size = 0"),
    ([4], [Dense(2), LocallyConnected((2, 2))], r"layer 2: LocallyConnected: it stands on a layer of shape \[2\]"),
    ([4, 4, 1], [Convolution((5, 2))], "a window of 5 x 2 does not fit into 4 x 4"),
    ([4, 4, 1], [Convolution((2, 2), maps=0)], "maps = 0"),
    ([4, 4, 1], [MaxPool((2, 2), padding="SAME")], "pools lie in their picture"),
    ([4, 4, 1], [MaxPool((2, 2), stride=0)], "stride = 0"),
    ([4, 4, 1], [MaxPool(2)], "size = 2 and padding = 'VALID', but expected two numbers, as in \\(3, 3\\)"),
    (4, [Dense(2)], "an input of shape 4"),
    ([4], Dense(2), "the layers Dense\\(units=2\\), but expected a list"),
    ([4], ["dense"], "layer 1 is 'dense', but expected a Layer"),
])  # fmt: skip
def test_layers_that_do_not_fit(shape, layers, text):
    with pytest.raises(LayerError, match=text):
        Network(shape, layers)


def test_a_loss_is_an_object():
    with pytest.raises(LayerError, match="the loss is .*SquaredLoss.*, but expected a Loss"):
        Network([4], [Dense(2)], SquaredLoss)
    with pytest.raises(LayerError, match='layer 1 is .relu., but expected its description, such as {"kind": "relu"}'):
        Network.described([4], ["relu"])


@pytest.mark.parametrize(("entry", "text"), [
    ({"kind": "attention"}, "layer 'top' is of kind 'attention', but expected one of: average pool, convolution"),
    ({"units": 3}, "of kind None"),
    ({"kind": "dense"}, "missing 1 required positional argument: 'units'"),
    ({"kind": "dense", "unit": 3}, "unexpected keyword argument 'unit'"),
    ({"kind": "relu", "below": "input"}, "reads from 'input', but stands on 'h'"),
])  # fmt: skip
def test_descriptions_that_do_not_fit(entry, text):
    with pytest.raises(LayerError, match=text):
        Network.described([4], [{"kind": "dense", "units": 3, "name": "h"}, {"name": "top", **entry}])


def test_a_description_makes_the_network():
    network = Network.described(
        [6, 6, 1],
        [{"kind": "locally connected", "size": (3, 3), "maps": 2}, {"kind": "tanh"}, {"kind": "dense", "units": 3}],
    )
    assert network.shapes == [(6, 6, 1), (4, 4, 2), (4, 4, 2), (3,)]
    assert len(network) == (9 + 1) * 32 + (32 + 1) * 3


@pytest.mark.parametrize("below", ["h", "top"])
def test_loops_are_refused(below):  # [S03]
    layers = [{"kind": "dense", "units": 4, "name": "h", "below": below}, {"kind": "dense", "units": 4, "name": "top"}]
    with pytest.raises(FixedStructure, match=f"reads from '{below}', which is not below it. Each layer is computed"):
        Network.described([4], layers)


def test_shared_weights_are_refused():  # [S03]
    tied = Dense(4)
    with pytest.raises(FixedStructure, match=r"layer 3 \(Dense\) is layer 1 once more.*to the units of one layer"):
        Network([4], [tied, Tanh(), tied])
    layers = [{"kind": "dense", "units": 4, "name": "h"}, {"kind": "dense", "units": 4, "weights of": "h"}]
    with pytest.raises(FixedStructure, match="is to use the weights of 'h'"):
        Network.described([4], layers)


def test_examples_of_another_shape(rng):
    network = Network([4], [Dense(3)])
    partition = Partition.whole(network)
    vector = partition.pack(network.initial())
    x, targets = data(rng, [5], 3)
    with pytest.raises(LayerError, match=r"examples of shape \[6, 5\], but the network takes \[N, 4\]"):
        loss_and_gradient(partition, vector, x, targets)
    with pytest.raises(LayerError, match="a row with a single 1"):
        loss_and_gradient(partition, vector, x[:, :4], targets.argmax(axis=1))
    with pytest.raises(LayerError, match=r"a vector of shape \[14\], but the network has 15 parameters"):
        forward(network, vector[1:], x[:, :4])
