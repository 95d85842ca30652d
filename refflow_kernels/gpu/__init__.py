"""The hot kernels in Triton, by op type: the same names and arguments as in refflow_kernels.cpu.

Memory is passed in: anything with `data_ptr()`, `dtype` and `shape` will do, contiguous, last axis fastest.
`out=` is required, nothing is allocated, and no kernel uses an atomic: two runs give the same bits.
"""

from refflow_kernels.gpu import conv
from refflow_kernels.gpu.matmul import matmul, matmul_workspace
from refflow_kernels.gpu.reductions import (
    reduce_max,
    reduce_mean,
    reduce_min,
    reduce_prod,
    reduce_sum,
    reduction_workspace,
)
from refflow_kernels.gpu.softmax import softmax
from refflow_kernels.gpu.softmax_xent import softmax_xent
from refflow_kernels.gpu.updates import apply_gradient_descent
from refflow_kernels.kernel import Kernel

FLOATS = ("float16", "float32")

KERNELS = {
    "MatMul": Kernel(matmul, FLOATS, workspace=matmul_workspace),
    **conv.KERNELS,
    "Softmax": Kernel(softmax, FLOATS),
    "SoftmaxCrossEntropyWithLogits": Kernel(softmax_xent, FLOATS),
    "Sum": Kernel(reduce_sum, FLOATS, (1,), reduction_workspace),
    "Mean": Kernel(reduce_mean, FLOATS, (1,), reduction_workspace),
    "Max": Kernel(reduce_max, FLOATS, (1,), reduction_workspace),
    "Min": Kernel(reduce_min, FLOATS, (1,), reduction_workspace),
    "Prod": Kernel(reduce_prod, FLOATS, (1,), reduction_workspace),
    "ApplyGradientDescent": Kernel(apply_gradient_descent, FLOATS),
}
