"""Shapes, parts, gathering and scattering, strings."""

from math import prod

import numpy as np
import onnx

import refflow as tf
from tests.peers.onnx_models.node import TYPES, OutOfScope, cast, const, ints, op, reshape, shape, translates, transpose


@translates("Reshape")
def reshape_(n):
    wanted, given = n.setting("shape", 1), shape(n[0])
    if not n.get("allowzero", 0):
        wanted = [given[i] if d == 0 else d for i, d in enumerate(wanted)]
    return reshape(n[0], wanted)


@translates("Flatten")
def flatten(n):
    axis = n.get("axis", 1)
    dims = shape(n[0])
    rows = prod(dims[:axis])
    return reshape(n[0], [rows, prod(dims[axis:])])


@translates("Squeeze")
def squeeze(n):
    axes = n.setting("axes", 1)
    return op.Squeeze(n[0], squeeze_dims=[] if axes is None else [int(a) for a in axes])


@translates("Unsqueeze")
def unsqueeze(n):
    axes, x = n.setting("axes", 1), n[0]
    rank = len(shape(x)) + len(axes)
    for axis in sorted(int(a) % rank for a in axes):
        x = op.ExpandDims(x, ints(axis))
    return x


@translates("Transpose")
def transpose_(n):
    return transpose(n[0], n.get("perm") or list(range(len(shape(n[0]))))[::-1])


@translates("Shape")
def shape_(n):
    rank = len(shape(n[0]))
    start, end, _ = slice(n.get("start", 0), n.get("end", rank)).indices(rank)
    found = op.Shape(n[0], out_type=tf.int64)
    return op.Slice(found, ints([start]), ints([max(end - start, 0)]))


@translates("Size")
def size(n):
    return op.Size(n[0], out_type=tf.int64)


@translates("Concat")
def concat(n):
    return op.ConcatV2(n.inputs, ints(n.get("axis")))


@translates("Split")
def split(n):
    axis, sizes = n.get("axis", 0), n.setting("split", 1)
    extent, count = shape(n[0])[axis], n.get("num_outputs", len(n.outputs))
    if sizes is None:
        part = -(-extent // count)
        sizes = [min(part, extent - i * part) for i in range(count)]
    return op.SplitV(n[0], tf.constant([int(s) for s in sizes], tf.int64), ints(axis), num_split=len(sizes))


@translates("Slice")
def slice_(n):
    dims = shape(n[0])
    starts, ends = n.setting("starts", 1), n.setting("ends", 2)
    axes = n.setting("axes", 3)
    axes = range(len(starts)) if axes is None else [int(a) % len(dims) for a in axes]
    steps = n.value(4)
    begin, end, strides = [0] * len(dims), list(dims), [1] * len(dims)
    for i, axis in enumerate(axes):
        strides[axis] = 1 if steps is None else int(steps[i])
        limits = (-(2**31), 2**31 - 1)  # as an int32 holds it: beyond any size
        begin[axis], end[axis] = (int(np.clip(v[i], *limits)) for v in (starts, ends))
    return op.StridedSlice(n[0], ints(begin), ints(end), ints(strides))


@translates("Tile")
def tile(n):
    return op.Tile(n[0], ints(n.value(1)))


@translates("Expand")
def expand(n):
    dims = op.BroadcastArgs(ints(shape(n[0])), ints(n.value(1)))
    return op.BroadcastTo(n[0], dims)


@translates("Range")
def range_(n):
    return op.Range(n[0], n[1], n[2])


@translates("ConstantOfShape")
def constant_of_shape(n):
    value = onnx.numpy_helper.to_array(n.get("value")) if n.get("value") is not None else np.zeros(1, np.float32)
    return op.Fill(n[0], tf.constant(value.reshape(())))


@translates("Constant")
def constant(n):
    kinds = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}
    for name, dtype in kinds.items():
        if name in n.attrs:
            return tf.constant(np.asarray(n.attrs[name], dtype))
    return tf.constant(onnx.numpy_helper.to_array(n.get("value")))


@translates("EyeLike")
def eye_like(n):
    rows, columns = shape(n[0])
    dtype = TYPES[n.get("dtype")] if n.get("dtype") else n[0].dtype.base_dtype
    ones = op.Fill(ints([rows]), const(1, dtype))
    return op.MatrixDiagV3(ones, ints(n.get("k", 0)), ints(rows), ints(columns), const(0, dtype))


@translates("Trilu")
def trilu(n):
    x, k = n[0], int(n.value(1)) if n.value(1) is not None else 0
    if shape(x)[-2] == 0:
        return op.Identity(x)
    here, there = (op.Range(ints(0), ints(d), ints(1)) for d in shape(x)[-2:])
    offset = op.Sub(op.ExpandDims(there, ints(0)), op.ExpandDims(here, ints(1)))  # column - row
    keep = op.GreaterEqual(offset, ints(k)) if n.get("upper", 1) else op.LessEqual(offset, ints(k))
    return op.SelectV2(keep, x, op.ZerosLike(x))


@translates("Pad")
def pad(n):
    x, rank = n[0], len(shape(n[0]))
    pads, axes = [int(p) for p in n.setting("pads", 1)], n.value(3)
    axes = range(rank) if axes is None else [int(a) % rank for a in axes]
    pairs = [[0, 0] for _ in range(rank)]
    for i, axis in enumerate(axes):
        pairs[axis] = [pads[i], pads[i + len(axes)]]
    mode = n.get("mode", "constant")
    if mode == "reflect":
        return op.MirrorPad(x, tf.constant(pairs), mode="REFLECT")
    if mode == "constant":
        fill = n[2] if n[2] is not None else const(n.get("value", 0), x)
        return op.PadV2(x, tf.constant(pairs), reshape(fill, []))
    for axis, (before, after) in enumerate(pairs):  # edge and wrap: gather the places that are meant
        at = np.arange(-before, shape(x)[axis] + after)
        at = at % shape(x)[axis] if mode == "wrap" else np.clip(at, 0, shape(x)[axis] - 1)
        x = op.GatherV2(x, ints(at), ints(axis))
    return x


@translates("CenterCropPad")
def center_crop_pad(n):
    x, rank = n[0], len(shape(n[0]))
    axes = [a % rank for a in n.get("axes") or range(rank)]
    for axis, wanted in zip(axes, n.value(1).tolist(), strict=True):
        spare = wanted - shape(x)[axis]
        if spare > 0:
            pairs = [[spare // 2, spare - spare // 2] if i == axis else [0, 0] for i in range(rank)]
            x = op.Pad(x, tf.constant(pairs))
        else:
            begin = [-spare // 2 if i == axis else 0 for i in range(rank)]
            x = op.Slice(x, ints(begin), ints([wanted if i == axis else -1 for i in range(rank)]))
    return x


@translates("DepthToSpace")
def depth_to_space(n):
    block = n.get("blocksize")
    if n.get("mode", "DCR") == "DCR":
        return op.Transpose(op.DepthToSpace(transpose(n[0], [0, 2, 3, 1]), block_size=block), ints([0, 3, 1, 2]))
    b, c, h, w = shape(n[0])
    x = transpose(reshape(n[0], [b, c // block**2, block, block, h, w]), [0, 1, 4, 2, 5, 3])
    return reshape(x, [b, c // block**2, h * block, w * block])


@translates("SpaceToDepth")
def space_to_depth(n):
    if n.get("mode", "DCR") != "DCR":
        raise OutOfScope("blocks column first")
    x = op.SpaceToDepth(transpose(n[0], [0, 2, 3, 1]), block_size=n.get("blocksize"))
    return transpose(x, [0, 3, 1, 2])


# -- types ----------------------------------------------------------------------------------------------------


@translates("Cast", "CastLike")
def cast_(n):
    if n.type == "Cast" and n.get("to") not in TYPES:
        raise OutOfScope("element types of 8 bits and fewer that are no integers of TensorFlow's")
    dtype = TYPES[n.get("to")] if n.type == "Cast" else n[1].dtype.base_dtype
    if n[0].dtype.base_dtype is tf.string:
        number = op.StringToNumber(n[0], out_type=tf.float32)
        return cast(number, dtype)
    if dtype is tf.string:
        raise OutOfScope("numbers as the shortest text that gives them back")
    return cast(n[0], dtype)


@translates("BitCast")
def bit_cast(n):
    return op.Bitcast(n[0], type=TYPES[n.get("to")])


# -- gathering and scattering ---------------------------------------------------------------------------------


def _wrapped(indices, size):
    """Negative indices from the end: TensorFlow's op types take none."""
    size = const(size, indices)
    return op.SelectV2(op.Less(indices, const(0, indices)), op.AddV2(indices, size), indices)


def _coordinates(indices, axis):
    """[*dims, R]: the place of each element, with `indices` along `axis`."""
    dims = shape(indices)
    parts = []
    for i, d in enumerate(dims):
        if i == axis:
            parts.append(indices)
        else:
            steps = op.Range(const(0, indices), const(d, indices), const(1, indices))
            steps = reshape(steps, [d if j == i else 1 for j in range(len(dims))])
            parts.append(op.BroadcastTo(steps, ints(dims)))
    return op.Pack(parts, axis=-1)


@translates("Gather")
def gather(n):
    axis = n.get("axis", 0)
    return op.GatherV2(n[0], _wrapped(n[1], shape(n[0])[axis]), ints(axis))


@translates("GatherElements")
def gather_elements(n):
    axis = n.get("axis", 0) % len(shape(n[0]))
    return op.GatherNd(n[0], _coordinates(_wrapped(n[1], shape(n[0])[axis]), axis))


@translates("GatherND")
def gather_nd(n):
    batch, x, indices = n.get("batch_dims", 0), n[0], n[1]
    indices = _wrapped(indices, shape(x)[batch : batch + shape(indices)[-1]])
    if not batch:
        return op.GatherNd(x, indices)
    rows = zip(op.Unpack(x, num=shape(x)[0]), op.Unpack(indices, num=shape(x)[0]), strict=True)
    return op.Pack([op.GatherNd(*row) for row in rows])


SCATTER = {"none": "Update", "add": "Add", "max": "Max", "min": "Min"}


def _scatter(x, places, updates, reduction):
    if reduction == "mul":
        raise OutOfScope("no scattered product of dense tensors")
    return getattr(op, "TensorScatter" + SCATTER[reduction])(x, places, updates)


@translates("ScatterElements", "Scatter")
def scatter_elements(n):
    axis = n.get("axis", 0) % len(shape(n[0]))
    places = _coordinates(_wrapped(n[1], shape(n[0])[axis]), axis)
    return _scatter(n[0], places, n[2], n.get("reduction", "none"))


@translates("ScatterND")
def scatter_nd(n):
    places = _wrapped(n[1], shape(n[0])[: shape(n[1])[-1]])
    return _scatter(n[0], places, n[2], n.get("reduction", "none"))


@translates("TensorScatter")
def tensor_scatter(n):
    axis = n.get("axis", -2) % len(shape(n[0]))
    lead, count = shape(n[0])[0], shape(n[2])[0] if n[2] is not None else shape(n[0])[0]
    starts = n[2] if n[2] is not None else const(0, tf.int64)
    steps = op.Range(const(0, starts), const(shape(n[1])[axis], starts), const(1, starts))
    starts = reshape(starts, [count if i == 0 and n[2] is not None else 1 for i in range(len(shape(n[0])))])
    at = op.AddV2(starts, reshape(steps, [-1 if i == axis else 1 for i in range(len(shape(n[0])))]))
    if n.get("mode", "linear") == "circular":
        at = op.FloorMod(at, const(shape(n[0])[axis], at))
    at = op.BroadcastTo(at, ints([lead, *shape(n[1])[1:]]))
    return op.TensorScatterUpdate(n[0], _coordinates(at, axis), n[1])


@translates("Compress")
def compress(n):
    axis = n.get("axis")
    x = n[0] if axis is not None else reshape(n[0], [-1])
    axis = 0 if axis is None else axis
    return op.GatherV2(x, reshape(op.Where(n[1]), [-1]), ints(axis))


@translates("ArrayFeatureExtractor")
def array_feature_extractor(n):
    return op.GatherV2(n[0], reshape(n[1], [-1]), ints(-1))


@translates("NonZero")
def non_zero(n):
    return transpose(op.Where(n[0]), [1, 0])


@translates("OneHot")
def one_hot(n):
    depth = int(n.value(1).reshape(()))
    places = _wrapped(cast(n[0], tf.int64), depth)
    off, on = op.Unpack(n[2], num=2)
    axis = n.get("axis", -1) % (len(shape(places)) + 1)
    return op.OneHot(places, ints(depth), on, off, axis=axis)


@translates("TopK")
def top_k(n):
    axis, k = n.get("axis", -1) % len(shape(n[0])), int(n.setting("k", 1)[0])
    order = list(range(len(shape(n[0]))))
    order[axis], order[-1] = order[-1], order[axis]
    x = transpose(n[0], order)
    if not n.get("largest", 1):  # the mirror of the order: -x, or ~x where there is no minus
        x = op.Invert(x) if x.dtype.is_unsigned else op.Neg(x)
    values, indices = op.TopKV2(x, ints(k), index_type=tf.int64)
    if not n.get("largest", 1):
        values = op.Invert(values) if x.dtype.is_unsigned else op.Neg(values)
    return transpose(values, order), transpose(indices, order)


@translates("Unique")
def unique(n):
    axis, x = n.get("axis"), n[0] if n.get("axis") is not None else reshape(n[0], [-1])
    axis = (axis or 0) % len(shape(x))
    values, where, counts = op.UniqueWithCountsV2(x, tf.constant([axis]), out_idx=tf.int64)
    size = op.Size(counts, out_type=tf.int64)
    everywhere = op.Range(const(0, tf.int64), const(shape(x)[axis], tf.int64), const(1, tf.int64))
    first = op.UnsortedSegmentMin(everywhere, where, cast(size, tf.int32))
    if n.get("sorted", 1):  # the last coordinate decides last: sort by it first, stably
        order = op.Range(const(0, tf.int64), size, const(1, tf.int64))
        rows = op.Transpose(values, ints([axis, *(i for i in range(len(shape(x))) if i != axis)]))
        rows = op.Reshape(rows, op.Pack([size, const(-1, tf.int64)]))
        width = prod(d for i, d in enumerate(shape(x)) if i != axis)
        for column in op.Unpack(op.Reshape(rows, op.Pack([size, const(width, tf.int64)])), num=width, axis=1)[::-1]:
            keys = op.GatherV2(column, order, ints(0))
            by = op.TopKV2(op.Neg(keys), cast(size, tf.int32), index_type=tf.int64)[1]
            order = op.GatherV2(order, by, ints(0))
        back = op.InvertPermutation(order)
        values, counts, first = op.GatherV2(values, order, ints(axis)), *(
            op.GatherV2(t, order, ints(0)) for t in (counts, first)
        )  # fmt: skip
        where = op.GatherV2(back, where, ints(0))
    return values, first, where, counts


@translates("ReverseSequence")
def reverse_sequence(n):
    return op.ReverseSequence(n[0], n[1], seq_dim=n.get("time_axis", 0), batch_dim=n.get("batch_axis", 1))


# -- strings --------------------------------------------------------------------------------------------------


@translates("StringConcat")
def string_concat(n):
    dims = np.broadcast_shapes(*(tuple(shape(x)) for x in n.inputs))
    return op.StringJoin([op.BroadcastTo(x, ints(dims)) for x in n.inputs])


@translates("RegexFullMatch")
def regex_full_match(n):
    return op.StaticRegexFullMatch(n[0], pattern=n.get("pattern"))


@translates("StringSplit")
def string_split(n):
    dims = shape(n[0])
    sep, most = n.get("delimiter", ""), n.get("maxsplit", -1)
    if most > 0 and not sep:
        raise OutOfScope("TensorFlow's last part after white space is there even when empty")
    rows, values, size = op.StringSplitV2(reshape(n[0], [-1]), tf.constant(sep.encode()), maxsplit=most)
    table = op.SparseToDense(rows, size, values, tf.constant(b""))
    lengths = op.UnsortedSegmentSum(op.Fill(op.Shape(values), const(1, tf.int64)), op.Unpack(rows, num=2, axis=1)[0],
                                    ints(prod(dims)))  # fmt: skip
    width = op.ExpandDims(op.Unpack(size, num=2)[1], ints(0))
    return op.Reshape(table, op.ConcatV2([const(dims, tf.int64), width], ints(0))), reshape(lengths, dims)
