"""Random bits: the published vectors of the generator, the stream's rules, and the distributions."""

import numpy as np
import pytest

import refflow as tf
from refflow.core.dtypes import float32, float64
from refflow.core.registry import find_op_def
from refflow.ops import random_numbers
from refflow.ops.philox import RESERVED, TOGETHER, Philox, PhiloxStream, philox, uniform_float32

# Known answers of the generator's authors (Random123, kat_vectors, philox4x32 with 10 rounds).
KNOWN = [
    ([0, 0, 0, 0], (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ([0xFFFFFFFF] * 4, (0xFFFFFFFF, 0xFFFFFFFF), "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        (0xA4093822, 0x299F31D0),
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_the_generator_gives_its_authors_known_answers(counter, key, words):  # [W73]
    found = philox(np.array([counter], np.uint64).T, key)[0]
    assert " ".join(f"{w:08x}" for w in found) == words


def test_a_counter_carries_from_one_half_into_the_other():  # [W73]
    stream = PhiloxStream(1, 2)
    far = 2**64 - 1
    both = stream.words(np.array([0, 1], np.uint64), far)
    later = PhiloxStream(1, 3).words(np.array([0], np.uint64), 0)
    assert both[1].tolist() == later[0].tolist() and both[0].tolist() != both[1].tolist()


# What TensorFlow 2.21 gives on a CPU for graph seed 87654321 and op seed 5, two runs in a row.
UNIFORM = {'float32': [['0x1.8da1780000000p-2', '0x1.53ce3c0000000p-1', '0x1.8908800000000p-3', '0x1.697fbc0000000p-1',
              '0x1.ed26600000000p-1'],
             ['0x1.f7cdd00000000p-2', '0x1.e1a3080000000p-1', '0x1.47df900000000p-2', '0x1.621f300000000p-3',
              '0x1.421c680000000p-2']],
 'float64': [['0x1.b42fa6d4f38f0p-4', '0x1.121114fb4bfdep-1', '0x1.69331b253874cp-1', '0x1.5aa520ba5e3bap-1',
              '0x1.1780f7c967df0p-4'],
             ['0x1.df3755df0d184p-1', '0x1.1f7e5612c43e6p-1', '0x1.0871bf95b30e8p-1', '0x1.19b26f2c3fd7ep-1',
              '0x1.23a6a1c9caae6p-1']]}
NORMAL = {'float32': [[-1.178082823753357, -0.7099413871765137, -1.7481579780578613, -0.4953722655773163,
              0.24303887784481049, -0.1263130158185959, -0.6639286875724792],
             [-1.5378210544586182, -0.184026300907135, -1.156457543373108, 0.34593120217323303,
              -0.6022078394889832, 1.4510999917984009, 0.5012836456298828]],
 'float64': [[-0.46540936664254984, -2.0646521014272525, -0.7490927202357748, -0.36965894530492355,
              -1.0471234980003954, -2.067131605254701, -0.8142288358432652],
             [-1.022406428672274, 0.8560200845240074, 1.4893890650525339, -0.08673579668422333,
              -0.51791904250026, -1.4196215270111063, -0.781469928306334]]}
TRUNCATED = {'float32': [[-1.178082823753357, -0.7099413871765137, -1.7481579780578613, -0.4953722655773163,
              -0.864153265953064, 1.2457009553909302, -0.9056705236434937],
             [-1.5378210544586182, -0.184026300907135, -1.156457543373108, 0.34593120217323303,
              -1.476979374885559, 0.026875438168644905, 1.1444542407989502]],
 'float64': [[-0.46540936664254984, -0.7490927202357748, -0.49661495908212616, 0.8547184961461154,
              0.09091473149702428, -1.114846296191401, -0.528490746320437],
             [-1.022406428672274, 0.8560200845240074, 0.10578015595002897, 0.11958151043978531,
              -0.7946095478333276, -0.3464909925737758, 1.3096059866139353]]}


def two_runs(make, **options):
    with tf.Session(**options) as session:
        x = make()
        return [session.run(x), session.run(x)]


@pytest.mark.parametrize("counter", [0, 2**64 - 5, 2**128 - 5])
def test_few_blocks_have_the_words_that_they_have_among_many(counter):
    generator = Philox(0x123456789ABCDEF0, counter)
    many = generator.words(np.arange(40, dtype=np.uint64))
    few = [generator.words(np.arange(i, i + 4, dtype=np.uint64)) for i in range(0, 40, 4)]
    np.testing.assert_array_equal(np.concatenate(few), many)
    assert generator.words(np.zeros(0, np.uint64)).shape == (0, 4)


def test_blocks_have_their_words_wherever_they_are_cut():
    generator = Philox(0x123456789ABCDEF0, 2**64 - TOGETHER)
    last = np.arange(TOGETHER + 20, dtype=np.uint64)
    np.testing.assert_array_equal(generator.words(last)[-20:], generator.words(last[-20:]))


def test_sine_and_cosine_of_all_angles_of_words_are_those_of_the_library():
    step = 1 << 20
    for first in range(0, 1 << 23, step):
        turns = uniform_float32(np.arange(first, first + step, dtype=np.uint32)).astype(np.float64)
        angle = (2 * np.pi * turns).astype(np.float32).astype(np.float64)
        found = random_numbers.sines_and_cosines(angle).astype(np.float32)
        for got, wanted in zip(found, (np.sin(angle), np.cos(angle)), strict=True):
            np.testing.assert_array_equal(got, wanted.astype(np.float32))


@pytest.mark.parametrize(("dtype", "size"), [(float32, 4), (float64, 2)])
def test_each_group_of_truncated_normals_has_the_first_near_ones_of_its_own_blocks(dtype, size):  # [S13]
    generator, groups = Philox(5, 7 << 64), 500
    found = random_numbers.truncated_normals(generator, groups * size - 1, dtype)
    for group in range(groups):
        blocks = np.arange(40, dtype=np.uint64) + np.uint64(group * size * RESERVED // 4)
        values = random_numbers.normals_of(generator.words(blocks), dtype).reshape(-1)
        wanted = values[np.abs(values) < 2][:size]
        assert found[group * size : (group + 1) * size].tolist() == wanted.tolist()[: len(found) - group * size]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 50, 1000])
@pytest.mark.parametrize("far", [1, 3, 10**9])
def test_swaps_at_once_are_swaps_one_by_one(count, far):
    rng = np.random.default_rng(count)
    for _ in range(5):
        others = np.minimum(np.arange(count) + rng.integers(0, far, count), count - 1)
        one_by_one = random_numbers.swapped(others.tolist())
        np.testing.assert_array_equal(random_numbers.swapped_at_once(others), one_by_one)
        assert sorted(one_by_one) == list(range(count))



def test_uniform_numbers_are_tensorflow_s_to_the_bit():  # [W73]
    for dtype, wanted in UNIFORM.items():
        got = two_runs(lambda dtype=dtype: tf.random_uniform([5], dtype=dtype, seed=5))
        assert [[float(v).hex() for v in run] for run in got] == wanted


@pytest.mark.parametrize("kind", ["normal", "truncated"])
def test_normal_numbers_are_tensorflow_s_up_to_the_last_place_of_sine_and_logarithm(kind):  # [S13, W73]
    make = {"normal": tf.random_normal, "truncated": tf.truncated_normal}[kind]
    for dtype, wanted in {"normal": NORMAL, "truncated": TRUNCATED}[kind].items():
        got = two_runs(lambda dtype=dtype: make([7], dtype=dtype, seed=5))
        np.testing.assert_allclose(np.array(got), wanted, rtol=0, atol=2.5e-7 if dtype == "float32" else 1e-14)


def test_truncated_normals_stay_inside_and_have_the_known_variance():  # [S13]
    x = two_runs(lambda: tf.truncated_normal([200_000], seed=1))[0]
    assert np.abs(x).max() < 2
    assert x.mean() == pytest.approx(0, abs=0.01) and x.var() == pytest.approx(0.7737, abs=0.01)


def test_other_distributions_have_their_moments():
    normal = two_runs(lambda: tf.random_normal([100_000], 3.0, 2.0, seed=1))[0]
    assert normal.mean() == pytest.approx(3, abs=0.03) and normal.std() == pytest.approx(2, abs=0.03)
    uniform = two_runs(lambda: tf.random_uniform([100_000], -1.0, 3.0, seed=1))[0]
    assert uniform.min() >= -1 and uniform.max() < 3 and uniform.mean() == pytest.approx(1, abs=0.03)


def test_an_element_does_not_depend_on_how_many_there_are():  # [W73]
    few, many = (two_runs(lambda n=n: tf.truncated_normal([n], seed=3))[0] for n in (10, 1000))
    assert few.tolist() == many[:10].tolist()


def test_each_run_moves_on_by_256_blocks_an_element():  # [W73]
    stream = PhiloxStream(7, 8)
    assert [stream.reserve(10), stream.reserve(1), stream.next_block] == [0, 10 * RESERVED, 11 * RESERVED]


def seeds(make):
    op = next(op for op in make().graph.get_operations() if "seed" in op.attrs)
    return op.get_attr("seed"), op.get_attr("seed2")


def test_seeds_follow_the_release_s_rules(graph):  # [W72]
    def with_graph_seed(graph_seed, op_seed):
        with tf.Graph().as_default() as other:
            other.seed = graph_seed
            return seeds(lambda: tf.truncated_normal([2], seed=op_seed))

    assert with_graph_seed(None, None) == (0, 0)
    assert with_graph_seed(None, 5) == (87654321, 5)
    assert with_graph_seed(1234, 5) == (1234, 5)
    assert with_graph_seed(1234, None) == (1234, 3)  # three nodes stand before it: shape, mean, stddev
    assert with_graph_seed(0, 0) != (0, 0)  # which would mean "other numbers each time"


def test_without_seeds_two_sessions_differ_and_two_runs_differ():  # [W72]
    x = tf.random_uniform([4])
    with tf.Session() as a, tf.Session() as b:
        runs = [a.run(x).tolist(), a.run(x).tolist(), b.run(x).tolist()]
    assert len({tuple(r) for r in runs}) == 3


def test_two_ops_under_one_graph_seed_differ(graph):  # [W72]
    tf.set_random_seed(1)
    with tf.Session() as session:
        a, b = session.run([tf.random_uniform([4]), tf.random_uniform([4])])
    assert a.tolist() != b.tolist()


def test_the_executor_and_the_plan_draw_the_same():
    def make():
        return tf.truncated_normal([9], seed=3)

    plan, executor = two_runs(make), two_runs(make, executor="executor")
    assert [r.tolist() for r in plan] == [r.tolist() for r in executor]


def test_a_shape_of_nothing_gives_nothing():
    assert two_runs(lambda: tf.truncated_normal([0, 3], seed=1))[0].shape == (0, 3)
    assert two_runs(lambda: tf.random_normal([], seed=1))[0].shape == ()


def test_an_integer_may_be_any_of_its_type():
    low, high = (find_op_def("StatelessRandomUniformFullInt")([9999], [1, 2], dtype=t) for t in (tf.int64, tf.uint32))
    with tf.Session() as session:
        wide, plain = session.run([low, high])
    assert wide.min() < -(2**62) and wide.max() > 2**62 and plain.max() > 2**31


GAMMAS = {
    "RandomGamma": lambda alpha: {"shape": [4000], "alpha": alpha, "seed": 3},
    "StatelessRandomGammaV2": lambda alpha: {"shape": [4000, 3], "seed": np.array([1, 2]), "alpha": alpha},
    "StatelessRandomGammaV3": lambda alpha: {
        "shape": [4000, 3], "key": np.array([1], np.uint64), "counter": np.array([2, 3], np.uint64),
        "alg": np.array(1, np.int32), "alpha": alpha,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", GAMMAS)
def test_gamma_numbers_have_their_moments_and_move_with_alpha(name):  # [W73, W30]
    """The mean is alpha, so that the mean slope is 1; the same words make larger numbers for a larger alpha."""
    alpha = tf.placeholder(tf.float64, [3])
    sample = find_op_def(name)(**GAMMAS[name](alpha))
    (slope,) = tf.gradients(sample, alpha)
    at = np.array([0.5, 1.5, 8.0])
    with tf.Session() as session:
        drawn = session.run(sample, {alpha: at})
    with tf.Session() as session:
        summed = session.run(slope, {alpha: at})
    assert drawn.shape == (4000, 3) and drawn.min() > 0
    np.testing.assert_allclose(drawn.mean(0), at, rtol=0.06)
    np.testing.assert_allclose(drawn.var(0), at, rtol=0.2)
    np.testing.assert_allclose(summed / 4000, 1, rtol=0.06)


def test_the_slope_of_a_gamma_number_keeps_its_place_in_the_distribution():
    """Moved along its slope, a sample stays where the integral of the density is what it was."""
    a, x, step = np.array([0.3, 1.0, 2.5, 40.0]), np.array([0.2, 3.0, 1.0, 45.0]), 1e-5
    with tf.Session() as session:
        slope = session.run(find_op_def("RandomGammaGrad")(a, x))
        before, after = (session.run(find_op_def("Igamma")(a + s * step, x + s * step * slope)) for s in (-1, 1))
    np.testing.assert_allclose(after, before, rtol=0, atol=1e-10)


def test_counts_have_their_moments():
    rate, seed = np.array([0.5, 5.0, 50.0]), np.array([3, 4])
    poisson = find_op_def("StatelessRandomPoisson")([9999, 3], seed, rate, dtype=tf.int32)
    binomial = find_op_def("StatelessRandomBinomial")([9999, 3], seed, np.array([10.0, 100.0, 100.0]),
                                                     np.array([0.3, 0.5, 0.97]), dtype=tf.int32)  # fmt: skip
    logits = np.log([[0.1, 0.2, 0.7]])
    drawn = find_op_def("StatelessMultinomial")(logits, 9999, seed)
    with tf.Session() as session:
        p, b, c = session.run([poisson, binomial, drawn])
    np.testing.assert_allclose(p.mean(0), rate, rtol=0.04)
    np.testing.assert_allclose(p.var(0), rate, rtol=0.08)
    np.testing.assert_allclose(b.mean(0), [3, 50, 97], rtol=0.02)
    np.testing.assert_allclose(b.var(0), [2.1, 25, 2.91], rtol=0.08)
    np.testing.assert_allclose(np.bincount(c[0]) / 9999, [0.1, 0.2, 0.7], atol=0.02)


@pytest.mark.parametrize(("low", "high"), [(-2.0, 1.0), (0.5, 1.0), (3.0, np.inf), (-np.inf, -2.0)])
def test_bounded_normals_stay_inside(low, high):
    op = find_op_def("StatelessParameterizedTruncatedNormal")
    x = op([5000], np.array([1, 2]), *(np.array(v, np.float32) for v in (1.0, 2.0, 1 + 2 * low, 1 + 2 * high)))
    with tf.Session() as session:
        z = (session.run(x) - 1) / 2
    assert z.min() >= low and z.max() <= high
    grid = np.linspace(max(low, -8), min(high, 8), 100_001)
    density = np.exp(-grid * grid / 2)
    assert z.mean() == pytest.approx((grid * density).sum() / density.sum(), abs=0.03)


def test_shuffled_indices_are_a_permutation():
    op = find_op_def("RandomIndexShuffle")
    with tf.Session() as session:
        found = session.run(op(np.arange(1000), np.array([5, 6, 7]), np.array(999)))
    assert sorted(found) == list(range(1000)) and found.tolist() != list(range(1000))


def test_a_generator_in_a_variable_moves_on_by_what_was_drawn():
    handle = find_op_def("VarHandleOp")(dtype=tf.int64, shape=[3], shared_name="g")
    start = find_op_def("AssignVariableOp")(handle, np.array([0, 0, 7]))
    draw = find_op_def("StatefulUniform")(handle, np.array(1), [5])
    skip = find_op_def("RngReadAndSkip")(handle, np.array(1, np.int32), np.array(2, np.uint64))
    with tf.Session() as session:
        session.run(start)
        first = session.run(draw)
        assert session.run(skip).tolist() == [5 * RESERVED, 0, 7]
        assert session.run(skip).tolist() == [7 * RESERVED, 0, 7]
        session.run(start)
        assert session.run(draw).tolist() == first.tolist()
        assert session.run(draw).tolist() != first.tolist()
