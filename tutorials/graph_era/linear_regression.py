"""Linear regression: a line through noisy points, by gradient descent, as tutorials of 2016 began."""

import numpy as np

import refflow.compat.v1 as tf

tf.disable_v2_behavior()

# Parameters
learning_rate = 0.05
training_epochs = 200
display_step = 50

# Training data
rng = np.random.RandomState(1)
train_X = rng.uniform(-3, 3, 40).astype(np.float32)
train_Y = (0.7 * train_X + 1.5 + rng.normal(0, 0.2, 40)).astype(np.float32)

# Graph inputs
X = tf.placeholder(tf.float32, name="X")
Y = tf.placeholder(tf.float32, name="Y")

# Model weights
W = tf.Variable(0.1, name="weight")
b = tf.Variable(-0.3, name="bias")

pred = tf.add(tf.multiply(X, W), b)
cost = tf.reduce_mean(tf.square(pred - Y))
optimizer = tf.train.GradientDescentOptimizer(learning_rate).minimize(cost)
init = tf.global_variables_initializer()

losses = []
with tf.Session() as sess:
    sess.run(init)
    for epoch in range(training_epochs):
        _, c = sess.run([optimizer, cost], feed_dict={X: train_X, Y: train_Y})
        if epoch % display_step == 0:
            losses.append(c)
            print("Epoch: %04d cost=%.6f W=%.4f b=%.4f" % (epoch + 1, c, sess.run(W), sess.run(b)))
    losses.append(sess.run(cost, feed_dict={X: train_X, Y: train_Y}))
    weight, bias = sess.run([W, b])

slope, offset = np.polyfit(train_X, train_Y, 1)  # the least squares that descent should reach
assert abs(weight - slope) < 1e-3 and abs(bias - offset) < 1e-3
