"""Diagonals and bands of batches of matrices: taken out, put in, kept [W06].

Element [y, x] of a matrix is on diagonal k = x - y, of which it is number min(x, y). A band from `low` to `high` lies
as rows of one length, the highest diagonal first; a shorter one stands at the left or the right of its row:

    band[high - k, min(x, y) + shift(k)]        shift(k) = longest - length(k) at the right, else 0

    MatrixDiag      zeros or a padding, with a band put in
    MatrixSetDiag   another matrix, with a band put in
    MatrixDiagPart  the band; where a row has no element, a padding
    MatrixBandPart  the matrix, and zeros beside the band

A lane makes one element of the result, so that nothing is written twice.

    bytes: a matrix written, and one read where there is one; the band        operations: those of the places

Next: refflow_kernels/gpu/spaces.py.
"""

from __future__ import annotations

from math import prod
from typing import Any

import triton
import triton.language as tl

from refflow_kernels.gpu.arrays import ceil_div, check_out, check_packed
from refflow_kernels.gpu.copies import ANY
from refflow_kernels.kernel import Kernel

BLOCK = 1024
_NUMBERS = ["R", "C", "low", "high", "longest"]  # compiled once for all of them


@triton.jit
def _place(R, C, WIDE: tl.constexpr, BLOCK: tl.constexpr):
    """Elements of matrices [R, C]: where they lie, which matrix they are of, and their row and column."""
    start = tl.program_id(0)
    if WIDE:
        start = start.to(tl.int64)
    i = start * BLOCK + tl.arange(0, BLOCK)
    above = i // C
    n = above // R
    return i, n, above - n * R, i - above * C


@triton.jit
def _shift(k, R, C, longest, ABOVE: tl.constexpr, BELOW: tl.constexpr):
    """Where in its row diagonal k begins. ABOVE, BELOW: 1 where those from 0 up, or below it, stand at the right."""
    room = longest - tl.minimum(R + tl.minimum(k, 0), C - tl.maximum(k, 0))
    return tl.where(k >= 0, room * ABOVE, room * BELOW)


@triton.jit(do_not_specialize=_NUMBERS)
def _put(
    x_at, band_at, y_at, size, R, C, low, high, longest, ABOVE: tl.constexpr, BELOW: tl.constexpr,
    BESIDE: tl.constexpr, WIDE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """BESIDE: what stands beside the band: "zero", "one" number, or the "same" place of x."""
    i, n, y, x = _place(R, C, WIDE, BLOCK)
    k, real = x - y, i < size
    inside = real & (k >= low) & (k <= high)
    if BESIDE == "zero":
        beside = tl.zeros((BLOCK,), y_at.dtype.element_ty)
    elif BESIDE == "one":
        beside = tl.load(x_at)
    else:
        beside = tl.load(x_at + i, mask=real, other=0)
    place = (n * (high - low + 1) + high - k) * longest + tl.minimum(x, y) + _shift(k, R, C, longest, ABOVE, BELOW)
    band = tl.load(band_at + place, mask=inside, other=0)
    tl.store(y_at + i, tl.where(inside, band, beside), mask=real)


@triton.jit(do_not_specialize=_NUMBERS)
def _take(
    x_at, padding_at, y_at, size, R, C, low, high, longest, ABOVE: tl.constexpr, BELOW: tl.constexpr,
    PADDED: tl.constexpr, WIDE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    i, n, j, column = _place(high - low + 1, longest, WIDE, BLOCK)
    k = high - j
    at = column - _shift(k, R, C, longest, ABOVE, BELOW)
    y, x = at - tl.minimum(k, 0), at + tl.maximum(k, 0)
    there = (i < size) & (at >= 0) & (y < R) & (x < C)
    found = tl.load(x_at + (n * R + y) * C + x, mask=there, other=0)
    if PADDED:
        found = tl.where(there, found, tl.load(padding_at))
    tl.store(y_at + i, found, mask=i < size)


@triton.jit(do_not_specialize=_NUMBERS)
def _keep(x_at, y_at, size, R, C, low, high, WIDE: tl.constexpr, BLOCK: tl.constexpr):
    i, _, y, x = _place(R, C, WIDE, BLOCK)
    real = i < size
    value = tl.load(x_at + i, mask=real, other=0)
    inside = (x - y >= low) & (x - y <= high)
    tl.store(y_at + i, tl.where(inside, value, tl.zeros((BLOCK,), y_at.dtype.element_ty)), mask=real)


# -- the ops ---------------------------------------------------------------------------------------------------------


def _band_of(k: Any) -> tuple[int, int]:
    """The lowest and the highest diagonal of one number, or of two."""
    values = k.reshape(-1).tolist()
    return int(values[0]), int(values[-1])


def _longest(low: int, high: int, rows: int, columns: int) -> int:
    """The length of a band's longest diagonal.

    >>> _longest(0, 0, 3, 5), _longest(-2, -1, 3, 5), _longest(1, 4, 3, 5)
    (3, 2, 3)
    """
    return min(rows + min(high, 0), columns - max(low, 0))


def _run(kernel: Any, memory: Any, matrix: Any, low: int, high: int, align: str, **flags: Any) -> None:
    """Over all elements of the last array of `memory`. matrix: its shape is that of the matrices."""
    rows, columns = matrix.shape[-2:]
    size = prod(memory[-1].shape)
    if size:
        above, below = align.split("_")
        wide = max(prod(a.shape) for a in memory) + BLOCK >= 1 << 31  # a band may be twice as large as its matrices
        kernel[(ceil_div(size, BLOCK),)](
            *memory, size, rows, columns, low, high, _longest(low, high, rows, columns), ABOVE=int(above == "RIGHT"),
            BELOW=int(below == "RIGHT"), WIDE=wide, BLOCK=BLOCK, num_warps=4, **flags, enable_fp_fusion=True,
        )  # fmt: skip


def _inserted(x: Any, diagonal: Any, low: int, high: int, align: str, beside: str, out: Any) -> Any:
    check_packed(diagonal=diagonal)
    check_out(out, tuple(out.shape))
    rows, columns = out.shape[-2:]
    needed = prod(out.shape[:-2]) * (high - low + 1) * _longest(low, high, rows, columns)
    if low > high or prod(diagonal.shape) != needed:
        raise ValueError(
            f"the diagonals have shape {list(diagonal.shape)}, which is no band from {low} to {high} of matrices "
            f"{list(out.shape)}: that has {needed} elements. Check k, and the numbers of rows and columns"
        )
    _run(_put, (x, diagonal, out), out, low, high, align, BESIDE=beside)
    return out


def matrix_diag(diagonal: Any, out: Any = None) -> Any:
    """Zeros with a main diagonal."""
    return _inserted(diagonal, diagonal, 0, 0, "LEFT_LEFT", "zero", out)


def matrix_diag_v3(
    diagonal: Any, k: Any, num_rows: Any, num_cols: Any, padding_value: Any, align: str = "LEFT_LEFT", out: Any = None
) -> Any:  # fmt: skip
    """One number everywhere, with a band; how many rows and columns there are is in the result's shape."""
    return _inserted(padding_value, diagonal, *_band_of(k), align, "one", out)


def matrix_set_diag(input: Any, diagonal: Any, out: Any = None) -> Any:
    """input with another main diagonal."""
    check_packed(input=input)
    return _inserted(input, diagonal, 0, 0, "LEFT_LEFT", "same", out)


def matrix_set_diag_v3(input: Any, diagonal: Any, k: Any, align: str = "LEFT_LEFT", out: Any = None) -> Any:
    """input with another band."""
    check_packed(input=input)
    return _inserted(input, diagonal, *_band_of(k), align, "same", out)


def matrix_diag_part(input: Any, out: Any = None) -> Any:
    """The main diagonal."""
    return _taken(input, input, 0, 0, "LEFT_LEFT", False, out)


def matrix_diag_part_v3(input: Any, k: Any, padding_value: Any, align: str = "LEFT_LEFT", out: Any = None) -> Any:
    """A band."""
    return _taken(input, padding_value, *_band_of(k), align, True, out)


def _taken(x: Any, padding: Any, low: int, high: int, align: str, padded: bool, out: Any) -> Any:
    check_packed(input=x)
    check_out(out, tuple(out.shape))
    _run(_take, (x, padding, out), x, low, high, align, PADDED=padded)
    return out


def matrix_band_part(input: Any, num_lower: Any, num_upper: Any, out: Any = None) -> Any:
    """All but a band set to 0; of a side where the number is negative everything stays."""
    check_packed(input=input)
    check_out(out, tuple(input.shape))
    rows, columns = input.shape[-2:]
    lower, upper = int(num_lower), int(num_upper)
    for name, number, most, of in (("num_lower", lower, rows, "rows"), ("num_upper", upper, columns, "columns")):
        if number > most:
            raise ValueError(f"{name} must be negative or less or equal to number of {of} ({most}) got: {number}")
    size = prod(out.shape)
    if size:
        _keep[(ceil_div(size, BLOCK),)](
            input, out, size, rows, columns, -rows if lower < 0 else -lower, columns if upper < 0 else upper,
            WIDE=size + BLOCK >= 1 << 31, BLOCK=BLOCK, num_warps=4, enable_fp_fusion=True,
        )  # fmt: skip
    return out


KERNELS = {
    "MatrixDiag": Kernel(matrix_diag, ANY),
    "MatrixDiagPart": Kernel(matrix_diag_part, ANY),
    "MatrixSetDiag": Kernel(matrix_set_diag, ANY),
    "MatrixBandPart": Kernel(matrix_band_part, ANY, (1, 2)),
} | {
    f"{op}V{version}": Kernel(function, ANY, on_host)
    for version in (2, 3)
    for op, function, on_host in (
        ("MatrixDiag", matrix_diag_v3, (1, 2, 3)),
        ("MatrixDiagPart", matrix_diag_part_v3, (1,)),
        ("MatrixSetDiag", matrix_set_diag_v3, (2,)),
    )
}
