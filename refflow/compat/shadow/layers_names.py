"""What `tensorflow.python.layers` and Keras' inner modules named beside tf.layers: longer names, and InputSpec.

Next: compat/shadow/nest.py.
"""

from __future__ import annotations

from typing import Any

from refflow.compat.v1 import layers


class InputSpec:
    """What a layer expects of an input: a type, a shape, a rank or its bounds, and sizes by axis."""

    def __init__(
        self, dtype: Any = None, shape: Any = None, ndim: int | None = None, max_ndim: int | None = None,
        min_ndim: int | None = None, axes: dict[int, int] | None = None,
    ):  # fmt: skip
        self.dtype, self.shape, self.max_ndim, self.min_ndim, self.axes = dtype, shape, max_ndim, min_ndim, axes or {}
        self.ndim = ndim if shape is None else len(shape)


def __getattr__(name: str) -> Any:
    if "Convolution" in name:  # Convolution2D is Conv2D
        return getattr(layers, name.replace("Convolution", "Conv"))
    raise AttributeError(name)
