"""Many matrix products at once: batches whose leading axes broadcast [S16, W06].

    product[..., m, n] = sum over k of x[..., m, k] y[..., k, n]

Leading axes along which both operands go on alike are one; up to two are left to one launch of matmul's kernel, each
further one to a launch for each of its places. Where all matrices of x meet one y, their rows are those of one tall
matrix.

    bytes: x, y and the product        operations: 2 MNK for each product, three times that in tf32x3

Next: refflow_kernels/gpu/einsum.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

from refflow_kernels.gpu.arrays import check_out, check_packed, packed_strides
from refflow_kernels.gpu.epilogues import NONE, Epilogue
from refflow_kernels.gpu.matmul import FLOATS, Matrices, check_precision, matmul, room_of, run, sizes_of, workspace_of
from refflow_kernels.kernel import Kernel


class _Axis(NamedTuple):
    """An axis of the batch: its size, and the steps of the two operands along it, counted in matrices."""

    size: int
    x: int
    y: int


_ONE = _Axis(1, 0, 0)


def batch_axes(x: Sequence[int], y: Sequence[int]) -> tuple[list[_Axis], tuple[int, ...]]:
    """The batch's axes, those merged along which both operands go on alike; and the shape of the batch.

    >>> batch_axes([2, 3], [2, 3])
    ([_Axis(size=6, x=1, y=1)], (2, 3))
    >>> batch_axes([2, 1], [3])
    ([_Axis(size=2, x=1, y=0), _Axis(size=3, x=0, y=1)], (2, 3))
    """
    rank = max(len(x), len(y))
    wide = [[1] * (rank - len(sizes)) + list(sizes) for sizes in (x, y)]
    found: list[_Axis] = []
    for n, m, step_x, step_y in zip(*wide, *map(packed_strides, wide), strict=True):
        if n != m and 1 not in (n, m):
            raise ValueError(f"x has batches {list(x)}, and y {list(y)}: these do not broadcast")
        axis = _Axis(m if n == 1 else n, step_x if n > 1 else 0, step_y if m > 1 else 0)
        if found and found[-1].x == axis.size * axis.x and found[-1].y == axis.size * axis.y:
            axis = _Axis(found.pop().size * axis.size, axis.x, axis.y)
        if axis.size != 1:
            found.append(axis)
    return found, tuple(m if n == 1 else n for n, m in zip(*wide, strict=True))


def _is_one_matrix(axes: Sequence[_Axis], adj_x: bool) -> bool:
    """True where all matrices of x meet the same y: their rows are those of one tall matrix."""
    return not adj_x and all(a.y == 0 and a.x != 0 for a in axes)


def batch_matmul_workspace(
    inputs: Any, adj_x: bool = False, adj_y: bool = False, precision: str = "tf32x3"
) -> tuple[tuple[int, ...], str] | None:
    """Shape and type of the partial products [pieces, batch, batch, M, N], or None where K is not cut."""
    M, N, K = sizes_of(inputs[0], inputs[1], adj_x, adj_y)
    axes, batch = batch_axes(inputs[0].shape[:-2], inputs[1].shape[:-2])
    if _is_one_matrix(axes, adj_x):
        tall = prod(batch) * M
        return room_of((tall, K), inputs[1].shape[-2:], (tall, N, K), precision)
    *_, first, second = _ONE, _ONE, *axes
    return workspace_of((M, N, K), (first.size, second.size))


def batch_matmul(
    x: Any, y: Any, adj_x: bool = False, adj_y: bool = False, out: Any = None, workspace: Any = None,
    precision: str = "tf32x3", epilogue: Epilogue = NONE,
) -> Any:  # fmt: skip
    """x [..., M, K] times y [..., K, N] for each place of the leading axes, which broadcast.

    adj_x, adj_y: take the transpose of each matrix first. epilogue: for what is one launch.
    """
    check_precision(precision)
    check_packed(x=x, y=y)
    M, N, K = sizes_of(x, y, adj_x, adj_y)
    axes, batch = batch_axes(x.shape[:-2], y.shape[:-2])
    check_out(out, (*batch, M, N))
    if 0 in out.shape:
        return out
    xs, ys, outs = (a.reshape((prod(a.shape[:-2]), *a.shape[-2:])) for a in (x, y, out))
    if _is_one_matrix(axes, adj_x):
        rows, (tall, whole) = prod(batch) * M, ys.shape[1:]
        left, right, place = x.reshape((rows, K)), y.reshape((tall, whole)), out.reshape((rows, N))
        matmul(left, right, False, adj_y, place, workspace, precision, epilogue)
        return out
    *far, first, second = _ONE, _ONE, *axes
    for number, place in enumerate(itertools.product(*(range(a.size) for a in far))):  # each a launch
        left = xs[sum(i * a.x for i, a in zip(place, far, strict=True)) :]
        right = ys[sum(i * a.y for i, a in zip(place, far, strict=True)) :]
        a = Matrices(left, (first.x * M * K, second.x * M * K, *x.stride()[-2:]))
        b = Matrices(right, (first.y * K * N, second.y * K * N, *y.stride()[-2:]))
        a, b = a.turned() if adj_x else a, b.turned() if adj_y else b
        target = outs[number * first.size * second.size :]
        run(a, b, target, (first.size, second.size), (M, N, K), workspace, precision, epilogue=epilogue)
    return out


def _is_one_launch(inputs: Any, adj_x: bool = False, adj_y: bool = False, Tout: Any = None) -> bool:
    return len(batch_axes(inputs[0].shape[:-2], inputs[1].shape[:-2])[0]) <= 2


def batch_matmul_v3(x: Any, y: Any, Tout: Any, **given: Any) -> Any:
    """As batch_matmul; the operands have the result's type already."""
    return batch_matmul(x, y, **given)


def batch_matmul_v3_workspace(inputs: Any, Tout: Any, **given: Any) -> tuple[tuple[int, ...], str] | None:
    return batch_matmul_workspace(inputs, **given)


def _is_of_one_type(attrs: dict[str, Any]) -> bool:
    return attrs["Ta"] == attrs["Tb"] == attrs["Tout"]


KERNELS = {
    "BatchMatMul": Kernel(batch_matmul, FLOATS, workspace=batch_matmul_workspace, joins=_is_one_launch),
    "BatchMatMulV2": Kernel(batch_matmul, FLOATS, workspace=batch_matmul_workspace, joins=_is_one_launch),
    "BatchMatMulV3": Kernel(
        batch_matmul_v3, FLOATS, workspace=batch_matmul_v3_workspace, type_attr="Tout", takes=_is_of_one_type,
        joins=_is_one_launch,
    ),
}
