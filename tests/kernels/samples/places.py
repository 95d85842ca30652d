"""Elements that come to other places: axes walked from their end, blocks of pixels, indices of several numbers."""

import numpy as np

from tests.kernels.samples.bounds import gamma, normal, some
from tests.kernels.samples.copies import ints


def reversed_by_truths(rng, dtype):
    for shape, dims in [((5,), [True]), ((3, 4), [False, True]), ((3, 4), [True, True]), ((), []),
                        ((0, 2), [True, False]), ((2, 3, 4, 8), [True, False, True, False])]:  # fmt: skip
        yield (some(rng, shape, dtype), np.array(dims, bool)), {}, (0.0,)


def reversed_by_axes(rng, dtype):
    """Up to more groups of axes than a copy walks in one launch."""
    for shape, axis in [((5,), [0]), ((3, 8), [-1]), ((3, 8), [0]), ((3, 4), [0, 1]), ((3, 4), []), ((), []),
                        ((2, 5, 3, 4), [0, -2]), ((2, 3, 2, 3, 2, 5), [0, 2, 4]), ((30, 70), [0])]:  # fmt: skip
        yield (some(rng, shape, dtype), ints(*axis)), {}, (0.0,)


def rolled(rng, dtype):
    for shape, shift, axis in [((5,), 2, 0), ((5,), -7, 0), ((3, 8), [1, 3], [0, 1]), ((3, 8), [1, 2], [1, -1]),
                               ((2, 3, 8), [1], [1]), ((4, 5), [0], [0]), ((0, 3), [1], [0])]:  # fmt: skip
        yield (some(rng, shape, dtype), np.array(shift, np.int32), np.array(axis, np.int32)), {}, (0.0,)


def reversed_sequences(rng, dtype):
    for shape, seq, batch in [((3, 5), 1, 0), ((5, 3, 4), 0, 1), ((2, 4, 3, 5), 3, 1), ((2, 4, 3, 5), 0, 2),
                              ((0, 3), 1, 0)]:  # fmt: skip
        lengths = rng.integers(0, shape[seq] + 1, shape[batch]).astype(np.int32)
        yield (some(rng, shape, dtype), lengths), {"seq_dim": seq, "batch_dim": batch}, (0.0,)


DEEP = [((2, 4, 6, 3), 2), ((1, 6, 3, 8), 3), ((0, 2, 2, 1), 2)]


def into_depth(rng, dtype):
    for shape, block in DEEP:
        x = some(rng, shape, dtype)
        for layout in ("NHWC", "NCHW"):
            given = np.ascontiguousarray(np.moveaxis(x, -1, 1)) if layout == "NCHW" else x
            yield (given,), {"block_size": block, "data_format": layout}, (0.0,)


def out_of_depth(rng, dtype):
    for (n, h, w, c), b in DEEP:
        x = some(rng, (n, h // b, w // b, b * b * c), dtype)
        for layout in ("NHWC", "NCHW"):
            given = np.ascontiguousarray(np.moveaxis(x, -1, 1)) if layout == "NCHW" else x
            yield (given,), {"block_size": b, "data_format": layout}, (0.0,)


BLOCKS = [((2, 4, 6, 3), [2, 2], [[0, 0], [0, 0]]), ((1, 5, 4, 8), [2, 3], [[1, 0], [0, 2]]), ((2, 5), [3], [[2, 2]]),
          ((1, 3, 3, 2), [2, 2], [[2, 3], [3, 0]]), ((2, 2, 3, 4, 2), [2, 1, 2], [[0, 0], [1, 0], [1, 1]])]  # fmt: skip


def _whole(shape, block, frame):
    return [size + a + b for size, (a, b) in zip(shape[1 : 1 + len(block)], frame, strict=True)]


def into_batch(rng, dtype):
    for shape, block, frame in BLOCKS:
        yield (some(rng, shape, dtype), ints(*block), ints(*frame)), {}, (0.0,)


def out_of_batch(rng, dtype):
    for shape, block, frame in BLOCKS:
        own = [size // b for size, b in zip(_whole(shape, block, frame), block, strict=True)]
        given = (shape[0] * int(np.prod(block)), *own, *shape[1 + len(block) :])
        yield (some(rng, given, dtype), ints(*block), ints(*frame)), {}, (0.0,)


def square(samples):
    """Of images and square blocks alone, whose size is an attribute."""

    def found(rng, dtype):
        for (x, block, frame), _, bounds in samples(rng, dtype):
            if x.ndim == 4 and block.tolist() == [2, 2]:
                yield (x, frame), {"block_size": 2}, bounds

    return found


SEVERAL = [((4, 5), (6, 2), ()), ((4, 5), (3, 1), (5,)), ((4, 5, 3), (2, 2, 2), (3,)), ((4, 40), (0, 1), (40,))]


def _indices(rng, shape, of):
    return np.stack([rng.integers(0, size, of[:-1]) for size in shape[: of[-1]]], axis=-1).astype(np.int32)


def gathers_nd(rng, dtype):
    for shape, of, _ in [*SEVERAL, ((3, 4, 5), (7, 3), ()), ((4, 5), (2,), ()), ((3, 2), (2, 0), (3, 2))]:
        indices = _indices(rng, shape, of) if of[-1] else np.zeros(of, np.int32)
        yield (some(rng, shape, dtype), indices), {}, (0.0,)


def _sums(rng, dtype, base, more=()):
    """Updates at places of which some come several times: as many sums as that, in their order."""
    for shape, of, rest in [*SEVERAL, *more]:
        indices, updates = _indices(rng, shape, of), normal(rng, (*of[:-1], *rest), dtype)
        size = np.abs(base(rng, shape, dtype)).astype(np.float64)
        np.add.at(size, tuple(np.moveaxis(indices, -1, 0)), np.abs(updates).astype(np.float64))
        count = int(np.prod(of[:-1])) + 1
        yield shape, indices, updates, (gamma(count, dtype) + np.finfo(dtype).eps * count) * size


def scatters_nd(rng, dtype):
    many = [((2, 3), (150, 2), ())]
    for shape, indices, updates, bound in _sums(rng, dtype, lambda rng, shape, dtype: np.zeros(shape), many):
        yield (indices, updates, np.array(shape, np.int32)), {}, (bound,)


def changes_nd(kind):
    def samples(rng, dtype):
        kept = []

        def base(rng, shape, dtype):
            kept.append(normal(rng, shape, dtype))
            return kept[-1]

        for _, indices, updates, bound in _sums(rng, dtype, base):
            yield (kept[-1], indices, updates), {}, (bound if kind in ("Add", "Sub") else 0.0,)
        x = normal(rng, (6, 3), dtype)  # a vector is as many numbers of rows
        yield (x, ints(4, 0, 1), normal(rng, (3, 3), dtype)), {}, (0.0,)

    return samples


def among_the_largest(rng, dtype, version=1):
    """Also targets that are no class, and rows that are not finite."""
    for shape, k in [((5, 7), 3), ((40, 3), 1), ((4, 3000), 50), ((0, 3), 1), ((3, 4), 0), ((6, 2), 9)]:
        x = np.round(2 * normal(rng, shape, dtype)) / 2
        targets = rng.integers(0, shape[1], shape[0]).astype(np.int64)
        if x.shape[0] > 4:
            x[1, 0], targets[2], targets[3] = np.nan, -1, shape[1]
        attrs = {"k": k} if version == 1 else {}
        yield (x, targets) if version == 1 else (x, targets, np.array(k, np.int64)), attrs, (0.0,)


def among_the_largest_v2(rng, dtype):
    return among_the_largest(rng, dtype, 2)


SAMPLES = {
    "Reverse": reversed_by_truths, "ReverseV2": reversed_by_axes, "Roll": rolled, "ReverseSequence": reversed_sequences,
    "SpaceToDepth": into_depth, "DepthToSpace": out_of_depth, "SpaceToBatchND": into_batch,
    "BatchToSpaceND": out_of_batch, "SpaceToBatch": square(into_batch), "BatchToSpace": square(out_of_batch),
    "GatherNd": gathers_nd, "ScatterNd": scatters_nd, "ScatterNdNonAliasingAdd": changes_nd("Add"),
    **{f"{op}{kind}": changes_nd(kind) for op in ("TensorScatter", "ScatterNd")
       for kind in ("Add", "Sub", "Min", "Max", "Update")},
    "InTopK": among_the_largest, "InTopKV2": among_the_largest_v2,
}  # fmt: skip
