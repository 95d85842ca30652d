"""Slopes at ties, zeros, infinities and the ends of domains beside TensorFlow's."""

import itertools

import numpy as np
import pytest

from tests.peers.side_by_side import unlike
from tests.peers.test_compat_v1 import tensorflow

pytestmark = pytest.mark.peers
__all__ = ["tensorflow"]

ODD = np.float32([0, -0.0, 1, -1, 0.5, -0.5, 2, -2, 3, 6, 7, 1e10, -1e10, np.inf, -np.inf, np.nan, 0.25, 1.5])
TIES = np.float32([[1, 2, 2], [0, 3, 3], [0, 0, 1], [2, 2, 2], [-1, -1, -5]])
PAIRS = np.meshgrid(ODD, ODD)
IMAGE = np.random.default_rng(1).integers(0, 3, (2, 7, 6, 2)).astype(np.float32)  # many ties
ROWS = np.random.default_rng(2).standard_normal((4, 3)).astype(np.float32)
IDS = np.array([[0, 2], [1, 1], [0, 0], [2, 1]])
GIVEN = {"ODD": ODD, "TIES": TIES, "LEFT": PAIRS[0], "RIGHT": PAIRS[1], "IMAGE": IMAGE}

OF_ONE = """
    abs acos acosh asin asinh atan atanh ceil cos cosh erf erfc exp expm1 floor log log1p log_sigmoid negative
    reciprocal rint round rsqrt sigmoid sign sin sinh sqrt square tan tanh
""".split()  # noqa: SIM905
ACTIVATIONS = ["relu", "relu6", "elu", "softplus", "softsign", "leaky_relu", "l2_loss", "crelu"]
OF_TWO = """
    add subtract multiply divide div_no_nan maximum minimum pow floordiv floormod squared_difference atan2 realdiv
    truncatediv truncatemod
""".split()  # noqa: SIM905
LOSSES = ["sigmoid_cross_entropy_with_logits(labels=Y, logits=X)",
          "log_poisson_loss(Y, X)"]  # fmt: skip
REDUCTIONS = "sum mean max min prod logsumexp".split()  # noqa: SIM905


def slopes(line, *values):
    """The slopes of `line` by X, and Y, weighed so that no two elements of it count the same."""
    names = ("X", "Y")[: len(values)]
    weighed = "[np.random.default_rng(3).standard_normal(y.get_shape().as_list()).astype(np.float32)]"
    by = f"(lambda y: [g for g in tf.gradients(y, [{', '.join(names)}], {weighed}) if g is not None])({line})"
    return f"(lambda {', '.join(names)}: {by})({', '.join(f'tf.constant({v})' for v in values)})"


CASES = [
    *(slopes(f"tf.math.{name}(X)", "ODD") for name in OF_ONE),
    *(slopes(f"tf.nn.{name}(X)", "ODD") for name in ACTIVATIONS),
    *(slopes(f"tf.{name}(X, Y)", "LEFT", "RIGHT") for name in OF_TWO),
    *(slopes(f"tf.nn.{line}", "LEFT", "RIGHT") for line in LOSSES),
    *(slopes(f"tf.reduce_{name}(X, {axis}, keepdims={keep})", "TIES")
      for name, axis, keep in itertools.product(REDUCTIONS, ("0", "1", "[1, 0]", "None", "[]"), (True, False))),
    *(slopes(f"tf.unsorted_segment_{name}(X, [2, 0, 2, -1, 0], 4)", "TIES") for name in REDUCTIONS[:-1]),
    *(slopes(f"tf.{name}(X, 0, exclusive={one}, reverse={other})", "TIES")
      for name, one, other in itertools.product(("cumsum", "cumprod"), (True, False), (True, False))),
    *(slopes(f"tf.nn.{kind}_pool(X, [1, {k}, {k}, 1], [1, {s}, {s}, 1], {pad!r})", "IMAGE")
      for kind, (k, s), pad in itertools.product(("max", "avg"), ((2, 2), (3, 1), (3, 2), (2, 1)), ("SAME", "VALID"))),
    *(slopes(line, "TIES") for line in (
        "tf.clip_by_value(X, -1.0, 2.0)", "tf.clip_by_norm(X, 1.0, 0)", "tf.norm(X, axis=1)", "tf.norm(X * 0.0)",
        "tf.nn.l2_normalize(X * 0.0, 1)", "tf.nn.top_k(X, 2)[0]", "tf.sort(X, 1)", "tf.reduce_max(tf.abs(X), [0])",
        "tf.where(X > 0, tf.sqrt(X), X)", "tf.gather(X, [0, 0, 2])", "tf.losses.hinge_loss(tf.ones([5, 3]), X)",
        "tf.losses.huber_loss(tf.zeros([5, 3]), X)", "tf.losses.absolute_difference(tf.ones([5, 3]), X)",
        "tf.nn.weighted_cross_entropy_with_logits(labels=X, logits=X, pos_weight=2.0)",
    )),
]  # fmt: skip


PLACES = {"X": "tf.placeholder_with_default(ROWS, SHAPE)", "I": "tf.placeholder_with_default(IDS, SHAPE)"}
OF_PLACES = [
    "tf.gather(X, I, axis=1)", "tf.gather(X, I, axis=-1)", "tf.gather(X, I, axis=1, batch_dims=1)",
    "tf.gather(X, I, batch_dims=1)", "tf.gather_nd(X, I[:, :1])", "tf.gather_nd(X, tf.reshape(I, [-1, 1]))",
    "tf.tile(X, [0, 2])", "tf.tile(X, tf.cast(I[3], tf.int64))", "tf.linspace(X, 2.0 * X, 3)", "tf.linspace(X, X, 0)",
    "tf.strided_slice(X, I[0] * 0, I[0])", "tf.boolean_mask(X, [2, 0, 0, 1])", "tf.pad(X, [[1, 0], [0, 2]])",
    "tf.nn.weighted_moments(X, [0], X * 0.0)", "tf.nn.dropout(X / 0.0, rate=0.5, seed=3)",
    "tf.nn.dropout(X, rate=tf.constant(1.0), seed=3)", "tf.nn.zero_fraction(X)",
    "tf.nn.safe_embedding_lookup_sparse(1.0 * X, tf.SparseTensor([[0, 0], [2, 0]], np.int64([1, -1]), [3, 2]), None)",
]  # fmt: skip
OF_SLICES = ["X[5:]", "X[:9]", "X[:, 2:7]", "X[I[0, 1]]", "X[I[0, 1]:]", "X[:, I[0, 1]]", "tf.batch_gather(X, I)"]
LABELS = [f"tf.nn.softmax_cross_entropy_with_logits{kind}(logits=X, labels=Y{axis})"
          for kind in ("", "_v2") for axis in ("", ", dim=0")]  # fmt: skip


@pytest.mark.parametrize("shape", ["None", "[None, None]", "[4, 3]"])
@pytest.mark.parametrize("line", [*OF_PLACES, *OF_SLICES])
def test_places_and_their_slopes_are_the_same(tensorflow, line, shape):
    """Of shapes that are known, partly known and unknown before the step."""
    if shape == "None" and line in [*OF_SLICES, *OF_PLACES[2:5], OF_PLACES[7]]:
        shape = "[None, 3]"
    given = {"ROWS": ROWS, "IDS": IDS}
    made = {name: text.replace("SHAPE", shape if name == "X" else "[4, 2]") for name, text in PLACES.items()}
    both = f"(lambda y: [y, tf.gradients(y, [X])])({line})"
    assert unlike(tensorflow, both, given, made) is None


@pytest.mark.parametrize("line", [
    "tf.self_adjoint_eigvals(X[:3] + tf.transpose(X[:3]))", "tf.clip_by_global_norm([X / 0.0, None, X], 1.0)",
    "tf.clip_by_global_norm([X, X], 1.0)",
    "tf.convert_to_tensor(tf.clip_by_value(tf.IndexedSlices(X, tf.constant([0, 1, 1, 0]), tf.constant([5, 3])), -1.0, "
    "0.5))",
])  # fmt: skip
@pytest.mark.parametrize("shape", ["None", "[4, 3]"])
def test_values_of_matrices_and_clipped_slices_are_the_same(tensorflow, line, shape):
    made = {"X": f"tf.placeholder_with_default(ROWS, {shape})"}
    both = f"(lambda y: [y, tf.gradients(y, [X])])({line})".replace("X[:3]", "tf.ensure_shape(X, [4, 3])[:3]")
    assert unlike(tensorflow, both, {"ROWS": ROWS}, made) is None


@pytest.mark.parametrize("line", LABELS)
def test_slopes_of_labels_are_the_same(tensorflow, line):
    assert unlike(tensorflow, f"[g for g in tf.gradients({line}, [X, Y]) if g is not None]", {"ROWS": ROWS},
                  {"X": "tf.constant(ROWS)", "Y": "tf.constant(np.abs(ROWS))"}) is None  # fmt: skip


@pytest.mark.parametrize("line", CASES)
def test_slopes_are_the_same(tensorflow, line):
    assert unlike(tensorflow, line, GIVEN) is None


@pytest.mark.parametrize("kind", ["sum", "mean", "max", "min", "prod"])
def test_slopes_of_sorted_segments_are_the_same(tensorflow, kind):
    """Whose number TensorFlow does not know before they run."""
    line = f"(lambda X: tf.gradients(tf.square(tf.segment_{kind}(X, [0, 0, 2, 2, 2])), [X]))(tf.constant(TIES))"
    assert unlike(tensorflow, line, GIVEN) is None
