"""The error function and the normal distribution's quantile [W06].

    Erf       2 / sqrt(pi) times the integral of exp(-t**2) from 0 to x       Erfc     1 - Erf
    Erfinv    where Erf is x                                                  Ndtri    where the normal share is x

Next: ops/integrals.py.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from refflow.core.dtypes import FLOATS
from refflow.core.elementwise import define_function, each, in_float64
from refflow.ops.elementary import number
from refflow.ops.elementwise import EXP, NEG, SQUARE

erf, erfc = each(math.erf), each(math.erfc)


def erfinv(x: np.ndarray) -> np.ndarray:
    """Where erf is x: the normal distribution's quantile, and two of Newton's steps for the last digits."""
    y = ndtri((x + 1) / 2) / math.sqrt(2)
    for _ in range(2):
        slope = 2 / math.sqrt(math.pi) * np.exp(-y * y)
        step = (erf(y) - x) / np.where(slope > 1e-300, slope, 1)
        y = np.where(np.isfinite(y) & (np.abs(y) < 5), y - step, y)
    return y


def _quantile(p: float) -> float:
    if p in (0.0, 1.0):
        return math.inf if p else -math.inf
    return NormalDist().inv_cdf(p) if 0 < p < 1 else math.nan


ndtri = each(_quantile)

ERF = define_function("Erf", erf, lambda x: number(2 / math.sqrt(math.pi), x) * EXP(NEG(SQUARE(x))), FLOATS)
ERFC = define_function("Erfc", erfc, lambda x: number(-2 / math.sqrt(math.pi), x) * EXP(NEG(SQUARE(x))), FLOATS)
ERFINV = define_function("Erfinv", in_float64(erfinv), types=FLOATS, accuracy="special")
NDTRI = define_function("Ndtri", ndtri, types=FLOATS, accuracy="special")


@ERFINV.gradient
def _erfinv_gradient(op, dy):
    """dx = dy * sqrt(pi) / 2 * exp(y**2)."""
    y = op.outputs[0]
    return dy * number(math.sqrt(math.pi) / 2, y) * EXP(SQUARE(y))


@NDTRI.gradient
def _ndtri_gradient(op, dy):
    """dx = dy * sqrt(2 pi) * exp(y**2 / 2)."""
    y = op.outputs[0]
    return dy * number(math.sqrt(2 * math.pi), y) * EXP(SQUARE(y) * number(0.5, y))


ERF.case("W06", "0 in the middle", x=[0, 10, 0.5], y=[0, 1, 0.5204998778130465])
ERFC.case("W06", "what erf lacks of 1", x=[0, 0.5], y=[1, 0.4795001221869535])
ERFINV.case("W06", "back from erf", x=[0, 0.5204998778130465], y=[0, 0.5])
NDTRI.case("W06", "quantiles of the normal distribution", x=[0.5, 0.8413447460685429], y=[0, 1])
