"""The real card's memory, on torch's CPU: where a value lies, and that bytes come and go as they are."""

import gc
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import numpy as np
import pytest

from refflow.core.dtypes import as_dtype
from refflow.runtime.gpu import Card, type_of

torch = pytest.importorskip("torch", reason="torch allocates the card's memory")


@pytest.fixture
def card():
    card = Card(0)
    card._where = torch.device("cpu")
    return card


TYPES = ["float16", "float32", "float64", "int8", "uint8", "int32", "int64", "bool", "bfloat16"]


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("shape", [(), (3,), (2, 5), (0, 4)])
def test_values_of_every_type_go_to_a_place_in_a_block_and_back(card, name, shape, rng):
    dtype = as_dtype(name)
    nbytes = int(np.prod(shape, dtype=np.int64)) * dtype.size
    block = card.block(1024)
    array = card.array(block, 256, shape, dtype)
    assert tuple(array.shape) == shape and type_of(array) is dtype
    value = np.frombuffer(rng.integers(0, 2, nbytes, np.uint8).tobytes(), dtype.as_numpy_dtype).reshape(shape)
    card.put(array, value)
    assert card.get(array).tobytes() == value.tobytes()
    assert block.numpy()[256 : 256 + nbytes].tobytes() == value.tobytes()
    if nbytes:
        assert array.data_ptr() == block.data_ptr() + 256


def test_copies_between_pinned_memory_and_places_are_of_bytes(card):
    first, second = (card.array(card.block(64), 0, (4,), as_dtype("float32")) for _ in range(2))
    pinned = torch.zeros(16, dtype=torch.uint8)  # pinned only where there is a card
    pinned.numpy().view(np.float32)[...] = [1, 2, np.nan, -0.0]
    card.upload(first, pinned)
    card.copy(second, first)
    down = torch.zeros(16, dtype=torch.uint8)
    card.download(down, second)
    assert down.numpy().tobytes() == pinned.numpy().tobytes()


def test_pinned_memory_is_the_host_s_whatever_torch_s_default_device_is(card):
    asked = {}
    card._torch = SimpleNamespace(uint8=torch.uint8, empty=lambda n, **how: asked.update(how) or torch.zeros(n))
    card.pinned(16)
    assert asked == {"dtype": torch.uint8, "device": "cpu", "pin_memory": True}


class Cuda:
    """torch.cuda's captures, of which none can be ended: as torch 2.11's, it then leaves the capture's stream."""

    def __init__(self):
        self.stream = "before"
        self.device = self.CUDAGraph = lambda *_: nullcontext()
        self.Stream, self.current_stream = lambda: "of the capture", lambda: self.stream

    def set_stream(self, stream):
        self.stream = stream

    @contextmanager
    def graph(self, graph, stream, capture_error_mode):
        assert capture_error_mode == "thread_local"  # other threads go on
        self.stream = stream
        try:
            yield
        finally:
            raise RuntimeError("the capture is invalid")


def test_a_capture_that_cannot_be_ended_leaves_stream_and_collector_as_they_were(card):
    cuda = Cuda()
    card._torch, seen = SimpleNamespace(cuda=cuda), []

    def body():
        seen.append((cuda.stream, gc.isenabled()))
        raise RuntimeError("not while capturing")

    with pytest.raises(RuntimeError, match="the capture is invalid") as error:
        card.capture(body)
    assert str(error.value.__context__) == "not while capturing"
    assert seen == [("of the capture", False)] and cuda.stream == "before" and gc.isenabled()
