"""Layers that keep of each window the largest element, or the mean.

Next: compat/v1/layers/normalization.py.
"""

from __future__ import annotations

from typing import Any

from refflow.compat.v1 import nn
from refflow.compat.v1.layers.base import Layer, functional
from refflow.compat.v1.layers.convolutional import form_of, length, padding_of, sizes_of
from refflow.compat.v1.layers.input_spec import InputSpec
from refflow.core.graph import Tensor
from refflow.core.shapes import TensorShape


class _Pooling(Layer):
    """What pools over `rank` axes of space share."""

    rank = 2
    largest = True

    def __init__(
        self, pool_size: Any, strides: Any, padding: str = "valid", data_format: str = "channels_last",
        name: str | None = None, **kwargs: Any,
    ):  # fmt: skip
        super().__init__(name=name, **kwargs)
        self.pool_size = sizes_of(pool_size, self.rank, "pool_size")
        self.strides = sizes_of(pool_size if strides is None else strides, self.rank, "strides")
        self.padding, self.data_format = padding, data_format
        self._form, self._padding = form_of(data_format, self.rank), padding_of(padding)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def call(self, inputs: Tensor) -> Tensor:
        pool = nn.max_pool_v2 if self.largest else nn.avg_pool_v2
        name = {(1, True): "MaxPool1d", (1, False): "AvgPool1D", (2, True): "MaxPool", (2, False): "AvgPool",
                (3, True): "MaxPool3D", (3, False): "AvgPool3D"}[self.rank, self.largest]  # fmt: skip
        return pool(inputs, list(self.pool_size), list(self.strides), self._padding, self._form, name)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        sizes = TensorShape(input_shape).as_list()
        first = 2 if self._form.startswith("NC") else 1
        space = sizes[first : first + self.rank]
        rows = zip(space, self.pool_size, self.strides, strict=True)
        sizes[first : first + self.rank] = [length(n, k, self._padding, s) for n, k, s in rows]
        return TensorShape(sizes)


def _pooling(class_name: str, rank: int, largest: bool) -> type[_Pooling]:
    said = "largest element" if largest else "mean"
    return type(class_name, (_Pooling,), {
        "rank": rank, "largest": largest, "__module__": __name__,
        "__doc__": f"The {said} of each window over {rank} ax{'i' if rank == 1 else 'e'}s of space.",
    })  # fmt: skip


MaxPooling1D, AveragePooling1D = _pooling("MaxPooling1D", 1, True), _pooling("AveragePooling1D", 1, False)
MaxPooling2D, AveragePooling2D = _pooling("MaxPooling2D", 2, True), _pooling("AveragePooling2D", 2, False)
MaxPooling3D, AveragePooling3D = _pooling("MaxPooling3D", 3, True), _pooling("AveragePooling3D", 3, False)

_ORDER = "pool_size, strides, padding, data_format, name"
max_pooling1d = functional("max_pooling1d", MaxPooling1D, _ORDER)
max_pooling2d = functional("max_pooling2d", MaxPooling2D, _ORDER)
max_pooling3d = functional("max_pooling3d", MaxPooling3D, _ORDER)
average_pooling1d = functional("average_pooling1d", AveragePooling1D, _ORDER)
average_pooling2d = functional("average_pooling2d", AveragePooling2D, _ORDER)
average_pooling3d = functional("average_pooling3d", AveragePooling3D, _ORDER)
