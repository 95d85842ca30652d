"""Windows of tf.signal: numbers from near 0 to 1 and back, by which a frame is multiplied before its transform.

    hann       0.5 - 0.5 cos(2 pi n / N)            hamming    0.54 - 0.46 cos(2 pi n / N)
    vorbis     sin(pi/2 sin^2(pi (n + 1/2) / N))
    kaiser     I0(beta sqrt(1 - (2n / (N-1) - 1)^2)) / I0(beta); derived: roots of shares of its running sum

Next: compat/v1/spectral.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import as_dtype, float32, float64, int32
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.ops.cast import cast

__all__ = ["hamming_window", "hann_window", "kaiser_bessel_derived_window", "kaiser_window", "vorbis_window"]


def _raised_cosine(called: str, a: float, b: float) -> Callable[..., Tensor]:
    def function(window_length: Any, periodic: Any = True, dtype: Any = float32, name: str | None = None) -> Tensor:
        with op_scope([], name, called):
            length, kind = _length(window_length, dtype)
            even = 1 - length % 2
            last = cast(length + cast(periodic, int32) * even - 1, float64)
            angles = _count(length) * (2 * np.pi) / last
            found = a - b * op_def("Cos")(angles)
            one = op_def("OnesLike")(found)  # of a single number, whose last place is 0
            return cast(op_def("SelectV2")(op_def("Equal")(length, 1), one, found), kind)

    function.__name__ = function.__qualname__ = called
    function.__doc__ = f"{a} - {b} cos(2 pi n / N); periodic: an even length is that of a period."
    return function


def _length(given: Any, dtype: Any) -> tuple[Tensor, Any]:
    """The length as an int32 scalar, and the type, which must be one of floats."""
    kind = as_dtype(dtype).base_dtype
    if not kind.is_floating:
        raise ValueError(f"dtype must be a floating point type. Found {kind}")
    length = convert_to_tensor(given, int32, name="window_length")
    length.get_shape().assert_has_rank(0)
    return length, kind


def _count(length: Tensor) -> Tensor:
    return cast(op_def("Range")(0, length, 1), float64)


hann_window = _raised_cosine("hann_window", 0.5, 0.5)
hamming_window = _raised_cosine("hamming_window", 0.54, 0.46)


def kaiser_window(window_length: Any, beta: Any = 12.0, dtype: Any = float32, name: str | None = None) -> Tensor:
    """The window of most energy in its main lobe; a larger beta has a wider one and lower others."""
    with op_scope([], name, "kaiser_window"):
        length, kind = _length(window_length, dtype)
        half = cast(length - 1, float64) / 2.0
        place = _count(length) - half
        place = op_def("DivNoNan")(place, op_def("BroadcastTo")(half, op_def("Shape")(place)))
        rate = cast(convert_to_tensor(beta), float64)
        inside = op_def("Sqrt")(op_def("Maximum")(1.0 - op_def("Square")(place), np.float64(0)))
        # I0 by its scaled form: I0(x) = exp(x) I0e(x), and exp of a difference does not overflow
        found = op_def("BesselI0e")(rate * inside) / op_def("BesselI0e")(rate) * op_def("Exp")(rate * (inside - 1.0))
        return cast(found, kind)


def kaiser_bessel_derived_window(
    window_length: Any, beta: Any = 12.0, dtype: Any = float32, name: str | None = None
) -> Tensor:
    """A window whose squares, and those half a length on, add up to 1."""
    with op_scope([], name, "kaiser_bessel_derived_window"):
        length, kind = _length(window_length, dtype)
        half = length // 2
        sums = op_def("Cumsum")(kaiser_window(half + 1, beta, float64), 0)
        rising = op_def("Sqrt")(sums[:-1] / sums[-1])
        return cast(op_def("ConcatV2")([rising, op_def("ReverseV2")(rising, [0])], 0), kind)


def vorbis_window(window_length: Any, dtype: Any = float32, name: str | None = None) -> Tensor:
    """The Vorbis codec's window."""
    with op_scope([], name, "vorbis_window"):
        length, kind = _length(window_length, dtype)
        inner = op_def("Square")(op_def("Sin")((_count(length) + 0.5) * np.pi / cast(length, float64)))
        return cast(op_def("Sin")(inner * (np.pi / 2)), kind)
