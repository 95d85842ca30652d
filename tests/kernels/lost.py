"""What a lost card costs a run of the tests for it: the test that lost it, and no other.

An address out of range takes the card from a process for good, and all tests behind it would fail for that. With
`pytest -m gpu -n 1` the process ends then, and another goes on behind that test; without -n the run ends, and says so.
What failed is told at once, for a run that is cut short has no summary.
"""

import os
import sys

import pytest


@pytest.fixture(autouse=True)
def _card_is_still_there(request):
    yield
    torch = sys.modules.get("torch")
    if request.node.get_closest_marker("gpu") is None or torch is None or not torch.cuda.is_initialized():
        return
    try:
        torch.cuda.synchronize()
    except RuntimeError as error:
        if "PYTEST_XDIST_WORKER" in os.environ:
            os._exit(3)
        pytest.exit(f"{request.node.nodeid} has lost the card: {error}", returncode=3)


def pytest_runtest_logreport(report):
    if report.failed and "gpu" in report.keywords and "PYTEST_XDIST_WORKER" not in os.environ:
        crash = getattr(report.longrepr, "reprcrash", None)
        text = crash.message if crash is not None else str(report.longrepr)
        sys.__stdout__.write(f"\n{report.nodeid} {report.when}: {' '.join(text.split())[:300]}\n")
        sys.__stdout__.flush()
