"""What a CPU's kernel refuses, a card tells after the step, with the node's name."""

import numpy as np
import pytest

import refflow as tf
import refflow.compat.v1 as v1
from refflow.core.registry import op_def
from tests.kernels.test_capture import session_on


def lookups():
    table = tf.constant(np.arange(12, dtype=np.float32).reshape(4, 3))
    rows = tf.placeholder(tf.int32, [2, 2])
    scores, labels = tf.placeholder(tf.float32, [2, 5]), tf.placeholder(tf.int32, [2])
    loss = v1.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=scores, name="loss")
    good = {rows: [[0, 1], [2, 3]], scores: np.ones((2, 5)), labels: [0, 4]}
    return rows, labels, [tf.gather(table, rows, name="picked"), loss], good


@pytest.mark.parametrize("options", [{}, {"capture": False}, {"executor": "executor"}], ids=str)
def test_an_index_out_of_range_is_told_after_the_step_with_its_node(options):  # [W79]
    with tf.Graph().as_default():
        rows, labels, fetches, good = lookups()
        with session_on(**options)[0] as session:
            for _ in range(3):
                session.run(fetches, good)
                with pytest.raises(tf.errors.InvalidArgumentError) as caught:
                    session.run(fetches, good | {rows: [[0, 1], [7, 3]]})
                assert "'picked': indices[1,0] = 7 is not in [0, 4)" in str(caught.value)
                with pytest.raises(tf.errors.InvalidArgumentError, match=r"label value of -1 .* \[0, 5\)"):
                    session.run(fetches, good | {labels: [2, -1]})
            found = session.run(fetches, good)
        np.testing.assert_array_equal(found[0], np.arange(12).reshape(2, 2, 3))


def test_an_index_out_of_range_in_the_midst_of_repeated_steps_is_told():  # [W79]
    with tf.Graph().as_default():
        rows, _, fetches, good = lookups()
        data = {t: np.stack([np.asarray(v)] * 6) for t, v in good.items()}
        data[rows][3, 1, 1] = 4
        with session_on()[0] as session:
            with pytest.raises(tf.errors.InvalidArgumentError, match=r"indices\[1,1\] = 4 is not in \[0, 4\)"):
                session.repeat(fetches, 6, data)
            data[rows][3, 1, 1] = 3
            assert session.repeat(fetches, 6, data)[0].shape == (6, 2, 2, 3)


def test_the_first_index_outside_is_found_wherever_it_is(rng):
    from refflow_kernels.gpu.ranges import first_outside, programs
    from refflow_kernels.interpreter import Memory

    for count, bad in [(1, [0]), (5, []), (3000, [2999]), (20_000, [8192, 19_999]), (20_000, [4, 9000])]:
        indices = rng.integers(0, 50, count).astype(np.int32)
        indices[bad] = [50, -1][: len(bad)]
        words = Memory.of(np.full((2, programs(count)), -1, np.int64))
        first_outside(Memory.of(indices), 0, (50,), words)
        assert words.guard_is_whole()
        places, values = words.array
        assert places.max() < 0 if not bad else min(places[places >= 0]) == bad[0]
        assert not bad or values[np.argmax(places >= 0)] == 50


@pytest.mark.parametrize("options", [{}, {"executor": "executor"}], ids=str)
def test_an_index_of_several_numbers_is_told_as_on_a_cpu(options):  # [W06, W79]
    with tf.Graph().as_default():
        pairs = tf.placeholder(tf.int32, [2, 2])
        table = tf.constant(np.arange(12, dtype=np.float32).reshape(4, 3))
        fetches = [v1.gather_nd(table, pairs, name="picked"), v1.scatter_nd(pairs, tf.constant([1.0, 2.0]), [4, 3])]
        good, bad = [[0, 1], [3, 2]], [[0, 1], [2, 3]]
        with tf.Session() as session:
            wanted = session.run(fetches, {pairs: good})
            with pytest.raises(tf.errors.InvalidArgumentError) as told:
                session.run(fetches[0], {pairs: bad})
        with session_on(**options)[0] as session:
            for _ in range(3):
                for found, value in zip(session.run(fetches, {pairs: good}), wanted, strict=True):
                    np.testing.assert_array_equal(found, value)
                with pytest.raises(tf.errors.InvalidArgumentError) as caught:
                    session.run(fetches[0], {pairs: bad})
                for error in (told, caught):
                    assert "'picked': indices[1] = [2, 3] does not index into param shape [4,3]" in str(error.value)
                with pytest.raises(tf.errors.InvalidArgumentError, match=r"= \[2, 3\] does not index into shape"):
                    session.run(fetches[1], {pairs: bad})


@pytest.mark.parametrize("fed", [True, False], ids=["fed", "constant"])
def test_segments_of_as_many_rows_as_the_last_id_says_are_reduced_on_the_card(fed, rng):  # [W06, W79]
    """The host looks at ids whose values say how long the result is; what they belong to stays on the card."""
    x, rises = tf.placeholder(tf.float32, [5, 3]), np.array([0, 0, 1, 3, 3])
    ids = tf.placeholder(tf.int64, [5]) if fed else tf.constant(rises)
    picks = np.array([4, 0, 0, 2, 1])
    sums = [getattr(tf, f"segment_{kind}")(x * 1.0, ids) for kind in ("sum", "mean", "max")]
    sums.append(op_def("SparseSegmentSqrtN")(x * 1.0, picks, ids))
    slope = tf.gradients([tf.reduce_sum(tf.square(s)) for s in sums[:2] + sums[3:]], x)[0]
    given = {x: rng.normal(size=(5, 3))} | ({ids: rises} if fed else {})
    with tf.Session() as session:
        wanted = session.run([*sums, slope], given)
    with session_on()[0] as session:
        for _ in range(3):
            for got, told in zip(session.run([*sums, slope], given), wanted, strict=True):
                np.testing.assert_allclose(got, told, rtol=1e-6, atol=1e-6)
        placed = session.stages(session.signature([*sums, slope], given)).placement
        if fed:
            with pytest.raises(tf.errors.InvalidArgumentError, match="segment ids are not increasing"):
                session.run(sums, given | {ids: [0, 1, 0, 3, 3]})
    assert {r.device[-5:] for r in placed if "Segment" in r.op_type} == {"gpu:0"}


@pytest.mark.parametrize("options", [{}, {"executor": "executor"}], ids=str)
def test_slopes_of_picked_rows_have_segments_that_are_there_and_of_no_rows_any_will_do(options):  # [W06, W79]
    slopes, ids = tf.placeholder(tf.float32, [2, 3]), tf.placeholder(tf.int32, [3])
    back = [op_def("SparseSegmentMeanGrad")(slopes, np.array([0, 1, 7]), ids, np.array(n, np.int32)) for n in (8, 0)]
    given = {slopes: np.ones((2, 3)), ids: [0, 1, 1]}
    with tf.Session() as on_cpu, session_on(**options)[0] as session:
        for _ in range(3):
            for got, wanted in zip(session.run(back, given), on_cpu.run(back, given), strict=True):
                np.testing.assert_array_equal(got, wanted)
            for each in (session, on_cpu):
                with pytest.raises(tf.errors.InvalidArgumentError, match=r"MeanGrad.*id 2 out of range \[0, 2\)"):
                    each.run(back, given | {ids: [0, 1, 2]})


def test_constant_ids_that_fall_are_refused_before_the_step():  # [W79]
    falling = tf.segment_sum(tf.placeholder(tf.float32, [3]), tf.constant([0, 2, 1]), name="falling")
    with session_on()[0] as session, pytest.raises(tf.errors.InvalidArgumentError, match="'falling'.*not increasing"):
        session.run(falling, {falling.op.inputs[0]: [1, 2, 3]})


def test_rows_that_a_sharded_table_gave_are_stitched_on_the_card(rng):  # [O04]
    """How many rows there are the host finds out from the indices; the rows stay on the card."""
    x, ids = tf.placeholder(tf.float32, [4, 3]), tf.placeholder(tf.int32, [6])
    shards = [x * 1.0, x * 2.0]
    rows = tf.dynamic_partition(ids // 2, ids % 2, 2)
    places = tf.dynamic_partition(tf.range(6), ids % 2, 2)
    found = tf.dynamic_stitch(places, [tf.gather(s, r) for s, r in zip(shards, rows, strict=True)])
    fetches = [found, *tf.gradients(tf.reduce_sum(tf.square(found)), x)]
    given, results = {x: rng.normal(size=(4, 3)), ids: [5, 0, 7, 2, 2, 1]}, []
    for session in (tf.Session(), session_on()[0]):
        with session:
            results.append([session.run(fetches, given) for _ in range(2)][-1])
            placed = session.stages(session.signature(fetches, given)).placement
    for got, wanted in zip(*results, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-6)
    assert next(r.device[-5:] for r in placed if r.node == found.op.name) == "gpu:0"


def speech(options):
    """A session, the losses of labellings and a slope, and what is fed."""
    scores = tf.placeholder(tf.float32, [5, 2, 4])
    entries, labels = tf.placeholder(tf.int64, [None, 2]), tf.placeholder(tf.int32, [None])
    lengths = tf.placeholder(tf.int32, [2])
    loss, _ = op_def("CTCLoss")(tf.tanh(scores) * 2.0, entries, labels, lengths, **options, name="speech")
    x = np.float32(np.arange(40).reshape(5, 2, 4) % 7 - 3)
    return [loss, tf.gradients(loss, scores)[0]], {
        scores: x, entries: [[0, 0], [0, 1], [1, 0]], labels: [0, 0, 2], lengths: [5, 4],
    }, labels, lengths  # fmt: skip


@pytest.mark.parametrize("capture", [True, False])
def test_a_labelling_without_a_loss_is_told(capture):  # [W06, W79]
    """By the page itself where a node runs alone; a captured step tells of ranges, and other losses are NaN."""
    with tf.Graph().as_default():
        fetches, good, labels, lengths = speech({})
        with tf.Session() as session:
            wanted = session.run(fetches, good)
        told = [({labels: [0, -1, 2]}, "nonnegative"), ({lengths: [6, 4]}, r"sequence_length\(0\)")]
        with session_on(capture=capture)[0] as session:
            for _ in range(2):
                for ours, theirs in zip(session.run(fetches, good), wanted, strict=True):
                    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
                for bad, text in told:
                    with pytest.raises(tf.errors.InvalidArgumentError, match=text):
                        session.run(fetches, good | bad)
            if capture:
                assert np.isnan(session.run(fetches[0], good | {lengths: [5, 0]})).tolist() == [False, True]
            else:
                with pytest.raises(tf.errors.InvalidArgumentError, match="Not enough time"):
                    session.run(fetches, good | {lengths: [5, 0]})
            where = session.stages(session.signature(fetches, list(good))).placement
    assert {row.device[-5:] for row in where if row.op_type == "CTCLoss"} == {"gpu:0"}


def test_a_labelling_without_a_loss_has_nan_in_its_example_alone(rng):  # [W06]
    from refflow_kernels.gpu import KERNELS
    from refflow_kernels.interpreter import Memory

    x, rows = rng.normal(size=(3, 4, 5)).astype(np.float32), [0, 1, 1, 1, 1, 2, 2]
    entries = np.array([[b, rows[:i].count(b)] for i, b in enumerate(rows)])
    labels, lengths = np.array([1, 0, 1, 2, 3, 4, 1], np.int32), np.array([3, 3, 3, 3], np.int32)
    inputs = [Memory.of(a) for a in (x, entries, labels, lengths)]
    loss, slope = Memory.empty((4,), np.float32), Memory.empty(x.shape, np.float32)
    kernel = KERNELS["CTCLoss"]
    flags = {"preprocess_collapse_repeated": False, "ctc_merge_repeated": True,
             "ignore_longer_outputs_than_inputs": False}  # fmt: skip
    scratch = Memory.empty(*kernel.workspace(inputs, **flags))
    kernel.function(*inputs, **flags, out=(loss, slope), workspace=scratch)
    bad = [False, True, True, True]  # more labels than steps; one behind a blank; none
    assert np.isnan(loss.array).tolist() == bad
    assert np.isnan(slope.array).any((0, 2)).tolist() == np.isnan(slope.array).all((0, 2)).tolist() == bad
    assert scratch.guard_is_whole()


def test_a_box_of_no_image_is_told(rng):  # [W06, W79]
    """In both directions: crops of what a card made, and what comes back."""
    with tf.Graph().as_default():
        images, owners = tf.placeholder(tf.float32, [2, 4, 5, 3]), tf.placeholder(tf.int32, [3])
        boxes = tf.placeholder(tf.float32, [3, 4])
        crops = op_def("CropAndResize")(tf.tanh(images), boxes, owners, np.array([3, 2], np.int32))
        fetches = [crops, *tf.gradients(tf.square(crops), [images, boxes])]
        edges = [[0, 0, 1, 1], [0.2, 0.1, 0.7, 1.4], [1, 0.8, 0.1, 0]]
        good = {images: rng.normal(size=(2, 4, 5, 3)), boxes: edges, owners: [1, 0, 1]}
        with tf.Session() as session:
            wanted = session.run(fetches, good)
        with session_on()[0] as session:
            for _ in range(2):
                for ours, theirs in zip(session.run(fetches, good), wanted, strict=True):
                    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
                with pytest.raises(tf.errors.OutOfRangeError, match=r"outside \[0, batch_size\): box_index\[2\] = 2"):
                    session.run(fetches, good | {owners: [1, 0, 2]})
            where = session.stages(session.signature(fetches, list(good))).placement
    assert {row.device[-5:] for row in where if row.op_type.startswith("CropAndResize")} == {"gpu:0"}
