"""Which operations there are: a page for each op of substance, a table for each family of one-liners."""

from refflow.ops import (
    array,
    broadcast,
    constant,
    control,
    dynamic_stitch,
    elementwise,
    gather,
    joining,
    logic,
    matmul,
    operators,
    random,
    reductions,
    resource_variable,
    softmax,
    strings,
    softmax_xent,
    training,
    variable,
)
