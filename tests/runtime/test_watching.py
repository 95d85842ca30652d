"""What is told of a run: events, metadata and timelines, from both executables."""

import json
import threading
from itertools import pairwise

import numpy as np
import pytest

import refflow as tf
from refflow.core.shapes import TensorShape
from refflow.files.step_stats import CostGraphDef, CostNode, InputInfo, OutputInfo
from refflow.runtime.costs import CostModel
from refflow.runtime.metadata import step_stats
from refflow.runtime.simulate import simulate, together
from refflow.runtime.watch import Watch
from refflow.timeline import Timeline, account, table

BOTH = pytest.mark.parametrize("executor", ["plan", "executor"])
FULL = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE, output_partition_graphs=True)


@pytest.fixture
def ticking():
    """A clock that says how often it was asked."""
    now = iter(range(10**9))
    return lambda: next(now)


def traced(executor="plan", options=FULL, **config):
    """The values and the metadata of one step of a product and a loop on two devices."""
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    with tf.device("/cpu:1"):
        y = tf.matmul(x, tf.ones([3, 2]), name="y")
    end = tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * 2.0), [tf.constant(0), y])[1]
    metadata = tf.RunMetadata()
    with tf.Session(executor=executor, device_count={"CPU": 2}, **config) as session:
        values = session.run([y, end], {x: np.ones((4, 3))}, options=options, run_metadata=metadata)
    return values, metadata


def runs(metadata):
    return [(device.device, node) for device in metadata.step_stats.dev_stats for node in device.node_stats]


@BOTH
def test_metadata_says_when_where_and_what_each_node_made(graph, executor):  # [W61]
    (y, _), metadata = traced(executor)
    assert y.tolist() == [[3, 3]] * 4
    where, product = next((d, n) for d, n in runs(metadata) if n.node_name == "y")
    assert where.endswith("cpu:1") and product.timeline_label.startswith("y = MatMul(")
    (output,) = product.output
    made = output.tensor_description
    assert (output.slot, made.dtype, made.shape) == (0, 1, TensorShape([4, 2]))
    assert made.allocation_description.requested_bytes == 32 and product.memory[0].total_bytes == 32
    assert product.thread_id == threading.get_native_id()
    assert 0 < product.scheduled_nanos <= product.all_start_nanos and product.all_end_rel_nanos > 0
    assert [p.node[0].device[-5:] for p in metadata.partition_graphs] == ["cpu:0", "cpu:1"]
    assert [n.node_name for _, n in runs(metadata)].count("while/mul") == 3 + (executor == "executor")  # one dead


def test_both_executables_tell_of_the_same_nodes(graph):
    told = []
    for executor in ("plan", "executor"):
        with tf.Graph().as_default():
            log_of = traced(executor, optimize=True)[1]
            told.append({(d, n.node_name, n.timeline_label) for d, n in runs(log_of)})
    assert told[0] == told[1]


@BOTH
def test_events_of_a_loop_say_the_iteration(graph, executor):
    def inner(i):
        return tf.while_loop(lambda j: j < i + 2, lambda j: tf.add(j, 1, name="one"), [i])

    end = tf.while_loop(lambda i: i < 3, inner, [tf.constant(0)])
    with tf.Session(executor=executor, log=True) as session:
        assert session.run(end) == 4
        ends = [e for e in session.log.of_kind("end") if e.node == "while/while/one" and e.detail != "dead"]
    outer, nested = "while/while_context", "while/while/while_context"
    assert [e.place for e in ends] == [f"0/{outer};{i}/{nested}:{j}" for i, j in [(0, 0), (0, 1), (1, 0), (1, 1)]]


def test_nothing_is_told_that_was_not_asked_for(graph):
    assert traced(options=tf.RunOptions())[1] == tf.RunMetadata()
    metadata = tf.RunMetadata()
    with tf.Session() as session:
        session.run(tf.constant(1.0), run_metadata=metadata)
        assert not metadata.HasField("step_stats")
        session.run(tf.constant(1.0), options=FULL, run_metadata=metadata)
        assert metadata.HasField("step_stats") and not metadata.HasField("cost_graph")
        session.run(tf.constant(1.0), run_metadata=metadata)
        assert not metadata.HasField("step_stats")  # that of the last run, not of all
    with pytest.raises(ValueError, match="RunMetadata has no field 'steps'. It has: step_stats, cost_graph"):
        metadata.HasField("steps")


def test_a_plan_that_is_not_watched_has_no_lines_for_it(graph):
    x = tf.placeholder(tf.float32, [])
    with tf.Session() as session:
        stages = session.stages(session.signature(x + 1.0, [x]))
        assert "log." not in stages.executable(session.config, {}).source
        assert "log." in stages.executable(session.config, {}, watch=Watch).source


@BOTH
def test_a_failing_run_tells_how_far_it_came(graph, executor):
    hole = tf.placeholder(tf.int32, [])
    bad = tf.gather([1, 2], tf.identity(hole) * 1, name="bad")
    metadata = tf.RunMetadata()
    with tf.Session(executor=executor, log=True) as session:
        with pytest.raises(tf.errors.InvalidArgumentError):
            session.run(bad, {hole: 5}, options=FULL, run_metadata=metadata)
        with pytest.raises(tf.errors.InvalidArgumentError):
            session.run(bad, {hole: 5})
        assert [e.node for e in session.log.of_kind("error")] == ["bad"]
    names = [n.node_name for _, n in runs(metadata)]
    assert "_recv_Placeholder_0" in names and names[-1] == "bad"


def test_costs_are_told_where_the_session_is_to_build_them(graph):
    metadata = traced(graph_options=tf.GraphOptions(build_cost_model=1))[1]
    nodes = {n.name: n for n in metadata.cost_graph.node}
    product = nodes["y"]
    assert product.output_info == [OutputInfo(32, -1, TensorShape([4, 2]), 1)] and product.is_final
    readers = [n.name for n in nodes.values() if any(i.preceding_node == product.id for i in n.input_info)]
    assert "edge" in readers[0] and product.compute_cost == product.compute_time


def test_messages_are_read_as_they_were_written(graph):
    metadata = traced(graph_options=tf.GraphOptions(build_cost_model=1))[1]
    metadata.partition_graphs.clear()  # are read as bytes
    assert tf.RunMetadata.FromString(metadata.SerializeToString()) == metadata
    again = CostGraphDef([CostNode("a", "d", 1, [InputInfo(0, 2)], [OutputInfo(3, -1)], True, [4, 300], 7, 8)])
    assert CostGraphDef.FromString(again.SerializeToString()) == again
    with pytest.raises(ValueError, match="the bytes end inside a number"):
        tf.RunMetadata.FromString(b"\x0a")


# -- where the time went -------------------------------------------------------------------------------


@BOTH
def test_nodes_and_gaps_make_up_the_step(graph, ticking, executor):  # [W61]
    x = tf.constant([1.0, 2.0])
    y = tf.square(x + x, name="two")
    with tf.Session(executor=executor, log=True, clock=ticking, optimize=False) as session:
        for _ in range(2):
            session.run(y)
        for step in (1, 2):
            events = [e.time for e in session.log.events if e.step == step]
            found = account(session.log, step)
            assert found.whole == events[-1] - events[0] == sum(found.nodes.values()) + found.gap
            assert found.nodes["two"] > 0 and found.gap > 0
        text = table(session.log, most=2)
    assert "between nodes" in text and "2 steps" in text and "100.0 %" in text and "other nodes" in text


def test_time_of_a_node_that_waits_is_that_of_those_that_run_meanwhile(graph, ticking):
    take, put = (queue := tf.FIFOQueue(1, tf.int32, [])).dequeue(), queue.enqueue(7)
    with tf.Session(executor="executor", log=True, clock=ticking) as session:
        session.run([take, put])
        found = account(session.log, 1)
    assert found.whole == sum(found.nodes.values()) + found.gap


@BOTH
def test_a_timeline_has_a_process_for_each_device_and_a_bar_for_each_run(graph, executor):
    metadata = traced(executor)[1]
    events = json.loads(Timeline(metadata.step_stats).generate_chrome_trace_format())["traceEvents"]
    processes = {e["pid"]: e["args"]["name"] for e in events if e["ph"] == "M"}
    assert [name[-13:] for name in processes.values()] == ["Allocators", "cpu:0 Compute", "cpu:1 Compute"]
    bars = [e for e in events if e["ph"] == "X"]
    assert len(bars) == len(runs(metadata))
    (product,) = [e for e in bars if e["args"]["name"] == "y"]
    assert (product["name"], processes[product["pid"]][-13:]) == ("MatMul", "cpu:1 Compute")
    assert {"input0", "input1", "op"} < set(product["args"])


def test_no_two_bars_of_a_lane_overlap(graph):
    take, put = (queue := tf.FIFOQueue(1, tf.int32, [])).dequeue(), queue.enqueue(7)
    metadata = tf.RunMetadata()
    with tf.Session() as session:
        session.run([take, put], options=FULL, run_metadata=metadata)
    bars = [e for e in json.loads(Timeline(metadata.step_stats).generate_chrome_trace_format())["traceEvents"]
            if e["ph"] == "X"]  # fmt: skip
    assert len({e["tid"] for e in bars}) > 1
    for lane in {e["tid"] for e in bars}:
        own = sorted((e["ts"], e["ts"] + e["dur"]) for e in bars if e["tid"] == lane)
        assert all(first[1] <= second[0] for first, second in pairwise(own))


def test_memory_is_counted_from_the_making_to_the_last_reader(graph):
    x = tf.constant(np.zeros(100, np.float32), name="x")
    y = tf.add(x, x, name="y")
    z = tf.reduce_sum(y, name="z")
    metadata = tf.RunMetadata()
    with tf.Session(optimize=False) as session:
        session.run(z, options=FULL, run_metadata=metadata)
    found = Timeline(metadata.step_stats).analyze_step_stats().allocator_maximums["cpu"]
    assert {"x", "y"} <= found.tensors and found.num_bytes >= 800


# -- several steps at once -----------------------------------------------------------------------------


@BOTH
def test_steps_in_flight_overlap_in_the_trace(graph, executor):  # [W58, O01]
    """One step waits for rows that two others bring: its time on the device is theirs."""
    queue = tf.FIFOQueue(10, tf.float32, [])
    number = tf.placeholder(tf.float32, [])
    taken, put = queue.dequeue_many(2), queue.enqueue(number * 2.0)
    with tf.Session(executor=executor, log=True) as session:
        found = []
        thread = threading.Thread(target=lambda: found.append(session.run(taken)))
        thread.start()
        while not any("dequeue" in e.node.lower() for e in session.log.of_kind("start")):
            pass
        for value in (1, 2):
            session.run(put, {number: value})
        thread.join()
        spans = {}
        for event in session.log.events:
            spans.setdefault(event.step, []).append(event.time)
        threads = {e.thread for e in session.log.events}
    assert found[0].tolist() == [2, 4] and len(threads) == 2
    first, second, third = sorted((min(times), max(times)) for times in spans.values())
    assert first[0] < second[0] < second[1] < third[0] < first[1]
    bars = step_stats(session.log).dev_stats[0].node_stats
    assert sum(n.node_name.lower().endswith("enqueue") for n in bars) == 2


def test_several_steps_in_flight_raise_the_use_of_the_devices(graph):  # [W58]
    """Two layers on two devices: alone, a step keeps one of them waiting for the other."""
    x = tf.placeholder(tf.float32, [400, 400])
    with tf.device("/cpu:1"):
        below = tf.matmul(x, tf.ones([400, 400]))
    with tf.device("/cpu:0"):
        above = tf.matmul(below, tf.ones([400, 400]))
    with tf.Session(device_count={"CPU": 2}, optimize=False) as session:
        step = session.stages(session.signature(above, [x])).partitioned
    one, four = (simulate(together(step, count), CostModel()) for count in (1, 4))
    assert all(0.4 < use < 0.6 for use in one.use.values()) and all(use > 0.7 for use in four.use.values())
    assert four.makespan < 3 * one.makespan
