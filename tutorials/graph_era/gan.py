"""A generative adversarial network in one dimension: a generator learns to make numbers like N(4, 0.5) from noise."""

import numpy as np

import refflow.compat.v1 as tf

tf.disable_v2_behavior()

batch_size, hidden = 64, 16
rng = np.random.RandomState(3)


def dense(x, units, seed, activation=None):
    return tf.layers.dense(x, units, activation, kernel_initializer=tf.random_normal_initializer(stddev=0.3, seed=seed))


def generator(z):
    with tf.variable_scope("Generator"):
        return dense(dense(z, hidden, 1, tf.nn.softplus), 1, 2)


def discriminator(x, reuse=False):
    with tf.variable_scope("Discriminator", reuse=reuse):
        h = dense(tf.concat([x, tf.square(x - 4.0)], axis=1), hidden, 3, tf.nn.tanh)
        return dense(dense(h, hidden, 4, tf.nn.tanh), 1, 5)


z = tf.placeholder(tf.float32, [None, 1])
x = tf.placeholder(tf.float32, [None, 1])
fake = generator(z)
real_logits, fake_logits = discriminator(x), discriminator(fake, reuse=True)


def xent(logits, value):
    labels = tf.ones_like(logits) * value
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(logits=logits, labels=labels))


d_loss = xent(real_logits, 0.9) + xent(fake_logits, 0.0)
g_loss = xent(fake_logits, 1.0)

t_vars = tf.trainable_variables()
d_vars = [var for var in t_vars if var.name.startswith("Discriminator")]
g_vars = tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, scope="Generator")
d_train = tf.train.AdamOptimizer(0.01, beta1=0.5).minimize(d_loss, var_list=d_vars)
g_train = tf.train.AdamOptimizer(0.01, beta1=0.5).minimize(g_loss, var_list=g_vars)

losses = []
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    before = sess.run(fake, {z: rng.normal(size=(500, 1))})
    for it in range(401):
        feed = {x: rng.normal(4, 0.5, (batch_size, 1)), z: rng.normal(size=(batch_size, 1))}
        _, d = sess.run([d_train, d_loss], feed)
        _, g = sess.run([g_train, g_loss], {z: rng.normal(size=(batch_size, 1))})
        if it % 100 == 0:
            print("Iter %d: d_loss %.3f, g_loss %.3f" % (it, d, g))
        if it < 20:
            losses += [d, g]  # later ones magnify what rounding did
    after = sess.run(fake, {z: rng.normal(size=(500, 1))})
print("mean %.2f, deviation %.2f" % (after.mean(), after.std()))

assert len(d_vars) == 6 and len(g_vars) == 4
assert abs(after.mean() - 4) < 1 < abs(before.mean() - 4)
