"""The pages name the page to read next, and those names lead along the reading path."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [p for f in ("refflow", "refflow_kernels") for p in sorted((ROOT / f).rglob("*.py")) if p.name != "__init__.py"]
PATH = """
core/graph.py core/opdef.py ops/matmul.py ops/softmax_xent.py ops/variable.py core/gradients.py train/optimizer.py
runtime/session.py runtime/executor.py runtime/place.py runtime/partition.py runtime/rendezvous.py runtime/plan.py
refflow_kernels/cpu/matmul.py
""".split()  # noqa: SIM905  (a list to read)


def following(path):
    """The page that this one names as the next, or None."""
    found = re.search(r"\bNext: ([\w/]+\.(?:py|md|rst))", path.read_text(encoding="utf-8").split('"""')[1])
    return found and found[1]


def located(name):
    return next((ROOT / base / name for base in ("", "refflow") if (ROOT / base / name).is_file()), None)


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_the_next_page_is_there(path):
    assert following(path) is None or located(following(path)) is not None


@pytest.mark.parametrize(("here", "there"), list(pairwise(PATH)), ids=PATH[1:])
def test_the_path_leads_from_page_to_page(here, there):
    assert following(located(here)) == there
