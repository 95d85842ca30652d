"""Arithmetic as TensorFlow 1.x spells it: `multiply` for `mul`, reductions with `axis` and `keepdims`.

    first release                               1.x
    mul, sub, neg, select                       multiply, subtract, negative, where
    reduce_sum(x, reduction_indices, keep_dims) reduce_sum(x, axis, keepdims)
    argmax(x, dimension)                        argmax(x, axis)

`/` between whole numbers is Python 3's in graphs of 1.x: 7 / 2 is 3.5.

Next: compat/v1/nn.py.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from refflow.compat.v1.arrays import _axis
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import as_dtype, int32, int64
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.ops import reductions
from refflow.ops.array import expand_dims, reshape
from refflow.ops.cast import cast
from refflow.ops.constant import constant
from refflow.ops.elementwise import EXP, LOG
from refflow.ops.joining import concat, pack
from refflow.ops.math_functions import quotient_type, to_double, to_float, to_int32, to_int64
from refflow.ops.transpose import transpose

__all__ = [
    "acos",
    "angle",
    "argmax",
    "argmin",
    "asin",
    "atan",
    "confusion_matrix",
    "cumprod",
    "cumsum",
    "digamma",
    "divide",
    "erf",
    "erfc",
    "expm1",
    "floor_div",
    "floormod",
    "lgamma",
    "log1p",
    "log_sigmoid",
    "matmul",
    "mod",
    "multiply",
    "negative",
    "realdiv",
    "reciprocal",
    "reduce_all",
    "reduce_any",
    "reduce_logsumexp",
    "reduce_max",
    "reduce_mean",
    "reduce_min",
    "reduce_prod",
    "reduce_sum",
    "rint",
    "squared_difference",
    "subtract",
    "tan",
    "tensordot",
    "to_double",
    "to_float",
    "to_int32",
    "to_int64",
]  # fmt: skip

# -- elementwise -------------------------------------------------------------------------------------------------


def _of_one(called: str, op: str, meaning: str) -> Callable[..., Tensor]:
    def function(x: Any, name: str | None = None) -> Tensor:
        return op_def(op)(x, name=name)

    return _introduced(function, called, meaning)


def _of_two(called: str, op: str, meaning: str) -> Callable[..., Tensor]:
    def function(x: Any, y: Any, name: str | None = None) -> Tensor:
        return op_def(op)(x, y, name=name)

    return _introduced(function, called, meaning)


def _introduced(function: Any, called: str, meaning: str) -> Any:
    function.__name__ = function.__qualname__ = called
    function.__doc__ = f"{meaning}, elementwise."
    return function


multiply = _of_two("multiply", "Mul", "x * y")
subtract = _of_two("subtract", "Sub", "x - y")
negative = _of_one("negative", "Neg", "-x")
reciprocal = _of_one("reciprocal", "Reciprocal", "1 / x")
squared_difference = _of_two("squared_difference", "SquaredDifference", "(x - y) squared")
floor_div = _of_two("floor_div", "FloorDiv", "x // y, rounded down")
floormod = mod = _of_two("floormod", "FloorMod", "The remainder of x // y, with the sign of y")
realdiv = _of_two("realdiv", "RealDiv", "x / y")
tan = _of_one("tan", "Tan", "The tangent of x")
asin = _of_one("asin", "Asin", "The angle whose sine is x")
acos = _of_one("acos", "Acos", "The angle whose cosine is x")
atan = _of_one("atan", "Atan", "The angle whose tangent is x")
erf = _of_one("erf", "Erf", "The error function")
erfc = _of_one("erfc", "Erfc", "1 less the error function")
expm1 = _of_one("expm1", "Expm1", "exp(x) - 1, exact near 0")
log1p = _of_one("log1p", "Log1p", "log(1 + x), exact near 0")
lgamma = _of_one("lgamma", "Lgamma", "The logarithm of |Gamma(x)|")
digamma = _of_one("digamma", "Digamma", "The slope of lgamma")
rint = _of_one("rint", "Rint", "The nearest whole number, the even one of two")


def divide(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x / y as Python 3 has it, elementwise."""
    x = convert_to_tensor(x)
    return op_def("RealDiv")(*(cast(v, quotient_type(v.dtype)) if v.dtype.is_integer else v
                               for v in (x, convert_to_tensor(y, x.dtype))), name=name)  # fmt: skip


def log_sigmoid(x: Any, name: str | None = None) -> Tensor:
    """log(sigmoid(x)), finite far below 0, elementwise."""
    return negative(op_def("Softplus")(negative(x)), name=name)


def angle(input: Any, name: str | None = None) -> Tensor:
    """The angle of each number: of real ones 0, or pi below zero."""
    z = convert_to_tensor(input)
    if not z.dtype.is_complex:
        half_turn, zeros = convert_to_tensor(np.pi, z.dtype.base_dtype), op_def("ZerosLike")(z)
        return op_def("SelectV2")(op_def("Less")(z, 0), half_turn, zeros, name=name)
    kind = "float64" if z.dtype.base_dtype.name == "complex128" else "float32"
    return op_def("Angle")(z, Tout=as_dtype(kind), name=name)


# -- reductions --------------------------------------------------------------------------------------------------


def _reduction(called: str, base: Callable[..., Tensor], meaning: str) -> Callable[..., Tensor]:
    def function(
        input_tensor: Any, axis: Any = None, keepdims: bool | None = None, name: str | None = None,
        reduction_indices: Any = None, keep_dims: bool | None = None,
    ) -> Tensor:  # fmt: skip
        axis, keep = _axis(axis, reduction_indices), bool(_axis(keepdims, keep_dims, False))
        found = base(input_tensor, axis, keep, name=name)
        if axis is None and not keep:
            found.set_shape([])
        return found

    function.__name__ = function.__qualname__ = called
    function.__doc__ = f"{meaning} over `axis`, or over everything; `keepdims` leaves axes of size 1 behind."
    return function


reduce_sum = _reduction("reduce_sum", reductions.reduce_sum, "The sum")
reduce_mean = _reduction("reduce_mean", reductions.reduce_mean, "The mean")
reduce_max = _reduction("reduce_max", reductions.reduce_max, "The largest")
reduce_min = _reduction("reduce_min", reductions.reduce_min, "The smallest")
reduce_prod = _reduction("reduce_prod", reductions.reduce_prod, "The product")
reduce_all = _reduction("reduce_all", reductions.reduce_all, "Whether all are true,")
reduce_any = _reduction("reduce_any", reductions.reduce_any, "Whether any is true,")


def reduce_logsumexp(
    input_tensor: Any, axis: Any = None, keepdims: bool | None = None, name: str | None = None,
    reduction_indices: Any = None, keep_dims: bool | None = None,
) -> Tensor:  # fmt: skip
    """log(sum(exp(x))) over `axis`, finite where exp(x) is not."""
    axis, keep = _axis(axis, reduction_indices), bool(_axis(keepdims, keep_dims, False))
    with op_scope([], name, "ReduceLogSumExp"):
        x = convert_to_tensor(input_tensor)
        top = op_def("StopGradient")(reductions.reduce_max(x, axis, True))
        top = op_def("Select")(op_def("IsFinite")(top), top, op_def("ZerosLike")(top))
        total = LOG(reductions.reduce_sum(EXP(x - top), axis, keep))
        return total + (top if keep else reshape(top, op_def("Shape")(total)))


def argmax(
    input: Any, axis: Any = None, name: str | None = None, dimension: Any = None, output_type: Any = int64
) -> Tensor:
    """The place of the largest along `axis`, the first by default."""
    return op_def("ArgMax")(input, _axis(axis, dimension, 0), output_type=as_dtype(output_type), name=name)


def argmin(
    input: Any, axis: Any = None, name: str | None = None, dimension: Any = None, output_type: Any = int64
) -> Tensor:
    """The place of the smallest along `axis`, the first by default."""
    return op_def("ArgMin")(input, _axis(axis, dimension, 0), output_type=as_dtype(output_type), name=name)


def cumsum(x: Any, axis: Any = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None) -> Tensor:
    """Running sums along `axis`."""
    return op_def("Cumsum")(x, axis, exclusive=exclusive, reverse=reverse, name=name)


def cumprod(x: Any, axis: Any = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None) -> Tensor:
    """Running products along `axis`."""
    return op_def("Cumprod")(x, axis, exclusive=exclusive, reverse=reverse, name=name)


# -- products ----------------------------------------------------------------------------------------------------


def matmul(
    a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False, adjoint_a: bool = False,
    adjoint_b: bool = False, a_is_sparse: bool = False, b_is_sparse: bool = False, output_type: Any = None,
    grad_a: bool = False, grad_b: bool = False, name: str | None = None,
) -> Tensor:  # fmt: skip
    """The product of two matrices, or of each pair of matrices in the last two axes.

    output_type: that of the products of 8-bit numbers. grad_a, grad_b: what a product is for, which changes nothing.
    """
    for side, turned, conjugated in (("a", transpose_a, adjoint_a), ("b", transpose_b, adjoint_b)):
        if turned and conjugated:
            raise ValueError(
                f"Only one of `transpose_{side}` and `adjoint_{side}` can be True. Received `transpose_{side}`=True, "
                f"`adjoint_{side}`=True."
            )
    if output_type is not None:
        return op_def("BatchMatMulV3")(a, b, Tout=as_dtype(output_type), adj_x=transpose_a or adjoint_a,
                                       adj_y=transpose_b or adjoint_b, name=name)  # fmt: skip
    a = convert_to_tensor(a, name="a")
    b = convert_to_tensor(b, a.dtype.base_dtype, name="b")
    if a_is_sparse or b_is_sparse:
        return op_def("SparseMatMul")(
            a, b, transpose_a=transpose_a or adjoint_a, transpose_b=transpose_b or adjoint_b, a_is_sparse=a_is_sparse,
            b_is_sparse=b_is_sparse, name=name,
        )  # fmt: skip
    if a.get_shape().ndims == 2 and b.get_shape().ndims == 2 and not adjoint_a and not adjoint_b:
        return op_def("MatMul")(a, b, transpose_a=transpose_a, transpose_b=transpose_b, name=name)
    a, b = (op_def("Conj")(x) if t and x.dtype.is_complex else x for x, t in ((a, transpose_a), (b, transpose_b)))
    return op_def("BatchMatMulV2")(a, b, adj_x=transpose_a or adjoint_a, adj_y=transpose_b or adjoint_b, name=name)


def _tensordot_of_any_rank(a: Tensor, b: Tensor, axes: Any) -> Tensor:
    """The same where the step alone knows which axes are free."""
    if isinstance(axes, int):
        last = op_def("Range")(op_def("Rank")(a) - axes, op_def("Rank")(a), 1)
        pairs = [last, constant(list(range(axes)), int32)]
    else:
        pairs = [constant([x] if isinstance(x, int) else list(x), int32) for x in axes]
    sides = []
    for x, used in zip((a, b), pairs, strict=True):
        rank = op_def("Rank")(x)
        used = op_def("FloorMod")(used, rank)
        free = op_def("ListDiff")(op_def("Range")(0, rank, 1), used).out
        sizes = op_def("Shape")(x)
        left = op_def("GatherV2")(sizes, free, 0)
        summed = op_def("Prod")(op_def("GatherV2")(sizes, used, 0), [0])
        sides.append((x, free, used, left, op_def("Prod")(left, [0]), summed))
    (a, free_a, used_a, sizes_a, count_a, summed), (b, free_b, used_b, sizes_b, count_b, _) = sides
    rows = reshape(op_def("Transpose")(a, concat(0, [free_a, used_a])), pack([count_a, summed]))
    columns = reshape(op_def("Transpose")(b, concat(0, [used_b, free_b])), pack([summed, count_b]))
    return reshape(op_def("MatMul")(rows, columns), concat(0, [sizes_a, sizes_b]))


def tensordot(a: Any, b: Any, axes: Any, name: str | None = None) -> Tensor:
    """Products of `a` and `b` summed over pairs of axes: the last n of a and first n of b, or those listed for each."""
    with op_scope([], name, "Tensordot"):
        a = convert_to_tensor(a)
        b = convert_to_tensor(b, a.dtype.base_dtype)
        ranks = a.get_shape().ndims, b.get_shape().ndims
        if None in ranks:
            return _tensordot_of_any_rank(a, b, axes)
        if isinstance(axes, int):
            axes = list(range(ranks[0] - axes, ranks[0])), list(range(axes))
        pairs = [[x] if isinstance(x, int) else list(x) for x in axes]
        left, right = ([x % r for x in p] for p, r in zip(pairs, ranks, strict=True))
        free = [[i for i in range(r) if i not in used] for r, used in zip(ranks, (left, right), strict=True)]
        sizes = [[reshape(op_def("Shape")(t)[i], [1]) for i in f] for t, f in zip((a, b), free, strict=True)]
        rows = reshape(transpose(a, free[0] + left), concat(0, [_product(a, free[0]), _product(a, left)]))
        columns = reshape(transpose(b, right + free[1]), concat(0, [_product(b, right), _product(b, free[1])]))
        product = op_def("MatMul")(rows, columns)
        both = sizes[0] + sizes[1]
        found = reshape(product, concat(0, both) if len(both) > 1 else both[0] if both else constant([], int32))
        known = [t.get_shape()[i].value for t, f in zip((a, b), free, strict=True) for i in f]
        found.set_shape(known)
        return found


def _product(tensor: Tensor, axes: list[int]) -> Tensor:
    """The number of elements along `axes`, a vector of one."""
    sizes = op_def("Shape")(tensor)
    found: Any = constant(1)
    for i in axes:
        found = found * sizes[i]
    return expand_dims(found, 0)


def confusion_matrix(
    labels: Any, predictions: Any, num_classes: Any = None, dtype: Any = int32, name: str | None = None,
    weights: Any = None,
) -> Tensor:  # fmt: skip
    """[num_classes, num_classes]: how often each label (row) got each prediction (column)."""
    with op_scope([], name, "confusion_matrix"):
        labels, predictions = (cast(convert_to_tensor(v), int64) for v in (labels, predictions))
        if num_classes is None:
            num_classes = op_def("Maximum")(reduce_max(labels), reduce_max(predictions)) + 1
        count = cast(convert_to_tensor(num_classes), int64)
        places = transpose(op_def("Pack")([labels, predictions]))
        ones = op_def("OnesLike")(cast(labels, dtype)) if weights is None else cast(convert_to_tensor(weights), dtype)
        return op_def("ScatterNd")(places, ones, op_def("Pack")([count, count]))


# -- what tf.math has of others ----------------------------------------------------------------------------------

_ELSEWHERE = {
    "refflow.compat.v1.numbers":
        "approx_max_k approx_min_k bessel_i0 bessel_i0e bessel_i1 bessel_i1e cumulative_logsumexp erfcinv "
        "erfinv multiply_no_nan ndtri nextafter polyval reciprocal_no_nan reduce_euclidean_norm reduce_std "
        "reduce_variance sobol_sample xdivy xlog1py xlogy",
    "refflow.compat.v1.nn": "in_top_k l2_normalize log_softmax softmax softplus softsign top_k zero_fraction",
    "refflow.compat.v1":
        "abs accumulate_n acosh add add_n asinh atan2 atanh betainc ceil conj cos cosh count_nonzero equal exp floor "
        "floordiv "
        "greater greater_equal igamma igammac imag invert_permutation is_finite is_inf is_nan is_non_decreasing "
        "is_strictly_increasing lbeta less less_equal log logical_and logical_not logical_or logical_xor maximum "
        "minimum not_equal polygamma pow real round rsqrt scalar_mul segment_max segment_mean segment_min "
        "segment_prod segment_sum sigmoid sign sin sinh sqrt square tanh truediv unsorted_segment_max "
        "unsorted_segment_mean unsorted_segment_min unsorted_segment_prod unsorted_segment_sqrt_n "
        "unsorted_segment_sum zeta",
}  # fmt: skip
_HOME = {name: (module, name) for module, names in _ELSEWHERE.items() for name in names.split()}
_HOME["bincount"] = "refflow.compat.v1.numbers", "counted"
_HOME["divide_no_nan"] = "refflow.compat.v1.numbers", "div_no_nan"


def __getattr__(name: str) -> Any:
    """What stands on other pages, found when it is asked for: those import this one."""
    if name == "special":
        return import_module("refflow.compat.v1.special")
    if name not in _HOME:
        raise AttributeError(f"module 'tf.math' has no attribute {name!r}")
    module, theirs = _HOME[name]
    return getattr(import_module(module), theirs)


def __dir__() -> list[str]:
    return sorted([*__all__, *_HOME, "special"])
