# %% [markdown]
# # A convolutional network, and why it is one
#
# Time: 4 s on the reference CPU.
#
# A convolution looks at every place of a picture through the same small window:
#
#     y[i, j, m] = max(0, b[m] + sum over di, dj, c of x[i + di, j + dj, c] W[di, dj, c, m])
#
# It has few weights, uses each of them once for every place, and what it learns of a corner in one place it knows of
# all others. Pooling then keeps the largest of each 2 by 2 places. Twice this, a dense layer, and the scores of K
# classes remain; the loss is the cross entropy between their softmax and the label [S50b].

# %%
import numpy as np

import refflow as tf
from refflow.data import one_hot
from refflow.data.shapes import SHAPES, shapes
from refflow.models.layers import convolution, dense

pictures, labels = shapes(4000, seed=1)
test_pictures, test_labels = shapes(1000, seed=2)
K = len(SHAPES)


def show(picture):
    return "\n".join("".join(" .:*#"[min(4, max(0, int(4 * v + 0.5)))] for v in row) for row in picture[:, :, 0])


print(show(pictures[0]), "\nis a", SHAPES[labels[0]])

# %% [markdown]
# Two models of the same pictures: one sees 256 numbers, the other sees a picture.


# %%
def linear(x):
    return dense(tf.reshape(x, [-1, 256]), K)


def convolutional(x):
    for channels, scope in ((8, "conv1"), (16, "conv2")):
        x = convolution(x, channels, 3, scope=scope)
        x = tf.nn.max_pool(x, [1, 2, 2, 1], [1, 2, 2, 1], "SAME")
    x = tf.reshape(x, [-1, 4 * 4 * 16])
    return dense(dense(x, 32, tf.nn.relu, scope="hidden"), K, scope="scores")


def trained(model, steps, batch=100):
    """The share of the test pictures that the model is right about, and the number of its weights."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        x = tf.placeholder(tf.float32, [None, 16, 16, 1])
        y = tf.placeholder(tf.float32, [None, K])
        scores = model(x)
        loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(scores, y))
        turn = tf.Variable(0, trainable=False)
        rate = tf.train.exponential_decay(0.004, turn, 200, 0.5)  # halved every 200 steps
        step = tf.train.AdamOptimizer(rate).minimize(loss, turn)
        session.run(tf.initialize_all_variables())
        targets, rng = one_hot(labels, K), np.random.default_rng(3)
        for n in range(steps):
            some = rng.integers(0, len(pictures), batch)
            value, _ = session.run([loss, step], {x: pictures[some], y: targets[some]})
            if n % 100 == 0:
                print(f"step {n:3d}: loss {value:.3f}")
        right = session.run(scores, {x: test_pictures}).argmax(1) == test_labels
        return right.mean(), sum(session.run(v).size for v in tf.trainable_variables())


accuracy, weights = trained(convolutional, 500)
print(f"convolutional: {accuracy:.1%} of the test pictures, with {weights} weights")
baseline, _ = trained(linear, 200)
print(f"linear:        {baseline:.1%}")

# %% [markdown]
# What was promised: at least 95%, where a model that does not know what a neighbour is stays far below.

# %%
assert weights == (9 * 1 + 1) * 8 + (9 * 8 + 1) * 16 + (256 + 1) * 32 + (32 + 1) * 4
assert accuracy >= 0.95 and baseline < 0.6
