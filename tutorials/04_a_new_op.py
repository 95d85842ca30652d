# %% [markdown]
# # A new operation
#
# An operation is a signature, a kernel, a gradient and an example; everything else follows [S44]. This one is
# softplus, log(1 + exp(x)), written so that it does not overflow.

# %%
import numpy as np

import refflow as tf
from refflow.core.dtypes import FLOATS

SOFTPLUS = tf.define_op("MySoftplus", "x: T[...S] -> y: T[...S]", T=FLOATS, accuracy="transcendental")


@SOFTPLUS.kernel
def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


@SOFTPLUS.gradient
def softplus_gradient(op, dy):
    """dx = dy * sigmoid(x)."""
    return dy * tf.sigmoid(op.inputs[0])


SOFTPLUS.case("S44", "a soft kink", x=[0.0, 1000.0], y=[np.log(2), 1000.0])

# %% [markdown]
# It builds nodes, infers shapes, checks types and differentiates like the others.

# %%
x = tf.constant([[0.0, 1000.0, -1000.0]])
y = SOFTPLUS(x, name="soft")
(dx,) = tf.gradients(y, x)
assert y.get_shape() == [1, 3]
with tf.Session() as session:
    value, slope = session.run([y, dx])
np.testing.assert_allclose(value, [[np.log(2), 1000, 0]], rtol=1e-6)
np.testing.assert_allclose(slope, [[0.5, 1, 0]], atol=1e-7)

try:
    SOFTPLUS(tf.constant([1, 2]))
except TypeError as error:
    assert "MySoftplus" in str(error) and "T = int32 is not allowed" in str(error)
