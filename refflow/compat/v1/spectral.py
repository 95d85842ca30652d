"""tf.spectral: Fourier transforms of complex and real signals, and cosine transforms.

    rfft      the first n // 2 + 1 values of the transform of n real numbers; irfft takes them back
    dct       with N numbers x, scaled where norm is "ortho" so that the transform is orthogonal:
              type 1    x[0] + (-1)^k x[N-1] + 2 sum_{0<n<N-1} x[n] cos(pi n k / (N-1))
              type 2    2 sum_n x[n] cos(pi (2n+1) k / 2N)
              type 3    x[0] + 2 sum_{n>0} x[n] cos(pi n (2k+1) / 2N)
              type 4    2 sum_n x[n] cos(pi (2n+1) (2k+1) / 4N)

A cosine transform is its definition: the numbers times a matrix of cosines, N^2 multiply-adds.

Next: compat/v1/signal.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.compat.v1.plain import fft, fft2d, fft3d, ifft, ifft2d, ifft3d
from refflow.core.constants import constant_value
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import DType, complex64, complex128, float32, float64, int32
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.ops.cast import cast

__all__ = [
    "dct", "fft", "fft2d", "fft3d", "idct", "ifft", "ifft2d", "ifft3d", "irfft", "irfft2d", "irfft3d", "rfft", "rfft2d",
    "rfft3d",
]  # fmt: skip

# -- real signals ------------------------------------------------------------------------------------------------


def _of_reals(rank: int) -> Callable[..., Tensor]:
    called = f"rfft{rank}d" if rank > 1 else "rfft"

    def function(input_tensor: Any, fft_length: Any = None, name: str | None = None) -> Tensor:
        with op_scope([], name, called) as scope:
            x = convert_to_tensor(input_tensor, None if isinstance(input_tensor, Tensor) else float32)
            _must_be(x, (float32, float64), "RFFT")
            x.get_shape().with_rank_at_least(rank)
            if fft_length is None:
                return op_def(called.upper())(x, _inner_sizes(x, rank), Tcomplex=_complex(x), name=scope)
            sizes = convert_to_tensor(fft_length, int32)
            return op_def(called.upper())(_padded(x, sizes, rank), sizes, Tcomplex=_complex(x), name=scope)

    function.__name__ = function.__qualname__ = called
    function.__doc__ = f"The transform of real numbers over the last {rank} axes, without what symmetry gives."
    return function


def _to_reals(rank: int) -> Callable[..., Tensor]:
    called = f"irfft{rank}d" if rank > 1 else "irfft"

    def function(input_tensor: Any, fft_length: Any = None, name: str | None = None) -> Tensor:
        with op_scope([], name, called) as scope:
            z = convert_to_tensor(input_tensor, None if isinstance(input_tensor, Tensor) else complex64)
            _must_be(z, (complex64, complex128), "IRFFT")
            z.get_shape().with_rank_at_least(rank)
            kind = float64 if z.dtype.base_dtype is complex128 else float32
            if fft_length is None:
                sizes = _inner_sizes(z, rank)
                last = op_def("Maximum")(2 * (sizes[-1] - 1), 0)
                if isinstance(sizes, np.ndarray):
                    sizes = np.append(sizes[:-1], max(2 * (int(sizes[-1]) - 1), 0)).astype(np.int32)
                else:
                    sizes = op_def("ConcatV2")([sizes[:-1], op_def("ExpandDims")(last, 0)], 0)
                return op_def(called.upper())(z, sizes, Treal=kind, name=scope)
            sizes = convert_to_tensor(fft_length, int32)
            return op_def(called.upper())(_padded(z, sizes, rank, halved=True), sizes, Treal=kind, name=scope)

    function.__name__ = function.__qualname__ = called
    function.__doc__ = f"The real numbers whose transform over the last {rank} axes begins so."
    return function


def _must_be(x: Tensor, kinds: tuple[DType, DType], called: str) -> None:
    if x.dtype.base_dtype not in kinds:
        raise ValueError(f"{called} requires {kinds[0]!r} or {kinds[1]!r} inputs, got: {x!r}. Use cast()")


def _real(value: Any) -> Any:
    return float64 if getattr(value, "dtype", None) == np.float64 else float32


def _complex(x: Tensor) -> Any:
    return complex128 if x.dtype.base_dtype is float64 else complex64


def _inner_sizes(x: Tensor, rank: int) -> Any:
    """The sizes of the last axes: an array where they are known, else a tensor."""
    dims = x.get_shape()[-rank:] if x.get_shape().ndims is not None else None
    if dims is not None and dims.is_fully_defined():
        return np.array(dims.as_list(), np.int32)
    return op_def("Shape")(x)[-rank:]


def _padded(x: Tensor, sizes: Tensor, rank: int, halved: bool = False) -> Tensor:
    """`x` with zeros behind it, so that the last axes are at least as long as `sizes`; halved: as half of that."""
    have, wanted = _inner_sizes(x, rank), constant_value(sizes)
    if wanted is not None and halved:
        wanted = np.append(wanted[:-1], wanted[-1] // 2 + 1 if wanted[-1] else 0)
    if wanted is not None and isinstance(have, np.ndarray):
        more = np.maximum(wanted - have, 0)
        if not more.any():
            return x
        outer = np.zeros([(x.get_shape().ndims or 0) - rank, 2], np.int32)
        ends = np.stack([0 * more, more], 1).astype(np.int32)
        return op_def("Pad")(x, np.concatenate([outer, ends]))
    if halved:
        sizes = op_def("ConcatV2")([sizes[:-1], sizes[-1:] // 2 + 1], 0)
    more = op_def("Maximum")(sizes - have, 0)
    ends = op_def("Pack")([op_def("ZerosLike")(more), more], axis=1)
    outer = op_def("Fill")(op_def("Pack")([op_def("Rank")(x) - rank, 2]), 0)
    return op_def("Pad")(x, op_def("ConcatV2")([outer, ends], 0))


rfft, rfft2d, rfft3d = map(_of_reals, (1, 2, 3))
irfft, irfft2d, irfft3d = map(_to_reals, (1, 2, 3))

# -- cosines -----------------------------------------------------------------------------------------------------


def dct(
    input: Any, type: int = 2, n: int | None = None, axis: int = -1, norm: str | None = None, name: str | None = None
) -> Tensor:
    """The cosine transform of the first n numbers of each row, or of as many with zeros behind them."""
    _check(type, n, axis, norm)
    with op_scope([], name, "dct"):
        x = convert_to_tensor(input, None if isinstance(input, Tensor) else _real(input))
        if n is not None:
            x = _padded(x, convert_to_tensor([n], int32), 1)[..., :n]
        count = x.get_shape()[-1].value if x.get_shape().ndims else None
        count = op_def("Shape")(x)[-1] if count is None else count
        if type == 1 and isinstance(count, int) and count < 2:
            raise ValueError(f"Type-I DCT requires an input with length >= 2, got {count}")
        matrix = cast(_cosines(type, cast(count, float64), norm), x.dtype.base_dtype)
        row = op_def("ExpandDims")(x, -2)
        found = op_def("Squeeze")(op_def("BatchMatMulV2")(row, matrix), squeeze_dims=[-2])
        found.set_shape(x.get_shape())
        return found


def idct(
    input: Any, type: int = 2, n: int | None = None, axis: int = -1, norm: str | None = None, name: str | None = None
) -> Tensor:
    """The inverse of the cosine transform: as it stands with "ortho", else that times 2N, for type 1 2(N-1)."""
    _check(type, n, axis, norm)
    return dct(input, {1: 1, 2: 3, 3: 2, 4: 4}[type], n, axis, norm, name or "idct")


def _check(type: int, n: int | None, axis: int, norm: str | None) -> None:
    if axis != -1:
        raise NotImplementedError(f"axis must be -1. Got: {axis}")
    if n is not None and n < 1:
        raise ValueError("n should be a positive integer or None")
    if type not in (1, 2, 3, 4):
        raise ValueError("Types I, II, III and IV (I)DCT are supported.")
    if type == 1 and norm == "ortho":
        raise ValueError("Normalization is not supported for the Type-I DCT.")
    if norm not in (None, "ortho"):
        raise ValueError(f"Unknown normalization. Expected None or 'ortho', got: {norm}")


def _cosines(type: int, count: Tensor, norm: str | None) -> Tensor:
    """[N, N]: what x[n] contributes to the k-th number."""
    places = cast(op_def("Range")(0, cast(count, int32), 1), float64)
    n, k = op_def("ExpandDims")(places, 1), op_def("ExpandDims")(places, 0)
    one, two = (convert_to_tensor(v, float64) for v in (1.0, 2.0))
    angles = {
        1: lambda: n * k * (np.pi / (count - one)),
        2: lambda: (two * n + one) * k * (np.pi / (two * count)),
        3: lambda: n * (two * k + one) * (np.pi / (two * count)),
        4: lambda: (two * n + one) * (two * k + one) * (np.pi / (4.0 * count)),
    }
    found = two * op_def("Cos")(angles[type]())
    first = op_def("SelectV2")(n < 0.5, one / two, one)  # x[0] is not counted twice
    if type in (1, 3):
        found = found * first
    if type == 1:
        found = found * op_def("SelectV2")(n > count - 1.5, one / two, one)
    if norm == "ortho":
        found = found * op_def("Rsqrt")(two * count)
        root = op_def("Sqrt")(one / two)
        if type == 2:
            found = found * op_def("SelectV2")(k < 0.5, root, one)
        if type == 3:
            found = found * op_def("SelectV2")(n < 0.5, one / root, one)
    return found
