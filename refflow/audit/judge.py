"""What a difference between two systems may be, tensor by tensor [W54].

Let an op's definition be f, its inputs x on this side and x' on the other, its outputs y and y'. Then

    y - y'  =  (y - f(x))  +  (f(x) - f(x'))  +  (f(x') - y')

The middle term is what the inputs' differences become in this op, and is computed: the op's page is run on both sides'
inputs. What is left are two errors of a kernel, each of which may be as large as its definition's accuracy class allows
any backend (conformance/compare.py), so that the *expected error* of a tensor is

    |f(x) - f(x')|  +  2 u        u: the class's units in the last place of y; where an op sums, of the largest in y
                                  and what one such unit in its inputs makes of f(x): cancellation is no fault

No difference is handed on as an allowance: one that an op was right to have is in x', and one that it was wrong to have
is that op's alone. So the first tensor that leaves its expected error is the op to look at, however far the two sides
have parted before; and which side is wrong is told, since each is also held against f of its own inputs.

Where f cannot be asked (inside a function, or where the other side lacks an input), values may differ by a stated part
of the largest one, and the report says that this was all.

Next: conformance/compare.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from refflow.audit.tensors import Arrays, Side
from refflow.conformance.compare import UNITS, unit_of
from refflow.core.graph import Operation, Tensor
from refflow.core.shapes import text as shape_text

PLAIN = 1e-4  # of the largest value, where no definition can be asked


class Verdict(NamedTuple):
    """One tensor. off: its largest difference; largest: of its values, and of
    its terms where it sums. grown: how much larger, in parts of the largest,
    its difference is than its inputs'. wrong: in words, "" where it is within its expected error. judged: by f."""

    tensor: Tensor
    off: float
    largest: float
    grown: float
    wrong: str
    judged: bool


def judge(here: Side, there: Arrays, tolerance: float = PLAIN) -> list[Verdict]:
    """Each tensor that both sides have, in the order of the graph."""
    mine = here.all()
    other = {n: v for n, v in mine.items() if n not in here.values} | there
    asked = _Definition(mine, other)
    return [_judged(t, mine, other, asked, tolerance) for t in here.tensors if t.name in there]


class _Definition:
    """The values of f for either side's inputs, where it can be asked."""

    def __init__(self, mine: Arrays, other: Arrays):
        self._sides = (mine, other)
        self._known: tuple[Any, Any] = (None, None)

    def of(self, op: Operation) -> list[list[np.ndarray]] | None:
        """[f(x), f(x')], each with all outputs."""
        if self._known[0] is not op:
            self._known = (op, self._asked(op))
        return self._known[1]

    def _asked(self, op: Operation) -> Any:
        if op.op_def.stateful or op.op_def.is_unknown or "cpu" not in op.op_def.kernels:
            return None
        names = [t.name for t in op.inputs]
        if not all(n in side for n in names for side in self._sides):
            return None
        with np.errstate(all="ignore"):
            try:
                found = [op.op_def.compute([side[n] for n in names], op.attrs) for side in self._sides]
            except (ValueError, TypeError, LookupError, ArithmeticError):
                return None  # the op's kernel is the runtime's
        return [[np.asarray(v) for v in outputs] for outputs in found]

    def unrounded(self, op: Operation, port: int) -> float:
        """What a last place in each of the inputs makes of f(x), at most; which go up and which down is fixed."""
        with np.errstate(all="ignore"):
            nudged = [_nudged(self._sides[0][t.name]) for t in op.inputs]
            moved = np.asarray(op.op_def.compute(nudged, op.attrs)[port])
            off = np.abs(moved.astype(complex) - np.asarray(self._known[1][0][port]).astype(complex))
        return float(np.max(off, initial=0.0, where=np.isfinite(off)))


def _nudged(array: Any) -> np.ndarray:
    array = np.asarray(array)
    if array.dtype.kind != "f":
        return array
    signs = np.resize(np.array([1, -1, 1, 1, -1, -1, 1, -1, -1], array.dtype), array.shape)
    return (array + signs * np.spacing(np.abs(array))).astype(array.dtype)


def _judged(tensor: Tensor, mine: Arrays, other: Arrays, asked: _Definition, tolerance: float) -> Verdict:
    y, z = np.asarray(mine[tensor.name]), np.asarray(other[tensor.name])
    if y.shape != z.shape or y.dtype.kind != z.dtype.kind:
        wrong = f"is {y.dtype}{shape_text(y.shape)} here, {z.dtype}{shape_text(z.shape)} there"
        return Verdict(tensor, np.inf, 0.0, 1.0, wrong, True)
    off = _apart(y, z)
    largest = _largest(y)
    if not off.any():
        return Verdict(tensor, 0.0, largest, 1.0, "", True)
    found = asked.of(tensor.op)
    if found is None:
        allowed = np.full(off.shape, tolerance * largest)
        wrong = "" if np.all(off <= allowed) else _told(y, z, off, allowed, f"{tolerance:.2g} of the largest")
        return Verdict(tensor, float(off.max()), largest, 1.0, wrong, False)
    port, accuracy = tensor.value_index, tensor.op.op_def.accuracy
    if accuracy in ("dot", "composed"):  # what nearly cancels is small beside its terms
        largest = max(largest, *(_largest(mine[t.name]) for t in tensor.op.inputs))
    f, g = (outputs[port] for outputs in found)
    own = _units(y, accuracy)
    if accuracy in ("dot", "composed") and y.dtype.kind == "f" and not np.all(off <= _apart(f, g) + 2 * own):
        own = own + UNITS[accuracy] * asked.unrounded(tensor.op, port)
    allowed = _apart(f, g) + 2 * own
    wrong = "" if np.all(off <= allowed) else _told(y, z, off, allowed, _sides(y, z, f, g, own))
    return Verdict(tensor, float(off.max()), largest, _growth(tensor.op, off.max(), largest, mine, other), wrong, True)


def _apart(y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """|y - z|; infinite where one alone is no number, or they are different infinities."""
    if y.dtype.kind not in "fc":
        return np.where(y == z, 0.0, np.inf) if y.dtype.kind == "b" else np.abs(y.astype(float) - z.astype(float))
    wide = complex if y.dtype.kind == "c" else float
    with np.errstate(invalid="ignore", over="ignore"):
        same = (y == z) | (np.isnan(y) & np.isnan(z))
        off = np.where(same, 0.0, np.abs(y.astype(wide) - z.astype(wide)))
    return np.where(np.isnan(off), np.inf, off)


def _largest(y: Any) -> float:
    y = np.asarray(y)
    if y.dtype.kind not in "fciub":
        return 0.0
    return float(np.max(np.abs(y).astype(float), initial=0.0, where=np.isfinite(y)))


def _units(y: np.ndarray, accuracy: str) -> np.ndarray:
    if y.dtype.kind not in "fc" or not y.size:
        return np.zeros(y.shape)
    real = np.maximum(np.abs(y.real), np.abs(y.imag)) if y.dtype.kind == "c" else y
    return UNITS.get(accuracy, 0) * unit_of(real, accuracy)


def _sides(y: np.ndarray, z: np.ndarray, f: np.ndarray, g: np.ndarray, own: np.ndarray) -> str:
    """Which of the two is off its definition, given its own inputs."""
    faults = [word for word, v, w in (("here", y, f), ("there", z, g)) if not np.all(_apart(v, w) <= own)]
    return f"{' and '.join(faults) or 'neither alone'} is off the op's definition, given its own inputs"


def _told(y: np.ndarray, z: np.ndarray, off: np.ndarray, allowed: np.ndarray, why: str) -> str:
    with np.errstate(invalid="ignore"):
        place = np.unravel_index(int(np.argmax(np.where(off > allowed, off, -1))), off.shape)
    where = f"[{', '.join(str(int(i)) for i in place)}] " if place else ""
    many = int((off > allowed).sum())
    return (
        f"{where}is {y[place]} here, {z[place]} there: {off[place]:.3g} apart, expected at most {allowed[place]:.3g}"
        f"{f' ({many:,} of {off.size:,} values)' if many > 1 else ''}; {why}"
    )


def _growth(op: Operation, off: float, largest: float, mine: Arrays, other: Arrays) -> float:
    """The relative difference of the output over the largest of the inputs'."""
    before = 0.0
    for tensor in op.inputs:
        x, w = mine[tensor.name], other[tensor.name]
        size = _largest(x)
        if size and np.shape(x) == np.shape(w):
            before = max(before, float(np.max(_apart(np.asarray(x), np.asarray(w)), initial=0.0)) / size)
    return (off / largest) / before if before and largest else 1.0


# -- words --------------------------------------------------------------------------------------------------


def report(here: Side, found: Sequence[Verdict]) -> list[str]:
    """The lines to print; the first is the verdict."""
    wrong = [v for v in found if v.wrong]
    lost = len(here.tensors) - len(found)
    lines = [f"{len(found)} tensors are on both sides" + (f"; {lost} of here have no counterpart" if lost else "")]
    if not wrong:
        lines[0] = f"each within its expected error: {lines[0]}"
    for v in wrong[:1]:
        lines += ["", f"the first that leaves its expected error, of {len(wrong)}:", *_lines(v, here, found)]
    if wrong[1:]:
        lines += ["", "by themselves, whatever came to them:", *(f"  {v.tensor.name}  {v.wrong}" for v in wrong[1:6])]
    real = [v for v in found if v.off and np.isfinite(v.off) and v.largest]
    if real:
        worst = max(real, key=lambda v: v.off / v.largest)
        lines += [
            "",
            f"the largest difference is {worst.off / worst.largest:.2g} of the largest value: {worst.tensor.name}",
        ]
        most = max(real, key=lambda v: v.grown)
        if most.grown > 30:
            lines.append(f"differences grow most, {most.grown:.2g} times, in {most.tensor.op.type} {most.tensor.name}")
    blind = [v.tensor.name for v in found if not v.judged]
    if blind:
        lines.append(f"without a definition to ask: {', '.join(blind[:6])}{' ...' if blind[6:] else ''}")
    parted = _fused(here)
    if parted:
        lines.append(parted)
    return lines


def _lines(v: Verdict, here: Side, found: Sequence[Verdict]) -> list[str]:
    offs = {w.tensor.name: w.off for w in found}
    op = v.tensor.op
    lines = [f"  {op.type} {v.tensor.name}  {v.wrong}"]
    for tensor in op.inputs:
        off = offs.get(tensor.name, 0.0)
        lines.append(f"    from {tensor.name}  {f'{off:.3g} apart' if off else 'equal on both sides'}")
    frame = op.user_frame
    return [*lines, f"    built at {frame}"] if frame is not None else lines


def _fused(here: Side) -> str:
    """How far the step's own fetches are from these values, when nothing takes its chains apart."""
    worst, name = 0.0, ""
    for key, value in here.fused.items():
        if key in here.values and value.dtype.kind == "f" and value.size:
            off = np.max(_apart(value, here.values[key]) / unit_of(here.values[key], "composed"))
            if off > worst:
                worst, name = float(off), key
    if worst > UNITS["composed"]:
        return f"with its chains fused, {name} is {worst:.3g} units in the last place from what it is without"
    return ""
