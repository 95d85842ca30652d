"""Pictures to files, PNG and JPEG, and the size of a JPEG picture from its header [W06].

Next: ops/summary.py.
"""

from __future__ import annotations

import numpy as np

from refflow.core import errors, shapes
from refflow.core.dtypes import INDICES, int32
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_checks import need_rank
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.files import png
from refflow.ops.image_decode import EIGHT_OR_SIXTEEN, GREY, one_string
from refflow.ops.image_formats import to_jpeg

ENCODE_PNG = define_op("EncodePng", "image: T -> contents: string", compression=-1, T=EIGHT_OR_SIXTEEN,
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
    flat = image.reshape(found.size, *image.shape[-3:])
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


@ENCODE_JPEG.kernel
def encode_jpeg_kernel(
    image, format, quality, progressive, optimize_size, chroma_downsampling, density_unit, x_density, y_density,
    xmp_metadata,
):  # fmt: skip
    return to_jpeg(
        image, quality, format=format, progressive=progressive, optimize_size=optimize_size,
        chroma_downsampling=chroma_downsampling, density_unit=density_unit, x_density=x_density, y_density=y_density,
        xmp_metadata=xmp_metadata,
    )  # fmt: skip


@ENCODE_JPEG_QUALITY.kernel
def encode_jpeg_variable_quality_kernel(images, quality):
    return to_jpeg(images, int(quality))


def _encode_jpeg_shape(context: ShapeContext) -> shapes.Shape:
    image = context.inputs[0]
    need_rank(image, 3, "image must be 3-dimensional{0}")
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
    one_string(context)
    return (3,)


for _op in (ENCODE_JPEG, ENCODE_JPEG_QUALITY):
    _op.shape(_encode_jpeg_shape)
for _op in (ENCODE_PNG, ENCODE_JPEG, ENCODE_JPEG_QUALITY, JPEG_SHAPE):
    _op.no_gradient_registered()

ENCODE_PNG.case("W06", "and back", image=np.array([[[7], [255]]], np.uint8), contents=GREY)
ENCODE_PNG.case("W06", "nothing to see", image=np.zeros((0, 2, 3), np.uint8),
                error="PNG encoding failed at the following flattened batch indices: 0")  # fmt: skip
ENCODE_PNG.case("W06", "five channels are too many", image=np.zeros((1, 1, 5), np.uint8),
                error="image must have 1, 2, 3, or 4 channels, got 5")  # fmt: skip
ENCODE_JPEG.case("W06", "quality is a share of 100", image=np.zeros((1, 1, 3), np.uint8), quality=101,
                 error="quality must be in [0,100], got 101")  # fmt: skip
ENCODE_JPEG_QUALITY.case("W06", "quality is a share of 100", images=np.zeros((1, 1, 3), np.uint8), quality=-1,
                         error="quality must be in [0,100], got -1")  # fmt: skip
JPEG_SHAPE.case("W06", "the header says it", output_type="int32", image_shape=[4, 5, 3],
                contents=np.array(b"\xff\xd8\xff\xc0\0\x11\x08\0\4\0\5\3" + bytes(8), object))  # fmt: skip
