"""What is special to depthwise convolution in NumPy: bands and runs of a few elements, in memory that is used again."""

import numpy as np
import pytest

from refflow_kernels.cpu import KERNELS, depthwise
from refflow_kernels.cpu.blocks import scratch
from tests.kernels import pieces

OPS = [op_type for op_type in KERNELS if op_type.startswith("Depthwise")]


@pytest.fixture(params=[1, 60, 400])
def small(request, monkeypatch):
    """Bands of one line of windows, of a few, and of whole images; pieces of some bands, runs of a few columns."""
    monkeypatch.setattr(depthwise, "_BLOCK", request.param)
    monkeypatch.setattr(depthwise, "_PIECE", 300)
    monkeypatch.setattr(depthwise, "_RUN", 7)


@pytest.fixture
def littered(monkeypatch):
    """Memory in which others left what is no number."""

    def memory(kind):
        found = scratch(kind)
        found[...] = np.nan
        return found

    monkeypatch.setattr(depthwise, "scratch", memory)


@pytest.mark.parametrize("op_type", OPS)
def test_small_bands_agree_with_the_page_wherever_they_lie(op_type, small, littered, rng):  # [W74]
    pieces.agree_with_the_page(op_type, rng)


@pytest.mark.parametrize("op_type", OPS)
def test_bands_give_the_same_bits_on_any_number_of_threads(op_type, small, rng):
    pieces.have_the_same_bits_on_any_number_of_threads(op_type, rng)
