"""Saving, restoring and watching: a Saver, a decaying rate, an average of weights, and a log for TensorBoard."""

import os
import tempfile

import numpy as np

import refflow.compat.v1 as tf

tf.disable_v2_behavior()

folder = tempfile.mkdtemp()
logdir, save_path = os.path.join(folder, "logs"), os.path.join(folder, "model.ckpt")
rng = np.random.RandomState(2)
points = rng.normal(size=(200, 2)).astype(np.float32)
inside = (points[:, :1] ** 2 + points[:, 1:] ** 2 < 1).astype(np.float32)


def build():
    with tf.name_scope("input"):
        x = tf.placeholder(tf.float32, [None, 2], name="x-input")
        y = tf.placeholder(tf.float32, [None, 1], name="y-input")

    def nn_layer(x, size, name, act=tf.identity, seed=1):
        with tf.name_scope(name):
            shape = [x.get_shape().as_list()[-1], size]
            weights = tf.Variable(tf.truncated_normal(shape, stddev=0.5, seed=seed), name="weights")
            biases = tf.Variable(tf.constant(0.1, shape=[size]), name="biases")
            tf.summary.histogram("weights", weights)
            return act(tf.matmul(x, weights) + biases)

    hidden = nn_layer(x, 12, "layer1", tf.nn.tanh)
    logits = nn_layer(hidden, 1, "layer2", seed=2)
    with tf.name_scope("loss"):
        loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=logits))
        tf.summary.scalar("cross_entropy", loss)
    step = tf.Variable(0, name="global_step", trainable=False)
    rate = tf.train.exponential_decay(0.5, step, 50, 0.9, staircase=True)
    tf.summary.scalar("learning_rate", rate)
    train = tf.train.MomentumOptimizer(rate, 0.9).minimize(loss, global_step=step)
    ema = tf.train.ExponentialMovingAverage(0.9, step)
    with tf.control_dependencies([train]):
        train = ema.apply(tf.trainable_variables())
    return x, y, loss, step, train, tf.nn.sigmoid(logits)


x, y, loss, step, train, prediction = build()
merged = tf.summary.merge_all()
saver = tf.train.Saver(max_to_keep=2)
feed = {x: points, y: inside}

losses = []
with tf.Session() as sess:
    writer = tf.summary.FileWriter(logdir, sess.graph)
    sess.run(tf.global_variables_initializer())
    for i in range(150):
        if i % 30 == 0:
            summary, value = sess.run([merged, loss], feed_dict=feed)
            writer.add_summary(summary, i)
            losses.append(value)
            print("Loss at step %s: %s" % (i, value))
        sess.run(train, feed_dict=feed)
        if i % 50 == 49:
            saver.save(sess, save_path, global_step=step)
    writer.close()
    trained = sess.run(prediction, feed_dict=feed)

# Another program finds the newest checkpoint and goes on from there.
tf.reset_default_graph()
x, y, loss, step, train, prediction = build()
saver = tf.train.Saver()
with tf.Session() as sess:
    latest = tf.train.latest_checkpoint(folder)
    saver.restore(sess, latest)
    restored, steps = sess.run([prediction, step], feed_dict={x: points, y: inside})
print("restored", os.path.basename(latest))

# What a board would show.
events = [e for name in os.listdir(logdir) for e in tf.train.summary_iterator(os.path.join(logdir, name))]
curve = [v.simple_value for e in events if e.summary is not None for v in e.summary.value if "cross_entropy" in v.tag]

assert os.path.basename(latest) == "model.ckpt-150" and steps == 150
assert np.array_equal(trained, restored)
assert np.allclose(curve, losses) and losses[-1] < 0.5 * losses[0]
assert len(tf.train.get_checkpoint_state(folder).all_model_checkpoint_paths) == 2
assert np.mean((trained > 0.5) == inside) > 0.9
