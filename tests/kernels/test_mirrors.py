"""Mirror images on a card: what the page refuses is refused in its words, and slopes come back through them."""

import numpy as np
import pytest

from refflow.core.registry import op_def
from refflow_kernels.gpu.mirrors import mirror_pad, mirror_pad_grad
from refflow_kernels.interpreter import Memory


@pytest.mark.parametrize(("mode", "around"), [("REFLECT", [[0, 0], [1, 3]]), ("SYMMETRIC", [[3, 0], [0, 0]])])
@pytest.mark.parametrize(("kernel", "op"), [(mirror_pad, "MirrorPad"), (mirror_pad_grad, "MirrorPadGrad")])
def test_a_frame_wider_than_its_picture_is_refused_in_the_page_s_words(kernel, op, mode, around):
    inner, outer = (2, 3), tuple(n + a + b for n, (a, b) in zip((2, 3), around, strict=True))
    given, out = (inner, outer) if op == "MirrorPad" else (outer, inner)
    x, paddings = np.ones(given, np.float32), np.array(around, np.int32)
    with pytest.raises(ValueError) as told:
        kernel(Memory.of(x), paddings, mode, out=Memory.empty(out, np.float32))
    with pytest.raises(ValueError) as wanted:
        op_def(op).reference(x, paddings, mode=mode)
    assert str(told.value) == str(wanted.value)


def test_a_slope_is_the_transpose_of_what_is_seen(rng):
    paddings = np.array([[1, 1], [0, 0], [2, 0]], np.int32)
    x, dy = rng.normal(size=(3, 2, 4)).astype(np.float32), rng.normal(size=(5, 2, 6)).astype(np.float32)
    y, dx = Memory.empty(dy.shape, np.float32), Memory.empty(x.shape, np.float32)
    mirror_pad(Memory.of(x), paddings, "REFLECT", out=y)
    mirror_pad_grad(Memory.of(dy), paddings, "REFLECT", out=dx)
    np.testing.assert_allclose((y.array * dy).sum(), (x * dx.array).sum(), rtol=1e-5)
    assert y.guard_is_whole() and dx.guard_is_whole()


def test_five_frames_apart_are_refused():
    x = Memory.of(np.ones([2] * 5, np.float32))
    with pytest.raises(ValueError, match="5 groups of axes .* are mirrored apart; 4 can be"):
        mirror_pad(x, [[1, 1]] * 5, "REFLECT", out=Memory.empty([4] * 5, np.float32))
