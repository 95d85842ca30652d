"""TensorFlow itself as the oracle: pip install '.[test,peers]', then pytest -m peers."""

import inspect
import os

import numpy as np
import pytest

import refflow as tf
from tests.cases import CASES, IDS, attrs_of, expected, inputs_of
from tests.peers.availability import ENDS_THE_PROCESS, as_theirs, lack

pytestmark = pytest.mark.peers
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# Arguments that today's TensorFlow calls otherwise.
RENAMED = {"reduction_indices": "axis", "dim": "axis", "squeeze_dims": "axis", "split_dim": "axis",
           "input": "condition", "t": "x", "e": "y"}  # fmt: skip
BEYOND = {
    "Softmax: scores are a matrix",  # the first release's rule; today's takes any rank
    "DataFormatDimMap: as many axes as letters",  # TensorFlow does not count them
    "FractionalAvgPoolGrad: as many pictures as the image has",  # TensorFlow does not look at either
    "FractionalAvgPoolGrad: regions end with the image",
    "QuantizedAdd: ranges begin at a whole number of steps",
    "QuantizedAdd: one by one, and stretched",  # few elements, and TensorFlow reads beyond its memory
    "RealDiv: integers truncate toward zero",  # TensorFlow has kernels for real numbers alone
    "Conv2D: no filters give no channels",  # TensorFlow wants one at least
    "DiagPart: a scalar is its own diagonal", "ReverseV2: a scalar stays as it is",  # its kernels would
    "ExtractJpegShape: the header says it",  # libjpeg wants more of a file than a header
}
APART = {
    "Abort",  # ends TensorFlow's whole process
    "Const",  # the example's value is an attribute
    "FakeParam",  # TensorFlow leaves the memory as it was
    "GetSessionHandle",  # TensorFlow's client keeps what it gives
    "QuantizedDepthwiseConv2D",  # TensorFlow's kernel gives no output
}
FREE_BYTES = {"EncodePng", "ImageSummary"}  # compressed another way
COMPARED = [
    (op, case)
    for name, (op, case) in zip(IDS, CASES, strict=True)
    if name not in BEYOND and op.name not in APART and not op.ref_inputs
]


@pytest.fixture(scope="module")
def tensorflow():
    return pytest.importorskip("tensorflow", reason="the oracle is TensorFlow: pip install '.[peers]'")


def whole(array):
    """An array whose type NumPy itself has: of types that it lacks the integers with those bits."""
    if array.dtype.names:
        array = array.view(array.dtype[0]).reshape(array.shape)
    elif array.dtype.isbuiltin != 1:  # ml_dtypes'
        four = array.dtype.name in ("int4", "uint4")
        array = array.view(f"u{array.dtype.itemsize}") & 15 if four else array.view(f"u{array.dtype.itemsize}")
    return array


def there(tensorflow, array):
    """An array as TensorFlow's constant; quantized ones by their bits."""
    found = as_theirs(tensorflow, array)
    if not found.dtype.names:
        return tensorflow.constant(found)
    return tensorflow.bitcast(tensorflow.constant(whole(array)), getattr(tensorflow, array.dtype.names[0]))


def attribute(tensorflow, value):
    """An attribute as TensorFlow's functions take it."""
    if isinstance(value, tf.DType):
        return tensorflow.as_dtype(value.name)
    if isinstance(value, tf.TensorShape):
        return tensorflow.TensorShape(value.as_tuple)
    return tensorflow.make_tensor_proto(value) if isinstance(value, np.ndarray) else value


def plain(v1):
    """A session that runs a graph as it is: TensorFlow's folding of constants breaks some, as FusedBatchNorm's."""
    config = v1.ConfigProto()
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    config.graph_options.optimizer_options.opt_level = v1.OptimizerOptions.L0
    return v1.Session(config=config)


def node(tensorflow, op, case):
    """The case as a node of TensorFlow's; its outputs in a list."""
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
            arguments[name] = attribute(tensorflow, value)
    return tensorflow.nest.flatten(function(**arguments))


@pytest.mark.parametrize(("op", "case"), COMPARED, ids=[f"{o.name}: {c.title}" for o, c in COMPARED])
def test_a_case_holds_in_tensorflow(tensorflow, op, case):
    why = lack(op.name, today=True)
    if why is None and not hasattr(tensorflow.raw_ops, op.name):
        why = f"TensorFlow has no function that makes a node of {op.name}"
    if (op.name, case.title) in ENDS_THE_PROCESS:
        why = "TensorFlow ends the process"
    if why is not None:
        pytest.skip(why)
    with tensorflow.Graph().as_default(), plain(tensorflow.compat.v1) as session:
        if case.error is not None:
            with pytest.raises((ValueError, TypeError, tensorflow.errors.OpError)):
                session.run(node(tensorflow, op, case))
            return
        outputs = node(tensorflow, op, case)
        types = [getattr(o, "dtype", None) for o in outputs]  # an operation without outputs has none
        found = session.run(outputs)
    for got, dtype, wanted in zip(found, types, expected(op, case) or [None], strict=True):
        if wanted is not None and op.name not in FREE_BYTES:
            got, wanted = whole(np.asarray(got, dtype.as_numpy_dtype)), whole(wanted)
            assert got.dtype == wanted.dtype and got.shape == wanted.shape
            if wanted.dtype.kind in "fc":
                np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-7)
            else:
                np.testing.assert_array_equal(got, wanted)


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
