"""The programs of tutorials/models run to their end, where their asserts have held, and say what a reader wants first.

They run in this process, each in the graph that its test has to itself.
"""

import re
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
STATED = re.compile(r"^# Time: (\d+) s on the reference CPU\.$", re.MULTILINE)
PROGRAMS = sorted((ROOT / "tutorials" / "models").glob("*.py"))
QUICK = 4  # seconds; what takes longer runs with `-m deep`
INTERACTIVE = 600  # seconds: of the deck's classes the first, minutes [S59]


def seconds(path):
    """How long a program says that it takes."""
    (stated,) = STATED.findall(path.read_text(encoding="utf-8"))
    return int(stated)


SLOW = [path for path in PROGRAMS if seconds(path) > QUICK]
SAMPLED = [path for path in SLOW if "--quick" in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", [p for p in PROGRAMS if p not in SLOW], ids=lambda p: p.stem)
def test_a_program_runs(path):
    runpy.run_path(str(path), run_name="__main__")


@pytest.mark.parametrize("path", SAMPLED, ids=lambda p: p.stem)
def test_a_slow_program_learns_something_in_a_few_steps(path, monkeypatch):  # [S50c, S50g, S75, S78, S79]
    monkeypatch.setattr(sys, "argv", [str(path), "--quick"])
    runpy.run_path(str(path), run_name="__main__")


@pytest.mark.deep
@pytest.mark.parametrize("path", SLOW, ids=lambda p: p.stem)
def test_a_slow_program_runs(path, monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(path)])
    runpy.run_path(str(path), run_name="__main__")


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda p: p.stem)
def test_it_begins_with_its_model_and_its_time_and_ends_in_an_assert(path):
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# %% [markdown]\n# # ")
    assert 0 < seconds(path) < INTERACTIVE
    last = text[text.rindex("\n# %%") :]
    assert re.search(r"^\s*(assert |np\.testing\.assert)", last, re.MULTILINE)


def test_the_manual_lists_them():
    page = (ROOT / "docs" / "models.rst").read_text(encoding="utf-8")
    assert [p.stem for p in PROGRAMS if f"``{p.stem}``" not in page] == []
