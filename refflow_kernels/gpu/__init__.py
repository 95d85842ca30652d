"""The hot kernels in Triton, by op type: the same names and arguments as in refflow_kernels.cpu.

Memory is passed in: anything with `data_ptr()`, `dtype` and `shape` will do, contiguous, last axis fastest.
`out=` is required, nothing is allocated, and no kernel uses an atomic: two runs give the same bits.

Each page has a table of its own, KERNELS, by op type; this one has them all.
"""

from refflow_kernels.gpu import (
    batch_matmul,
    batch_norm,
    batch_norm_grad,
    bias_add,
    cast,
    conv,
    copies,
    ctc_loss,
    depthwise,
    diagonals,
    einsum,
    lrn,
    matmul,
    mirrors,
    multinomial,
    nd,
    patches,
    pool,
    pool_grad,
    pool_places,
    random,
    reductions,
    resize,
    reverse,
    rows,
    scans,
    segments,
    softmax,
    softmax_xent,
    spaces,
    stitch,
    top_k,
    transpose,
    updates,
)
from refflow_kernels.kernel import Kernel

KERNELS: dict[str, Kernel] = {}
for _page in (
    matmul,
    batch_matmul,
    einsum,
    conv,
    depthwise,
    softmax,
    softmax_xent,
    ctc_loss,
    reductions,
    scans,
    transpose,
    pool,
    pool_grad,
    pool_places,
    patches,
    resize,
    bias_add,
    batch_norm,
    batch_norm_grad,
    lrn,
    updates,
    cast,
    copies,
    mirrors,
    reverse,
    diagonals,
    spaces,
    rows,
    stitch,
    segments,
    top_k,
    nd,
    random,
    multinomial,
):
    KERNELS.update(_page.KERNELS)
