"""A character-level language model: two GRU layers unrolled over a text, trained with carried state, then sampled."""

import numpy as np

import refflow.compat.v1 as tf

tf.disable_v2_behavior()

text = "the cat sat on the mat and the dog sat on the log. " * 40
chars = sorted(set(text))
vocab_size = len(chars)
char_to_ix = {ch: i for i, ch in enumerate(chars)}
data = np.array([char_to_ix[ch] for ch in text], np.int32)

batch_size, seq_length, hidden_size, num_layers = 8, 16, 32, 2


def model(inputs, initial_state):
    cell = tf.nn.rnn_cell.MultiRNNCell([tf.nn.rnn_cell.GRUCell(hidden_size) for _ in range(num_layers)])
    embedding = tf.get_variable("embedding", [vocab_size, hidden_size])
    outputs, state = tf.nn.dynamic_rnn(cell, tf.nn.embedding_lookup(embedding, inputs), initial_state=initial_state)
    softmax_w = tf.get_variable("softmax_w", [hidden_size, vocab_size])
    softmax_b = tf.get_variable("softmax_b", [vocab_size], initializer=tf.zeros_initializer())
    flat = tf.reshape(outputs, [-1, hidden_size])
    return tf.matmul(flat, softmax_w) + softmax_b, state


def states(batch):
    return tuple(tf.placeholder(tf.float32, [batch, hidden_size]) for _ in range(num_layers))


initializer = tf.random_uniform_initializer(-0.15, 0.15, seed=1)
inputs = tf.placeholder(tf.int32, [batch_size, seq_length])
targets = tf.placeholder(tf.int32, [batch_size, seq_length])
start = states(batch_size)
with tf.variable_scope("rnnlm", initializer=initializer):
    logits, final = model(inputs, start)
loss = tf.reduce_mean(
    tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.reshape(targets, [-1]), logits=logits)
)
tvars = tf.trainable_variables()
grads, _ = tf.clip_by_global_norm(tf.gradients(loss, tvars), 5.0)
train_op = tf.train.AdamOptimizer(0.02).apply_gradients(zip(grads, tvars))

# The same model, one character at a time.
one = tf.placeholder(tf.int32, [1, 1])
before = states(1)
with tf.variable_scope("rnnlm", reuse=True, initializer=initializer):
    one_logits, after = model(one, before)
probs = tf.nn.softmax(one_logits)

losses = []
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    rows = data[: len(data) // batch_size * batch_size].reshape(batch_size, -1)
    for epoch in range(4):
        state = [np.zeros((batch_size, hidden_size), np.float32)] * num_layers
        for i in range(0, rows.shape[1] - seq_length - 1, seq_length):
            feed = {inputs: rows[:, i : i + seq_length], targets: rows[:, i + 1 : i + seq_length + 1]}
            feed.update(zip(start, state))
            value, state, _ = sess.run([loss, final, train_op], feed)
        losses.append(value)
        print("epoch %d, perplexity %.3f" % (epoch, np.exp(value)))

    state, sample = [np.zeros((1, hidden_size), np.float32)] * num_layers, "the "
    for i, ch in enumerate(sample):
        feed = {one: [[char_to_ix[ch]]], **dict(zip(before, state))}
        p, state = sess.run([probs, after], feed)
    for _ in range(40):
        sample += chars[int(np.argmax(p))]
        p, state = sess.run([probs, after], {one: [[char_to_ix[sample[-1]]]], **dict(zip(before, state))})
    print(sample)

assert losses[-1] < 0.2 * losses[0]
assert all(word in text.split() for word in sample.split()[:-1])
