"""Connectionist temporal classification: losses of labellings without times, and their slopes [W06].

With l' an example's labels and blanks around each, and y the softmax of its scores, as on the op's page:

    alpha(t, u) = log y(t, l'(u)) + log of the sum of exp alpha(t-1, .) at u, at u-1, and at u-2 where that may be
    beta(t, u)  = the same from the end, without step t's own factor
    w(t, u)     = exp(alpha + beta) over their sum at step t: how likely the path is at u then
    loss        = -log of the sum of exp alpha at the last step's last two u
    dx(t, c)    = y(t, c) - sum of w(t, u) over all u with l'(u) = c

Three launches. `_norms`: the logarithm of each softmax's divisor. `_paths`: a program an example walks through its
time and back; the largest alpha of a step is taken off it and counted apart in float64, so that float32 has its digits
where the likely paths are, however long the time. `_slopes`: tiles of dx, the sum over u as a product with the matrix
of [l'(u) = c]; nothing is scattered.

The w of an example lie together, a row of 2 L + 1 for each step, L its labels, behind those of the examples before it:
T (2 N + B) numbers for N labels of B examples in all.

    bytes: x three times, w four times, dx        operations: 7 exponentials for each w, T B C (2 L + 1) multiply-adds

A card raises no errors: an example that the op's page refuses has a loss and slopes of NaN.

Next: refflow_kernels/gpu/reduction_stages.py.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import triton
import triton.language as tl

from refflow_kernels.gpu.arrays import ceil_div, check_out, check_packed, power_of_two, unit
from refflow_kernels.gpu.functions import exp, log
from refflow_kernels.kernel import Kernel

TILE = 2048  # scores in registers
BLOCK_N = 1024  # entries of labels at a time
BLOCK_T, BLOCK_C, BLOCK_U = 16, 64, 32  # of a tile of slopes


@triton.jit
def _norms(x, norms, rows, groups, UNIT: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr):
    """The largest score of a row, plus the logarithm of the sum of exponentials relative to it."""
    C = groups * UNIT
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)  # int64: row * C may pass 2**31
    most = tl.full((ROWS, BLOCK), -float("inf"), tl.float32)
    for start in range(0, C, BLOCK):
        c = start + tl.arange(0, BLOCK)[None, :]
        real = (row < rows)[:, None] & (c < C)
        most = tl.maximum(most, tl.load(x + row[:, None] * C + c, mask=real, other=-float("inf")))
    largest = tl.where(row < rows, tl.max(most, axis=1), 0.0)
    total = tl.zeros((ROWS, BLOCK), tl.float32)
    for start in range(0, C, BLOCK):
        c = start + tl.arange(0, BLOCK)[None, :]
        real = (row < rows)[:, None] & (c < C)
        value = tl.load(x + row[:, None] * C + c, mask=real, other=0.0)
        total += tl.where(real, exp(value - largest[:, None]), 0.0)
    z = tl.where(row < rows, tl.sum(total, axis=1), 1.0)
    tl.store(norms + row, largest + log(z), mask=row < rows)


@triton.jit
def _entries(indices, b, N, BLOCK_N: tl.constexpr):
    """How many labels the examples before b have, and how many b has: entries come in the order of examples."""
    before = tl.zeros((BLOCK_N,), tl.int32)
    own = tl.zeros((BLOCK_N,), tl.int32)
    for start in range(0, N, BLOCK_N):
        n = start + tl.arange(0, BLOCK_N)
        row = tl.load(indices + 2 * n, mask=n < N, other=-1)
        before += ((row < b) & (n < N)).to(tl.int32)
        own += (row == b).to(tl.int32)
    return tl.sum(before, axis=0), tl.sum(own, axis=0)


@triton.jit
def _checked(values, given, C, BLANK_FIRST: tl.constexpr, BLOCK_N: tl.constexpr):
    """How many of the labels count, and whether they are refused.

    Where the blank is the last class, a label from there on ends the others, and none below it may follow.
    """
    end = tl.zeros((BLOCK_N,), tl.int32) + given
    below = tl.full((BLOCK_N,), -1, tl.int32)  # the last place of a label that is none of those
    bad = tl.zeros((BLOCK_N,), tl.int32)
    for start in range(0, given, BLOCK_N):
        n = start + tl.arange(0, BLOCK_N)
        label = tl.load(values + n, mask=n < given, other=0)
        if BLANK_FIRST:
            bad += ((label < 0) | (label >= C)).to(tl.int32)
        else:
            bad += (label < 0).to(tl.int32)
            end = tl.minimum(end, tl.where((n < given) & (label >= C - 1), n, given))
            below = tl.maximum(below, tl.where((n < given) & (label < C - 1), n, -1))
    L = tl.min(end, axis=0)
    return L, (tl.sum(bad, axis=0) > 0) | (tl.max(below, axis=0) > L) | (given == 0)


@triton.jit
def _log_sum(a, b, c):
    """log(e^a + e^b + e^c)."""
    most = tl.maximum(tl.maximum(a, b), c)
    by = tl.where(most > -float("inf"), most, 0.0)
    return by + log(exp(a - by) + exp(b - by) + exp(c - by))


@triton.jit
def _at(a, place, U):
    """a at those places, and -inf where there is none."""
    there = (place >= 0) & (place < U)
    return tl.where(there, tl.gather(a, tl.where(there, place, 0), 0), -float("inf"))


@triton.jit
def _levelled(a):
    """a with 0 as its largest, and what that was; where all are -inf, they stay so."""
    most = tl.max(a, axis=0)
    return a - tl.where(most > -float("inf"), most, 0.0), most


@triton.jit
def _paths(
    x, norms, indices, values, lengths, loss, told, lives, T, B, C, N,
    BLANK_FIRST: tl.constexpr, MERGE: tl.constexpr, IGNORE: tl.constexpr,
    LANES: tl.constexpr, BLOCK_N: tl.constexpr,
):  # fmt: skip
    """One program an example. lives: w, at first alpha. told: how many labels are before it, its own, those that count,
    and its steps: 0 where there is no slope, -1 where it is refused; numbers below 2^24 are exact.
    """
    b = tl.program_id(0)
    first, given = _entries(indices, b, N, BLOCK_N)
    values += first
    L, refused = _checked(values, given, C, BLANK_FIRST, BLOCK_N)
    steps = tl.load(lengths + b)
    refused = refused | (steps < 0) | (steps > T)
    if not IGNORE:
        refused = refused | (steps < L)
    steps = tl.where(refused | (steps < L), 0, steps)
    tl.store(told + 4 * b, first.to(tl.float32))
    tl.store(told + 4 * b + 1, given.to(tl.float32))
    tl.store(told + 4 * b + 2, L.to(tl.float32))
    tl.store(told + 4 * b + 3, tl.where(refused, -1, steps).to(tl.float32))

    U, u = 2 * L + 1, tl.arange(0, LANES)
    real, blank = u < U, 0 if BLANK_FIRST else C - 1
    label = tl.load(values + u // 2, mask=real & (u % 2 == 1), other=0)
    label = tl.where(real & (u % 2 == 1), label, blank)
    label = tl.where(refused, 0, label)  # which may be no class
    may_stay, may_skip = label == blank, (label != blank) & (u >= 2)
    if MERGE:
        may_stay = real
        may_skip = may_skip & (label != tl.gather(label, tl.maximum(u - 2, 0), 0))
    onward = tl.gather(may_skip.to(tl.int32), tl.where(u + 2 < LANES, u + 2, 0), 0) != 0  # from u to u + 2

    pitch = 2 * given + 1
    lives += (2 * first + b).to(tl.int64) * T + u
    x += b * C + label
    norms += b
    a = tl.where(u == 0, 0.0, -float("inf"))  # before the first step, which then is at u = 0 or 1
    taken = tl.zeros((), tl.float64)
    for _ in range(steps):
        seen = tl.load(x, mask=real, other=0.0) - tl.load(norms)
        skip = tl.where(may_skip, _at(a, u - 2, U), -float("inf"))
        come = _log_sum(tl.where(may_stay, a, -float("inf")), _at(a, u - 1, U), skip)
        a, most = _levelled(tl.where(real, come + seen, -float("inf")))
        taken += most.to(tl.float64)
        tl.store(lives, a, mask=real)
        x += B * C
        norms += B
        lives += pitch
    ends = real & (u >= U - 2)
    total = tl.sum(tl.where(ends, exp(a), 0.0), axis=0)
    cost = -(taken + log(total).to(tl.float64)).to(tl.float32)
    cost = tl.where(steps == 0, 0.0, tl.where(total == 0, float("inf"), cost))
    tl.store(loss + b, tl.where(refused, float("nan"), cost))

    back = tl.where(ends, 0.0, -float("inf"))
    for _ in range(steps):
        x -= B * C
        norms -= B
        lives -= pitch
        a = tl.load(lives, mask=real, other=-float("inf"))
        both, _ = _levelled(a + back)
        w = tl.where(real, exp(both), 0.0)
        z = tl.sum(w, axis=0)
        tl.store(lives, tl.where(z == 0, 0.0, w / z), mask=real)
        seen = tl.load(x, mask=real, other=0.0) - tl.load(norms)
        after = tl.where(real, back + seen, -float("inf"))
        skip = tl.where(onward, _at(after, u + 2, U), -float("inf"))
        back, _ = _levelled(_log_sum(tl.where(may_stay, after, -float("inf")), _at(after, u + 1, U), skip))


@triton.jit
def _slopes(
    x, norms, values, told, lives, dx, T, B, groups,
    BLANK_FIRST: tl.constexpr, UNIT: tl.constexpr, BLOCK_T: tl.constexpr, BLOCK_C: tl.constexpr, BLOCK_U: tl.constexpr,
):  # fmt: skip
    """Some steps by some classes of an example."""
    C = groups * UNIT
    b = tl.program_id(0)
    t = tl.program_id(1) * BLOCK_T + tl.arange(0, BLOCK_T)
    c = tl.program_id(2) * BLOCK_C + tl.arange(0, BLOCK_C)
    first, given = tl.load(told + 4 * b).to(tl.int32), tl.load(told + 4 * b + 1).to(tl.int32)
    L, steps = tl.load(told + 4 * b + 2).to(tl.int32), tl.load(told + 4 * b + 3).to(tl.int32)
    blank = 0 if BLANK_FIRST else C - 1
    pitch, U = 2 * given + 1, tl.where(steps > 0, 2 * L + 1, 0)
    lives += (2 * first + b).to(tl.int64) * T
    total = tl.zeros((BLOCK_T, BLOCK_C), tl.float32)
    for start in range(0, U, BLOCK_U):
        u = start + tl.arange(0, BLOCK_U)
        odd = (u % 2 == 1) & (u < U)
        label = tl.where(odd, tl.load(values + first + u // 2, mask=odd, other=0), blank)
        here = (t < steps)[:, None] & (u < U)[None, :]
        w = tl.load(lives + t.to(tl.int64)[:, None] * pitch + u[None, :], mask=here, other=0.0)
        is_of = (label[:, None] == c[None, :]).to(tl.float32)
        total = tl.dot(w, is_of, total, input_precision="ieee")
    at = (t.to(tl.int64) * B + b)[:, None] * C + c[None, :]
    real, inside = (t < T)[:, None] & (c < C)[None, :], (t < steps)[:, None] & (c < C)[None, :]
    norm = tl.load(norms + t * B + b, mask=t < T, other=0.0)
    y = exp(tl.load(x + at, mask=inside, other=0.0) - norm[:, None])
    slope = tl.where(inside, y - total, 0.0)
    tl.store(dx + at, tl.where(steps < 0, float("nan"), slope), mask=real)


def ctc_loss(
    inputs: Any, labels_indices: Any, labels_values: Any, sequence_length: Any, preprocess_collapse_repeated: bool,
    ctc_merge_repeated: bool, ignore_longer_outputs_than_inputs: bool, out: Any = None, workspace: Any = None,
    blank_first: bool = False,
) -> Any:  # fmt: skip
    """loss [batch] and d loss / d inputs [time, batch, classes]; the last class is the blank."""
    T, B, C = inputs.shape
    (N,) = labels_values.shape
    check_packed(inputs=inputs, labels_indices=labels_indices, labels_values=labels_values, lengths=sequence_length)
    loss, dx = (None, None) if out is None else out
    check_out(loss, (B,), "out[0], the loss,")
    check_out(dx, (T, B, C), "out[1], the gradient,")
    if not T * B * C:
        raise ValueError(f"inputs{list(inputs.shape)} have no scores")
    size, told_at, lives_at = _rooms(T, B, N)
    check_out(workspace, (size,), "workspace")
    norms, told, lives = workspace[:told_at], workspace[told_at:lives_at], workspace[lives_at:]
    step, block = unit(C), min(TILE, power_of_two(C))
    rows = max(1, min(TILE // block, power_of_two(T * B)))
    _norms[(ceil_div(T * B, rows),)](
        inputs, norms, T * B, C // step, UNIT=step, ROWS=rows, BLOCK=block, num_warps=4, enable_fp_fusion=False
    )
    lanes = max(4, power_of_two(2 * min(T, N) + 1))  # a longer labelling has no path
    _paths[(B,)](
        inputs, norms, labels_indices, labels_values, sequence_length, loss, told, lives, T, B, C, N,
        BLANK_FIRST=blank_first, MERGE=ctc_merge_repeated, IGNORE=ignore_longer_outputs_than_inputs, LANES=lanes,
        BLOCK_N=BLOCK_N, num_warps=max(1, min(16, lanes // 64)), enable_fp_fusion=False,
    )  # fmt: skip
    _slopes[B, ceil_div(T, BLOCK_T), ceil_div(C, BLOCK_C)](
        inputs, norms, labels_values, told, lives, dx, T, B, C // step, BLANK_FIRST=blank_first, UNIT=step,
        BLOCK_T=BLOCK_T, BLOCK_C=BLOCK_C, BLOCK_U=BLOCK_U, num_warps=4, enable_fp_fusion=False,
    )  # fmt: skip
    return loss, dx


def _rooms(T: int, B: int, N: int) -> tuple[int, int, int]:
    """Words of the workspace, and where in it the examples' numbers and the paths begin."""
    told = ceil_div(T * B, 32) * 32
    lives = told + ceil_div(4 * B, 32) * 32
    return lives + T * (2 * N + B), told, lives


def ctc_workspace(inputs: Any, **flags: Any) -> tuple[tuple[int, ...], str]:
    """Room for the norms, four numbers an example, and w."""
    (T, B, _), (N,) = inputs[0].shape, inputs[2].shape
    return (_rooms(T, B, N)[0],), "float32"


def _takes(attrs: dict[str, Any]) -> bool:
    """Labels as they are: repeats are not taken out before."""
    return not attrs["preprocess_collapse_repeated"]


KERNELS = {
    "CTCLoss": Kernel(ctc_loss, ("float32",), workspace=ctc_workspace, takes=_takes),
    "CTCLossV2": Kernel(
        partial(ctc_loss, blank_first=True), ("float32",), workspace=ctc_workspace, takes=_takes, type_attr=""
    ),
}
