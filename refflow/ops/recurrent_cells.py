"""One step of a recurrent cell as one op: an LSTM's and a GRU's, with their slopes.

    LSTM   [i, c, f, o] = [x, h] w + b
           i = sigmoid(i + wci * cs')     f = sigmoid(f + wcf * cs' + forget_bias)     ci = tanh(c)
           cs = ci * i + cs' * f, clipped        o = sigmoid(o + wco * cs)     co = tanh(cs)     h = co * o
    GRU    [r, u] = sigmoid([x, h'] w_ru + b_ru)   c = tanh([x, r * h'] w_c + b_c)   h = u * h' + (1 - u) * c

Primes mark the step before; peepholes wci, wcf and wco count with `use_peephole` only. The slopes come before the
gates' functions, so that those of x, h', w and b are products with them (ops/block_lstm.py does so over time).

Hochreiter and Schmidhuber 1997; Gers and Schmidhuber 2000 (peepholes); Cho et al. 2014.

Next: ops/block_lstm.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refflow.core import shapes, work
from refflow.core.dtypes import float16, float32
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_checks import either, need_rank, size_at
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.core.values import wide

PEEPHOLES = "wci: T, wcf: T, wco: T"
GATES = "i: T, cs: T, f: T, o: T, ci: T, co: T"
_LSTM_IN = f"x: T, cs_prev: T, h_prev: T, w: T, {PEEPHOLES}, b: T"
HALVES = Attr("type", allowed=(float16, float32))
LSTM_CELL = define_op("LSTMBlockCell", f"{_LSTM_IN} -> {GATES}, h: T", forget_bias=1.0, cell_clip=3.0,
                      use_peephole=False, T=HALVES, accuracy="composed")  # fmt: skip
LSTM_CELL_GRAD = define_op(
    "LSTMBlockCellGrad",
    f"{_LSTM_IN}, {GATES}, cs_grad: T, h_grad: T "
    "-> cs_prev_grad: T, dicfo: T, wci_grad: T, wcf_grad: T, wco_grad: T",
    use_peephole=Attr("bool"), T=HALVES, accuracy="composed",
)  # fmt: skip
_GRU_IN = "x: T, h_prev: T, w_ru: T, w_c: T, b_ru: T, b_c: T"
GRU_CELL = define_op("GRUBlockCell", f"{_GRU_IN} -> r: T, u: T, c: T, h: T", T=(float32,), accuracy="composed")
GRU_CELL_GRAD = define_op(
    "GRUBlockCellGrad", f"{_GRU_IN}, r: T, u: T, c: T, d_h: T -> d_x: T, d_h_prev: T, d_c_bar: T, d_r_bar_u_bar: T",
    T=(float32,), accuracy="composed",
)  # fmt: skip
for _op in (LSTM_CELL, LSTM_CELL_GRAD, GRU_CELL, GRU_CELL_GRAD):
    _op.no_gradient_registered()


def sigmoid(x: np.ndarray) -> np.ndarray:
    return x.dtype.type(0.5) * (np.tanh(x.dtype.type(0.5) * x) + x.dtype.type(1))


class Weights(NamedTuple):
    """What an LSTM has learned, and how its gates stand in `w`: "icfo", or "ifco" in the later op."""

    w: np.ndarray
    wci: np.ndarray
    wcf: np.ndarray
    wco: np.ndarray
    b: np.ndarray
    use_peephole: bool
    order: str = "icfo"


class Step(NamedTuple):
    """One step's gates and states, each [batch, cell]."""

    i: np.ndarray
    cs: np.ndarray
    f: np.ndarray
    o: np.ndarray
    ci: np.ndarray
    co: np.ndarray
    h: np.ndarray


def split(gates: np.ndarray, order: str) -> dict[str, np.ndarray]:
    """The four gates by letter."""
    return dict(zip(order, np.split(gates, 4, axis=1), strict=True))


def lstm_step(gates: Any, cs_prev: Any, known: Weights, forget_bias: float, cell_clip: float) -> Step:
    """One step from the gates before their functions, [x, h'] w + b, side by side."""
    gate = split(gates, known.order)
    number = gates.dtype.type
    if known.use_peephole:
        gate["i"], gate["f"] = gate["i"] + cs_prev * known.wci, gate["f"] + cs_prev * known.wcf
    i, ci, f = sigmoid(gate["i"]), np.tanh(gate["c"]), sigmoid(gate["f"] + number(forget_bias))
    cs = ci * i + cs_prev * f
    if cell_clip > 0:
        cs = np.clip(cs, number(-cell_clip), number(cell_clip))
    o = sigmoid(gate["o"] + cs * known.wco if known.use_peephole else gate["o"])
    co = np.tanh(cs)
    return Step(i, cs, f, o, ci, co, co * o)


def lstm_step_back(cs_prev: Any, step: Step, cs_grad: Any, h_grad: Any, known: Weights) -> tuple[Any, ...]:
    """The slopes of cs' and of the gates before their functions, and those of the three peepholes."""
    i, cs, f, o, ci, co, _ = step
    one = cs.dtype.type(1)
    do = o * (one - o) * h_grad * co
    dcs = (one - co * co) * h_grad * o + cs_grad
    if known.use_peephole:
        dcs = dcs + do * known.wco
    dci, df, di = (one - ci * ci) * dcs * i, f * (one - f) * dcs * cs_prev, i * (one - i) * dcs * ci
    before = dcs * f
    peepholes = tuple(np.zeros_like(w) for w in (known.wci, known.wcf, known.wco))
    if known.use_peephole:
        before = before + di * known.wci + df * known.wcf
        peepholes = ((di * cs_prev).sum(0), (df * cs_prev).sum(0), (do * cs).sum(0))
    gates = {"i": di, "c": dci, "f": df, "o": do}
    return before, np.concatenate([gates[letter] for letter in known.order], 1), *peepholes


LSTM_CELL.work(work.recurrent(0, (3,)))  # x and w [W19]
LSTM_CELL_GRAD.work(work.recurrent(0, (3,), passes=2))
GRU_CELL.work(work.recurrent(0, (2, 3)))  # x, w_ru and w_c
GRU_CELL_GRAD.work(work.recurrent(0, (2, 3), passes=2))


@LSTM_CELL.kernel
def lstm_block_cell_kernel(x, cs_prev, h_prev, w, wci, wcf, wco, b, forget_bias, cell_clip, use_peephole):
    known = Weights(wide(w), wide(wci), wide(wcf), wide(wco), wide(b), use_peephole)
    gates = np.concatenate([wide(x), wide(h_prev)], 1) @ known.w + known.b
    step = lstm_step(gates, wide(cs_prev), known, forget_bias, cell_clip)
    return tuple(part.astype(x.dtype, copy=False) for part in step)


@LSTM_CELL_GRAD.kernel
def lstm_block_cell_grad_kernel(
    x, cs_prev, h_prev, w, wci, wcf, wco, b, i, cs, f, o, ci, co, cs_grad, h_grad, use_peephole
):
    known = Weights(wide(w), wide(wci), wide(wcf), wide(wco), wide(b), use_peephole)
    step = Step(*(wide(v) for v in (i, cs, f, o, ci, co, co)))
    found = lstm_step_back(wide(cs_prev), step, wide(cs_grad), wide(h_grad), known)
    return tuple(part.astype(x.dtype, copy=False) for part in found)


@GRU_CELL.kernel
def gru_block_cell_kernel(x, h_prev, w_ru, w_c, b_ru, b_c):
    r, u = np.split(sigmoid(np.concatenate([x, h_prev], 1) @ w_ru + b_ru), 2, axis=1)
    c = np.tanh(np.concatenate([x, h_prev * r], 1) @ w_c + b_c)
    return r, u, c, u * h_prev + (1 - u) * c


@GRU_CELL_GRAD.kernel
def gru_block_cell_grad_kernel(x, h_prev, w_ru, w_c, b_ru, b_c, r, u, c, d_h):
    d_c_bar = d_h * (1 - u) * (1 - c * c)
    d_u_bar = d_h * (h_prev - c) * u * (1 - u)
    through_c = d_c_bar @ w_c.T
    d_x, d_hr = through_c[:, : x.shape[1]], through_c[:, x.shape[1] :]
    gates = np.concatenate([d_hr * h_prev * r * (1 - r), d_u_bar], 1)
    through_gates = gates @ w_ru.T
    d_x = d_x + through_gates[:, : x.shape[1]]
    return d_x, through_gates[:, x.shape[1] :] + d_hr * r + d_h * u, d_c_bar, gates


# -- shapes -----------------------------------------------------------------------------------------------------


def check_sizes(context: ShapeContext, wanted: dict[str, shapes.Shape], said: dict[str, shapes.Shape]) -> None:
    """Requires shapes of inputs; `said` names sizes in TensorFlow's words, as `cell_size * 4`."""
    for name, dims in wanted.items():
        given = context.dims(name)
        if given is None or dims is None:
            continue
        if len(given) != len(dims):
            raise ShapeError(f"Rank of {name} must be {len(dims)}, got {len(given)}: {name} must be rank {len(dims)} "
                             f"but is rank {len(given)} [{shapes.text(given)}]")  # fmt: skip
        for axis, (size, need) in enumerate(zip(given, dims, strict=True)):
            if None not in (size, need) and size != need:
                told = said[name][axis] if name in said else "what the other inputs need"  # type: ignore[index]
                part = "dims" if told == "batch_size" else "dim_size"
                raise ShapeError(f"{name}.{part}({axis}) != {told}: {size} vs. {need}")


def lstm_sizes(context: ShapeContext, batch: Any, inputs: Any) -> dict[str, shapes.Shape]:
    """The shapes that go with that batch and number of inputs; cells are counted by cs_prev, or else by h_prev."""
    cell = None
    for name in ("cs_prev", "h_prev"):
        before = context.dims(name)
        if before is not None and len(before) == 2:
            batch, cell = either(batch, before[0]), either(cell, before[1])
    four = None if cell is None else 4 * cell
    both = None if None in (inputs, cell) else inputs + cell
    states: dict[str, shapes.Shape] = {"cs_prev": (batch, cell), "h_prev": (batch, cell)}
    return states | {"w": (both, four), "wci": (cell,), "wcf": (cell,), "wco": (cell,), "b": (four,)}


SAID: dict[str, Any] = {
    "cs_prev": ("batch_size", "cell_size"), "h_prev": ("batch_size", "cell_size"),
    "w": ("input_size + cell_size", "cell_size * 4"), "b": ("cell_size * 4",),
    "wci": ("cell_size",), "wcf": ("cell_size",), "wco": ("cell_size",),
}  # fmt: skip


def _lstm_cell_sizes(context: ShapeContext) -> dict[str, shapes.Shape]:
    x = context.dims("x")
    need_rank(x, 2, "Rank of x must be 2, got {1}")
    batch, inputs = x if x is not None else (None, None)
    sizes = lstm_sizes(context, batch, inputs)
    check_sizes(context, sizes, SAID)
    return sizes


@LSTM_CELL.shape
def _lstm_cell_shape(context: ShapeContext) -> list[shapes.Shape]:
    return [_lstm_cell_sizes(context)["cs_prev"]] * 7


@LSTM_CELL_GRAD.shape
def _lstm_cell_grad_shape(context: ShapeContext) -> list[shapes.Shape]:
    sizes = _lstm_cell_sizes(context)
    state = sizes["cs_prev"]
    check_sizes(context, dict.fromkeys(("i", "cs", "f", "o", "ci", "co", "cs_grad", "h_grad"), state), {})
    four = sizes["b"][0] if sizes["b"] is not None else None
    return [state, (None if state is None else state[0], four), sizes["wci"], sizes["wcf"], sizes["wco"]]


def _gru_sizes(context: ShapeContext) -> tuple[shapes.Shape, shapes.Shape]:
    x, h = context.dims("x"), context.dims("h_prev")
    for name, dims in (("x", x), ("h_prev", h)):
        if dims is not None and len(dims) != 2:
            raise ShapeError(f"Rank of {name} must be 2, got {len(dims)}")
    batch, inputs = x if x is not None else (None, None)
    cell = None if h is None else h[1]
    both = None if inputs is None or cell is None else inputs + cell
    two = None if cell is None else 2 * cell
    said: dict[str, Any] = {
        "h_prev": ("batch_size", "cell_size"), "w_ru": ("input_size + cell_size", "cell_size * 2"),
        "w_c": ("input_size + cell_size", "cell_size"), "b_ru": ("cell_size * 2",), "b_c": ("cell_size",),
    }  # fmt: skip
    wanted: dict[str, shapes.Shape] = {
        "h_prev": (batch, cell), "w_ru": (both, two), "w_c": (both, cell), "b_ru": (two,), "b_c": (cell,),
    }  # fmt: skip
    check_sizes(context, wanted, said)
    return (batch, inputs), (batch, cell)


@GRU_CELL.shape
def _gru_cell_shape(context: ShapeContext) -> list[shapes.Shape]:
    return [_gru_sizes(context)[1]] * 4


@GRU_CELL_GRAD.shape
def _gru_cell_grad_shape(context: ShapeContext) -> list[shapes.Shape]:
    x, state = _gru_sizes(context)
    check_sizes(context, dict.fromkeys(("r", "u", "c", "d_h"), state), {})
    gates = context.dims("w_ru")
    two = (size_at(gates, 1) if state[1] is None else 2 * state[1]) if state is not None else None
    return [x, state, state, (None if state is None else state[0], two)]


_Z, _N = np.zeros((1, 1), np.float32), np.zeros(1, np.float32)
_L: dict[str, Any] = {"x": _Z, "h_prev": _Z, "w": np.zeros((2, 4), np.float32), "wci": _N, "wcf": _N, "wco": _N,
                      "b": np.zeros(4, np.float32)}  # fmt: skip
LSTM_CELL.case("W06", "half of what there was", **_L, cs_prev=_Z + 2, forget_bias=0.0, i=[[0.5]], f=[[0.5]], o=[[0.5]],
               cs=[[1]], ci=[[0]], co=[[np.tanh(1)]], h=[[0.5 * np.tanh(1)]])  # fmt: skip
LSTM_CELL.case("W06", "weights fit", **_L | {"w": np.zeros((3, 4), np.float32)}, cs_prev=_Z,
               error="w.dim_size(0) != input_size + cell_size: 3 vs. 2")  # fmt: skip
LSTM_CELL_GRAD.case("W30", "through a half-open gate", **_L, cs_prev=_Z + 2, i=_Z + 0.5, cs=_Z + 1, f=_Z + 0.5,
                    o=_Z + 0.5, ci=_Z, co=_Z, cs_grad=_Z + 1, h_grad=_Z, use_peephole=False, cs_prev_grad=[[0.5]],
                    dicfo=[[0, 0.5, 0.5, 0]], wci_grad=[0], wcf_grad=[0], wco_grad=[0])  # fmt: skip
_G: dict[str, Any] = {"x": _Z, "h_prev": _Z + 2, "w_ru": np.zeros((2, 2), np.float32),
                      "w_c": np.zeros((2, 1), np.float32), "b_ru": np.zeros(2, np.float32), "b_c": _N}  # fmt: skip
GRU_CELL.case("W06", "half of what there was", **_G, r=[[0.5]], u=[[0.5]], c=[[0]], h=[[1]])
GRU_CELL_GRAD.case("W30", "through a half-open gate", **_G, r=_Z + 0.5, u=_Z + 0.5, c=_Z, d_h=_Z + 1, d_x=[[0]],
                   d_h_prev=[[0.5]], d_c_bar=[[0.5]], d_r_bar_u_bar=[[0, 0.5]])  # fmt: skip
