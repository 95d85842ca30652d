"""Inner names that libraries of 1.x took from `tensorflow.python`: layers' helpers, states, scopes, convolutions.

Next: compat/shadow/nest.py.
"""

from __future__ import annotations

import inspect as _inspect  # noqa: F401  (tf_inspect names it so)
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from refflow.compat.v1 import nn
from refflow.compat.v1.layers.convolutional import form_of, length, padding_of, sizes_of
from refflow.compat.v1.math import matmul
from refflow.compat.v1.rnn_cells import zero_state_of as _zero_state_tensors  # noqa: F401
from refflow.compat.v1.variable_scope import VariableScope, variable_scope
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import int32
from refflow.core.graph import Tensor
from refflow.core.shapes import TensorShape
from refflow.ops.transpose import transpose

_VariableScope = VariableScope

# -- layers.utils ------------------------------------------------------------------------------------------------------


def normalize_tuple(value: Any, n: int, name: str) -> tuple[int, ...]:
    """n whole numbers, or one that stands for all."""
    return sizes_of(value, n, name)


def normalize_data_format(value: str) -> str:
    """channels_first or channels_last, in small letters."""
    form_of(value, 1)
    return value.lower()


def convert_data_format(data_format: str, ndim: int) -> str:
    """The letters of a data format for tensors of `ndim` axes."""
    return form_of(data_format, ndim - 2)


def normalize_padding(value: str) -> str:
    """valid or same, in small letters."""
    return padding_of(value).lower()


def conv_output_length(input_length: int | None, filter_size: int, padding: str, stride: int, dilation: int = 1) -> Any:
    """How long a convolution's output is along an axis."""
    return length(input_length, filter_size, padding_of(padding), stride, dilation)


# -- ops ---------------------------------------------------------------------------------------------------------------


class Convolution:
    """A convolution whose windows, strides and form are said first: `self(inputs, filter)` builds it."""

    def __init__(
        self, input_shape: TensorShape, filter_shape: TensorShape, padding: str, strides: Any = None,
        dilation_rate: Any = None, name: str | None = None, data_format: str | None = None,
    ):  # fmt: skip
        self.input_shape, self.filter_shape = TensorShape(input_shape), TensorShape(filter_shape)
        self._given = (padding, strides, dilation_rate, name, data_format)

    def __call__(self, inp: Any, filter: Any) -> Tensor:
        return nn.convolution(inp, filter, *self._given)


def _transpose_batch_time(x: Any) -> Tensor:
    """[time, batch, ...] from [batch, time, ...], and back; what has fewer axes, or unknown ones, stays."""
    x = convert_to_tensor(x)
    rank = x.get_shape().ndims
    return x if rank is None or rank < 2 else transpose(x, [1, 0, *range(2, rank)])


def scalar() -> TensorShape:
    """The shape of one number."""
    return TensorShape([])


def _tensor_shape_tensor_conversion_function(
    s: TensorShape, dtype: Any = None, name: str | None = None, as_ref: bool = False
) -> Tensor:
    """A shape that is known whole, as a vector."""
    return convert_to_tensor(TensorShape(s).as_list(), dtype or int32, name or "shape_as_tensor")


@contextmanager
def _pure_variable_scope(
    name_or_scope: Any, reuse: Any = None, initializer: Any = None, regularizer: Any = None,
    caching_device: Any = None, partitioner: Any = None, custom_getter: Any = None, dtype: Any = None,
    use_resource: Any = None, constraint: Any = None, **unused: Any,
) -> Iterator[VariableScope]:  # fmt: skip
    """A scope of variables that names no nodes."""
    with variable_scope(
        name_or_scope, None, None, initializer, regularizer, caching_device, partitioner, custom_getter, reuse, dtype,
        use_resource, constraint, auxiliary_name_scope=False,
    ) as scope:  # fmt: skip
        yield scope


@contextmanager
def silence() -> Iterator[None]:
    """A block in which nothing is told to be deprecated; nothing is outside of it either."""
    yield


def register_dense_tensor_like_type(tensor_type: type) -> None:
    """Checks that the type has a name and a dtype, as TensorFlow does; what it converts to says its converter."""
    for attribute in ("name", "dtype"):
        if not isinstance(getattr(tensor_type, attribute, None), property):
            raise TypeError(f"Type {tensor_type.__name__} does not define a `{attribute}` property")


def matmul_with_broadcast(
    a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False, adjoint_a: bool = False,
    adjoint_b: bool = False, a_is_sparse: bool = False, b_is_sparse: bool = False, name: str | None = None,
) -> Tensor:  # fmt: skip
    """matmul, which broadcasts its batches by itself."""
    return matmul(a, b, transpose_a, transpose_b, adjoint_a, adjoint_b, a_is_sparse, b_is_sparse, name=name)


class EagerTensor:
    """What a tensor that has its value would be an instance of: nothing is, where graphs are built."""
