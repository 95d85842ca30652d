# %% [markdown]
# # Three bodies, stepped by the graph's own loop
#
# Time: 2 s on the reference CPU.
#
# Bodies of mass 1 at places p_i in the plane attract one another (with a constant of gravitation of 1):
#
#     a_i = sum_j (p_j - p_i) / |p_j - p_i|^3                          kinetic energy    1/2 sum_i |v_i|^2
#                                                                      potential energy  - sum_(i<j) 1 / |p_j - p_i|
#
# Energy, momentum sum v_i and angular momentum sum p_i x v_i stay what they are. The leapfrog,
#
#     v += a dt/2;   p += v dt;   v += a dt/2
#
# keeps the last two to the rounding, and lets the energy sway by O(dt^2) without drifting away [S41].

# %%
import numpy as np

import refflow as tf


def acceleration(p):
    """[3, 2] of places [3, 2]: what all bodies together do to each."""
    apart = tf.expand_dims(p, 0) - tf.expand_dims(p, 1)  # [i, j, :] = p_j - p_i
    distance2 = tf.reduce_sum(tf.square(apart), 2) + np.eye(3)  # 1 for a body and itself, whose `apart` is 0
    return tf.reduce_sum(apart / tf.expand_dims(distance2 * tf.sqrt(distance2), 2), 1)


def leapfrog(p, v, dt):
    v = v + acceleration(p) * (dt / 2)
    p = p + v * dt
    return p, v + acceleration(p) * (dt / 2)


def euler(p, v, dt):
    return p + v * dt, v + acceleration(p) * dt


def travel(step, p, v, dt, steps):
    """Places and velocities after so many steps, each [3, 2]."""
    start = [tf.constant(0), tf.constant(p), tf.constant(v)]
    return tf.while_loop(lambda i, p, v: i < steps, lambda i, p, v: [i + 1, *step(p, v, dt)], start)[1:]


def invariants(p, v):
    """Energy, momentum [2], angular momentum: in NumPy, beside the graph."""
    distances = [np.linalg.norm(p[j] - p[i]) for i in range(3) for j in range(i)]
    return 0.5 * (v**2).sum() - sum(1 / d for d in distances), v.sum(0), (p[:, 0] * v[:, 1] - p[:, 1] * v[:, 0]).sum()


# %% [markdown]
# Moore found, and Chenciner and Montgomery proved, that three equal bodies can chase one another along a figure eight.
# After the period 6.3259 all are back where they began; after a third of it each is where the next one was.

# %%
one = np.array([0.97000436, -0.24308753])
fast = np.array([-0.93240737, -0.86473146])
places = np.stack([one, -one, 0 * one])
velocities = np.stack([-fast / 2, -fast / 2, fast])
period, count = 6.32591398, 3000

with tf.Session() as session:
    p, v = session.run(travel(leapfrog, places, velocities, period / count, count))
    third, _ = session.run(travel(leapfrog, places, velocities, period / count, count // 3))
print("places after one period:\n", p.round(4))
np.testing.assert_allclose(p, places, atol=1e-3)
np.testing.assert_allclose(v, velocities, atol=1e-3)
np.testing.assert_allclose(third, places[[2, 0, 1]], atol=1e-3)

# %% [markdown]
# The invariants, and what a worse method does to the energy in as many steps.

# %%
energy, momentum, turning = invariants(places, velocities)
later = invariants(p, v)
print(f"energy {energy:.9f}, after one period {later[0]:.9f}")
assert abs(later[0] - energy) < 1e-7
assert abs(later[1] - momentum).max() < 1e-12 and abs(later[2] - turning) < 1e-12

with tf.Session() as session:
    drifted = invariants(*session.run(travel(euler, places, velocities, period / count, count)))
print(f"energy of Euler's method after one period: {drifted[0]:.4f}")
assert abs(drifted[0] - energy) > 1e-3

# %% [markdown]
# The energy error of the leapfrog is of second order: half the step, a quarter of the sway.

# %%
with tf.Session() as session:
    sway = [
        invariants(*session.run(travel(leapfrog, places, velocities, 0.02 / k, 100 * k)))[0] - energy for k in (1, 2)
    ]
assert 3.8 < sway[0] / sway[1] < 4.2
