# %% [markdown]
# # Devices, sends and receives
#
# Two virtual CPU devices in one process behave like two machines: what crosses is sent [S33, W23].

# %%
import refflow as tf

graph = tf.get_default_graph()
with graph.device("/cpu:0"):
    x = tf.constant([1.0, 2.0, 3.0], name="x") * 2.0
with graph.device("/cpu:1"):
    y = tf.reduce_sum(x, name="y")
    z = tf.reduce_max(x, name="z")

# %% [markdown]
# `x` has two users on the other device, but it travels once [W24].

# %%
with tf.Session(device_count={"CPU": 2}, executor="executor", log=True) as session:
    assert session.run([y, z]) == [12.0, 6.0]
    sent = [event for event in session.log.of_kind("send") if "edge" in event.node and "_mul" in event.node]
assert len(sent) == 1

# %% [markdown]
# Placement says what it decided and why [S35].

# %%
with tf.Session(device_count={"CPU": 2}, optimize=False) as session:
    rows = session.stages(session.signature([y, z])).placement
reasons = {row.node: (row.device[-5:], row.reason) for row in rows}
assert reasons["y"] == ("cpu:1", "asked for /cpu:1")
