"""The order of the axes: Transpose, ConjugateTranspose, and the permutation that takes it back [W06].

Next: ops/broadcast.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import INDICES, int32
from refflow.core.errors import ShapeError
from refflow.core.graph import Tensor
from refflow.core.opdef import define_op
from refflow.core.shape_checks import need_rank
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.array import ANY, INDEX, rank

TRANSPOSE = define_op("Transpose", "x: T, perm: Tperm[R] -> y: T", T=ANY, Tperm=INDEX, source=("W06",))
TRANSPOSE.moves("x")
CONJUGATE_TRANSPOSE = define_op("ConjugateTranspose", "x: T, perm: Tperm[R] -> y: T", T=ANY, Tperm=INDEX,
                                source=("W06",))  # fmt: skip


@TRANSPOSE.kernel
def transpose_kernel(x, perm):
    return np.array(np.transpose(x, [int(p) for p in perm]), copy=True, order="C")


@CONJUGATE_TRANSPOSE.kernel
def conjugate_transpose_kernel(x, perm):
    return np.conj(transpose_kernel(x, perm)) if np.iscomplexobj(x) else transpose_kernel(x, perm)


@CONJUGATE_TRANSPOSE.shape
@TRANSPOSE.shape
def _transpose_shape(context: ShapeContext) -> shapes.Shape:
    dims, perm, given = context.dims("x"), context.ints("perm"), context.dims("perm")
    need_rank(given, 1, "perm must be rank 1, got shape {0}")
    rank = given[0] if given is not None and dims is None else None if dims is None else len(dims)
    if given is not None and given[0] not in (None, rank):
        raise ShapeError(f"transpose expects a vector of size {rank}. But input(1) is a vector of size {given[0]}")
    if perm is None or dims is None:
        return None if rank is None else (None,) * rank
    return tuple(dims[p] for p in _places(perm))


def _places(perm: list[int]) -> list[int]:
    """A permutation with its negative places counted from the end."""
    rank = len(perm)
    for p in perm:
        if not -rank <= p < rank:
            raise ShapeError(f"{p if p >= 0 else p + rank} is out of range [0 .. {rank})")
    found = [p % rank for p in perm]
    for i in range(rank):
        if i not in found:
            raise ShapeError(f"{i} is missing from {{{','.join(map(str, found))}}}.")
    return found


INVERT_PERMUTATION = define_op("InvertPermutation", "x: T[N] -> y: T[N]",
                               T=Attr("type", default=int32, allowed=INDICES), source=("W06",))  # fmt: skip
INVERT_PERMUTATION.no_gradient()


@INVERT_PERMUTATION.shape
def _invert_permutation_shape(context: ShapeContext) -> shapes.Shape:
    dims = context.dims("x")
    need_rank(dims, 1, "invert_permutation expects a 1D vector.")
    return (None,) if dims is None else dims


@INVERT_PERMUTATION.kernel
def invert_permutation_kernel(x):
    found = np.full_like(x, -1)
    inside = not len(x) or (x.min() >= 0 and x.max() < len(x))
    if inside:
        found[x] = np.arange(len(x))
    if not inside or (found < 0).any():
        _say_what_is_wrong(x.tolist())
    return found


def _say_what_is_wrong(x: list[int]) -> None:
    """ValueError for the first number that makes x no permutation."""
    seen: set[int] = set()
    for place in x:
        if not 0 <= place < len(x):
            raise ValueError(f"{place} is not between 0 and {len(x)}: x = {x} is no permutation")
        if place in seen:
            raise ValueError(f"{place} is duplicated in the input. x = {x} is no permutation")
        seen.add(place)


@CONJUGATE_TRANSPOSE.gradient
def _conjugate_transpose_gradient(op, dy):
    """The axes go back to where they came from, mirrored again."""
    return CONJUGATE_TRANSPOSE(dy, INVERT_PERMUTATION(op.inputs[1])), None


@TRANSPOSE.gradient
def _transpose_gradient(op, dy):
    """The axes go back to where they came from."""
    return transpose(dy, INVERT_PERMUTATION(op.inputs[1])), None


TRANSPOSE.case("W06", "rows become columns", x=[[1, 2, 3], [4, 5, 6]], perm=[1, 0], y=[[1, 4], [2, 5], [3, 6]])
TRANSPOSE.case("W06", "each axis once", x=[[1, 2]], perm=[0, 0], error="1 is missing from {0,0}.")
CONJUGATE_TRANSPOSE.case("W06", "rows become columns", x=[[1, 2, 3], [4, 5, 6]], perm=[1, 0],
                         y=[[1, 4], [2, 5], [3, 6]])  # fmt: skip
INVERT_PERMUTATION.case("W06", "each place once", x=[0, 0], error="0 is duplicated in the input")
INVERT_PERMUTATION.case("W06", "where each went", x=[2, 0, 1], y=[1, 2, 0])


def transpose(a: Any, perm: Any = None, name: str = "transpose") -> Tensor:
    """`a`, of any type, with its axes in the order `perm`: axis i of the result is axis perm[i] of `a`.

    Without perm the axes are reversed. ShapeError where perm is no permutation of them.
    """
    a = convert_to_tensor(a, name="a")
    if perm is None:
        from refflow.ops.range import range_

        if a.dims is not None:
            perm = np.arange(len(a.dims), dtype=np.int32)[::-1]
        else:
            perm = (rank(a) - 1) - range_(0, rank(a))
    return TRANSPOSE(a, perm, name=name)
