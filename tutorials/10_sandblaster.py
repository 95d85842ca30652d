# %% [markdown]
# # An optimizer without a home
#
# Downpour's replicas each go their own way. Sandblaster, DistBelief's other half, is one optimizer for all machines: it
# takes all examples at a time, and its vectors lie in pieces on many shards. Who runs it, the *coordinator*, has none
# of them. How do you run L-BFGS on vectors that you never see [D10, D12]?

# %%
import numpy as np

from refflow import distbelief as db

rng = np.random.default_rng(0)
X = rng.normal(size=(600, 10))
TARGETS = np.eye(3)[np.tanh(X @ rng.normal(size=(10, 3))).argmax(axis=1)]
network = db.Network([10], [db.Dense(12), db.Tanh(), db.Dense(3)])
loss = db.NetworkLoss(network, X, TARGETS)
w = loss.partition.pack(network.initial(seed=0, dtype=np.float64))

# %% [markdown]
# ## Four commands
# Scale, add, multiply, and dot product, on vectors that are called by name. Only the last has a result, one number from
# each shard. A program yields commands and is sent the numbers; here is one that measures a gradient, as a length and
# along itself. `Evaluate` is for the replicas: the loss at one vector, its gradient into another.


# %%
def steepness():
    loss_there = yield db.Evaluate("parameters", "g")
    yield db.Scale("down", -1.0, "g")
    yield db.Multiply("squares", "g", "g")
    return loss_there, (yield db.Dot("g", "down")), (yield db.Dot("squares", "squares"))


cluster = db.Sandblaster(loss, w, replicas=4, shards=3)
value, along, fourth = cluster.run(steepness())
expected, gradient = loss.part(w, 0, len(loss))
assert np.allclose([value, along, fourth], [expected, -(gradient @ gradient), (gradient**4).sum()])

# %% [markdown]
# ## L-BFGS is such a program
# Its two loops over the last steps are dots and sums of scaled vectors; its search tries points, a whole batch each.
# The log has every command:

# %%
cluster = db.Sandblaster(loss, w, replicas=4, shards=3)
outcome = cluster.minimize(max_steps=15)
print(f"loss {outcome.losses[0]:.3f} -> {outcome.losses[-1]:.4f} in {outcome.steps} steps")
for _, command in cluster.coordinator.log[-12:]:
    print("   ", command)
assert outcome.losses[-1] < outcome.losses[0] / 3

# %% [markdown]
# and one machine, which holds whole vectors, goes the same way up to rounding:

# %%
alone = db.alone(db.minimize(max_steps=15), {"parameters": w}, lambda v: loss.part(v, 0, len(loss)))
assert np.allclose(alone.slots["parameters"], cluster.parameters, atol=1e-8)

# %% [markdown]
# What did the coordinator hear? No message carried more than one number:

# %%
for sender, total in sorted(cluster.received().items()):
    messages = cluster.links.messages[sender, "coordinator"]
    print(f"{sender:<10} {messages:5} messages {total:7} bytes")
    assert total <= 72 * messages

# %% [markdown]
# ## Portions
# A batch is everything there is, so all replicas wait for the slowest. If each had its fixed share, one slow machine
# would set the pace. So the batch is cut fine; who is idle gets the next portion, and near the end what is still out is
# given to a second one, and the first result counts [D11]. Let one of four machines be ten times as slow:


# %%
def seconds(static):
    slow = [db.steady, db.steady, db.steady, lambda chance: 10.0]
    links = db.Links(db.Clock(), latency=1e-4, bandwidth=1e8)
    more = {"slowness": slow, "links": links, "seconds": 1e-3}
    cluster = db.Sandblaster(loss, w, replicas=4, portions=60, static=static, **more)
    cluster.run(steepness())
    kept = [event.what["replica"] for event in cluster.clock.events("keep")]
    print(f"{'equal' if static else 'fine'} parts: {cluster.clock.now:.3f} s, portions of each {np.bincount(kept)}")
    assert len(kept) == 60
    return cluster.clock.now


assert seconds(static=False) < 0.2 * seconds(static=True)

# %% [markdown]
# `python -m refflow.distbelief.comparison` lets this and Downpour train one net, a toy, with more and more machines.
