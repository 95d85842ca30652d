"""A tensor has any number of axes: the core's operations take 0 to 8 of them and agree with NumPy [S36]."""

import numpy as np
import pytest

import refflow as tf
import refflow.compat.v1 as tf1
from refflow.core.dtypes import as_dtype, bool_, float32
from refflow.core.registry import registered_ops

SIZES = (2, 3, 1, 2, 3, 1, 2, 2)
RANKS = range(len(SIZES) + 1)
KERNELS = ["fast", "reference"]
BOTH = pytest.mark.parametrize(
    ("rank", "kernels"), [*((rank, "fast") for rank in RANKS), *((rank, "reference") for rank in (0, 3, 8))]
)

# -- one element at a time ----------------------------------------------------------------------------------

UNARY = {
    "Neg": np.negative, "Abs": np.abs, "Sign": np.sign, "Exp": np.exp, "Square": np.square, "Tanh": np.tanh,
    "Sin": np.sin, "Cos": np.cos, "Ceil": np.ceil, "Floor": np.floor, "Sqrt": lambda x: np.sqrt(x),
    "Log": lambda x: np.log(x), "Inv": lambda x: 1 / x, "IsNan": np.isnan, "IsFinite": np.isfinite,
    "Relu": lambda x: np.maximum(x, 0), "Sigmoid": lambda x: 1 / (1 + np.exp(-x)), "ZerosLike": np.zeros_like,
    "Identity": lambda x: x,
}  # fmt: skip
BINARY = {
    "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide, "Maximum": np.maximum,
    "Minimum": np.minimum, "Pow": lambda x, y: np.power(np.abs(x), y), "SquaredDifference": lambda x, y: (x - y) ** 2,
    "Less": np.less, "LessEqual": np.less_equal, "Greater": np.greater, "Equal": np.equal, "NotEqual": np.not_equal,
}  # fmt: skip


def numbers(rank, seed=0, low=-2.0):
    return np.asarray(np.random.default_rng([rank, seed]).uniform(low, 2.0, SIZES[:rank]), np.float32)


def computed(build, kernels):
    """What `build` fetches, in a graph of its own."""
    with tf.Graph().as_default(), tf.Session(kernels=kernels) as session:
        return session.run(build())


def node(name, *arrays, **attrs):
    return next(op for op in registered_ops() if op.name == name)(*map(tf.constant, arrays), **attrs)


def agree(found, wanted):
    for name, value in found.items():
        expected = np.asarray(wanted[name])
        assert value.shape == expected.shape, name
        np.testing.assert_allclose(value, expected, rtol=2e-5, atol=1e-6, err_msg=name)


@BOTH
def test_one_and_two_operands(rank, kernels):
    x, y = numbers(rank), numbers(rank, 1)
    x = np.abs(x) + 0.1 if rank % 2 else x  # square roots and logarithms of some negative numbers, too
    with np.errstate(all="ignore"):
        wanted = {name: f(x) for name, f in UNARY.items()} | {name: f(x, y) for name, f in BINARY.items()}
        agree(computed(lambda: {name: node(name, x) for name in UNARY} | {
            name: node(name, np.abs(x) if name == "Pow" else x, y) for name in BINARY}, kernels), wanted)  # fmt: skip


def _allows(attr):
    return not attr.allowed or float32 in attr.allowed


def takes_floats(op):
    """Whether a formula is all of an op, and float32 or bool may stand at each of its places."""
    return op.formula is not None and not op.ref_inputs and all(
        arg.number is None and (arg.fixed is bool_ or (arg.type in op.attrs and _allows(op.attrs[arg.type])))
        for arg in op.inputs
    ) and set(op.attrs) <= {arg.type for arg in op.inputs}  # fmt: skip


VECTOR = {"BiasAddV1"}  # whose second operand is a vector, whatever the first is
FORMULAS = [op for op in registered_ops() if takes_floats(op) and op.name not in VECTOR]


def test_most_formulas_are_looked_at():
    assert len(FORMULAS) > 50


@BOTH
def test_a_formula_is_the_same_for_every_number_of_axes(rank, kernels):
    def inputs(op):
        arrays = [numbers(rank, i, low=0.1) for i in range(len(op.inputs))]
        return [a > 1.0 if arg.fixed is bool_ else a for a, arg in zip(arrays, op.inputs, strict=True)]

    whole = computed(lambda: {op.name: node(op.name, *inputs(op)) for op in FORMULAS}, kernels)
    flat = computed(lambda: {op.name: node(op.name, *(a.reshape(-1) for a in inputs(op))) for op in FORMULAS}, kernels)
    for name, value in whole.items():
        assert value.shape == SIZES[:rank], name
        np.testing.assert_allclose(value.reshape(-1), flat[name], rtol=1e-6, err_msg=name)


@BOTH
def test_operands_of_fewer_axes_stretch(rank, kernels):  # [S17, S36]
    x = numbers(rank)
    others = {f"{k}": numbers(rank, k).reshape(x.shape)[(0,) * (rank - k)] for k in range(rank + 1)}
    others["ones"] = np.full((1,) * rank, 3.0, np.float32)
    found = computed(lambda: {k: tf.constant(x) * tf.constant(o) + 1.0 for k, o in others.items()}, kernels)
    agree(found, {k: x * o + 1 for k, o in others.items()})


# -- along axes ---------------------------------------------------------------------------------------------

REDUCTIONS = {
    "sum": (tf.reduce_sum, np.sum), "mean": (tf.reduce_mean, np.mean), "max": (tf.reduce_max, np.max),
    "min": (tf.reduce_min, np.min), "prod": (tf.reduce_prod, np.prod),
}  # fmt: skip


@BOTH
def test_reductions(rank, kernels):
    x = numbers(rank)
    choices = {"all": None, "none": [], "first": [0][:rank], "ends": [0, rank - 1][: max(rank, 0)] if rank > 1 else [],
               "even": list(range(0, rank, 2))}  # fmt: skip
    found, wanted = {}, {}

    def build():
        for name, (ours, theirs) in REDUCTIONS.items():
            for which, axes in choices.items():
                for keeps in (False, True):
                    key = f"{name} {which} {keeps}"
                    found[key] = ours(tf.constant(x), axes, keep_dims=keeps)
                    wanted[key] = theirs(x, None if axes is None else tuple(axes), keepdims=keeps)
        found["truths"] = tf.reduce_all(tf.constant(x > -1.0))
        wanted["truths"] = np.all(x > -1.0)
        for axis in range(rank):
            found[f"place {axis}"], wanted[f"place {axis}"] = tf.argmax(tf.constant(x), axis), np.argmax(x, axis)
            found[f"runs {axis}"] = tf1.cumsum(tf.constant(x), axis)
            wanted[f"runs {axis}"] = np.cumsum(x, axis)
        return found

    agree(computed(build, kernels), wanted)


# -- from place to place ------------------------------------------------------------------------------------


@BOTH
def test_what_only_moves_elements(rank, kernels):
    x, y = numbers(rank), numbers(rank, 1)
    order = np.random.default_rng(rank).permutation(rank)
    last, size = rank - 1, SIZES[rank - 1] if rank else 1
    pads = np.array([[i % 2, i % 3] for i in range(rank)], np.int32).reshape(rank, 2)
    found, wanted = {}, {}

    def build():
        t, u = tf.constant(x), tf.constant(y)

        def both(name, ours, theirs):
            found[name], wanted[name] = ours, theirs

        both("shape", tf.shape(t), np.array(x.shape, np.int32))
        both("size", tf.size(t), x.size)
        both("rank", tf.rank(t), rank)
        both("flat", tf.reshape(t, [-1]), x.reshape(-1))
        both("turned", tf.transpose(t), x.T)
        both("order", tf.transpose(t, order.astype(np.int32)), x.transpose(order))
        both("cast", tf.cast(t, tf.int32), x.astype(np.int32))
        both("fill", tf.fill(list(x.shape), 7.0), np.full(x.shape, 7.0))
        both("pack", tf.pack([t, u]), np.stack([x, y]))
        both("chosen", tf.select(tf.constant(x > y), t, u), np.where(x > y, x, y))
        both("begin", tf.expand_dims(t, 0), x[None])
        both("end", tf.expand_dims(t, -1), x[..., None])
        both("squeezed", tf.squeeze(t), np.squeeze(x))
        both("tiled", tf.tile(t, [1 + i % 2 for i in range(rank)]), np.tile(x, [1 + i % 2 for i in range(rank)]))
        both("padded", tf.pad(t, pads), np.pad(x, pads) if rank else x)
        both("sliced", tf.slice(t, [0] * rank, [max(1, s - 1) for s in x.shape]),
             x[tuple(slice(max(1, s - 1)) for s in x.shape)])  # fmt: skip
        dots = (..., slice(None, None, -1) if rank else None)
        both("dots", t[dots], x[dots])
        both("reversed", tf.reverse(t, [i % 2 == 0 for i in range(rank)]),
             np.flip(x, tuple(range(0, rank, 2))) if rank else x)  # fmt: skip
        for axis in range(rank):
            both(f"joined {axis}", tf.concat(axis, [t, u, t]), np.concatenate([x, y, x], axis))
            taken = np.take(x, np.array([0, -1 % x.shape[axis]]), axis)
            both(f"taken {axis}", tf1.gather(t, [0, x.shape[axis] - 1], axis=axis), taken)
        if rank:
            for i, piece in enumerate(np.split(x, size, last)):
                both(f"part {i}", tf.split(last, size, t)[i], piece)
            both("unpacked", tf.unpack(t)[-1], x[-1])
            both("rows", tf.gather(t, [1, 0, 1]), x[[1, 0, 1]])
        return found

    agree(computed(build, kernels), wanted)


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("rank", [2, 3, 5, 8])
def test_products_of_stacks_of_matrices(rank, kernels):
    a, b = numbers(rank), np.swapaxes(numbers(rank, 1), -1, -2)
    found = computed(lambda: {"product": tf.batch_matmul(tf.constant(a), tf.constant(b))}, kernels)
    agree(found, {"product": np.matmul(a, b)})


@pytest.mark.parametrize("rank", RANKS)
def test_variables_feeds_and_slopes(rank):
    x, y = numbers(rank), numbers(rank, 1)
    with tf.Graph().as_default(), tf.Session() as session:
        v, hole = tf.Variable(x), tf.placeholder(tf.float32, x.shape)
        (slope,) = tf.gradients(tf.reduce_sum(tf.square(v) * hole), [v])
        session.run(tf.initialize_all_variables())
        np.testing.assert_allclose(session.run(slope, {hole: y}), 2 * x * y, rtol=1e-6)
        np.testing.assert_array_equal(session.run(tf.assign_sub(v, hole), {hole: y}), x - y)
    assert as_dtype(x.dtype) is float32


# -- images -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernels", KERNELS)
def test_an_image_is_rows_by_columns_by_colours(kernels):  # [S36]
    """Two rows, three columns; red counts the row, green the column, blue is the same everywhere."""
    rows, columns = np.mgrid[0:2, 0:3]
    image = np.stack([100 * rows, 40 * columns, np.full((2, 3), 9)], axis=2).astype(np.uint8)
    with tf.Graph().as_default(), tf.Session(kernels=kernels) as session:
        t = tf.constant(image)
        back = tf.image.decode_png(tf.image.encode_png(t))
        found = session.run({
            "file": back, "across": tf.image.flip_left_right(t), "down": tf.image.flip_up_down(t),
            "turned": tf.image.transpose_image(t), "cut": tf.image.crop_to_bounding_box(t, 1, 0, 1, 2),
            "grey": tf.image.rgb_to_grayscale(t), "batch": tf.expand_dims(t, 0),
            "larger": tf.image.resize_images(tf.cast(tf.expand_dims(t, 0), tf.float32), 4, 3, 1),
        })  # fmt: skip
    wanted = {
        "file": image, "across": image[:, ::-1], "down": image[::-1], "turned": image.swapaxes(0, 1),
        "cut": image[1:, :2], "batch": image[None], "larger": np.repeat(image, 2, axis=0)[None],
    }  # fmt: skip
    for name, array in wanted.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
    assert found["grey"].shape == (2, 3, 1) and found["grey"][1, 0, 0] > found["grey"][0, 0, 0]
    assert tuple(found["file"][1, 2]) == (100, 80, 9)  # row 1, column 2: red, green, blue
