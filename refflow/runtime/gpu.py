"""`/gpu:0`: Triton's kernels on memory that torch allocates.

torch computes nothing here: it gives memory, moves it to and from the card, and looks at it in another shape.
The arithmetic is refflow_kernels.gpu's, and elementwise ops are generated from their formulas. An op with
neither is placed on a CPU, with a transfer on either side [W22].

Next: refflow_kernels/gpu/matmul.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.core import errors
from refflow.core.dtypes import DType, as_dtype
from refflow.core.opdef import OpDef
from refflow.runtime.device import BoundKernel, Device

# Ops that only look at memory in another way; a kernel would have nothing to do.
_VIEWS: dict[str, Callable[..., Any]] = {
    "Identity": lambda input: input,
    "StopGradient": lambda input: input,
    "Reshape": lambda tensor, shape: tensor.reshape([int(s) for s in shape]),
    "ExpandDims": lambda input, dim: input.unsqueeze(int(np.reshape(dim, ()))),
    "Assign": lambda ref, value: value,
}
_HOST_INPUTS = {"Reshape": (1,), "ExpandDims": (1,)}
_ELEMENTWISE = (("float32", "float16", "int32", "int64"), ("float32", "float16"))  # without, with division


class GpuDevice(Device):
    """One NVIDIA GPU."""

    type = "gpu"
    priority = 2
    multiply_adds_per_us = 50_000.0

    def __init__(self, index: int = 0):
        super().__init__(index)
        self._target = f"cuda:{index}"

    # -- kernels --------------------------------------------------------------------------------------

    def supports(self, op_def: OpDef, attrs: dict[str, Any]) -> bool:
        if op_def.family in ("_Send", "_Recv"):
            return True
        if op_def.name in ("Const", "Variable"):  # integers steer ops from the host; floats are data
            return attrs["dtype"].is_floating and attrs["dtype"].name != "bfloat16"
        dtype = attrs.get("T")
        if dtype is None:
            return False
        if op_def.name in _VIEWS:
            return dtype.is_floating
        if op_def.formula is not None:  # integers are divided by another rule than floats
            divides = any(step[0] in ("divide", "sqrt", "fmod") for step in op_def.formula.steps)
            return dtype.name in _ELEMENTWISE[divides] and op_def.accuracy in ("exact", "rounded")
        kernel = _table().get(op_def.name)
        return kernel is not None and dtype.name in kernel.dtypes

    def host_inputs(self, op_def: OpDef, attrs: dict[str, Any]) -> tuple[int, ...]:
        if op_def.name in _HOST_INPUTS:
            return _HOST_INPUTS[op_def.name]
        kernel = _table().get(op_def.name)
        return () if kernel is None else kernel.host_inputs

    def kernel(self, op_def: OpDef, attrs: dict[str, Any], kernels: str) -> BoundKernel:
        if op_def.name == "Const":
            return BoundKernel(self._constant(attrs["value"]), {})
        if op_def.name in _VIEWS:
            return BoundKernel(_VIEWS[op_def.name], {})
        if op_def.formula is not None:
            from refflow_kernels.gpu.elementwise import build

            formula = op_def.formula
            return BoundKernel(build(op_def.name, formula.parameters, formula.triton()), {}, takes_out=True)
        kernel = _table().get(op_def.name)
        if kernel is None:
            raise errors.UnimplementedError(
                None, None, f"{op_def.name} has no Triton kernel; it has one for: {', '.join(op_def.kernels)}"
            )
        names = tuple(op_def.kernels["cpu"].attrs)
        arguments = {name: attrs[name] for name in names}
        return BoundKernel(kernel.function, arguments, True, self._workspace(kernel.workspace, arguments))

    def _constant(self, value: np.ndarray) -> Callable[[], Any]:
        kept: list[Any] = []

        def const() -> Any:
            if not kept:
                kept.append(self.from_host(value))
            return kept[0]

        return const

    def _workspace(self, need: Callable[..., Any] | None, arguments: dict[str, Any]) -> Callable[..., Any] | None:
        """What gives a kernel its scratch memory, as the argument `workspace`."""
        if need is None:
            return None

        def allocate(inputs: list[Any]) -> dict[str, Any]:
            found = need(inputs, **arguments)
            if found is None:
                return {}
            shape, dtype = found
            return {"workspace": self.empty(shape, as_dtype(dtype))}

        return allocate

    # -- memory ---------------------------------------------------------------------------------------

    def empty(self, shape: tuple[int, ...], dtype: DType) -> Any:
        import torch

        return torch.empty(shape, dtype=getattr(torch, dtype.name), device=self._target)

    def from_host(self, array: Any) -> Any:
        import torch

        array = np.ascontiguousarray(array).reshape(np.shape(array))
        return torch.from_numpy(array if array.flags.writeable else array.copy()).to(self._target)

    def to_host(self, value: Any) -> np.ndarray:
        return value.cpu().numpy()

    def private_copy(self, value: Any) -> Any:
        return self.from_host(value) if isinstance(value, (np.ndarray, np.generic)) else value.clone()


def _table() -> dict[str, Any]:
    from refflow_kernels.gpu import KERNELS

    return KERNELS


def gpu_devices(count: int) -> list[Device]:
    """The first `count` GPUs; RuntimeError that says what is missing where there are fewer."""
    try:
        import torch
        import triton  # noqa: F401
    except ImportError as error:
        raise RuntimeError(
            f"/gpu:0 needs {error.name}, which is not installed: pip install 'refflow[gpu]' on Linux"
        ) from None
    found = torch.cuda.device_count()
    if found < count:
        raise RuntimeError(f"{count} GPU asked for, but torch finds {found}. Use --device cpu, or check the driver")
    return [GpuDevice(i) for i in range(count)]
