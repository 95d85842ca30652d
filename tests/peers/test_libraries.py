"""TensorFlow's own libraries as programs: checks, metrics, losses, layers, summaries, lookups, parsing, strings, files.

Each function builds and runs a graph; what it fetches must come out the same from both runtimes.
"""

import os
import tempfile

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the oracle is TensorFlow: pip install '.[peers]'")

from tests.peers.stand_in import differences, outcomes

pytestmark = pytest.mark.peers
PROGRAMS = {}


def program(function):
    PROGRAMS[function.__name__] = function
    return function


def start(tf, session):
    v1 = tf.compat.v1
    session.run([v1.global_variables_initializer(), v1.local_variables_initializer(), v1.tables_initializer()])


def each(tf, tensors, feeds=None):
    """Runs tensors one by one in one session, so that each has its own outcome."""
    with tf.compat.v1.Session() as session:
        start(tf, session)
        for tensor in tensors:
            try:
                session.run(tensor, feeds)
            except tf.errors.OpError:
                continue


# -- checks ---------------------------------------------------------------------------------------------------

_CHECKS = {
    "assert_equal": ([1, 2], [1, 3]),
    "assert_none_equal": ([1, 2], [2, 2]),
    "assert_less": ([1, 2], [2, 2]),
    "assert_less_equal": ([1, 3], [2, 2]),
    "assert_greater": ([1, 2], [1, 1]),
    "assert_greater_equal": ([1, 0], [1, 1]),
    "assert_near": ([1.0, 2.0], [1.0, 2.1]),
}


@program
def checks_of_two(tf):
    d, found = tf.compat.v1, []
    for name, (x, y) in _CHECKS.items():
        a, b = (tf.compat.v1.placeholder_with_default(v, None) for v in (x, y))
        found += [
            getattr(d.debugging, name)(a, b, message="told", summarize=10, data=[a, "and", b])
            if variant
            else getattr(d.debugging, name)(a, b)
            for variant in (0, 1)
        ]
        found.append(getattr(d.debugging, name)(a, a))
    each(tf, found)


@program
def checks_of_one(tf):
    d, hole = tf.compat.v1.debugging, tf.compat.v1.placeholder_with_default
    x = hole([-1.0, 0.0, 2.0], None)
    each(
        tf,
        [
            d.assert_negative(x),
            d.assert_positive(x),
            d.assert_non_negative(x),
            d.assert_non_positive(x),
            d.assert_rank(x, 2),
            d.assert_rank(x, hole(1, None)),
            d.assert_rank_at_least(x, 2),
            d.assert_rank_in(x, [0, 2]),
            d.assert_all_finite(x / 0.0, "not finite"),
            tf.debugging.check_numerics(x, "m"),
            tf.debugging.check_numerics(hole(np.nan, None), "m"),
            tf.debugging.check_numerics(hole(np.inf, None), "m"),
            d.assert_integer(hole([1], None)),
            d.is_non_decreasing(x),
            d.is_strictly_increasing(x),
            tf.debugging.Assert(hole(False, None), [x, "text", hole([[1, 2], [3, 4]], None)], summarize=2),
        ],
    )


# -- metrics --------------------------------------------------------------------------------------------------


@program
def metrics(tf):
    v1 = tf.compat.v1
    m = v1.metrics
    rng = np.random.default_rng(0)
    labels, guesses = v1.placeholder(tf.int64, [None]), v1.placeholder(tf.int64, [None])
    chances, weights = v1.placeholder(tf.float32, [None]), v1.placeholder(tf.float32, [None])
    truth, values = tf.cast(labels > 0, tf.bool), tf.cast(guesses, tf.float32)
    rows = v1.placeholder(tf.float32, [None, 3])
    both = [
        m.accuracy(labels, guesses, weights),
        m.auc(truth, chances, weights, num_thresholds=20),
        m.auc(truth, chances, curve="PR", num_thresholds=20, summation_method="careful_interpolation"),
        m.average_precision_at_k(labels[:, None], rows, 2),
        m.false_negatives(truth, guesses > 0, weights),
        m.false_positives(truth, guesses > 0),
        m.false_negatives_at_thresholds(truth, chances, [0.2, 0.6]),
        m.mean(values, weights),
        m.mean_absolute_error(tf.cast(labels, tf.float32), values, weights),
        m.mean_cosine_distance(tf.nn.l2_normalize(rows, 1), tf.nn.l2_normalize(rows[::-1], 1), 1),
        m.mean_iou(labels, guesses, 3, weights),
        m.mean_per_class_accuracy(labels, guesses, 3),
        m.mean_relative_error(tf.cast(labels, tf.float32), values, values + 1.0),
        m.mean_squared_error(tf.cast(labels, tf.float32), values),
        m.mean_tensor(tf.reduce_sum(tf.reshape(rows, [-1, 3]), 0)),
        m.percentage_below(values, 1.0, weights),
        m.precision(truth, guesses > 0, weights),
        m.precision_at_k(labels[:, None], rows, 2),
        m.precision_at_thresholds(truth, chances, [0.2, 0.6], weights),
        m.recall(truth, guesses > 0),
        m.recall_at_k(labels[:, None], rows, 2),
        m.recall_at_thresholds(truth, chances, [0.5]),
        m.root_mean_squared_error(tf.cast(labels, tf.float32), values),
        m.sensitivity_at_specificity(truth, chances, 0.5),
        m.specificity_at_sensitivity(truth, chances, 0.5),
        m.true_positives(truth, guesses > 0),
        m.true_negatives(truth, guesses > 0, weights),
        m.true_negatives_at_thresholds(truth, chances, [0.3]),
    ]
    with v1.Session() as session:
        start(tf, session)
        for size in (5, 1, 4):
            fed = {
                labels: rng.integers(0, 3, size),
                guesses: rng.integers(0, 3, size),
                chances: rng.random(size),
                weights: rng.integers(0, 3, size),
                rows: rng.random((size, 3)),
            }
            session.run([update for _, update in both], fed)
        session.run([value for value, _ in both])


# -- losses ---------------------------------------------------------------------------------------------------


@program
def losses(tf):
    v1 = tf.compat.v1
    lo, none = v1.losses, v1.losses.Reduction.NONE
    x = v1.placeholder_with_default(np.linspace(-2, 2, 12).reshape(4, 3).astype(np.float32), None)
    x.set_shape([4, 3])
    y = tf.one_hot([0, 2, 1, 1], 3)
    weights = tf.constant([[1.0], [0.0], [2.0], [0.5]])
    found = [
        lo.absolute_difference(y, x, weights),
        lo.cosine_distance(y, x, axis=1),
        lo.hinge_loss(y, x, weights),
        lo.huber_loss(y, x, delta=0.5),
        lo.log_loss(y, tf.sigmoid(x)),
        lo.mean_pairwise_squared_error(y, x),
        lo.mean_squared_error(y, x, reduction=none),
        lo.sigmoid_cross_entropy(y, x, label_smoothing=0.1),
        lo.softmax_cross_entropy(y, x, label_smoothing=0.1),
        lo.sparse_softmax_cross_entropy([0, 2, 1, 1], x, weights[:, 0]),
        lo.compute_weighted_loss(x, weights),
        *(lo.compute_weighted_loss(x, 2.0, reduction=r) for r in lo.Reduction.all()),
        tf.gradients(lo.mean_pairwise_squared_error(y, x), x)[0],
        tf.gradients(lo.huber_loss(y, x), x)[0],
        lo.absolute_difference(y, x, v1.placeholder_with_default(np.ones([2, 1], np.float32), None)),
        lo.mean_squared_error(y, v1.placeholder_with_default(np.ones([2, 3], np.float32), None)),
    ]
    each(tf, found)


# -- layers ---------------------------------------------------------------------------------------------------


@program
def library_mathematics(tf):
    v1 = tf.compat.v1
    x = v1.placeholder_with_default(np.linspace(-2, 2, 24).reshape(2, 4, 3).astype(np.float32), [None, None, 3])
    c = v1.placeholder_with_default(np.array([3, 0, 3, 1], np.int32), [None])
    each(
        tf,
        [
            tf.nn.moments(x, [0, 1], keepdims=True),
            tf.nn.weighted_moments(x, [1], tf.abs(x)),
            tf.nn.zero_fraction(x),
            tf.nn.normalize_moments(4.0, 2.0, 3.0, 0.5),
            tf.nn.sufficient_statistics(x, [0])[:3],
            tf.nn.l2_normalize(x, -1),
            tf.clip_by_norm(x, 1.0, [1]),
            tf.clip_by_global_norm([x, x * 2], 3.0),
            v1.clip_by_average_norm(x, 0.1),
            tf.clip_by_global_norm([x / 0.0, x], 3.0),
            tf.linalg.global_norm([x, x]),
            tf.math.confusion_matrix(c, c[::-1]),
            tf.math.confusion_matrix(c, c[::-1], num_classes=2),
            tf.math.bincount(c),
            tf.math.bincount(c, minlength=6, maxlength=2),
            tf.math.bincount(c, weights=[0.5, 1, 2, 3], dtype=tf.float32),
            tf.math.bincount(c[None], axis=-1, binary_output=True),
            tf.histogram_fixed_width(x, [-1.0, 1.0], 4),
            tf.histogram_fixed_width_bins(x, [-1.0, 1.0], 4),
            tf.math.reduce_std(x, 1),
            tf.math.reduce_variance(x),
            tf.math.reduce_logsumexp(x, [0, 2]),
            tf.math.zero_fraction(c),
            tf.math.l2_normalize(x, 2),
            tf.math.polyval([x, 2.0, 3.0], x),
            tf.math.cumulative_logsumexp(x, 1),
            tf.math.squared_difference(x, 1.0),
            tf.math.multiply_no_nan(x, 0.0),
            tf.math.sobol_sample(3, 5, skip=2),
            tf.math.top_k(x, 2),
            tf.math.in_top_k(c[:2], x[:, 0], 2),
            tf.math.xlogy(x, x),
            tf.math.segment_mean(x, [0, 1]),
            tf.math.softsign(x),
            tf.math.lbeta(tf.abs(x) + 0.1),
            tf.math.erfcinv(tf.sigmoid(x)),
            tf.math.ndtri(tf.sigmoid(x)),
            tf.math.nextafter(x, 1.0),
            tf.math.bessel_i0e(x),
            tf.math.special.spence(tf.abs(x)),
            tf.math.reduce_euclidean_norm(x, [0, 1]),
            tf.math.count_nonzero(x, 1),
            tf.math.invert_permutation([2, 0, 1]),
            tf.sets.intersection(c[None], c[None, ::-1]).values,
            tf.sets.size(tf.sets.union(c[None], [[7]])),
            tf.nn.log_poisson_loss(tf.abs(x), x, True),
            tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=x),
            tf.nn.weighted_cross_entropy_with_logits(labels=x, logits=x, pos_weight=2.0),
            tf.nn.scale_regularization_loss(x[0]),
        ],
    )


@program
def strings(tf):
    s = tf.strings
    x = tf.compat.v1.placeholder_with_default(
        np.array([[b"Hello  World", "é漢 a".encode()], [b"", b"a,b,,c"]], object), [None, None]
    )
    flat = tf.reshape(x, [-1])
    number = tf.compat.v1.placeholder_with_default(np.array([1.5, -2.25, np.nan, np.inf, 1e20], np.float32), None)
    each(
        tf,
        [
            s.split(flat).flat_values,
            s.split(flat, ",").row_splits,
            s.split(x, ",", maxsplit=1).flat_values,
            tf.compat.v1.strings.split(flat).indices,
            s.bytes_split(x).flat_values,
            s.unicode_split(flat, "UTF-8").flat_values,
            s.ngrams(s.split(flat), [1, 2]).flat_values,
            s.unicode_decode(flat, "UTF-8").row_splits,
            s.length(x, "UTF8_CHAR"),
            s.unicode_decode_with_offsets(flat, "UTF-8")[1].flat_values,
            s.unicode_encode(s.unicode_decode(flat, "UTF-8"), "UTF-16-BE"),
            s.unicode_transcode(x, "UTF-8", "UTF-32-BE"),
            s.unicode_script([65, 0x6F22]),
            s.lower(x, "utf-8"),
            s.upper(x),
            s.strip(x),
            s.substr(flat, 1, 2),
            s.substr(flat, [0, 1, 0, 2], [1, 1, 1, 9], unit="UTF8_CHAR"),
            s.regex_replace(x, "([a-z])", r"<\1>"),
            s.regex_replace(x, "[", ""),
            s.regex_full_match(x, ".*o.*"),
            s.join([x, "-", x], ","),
            s.reduce_join(x, 0, separator="+"),
            s.reduce_join(x),
            s.format("{} and {}", [number, x], summarize=2),
            s.as_string(number),
            s.as_string(number, precision=2),
            s.as_string(number, scientific=True),
            s.as_string(number, shortest=True, width=12),
            s.as_string(number, width=9, fill="0"),
            s.as_string([True, False]),
            s.as_string(tf.constant([1 + 2j], tf.complex64)),
            s.as_string(np.int8([-3, 7]), width=4, fill=" "),
            s.to_number(["1.5", " 2", "-3e2", "nan"]),
            s.to_number(["7"], tf.int64),
            s.to_number(["1x"]),
            s.to_number(["99999999999"], tf.int32),
            s.to_hash_bucket_fast(x, 100),
            s.to_hash_bucket_strong(x, 100, [1, 2]),
            tf.compat.v1.string_to_hash_bucket(x, 7),
            s.unsorted_segment_join(flat, [0, 1, 0, 1], 3, ":"),
            tf.io.encode_base64(x, pad=True),
            tf.io.decode_base64(tf.io.encode_base64(x)),
            tf.io.decode_raw(["abcd", "efgh"], tf.int16, little_endian=False),
            tf.io.decode_raw(["abcd", "efg"], tf.uint8),
            tf.io.decode_raw(["abcd", "e"], tf.uint16, fixed_length=4),
            tf.io.decode_compressed(["x"], "ZLIB"),
            tf.io.decode_csv(["1,a,", "2,,3"], [[0], ["d"], [9.0]]),
        ],
    )


@program
def lookups(tf):
    lookup = tf.lookup
    keys = tf.compat.v1.placeholder_with_default(np.array([b"a", b"z", b"c"], object), None)
    init = lookup.KeyValueTensorInitializer(["a", "b", "c"], tf.constant([0, 1, 2], tf.int64))
    table = lookup.StaticHashTable(init, -1)
    buckets = lookup.StaticVocabularyTable(init, 3)
    grows = lookup.experimental.MutableHashTable(tf.string, tf.float32, [0.5, 0.25])
    dense = lookup.experimental.DenseHashTable(tf.int64, tf.float32, -1.0, empty_key=-1, deleted_key=-2)
    each(
        tf,
        [
            table.lookup(keys),
            table.size(),
            buckets.lookup(keys),
            buckets.size(),
            grows.insert(keys, [[1.0, 2], [3, 4], [5, 6]]),
            grows.lookup(keys[::-1]),
            grows.size(),
            grows.remove(keys[:1]),
            grows.size(),
            grows.lookup(keys),
            grows.insert(keys, [[1.0], [2], [3]]),
            dense.insert(tf.constant([5, 6], tf.int64), [5.0, 6.0]),
            dense.lookup(tf.constant([6, 7], tf.int64)),
            dense.erase(tf.constant([5], tf.int64)),
            dense.size(),
            dense.insert(tf.constant([-1], tf.int64), [0.0]),
            dense.lookup(tf.constant([-2], tf.int64)),
            tf.sparse.to_dense(table.lookup(tf.sparse.from_dense([["a", ""], ["q", "c"]])), -7),
        ],
    )


@program
def examples(tf):
    from tensorflow.core.example import example_pb2

    def example(**features):
        message = example_pb2.Example()
        for name, values in features.items():
            kinds = {float: "float_list", int: "int64_list", bytes: "bytes_list"}
            getattr(message.features.feature[name], kinds[type(values[0])]).value.extend(values)
        return message.SerializeToString()

    rows = [
        example(a=[1, 2], f=[0.5], s=[b"x", b"y"]),
        example(a=[3, 4], f=[1.5]),
        example(a=[5, 6], s=[b"z"], i=[0, 2]),
    ]
    data = tf.compat.v1.placeholder_with_default(np.array(rows, object), [None])
    io = tf.io
    one = io.parse_single_example(data[0], {"a": io.FixedLenFeature([2], tf.int64), "f": io.VarLenFeature(tf.float32)})
    many = io.parse_example(
        data,
        {
            "a": io.FixedLenFeature([2], tf.int64),
            "s": io.VarLenFeature(tf.string),
            "f": io.FixedLenFeature([], tf.float32, 9.0),
            "v": io.FixedLenSequenceFeature([], tf.string, allow_missing=True, default_value="-"),
            "w": io.SparseFeature("i", "i", tf.int64, 5),
        },
    )
    ragged = io.parse_example(data, {"r": io.RaggedFeature(tf.string, value_key="s")})["r"]
    missing = io.parse_example(data, {"f": io.FixedLenFeature([], tf.float32)})
    wrong = io.parse_example(data, {"a": io.FixedLenFeature([2], tf.float32)})
    sized = io.parse_example(data, {"a": io.FixedLenFeature([3], tf.int64)})
    broken = io.parse_single_example(tf.constant(b"nonsense"), {"a": io.FixedLenFeature([2], tf.int64)})
    each(
        tf,
        [
            *one.values(),
            many["a"],
            many["s"],
            many["f"],
            many["w"],
            ragged.flat_values,
            ragged.row_splits,
            missing["f"],
            wrong["a"],
            sized["a"],
            broken["a"],
            io.parse_tensor(io.serialize_tensor(many["a"]), tf.int64),
            io.parse_tensor(io.serialize_tensor(many["a"]), tf.float32),
        ],
    )


@program
def summaries(tf):
    s = tf.compat.v1.summary
    x = tf.compat.v1.placeholder_with_default(np.float32([[0.5, -1], [2, 3]]), None)
    sound = tf.compat.v1.placeholder_with_default(np.float32([[0.5, -1, 0.25]]), [None, None])
    each(
        tf,
        [
            s.scalar("a b", x[0, 0]),
            s.histogram("h", x),
            s.audio("au", sound, 8000.0),
            s.text("t", tf.as_string(x)),
            s.tensor_summary("ts", x, display_name="shown"),
            s.merge([s.scalar("u", 1.0), s.scalar("v", 2.0)]),
            s.merge_all(),
            s.scalar("bad", x),
            s.histogram("nan", x / 0.0),
            s.scalar("int", tf.constant(7)),
            s.scalar("half", tf.constant(0.1, tf.half)),
        ],
    )


@program
def files(tf):
    v1, io = tf.compat.v1, tf.io
    folder = os.path.join(tempfile.gettempdir(), f"refflow-peers-{os.getpid()}")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "lines.txt")
    with io.TFRecordWriter(os.path.join(folder, "r.rec")) as writer:
        for text in (b"one", b"two"):
            writer.write(text)
    names, records = v1.FIFOQueue(2, tf.string), v1.FIFOQueue(2, tf.string)
    reader = v1.TextLineReader(skip_header_lines=1)
    key, value = reader.read(names)
    with v1.Session() as session:
        start(tf, session)
        session.run(io.write_file(path, "head\na\nb"))
        session.run([io.read_file(path), io.matching_files(os.path.join(folder, "*.txt"))])
        session.run([names.enqueue(path), records.enqueue(os.path.join(folder, "r.rec"))])
        session.run([names.close(), records.close()])
        for tensors in (
            [value],
            [value],
            v1.TFRecordReader().read_up_to(records, 5),
            [reader.num_records_produced()],
            [key, value],
        ):
            try:
                session.run(tensors)
            except tf.errors.OpError:
                continue
        work = v1.FIFOQueue(3, tf.string)
        session.run([work.enqueue_many([["a", "b"]])])
        identity = v1.IdentityReader("identity")
        session.run([identity.read(work)])
        session.run([identity.serialize_state()])
        for state in (b"BOGUS", b'\x01\t"a', b"\x08\x02\x10\x02\x18\x07"):
            try:
                session.run([identity.restore_state(state)])
            except tf.errors.OpError:
                continue
        session.run([identity.num_records_produced(), identity.serialize_state()])
        for wrong in (io.read_file(os.path.join(folder, "none")), io.matching_files("[")):
            try:
                session.run(wrong)
            except tf.errors.OpError:
                continue


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_library_s_program_runs_the_same(name):
    assert differences(PROGRAMS[name], rtol=2e-5) == []


@pytest.mark.parametrize("name", ["checks_of_two", "checks_of_one", "strings", "lookups", "examples", "summaries"])
def test_errors_are_told_in_the_same_words(name):
    theirs, ours = (outcomes(PROGRAMS[name], here=here) for here in (False, True))
    assert [(t.message, o.message) for t, o in zip(theirs, ours, strict=True) if t.message not in o.message] == []
