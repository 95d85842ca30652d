"""tf.image: pictures turned, cut, resized and recoloured, against NumPy."""

import importlib.util

import numpy as np
import pytest

import refflow as tf
from refflow import image

pillow = pytest.mark.skipif(importlib.util.find_spec("PIL") is None, reason="needs Pillow")


def run(tensors, feeds=None):
    with tf.Session() as session:
        return session.run(tensors, feeds)


PICTURE = np.arange(24, dtype=np.float32).reshape(2, 4, 3)


def test_an_image_turned():
    assert np.array_equal(run(image.flip_up_down(PICTURE)), PICTURE[::-1])
    assert np.array_equal(run(image.flip_left_right(PICTURE)), PICTURE[:, ::-1])
    assert np.array_equal(run(image.transpose_image(PICTURE)), PICTURE.transpose(1, 0, 2))


def test_an_image_turned_at_random():
    flipped = image.random_flip_up_down(PICTURE, seed=1)
    with tf.Session() as session:
        rows = [session.run(flipped)[0, 0, 0] for _ in range(40)]
    assert set(rows) == {0, 12}
    assert 5 < rows.count(0) < 35


def test_an_image_cut_and_padded():
    assert np.array_equal(run(image.crop_to_bounding_box(PICTURE, 0, 1, 2, 2)), PICTURE[:, 1:3])
    padded = run(image.pad_to_bounding_box(PICTURE, 1, 2, 4, 7))
    assert padded.shape == (4, 7, 3) and np.array_equal(padded[1:3, 2:6], PICTURE) and padded.sum() == PICTURE.sum()
    both = image.resize_image_with_crop_or_pad(PICTURE, 4, 2)
    assert both.get_shape().as_list() == [4, 2, 3]
    assert np.array_equal(run(both)[1:3], PICTURE[:, 1:3])


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: image.crop_to_bounding_box(PICTURE, 0, 3, 2, 2), "width must be >= target"),
        (lambda: image.pad_to_bounding_box(PICTURE, 0, 0, 1, 4), "height must be <= target - offset"),
        (lambda: image.crop_to_bounding_box(PICTURE, 0, 0, 0, 2), "target_height must be > 0"),
        (lambda: image.flip_up_down(tf.placeholder(tf.float32)), "fully defined"),
        (lambda: image.resize_images(np.zeros((2, 2), np.float32), 1, 1), "3 or 4 dimensions"),
        (lambda: image.random_brightness(PICTURE, -1.0), "max_delta"),
        (lambda: image.random_contrast(PICTURE, 2.0, 1.0), "upper must be > lower"),
        (lambda: image.random_hue(PICTURE, 0.6), "max_delta must be <= 0.5"),
    ],
)
def test_what_makes_no_sense_is_an_error(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_images_resized():
    assert run(image.resize_images(PICTURE, 4, 8)).shape == (4, 8, 3)
    assert run(image.resize_images(PICTURE[None], 1, 2, image.ResizeMethod.AREA)).shape == (1, 1, 2, 3)
    nearest = run(image.resize_images(PICTURE.astype(np.uint8), 4, 8, image.ResizeMethod.NEAREST_NEIGHBOR))
    assert nearest.dtype == np.uint8 and np.array_equal(nearest, PICTURE.repeat(2, 0).repeat(2, 1))
    assert run(image.random_crop(PICTURE, [1, 2], seed=3)).shape == (1, 2, 3)


def test_types_keep_black_and_white():
    white = np.array([[[0, 255]]], np.uint8)
    assert run(image.convert_image_dtype(white, tf.float32)).tolist() == [[[0, 1]]]
    assert run(image.convert_image_dtype(white, tf.int16)).tolist() == [[[0, 255 * 128]]]
    assert run(image.convert_image_dtype(np.array([[[0, 0.5, 1]]], np.float32), tf.uint8)).tolist() == [[[0, 127, 255]]]
    assert run(image.convert_image_dtype(np.array([[[32767]]], np.int16), tf.uint8)).tolist() == [[[255]]]


def test_brightness_and_contrast():
    bytes_ = np.array([[[0], [100]], [[200], [255]]], np.uint8)
    assert run(image.adjust_brightness(bytes_, 60.4)).reshape(-1).tolist() == [60, 160, 255, 255]
    assert run(image.adjust_contrast(bytes_, 2.0)).reshape(-1).tolist() == [0, 61, 255, 255]
    white = run(image.per_image_whitening(PICTURE))
    assert abs(white.mean()) < 1e-6 and white.std() == pytest.approx(1, rel=1e-5)
    assert np.isfinite(run(image.per_image_whitening(np.full((2, 2, 3), 9.0, np.float32)))).all()
    assert run(image.random_brightness(PICTURE, 1.0, seed=1)).shape == PICTURE.shape
    assert run(image.random_contrast(PICTURE, 0.5, 1.5, seed=1)).shape == PICTURE.shape


def test_colours():
    red = np.array([[[255, 0, 0]]], np.uint8)
    assert run(image.adjust_hue(red, 1 / 3)).tolist() == [[[0, 255, 0]]]
    assert run(image.adjust_saturation(red, 0.0)).tolist() == [[[255, 255, 255]]]
    assert run(image.rgb_to_grayscale(red)).tolist() == [[[76]]]
    grey = image.grayscale_to_rgb(np.array([[[7]]], np.uint8))
    assert grey.get_shape().as_list() == [1, 1, 3] and run(grey).tolist() == [[[7, 7, 7]]]
    assert run(image.random_hue(red, 0.1, seed=1)).shape == run(image.random_saturation(red, 0.5, 2.0, seed=1)).shape
    hsv = run(image.rgb_to_hsv(np.array([[0.2, 0.4, 0.6]], np.float32)))
    np.testing.assert_allclose(run(image.hsv_to_rgb(hsv)), [[0.2, 0.4, 0.6]], rtol=1e-6)


def test_the_package_is_there_by_name():
    assert tf.image is image


def test_png_and_back(rng):
    picture = rng.integers(0, 256, (5, 4, 3)).astype(np.uint8)
    data = tf.image.encode_png(picture, 9)
    assert run(data).startswith(b"\x89PNG") and np.array_equal(run(tf.image.decode_png(data)), picture)
    grey = tf.image.decode_png(data, channels=1)
    assert grey.get_shape().as_list() == [None, None, 1]
    np.testing.assert_allclose(run(grey)[..., 0], picture @ [0.299, 0.587, 0.114], atol=1)


@pillow
def test_jpeg_and_nearly_back():
    y, x = np.mgrid[:32, :40]
    picture = np.stack([4 * y, 6 * x, 3 * (x + y)], 2).astype(np.uint8)
    data = tf.image.encode_jpeg(picture, quality=97, chroma_downsampling=False)
    again = run(tf.image.decode_jpeg(data))
    assert again.shape == picture.shape and abs(again.astype(int) - picture).max() < 12
    assert run(tf.image.decode_jpeg(data, 1, 2)).shape == (16, 20, 1)
    assert len(run(tf.image.encode_jpeg(picture, quality=30))) < len(run(data))


def test_a_mirror_held_up_half_of_the_time():
    flipped = tf.image.random_flip_left_right(PICTURE, seed=2)
    with tf.Session() as session:
        firsts = [session.run(flipped)[0, 0, 0] for _ in range(40)]
    assert set(firsts) == {0, 9} and 5 < firsts.count(0) < 35


def test_a_crop_is_a_window_and_all_places_come():
    window = tf.image.random_crop(PICTURE, [1, 2], seed=3)
    with tf.Session() as session:
        found = [session.run(window) for _ in range(60)]
    places = {(int(w[0, 0, 0]) // 12, int(w[0, 0, 0]) % 12 // 3) for w in found}
    assert all(np.array_equal(w, PICTURE[y : y + 1, x : x + 2]) for w in found
               for y, x in [(int(w[0, 0, 0]) // 12, int(w[0, 0, 0]) % 12 // 3)])  # fmt: skip
    assert places == {(y, x) for y in range(2) for x in range(3)}


def test_sizes_by_each_method():
    small = np.array([[[[0.0], [4.0]]]], np.float32)
    assert run(tf.image.resize_bilinear(small, [1, 4])).reshape(-1).tolist() == [0, 2, 4, 4]
    assert run(tf.image.resize_nearest_neighbor(small, [1, 4])).reshape(-1).tolist() == [0, 0, 4, 4]
    assert run(tf.image.resize_area(small, [1, 1])).reshape(-1).tolist() == [2]
    bicubic = run(tf.image.resize_bicubic(small, [1, 4])).reshape(-1)
    assert bicubic[[0, 2]].tolist() == [0, 4] and bicubic[1] == pytest.approx(2, abs=0.3)
    back = run(tf.image.resize_nearest_neighbor_grad(np.ones((1, 1, 4, 1), np.float32), [1, 2]))
    assert back.reshape(-1).tolist() == [2, 2]


def test_a_glimpse_is_a_window_around_an_offset():
    grid = np.arange(25, dtype=np.float32).reshape(1, 5, 5, 1)
    middle = tf.image.extract_glimpse(grid, [3, 3], [[0.0, 0.0]])
    assert np.array_equal(run(middle)[0, ..., 0], grid[0, 1:4, 1:4, 0])
    corner = run(tf.image.extract_glimpse(grid, [2, 2], [[1.0, 1.0]], centered=False, normalized=False))
    assert np.array_equal(corner[0, ..., 0], grid[0, 0:2, 0:2, 0])  # [1, 1] is the middle of the window


def test_random_colours_stay_in_their_range():
    picture = np.full((2, 2, 3), [200, 100, 50], np.uint8)
    hue, strength = tf.image.random_hue(picture, 0.2, seed=4), tf.image.random_saturation(picture, 0.2, 0.5, seed=4)
    light, contrast = tf.image.random_brightness(picture, 30.0, seed=4), tf.image.random_contrast(picture, 0.5, 2, 4)
    with tf.Session() as session:
        for _ in range(10):
            h, s, b, c = session.run([hue, strength, light, contrast])
            assert abs(int(h.max()) - 200) <= 1 and abs(int(h.min()) - 50) <= 1  # value and saturation stay
            assert s[0, 0, 0] == 200 and 120 <= s[0, 0, 2] <= 170
            assert np.ptp(b.astype(int) - picture) == 0 and abs(int(b[0, 0, 0]) - 200) <= 30
            assert np.array_equal(c, picture)  # each channel is its own mean
