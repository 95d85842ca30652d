# %% [markdown]
# # Principal components by power iteration: state in the graph
#
# Time: 1 s on the reference CPU.
#
# The covariance C = X^T X / N of centred data X [N, d] has eigenvalues l_1 > l_2 > ... and orthogonal eigenvectors, the
# principal components. Multiplying by C stretches the first one most, so that
#
#     v <- C v / |C v|
#
# turns any v towards it; the other components fade by l_2 / l_1 in each step. The next component is what the same finds
# when the part along those already found is taken out of v each time. C and v are variables: a step reads them and
# writes v, and between the runs they stay where they are [S40].

# %%
import numpy as np

import refflow as tf

rng = np.random.default_rng(5)
N, d, wanted = 300, 8, 3
mixing = np.linalg.qr(rng.normal(size=(d, d)))[0] * np.array([6, 4, 2.5, 1, 1, 0.5, 0.5, 0.5])
data = rng.normal(size=(N, d)) @ mixing.T + rng.normal(size=d)

X = tf.placeholder(tf.float64, [None, d])
centred = X - tf.reduce_mean(X, 0, keep_dims=True)
C = tf.Variable(tf.zeros([d, d], tf.float64), trainable=False)
v = tf.Variable(tf.ones([d, 1], tf.float64), trainable=False)
found = tf.Variable(tf.zeros([d, wanted], tf.float64), trainable=False)  # a column for each component

look = C.assign(tf.matmul(centred, centred, transpose_a=True) / tf.cast(tf.shape(X)[0], tf.float64))
stretched = tf.matmul(C, v)
stretched -= tf.matmul(found, tf.matmul(found, stretched, transpose_a=True))  # without what is there already
length = tf.sqrt(tf.reduce_sum(tf.square(stretched)))  # tends to the eigenvalue
turned = stretched / length
change = tf.reduce_max(tf.abs(turned - v))
with tf.control_dependencies([change]):  # first read v, then write it
    step = v.assign(turned)

column = tf.placeholder(tf.int32, [])
at = tf.cast(tf.equal(tf.range(wanted), column), tf.float64)  # [wanted]: 1 in the column to write
keep = found.assign(found + v * at)
restart = v.assign(tf.random_normal([d, 1], dtype=tf.float64, seed=2))

# %%
values = []
with tf.Session() as session:
    session.run(tf.initialize_all_variables())
    session.run(look, {X: data})  # the only time that data is fed
    for number in range(wanted):
        session.run(restart)
        steps, moved = 0, 1.0
        while moved > 1e-10:
            moved, value, _ = session.run([change, length, step])
            steps += 1
        print(f"component {number + 1}: eigenvalue {value:.6f} after {steps} steps")
        session.run(keep, {column: number})
        values.append(value)
    components = session.run(found)

# %% [markdown]
# NumPy finds the same by another method, up to a sign.

# %%
covariance = np.cov(data, rowvar=False, bias=True)
true_values, true_vectors = np.linalg.eigh(covariance)  # in ascending order
np.testing.assert_allclose(values, true_values[::-1][:wanted], rtol=1e-9)
np.testing.assert_allclose(abs((components * true_vectors[:, ::-1][:, :wanted]).sum(0)), 1, rtol=1e-9)
np.testing.assert_allclose(components.T @ components, np.eye(wanted), atol=1e-8)
