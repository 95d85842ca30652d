"""refflow.compat.v1: tf.print, Python functions in graphs, arrays as messages, few bits, modules of names."""

import collections
import sys

import numpy as np
import pytest

import refflow.compat.v1 as tf

X = np.array([[1.0, -2.0, 3.0], [0.5, 0.0, -1.0]], np.float32)


def run(fetches, feeds=None):
    with tf.Session() as session:
        return session.run(fetches, feeds)


Pair = collections.namedtuple("Pair", "a b")


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda **to: tf.print("x:", tf.constant([1, 2]), 3, **to), "x: [1 2] 3\n"),
        (lambda **to: tf.print(tf.constant("just text"), **to), "just text\n"),
        (lambda **to: tf.print("a", "b", sep="-", end="!", **to), "a-b!"),
        (lambda **to: tf.print({"k": tf.constant(1), "n": "s"}, **to), "{'k': 1, 'n': 's'}\n"),
        (lambda **to: tf.print([tf.constant(1), (2,)], **to), "[1, (2,)]\n"),
        (lambda **to: tf.print(Pair(tf.constant(1), 2), **to), "Pair(a=1, b=2)\n"),
        (lambda **to: tf.print("{}", tf.constant(5), **to), "{} 5\n"),
        (lambda **to: tf.print(tf.range(9), summarize=2, **to), "[0 1 ... 7 8]\n"),
        (lambda **to: tf.print(tf.range(9), summarize=-1, **to), "[0 1 2 ... 6 7 8]\n".replace("2 ... 6", "2 3 4 5 6")),
        (lambda **to: tf.print(tf.SparseTensor([[0]], [7], [2]), **to),
         "'SparseTensor(indices=[[0]], values=[7], shape=[2])'\n"),
    ],
)  # fmt: skip
def test_a_line_is_written_when_its_operation_runs(build, text, capsys):
    run(build(output_stream=sys.stdout))
    assert capsys.readouterr().out == text


def test_it_goes_to_stderr_or_into_a_file(tmp_path, capsys):
    run([tf.print("there"), tf.print("here", output_stream=f"file://{tmp_path / 'log'}")])
    assert capsys.readouterr().err == "there\n" and (tmp_path / "log").read_text() == "here\n"
    with pytest.raises(ValueError, match="Unsupported output stream"):
        tf.print(1, output_stream="nowhere")


def test_python_functions_are_nodes():
    assert run(tf.numpy_function(lambda a, b: a - b, [X, X], tf.float32)).tolist() == (X - X).tolist()
    total, twice = tf.py_function(lambda a: [a.numpy().sum(), tf.constant(2.0) * a], [X], [tf.float32, tf.float32])
    found = run([total, twice])
    assert found[0] == X.sum() and found[1].tolist() == (2 * X).tolist()
    with pytest.raises(ValueError, match="Expected func to be callable"):
        tf.numpy_function(3, [X], tf.float32)


def test_a_function_of_each_element_may_give_a_structure():
    rows, sums = run(tf.vectorized_map(lambda p: (p[0] * p[1], tf.reduce_sum(p[0])), (X, X[:1])))
    assert rows.tolist() == (X * X[0]).tolist() and sums.tolist() == X.sum(1).tolist()


def test_arrays_travel_as_messages():
    pytest.importorskip("google.protobuf")
    for given in (X, np.array(7), np.array([b"a", b"bc"], object), np.array([True])):
        assert np.array_equal(tf.make_ndarray(tf.make_tensor_proto(given)), given)
    assert tf.make_ndarray(tf.make_tensor_proto([1, 2], tf.float32, [2, 2])).tolist() == [[1, 2], [2, 2]]
    assert tf.make_tensor_proto(7).HasField("tensor_shape")
    for build, error, text in (
        (lambda: tf.make_tensor_proto([1, 2, 3], shape=[2]), ValueError, "Too many elements provided. Takes at most 2"),
        (lambda: tf.make_tensor_proto([1, 2], shape=[2, 1], verify_shape=True), TypeError, "Expected Tensor's shape"),
        (lambda: tf.make_tensor_proto(None), ValueError, "None values not supported"),
        (lambda: tf.convert_to_tensor(None), ValueError, "None values not supported"),
    ):
        with pytest.raises(error, match=text):
            build()


def test_what_is_known_of_a_value():
    hole = tf.placeholder(tf.int32, [])
    assert tf.get_static_value(tf.constant([1, 2])).tolist() == [1, 2] and tf.get_static_value(hole) is None
    assert tf.get_static_value(tf.stack([1, hole])) is None
    assert tf.get_static_value(tf.stack([1, hole]), partial=True).tolist() == [1, None]
    assert tf.get_static_value(tf.stack([hole]), partial=True) is None


def test_numbers_in_few_bits():
    output, low, high = tf.quantize([0.0, 1.0, 4.0], 0.0, 4.0, tf.quint8)
    assert run([tf.cast(output, tf.int32), low, high])[0].tolist() == [0, 64, 255]
    assert run(tf.dequantize(output, low, high))[2] == 4
    x = tf.constant([0.5, 3.0])
    for function, slopes in ((tf.quantization.quantize_and_dequantize, [1, 1]),
                             (tf.quantization.quantize_and_dequantize_v2, [1, 0])):  # fmt: skip
        y = function(x, -1.0, 1.0, range_given=True)
        assert run(tf.gradients(y, x)[0]).tolist() == slopes
    # four numbers, 4 apart, and 0 among them: those nearest to [-6, 6] are -8, -4, 0, 4
    assert run(tf.fake_quant_with_min_max_args([-9.0, -1.0, 7.0], num_bits=2)).tolist() == [-8, 0, 4]


def test_modules_of_names():
    assert tf.manip.roll is tf.roll and tf.dtypes.saturate_cast is tf.saturate_cast and tf.math.atanh is tf.atanh
    assert tf.version.VERSION == tf.VERSION and tf.GRAPH_DEF_VERSION > 0
    assert tf.qint8 in tf.dtypes.QUANTIZED_DTYPES and tf.QUANTIZED_DTYPES is tf.dtypes.QUANTIZED_DTYPES
    names = {"matmul", "zeta", "special", "top_k", "reduce_std"}
    assert names <= set(dir(tf.math)) and all(hasattr(tf.math, n) for n in dir(tf.math))
