"""Updates: what an optimizer adds to the graph for each variable [S32, W78].

Each rule of ops/training_rules.py is a function of the variable, its slots, some numbers and the gradient g; it gives
their new values. Four ops come from one rule:

    ApplyX                 references
    SparseApplyX           only the rows that `indices` names; a row named twice is updated twice, in order
    ResourceApplyX, ResourceSparseApplyX          the same for variables behind handles

Kernels of references give new values, in order, and the runtime stores them; others change the state behind handles,
where its value lies if nobody else holds it. A plan gives them a function that does so a block at a time.

Next: train/optimizer.py.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import INDICES, NUMBERS
from refflow.core.errors import InternalError, ShapeError
from refflow.core.graph import Tensor
from refflow.core.opdef import ByElement, OpDef, define_op
from refflow.core.shape_rules import ShapeContext
from refflow.ops import training_rules as rules
from refflow.ops.resource_variable import Locked, read, variable_of
from refflow.ops.scatter import rounds

_STEP = ("grad", "delta")  # what rules call the gradient
_BLOCK = 1 << 14  # elements of rows that are changed at once


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


def _update_rows(rule: Any, names: list[str], slots: int, given: dict[str, Any], indices: Any) -> list[np.ndarray]:
    """Changes variable and slots where they lie, in the rows of `indices`, and returns them."""
    held = [given[n] for n in names[:slots]]
    bad = np.flatnonzero((indices < 0) | (indices >= len(held[0])))
    if bad.size:
        raise IndexError(f"Index {indices[bad[0]]} at offset {bad[0]} in indices is out of range")
    step = next(n for n in names if n in _STEP)
    for places in rounds(indices):
        named, slopes = indices[places], given[step][places]
        some = max(1, _BLOCK // max(1, slopes[:1].size))  # rows that stay in the core's cache
        for here in (slice(i, i + some) for i in range(0, len(named), some)):
            rows = named[here]
            arguments = dict(given) | {n: h[rows] for n, h in zip(names[:slots], held, strict=True)}
            for h, value in zip(held, rule(**arguments | {step: slopes[here]}), strict=True):
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
    step = next(i for i, n in enumerate(order) if n in _STEP)
    numbers = tuple(i for i, n in enumerate(order) if i >= slots and n not in (*_STEP, "indices"))

    def values(inputs: tuple[Any, ...], chosen: dict[str, Any]) -> list[np.ndarray]:
        given = dict(zip(order, inputs, strict=True)) | chosen
        if row_wise and "delta" in names:
            given["delta"] = given.pop("grad")
        indices = given.pop("indices", None)
        if row_wise:
            return _update_rows(rule, names, slots, given | {n: given[n].copy() for n in names[:slots]}, indices)
        dtype = given[names[0]].dtype
        return [np.asarray(v).astype(dtype, copy=False) for v in rule(**given)]

    def on_references(*inputs: Any, **chosen: Any) -> Any:
        found = values(inputs, chosen)
        return found[0] if slots == 1 else found

    def on_handles(*inputs: Any, update: Any = None, **chosen: Any) -> None:
        states, given = [variable_of(h) for h in inputs[:slots]], inputs[slots:]
        with Locked(states):
            if any(s.value is None for s in states):
                raise InternalError(None, None, "Invalid variable reference: its initializer has not been run")
            dims = [*(s.value.shape for s in states), *map(np.shape, given)]
            if row_wise or dims != [() if i in numbers else dims[0] for i in range(len(dims))]:
                _check_fit(dict(zip(order, dims, strict=True)), order[:slots])
            if all(s.value.dtype == inputs[step].dtype for s in states) and (row_wise or update is not None):
                (update or partial(in_place, **chosen))(*(s.to_change() for s in states), *given)
                return
            for state, value in zip(states, values((*map(read, states), *given), chosen), strict=True):
                state.replace(value)

    def in_place(*inputs: Any, **chosen: Any) -> None:
        given = dict(zip(order, inputs, strict=True)) | chosen
        if "delta" in names:
            given["delta"] = given.pop("grad")
        _update_rows(rule, names, slots, given, given.pop("indices"))

    if not row_wise:
        op_def.by_element = ByElement(lambda *given, **chosen: rule(**dict(zip(order, given, strict=True)), **chosen),
                                      numbers)  # fmt: skip
    op_def.in_place = in_place if row_wise and not by_handle else None
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
    "GradientDescent": (rules.gradient_descent, 1, False, True),
    "ProximalGradientDescent": (rules.proximal_gradient_descent, 1, True, True),
    "Momentum": (rules.momentum, 2, True, True),
    "KerasMomentum": (rules.keras_momentum, 2, True, False),
    "Adagrad": (rules.adagrad, 2, True, True),
    "AdagradV2": (rules.adagrad_v2, 2, True, True),
    "ProximalAdagrad": (rules.proximal_adagrad, 2, True, True),
    "AdagradDA": (rules.adagrad_da, 3, True, True),
    "Adadelta": (rules.adadelta, 3, True, True),
    "Ftrl": (rules.ftrl, 3, True, True),
    "FtrlV2": (rules.ftrl_v2, 3, True, True),
    "Adam": (rules.adam, 3, False, True),
    "AdamWithAmsgrad": (rules.adam_with_amsgrad, 4, False, False),
    "AdaMax": (rules.ada_max, 3, False, True),
    "RMSProp": (rules.rms_prop, 3, True, True),
    "CenteredRMSProp": (rules.centered_rms_prop, 4, True, True),
    "AddSign": (rules.add_sign, 2, False, True),
    "PowerSign": (rules.power_sign, 2, False, True),
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
