"""Switch, Merge and loops in the executor: what runs, how often, and what is dead."""

import numpy as np
import pytest

import refflow as tf
from refflow.core.registry import op_def
from refflow.ops.control_flow import ENTER, EXIT, LOOP_COND, NEXT_ITERATION, exit, merge, switch


@pytest.fixture(params=["plan", "fifo", "lifo", "random(1)", "adversarial"])
def session(request):
    options = {} if request.param == "plan" else {"executor": "executor", "policy": request.param}
    with tf.Graph().as_default(), tf.Session(**options) as session:
        yield session


def loop(condition, body, *start, constants=(), name="loop", parallel=10):
    """The values of `start` after `body` has run while `condition` holds, made of the bare nodes."""
    frame = {"frame_name": name, "parallel_iterations": parallel}
    entered = [ENTER(s, **frame) for s in start]
    fixed = [ENTER(c, is_constant=True, **frame) for c in constants]
    merges = [op_def("Merge")([e, e]) for e in entered]  # the way back is joined below
    test = LOOP_COND(condition(*(m.output for m in merges), *fixed))
    switches = [switch(m.output, test) for m in merges]
    turned = body(*(s[1] for s in switches), *fixed)
    for m, value in zip(merges, turned, strict=True):
        back = NEXT_ITERATION(value)
        m.output.op.inputs[1]._consumers.remove(m.output.op)
        list.__setitem__(m.output.op.inputs, 1, back)
        back._consumers.append(m.output.op)
    return [exit(s[0]) for s in switches]


def branch(pred, then, other):
    """cond() of one tensor, made of the bare nodes; each branch gets its own copy of the switched value."""
    value, pred = tf.constant(10.0), tf.convert_to_tensor(pred)
    off, on = switch(value, pred)
    return merge([other(off), then(on)])


@pytest.mark.parametrize("taken", [True, False])
def test_only_the_branch_that_is_taken_runs(session, taken):  # [W39, W41]
    pred = tf.placeholder(tf.bool, [])
    ran = tf.Variable(np.zeros(2, np.float32))
    session.run(ran.initializer)

    def counted(x, place):
        with x.graph.control_dependencies([tf.scatter_add(ran, [place], x * 0.0 + tf.reshape(x, []) * [0.1])]):
            return tf.identity(x)

    y, which = branch(pred, lambda x: counted(x, 0) + 1.0, lambda x: counted(x, 1) - 1.0)
    assert session.run([y, which], {pred: taken}) == [11.0 if taken else 9.0, 1 if taken else 0]
    assert session.run(ran).tolist() == ([1, 0] if taken else [0, 1])


def test_two_live_inputs_of_a_merge_are_found_by_chance_or_always(graph):  # [E24]
    """A chain of two nodes leads to one of them, so that it depends on the schedule whether both are there."""
    late = tf.identity(tf.identity(tf.constant(2.0)))
    merged = merge([tf.identity(tf.constant(1.0)), late])[0]

    def outcome(policy, **options):
        with tf.Session(executor="executor", policy=policy, **options) as session:
            try:
                return float(session.run(merged))
            except tf.errors.InternalError as error:
                return str(error).split(".")[0]

    policies = ["fifo", "lifo", *(f"random({i})" for i in range(20))]
    wrong = "Merge can not have more than one valid input"
    assert {outcome(p) for p in policies} == {1.0, 2.0, wrong}
    assert {outcome(p, check_merges=True) for p in policies} == {wrong}


def test_merges_that_are_checked_take_loops_and_branches_as_they_are(graph):  # [E24]
    end = tf.while_loop(
        lambda x: x < 5.0, lambda x: tf.cond(x < 3.0, lambda: x + 1.0, lambda: x + 2.0), [tf.constant(0.0)]
    )
    with tf.Session(executor="executor", check_merges=True) as session:
        assert session.run(end) == 5.0


def test_what_is_dead_cannot_be_fetched(session):  # [W41]
    off, on = switch(tf.constant(1.0), tf.constant(True))
    assert session.run(on) == 1.0
    with pytest.raises(tf.errors.InvalidArgumentError, match="Retval\\[0\\] does not have value"):
        session.run(off * 2.0)


def test_deadness_passes_along_control_edges_and_a_trigger_ends_it(session):  # [W41, O03]
    off, _ = switch(tf.constant(1.0), tf.constant(True))
    graph = off.graph
    with graph.control_dependencies([off * 2.0]):
        after = tf.identity(tf.constant(5.0))
        trigger = op_def("ControlTrigger")()
    with pytest.raises(tf.errors.InvalidArgumentError, match="control flow did not run it"):
        session.run(after)
    with graph.control_dependencies([trigger]):
        assert session.run(tf.identity(tf.constant(7.0))) == 7.0


@pytest.mark.parametrize("parallel", [1, 2, 10])
def test_a_loop_runs_until_its_condition_fails(session, parallel):  # [W39, W40]
    limit = tf.placeholder(tf.int32, [])
    i, total = loop(
        lambda i, total, limit, one: i < limit,
        lambda i, total, limit, one: (i + one, total + i * i),
        tf.constant(0), tf.constant(0), constants=(limit, tf.constant(1)), parallel=parallel,
    )  # fmt: skip
    for n in (0, 1, 7, 50):
        assert session.run([i, total], {limit: n}) == [n, sum(k * k for k in range(n))]


def test_a_loop_inside_a_loop_is_opened_anew_each_time(session):  # [W40]
    one = tf.constant(1)

    def outer(i, total, limit, one):
        inner = loop(lambda j, t, n, o: j < n, lambda j, t, n, o: (j + o, t + o), i - i, total,
                     constants=(i, one), name="inner")  # fmt: skip
        return i + one, inner[1]

    i, total = loop(lambda i, t, n, o: i < n, outer, tf.constant(0), tf.constant(0), constants=(tf.constant(6), one),
                    name="outer")  # fmt: skip
    assert session.run([i, total]) == [6, sum(range(6))]


def test_a_loop_in_a_branch_that_is_not_taken_is_dead(session):  # [W41, O03]
    pred = tf.placeholder(tf.bool, [])
    off, on = switch(tf.constant(3), pred)
    (count,) = loop(lambda i, n, o: i < n, lambda i, n, o: (i + o,), on, constants=(tf.constant(10), tf.constant(1)))
    y, _ = merge([count, off - 100])
    assert session.run(y, {pred: True}) == 10
    assert session.run(y, {pred: False}) == -97


def test_a_loop_s_error_names_its_node(session):
    (y,) = loop(lambda i, n: i < n, lambda i, n: (i / (i - i),), tf.constant(1), constants=(tf.constant(3),))
    with pytest.raises(tf.errors.InvalidArgumentError, match="Integer division by zero"):
        session.run(y)
    (y,) = loop(lambda i: i < 3, lambda i: (i + i,), tf.constant(1))  # the constant 3 is outside the frame
    with pytest.raises(tf.errors.InvalidArgumentError, match="different frames"):
        session.run(y)


def test_a_condition_of_several_truths_is_refused(session):
    truths = tf.placeholder(tf.bool, None)
    end = tf.while_loop(lambda i: tf.logical_and(truths, i < 2), lambda i: i + 1, [0])
    assert session.run(end, {truths: True}) == 2
    with pytest.raises(tf.errors.InvalidArgumentError, match="scalar|LoopCond"):
        session.run(end, {truths: [True, False]})


def test_references_pass_through_switches(session):
    v = tf.Variable(1.0)
    session.run(v.initializer)
    _, on = op_def("RefSwitch")(v.ref(), tf.constant(True))
    session.run(tf.assign_add(on, 4.0))
    assert session.run(v) == 5.0
    chosen = op_def("RefSelect")(tf.constant(1), [v.ref(), tf.Variable(9.0).ref()])
    assert chosen.dtype is tf.float32.as_ref
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"range \[0, 2\) but got 2"):
        session.run(op_def("RefSelect")(tf.constant(2), [v.ref(), v.ref()]))


def test_an_exit_belongs_in_a_frame(session):
    with pytest.raises(tf.errors.InvalidArgumentError, match="leaves a frame it is not in"):
        session.run(EXIT(tf.constant(1.0)))


def test_a_next_iteration_belongs_in_a_loop(session):
    with pytest.raises(tf.errors.InvalidArgumentError, match="goes round a loop it is not in"):
        session.run(NEXT_ITERATION(tf.constant(1.0)))


def test_assertions_tell_values(session):  # [W79]
    x = tf.placeholder(tf.float32, [3])
    check = tf.Assert(tf.reduce_sum(x) > 0.0, [tf.constant("sum of"), x])
    with x.graph.control_dependencies([check]):
        y = tf.identity(x)
    assert session.run(y, {x: [1, 2, 3]}).tolist() == [1, 2, 3]
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"assertion failed: \[sum of\] \[-1 -2 -3\]"):
        session.run(y, {x: [-1, -2, -3]})


def test_print_writes_a_line_as_often_as_told(session, capfd):
    x = tf.Print(tf.constant([1.0, 2.0]), [tf.constant([1, 2, 3, 4])], message="x: ", first_n=2)
    for _ in range(3):
        assert session.run(x).tolist() == [1, 2]
    assert capfd.readouterr().err == "x: [1 2 3...]\n" * 2


def test_a_step_without_a_plan_is_explained():
    """Two independent Switches into one Merge: which input lives is not told by one predicate."""
    from refflow.explain import explain

    said = []
    with tf.Graph().as_default(), tf.Session() as session:
        p, q = tf.placeholder(tf.bool, []), tf.placeholder(tf.bool, [])
        y, _ = merge([switch(tf.constant(1.0), p)[1], switch(tf.constant(2.0), q)[1]])
        explain(session, y, [p, q], said.append)
        assert any("are no alternatives by the predicates" in line for line in said)
        assert session.run(y, {p: False, q: True}) == 2.0
