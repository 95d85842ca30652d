"""A device: a name, a memory, the state that lives on it, and the kernels it can run [W05, W15].

    /job:localhost/replica:0/task:0/cpu:0          [W14]

A process has one CPU device, or several virtual ones (`device_count={"CPU": 4}`) that share its memory
but place, send and receive like separate machines [S33]. A GPU is runtime/gpu.py's.

Next: runtime/place.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import Any, NamedTuple

import numpy as np

from refflow.core import errors
from refflow.core.devices import DeviceSpec
from refflow.core.dtypes import DType, float32, float64
from refflow.core.graphdef import FunctionCall
from refflow.core.opdef import OpDef
from refflow.core.shapes import Shape
from refflow.runtime.resources import ResourceManager, VariableState

LOCAL = DeviceSpec(job="localhost", replica=0, task=0)
_incarnations = itertools.count(1)


class BoundKernel(NamedTuple):
    """A kernel for one node: what to call, and how.

    function: called with the inputs, then `arguments` by name. takes_out: it writes into `out=`, one
    array or a tuple. workspace: of the inputs and `arguments`, shape and type name of the scratch memory that it is to
    be given as `workspace=`, or None where it needs none. check: raises for inputs that the function cannot refuse.
    checked: the function apart from what it refuses (refflow_kernels/kernel.py). overlaps: (place, port) of an input
    and an output of one shape that may lie where that input does.
    """

    function: Callable[..., Any]
    arguments: dict[str, Any]
    takes_out: bool = False
    workspace: Callable[..., Any] | None = None
    check: Callable[[Any], None] | None = None
    checked: Any = None
    overlaps: tuple[tuple[int, int], ...] = ()


class DeviceAttributes(NamedTuple):
    """What is told of a device. memory_limit_bytes: 0, none is set."""

    name: str
    device_type: str
    memory_limit_bytes: int
    incarnation: int

    def __repr__(self) -> str:
        return f"_DeviceAttributes({self.name}, {self.device_type}, {self.memory_limit_bytes}, {self.incarnation})"


class Device:
    """A CPU device; the base of every other kind.

    memory_limit: the bytes that a step may need here (runtime/memory_limit.py); 0 is no limit.
    """

    type = "cpu"
    chained: tuple[tuple[DType, ...], ...] = ((float32,), (float64,))  # types of one chain's values (runtime/fuse.py)
    priority = 1  # placement prefers the kind with the larger one [W21]
    multiply_adds_per_us = 1_000.0  # what the cost model expects, by the first release's rule [W19]

    def __init__(self, index: int = 0, memory_limit: int = 0):
        self.spec = DeviceSpec(LOCAL.job, LOCAL.replica, LOCAL.task, self.type, index)
        self.name = self.spec.to_string()
        self.incarnation = next(_incarnations)
        self.resources = ResourceManager()
        self.memory_limit = memory_limit
        self.peak_bytes = 0  # the most that lay here in the last step that wrote an event log (runtime/memory.py) [W15]

    def renamed(self, spec: DeviceSpec, incarnation: int) -> Device:
        """This device as one of a cluster's task. incarnation: another one for each process that ever was that task."""
        self.spec, self.name, self.incarnation = spec, spec.to_string(), incarnation
        return self

    # -- kernels --------------------------------------------------------------------------------------

    def supports(self, op_def: OpDef, attrs: dict[str, Any]) -> bool:
        """True when a node like this can run here."""
        return "cpu" in op_def.kernels or op_def.family in ("Variable", "VarHandleOp", "_Send", "_Recv")

    def kernel(self, op_def: OpDef, attrs: dict[str, Any], kernels: str) -> BoundKernel:
        """The kernel for a node: the fast sibling if there is one and `kernels` allows, else the page's."""
        fast = _fast_cpu_kernel(op_def, attrs) if kernels == "fast" else None
        if fast is not None:
            return fast
        if "cpu" not in op_def.kernels:
            raise errors.UnimplementedError(None, None, f"{op_def.name} has no kernel for {self.type}")
        arguments = op_def.kernels["cpu"].arguments(attrs)
        for key, value in arguments.items():
            if isinstance(value, FunctionCall):
                arguments[key] = self._function(value, kernels)
        return BoundKernel(op_def.page_kernel(attrs), arguments)

    def _function(self, call: FunctionCall, kernels: str) -> Any:
        """What a kernel gets for an attribute that names a function."""
        from refflow.runtime.function_values import Function

        return Function(call, self, kernels)

    def suits(self, op_def: OpDef, types: Sequence[DType], shapes: Sequence[Shape]) -> bool:
        """False where a node with inputs of these types and shapes could run here, but is better off elsewhere."""
        return True

    def lacking(self, op_def: OpDef, attrs: dict[str, Any]) -> str:
        """What is missing for a node like this to run here, in words, or "" where that is only a kernel."""
        return ""

    def host_inputs(self, op_def: OpDef, attrs: dict[str, Any]) -> tuple[int, ...]:
        """Places of inputs that a kernel reads in host memory though it runs here."""
        return ()

    def formula(self, op_def: OpDef, attrs: dict[str, Any]) -> Any:
        """The formula that is all of a node here, or None."""
        return op_def.expression(attrs)

    def in_place(
        self, op_def: OpDef, attrs: dict[str, Any], inputs: Sequence[Any], spent: Sequence[int] = ()
    ) -> Callable[..., None] | None:
        """For an update of variables: a function of its inputs that writes where they lie, if there is one.

        inputs: each as it is known before the run, a constant's value or something with a shape. Of a handle only the
        run knows the shape, so that is the gradient's. spent: places of arrays that may be overwritten.
        """
        chosen = op_def.kernels["cpu"].arguments(attrs)
        if op_def.in_place is not None and _fast_cpu_kernel(op_def, attrs) is not None:
            return None  # its `out=` is the variable
        if op_def.in_place is not None:
            return partial(op_def.in_place, **chosen)
        if op_def.by_element is None or attrs["T"].name not in ("float32", "float64"):
            return None
        from refflow_kernels.cpu import updates

        rule, numbers = op_def.by_element
        known = [None if i not in numbers else x[()] if isinstance(x, np.ndarray) else ...
                 for i, x in enumerate(inputs)]  # fmt: skip
        *slots, gradient = op_def.by_element.arrays(len(inputs))
        shape, dtype = inputs[slots[0] if op_def.ref_inputs else gradient].shape, attrs["T"].as_numpy_dtype
        return updates.in_place(partial(rule, **chosen), len(slots), known, tuple(shape), dtype, spent)

    def fixed(self, op_def: OpDef, attrs: dict[str, Any], inputs: Sequence[Any]) -> Callable[..., Any] | None:
        """The fast kernel as a function of (*inputs, out=None) for inputs like these alone, if it has such a one.

        inputs: each as it is known before the run, a constant's value or something with a shape.
        """
        from refflow_kernels.cpu import KERNELS

        fast, bound = KERNELS.get(op_def.name), _fast_cpu_kernel(op_def, attrs)
        if fast is None or fast.fixed is None or bound is None:
            return None
        return fast.fixed(np.dtype(attrs[fast.type_attr].as_numpy_dtype), *inputs, **bound.arguments)

    def blocks(self, *chain: Any, **named: Any) -> Callable[..., None]:
        """A function that runs a chain of elementwise steps (runtime/fuse.py). own: results apart from all inputs."""
        from refflow_kernels.cpu.blocks import Blocks

        return Blocks(*chain, **named)

    def joins(self, node: Any) -> bool:
        """Whether the kernel of a node here can do a chain of elementwise steps before it writes (runtime/joins.py)."""
        return False

    def in_parts(self) -> Callable[[Callable[[int], Any], int], None]:
        """A function that calls another for each part of a batch, on the threads there are (runtime/slices.py)."""
        from refflow_kernels.cpu import threads

        return threads.each

    def rows_together(self, op_def: OpDef, attrs: dict[str, Any], shape: tuple[Any, ...]) -> int:
        """Of how many rows the kernel gives the same bits as of all; 0 where only of all."""
        from refflow_kernels.cpu import KERNELS

        fast = KERNELS.get(op_def.name)
        if fast is None or fast.rows_together is None or _fast_cpu_kernel(op_def, attrs) is None:
            return 0
        return fast.rows_together(shape)

    # -- memory ---------------------------------------------------------------------------------------

    def empty(self, shape: tuple[int, ...], dtype: DType) -> Any:
        return np.empty(shape, dtype.as_numpy_dtype)

    def from_host(self, array: np.ndarray) -> Any:
        """A host array in this device's memory."""
        return array

    def to_host(self, value: Any) -> np.ndarray:
        """A value of this device's memory as a host array."""
        return value

    def private_copy(self, value: Any) -> Any:
        """A value, from the host or from here, in memory of its own: what a variable is stored in."""
        return np.array(value, copy=True, order="C")

    def new_variable(self, name: str, dtype: DType, shape: Shape, container: str) -> VariableState:
        """The state of a variable that lives here."""
        return VariableState(name, dtype, shape, self.private_copy, container)

    def __repr__(self) -> str:
        return f"<Device {self.name}>"


def _fast_cpu_kernel(op_def: OpDef, attrs: dict[str, Any]) -> BoundKernel | None:
    from refflow_kernels.cpu import KERNELS

    fast = KERNELS.get(op_def.name)
    if fast is None or attrs[fast.type_attr].name not in fast.dtypes:
        return None
    if fast.takes is not None and not fast.takes(attrs):
        return None
    arguments = {name: attrs[name] for name in op_def.kernels["cpu"].attrs}
    function = _refusing(op_def, fast.function)
    return BoundKernel(function, arguments, takes_out=True, checked=fast.checked, overlaps=fast.overlaps)


def _refusing(op_def: OpDef, function: Callable[..., Any]) -> Callable[..., Any]:
    """A fast kernel behind what its page says of inputs that have no result."""
    check = op_def.refusal
    if check is None:
        return function

    @wraps(function)
    def kernel(*inputs: Any, **named: Any) -> Any:
        check(*inputs)
        return function(*inputs, **named)

    return kernel


def local_devices(device_count: dict[str, int] | None = None) -> list[Device]:
    """The devices of this process: CPUs as asked for, at least one, and GPUs only if asked for.

    Raises ValueError for a kind that does not exist, and RuntimeError where a GPU cannot be had.
    """
    count = {kind.upper(): number for kind, number in (device_count or {}).items()}
    unknown = set(count) - {"CPU", "GPU"}
    if unknown:
        raise ValueError(f"device_count names {', '.join(sorted(unknown))}; there are CPU and GPU")
    devices: list[Device] = [Device(i) for i in range(max(1, count.get("CPU", 1)))]
    if count.get("GPU"):
        from refflow.runtime.gpu import gpu_devices

        devices += gpu_devices(count["GPU"])
    return devices
