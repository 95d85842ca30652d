"""word2vec: skip-grams with noise-contrastive estimation on a text that fits the page."""

import collections

import numpy as np

import refflow.compat.v1 as tf

tf.disable_v2_behavior()

# Words of one group stand beside each other.
groups = ["king queen prince crown", "bread butter cheese milk", "ship sail harbour wave", "oak birch maple pine"]
rng = np.random.RandomState(0)
words = [w for _ in range(600) for w in rng.permutation(groups[rng.randint(4)].split())]

count = collections.Counter(words).most_common()
dictionary = {word: i for i, (word, _) in enumerate(count)}
data = [dictionary[word] for word in words]
vocabulary_size = len(dictionary)

batch_size, embedding_size, num_sampled = 32, 8, 6
data_index = 0


def generate_batch(batch_size):
    """Pairs of a word and its right neighbour."""
    global data_index
    batch = np.zeros(batch_size, np.int32)
    labels = np.zeros((batch_size, 1), np.int32)
    for i in range(batch_size):
        batch[i], labels[i, 0] = data[data_index], data[data_index + 1]
        data_index = (data_index + 1) % (len(data) - 1)
    return batch, labels


graph = tf.Graph()
with graph.as_default():
    train_inputs = tf.placeholder(tf.int32, shape=[batch_size])
    train_labels = tf.placeholder(tf.int32, shape=[batch_size, 1])
    embeddings = tf.Variable(tf.random_uniform([vocabulary_size, embedding_size], -1.0, 1.0, seed=1))
    embed = tf.nn.embedding_lookup(embeddings, train_inputs)
    nce_weights = tf.Variable(
        tf.truncated_normal([vocabulary_size, embedding_size], stddev=1.0 / np.sqrt(embedding_size), seed=2)
    )
    nce_biases = tf.Variable(tf.zeros([vocabulary_size]))

    sampled = tf.nn.log_uniform_candidate_sampler(
        tf.cast(train_labels, tf.int64), 1, num_sampled, True, vocabulary_size, seed=3
    )
    loss = tf.reduce_mean(
        tf.nn.nce_loss(
            weights=nce_weights, biases=nce_biases, labels=train_labels, inputs=embed, num_sampled=num_sampled,
            num_classes=vocabulary_size, sampled_values=sampled,
        )
    )  # fmt: skip
    optimizer = tf.train.GradientDescentOptimizer(0.5).minimize(loss)

    norm = tf.sqrt(tf.reduce_sum(tf.square(embeddings), 1, keepdims=True))
    normalized_embeddings = embeddings / norm
    similarity = tf.matmul(normalized_embeddings, normalized_embeddings, transpose_b=True)
    init = tf.global_variables_initializer()

losses = []
with tf.Session(graph=graph) as session:
    init.run()
    average_loss = 0
    for step in range(1, 1201):
        batch_inputs, batch_labels = generate_batch(batch_size)
        _, loss_val = session.run([optimizer, loss], {train_inputs: batch_inputs, train_labels: batch_labels})
        average_loss += loss_val
        if step % 400 == 0:
            losses.append(average_loss / 400)
            print("Average loss at step", step, ":", losses[-1])
            average_loss = 0
    sim = similarity.eval()

nearest = {}
names = [word for word, _ in count]
for group in groups:
    for word in group.split():
        order = (-sim[dictionary[word]]).argsort()
        nearest[word] = names[order[1]]
        print("Nearest to %s: %s" % (word, nearest[word]))

together = sum(nearest[word] in group.split() for group in groups for word in group.split())
assert losses[-1] < losses[0]
assert together >= 12, "most words should stand nearest to one of their own group"
