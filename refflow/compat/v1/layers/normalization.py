"""Batch normalisation: by the moments of the batch while training, else by their moving averages.

    y = (x - mean) / sqrt(variance + epsilon) * gamma + beta
    average -= (average - new) * (1 - momentum)            in the collection UPDATE_OPS: let training wait for it

With renorm, training normalises as inference will: r = stddev / average of stddev and d = (mean - average) / average of
stddev, clipped and taken for constants, make y = ((x - mean) / stddev * r + d) * gamma + beta.

Ioffe and Szegedy, "Batch Normalization", 2015; Ioffe, "Batch Renormalization", 2017.

Next: compat/v1/moments.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from refflow.compat.v1 import nn
from refflow.compat.v1.initializers import as_initializer
from refflow.compat.v1.layers.base import ONES, ZEROS, Layer, constant_training, functional, operation
from refflow.compat.v1.layers.input_spec import InputSpec
from refflow.core.convert import convert_to_tensor
from refflow.core.graph import Tensor, get_default_graph
from refflow.core.registry import op_def
from refflow.core.shapes import TensorShape
from refflow.ops.array import reshape, shape
from refflow.ops.cast import cast


class BatchNormalization(Layer):
    """`inputs` normalised for each place along `axis`. training, of the call, may be a bool tensor.

    fused: of images, the moving variance is that of one element less, unless this is False. renorm_clipping: a
    dictionary of rmax, rmin and dmax.
    """

    def __init__(
        self, axis: Any = -1, momentum: float = 0.99, epsilon: float = 1e-3, center: bool = True, scale: bool = True,
        beta_initializer: Any = ZEROS, gamma_initializer: Any = ONES,
        moving_mean_initializer: Any = ZEROS,
        moving_variance_initializer: Any = ONES,
        beta_regularizer: Any = None, gamma_regularizer: Any = None, beta_constraint: Any = None,
        gamma_constraint: Any = None, renorm: bool = False, renorm_clipping: dict[str, Any] | None = None,
        renorm_momentum: float = 0.99, fused: bool | None = None, trainable: bool = True,
        virtual_batch_size: int | None = None, adjustment: Any = None, name: str | None = None, **kwargs: Any,
    ):  # fmt: skip
        super().__init__(trainable, name, **kwargs)
        if virtual_batch_size is not None or adjustment is not None:
            raise ValueError("batch normalisation takes no virtual_batch_size and no adjustment here: normalise the "
                             "parts of the batch by themselves")  # fmt: skip
        odd = set(renorm_clipping or {}) - {"rmax", "rmin", "dmax"}
        if odd:
            raise ValueError(f"renorm_clipping {renorm_clipping} contains keys not in ['rmax', 'rmin', 'dmax']")
        self.axis, self.momentum, self.epsilon = axis, momentum, epsilon
        self.center, self.scale, self.fused = center, scale, fused
        self.renorm, self.renorm_clipping, self.renorm_momentum = renorm, renorm_clipping or {}, renorm_momentum
        self._starts = (gamma_initializer, beta_initializer, moving_mean_initializer, moving_variance_initializer)
        self._penalties = (gamma_regularizer, beta_regularizer)
        self._bounds = (gamma_constraint, beta_constraint)

    def build(self, input_shape: TensorShape) -> None:
        rank = input_shape.ndims
        if rank is None:
            raise ValueError(f"Input has undefined rank: {input_shape}")
        axes = [self.axis] if isinstance(self.axis, int) else list(self.axis)
        if any(not -rank <= a < rank for a in axes):
            raise ValueError(f"Invalid axis: {self.axis}, for an input of rank {rank}")
        self._axes: list[int] = [a % rank for a in axes]
        sizes = [input_shape[a].value for a in self._axes]
        if None in sizes:
            raise ValueError(f"Input has undefined `axis` dimension. Received input with shape {input_shape}")
        self.input_spec = InputSpec(ndim=rank, axes=dict(zip(self._axes, sizes, strict=True)))
        # Of several axes the variables have the input's rank, with 1 in the places of the others.
        form = sizes if len(sizes) == 1 else [sizes[self._axes.index(i)] if i in self._axes else 1 for i in range(rank)]
        kind = "float32" if self._dtype is not None and self._dtype.name == "float16" else None
        gamma, beta, mean, variance = self._starts
        self.gamma = self.beta = None
        if self.scale:
            self.gamma = self.add_weight("gamma", form, kind, gamma, self._penalties[0], True, self._bounds[0])
        if self.center:
            self.beta = self.add_weight("beta", form, kind, beta, self._penalties[1], True, self._bounds[1])
        self.moving_mean = self.add_weight("moving_mean", form, kind, mean, trainable=False)
        self.moving_variance = self.add_weight("moving_variance", form, kind, variance, trainable=False)
        if self.renorm:

            def deviation(shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
                return op_def("Sqrt")(as_initializer(variance)(shape, dtype))

            self.moving_stddev = self.add_weight("moving_stddev", form, kind, deviation, trainable=False)
            self.renorm_mean = self.add_weight("renorm_mean", form, kind, ZEROS, trainable=False)
            self.renorm_stddev = self.add_weight("renorm_stddev", form, kind, deviation, trainable=False)
        self.built = True

    def call(self, inputs: Tensor, training: Any = False) -> Tensor:
        rank, always = inputs.get_shape().ndims or 2, constant_training(training)
        now = [a.read_value() for a in (self.moving_mean, self.moving_variance)]
        if always is False:
            return self._normalised(inputs, now[0], now[1], self.gamma, self.beta)
        over = [i for i in range(rank) if i not in self._axes]
        mean, variance = nn.moments(inputs, over, keep_dims=len(self._axes) > 1)
        gamma, beta = self.gamma, self.beta
        self._move(self.moving_mean, now[0], mean, self.momentum, training, always, inputs)
        if self.renorm:
            r, d = self._renormed(mean, op_def("Sqrt")(variance + self.epsilon), training, always, inputs)
            beta = (d if gamma is None else d * gamma) + (0.0 if beta is None else beta)
            gamma = r if gamma is None else r * gamma
        else:
            fused = rank == 4 and self._axes in ([1], [3]) and self.fused is not False
            learnt = _unbiased(variance, inputs, self._axes[0]) if fused else variance
            self._move(self.moving_variance, now[1], learnt, self.momentum, training, always, inputs)
        if always is None:
            kept = [cast(a, mean.dtype) for a in now]  # of float16 the averages are float32
            mean, variance = _chosen(training, mean, kept[0]), _chosen(training, variance, kept[1])
        return self._normalised(inputs, mean, variance, gamma, beta)

    def _move(self, average: Any, old: Tensor, new: Tensor, momentum: float, training: Any, always: Any,
              inputs: Any) -> Tensor:  # fmt: skip
        """The average moved toward the new value, where it is training."""
        with get_default_graph().name_scope("AssignMovingAvg"):
            step = (old - cast(new, old.dtype)) * cast(convert_to_tensor(1.0 - momentum), old.dtype)
            step = step if always else _chosen(training, step, op_def("ZerosLike")(step))
            self.add_update(operation(average.assign_sub(step)), inputs)
        return old - step

    def _renormed(
        self, mean: Tensor, deviation: Tensor, training: Any, always: Any, inputs: Any
    ) -> tuple[Tensor, Tensor]:
        """(r, d); all averages are moved, and the moving variance follows the moving deviation."""
        moving, usual, spread = (a.read_value() for a in (self.moving_stddev, self.renorm_mean, self.renorm_stddev))
        constant, clip = op_def("StopGradient"), self.renorm_clipping
        mean, deviation = cast(mean, usual.dtype), cast(deviation, spread.dtype)
        r, d = constant(deviation / spread), constant((mean - usual) / spread)
        r = op_def("Maximum")(r, clip["rmin"]) if clip.get("rmin") is not None else r
        r = op_def("Minimum")(r, clip["rmax"]) if clip.get("rmax") is not None else r
        if clip.get("dmax") is not None:
            d = op_def("Minimum")(op_def("Maximum")(d, -clip["dmax"]), clip["dmax"])
        if always is None:
            r, d = _chosen(training, r, op_def("OnesLike")(r)), _chosen(training, d, op_def("ZerosLike")(d))
        self._move(self.renorm_mean, usual, mean, self.renorm_momentum, training, always, inputs)
        self._move(self.renorm_stddev, spread, deviation, self.renorm_momentum, training, always, inputs)
        new = self._move(self.moving_stddev, moving, deviation, self.momentum, training, always, inputs)
        variance = op_def("Relu")(op_def("Square")(new) - self.epsilon)
        if always is None:
            variance = _chosen(training, variance, self.moving_variance.read_value())
        self.add_update(operation(self.moving_variance.assign(variance)), inputs)
        return r, d

    def _normalised(self, x: Tensor, mean: Any, variance: Any, gamma: Any, beta: Any) -> Tensor:
        rank = x.get_shape().ndims or 2
        parts: Sequence[Any] = (mean, variance, beta, gamma)
        if len(self._axes) == 1 and self._axes[0] != rank - 1:  # a number for each channel, which are not last
            form = [-1 if i == self._axes[0] else 1 for i in range(rank)]
            parts = [None if v is None else reshape(v, form) for v in parts]
        kind = x.dtype.base_dtype
        parts = [v if v is None or v.dtype.base_dtype is kind else cast(v, kind) for v in parts]
        mean, variance, beta, gamma = parts
        return nn.batch_normalization(x, mean, variance, beta, gamma, self.epsilon)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        return TensorShape(input_shape)


def _chosen(training: Any, yes: Tensor, no: Tensor) -> Tensor:
    return op_def("SelectV2")(training, yes, no)


def _unbiased(variance: Tensor, x: Tensor, at: int) -> Tensor:
    """The variance as TensorFlow's fused op gives it for the averages: over one element less."""
    total, channels = x.get_shape().num_elements(), x.get_shape()[at].value
    if total is not None and channels:
        number = total // channels
        return variance * (number / max(number - 1, 1))
    sizes = shape(x)
    count = cast(op_def("Prod")(sizes, [0]) / sizes[at], variance.dtype)
    return variance * (count / op_def("Maximum")(count - 1.0, 1.0))


batch_normalization = functional(
    "batch_normalization", BatchNormalization,
    "axis, momentum, epsilon, center, scale, beta_initializer, gamma_initializer, moving_mean_initializer, "
    "moving_variance_initializer, beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint, training, "
    "trainable, name, reuse, renorm, renorm_clipping, renorm_momentum, fused, virtual_batch_size, adjustment",
    ["training"],
)  # fmt: skip
