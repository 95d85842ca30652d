"""An autoencoder: images through a layer of 16 numbers and back, learnt by RMSProp."""

import refflow.compat.v1 as tf
from refflow.data import fashion_mnist

tf.disable_v2_behavior()

data = fashion_mnist(size="small").train_images[:1000].reshape(-1, 784).astype("float32") / 255

learning_rate = 0.003
num_input, num_hidden_1, num_hidden_2 = 784, 48, 16

X = tf.placeholder("float", [None, num_input])


def layer(x, name, outputs, seed, activation=tf.nn.relu):
    with tf.variable_scope(name, reuse=tf.AUTO_REUSE):
        inputs = x.get_shape().as_list()[1]
        w = tf.get_variable("w", [inputs, outputs], initializer=tf.glorot_uniform_initializer(seed=seed))
        b = tf.get_variable("b", [outputs], initializer=tf.constant_initializer(0.0))
        return activation(tf.matmul(x, w) + b)


def encoder(x):
    return layer(layer(x, "encoder_h1", num_hidden_1, 1), "encoder_h2", num_hidden_2, 2)


def decoder(x):
    return layer(layer(x, "decoder_h1", num_hidden_1, 3), "decoder_h2", num_input, 4, tf.nn.sigmoid)


encoder_op = encoder(X)
y_pred = decoder(encoder_op)
y_true = X

loss = tf.reduce_mean(tf.pow(y_true - y_pred, 2))
optimizer = tf.train.RMSPropOptimizer(learning_rate, decay=0.6).minimize(loss)

codes = tf.placeholder(tf.float32, [None, num_hidden_2])
decoded = decoder(codes)  # the same variables once more
assert len(tf.global_variables()) == 8 + 2 * 8  # and two slots for each

losses = []
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for i in range(1, 101):
        at = (i * 100) % len(data)
        _, l = sess.run([optimizer, loss], feed_dict={X: data[at : at + 100]})
        if i % 25 == 0 or i == 1:
            losses.append(l)
            print("Step %i: Minibatch Loss: %f" % (i, l))
    seen = sess.run(y_pred, {X: data[:4]})
    again = sess.run(decoded, {codes: sess.run(encoder_op, {X: data[:4]})})

assert losses[-1] < 0.5 * losses[0]
assert abs(seen - again).max() < 1e-6
