"""An LSTM over a whole sequence as one op, and its slopes, back through time.

    x [time, batch, inputs], steps from 0 to seq_len_max - 1, each as of ops/recurrent_cells.py
    back: for t from the last step to the first, with what comes in for h(t) and cs(t) and what came back from t + 1
        d[x(t), h(t-1)] = dgates(t) w^T       dw += [x(t), h(t-1)]^T dgates(t)       db += dgates(t)

What lies beyond seq_len_max is zero. The first form has its gates in the order i, c, f, o and adds a forget bias; the
second has i, f, c, o.

Next: ops/ctc_loss.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes, work
from refflow.core.errors import ShapeError
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_checks import need_rank, of_rank
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.recurrent_cells import (
    GATES,
    HALVES,
    PEEPHOLES,
    SAID,
    Step,
    Weights,
    check_sizes,
    lstm_sizes,
    lstm_step,
    lstm_step_back,
    wide,
)

_IN = f"seq_len_max: int64, x: T, cs_prev: T, h_prev: T, w: T, {PEEPHOLES}, b: T"
_SLOPES = ("x_grad", "cs_prev_grad", "h_prev_grad", "w_grad", "wci_grad", "wcf_grad", "wco_grad", "b_grad")


def _forward(data: list[Any], order: str, forget_bias: float, cell_clip: float, use_peephole: bool) -> list[Any]:
    seq_len_max, x, cs, h, w, wci, wcf, wco, b = data
    known = Weights(wide(w), wide(wci), wide(wcf), wide(wco), wide(b), use_peephole, order)
    steps = Step(*(np.zeros((*x.shape[:2], cs.shape[1]), x.dtype) for _ in Step._fields))
    cs, h, length, inputs = wide(cs), wide(h), max(0, int(seq_len_max)), x.shape[2]
    # What inputs give the gates is one product for all steps, and a quicker one.
    of_inputs = wide(x[:length].reshape(-1, inputs)) @ known.w[:inputs] + known.b
    of_inputs = of_inputs.reshape(length, x.shape[1], known.w.shape[1])
    for t in range(length):
        step = lstm_step(of_inputs[t] + h @ known.w[inputs:], cs, known, forget_bias, cell_clip)
        cs, h = step.cs, step.h
        for kept, part in zip(steps, step, strict=True):
            kept[t] = part
    return list(steps)


def _backward(data: list[Any], order: str, use_peephole: bool) -> list[Any]:
    seq_len_max, x, cs_prev, h_prev, w, wci, wcf, wco, b = data[:9]
    *gates, cs_in, h_in = data[9:]
    known = Weights(wide(w), wide(wci), wide(wcf), wide(wco), wide(b), use_peephole, order)
    steps = Step(*(wide(g) for g in gates))
    x_grad = np.zeros(x.shape, np.float32)
    dw, db = np.zeros_like(known.w), np.zeros_like(known.b)
    peepholes = [np.zeros_like(w) for w in (known.wci, known.wcf, known.wco)]
    dcs, dh = np.zeros(cs_prev.shape, np.float32), np.zeros(h_prev.shape, np.float32)
    for t in reversed(range(int(seq_len_max))):
        cs_before, h_before = (steps.cs[t - 1], steps.h[t - 1]) if t else (wide(cs_prev), wide(h_prev))
        now = Step(*(part[t] for part in steps))
        dcs, dgates, *slopes = lstm_step_back(cs_before, now, wide(cs_in[t]) + dcs, wide(h_in[t]) + dh, known)
        both = dgates @ known.w.T
        x_grad[t], dh = both[:, : x.shape[2]], both[:, x.shape[2] :]
        dw += np.concatenate([wide(x[t]), h_before], 1).T @ dgates
        db += dgates.sum(0)
        peepholes = [total + slope for total, slope in zip(peepholes, slopes, strict=True)]
    return [part.astype(x.dtype) for part in (x_grad, dcs, dh, dw, *peepholes, db)]


def _sizes(context: ShapeContext) -> dict[str, shapes.Shape]:
    length, x = context.dims("seq_len_max"), context.dims("x")
    if length:
        raise ShapeError(f"seq_len_max must be a scalar, got shape {shapes.text(length)}")
    need_rank(x, 3, "x must be 3D but is rank {1}, got shape {0}")
    time, batch, inputs = x if x is not None else (None, None, None)
    sizes = lstm_sizes(context, batch, inputs)
    check_sizes(context, sizes, SAID)
    steps = context.ints("seq_len_max")
    if steps is not None and time is not None and not 0 <= steps[0] <= time:
        raise ShapeError(f"seq_len_max must be between 0 and {time}, the number of steps, got {steps[0]}")
    sizes = {name: shapes.merge(dims, context.dims(name)) for name, dims in sizes.items()}
    state = sizes["cs_prev"]
    return sizes | {"x": of_rank(x, 3), "gate": None if state is None else (time, *state)}


def _define(version: str, order: str) -> tuple[OpDef, OpDef]:
    bias: dict[str, Any] = {"forget_bias": 1.0, "cell_clip": 3.0} if version == "" else {"cell_clip": 0.0}
    forward = define_op(f"BlockLSTM{version}", f"{_IN} -> {GATES}, h: T", **bias, use_peephole=False, T=HALVES,
                        accuracy="composed")  # fmt: skip
    outputs = ", ".join(f"{name}: T" for name in _SLOPES)
    backward = define_op(
        f"BlockLSTMGrad{version}", f"{_IN}, {GATES}, h: T, cs_grad: T, h_grad: T -> {outputs}",
        use_peephole=Attr("bool"), T=HALVES, accuracy="composed",
    )  # fmt: skip

    forward.work(work.recurrent(1, (4,)))  # x and w [W19]
    backward.work(work.recurrent(1, (4,), passes=2))

    def kernel(seq_len_max, x, cs_prev, h_prev, w, wci, wcf, wco, b, forget_bias, cell_clip, use_peephole):
        data = [seq_len_max, x, cs_prev, h_prev, w, wci, wcf, wco, b]
        return _forward(data, order, forget_bias, cell_clip, use_peephole)

    def kernel_v2(seq_len_max, x, cs_prev, h_prev, w, wci, wcf, wco, b, cell_clip, use_peephole):
        return kernel(seq_len_max, x, cs_prev, h_prev, w, wci, wcf, wco, b, 0.0, cell_clip, use_peephole)

    forward.kernel(kernel if version == "" else kernel_v2)

    @backward.kernel
    def back_kernel(seq_len_max, x, cs_prev, h_prev, w, wci, wcf, wco, b, i, cs, f, o, ci, co, h, cs_grad, h_grad,
                    use_peephole):  # fmt: skip
        data = [seq_len_max, x, cs_prev, h_prev, w, wci, wcf, wco, b, i, cs, f, o, ci, co, h, cs_grad, h_grad]
        return _backward(data, order, use_peephole)

    @forward.shape
    def shape(context: ShapeContext) -> list[shapes.Shape]:
        return [_sizes(context)["gate"]] * 7

    @backward.shape
    def back_shape(context: ShapeContext) -> list[shapes.Shape]:
        sizes = _sizes(context)
        gates = ("i", "cs", "f", "o", "ci", "co", "h", "cs_grad", "h_grad")
        check_sizes(context, dict.fromkeys(gates, sizes["gate"]), {})
        return [sizes[name] for name in ("x", "cs_prev", "h_prev", "w", "wci", "wcf", "wco", "b")]

    @forward.gradient
    def gradient(op, *dy):
        """From the op of the slopes, by what comes in for cs and h."""
        back = backward(*op.inputs, *op.outputs, dy[1], dy[6], use_peephole=op.attrs["use_peephole"])
        return None, *back

    backward.no_gradient_registered()
    return forward, backward


BLOCK_LSTM = {version: _define(version, order) for version, order in (("", "icfo"), ("V2", "ifco"))}

_X = np.zeros((2, 1, 1), np.float32)
_N = np.zeros(1, np.float32)
_K: dict[str, Any] = {"x": _X, "h_prev": _X[0], "w": np.zeros((2, 4), np.float32), "wci": _N, "wcf": _N, "wco": _N,
                      "b": np.zeros(4, np.float32)}  # fmt: skip
for _version, (_op, _back) in BLOCK_LSTM.items():
    _bias: dict[str, Any] = {"forget_bias": 0.0} if _version == "" else {}
    _op.case("W06", "half of it at each step", seq_len_max=2, cs_prev=_X[0] + 2, **_K, **_bias,
             cs=[[[1]], [[0.5]]], f=_X + 0.5)  # fmt: skip
    _op.case("W06", "nothing beyond the end", seq_len_max=1, cs_prev=_X[0] + 2, **_K, **_bias,
             cs=[[[1]], [[0]]])  # fmt: skip
    _back.case("W30", "through half-open gates", seq_len_max=2, cs_prev=_X[0] + 2, **_K, i=_X + 0.5, f=_X + 0.5,
               o=_X + 0.5, ci=_X, co=_X, h=_X, cs=np.array([[[1]], [[0.5]]], np.float32), h_grad=_X, use_peephole=False,
               cs_grad=np.array([[[0]], [[1]]], np.float32), cs_prev_grad=[[0.25]], x_grad=_X,
               h_prev_grad=[[0]])  # fmt: skip
