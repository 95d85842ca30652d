"""What the kernels' tests need: Triton, and one thread of BLAS."""

import importlib.util
import os
import sys

import pytest

from tests.kernels.lost import _card_is_still_there, pytest_runtest_logreport  # noqa: F401  (pytest finds them here)


def pytest_ignore_collect(collection_path, config):
    """Files that need Triton are left out, visibly, where it is not installed."""
    if importlib.util.find_spec("triton") is None and collection_path.name in NEEDS_TRITON:
        print(f"{collection_path.name}: not run, triton is not installed", file=sys.stderr)
        return True
    return None


NEEDS_TRITON = (
    "test_convolutions.py",
    "test_products.py",
    "test_interpreted.py",
    "test_elementwise.py",
    "test_gpu_updates.py",
    "test_gpu_random.py",
    "test_chains.py",
    "test_mirrors.py",
    "test_epilogues.py",
    "test_reduced_chains.py",
    "test_everything_on_the_card.py",
    "test_ahead.py",
    "test_ahead_of_time.py",
    "test_gpu_device.py",
    "test_capture.py",
    "test_card_checks.py",
    "test_repeat.py",
    "test_on_gpu.py",
    "test_sessions_on_gpu.py",
    "test_lists_on_a_card.py",
    "test_branching_on_a_card.py",
    "test_programs_on_a_card.py",
    "test_same_answers.py",
    "test_strict.py",
)


@pytest.fixture(scope="session", autouse=True)
def _one_blas_thread():
    """As while a step runs: on busy cores BLAS waits for its own threads longer than it computes."""
    from refflow_kernels.cpu import threads

    with threads.one_blas_thread():
        yield


@pytest.fixture(scope="session")
def card():
    """torch, where it finds a card and kernels are not interpreted."""
    if os.environ.get("TRITON_INTERPRET") == "1":
        pytest.skip("kernels are interpreted in this run; pytest -m gpu runs them on a card")
    torch = pytest.importorskip("torch", reason="torch allocates the card's memory")
    if not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA card")
    return torch
