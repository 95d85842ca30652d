"""A multilayer perceptron with dropout: a placeholder for what differs between training and test."""

import numpy as np

import refflow.compat.v1 as tf
from refflow.data import as_examples, fashion_mnist, one_hot

tf.disable_v2_behavior()
tf.set_random_seed(1)

images = fashion_mnist(size="small")
train_x, train_y = as_examples(images.train_images[:3000]), one_hot(images.train_labels[:3000])
test_x, test_y = as_examples(images.test_images[:1000]), one_hot(images.test_labels[:1000])

n_hidden_1, n_hidden_2, n_input, n_classes = 64, 32, 784, 10
batch_size = 100

x = tf.placeholder("float", [None, n_input])
y = tf.placeholder("float", [None, n_classes])
keep_prob = tf.placeholder(tf.float32)


def multilayer_perceptron(x, weights, biases, keep_prob):
    layer_1 = tf.nn.relu(tf.add(tf.matmul(x, weights["h1"]), biases["b1"]))
    layer_1 = tf.nn.dropout(layer_1, keep_prob, seed=3)
    layer_2 = tf.nn.relu(tf.add(tf.matmul(layer_1, weights["h2"]), biases["b2"]))
    return tf.matmul(layer_2, weights["out"]) + biases["out"]


weights = {
    "h1": tf.Variable(tf.random_normal([n_input, n_hidden_1], stddev=0.05, seed=1)),
    "h2": tf.Variable(tf.random_normal([n_hidden_1, n_hidden_2], stddev=0.1, seed=2)),
    "out": tf.Variable(tf.truncated_normal([n_hidden_2, n_classes], stddev=0.1, seed=3)),
}
biases = {
    "b1": tf.Variable(tf.zeros([n_hidden_1])),
    "b2": tf.Variable(tf.zeros([n_hidden_2])),
    "out": tf.Variable(tf.zeros([n_classes])),
}

pred = multilayer_perceptron(x, weights, biases, keep_prob)
cost = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits_v2(logits=pred, labels=y))
regularizer = sum(tf.nn.l2_loss(w) for w in weights.values())
optimizer = tf.train.AdamOptimizer(learning_rate=0.002).minimize(cost + 1e-4 * regularizer)
accuracy = tf.reduce_mean(tf.cast(tf.equal(tf.argmax(pred, 1), tf.argmax(y, 1)), "float"))

losses = []
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for epoch in range(3):
        for i in range(0, len(train_x), batch_size):
            feed = {x: train_x[i : i + batch_size], y: train_y[i : i + batch_size], keep_prob: 0.8}
            _, c = sess.run([optimizer, cost], feed_dict=feed)
        losses.append(c)
        print("Epoch: %d, cost: %.4f" % (epoch + 1, c))
    test_accuracy = sess.run(accuracy, {x: test_x, y: test_y, keep_prob: 1.0})
    print("Test accuracy: %.3f" % test_accuracy)

assert losses[-1] < losses[0]
assert test_accuracy > 0.75
assert np.isfinite(losses).all()
