"""The README's program and commands are true."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_program_runs_and_learns(capsys):
    program, _ = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    exec(compile(program, "README.md", "exec"), {})
    numbers = [float(n) for n in re.findall(r"\d\.\d+", capsys.readouterr().out)]
    assert len(numbers) == 3 and all(n > 0.99 for n in numbers)


def test_a_graph_from_a_file_runs(tmp_path, monkeypatch, capsys):
    pytest.importorskip("google.protobuf", reason="graphs in the wire format need pip install '.[interop]'")
    import refflow as tf
    from refflow import interop

    _, program = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    with tf.Graph().as_default() as graph:
        tf.mul(tf.placeholder(tf.float32, [None, 2], name="x"), 3.0, name="y/")
        interop.write_graph(graph, str(tmp_path), "graph.pb", as_text=False)
    monkeypatch.chdir(tmp_path)
    exec(compile(program, "README.md", "exec"), {})
    assert capsys.readouterr().out == "[[3. 6.]]\n"


@pytest.mark.parametrize(("name", "part"), [("run", "refflow run deck"), ("test", "-m pytest")])
def test_each_command_is_one_line_that_makes_what_it_needs(name, part):
    spec = importlib.util.spec_from_file_location("readme_command", ROOT / ".ci" / "readme_command.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    line = module.command(name)
    assert line.startswith("python3 -m venv .venv && ") and part in line


def test_every_file_it_names_is_there():
    for path in re.findall(r"`((?:core|ops|train|runtime|refflow_kernels)/[\w/]+)`", README):
        assert any((ROOT / base / f"{path}.py").is_file() for base in ("", "refflow")), path
