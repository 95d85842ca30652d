"""What must hold before a pool or its gradients run, in TensorFlow's words, and the shape that a pool gives [W74, W79].

Next: ops/pool.py.
"""

from __future__ import annotations

from typing import Any

from refflow.core import shapes
from refflow.core.errors import ShapeError, UnimplementedError
from refflow.core.shape_checks import of_rank
from refflow.core.shape_rules import ShapeContext
from refflow.ops.constant import shape_from
from refflow.ops.conv_checks import check_paddings
from refflow.ops.windows import explicit_pairs, shaped, sizes_out, spatial


def with_channels_last(values: Any, layout: str) -> list[int]:
    """Numbers of all axes in the order batch, space, channels."""
    values = [int(v) for v in values]
    return [values[0], *values[2:], values[1]] if layout.startswith("NC") else values


def _not_yet(text: str) -> Exception:
    return UnimplementedError(None, None, text)


def check_rank(dims: shapes.Shape, name: str, rank: int) -> None:
    if dims is not None and len(dims) != rank + 2:
        raise ShapeError(f"{name} must be {rank + 2}-dimensional, got shape {shapes.text(dims)}")


def _check_window(name: str, ksize: Any, strides: Any, rank: int) -> None:
    if ksize is not None and len(ksize) != rank + 2:
        raise ShapeError(f"Sliding window ksize field must specify {rank + 2} dimensions, got {len(ksize)}")
    if strides is not None and len(strides) != rank + 2:
        raise ShapeError(f"Sliding window stride field must specify {rank + 2} dimensions, got {len(strides)}")
    if ksize is not None and min(ksize) < 1:
        spelt = ",".join(map(str, ksize))
        least = f": ksize must be a positive int32 value, got:{min(ksize)}" if name.startswith("Avg") else ""
        raise ShapeError(f"Sliding window ksize must be positive. The specified or inferred ksize is: {spelt}{least}")
    if strides is not None and min(strides) < 1:
        raise ShapeError(f"Stride must be > 0, but got {min(strides)}")


def _check_depth(name: str, ks: list[int], steps: list[int], depth: int | None) -> None:
    """Channels may be pooled, but nothing else with them, and in windows that do not overlap."""
    if any(k != 1 for k in ks[1:-1]):
        text = "MaxPooling supports exactly one of pooling across depth or pooling across width/height."
        raise _not_yet(text)
    if depth is not None and depth % ks[-1]:
        raise _not_yet("Depthwise max pooling requires the depth window to evenly divide the input depth")
    if ks[-1] != steps[-1]:
        raise _not_yet("Depthwise max pooling requires the depth window to equal the depth stride")
    if not name.startswith("MaxPool") or "3D" in name or "Argmax" in name:
        raise _not_yet("Non-spatial pooling is not yet supported. Volunteers? :)")


def pooled_dims(context: ShapeContext, dims: shapes.Shape, rank: int, ksize: Any, strides: Any) -> shapes.Shape:
    """The shape that the pool of an image of shape `dims` has."""
    attrs, name = context.attrs, context.op_def.name
    layout = attrs.get("data_format", "NHWC")
    _check_window(name, ksize, strides, rank)
    if ksize is None or strides is None:
        return (None,) * (rank + 2)
    ks, steps = with_channels_last(ksize, layout), with_channels_last(strides, layout)
    if ks[0] != 1 or steps[0] != 1:
        raise _not_yet("Pooling is not yet supported on the batch dimension.")
    if rank == 2:
        check_paddings(attrs)
    if dims is None:
        return (None,) * (rank + 2)
    depth = dims[1] if layout.startswith("NC") else dims[-1]
    if ks[-1] != 1:
        _check_depth(name, ks, steps, depth)
        return shaped(spatial(dims, layout), dims[0], None if depth is None else depth // ks[-1], layout)
    pairs = explicit_pairs(attrs.get("explicit_paddings", ()), layout)
    for pair, k, sides in zip(pairs, ks[1:-1], (("Top", "Bottom"), ("Left", "Right")), strict=False):
        for pad, side in zip(pair, sides, strict=True):
            if pad >= k:
                raise ShapeError(f"{side} padding {pad} needs to be smaller than the window size {k}")
    fits = context.building and not name.startswith(("MaxPoolGrad", "MaxPool3DGrad", "AvgPoolGrad", "AvgPool3DGrad"))
    outs = sizes_out(spatial(dims, layout), ks[1:-1], steps[1:-1], [1] * rank, attrs["padding"], pairs, fits)
    return shaped(outs, dims[0], depth, layout)


def forward(context: ShapeContext, rank: int, ksize: Any, strides: Any) -> shapes.Shape:
    """The shape rule of a pool."""
    dims = context.inputs[0]
    if dims is not None and len(dims) != rank + 2:
        if rank == 2 and "Argmax" not in context.op_def.name:
            spaces = f"tensor_in_shape must have 2 spatial dimensions. {len(dims)} 0"
            raise ShapeError(f"Input must be 4 or 5-dimensional: {spaces}")
        which = " (2)" if "Argmax" in context.op_def.name else ""
        raise ShapeError(f"tensor_in must be {rank + 2}-dimensional{which}, got shape {shapes.text(dims)}")
    return pooled_dims(context, dims, rank, ksize, strides)


def max_backward(context: ShapeContext, rank: int, ksize: Any, strides: Any) -> shapes.Shape:
    """The shape rule of a maximum's slope, and of the slope's: three tensors that fit each other."""
    again = "GradGrad" in context.op_def.name
    x, y, dy = context.inputs[:3]
    check_rank(x, "tensor_in", rank)
    check_rank(y, "tensor_out", rank)
    check_rank(dy, "out_grad_backprop" if again else "out_backprop", rank)
    pooled = pooled_dims(context, x, rank, ksize, strides)
    for name, given, wanted in (("orig_output", y, pooled), ("grad", dy, x if again else pooled)):
        if not shapes.compatible(given, wanted):
            raise ShapeError(f"Expected {name} shape to be {shapes.text(wanted)}, but got {shapes.text(given)}")
    return shapes.merge(y, pooled) if again else of_rank(x, rank + 2)


def mean_backward(context: ShapeContext, rank: int) -> shapes.Shape:
    """The shape rule of a mean's slope, which is told the shape of the image."""
    sizes = context.dims("orig_input_shape")
    if sizes is not None and (len(sizes) != 1 or sizes[0] not in (None, rank + 2)):
        name = "out_backprop" if rank == 2 else "tensor_in"
        raise ShapeError(
            f"{name} must be 1-dimensional and {rank + 2} elements: orig_input_shape has shape {shapes.text(sizes)}"
        )
    check_rank(context.dims("grad"), "out_backprop", rank)
    given = context.ints("orig_input_shape")
    if given is None:
        return of_rank(shape_from(context, "orig_input_shape"), rank + 2)
    if min(given) < 0:
        raise ShapeError(f"Expected a non-negative size, got {min(given)}")
    came = context.dims("grad")
    if rank == 3 and came is not None and came[0] not in (None, given[0]):
        raise ShapeError(
            f"Expected first dimension of tensor_in_shape and out_backprop to match, got {given[0]} and {came[0]}"
        )
    wanted = pooled_dims(context, tuple(given), rank, context.attrs["ksize"], context.attrs["strides"])
    if not shapes.compatible(came, wanted):
        raise ShapeError(f"Expected grad shape to be {shapes.text(wanted)}, but got {shapes.text(came)}")
    return tuple(given)
