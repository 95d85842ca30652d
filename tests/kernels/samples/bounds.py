"""How far two kernels may be apart, computed from the inputs; and the comparison itself."""

import numpy as np

from refflow.core.registry import op_def


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


def some(rng, shape, dtype):
    return rng.integers(0, 2, shape).astype(bool) if dtype == "bool" else normal(rng, shape, dtype)


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
