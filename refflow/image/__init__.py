"""Images: from files, to other sizes, in other colours [W06].

An image is a tensor of rows by columns by colours, a batch of them one of four axes [S36]: `image[1, 2, 0]` is the red
of the third pixel in the second row.
"""

from refflow.core.missing import no_attribute
from refflow.image.adjustments import (
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
    convert_image_dtype,
    grayscale_to_rgb,
    hsv_to_rgb,
    per_image_whitening,
    random_brightness,
    random_contrast,
    random_hue,
    random_saturation,
    rgb_to_grayscale,
    rgb_to_hsv,
)
from refflow.image.files import decode_jpeg, decode_png, encode_jpeg, encode_png
from refflow.image.sizes import (
    ResizeMethod,
    crop_to_bounding_box,
    flip_left_right,
    flip_up_down,
    pad_to_bounding_box,
    random_crop,
    random_flip_left_right,
    random_flip_up_down,
    resize_image_with_crop_or_pad,
    resize_images,
    transpose_image,
)
from refflow.ops.glimpse import extract_glimpse
from refflow.ops.resize import (
    resize_area,
    resize_bicubic,
    resize_bilinear,
    resize_nearest_neighbor,
    resize_nearest_neighbor_grad,
)


def __getattr__(name: str) -> None:
    raise no_attribute(__name__, name)
