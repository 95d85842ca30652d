"""Matrix product: BLAS on views, so that a transposed operand is never copied [S16, W51].

    bytes: MK + KN + MN elements        operations: 2 MNK

A tall product with few columns (10,000 x 784 x 10), or its gradient (784 x 10,000 x 10), reads A once and is bound by
memory, not by arithmetic; packing A, as BLAS does for large products, is half of the time. Small products are computed
without: a hundred rows at a time, which also stay in cache, take two thirds of the time. The cuts are along the rows
of A as it lies in memory: rows of the result, or parts of the sums, which are then added in order.

Large products are cut along the longer side of the result, two or four pieces, a thread each; short sides would make
BLAS pack the other operand again for each piece. Where both sides are short, the sums are cut instead. BLAS's sums
depend on where it is cut, so that is decided by the sizes alone, never by the number of threads. Where they are known
not to, there are no more pieces than threads, since each costs BLAS the packing of an operand.

A few rows times a large B cost BLAS the packing of B, for a handful of operations with each of its numbers: so few of
its columns are taken at a time that they are not packed, in one call for all. Where those would be too few and B lies
turned, as a layer's gradient needs its weights, the result is computed turned: BLAS packs its second operand quicker.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow_kernels.cpu import threads

_NARROW = 32  # columns: from here on BLAS fills its registers by itself
_VERY_NARROW = 16  # columns: up to here packing is what takes the time
_FEWEST_COLUMNS = 4  # for which it is worth turning the second operand, where it would not fill a register
_UNPACKED = 1_000_000  # multiply-adds that OpenBLAS computes without packing
_UNPACKED_TURNED, _TURNED_RESULTS = 1 << 18, 1 << 10  # and with a turned B: multiply-adds, results
_THIN = 24  # rows of A that are few for any B
_SECOND_CACHE = 1 << 19  # elements of B that stay there
_FEWEST_FREE = 16  # rows and columns of a result that is a product for BLAS in each piece
_CACHED = 1 << 16  # elements of A that stay in cache
_FEWEST = 48  # rows at a time that are worth a call
_ROWS = 512  # of A at a time where there are more columns
_PIECE = 1 << 24  # operations worth a thread
_FEW_ROWS, _LONG = 64, 128  # rows of A, and sides of a turned B, for which the result is computed turned
_SMALL = 1 << 12  # elements of a second operand that is turned quicker than BLAS reads it turned


def matmul(a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False, out: Any = None) -> Any:
    """a [M, K] times b [K, N], after the transpositions asked for; zeros where K = 0.

    float16 is multiplied and summed in float32, and rounded once.
    """
    a = a.T if transpose_a else a  # [M, K]
    b = b.T if transpose_b else b  # [K, N]
    return product(a, b, out)


def fixed_matmul(dtype: Any, a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> Any:
    """BLAS itself, where `product` would only pass small matrices on; to ask would take a fifth of the time."""
    m, k = a.shape[::-1] if transpose_a else a.shape
    n = b.shape[0] if transpose_b else b.shape[1]
    if dtype not in (np.float32, np.float64) or 2 * m * k * n >= 2 * _PIECE:
        return None
    if (transpose_b and m <= _FEW_ROWS and min(k, n) >= _LONG) or (m <= _THIN and m * k * n > _UNPACKED_TURNED):
        return None
    if not (transpose_a or transpose_b):
        return np.matmul
    lying = np.ascontiguousarray if k * n <= _SMALL else np.asarray

    def fixed(a: Any, b: Any, out: Any = None) -> Any:
        return np.matmul(a.T if transpose_a else a, lying(b.T) if transpose_b else b, out=out)

    return fixed


def product(a: Any, b: Any, out: Any = None) -> Any:
    """a [M, K] times b [K, N], in pieces."""
    if a.dtype == np.float16:
        wide = product(a.astype(np.float32), b.astype(np.float32))
        return _into(out, wide)
    if out is None:
        out = np.empty((a.shape[0], b.shape[1]), a.dtype)
    (m, k), n = a.shape, b.shape[1]
    work = 2 * m * k * n
    columns = _columns_at_a_time(m, k, n, b) if m <= _THIN and out.strides[1] == out.itemsize else 0
    if columns:
        return _by_columns(a, b, columns, out)
    if m <= _FEW_ROWS and min(k, n) >= _LONG and b.strides[0] == b.itemsize and b.dtype.kind == "f":
        out[...] = product(b.T, a.T).T
        return out
    if work < 2 * _PIECE or a.dtype.kind not in "fc":
        if k * n <= _SMALL and b.strides[0] < b.strides[1]:
            b = np.ascontiguousarray(b)
        return np.matmul(a, b, out=out)
    step = _rows_at_a_time(n, k if a.strides[1] == a.itemsize else m)
    if n <= _NARROW and m >= 4 * step and a.strides[1] == a.itemsize:
        return _by_rows(a, b, step, out)
    if n <= _VERY_NARROW and k >= 8 * step and step < _ROWS and a.strides[0] == a.itemsize:
        return _by_short_sums(a, b, step, out)
    pieces = 2 if work < 32 * _PIECE else 4
    if k >= 8 * max(m, n):
        return _by_depth(a, b, pieces, out)
    if _cuts_are_free(a, b):
        pieces = min(pieces, threads.count())

    def piece(i: int) -> None:
        if m >= 2 * n:
            here = slice(m * i // pieces, m * (i + 1) // pieces)
            np.matmul(a[here], b, out=out[here])
        else:
            here = slice(n * i // pieces, n * (i + 1) // pieces)
            np.matmul(a, b[:, here], out=out[:, here])

    threads.each(piece, pieces)
    return out


def _cuts_are_free(a: Any, b: Any) -> bool:
    """True where pieces of the result have the bits of the whole; of a matrix times itself, turned, BLAS makes half."""
    large = min(a.shape[0], b.shape[1]) >= _FEWEST_FREE
    return large and a.dtype == np.float32 and threads.cuts_are_free() and not np.may_share_memory(a, b)


def _columns_at_a_time(m: int, k: int, n: int, b: Any) -> int:
    """How many columns of B, with few rows of A, BLAS multiplies without packing; 0 where all at once are as quick."""
    if b.dtype != np.float32 or m < 2 or m * k * n <= _UNPACKED_TURNED:
        return 0
    if b.strides[1] == b.itemsize:
        columns = _UNPACKED // (m * k) // 16 * 16
        near = m <= 4 or k * n <= _SECOND_CACHE
        enough = 112 if near else 192 if m <= 6 else n
    elif b.strides[0] == b.itemsize:
        columns = min(64, _TURNED_RESULTS // m, _UNPACKED_TURNED // (m * k)) // 16 * 16
        enough = 16
    else:
        return 0
    return columns if enough <= columns < n else 0


def _by_columns(a: Any, b: Any, columns: int, out: Any) -> Any:
    """Some columns of the result at a time, as a batch of products over views; and those that are left."""
    (m, k), n = a.shape, b.shape[1]
    count = n // columns
    whole = count * columns
    if b.strides[1] == b.itemsize:
        parts = b[:, :whole].reshape(k, count, columns).transpose(1, 0, 2)  # a view, as all here
    else:
        parts = b.T[:whole].reshape(count, columns, k).transpose(0, 2, 1)
    places = out[:, :whole].reshape(m, count, columns).transpose(1, 0, 2)
    pieces = max(1, min(4, count, 2 * m * k * n // _PIECE))

    def piece(i: int) -> None:
        here = slice(count * i // pieces, count * (i + 1) // pieces)
        np.matmul(a, parts[here], out=places[here])

    threads.each(piece, pieces)
    if whole < n:
        np.matmul(a, b[:, whole:], out=out[:, whole:])
    return out


def _rows_at_a_time(columns: int, length: int) -> int:
    """How many rows of that length, times so many columns, are quickest at a time."""
    unpacked = min(_UNPACKED // max(1, columns * length), _CACHED // max(1, length)) // 16 * 16
    return min(_ROWS, unpacked) if columns <= _VERY_NARROW and unpacked >= _FEWEST else _ROWS


def _by_rows(a: Any, b: Any, step: int, out: Any) -> Any:
    """Some rows of the result at a time; of few columns each result is a sum along both operands as they lie."""
    m = a.shape[0]
    if step < _ROWS and _FEWEST_COLUMNS <= b.shape[1] < _VERY_NARROW:
        b = np.asfortranarray(b)
    each = -(-_ROWS // step) * step

    def rows(i: int) -> None:
        for start in range(i * each, min(m, (i + 1) * each), step):
            here = slice(start, min(m, start + step))
            np.matmul(a[here], b, out=out[here])

    threads.each(rows, -(-m // each))
    return out


def _by_short_sums(a: Any, b: Any, step: int, out: Any) -> Any:
    """A few terms of all sums at a time; the result is computed turned, [N, M], as A lies in memory."""
    (m, k), n = a.shape, b.shape[1]
    pieces = min(4, k // (4 * step))
    parts = np.zeros((pieces, n, m), a.dtype)

    def part(i: int) -> None:
        last = k * (i + 1) // pieces
        some = np.empty((n, m), a.dtype)
        for start in range(k * i // pieces, last, step):
            here = slice(start, min(last, start + step))
            np.matmul(b[here].T, a.T[here], out=some)
            np.add(parts[i], some, out=parts[i])

    threads.each(part, pieces)
    np.add.reduce(parts, axis=0, out=parts[0])
    out[...] = parts[0].T
    return out


def _by_depth(a: Any, b: Any, pieces: int, out: Any) -> Any:
    """Long sums for a small result: a part of K to a thread, the parts added in order."""
    k = a.shape[1]
    parts = np.empty((pieces, a.shape[0], b.shape[1]), a.dtype)

    def part(i: int) -> None:
        here = slice(k * i // pieces, k * (i + 1) // pieces)
        np.matmul(a[:, here], b[here], out=parts[i])

    threads.each(part, pieces)
    return np.add.reduce(parts, axis=0, out=out)


def batch_matmul(x: Any, y: Any, adj_x: bool = False, adj_y: bool = False, out: Any = None) -> Any:
    """x [..., M, K] times y [..., K, N] for each place of the leading axes, which broadcast.

    adj_x, adj_y: take the conjugate transpose of each matrix.
    """
    x = _adjoint(x) if adj_x else x
    y = _adjoint(y) if adj_y else y
    lead = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    if out is None:
        out = np.empty((*lead, x.shape[-2], y.shape[-1]), x.dtype)
    if x.dtype == np.float16:
        out[...] = np.matmul(x.astype(np.float32), y.astype(np.float32))
        return out
    work = 2 * out.size * x.shape[-1]
    if work < 2 * _PIECE or not lead or x.dtype.kind not in "fc":
        _each_product(x, y, out)
        return out
    left = np.broadcast_to(x, (*lead, *x.shape[-2:]))
    right = np.broadcast_to(y, (*lead, *y.shape[-2:]))
    first = lead[0]
    if first == 1:  # the matrices lie further in
        batch_matmul(left[0], right[0], out=out[0])
        return out
    pieces = min(first, max(2, min(8, work // _PIECE)))

    def piece(i: int) -> None:
        here = slice(first * i // pieces, first * (i + 1) // pieces)
        _each_product(left[here], right[here], out[here])

    threads.each(piece, pieces)
    return out


def _each_product(x: Any, y: Any, out: Any) -> None:
    """The products of all matrices; of those that BLAS would pack though half of one is small, half at a time."""
    (m, k), n = x.shape[-2:], y.shape[-1]
    if not (_UNPACKED < m * k * n <= 2 * _UNPACKED and y.strides[-1] == y.itemsize):
        np.matmul(x, y, out=out)
        return
    for rows in (slice(None, m // 2), slice(m // 2, None)):
        np.matmul(x[..., rows, :], y, out=out[..., rows, :])


def _adjoint(x: Any) -> Any:
    x = np.swapaxes(x, -1, -2)
    return x.conj() if x.dtype.kind == "c" else x


def _into(out: Any, product: Any) -> Any:
    if out is None:
        return product.astype(np.float16)
    out[...] = product
    return out
