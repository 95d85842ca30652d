"""GoogLeNet written out in TensorFlow's own functions, with the same weights: the same scores of the same picture."""

import numpy as np
import pytest

import refflow as tf
from refflow.models.inception import googlenet

tensorflow = pytest.importorskip("tensorflow", reason="the oracle is TensorFlow: pip install '.[peers]'")

pytestmark = pytest.mark.peers
nn = tensorflow.nn


def scores(x, v):
    def conv(x, name, stride=1):
        return nn.relu(nn.conv2d(x, v[name + "/W"], stride, "SAME") + v[name + "/b"])

    def norm(x):
        return nn.local_response_normalization(x, 2, 1.0, 2e-5, 0.75)

    def pool(x, stride=2):
        return nn.max_pool2d(x, 3, stride, "SAME")

    x = norm(pool(conv(x, "conv1", 2)))
    x = pool(norm(conv(conv(x, "conv2_in"), "conv2")))
    for m in ("3a", "3b", None, "4a", "4b", "4c", "4d", "4e", None, "5a", "5b"):
        x = pool(x) if m is None else tensorflow.concat([
            conv(x, m + "/1x1"), conv(conv(x, m + "/3x3_in"), m + "/3x3"),
            conv(conv(x, m + "/5x5_in"), m + "/5x5"), conv(pool(x, 1), m + "/pool_1x1"),
        ], 3)  # fmt: skip
    return tensorflow.reduce_mean(x, [1, 2]) @ v["logits/W"] + v["logits/b"]


def test_the_published_network_is_tensorflows():  # [S81]
    tf.set_random_seed(1)
    images = tf.placeholder(tf.float32, [None, 224, 224, 3])
    logits, _ = googlenet(images)
    picture = np.random.default_rng(0).normal(size=(1, 224, 224, 3)).astype(np.float32)
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        v = {v.op.name: session.run(v) for v in tf.all_variables()}
        found = session.run(logits, {images: picture})
    expected = scores(picture, v).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4 * abs(expected).max())
