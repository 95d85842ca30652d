"""Sums by the names of axes: one or two tensors are multiplied, and summed over the names that the result lacks.

    "ij,jk->ik"      product[i, k] = sum_j a[i, j] * b[j, k]
    "ii->i"          a name twice in an operand: its diagonal; twice in the result: onto a diagonal of zeros
    "...ij->...ji"   an ellipsis stands for any axes more, which stretch as in broadcasting

Gradient: each operand's slope is the sum in which dy takes its place,

    dx = einsum("<result>,<other>-><x>", dy, conj(other))

Names that only x has were summed away: ones spread dy over them. Axes along which an ellipsis was stretched are summed.

Next: ops/linalg.py.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.errors import ShapeError
from refflow.core.graph import Tensor
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.core.values import as_value
from refflow.ops.array import fill, reshape, shape
from refflow.ops.broadcast import BROADCAST_GRADIENT_ARGS
from refflow.ops.complex import CONJ
from refflow.ops.joining import concat
from refflow.ops.range import range_
from refflow.ops.reductions import reduce_sum
from refflow.ops.slicing import slice_

Labels = list[Any]  # a character for each axis, and Ellipsis for any number of them

EINSUM = define_op("Einsum", "inputs: N * T -> output: T", equation=Attr("string"), N=Attr("int", minimum=1),
                   T=Attr("type"), accuracy="dot", source=("W06",))  # fmt: skip


def _labels(subscript: str) -> Labels:
    """The labels of one operand.

    >>> _labels("...ij")
    [Ellipsis, 'i', 'j']
    """
    periods = subscript.count(".")
    if periods and (periods != 3 or "..." not in subscript):
        raise ShapeError(
            f"Expected at most one ellipsis (...), but found {periods} periods (.) in the input subscript: {subscript}"
        )
    before, ellipsis, after = subscript.partition("...")
    return [*before, *([Ellipsis] if ellipsis else []), *after]


def parsed(equation: str, count: int) -> tuple[list[Labels], Labels]:
    """The labels of each operand and of the result."""
    sides = equation.split("->")
    if len(sides) != 2:
        raise ShapeError(f"Expecting exactly one '->' in einsum equation: {equation}")
    subscripts = sides[0].split(",")
    if len(subscripts) > 2:
        raise ShapeError(f"Expecting 1 or 2 input subscripts in equation '{equation}' but got: {len(subscripts)}")
    if len(subscripts) != count:
        raise ShapeError(f"Expected {len(subscripts)} inputs for equation {equation} but got: {count}")
    operands, result = [_labels(s) for s in subscripts], _labels(sides[1])
    for label in result:
        if label is not Ellipsis and not any(label in labels for labels in operands):
            raise ShapeError(
                f"Einsum output subscripts for equation '{equation}' has label '{label}' which is not present in the "
                "input subscripts"
            )
    return operands, result


def _bind(labels: Labels, dims: shapes.Dims, place: int, sizes: dict[Any, int | None]) -> shapes.Dims:
    """Notes the size of each label of one operand; returns the sizes that its ellipsis stands for."""
    named = len(labels) - (Ellipsis in labels)
    if len(dims) != named if Ellipsis not in labels else len(dims) < named:
        least = "at least " if Ellipsis in labels else ""
        raise ShapeError(f"Expected input {place} to have rank {least}{named} but got: {len(dims)}")
    at = labels.index(Ellipsis) if Ellipsis in labels else named
    stop = len(dims) - (named - at)
    named_axes = [*range(at), *range(stop, len(dims))]
    for label, axis in zip([x for x in labels if x is not Ellipsis], named_axes, strict=True):
        known = sizes.get(label)
        if None not in (known, dims[axis]) and known != dims[axis]:
            raise ShapeError(
                f"Expected dimension {known} at axis {axis} of the input shaped {shapes.text(dims)} but got dimension "
                f"{dims[axis]}"
            )
        sizes[label] = dims[axis] if known is None else known
    return dims[at:stop]


@EINSUM.shape
def _einsum_shape(context: ShapeContext) -> shapes.Shape:
    operands, result = parsed(context.attrs["equation"], context.attrs["N"])
    given = context.list_dims("inputs")
    sizes: dict[Any, int | None] = {}
    more: shapes.Shape = ()
    for place, (labels, dims) in enumerate(zip(operands, given, strict=True)):
        if dims is None:
            more = None if Ellipsis in labels else more
            continue
        stretched = _bind(labels, dims, place, sizes)
        try:
            more = shapes.broadcast(more, stretched)
        except ShapeError:
            both = " vs. ".join(shapes.text(d) for d in given)
            raise ShapeError(f"Invalid broadcasting dimensions: {both}") from None
    if more and Ellipsis not in result:
        raise ShapeError(
            f"Output contains {len(more)} broadcasting dimension(s) but no ellipsis (...) was found in the output "
            "subscripts."
        )
    if more is None and Ellipsis in result:
        return None
    found: list[int | None] = []
    for label in result:
        found += (more or ()) if label is Ellipsis else [sizes.get(label)]
    return tuple(found)


@EINSUM.work
def _einsum_work(inputs, outputs, attrs):
    """A sum over all names at once: their sizes, multiplied; the pairs' own order may need less [W19]."""
    operands, _ = parsed(attrs["equation"], attrs["N"])
    named = {label: d for labels, dims in zip(operands, inputs, strict=True) if Ellipsis not in labels
             for label, d in zip(labels, dims, strict=False)}  # fmt: skip
    return max(prod(named.values()), *(prod(dims) for dims in (*inputs, *outputs)))


@EINSUM.kernel
def einsum_kernel(inputs, equation):
    """NumPy's einsum over numbers for names, which has each name once in the result; repeats become diagonals here."""
    operands, result = parsed(equation, len(inputs))
    once = list(dict.fromkeys(result))
    names = list(dict.fromkeys(label for labels in operands for label in labels if label is not Ellipsis))

    def numbered(labels: Labels) -> Labels:
        return [label if label is Ellipsis else names.index(label) for label in labels]

    arguments: list[Any] = []
    for array, labels in zip(inputs, operands, strict=True):
        arguments += [array.astype(np.float32) if array.dtype == np.float16 else array, numbered(labels)]
    value = np.asarray(np.einsum(*arguments, numbered(once), optimize=len(inputs) > 1))
    if once == result:
        return value.astype(inputs[0].dtype, order="C", copy=False)
    return _onto_diagonals(value, once, result).astype(inputs[0].dtype, copy=False)


def _onto_diagonals(value: np.ndarray, once: Labels, result: Labels) -> np.ndarray:
    """Zeros with `value` where the axes of one name have one index."""
    stretched = value.ndim - len(once) + 1
    at = once.index(Ellipsis) if Ellipsis in once else len(once)
    sizes = {label: value.shape[i if i < at else i + stretched - 1] for i, label in enumerate(once)}
    dims: list[int] = []
    for label in result:
        dims += value.shape[at : at + stretched] if label is Ellipsis else [sizes[label]]
    whole = np.zeros(dims, value.dtype)
    numbers = {label: label if label is Ellipsis else i for i, label in enumerate(once)}
    np.einsum(whole, [numbers[x] for x in result], [numbers[x] for x in once])[...] = value
    return whole


def _text(labels: Labels) -> str:
    return "".join("..." if label is Ellipsis else label for label in labels)


def _part(x: Tensor, labels: Labels, label: Any) -> Tensor:
    """The sizes of x [1] along `label`, or those [K] that the ellipsis stands for."""
    sizes, place = shape(x), labels.index(label)
    after = len(labels) - place - 1
    if label is Ellipsis:
        return slice_(sizes, [place], shape(sizes) - (place + after))
    return slice_(sizes, shape(sizes) - (after + 1) if Ellipsis in labels[:place] else [place], [1])


def _unstretched(dx: Tensor, labels: Labels, x: Tensor, own: Labels, other: Tensor, its: Labels) -> Tensor:
    """dx summed over the axes along which the ellipsis of x was stretched to that of the other operand."""
    mine = _part(x, own, Ellipsis)
    over, _ = BROADCAST_GRADIENT_ARGS(mine, _part(other, its, Ellipsis))
    at = labels.index(Ellipsis)
    after = len(labels) - at - 1
    sizes = shape(dx)
    kept = concat(0, [slice_(sizes, [0], [at]), mine, slice_(sizes, shape(sizes) - after, [after])])
    return reshape(reduce_sum(dx, over + at), kept)


def _slope(x: Tensor, own: Labels, dy: Tensor, result: Labels, other: Tensor | None, its: Labels) -> Tensor:
    """dy in the place of x, beside the other operand."""
    if Ellipsis not in result:  # those of the operands stand for nothing
        own, its = ([label for label in labels if label is not Ellipsis] for labels in (own, its))
    there = [label for label in dict.fromkeys(own) if label in result or label in its]
    gone = [label for label in dict.fromkeys(own) if label not in there]
    whole = [Ellipsis, *there] if Ellipsis in result and Ellipsis not in own else there
    if other is None:
        dx = EINSUM([dy], equation=f"{_text(result)}->{_text(whole)}")
    else:
        conjugate = CONJ(other) if other.dtype.is_complex else other
        dx = EINSUM([dy, conjugate], equation=f"{_text(result)},{_text(its)}->{_text(whole)}")
    if whole != there:  # x was used again for all that the other one's ellipsis stands for
        dx = reduce_sum(dx, range_(0, reshape(shape(shape(dx)), []) - len(there)))
    elif other is not None and Ellipsis in own and Ellipsis in its:
        dx = _unstretched(dx, there, x, own, other, its)
    if gone:  # summed away
        ones = fill(concat(0, [_part(x, own, label) for label in gone]), as_value(1, x.dtype.base_dtype))
        return EINSUM([dx, ones], equation=f"{_text(there)},{_text(gone)}->{_text(own)}")
    return dx if there == own else EINSUM([dx], equation=f"{_text(there)}->{_text(own)}")


@EINSUM.gradient
def _einsum_gradient(op, dy):
    """For each operand the sum in which dy takes its place."""
    operands, result = parsed(op.attrs["equation"], len(op.inputs))
    inputs = list(op.inputs)
    if len(inputs) == 1:
        return [_slope(inputs[0], operands[0], dy, result, None, [])]
    (x, y), (own, its) = inputs, operands
    return [_slope(x, own, dy, result, y, its), _slope(y, its, dy, result, x, own)]


_A, _B = [[1, 2], [3, 4]], [[5, 6], [7, 8]]
EINSUM.case("W06", "a matrix product", inputs=[_A, _B], N=2, equation="ij,jk->ik", output=[[19, 22], [43, 50]])
EINSUM.case("W06", "transposed", inputs=[_A], N=1, equation="ij->ji", output=[[1, 3], [2, 4]])
EINSUM.case("W06", "a trace", inputs=[_A], N=1, equation="ii->", output=5)
EINSUM.case("W06", "a diagonal, and the other axis summed", inputs=[[_A, _B]], N=1, equation="iji->i", output=[4, 14])
EINSUM.case("W06", "onto a diagonal", inputs=[[1, 2]], N=1, equation="i->ii", output=[[1, 0], [0, 2]])
EINSUM.case("W06", "sums of each apart", inputs=[_A, [1, 10]], N=2, equation="ij,k->i", output=[33, 77])
EINSUM.case("W06", "batches stretch", inputs=[[_A], [_B, _A]], N=2, equation="...ij,...jk->...ik",
            output=[[[19, 22], [43, 50]], [[7, 10], [15, 22]]])  # fmt: skip
EINSUM.case("W06", "one matrix for all", inputs=[[_A, _B], _B], N=2, equation="...ij,jk->k...i",
            output=[[[19, 43], [67, 91]], [[22, 50], [78, 106]]])  # fmt: skip
EINSUM.case("W06", "diagonals and more axes", inputs=[[[_A, _B]], [1, 10]], N=2, equation="...ijj,i->...j",
            output=[[51, 84]])  # fmt: skip
EINSUM.case("W06", "a name has one size", inputs=[_A, [1, 2, 3]], N=2, equation="ij,j->i",
            error="Expected dimension 2 at axis 0 of the input shaped [3] but got dimension 3")  # fmt: skip
EINSUM.case("W06", "a name for each axis", inputs=[_A], N=1, equation="i->i",
            error="Expected input 0 to have rank 1 but got: 2")  # fmt: skip
EINSUM.case("W06", "an ellipsis is not summed", inputs=[_A], N=1, equation="...i->i",
            error="Output contains 1 broadcasting dimension(s) but no ellipsis")  # fmt: skip
EINSUM.case("W06", "new names mean nothing", inputs=[_A], N=1, equation="ij->ik",
            error="has label 'k' which is not present")  # fmt: skip
EINSUM.case("W06", "one arrow", inputs=[_A], N=1, equation="ij",
            error="Expecting exactly one '->' in einsum equation: ij")  # fmt: skip
