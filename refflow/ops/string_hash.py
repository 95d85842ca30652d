"""Strings into buckets: a 64-bit hash of the bytes, modulo the number of buckets.

    StringToHashBucket        MurmurHash64A of the first release, seed 0xDECAFCAFFE
    StringToHashBucketFast    FarmHash Fingerprint64: the same on every machine and in every version
    StringToHashBucketStrong  SipHash-2-4 under a key: who does not know the key cannot make strings collide

All arithmetic is modulo 2**64. A hash reads 8 bytes at a time as a number, least significant byte first.

Next: ops/decode.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.core.graph import Tensor
from refflow.core.opdef import define_op
from refflow.core.signature import Attr

BUCKETS = Attr("int", minimum=1)
HASH_BUCKET = define_op("StringToHashBucket", "string_tensor: string[...S] -> output: int64[...S]",
                        num_buckets=BUCKETS, source=("W06",))  # fmt: skip
HASH_BUCKET_FAST = define_op("StringToHashBucketFast", "input: string[...S] -> output: int64[...S]",
                             num_buckets=BUCKETS, source=("W06",))  # fmt: skip
HASH_BUCKET_STRONG = define_op("StringToHashBucketStrong", "input: string[...S] -> output: int64[...S]",
                               num_buckets=BUCKETS, key=Attr("list(int)"), source=("W06",))  # fmt: skip
for _op in (HASH_BUCKET, HASH_BUCKET_FAST, HASH_BUCKET_STRONG):
    _op.no_gradient()

_ALL = (1 << 64) - 1


def _buckets(function: Callable[[bytes], int], texts: np.ndarray, count: int) -> np.ndarray:
    return np.fromiter((function(t) % count for t in texts.reshape(-1)), np.int64, texts.size).reshape(texts.shape)


@HASH_BUCKET.kernel
def hash_bucket_kernel(string_tensor, num_buckets):
    return _buckets(murmur64, string_tensor, num_buckets)


@HASH_BUCKET_FAST.kernel
def hash_bucket_fast_kernel(input, num_buckets):
    return _buckets(fingerprint64, input, num_buckets)


@HASH_BUCKET_STRONG.kernel
def hash_bucket_strong_kernel(input, num_buckets, key):
    if len(key) != 2:
        raise ValueError("Key must have 2 elements")
    return _buckets(lambda text: siphash(text, key[0], key[1]), input, num_buckets)


def _word(data: bytes, at: int, size: int = 8) -> int:
    return int.from_bytes(data[at : at + size], "little")


def _rotate(x: int, by: int) -> int:
    """To the right, of 64 bits."""
    return (x >> by | x << (64 - by)) & _ALL


def murmur64(data: bytes, seed: int = 0xDECAFCAFFE) -> int:
    """MurmurHash64A.

    >>> murmur64(b"a") % 10
    8
    """
    m = 0xC6A4A7935BD1E995
    h = seed ^ (len(data) * m & _ALL)
    whole = len(data) & ~7
    for at in range(0, whole, 8):
        k = _word(data, at) * m & _ALL
        h = (h ^ ((k ^ k >> 47) * m & _ALL)) * m & _ALL
    if whole < len(data):
        h = (h ^ _word(data, whole)) * m & _ALL
    h = (h ^ h >> 47) * m & _ALL
    return h ^ h >> 47


# -- SipHash -----------------------------------------------------------------------------------------


def siphash(data: bytes, key0: int, key1: int) -> int:
    """SipHash-2-4: two rounds for every 8 bytes, four at the end."""
    k0, k1 = key0 & _ALL, key1 & _ALL
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]
    whole = len(data) & ~7
    words = [_word(data, at) for at in range(0, whole, 8)]
    for word in [*words, _word(data, whole) | (len(data) & 255) << 56]:
        v[3] ^= word
        _sip_rounds(v, 2)
        v[0] ^= word
    v[2] ^= 0xFF
    _sip_rounds(v, 4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def _sip_rounds(v: list[int], count: int) -> None:
    a, b, c, d = v
    for _ in range(count):
        a, c = (a + b) & _ALL, (c + d) & _ALL
        b, d = _rotate(b, 51) ^ a, _rotate(d, 48) ^ c
        a = _rotate(a, 32)
        a, c = (a + d) & _ALL, (c + b) & _ALL
        d, b = _rotate(d, 43) ^ a, _rotate(b, 47) ^ c
        c = _rotate(c, 32)
    v[:] = a, b, c, d


# -- FarmHash ----------------------------------------------------------------------------------------

_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F


def fingerprint64(data: bytes) -> int:
    """FarmHash Fingerprint64, by the length of the data.

    >>> fingerprint64(b"a") % 10
    9
    """
    size = len(data)
    if size <= 16:
        return _up_to_16(data)
    if size <= 32:
        return _up_to_32(data)
    return _up_to_64(data) if size <= 64 else _longer(data)


def _mix(x: int) -> int:
    return x ^ x >> 47


def _join(u: int, v: int, by: int = 0x9DDFEA08EB382D69) -> int:
    """Two words into one."""
    a = _mix((u ^ v) * by & _ALL)
    return _mix((v ^ a) * by & _ALL) * by & _ALL


def _up_to_16(s: bytes) -> int:
    size = len(s)
    by = _K2 + size * 2
    if size >= 8:
        a, b = _word(s, 0) + _K2 & _ALL, _word(s, size - 8)
        return _join(_rotate(b, 37) * by + a & _ALL, (_rotate(a, 25) + b) * by & _ALL, by)
    if size >= 4:
        return _join(size + (_word(s, 0, 4) << 3), _word(s, size - 4, 4), by)
    if size:
        y = s[0] + (s[size >> 1] << 8)
        z = size + (s[-1] << 2)
        return _mix(y * _K2 & _ALL ^ z * _K0 & _ALL) * _K2 & _ALL
    return _K2


def _up_to_32(s: bytes) -> int:
    by = _K2 + len(s) * 2
    a, b = _word(s, 0) * _K1 & _ALL, _word(s, 8)
    c, d = _word(s, len(s) - 8) * by & _ALL, _word(s, len(s) - 16) * _K2 & _ALL
    left = _rotate(a + b & _ALL, 43) + _rotate(c, 30) + d & _ALL
    return _join(left, a + _rotate(b + _K2 & _ALL, 18) + c & _ALL, by)


def _up_to_64(s: bytes) -> int:
    size = len(s)
    by = _K2 + size * 2
    a, b = _word(s, 0) * _K2 & _ALL, _word(s, 8)
    c, d = _word(s, size - 8) * by & _ALL, _word(s, size - 16) * _K2 & _ALL
    y = _rotate(a + b & _ALL, 43) + _rotate(c, 30) + d & _ALL
    z = _join(y, a + _rotate(b + _K2 & _ALL, 18) + c & _ALL, by)
    e, f = _word(s, 16) * by & _ALL, _word(s, 24)
    g, h = (y + _word(s, size - 32)) * by & _ALL, (z + _word(s, size - 24)) * by & _ALL
    left = _rotate(e + f & _ALL, 43) + _rotate(g, 30) + h & _ALL
    return _join(left, e + _rotate(f + a & _ALL, 18) + g & _ALL, by)


def _longer(s: bytes) -> int:
    """56 bytes of state, turned over for every 64 bytes; the last 64 bytes are taken once more."""
    x, y = 81, 81 * _K1 + 113 & _ALL
    z = _mix(y * _K2 + 113 & _ALL) * _K2 & _ALL
    v, w = (0, 0), (0, 0)
    x = x * _K2 + _word(s, 0) & _ALL
    end = (len(s) - 1) // 64 * 64
    for at in range(0, end, 64):
        x = _rotate(x + y + v[0] + _word(s, at + 8) & _ALL, 37) * _K1 & _ALL
        y = _rotate(y + v[1] + _word(s, at + 48) & _ALL, 42) * _K1 & _ALL
        x ^= w[1]
        y = y + v[0] + _word(s, at + 40) & _ALL
        z = _rotate(z + w[0] & _ALL, 33) * _K1 & _ALL
        v = _weak(s, at, v[1] * _K1 & _ALL, x + w[0] & _ALL)
        w = _weak(s, at + 32, z + w[1] & _ALL, y + _word(s, at + 16) & _ALL)
        z, x = x, z
    by = _K1 + ((z & 0xFF) << 1) & _ALL
    at = len(s) - 64
    w = (w[0] + ((len(s) - 1) & 63) & _ALL, w[1])
    v = (v[0] + w[0] & _ALL, v[1])
    w = (w[0] + v[0] & _ALL, w[1])
    x = _rotate(x + y + v[0] + _word(s, at + 8) & _ALL, 37) * by & _ALL
    y = _rotate(y + v[1] + _word(s, at + 48) & _ALL, 42) * by & _ALL
    x ^= w[1] * 9 & _ALL
    y = y + v[0] * 9 + _word(s, at + 40) & _ALL
    z = _rotate(z + w[0] & _ALL, 33) * by & _ALL
    v = _weak(s, at, v[1] * by & _ALL, x + w[0] & _ALL)
    w = _weak(s, at + 32, z + w[1] & _ALL, y + _word(s, at + 16) & _ALL)
    z, x = x, z
    left = _join(v[0], w[0], by) + _mix(y) * _K0 + z & _ALL
    return _join(left, _join(v[1], w[1], by) + x & _ALL, by)


def _weak(s: bytes, at: int, a: int, b: int) -> tuple[int, int]:
    """32 bytes and two words into two words."""
    w, x, y, z = (_word(s, at + i) for i in (0, 8, 16, 24))
    a = a + w & _ALL
    b = _rotate(b + a + z & _ALL, 21)
    c = a
    a = a + x + y & _ALL
    b = b + _rotate(a, 44) & _ALL
    return a + z & _ALL, b + c & _ALL


HASH_BUCKET.case("W06", "the release's hash", string_tensor=[b"a", b"hello world"], num_buckets=10, output=[8, 5])
HASH_BUCKET_FAST.case("W06", "a fingerprint", input=[b"a", b"hello world"], num_buckets=10, output=[9, 1])
HASH_BUCKET_STRONG.case("W06", "under a key", input=[b"a"], num_buckets=2**62, key=[1, 2], output=[546566331822570742])
HASH_BUCKET_STRONG.case("W06", "two words of key", input=[b"a"], num_buckets=10, key=[1],
                        error="Key must have 2 elements")  # fmt: skip


def string_to_hash_bucket(string_tensor: Any, num_buckets: int, name: str | None = None) -> Tensor:
    """Each string's bucket, 0 to num_buckets - 1, as int64 [W06]."""
    return HASH_BUCKET(string_tensor, num_buckets=num_buckets, name=name)
