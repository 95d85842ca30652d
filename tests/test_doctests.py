"""The examples in the docstrings are true."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = [
    ".".join(p.relative_to(ROOT).with_suffix("").parts)
    for folder in ("refflow", "refflow_kernels/cpu")
    for p in sorted((ROOT / folder).rglob("*.py"))
    if p.name not in ("__init__.py", "gpu.py") and ">>>" in p.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", MODULES)
def test_a_docstring_s_example_holds(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0 and result.failed == 0
