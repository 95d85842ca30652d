"""A profile times the lines of the plan that runs, and sets them beside what the machine can do."""

import itertools
import json
import re

import numpy as np
import pytest

import refflow as tf
from refflow import profile, programs
from refflow.cli import main
from refflow.runtime.events import LapLog
from refflow.runtime.watch import Laps


def of(build, steps=3, **options):
    """The profile of what `build` fetches and feeds."""
    graph = tf.Graph()
    with graph.as_default():
        fetches, feeds = build()
        init = tf.initialize_all_variables()
    return profile.profile(graph, fetches, feeds, init, steps, **options)


def layer():
    """A product, a chain of Add and Relu, a change of shape, and a Tanh of a few numbers, which is no chain."""
    x = tf.placeholder(tf.float32, [64, 512])
    w, b = (tf.Variable(tf.ones(shape)) for shape in ([512, 256], [256]))
    y = tf.nn.relu(tf.add(tf.matmul(x, w), b, name="sum"), name="clipped")
    return [tf.reshape(y, [256, 64]), tf.tanh(tf.reduce_max(y, [0]))], {x: np.ones((64, 512), np.float32)}


@pytest.fixture(scope="module")
def found():
    return of(layer)


def test_a_chain_is_one_line_that_tells_its_nodes(found):
    chain = next(line for line in found.lines if line.type == "_Fused of Add, Relu")
    assert [n.name for n in chain.nodes] == ["sum", "clipped"]
    assert chain.nbytes == 4 * (2 * 64 * 256 + 256)  # in, out and the row: nothing for what lies between the two
    assert not {"Add", "Relu"} & {line.type for line in found.lines}
    assert "clipped: Add sum, Relu clipped" in profile.table(found).splitlines()


def test_constants_variables_and_views_are_no_lines(found):
    types = sorted(line.type for line in found.lines)
    assert types == ["MatMul", "Max", "Tanh", "_Fused of Add, Relu", "_Send", "_Send"]


def test_slices_are_one_line_with_the_work_of_their_products():
    def attention():
        q, k = (tf.placeholder(tf.float32, [64, 128, 64]) for _ in range(2))
        p = tf.nn.softmax(tf.batch_matmul(q, k, adj_y=True) * 0.125)
        return tf.batch_matmul(p, k), {q: np.ones((64, 128, 64)), k: np.ones((64, 128, 64))}

    line = max(of(attention, steps=1).lines, key=lambda line: line.operations)
    assert line.type.startswith("_Sliced of 2 BatchMatMul")
    assert line.operations == 2 * (2 * 64 * 128 * 128 * 64)
    assert {"BatchMatMul", "Mul", "Softmax"} <= {n.type for n in line.nodes}  # those of chains inside, too


def test_an_update_that_makes_its_gradient_piece_by_piece_has_the_work_of_both():
    def training():
        x = tf.placeholder(tf.float32, [128, 784])
        w = tf.Variable(tf.zeros([784, 1024]))
        step = tf.train.GradientDescentOptimizer(0.1).minimize(tf.reduce_sum(tf.square(tf.matmul(x, w))))
        return step, {x: np.ones((128, 784), np.float32)}

    line = next(line for line in of(training, steps=1).lines if line.node.endswith("ApplyGradientDescent"))
    assert line.type == "ApplyGradientDescent with MatMul" and line.operations == 2 * 128 * 784 * 1024
    assert {n.type for n in line.nodes} == {"MatMul", "ApplyGradientDescent"}


def test_the_timed_plan_has_the_lines_of_the_one_that_runs():
    def lines(source):
        return [re.sub(r"\d+", "0", text) for text in source.splitlines() if " log." not in text]

    with tf.Graph().as_default(), tf.Session() as session:
        fetches, feeds = layer()
        stages = session.stages(session.signature(fetches, list(feeds)), [(64, 512)])
        plain, timed = (stages.executable(session.config, {}, *watch).source for watch in ((), (Laps,)))
    assert "log." in timed and lines(plain) == lines(timed)


def test_a_node_in_a_loop_counts_as_often_as_it_ran():
    def loop():
        x, one = tf.placeholder(tf.float32, [32, 32]), tf.constant(1)
        return tf.while_loop(lambda i, a: i < 7, lambda i, a: (i + one, tf.matmul(a, x)), [tf.constant(0), x])[1], {
            x: np.eye(32, dtype=np.float32)
        }

    line = next(line for line in of(loop).lines if line.type == "MatMul")
    assert line.runs == 7 and line.operations == 7 * 2 * 32**3 and line.nbytes == 7 * 3 * 4 * 32**2


def test_what_the_executor_runs_is_told_by_node():
    def perhaps_dead():
        x = tf.placeholder(tf.float32, [])
        _, y = tf.core.registry.op_def("Switch")(x, x > 0.0)
        return y * 2.0, {x: 1.0}

    assert {"Mul", "Greater", "Switch"} <= {line.type for line in of(perhaps_dead).lines}


def test_operations_and_bytes_are_those_of_the_shapes(found):
    lines = {line.type: line for line in found.lines}
    assert lines["MatMul"].operations == 2 * 64 * 512 * 256
    assert lines["MatMul"].nbytes == 4 * (64 * 512 + 512 * 256 + 64 * 256)
    assert lines["Tanh"].operations == 0 and lines["Tanh"].nbytes == 2 * 4 * 256
    assert lines["_Send"].nbytes == 0


def test_the_least_time_is_that_of_the_tighter_limit(found):
    operations, bytes_ = found.limits
    assert operations > 0 and bytes_ > 0
    for line in found.lines:
        assert line.least == max(line.operations / operations, line.nbytes / bytes_)
    assert [line.seconds for line in found.lines] == sorted((line.seconds for line in found.lines), reverse=True)


def test_the_lines_come_near_the_step_that_nobody_times():
    def products():
        x = tf.placeholder(tf.float32, [700, 700])
        return tf.reduce_sum(tf.matmul(tf.matmul(x, x), x)), {x: np.ones((700, 700))}

    found = of(products, steps=9)
    assert 0.5 < sum(line.seconds for line in found.lines) / found.step < 2


def test_shares_make_up_the_whole(found):
    text = profile.table(found, most=2)
    head, by_line, by_type, *_ = text.split("\n\n")  # a long line of several nodes is told at the end
    assert "GFLOP/s in a product" in head and "other lines" in by_line and "other lines" not in by_type
    whole = sum(line.seconds for line in found.lines) + found.between
    for part, gap in ((by_line, 0.0), (by_type, found.between)):
        shares = [float(row.split(" %")[0].split()[-1]) for row in part.splitlines()[1:]]
        assert sum(shares) == pytest.approx(100 * (whole - gap) / whole, abs=0.05 * len(shares) + 0.05)


def test_a_share_above_the_limit_is_explained(found):
    def told(times):
        return profile.table(found._replace(lines=[n._replace(least=times * n.seconds) for n in found.lines]))

    assert "above 100 %" not in told(0.5)
    assert "\n\nabove 100 %: what lies in a cache is read faster" in told(2.0)


# -- the clock ----------------------------------------------------------------------------------------------


def test_a_lap_does_not_count_the_looks_at_the_clock(graph):
    log = LapLog(itertools.count().__next__)  # nothing takes time but to look
    assert (log.idle, log.cost) == (1, 2)
    x = tf.placeholder(tf.float32, [])
    with tf.Session(log=log) as session:
        session.run(tf.exp(tf.exp(x)), {x: 0.0})
    starts, ends = log.of_kind("start"), log.of_kind("end")
    assert [e.node for e in starts] == ["Exp", "Exp_1", "_send_Exp_1_0"]
    assert [end.time - start.time for start, end in zip(starts, ends, strict=True)] == [0, 0, 0]
    assert log.events[-1].time - log.events[0].time == 1 + len(starts) * log.cost


def test_who_takes_laps_still_gets_the_metadata_of_each_node_and_no_peak_is_forgotten():
    with tf.Graph().as_default():
        fetches, feeds = layer()
        metadata, full = tf.RunMetadata(), tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
        with tf.Session(log=LapLog(iter(range(10**6)).__next__)) as session:
            session.run(tf.initialize_all_variables())
            session.run(fetches, feeds, full, metadata)
            peak = session.devices[0].peak_bytes
            session.run(fetches, feeds)
            assert session.devices[0].peak_bytes == peak > 0
    names = {node.node_name for node in metadata.step_stats.dev_stats[0].node_stats}
    assert {"sum", "clipped"} <= names


def test_a_step_that_fails_leaves_its_laps(graph):
    bad = tf.gather([1, 2], tf.placeholder(tf.int32, [], name="i"), name="bad")
    log = LapLog(iter(range(10**6)).__next__)
    with tf.Session(log=log) as session, pytest.raises(tf.errors.InvalidArgumentError):
        session.run(bad, {"i:0": 7})
    assert [(e.kind, e.node) for e in log.events[1:-1]] == [("start", "bad"), ("error", "bad")]


# -- the command --------------------------------------------------------------------------------------------


def test_the_command_takes_workloads_and_writes_a_timeline(capsys, tmp_path):
    path = tmp_path / "trace.json"
    assert main(["profile", "matmul_256x256x256", "--steps", "2", "--clock", "wall", "--output", str(path)]) == 0
    assert "MatMul MatMul" in capsys.readouterr().out
    names = [event.get("name") for event in json.loads(path.read_text())["traceEvents"]]
    assert names.count("MatMul") == 1  # of the last step only


def test_a_name_that_is_no_workload_is_told_where_they_are():
    with pytest.raises(ValueError, match="'lenett' is no workload .* bench cpu --list"):
        programs.step_of("lenett")


def test_a_file_has_to_be_told_what_a_step_is(tmp_path):
    path = tmp_path / "program.py"
    path.write_text("import refflow as tf\nv = tf.Variable(2.0)\ny = tf.square(v, name='y')\n")
    with pytest.raises(ValueError, match="--fetch NAME"):
        programs.step_of(str(path))
    step = programs.step_of(str(path), ["y:0"])
    assert [t.name for t in step.fetches] == ["y:0"] and step.feeds == {}
    assert profile.profile(*step, steps=1).lines
