"""Rows reduced by id: sorted, picked, in any order, and into rows that are there."""

import numpy as np

from tests.kernels.samples.bounds import gamma, normal, reference, unit

SORTED = [((6, 3), [0, 0, 1, 3, 3, 3]), ((1,), [0]), ((4, 9), [0, 0, 0, 0]), ((0, 3), []), ((3, 0), [0, 1, 1]),
          ((5, 2, 5), [1, 1, 4, 4, 5]), ((300, 10), [i // 90 for i in range(300)]),
          ((2000, 50), [i // 3 + i // 50 for i in range(2000)])]  # fmt: skip
LOOSE = [((6, 3), (6,), 4), ((6,), (6,), 9), ((2, 3, 9), (2, 3), 3), ((0, 3), (0,), 2), ((500, 7), (500,), 60),
         ((5, 2), (5,), 5), ((4, 0), (4,), 3), ((900, 40), (900,), 2000), ((900, 40), (900,), 4)]  # fmt: skip


def _size(op_type, inputs, attrs):
    """The same reduction of absolute values, and how many rows it may have had."""
    data, *more = inputs
    return reference(op_type, (np.abs(data.astype(np.float64)), *more), attrs)[0]


def _bound(op_type, inputs, attrs):
    data = inputs[0]
    if data.dtype.kind != "f" or op_type.endswith(("Min", "Max")):
        return 0.0
    count = max(len(data.reshape(-1)), *(np.size(i) for i in inputs[1:3]))
    rounded = count if data.dtype == np.float16 else 2  # a page's sums in float16 are rounded one by one
    return (gamma(count + 3, data.dtype) + rounded * unit(data.dtype)) * _size(op_type, inputs, attrs)


def _near_one(kind, x):
    """Products of many numbers stay in range."""
    return (1 + x / 256).astype(x.dtype) if kind == "Prod" and x.dtype.kind == "f" else x


def in_order(kind):
    def samples(rng, dtype):
        for shape, ids in SORTED:
            for index in (np.int32, np.int64):
                given = (_near_one(kind, normal(rng, shape, dtype)), np.array(ids, index))
                yield given, {}, (_bound(f"Segment{kind}", given, {}),)

    return samples


def picked(kind):
    def samples(rng, dtype):
        for shape, ids in SORTED:
            rows = max(1, shape[0] // 2)
            given = (normal(rng, (rows, *shape[1:]), dtype), rng.integers(0, rows, len(ids)), np.array(ids, np.int32))
            yield given, {}, (_bound(f"SparseSegment{kind}", given, {}),)

    return samples


def given_back(kind):
    def samples(rng, dtype):
        for shape, ids in SORTED:
            segments = max(ids, default=0) + 1
            grad = normal(rng, (segments, *shape[1:]), dtype)
            for rows in (max(1, len(ids) // 2), 3 * len(ids), 0):
                indices = rng.integers(0, max(1, rows), len(ids)).astype(np.int32)
                given = (grad, indices, np.array(ids, np.int32), np.array(rows, np.int32))
                yield given, {}, (_bound(f"SparseSegment{kind}Grad", given, {}),)

    return samples


def in_any_order(kind):
    from refflow.core.dtypes import as_dtype

    def samples(rng, dtype):
        attrs = {} if kind == "Sum" else {"T": as_dtype(dtype)}
        for data, ids, count in LOOSE:
            x = _near_one(kind, normal(rng, data, dtype))
            given = (x, rng.integers(-1, count, ids).astype(np.int32), np.array(count, np.int32))
            yield given, attrs, (_bound(f"UnsortedSegment{kind}", given, attrs),)

    return samples


def scattered(kind):
    """Factors near 1, so that their products stay in range."""

    def samples(rng, dtype):
        for shape, indices in [((5, 3), (4,)), ((5,), (2, 3)), ((4, 0), (3,)), ((9, 7), (0,)), ((50, 30), (500,)),
                               ((3, 2, 4), ())]:  # fmt: skip
            ref, places = normal(rng, shape, dtype), rng.integers(0, shape[0], indices).astype(np.int32)
            for updates in (normal(rng, (*indices, *shape[1:]), dtype), normal(rng, (), dtype)):
                if kind in ("Mul", "Div"):
                    updates = _near_one("Prod", np.asarray(updates, dtype))
                given = (ref, places, np.asarray(updates, dtype))
                bound = 0.0
                if kind in ("Mul", "Div"):
                    bound = (gamma(2 * places.size + 2, dtype) + (places.size + 1) * unit(dtype)) * 8 * np.abs(ref)
                elif ref.dtype.kind == "f" and kind in ("Add", "Sub"):
                    wide = [np.abs(x.astype(np.float64)) if x.dtype.kind == "f" else x for x in given]
                    size = reference("ScatterAdd", wide, {})[0]
                    bound = (gamma(places.size + 2, dtype) + (places.size + 1) * unit(dtype)) * size
                yield given, {}, (bound,)

    return samples


SAMPLES = {
    **{f"Segment{kind}": in_order(kind) for kind in ("Sum", "Mean", "Prod", "Min", "Max")},
    **{f"SparseSegment{kind}": picked(kind) for kind in ("Sum", "Mean", "SqrtN")},
    **{f"SparseSegment{kind}Grad": given_back(kind) for kind in ("Sum", "Mean", "SqrtN")},
    **{f"UnsortedSegment{kind}": in_any_order(kind) for kind in ("Sum", "Prod", "Min", "Max")},
    **{f"Scatter{kind}": scattered(kind) for kind in ("Add", "Sub", "Mul", "Div", "Min", "Max")},
}
