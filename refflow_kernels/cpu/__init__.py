"""The hot kernels in NumPy, by op type. Elementwise ops have none here: one ufunc with `out=` is their floor."""

from refflow_kernels.cpu.matmul import matmul
from refflow_kernels.cpu.reductions import reduce_max, reduce_mean, reduce_min, reduce_prod, reduce_sum
from refflow_kernels.cpu.softmax import softmax
from refflow_kernels.cpu.softmax_xent import softmax_xent
from refflow_kernels.cpu.updates import apply_gradient_descent
from refflow_kernels.kernel import Kernel

FLOATS = ("float16", "float32", "float64")
WIDE = ("float32", "float64")
INTS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")

KERNELS = {
    "MatMul": Kernel(matmul, (*FLOATS, "int32", "int64", "complex64", "complex128")),
    "Softmax": Kernel(softmax, FLOATS),
    "SoftmaxCrossEntropyWithLogits": Kernel(softmax_xent, FLOATS),
    "Sum": Kernel(reduce_sum, (*WIDE, *INTS), host_inputs=(1,)),
    "Mean": Kernel(reduce_mean, WIDE, host_inputs=(1,)),
    "Max": Kernel(reduce_max, (*FLOATS, *INTS), host_inputs=(1,)),
    "Min": Kernel(reduce_min, (*FLOATS, *INTS), host_inputs=(1,)),
    "Prod": Kernel(reduce_prod, (*WIDE, *INTS), host_inputs=(1,)),
    "ApplyGradientDescent": Kernel(apply_gradient_descent, (*FLOATS, *INTS, "complex64", "complex128")),
}
