"""What a few units in the last place of the inputs make of the results: how far whoever is right may be off.

A function that changes fast, as J0 at 3e4 or Digamma near its zero, has no digits left where its argument has none, and
the root of a matrix that is all but singular is anyone's guess. The first allows what inputs of `NEAR` other units
give; the second is no example.

Next: conformance/bends.py.
"""

from __future__ import annotations

import numpy as np

from refflow.conformance.compare import difference
from refflow.conformance.corpus import Example
from refflow.conformance.drawn import Where, answered, arrays, is_float, replaced
from refflow.core.bfloat16 import RECORD, rounded, widened

NEAR = 4


def slack(example: Example) -> dict[str, np.ndarray]:
    """How far each result moves with the inputs, one after the other, up and down: the sum of the larger moves."""
    total = {name: np.zeros(np.shape(value)) for name, value in example.outputs.items()}
    for where, array in arrays(example):
        if is_float(array):
            moves = [answered(replaced(example, {where: nudged(array, units)})) for units in (NEAR, -NEAR)]
            for name, value in example.outputs.items():
                with np.errstate(all="ignore"):
                    off = [abs(_wide(m.outputs[name]) - _wide(value)) for m in moves if m is not None]
                total[name] += np.nan_to_num(np.max(off, axis=0), nan=0, posinf=0) if off else 0
    return total


def is_steady(example: Example) -> bool:
    """Whether other roundings of a composed op's inputs leave the results right."""
    if example.error is not None or example.accuracy != "composed":
        return True
    rng = np.random.default_rng(0)
    new: dict[Where, np.ndarray] = {
        where: nudged(a, rng.integers(-1, 2, a.shape))
        for where, a in arrays(example)
        if is_float(a) or a.dtype.kind == "c"
    }
    again = answered(replaced(example, new)) if new else example
    if again is None:
        return False
    pairs = [(a, b) for n, a in again.outputs.items() for b in [example.outputs[n]] if not isinstance(a, list)]
    return not any(difference(a, b, example.accuracy) for a, b in pairs)


def nudged(array: np.ndarray, units: int | np.ndarray) -> np.ndarray:
    """The numbers, so many units in the last place larger."""
    eps = 2.0**-7 if array.dtype == RECORD else float(np.finfo(array.dtype).eps)
    with np.errstate(all="ignore"):
        moved = (array if array.dtype.kind == "c" else _wide(array)) * (1 + units * eps)
        return rounded(moved.astype(np.float32)) if array.dtype == RECORD else moved.astype(array.dtype)


def _wide(array: np.ndarray) -> np.ndarray:
    return np.asarray(widened(np.asarray(array)), np.float64)
