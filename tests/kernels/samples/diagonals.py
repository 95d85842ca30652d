"""Diagonals, bands and patches: nothing is computed, so nothing may differ."""

import numpy as np

from tests.kernels.samples.bounds import some

MATRICES = [(3, 5), (1, 1), (4, 3, 3), (2, 2, 5, 2), (0, 4), (2, 0, 3), (7, 1), (33, 70)]
BANDS = [(0, 0), (1, 1), (-1, -1), (-1, 1), (-2, 0), (0, 2), (1, 2), (-3, 4)]
SIDES = ("LEFT_RIGHT", "RIGHT_LEFT", "LEFT_LEFT", "RIGHT_RIGHT")


def matrices(dtype):
    """One of them for types that are only moved."""
    return MATRICES if dtype == "float32" else [(2, 3, 5)]


def ints(*values):
    return np.array(values[0] if len(values) == 1 else values, np.int32)


def bands_of(dtype, *shape):
    """Bands that a matrix of this shape has, their diagonals' shape, and the sides that these stand at."""
    *batch, rows, columns = shape
    for number, (low, high) in enumerate(BANDS if dtype == "float32" else BANDS[3:5]):
        if rows * columns and -rows < low and high < columns:
            longest = min(rows + min(high, 0), columns - max(low, 0))
            k = ints(low) if low == high else ints(low, high)
            yield k, (*batch, longest) if low == high else (*batch, high - low + 1, longest), SIDES[number % 4]


def band_part(rng, dtype):
    for shape in matrices(dtype):
        for low, high in [(0, 0), (-1, 0), (0, -1), (1, 2), (-1, -1), (2, 1)]:
            if low <= shape[-2] and high <= shape[-1]:
                yield (some(rng, shape, dtype), np.array(low), np.array(high)), {}, (0.0,)


def diag(rng, dtype):
    for shape in [(3,), (2, 4), (1,), (0,), (2, 0), (3, 2, 33)][: None if dtype == "float32" else 2]:
        yield (some(rng, shape, dtype),), {}, (0.0,)


def diag_part(rng, dtype):
    for shape in matrices(dtype):
        yield (some(rng, shape, dtype),), {}, (0.0,)


def set_diag(rng, dtype):
    for shape in matrices(dtype):
        given = some(rng, (*shape[:-2], min(shape[-2:])), dtype)
        yield (some(rng, shape, dtype), given), {}, (0.0,)


def sided(version, samples):
    """The third version says at which side short diagonals stand; before, that was the left."""

    def of_version(rng, dtype):
        for inputs, side in samples(rng, dtype):
            yield inputs, {"align": side} if version == 3 else {}, (0.0,)

    return of_version


def diags(rng, dtype):
    for shape in matrices(dtype):
        for k, band, side in bands_of(dtype, *shape):
            number = some(rng, (), dtype)
            yield (some(rng, band, dtype), k, ints(shape[-2]), ints(shape[-1]), number), side
    yield (some(rng, (2, 3), dtype), ints(-1, 0), ints(-1), ints(-1), some(rng, (), dtype)), "RIGHT_LEFT"


def diag_parts(rng, dtype):
    for shape in matrices(dtype):
        for k, _, side in bands_of(dtype, *shape):
            yield (some(rng, shape, dtype), k, some(rng, (), dtype)), side


def set_diags(rng, dtype):
    for shape in matrices(dtype):
        for k, band, side in bands_of(dtype, *shape):
            yield (some(rng, shape, dtype), some(rng, band, dtype), k), side


WINDOWS = [((2, 5, 6, 3), (2, 3), (1, 2), (1, 1)), ((1, 7, 4, 8), (3, 2), (2, 1), (2, 1)),
           ((0, 3, 3, 2), (2, 2), (1, 1), (1, 1)), ((1, 1, 1, 1), (1, 1), (1, 1), (1, 1)),
           ((2, 9, 9, 16), (3, 3), (3, 3), (1, 2))]  # fmt: skip


def patches(rng, dtype):
    for shape, k, stride, rate in WINDOWS if dtype == "float32" else WINDOWS[:1]:
        for padding in ("SAME", "VALID"):
            attrs = {name: [1, *v, 1] for name, v in (("ksizes", k), ("strides", stride), ("rates", rate))}
            yield (some(rng, shape, dtype),), {**attrs, "padding": padding}, (0.0,)


def volumes(rng, dtype):
    for shape, k, stride in [((1, 3, 4, 5, 2), (2, 1, 3), (1, 2, 1)), ((2, 2, 2, 2, 8), (2, 2, 2), (1, 1, 1))]:
        for padding in ("SAME", "VALID"):
            attrs = {"ksizes": [1, *k, 1], "strides": [1, *stride, 1], "padding": padding}
            yield (some(rng, shape, dtype),), attrs, (0.0,)


SAMPLES = {
    "MatrixDiag": diag, "MatrixDiagPart": diag_part, "MatrixSetDiag": set_diag, "MatrixBandPart": band_part,
    "ExtractImagePatches": patches, "ExtractVolumePatches": volumes,
} | {
    f"{op}V{version}": sided(version, samples) for version in (2, 3)
    for op, samples in (("MatrixDiag", diags), ("MatrixDiagPart", diag_parts), ("MatrixSetDiag", set_diags))
}  # fmt: skip
