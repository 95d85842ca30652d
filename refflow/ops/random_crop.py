"""Parts of images at random, and the stream of random words that such ops take from [W06, W72].

Next: ops/glimpse.py.
"""

from __future__ import annotations

import numpy as np

from refflow.core import errors, shapes
from refflow.core.dtypes import float32, float64, int8, int16, int32, int64, uint8
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_checks import need_rank
from refflow.core.shape_rules import ShapeContext
from refflow.ops.philox import PhiloxStream


class SampleStream(PhiloxStream):
    """A stream whose runs take words one by one, not a region for each element."""

    def take(self, blocks: int) -> SampleWords:
        with self._lock:
            first, self.next_block = self.next_block, self.next_block + blocks
        return SampleWords(self, first)


class SampleWords:
    """One run's words, in order."""

    def __init__(self, stream: PhiloxStream, first: int):
        self._stream, self._block, self._words = stream, first, [0] * 0

    def word(self) -> int:
        if not self._words:
            self._words = self._stream.words(np.zeros(1, np.uint64), self._block)[0].tolist()
            self._block += 1
        return self._words.pop(0)

    def long(self) -> int:
        low = self.word()
        return low | self.word() << 32

    def unit(self) -> np.float32:
        """A number in [0, 1)."""
        return np.float32((self.word() & 0x7FFFFF) / 0x800000)

    def below(self, n: int) -> int:
        """A whole number in [0, n), all equally likely."""
        if n & (n - 1) == 0:
            return self.word() & (n - 1) & 0xFFFFFFFF
        surplus = 0xFFFFFFFF % n + 1
        found = self.word()
        while found < surplus:
            found = self.word()
        return found % n


RANDOM_CROP = define_op(
    "RandomCrop", "image: T, size: int64 -> output: T", T=(uint8, int8, int16, int32, int64, float32, float64), seed=0,
    seed2=0, stateful=True, source=("W06", "W72"), accuracy="random",
)  # fmt: skip
RANDOM_CROP.state(SampleStream)
RANDOM_CROP.no_gradient()


@RANDOM_CROP.kernel
def random_crop_kernel(image, size, state):
    wanted = [int(v) for v in size]
    for name, have, want in zip(("height", "width"), image.shape, wanted, strict=False):
        if want < 0:
            raise ValueError(f"{name} must be non-negative: {name} = {want}")
        if have < want:
            raise errors.FailedPreconditionError(
                None, None, f"{name} must be >= target_{name}: {name} = {have}, target_{name} = {want}"
            )
    if list(image.shape[:2]) == wanted:
        return image.copy()
    words = state.take(1)
    at = [words.long() % (have - want + 1) if have > want else 0
          for have, want in zip(image.shape, wanted, strict=False)]  # fmt: skip
    return image[at[0] : at[0] + wanted[0], at[1] : at[1] + wanted[1]].copy()


@RANDOM_CROP.shape
def _random_crop_shape(context: ShapeContext) -> shapes.Shape:
    image, size = context.dims("image"), context.dims("size")
    need_rank(image, 3, "input must be 3-dimensional{0}")
    need_rank(size, 1, "shape_t must be 1-dimensional{0}")
    if size is not None and size[0] not in (None, 2):
        raise ShapeError(f"shape_t must have two elements{shapes.text(size)}")
    wanted = context.ints("size")
    h, w = (None, None) if wanted is None else (v if v >= 0 else None for v in wanted)
    return h, w, None if image is None else image[2]
