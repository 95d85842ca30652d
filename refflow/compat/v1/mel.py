"""The mel scale: frequencies as they are heard, mel(f) = 1127 log(1 + f / 700).

Next: compat/v1/signal_windows.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.compat.v1.spectral import dct
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import as_dtype, float32, float64
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.ops.cast import cast

__all__ = ["linear_to_mel_weight_matrix", "mfccs_from_log_mel_spectrograms"]


def _mel(frequencies: Tensor) -> Tensor:
    return 1127.0 * op_def("Log1p")(frequencies / 700.0)


def linear_to_mel_weight_matrix(
    num_mel_bins: int = 20, num_spectrogram_bins: Any = 129, sample_rate: Any = 8000, lower_edge_hertz: float = 125.0,
    upper_edge_hertz: float = 3800.0, dtype: Any = float32, name: str | None = None,
) -> Tensor:  # fmt: skip
    """[num_spectrogram_bins, num_mel_bins]: triangles on the mel scale, between the tops of their neighbours."""
    with op_scope([], name, "linear_to_mel_weight_matrix") as scope:
        if not isinstance(sample_rate, Tensor):
            _check(num_mel_bins, sample_rate, lower_edge_hertz, upper_edge_hertz)
        nyquist = cast(convert_to_tensor(sample_rate), float64) / 2.0
        count = convert_to_tensor(num_spectrogram_bins)
        share = cast(op_def("Range")(0, cast(count, "int32"), 1), float64) / (cast(count, float64) - 1.0)
        mels = op_def("ExpandDims")(_mel(nyquist * share)[1:], 1)  # the constant part has no place on the scale
        first, last = (1127.0 * np.log1p(f / 700.0) for f in (lower_edge_hertz, upper_edge_hertz))
        edges = np.linspace(first, last, num_mel_bins + 2)
        low, top, high = edges[:-2], edges[1:-1], edges[2:]
        up, down = (mels - low) / (top - low), (high - mels) / (high - top)
        weights = op_def("Maximum")(op_def("Minimum")(up, down), np.float64(0))
        whole = op_def("Pad")(weights, [[1, 0], [0, 0]])
        return op_def("Cast")(whole, DstT=as_dtype(dtype), name=scope)


def _check(bins: int, rate: float, lower: float, upper: float) -> None:
    if bins <= 0:
        raise ValueError(f"num_mel_bins must be positive. Got: {bins}")
    if lower < 0:
        raise ValueError(f"lower_edge_hertz must be non-negative. Got: {lower}")
    if lower >= upper:
        raise ValueError(f"lower_edge_hertz {lower:.1f} >= upper_edge_hertz {upper:.1f}")
    if rate <= 0:
        raise ValueError(f"sample_rate must be positive. Got: {rate}")
    if upper > rate / 2:
        raise ValueError(
            f"upper_edge_hertz must not be larger than the Nyquist frequency (sample_rate / 2). Got {upper} for "
            f"sample_rate: {rate}"
        )


def mfccs_from_log_mel_spectrograms(log_mel_spectrograms: Any, name: str | None = None) -> Tensor:
    """The cosine transform of logarithms of energies on the mel scale."""
    with op_scope([], name, "mfccs_from_log_mel_spectrograms"):
        x = convert_to_tensor(log_mel_spectrograms)
        bins = x.get_shape()[-1].value if x.get_shape().ndims else None
        if bins == 0:
            raise ValueError(f"num_mel_bins must be positive. Got: {log_mel_spectrograms}")
        count = op_def("Shape")(x)[-1] if bins is None else convert_to_tensor(bins)
        return dct(x, 2) * op_def("Rsqrt")(cast(count, x.dtype.base_dtype) * 2.0)
