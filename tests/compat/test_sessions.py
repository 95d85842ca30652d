"""Sessions and graphs of 1.x: what is fed and fetched, what errors say, what stays in a session."""

import collections
import threading

import numpy as np
import pytest

import refflow.compat.v1 as tf


@pytest.fixture
def session():
    with tf.Session() as found:
        yield found


def test_numbers_are_fed_as_numpy_makes_them_fit(session):
    whole, some = tf.placeholder(tf.int32), tf.placeholder(tf.float32)
    assert session.run(whole * 1, {whole: [1.5, 2.0]}).tolist() == [1, 2]
    assert session.run(some * 1, {some: True}) == 1


BAD_FEEDS = [
    (tf.int32, None, 2**40, TypeError, "Type of feed value 1099511627776 with type <class 'int'> is not compatible"),
    (tf.uint8, None, -1, TypeError, "Try explicitly setting the type of the feed tensor to a larger type"),
    (tf.string, None, 1, TypeError, "Type of feed value 1 with type <class 'int'> is not"),
    (tf.float32, [2], [1.0], ValueError, r"Cannot feed value of shape \(1,\) for Tensor x:0, which has shape \(2,\)"),
    (tf.float32, None, "word", ValueError, "could not convert string to float"),
]


@pytest.mark.parametrize(("dtype", "shape", "value", "kind", "words"), BAD_FEEDS)
def test_a_feed_that_does_not_fit_is_told(session, dtype, shape, value, kind, words):
    x = tf.placeholder(dtype, shape, name="x")
    with pytest.raises(kind, match=words):
        session.run(tf.identity(x), {x: value})


def test_fetches_and_feeds_that_are_none_are_told(session):
    a = tf.constant(1.0, name="a")
    with tf.Graph().as_default():
        foreign = tf.constant(1.0)
    for fetch, kind, words in (
        (None, TypeError, "Fetch argument None has invalid type"),
        (foreign, ValueError, "not an element of this graph"),
        ("nope", ValueError, "The name 'nope' refers to an Operation not in the graph"),
        ("a:1", ValueError, "The operation, 'a', exists but only has 1 outputs"),
    ):
        with pytest.raises(kind, match=words):
            session.run(fetch)
    with pytest.raises(TypeError, match="Cannot interpret feed_dict key as Tensor"):
        session.run(a, {"a": 1.0})
    with pytest.raises(TypeError, match="The value of a feed cannot be a tf.Tensor object"):
        session.run(a, {a: tf.constant(2.0)})
    with pytest.raises(RuntimeError, match="The Session graph is empty"):
        tf.Session(graph=tf.Graph()).run([])
    with pytest.raises(tf.errors.NotFoundError, match="No session factory registered"):
        tf.Session("INVALID_TARGET")


def test_results_have_the_structure_of_what_was_asked_for(session):
    pair = collections.namedtuple("pair", ["x", "y"])
    a, nothing = tf.constant(1.0), tf.no_op()
    found = session.run({"k": pair(a, [nothing]), "l": collections.OrderedDict([("z", (a,))])})
    assert found == {"k": pair(1.0, [None]), "l": collections.OrderedDict([("z", (1.0,))])}


def test_what_is_not_to_be_fed_or_fetched_is_not(session, graph):
    a, nothing = tf.constant(1.0, name="a"), tf.no_op(name="n")
    graph.prevent_feeding(a)
    graph.prevent_fetching(nothing)
    assert not graph.is_feedable(a) and not graph.is_fetchable(nothing) and graph.is_fetchable(a)
    with pytest.raises(ValueError, match="Tensor a:0 may not be fed"):
        session.run(a + 1.0, {a: 2.0})
    with pytest.raises(ValueError, match="Operation n has been marked as not fetchable"):
        session.run(nothing)


def test_a_callable_gives_back_what_it_is_fed(session):
    x = tf.placeholder(tf.float32)
    assert session.make_callable([x, x + 1.0], [x])(2.0) == [2, 3]


def test_a_tensor_stays_in_the_session_until_it_is_let_go_of(session):
    kept = session.run(tf.get_session_handle(tf.constant(10.0) * 5.0))
    assert kept.eval() == 50 and kept.dtype is tf.float32
    held, value = tf.get_session_tensor(kept.handle, tf.float32)
    assert session.run(value * 2.0, {held: kept.handle}) == 100
    x = tf.placeholder(tf.float32)
    assert session.run(x + 1.0, {x: kept}) == 51
    kept.delete()
    with pytest.raises(TypeError, match="may have already been deleted"):
        kept.eval()


def test_a_second_interactive_session_is_warned_of():
    first = tf.InteractiveSession()
    with pytest.warns(UserWarning, match="An interactive session is already active"):
        second = tf.InteractiveSession()
    assert tf.get_default_session() is second
    second.close()
    first.close()
    with pytest.raises(ValueError, match=r"Cannot evaluate tensor using `eval\(\)`: No default session is registered"):
        tf.constant(1.0).eval()
    with pytest.raises(ValueError, match=r"Cannot execute operation using `run\(\)`: No default session"):
        tf.no_op().run()


def test_devices_have_the_names_of_1_x(session):
    assert session.list_devices()[0].name == "/job:localhost/replica:0/task:0/device:CPU:0"
    with tf.device("/job:ps"), tf.device("cpu:0"):
        assert tf.constant(1.0).device == "/job:ps/device:CPU:0"


# -- graphs -----------------------------------------------------------------------------------------------------------


def test_a_graph_is_written_as_a_message(graph):
    tf.constant([1.0, 2.0], name="c")
    message = graph.as_graph_def(add_shapes=True)
    assert message.node[0].attr["value"].tensor.dtype == 1
    assert message.node[0].attr["_output_shapes"].list.shape[0].dim[0].size == 2
    again = tf.GraphDef()
    again.ParseFromString(message.SerializeToString())
    assert tf.import_graph_def(again, return_elements=["c:0"])[0].name == "import/c:0"


def test_collections_are_shared_by_reference_and_cut_by_the_beginnings_of_names(graph):
    graph.add_to_collections(["a", "b", "a"], 5)
    graph.get_collection_ref("a").append(6)
    assert graph.get_collection("a") == [5, 6] and graph.collections == ["a", "b"]
    graph.clear_collection("a")
    assert graph.get_collection("a") == []
    with tf.name_scope("s"):
        v = tf.Variable(1.0, name="v")
    assert tf.global_variables("s/") == [v] and tf.global_variables("v") == []
    graph.finalize()
    with pytest.raises(RuntimeError, match="Graph is finalized and cannot be modified"):
        graph.add_to_collection("a", 1)


def test_names_differ_in_more_than_case_and_scopes_are_a_thread_s_own(graph):
    assert [graph.unique_name("z"), graph.unique_name("z", mark_as_used=False), graph.unique_name("Z")] == [
        "z", "z_1", "Z_1"]  # fmt: skip
    made = []

    def build():
        with graph.as_default():
            made.append(tf.constant(1.0))

    with graph.name_scope("a"), graph.device("/cpu:0"):
        thread = threading.Thread(target=build)
        thread.start()
        thread.join()
    assert (made[0].name, made[0].device) == ("Const:0", "/device:CPU:0")


def test_what_is_built_with_another_node_leaves_device_scopes(graph):
    a = tf.constant(1.0, name="a")
    with graph.device("/cpu:0"), graph.colocate_with(a):
        b = tf.constant(1.0)
        with graph.device("/cpu:1"):
            c = tf.constant(1.0)
    assert (b.device, c.device) == ("", "/device:CPU:1") and b.op.colocation_groups() == [b"loc:@a"]


def test_device_specs_are_parts_that_change():
    spec = tf.DeviceSpec.from_string("/job:ps/replica:1/gpu:2")
    spec.merge_from(tf.DeviceSpec(task=3, device_index=0))
    assert spec.to_string() == "/job:ps/replica:1/task:3/device:GPU:0"
    with pytest.raises(ValueError, match="Unknown attribute 'bogus' is encountered while parsing the device spec"):
        tf.DeviceSpec.from_string("/bogus:1")


def test_scopes_of_names_check_their_arguments(graph):
    with pytest.raises(ValueError, match="At least one of name"), tf.name_scope(None, None, [tf.constant(1.0)]):
        tf.no_op()
    with pytest.raises(TypeError, match="You likely meant to pass this into the `values` kwarg"):
        tf.name_scope("a", [1.0])
    with tf.name_scope("a"), tf.init_scope():
        assert tf.constant(1.0).name == "a/Const:0" and not tf.executing_eagerly()


# -- control flow -----------------------------------------------------------------------------------------------------


def test_a_loop_gives_its_variables_in_the_structure_of_their_start(session):
    step = lambda i, x: (i + 1, x * 2.0)  # noqa: E731
    assert session.run(tf.while_loop(lambda i, x: i < 3, step, (0, 1.0))) == (3, 8.0)
    assert session.run(tf.while_loop(lambda i, x: i < 3, step, [0, 1.0])) == [3, 8.0]
    assert session.run(tf.while_loop(lambda i: i < 3, lambda i: i + 1, [0], return_same_structure=True)) == [3]
    assert session.run(tf.while_loop(lambda i: i < 9, lambda i: i + 1, [0], maximum_iterations=4)) == 4


def _tensor():
    return tf.constant(1.0)


@pytest.mark.parametrize(
    ("build", "kind", "words"),
    [
        (lambda: tf.while_loop(1, _tensor, [0]), TypeError, "'cond' must be callable"),
        (lambda: tf.while_loop(_tensor, 1, [0]), TypeError, "'body' must be callable"),
        (lambda: tf.while_loop(_tensor, _tensor, []), ValueError, "No loop variables provided"),
        (lambda: tf.while_loop(lambda i: i < 3, lambda i: [i, i], [0]), ValueError,
         "don't have the same nested structure"),
        (lambda: tf.while_loop(lambda x: True, lambda x: tf.concat([x, x], 0), [tf.ones([1])]), ValueError,
         r"shape \(1,\), but has shape \(2,\) after one iteration"),
        (lambda: tf.cond(True, _tensor, _tensor), TypeError, "pred must not be a Python bool"),
        (lambda: tf.cond(_tensor() > 0, _tensor), TypeError, r"cond\(\): 'false_fn' argument required"),
        (lambda: tf.cond(_tensor() > 0, 3, _tensor), TypeError, "'true_fn' must be callable"),
        (lambda: tf.cond(_tensor() > 0, _tensor, _tensor, fn1=_tensor), TypeError, "may not be set simultaneously"),
        (lambda: tf.cond(_tensor() > 0, lambda: None, _tensor), ValueError, "'true_fn' must have a return value"),
        (lambda: tf.case([3]), TypeError, "must be a 2-tuple"),
        (lambda: tf.case([(_tensor(), _tensor)]), TypeError, "pred must be Tensor of type bool"),
        (lambda: tf.switch_case(tf.constant(0), {0: _tensor, 2: _tensor}), ValueError, "form contiguous range"),
    ],
)  # fmt: skip
def test_control_flow_that_cannot_be_built_is_refused(build, kind, words):
    with pytest.raises(kind, match=words):
        build()


def test_a_branch_of_operations_is_a_tensor_that_comes_after_them(session):
    v = tf.Variable(1.0)
    session.run(v.initializer)
    done = tf.cond(tf.constant(True), lambda: v.assign(5.0).op, tf.no_op)
    assert done.dtype is tf.bool and session.run(done) in (True, False) and session.run(v) == 5


# -- graphs cut, frozen, saved ----------------------------------------------------------------------------------------


def test_a_graph_is_frozen_cut_and_thinned(session, graph):
    x = tf.placeholder(tf.float32, name="x")
    v = tf.get_variable("v", initializer=3.0)
    tf.identity(tf.identity(x, name="between") * v, name="y")
    session.run(tf.global_variables_initializer())
    frozen = tf.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), ["y"])
    assert not any(n.op == "VariableV2" for n in frozen.node)
    thin = tf.graph_util.remove_training_nodes(frozen, ["y"])
    assert "between" not in {n.name for n in thin.node} and len(tf.graph_util.extract_sub_graph(thin, ["x"]).node) == 1
    with tf.Graph().as_default(), tf.Session() as other:
        (y,) = tf.import_graph_def(thin, return_elements=["y:0"], name="")
        assert other.run(y, {"x:0": 2.0}) == 6
    with pytest.raises(AssertionError, match="nope is not in graph"):
        tf.graph_util.extract_sub_graph(frozen, ["nope"])


def test_a_saved_model_comes_back_with_its_signature_and_its_start(session, tmp_path):
    x = tf.placeholder(tf.float32, [None], name="x")
    v, local = tf.get_variable("v", initializer=3.0, use_resource=True), tf.get_local_variable("l", [])
    session.run(tf.global_variables_initializer())
    builder = tf.saved_model.Builder(str(tmp_path / "m"))
    signature = tf.saved_model.predict_signature_def({"x": x}, {"y": x * v})
    with pytest.raises(AssertionError, match="invoke `add_meta_graph_and_variables"):
        builder.add_meta_graph(["serve"])
    builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature},
                                         main_op=tf.group(local.initializer))  # fmt: skip
    builder.save()
    assert tf.saved_model.contains_saved_model(str(tmp_path / "m")) and tf.saved_model.is_valid_signature(signature)
    with tf.Graph().as_default(), tf.Session() as other:
        meta = tf.saved_model.load(other, [tf.saved_model.tag_constants.SERVING], str(tmp_path / "m"))
        found = meta.signature_def["serving_default"]
        assert other.run(found.outputs["y"].name, {found.inputs["x"].name: [2.0]}).tolist() == [6]
        assert type(tf.global_variables()[0]).__name__ == "ResourceVariable" and len(other.run("l:0").shape) == 0
        with pytest.raises(RuntimeError, match="MetaGraphDef associated with tags 'train' could not be found"):
            tf.saved_model.load(other, ["train"], str(tmp_path / "m"))
    with pytest.raises(AssertionError, match="already exists, and isn't empty"):
        tf.saved_model.Builder(str(tmp_path / "m"))


def test_texts_and_bytes():
    assert tf.compat.as_bytes("é") == b"\xc3\xa9" and tf.compat.as_text(b"x") == "x" and tf.compat.as_str_any(3) == "3"
    with pytest.raises(TypeError, match="Expected binary or unicode string, got 3"):
        tf.compat.as_bytes(3)
    assert np.isscalar(3) and isinstance(np.int32(3), tf.compat.integral_types)


class Cases(tf.test.TestCase):
    """What tests of 1.x say."""

    test_session = None  # a session, not a test

    def testTensorsAreEvaluatedWhereArraysAreCompared(self):
        with self.cached_session():
            self.assertAllClose(tf.constant([1.0, 2.0]), [1.0, 2.0])
            self.assertAllEqual(tf.constant(3), 3)
            self.assertNotAllClose(tf.constant(1.0), 2.0)
            self.assertAllInRange(tf.constant([1.0, 2.0]), 0, 3)
            self.assertAllCloseAccordingToType(np.float16(1), np.float16(1.0005))

    def testListsAndTexts(self):
        self.assertEmpty([])
        self.assertLen([1, 2], 2)
        self.assertItemsEqual([1, 2, 2], [2, 1, 2])
        self.assertSameElements([1, 2, 2], [2, 1])
        self.assertContainsInOrder(["a", "c"], "abc")
        self.assertBetween(2, 1, 3)
        self.assertDeviceEqual("/cpu:0", "/device:CPU:0")
        with self.assertRaisesRegexp(ValueError, "x"):  # noqa: UP005  (its older name is what is tested)
            raise ValueError("xyz")

    def testWhatDoesNotHoldFails(self):
        for wrong in (
            lambda: self.assertEmpty([1]), lambda: self.assertLen([], 1), lambda: self.assertAllLess([1, 2], 2),
            lambda: self.assertNotAllEqual([1], [1]), lambda: self.assertContainsSubset([3], [1]),
            lambda: self.assertAllInSet([1, 4], [1, 2]), lambda: self.assertDeviceEqual("/cpu:0", "/gpu:0"),
        ):  # fmt: skip
            with self.assertRaises(AssertionError):
                wrong()

    def testOneSessionIsAskedForInOneWay(self):
        other = self.cached_session(config=tf.ConfigProto())
        with self.cached_session(), self.assertRaisesRegex(ValueError, "is different than the one that was"), other:
            self.fail("another session")
