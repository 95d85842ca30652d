"""Lists, maps and optionals: values that hold tensors, and what flows back through them."""

import re

import numpy as np
import pytest

import refflow as tf
from refflow.core.registry import op_def
from refflow.ops import optional, tensor_map
from refflow.ops import tensor_list as lists
from refflow.ops import tensor_list_read as reads

ANY = np.int32(-1)


def run(*fetches, feeds=None):
    with tf.Session() as session:
        found = session.run(list(fetches), feeds)
    return found if len(fetches) > 1 else found[0]


def stack(handle, dtype=tf.float32):
    return reads.STACK(handle, ANY, element_dtype=dtype)


def of(values):
    return lists.FROM_TENSOR(tf.constant(np.asarray(values, np.float32)), ANY)


def test_every_change_gives_a_new_list():  # [W43]
    first = of([1, 2, 3])
    changed = lists.SET_ITEM(first, 1, np.float32(9))
    longer = lists.PUSH_BACK(changed, np.float32(4))
    popped = lists.POP_BACK(longer, ANY, element_dtype=tf.float32)
    shown = run(*map(stack, (first, changed, longer, popped.output_handle)), popped.tensor)
    assert [v.tolist() for v in shown] == [[1, 2, 3], [1, 9, 3], [1, 9, 3, 4], [1, 9, 3], 4]
    assert run(reads.LENGTH(longer)) == 4


def test_what_nobody_has_set_is_zero_in_the_shape_of_the_rest():
    some = lists.SET_ITEM(lists.RESERVE(ANY, 3, element_dtype=tf.float32), 1, np.float32([1, 2]))
    assert run(stack(some)).tolist() == [[0, 0], [1, 2], [0, 0]]
    item = reads.GET_ITEM(some, 0, ANY, element_dtype=tf.float32)
    assert run(item).tolist() == [0, 0]
    longer = lists.RESIZE(of([1, 2]), 4)
    assert run(stack(longer)).tolist() == [1, 2, 0, 0]


def test_lists_of_one_length_add_up():  # [W32]
    total = op_def("AddN")([of([1, 2]), of([3, 5])])
    zeros = tf.zeros_like(of([1, 2]))
    assert [v.tolist() for v in run(stack(total), stack(zeros))] == [[4, 7], [0, 0]]
    with pytest.raises(tf.errors.InvalidArgumentError, match="two lists of tensors with different lengths"):
        run(stack(op_def("AddN")([of([1, 2]), of([3])])))


WRONG = {
    "Trying to access element 5 in a list with 2 elements": lambda: reads.GET_ITEM(of([1, 2]), 5, ANY,
                                                                                 element_dtype=tf.float32),
    "Trying to modify element 5 in a list with 2 elements": lambda: stack(lists.SET_ITEM(of([1, 2]), 5, np.float32(1))),
    "Trying to pop from an empty list": lambda: lists.POP_BACK(of([]), ANY, element_dtype=tf.float32).tensor,
    "Tried to stack elements of an empty list with non-fully-defined element_shape: <unknown>": lambda: stack(of([])),
    "op elements int32 but list elements float": lambda: stack(of([1]), tf.int32),
    "Tried to push item into a full list list size: 1": lambda: stack(lists.PUSH_BACK(lists.PUSH_BACK(
        lists.EMPTY(ANY, 1, element_dtype=tf.float32), np.float32(1)), np.float32(2))),
    "Tried to append a tensor with incompatible shape to a list. Op element shape: [] list shape: [2]": lambda: stack(
        lists.PUSH_BACK(lists.EMPTY(np.int32([2]), -1, element_dtype=tf.float32), np.float32(2))),
    "Unused values in tensor. Length of tensor: 3 Values used: 2": lambda: stack(
        lists.SPLIT(np.float32([1, 2, 3]), ANY, np.int64([2]))),
    "Indices in TensorListScatter must all be non-negative": lambda: stack(
        lists.SCATTER(np.float32([1, 2]), np.int32([0, -1]), ANY)),
    "Input handle is not a list": lambda: reads.LENGTH(tensor_map.EMPTY()),
}  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_what_does_not_fit_is_said(text):
    with pytest.raises(tf.errors.InvalidArgumentError, match=re.escape(text)):
        run(WRONG[text]())


def slope(build, at=((1.0, 2.0), (3.0, 4.0), (5.0, 6.0))):
    """The gradient along a direction, and the difference quotient."""
    x = tf.placeholder(tf.float64, np.shape(at))
    rng = np.random.default_rng(2)
    along, at, step = rng.normal(size=np.shape(at)), np.asarray(at), 1e-6
    with tf.Session() as session:
        y = build(x)
        weights = rng.normal(size=session.run(y, {x: at}).shape)
        total = tf.reduce_sum(y * weights)
        (dx,) = tf.gradients(total, x)
        quotient = (session.run(total, {x: at + step * along}) - session.run(total, {x: at - step * along})) / 2 / step
        return (session.run(dx, {x: at}) * along).sum(), quotient


D = {"element_dtype": tf.float64}
THROUGH = {
    "stack": lambda x: reads.STACK(lists.FROM_TENSOR(x, ANY), ANY, **D) ** 2.0,
    "push and pop": lambda x: lists.POP_BACK(lists.PUSH_BACK(lists.FROM_TENSOR(x, ANY), x * x), ANY, **D).tensor,
    "what is left of a pop": lambda x: stack(
        lists.POP_BACK(lists.PUSH_BACK(lists.FROM_TENSOR(x * x, ANY), x), ANY, **D).output_handle, tf.float64),
    "get": lambda x: reads.GET_ITEM(lists.FROM_TENSOR(x * x, ANY), 1, ANY, **D),
    "set": lambda x: stack(lists.SET_ITEM(lists.FROM_TENSOR(x * x, ANY), 1, x[0] * x[1]), tf.float64),
    "set beyond the end": lambda x: stack(lists.SET_ITEM(lists.FROM_TENSOR(x, ANY), 4, x[0] * x[1],
                                                         resize_if_index_out_of_bounds=True), tf.float64),
    "resize": lambda x: stack(lists.RESIZE(lists.FROM_TENSOR(x * x, ANY), 2), tf.float64),
    "gather": lambda x: reads.GATHER(lists.FROM_TENSOR(x * x, ANY), np.int32([2, 2, 0]), ANY, **D),
    "scatter": lambda x: stack(lists.SCATTER(x * x, np.int32([2, 0, 1]), ANY), tf.float64),
    "scatter to more": lambda x: stack(lists.SCATTER_V2(x * x, np.int32([2, 0, 1]), ANY, 5), tf.float64),
    "scatter into": lambda x: stack(
        lists.SCATTER_INTO(lists.FROM_TENSOR(x * x, ANY), x, np.int32([2, 0, 3])), tf.float64),
    "split": lambda x: reads.CONCAT_V2(lists.SPLIT(x * x, ANY, np.int64([2, 1])), np.int32([-1, 2]),
                                       np.zeros(0, np.int64), **D).tensor,
    "concat": lambda x: reads.CONCAT(lists.SPLIT(x * x, ANY, np.int64([2, 1])), **D).tensor,
    "optional": lambda x: optional.GET_VALUE(optional.FROM_VALUE([x * x, x]), output_types=[tf.float64] * 2,
                                             output_shapes=[[3, 2]] * 2)[0],
    "map": lambda x: tensor_map.LOOKUP(tensor_map.INSERT(tensor_map.EMPTY(), "key", x * x), "key",
                                       value_dtype=tf.float64),
    "map of two": lambda x: tensor_map.LOOKUP(tensor_map.ERASE(tensor_map.INSERT(tensor_map.INSERT(
        tensor_map.EMPTY(), 1, x * x), 2, x), 2, value_dtype=tf.float64), 1, value_dtype=tf.float64),
}  # fmt: skip


@pytest.mark.parametrize("build", THROUGH.values(), ids=THROUGH)
def test_gradients_flow_through(build):  # [W43]
    found, wanted = slope(build)
    assert found == pytest.approx(wanted, rel=1e-6)


def test_an_optional_has_a_value_or_not():
    some, none = optional.FROM_VALUE([tf.constant(3)]), optional.NONE()
    assert run(optional.HAS_VALUE(some), optional.HAS_VALUE(none)) == [True, False]
    with pytest.raises(tf.errors.InvalidArgumentError, match="does not have a value"):
        run(optional.GET_VALUE(none, output_types=[tf.int32], output_shapes=[[]])[0])
    with pytest.raises(tf.errors.InvalidArgumentError, match="does not match the expected type for component 0"):
        run(optional.GET_VALUE(some, output_types=[tf.float32], output_shapes=[[]])[0])


def test_a_map_s_keys_are_tensors():
    one = tensor_map.INSERT(tensor_map.EMPTY(), np.float32([1, 2]), np.int32(5))
    assert run(tensor_map.SIZE(one)) == 1
    here, missing = (tensor_map.HAS_KEY(one, np.float32(key)) for key in ([1, 2], [1, 3]))
    assert run(here, missing) == [True, False]
    assert run(tensor_map.STACK_KEYS(one, key_dtype=tf.float32)).tolist() == [[1, 2]]
    with pytest.raises(tf.errors.InvalidArgumentError, match="Trying to lookup non-existent key"):
        run(tensor_map.LOOKUP(one, np.float32([1]), value_dtype=tf.int32))
    with pytest.raises(tf.errors.InvalidArgumentError, match="Trying to erase non-existent item"):
        run(tensor_map.SIZE(tensor_map.ERASE(one, 1, value_dtype=tf.int32)))


def test_lists_that_share_their_elements_know_their_own_alone():  # [W43]
    """Two pushes onto one list, and one onto what is left of it after a pop."""
    push, pop = op_def("TensorListPushBack"), op_def("TensorListPopBack")
    one = push(op_def("EmptyTensorList")(-1, -1, element_dtype=tf.float32), np.float32(1))
    two, other = push(one, np.float32(2)), push(one, np.float32(3))
    three = push(two, np.float32(4))
    shorter = push(pop(three, np.int32([]), element_dtype=tf.float32).output_handle, np.float32(5))
    stacks = [op_def("TensorListStack")(x, np.int32([]), element_dtype=tf.float32)
              for x in (one, two, other, three, shorter)]  # fmt: skip
    wanted = [[1], [1, 2], [1, 3], [1, 2, 4], [1, 2, 5]]
    for options in ({}, {"executor": "executor"}):
        with tf.Session(**options) as session:
            for _ in range(2):
                assert [x.tolist() for x in session.run(stacks)] == wanted
