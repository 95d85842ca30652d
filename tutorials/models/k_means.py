# %% [markdown]
# # k-means: a loop that ends when nothing changes
#
# Time: 1 s on the reference CPU.
#
# Given points x_n, find k centres c_j that make the sum of squared distances to the nearest one small. Lloyd's two
# steps take turns, and neither can make that sum larger:
#
#     a_n = argmin_j |x_n - c_j|^2                  each point goes to its nearest centre
#     c_j = mean of the x_n with a_n = j            each centre goes to the middle of its points (and stays without any)
#
# Nobody knows beforehand how many turns it takes. The graph's loop asks after each [S40].

# %%
import numpy as np

import refflow as tf

rng = np.random.default_rng(3)
k, middles = 4, np.array([[0, 0], [5, 0], [0, 5], [5, 5]])
points = (middles[rng.integers(0, k, 400)] + rng.normal(size=(400, 2))).astype(np.float32)
start = points[np.argsort(points[:, 0])[:k]]  # a bad one: the four on the very left


def squared_distances(points, centres):
    """[N, k]: |x|^2 - 2 x c + |c|^2."""
    across = tf.reduce_sum(tf.square(points), 1, keep_dims=True) - 2.0 * tf.matmul(points, centres, transpose_b=True)
    return across + tf.reduce_sum(tf.square(centres), 1)


def lloyd(points, centres):
    """(centres, assignments, turns) when no point changes its centre any more."""
    ones = tf.ones_like(points[:, 0])

    def turn(turns, centres, nearest, _):
        sums = tf.unsorted_segment_sum(points, nearest, k)  # [k, 2]
        counts = tf.expand_dims(tf.unsorted_segment_sum(ones, nearest, k), 1)  # [k, 1]
        means = sums / tf.maximum(counts, 1.0)
        centres = tf.select(tf.tile(counts > 0.0, [1, 2]), means, centres)
        now = tf.argmin(squared_distances(points, centres), 1)
        return [turns + 1, centres, now, tf.reduce_any(tf.not_equal(now, nearest))]

    nearest = tf.argmin(squared_distances(points, centres), 1)
    moving = [tf.constant(0), centres, nearest, tf.constant(True)]
    turns, centres, nearest, _ = tf.while_loop(lambda *state: state[-1], turn, moving)
    return centres, nearest, turns


x = tf.placeholder(tf.float32, [None, 2])
found = lloyd(x, tf.constant(start))
with tf.Session() as session:
    centres, nearest, turns = session.run(found, {x: points})
print(f"{turns} turns; centres:\n{centres.round(2)}")

# %% [markdown]
# The same in NumPy, a point at a time and in float64.

# %%
means = start.astype(np.float64)
before, count = None, -1
while True:
    now = np.array([np.argmin([np.sum((p - c) ** 2) for c in means]) for p in points])
    count += 1
    if before is not None and np.array_equal(now, before):
        break
    before = now
    means = np.stack([points[now == j].mean(0, dtype=np.float64) if (now == j).any() else means[j] for j in range(k)])

assert np.array_equal(nearest, now) and turns == count
np.testing.assert_allclose(centres, means, rtol=1e-5)
assert abs(np.sort(centres, 0) - np.sort(middles, 0)).max() < 0.5  # near the middles that the points were drawn around
