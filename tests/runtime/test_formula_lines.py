"""Small elementwise nodes are written step by step, with the bits of their kernels, into memory that nobody needs."""

import numpy as np
import pytest

import refflow as tf
from refflow.core.registry import op_def, registered_ops
from refflow.runtime.formula_lines import _steps
from tests.graphs import assert_same_bits

SHAPES = [((2, 3), (2, 3)), ((), ()), ((0, 2), (0, 2)), ((3,), (2, 3)), ((2, 1), (1, 3)), ((), (4,))]


def elementwise(dtype=tf.float32):
    found = []
    for op in registered_ops():
        types = op.attrs["T"].allowed if "T" in op.attrs else None
        attrs = {key: attr.default for key, attr in op.attrs.items()} | {"T": dtype}
        plain = len(op.inputs) <= 2 and all(a.type == "T" and a.number is None for a in op.inputs)
        if plain and "Bias" not in op.name and dtype in (types or ()) and op.expression(attrs) is not None:
            found.append(op)
    return found


@pytest.mark.parametrize("op", elementwise(), ids=lambda op: op.name)
def test_each_formula_has_the_bits_of_its_kernel(op, rng):
    broadcasts = len(op.inputs) == 2 and not op.name.endswith("Grad")
    for chosen in SHAPES if broadcasts else SHAPES[:3]:
        with tf.Graph().as_default():
            fed = [tf.placeholder(tf.float32, s) for s, _ in zip(chosen, op.inputs, strict=False)]
            given = [x * 1.0 for x in fed]  # lies in a buffer, and is read again behind the op
            fetches = [op(*given), *(g + 1.0 for g in given), op(*[g * 0.5 for g in given])]
            feeds = {x: rng.uniform(0.1, 0.9, x.get_shape().as_list()).astype("f") for x in fed}
            found = []
            for options in ({}, {"kernels": "reference", "executor": "executor"}):
                with tf.Session(optimize=False, **options) as session:
                    found.append([session.run(fetches, feeds) for _ in range(2)])
        assert_same_bits(*found)


def test_what_later_steps_read_is_not_written_over():
    """y (1 - y) reads y when the first step has written."""
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [5])
        step = tf.gradients(tf.sigmoid(x), x)[0]
        value = np.linspace(-2, 2, 5, dtype=np.float32)
        with tf.Session() as session:
            found = session.run(step, {x: value})
    y = 1 / (1 + np.exp(-value.astype(float)))
    np.testing.assert_allclose(found, y * (1 - y), rtol=1e-6)


def test_formulas_that_need_more_than_the_step_before_are_left_to_the_kernel():
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [2])
        many = {}
        for y in (tf.sigmoid(x), tf.square(x), tf.nn.relu(x), tf.nn.softsign(x), tf.nn.elu(x)):
            with tf.Session() as session:
                step = session.stages(session.signature(y, [x]), [(2,)]).partitioned
            node = next(n for n in step.nodes if n.type == y.op.type)
            many[node.type] = len(_steps(node))
    assert many["Sigmoid"] == 4 and many["Square"] == many["Relu"] == 1 and many["Elu"] == 0


@pytest.mark.parametrize(("y", "dy"), [((2,), (2, 1)), ((2, 1), (2,)), ((1, 2), (2, 1)), ((2, 3), (3, 2))])
@pytest.mark.parametrize("kernels", ["fast", "reference"])
def test_a_slope_of_another_shape_counts_as_numbers_in_a_row(kernels, y, dy):
    """An op whose result has its first input's shape is no broadcast, whatever NumPy makes of the two."""
    with tf.Graph().as_default():
        holes = [tf.placeholder(tf.float32, s) for s in (y, dy)]
        found = op_def("TanhGrad")(*holes)
        rows = [np.linspace(-1, 2, np.prod(s), dtype=np.float32) for s in (y, dy)]
        with tf.Session(kernels=kernels) as session:
            got = session.run(found, {h: r.reshape(h.get_shape().as_list()) for h, r in zip(holes, rows, strict=True)})
    assert got.shape == y
    np.testing.assert_allclose(got.reshape(-1), rows[1] * (1 - rows[0] * rows[0]), rtol=1e-6)


def test_formulas_have_the_bits_of_their_kernels_in_float16(rng):
    """Some pages compute in float32 and round once, which no lines of float16 do."""
    with tf.Graph().as_default():
        fed = [tf.placeholder(tf.float16, [50]) for _ in range(2)]
        feeds = {x: rng.normal(size=50).astype(np.float16) for x in fed}
        ys = [op(*fed[: len(op.inputs)], T=tf.float16) for op in elementwise(tf.float16)]
        found = []
        for executor in ("plan", "executor"):
            with tf.Session(kernels="reference", executor=executor) as session:
                found.append(session.run(ys, feeds))
        assert len(ys) > 40
        assert_same_bits(found[:1], found[1:])
