"""The command line: what it prints, and what a mistake looks like."""

import pytest

from refflow.cli import main
from refflow.conformance import read_case


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
    assert "_send_Mean_0" in out and "def step(f):" in out and "# MatMul MatMul" in out


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
        (["run", "deck", "--policy", "best", "--executor", "executor"], "policy 'best' is none of"),
        (["run", "deck", "--device", "gpu"], "/gpu:0 needs torch|GPU asked for"),
    ],
)
def test_a_mistake_is_one_line_and_no_traceback(capsys, monkeypatch, arguments, message):
    import re
    import sys

    monkeypatch.setitem(sys.modules, "torch", None)
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert re.search(message, error) and error.startswith("refflow: ") and "Traceback" not in error


@pytest.mark.parametrize("arguments", [[], ["fly"], ["run", "deck", "--steps", "-1"], ["run", "wheel"]])
def test_a_command_that_does_not_exist_shows_the_usage(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2 and "usage: refflow" in capsys.readouterr().err
