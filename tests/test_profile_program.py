"""`refflow profile PROGRAM.py` runs a program, tells where its time went, and changes nothing of what it does."""

import subprocess
import sys
import textwrap

import pytest

from refflow import profile_program
from refflow.cli import main
from refflow.runtime.session import Session

PROGRAM = """
    import sys
    import numpy as np
    import tensorflow as tf

    x = tf.placeholder(tf.float32, [None, 8])
    w = tf.Variable(tf.zeros([8, 3]), name="w")
    loss = tf.reduce_mean(tf.square(tf.matmul(x, w) - 1.0), name="loss")
    train = tf.train.GradientDescentOptimizer(0.1).minimize(loss, name="train")
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for i in range(int(sys.argv[1]) if sys.argv[1:] else 9):
            batch = np.full((4 + i % 2, 8), i + 1.0, np.float32) / 8
            _, value = session.run([train, loss], {x: batch})
        print("the last loss is", value)
        print(session.run("w:0").sum())
    """


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(PROGRAM))
    return str(path)


def test_the_program_does_what_it_does_without(program, capsys):
    alone = subprocess.run([sys.executable, "-m", "refflow", "as-tensorflow", program], capture_output=True, text=True)
    assert main(["profile", program]) == 0
    assert capsys.readouterr().out.startswith(alone.stdout) and alone.stdout.startswith("the last loss")


def test_runs_are_counted_by_what_they_fetch_and_by_shape(program):
    found = profile_program.watch_program(program, ["13"], steps=2)
    seen = sorted((kind.what, kind.runs, len(kind.timed)) for kind in found.steps)
    assert seen == [("run(init)", 1, 0), ("run(loss:0, train)", 6, 2), ("run(loss:0, train)", 7, 2), ("run(w:0)", 1, 0)]
    outside = found.whole - sum(kind.total for kind in found.steps)
    assert 0 < outside < found.whole and f" {outside:.3f} s " in profile_program.report(found)
    assert profile_program.longest(found).what == "run(loss:0, train)"


def test_the_report_has_the_lines_of_the_longest_step(program, capsys):
    assert main(["profile", program, "--args", "20", "--steps", "4"]) == 0
    text = capsys.readouterr().out
    assert "outside of run()" in text and "MatMul MatMul" in text and "between the lines" in text
    assert text.count("run(loss:0, train)") == 3  # two shapes, and the head of the lines


def test_too_few_runs_are_told(program, capsys):
    assert main(["profile", program, "--args", "2"]) == 0
    assert "four runs are the least" in capsys.readouterr().out


def test_sessions_are_as_before_whatever_the_program_does(tmp_path, capsys):
    before, arguments, path = Session.run, list(sys.argv), list(sys.path)
    wrong = tmp_path / "wrong.py"
    wrong.write_text("import refflow as tf\ntf.Session().run('nothing')\n")
    assert main(["profile", str(wrong)]) == 1
    ends = tmp_path / "ends.py"
    ends.write_text("import sys\nsys.exit(0)\n")
    assert main(["profile", str(ends)]) == 0
    assert "ran no step" in capsys.readouterr().out
    ends.write_text("import sys\nsys.exit(3)\n")
    with pytest.raises(SystemExit):
        main(["profile", str(ends)])
    assert main(["profile", str(tmp_path / "none.py")]) == 1
    assert "there is no program" in capsys.readouterr().err
    assert (before, arguments, path) == (Session.run, sys.argv, sys.path)


def test_a_python_program_whose_step_is_named_only_builds_its_graph(tmp_path, capsys):
    path = tmp_path / "graph.py"
    path.write_text("import refflow as tf\ny = tf.matmul(tf.ones([9, 9]), tf.Variable(tf.ones([9, 9])), name='y')\n"
                    "if __name__ == '__main__':\n    raise SystemExit('it was run')\n")  # fmt: skip
    assert main(["profile", str(path), "--fetch", "y:0", "--steps", "3"]) == 0
    assert "MatMul y" in capsys.readouterr().out


def test_callables_and_monitored_sessions_are_seen_and_traces_are_not_timed(tmp_path):
    path = tmp_path / "others.py"
    path.write_text(
        textwrap.dedent("""
        import tensorflow as tf
        step = tf.train.get_or_create_global_step()
        x = tf.placeholder(tf.float32, [])
        y, more = tf.square(x, name="y"), tf.assign_add(step, 1, name="more")
        other = tf.negative(y)
        with tf.train.MonitoredTrainingSession(hooks=[tf.train.StopAtStepHook(8)]) as session:
            while not session.should_stop():
                session.run(more)
        with tf.Session() as session:
            square = session.make_callable(y, [x])
            assert [square(float(i)) for i in range(5)] == [0, 1, 4, 9, 16]
            metadata = tf.RunMetadata()
            for i in range(3):
                session.run(other, {x: 2.0}, tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE), metadata)
            assert metadata.step_stats.dev_stats
        """)
    )
    seen = {(kind.what, kind.runs, len(kind.timed)) for kind in profile_program.watch_program(str(path)).steps}
    assert ("run(y:0)", 5, 2) in seen and ("run(Neg:0)", 3, 0) in seen
    assert any("more" in what and runs == 8 and timed == 4 for what, runs, timed in seen)


@pytest.mark.parametrize(
    ("line", "said"),
    [("tf.zeros([2]) + tf.zeros([3])", "program.py, line 3: tf.zeros([2]) + tf.zeros([3])"),
     ("1 / 0", "refflow: ZeroDivisionError: division by zero\n  at "), ("f(", "program.py, line 3"),
     ("open('no.txt')", "refflow: 'no.txt': no such file or directory\n  at ")],
)  # fmt: skip
@pytest.mark.parametrize("command", [["profile"], ["audit", "finite"], ["audit", "parameters"], ["audit", "losses"]])
def test_an_error_of_the_program_is_told_with_its_line(command, line, said, tmp_path, capsys):
    path = tmp_path / "program.py"
    path.write_text(f"import tensorflow as tf\n\n{line}\n")
    assert main([*command, str(path)]) == 1
    told = capsys.readouterr().err
    if command[-1] != "losses":
        assert said in told
    assert f"at {path}, line 3" in told and "Traceback" not in told
