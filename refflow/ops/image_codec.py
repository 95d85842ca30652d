"""Pictures from and to files: PNG, JPEG, GIF, BMP, WebP [W06].

The bytes say what they are, so that every decoder takes PNG and JPEG, and GIF where one picture is wanted. PNG and BMP
are read here; JPEG, GIF and WebP by Pillow, which the extra `images` installs:

    pip install refflow[images]

JPEG pixels are those of libjpeg's accurate transform; TensorFlow's default is a faster one, a few steps of 255 away.

Next: ops/summary.py.
"""

from __future__ import annotations

import io
import threading
import zlib
from typing import Any

import numpy as np

from refflow.core import errors, shapes
from refflow.core.dtypes import INDICES, float32, int32, uint8, uint16
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.files import png

_EIGHT_OR_SIXTEEN = Attr("type", default=uint8, allowed=(uint8, uint16))
_JPEG: dict[str, Any] = {"channels": 0, "ratio": 1, "fancy_upscaling": True, "try_recover_truncated": False,
                         "acceptable_fraction": 1.0, "dct_method": "", "source": ("W06",)}  # fmt: skip
DECODE_PNG = define_op("DecodePng", "contents: string -> image: dtype", channels=0, dtype=_EIGHT_OR_SIXTEEN,
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

_TRUNCATED = threading.Lock()  # Pillow's permission to read half a picture is one for the whole program


def pillow(what: str) -> Any:
    """Pillow's Image module; UnimplementedError where it is not installed."""
    try:
        from PIL import Image
    except ImportError:
        raise errors.UnimplementedError(
            None, None, f"{what} pictures need Pillow, which is not installed: pip install refflow[images]"
        ) from None
    return Image


def file_format(data: bytes) -> str:
    """What a file is by its first bytes.

    >>> file_format(b"GIF89a...")
    'GIF'
    """
    if not data:
        raise ValueError("Input is empty.")
    for start, name in ((b"\xff\xd8\xff", "JPEG"), (b"\x89PNG", "PNG"), (b"GIF8", "GIF"), (b"BM", "BMP")):
        if data.startswith(start):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    raise ValueError("Unknown image file format. One of JPEG, JPEG XL, PNG, GIF, BMP, WebP required.")


# -- one format each ------------------------------------------------------------------------------------------


def _from_png(data: bytes, channels: int, bits: int) -> np.ndarray:
    """Pixels in the wanted number of channels and bits: alpha added or dropped, greys as luma."""
    try:
        pixels, has_alpha, depth = png.decode(data)
        channels = channels or png.channels_as_read(data)
    except (ValueError, KeyError, zlib.error):
        raise ValueError("Invalid PNG. Failed to initialize decoder.") from None
    if has_alpha and channels % 2:
        pixels, has_alpha = pixels[..., :-1], False
    colours, alpha = (pixels[..., :-1], pixels[..., -1:]) if has_alpha else (pixels, None)
    if channels < 3 and colours.shape[-1] == 3:
        colours = _luma(colours)
    elif channels >= 3 and colours.shape[-1] == 1:
        colours = np.repeat(colours, 3, axis=-1)
    if channels % 2 == 0:
        if alpha is None:
            alpha = np.full((*colours.shape[:-1], 1), 2**depth - 1, colours.dtype)  # as the file counts
        colours = np.concatenate([colours, alpha], axis=-1)
    if bits == 8 and colours.dtype == np.uint16:
        return (colours >> 8).astype(np.uint8)
    if bits == 16 and colours.dtype == np.uint8:
        colours = colours.astype(np.uint16) * np.uint16(257)
    return colours


def _luma(colours: np.ndarray) -> np.ndarray:
    """Grey as libpng has it, in steps of 1 / 32768; 8 bits are cut off, 16 bits rounded."""
    weighted = colours.astype(np.int64) @ np.array([9797, 19234, 3737])
    grey = (weighted + (16384 if colours.dtype == np.uint16 else 0)) >> 15
    return grey.astype(colours.dtype)[..., None]


def _from_jpeg(data: bytes, channels: int, ratio: int = 1, recover: bool = False) -> np.ndarray:
    _check_ratio(ratio)
    if channels == 4:
        raise ValueError("JPEG does not support 4 channels")
    image_module = pillow("JPEG")
    from PIL import ImageFile

    with _TRUNCATED:
        before, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, recover
        try:
            picture = image_module.open(io.BytesIO(data))
            grey = channels == 1 or (channels == 0 and picture.mode == "L")
            wanted = "L" if grey else "RGB"
            picture.draft(wanted, tuple(s / ratio for s in picture.size) if ratio > 1 else None)
            pixels = np.asarray(picture.convert(wanted))
        except (OSError, SyntaxError, ValueError):
            raise ValueError("jpeg::Uncompress failed. Invalid JPEG data or crop window.") from None
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = before
    return pixels[..., None] if grey else pixels


def _from_gif(data: bytes) -> np.ndarray:
    """All frames, [frames, height, width, 3], each as it shows."""
    image_module = pillow("GIF")
    try:
        picture = image_module.open(io.BytesIO(data))
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(f"Invalid GIF data (size {len(data)}), {error}") from None
    frames: list[np.ndarray] = []
    while True:
        try:
            picture.seek(len(frames))
            frames.append(np.asarray(picture.convert("RGB")))
        except (OSError, SyntaxError, ValueError, EOFError, IndexError) as error:  # the end, or a file cut off
            if not frames:
                raise ValueError(f"Invalid GIF data (size {len(data)}), {error}") from None
            return np.stack(frames)


def _from_webp(data: bytes, channels: int) -> np.ndarray:
    image_module = pillow("WebP")
    if channels not in (0, 3, 4):
        raise ValueError(f"`channels` must be 0, 3 or 4 for WebP but got {channels}")
    try:
        picture = image_module.open(io.BytesIO(data))
        return np.asarray(picture.convert({0: picture.mode, 3: "RGB", 4: "RGBA"}[channels]))
    except (OSError, SyntaxError, ValueError):
        raise ValueError("Failed to decode WebP image.") from None


def _from_bmp(data: bytes, channels: int) -> np.ndarray:
    """Rows from the bottom up, or down where the height is negative; blue, green, red."""
    if channels not in (0, 3, 4):
        raise ValueError(f"`channels` must be 0, 3 or 4 for BMP, but got {channels}")
    if len(data) < 32:
        raise ValueError(f"Incomplete bmp content, requires at least 32 bytes to find the header size, width, height, "
                         f"and bpp, got {len(data)} bytes")  # fmt: skip
    start = int.from_bytes(data[10:14], "little", signed=True)
    width, height = (int.from_bytes(data[i : i + 4], "little", signed=True) for i in (18, 22))
    inherent = int.from_bytes(data[28:30], "little", signed=True) // 8
    if inherent not in (1, 3, 4):
        raise ValueError(f"Number of channels inherent in the image must be 1, 3 or 4, was {inherent}")
    if width <= 0 or not height:
        raise ValueError("Width must be positive" if width <= 0 else "Height must be nonzero")
    stride = (inherent * width + 3) // 4 * 4
    surplus = len(data) - start - stride * abs(height)
    if start < 0 or surplus:
        raise ValueError(
            f"Input size should match (header_size + row_size * abs_height) but they differ by {surplus}"
        )
    rows = np.frombuffer(data, np.uint8, offset=start)
    rows = rows.reshape(abs(height), stride)[:, : inherent * width].reshape(abs(height), width, inherent)
    rows = rows[::-1] if height > 0 else rows
    if inherent >= 3:
        rows = rows[..., [2, 1, 0, 3][:inherent]]
    wanted = channels or inherent
    if inherent == 1 and wanted >= 3:
        rows = np.repeat(rows, 3, axis=-1)
    if wanted == 4 and rows.shape[-1] == 3:
        rows = np.concatenate([rows, np.full((*rows.shape[:-1], 1), 255, np.uint8)], axis=-1)
    return np.ascontiguousarray(rows[..., :wanted])


# -- the ops --------------------------------------------------------------------------------------------------


def _check_channels(channels: int) -> None:
    if channels not in (0, 1, 3, 4):
        raise ValueError(f"`channels` must be 0, 1, 3 or 4 but got {channels}")


def _check_ratio(ratio: int) -> None:
    if ratio not in (1, 2, 4, 8):
        raise ValueError(f"ratio must be 1, 2, 4, or 8, got {ratio}")


def _single(data: bytes, kind: str, op: str, channels: int = 0) -> np.ndarray:
    """The one picture of a GIF or a WebP; nothing else is left."""
    if kind == "WebP":
        return _from_webp(data, channels)
    if kind == "GIF":
        frames = _from_gif(data)
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
        return _from_png(data, channels, 16 if wide else 8)
    pixels = _from_jpeg(data, channels) if kind == "JPEG" else _single(data, kind, "DecodePng", channels)
    return pixels.astype(np.uint16) * np.uint16(256) if wide else pixels


@DECODE_JPEG.kernel
def decode_jpeg_kernel(contents, channels, ratio, try_recover_truncated):
    _check_channels(channels)
    data, kind = contents.item(), file_format(contents.item())
    if kind == "JPEG":
        return _from_jpeg(data, channels, ratio, try_recover_truncated)
    return _from_png(data, channels, 8) if kind == "PNG" else _single(data, kind, "DecodeJpeg", channels)


@DECODE_AND_CROP_JPEG.kernel
def decode_and_crop_jpeg_kernel(contents, crop_window, channels, ratio, try_recover_truncated):
    """The window (y, x, height, width) of a JPEG picture."""
    _check_channels(channels)
    _check_ratio(ratio)
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
        return _from_gif(data)
    if kind == "PNG":
        return _from_png(data, 3, 8)[None]
    return (_from_jpeg(data, 3) if kind == "JPEG" else _single(data, kind, "DecodeGif"))[None]


@DECODE_BMP.kernel
def decode_bmp_kernel(contents, channels):
    _check_channels(channels)
    data, kind = contents.item(), file_format(contents.item())
    if kind == "WebP":
        return _from_webp(data, channels)
    if kind != "BMP":
        raise ValueError(
            f"Trying to decode {kind} format using DecodeBmp op. Use `decode_{kind.lower()}` or `decode_image` instead."
        )
    return _from_bmp(data, channels)


@DECODE_WEBP.kernel
def decode_webp_kernel(contents, channels):
    _check_channels(channels)
    data, kind = contents.item(), file_format(contents.item())
    return _from_png(data, channels, 8) if kind == "PNG" else _single(data, kind, "DecodeWebP", channels)


@DECODE_IMAGE.kernel
def decode_image_kernel(contents, channels, dtype, expand_animations):
    """Any picture: three dimensions, and a GIF with `expand_animations` four."""
    _check_channels(channels)
    data, kind = contents.item(), file_format(contents.item())
    if kind == "PNG":
        pixels = _from_png(data, channels, 8 if dtype is uint8 else 16)
        return pixels if dtype is not float32 else pixels.astype(np.float32) / np.float32(65535)
    if kind == "GIF":
        if channels not in (0, 3):
            raise ValueError(f"channels must be 0 or 3 for GIF, got {channels}")
        pixels = _from_gif(data)
        pixels = pixels if expand_animations else pixels[0]
    elif kind == "JPEG":
        pixels = _from_jpeg(data, channels)
    elif kind == "BMP":
        pixels = _from_bmp(data, channels)
    elif dtype is not uint8:
        raise ValueError("WebP only supports uint8 for dtype")
    else:
        pixels = _from_webp(data, channels)
        pixels = pixels[None] if expand_animations else pixels
    if dtype is uint8:
        return pixels
    return pixels.astype(np.uint16) * np.uint16(256) if dtype is uint16 else pixels.astype(np.float32) / np.float32(255)


def _one_string(context: ShapeContext) -> None:
    dims = context.dims("contents")
    if dims:
        raise ShapeError(f"`contents` must be scalar but got shape{shapes.text(dims)}")


def _decoded_shape(context: ShapeContext) -> shapes.Shape:
    _one_string(context)
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

# -- to files -------------------------------------------------------------------------------------------------

ENCODE_PNG = define_op("EncodePng", "image: T -> contents: string", compression=-1, T=_EIGHT_OR_SIXTEEN,
                       source=("W06",))  # fmt: skip
ENCODE_JPEG = define_op(
    "EncodeJpeg", "image: uint8 -> contents: string", format=Attr("string", "", ("", "grayscale", "rgb")), quality=95,
    progressive=False, optimize_size=False, chroma_downsampling=True, density_unit=Attr("string", "in", ("in", "cm")),
    x_density=300, y_density=300, xmp_metadata="", source=("W06",),
)  # fmt: skip
ENCODE_JPEG_QUALITY = define_op("EncodeJpegVariableQuality", "images: uint8, quality: int32 -> contents: string",
                                source=("W06",))  # fmt: skip
JPEG_SHAPE = define_op("ExtractJpegShape", "contents: string -> image_shape: output_type",
                       output_type=Attr("type", default=int32, allowed=INDICES), source=("W06",))  # fmt: skip


@ENCODE_PNG.kernel
def encode_png_kernel(image, compression):
    """A file for each image [..., height, width, channels]."""
    if not -1 <= compression <= 9:
        raise ValueError(f"compression should be in [-1,9], got {compression}")
    channels = image.shape[-1]
    if channels not in (1, 2, 3, 4):
        raise ValueError(f"image must have 1, 2, 3, or 4 channels, got {channels}")
    found = np.empty(image.shape[:-3], object)
    flat = image.reshape(-1, *image.shape[-3:])
    if not image.shape[-3] or not image.shape[-2]:
        failed = ",".join(str(i) for i in range(len(flat)))
        raise errors.InternalError(
            None, None, f"PNG encoding failed at the following flattened batch indices: {failed}"
        )
    found.reshape(-1)[:] = [png.encode(one, compression) for one in flat]
    return found


@ENCODE_PNG.shape
def _encode_png_shape(context: ShapeContext) -> shapes.Shape:
    image = context.dims("image")
    if image is not None and len(image) < 3:
        raise ShapeError(f"images must be at least rank 3{shapes.text(image)}")
    return None if image is None else image[:-3]


def _to_jpeg(image: np.ndarray, quality: int, **given: Any) -> np.ndarray:
    channels = image.shape[2]
    wanted = {"": channels, "grayscale": 1, "rgb": 3}[given.get("format", "")]
    if wanted not in (1, 3):
        raise ValueError(f"image must have 1 or 3 channels, got {shapes.text(image.shape)}")
    if wanted != channels:
        raise ValueError(f"format {given['format']} expects {wanted} channels, got {shapes.text(image.shape)}")
    if not 0 <= quality <= 100:
        raise ValueError(f"quality must be in [0,100], got {quality}")
    if not image.size:
        raise errors.InternalError(None, None, "JPEG encoding failed")
    picture = pillow("JPEG").fromarray(image[..., 0] if channels == 1 else np.ascontiguousarray(image))
    file = io.BytesIO()
    more = {"xmp": given["xmp_metadata"].encode()} if given.get("xmp_metadata") else {}
    if channels == 3:
        more["subsampling"] = 2 if given.get("chroma_downsampling", True) else 0
    picture.save(file, "JPEG", quality=quality, progressive=given.get("progressive", False),
                 optimize=given.get("optimize_size", False), dpi=(300, 300), **more)  # fmt: skip
    data = bytearray(file.getvalue())
    if data[6:10] == b"JFIF":  # the unit of the density, and the density across and down
        data[13] = {"in": 1, "cm": 2}[given.get("density_unit", "in")]
        for at, key in ((14, "x_density"), (16, "y_density")):
            data[at : at + 2] = (given.get(key, 300) & 0xFFFF).to_bytes(2, "big")
    return np.array(bytes(data), object)


@ENCODE_JPEG.kernel
def encode_jpeg_kernel(
    image, format, quality, progressive, optimize_size, chroma_downsampling, density_unit, x_density, y_density,
    xmp_metadata,
):  # fmt: skip
    return _to_jpeg(
        image, quality, format=format, progressive=progressive, optimize_size=optimize_size,
        chroma_downsampling=chroma_downsampling, density_unit=density_unit, x_density=x_density, y_density=y_density,
        xmp_metadata=xmp_metadata,
    )  # fmt: skip


@ENCODE_JPEG_QUALITY.kernel
def encode_jpeg_variable_quality_kernel(images, quality):
    return _to_jpeg(images, int(quality))


def _encode_jpeg_shape(context: ShapeContext) -> shapes.Shape:
    image = context.inputs[0]
    if image is not None and len(image) != 3:
        raise ShapeError(f"image must be 3-dimensional{shapes.text(image)}")
    return ()


@JPEG_SHAPE.kernel
def extract_jpeg_shape_kernel(contents, output_type):
    """Height, width and channels, from the header alone."""
    data = contents.item()
    if not data.startswith(b"\xff\xd8\xff"):
        raise ValueError(f"Invalid JPEG data, size {len(data)}")
    at = 2
    while at + 9 < len(data):
        marker, size = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # a frame's header
            height, width = (int.from_bytes(data[at + i : at + i + 2], "big") for i in (5, 7))
            return np.array([height, width, data[at + 9]], output_type.as_numpy_dtype)
        at += 2 + size
    raise ValueError(f"Invalid JPEG data, size {len(data)}")


@JPEG_SHAPE.shape
def _jpeg_shape_shape(context: ShapeContext) -> shapes.Shape:
    _one_string(context)
    return (3,)


for _op in (ENCODE_JPEG, ENCODE_JPEG_QUALITY):
    _op.shape(_encode_jpeg_shape)
for _op in (ENCODE_PNG, ENCODE_JPEG, ENCODE_JPEG_QUALITY, JPEG_SHAPE):
    _op.no_gradient_registered()

# -- pictures of two pixels ---------------------------------------------------------------------------------------

_GREY = np.array(png.encode(np.array([[[7], [255]]], np.uint8)), object)
_BMP = np.array(b"BM" + bytes(8) + (54).to_bytes(4, "little") + bytes(4) + (1).to_bytes(4, "little") * 2
                + b"\1\0\x18\0" + bytes(24) + bytes([3, 2, 1, 0]), object)  # fmt: skip
_COLOURED: Any = [[[7, 7, 7], [255, 255, 255]]]
DECODE_PNG.case("W06", "grey is grey", contents=_GREY, image=[[[7], [255]]])
DECODE_PNG.case("W06", "a transparency that is none", contents=_GREY, channels=4, dtype="uint16",
                image=[[[1799] * 3 + [65535], [65535] * 4]])  # fmt: skip
DECODE_PNG.case("W06", "two channels are not a choice", contents=_GREY, channels=2,
                error="`channels` must be 0, 1, 3 or 4 but got 2")  # fmt: skip
DECODE_PNG.case("W06", "bytes that are no picture", contents=np.array(b"xyz", object),
                error="Unknown image file format")  # fmt: skip
DECODE_JPEG.case("W06", "a PNG will do", contents=_GREY, channels=3, image=_COLOURED)
DECODE_JPEG.case("W06", "there must be something", contents=np.array(b"", object), error="Input is empty.")
DECODE_AND_CROP_JPEG.case("W06", "here a PNG will not do", contents=_GREY, crop_window=[0, 0, 1, 1],
                          error="can run on JPEG only")  # fmt: skip
DECODE_GIF.case("W06", "one picture is a film of one", contents=_GREY, image=[_COLOURED])
DECODE_BMP.case("W06", "blue comes first in the file", contents=_BMP, image=[[[1, 2, 3]]])
DECODE_BMP.case("W06", "a PNG will not do", contents=_GREY, error="Trying to decode PNG format using DecodeBmp op")
DECODE_WEBP.case("W06", "a PNG will do", contents=_GREY, image=[[[7], [255]]])
DECODE_WEBP.case("W06", "a BMP will not", contents=_BMP, error="Trying to decode BMP format using a wrong op")
DECODE_IMAGE.case("W06", "of 255 steps one is 1 / 255", contents=_GREY, dtype="float32",
                  image=[[[np.float32(7 * 257) / np.float32(65535)], [1]]])  # fmt: skip
ENCODE_PNG.case("W06", "and back", image=np.array([[[7], [255]]], np.uint8), contents=_GREY)
ENCODE_PNG.case("W06", "five channels are too many", image=np.zeros((1, 1, 5), np.uint8),
                error="image must have 1, 2, 3, or 4 channels, got 5")  # fmt: skip
ENCODE_JPEG.case("W06", "quality is a share of 100", image=np.zeros((1, 1, 3), np.uint8), quality=101,
                 error="quality must be in [0,100], got 101")  # fmt: skip
ENCODE_JPEG_QUALITY.case("W06", "quality is a share of 100", images=np.zeros((1, 1, 3), np.uint8), quality=-1,
                         error="quality must be in [0,100], got -1")  # fmt: skip
JPEG_SHAPE.case("W06", "the header says it", output_type="int32", image_shape=[4, 5, 3],
                contents=np.array(b"\xff\xd8\xff\xc0\0\x11\x08\0\4\0\5\3" + bytes(8), object))  # fmt: skip
