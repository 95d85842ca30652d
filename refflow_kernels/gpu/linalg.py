"""Triangular factors of matrices, equations in them, and the slopes of factors [W06, W30].

    Cholesky                 lower L with L L^T = A; NaN where A is not positive
    MatrixTriangularSolve    X with A X = B, one block of rows after the other from the corner
    CholeskyGrad             dA = (Z + Z^T) / 2,   Z = L^-T P L^-1,   P = the lower half of L^T dL, its diagonal halved

Matrices are cut into blocks of 32 rows and columns. A launch of `_panel` makes a column of L's blocks: each program
takes what earlier columns give off its own block and off the diagonal's, and eliminates both, so that no program waits
for another. `_solve` walks through the blocks of rows, for some columns of B; what it wrote it reads again.

    bytes: L's blocks once for each column behind them        operations: n^3 / 3 multiply-adds, n^2 m of a solver

Products are in float32, not TF32. Only the triangle that counts is read.

Next: refflow_kernels/gpu/matmul_boxes.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import triton
import triton.language as tl

from refflow_kernels.gpu.arrays import ceil_div, check_out, check_packed, unit
from refflow_kernels.kernel import Kernel

BLOCK = 32


@triton.jit
def _block(y, rows, columns, n, real):
    """Elements [rows, columns] of a matrix where they are real, and 0 elsewhere."""
    return tl.load(y + rows.to(tl.int64)[:, None] * n + columns[None, :], mask=real, other=0.0)


@triton.jit
def _inside(rows, columns, n):
    return (rows < n)[:, None] & (columns < n)[None, :]


@triton.jit(do_not_specialize=["column"])
def _panel(x, y, column, groups, UNIT: tl.constexpr, BLOCK: tl.constexpr):
    """Block [column + i, column] of L, for program i of a matrix."""
    n = groups * UNIT
    x += tl.program_id(0).to(tl.int64) * n * n
    y += tl.program_id(0).to(tl.int64) * n * n
    lane = tl.arange(0, BLOCK)
    across, own = column * BLOCK + lane, (column + tl.program_id(1)) * BLOCK + lane
    r, c = lane[:, None], lane[None, :]
    lower = _inside(own, across, n) & (own[:, None] >= across[None, :])
    block = _block(x, own, across, n, lower)
    far, near = tl.maximum(across[:, None], across[None, :]), tl.minimum(across[:, None], across[None, :])
    corner = tl.load(x + far.to(tl.int64) * n + near, mask=far < n, other=0.0)
    corner = tl.where(far < n, corner, tl.where(r == c, 1.0, 0.0))  # behind the end another matrix has its factor
    for before in range(column):
        k = before * BLOCK + lane
        above = tl.trans(_block(y, across, k, n, _inside(across, k, n)))
        corner -= tl.dot(tl.trans(above), above, input_precision="ieee")
        block -= tl.dot(_block(y, own, k, n, _inside(own, k, n)), above, input_precision="ieee")
    for k in range(tl.minimum(n - column * BLOCK, BLOCK)):
        pivot = tl.sum(tl.sum(tl.where((r == k) & (c == k), corner, 0.0), axis=1), axis=0)
        root = tl.sqrt_rn(tl.where(pivot > 0, pivot, float("nan")))
        line = tl.sum(tl.where(r == k, corner, 0.0), axis=0) / root  # the corner is its own mirror image
        down = tl.sum(tl.where(c == k, corner, 0.0), axis=1) / root
        mine = tl.sum(tl.where(c == k, block, 0.0), axis=1) / root
        corner = tl.where((r > k) & (c > k), corner - down[:, None] * line[None, :], corner)
        block = tl.where(c == k, mine[:, None], tl.where(c > k, block - mine[:, None] * line[None, :], block))
    tl.store(y + own.to(tl.int64)[:, None] * n + across[None, :], block, mask=lower)


@triton.jit
def _finish(y, groups, UNIT: tl.constexpr, BLOCK: tl.constexpr):
    """Zeros above the diagonal; NaN below it where there is no factor, which the last element tells."""
    n, b = groups * UNIT, tl.program_id(0).to(tl.int64)
    last = tl.load(y + (b * n + n) * n - 1)
    y += b * n * n
    rows = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    columns = tl.program_id(2) * BLOCK + tl.arange(0, BLOCK)
    upper = rows[:, None] < columns[None, :]
    value = tl.where(upper, 0.0, tl.where(last == last, 0.0, last))
    changed = _inside(rows, columns, n) & (upper | (value != 0))
    tl.store(y + rows.to(tl.int64)[:, None] * n + columns[None, :], value, mask=changed)


def cholesky(input: Any, out: Any = None) -> Any:
    """Lower factors of matrices [..., n, n], of which the lower triangles are read."""
    *lead, n, _ = input.shape
    check_packed(input=input)
    check_out(out, tuple(input.shape))
    count, blocks = prod(lead), ceil_div(n, BLOCK)
    if count * n == 0:
        return out
    step = unit(n)
    common = {"UNIT": step, "BLOCK": BLOCK, "num_warps": 4, "enable_fp_fusion": True}
    for column in range(blocks):
        _panel[count, blocks - column](input, out, column, n // step, **common)
    _finish[count, blocks, blocks](out, n // step, **common)
    return out


# -- equations -----------------------------------------------------------------------------------------------------


@triton.jit
def _triangle(a, rows, columns, n, LOWER: tl.constexpr, ADJOINT: tl.constexpr):
    """Elements of a lower triangle: of A, its mirror image, or either walked from the last row and column."""
    inside = _inside(rows, columns, n)
    real = inside & (rows[:, None] >= columns[None, :])
    if LOWER == ADJOINT:
        rows, columns = n - 1 - rows, n - 1 - columns
    if ADJOINT:
        at = columns.to(tl.int64)[None, :] * n + rows[:, None]
    else:
        at = rows.to(tl.int64)[:, None] * n + columns[None, :]
    ones = tl.where(rows[:, None] == columns[None, :], 1.0, 0.0)  # behind the end X is B
    return tl.where(inside, tl.load(a + at, mask=real, other=0.0), ones)


@triton.jit
def _solve(
    a, b, x, n_groups, m_groups, a_step, b_step, b_row, b_column,
    N_UNIT: tl.constexpr, M_UNIT: tl.constexpr, LOWER: tl.constexpr, ADJOINT: tl.constexpr,
    BLOCK: tl.constexpr, BLOCK_M: tl.constexpr,
):  # fmt: skip
    """Some columns of X. a_step, b_step: from one matrix to the next; b_row, b_column: from one element to the next."""
    n, m, matrix = n_groups * N_UNIT, m_groups * M_UNIT, tl.program_id(0).to(tl.int64)
    a, b, x = a + matrix * a_step, b + matrix * b_step, x + matrix * n * m
    lane, j = tl.arange(0, BLOCK), tl.program_id(1) * BLOCK_M + tl.arange(0, BLOCK_M)
    r, c = lane[:, None], lane[None, :]
    for start in range(0, n, BLOCK):
        rows = start + lane
        real = (rows < n)[:, None] & (j < m)[None, :]
        place = n - 1 - rows if LOWER == ADJOINT else rows
        left = tl.load(
            b + place.to(tl.int64)[:, None] * b_row + j.to(tl.int64)[None, :] * b_column, mask=real, other=0.0
        )
        for before in range(0, start, BLOCK):
            k = before + lane
            there = n - 1 - k if LOWER == ADJOINT else k
            known = tl.load(x + there.to(tl.int64)[:, None] * m + j[None, :], mask=(j < m)[None, :], other=0.0)
            left -= tl.dot(_triangle(a, rows, k, n, LOWER, ADJOINT), known, input_precision="ieee")
        own = _triangle(a, rows, rows, n, LOWER, ADJOINT)
        for k in range(tl.minimum(n - start, BLOCK)):
            pivot = tl.sum(tl.sum(tl.where((r == k) & (c == k), own, 0.0), axis=1), axis=0)
            line = tl.sum(tl.where(r == k, left, 0.0), axis=0) / pivot
            below = tl.sum(tl.where(c == k, own, 0.0), axis=1)
            after = tl.where(r > k, left - below[:, None] * line[None, :], left)
            left = tl.where(r == k, line[None, :], after)
        tl.store(x + place.to(tl.int64)[:, None] * m + j[None, :], left, mask=real)
        tl.debug_barrier()  # other threads read what these wrote


def matrix_triangular_solve(
    matrix: Any, rhs: Any, lower: bool = True, adjoint: bool = False, out: Any = None
) -> Any:  # fmt: skip
    """X with A X = B, or A^T X = B. A zero on the diagonal divides."""
    n, m = rhs.shape[-2:]
    batch = tuple(out.shape[:-2])
    check_packed(matrix=matrix, rhs=rhs)
    check_out(out, (*batch, n, m))
    if prod(out.shape):
        _each(matrix, rhs, out, lower, adjoint)
    return out


def _each(a: Any, b: Any, x: Any, lower: bool, adjoint: bool) -> None:
    """One launch where all matrices have their own, or all the same; else one for each of a first axis."""
    n, m = x.shape[-2:]
    batch = tuple(x.shape[:-2])
    first, second = ((1,) * (len(x.shape) - len(y.shape)) + tuple(y.shape[:-2]) for y in (a, b))
    if all(lead == batch or prod(lead) == 1 for lead in (first, second)):
        steps = [0 if prod(lead) == 1 else size for lead, size in ((first, n * n), (second, n * m))]
        _launch(a, b, x, prod(batch), steps, (m, 1), lower, adjoint)
        return
    for i in range(batch[0]):
        of_a, of_b = (y[i if y.shape[0] > 1 else 0] if len(y.shape) == len(x.shape) else y for y in (a, b))
        _each(of_a, of_b, x[i], lower, adjoint)


def _launch(
    a: Any, b: Any, x: Any, count: int, steps: Sequence[int], inner: tuple[int, int], lower: bool, adjoint: bool
) -> None:
    n, m = x.shape[-2:]
    _solve[count, ceil_div(m, BLOCK)](
        a, b, x, n // unit(n), m // unit(m), *steps, *inner, N_UNIT=unit(n), M_UNIT=unit(m), LOWER=lower,
        ADJOINT=adjoint, BLOCK=BLOCK, BLOCK_M=BLOCK, num_warps=4, num_stages=1, enable_fp_fusion=True,
    )  # fmt: skip


# -- slopes of factors ---------------------------------------------------------------------------------------------


@triton.jit
def _lower_half(factor, slope, y, groups, UNIT: tl.constexpr, BLOCK: tl.constexpr):
    """A block of L^T dL without what is above the diagonal, and half of that itself."""
    n = groups * UNIT
    matrix = tl.program_id(0).to(tl.int64) * n * n
    lane = tl.arange(0, BLOCK)
    rows, columns = tl.program_id(1) * BLOCK + lane, tl.program_id(2) * BLOCK + lane
    total = tl.zeros((BLOCK, BLOCK), tl.float32)
    for start in range(tl.program_id(1) * BLOCK, n, BLOCK):
        k = start + lane
        left = _block(factor + matrix, k, rows, n, _inside(k, rows, n) & (k[:, None] >= rows[None, :]))
        right = _block(slope + matrix, k, columns, n, _inside(k, columns, n) & (k[:, None] >= columns[None, :]))
        total = tl.dot(tl.trans(left), right, total, input_precision="ieee")
    below, on = rows[:, None] > columns[None, :], rows[:, None] == columns[None, :]
    found = tl.where(below, total, tl.where(on, total * 0.5, 0.0))
    tl.store(y + matrix + rows.to(tl.int64)[:, None] * n + columns[None, :], found, mask=_inside(rows, columns, n))


@triton.jit
def _mean(z, y, groups, UNIT: tl.constexpr, BLOCK: tl.constexpr):
    """Half of a matrix and its mirror image."""
    n = groups * UNIT
    matrix = tl.program_id(0).to(tl.int64) * n * n
    rows = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    columns = tl.program_id(2) * BLOCK + tl.arange(0, BLOCK)
    real = _inside(rows, columns, n)
    mirrored = tl.trans(_block(z + matrix, columns, rows, n, _inside(columns, rows, n)))
    found = (_block(z + matrix, rows, columns, n, real) + mirrored) * 0.5
    tl.store(y + matrix + rows.to(tl.int64)[:, None] * n + columns[None, :], found, mask=real)


def cholesky_grad(l: Any, grad: Any, out: Any = None, workspace: Any = None) -> Any:  # noqa: E741  (the input's name)
    """dA of L and dL; dA is symmetric."""
    *lead, n, _ = l.shape
    check_packed(l=l, grad=grad)
    check_out(out, tuple(l.shape))
    count, size = prod(lead), prod(out.shape)
    if size == 0:
        return out
    check_out(workspace, (2 * size,), "workspace")
    first, second = (workspace[i * size : (i + 1) * size].reshape((count, n, n)) for i in range(2))
    step, blocks = unit(n), ceil_div(n, BLOCK)
    common = {"UNIT": step, "BLOCK": BLOCK, "num_warps": 4, "enable_fp_fusion": True}
    _lower_half[count, blocks, blocks](l, grad, first, n // step, **common)
    each = [n * n, n * n]
    _launch(l, first, first, count, each, (n, 1), True, True)  # L^-T P: columns alone, where they lie
    _launch(l, first, second, count, each, (1, n), True, True)  # L^-T (L^-T P)^T, which is Z^T
    _mean[count, blocks, blocks](second, out, n // step, **common)
    return out


def two_matrices(inputs: Any) -> tuple[tuple[int, ...], str] | None:
    """Room for two of each."""
    size = prod(inputs[0].shape)
    return ((2 * size,), "float32") if size else None


_FACTOR = Kernel(cholesky, ("float32",))
_SOLVER = Kernel(matrix_triangular_solve, ("float32",))
_SLOPES = Kernel(cholesky_grad, ("float32",), workspace=two_matrices)
KERNELS = {
    "Cholesky": _FACTOR, "BatchCholesky": _FACTOR, "MatrixTriangularSolve": _SOLVER,
    "BatchMatrixTriangularSolve": _SOLVER, "CholeskyGrad": _SLOPES, "BatchCholeskyGrad": _SLOPES,
}  # fmt: skip
