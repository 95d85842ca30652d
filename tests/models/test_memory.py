"""The memory's addressing, step by step, and the whole cell, beside NumPy."""

import numpy as np
import pytest

import refflow as tf
from refflow.models.memory import EMPTY, MemoryCell, address, cosine
from refflow.models.rnn.looped import looped_rnn

B, ROWS, WIDTH = 2, 5, 3


def softmax(x):
    shares = np.exp(x - x.max(-1, keepdims=True))
    return shares / shares.sum(-1, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.log1p(np.exp(x))


def addressed(memory, before, key, strength, gate, shift, sharpness):
    """The paper's equations, a row at a time."""
    found = np.zeros_like(before)
    for b in range(len(before)):
        cosines = [row @ key[b] / np.linalg.norm(row) / np.linalg.norm(key[b]) for row in memory[b]]
        w = gate[b] * softmax(strength[b] * np.array(cosines)) + (1 - gate[b]) * before[b]
        moved = [sum(w[(i - d) % ROWS] * shift[b][d + 1] for d in (-1, 0, 1)) for i in range(ROWS)]
        sharp = np.array(moved) ** sharpness[b]
        found[b] = sharp / sharp.sum()
    return found


def parts(rng):
    """Of one head over one memory, in the order of `address`."""
    return [rng.normal(size=(B, ROWS, WIDTH)), softmax(rng.normal(size=(B, ROWS))), rng.normal(size=(B, WIDTH)),
            rng.uniform(0.5, 4, (B, 1)), rng.uniform(size=(B, 1)), softmax(rng.normal(size=(B, 3))),
            rng.uniform(1, 3, (B, 1))]  # fmt: skip


def test_a_head_is_addressed_in_four_steps(rng):  # [S50f]
    given = parts(rng)
    with tf.Session() as session:
        found = session.run(address(*map(tf.constant, given)))
    np.testing.assert_allclose(found, addressed(*given), rtol=1e-6)
    np.testing.assert_allclose(found.sum(1), 1)


def test_each_step_alone_does_what_it_is_for():  # [S50f]
    """A key finds the row in its direction; a closed gate keeps the place; a shift goes on by one, around the end."""
    memory = tf.constant(np.eye(ROWS, WIDTH)[None] * 7.0)  # rows 0 to 2 are axes, the others empty
    before = tf.constant(np.eye(ROWS)[[4]])
    key, strong = tf.constant([[0.0, 0.2, 0.0]], tf.float64), tf.constant([[30.0]], tf.float64)
    one, none = tf.constant([[1.0]], tf.float64), tf.constant([[0.0]], tf.float64)
    stay, on, back = (tf.constant(np.eye(3)[[d]]) for d in (1, 2, 0))

    def row(gate, shift):
        with tf.Session() as session:
            weights = session.run(address(memory, before, key, strong, gate, shift, one))
        assert weights.max() > 0.99
        return weights.argmax()

    assert row(one, stay) == 1  # by content, whatever the length of key and row
    assert row(none, stay) == 4
    assert row(none, on) == 0 and row(none, back) == 3
    assert row(one, on) == 2


def test_a_head_that_is_nowhere_gets_somewhere_by_content_alone(rng):  # [S50f]
    memory, _, key, strength, gate, shift, sharpness = parts(rng)
    nowhere = np.full((B, ROWS), 1 / ROWS)
    closed = address(*map(tf.constant, (memory, nowhere, key, strength, 0 * gate, shift, sharpness)))
    opened = address(*map(tf.constant, (memory, nowhere, memory[:, 2], 50 + strength, 0 * gate + 1, shift, sharpness)))
    with tf.Session() as session:
        closed, opened = session.run([closed, opened])
    np.testing.assert_allclose(closed, nowhere)
    assert (np.ptp(opened, 1) > 0.3).all()


def test_the_slopes_of_addressing_are_those_of_differences(rng):  # [S50f]
    given = parts(rng)
    along = rng.normal(size=(B, ROWS))
    tensors = [tf.constant(g) for g in given]
    slopes = tf.gradients(tf.reduce_sum(address(*tensors) * along), tensors)
    with tf.Session() as session:
        slopes = session.run(slopes)
    for i, slope in enumerate(slopes):
        direction = rng.normal(size=given[i].shape)
        ends = []
        for step in (1e-5, -1e-5):
            moved = [g + step * direction if j == i else g for j, g in enumerate(given)]
            ends.append((addressed(*moved) * along).sum())
        np.testing.assert_allclose((slope * direction).sum(), (ends[0] - ends[1]) / 2e-5, rtol=1e-5, atol=1e-7)


def test_what_is_empty_has_a_finite_angle_and_a_slope():
    memory, key = tf.zeros([1, 2, 3]) + EMPTY, tf.zeros([1, 3])
    angles = cosine(memory, key)
    with tf.Session() as session:
        found, *slopes = session.run([angles, *tf.gradients(angles, [memory, key])])
    assert not found.any() and all(np.isfinite(s).all() for s in slopes)


def test_the_cell_writes_then_reads_as_numpy_does(rng):  # [S50f]
    """Three steps: the memory, both heads, what was read and the output."""
    cell = MemoryCell(2, units=4, rows=ROWS, width=WIDTH)
    xs = rng.normal(size=(3, B, 3)).astype(np.float32)
    with tf.variable_scope("m", initializer=tf.random_uniform_initializer(-1, 1, seed=5)):
        outputs, states = looped_rnn(cell, tf.constant(xs), scope="loop")
    memories, writes, reads, vectors = cell.parts(tf.reshape(states, [-1, cell.state_size]))
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        v = {v.op.name.removeprefix("m/loop/MemoryCell/"): session.run(v) for v in tf.all_variables()}
        found = session.run([outputs, memories, writes, reads, vectors])

    def layer(x, name):
        return x @ v[name + "/Matrix"] + v[name + "/Bias"]

    def head(h, memory, before, name):
        e = layer(h, name + "/Linear")
        return addressed(memory, before, np.tanh(e[:, :3]), softplus(e[:, 3]), sigmoid(e[:, 4]), softmax(e[:, 5:8]),
                         1 + softplus(e[:, 8]))  # fmt: skip

    memory = np.full((B, ROWS, WIDTH), EMPTY)
    write, read = np.eye(ROWS)[[0] * B], np.full((B, ROWS), 1 / ROWS)
    vector = np.zeros((B, WIDTH))
    expected = []
    for x in xs:
        h = np.tanh(layer(np.hstack([x, vector]), "Controller"))
        write = head(h, memory, write, "Write")
        e = layer(h, "Content/Linear")
        for b, i in np.ndindex(B, ROWS):
            memory[b, i] = memory[b, i] * (1 - write[b, i] * sigmoid(e[b, :3])) + write[b, i] * np.tanh(e[b, 3:])
        read = head(h, memory, read, "Read")
        vector = np.array([sum(read[b, i] * memory[b, i] for i in range(ROWS)) for b in range(B)])
        expected.append([layer(np.hstack([h, vector]), "Output"), memory.copy(), write, read, vector])
    for values, wanted in zip(found, zip(*expected, strict=True), strict=True):
        wanted = np.stack(wanted)
        np.testing.assert_allclose(values.reshape(wanted.shape), wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("batch", [3, None])
def test_a_memory_begins_empty_with_one_head_on_its_first_row_and_one_nowhere(batch):
    cell = MemoryCell(2, 4, ROWS, WIDTH)
    state = cell.zero_state(3 if batch else tf.shape(tf.zeros([3, 1]))[0])
    assert state.get_shape().as_list() == [3, cell.state_size]
    with tf.Session() as session:
        memory, write, read, vector = session.run(cell.parts(state))
    assert (memory == np.float32(EMPTY)).all() and not vector.any()
    assert np.array_equal(write, np.eye(ROWS)[[0] * 3])
    np.testing.assert_allclose(read, 1 / ROWS)
    with pytest.raises(ValueError, match="sizes are 1 at least, .* rows=0, width=3"):
        MemoryCell(2, 4, 0, WIDTH)
