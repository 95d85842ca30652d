"""A saved matrix for other vocabularies."""

import numpy as np
import pytest

import refflow as tf
from refflow.core.registry import op_def


@pytest.fixture
def saved(tmp_path):
    """A checkpoint with w = 0 .. 11 as 4 rows of 3, and lists of old and new words beside it."""
    (tmp_path / "old").write_text("a\nb\nc\nd\n")
    (tmp_path / "new").write_text("b\nx\na\n")
    w = tf.Variable(np.arange(12, dtype=np.float32).reshape(4, 3), name="w")
    with tf.Session() as session:
        session.run(w.initializer)
        path = tf.train.Saver([w]).save(session, str(tmp_path / "model"))
    return tmp_path, path


def matrix(path, rows, columns, initial, shape):
    out = op_def("LoadAndRemapMatrix")(
        path, "w", np.array(rows, np.int64), np.array(columns, np.int64), np.array(initial, np.float32),
        num_rows=shape[0], num_cols=shape[1],
    )  # fmt: skip
    with tf.Session() as session:
        return session.run(out).tolist()


def test_words_are_found_on_their_old_lines(saved):
    folder, _ = saved
    words = op_def("GenerateVocabRemapping")(
        str(folder / "new"), str(folder / "old"), new_vocab_offset=0, num_new_vocab=3
    )
    with tf.Session() as session:
        places, present = session.run([words.remapping, words.num_present])
    assert places.tolist() == [1, -1, 0] and present == 2


def test_rows_and_columns_move_and_new_ones_take_initial_values(saved):
    _, path = saved
    assert matrix(path, [2, -1], [], [40, 41, 42], (2, 3)) == [[6, 7, 8], [40, 41, 42]]
    assert matrix(path, [2, -1], [1, -1], [40, 41, 42], (2, 2)) == [[7, 40], [41, 42]]


@pytest.mark.parametrize(
    ("rows", "initial", "said"),
    [
        ([2, -1], [40], "initializing_values contained 1 elements, but more missing values remain"),
        ([2, -1], [1, 2, 3, 4], "but only 3 elements were used to fill in missing values"),
        ([2, 2], [], "Old ID 2 is mapped to both new ID 0 and 1"),
        ([2, 4], [], "Extent in dimension 0 out of bounds"),
    ],
)
def test_what_does_not_fit_is_told(saved, rows, initial, said):
    with pytest.raises(tf.OpError, match=said):
        matrix(saved[1], rows, [], initial, (2, 3))
