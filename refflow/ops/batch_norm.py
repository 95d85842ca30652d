"""Batch normalisation: each channel to mean 0 and variance 1 over a batch, then scaled and shifted [W06].

    FusedBatchNorm      y = (x - mean) * scale / sqrt(variance + epsilon) + offset
                        training: mean and variance of the batch, and running ones with a factor

BatchNormWithGlobalNormalization is the first release's form, with statistics that are given.

Next: ops/lrn.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import FLOATS, bfloat16, float16, float32
from refflow.core.errors import ShapeError
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_checks import of_rank
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr

_FORMATS = Attr("string", default="NHWC", allowed=("NHWC", "NCHW", "NDHWC", "NCDHW"))
_IN = "x: T, scale: {U}, offset: {U}, mean: {U}, variance: {U}"
_OUT = "y: T, batch_mean: {U}[C], batch_variance: {U}[C], reserve_space_1: {U}[C], reserve_space_2: {U}[C]"
_GIVEN = "y_backprop: T, x: T, scale: {V}, reserve_space_1: {U}, reserve_space_2: {U}"
_BACK = "x_backprop: T, scale_backprop: {U}[C], offset_backprop: {U}[C]"


def _forward(version: int) -> OpDef:
    u = "T" if version == 1 else "U"
    end = "" if version == 1 else f"V{version}"
    third = ", reserve_space_3: U" if version == 3 else ""
    return define_op(
        f"FusedBatchNorm{end}", f"{_IN.format(U=u)} -> {_OUT.format(U=u)}{third}", epsilon=0.0001,
        exponential_avg_factor=1.0, data_format=_FORMATS, is_training=True, accuracy="composed", source=("W06",),
        **_types(version),
    )  # fmt: skip


def _backward(version: int) -> OpDef:
    u, v = ("T", "T") if version == 1 else ("U", "float32")
    end = "" if version == 1 else f"V{version}"
    third = ", reserve_space_3: U" if version == 3 else ""
    first = 4 if version == 3 else 3
    return define_op(
        f"FusedBatchNormGrad{end}",
        f"{_GIVEN.format(U=u, V=v)}{third} -> {_BACK.format(U=u)}, reserve_space_{first}: {u}, "
        f"reserve_space_{first + 1}: {u}",
        epsilon=0.0001, data_format=_FORMATS, is_training=True, accuracy="composed", source=("W30",), **_types(version),
    )  # fmt: skip


def _types(version: int) -> dict[str, Any]:
    if version == 1:
        return {"T": (float32,)}
    return {"T": (float16, bfloat16, float32), "U": (bfloat16, float32)}


def _channel(data_format: str, rank: int) -> int:
    return 1 if data_format.startswith("NC") else rank - 1


def _as_column(v: np.ndarray, rank: int, channel: int) -> np.ndarray:
    return v.reshape([-1 if i == channel else 1 for i in range(rank)])


def batch_norm(x, scale, offset, mean, variance, epsilon, factor, data_format, is_training):
    """y, the running mean and variance, and what the gradient needs: the batch's mean and variance."""
    channel = _channel(data_format, x.ndim)
    wide, axes = x.astype(np.float32), tuple(i for i in range(x.ndim) if i != channel)
    kind = scale.dtype
    count = wide.size // max(1, len(scale))
    if is_training:
        if count:
            m, v = wide.mean(axes), wide.var(axes)
        else:
            m = v = np.full(len(scale), np.nan, np.float32)
        unbiased = v * (count / max(count - 1, 1))
        new_m, new_v = m, unbiased
        if factor != 1.0:
            new_m = (1 - factor) * mean + factor * m
            new_v = (1 - factor) * variance + factor * unbiased
    else:
        m, v = mean.astype(np.float32), variance.astype(np.float32)
        new_m, new_v = (m, v) if count else [np.full(len(scale), np.nan, np.float32)] * 2
    inverse = 1 / np.sqrt(v + np.float32(epsilon))
    y = (wide - _as_column(m, x.ndim, channel)) * _as_column(inverse * scale, x.ndim, channel)
    y = y + _as_column(offset, x.ndim, channel)
    if not count:
        m = v = np.zeros(len(scale), np.float32)
    return [y.astype(x.dtype), new_m.astype(kind), new_v.astype(kind), m.astype(kind), v.astype(kind)]


def batch_norm_grad(dy, x, scale, m, v, epsilon, data_format, is_training):
    """dx, dscale, doffset: with the batch's own statistics dx loses its mean and its part along x."""
    channel = _channel(data_format, x.ndim)
    axes = tuple(i for i in range(x.ndim) if i != channel)
    wide, dwide = x.astype(np.float32), dy.astype(np.float32)
    inverse = 1 / np.sqrt(v.astype(np.float32) + np.float32(epsilon))

    def column(a):
        return _as_column(a, x.ndim, channel)

    centred = wide - column(m.astype(np.float32))
    doffset = dwide.sum(axes)
    dscale = (dwide * centred).sum(axes) * inverse
    if is_training:
        count = max(1, wide.size // max(1, len(scale)))
        slope = dwide - column(doffset / count) - centred * column(dscale * inverse / count)
    else:
        slope = dwide
    dx = slope * column(scale * inverse)
    return dx.astype(x.dtype), dscale.astype(scale.dtype), doffset.astype(scale.dtype)


def _not_an_image(dims: shapes.Dims) -> str:
    """In the words of TensorFlow's kernel for images, and of the one that takes volumes too."""
    shown = shapes.text(dims)
    return f"input must be 4-dimensional{shown}: input must be 4 or 5-dimensional{shown}"


def _checked_channels(context: ShapeContext, x: shapes.Shape, vectors: dict[str, tuple[str, str]]) -> shapes.Shape:
    """[C], once each vector has as many elements as x has channels.

    vectors: by input, what TensorFlow calls it, and under which condition its length counts.
    """
    for name, dims in (("input", x), *((told, context.dims(given)) for given, (told, _) in vectors.items())):
        if name == "input" and dims is not None and len(dims) not in (4, 5):
            raise ShapeError(_not_an_image(dims))
        if name != "input" and dims is not None and len(dims) != 1:
            raise ShapeError(f"{name} must be 1-dimensional{shapes.text(dims)}")
    channels = None if x is None else x[_channel(context.attrs["data_format"], len(x))]
    for given, (_, condition) in vectors.items():
        dims = context.dims(given)
        size = None if dims is None else dims[0]
        if None not in (size, channels) and size != channels and condition is not None:
            raise ShapeError(
                f"{condition}{given} must have the same number of elements as the channels of x, got {size} and "
                f"{channels}"
            )
        channels = size if channels is None and condition == "" else channels
    return (channels,)


def _forward_shape(context: ShapeContext) -> list[shapes.Shape]:
    x, attrs = context.dims("x"), context.attrs
    if context.building and x is not None and len(x) != len(attrs["data_format"]):
        raise ShapeError(f"Shape must be rank {len(attrs['data_format'])} but is rank {len(x)}: data_format is "
                         f"{attrs['data_format']}, and x has shape {shapes.text(x)}")  # fmt: skip
    condition: Any = "When is_training=false, "
    if attrs["is_training"]:
        condition = None if attrs["exponential_avg_factor"] == 1.0 else "When exponential_avg_factor != 1, "
    vector = _checked_channels(context, x, {
        "scale": ("scale", ""), "offset": ("offset", ""), "mean": ("estimated_mean", condition),
        "variance": ("estimated_variance", condition),
    })  # fmt: skip
    spare: shapes.Shape = None if x is None else (0,) if len(x) == 4 else ()
    x = of_rank(x, len(attrs["data_format"]))
    axis = _channel(attrs["data_format"], len(x)) % len(x)
    x = (*x[:axis], *vector, *x[axis + 1 :])  # type: ignore[misc]
    return [x, vector, vector, vector, vector, *[spare] * (len(context.op_def.outputs) - 5)]


def _backward_shape(context: ShapeContext) -> list[shapes.Shape]:
    x, dy = context.dims("x"), context.dims("y_backprop")
    for dims in (dy, x):
        if dims is not None and len(dims) not in (4, 5):
            raise ShapeError(_not_an_image(dims))
    if not shapes.compatible(dy, x):
        raise ShapeError(
            f"x and y_backprop must have same shape, but x has shape {shapes.text(x)} and y_backprop has shape "
            f"{shapes.text(dy)}"
        )
    vector = _checked_channels(context, x, {
        "scale": ("scale", ""), "reserve_space_1": ("saved mean", ""), "reserve_space_2": ("saved variance", ""),
    })  # fmt: skip
    return [x, vector, vector, (), ()]


def _slope_in_steps(dy, x, scale, mean, variance, epsilon, channel, is_training):
    """dx, dscale, doffset as `batch_norm_grad` has them, from nodes that have gradients; float32."""
    from refflow.ops.array import reshape
    from refflow.ops.elementwise import RSQRT
    from refflow.ops.reductions import reduce_mean, reduce_sum

    rank = len(x.dims)
    axes = [i for i in range(rank) if i != channel]
    column = [1] * rank
    column[channel] = -1
    if is_training:
        mean = reduce_mean(x, axes, keep_dims=True)
        variance = reduce_mean((x - mean) * (x - mean), axes, keep_dims=True)
    else:
        mean, variance = reshape(mean, column), reshape(variance, column)
    inverse = RSQRT(variance + epsilon)
    normal = (x - mean) * inverse
    slope = dy
    if is_training:
        slope = dy - reduce_mean(dy, axes, keep_dims=True) - normal * reduce_mean(dy * normal, axes, keep_dims=True)
    return reshape(scale, column) * inverse * slope, reduce_sum(dy * normal, axes), reduce_sum(dy, axes)


def _second_order(op, ddx, ddscale, ddoffset, *_):
    """What `_slope_in_steps` has as its own gradient: the batch's statistics depend on x there."""
    from refflow.core.gradients import gradients
    from refflow.ops.cast import cast

    dy, x, scale, mean, variance, *third = op.inputs
    if x.dims is None:
        raise ShapeError(f"the second derivative of {op.name!r} needs the rank of x, which is unknown: use set_shape()")
    dy, x, mean, variance = (cast(t, float32) for t in (dy, x, mean, variance))
    channel = _channel(op.attrs["data_format"], len(x.dims))
    slopes = _slope_in_steps(dy, x, scale, mean, variance, op.attrs["epsilon"], channel, op.attrs["is_training"])
    found = gradients(slopes, [dy, x, scale], [cast(g, float32) for g in (ddx, ddscale, ddoffset)])
    types = [t.dtype.base_dtype for t in op.inputs]
    return [*(cast(g, t) for g, t in zip(found, types, strict=False)), None, None, *[None] * len(third)]


def _define(version: int) -> tuple[OpDef, OpDef]:
    forward, backward = _forward(version), _backward(version)

    def kernel(x, scale, offset, mean, variance, epsilon, exponential_avg_factor, data_format, is_training):
        found = batch_norm(
            x, scale, offset, mean, variance, epsilon, exponential_avg_factor, data_format, is_training
        )  # fmt: skip
        spare = (0,) if x.ndim == 4 else ()  # images leave nothing, volumes a number that nobody reads
        return [*found, np.zeros(spare, scale.dtype)] if version == 3 else found

    def plain(y_backprop, x, scale, reserve_space_1, reserve_space_2, epsilon, data_format, is_training):
        found = batch_norm_grad(
            y_backprop, x, scale, reserve_space_1, reserve_space_2, epsilon, data_format, is_training
        )  # fmt: skip
        return [*found, np.zeros((), reserve_space_1.dtype), np.zeros((), reserve_space_1.dtype)]

    def third(
        y_backprop, x, scale, reserve_space_1, reserve_space_2, reserve_space_3, epsilon, data_format, is_training
    ):
        return plain(y_backprop, x, scale, reserve_space_1, reserve_space_2, epsilon, data_format, is_training)

    forward.kernel(kernel)
    backward.kernel(third if version == 3 else plain)
    forward.shape(_forward_shape)
    backward.shape(_backward_shape)
    backward.gradient(_second_order)

    @forward.gradient
    def gradient(op, dy, *_):
        """dx, dscale and doffset from the op of the slope; statistics are data."""
        x, scale, _, mean, variance = op.inputs
        attrs = {n: op.attrs[n] for n in ("epsilon", "data_format", "is_training")}
        if attrs["is_training"]:
            kept = [op.outputs["reserve_space_1"], op.outputs["reserve_space_2"]]
        else:
            kept = [mean, variance]
        if version == 3:
            kept.append(op.outputs["reserve_space_3"])
        back = backward(dy, x, scale, *kept, **attrs)
        return back.x_backprop, back.scale_backprop, back.offset_backprop, None, None

    return forward, backward


FUSED = {version: _define(version) for version in (1, 2, 3)}

# -- the first release's form -----------------------------------------------------------------------------------

GLOBAL = define_op(
    "BatchNormWithGlobalNormalization", "t: T, m: T[C], v: T[C], beta: T[C], gamma: T[C] -> result: T", T=FLOATS,
    variance_epsilon=Attr("float"), scale_after_normalization=Attr("bool"), accuracy="composed", source=("W06",),
)  # fmt: skip
GLOBAL_GRAD = define_op(
    "BatchNormWithGlobalNormalizationGrad",
    "t: T, m: T[C], v: T[C], gamma: T[C], backprop: T -> dx: T, dm: T[C], dv: T[C], db: T[C], dg: T[C]", T=FLOATS,
    variance_epsilon=Attr("float"), scale_after_normalization=Attr("bool"), accuracy="composed", source=("W30",),
)  # fmt: skip


@GLOBAL.kernel
def global_batch_norm_kernel(t, m, v, beta, gamma, variance_epsilon, scale_after_normalization):
    inverse = 1 / np.sqrt(v + v.dtype.type(variance_epsilon))
    return (t - m) * (inverse * gamma if scale_after_normalization else inverse) + beta


@GLOBAL_GRAD.kernel
def global_batch_norm_grad_kernel(t, m, v, gamma, backprop, variance_epsilon, scale_after_normalization):
    inverse = 1 / np.sqrt(v + v.dtype.type(variance_epsilon))
    factor = gamma if scale_after_normalization else np.ones_like(gamma)
    axes = tuple(range(t.ndim - 1))
    dx = backprop * (inverse * factor)
    db = backprop.sum(axes)
    along = (backprop * (t - m)).sum(axes)
    dv = along * factor * v.dtype.type(-0.5) * inverse**3
    dg = along * inverse if scale_after_normalization else np.zeros_like(gamma)
    return dx, -db * inverse * factor, dv, db, dg


@GLOBAL.shape
def _global_shape(context: ShapeContext) -> shapes.Shape:
    for name in ("m", "v", "beta", "gamma"):
        context.match(name, "C")
    context.match("t", "?", "?", "?", "C")
    return context.dims("t")


@GLOBAL_GRAD.shape
def _global_grad_shape(context: ShapeContext) -> list[shapes.Shape]:
    for name in ("m", "v", "gamma"):
        context.match(name, "C")
    for name in ("t", "backprop"):
        context.match(name, "N", "H", "W", "C")
    vector = context.shape("C")
    return [context.dims("t"), vector, vector, vector, vector]


@GLOBAL.gradient
def _global_gradient(op, dy):
    """All five slopes from one op."""
    t, m, v, _, gamma = op.inputs
    attrs = {n: op.attrs[n] for n in ("variance_epsilon", "scale_after_normalization")}
    return tuple(GLOBAL_GRAD(t, m, v, gamma, dy, **attrs))


GLOBAL_GRAD.no_gradient_registered()

_X = np.array([1, 3], np.float32).reshape(2, 1, 1, 1)
for _version, (_op, _back) in FUSED.items():
    _more: dict[str, Any] = {"U": "float32"} if _version > 1 else {}
    _op.case("W06", "mean 0 and variance 1", x=_X, scale=[2], offset=[5], mean=np.zeros(0, np.float32),
             variance=np.zeros(0, np.float32), epsilon=0.0, y=np.array([3, 7], np.float32).reshape(2, 1, 1, 1),
             batch_mean=[2], batch_variance=[2], **_more)  # fmt: skip
    _op.case("W06", "given statistics", x=_X, scale=[2], offset=[5], mean=[1], variance=[4], epsilon=0.0,
             is_training=False, y=np.array([5, 7], np.float32).reshape(2, 1, 1, 1), **_more)  # fmt: skip
    _op.case("W06", "nothing is kept of nothing", x=np.zeros((0, 1, 1, 1), np.float32), scale=[2], offset=[5],
             mean=[1], variance=[4], batch_mean=[np.nan], reserve_space_1=[0], reserve_space_2=[0],
             y=np.zeros((0, 1, 1, 1), np.float32), **_more)  # fmt: skip
    _third: dict[str, Any] = {"reserve_space_3": np.zeros(0, np.float32)} if _version == 3 else {}
    _back.case("W30", "given statistics", y_backprop=_X, x=_X, scale=[2], reserve_space_1=[1], reserve_space_2=[4],
               epsilon=0.0, is_training=False, x_backprop=_X, scale_backprop=[3], offset_backprop=[4], **_third,
               **_more)  # fmt: skip
GLOBAL.case("W06", "given statistics", t=_X, m=[1], v=[4], beta=[5], gamma=[2], variance_epsilon=0.0,
            scale_after_normalization=True, result=np.array([5, 7], np.float32).reshape(2, 1, 1, 1))  # fmt: skip
GLOBAL_GRAD.case("W30", "given statistics", t=_X, m=[1], v=[4], gamma=[2], backprop=_X, variance_epsilon=0.0,
                 scale_after_normalization=True, dx=_X, dm=[-4], dv=[-0.75], db=[4], dg=[3])  # fmt: skip
GLOBAL_GRAD.case("W30", "what arrives has the shape of t", t=_X, m=[1], v=[4], gamma=[2], variance_epsilon=0.0,
                 scale_after_normalization=True, backprop=np.ones((2, 1, 2, 1), np.float32),
                 error="backprop has W = 2, but t has W = 1")  # fmt: skip
