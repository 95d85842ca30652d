"""Pieces of arrays, parts by number, and one place for each index."""

import numpy as np

from tests.kernels.samples.bounds import reference, some, unit

PLAIN = {"begin_mask": 0, "end_mask": 0, "ellipsis_mask": 0, "new_axis_mask": 0, "shrink_axis_mask": 0}


def ints(*values):
    return np.array(values, np.int32)


def slices(rng, dtype):
    for shape, begin, size in [((7,), [2], [3]), ((5, 6), [1, 0], [2, -1]), ((3, 4, 8), [0, 1, 0], [3, 2, 8]),
                               ((), [], []), ((2, 5, 16), [1, 2, 8], [1, 3, 8]), ((4, 3), [4, 0], [0, 3]),
                               ((2, 3, 4, 5), [1, 0, 2, 1], [1, 2, 2, 3])]:  # fmt: skip
        yield (some(rng, shape, dtype), ints(*begin), ints(*size)), {}, (0.0,)


def strided(rng, dtype):
    for shape, begin, end, by, masks in [
        ((7,), [1], [6], [2], {}), ((5, 6), [-2, 5], [0, 0], [-2, -1], {"end_mask": 1}),
        ((4, 5, 6), [1, 2], [9, 3], [1, 1], {"shrink_axis_mask": 2}), ((3, 8), [0], [2], [1], {"begin_mask": 1}),
        ((3, 8), [2, -1], [3, 0], [1, 1], {"shrink_axis_mask": 3}), ((5,), [4], [2], [1], {}),
        ((2, 3, 4), [0, 1], [0, 2], [1, 1], {"ellipsis_mask": 1}),
        ((4, 5), [0, 0, 1], [0, 0, 4], [1, 1, 2], {"new_axis_mask": 1}),
        ((2, 3, 4, 5), [1, 0, 0, -1], [0] * 4, [1] * 4,
         {"ellipsis_mask": 2, "new_axis_mask": 4, "shrink_axis_mask": 9}),
    ]:  # fmt: skip
        yield (some(rng, shape, dtype), ints(*begin), ints(*end), ints(*by)), PLAIN | masks, (0.0,)


def strided_slopes(rng, dtype):
    for (x, *told), masks, bounds in strided(rng, dtype):
        dy = some(rng, reference("StridedSlice", (x, *told), masks)[0].shape, dtype)
        yield (ints(*x.shape), *told, dy), masks, bounds


def parts(shapes, axis, rng, dtype):
    return np.int32(axis), [some(rng, s, dtype) for s in shapes]


JOINED = [([(2, 3), (2, 5)], 1), ([(2, 3), (4, 3), (0, 3)], 0), ([(2, 3, 8), (2, 1, 8)], -2), ([(3,)], 0),
          ([(20, 16), (20, 8)], 1)]  # fmt: skip


def joins(rng, dtype):
    for shapes, axis in JOINED:
        yield parts(shapes, axis, rng, dtype), {}, (0.0,)


def joins_today(rng, dtype):
    for shapes, axis in JOINED:
        yield parts(shapes, axis, rng, dtype)[::-1], {}, (0.0,)


def splits(rng, dtype):
    for shape, axis, count in [((4, 6), 1, 3), ((4, 6), 0, 2), ((2, 3, 8), 2, 2), ((5,), 0, 1), ((6, 16), -1, 2)]:
        yield (np.int32(axis), some(rng, shape, dtype)), {"num_split": count}, (0.0,) * count


def splits_by_size(rng, dtype):
    for shape, axis, sizes in [((4, 6), 1, [1, 5]), ((7,), 0, [2, 0, 5]), ((2, 9, 3), 1, [4, 5])]:
        x = some(rng, shape, dtype)
        yield (x, np.array(sizes), np.int32(axis)), {"num_split": len(sizes)}, (0.0,) * len(sizes)


def packs(rng, dtype):
    for shape, count, axis in [((3,), 2, 0), ((3, 4), 3, 1), ((2, 8), 2, -1), ((), 4, 0)]:
        yield ([some(rng, shape, dtype) for _ in range(count)],), {"axis": axis}, (0.0,)


def unpacks(rng, dtype):
    for shape, axis in [((3,), 0), ((3, 4), 1), ((2, 3, 8), 1), ((2, 8, 2), -1)]:
        yield (some(rng, shape, dtype),), {"num": shape[axis], "axis": axis}, (0.0,) * shape[axis]


def tiles(rng, dtype):
    for shape, multiples in [((3,), [2]), ((2, 3), [1, 4]), ((2, 8), [3, 2]), ((2, 3), [0, 1]), ((1, 5, 1), [4, 1, 3])]:
        yield (some(rng, shape, dtype), ints(*multiples)), {}, (0.0,)


FRAMES = [((3,), [[1, 2]]), ((2, 3), [[0, 0], [2, 1]]), ((2, 3, 4), [[0, 0], [1, 0], [0, 0]]),
          ((0, 2), [[1, 1], [0, 1]]), ((1, 4, 4, 3), [[0, 0], [1, 1], [1, 2], [0, 0]])]  # fmt: skip


def pads(rng, dtype):
    for shape, around in FRAMES:
        yield (some(rng, shape, dtype), ints(*around)), {}, (0.0,)


def pads_by_a_number(rng, dtype):
    for shape, around in FRAMES:
        yield (some(rng, shape, dtype), ints(*around), some(rng, (), dtype)), {}, (0.0,)


MIRRORS = [((3,), [[1, 2]], "REFLECT"), ((3,), [[3, 2]], "SYMMETRIC"), ((2, 3), [[1, 0], [2, 1]], "REFLECT"),
           ((2, 3), [[0, 0], [0, 0]], "REFLECT"), ((2, 3, 4), [[0, 0], [0, 0], [0, 4]], "SYMMETRIC"),
           ((2, 3, 2, 3), [[1, 1], [2, 2], [1, 0], [2, 1]], "REFLECT"),
           ((2, 12, 7, 8), [[0, 0], [3, 3], [1, 2], [0, 0]], "SYMMETRIC")]  # fmt: skip


def mirrors(rng, dtype):
    for shape, around, mode in MIRRORS:
        yield (some(rng, shape, dtype), ints(*around)), {"mode": mode}, (0.0,)


def folds(rng, dtype):
    """In float32 the page's bits; what is shorter is rounded once, and on the page for each image."""
    for shape, around, mode in MIRRORS:
        dy = some(rng, [n + a + b for n, (a, b) in zip(shape, around, strict=True)], dtype)
        sizes = reference("MirrorPadGrad", (np.abs(dy).astype(np.float32), ints(*around)), {"mode": mode})[0]
        yield (dy, ints(*around)), {"mode": mode}, (0.0 if dtype == "float32" else 4 * unit(dtype) * sizes,)


def gathers(rng, dtype):
    for shape, indices, axis in [((5, 3), (4,), 0), ((5, 3), (2,), 1), ((2, 5, 40), (3, 2), 1), ((5, 40), (4,), -2),
                                 ((3,), (), 0)]:  # fmt: skip
        ids = rng.integers(0, shape[axis], indices).astype(np.int32)
        yield (some(rng, shape, dtype), ids, np.int32(axis)), {"batch_dims": 0}, (0.0,)


def puts(rng, dtype):
    """The last row for a place stays."""
    for shape, ids, is_number in [((6, 5), (4,), False), ((6,), (3, 2), False), ((3, 2), (150,), False),
                                  ((4, 3), (9,), True)]:  # fmt: skip
        indices = rng.integers(0, shape[0], ids).astype(np.int32)
        given = some(rng, () if is_number else (*ids, *shape[1:]), dtype)
        yield (some(rng, shape, dtype), indices, given), {}, (0.0,)


def stitches(rng, dtype):
    """The later row for a place stays, one that is not named is 0; pieces of no rows, and of several axes."""
    for row, pieces in [((3,), [[0, 2, 2], [4, 0]]), ((), [[1], []]), ((2, 5), [[[3, 1], [0, 1]], [2]])]:
        ids = [ints(*piece) for piece in pieces]
        yield (ids, [some(rng, (*i.shape, *row), dtype) for i in ids]), {}, (0.0,)


def places(rng, dtype):
    for shape, depth, axis in [((4,), 3, -1), ((2, 3), 5, 0), ((2, 3), 4, 1), ((), 6, -1), ((0,), 2, -1)]:
        ids = rng.integers(-1, depth + 1, shape)
        yield (ids, np.int32(depth), some(rng, (), dtype), some(rng, (), dtype)), {"axis": axis}, (0.0,)


SAMPLES = {
    "Slice": slices, "StridedSlice": strided, "StridedSliceGrad": strided_slopes, "Concat": joins,
    "ConcatV2": joins_today, "Split": splits, "SplitV": splits_by_size, "Pack": packs, "Unpack": unpacks,
    "Tile": tiles, "Pad": pads, "PadV2": pads_by_a_number, "MirrorPad": mirrors,
    "MirrorPadGrad": folds, "GatherV2": gathers, "ScatterUpdate": puts,
    "OneHot": places, "DynamicStitch": stitches, "ParallelDynamicStitch": stitches,
}  # fmt: skip
