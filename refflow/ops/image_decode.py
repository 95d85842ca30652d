"""Pictures from files: PNG, JPEG, GIF, BMP, WebP [W06].

Every decoder takes PNG and JPEG, and GIF where one picture is wanted; ops/image_formats.py reads the bytes.

Next: ops/image_encode.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import float32, uint8, uint16
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.files import png
from refflow.ops.image_formats import check_ratio, file_format, from_bmp, from_gif, from_jpeg, from_png, from_webp

EIGHT_OR_SIXTEEN = Attr("type", default=uint8, allowed=(uint8, uint16))
_JPEG: dict[str, Any] = {"channels": 0, "ratio": 1, "fancy_upscaling": True, "try_recover_truncated": False,
                         "acceptable_fraction": 1.0, "dct_method": "", "source": ("W06",)}  # fmt: skip
DECODE_PNG = define_op("DecodePng", "contents: string -> image: dtype", channels=0, dtype=EIGHT_OR_SIXTEEN,
                       source=("W06",))  # fmt: skip
DECODE_JPEG = define_op("DecodeJpeg", "contents: string -> image: uint8", **_JPEG)
DECODE_AND_CROP_JPEG = define_op("DecodeAndCropJpeg", "contents: string, crop_window: int32 -> image: uint8", **_JPEG)
DECODE_GIF = define_op("DecodeGif", "contents: string -> image: uint8", source=("W06",))
DECODE_BMP = define_op("DecodeBmp", "contents: string -> image: uint8", channels=0, source=("W06",))
DECODE_WEBP = define_op("DecodeWebP", "contents: string -> image: dtype", channels=0,
                        dtype=Attr("type", default=uint8, allowed=(uint8,)), source=("W06",))  # fmt: skip
DECODE_IMAGE = define_op(
    "DecodeImage", "contents: string -> image: dtype", channels=0,
    dtype=Attr("type", default=uint8, allowed=(uint8, uint16, float32)), expand_animations=True, source=("W06",),
)  # fmt: skip
_DECODERS = (DECODE_PNG, DECODE_JPEG, DECODE_AND_CROP_JPEG, DECODE_GIF, DECODE_BMP, DECODE_WEBP, DECODE_IMAGE)


def _check_channels(channels: int) -> None:
    if channels not in (0, 1, 3, 4):
        raise ValueError(f"`channels` must be 0, 1, 3 or 4 but got {channels}")


def _single(data: bytes, kind: str, op: str, channels: int = 0) -> np.ndarray:
    """The one picture of a GIF or a WebP; nothing else is left."""
    if kind == "WebP":
        return from_webp(data, channels)
    if kind == "GIF":
        frames = from_gif(data)
        if len(frames) > 1:
            raise ValueError(
                f"Got {len(frames)} frames, but animated gifs can only be decoded by tf.io.decode_gif or "
                "tf.io.decode_image"
            )
        return frames[0]
    raise ValueError(
        f"Trying to decode {kind} format using a wrong op. Use `decode_{kind.lower()}` or `decode_image` instead. "
        f"Op used: {op}"
    )


@DECODE_PNG.kernel
def decode_png_kernel(contents, channels, dtype):
    _check_channels(channels)
    data, kind = contents.item(), file_format(contents.item())
    wide = dtype is uint16
    if kind == "PNG":
        return from_png(data, channels, 16 if wide else 8)
    pixels = from_jpeg(data, channels) if kind == "JPEG" else _single(data, kind, "DecodePng", channels)
    return pixels.astype(np.uint16) * np.uint16(256) if wide else pixels


@DECODE_JPEG.kernel
def decode_jpeg_kernel(contents, channels, ratio, try_recover_truncated):
    _check_channels(channels)
    data, kind = contents.item(), file_format(contents.item())
    if kind == "JPEG":
        return from_jpeg(data, channels, ratio, try_recover_truncated)
    return from_png(data, channels, 8) if kind == "PNG" else _single(data, kind, "DecodeJpeg", channels)


@DECODE_AND_CROP_JPEG.kernel
def decode_and_crop_jpeg_kernel(contents, crop_window, channels, ratio, try_recover_truncated):
    """The window (y, x, height, width) of a JPEG picture."""
    _check_channels(channels)
    check_ratio(ratio)
    kind = file_format(contents.item())
    if kind != "JPEG":
        raise ValueError(f"DecodeAndCropJpeg operation can run on JPEG only, but detected {kind}.")
    pixels = decode_jpeg_kernel(contents, channels, ratio, try_recover_truncated)
    y, x, height, width = (int(v) for v in crop_window)
    if min(y, x) < 0 or min(height, width) <= 0 or y + height > pixels.shape[0] or x + width > pixels.shape[1]:
        raise ValueError("jpeg::Uncompress failed. Invalid JPEG data or crop window.")
    return pixels[y : y + height, x : x + width].copy()


@DECODE_GIF.kernel
def decode_gif_kernel(contents):
    data, kind = contents.item(), file_format(contents.item())
    if kind == "GIF":
        return from_gif(data)
    if kind == "PNG":
        return from_png(data, 3, 8)[None]
    return (from_jpeg(data, 3) if kind == "JPEG" else _single(data, kind, "DecodeGif"))[None]


@DECODE_BMP.kernel
def decode_bmp_kernel(contents, channels):
    _check_channels(channels)
    data, kind = contents.item(), file_format(contents.item())
    if kind == "WebP":
        return from_webp(data, channels)
    if kind != "BMP":
        raise ValueError(
            f"Trying to decode {kind} format using DecodeBmp op. Use `decode_{kind.lower()}` or `decode_image` instead."
        )
    return from_bmp(data, channels)


@DECODE_WEBP.kernel
def decode_webp_kernel(contents, channels):
    _check_channels(channels)
    data, kind = contents.item(), file_format(contents.item())
    return from_png(data, channels, 8) if kind == "PNG" else _single(data, kind, "DecodeWebP", channels)


@DECODE_IMAGE.kernel
def decode_image_kernel(contents, channels, dtype, expand_animations):
    """Any picture: three dimensions, and a GIF with `expand_animations` four."""
    _check_channels(channels)
    data, kind = contents.item(), file_format(contents.item())
    if kind == "PNG":
        pixels = from_png(data, channels, 8 if dtype is uint8 else 16)
        return pixels if dtype is not float32 else pixels.astype(np.float32) / np.float32(65535)
    if kind == "GIF":
        if channels not in (0, 3):
            raise ValueError(f"channels must be 0 or 3 for GIF, got {channels}")
        pixels = from_gif(data)
        pixels = pixels if expand_animations else pixels[0]
    elif kind == "JPEG":
        pixels = from_jpeg(data, channels)
    elif kind == "BMP":
        pixels = from_bmp(data, channels)
    elif dtype is not uint8:
        raise ValueError("WebP only supports uint8 for dtype")
    else:
        pixels = from_webp(data, channels)
        pixels = pixels[None] if expand_animations else pixels
    if dtype is uint8:
        return pixels
    return pixels.astype(np.uint16) * np.uint16(256) if dtype is uint16 else pixels.astype(np.float32) / np.float32(255)


def one_string(context: ShapeContext) -> None:
    """ShapeError unless `contents` is a scalar."""
    dims = context.dims("contents")
    if dims:
        raise ShapeError(f"`contents` must be scalar but got shape{shapes.text(dims)}")


def _decoded_shape(context: ShapeContext) -> shapes.Shape:
    one_string(context)
    if context.op_def is DECODE_GIF:
        return None, None, None, 3
    channels = context.attrs["channels"]
    if channels < 0:
        raise ShapeError(f"channels must be non-negative, got {channels}")
    if context.op_def is DECODE_IMAGE and (context.attrs["expand_animations"] or not channels):
        return None
    height, width = None, None
    if context.op_def is DECODE_AND_CROP_JPEG:
        window = context.ints("crop_window")
        if window is not None and len(window) != 4:
            raise ShapeError("crop_window must have four elements")
        height, width = (None, None) if window is None else (v if v >= 0 else None for v in window[2:])
    return height, width, channels or None


for _op in _DECODERS:
    _op.shape(_decoded_shape)
    _op.no_gradient_registered()

# -- pictures of two pixels ---------------------------------------------------------------------------------------

GREY = np.array(png.encode(np.array([[[7], [255]]], np.uint8)), object)
_BMP = np.array(b"BM" + bytes(8) + (54).to_bytes(4, "little") + bytes(4) + (1).to_bytes(4, "little") * 2
                + b"\1\0\x18\0" + bytes(24) + bytes([3, 2, 1, 0]), object)  # fmt: skip
_COLOURED: Any = [[[7, 7, 7], [255, 255, 255]]]
DECODE_PNG.case("W06", "grey is grey", contents=GREY, image=[[[7], [255]]])
DECODE_PNG.case("W06", "a transparency that is none", contents=GREY, channels=4, dtype="uint16",
                image=[[[1799] * 3 + [65535], [65535] * 4]])  # fmt: skip
DECODE_PNG.case("W06", "two channels are not a choice", contents=GREY, channels=2,
                error="`channels` must be 0, 1, 3 or 4 but got 2")  # fmt: skip
DECODE_PNG.case("W06", "bytes that are no picture", contents=np.array(b"xyz", object),
                error="Unknown image file format")  # fmt: skip
DECODE_JPEG.case("W06", "a PNG will do", contents=GREY, channels=3, image=_COLOURED)
DECODE_JPEG.case("W06", "there must be something", contents=np.array(b"", object), error="Input is empty.")
DECODE_AND_CROP_JPEG.case("W06", "here a PNG will not do", contents=GREY, crop_window=[0, 0, 1, 1],
                          error="can run on JPEG only")  # fmt: skip
DECODE_GIF.case("W06", "one picture is a film of one", contents=GREY, image=[_COLOURED])
DECODE_BMP.case("W06", "blue comes first in the file", contents=_BMP, image=[[[1, 2, 3]]])
DECODE_BMP.case("W06", "a PNG will not do", contents=GREY, error="Trying to decode PNG format using DecodeBmp op")
DECODE_WEBP.case("W06", "a PNG will do", contents=GREY, image=[[[7], [255]]])
DECODE_WEBP.case("W06", "a BMP will not", contents=_BMP, error="Trying to decode BMP format using a wrong op")
DECODE_IMAGE.case("W06", "of 255 steps one is 1 / 255", contents=GREY, dtype="float32",
                  image=[[[np.float32(7 * 257) / np.float32(65535)], [1]]])  # fmt: skip
