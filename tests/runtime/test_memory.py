"""What is rewritten to save memory: how much it saves by the simulated step, and that no bit changes."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

import refflow as tf
from refflow.runtime.costs import CostModel
from refflow.runtime.device import local_devices
from refflow.runtime.partition import partition
from refflow.runtime.place import place
from refflow.runtime.plan import Plan
from refflow.runtime.prune import prune
from refflow.runtime.recompute import recompute
from refflow.runtime.schedule import BOUND, hold_back_receives, latest_starts
from refflow.runtime.simulate import simulate
from tests.graphs import Program, assert_same_bits, programs

CPU = "/job:localhost/replica:0/task:0/cpu:"


def deep(layers=5, width=32, batch=64, device=None):
    """Layers of z sigmoid(z), whose slopes need z and sigmoid(z); a step of its training."""
    rng = np.random.default_rng(0)
    x = tf.placeholder(tf.float32, [batch, width], name="x")
    h, variables = x, []
    with tf.device(device):
        for k in range(layers):
            w = tf.Variable(rng.normal(size=(width, width)).astype(np.float32), name=f"w{k}")
            b = tf.Variable(np.zeros(width, np.float32), name=f"b{k}")
            z = tf.add(tf.matmul(h, w), b, name=f"z{k}")
            h = tf.mul(z, tf.sigmoid(z), name=f"h{k}")
            variables += [w, b]
        loss = tf.reduce_mean(tf.square(h))
        step = tf.train.GradientDescentOptimizer(0.1).minimize(loss)
    feeds = {x: rng.normal(size=(batch, width)).astype(np.float32)}
    return [loss, step], variables, feeds


def trained(device=None, **options):
    """Three losses and the parameters after them, and the stages of the step."""
    with tf.Graph().as_default():
        fetches, variables, feeds = deep(device=device)
        with tf.Session(kernels="reference", **options) as session:
            session.run(tf.initialize_all_variables())
            losses = [session.run(fetches, feeds)[0] for _ in range(3)]
            stages = session.stages(session.signature(fetches, list(feeds)))
            return [losses, session.run(variables)], stages


def test_what_saves_memory_is_off_unless_asked_for():  # [W33, E10]
    config = tf.ConfigProto()
    assert (config.recompute, config.swap, config.schedule_receives) == (None, False, False)
    _, stages = trained()
    assert stages.saving == []


def test_the_plan_needs_no_more_than_the_simulated_step():  # [W15, W33]
    """It may need less: where a kernel allows, a result lies in the memory of an operand that nobody needs any more."""
    _, stages = trained()
    plan, peak = Plan(stages.partitioned, "reference", {}), simulate(stages.partitioned, CostModel()).peaks[CPU + "0"]
    assert 0.5 * peak < plan.arena_bytes <= peak


def test_constants_that_were_folded_hold_nobody_up():  # [W16]
    """Or all nodes with low ids would run before the loss, whose mean is over axes that were found while building."""
    _, stages = trained()
    order = [n.name for n in stages.partitioned.nodes]
    assert order.index("Mean") < order.index("gradients/Sigmoid_3_grad/sub")


# -- what a device reports ---------------------------------------------------------------------------------------


def reported(fetches, feeds=None, devices=1, **options):
    """What each device says of its peak after a step."""
    with tf.Session(device_count={"CPU": devices}, log=True, kernels="reference", **options) as session:
        session.run(tf.initialize_all_variables())
        session.run(fetches, feeds)
        return [d.peak_bytes for d in session.devices]


@pytest.mark.parametrize("executor", ["plan", "executor"])
def test_a_device_reports_the_peak_of_the_last_step(graph, executor):  # [W15]
    """400 bytes each: y and z; then z and u, for y has been read; u is fetched."""
    x = tf.placeholder(tf.float32, [100])
    y = tf.neg(x)
    z = tf.exp(tf.reshape(y, [10, 10]))
    u = tf.reduce_sum(z, [0])
    assert reported(u, {x: np.zeros(100)}, executor=executor, optimize=False) == [800]
    kept = tf.add(tf.reshape(y, [10, 10]), z)
    assert reported(kept, {x: np.zeros(100)}, executor=executor, optimize=False) == [1200]


@pytest.mark.parametrize("executor", ["plan", "executor"])
def test_what_was_sent_stays_until_it_has_been_received(graph, executor):  # [W15]
    with graph.device("/cpu:0"):
        y = tf.neg(tf.ones([100]))
    with graph.device("/cpu:1"):
        z = tf.neg(y)
        total = tf.reduce_sum(z, [0])
    assert reported(total, devices=2, executor=executor, optimize=False) == [400, 800]


@pytest.mark.parametrize("executor", ["plan", "executor"])
def test_a_loop_does_not_pile_values_up(graph, executor):  # [W15, W40]
    def peak(turns):
        end = tf.while_loop(
            lambda i, a: i < turns, lambda i, a: [i + 1, tf.exp(-a)], [0, tf.ones([100])], parallel_iterations=1
        )[1]
        return reported(end, executor=executor)

    assert peak(3) == peak(30) and 800 <= peak(3)[0] <= 2000


def test_the_device_of_a_plan_reports_what_was_simulated():  # [W15, W33]
    """The executor's order is another, so that its peak is: it falls all the same."""
    told = {}
    with tf.Graph().as_default():
        fetches, _, feeds = deep()
        for executor in ("plan", "executor"):
            for which in (None, "cheap"):
                chosen = {"executor": executor, "recompute": which, "optimize": True, "kernels": "reference"}
                with tf.Session(log=True, **chosen) as session:
                    session.run(tf.initialize_all_variables())
                    session.run(fetches, feeds)
                    stages = session.stages(session.signature(fetches, list(feeds)))
                    told[executor, which] = session.devices[0].peak_bytes
                    if executor == "plan":
                        expected = simulate(stages.partitioned, CostModel()).peaks[CPU + "0"]
                        # A plan may do with less: a result may lie where an operand was read for the last time.
                        assert 0.9 * expected < told[executor, which] < 1.02 * expected
    assert told["executor", "cheap"] < 0.7 * told["executor", None]


# -- recomputation -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("which", "options"),
    [("cheap", {}), (lambda name: True, {}), ("cheap", {"executor": "executor", "policy": "adversarial"}),
     ("cheap", {"executor": "executor", "policy": "random(2)"})],
)  # fmt: skip
def test_recomputation_lowers_the_peak_and_leaves_every_bit(which, options):  # [W33]
    plain, _ = trained(**options)
    rewritten, stages = trained(recompute=which, optimize=True, **options)
    assert_same_bits(rewritten, plain)
    (saving,) = stages.saving
    assert saving.after[CPU + "0"] < 0.6 * saving.before[CPU + "0"]
    assert saving.after == simulate(stages.partitioned, CostModel()).peaks
    assert "recomputation: " in str(saving) and "bytes before" in str(saving) and "nodes were added" in str(saving)
    again = [n for n in stages.partitioned.nodes if "/again_" in n.name]
    assert again and all(n.origin is not None for n in again)
    if which == "cheap":
        assert not any(n.type == "MatMul" for n in again)


def test_the_manual_has_what_recomputation_costs_and_saves():
    manual = (Path(__file__).parents[2] / "docs/devices.rst").read_text(encoding="utf-8")
    buffers = []
    for text, which in (("", None), ('"cheap"', "cheap"), ("lambda name: True", lambda name: True)):
        with tf.Graph().as_default():
            fetches, _, feeds = deep(12, 64, 256)
            with tf.Session(kernels="reference", recompute=which) as session:
                stages = session.stages(session.signature(fetches, list(feeds)))
        buffers.append(f"{Plan(stages.partitioned, 'reference', {}).arena_bytes:,}")
        if which is not None:
            (saving,) = stages.saving
            long = f"{saving.length_before:.0f} us before, {saving.length_after:.0f} us after"
            size = f"{saving.before[CPU + '0']:,} bytes before, {saving.after[CPU + '0']:>9,} after"
            assert f"recompute={text:<20}{long}; {size}\n" in manual
    assert "are {} bytes before, and {} or {} after".format(*buffers) in manual


def test_the_memory_of_the_plan_falls_with_it():  # [W16, W33]
    plain, rewritten = (Plan(trained(**o)[1].partitioned, "reference", {}) for o in ({}, {"recompute": "cheap"}))
    assert rewritten.arena_bytes < 0.7 * plain.arena_bytes


def test_only_the_named_nodes_are_run_again():  # [W33]
    _, stages = trained(recompute=["Sigmoid", "Sigmoid_2"])
    again = {n.name.partition("/again_")[0] for n in stages.partitioned.nodes if "/again_" in n.name}
    assert again and again <= {"Sigmoid", "Sigmoid_2"}
    with pytest.raises(ValueError, match="recompute must be 'cheap', names of nodes, or a function"):
        trained(recompute="all")


def test_a_variable_is_read_again_before_it_changes(graph):  # [W12, W33]
    """y = x + v is wanted before and after; v changes in between, or at the end."""
    x, v = tf.placeholder(tf.float32, [1000]), tf.Variable(np.ones(1000, np.float32), name="v")
    y = tf.add(x, v.ref(), name="y")
    early = tf.reduce_sum(tf.neg(y), [0], name="early")
    with graph.control_dependencies([early]):
        wide = tf.tile(tf.neg(x), [20])
        busy = tf.reduce_sum(tf.neg(wide), [0], name="busy")
    late = tf.mul(y, busy, name="late")
    with graph.control_dependencies([late]):
        at_the_end = tf.assign(v, tf.zeros([1000]), name="end")
    with graph.control_dependencies([early]):
        between = tf.assign(v, tf.zeros([1000]), name="between")
    with graph.control_dependencies([between]):
        later = tf.mul(y, busy, name="later")

    def rewritten(fetches):
        step, _ = place(prune([x], [t for t in fetches], []), local_devices())
        return recompute(step, lambda name: name == "y", CostModel())

    step, saving = rewritten([late, at_the_end])
    assert saving.total_after < saving.total_before
    again = next(n for n in step.nodes if n.name.startswith("y/again_"))
    assert again in next(n for n in step.nodes if n.name == "end").controls
    step, saving = rewritten([later])
    assert saving.total_after == saving.total_before and len(step.nodes) == len(prune([x], [later], []).nodes)
    for change in (at_the_end, between):
        for options in ({}, {"recompute": "cheap"}, {"recompute": "cheap", "executor": "executor", "optimize": True}):
            with tf.Session(**options) as session:
                session.run(v.initializer)
                want = session.run([late, change], {x: np.ones(1000, np.float32)})[0]
                assert want[0] == 2.0 * 20_000


def test_random_numbers_are_drawn_once(graph):  # [W33, W73]
    x = tf.random_uniform([100, 100], seed=3, name="x")
    y = tf.add_n([tf.reduce_sum(tf.neg(tf.exp(x)), [0, 1]), tf.reduce_sum(x * 2.0, [0, 1])])
    step, _ = place(prune([], [y], []), local_devices())
    step, _ = recompute(step, lambda name: True, CostModel())
    assert sum(n.type == "RandomUniform" for n in step.nodes) == 1


# -- swap ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"executor": "executor", "optimize": True}], ids=str)
def test_a_swap_to_the_host_lowers_the_device_s_peak_and_leaves_every_bit(options):  # [W33]
    plain, _ = trained(**options)
    fast = CostModel(latency=1.0, bandwidth=10_000.0)
    rewritten, stages = trained("/cpu:1", device_count={"CPU": 2}, swap=True, costs=fast, **options)
    assert_same_bits(rewritten, plain)
    (saving,) = stages.saving
    assert saving.what == "swap to the host" and saving.after[CPU + "1"] < 0.7 * saving.before[CPU + "1"]
    out = [n for n in stages.partitioned.nodes if "/out_" in n.name]
    back = [n for n in stages.partitioned.nodes if "/back_" in n.name and n.type == "Identity"]
    assert out and len(out) == len(back) and all(n.device.name == CPU + "0" for n in out + back)
    moved = [t.value for t in stages.transfers]
    assert all(f"{n.name}:0" in moved for n in back)


def test_the_host_s_own_tensors_stay():  # [W33]
    _, stages = trained(swap=True)
    (saving,) = stages.saving
    assert saving.before == saving.after and saving.growth == 0.0


# -- receives ------------------------------------------------------------------------------------------------------


def skipping(graph):
    """A chain of products on cpu:1; each wants a part that cpu:0 holds from the start and needs at the end itself."""
    x = tf.placeholder(tf.float32, [100, 100], name="x")
    with graph.device("/cpu:0"):
        parts = [tf.add(x, float(i), name=f"part{i}") for i in range(6)]
    with graph.device("/cpu:1"):
        h = x
        for part in parts:
            h = tf.add(tf.matmul(h, tf.ones([100, 100])), part)
    with graph.device("/cpu:0"):
        return x, tf.add_n([h, *parts], name="end")


def test_receives_wait_until_shortly_before_they_are_needed(graph):  # [W49, E10]
    x, end = skipping(graph)
    step, _ = partition(place(prune([x], [end], []), local_devices({"CPU": 2}))[0])
    held, saving = hold_back_receives(step, CostModel())
    assert saving.after[CPU + "1"] < 0.5 * saving.before[CPU + "1"]
    assert saving.after[CPU + "0"] <= saving.before[CPU + "0"]
    assert saving.growth <= BOUND
    assert not any(n.controls for n in step.nodes if n.receives)
    waiting = {n.attrs["_value"]: n.controls for n in held.nodes if n.receives and n.controls}
    assert set(waiting) == {f"part{i}:0" for i in range(1, 6)}
    assert all(len(c) == 1 and c[0].device.name == CPU + "1" for c in waiting.values())
    run = simulate(held, CostModel())
    for node in run.start:
        if node.receives and node.controls:
            assert run.start[node] >= run.end[node.controls[0]] > 0


def test_latest_starts_do_not_make_the_step_longer(graph):  # [W49]
    x, end = skipping(graph)
    step, _ = partition(place(prune([x], [end], []), local_devices({"CPU": 2}))[0])
    run = simulate(step, CostModel())
    latest = latest_starts(step, run)
    assert all(latest[n] >= run.start[n] - 1e-6 for n in step.nodes)
    assert min(latest[n] - run.start[n] for n in step.nodes) == pytest.approx(0.0)  # the critical path
    for node in step.nodes:
        for n in [n for n, _ in node.inputs] + node.controls:
            assert latest[n] + run.end[n] - run.start[n] <= latest[node] + 1e-6


@pytest.mark.parametrize("options", [{}, {"executor": "executor"}, {"executor": "executor", "policy": "lifo"}], ids=str)
def test_a_session_holds_receives_back_where_asked_for(graph, options):  # [W49, E10]
    x, end = skipping(graph)
    feeds = {x: np.random.default_rng(1).normal(size=(100, 100)).astype(np.float32) / 100}
    results = []
    for chosen in ({}, {"schedule_receives": True}):
        with tf.Session(device_count={"CPU": 2}, kernels="reference", **chosen, **options) as session:
            results.append(session.run(end, feeds).tobytes())
            stages = session.stages(session.signature(end, [x]))
            assert len(stages.saving) == len(chosen)
    assert results[0] == results[1]
    assert any(n.controls for part in stages.partitions for n in part.nodes if n.receives)


def test_where_nothing_is_to_be_saved_the_step_stays_as_it_is(graph):  # [W49]
    with graph.device("/cpu:0"):
        x = tf.identity(tf.ones([10]), name="x")
    with graph.device("/cpu:1"):
        y = tf.neg(x, name="y")
    step, _ = partition(place(prune([], [y], []), local_devices({"CPU": 2}))[0])
    held, saving = hold_back_receives(step, CostModel())
    assert held is step and saving.before == saving.after


# -- all of them, on any graph ---------------------------------------------------------------------------------------


@settings(max_examples=10, deadline=None)
@given(programs)
def test_no_rewrite_changes_a_bit(decisions):  # [W33, W49, S33]
    want = Program(decisions).run(kernels="reference")
    assert_same_bits(Program(decisions).run(kernels="reference", recompute=lambda name: True), want)
    spread = {"device_count": {"CPU": 3}, "placer": "greedy", "costs": CostModel(latency=0.5)}
    everything = {"recompute": "cheap", "swap": True, "schedule_receives": True, **spread}
    for executor in ("plan", "executor"):
        assert_same_bits(Program(decisions).run(kernels="reference", executor=executor, **everything), want)


@pytest.mark.parametrize("options", [{"recompute": "cheap"}, {"swap": True}, {"schedule_receives": True}], ids=str)
def test_steps_with_loops_are_left_alone(graph, options):  # [W33, W49]
    end = tf.while_loop(lambda i, a: i < 3, lambda i, a: [i + 1, a * 2.0], [0, tf.ones([10])])[1]
    with tf.Session(device_count={"CPU": 2}, **options) as session:
        assert session.run(end)[0] == 8.0
        (saving,) = session.stages(session.signature(end)).saving
    assert saving.before == saving.after
