# %% [markdown]
# # Heat on a ring, stepped by the graph's own loop
#
# Time: 1 s on the reference CPU.
#
# The temperature u of a thin ring obeys du/dt = d2u/dx2. On n points, and in steps of time so short that r = dt / dx^2
# is at most 1/2,
#
#     u'_i = u_i + r (u_(i-1) - 2 u_i + u_(i+1))          indices modulo n
#
# What one point loses its neighbours get, so the sum of all u never changes; and a wave cos(k x_i) stays that wave and
# shrinks by 1 - 4 r sin^2(k dx / 2) in each step. Both can be asked of the result [S41].

# %%
import numpy as np

import refflow as tf

n, r = 64, 0.4
x = 2 * np.pi * np.arange(n) / n


def after(u, steps):
    """The temperatures after so many steps: a loop of the graph, with u and a count as its variables."""

    def step(i, u):
        left, right = tf.concat(0, [u[n - 1 :], u[: n - 1]]), tf.concat(0, [u[1:], u[:1]])
        return [i + 1, u + r * (left - 2.0 * u + right)]

    return tf.while_loop(lambda i, u: i < steps, step, [tf.constant(0), u])[1]


start = tf.placeholder(tf.float64, [n])
steps = tf.placeholder(tf.int32, [])  # the loop's length is fed, too
end = after(start, steps)

# %% [markdown]
# A hot spot spreads, and no heat is lost. In the end the ring is as warm everywhere.

# %%
spot = np.zeros(n)
spot[10] = 1.0
with tf.Session() as session:
    curves = [session.run(end, {start: spot, steps: count}) for count in (0, 10, 100, 10_000)]
for curve in curves:
    print(f"sum {curve.sum():.15f}   largest {curve.max():.4f}   smallest {curve.min():.4f}")
    assert abs(curve.sum() - 1) < 1e-13  # the invariant
    assert curve.min() >= 0  # no colder place than at the start: u' is a mean of u's, as r <= 1/2
assert np.ptp(curves[-1]) < 1e-8

# %% [markdown]
# A wave shrinks as the formula says.

# %%
with tf.Session() as session:
    for k in (1, 3, 8):
        found = session.run(end, {start: np.cos(k * x), steps: 200})
        shrunk = (1 - 4 * r * np.sin(k * np.pi / n) ** 2) ** 200
        np.testing.assert_allclose(found, shrunk * np.cos(k * x), atol=1e-13)

# %% [markdown]
# The loop has a gradient, which is a loop as well. How much does the start matter to what point 10 is in the end? By
# the symmetry of the steps, just as much as a spot at point 10 gives to each.

# %%
(matters,) = tf.gradients(end[10], start)
with tf.Session() as session:
    np.testing.assert_allclose(*session.run([matters, end], {start: spot, steps: 100}), atol=1e-15)

# %% [markdown]
# With r above 1/2 the steps are too long: the shortest wave, +1, -1, +1, ..., is multiplied by 1 - 4 r < -1 each time.

# %%
r = 0.55
with tf.Session() as session:
    grown = session.run(after(start, steps), {start: spot, steps: 100})
assert abs(grown).max() > 1e5 and abs(grown.sum() - 1) < 1e-6  # useless, and the sum is kept all the same
