# %% [markdown]
# # Where nodes go, what travels, and what lies in memory
#
# Four virtual CPU devices in one process stand for four machines. One layer of a net lives on each.

# %%
import numpy as np

import refflow as tf
from refflow.runtime.costs import CostModel
from refflow.runtime.place import table

rng = np.random.default_rng(0)
x = tf.placeholder(tf.float32, [256, 64], name="x")
h, variables = x, []
for k in range(4):
    with tf.device(f"/cpu:{k}"):
        w = tf.Variable(rng.normal(size=(64, 64)).astype(np.float32), name=f"w{k}")
        z = tf.matmul(h, w, name=f"z{k}")
        h = tf.mul(z, tf.sigmoid(z), name=f"h{k}")
        variables.append(w)
loss = tf.reduce_mean(tf.square(h), name="loss")
step = tf.train.GradientDescentOptimizer(0.1).minimize(loss)
feeds = {x: rng.normal(size=(256, 64)).astype(np.float32)}


def trained(**options):
    """The loss after three steps, and the stages of a step."""
    with tf.Session(device_count={"CPU": 4}, kernels="reference", **options) as session:
        session.run(tf.initialize_all_variables())
        losses = [session.run([loss, step], feeds)[0] for _ in range(3)]
        return losses, session.stages(session.signature([loss, step], [x]), [(256, 64)])


losses, stages = trained()

# %% [markdown]
# The table says of each node where it could be, where it is, and why [S35]. Who updates a variable is where it lives.

# %%
print(table(stages.placement))
rows = {row.node: row for row in stages.placement}
assert rows["z2"].device.endswith("cpu:2") and "asked for /cpu:2" in rows["z2"].reason
update = next(row for name, row in rows.items() if "update_w3" in name)
assert update.device.endswith("cpu:3") and update.reason.endswith("with w3")

# %% [markdown]
# Each tensor moves once for each device that wants it [W24]: the next layer's, and cpu:0, where the gradients are for
# want of a request. Sent as 16 bits it has half the bytes, and the numbers are a little different [W52].

# %%
there = [(t.destination[-5:], t.nbytes) for t in stages.transfers if t.value == "h1:0"]
assert sorted(there) == [("cpu:0", 256 * 64 * 4), ("cpu:2", 256 * 64 * 4)]
cut_losses, cut = trained(lossy_transfers=True)
halved = {t.value: t.nbytes for t in cut.transfers if t.is_lossy}
assert halved["h1:0"] == 256 * 64 * 2
assert 0 < abs(cut_losses[0] - losses[0]) < 0.05 * losses[0]

# %% [markdown]
# Without requests the greedy placer decides, by a simulation of the step [W20]. It goes by rule, or by what was
# measured.

# %%
for op in tf.get_default_graph().get_operations():
    op._set_device("")
_, greedy = trained(placer="greedy", costs=CostModel(latency=1.0))
assert all(len(row.finish) in (1, 4) for row in greedy.placement)

# %% [markdown]
# On one device, activations wait for the backward pass while memory is fullest. What is cheap can be computed again
# instead of kept: less memory, and not one bit changes [W33].

# %%
again_losses, again = trained(recompute="cheap")
(saving,) = again.saving
print(saving)
assert saving.total_after < 0.8 * saving.total_before and again_losses == losses
