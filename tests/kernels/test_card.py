"""The real card's memory, on torch's CPU: where a value lies, and that bytes come and go as they are."""

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
