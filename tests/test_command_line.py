"""The command line: what it prints, and what a mistake looks like."""

import re

import pytest

import refflow as tf
from refflow.cli import main
from refflow.conformance import read_case
from refflow.explain import explain


def test_run_deck_prints_what_the_slide_prints(capsys):  # [S29]
    assert main(["run", "deck", "--steps", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Loss at step 0 : ") and lines[1].startswith("Training accuracy: ")
    assert lines[2].startswith("Test accuracy: ") and len(lines) == 3


def test_both_spellings_and_both_executors_are_there(capsys):
    slow = ["--executor", "executor", "--policy", "random(3)", "--kernels", "reference"]
    for more in (["--spelling", "python3"], slow):
        assert main(["run", "deck", "--steps", "1", *more]) == 0
        assert "Loss at step 0" in capsys.readouterr().out


def test_explain_prints_every_stage(capsys):  # [W09, W36]
    assert main(["explain", "deck"]) == 0
    out = capsys.readouterr().out
    for stage in ("1. The signature", "2. Prune", "3. Optimise", "4. Place", "5. Partition", "6. Execute", "7. Plan"):
        assert stage in out
    assert "_send_Mean_0" in out and "def step(f, c, log):" in out and "# MatMul MatMul" in out


def test_explain_shows_a_step_of_a_file_with_its_placeholders_fed(tmp_path, capsys):
    file = tmp_path / "program.py"
    file.write_text(
        "import refflow as tf\n"
        "x = tf.placeholder(tf.float32, [None, 3], name='x')\n"
        "other = tf.placeholder(tf.float32, name='other')\n"
        "y = tf.matmul(x, tf.Variable(tf.zeros([3, 1])), name='y')\n"
    )
    assert main(["explain", str(file), "--fetch", "y:0"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  fetch   y:0" in lines and "  feed    x:0" in lines and any("# MatMul y" in line for line in lines)
    assert main(["explain", str(file)]) == 1
    assert "say what a step is, with --fetch NAME" in capsys.readouterr().err


def test_a_program_of_tensorflow_is_asked_about_as_it_is(tmp_path, capsys):
    file = tmp_path / "old.py"
    file.write_text("import tensorflow as tf\nw = tf.Variable(tf.ones([2, 3]))\n"
                    "y = tf.matmul(tf.placeholder(tf.float32, [None, 2]), w, name='y')\n")  # fmt: skip
    assert main(["reuse", str(file), "--fetch", "y:0", "--batch", "5"]) == 0
    assert "Variable" in capsys.readouterr().out


def test_what_would_be_of_no_effect_is_refused(tmp_path, capsys):
    file = tmp_path / "mine.lisp"
    file.write_text("(constant 1)")
    assert main(["run", str(file), "--profile", "cluster"]) == 1
    assert "--profile cluster is for the deck's program in Python" in capsys.readouterr().err
    assert main(["reuse", "lenet", "--fetch", "loss"]) == 1
    assert "lenet is a workload, whose step is known: leave out --fetch loss" in capsys.readouterr().err
    assert main(["reuse", "lenet", "--batch", "128"]) == 1
    assert "a batch of 128 changes nothing" in capsys.readouterr().err


def test_explain_shows_the_plan_that_runs():
    said = []
    with tf.Graph().as_default(), tf.Session() as session:
        y = tf.nn.relu(tf.Variable(tf.zeros([64, 64])) * 2.0, name="chain")
        explain(session, y, say=said.append)
    assert any("# _Fused chain" in text for text in said)


def test_place_prints_a_table_of_nodes_candidates_finish_and_reason(capsys):  # [W20, S35]
    assert main(["place", "deck", "--cpus", "2", "--placer", "greedy"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["node", "op", "type", "device", "candidates", "reason"]
    row = next(line for line in lines if line.startswith("MatMul "))
    assert re.search(r"cpu:0 {3}cpu:0 [\d.]+us, cpu:1 [\d.]+us +done first there", row)
    assert any(re.search(r"task:0/cpu:1: \d+ nodes, \d+ sends to other devices", line) for line in lines)
    assert re.search(r"from /job:\S+/cpu:\d to /job:\S+/cpu:\d, [\d,]+ bytes", lines[-1])


def test_place_takes_a_python_file_or_a_graph(capsys, tmp_path):  # [W37]
    program = tmp_path / "program.py"
    program.write_text(
        "import refflow as tf\nwith tf.device('/cpu:1'):\n    y = tf.identity(tf.placeholder(tf.float32, []), 'y')\n"
        "if __name__ == '__main__':\n    raise SystemExit('not to be run')\n"
    )
    assert main(["place", str(program), "--cpus", "2", "--fetch", "y:0"]) == 0
    told = capsys.readouterr().out
    assert re.search(r"y +Identity +cpu:1 +cpu:1 +asked for /cpu:1", told)
    assert main(["place", str(program)]) == 1
    assert "explicitly assigned to /cpu:1 but available devices are" in capsys.readouterr().err
    assert main(["place", str(program), "--soft"]) == 0
    assert "soft placement: /cpu:1 cannot be had" in capsys.readouterr().out
    pytest.importorskip("google.protobuf")
    with tf.Graph().as_default() as graph:
        tf.constant(1.0, name="only")
        tf.train.write_graph(graph.as_graph_def(), str(tmp_path), "graph.pbtxt")
    assert main(["place", str(tmp_path / "graph.pbtxt")]) == 0
    assert "only" in capsys.readouterr().out


def test_why_prints_a_clause(capsys):
    assert main(["why", "S18"]) == 0
    assert "S18  done  (deck)" in capsys.readouterr().out


def test_cases_are_lines_that_can_be_read(capsys):
    assert main(["cases", "MatMul", "Add"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {read_case(line).op.name for line in lines} == {"MatMul", "Add"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cases", "MatMull"], "no op type is called 'MatMull'. Near it: .*MatMul"),
        (["why", "S999"], "no clause is called 'S999'"),
        (["run", "deck", "--data", "nowhere"], "nowhere"),
        (["place", "graph.txt"], "'graph.txt' is no program: expected deck, a Python file, a .lisp file, or a graph"),
        (["place", "missing.py"], "there is no program 'missing.py'"),
        (["run", "deck", "--policy", "best", "--executor", "executor"], "policy 'best' is none of"),
        (["run", "deck", "--device", "gpu"], "/gpu:0 needs torch"),
        (["place", "deck", "--device", "gpu"], "/gpu:0 needs triton"),
        (["show-kernels", "deck"], "/gpu:0 needs triton"),
    ],
)
def test_a_mistake_is_one_line_and_no_traceback(capsys, monkeypatch, arguments, message):
    import sys

    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "triton", None)
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert re.search(message, error) and error.startswith("refflow: ") and "Traceback" not in error


def test_a_package_that_is_broken_is_not_taken_for_one_that_lacks(monkeypatch, tmp_path):
    import sys

    from refflow.runtime.gpu import needs

    (tmp_path / "broken_torch.py").write_text("raise ImportError('libcudart.so.13: cannot open shared object file')")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(RuntimeError, match="needs broken_torch, which is installed and cannot be imported: libcudart"):
        needs("broken_torch")


def test_a_program_s_own_fault_is_told_with_its_line(capsys, tmp_path):
    program = tmp_path / "program.py"
    program.write_text("import refflow as tf\nx = tf.constant(1.0)\nraise ValueError('my own')\n")
    for command in (["place"], ["explain", "--fetch", "x"], ["show-kernels", "--fetch", "x"]):
        assert main([command[0], str(program), *command[1:]]) == 1
        assert capsys.readouterr().err.splitlines()[:2] == [
            "refflow: my own", f"  at {program}, line 3: raise ValueError('my own')"
        ]  # fmt: skip


def test_what_has_to_be_given_is_named_and_no_more(capsys):
    with pytest.raises(SystemExit):
        main(["check"])
    assert capsys.readouterr().err.endswith("the following arguments are required: backend\n")


@pytest.mark.parametrize("arguments", [[], ["fly"], ["run", "deck", "--steps", "-1"], ["run", "wheel"]])
def test_a_command_that_does_not_exist_shows_the_usage(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2 and "usage: refflow" in capsys.readouterr().err
