"""`/gpu:0`: Triton's kernels on memory that torch allocates.

    Card         one NVIDIA GPU through torch: memory, copies, and the capture of what is launched
    GpuDevice    the device that a session knows: its kernels, its variables, what it has captured

torch computes nothing here: it gives memory, moves bytes, and looks at them as arrays. The arithmetic is
refflow_kernels.gpu's; runtime/gpu_kernels.py says which op has what. A device without a card is for planning: it says
what could run on one, and runs nothing.

Everything a session does on a card goes onto torch's current stream, in the order in which it is asked for; only a
capture has a stream of its own.

Next: runtime/gpu_kernels.py.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import Any

import numpy as np

from refflow.core.dtypes import DType, as_dtype, bfloat16, bool_, float16, float32
from refflow.core.locks import lock
from refflow.core.opdef import OpDef
from refflow.runtime import gpu_kernels
from refflow.runtime.capture import Captured
from refflow.runtime.card_checks import REFUSING, check_on_host, ranges_of
from refflow.runtime.card_formulas import on_card
from refflow.runtime.card_lists import CardLists, is_list_op
from refflow.runtime.device import BoundKernel, Device
from refflow.runtime.gpu_memory import Variables
from refflow.runtime.lent import Lent
from refflow.runtime.resources import VariableState

_one_capture = lock()  # torch takes one at a time in a process


class Card:
    """One NVIDIA GPU. Bytes are copied as they are; whoever passes arrays sees to their types.

    Nothing that is captured, as `upload`, `download` and `copy` may be, allocates or waits.
    """

    def __init__(self, index: int):
        import torch

        self._torch = torch
        self._where = torch.device("cuda", index)

    # -- memory ---------------------------------------------------------------------------------------

    def block(self, nbytes: int) -> Any:
        """Memory without contents; MemoryError where there is none left."""
        torch = self._torch
        try:
            return torch.empty(nbytes, dtype=torch.uint8, device=self._where)
        except torch.cuda.OutOfMemoryError:
            free, total = torch.cuda.mem_get_info(self._where)
            raise MemoryError(f"{nbytes:,} bytes are asked for, {free:,} of {total:,} are free") from None

    def array(self, block: Any, offset: int, shape: tuple[int, ...], dtype: DType) -> Any:
        """The array that lies in a block from that byte on."""
        part = block[offset : offset + prod(shape) * dtype.size]
        return part.view(getattr(self._torch, dtype.name)).view(shape)

    def pinned(self, nbytes: int) -> tuple[Any, np.ndarray]:
        """Host memory that the card can copy from and to by itself, and the same as an array of bytes."""
        memory = self._torch.empty(nbytes, dtype=self._torch.uint8, device="cpu", pin_memory=True)
        return memory, memory.numpy()

    # -- copies in the order of the stream ------------------------------------------------------------

    def upload(self, array: Any, pinned: Any) -> None:
        self._bytes(array).copy_(pinned, non_blocking=True)

    def download(self, pinned: Any, array: Any) -> None:
        pinned.copy_(self._bytes(array), non_blocking=True)

    def copy(self, array: Any, source: Any) -> None:
        self._bytes(array).copy_(self._bytes(source))

    # -- copies that are done when they return --------------------------------------------------------

    def put(self, array: Any, value: np.ndarray) -> None:
        """Copies from anywhere in host memory."""
        given = np.ascontiguousarray(value).reshape(-1).view(np.uint8)
        self._bytes(array).copy_(self._torch.from_numpy(given if given.flags.writeable else given.copy()))

    def get(self, array: Any) -> np.ndarray:
        """The bytes of an array, in host memory of their own."""
        return self._bytes(array).cpu().numpy()

    def _bytes(self, array: Any) -> Any:
        return array.reshape(-1).view(self._torch.uint8)

    # -- time -----------------------------------------------------------------------------------------

    def wait(self) -> None:
        """Returns when all that was asked for is done; RuntimeError if some of it failed."""
        self._torch.cuda.current_stream(self._where).synchronize()

    def capture(self, body: Callable[[], Any]) -> Callable[[], Any]:
        """What `body` launches, which is not run now, as a function that runs it all."""
        cuda = self._torch.cuda
        with _one_capture, cuda.device(self._where):
            graph, stream, before = cuda.CUDAGraph(), cuda.Stream(), cuda.current_stream()
            collects = gc.isenabled()
            gc.disable()  # a tensor that the collector frees would call the allocator
            try:
                with cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                    body()
            finally:
                cuda.set_stream(before)  # where a capture cannot be ended, torch leaves its own
                if collects:
                    gc.enable()
        return graph.replay

    def use(self) -> Any:
        """A context in which kernels are launched on this card."""
        return self._torch.cuda.device(self._where)


class GpuDevice(Device):
    """One GPU. card: a Card or what stands in for one; None for a device that is there to plan with."""

    type = "gpu"
    chained: tuple[tuple[DType, ...], ...] = ((float32, float16, bfloat16, bool_),)
    priority = 2
    multiply_adds_per_us = 50_000.0

    def __init__(self, index: int = 0, card: Any = None):
        super().__init__(index)
        self._card = card
        self.variables = Variables(card)
        self.captured = Captured()
        self.lists = CardLists(self)

    @property
    def card(self) -> Any:
        if self._card is None:
            raise RuntimeError(f"{self.name} is there to plan with: it has no card, and nothing runs on it")
        return self._card

    # -- kernels --------------------------------------------------------------------------------------

    def supports(self, op_def: OpDef, attrs: dict[str, Any]) -> bool:
        return gpu_kernels.lacking(op_def, attrs) is None

    def suits(self, op_def: OpDef, types: Sequence[DType], shapes: Sequence[Any]) -> bool:
        """Single integers and truths count loops and steer ops: on a card each would be a transfer for the host.

        So do single truths that a list keeps.
        """
        if op_def.keeps is not None:
            return types[op_def.keeps] is not bool_ or shapes[op_def.keeps] != ()
        steers = all(s == () and (t.is_integer or t is bool_) for t, s in zip(types, shapes, strict=True))
        return not types or not steers or op_def.family in ("_Send", "_Recv")

    def lacking(self, op_def: OpDef, attrs: dict[str, Any]) -> str:
        return gpu_kernels.lacking(op_def, attrs) or ""

    def host_inputs(self, op_def: OpDef, attrs: dict[str, Any]) -> tuple[int, ...]:
        return gpu_kernels.host_inputs(op_def, attrs)

    def kernel(self, op_def: OpDef, attrs: dict[str, Any], kernels: str) -> BoundKernel:
        """The Triton kernel; where state lies here that has none, the CPU's, between transfers."""
        if is_list_op(op_def, attrs) and self.supports(op_def, attrs):
            page = super().kernel(op_def, attrs, "reference")
            return BoundKernel(self.lists.kernel(op_def, page.function), page.arguments)
        found = gpu_kernels.bound(op_def, attrs, self.from_host)
        if found is None:
            return self._through_the_host(super().kernel(op_def, attrs, kernels))
        return found._replace(check=partial(self._check_inputs, op_def, found.arguments))

    def _check_inputs(self, op_def: OpDef, arguments: dict[str, Any], inputs: list[Any]) -> None:
        if op_def.name in REFUSING and op_def.refusal is not None:
            op_def.refusal(inputs[0].shape, *map(self.to_host, inputs[1:]), **arguments)
        for asked in ranges_of(op_def, [np.shape(i) for i in inputs], lambda place: self.to_host(inputs[place])):
            check_on_host(asked, self.to_host(inputs[asked.place]))

    def formula(self, op_def: OpDef, attrs: dict[str, Any]) -> Any:
        return on_card(op_def, attrs)

    def blocks(self, *chain: Any, **named: Any) -> Callable[..., None]:
        """A function that runs a chain of elementwise steps as one kernel."""
        return gpu_kernels.chain(*chain)

    def joins(self, node: Any) -> bool:
        return node.device is self and gpu_kernels.joins(node)

    def _through_the_host(self, bound: BoundKernel) -> BoundKernel:
        def there(value: Any) -> Any:
            if isinstance(value, (tuple, list)):
                return [there(v) for v in value]
            return self.from_host(value) if isinstance(value, (np.ndarray, np.generic)) else value

        def kernel(*inputs: Any, **arguments: Any) -> Any:
            with Lent(self.to_host) as lent, np.errstate(all="ignore"):
                return there(bound.function(*(lent.here(i) for i in inputs), **arguments))

        return BoundKernel(kernel, bound.arguments)

    # -- memory ---------------------------------------------------------------------------------------

    def empty(self, shape: tuple[int, ...], dtype: DType) -> Any:
        return self.card.array(self.card.block(prod(shape) * dtype.size), 0, tuple(shape), dtype)

    def from_host(self, array: Any) -> Any:
        array = np.asarray(array)
        if array.dtype == object:
            return self.lists.here(array)
        there = self.empty(array.shape, as_dtype(array.dtype))
        self.card.put(there, array)
        return there

    def to_host(self, value: Any) -> np.ndarray:
        if isinstance(value, (np.ndarray, np.generic)):  # which is there, as a handle is, or what steers a loop
            return self.lists.away(np.asarray(value))
        kind = type_of(value).as_numpy_dtype
        return self.card.get(value).view(kind).reshape(tuple(value.shape))

    def type_of(self, value: Any) -> DType:
        """The type of what lies on the card."""
        return type_of(value)

    def private_copy(self, value: Any) -> Any:
        if isinstance(value, (np.ndarray, np.generic)):
            return self.from_host(value)
        there = self.empty(tuple(value.shape), type_of(value))
        self.card.copy(there, value)
        return there

    def new_variable(self, name: str, dtype: DType, shape: Any, container: str) -> VariableState:
        state = VariableState(name, dtype, shape, None, container)
        seen, variables = weakref.ref(state), self.variables  # a state goes with its container

        def upload(value: Any) -> Any:
            whose = seen()
            assert whose is not None
            return variables.upload(whose, value)

        state.upload, state.write, state.dropped = upload, variables.write, variables.drop
        return state


def type_of(array: Any) -> DType:
    """The type of a card's array, by the last part of its name: torch.float32, or a stand-in's."""
    name = str(array.dtype).rpartition(".")[2]
    return as_dtype({"int1": "bool"}.get(name, name))


def gpu_devices(count: int) -> list[Device]:
    """The first `count` GPUs; RuntimeError that says what is missing where there are fewer."""
    needs("torch", "triton")
    import torch

    found = torch.cuda.device_count()
    if found < count:
        why = f"torch {torch.__version__} is built without CUDA: install the one that has it"
        if torch.version.cuda is not None:
            why = "look whether nvidia-smi shows it, and that CUDA_VISIBLE_DEVICES does not hide it"
        raise RuntimeError(f"{count} GPU asked for, but torch finds {found}: {why}. Without one, all runs on the CPU")
    return [GpuDevice(i, Card(i)) for i in range(count)]


def planning_device() -> Device:
    """A GPU to plan with, where there is none."""
    needs("triton")
    return GpuDevice()


def needs(*modules: str) -> None:
    """RuntimeError that says how to install the first of these packages that is not there."""
    from importlib import import_module

    for name in modules:
        try:
            import_module(name)
        except ModuleNotFoundError as error:
            raise RuntimeError(
                f"/gpu:0 needs {error.name}, which is not installed: pip install 'refflow[gpu]' on Linux"
            ) from None
        except (ImportError, OSError) as error:
            raise RuntimeError(f"/gpu:0 needs {name}, which is installed and cannot be imported: {error}") from error
