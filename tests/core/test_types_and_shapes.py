"""Element types and static shapes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import refflow as tf
from refflow.core import shapes
from refflow.core.constants import constant_value
from refflow.core.devices import DeviceSpec
from refflow.core.dtypes import ALL


def test_numbers_on_the_wire_are_those_of_the_release():  # [W16]
    names = "float32 float64 int32 uint8 int16 int8 string complex64 int64 bool qint8 quint8 qint32 bfloat16"
    assert [tf.as_dtype(i).name for i in range(1, 15)] == names.split()
    assert tf.float32.as_ref.as_datatype_enum == 101  # [W11]


@pytest.mark.parametrize("dtype", ALL, ids=lambda t: t.name)
def test_every_type_is_found_by_name_number_and_numpy_type(dtype):
    assert tf.as_dtype(dtype.name) is tf.as_dtype(int(dtype)) is dtype
    assert tf.as_dtype(dtype.as_ref.name).base_dtype is dtype
    if dtype.kind not in "rs":
        assert tf.as_dtype(dtype.as_numpy_dtype) is dtype


def test_a_reference_may_stand_for_its_value_but_not_the_reverse():
    assert tf.float32.is_compatible_with(tf.float32.as_ref)
    assert not tf.float32.as_ref.is_compatible_with(tf.float32)


@pytest.mark.parametrize("value", ["float33", 99, object(), None])
def test_other_things_are_no_type(value):
    with pytest.raises(TypeError, match="not an element type|not the number of an element type"):
        tf.as_dtype(value)


def test_limits():
    assert (tf.int8.min, tf.int8.max) == (-128, 127)
    assert tf.bfloat16.max == pytest.approx(3.3895e38, rel=1e-4)
    assert tf.bool.max is True


shape = st.none() | st.lists(st.none() | st.integers(0, 5), max_size=3).map(tuple)


@given(shape, shape)
def test_merging_is_symmetric_and_keeps_what_either_knows(a, b):
    if not shapes.compatible(a, b):
        with pytest.raises(ValueError, match="must be equal"):
            shapes.merge(a, b)
        return
    merged = shapes.merge(a, b)
    assert merged == shapes.merge(b, a)
    assert shapes.compatible(merged, a) and shapes.compatible(merged, b)


known = st.lists(st.integers(0, 4), max_size=3).map(tuple)


@given(known, known)
def test_broadcasting_is_numpys(a, b):  # [S17]
    try:
        expected = np.broadcast_shapes(a, b)
    except ValueError:
        with pytest.raises(ValueError, match="Incompatible shapes"):
            shapes.broadcast(a, b)
        return
    assert shapes.broadcast(a, b) == expected


def test_an_unknown_dimension_equals_nothing_for_certain():
    assert (tf.Dimension(None) == tf.Dimension(None)) is None
    assert tf.Dimension(3) == 3 and (tf.Dimension(None) + 1).value is None
    with pytest.raises(ValueError, match="negative"):
        tf.Dimension(-1)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("/job:localhost/device:cpu:0", "/job:localhost/cpu:0"),
        ("/job:worker/task:17/device:gpu:3", "/job:worker/task:17/gpu:3"),
        ("/job:localhost/replica:0/task:0/gpu:0", "/job:localhost/replica:0/task:0/gpu:0"),
        ("/gpu:*", "/gpu:*"),
        ("/job:ps", "/job:ps"),
        ("/CPU:0", "/cpu:0"),
        ("", ""),
    ],
)
def test_device_names_full_and_partial(text, canonical):  # [W14]
    assert DeviceSpec.parse(text).to_string() == canonical
    assert DeviceSpec.parse(canonical) == DeviceSpec.parse(text)


def test_a_partial_name_admits_every_device_that_fits():  # [W14, W37]
    full = DeviceSpec.parse("/job:worker/replica:0/task:17/gpu:3")
    assert all(DeviceSpec.parse(t).admits(full) for t in ("", "/gpu:*", "/job:worker/task:17", "/gpu:3"))
    assert not DeviceSpec.parse("/cpu:0").admits(full)
    assert DeviceSpec.parse("/gpu:0").intersect(DeviceSpec.parse("/gpu:1")) is None


def test_what_cannot_be_known_is_looked_for_once():
    """Two ways lead to each node before: by all of them together it would never end."""
    x = tf.placeholder(tf.int32, [])
    for _ in range(60):
        x = tf.add(tf.add(x, 1), x)
    assert constant_value(x) is None


def test_shapes_are_added_and_cut_also_where_the_rank_is_not_known():
    known, unknown, more = tf.TensorShape([1, None]), tf.TensorShape(None), [3]
    assert (known + more).as_list() == [1, None, 3] and (more + known).as_list() == [3, 1, None]
    assert (unknown + known).ndims is None
    assert unknown[1:3].as_list() == [None, None] and unknown[2:1].as_list() == [] and unknown[1:].ndims is None
    assert unknown[-3:-1].as_list() == [None, None] and unknown[::2].ndims is None
    assert known.most_specific_compatible_shape([1, 4]).as_list() == [1, None]
    assert known.most_specific_compatible_shape([1]).ndims is None


def test_a_shape_is_written_as_a_tuple():
    shapes_of = {"(1, ?)": [1, None], "(3,)": [3], "()": [], "<unknown>": None}
    assert all(str(tf.TensorShape(dims)) == text for text, dims in shapes_of.items())
    assert repr(tf.TensorShape([1, None])) == "TensorShape([Dimension(1), Dimension(None)])"
    with pytest.raises(ValueError, match=r"Shapes \(1, 2\) and \(3,\) are not compatible"):
        tf.TensorShape([1, 2]).merge_with([3])
    with pytest.raises(ValueError, match=r"Shape \(1, 2\) must have rank at least 3"):
        tf.TensorShape([1, 2]).with_rank_at_least(3)


def test_a_size_stands_on_either_side():
    three = tf.Dimension(3)
    assert [int(d) for d in (5 - three, 7 // three, 7 % three, 4 + three, 2 * three)] == [2, 2, 1, 7, 6]
    assert (5 - tf.Dimension(None)).value is None
    for build in (lambda: three / 2, lambda: 6 / three):
        with pytest.raises(TypeError, match="please use // instead"):
            build()


def test_the_limits_of_a_type():
    limits = [t.limits for t in (tf.uint8, tf.int8, tf.float32, tf.bool)]
    assert limits == [(0, 255), (0, 127), (0, 1), (0, True)]
    assert tf.complex64.real_dtype is tf.float32 and tf.int8.real_dtype is tf.int8
    assert tf.float32.is_numpy_compatible and not tf.resource.is_numpy_compatible
    assert tf.qint8.is_numeric and not tf.string.is_numeric
    with pytest.raises(ValueError, match="does not have defined limits"):
        _ = tf.complex64.limits
