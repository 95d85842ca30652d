"""Initializers as objects: made with their settings, then called with a shape.

    tf.zeros_initializer()                      in the first release it was itself the initializer
    variance scaling: draws of variance scale / n, n the inputs, the outputs or their mean ("fan_avg")
        glorot    scale 1, fan_avg              he    scale 2, fan_in              lecun    scale 1, fan_in

A part of a variable is begun with the variance of the whole. Glorot and Bengio, "Understanding the difficulty of
training deep feedforward neural networks", 2010; Saxe et al., "Exact solutions to the nonlinear dynamics of learning",
2014, for orthogonal.

Next: compat/v1/variables.py.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import as_dtype, float32
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.ops import constant as constants
from refflow.ops import random as draws
from refflow.ops.array import fill
from refflow.ops.cast import cast


class Initializer:
    """A function of shape and type; the type may be settled when it is made."""

    floats_only = False

    def __init__(self, dtype: Any = None):
        self.dtype = None if dtype is None else as_dtype(dtype)
        if self.floats_only and self.dtype is not None and not self.dtype.is_floating:
            raise ValueError(f"Argument `dtype` is expected to be floating point. Received: {self.dtype}.")
        self._settings: dict[str, Any] = {}

    def _keep(self, **settings: Any) -> None:
        """Keeps the arguments, as attributes and for get_config."""
        self._settings = settings
        vars(self).update(settings)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        kind = as_dtype(dtype) if dtype is not None else self.dtype or float32
        dims = [int(d) for d in shape]
        if partition_info is None:
            return self._value(dims, kind.base_dtype, dims)
        return self._part(dims, kind.base_dtype, partition_info)

    def _part(self, shape: list[int], dtype: Any, part: Any) -> Tensor:
        return self._value(shape, dtype, [int(d) for d in part.full_shape])

    def _value(self, shape: list[int], dtype: Any, whole: list[int]) -> Tensor:
        """The values; `whole` is the shape of the variable that they are part of."""
        raise NotImplementedError(f"{type(self).__name__} does not say what its values are")

    def get_config(self) -> dict[str, Any]:
        """The arguments that make another of its kind."""
        known = inspect.signature(type(self)).parameters
        typed = {"dtype": (self.dtype or float32).name} if "dtype" in known else {}
        return {**{k: v for k, v in self._settings.items() if k in known}, **typed}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Initializer:
        """One of these arguments."""
        return cls(**config)


class zeros_initializer(Initializer):
    """Zeros."""

    def _value(self, shape: list[int], dtype: Any, whole: list[int]) -> Tensor:
        return fill(shape, "" if dtype.name == "string" else cast(np.float32(0), dtype))


class ones_initializer(Initializer):
    """Ones."""

    def _value(self, shape: list[int], dtype: Any, whole: list[int]) -> Tensor:
        return fill(shape, cast(np.float32(1), dtype))


class constant_initializer(Initializer):
    """One number everywhere, or the numbers of a list in order, the last of them for what is left.

    verify_shape: a TypeError where the list has another shape than the variable.
    """

    def __init__(self, value: Any = 0, dtype: Any = None, verify_shape: bool = False):
        if not (np.isscalar(value) or isinstance(value, (list, tuple, np.ndarray))):
            raise TypeError(f"Invalid type for initial value={value!r} of type: {type(value).__name__}. Expected "
                            "Python scalar, list or tuple of values, or numpy.ndarray.")  # fmt: skip
        super().__init__(dtype)
        self._keep(value=value)
        self._verify_shape = verify_shape

    def __call__(
        self, shape: Any, dtype: Any = None, partition_info: Any = None, verify_shape: bool | None = None
    ) -> Tensor:
        given = np.shape(self._settings["value"])
        wanted = tuple(int(d) for d in shape)
        if (self._verify_shape if verify_shape is None else verify_shape) and given != wanted:
            raise TypeError(f"Expected Tensor's shape: {wanted}, got {given}.")
        return super().__call__(shape, dtype, partition_info)

    def _value(self, shape: list[int], dtype: Any, whole: list[int]) -> Tensor:
        return constants.constant(self._settings["value"], dtype, shape)


class random_uniform_initializer(Initializer):
    """Evenly from [minval, maxval)."""

    def __init__(self, minval: Any = 0.0, maxval: Any = None, seed: int | None = None, dtype: Any = None):
        super().__init__(dtype)
        self._keep(minval=minval, maxval=maxval, seed=seed)

    def _value(self, shape: list[int], dtype: Any, whole: list[int]) -> Tensor:
        low, high, seed = self._settings.values()
        return draws.random_uniform(shape, low, 1.0 if high is None else high, dtype, seed=seed)


class random_normal_initializer(Initializer):
    """Normally distributed."""

    floats_only = True
    draw = staticmethod(draws.random_normal)

    def __init__(self, mean: Any = 0.0, stddev: Any = 1.0, seed: int | None = None, dtype: Any = None):
        super().__init__(dtype)
        self._keep(mean=mean, stddev=stddev, seed=seed)

    def _value(self, shape: list[int], dtype: Any, whole: list[int]) -> Tensor:
        mean, stddev, seed = self._settings.values()
        return self.draw(shape, mean, stddev, dtype, seed=seed)


class truncated_normal_initializer(random_normal_initializer):
    """Normally distributed, no further than two deviations from the mean."""

    draw = staticmethod(draws.truncated_normal)


class uniform_unit_scaling_initializer(Initializer):
    """Evenly from [-m, m), m = sqrt(3 / inputs) * factor."""

    floats_only = True

    def __init__(self, factor: float = 1.0, seed: int | None = None, dtype: Any = None):
        super().__init__(dtype)
        self._keep(factor=factor, seed=seed)

    def _value(self, shape: list[int], dtype: Any, whole: list[int]) -> Tensor:
        factor, seed = self._settings.values()
        limit = math.sqrt(3 / max(1.0, math.prod(whole[:-1]))) * factor
        return draws.random_uniform(shape, -limit, limit, dtype, seed=seed)


def fans(shape: Sequence[int]) -> tuple[float, float]:
    """(inputs, outputs) of each number that a weight of this shape, a matrix or a filter, helps to make.

    >>> fans([784, 10]), fans([5, 5, 1, 32])
    ((784, 10), (25, 800))
    """
    if len(shape) < 2:
        return (shape[0],) * 2 if shape else (1, 1)
    window = math.prod(shape[:-2])
    return window * shape[-2], window * shape[-1]


class variance_scaling_initializer(Initializer):
    """Draws of variance `scale` / n. distribution: "truncated_normal", "untruncated_normal" or "uniform"."""

    floats_only = True

    def __init__(
        self, scale: float = 1.0, mode: str = "fan_in", distribution: str = "truncated_normal", seed: int | None = None,
        dtype: Any = None,
    ):  # fmt: skip
        super().__init__(dtype)
        if scale <= 0:
            raise ValueError(f"Argument `scale` must be a positive float. Received: {scale}")
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ValueError(f"Argument `mode` should be one of ('fan_in', 'fan_out', 'fan_avg'). Received: {mode}")
        distribution = str(distribution).lower()
        if distribution not in ("normal", "truncated_normal", "untruncated_normal", "uniform"):
            raise ValueError("Argument `distribution` should be one of ('normal', 'uniform', 'truncated_normal', "
                             f"'untruncated_normal'). Received: {distribution}")  # fmt: skip
        self._keep(scale=scale, mode=mode, distribution=distribution, seed=seed)

    def _value(self, shape: list[int], dtype: Any, whole: list[int]) -> Tensor:
        scale, mode, distribution, seed = self._settings.values()
        inputs, outputs = fans(whole)
        n = {"fan_in": inputs, "fan_out": outputs, "fan_avg": (inputs + outputs) / 2}[mode]
        variance = scale / max(1.0, n)
        if distribution == "uniform":
            limit = math.sqrt(3 * variance)
            return draws.random_uniform(shape, -limit, limit, dtype, seed=seed)
        if distribution == "untruncated_normal":
            return draws.random_normal(shape, 0.0, math.sqrt(variance), dtype, seed=seed)
        # A standard normal that is cut off at two deviations deviates by this much.
        return draws.truncated_normal(shape, 0.0, math.sqrt(variance) / 0.87962566103423978, dtype, seed=seed)


def _scaled(called: str, scale: float, mode: str, distribution: str) -> type[variance_scaling_initializer]:
    def begin(self: Any, seed: int | None = None, dtype: Any = None) -> None:
        variance_scaling_initializer.__init__(self, scale, mode, distribution, seed, dtype)

    way = "Evenly" if distribution == "uniform" else "Normally"
    return type(called, (variance_scaling_initializer,), {
        "__init__": begin, "__module__": __name__, "__doc__": f"{way}, of variance {scale:g} / {mode}.",
    })  # fmt: skip


glorot_uniform_initializer = _scaled("glorot_uniform_initializer", 1.0, "fan_avg", "uniform")
glorot_normal_initializer = _scaled("glorot_normal_initializer", 1.0, "fan_avg", "truncated_normal")
he_normal = _scaled("he_normal", 2.0, "fan_in", "truncated_normal")
he_uniform = _scaled("he_uniform", 2.0, "fan_in", "uniform")
lecun_normal = _scaled("lecun_normal", 1.0, "fan_in", "truncated_normal")
lecun_uniform = _scaled("lecun_uniform", 1.0, "fan_in", "uniform")

_FLAT = "The tensor to initialize, specified by argument `shape` must be at least two-dimensional."


class orthogonal_initializer(Initializer):
    """Rows, or columns where there are fewer of them, of length `gain` that are at right angles to each other."""

    floats_only = True

    def __init__(self, gain: float = 1.0, seed: int | None = None, dtype: Any = None):
        super().__init__(dtype)
        self._keep(gain=gain, seed=seed)

    def _value(self, shape: list[int], dtype: Any, whole: list[int]) -> Tensor:
        if len(shape) < 2:
            raise ValueError(f"{_FLAT} Received shape={shape}")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        tall = [max(rows, columns), min(rows, columns)]
        drawn = draws.random_normal(tall, 0.0, 1.0, dtype, seed=self._settings["seed"])
        q, r = op_def("Qr")(drawn, full_matrices=False)
        q = q * op_def("Sign")(op_def("MatrixDiagPart")(r))  # one answer, whichever signs the decomposition takes
        q = op_def("Transpose")(q, np.array([1, 0], np.int32)) if rows < columns else q
        return op_def("Reshape")(q, np.array(shape, np.int32)) * self._settings["gain"]


class identity_initializer(Initializer):
    """The identity matrix times `gain`."""

    floats_only = True

    def __init__(self, gain: float = 1.0, dtype: Any = None):
        super().__init__(dtype)
        self._keep(gain=gain)

    def _value(self, shape: list[int], dtype: Any, whole: list[int]) -> Tensor:
        if len(whole) != 2:
            raise ValueError(f"{_FLAT} Received shape={whole}")
        return convert_to_tensor((np.eye(shape[0], shape[1]) * self._settings["gain"]).astype(dtype.as_numpy_dtype))

    def _part(self, shape: list[int], dtype: Any, part: Any) -> Tensor:
        whole = self._value([int(d) for d in part.full_shape], dtype, list(part.full_shape))
        return op_def("Slice")(whole, np.array(part.var_offset, np.int32), np.array(shape, np.int32))


# What tf.initializers calls them.
zeros, ones, constant = zeros_initializer, ones_initializer, constant_initializer
random_uniform, random_normal = random_uniform_initializer, random_normal_initializer
truncated_normal, uniform_unit_scaling = truncated_normal_initializer, uniform_unit_scaling_initializer
variance_scaling, orthogonal, identity = variance_scaling_initializer, orthogonal_initializer, identity_initializer
glorot_uniform, glorot_normal = glorot_uniform_initializer, glorot_normal_initializer


def as_initializer(given: Any) -> Any:
    """What may stand for an initializer: one, its class, a function of shape and dtype, or a value."""
    if isinstance(given, type) and issubclass(given, Initializer):
        return given()
    if callable(given):
        return given
    value = convert_to_tensor(given)
    return lambda shape, dtype=None, **_: value
