"""Casts, choices and fills, whose results are exact."""

import numpy as np

from refflow.core.dtypes import as_dtype
from tests.kernels.samples.bounds import normal, reference, some, unit

CAST_TO = ("float32", "float16", "int64", "int32", "int8", "uint8", "bool")
SHAPES = [(), (7,), (3, 5), (0, 2), (1030,)]


def casts(rng, dtype):
    for target in CAST_TO:
        for shape in SHAPES:
            x = np.abs(some(rng, shape, dtype)) if target == "uint8" and dtype != "bool" else some(rng, shape, dtype)
            yield (x,), {"DstT": as_dtype(target), "Truncate": True}, (0.0,)


def choices(rng, dtype):
    for chosen, shape in [
        ((), ()),
        ((), (3, 5)),
        ((3,), (3, 5)),
        ((3, 5), (3, 5)),
        ((1030,), (1030,)),
        ((0,), (0, 2)),
        ((300, 400), (300, 400)),
    ]:
        yield (some(rng, chosen, "bool"), some(rng, shape, dtype), some(rng, shape, dtype)), {}, (0.0,)


def broadcast_choices(rng, dtype):
    for chosen, t, e in [((), (3, 5), ()), ((3, 1), (3, 5), (5,)), ((5,), (3, 1), (3, 5)), ((0,), (2, 1), (1,)),
                         ((300, 400), (300, 400), (300, 400)), ((7,), (7,), (7,))]:  # fmt: skip
        yield (some(rng, chosen, "bool"), some(rng, t, dtype), some(rng, e, dtype)), {}, (0.0,)


def error_functions(op_type):
    """Eight units in the last place of float32, or one rounding to float16."""

    def samples(rng, dtype):
        for shape in [*SHAPES, (200, 300)]:
            x = (3 * normal(rng, shape, dtype)).astype(dtype)
            if x.size > 3:
                x.reshape(-1)[:3] = np.inf, -np.inf, np.nan
            y = np.abs(np.nan_to_num(reference(op_type, (x,), {})[0].astype(np.float64)))
            yield (x,), {}, ((8 * unit("float32") + unit(dtype)) * y,)

    return samples


def gammas(op_type):
    """One rounding, and what float64 loses where terms as large as 20 cancel."""

    def samples(rng, dtype):
        for shape in [*SHAPES, (200, 300)]:
            x = (3 * normal(rng, shape, dtype)).astype(dtype)
            if x.size > 12:
                x.reshape(-1)[:12] = np.inf, -np.inf, np.nan, 0, -1, -2, 1, 2, 1e-6, 6e4, -6e4, 0.5
            with np.errstate(all="ignore"):
                y = np.abs(np.nan_to_num(reference(op_type, (x,), {})[0].astype(np.float64), posinf=0, neginf=0))
            yield (x,), {}, (unit(dtype) * y + 1e-14,)

    return samples


def fills(rng, dtype):
    for shape in SHAPES:
        yield (np.array(shape, np.int32), some(rng, (), dtype)), {}, (0.0,)


def likes(rng, dtype):
    for shape in SHAPES:
        yield (some(rng, shape, dtype),), {}, (0.0,)


def stretched(rng, dtype):
    for given, shape in [((), (3, 5)), ((5,), (4, 5)), ((4, 1), (4, 9)), ((2, 1, 3), (2, 4, 3)), ((3, 1), (2, 3, 700)),
                         ((1, 2), (0, 2)), ((2, 3), (2, 3))]:  # fmt: skip
        yield (normal(rng, given, dtype), np.array(shape, np.int32)), {}, (0.0,)


SAMPLES = {
    **{name: error_functions(name) for name in ("Erf", "Erfc")},
    **{name: gammas(name) for name in ("Lgamma", "Digamma")},
    "Cast": casts,
    "Select": choices,
    "SelectV2": broadcast_choices,
    "Fill": fills,
    "BroadcastTo": stretched,
    "ZerosLike": likes,
    "OnesLike": likes,
}
