"""Sobol's sequence: points that fill the unit cube evenly.

    x[n] = x[n - 1] xor v[c],   c = the place of the lowest zero bit of n - 1

v are direction numbers, 32 bits each: those of the first coordinate halve, those of the others follow from a primitive
polynomial over two elements, of degree s with inner coefficients a, and s odd numbers to begin with:

    m[k] = 2 a[1] m[k-1] xor ... xor 2^(s-1) a[s-1] m[k-s+1] xor 2^s m[k-s] xor m[k-s]         v[k] = m[k] / 2^k

The point of all zeros is left out.

Next: ops/random.py.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import float32, float64
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr

SOBOL = define_op(
    "SobolSample", "dim: int32, num_results: int32, skip: int32 -> samples: dtype",
    dtype=Attr("type", default=float32, allowed=(float32, float64)), source=("W73",),
)  # fmt: skip
SOBOL.no_gradient_registered()
_BITS = 32

# For each coordinate from the second: degree, inner coefficients as bits, first numbers. By Joe and Kuo, 2008.
_POLYNOMIALS: tuple[tuple[int, int, tuple[int, ...]], ...] = (
    (1, 0, (1,)), (2, 1, (1, 3)), (3, 1, (1, 3, 1)), (3, 2, (1, 1, 1)), (4, 1, (1, 1, 3, 3)), (4, 4, (1, 3, 5, 13)),
    (5, 2, (1, 1, 5, 5, 17)), (5, 4, (1, 1, 5, 5, 5)), (5, 7, (1, 1, 7, 11, 19)), (5, 11, (1, 1, 5, 1, 1)),
    (5, 13, (1, 1, 1, 3, 11)), (5, 14, (1, 3, 5, 5, 31)), (6, 1, (1, 3, 3, 9, 7, 49)), (6, 13, (1, 1, 1, 15, 21, 21)),
    (6, 16, (1, 3, 1, 13, 27, 49)), (6, 19, (1, 1, 1, 15, 7, 5)), (6, 22, (1, 3, 1, 15, 13, 25)),
    (6, 25, (1, 1, 5, 5, 19, 61)), (7, 1, (1, 3, 7, 11, 23, 15, 103)), (7, 4, (1, 3, 7, 13, 13, 15, 69)),
)  # fmt: skip
MOST = len(_POLYNOMIALS) + 1


@cache
def _directions(coordinate: int) -> tuple[int, ...]:
    """The direction numbers of a coordinate, as 32-bit fractions."""
    if coordinate == 0:
        return tuple(1 << (_BITS - 1 - k) for k in range(_BITS))
    degree, inner, first = _POLYNOMIALS[coordinate - 1]
    m = list(first)
    for k in range(degree, _BITS):
        new = m[k - degree] ^ (m[k - degree] << degree)
        for i in range(1, degree):
            if inner >> (degree - 1 - i) & 1:
                new ^= m[k - i] << i
        m.append(new)
    return tuple(value << (_BITS - 1 - k) for k, value in enumerate(m[:_BITS]))


@SOBOL.kernel
def sobol_kernel(dim, num_results, skip, dtype):
    """Point n is the sum without carry of the directions in the Gray code of n: no point needs the one before."""
    count, first = int(num_results), int(skip) + 1
    number = np.arange(first, first + count, dtype=np.uint64)
    gray = number ^ (number >> np.uint64(1))
    points = np.zeros((count, int(dim)), np.uint64)
    for j in range(int(dim)):
        for k, direction in enumerate(_directions(j)):
            points[:, j] ^= ((gray >> np.uint64(k)) & np.uint64(1)) * np.uint64(direction)
    return (points.astype(dtype.as_numpy_dtype) / dtype.as_numpy_dtype(2.0**_BITS)).astype(dtype.as_numpy_dtype)


@SOBOL.shape
def _sobol_shape(context: ShapeContext) -> shapes.Shape:
    for name in ("dim", "num_results", "skip"):
        if context.dims(name):
            raise ShapeError(f"{name} must be a scalar")
    dim, count, skip = (context.ints(name) for name in ("dim", "num_results", "skip"))
    if dim is not None and dim[0] < 1:
        raise ShapeError("dim must be at least one")
    if dim is not None and dim[0] > MOST:
        raise ShapeError(f"dim must be at most {MOST}, as far as the table of polynomials goes")
    if count is not None and count[0] < 1:
        raise ShapeError("num_results must be at least one")
    if skip is not None and skip[0] < 0:
        raise ShapeError("skip must be non-negative")
    if count is not None and skip is not None and count[0] + skip[0] >= 2**31 - 1:
        raise ShapeError("num_results+skip must be less than 2147483647")
    return (None if count is None else count[0], None if dim is None else dim[0])


SOBOL.case("W73", "halves, then quarters", dim=2, num_results=3, skip=0,
           samples=[[0.5, 0.5], [0.75, 0.25], [0.25, 0.75]])  # fmt: skip
SOBOL.case("W73", "points may be passed over", dim=1, num_results=1, skip=2, samples=[[0.25]])
SOBOL.case("W73", "a point has coordinates", dim=0, num_results=1, skip=0, error="dim must be at least one")
