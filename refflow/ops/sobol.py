"""Sobol's sequence: points of the unit cube that fill it more evenly than random ones.

    x[n, d] = XOR of v[d, b] over the bits b that are set in n ^ (n >> 1), over 2**32

n counts from skip + 1, so that the origin is left out; n ^ (n >> 1) is Gray's code, of which neighbours differ by one
bit. The direction numbers v[d, b] = m[b] * 2**(31 - b) begin as in `sobol_numbers` and go on by the polynomial,

    m[i] = m[i - s] ^ XOR over k = 1..s of 2**k * a[k] * m[i - k]

Here are 1,024 dimensions; TensorFlow has 21,200.

Next: ops/random.py.
"""

from __future__ import annotations

from functools import cache
from itertools import islice

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import float32, float64
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops import sobol_numbers

BITS = 32
SOBOL = define_op(
    "SobolSample", "dim: int32, num_results: int32, skip: int32 -> samples: dtype",
    dtype=Attr("type", default=float32, allowed=(float32, float64)), accuracy="exact", source=("W73",),
)  # fmt: skip
SOBOL.no_gradient_registered()


@SOBOL.shape
def _shape(context: ShapeContext) -> shapes.Shape:
    for name in ("dim", "num_results", "skip"):
        if context.dims(name):
            raise ShapeError(f"{name} must be a scalar")
    dim, count, skip = (context.ints(name) for name in ("dim", "num_results", "skip"))
    if dim and dim[0] < 1:
        raise ShapeError("dim must be at least one")
    if dim and dim[0] > sobol_numbers.COUNT:
        raise ShapeError(f"dim must be at most {sobol_numbers.COUNT}, got {dim[0]}")
    if count and count[0] < 1:
        raise ShapeError("num_results must be at least one")
    if skip and skip[0] < 0:
        raise ShapeError("skip must be non-negative")
    if count and skip and count[0] + skip[0] >= 2**31 - 1:
        raise ShapeError(f"num_results+skip must be less than {2**31 - 1}")
    return (count[0] if count else None, dim[0] if dim else None)


@cache
def direction_numbers(dim: int) -> np.ndarray:
    """v [dim, 32] as whole numbers below 2**32."""
    found = np.empty((dim, BITS), np.uint32)
    found[0] = [1 << (BITS - 1 - b) for b in range(BITS)]
    for d, (polynomial, first) in enumerate(islice(sobol_numbers.directions(), dim - 1), 1):
        degree, m = len(first), list(first)
        for i in range(degree, BITS):
            new = m[i - degree]
            for k in range(1, degree + 1):
                if polynomial >> (degree - k) & 1:
                    new ^= m[i - k] << k
            m.append(new)
        found[d] = [number << (BITS - 1 - b) for b, number in enumerate(m)]
    return found


@SOBOL.kernel
def sobol_kernel(dim, num_results, skip, dtype=float32):
    directions = direction_numbers(int(dim))
    places = np.arange(int(num_results), dtype=np.int64) + int(skip) + 1
    gray = places ^ (places >> 1)
    points = np.zeros((len(gray), len(directions)), np.uint32)
    for b in range(int(gray.max()).bit_length()):
        points ^= np.where((gray >> b & 1)[:, None], directions[:, b], np.uint32(0))
    return (points / np.float64(2**BITS)).astype(dtype.as_numpy_dtype)


SOBOL.case("W06", "halves, then quarters", dim=2, num_results=3, skip=0,
           samples=[[0.5, 0.5], [0.75, 0.25], [0.25, 0.75]])  # fmt: skip
SOBOL.case("W06", "from further on", dim=3, num_results=1, skip=3, samples=[[0.375, 0.375, 0.625]])
SOBOL.case("W06", "some points", dim=1, num_results=0, skip=0, error="num_results must be at least one")
SOBOL.case("W06", "some dimensions", dim=0, num_results=1, skip=0, error="dim must be at least one")
SOBOL.case("W06", "none before the first", dim=1, num_results=1, skip=-1, error="skip must be non-negative")
