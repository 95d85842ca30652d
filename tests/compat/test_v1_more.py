"""refflow.compat.v1: assertions in the graph, pictures, strings, small matrices, draws, collections."""

import numpy as np
import pytest

import refflow.compat.v1 as tf

X = np.array([[1.0, -2.0, 3.0], [0.5, 0.0, -1.0]], np.float32)
PICTURE = np.arange(24, dtype=np.float32).reshape(2, 4, 3)


def run(fetches, feeds=None):
    with tf.Session() as session:
        return session.run(fetches, feeds)


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda: tf.image.resize_images(PICTURE, [4, 8], 1), PICTURE.repeat(2, 0).repeat(2, 1)),
        (lambda: tf.image.resize_nearest_neighbor(PICTURE[None], [4, 8])[0], PICTURE.repeat(2, 0).repeat(2, 1)),
        (lambda: tf.image.resize_images(PICTURE, [1, 2], 3), PICTURE.reshape(1, 2, 2, 2, 3).mean((1, 3))),
        (lambda: tf.image.per_image_standardization(PICTURE), (PICTURE - 11.5) / PICTURE.std()),
        (lambda: tf.image.central_crop(PICTURE, 0.5), PICTURE[:, 1:3]),
        (lambda: tf.image.rot90(PICTURE), np.rot90(PICTURE)),
        (lambda: tf.eye(2, 3), np.eye(2, 3)),
        (lambda: tf.eye(2, batch_shape=[3]), np.stack([np.eye(2)] * 3)),
        (lambda: tf.trace(np.stack([np.eye(3), 2 * np.eye(3)])), [3, 6]),
        (lambda: tf.diag_part([[1, 2], [3, 4]]), [1, 4]),
        (lambda: tf.matrix_transpose(PICTURE), PICTURE.transpose(0, 2, 1)),
        (lambda: tf.matrix_solve([[2.0, 0.0], [0.0, 4.0]], [[2.0], [2.0]]), [[1], [0.5]]),
        (lambda: tf.norm([3.0, 4.0]), 5),
        (lambda: tf.norm(X, ord=1, axis=1), [6, 1.5]),
        (lambda: tf.norm(X, np.inf, axis=0), [1, 2, 3]),
        (lambda: tf.norm([1.0, 2.0], 3), 9 ** (1 / 3)),
        (lambda: tf.unique_with_counts([3, 1, 3]).count, [2, 1]),
        (lambda: tf.bincount([1, 3, 1], minlength=5), [0, 2, 0, 1, 0]),
        (lambda: tf.bincount([1, 0, 1], weights=[0.5, 1.0, 2.0]), [1, 2.5]),
        (lambda: tf.space_to_depth(PICTURE[None], 2).shape.as_list(), [1, 1, 2, 12]),
        (lambda: tf.extract_image_patches(PICTURE[None], [1, 2, 2, 1], [1, 2, 2, 1], [1, 1, 1, 1], "VALID")[0, 0, 1],
         PICTURE[:, 2:].ravel()),
    ],
)  # fmt: skip
def test_a_spelling_of_1_x_means_what_numpy_says(build, expected):
    built = build()
    found = run(built) if hasattr(built, "graph") else built
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda: tf.string_join(["a", ["b", "c"]], "-"), [b"a-b", b"a-c"]),
        (lambda: tf.as_string([1.5], precision=2), [b"1.50"]),
        (lambda: tf.substr("hello", 1, 3), b"ell"),
        (lambda: tf.reduce_join([["a", "b"], ["c", "d"]], 1, separator="+"), [b"a+b", b"c+d"]),
        (lambda: tf.reduce_join([["a", "b"], ["c", "d"]]), b"abcd"),
        (lambda: tf.regex_replace("banana", "an", "AN"), b"bANANa"),
        (lambda: tf.string_split(["a b", "c"]).values, [b"a", b"b", b"c"]),
        (lambda: tf.string_split(["a,b", ",c"], ",").indices, [[0, 0], [0, 1], [1, 0]]),
    ],
)
def test_strings(build, expected):
    found = run(build())
    assert (found.tolist() if isinstance(found, np.ndarray) else found) == expected


CHECKS = [
    (tf.assert_equal, [1, 2], [1, 2], [1, 3]), (tf.assert_none_equal, [1, 2], [2, 1], [1, 3]),
    (tf.assert_less, [1, 2], [2, 3], [2, 2]), (tf.assert_less_equal, [1, 2], [1, 2], [0, 2]),
    (tf.assert_greater, [1, 2], [0, 1], [0, 2]), (tf.assert_greater_equal, [1, 2], [1, 2], [1, 3]),
]  # fmt: skip


@pytest.mark.parametrize(("check", "x", "right", "wrong"), CHECKS, ids=[c.__name__ for c, *_ in CHECKS])
def test_an_assertion_fails_the_step_where_it_does_not_hold(check, x, right, wrong):
    hole = tf.placeholder(tf.int32, [None])
    with tf.control_dependencies([check(hole, right, message="so"), check(x, right)]):
        same = tf.identity(hole)
    assert run(same, {hole: x}).tolist() == x
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"so\] \[Condition x .* y did not hold element-wise"):
        run(check(hole, wrong, message="so"), {hole: x})
    with pytest.raises(tf.errors.InvalidArgumentError, match="did not hold"):
        check(x, wrong)  # known already


def test_signs_and_ranks():
    hole, shapeless = tf.placeholder(tf.float32, [None]), tf.placeholder(tf.float32)
    checks = [tf.assert_positive(hole), tf.assert_non_negative(hole), tf.assert_rank(shapeless, 1),
              tf.assert_rank_at_least(shapeless, 1)]  # fmt: skip
    run(checks, {hole: [1.0], shapeless: [2.0]})
    run(tf.assert_negative(hole), {hole: [-1.0]})
    for check, value in zip(checks, ([0.0], [-1.0], [[1.0]], 1.0), strict=True):
        with pytest.raises(tf.errors.InvalidArgumentError):
            run(check, {hole: value if np.ndim(value) == 1 else [1.0], shapeless: value})
    with pytest.raises(ValueError, match="must have rank 2"):
        tf.assert_rank(hole, 2)


def test_draws():
    counts = np.bincount(run(tf.multinomial(np.log([[0.1, 0.6, 0.3]]), 2000, seed=1))[0], minlength=3) / 2000
    np.testing.assert_allclose(counts, [0.1, 0.6, 0.3], atol=0.04)
    gammas = run(tf.random_gamma([4000], 3.0, beta=2.0, seed=1))
    assert gammas.mean() == pytest.approx(1.5, rel=0.05) and gammas.var() == pytest.approx(0.75, rel=0.1)
    crop = tf.random_crop(PICTURE, [1, 2, 3], seed=2)
    assert crop.get_shape().as_list() == [1, 2, 3]
    with tf.Session() as session:
        found = [session.run(crop) for _ in range(40)]
    places = {(int(c[0, 0, 0]) // 12, int(c[0, 0, 0]) % 12 // 3) for c in found}
    assert places == {(y, x) for y in range(2) for x in range(3)}
    assert all(np.array_equal(c[0, 1], c[0, 0] + 3) for c in found)


def test_collections():
    tf.add_to_collections(["a", "b"], 1)
    tf.add_to_collections("a", 1)
    tf.get_collection_ref("a").append(2)
    assert (tf.get_collection("a"), tf.get_collection("b")) == ([1, 2], [1])
    assert run(tf.tables_initializer()) is None


def test_what_is_fed_may_be_fetched_and_is_the_caller_s_no_more():
    """In any structure, beside what follows from it, and beside operations."""
    x, given = tf.placeholder(tf.float32, [2]), np.array([1, 2], np.float32)
    y = x * 2.0
    with tf.Session() as session:
        found = session.run({"x": x, "both": [y, (x,)], "done": y.op}, {x: given})
        assert found["x"].tolist() == [1, 2] and found["both"][0].tolist() == [2, 4] and found["done"] is None
        assert not np.shares_memory(found["x"], given) and found["both"][1][0].tolist() == [1, 2]
        assert session.run(y, {y: [5.0, 6.0]}).tolist() == [5, 6]
        with pytest.raises(ValueError, match="Cannot feed value of shape"):
            session.run(x, {x: [1.0, 2.0, 3.0]})


def test_a_draw_of_whole_numbers_says_below_which():
    with pytest.raises(ValueError, match="Must specify maxval for integer dtype int32"):
        tf.random_uniform([2], dtype=tf.int32)


def test_a_type_that_is_another_is_told_at_once():
    with pytest.raises(TypeError, match="must be of type .*int32.*; got .*float32"):
        tf.assert_type(tf.constant(X), tf.int32)


def test_second_derivatives_need_a_shape():
    x = tf.placeholder(tf.float32, [None])
    with pytest.raises(ValueError, match="hessians needs the shape of 'Placeholder.*'"):
        tf.hessians(tf.reduce_sum(x), x)
