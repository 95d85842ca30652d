"""Logistic regression on images of ten kinds of clothes: the tutorial that everybody did first."""

import numpy as np

import refflow.compat.v1 as tf
from refflow.data import as_examples, fashion_mnist, one_hot

tf.disable_v2_behavior()

images = fashion_mnist(size="small")
train_x, train_y = as_examples(images.train_images[:3000]), one_hot(images.train_labels[:3000])
test_x, test_y = as_examples(images.test_images[:1000]), one_hot(images.test_labels[:1000])

learning_rate = 0.1
training_epochs = 4
batch_size = 100

x = tf.placeholder(tf.float32, [None, 784])
y = tf.placeholder(tf.float32, [None, 10])

W = tf.Variable(tf.zeros([784, 10]))
b = tf.Variable(tf.zeros([10]))

logits = tf.matmul(x, W) + b
pred = tf.nn.softmax(logits)
cost = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=y, logits=logits))
optimizer = tf.train.GradientDescentOptimizer(learning_rate).minimize(cost)

correct_prediction = tf.equal(tf.argmax(pred, 1), tf.argmax(y, 1))
accuracy = tf.reduce_mean(tf.cast(correct_prediction, tf.float32))

losses = []
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for epoch in range(training_epochs):
        avg_cost = 0.0
        total_batch = len(train_x) // batch_size
        for i in range(total_batch):
            batch = slice(i * batch_size, (i + 1) * batch_size)
            _, c = sess.run([optimizer, cost], feed_dict={x: train_x[batch], y: train_y[batch]})
            avg_cost += c / total_batch
        losses.append(avg_cost)
        print("Epoch:", "%04d" % (epoch + 1), "cost=", "{:.9f}".format(avg_cost))
    test_accuracy = accuracy.eval({x: test_x, y: test_y})
    print("Accuracy:", test_accuracy)

assert np.all(np.diff(losses) < 0)
assert test_accuracy > 0.72
