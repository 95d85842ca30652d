"""Random numbers on a card are the CPU's, bit for bit, also where a captured step is replayed."""

import numpy as np
import pytest

import refflow as tf
from refflow.core.dtypes import as_dtype
from refflow.core.registry import op_def
from refflow.ops.philox import Philox, PhiloxStream
from refflow.runtime.device import Device
from refflow.runtime.gpu_kernels import place_of
from refflow_kernels.gpu import KERNELS
from refflow_kernels.interpreter import Memory
from tests.kernels.test_gpu_device import simulated_gpu

OPS = ("RandomUniform", "RandomStandardNormal", "TruncatedNormal")


def drawn(op_type, stream, shape, dtype):
    out = Memory.empty(shape, dtype)
    state = Memory.of(place_of(stream, int(np.prod(shape))))
    KERNELS[op_type].function(shape, dtype=as_dtype(dtype), state=state, out=out)
    assert out.guard_is_whole()
    return out.array


@pytest.mark.parametrize("op_type", OPS)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("shape", [(7,), (3, 5), (1030,), ()])
def test_the_bits_are_the_cpu_s(op_type, dtype, shape):  # [W73]
    ours, theirs = PhiloxStream(12345, 678), PhiloxStream(12345, 678)
    for _ in range(2):  # the second run goes on where the first one ended
        wanted = op_def(op_type).reference(np.array(shape, np.int32), as_dtype(dtype), theirs)
        np.testing.assert_array_equal(drawn(op_type, ours, shape, dtype), wanted)


@pytest.mark.parametrize(("rows", "classes", "samples"), [(3, 5, 4), (70, 10, 1), (2, 2100, 3), (1, 1, 7), (4, 3, 0)])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_classes_are_the_cpu_s(rows, classes, samples, dtype, rng):  # [W73]
    """Also of rows with classes without a chance, or with none that has one; run after run."""
    scores = (3 * rng.normal(size=(rows, classes))).astype(dtype)
    if rows > 2:
        scores[0, 1:], scores[1, :2], scores[2] = -np.inf, [np.inf, np.nan], -np.inf
    ours, theirs = PhiloxStream(3, 4), PhiloxStream(3, 4)
    kernel, kind = KERNELS["Multinomial"], as_dtype("int64")
    for _ in range(2):
        wanted = op_def("Multinomial").reference(scores, np.array(samples, np.int32), kind, theirs)
        out, given = Memory.empty(wanted.shape, np.int64), Memory.of(scores)
        state = Memory.of(place_of(ours, kernel.reserves(wanted.shape)))
        kernel.function(given, np.array(samples, np.int32), output_dtype=kind, state=state, out=out)
        assert out.guard_is_whole() and given.guard_is_whole()
        np.testing.assert_array_equal(out.array, wanted)


@pytest.mark.parametrize("capture", [True, False])
def test_a_policy_s_actions_are_the_cpu_s_at_each_step(capture):  # [W72, W73]
    graph = tf.Graph()
    with graph.as_default():
        x = tf.placeholder(tf.float32, [6, 4])
        actions = op_def("Multinomial")(tf.nn.relu(x) * 2.0, 3, seed=3, seed2=4, output_dtype="int32")
        taken = tf.reduce_sum(op_def("OneHot")(actions, 4, 1.0, 0.0) * tf.expand_dims(x, 1))
    found = []
    for devices in ([Device(0)], [Device(0), simulated_gpu()]):
        with tf.Session(graph=graph, devices=devices, allow_soft_placement=True, capture=capture) as session:
            given = {x: np.float32(np.arange(24).reshape(6, 4) % 5 - 2)}
            where = session.stages(session.signature([actions], [x])).placement
            found.append([session.run([actions, taken], given) for _ in range(3)])
    assert {row.device[-5:] for row in where if row.op_type == "Multinomial"} == {"gpu:0"}
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_array_equal(ours[0], theirs[0])
        assert ours[1] == pytest.approx(theirs[1], rel=1e-6)
    assert not np.array_equal(found[0][0][0], found[0][1][0])


def test_a_quarter_of_a_million_normal_numbers_are_the_cpu_s():
    """Sine and cosine are other polynomials than the CPU's, and come to the same float32."""
    ours, theirs = PhiloxStream(1, 2), PhiloxStream(1, 2)
    wanted = op_def("RandomStandardNormal").reference([1 << 18], as_dtype("float32"), theirs)
    np.testing.assert_array_equal(drawn("RandomStandardNormal", ours, (1 << 18,), "float32"), wanted)


def test_the_counter_goes_on_into_its_upper_half():
    stream = PhiloxStream(7, 9)
    stream.origin = Philox(2**63 + 5, 2**64 - 3)
    out = Memory.empty((40,), np.float32)
    KERNELS["RandomUniform"].function((40,), state=Memory.of(place_of(stream, 40)), out=out)
    again = PhiloxStream(7, 9)
    again.origin = Philox(2**63 + 5, 2**64 - 3)
    np.testing.assert_array_equal(out.array, op_def("RandomUniform").reference([40], as_dtype("float32"), again))


@pytest.mark.parametrize("capture", [True, False])
def test_a_step_draws_what_the_cpu_draws_each_time(capture):  # [W72, W73]
    graph = tf.Graph()
    with graph.as_default():
        x = tf.placeholder(tf.float32, [6, 10])
        y = tf.nn.dropout(x, 0.5, seed=3) + tf.random_normal([6, 10], seed=4) * tf.truncated_normal([10], seed=5)
        mean = tf.reduce_sum(tf.square(y))
    found = []
    for devices in ([Device(0)], [Device(0), simulated_gpu()]):
        with tf.Session(graph=graph, devices=devices, allow_soft_placement=True, capture=capture) as session:
            where = session.stages(session.signature([mean], [x])).placement
            found.append([session.run(y, {x: np.ones((6, 10))}) for _ in range(4)])
    assert {row.device[-5:] for row in where if row.op_type in OPS} == {"gpu:0"}
    np.testing.assert_array_equal(*found)
    assert not np.array_equal(found[0][0], found[0][1])
