"""What is special to convolutions in NumPy: which road a shape takes, that all roads agree, and work in pieces."""

import numpy as np
import pytest

from refflow_kernels.cpu import KERNELS, conv, conv_lines, conv_windows
from refflow_kernels.cpu.windows import Axis, backwards
from tests.kernels.samples import SAMPLES, assert_within, reference
from tests.kernels.test_threads import at

OPS = [op_type for op_type in KERNELS if op_type.startswith("Conv")]
ROADS = ["lines", "windows", "planes"]


@pytest.fixture(params=ROADS)
def road(request, monkeypatch):
    """Wherever a road can be taken it is, in blocks and pieces of a few windows."""
    for page in (conv_lines, conv_windows):
        monkeypatch.setattr(page, "BLOCK", 60)
        monkeypatch.setattr(page, "ROWS", 2)
        monkeypatch.setattr(page, "MANY", 0)
    monkeypatch.setattr(conv, "PLANES", 60)
    monkeypatch.setattr(conv_windows, "_PIECE", 100)
    if request.param == "lines":  # as for many channels and one filter
        for choice in ("forward_wins", "to_filter_wins"):
            wins = getattr(conv_lines, choice)
            monkeypatch.setattr(conv_lines, choice, lambda c, m, spans, wins=wins: wins(10**6, 1, spans))
    else:
        monkeypatch.setattr(conv_lines, "forward_wins", lambda *shape: False)
        monkeypatch.setattr(conv_lines, "to_filter_wins", lambda *shape: False)
    monkeypatch.setattr(conv, "_planes_win", lambda c, m, spans: request.param == "planes")
    return request.param


@pytest.mark.parametrize("op_type", OPS)
def test_every_road_agrees_with_the_page_in_small_blocks(op_type, road, rng):  # [W74]
    for inputs, attrs, bounds in SAMPLES[op_type](rng, "float32"):
        wanted = reference(op_type, inputs, attrs)
        out = np.full_like(wanted[0], np.nan)
        assert KERNELS[op_type].function(*inputs, out=out, **attrs) is out
        assert_within([out], wanted, bounds, "float32")


@pytest.mark.parametrize("op_type", OPS)
def test_pieces_give_the_same_bits_on_any_number_of_threads(op_type, road, rng):
    for inputs, attrs, _ in SAMPLES[op_type](rng, "float32"):
        one, three = (at(count, lambda i=inputs, a=attrs: KERNELS[op_type].function(*i, **a)) for count in (1, 3))
        assert one.tobytes() == three.tobytes()


@pytest.mark.parametrize("op_type", OPS)
@pytest.mark.parametrize("special", [np.inf, -np.inf, np.nan])
def test_what_is_no_number_stays_where_the_page_has_it(op_type, special, road, rng):
    """A number of the image, of the filters or of the slopes; where padding meets it, too."""
    for inputs, attrs, bounds in SAMPLES[op_type](rng, "float32"):
        for x in inputs:
            if x.size and x.dtype.kind == "f":
                place = rng.integers(x.size)
                usual, x.flat[place] = x.flat[place], special
                with np.errstate(all="ignore"):
                    got = KERNELS[op_type].function(*inputs, **attrs)
                assert_within([got], reference(op_type, inputs, attrs), bounds, "float32")
                x.flat[place] = usual


@pytest.mark.parametrize("axis", [
    Axis(11, 3, 2, 1, 6, 1, 1), Axis(9, 4, 3, 2, 3, 2, 2), Axis(8, 3, 2, 4, 4, 4, 3), Axis(3, 2, 1, 1, 8, 4, 2),
    Axis(5, 1, 3, 1, 2, 0, 0), Axis(6, 3, 1, 1, 4, 0, 0),
])  # fmt: skip
def test_cells_meet_each_place_of_each_window_once_on_the_way_back(axis):
    """Cell i took part in result o through place j exactly where o * stride + j * dilation - before = i."""
    met = []
    for walk in backwards(axis):
        cells, windows, places = range(axis.size)[walk.cells], range(axis.out)[walk.windows], range(axis.k)[walk.places]
        assert (len(cells), len(windows), len(places)) == (walk.axis.out, walk.axis.size, walk.axis.k)
        for v, cell in enumerate(cells):
            for j, place in enumerate(places):
                o = v + j * walk.axis.dilation - walk.axis.before
                if 0 <= o < len(windows):
                    assert windows[o] * axis.stride + place * axis.dilation - axis.before == cell
                    met.append((windows[o], place))
    within = [(o, j) for o in range(axis.out) for j in range(axis.k)
              if 0 <= o * axis.stride + j * axis.dilation - axis.before < axis.size]  # fmt: skip
    assert sorted(met) == within


def test_the_road_is_that_with_fewer_numbers_to_move():
    """LeNet's second layer goes by lines, both ways; three times as many filters as channels do not."""
    five, three = ([Axis(14, k, 1, 1, 14, k // 2, k // 2)] * 2 for k in (5, 3))
    halved = [Axis(14, 3, 2, 1, 7, 0, 1)] * 2
    assert conv_lines.forward_wins(32, 64, five) and conv_lines.to_filter_wins(32, 64, five)
    assert conv_lines.forward_wins(192, 64, three) and not conv_lines.forward_wins(64, 192, three)
    assert not conv_lines.forward_wins(64, 64, halved) and not conv_lines.to_filter_wins(64, 64, halved)
    assert conv._planes_win(3, 64, three) and not conv._planes_win(8, 64, three) and conv._planes_win(8, 64, halved)
