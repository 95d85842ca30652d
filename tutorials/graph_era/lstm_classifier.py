"""An LSTM that reads an image row by row, 28 numbers at a time, and says what it is."""

import refflow.compat.v1 as tf
from refflow.data import fashion_mnist, one_hot

tf.disable_v2_behavior()

images = fashion_mnist(size="small")
chosen = images.train_labels < 3  # tops, trousers, pullovers
data_x = images.train_images[chosen][:900].astype("float32") / 255
data_y = one_hot(images.train_labels[chosen][:900].astype("int64"), 3)

learning_rate = 0.01
batch_size = 60
num_input, timesteps, num_hidden, num_classes = 28, 28, 16, 3

X = tf.placeholder("float", [None, timesteps, num_input])
Y = tf.placeholder("float", [None, num_classes])

weights = {"out": tf.Variable(tf.random_normal([num_hidden, num_classes], seed=1))}
biases = {"out": tf.Variable(tf.random_normal([num_classes], seed=2))}


def RNN(x, weights, biases):
    x = tf.unstack(x, timesteps, 1)  # a list of `timesteps` tensors [batch, num_input]
    lstm_cell = tf.nn.rnn_cell.BasicLSTMCell(num_hidden, forget_bias=1.0)
    outputs, states = tf.nn.static_rnn(lstm_cell, x, dtype=tf.float32)
    return tf.matmul(outputs[-1], weights["out"]) + biases["out"]


with tf.variable_scope("classifier", initializer=tf.random_uniform_initializer(-0.1, 0.1, seed=3)):
    logits = RNN(X, weights, biases)
prediction = tf.nn.softmax(logits)

loss_op = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(logits=logits, labels=Y))
optimizer = tf.train.AdamOptimizer(learning_rate=learning_rate)
gvs = optimizer.compute_gradients(loss_op)
capped_gvs = [(tf.clip_by_value(grad, -1.0, 1.0), var) for grad, var in gvs]
train_op = optimizer.apply_gradients(capped_gvs)
accuracy = tf.reduce_mean(tf.cast(tf.equal(tf.argmax(prediction, 1), tf.argmax(Y, 1)), tf.float32))

losses = []
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for step in range(1, 32):
        at = (step - 1) * batch_size % 780
        feed = {X: data_x[at : at + batch_size], Y: data_y[at : at + batch_size]}
        sess.run(train_op, feed_dict=feed)
        if step % 15 == 1:
            loss, acc = sess.run([loss_op, accuracy], feed_dict=feed)
            losses.append(loss)
            print("Step " + str(step) + ", Minibatch Loss= " + "{:.4f}".format(loss) + ", Accuracy= {:.3f}".format(acc))
    test_accuracy = sess.run(accuracy, feed_dict={X: data_x[780:], Y: data_y[780:]})
    print("Testing Accuracy:", test_accuracy)

assert losses[-1] < losses[0]
assert test_accuracy > 0.8
