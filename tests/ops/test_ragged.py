"""Composites of tensors as elements of variants, and old rows for new vocabularies."""

import numpy as np
import pytest

import refflow as tf
from refflow.core.registry import op_def
from refflow.files import wire

RAGGED = wire.block(1, wire.number(1, 3)).decode()  # the class RAGGED_TENSOR_SPEC
SPARSE = wire.block(1, wire.number(1, 1)).decode()


def to_variant(values, splits, metadata=RAGGED):
    return op_def("CompositeTensorVariantFromComponents")([values, splits], metadata=metadata)


def from_variant(encoded, kinds=(tf.float64, tf.int64), metadata=RAGGED):
    return list(op_def("CompositeTensorVariantToComponents")(encoded, metadata=metadata, Tcomponents=list(kinds)))


def run(tensors, feeds=None):
    with tf.Session() as session:
        return session.run(tensors, feeds)


def test_components_come_back():
    values, splits = run(from_variant(to_variant(np.array([1.0, 2.0]), np.array([0, 1, 2]))))
    assert values.tolist() == [1, 2] and splits.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"metadata": SPARSE}, "Expected a SPARSE_TENSOR_SPEC .* but `encoded` contains a RAGGED_TENSOR_SPEC"),
        ({"kinds": (tf.float64,)}, "has 2 tensor components; expected 1 components"),
        ({"kinds": (tf.int32, tf.int64)}, "Tensor component 0 had dtype DT_DOUBLE; expected dtype DT_INT32"),
        ({"metadata": "\udcff"}, "Error parsing metadata"),
    ],
)
def test_what_is_expected_must_be_there(change, text):
    with pytest.raises(tf.OpError, match=text):
        run(from_variant(to_variant(np.array([1.0, 2.0]), np.array([0, 1, 2])), **change))


def test_slopes_pass_through_an_element():
    x = tf.placeholder(tf.float64, [2])
    values, _ = from_variant(to_variant(x, np.array([0, 1, 2])))
    (dx,) = tf.gradients(values * values, x)
    assert run(dx, {x: [3.0, 4.0]}).tolist() == [6, 8]


def test_words_that_changed_places(tmp_path):
    (tmp_path / "old").write_text("a\nb\nc\n")
    (tmp_path / "new").write_text("c\nx\na\n")
    files = str(tmp_path / "new"), str(tmp_path / "old")
    remapping, present = run(list(op_def("GenerateVocabRemapping")(*files, new_vocab_offset=0, num_new_vocab=3)))
    assert remapping.tolist() == [2, -1, 0] and present == 2
    with pytest.raises(tf.OpError, match="lookup table size must be larger than last new vocab entry's line"):
        run(list(op_def("GenerateVocabRemapping")(*files, new_vocab_offset=2, num_new_vocab=3)))


def remapped(path, rows, columns, values, shape):
    row_column = (np.array(part, np.int64) for part in (rows, columns))
    return run(op_def("LoadAndRemapMatrix")(path, "w", *row_column, np.array(values, np.float32), num_rows=shape[0],
                                            num_cols=shape[1]))  # fmt: skip


def test_a_matrix_for_them(tmp_path):
    path = str(tmp_path / "saved")
    w = np.arange(6, dtype=np.float32).reshape(3, 2)
    run(op_def("SaveV2")(path, np.array(["w"], object), np.array([""], object), [w]))
    assert remapped(path, [2, -1, 0], [], [8, 9], (3, 2)).tolist() == [[4, 5], [8, 9], [0, 1]]
    assert remapped(path, [1], [-1, 0], [7], (1, 2)).tolist() == [[7, 2]]
    wrong = {
        "is mapped to both new ID 0 and 1": ([1, 1], [], [], (2, 2)),
        "but more missing values remain": ([-1], [], [1], (1, 2)),
        "but only 0 elements were used": ([0], [], [1], (1, 2)),
        "Size of row_remapping is 1 instead of being equal to num_rows=2": ([0], [], [], (2, 2)),
        "the size of its 2nd dimension is 2 instead of being equal to num_cols=3": ([0], [], [], (1, 3)),
        "Extent in dimension 0 out of bounds": ([7], [], [], (1, 2)),
    }
    for text, arguments in wrong.items():
        with pytest.raises(tf.OpError, match=text):
            remapped(path, *arguments)
