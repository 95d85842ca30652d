"""Convolutions, pools, normalisations, losses, resizing, training steps. Images are [N, C, spatial...] in ONNX."""

from math import ceil

import numpy as np

import refflow as tf
from tests.peers.onnx_models.maths import _centred, reduce
from tests.peers.onnx_models.node import OutOfScope, cast, const, ints, op, reshape, shape, translates, transpose


def channels_last(x):
    return transpose(x, [0, *range(2, len(shape(x))), 1])


def channels_first(x):
    rank = len(shape(x))
    return transpose(x, [0, rank - 1, *range(1, rank - 1)])


class Windows:
    """Kernel, strides, dilations and pads of a node, for `rank` spatial axes of the sizes `dims`."""

    def __init__(self, n, dims, kernel):
        rank = len(dims)
        self.kernel = kernel
        self.strides = n.get("strides") or [1] * rank
        self.dilations = n.get("dilations") or [1] * rank
        self.reach = [(k - 1) * d + 1 for k, d in zip(kernel, self.dilations, strict=True)]
        pads, auto = n.get("pads") or [0] * (2 * rank), n.get("auto_pad", "NOTSET")
        self.pads = [(pads[i], pads[i + rank]) for i in range(rank)]
        if auto.startswith("SAME"):
            self.pads = [self._same(i, dims[i], auto == "SAME_UPPER") for i in range(rank)]
        if n.get("ceil_mode", 0):  # the last window may reach beyond the pads, but not start there
            self.extra = [self._extra(i, dims[i]) for i in range(rank)]
        else:
            self.extra = [0] * rank

    def _same(self, i, size, upper):
        whole = max((ceil(size / self.strides[i]) - 1) * self.strides[i] + self.reach[i] - size, 0)
        return (whole // 2, whole - whole // 2) if upper else (whole - whole // 2, whole // 2)

    def _extra(self, i, size):
        before, after = self.pads[i]
        count = ceil((size + before + after - self.reach[i]) / self.strides[i]) + 1
        count -= (count - 1) * self.strides[i] >= size + before
        return max((count - 1) * self.strides[i] + self.reach[i] - size - before - after, 0)

    def padded(self, x, value, extra=True):
        """x, channels last, with its pads filled."""
        more = self.extra if extra else [0] * len(self.pads)
        pairs = [[0, 0], *([a, b + e] for (a, b), e in zip(self.pads, more, strict=True)), [0, 0]]
        return op.PadV2(x, tf.constant(pairs), const(value, x)) if np.any(pairs) else x


# -- convolutions ---------------------------------------------------------------------------------------------


def convolve(x, w, windows, groups=1):
    """x [N, C, ...] with w [M, C / groups, ...]; images of one axis go through the op for two."""
    rank = len(windows.kernel)
    w = transpose(w, [*range(2, rank + 2), 1, 0])
    x = windows.padded(channels_last(x), 0)
    strides, dilations = list(windows.strides), list(windows.dilations)
    if rank == 1:
        x, w = op.ExpandDims(x, ints(1)), op.ExpandDims(w, ints(0))
        strides, dilations = [1, *strides], [1, *dilations]
    kind = op.Conv3D if rank == 3 else op.Conv2D
    y = kind(x, w, strides=[1, *strides, 1], dilations=[1, *dilations, 1], padding="VALID")
    return channels_first(op.Squeeze(y, squeeze_dims=[1]) if rank == 1 else y)


@translates("Conv")
def conv(n):
    y = convolve(n[0], n[1], Windows(n, shape(n[0])[2:], shape(n[1])[2:]), n.get("group", 1))
    return y if n[2] is None else op.AddV2(y, reshape(n[2], [-1] + [1] * (len(shape(y)) - 2)))


@translates("ConvInteger")
def conv_integer(n):
    x = _centred(n[0], n[2], 1)
    w = _centred(n[1], n[3], 0)
    windows = Windows(n, shape(x)[2:], shape(w)[2:])
    return cast(convolve(cast(x, tf.float32), cast(w, tf.float32), windows), tf.int32)


@translates("QLinearConv")
def q_linear_conv(n):
    x, x_scale, x_point, w, w_scale, w_point, y_scale, y_point = n.inputs[:8]
    x, w = (cast(_centred(t, p, axis), tf.float32) for t, p, axis in ((x, x_point, 1), (w, w_point, 0)))
    y = convolve(x, w, Windows(n, shape(x)[2:], shape(w)[2:]), n.get("group", 1))
    scale = op.RealDiv(op.Mul(x_scale, reshape(w_scale, [-1, 1, 1])), y_scale)
    y = op.AddV2(op.Round(op.Mul(y, scale)), cast(y_point, tf.float32))
    return cast(op.ClipByValue(y, const(0, y), const(255, y)), tf.uint8)


@translates("CausalConvWithState")
def causal_conv(n):
    """Each channel by itself over [N, C, L], after the last values of what came before."""
    x, w, bias, past = n[0], n[1], n[2], n[3]
    back = shape(w)[-1] - 1
    if past is None:
        past = op.Fill(ints([*shape(x)[:2], back]), const(0, x))
    whole = op.ConcatV2([past, x], ints(2))
    y = convolve(whole, w, Windows(n, shape(whole)[2:], shape(w)[2:]), shape(x)[1])
    y = y if bias is None else op.AddV2(y, reshape(bias, [-1, 1]))
    if n.get("activation", "none") in ("silu", "swish"):
        y = op.Mul(y, op.Sigmoid(y))
    return y, op.Slice(whole, ints([0, 0, shape(x)[2]]), ints([-1, -1, back]))


@translates("ConvTranspose")
def conv_transpose(n):
    """The gradient of a convolution with respect to its image, with the pads cut off afterwards."""
    x, w, rank, groups = n[0], n[1], len(shape(n[0])) - 2, n.get("group", 1)
    dims, kernel = shape(x)[2:], shape(w)[2:]
    strides = n.get("strides") or [1] * rank
    dilations = n.get("dilations") or [1] * rank
    spare = n.get("output_padding") or [0] * rank
    full = [(d - 1) * s + (k - 1) * e + 1 for d, s, k, e in zip(dims, strides, kernel, dilations, strict=True)]
    pads = n.get("pads") or [0] * (2 * rank)
    wanted = n.get("output_shape")
    if n.get("auto_pad", "NOTSET").startswith("SAME"):
        wanted = [d * s for d, s in zip(dims, strides, strict=True)]
    if wanted is not None:
        total = [f + o - size for f, o, size in zip(full, spare, wanted, strict=True)]
        upper = n.get("auto_pad", "NOTSET") == "SAME_UPPER"
        halves = [(t // 2, t - t // 2) if upper else (t - t // 2, t // 2) for t in total]
        pads = [a for a, _ in halves] + [b for _, b in halves]
    parts = zip(op.Split(ints(1), x, num_split=groups), op.Split(ints(0), w, num_split=groups), strict=True)
    y = op.ConcatV2([_to_image(a, b, full, strides, dilations) for a, b in parts] , ints(1)) if groups > 1 else (
        _to_image(x, w, full, strides, dilations))  # fmt: skip
    y = op.Pad(y, tf.constant([[0, 0], [0, 0], *([0, max(o - b, 0)] for o, b in zip(spare, pads[rank:], strict=True))]))
    sizes = [f + o - a - b for f, o, a, b in zip(full, spare, pads[:rank], pads[rank:], strict=True)]
    y = op.Slice(y, ints([0, 0, *pads[:rank]]), ints([-1, -1, *sizes]))
    return y if n[2] is None else op.AddV2(y, reshape(n[2], [-1] + [1] * rank))


def _to_image(x, w, full, strides, dilations):
    rank = len(full)
    x, w = channels_last(x), transpose(w, [*range(2, rank + 2), 1, 0])
    sizes = [shape(x)[0], *full, shape(w)[-2]]
    strides, dilations = list(strides), list(dilations)
    if rank == 1:
        x, w, sizes = op.ExpandDims(x, ints(1)), op.ExpandDims(w, ints(0)), [sizes[0], 1, *sizes[1:]]
        strides, dilations = [1, *strides], [1, *dilations]
    kind = op.Conv3DBackpropInputV2 if rank == 3 else op.Conv2DBackpropInput
    y = kind(ints(sizes), w, x, strides=[1, *strides, 1], dilations=[1, *dilations, 1], padding="VALID")
    return channels_first(op.Squeeze(y, squeeze_dims=[1]) if rank == 1 else y)


# -- pools ----------------------------------------------------------------------------------------------------


def pool(x, windows, kind):
    """Every window of padded x, channels last; dilated ones by way of SpaceToBatchND, as tf.nn.pool has it."""
    strides = windows.strides
    if any(d > 1 for d in windows.dilations):
        block, dims = windows.dilations, shape(x)[1:-1]
        fill = [-size % b for size, b in zip(dims, block, strict=True)]
        x = op.SpaceToBatchND(x, ints(block), tf.constant([[0, f] for f in fill]))
        y = _plain_pool(x, windows.kernel, [1] * len(block), kind)
        outs = [size - r + 1 for size, r in zip(dims, windows.reach, strict=True)]
        spare = [s * b - out for s, b, out in zip(shape(y)[1:-1], block, outs, strict=True)]
        y = op.BatchToSpaceND(y, ints(block), tf.constant([[0, s] for s in spare]))
        rank = len(shape(y))
        return op.StridedSlice(y, ints([0] * rank), ints(shape(y)), ints([1, *strides, 1]))
    return _plain_pool(x, windows.kernel, strides, kind)


def _plain_pool(x, kernel, strides, kind):
    if len(kernel) == 1:
        y = _plain_pool(op.ExpandDims(x, ints(1)), [1, *kernel], [1, *strides], kind)
        return op.Squeeze(y, squeeze_dims=[1])
    name = kind + ("3D" if len(kernel) == 3 else "")
    return getattr(op, name)(x, ksize=[1, *kernel, 1], strides=[1, *strides, 1], padding="VALID")


@translates("MaxPool")
def max_pool(n):
    windows = Windows(n, shape(n[0])[2:], n.get("kernel_shape"))
    lowest = np.iinfo(n[0].dtype.as_numpy_dtype).min if n[0].dtype.is_integer else -np.inf
    x = windows.padded(channels_last(n[0]), lowest)
    if len(n.outputs) == 1:
        return channels_first(pool(x, windows, "MaxPool"))
    y, place = op.MaxPoolWithArgmax(
        x, ksize=[1, *windows.kernel, 1], strides=[1, *windows.strides, 1], padding="VALID", include_batch_in_index=True
    )
    return channels_first(y), channels_first(_place_in_image(place, x, n, windows))


def _place_in_image(place, padded, n, windows):
    """((b H + y) W + x) C + c of the padded image, channels last, as ((b C + c) H + y) W + x of the image."""
    _, h, w, c = shape(padded)
    _, _, height, width = shape(n[0])
    whole = [const(v, place) for v in (c, w, h)]
    parts = []
    for size in whole:
        parts.append(op.FloorMod(place, size))
        place = op.FloorDiv(place, size)
    channel, x, y = parts
    x, y = op.Sub(x, const(windows.pads[1][0], x)), op.Sub(y, const(windows.pads[0][0], y))
    plane = op.AddV2(op.Mul(place, const(c, place)), channel)
    first, second, extent = (x, y, height) if n.get("storage_order", 0) else (y, x, width)
    inner = op.AddV2(op.Mul(first, const(extent, first)), second)
    return op.AddV2(op.Mul(plane, const(height * width, plane)), inner)


@translates("AveragePool")
def average_pool(n):
    """Sums over windows, by counts of what is counted."""
    windows = Windows(n, shape(n[0])[2:], n.get("kernel_shape"))
    x = channels_last(n[0])
    ones = op.OnesLike(x)
    if n.get("count_include_pad", 0):  # what ceil_mode adds is never counted
        more, windows.extra = windows.extra, [0] * len(windows.extra)
        ones = windows.padded(ones, 1)
        ones = op.Pad(ones, tf.constant([[0, 0], *([0, e] for e in more), [0, 0]]))
        windows.extra = more
    else:
        ones = windows.padded(ones, 0)
    total, count = (pool(t, windows, "AvgPool") for t in (windows.padded(x, 0), ones))
    return channels_first(op.RealDiv(total, count))


@translates("LpPool")
def lp_pool(n):
    windows = Windows(n, shape(n[0])[2:], n.get("kernel_shape"))
    x, p = windows.padded(channels_last(n[0]), 0), n.get("p", 2)
    mean = pool(op.Pow(op.Abs(x), const(p, x)), windows, "AvgPool")
    return channels_first(op.Pow(op.Mul(mean, const(np.prod(windows.kernel), x)), const(1 / p, x)))


@translates("GlobalAveragePool", "GlobalMaxPool")
def global_pool(n):
    kind = "Mean" if n.type == "GlobalAveragePool" else "Max"
    return reduce(kind, n[0], list(range(2, len(shape(n[0])))))


@translates("MaxUnpool")
def max_unpool(n):
    x, kernel = n[0], n.get("kernel_shape")
    strides = n.get("strides") or [1] * len(kernel)
    sizes = [(d - 1) * s + k for d, s, k in zip(shape(x)[2:], strides, kernel, strict=True)]
    plain = [*shape(x)[:2], *sizes]
    wanted = plain if n.value(2) is None else n.value(2).tolist()
    flat = op.ScatterNd(reshape(n[1], [-1, 1]), reshape(x, [-1]), const([int(np.prod(plain))], n[1]))
    found = reshape(flat, plain)
    return op.Pad(found, tf.constant([[0, w - p] for w, p in zip(wanted, plain, strict=True)]))


@translates("Col2Im")
def col2im(n):
    """Columns of blocks back into images: the gradient of cutting an image into blocks, which adds what overlaps."""
    image, block = n.value(1).tolist(), n.value(2).tolist()
    windows = Windows(n, image, block)
    batch, channels = shape(n[0])[0], shape(n[0])[1] // int(np.prod(block))
    padded = [i + a + b for i, (a, b) in zip(image, windows.pads, strict=True)]
    at = [np.arange(0, p - r + 1, s) for p, r, s in zip(padded, windows.reach, windows.strides, strict=True)]
    inner = [np.arange(b) * d for b, d in zip(block, windows.dilations, strict=True)]
    grid = [np.add.outer(i, a) for i, a in zip(inner, at, strict=True)]  # [block, places] for each axis
    flat = np.zeros([1] * (2 * len(image)), np.int64)
    for axis, places in enumerate(grid):
        view = [1] * (2 * len(image))
        view[axis], view[len(image) + axis] = places.shape
        flat = flat * padded[axis] + places.reshape(view)
    rows = transpose(reshape(n[0], [batch * channels, flat.size]), [1, 0])
    total = op.UnsortedSegmentSum(rows, ints(flat.reshape(-1)), ints(int(np.prod(padded))))
    whole = reshape(transpose(total, [1, 0]), [batch, channels, *padded])
    return op.Slice(whole, ints([0, 0, *(a for a, _ in windows.pads)]), ints([-1, -1, *image]))


# -- normalisation --------------------------------------------------------------------------------------------


@translates("BatchNormalization")
def batch_normalization(n):
    x, scale, offset, mean, variance = n.inputs
    rank, training = len(shape(x)), bool(n.get("training_mode", 0))
    x = channels_last(reshape(x, [*shape(x)[:2], -1, 1] if rank != 4 else shape(x)))
    given = [op.Slice(mean, ints([0]), ints([0]))] * 2 if training else [mean, variance]
    y, new_mean, new_variance, *_ = op.FusedBatchNormV3(
        x, scale, offset, *given, epsilon=n.get("epsilon", 1e-5), is_training=training
    )
    y = reshape(channels_first(y), shape(n[0]))
    if not training:
        return y
    count = np.prod(shape(n[0])) / shape(n[0])[1]  # TensorFlow's variance is that of a sample, ONNX's of the batch
    new_variance = op.Mul(new_variance, const((count - 1) / count, new_variance))
    keep = n.get("momentum", 0.9)

    def mixed(old, new):
        return op.AddV2(op.Mul(old, const(keep, old)), op.Mul(new, const(1 - keep, old)))

    return y, mixed(mean, new_mean), mixed(variance, new_variance)


@translates("LRN")
def lrn(n):
    """Alpha is for the sum in ONNX, for each square in TensorFlow."""
    size = n.get("size")
    y = op.LRN(
        channels_last(n[0]), depth_radius=(size - 1) // 2, bias=n.get("bias", 1.0), beta=n.get("beta", 0.75),
        alpha=n.get("alpha", 1e-4) / size,
    )  # fmt: skip
    return channels_first(y)


def _normalised(x, axes, epsilon, centre=True):
    """(x - mean) / deviation over axes, the mean, and one over the deviation."""
    mean = reduce("Mean", x, axes)
    x = op.Sub(x, mean) if centre else x
    inverse = op.Rsqrt(op.AddV2(reduce("Mean", op.Square(x), axes), const(epsilon, x)))
    return op.Mul(x, inverse), mean, inverse


@translates("LayerNormalization", "RMSNormalization")
def layer_normalization(n):
    axis, rank = n.get("axis", -1), len(shape(n[0]))
    layer = n.type == "LayerNormalization"
    x = cast(n[0], tf.float32)
    y, *rest = _normalised(x, list(range(axis % rank, rank)), n.get("epsilon", 1e-5), layer)
    y = op.Mul(cast(y, n[0].dtype), n[1])
    return [y if n[2] is None else op.AddV2(y, n[2]), *rest] if layer else y


@translates("InstanceNormalization")
def instance_normalization(n):
    rank = len(shape(n[0]))
    y, *_ = _normalised(n[0], list(range(2, rank)), n.get("epsilon", 1e-5))
    scale, bias = (reshape(t, [-1] + [1] * (rank - 2)) for t in (n[1], n[2]))
    return op.AddV2(op.Mul(y, scale), bias)


@translates("GroupNormalization")
def group_normalization(n):
    dims = shape(n[0])
    grouped = reshape(n[0], [dims[0], n.get("num_groups"), -1])
    y = reshape(_normalised(grouped, [2], n.get("epsilon", 1e-5))[0], dims)
    scale, bias = (reshape(t, [-1] + [1] * (len(dims) - 2)) for t in (n[1], n[2]))
    return op.AddV2(op.Mul(y, scale), bias)


@translates("MeanVarianceNormalization")
def mean_variance_normalization(n):
    return _normalised(n[0], n.get("axes") or [0, 2, 3], 1e-18)[0]


# -- softmax and losses ---------------------------------------------------------------------------------------


def _along_last(x, axis, function):
    order = list(range(len(shape(x))))
    order[axis], order[-1] = order[-1], order[axis]
    return transpose(function(transpose(x, order)), order)


@translates("Softmax", "LogSoftmax", "Hardmax")
def softmax(n):
    def hardmax(x):
        return op.OneHot(op.ArgMax(x, ints(-1)), ints(shape(x)[-1]), const(1, x), const(0, x))

    kinds = {"Softmax": op.Softmax, "LogSoftmax": op.LogSoftmax, "Hardmax": hardmax}
    return _along_last(n[0], n.get("axis", -1), kinds[n.type])


@translates("NegativeLogLikelihoodLoss")
def negative_log_likelihood(n):
    return _weighted(n, n[0], n[1], n[2])


@translates("SoftmaxCrossEntropyLoss")
def softmax_cross_entropy(n):
    logs = _along_last(n[0], 1, op.LogSoftmax)
    return _weighted(n, logs, n[1], n[2]), logs


def _weighted(n, logs, labels, weights):
    """-log p[label] by the label's weight, and none where the label is to be ignored."""
    classes, dtype = shape(logs)[1], logs.dtype
    ignored = n.get("ignore_index")
    counts = op.OnesLike(cast(labels, dtype)) if weights is None else None
    inside = labels
    if ignored is not None:
        skip = op.Equal(labels, const(ignored, labels))
        inside = op.SelectV2(skip, op.ZerosLike(labels), labels)
    if counts is None:
        counts = op.GatherV2(weights, inside, ints(0))
    if ignored is not None:
        counts = op.SelectV2(skip, op.ZerosLike(counts), counts)
    flat = reshape(channels_last(logs) if len(shape(logs)) > 2 else logs, [-1, classes])
    rows = reshape(inside, [-1])
    steps = op.Range(const(0, rows), const(shape(rows)[0], rows), const(1, rows))
    picked = reshape(op.GatherNd(flat, op.Pack([steps, rows], axis=1)), shape(labels))
    loss = op.Neg(op.Mul(picked, counts))
    reduction, everything = n.get("reduction", "mean"), list(range(len(shape(labels))))
    if reduction == "none":
        return loss
    total = reduce("Sum", loss, everything, False)
    return total if reduction == "sum" else op.RealDiv(total, reduce("Sum", counts, everything, False))


@translates("Dropout")
def dropout(n):
    ratio = n.value(1) if n.value(1) is not None else np.float32(n.get("ratio", 0.5))
    training = n.value(2) is not None and bool(n.value(2))
    if training and float(ratio) != 0:
        raise OutOfScope("another stream of random numbers")
    return op.Identity(n[0]), op.Fill(ints(shape(n[0])), const(True, tf.bool))


# -- resizing -------------------------------------------------------------------------------------------------


@translates("Resize", "Upsample")
def resize(n):
    """The modes that one of TensorFlow's resizing op types has; the two spatial axes of [N, C, H, W]."""
    dims = shape(n[0])
    if n.type == "Upsample":
        scales, sizes, mode = n.value(1), None, n.get("mode", "nearest")
        how = "asymmetric"
    else:
        scales, sizes, mode = n.value(2), n.value(3), n.get("mode", "nearest")
        how = n.get("coordinate_transformation_mode", "half_pixel")
    axes = [a % len(dims) for a in n.get("axes") or range(len(dims))]
    if len(dims) != 4 or n.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise OutOfScope("resizing of other than two axes, or by one ratio for both")
    wanted = list(dims)
    exact = True
    for i, axis in enumerate(axes):
        wanted[axis] = int(sizes[i]) if sizes is not None else int(np.floor(dims[axis] * scales[i]))
        exact &= sizes is not None or dims[axis] * scales[i] == wanted[axis]
    if wanted[:2] != dims[:2]:
        raise OutOfScope("resizing of batch and channels")
    x, size = channels_last(n[0]), ints(wanted[2:])
    if how == "tf_crop_and_resize":
        roi = n.value(1)
        box = dict(zip(axes, zip(roi[: len(axes)], roi[len(axes) :], strict=True), strict=True))
        box = tf.constant([[box[2][0], box[3][0], box[2][1], box[3][1]]], tf.float32)
        outside = n.get("extrapolation_value", 0.0)
        return channels_first(op.CropAndResize(x, box, ints([0]), size, extrapolation_value=outside))
    if not exact:
        raise OutOfScope("scales that do not end at a whole size")
    return channels_first(_resized(n, x, size, mode, how, dims, wanted))


def _resized(n, x, size, mode, how, dims, wanted):
    how = "half_pixel" if how in ("pytorch_half_pixel", "half_pixel_symmetric") and 1 not in wanted[2:] else how
    corners = {"align_corners": how == "align_corners", "half_pixel_centers": how == "half_pixel"}
    larger = all(w >= d for w, d in zip(wanted[2:], dims[2:], strict=True))
    if how not in ("align_corners", "half_pixel", "asymmetric"):
        raise OutOfScope(f"places of pixels by {how}")
    if mode == "linear":
        if n.get("antialias", 0) and not larger:
            raise OutOfScope("broad filters that repeat the border; ScaleAndTranslate's weigh what is inside")
        return op.ResizeBilinear(x, size, **corners)
    if mode == "cubic":
        keys = n.get("cubic_coeff_a", -0.75) == -0.5 and n.get("exclude_outside", 0) and how == "half_pixel"
        legacy = n.get("cubic_coeff_a", -0.75) == -0.75 and how != "half_pixel" and not n.get("exclude_outside", 0)
        if n.get("antialias", 0) or not (keys or legacy):
            raise OutOfScope("cubic curves other than -0.75 at corners and -0.5 at half pixels")
        return op.ResizeBicubic(x, size, **corners)
    rounding = n.get("nearest_mode", "round_prefer_floor")
    whole = all(w % d == 0 for w, d in zip(wanted[2:], dims[2:], strict=True))
    same = {"half_pixel": whole and rounding == "round_prefer_floor",
            "asymmetric": rounding == "floor" or n.type == "Upsample",
            "align_corners": rounding == "round_prefer_ceil"}  # fmt: skip
    if not same[how]:
        raise OutOfScope(f"nearest pixels by {rounding} with {how}")
    return op.ResizeNearestNeighbor(x, size, **corners)


@translates("NonMaxSuppression")
def non_max_suppression(n):
    boxes, scores = n[0], n[1]
    most = ints(0 if n.value(2) is None else int(np.reshape(n.value(2), ())))
    overlap, floor = (tf.constant(d if v is None else float(np.reshape(v, ())))
                      for v, d in ((n.value(3), 0.0), (n.value(4), float("-inf"))))  # fmt: skip
    if n.get("center_point_box", 0):
        x, y, w, h = op.Unpack(boxes, num=4, axis=-1)
        half = const(0.5, x)
        w, h = op.Mul(w, half), op.Mul(h, half)
        boxes = op.Pack([op.Sub(y, h), op.Sub(x, w), op.AddV2(y, h), op.AddV2(x, w)], axis=-1)
    found = []
    batches = zip(op.Unpack(boxes, num=shape(boxes)[0]), op.Unpack(scores, num=shape(scores)[0]), strict=True)
    for batch, (box, of_classes) in enumerate(batches):
        for kind, score in enumerate(op.Unpack(of_classes, num=shape(scores)[1])):
            chosen = cast(op.NonMaxSuppressionV3(box, score, most, overlap, floor), tf.int64)
            labels = [op.Fill(op.Shape(chosen), const(v, tf.int64)) for v in (batch, kind)]
            found.append(op.Pack([*labels, chosen], axis=1))
    return op.ConcatV2(found, ints(0)) if len(found) > 1 else found[0]


# -- training -------------------------------------------------------------------------------------------------


def _steps(n, slots):
    """(x, gradient, slots...) of each variable that the node trains, with the regularised gradient."""
    count = (len(n.inputs) - 2) // (2 + slots)
    groups = [n.inputs[2 + i * count : 2 + (i + 1) * count] for i in range(2 + slots)]
    decay = n.get("norm_coefficient", 0.0)
    for x, gradient, *rest in zip(*groups, strict=True):
        yield x, op.AddV2(op.Mul(const(decay, x), x), gradient), rest


def _variable(value):
    """A variable that starts as `value`, initialised by the step that uses it."""
    holder = op.VariableV2(shape=shape(value), dtype=value.dtype.base_dtype)
    return op.Assign(holder, value)


def _columns(rows):
    return [t for column in zip(*rows, strict=True) for t in column]


@translates("Adagrad")
def adagrad(n):
    rate, step = n[0], cast(n[1], n[0].dtype)
    rate = op.RealDiv(rate, op.AddV2(const(1, rate), op.Mul(step, const(n.get("decay_factor", 0.0), rate))))
    rows = []
    for x, gradient, (total,) in _steps(n, 1):
        var, accum = _variable(x), _variable(total)
        epsilon = const(n.get("epsilon", 0.0), x)
        trained = op.ApplyAdagradV2(var, accum, rate, epsilon, gradient)
        with tf.control_dependencies([trained]):
            rows.append((op.Identity(trained), op.Identity(accum)))
    return _columns(rows)


@translates("Momentum")
def momentum(n):
    rate, alpha, beta = n[0], n.get("alpha"), n.get("beta")
    later = cast(op.Greater(n[1], const(0, n[1])), rate.dtype)  # the first step takes its gradient whole
    beta = op.AddV2(const(1, rate), op.Mul(later, const(beta - 1, rate)))
    nesterov, rows = n.get("mode") == "nesterov", []
    for x, gradient, (velocity,) in _steps(n, 1):
        var, accum = _variable(x), _variable(velocity)
        damped = op.Mul(beta, gradient)
        if nesterov:  # TensorFlow adds the gradient as it goes into the velocity: mind that beta may not be 1
            new = op.AddV2(op.Mul(const(alpha, x), velocity), damped)
            rows.append((op.Sub(x, op.Mul(rate, op.AddV2(gradient, op.Mul(const(alpha, x), new)))), new))
            continue
        trained = op.ApplyMomentum(var, accum, rate, damped, const(alpha, x))
        with tf.control_dependencies([trained]):
            rows.append((op.Identity(trained), op.Identity(accum)))
    return _columns(rows)


@translates("Adam")
def adam(n):
    rate, step = n[0], cast(n[1], n[0].dtype)
    alpha, beta = const(n.get("alpha", 0.9), rate), const(n.get("beta", 0.999), rate)
    epsilon = const(n.get("epsilon", 1e-2), rate)
    first = op.Equal(n[1], const(0, n[1]))  # no correction in step 0
    power = [op.SelectV2(first, const(0, rate), op.Pow(b, step)) for b in (alpha, beta)]
    rows = []
    for x, gradient, (v, h) in _steps(n, 2):
        var, mean, square = _variable(x), _variable(v), _variable(h)
        # ONNX adds epsilon to the root itself, as TensorFlow does, and corrects the rate in the same way.
        trained = op.ApplyAdam(var, mean, square, *power, rate, alpha, beta, epsilon, gradient)
        with tf.control_dependencies([trained]):
            rows.append((op.Identity(trained), op.Identity(mean), op.Identity(square)))
    return _columns(rows)


@translates("RotaryEmbedding")
def rotary_embedding(n):
    """Pairs of features turned by the angle of their position."""
    x, places, flat = n[0], n[3], len(shape(n[0])) == 3
    if flat:  # [batch, steps, heads * size] -> [batch, heads, steps, size]
        b, s, whole = shape(x)
        x = transpose(reshape(x, [b, s, n.get("num_heads"), whole // n.get("num_heads")]), [0, 2, 1, 3])
    turned = n.get("rotary_embedding_dim", 0) or shape(x)[-1]
    head, tail = op.SplitV(x, ints([turned, shape(x)[-1] - turned]), ints(-1), num_split=2)
    half = turned // 2
    cos, sin = n[1], n[2]
    if places is not None:
        cos, sin = (op.GatherV2(t, places, ints(0)) for t in (cos, sin))
    cos, sin = (op.ExpandDims(t, ints(1)) for t in (cos, sin))
    mixed = n.get("interleaved", 0)
    pairs = reshape(head, [*shape(head)[:-1], *((half, 2) if mixed else (2, half))])
    real, imaginary = op.Unpack(pairs, num=2, axis=-1 if mixed else -2)
    new = [op.Sub(op.Mul(cos, real), op.Mul(sin, imaginary)), op.AddV2(op.Mul(sin, real), op.Mul(cos, imaginary))]
    head = reshape(op.Pack(new, axis=-1 if mixed else -2), shape(head))
    y = op.ConcatV2([head, tail], ints(-1))
    return reshape(transpose(y, [0, 2, 1, 3]), shape(n[0])) if flat else y
