"""Integers as rows of bits [W06].

Shifts by a negative number or by the width of the type and more are what TensorFlow makes of them: the width less one
is the most, and a negative shift is none.

Next: ops/math_functions.py.
"""

from __future__ import annotations

import numpy as np

from refflow.core.dtypes import int8, int16, int32, int64, uint8, uint16, uint32, uint64
from refflow.core.elementwise import define_broadcasting

WHOLE = (int8, int16, int32, int64, uint8, uint16, uint32, uint64)


def _shift(function):
    def shifted(x, y):
        """The shift is at least 0 and at most one less than there are bits."""
        most = np.asarray(x).dtype.type(np.asarray(x).dtype.itemsize * 8 - 1)
        return function(x, np.clip(y, 0, most))

    return shifted


BITWISE_AND = define_broadcasting("BitwiseAnd", "x y", np.bitwise_and, T=WHOLE, commutative=True, accuracy="exact")
BITWISE_OR = define_broadcasting("BitwiseOr", "x y", np.bitwise_or, T=WHOLE, commutative=True, accuracy="exact")
BITWISE_XOR = define_broadcasting("BitwiseXor", "x y", np.bitwise_xor, T=WHOLE, commutative=True, accuracy="exact")
LEFT_SHIFT = define_broadcasting("LeftShift", "x y", _shift(np.left_shift), T=WHOLE, accuracy="exact")
RIGHT_SHIFT = define_broadcasting("RightShift", "x y", _shift(np.right_shift), T=WHOLE, accuracy="exact")
INVERT = define_broadcasting("Invert", "x", np.invert, T=WHOLE, accuracy="exact")
POPULATION_COUNT = define_broadcasting("PopulationCount", "x", lambda x: x, result="uint8", T=WHOLE, accuracy="exact")


@POPULATION_COUNT.kernel
def population_count_kernel(x):
    """How many bits are set; of a negative number, those of its two's complement."""
    x = np.asarray(x)
    return np.bitwise_count(x.view(np.dtype(f"u{x.dtype.itemsize}"))).astype(np.uint8)


for _op in (BITWISE_AND, BITWISE_OR, BITWISE_XOR, LEFT_SHIFT, RIGHT_SHIFT, INVERT, POPULATION_COUNT):
    _op.no_gradient()
BITWISE_AND.case("W06", "bits that both have", T="int32", x=[12, -1], y=[10, 7], z=[8, 7])
BITWISE_OR.case("W06", "bits that one has", T="int32", x=[12, 1], y=[10, 2], z=[14, 3])
BITWISE_XOR.case("W06", "bits that differ", T="int32", x=[12, 1], y=[10, 1], z=[6, 0])
LEFT_SHIFT.case("W06", "times powers of two", T="int32", x=[1, 3], y=[4, 1], z=[16, 6])
RIGHT_SHIFT.case("W06", "the sign stays", T="int32", x=[-16, 16], y=[2, 2], z=[-4, 4])
INVERT.case("W06", "every bit turns", T="int32", x=[0, 5], y=[-1, -6])
POPULATION_COUNT.case("W06", "bits that are set", T="int32", x=[7, -1, 0], y=[3, 32, 0])
