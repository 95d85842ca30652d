"""The real card's code on memory that torch has on the CPU; nothing is computed.

    StrictCard  runtime/gpu.py's own Card: torch's calls are the real ones
    Blocks      what was given back is known, and is never given again
    Watch       while a stream is captured, what asks torch for memory, waits, or looks at contents is an error

A replay looks whether all that its launches refer to is still there.
"""

import weakref
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from refflow.runtime.gpu import Card
from tests.kernels.strict import Launcher, Refused


class Memory(np.ndarray):
    """Bytes that can be looked after."""


class Blocks:
    """All memory of a card. What was given back is never given again, so that an old address is known as one."""

    def __init__(self):
        self.live = {}  # by first address: its end, and what it is
        self._dead = []

    def take(self, nbytes, kind):
        whole = np.zeros(max(nbytes, 1) + 512, np.uint8)
        first = -whole.ctypes.data % 512
        memory = whole[first : first + nbytes].view(Memory)
        address = whole.ctypes.data + first
        self.live[address] = address + max(nbytes, 1), kind
        weakref.finalize(memory, self._gone, address, whole)
        return torch.from_numpy(memory)

    def _gone(self, address, whole):
        del self.live[address]
        self._dead.append(whole)

    def kind_of(self, address):
        """What lies at an address: "card", "pinned", or None for what is neither, or is no more."""
        return next((kind for first, (end, kind) in self.live.items() if first <= address < end), None)


class Watch(TorchDispatchMode):
    """What torch is asked to do while a stream is captured."""

    VIEWS = ("aten.view", "aten.slice", "aten.select", "aten.alias", "aten._reshape_alias", "aten._unsafe_view",
             "aten.as_strided", "aten.detach", "aten.unsqueeze", "aten.squeeze")  # fmt: skip

    def __init__(self, blocks):
        super().__init__()
        self._blocks = blocks

    def __enter__(self):
        Launcher.captures += 1
        return super().__enter__()

    def __exit__(self, *error):
        Launcher.captures -= 1
        return super().__exit__(*error)

    def __torch_dispatch__(self, function, types, arguments=(), named=None):
        name, named = str(function), named or {}
        if name.startswith("aten.copy_"):
            sides = [self._blocks.kind_of(t.data_ptr()) if t.numel() else "card" for t in arguments[:2]]
            waits = len(arguments) < 3 or not arguments[2]
            if None in sides or ("pinned" in sides and waits) or not all(t.is_contiguous() for t in arguments[:2]):
                raise Refused(f"{name} of {sides}, waiting: {waits}")
        elif not name.startswith(self.VIEWS):
            raise Refused(f"{name} while a stream is captured")
        return function(*arguments, **named)


class Cuda:
    """torch.cuda, as far as a Card asks."""

    OutOfMemoryError = torch.cuda.OutOfMemoryError

    def __init__(self, blocks):
        self._blocks, self._stream = blocks, SimpleNamespace(synchronize=self._wait, cuda_stream=0)
        self.device = lambda where: nullcontext()
        self.Stream, self.current_stream = (lambda: self._stream), (lambda where=None: self._stream)
        self.captured = 0

    def _wait(self):
        if Launcher.captures:
            raise Refused("waiting while a stream is captured")

    def set_stream(self, stream):
        self._stream = stream

    def CUDAGraph(self):
        graph = SimpleNamespace(launches=[])
        graph.replay = lambda: self._replay(graph)
        return graph

    def _replay(self, graph):
        for name, _, addresses in graph.launches:
            if any(self._blocks.kind_of(a) != "card" for a in addresses):
                raise Refused(f"{name} is replayed on memory that was given back")

    @contextmanager
    def graph(self, graph, stream, capture_error_mode):
        before = len(Launcher.noted)
        with Watch(self._blocks):
            yield
        graph.launches += Launcher.noted[before:]
        self.captured += 1


class StrictCard(Card):
    """The real card's code on memory that is torch's on the CPU."""

    def __init__(self):
        self.blocks = Launcher.blocks = Blocks()
        self._where = torch.device("cpu")
        self.cuda = Cuda(self.blocks)
        self._torch = SimpleNamespace(
            cuda=self.cuda, empty=self._empty, from_numpy=torch.from_numpy,
            **{name: getattr(torch, name) for name in dir(torch) if isinstance(getattr(torch, name), torch.dtype)},
        )  # fmt: skip

    def get(self, array):
        self.cuda._wait()  # which a copy from the CPU's memory does not
        return super().get(array)

    def _empty(self, nbytes, dtype, device, pin_memory=False):
        if Launcher.captures:
            raise Refused("asking for memory while a stream is captured")
        return self.blocks.take(nbytes, "pinned" if pin_memory else "card")
