"""tf.signal: windows, frames of a signal, short-time Fourier transforms, mel scales.

    frame               [..., T] -> [..., frames, frame_length]          overlap_and_add    the way back, summing
    stft                rfft(window * frame(signals))                mdct               cosines of overlapping frames

Next: compat/v1/mel.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.compat.v1.blocks import roll
from refflow.compat.v1.mel import linear_to_mel_weight_matrix, mfccs_from_log_mel_spectrograms
from refflow.compat.v1.plain import fft, fft2d, fft3d, ifft, ifft2d, ifft3d
from refflow.compat.v1.signal_windows import (
    hamming_window,
    hann_window,
    kaiser_bessel_derived_window,
    kaiser_window,
    vorbis_window,
)
from refflow.compat.v1.spectral import dct, idct, irfft, irfft2d, irfft3d, rfft, rfft2d, rfft3d
from refflow.core.constants import constant_value
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import int32
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.ops.array import reshape

__all__ = [
    "dct", "fft", "fft2d", "fft3d", "fftnd", "fftshift", "frame", "hamming_window", "hann_window", "idct", "ifft",
    "ifft2d", "ifft3d", "ifftnd", "ifftshift", "inverse_mdct", "inverse_stft", "inverse_stft_window_fn", "irfft",
    "irfft2d", "irfft3d", "irfftnd", "kaiser_bessel_derived_window", "kaiser_window", "linear_to_mel_weight_matrix",
    "mdct", "mfccs_from_log_mel_spectrograms", "overlap_and_add", "rfft", "rfft2d", "rfft3d", "rfftnd", "stft",
    "vorbis_window",
]  # fmt: skip

# -- frames ------------------------------------------------------------------------------------------------------


def frame(
    signal: Any, frame_length: Any, frame_step: Any, pad_end: bool = False, pad_value: Any = 0, axis: int = -1,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """Pieces of `frame_length` along `axis`, one every `frame_step`; pad_end: also those that end beyond it."""
    with op_scope([], name, "frame"):
        signal = convert_to_tensor(signal)
        rank = signal.get_shape().ndims
        if rank is None:
            raise ValueError("frame needs the rank of its signal: use set_shape()")
        at = axis % rank
        known = signal.get_shape().as_list()
        size = known[at] if known[at] is not None else op_def("Shape")(signal)[at]
        length, step = (_number(v) for v in (frame_length, frame_step))
        if pad_end:
            frames = -(-size // step)
            more = op_def("Maximum")(convert_to_tensor(length + step * (frames - 1) - size), 0)
            pair = op_def("Pack")([0, more])
            paddings = op_def("Pack")([[0, 0]] * at + [pair] + [[0, 0]] * (rank - at - 1))
            value = convert_to_tensor(pad_value, signal.dtype.base_dtype)
            signal = op_def("PadV2")(signal, paddings, value)
        else:
            frames = op_def("Maximum")(convert_to_tensor(1 + (size - length) // step), 0)
        starts = op_def("ExpandDims")(op_def("Range")(0, frames, 1) * step, 1)
        places = starts + op_def("ExpandDims")(op_def("Range")(0, length, 1), 0)
        found = op_def("GatherV2")(op_def("ExpandDims")(signal, 0), places, at + 1)
        found = op_def("Squeeze")(found, squeeze_dims=[0])  # so that the gradient is dense
        count = constant_value(convert_to_tensor(frames))
        found.set_shape([*known[:at], None if count is None else int(count),
                         length if isinstance(length, int) else None, *known[at + 1 :]])  # fmt: skip
        return found


def _number(given: Any) -> Any:
    """A number as an int where it is known, else an int32 tensor."""
    known = constant_value(convert_to_tensor(given))
    return convert_to_tensor(given, int32) if known is None else int(known)


def overlap_and_add(signal: Any, frame_step: Any, name: str | None = None) -> Tensor:
    """[..., frames, frame_length] laid one on the other, each `frame_step` behind the last, and summed."""
    with op_scope([], name, "overlap_and_add"):
        signal = convert_to_tensor(signal, name="signal")
        signal.get_shape().with_rank_at_least(2)
        step = _number(frame_step)
        sizes = op_def("Shape")(signal)
        known: list[Any] = signal.get_shape().as_list() if signal.get_shape().ndims is not None else [None, None]
        frames, length = (sizes[i] if known[i] is None else known[i] for i in (-2, -1))
        total = (frames - 1) * step + length
        starts = op_def("ExpandDims")(op_def("Range")(0, frames, 1) * step, 1)
        places = reshape(starts + op_def("ExpandDims")(op_def("Range")(0, length, 1), 0), [-1])
        rows = op_def("Transpose")(reshape(signal, op_def("Pack")([-1, frames * length])), [1, 0])
        summed = op_def("Transpose")(op_def("UnsortedSegmentSum")(rows, places, total), [1, 0])
        found = reshape(summed, op_def("ConcatV2")([sizes[:-2], op_def("Pack")([total])], 0))
        if signal.get_shape().ndims is not None:
            found.set_shape([*known[:-2], total if isinstance(total, int) else None])
        return found


# -- short-time transforms ---------------------------------------------------------------------------------------

Window = Callable[..., Any] | None


def _power_of_two(length: Any) -> int:
    known = constant_value(convert_to_tensor(length))
    if known is None:
        raise ValueError("fft_length must be given where frame_length is not known while building")
    return 1 << max(int(known) - 1, 0).bit_length()


def stft(
    signals: Any, frame_length: Any, frame_step: Any, fft_length: Any = None, window_fn: Window = hann_window,
    pad_end: bool = False, name: str | None = None,
) -> Tensor:  # fmt: skip
    """The transform of each windowed frame: [..., frames, fft_length // 2 + 1] complex numbers."""
    with op_scope([], name, "stft"):
        signals = convert_to_tensor(signals)
        signals.get_shape().with_rank_at_least(1)
        frames = frame(signals, frame_length, frame_step, pad_end)
        if window_fn is not None:
            frames = frames * window_fn(frame_length, dtype=frames.dtype.base_dtype)
        length = _power_of_two(frame_length) if fft_length is None else fft_length
        return rfft(frames, op_def("Pack")([length]) if isinstance(length, Tensor) else [length])


def inverse_stft(
    stfts: Any, frame_length: Any, frame_step: Any, fft_length: Any = None, window_fn: Window = hann_window,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """The signal of such transforms: each taken back, windowed and added where it was."""
    with op_scope([], name, "inverse_stft"):
        stfts = convert_to_tensor(stfts)
        stfts.get_shape().with_rank_at_least(2)
        length = _number(frame_length)
        size = _power_of_two(length) if fft_length is None else _number(fft_length)
        real = irfft(stfts, op_def("Pack")([size]) if isinstance(size, Tensor) else [size])
        missing = op_def("Maximum")(convert_to_tensor(length - size), 0)
        outer = op_def("Fill")(op_def("Pack")([op_def("Rank")(real) - 1, 2]), 0)
        ends = op_def("ExpandDims")(op_def("Pack")([0, missing]), 0)
        whole = op_def("Pad")(real, op_def("ConcatV2")([outer, ends], 0))[..., :length]
        if window_fn is not None:
            whole = whole * window_fn(length, dtype=real.dtype.base_dtype)
        known = stfts.get_shape().as_list() if stfts.get_shape().ndims is not None else None
        if known is not None and isinstance(length, int):
            whole.set_shape([*known[:-1], length])
        return overlap_and_add(whole, frame_step)


def inverse_stft_window_fn(
    frame_step: Any, forward_window_fn: Callable[..., Any] = hann_window, name: str | None = None
) -> Callable[..., Tensor]:
    """The window for inverse_stft with which a signal comes back exactly, after stft with `forward_window_fn`."""

    def window(frame_length: Any, dtype: Any) -> Tensor:
        with op_scope([], name, "inverse_stft_window_fn"):
            length, step = _number(frame_length), _number(frame_step)
            forward = forward_window_fn(length, dtype=dtype)
            overlaps = -(-length // step)
            squares = op_def("Pad")(op_def("Square")(forward), op_def("Pack")([[0, overlaps * step - length]]))
            share = reshape(squares, op_def("Pack")([overlaps, step]))
            share = op_def("Sum")(share, 0, keep_dims=True)
            return forward / reshape(op_def("Tile")(share, op_def("Pack")([overlaps, 1])), [-1])[:length]

    return window


def mdct(
    signals: Any, frame_length: int, window_fn: Window = vorbis_window, pad_end: bool = False, norm: str | None = None,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """Modified cosines: frames that overlap by half, folded to half their length, by a cosine transform of type 4."""
    with op_scope([], name, "mdct"):
        signals = convert_to_tensor(signals)
        length = _number(frame_length)
        if isinstance(length, int) and length % 4:
            raise ValueError(f"Invalid frame_length: must be a multiple of 4, got {length}")
        frames = frame(signals, length, length // 2, pad_end)
        frames = frames * _window_of(window_fn, length, frames)
        a, b, c, d = op_def("Split")(-1, frames, num_split=4)
        folded = op_def("ConcatV2")([-_backwards(c) - d, a - _backwards(b)], -1)
        return dct(folded, 4, norm=norm)


def inverse_mdct(
    mdcts: Any, window_fn: Window = vorbis_window, norm: str | None = None, name: str | None = None
) -> Tensor:
    """The signal of modified cosines: unfolded, windowed, and added where they overlap."""
    with op_scope([], name, "inverse_mdct"):
        mdcts = convert_to_tensor(mdcts)
        half = mdcts.get_shape()[-1].value
        if half is None:
            raise ValueError("inverse_mdct needs the size of the last axis: use set_shape()")
        first, second = op_def("Split")(-1, idct(mdcts, 4, norm=norm), num_split=2)
        frames = op_def("ConcatV2")([second, -_backwards(second), -_backwards(first), -first], -1)
        frames = frames * _window_of(window_fn, 2 * half, frames)
        if norm is None:
            frames = frames * np.asarray(1 / (2 * half), frames.dtype.base_dtype.as_numpy_dtype)
        return overlap_and_add(frames, half)


def _window_of(window_fn: Window, length: Any, frames: Tensor) -> Any:
    """The window, or the same share of each number: with it twice, on the way there and back, halves add up to 1."""
    kind = frames.dtype.base_dtype
    return np.asarray(np.sqrt(0.5), kind.as_numpy_dtype) if window_fn is None else window_fn(length, dtype=kind)


def _backwards(x: Tensor) -> Tensor:
    return op_def("ReverseV2")(x, [-1])


# -- order and axes of transforms --------------------------------------------------------------------------------


def fftshift(x: Any, axes: Any = None, name: str | None = None) -> Tensor:
    """The transform with frequency 0 in the middle of each axis."""
    return _shifted(x, axes, lambda n: n // 2, name, "fftshift")


def ifftshift(x: Any, axes: Any = None, name: str | None = None) -> Tensor:
    """The inverse of fftshift."""
    return _shifted(x, axes, lambda n: -(n // 2), name, "ifftshift")


def _shifted(x: Any, axes: Any, how: Callable[[Any], Any], name: str | None, called: str) -> Tensor:
    with op_scope([], name, called):
        x = convert_to_tensor(x)
        sizes = op_def("Shape")(x)
        if axes is None:
            return roll(x, how(sizes), op_def("Range")(0, op_def("Size")(sizes), 1))
        if isinstance(axes, int):
            return roll(x, how(sizes[axes]), axes)
        return roll(x, how(op_def("GatherV2")(sizes, np.array(axes) % (x.get_shape().ndims or 1), 0)), list(axes))


def _over_axes(called: str) -> Callable[..., Tensor]:
    def function(
        input_tensor: Any, fft_length: Any = None, axes: Any = None, norm: str | None = None, name: str | None = None
    ) -> Tensor:
        with op_scope([], name, called) as scope:
            x = convert_to_tensor(input_tensor)
            dims = x.get_shape().as_list()
            axes = list(range(-len(fft_length or dims), 0)) if axes is None else list(axes)
            if fft_length is None:
                fft_length = [dims[a] for a in axes]
                if called == "irfftnd":
                    fft_length[-1] = 2 * (fft_length[-1] - 1)
            found = op_def(called.upper())(x, np.int32(fft_length), np.int32(axes), **_kinds(called, x), name=scope)
            power = {"backward": 0.0, "ortho": 0.5, "forward": 1.0}[norm or "backward"]
            scale = float(np.prod(fft_length)) ** (power if called.startswith("i") else -power)
            return found if scale == 1 else found * np.asarray(scale, found.dtype.base_dtype.as_numpy_dtype)

    function.__name__ = function.__qualname__ = called
    function.__doc__ = "The transform over the axes listed; norm: backward, ortho or forward, which side is scaled."
    return function


def _kinds(called: str, x: Tensor) -> dict[str, Any]:
    wide = x.dtype.base_dtype.name in ("float64", "complex128")
    if called == "rfftnd":
        return {"Tcomplex": "complex128" if wide else "complex64"}
    return {"Treal": "float64" if wide else "float32"} if called == "irfftnd" else {}


fftnd, ifftnd, rfftnd, irfftnd = map(_over_axes, ("fftnd", "ifftnd", "rfftnd", "irfftnd"))
