# %% [markdown]
# # PageRank: Gather and sums over segments
#
# Time: 1 s on the reference CPU.
#
# A reader follows, with probability d, any link of the page that he is on, each as likely; else, or where a page has no
# link, he opens any of the n pages. The share of his time that a page gets is its rank:
#
#     r_j = (1 - d) / n + d (sum over links i -> j of r_i / links of i  +  (sum over i without links of r_i) / n)
#
# The right side, as a map from ranks to ranks, brings any two nearer to each other by the factor d, so repeating it
# ends at the only solution. Only the list of links is kept, never an n by n matrix [S40].

# %%
import numpy as np

import refflow as tf

rng = np.random.default_rng(7)
n, d = 60, 0.85
popular = rng.permutation(n)[(n * rng.random(400) ** 3).astype(int)]  # few pages get most links
links = np.unique(np.stack([rng.integers(0, n - 5, 400), popular], 1), axis=0)  # the last 5 pages link nowhere


def page_rank(source, target):
    """(ranks [n], turns) once a turn changes them by less than 1e-12 in all."""
    ones = tf.ones_like(tf.cast(source, tf.float64))
    out = tf.unsorted_segment_sum(ones, source, n)  # [n]: links of each page
    share = 1.0 / tf.maximum(out, 1.0)
    nowhere = tf.cast(tf.equal(out, 0.0), tf.float64)

    def turn(turns, ranks, _):
        along = tf.unsorted_segment_sum(tf.gather(ranks * share, source), target, n)
        new = (1 - d) / n + d * (along + tf.reduce_sum(ranks * nowhere) / n)
        return [turns + 1, new, tf.reduce_sum(tf.abs(new - ranks))]

    start = [tf.constant(0), tf.fill([n], tf.constant(1 / n, tf.float64)), tf.constant(1.0, tf.float64)]
    turns, ranks, _ = tf.while_loop(lambda turns, ranks, change: change > 1e-12, turn, start)
    return ranks, turns


source, target = tf.placeholder(tf.int32, [None]), tf.placeholder(tf.int32, [None])
result = page_rank(source, target)
with tf.Session() as session:
    ranks, turns = session.run(result, {source: links[:, 0], target: links[:, 1]})
print(f"{turns} turns; the first three pages: {np.argsort(-ranks)[:3]}, ranks {np.sort(ranks)[::-1][:3].round(4)}")

# %% [markdown]
# In NumPy the ranks are the solution of n linear equations.

# %%
follow = np.zeros((n, n))  # [to, from]
follow[links[:, 1], links[:, 0]] = 1
follow = np.where(follow.sum(0) > 0, follow / np.maximum(follow.sum(0), 1), 1 / n)
solved = np.linalg.solve(np.eye(n) - d * follow, np.full(n, (1 - d) / n))
np.testing.assert_allclose(ranks, solved, atol=1e-11)
assert abs(ranks.sum() - 1) < 1e-12 and turns < np.log(1e-12 / 2) / np.log(d) + 1
