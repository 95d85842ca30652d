"""What counts a parameter server's lines, as a subsystem and as a graph [S04]."""

import ast
from pathlib import Path

from refflow import server_lines

ROOT = Path(__file__).resolve().parents[1]


def all_files(side):
    return [name for files in side.values() for name in files]


def python_lines(path):
    """How many lines of a Python file have code, counted in another way: no comments, no documentation."""
    tree = ast.parse(path.read_text())
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    texts = [n.body[0] for n in ast.walk(tree) if isinstance(n, documented) and ast.get_docstring(n)]
    free = {line for text in texts for line in range(text.lineno, text.end_lineno + 1)}
    lines = enumerate(path.read_text().splitlines(), 1)
    return sum(1 for number, line in lines if number not in free and line.strip() and line.strip()[0] != "#")


def test_it_prints_both_counts_from_the_sources():  # [S04, D14]
    printed = server_lines.report()
    rows = {line[:46].strip(): line[46:].split() for line in printed.splitlines() if line[46:].split()}
    sides = [all_files(side) for side in (server_lines.SUBSYSTEM, server_lines.GRAPH)]
    subsystem, graph = (sum(python_lines(ROOT / "refflow" / name) for name in side) for side in sides)
    assert rows["together"] == [str(subsystem), str(graph)]
    assert rows["parameters are held"][1] == rows["they are updated"][1] == "0"
    assert graph < subsystem and graph > 100
    alone = sum(python_lines(ROOT / f"refflow/distbelief/{name}.py") for name in ("server", "rules", "downpour"))
    assert rows["of these the server and its clients alone"] == [str(alone), str(graph)]


def test_no_file_of_distbelief_is_left_out_or_counted_twice():  # [S04]
    named = [*all_files(server_lines.SUBSYSTEM), *server_lines.ONLY_TIME, *all_files(server_lines.ANOTHER_WAY)]
    assert len(named) == len(set(named))
    there = {path.relative_to(ROOT / "refflow").as_posix() for path in (ROOT / "refflow/distbelief").glob("*.py")}
    assert {name for name in named if name.startswith("distbelief/")} == there
    assert all((ROOT / "refflow" / name).exists() for name in [*named, *all_files(server_lines.FOR_ALL_PROGRAMS)])


def test_comments_texts_and_blank_lines_are_no_code():
    text = '"""What.\n\nAt length."""\n\n# why\ndef f(x):\n    """A text."""\n    y = """\n\n    """\n    return x\n'
    assert server_lines.code_lines(text) == 5, "def, a text that is a value, in three lines, and return"
    assert server_lines.code_lines("x = [\n    # one\n    1,\n\n]\n") == 3
