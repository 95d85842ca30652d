"""Layers that know of no space: dense, dropout, flatten.

    dense    activation(x kernel + bias) along the last axis

Next: compat/v1/layers/convolutional.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from refflow.compat.v1 import nn
from refflow.compat.v1.layers.base import ZEROS, Layer, constant_training, functional, identity
from refflow.compat.v1.layers.input_spec import InputSpec
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.core.shapes import TensorShape
from refflow.ops.array import reshape, shape
from refflow.ops.cast import cast
from refflow.ops.joining import pack
from refflow.ops.transpose import transpose


class Dense(Layer):
    """activation(inputs kernel + bias) along the last axis."""

    def __init__(
        self, units: int, activation: Callable[..., Tensor] | None = None, use_bias: bool = True,
        kernel_initializer: Any = None, bias_initializer: Any = ZEROS,
        kernel_regularizer: Any = None, bias_regularizer: Any = None, activity_regularizer: Any = None,
        kernel_constraint: Any = None, bias_constraint: Any = None, trainable: bool = True, name: str | None = None,
        **kwargs: Any,
    ):  # fmt: skip
        super().__init__(trainable, name, activity_regularizer=activity_regularizer, **kwargs)
        self.units, self.activation, self.use_bias = int(units), activation, use_bias
        self.kernel_initializer, self.bias_initializer = kernel_initializer, bias_initializer
        self.kernel_regularizer, self.bias_regularizer = kernel_regularizer, bias_regularizer
        self.kernel_constraint, self.bias_constraint = kernel_constraint, bias_constraint
        self.input_spec = InputSpec(min_ndim=2)

    def build(self, input_shape: TensorShape) -> None:
        width = input_shape[-1].value
        if width is None:
            raise ValueError("The last dimension of the inputs to `Dense` should be defined. Found `None`.")
        self.input_spec = InputSpec(min_ndim=2, axes={-1: width})
        self.kernel = self.add_weight("kernel", [width, self.units], None, self.kernel_initializer,
                                      self.kernel_regularizer, True, self.kernel_constraint)  # fmt: skip
        self.bias: Any = None
        if self.use_bias:
            self.bias = self.add_weight("bias", [self.units], None, self.bias_initializer, self.bias_regularizer, True,
                                        self.bias_constraint)  # fmt: skip
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        rank = inputs.get_shape().ndims or 2
        rows = inputs if rank == 2 else reshape(inputs, [-1, self.kernel.get_shape()[0].value])
        found = op_def("MatMul")(rows, self.kernel)
        if rank > 2:
            sizes = shape(inputs)
            found = reshape(found, pack([*(sizes[i] for i in range(rank - 1)), self.units]))
            found.set_shape([*inputs.get_shape().as_list()[:-1], self.units])
        if self.use_bias:
            found = op_def("BiasAdd")(found, self.bias)
        return found if self.activation is None else self.activation(found)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        sizes = TensorShape(input_shape).with_rank_at_least(2)
        if sizes[-1].value is None:
            raise ValueError(f"The innermost dimension of input_shape must be defined, but saw: {input_shape}")
        return sizes[:-1].concatenate(self.units)


class Dropout(Layer):
    """While training, `inputs` with a share `rate` set to 0; else `inputs`. training may be a bool tensor."""

    def __init__(
        self, rate: Any = 0.5, noise_shape: Any = None, seed: int | None = None, name: str | None = None, **kwargs: Any
    ):
        super().__init__(name=name, **kwargs)
        self.rate, self.noise_shape, self.seed = rate, noise_shape, seed

    def call(self, inputs: Tensor, training: Any = False) -> Tensor:
        known, rate = constant_training(training), self.rate
        if known is False:
            return identity(inputs)
        if known is None:  # keeps everything where the tensor says no
            rate = rate * cast(training, inputs.dtype.base_dtype)
        return nn.dropout(inputs, rate=rate, noise_shape=self.noise_shape, seed=self.seed)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        return TensorShape(input_shape)


class Flatten(Layer):
    """[N, all the rest], channels last."""

    def __init__(self, data_format: str | None = None, name: str | None = None, **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self.data_format = data_format or "channels_last"
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs: Tensor) -> Tensor:
        rank = inputs.get_shape().ndims
        if self.data_format == "channels_first" and rank is not None and rank > 1:
            inputs = transpose(inputs, [0, *range(2, rank), 1])
        rest = inputs.get_shape()[1:].num_elements()
        if rest is None:
            return reshape(inputs, pack([shape(inputs)[0], -1]))
        return reshape(inputs, [-1, rest])

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        sizes = TensorShape(input_shape)
        return TensorShape([sizes[0].value, sizes[1:].num_elements()])


dense = functional("dense", Dense)
dropout = functional("dropout", Dropout, "rate, noise_shape, seed, training, name", ["training"])
flatten = functional("flatten", Flatten, "name, data_format")
