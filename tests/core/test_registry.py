"""Pages that wait: they are found by the names of their op types, and are missed by nothing that is there before."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def said(code):
    """What a new Python prints that runs `code`: one in which no test has loaded a page."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    return done.stdout.split("\n")[:-1]


def test_an_op_type_is_found_by_its_name_before_its_page_is_loaded():
    code = """
import sys, refflow
from refflow.core.registry import op_def
print("refflow.ops.fft" in sys.modules, op_def("FFT").page)
"""
    assert said(code) == ["False refflow.ops.fft"]


def test_a_name_that_no_page_has_is_compared_with_the_names_on_all_of_them():
    code = """
import refflow
from refflow.core.registry import op_def
try:
    op_def("IFTT")
except refflow.GraphError as error:
    print(error)
"""
    assert said(code) == ["no op type is called 'IFTT'. Near it: IFFT, IRFFT, IFFTND. define_op() makes new ones"]


def test_all_op_types_are_those_of_all_pages():
    code = """
import refflow
from refflow.core.registry import registered_ops
first = registered_ops()
refflow.ops.load_all()
print(first == registered_ops(), "FFT" in {op_def.name for op_def in first})
"""
    assert said(code) == ["True True"]


def test_a_program_s_op_type_may_not_have_the_name_of_one_whose_page_waits():
    code = """
import refflow
try:
    refflow.define_op("FFT", "x: float32 -> y: float32")
except refflow.GraphError as error:
    print(error)
"""
    assert said(code) == ["op type FFT is defined already, as 'input: Tcomplex -> output: Tcomplex'"]


def test_pages_that_wait_change_nothing_of_what_is_there_before():
    """Else a program would find it changed, or not, by what was loaded before."""
    code = """
import refflow
from refflow.core import registry
def there(names):
    for name in names:
        op_def = registry.find_op_def(name)
        yield from ((name, key, str(value)) for key, value in vars(op_def).items())
    for kind in (refflow.Tensor, refflow.Variable, refflow.Graph, refflow.Operation):
        yield from ((kind.__name__, key, str(value)) for key, value in vars(kind).items())
names = list(registry._REGISTRY)
before = list(there(names))
refflow.ops.load_all()
after = list(there(names))
print(len(names) < len(registry._REGISTRY), set(before) ^ set(after))
"""
    assert said(code) == ["True set()"]
