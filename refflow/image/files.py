"""Pictures as strings and back: what `tf.image` says of the codecs.

Next: image/sizes.py.
"""

from __future__ import annotations

from typing import Any

from refflow.core.graph import Tensor
from refflow.ops.image_decode import DECODE_JPEG, DECODE_PNG
from refflow.ops.image_encode import ENCODE_JPEG, ENCODE_PNG


def decode_png(contents: Any, channels: int | None = None, name: str | None = None) -> Tensor:
    """The picture [height, width, channels] in a PNG file, uint8; channels 0 are those of the file [W06]."""
    return DECODE_PNG(contents, channels=channels, name=name)


def encode_png(image: Any, compression: int | None = None, name: str | None = None) -> Tensor:
    """A picture [height, width, channels], uint8 with 1 to 4 channels, as a PNG file [W06].

    compression: 0 for speed to 9 for size; -1 lets zlib choose.
    """
    return ENCODE_PNG(image, compression=compression, name=name)


def decode_jpeg(
    contents: Any, channels: int | None = None, ratio: int | None = None, fancy_upscaling: bool | None = None,
    try_recover_truncated: bool | None = None, acceptable_fraction: float | None = None, name: str | None = None,
) -> Tensor:  # fmt: skip
    """The picture [height, width, channels] in a JPEG file, uint8 [W06].

    ratio: 1, 2, 4 or 8 times smaller. try_recover_truncated: take what there is of a file that was cut off.
    """
    return DECODE_JPEG(
        contents, channels=channels, ratio=ratio, fancy_upscaling=fancy_upscaling,
        try_recover_truncated=try_recover_truncated, acceptable_fraction=acceptable_fraction, name=name,
    )  # fmt: skip


def encode_jpeg(
    image: Any, format: str | None = None, quality: int | None = None, progressive: bool | None = None,
    optimize_size: bool | None = None, chroma_downsampling: bool | None = None, density_unit: str | None = None,
    x_density: int | None = None, y_density: int | None = None, xmp_metadata: str | None = None,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """A picture [height, width, 1 or 3], uint8, as a JPEG file [W06].

    format: "grayscale", "rgb", or "" by the channels. quality: 0 to 100, by default 95.
    """
    return ENCODE_JPEG(
        image, format=format, quality=quality, progressive=progressive, optimize_size=optimize_size,
        chroma_downsampling=chroma_downsampling, density_unit=density_unit, x_density=x_density, y_density=y_density,
        xmp_metadata=xmp_metadata, name=name,
    )  # fmt: skip
