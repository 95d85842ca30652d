"""Lists of tensors lie on the card whose loops fill them, and give what they give on a CPU [W43]."""

import numpy as np
import pytest

import refflow as tf
import refflow.compat.v1 as v1
from refflow.core.registry import op_def
from refflow.ops.conditionals import cond
from refflow.ops.loops import while_loop
from refflow.runtime.device import Device
from tests import programs
from tests.kernels.test_gpu_device import simulated_gpu
from tests.runtime.test_structured_programs import Names


def recurrent(masked):
    """A net that goes along 3 steps, of which the rows' lengths may let some stand still."""
    x = tf.placeholder(tf.float32, [2, 3, 2])
    lengths = tf.constant([3, 1]) if masked else None
    with v1.variable_scope("net", initializer=v1.random_uniform_initializer(-0.5, 0.5, seed=1)):
        cell = v1.nn.rnn_cell.BasicRNNCell(3)
        outputs, _ = v1.nn.dynamic_rnn(cell, x, sequence_length=lengths, dtype=tf.float32)
    loss = tf.reduce_sum(tf.square(outputs))
    return x, [loss, *tf.gradients(loss, [x, *v1.trainable_variables()])]


@pytest.mark.parametrize("executor", ["plan", "executor"])
@pytest.mark.parametrize("masked", [False, True], ids=["whole", "of two lengths"])
def test_a_recurrent_net_keeps_on_the_card_what_its_gradient_needs(masked, executor, rng):
    x, fetches = recurrent(masked)
    given = {x: rng.normal(size=(2, 3, 2))}
    results = []
    for devices in ([Device(0)], [Device(0), simulated_gpu()]):
        # What is not captured keeps its loops, though their turns can be counted.
        with tf.Session(devices=devices, allow_soft_placement=True, executor=executor, capture=False) as session:
            session.run(tf.initialize_all_variables())
            results.append(session.run(fetches, given))
            stages = session.stages(session.signature(fetches, given), [(2, 3, 2)])
    for found, wanted in zip(*results, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    lists = [n for n in stages.partitioned.nodes if n.attrs.get("element_dtype") is tf.float32
             and n.type not in ("TensorListReserve", "EmptyTensorList")]  # fmt: skip
    assert len(lists) > 6 and {n.device.type for n in lists} == {"gpu"}
    kept = {f"{n.name}:0" for n in stages.partitioned.nodes if n.types and n.types[0] in (tf.float32, tf.bool)}
    down = [t for t in stages.transfers if t.source.endswith("gpu:0") and t.value in kept]
    assert len(down) == len(fetches)  # no element of a list, and no mask


def test_elements_that_nobody_changes_are_kept_without_a_copy(monkeypatch, rng):
    """Only the rows of what comes in as a whole are copied, and those of what goes out."""
    x, fetches = recurrent(False)
    given, copies = {x: rng.normal(size=(2, 3, 2))}, []
    device = simulated_gpu()
    with tf.Session(devices=[Device(0), device], allow_soft_placement=True) as session:
        session.run(tf.initialize_all_variables())
        wanted = session.run(fetches, given)
        copy = device.card.copy
        monkeypatch.setattr(device.card, "copy", lambda *both: copies.append(both) or copy(*both))
        for found, value in zip(session.run(fetches, given), wanted, strict=True):
            np.testing.assert_array_equal(found, value)
    steps = 3
    assert len(copies) <= 2 * (1 + steps) + 2


def test_elements_cross_with_a_list_that_another_device_reads(rng):
    rows = rng.normal(size=(3, 4)).astype(np.float32)
    with tf.device("/gpu:0"):
        made = op_def("TensorListFromTensor")(tf.constant(rows) * 2.0, np.array([4], np.int32))
    with tf.device("/cpu:0"):
        changed = op_def("TensorListSetItem")(made, 1, tf.constant(np.ones(4, np.float32)))
        second = op_def("TensorListGetItem")(changed, 2, np.array([4], np.int32), element_dtype=tf.float32)
    with tf.device("/gpu:0"):
        whole = op_def("TensorListStack")(changed, np.array([4], np.int32), element_dtype=tf.float32)
    with tf.Session(devices=[Device(0), simulated_gpu()], allow_soft_placement=True) as session:
        found = session.run([whole, second])
        where = {(r.op_type, r.device[-5:]) for r in session.stages(session.signature([whole, second])).placement}
    assert {("TensorListFromTensor", "gpu:0"), ("TensorListSetItem", "cpu:0"), ("TensorListStack", "gpu:0")} <= where
    np.testing.assert_array_equal(found[0], [2 * rows[0], np.ones(4), 2 * rows[2]])
    np.testing.assert_array_equal(found[1], 2 * rows[2])


def test_truths_that_steer_branches_are_kept_on_the_host():
    """The loop's gradient asks which branch each turn took."""
    x = tf.placeholder(tf.float32, [2])

    def body(i, a):
        return i + 1, v1.cond(tf.equal(i, 1), lambda: a * 3.0, lambda: a * a)

    y = tf.reduce_sum(v1.while_loop(lambda i, a: i < 3, body, [0, x])[1])
    fetches, given = [y, *tf.gradients(y, x)], {x: np.float32([1.5, -0.5])}
    results = []
    for devices in ([Device(0)], [Device(0), simulated_gpu()]):
        with tf.Session(devices=devices, allow_soft_placement=True) as session:
            results.append(session.run(fetches, given))
            rows = session.stages(session.signature(fetches, given)).placement
    for found, wanted in zip(*results, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-6)
    pushed = [r for r in rows if r.op_type == "TensorListPushBack"]
    assert {r.device[-5:] for r in pushed} == {"cpu:0", "gpu:0"}


def test_an_element_that_nobody_has_set_is_zeros_on_the_card():
    with tf.device("/gpu:0"):
        empty = op_def("TensorListReserve")(np.array([2], np.int32), 3, element_dtype=tf.float32)
        some = op_def("TensorListSetItem")(empty, 1, tf.constant([1.0, 2.0]) + 1.0)
        unset = op_def("TensorListGetItem")(some, 0, np.array([2], np.int32), element_dtype=tf.float32) + 1.0
        whole = op_def("TensorListStack")(some, np.array([2], np.int32), element_dtype=tf.float32)
    with tf.Session(devices=[Device(0), simulated_gpu()], allow_soft_placement=True) as session:
        assert [v.tolist() for v in session.run([unset, whole])] == [[1, 1], [[0, 0], [2, 3], [0, 0]]]


def test_a_shape_is_told_without_its_tensor_and_may_be_reckoned_with_on_the_card():
    x = tf.placeholder(tf.float32)
    y = x * 2.0
    sizes = tf.shape(y)
    wanted = [sizes, tf.cast(sizes, tf.float32) * 0.5, tf.reshape(y + 1.0, tf.concat(0, [sizes, [1]]))]
    with tf.Session(devices=[Device(0), simulated_gpu()], allow_soft_placement=True, executor="executor") as session:
        found = session.run(wanted, {x: np.ones((2, 6))})
        transfers = session.stages(session.signature(wanted, [x])).transfers
    assert [np.asarray(f).tolist() for f in found[:2]] == [[2, 6], [1, 3]] and found[2].shape == (2, 6, 1)
    assert not any(t.value == y.name for t in transfers)


@pytest.mark.parametrize("seed", [2, 17])
def test_random_programs_of_branches_and_loops_have_one_device_s_numbers_and_slopes(seed, rng):  # [W39, W41]
    """What a branch asks may have been computed on the card."""
    library = programs.Library(Names, cond, while_loop, tf.reduce_sum, np.float32)
    state, holes = tf.Variable(np.float32(0)), [tf.placeholder(tf.float32, [3]) for _ in programs.NAMES]
    ends = programs.build(programs.random_program(seed), library, holes, state.ref())
    results = [tf.identity(e) for e in ends]  # a fed tensor cannot be fetched
    slopes = tf.gradients(tf.add_n([tf.reduce_sum(r * r) for r in results]), holes)
    fetches = [*results, *(s for s in slopes if s is not None)]
    given, found = {hole: rng.normal(size=3).astype(np.float32) for hole in holes}, []
    for devices in ([Device(0)], [Device(0), simulated_gpu()]):
        with tf.Session(devices=devices, allow_soft_placement=True) as session:
            session.run(state.initializer)
            found.append([session.run(fetches, given) for _ in range(2)][-1])
    for got, wanted in zip(*found, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=2e-4, atol=1e-5)


def test_elements_are_gathered_joined_scattered_and_split_on_the_card(rng):
    x = tf.placeholder(tf.float32, [4, 3])
    rows, some = x * 2.0, np.array([3], np.int32)
    given, kept = {x: rng.normal(size=(4, 3))}, {"element_dtype": tf.float32}

    def stacked(made):
        return op_def("TensorListStack")(made, some, **kept)

    scattered = op_def("TensorListScatterV2")(rows, np.array([2, 0, 1, 4], np.int32), some, np.int32(6))
    into = op_def("TensorListScatterIntoExistingList")(scattered, rows[:2], np.array([5, 2], np.int32))
    split = op_def("TensorListSplit")(rows, np.array([-1, 3], np.int32), np.array([3, 0, 1], np.int64))
    joined = op_def("TensorListConcatV2")(split, np.array([-1, 3], np.int32), np.zeros(0, np.int64), **kept)
    picked = op_def("TensorListGather")(into, np.array([5, 3, 0, 5], np.int32), some, **kept)
    slope = tf.gradients(tf.reduce_sum(tf.square(picked)) + tf.reduce_sum(joined.tensor), x)
    fetches, found = [stacked(scattered), stacked(into), *joined, picked, *slope], []
    for devices in ([Device(0)], [Device(0), simulated_gpu()]):
        with tf.Session(devices=devices, allow_soft_placement=True) as session:
            found.append(session.run(fetches, given))
            placed = session.stages(session.signature(fetches, given)).placement
    for got, wanted in zip(*found, strict=True):
        np.testing.assert_array_equal(got, wanted)
    assert {r.device[-5:] for r in placed if r.op_type in (
        "TensorListScatterV2", "TensorListScatterIntoExistingList", "TensorListSplit", "TensorListConcatV2",
        "TensorListGather")} == {"gpu:0"}  # fmt: skip
