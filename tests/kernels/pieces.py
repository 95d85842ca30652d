"""What holds of fast kernels that work in pieces: the page's answers, wherever they lie, on any number of threads.

A test file makes the blocks and pieces of its kernels small, and then asks for these.
"""

import numpy as np

from refflow_kernels.cpu import KERNELS
from tests.kernels.samples import SAMPLES, assert_within, reference
from tests.kernels.test_threads import at


def agree_with_the_page(op_type, rng):
    """The answers of a kernel with one output lie in `out`, within their bounds of the page's."""
    for inputs, attrs, bounds in SAMPLES[op_type](rng, "float32"):
        wanted = reference(op_type, inputs, attrs)
        out = np.full_like(wanted[0], np.nan)
        assert KERNELS[op_type].function(*inputs, out=out, **attrs) is out
        assert_within([out], wanted, bounds, "float32")


def have_the_same_bits_on_any_number_of_threads(op_type, rng):
    for inputs, attrs, _ in SAMPLES[op_type](rng, "float32"):
        one, three = (at(count, lambda i=inputs, a=attrs: KERNELS[op_type].function(*i, **a)) for count in (1, 3))
        assert one.tobytes() == three.tobytes()
