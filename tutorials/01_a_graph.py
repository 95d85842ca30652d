# %% [markdown]
# # A graph
#
# Building a program and running it are two things. This builds the layer of the deck's figures,
# Relu(weights * inputs + biases), looks at what was built, and then runs it [S30, S45].

# %%
import numpy as np

import refflow as tf

inputs = tf.placeholder(tf.float32, [None, 3], name="inputs")
weights = tf.Variable(np.float32([[1, -1], [2, 0], [0, 1]]), name="weights")
biases = tf.Variable(tf.zeros([2]), name="biases")
activations = tf.nn.relu(tf.matmul(inputs, weights) + biases)

# %% [markdown]
# Nothing has been computed. `activations` is an edge of the graph: it has a type and a shape, of which one
# size is not known yet, but no value [S31, S38].

# %%
assert activations.dtype == tf.float32
assert activations.get_shape().as_list() == [None, 2]
assert [op.type for op in tf.get_default_graph().get_operations()[-3:]] == ["MatMul", "Add", "Relu"]

# %% [markdown]
# A session computes. Variables have no value before their initializers have run, and the error says so.

# %%
with tf.Session() as session:
    try:
        session.run(weights)
    except tf.errors.FailedPreconditionError as error:
        assert "weights" in str(error)
    session.run(tf.initialize_all_variables())
    result = session.run(activations, {inputs: [[1, 1, 1], [0, 0, -5]]})
assert result.tolist() == [[3, 0], [0, 0]]

# %% [markdown]
# Which order do the nodes run in? Any that the edges allow. The readable executor takes a policy, and its
# log tells what it did [W17].

# %%
orders = set()
for policy in ("fifo", "lifo", "random(1)", "random(2)", "random(3)"):
    with tf.Session(executor="executor", policy=policy, log=True) as session:
        session.run(tf.initialize_all_variables())
        again = session.run(activations, {inputs: [[1, 1, 1], [0, 0, -5]]})
        assert again.tolist() == result.tolist()
        orders.add(tuple(event.node for event in session.log.of_kind("end") if event.step == 2))
assert len(orders) > 1
