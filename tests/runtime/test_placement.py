"""Where nodes go, and why: requests, groups, soft placement, and the two placers."""

import pytest

import refflow as tf
from refflow.core.devices import DeviceSpec
from refflow.core.graph import colocate_with
from refflow.core.registry import op_def
from refflow.runtime.costs import CostModel, multiply_adds
from refflow.runtime.device import local_devices
from refflow.runtime.partition import partition
from refflow.runtime.place import place, table
from refflow.runtime.prune import prune
from refflow.runtime.simulate import simulate
from tests.runtime.test_structured_programs import Built


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
    assert d.device == "" and d.op.colocation_groups() == [b"loc:@d"]  # device scopes around do not hold inside
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
    assert 'only if it asks for one: tf.Session(device_count={"GPU": 1})' in complaint(y)


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


def test_the_table_says_for_want_of_which_kernel_a_node_is_not_on_the_faster_kind(graph):  # [W22, S35]
    from tests.runtime.test_stages import two_kinds

    v = tf.Variable([[1.0]], name="v")
    y = tf.matmul(tf.neg(v.ref(), name="minus"), [[1.0]], name="y")
    where, rows = placed([y, v.assign_add([[1.0]]).op], devices=two_kinds())
    assert (where["y"], where["minus"], where["v"]) == ("gpu:0", "cpu:0", "cpu:0")
    assert rows["minus"].reason == "no gpu kernel for Neg"
    assert rows["v"].reason == "no gpu kernel for AssignAdd, with AssignAdd"


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


# -- costs -----------------------------------------------------------------------------------------------------


def work_of(tensor):
    step = prune([], [tensor], [])
    return multiply_adds(next(n for n in step.nodes if n.name == tensor.op.name))


def test_the_work_of_an_op_follows_from_its_shapes():  # [W19]
    x, w = tf.placeholder(tf.float32, [64, 784]), tf.placeholder(tf.float32, [784, 10])
    assert work_of(tf.matmul(x, w)) == 64 * 784 * 10
    assert work_of(tf.matmul(w, x, transpose_a=True, transpose_b=True)) == 64 * 784 * 10
    assert work_of(tf.batch_matmul(tf.zeros([3, 4, 5]), tf.zeros([3, 5, 6]))) == 3 * 4 * 5 * 6
    image, filter = tf.zeros([2, 8, 8, 3]), tf.zeros([3, 3, 3, 16])
    y = tf.nn.conv2d(image, filter, [1, 2, 2, 1], "SAME")
    assert work_of(y) == (2 * 4 * 4 * 16) * (3 * 3 * 3)
    dx, dw = tf.gradients(y, [image, filter])
    assert work_of(dx) == work_of(dw) == work_of(y)
    assert work_of(tf.nn.max_pool(image, [1, 2, 2, 1], [1, 2, 2, 1], "VALID")) == 2 * 4 * 4 * 3 * 4
    assert work_of(tf.nn.depthwise_conv2d(image, tf.zeros([3, 3, 3, 2]), [1, 1, 1, 1], "SAME")) == 2 * 64 * 6 * 9
    assert work_of(op_def("Einsum")([x, w], equation="ij,jk->ik", N=2)) == 64 * 784 * 10
    assert work_of(tf.matrix_inverse(tf.zeros([5, 7, 7]))) == 5 * 7**3
    assert work_of(tf.reshape(x, [-1])) == work_of(tf.shape(x)) == 0 and work_of(x + 1.0) == 64 * 784


def test_a_measured_time_replaces_the_rule(graph):  # [W19]
    y = tf.matmul(tf.ones([100, 100]), tf.ones([100, 100]), name="y")
    node = next(n for n in prune([], [y], []).nodes if n.name == "y")
    (cpu,) = local_devices()
    costs = CostModel()
    assert costs.time(node, cpu) == 1000.0 and costs.nbytes(node, 0) == 40_000
    ticks = iter(range(1000))
    with tf.Session(executor="executor", log=True, clock=lambda: next(ticks) * 2e-6) as session:
        session.run(y)
        session.run(y)
        costs.measure(session.log)
    assert costs.count("y") == 2 and costs.time(node, cpu) == pytest.approx(2.0)
    assert costs.nbytes(node, 0) == 40_000
    costs.record("y", "cpu", 8.0, [50_000])
    more = CostModel()
    more.merge(costs)
    more.merge(costs)
    assert more.count("y") == 6 and more.time(node, cpu) == pytest.approx(4.0) and more.nbytes(node, 0) == 50_000
    assert "y  cpu  6x  4.0us" in str(more) and str(CostModel()) == "nothing was measured"


def test_the_metadata_of_a_run_tells_costs(graph):  # [W19, W61]
    y = tf.neg(tf.ones([100, 100]), name="y")
    metadata = tf.RunMetadata()
    with tf.Session(executor="executor", clock=iter(range(1000)).__next__) as session:
        session.run(y, options=tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE), run_metadata=metadata)
    costs = CostModel().learn(metadata.step_stats)
    node = next(n for n in prune([], [y], []).nodes if n.name == "y")
    assert costs.count("y") == 1 and costs.time(node, local_devices()[0]) == 1e6 and costs.nbytes(node, 0) == 40_000


# -- the greedy placer -----------------------------------------------------------------------------------------


def six_nodes(graph):
    """Two constants, a long and a short branch, and what joins them; all sizes are of float32."""
    a = tf.ones([100, 100], name="a")
    b = tf.identity(tf.matmul(a, a, name="long"), name="b")
    c = tf.reduce_sum(a, [0, 1], name="short")
    return tf.mul(b, c, name="end")


def test_greedy_placement_worked_by_hand(graph):  # [W20]
    """Times in us: long 1000, short 10, end 10, b 1; a transfer takes 5 and 40,000 bytes 4 more.

    a       Const: takes no time; cpu:0, first by name
    long    cpu:0 at 1000, or cpu:1 at 9 + 1000: cpu:0
    short   cpu:0 is busy until 1000: 1010, or cpu:1 at 9 + 10: cpu:1
    b       cpu:0 at 1001, or cpu:1 at 1009 + 1
    end     cpu:0 at max(1001, 19 + 5.0004) + 10 = 1011, or cpu:1 at 1001 + 9 + 10
    """
    end = six_nodes(graph)
    step = prune([], [end], [])
    placed_, rows = place(step, local_devices({"CPU": 2}), placer="greedy")
    finish = {r.node: r.finish for r in rows}
    assert finish["a"] == (0.0, 0.0)
    assert finish["long"] == (1000.0, 1009.0)
    assert finish["short"] == (1010.0, 19.0)
    assert finish["b"] == (1001.0, 1010.0)
    assert finish["end"] == (1011.0, 1020.0)
    assert {n.name: n.device.name[-1] for n in placed_.nodes if n.name != "_send_end_0"} == dict(
        zip(("a", "long", "b", "reduction_indices", "short", "end"), "000010", strict=True)
    )
    text = table(rows)
    assert "long" in text and "cpu:0 1000.0us, cpu:1 1009.0us  done first there" in text
    assert "cpu:0 0.0us, cpu:1 0.0us" in text and "done as soon as anywhere, first by name" in text


def test_a_tensor_that_was_sent_is_there_for_the_next_user(graph):  # [W20, W24]
    with graph.device("/cpu:0"):
        a = tf.ones([1000, 1000], name="a")
        busy = tf.matmul(a, a, name="busy")
    first = tf.reduce_sum(a, [0, 1], name="first")
    second = tf.reduce_max(a, [0, 1], name="second")
    _, rows = placed([busy, first, second], placer="greedy")
    # 4 MB take 5 + 400 us once; each reduction takes 1000.
    assert rows["first"].finish[1] == pytest.approx(1405) and rows["second"].finish[1] == pytest.approx(2405)


def test_greedy_honours_requests_groups_and_state(graph):  # [W20, W38]
    with graph.device("/cpu:1"):
        v = tf.Variable(tf.zeros([10]), name="v")
    change = v.assign_add(tf.ones([10]))
    where, rows = placed([change.op], placer="greedy")
    assert where[change.op.name] == "cpu:1" and len(rows[change.op.name].finish) == 1
    devices, remembered = local_devices({"CPU": 2}), {}
    free = tf.Variable(tf.zeros([3]), name="free")
    place(prune([], [], [free.initializer]), devices, remembered, placer="greedy")
    there = remembered["free"]
    _, rows = place(prune([], [free.ref()], []), devices, remembered, placer="greedy")
    row = next(r for r in rows if r.node == "free")
    assert row.device == there.name and row.reason.startswith("state is there")


def test_greedy_is_deterministic(graph):  # [W20]
    end = six_nodes(graph)
    tables = {table(place(prune([], [end], []), local_devices({"CPU": 3}), placer="greedy")[1]) for _ in range(3)}
    assert len(tables) == 1


@pytest.mark.parametrize("executor", ["plan", "executor"])
def test_a_session_places_greedily_where_asked_for_and_gives_the_same_bits(graph, executor):  # [E09, S33]
    end = six_nodes(graph)
    with tf.Session(kernels="reference", executor=executor) as session:
        assert session.config.placer == "simple"
        want = session.run(end)
    with tf.Session(device_count={"CPU": 2}, placer="greedy", kernels="reference", executor=executor) as session:
        assert session.run(end).tobytes() == want.tobytes()
    with pytest.raises(ValueError, match="placer must be simple or greedy, got 'best'"):
        tf.Session(placer="best")


@pytest.mark.parametrize("seed", [3, 8, 11])
def test_greedy_spreads_loops_and_branches_and_gives_the_bits_of_one_device(seed):  # [W20, W42, S33]
    built = Built(seed, with_state=seed % 2 == 1)
    spread = {"device_count": {"CPU": 3}, "placer": "greedy", "costs": CostModel(latency=0.5)}
    results, slopes, count = built.run()
    for executor in ("plan", "executor"):
        found, their_slopes, their_count = built.run(executor=executor, **spread)
        assert their_count == count
        for got, want in zip([*found, *their_slopes], [*results, *slopes], strict=True):
            assert got.tobytes() == want.tobytes()


def length(tensor, placing, judged):
    """How long a step would take with the placement that one cost model leads to, by another."""
    step, _ = place(prune([], [tensor], []), local_devices({"CPU": 2}), placer="greedy", costs=placing)
    return simulate(partition(step)[0], judged).makespan


def test_measured_costs_shorten_the_simulated_step(graph):  # [W19, W20]
    """By rule all parts take alike and are dealt out in turn; measured, two of them take a hundred times as long."""
    total = tf.add_n([tf.add(tf.ones([10_000]), float(i), name=f"part{i}") for i in range(4)])
    measured = CostModel()
    for part, took in enumerate((1000.0, 10.0, 1000.0, 10.0)):
        measured.record(f"part{part}", "cpu", took)
    assert length(total, measured, measured) < 0.6 * length(total, CostModel(), measured)


# -- the simulated step ----------------------------------------------------------------------------------------


def test_a_simulated_step_has_one_node_at_a_time_on_a_device_and_one_tensor_on_a_link(graph):  # [W19]
    with graph.device("/cpu:0"):
        parts = [tf.add(tf.ones([5000]), float(i), name=f"part{i}") for i in range(3)]
    with graph.device("/cpu:1"):
        total = tf.add_n(parts, name="total")
    step, _ = place(prune([], [total], []), local_devices({"CPU": 2}))
    run = simulate(partition(step)[0], CostModel())
    at = {n.name: (run.start[n], run.end[n]) for n in run.end}
    assert [at[f"part{i}"] for i in range(3)] == [(0, 5), (5, 10), (10, 15)]
    moved = sorted((run.start[n], run.end[n]) for n in run.end if n.receives)
    assert moved[:3] == [(5, 12), (12, 19), (19, 26)]  # 5 us, and 20,000 bytes at 10,000 a us
    assert at["total"] == (26, 31)
    # A value stays with its sender until it has arrived, and with its receiver until it was read.
    assert run.peaks == {d.name: 60_000 if d.name.endswith("cpu:0") else 80_000 for d in step_devices(run)}


def step_devices(run):
    return {n.device for n in run.end}
