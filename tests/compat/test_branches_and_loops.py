"""Branches and loops of 1.x: names, structures, shapes that hold, contexts, and what inner modules had of them."""

import collections

import numpy as np
import pytest

import refflow.compat
import refflow.compat.v1 as tf

Pair = collections.namedtuple("Pair", "a b")


@pytest.fixture
def inner():
    with refflow.compat.as_tensorflow():
        from tensorflow.python.ops import control_flow_ops

        yield control_flow_ops


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def run(fetches, feeds=None):
    with tf.Session() as session:
        return session.run(fetches, feeds)


def test_a_loop_whose_body_gives_an_invariant_ends():
    x = tf.constant(4.0) * 1.0
    result = tf.while_loop(lambda i, a: i < 2, lambda i, a: (i + 1, x), [0, tf.constant(1.0)])[1]
    assert run([result, tf.gradients(result, x)[0]]) == [4.0, 1.0]


def test_rows_that_a_loop_looks_up_have_a_gradient_in_slices():
    table = tf.Variable(np.arange(8.0, dtype=np.float32).reshape(4, 2))
    total = tf.while_loop(lambda i, s: i < 3, lambda i, s: (i + 1, s + tf.reduce_sum(tf.gather(table, i) ** 2.0)),
                          [0, 0.0])[1]  # fmt: skip
    slope = tf.gradients(total, table)[0]
    assert isinstance(slope, tf.IndexedSlices)
    with tf.Session() as session:
        session.run(table.initializer)
        assert session.run(tf.convert_to_tensor(slope)).tolist() == [[0, 2], [4, 6], [8, 10], [0, 0]]


def test_so_has_one_of_a_loop_in_a_loop():
    table = tf.constant([[1.0, 2.0], [3.0, 4.0]]) * 1.0

    def inside(s):
        return tf.while_loop(lambda j, s: j < 2, lambda j, s: (j + 1, s + tf.reduce_sum(tf.gather(table, [j]))),
                             [0, s])[1]  # fmt: skip

    total = tf.while_loop(lambda i, s: i < 3, lambda i, s: (i + 1, inside(s)), [0, 0.0])[1]
    assert run(tf.convert_to_tensor(tf.gradients(total, table)[0])).tolist() == [[3, 3], [3, 3]]


def test_nodes_have_tensorflows_names(graph):
    tf.while_loop(lambda i: i < 3, lambda i: i + 1, [tf.constant(0)], maximum_iterations=2, name="w")
    tf.cond(tf.constant(True), lambda: tf.constant(1), lambda: tf.constant(2), name="c")
    names = {op.name for op in graph.get_operations()}
    assert {"w/maximum_iterations", "w/iteration_counter", "w/Enter", "w/Less", "w/LoopCond", "w/Identity", "w/Exit",
            "c/Switch", "c/switch_t", "c/switch_f", "c/Merge"} <= names  # fmt: skip
    assert graph.get_operation_by_name("w/Enter").get_attr("frame_name") == b"w/while_context"


def test_shapes_that_hold_follow_the_structure():
    start = [tf.constant(0), Pair(tf.ones([1]), {"k": tf.zeros([1, 2])})]
    holds = [None, Pair(tf.TensorShape([None]), {"k": tf.TensorSpec([None, 2], tf.float32)})]

    def body(i, p):
        return [i + 1, Pair(tf.concat([p.a, p.a], 0), {"k": tf.concat([p.b["k"]] * 2, 0)})]

    _, p = tf.while_loop(lambda i, p: i < 2, body, start, shape_invariants=holds)
    assert p.a.get_shape().as_list() == [None] and run(p.b["k"]).shape == (4, 2)


def test_those_of_slices_and_sparse_tensors_are_one_shape():
    slices = tf.IndexedSlices(tf.ones([2, 3]), tf.constant([0, 3]), tf.constant([10, 3]))
    sparse = tf.SparseTensor([[0], [3]], tf.constant([2.0, 4.0]), [5])

    def body(i, a, b):
        twice = tf.IndexedSlices(tf.concat([a.values] * 2, 0), tf.concat([a.indices] * 2, 0), a.dense_shape)
        return i + 1, twice, tf.sparse.concat(0, [b, b])

    with pytest.raises(ValueError, match="To allow the shape to vary across iterations"):
        tf.while_loop(lambda i, *_: i < 2, body, [0, slices, sparse])
    holds = [tf.TensorShape([]), tf.TensorShape([None, 3]), tf.TensorShape([None])]
    _, a, b = tf.while_loop(lambda i, *_: i < 2, body, [0, slices, sparse], shape_invariants=holds)
    a, b = run([a, b])
    assert a.values.shape == (8, 3) and b.dense_shape.tolist() == [20]


@pytest.mark.parametrize("true, false, error", [
    ([1, 2], (1, 2), TypeError), ([1, 2], [1, 2, 3], ValueError), ({"a": 1}, {"b": 1}, ValueError),
    (1, 1.0, ValueError), ([], [], ValueError), ([1, [2]], [1, (2,)], TypeError),
])  # fmt: skip
def test_branches_that_are_not_alike_are_refused(true, false, error):
    with pytest.raises(error, match="'true_fn' and 'false_fn'"):
        tf.cond(tf.constant(True), lambda: true, lambda: false)


def test_one_in_a_list_is_like_one():
    assert run(tf.cond(tf.constant(True), lambda: [tf.constant(1)], lambda: tf.constant(2))) == 1


def test_indices_of_slices_are_widened():
    sides = [tf.IndexedSlices(tf.constant([1.0]), tf.constant([3], kind)) for kind in (tf.int32, tf.int64)]
    found = tf.cond(tf.constant(True), *(lambda side=side: side for side in sides))
    assert found.indices.dtype is tf.int64 and run(found.indices).tolist() == [3]


def test_what_is_built_without_dependencies_is_outside_of_branches():
    kept = []

    def true():
        with tf.control_dependencies(None):
            kept.append(tf.constant(7))
        kept.append(tf.constant(8))
        return kept[1]

    tf.cond(tf.constant(False), true, lambda: tf.constant(1))
    assert run(kept[0]) == 7
    with pytest.raises(ValueError, match="has been marked as not fetchable"):
        run(kept[1])


def test_contexts_say_what_they_are():
    inside = []

    def body(i):
        inside.append(tf.cond(i > 1, lambda: inside.append(i + 1) or inside[0], lambda: i + 2))
        return inside[-1]

    tf.while_loop(lambda i: i < 5, body, [tf.constant(0)], parallel_iterations=7, swap_memory=True, name="w")
    branch, loop = inside[0].op._get_control_flow_context(), inside[1].op._get_control_flow_context()
    assert branch.IsCondContext() and branch.branch == 1 and branch.pivot.op.name == "w/cond/switch_t"
    assert branch.outer_context is loop and branch.GetWhileContext() is loop and loop.outer_context is None
    assert loop.IsWhileContext() and loop.name == "w/while_context" and loop.pivot.op.name == "w/LoopCond"
    assert (loop.parallel_iterations, loop.swap_memory, loop.back_prop) == (7, True, True)
    assert [t.op.name for t in (*loop.loop_enters, *loop.loop_exits)] == ["w/Enter", "w/Exit"]


def test_an_imported_loop_runs_inside_a_loop():
    with tf.Graph().as_default() as other:
        tf.while_loop(lambda i: i < 3, lambda i: i + 1, [tf.placeholder(tf.int32, [], name="c")], name="lp")
        definition = other.as_graph_def()

    def body(i, s):
        (out,) = tf.import_graph_def(definition, {"c": i}, ["lp/Exit:0"])
        out.set_shape([])
        return i + 1, s + out

    assert run(tf.while_loop(lambda i, s: i < 2, body, [0, 0])[1]) == 6


def test_a_loop_of_bare_nodes_runs(inner):
    enter = inner._Enter(tf.constant(1.0), "f")
    limit, three = (inner._Enter(tf.constant(x), "f", is_constant=True) for x in (100.0, 3.0))
    merged = inner.merge([enter, enter])
    ends, goes_on = inner.switch(merged.output, inner.loop_cond(merged.output < limit))
    merged.output.op._update_input(1, inner._NextIteration(goes_on * three))
    assert run(inner.exit(ends)) == 243.0


def test_bare_nodes_take_what_is_made_of_tensors(inner):
    p = tf.placeholder(tf.bool, [])
    slices = tf.IndexedSlices(tf.constant([1.0, 2.0]), tf.constant([0, 4]))
    both = inner.switch(slices, p)
    assert run(inner.merge(both).output.indices, {p: True}).tolist() == [0, 4]
    with pytest.raises(ValueError, match="At least one of the merge inputs is None"):
        inner.merge([p, None])


def test_groups_take_structures():
    a, b = tf.constant(1, name="a"), tf.constant(2, name="b")
    assert [op.name for op in tf.group([a], {"b": b.op}).control_inputs] == ["a", "b"]
    with pytest.raises(TypeError, match="'inputs' should be zero or more"):
        tf.group(1)
    with pytest.raises(ValueError, match="Unknown keyword arguments: nam"):
        tf.group(a, nam="x")
    with pytest.raises(ValueError, match="must have at least one Tensor"):
        tf.tuple([None])


def test_a_gradient_within_a_body_goes_through_what_does_not_change():
    x = tf.constant(3.0)
    square = x * x

    def body(i, s):
        return i + 1, s + tf.gradients(square * s + x, x)[0]  # s + 2x s + 1

    once = tf.while_loop(lambda i, s: i < 2, body, [0, 1.0])[1]
    twice = lambda i, s: (i + 1, tf.while_loop(lambda i, s: i < 2, body, [0, s])[1])  # noqa: E731
    nested = tf.while_loop(lambda i, s: i < 2, twice, [0, 1.0])[1]
    assert run([once, nested, tf.gradients(once, x)[0]]) == [57.0, 2801.0, 30.0]


def test_but_not_through_the_start_of_a_variable():
    x = tf.placeholder(tf.float32, [], name="x")

    def body(i, v):
        with pytest.raises(ValueError, match="Cannot compute gradient inside while loop with respect to op 'x'"):
            tf.gradients(v * 2.0, x)
        return i + 1, tf.gradients(v * v, v)[0]

    assert run(tf.while_loop(lambda i, v: i < 3, body, [0, x + 1.0])[1], {x: 2.0}) == 24.0


def test_an_optimizer_may_stand_in_a_body():
    w = tf.Variable(3.0, use_resource=True)

    def body(i):
        step = tf.train.GradientDescentOptimizer(0.1).minimize(tf.square(w.read_value()), var_list=[w])
        with tf.control_dependencies([step]):
            return i + 1

    loop = tf.while_loop(lambda i: i < 5, body, [0], parallel_iterations=1)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(loop)
        assert session.run(w) == pytest.approx(3.0 * 0.8**5)


def test_rows_are_equally_many():
    with pytest.raises(ValueError, match="elems have to be equally long: Dimensions 2 and 3"):
        tf.map_fn(lambda x: x[0] + x[1], (tf.constant([1, 2]), tf.constant([1, 2, 3])), dtype=tf.int32)
    with pytest.raises(TypeError, match="sequence type"):
        tf.map_fn(lambda x: (x, x), tf.constant([1, 2]), dtype=[tf.int32, tf.int32])


def test_lists_take_shapes_as_programs_say_them():
    with refflow.compat.as_tensorflow():
        from tensorflow.python.ops import list_ops

        kind = {"element_dtype": tf.float32}
        made = list_ops.empty_tensor_list(element_shape=[None, 2], **kind)
        made = list_ops.tensor_list_push_back(made, [[1.0, 2.0]])
        assert run(list_ops.tensor_list_element_shape(made, shape_type=tf.int32)).tolist() == [-1, 2]
        assert run(list_ops.tensor_list_concat(made, element_shape=None, **kind)).tolist() == [[1, 2]]
        three = list_ops.tensor_list_scatter([1.0, 2.0], [0, 2], element_shape=tf.TensorShape([]))
        assert run(list_ops.tensor_list_stack(three, num_elements=3, **kind)).tolist() == [1, 0, 2]


def test_the_condition_of_a_while_of_functions_reads_nothing_else():
    with refflow.compat.as_tensorflow():
        from tensorflow.python.framework import function
        from tensorflow.python.ops import functional_ops

        limit = tf.constant(3)
        more = function.Defun(tf.int32)(lambda n: n > limit)
        less = function.Defun(tf.int32)(lambda n: n - 1)
        with pytest.raises(ValueError, match="can not have implicitly captured inputs"):
            functional_ops.While([9], more, less)
        with pytest.raises(ValueError, match="signatures do not match"):
            functional_ops.While([9.0], function.Defun(tf.float32)(lambda n: n > 0.0), less)


def test_contexts_become_messages_and_come_back(graph):
    x = tf.constant(1.0)

    def body(i, a):
        return i + 1, tf.cond(i > 1, lambda: a * x, lambda: a)

    tf.while_loop(lambda i, a: i < 3, body, [0, x], maximum_iterations=tf.constant(9), parallel_iterations=4)
    tf.cond(tf.constant(True), lambda: x + 1.0, lambda: x)
    (loop,), branches = graph.get_collection("while_context"), graph.get_collection("cond_context")
    assert [c.branch for c in branches] == [1, 0]
    written = loop.to_proto()
    assert (written.context_name, written.parallel_iterations) == ("while/while_context", 4)
    assert len(written.nested_contexts) == 2
    assert written.values_def.external_values["Const:0"] == "while/cond/mul/Enter:0"
    for context in (loop, *branches):
        written = context.to_proto()
        assert type(context).from_proto(written).to_proto() == written


@pytest.mark.parametrize("options", [{}, {"executor": "executor"}])
def test_the_slope_of_a_loop_may_wait_for_what_is_outside(options):
    """x^8 at 1.1, once a variable has changed."""
    with tf.Graph().as_default(), tf.Session(**options) as session:
        x, v = tf.constant(1.1), tf.Variable(0.0)
        y = tf.while_loop(lambda i, _: i < 3, lambda i, a: (i + 1, a * a), [0, x])[1]
        with tf.control_dependencies([tf.assign_add(v, 1.0)]):
            slope = tf.gradients(y, x)[0]
        session.run(tf.global_variables_initializer())
        np.testing.assert_allclose(session.run(slope), 8 * 1.1**7, rtol=1e-5)
        assert session.run(v) == 1
