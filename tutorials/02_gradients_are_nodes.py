# %% [markdown]
# # Gradients are nodes
#
# Differentiating a graph gives a larger graph. Nothing else in the system knows about derivatives [W29].

# %%
import refflow as tf

x = tf.constant(3.0, name="x")
y = x * x + x
before = tf.get_default_graph().version
(dx,) = tf.gradients(y, x)
added = tf.get_default_graph().get_operations()[before:]
assert all(op.name.startswith("gradients/") for op in added)

# %% [markdown]
# `x` is used three times, so three contributions arrive and are added by one node [W32].

# %%
assert dx.op.type == "AddN" and len(dx.op.inputs) == 3
with tf.Session() as session:
    assert session.run(dx) == 7.0

# %% [markdown]
# The gradient is a graph like any other, so it has a gradient too.

# %%
(d2x,) = tf.gradients(dx, x)
with tf.Session() as session:
    assert session.run(d2x) == 2.0

# %% [markdown]
# Training is one more operation: it reads the gradient and changes the variable [S32].

# %%
v = tf.Variable(4.0, name="v")
step = tf.train.GradientDescentOptimizer(0.25).minimize(v * v)
with tf.Session() as session:
    session.run(tf.initialize_all_variables())
    values = []
    for _ in range(3):
        session.run(step)
        values.append(float(session.run(v)))
assert values == [2.0, 1.0, 0.5]
