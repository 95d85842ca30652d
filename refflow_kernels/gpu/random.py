"""Random numbers: Philox 4x32-10 on the card, with the bits of the CPU's [W73].

    words       four of a block, a function of the key and of the block's number alone
    uniform     the low bits of a word as the mantissa of a number in [1, 2), less 1
    normal      Box-Muller on pairs of words: sqrt(-2 log u1) sin(2 pi u2), and the same with cos
    truncated   normals in order, those at or beyond 2 dropped, until each group of four is full

    bytes: the result, written once        operations: 10 rounds of 2 products for four numbers

A lane makes a block, and its numbers lie together. Which block comes first stands in device memory, as `state`: key,
and the two halves of the counter. The host counts, and writes it there before each run, so that a captured step that
is replayed draws other numbers each time.

Logarithm, sine and cosine are taken in float64 and rounded, as on the op's page: two libraries that are right to a
unit of float64 give one float32 but for one number in some hundred millions.

Next: refflow_kernels/gpu/multinomial.py.
"""

from __future__ import annotations

from math import prod
from typing import Any

import triton
import triton.language as tl

from refflow_kernels.gpu.arrays import ceil_div, check_out
from refflow_kernels.kernel import Kernel

LANES = 256  # blocks in one program: four numbers each
REGION = 256  # blocks that a group of four truncated normals may use
TYPES = ("float32", "float16", "bfloat16")
_BITS = {"float32": 23, "float16": 10, "bfloat16": 7}  # of a uniform number's mantissa


@triton.jit
def words(state_at, block):
    """Four words for each block: Salmon, Moraes, Dror and Shaw, 2011."""
    key = tl.load(state_at).to(tl.uint64)
    low = tl.load(state_at + 1).to(tl.uint64) + block
    high = tl.load(state_at + 2).to(tl.uint64) + (low < block).to(tl.uint64)  # a counter of 128 bits
    c0, c1 = low.to(tl.uint32), (low >> 32).to(tl.uint32)
    c2, c3 = high.to(tl.uint32), (high >> 32).to(tl.uint32)
    k0, k1 = key.to(tl.uint32), (key >> 32).to(tl.uint32)
    for _ in tl.static_range(10):
        a, b = tl.full(c0.shape, 0xD2511F53, tl.uint32), tl.full(c0.shape, 0xCD9E8D57, tl.uint32)
        c0, c1, c2, c3 = tl.umulhi(b, c2) ^ c1 ^ k0, b * c2, tl.umulhi(a, c0) ^ c3 ^ k1, a * c0
        k0 += 0x9E3779B9
        k1 += 0xBB67AE85
    return c0, c1, c2, c3


@triton.jit
def _uniform(word, BITS: tl.constexpr):
    """[0, 1) from the word's low bits."""
    if BITS == 23:
        found = ((word & 0x7FFFFF) | 0x3F800000).to(tl.float32, bitcast=True) - 1.0
    else:
        found = (word & ((1 << BITS) - 1)).to(tl.float32) * (1.0 / (1 << BITS))
    return found


@triton.jit
def _sin_cos(x):
    """Sine and cosine of 0 <= x < 2 pi in float64, by polynomials over an eighth of a turn either way (Cephes).

    The card's own take any x, and memory for the largest.
    """
    eighths = tl.floor(x * 1.2732395447351628).to(tl.int32)  # 4 / pi
    eighths += eighths & 1
    y = eighths.to(tl.float64)
    z = x - y * 7.85398125648498535156e-1 - y * 3.77489470793079817668e-8 - y * 2.69515142907905952645e-15
    zz = z * z
    s = 1.58962301576546568060e-10 * zz - 2.50507477628578072866e-8
    s = s * zz + 2.75573136213857245213e-6
    s = s * zz - 1.98412698295895385996e-4
    s = s * zz + 8.33333333332211858878e-3
    s = s * zz - 1.66666666666666307295e-1
    s = s * zz * z + z
    c = -1.13585365213876817300e-11 * zz + 2.08757008419747316778e-9
    c = c * zz - 2.75573141792967388112e-7
    c = c * zz + 2.48015872888517045348e-5
    c = c * zz - 1.38888888888730564116e-3
    c = c * zz + 4.16666666666665929218e-2
    c = c * zz * zz - 0.5 * zz + 1.0
    quarter = (eighths >> 1) & 3  # the two change places at each quarter turn
    turned = (quarter & 1) == 1
    sine, cosine = tl.where(turned, c, s), tl.where(turned, s, c)
    return tl.where(quarter >= 2, -sine, sine), tl.where((quarter == 1) | (quarter == 2), -cosine, cosine)


@triton.jit
def _pair(word1, word2):
    """Two normal numbers from two words; the sine's is the first."""
    least = tl.maximum(_uniform(word1, 23), 1e-7).to(tl.float64)  # 0 has no logarithm
    radius = tl.sqrt_rn(-2.0 * tl.log(least).to(tl.float32))
    angle = (_uniform(word2, 23).to(tl.float64) * 6.283185307179586).to(tl.float32).to(tl.float64)
    sine, cosine = _sin_cos(angle)
    return sine.to(tl.float32) * radius, cosine.to(tl.float32) * radius


@triton.jit
def _store(y_at, n0, n1, n2, n3, size, LANES: tl.constexpr):
    """The four numbers of each lane, one after the other."""
    together = tl.interleave(tl.interleave(n0, n2), tl.interleave(n1, n3))
    i = tl.program_id(0).to(tl.int64) * (4 * LANES) + tl.arange(0, 4 * LANES)
    tl.store(y_at + i, together.to(y_at.dtype.element_ty), mask=i < size)


@triton.jit
def _uniforms(state_at, y_at, size, BITS: tl.constexpr, LANES: tl.constexpr):
    block = (tl.program_id(0).to(tl.int64) * LANES + tl.arange(0, LANES)).to(tl.uint64)
    w0, w1, w2, w3 = words(state_at, block)
    _store(y_at, _uniform(w0, BITS), _uniform(w1, BITS), _uniform(w2, BITS), _uniform(w3, BITS), size, LANES)


@triton.jit
def _normals(state_at, y_at, size, LANES: tl.constexpr):
    block = (tl.program_id(0).to(tl.int64) * LANES + tl.arange(0, LANES)).to(tl.uint64)
    w0, w1, w2, w3 = words(state_at, block)
    n0, n1 = _pair(w0, w1)
    n2, n3 = _pair(w2, w3)
    _store(y_at, n0, n1, n2, n3, size, LANES)


@triton.jit
def _taken(number, have, n0, n1, n2, n3):
    """The group with one more number, where that is near enough and there is room."""
    keep = (tl.abs(number) < 2.0) & (have < 4)
    n0 = tl.where(keep & (have == 0), number, n0)
    n1 = tl.where(keep & (have == 1), number, n1)
    n2 = tl.where(keep & (have == 2), number, n2)
    n3 = tl.where(keep & (have == 3), number, n3)
    return have + keep.to(tl.int32), n0, n1, n2, n3


@triton.jit
def _truncated(state_at, y_at, size, REGION: tl.constexpr, LANES: tl.constexpr):
    group = (tl.program_id(0).to(tl.int64) * LANES + tl.arange(0, LANES)).to(tl.uint64)
    have = tl.zeros((LANES,), tl.int32)
    n0 = tl.zeros((LANES,), tl.float32)
    n1, n2, n3 = n0, n0, n0
    block = group * REGION  # each group has a region of its own, whatever others had to drop
    while tl.min(have, axis=0) < 4:
        w0, w1, w2, w3 = words(state_at, block)
        a, b = _pair(w0, w1)
        c, d = _pair(w2, w3)
        have, n0, n1, n2, n3 = _taken(a, have, n0, n1, n2, n3)
        have, n0, n1, n2, n3 = _taken(b, have, n0, n1, n2, n3)
        have, n0, n1, n2, n3 = _taken(c, have, n0, n1, n2, n3)
        have, n0, n1, n2, n3 = _taken(d, have, n0, n1, n2, n3)
        block += 1
    _store(y_at, n0, n1, n2, n3, size, LANES)


def random_uniform(shape: Any, dtype: Any = None, state: Any = None, out: Any = None) -> Any:
    """Numbers in [0, 1). state: three int64 in device memory: key, low and high half of the first block's counter."""
    size = _checked(out)
    if size:
        bits = next(b for name, b in _BITS.items() if str(out.dtype).endswith("." + name))
        _uniforms[(ceil_div(size, 4 * LANES),)](
            state, out, size, BITS=bits, LANES=LANES, num_warps=4, enable_fp_fusion=False
        )
    return out


def random_standard_normal(shape: Any, dtype: Any = None, state: Any = None, out: Any = None) -> Any:
    """Normal numbers of mean 0 and deviation 1."""
    size = _checked(out)
    if size:
        _normals[(ceil_div(size, 4 * LANES),)](state, out, size, LANES=LANES, num_warps=4, enable_fp_fusion=False)
    return out


def truncated_normal(shape: Any, dtype: Any = None, state: Any = None, out: Any = None) -> Any:
    """Normal numbers less than two deviations from 0."""
    size = _checked(out)
    if size:
        _truncated[(ceil_div(size, 4 * LANES),)](
            state, out, size, REGION=REGION, LANES=LANES, num_warps=4, enable_fp_fusion=False
        )
    return out


def _checked(out: Any) -> int:
    check_out(out, tuple(out.shape))
    return prod(out.shape)


KERNELS = {
    "RandomUniform": Kernel(random_uniform, TYPES, (0,), type_attr="dtype"),
    "RandomStandardNormal": Kernel(random_standard_normal, TYPES, (0,), type_attr="dtype"),
    "TruncatedNormal": Kernel(truncated_normal, TYPES, (0,), type_attr="dtype"),
}
