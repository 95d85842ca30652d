"""Complex numbers: made of two real ones, taken apart, mirrored [W06].

    Complex(re, im)      Real(z), Imag(z)      Conj(z)      ComplexAbs(z) = |z|      Angle(z)

The gradient of a real function of z is the conjugate of what calculus for holomorphic functions would give, as in
TensorFlow: `dz = dre + i dim`.

Next: ops/math_functions.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import complex64, complex128, float32, float64, variant
from refflow.core.elementwise import define_broadcasting
from refflow.core.graph import Tensor
from refflow.core.opdef import define_op
from refflow.core.signature import Attr
from refflow.ops.arithmetic import DIV_NO_NAN
from refflow.ops.broadcast import unbroadcast
from refflow.ops.constant import ZEROS_LIKE
from refflow.ops.elementwise import INV, NEG

_PAIR: dict[str, Any] = {"T": Attr("type", default=complex64, allowed=(complex64, complex128)),
         "Tout": Attr("type", default=float32, allowed=(float32, float64))}  # fmt: skip

COMPLEX = define_broadcasting(
    "Complex", "real imag", lambda real, imag: np.asarray(real) + 1j * np.asarray(imag), result="Tout", output="out",
    T=Attr("type", default=float32, allowed=(float32, float64)),
    Tout=Attr("type", default=complex64, allowed=(complex64, complex128)), accuracy="exact", source=("W06",),
)  # fmt: skip
REAL = define_op("Real", "input: T[...S] -> output: Tout[...S]", source=("W06",), **_PAIR)
IMAG = define_op("Imag", "input: T[...S] -> output: Tout[...S]", source=("W06",), **_PAIR)
ANGLE = define_op("Angle", "input: T[...S] -> output: Tout[...S]", accuracy="transcendental", source=("W06",), **_PAIR)
COMPLEX_ABS = define_op("ComplexAbs", "x: T[...S] -> y: Tout[...S]", accuracy="rounded", source=("W06",), **_PAIR)
CONJ = define_op("Conj", "input: T[...S] -> output: T[...S]",
                 T=Attr("type", default=complex64, allowed=(complex64, complex128, variant)),
                 source=("W06",))  # fmt: skip


@COMPLEX.kernel
def complex_kernel(real, imag, Tout=complex64):
    re, im = np.broadcast_arrays(real, imag)
    z = np.empty(re.shape, Tout.as_numpy_dtype)
    z.real, z.imag = re, im
    return z


@REAL.kernel
def real_kernel(input, Tout=float32):
    return np.real(input).astype(Tout.as_numpy_dtype)


@IMAG.kernel
def imag_kernel(input, Tout=float32):
    return np.imag(input).astype(Tout.as_numpy_dtype)


@ANGLE.kernel
def angle_kernel(input, Tout=float32):
    return np.angle(input).astype(Tout.as_numpy_dtype)


@COMPLEX_ABS.kernel
def complex_abs_kernel(x, Tout=float32):
    return np.abs(x).astype(Tout.as_numpy_dtype)


@CONJ.kernel
def conj_kernel(input):
    """Elements of a variant conjugate themselves."""
    return np.conj(input) if input.dtype != object else np.array(np.conj(input), object)


def _made(re: Tensor, im: Tensor) -> Tensor:
    return COMPLEX(re, im, Tout=complex128 if re.dtype.base_dtype is float64 else complex64)


@COMPLEX.gradient
def _complex_gradient(op, dz):
    """dre = Re dz, dim = Im dz, each summed over what was stretched."""
    part = op.inputs[0].dtype.base_dtype
    return unbroadcast(op.inputs, lambda: REAL(dz, Tout=part), lambda: IMAG(dz, Tout=part))


@REAL.gradient
def _real_gradient(op, dy):
    """dz = dy + 0i."""
    return _made(dy, ZEROS_LIKE(dy))


@IMAG.gradient
def _imag_gradient(op, dy):
    """dz = 0 + i dy."""
    return _made(ZEROS_LIKE(dy), dy)


@CONJ.gradient
def _conj_gradient(op, dy):
    """dz = conj(dy)."""
    return CONJ(dy)


@COMPLEX_ABS.gradient
def _complex_abs_gradient(op, dy):
    """dz = dy * z / |z|, and 0 at 0."""
    z, size = op.inputs[0], op.outputs[0]
    return DIV_NO_NAN(_made(dy, ZEROS_LIKE(dy)) * z, _made(size, ZEROS_LIKE(size)))


@ANGLE.gradient
def _angle_gradient(op, dy):
    """dz = -dy / (Im z + i Re z)."""
    z = op.inputs[0]
    re, im = REAL(z, Tout=dy.dtype.base_dtype), IMAG(z, Tout=dy.dtype.base_dtype)
    return NEG(_made(dy, ZEROS_LIKE(dy))) * INV(_made(im, re))


COMPLEX.case("W06", "two parts", real=[1, 2], imag=[3, -4], out=np.array([1 + 3j, 2 - 4j], np.complex64))
REAL.case("W06", "the first part", input=np.array([1 + 2j], np.complex64), output=[1])
IMAG.case("W06", "the second part", input=np.array([1 + 2j], np.complex64), output=[2])
ANGLE.case("W06", "a quarter and half a turn", input=np.array([2j, -1], np.complex64), output=[np.pi / 2, np.pi])
COMPLEX_ABS.case("W06", "the distance from zero", x=np.array([3 + 4j], np.complex64), y=[5])
CONJ.case("W06", "mirrored", input=np.array([1 + 2j], np.complex64), output=np.array([1 - 2j], np.complex64))


def complex(real: Any, imag: Any, name: str | None = None) -> Tensor:
    """real + i * imag, elementwise; complex64 of float32, complex128 of float64."""
    real = convert_to_tensor(real, name="real")
    wide = real.dtype.base_dtype is float64
    return COMPLEX(real, imag, Tout=complex128 if wide else complex64, name=name)


def _part(op_def: Any, z: Any, name: str | None) -> Tensor:
    z = convert_to_tensor(z)
    return op_def(z, Tout=float64 if z.dtype.base_dtype is complex128 else float32, name=name)


def real(in_: Any, name: str | None = None) -> Tensor:
    """The real part of each number."""
    return _part(REAL, in_, name)


def imag(in_: Any, name: str | None = None) -> Tensor:
    """The imaginary part of each number."""
    return _part(IMAG, in_, name)


def conj(in_: Any, name: str | None = None) -> Tensor:
    """Each number with its imaginary part negated."""
    return CONJ(in_, name=name)


def complex_abs(x: Any, name: str | None = None) -> Tensor:
    """The distance of each number from zero."""
    return _part(COMPLEX_ABS, x, name)
