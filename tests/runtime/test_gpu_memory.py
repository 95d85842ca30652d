"""Where a plan's values lie on a card: no two that are in use at one time share a byte."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refflow.core.dtypes import float32, int32
from refflow.core.errors import ResourceExhaustedError
from refflow.runtime.gpu_memory import ALIGNMENT, FOREVER, Arena, Variables, full
from refflow.runtime.resources import VariableState


def overlapping(spans):
    return [
        (a, b)
        for i, a in enumerate(spans)
        for b in spans[:i]
        if a.meets(b) and a.offset < b.offset + b.nbytes and b.offset < a.offset + a.nbytes
    ]


LIVES = st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 40), st.integers(1, 12)), min_size=1, max_size=40)


@settings(max_examples=200, deadline=None)
@given(LIVES)
def test_spans_that_are_in_use_together_never_overlap(lives):  # [W16]
    arena = Arena()
    for size, begin, length in lives:
        arena.take((size,), float32, begin, "node").span.end = begin + length
    total = arena.lay_out()
    assert not overlapping(arena.spans)
    assert all(s.offset % ALIGNMENT == 0 and s.offset + s.nbytes <= total for s in arena.spans)


def test_a_chain_of_equal_values_lies_in_two_places():  # [W16]
    arena = Arena()
    for line in range(10):
        arena.take((100, 100), float32, line, "step").span.end = line + 2
    assert arena.lay_out() == 2 * -(-40_000 // ALIGNMENT) * ALIGNMENT


def test_a_small_value_goes_into_the_gap_that_a_large_one_left():
    arena = Arena()
    sizes = [(1024, 0, 2), (512, 0, 9), (256, 3, 9), (768, 3, 9)]
    for size, begin, end in sizes:
        arena.take((size,), float32, begin, "node").span.end = end
    assert arena.lay_out() == (1024 + 512) * 4


def test_full_memory_is_told_by_what_is_in_use_then_largest_first():  # [W82]
    arena = Arena()
    for name, size, begin, end in [("gone", 3000, 0, 1), ("small", 10, 1, 3), ("large", 4000, 2, 4)]:
        arena.take((size,), float32, begin, name).span.end = end
    error = full(MemoryError("16 of 32 are free"), "this step", arena.at_the_fullest())
    assert isinstance(error, ResourceExhaustedError)
    first, *lines, last = str(error).splitlines()
    assert first == "there is no room for this step: 16 of 32 are free. These were to be there at once:"
    assert [line.split() for line in lines] == [["16,000", "large", "float32[4000]"], ["40", "small", "float32[10]"]]
    assert "recompute=" in last


class Block:
    """A card's memory that is NumPy's."""

    def block(self, nbytes):
        return np.zeros(nbytes, np.uint8)

    def array(self, block, offset, shape, dtype):
        size = int(np.prod(shape, dtype=np.int64)) * dtype.size
        return block[offset : offset + size].view(dtype.as_numpy_dtype).reshape(shape)

    def put(self, array, value):
        array[...] = value

    copy = put


def state_on(variables, name, dtype, shape):
    state = VariableState(name, dtype, shape)
    state.upload = lambda value: variables.upload(state, value)
    state.write = variables.write
    return state


def test_variables_of_a_type_lie_one_after_the_other_and_stay_there():  # [S14]
    variables = Variables(Block())
    states = [state_on(variables, n, t, s) for n, t, s in
              [("w", float32, (3, 5)), ("n", int32, ()), ("b", float32, (5,)), ("any", float32, None)]]  # fmt: skip
    variables.lay_out(states)
    w, _, b, anything = states
    assert w.place.base is b.place.base and anything.place is None
    assert b.place.ctypes.data - w.place.ctypes.data == ALIGNMENT
    w.store(np.ones((3, 5), np.float32))
    address, moves = w.value.ctypes.data, variables.moves
    w.store(np.full((3, 5), 2, np.float32))
    assert w.value.ctypes.data == address and variables.moves == moves and (w.value == 2).all()
    w.store(np.ones(4, np.float32))
    assert w.value.shape == (4,) and variables.moves == moves + 1


def test_a_variable_that_has_a_value_is_not_laid_out_anew():
    variables = Variables(Block())
    state = state_on(variables, "w", float32, (2,))
    variables.lay_out([state])
    state.store(np.ones(2, np.float32))
    place = state.place
    variables.lay_out([state, state_on(variables, "v", float32, (2,))])
    assert state.place is place


@pytest.mark.parametrize("end", [FOREVER, 7])
def test_what_is_kept_shares_with_nobody_who_comes_later(end):
    arena = Arena()
    first = arena.take((64,), float32, 0, "kept").span
    first.end = end
    for line in range(1, 6):
        arena.take((64,), float32, line, "later").span.end = line + 1
    arena.lay_out()
    assert not overlapping(arena.spans) and arena.total == 2 * ALIGNMENT
