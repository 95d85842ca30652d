"""Arithmetic of 1.x, part two: functions of statistics and of polynomials, divisions that stay finite, casts that clip.

    reduce_variance(x) = mean(|x - mean(x)|^2)           lbeta(x) = sum lgamma(x) - lgamma(sum x)
    div_no_nan(x, y) = x / y, and 0 where y is 0         erfcinv(x) = -ndtri(x / 2) / sqrt(2)

Next: compat/v1/matrices.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.compat.v1.derived import derived
from refflow.compat.v1.math import reduce_mean, reduce_sum
from refflow.core.constants import constant_value
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import DType, as_dtype, bfloat16, complex64, complex128, float32, int32, int64
from refflow.core.graph import Tensor
from refflow.core.indexed_slices import IndexedSlices
from refflow.core.registry import op_def
from refflow.core.sparse_tensor import SparseTensor
from refflow.core.values import as_value
from refflow.ops.array import reshape
from refflow.ops.cast import cast as first_cast
from refflow.ops.math_functions import quotient_type

__all__ = [
    "abs", "bincount", "cast", "conj", "div", "div_no_nan", "histogram_fixed_width", "histogram_fixed_width_bins",
    "imag", "is_non_decreasing", "is_strictly_increasing", "lbeta", "real", "round", "saturate_cast", "scalar_mul",
    "sign", "to_bfloat16", "to_complex64", "to_complex128",
]  # fmt: skip

# -- division ----------------------------------------------------------------------------------------------------


def div_no_nan(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x / y, and 0 where y is 0, elementwise; whole numbers are divided as `/` does."""
    return _of_reals("DivNoNan", "div_no_nan", x, y, name)


def multiply_no_nan(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x * y, and 0 where y is 0 even if x is infinite or nan, elementwise."""
    return _of_reals("MulNoNan", "multiply_no_nan", x, y, name)


def reciprocal_no_nan(x: Any, name: str | None = None) -> Tensor:
    """1 / x, and 0 where x is 0, elementwise."""
    with op_scope([], name, "reciprocal_no_nan") as scope:
        x = convert_to_tensor(x)
        return op_def("DivNoNan")(as_value(1, x.dtype.base_dtype), x, name=scope)


def _of_reals(op: str, called: str, x: Any, y: Any, name: str | None) -> Tensor:
    with op_scope([], name, called) as scope:
        x = convert_to_tensor(x, name="x")
        y = convert_to_tensor(y, x.dtype.base_dtype, name="y")
        if op == "DivNoNan" and x.dtype.is_integer:
            kind = quotient_type(x.dtype)
            x, y = cast(x, kind), cast(y, kind)
        return op_def(op)(x, y, name=scope)


def div(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x / y as Python 2 has it, elementwise: whole numbers are rounded down."""
    with op_scope([], name, "div") as scope:
        x = convert_to_tensor(x, name="x")
        y = convert_to_tensor(y, x.dtype.base_dtype, name="y")
        return op_def("FloorDiv" if x.dtype.is_integer else "RealDiv")(x, y, name=scope)


def round(x: Any, name: str | None = None) -> Tensor:
    """The nearest whole number, of two the even one, elementwise."""
    x = convert_to_tensor(x, name="x")
    return x if x.dtype.is_integer else op_def("Round")(x, name=name)


def scalar_mul(scalar: Any, x: Any, name: str | None = None) -> Any:
    """`scalar` times a Tensor or IndexedSlices."""
    factor = convert_to_tensor(scalar, as_dtype(x.dtype).base_dtype if hasattr(x, "dtype") else None,
                               name="scalar")  # fmt: skip
    if factor.get_shape().ndims not in (0, None):
        raise ValueError(f"The input scalar must be a 0-D value. Received shape {factor.get_shape()}.")
    if isinstance(x, IndexedSlices):
        return IndexedSlices(op_def("Mul")(factor, x.values, name=name), x.indices, x.dense_shape)
    return op_def("Mul")(factor, x, name=name)


# -- complex numbers ---------------------------------------------------------------------------------------------


def _part(called: str, op: str) -> Callable[..., Tensor]:
    def function(input: Any, name: str | None = None) -> Tensor:
        given = convert_to_tensor(input)
        if given.dtype.is_complex:
            wide = given.dtype.base_dtype is complex128
            return op_def(op)(given, Tout=as_dtype("float64" if wide else "float32"), name=name)
        if op == "Real" and not (given.dtype.is_floating or given.dtype.is_integer):
            raise TypeError(f"{called}: input must be a tensor of numbers, but it is {given.dtype.name}: {given!r}")
        return given if op == "Real" else op_def("ZerosLike")(given, name=name)

    function.__name__ = function.__qualname__ = called
    function.__doc__ = f"The {called} part of each number, in the type of half the size."
    return function


real, imag = _part("real", "Real"), _part("imag", "Imag")


def abs(x: Any, name: str | None = None) -> Any:
    """The size of each number, real or complex."""
    if isinstance(x, SparseTensor):
        return SparseTensor(x.indices, abs(x.values, name), x.dense_shape)
    given = convert_to_tensor(x, name="x")
    if not given.dtype.is_complex:
        return op_def("Abs")(given, name=name)
    return op_def("ComplexAbs")(given, Tout=given.dtype.real_dtype, name=name)


def sign(x: Any, name: str | None = None) -> Any:
    """-1, 0 or 1; of a complex number z / |z|, and 0 at 0."""
    if isinstance(x, SparseTensor):
        return SparseTensor(x.indices, sign(x.values, name), x.dense_shape)
    given = convert_to_tensor(x, name="x")
    if not given.dtype.is_complex:
        return op_def("Sign")(given, name=name)
    return op_def("DivNoNan")(given, cast(abs(given), given.dtype.base_dtype), name=name)


def conj(x: Any, name: str | None = None) -> Tensor:
    """The complex conjugate of each number; real ones as they are."""
    given = convert_to_tensor(x)
    if given.dtype.is_complex:
        return op_def("Conj")(given, name=name)
    if given.dtype.is_floating or given.dtype.is_integer:
        return given
    raise TypeError(f"Expected numeric or variant tensor, got dtype {given.dtype!r}")


def cast(x: Any, dtype: Any, name: str | None = None) -> Any:
    """`x` as another type; to bfloat16 rounded to the nearest, where the first release drops bits."""
    kind = as_dtype(dtype).base_dtype
    if isinstance(x, SparseTensor):
        return SparseTensor(x.indices, cast(x.values, kind, name), x.dense_shape)
    if kind is not bfloat16 or isinstance(x, IndexedSlices):
        return first_cast(x, kind, name)
    with op_scope([x], name, "Cast") as scope:
        x = convert_to_tensor(x, name="x")
        return x if x.dtype.base_dtype is kind else op_def("Cast")(x, DstT=kind, Truncate=False, name=scope)


def _to(kind: DType, name: str) -> Callable[..., Any]:
    def function(x: Any, name: str = name) -> Any:
        return cast(x, kind, name=name)

    function.__name__ = function.__qualname__ = f"to_{kind.name}"
    function.__doc__ = f"`x` as {kind.name}."
    return function


to_complex64, to_complex128 = _to(complex64, "ToComplex64"), _to(complex128, "ToComplex128")
to_bfloat16 = _to(bfloat16, "ToBFloat16")


def saturate_cast(value: Any, dtype: Any, name: str | None = None) -> Tensor:
    """`value` as another type; what is beyond that type's range becomes its nearest end.

    Of complex numbers each part is for itself, and only the real one is left where `dtype` is real.
    """
    to = as_dtype(dtype).base_dtype
    with op_scope([], name, "saturate_cast") as scope:
        value = convert_to_tensor(value, name="value")
        if not value.dtype.is_complex:
            return cast(_within(value, to.real_dtype), to, name=scope)
        if not to.is_complex:
            return cast(_within(real(value), to), to, name=scope)
        parts = (_within(part(value), to.real_dtype) for part in (real, imag))
        return cast(op_def("Complex")(*parts, Tout=value.dtype.base_dtype), to, name=scope)


def _within(value: Tensor, to: DType) -> Tensor:
    """`value` with what is beyond the range of `to` at the last number of its own type on the inner side."""
    have = value.dtype.base_dtype
    for kind in (have, to):
        if kind.is_bool or kind.is_quantized:
            raise TypeError(f"saturate_cast: {kind.name} has no least number and no largest: use cast()")
    (low, high), (least, most) = ([np.asarray(end).item() for end in (kind.min, kind.max)] for kind in (have, to))
    if have.is_floating or low < least or high > most:  # infinities are beyond every range
        value = op_def("Maximum")(value, _number(max(low, least), have, 1))
        value = op_def("Minimum")(value, _number(min(high, most), have, -1))
    return value


def _number(limit: Any, kind: DType, towards: int) -> Tensor:
    """`limit` as a number of `kind`, or the next such number on its inner side."""
    if not kind.is_floating:
        return convert_to_tensor(int(limit), kind)
    if kind is bfloat16:  # the upper half of a float32's bits: what is cut off leads towards 0
        cut = np.array(limit, np.float32).view(np.uint32) & np.uint32(0xFFFF0000)
        return convert_to_tensor(cut.view(np.float32), kind)
    number = kind.as_numpy_dtype(limit)
    outside = number.item() > limit if towards < 0 else number.item() < limit
    return convert_to_tensor(np.nextafter(number, number.dtype.type(0)) if outside else number)


# -- statistics --------------------------------------------------------------------------------------------------


def reduce_variance(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None) -> Tensor:
    """The mean squared distance from the mean over `axis`, or over everything."""
    with op_scope([], name or "reduce_variance"):
        x = convert_to_tensor(input_tensor)
        if not (x.dtype.is_floating or x.dtype.is_complex):
            raise TypeError(f"Input must be either real or complex. Received integer type {x.dtype!r}.")
        away = x - reduce_mean(x, axis, True)
        size = real(away * conj(away)) if x.dtype.is_complex else op_def("Square")(away)
        return reduce_mean(size, axis, keepdims)


def reduce_std(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None) -> Tensor:
    """The root of the variance over `axis`, or over everything."""
    with op_scope([], name or "reduce_std"):
        return op_def("Sqrt")(reduce_variance(input_tensor, axis, keepdims))


def reduce_euclidean_norm(
    input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None
) -> Tensor:
    """The root of the sum of squares over `axis`, or over everything."""
    x = convert_to_tensor(input_tensor)
    if axis is None:
        axis = op_def("Range")(0, op_def("Rank")(x), 1)
    return op_def("EuclideanNorm")(x, axis, keep_dims=bool(keepdims), name=name)


def lbeta(x: Any, name: str | None = None) -> Tensor:
    """The logarithm of |Beta(x)| of the numbers along the last axis."""
    with op_scope([], name, "lbeta"):
        x = convert_to_tensor(x, name="x")
        terms = reduce_sum(op_def("Lgamma")(x), [-1])
        return terms - op_def("Lgamma")(reduce_sum(x, [-1]))


def _rising(called: str, op: str, meaning: str) -> Callable[..., Tensor]:
    def function(x: Any, name: str | None = None) -> Tensor:
        with op_scope([], name, called):
            flat = reshape(convert_to_tensor(x, name="x"), [-1])
            if not (flat.dtype.is_floating or flat.dtype.is_integer):
                raise TypeError(f"Expected x to be numeric, instead found: {flat}")
            steps = flat[1:] - flat[:-1]
            zero = np.zeros((), steps.dtype.base_dtype.as_numpy_dtype)
            return op_def("All")(op_def(op)(zero, steps), [0])

    function.__name__ = function.__qualname__ = called
    function.__doc__ = f"Whether no element is {meaning} the one before it, in row-major order."
    return function


is_non_decreasing = _rising("is_non_decreasing", "LessEqual", "below")
is_strictly_increasing = _rising("is_strictly_increasing", "Less", "equal to or below")


def histogram_fixed_width(
    values: Any, value_range: Any, nbins: Any = 100, dtype: Any = int32, name: str | None = None
) -> Tensor:
    """How many values are in each of `nbins` equal parts of the range; what is outside counts at its ends."""
    return op_def("HistogramFixedWidth")(values, value_range, nbins, dtype=as_dtype(dtype), name=name)


def histogram_fixed_width_bins(
    values: Any, value_range: Any, nbins: Any = 100, dtype: Any = int32, name: str | None = None
) -> Tensor:
    """For each value the number of the part of the range that it is in."""
    with op_scope([], name, "histogram_fixed_width_bins"):
        values = convert_to_tensor(values, name="values")
        count = constant_value(convert_to_tensor(nbins))
        if count is not None and count <= 0:
            raise ValueError(f"nbins must be at least 1, got {count}")
        low_high = convert_to_tensor(value_range, values.dtype.base_dtype)
        low, high = low_high[0], low_high[1]
        share = op_def("RealDiv")(cast(values - low, "float64"), cast(high - low, "float64"))
        places = op_def("Floor")(share * cast(nbins, "float64"))
        inside = op_def("Minimum")(op_def("Maximum")(places, np.float64(0)), cast(nbins, "float64") - 1.0)
        return cast(inside, as_dtype(dtype))


def bincount(
    arr: Any, weights: Any = None, minlength: Any = None, maxlength: Any = None, dtype: Any = int32
) -> Tensor:
    """How often each number from 0 on comes, or the sum of its weights."""
    return counted(arr, weights, minlength, maxlength, dtype)


# -- what tf.math alone has --------------------------------------------------------------------------------------

bessel_i0, bessel_i0e, bessel_i1, bessel_i1e = (derived(f"Bessel{n}") for n in ("I0", "I0e", "I1", "I1e"))
erfinv, ndtri, nextafter = derived("Erfinv"), derived("Ndtri"), derived("NextAfter")
xdivy, xlogy, xlog1py = derived("Xdivy"), derived("Xlogy"), derived("Xlog1py")


def erfcinv(x: Any, name: str | None = None) -> Tensor:
    """The number whose erfc is x, elementwise."""
    with op_scope([], name, "erfcinv"):
        x = convert_to_tensor(x)
        half, root = (np.asarray(v, x.dtype.base_dtype.as_numpy_dtype) for v in (0.5, np.sqrt(0.5)))
        return -op_def("Ndtri")(half * x) * root


def cumulative_logsumexp(
    x: Any, axis: Any = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None
) -> Tensor:
    """Running log(sum(exp(x))) along `axis`."""
    return op_def("CumulativeLogsumexp")(x, axis, exclusive=exclusive, reverse=reverse, name=name)


def polyval(coeffs: Any, x: Any, name: str | None = None) -> Tensor:
    """The polynomial with these coefficients, the highest power's first, at x."""
    if not isinstance(coeffs, list):
        raise ValueError(f"Argument coeffs must be list type. Received type {type(coeffs)}.")
    with op_scope([], name, "polyval"):
        x = convert_to_tensor(x, name="x")
        if not coeffs:
            return op_def("ZerosLike")(x)
        found, *rest = (convert_to_tensor(c, x.dtype.base_dtype) for c in coeffs)
        for c in rest:
            found = c + found * x
        return found


def sobol_sample(dim: Any, num_results: Any, skip: Any = 0, dtype: Any = float32, name: str | None = None) -> Tensor:
    """Points of the Sobol sequence in [0, 1)^dim, one a row."""
    return op_def("SobolSample")(dim, num_results, skip, dtype=as_dtype(dtype), name=name)


def _nearly_top(called: str, largest: bool) -> Callable[..., Any]:
    def function(
        operand: Any, k: int, reduction_dimension: int = -1, recall_target: float = 0.95,
        reduction_input_size_override: int = -1, aggregate_to_topk: bool = True, name: str | None = None,
    ) -> Any:  # fmt: skip
        return op_def("ApproxTopK")(
            operand, k=k, reduction_dimension=reduction_dimension, recall_target=recall_target, is_max_k=largest,
            reduction_input_size_override=reduction_input_size_override, aggregate_to_topk=aggregate_to_topk,
            name=name,
        )  # fmt: skip

    function.__name__ = function.__qualname__ = called
    function.__doc__ = f"(values, indices): the k {'largest' if largest else 'smallest'} along an axis."
    return function


approx_max_k, approx_min_k = _nearly_top("approx_max_k", True), _nearly_top("approx_min_k", False)


def counted(
    arr: Any, weights: Any = None, minlength: Any = None, maxlength: Any = None, dtype: Any = int32,
    name: str | None = None, axis: int | None = None, binary_output: bool = False,
) -> Tensor:  # fmt: skip
    """How often each number from 0 on comes, or the sum of its weights; axis=-1: for each row apart."""
    with op_scope([], name, "bincount"):
        arr = convert_to_tensor(arr) if isinstance(arr, Tensor) else convert_to_tensor(arr, int32)
        kind = int64 if arr.dtype.base_dtype is int64 else int32
        arr = cast(arr, kind)
        anything = cast(reduce_sum(op_def("Size")(arr)) > 0, kind)
        size = anything * (op_def("Max")(arr, op_def("Range")(0, op_def("Rank")(arr), 1)) + 1)
        for op, limit in (("Maximum", minlength), ("Minimum", maxlength)):
            if limit is not None:
                size = op_def(op)(size, cast(convert_to_tensor(limit), kind))
        given = np.zeros(0, as_dtype(dtype).as_numpy_dtype) if weights is None else convert_to_tensor(weights)
        if axis not in (0, -1, None):
            raise ValueError(f"Unsupported value for argument axis={axis}. Only 0 and -1 are currently supported.")
        if axis != -1:
            arr = reshape(arr, [-1])
            given = given if weights is None else reshape(given, [-1])
        return op_def("DenseBincount")(arr, size, given, binary_output=binary_output)
