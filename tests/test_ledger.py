"""The ledger of this repository is clean, and the checker finds what it should."""

from pathlib import Path

import pytest

from refflow import ledger

ROOT = Path(__file__).resolve().parents[1]


def test_every_done_clause_has_code_and_a_test_and_the_trace_is_fresh():
    assert ledger.check(ROOT) == []


def test_the_clauses_are_all_there():
    known = ledger.clauses(ROOT / "spec")
    series = {
        "S": [*range(1, 7), *range(10, 50), *range(51, 87)],
        "W": [*range(1, 63), *range(70, 83)],
        "O": range(1, 9),
        "D": range(1, 15),
        "E": range(1, 29),
    }
    wanted = {f"{letter}{number:02}" for letter, numbers in series.items() for number in numbers}
    wanted |= {f"S50{part}" for part in "abcdefg"} | {"S18.1", "S18.2", "S18.3"}
    assert set(known) == wanted


@pytest.fixture
def tree(tmp_path):
    """A small source tree with one clause of each kind, clean."""
    for folder in ("spec/clauses", "refflow", "refflow_kernels", "tests", "tutorials"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "spec/clauses/deck.md").write_text(
        "# Deck\n\n- **S01** done (§1): One.\n- **S02** planned: Two.\n"
        "- **S03** done: Three.\n- **S03.1** done: Part.\n"
    )
    (tmp_path / "refflow/a.py").write_text('"""Does it [S01].""" \nOP.case("S03.1", "title", x=[1])\nx[i, N] = T[S]\n')
    (tmp_path / "tests/test_a.py").write_text("def test_one():  # [S01]\n    assert True is not False\n")
    ledger.write_trace(tmp_path)
    return tmp_path


def change(path, old, new):
    path.write_text(path.read_text().replace(old, new))


def test_a_clean_tree_has_no_problems(tree):
    assert ledger.check(tree) == []


def test_a_case_is_code_and_test_and_a_part_counts_for_the_whole(tree):
    assert "| S03 | done | refflow/a.py | refflow/a.py::cases |" in (tree / "spec/trace.md").read_text()


def test_an_unknown_number_is_found_where_it_stands(tree):
    change(tree / "tests/test_a.py", "[S01]", "[S01, W99]")
    assert "tests/test_a.py:1: no clause is called W99" in ledger.check(tree)


def test_done_without_a_test_is_found(tree):
    change(tree / "tests/test_a.py", "[S01]", "")
    assert "S01 is done, but no test carries it" in ledger.check(tree)


def test_done_without_code_is_found(tree):
    change(tree / "refflow/a.py", "[S01]", "")
    assert "S01 is done, but no code carries it" in ledger.check(tree)


def test_a_stale_trace_is_found(tree):
    change(tree / "tests/test_a.py", "test_one", "test_another")
    assert ledger.check(tree) == ["spec/trace.md is stale: run python -m refflow.ledger"]


def test_a_number_that_stands_twice_is_found(tree):
    change(tree / "spec/clauses/deck.md", "- **S02**", "- **S01**")
    assert "S01 stands twice in spec/clauses" in ledger.check(tree)


@pytest.mark.parametrize("line", ["- **S2** done: x", "- **S04** finished: x", "- S04 done: x", "- **S04** done:"])
def test_a_malformed_line_is_found(tree, line):
    with (tree / "spec/clauses/deck.md").open("a") as file:
        file.write(line + "\n")
    assert any("not of the form" in p and line in p for p in ledger.check(tree))


def test_why_shows_the_sentence_the_code_and_the_tests(tree):
    text = ledger.why("S01", tree)
    assert "S01  done  (deck §1)\n  One." in text
    assert 'refflow/a.py:1  """Does it [S01]."""' in text and "tests/test_a.py::test_one" in text


def test_why_suggests_near_numbers(tree):
    with pytest.raises(LookupError, match=r"no clause is called 'S011'. Near it: S01"):
        ledger.why("S011", tree)
