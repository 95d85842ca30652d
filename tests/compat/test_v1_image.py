"""refflow.compat.v1.image, and audio: colours, measures, boxes, sizes, worked by hand."""

import numpy as np
import pytest

import refflow.compat.v1 as tf

PICTURE = np.arange(24, dtype=np.float32).reshape(2, 4, 3)
RAMP = np.tile(np.arange(6, dtype=np.float32), (6, 1))[None, :, :, None]  # one more in each column
BOXES = np.float32([[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, 2, 1, 3]])
POINTS = np.float32([0.9, 0.75, 0.6])


def run(fetches):
    with tf.Session() as session:
        return session.run(fetches)


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda: tf.image.rgb_to_yuv([[[1.0, 1.0, 1.0]]]), [[[1, 0, 0]]]),
        (lambda: tf.image.yiq_to_rgb(tf.image.rgb_to_yiq(PICTURE)), PICTURE),
        (lambda: tf.image.adjust_gamma(np.float32([[[0.25]]]), 0.5, 2.0), [[[1]]]),
        (lambda: tf.image.adjust_gamma(np.uint8([[[51]]]), 2), [[[10]]]),
        (lambda: tf.image.convert_image_dtype(np.float32([[[-1, 0.5, 2]]]), tf.uint8, saturate=True),
         [[[0, 127, 255]]]),
        (lambda: tf.image.total_variation(PICTURE), 12 * 12 + 18 * 3),
        (lambda: tf.image.psnr(np.zeros((1, 1, 1), "f"), np.full((1, 1, 1), 0.1, "f"), 1.0), 20),
        (lambda: tf.image.ssim(RAMP, RAMP, 5.0, 3), [1]),
        (lambda: tf.image.ssim_multiscale(RAMP, RAMP, 5.0, (0.5, 0.5), 3), [1]),
        (lambda: tf.image.sobel_edges(RAMP)[0, 2, :, 0, :], [[0, 0]] + [[0, 8]] * 4 + [[0, 0]]),
        (lambda: tf.image.image_gradients(RAMP)[1][0, 0, :, 0], [1, 1, 1, 1, 1, 0]),
        (lambda: tf.image.crop_and_resize(RAMP, [[0, 0.2, 1, 0.6]], [0], [1, 3])[0, 0, :, 0], [1, 2, 3]),
        (lambda: tf.image.non_max_suppression(BOXES, POINTS, 3), [0, 2]),
        (lambda: tf.image.non_max_suppression(BOXES, POINTS, 3, score_threshold=0.7), [0]),
        (lambda: tf.image.non_max_suppression_padded(BOXES, POINTS, 3, pad_to_max_output_size=True)[0], [0, 2, 0]),
        (lambda: tf.image.flip_left_right(PICTURE[None])[0], PICTURE[:, ::-1]),
        (lambda: tf.image.rot90(PICTURE[None], 3)[0], np.rot90(PICTURE, 3)),
        (lambda: tf.image.transpose(PICTURE[None])[0], PICTURE.transpose(1, 0, 2)),
        (lambda: tf.image.resize_images(PICTURE, [4, 4], 1, preserve_aspect_ratio=True), PICTURE),
        (lambda: tf.image.resize_image_with_pad(PICTURE, 4, 4, 1)[:, 0, 0], [0, 0, 12, 0]),
        (lambda: tf.image.is_jpeg(tf.image.encode_jpeg(np.zeros((2, 2, 3), np.uint8))), True),
        (lambda: tf.image.decode_image(tf.image.encode_png(np.uint8(PICTURE))), PICTURE),
        (lambda: tf.image.extract_patches(PICTURE[None], [1, 2, 2, 1], [1, 2, 2, 1], [1, 1, 1, 1], "VALID")[0, 0, 1],
         PICTURE[:, 2:].ravel()),
    ],
)  # fmt: skip
def test_a_function_gives_what_was_worked_by_hand(build, expected):
    np.testing.assert_allclose(run(build()), expected, rtol=1e-4, atol=2e-3)


def test_sound_comes_back_from_its_file():
    wave = np.float32([[0.5], [-0.25], [0.0]])
    found, rate = run(list(tf.audio.decode_wav(tf.audio.encode_wav(wave, 8000), desired_channels=1)))
    np.testing.assert_allclose(found, wave, atol=1e-4)
    assert rate == 8000


def test_a_box_by_lot_lies_in_the_image_and_covers_enough():
    begin, size, box = run(tf.image.sample_distorted_bounding_box([10, 20, 3], [[[0.2, 0.2, 0.8, 0.8]]], 1, 2, 0.5))
    assert (begin >= 0).all() and begin[0] + size[0] <= 10 and begin[1] + size[1] <= 20 and size[2] == -1
    end = begin + size
    np.testing.assert_allclose(box[0, 0], [begin[0] / 10, begin[1] / 20, end[0] / 10, end[1] / 20])


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: tf.image.adjust_gamma(PICTURE, -1), "non-negative"),
        (lambda: tf.image.total_variation(PICTURE[0]), "3 or 4-dimensional"),
        (lambda: tf.image.image_gradients(PICTURE), "expects a 4D tensor"),
        (lambda: tf.image.flip_up_down(PICTURE[0]), "must have either 3 or 4 dimensions"),
        (lambda: tf.image.resize_image_with_pad(PICTURE, 0, 4), "must be > 0"),
        (lambda: tf.image.random_jpeg_quality(PICTURE, 50, 20), "must be less than"),
        (lambda: tf.image.psnr(PICTURE, PICTURE[:, :2], 1.0), "incompatible"),
    ],
)
def test_what_makes_no_sense_is_told_when_it_is_built(build, text):
    with pytest.raises(ValueError, match=text):
        build()


def test_images_whose_size_comes_late_are_cut_and_framed():
    """As a decoded file is; what does not fit is told of when it runs."""
    x = tf.placeholder(tf.float32, [None, None, 1])
    image = np.arange(12.0).reshape(3, 4, 1)
    found = [
        tf.image.central_crop(x, 0.5), tf.image.crop_to_bounding_box(x, 1, 2, 2, 2),
        tf.image.pad_to_bounding_box(x, 1, 0, 4, 5), tf.image.resize_image_with_crop_or_pad(x, 1, 6),
    ]  # fmt: skip
    assert [f.get_shape().as_list() for f in found[1:]] == [[2, 2, 1], [4, 5, 1], [1, 6, 1]]
    with tf.Session() as session:
        middle, box, framed, line = session.run(found, {x: image})
        assert middle[..., 0].tolist() == [[1, 2], [5, 6], [9, 10]]
        assert box[..., 0].tolist() == [[6, 7], [10, 11]]
        assert framed[1:, :4].tolist() == image.tolist() and framed.sum() == image.sum()
        assert line[0, :, 0].tolist() == [0, 4, 5, 6, 7, 0]
        with pytest.raises(tf.errors.InvalidArgumentError, match="height must be >= target"):
            session.run(found[1], {x: image[:2]})
    with pytest.raises(ValueError, match="width must be <= target - offset"):
        tf.image.pad_to_bounding_box(image, 0, 3, 5, 5)


def test_each_image_of_a_batch_is_turned_by_itself():
    images = np.arange(800.0, dtype=np.float32).reshape(100, 2, 4, 1)
    with tf.Session() as session:
        turned = session.run(tf.image.random_flip_left_right(tf.constant(images), seed=1))
    ways = [(t == i[:, ::-1]).all() + 2 * (t == i).all() for t, i in zip(turned, images, strict=True)]
    assert set(ways) == {1, 2} and 30 < ways.count(1) < 70
