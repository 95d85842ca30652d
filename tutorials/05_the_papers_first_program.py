# %% [markdown]
# # The whitepaper's first program
#
# Figure 1 of the whitepaper shows a layer in a few lines. As printed it does not run, in the release neither [E04]: its
# placeholder has no type, and a 784 by 100 matrix stands to the left of a vector of 100. Here is why, and what was
# meant.

# %%
import numpy as np

import refflow as tf

b = tf.Variable(tf.zeros([100]))  # 100-d vector, init to zeroes
W = tf.Variable(tf.random_uniform([784, 100], -1, 1))  # 784x100 matrix with random values

# %% [markdown]
# `x = tf.placeholder(name="x")` says nothing about what will be fed. An edge of a graph has a type when it is built.

# %%
try:
    tf.placeholder(name="x")
except TypeError as error:
    assert "dtype" in str(error)

# %% [markdown]
# `tf.matmul(W, x) + b` with an x of 100 rows gives 784 numbers for each example, and b has 100.

# %%
x = tf.placeholder(tf.float32, [100, 1], name="x")
try:
    tf.matmul(W, x) + tf.reshape(b, [100, 1])
except tf.GraphError as error:
    assert "784" in str(error) and "100" in str(error)

# %% [markdown]
# What was meant: an example is a row of 784 pixels, and the layer makes 100 numbers of it.

# %%
x = tf.placeholder(tf.float32, [None, 784], name="x")
relu = tf.nn.relu(tf.matmul(x, W) + b)  # Relu(xW+b)
C = tf.reduce_sum(relu)  # cost computed as a function of relu
assert relu.get_shape().as_list() == [None, 100]

s = tf.Session()
s.run(tf.initialize_all_variables())
for step in range(10):
    examples = np.full((5, 784), step / 10, np.float32)  # create the input array
    result = s.run(C, feed_dict={x: examples})  # fetch the cost, feeding x
    assert result >= 0 and (result == 0) == (step == 0)
s.close()
