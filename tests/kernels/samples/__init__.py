"""Inputs for every hot op, by family: each sample is (inputs, attributes, bounds of the outputs)."""

from tests.kernels.samples import (
    arrays,
    batch_norm,
    bias,
    convolutions,
    copies,
    depthwise,
    diagonals,
    dilation,
    elementwise,
    lrn,
    matrices,
    pictures,
    places,
    pools,
    products,
    reductions,
    rows,
    segments,
    sparse,
    speech,
    updates,
)
from tests.kernels.samples.bounds import assert_within, reference

SAMPLES = {}
for family in (
    products,
    convolutions,
    copies,
    depthwise,
    diagonals,
    dilation,
    pools,
    pictures,
    places,
    batch_norm,
    bias,
    lrn,
    matrices,
    rows,
    reductions,
    arrays,
    segments,
    sparse,
    speech,
    updates,
    elementwise,
):
    SAMPLES.update(family.SAMPLES)

__all__ = ["SAMPLES", "assert_within", "reference"]
