"""Sound: WAV files, spectrograms, and the coefficients that speech recognition hears by.

    DecodeWav          a file of 16-bit samples as numbers in [-1, 1)        x = sample / 32768
    EncodeWav          the way back; what is too loud is cut off
    AudioSpectrogram   windows of a channel under w[i] = (1 - cos(2 pi i / size)) / 2, each padded with zeros to the
                       next power of two and transformed; magnitudes, or their squares
    Mfcc               energies in bands that are evenly wide in mel(f) = 1127 log(1 + f / 700), as cosines of their
                       logarithms:    c[k] = sqrt(2 / B) sum_b log(e[b]) cos(pi k (b + 1/2) / B)

Next: ops/fft.py.
"""

from __future__ import annotations

import struct

import numpy as np

from refflow.core import shapes
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_checks import need_rank
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.files.summaries import wav
from refflow.ops.strings import strings

DECODE_WAV = define_op("DecodeWav", "contents: string -> audio: float32, sample_rate: int32", desired_channels=-1,
                       desired_samples=-1, source=("W06",))  # fmt: skip
ENCODE_WAV = define_op("EncodeWav", "audio: float32, sample_rate: int32 -> contents: string", source=("W06",))
SPECTROGRAM = define_op("AudioSpectrogram", "input: float32 -> spectrogram: float32", window_size=Attr("int"),
                        stride=Attr("int"), magnitude_squared=False, accuracy="composed", source=("W06",))  # fmt: skip
MFCC = define_op(
    "Mfcc", "spectrogram: float32, sample_rate: int32 -> output: float32", upper_frequency_limit=4000.0,
    lower_frequency_limit=20.0, filterbank_channel_count=40, dct_coefficient_count=13, accuracy="composed",
    source=("W06",),
)  # fmt: skip
for _op in (DECODE_WAV, ENCODE_WAV, SPECTROGRAM, MFCC):
    _op.no_gradient_registered()

# -- files ----------------------------------------------------------------------------------------------------


class _Cursor:
    """Reads a file from its start, and says what is wrong with it."""

    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def text(self, size: int) -> bytes:
        if self.at + size > len(self.data):
            raise ValueError("Data too short when trying to read string")
        self.at += size
        return self.data[self.at - size : self.at]

    def expect(self, wanted: bytes) -> None:
        found = self.text(len(wanted))
        if found != wanted:
            raise ValueError(f"Header mismatch: Expected {wanted.decode()} but found {found.decode('latin1')}")

    def number(self, size: int) -> int:
        if self.at + size > len(self.data):
            raise ValueError("Data too short when trying to read string")
        self.at += size
        return int.from_bytes(self.data[self.at - size : self.at], "little")


def _read_wav(data: bytes) -> tuple[np.ndarray, int]:
    """Samples [frames, channels] as int16, and their rate."""
    file = _Cursor(data)
    file.expect(b"RIFF")
    file.number(4)
    file.expect(b"WAVE")
    while True:  # other chunks may stand before the format's
        name = file.text(4)
        if name == b"fmt ":
            break
        if name not in (b"bext", b"JUNK", b"iXML", b"qlty", b"mext", b"levl", b"link", b"axml"):
            raise ValueError(f"Unexpected field {name.decode('latin1')}")
        file.text(file.number(4))
    channels, rate = _read_format(file)
    found = None
    while file.at < len(data):
        name, content = file.text(4), file.text(file.number(4))
        if name == b"data":
            if found is not None:
                raise ValueError("More than one data chunk found in WAV")
            found = content
    if found is None:
        raise ValueError("No data chunk found in WAV")
    frames = len(found) // (2 * channels)
    return np.frombuffer(found, "<i2", frames * channels).reshape(frames, channels), rate


def _read_format(file: _Cursor) -> tuple[int, int]:
    size = file.number(4)
    if size not in (16, 18):
        raise ValueError(f"Bad format chunk size for WAV: Expected 16 or 18, but got{size}")
    kind = file.number(2)
    if kind != 1:
        raise ValueError(f"Bad audio format for WAV: Expected 1 (PCM), but got{kind}")
    channels, rate = file.number(2), file.number(4)
    per_second, frame, bits = file.number(4), file.number(2), file.number(2)
    if channels < 1:
        raise ValueError(f"Bad number of channels for WAV: Expected at least 1, but got {channels}")
    if bits != 16:
        raise ValueError(f"Can only read 16-bit WAV files, but received {bits}")
    wanted = (bits * channels + 7) // 8
    if frame != wanted:
        raise ValueError(f"Bad bytes per sample in WAV header: Expected {wanted} but got {frame}")
    if per_second != frame * rate:
        raise ValueError(
            f"Bad bytes per second in WAV header: Expected {frame * rate} but got {per_second} (sample_rate={rate}, "
            f"bytes_per_sample={frame})"
        )
    file.text(size - 16)
    return channels, rate


@DECODE_WAV.kernel
def decode_wav_kernel(contents, desired_channels, desired_samples):
    """Missing channels repeat the last one, missing samples are silent."""
    samples, rate = _read_wav(contents.item())
    audio = samples.astype(np.float32) / np.float32(32768)
    frames = len(audio) if desired_samples == -1 else desired_samples
    channels = audio.shape[1] if desired_channels == -1 else desired_channels
    found = np.zeros((frames, channels), np.float32)
    kept = audio[:frames, np.minimum(np.arange(channels), audio.shape[1] - 1)]
    found[: len(kept)] = kept
    return found, np.int32(rate)


@DECODE_WAV.shape
def _decode_wav_shape(context: ShapeContext) -> list[shapes.Shape]:
    dims = context.dims("contents")
    if dims:
        raise ShapeError(f"contents must be scalar, got shape {shapes.text(dims)}")
    sizes = []
    for name in ("desired_samples", "desired_channels"):
        size = context.attrs[name]
        if size < 0 and size != -1:
            what = "samples" if name == "desired_samples" else "channels"
            raise ShapeError(f"{what} must be non-negative, got {size}")
        sizes.append(None if size == -1 else size)
    return [tuple(sizes), ()]


@ENCODE_WAV.kernel
def encode_wav_kernel(audio, sample_rate):
    rate = int(sample_rate)
    if rate <= 0:
        raise ValueError(f"sample_rate must be in (0, 2^32), got: {rate % 2**64}")
    if audio.shape[1] == 0:
        raise ValueError("num_channels must be in (0, 2^16), got: 0")
    return strings([wav(audio, rate)], ())


@ENCODE_WAV.shape
def _encode_wav_shape(context: ShapeContext) -> shapes.Shape:
    audio, rate = context.dims("audio"), context.dims("sample_rate")
    need_rank(audio, 2, "audio must be 2-dimensional{0}")
    if rate:
        raise ShapeError(f"Input sample_rate should be a scalar tensor, got {shapes.text(rate)} instead.")
    return ()


# -- what is heard --------------------------------------------------------------------------------------------


@SPECTROGRAM.kernel
def spectrogram_kernel(input, window_size, stride, magnitude_squared):
    """[channels, windows, bins] of samples [frames, channels]."""
    length = _transform_length(window_size)
    count = _windows(len(input), window_size, stride)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window_size) / window_size)
    starts = np.arange(count)[:, None] * stride
    seen = input.T.astype(np.float64)[:, starts + np.arange(window_size)] * window  # [channels, windows, size]
    bins = np.fft.rfft(seen, length)
    power = bins.real**2 + bins.imag**2
    return (power if magnitude_squared else np.sqrt(power)).astype(np.float32)


def _transform_length(size: int) -> int:
    return 1 << (size - 1).bit_length()


def _windows(frames: int, size: int, stride: int) -> int:
    return 0 if frames < size else 1 + (frames - size) // stride


@SPECTROGRAM.shape
def _spectrogram_shape(context: ShapeContext) -> shapes.Shape:
    size, stride = context.attrs["window_size"], context.attrs["stride"]
    if size <= 1:
        raise ShapeError(f"window size must be > 1, got {size}")
    if stride <= 0:
        raise ShapeError(f"stride must be strictly positive, got {stride}")
    dims = context.dims("input")
    bins = 1 + _transform_length(size) // 2
    if dims is None:
        return (None, None, bins)
    if len(dims) != 2:
        raise ShapeError(f"input must be 2-dimensional{shapes.text(dims)}")
    return (dims[1], None if dims[0] is None else _windows(dims[0], size, stride), bins)


def _mel(frequency: np.ndarray) -> np.ndarray:
    return 1127.0 * np.log1p(frequency / 700.0)


def mel_bands(bins: int, rate: float, lower: float, upper: float, bands: int) -> np.ndarray | None:
    """Weights [bins, bands] of magnitudes in triangles side by side; None where `upper` lies beyond the bins."""
    width = 0.5 * rate / (bins - 1)  # hertz from bin to bin
    first, last = int(1.5 + lower / width), int(upper / width)
    if last >= bins:
        return None
    low, high = _mel(np.array(lower)), _mel(np.array(upper))
    tops = low + (high - low) / (bands + 1) * np.arange(1, bands + 2)  # where each triangle is highest, and the end
    weights = np.zeros((bins, bands + 1))
    for i in range(first, last + 1):
        here = _mel(np.array(i * width))
        band = int(np.searchsorted(tops[:bands], here)) - 1  # the last whose top is below
        before, after = (tops[band] if band >= 0 else low), tops[band + 1]
        falling = (after - here) / (after - before)
        if band >= 0:
            weights[i, band] += falling
        weights[i, band + 1] += 1 - falling
    return weights[:, :bands]


@MFCC.kernel
def mfcc_kernel(
    spectrogram, sample_rate, upper_frequency_limit, lower_frequency_limit, filterbank_channel_count,
    dct_coefficient_count,
):  # fmt: skip
    """[channels, windows, coefficients] of squared magnitudes [channels, windows, bins]."""
    bins, rate, bands, count = spectrogram.shape[2], int(sample_rate), filterbank_channel_count, dct_coefficient_count
    fits = rate > 0 and bins >= 2 and 0 <= lower_frequency_limit < upper_frequency_limit and 1 <= count <= bands
    if not fits:
        raise ValueError(
            f"Mfcc initialization failed for channel count {bins}, sample rate {rate} and "
            f"filterbank_channel_count {bands}"
        )
    weights = mel_bands(bins, rate, lower_frequency_limit, upper_frequency_limit, bands)
    if weights is None:
        return np.zeros((*spectrogram.shape[:2], count), np.float32)
    energies = np.sqrt(np.maximum(spectrogram, 0).astype(np.float64)) @ weights
    places = np.arange(bands) + 0.5
    waves = np.sqrt(2.0 / bands) * np.cos(np.pi / bands * np.outer(places, np.arange(count)))
    return (np.log(np.maximum(energies, 1e-12)) @ waves).astype(np.float32)


@MFCC.shape
def _mfcc_shape(context: ShapeContext) -> shapes.Shape:
    dims, rate = context.dims("spectrogram"), context.dims("sample_rate")
    need_rank(dims, 3, "spectrogram must be 3-dimensional{0}")
    if rate:
        raise ShapeError(f"Input sample_rate should be a scalar tensor, got {shapes.text(rate)} instead.")
    count = context.attrs["dct_coefficient_count"]
    return (None, None, count) if dims is None else (dims[0], dims[1], count)


# -- cases ----------------------------------------------------------------------------------------------------

_FILE = struct.pack("<4sI8sIHHIIHH4sI2h", b"RIFF", 40, b"WAVEfmt ", 16, 1, 1, 8000, 16000, 2, 16, b"data", 4, 16384,
                    -32768)  # fmt: skip
DECODE_WAV.case("W06", "samples of 16 bits", contents=np.array(_FILE, object), audio=[[0.5], [-1.0]], sample_rate=8000)
DECODE_WAV.case("W06", "a channel again, and silence", contents=np.array(_FILE, object), desired_channels=2,
                desired_samples=3, audio=[[0.5, 0.5], [-1, -1], [0, 0]], sample_rate=8000)  # fmt: skip
DECODE_WAV.case("W06", "other files are none", contents=np.array(b"RIFX" + _FILE[4:], object),
                error="Header mismatch: Expected RIFF but found RIFX")  # fmt: skip
ENCODE_WAV.case("W06", "what is too loud is cut off", audio=[[0.5], [-2.0]], sample_rate=8000,
                contents=np.array(_FILE, object))  # fmt: skip
ENCODE_WAV.case("W06", "frames and channels", audio=[0.5], sample_rate=8000, error="audio must be 2-dimensional[1]")
SPECTROGRAM.case("W06", "a constant is its mean, and half of it beside", input=[[1], [1], [1], [1]], window_size=4,
                 stride=4, spectrogram=[[[2, 1, 0]]])  # fmt: skip
SPECTROGRAM.case("W06", "frames and channels", input=[1.0], window_size=4, stride=4,
                 error="input must be 2-dimensional[1]")  # fmt: skip
MFCC.case("W06", "silence is the smallest logarithm everywhere", spectrogram=np.zeros((1, 1, 5), np.float32),
          sample_rate=16000, filterbank_channel_count=2, dct_coefficient_count=1,
          output=[[[2 * np.log(1e-12)]]])  # fmt: skip
MFCC.case("W06", "no more cosines than bands", spectrogram=np.zeros((1, 1, 5), np.float32), sample_rate=16000,
          filterbank_channel_count=2, dct_coefficient_count=3,
          error="Mfcc initialization failed for channel count 5")  # fmt: skip
