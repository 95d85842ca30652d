"""Variables behind handles, and what else only looks at a variable's state."""

import numpy as np
import pytest

import refflow as tf
from refflow.core.registry import op_def


@pytest.fixture(params=["plan", "executor"])
def session(request):
    with tf.Graph().as_default(), tf.Session(executor=request.param) as session:
        yield session


def handle(shape=(2,), dtype=tf.float32, **attrs):
    return op_def("VarHandleOp")(dtype=dtype, shape=tf.TensorShape(shape), **attrs)


def assign(resource, value):
    return op_def("AssignVariableOp")(resource, tf.constant(value))


def read(resource, dtype=tf.float32):
    return op_def("ReadVariableOp")(resource, dtype=dtype)


def test_a_value_that_was_read_stays_what_it_was(session):  # [W12]
    h = handle()
    session.run(assign(h, [1.0, 2.0]))
    before = read(h)
    with tf.Graph.control_dependencies(h.graph, [before]):
        add = op_def("AssignAddVariableOp")(h, [10.0, 10.0])
    with h.graph.control_dependencies([add]):
        after = read(h)
    old, new = session.run([before, after])
    assert old.tolist() == [1, 2] and new.tolist() == [11, 12]
    session.run(op_def("AssignSubVariableOp")(h, [1.0, 1.0]))
    assert new.tolist() == [11, 12] and session.run(read(h)).tolist() == [10, 11]


def test_a_fetched_value_is_the_caller_s_own(session):
    h = handle()
    session.run(assign(h, [1.0, 2.0]))
    value = session.run(read(h))
    value[:] = 99
    assert session.run(read(h)).tolist() == [1, 2]


def test_a_variable_without_a_value_says_how_to_give_it_one(session):  # [S14]
    h = handle()
    with pytest.raises(tf.errors.FailedPreconditionError, match="Run the variable's initializer first"):
        session.run(read(h))
    is_there = op_def("VarIsInitializedOp")(h)
    assert not session.run(is_there)
    session.run(assign(h, [1.0, 2.0]))
    assert session.run(is_there)
    session.run(op_def("DisableCopyOnRead")(h))
    assert session.run(read(h)).tolist() == [1, 2]
    session.run(op_def("DestroyResourceOp")(h))
    assert not session.run(is_there)


def test_handles_of_one_name_are_one_variable(session):  # [W47]
    session.run(assign(handle(shared_name="w"), [3.0, 4.0]))
    assert session.run(read(handle(shared_name="w"))).tolist() == [3, 4]
    assert session.run(op_def("VariableShape")(handle(shared_name="w"))).tolist() == [2]


def test_types_and_shapes_are_held(session):
    h = handle()
    with pytest.raises(tf.errors.InvalidArgumentError, match="Expected float got int32"):
        session.run(assign(h, np.array([1, 2], np.int32)))
    session.run(assign(h, [1.0, 2.0]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="wrong dtype. Expected int32 got float"):
        session.run(read(h, tf.int32))
    with pytest.raises(ValueError, match="shapes must be equal"):
        op_def("AssignAddVariableOp")(h, [1.0])
    x = tf.placeholder(tf.float32)
    with pytest.raises(tf.errors.InvalidArgumentError, match="shapes must be equal"):
        session.run(op_def("AssignAddVariableOp")(h, x), {x: [1.0]})
    strict = op_def("AssignVariableOp")(h, [1.0, 2.0, 3.0], validate_shape=True)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"Expected \[2\] got \[3\]"):
        session.run(strict)


def test_rows_are_read_and_changed(session):
    h = handle([3, 2])
    session.run(assign(h, np.arange(6, dtype=np.float32).reshape(3, 2)))
    rows = op_def("ResourceGather")(h, [2, 0], dtype=tf.float32)
    assert rows.get_shape().as_list() == [2, 2]
    assert session.run(rows).tolist() == [[4, 5], [0, 1]]
    session.run(op_def("ResourceScatterAdd")(h, [0, 0], [[1.0, 1.0], [2.0, 2.0]]))
    session.run(op_def("ResourceScatterUpdate")(h, [1], [[9.0, 9.0]]))
    session.run(op_def("ResourceScatterSub")(h, [2], [[4.0, 5.0]]))
    assert session.run(read(h)).tolist() == [[3, 4], [9, 9], [0, 0]]
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"indices\[0\] = 3 is not in \[0, 3\)"):
        session.run(op_def("ResourceGather")(h, [3], dtype=tf.float32))


@pytest.mark.parametrize(("kind", "wanted"), [("Mul", [4, 18]), ("Div", [1, 2]), ("Min", [2, 3]), ("Max", [2, 6])])
def test_a_row_is_combined_with_updates(session, kind, wanted):
    h = handle([2, 2], tf.int32)
    session.run(assign(h, np.array([[2, 6], [5, 5]], np.int32)))
    session.run(op_def(f"ResourceScatter{kind}")(h, [0], np.array([[2, 3]], np.int32)))
    assert session.run(read(h, tf.int32)).tolist() == [wanted, [5, 5]]


@pytest.mark.parametrize(("kind", "wanted"), [("Update", 7), ("Add", 9), ("Sub", -5), ("Min", 2), ("Max", 7)])
def test_elements_are_changed_by_several_indices(session, kind, wanted):
    h = handle([2, 2])
    session.run(assign(h, np.full((2, 2), 2.0, np.float32)))
    change = op_def(f"ResourceScatterNd{kind}")
    session.run(change(h, [[1, 0]], [7.0]))
    assert session.run(read(h)).tolist() == [[2, 2], [wanted, 2]]
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"\[1, 2\] does not index into shape \[2,2\]"):
        session.run(change(h, [[1, 2]], [7.0]))


def test_a_part_of_a_value_is_assigned(session):
    h = handle([2, 2])
    session.run(assign(h, np.zeros((2, 2), np.float32)))
    session.run(op_def("ResourceStridedSliceAssign")(h, [0, 1], [2, 2], [1, 1], [[5.0], [6.0]]))
    assert session.run(read(h)).tolist() == [[0, 5], [0, 6]]


def test_elements_are_read_by_several_indices(session):
    h = handle([2, 2])
    session.run(assign(h, np.array([[1, 2], [3, 4]], np.float32)))
    picked = op_def("ResourceGatherNd")(h, [[1, 0], [0, 1], [1, 0]], dtype=tf.float32)
    (dense,) = tf.gradients(picked * 5.0, h)
    assert [v.tolist() for v in session.run([picked, dense])] == [[3, 2, 3], [[0, 5], [10, 0]]]


def test_short_floats_are_kept_as_such(session):
    h = handle([2], tf.bfloat16)
    session.run(op_def("AssignVariableOp")(h, tf.constant([1.0, 2.0], tf.bfloat16)))
    session.run(op_def("AssignAddVariableOp")(h, tf.constant([1.0, 0.001], tf.bfloat16)))
    session.run(op_def("ResourceScatterMul")(h, [0], tf.constant([3.0], tf.bfloat16)))
    assert session.run(tf.cast(read(h, tf.bfloat16), tf.float32)).tolist() == [6, 2]


def test_gradients_reach_what_was_read(session):  # [W32]
    h = handle([3, 2])
    session.run(assign(h, np.ones((3, 2), np.float32)))
    value = read(h)
    (dense,) = tf.gradients(value * value * 3.0, value)
    assert session.run(dense).tolist() == [[6, 6]] * 3
    (through,) = tf.gradients(read(h) * 2.0, h)
    assert session.run(through).tolist() == [[2, 2]] * 3
    (slices,) = tf.gradients(op_def("ResourceGather")(h, [1, 1], dtype=tf.float32) * 5.0, h)
    assert session.run(tf.convert_to_tensor(slices)).tolist() == [[0, 0], [10, 10], [0, 0]]


def test_a_counter_stops_at_its_limit(session):
    v = tf.Variable(np.int32(1))
    count = op_def("CountUpTo")(v.ref(), limit=3)
    there = op_def("IsVariableInitialized")(v.ref())
    assert not session.run(there)
    session.run(v.initializer)
    assert [session.run(count), session.run(count), session.run(there)] == [1, 2, True]
    with pytest.raises(tf.errors.OutOfRangeError, match="Reached limit of 3"):
        session.run(count)
    h = handle((), tf.int64)
    session.run(assign(h, np.int64(7)))
    count = op_def("ResourceCountUpTo")(h, limit=8, T=tf.int64)
    assert session.run(count) == 7
    with pytest.raises(tf.errors.OutOfRangeError, match="Reached limit of 8"):
        session.run(count)


def test_a_queue_is_no_variable(session):
    queue = op_def("FIFOQueueV2")(component_types=[tf.float32])
    with pytest.raises(tf.errors.InvalidArgumentError, match="using the wrong type"):
        session.run(op_def("AssignVariableOp")(queue, 1.0))
    with pytest.raises(tf.errors.InvalidArgumentError, match="trying to access the resource as a variable"):
        session.run(read(queue))
