"""Reductions, places of extremes, and running sums."""

import numpy as np

from tests.kernels.samples.bounds import gamma, normal, unit

REDUCED = [
    ((1,), [0]), ((7,), [0]), ((1030,), [0]), ((5, 3), [0]), ((5, 3), [1]), ((5, 3), [-1]), ((4, 100), [1]),
    ((300, 4), [0]), ((4, 5, 6), [1]), ((4, 5, 6), [0, 2]), ((4, 5, 6), [0, 1, 2]), ((2, 3), []), ((0, 3), [0]),
    ((3, 0), [0]), ((), []), ((20, 17), [1, 0]), ((9000,), [0]), ((2, 9000), [1]), ((9000, 2), [0]),
    ((8192, 2), [0]), ((2, 2048, 3), [1, 2]), ((3, 4, 5, 2), [1, 3]),
    ((3, 4, 5, 6), [0, 2]), ((3, 4, 5, 6), [1, 3]), ((3, 4, 5, 6), [0, 3]), ((40, 0, 3), [1]), ((1, 5, 1), [0, 2]),
    ((3, 1500, 4), [1]), ((2, 2100, 3, 2), [1, 3]), ((700, 700, 2), [1]), ((60_000, 10), [1]), ((60_000, 10), [0]),
    ((9000, 64), [1]), ((600_001,), [0]), ((600, 40, 40), [1]), ((30, 20_000), [0]),
]  # fmt: skip


def reductions(kind):
    def samples(rng, dtype):
        for number, (shape, axes) in enumerate(REDUCED):
            x = normal(rng, shape, dtype)
            floats = np.dtype(dtype).kind == "f"
            if kind == "Prod" and floats:  # so that no order of many factors leaves the type's range
                x = (np.sign(x) * np.exp2(np.clip(x, -1, 1) / np.sqrt(max(x.size, 1)))).astype(dtype)
            if kind in ("Max", "Min") and floats and x.size > 20:
                x.reshape(-1)[7] = np.nan
            count = int(np.prod([shape[a] for a in axes])) if axes else 1
            for keep_dims in (False, True) if dtype == "float32" else (number % 2 == 0,):
                bound = 0.0
                if floats and kind in ("Sum", "Mean", "Prod"):
                    combine = np.multiply if kind == "Prod" else np.add
                    size = combine.reduce(np.abs(x.astype(np.float64)), axis=tuple(axes), keepdims=keep_dims)
                    bound = gamma(count + 2, dtype) * size / (max(count, 1) if kind == "Mean" else 1)
                if floats and kind == "EuclideanNorm":  # half the relative error of the sum of squares
                    squares = np.square(x.astype(np.float64)).sum(axis=tuple(axes), keepdims=keep_dims)
                    bound = gamma(count + 4, dtype) * np.sqrt(squares)
                yield (x, np.array(axes, np.int32)), {"keep_dims": keep_dims}, (bound,)

    return samples


def logical(rng, dtype):
    """True nearly everywhere, or hardly anywhere."""
    for shape, axes in REDUCED:
        for rare in (False, True):
            x = np.full(shape, not rare, dtype)
            x.reshape(-1)[5::97] = rare
            yield (x, np.array(axes, np.int32)), {"keep_dims": rare}, (0.0,)


def l2_loss(rng, dtype):
    for shape in [(), (1,), (7, 3), (0, 4), (9000,), (2, 3, 100), (300, 400)]:
        x = normal(rng, shape, dtype)
        yield (x,), {}, (gamma(x.size + 3, dtype) * np.square(x.astype(np.float64)).sum(),)


def bias_slopes(rng, dtype):
    """A sum over all axes but one."""
    for shape, layout in [((2, 3), "NHWC"), ((5, 4, 3, 2), "NHWC"), ((5, 4, 3, 2), "NCHW"), ((0, 3), "NHWC"),
                          ((3, 0), "NHWC"), ((3000, 10), "NHWC"), ((5000, 3), "NHWC"),
                          ((40, 50, 60, 3), "NHWC"), ((4, 3, 50), "NCHW")]:  # fmt: skip
        x = normal(rng, shape, dtype)
        channel = 1 if layout == "NCHW" else len(shape) - 1
        axes = tuple(i for i in range(len(shape)) if i != channel)
        bound = 0.0
        if np.dtype(dtype).kind == "f":
            bound = gamma(x.size + 2, dtype) * np.abs(x.astype(np.float64)).sum(axes)
        yield (x,), {"data_format": layout}, (bound,)


SCANNED = [((7,), 0), ((1,), 0), ((5, 3), 0), ((5, 3), 1), ((5, 3), -1), ((0, 3), 0), ((3, 0), 1), ((300, 40), 0),
           ((4, 50, 33), 1), ((200, 5, 8), 0), ((2, 3, 4), 2), ((9000,), 0), ((700, 3), 0)]  # fmt: skip


def running(op_type):
    """n - 1 additions or products, each rounded: the page's in the array's own type."""

    def samples(rng, dtype):
        for shape, axis in SCANNED:
            x = normal(rng, shape, dtype)
            floats = np.dtype(dtype).kind == "f"
            if op_type == "Cumprod" and 1000 < x.size != 9000:
                continue  # the interpreter multiplies one by one
            if op_type == "Cumprod" and floats:
                x = (1 + 0.01 * x).astype(dtype)
            for exclusive, reverse in [(False, False), (True, True), (False, True), (True, False)]:
                if x.size > (30 if op_type == "Cumprod" else 1000) and exclusive != reverse:
                    continue
                bound = 0.0
                if floats:
                    size = np.abs(x.astype(np.float64))
                    size = size.prod if op_type == "Cumprod" else size.sum
                    bound = 2 * shape[axis] * unit(dtype) * size(axis, keepdims=True)
                yield (x, np.array(axis, np.int32)), {"exclusive": exclusive, "reverse": reverse}, (bound,)

    return samples


def places(rng, dtype):
    for shape, axis in SCANNED:
        if shape[axis] == 0:
            continue
        x = (normal(rng, shape, np.float64) > 0.5).astype(dtype) if dtype == "bool" else normal(rng, shape, dtype)
        yield (x, np.array(axis, np.int32)), {}, (0.0,)
        if np.dtype(dtype).kind == "f" and x.size > 3:
            x = x.copy()
            x.reshape(-1)[rng.integers(0, x.size, x.size // 4)] = np.nan
            yield (x, np.array(axis, np.int32)), {}, (0.0,)


SAMPLES = {
    **{kind: reductions(kind) for kind in ("Sum", "Mean", "Max", "Min", "Prod", "EuclideanNorm")},
    "All": logical,
    "Any": logical,
    "L2Loss": l2_loss,
    "BiasAddGrad": bias_slopes,
    "ArgMax": places,
    "ArgMin": places,
    "Cumsum": running("Cumsum"),
    "Cumprod": running("Cumprod"),
}
