"""Images: gradients of what computes in float32, and the codecs' round trips."""

import importlib.util
import io
import zlib

import numpy as np
import pytest

import refflow as tf
from refflow import image
from refflow.core.registry import op_def
from refflow.files import png

pillow = pytest.mark.skipif(importlib.util.find_spec("PIL") is None, reason="needs Pillow")


def run(tensors, feeds=None):
    with tf.Session() as session:
        return session.run(tensors, feeds)


def slope_agrees(build, array, rng, step=0.02):
    """<gradient, v> = (f(x + hv) - f(x - hv)) / 2h along a random v, in float32: exact for what is linear in x."""
    x = tf.placeholder(tf.float32, array.shape)
    y = build(x)
    weights = rng.normal(size=run(y, {x: array}).shape).astype(np.float32)
    total = tf.reduce_sum(y * tf.constant(weights))
    (slope,) = tf.gradients(total, x)
    v = rng.normal(size=array.shape).astype(np.float32)
    found, ahead, behind = run(slope, {x: array}), run(total, {x: array + step * v}), run(total, {x: array - step * v})
    difference = (float(ahead) - behind) / (2 * step)
    assert (found.astype(np.float64) * v).sum() == pytest.approx(difference, rel=2e-2, abs=2e-2)


@pytest.mark.parametrize("flags", [{}, {"align_corners": True}, {"half_pixel_centers": True}], ids=str)
@pytest.mark.parametrize("name", ["ResizeBilinear", "ResizeBicubic", "ResizeNearestNeighbor"])
@pytest.mark.parametrize("size", [(2, 3), (9, 11)])
def test_resizing_has_the_slope_of_its_taps(name, size, flags, rng):
    picture = rng.normal(size=(2, 4, 5, 2)).astype(np.float32)
    slope_agrees(lambda x: op_def(name)(x, list(size), **flags), picture, rng)


@pytest.mark.parametrize("kernel", ["lanczos3", "box", "keyscubic"])
def test_scaling_has_the_slope_of_its_taps(kernel, rng):
    picture = rng.normal(size=(1, 4, 5, 2)).astype(np.float32)
    scale = op_def("ScaleAndTranslate")
    slope_agrees(lambda x: scale(x, [6, 3], [1.5, 0.5], [0.3, -0.2], kernel_type=kernel), picture, rng)


@pytest.mark.parametrize("method", ["bilinear", "nearest"])
def test_crops_have_slopes_toward_pixels(method, rng):
    picture, boxes = rng.normal(size=(2, 5, 6, 2)).astype(np.float32), [[0.1, 0.2, 0.8, 0.9], [-0.3, 0.5, 1.2, 0.1]]
    slope_agrees(lambda x: op_def("CropAndResize")(x, boxes, [0, 1], [3, 4], method=method), picture, rng)


def test_crops_have_slopes_toward_corners(rng):
    picture = np.add.outer(np.arange(5) * 2.0, np.arange(6) * 3.0)[None, :, :, None].astype(np.float32)  # a plane
    boxes = np.array([[0.11, 0.23, 0.83, 0.94], [0.53, 0.67, 0.31, 0.47]], np.float32)  # between pixels
    slope_agrees(lambda b: op_def("CropAndResize")(picture, b, [0, 0], [3, 4]), boxes, rng)


@pytest.mark.parametrize("version", ["V2", "V3"])
def test_a_flipped_image_has_a_flipped_gradient(version, rng):
    mirror = [[-1.0, 0.0, 4.0, 0.0, 1.0, 0.0, 0.0, 0.0]]  # x -> 4 - x
    more = [0.0] if version == "V3" else []
    picture = rng.normal(size=(2, 3, 5, 2)).astype(np.float32)
    build = op_def(f"ImageProjectiveTransform{version}")
    slope_agrees(lambda x: build(x, mirror, [3, 5], *more, interpolation="NEAREST"), picture, rng)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_png_comes_back_as_it_went(channels, kind, interlaced, rng):
    picture = rng.integers(0, np.iinfo(kind).max, (9, 11, channels), dtype=kind, endpoint=True)
    data = png.encode(picture)
    if interlaced:
        data = _interlaced(picture)
    assert np.array_equal(png.decode(data).pixels, picture)


def _interlaced(picture):
    """The same picture in seven passes."""
    width = picture.shape[1]
    rows = b""
    for x, y, dx, dy in png._PASSES:
        for line in picture[y::dy, x::dx] if len(range(x, width, dx)) else ():
            rows += b"\0" + line.astype(line.dtype.newbyteorder(">")).tobytes()
    header = bytearray(png.encode(picture)[16:29])
    header[12] = 1
    parts = (b"IHDR", bytes(header)), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    return png.SIGNATURE + b"".join(png._chunk(*part) for part in parts)


@pillow
@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA"])
def test_png_of_others_is_read(mode, rng):
    from PIL import Image

    noise = rng.integers(0, 256, (9, 11, 4), dtype=np.uint8)
    picture = Image.fromarray(np.sort(noise, axis=1)).convert("RGB").convert(mode)
    if mode.endswith("A"):
        picture.putalpha(Image.fromarray(noise[..., 3]))
    file = io.BytesIO()
    picture.save(file, "PNG")
    wanted = np.asarray(picture.convert("RGB" if mode == "P" else "L" if mode == "1" else mode))
    assert np.array_equal(np.squeeze(png.decode(file.getvalue()).pixels), wanted)


def test_a_damaged_png_is_an_error():
    data = png.encode(np.zeros((4, 4, 3), np.uint8))
    for wrong in (data[:40], data[:20] + b"?" + data[21:], data[:-20]):
        with pytest.raises(tf.errors.InvalidArgumentError, match="Invalid PNG"):
            run(image.decode_png(wrong))


@pillow
def test_jpeg_keeps_what_it_can(rng):
    smooth = np.add.outer(np.arange(32) * 3, np.arange(40) * 2)[..., None] % 256 * np.ones(3)
    picture = smooth.clip(0, 255).astype(np.uint8)
    data = run(image.encode_jpeg(picture, quality=99, chroma_downsampling=False))
    assert np.abs(run(image.decode_jpeg(data)).astype(int) - picture).mean() < 3
    assert run(image.decode_jpeg(data, ratio=2)).shape == (16, 20, 3)
    assert run(image.decode_jpeg(data, channels=1)).shape == (32, 40, 1)
    assert run(op_def("ExtractJpegShape")(data)).tolist() == [32, 40, 3]
    assert run(op_def("DecodeImage")(data)).shape == (32, 40, 3)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Invalid JPEG data"):
        run(image.decode_jpeg(data[:200]))


@pillow
def test_every_frame_of_a_gif():
    from PIL import Image

    frames = [Image.fromarray(np.full((2, 3, 3), value, np.uint8)) for value in (0, 128, 255)]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    assert run(op_def("DecodeGif")(file.getvalue()))[:, 0, 0, 0].tolist() == [0, 128, 255]
    with pytest.raises(tf.errors.InvalidArgumentError, match="Got 3 frames"):
        run(image.decode_png(file.getvalue()))


def test_where_pillow_is_missing_the_error_names_the_extra(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(tf.errors.UnimplementedError, match=r"refflow\[images\]"):
        run(image.encode_jpeg(np.zeros((1, 1, 3), np.uint8)))


def test_boxes_must_be_of_images_that_exist():
    crop = op_def("CropAndResize")(np.zeros((1, 2, 2, 1), np.float32), [[0.0, 0.0, 1.0, 1.0]], [1], [1, 1])
    with pytest.raises(tf.errors.OutOfRangeError, match="box_index has values outside"):
        run(crop)


def test_soft_suppression_lowers_scores():
    boxes = [[0.0, 0, 1, 1], [0, 0, 1, 1], [0, 2, 1, 3]]
    kept, scores, count = run(list(op_def("NonMaxSuppressionV5")(boxes, [1.0, 0.9, 0.5], 3, 1.0, 0.0, 0.5)))
    assert kept.tolist() == [0, 2, 1] and count == 3
    np.testing.assert_allclose(scores, [1, 0.5, 0.9 * np.exp(-1)], rtol=1e-6)
