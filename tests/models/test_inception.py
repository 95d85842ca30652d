"""GoogLeNet beside its paper's table, its modules beside NumPy."""

import numpy as np
import pytest

import refflow as tf
from refflow.models.inception import MODULES, Widths, googlenet, inception
from refflow.models.layers import convolution, dense

# Rows of the paper's table 1: height and width, channels.
TABLE = {
    "conv1": (112, 64), "pool1": (56, 64), "conv2": (56, 192), "pool2": (28, 192), "3a": (28, 256), "3b": (28, 480),
    "pool3": (14, 480), "4a": (14, 512), "4b": (14, 512), "4c": (14, 512), "4d": (14, 528), "4e": (14, 832),
    "pool4": (7, 832), "5a": (7, 832), "5b": (7, 1024), "mean": (1, 1024),
}  # fmt: skip
# And the channels of its modules: #1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool proj.
CHANNELS = """
3a 64 96 128 16 32 32       4a 192 96 208 16 48 64      4d 112 144 288 32 64 64        5a 256 160 320 32 128 128
3b 128 128 192 32 96 64     4b 160 112 224 24 64 64     4e 256 160 320 32 128 128      5b 384 192 384 48 128 128
                            4c 128 128 256 24 64 64
"""


def network(size=224, **options):
    images = tf.placeholder(tf.float32, [None, size, size, 3])
    return images, *googlenet(images, **options)


def test_every_layer_has_its_published_shape():  # [S81]
    _, logits, layers = network(auxiliary=True)
    for name, (side, channels) in TABLE.items():
        assert layers[name].get_shape().as_list() == [None, side, side, channels], name
    for name in ("logits", "logits4a", "logits4d"):
        assert layers[name].get_shape().as_list() == [None, 1000]
    assert layers["logits"] is logits
    hidden = [v.get_shape().as_list() for v in tf.all_variables() if "hidden/W" in v.name]
    assert hidden == [[4 * 4 * 128, 1024]] * 2


def test_the_modules_have_their_published_channels():  # [S81]
    numbers = CHANNELS.split()
    assert {numbers[i]: tuple(map(int, numbers[i + 1 : i + 7])) for i in range(0, len(numbers), 7)} == MODULES


def test_parameters_are_as_many_as_the_shapes_say():  # [S81]
    """The sum by hand; 6,998,552 is what the network has in Caffe, too."""

    def of(inputs, size, outputs):
        return size * size * inputs * outputs + outputs

    total, inputs = of(3, 7, 64) + of(64, 1, 64) + of(64, 3, 192), 192
    for one, three_in, three, five_in, five, pool in MODULES.values():
        total += of(inputs, 1, one) + of(inputs, 1, three_in) + of(three_in, 3, three)
        total += of(inputs, 1, five_in) + of(five_in, 5, five) + of(inputs, 1, pool)
        inputs = one + three + five + pool
    network()
    counted = sum(np.prod(v.get_shape().as_list()) for v in tf.trainable_variables())
    assert counted == total + of(1024, 1, 1000) == 6_998_552


def depth(tensor, types):
    """The largest number of operations of these types on any path to `tensor`."""
    found = {}
    for op in tensor.graph.get_operations():  # inputs come before what they enter
        found[op] = max((found[t.op] for t in op.inputs), default=0) + (op.type in types)
    return found[tensor.op]


def test_it_is_22_layers_deep():  # [E27]
    _, logits, _ = network()
    assert depth(logits, {"Conv2D", "MatMul"}) == 22
    assert depth(logits, {"Conv2D", "MatMul", "MaxPool", "Mean"}) == 27  # with the pools


def windows(x, w, b):
    """A rectified convolution with zeros at the border, a place at a time and in float64."""
    k, pad = w.shape[0], w.shape[0] // 2
    padded = np.pad(x.astype(np.float64), [(0, 0), (pad, pad), (pad, pad), (0, 0)])
    found = np.zeros((*x.shape[:3], w.shape[3]))
    for i, j in np.ndindex(x.shape[1:3]):
        found[:, i, j] = np.tensordot(padded[:, i : i + k, j : j + k], w, 3) + b
    return np.maximum(found, 0)


def test_a_module_is_four_branches_of_six_convolutions(rng):  # [S81]
    x = rng.normal(size=(2, 5, 6, 3)).astype(np.float32)
    y = inception(tf.constant(x), Widths(2, 3, 4, 2, 3, 5))
    convolutions = [op for op in tf.get_default_graph().get_operations() if op.type == "Conv2D"]
    assert sorted(op.inputs[1].get_shape()[0].value for op in convolutions) == [1, 1, 1, 1, 3, 5]
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        biases = [v.assign(rng.normal(size=v.get_shape().as_list())) for v in tf.all_variables() if "/b" in v.name]
        session.run(biases)
        v = {v.op.name.removeprefix("Inception/"): session.run(v) for v in tf.all_variables()}
        found = session.run(y)

    def layer(x, name):
        return windows(x, v[name + "/W"], v[name + "/b"])

    border = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)], constant_values=-np.inf)
    strongest = np.max([border[:, i : i + 5, j : j + 6] for i, j in np.ndindex(3, 3)], axis=0)
    branches = [layer(x, "1x1"), layer(layer(x, "3x3_in"), "3x3"), layer(layer(x, "5x5_in"), "5x5"),
                layer(strongest, "pool_1x1")]  # fmt: skip
    assert [b.shape[3] for b in branches] == [2, 4, 3, 5]
    np.testing.assert_allclose(found, np.concatenate(branches, 3), rtol=1e-4, atol=1e-5)


def test_a_picture_goes_through_all_of_it(rng):  # [S81]
    """Sizes other than the published are scaled: 64 pixels end in 2 by 2 places. Each picture is alone in its batch."""
    tf.set_random_seed(1)
    images, logits, layers = network(64, classes=10)
    assert layers["5b"].get_shape().as_list() == [None, 2, 2, 1024]
    pictures = rng.normal(size=(2, 64, 64, 3)).astype(np.float32)
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        both = session.run(logits, {images: pictures})
        second = session.run(logits, {images: pictures[1:]})
    assert both.shape == (2, 10) and np.isfinite(both).all() and both.std() > 0.01
    np.testing.assert_allclose(both[1:], second, rtol=1e-3, atol=1e-4)


def test_the_small_classifiers_send_slopes_to_the_lower_layers_alone():  # [S81]
    _, _, layers = network(auxiliary=True)
    names = {v.op.name: v for v in tf.trainable_variables()}
    slopes = tf.gradients(layers["logits4a"], [names["4a/1x1/W"], names["4b/1x1/W"]])
    assert slopes[0] is not None and slopes[1] is None


@pytest.mark.parametrize("size", [64, None])
def test_the_small_classifiers_need_places(size):
    with pytest.raises(ValueError, match="need at least 5 by 5 places, but '4a/concat:0' is .*Give pictures of 224"):
        network(size, auxiliary=True)


@pytest.mark.deep
def test_the_published_network_can_be_trained(rng):  # [S81]
    """Two pictures, all three classifiers, a few steps: 13 million parameters move the right way."""
    tf.set_random_seed(1)
    images, logits, layers = network(auxiliary=True)
    labels = tf.constant(np.eye(1000, dtype=np.float32)[[3, 7]])
    main, *small = (
        tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(scores, labels))
        for scores in (logits, layers["logits4a"], layers["logits4d"])
    )
    loss = main + 0.3 * (small[0] + small[1])
    step = tf.train.GradientDescentOptimizer(0.001).minimize(loss)
    pictures = rng.normal(size=(2, 224, 224, 3))
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        losses = [session.run([loss, step], {images: pictures})[0] for _ in range(5)]
    assert losses == sorted(losses, reverse=True) and losses[-1] < 0.8 * losses[0]


def test_layers_say_what_they_take(rng):
    x = rng.normal(size=(4, 3)).astype(np.float32)
    y = dense(tf.constant(x), 5)
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        w, b, found = session.run([*tf.all_variables(), y])
    np.testing.assert_allclose(found, x @ w, rtol=1e-5)
    assert not b.any()
    with pytest.raises(ValueError, match=r"dense takes a tensor of 2 axes whose last size is known, got 'zeros:0' of"):
        dense(tf.zeros([2, 3, 4]), 5, scope="other")
    with pytest.raises(ValueError, match=r"convolution takes a tensor of 4 axes.* of \(\?, 8, 8, \?\)"):
        convolution(tf.placeholder(tf.float32, [None, 8, 8, None]), 5, 3)


@pytest.mark.parametrize("size", [3, 7])
def test_weights_begin_with_a_variance_of_two_over_what_enters(size):
    tf.set_random_seed(1)
    convolution(tf.zeros([1, 8, 8, 16]), 64, size)
    w, b = tf.all_variables()
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        w, b = session.run([w, b])
    # Two deviations and more are drawn again: a normal number cut off there has a deviation of 0.88.
    np.testing.assert_allclose(w.std(), 0.8796 * np.sqrt(2 / (size * size * 16)), rtol=0.02)
    assert w.shape == (size, size, 16, 64) and not b.any()
