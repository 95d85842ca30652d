"""Inputs for every hot op, and how far two kernels may be apart: computed from the inputs, not chosen."""

import numpy as np

from refflow.core.dtypes import as_dtype
from refflow.core.opdef import op_def

FLOATS = ("float16", "float32", "float64")


def unit(dtype):
    """Half a unit in the last place, relative; sums of float16 are made in float32."""
    return np.finfo(dtype).eps / 2


def gamma(n, dtype):
    u = unit(np.float32 if np.dtype(dtype) == np.float16 else dtype)
    return n * u / (1 - n * u)


def normal(rng, shape, dtype):
    if np.dtype(dtype).kind in "iu":
        return rng.integers(-9 if np.dtype(dtype).kind == "i" else 0, 9, shape).astype(dtype)
    return rng.normal(size=shape).astype(dtype)


def matmul(rng, dtype):
    """(inputs, attributes, bound): |error| <= gamma_K * |A| |B|, whatever the order of the sums."""
    for m, k, n in [(1, 1, 1), (3, 0, 2), (0, 4, 2), (33, 70, 50), (17, 129, 10), (5, 1100, 3)]:
        for t_a, t_b in [(False, False), (True, False), (False, True), (True, True)]:
            if (t_a or t_b) and m * k > 1000 and k != 70:
                continue
            a, b = normal(rng, (k, m) if t_a else (m, k), dtype), normal(rng, (n, k) if t_b else (k, n), dtype)
            x, y = (a.T if t_a else a).astype(np.float64), (b.T if t_b else b).astype(np.float64)
            bound = gamma(k + 2, dtype) * (np.abs(x) @ np.abs(y)) if np.dtype(dtype).kind == "f" else np.zeros((m, n))
            yield (a, b), {"transpose_a": t_a, "transpose_b": t_b}, (bound,)


SHAPES = [(1, 1), (3, 1), (5, 10), (33, 7), (4, 100), (2, 1000), (0, 3), (130, 3)]


def scores(rng, dtype):
    for shape in SHAPES:
        yield normal(rng, shape, dtype)
    yield np.array([[0, -np.inf, 3], [np.nan, 1, 2], [3, np.inf, 0]], dtype)
    if np.dtype(dtype) != np.float16:
        yield np.array([[1e4, 0], [-1e4, 0]], dtype)


def softmax(rng, dtype):
    """One exponential, C additions, one division: u (C + 8 + 2 |x - max|), relative."""
    for x in scores(rng, dtype):
        yield (x,), {}, (_softmax_bound(x, dtype),)


def _softmax_bound(x, dtype):
    with np.errstate(all="ignore"):
        wide = x.astype(np.float64)
        shifted = wide - wide.max(axis=1, keepdims=True, initial=-np.inf)
        p = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
        inner = unit(np.float32 if np.dtype(dtype) == np.float16 else dtype)
        bound = inner * (x.shape[1] + 8 + 2 * np.abs(np.where(np.isfinite(shifted), shifted, 0))) * p
        return bound + np.finfo(dtype).tiny


def xent(rng, dtype):
    for x in scores(rng, dtype):
        y = np.abs(normal(rng, x.shape, np.float64))
        y = (y / np.maximum(y.sum(axis=1, keepdims=True), 1e-3)).astype(dtype)
        with np.errstate(all="ignore"):
            wide = x.astype(np.float64)
            shifted = wide - wide.max(axis=1, keepdims=True, initial=-np.inf)
            size = np.abs(y) * (np.abs(shifted) + np.log(max(2, x.shape[1])) + 1)
            loss = gamma(x.shape[1] + 8, dtype) * np.where(np.isfinite(size), size, 0).sum(axis=1)
        u = unit(np.float32 if np.dtype(dtype) == np.float16 else dtype)
        yield (x, y), {}, (loss, _softmax_bound(x, dtype) + u * np.abs(y))


REDUCED = [
    ((1,), [0]), ((7,), [0]), ((1030,), [0]), ((5, 3), [0]), ((5, 3), [1]), ((5, 3), [-1]), ((4, 100), [1]),
    ((300, 4), [0]), ((4, 5, 6), [1]), ((4, 5, 6), [0, 2]), ((4, 5, 6), [0, 1, 2]), ((2, 3), []), ((0, 3), [0]),
    ((3, 0), [0]), ((), []), ((20, 17), [1, 0]), ((9000,), [0]), ((2, 9000), [1]), ((9000, 2), [0]),
]  # fmt: skip


def reductions(kind):
    def samples(rng, dtype):
        for shape, axes in REDUCED:
            if kind == "Prod" and np.prod(shape) > 400:
                continue
            x = normal(rng, shape, dtype)
            if kind in ("Max", "Min") and np.dtype(dtype).kind == "f" and x.size > 20:
                x.reshape(-1)[7] = np.nan
            count = int(np.prod([shape[a] for a in axes])) if axes else 1
            for keep_dims in (False, True):
                bound = 0.0
                if np.dtype(dtype).kind == "f" and kind in ("Sum", "Mean", "Prod"):
                    combine = np.multiply if kind == "Prod" else np.add
                    size = combine.reduce(np.abs(x.astype(np.float64)), axis=tuple(axes), keepdims=keep_dims)
                    bound = gamma(count + 2, dtype) * size / (max(count, 1) if kind == "Mean" else 1)
                yield (x, np.array(axes, np.int32)), {"keep_dims": keep_dims}, (bound,)

    return samples


def updates(rng, dtype):
    """One product, one difference, each rounded: equal to the bit. float16 may be rounded once, at the end."""
    for shape in [(), (1,), (7, 3), (1025,), (0, 2), (40_000,)]:
        var, delta = normal(rng, shape, dtype), normal(rng, shape, dtype)
        once = 0.3 * np.abs(delta).astype(np.float64) * unit(dtype) if dtype == "float16" else 0.0
        yield (var, np.asarray(2 if np.dtype(dtype).kind in "iu" else 0.3, dtype), delta), {}, (once,)


SAMPLES = {
    "MatMul": matmul,
    "Softmax": softmax,
    "SoftmaxCrossEntropyWithLogits": xent,
    "ApplyGradientDescent": updates,
    **{kind: reductions(kind) for kind in ("Sum", "Mean", "Max", "Min", "Prod")},
}


def reference(op_type, inputs, attrs):
    """The page's kernel, as a list of outputs, in the inputs' own type."""
    op = op_def(op_type)
    given = {k: attrs[k] for k in op.kernels["cpu"].attrs if k in attrs}
    with np.errstate(all="ignore"):
        result = op.reference(*inputs, **given)
    values = list(result) if isinstance(result, tuple | list) else [result]
    return [np.asarray(v, as_dtype(inputs[0].dtype).as_numpy_dtype) for v in values]


def assert_within(got, wanted, bounds, dtype):
    """Each output within its bound of the other, plus one rounding of the result; special values in their places."""
    for g, w, bound in zip(got, wanted, bounds, strict=True):
        g = np.asarray(g)
        assert g.shape == w.shape and g.dtype == w.dtype
        if np.dtype(dtype).kind != "f":
            np.testing.assert_array_equal(g, w)
            continue
        finite = np.isfinite(w)
        np.testing.assert_array_equal(np.where(finite, 0, g), np.where(finite, 0, w))
        if np.all(np.asarray(bound) == 0):
            np.testing.assert_array_equal(g, w)
            continue
        bound = np.nan_to_num(np.asarray(bound), nan=0.0, posinf=0.0)  # not finite: compared above
        allowed = 2 * bound + 2 * unit(dtype) * np.abs(np.where(finite, w, 0).astype(np.float64))
        error = np.abs(np.where(finite, g, 0).astype(np.float64) - np.where(finite, w, 0))
        assert (error <= allowed + np.finfo(dtype).tiny).all(), (error - allowed).max()
