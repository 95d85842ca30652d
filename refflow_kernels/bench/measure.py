"""One row for each case: is it right, how long does it take, and how long does torch take.

A result is wrong when its largest difference from float64, relative to the largest value, is above the dtype's bound
and above four times torch's own. What is no number is wrong. On a card the comparison is made there: to bring gigabytes
to the host for it would take longer than all else.

Next: refflow_kernels/bench/card.py.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refflow_kernels.bench.case import Case

BOUND = {"float32": 1e-5, "float16": 2e-3, "bfloat16": 1.6e-2, "tf32": 2e-3, "ieee": 1e-5}


def error(got: Sequence[np.ndarray], wanted: Sequence[np.ndarray]) -> float:
    """The largest difference, relative to the largest value of each output."""
    worst = 0.0
    for g, w in zip(got, wanted, strict=True):
        if g.size:
            difference = np.abs(g.astype(np.float64) - w).max() / max(np.abs(w).max(), 1e-30)
            worst = float(np.maximum(worst, difference))  # NaN, where either is
    return worst


def many(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def on_host(case: Case) -> tuple[int, ...]:
    """Places of inputs that the kernel reads in host memory."""
    from refflow_kernels.gpu import KERNELS

    return () if case.setup is not None else KERNELS[case.op_type].host_inputs


def uploaded(card: Any, case: Case, dtype: str = "") -> list[Any]:
    """The inputs as a card has them; floats in the case's type, or in `dtype`."""
    here = on_host(case)
    return [x if i in here else card.upload(x, (dtype or case.dtype) if x.dtype.kind == "f" else None)
            for i, x in enumerate(case.inputs)]  # fmt: skip


def outputs_of(case: Case) -> list[tuple[tuple[int, ...], str]]:
    """Shapes and types of the outputs, as the op says from those of the inputs."""
    import refflow.ops  # noqa: F401  (registers the ops)
    from refflow.core.dtypes import as_dtype
    from refflow.core.registry import op_def
    from refflow.core.shape_rules import infer
    from refflow.core.signature import REQUIRED
    from refflow_kernels.gpu import KERNELS

    if case.outs is not None:
        return [(tuple(shape), case.dtype) for shape in case.outs]
    op, here = op_def(case.op_type), on_host(case)
    attrs = {name: attr.default for name, attr in op.attrs.items() if attr.default is not REQUIRED}
    attrs |= {KERNELS[case.op_type].type_attr or "T": as_dtype(case.dtype)} | case.attrs
    shapes = infer(op, attrs, [x.shape for x in case.inputs], lambda i: case.inputs[i] if i in here else None)
    types = [t.base_dtype.name for t in op.output_types(attrs)]
    return [(tuple(d or 0 for d in s or ()), t) for s, t in zip(shapes, types, strict=True)]


class Prepared:
    """A case's memory on a card, and the call of refflow's kernel on it."""

    def __init__(self, card: Any, case: Case):
        from refflow_kernels.gpu import KERNELS

        self.inputs = uploaded(card, case)
        self.out: Sequence[Any] = tuple(card.empty(shape, dtype) for shape, dtype in outputs_of(case))
        self.call: Callable[[], Any]
        if case.setup is not None:
            self.call, self.out = case.setup(card, self.inputs, self.out)
            return
        kernel = KERNELS[case.op_type]
        more = case.attrs | case.more
        need = kernel.workspace(self.inputs, **more) if kernel.workspace else None
        if need is not None:
            more["workspace"] = card.empty(*need)
        place = self.out if len(self.out) > 1 else self.out[0]
        self.call = lambda: kernel.function(*self.inputs, **more, out=place)


def by_the_page(case: Case) -> list[np.ndarray]:
    """The outputs in float64, by the reference on the op's page."""
    import refflow.ops  # noqa: F401  (registers the ops)
    from refflow.core.registry import op_def

    wide = [x.astype(np.float64) if x.dtype == np.float32 else x for x in case.inputs]
    if case.page is not None:
        return [np.asarray(x) for x in many(case.page(wide))]
    op = op_def(case.op_type)
    given = {k: v for k, v in case.attrs.items() if k in op.kernels["cpu"].attrs}
    return [np.asarray(x) for x in many(op.reference(*wide, **given))]


def by_torch(torch: Any, case: Case, wide: Sequence[Any]) -> list[Any]:
    """The outputs in float64, by torch; `wide` are the inputs in float64."""
    return [o.detach() for o in many(case.peer(torch, wide))]


def dry(card: Any, case: Case) -> dict[str, Any]:
    """The row of a case without a card: right or wrong."""
    wanted = by_the_page(case)
    prepared = Prepared(card, case)
    prepared.call()
    found = error([card.download(o) for o in prepared.out], wanted)
    row = {"case": case.label, "error": found, "wrong": not found <= BOUND[case.more.get("precision", case.dtype)]}
    if importlib.util.find_spec("torch") is not None:
        import torch

        here = on_host(case)
        wide = [x if i in here else torch.from_numpy(np.asarray(x, np.float64 if x.dtype.kind == "f" else None))
                for i, x in enumerate(case.inputs)]  # fmt: skip
        differs = error([o.numpy() for o in by_torch(torch, case, wide)], wanted)
        row |= {"peer_differs": differs, "wrong": row["wrong"] or not differs < 1e-6}
    return row


def measure(card: Any, case: Case) -> dict[str, Any]:
    """The row of a case on a card."""
    card.asks_for_tf32(case.more.get("precision") == "tf32")
    prepared = Prepared(card, case)
    theirs_inputs = uploaded(card, case)  # either side may write over its own
    wanted = by_torch(card.torch, case, uploaded(card, case, "float64"))
    prepared.call()
    row: dict[str, Any] = {"case": case.label, "error": card.error(prepared.out, wanted)}
    row["torch_error"] = card.error(many(case.peer(card.torch, theirs_inputs)), wanted)
    bound = max(BOUND[case.more.get("precision", case.dtype)], 4 * row["torch_error"])
    row["wrong"] = not row["error"] <= bound
    width = 4 if case.dtype == "float32" else 2
    moved = sum(width * x.size if x.dtype.kind == "f" else x.nbytes for x in case.inputs)
    moved += sum(width * w.numel() for w in wanted)
    del wanted
    mine, theirs = card.milliseconds([prepared.call, lambda: case.peer(card.torch, theirs_inputs)])
    row |= {"ms": mine, "torch_ms": theirs, "ratio": theirs / mine, "GB_per_s": moved / mine / 1e6}
    return row | ({"TFLOP_per_s": case.flops / mine / 1e9} if case.flops else {})


def line(row: dict[str, Any]) -> str:
    """A row in words."""
    if "failed" in row:
        return f"{row['case']:52} FAILED  {row['failed']}"
    text = f"{row['case']:52} error {row['error']:.1e}{'  WRONG' if row['wrong'] else ''}"
    if "ms" in row:
        speed = f"{row['TFLOP_per_s']:7.1f} TFLOP/s" if "TFLOP_per_s" in row else f"{row['GB_per_s']:7.0f} GB/s"
        text += f"  {row['ms']:8.3f} ms  torch {row['torch_ms']:8.3f} ms  ratio {row['ratio']:5.2f}  {speed}"
    return text
