"""Every op, bent at random, gives what TensorFlow's kernels give: see fuzz.py.

A difference here is a question, not yet a fault: kernels of TensorFlow that read memory they should not, or types that
it does not register, are left out by name.
"""

import re

import pytest

from tests.peers.fuzz import Fuzzer, ops_to_fuzz

pytest.importorskip("tensorflow", reason="the oracle is TensorFlow: pip install '.[peers]'")

# What need not agree: TensorFlow registers no kernel for the type, a library under it gives up, or its folding of
# constants does (an error that belongs to no node).
EXCUSED = re.compile(
    r"No OpKernel was registered|Signature mismatch|could not create a (primitive )?descriptor|Operation received an|"
    r"Error: Graph execution error:$"
)


@pytest.fixture(scope="module")
def fuzzer():
    made = Fuzzer()
    yield made
    made.close()


def faults(fuzzer, op, seed, calls):
    return [" | ".join(f) for f in fuzzer.run(op, seed, calls) if f.kind == "differs" and not EXCUSED.search(f.there)]


STRINGS = r"^(Substr|String.*|ReduceJoin|Unsorted.*Join|Regex.*|AsString|Unicode.*|Decode(Raw|PaddedRaw|CSV)|.*Base64)$"


@pytest.mark.peers
@pytest.mark.parametrize("op", ops_to_fuzz(STRINGS), ids=lambda op: op.name)
def test_string_ops_agree_on_bent_calls(fuzzer, op):
    assert faults(fuzzer, op, seed=0, calls=40) == []


@pytest.mark.deep
@pytest.mark.peers
def test_nearly_all_bent_calls_of_all_ops_agree(fuzzer):
    """Prints a report by op. What differs today is mostly what comes of infinities, and of sizes that fit nowhere."""
    found = {op.name: faults(fuzzer, op, seed=1, calls=100) for op in ops_to_fuzz()}
    for name, lines in found.items():
        print(*lines[:3], f"{name}: {len(lines)} of about 100", sep="\n")
    assert sum(map(len, found.values())) <= 0.05 * fuzzer.calls
