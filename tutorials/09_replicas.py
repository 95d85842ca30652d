# %% [markdown]
# # Replicas
#
# One model, many machines, each with a part of the data. The deck shows two ways [S64, S67], and a third between them.
#
#     synchronous     all replicas read the same parameters, and one update is made of the mean of their gradients
#     asynchronous    each replica fetches, computes and pushes on its own; parameters move on meanwhile
#     both            M groups, asynchronous among each other, of N synchronous replicas each [S69]
#
# In a graph none of this is a new mechanism: replicas are more nodes, the rest is who runs what when.

# %%
import numpy as np

import refflow as tf

rng = np.random.default_rng(0)
x = rng.normal(size=(480, 2))
labels = np.eye(2)[(x[:, 0] * x[:, 1] > 0).astype(int)]  # which of two pairs of quadrants a point lies in
shards = list(zip(np.array_split(x, 4), np.array_split(labels, 4), strict=True))  # one for each of four replicas


def variables():
    """A perceptron with eight hidden units, always the same."""
    start = np.random.default_rng(1)
    sizes = [(2, 8), (8,), (8, 2), (2,)]
    return [tf.Variable(start.normal(size=size), name=name) for name, size in zip("wbvc", sizes, strict=True)]


def mean_loss(w, b, v, c):
    """What a replica computes: the mean loss of its examples."""

    def loss_of(x, labels):
        hidden = tf.tanh(tf.matmul(x, w) + b)
        return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(tf.matmul(hidden, v) + c, labels))

    return loss_of


# %% [markdown]
# ## A larger graph
# `build_towers` makes the gradient part once for each shard, `combine_gradients` the mean. Two more replicas are two
# more copies, and nothing else [S53].


# %%
def size_of(replicas):
    """How many nodes the graph for so many replicas has, and how many of them combine."""
    with tf.Graph().as_default() as graph:
        loss_of = mean_loss(*variables())
        given = [(tf.placeholder(tf.float64, [5, 2]), tf.placeholder(tf.float64, [5, 2])) for _ in range(replicas)]
        towers = tf.train.build_towers(loss_of, given, devices=["/cpu:0", "/cpu:1"][:replicas])
        tf.train.GradientDescentOptimizer(0.5).apply_gradients(tf.train.combine_gradients(towers))
        names = [op.name for op in graph.get_operations()]
    return len(names), sum(name.startswith("combine/") for name in names)


sizes = {k: size_of(k) for k in (2, 3, 4, 8)}
tower = sizes[3][0] - sizes[2][0] - 4  # of four variables each has one addition more
for k, (nodes, combining) in sizes.items():
    assert combining == 4 * (k - 1) + 4 * 2  # a tree of additions, a division and its number
    assert nodes == sizes[2][0] + (k - 2) * (tower + 4)


# %% [markdown]
# ## Synchronous
# `ReplicaTraining` is that graph with its loops: a function, shards, an optimizer, and how many groups. One group: all
# four replicas together. They take the step of one batch four times as large [S64].


# %%
def trained(groups, updates, shards=shards, **options):
    """The trace of a run, and the parameters at its end."""
    with tf.Graph().as_default(), tf.Session(device_count={"CPU": 4}) as session:
        weights = variables()
        training = tf.train.ReplicaTraining(
            mean_loss(*weights), shards, tf.train.GradientDescentOptimizer(0.5), groups=groups,
            devices=[f"/cpu:{i}" for i in range(len(shards))],
        )  # fmt: skip
        session.run(tf.initialize_all_variables())
        return training.run(session, updates, **options), session.run(weights)


together, parameters = trained(groups=1, updates=150)
_, of_one = trained(groups=1, updates=150, shards=[(x, labels)])
assert together.losses[0] > 0.6 and together.losses[-1] < 0.2
for ours, one in zip(parameters, of_one, strict=True):
    np.testing.assert_allclose(ours, one, rtol=1e-9)
assert together.staleness() == {0: 150}  # nobody's gradient is late [S65]

# %% [markdown]
# ## Asynchronous
# Four groups of one. Time is virtual: a seed says how long each computation takes, so that a run can be repeated, but
# gradients are real, and of the parameters that the replica had fetched. While one computes, the other three push: its
# gradient is three updates late [S67].

# %%
apart, parameters = trained(groups=4, updates=600, seed=7)
print(apart.table(most=12))
print(apart.histogram(after=4))
stale = apart.staleness(after=4)
assert 2.9 < sum(late * n for late, n in stale.items()) / stale.total() < 3.1
assert apart.losses[-1] < 0.3

again, same = trained(groups=4, updates=600, seed=7)
assert all((a == b).all() for a, b in zip(parameters, same, strict=True))
_, other = trained(groups=4, updates=600, seed=8)
assert any((a != b).any() for a, b in zip(parameters, other, strict=True))

# %% [markdown]
# ## Both
# Two groups of two: each update is a mean over two shards, and one update late.

# %%
both, _ = trained(groups=2, updates=300, seed=7)
stale = both.staleness(after=2)
assert 0.9 < sum(late * n for late, n in stale.items()) / stale.total() < 1.1
assert both.losses[-1] < 0.3
assert together.updates[149].time > both.updates[149].time > apart.updates[149].time  # of fewer examples each

# %% [markdown]
# ## When a machine is lost
# An asynchronous replica takes a quarter of the updates with it, and the rest go on [S68]. A synchronous one stops all
# of them [S66]; in a cluster, `tf.train.train_with_recovery` is the loop that then goes back to a checkpoint.

# %%
fewer, _ = trained(groups=4, updates=200, lost={2: 25.0})
assert 0.7 < fewer.throughput(25, 50) / fewer.throughput(5, 25) < 0.8
assert {update.group for update in fewer.updates if update.time > 27} == {0, 1, 3}

try:
    trained(groups=1, updates=200, lost={2: 25.0})
except tf.errors.AbortedError as error:
    print(error)
    assert "replica 2 at 25 s" in str(error)
else:
    raise AssertionError("it should have waited for replica 2")
