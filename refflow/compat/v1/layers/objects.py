"""Layers as objects: made once with their settings, called as often as needed, always with the same variables.

    shared = tf.layers.Dense(8)
    a, b = shared(x), shared(y)                    one kernel, one bias

Next: compat/v1/layers/functions.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from refflow.compat.v1.layers import functions
from refflow.compat.v1.variables import AUTO_REUSE, global_variables, trainable_variables, variable_scope
from refflow.core.graph import Tensor


class Layer:
    """A function of this package with its settings; `name` is its scope, made unique unless given."""

    function: Callable[..., Tensor]
    base_name = "layer"
    has_variables = True

    def __init__(self, *args: Any, name: str | None = None, **settings: Any):
        self._args, self._given_name, self._settings = args, name, settings
        self._scope: Any = None

    @property
    def name(self) -> str:
        """The scope's name; there is one once the layer was called."""
        return self._given_name or self.base_name if self._scope is None else self._scope.name

    def __call__(self, inputs: Any, **more: Any) -> Tensor:
        """The layer's output; `training=` goes to layers that ask for it."""
        if not self.has_variables:
            return type(self).function(inputs, *self._args, name=self._given_name, **self._settings, **more)
        if self._scope is None:
            with variable_scope(self._given_name, self.base_name, auxiliary_name_scope=False) as self._scope:
                self._scope._reuse = AUTO_REUSE
        return type(self).function(inputs, *self._args, name=self._scope, **self._settings, **more)

    apply = __call__

    def _mine(self, variables: list[Any]) -> list[Any]:
        return [] if self._scope is None else [v for v in variables if v.op.name.startswith(f"{self._scope.name}/")]

    @property
    def variables(self) -> list[Any]:
        return self._mine(global_variables())

    @property
    def trainable_variables(self) -> list[Any]:
        return self._mine(trainable_variables())

    @property
    def kernel(self) -> Any:
        """The variable of that name, once the layer was called."""
        return self._called("kernel")

    @property
    def bias(self) -> Any:
        """The variable of that name, once the layer was called."""
        return self._called("bias")

    def _called(self, name: str) -> Any:
        for variable in self.variables:
            if variable.op.name == f"{self.name}/{name}":
                return variable
        raise AttributeError(f"layer {self.name!r} has no {name}: it has none, or was not called yet")


def _layer(class_name: str, function: Callable[..., Tensor], has_variables: bool = True) -> type[Layer]:
    label = function.__name__
    return type(class_name, (Layer,), {
        "function": staticmethod(function), "base_name": label, "has_variables": has_variables,
        "__doc__": f"An object for tf.layers.{label}.", "__module__": __name__,
    })  # fmt: skip


Dense = _layer("Dense", functions.dense)
Conv1D = _layer("Conv1D", functions.conv1d)
Conv2D = _layer("Conv2D", functions.conv2d)
Conv2DTranspose = _layer("Conv2DTranspose", functions.conv2d_transpose)
SeparableConv2D = _layer("SeparableConv2D", functions.separable_conv2d)
BatchNormalization = _layer("BatchNormalization", functions.batch_normalization)
MaxPooling2D = _layer("MaxPooling2D", functions.max_pooling2d, has_variables=False)
AveragePooling2D = _layer("AveragePooling2D", functions.average_pooling2d, has_variables=False)
Flatten = _layer("Flatten", functions.flatten, has_variables=False)
Dropout = _layer("Dropout", functions.dropout, has_variables=False)
