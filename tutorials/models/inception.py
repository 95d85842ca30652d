# %% [markdown]
# # The network that won in 2014
#
# Time: 4 s on the reference CPU.
#
# Which window should a convolution have? A module of GoogLeNet takes four at once, and lays what they see side by side
# as channels: 1x1; 1x1 then 3x3; 1x1 then 5x5; a pool then 1x1. That is six convolutions [S81]. The 1x1 ones make few
# channels of many, so that the large windows stay cheap: over C channels,
#
#     k x k straight to M      k k C M          multiply-adds for each pixel
#     1x1 to R, k x k to M     C R + k k R M
#
# The deck reports 6.66% for its top-5 error on ImageNet; that is not reproduced here. Its shapes are, and a toy is
# trained.

# %%
import numpy as np

import refflow as tf
from refflow.data import one_hot
from refflow.data.shapes import SHAPES, shapes
from refflow.models.inception import MODULES, Widths, googlenet, inception, pooled
from refflow.models.layers import convolution, dense

five = MODULES["3a"]
straight = 5 * 5 * 192 * five.five
mixed = 192 * five.five_in + 5 * 5 * five.five_in * five.five
print(f"5x5 windows of module 3a: {straight} multiply-adds for each pixel straight, {mixed} with the 1x1 before")
assert mixed < straight / 9

# %% [markdown]
# ## The whole of it
# Building it computes nothing, and shapes follow through all of its layers.

# %%
with tf.Graph().as_default():
    pictures = tf.placeholder(tf.float32, [None, 224, 224, 3])
    scores, layers = googlenet(pictures)
    for name, tensor in layers.items():
        print(f"{name:9}{tensor.get_shape().as_list()[1:]}")
    modules = {name: layers[name].get_shape().as_list() for name in MODULES}
    assert modules["3a"] == [None, 28, 28, 256] and modules["5b"] == [None, 7, 7, 1024]
    sizes = [np.prod(v.get_shape().as_list()) for v in tf.trainable_variables()]
    print(f"{sum(sizes)} parameters in {len(sizes)} variables")
    assert sum(sizes) == 6_998_552

    # A picture goes through. What comes out means nothing before the network is trained.
    noise = np.random.default_rng(1).normal(size=(1, 224, 224, 3))
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        shares = session.run(tf.nn.softmax(scores), {pictures: noise})
    assert shares.shape == (1, 1000) and abs(shares.sum() - 1) < 1e-5

# %% [markdown]
# ## A toy of it
# Two modules behind one convolution, for four shapes on 16 by 16 pixels. As in the large one, the last layer sees the
# mean over all places, so where a shape is cannot matter.


# %%
def toy(x):
    x = pooled(convolution(x, 12, 3))
    x = pooled(inception(x, Widths(6, 6, 12, 3, 6, 6), "first"))
    x = inception(x, Widths(8, 8, 16, 4, 8, 8), "second")
    return dense(tf.reduce_mean(x, [1, 2]), len(SHAPES))


train, labels = shapes(4000, seed=1)
test, test_labels = shapes(1000, seed=2)
tf.set_random_seed(1)
x = tf.placeholder(tf.float32, [None, 16, 16, 1])
y = tf.placeholder(tf.float32, [None, len(SHAPES)])
scores = toy(x)
loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(scores, y))
turn = tf.Variable(0, trainable=False)
rate = tf.train.exponential_decay(0.01, turn, 100, 0.5)
step = tf.train.AdamOptimizer(rate).minimize(loss, turn)
targets, rng = one_hot(labels, len(SHAPES)), np.random.default_rng(3)
with tf.Session() as session:
    session.run(tf.initialize_all_variables())
    for n in range(300):
        some = rng.integers(0, len(train), 50)
        value, _ = session.run([loss, step], {x: train[some], y: targets[some]})
        if n % 100 == 0:
            print(f"step {n:3d}: loss {value:.3f}")
    accuracy = np.mean(session.run(scores, {x: test}).argmax(1) == test_labels)
    weights = sum(session.run(v).size for v in tf.trainable_variables())
print(f"{accuracy:.1%} of the test pictures, with {weights} weights")

# %%
assert accuracy >= 0.95
