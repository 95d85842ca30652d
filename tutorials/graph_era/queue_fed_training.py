"""Training from files through queues: names, readers, a parser, shuffled batches, threads and their coordinator."""

import os
import tempfile

import numpy as np

import refflow.compat.v1 as tf

tf.disable_v2_behavior()

# Three files of points on a plane, z = 2x - 3y + 1.
folder = tempfile.mkdtemp()
rng = np.random.RandomState(0)
for part in range(3):
    with tf.gfile.Open(os.path.join(folder, "part-%d.csv" % part), "w") as f:
        f.write("x,y,z\n")
        for x, y in rng.uniform(-1, 1, (50, 2)):
            f.write("%.6f,%.6f,%.6f\n" % (x, y, 2 * x - 3 * y + 1))


def read_examples(filename_queue):
    reader = tf.TextLineReader(skip_header_lines=1)
    key, value = reader.read(filename_queue)
    x, y, z = tf.decode_csv(value, record_defaults=[[0.0], [0.0], [0.0]])
    return tf.stack([x, y]), z


def input_pipeline(filenames, batch_size, num_epochs):
    filename_queue = tf.train.string_input_producer(filenames, num_epochs=num_epochs, shuffle=True)
    example, label = read_examples(filename_queue)
    min_after_dequeue = 20
    capacity = min_after_dequeue + 3 * batch_size
    return tf.train.shuffle_batch([example, label], batch_size, capacity, min_after_dequeue)


features, labels = input_pipeline(sorted(tf.gfile.Glob(os.path.join(folder, "*.csv"))), batch_size=10, num_epochs=20)
w = tf.Variable(tf.zeros([2, 1]), name="w")
b = tf.Variable(0.0, name="b")
prediction = tf.squeeze(tf.matmul(features, w), axis=[1]) + b
loss = tf.reduce_mean(tf.squared_difference(prediction, labels))
train_op = tf.train.AdagradOptimizer(0.5).minimize(loss)

sess = tf.Session()
sess.run(tf.group(tf.global_variables_initializer(), tf.local_variables_initializer()))
coord = tf.train.Coordinator()
threads = tf.train.start_queue_runners(sess=sess, coord=coord)

step, last = 0, []
try:
    while not coord.should_stop():
        _, value = sess.run([train_op, loss])
        last.append(value)
        if step % 100 == 0:
            print("Step %d: loss = %.4f" % (step, value))
        step += 1
except tf.errors.OutOfRangeError:
    print("Done training for %d epochs, %d steps." % (20, step))
finally:
    coord.request_stop()
coord.join(threads)
weights, bias = sess.run([w, b])
sess.close()

losses = []  # batches come in another order in every run
assert step == 300  # 150 examples, 20 epochs, batches of 10
assert np.allclose(weights.ravel(), [2, -3], atol=0.05) and abs(bias - 1) < 0.05
assert np.mean(last[-10:]) < 1e-3
