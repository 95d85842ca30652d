"""A convolutional network from tf.layers, with a mode for training, batch normalisation and tf.losses."""

import refflow.compat.v1 as tf
from refflow.data import fashion_mnist

tf.disable_v2_behavior()

images = fashion_mnist(size="small")
train_x, train_y = images.train_images[:1200] / 255.0, images.train_labels[:1200].astype("int32")
test_x, test_y = images.test_images[:500] / 255.0, images.test_labels[:500].astype("int32")


def glorot(seed):
    return tf.glorot_uniform_initializer(seed=seed)


def cnn_model_fn(features, labels, training):
    input_layer = tf.reshape(features, [-1, 28, 28, 1])
    conv1 = tf.layers.conv2d(
        input_layer, filters=6, kernel_size=[5, 5], padding="same", activation=tf.nn.relu, kernel_initializer=glorot(1)
    )
    pool1 = tf.layers.max_pooling2d(inputs=conv1, pool_size=[2, 2], strides=2)
    conv2 = tf.layers.conv2d(
        pool1, filters=12, kernel_size=3, padding="same", use_bias=False, kernel_initializer=glorot(2)
    )
    conv2 = tf.nn.relu(tf.layers.batch_normalization(conv2, training=training, momentum=0.8))
    pool2 = tf.layers.max_pooling2d(inputs=conv2, pool_size=[2, 2], strides=2)
    dense = tf.layers.dense(tf.layers.flatten(pool2), units=32, activation=tf.nn.relu, kernel_initializer=glorot(19))
    dropout = tf.layers.dropout(dense, rate=0.2, training=training, seed=4)
    logits = tf.layers.dense(dropout, units=10, kernel_initializer=glorot(5))
    loss = tf.losses.sparse_softmax_cross_entropy(labels=labels, logits=logits)
    return logits, loss


x = tf.placeholder(tf.float32, [None, 28, 28])
y = tf.placeholder(tf.int32, [None])
training = tf.placeholder_with_default(False, shape=(), name="training")
logits, loss = cnn_model_fn(x, y, training)

global_step = tf.train.get_or_create_global_step()
update_ops = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
with tf.control_dependencies(update_ops):
    train_op = tf.train.AdamOptimizer(0.01).minimize(loss, global_step=global_step)

accuracy, accuracy_op = tf.metrics.accuracy(labels=y, predictions=tf.argmax(logits, axis=1, output_type=tf.int32))

losses = []
with tf.Session() as sess:
    sess.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
    for epoch in range(2):
        for i in range(0, len(train_x), 100):
            feed = {x: train_x[i : i + 100], y: train_y[i : i + 100], training: True}
            _, value, step = sess.run([train_op, loss, global_step], feed)
            if i % 500 == 0:
                losses.append(value)
                print("step = %d, loss = %.4f" % (step, value))
    for i in range(0, len(test_x), 100):
        sess.run(accuracy_op, {x: test_x[i : i + 100], y: test_y[i : i + 100]})
    test_accuracy, steps = sess.run([accuracy, global_step])
    print({"accuracy": test_accuracy, "global_step": steps})

assert steps == 24
assert losses[-1] < 0.6 * losses[0]
assert test_accuracy > 0.5
