"""What a layer's input must be.

Next: compat/v1/layers/base.py.
"""

from __future__ import annotations

from typing import Any

from refflow.core.graph import Tensor


class InputSpec:
    """What a layer's input must be: its rank, or bounds of it, and the sizes of some axes."""

    def __init__(
        self, dtype: Any = None, shape: Any = None, ndim: int | None = None, max_ndim: int | None = None,
        min_ndim: int | None = None, axes: dict[int, int] | None = None,
    ):  # fmt: skip
        self.dtype, self.shape = dtype, shape
        self.ndim = len(shape) if shape is not None and ndim is None else ndim
        self.max_ndim, self.min_ndim, self.axes = max_ndim, min_ndim, dict(axes or {})

    def check(self, x: Tensor, layer: str, place: int) -> None:
        """A ValueError where a tensor is known to be something else."""
        sizes, rank = x.get_shape(), x.get_shape().ndims
        said = f"Input {place} of layer {layer} is incompatible with the layer: "
        if rank is None:
            if self.ndim is not None or self.min_ndim is not None:
                raise ValueError(f"{said}its rank is undefined, but the layer requires a defined rank.")
            return
        if self.ndim is not None and rank != self.ndim:
            raise ValueError(f"{said}expected ndim={self.ndim}, found ndim={rank}. Full shape received: {sizes}")
        if self.max_ndim is not None and rank > self.max_ndim:
            raise ValueError(f"{said}expected max_ndim={self.max_ndim}, found ndim={rank}")
        if self.min_ndim is not None and rank < self.min_ndim:
            raise ValueError(f"{said}: expected min_ndim={self.min_ndim}, found ndim={rank}. "
                             f"Full shape received: {sizes}")  # fmt: skip
        for axis, size in self.axes.items():
            if size is not None and sizes[axis].value not in (size, None):
                raise ValueError(f"{said}expected axis {axis} of input shape to have value {size} but received input "
                                 f"with shape {sizes}")  # fmt: skip
