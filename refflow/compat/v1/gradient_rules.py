"""Slopes that graphs of 1.x have where the first release had others.

    Max, Min       ties share dy evenly; the first release gave it to each of them whole                      [W76]
    Prod, Cumprod  dx = dy * the product of the others, which also holds where x is 0; there it was NaN       [W76]
    Sqrt, Rsqrt    nothing where dy is 0, so that `where(x > 0, sqrt(x), 0)` has a slope at 0
    Tile           also of no copies at all, whose sum is 0
    SoftmaxCrossEntropyWithLogits    also flows back to the labels, which were data
    Acosh          dx = dy / sinh(y), NaN outside of the function's domain
    Floor, Ceil, TruncateDiv    no way back, where Floor's slope was zeros and the others had no rule

`Graph.gradient_rules` says which set a graph goes by.

Next: compat/v1/gradients.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from refflow.core.dtypes import int32
from refflow.core.graph import Operation, Tensor
from refflow.core.registry import op_def
from refflow.ops.arithmetic import DIV_NO_NAN, FLOOR_MOD, RSQRT_GRAD, SQRT_GRAD
from refflow.ops.array import expand_dims, rank, reshape, shape, size
from refflow.ops.broadcast import unbroadcast
from refflow.ops.cast import cast
from refflow.ops.cumulative import CUMPROD, CUMSUM, from_the_other_end
from refflow.ops.gather import gather
from refflow.ops.holomorphic import for_complex
from refflow.ops.joining import concat, pack
from refflow.ops.log_softmax import LOG_SOFTMAX
from refflow.ops.logic import EQUAL
from refflow.ops.range import range_
from refflow.ops.reductions import reduce_prod, reduce_sum, reduced_ones
from refflow.ops.segments import SEGMENT, prod_slope
from refflow.ops.softmax_xent import XENT
from refflow.ops.transpose import INVERT_PERMUTATION, transpose
from refflow.ops.unique import listdiff

Rule = Callable[..., Any]


def _extreme(op: Operation, dy: Tensor) -> Any:
    """Each element equal to the extreme gets its part of the gradient."""
    x, axes = op.inputs
    kept = reduced_ones(shape(x), axes)
    here = cast(EQUAL(x, reshape(op.outputs[0], kept)), dy.dtype)
    number = reshape(reduce_sum(here, axes), kept)
    return here / number * reshape(dy, kept), None


def _product(op: Operation, dy: Tensor) -> Any:
    """dx = dy * (the product of what is before) * (the product of what is behind), along the reduced axes as one."""
    x, axes = op.inputs
    axes = FLOOR_MOD(reshape(cast(axes, int32), [-1]), rank(x))
    order = concat(0, [axes, listdiff(range_(0, rank(x)), axes)[0]])
    turned = transpose(x, order)
    number = reduce_prod(gather(shape(x), axes))
    rows = reshape(turned, pack([number, size(op.outputs[0])]))
    before, behind = (CUMPROD(rows, 0, exclusive=True, reverse=reverse) for reverse in (False, True))
    others = transpose(reshape(before * behind, shape(turned)), INVERT_PERMUTATION(order))
    return reshape(dy, reduced_ones(shape(x), op.inputs[1])) * others, None


def _running_product(op: Operation, dy: Tensor) -> Any:
    """dx = the running sum from the other end of y * dy, over x; 0 where x is."""
    x, axis = op.inputs
    return DIV_NO_NAN(CUMSUM(op.outputs[0] * dy, axis, **from_the_other_end(op)), x), None


def _copies(op: Operation, dy: Tensor) -> Any:
    """dx = the sum of dy over the copies, of which there may be none."""
    x, multiples = op.inputs
    each = reshape(transpose(pack([cast(multiples, int32), shape(x)])), [-1])
    dx = reshape(reduce_sum(reshape(dy, each), range_(0, size(each), 2)), shape(x))
    axes = multiples.get_shape().as_list()[0] if multiples.get_shape().ndims else None
    dx.set_shape(None if axes is None else [None] * axes)
    return dx, None


def _root(op: Operation, dy: Tensor) -> Any:
    return SQRT_GRAD(op.outputs[0], dy)


def _inverse_root(op: Operation, dy: Tensor) -> Any:
    return RSQRT_GRAD(op.outputs[0], dy)


def _segment_product(op: Operation, dy: Tensor) -> Any:
    """As of unsorted segments."""
    ids = op.inputs[1]
    total, product = SEGMENT["Sum"], SEGMENT["Prod"]
    return prod_slope(op, dy, lambda x: total(x, ids), lambda x: product(x, ids), lambda x: gather(x, ids)), None


def _inverse_cosh(op: Operation, dy: Tensor) -> Any:
    return dy / op_def("Sinh")(op.outputs[0])


def _cross_entropy(op: Operation, dloss: Tensor, dbackprop: Tensor) -> Any:
    """Also dlabels[n, c] = -dloss[n] * log p[n, c]."""
    scores, targets = op.inputs
    dfeatures, _ = XENT.gradient_function(op, dloss, dbackprop)  # type: ignore[misc]
    dlabels = -expand_dims(dloss, -1) * LOG_SOFTMAX(scores)
    return dfeatures, unbroadcast([scores, targets], dlabels, dlabels)[1]


RULES: dict[str, Rule | None] = {
    "Max": _extreme, "Min": _extreme, "Prod": for_complex(_product), "Cumprod": for_complex(_running_product),
    "SegmentProd": _segment_product, "Sqrt": _root, "Rsqrt": _inverse_root, "Acosh": for_complex(_inverse_cosh),
    "Tile": _copies, "SoftmaxCrossEntropyWithLogits": _cross_entropy,
    "Floor": None, "Ceil": None, "TruncateDiv": None,
}  # fmt: skip
