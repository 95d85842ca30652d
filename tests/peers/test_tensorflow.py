"""TensorFlow itself as the oracle: pip install '.[test,peers]', then pytest -m peers."""

import inspect
import os

import numpy as np
import pytest

import refflow as tf
from tests.cases import CASES, IDS, attrs_of, expected, inputs_of

pytestmark = pytest.mark.peers
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# Arguments that today's TensorFlow calls otherwise.
RENAMED = {"reduction_indices": "axis", "dim": "axis", "squeeze_dims": "axis", "split_dim": "axis"}
# What today's TensorFlow takes, and the first release, or its kernels, did not; and what it builds another way.
BEYOND = {"Softmax: scores are a matrix", "DataFormatDimMap: as many axes as letters"}
BEYOND |= {"QuantizedAdd: one by one, and stretched"}  # few elements, and TensorFlow reads beyond its memory
APART = {"Const", "Select", "TileGrad", "NoOp", "GetSessionHandle"}
# What TensorFlow has for GPUs only, no longer, or leaves unchecked.
APART |= {"CTCLossV2", "Conv2DBackpropFilterV2", "Conv2DBackpropInputV2", "MaxPoolGradGradWithArgmax"}
APART |= {"QuantizedDepthwiseConv2D", "QuantizedReluX"}
APART |= {"BatchNormWithGlobalNormalization", "BatchNormWithGlobalNormalizationGrad"}
APART |= {"Conv3DBackpropFilter", "Conv3DBackpropInput"}
COMPARED = [
    (op, case)
    for name, (op, case) in zip(IDS, CASES, strict=True)
    if name not in BEYOND and op.name not in APART and not op.ref_inputs
]


@pytest.fixture(scope="module")
def tensorflow():
    return pytest.importorskip("tensorflow", reason="the oracle is TensorFlow: pip install '.[peers]'")


def whole(array):
    """The integers of a quantized array, any other as it is."""
    return array.view(array.dtype[0]).reshape(array.shape) if array.dtype.names else array


def there(tensorflow, array):
    """An array as TensorFlow's constant; quantized ones by their bits."""
    found = tensorflow.constant(whole(array))
    return tensorflow.bitcast(found, getattr(tensorflow, array.dtype.names[0])) if array.dtype.names else found


@pytest.mark.parametrize(("op", "case"), COMPARED, ids=[f"{o.name}: {c.title}" for o, c in COMPARED])
def test_a_case_holds_in_tensorflow(tensorflow, op, case):
    function = getattr(tensorflow.raw_ops, op.name)
    parameters = inspect.signature(function).parameters
    attrs, arguments = attrs_of(op, case), {}
    for arg, value in zip(op.inputs, inputs_of(op, case, attrs), strict=True):
        name = arg.name if arg.name in parameters else RENAMED[arg.name]
        several = isinstance(value, list)
        arguments[name] = [there(tensorflow, v) for v in value] if several else there(tensorflow, value)
    for key, value in attrs.items():
        name = key if key in parameters else RENAMED.get(key, key)
        if name in parameters and name not in arguments:
            arguments[name] = getattr(tensorflow.dtypes, value.name) if isinstance(value, tf.DType) else value
    if case.error is not None:
        with pytest.raises((ValueError, TypeError, tensorflow.errors.OpError)):
            function(**arguments)
        return
    result = function(**arguments)
    outputs = [o.numpy() for o in tensorflow.nest.flatten(result)]
    for got, wanted in zip(outputs, expected(op, case), strict=True):
        if wanted is not None:
            got, wanted = whole(got), whole(wanted)
            assert got.dtype == wanted.dtype and got.shape == wanted.shape
            np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-7)


def program(lib, x, y, seed):
    """The deck's program in either library, with the op seed given, since the two count nodes differently."""
    examples, labels = lib.constant(x), lib.constant(y)
    weights = lib.Variable(lib.truncated_normal([x.shape[1], y.shape[1]], seed=seed))
    b = lib.Variable(lib.zeros([y.shape[1]]))
    logits = lib.matmul(examples, weights) + b
    return logits, labels


def test_the_deck_s_program_gives_tensorflow_s_losses(tensorflow, rng):  # [S29]
    v1 = tensorflow.compat.v1
    x = rng.normal(size=(64, 16)).astype(np.float32)
    y = np.eye(3, dtype=np.float32)[rng.integers(0, 3, 64)]
    with tensorflow.Graph().as_default(), v1.Session() as session:
        logits, labels = program(v1, x, y, 5)
        loss = v1.reduce_mean(v1.nn.softmax_cross_entropy_with_logits(labels=labels, logits=logits))
        step = v1.train.GradientDescentOptimizer(0.5).minimize(loss)
        session.run(v1.global_variables_initializer())
        theirs = [session.run([loss, step])[0] for _ in range(200)]
    with tf.Session() as session:
        logits, labels = program(tf, x, y, 5)
        loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(logits, labels))
        step = tf.train.GradientDescentOptimizer(0.5).minimize(loss)
        session.run(tf.initialize_all_variables())
        ours = [session.run([loss, step])[0] for _ in range(200)]
    np.testing.assert_allclose(ours, theirs, rtol=2e-6)


OPTIMIZERS = {
    "Momentum": lambda lib: lib.train.MomentumOptimizer(0.1, 0.9),
    "Adagrad": lambda lib: lib.train.AdagradOptimizer(0.1),
    "RMSProp": lambda lib: lib.train.RMSPropOptimizer(0.1, 0.9, 0.5),
    "Adam": lambda lib: lib.train.AdamOptimizer(0.1),
}


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_an_optimizer_takes_tensorflow_s_steps(tensorflow, kind):  # [W78]
    def trained(lib, initialize):
        with lib.Graph().as_default():
            v = lib.Variable(np.array([[1, 2], [3, 4]], np.float32))
            loss = lib.reduce_sum(lib.square(lib.matmul(lib.constant(np.array([[1, 2]], np.float32)), v) - 1.0))
            step = OPTIMIZERS[kind](lib).minimize(loss)
            init = initialize()
            with lib.Session() as session:
                session.run(init)
                for _ in range(20):
                    session.run(step)
                return session.run(v)

    v1 = tensorflow.compat.v1
    theirs = trained(v1, v1.global_variables_initializer)
    # The variable passes through 2 to 4, where each of 20 steps rounds by half of 2**-22.
    np.testing.assert_allclose(trained(tf, tf.initialize_all_variables), theirs, rtol=0, atol=10 * 2.0**-22)
