"""Sparse tensors with sparse tensors: the union of their places [W06].

    SparseAdd                                  where either has something
    SparseSparseMaximum, SparseSparseMinimum   against zero where one has nothing

`merged` walks along two sorted lists of places at once. Lists that are not sorted are walked in the same way, so that
equal places that do not meet stay apart, as TensorFlow leaves them.

Next: ops/sparse_dense.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import NUMBERS, REALS
from refflow.core.errors import ShapeError
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_checks import need_equal, need_rank, size_at
from refflow.core.shape_rules import ShapeContext
from refflow.ops.sparse import check_bounds, numbered, sparse_parts

_TWO = "a_indices: int64, a_values: T, a_shape: int64, b_indices: int64, b_values: T, b_shape: int64"
ADD = define_op("SparseAdd", f"{_TWO}, thresh: Treal -> sum_indices: int64, sum_values: T, sum_shape: int64",
                T=NUMBERS, Treal=REALS, accuracy="rounded", source=("W06",))  # fmt: skip
ADD_GRAD = define_op(
    "SparseAddGrad", "backprop_val_grad: T, a_indices: int64, b_indices: int64, sum_indices: int64 -> a_val_grad: T, "
    "b_val_grad: T", T=NUMBERS, source=("W30",),
)  # fmt: skip
MAXIMUM, MINIMUM = (
    define_op(f"SparseSparse{name}", f"{_TWO} -> output_indices: int64, output_values: T", T=types, source=("W06",))
    for name, types in (("Maximum", REALS), ("Minimum", NUMBERS))
)
ADD_GRAD.no_gradient()
for _op in (MAXIMUM, MINIMUM):
    _op.no_gradient_registered()



def merged(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Walking along two lists of numbers: which of `a` and which of `b` make each result, -1 for neither.

    >>> [m.tolist() for m in merged(np.array([1, 4]), np.array([0, 4, 5]))]
    [[-1, 0, 1, -1], [0, -1, 1, 2]]
    """
    if all((np.diff(n) > 0).all() for n in (a, b)):
        union = np.union1d(a, b)
        from_a, from_b = np.full(len(union), -1), np.full(len(union), -1)
        from_a[np.searchsorted(union, a)] = np.arange(len(a))
        from_b[np.searchsorted(union, b)] = np.arange(len(b))
        return from_a, from_b
    left, right, pairs = a.tolist(), b.tolist(), []
    i = j = 0
    while i < len(left) or j < len(right):
        take_a = j == len(right) or (i < len(left) and left[i] <= right[j])
        take_b = i == len(left) or (j < len(right) and right[j] <= left[i])
        pairs.append((i if take_a else -1, j if take_b else -1))
        i, j = i + take_a, j + take_b
    both = np.array(pairs, np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _united(a: tuple[Any, Any], b: tuple[Any, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The places of the union, both operands' values there, zero where one has none, and where that is so."""
    from_a, from_b = merged(*numbered(a[0], b[0]))
    places = np.where((from_a >= 0)[:, None], _picked(a[0], from_a), _picked(b[0], from_b))
    return places, _picked(a[1], from_a), _picked(b[1], from_b), (from_a < 0) | (from_b < 0)


def _picked(rows: np.ndarray, at: np.ndarray) -> np.ndarray:
    """rows[at], zero where `at` is -1."""
    return np.concatenate([rows, np.zeros((1, *rows.shape[1:]), rows.dtype)])[at]


def _same_ranks(a_shape: Any, b_shape: Any) -> None:
    if a_shape is not None and b_shape is not None and len(a_shape) != len(b_shape):
        shown = " and ".join(" ".join(str(int(d)) for d in dims) for dims in (a_shape, b_shape))
        raise ShapeError(f"Operands do not have the same ranks; got shapes: {shown}")


def _same_shapes(a_shape: np.ndarray, b_shape: np.ndarray) -> None:
    _same_ranks(a_shape, b_shape)
    for axis in np.flatnonzero(a_shape != b_shape)[:1]:
        raise ValueError(
            f"Operands' shapes do not match: got {int(a_shape[axis])} and {int(b_shape[axis])} for dimension {axis}"
        )


@ADD.kernel
def sparse_add_kernel(a_indices, a_values, a_shape, b_indices, b_values, b_shape, thresh):
    """Sums of two that are smaller in size than `thresh` are left out; what is alone stays."""
    _same_shapes(a_shape, b_shape)
    places, left, right, alone = _united((a_indices, a_values), (b_indices, b_values))
    total = left + right
    keep = alone | (np.abs(total) >= thresh)
    return places[keep], total[keep], np.array(a_shape, np.int64)


@ADD.shape
def _add_shape(context: ShapeContext) -> list[shapes.Shape]:
    rank = None
    for part, what, kind in (("indices", "Input indices should be matrices but received shapes: {0} and {1}", 2),
                             ("values", "Input values should be vectors but received shapes: {0} and {1}", 1),
                             ("shape", "Input shapes should be a vector but received shapes {0} and {1}", 1),
                             ):  # fmt: skip
        both = [context.dims(f"{side}_{part}") for side in "ab"]
        if any(d is not None and len(d) != kind for d in both):
            raise ShapeError(what.format(*(shapes.text(d) for d in both)))
    counts = [(size_at(context.dims(f"{s}_indices"), 0), size_at(context.dims(f"{s}_values"), 0)) for s in "ab"]
    if any(None not in c and c[0] != c[1] for c in counts):
        raise ShapeError(
            f"Expected {counts[0][0]} and {counts[1][0]} non-empty input values, got {counts[0][1]} and {counts[1][1]}"
        )
    for side in "ab":
        if side == "b":
            _same_ranks(context.ints("a_shape"), context.ints("b_shape"))
        columns, length = size_at(context.dims(f"{side}_indices"), 1), size_at(context.dims(f"{side}_shape"), 0)
        must = f"Second dimension of {side}_indices and length of {side}_shape must match"
        need_equal(columns, length, must + ", got {0} and {1}")
        rank = columns if rank is None else rank
    need_rank(context.dims("thresh"), 0, "The magnitude threshold must be a scalar: got shape {0}")
    return [(None, rank), (None,), (rank if rank is not None else size_at(context.dims("a_shape"), 0),)]


@ADD.gradient
def _add_gradient(op, _, dvalues, __):
    """Each value gets what arrived at its place in the sum."""
    a, b = op.inputs["a_indices"], op.inputs["b_indices"]
    back = ADD_GRAD(dvalues, a, b, op.outputs["sum_indices"])
    return None, back.a_val_grad, None, None, back.b_val_grad, None, None


@ADD_GRAD.kernel
def sparse_add_grad_kernel(backprop_val_grad, a_indices, b_indices, sum_indices):
    """Zero for a value whose sum was left out."""
    a, b, total = numbered(a_indices, b_indices, sum_indices)
    order = np.argsort(total, kind="stable")

    def back(numbers: np.ndarray) -> np.ndarray:
        at = np.searchsorted(total[order], numbers)
        here = at < len(total)
        here[here] = total[order][at[here]] == numbers[here]
        found = np.zeros(len(numbers), backprop_val_grad.dtype)
        found[here] = backprop_val_grad[order[at[here]]]
        return found

    return back(a), back(b)


@ADD_GRAD.shape
def _add_grad_shape(context: ShapeContext) -> list[shapes.Shape]:
    grad, a, b, total = (context.dims(arg.name) for arg in ADD_GRAD.inputs)
    if any(p is not None and len(p) != 2 for p in (a, b, total)):
        shown = " and ".join(shapes.text(p) for p in (a, b, total))
        raise ShapeError(f"Input indices should be matrices but received shapes: {shown}")
    need_rank(grad, 1, "Input backprop_val_grad should be a vector but received shape: {0}")
    ranks = [size_at(p, 1) for p in (a, b, total)]
    if None not in ranks and len(set(ranks)) > 1:
        raise ShapeError(
            f"The densified operands should have the same ndims; for A, B, sum got: {''.join(map(str, ranks))}"
        )
    need_equal(size_at(grad, 0), size_at(total, 0), "# elements of backprop_val_grad and # rows of sum_indices should "
               "match (#nnz of sum): got {0} and {1}")  # fmt: skip
    return [(size_at(a, 0),), (size_at(b, 0),)]


def _elementwise(op_def: OpDef, function: Callable[..., Any]) -> None:
    """Minimum and maximum, where one operand has nothing against zero."""

    @op_def.kernel
    def kernel(a_indices, a_values, a_shape, b_indices, b_values, b_shape):
        _same_shapes(a_shape, b_shape)
        check_bounds(a_indices, a_shape)
        check_bounds(b_indices, b_shape)
        places, left, right, _ = _united((a_indices, a_values), (b_indices, b_values))
        return places, function(left, right)

    @op_def.shape
    def rule(context: ShapeContext) -> list[shapes.Shape]:
        ranks = [sparse_parts(context, [f"{s}_{part}" for part in ("indices", "values", "shape")])[1] for s in "ab"]
        return [(None, ranks[1] if ranks[0] is None else ranks[0]), (None,)]


_elementwise(MAXIMUM, lambda a, b: np.where(a < b, b, a))
_elementwise(MINIMUM, lambda a, b: np.where(b < a, b, a))


_I, _D = np.array([[0, 1], [2, 0]]), np.array([3, 2])
_J = np.array([[1, 1], [2, 0]])
ADD.case("W06", "where either is", a_indices=_I, a_values=[5, 6], a_shape=_D, b_indices=_J, b_values=[1, -6],
         b_shape=_D, thresh=0.5, sum_indices=np.array([[0, 1], [1, 1]]), sum_values=[5, 1], sum_shape=_D)  # fmt: skip
ADD.case("W06", "one alone", a_indices=np.array([[0, 1]]), a_values=[5], a_shape=_D, b_indices=np.array([[1, 1]]),
         b_values=[3], b_shape=_D, thresh=0, sum_indices=np.array([[0, 1], [1, 1]]), sum_values=[5, 3],
         sum_shape=_D)  # fmt: skip
ADD.case("W06", "one shape", a_indices=_I, a_values=[5, 6], a_shape=_D, b_indices=_I, b_values=[5, 6],
         b_shape=np.array([3, 3]), thresh=0,
         error="Operands' shapes do not match: got 2 and 3 for dimension 1")  # fmt: skip
ADD_GRAD.case("W30", "by place", backprop_val_grad=[1, 2], a_indices=_I, b_indices=np.array([[1, 1]]),
              sum_indices=np.array([[0, 1], [1, 1]]), a_val_grad=[1, 0], b_val_grad=[2])  # fmt: skip
MAXIMUM.case("W06", "against zero where one is alone", a_indices=_I, a_values=[-5, 6], a_shape=_D, b_indices=_J,
             b_values=[3, 7], b_shape=_D, output_indices=np.array([[0, 1], [1, 1], [2, 0]]),
             output_values=[0, 3, 7])  # fmt: skip
MINIMUM.case("W06", "against zero where one is alone", a_indices=_I, a_values=[-5, 6], a_shape=_D, b_indices=_J,
             b_values=[3, 7], b_shape=_D, output_indices=np.array([[0, 1], [1, 1], [2, 0]]),
             output_values=[-5, 0, 6])  # fmt: skip
