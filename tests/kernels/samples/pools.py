"""Pools and their gradients."""

import numpy as np

from refflow.core.dtypes import int64
from tests.kernels.samples.bounds import gamma, normal, reference

POOLED = [  # x, ksize, strides, padding, layout
    ((2, 4, 6, 3), (2, 2), (2, 2), "VALID", "NHWC"), ((2, 5, 7, 3), (3, 3), (2, 2), "SAME", "NHWC"),
    ((3, 6, 5, 2), (3, 2), (1, 1), "SAME", "NHWC"), ((2, 3, 7, 5), (2, 3), (3, 1), "VALID", "NCHW"),
    ((1, 2, 2, 1), (3, 3), (1, 1), "SAME", "NHWC"), ((40, 40, 40, 3), (3, 3), (2, 2), "SAME", "NHWC"),
    ((0, 4, 4, 2), (2, 2), (2, 2), "VALID", "NHWC"), ((1, 3, 3, 1), (1, 1), (2, 2), "VALID", "NHWC"),
    ((2, 4, 5, 6, 2), (2, 3, 2), (2, 1, 2), "SAME", "NDHWC"), ((1, 3, 3, 3, 2), (3, 3, 3), (1, 1, 1), "SAME", "NDHWC"),
]  # fmt: skip


def pools(kind):
    """Maxima are exact; sums of a window's cells, or of a cell's windows, have a bound each."""

    def samples(rng, dtype):
        rank = 3 if "3D" in kind else 2
        for dims, ks, strides, padding, layout in POOLED:
            if len(ks) != rank:
                continue
            nc = layout.startswith("NC")

            def spell(v, nc=nc):
                return [1, 1, *v] if nc else [1, *v, 1]

            attrs = {"ksize": spell(ks), "strides": spell(strides), "padding": padding, "data_format": layout}
            count = int(np.prod(ks))
            for special in (False, True):
                x = np.round(2 * normal(rng, dims, dtype)) / 2  # with equal cells
                if special and x.size:
                    flat = x.reshape(-1)
                    flat[rng.integers(0, x.size, 5)] = np.nan if "Grad" not in kind or "Max" in kind else 1
                    flat[rng.integers(0, x.size, 5)] = -np.inf
                x = np.ascontiguousarray(np.moveaxis(x, -1, 1)) if nc else x
                more = {"explicit_paddings": []} if rank == 2 and "Max" in kind else {}
                forward = kind.removesuffix("Grad")
                y = reference(forward, (x,), attrs | more)[0]
                dy = normal(rng, y.shape, dtype)
                if kind == forward:
                    size = np.abs(np.nan_to_num(x.astype(np.float64), neginf=0)).max(initial=0)
                    yield (x,), attrs | more, (0.0 if "Max" in kind else gamma(count + 2, dtype) * size,)
                    continue
                bound = gamma(count + 2, dtype) * count * np.abs(dy.astype(np.float64)).max(initial=0)
                given = (np.array(x.shape, np.int32), dy) if "Avg" in kind else (x, y, dy)
                yield given, attrs | more, (bound,)

    return samples


def with_places(rng, dtype):
    """Maxima, and where they are first, are exact."""
    for dims, ks, strides, padding, layout in POOLED:
        if len(ks) == 3 or layout.startswith("NC") or 0 in dims:
            continue
        for special, with_batch in [(False, False), (True, True)]:
            x = np.round(2 * normal(rng, dims, dtype)) / 2  # with equal cells
            if special:
                x.reshape(-1)[rng.integers(0, x.size, 5)] = np.nan
                x.reshape(-1)[rng.integers(0, x.size, 5)] = -np.inf
            attrs = {"ksize": [1, *ks, 1], "strides": [1, *strides, 1], "padding": padding}
            yield (x,), attrs | {"include_batch_in_index": with_batch, "Targmax": int64}, (0.0, 0.0)


def picked(kind):
    """What stands at the first largest cell is moved, and nothing is rounded."""

    def samples(rng, dtype):
        for (x, y, _), attrs, _ in pools(kind.removesuffix("Grad"))(rng, dtype):
            plain = {name: value for name, value in attrs.items() if name != "explicit_paddings"}
            yield (x, y, normal(rng, x.shape, dtype)), plain, (0.0,)

    return samples


SAMPLES = {
    "MaxPoolGradGrad": picked("MaxPoolGradGrad"),
    "MaxPool3DGradGrad": picked("MaxPool3DGradGrad"),
    "MaxPoolWithArgmax": with_places,
    **{k: pools(k) for k in (f"{kind}Pool{end}" for kind in ("Max", "Avg") for end in ("", "Grad", "3D", "3DGrad"))},
}
