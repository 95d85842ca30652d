"""Fractional pools: regions of two lengths in a random order, so that sizes shrink by any ratio [W75].

    out = floor(in / ratio)        lengths k = floor(in / out) and k + 1
    random         as many longer regions as are needed, shuffled
    pseudo random  borders ceil(alpha * (i + u)) with alpha = in / out and one random u for all i

    y[n, i, j, c] = max or mean over rows r[i] to r[i + 1] - 1, columns s[j] to s[j + 1] - 1

Overlapping regions take in the border itself. The op gives its borders r and s as outputs, and the ops of the slopes
take them: a maximum's slope goes to the region's first largest cell, a mean's to each cell in equal shares.

Graham, "Fractional max-pooling", arXiv 1412.6071.

Next: ops/dilation.py.
"""

from __future__ import annotations

from math import ceil, floor
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import float32, float64, int32, int64
from refflow.core.errors import ShapeError, UnimplementedError
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_checks import need_rank, of_rank
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.constant import shape_from
from refflow.ops.philox import PhiloxStream, uniform_float64

_T = (float32, float64, int32, int64)
_BORDERS = "row_pooling_sequence: int64[R], col_pooling_sequence: int64[S]"


def _define(kind: str, value: str) -> OpDef:
    return define_op(
        f"Fractional{kind}Pool", f"{value}: T -> output: T, {_BORDERS}", pooling_ratio=Attr("list(float)", minimum=4),
        pseudo_random=False, overlapping=False, deterministic=False, seed=0, seed2=0, T=_T, stateful=True,
        accuracy="random", source=("W73", "W75"),
    )  # fmt: skip


MAX = _define("Max", "value")
MEAN = _define("Avg", "value")
MAX_GRAD = define_op(
    "FractionalMaxPoolGrad", f"orig_input: T, orig_output: T, out_backprop: T, {_BORDERS} -> output: T",
    overlapping=False, T=_T, accuracy="dot", source=("W75",),
)  # fmt: skip
MEAN_GRAD = define_op(
    "FractionalAvgPoolGrad", f"orig_input_tensor_shape: int64[R4], out_backprop: T, {_BORDERS} -> output: T",
    overlapping=False, T=_T, accuracy="dot", source=("W75",),
)  # fmt: skip
MAX_GRAD.no_gradient_registered()
MEAN_GRAD.no_gradient_registered()


# -- where regions begin ----------------------------------------------------------------------------------------


def shuffled_lengths(size: int, count: int, words: np.ndarray) -> list[int]:
    """`count` lengths that add up to `size`, the longer ones at random places."""
    lengths = [size // count + (i < size % count) for i in range(count)]
    for i in range(count - 1):
        j = i + int(words[i]) % (count - i)
        lengths[i], lengths[j] = lengths[j], lengths[i]
    return lengths


def spaced_lengths(size: int, count: int, words: np.ndarray) -> list[int]:
    """`count` lengths that add up to `size`, evenly spaced from a random start.

    The start has an upper end, beyond which the first region would be too long or the last one too short.
    """
    alpha, k = size / count, size // count
    end = min((k + 2) / alpha - 1, (size + 1 - k) / alpha - (count - 1))
    u = float(uniform_float64(words[0:1], words[1:2])[0]) * end
    borders = [1, *(ceil(alpha * (i + u)) for i in range(1, count)), size + 1]
    return np.diff(borders).tolist()


def borders(sizes: list[int], counts: list[int], pseudo_random: bool, seed: int, seed2: int) -> list[np.ndarray]:
    """Where the regions of rows and columns begin, and the end. The same for the same seeds in every run."""
    stream, first, found = PhiloxStream(seed, seed2), 0, []
    for size, count in zip(sizes, counts, strict=True):
        blocks = 1 if pseudo_random else -(-count // 4)
        words = stream.words(np.arange(blocks, dtype=np.uint64), first).reshape(-1)
        first += blocks
        lengths = (spaced_lengths if pseudo_random else shuffled_lengths)(size, count, words)
        found.append(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))
    return found


# -- the pools --------------------------------------------------------------------------------------------------


def _checked(dims: Any, attrs: dict[str, Any]) -> list[int]:
    """The output's sizes."""
    ratio = attrs["pooling_ratio"]
    for i, (size, each) in enumerate(zip(dims, ratio, strict=True)):
        if size < each:
            raise ValueError(
                f"Pooling ratio is higher than input dimension size for dimension {i}. Input dim size: {size} pooling "
                f"ratio: {each:g}"
            )
    return [floor(size / np.float32(each)) for size, each in zip(dims, ratio, strict=True)]


def _ends(starts: np.ndarray, size: int, overlapping: bool) -> np.ndarray:
    """Where each region ends, exclusive."""
    return np.minimum(starts[1:] + int(overlapping), size)


def _largest_along(x: np.ndarray, axis: int, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    parts = [x.take(np.arange(a, b), axis).max(axis, keepdims=True) for a, b in zip(starts, ends, strict=False)]
    return np.concatenate(parts, axis)


def _sum_along(x: np.ndarray, axis: int, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    parts = [
        x.take(np.arange(a, b), axis).sum(axis, x.dtype, keepdims=True) for a, b in zip(starts, ends, strict=False)
    ]
    return np.concatenate(parts, axis)


def _pool(x: np.ndarray, attrs: dict[str, Any]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Borders and ends, for rows and for columns."""
    counts = _checked(x.shape, attrs)
    starts = borders(list(x.shape[1:3]), counts[1:3], attrs["pseudo_random"], attrs["seed"], attrs["seed2"])
    ends = [_ends(s, size, attrs["overlapping"]) for s, size in zip(starts, x.shape[1:3], strict=True)]
    return starts, ends


@MAX.kernel
def fractional_max_pool_kernel(value, pooling_ratio, pseudo_random, overlapping, seed, seed2):
    attrs = {"pooling_ratio": pooling_ratio, "pseudo_random": pseudo_random, "overlapping": overlapping,
             "seed": seed, "seed2": seed2}  # fmt: skip
    starts, ends = _pool(value, attrs)
    y = _largest_along(_largest_along(value, 1, starts[0], ends[0]), 2, starts[1], ends[1])
    return y, *starts


@MEAN.kernel
def fractional_avg_pool_kernel(value, pooling_ratio, pseudo_random, overlapping, seed, seed2):
    attrs = {"pooling_ratio": pooling_ratio, "pseudo_random": pseudo_random, "overlapping": overlapping,
             "seed": seed, "seed2": seed2}  # fmt: skip
    starts, ends = _pool(value, attrs)
    total = _sum_along(_sum_along(value, 1, starts[0], ends[0]), 2, starts[1], ends[1])
    return _divided(total, _cells(starts, ends)), *starts


def _cells(starts: list[np.ndarray], ends: list[np.ndarray]) -> np.ndarray:
    """How many cells each region has, [rows, columns, 1]."""
    rows, columns = (e - s[:-1] for s, e in zip(starts, ends, strict=True))
    return (rows[:, None] * columns)[..., None]


def _divided(x: np.ndarray, counts: np.ndarray) -> np.ndarray:
    if x.dtype.kind == "f":
        return (x / counts.astype(x.dtype)).astype(x.dtype)
    return (np.sign(x) * (np.abs(x) // counts)).astype(x.dtype)


def _regions(dy: np.ndarray, sequences: tuple[np.ndarray, np.ndarray], dims: Any, overlapping: bool) -> Any:
    """For each region: its row and column, and its slices of the image."""
    spans = [
        [slice(int(a), int(b)) for a, b in zip(s, _ends(s, size, overlapping), strict=False)][:count]
        for s, size, count in zip(sequences, dims[1:3], dy.shape[1:3], strict=True)
    ]
    return [(i, j, rows, columns) for i, rows in enumerate(spans[0]) for j, columns in enumerate(spans[1])]


@MAX_GRAD.kernel
def fractional_max_pool_grad_kernel(
    orig_input, orig_output, out_backprop, row_pooling_sequence, col_pooling_sequence, overlapping
):
    x, (n, _, _, c) = orig_input, orig_input.shape
    total = np.zeros(x.shape, out_backprop.dtype)
    batch, channel = np.ogrid[:n, :c]
    regions = _regions(out_backprop, (row_pooling_sequence, col_pooling_sequence), x.shape, overlapping)
    for i, j, rows, columns in regions:
        region = x[:, rows, columns, :]
        if not region.size or (region.max((1, 2)) != orig_output[:, i, j, :]).any():
            raise ValueError(f"tensor_out_dup is not the same as tensor_out, in region {i}, {j}")
        best = region.reshape(n, -1, c).argmax(1)  # the first of equals
        down, right = np.divmod(best, region.shape[2])
        np.add.at(total, (batch, rows.start + down, columns.start + right, channel), out_backprop[:, i, j, :])
    return total


@MEAN_GRAD.kernel
def fractional_avg_pool_grad_kernel(
    orig_input_tensor_shape, out_backprop, row_pooling_sequence, col_pooling_sequence, overlapping
):
    dims = [int(s) for s in orig_input_tensor_shape]
    total = np.zeros(dims, np.float64)
    regions = _regions(out_backprop, (row_pooling_sequence, col_pooling_sequence), dims, overlapping)
    for i, j, rows, columns in regions:
        part = total[:, rows, columns, :]
        part += out_backprop[:, i : i + 1, j : j + 1, :] / max(1, part.shape[1] * part.shape[2])
    return total.astype(out_backprop.dtype)


# -- shapes -----------------------------------------------------------------------------------------------------


def _forward_shape(context: ShapeContext) -> list[shapes.Shape]:
    attrs = context.attrs
    ratio, dims = attrs["pooling_ratio"], context.dims("value")
    if len(ratio) != 4:
        raise ShapeError("pooling_ratio field must specify 4 dimensions")
    for each in ratio:
        if each < 1:
            raise ShapeError(f"pooling_ratio cannot be smaller than 1, got: {each:g}")
    if ratio[0] != 1 or ratio[3] != 1:
        kind = "max" if context.op_def is MAX else "average"
        text = f"Fractional {kind} pooling is not yet supported on the batch nor channel dimension."
        raise UnimplementedError(None, None, text)
    if not attrs["deterministic"] and (attrs["seed"] or attrs["seed2"]):
        raise ShapeError("Both seed and seed2 should be 0 if deterministic is false.")
    if dims is None:
        return [(None,) * 4, (None,), (None,)]
    if len(dims) != 4:
        raise ShapeError(f"tensor_in must be 4-dimensional, got {shapes.text(dims)}")
    outs = [None if d is None else floor(d / np.float32(r)) for d, r in zip(dims, ratio, strict=True)]
    after = [None if d is None else d + 1 for d in outs[1:3]]
    return [tuple(outs), (after[0],), (after[1],)]


MAX.shape(_forward_shape)
MEAN.shape(_forward_shape)


def _check_borders(context: ShapeContext, dims: shapes.Shape) -> None:
    """Borders increase, stay within the image, and are as many as the regions want."""
    dy = context.dims("out_backprop")
    need_rank(dims, 4, "orig_input must be 4-dimensional, got {0}")
    need_rank(dy, 4, "out_backprop must be 4-dimensional, got {0}")
    for axis, what in ((0, "pictures"), (3, "channels")):
        if dims is not None and dy is not None and None not in (dims[axis], dy[axis]) and dims[axis] != dy[axis]:
            raise ShapeError(f"out_backprop has {dy[axis]} {what}, but orig_input has {dims[axis]}")
    for axis, name, short in ((1, "row_pooling_sequence", "row"), (2, "col_pooling_sequence", "col")):
        places = context.dims(name)
        if places is not None and len(places) != 1:
            raise ShapeError(f"{name} must be a vector, received shape {shapes.text(places)}")
        count, given = None if dy is None else dy[axis], None if places is None else places[0]
        if count is not None and given is not None and given <= count:
            text = (
                f"Given out_backprop shape {shapes.text(dy)}, {short}_seq_tensor must have at least {count + 1} "
                f"elements, but got {given}"
            )
            same = "tensor_out_dup is not the same as tensor_out. " if context.op_def is MAX_GRAD else ""
            raise ShapeError(same + text)
        values = context.ints(name)
        if values and min(values) < 0:
            spelt = " ".join(f"{v:2d}" for v in values)
            raise ShapeError(f"{short.capitalize()} sequence tensor values must not be negative, got {spelt}")
        size = None if dims is None else dims[axis]
        if values and (sorted(values) != list(values) or (size is not None and max(values) > size)):
            raise ShapeError(f"{name} must climb, to {size} at most, where the image ends, got {list(values)}")


@MAX_GRAD.shape
def _max_grad_shape(context: ShapeContext) -> shapes.Shape:
    dims, y, dy = context.dims("orig_input"), context.dims("orig_output"), context.dims("out_backprop")
    if not shapes.compatible(y, dy):
        raise ShapeError(f"orig_output {shapes.text(y)} and out_backprop {shapes.text(dy)} must have the same shape")
    _check_borders(context, dims)
    return of_rank(dims, 4)


@MEAN_GRAD.shape
def _mean_grad_shape(context: ShapeContext) -> shapes.Shape:
    sizes = context.dims("orig_input_tensor_shape")
    if sizes is not None and sizes[0] not in (None, 4):
        raise ShapeError(f"original input tensor shape must be1-dimensional and 4 elements, got {sizes[0]}")
    dims = shape_from(context, "orig_input_tensor_shape")
    _check_borders(context, dims)
    return (None,) * 4 if dims is None else dims


# -- slopes -----------------------------------------------------------------------------------------------------


@MAX.gradient
def _fractional_max_pool_gradient(op, dy, *_):
    """To the first largest cell of each region."""
    rows, columns = op.outputs["row_pooling_sequence"], op.outputs["col_pooling_sequence"]
    return MAX_GRAD(op.inputs[0], op.outputs[0], dy, rows, columns, overlapping=op.attrs["overlapping"])


@MEAN.gradient
def _fractional_avg_pool_gradient(op, dy, *_):
    """In equal shares to the cells of each region."""
    from refflow.ops.array import SHAPE

    rows, columns = op.outputs["row_pooling_sequence"], op.outputs["col_pooling_sequence"]
    sizes = SHAPE(op.inputs[0], out_type=int64)
    return MEAN_GRAD(sizes, dy, rows, columns, overlapping=op.attrs["overlapping"])


_X = np.array([[1, 7, 3], [4, 5, 6], [2, 8, 9]], np.float32).reshape(1, 3, 3, 1)
_DY = np.array([[10, 20], [30, 40]], np.float32).reshape(1, 2, 2, 1)
_B: dict[str, Any] = {"row_pooling_sequence": [0, 1, 3], "col_pooling_sequence": [0, 2, 3]}
MAX_GRAD.case("W75", "to the first largest cell", orig_input=_X, out_backprop=_DY, **_B,
              orig_output=np.array([[7, 3], [8, 9]], np.float32).reshape(1, 2, 2, 1),
              output=np.array([0, 10, 20, 0, 0, 0, 0, 30, 40], np.float32).reshape(1, 3, 3, 1))  # fmt: skip
MEAN_GRAD.case("W75", "in equal shares", orig_input_tensor_shape=[1, 3, 3, 1], out_backprop=_DY, **_B,
               output=np.array([5, 5, 20, 7.5, 7.5, 20, 7.5, 7.5, 20], np.float32).reshape(1, 3, 3, 1))  # fmt: skip
MEAN_GRAD.case("W75", "as many borders as regions", orig_input_tensor_shape=[1, 3, 3, 1], out_backprop=_DY,
               row_pooling_sequence=[0, 1], col_pooling_sequence=[0, 2, 3],
               error="row_seq_tensor must have at least 3 elements, but got 2")  # fmt: skip
MAX_GRAD.case("W75", "the same maxima", orig_input=_X, out_backprop=_DY, **_B, orig_output=_DY,
              error="tensor_out_dup is not the same as tensor_out")  # fmt: skip
MEAN_GRAD.case("W75", "as many pictures as the image has", orig_input_tensor_shape=[2, 2, 2, 1],
               out_backprop=np.ones((1, 1, 1, 1), np.float32), row_pooling_sequence=[0, 2], col_pooling_sequence=[0, 2],
               error="out_backprop has 1 pictures, but orig_input has 2")  # fmt: skip
MEAN_GRAD.case("W75", "regions end with the image", orig_input_tensor_shape=[1, 2, 2, 1],
               out_backprop=np.ones((1, 1, 1, 1), np.float32), row_pooling_sequence=[0, 3], col_pooling_sequence=[0, 2],
               error="row_pooling_sequence must climb, to 2 at most, where the image ends")  # fmt: skip
