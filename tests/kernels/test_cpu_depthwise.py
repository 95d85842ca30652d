"""What is special to depthwise convolution in NumPy: bands and runs of a few elements, in memory that is used again."""

import numpy as np
import pytest

from refflow_kernels.cpu import KERNELS, depthwise
from refflow_kernels.cpu.blocks import scratch
from tests.kernels.samples import SAMPLES, assert_within, reference
from tests.kernels.test_threads import at

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
    for inputs, attrs, bounds in SAMPLES[op_type](rng, "float32"):
        wanted = reference(op_type, inputs, attrs)
        out = np.full_like(wanted[0], np.nan)
        assert KERNELS[op_type].function(*inputs, out=out, **attrs) is out
        assert_within([out], wanted, bounds, "float32")


@pytest.mark.parametrize("op_type", OPS)
def test_bands_give_the_same_bits_on_any_number_of_threads(op_type, small, rng):
    for inputs, attrs, _ in SAMPLES[op_type](rng, "float32"):
        one, three = (at(count, lambda i=inputs, a=attrs: KERNELS[op_type].function(*i, **a)) for count in (1, 3))
        assert one.tobytes() == three.tobytes()
