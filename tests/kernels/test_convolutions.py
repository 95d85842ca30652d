"""What is special to convolutions on a card: which road a shape takes, that both roads agree, and sums in pieces."""

import numpy as np
import pytest

import refflow as tf
from refflow.runtime.device import Device
from refflow_kernels.gpu import KERNELS, conv_boxes
from refflow_kernels.gpu.windows import Axis, backward_walks
from tests.kernels.samples import SAMPLES, assert_within, reference
from tests.kernels.test_gpu_device import simulated_gpu
from tests.kernels.test_interpreted import launch

OPS = [op_type for op_type in KERNELS if op_type.startswith("Conv")]
STEP = {"strides": [1, 1, 1, 1], "padding": "SAME", "data_format": "NHWC", "dilations": [1, 1, 1, 1]}


@pytest.mark.parametrize("op_type", OPS)
def test_boxes_and_pointers_agree(op_type, rng, monkeypatch):
    """Where channels come in pieces of 16 bytes the samples go by boxes; here they go by pointers as well."""
    boxed = []
    for name in ("conv", "conv_to_filter"):
        by_boxes = getattr(conv_boxes, name)
        monkeypatch.setattr(conv_boxes, name, lambda *a, by_boxes=by_boxes: boxed.append(by_boxes(*a)) and False)
    for inputs, attrs, bounds in SAMPLES[op_type](rng, "float32"):
        if min(x.shape[-1] for x in inputs if x.ndim > 1) >= 36:
            wanted = reference(op_type, inputs, attrs)
            assert_within(launch(op_type, inputs, attrs, wanted), wanted, bounds, "float32")
    assert any(boxed)


@pytest.mark.parametrize("op_type", ["Conv2D", "Conv2DBackpropInput"])
@pytest.mark.parametrize("boxes", [True, False])
def test_the_sum_of_one_small_image_is_cut_and_added_in_order(op_type, boxes, rng, monkeypatch):
    """By pointers it is not cut, though there is a workspace: that is decided by shapes alone."""
    if not boxes:
        monkeypatch.setattr(conv_boxes, "conv", lambda *arguments: 0)
    x = rng.normal(size=(1, 5, 6, 72)).astype(np.float32)
    w = rng.normal(size=(3, 3, 72, 72)).astype(np.float32)
    inputs = (x, w) if op_type == "Conv2D" else (np.array(x.shape, np.int32), w, x)
    shape, _ = KERNELS[op_type].workspace(inputs, **STEP)
    assert shape == (4, 5, 6, 72)
    wanted = reference(op_type, inputs, STEP | {"explicit_paddings": []})
    bound = reference(op_type, [np.abs(i) for i in inputs], STEP | {"explicit_paddings": []})[0] * 650 * 2.0**-24
    first = launch(op_type, inputs, STEP, wanted)
    assert_within(first, wanted, (bound,), "float32")
    assert first[0].tobytes() == launch(op_type, inputs, STEP, wanted)[0].tobytes()


@pytest.mark.parametrize("channels", [3, 16])
def test_dw_over_many_places_is_cut_and_added_in_order(channels, rng):
    x = rng.normal(size=(2, 28, 20, channels)).astype(np.float32)
    dy = rng.normal(size=(2, 28, 20, 24)).astype(np.float32)
    inputs = (x, np.array([2, 2, channels, 24], np.int32), dy)
    pieces, *_ = KERNELS["Conv2DBackpropFilter"].workspace(inputs, **STEP)[0]
    assert pieces == 2
    wanted = reference("Conv2DBackpropFilter", inputs, STEP | {"explicit_paddings": []})
    size = reference("Conv2DBackpropFilter", (np.abs(x), inputs[1], np.abs(dy)), STEP | {"explicit_paddings": []})
    first = launch("Conv2DBackpropFilter", inputs, STEP, wanted)
    assert_within(first, wanted, (1122 * 2.0**-24 * size[0],), "float32")
    assert first[0].tobytes() == launch("Conv2DBackpropFilter", inputs, STEP, wanted)[0].tobytes()


@pytest.mark.parametrize("op_type", ["Conv2D", "Conv2DBackpropInput"])
def test_a_program_takes_several_tiles(op_type, rng, monkeypatch):
    """One processor holds three programs, for twelve tiles."""
    monkeypatch.setattr(conv_boxes, "PROCESSORS", 1)
    monkeypatch.setattr(conv_boxes, "options_for", lambda shape, bits: conv_boxes._Options(64, 64, 4, 3, 3))
    x = rng.normal(size=(1, 24, 32, 40)).astype(np.float32)
    w = rng.normal(size=(2, 2, 40, 40)).astype(np.float32)
    inputs = (x, w) if op_type == "Conv2D" else (np.array(x.shape, np.int32), w, x)
    wanted = reference(op_type, inputs, STEP | {"explicit_paddings": []})
    bound = reference(op_type, [np.abs(i) for i in inputs], STEP | {"explicit_paddings": []})[0] * 162 * 2.0**-24
    assert_within(launch(op_type, inputs, STEP, wanted), wanted, (bound,), "float32")


def test_a_box_leaves_as_little_outside_as_can_be():
    assert conv_boxes.box_for((64, 1, 56, 56), 256) == (4, 1, 8, 8)
    assert conv_boxes.box_for((1, 1, 7, 100), 64) == (1, 1, 8, 8)


@pytest.mark.parametrize("axis", [Axis(11, 3, 2, 1, 6, 1), Axis(9, 4, 3, 2, 3, 2), Axis(8, 3, 2, 4, 4, 4)])
def test_the_classes_of_dx_meet_each_tap_of_each_window_once(axis):
    """Cell i took part in result o through tap p exactly where o * stride + p * dilation - before = i."""
    met = set()
    for walk in backward_walks(axis):
        places = range(axis.k)[walk.places]
        for j, cell in enumerate(range(axis.size)[walk.cells]):
            for q, p in enumerate(places):
                o = j * walk.stride + q * walk.shift + walk.start
                if 0 <= o < axis.out:
                    assert o * axis.stride + p * axis.dilation - axis.before == cell
                    met.add((o, p))
    cells = {(o, p): o * axis.stride + p * axis.dilation - axis.before for o in range(axis.out) for p in range(axis.k)}
    assert met == {key for key, cell in cells.items() if 0 <= cell < axis.size}


def test_a_net_of_convolutions_learns_alike_on_the_card(rng):  # [W22, W74]
    """Both gradients, a stride, and a result that boxes fill; the card is simulated."""
    x = rng.normal(size=(2, 8, 8, 3)).astype(np.float32)
    first, second = (rng.normal(size=s).astype(np.float32) for s in ((3, 3, 3, 36), (3, 3, 36, 40)))

    def losses(**options):
        with tf.Graph().as_default():
            v, w = tf.Variable(first), tf.Variable(second)
            hidden = tf.nn.relu(tf.nn.conv2d(tf.constant(x), v, [1, 1, 1, 1], "SAME"))
            loss = tf.reduce_mean(tf.square(tf.nn.conv2d(hidden, w, [1, 2, 2, 1], "SAME")))
            step = tf.train.GradientDescentOptimizer(1e-3).minimize(loss)
            with tf.Session(allow_soft_placement=True, **options) as session:
                session.run(tf.initialize_all_variables())
                found = [session.run([loss, step])[0] for _ in range(3)]
                rows = session.stages(session.signature([loss, step])).placement
            return found, {row.op_type: row.device[-5:] for row in rows if row.op_type.startswith("Conv2D")}

    wanted, _ = losses()
    got, where = losses(devices=[Device(0), simulated_gpu()])
    np.testing.assert_allclose(got, wanted, rtol=1e-5)
    assert set(where) == set(OPS[:3]) and set(where.values()) == {"gpu:0"}


def test_a_precision_that_is_none_is_refused(rng):
    x = rng.normal(size=(1, 4, 4, 2)).astype(np.float32)
    w = rng.normal(size=(2, 2, 2, 3)).astype(np.float32)
    wanted = [np.zeros((1, 4, 4, 3), np.float32)]
    with pytest.raises(ValueError, match="precision is 'half', but there are tf32x3, ieee, tf32"):
        launch("Conv2D", (x, w), STEP | {"precision": "half"}, wanted)
