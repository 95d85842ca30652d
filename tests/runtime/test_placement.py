"""Where nodes go, and why: requests, groups, soft placement, and the two placers."""

import numpy as np
import pytest

import refflow as tf
from refflow.core.devices import DeviceSpec
from refflow.core.graph import colocate_with
from refflow.core.opdef import op_def
from refflow.runtime.device import local_devices
from refflow.runtime.place import place, table
from refflow.runtime.prune import prune


def placed(fetches, targets=(), devices=None, **options):
    """What place makes of a step: where each node is, and each node's row of the table."""
    tensors = [t for t in fetches if isinstance(t, tf.Tensor)]
    targets = [t for t in fetches if not isinstance(t, tf.Tensor)] + list(targets)
    step, rows = place(prune([], tensors, targets), devices or local_devices({"CPU": 2}), **options)
    return {n.name: n.device.name.rpartition("/")[2] for n in step.nodes}, {r.node: r for r in rows}


def complaint(fetches, **options):
    """The text of the error that a session with two CPUs raises."""
    with tf.Session(device_count={"CPU": 2}, optimize=False, **options) as session:
        with pytest.raises(tf.errors.InvalidArgumentError) as caught:
            session.run(fetches)
        return str(caught.value)


# -- names -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("/", DeviceSpec()),
        ("/device:CPU", DeviceSpec(type="cpu")),
        ("/job:*/replica:*/task:*/device:GPU:*", DeviceSpec(type="gpu")),
        ("/job:ps/task:3", DeviceSpec(job="ps", task=3)),
        ("/device:XLA_CPU:0", DeviceSpec(type="xla_cpu", index=0)),
    ],
)
def test_stars_and_bare_kinds_leave_a_part_open(text, spec):  # [W14, W37]
    assert DeviceSpec.parse(text) == spec


@pytest.mark.parametrize(
    ("one", "other", "what"),
    [
        ("/job:a", "/job:b", "jobs"),
        ("/task:0", "/task:1", "tasks"),
        ("/replica:0", "/replica:1", "replicas"),
        ("/gpu:0", "/cpu:0", "types"),
        ("/cpu:0", "/cpu:1", "ids"),
        ("/cpu:*", "/cpu:1", ""),
    ],
)
def test_two_requests_say_in_what_they_contradict(one, other, what):  # [W38]
    assert DeviceSpec.parse(one).conflict(DeviceSpec.parse(other)) == what


def test_a_malformed_request_names_its_node(graph):
    y = tf.constant(1.0, name="y")
    y.op._set_device("/cpu:first")
    assert complaint(y).startswith("Malformed device specification '/cpu:first' in node: 'y'")


def test_a_function_may_choose_the_device_of_each_node(graph):  # [W37]
    with graph.device(lambda op: "/cpu:1" if op.type == "Neg" else ""):
        y = tf.neg(tf.constant(1.0, name="x"), name="y")
    where, _ = placed([y])
    assert where["y"] == "cpu:1" and where["x"] == "cpu:0"


# -- groups ----------------------------------------------------------------------------------------------------


def test_who_takes_a_reference_follows_it_against_its_own_request(graph):  # [W22, W38]
    with graph.device("/cpu:1"):
        v = tf.Variable(1.0, name="v")
    with graph.device("/cpu:0"):
        change = tf.assign(v, 2.0, name="change")
    where, rows = placed([change.op])
    assert where["change"] == where["v"] == "cpu:1"
    assert "asked for /cpu:0, but state does not move" in rows["change"].reason


def test_who_takes_a_handle_is_placed_with_it(graph):  # [W21, W45]
    with graph.device("/cpu:1"):
        queue = tf.FIFOQueue(3, tf.float32)
        handle = op_def("VarHandleOp")(dtype=tf.float32, shape=[], shared_name="h", name="h")
    put = queue.enqueue(1.0)
    store = op_def("AssignVariableOp")(handle, tf.constant(2.0))
    where, _ = placed([put, store])
    assert where[queue.queue_ref.op.name] == where[put.name] == "cpu:1"
    assert where["h"] == where[store.name] == "cpu:1"


def test_a_reader_of_a_variable_may_be_elsewhere(graph):  # [W12, S33]
    with graph.device("/cpu:1"):
        v = tf.Variable([1.0, 2.0], name="v")
    with graph.device("/cpu:0"):
        y = tf.reduce_sum(v.ref(), name="y")
    with tf.Session(device_count={"CPU": 2}) as session:
        session.run(v.initializer)
        assert session.run(y) == 3.0
    assert placed([y])[0]["y"] == "cpu:0"


def test_colocate_with_takes_the_device_and_the_group_of_another(graph):  # [W37]
    with graph.device("/cpu:1"):
        a = tf.constant(1.0, name="a")
    with graph.device("/cpu:0"), colocate_with(a), graph.device("/cpu:0"):
        b = tf.constant(2.0, name="b")
        with colocate_with(b):
            c = tf.constant(3.0, name="c")
        with colocate_with(None, ignore_existing=True):
            d = tf.constant(4.0, name="d")
    assert (b.device, b.op.attrs["_class"], c.op.colocation_groups()) == ("/cpu:1", ["loc:@a"], [b"loc:@a"])
    assert d.device == "/cpu:0" and d.op.colocation_groups() == [b"loc:@d"]
    with pytest.raises(ValueError, match="op is None"), colocate_with(None):
        pass
    where, rows = placed([a, b, c, d])
    assert [where[n] for n in "abcd"] == ["cpu:1", "cpu:1", "cpu:1", "cpu:0"]
    assert rows["c"].reason == "asked for /cpu:1, with a"


@pytest.mark.parametrize("label", ["@", "loc:@"])
def test_a_group_counts_what_those_ask_for_that_are_not_in_the_step(graph, label):  # [W38]
    with graph.device("/cpu:1"):
        tf.constant(1.0, name="far")
    tf.constant(1.0, name="near")
    for name, other in (("near", "far"), ("y", "near")):
        op = tf.constant(1.0, name="y").op if name == "y" else graph.get_operation_by_name(name)
        if label == "@":
            op._set_device("@" + other)
        else:
            op.attrs["_class"] = ["loc:@" + other]
    where, rows = placed([graph.get_tensor_by_name("y:0")])
    assert where["y"] == "cpu:1" and "near" not in rows


def test_labels_move_with_the_nodes_of_an_imported_graph(graph):  # [W37]
    with graph.device("/cpu:1"):
        a = tf.constant(1.0, name="a")
    with colocate_with(a):
        tf.constant(2.0, name="b")
    graph_def = graph.as_graph_def()
    with tf.Graph().as_default():
        tf.constant(0.0, name="a").op._set_device("/cpu:0")
        (b,) = tf.import_graph_def(graph_def, return_elements=["b:0"], name="in")
        assert b.op.attrs["_class"] == ["loc:@in/a"]
        assert placed([b])[0]["in/b"] == "cpu:1"


# -- nothing fits ----------------------------------------------------------------------------------------------


def test_requests_of_a_group_that_contradict_are_listed_member_by_member(graph):  # [W38]
    with graph.device("/cpu:0"):
        a = tf.constant(1.0, name="a")
    b = tf.identity(a, name="b")
    b.op.attrs["_class"] = ["loc:@a"]
    b.op._set_device("/cpu:1")
    text = complaint([a, b])
    assert text.startswith(
        "Cannot colocate nodes {{colocation_node b}} and {{colocation_node a}}: Cannot merge devices with "
        "incompatible ids: '/cpu:1' and '/cpu:0'"
    )
    assert "  a (Const) asks for /cpu:0; its kernels run on /job:localhost/replica:0/task:0/cpu:0, " in text
    assert "  b (Identity) asks for /cpu:1; its kernels run on " in text
    assert "allow_soft_placement=True" in text
    with tf.Session(device_count={"CPU": 2}, allow_soft_placement=True) as session:
        assert session.run(b) == 1.0


def test_a_device_that_is_not_there_is_told_with_those_that_are(graph):  # [W22, W38]
    with graph.device("/gpu:0"):
        y = tf.constant(1.0, name="y")
    cpu = "/job:localhost/replica:0/task:0/cpu:"
    assert complaint(y).startswith(
        "Cannot assign a device for operation y: {{node y}} was explicitly assigned to /gpu:0 but available devices "
        f"are [ {cpu}0, {cpu}1 ]. Make sure the device specification refers to a valid device."
    )


def test_soft_placement_changes_the_device_but_not_the_process(graph):  # [W22]
    with graph.device("/device:GPU:5"):
        here = tf.constant(1.0, name="here")
    with graph.device("/job:worker/task:3"):
        elsewhere = tf.constant(1.0, name="elsewhere")
    where, rows = placed([here], allow_soft_placement=True)
    assert where["here"] == "cpu:0" and rows["here"].reason == "soft placement: /gpu:5 cannot be had"
    assert "explicitly assigned to /job:worker/task:3" in complaint(elsewhere, allow_soft_placement=True)


def test_an_op_without_a_kernel_is_told_with_the_kinds_it_has_one_for(graph):  # [W05, W38]
    only_gpu = tf.core.opdef.define_op("OnlyOnAGpu", "x: T -> y: T", T=(tf.float32,))
    only_gpu.kernel(lambda x: x, "gpu")
    only_gpu.shape(lambda context: context.dims("x"))
    y = only_gpu(tf.constant(1.0), name="y")
    assert "No OpKernel was registered to support Op 'OnlyOnAGpu' used by {{node y}}" in complaint(y)
    assert "Registered kernels: gpu" in complaint(y)


def test_a_request_that_no_kernel_honours(graph):  # [W38]
    from tests.runtime.test_stages import two_kinds

    with graph.device("/gpu:0"):
        y = tf.identity(tf.constant(1.0), name="y")
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        placed([y], devices=two_kinds())
    assert "Could not satisfy explicit device specification '/gpu:0' because no supported kernel for GPU" in str(
        caught.value
    )


def test_a_group_of_which_no_device_runs_all(graph):  # [W38]
    from tests.runtime.test_stages import Accelerator

    class Other(Accelerator):
        type = "tpu"

        def supports(self, op_def, attrs):
            return op_def.name == "Const"

    a = tf.constant([[1.0]], name="a")
    y = tf.matmul(a, a, name="y")
    y.op.attrs["_class"] = ["loc:@a"]
    with pytest.raises(tf.errors.InvalidArgumentError, match="no device type supports both of those nodes"):
        placed([y], devices=[Other(0), Accelerator(0)])


def test_a_node_to_be_with_must_be_in_the_graph(graph):  # [W21]
    with graph.device("@nowhere"):
        y = tf.constant(1.0, name="y")
    assert "asks to be placed with '@nowhere', but the graph has no such node" in complaint(y)
