"""Inputs for every hot op, and how far two kernels may be apart: computed from the inputs, not chosen."""

import numpy as np

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


def batch_matmul(rng, dtype):
    """As matmul, for each place of the leading axes."""
    for lead_x, lead_y, (m, k, n) in [((3,), (3,), (4, 5, 6)), ((2, 3), (2, 3), (1, 7, 2)), ((0,), (0,), (2, 2, 2)),
                                      ((8,), (8,), (130, 128, 140)), ((1, 8), (1, 8), (130, 128, 140))]:  # fmt: skip
        for adj_x, adj_y in [(False, False), (True, False), (False, True)]:
            x = normal(rng, (*lead_x, k, m) if adj_x else (*lead_x, m, k), dtype)
            y = normal(rng, (*lead_y, n, k) if adj_y else (*lead_y, k, n), dtype)
            wide_x, wide_y = np.abs(x.astype(np.float64)), np.abs(y.astype(np.float64))
            size = (wide_x.swapaxes(-1, -2) if adj_x else wide_x) @ (wide_y.swapaxes(-1, -2) if adj_y else wide_y)
            yield (x, y), {"adj_x": adj_x, "adj_y": adj_y}, (gamma(k + 2, dtype) * size,)


CONVOLVED = [  # x, w, strides, padding, layout, dilations
    ((2, 5, 6, 3), (3, 3, 3, 4), (1, 1), "SAME", "NHWC", (1, 1)),
    ((2, 7, 8, 3), (3, 2, 3, 4), (2, 3), "VALID", "NHWC", (1, 1)),
    ((1, 9, 9, 18), (3, 3, 18, 5), (2, 2), "SAME", "NHWC", (1, 1)),
    ((2, 8, 9, 17), (3, 3, 17, 2), (1, 1), "VALID", "NHWC", (2, 3)),
    ((3, 4, 5, 20), (1, 1, 20, 6), (1, 1), "SAME", "NHWC", (1, 1)),
    ((2, 6, 4, 6), (2, 2, 3, 8), (1, 1), "SAME", "NHWC", (1, 1)),  # two groups
    ((2, 5, 6, 4), (3, 3, 2, 6), (1, 2), "SAME", "NCHW", (1, 1)),  # groups, channels first
    ((0, 5, 5, 2), (2, 2, 2, 3), (1, 1), "VALID", "NHWC", (1, 1)),
    ((1, 2, 2, 2), (3, 3, 2, 3), (1, 1), "VALID", "NHWC", (1, 1)),  # no window fits
    ((1, 5, 5, 2), (2, 2, 2, 3), (1, 1), "EXPLICIT", "NHWC", (1, 1)),
    ((12, 9, 9, 16), (5, 5, 16, 24), (1, 1), "SAME", "NHWC", (1, 1)),
    ((1, 70, 40, 40), (5, 5, 40, 3), (1, 1), "SAME", "NHWC", (1, 1)),  # more than a block for one image
    ((2, 3, 4, 5, 3), (2, 2, 2, 3, 4), (1, 1, 1), "SAME", "NDHWC", (1, 1, 1)),
    ((2, 5, 4, 6, 17), (3, 2, 3, 17, 2), (2, 1, 2), "VALID", "NDHWC", (1, 1, 1)),
]


def convolutions(kind):
    """|error| <= gamma of the number of products, times the same sum of absolute values."""
    rank_of = {"Conv2D": 2, "Conv3D": 3}

    def samples(rng, dtype):
        for x_dims, w_dims, strides, padding, layout, dilations in CONVOLVED:
            if rank_of[kind[:6]] != len(strides) or (kind == "Conv2DBackpropInput" and x_dims[1] < w_dims[0]):
                continue
            nc = layout.startswith("NC")

            def spell(v, nc=nc):
                return [1, 1, *v] if nc else [1, *v, 1]

            attrs = {"strides": spell(strides), "padding": padding, "data_format": layout,
                     "dilations": spell(dilations)}  # fmt: skip
            if len(strides) == 2:
                attrs["explicit_paddings"] = [0, 0, 1, 2, 0, 1, 0, 0] if padding == "EXPLICIT" else []
            x = normal(rng, x_dims, dtype)
            x = np.ascontiguousarray(np.moveaxis(x, -1, 1)) if nc else x
            w = normal(rng, w_dims, dtype)
            y = reference(kind[:6], (x, w), attrs)[0]
            dy = normal(rng, y.shape, dtype)
            inputs = {
                "": (x, w),
                "BackpropInput": (np.array(x.shape, np.int32), w, dy),
                "BackpropFilter": (x, np.array(w.shape, np.int32), dy),
            }[kind[6:].removesuffix("V2")]
            count = w.size if kind.startswith(("Conv2DBackpropI", "Conv3DBackpropI")) else x.size + w.size
            size = reference(kind, [np.abs(i.astype(np.float64)) if i.dtype.kind == "f" else i for i in inputs], attrs)
            yield inputs, attrs, (gamma(count + 2, dtype) * size[0],)

    return samples


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


def log_softmax(rng, dtype):
    """One exponential for each class, C additions, one logarithm, two differences."""
    for x in scores(rng, dtype):
        with np.errstate(all="ignore"):
            wide = x.astype(np.float64)
            below = wide - wide.max(axis=1, keepdims=True, initial=-np.inf)
            u = unit(np.float32 if np.dtype(dtype) == np.float16 else dtype)
            size = np.abs(np.where(np.isfinite(below), below, 0)) + np.log(max(2, x.shape[1])) + 1
            yield (x,), {}, (u * (x.shape[1] + 8) * size,)


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


SCANNED = [((7,), 0), ((1,), 0), ((5, 3), 0), ((5, 3), 1), ((5, 3), -1), ((0, 3), 0), ((3, 0), 1), ((300, 40), 0),
           ((4, 50, 33), 1), ((200, 5, 8), 0), ((2, 3, 4), 2)]  # fmt: skip


def running_sums(rng, dtype):
    for shape, axis in SCANNED:
        x = normal(rng, shape, dtype)
        for exclusive in (False, True):
            for reverse in (False, True):
                bound = 0.0
                if np.dtype(dtype).kind == "f":
                    bound = gamma(shape[axis] + 2, dtype) * np.abs(x.astype(np.float64)).sum(axis, keepdims=True)
                yield (x, np.array(axis, np.int32)), {"exclusive": exclusive, "reverse": reverse}, (bound,)


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


def some(rng, shape, dtype):
    return rng.integers(0, 2, shape).astype(bool) if dtype == "bool" else normal(rng, shape, dtype)


def rows(rng, dtype):
    for params, indices in [((5, 3), (4,)), ((5,), (2, 3)), ((3, 2, 2), ()), ((4, 0), (3,)), ((9, 7), (0,)),
                            ((50, 600), (500,))]:  # fmt: skip
        for index in (np.int32, np.int64):
            yield (some(rng, params, dtype), rng.integers(0, params[0], indices).astype(index)), {}, (0.0,)


def segment_sums(rng, dtype):
    for data, ids, count in [((6, 3), (6,), 4), ((6,), (6,), 9), ((2, 3, 4), (2, 3), 3), ((0, 3), (0,), 2),
                             ((500, 7), (500,), 60), ((5, 2), (5,), 5), ((4, 0), (4,), 3)]:  # fmt: skip
        x, of = normal(rng, data, dtype), rng.integers(-1, count, ids).astype(np.int32)
        bound = 0.0
        if np.dtype(dtype).kind == "f":
            size = reference("UnsortedSegmentSum", (np.abs(x.astype(np.float64)), of, np.array(count)), {})[0]
            bound = gamma(len(of.reshape(-1)) + 2, dtype) * size
        yield (x, of, np.array(count, np.int32)), {}, (bound,)


def turned(rng, dtype):
    for shape, perm in [((2, 3), [1, 0]), ((2, 3, 4), [2, 0, 1]), ((2, 3, 4), [1, 0, 2]), ((), []), ((0, 2), [1, 0]),
                        ((4, 20, 30, 50), [0, 3, 1, 2]), ((1100, 1000), [1, 0]),
                        ((3, 700, 2, 600), [2, 3, 0, 1])]:  # fmt: skip
        yield (some(rng, shape, dtype), np.array(perm, np.int32)), {}, (0.0,)


SAMPLES = {
    "MatMul": matmul,
    "BatchMatMul": batch_matmul,
    "BatchMatMulV2": batch_matmul,
    **{f"Conv{r}D": convolutions(f"Conv{r}D") for r in (2, 3)},
    **{
        k: convolutions(k)
        for k in ("Conv2DBackpropInput", "Conv2DBackpropFilter", "Conv3DBackpropInputV2", "Conv3DBackpropFilterV2")
    },
    **{k: pools(k) for k in (f"{kind}Pool{end}" for kind in ("Max", "Avg") for end in ("", "Grad", "3D", "3DGrad"))},
    "LogSoftmax": log_softmax,
    "SparseSoftmaxCrossEntropyWithLogits": sparse_xent,
    "ArgMax": places,
    "ArgMin": places,
    "Cumsum": running_sums,
    "Gather": rows,
    "UnsortedSegmentSum": segment_sums,
    "Transpose": turned,
    "Softmax": softmax,
    "SoftmaxCrossEntropyWithLogits": xent,
    "ApplyGradientDescent": updates,
    **{kind: reductions(kind) for kind in ("Sum", "Mean", "Max", "Min", "Prod")},
}


def reference(op_type, inputs, attrs):
    """The page's kernel, as a list of outputs."""
    op = op_def(op_type)
    given = {k: attrs[k] for k in op.kernels["cpu"].attrs if k in attrs}
    with np.errstate(all="ignore"):
        result = op.reference(*inputs, **given)
    values = list(result) if isinstance(result, tuple | list) else [result]
    return [np.asarray(v) for v in values]


def assert_within(got, wanted, bounds, dtype):
    """Each output within its bound of the other, plus one rounding of the result; special values in their places."""
    for g, w, bound in zip(got, wanted, bounds, strict=True):
        g = np.asarray(g)
        assert g.shape == w.shape and g.dtype == w.dtype
        if g.dtype.kind != "f":
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
