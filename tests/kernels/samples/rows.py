"""Rows of scores: softmax, its logarithm, and the losses."""

import numpy as np

from tests.kernels.samples.bounds import gamma, normal, unit

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


def log_softmax(rng, dtype):
    """One exponential for each class, C additions, one logarithm, two differences."""
    for x in scores(rng, dtype):
        with np.errstate(all="ignore"):
            wide = x.astype(np.float64)
            below = wide - wide.max(axis=1, keepdims=True, initial=-np.inf)
            u = unit(np.float32 if np.dtype(dtype) == np.float16 else dtype)
            size = np.abs(np.where(np.isfinite(below), below, 0)) + np.log(max(2, x.shape[1])) + 1
            yield (x,), {}, (u * (x.shape[1] + 8) * size,)


def targets(rng, shape, dtype):
    y = np.abs(normal(rng, shape, np.float64))
    return (y / np.maximum(y.sum(axis=1, keepdims=True), 1e-3)).astype(dtype)


def xent(rng, dtype):
    pairs = [(x, targets(rng, x.shape, dtype)) for x in scores(rng, dtype)]
    pairs += [(normal(rng, (n, 6), dtype), targets(rng, (m, 6), dtype)) for n, m in ((4, 1), (1, 4))]  # stretched
    pairs.append((normal(rng, (3, 1), dtype), targets(rng, (3, 5), dtype)))
    for given in pairs:
        x, y = np.broadcast_arrays(*given)
        with np.errstate(all="ignore"):
            wide = x.astype(np.float64)
            shifted = wide - wide.max(axis=1, keepdims=True, initial=-np.inf)
            size = np.abs(y) * (np.abs(shifted) + np.log(max(2, x.shape[1])) + 1)
            loss = gamma(x.shape[1] + 8, dtype) * np.where(np.isfinite(size), size, 0).sum(axis=1)
        u = unit(np.float32 if np.dtype(dtype) == np.float16 else dtype)
        yield given, {}, (loss, _softmax_bound(x, dtype) + u * np.abs(y))


def sparse_xent(rng, dtype):
    for (x,), _, (bound,) in softmax(rng, dtype):
        for index in (np.int32, np.int64):
            labels = rng.integers(0, x.shape[1], len(x)).astype(index)
            with np.errstate(all="ignore"):
                wide = x.astype(np.float64)
                below = wide - wide.max(axis=1, keepdims=True, initial=-np.inf)
                u = unit(np.float32 if np.dtype(dtype) == np.float16 else dtype)
                own = np.abs(np.where(np.isfinite(below), below, 0))[np.arange(len(x)), labels]
            loss = u * (x.shape[1] + 8) * (own + np.log(max(2, x.shape[1])) + 1)
            yield (x, labels), {}, (loss, bound + 2 * unit(dtype))


SAMPLES = {
    "Softmax": softmax,
    "LogSoftmax": log_softmax,
    "SoftmaxCrossEntropyWithLogits": xent,
    "SparseSoftmaxCrossEntropyWithLogits": sparse_xent,
}
