"""Mathematics, by TensorFlow and here: values, special values, every type, axes, errors with their text, gradients."""

import re

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the oracle is TensorFlow: pip install '.[peers]'")

from tests.peers.stand_in import differences, outcomes

pytestmark = pytest.mark.peers
FLOATS, WHOLE = ("float32", "float64"), ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
POINTS = [0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 1.5, -2.5, 3.0, 7.0, -7.0, 100.0, np.inf, -np.inf, np.nan]


def numbers(dtype):
    if dtype.startswith("float"):
        return np.array(POINTS, dtype)
    if dtype.startswith("complex"):
        return np.array([1, -1, 1j, -1j, 1 + 1j, -2 + 0.5j, 3 - 4j], dtype)
    limits = np.iinfo(dtype)
    known = (1, 2, 3, 7, limits.max, -1, -7, limits.min or 5)
    return np.array([v for v in known if limits.min <= v <= limits.max], dtype)


def fetched(build, **feeds):
    """A program that feeds arrays to placeholders of unknown shape and runs what `build(tf, *placeholders)` gives."""

    def program(tf):
        holes = {tf.compat.v1.placeholder(array.dtype): array for array in map(np.asarray, feeds.values())}
        with tf.compat.v1.Session() as session:
            session.run(build(tf, *holes), holes)

    return program


UNARY = ["Abs", "Neg", "Sign", "Square", "Sqrt", "Rsqrt", "Exp", "Expm1", "Log", "Log1p", "Sin", "Cos", "Tan", "Asin",
         "Acos", "Atan", "Sinh", "Cosh", "Tanh", "Asinh", "Acosh", "Atanh", "Sigmoid", "Floor", "Ceil", "Rint", "Round",
         "Lgamma", "Digamma", "Erfc", "Erfinv", "Ndtri", "IsNan", "IsInf", "IsFinite", "BesselI0e", "BesselK1e",
         "BesselJ0", "Dawsn", "Spence", "Reciprocal"]  # fmt: skip
BINARY = ["AddV2", "Sub", "Mul", "RealDiv", "FloorDiv", "FloorMod", "Maximum", "Minimum", "Pow", "SquaredDifference",
          "DivNoNan", "MulNoNan", "Xlogy", "Xdivy", "Xlog1py", "Atan2", "NextAfter", "Less", "LessEqual", "Equal",
          "NotEqual", "TruncateDiv"]  # fmt: skip
BITS = ["BitwiseAnd", "BitwiseOr", "BitwiseXor", "LeftShift", "RightShift", "Maximum", "AddV2", "Mul", "FloorDiv",
        "FloorMod", "TruncateDiv", "Less"]  # fmt: skip


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_number(name, dtype):
    assert differences(fetched(lambda tf, x: getattr(tf.raw_ops, name)(x=x), x=numbers(dtype))) == []


def both(name, x, y):
    def build(tf, x, y):
        names = [arg.name for arg in tf.raw_ops.__dict__[name].__signature__.parameters.values()]
        return getattr(tf.raw_ops, name)(**dict(zip(names, (x, y), strict=False)))

    return fetched(build, x=x, y=y)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two_numbers(name, dtype):
    x = numbers(dtype)
    assert differences(both(name, x[:, None], x[None])) == []


@pytest.mark.parametrize("name", ["Zeta", "Polygamma", "Igamma", "Igammac"])
def test_special_functions_of_two_numbers(name):
    x = np.array([0.5, 1.0, 1.5, 2.0, 3.0, 7.0])
    assert differences(both(name, x[:, None], x[None] + 0.25)) == []


@pytest.mark.parametrize("dtype", WHOLE)
@pytest.mark.parametrize("name", BITS)
def test_whole_numbers(name, dtype):
    x = numbers(dtype)
    assert differences(both(name, x[:, None], x[None])) == []


@pytest.mark.parametrize("name", ["AddV2", "Sub", "Mul", "SquaredDifference", "TanhGrad", "SigmoidGrad", "RsqrtGrad"])
def test_complex_numbers(name):
    x = numbers("complex128")
    x, y = np.broadcast_arrays(x[:, None], x[None])
    assert differences(both(name, x, y)) == []


# -- reductions, running sums, segments -----------------------------------------------------------------------

AXES = [None, [], 0, -1, [0, 1], [-1, 0], 1]
REDUCE = ["reduce_sum", "reduce_mean", "reduce_prod", "reduce_max", "reduce_min", "reduce_logsumexp", "reduce_std",
          "reduce_variance", "reduce_euclidean_norm"]  # fmt: skip


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("axis", AXES, ids=str)
@pytest.mark.parametrize("name", REDUCE)
def test_reductions_and_their_slopes(name, axis, keep):
    def build(tf, x):
        y = getattr(tf.math, name)(x, axis=axis, keepdims=keep)
        (dx,) = tf.gradients(y * y, x)
        return [y, dx, *tf.gradients(dx, x)]

    assert differences(fetched(build, x=np.array([[0.5, 1.5, -2.0], [3.0, 0.25, 1.0]])), rtol=1e-9) == []


@pytest.mark.parametrize("flags", [(False, False), (True, False), (False, True), (True, True)], ids=str)
@pytest.mark.parametrize("name", ["cumsum", "cumprod", "cumulative_logsumexp"])
def test_running_sums_and_their_slopes(name, flags):
    def build(tf, x):
        y = getattr(tf.math, name)(x, axis=-1, exclusive=flags[0], reverse=flags[1])
        return [y, *tf.gradients(tf.exp(y), x)]

    assert differences(fetched(build, x=np.array([[0.5, 1.5, -2.0], [3.0, 0.25, 1.0]])), rtol=1e-9) == []


@pytest.mark.parametrize("name", ["segment_sum", "segment_mean", "segment_prod", "segment_min", "segment_max"])
def test_segments_and_their_slopes(name):
    def build(tf, x, ids, loose):
        y = getattr(tf.math, name)(x, ids)
        z = getattr(tf.math, f"unsorted_{name}")(x, loose, 4)
        slopes = [] if name == "segment_prod" else tf.gradients(y * y, x)
        return [y, z, *slopes, *tf.gradients(tf.sin(z), x)]

    x = np.array([[1.0, 2], [3, 4], [3, 2], [0, 6]])
    assert differences(fetched(build, x=x, ids=np.array([0, 0, 2, 2]), loose=np.array([3, -1, 0, 3])), rtol=1e-9) == []


# -- sums by names, products, transforms ------------------------------------------------------------------------

EQUATIONS = {
    "ij,jk->ik": ((2, 3), (3, 4)), "ii->i": ((3, 3),), "ij->": ((2, 3),), "ij,k->i": ((2, 3), (4,)),
    "...ij,...jk->...ik": ((2, 1, 3, 4), (5, 4, 2)), "a...b,c...a->b...c": ((2, 3, 4), (5, 1, 2)),
    "ijj,k->ik": ((2, 3, 3), (5,)), "...ij,jk->k...i": ((2, 3, 4), (4, 5)), "aab,bcc->abc": ((2, 2, 3), (3, 4, 4)),
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("equation", EQUATIONS)
def test_einsum_and_its_slopes(equation, dtype, rng):
    def values(shape):
        return rng.normal(size=shape) + (1j * rng.normal(size=shape) if dtype == "complex128" else 0)

    def build(tf, *operands):
        y = tf.einsum(equation, *operands)
        slopes = tf.gradients(y * y, operands, grad_ys=tf.ones_like(y))
        return [y, *slopes, *tf.gradients(slopes[0], operands, grad_ys=slopes[0])]

    feeds = {f"x{i}": values(shape) for i, shape in enumerate(EQUATIONS[equation])}
    assert differences(fetched(build, **feeds), rtol=1e-9) == []


@pytest.mark.parametrize("name", ["fft", "ifft", "fft2d", "rfft", "irfft", "rfft2d", "irfft2d"])
def test_fourier_transforms_and_their_slopes(name, rng):
    real = name.startswith("r")
    x = rng.normal(size=(2, 4, 6)) + (0 if real else 1j * rng.normal(size=(2, 4, 6)))

    def program(tf):
        hole = tf.compat.v1.placeholder(x.dtype, x.shape)
        y = getattr(tf.signal, name)(hole)
        slopes = tf.gradients(y, hole, grad_ys=y * y)
        with tf.compat.v1.Session() as session:
            session.run([y, *slopes], {hole: x})

    assert differences(program, rtol=1e-9) == []


@pytest.mark.parametrize("kind", [1, 2, 3, 4])
def test_cosine_transforms_and_frames(kind, rng):
    def build(tf, x):
        x = tf.ensure_shape(x, [2, 8])
        y = tf.signal.dct(x, type=kind)
        z = tf.signal.stft(x, 4, 2, pad_end=True)
        return [y, z, tf.signal.frame(x, 3, 2), *tf.gradients([y * y, tf.abs(z)], x)]

    assert differences(fetched(build, x=rng.normal(size=(2, 8))), rtol=1e-8) == []


def test_centres_of_clusters(rng):
    points = rng.normal(size=(40, 3)).astype(np.float32) * 10
    gaps = np.abs(rng.normal(size=40)).astype(np.float32)

    def build(tf, x, far):
        nearest = [tf.raw_ops.NearestNeighbors(points=x, centers=x[:7], k=k) for k in (0, 1, 5, 20)]
        samples = [
            tf.raw_ops.KmeansPlusPlusInitialization(points=x, num_to_sample=4, seed=s, num_retries_per_sample=s % 4 - 1)
            for s in range(12)
        ]
        chains = [tf.raw_ops.KMC2ChainInitialization(distances=far, seed=s) for s in range(30)]
        return [nearest, samples, chains]

    assert differences(fetched(build, x=points, far=gaps)) == []


# -- errors, in TensorFlow's words ---------------------------------------------------------------------------------

A = np.arange(6.0, dtype=np.float32).reshape(2, 3)
ERRORS = {
    "shapes that do not stretch": fetched(lambda tf, x, y: x + y, x=A, y=np.ones(4, np.float32)),
    "division by zero": fetched(lambda tf, x, y: x // y, x=np.array([1, 2]), y=np.array([1, 0])),
    "a negative power": fetched(lambda tf, x, y: tf.pow(x, y), x=np.array([2]), y=np.array([-1])),
    "an axis twice": fetched(lambda tf, x, i: tf.reduce_sum(x, i), x=A, i=np.array([0, 0])),
    "no such axis": fetched(lambda tf, x, i: tf.reduce_max(x, i), x=A, i=np.array([2])),
    "no such axis to scan": fetched(lambda tf, x, i: tf.cumsum(x, i), x=A, i=np.array(2)),
    "no such axis to search": fetched(lambda tf, x, i: tf.argmax(x, i), x=A, i=np.array(2)),
    "matrices that do not fit": fetched(lambda tf, x, y: tf.matmul(x, y), x=A, y=A),
    "batches that do not fit": fetched(lambda tf, x, y: tf.matmul(x, y), x=A[None], y=np.ones((2, 4, 5), np.float32)),
    "names of two sizes": fetched(lambda tf, x, y: tf.raw_ops.Einsum(inputs=[x, y], equation="ij,jk->ik"), x=A, y=A),
    "segments that fall": fetched(lambda tf, x, i: tf.math.segment_sum(x, i), x=A, i=np.array([1, 0])),
    "segments beyond": fetched(lambda tf, x, i: tf.math.unsorted_segment_sum(x, i, 2), x=A, i=np.array([0, 2])),
    "a negative count": fetched(lambda tf, x: tf.math.bincount(x, minlength=3), x=np.array([-1, 2], np.int32)),
    "a step of none": fetched(lambda tf, x: tf.range(0.0, 5.0, x), x=np.float32(0)),
    "terms of two shapes": fetched(lambda tf, x, y: tf.raw_ops.SelectV2(condition=[True, False], t=x, e=y), x=A, y=A),
    "no vectors of three": fetched(lambda tf, x, y: tf.linalg.cross(x, y), x=A[:, :2], y=A[:, :2]),
}  # fmt: skip


@pytest.mark.parametrize("title", ERRORS)
def test_errors(title):
    (there,), (here,) = outcomes(ERRORS[title], here=False), outcomes(ERRORS[title], here=True)
    assert there.error and there.error == here.error
    said = re.sub(r"\{\{.*?\}\} ?|^\[Derived\] ?|( [01])*$", "", there.message).strip(" .")
    assert said in here.message  # beside the flags of a transposed product, and where it was
