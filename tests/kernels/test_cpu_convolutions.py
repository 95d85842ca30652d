"""What is special to convolutions in NumPy: which road a shape takes, that all roads agree, and work in pieces."""

import numpy as np
import pytest

from refflow_kernels.cpu import KERNELS, conv, conv_lines, conv_places, conv_stacks, conv_windows, conv_winograd
from refflow_kernels.cpu.windows import Axis, backwards
from tests.kernels import pieces
from tests.kernels.samples import SAMPLES, assert_within, reference

OPS = [op_type for op_type in KERNELS if op_type.startswith("Conv")]
ROADS = ["places", "tiles", "stacks", "lines", "windows", "planes"]


def stacks(spans):
    """True where windows have several axes, the first without dilation, and there are windows."""
    return len(spans) > 1 and spans[0].dilation == 1 and all(a.out for a in spans)


@pytest.fixture(params=ROADS)
def road(request, monkeypatch):
    """Wherever a road can be taken it is, in blocks and pieces of a few windows."""
    for page in (conv_lines, conv_windows):
        monkeypatch.setattr(page, "BLOCK", 60)
        monkeypatch.setattr(page, "ROWS", 2)
        monkeypatch.setattr(page, "MANY", 0)
    for name, size in (("BLOCK", 60), ("UNPACKED", 100), ("FEWEST", 2)):
        monkeypatch.setattr(conv_stacks, name, size)
    monkeypatch.setattr(conv, "PLANES", 60)
    for name, size in (("BLOCK", 12), ("LONG", 2)):
        monkeypatch.setattr(conv_places, name, size)
    has_line = conv_places.axis_of if request.param == "places" else lambda spans: None
    monkeypatch.setattr(conv_places, "wins", lambda c, m, spans: has_line(spans) is not None)
    monkeypatch.setattr(conv_windows, "_PIECE", 100)
    for name in ("ROOM", "TILES", "SLOPES"):
        monkeypatch.setattr(conv_winograd, name, 1)
    monkeypatch.setattr(conv_winograd, "SUM", 1 << 30)
    for choice in ("forward_wins", "to_filter_wins"):  # as for many channels, filters and images
        wins = getattr(conv_winograd, choice) if request.param == "tiles" else lambda *shape: False
        monkeypatch.setattr(conv_winograd, choice, lambda c, m, n, spans, wins=wins: wins(1000, 1000, 1000, spans))
    for choice in ("forward_wins", "to_filter_wins"):
        monkeypatch.setattr(conv_stacks, choice, lambda c, m, n, spans: request.param == "stacks" and stacks(spans))
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
    pieces.agree_with_the_page(op_type, rng)


@pytest.mark.parametrize("op_type", OPS)
def test_pieces_give_the_same_bits_on_any_number_of_threads(op_type, road, rng):
    pieces.have_the_same_bits_on_any_number_of_threads(op_type, rng)


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


@pytest.mark.parametrize(("k", "channels", "depth"), [(3, 32, 1), (5, 32, 1), (4, 32, 1), (3, 64, 1), (3, 32, 3)])
def test_tiles_stay_within_the_bound_of_the_sums_in_order(k, channels, depth, rng):  # [W74]
    """A quarter of it, where numbers vary as activations do: half of them zero, the largest many times the usual."""
    spans = [Axis(13, k, 1, 1, 13, k // 2, k - 1 - k // 2), Axis(22, k, 1, 1, 22, k // 2, k - 1 - k // 2)]
    spans = [Axis(4, depth, 1, 1, 4, 1, 1)] * (depth > 1) + spans
    x = np.maximum(rng.normal(size=(4, *(a.size for a in spans), channels)) ** 3, 0).astype(np.float32)
    w = rng.normal(size=(*(a.k for a in spans), channels, 32)).astype(np.float32)
    y, dw = np.empty((*x.shape[:-1], 32), np.float32), np.empty_like(w)
    wide = [np.empty(a.shape, np.float64) for a in (y, dw, y, dw)]
    dy = rng.normal(size=y.shape).astype(np.float32)
    assert conv_winograd.forward(x, w, spans, y)
    conv_winograd.to_filter(x, dy, spans, dw)
    for i, (a, b, g) in enumerate([(x, w, dy), map(np.abs, (x, w, dy))]):
        conv_windows.forward(a.astype(np.float64), b.astype(np.float64), spans, wide[2 * i])
        conv_windows.to_filter(a.astype(np.float64), g.astype(np.float64), spans, wide[2 * i + 1])
    for got, exact, size, terms in ((y, *wide[::2], w[..., 0].size), (dw, *wide[1::2], y[..., 0].size)):
        assert (np.abs(got - exact) <= terms * 2.0**-24 / 4 * size).all()


@pytest.mark.parametrize("axis", [
    Axis(3, 2, 1, 1, 8, 4, 2), Axis(2, 5, 1, 1, 9, 6, 5), Axis(9, 3, 1, 1, 7, 0, 0), Axis(1, 4, 1, 1, 1, 2, 1),
    Axis(6, 3, 1, 1, 5, 0, 1),
])  # fmt: skip
def test_tiles_may_be_cut_off_or_see_padding_alone(axis, rng, monkeypatch):
    other = Axis(10, 5, 1, 1, 10, 2, 2)
    for spans in ([axis, other], [other, axis]):
        x = rng.normal(size=(3, *(a.size for a in spans), 2))
        w = rng.normal(size=(*(a.k for a in spans), 2, 3))
        y, wanted = (np.full((3, *(a.out for a in spans), 3), np.nan) for _ in range(2))
        dw, right = np.empty_like(w), np.empty_like(w)
        dy = rng.normal(size=y.shape)
        conv_windows.forward(x, w, spans, wanted)
        conv_windows.to_filter(x, dy, spans, right)
        for room in (conv_winograd.ROOM, 1):
            monkeypatch.setattr(conv_winograd, "ROOM", room)
            assert conv_winograd.forward(x, w, spans, y)
            conv_winograd.to_filter(x, dy, spans, dw)
            np.testing.assert_allclose(y, wanted, rtol=0, atol=1e-12)
            np.testing.assert_allclose(dw, right, rtol=0, atol=1e-11)


@pytest.mark.parametrize("depth", [
    Axis(7, 3, 1, 1, 7, 1, 1), Axis(4, 2, 1, 3, 5, 3, 1), Axis(5, 4, 1, 1, 2, 0, 0), Axis(1, 3, 1, 1, 1, 1, 1),
])  # fmt: skip
def test_tiles_of_volumes_are_summed_along_their_first_axis(depth, rng, monkeypatch):
    """In blocks of all lines and of one, which sees the cells of its neighbours."""
    spans = [depth, Axis(9, 3, 1, 1, 9, 1, 1), Axis(6, 5, 1, 1, 6, 2, 2)]
    x = rng.normal(size=(2, *(a.size for a in spans), 2))
    w = rng.normal(size=(*(a.k for a in spans), 2, 3))
    y, wanted = (np.full((2, *(a.out for a in spans), 3), np.nan) for _ in range(2))
    dw, right = np.empty_like(w), np.empty_like(w)
    dy = rng.normal(size=y.shape)
    conv_windows.forward(x, w, spans, wanted)
    conv_windows.to_filter(x, dy, spans, right)
    for room in (conv_winograd.ROOM, 1):
        for name in ("ROOM", "TILES", "SLOPES"):
            monkeypatch.setattr(conv_winograd, name, room)
        assert conv_winograd.forward(x, w, spans, y)
        conv_winograd.to_filter(x, dy, spans, dw)
        np.testing.assert_allclose(y, wanted, rtol=0, atol=1e-12)
        np.testing.assert_allclose(dw, right, rtol=0, atol=1e-11)


def test_the_road_is_that_with_fewer_numbers_to_move():
    """LeNet's second layer goes by lines, three times as many filters as channels do not; and large ones by tiles."""
    five, three = ([Axis(14, k, 1, 1, 14, k // 2, k // 2)] * 2 for k in (5, 3))
    halved = [Axis(14, 3, 2, 1, 7, 0, 1)] * 2
    line = [Axis(1, 1, 1, 1, 1, 0, 0), Axis(1024, 2, 1, 8, 1024, 8, 0)]
    assert conv_places.wins(32, 64, line) and not conv_places.wins(32, 64, three)
    assert not conv_places.wins(4, 4, line) and not conv_places.wins(32, 128, line)
    assert not conv_places.wins(32, 64, [line[0], line[1]._replace(out=100)])
    assert not conv_places.wins(32, 64, [line[1], line[1]]) and not conv_places.wins(32, 64, [line[1], five[1]])
    assert conv_lines.forward_wins(32, 64, five) and conv_lines.to_filter_wins(32, 64, five)
    assert conv_lines.forward_wins(192, 64, three) and not conv_lines.forward_wins(64, 192, three)
    assert conv_winograd.forward_wins(64, 192, 8, three) and conv_winograd.to_filter_wins(64, 192, 64, three)
    assert not conv_winograd.to_filter_wins(512, 512, 1000, three)  # eight sums of 38 MB
    assert not conv_winograd.forward_wins(64, 192, 1, three)  # the filters' transform would take more
    assert conv_winograd.forward_wins(64, 64, 2, [three[0], *three])  # of volumes, and each window sees a line
    assert not conv_winograd.forward_wins(64, 64, 2, [Axis(1, 2, 1, 3, 1, 3, 0), *three])
    assert not conv_winograd.forward_wins(64, 64, 2, [halved[0], *three])
    assert not conv_winograd.forward_wins(3, 64, 64, three) and not conv_winograd.forward_wins(64, 64, 64, halved)
    assert not conv_lines.forward_wins(64, 64, halved) and not conv_lines.to_filter_wins(64, 64, halved)
    wide = [Axis(28, 3, 1, 1, 28, 1, 1)] * 2
    assert conv_stacks.forward_wins(3, 64, 64, wide) and not conv_stacks.forward_wins(1, 64, 64, wide)
    assert not conv_stacks.forward_wins(3, 64, 64, three) and not conv_stacks.forward_wins(3, 512, 64, wide)
    assert not conv_stacks.forward_wins(3, 64, 1, wide) and not conv_stacks.forward_wins(3, 64, 64, halved)
    assert conv_stacks.to_filter_wins(3, 64, 64, [three[0], *wide])  # of volumes
    assert not conv_stacks.to_filter_wins(3, 64, 64, wide)
    assert conv._planes_win(3, 64, three) and not conv._planes_win(8, 64, three) and conv._planes_win(8, 64, halved)


@pytest.mark.parametrize("dims", [(1, 3, 0), (0, 3, 2)], ids=["no filters", "no images"])
@pytest.mark.parametrize("stride", [1, 2])
def test_every_road_leads_past_nothing(dims, stride, road):
    """dx of no filters is zeros, as dw of no images is."""
    images, channels, filters = dims
    x, w = np.ones((images, 5, 5, channels), np.float32), np.ones((3, 3, channels, filters), np.float32)
    attrs = {"strides": [1, stride, stride, 1], "padding": "SAME", "data_format": "NHWC", "dilations": [1, 1, 1, 1]}
    dy = KERNELS["Conv2D"].function(x, w, **attrs)
    assert dy.shape == (images, -(-5 // stride), -(-5 // stride), filters)
    for op_type, first, second, like in (
        ("Conv2DBackpropInput", np.int32(x.shape), w, x), ("Conv2DBackpropFilter", x, np.int32(w.shape), w),
    ):  # fmt: skip
        found = KERNELS[op_type].function(first, second, dy, **attrs)
        assert found.shape == like.shape and not found.any()
