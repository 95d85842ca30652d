"""Updates: what an optimizer adds to the graph for each variable [S32, W78].

Each rule below is a function of the variable, its slots, some numbers and the gradient g; it gives their new values.
Four ops come from one rule:

    ApplyX                 references
    SparseApplyX           only the rows that `indices` names; a row named twice is updated twice, in order
    ResourceApplyX, ResourceSparseApplyX          the same for variables behind handles

Kernels of references give new values, in order, and the runtime stores them; others change the state behind handles.

Next: train/optimizer.py.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import INDICES, NUMBERS
from refflow.core.errors import InternalError, ShapeError
from refflow.core.graph import Tensor
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_rules import ShapeContext
from refflow.ops.resource_variable import read, variable_of

# -- the rules ------------------------------------------------------------------------------------------------


def gradient_descent(var, alpha, delta):
    """var := var - alpha * g."""
    return (var - alpha * delta,)


def _shrunk(step: Any, rate: Any, l1: Any, l2: Any) -> Any:
    """What l1 and l2 leave of a step's result: moved toward zero by rate * l1, then divided."""
    if l1 > 0:
        step = np.sign(step) * np.maximum(np.abs(step) - rate * l1, 0)
    return step / (1 + rate * l2)


def proximal_gradient_descent(var, alpha, l1, l2, delta):
    """A step, then the proximal map of l1 * |var| + l2 * var**2 / 2."""
    return (_shrunk(var - alpha * delta, alpha, l1, l2),)


def momentum(var, accum, lr, grad, momentum, use_nesterov=False):
    """accum := momentum * accum + g, var := var - lr * accum; Nesterov's form looks one step ahead."""
    accum = accum * momentum + grad
    step = grad * lr + accum * momentum * lr if use_nesterov else lr * accum
    return var - step, accum


def keras_momentum(var, accum, lr, grad, momentum, use_nesterov=False):
    """accum := momentum * accum - lr * g, var := var + accum."""
    accum = accum * momentum - grad * lr
    return var + (accum * momentum - grad * lr if use_nesterov else accum), accum


def adagrad(var, accum, lr, grad, update_slots=True):
    """accum := accum + g**2, var := var - lr * g / sqrt(accum)."""
    accum = accum + grad * grad if update_slots else accum
    return var - lr * grad / np.sqrt(accum), accum


def adagrad_v2(var, accum, lr, epsilon, grad, update_slots=True):
    """As Adagrad, with epsilon beside the root."""
    accum = accum + grad * grad if update_slots else accum
    return var - lr * grad / (np.sqrt(accum) + epsilon), accum


def proximal_adagrad(var, accum, lr, l1, l2, grad):
    """Adagrad's rate in a proximal step."""
    accum = accum + grad * grad
    rate = lr / np.sqrt(accum)
    return _shrunk(var - grad * rate, rate, l1, l2), accum


def adagrad_da(var, gradient_accumulator, gradient_squared_accumulator, grad, lr, l1, l2, global_step):
    """Dual averaging: var from the sums of all gradients and their squares."""
    total = gradient_accumulator + grad
    squares = gradient_squared_accumulator + grad * grad
    steps = np.asarray(global_step).astype(total.dtype)
    kept = np.sign(total) * np.maximum(np.abs(total) - l1 * steps, 0) if l1 > 0 else total
    return -lr * kept / (l2 * steps * lr + np.sqrt(squares)), total, squares


def adadelta(var, accum, accum_update, lr, rho, epsilon, grad):
    """Steps as long as the root mean square of past steps over that of past gradients."""
    accum = rho * accum + (1 - rho) * grad * grad
    update = np.sqrt(accum_update + epsilon) / np.sqrt(accum + epsilon) * grad
    accum_update = rho * accum_update + (1 - rho) * update * update
    return var - lr * update, accum, accum_update


def ftrl(var, accum, linear, grad, lr, l1, l2, lr_power, multiply_linear_by_lr=False):
    """Follow the regularized leader: the minimum of what `linear` and `accum` sum up."""
    return _ftrl(var, accum, linear, grad, grad, lr, l1, l2, lr_power, multiply_linear_by_lr)


def ftrl_v2(var, accum, linear, grad, lr, l1, l2, l2_shrinkage, lr_power, multiply_linear_by_lr=False):
    """As Ftrl, with a pull toward zero in the gradient."""
    shrunk = grad + 2 * l2_shrinkage * var
    return _ftrl(var, accum, linear, grad, shrunk, lr, l1, l2, lr_power, multiply_linear_by_lr)


def _ftrl(var, accum, linear, grad, pulled, lr, l1, l2, lr_power, multiply):
    new = accum + grad * grad
    before, after = (np.sqrt(a) if lr_power == -0.5 else a ** (-lr_power) for a in (accum, new))
    if multiply:
        linear = linear + pulled * lr - (after - before) * var
        limit, slope = l1 * lr, after + 2 * l2 * lr
    else:
        linear = linear + pulled - (after - before) / lr * var
        limit, slope = l1, after / lr + 2 * l2
    at_minimum = (np.sign(linear) * limit - linear) / slope
    return np.where(np.abs(linear) > limit, at_minimum, np.zeros((), var.dtype)), new, linear


def adam(var, m, v, beta1_power, beta2_power, lr, beta1, beta2, epsilon, grad, use_nesterov=False):
    """m and v are running means of g and g**2; var := var - rate * m / (sqrt(v) + epsilon)."""
    rate = lr * np.sqrt(1 - beta2_power) / (1 - beta1_power)
    m = beta1 * m + (1 - beta1) * grad
    v = beta2 * v + (1 - beta2) * (grad * grad)
    ahead = m * beta1 + (1 - beta1) * grad if use_nesterov else m
    return var - rate * ahead / (np.sqrt(v) + epsilon), m, v


def adam_with_amsgrad(var, m, v, vhat, beta1_power, beta2_power, lr, beta1, beta2, epsilon, grad):
    """As Adam, by the largest v so far."""
    rate = lr * np.sqrt(1 - beta2_power) / (1 - beta1_power)
    m = beta1 * m + (1 - beta1) * grad
    v = beta2 * v + (1 - beta2) * (grad * grad)
    vhat = np.maximum(vhat, v)
    return var - rate * m / (np.sqrt(vhat) + epsilon), m, v, vhat


def ada_max(var, m, v, beta1_power, lr, beta1, beta2, epsilon, grad):
    """v is the largest |g|, fading; var := var - lr / (1 - beta1_power) * m / (v + epsilon)."""
    m = m + (grad - m) * (1 - beta1)
    v = np.maximum(beta2 * v, np.abs(grad))
    return var - lr / (1 - beta1_power) * (m / (v + epsilon)), m, v


def rms_prop(var, ms, mom, lr, rho, momentum, epsilon, grad):
    """ms is a running mean of g**2; mom := momentum * mom + lr * g / sqrt(ms + epsilon), var := var - mom."""
    ms = ms + (1 - rho) * (grad * grad - ms)
    mom = momentum * mom + lr * grad / np.sqrt(ms + epsilon)
    return var - mom, ms, mom


def centered_rms_prop(var, mg, ms, mom, lr, rho, momentum, epsilon, grad):
    """As RMSProp, by the variance of g."""
    ms = ms + (1 - rho) * (grad * grad - ms)
    mg = mg + (1 - rho) * (grad - mg)
    mom = momentum * mom + lr * grad / np.sqrt(ms - mg * mg + epsilon)
    return var - mom, mg, ms, mom


def _agreement(m: Any, grad: Any, beta: Any) -> tuple[Any, Any]:
    m = beta * m + (1 - beta) * grad
    return m, np.sign(grad) * np.sign(m)


def add_sign(var, m, lr, alpha, sign_decay, beta, grad):
    """Longer steps where g agrees in sign with its running mean m."""
    m, agrees = _agreement(m, grad, beta)
    return var - lr * (alpha + sign_decay * agrees) * grad, m


def power_sign(var, m, lr, logbase, sign_decay, beta, grad):
    """Steps times a power of agreement."""
    m, agrees = _agreement(m, grad, beta)
    return var - lr * np.exp(logbase * sign_decay * agrees) * grad, m


# -- four ops from a rule -----------------------------------------------------------------------------------------

_STEP = ("grad", "delta")  # what rules call the gradient


def _parameters(rule: Callable[..., Any]) -> tuple[list[str], dict[str, bool]]:
    """A rule's inputs in order, and its flags."""
    parameters = inspect.signature(rule).parameters.values()
    return ([p.name for p in parameters if p.default is p.empty],
            {p.name: p.default for p in parameters if p.default is not p.empty})  # fmt: skip


def _signature(names: list[str], slots: int, row_wise: bool, by_handle: bool) -> str:
    parts = []
    for i, name in enumerate(names):
        if i < slots:
            parts.append(f"{name}: resource[]" if by_handle else f"{name}: Ref(T)")
        elif name in _STEP:
            parts.append(f"{'grad' if row_wise else name}: T")
            if row_wise:
                parts.append("indices: Tindices")
        else:
            parts.append(f"{name}: {'int64' if name == 'global_step' else 'T'}")
    if row_wise and not any(p.startswith("indices") for p in parts):
        parts.append("indices: Tindices")
    return ", ".join(parts) + (" ->" if by_handle else " -> out: Ref(T)")


def _check_fit(dims: dict[str, shapes.Shape], slots: list[str]) -> None:
    """Numbers are scalars, slots have the variable's shape, and so has the gradient, or a row for each index."""
    var = dims[slots[0]]
    for name in slots[1:]:
        if not shapes.compatible(var, dims[name]):
            raise ShapeError(f"var and {name} do not have the same shape{shapes.text(var)} {shapes.text(dims[name])}")
    for name, given in dims.items():
        if name not in (*slots, *_STEP, "indices") and given:
            raise ShapeError(f"{name} is not a scalar: {shapes.text(given)}")
    step = next(n for n in dims if n in _STEP)
    if "indices" in dims:
        _check_rows_fit(var, dims[step], dims["indices"])
    elif not shapes.compatible(var, dims[step]):
        raise ShapeError(f"var and {step} do not have the same shape{shapes.text(var)} {shapes.text(dims[step])}")


def _check_rows_fit(var: shapes.Shape, grad: shapes.Shape, indices: shapes.Shape) -> None:
    if var == ():
        raise ShapeError("var must be at least 1 dimensional")
    if indices is None:
        return
    if len(indices) != 1:
        raise ShapeError(f"indices must be one-dimensional, got shape {shapes.text(indices)}")
    if grad is None:
        return
    if not grad or not shapes.compatible(grad[:1], indices):
        raise ShapeError(
            f"grad must be the same size as indices in the first dimension. grad: {shapes.text(grad)}, indices: "
            f"{shapes.text(indices)}"
        )
    if var is not None and not shapes.compatible(var[1:], grad[1:]):
        at = next((i for i, (a, b) in enumerate(zip(var, grad, strict=False)) if i and a != b), len(var))
        raise ShapeError(f"var and grad must match in dimension {at}: {shapes.text(var)} {shapes.text(grad)}")


def _rounds(indices: np.ndarray) -> list[np.ndarray]:
    """Places in `indices`: all first occurrences, all second ones, and so on, so that no round names a row twice."""
    order = np.argsort(indices, kind="stable")
    ordered = indices[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    occurrence = np.empty(len(indices), np.int64)
    occurrence[order] = np.arange(len(indices)) - np.repeat(starts, np.diff(np.r_[starts, len(indices)]))
    return [np.flatnonzero(occurrence == k) for k in range(occurrence.max() + 1)]


def _rows_updated(rule: Any, names: list[str], slots: int, given: dict[str, Any], indices: Any) -> list[np.ndarray]:
    """New values of variable and slots, changed in the rows of `indices`."""
    held = [given[n].copy() for n in names[:slots]]
    bad = np.flatnonzero((indices < 0) | (indices >= len(held[0])))
    if bad.size:
        raise IndexError(f"Index {indices[bad[0]]} at offset {bad[0]} in indices is out of range")
    step = next(n for n in names if n in _STEP)
    for places in _rounds(indices) if len(indices) else ():
        rows = indices[places]
        arguments = dict(given) | {n: h[rows] for n, h in zip(names[:slots], held, strict=True)}
        arguments[step] = given[step][places]
        for h, value in zip(held, rule(**arguments), strict=True):
            h[rows] = value
    return held


def _define(name: str, rule: Callable[..., Any], slots: int, row_wise: bool, by_handle: bool) -> OpDef:
    names, flags = _parameters(rule)
    kind = ("Resource" if by_handle else "") + ("SparseApply" if row_wise else "Apply") + name
    attrs: dict[str, Any] = {"T": NUMBERS, "use_locking": False, **flags}
    if row_wise:
        attrs["Tindices"] = INDICES
    op_def = define_op(kind, _signature(names, slots, row_wise, by_handle), stateful=by_handle, source=("W78",),
                       accuracy="rounded" if name == "GradientDescent" else "composed", **attrs)  # fmt: skip
    order = [a.name for a in op_def.inputs]

    def values(inputs: tuple[Any, ...], chosen: dict[str, Any]) -> list[np.ndarray]:
        given = dict(zip(order, inputs, strict=True)) | chosen
        if row_wise and "delta" in names:
            given["delta"] = given.pop("grad")
        indices = given.pop("indices", None)
        if row_wise:
            return _rows_updated(rule, names, slots, given, indices)
        dtype = given[names[0]].dtype
        return [np.asarray(v).astype(dtype, copy=False) for v in rule(**given)]

    def on_references(*inputs: Any, **chosen: Any) -> Any:
        found = values(inputs, chosen)
        return found[0] if slots == 1 else found

    def on_handles(*inputs: Any, **chosen: Any) -> None:
        states = [variable_of(h) for h in inputs[:slots]]
        if any(s.value is None for s in states):
            raise InternalError(None, None, "Invalid variable reference: its initializer has not been run")
        with states[0].lock:
            held = [read(s) for s in states]
            _check_fit({n: np.shape(v) for n, v in zip(order, (*held, *inputs[slots:]), strict=True)}, order[:slots])
            for state, value in zip(states, values((*held, *inputs[slots:]), chosen), strict=True):
                state.replace(value)

    kernel: Any = on_handles if by_handle else on_references
    keywords = [inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY) for n in flags]
    kernel.__signature__ = inspect.Signature(
        [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD) for n in order] + keywords
    )
    op_def.kernel(kernel)
    op_def.no_gradient()

    @op_def.shape
    def fit(context: ShapeContext) -> Any:
        if by_handle:
            return []
        _check_fit({n: context.dims(n) for n in order}, order[:slots])
        return context.dims(order[0])

    return op_def


# name: (rule, how many references, has a form for rows, has a form for references)
_RULES: dict[str, tuple[Callable[..., Any], int, bool, bool]] = {
    "GradientDescent": (gradient_descent, 1, False, True),
    "ProximalGradientDescent": (proximal_gradient_descent, 1, True, True),
    "Momentum": (momentum, 2, True, True),
    "KerasMomentum": (keras_momentum, 2, True, False),
    "Adagrad": (adagrad, 2, True, True),
    "AdagradV2": (adagrad_v2, 2, True, True),
    "ProximalAdagrad": (proximal_adagrad, 2, True, True),
    "AdagradDA": (adagrad_da, 3, True, True),
    "Adadelta": (adadelta, 3, True, True),
    "Ftrl": (ftrl, 3, True, True),
    "FtrlV2": (ftrl_v2, 3, True, True),
    "Adam": (adam, 3, False, True),
    "AdamWithAmsgrad": (adam_with_amsgrad, 4, False, False),
    "AdaMax": (ada_max, 3, False, True),
    "RMSProp": (rms_prop, 3, True, True),
    "CenteredRMSProp": (centered_rms_prop, 4, True, True),
    "AddSign": (add_sign, 2, False, True),
    "PowerSign": (power_sign, 2, False, True),
}
APPLY: dict[str, OpDef] = {}
for _name, (_rule, _slots, _row_wise, _referenced) in _RULES.items():
    for _by_handle in (False, True) if _referenced else (True,):
        for _rows in (False, True) if _row_wise else (False,):
            _made = _define(_name, _rule, _slots, _rows, _by_handle)
            APPLY[_made.name] = _made

APPLY_GRADIENT_DESCENT, APPLY_MOMENTUM = APPLY["ApplyGradientDescent"], APPLY["ApplyMomentum"]
APPLY_ADAGRAD, APPLY_ADAM, APPLY_RMS_PROP = APPLY["ApplyAdagrad"], APPLY["ApplyAdam"], APPLY["ApplyRMSProp"]
SPARSE_APPLY_MOMENTUM, SPARSE_APPLY_ADAGRAD = APPLY["SparseApplyMomentum"], APPLY["SparseApplyAdagrad"]


def apply_gradient_descent(
    var: Any, alpha: Any, delta: Any, use_locking: bool = False, name: str | None = None
) -> Tensor:
    """var -= alpha * delta, in place; the result is the reference, after the change."""
    return APPLY_GRADIENT_DESCENT(var, alpha, delta, use_locking=use_locking, name=name)


# -- one step of each by hand ---------------------------------------------------------------------------------------

APPLY_GRADIENT_DESCENT.case("S32", "a step against the slope", var=[1, 2], alpha=0.5, delta=[2, -2], out=[0, 3])
APPLY_GRADIENT_DESCENT.case("S32", "the slope has the variable's shape", var=[1, 2], alpha=0.5, delta=[1],
                            error="var and delta do not have the same shape[2] [1]")  # fmt: skip
APPLY_MOMENTUM.case("W78", "the step goes on", var=[1, 1], accum=[2, 0], lr=0.5, grad=[1, 1], momentum=0.5,
                    out=[0, 0.5])  # fmt: skip
APPLY_MOMENTUM.case("W78", "looking one step ahead", var=[4], accum=[2], lr=0.5, grad=[1], momentum=0.5,
                    use_nesterov=True, out=[3])  # fmt: skip
APPLY_ADAGRAD.case("W78", "over the root of all squares", var=[1], accum=[7], lr=4, grad=[3], out=[-2])
APPLY_ADAM.case("W78", "the first step has the length of the rate", var=[1], m=[0], v=[0], beta1_power=0.5,
                beta2_power=0.75, lr=0.25, beta1=0.5, beta2=0.75, epsilon=0, grad=[-8], out=[1.25])  # fmt: skip
APPLY_RMS_PROP.case("W78", "over the root of a running mean", var=[1], ms=[0], mom=[0], lr=0.5, rho=0.75, momentum=0,
                    epsilon=0, grad=[4], out=[0])  # fmt: skip
SPARSE_APPLY_MOMENTUM.case("W78", "other rows stay", Tindices="int32", var=[[1], [1]], accum=[[2], [2]], lr=0.5,
                           grad=[[1]], indices=[1], momentum=0.5, out=[[1], [0]])  # fmt: skip
SPARSE_APPLY_ADAGRAD.case("W78", "other rows stay", Tindices="int32", var=[[1], [1]], accum=[[7], [7]], lr=4,
                          grad=[[3]], indices=[0], out=[[-2], [1]])  # fmt: skip
SPARSE_APPLY_ADAGRAD.case("W78", "rows exist", Tindices="int32", var=[[1]], accum=[[1]], lr=1, grad=[[1]], indices=[1],
                          error="Index 1 at offset 0 in indices is out of range")  # fmt: skip
_CASES: dict[str, tuple[dict[str, Any], float]] = {
    "ProximalGradientDescent": ({"var": 4, "alpha": 0.5, "l1": 2, "l2": 2, "delta": 2}, 1),
    "AdagradV2": ({"var": 1, "accum": 7, "lr": 5, "epsilon": 1, "grad": 3}, -2),
    "ProximalAdagrad": ({"var": 4, "accum": 7, "lr": 2, "l1": 1, "l2": 2, "grad": 3}, 1),
    "AdagradDA": ({"var": 9, "gradient_accumulator": 1, "gradient_squared_accumulator": 0, "grad": 3, "lr": 1, "l1": 1,
                   "l2": 0, "global_step": 1}, -1),
    "Adadelta": ({"var": 5, "accum": 0, "accum_update": 16, "lr": 1, "rho": 0.75, "epsilon": 0, "grad": 2}, -3),
    "Ftrl": ({"var": 0, "accum": 0, "linear": 0, "grad": 2, "lr": 1, "l1": 1, "l2": 1, "lr_power": -0.5}, -0.25),
    "FtrlV2": ({"var": 0, "accum": 0, "linear": 0, "grad": 2, "lr": 1, "l1": 1, "l2": 1, "l2_shrinkage": 1,
                "lr_power": -0.5}, -0.25),
    "AdaMax": ({"var": 5, "m": 0, "v": 1, "beta1_power": 0.5, "lr": 1, "beta1": 0.5, "beta2": 0.5, "epsilon": 0,
                "grad": 4}, 4),
    "CenteredRMSProp": ({"var": 5, "mg": 0, "ms": 0, "mom": 0, "lr": 1, "rho": 0.5, "momentum": 0, "epsilon": 0,
                         "grad": 4}, 3),
    "AddSign": ({"var": 5, "m": 1, "lr": 1, "alpha": 1, "sign_decay": 1, "beta": 0.5, "grad": 2}, 1),
    "PowerSign": ({"var": 5, "m": 1, "lr": 1, "logbase": 0, "sign_decay": 1, "beta": 0.5, "grad": 2}, 3),
}  # fmt: skip
for _name, (_values, _result) in _CASES.items():
    _names, _ = _parameters(_RULES[_name][0])
    _slots = _RULES[_name][1]
    _tensors: dict[str, Any] = {n: [v] if n in _names[:_slots] or n in _STEP else v for n, v in _values.items()}
    APPLY[f"Apply{_name}"].case("W78", "one step by hand", out=[_result], **_tensors)
    if _RULES[_name][2]:
        _by_row: dict[str, Any] = {n: [v, v] if n in _names[:_slots] else v for n, v in _values.items()}
        _by_row["grad"] = [_by_row.pop("delta") if "delta" in _by_row else _by_row["grad"]]
        APPLY[f"SparseApply{_name}"].case("W78", "one row by hand", out=[_values["var"], _result], indices=[1],
                                          Tindices="int32", **_by_row)  # fmt: skip
APPLY["SparseApplyRMSProp"].case("W78", "other rows stay", Tindices="int32", var=[1, 1], ms=[0, 0], mom=[0, 0],
                                 lr=0.5, rho=0.75, momentum=0, epsilon=0, grad=[4], indices=[1],
                                 out=[1, 0])  # fmt: skip
