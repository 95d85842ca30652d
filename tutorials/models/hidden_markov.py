# %% [markdown]
# # A hidden Markov model: the forward pass, and what its gradient says
#
# Time: 1 s on the reference CPU.
#
# A hidden state z_t moves by A[i, j] = P(z_(t+1) = j | z_t = i) and shows x_t by B[i, x] = P(x_t = x | z_t = i). The
# probability of what was seen is a sum over all S^T ways of the state. The forward pass takes T steps for it:
#
#     p_1 = pi B[:, x_1]          p_t = (p_(t-1) A) B[:, x_t]          P(x_1 ... x_T) = sum of p_T
#
# These numbers shrink step by step, so each p_t is divided by its sum c_t; then P = c_1 c_2 ... c_T, and
# log P = sum of log c_t stays a number of moderate size [S40].

# %%
from itertools import pairwise, product

import numpy as np

import refflow as tf

pi = np.array([0.6, 0.3, 0.1])
A = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]])
B = np.array([[0.5, 0.4, 0.1, 0.0], [0.1, 0.1, 0.4, 0.4], [0.25, 0.25, 0.25, 0.25]])
seen = [0, 1, 3, 2, 2, 0, 1]


def forward(pi, A, B, seen):
    """(shares [T, S], log probability): shares[t] is P(z_t | x_1 ... x_t)."""
    shown = tf.gather(tf.transpose(B), seen)  # [T, S]: how likely each state shows what is seen

    def step(before, shown):
        p = tf.matmul(tf.expand_dims(before[0], 0), A)[0] * shown
        return p / tf.reduce_sum(p), tf.reduce_sum(p)

    first = pi * shown[0]
    start = first / tf.reduce_sum(first), tf.reduce_sum(first)
    shares, sums = tf.scan(step, shown[1:], start)
    shares = tf.concat(0, [tf.expand_dims(start[0], 0), shares])
    return shares, tf.log(start[1]) + tf.reduce_sum(tf.log(sums))


x = tf.placeholder(tf.int32, [None])
transitions, emissions = tf.constant(A), tf.constant(B)
shares, log_p = forward(tf.constant(pi), transitions, emissions, x)

# %% [markdown]
# In NumPy: all 3^7 ways, one by one.

# %%
ways = list(product(range(3), repeat=len(seen)))
chances = np.array([
    pi[way[0]] * np.prod([A[i, j] for i, j in pairwise(way)])
    * np.prod([B[i, s] for i, s in zip(way, seen, strict=True)])
    for way in ways
])  # fmt: skip
last = np.array([sum(c for c, way in zip(chances, ways, strict=True) if way[-1] == i) for i in range(3)])
with tf.Session() as session:
    found, value = session.run([shares, log_p], {x: seen})
print(f"log P = {value:.6f}")
np.testing.assert_allclose(value, np.log(chances.sum()), rtol=1e-12)
np.testing.assert_allclose(found[-1], last / last.sum(), rtol=1e-12)

# %% [markdown]
# A sequence a hundred times as long has a probability too small for a float; its logarithm is no trouble.

# %%
with tf.Session() as session:
    value = session.run(log_p, {x: seen * 100})
assert np.isfinite(value) and np.exp(value) == 0

# %% [markdown]
# The gradient comes for nothing, and is worth a name: A[i, j] times d log P / d A[i, j] is how often, as far as one can
# tell from what was seen, the state went from i to j. The textbooks write a backward pass for it.

# %%
(slope,) = tf.gradients(log_p, transitions)
with tf.Session() as session:
    expected = session.run(slope * transitions, {x: seen})
counts = np.zeros((3, 3))
for way, chance in zip(ways, chances / chances.sum(), strict=True):
    for i, j in pairwise(way):
        counts[i, j] += chance
np.testing.assert_allclose(expected, counts, rtol=1e-9)
assert abs(expected.sum() - (len(seen) - 1)) < 1e-9
