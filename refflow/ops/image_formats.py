"""What a picture's bytes hold: PNG, JPEG, GIF, BMP and WebP to arrays of pixels, and pixels to a JPEG file.

The bytes say what they are. PNG (files/png.py) and BMP are read here; JPEG, GIF and WebP by Pillow, which the extra
`images` installs:

    pip install refflow[images]

JPEG pixels are those of libjpeg's accurate transform; TensorFlow's default is a faster one, a few steps of 255 away.

Next: ops/image_decode.py.
"""

from __future__ import annotations

import io
import threading
import zlib
from typing import Any

import numpy as np

from refflow.core import errors, shapes
from refflow.files import png

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


def from_png(data: bytes, channels: int, bits: int) -> np.ndarray:
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


def from_jpeg(data: bytes, channels: int, ratio: int = 1, recover: bool = False) -> np.ndarray:
    """Pixels in the wanted number of channels, sizes over `ratio`; half a picture where `recover` says so."""
    check_ratio(ratio)
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


def from_gif(data: bytes) -> np.ndarray:
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


def from_webp(data: bytes, channels: int) -> np.ndarray:
    """Pixels in the wanted number of channels, with 0 as the file has them."""
    image_module = pillow("WebP")
    if channels not in (0, 3, 4):
        raise ValueError(f"`channels` must be 0, 3 or 4 for WebP but got {channels}")
    try:
        picture = image_module.open(io.BytesIO(data))
        return np.asarray(picture.convert({0: picture.mode, 3: "RGB", 4: "RGBA"}[channels]))
    except (OSError, SyntaxError, ValueError):
        raise ValueError("Failed to decode WebP image.") from None


def from_bmp(data: bytes, channels: int) -> np.ndarray:
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


def check_ratio(ratio: int) -> None:
    """ValueError for a ratio by which libjpeg does not make pictures smaller."""
    if ratio not in (1, 2, 4, 8):
        raise ValueError(f"ratio must be 1, 2, 4, or 8, got {ratio}")


def to_jpeg(image: np.ndarray, quality: int, **given: Any) -> np.ndarray:
    """The bytes of a JPEG file with a JFIF header; `given`: attributes of EncodeJpeg."""
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
