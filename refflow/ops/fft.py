"""Discrete Fourier transforms over the last one, two or three axes.

    FFT      y[k] = sum_n x[n] exp(-2 pi i k n / N)            dx = N IFFT(dy)
    IFFT     x[n] = 1/N sum_k y[k] exp(+2 pi i k n / N)        dy = FFT(dx) / N
    RFFT     real x: the first N/2 + 1 terms, from which the others follow as conjugates
    IRFFT    real x from those terms

Real transforms take the length N of each axis beside the input: a longer input is cropped. The ND ops transform the
axes that they are told, and crop or fill up with zeros to the lengths that they are told.

Next: ops/histogram.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import complex64, complex128, float32, float64
from refflow.core.errors import ShapeError
from refflow.core.graph import Tensor
from refflow.core.opdef import OpDef, define_op, define_variant
from refflow.core.shape_rules import ShapeContext, axes_of
from refflow.core.signature import Attr

COMPLEX = Attr("type", default=complex64, allowed=(complex64, complex128))
REAL = Attr("type", default=float32, allowed=(float32, float64))
AXES = {"": 1, "2D": 2, "3D": 3}


def _at_least(context: ShapeContext, rank: int) -> shapes.Shape:
    dims = context.dims("input")
    if dims is not None and len(dims) < rank:
        raise ShapeError(f"Input must have rank of at least {rank} but got: {shapes.text(dims)}. "
                         f"Shape must be at least rank {rank} but is rank {len(dims)}")  # fmt: skip
    return dims


def _complex_transform(name: str, rank: int, inverse: bool) -> OpDef:
    op_def = define_op(name, "input: Tcomplex -> output: Tcomplex", Tcomplex=COMPLEX, accuracy="composed",
                       source=("W06",))  # fmt: skip
    axes = tuple(range(-rank, 0))
    transform = np.fft.ifftn if inverse else np.fft.fftn

    @op_def.kernel
    def kernel(input):
        return np.array(input) if not input.size else transform(input, axes=axes).astype(input.dtype, copy=False)

    op_def.shape(lambda context: _at_least(context, rank))
    return op_def


FFT = {rank: _complex_transform(f"FFT{text}", rank, False) for text, rank in AXES.items()}
IFFT = {rank: _complex_transform(f"IFFT{text}", rank, True) for text, rank in AXES.items()}


def _real_dims(context: ShapeContext, rank: int, forward: bool) -> shapes.Shape:
    """The input's shape with the last axes as long as fft_length says; half of the last one for RFFT."""
    dims, length = _at_least(context, rank), context.dims("fft_length")
    if length is not None and not shapes.compatible(length, (rank,)):
        raise ShapeError(f"fft_length must have shape [{rank}], but got {shapes.text(length)}: "
                         f"Dimension must be {rank}")  # fmt: skip
    if dims is None:
        return None
    sizes = context.ints("fft_length")
    if sizes is None:
        return (*dims[:-rank], *[None] * rank)
    result = list(dims[:-rank])
    for i, size in enumerate(sizes):
        if size < 0:
            raise ShapeError(f"fft_length[{i}] must >= 0, but got: {size}")
        last, at = i == rank - 1, len(dims) - rank + i
        least = size // 2 + 1 if last and not forward else size
        if dims[at] not in (None, 0) and dims[at] < least:  # type: ignore[operator]
            raise ShapeError(f"Input dimension {at} must have length of at least {least} but got: {dims[at]}")
        result.append(size // 2 + 1 if last and forward and size else size)
    return tuple(result)


def _real_transform(name: str, rank: int, forward: bool) -> OpDef:
    sides = ("Treal", "Tcomplex") if forward else ("Tcomplex", "Treal")
    op_def = define_op(name, f"input: {sides[0]}, fft_length: int32 -> output: {sides[1]}", Treal=REAL,
                       Tcomplex=COMPLEX, accuracy="composed", source=("W06",))  # fmt: skip
    axes = tuple(range(-rank, 0))
    transform = np.fft.rfftn if forward else np.fft.irfftn
    way = "forward" if forward else "backward"

    @op_def.kernel
    def kernel(input, fft_length, Treal=float32, Tcomplex=complex64):
        if (Treal is float32) != (Tcomplex is complex64):
            types = [int(t) for t in ((Treal, Tcomplex) if forward else (Tcomplex, Treal))]
            raise ValueError(f"Wrong types for {way} real FFT: in={types[0]} out={types[1]}")
        wanted = (Tcomplex if forward else Treal).as_numpy_dtype
        sizes = [int(n) for n in fft_length]
        if not input.size or not all(sizes):
            last = sizes[-1] // 2 + 1 if forward and sizes[-1] else sizes[-1]
            return np.zeros((*input.shape[:-rank], *sizes[:-1], last), wanted)
        return transform(input, s=sizes, axes=axes).astype(wanted, copy=False)

    op_def.shape(lambda context: _real_dims(context, rank, forward))
    return op_def


RFFT = {rank: _real_transform(f"RFFT{text}", rank, True) for text, rank in AXES.items()}
IRFFT = {rank: _real_transform(f"IRFFT{text}", rank, False) for text, rank in AXES.items()}


def _nd_dims(context: ShapeContext, half: str) -> shapes.Shape:
    """The input's shape, resized along the axes; `half`: "out" where only half of the last is given, "in" if taken."""
    dims, axes, length = context.dims("input"), context.ints("axes"), context.ints("fft_length")
    for name in ("fft_length", "axes"):
        given = context.dims(name)
        if given is not None and len(given) != 1:
            raise ShapeError(f"{name} must be a vector, got shape {shapes.text(given)}")
    if dims is None or axes is None or length is None:
        return None if dims is None else (None,) * len(dims)
    if len(axes) != len(length):
        raise ShapeError(f"axes must have the same length as fft_length: {len(axes)} and {len(length)}")
    result = list(dims)
    for i, (axis, size) in enumerate(zip(axes_of(axes, len(dims), "axes"), length, strict=True)):
        if size < 0:
            raise ShapeError(f"fft_length[{i}] must >= 0, but got: {size}")
        result[axis] = size // 2 + 1 if half == "out" and size and i == len(axes) - 1 else size
    return tuple(result)


def _nd_transform(name: str, kind: str) -> OpDef:
    real = kind == "rfft"
    back = kind == "irfft"
    given, made = ("Treal" if real else "Tcomplex"), ("Treal" if back else "Tcomplex")
    types: dict[str, Any] = {"Tcomplex": COMPLEX} | ({"Treal": REAL} if real or back else {})
    op_def = define_op(name, f"input: {given}, fft_length: int32, axes: int32 -> output: {made}", accuracy="composed",
                       source=("W06",), **types)  # fmt: skip
    transform = getattr(np.fft, kind + "n")

    @op_def.kernel
    def kernel(input, fft_length, axes, Treal=float32, Tcomplex=complex64):
        wanted = (Treal if back else Tcomplex).as_numpy_dtype
        sizes, places = [int(n) for n in fft_length], [int(a) for a in axes]
        if not input.size or not all(sizes):
            dims = list(input.shape)
            for i, (axis, size) in enumerate(zip(places, sizes, strict=True)):
                dims[axis] = size // 2 + 1 if real and size and i == len(places) - 1 else size
            return np.zeros(dims, wanted)
        return transform(input, s=sizes, axes=places).astype(wanted, copy=False)

    op_def.shape(lambda context: _nd_dims(context, "out" if real else ""))
    op_def.no_gradient_registered()
    return op_def


FFT_ND, IFFT_ND = _nd_transform("FFTND", "fft"), _nd_transform("IFFTND", "ifft")
RFFT_ND, IRFFT_ND = _nd_transform("RFFTND", "rfft"), _nd_transform("IRFFTND", "irfft")


def _size(sizes: Tensor, like: Tensor) -> Tensor:
    """The number of points of one transform, in the type of `like`."""
    from refflow.ops.cast import cast
    from refflow.ops.reductions import reduce_prod

    return cast(reduce_prod(sizes), like.dtype)


def _last_sizes(x: Tensor, rank: int) -> Tensor:
    from refflow.ops.array import shape
    from refflow.ops.slicing import slice_

    sizes = shape(x)
    return slice_(sizes, shape(sizes) - rank, [rank])


def _complex_gradients(rank: int) -> None:
    @FFT[rank].gradient
    def forward(op, dy):
        """N times the inverse transform."""
        return IFFT[rank](dy) * _size(_last_sizes(dy, rank), dy)

    @IFFT[rank].gradient
    def inverse(op, dx):
        """The forward transform over N."""
        return FFT[rank](dx) / _size(_last_sizes(dx, rank), dx)


def _resized(x: Tensor, sizes: Tensor, rank: int) -> Tensor:
    """x cropped, or filled up with zeros, to `sizes` along its last axes."""
    from refflow.ops.array import shape
    from refflow.ops.constant import ZEROS_LIKE
    from refflow.ops.elementwise import MAXIMUM, MINIMUM
    from refflow.ops.joining import PACK, concat
    from refflow.ops.slicing import pad, slice_

    whole = shape(x)
    batch = slice_(whole, [0], shape(whole) - rank)
    wanted = concat(0, [batch, sizes])
    kept = slice_(x, ZEROS_LIKE(whole), MINIMUM(whole, wanted))
    missing = MAXIMUM(wanted - whole, ZEROS_LIKE(whole))
    return pad(kept, PACK([ZEROS_LIKE(missing), missing], axis=1))


def _real_gradients(rank: int) -> None:
    from refflow.ops.array import fill, reshape
    from refflow.ops.cast import cast
    from refflow.ops.complex import REAL as REAL_PART
    from refflow.ops.joining import concat
    from refflow.ops.slicing import slice_

    @RFFT[rank].gradient
    def forward(op, dy):
        """Re(N IFFT(dy)) with zeros for the terms that were not given; zeros for what was cropped."""
        x, length = op.inputs
        dx = IFFT[rank](_resized(dy, length, rank)) * _size(length, dy)
        return _resized(REAL_PART(dx, Tout=x.dtype.base_dtype), _last_sizes(x, rank), rank), None

    @IRFFT[rank].gradient
    def inverse(op, dx):
        """RFFT(dx) / N, twice where a term stands for its conjugate too: not the first, nor the middle one."""
        y, length = op.inputs
        dy = RFFT[rank](dx, length, Tcomplex=y.dtype.base_dtype) / _size(length, y)
        last = slice_(length, [rank - 1], [1])
        odd = last - last / 2 * 2
        terms = last / 2 + 1
        twice = fill(terms - 2 + odd, np.float32(2))
        one = fill(reshape(1 - odd, [1]), np.float32(1))
        weights = concat(0, [np.ones(1, np.float32), twice, one])
        return _resized(dy * cast(weights, y.dtype.base_dtype), _last_sizes(y, rank), rank), None


for _rank in (1, 2, 3):
    _complex_gradients(_rank)
for _rank in (1, 2):
    _real_gradients(_rank)
RFFT[3].no_gradient_registered()
IRFFT[3].no_gradient_registered()

_C = np.complex64
for _text, _rank in AXES.items():
    _dims = (2,) * _rank
    _pulse = np.zeros(_dims, _C)
    _pulse[(0,) * _rank] = 2**_rank
    FFT[_rank].case("W06", "a constant has one term", input=np.ones(_dims, _C), output=_pulse)
    IFFT[_rank].case("W06", "one term is a constant", input=_pulse, output=np.ones(_dims, _C))
    FFT[_rank].case("W06", "it takes enough axes", input=np.ones(_dims[1:], _C), error="must have rank of at least")
    RFFT[_rank].case("W06", "a constant has one term", input=np.ones(_dims, np.float32), fft_length=_dims,
                     Tcomplex=complex64, output=_pulse)  # fmt: skip
    RFFT[_rank].case("W06", "the input is long enough", input=np.ones(_dims, np.float32), fft_length=[3] * _rank,
                     error="must have length of at least 3 but got: 2")  # fmt: skip
    IRFFT[_rank].case("W06", "one term is a constant", input=_pulse, fft_length=_dims, Treal=float32,
                      output=np.ones(_dims, np.float32))  # fmt: skip
RFFT[1].case("W06", "half of the terms are given", input=np.array([1, 0, 0, 0], np.float32), fft_length=[4],
             output=[1, 1, 1])  # fmt: skip
FFT_ND.case("W06", "along the first axis", input=np.ones((2, 1), _C), fft_length=[2], axes=[0], output=[[2], [0]])
IFFT_ND.case("W06", "along the first axis", input=np.array([[2], [0]], _C), fft_length=[2], axes=[0], output=[[1], [1]])
RFFT_ND.case("W06", "along the first axis", input=np.ones((2, 1), np.float32), fft_length=[2], axes=[0],
             output=[[2], [0]])  # fmt: skip
IRFFT_ND.case("W06", "along the first axis", input=np.array([[2], [0]], _C), fft_length=[2], axes=[0],
              output=[[1], [1]])  # fmt: skip

for _text, _rank in AXES.items():
    for _inverse, _family in (("", FFT), ("I", IFFT)):
        define_variant(f"Batch{_inverse}FFT{_text}", _family[_rank], "input: complex64 -> output: complex64",
                       Tcomplex=None)  # fmt: skip


def fft(input: Any, name: str | None = None) -> Tensor:
    """The discrete Fourier transform of complex numbers over the last axis."""
    return FFT[1](input, name=name)


def ifft(input: Any, name: str | None = None) -> Tensor:
    """The inverse of `fft`."""
    return IFFT[1](input, name=name)
