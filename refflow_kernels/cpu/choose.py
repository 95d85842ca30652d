"""Choice by condition without branches [W06].

    result = e xor ((t xor e) * condition)        on the numbers' bits, condition 0 or 1
    sign   = clip(x 2^k 2^k, -1, 1) + 0            k so large that the smallest number comes to 1 or more; 0 for -0

    bytes: condition, t, e and the result        operations: 4 on whole numbers for each element

A branch for each element costs ten times as much where conditions are as good as random, as signs of activations are:
the core guesses wrong every other time. On bits nothing is guessed, and NaN and infinity go through as they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow_kernels.cpu import threads

_BLOCK = 1 << 15  # elements
_TOGETHER = 8  # blocks worth a thread
_LARGE = {"f": np.array(2.0**100, np.float32), "d": np.array(2.0**600)}
_FEW = 256  # elements: for fewer, four calls are not worth it


def choose(condition: Any, t: Any, e: Any, out: Any) -> Any:
    """`t` where the condition holds, else `e`, in `out`, which may be either. Shapes broadcast to out's."""
    whole = np.dtype(f"i{out.itemsize}")

    def bits(x: Any) -> Any:
        return np.asarray(x, out.dtype).view(whole)

    if whole.itemsize == 1:
        condition = np.asarray(condition).view(whole)  # spares a conversion
    difference = bits(t) ^ bits(e)
    np.bitwise_xor(difference * condition, bits(e), out=out.view(whole))
    return out


def sign(x: Any, out: Any) -> Any:
    """-1, 0 or 1 for each element, and NaN for NaN, in `out`, which may be x: the bits of NumPy's, which branches."""
    large = _LARGE.get(x.dtype.char)
    if large is None or x.size < _FEW:
        return np.sign(x, out)
    np.multiply(x, large, out)
    np.multiply(out, large, out)
    np.clip(out, -1, 1, out)
    return np.add(out, 0, out)


def select(condition: Any, t: Any, e: Any, out: Any = None) -> Any:
    """`t` where the condition holds, else `e`. A condition of rank 1 chooses rows."""
    if np.ndim(condition) == 1 and t.ndim > 1:
        condition = condition.reshape(-1, *[1] * (t.ndim - 1))
    return select_v2(condition, t, e, out)


def select_v2(condition: Any, t: Any, e: Any, out: Any = None) -> Any:
    """`t` where the condition holds, else `e`; shapes broadcast."""
    shape = np.broadcast_shapes(np.shape(condition), t.shape, e.shape)
    out = np.empty(shape, t.dtype) if out is None else out
    arrays = (condition, t, e, out)
    if out.size <= _BLOCK or not all(a.shape == shape and a.flags.c_contiguous for a in arrays):
        return choose(condition, t, e, out)
    flat = [a.reshape(-1) for a in arrays]

    def piece(number: int) -> None:
        for start in range(number * _TOGETHER * _BLOCK, min(out.size, (number + 1) * _TOGETHER * _BLOCK), _BLOCK):
            choose(*(a[start : start + _BLOCK] for a in flat))

    threads.each(piece, -(-out.size // (_TOGETHER * _BLOCK)))
    return out
