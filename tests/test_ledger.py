"""The ledger of this repository is clean, and the checker finds what it should."""

import shutil
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
    """A small source tree with clauses of several kinds, clean."""
    for folder in ("spec/clauses", "refflow", "refflow_kernels", "tests", "tutorials"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "spec/clauses/deck.md").write_text(
        "# Deck\n\n- **S01** done (§1): One.\n- **S02** planned: Two.\n"
        "- **S03** done: Three.\n- **S03.1** done: Part.\n- **S50a** context: Four.\n"
    )
    (tmp_path / "refflow/a.py").write_text('"""Does it [S01]."""\nOP.case("S03.1", "title", x=[1])\nx[i, N] = T[S]\n')
    (tmp_path / "tests/test_a.py").write_text("def test_one():  # [S01]\n    assert True is not False\n")
    ledger.write_trace(tmp_path)
    return tmp_path


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_clean_tree_has_no_problems(tree):
    assert ledger.check(tree) == []


def test_clauses_keep_what_their_line_says(tree):
    known = ledger.clauses(tree / "spec")
    assert list(known) == ["S01", "S02", "S03", "S03.1", "S50a"]
    assert known["S01"] == ledger.Clause("S01", "done", "One.", "§1", "deck")
    assert known["S02"].section == ""


# -- what counts as a number -------------------------------------------------------------------------------


def test_a_case_is_code_and_test_and_a_part_counts_for_the_whole(tree):
    assert "| S03 | done | refflow/a.py | refflow/a.py::cases |" in (tree / "spec/trace.md").read_text()


@pytest.mark.parametrize(
    "line",
    [
        "# shapes [N, C], T[D0], [S1], [S123], [S01.]",
        "y = values[S77] + f(x)[W77]",
        "n = 0xE77 + 1E77 + D77",
        'names = np.array(words, dtype="S77").astype("S77") + np.zeros(2, np.dtype("S77"))',
        "# see S77, (S77) and s77",
    ],
)
def test_other_brackets_and_names_are_no_numbers(tree, line):
    before = ledger.scan(tree)
    with (tree / "refflow/a.py").open("a") as file:
        file.write(line + "\n")
    assert ledger.scan(tree) == before


@pytest.mark.parametrize(
    "line",
    [
        "# as it says [S02]",
        "# as it says [S01, S02]",
        "# as it says [S01/S02]",
        '"""As it says [S03.1,\n    S02]."""',
        'OP = define_op("Op", "x: T -> y: T", source=("S01", "S02"))',
        'OP.case(\n    "S02", "title", x=1)',
        'OP = _random("RandomOp", "S02")',
    ],
)
def test_numbers_are_found_in_comments_docstrings_and_op_pages(tree, line):
    assert "S02" not in ledger.scan(tree)
    (tree / "refflow_kernels/b.py").write_text(line + "\n")
    assert [path.name for path, _, _ in ledger.scan(tree)["S02"].code] == ["b.py"]
    assert bool(ledger.scan(tree)["S02"].tests) == (".case(" in line)


def test_two_parts_on_one_line_are_one_place_of_the_whole(tree):
    (tree / "refflow/b.py").write_text("x = 1  # [S03.1, S03.2, S03]\n")
    assert [path.name for path, _, _ in ledger.scan(tree)["S03"].code] == ["a.py", "b.py"]


def test_a_number_belongs_to_the_test_it_stands_in_or_directly_above(tree):
    (tree / "tests/test_b.py").write_text(
        '"""All of it [S01]."""\n\n\ndef test_first():\n    assert 1 + 1 == 2\n\n\n'
        "# Said before the decorator [S02].\n@mark([3])\ndef test_second():\n    assert 2 + 2 == 4  # [S03.1]\n\n\n"
        "def helper():  # [S50a]\n    return 0\n"
    )
    places = ledger.scan(tree)
    names = {i: [name for path, _, name in places[i].tests if path.name == "test_b.py"] for i in places}
    second = ["test_second"]
    assert names == {"S01": [""], "S02": second, "S03": second, "S03.1": second, "S50a": [""]}
    assert "tests/test_a.py::test_one, tests/test_b.py |" in ledger.trace(tree)


def test_a_tutorial_is_a_test(tree):
    change(tree / "tests/test_a.py", "[S01]", "")
    (tree / "tutorials/01_first.py").write_text("# %% [markdown]\n# A sentence [S01].\nassert 1 + 1 == 2\n")
    ledger.write_trace(tree)
    assert ledger.check(tree) == []
    assert "| S01 | done | refflow/a.py | tutorials/01_first.py |" in (tree / "spec/trace.md").read_text()


# -- what does not fit -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "old"), [("tests/test_a.py", "def test_one():  # [S01]"), ("refflow/a.py", '"""Does it [S01]."""')]
)
def test_an_unknown_number_is_found_where_it_stands(tree, path, old):
    change(tree / path, old, old.replace("[S01]", "[S01, W99]"))
    assert f"{path}:1: no clause is called W99" in ledger.check(tree)


def test_done_without_a_test_is_found(tree):
    change(tree / "tests/test_a.py", "[S01]", "")
    assert "S01 is done, but no test carries it" in ledger.check(tree)


def test_done_without_code_is_found(tree):
    change(tree / "refflow/a.py", "[S01]", "")
    assert "S01 is done, but no code carries it" in ledger.check(tree)


def test_other_statuses_ask_for_neither(tree):
    change(tree / "tests/test_a.py", "[S01]", "")
    change(tree / "refflow/a.py", "[S01]", "")
    for status in ("planned", "context", "deviation"):
        change(tree / "spec/clauses/deck.md", "- **S01** " + ledger.clauses(tree / "spec")["S01"].status,
               "- **S01** " + status)  # fmt: skip
        ledger.write_trace(tree)
        assert ledger.check(tree) == []


def test_a_stale_trace_is_found(tree):
    change(tree / "tests/test_a.py", "test_one", "test_another")
    assert ledger.check(tree) == ["spec/trace.md is stale: run python -m refflow.ledger"]
    ledger.write_trace(tree)
    assert ledger.check(tree) == []


def test_a_missing_trace_is_stale(tree):
    (tree / "spec/trace.md").unlink()
    assert ledger.check(tree) == ["spec/trace.md is stale: run python -m refflow.ledger"]


def test_lines_that_move_leave_the_trace_fresh(tree):
    change(tree / "tests/test_a.py", "def test_one", "\n\ndef test_one")
    assert ledger.check(tree) == []


def test_a_number_that_stands_twice_is_found(tree):
    change(tree / "spec/clauses/deck.md", "- **S02**", "- **S01**")
    assert "S01 stands twice in spec/clauses" in ledger.check(tree)


def test_a_number_that_stands_in_two_documents_is_found(tree):
    (tree / "spec/clauses/errata.md").write_text("- **S02** planned: Again.\n")
    assert "S02 stands twice in spec/clauses" in ledger.check(tree)


@pytest.mark.parametrize(
    "line",
    [
        "- **S2** done: x.",
        "- **X04** done: x.",
        "- **S04** finished: x.",
        "- S04 done: x.",
        "- **S04** done:",
        "- **S04** done: it breaks off",
        "-  **S04** done: x.",
        "  - **S04** done: x.",
        "* **S04** done: x.",
        "**S04** done: x.",
    ],
)
def test_a_malformed_line_is_found(tree, line):
    with (tree / "spec/clauses/deck.md").open("a") as file:
        file.write(line + "\n")
    assert [p for p in ledger.check(tree) if p.startswith("deck.md:8: not of the form") and p.endswith(line)]


def test_prose_between_the_clauses_is_free(tree):
    change(tree / "spec/clauses/deck.md", "# Deck\n", "# Deck\n\nA line of prose, with S99 - and a dash.\n\n## Part\n")
    assert ledger.check(tree) == []


# -- why ---------------------------------------------------------------------------------------------------


def test_why_shows_the_sentence_the_code_and_the_tests(tree):
    assert ledger.why("S01", tree).splitlines() == [
        "S01  done  (deck §1)", "  One.", "",
        "code", '  refflow/a.py:1  """Does it [S01]."""', "",
        "tests", "  tests/test_a.py::test_one",
    ]  # fmt: skip


def test_why_shows_the_parts_of_a_clause(tree):
    assert "\n  S03.1  done  Part.\n" in ledger.why("S03", tree)
    assert ledger.why("S02", tree).endswith("code\n  none\n\ntests\n  none")


def test_why_is_short_where_many_places_carry_a_number(tree):
    (tree / "refflow/b.py").write_text("".join(f"x = {i}  # [S02] {'long ' * 50}\n" for i in range(30)))
    text = ledger.why("S02", tree)
    assert "  refflow/b.py:20  x = 19  # [S02]" in text and "b.py:21" not in text and "\n  and 10 more\n" in text
    assert max(len(line) for line in text.splitlines()) < 160


def test_why_finds_the_clauses_that_have_some_words(tree):
    assert ledger.why("part.", tree) == ledger.why("PART.", tree) == "S03.1  done  Part."
    with pytest.raises(ledger.UnknownClauseError, match="no clause is called 'part one'. They are listed"):
        ledger.why("part one", tree)


@pytest.mark.parametrize("wrong", ["S011", "s01", "S04", "S01.7"])
def test_why_suggests_near_numbers(tree, wrong):
    with pytest.raises(ledger.UnknownClauseError, match=rf"no clause is called '{wrong}'. Near it: .*S01") as caught:
        ledger.why(wrong, tree)
    assert isinstance(caught.value, LookupError)


def test_an_installed_package_answers_without_tests_and_ignores_those_of_others(tree, tmp_path_factory, monkeypatch):
    site = tmp_path_factory.mktemp("site-packages")
    shutil.copytree(tree / "refflow", site / "refflow")
    shutil.copytree(tree / "spec", site / "refflow/spec")
    (site / "tests").mkdir()
    (site / "tests/test_other.py").write_text("def test_foreign():  # [S01]\n    assert 1 < 2\n")
    monkeypatch.setattr(ledger, "package_dir", lambda: site / "refflow")
    assert ledger.spec_dir() == site / "refflow/spec"
    assert list(ledger.clauses()) == ["S01", "S02", "S03", "S03.1", "S50a"]
    text = ledger.why("S01")
    assert "refflow/a.py:1" in text and text.endswith("tests\n  (the tests are in the source tree)")
    assert ledger.why("S03.1").endswith("tests\n  refflow/a.py::cases")


# -- the command -------------------------------------------------------------------------------------------


def test_the_command_writes_the_trace_and_names_what_is_left(tree, monkeypatch, capsys):
    monkeypatch.setattr(ledger, "root_dir", lambda: tree)
    change(tree / "refflow/a.py", "Does it [S01]", "Does it [S01, S02]")
    change(tree / "tests/test_a.py", "[S01]", "[S01, S02]")
    assert ledger.main() == 0
    said = capsys.readouterr().out
    assert said == "5 clauses, nothing to mend\nplanned, though code and tests carry them: S02\n"
    assert ledger.check(tree) == []
    change(tree / "tests/test_a.py", "S01, ", "")
    assert ledger.main() == 1
    assert "S01 is done, but no test carries it" in capsys.readouterr().out
