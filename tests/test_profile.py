"""A profile counts what a node does, and sets it beside what the machine can do."""

import json

import numpy as np
import pytest

import refflow as tf
from refflow import profile, programs
from refflow.cli import main


@pytest.fixture(scope="module")
def found():
    graph = tf.Graph()
    with graph.as_default():
        x = tf.placeholder(tf.float32, [40, 30])
        w = tf.Variable(tf.ones([30, 20]))
        y = tf.tanh(tf.matmul(x, w))
        init = tf.initialize_all_variables()
    return profile.profile(graph, y, {x: np.ones((40, 30), np.float32)}, init, steps=3)


def test_operations_and_bytes_are_those_of_the_shapes(found):
    lines = {line.type: line for line in found.lines}
    assert lines["MatMul"].operations == 2 * 40 * 30 * 20
    assert lines["MatMul"].nbytes == 4 * (40 * 30 + 30 * 20 + 40 * 20)
    assert lines["Tanh"].operations == 0 and lines["Tanh"].nbytes == 2 * 4 * 40 * 20
    assert all(line.nbytes == 0 for kind, line in lines.items() if kind not in ("MatMul", "Tanh"))


def test_the_least_time_is_that_of_the_tighter_limit(found):
    operations, bytes_ = found.limits
    assert operations > 0 and bytes_ > 0
    for line in found.lines:
        assert line.least == max(line.operations / operations, line.nbytes / bytes_)
    assert [line.seconds for line in found.lines] == sorted((line.seconds for line in found.lines), reverse=True)


def test_shares_make_up_the_whole(found):
    text = profile.table(found, most=2)
    head, by_node, by_type = text.split("\n\n")
    assert "GFLOP/s in a product" in head and "other nodes" in by_node and "other nodes" not in by_type
    for part, gap in ((by_node, 0.0), (by_type, found.between)):
        whole = sum(line.seconds for line in found.lines) + found.between
        shares = [float(row.split(" %")[0].split()[-1]) for row in part.splitlines()[1:]]
        assert sum(shares) == pytest.approx(100 * (whole - gap) / whole, abs=0.05 * len(shares) + 0.05)


def test_the_command_takes_workloads_and_writes_a_timeline(capsys, tmp_path):
    path = tmp_path / "trace.json"
    assert main(["profile", "matmul_256x256x256", "--steps", "2", "--clock", "wall", "--output", str(path)]) == 0
    assert "MatMul MatMul" in capsys.readouterr().out
    names = [event.get("name") for event in json.loads(path.read_text())["traceEvents"]]
    assert names.count("MatMul") == 1  # of the last step only


def test_a_file_has_to_be_told_what_a_step_is(tmp_path):
    path = tmp_path / "program.py"
    path.write_text("import refflow as tf\nv = tf.Variable(2.0)\ny = tf.square(v, name='y')\n")
    with pytest.raises(ValueError, match="--fetch NAME"):
        programs.step_of(str(path))
    step = programs.step_of(str(path), ["y:0"])
    assert [t.name for t in step.fetches] == ["y:0"] and step.feeds == {}
    assert profile.profile(*step, steps=1).lines
