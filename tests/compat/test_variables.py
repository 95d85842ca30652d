"""Variables of 1.x: references and handles, their scopes, their parts."""

import numpy as np
import pytest

import refflow.compat.v1 as tf

ROWS = np.arange(30, dtype=np.float32).reshape(10, 3)


def run(fetches, feeds=None, session=None):
    session = session or tf.Session()
    session.run(tf.global_variables_initializer())
    return session.run(fetches, feeds)


def names():
    return [op.name for op in tf.get_default_graph().get_operations()]


def test_a_variable_is_four_nodes_and_its_snapshot_stands_for_it():
    v = tf.Variable([1.0, 2.0], name="v")
    assert names() == ["v/initial_value", "v", "v/Assign", "v/read"]
    assert tf.convert_to_tensor(v).name == "v/read:0" and v.value().op.colocation_groups() == [b"loc:@v"]
    assert repr(v) == "<tf.Variable 'v:0' shape=(2,) dtype=float32_ref>"


def test_an_initial_value_may_be_a_function_and_is_then_in_a_scope_of_its_own():
    v = tf.Variable(lambda: tf.zeros([2]) + 1.0, name="v")
    assert v.initial_value.name.startswith("v/Initializer/") and v.initial_value.op.colocation_groups() == [b"loc:@v"]
    assert run(v).tolist() == [1, 1]


@pytest.mark.parametrize("use_resource", [False, True])
def test_each_change_gives_the_value_after_it(use_resource):
    v = tf.Variable([1.0, 2.0, 3.0], use_resource=use_resource)
    slices = tf.IndexedSlices(tf.constant([10.0]), tf.constant([1]))
    with tf.Session() as session:
        session.run(v.initializer)
        assert session.run(v.assign_add([1.0, 1.0, 1.0])).tolist() == [2, 3, 4]
        assert session.run(v.assign_sub([1.0, 1.0, 1.0])).tolist() == [1, 2, 3]
        assert session.run(v.scatter_add(slices)).tolist() == [1, 12, 3]
        assert session.run(tf.scatter_update(v, [0], [7.0])).tolist() == [7, 12, 3]
        assert session.run(v[1:].assign([0.0, 0.0])).tolist() == [7, 0, 0]
        assert session.run(v.scatter_nd_add([[2]], [5.0])).tolist() == [7, 0, 5]
        assert session.run(v.assign([4.0, 5.0, 6.0], read_value=False)) is None
        v.load([1.0, 1.0, 1.0], session)
        assert v.eval(session).tolist() == [1, 1, 1]


def test_a_handle_s_value_is_read_where_control_edges_say():
    v = tf.Variable(1.0, use_resource=True)
    with tf.control_dependencies([v.assign(5.0)]):
        after = v + 0.0
    assert type(v).__name__ == "ResourceVariable" and isinstance(v, tf.Variable) and v.dtype is tf.float32
    assert run(after) == 5


OPTIMIZERS = {
    "descent": lambda: tf.train.GradientDescentOptimizer(0.1), "adam": lambda: tf.train.AdamOptimizer(0.1),
    "momentum": lambda: tf.train.MomentumOptimizer(0.1, 0.9), "adagrad": lambda: tf.train.AdagradOptimizer(0.1),
    "rms": lambda: tf.train.RMSPropOptimizer(0.1), "ftrl": lambda: tf.train.FtrlOptimizer(0.1),
}  # fmt: skip


@pytest.mark.parametrize("rows", [False, True])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_an_optimizer_moves_a_handle_as_it_moves_a_reference(optimizer, rows, tmp_path):
    found = []
    for use_resource in (False, True):
        with tf.Graph().as_default(), tf.Session() as session:
            v = tf.Variable([[1.0, 2.0], [3.0, 4.0]], name="v", use_resource=use_resource)
            loss = tf.reduce_sum(tf.square(tf.gather(v, [0, 0]) if rows else v))
            step = OPTIMIZERS[optimizer]().minimize(loss, tf.train.get_or_create_global_step())
            session.run(tf.global_variables_initializer())
            session.run(step)
            path = tf.train.Saver().save(session, str(tmp_path / f"m{use_resource}"), write_meta_graph=False)
            session.run(step)
            tf.train.Saver().restore(session, path)
            found.append(session.run(v))
    np.testing.assert_allclose(*found, rtol=1e-6)


def test_one_operation_initializes_variables_that_begin_with_others():
    v = tf.Variable(2.0, name="v")
    assert run([tf.Variable(v * 3.0), tf.Variable(v.initialized_value() + 1.0)]) == [6, 3]


def test_what_changes_a_reference_is_with_the_variable():
    with tf.device("/job:ps"):
        v = tf.Variable(0, name="v")
    with tf.device("/job:worker/task:7"):
        change = v.assign(1).op
    assert change.device == "/job:ps" and change.colocation_groups() == [b"loc:@v"]


def test_a_message_and_back_is_the_same_variable():
    v = tf.Variable(1.0, name="v", trainable=False)
    v._set_save_slice_info(tf.Variable.SaveSliceInfo("whole", [4, 5], [0, 2], [2, 3]))
    again = tf.Variable.from_proto(v.to_proto())
    assert (again.name, again.trainable, again.value().name) == ("v:0", False, "v/read:0")
    assert again._get_save_slice_info().spec == "4 5 0,2:2,3"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: tf.Variable(None), "initial_value must be specified"),
        (lambda: tf.Variable(1.0, collections="x"), "must be a list, tuple, or set. Got x of type <class 'str'>"),
        (lambda: tf.Variable(1.0, constraint=3), "`constraint` argument must be a callable"),
        (lambda: tf.Variable(tf.placeholder(tf.float32)), "initial_value must have a shape specified"),
    ],
)
def test_a_variable_that_cannot_be_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_creators_are_asked_the_innermost_first():
    seen = []

    def creator(label):
        def made(next_creator, **arguments):
            seen.append(label)
            return next_creator(**{**arguments, "name": f"{arguments['name']}_{label}"})

        return made

    with tf.variable_creator_scope(creator("a")), tf.variable_creator_scope(creator("b")):
        assert tf.get_variable("v", []).name == "v_b_a:0" and seen == ["b", "a"]


# -- scopes -----------------------------------------------------------------------------------------------------------


def test_reuse_finds_and_says_what_is_wrong():
    with tf.variable_scope("s"):
        v = tf.get_variable("v", [2])
        with pytest.raises(ValueError, match="Variable s/v already exists, disallowed. Did you mean to set reuse=True"):
            tf.get_variable("v", [2])
    with tf.variable_scope("s", reuse=True):
        assert tf.get_variable("v") is v
        for call, words in (
            (lambda: tf.get_variable("w", [2]), "Variable s/w does not exist, or was not created with tf.get_variable"),
            (lambda: tf.get_variable("v", [3]), r"specified shape \(3,\) and found shape \(2,\)"),
            (lambda: tf.get_variable("v", [2], tf.int32), "specified dtype int32 and found dtype float32_ref"),
        ):
            with pytest.raises(ValueError, match=words):
                call()
    with tf.variable_scope("s", reuse=tf.AUTO_REUSE):
        assert tf.get_variable("v") is v and tf.get_variable("n", []).name == "s/n:0"


def test_a_scope_opened_again_has_its_variables_names_and_new_names_for_nodes():
    with tf.variable_scope("a"), tf.variable_scope("b") as b:
        assert tf.constant(1.0).name == "a/b/Const:0"
    with tf.variable_scope("c"), tf.variable_scope(b) as again:
        assert (again.name, again.original_name_scope) == ("a/b", "a/b/")
        assert tf.constant(1.0).name == "c/b/Const:0" and tf.get_variable("v", []).name == "a/b/v:0"
    with tf.variable_scope(b, auxiliary_name_scope=False):
        assert tf.constant(1.0).name == "Const:0"


def test_default_names_are_counted_within_the_scope_around():
    def layer():
        with tf.variable_scope(None, "layer"):
            return tf.get_variable("w", []).name

    with tf.variable_scope("net") as net:
        assert [layer(), layer()] == ["net/layer/w:0", "net/layer_1/w:0"]
    with tf.variable_scope(net, reuse=True):
        assert [layer(), layer()] == ["net/layer/w:0", "net/layer_1/w:0"]


def test_a_scope_s_defaults_hold_inside_and_getters_call_each_other():
    calls = []

    def getter(label):
        def get(getter, name, *args, **kwargs):
            calls.append((label, name, kwargs["shape"]))
            return getter(name, *args, **kwargs)

        return get

    scope = tf.variable_scope("s", initializer=tf.ones_initializer(), dtype=tf.float64, regularizer=tf.reduce_sum,
                              custom_getter=getter("outer"), use_resource=True)  # fmt: skip
    with scope, tf.variable_scope("t", custom_getter=getter("inner")):
        v = tf.get_variable("v", [2])
    assert calls == [("inner", "s/t/v", [2]), ("outer", "s/t/v", [2])]
    assert v.dtype is tf.float64 and type(v).__name__ == "ResourceVariable" and run(v).tolist() == [1, 1]
    assert run(tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)) == [2]


# -- parts ------------------------------------------------------------------------------------------------------------


def test_a_variable_in_parts_is_one_table_and_one_entry_of_a_checkpoint(tmp_path):
    whole = tf.get_variable("e", [10, 3], partitioner=tf.fixed_size_partitioner(4))
    assert [v.name for v in whole][:2] == ["e/part_0:0", "e/part_1:0"]
    assert [v._get_save_slice_info().spec for v in whole] == [
        "10 3 0,3:0,3", "10 3 3,3:0,3", "10 3 6,2:0,3", "10 3 8,2:0,3"]  # fmt: skip
    with tf.Session() as session:
        session.run(whole.assign(ROWS))
        assert session.run(tf.convert_to_tensor(whole)).tolist() == ROWS.tolist()
        ids = [0, 3, 9, 9, 5]
        found = session.run(tf.nn.embedding_lookup(whole, ids, partition_strategy="div"))
        assert found.tolist() == ROWS[ids].tolist()
        path = tf.train.Saver().save(session, str(tmp_path / "m"), write_meta_graph=False)
    with tf.Graph().as_default(), tf.Session() as session:
        again = tf.get_variable("e", [10, 3], partitioner=tf.fixed_size_partitioner(3))
        tf.train.Saver().restore(session, path)
        assert session.run(tf.identity(again)).tolist() == ROWS.tolist()


def test_partitioners_count_bytes():
    shape = tf.TensorShape([100, 4])
    assert tf.variable_axis_size_partitioner(64)(shape=shape, dtype=tf.float32) == [25, 1]
    assert tf.variable_axis_size_partitioner(64, max_shards=2)(shape=shape, dtype=tf.float32) == [2, 1]
    assert tf.min_max_variable_partitioner(8, min_slice_size=400)(shape=shape, dtype=tf.float32) == [4, 1]


def test_parts_and_wholes_are_not_taken_for_each_other():
    tf.get_variable("p", [4], partitioner=tf.fixed_size_partitioner(2))
    tf.get_variable("w", [4])
    with pytest.raises(ValueError, match="No partitioner was provided, but a partitioned version"):
        tf.get_variable("p", [4])
    with pytest.raises(ValueError, match="A partitioner was provided, but an unpartitioned version"):
        tf.get_variable("w", [4], partitioner=tf.fixed_size_partitioner(2))
    with pytest.raises(ValueError, match="Can only slice a variable along one dimension"):
        tf.get_variable("q", [4, 4], partitioner=lambda shape, dtype: [2, 2])


# -- templates and critical sections ----------------------------------------------------------------------------------


def test_a_template_makes_its_variables_once():
    scale = tf.make_template("scale", lambda x: x * tf.get_variable("w", [], initializer=tf.ones_initializer()))
    first, second = scale(tf.constant(2.0)), scale(tf.constant(3.0))
    assert [v.name for v in scale.variables] == ["scale/w:0"] and run([first, second]) == [2, 3]
    strange = tf.make_template("strange", lambda: tf.Variable(1.0) + 0.0)
    strange()
    with pytest.raises(ValueError, match="New variable created when calling a template after the first time"):
        strange()


def test_executions_of_a_critical_section_come_one_after_the_other():
    v = tf.Variable(0, use_resource=True)
    section = tf.CriticalSection(name="count")

    def twice():
        read = v.read_value()
        with tf.control_dependencies([read]):
            return v.assign(read + 1).value()

    results = [section.execute(twice) for _ in range(5)]
    with tf.Session() as session:
        session.run(v.initializer)
        assert sorted(session.run(results)) == [1, 2, 3, 4, 5]
    with pytest.raises(ValueError, match="in which we are already running"):
        section.execute(lambda: section.execute(lambda: tf.constant(1)))


def test_a_variable_that_is_a_reference_is_there_and_so_is_true():
    variable = tf.Variable(0.0)
    assert variable and bool(tf.get_variable("v", [2])) and not isinstance(variable, tf.Tensor)
    with pytest.raises(TypeError, match="has no truth value"):
        bool(tf.get_variable("handle", [2], use_resource=True))
