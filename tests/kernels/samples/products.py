"""Matrix products."""

import numpy as np

from refflow.core.dtypes import as_dtype
from tests.kernels.samples.bounds import gamma, normal


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


def stretched(rng, dtype):
    """As batch_matmul, and with batches that broadcast, in up to three axes of their own."""
    yield from batch_matmul(rng, dtype)
    for lead_x, lead_y in [((3,), ()), ((), (2,)), ((2, 1), (3,)), ((2, 1, 2), (3, 1)), ((1, 2, 1, 2), (2, 1, 3, 1))]:
        for adj_x, adj_y in [(False, False), (True, False), (False, True)]:
            x = normal(rng, (*lead_x, 5, 4) if adj_x else (*lead_x, 4, 5), dtype)
            y = normal(rng, (*lead_y, 6, 5) if adj_y else (*lead_y, 5, 6), dtype)
            wide_x, wide_y = np.abs(x.astype(np.float64)), np.abs(y.astype(np.float64))
            size = (wide_x.swapaxes(-1, -2) if adj_x else wide_x) @ (wide_y.swapaxes(-1, -2) if adj_y else wide_y)
            yield (x, y), {"adj_x": adj_x, "adj_y": adj_y}, (gamma(7, dtype) * size,)


def with_types(rng, dtype):
    for inputs, attrs, bounds in stretched(rng, dtype):
        yield inputs, attrs | {"Tout": as_dtype(dtype)}, bounds


NAMED = [  # by strides alone; stretched; empty; through copies; deep; one operand
    ("ij,jk->ik", (7, 5), (5, 20)), ("ij,kj->ki", (7, 5), (20, 5)), ("btd,dhk->bthk", (2, 3, 5), (5, 4, 6)),
    ("bthk,bshk->bhts", (2, 3, 4, 5), (2, 6, 4, 5)), ("bhts,bshk->bthk", (2, 4, 3, 6), (2, 6, 4, 5)),
    ("bthk,dhk->btd", (2, 3, 4, 5), (7, 4, 5)), ("btd,bthk->dhk", (2, 3, 5), (2, 3, 4, 6)),
    ("ab,c->abc", (2, 3), (4,)), ("i,i->", (9,), (9,)), ("ij,ij->i", (6, 8), (6, 8)),
    ("...ij,...jk->...ik", (3, 1, 4, 5), (2, 5, 6)), ("ij,jk->ki", (0, 5), (5, 3)), ("ij,jk->ik", (3, 0), (0, 4)),
    ("acbd,dea->ebc", (2, 3, 4, 5), (5, 6, 2)), ("xaybz,xyzc->abcx", (2, 3, 2, 4, 2), (2, 2, 2, 3)),
    ("ki,kj->ij", (600, 4), (600, 5)), ("bkm,bkn->bmn", (2, 600, 3), (2, 600, 4)),
    ("akb,bka->", (3, 200, 2), (2, 200, 3)), ("ij->ji", (3, 40)), ("ijk->k", (5, 3, 4)), ("ijk->ki", (5, 3, 4)),
    ("...ij->...j", (2, 3, 4)), ("i->", (9000,)),
]  # fmt: skip


def named(rng, dtype):
    for equation, *shapes in NAMED:
        inputs = [normal(rng, shape, dtype) for shape in shapes]
        wide = [np.abs(x.astype(np.float64)) for x in inputs]
        terms = np.einsum(equation, *(np.ones_like(x) for x in wide))
        count = int(terms.max(initial=0))
        yield (inputs,), {"equation": equation}, (gamma(count + 3, dtype) * np.einsum(equation, *wide),)


SAMPLES = {
    "Einsum": named,
    "MatMul": matmul,
    "BatchMatMul": batch_matmul,
    "BatchMatMulV2": stretched,
    "BatchMatMulV3": with_types,
}
