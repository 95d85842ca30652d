# %% [markdown]
# # The system before
#
# DistBelief trained deep nets on thousands of machines before TensorFlow was there, and is why TensorFlow came to be:
# it scaled very well, and was too rigid for research [S01, S02, S03]. `refflow.distbelief` is that system as its paper
# describes it: layers, partitions of them over machines, replicas of a model, and a server that holds the parameters.
# Numbers are computed for real; machines and links are simulated, in virtual time.

# %%
import numpy as np

import refflow as tf
from refflow import distbelief as db

rng = np.random.default_rng(0)
X = rng.normal(size=(512, 20)).astype(np.float32)
TARGETS = np.eye(4, dtype=np.float32)[np.tanh(X @ rng.normal(size=(20, 4))).argmax(axis=1)]

# %% [markdown]
# ## A layer says what a unit computes
# and which units below it reads [D01]. Everything else follows. Here is a net over small pictures; each unit of its
# first layer reads a window of 3 x 3, with weights of its own.

# %%
network = db.Network([8, 8, 1], [db.LocallyConnected((3, 3), maps=4), db.Tanh(), db.Dense(16), db.Tanh(), db.Dense(4)])
assert network.shapes == [(8, 8, 1), (6, 6, 4), (6, 6, 4), (16,), (16,), (4,)]

# %% [markdown]
# Cut the pictures in four tiles, one for each of four machines, and see who must send what to whom. At a seam, units of
# one tile read units of another. A state goes once to each machine that reads it, however many units there do [D02].

# %%
tiles = db.Partition.by_place(network, 2, 2)
sent = list(tiles.transfers())
print(sum(message.units for message in sent), "states for", tiles.crossing_edges(), "edges between machines")
assert sum(message.units for message in sent) < tiles.crossing_edges() / 3

# %% [markdown]
# The four together compute what one would; only the order of sums differs. Then for how long? `step_seconds` lets the
# same messages run through machines and links on a virtual clock [D03]. Layers that read everything gain from a few
# machines, and lose from too many:

# %%
pictures, rows = rng.normal(size=(5, 8, 8, 1)), np.eye(4)[rng.integers(0, 4, 5)]
whole, parameters = db.Partition.whole(network), network.initial(seed=1, dtype=np.float64)
alone, together = (db.loss_and_gradient(p, p.pack(parameters), pictures, rows)[0] for p in (whole, tiles))
assert abs(alone - together) < 1e-12

links = db.Links(db.Clock(), latency=1e-4, bandwidth=1.25e8, per_message=3e-5)
dense = db.Network([500], [db.Dense(2000), db.Sigmoid(), db.Dense(2000), db.Sigmoid(), db.Dense(1000)])
machines = [1, 2, 4, 8, 16, 32]
gains = db.speedups([db.Partition.by_channel(dense, p) for p in machines], 4, 1e10, links)
print({p: round(gain, 1) for p, gain in zip(machines, gains, strict=True)})
assert gains.index(max(gains)) in (2, 3) and gains[-1] < max(gains) / 1.5

# %% [markdown]
# ## Downpour
# A replica fetches parameters, takes a gradient on its own part of the data, and pushes it to the server's shards; and
# so again, without looking at what the others do. One replica, without delays, is gradient descent, bit by bit [D06]:

# %%
def net():
    return db.Network([20], [db.Dense(16), db.Tanh(), db.Dense(4)])


one = db.Downpour(net(), X, TARGETS, db.Sgd(0.2), db.ClientLoop(batch=16)).run(steps=50)

plain = db.Partition.whole(net())
w = plain.pack(net().initial())
for event in one.clock.events("compute"):
    batch = event.what["rows"]
    w -= np.float32(0.2) * db.loss_and_gradient(plain, w, X[batch], TARGETS[batch])[1]
assert np.array_equal(w, one.server.vector())

# %% [markdown]
# Now four replicas and three shards, on machines that are not equally fast and over links that take their time. The
# seed fixes what happens when; the log has it all. Each line says when, who, what. (Print more of them.)


# %%
def cluster(seed=1, rule=None, **settings):
    links = db.Links(db.Clock(seed), latency=1e-4, bandwidth=2e7, slowness=db.uneven(0.5))
    around = {"replicas": 4, "shards": 3, "links": links, "speed": 3e7, "slowness": db.uneven(0.3)} | settings
    return db.Downpour(net(), X, TARGETS, rule or db.Adagrad(0.1), db.ClientLoop(batch=16), **around)


four = cluster()
before = four.loss()
four.run(until=0.15)
for event in four.clock.log[:12]:
    print(event)
assert four.loss() < before / 4 and four.accuracy() > 0.95

# %% [markdown]
# Nothing holds the shards together. While one has applied a push, another has not yet seen it, and two pushes may
# arrive at two shards in two orders [D05]. So a replica computes with parameters of which some are older than others,
# and no vector that it ever saw was the model at any one time. That it learns all the same is the paper's finding.

# %%
orders = {}
for event in four.clock.events("apply"):
    orders.setdefault(event.who, []).append((event.what["replica"], event.what["step"]))
first, second, third = orders.values()
assert first[:100] != second[:100] != third[:100]
ages = [event.what["age"] for event in four.clock.events("apply")]
assert max(ages) > 2  # how many updates a shard has made since the gradient's parameters were read from it

# %% [markdown]
# More replicas, more examples a second, until the links into the server are full [S02]. A replica that fails takes its
# share with it, and nothing else [D07].

# %%
curve = {r: cluster(replicas=r, shards=1).run(until=0.03).examples_per_second(since=0.01) for r in (1, 2, 4, 16, 24)}
print({replicas: round(rate) for replicas, rate in curve.items()})
assert curve[4] > 3 * curve[1] and curve[24] < 1.1 * curve[16]

failing = cluster()
failing.fail(2, at=0.05)
failing.run(until=0.1)
assert failing.examples_per_second(0.06, 0.1) < 0.85 * failing.examples_per_second(0.01, 0.05)
assert [replica.number for replica in failing.replicas if not replica.machine.is_up] == [2]

# %% [markdown]
# Many replicas at a high rate may throw each other off at the start, when gradients are large and soon stale. So one of
# them trains alone first, and releases the others when it has come some way [D09]. How far off do they get?


# %%
def first_losses(warm_start):
    many = cluster(replicas=16, rule=db.Sgd(2.0), warm_start=warm_start).run(until=0.06)
    return [event.what["loss"] for event in many.clock.events("update")]


cold, warm = first_losses(0), first_losses(50)
print(f"the largest losses on the way: {max(cold):.1f} without, {max(warm):.1f} with a warm start")
assert max(warm) < max(cold)

# %% [markdown]
# ## What it cannot do
# The server knows two rules, and runs where you do not [S03]. A parameter belongs to one layer. Layers are computed in
# their order, once. Ask for something else, and hear why not:

# %%
tied = db.Dense(20)
refused = [
    lambda: db.Downpour(net(), X, TARGETS, lambda w, g: w - 0.1 * np.sign(g)),
    lambda: db.Network([20], [tied, db.Tanh(), tied]),
    lambda: db.Network.described([20], [{"kind": "dense", "units": 20, "name": "h", "below": "h"}]),
]
for ask in refused:
    try:
        ask()
    except db.FixedStructure as error:
        print(f"- {error}")
    else:
        raise AssertionError("DistBelief has a place for this")

# %% [markdown]
# ## The same in a graph
# TensorFlow's answer: no server. Parameters are variables, updates are nodes, and a replica is a part of the graph like
# any other. Here the run of `one` above is repeated by a graph, from the list of what happened to which numbers. With
# one replica, that is: read all, compute on these rows, apply.

# %%
start = net().initial()
variables = [tf.Variable(value) for value in start.values()]
w1, b1, w2, b2 = variables
batch = tf.placeholder(tf.int64, [None])
x, targets = tf.gather(tf.constant(X), batch), tf.gather(tf.constant(TARGETS), batch)
scores = tf.matmul(tf.tanh(tf.matmul(x, w1) + b1), w2) + b2
loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(scores, targets))
step = tf.train.GradientDescentOptimizer(0.2).minimize(loss)

with tf.Session() as session:
    session.run(tf.initialize_all_variables())
    for action in db.schedule(one.clock.log):
        if action.kind == "compute":
            session.run(step, {batch: action.rows})
    for ours, theirs in zip(session.run(variables), one.parameters.values(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)

# %% [markdown]
# `tests/distbelief/test_both_systems.py` does so for three replicas with stale gradients, and Adagrad on the shards.
