# %% [markdown]
# # More data, a larger model, more computation
#
# Time: 6 s on the reference CPU.
#
# Results improve with each of the three, says the deck; so on a task of which all is known, one axis at a time:
#
#     data            N examples to learn from
#     model           H hidden units:   g(x) = v . tanh(W x + b) + c
#     computation     T steps of Adam on 64 examples each, its rate falling to zero
#
# What is to be learned is a net as well, of 64 units, and its answers come with noise. The loss is the mean of
# (g(x) - f(x))^2 over 2,000 new x, without noise, so that the best is 0. Each point of a sweep is trained from several
# seeds, which have examples, first weights and batches of their own: their spread is the noise within which the loss
# has to fall [S60].

# %%
import sys

import numpy as np

import refflow as tf
from refflow.data.teacher import DIMENSIONS, taught

QUICK = "--quick" in sys.argv  # half of the seeds, and the ends and the middle of each axis
SEEDS = 3 if QUICK else 6
MOST = {"data": 4000, "model": 32, "computation": 1000}
test_x, _, test_f = taught(2000, seed=10**6)

# %% [markdown]
# All seeds train at once: their weights lie one behind the other along a first axis, and a product of stacks of
# matrices never mixes them.


# %%
def loss_of(data, model, computation, batch=64):
    """The loss of each seed, [SEEDS]."""
    drawn = [taught(data, seed)[:2] for seed in range(SEEDS)]
    examples, answers = (np.stack(arrays) for arrays in zip(*drawn, strict=True))
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        x, y = (tf.placeholder(tf.float32, [SEEDS, None, size]) for size in (DIMENSIONS, 1))
        w = tf.Variable(tf.truncated_normal([SEEDS, DIMENSIONS, model]))
        b = tf.Variable(tf.zeros([SEEDS, 1, model]))
        v = tf.Variable(tf.truncated_normal([SEEDS, model, 1], stddev=model**-0.5))
        c = tf.Variable(tf.zeros([SEEDS, 1, 1]))
        g = tf.batch_matmul(tf.tanh(tf.batch_matmul(x, w) + b), v) + c
        losses = tf.reduce_mean(tf.square(g - y), [1, 2])
        rate = tf.placeholder(tf.float32, [])
        step = tf.train.AdamOptimizer(rate).minimize(tf.reduce_sum(losses))
        session.run(tf.initialize_all_variables())
        rng = np.random.default_rng(0)
        seeds = np.arange(SEEDS)[:, None]
        for t in range(computation):
            rows = rng.integers(0, data, (SEEDS, batch))
            falling = 0.02 * (1.0 - t / computation)
            session.run(step, {x: examples[seeds, rows], y: answers[seeds, rows], rate: falling})
        everywhere = {x: np.stack([test_x] * SEEDS), y: np.stack([test_f] * SEEDS)}
        return session.run(losses, everywhere)


# %% [markdown]
# Three sweeps. In each, two of the three stay at their largest values.

# %%
SWEEPS = {"data": [15, 60, 250, 1000, 4000], "model": [1, 2, 4, 8, 32], "computation": [8, 30, 100, 300, 1000]}
found = {}
for axis, values in SWEEPS.items():
    chosen = values[::2] if QUICK else values
    losses = np.array([loss_of(**{**MOST, axis: value}) for value in chosen])  # [points, SEEDS]
    means, errors = losses.mean(1), losses.std(1, ddof=1) / np.sqrt(SEEDS)
    found[axis] = means, errors
    print(f"\n{axis:>11}  loss       of which noise")
    for value, mean, error in zip(chosen, means, errors, strict=True):
        print(f"{value:11,}  {mean:.5f}    {error:.5f}  {'#' * round(6 * np.log2(mean / 0.001))}")

# %% [markdown]
# From each point to the next the loss falls by more than noise, two standard errors of the difference; over all of an
# axis it falls to less than a fifth.

# %%
for axis, (means, errors) in found.items():
    noise = 2.0 * np.hypot(errors[1:], errors[:-1])
    assert (means[:-1] - means[1:] > noise).all(), (axis, means, errors)
    assert means[-1] < means[0] / 5.0, (axis, means)
